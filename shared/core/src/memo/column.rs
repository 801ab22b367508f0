//! Owns the way from an image's columns to classes. A column that nobody has read is read once for each value,
//! and known by its bytes after.

use std::hash::{Hash, Hasher};
use std::iter;

use super::ShortMap;
use super::slot::Slots;
use crate::decimal::ShortDecimal;
use crate::image::{Columns, Frame, ImageRef, UnreadRef};
use crate::value::Item;

/// Most values that are known by their bytes of a column of which only places among constants matter, or
/// registers. Such a column may have another one in every row.
const PLACED_MAX: usize = 1_024;

/// Most bytes of a whole image that is known by its bytes; columns that are longer have many values.
const KEY_BYTES_MAX: usize = 512;

/// What marks the number and a class of a column that is only compared, and not the number of one whose value
/// follows: those are small.
const COMPARED: u64 = 1 << 63;

/// The columns of a table that counts read.
#[derive(Debug, Default)]
pub(super) struct ReadColumns {
    names: Columns,
    /// In the order of their names.
    columns: Vec<Column>,
    /// The class of every slot for an image without any column.
    absent: Vec<u32>,
    /// Of the value at hand.
    classes: Vec<u32>,
}

/// One column.
#[derive(Debug, Default)]
struct Column {
    /// The slots whose paths begin with it.
    slots: Vec<usize>,
    /// Whether any of them tells each value from every other.
    tells_values: bool,
    /// Whether all of them tell by how a short number compares.
    compares: bool,
    /// Where the classes of a value begin among [`Self::classes`], by its bytes.
    known: ShortMap<ShortBytes, usize>,
    /// The same of values that are longer.
    known_long: ShortMap<Box<[u8]>, usize>,
    classes: Vec<u32>,
}

impl Column {
    /// How many values are known.
    fn kept(&self) -> usize {
        self.known.len() + self.known_long.len()
    }

    /// The classes of a value, where they are known.
    fn classes_of(&self, bytes: &[u8]) -> Option<&[u32]> {
        let known = match ShortBytes::of(bytes) {
            Some(short) => self.known.get(&short)?,
            None => self.known_long.get(bytes)?,
        };
        self.classes.get(*known..)
    }

    /// A short number of which only matters how it compares.
    fn number(&self, image: UnreadRef<'_>, bytes: &[u8]) -> Option<ShortDecimal> {
        if self.compares { (image.layout().read_number)(bytes) } else { None }
    }

    fn note(&mut self, bytes: &[u8], classes: &[u32]) {
        let begin = self.classes.len();
        self.classes.extend_from_slice(classes);
        match ShortBytes::of(bytes) {
            Some(short) => drop(self.known.insert(short, begin)),
            None => drop(self.known_long.insert(bytes.into(), begin)),
        }
    }
}

/// The bytes of a short value and their number, which are compared in four steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ShortBytes([u64; 4]);

impl ShortBytes {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0; 32];
        let (last, front) = padded.split_last_mut()?;
        front.get_mut(..bytes.len())?.copy_from_slice(bytes);
        *last = u8::try_from(bytes.len()).ok()?;
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(padded.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Some(Self(words))
    }
}

impl Hash for ShortBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|word| state.write_u64(*word));
    }
}

impl ReadColumns {
    /// Columns about which nothing is known yet.
    pub(super) fn new(names: Columns, slots: &mut Slots) -> Self {
        let column = |name: &str| {
            let of_column = slots.of_column(name);
            let tells_values = of_column.iter().any(|slot| slots.tells_values(*slot));
            let compares = of_column.iter().all(|slot| slots.compares(*slot));
            Column { slots: of_column, tells_values, compares, ..Column::default() }
        };
        let columns = names.names().map(column).collect();
        Self { names, columns, absent: slots.absent(), classes: Vec::new() }
    }

    /// How many values are known.
    pub(super) fn kept(&self) -> usize {
        self.columns.iter().map(Column::kept).sum()
    }

    /// The class of an image's value in every slot.
    pub(super) fn classify(&mut self, image: ImageRef<'_>, slots: &mut Slots, classes: &mut Vec<u32>) {
        classes.clear();
        classes.extend_from_slice(&self.absent);
        match image {
            ImageRef::Item(item) => self.classify_item(item, slots, classes),
            ImageRef::Unread(unread) if self.has_numbers_of(unread) => {
                self.classify_unread(unread, slots, classes);
            }
            ImageRef::Unread(unread) => self.classify_item(&unread.item(), slots, classes),
        }
    }

    /// What the judgement of an image depends on: the bytes of its columns that are no numbers, and, written
    /// down in words, those of its numbers, or the classes of one that is only compared. `None` where it is too much.
    pub(super) fn key<'i>(
        &mut self,
        image: ImageRef<'i>,
        slots: &Slots,
        written: &mut Vec<u64>,
    ) -> Option<&'i [u8]> {
        let ImageRef::Unread(unread) = image else { return None };
        if !self.has_numbers_of(unread) {
            return None;
        }
        let (others, frames) = unread.apart();
        written.clear();
        for frame in frames {
            let Some(column) = self.columns.get(frame.column) else { continue };
            match column.number(unread, frame.value) {
                Some(number) => {
                    let column_number = COMPARED | (frame.column as u64) << 32;
                    let classes = column.slots.iter().map(|slot| slots.class_of(*slot, number));
                    written.extend(classes.map(|class| column_number | u64::from(class)));
                }
                None => written.extend(words(frame)),
            }
        }
        (others.len() + size_of_val(written.as_slice()) <= KEY_BYTES_MAX).then_some(others)
    }

    fn classify_item(&self, item: &Item, slots: &mut Slots, classes: &mut [u32]) {
        // Both are in the order of names.
        let mut columns = self.names.names().zip(&self.columns).peekable();
        for (name, value) in item {
            while let Some((known, column)) = columns.next_if(|(known, _)| *known <= name.as_str()) {
                if known == name {
                    for slot in &column.slots {
                        let class = slots.class_in(*slot, value);
                        put(classes, *slot, class);
                    }
                    break;
                }
            }
        }
    }

    /// Whether the columns of an image have the numbers that they have here.
    fn has_numbers_of(&mut self, image: UnreadRef<'_>) -> bool {
        let columns = &image.layout().columns;
        if columns.is(&self.names) {
            return true;
        }
        if *columns != self.names {
            return false;
        }
        // Those that follow have this very list.
        self.names = columns.clone();
        true
    }

    fn classify_unread(&mut self, image: UnreadRef<'_>, slots: &mut Slots, classes: &mut [u32]) {
        for Frame { column, value: bytes } in image.frames() {
            let Some(column) = self.columns.get_mut(column) else { continue };
            if let Some(number) = column.number(image, bytes) {
                column.slots.iter().for_each(|slot| put(classes, *slot, slots.class_of(*slot, number)));
                continue;
            }
            if let Some(known) = column.classes_of(bytes) {
                column.slots.iter().zip(known).for_each(|(slot, class)| put(classes, *slot, *class));
                continue;
            }
            let value = image.layout().value(bytes);
            self.classes.clear();
            self.classes.extend(column.slots.iter().map(|slot| slots.class_in(*slot, &value)));
            column.slots.iter().zip(&self.classes).for_each(|(slot, class)| put(classes, *slot, *class));
            if column.tells_values || column.kept() < PLACED_MAX {
                column.note(bytes, &self.classes);
            }
        }
    }
}

/// A column in words: its number and the length of its value, and the bytes of that.
fn words(frame: Frame<'_>) -> impl Iterator<Item = u64> {
    let head = (frame.column as u64) << 32 | frame.value.len() as u64;
    let value = frame.value.chunks(size_of::<u64>()).map(|bytes| {
        let mut padded = [0; size_of::<u64>()];
        padded.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        u64::from_le_bytes(padded)
    });
    iter::once(head).chain(value)
}

fn put(classes: &mut [u32], slot: usize, class: u32) {
    if let Some(place) = classes.get_mut(slot) {
        *place = class;
    }
}
