//! A registry as the listener leaves it: two subjects with their histories, through the same
//! decisions and the same store.

use std::path::PathBuf;
use std::process::{Command, Output};

use evercount_core::compatibility;
use evercount_core::decimal::Decimal;
use evercount_core::detection::records::{Known, RowSeen, Watch};
use evercount_core::diff::diff_with_renames;
use evercount_core::drift::drift;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::lineage::{ProducerId, ProducerKind, Seen, WindowSketch};
use evercount_core::order::{Micros, OrderVersion};
use evercount_core::registration::{Registration, StoredWatch, WatchWrite};
use evercount_core::registry::{Compatibility, EvolutionRule, Origin, Policy};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, EvidencePart, SchemaChange, Subject};
use evercount_core::sketch::Precision;
use evercount_core::value::{Item, Value};
use evercount_local::stack::now;
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::ports::{ProducersSeen, RegistryStore};
use evercount_wire::sketch::Sketch;

/// 2026-01-01.
pub const NEW_YEAR: Micros = 1_767_225_600_000_000;
pub const DAY: Micros = 86_400_000_000;

/// An embedded AWS of this process, which commands reach by its endpoint.
pub struct Registry {
    pub stack: Stack,
    folder: tempfile::TempDir,
}

impl Registry {
    pub async fn empty() -> Self {
        let stack = Stack::embedded(EmbeddedOptions::default(), Default::default()).await.unwrap();
        Self { stack, folder: tempfile::tempdir().unwrap() }
    }

    /// With `shop.orders`, whose source declares it, and `customers`, which is read off its items.
    pub async fn seeded() -> Self {
        let registry = Self::empty().await;
        registry.orders().await;
        registry.customers().await;
        registry
    }

    pub fn command(&self, verb: &str) -> Command {
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
        command.env("EVERCOUNT_HOME", self.folder.path()).arg(verb);
        command
    }

    /// Runs a command: its exit code, what it printed, and its errors.
    pub async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_verb("schema", arguments).await
    }

    /// As [`Self::run`], for a command of another verb than `schema`.
    pub async fn run_verb(&self, verb: &str, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command(verb);
        command.args(arguments);
        let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// What a command prints for a person, which it must do without errors.
    pub async fn text(&self, arguments: &[&str]) -> String {
        let (code, told, errors) = self.run(arguments).await;
        assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}: {told}");
        assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
        assert!(told.lines().all(|line| line.trim_end() == line), "{told:?}");
        println!("$ evercount schema {}\n{told}", arguments.join(" "));
        told
    }

    /// What a command prints with `--json`.
    pub async fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let (code, told, errors) = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}: {told}");
        serde_json::from_str(&told).unwrap()
    }

    /// What a command says where it cannot do what it was asked to.
    pub async fn refusal(&self, arguments: &[&str]) -> String {
        let (code, told, errors) = self.run(arguments).await;
        assert_eq!((code, told.as_str()), (2, ""), "{arguments:?}: {errors}");
        println!("$ evercount schema {}\n{errors}", arguments.join(" "));
        errors
    }

    pub fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Puts a proposal before the registry.
    pub async fn propose(
        &self,
        subject: &str,
        origin: Origin,
        schema: Schema,
        changes: Vec<SchemaChange>,
        at: Micros,
    ) {
        let store = self.stack.store();
        let subject = Subject::new(subject);
        let stored = store.subject(&subject).await.unwrap();
        let state =
            stored.clone().unwrap_or_else(|| new_subject(subject.clone(), origin, Policy::default(), at));
        let current = match state.current {
            Some(id) => store.schema_version(&subject, id.version, at).await.unwrap().found(),
            None => None,
        };
        let current = current.map(|version| version.schema);
        let earlier: Vec<(u32, &Schema)> =
            current.iter().map(|schema| (state.current.unwrap().version, schema)).collect();
        let renames: Vec<_> = changes
            .iter()
            .filter_map(|change| match &change.kind {
                ChangeKind::RenameColumn { column, to, .. } => Some((column.clone(), to.clone())),
                _ => None,
            })
            .collect();
        let judge = |next: &Schema| Judgement {
            drift: current
                .as_ref()
                .map_or(0.0, |current| drift(&diff_with_renames(current, next, &renames)).score),
            breaks: compatibility::check(state.policy.compatibility, &earlier, next)
                .into_iter()
                .map(|one| one.sentence)
                .collect(),
        };
        let proposal = Proposal { schema, changes, position: None, at };
        let evolved = evolve(&state, current.as_ref(), &proposal, judge, at);
        let mut registration = Registration::empty(subject, at + 5_000_000);
        registration.add(stored.map(|state| state.revision), &state, evolved);
        store.register(&registration).await.unwrap();
    }

    pub async fn set_policy(&self, subject: &str, edit: impl FnOnce(&mut Policy)) {
        let before = self.stack.store().subject(&Subject::new(subject)).await.unwrap().unwrap();
        let mut after = before.clone();
        edit(&mut after.policy);
        after.revision += 1;
        self.stack.store().update_subject(Some(&before), &after).await.unwrap();
    }

    async fn orders(&self) {
        let created = "CREATE TABLE orders (\n  id BIGINT PRIMARY KEY, status VARCHAR(20), …)";
        let first = table(&["id BIGINT!", "status VARCHAR(20)", "total INT!", "legacy INT!"]);
        let create = vec![declared(ChangeKind::CreateTable, created)];
        self.propose("shop.orders", Origin::Declared, first.clone(), create, NEW_YEAR).await;

        let second =
            table(&["id BIGINT!", "state VARCHAR(20)", "total BIGINT!", "legacy INT!", "coupon VARCHAR(12)"]);
        let altered = "ALTER TABLE orders RENAME COLUMN status TO state, MODIFY total BIGINT NOT NULL, ADD coupon VARCHAR(12)";
        let changes = changes(&first, &second, &[("status", "state")], altered);
        self.propose("shop.orders", Origin::Declared, second.clone(), changes, NEW_YEAR + DAY).await;
        self.set_policy("shop.orders", |policy| {
            policy.compatibility = Compatibility::Forward;
            policy.rules.insert("drop_column".to_owned(), EvolutionRule::TryEvolve);
        })
        .await;

        // Readers of version 2 need `legacy`, so dropping it waits.
        let third = table(&["id BIGINT!", "state VARCHAR(20)", "total BIGINT!", "coupon VARCHAR(12)"]);
        let dropped = "ALTER TABLE orders DROP COLUMN legacy";
        let changes = changes_of(&second, &third, dropped);
        self.propose("shop.orders", Origin::Declared, third, changes, NEW_YEAR + 2 * DAY).await;

        let producer = |kind, name: &str| ProducerId { kind, name: name.to_owned() };
        let seen = |records| Seen { first: NEW_YEAR, last: NEW_YEAR + DAY, records };
        let told = ProducersSeen {
            subject: Subject::new("shop.orders"),
            lane: LaneId::of_shard("shop-cdc", "shardId-000000000000"),
            through: SequenceNumber::parse("1204").unwrap(),
            producers: [
                (producer(ProducerKind::Source, "mysql-1"), seen(1_204)),
                (producer(ProducerKind::Connector, "debezium/mysql 3.0"), seen(1_204)),
            ]
            .into(),
        };
        self.stack.store().touch_producers(&[told]).await.unwrap();
        for (lane, records) in [(0, 1_000), (1, 204)] {
            self.watched(&second, "shop.orders", lane, records).await;
        }
    }

    /// A lane's watch: it has seen as many records, and four rows of the second version, of which
    /// one lacks `coupon`.
    async fn watched(&self, schema: &Schema, subject: &str, lane: u32, seen: u64) {
        let version = OrderVersion::clock(1, NEW_YEAR + 2 * DAY);
        let known = Known {
            schema,
            origin: Origin::Declared,
            position: None,
            since: NEW_YEAR + DAY,
            retired: &[].into(),
            version: 2,
        };
        let row = |columns: &[&str]| -> Item {
            columns.iter().map(|name| ((*name).to_owned(), Value::String((*name).into()))).collect()
        };
        let (all, without) = (row(&["state", "coupon"]), row(&["state"]));
        let rows = [&all, &all, &all, &without].map(|item| RowSeen {
            after: Some(item),
            before: None,
            version: &version,
            at: NEW_YEAR + 2 * DAY,
        });
        let mut watch = Watch::default();
        watch.fold(&known, &rows);
        let mut registration = Registration::empty(Subject::new(subject), NEW_YEAR);
        registration.watch = Some(WatchWrite {
            lane: LaneId::of_shard("shop-cdc", &format!("shardId-{lane:012}")),
            from: None,
            to: StoredWatch {
                through: SequenceNumber::parse("1").unwrap(),
                revision: 1,
                seen,
                first_seen: NEW_YEAR + Micros::from(lane),
                last_seen: NEW_YEAR + DAY,
                state: evercount_wire::watch::to_json(&watch),
            },
        });
        self.stack.store().register(&registration).await.unwrap();
    }

    async fn customers(&self) {
        let first = items(&["id text", "address map", "address.city text", "address.zip int", "mail text"]);
        self.propose("customers", Origin::Observed, first.clone(), Vec::new(), NEW_YEAR).await;
        let second =
            items(&["id text", "address map", "address.city text", "address.postcode int", "mail text"]);
        let parts = vec![
            EvidencePart { name: "update", weight: 0.6, held: 1.0 },
            EvidencePart { name: "values", weight: 0.4, held: 0.5 },
        ];
        let evidence = Evidence::Proposed { score: 0.8, parts };
        let of = |path: &str, schema: &Schema| {
            let types = schema.fields.get(&FieldPath::new(path)).unwrap().types.clone();
            evercount_core::schema_change::Typed { types, declared: None }
        };
        let kind = ChangeKind::RenameColumn {
            column: FieldPath::new("address.zip"),
            to: FieldPath::new("address.postcode"),
            typed: of("address.postcode", &second),
            previous: of("address.zip", &first),
        };
        let changes = vec![SchemaChange { kind, evidence }];
        self.propose("customers", Origin::Observed, second, changes, NEW_YEAR + DAY).await;
    }

    /// Sketches of 1,000 and 1,000 values of `state` in one window, half of them the same, and of
    /// 100 others in the window before.
    pub async fn sketches(&self) {
        const HOUR: Micros = 3_600_000_000;
        let this_hour = now() / HOUR * HOUR;
        let sketch = |lane: &str, start: Micros, values: std::ops::Range<u32>| {
            let mut sketch = Sketch::new(Precision::WINDOW);
            let values: Vec<Value> = values.map(|n| Value::Number(Decimal::from(i64::from(n)))).collect();
            sketch.extend(&values);
            WindowSketch {
                subject: Subject::new("shop.orders"),
                path: FieldPath::new("state"),
                start,
                length: HOUR,
                lane: LaneId::named(lane),
                registers: sketch.to_bytes(),
                expires_at: now() + DAY,
            }
        };
        let sketches = [
            sketch("shop-cdc/0", this_hour, 0..1_000),
            sketch("shop-cdc/1", this_hour, 500..1_500),
            sketch("shop-cdc/0", this_hour - HOUR, 5_000..5_100),
        ];
        self.stack.store().put_sketches(&sketches).await.unwrap();
    }
}

/// A table of columns as `name TYPE`, with `!` where NULL is shut out; the key is the first.
pub fn table(columns: &[&str]) -> Schema {
    let mut fields = std::collections::BTreeMap::new();
    for (at, text) in columns.iter().enumerate() {
        let (name, typed) = text.split_once(' ').unwrap();
        let declared = typed.trim_end_matches('!');
        let one = match declared {
            "INT" => FieldType::Integer { bits: Some(32), unsigned: false },
            "BIGINT" => FieldType::Integer { bits: Some(64), unsigned: false },
            _ => FieldType::String { max_length: declared.split(['(', ')']).nth(1).unwrap().parse().ok() },
        };
        let field = Field {
            required: true,
            declared: Some(declared.into()),
            position: u32::try_from(at + 1).ok(),
            ..Field::of(TypeSet::of(one).nullable(!typed.ends_with('!')))
        };
        fields.insert(FieldPath::column(name), field);
    }
    let key = columns.first().map(|text| FieldPath::column(text.split_once(' ').unwrap().0));
    Schema { fields, key: key.into_iter().collect() }
}

/// Items with fields as `path type`.
fn items(fields: &[&str]) -> Schema {
    let field = |text: &&str| {
        let (path, typed) = text.split_once(' ').unwrap();
        let one = match typed {
            "map" => FieldType::Map,
            "int" => FieldType::INTEGER,
            _ => FieldType::STRING,
        };
        (FieldPath::new(path), Field::of(TypeSet::of(one)))
    };
    Schema { fields: fields.iter().map(field).collect(), key: vec![FieldPath::new("id")] }
}

pub fn declared(kind: ChangeKind, statement: &str) -> SchemaChange {
    SchemaChange { kind, evidence: Evidence::Declared { statement: statement.to_owned() } }
}

/// What a statement changed.
pub fn changes_of(before: &Schema, after: &Schema, statement: &str) -> Vec<SchemaChange> {
    changes(before, after, &[], statement)
}

fn changes(before: &Schema, after: &Schema, renames: &[(&str, &str)], statement: &str) -> Vec<SchemaChange> {
    let renames: Vec<_> =
        renames.iter().map(|(from, to)| (FieldPath::column(from), FieldPath::column(to))).collect();
    let differences = diff_with_renames(before, after, &renames);
    differences.changes().into_iter().map(|kind| declared(kind, statement)).collect()
}
