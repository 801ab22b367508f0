//! `evercount plan …`: what schema changes ask of counts, and what becomes of that.
//!
//! With `--json`, `list` prints `{"open": n, "plans": […]}`, and every other command one plan, each in
//! the shape of [`crate::show::adjustment_json`]. `simulate` adds `"simulated": true` and, as `show` does,
//! `"groups"`: `[{"was": {…}, "becomes": {…}, "n": 3}, …]`, the stored counts and where they go;
//! `approve` and `reject` add `"done"`, what they did.

mod certificate;
mod change;
mod decide;
mod find;
mod list;
mod next;
mod simulate;
mod text;
mod view;
mod words;

use crate::answer;
use crate::args::adjust::PlanCommand;
use crate::exit::Exit;

pub use certificate::words as transform_words;
pub use decide::lost_race;
pub use evercount_view::is_open;
pub use text::reads_source;
pub use view::{View, answer_with};
pub use words::{class, outcome};

/// Runs the command.
pub async fn run(command: PlanCommand) -> anyhow::Result<Exit> {
    match &command {
        PlanCommand::List(args) => {
            answer::on(args.target, args.output, false, async |opened| list::run(opened, args).await).await
        }
        PlanCommand::Show(args) => {
            answer::on(args.target, args.output, false, async |opened| view::run(opened, args).await).await
        }
        PlanCommand::Approve(args) => {
            let on = &args.on;
            answer::on(on.target, on.output, true, async |opened| decide::approve(opened, args).await).await
        }
        PlanCommand::Reject(args) => {
            answer::on(args.target, args.output, true, async |opened| decide::reject(opened, args).await)
                .await
        }
        PlanCommand::Simulate(args) => {
            answer::on(args.target, args.output, false, async |opened| simulate::run(opened, args).await)
                .await
        }
    }
}
