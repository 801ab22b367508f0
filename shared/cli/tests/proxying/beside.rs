//! Columns that a table is believed to get: they are read and written before it has them, and are in the
//! table after they have come.

use evercount_core::change::TableName;
use evercount_core::mutation::settings::{MutationSettings, OnConflict};
use evercount_core::value::Value as Stored;
use evercount_local::stack::now;
use evercount_pipeline::arrive::{self, Arriving};
use evercount_proxy::server::PlainUpstream;
use serde_json::{Value, json};

use super::refusing::table;
use super::shop::settings;
use super::stage::{Answer, Live, call, call_with, register};

async fn live(stamps: bool) -> (Live, PlainUpstream) {
    let live = Live::new(settings(stamps, OnConflict::Reject), Default::default()).await;
    let client = live.client();
    table(&client).await;
    register(live.stack.store(), "orders", &["id", "state", "lines"]).await;
    live.believe("orders", &[("gift", Some("none")), ("note", None)]).await;
    (live, client)
}

async fn get(client: &PlainUpstream, id: &str) -> Value {
    let body = json!({"TableName": "orders", "Key": {"id": {"S": id}}, "ConsistentRead": true});
    let mut item = ok(call(client, "GetItem", &body).await)["Item"].take();
    item.as_object_mut().map(|item| item.remove("_ver"));
    item
}

fn ok(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn text(value: &str) -> Value {
    json!({"S": value})
}

async fn put(client: &PlainUpstream, item: Value) -> Answer {
    call(client, "PutItem", &json!({"TableName": "orders", "Item": item})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expected_column_is_there_before_during_and_after_it_comes() {
    for stamps in [true, false] {
        let (live, client) = live(stamps).await;
        ok(put(&client, json!({"id": text("a"), "state": text("NEW"), "gift": text("ribbon")})).await);
        ok(put(&client, json!({"id": text("b"), "state": text("NEW")})).await);
        let stored = live.stored("orders", "a").await.unwrap();
        assert!(!stored.contains_key("gift") && stored.contains_key("_ver") == stamps, "{stored:?}");
        assert_eq!(
            get(&client, "a").await,
            json!({"id": text("a"), "state": text("NEW"), "gift": text("ribbon")})
        );
        assert_eq!(get(&client, "b").await["gift"], text("none"), "the default");

        // An update of both parts, with a condition on what is beside the table and what is in it.
        let update = |condition: &str| {
            json!({"TableName": "orders", "Key": {"id": text("a")}, "ReturnValues": "ALL_NEW",
                "UpdateExpression": "SET gift = :bow, #s = :paid, note = if_not_exists(note, :first)",
                "ConditionExpression": condition, "ExpressionAttributeNames": {"#s": "state"},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                "ExpressionAttributeValues": {":bow": text("bow"), ":paid": text("PAID"), ":first": text("x"),
                    ":ribbon": text("ribbon"), ":new": text("NEW")}})
        };
        let condition = "gift = :ribbon AND #s = :new";
        let changed = ok(call(&client, "UpdateItem", &update(condition)).await);
        let wanted = json!({"id": text("a"), "state": text("PAID"), "gift": text("bow"), "note": text("x")});
        assert_eq!(changed["Attributes"], wanted);
        let failed = call(&client, "UpdateItem", &update(condition)).await;
        assert_eq!(failed.status, 400);
        assert_eq!(failed.body["__type"], "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
        assert_eq!(failed.body["Item"], wanted, "{failed:?}");

        // Projections, filters, batches and transactions see both parts.
        let projected = json!({"TableName": "orders", "Key": {"id": text("a")}, "ProjectionExpression": "#g",
            "ExpressionAttributeNames": {"#g": "gift"}});
        assert_eq!(ok(call(&client, "GetItem", &projected).await)["Item"], json!({"gift": text("bow")}));
        let scan = json!({"TableName": "orders", "FilterExpression": "gift = :bow", "Select": "COUNT",
            "ExpressionAttributeValues": {":bow": text("bow")}});
        let counted = ok(call(&client, "Scan", &scan).await);
        assert_eq!((&counted["Count"], &counted["ScannedCount"]), (&json!(1), &json!(2)), "{counted}");
        assert!(counted.get("Items").is_none());
        let batch = json!({"RequestItems": {"orders": {"Keys": [{"id": text("a")}, {"id": text("b")}]}}});
        let got = ok(call(&client, "BatchGetItem", &batch).await);
        let mut gifts: Vec<&str> = got["Responses"]["orders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["gift"]["S"].as_str().unwrap())
            .collect();
        gifts.sort_unstable();
        assert_eq!(gifts, ["bow", "none"]);
        let both = json!({"TransactItems": [{"Get": {"TableName": "orders", "Key": {"id": text("a")}}},
            {"Get": {"TableName": "orders", "Key": {"id": text("nobody")}}}]});
        let got = ok(call(&client, "TransactGetItems", &both).await);
        assert_eq!(got["Responses"][0]["Item"]["gift"], text("bow"));
        assert_eq!(got["Responses"][1], json!({}));
        let writes = json!({"RequestItems": {"orders": [
            {"PutRequest": {"Item": {"id": text("c"), "state": text("NEW"), "gift": text("card")}}},
            {"DeleteRequest": {"Key": {"id": text("b")}}}]}});
        assert_eq!(ok(call(&client, "BatchWriteItem", &writes).await)["UnprocessedItems"], json!({}));
        assert_eq!(get(&client, "c").await["gift"], text("card"));

        // An item that is gone takes along what was beside it.
        let delete = json!({"TableName": "orders", "Key": {"id": text("c")}, "ReturnValues": "ALL_OLD"});
        assert_eq!(ok(call(&client, "DeleteItem", &delete).await)["Attributes"]["gift"], text("card"));
        ok(put(&client, json!({"id": text("c"), "state": text("NEW")})).await);
        assert_eq!(get(&client, "c").await["gift"], text("none"));
        ok(put(&client, json!({"id": text("d"), "gift": text("late")})).await);

        // The column comes. Until its values are moved, they are seen where they are.
        register(live.stack.store(), "orders", &["id", "state", "lines", "gift"]).await;
        assert_eq!(get(&client, "a").await["gift"], text("bow"));
        let store = live.stack.store();
        let orders = TableName::new("orders");
        assert!(arrive::notice(store, store, &orders, now()).await.unwrap().is_some());
        assert_eq!(get(&client, "a").await["gift"], text("bow"));
        ok(put(&client, json!({"id": text("d"), "gift": text("later")})).await);
        let told = arrive::turn(store, store, live.proxy.table(), |_| stamps, 100, now()).await.unwrap();
        let [(_, Arriving::Moved(pass))] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((pass.moved, pass.misfits), (1, 0), "{pass:?}");
        let bow = Some(Stored::String("bow".to_owned()));
        assert_eq!(live.stored("orders", "a").await.unwrap().get("gift").cloned(), bow);
        for (id, gift) in [("a", text("bow")), ("d", text("later"))] {
            assert_eq!(get(&client, id).await["gift"], gift);
        }
        assert_eq!(get(&client, "a").await["note"], text("x"), "what has not come stays beside the table");
        live.stack.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_carried_out_whole_or_not_at_all() {
    let (live, client) = live(true).await;
    ok(put(&client, json!({"id": text("a"), "state": text("NEW"), "gift": text("ribbon")})).await);
    let transaction = |gift: &str| {
        json!({"TransactItems": [
            {"ConditionCheck": {"TableName": "orders", "Key": {"id": text("a")},
                "ConditionExpression": "gift = :g", "ExpressionAttributeValues": {":g": text(gift)}}},
            {"Put": {"TableName": "orders", "Item": {"id": text("b"), "gift": text("card")}}},
            {"Update": {"TableName": "orders", "Key": {"id": text("c")}, "UpdateExpression": "SET note = :n",
                "ExpressionAttributeValues": {":n": text("hello")}}}]})
    };
    let cancelled = call(&client, "TransactWriteItems", &transaction("bow")).await;
    assert_eq!(cancelled.status, 400);
    let kind = &cancelled.body["__type"];
    assert_eq!(kind, "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "{cancelled:?}");
    let codes: Vec<&str> = cancelled.body["CancellationReasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["Code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["ConditionalCheckFailed", "None", "None"]);
    assert_eq!(get(&client, "b").await, Value::Null);
    ok(call(&client, "TransactWriteItems", &transaction("ribbon")).await);
    assert_eq!(get(&client, "b").await["gift"], text("card"));
    assert_eq!(get(&client, "c").await["note"], text("hello"));
    let twice = json!({"TransactItems": [
        {"Delete": {"TableName": "orders", "Key": {"id": text("a")}}},
        {"Put": {"TableName": "orders", "Item": {"id": text("a")}}}]});
    assert_eq!(call(&client, "TransactWriteItems", &twice).await.status, 400);
    live.stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_refused_by_name() {
    let (live, client) = live(false).await;
    let refused = async |operation: &str, body: Value, told: &str| {
        let answer = call(&client, operation, &body).await;
        assert_eq!(answer.status, 400, "{operation} {body}: {answer:?}");
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(told), "{operation}: {message}");
    };
    refused("ExecuteStatement", json!({"Statement": "SELECT gift FROM orders"}), "`gift` is expected").await;
    refused("ExecuteStatement", json!({"Statement": "SELECT * FROM orders"}), "write the request as").await;
    refused(
        "ExecuteStatement",
        json!({"Statement": "UPDATE orders SET state = 'x' WHERE id = 'a'"}),
        "write the request as",
    )
    .await;
    let query = json!({"TableName": "orders", "KeyConditionExpression": "gift = :g",
        "ExpressionAttributeValues": {":g": text("x")}});
    refused("Query", query, "cannot be part of a key").await;
    let legacy = json!({"TableName": "orders", "Key": {"id": text("a")},
        "AttributeUpdates": {"gift": {"Value": text("x")}}});
    refused("UpdateItem", legacy, "an UpdateExpression").await;
    let own = json!({"TableName": "orders", "Key": {"id": text("a")}, "UpdateExpression": "SET #v = :v",
        "ExpressionAttributeNames": {"#v": "_ver"}, "ExpressionAttributeValues": {":v": {"N": "1"}}});
    refused("UpdateItem", own, "`_ver` is written by the proxy").await;
    let version = [("x-evercount-schema-version", "9")];
    let get = json!({"TableName": "orders", "Key": {"id": text("a")}});
    let answer = call_with(&client, "GetItem", &version, &get).await;
    assert_eq!((answer.status, answer.outcome.as_deref()), (400, Some("unknown-version")), "{answer:?}");
    // What is the table's alone is answered by it.
    let statement = json!({"Statement": "SELECT id, state FROM orders"});
    ok(call(&client, "ExecuteStatement", &statement).await);
    live.stack.stop().await;
}

/// A table of which nothing is expected, and that says nothing of mutations, is the upstream's alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_which_nothing_is_expected_gets_nothing_of_ours() {
    let live = Live::new(MutationSettings::default(), Default::default()).await;
    let client = live.client();
    table(&client).await;
    register(live.stack.store(), "orders", &["id", "state"]).await;
    let put = put(&client, json!({"id": text("a"), "state": text("NEW")})).await;
    assert_eq!((put.status, put.outcome, put.version), (200, None, None));
    assert_eq!(live.stored("orders", "a").await.unwrap().len(), 2);
    live.stack.stop().await;
}
