//! The stack under test, and what a user does with it: writes with an SDK, and the `evercount` command.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use evercount_local::client;
use serde_json::Value;

/// Far more than anything here takes: the validator is invoked once a minute.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// An item as DynamoDB has it.
pub type Attributes = HashMap<String, AttributeValue>;

/// Tells how far the test has come.
pub fn say(text: &str) {
    println!("deployed: {text}");
}

/// A text or number of an item.
pub fn attribute<'a>(item: &'a Attributes, name: &str) -> Option<&'a str> {
    match item.get(name)? {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text),
        _ => None,
    }
}

/// A deployed stack.
pub struct Stack {
    dynamodb: aws_sdk_dynamodb::Client,
    kinesis: aws_sdk_kinesis::Client,
    evercount: String,
    /// The ARN of the stream that changes come on.
    pub stream: String,
    events: String,
    /// The name of the table of metadata.
    pub metadata: String,
    /// The name of the table of counts.
    pub counts: String,
}

impl Stack {
    /// The stack that the environment names; says so where it names none.
    pub fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(stream) = variable("EVERCOUNT_DEPLOYED_STREAM") else {
            say(
                "SKIPPED: no stack is deployed (EVERCOUNT_DEPLOYED_STREAM is not set); infra/try deploys one and runs this",
            );
            return None;
        };
        let needed =
            |name: &str| variable(name).unwrap_or_else(|| panic!("{name} is not set; infra/try sets it"));
        let endpoint = needed("AWS_ENDPOINT_URL");
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint} is not on this machine");
        let region = needed("AWS_REGION");
        Some(Self {
            dynamodb: client::dynamodb(&endpoint, &region),
            kinesis: client::kinesis(&endpoint, &region),
            evercount: needed("EVERCOUNT_BIN"),
            stream,
            events: needed("EVERCOUNT_DEPLOYED_EVENTS"),
            metadata: needed("EVERCOUNT_METADATA_TABLE"),
            counts: needed("EVERCOUNT_COUNTS_TABLE"),
        })
    }

    /// Runs the command and reads what it prints.
    pub fn evercount(&self, arguments: &[&str]) -> Value {
        let output = Command::new(&self.evercount).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "evercount {arguments:?}: {said}");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("evercount {arguments:?}: {error}"))
    }

    /// Sets how plans are treated.
    pub fn policy(&self, toml: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        self.evercount(&["policy", "set", "--file", file.path().to_str().unwrap(), "--json"]);
    }

    /// Waits until something is so, and says how long that took.
    pub async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        say(&format!("{what}: {:.1} s", start.elapsed().as_secs_f64()));
    }

    /// Creates a table whose key is a text.
    pub async fn create_table(&self, table: &str, key: &str) {
        let element = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash).build();
        let attribute = AttributeDefinition::builder().attribute_name(key);
        let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
        let call = self.dynamodb.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        let call = call.key_schema(element.unwrap()).attribute_definitions(attribute.unwrap());
        call.send().await.unwrap();
    }

    /// Puts an item of texts and a number.
    pub async fn put(&self, table: &str, texts: &[(&str, &str)], number: (&str, &str)) {
        let mut call = self.dynamodb.put_item().table_name(table);
        for (name, text) in texts {
            call = call.item(*name, AttributeValue::S((*text).to_owned()));
        }
        call.item(number.0, AttributeValue::N(number.1.to_owned())).send().await.unwrap();
    }

    /// Moves an item's value from one attribute to another.
    pub async fn rename(&self, table: &str, id: &str, (from, to): (&str, &str), value: &str) {
        let call = self.dynamodb.update_item().table_name(table).key("id", AttributeValue::S(id.to_owned()));
        let call = call.update_expression("SET #to = :value REMOVE #from");
        let call = call.expression_attribute_names("#to", to).expression_attribute_names("#from", from);
        call.expression_attribute_values(":value", AttributeValue::S(value.to_owned())).send().await.unwrap();
    }

    /// Deletes an item.
    pub async fn delete(&self, table: &str, id: &str) {
        let call = self.dynamodb.delete_item().table_name(table).key("id", AttributeValue::S(id.to_owned()));
        call.send().await.unwrap();
    }

    /// The items of one of our tables under a first key.
    pub async fn items(&self, table: &str, pk: &str) -> Vec<Attributes> {
        let call = self.dynamodb.query().table_name(table).key_condition_expression("pk = :pk");
        let call = call.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        call.send().await.unwrap().items.unwrap_or_default()
    }

    /// Everything on the stream of schema change events.
    pub async fn events(&self) -> Vec<String> {
        let shards = self.kinesis.list_shards().stream_arn(&self.events).send().await.unwrap();
        let mut events = Vec::new();
        for shard in shards.shards.unwrap_or_default() {
            let call = self.kinesis.get_shard_iterator().stream_arn(&self.events).shard_id(shard.shard_id);
            let iterator = call.shard_iterator_type("TRIM_HORIZON".into()).send().await.unwrap();
            let call = self.kinesis.get_records().set_shard_iterator(iterator.shard_iterator);
            let page = call.send().await.unwrap();
            events.extend(
                page.records.into_iter().map(|one| String::from_utf8(one.data.into_inner()).unwrap()),
            );
        }
        events
    }
}
