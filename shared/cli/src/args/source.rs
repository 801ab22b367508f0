//! What can be typed about the tables that changes come from.

use clap::{Args, Subcommand};

use super::{OutputArgs, TargetArgs};

/// `source …`.
#[derive(Subcommand, Clone, Debug)]
pub enum SourceCommand {
    /// Have a table's changes put on a stream, with times in microseconds.
    Connect(SourceArgs),
    /// Take a table off a stream.
    Disconnect(SourceArgs),
}

/// A command on one table and one stream.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// The DynamoDB table.
    pub table: String,
    /// The stream's ARN, as the stack's output `CdcStreamArn` has it.
    #[arg(long, value_name = "ARN", value_parser = stream)]
    pub stream: String,
    /// Where.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The ARN of a stream: `arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME`.
fn stream(text: &str) -> Result<String, String> {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "kinesis", _, _, resource]
            if resource
                .strip_prefix("stream/")
                .is_some_and(|name| !name.is_empty() && !name.contains('/')) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(
            "expected the ARN of a stream, as arn:aws:kinesis:eu-central-1:111122223333:stream/orders-cdc"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_its_arn() {
        for (text, is_one) in [
            ("arn:aws:kinesis:eu-central-1:111122223333:stream/orders-cdc", true),
            ("arn:aws-cn:kinesis:cn-north-1:111122223333:stream/a", true),
            ("orders-cdc", false),
            ("arn:aws:kinesis:eu-central-1:111122223333:stream/", false),
            ("arn:aws:kinesis:eu-central-1:111122223333:stream/a/consumer/b:1", false),
            ("arn:aws:dynamodb:eu-central-1:111122223333:table/orders", false),
        ] {
            assert_eq!(stream(text).is_ok(), is_one, "{text}");
        }
    }
}
