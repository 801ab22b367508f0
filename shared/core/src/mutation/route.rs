//! Which path a mutation takes from the version it was written for, or why none.

use super::refusal::Refusal;
use super::settings::{Strategy, loses};
use crate::function::Functions;
use crate::migration::function::{Failure, MigrationFunction};
use crate::migration::graph::{SchemaGraph, SchemaPath, Source, nearest_back};
use crate::value::Item;

/// A path with what the strategy says of each function on it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Route {
    /// The version before, and the one after.
    pub between: (u32, u32),
    /// The functions in turn.
    pub legs: Vec<Leg>,
}

/// One function of a path.
#[derive(Clone, PartialEq, Debug)]
pub struct Leg {
    /// The function.
    pub function: MigrationFunction,
    /// Why the strategy does not allow it. A mutation that touches nothing of what it is about goes past it.
    pub forbidden: Option<Refusal>,
}

/// The cheapest path that the strategy allows; where it allows none, the cheapest one, with what it minds.
///
/// # Errors
/// [`Refusal::NoPath`] where nothing leads there whatever is allowed, with the nearest miss.
pub fn route(graph: &SchemaGraph, from: u32, to: u32, strategy: &Strategy) -> Result<Route, Refusal> {
    if from == to {
        return Ok(Route { between: (from, to), legs: Vec::new() });
    }
    let allowed = graph.permitting(|source, function| strategy.permits(source, function));
    if let Ok(path) = allowed.path(from, to) {
        let legs = path.functions.into_iter().map(|function| Leg { function, forbidden: None });
        return Ok(Route { between: (from, to), legs: legs.collect() });
    }
    let SchemaPath { functions, sources, .. } =
        graph.path(from, to).map_err(|missed| Refusal::NoPath { from, to, missed })?;
    let leg = |(function, source): (MigrationFunction, Source)| {
        let minds = strategy.permits(source, &function).err();
        let forbidden = minds.map(|because| match strategy {
            Strategy::Reject if loses(&function) => Refusal::Lossy { from, to, step: function.name() },
            _ => Refusal::NotAllowed { from, to, strategy: strategy.name(), because },
        });
        Leg { function, forbidden }
    };
    Ok(Route { between: (from, to), legs: functions.into_iter().zip(sources).map(leg).collect() })
}

impl Route {
    /// The path that a stored item takes to catch up. What is dropped on the way stays in the item, as an
    /// attribute that the schema does not know: nobody has to lose it.
    ///
    /// # Errors
    /// What the strategy does not allow.
    pub fn without_drops(mut self) -> Result<Self, Refusal> {
        let is_drop = |leg: &Leg| matches!(leg.function, MigrationFunction::Drop { .. });
        self.legs.retain(|leg| leg.forbidden.is_none() || !is_drop(leg));
        match self.legs.iter().find_map(|leg| leg.forbidden.clone()) {
            Some(forbidden) => Err(forbidden),
            None => Ok(self),
        }
    }

    /// An item of the version after, as the version before has it. A function that cannot be undone for it
    /// is left: its attribute shows in its later form, which the path leaves alone.
    #[must_use]
    pub fn back(&self, item: &Item, functions: &dyn Functions) -> Item {
        let mut item = item.clone();
        for leg in self.legs.iter().rev().filter(|leg| leg.forbidden.is_none()) {
            let back = leg.function.inverse().or_else(|| nearest_back(&leg.function));
            if let Some(Ok(undone)) = back.map(|back| back.apply(&item, functions)) {
                item = undone;
            }
        }
        item
    }

    /// What an item of the version before becomes.
    ///
    /// # Errors
    /// [`Refusal::Failed`], or what the strategy does not allow.
    pub fn forwards(&self, item: &Item, functions: &dyn Functions) -> Result<Item, Refusal> {
        let mut item = item.clone();
        for (place, leg) in self.legs.iter().enumerate() {
            if let Some(forbidden) = &leg.forbidden {
                return Err(forbidden.clone());
            }
            item = leg.function.apply(&item, functions).map_err(|failure| self.failed(place, failure))?;
        }
        Ok(item)
    }

    /// What an item before and after a change become, so that the change can be seen in the later version.
    ///
    /// # Errors
    /// [`Refusal::Failed`], or what the strategy does not allow where the change touches what it is about.
    pub fn change(
        &self,
        before: &Item,
        after: &Item,
        functions: &dyn Functions,
    ) -> Result<(Item, Item), Refusal> {
        let (mut before, mut after) = (before.clone(), after.clone());
        for (place, leg) in self.legs.iter().enumerate() {
            if let Some(forbidden) = &leg.forbidden {
                if leg.function.columns().any(|name| before.get(&name) != after.get(&name)) {
                    return Err(forbidden.clone());
                }
                continue;
            }
            after = leg.function.apply(&after, functions).map_err(|failure| self.failed(place, failure))?;
            // What the way back could not undo may not go the way again; then it is in its later form.
            before = leg.function.apply(&before, functions).unwrap_or(before);
        }
        Ok((before, after))
    }

    /// Names of the functions that are applied.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let applied = self.legs.iter().filter(|leg| leg.forbidden.is_none());
        applied.map(|leg| leg.function.name()).collect()
    }

    fn failed(&self, place: usize, failure: Failure) -> Refusal {
        let (from, to) = self.between;
        Refusal::Failed { from, to, place: place + 1, failure }
    }
}
