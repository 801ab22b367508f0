//! Decides how the releases of the application change the shape of an order, and how each is rolled
//! out: two of the four clerks run it while the others still run the one before, so for a moment
//! both shapes are written at once.
//!
//! As in many an application, nothing rewrites the table: an order from before a release is brought
//! to its shape when a clerk next opens it, and most are never opened again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use evercount_core::schema_change::ChangeKind;
use evercount_core::value::Item;

/// Clerks that run a release first.
const EARLY_CLERKS: u64 = 2;
/// What these do before the others run it as well.
const EARLY_ACTS: u32 = 24;

/// From one look at whether a release is rolled out to the next.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A release of the application, by what is new in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Release {
    /// The first one.
    #[default]
    First,
    /// New orders have a `channel`.
    Channel,
    /// `status` is called `state`.
    State,
    /// `plan` is a number, no longer a text.
    PlanNumber,
    /// Nothing has a `carrier` any more.
    NoCarrier,
}

impl Release {
    /// The releases after the first, in order.
    pub const LATER: [Self; 4] = [Self::Channel, Self::State, Self::PlanNumber, Self::NoCarrier];

    /// When it is rolled out at the earliest, as a share of the time.
    #[must_use]
    pub fn at(self) -> f64 {
        match self {
            Self::First => 0.0,
            Self::Channel => 0.1,
            Self::State => 0.25,
            Self::PlanNumber => 0.5,
            Self::NoCarrier => 0.7,
        }
    }

    /// What is new, for people.
    #[must_use]
    pub fn news(self) -> &'static str {
        match self {
            Self::First => "the first release",
            Self::Channel => "adds `channel`",
            Self::State => "renames `status` to `state`",
            Self::PlanNumber => "turns `plan` from text into a number",
            Self::NoCarrier => "drops `carrier`",
        }
    }

    /// A word for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Channel => "add_channel",
            Self::State => "rename_status",
            Self::PlanNumber => "retype_plan",
            Self::NoCarrier => "drop_carrier",
        }
    }

    /// Whether a change of the schema is what this release does.
    #[must_use]
    pub fn shows_as(self, change: &ChangeKind) -> bool {
        match (self, change) {
            (Self::Channel, ChangeKind::AddColumn { column, .. }) => column.as_str() == "channel",
            (Self::State, ChangeKind::RenameColumn { column, to, .. }) => {
                column.as_str() == "status" && to.as_str() == "state"
            }
            (Self::PlanNumber, ChangeKind::ChangeType { column, .. }) => column.as_str() == "plan",
            (Self::NoCarrier, ChangeKind::DropColumn { column, .. }) => column.as_str() == "carrier",
            _ => false,
        }
    }

    /// What an order's status is called.
    #[must_use]
    pub fn status_name(self) -> &'static str {
        if self >= Self::State { "state" } else { "status" }
    }

    /// A customer's plan, as it is written.
    #[must_use]
    pub fn plan(self, plan: Plan) -> AttributeValue {
        match (self >= Self::PlanNumber, plan) {
            (false, Plan::Free) => AttributeValue::S("free".to_owned()),
            (false, Plan::Pro) => AttributeValue::S("pro".to_owned()),
            (true, Plan::Free) => AttributeValue::N("0".to_owned()),
            (true, Plan::Pro) => AttributeValue::N("1".to_owned()),
        }
    }

    /// What a clerk who opens an order of an earlier release writes first; `None` where the order
    /// is as it should be. What the order holds it holds afterwards, in the new shape.
    #[must_use]
    pub fn rewrite(self, from: Self, status: &str, plan: Option<Plan>) -> Option<Rewrite> {
        let comes = |release: Self| from < release && release <= self;
        let mut rewrite = Rewrite::default();
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        if comes(Self::State) {
            set.push("#state = :state");
            remove.push("#status");
            rewrite.name("#state", "state");
            rewrite.name("#status", "status");
            rewrite.values.insert(":state".to_owned(), AttributeValue::S(status.to_owned()));
        }
        if let Some(plan) = plan.filter(|_| comes(Self::PlanNumber)) {
            set.push("#plan = :plan");
            rewrite.name("#plan", "plan");
            rewrite.values.insert(":plan".to_owned(), self.plan(plan));
        }
        if comes(Self::NoCarrier) {
            remove.push("#carrier");
            rewrite.name("#carrier", "carrier");
        }
        let clause = |word: &str, parts: &[&str]| {
            if parts.is_empty() { String::new() } else { format!("{word} {} ", parts.join(", ")) }
        };
        rewrite.expression =
            format!("{}{}", clause("SET", &set), clause("REMOVE", &remove)).trim().to_owned();
        (!rewrite.expression.is_empty()).then_some(rewrite)
    }

    /// An order as this release reads it, whichever release wrote it: what a recount goes by.
    #[must_use]
    pub fn read(self, mut order: Item) -> Item {
        if self >= Self::State
            && let Some(status) = order.remove("status")
        {
            order.entry("state".to_owned()).or_insert(status);
        }
        if self >= Self::NoCarrier {
            order.remove("carrier");
        }
        order
    }
}

/// A customer's plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Without fees.
    Free,
    /// For professionals.
    Pro,
}

/// An update that brings an order to another release's shape.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rewrite {
    /// The update expression.
    pub expression: String,
    /// Its names.
    pub names: HashMap<String, String>,
    /// Its values.
    pub values: HashMap<String, AttributeValue>,
}

impl Rewrite {
    fn name(&mut self, placeholder: &str, name: &str) {
        self.names.insert(placeholder.to_owned(), name.to_owned());
    }
}

/// Which clerk runs which release.
#[derive(Clone, Debug, Default)]
pub struct Rollout(Arc<Mutex<Rolling>>);

#[derive(Debug, Default)]
struct Rolling {
    newest: Release,
    /// What the early clerks have done since it was rolled out to them.
    early_acts: u32,
    before: Release,
    closed: bool,
}

impl Rollout {
    /// Rolls a release out.
    pub fn begin(&self, release: Release) {
        let mut rolling = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (rolling.before, rolling.newest, rolling.early_acts) = (rolling.newest, release, 0);
    }

    /// The release that a clerk runs for the next thing it does; `None` once the shop is closed.
    pub fn of_clerk(&self, number: u64) -> Option<Release> {
        let mut rolling = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rolling.closed {
            return None;
        }
        if number < EARLY_CLERKS {
            rolling.early_acts = rolling.early_acts.saturating_add(1);
            return Some(rolling.newest);
        }
        Some(if rolling.early_acts > EARLY_ACTS { rolling.newest } else { rolling.before })
    }

    /// Waits until a release is rolled out.
    pub async fn reaches(&self, release: Release) {
        while self.newest() < release {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    fn newest(&self) -> Release {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).newest
    }

    /// Ends the clerks' day.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use evercount_core::value::Value;

    use super::*;

    #[test]
    fn the_late_clerks_follow_once_the_early_ones_have_done_enough() {
        let rollout = Rollout::default();
        rollout.begin(Release::Channel);
        assert_eq!(rollout.of_clerk(0), Some(Release::Channel));
        assert_eq!(rollout.of_clerk(3), Some(Release::First));
        for _ in 0..EARLY_ACTS {
            rollout.of_clerk(1);
        }
        assert_eq!(rollout.of_clerk(3), Some(Release::Channel));
        rollout.begin(Release::State);
        assert_eq!(
            (rollout.of_clerk(1), rollout.of_clerk(2)),
            (Some(Release::State), Some(Release::Channel))
        );
        rollout.close();
        assert_eq!(rollout.of_clerk(0), None);
    }

    #[test]
    fn an_order_is_brought_to_a_later_shape_with_what_it_holds() {
        let rewrite = Release::NoCarrier.rewrite(Release::First, "PAID", Some(Plan::Pro)).unwrap();
        assert_eq!(rewrite.expression, "SET #state = :state, #plan = :plan REMOVE #status, #carrier");
        assert_eq!((rewrite.names.len(), rewrite.values.len()), (4, 2));
        let retyped = Release::PlanNumber.rewrite(Release::State, "PAID", Some(Plan::Free)).unwrap();
        assert_eq!(retyped.expression, "SET #plan = :plan");
        assert_eq!(Release::PlanNumber.rewrite(Release::State, "PAID", None), None);
        assert_eq!(Release::Channel.rewrite(Release::First, "PAID", Some(Plan::Free)), None);
    }

    #[test]
    fn a_release_reads_the_orders_of_every_release_before() {
        let text = |text: &str| Value::String(text.to_owned());
        let old = Item::from([("status".to_owned(), text("NEW")), ("carrier".to_owned(), text("post"))]);
        assert_eq!(Release::Channel.read(old.clone()), old);
        assert_eq!(Release::NoCarrier.read(old), Item::from([("state".to_owned(), text("NEW"))]));
    }
}
