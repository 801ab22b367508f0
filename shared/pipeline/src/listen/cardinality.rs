//! How many distinct values each field has had, by window of time.
//!
//! A lane keeps one sketch for each field and window and stores it when a register has grown,
//! which for a field with few values is soon never. Sketches of several lanes and windows merge.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use evercount_core::lane::LaneId;
use evercount_core::lineage::WindowSketch;
use evercount_core::order::Micros;
use evercount_core::schema::{FieldPath, Schema};
use evercount_core::schema_change::Subject;
use evercount_core::sketch::Precision;
use evercount_core::value::{Item, Value};
use evercount_wire::sketch::Sketch;

use crate::ports::{RegistryStore, StoreError};

/// Length of a window, microseconds: an hour.
pub const WINDOW: Micros = 3_600 * 1_000_000;

/// How long a window's sketches are kept, microseconds: 35 days, five weeks to compare.
pub const WINDOWS_KEPT: Micros = 35 * 24 * WINDOW;

/// Fields of a subject that a lane sketches in a window: the first ones of its schema by name, and
/// of others the first to come, so that rows with invented names do not fill the store. A sketch
/// is up to 800 bytes, and each may be written once a batch while its field still shows new
/// values.
pub const FIELDS_MAX: usize = 64;

/// Sketches a lane keeps warm: beyond that all are stored and let go.
const WARM_MAX: usize = 4_096;

type Place = (Subject, FieldPath, Micros);

/// A lane's sketches.
#[derive(Debug, Default)]
pub(super) struct Sketches(BTreeMap<Place, Kept>);

#[derive(Debug)]
struct Kept {
    sketch: Sketch,
    grew: bool,
}

impl Sketches {
    /// Adds the column values of a subject's items: of columns that `schema` has, and of others
    /// while there is room.
    pub(super) async fn add<'a, S: RegistryStore>(
        &mut self,
        store: &S,
        lane: &LaneId,
        (subject, schema): (&Subject, Option<&Schema>),
        items: impl Iterator<Item = (&'a Item, Micros)>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut values: BTreeMap<(&'a str, Micros), Vec<&'a Value>> = BTreeMap::new();
        for (item, at) in items {
            let start = at.div_euclid(WINDOW) * WINDOW;
            for (name, value) in item.iter().filter(|(_, value)| is_scalar(value)).take(FIELDS_MAX) {
                values.entry((name, start)).or_default().push(value);
            }
        }
        let columns = schema.into_iter().flat_map(Schema::columns).take(FIELDS_MAX);
        let known: BTreeSet<&FieldPath> = columns.map(|(path, _)| path).collect();
        for ((name, start), values) in values.into_iter().take(WARM_MAX) {
            let place = (subject.clone(), FieldPath::column(name), start);
            if !self.0.contains_key(&place) {
                if !known.contains(&place.1) && self.sketched(subject, start) >= FIELDS_MAX {
                    continue;
                }
                // Stored sketches are replaced whole, so what the lane had is loaded first.
                let sketch = load(store, lane, &place, now).await?;
                self.0.insert(place.clone(), Kept { sketch, grew: false });
            }
            if let Some(kept) = self.0.get_mut(&place) {
                kept.grew |= kept.sketch.extend(values);
            }
        }
        Ok(())
    }

    /// Lets go of a subject's sketches; the stored ones are loaded when they are needed.
    pub(super) fn forget(&mut self, subject: &Subject) {
        self.0.retain(|(of, _, _), _| of != subject);
    }

    /// How many fields of a subject are sketched in a window.
    fn sketched(&self, subject: &Subject, start: Micros) -> usize {
        let first = (subject.clone(), FieldPath::new(""), Micros::MIN);
        let own = self.0.range(first..).take_while(|((other, ..), _)| other == subject);
        own.filter(|((_, _, other), _)| *other == start).count()
    }

    /// Stores what has grown.
    pub(super) async fn store<S: RegistryStore>(
        &mut self,
        store: &S,
        lane: &LaneId,
    ) -> Result<(), StoreError> {
        let grown: Vec<WindowSketch> = self
            .0
            .iter()
            .filter(|(_, kept)| kept.grew)
            .map(|((subject, path, start), kept)| WindowSketch {
                subject: subject.clone(),
                path: path.clone(),
                start: *start,
                length: WINDOW,
                lane: lane.clone(),
                registers: kept.sketch.to_bytes(),
                expires_at: start.saturating_add(WINDOW + WINDOWS_KEPT),
            })
            .collect();
        if !grown.is_empty() {
            store.put_sketches(&grown).await?;
        }
        self.0.values_mut().for_each(|kept| kept.grew = false);
        if self.0.len() > WARM_MAX {
            self.0.clear();
        }
        Ok(())
    }
}

async fn load<S: RegistryStore>(
    store: &S,
    lane: &LaneId,
    (subject, path, start): &Place,
    now: Micros,
) -> Result<Sketch, StoreError> {
    let window: Range<Micros> = *start..start.saturating_add(1);
    let stored = store.sketches(subject, path, window, now).await?;
    let own = stored.iter().find(|sketch| sketch.lane == *lane && sketch.length == WINDOW);
    // A sketch that cannot be read any more counts anew; it is an estimate of what was seen.
    Ok(own
        .and_then(|sketch| Sketch::from_bytes(&sketch.registers).ok())
        .unwrap_or_else(|| Sketch::new(Precision::WINDOW)))
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Binary(_))
}
