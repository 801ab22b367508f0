//! What is refused, and how.

use evercount_core::resolve::Mode;
use evercount_proxy::server::PlainUpstream;
use serde_json::json;

use super::stage::{Stage, call};

/// Makes the table `orders`.
pub async fn table(client: &PlainUpstream) {
    let made = call(
        client,
        "CreateTable",
        &json!({"TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}),
    )
    .await;
    assert_eq!(made.status, 200, "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_attribute_is_refused_with_the_nearest_known_one() {
    let stage = Stage::new(Mode::Strict).await;
    let client = PlainUpstream::new(&stage.url).unwrap();
    table(&client).await;
    let put = json!({"TableName": "orders", "Item": {"id": {"S": "a"}, "staet": {"S": "NEW"}}});
    let passed = call(&client, "PutItem", &put).await;
    assert_eq!(passed.status, 200, "nothing is registered, so nothing can be judged: {passed:?}");

    stage.register("orders", &["id", "state"]).await;
    let refused = call(&client, "PutItem", &put).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body["__type"], "com.amazon.coral.validate#ValidationException");
    assert_eq!(
        refused.body["message"],
        "PutItem on `orders`: the table has no attribute `staet`; did you mean `state`?"
    );
    let statement = json!({"Statement": "UPDATE orders SET gift = 'x' WHERE id = 'a'"});
    let refused = call(&client, "ExecuteStatement", &statement).await;
    assert_eq!(refused.body["message"], "ExecuteStatement on `orders`: the table has no attribute `gift`");

    let get = json!({"TableName": "orders", "Key": {"id": {"S": "a"}}, "ProjectionExpression": "#x",
        "ExpressionAttributeNames": {"#x": "gift"}});
    assert_eq!(call(&client, "GetItem", &get).await.status, 400);
    let used = stage.proxy.usage().take();
    let used = used.values().flatten();
    let told: Vec<(&str, u64, u64)> =
        used.map(|(attribute, used)| (attribute.as_str(), used.reads, used.writes)).collect();
    assert_eq!(told, [("gift", 2, 0), ("staet", 0, 1)]);

    // Once it is registered, it passes.
    stage.register("orders", &["id", "state", "gift"]).await;
    assert_eq!(call(&client, "GetItem", &get).await.status, 200);
    stage.aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_observes_lets_everything_pass_and_counts() {
    for (mode, counted) in [(Mode::Observe, 1), (Mode::Off, 0)] {
        let stage = Stage::new(mode).await;
        let client = PlainUpstream::new(&stage.url).unwrap();
        table(&client).await;
        stage.register("orders", &["id"]).await;
        let put = json!({"TableName": "orders", "Item": {"id": {"S": "a"}, "gift": {"S": "x"}}});
        assert_eq!(call(&client, "PutItem", &put).await.status, 200);
        let get = json!({"TableName": "orders", "Key": {"id": {"S": "a"}}});
        let got = call(&client, "GetItem", &get).await;
        assert_eq!(got.body["Item"]["gift"]["S"], "x");
        assert_eq!(stage.proxy.usage().take().len(), counted, "{mode:?}");
        stage.aws.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_gone_is_said_to_be() {
    let stage = Stage::new(Mode::Off).await;
    let client = PlainUpstream::new(&stage.url).unwrap();
    let Stage { aws, .. } = stage;
    aws.stop().await;
    let answer = call(&client, "ListTables", &json!({})).await;
    assert_eq!(answer.status, 503, "{answer:?}");
}
