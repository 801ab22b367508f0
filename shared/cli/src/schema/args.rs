//! What can be typed after `evercount schema`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use evercount_core::order::Micros;
use evercount_core::registry::{Compatibility, EvolutionRule};

use crate::args::{ListArgs, OutputArgs, TargetArgs};

/// `schema …`.
#[derive(Subcommand, Clone, Debug)]
pub enum SchemaCommand {
    /// List the subjects: tables and event types, with their current versions.
    List(ListArgs),
    /// Show a version of a subject's schema.
    // Its `--version` is a schema's, not the program's.
    #[command(disable_version_flag = true)]
    Show(ShowArgs),
    /// Show how two versions of a subject's schema differ.
    Diff(DiffArgs),
    /// Tell what happened to a subject's schema, and which changes were held.
    History(SubjectArgs),
    /// Check whether a JSON Schema may be a subject's next version. Exits with 3 where it may not.
    Check(CheckArgs),
    /// Let pending changes through: they make a new version.
    Accept(AcceptArgs),
    /// Show who writes and who reads a subject, and which version each reader has applied.
    Lineage(SubjectArgs),
    /// Estimate how many distinct values the fields of a subject had.
    Cardinality(CardinalityArgs),
    /// Show how a subject's schema may change, or set it.
    Policy(PolicyArgs),
    /// Say how far one JSON Schema is from another: drift, SchemaVer class and each change.
    Score(ScoreArgs),
    /// Say that a consumer has applied a version of a subject's schema.
    #[command(disable_version_flag = true)]
    Ack(AckArgs),
}

impl SchemaCommand {
    /// Where to look, and how to print.
    #[must_use]
    pub fn options(&self) -> (TargetArgs, OutputArgs) {
        match self {
            Self::List(args) => (args.target, args.output),
            Self::Show(args) => args.on.options(),
            Self::Diff(args) => args.on.options(),
            Self::History(args) | Self::Lineage(args) => args.options(),
            Self::Check(args) => args.on.options(),
            Self::Accept(args) => args.on.options(),
            Self::Cardinality(args) => args.on.options(),
            Self::Policy(args) => args.on.options(),
            Self::Ack(args) => args.on.options(),
            Self::Score(args) => (TargetArgs { target: None }, args.output),
        }
    }

    /// Whether the registry is another one afterwards.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Self::Accept(_) | Self::Ack(_) => true,
            Self::Policy(args) => args.edit.is_any(),
            _ => false,
        }
    }
}

/// `schema score`.
#[derive(Args, Clone, Debug)]
pub struct ScoreArgs {
    /// A file with the JSON Schema before; `-` is standard input.
    #[arg(value_name = "BEFORE.json")]
    pub before: PathBuf,
    /// A file with the JSON Schema after.
    #[arg(value_name = "AFTER.json")]
    pub after: PathBuf,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A command on one subject.
#[derive(Args, Clone, Debug)]
pub struct SubjectArgs {
    /// A table as its source names it (`orders`, `shop.orders`), or an event type
    /// (`event:order_placed`).
    pub subject: String,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl SubjectArgs {
    fn options(&self) -> (TargetArgs, OutputArgs) {
        (self.target, self.output)
    }
}

/// `schema show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Of what.
    #[command(flatten)]
    pub on: SubjectArgs,
    /// The version with this number; the current one by default.
    #[arg(long, value_name = "N", conflicts_with_all = ["id", "at"])]
    pub version: Option<u32>,
    /// The version with this id, `v0003-0123456789abcdef`, or the newest one with this
    /// fingerprint.
    #[arg(long, conflicts_with = "at")]
    pub id: Option<String>,
    /// The version in force at this time: `2026-01-31T09:30:00Z`, or `2026-01-31` for its
    /// midnight in UTC.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<Micros>,
    /// Print the schema alone, in another form.
    #[arg(long = "as", value_name = "FORM", value_enum)]
    pub form: Option<Form>,
}

/// Forms of a schema.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A JSON Schema document, draft 2020-12.
    JsonSchema,
}

/// `schema diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// Of what.
    #[command(flatten)]
    pub on: SubjectArgs,
    /// The version to start from, by number or id; by default the one that the other came from.
    pub from: Option<String>,
    /// The version to compare with it; the current one by default.
    pub to: Option<String>,
    /// Show both versions side by side, with the fields that did not change.
    #[arg(long)]
    pub tree: bool,
}

/// `schema check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Of what.
    #[command(flatten)]
    pub on: SubjectArgs,
    /// A JSON Schema; `-` is standard input.
    pub file: PathBuf,
    /// The compatibility mode to check; the subject's own by default.
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub mode: Option<Compatibility>,
}

/// `schema accept`.
#[derive(Args, Clone, Debug)]
pub struct AcceptArgs {
    /// Of what.
    #[command(flatten)]
    pub on: SubjectArgs,
    /// Which changes.
    #[command(flatten)]
    pub which: Which,
}

/// Which pending changes.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The changes of this column; may be repeated.
    #[arg(long, value_name = "COLUMN")]
    pub column: Vec<String>,
    /// All of them.
    #[arg(long)]
    pub all: bool,
}

/// `schema cardinality`.
#[derive(Args, Clone, Debug)]
pub struct CardinalityArgs {
    /// Of what.
    #[command(flatten)]
    pub on: SubjectArgs,
    /// One field, window by window; every field of the current version by default.
    pub field: Option<String>,
    /// How far back: a number with `m`, `h`, `d` or `w`.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub since: Micros,
}

/// `schema policy`.
#[derive(Args, Clone, Debug)]
pub struct PolicyArgs {
    /// Of what.
    #[command(flatten)]
    pub on: SubjectArgs,
    /// What to set; nothing shows the policy.
    #[command(flatten)]
    pub edit: PolicyEdit,
}

/// Parts of a policy to set.
#[derive(Args, Clone, Debug)]
pub struct PolicyEdit {
    /// Who must get along with a new version: NONE, BACKWARD, FORWARD or FULL, or one of the last
    /// three with _TRANSITIVE.
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub compatibility: Option<Compatibility>,
    /// What a kind of change does: `drop_column=lenient`; may be repeated. Rules are evolve,
    /// try_evolve, lenient, ignore and exception.
    #[arg(long, value_name = "KIND=RULE", value_parser = rule)]
    pub rule: Vec<(String, EvolutionRule)>,
    /// Only these kinds of change make a version; `all` lifts that.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind_or_all)]
    pub include: Option<Vec<String>>,
    /// These kinds of change make no version; `none` lifts that.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind_or_none)]
    pub exclude: Option<Vec<String>>,
    /// The drift, in [0, 1], below which changes wait for more.
    #[arg(long, value_name = "X", value_parser = share)]
    pub drift_threshold: Option<f64>,
    /// How many days a version is kept once it is no longer current.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub retention: Option<u32>,
}

impl PolicyEdit {
    /// Whether anything is to be set.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.compatibility.is_some()
            || !self.rule.is_empty()
            || self.include.is_some()
            || self.exclude.is_some()
            || self.drift_threshold.is_some()
            || self.retention.is_some()
    }
}

/// `schema ack`.
#[derive(Args, Clone, Debug)]
pub struct AckArgs {
    /// Of what.
    #[command(flatten)]
    pub on: SubjectArgs,
    /// Who reads the subject.
    #[arg(long, value_name = "NAME")]
    pub consumer: String,
    /// The version it has applied.
    #[arg(long, value_name = "N")]
    pub version: u32,
}

/// The kinds of change, by name.
pub const KINDS: [&str; 9] = [
    "create_table",
    "drop_table",
    "rename_table",
    "truncate_table",
    "add_column",
    "drop_column",
    "rename_column",
    "change_type",
    "change_key",
];

fn kind(text: &str) -> Result<String, String> {
    if KINDS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is no kind of change; use one of {}", KINDS.join(", ")))
}

fn kind_or_all(text: &str) -> Result<String, String> {
    if text == "all" { Ok(text.to_owned()) } else { kind(text) }
}

fn kind_or_none(text: &str) -> Result<String, String> {
    if text == "none" { Ok(text.to_owned()) } else { kind(text) }
}

fn rule(text: &str) -> Result<(String, EvolutionRule), String> {
    let (of, rule) =
        text.split_once('=').ok_or_else(|| "write KIND=RULE, such as `drop_column=lenient`".to_owned())?;
    let known = EvolutionRule::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(rule));
    let names = EvolutionRule::ALL.map(|(_, name)| name).join(", ");
    let (rule, _) = known.ok_or_else(|| format!("`{rule}` is no rule; use one of {names}"))?;
    Ok((kind(of)?, *rule))
}

fn mode(text: &str) -> Result<Compatibility, String> {
    let known = Compatibility::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
    let names = Compatibility::ALL.map(|(_, name)| name).join(", ");
    known.map(|(mode, _)| *mode).ok_or_else(|| format!("use one of {names}"))
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "write a number between 0 and 1".to_owned())
}

/// Reads a length of time: a number with a unit.
///
/// # Errors
/// In a sentence, where it is none.
pub fn duration(text: &str) -> Result<Micros, String> {
    let seconds = |unit: char| match unit {
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        _ => None,
    };
    let split = text.chars().next_back().and_then(|unit| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Some(i64::from(number) * seconds(unit)? * 1_000_000)
    });
    split
        .filter(|micros| *micros > 0)
        .ok_or_else(|| "write a number with m, h, d or w: `90m`, `24h`".to_owned())
}

/// Reads a time, in ISO 8601, or a date.
///
/// # Errors
/// In a sentence, where it is none.
pub fn time(text: &str) -> Result<Micros, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_microsecond());
    }
    let midnight = text.parse::<jiff::civil::DateTime>().and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    midnight
        .map(|at| at.timestamp().as_microsecond())
        .map_err(|_| "write a time such as `2026-01-31T09:30:00Z`, or a date".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_read_as_people_write_them() {
        assert_eq!(time("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(time("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(time("yesterday").is_err());
        assert_eq!(duration("90m"), duration("5400s").or(Ok(5_400_000_000)));
        assert_eq!(duration("2d"), Ok(172_800_000_000));
        for wrong in ["", "h", "0h", "-1h", "1.5h", "24", "5é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rule_names_a_kind_and_what_it_does() {
        assert_eq!(rule("drop_column=LENIENT"), Ok(("drop_column".to_owned(), EvolutionRule::Lenient)));
        assert!(rule("drop_column").is_err_and(|why| why.contains("KIND=RULE")));
        assert!(rule("drop_columns=ignore").is_err_and(|why| why.contains("drop_column,")));
        assert!(rule("drop_column=maybe").is_err_and(|why| why.contains("try_evolve")));
    }
}
