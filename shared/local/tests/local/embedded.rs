//! What the embedded services are relied on for, and how they start and stop.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ReturnConsumedCapacity,
    ScalarAttributeType, TransactWriteItem,
};
use evercount_local::{EmbeddedAws, EmbeddedError, EmbeddedOptions};

pub async fn create_table(client: &Client, table: &str) {
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let attribute = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap();
    let call = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    call.key_schema(key).attribute_definitions(attribute).send().await.unwrap();
}

pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[tokio::test]
async fn tables_in_a_file_outlive_the_services_and_those_in_memory_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let file =
        EmbeddedOptions { data_file: Some(directory.path().join("data.db")), ..EmbeddedOptions::default() };
    for (options, kept) in [(file, vec!["items".to_owned()]), (EmbeddedOptions::default(), vec![])] {
        let aws = EmbeddedAws::start(options.clone()).await.unwrap();
        create_table(&aws.dynamodb(), "items").await;
        let put = aws.dynamodb().put_item().table_name("items").item("id", text("a"));
        put.send().await.unwrap();
        aws.stop().await;
        let aws = EmbeddedAws::start(options).await.unwrap();
        let tables = aws.dynamodb().list_tables().send().await.unwrap();
        assert_eq!(tables.table_names(), kept);
        aws.stop().await;
    }
}

#[tokio::test]
async fn a_stop_frees_the_ports_and_a_taken_port_is_an_error_that_names_it() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let port =
        |endpoint: String| -> u16 { endpoint.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap() };
    let options = EmbeddedOptions {
        dynamodb_port: port(aws.dynamodb_endpoint()),
        kinesis_port: port(aws.kinesis_endpoint()),
        ..EmbeddedOptions::default()
    };
    // Clients that keep their connections open do not hold up the stop.
    let (dynamodb, kinesis) = (aws.dynamodb(), aws.kinesis());
    dynamodb.list_tables().send().await.unwrap();
    kinesis.list_streams().send().await.unwrap();

    let refused = EmbeddedAws::start(options.clone()).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::Listen { port, .. } if port == options.dynamodb_port));
    aws.stop().await;
    for port in [options.dynamodb_port, options.kinesis_port] {
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
    }
    EmbeddedAws::start(options).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_drop_stops_the_services_without_waiting() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    aws.dynamodb().list_tables().send().await.unwrap();
    let address = aws.dynamodb_endpoint().strip_prefix("http://").unwrap().to_owned();
    drop(aws);
    let refused = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), refused).await.unwrap();
}

#[tokio::test]
async fn a_transaction_is_applied_once_per_token_and_tells_its_cost() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let client = aws.dynamodb();
    create_table(&client, "items").await;
    let put = Put::builder()
        .table_name("items")
        .item("id", text("a"))
        .condition_expression("attribute_not_exists(id)")
        .build()
        .unwrap();
    let write = client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(put).build())
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    let first = write.clone().client_request_token("one").send().await.unwrap();
    assert_eq!(first.consumed_capacity()[0].capacity_units(), Some(2.0));
    assert!(write.clone().client_request_token("one").send().await.is_ok(), "the same token again");
    let refused = write.client_request_token("two").send().await.unwrap_err().into_service_error();
    assert!(refused.is_transaction_canceled_exception());
    aws.stop().await;
}

#[tokio::test]
async fn writes_to_a_captured_table_do_not_slow_down_with_its_change_log() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    create_table(&aws.dynamodb(), "items").await;
    let mut pump = evercount_local::Pump::new(aws.database(), aws.kinesis(), "none", aws.region());
    pump.attach("items", &evercount_local::PumpStart::TrimHorizon).unwrap();
    let database = aws.database();
    let write = |index: u32| {
        let request = serde_json::json!({"TableName": "items", "Item": {"id": {"S": format!("{index}")}}});
        database.put_item(serde_json::from_value(request).unwrap()).unwrap();
    };
    let timed = |range: std::ops::Range<u32>| {
        let start = std::time::Instant::now();
        range.for_each(write);
        start.elapsed()
    };
    let early = timed(0..500);
    timed(500..8_000);
    let late = timed(8_000..8_500);
    // Without the index the late writes take more than twenty times as long as the early ones.
    assert!(late < early * 6 + std::time::Duration::from_millis(100), "{early:?} became {late:?}");
    aws.stop().await;
}
