//! `evercount quarantine …`: records that could not be counted.

use anyhow::{Context, bail};
use evercount_core::chunk::Quarantined;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_local::stack::now;
use evercount_pipeline::ports::QuarantineStore;
use evercount_pipeline::quarantine::{Replayed, replay};
use evercount_view::QuarantinedDoc;
use serde_json::{Value, json};

use crate::args::{ListArgs, QuarantineCommand, RecordArgs, ReplayQuarantineArgs};
use crate::exit::Exit;
use crate::target::{self, Opened};
use crate::{count, show};

/// Runs the command.
pub async fn run(command: QuarantineCommand) -> anyhow::Result<Exit> {
    match command {
        QuarantineCommand::List(args) => list(args).await,
        QuarantineCommand::Show(args) => show_one(args).await,
        QuarantineCommand::Replay(args) => replay_some(args).await,
    }
}

fn id(record: &Quarantined) -> String {
    format!("{}#{}", record.lane, record.sequence)
}

async fn find(opened: &Opened, id: &str) -> anyhow::Result<Quarantined> {
    let (lane, sequence) =
        id.rsplit_once('#').context("an id is LANE#SEQUENCE, as `quarantine list` prints it")?;
    let sequence = SequenceNumber::parse(sequence).context("an id ends in #SEQUENCE, a number")?;
    match opened.stack.store().quarantined_record(&LaneId::named(lane), &sequence).await? {
        Some(record) => Ok(record),
        None => bail!("`{id}` is not in quarantine; `evercount quarantine list` shows what is"),
    }
}

fn to_json(record: &Quarantined) -> Value {
    show::json(&QuarantinedDoc::of(record))
}

async fn list(args: ListArgs) -> anyhow::Result<Exit> {
    let opened = target::open(args.target.target).await?;
    let records = opened.stack.store().quarantined().await?;
    if args.output.json {
        let records: Vec<_> = records.iter().map(to_json).collect();
        show::document(&json!({"target": opened.to_json(), "quarantined": records}));
    } else {
        show::line(format!("target: {}", opened.target));
        if records.is_empty() {
            show::line("nothing is in quarantine");
        } else {
            let mut table = show::table(&["id", "arrived", "reason", "what is wrong", "bytes"], 1);
            for record in &records {
                let poison = &record.poison;
                table.add_row(vec![
                    id(record),
                    show::time(record.arrived_at),
                    poison.reason.clone(),
                    poison.detail.clone(),
                    poison.raw.len().to_string(),
                ]);
            }
            show::line(table);
        }
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}

async fn show_one(args: RecordArgs) -> anyhow::Result<Exit> {
    let opened = target::open(args.target.target).await?;
    let record = find(&opened, &args.id).await?;
    let raw = &record.poison.raw;
    if args.output.json {
        let mut document = show::json(&QuarantinedDoc::whole(&record));
        show::extend(&mut document, json!({"target": opened.to_json()}));
        show::document(&document);
    } else {
        show::line(format!("target: {}", opened.target));
        show::line(format!("{}  arrived {}", id(&record), show::time(record.arrived_at)));
        show::line(format!("{}: {}", record.poison.reason, record.poison.detail));
        let affects: Vec<String> = record.affects.iter().map(ToString::to_string).collect();
        show::line(format!(
            "makes uncertain: {}",
            if affects.is_empty() { "nothing".to_owned() } else { affects.join(", ") }
        ));
        // Control characters of a hostile record must not reach the terminal.
        show::line(raw.escape_ascii());
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}

async fn replay_some(args: ReplayQuarantineArgs) -> anyhow::Result<Exit> {
    count::consent(args.target.target)?;
    let opened = target::open(args.target.target).await?;
    let records = match &args.id {
        Some(id) => vec![find(&opened, id).await?],
        None => opened.stack.store().quarantined().await?,
    };
    let (mut released, mut kept) = (Vec::new(), Vec::new());
    for record in &records {
        match replay(opened.stack.store(), record, opened.config.options, now()).await? {
            Replayed::Released(_) => released.push(id(record)),
            Replayed::StillPoison(why) => kept.push((id(record), why)),
        }
    }
    if args.output.json {
        let kept: Vec<_> = kept.iter().map(|(id, why)| json!({"id": id, "why": why})).collect();
        show::document(&json!({"target": opened.to_json(), "released": released, "kept": kept}));
    } else {
        show::line(format!("target: {}", opened.target));
        show::line(format!("{} released, {} still in quarantine", released.len(), kept.len()));
        kept.iter().for_each(|(id, why)| show::line(format!("  {id}: {why}")));
    }
    opened.stack.stop().await;
    Ok(if kept.is_empty() { Exit::Ok } else { Exit::Found })
}
