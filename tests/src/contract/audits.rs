//! Rules of a store of audits.

#![expect(clippy::unwrap_used, reason = "rules of a contract fail by panicking")]

use evercount_core::audit::Audited;
use evercount_core::definition::DefinitionName;
use evercount_pipeline::ports::AuditStore;

use super::AT;

fn audit(name: &str, ended: i64) -> Audited {
    Audited {
        definition: DefinitionName::parse(name).unwrap(),
        version: 3,
        began: AT,
        ended,
        one_in: 10,
        repair: true,
        rows: 1_000,
        agreeing: 990,
        in_flux: 3,
        differing: [("stale".to_owned(), 5), ("never_delivered".to_owned(), 2)].into(),
        repaired: 7,
        cells_judged: true,
        cells_off: 1,
    }
}

/// One for each count, by name; a later one replaces it.
pub async fn the_last_audit_of_each_count_stands(store: &impl AuditStore) {
    assert_eq!(store.last_audits().await, Ok(Vec::new()));
    store.put_audit(&audit("orders_by_status", AT + 1)).await.unwrap();
    store.put_audit(&audit("big_orders", AT + 2)).await.unwrap();
    let later = Audited { differing: [].into(), ..audit("orders_by_status", AT + 3) };
    store.put_audit(&later).await.unwrap();
    assert_eq!(store.last_audits().await, Ok(vec![audit("big_orders", AT + 2), later]));
}
