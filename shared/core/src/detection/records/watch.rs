//! Owns the evidence that one lane gathers on one subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::{Entry, Handover, Mark};
use super::evidence::{ELSEWHERE_ROWS, LONGEST_GAP_FACTOR};
use super::recent::{self, RecentRow, column_of, short_hash, tells_something};
use super::shapes::{Bits, Shape, Shapes};
use super::shares::Shares;
use super::sight::{Settled, Sight};
use super::trace::{Row, Stretch, Trace};
use super::{Known, RowSeen};
use crate::fingerprint;
use crate::observed::{Family, ObservedSchema, families};
use crate::order::{Basis, Micros, OrderVersion};
use crate::schema::{FieldPath, TypeSet};
use crate::value::Item;

/// Fields outside the known schema that a watch keeps from one batch to the next.
pub const NEWS_KEPT: usize = 128;
/// Fields outside the known schema that a watch looks at within one batch.
pub const NEWS_MAX: usize = 512;
/// Pairs of columns of which one may have taken the other's place.
pub const HANDOVERS_MAX: usize = 128;
/// Places kept of how far the lane had come.
const MARKS_MAX: usize = 16;
/// Rows whose values are all looked at; after as many, one in [`SAMPLED_ONE_IN`] is.
const SAMPLED_WHOLE: u64 = 1_024;
/// See [`SAMPLED_WHOLE`].
const SAMPLED_ONE_IN: usize = 32;
/// Of the rows after the first [`SAMPLED_WHOLE`], one in this many is remembered for a while.
const REMEMBERED_ONE_IN: usize = 8;
/// Rows with unknown columns whose values are looked at, of one batch.
const SAMPLED_NEWS: usize = 64;
/// New columns of one row that are compared with lost ones.
const NEWS_PAIRED: usize = 16;

/// Everything a watch knows, as it is stored.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Gathered {
    /// The number of the schema version that the fields are known by.
    pub version: u32,
    /// Rows counted.
    pub rows: u64,
    /// Rows from before that version: they are no news, and nothing was made of them.
    pub late: u64,
    /// Fields that were let go because there were too many.
    pub overflow: u64,
    /// The fields, in no order; others refer to them by number.
    pub entries: Vec<Entry>,
    /// How far the lane had come, oldest first.
    pub marks: Vec<Mark>,
    /// Columns that may have taken another's place: the old and the new one.
    pub handovers: BTreeMap<(FieldPath, FieldPath), Handover>,
    /// Rows looked at lately, the latest last.
    pub recent: Vec<RecentRow>,
    /// What a sample of the rows shows of values.
    pub observed: ObservedSchema,
    /// How many rows have each field, lately and when the version began.
    pub shares: Shares,
}

/// The evidence that one lane has gathered on one subject since its watch began; what concerns
/// columns that have left the schema is let go when the version moves.
///
/// Memory is bounded by the known schema plus [`NEWS_MAX`] fields, whatever the rows hold.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    gathered: Gathered,
    index: BTreeMap<FieldPath, usize>,
    /// How many entries the known schema lacks.
    news: usize,
    /// What each nested field stands in, and the family that must be.
    containers: Vec<Option<(usize, u16)>>,
    shapes: Shapes,
    whole_stretch: bool,
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        self.gathered == other.gathered
    }
}

impl From<Gathered> for Watch {
    fn from(gathered: Gathered) -> Self {
        let mut watch = Self { gathered, ..Self::default() };
        watch.number();
        watch
    }
}

impl Watch {
    /// What the watch knows.
    #[must_use]
    pub fn gathered(&self) -> &Gathered {
        &self.gathered
    }

    /// What a sample of the rows shows of values.
    #[must_use]
    pub fn observed(&self) -> &ObservedSchema {
        &self.gathered.observed
    }

    /// What was gathered of a field.
    #[must_use]
    pub fn entry(&self, path: &FieldPath) -> Option<&Entry> {
        self.gathered.entries.get(*self.index.get(path)?)
    }

    #[cfg(test)]
    pub(super) fn shapes_remembered(&self) -> usize {
        self.shapes.len()
    }

    /// Whether two fields were ever seen in one row.
    pub(super) fn have_met(&self, one: &FieldPath, other: &FieldPath) -> bool {
        let Some(number) = self.index.get(other) else { return false };
        self.entry(one).is_some_and(|entry| entry.met.contains(*number))
    }

    /// Rows of the lane that are newer than a version, at least.
    pub(super) fn rows_after(&self, version: &OrderVersion) -> u64 {
        let mark = self.gathered.marks.iter().find(|mark| mark.place.version >= *version);
        mark.map_or(0, |mark| self.gathered.rows.saturating_sub(mark.rows))
    }

    /// Whether nothing here can decide anything: a look at each field, where a decision weighs
    /// all lanes. (A run shorter than the test's multiple of the longest one in every lane is so
    /// in their sum.)
    #[must_use]
    pub fn is_quiet(&self, known: &Known<'_>) -> bool {
        let resting = |trace: &Trace| trace.run == 0 || trace.run < LONGEST_GAP_FACTOR * trace.longest;
        self.gathered.version == known.version
            && self.gathered.entries.iter().all(|entry| {
                if !entry.known {
                    return entry.presence.with == 0;
                }
                let types = known.schema.fields.get(&entry.path).map(|field| &field.types);
                let rests = |(family, trace): &(Family, Trace)| {
                    let whole = *family == Family::INTEGER && has(types, Family::DECIMAL);
                    whole || (resting(trace) && has(types, *family))
                };
                entry.elsewhere[0] < ELSEWHERE_ROWS
                    && resting(&entry.presence)
                    && entry.families.iter().all(rests)
            })
    }

    /// Adds a batch of the lane's rows, in any order. On a steady schema a row costs its shape's
    /// fingerprint and one look-up.
    pub fn fold(&mut self, known: &Known<'_>, rows: &[RowSeen<'_>]) {
        self.rebase(known);
        let mut shapes: Vec<Arc<Shape>> = Vec::new();
        let mut numbers: BTreeMap<u64, usize> = BTreeMap::new();
        let mut seen: Vec<(Row<'_>, &RowSeen<'_>)> = Vec::with_capacity(rows.len());
        let mut previous: Option<(u64, usize)> = None;
        for row in rows {
            let Some(after) = row.after else { continue };
            if known.is_before(row.version, row.at) {
                self.gathered.late += 1;
                continue;
            }
            let id = fingerprint::of_image(after);
            let number = match previous {
                Some((same, number)) if same == id.0 => number,
                _ => *numbers.entry(id.0).or_insert_with(|| {
                    shapes.push(self.shapes.get(id).unwrap_or_else(|| {
                        let shape = Arc::new(self.work_out(known, after));
                        self.shapes.insert(id, shape.clone());
                        shape
                    }));
                    shapes.len() - 1
                }),
            };
            previous = Some((id.0, number));
            seen.push((Row { version: row.version, at: row.at, shape: number }, row));
        }
        if !seen.is_sorted_by(|a, b| a.0.version <= b.0.version) {
            seen.sort_by(|a, b| a.0.version.cmp(b.0.version));
        }
        self.look_at_values(known, &seen, &shapes);
        let places: Vec<Row<'_>> = seen.iter().map(|(row, _)| *row).collect();
        self.count(&places, &shapes);
        self.let_go();
        let Gathered { version, rows, entries, shares, .. } = &mut self.gathered;
        self.whole_stretch |= shares.follow(*version, *rows, entries);
    }

    /// Whether another stretch of rows has been counted whole since this was asked last: time to
    /// look at what [`super::shifts`] says.
    pub fn take_whole_stretch(&mut self) -> bool {
        std::mem::take(&mut self.whole_stretch)
    }

    /// What an image's shape means; its unknown fields get numbers while there is room.
    fn work_out(&mut self, known: &Known<'_>, image: &Item) -> Shape {
        let mut shape = Shape::default();
        for (path, mask) in families(image) {
            let number = match self.index.get(&path) {
                Some(number) => *number,
                None => {
                    let is_known = known.schema.fields.contains_key(&path);
                    if !is_known && self.news >= NEWS_MAX {
                        self.gathered.overflow += 1;
                        continue;
                    }
                    self.news += usize::from(!is_known);
                    self.index.insert(path.clone(), self.gathered.entries.len());
                    self.gathered.entries.push(Entry::new(path.clone(), is_known));
                    self.gathered.entries.len() - 1
                }
            };
            shape.families.push((number, mask));
            shape.fields.insert(number);
            let news = self.gathered.entries.get(number).is_some_and(|entry| !entry.known);
            if news && path.is_column() {
                shape.news.push(number);
            }
        }
        shape.families.sort_unstable_by_key(|(number, _)| *number);
        for number in shape.fields.iter() {
            if let Some(entry) = self.gathered.entries.get_mut(number) {
                entry.met.extend(&shape.fields);
            }
        }
        shape
    }

    /// Moves every trace on by a batch.
    fn count(&mut self, rows: &[Row<'_>], shapes: &[Arc<Shape>]) {
        let stretches = Stretch::split(rows);
        let Some(whole) = Stretch::whole(&stretches, rows) else { return };
        if self.containers.len() != self.gathered.entries.len() {
            self.containers = self.gathered.entries.iter().map(|entry| self.container(&entry.path)).collect();
        }
        let settled = Settled::of(&self.gathered.entries);
        for (number, entry) in self.gathered.entries.iter_mut().enumerate() {
            let container = self.containers.get(number).copied().flatten();
            let seen: Vec<Sight> =
                shapes.iter().map(|shape| Sight::of(number, entry, container, shape, &settled)).collect();
            let sight = |stretch: &Stretch<'_>| seen.get(stretch.shape).copied().unwrap_or(Sight::Silent);
            let alike = seen.windows(2).all(|pair| pair.first() == pair.last());
            let stretches = if alike { std::slice::from_ref(&whole) } else { &stretches };
            for stretch in stretches {
                entry.note(sight(stretch), stretch);
            }
        }
        self.gathered.rows += rows.len() as u64;
        let newest = self.gathered.marks.last().map(|mark| &mark.place);
        let place = match newest {
            Some(newest) if newest.version > whole.last().version => newest.clone(),
            _ => whole.last().clone(),
        };
        self.gathered.marks.push(Mark { rows: self.gathered.rows, place });
        if self.gathered.marks.len() > MARKS_MAX {
            // The older half grows coarse; the newer stays fine.
            let mut number = 0;
            self.gathered.marks.retain(|_| {
                number += 1;
                number > MARKS_MAX / 2 || number % 2 == 0
            });
        }
    }

    /// The map or list a nested field stands in, and the family it must be.
    fn container(&self, path: &FieldPath) -> Option<(usize, u16)> {
        let parent = path.parent()?;
        let family = if path.as_str().ends_with("[]") { Family::LIST } else { Family::MAP };
        Some((*self.index.get(&parent)?, family.bit()))
    }

    /// Looks at the values of a sample: the first row of each shape, rows with unknown columns,
    /// and a share of the rest.
    fn look_at_values(&mut self, known: &Known<'_>, rows: &[(Row<'_>, &RowSeen<'_>)], shapes: &[Arc<Shape>]) {
        let young = self.gathered.rows < SAMPLED_WHOLE;
        let mut met = BTreeSet::new();
        let mut news = 0;
        for (number, (row, seen)) in rows.iter().enumerate() {
            let Some(shape) = shapes.get(row.shape) else { continue };
            let tells = !shape.news.is_empty() && news < SAMPLED_NEWS;
            news += usize::from(tells);
            let first = met.len() < SAMPLED_NEWS && met.insert(row.shape);
            let chosen = young || tells || first;
            let Some(after) = seen.after else { continue };
            if chosen || number % SAMPLED_ONE_IN == 0 {
                self.gathered.observed.observe(after, row.at);
            }
            if !(chosen || number % REMEMBERED_ONE_IN == 0) {
                continue;
            }
            let key = recent::key_of(known.schema, after);
            if tells {
                self.note_handovers(shape, key, seen.before, after);
            }
            if let Some(key) = key {
                let Gathered { recent, entries, .. } = &mut self.gathered;
                let columns = shape.families.iter().filter_map(|(number, _)| {
                    let path = &entries.get(*number)?.path;
                    path.is_column().then_some((*number, path))
                });
                recent::remember(recent, key, after, columns);
            }
        }
    }

    /// Whether a row that lacks a known column holds its value under a new name: by the row's
    /// image before the change, or by what was remembered of the row.
    fn note_handovers(&mut self, shape: &Shape, key: Option<u64>, before: Option<&Item>, after: &Item) {
        let Gathered { entries, handovers, recent, .. } = &mut self.gathered;
        let remembered = key.and_then(|key| recent.iter().find(|one| one.key == key));
        let numbers = before.into_iter().flatten().filter(|(_, value)| tells_something(value));
        let lately = remembered.into_iter().flat_map(|row| row.values.iter().copied());
        let old: BTreeMap<usize, u16> = numbers
            .filter_map(|(name, value)| {
                Some((*self.index.get(&FieldPath::column(name))?, short_hash(value)?))
            })
            .chain(lately)
            .filter(|(number, _)| !shape.fields.contains(*number))
            .collect();
        for (gone, old) in old {
            let Some(gone) = entries.get(gone).filter(|entry| entry.known).map(|entry| &entry.path) else {
                continue;
            };
            for come in shape.news.iter().take(NEWS_PAIRED).filter_map(|number| entries.get(*number)) {
                // Where the image before the change has the new column as well, the value it
                // had then is the one to compare: the change itself may have set another.
                let then = before.and_then(|before| column_of(before, &come.path));
                let Some(new) = then.or_else(|| column_of(after, &come.path)).and_then(short_hash) else {
                    continue;
                };
                let pair = (gone.clone(), come.path.clone());
                if handovers.len() >= HANDOVERS_MAX && !handovers.contains_key(&pair) {
                    continue;
                }
                let handover = handovers.entry(pair).or_default();
                handover.tried += 1;
                handover.held += u64::from(new == old);
            }
        }
    }

    /// Follows the registry: fields become known, and of those that left the schema nothing
    /// remains but that they did.
    pub fn rebase(&mut self, known: &Known<'_>) {
        if self.gathered.version == known.version {
            return;
        }
        self.gathered.version = known.version;
        for entry in &mut self.gathered.entries {
            let field = known.schema.fields.get(&entry.path);
            if field.is_none() && (entry.known || known.retired.contains(&entry.path)) {
                entry.left += u32::from(entry.known);
                entry.presence = Trace::default();
                entry.elsewhere = [0; 2];
                entry.lately = [0; 2];
                entry.families.clear();
                entry.nulls = 0;
            }
            entry.known = field.is_some();
            let types: Vec<Family> =
                field.iter().flat_map(|field| field.types.values()).filter_map(Family::of_type).collect();
            if entry.known && !types.is_empty() {
                entry.families.retain(|(family, _)| types.contains(family));
            }
        }
        let fields = &known.schema.fields;
        self.gathered
            .handovers
            .retain(|(gone, come), _| fields.contains_key(gone) && !fields.contains_key(come));
        self.gathered.observed.forget(|path| !fields.contains_key(path) && known.retired.contains(path));
        self.renumber(|entry| entry.known || entry.left > 0 || entry.presence != Trace::default());
    }

    /// Lets go of the rarest unknown fields when there are too many.
    fn let_go(&mut self) {
        if self.news <= NEWS_KEPT {
            return;
        }
        let news = self.gathered.entries.iter().filter(|entry| !entry.known);
        let mut by_rows: Vec<(u64, &FieldPath)> =
            news.map(|entry| (entry.presence.with, &entry.path)).collect();
        by_rows.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let kept: BTreeSet<FieldPath> =
            by_rows.iter().take(NEWS_KEPT / 2).map(|(_, path)| (*path).clone()).collect();
        self.gathered.overflow += (self.news - kept.len()) as u64;
        self.renumber(|entry| entry.known || kept.contains(&entry.path));
        let index = &self.index;
        self.gathered.observed.forget(|path| !index.contains_key(path));
    }

    /// Keeps some entries and gives all new numbers.
    fn renumber(&mut self, keep: impl Fn(&Entry) -> bool) {
        let mut kept: Vec<(usize, Entry)> = std::mem::take(&mut self.gathered.entries)
            .into_iter()
            .enumerate()
            .filter(|(_, entry)| keep(entry))
            .collect();
        let moved: BTreeMap<usize, usize> =
            kept.iter().enumerate().map(|(new, (old, _))| (*old, new)).collect();
        for (_, entry) in &mut kept {
            let mut met = Bits::default();
            entry.met.iter().filter_map(|old| moved.get(&old)).for_each(|new| met.insert(*new));
            entry.met = met;
        }
        for row in &mut self.gathered.recent {
            let values = row.values.iter().filter_map(|(old, hash)| Some((*moved.get(old)?, *hash)));
            row.values = values.collect();
            row.values.sort_unstable_by_key(|(number, _)| *number);
        }
        self.gathered.entries = kept.into_iter().map(|(_, entry)| entry).collect();
        self.number();
    }

    fn number(&mut self) {
        let numbered = self.gathered.entries.iter().enumerate();
        self.index = numbered.map(|(number, entry)| (entry.path.clone(), number)).collect();
        self.news = self.gathered.entries.iter().filter(|entry| !entry.known).count();
        self.containers.clear();
        self.shapes.clear();
    }
}

/// Whether a field's types have a family; one that has only shown NULL may have any.
fn has(types: Option<&TypeSet>, family: Family) -> bool {
    types.is_some_and(|types| {
        types.values().next().is_none() || types.values().any(|one| Family::of_type(one) == Some(family))
    })
}

impl Known<'_> {
    /// Whether a row is from before the known version, and so no news.
    pub(super) fn is_before(&self, version: &OrderVersion, at: Micros) -> bool {
        match self.position {
            // A bulk load has no position of its own, so it is placed by its time.
            Some(position) if version.basis() != Basis::Load || position.basis() == Basis::Load => {
                version < position
            }
            _ => at < self.since && self.version > 0,
        }
    }
}
