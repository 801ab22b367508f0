//! `evercount audit`: recount from the source, say what differs and why, repair. What was found is kept as the
//! count's last audit.
//!
//! With `--json` it prints `{"name", "rows", "agreeing", "in_flux", "differing": {cause: n}, "differences":
//! [{"key_hash", "cause", "counted": [{"cell", "n"}], "recounted"}], "repaired", "cells_judged", "cells_off":
//! [{"cell", "stored", "expected"}]}`.

use anyhow::bail;
use evercount_core::logic::LogicVersion;
use evercount_core::order::Micros;
use evercount_local::stack::now;
use evercount_pipeline::audit::{self, AuditOptions, AuditReport};
use evercount_pipeline::count::CountMode;
use evercount_pipeline::ports::{AuditStore, SourceTable};
use evercount_wire::group::cell_name;
use serde_json::{Value, json};

use crate::args::AuditArgs;
use crate::exit::Exit;
use crate::target::{self, Opened, Target};
use crate::{count, drive, show};

/// Runs the command.
pub async fn run(args: AuditArgs) -> anyhow::Result<Exit> {
    let one_in = one_in(args.sample)?;
    if args.repair {
        count::consent(args.target.target)?;
    }
    let opened = target::open(args.target.target).await?;
    let logic = count::active(&opened, &args.name).await?;
    let how = Recount { one_in, repair: args.repair, margin: opened.margin(args.margin) };
    let report = recount(&opened, &logic, how, args.output.json).await?;
    if args.output.json {
        show::document(&to_json(&report, &args, &opened.target));
    } else {
        show::line(format!("target: {}", opened.target));
        text(&report, &args);
    }
    opened.stack.stop().await;
    let wrong = report.differences() > report.repaired || !report.cells_off.is_empty();
    Ok(if wrong { Exit::Found } else { Exit::Ok })
}

/// How to recount.
#[derive(Clone, Copy, Debug)]
struct Recount {
    /// One row in so many.
    one_in: u64,
    /// Whether to repair what differs.
    repair: bool,
    /// How far the clocks of reader and source may differ, microseconds.
    margin: Micros,
}

/// Reads a count's table and holds the ledger against it.
///
/// # Errors
/// Where the table cannot be read, or has no ledger.
async fn recount(
    opened: &Opened,
    logic: &LogicVersion,
    how: Recount,
    quiet: bool,
) -> anyhow::Result<AuditReport> {
    if opened.config.options.mode == CountMode::Lane {
        bail!("lane mode keeps no ledger to audit row by row; count the table in ledger mode to audit it");
    }
    let table = &logic.definition.table;
    let described = opened.stack.dynamodb().describe_table().table_name(table.as_str()).send().await;
    if let Err(error) = described {
        bail!(
            "table `{table}` cannot be read at the target ({}): {}; only DynamoDB tables can be audited, a table captured by DMS or Debezium is recounted by replaying a fresh snapshot",
            opened.target,
            error.into_service_error()
        );
    }
    let Recount { one_in, repair, margin } = how;
    let options = AuditOptions { one_in, repair, margin, epoch: opened.config.options.epoch };
    let source = opened.stack.counted_tables();
    let progress = drive::bar(quiet);
    if let Some(items) = source.facts(table).await.items {
        progress.set_length(items / one_in);
    }
    let report = audit::run(opened.stack.store(), &source, logic, options, now, |rows| {
        progress.set_length(rows.max(progress.length().unwrap_or(0)));
        progress.set_position(rows);
    })
    .await?;
    progress.finish_and_clear();
    opened.stack.store().put_audit(&report.kept(&logic.id, options)).await?;
    Ok(report)
}

fn one_in(sample: Option<f64>) -> anyhow::Result<u64> {
    match sample {
        None => Ok(1),
        Some(share) if share > 0.0 && share <= 1.0 => Ok((1.0 / share).round() as u64),
        Some(share) => {
            bail!("`--sample {share}`: expected a share of the rows above 0 and at most 1, such as 0.01")
        }
    }
}

fn to_json(report: &AuditReport, args: &AuditArgs, target: &Target) -> Value {
    let cells = |cells: &evercount_core::counting::Cells| -> Vec<Value> {
        cells.iter().map(|(cell, n)| json!({"cell": cell_name(cell), "n": n})).collect()
    };
    let listed: Vec<Value> = report
        .listed
        .iter()
        .map(|difference| {
            json!({
                "key_hash": format!("{:016x}", difference.key_hash),
                "cause": difference.cause.name(),
                "counted": cells(&difference.counted),
                "recounted": cells(&difference.recounted),
            })
        })
        .collect();
    let causes: serde_json::Map<String, Value> =
        report.differing.iter().map(|(cause, n)| (cause.name().to_owned(), json!(n))).collect();
    let off: Vec<Value> = report
        .cells_off
        .iter()
        .map(|(cell, (stored, expected))| json!({"cell": cell_name(cell), "stored": stored, "expected": expected}))
        .collect();
    json!({
        "target": target.to_string(),
        "name": args.name,
        "rows": report.rows,
        "agreeing": report.agreeing,
        "in_flux": report.in_flux,
        "differing": causes,
        "differences": listed,
        "repaired": report.repaired,
        "cells_judged": report.cells_judged,
        "cells_off": off,
    })
}

fn text(report: &AuditReport, args: &AuditArgs) {
    show::line(format!(
        "{} rows read: {} counted right, {} changed too lately to judge, {} counted wrong",
        report.rows,
        report.agreeing,
        report.in_flux,
        report.differences()
    ));
    for (cause, n) in &report.differing {
        show::line(format!("  {n} × {}: {}", cause.name(), cause.sentence()));
    }
    if !report.listed.is_empty() {
        let mut table = show::table(&["key hash", "cause", "counted as", "should be"], 0);
        let cells = |cells: &evercount_core::counting::Cells| {
            if cells.is_empty() {
                "nothing".to_owned()
            } else {
                cells.keys().map(show::cell).collect::<Vec<_>>().join(", ")
            }
        };
        for difference in &report.listed {
            table.add_row(vec![
                format!("{:016x}", difference.key_hash),
                difference.cause.name().to_owned(),
                cells(&difference.counted),
                cells(&difference.recounted),
            ]);
        }
        show::line(table);
    }
    for (cell, (stored, expected)) in &report.cells_off {
        show::line(format!("  {} stands at {stored}, the ledger adds up to {expected}", show::cell(cell)));
    }
    if args.repair {
        show::line(format!("{} rows repaired", report.repaired));
    } else if report.differences() > 0 {
        show::line(format!("`evercount audit {} --repair` repairs them", args.name));
    }
}
