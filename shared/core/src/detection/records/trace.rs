//! Owns what is remembered of one thing that rows show or lack: how often, and since when not.

use std::sync::Arc;

use crate::order::{Micros, OrderVersion};

/// Where in the source's log a row stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// By its version.
    pub version: OrderVersion,
    /// By its time, microseconds since the epoch.
    pub at: Micros,
}

impl Place {
    fn of(row: &Row<'_>) -> Arc<Self> {
        Arc::new(Self { version: row.version.clone(), at: row.at })
    }
}

/// A row of a batch: where it stands, and which of the batch's shapes it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub version: &'a OrderVersion,
    pub at: Micros,
    pub shape: usize,
}

/// Rows of one batch that follow each other and have one shape; their versions rise.
pub(super) struct Stretch<'a> {
    rows: &'a [Row<'a>],
    pub shape: usize,
    first: Arc<Place>,
    last: Arc<Place>,
}

impl<'a> Stretch<'a> {
    pub fn split(rows: &'a [Row<'a>]) -> Vec<Self> {
        let same = rows.chunk_by(|a, b| a.shape == b.shape);
        same.filter_map(|rows| {
            let (first, last) = (rows.first()?, rows.last()?);
            Some(Self { rows, shape: first.shape, first: Place::of(first), last: Place::of(last) })
        })
        .collect()
    }

    /// The whole batch as one, for what all its shapes agree on.
    pub fn whole(stretches: &[Self], rows: &'a [Row<'a>]) -> Option<Self> {
        let (first, last) = (stretches.first()?, stretches.last()?);
        Some(Self { rows, shape: first.shape, first: first.first.clone(), last: last.last.clone() })
    }

    pub fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    pub fn last(&self) -> &Arc<Place> {
        &self.last
    }
}

/// How one lane has met one thing: a field, or one type of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Trace {
    /// Rows that show it.
    pub with: u64,
    /// Rows that could have shown it, from the first that did.
    pub of: u64,
    /// Rows that could have shown it since the last that did.
    pub run: u64,
    /// The longest such run that ended.
    pub longest: u64,
    /// The first row that shows it, in the order of versions.
    pub first: Option<Arc<Place>>,
    /// The last one.
    pub last: Option<Arc<Place>>,
    /// The first row of the present run.
    pub gap: Option<Arc<Place>>,
}

impl Trace {
    pub(super) fn present(&mut self, rows: &Stretch<'_>) {
        let count = rows.rows.len() as u64;
        // Rows from before the run began come late; they do not end it.
        let late = self.gap.as_ref().is_some_and(|gap| rows.last.version < gap.version);
        if !late {
            self.longest = self.longest.max(self.run);
            self.run = 0;
            self.gap = None;
        }
        self.with += count;
        self.of += count;
        if self.first.as_ref().is_none_or(|first| rows.first.version < first.version) {
            self.first = Some(rows.first.clone());
        }
        if self.last.as_ref().is_none_or(|last| rows.last.version > last.version) {
            self.last = Some(rows.last.clone());
        }
    }

    pub(super) fn absent(&mut self, rows: &Stretch<'_>) {
        // Before its first row a thing is not missing.
        let (Some(first), Some(last)) = (&self.first, &self.last) else { return };
        let early = rows.rows.partition_point(|row| *row.version < first.version);
        let newer = rows.rows.partition_point(|row| *row.version <= last.version);
        self.of += (rows.rows.len() - early) as u64;
        let Some(began) = rows.rows.get(newer) else { return };
        self.run += (rows.rows.len() - newer) as u64;
        if self.gap.as_ref().is_none_or(|gap| *began.version < gap.version) {
            self.gap = Some(Place::of(began));
        }
    }
}
