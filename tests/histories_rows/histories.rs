//! Five projects' schema histories as row images only, 200 rows a version.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{ChangeKind, SchemaChange};
use evercount_core::value::{Item, Value};
use evercount_tests::histories::{self, History, Kind, Version};
use fastrand::Rng;

use crate::generate::{Column, Shown, Table, shown};
use crate::listener::{Listener, Row};

/// Rows of each version.
const ROWS: usize = 200;
/// Rows with a value that a type shows itself in.
const TYPED_ROWS_MIN: usize = 20;

/// Counts of one project.
#[derive(Clone, Default, Debug)]
pub struct Figures {
    adds: [usize; 2],
    drops: [usize; 2],
    retypes: [usize; 2],
    renames: [usize; 2],
    /// Retypes that change no value: a length, a width, a name for the same thing.
    silent: usize,
    /// Retypes of columns that hold (almost) only NULL, and how many of these were found anyway.
    empty: [usize; 2],
    /// Planted renames found as a drop and an add.
    in_two: usize,
    false_alarms: usize,
    false_renames: usize,
    changes: usize,
    examples: Vec<String>,
}

impl Figures {
    fn and(mut self, other: &Self) -> Self {
        for (a, b) in [
            (&mut self.adds, other.adds),
            (&mut self.drops, other.drops),
            (&mut self.retypes, other.retypes),
            (&mut self.renames, other.renames),
            (&mut self.empty, other.empty),
        ] {
            a[0] += b[0];
            a[1] += b[1];
        }
        self.silent += other.silent;
        self.in_two += other.in_two;
        self.false_alarms += other.false_alarms;
        self.false_renames += other.false_renames;
        self.changes += other.changes;
        self.examples.extend(other.examples.iter().cloned());
        self
    }

    fn recall(&self) -> f64 {
        let [found, all] = [0, 1].map(|at| self.adds[at] + self.drops[at] + self.retypes[at]);
        found as f64 / all.max(1) as f64
    }

    fn false_alarm_share(&self) -> f64 {
        self.false_alarms as f64 / self.changes.max(1) as f64
    }
}

/// How renames are planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Planted {
    None,
    /// The database renames: every row at once, images before a change included.
    ByDatabase,
    /// The application renames as it writes: the image before an update has the old name.
    ByApplication,
}

fn seed(project: &str, table: &str) -> u64 {
    project
        .bytes()
        .chain(table.bytes())
        .fold(17, |hash: u64, byte| hash.wrapping_mul(131).wrapping_add(u64::from(byte)))
}

/// Replays one table's life and compares.
fn life(project: &str, versions: &[&Version], planted: Planted) -> Figures {
    let mut figures = Figures::default();
    let seed = seed(project, &versions[0].table);
    let mut rng = Rng::with_seed(seed);
    let key = versions[0].columns[0].0.clone();
    let mut table = Table::new(seed);
    let mut listener = Listener::new(1, vec![FieldPath::column(&key)]);
    // Planted names, by the name in the history.
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut was: BTreeMap<String, String> = BTreeMap::new();
    let mut values: BTreeMap<String, usize> = BTreeMap::new();
    let mut quiet: BTreeSet<String> = BTreeSet::new();
    let place = |version: &Version| format!("{project} {} {}", version.table, version.at);
    let mut number = 0;
    for (at, version) in versions.iter().enumerate() {
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        let mut renamed: BTreeMap<String, String> = BTreeMap::new();
        let now: BTreeMap<String, String> = version.columns.iter().cloned().collect();
        if planted != Planted::None && at > 0 {
            let candidates: Vec<&String> =
                now.keys().filter(|name| was.get(*name) == now.get(*name) && **name != key).collect();
            if !candidates.is_empty() {
                let name = candidates[rng.usize(..candidates.len())];
                let current = names.get(name).unwrap_or(name).clone();
                let new = match rng.u8(..4) {
                    0 => format!("{current}_v{at}"),
                    1 => format!("x{at}_{current}"),
                    2 => format!("{}_{at}", current.split('_').next_back().unwrap()),
                    _ => format!("field{at}"),
                };
                if !now.contains_key(&new) && !names.values().any(|name| *name == new) {
                    renamed.insert(current.clone(), new.clone());
                    names.insert(name.clone(), new.clone());
                    *expected
                        .entry(format!(
                            "rename {} to {}",
                            FieldPath::column(&current),
                            FieldPath::column(&new)
                        ))
                        .or_default() += 1;
                }
            }
        }
        names.retain(|name, _| now.contains_key(name) || was.contains_key(name));
        let name_of = |name: &String| names.get(name).cloned().unwrap_or_else(|| name.clone());
        let columns: Vec<(String, Column)> = version
            .columns
            .iter()
            .map(|(name, type_text)| (name_of(name), Column::new(seed, name, type_text, *name == key)))
            .collect();
        let mut retyped = Vec::new();
        for (name, type_text) in &now {
            let column = FieldPath::column(&name_of(name));
            match was.get(name) {
                None if at > 0 => *expected.entry(format!("add {column}")).or_default() += 1,
                Some(before) if before != type_text => {
                    if shown(before).unwrap_or(Shown::Text) != shown(type_text).unwrap_or(Shown::Text) {
                        retyped.push(name_of(name));
                    } else {
                        figures.silent += 1;
                    }
                }
                _ => {}
            }
        }
        for name in was.keys().filter(|name| !now.contains_key(*name)) {
            *expected.entry(format!("drop {}", FieldPath::column(&name_of(name)))).or_default() += 1;
        }
        if planted != Planted::ByApplication {
            table.alter(&columns, &renamed, &retyped);
        }
        let mut held: BTreeMap<String, usize> = BTreeMap::new();
        let rows: Vec<Row> = (0..ROWS)
            .map(|_| {
                number += 1;
                let (key, before, after): (i64, Option<Item>, Item) =
                    table.change(&columns, &renamed, &retyped);
                for (name, value) in &after {
                    *held.entry(name.clone()).or_default() += usize::from(*value != Value::Null);
                }
                let version = OrderVersion::lsn(0, number as u64, 0, LogRank::Change);
                Row {
                    key: key.unsigned_abs(),
                    before,
                    after: Some(after),
                    version,
                    at: version_time(number),
                    number,
                }
            })
            .collect();
        for name in &retyped {
            let seen =
                |rows: &BTreeMap<String, usize>| rows.get(name).copied().unwrap_or(0) >= TYPED_ROWS_MIN;
            if seen(&held) && (seen(&values) || renamed.values().any(|new| new == name)) {
                *expected.entry(format!("retype {}", FieldPath::column(name))).or_default() += 1;
            } else {
                figures.empty[1] += 1;
                quiet.insert(format!("retype {}", FieldPath::column(name)));
            }
        }
        values = held;
        listener.batch(0, &rows);
        figures.compare(&place(version), expected, &mut quiet, std::mem::take(&mut listener.found));
        was = now;
    }
    figures
}

fn version_time(number: usize) -> i64 {
    1_000_000_000_000_000 + number as i64 * 1_000
}

impl Figures {
    fn compare(
        &mut self,
        place: &str,
        mut expected: BTreeMap<String, usize>,
        quiet: &mut BTreeSet<String>,
        found: Vec<crate::listener::Found>,
    ) {
        for (text, count) in &expected {
            self.kind(text)[1] += count;
            self.changes += count;
        }
        let mut others: BTreeMap<String, Vec<&SchemaChange>> = BTreeMap::new();
        for one in &found {
            let text = crate::captures::text(&one.detected.change.kind);
            match expected.get_mut(&text).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    self.kind(&text)[0] += 1;
                }
                None if quiet.remove(&text) => self.empty[0] += 1,
                None => others.entry(text).or_default().push(&one.detected.change),
            }
        }
        for (text, left) in expected.into_iter().filter(|(_, left)| *left > 0) {
            let names = text.strip_prefix("rename ").and_then(|names| names.split_once(" to "));
            if let Some((from, to)) = names {
                let parts = [format!("drop {from}"), format!("add {to}")];
                if parts.iter().all(|part| others.contains_key(part)) {
                    parts.iter().for_each(|part| {
                        others.remove(part);
                    });
                    self.in_two += 1;
                    continue;
                }
            }
            self.examples.push(format!("missed {left}: {place} {text}"));
        }
        for (text, changes) in others {
            self.false_alarms += changes.len();
            for change in changes {
                self.false_renames += usize::from(matches!(change.kind, ChangeKind::RenameColumn { .. }));
                self.examples.push(format!("not so: {place} {text}: {}", change.evidence.sentence()));
            }
        }
    }

    fn kind(&mut self, text: &str) -> &mut [usize; 2] {
        match text.split(' ').next() {
            Some("add") => &mut self.adds,
            Some("drop") => &mut self.drops,
            Some("rename") => &mut self.renames,
            _ => &mut self.retypes,
        }
    }
}

/// The lives of a project's tables: from creation to drop.
fn lives(history: &History) -> Vec<Vec<&Version>> {
    let mut lives = Vec::new();
    for versions in history.tables().into_values() {
        let ends = |version: &&Version| version.events.iter().any(|event| event.kind == Kind::DropTable);
        for life in versions.split_inclusive(ends) {
            let life: Vec<&Version> =
                life.iter().copied().filter(|version| !version.columns.is_empty()).collect();
            if !life.is_empty() {
                lives.push(life);
            }
        }
    }
    lives
}

fn measure(planted: Planted) -> Figures {
    let mut all = Figures::default();
    println!("\nrenames planted: {planted:?}");
    println!(
        "| project | adds | drops | retypes | recall % | false alarms % | retypes that change no value | retypes of (nearly) only NULL | renames | as drop and add | false renames |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let line = |name: &str, figures: &Figures| {
        let of = |[found, all]: [usize; 2]| format!("{found} of {all}");
        println!(
            "| {name} | {} | {} | {} | {:.2} | {:.2} | {} | {} | {} | {} | {} |",
            of(figures.adds),
            of(figures.drops),
            of(figures.retypes),
            100.0 * figures.recall(),
            100.0 * figures.false_alarm_share(),
            figures.silent,
            of(figures.empty),
            of(figures.renames),
            figures.in_two,
            figures.false_renames
        );
    };
    for history in histories::all() {
        let mut of_project = Figures::default();
        for life_of in lives(&history) {
            of_project = of_project.and(&life(&history.project, &life_of, planted));
        }
        line(&history.project, &of_project);
        all = all.and(&of_project);
    }
    line("all", &all);
    let kinds: BTreeSet<&str> = all.examples.iter().map(String::as_str).collect();
    kinds.iter().rev().take(12).for_each(|example| println!("  {example}"));
    all
}

#[test]
fn rows_alone_show_what_was_added_dropped_and_retyped() {
    let all = measure(Planted::None);
    if all.changes > 0 {
        assert!(all.recall() >= 0.99, "recall {:.4}", all.recall());
        assert!(all.false_alarm_share() <= 0.01, "false alarms {:.4}", all.false_alarm_share());
    }
}

#[test]
fn renames_that_were_planted_are_found_and_others_are_not_made_up() {
    for planted in [Planted::ByDatabase, Planted::ByApplication] {
        let all = measure(planted);
        let [found, planted] = all.renames;
        if planted > 0 {
            let precision = found as f64 / (found + all.false_renames).max(1) as f64;
            println!("precision {precision:.4}, recall {:.4}", found as f64 / planted as f64);
            assert!(precision >= 0.95, "precision {precision:.4}");
        }
    }
}
