//! Owns the classes of values: what of a value at a path can make a difference to any definition.

use std::collections::BTreeSet;

use super::cube::Plain;
use super::{NO_REGISTER, ShortMap};
use crate::decimal::{Decimal, ShortDecimal};
use crate::distinct;
use crate::group::{Cell, GroupId};
use crate::image::ImageRef;
use crate::logic::TableLogic;
use crate::migration::item_of;
use crate::path::{Path, Segment};
use crate::predicate::{Atom, Operand, Predicate, Truth};
use crate::value::{Item, Value};

/// Classes that every kind of slot has.
pub(super) const ABSENT: u32 = 0;
pub(super) const UNAVAILABLE: u32 = 1;
const NULL: u32 = 2;
const FALSE: u32 = 3;
const TRUE: u32 = 4;
/// One for each type without constants to compare with.
const LIST: u32 = 5;
const MAP: u32 = 6;
const TEXT_SET: u32 = 7;
const NUMBER_SET: u32 = 8;
const BINARY_SET: u32 = 9;
/// From here on: values by number, or places among constants by type.
const FIRST: u32 = 10;

/// What a slot keeps of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// Which value it is.
    Value,
    /// Where it lies among the constants that it is compared with.
    Place,
    /// Which register of a sketch it falls in, and at which rank.
    Register,
}

/// A path, and what is kept of its value.
#[derive(Debug)]
struct Slot {
    path: Path,
    kind: Kind,
    /// Of [`Kind::Value`]: the values met.
    values: ShortMap<Value, u32>,
    /// Of [`Kind::Place`]: the constants.
    constants: Constants,
    /// By class: where what it means to the definitions by column begins among [`Slots::judged`], once it was
    /// worked out.
    judged: Vec<Option<usize>>,
}

/// What a class of one slot means to 64 definitions by column, a bit for each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Whether its parts hold.
    truths: u64,
    /// Whether there is more to say.
    pub(super) odds: u64,
}

impl Word {
    /// Before any part is looked at.
    const ALL: Self = Self { truths: u64::MAX, odds: 0 };

    /// Those whose parts hold, and of which there is no more to say.
    pub(super) fn plain(self) -> u64 {
        self.truths & !self.odds
    }
}

#[derive(Debug, Default)]
struct Constants {
    numbers: BTreeSet<Decimal>,
    texts: BTreeSet<String>,
    binaries: BTreeSet<Vec<u8>>,
    sorted: Sorted,
}

#[derive(Debug, Default)]
struct Sorted {
    numbers: Vec<Decimal>,
    /// The same, as far as they are short.
    short_numbers: Vec<ShortDecimal>,
    texts: Vec<String>,
    binaries: Vec<Vec<u8>>,
}

/// The slots of a table.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Those by which the truth of any part of a definition by column is told.
    tested: Vec<usize>,
    /// What was judged, each in as many words as all definitions by column have bits.
    judged: Vec<Word>,
    words: usize,
}

/// Where a value lies among constants in ascending order: below the first, at it, between it and
/// the second, and so on.
fn place<T>(constants: &[T], compare: impl Fn(&T) -> std::cmp::Ordering) -> u32 {
    let place = match constants.binary_search_by(compare) {
        Ok(at) => 2 * at + 1,
        Err(at) => 2 * at,
    };
    u32::try_from(place).unwrap_or(u32::MAX / 4)
}

/// The class of a number at a place among constants.
fn number_class(place: u32) -> u32 {
    FIRST + 3 * place
}

impl Slot {
    /// The class of what stands at the path.
    fn class(&mut self, value: Option<&Value>) -> u32 {
        let value = match value {
            None => return ABSENT,
            Some(Value::Unavailable) => return UNAVAILABLE,
            Some(Value::Null) => return NULL,
            Some(value) => value,
        };
        match self.kind {
            Kind::Value => match self.values.get(value) {
                Some(class) => *class,
                None => {
                    let class = FIRST + u32::try_from(self.values.len()).unwrap_or(u32::MAX / 2);
                    self.values.insert(value.clone(), class);
                    class
                }
            },
            Kind::Place => {
                let sorted = &self.constants.sorted;
                match value {
                    Value::Bool(false) => FALSE,
                    Value::Bool(true) => TRUE,
                    Value::List(_) => LIST,
                    Value::Map(_) => MAP,
                    Value::StringSet(_) => TEXT_SET,
                    Value::NumberSet(_) => NUMBER_SET,
                    Value::BinarySet(_) => BINARY_SET,
                    Value::Number(number) => number_class(place(&sorted.numbers, |one| one.cmp(number))),
                    Value::String(text) => {
                        FIRST + 1 + 3 * place(&sorted.texts, |one| one.as_str().cmp(text.as_str()))
                    }
                    Value::Binary(bytes) => FIRST + 2 + 3 * place(&sorted.binaries, |one| one.cmp(bytes)),
                    Value::Null => NULL,
                    Value::Unavailable => UNAVAILABLE,
                }
            }
            Kind::Register => match distinct::place_of_value(Some(value)) {
                Ok(Some((register, rank))) => FIRST + (u32::from(register) << 8 | u32::from(rank)),
                Ok(None) => ABSENT,
                Err(_) => UNAVAILABLE,
            },
        }
    }

    /// What a class means to the definitions by column: worked out on the first value of the class.
    fn judge(&self, number: usize, image: &Item, plain: &[Plain]) -> Vec<Word> {
        let mut judged = vec![Word::ALL; plain.len().div_ceil(64)];
        let alone = item_of(self.path.lookup(image).map(|value| (self.path.clone(), value.clone())).as_ref());
        for (at, one) in plain.iter().enumerate() {
            for part in one.parts(number) {
                let evaluation = part.evaluate(&alone);
                let Some(word) = judged.get_mut(at / 64) else { continue };
                let bit = 1_u64 << (at % 64);
                if evaluation.truth != Truth::True {
                    word.truths &= !bit;
                }
                if evaluation.unavailable || !evaluation.missing.is_empty() {
                    word.odds |= bit;
                }
            }
        }
        judged
    }
}

impl Slots {
    /// The slot of a path, made where there is none.
    pub(super) fn slot(&mut self, path: &Path, kind: Kind) -> usize {
        match self.slots.iter().position(|slot| slot.path == *path && slot.kind == kind) {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot {
                    path: path.clone(),
                    kind,
                    values: ShortMap::default(),
                    constants: Constants::default(),
                    judged: Vec::new(),
                });
                self.slots.len() - 1
            }
        }
    }

    /// The slot that tells whether a part of a condition holds, where the part reads one path.
    pub(super) fn slot_of_part(&mut self, part: &Predicate) -> Option<usize> {
        let paths: BTreeSet<&Path> = part.paths().into_iter().collect();
        let path = paths.first().filter(|_| paths.len() == 1)?;
        // An item of that value alone could not be made.
        let in_lists = path.rest().iter().any(|segment| matches!(segment, Segment::Index(_)));
        (!in_lists).then(|| self.slot_of_atoms(path, &part.atoms()))
    }

    fn slot_of_atoms(&mut self, path: &Path, atoms: &[&Atom]) -> usize {
        let constants: Option<Vec<Vec<&Value>>> = atoms.iter().map(|atom| constants(atom)).collect();
        let Some(constants) = constants else { return self.slot(path, Kind::Value) };
        let number = self.slot(path, Kind::Place);
        if let Some(slot) = self.slots.get_mut(number) {
            for constant in constants.into_iter().flatten() {
                match constant {
                    Value::Number(number) => drop(slot.constants.numbers.insert(number.clone())),
                    Value::String(text) => drop(slot.constants.texts.insert(text.clone())),
                    Value::Binary(bytes) => drop(slot.constants.binaries.insert(bytes.clone())),
                    _ => {}
                }
            }
        }
        number
    }

    /// Ends the making of slots.
    pub(super) fn seal(&mut self, plain: &[Plain]) {
        self.words = plain.len().div_ceil(64);
        let is_tested = |slot: &usize| plain.iter().any(|one| one.tests(*slot));
        self.tested = (0..self.slots.len()).filter(is_tested).collect();
        for slot in &mut self.slots {
            let constants = std::mem::take(&mut slot.constants);
            slot.constants.sorted = Sorted {
                short_numbers: constants.numbers.iter().filter_map(Decimal::short_decimal).collect(),
                numbers: constants.numbers.into_iter().collect(),
                texts: constants.texts.into_iter().collect(),
                binaries: constants.binaries.into_iter().collect(),
            };
        }
    }

    /// How many values and classes are kept.
    pub(super) fn kept(&self) -> usize {
        self.judged.len().checked_div(self.words).unwrap_or_default()
            + self.slots.iter().map(|slot| slot.values.len()).sum::<usize>()
    }

    /// The slots whose paths begin with a column.
    pub(super) fn of_column(&self, column: &str) -> Vec<usize> {
        let all = self.slots.iter().enumerate();
        all.filter(|(_, slot)| slot.path.column_name() == column).map(|(number, _)| number).collect()
    }

    /// Whether a slot tells each value from every other.
    pub(super) fn tells_values(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|slot| slot.kind == Kind::Value)
    }

    /// Whether a slot tells by how a short number compares: [`Self::class_of`] may be asked of it.
    pub(super) fn compares(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|slot| {
            let sorted = &slot.constants.sorted;
            slot.kind == Kind::Place
                && slot.path.rest().is_empty()
                && sorted.short_numbers.len() == sorted.numbers.len()
        })
    }

    /// The class of a number in a slot that compares.
    pub(super) fn class_of(&self, slot: usize, number: ShortDecimal) -> u32 {
        let numbers = self.slots.get(slot).map(|slot| slot.constants.sorted.short_numbers.as_slice());
        number_class(place(numbers.unwrap_or_default(), |one| one.cmp(&number)))
    }

    /// The class in every slot of an image that has nothing.
    pub(super) fn absent(&mut self) -> Vec<u32> {
        let nothing = Item::new();
        self.slots.iter_mut().map(|slot| slot.class(slot.path.lookup(&nothing))).collect()
    }

    /// The class in a slot of an image whose value of the slot's column is this.
    pub(super) fn class_in(&mut self, slot: usize, value: &Value) -> u32 {
        self.slots.get_mut(slot).map_or(ABSENT, |slot| slot.class(slot.path.lookup_in(value)))
    }

    /// The definitions by column whose parts all hold.
    pub(super) fn judge(
        &mut self,
        image: ImageRef<'_>,
        classes: &[u32],
        plain: &[Plain],
        holds: &mut Vec<Word>,
    ) {
        holds.resize(self.words, Word::ALL);
        holds.fill(Word::ALL);
        for number in &self.tested {
            let (Some(slot), Some(class)) = (self.slots.get_mut(*number), classes.get(*number)) else {
                continue;
            };
            let class = *class as usize;
            let known = slot.judged.get(class).copied().flatten().unwrap_or_else(|| {
                let known = self.judged.len();
                self.judged.extend(slot.judge(*number, &image.item(), plain));
                if slot.judged.len() <= class {
                    slot.judged.resize(class + 1, None);
                }
                if let Some(place) = slot.judged.get_mut(class) {
                    *place = Some(known);
                }
                known
            });
            let narrower = self.judged.get(known..).unwrap_or_default();
            for (word, narrower) in holds.iter_mut().zip(narrower) {
                word.truths &= narrower.truths;
                word.odds |= narrower.odds;
            }
        }
    }
}

/// The constants that an atom compares a path's value with, where that is all it asks of the value;
/// none where only the value itself tells.
fn constants(atom: &Atom) -> Option<Vec<&Value>> {
    let all = match atom {
        Atom::Compare { left: Operand::Path(_), right: Operand::Literal(value), .. }
        | Atom::Compare { left: Operand::Literal(value), right: Operand::Path(_), .. } => vec![value],
        Atom::In { operand: Operand::Path(_), values } => values.iter().collect(),
        Atom::Between { operand: Operand::Path(_), low, high } => vec![low, high],
        Atom::IsNull(_) | Atom::IsMissing(_) | Atom::AttributeType(..) => Vec::new(),
        _ => return None,
    };
    let has_place = |value: &&Value| {
        matches!(value, Value::Number(_) | Value::String(_) | Value::Binary(_) | Value::Bool(_) | Value::Null)
    };
    all.iter().all(has_place).then_some(all)
}

/// The slots that tell apart all rows which the versions of one definition tell apart.
pub(super) fn read_by(logic: &TableLogic, slots: &mut Slots) -> Vec<usize> {
    let mut read = BTreeSet::new();
    for version in &logic.live {
        let definition = &version.definition;
        // What brings earlier rows to the shape of the definition may read and write anything
        // within the columns it names.
        if logic.live.iter().any(|one| !one.migration.is_empty()) {
            let columns = version.columns();
            read.extend(columns.map(|column| slots.slot(&Path::column(column), Kind::Value)));
            continue;
        }
        let dimensions = definition.group_by.iter().chain(&definition.headroom.attributes);
        read.extend(dimensions.map(|path| slots.slot(path, Kind::Value)));
        read.extend(definition.distinct.iter().map(|path| slots.slot(path, Kind::Register)));
        for atom in definition.filter.iter().flat_map(Predicate::atoms) {
            let alone = Predicate::Atom(atom.clone());
            match slots.slot_of_part(&alone) {
                Some(slot) => drop(read.insert(slot)),
                None => read.extend(alone.paths().into_iter().map(|path| slots.slot(path, Kind::Value))),
            }
        }
    }
    read.into_iter().collect()
}

/// The cell of a distinct value beside the cell of its group.
#[must_use]
pub fn register_of(register: u32, cell: &Cell) -> Option<Cell> {
    if register == NO_REGISTER {
        return None;
    }
    let group = match cell {
        Cell::Group(key) => Some(GroupId::of(key)),
        _ => None,
    };
    let rank = u8::try_from(register & 0xff).ok()?;
    Some(Cell::Register { group, register: u16::try_from(register >> 8).ok()?, rank })
}

/// What a class of [`Kind::Register`] says.
pub(super) fn register_class(class: u32) -> u32 {
    class.checked_sub(FIRST).unwrap_or(NO_REGISTER)
}
