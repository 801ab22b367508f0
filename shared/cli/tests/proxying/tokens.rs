//! Transactions with a token of their client's, carried out by the proxy: each takes effect once. And what a
//! function's metrics would tell of them.

use evercount_core::mutation::settings::OnConflict;
use serde_json::{Value, json};

use super::refusing::table;
use super::shop::settings;
use super::stage::{Answer, Live, call, register};

/// A transaction that counts `a` up and makes `b`, if there is none.
fn transaction(token: &str, by: &str) -> Value {
    let update = json!({"TableName": "orders", "Key": {"id": {"S": "a"}}, "UpdateExpression": "ADD paid :by",
        "ExpressionAttributeValues": {":by": {"N": by}}});
    let put = json!({"TableName": "orders", "Item": {"id": {"S": format!("b{by}")}},
        "ConditionExpression": "attribute_not_exists(id)"});
    json!({"TransactItems": [{"Update": update}, {"Put": put}], "ClientRequestToken": token,
        "ReturnConsumedCapacity": "TOTAL"})
}

fn kind(answer: &Answer) -> &str {
    answer.body["__type"].as_str().unwrap_or_default().rsplit('#').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_a_token_takes_effect_once_and_its_token_stands_for_no_other() {
    let live = Live::new(settings(true, OnConflict::Reject), Default::default()).await;
    let client = live.client();
    table(&client).await;
    register(live.stack.store(), "orders", &["id", "paid"]).await;
    let paid = async || {
        let got = call(&client, "GetItem", &json!({"TableName": "orders", "Key": {"id": {"S": "a"}}})).await;
        got.body["Item"]["paid"]["N"].clone()
    };
    let send =
        async |token: &str, by: &str| call(&client, "TransactWriteItems", &transaction(token, by)).await;
    let first = send("one", "5").await;
    assert_eq!((first.status, paid().await), (200, json!("5")), "{first:?}");
    // Without a token its condition would not hold any more.
    let again = send("one", "5").await;
    assert_eq!((again.status, again.outcome.as_deref()), (200, Some("carried-out-before")), "{again:?}");
    assert_eq!(again.body["ConsumedCapacity"][0]["CapacityUnits"], json!(4));
    let other = send("one", "6").await;
    assert_eq!((other.status, kind(&other)), (400, "IdempotentParameterMismatchException"), "{other:?}");
    let anew = send("two", "5").await;
    assert_eq!((anew.status, kind(&anew)), (400, "TransactionCanceledException"), "{anew:?}");
    // What was cancelled was not carried out, and may be.
    let delete = json!({"TableName": "orders", "Key": {"id": {"S": "b5"}}});
    assert_eq!(call(&client, "DeleteItem", &delete).await.status, 200);
    assert_eq!((send("two", "5").await.status, paid().await), (200, json!("10")));
    // Of the same at once, one has an effect.
    let (left, right) = tokio::join!(send("three", "7"), send("three", "7"));
    assert_eq!((left.status, right.status), (200, 200), "{left:?} {right:?}");
    assert_eq!(paid().await, json!("17"));
    for wrong in ["", "x".repeat(37).as_str()] {
        assert_eq!(kind(&send(wrong, "1").await), "ValidationException");
    }
    let tally = live.proxy.take_tally();
    // Reads and the table's creation went on; the deletion and seven transactions are the proxy's.
    assert_eq!((tally.passed, tally.carried_out, tally.refused), (4, 6, 4), "{tally:?}");
    assert_eq!(tally.mutations.get("as-it-is"), Some(&8), "{tally:?}");
    assert!(tally.upstream > 0 && tally.failed == 0, "{tally:?}");
    let unknown = json!({"TableName": "orders", "Item": {"id": {"S": "c"}, "piad": {"N": "1"}}});
    assert_eq!(call(&client, "PutItem", &unknown).await.status, 400);
    let tally = live.proxy.take_tally();
    assert_eq!((tally.refused, tally.unknown_refused, tally.unknown_passed), (1, 1, 0));
    live.stack.stop().await;
}

/// A transaction has a hundred actions at most, of which the note of a token is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_leaves_no_room_for_its_tokens_note_is_refused_by_name() {
    let live = Live::new(settings(true, OnConflict::Reject), Default::default()).await;
    let client = live.client();
    table(&client).await;
    register(live.stack.store(), "orders", &["id", "paid"]).await;
    let puts = |items: usize, token: Option<&str>| {
        let put = |n: usize| json!({"Put": {"TableName": "orders", "Item": {"id": {"S": format!("o{n}")}}}});
        let puts: Vec<Value> = (0..items).map(put).collect();
        json!({"TransactItems": puts, "ClientRequestToken": token})
    };
    let send = async |body: Value| call(&client, "TransactWriteItems", &body).await;
    let refused = send(puts(100, Some("token"))).await;
    assert_eq!((refused.status, kind(&refused)), (400, "ValidationException"), "{refused:?}");
    let told = refused.body["message"].as_str().unwrap();
    assert!(told.contains("101 actions, 100 for its items") && told.contains("write 1 fewer"), "{told}");
    assert_eq!(live.stored("orders", "o0").await, None, "nothing was written");
    assert_eq!(send(puts(99, Some("token"))).await.status, 200);
    let again = send(puts(99, Some("token"))).await;
    assert_eq!((again.status, again.outcome.as_deref()), (200, Some("carried-out-before")), "{again:?}");
    assert_eq!(send(puts(100, None)).await.status, 200);
    live.stack.stop().await;
}
