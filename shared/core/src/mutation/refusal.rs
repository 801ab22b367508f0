//! Why a mutation is refused. It holds no value of the item.

use std::fmt;

use crate::migration::function::Failure;
use crate::migration::graph::NoPath;
use crate::order::ItemVersion;

/// Why a mutation is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It says that it was written for a version that there never was.
    UnknownVersion {
        /// The version it names, as it names it.
        named: String,
        /// The version in force.
        in_force: u32,
    },
    /// It was written for a version that is no longer kept.
    ExpiredVersion {
        /// The version it names.
        named: u32,
        /// The version in force.
        in_force: u32,
    },
    /// Nothing leads from one version to the other.
    NoPath {
        /// The version before.
        from: u32,
        /// The version after.
        to: u32,
        /// How near a path there is.
        missed: NoPath,
    },
    /// The only path loses values.
    Lossy {
        /// The version before.
        from: u32,
        /// The version after.
        to: u32,
        /// The function that loses some.
        step: &'static str,
    },
    /// The only path takes a step that the strategy does not allow.
    NotAllowed {
        /// The version before.
        from: u32,
        /// The version after.
        to: u32,
        /// The strategy.
        strategy: &'static str,
        /// Why not, in a clause.
        because: String,
    },
    /// A function makes nothing of this item.
    Failed {
        /// The version before.
        from: u32,
        /// The version after.
        to: u32,
        /// Which function of the path, from 1.
        place: usize,
        /// Why.
        failure: Failure,
    },
    /// The migration would change the item's key.
    KeyChanged {
        /// The key attribute.
        attribute: String,
    },
    /// The item was changed since the writer read it.
    DataConflict {
        /// The version that the writer read.
        expected: ItemVersion,
        /// The version stored; none where the item is gone or nobody stamped it.
        stored: ItemVersion,
    },
    /// The function that decides about data conflicts did not decide.
    Undecided {
        /// Why, in its words.
        because: String,
    },
    /// A condition of the writer's own does not hold.
    Condition,
    /// Others were quicker each time.
    AttemptsUsedUp {
        /// How often it was tried.
        attempts: u32,
    },
}

impl Refusal {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownVersion { .. } => "unknown-version",
            Self::ExpiredVersion { .. } => "expired-version",
            Self::NoPath { .. } => "no-path",
            Self::Lossy { .. } => "lossy",
            Self::NotAllowed { .. } => "not-allowed",
            Self::Failed { .. } => "migration-failed",
            Self::KeyChanged { .. } => "key-changed",
            Self::DataConflict { .. } => "data-conflict",
            Self::Undecided { .. } => "undecided",
            Self::Condition => "condition",
            Self::AttemptsUsedUp { .. } => "attempts-used-up",
        }
    }

    /// Whether it is a conflict of schema versions.
    #[must_use]
    pub fn is_of_schema(&self) -> bool {
        !matches!(
            self,
            Self::DataConflict { .. }
                | Self::Undecided { .. }
                | Self::Condition
                | Self::AttemptsUsedUp { .. }
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { named, in_force } => write!(
                f,
                "it was written for schema version {named}, which there never was; version {in_force} is in force"
            ),
            Self::ExpiredVersion { named, in_force } => write!(
                f,
                "it was written for schema version {named}, which is no longer kept; write it for version \
                 {in_force}, or keep versions longer with `evercount schema policy TABLE --retention DAYS`"
            ),
            Self::NoPath { from, to, missed } => {
                write!(f, "nothing leads from schema version {from} to {to}")?;
                match (missed.unknown, missed.blocked.first()) {
                    (Some(unknown), _) => write!(f, ": version {unknown} is not known"),
                    (None, Some((next, because))) => {
                        write!(f, ": version {} is reached, and not {next}: {because}", missed.reached)
                    }
                    (None, None) => write!(f, ": nothing leads on from version {}", missed.reached),
                }
            }
            Self::Lossy { from, to, step } => write!(
                f,
                "schema version {from} leads to {to} only by `{step}`, which loses values; write a migration \
                 that loses none, or set the table's strategy to `auto`"
            ),
            Self::NotAllowed { from, to, strategy, because } => write!(
                f,
                "the strategy `{strategy}` does not lead from schema version {from} to {to}: {because}; write \
                 the migration down, or allow the step"
            ),
            Self::Failed { from, to, place, failure } => {
                write!(f, "function {place} of the path from schema version {from} to {to}: {failure}")
            }
            Self::KeyChanged { attribute } => {
                write!(f, "the migration would change `{attribute}`, which is part of the item's key")
            }
            Self::DataConflict { expected, stored } => write!(
                f,
                "the item was changed since it was read: version {} was read, and {} is stored; read it again",
                expected.0, stored.0
            ),
            Self::Undecided { because } => write!(f, "the conflict function did not decide: {because}"),
            Self::Condition => f.write_str("the conditional request failed"),
            Self::AttemptsUsedUp { attempts } => {
                write!(f, "others changed the item each time it was tried ({attempts} times); try again")
            }
        }
    }
}
