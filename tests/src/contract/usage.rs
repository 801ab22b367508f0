//! Rules of a store of usage.

#![expect(clippy::unwrap_used, reason = "rules of a contract fail by panicking")]

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_core::prediction::DAY;
use evercount_pipeline::ports::{DayOfUse, UsageStore, Used};

use super::AT;

fn table(name: &str) -> TableName {
    TableName::new(name)
}

async fn tell(store: &impl UsageStore, of: &str, attribute: &str, used: (u64, u64), at: Micros) {
    let used = BTreeMap::from([(attribute.to_owned(), Used { reads: used.0, writes: used.1 })]);
    store.add_usage(&table(of), &used, at).await.unwrap();
}

async fn days(store: &impl UsageStore, of: &str) -> Vec<(String, Micros, (u64, u64))> {
    let days = store.usage(&table(of)).await.unwrap().into_iter();
    days.map(|DayOfUse { attribute, last, used }| (attribute, last, (used.reads, used.writes))).collect()
}

/// Figures of a day add up; each day and each attribute has its own, in the order of days.
pub async fn usage_adds_up_by_day_and_attribute(store: &impl UsageStore) {
    tell(store, "orders", "gift \"#1\"", (3, 0), AT).await;
    tell(store, "orders", "gift \"#1\"", (1, 2), AT + 1).await;
    tell(store, "orders", "b", (0, 5), AT + 2).await;
    tell(store, "orders", "gift \"#1\"", (4, 0), AT + DAY).await;
    let gift = "gift \"#1\"".to_owned();
    let expected =
        [("b".to_owned(), AT + 2, (0, 5)), (gift.clone(), AT + 1, (4, 2)), (gift, AT + DAY, (4, 0))];
    assert_eq!(days(store, "orders").await, expected);
}

/// Tables whose names are alike have their own figures, and one that was never told of has none.
pub async fn usage_is_a_tables_own(store: &impl UsageStore) {
    tell(store, "orders", "gift", (1, 0), AT).await;
    tell(store, "orders-eu", "gift", (2, 0), AT).await;
    assert_eq!(days(store, "orders").await, [("gift".to_owned(), AT, (1, 0))]);
    assert_eq!(days(store, "orders-eu").await, [("gift".to_owned(), AT, (2, 0))]);
    assert_eq!(days(store, "carts").await, []);
}

/// Proxies that tell at once lose nothing of each other's.
pub async fn usage_told_at_once_loses_nothing(store: &impl UsageStore) {
    let one = || tell(store, "orders", "gift", (1, 1), AT);
    tokio::join!(one(), one(), one(), one());
    assert_eq!(days(store, "orders").await, [("gift".to_owned(), AT, (4, 4))]);
}
