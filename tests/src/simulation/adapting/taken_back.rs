//! A promotion is taken back at the moment at which the next version takes over: wherever between two
//! calls of the store that happens, one version is active afterwards.

use std::pin::Pin;

use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName, Headroom};
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_pipeline::ports::{CatalogEdit, CatalogStore, StoreError};
use evercount_pipeline::validate;

use crate::simulation::chaos::Chaos;
use crate::simulation::plan::Faults;
use crate::simulation::world::{poll, ready};

type RollBack = Pin<Box<dyn Future<Output = Result<u32, StoreError>> + Send>>;

/// Store calls of a rollback at most.
const CALLS_MAX: usize = 20;

fn versions() -> [LogicVersion; 3] {
    let name = DefinitionName::parse("orders").unwrap_or_else(|| unreachable!("it is a name"));
    let definition = CountDefinition {
        name,
        table: TableName::new("orders"),
        group_by: Vec::new(),
        filter: None,
        distinct: None,
        groups_max: 100,
        headroom: Headroom::default(),
    };
    let version = |number: u32, state| LogicVersion {
        parent: number.checked_sub(1).filter(|parent| *parent > 0),
        ..LogicVersion::new(number, definition.clone(), state, Coverage::Whole, 0)
    };
    [version(1, LogicState::Standby), version(2, LogicState::Active), version(3, LogicState::Shadow)]
}

#[test]
fn a_promotion_between_two_calls_of_a_rollback_leaves_one_version_active() {
    let mut met = 0;
    for calls in 0..CALLS_MAX {
        let store = Chaos::new(Faults::default(), None, 0);
        let [standby, active, next] = versions();
        for version in [&standby, &active, &next] {
            assert_eq!(ready(store.memory.create_version(version)), Some(Ok(())));
        }
        let promoted = active.id.clone();
        let chaos = store.clone();
        let mut work: RollBack = Box::pin(async move {
            validate::roll_back(&chaos, &promoted, "somebody did not like it", 1)
                .await
                .map(|(back, _)| back.id.number)
        });
        let mut done = None;
        for _ in 0..calls {
            done = done.or_else(|| poll(&mut work));
        }
        // What the validator does once the evidence is in.
        let promotes = CatalogEdit {
            change: vec![
                (next.clone(), next.entering(LogicState::Active, 1)),
                (active.clone(), active.entering(LogicState::Standby, 1)),
            ],
            ..CatalogEdit::default()
        };
        let promoted = ready(store.memory.edit_catalog(&promotes));
        while done.is_none() {
            done = poll(&mut work);
        }
        let now = ready(store.memory.versions()).and_then(Result::ok).unwrap_or_default();
        let are_active: Vec<u32> =
            now.iter().filter(|one| one.state == LogicState::Active).map(|one| one.id.number).collect();
        assert_eq!(are_active.len(), 1, "after {calls} calls {promoted:?}, then {done:?}: {are_active:?}");
        met += usize::from(done == Some(Err(StoreError::Conflict)));
    }
    assert!(met > 0, "no promotion came between");
}
