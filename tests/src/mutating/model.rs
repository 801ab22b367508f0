//! What was meant: the facts of each item, by the writes that were made, and whether the table and what is
//! beside it say the same.

use std::collections::BTreeMap;

use evercount_core::mutation::{Stamp, without_stamp};
use evercount_core::shadow::beside::joined;
use evercount_core::value::{Item, Value};
use evercount_pipeline::memory::State;

use super::plan::{Op, Wanted, slot};
use super::shop::{self, Facts, MOOD};

/// An item as it is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meant {
    /// Its facts.
    pub facts: Facts,
    /// The schema version that it is written in.
    pub schema: u32,
}

/// Everything that was meant.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// What each item was from which tick on, oldest first.
    pub history: BTreeMap<usize, Vec<(u64, Option<Meant>)>>,
    /// The last version of each item, and when it went.
    versions: BTreeMap<usize, (u64, Option<u64>)>,
    /// How often each mutation was made.
    pub made: BTreeMap<u32, u32>,
    /// What was made of which item, and when.
    made_at: Vec<(u64, usize, Option<Meant>, Option<Meant>)>,
    /// Whether items carry versions.
    stamps: bool,
    /// What broke.
    pub broken: Option<String>,
}

impl Model {
    /// An empty table, of items that carry versions or do not.
    #[must_use]
    pub fn of(stamps: bool) -> Self {
        Self { stamps, ..Self::default() }
    }

    /// What an item is.
    #[must_use]
    pub fn now(&self, key: usize) -> Option<Meant> {
        self.history.get(&key).and_then(|all| all.last()).and_then(|(_, meant)| *meant)
    }

    /// What an item is from now on, without anybody having written it through the proxy.
    pub fn set(&mut self, key: usize, tick: u64, meant: Option<Meant>) {
        self.history.entry(key).or_default().push((tick, meant));
    }

    /// A mutation was made: `before` is the stored item that was.
    pub fn mutated(&mut self, op: &Op, before: Option<&Item>, tick: u64, state: &State) {
        *self.made.entry(op.id).or_insert(0) += 1;
        let stored = state.items.get(&shop::row(op.key));
        let was = before.map(|item| Stamp::of(item).version.0).unwrap_or_default();
        if op.expected.is_some_and(|expected| expected != was) {
            self.broke(format!("mutation {} was made against version {was}", op.id));
        }
        let schema = match self.stamps {
            true => stored.and_then(|item| Stamp::of(item).schema),
            false => Some(shop::SETTLED),
        };
        let meant = after(op, self.now(op.key), schema.unwrap_or(1));
        let said = if op.declared && self.stamps { op.version } else { 0 };
        let earlier = self.now(op.key).map_or(0, |meant| meant.schema);
        if stored.is_some() && schema.is_none_or(|schema| schema < earlier.max(said)) {
            self.broke(format!("mutation {} left schema version {schema:?} after {earlier}", op.id));
        }
        self.made_at.push((tick, op.key, self.now(op.key), meant));
        self.set(op.key, tick, meant);
        self.check(op.key, Some(op.began), tick, state);
    }

    /// Values were moved into an item.
    pub fn moved(&mut self, key: usize, tick: u64, state: &State) {
        self.check(key, None, tick, state);
    }

    /// Whether an item is as it is meant, and its version rose.
    fn check(&mut self, key: usize, began: Option<u64>, tick: u64, state: &State) {
        let row = shop::row(key);
        let stored = state.items.get(&row);
        let version = stored.map(|item| Stamp::of(item).version.0);
        let (last, gone) = self.versions.get(&key).copied().unwrap_or_default();
        match version {
            // An item that is written anew by somebody who began before the other one went is of either.
            Some(version)
                if self.stamps
                    && version <= last
                    && gone.is_none_or(|gone| began.is_some_and(|began| began > gone)) =>
            {
                self.broke(format!("item {key} went from version {last} to {version}"));
            }
            Some(version) => drop(self.versions.insert(key, (version, None))),
            None => drop(self.versions.insert(key, (last, Some(gone.unwrap_or(tick))))),
        }
        if let Err(difference) = self.same(key, state) {
            self.broke(difference);
        }
    }

    /// Whether the table and what is beside it say what is meant.
    ///
    /// # Errors
    /// How they differ.
    pub fn same(&self, key: usize, state: &State) -> Result<(), String> {
        let row = shop::row(key);
        let shadow = state.shadow_schemas.get(&row.table);
        let stored = state.items.get(&row);
        let stored = stored.map(|item| joined(&without_stamp(item), state.shadow_rows.get(&row), shadow));
        let meant = self.now(key).map(|meant| shop::item(meant.schema, key, &meant.facts));
        if stored == meant {
            Ok(())
        } else {
            Err(format!("item {key} is {stored:?} and should be {meant:?}"))
        }
    }

    /// Whether a reader of a version saw the item as it was at some moment since `began`.
    ///
    /// # Errors
    /// What it saw.
    pub fn saw(
        &self,
        key: usize,
        began: u64,
        version: Option<u32>,
        seen: Option<&Item>,
    ) -> Result<(), String> {
        let all = self.history.get(&key).map(Vec::as_slice).unwrap_or_default();
        let since = all.iter().rposition(|(tick, _)| *tick <= began).unwrap_or(0);
        let mut then = all[since..].iter().map(|(_, meant)| *meant);
        let was_nothing = all.first().is_none_or(|(tick, _)| *tick > began);
        if (was_nothing && seen.is_none()) || then.any(|meant| is_seen(key, meant, version, seen)) {
            return Ok(());
        }
        Err(format!(
            "a reader of version {version:?} saw of item {key}: {seen:?}, and never was {:?}",
            &all[since..]
        ))
    }

    /// Whether there was no such item at some moment since `began`.
    #[must_use]
    pub fn was_gone(&self, key: usize, began: u64) -> bool {
        self.saw(key, began, None, None).is_ok()
    }

    /// Whether another mutation made the very same of the very same item since this one began: nobody can
    /// tell the two apart, and either will do.
    #[must_use]
    pub fn has_twin(&self, op: &Op) -> bool {
        self.made_at.iter().any(|(tick, key, before, made)| {
            let schema = made.map_or(0, |made| made.schema);
            *tick >= op.began && *key == op.key && after(op, *before, schema) == *made
        })
    }

    /// Whether there was a moment since it began when a mutation would have changed nothing: it is as if it
    /// had been made then, and an item without a version shows no more of it.
    #[must_use]
    pub fn was_nothing_to_do(&self, op: &Op) -> bool {
        let all = self.history.get(&op.key).map(Vec::as_slice).unwrap_or_default();
        let since = all.iter().rposition(|(tick, _)| *tick <= op.began).unwrap_or(0);
        !self.stamps && all[since..].iter().any(|(_, meant)| after(op, *meant, shop::SETTLED) == *meant)
    }

    /// Notes the first thing that broke.
    pub fn broke(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }
}

/// Whether a reader that saw this saw the item that was meant.
fn is_seen(key: usize, meant: Option<Meant>, version: Option<u32>, seen: Option<&Item>) -> bool {
    let (Some(meant), Some(seen)) = (meant, seen) else { return meant.is_none() && seen.is_none() };
    let (versions, asked) = (version.map_or(1..=shop::LAST, |version| version..=version), version.is_some());
    versions.into_iter().any(|version| {
        let mut facts = meant.facts;
        // An item of before the tier has the default in any later version.
        if meant.schema < 2 && version >= 2 && facts.tier.is_none() {
            facts.tier = Some(0);
        }
        let mut expected = shop::item(version, key, &facts);
        match expected.get("mood") {
            None if seen.get("mood") == Some(&Value::String(MOOD.to_owned())) => {
                expected.insert("mood".to_owned(), Value::String(MOOD.to_owned()));
            }
            // A version that does not have the column does not show it, once another does.
            Some(_) if asked && version < shop::LAST && !seen.contains_key("mood") => {
                expected.remove("mood");
            }
            _ => {}
        }
        expected == *seen
    })
}

/// What a mutation means, for an item that is then written in `schema`.
fn after(op: &Op, before: Option<Meant>, schema: u32) -> Option<Meant> {
    let mut stands = before;
    if let Some(meant) = &mut stands
        && meant.schema < 2
        && schema >= 2
    {
        meant.facts.tier = meant.facts.tier.or(Some(0));
    }
    let is_new = before.is_none();
    let knows_tier = op.version >= 2;
    let mut facts = stands.map(|meant| meant.facts).unwrap_or_default();
    match op.wanted {
        Wanted::Delete => return None,
        Wanted::Put(given) => {
            (facts.name, facts.status, facts.level) = (given.name, given.status, given.level);
            if knows_tier {
                facts.tier = given.tier;
            }
            facts.mood = given.mood.or(facts.mood);
        }
        Wanted::Update { mut set, gone } => {
            for (field, goes) in gone.iter().enumerate() {
                let given = *slot(&mut set, field);
                let fact = slot(&mut facts, field);
                *fact = given.or(*fact).filter(|_| !goes);
            }
        }
    }
    if is_new && !knows_tier && schema >= 2 {
        facts.tier = Some(0);
    }
    Some(Meant { facts, schema })
}
