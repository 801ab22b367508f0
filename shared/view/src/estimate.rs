//! Distinct values of a field by windows of time, from the lanes' sketches.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::lineage::WindowSketch;
use evercount_core::order::Micros;
use evercount_core::schema::FieldPath;
use evercount_wire::sketch::Sketch;
use serde::Serialize;
use utoipa::ToSchema;

use crate::time;

/// One window over all lanes.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct WindowDoc {
    /// When it starts.
    pub start: String,
    /// When it ends.
    pub end: String,
    /// Lanes that told of it.
    pub lanes: usize,
    /// Distinct values, estimated.
    pub distinct: u64,
    /// The relative standard error of that.
    pub distinct_error: f64,
}

/// What all sketches of a field say.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Cardinality {
    /// The field.
    pub path: String,
    /// Distinct values over all windows; null where no sketch could be read.
    #[schema(required)]
    pub distinct: Option<u64>,
    /// The relative standard error of that.
    #[schema(required)]
    pub distinct_error: Option<f64>,
    /// The windows, oldest first.
    pub windows: Vec<WindowDoc>,
    /// Sketches that could not be read, or have another precision than the rest.
    pub unread: usize,
}

impl Cardinality {
    /// Merges the sketches of a field.
    #[must_use]
    pub fn of(path: &FieldPath, sketches: &[WindowSketch]) -> Self {
        let mut whole: Option<Sketch> = None;
        let mut windows: BTreeMap<(Micros, Micros), (Sketch, BTreeSet<&str>)> = BTreeMap::new();
        let mut unread = 0;
        for stored in sketches {
            let Ok(sketch) = Sketch::from_bytes(&stored.registers) else {
                unread += 1;
                continue;
            };
            let merged = match &mut whole {
                Some(whole) => whole.merge(&sketch).map(|_| ()),
                None => {
                    whole = Some(sketch.clone());
                    Ok(())
                }
            };
            if merged.is_err() {
                unread += 1;
                continue;
            }
            let entry = windows.entry((stored.start, stored.length));
            let (of_window, lanes) =
                entry.or_insert_with(|| (Sketch::new(sketch.precision()), BTreeSet::new()));
            // All that merged with the whole are of its precision.
            if of_window.merge(&sketch).is_ok() {
                lanes.insert(stored.lane.as_str());
            }
        }
        let windows = windows.into_iter().map(|((start, length), (sketch, lanes))| {
            let estimate = sketch.estimate();
            WindowDoc {
                start: time(start),
                end: time(start.saturating_add(length)),
                lanes: lanes.len(),
                distinct: estimate.n,
                distinct_error: estimate.error,
            }
        });
        let estimate = whole.map(|whole| whole.estimate());
        Self {
            path: path.as_str().to_owned(),
            distinct: estimate.as_ref().map(|whole| whole.n),
            distinct_error: estimate.as_ref().map(|whole| whole.error),
            windows: windows.collect(),
            unread,
        }
    }
}
