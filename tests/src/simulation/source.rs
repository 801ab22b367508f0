//! The source: a table that changes, the records it emits, and the truth.

use std::collections::BTreeMap;
use std::fmt::Write;

use fastrand::Rng;

use super::plan::{Plan, SourceKind, Stamping};

/// The skew a source clock may show, microseconds: below the bound that counting relies on.
const SKEW: i64 = 90_000;
/// Time of the first change: 2026-01-01, in microseconds.
pub const EPOCH: i64 = 1_767_225_600_000_000;
/// The table's name in DynamoDB.
pub const DYNAMODB_TABLE: &str = "orders";
/// The table's name in MySQL, with its database.
pub const MYSQL_TABLE: &str = "shop.orders";

/// A row image: a few attributes of different types, some of them sometimes absent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    status: Option<&'static str>,
    plan: u8,
    amount: u16,
    city: Option<&'static str>,
    unique: Option<u32>,
    /// What the data proxy stamped on it.
    version: Option<u64>,
}

/// A record on its way to the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emitted {
    /// What decides its shard.
    pub partition_key: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Emitted {
    /// The record cut short. A truncate is left whole: a record that cannot be read is taken for
    /// at most one row's change, which is what bounds the doubt it makes.
    pub fn cut(&mut self) -> bool {
        let is_row = self.partition_key != TRUNCATE;
        if is_row {
            self.data.truncate(self.data.len() / 2);
        }
        is_row
    }
}

/// The partition key of a truncate.
const TRUNCATE: &str = "truncate";

/// The table.
#[derive(Debug)]
pub struct Source {
    kind: SourceKind,
    milliseconds: bool,
    rows: BTreeMap<u32, Image>,
    stamping: Stamping,
    /// An earlier image of each row, which somebody may write back.
    copies: BTreeMap<u32, Image>,
    /// Rows of a table without a key.
    loose: Vec<Image>,
    position: u64,
    unique: Option<u32>,
    /// How often the source did something that is a fault to count through.
    pub strikes: BTreeMap<&'static str, u64>,
}

impl Source {
    /// An empty table.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            kind: plan.source,
            milliseconds: plan.faults.milliseconds,
            rows: BTreeMap::new(),
            stamping: plan.stamping,
            copies: BTreeMap::new(),
            loose: Vec::new(),
            position: 100,
            unique: plan.unique_images.then_some(0),
            strikes: BTreeMap::new(),
        }
    }

    /// The table's name, as count definitions name it.
    #[must_use]
    pub fn table(&self) -> &'static str {
        match self.kind {
            SourceKind::DynamoDb | SourceKind::Ordered => DYNAMODB_TABLE,
            SourceKind::Debezium | SourceKind::Keyless => MYSQL_TABLE,
        }
    }

    /// Every row as the record of an insert would carry it: the truth to recount.
    #[must_use]
    pub fn images(&self) -> Vec<String> {
        let keyed = self.rows.iter().map(|(key, image)| self.json(Some(*key), image));
        keyed.chain(self.loose.iter().map(|image| self.json(None, image))).collect()
    }

    /// The DynamoDB JSON of a row, where it exists.
    #[must_use]
    pub fn row_json(&self, key: u32) -> Option<String> {
        self.rows.get(&key).map(|image| self.json(Some(key), image))
    }

    /// The keys of existing rows.
    pub fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.keys().copied()
    }

    /// Makes one change at a time and returns the records it emits.
    pub fn change(&mut self, plan: &Plan, rng: &mut Rng, now: i64) -> Vec<Emitted> {
        self.position += rng.u64(1..500);
        if self.strikes_now("truncate", rng, plan.faults.truncate) {
            return self.truncate(now);
        }
        if self.kind == SourceKind::Keyless {
            return self.change_loose(rng, now);
        }
        let key = rng.u32(0..plan.keys);
        if self.rows.contains_key(&key) && self.strikes_now("key_change", rng, plan.faults.key_change) {
            return self.change_key(key, plan.keys, now);
        }
        let before = self.rows.get(&key).cloned();
        let mut after = if before.is_some() && rng.u32(0..4) == 0 { None } else { Some(self.image(rng)) };
        if let Some(image) = &mut after {
            self.stamp(key, before.as_ref(), image, rng, now);
        }
        if before == after {
            return Vec::new();
        }
        match &after {
            Some(image) => self.rows.insert(key, image.clone()),
            None => self.rows.remove(&key),
        };
        let backward =
            if self.strikes_now("backward", rng, plan.faults.backward) { rng.i64(0..SKEW) } else { 0 };
        vec![self.emit(Some(key), before.as_ref(), after.as_ref(), now - backward, 0)]
    }

    fn strikes_now(&mut self, fault: &'static str, rng: &mut Rng, per_mille: u32) -> bool {
        let strikes = per_mille > 0 && rng.u32(0..1_000) < per_mille;
        if strikes {
            *self.strikes.entry(fault).or_insert(0) += 1;
        }
        strikes
    }

    fn image(&mut self, rng: &mut Rng) -> Image {
        if let Some(unique) = &mut self.unique {
            *unique += 1;
        }
        Image {
            status: [Some("ACTIVE"), Some("PAUSED"), Some("CLOSED"), None][rng.usize(0..4)],
            plan: rng.u8(0..3),
            amount: rng.u16(0..10) * 100,
            city: [Some("Łódź"), Some("Paris"), None][rng.usize(0..3)],
            unique: self.unique,
            version: None,
        }
    }

    /// Writes an image through the data proxy, or past it.
    fn stamp(&mut self, key: u32, before: Option<&Image>, image: &mut Image, rng: &mut Rng, now: i64) {
        let standing = before.and_then(|before| before.version);
        let past_it = match self.stamping {
            Stamping::Nobody => return,
            Stamping::Everybody => 0,
            Stamping::Some => rng.u32(0..6),
        };
        match past_it {
            3 => image.version = standing,
            4 => image.version = None,
            5 => {
                if let Some(copy) = self.copies.get(&key) {
                    *self.strikes.entry("old_copy").or_insert(0) += 1;
                    *image = copy.clone();
                }
            }
            _ => {
                let clock = now.unsigned_abs();
                image.version = Some(standing.map_or(clock, |standing| clock.max(standing + 1)));
                *self.strikes.entry("stamped").or_insert(0) += 1;
            }
        }
        if let Some(before) = before.filter(|_| rng.bool()) {
            self.copies.insert(key, before.clone());
        }
    }

    fn change_loose(&mut self, rng: &mut Rng, now: i64) -> Vec<Emitted> {
        let at = (!self.loose.is_empty()).then(|| rng.usize(0..self.loose.len()));
        match (at, rng.u32(0..3)) {
            (Some(at), 0) => {
                let before = self.loose.swap_remove(at);
                vec![self.emit(None, Some(&before), None, now, 0)]
            }
            (Some(at), 1) => {
                let after = self.image(rng);
                let before = std::mem::replace(&mut self.loose[at], after.clone());
                vec![self.emit(None, Some(&before), Some(&after), now, 0)]
            }
            _ => {
                // One statement that inserts two rows: one position, two row numbers.
                let (one, two) = (self.image(rng), self.image(rng));
                self.loose.extend([one.clone(), two.clone()]);
                vec![self.emit(None, None, Some(&one), now, 0), self.emit(None, None, Some(&two), now, 1)]
            }
        }
    }

    fn change_key(&mut self, key: u32, keys: u32, now: i64) -> Vec<Emitted> {
        let Some(free) = (0..keys).find(|other| !self.rows.contains_key(other)) else { return Vec::new() };
        let Some(image) = self.rows.remove(&key) else { return Vec::new() };
        self.rows.insert(free, image.clone());
        // Delete, tombstone, create: all at one source position.
        let tombstone = Emitted {
            partition_key: key.to_string(),
            data: format!(r#"{{"topic":"shop.orders","key":{{"id":{key}}},"value":null}}"#).into_bytes(),
        };
        vec![
            self.emit(Some(key), Some(&image), None, now, 0),
            tombstone,
            self.emit(Some(free), None, Some(&image), now, 0),
        ]
    }

    fn truncate(&mut self, now: i64) -> Vec<Emitted> {
        self.rows.clear();
        self.loose.clear();
        vec![Emitted {
            partition_key: TRUNCATE.to_owned(),
            data: self.debezium("t", None, "null", "null", now, 0),
        }]
    }

    fn emit(
        &self,
        key: Option<u32>,
        before: Option<&Image>,
        after: Option<&Image>,
        at: i64,
        row: u32,
    ) -> Emitted {
        let json = |image: Option<&Image>| image.map(|image| self.json(key, image));
        let (before_json, after_json) = (json(before), json(after));
        let data = match self.kind {
            SourceKind::DynamoDb | SourceKind::Ordered => {
                let (time, precision) = if self.milliseconds {
                    (at / 1_000, String::new())
                } else {
                    (at, r#","ApproximateCreationDateTimePrecision":"MICROSECOND""#.to_owned())
                };
                let name = match (&before, &after) {
                    (None, _) => "INSERT",
                    (Some(_), Some(_)) => "MODIFY",
                    (Some(_), None) => "REMOVE",
                };
                let mut images = String::new();
                for (label, image) in [("NewImage", &after_json), ("OldImage", &before_json)] {
                    if let Some(image) = image {
                        let _ = write!(images, r#","{label}":{image}"#);
                    }
                }
                let key = key.unwrap_or_default();
                format!(
                    r#"{{"awsRegion":"eu-central-1","eventID":"e{position}","eventName":"{name}","userIdentity":null,"recordFormat":"application/json","tableName":"{DYNAMODB_TABLE}","dynamodb":{{"ApproximateCreationDateTime":{time},"Keys":{{"id":{{"S":"k{key}"}}}}{images},"SizeBytes":99{precision}}},"eventSource":"aws:dynamodb"}}"#,
                    position = self.position,
                )
                .into_bytes()
            }
            SourceKind::Debezium | SourceKind::Keyless => {
                let op = match (&before, &after) {
                    (None, _) => "c",
                    (Some(_), Some(_)) => "u",
                    (Some(_), None) => "d",
                };
                let text = |image: Option<String>| image.unwrap_or_else(|| "null".to_owned());
                self.debezium(op, key, &text(before_json), &text(after_json), at, row)
            }
        };
        Emitted { partition_key: key.map_or_else(|| self.position.to_string(), |key| key.to_string()), data }
    }

    fn debezium(&self, op: &str, key: Option<u32>, before: &str, after: &str, at: i64, row: u32) -> Vec<u8> {
        let key = key.map_or_else(|| "null".to_owned(), |key| format!(r#"{{"id":{key}}}"#));
        format!(
            r#"{{"topic":"x.shop.orders","key":{key},"value":{{"before":{before},"after":{after},"source":{{"version":"3.6","connector":"mysql","name":"x","ts_ms":{ms},"ts_us":{at},"snapshot":"false","db":"shop","table":"orders","server_id":1,"gtid":null,"file":"binlog.000004","pos":{pos},"row":{row}}},"op":"{op}","ts_ms":{ms}}}}}"#,
            ms = at / 1_000,
            pos = self.position,
        )
        .into_bytes()
    }

    fn json(&self, key: Option<u32>, image: &Image) -> String {
        let typed = matches!(self.kind, SourceKind::DynamoDb | SourceKind::Ordered);
        let mut json = String::with_capacity(160);
        let mut put = |name: &str, tag: &str, value: &str| {
            let separator = if json.is_empty() { '{' } else { ',' };
            let quote = if typed || tag == "S" { "\"" } else { "" };
            let _ = if typed && tag != "M" {
                write!(json, r#"{separator}"{name}":{{"{tag}":{quote}{value}{quote}}}"#)
            } else {
                write!(
                    json,
                    r#"{separator}"{name}":{}{value}{}"#,
                    if tag == "M" { "" } else { quote },
                    if tag == "M" { "" } else { quote }
                )
            };
        };
        match (key, typed) {
            (Some(key), true) => put("id", "S", &format!("k{key}")),
            (Some(key), false) => put("id", "N", &key.to_string()),
            (None, _) => {}
        }
        put("plan", "N", &image.plan.to_string());
        // Two spellings of one number.
        put(
            "amount",
            "N",
            &if image.plan == 1 { format!("{}.0", image.amount) } else { image.amount.to_string() },
        );
        if let Some(status) = image.status {
            put("status", "S", status);
        }
        if let Some(city) = image.city {
            let map = if typed {
                format!(r#"{{"M":{{"city":{{"S":"{city}"}}}}}}"#)
            } else {
                format!(r#"{{"city":"{city}"}}"#)
            };
            put("address", "M", &map);
        }
        if let Some(unique) = image.unique {
            put("unique", "N", &unique.to_string());
        }
        if let Some(version) = image.version {
            put("_ver", "N", &version.to_string());
        }
        json.push('}');
        json
    }
}
