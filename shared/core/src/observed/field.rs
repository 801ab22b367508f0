//! What rows show of one field: a commutative monoid like the whole.

use std::cmp::{max, min};

use super::formats::{FORMATS, format_mask};
use super::sketch::{ValueSketch, value_hash};
use crate::decimal::Decimal;
use crate::order::Micros;
use crate::schema::{FieldType, Format, TypeSet};
use crate::value::Value;

/// Texts that must have a format, all of them, before it is held for certain.
pub const FORMAT_TEXTS_MIN: u64 = 16;

/// Type families that values show, by bit; NULL is one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Family(u8);

impl Family {
    /// NULL.
    pub const NULL: Self = Self(0);
    /// Whole numbers.
    pub const INTEGER: Self = Self(2);
    /// Numbers with digits after the decimal point.
    pub const DECIMAL: Self = Self(3);
    /// Lists.
    pub const LIST: Self = Self(6);
    /// Maps.
    pub const MAP: Self = Self(7);
    /// How many families there are.
    pub const COUNT: usize = 11;

    /// The bit of a value that was not sent: the field is there, its family is not known.
    pub const UNAVAILABLE_BIT: u16 = 1 << 11;

    const TYPES: [FieldType; Self::COUNT] = [
        FieldType::Null,
        FieldType::Bool,
        FieldType::INTEGER,
        FieldType::DECIMAL,
        FieldType::STRING,
        FieldType::BINARY,
        FieldType::List,
        FieldType::Map,
        FieldType::StringSet,
        FieldType::NumberSet,
        FieldType::BinarySet,
    ];

    /// All families in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self).take(Self::COUNT)
    }

    /// The family by its number.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::all().nth(index)
    }

    /// Its number.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its bit.
    #[must_use]
    pub fn bit(self) -> u16 {
        1 << self.0
    }

    /// The bit of a value's family.
    #[must_use]
    pub fn bit_of(value: &Value) -> u16 {
        match value {
            Value::Null => 1,
            Value::Bool(_) => 1 << 1,
            Value::Number(number) if number.is_integer() => 1 << 2,
            Value::Number(_) => 1 << 3,
            Value::String(_) => 1 << 4,
            Value::Binary(_) => 1 << 5,
            Value::List(_) => 1 << 6,
            Value::Map(_) => 1 << 7,
            Value::StringSet(_) => 1 << 8,
            Value::NumberSet(_) => 1 << 9,
            Value::BinarySet(_) => 1 << 10,
            Value::Unavailable => Self::UNAVAILABLE_BIT,
        }
    }

    /// The type it stands for.
    #[must_use]
    pub fn field_type(self) -> FieldType {
        Self::TYPES.get(self.index()).cloned().unwrap_or(FieldType::Null)
    }

    /// The family of values that a type shows; `None` where that depends on the source.
    #[must_use]
    pub fn of_type(one: &FieldType) -> Option<Self> {
        Self::all().find(|family| family.field_type().family() == one.family())
    }
}

/// How often each family was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Families(pub [u64; Family::COUNT]);

impl Families {
    /// How often a family was seen.
    #[must_use]
    pub fn count(&self, family: Family) -> u64 {
        self.0.get(family.index()).copied().unwrap_or_default()
    }

    /// The types seen.
    #[must_use]
    pub fn types(&self) -> TypeSet {
        Family::all().filter(|family| self.count(*family) > 0).map(Family::field_type).collect()
    }
}

/// The formats that every text had so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Formats {
    /// Texts seen; empty ones are left out.
    pub texts: u64,
    /// Formats all of them had, as bits by [`FORMATS`].
    pub all: u8,
}

impl Default for Formats {
    fn default() -> Self {
        Self { texts: 0, all: u8::MAX }
    }
}

impl Formats {
    /// The one format that every text had, once enough were seen.
    #[must_use]
    pub fn certain(&self) -> Option<Format> {
        if self.texts < FORMAT_TEXTS_MIN {
            return None;
        }
        FORMATS.iter().enumerate().find(|(bit, _)| self.all >> bit & 1 == 1).map(|(_, format)| format.clone())
    }
}

/// How large the numbers of a field are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Numbers {
    /// Whether one was negative.
    pub negative: bool,
    /// Most digits before the decimal point.
    pub whole_digits: u16,
    /// Most digits after it.
    pub fraction_digits: u16,
    /// Bits that the widest whole number needs beside its sign; 64 where 63 do not hold it.
    pub bits: u8,
}

impl Numbers {
    fn note(&mut self, number: &Decimal) {
        let digits = i64::try_from(number.significant_digits()).unwrap_or(i64::MAX);
        let whole = number.magnitude() + 1;
        let within = |digits: i64| digits.clamp(0, i64::from(u16::MAX)) as u16;
        self.whole_digits = max(self.whole_digits, within(whole));
        if number.is_integer() {
            let bits = number
                .as_i64()
                .map_or(64, |whole| (64 - (if whole < 0 { !whole } else { whole }).leading_zeros()) as u8);
            self.bits = max(self.bits, bits);
        } else {
            self.fraction_digits = max(self.fraction_digits, within(digits - whole));
        }
        self.negative |= *number < Decimal::zero();
    }

    fn merge(&mut self, other: &Self) {
        self.negative |= other.negative;
        self.whole_digits = max(self.whole_digits, other.whole_digits);
        self.fraction_digits = max(self.fraction_digits, other.fraction_digits);
        self.bits = max(self.bits, other.bits);
    }
}

/// What rows show of one field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObservedField {
    /// Rows that have it.
    pub rows: u64,
    /// How often each family was seen; more often than rows where a list holds several.
    pub families: Families,
    /// How large its numbers are.
    pub numbers: Numbers,
    /// Its longest text in characters, or its longest binary in bytes.
    pub length_max: u64,
    /// The formats of its texts.
    pub formats: Formats,
    /// Which values it holds.
    pub sketch: ValueSketch,
    /// When it was first and last seen, by the time of the rows.
    pub first: Micros,
    /// See [`Self::first`].
    pub last: Micros,
}

impl Default for ObservedField {
    fn default() -> Self {
        Self {
            rows: 0,
            families: Families::default(),
            numbers: Numbers::default(),
            length_max: 0,
            formats: Formats::default(),
            sketch: ValueSketch::default(),
            first: Micros::MAX,
            last: Micros::MIN,
        }
    }
}

impl ObservedField {
    /// Notes one value. The caller counts the row.
    pub(super) fn note(&mut self, value: &Value, at: Micros) {
        self.first = min(self.first, at);
        self.last = max(self.last, at);
        let bit = Family::bit_of(value);
        for (family, count) in self.families.0.iter_mut().enumerate() {
            *count += u64::from(bit >> family & 1);
        }
        match value {
            Value::Number(number) => self.numbers.note(number),
            Value::String(text) => {
                self.length_max = max(self.length_max, text.chars().count() as u64);
                if !text.is_empty() {
                    self.formats.texts += 1;
                    self.formats.all &= format_mask(text);
                }
            }
            Value::Binary(bytes) => self.length_max = max(self.length_max, bytes.len() as u64),
            _ => {}
        }
        if let Some(hash) = value_hash(value) {
            self.sketch.insert(hash);
        }
    }

    /// Adds what another observer saw.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        for (count, more) in self.families.0.iter_mut().zip(other.families.0) {
            *count += more;
        }
        self.numbers.merge(&other.numbers);
        self.length_max = max(self.length_max, other.length_max);
        self.formats.texts += other.formats.texts;
        self.formats.all &= other.formats.all;
        self.sketch.merge(&other.sketch);
        self.first = min(self.first, other.first);
        self.last = max(self.last, other.last);
    }
}
