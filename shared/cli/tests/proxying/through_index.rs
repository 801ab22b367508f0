//! Reads through an index: of values that are beside the table, and of items as another version of the schema has
//! them, it shows what it would have of the table's own, or is refused by name.

use evercount_core::mutation::settings::OnConflict;
use evercount_proxy::server::PlainUpstream;
use serde_json::{Value, json};

use super::shop::{go_on, order, settings, written};
use super::stage::{Answer, Live, call, call_with, register};

const VERSION: &str = "x-evercount-schema-version";

/// Makes the table `orders` with indexes of every kind by region, and one by status.
async fn table(client: &PlainUpstream) {
    let index = |name: &str, key: &str, projection: Value| {
        json!({"IndexName": name, "Projection": projection,
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}]})
    };
    let some = json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["state"]});
    let made = json!({"TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "region", "AttributeType": "S"}, {"AttributeName": "status", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [index("whole", "region", json!({"ProjectionType": "ALL"})),
            index("keys", "region", json!({"ProjectionType": "KEYS_ONLY"})), index("some", "region", some),
            index("by_status", "status", json!({"ProjectionType": "ALL"}))]});
    let made = call(client, "CreateTable", &made).await;
    assert_eq!(made.status, 200, "{made:?}");
}

/// A query of one region through an index, with more to it.
fn query(index: &str, more: &Value) -> Value {
    let mut body = json!({"TableName": "orders", "IndexName": index, "KeyConditionExpression": "#r = :r",
        "ExpressionAttributeNames": {"#r": "region"}, "ExpressionAttributeValues": {":r": {"S": "eu"}}});
    for (name, value) in more.as_object().unwrap() {
        match (body.get_mut(name).and_then(Value::as_object_mut), value.as_object()) {
            (Some(known), Some(value)) => known.extend(value.clone()),
            _ => body[name] = value.clone(),
        }
    }
    body
}

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut items = answer.body["Items"].as_array().unwrap().clone();
    for item in &mut items {
        item.as_object_mut().unwrap().remove("_ver");
    }
    items.sort_by_key(|item| item["id"]["S"].as_str().map(str::to_owned));
    items
}

fn refused(answer: &Answer, told: &str) {
    let message = answer.body["message"].as_str().unwrap_or_default();
    assert!(answer.status == 400 && message.contains(told), "{told}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beside_a_table_is_seen_through_the_indexes_that_would_have_it() {
    for stamps in [true, false] {
        let live = Live::new(settings(stamps, OnConflict::Reject), Default::default()).await;
        let client = live.client();
        table(&client).await;
        register(live.stack.store(), "orders", &["id", "region", "state", "status"]).await;
        live.believe("orders", &[("gift", Some("none"))]).await;
        for (id, gift) in [("a", Some("ribbon")), ("b", None)] {
            let mut item =
                json!({"id": {"S": id}, "region": {"S": "eu"}, "state": {"S": "NEW"}, "status": {"S": "x"}});
            if let Some(gift) = gift {
                item["gift"] = json!({"S": gift});
            }
            let put = call(&client, "PutItem", &json!({"TableName": "orders", "Item": item})).await;
            assert_eq!(put.status, 200, "{put:?}");
        }
        let read = async |index: &str, more: Value| call(&client, "Query", &query(index, &more)).await;
        let item = |id: &str, more: Value| {
            let mut item = json!({"id": {"S": id}, "region": {"S": "eu"}});
            item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            item
        };
        // An index of everything shows what the table does.
        let whole = |gift: &str| json!({"state": {"S": "NEW"}, "status": {"S": "x"}, "gift": {"S": gift}});
        let all = [item("a", whole("ribbon")), item("b", whole("none"))];
        assert_eq!(items(&read("whole", json!({})).await), all);
        let scan = call(&client, "Scan", &json!({"TableName": "orders", "IndexName": "whole"})).await;
        assert_eq!(items(&scan), all);
        assert_eq!(items(&call(&client, "Scan", &json!({"TableName": "orders"})).await), all);
        let gift = |text: &str| json!({"FilterExpression": "gift = :g", "ExpressionAttributeValues": {":g": {"S": text}}});
        assert_eq!(items(&read("whole", gift("ribbon")).await), all[..1]);
        let mut counted = gift("none");
        counted["Select"] = json!("COUNT");
        let counted = read("whole", counted).await;
        assert_eq!(
            (&counted.body["Count"], &counted.body["ScannedCount"]),
            (&json!(1), &json!(2)),
            "{counted:?}"
        );
        let projected = json!({"ProjectionExpression": "id, gift"});
        let of = |id: &str, gift: &str| json!({"id": {"S": id}, "gift": {"S": gift}});
        assert_eq!(items(&read("whole", projected.clone()).await), [of("a", "ribbon"), of("b", "none")]);
        // One of less shows less, and what it cannot show is refused.
        assert_eq!(items(&read("keys", json!({})).await), [item("a", json!({})), item("b", json!({}))]);
        let state = json!({"state": {"S": "NEW"}});
        assert_eq!(items(&read("some", json!({})).await), [item("a", state.clone()), item("b", state)]);
        for index in ["keys", "some"] {
            refused(&read(index, projected.clone()).await, "does not project [gift]");
            refused(&read(index, gift("ribbon")).await, "does not project [gift]");
        }
        refused(
            &read(
                "keys",
                json!({"ProjectionExpression": "gift, #s", "ExpressionAttributeNames": {"#s": "status"}}),
            )
            .await,
            "[gift, status]",
        );
        let statuses = json!({"ProjectionExpression": "id"});
        assert_eq!(
            items(&read("keys", statuses).await),
            [json!({"id": {"S": "a"}}), json!({"id": {"S": "b"}})]
        );
        assert_eq!(read("keys", json!({"Select": "ALL_ATTRIBUTES"})).await.status, 400);
        assert_eq!(read("nowhere", json!({})).await.status, 400);
        let key = json!({"TableName": "orders", "IndexName": "whole", "KeyConditionExpression": "gift = :g",
            "ExpressionAttributeValues": {":g": {"S": "x"}}});
        refused(&call(&client, "Query", &key).await, "cannot be part of a key");
        live.stack.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_seen_through_an_index_of_everything_and_of_keys() {
    let live = Live::new(settings(true, OnConflict::Reject), written()).await;
    let client = live.client();
    table(&client).await;
    for version in 1..=5 {
        go_on(&live, version).await;
    }
    let put = json!({"TableName": "orders", "Item": order(5, "a", ("f", "l"), "OPEN", 7, "eu")});
    assert_eq!(call(&client, "PutItem", &put).await.status, 200);
    for version in [3, 4, 5] {
        let said = version.to_string();
        let read = async |operation: &str, body: Value| {
            call_with(&client, operation, &[(VERSION, said.as_str())], &body).await
        };
        let wanted = order(version, "a", ("f", "l"), "OPEN", 7, "eu");
        assert_eq!(
            items(&read("Scan", json!({"TableName": "orders"})).await),
            std::slice::from_ref(&wanted),
            "{version}"
        );
        assert_eq!(
            items(&read("Query", query("whole", &json!({}))).await),
            std::slice::from_ref(&wanted),
            "{version}"
        );
        let keys = json!({"id": {"S": "a"}, "region": {"S": "eu"}});
        assert_eq!(items(&read("Query", query("keys", &json!({}))).await), [keys], "{version}");
        let level = json!({"FilterExpression": "#l = :l", "ExpressionAttributeNames": {"#l": "level"},
            "ExpressionAttributeValues": {":l": wanted["level"]}, "ProjectionExpression": "#l"});
        let level = items(&read("Query", query("whole", &level)).await);
        assert_eq!(level, [json!({"level": wanted["level"]})], "{version}");
        let some = read("Query", query("some", &json!({}))).await;
        if version == 5 {
            assert_eq!(items(&some), [json!({"id": {"S": "a"}, "region": {"S": "eu"}})]);
        } else {
            refused(&some, "which those are in schema version");
        }
    }
    // A key that another version calls otherwise.
    let by = |name: &str| {
        json!({"TableName": "orders", "IndexName": "by_status", "KeyConditionExpression": "#s = :s",
            "ExpressionAttributeNames": {"#s": name}, "ExpressionAttributeValues": {":s": {"S": "OPEN"}}})
    };
    let third = call_with(&client, "Query", &[(VERSION, "3")], &by("status")).await;
    assert_eq!(items(&third), [order(3, "a", ("f", "l"), "OPEN", 7, "eu")]);
    refused(
        &call_with(&client, "Query", &[(VERSION, "2")], &by("state")).await,
        "`state` of schema version 2 is none of its keys",
    );
    live.stack.stop().await;
}
