//! Owns what the rows of a shape say of a field.

use std::sync::Arc;

use super::entry::Entry;
use super::shapes::{Bits, Shape};
use super::trace::{Place, Stretch, Trace};
use crate::observed::Family;

/// Rows that show a field before its absence elsewhere tells one type of entity from another.
const SETTLED_ROWS: u64 = 2;

/// The known fields seen often enough to tell types of entities apart.
pub(super) struct Settled {
    fields: Bits,
    first: Vec<Option<Arc<Place>>>,
}

impl Settled {
    pub fn of(entries: &[Entry]) -> Self {
        let mut fields = Bits::default();
        for (number, entry) in entries.iter().enumerate() {
            if entry.known && entry.presence.with >= SETTLED_ROWS {
                fields.insert(number);
            }
        }
        Self { fields, first: entries.iter().map(|entry| entry.presence.first.clone()).collect() }
    }

    /// Whether a field of a shape marks rows that never have an entry's field: the two were never
    /// in one row, though it was there already while the entry's field was still seen. (A field
    /// that came afterwards marks nothing: it may be what took the other's place.)
    fn marks_others(&self, shape: &Shape, entry: &Entry) -> bool {
        let Some(last) = &entry.presence.last else { return false };
        shape.fields.and_not(&entry.met, &self.fields).any(|field| {
            let first = self.first.get(field).and_then(Option::as_ref);
            first.is_some_and(|first| first.version < last.version)
        })
    }
}

/// What the rows of a shape say of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sight {
    /// They have it, with these families.
    Present(u16),
    /// They could have it and do not.
    Absent,
    /// They are of another type of entity.
    Elsewhere,
    /// They could not have it: what it stands in is not there.
    Silent,
}

impl Sight {
    pub fn of(
        number: usize,
        entry: &Entry,
        container: Option<(usize, u16)>,
        shape: &Shape,
        settled: &Settled,
    ) -> Self {
        if let Some(mask) = shape.families_of(number) {
            return Self::Present(mask);
        }
        let could = entry.path.is_column()
            || container.is_some_and(|(container, family)| {
                shape.families_of(container).is_some_and(|mask| mask & family != 0)
            });
        match () {
            () if !could => Self::Silent,
            () if settled.marks_others(shape, entry) => Self::Elsewhere,
            () => Self::Absent,
        }
    }
}

impl Entry {
    /// Notes what a stretch of rows of one shape says.
    pub(super) fn note(&mut self, sight: Sight, stretch: &Stretch<'_>) {
        match sight {
            Sight::Silent => {}
            Sight::Elsewhere => {
                let [since, longest] = self.elsewhere;
                self.elsewhere = [since + stretch.len(), longest];
            }
            Sight::Absent => {
                self.presence.absent(stretch);
                self.note_lately(0, stretch.len());
            }
            Sight::Present(mask) => {
                self.presence.present(stretch);
                self.note_lately(stretch.len(), stretch.len());
                self.note_families(mask, stretch);
                let [since, longest] = self.elsewhere;
                self.elsewhere = [0, longest.max(since)];
            }
        }
    }

    fn note_families(&mut self, mask: u16, stretch: &Stretch<'_>) {
        if mask & Family::NULL.bit() != 0 {
            self.nulls += stretch.len();
        }
        let values = mask & !(Family::NULL.bit() | Family::UNAVAILABLE_BIT);
        if values == 0 {
            return;
        }
        for family in Family::all().skip(1).filter(|family| values & family.bit() != 0) {
            if !self.families.iter().any(|(known, _)| *known == family) {
                self.families.push((family, Trace::default()));
            }
        }
        for (family, trace) in &mut self.families {
            if values & family.bit() != 0 {
                trace.present(stretch);
            } else {
                trace.absent(stretch);
            }
        }
    }
}
