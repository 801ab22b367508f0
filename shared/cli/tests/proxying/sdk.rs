//! The Rust SDK, unmodified but for its endpoint, while the table's schema gets a column: writers of before
//! and after, and nothing is lost.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;
use evercount_core::resolve::Mode;
use evercount_local::client;
use evercount_proxy::server::PlainUpstream;

use super::stage::Stage;

const ITEMS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_column_comes_while_old_and_new_writers_go_on() {
    let stage = Stage::new(Mode::Strict).await;
    super::refusing::table(&PlainUpstream::new(&stage.url).unwrap()).await;
    stage.register("orders", &["id", "state"]).await;
    let sdk = client::dynamodb(&stage.url, "eu-central-1");
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut truth: BTreeMap<String, Option<&str>> = BTreeMap::new();
    for n in 0..ITEMS {
        if n == ITEMS / 2 {
            stage.register("orders", &["id", "state", "gift"]).await;
        }
        let id = format!("o-{n}");
        let put = sdk.put_item().table_name("orders").item("id", text(&id)).item("state", text("NEW"));
        // Every other writer is of the new release from the start.
        let is_new = n % 2 == 1;
        let put = if is_new { put.item("gift", text("ribbon")) } else { put };
        match put.send().await {
            Ok(_) => {
                assert!(!is_new || n >= ITEMS / 2, "an unknown attribute passed");
                truth.insert(id, is_new.then_some("ribbon"));
            }
            Err(error) => {
                assert!(is_new && n < ITEMS / 2, "{error:?}");
                assert_eq!(error.code(), Some("ValidationException"));
                let told = error.message().unwrap_or_default();
                assert!(told.contains("the table has no attribute `gift`"), "{told}");
            }
        }
    }
    let mut pages = sdk.scan().table_name("orders").limit(7).into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for item in page.unwrap().items.unwrap_or_default() {
            let gift = item.get("gift").map(|gift| gift.as_s().unwrap().clone());
            assert!(found.insert(item["id"].as_s().unwrap().clone(), gift).is_none());
        }
    }
    let truth: BTreeMap<String, Option<String>> =
        truth.into_iter().map(|(id, gift)| (id, gift.map(str::to_owned))).collect();
    assert_eq!(found, truth);
    assert_eq!(found.len(), ITEMS / 2 + ITEMS / 4);
    stage.aws.stop().await;
}
