//! `evercount source …`: the tables that changes come from.
//!
//! With `--json` both commands print `{"table", "table_arn", "stream", "done", "target"}`, where `done` is
//! `connected`, `made_precise`, `disconnected` or `nothing`.

use anyhow::bail;
use evercount_aws::destination::{self, DestinationError, Done, Report};
use serde_json::json;

use crate::answer::{self, Answer};
use crate::args::source::{SourceArgs, SourceCommand};
use crate::exit::Exit;
use crate::schema::text::{FAINT, STRONG, paint, plain};
use crate::target::{self, Opened, Target};

/// Runs the command.
pub async fn run(command: SourceCommand) -> anyhow::Result<Exit> {
    let (SourceCommand::Connect(args) | SourceCommand::Disconnect(args)) = &command;
    let target = target::resolve(args.target.target)?;
    if let Target::Embedded { .. } | Target::Local { .. } = target {
        bail!(
            "the embedded AWS has no streaming destinations; there, `evercount local` captures every table \
             that is counted. Say `--target aws`, or set AWS_ENDPOINT_URL to an emulator that has them"
        );
    }
    answer::on(args.target, args.output, true, async |opened| match &command {
        SourceCommand::Connect(args) => connect(opened, args).await,
        SourceCommand::Disconnect(args) => disconnect(opened, args).await,
    })
    .await
}

/// The name that is a stream's last.
fn stream_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

async fn connect(opened: &Opened, args: &SourceArgs) -> anyhow::Result<Answer> {
    // DynamoDB takes any ARN, and says a minute later that it leads nowhere.
    let name = stream_name(&args.stream);
    let described = opened.stack.kinesis().describe_stream_summary().stream_name(name).send().await;
    let described = match described.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
        Ok(described) => described.stream_description_summary,
        Err(error) if error.is_resource_not_found_exception() => None,
        Err(error) => {
            return Err(anyhow::Error::new(error).context(format!("could not look at stream `{name}`")));
        }
    };
    if described.is_none_or(|described| described.stream_arn != args.stream) {
        bail!(
            "there is no stream {} in this account and region; the stack's output `CdcStreamArn` names the one it reads",
            args.stream
        );
    }
    let report = destination::connect(opened.stack.dynamodb(), &args.table, &args.stream).await;
    let report = report.map_err(named)?;
    let (table, name) = (paint(STRONG, plain(&args.table)), plain(name));
    let mut lines = vec![match report.done {
        Done::Nothing => format!("{table} is connected to {name} already, with times in microseconds"),
        Done::MadePrecise => {
            format!(
                "{table} was connected to {name}; its times are in microseconds now, no longer in milliseconds"
            )
        }
        Done::Connected | Done::Disconnected => {
            format!(
                "connected {table} to {name}: its changes go there from now on, with times in microseconds"
            )
        }
    }];
    let next = [
        format!("count it with `evercount count create NAME --table {}`", plain(&args.table)),
        format!(
            "let it be read back: `SourceTableArns={}` when the stack is deployed next",
            report.table_arn
        ),
    ];
    lines.extend(next.map(|line| paint(FAINT, format!("  {line}"))));
    Ok(Answer::ok(document(args, &report), lines))
}

async fn disconnect(opened: &Opened, args: &SourceArgs) -> anyhow::Result<Answer> {
    let report = destination::disconnect(opened.stack.dynamodb(), &args.table, &args.stream).await;
    let report = report.map_err(named)?;
    let (table, name) = (paint(STRONG, plain(&args.table)), plain(stream_name(&args.stream)));
    let line = match report.done {
        Done::Nothing => format!("{table} is not connected to {name}"),
        _ => format!("took {table} off {name}; its counts stand still once the stream is read to its end"),
    };
    Ok(Answer::ok(document(args, &report), vec![line]))
}

fn document(args: &SourceArgs, report: &Report) -> serde_json::Value {
    json!({
        "table": args.table,
        "table_arn": report.table_arn,
        "stream": args.stream,
        "done": report.done.name(),
    })
}

/// The error, with what to do about it.
fn named(error: DestinationError) -> anyhow::Error {
    let fix = match &error {
        DestinationError::NoTable(_) => "create the table first, or name it as DynamoDB does",
        DestinationError::NotOffered => {
            "use AWS with `--target aws`, or an emulator that has streaming destinations"
        }
        DestinationError::Failed { .. } => {
            "table and stream have to be of one account and region, and the stream's key has to let DynamoDB use it"
        }
        DestinationError::Pending { .. } => "run the command again; it goes on from where things stand",
        DestinationError::Call(_) => return error.into(),
    };
    anyhow::anyhow!("{error}: {fix}")
}
