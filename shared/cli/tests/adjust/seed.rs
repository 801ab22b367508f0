//! A counted table on an embedded AWS of this process, which commands reach by its endpoint: its
//! rows, its counts, and the schema changes that befall it, by the steps that the functions take.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use evercount_aws::dynamo::DynamoSource;
use evercount_core::audit;
use evercount_core::backfill::Segment;
use evercount_core::change::TableName;
use evercount_core::fingerprint::SchemaId;
use evercount_core::logic::Coverage;
use evercount_core::order::Micros;
use evercount_core::schema::{FieldPath, TypeSet};
use evercount_core::schema_change::{
    ChangeKind, Evidence, EvidencePart, SchemaChange, SchemaChangeEvent, Typed,
};
use evercount_local::stack::now;
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::adapt::{self, AdaptOptions, Adapted};
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::{define, operator};
use evercount_wire::definition::{DefinitionParts, build};
use serde_json::Value;

/// An hour.
pub const HOUR: Micros = 3_600_000_000;

/// An embedded AWS with commands on it.
pub struct Shop {
    pub stack: Stack,
    folder: tempfile::TempDir,
}

impl Shop {
    pub async fn empty() -> Self {
        let stack = Stack::embedded(EmbeddedOptions::default(), Default::default()).await.unwrap();
        Self { stack, folder: tempfile::tempdir().unwrap() }
    }

    /// With `orders`, of six items, counted as `by_status`.
    pub async fn open() -> Self {
        let shop = Self::empty().await;
        shop.table("orders").await;
        shop.count("by_status", &["status"], None).await;
        for (id, status, amount) in [
            ("a", "NEW", 5),
            ("b", "NEW", 50),
            ("c", "PAID", 500),
            ("d", "PAID", 5),
            ("e", "PAID", 7),
            ("f", "SENT", 70),
        ] {
            shop.put(id, &[("status", status)], amount).await;
        }
        shop.ledger().await;
        shop
    }

    pub async fn table(&self, table: &str) {
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
        let create = self.stack.dynamodb().create_table().table_name(table);
        let create = create.attribute_definitions(id.build().unwrap()).key_schema(key.build().unwrap());
        create.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    }

    pub async fn count(&self, name: &str, group_by: &[&str], filter: Option<&str>) {
        self.count_since(name, group_by, filter, Coverage::Whole).await;
    }

    pub async fn count_since(&self, name: &str, group_by: &[&str], filter: Option<&str>, coverage: Coverage) {
        let parts = DefinitionParts {
            name: name.to_owned(),
            table: "orders".to_owned(),
            group_by: group_by.iter().map(ToString::to_string).collect(),
            filter: filter.map(str::to_owned),
            ..DefinitionParts::default()
        };
        define::create(self.stack.store(), build(parts).unwrap(), coverage, now()).await.unwrap();
    }

    pub async fn put(&self, id: &str, texts: &[(&str, &str)], amount: i64) {
        let mut put = self.stack.dynamodb().put_item().table_name("orders");
        put = put.item("id", AttributeValue::S(id.to_owned()));
        put = put.item("amount", AttributeValue::N(amount.to_string()));
        for (name, text) in texts {
            put = put.item(*name, AttributeValue::S((*text).to_owned()));
        }
        put.send().await.unwrap();
    }

    /// Counts every item of the table as it stands: what its stream would have told.
    pub async fn ledger(&self) {
        let source = DynamoSource::new(self.stack.dynamodb());
        let table = TableName::new("orders");
        let page = source.scan(&table, Segment::WHOLE, None).await.unwrap();
        assert!(page.next.is_none());
        let at = audit::read_version(0, now(), 0);
        let changes: Vec<_> = page
            .rows
            .into_iter()
            .map(|(key, image)| audit::observation(key, Some(image), at.clone()))
            .collect();
        operator::apply(self.stack.store(), &changes, None, now()).await.unwrap();
    }

    /// The table's schema changes.
    pub async fn changed(&self, changes: Vec<SchemaChange>) -> Adapted {
        let schema = |version: u32| SchemaId::parse(&format!("v{version:04}-{version:016x}")).unwrap();
        let event = SchemaChangeEvent {
            subject: TableName::new("orders"),
            from: Some(schema(1)),
            to: schema(2),
            changes,
            drift: 0.1,
            position: None,
            at: now(),
        };
        let source = DynamoSource::new(self.stack.dynamodb());
        let options =
            AdaptOptions { source_is_readable: true, margin: 100_000, pages: 100, ..AdaptOptions::BARE };
        let adapted =
            adapt::schema_changed(self.stack.store(), &source, &event, options, now()).await.unwrap();
        assert_eq!(adapted.failed, []);
        adapted
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
        let environment = std::env::vars_os().map(|(name, _)| name);
        for name in environment.filter(|name| {
            let name = name.to_str().unwrap_or_default();
            name.starts_with("AWS_") || name.starts_with("EVERCOUNT_") || name.contains("COLOR")
        }) {
            command.env_remove(name);
        }
        let aws = self.stack.embedded_aws().unwrap();
        command.env("AWS_ENDPOINT_URL_DYNAMODB", aws.dynamodb_endpoint());
        command.env("AWS_ENDPOINT_URL_KINESIS", aws.kinesis_endpoint());
        command.envs([
            ("AWS_REGION", aws.region()),
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
        ]);
        command.env("EVERCOUNT_HOME", self.folder.path());
        command
    }

    /// Runs a command: its exit code, what it printed, and its errors.
    pub async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command();
        command.args(arguments);
        let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// What a command prints for a person, which it must do without errors.
    pub async fn text(&self, arguments: &[&str]) -> String {
        let (code, told, errors) = self.run(arguments).await;
        println!("$ evercount {}\n{told}", arguments.join(" "));
        assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}: {told}");
        assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
        told
    }

    /// What a command prints with `--json`.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let (code, told, errors) = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}: {told}");
        serde_json::from_str(&told).unwrap()
    }

    /// What a command says where it cannot do what it was asked to.
    pub async fn refusal(&self, arguments: &[&str]) -> String {
        let (code, told, errors) = self.run(arguments).await;
        println!("$ evercount {}\n{errors}", arguments.join(" "));
        assert_eq!((code, told.as_str()), (2, ""), "{arguments:?}: {errors}");
        errors
    }

    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Everything that is stored, item by item: what a command that only looks must leave as it is.
    pub async fn stored(&self) -> BTreeMap<String, String> {
        let tables = self.stack.store().tables().clone();
        let mut items = BTreeMap::new();
        for table in [tables.metadata, tables.ledger, tables.counts] {
            let scan = self.stack.dynamodb().scan().table_name(&table).send().await.unwrap();
            for item in scan.items() {
                let text = rendered(&AttributeValue::M(item.clone()));
                items.insert(format!("{table} {text}"), text);
            }
        }
        items
    }
}

/// `status` is `state` from now on, with a score.
pub fn rename(score: f64) -> Vec<SchemaChange> {
    let parts = vec![
        EvidencePart { name: "update", weight: 0.5, held: score },
        EvidencePart { name: "values", weight: 0.5, held: score },
    ];
    let typed = Typed { types: TypeSet::of(evercount_core::schema::FieldType::STRING), declared: None };
    let kind = ChangeKind::RenameColumn {
        column: FieldPath::column("status"),
        to: FieldPath::column("state"),
        typed: typed.clone(),
        previous: typed,
    };
    vec![SchemaChange { kind, evidence: Evidence::Proposed { score, parts } }]
}

impl Shop {
    /// Approves the last plan, with clocks so far apart that no page may be read yet.
    pub async fn begin_filling(&self) {
        let store = self.stack.store();
        let source = DynamoSource::new(self.stack.dynamodb());
        let adjustment =
            evercount_pipeline::ports::CatalogStore::adjustments(store, None).await.unwrap().pop();
        let options =
            AdaptOptions { source_is_readable: true, margin: HOUR, pages: 100, ..AdaptOptions::BARE };
        let decision = adapt::Decision::Approve;
        adapt::decide(store, &source, adjustment.unwrap(), decision, options, now()).await.unwrap();
    }
}

/// A value as text, with the attributes of maps in order.
fn rendered(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(map) => {
            let sorted: BTreeMap<_, _> = map.iter().map(|(name, value)| (name, rendered(value))).collect();
            format!("{sorted:?}")
        }
        AttributeValue::L(list) => format!("{:?}", list.iter().map(rendered).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}
