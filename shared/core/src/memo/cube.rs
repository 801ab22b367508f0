//! Owns the definitions that are kept by column, and the groups that those of one grouping share.

use std::ops::Range;
use std::sync::Arc;

use super::slot::{Kind, Slots, UNAVAILABLE, Word, register_class};
use super::{Hit, NO_REGISTER, Plains, ShortMap};
use crate::counting::Unavailable;
use crate::group::{Cell, Grouped, group_of};
use crate::image::ImageRef;
use crate::logic::{Base, LogicVersion, TableLogic};
use crate::path::Path;
use crate::predicate::Predicate;

/// A definition of one live version, counted from nothing, whose condition is a conjunction of parts
/// that read one path each.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) version: Arc<LogicVersion>,
    /// Its family, which judges what is more than counted or not.
    pub(super) family: usize,
    /// Its grouping.
    pub(super) cube: usize,
    /// The parts of the condition, each with the slot that tells whether it holds.
    parts: Vec<(usize, Predicate)>,
    group: Vec<usize>,
    register: Option<usize>,
}

impl Plain {
    /// The definition by column, where it can be kept so.
    pub(super) fn of(logic: &TableLogic, family: usize, slots: &mut Slots) -> Option<Self> {
        let ([version], true) = (logic.live.as_slice(), logic.draining.is_empty()) else { return None };
        let definition = &version.definition;
        let is_plain =
            version.base == Base::Own && version.migration.is_empty() && definition.headroom.is_empty();
        if !is_plain {
            return None;
        }
        let mut conjuncts = Vec::new();
        definition.filter.iter().for_each(|filter| flatten(filter, &mut conjuncts));
        let parts = conjuncts.into_iter().map(|part| Some((slots.slot_of_part(part)?, part.clone())));
        let parts = parts.collect::<Option<Vec<_>>>()?;
        Some(Self {
            version: Arc::clone(version),
            family,
            cube: 0,
            parts,
            group: definition.group_by.iter().map(|path| slots.slot(path, Kind::Value)).collect(),
            register: definition.distinct.as_ref().map(|path| slots.slot(path, Kind::Register)),
        })
    }

    /// Whether a part's truth is told by a slot.
    pub(super) fn tests(&self, slot: usize) -> bool {
        self.parts.iter().any(|(of, _)| *of == slot)
    }

    /// The parts whose truth a slot tells.
    pub(super) fn parts(&self, slot: usize) -> impl Iterator<Item = &Predicate> {
        self.parts.iter().filter(move |(of, _)| *of == slot).map(|(_, part)| part)
    }
}

fn flatten<'p>(predicate: &'p Predicate, parts: &mut Vec<&'p Predicate>) {
    match predicate {
        Predicate::And(all) => all.iter().for_each(|part| flatten(part, parts)),
        part => parts.push(part),
    }
}

/// Definitions with one grouping and one distinct attribute.
#[derive(Debug)]
pub(super) struct Cube {
    group_by: Vec<Path>,
    group: Vec<usize>,
    register: Option<usize>,
    /// One bit for each definition by column: whether it belongs here.
    mask: Vec<u64>,
    /// The same by their numbers, which follow one another.
    members: Range<usize>,
    /// Groups by their slots' classes, one after the other: each map leads from where the classes so far have
    /// led, and the next class, on; the last one to the group.
    ways: Vec<ShortMap<u64, u32>>,
    /// The same by class, where one slot alone tells the groups apart, or none.
    by_class: Vec<Option<u32>>,
    cells: Vec<Cell>,
}

impl Cube {
    /// A cube for definitions like this one.
    pub(super) fn of(plain: &Plain) -> Self {
        Self {
            group_by: plain.version.definition.group_by.clone(),
            group: plain.group.clone(),
            register: plain.register,
            mask: Vec::new(),
            members: 0..0,
            ways: vec![ShortMap::default(); plain.group.len().saturating_sub(1)],
            by_class: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// Whether a definition belongs here.
    pub(super) fn takes(&self, plain: &Plain) -> bool {
        self.group == plain.group && self.register == plain.register
    }

    /// Adds a definition by its number, which is the next one.
    pub(super) fn join(&mut self, plain: usize) {
        if self.members.is_empty() {
            self.members.start = plain;
        }
        self.members.end = plain + 1;
        if self.mask.len() <= plain / 64 {
            self.mask.resize(plain / 64 + 1, 0);
        }
        if let Some(word) = self.mask.get_mut(plain / 64) {
            *word |= 1 << (plain % 64);
        }
    }

    /// Which definitions there are.
    pub(super) fn members(&self) -> Range<usize> {
        self.members.clone()
    }

    /// The cell of a group.
    pub(super) fn cell(&self, group: usize) -> Option<&Cell> {
        self.cells.get(group)
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.cells.len()
    }

    /// What the members count an image for; `cube` is its number.
    pub(super) fn hits(
        &mut self,
        cube: usize,
        image: ImageRef<'_>,
        classes: &[u32],
        holds: &[Word],
        hits: &mut Vec<Hit>,
    ) -> Result<(), Unavailable> {
        let mut place = None;
        for word in self.members.start / 64..self.mask.len() {
            let (Some(mask), Some(holds)) = (self.mask.get(word), holds.get(word)) else { break };
            let bits = mask & holds.plain();
            if bits != 0 {
                let (group, register) = match place {
                    Some(place) => place,
                    None => *place.insert(self.place(image, classes)?),
                };
                hits.push(Hit::Plain { cube, plains: Plains { word, bits }, group, register });
            }
        }
        Ok(())
    }

    /// The group of an image, and where its distinct value falls.
    fn place(&mut self, image: ImageRef<'_>, classes: &[u32]) -> Result<(usize, u32), Unavailable> {
        let class = |slot: &usize| classes.get(*slot).copied().unwrap_or(UNAVAILABLE);
        let register = self.register.as_ref().map(class);
        // Values that were not sent make no group, so that none is known by them.
        if register == Some(UNAVAILABLE) {
            return Err(Unavailable);
        }
        let register = register.map_or(NO_REGISTER, register_class);
        let mut group_classes = self.group.iter().map(class);
        let first = group_classes.next().unwrap_or_default();
        let known = if self.ways.is_empty() {
            self.by_class.get(first as usize).copied().flatten()
        } else {
            let mut steps = self.ways.iter().zip(group_classes);
            steps.try_fold(first, |at, (way, class)| way.get(&step(at, class)).copied())
        };
        let group = match known {
            Some(group) => group,
            None => self.add(image, classes)?,
        };
        Ok((group as usize, register))
    }

    /// Adds the group of an image, which is not there.
    fn add(&mut self, image: ImageRef<'_>, classes: &[u32]) -> Result<u32, Unavailable> {
        let cell = match group_of(&self.group_by, &image.item()) {
            Grouped::Key(key) => Cell::Group(key),
            Grouped::Overlong => Cell::Overflow,
            Grouped::Unavailable => return Err(Unavailable),
        };
        // There are fewer than images of one chunk and [`super::KEPT_MAX`] together.
        let group = u32::try_from(self.cells.len()).map_err(|_| Unavailable)?;
        self.cells.push(cell);
        let mut group_classes = self.group.iter().filter_map(|slot| classes.get(*slot).copied());
        let mut at = group_classes.next().unwrap_or_default();
        match self.ways.split_last_mut() {
            None => {
                let class = at as usize;
                if self.by_class.len() <= class {
                    self.by_class.resize(class + 1, None);
                }
                if let Some(place) = self.by_class.get_mut(class) {
                    *place = Some(group);
                }
            }
            Some((last, ways)) => {
                for (way, class) in ways.iter_mut().zip(group_classes.by_ref()) {
                    let next = u32::try_from(way.len()).map_err(|_| Unavailable)?;
                    at = *way.entry(step(at, class)).or_insert(next);
                }
                last.insert(step(at, group_classes.next().unwrap_or_default()), group);
            }
        }
        Ok(group)
    }
}

/// From where classes have led, by the next class.
fn step(at: u32, class: u32) -> u64 {
    u64::from(at) << 32 | u64::from(class)
}
