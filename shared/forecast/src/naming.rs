//! The naming model: which column a table will get, by rules whose precision is measured.
//!
//! Nothing is made up: a rule only names columns that the project has or had. How often a rule was right is
//! counted over the half-years of whole histories ([`measure`]); a rule has nothing that is learnt
//! from a project, so what is counted on some projects is unseen by others.
//!
//! The answer is weak, and the numbers that are shipped say so ([`crate::trained`]): of the columns that
//! the best rule names, one in twenty-five came within half a year, and of the others' one in sixty and one
//! in four hundred. Names from releases, experiments and requests ([`crate::signals`]) are what to go by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::history::{EventKind, HALF_YEAR, History, Seconds};
use crate::life::{Life, Replay};

/// A way of naming columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// The table had it and lost it.
    Returned,
    /// A table with many of the same columns got it in the last half-year.
    LatelyInAlike,
    /// Many tables have it.
    Common,
}

/// The share of columns that two tables must have in common to be alike (Jaccard).
const ALIKE_MIN: f64 = 0.3;
/// The share of tables that must have a column for it to be common, and how many at least.
const COMMON_SHARE_MIN: f64 = 0.25;
const COMMON_TABLES_MIN: usize = 3;

impl Rule {
    /// All with their names in stored text, and what they say.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Returned, "returned", "the table had it before"),
        (Self::LatelyInAlike, "lately_in_alike", "a table with many of the same columns got it lately"),
        (Self::Common, "common", "at least a quarter of the tables have it"),
    ];

    /// Its name in stored text.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, ..)| *one == self).map_or("common", |(_, name, _)| name)
    }

    /// What it says, in words.
    #[must_use]
    pub fn says(self) -> &'static str {
        Self::ALL.iter().find(|(one, ..)| *one == self).map_or("", |(.., says)| says)
    }
}

/// A column that a rule names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The column.
    pub column: Arc<str>,
    /// The type it has where it was seen; empty where that is not known.
    pub typed: Arc<str>,
    /// By which rule.
    pub rule: Rule,
}

/// How often a rule was right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// Columns that came within half a year.
    pub hits: u64,
    /// Columns named.
    pub of: u64,
}

/// The columns that the rules name for the tables there are, each once, by the first rule that does.
#[must_use]
pub fn named(replay: &Replay<'_>, now: Seconds) -> BTreeMap<Arc<str>, Vec<Named>> {
    let tables: Vec<(&Arc<str>, &Life)> = replay.tables().collect();
    let mut holders: BTreeMap<&Arc<str>, (usize, &Arc<str>)> = BTreeMap::new();
    for (_, life) in &tables {
        for (column, typed) in &life.columns {
            holders.entry(column).or_insert((0, typed)).0 += 1;
        }
    }
    let common_min = COMMON_TABLES_MIN.max((COMMON_SHARE_MIN * tables.len() as f64).ceil() as usize);
    let common: Vec<(&Arc<str>, &Arc<str>)> = holders
        .iter()
        .filter(|(_, (n, _))| *n >= common_min)
        .map(|(column, (_, typed))| (*column, *typed))
        .collect();
    let lately = replay.arrivals_after(now - HALF_YEAR);
    let mut all = BTreeMap::new();
    for (name, life) in &tables {
        let mut seen: BTreeSet<&Arc<str>> = life.columns.keys().collect();
        let mut named = Vec::new();
        let mut add = |column: &Arc<str>, typed: Arc<str>, rule: Rule| {
            named.push(Named { column: Arc::clone(column), typed, rule });
        };
        for (column, typed) in &life.retired {
            if seen.insert(column) {
                add(column, Arc::clone(typed), Rule::Returned);
            }
        }
        for arrival in lately.iter().filter(|arrival| arrival.table != **name) {
            let Some(other) = replay.table(&arrival.table) else { continue };
            if likeness(life, other) > ALIKE_MIN && seen.insert(&arrival.column) {
                add(&arrival.column, Arc::clone(&arrival.typed), Rule::LatelyInAlike);
            }
        }
        for (column, typed) in &common {
            if seen.insert(column) {
                add(column, Arc::clone(typed), Rule::Common);
            }
        }
        all.insert(Arc::clone(name), named);
    }
    all
}

fn likeness(one: &Life, other: &Life) -> f64 {
    let both = one.columns.keys().filter(|column| other.columns.contains_key(*column)).count();
    both as f64 / (one.columns.len() + other.columns.len() - both).max(1) as f64
}

/// Counts how often each rule was right, at every half-year of a history whose next one is within it.
#[must_use]
pub fn measure(history: &History) -> BTreeMap<Rule, Record> {
    let mut records: BTreeMap<Rule, Record> = BTreeMap::new();
    let mut added: BTreeMap<(&str, &str), Vec<Seconds>> = BTreeMap::new();
    for event in history.events().iter().filter(|event| event.kind == EventKind::AddColumn) {
        added.entry((&event.table, &event.column)).or_default().push(event.at);
    }
    let Some((began, ended)) = history.span() else { return records };
    let mut replay = Replay::new(history);
    let mut at = began + HALF_YEAR;
    while at + HALF_YEAR <= ended {
        replay.until(at);
        for (table, columns) in named(&replay, at) {
            for named in columns {
                let times = added.get(&(&*table, &*named.column)).map_or(&[][..], Vec::as_slice);
                let record = records.entry(named.rule).or_default();
                record.of += 1;
                record.hits += u64::from(times.iter().any(|time| *time > at && *time <= at + HALF_YEAR));
            }
        }
        at += HALF_YEAR;
    }
    records
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_rule_names_what_the_project_has_or_had_and_is_counted() {
        let day = |n: i64| n * crate::history::DAY;
        let text = format!(
            "at,table,event,column,type\n\
             0,a,initial,id,INT\n0,a,initial,x,INT\n0,a,initial,old,TEXT\n\
             0,b,initial,id,INT\n0,b,initial,x,INT\n0,c,initial,q,INT\n\
             {},a,drop_column,old,TEXT\n{},b,add_column,seen,DATETIME\n\
             {},a,add_column,seen,DATETIME\n{},c,change_type,q,TEXT\n",
            day(100),
            day(120),
            day(200),
            day(900),
        );
        let history = crate::history::read("p", text.as_bytes()).unwrap().history;
        let mut replay = Replay::new(&history);
        replay.until(HALF_YEAR);
        let named = named(&replay, HALF_YEAR);
        let of = |table: &str| -> Vec<(&str, &str, Rule)> {
            named[table].iter().map(|one| (&*one.column, &*one.typed, one.rule)).collect()
        };
        assert_eq!(of("a"), [("old", "TEXT", Rule::Returned), ("seen", "DATETIME", Rule::LatelyInAlike)]);
        assert_eq!(of("c"), []);
        let records = measure(&history);
        assert_eq!(records[&Rule::LatelyInAlike], Record { hits: 1, of: 1 });
        assert_eq!(records[&Rule::Returned].hits, 0);
    }
}
