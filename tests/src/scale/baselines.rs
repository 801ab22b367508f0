//! What a counter costs that writes with every record, by the same bill: the usual one that adds to
//! each counter, and the one that also notes which records it has seen, so that a retry does not
//! count twice. Each counter is an item of its own, as in the guides.

use std::collections::BTreeMap;

use evercount_core::change::Change;
use evercount_core::chunk::Content;
use evercount_core::counting::{self, Cells};
use evercount_core::decimal::Decimal;
use evercount_core::group::Cell;
use evercount_core::image::Image;
use evercount_core::logic::LogicVersion;
use evercount_core::value::Value;
use evercount_pipeline::count::{StreamRecord, decode_record};
use evercount_wire::cdc::Decoder;
use evercount_wire::group::cell_name;
use evercount_wire::items::{size_bytes, write_units};

/// A design that writes with every record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Baseline {
    /// `UpdateItem … ADD n :d` for each counter a record moves. Counts twice what is delivered twice.
    Adding,
    /// One transaction a record: a marker that this event was seen, put where there is none, and an
    /// `ADD` for each counter.
    ExactlyOnce,
}

/// A counter of one of these designs.
pub struct PerRecord {
    design: Baseline,
    logic: Vec<LogicVersion>,
    cells: BTreeMap<usize, Cells>,
    /// What it was billed.
    pub write_units: f64,
    /// Counters it updated.
    pub updates: u64,
}

impl PerRecord {
    /// A counter of these versions.
    #[must_use]
    pub fn new(design: Baseline, logic: Vec<LogicVersion>) -> Self {
        Self { design, logic, cells: BTreeMap::new(), write_units: 0.0, updates: 0 }
    }

    /// What it counts for one of its versions.
    #[must_use]
    pub fn cells(&self, version: usize) -> Cells {
        self.cells.get(&version).cloned().unwrap_or_default()
    }

    /// Counts a batch, record by record.
    pub fn count(&mut self, records: &[StreamRecord]) {
        let decoder = Decoder::new(None, 0);
        for record in records {
            if let Content::Changes(changes) = decode_record(&decoder, None, record, &mut Vec::new()) {
                changes.iter().for_each(|change| self.change(change, record));
            }
        }
    }

    fn change(&mut self, change: &Change, record: &StreamRecord) {
        let transactional = self.design == Baseline::ExactlyOnce;
        let mut touched = false;
        for (number, version) in self.logic.iter().enumerate() {
            let of = |image: &Option<Image>| {
                let item = image.as_ref().map(Image::item);
                counting::contribution(version, item.as_deref(), Some(&change.version)).unwrap_or_default()
            };
            let mut moved = of(&change.after);
            counting::add_cells(&mut moved, &of(&change.before), -1);
            for (cell, n) in moved {
                let counter = self.cells.entry(number).or_default().entry(cell.clone()).or_insert(0);
                let before = counter_bytes(version, &cell, *counter);
                *counter += n;
                let after = counter_bytes(version, &cell, *counter);
                self.write_units += write_units(before.max(after), transactional);
                self.updates += 1;
                touched = true;
            }
        }
        // A record that moves nothing needs no marker: this is the design at its best.
        if transactional && touched {
            let marker = [("pk", format!("seen#{}", record.sequence)), ("expires", "1767225600".to_owned())];
            let bytes = marker.iter().map(|(name, value)| name.len() + value.len()).sum();
            self.write_units += write_units(bytes, true);
        }
    }
}

fn counter_bytes(version: &LogicVersion, cell: &Cell, n: i64) -> usize {
    let item = [
        ("pk", Value::String(version.id.to_string())),
        ("sk", Value::String(cell_name(cell))),
        ("n", Value::Number(Decimal::from(n))),
    ];
    size_bytes(&item.map(|(name, value)| (name.to_owned(), value)).into())
}
