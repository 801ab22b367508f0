//! `evercount counts`: readings.
//!
//! With `--json` it prints `{"counts": […]}`, each in the shape of [`crate::show::reading_json`]. A count
//! with something under way has `watched` (`version`, `plan`, `state` and, while it is being filled, the
//! bounds `n_min` and `n_max` of what it will come to, null where nothing limits it), `open_plans` (`id`,
//! `outcome`, `sentence`) or `frozen` (`plan`, `at`). With `--as-of` it has `as_of` (`asked`, `cut_at`,
//! `age_seconds`, `active_version`).

mod look_back;
mod under_way;

use evercount_core::logic::LogicState;
use evercount_local::stack::now;
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::read;
use serde_json::json;

use crate::args::CountsArgs;
use crate::exit::Exit;
use crate::{count, show, target, version};
use look_back::LookedBack;
use under_way::UnderWay;

/// Runs the command.
pub async fn run(args: CountsArgs) -> anyhow::Result<Exit> {
    let opened = target::open(args.target.target).await?;
    let store = opened.stack.store();
    if let Some(moment) = args.as_of {
        let name = args.name.as_deref();
        let looked_back = look_back::run(&opened, name, args.version, moment.at(now()), now()).await;
        let (told, shown) = (opened.target.to_string(), opened.to_json());
        opened.stack.stop().await;
        let looked_back = looked_back?;
        if args.output.json {
            let counts: Vec<_> = looked_back.iter().map(LookedBack::to_json).collect();
            show::document(&json!({"target": shown, "counts": counts}));
        } else {
            show::line(format!("target: {told}"));
            for one in &looked_back {
                show::line("");
                one.show();
            }
        }
        return Ok(Exit::Ok);
    }
    let versions = match (&args.name, args.version) {
        (Some(name), Some(number)) => vec![version::find(&opened, name, number).await?],
        (Some(name), None) => vec![count::active(&opened, name).await?],
        (None, _) => {
            let mut versions = store.versions().await?;
            versions.retain(|version| version.state == LogicState::Active);
            versions
        }
    };
    let mut readings = Vec::new();
    for version in &versions {
        let reading = read::run(store, version).await?;
        let under_way = UnderWay::of(store, &reading).await?;
        readings.push((reading, under_way));
    }
    if args.output.json {
        let counts: Vec<_> = readings
            .iter()
            .map(|(reading, under_way)| {
                let mut document = show::reading_json(reading);
                show::extend(&mut document, under_way.to_json());
                document
            })
            .collect();
        show::document(&json!({"target": opened.to_json(), "counts": counts}));
    } else {
        show::line(format!("target: {}", opened.target));
        if readings.is_empty() {
            show::line("no counts yet; `evercount count create NAME --table TABLE` makes one");
        }
        for (reading, under_way) in &readings {
            show::line("");
            show::reading(reading);
            under_way.lines().into_iter().for_each(show::line);
        }
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}
