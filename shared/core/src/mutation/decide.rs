//! The agent's decision: what the stored item becomes by one mutation, or why it is refused.
//!
//! In turn: the stored item is brought to the version in force; the writer sees it as its own version has
//! it, and changes that; the change is brought to the version in force; where the writer read an earlier
//! version of the item, the two are merged or the mutation is refused; what belongs beside the table is
//! parted from it; and all of it is stamped.
//!
//! A function that decides about data conflicts ([`OnConflict::Function`]) is a migration function: it is
//! given an item with the attributes `stored` and `incoming`, each a map, and gives back the item that is
//! to stand. It cannot change the key, and it is not asked about deletions.

use std::collections::BTreeSet;

use super::automerge::automerge;
use super::guard::changed;
use super::lens::written;
use super::refusal::Refusal;
use super::route::{Leg, Route, route};
use super::settings::{OnConflict, TableSettings};
use super::{Intent, Kind, Stamp, without_stamp};
use crate::function::Functions;
use crate::migration::graph::SchemaGraph;
use crate::order::{ItemVersion, Micros};
use crate::shadow::beside::{Parted, joined, latest, part};
use crate::shadow::{ShadowRow, ShadowSchema, ShadowState};
use crate::value::{Item, Value};

/// The schema version in force, and what leads to it.
#[derive(Clone, Copy, Debug)]
pub struct InForce<'a> {
    /// Its number.
    pub number: u32,
    /// The versions of the subject, and what leads from one to another.
    pub graph: &'a SchemaGraph,
}

/// What a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The item's key attributes.
    pub key: &'a Item,
    /// The stored item; `None` is no item.
    pub item: Option<&'a Item>,
    /// What is kept beside the table for it.
    pub row: Option<&'a ShadowRow>,
    /// What the table is believed to get.
    pub shadow: Option<&'a ShadowSchema>,
    /// The schema version in force; `None` where the table has none, and no mutation is in conflict with it.
    pub in_force: Option<InForce<'a>>,
    /// The version that the mutation was written for; `None` is the one in force.
    pub written_for: Option<u32>,
    /// The columns that the version in force has and the one does not that the mutation was written for.
    pub unnamed: &'a BTreeSet<String>,
    /// The version that the stored item is of, where it does not say so; `None` is the one in force.
    pub stored_in: Option<u32>,
    /// The version of the item that the writer read; `None` where it does not say so.
    pub expected: Option<ItemVersion>,
    /// The clock, microseconds since the epoch.
    pub now: Micros,
}

/// A path that was gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// The version before.
    pub from: u32,
    /// The version after.
    pub to: u32,
    /// Names of the functions on the way.
    pub functions: Vec<&'static str>,
}

impl Migrated {
    fn by(route: &Route) -> Option<Self> {
        let (from, to) = route.between;
        (from != to).then(|| Self { from, to, functions: route.names() })
    }
}

/// How a data conflict was resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolved {
    /// The two were merged.
    Merged,
    /// A function decided.
    ByFunction,
}

/// What a mutation makes.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// What the item becomes, stamped; `None` is no item.
    pub item: Option<Item>,
    /// What is kept beside the table for it, where that changes.
    pub row: Option<ShadowRow>,
    /// The item's version from now on.
    pub version: ItemVersion,
    /// The path that the mutation took, where it was written for another version.
    pub migrated: Option<Migrated>,
    /// The path that the stored item took, where it was of another version.
    pub caught_up: Option<Migrated>,
    /// How a data conflict was resolved, where there was one.
    pub resolved: Option<Resolved>,
    /// The item before, as the writer's version has it.
    pub before: Option<Item>,
    /// The item after, as the writer's version has it.
    pub after: Option<Item>,
}

impl Decision {
    /// The outcome as a stable word for logs and metrics.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match (&self.migrated, self.resolved) {
            (_, Some(Resolved::Merged)) => "merged",
            (_, Some(Resolved::ByFunction)) => "resolved-by-function",
            (Some(_), None) => "migrated",
            (None, None) => "as-it-is",
        }
    }
}

/// Decides about one mutation.
///
/// # Errors
/// [`Refusal`]; then nothing is written.
pub fn decide(
    facts: &Facts<'_>,
    intent: &dyn Intent,
    settings: &TableSettings,
    functions: &dyn Functions,
) -> Result<Decision, Refusal> {
    let kind = intent.kind();
    let (stored, caught_up) = stored(facts, kind, settings, functions)?;
    let route = way(facts, kind, settings)?;
    let before = stored.as_ref().map(|item| route.back(item, functions));
    let mut after = intent.after(before.as_ref()).map_err(|_| Refusal::Condition)?;
    if let (Kind::Put, Some(before), Some(after)) = (kind, &before, &mut after) {
        keep_unnamed(before, after, facts);
    }
    let to = made(stored.as_ref(), before.as_ref(), after.as_ref(), &route, functions)?;
    let (to, resolved) = resolved(facts, stored.as_ref(), to, settings, functions)?;
    keeps_key(facts.key, to.as_ref())?;

    let stamp = facts.item.map(Stamp::of).unwrap_or_default();
    let version = stamp.version.max(latest(facts.row)).next(facts.now);
    if resolved.is_some() {
        after = to.as_ref().map(|item| route.back(item, functions));
    }
    let parted = match facts.shadow {
        Some(shadow) => part(facts.item, facts.row, to, shadow, version, facts.now),
        None => Parted { item: to, row: None },
    };
    let mut item = parted.item;
    if let (true, Some(item)) = (settings.stamps, &mut item) {
        Stamp { version, schema: facts.in_force.map(|in_force| in_force.number) }.put(item);
    }
    let migrated = Migrated::by(&route).filter(|_| kind != Kind::Delete);
    Ok(Decision { item, row: parted.row, version, migrated, caught_up, resolved, before, after })
}

/// The stored item in the version in force, with what is kept beside the table for it.
fn stored(
    facts: &Facts<'_>,
    kind: Kind,
    settings: &TableSettings,
    functions: &dyn Functions,
) -> Result<(Option<Item>, Option<Migrated>), Refusal> {
    let Some(item) = facts.item else { return Ok((None, None)) };
    let whole = joined(&without_stamp(item), facts.row, facts.shadow);
    let Some(in_force) = facts.in_force else { return Ok((Some(whole), None)) };
    let of = Stamp::of(item).schema.or(facts.stored_in).unwrap_or(in_force.number);
    if of == in_force.number {
        return Ok((Some(whole), None));
    }
    let caught_up = route(in_force.graph, of, in_force.number, &settings.strategy).and_then(|route| {
        let route = route.without_drops()?;
        Ok((Some(route.forwards(&whole, functions)?), Migrated::by(&route)))
    });
    let needs_it = matches!(kind, Kind::Update | Kind::Check)
        || facts.written_for.is_some_and(|number| number != in_force.number);
    match caught_up {
        // What replaces the item as a whole does not need it in any shape.
        Err(_) if !needs_it || kind == Kind::Delete => Ok((Some(whole), None)),
        caught_up => caught_up,
    }
}

/// The route of the mutation; of no functions where it was written for the version in force.
fn way(facts: &Facts<'_>, kind: Kind, settings: &TableSettings) -> Result<Route, Refusal> {
    let (Some(in_force), Some(from)) = (facts.in_force, facts.written_for) else {
        return Ok(Route::default());
    };
    match route(in_force.graph, from, in_force.number, &settings.strategy) {
        // The key is the same in every version.
        Err(_) if kind == Kind::Delete => Ok(Route::default()),
        route => route,
    }
}

/// A put cannot name a column that its version does not have: it leaves such a column as it is, and so it
/// does a column that is only expected.
fn keep_unnamed(before: &Item, after: &mut Item, facts: &Facts<'_>) {
    let columns = facts.shadow.into_iter().flat_map(ShadowSchema::kept_beside);
    let expected = columns.filter(|(_, column)| column.state == ShadowState::Expected).map(|(name, _)| name);
    for name in expected.chain(facts.unnamed) {
        if let (Some(value), false) = (before.get(name), after.contains_key(name)) {
            after.insert(name.clone(), value.clone());
        }
    }
}

/// What the writer's change makes of the stored item, in the version in force.
fn made(
    stored: Option<&Item>,
    before: Option<&Item>,
    after: Option<&Item>,
    route: &Route,
    functions: &dyn Functions,
) -> Result<Option<Item>, Refusal> {
    let Some(after) = after else { return Ok(None) };
    match (stored, before) {
        (Some(stored), Some(before)) => written(stored, before, after, route, functions).map(Some),
        _ => route.forwards(after, functions).map(Some),
    }
}

fn resolved(
    facts: &Facts<'_>,
    stored: Option<&Item>,
    to: Option<Item>,
    settings: &TableSettings,
    functions: &dyn Functions,
) -> Result<(Option<Item>, Option<Resolved>), Refusal> {
    let version = facts.item.map(Stamp::of).unwrap_or_default().version;
    let Some(expected) = facts.expected.filter(|expected| *expected != version) else {
        return Ok((to, None));
    };
    let (Some(stored), Some(incoming)) = (stored, to) else {
        return Err(Refusal::DataConflict { expected, stored: version });
    };
    match &settings.on_conflict {
        OnConflict::Reject => Err(Refusal::DataConflict { expected, stored: version }),
        OnConflict::Automerge => {
            let came = changed(stored, &incoming);
            let came = came.into_iter().filter_map(|(name, value)| Some((name, value?.clone()))).collect();
            Ok((Some(automerge(stored, &came)), Some(Resolved::Merged)))
        }
        OnConflict::Function(function) => {
            let both = [("stored", Value::Map(stored.clone())), ("incoming", Value::Map(incoming))];
            let both = both.map(|(name, value)| (name.to_owned(), value)).into();
            let made = functions.migrate(function, &both);
            let made = made.map_err(|because| Refusal::Undecided { because })?;
            Ok((Some(made), Some(Resolved::ByFunction)))
        }
    }
}

fn keeps_key(key: &Item, to: Option<&Item>) -> Result<(), Refusal> {
    let Some(to) = to else { return Ok(()) };
    match key.iter().find(|(name, value)| to.get(*name) != Some(*value)) {
        Some((attribute, _)) => Err(Refusal::KeyChanged { attribute: attribute.clone() }),
        None => Ok(()),
    }
}

/// Who reads an item.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The version that it reads for; `None` is the one in force.
    pub reads_for: Option<u32>,
    /// The version that the item is of, where it does not say so; `None` is the one in force.
    pub stored_in: Option<u32>,
    /// The columns that the version in force has and the reader's does not.
    pub unnamed: &'a BTreeSet<String>,
}

/// An item as a reader of a version sees it, read together with what is kept beside the table for it.
/// Reading loses nothing, so every path is allowed.
///
/// # Errors
/// [`Refusal::NoPath`] where nothing leads from the item's version to the reader's, and
/// [`Refusal::Failed`] where the item cannot go the way.
pub fn seen(
    item: &Item,
    row: Option<&ShadowRow>,
    shadow: Option<&ShadowSchema>,
    in_force: Option<InForce<'_>>,
    reader: Reader<'_>,
    functions: &dyn Functions,
) -> Result<Item, Refusal> {
    let whole = crate::shadow::beside::read(&without_stamp(item), row, shadow);
    let Some(InForce { number, graph }) = in_force else { return Ok(whole) };
    let of = Stamp::of(item).schema.or(reader.stored_in).unwrap_or(number);
    let wanted = reader.reads_for.unwrap_or(number);
    let way = |from, to| {
        let path = graph.path(from, to).map_err(|missed| Refusal::NoPath { from, to, missed })?;
        let legs = path.functions.into_iter().map(|function| Leg { function, forbidden: None });
        Ok(Route { between: (from, to), legs: legs.collect() })
    };
    if of == wanted {
        return Ok(whole);
    }
    let current = if of == number { whole } else { way(of, number)?.forwards(&whole, functions)? };
    if wanted == number {
        return Ok(current);
    }
    // As a writer of the version would see it.
    let mut seen = match way(wanted, number) {
        Ok(route) => route.back(&current, functions),
        Err(_) => way(number, wanted)?.forwards(&current, functions)?,
    };
    seen.retain(|name, value| !(reader.unnamed.contains(name) && current.get(name) == Some(&*value)));
    Ok(seen)
}

#[cfg(test)]
mod tests;
