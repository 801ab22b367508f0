//! Decides what is said at the end: what was done to the table and to its records, how the counts
//! followed its schema, and each count beside its recount.

mod adjusted;

use std::collections::BTreeSet;

use comfy_table::{Cell as TableCell, Color, presets};
use evercount_core::group::GroupKey;
use evercount_core::logic::LogicVersion;
use evercount_core::reading::{Exactness, Reading};
use evercount_wire::group::{group_json, value_json};
use evercount_wire::predicate::{atom_text, to_text};
use indicatif::HumanCount;
use serde_json::{Value, json};

use super::checking::Recounted;
use super::counting::Totals;
use super::evolution::Release;
use super::faults::Injected;
use super::workload::Writes;
use crate::show;

pub use adjusted::{Adjusted, described};

/// The counts beside a recount, on the way: the writers paused and everything came to rest.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The release whose changes had been followed.
    pub release: Release,
    /// Orders that were recounted.
    pub orders: u64,
    /// Whether every count equalled its recount.
    pub is_equal: bool,
}

/// A count beside a recount of the table.
pub struct Compared {
    /// What was counted live.
    pub live: Reading,
    /// What a scan of the table gives.
    pub recount: Reading,
}

impl Compared {
    /// Whether the two are the same in every number.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        let (live, recount) = (&self.live, &self.recount);
        live.groups == recount.groups
            && live.overflow == recount.overflow
            && live.missing == recount.missing
            && live.total == recount.total
    }

    /// The groups of either, largest first, with both numbers.
    fn groups(&self) -> Vec<(&GroupKey, i64, i64)> {
        let keys: BTreeSet<&GroupKey> = self.live.groups.keys().chain(self.recount.groups.keys()).collect();
        let of = |reading: &Reading, key| reading.groups.get(key).copied().unwrap_or(0);
        let mut groups: Vec<_> =
            keys.into_iter().map(|key| (key, of(&self.live, key), of(&self.recount, key))).collect();
        groups.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(b.0)));
        groups
    }

    /// How many items lacked the attribute of a test, by test, with both numbers.
    fn missing(&self) -> Vec<(String, i64, i64)> {
        let atoms: BTreeSet<u16> =
            self.live.missing.keys().chain(self.recount.missing.keys()).copied().collect();
        let filter = self.live.logic.definition.filter.as_ref();
        let tests = filter.map(|filter| filter.atoms()).unwrap_or_default();
        let of = |reading: &Reading, atom| reading.missing.get(&atom).copied().unwrap_or(0);
        let named =
            |atom: u16| tests.get(usize::from(atom)).map_or_else(|| atom.to_string(), |test| atom_text(test));
        atoms.into_iter().map(|atom| (named(atom), of(&self.live, atom), of(&self.recount, atom))).collect()
    }
}

/// Everything the demo found.
pub struct Outcome {
    /// The seed of the workload and of the faults.
    pub seed: u64,
    /// How long the demo took, seconds.
    pub seconds: f64,
    /// How long the table changed, seconds.
    pub written_seconds: f64,
    /// What was written.
    pub writes: Writes,
    /// What was done to the records.
    pub injected: Injected,
    /// Whether the crash hit a batch.
    pub crashed_in_a_batch: bool,
    /// Records handed to a counter, and how many of them once more.
    pub delivered: (u64, u64),
    /// What the counters reported.
    pub totals: Totals,
    /// Rows for which the source was asked.
    pub rechecked: u64,
    /// What became of the plans for changes that counts read.
    pub adjusted: Vec<Adjusted>,
    /// How many plans found that nothing their count reads had changed.
    pub untouched: u64,
    /// The counts beside a recount on the way.
    pub checkpoints: Vec<Checkpoint>,
    /// The counts beside a recount at the end.
    pub end: Recounted,
}

impl Outcome {
    /// Whether every count followed the schema, equalled its recount whenever it was held against
    /// one, and says of itself that it is exact.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.end.is_right()
            && self.checkpoints.iter().all(|one| one.is_equal)
            && self.adjusted.iter().all(Adjusted::is_done)
    }

    fn units_a_record(&self) -> f64 {
        // So few records that the conversion is exact.
        self.totals.write_units / self.totals.tally.read.max(1) as f64
    }

    /// The outcome as one document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (injected, tally) = (&self.injected, &self.totals.tally);
        let numbers = |name: &str, what: Value, live: i64, recount: i64| json!({name: what, "live": live, "recount": recount});
        let count = |count: &Compared| {
            let groups: Vec<Value> = count
                .groups()
                .into_iter()
                .map(|(key, live, recount)| numbers("key", group_json(key), live, recount))
                .collect();
            let missing: Vec<Value> = count
                .missing()
                .into_iter()
                .map(|(test, live, recount)| numbers("atom", json!(test), live, recount))
                .collect();
            json!({
                "name": count.live.logic.id.definition.as_str(),
                "version": count.live.logic.id.number,
                "groups": groups,
                "missing": missing,
                "exact": count.live.is_exact(),
                "equal": count.is_equal(),
            })
        };
        let checkpoint = |one: &Checkpoint| json!({"after": one.release.name(), "orders": one.orders, "equal": one.is_equal});
        json!({
            "seed": self.seed,
            "seconds": (self.seconds * 1e3).round() / 1e3,
            "orders_written": self.writes.total(),
            "writes": {
                "inserts": self.writes.inserts,
                "updates": self.writes.updates,
                "deletes": self.writes.deletes,
                "expired": self.writes.expired,
            },
            "orders_left": self.end.orders,
            "records": {
                "captured": injected.records,
                "delivered": self.delivered.0,
                "read": tally.read,
                "applied": tally.applied,
                "duplicates": tally.duplicates,
                "late": tally.late,
                "passed": tally.passed,
                "ambiguous": tally.ambiguous,
                "quarantined": tally.quarantined,
            },
            "injected": {
                "duplicates": injected.duplicates,
                "replayed": injected.replayed,
                "reordered": injected.reordered,
                "overtaken": injected.overtaken,
                "crashes": 1,
                "crashed_in_a_batch": self.crashed_in_a_batch,
                "delivered_again": self.delivered.1,
                "shard_splits": 1,
            },
            "rechecked": self.rechecked,
            "cost": {
                "write_units": self.totals.write_units,
                "transactions": self.totals.commits,
                "write_units_a_record": (self.units_a_record() * 100.0).round() / 100.0,
            },
            "adjustments": self.adjusted.iter().map(Adjusted::to_json).collect::<Vec<_>>(),
            "not_affected": self.untouched,
            "checkpoints": self.checkpoints.iter().map(checkpoint).collect::<Vec<_>>(),
            "counts": self.end.counts.iter().map(count).collect::<Vec<_>>(),
            "equal": self.end.counts.iter().all(Compared::is_equal),
        })
    }

    /// Prints the outcome for a person.
    pub fn print(&self) {
        self.print_story();
        adjusted::print(&self.adjusted, self.untouched);
        self.end.counts.iter().for_each(print_count);
        self.print_verdict();
    }

    fn print_story(&self) {
        let (writes, injected, tally) = (&self.writes, &self.injected, &self.totals.tally);
        let told = |n: u64, text: &str| show::line(format!("  {:>7}  {text}", HumanCount(n).to_string()));
        show::line("");
        show::line(format!("What happened to the table in {:.0} s", self.written_seconds));
        told(writes.inserts, "orders placed");
        told(writes.updates, "orders changed");
        told(writes.deletes, "orders deleted");
        told(writes.expired, "abandoned carts removed by their time to live");
        let releases = Release::LATER.len() as u64;
        told(releases, "releases of the application, each with another shape of an order");
        show::line("");
        show::line("What was done to its records on the way to the counter");
        told(injected.records, "captured");
        told(injected.duplicates, "put on the stream twice");
        told(injected.replayed, "old ones put on the stream once more");
        told(injected.reordered, "put behind a record that was written later,");
        told(injected.overtaken, "of these behind a later change of the same order");
        told(1, "shard of 2 split while it was read");
        let crash = if self.crashed_in_a_batch { "crash in the middle of a batch" } else { "crash" };
        told(1, &format!("{crash}; the next counter started cold, from an older position,"));
        told(self.delivered.1, "records were therefore delivered again");
        show::line("");
        show::line("What the counter made of them");
        told(tally.applied, "applied");
        told(tally.duplicates, "duplicates absorbed");
        told(tally.late, "came too late: a newer change of the order was counted already");
        let asked = HumanCount(self.rechecked);
        told(
            tally.ambiguous,
            &format!("could not be ordered by time and images; {asked} orders were looked up in the table"),
        );
        told(tally.quarantined, "quarantined");
        show::line(format!("  {:>7.2}  write units a record", self.units_a_record()));
    }

    fn print_verdict(&self) {
        show::line("");
        let counts = &self.end.counts;
        let wrong = counts.iter().filter(|count| !count.is_equal()).count();
        let inexact = counts.iter().filter(|count| !count.live.is_exact()).count();
        let off = self.checkpoints.iter().filter(|one| !one.is_equal).count();
        let open = self.adjusted.iter().filter(|one| !one.is_done()).count();
        let (seconds, counts) = (self.seconds, counts.len());
        if self.is_right() {
            show::line(format!(
                "✓ All {counts} counts equal a recount of the {} orders that are left,",
                HumanCount(self.end.orders)
            ));
            show::line(format!(
                "  as they did at {} moments on the way, whenever the clerks paused ({seconds:.1} s in all).",
                self.checkpoints.len()
            ));
        } else {
            show::line(format!(
                "✗ Of {counts} counts {wrong} differ from a recount and {inexact} are not exact; {off} of {} recounts on the way",
                self.checkpoints.len()
            ));
            show::line(format!(
                "  gave something else, and {open} changes of the schema were not followed; seed {} ({seconds:.1} s in all).",
                self.seed
            ));
        }
    }
}

fn print_count(count: &Compared) {
    let logic = &count.live.logic;
    show::line("");
    show::line(title(logic));
    let paths: Vec<String> = logic.definition.group_by.iter().map(ToString::to_string).collect();
    let mut headers: Vec<&str> = paths.iter().map(String::as_str).collect();
    if headers.is_empty() {
        headers.push("items");
    }
    headers.extend(["live", "recount", ""]);
    let mut table = show::table(&headers, 3);
    // Many short rows: lines between them would hide the numbers.
    table.load_style(presets::NOTHING);
    let mut add = |names: Vec<String>, live: i64, recount: i64| {
        let mut row: Vec<TableCell> = names.into_iter().map(TableCell::new).collect();
        row.extend([TableCell::new(live), TableCell::new(recount), mark(live == recount)]);
        table.add_row(row);
    };
    for (key, live, recount) in count.groups() {
        add(names(logic, key), live, recount);
    }
    if paths.is_empty() {
        for (test, live, recount) in count.missing() {
            add(vec![format!("(lacks the attribute in `{test}`)")], live, recount);
        }
    }
    show::line(table.trim_fmt());
    if let Exactness::Inexact(doubts) = &count.live.exactness {
        doubts.iter().for_each(|doubt| show::line(format!("  note: {}", doubt.sentence())));
    }
}

fn title(logic: &LogicVersion) -> String {
    let filter = logic.definition.filter.as_ref().map(|filter| format!("  where {}", to_text(filter)));
    format!("{} v{}{}", logic.id.definition, logic.id.number, filter.unwrap_or_default())
}

/// A group's values in the order of the definition, one for each column.
fn names(logic: &LogicVersion, key: &GroupKey) -> Vec<String> {
    let paths = &logic.definition.group_by;
    if paths.is_empty() {
        return vec!["(all)".to_owned()];
    }
    let name = |path| match key.parts().iter().find(|(of, _)| of == path).map(|(_, value)| value_json(value))
    {
        None => "(absent)".to_owned(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    paths.iter().map(name).collect()
}

fn mark(is_equal: bool) -> TableCell {
    let (sign, color) = if is_equal { ("✓", Color::Green) } else { ("✗", Color::Red) };
    let cell = TableCell::new(sign);
    // See <https://no-color.org>.
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) { cell } else { cell.fg(color) }
}
