//! `evercount forecast advise`: what to count now, so that the changes that are likely need no rescan.
//!
//! With `--json` it prints `{"advice": [{"count", "table", "extra": {"dimension"} or {"truth_of": [column]}, "p",
//! "extra_counters", "write_units_per_month", "read_units_saved", "worth_it", "because", "command", "adopted"}], "notes":
//! [text], "budget": {"write_units_per_month", "spent"}}`.

use evercount_forecast::advisor::{Advice, Extra};
use evercount_local::stack::now;
use evercount_pipeline::advise;
use evercount_view::{AdviceDoc, notes};
use serde_json::json;

use super::{model, registered};
use crate::answer::{self, Answer};
use crate::args::forecast::AdviseArgs;
use crate::count::alter;
use crate::exit::Exit;
use crate::schema::text::{FAINT, GOOD, paint, plain};
use crate::target::Opened;
use crate::{drive, show};

/// Runs the command.
pub async fn run(args: AdviseArgs) -> anyhow::Result<Exit> {
    answer::on(args.target, args.output, args.adopt, async |opened| advised(opened, &args).await).await
}

async fn advised(opened: &Opened, args: &AdviseArgs) -> anyhow::Result<Answer> {
    let basis = registered(opened, now()).await?;
    let forecasts = basis.forecast(&model()?, now() / 1_000_000);
    let sizes = args.bytes.iter().cloned().collect();
    let (store, source) = (opened.stack.store(), drive::source(opened));
    let advised = advise::run(store, &source, &forecasts, &sizes).await?;
    let mut shown = AdviceDoc::all(&advised);
    let spent = if args.adopt { adopt(opened, &advised.advice, &mut shown, args).await? } else { 0.0 };
    let notes = notes(&advised);
    let lines = told(&shown, &notes);
    let document = json!({
        "advice": shown.iter().map(show::json).collect::<Vec<_>>(), "notes": notes,
        "budget": {"write_units_per_month": args.budget, "spent": spent},
    });
    Ok(Answer::ok(document, lines))
}

/// Adopts what is worth it, what saves most for its price first, until the budget is spent. Notes what was
/// done about which piece of advice, and returns what that costs.
async fn adopt(
    opened: &Opened,
    advice: &[Advice],
    shown: &mut [AdviceDoc],
    args: &AdviseArgs,
) -> anyhow::Result<f64> {
    let mut spent = 0.0;
    let budget = args.budget.unwrap_or(0) as f64;
    for (one, shown) in advice.iter().zip(shown).filter(|(one, _)| one.worth_it) {
        // One that is too dear leaves room for a cheaper one behind it.
        if spent + one.write_units_per_month > budget {
            continue;
        }
        let column = match &one.extra {
            Extra::Dimension { column } => Some(column.as_str()),
            Extra::TruthBit { .. } => None,
        };
        shown.adopted = Some(alter::add_headroom(opened, &one.count, column, args.output.json).await?);
        spent += one.write_units_per_month;
    }
    Ok(spent)
}

fn told(advice: &[AdviceDoc], notes: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in advice {
        let verdict = if one.worth_it { paint(GOOD, "worth it") } else { paint(FAINT, "not worth it") };
        lines.push(format!("{}: {}: {verdict}", plain(&one.count), one.what()));
        lines.push(format!("  {}", plain(&one.because)));
        match &one.adopted {
            Some(done) => lines.push(format!("  adopted: {}", plain(done))),
            None if one.worth_it => lines.push(format!("  {}", one.command)),
            None => {}
        }
    }
    lines.extend(notes.iter().map(|note| paint(FAINT, plain(note))));
    lines
}
