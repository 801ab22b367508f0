//! A DynamoDB table with orders, captured onto the stage's stream.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use evercount_aws::dynamo::DynamoSource;
use evercount_core::backfill::Segment;
use evercount_core::change::TableName;
use evercount_core::value::Item;
use evercount_local::{Pump, PumpStart};
use evercount_pipeline::ports::SourceTable;

use super::stage::{STREAM, Stage};

pub const TABLE: &str = "orders";

pub struct Shop {
    pub client: Client,
    pub source: DynamoSource,
    writes: u64,
}

impl Shop {
    pub async fn open(stage: &Stage) -> Self {
        let client = stage.stack.dynamodb().clone();
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let call = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
        call.attribute_definitions(id.build().unwrap())
            .key_schema(key.build().unwrap())
            .send()
            .await
            .unwrap();
        Self { source: DynamoSource::new(&client), client, writes: 0 }
    }

    /// A pump that carries every write from now on.
    pub fn pump(stage: &Stage) -> Pump {
        let aws = stage.stack.embedded_aws().unwrap();
        let mut pump = Pump::new(aws.database(), stage.stack.kinesis().clone(), STREAM, aws.region());
        pump.attach(TABLE, &PumpStart::Latest).unwrap();
        pump
    }

    pub async fn put(&mut self, id: &str, status: &str) {
        self.put_with(id, status, [].into()).await;
    }

    /// Puts an order, with more attributes. Each put is told apart from all others by a number.
    pub async fn put_with(&mut self, id: &str, status: &str, more: Vec<(String, AttributeValue)>) {
        self.writes += 1;
        let call = self.client.put_item().table_name(TABLE);
        let call = call.item("id", AttributeValue::S(id.to_owned()));
        let call = call.item("status", AttributeValue::S(status.to_owned()));
        let mut call = call.item("write", AttributeValue::N(self.writes.to_string()));
        for (name, value) in more {
            call = call.item(name, value);
        }
        call.send().await.unwrap();
    }

    /// Puts an order that is too large for the stream: its record will be skipped, as on AWS.
    pub async fn put_large(&mut self, id: &str, status: &str) {
        // A control character takes a byte in the table and six in JSON.
        let blob = AttributeValue::S("\u{1}".repeat(200_000));
        self.put_with(id, status, vec![("blob".to_owned(), blob)]).await;
    }

    pub async fn delete(&self, id: &str) {
        let call = self.client.delete_item().table_name(TABLE);
        call.key("id", AttributeValue::S(id.to_owned())).send().await.unwrap();
    }

    /// A scan of the whole table.
    pub async fn images(&self) -> Vec<Item> {
        let (mut images, mut after) = (Vec::new(), None);
        loop {
            let page = self.source.scan(&TableName::new(TABLE), Segment::WHOLE, after).await.unwrap();
            images.extend(page.rows.into_iter().map(|(_, image)| image));
            after = page.next;
            if after.is_none() {
                return images;
            }
        }
    }
}
