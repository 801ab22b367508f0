//! Owns what administrators are told when a plan turned out wrong: the port, one in memory, and
//! what is still to be told.
//!
//! A rejection is stored before anybody hears of it, so an alert is made of what is stored and not
//! of having been there. That it arrived is a line of the definition's audit trail: what has none
//! is told again by whoever comes next, so an alert arrives at least once, and seldom twice.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::order::Micros;

use crate::adapt::entry;
use crate::ports::{CatalogEdit, CatalogStore, StoreError};
use crate::publish::Mishap;

/// What the trail says once an alert has arrived.
pub const ALERTED: &str = "alerted";

/// How long after its end a plan is still told of, microseconds: a week. What could not be
/// delivered for so long is found in the trail.
pub const TOLD_FOR: Micros = 7 * 24 * 3_600 * 1_000_000;

/// What is put before the reason in the verdict of a rejected plan, and of one taken back.
const REJECTED: &str = "reject: ";
const TAKEN_BACK: &str = "taken back: ";

/// An alert for administrators: something was rejected or taken back.
#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    /// What it is about.
    pub adjustment: Adjustment,
    /// One sentence, with the numbers.
    pub sentence: String,
    /// The command to look closer.
    pub command: String,
}

impl Alert {
    /// What there is to tell of an adjustment; `None` where it went well, goes on, or was refused
    /// by a person, who knows.
    #[must_use]
    pub fn of(adjustment: &Adjustment) -> Option<Self> {
        let (plan, verdict) = (&adjustment.plan, adjustment.verdict.as_deref()?);
        let sentence = match adjustment.outcome {
            PlanOutcome::Rejected => {
                let because = verdict.strip_prefix(REJECTED)?;
                format!("The plan for `{}` was rejected: {because}. {}", plan.definition, plan.sentence)
            }
            PlanOutcome::Reverted => {
                let because = verdict.strip_prefix(TAKEN_BACK)?;
                format!("The plan for `{}` was taken back: {because}. {}", plan.definition, plan.sentence)
            }
            _ => return None,
        };
        let command = format!("evercount plan show {}", plan.id);
        Some(Self { adjustment: adjustment.clone(), sentence, command })
    }
}

/// Where alerts go.
///
/// They arrive at least once: after an error one may have arrived, and the caller raises it again.
pub trait Alerts: Sync {
    /// Raises an alert.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it may work later; [`StoreError::Rejected`] where it
    /// cannot, as without the permission to.
    fn raise(&self, alert: &Alert) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<A: Alerts + Send> Alerts for Arc<A> {
    async fn raise(&self, alert: &Alert) -> Result<(), StoreError> {
        A::raise(self, alert).await
    }
}

/// Adjustments that somebody may still have to be told of.
///
/// # Errors
/// Whatever the store answers.
pub async fn due<S: CatalogStore>(store: &S, now: Micros) -> Result<Vec<Adjustment>, StoreError> {
    let mut found = store.adjustments(None).await?;
    found.retain(|one| now.saturating_sub(one.updated_at) < TOLD_FOR && Alert::of(one).is_some());
    Ok(found)
}

/// Raises what there is to tell of adjustments and has not arrived yet; returns what was raised. One
/// that cannot be delivered holds up no other.
///
/// # Errors
/// The first failure, once all others have been tried; calling again raises what is left.
pub async fn tell<S: CatalogStore, A: Alerts>(
    store: &S,
    alerts: &A,
    adjustments: &[Adjustment],
    now: Micros,
) -> Result<Vec<Alert>, StoreError> {
    let (mut raised, mut failed) = (Vec::new(), None);
    for alert in adjustments.iter().filter_map(Alert::of) {
        match tell_one(store, alerts, &alert, now).await {
            Ok(true) => raised.push(alert),
            Ok(false) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(raised), Err)
}

async fn tell_one<S: CatalogStore, A: Alerts>(
    store: &S,
    alerts: &A,
    alert: &Alert,
    now: Micros,
) -> Result<bool, StoreError> {
    let plan = &alert.adjustment.plan;
    let trail = store.trail(&plan.definition).await?;
    if trail.iter().any(|entry| entry.what == ALERTED && entry.plan.as_ref() == Some(&plan.id)) {
        return Ok(false);
    }
    alerts.raise(alert).await?;
    let summary = format!("Administrators were told: {}", alert.sentence);
    let trail = vec![entry(&alert.adjustment, ALERTED, summary, now)];
    store.edit_catalog(&CatalogEdit { trail, ..CatalogEdit::default() }).await?;
    Ok(true)
}

/// Keeps what is raised; for simulation and tests.
#[derive(Debug, Default)]
pub struct MemoryAlerts {
    state: Mutex<Raised>,
}

#[derive(Debug, Default)]
struct Raised {
    alerts: Vec<Alert>,
    mishaps: VecDeque<Mishap>,
}

impl MemoryAlerts {
    /// Lets a call to come go wrong; each mishap befalls one call, in the order they are told.
    pub fn expect(&self, mishap: Mishap) {
        self.lock().mishaps.push_back(mishap);
    }

    /// Everything that arrived, in order, repetitions included.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        self.lock().alerts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Raised> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alerts for MemoryAlerts {
    async fn raise(&self, alert: &Alert) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mishap = state.mishaps.pop_front();
        if !matches!(mishap, Some(Mishap::CutAfter(0) | Mishap::Refused)) {
            state.alerts.push(alert.clone());
        }
        match mishap {
            None => Ok(()),
            Some(Mishap::Refused) => Err(StoreError::Rejected("refused on request".to_owned())),
            Some(mishap) => Err(StoreError::Unavailable(format!("{mishap:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use evercount_core::adjustment::{
        AdjustmentPlan, Cause, Certificate, Class, MinimumEvidence, Partitions, PlanCost,
    };
    use evercount_core::adoption::{PlanPolicy, Progress};
    use evercount_core::change::TableName;
    use evercount_core::definition::DefinitionName;
    use evercount_core::logic::{PlanId, Relation};
    use evercount_core::verdict::ShadowReport;

    use super::*;
    use crate::memory::Memory;

    fn adjustment(id: &str, outcome: PlanOutcome, verdict: Option<&str>) -> Adjustment {
        let plan = AdjustmentPlan {
            id: PlanId::new(id),
            definition: DefinitionName::parse("by_status").unwrap(),
            table: TableName::new("orders"),
            from: 1,
            cause: Cause::Schema { event: "e".to_owned(), changes: Vec::new(), position: None, at: 0 },
            class: Class::A1,
            update: None,
            certificate: Certificate::Undecided,
            affected: Partitions::None,
            estimate: PlanCost::default(),
            relation: Relation::Mapped,
            minimum: MinimumEvidence { census: true, changes: 0 },
            sentence: "`status` is now `state`.".to_owned(),
            assumptions: Vec::new(),
            choices: Vec::new(),
        };
        Adjustment {
            plan,
            policy: PlanPolicy::Auto,
            outcome,
            to: Some(2),
            report: ShadowReport::default(),
            verdict: verdict.map(str::to_owned),
            progress: Progress::default(),
            actual: PlanCost::default(),
            mismatches: 0,
            created_at: 0,
            updated_at: 0,
            revision: 0,
        }
    }

    async fn stored(adjustments: &[Adjustment]) -> Memory {
        let store = Memory::default();
        let adjustments = adjustments.iter().map(|one| (None, one.clone())).collect();
        store.edit_catalog(&CatalogEdit { adjustments, ..CatalogEdit::default() }).await.unwrap();
        store
    }

    #[test]
    fn only_what_was_found_wrong_is_told() {
        let sentence =
            |outcome, verdict| Alert::of(&adjustment("p", outcome, verdict)).map(|one| one.sentence);
        assert_eq!(
            sentence(PlanOutcome::Rejected, Some("reject: 3 of 9 comparisons differ")).unwrap(),
            "The plan for `by_status` was rejected: 3 of 9 comparisons differ. `status` is now `state`."
        );
        assert_eq!(
            sentence(PlanOutcome::Reverted, Some("taken back: a recount sides with the other")).unwrap(),
            "The plan for `by_status` was taken back: a recount sides with the other. `status` is now `state`."
        );
        assert_eq!(sentence(PlanOutcome::Rejected, Some("promote, once a person approves: all agree")), None);
        assert_eq!(sentence(PlanOutcome::Rejected, None), None);
        assert_eq!(sentence(PlanOutcome::Promoted, Some("promote: all agree")), None);
        assert_eq!(sentence(PlanOutcome::Watching, Some("keep watching: too little")), None);
    }

    #[tokio::test]
    async fn an_alert_arrives_once_however_often_it_is_looked_for() {
        let wrong = adjustment("a", PlanOutcome::Rejected, Some("reject: it differs"));
        let store = stored(&[wrong.clone(), adjustment("b", PlanOutcome::Promoted, None)]).await;
        let alerts = MemoryAlerts::default();
        for round in 0..3 {
            let due = due(&store, 1).await.unwrap();
            assert_eq!(due, std::slice::from_ref(&wrong));
            assert_eq!(tell(&store, &alerts, &due, 1).await.unwrap().len(), usize::from(round == 0));
        }
        assert_eq!(alerts.alerts().len(), 1);
        assert_eq!(due(&store, TOLD_FOR).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_did_not_arrive_is_raised_again_and_holds_up_no_other() {
        let wrong = |id| adjustment(id, PlanOutcome::Rejected, Some("reject: it differs"));
        for (mishap, arrived) in [(Mishap::CutAfter(0), 0), (Mishap::Refused, 0), (Mishap::ReplyLost, 1)] {
            let store = stored(&[wrong("a"), wrong("b")]).await;
            let alerts = MemoryAlerts::default();
            alerts.expect(mishap);
            let told = due(&store, 1).await.unwrap();
            tell(&store, &alerts, &told, 1).await.unwrap_err();
            assert_eq!(alerts.alerts().len(), arrived + 1, "{mishap:?}");
            tell(&store, &alerts, &told, 2).await.unwrap();
            assert_eq!(alerts.alerts().len(), arrived + 2, "{mishap:?}");
            assert!(tell(&store, &alerts, &told, 3).await.unwrap().is_empty());
        }
    }
}
