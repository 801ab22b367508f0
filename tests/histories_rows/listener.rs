//! A listener without a store: lanes of one subject, and the registered version they are held to.

use std::collections::BTreeSet;

use evercount_core::detection::records::{self, Detected, FOLD_ROWS_MAX, Known, RowSeen, Watch};
use evercount_core::order::{Micros, OrderVersion};
use evercount_core::registry::Origin;
use evercount_core::schema::{FieldPath, Schema};
use evercount_core::value::Item;

/// A row as a record brings it.
#[derive(Clone, Debug)]
pub struct Row {
    /// A hash of its key.
    pub key: u64,
    pub after: Option<Item>,
    pub before: Option<Item>,
    pub version: OrderVersion,
    pub at: Micros,
    /// Which row of the table it is, in the order they were written.
    pub number: usize,
}

/// A change that was found, after which row.
#[derive(Clone, Debug)]
pub struct Found {
    pub detected: Detected,
    pub after_row: usize,
}

/// Rows that the first schema is read off.
const FIRST_ROWS: usize = 8;

pub struct Listener {
    pub schema: Schema,
    version: u32,
    position: Option<OrderVersion>,
    since: Micros,
    retired: BTreeSet<FieldPath>,
    lanes: Vec<Watch>,
    pub found: Vec<Found>,
    newest: usize,
}

impl Listener {
    /// A listener of a subject whose rows have these key columns.
    pub fn new(lanes: usize, key: Vec<FieldPath>) -> Self {
        Self {
            schema: Schema { key, ..Schema::default() },
            version: 0,
            position: None,
            since: 0,
            retired: BTreeSet::new(),
            lanes: vec![Watch::default(); lanes],
            found: Vec::new(),
            newest: 0,
        }
    }

    /// One lane's batch: sorted, folded in pieces, decided on after each.
    pub fn batch(&mut self, lane: usize, rows: &[Row]) {
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by(|a, b| a.version.cmp(&b.version));
        // A first schema is read off few rows, so that little of what changes is part of it.
        let (begin, rest) = rows.split_at(if self.version == 0 { rows.len().min(FIRST_ROWS) } else { 0 });
        for piece in begin.chunks(FIRST_ROWS).chain(rest.chunks(FOLD_ROWS_MAX)) {
            let seen: Vec<RowSeen<'_>> = piece
                .iter()
                .map(|row| RowSeen {
                    after: row.after.as_ref(),
                    before: row.before.as_ref(),
                    version: &row.version,
                    at: row.at,
                })
                .collect();
            self.newest = piece.iter().map(|row| row.number).max().unwrap_or(0).max(self.newest);
            let known = Known {
                schema: &self.schema,
                origin: Origin::Observed,
                position: self.position.as_ref(),
                since: self.since,
                retired: &self.retired,
                version: self.version,
            };
            self.lanes[lane].fold(&known, &seen);
            let watches: Vec<&Watch> = self.lanes.iter().collect();
            if self.version == 0 {
                if let Some(first) = records::baseline(&watches) {
                    self.schema.fields = first.schema.fields;
                    self.position = Some(first.position);
                    self.since = first.at;
                    self.version = 1;
                }
                continue;
            }
            let found = records::detect(&known, &watches, false);
            if found.is_empty() {
                continue;
            }
            let next = records::proposed(&self.schema, &found);
            self.retired.extend(self.schema.fields.keys().cloned());
            self.retired.retain(|path| !next.fields.contains_key(path));
            self.schema = next;
            self.version += 1;
            self.position =
                found.iter().filter_map(|one| one.position.clone()).chain(self.position.take()).max();
            self.since = found.iter().map(|one| one.at).max().unwrap_or(self.since);
            let after_row = self.newest;
            self.found.extend(found.into_iter().map(|detected| Found { detected, after_row }));
        }
    }
}
