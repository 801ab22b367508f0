//! A shop as the functions leave it in the in-memory store: counts, plans, schemas, a hostile record.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use evercount_console::{Console, Hosts, Served, Settings, TargetDoc, router};
use evercount_core::adoption::PlanPolicy;
use evercount_core::audit::{self, Audited};
use evercount_core::backfill::Segment;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::chunk::{Poison, Quarantined};
use evercount_core::definition::DefinitionName;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::Coverage;
use evercount_core::order::Micros;
use evercount_core::prediction::{
    Claim, ColumnBelief, ExpectedAt, Kind, Learnt, Outlook, Prediction, Probability, ReliabilityPoint,
    Standing, Tally,
};
use evercount_core::registration::Registration;
use evercount_core::registry::{Origin, Policy};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Subject, Typed};
use evercount_core::value::{Item, Value};
use evercount_pipeline::adapt::{self, AdaptOptions};
use evercount_pipeline::count::{CountMode, CountOptions};
use evercount_pipeline::discovery::NoServices;
use evercount_pipeline::forecast::shadow::shadowed;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{
    AuditStore, CatalogStore, Cut, ForecastCommit, ForecastStore, Page, QuarantineStore, RegistryStore,
    ShadowSchemaStore, SourceFacts, SourceTable, StoreError,
};
use evercount_pipeline::{define, operator, read};
use evercount_wire::definition::{DefinitionParts, build};
use tower::ServiceExt;

/// 2026-11-29.
pub const NOW: Micros = 1_795_910_400_000_000;
pub const HOUR: Micros = 3_600_000_000;

/// What a record, an attribute's name and its value may hold: it stays text.
pub const SCRIPT: &str = "<script>alert(1)</script>";

pub fn clock() -> Micros {
    NOW
}

/// The table `orders`.
pub struct Orders(pub Vec<(String, Item)>);

impl Orders {
    fn page(&self, table: &TableName) -> Page<Item> {
        let row = |(id, item): &(String, Item)| (key(table, id), item.clone());
        Page { rows: self.0.iter().map(row).collect(), next: None, read_units: 1.0 }
    }
}

fn key(table: &TableName, id: &str) -> RowKey {
    let identity = serde_json::json!({"id": id}).to_string();
    RowKey { table: table.clone(), identity: RowIdentity::Key(identity.into()) }
}

impl SourceTable for Orders {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        let found = self.0.iter().find(|(id, _)| key(&row.table, id) == *row);
        Ok(found.map(|(_, item)| item.clone()))
    }

    async fn facts(&self, table: &TableName) -> SourceFacts {
        let there = table.as_str() == "orders";
        SourceFacts {
            partition_key: there.then(|| "id".to_owned()),
            items: there.then_some(self.0.len() as u64),
            bytes: None,
        }
    }

    async fn scan(&self, table: &TableName, _: Segment, _: Option<String>) -> Result<Page<Item>, StoreError> {
        Ok(self.page(table))
    }
}

pub fn item(fields: &[(&str, &str)]) -> Item {
    fields.iter().map(|(name, text)| ((*name).to_owned(), Value::String((*text).to_owned()))).collect()
}

pub type Shop = Served<Memory, Orders, NoServices>;

/// How a console is set up here.
pub fn settings(writes: bool) -> Settings {
    Settings {
        target: TargetDoc {
            kind: "embedded".to_owned(),
            text: "embedded (in memory)".to_owned(),
            account: None,
            region: None,
            writes,
            version: "0.1.0".to_owned(),
        },
        count: CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 },
        adapt: AdaptOptions { pages: 100, ..AdaptOptions::BARE },
        audits: true,
        clock,
    }
}

async fn count(store: &Memory, name: &str, group_by: &[&str], filter: Option<&str>) {
    let parts = DefinitionParts {
        name: name.to_owned(),
        table: "orders".to_owned(),
        group_by: group_by.iter().map(ToString::to_string).collect(),
        filter: filter.map(str::to_owned),
        ..DefinitionParts::default()
    };
    define::create(store, build(parts).unwrap(), Coverage::Whole, NOW - 5 * HOUR).await.unwrap();
}

fn schema(fields: &[&str]) -> Schema {
    let field = |name: &&str| (FieldPath::column(name), Field::of(TypeSet::of(FieldType::STRING)));
    Schema { fields: fields.iter().map(field).collect(), key: vec![FieldPath::column("id")] }
}

async fn proposed(store: &Memory, schema: Schema, changes: Vec<SchemaChange>, at: Micros) {
    let subject = Subject::new("orders");
    let stored = store.subject(&subject).await.unwrap();
    let new = || new_subject(subject.clone(), Origin::Observed, Policy::default(), at);
    let state = stored.clone().unwrap_or_else(new);
    let current = match state.current {
        Some(id) => store.schema_version(&subject, id.version, at).await.unwrap().found(),
        None => None,
    };
    let current = current.map(|version| version.schema);
    let proposal = Proposal { schema, changes, position: None, at };
    let judge = |_: &Schema| Judgement { drift: 0.25, breaks: Vec::new() };
    let evolved = evolve(&state, current.as_ref(), &proposal, judge, at);
    let mut registration = Registration::empty(subject, at);
    registration.add(stored.map(|state| state.revision), &state, evolved);
    store.register(&registration).await.unwrap();
}

/// A prediction that stands, one that came true, and a column that is held ready.
async fn foretold(store: &Memory) {
    let said = Probability { p: 0.4, from: 0.25, to: 0.5 };
    let claim = Claim { kind: Kind::Any, days: 183, said, now: Probability { p: 0.5, ..said }, came: None };
    let gift = ColumnBelief {
        column: SCRIPT.to_owned(),
        typed: Some("BOOL DEFAULT false".to_owned()),
        kind: Kind::Add,
        p: 0.7,
        source: "release".to_owned(),
        evidence: format!("the release `{SCRIPT}` names it"),
        precision: "assumed, not measured: 7 of 10".to_owned(),
        since: NOW,
        at: Some(NOW + 24 * HOUR),
        until: NOW + 48 * HOUR,
        standing: Standing::Open,
        came: None,
        counted: None,
        discrepancy: String::new(),
    };
    let (table, window) = (Subject::new("orders"), 183 * 24 * HOUR);
    let past = Prediction {
        table: table.clone(),
        made_at: NOW - 2 * window,
        ends_at: NOW - window,
        updated_at: NOW - window,
        outlook: Outlook::Claims {
            claims: vec![Claim { came: Some(true), ..claim }],
            expected: ExpectedAt::default(),
            because: "raised by how often it changed".to_owned(),
        },
        columns: Vec::new(),
        planned: Vec::new(),
        standing: Standing::Confirmed,
        came: Some((NOW - window - HOUR, "a column was added".to_owned())),
        error: Some(0.6),
        discrepancy: "a column was added".to_owned(),
        revision: 1,
    };
    let standing = Prediction {
        made_at: NOW - window,
        ends_at: NOW,
        updated_at: NOW,
        outlook: Outlook::Claims {
            claims: vec![claim],
            expected: ExpectedAt { middle: Some(NOW + HOUR), ..ExpectedAt::default() },
            because: "raised by how often it changed".to_owned(),
        },
        columns: vec![gift],
        planned: vec![("gifts".to_owned(), NOW + 24 * HOUR)],
        standing: Standing::Open,
        came: None,
        error: None,
        discrepancy: String::new(),
        revision: 2,
        ..past.clone()
    };
    let mut point = ReliabilityPoint::empty(NOW - window, Kind::Any, 183);
    point.count(0.4, true, false);
    let learnt = Learnt {
        confirmed: 1,
        trust: [("release".to_owned(), Tally { hits: 1, of: 2 })].into(),
        updated_at: NOW,
        revision: 1,
        ..Learnt::default()
    };
    let begun = ForecastCommit { prediction: (None, past.clone()), past: None, learnt: None };
    store.commit_forecast(&begun).await.unwrap();
    let prediction = (Some(1), standing.clone());
    let goes_on = ForecastCommit { prediction, past: Some(past), learnt: Some((learnt, vec![point])) };
    store.commit_forecast(&goes_on).await.unwrap();
    let ready = shadowed(None, &standing, &[].into(), NOW).unwrap();
    store.replace_shadow_schema(None, &ready).await.unwrap();
    let audited = Audited {
        definition: DefinitionName::parse("by_status").unwrap(),
        version: 1,
        began: NOW - HOUR,
        ended: NOW - HOUR,
        one_in: 1,
        repair: false,
        rows: 12,
        agreeing: 11,
        in_flux: 0,
        differing: [("stale".to_owned(), 1)].into(),
        repaired: 0,
        cells_judged: true,
        cells_off: 0,
    };
    store.put_audit(&audited).await.unwrap();
}

/// The shop: `by_status` with a plan that waits, `by_note` with groups that would be scripts, and one
/// broken record.
pub async fn shop(writes: bool) -> Arc<Shop> {
    let store = Memory::default();
    let mut book = store.policy_book().await.unwrap();
    book.by_table.insert(TableName::new("orders"), PlanPolicy::Approve);
    store.set_policy_book(&book).await.unwrap();
    count(&store, "by_status", &["status"], None).await;
    count(&store, "by_note", &["note"], Some("status <> 'CANCELLED'")).await;
    let rows: Vec<(String, Item)> = (0..12)
        .map(|n| {
            let (id, status) = (format!("o-{n}"), ["NEW", "PAID", "SENT"][n % 3]);
            let note = if n == 0 { SCRIPT.to_owned() } else { format!("note {}", n % 5) };
            (id.clone(), item(&[("id", &id), ("status", status), ("note", &note)]))
        })
        .collect();
    let table = TableName::new("orders");
    let at = audit::read_version(0, NOW - 4 * HOUR, 0);
    let observed =
        |(id, item): &(String, Item)| audit::observation(key(&table, id), Some(item.clone()), at.clone());
    let changes: Vec<_> = rows.iter().map(observed).collect();
    operator::apply(&store, &changes, None, NOW - 4 * HOUR).await.unwrap();
    for version in store.versions().await.unwrap() {
        for hours in [3, 2, 1] {
            let cells = read::whole(&store, &version).await.unwrap();
            let cut = Cut { logic: version.id.clone(), at: NOW - hours * HOUR, lanes: [].into(), cells };
            store.put_cut(&cut).await.unwrap();
        }
    }
    proposed(&store, schema(&["id", "status", "note"]), Vec::new(), NOW - 4 * HOUR).await;
    let typed = Typed { types: TypeSet::of(FieldType::STRING), declared: None };
    let kind = ChangeKind::AddColumn { column: FieldPath::column(SCRIPT), typed, default: None };
    let change = SchemaChange {
        kind,
        evidence: Evidence::Declared { statement: format!("ALTER TABLE orders ADD `{SCRIPT}` TEXT") },
    };
    proposed(&store, schema(&["id", "status", "note", SCRIPT]), vec![change], NOW - 2 * HOUR).await;
    let broken = Quarantined {
        lane: LaneId::of_shard("orders-cdc", "shardId-000000000000"),
        sequence: SequenceNumber::parse("4711").unwrap(),
        arrived_at: NOW - HOUR,
        poison: Poison {
            reason: "malformed".to_owned(),
            detail: "it is no JSON".to_owned(),
            table: None,
            raw: [SCRIPT.as_bytes(), b"\xff\x00\x1b[2J"].concat(),
            partition_key: None,
        },
        affects: Vec::new(),
    };
    store.put_aside(&[broken]).await.unwrap();
    foretold(&store).await;
    let source = Orders(rows);
    let coarser = build(DefinitionParts {
        name: "by_status".to_owned(),
        table: "orders".to_owned(),
        ..DefinitionParts::default()
    });
    let options = AdaptOptions { source_is_readable: true, pages: 0, ..AdaptOptions::BARE };
    adapt::redefine(&store, &source, coarser.unwrap(), options, NOW - HOUR).await.unwrap().unwrap();
    Arc::new(Served::new(store, source, NoServices, settings(writes)))
}

/// An answer: status, headers, and its body as JSON where it is.
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub async fn send(console: Arc<dyn Console>, request: Request<Body>) -> Answer {
    send_to(&router(console, Hosts::Loopback), request).await
}

pub async fn send_to(router: &axum::Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: parts.status, headers: parts.headers, text }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).header(header::HOST, "127.0.0.1:8787").body(Body::empty()).unwrap()
}

pub fn post(path: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header(header::HOST, "127.0.0.1:8787")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}
