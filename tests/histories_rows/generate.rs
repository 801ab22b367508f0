//! Rows for the columns of a history: values as a connector would show them, from a seeded
//! generator that gives each column habits of its own.
//!
//! Columns of one kind share their domains where real ones do: flags are 0 and 1 everywhere,
//! texts share words, ids share small numbers. What differs from column to column is which kind
//! it is, how wide it ranges, and how often it is empty or NULL.

use std::collections::BTreeMap;

use evercount_core::decimal::Decimal;
use evercount_core::value::{Item, Value};
use fastrand::Rng;

/// What rows show of a type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Shown {
    Integer,
    Decimal,
    Text,
    Binary,
}

/// What rows show of a column of this type text; `None` where the file does not know the type.
///
/// Debezium's defaults: dates are days, DATETIME is milliseconds, TIMESTAMP is ISO text, BIT and
/// the like are numbers here. A decimal without digits after the point is a whole number.
pub fn shown(type_text: &str) -> Option<Shown> {
    let text: String = type_text.to_uppercase();
    let text = text.rsplit('`').next().unwrap_or_default().trim_start_matches("UNSIGNED");
    let word: String = text.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
    let scale = text
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .and_then(|(digits, _)| digits.split_once(','))
        .and_then(|(_, scale)| scale.trim().parse::<u32>().ok());
    Some(match word.as_str() {
        "" => return None,
        _ if word.starts_with("TIMESTAMP") => Shown::Text,
        _ if word.starts_with("DEC") || word.starts_with("NUMERIC") || word.starts_with("NUMBER") => {
            if scale.unwrap_or(0) > 0 { Shown::Decimal } else { Shown::Integer }
        }
        _ if word.starts_with("FLOAT") || word.starts_with("DOUBLE") || word.starts_with("REAL") => {
            Shown::Decimal
        }
        _ if word.contains("INT") || word.starts_with("BOOL") || word.starts_with("BIT") => Shown::Integer,
        _ if word.starts_with("DATE") || word.starts_with("TIME") || word.starts_with("YEAR") => {
            Shown::Integer
        }
        _ if word.starts_with("SERIAL") => Shown::Integer,
        _ if word.contains("BLOB") || word.contains("BINARY") || word.starts_with("BYTEA") => Shown::Binary,
        _ => Shown::Text,
    })
}

/// How a column's values come about.
#[derive(Clone, Debug)]
enum Habit {
    /// A new number for each row.
    Serial,
    /// One of few numbers, from 0.
    Few(i64),
    /// A number up to a bound, small ones more often.
    Count(i64),
    /// A moment.
    Moment,
    /// A fixed-point number with this many digits after the point.
    Money(u32),
    /// One of these texts.
    OneOf(Vec<String>),
    /// Some words.
    Words(usize),
    /// Hexadecimal digits.
    Hex(usize),
    /// A web address or an e-mail address.
    Address(bool),
    /// Bytes.
    Bytes(usize),
    /// An ISO moment.
    IsoMoment,
}

/// A column with its habits.
#[derive(Clone, Debug)]
pub struct Column {
    habit: Habit,
    /// How many of a hundred rows have NULL.
    nulls: u8,
    /// How many of a hundred rows have the type's empty value.
    empty: u8,
    seed: u64,
}

const WORDS: [&str; 40] = [
    "home", "news", "admin", "user", "photo", "summer", "album", "left", "right", "main", "menu", "blog",
    "shop", "cart", "order", "item", "page", "forum", "topic", "post", "poll", "vote", "rank", "group",
    "style", "theme", "lang", "en", "de", "fr", "red", "blue", "green", "small", "large", "open", "closed",
    "yes", "no", "test",
];

/// The digits between the parentheses of a type text.
fn length(type_text: &str) -> Option<usize> {
    let (_, rest) = type_text.split_once('(')?;
    rest.split_once([',', ')'])?.0.trim().parse().ok()
}

impl Column {
    /// A column of a table by its name, type and place.
    pub fn new(seed: u64, name: &str, type_text: &str, is_key: bool) -> Self {
        let mut rng = Rng::with_seed(
            seed ^ name.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte)),
        );
        let upper = type_text.to_uppercase();
        let lower = name.to_lowercase();
        let habit = match shown(type_text).unwrap_or(Shown::Text) {
            Shown::Integer if is_key => Habit::Serial,
            Shown::Integer if upper.contains("DATE") || (lower.contains("time") && upper.contains("INT")) => {
                Habit::Moment
            }
            Shown::Integer
                if upper.starts_with("TINY") || upper.starts_with("BOOL") || upper.starts_with("BIT") =>
            {
                Habit::Few(if rng.u8(..4) > 0 { 2 } else { 6 })
            }
            Shown::Integer if lower.ends_with("id") => Habit::Count([8, 40, 300, 5_000][rng.usize(..4)]),
            Shown::Integer => match rng.u8(..4) {
                0 => Habit::Few(rng.i64(3..8)),
                _ => Habit::Count([20, 500, 20_000, 2_000_000][rng.usize(..4)]),
            },
            Shown::Decimal => Habit::Money(if upper.starts_with("F") { 1 } else { 2 }),
            Shown::Binary => Habit::Bytes(rng.usize(2..20)),
            Shown::Text if upper.starts_with("TIMESTAMP") => Habit::IsoMoment,
            Shown::Text if upper.starts_with("ENUM") || upper.starts_with("SET") => {
                let values = type_text.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
                Habit::OneOf(values.split(',').map(|one| one.trim_matches(['\'', '"']).to_owned()).collect())
            }
            Shown::Text => match (length(type_text), rng.u8(..10)) {
                (Some(32 | 40), 0..5) => Habit::Hex(32),
                (Some(0..8), _) => {
                    Habit::OneOf(WORDS[..rng.usize(2..8)].iter().map(ToString::to_string).collect())
                }
                (_, _) if lower.contains("mail") => Habit::Address(true),
                (_, _) if lower.contains("url") || lower.contains("link") => Habit::Address(false),
                (_, 0..2) => {
                    let from = rng.usize(..30);
                    Habit::OneOf(
                        WORDS[from..from + rng.usize(2..9)].iter().map(ToString::to_string).collect(),
                    )
                }
                (_, 2..5) => Habit::Words(2),
                _ => Habit::Words(5),
            },
        };
        let nulls = if is_key || rng.u8(..10) < 7 { 0 } else { [3, 20, 60, 90][rng.usize(..4)] };
        let empty = if is_key || rng.bool() { 0 } else { [10, 40, 80][rng.usize(..3)] };
        Self { habit, nulls, empty, seed: rng.u64(..) }
    }

    fn value(&self, rng: &mut Rng, row: i64) -> Value {
        if rng.u8(..100) < self.nulls {
            return Value::Null;
        }
        let empty = rng.u8(..100) < self.empty;
        let number = |number: i64| Value::Number(Decimal::from(number));
        match &self.habit {
            Habit::Serial => number(row),
            Habit::Few(_) | Habit::Count(_) | Habit::Moment if empty => number(0),
            Habit::Few(few) => number(rng.i64(0..*few)),
            Habit::Count(bound) => {
                let exponent = rng.f64();
                number(((*bound as f64).powf(exponent)) as i64)
            }
            Habit::Moment => number(1_100_000_000_000 + rng.i64(0..400_000_000) * 1_000),
            Habit::Money(digits) => {
                // One price in five is whole.
                let cents = rng.i64(1..100_000) * if rng.u8(..5) == 0 { 100 } else { 1 };
                Value::Number(Decimal::from_digits(false, &cents.to_string(), -i64::from(*digits)).unwrap())
            }
            Habit::OneOf(_) if empty => Value::String(String::new()),
            Habit::OneOf(values) => Value::String(values[rng.usize(..values.len())].clone()),
            Habit::IsoMoment => {
                let (day, second) = (rng.u32(1..29), rng.u32(..60));
                Value::String(format!("2009-{:02}-{day:02}T10:12:{second:02}Z", rng.u32(1..13)))
            }
            Habit::Bytes(_) if empty => Value::Binary(Vec::new()),
            Habit::Bytes(length) => Value::Binary((0..*length).map(|_| rng.u8(..)).collect()),
            Habit::Words(_) | Habit::Hex(_) | Habit::Address(_) if empty => Value::String(String::new()),
            Habit::Words(count) => {
                let words: Vec<&str> = (0..*count).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
                Value::String(words.join(" "))
            }
            Habit::Hex(length) => Value::String((0..*length).map(|_| rng.digit(16)).collect()),
            Habit::Address(mail) => {
                let word = WORDS[rng.usize(..WORDS.len())];
                let n = rng.u32(..900);
                Value::String(if *mail {
                    format!("{word}{n}@example.org")
                } else {
                    format!("http://{word}.example/{n}")
                })
            }
        }
    }
}

/// A live table: some rows, each with its values, under its columns' current names.
pub struct Table {
    rows: BTreeMap<i64, Item>,
    next: i64,
    rng: Rng,
}

/// How many rows a table holds at least before they are updated.
const ROWS: usize = 40;

impl Table {
    pub fn new(seed: u64) -> Self {
        Self { rows: BTreeMap::new(), next: 1, rng: Rng::with_seed(seed) }
    }

    /// Gives an image the columns it is to have now: the others leave, new ones get a value (or
    /// the one they had under another name), and one of another type is converted.
    fn conform(
        &mut self,
        item: &mut Item,
        columns: &[(String, Column)],
        renamed: &BTreeMap<String, String>,
        row: i64,
    ) {
        for (old, new) in renamed {
            if let Some(value) = item.remove(old) {
                item.insert(new.clone(), value);
            }
        }
        item.retain(|name, _| columns.iter().any(|(column, _)| column == name));
        for (name, column) in columns {
            // What a row gets by itself is the same however often it is asked.
            let mut own = Rng::with_seed(column.seed ^ row.unsigned_abs());
            if !item.contains_key(name) {
                item.insert(name.clone(), column.value(&mut own, row));
            }
        }
    }

    /// Converts every row at once, as a database does.
    pub fn alter(
        &mut self,
        columns: &[(String, Column)],
        renamed: &BTreeMap<String, String>,
        retyped: &[String],
    ) {
        let mut rows = std::mem::take(&mut self.rows);
        for (row, item) in &mut rows {
            item.retain(|name, _| !retyped.contains(name));
            self.conform(item, columns, renamed, *row);
        }
        self.rows = rows;
    }

    /// The next change: key, before and after. Rows that are still in an older shape (an
    /// application that renames as it writes) take the new one when they are updated.
    pub fn change(
        &mut self,
        columns: &[(String, Column)],
        renamed: &BTreeMap<String, String>,
        retyped: &[String],
    ) -> (i64, Option<Item>, Item) {
        let insert = self.rows.len() < ROWS || self.rng.u8(..10) < 4;
        if insert {
            let row = self.next;
            self.next += 1;
            let mut item = Item::new();
            for (name, column) in columns {
                item.insert(name.clone(), column.value(&mut self.rng, row));
            }
            self.rows.insert(row, item.clone());
            // Old rows are left alone after a while.
            if self.rows.len() > 4 * ROWS {
                self.rows.pop_first();
            }
            return (row, None, item);
        }
        let keys: Vec<i64> = self.rows.keys().copied().collect();
        let row = keys[self.rng.usize(..keys.len())];
        let before = self.rows[&row].clone();
        let mut after = before.clone();
        after.retain(|name, _| {
            !retyped.contains(name) || columns.iter().any(|(column, _)| column == name && renamed.is_empty())
        });
        self.conform(&mut after, columns, renamed, row);
        for _ in 0..self.rng.usize(1..3) {
            let (name, column) = &columns[self.rng.usize(..columns.len())];
            if !matches!(column.habit, Habit::Serial) {
                let value = column.value(&mut self.rng, row);
                after.insert(name.clone(), value);
            }
        }
        self.rows.insert(row, after.clone());
        (row, Some(before), after)
    }
}
