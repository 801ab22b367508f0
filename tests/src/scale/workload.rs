//! A table of orders that changes, and its change records as Kinesis Data Streams for DynamoDB
//! carries them: twelve attributes, about 1.2 KB a record.

use std::fmt::Write as _;

use evercount_core::change::TableName;
use evercount_core::counting::Cells;
use evercount_core::decimal::Decimal;
use evercount_core::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT, Headroom};
use evercount_core::group::{Cell, GroupKey};
use evercount_core::lane::SequenceNumber;
use evercount_core::order::CLOCK_SKEW_BOUND;
use evercount_core::path::Path;
use evercount_core::value::{Item, Value, digest};
use evercount_pipeline::count::StreamRecord;
use evercount_wire::group::cell_name;
use fastrand::Rng;

/// Records of a batch of 6 MiB, which is what a Lambda function is handed at most
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html>): 567 bytes of envelope and
/// 1,219 of record, the latter as base64.
pub const BATCH_RECORDS: usize = 2_876;
/// The table.
pub const TABLE: &str = "orders";
/// Its attributes.
pub const COLUMNS: [&str; 12] = [
    "id",
    "status",
    "plan",
    "city",
    "amount",
    "revision",
    "customer",
    "channel",
    "carrier",
    "paid",
    "placed_at",
    "note",
];
/// Different cities.
pub const CITIES: u32 = 99;

/// Time of the first change: 2026-01-01, microseconds since the epoch.
const FIRST_AT: i64 = 1_767_225_600_000_000;
/// Time between two changes, microseconds.
const PACE: i64 = 1_000;
/// Changes between two of one order, at least: more time than clocks may differ by. Changes that
/// nobody can order are the simulator's, and would be paid for here twice.
const APART: u64 = CLOCK_SKEW_BOUND.unsigned_abs() / PACE.unsigned_abs() + 10;
const STATUSES: [&str; 5] = ["NEW", "PAID", "PACKED", "SHIPPED", "CANCELLED"];
const PLANS: [&str; 8] = ["free", "basic", "plus", "pro", "team", "gold", "trial", "partner"];
const FIRST_SYLLABLES: [&str; 11] = ["Ba", "Do", "Ki", "Lu", "Ma", "Ne", "Po", "Ra", "Su", "Ti", "Wa"];
const LAST_SYLLABLES: [&str; 9] = ["burg", "dal", "ford", "gen", "holm", "lin", "mont", "sund", "ton"];

/// What a table and its changes are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// Orders there can be; more than are changed within the time that clocks may differ by.
    pub orders: u32,
    /// Of a thousand modifications, how many move the order to another status and city. The others
    /// change what no count reads.
    pub moved_per_mille: u32,
    /// Of a thousand changes of an order that is there, how many remove it. With 200, and so as many
    /// put as removed, five of six orders are there and two of three changes are modifications.
    pub removed_per_mille: u32,
    /// Characters of free text in each image.
    pub note: usize,
}

impl Kind {
    /// Records of 1.2 KB; a third of modifications move an order.
    pub const ORDINARY: Self =
        Self { orders: 20_000, moved_per_mille: 333, removed_per_mille: 200, note: 240 };
}

#[derive(Clone, Copy, Default)]
struct Order {
    present: bool,
    status: u8,
    plan: u8,
    city: u8,
    revision: u32,
    /// The number of its last change.
    changed: u64,
}

/// The table, and what comes next.
#[derive(Clone)]
pub struct Workload {
    kind: Kind,
    /// The number of its first order.
    first: u32,
    rng: Rng,
    orders: Vec<Order>,
    changes: u64,
    note: String,
}

fn pick<T: Copy + Default>(from: &[T], at: impl Into<usize>) -> T {
    from.get(at.into() % from.len().max(1)).copied().unwrap_or_default()
}

fn city(number: u8) -> String {
    let number = usize::from(number);
    let last = LAST_SYLLABLES.len();
    pick(&FIRST_SYLLABLES, number / last).to_owned() + pick(&LAST_SYLLABLES, number % last)
}

impl Workload {
    /// An empty table.
    #[must_use]
    pub fn new(kind: Kind, seed: u64) -> Self {
        Self::numbered_from(0, kind, seed)
    }

    /// A part of a table: its orders are numbered from there on.
    #[must_use]
    pub fn numbered_from(first: u32, kind: Kind, seed: u64) -> Self {
        Self {
            kind,
            first,
            rng: Rng::with_seed(seed),
            orders: vec![Order::default(); kind.orders as usize],
            changes: 0,
            note: "an order like many others; ".repeat(kind.note / 27 + 1).chars().take(kind.note).collect(),
        }
    }

    /// The next change records.
    pub fn batch(&mut self, records: usize) -> Vec<StreamRecord> {
        (0..records).map(|_| self.change()).collect()
    }

    fn change(&mut self) -> StreamRecord {
        self.changes += 1;
        let (id, before) = loop {
            let id = self.rng.u32(0..self.kind.orders);
            let order = self.orders.get(id as usize).copied().unwrap_or_default();
            if order.changed == 0 || order.changed + APART <= self.changes {
                break (id, order);
            }
        };
        let mut after =
            Order { present: true, revision: before.revision + 1, changed: self.changes, ..before };
        let moved = self.rng.u32(0..1_000) < self.kind.moved_per_mille;
        if before.present && self.rng.u32(0..1_000) < self.kind.removed_per_mille {
            after.present = false;
        } else if moved || !before.present {
            after.status = self.rng.u8(0..5);
            after.city = u8::try_from(self.rng.u32(0..CITIES)).unwrap_or_default();
            if !before.present {
                after.plan = self.rng.u8(0..8);
            }
        }
        if let Some(order) = self.orders.get_mut(id as usize) {
            *order = after;
        }
        let id = self.first + id;
        self.record(id, before, after)
    }

    fn record(&self, id: u32, before: Order, after: Order) -> StreamRecord {
        let at = FIRST_AT + i64::try_from(self.changes).unwrap_or_default() * PACE;
        let name = match (before.present, after.present) {
            (false, _) => "INSERT",
            (true, true) => "MODIFY",
            (true, false) => "REMOVE",
        };
        let mut data = String::with_capacity(1_600);
        let number = self.changes;
        // Writing to a string does not fail.
        let _ = write!(
            data,
            r#"{{"awsRegion":"eu-central-1","eventID":"9f3c1b7e-0000-4000-8000-{number:012}","eventName":"{name}","userIdentity":null,"recordFormat":"application/json","tableName":"{TABLE}","dynamodb":{{"ApproximateCreationDateTime":{at},"Keys":{{"id":{{"S":"order-{id:08}"}}}}"#
        );
        for (image, order) in [("NewImage", after), ("OldImage", before)] {
            if order.present {
                let _ = write!(data, r#","{image}":"#);
                self.image(id, order, &mut data);
            }
        }
        data.push_str(r#","SizeBytes":612,"ApproximateCreationDateTimePrecision":"MICROSECOND"},"eventSource":"aws:dynamodb"}"#);
        StreamRecord {
            sequence: SequenceNumber::parse(&format!("4959033827149025660855969253836157109592{number:016}"))
                .unwrap(),
            partition_key: format!("order-{id:08}"),
            arrived_at: at,
            data: data.into_bytes().into(),
        }
    }

    fn image(&self, id: u32, order: Order, data: &mut String) {
        let (status, plan, city) =
            (pick(&STATUSES, order.status), pick(&PLANS, order.plan), city(order.city));
        let (revision, note) = (order.revision, &self.note);
        let _ = write!(
            data,
            r#"{{"id":{{"S":"order-{id:08}"}},"status":{{"S":"{status}"}},"plan":{{"S":"{plan}"}},"city":{{"S":"{city}"}},"amount":{{"N":"{amount}"}},"revision":{{"N":"{revision}"}},"customer":{{"S":"customer-{customer:06}"}},"channel":{{"S":"web"}},"carrier":{{"NULL":true}},"paid":{{"BOOL":true}},"placed_at":{{"S":"2026-01-31T09:30:00Z"}},"note":{{"S":"{note}"}}}}"#,
            amount = id % 977,
            customer = id % 5_003,
        );
    }

    /// What the table holds, counted by these attributes: the truth.
    #[must_use]
    pub fn recount(&self, by: &[&str]) -> Cells {
        let mut cells = Cells::new();
        for order in self.orders.iter().filter(|order| order.present) {
            let part = |name: &&str| {
                let text = match *name {
                    "status" => pick(&STATUSES, order.status).to_owned(),
                    "plan" => pick(&PLANS, order.plan).to_owned(),
                    _ => city(order.city),
                };
                (Path::column(*name), Value::String(text))
            };
            *cells.entry(Cell::Group(GroupKey::new(by.iter().map(part).collect()))).or_insert(0) += 1;
        }
        cells
    }

    /// The time of the last change, microseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        FIRST_AT + i64::try_from(self.changes).unwrap_or_default() * PACE
    }
}

/// A count of orders by these attributes.
#[must_use]
pub fn count_by(name: &str, by: &[&str]) -> CountDefinition {
    CountDefinition {
        name: DefinitionName::parse(name).unwrap(),
        table: TableName::new(TABLE),
        group_by: by.iter().map(|name| Path::column(*name)).collect(),
        filter: None,
        distinct: None,
        groups_max: GROUPS_MAX_DEFAULT,
        headroom: Headroom::default(),
    }
}

/// One number for counts: equal where all groups are. Groups of zero are as good as absent.
#[must_use]
pub fn digest_of(cells: &Cells) -> u64 {
    let counted = cells.iter().filter(|(_, n)| **n != 0);
    let item: Item = counted.map(|(cell, n)| (cell_name(cell), Value::Number(Decimal::from(*n)))).collect();
    digest(Some(&item))
}
