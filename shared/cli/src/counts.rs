//! `evercount counts`: readings.

use evercount_core::logic::LogicState;
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::read;
use serde_json::json;

use crate::args::CountsArgs;
use crate::exit::Exit;
use crate::{count, show, target};

/// Runs the command.
pub async fn run(args: CountsArgs) -> anyhow::Result<Exit> {
    let opened = target::open(args.target.target).await?;
    let versions = match &args.name {
        Some(name) => vec![count::active(&opened, name).await?],
        None => {
            let mut versions = opened.stack.store().versions().await?;
            versions.retain(|version| version.state == LogicState::Active);
            versions
        }
    };
    let mut readings = Vec::new();
    for version in &versions {
        readings.push(read::run(opened.stack.store(), version).await?);
    }
    if args.output.json {
        let counts: Vec<_> = readings.iter().map(show::reading_json).collect();
        show::document(&json!({"target": opened.to_json(), "counts": counts}));
    } else {
        show::line(format!("target: {}", opened.target));
        if readings.is_empty() {
            show::line("no counts yet; `evercount count create NAME --table TABLE` makes one");
        }
        for reading in &readings {
            show::line("");
            show::reading(reading);
        }
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}
