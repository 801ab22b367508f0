//! Owns the classes of columns that nobody has read: a value is read once, and known by its bytes after.

use super::ShortMap;
use super::slot::Slots;
use crate::image::{Columns, Unread};

/// Most values that are known by their bytes of a column of which only places among constants matter, or
/// registers. Reading such a value costs little more than finding it, and a column of amounts has
/// another one in every row.
const PLACED_MAX: usize = 1_024;

/// The columns of a table.
#[derive(Debug, Default)]
pub(super) struct UnreadColumns {
    names: Columns,
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
    /// Their classes, by the bytes of a value.
    known: ShortMap<Box<[u8]>, Box<[u32]>>,
}

impl UnreadColumns {
    /// Columns about which nothing is known yet.
    pub(super) fn new(names: Columns, slots: &mut Slots) -> Self {
        let column = |name: &str| {
            let (slots, tells_values) = slots.of_column(name);
            Column { slots, tells_values, known: ShortMap::default() }
        };
        let columns = names.names().map(column).collect();
        Self { names, columns, absent: slots.absent(), classes: Vec::new() }
    }

    /// How many values are known.
    pub(super) fn kept(&self) -> usize {
        self.columns.iter().map(|column| column.known.len()).sum()
    }

    /// The class of an image's value in every slot; `false` where its columns are others, and nothing is
    /// known of it.
    pub(super) fn classify(&mut self, image: &Unread, slots: &mut Slots, classes: &mut Vec<u32>) -> bool {
        let columns = &image.layout().columns;
        if !columns.is(&self.names) {
            if *columns != self.names {
                return false;
            }
            // Those that follow have this very list.
            self.names = columns.clone();
        }
        classes.clear();
        classes.extend_from_slice(&self.absent);
        for (number, bytes) in image.values() {
            let Some(column) = self.columns.get_mut(number) else { return false };
            let mut put = |known: &[u32]| {
                for (slot, class) in column.slots.iter().zip(known) {
                    if let Some(place) = classes.get_mut(*slot) {
                        *place = *class;
                    }
                }
            };
            let is_kept = column.tells_values || column.known.len() < PLACED_MAX;
            if is_kept && let Some(known) = column.known.get(bytes) {
                put(known);
                continue;
            }
            let value = image.layout().value(bytes);
            self.classes.clear();
            self.classes.extend(column.slots.iter().map(|slot| slots.class_in(*slot, &value)));
            put(&self.classes);
            if is_kept {
                column.known.insert(bytes.into(), self.classes.as_slice().into());
            }
        }
        true
    }
}
