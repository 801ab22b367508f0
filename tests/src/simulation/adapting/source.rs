//! The source: a table whose rows and whose shape change, the records it emits, and the truth.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::TableName;
use evercount_core::decimal::Decimal;
use evercount_core::fingerprint::{Fingerprint, SchemaId};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::schema_change::SchemaChangeEvent;
use evercount_core::value::{Item, Value, digest};
use fastrand::Rng;

use super::plan::{Kind, Plan};
use super::record::{BINLOG_FILE, DYNAMODB_TABLE, MYSQL_TABLE, Told, emit};
use super::shape::{Reshaping, Shape, Wanted};
use crate::simulation::source::Emitted;

/// A change of the shape, as those who follow hear of it.
#[derive(Clone, Debug)]
pub struct News {
    /// What the registry publishes.
    pub event: SchemaChangeEvent,
    /// The columns after it.
    pub columns: BTreeSet<String>,
    /// What it does.
    pub change: Reshaping,
}

/// The table.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    plan: Plan,
    rng: Rng,
    rows: BTreeMap<u32, Item>,
    /// The shape that new writers write.
    pub shape: Shape,
    /// The shape that writers of before write, for so many writes more.
    rolling: Option<(Shape, u32)>,
    /// Every change of the shape so far.
    pub history: Vec<Reshaping>,
    /// A change that is announced and not yet made.
    announced: Option<Reshaping>,
    position: u64,
    unique: i64,
    /// Every image there ever was, by digest.
    pub images: BTreeMap<u64, Item>,
    /// Changes of each row so far: the time of the newest.
    pub written_at: BTreeMap<u32, i64>,
    /// What struck.
    pub strikes: BTreeMap<&'static str, u64>,
}

impl Source {
    /// A table with nothing but the rows that were there before.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64) -> Self {
        let mut source = Self {
            kind: plan.kind,
            plan: plan.clone(),
            rng: Rng::with_seed(seed ^ 0x50_0ace),
            rows: BTreeMap::new(),
            shape: Shape::default(),
            rolling: None,
            history: Vec::new(),
            announced: None,
            position: 100,
            unique: 0,
            images: BTreeMap::new(),
            written_at: BTreeMap::new(),
            strikes: BTreeMap::new(),
        };
        for key in 0..plan.old_rows {
            let image = source.image(key, None);
            source.images.insert(digest(Some(&image)), image.clone());
            source.rows.insert(key, image);
        }
        source
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> TableName {
        TableName::new(if self.kind.is_typed() { DYNAMODB_TABLE } else { MYSQL_TABLE })
    }

    /// The keys of existing rows.
    pub fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.keys().copied()
    }

    /// A row as it is stored.
    #[must_use]
    pub fn row(&self, key: u32) -> Option<&Item> {
        self.rows.get(&key)
    }

    /// Every row as the present shape has it: the truth to recount.
    #[must_use]
    pub fn present(&self) -> Vec<Item> {
        let mut rows: Vec<Item> = self.rows.values().cloned().collect();
        if self.kind.is_typed() {
            for change in &self.history {
                rows.iter_mut().for_each(|item| change.understand(item));
            }
        }
        rows
    }

    /// Every row as it is stored.
    pub fn stored(&self) -> impl Iterator<Item = &Item> {
        self.rows.values()
    }

    /// How long it is until the next change, microseconds.
    pub fn pause(&mut self, pace: i64) -> i64 {
        self.rng.i64(1..pace * 2)
    }

    /// Makes one change of a row, or empties the table, and returns the records it emits.
    pub fn write(&mut self, now: i64) -> Vec<Emitted> {
        self.position += self.rng.u64(1..500);
        let (kind, milliseconds) = (self.kind, self.plan.faults.milliseconds);
        let position = self.position;
        let truncates = self.rng.u32(0..1_000) < self.plan.faults.truncate;
        let key = self.rng.u32(0..self.plan.keys);
        if truncates {
            *self.strikes.entry("truncate").or_insert(0) += 1;
            self.rows.clear();
            return vec![emit(
                kind,
                milliseconds,
                Told { key: None, before: None, after: None, at: now, position },
            )];
        }
        let before = self.rows.get(&key).cloned();
        let gone = self.rng.u32(0..5) == 0;
        let after = self.image(key, before.as_ref());
        let after = (before.is_none() || !gone).then_some(after);
        if before == after {
            return Vec::new();
        }
        if let Some(image) = &after {
            self.images.insert(digest(Some(image)), image.clone());
        }
        match &after {
            Some(image) => self.rows.insert(key, image.clone()),
            None => self.rows.remove(&key),
        };
        self.written_at.insert(key, now);
        let told = Told { key: Some(key), before: before.as_ref(), after: after.as_ref(), at: now, position };
        vec![emit(kind, milliseconds, told)]
    }

    fn image(&mut self, key: u32, before: Option<&Item>) -> Item {
        let wanted = Wanted::any(&mut self.rng);
        let keeps_old_name = self.rng.u32(0..4) == 0;
        let mut shape = self.shape.clone();
        let mut by_new_writer = true;
        if let Some((old, left)) = &mut self.rolling {
            *left = left.saturating_sub(1);
            if self.rng.bool() {
                (shape, by_new_writer) = (old.clone(), false);
                *self.strikes.entry("old_writer").or_insert(0) += 1;
            }
            if *left == 0 {
                self.rolling = None;
            }
        }
        let mut item = shape.item(wanted, (!self.kind.is_typed()).then_some(&Value::Null));
        let id = if self.kind.is_typed() {
            Value::String(format!("k{key}"))
        } else {
            Value::Number(Decimal::from(i64::from(key)))
        };
        item.insert("id".to_owned(), id);
        if self.plan.unique_images {
            self.unique += 1;
            item.insert("unique".to_owned(), Value::Number(Decimal::from(self.unique)));
        }
        // An update that sets the new attribute and leaves the old one where it is.
        if let (true, true, true, Some(before)) =
            (self.kind.is_typed(), by_new_writer, keeps_old_name, before)
        {
            for change in &self.history {
                if let Reshaping::Rename { from, to } = change
                    && let (Some(old), true) = (before.get(from), item.contains_key(to))
                {
                    item.insert(from.clone(), old.clone());
                    *self.strikes.entry("both_names").or_insert(0) += 1;
                }
            }
        }
        item
    }

    /// Announces a change of the shape. Writers go on as before until [`Self::begin`].
    pub fn announce(&mut self, now: i64) -> News {
        self.position += self.rng.u64(1..500);
        let fills = self.kind == Kind::Debezium;
        let change = self.shape.change(&mut self.rng, fills);
        let after = self.shape.after(&change);
        let id = |version: u32| SchemaId { version, fingerprint: Fingerprint(u64::from(version)) };
        let position = fills.then(|| OrderVersion::binlog(0, BINLOG_FILE, self.position, 0, LogRank::Change));
        let event = SchemaChangeEvent {
            subject: self.table(),
            from: Some(id(self.shape.version)),
            to: id(after.version),
            changes: vec![change.told()],
            drift: 0.1,
            position,
            at: now,
        };
        *self.strikes.entry(change.name()).or_insert(0) += 1;
        self.announced = Some(change.clone());
        News { event, columns: after.columns(), change }
    }

    /// Makes the change that was announced.
    pub fn begin(&mut self) {
        let Some(change) = self.announced.take() else { return };
        let after = self.shape.after(&change);
        let before = std::mem::replace(&mut self.shape, after);
        if self.kind.is_typed() {
            let writes = self.rng.u32(0..60);
            self.rolling = (writes > 0).then_some((before, writes));
        } else {
            for item in self.rows.values_mut() {
                change.alter(item);
            }
            let images: Vec<Item> = self.rows.values().cloned().collect();
            self.images.extend(images.into_iter().map(|image| (digest(Some(&image)), image)));
        }
        self.history.push(change);
    }
}
