//! Reading a count: sum the cells, bring them from the version they are derived from to the one
//! that is asked for, and say at which cut.

use std::collections::BTreeMap;

use evercount_core::counting::{self, Cells, Contributions};
use evercount_core::definition::DefinitionName;
use evercount_core::logic::{Catalog, LogicId, LogicState, LogicVersion};
use evercount_core::reading::Reading;

use crate::ports::{CatalogStore, Cut, Store, StoreError};

/// Attempts at a cut at which no lane moved; after that the reading says that lanes were moving.
const ATTEMPTS_MAX: u32 = 3;

/// Reads one logic version.
///
/// # Errors
/// Whatever the store answers.
pub async fn run<S: Store>(store: &S, logic: &LogicVersion) -> Result<Reading, StoreError> {
    let mut before = store.lanes().await?;
    for attempt in 1.. {
        let whole = whole(store, logic).await?;
        let mut cells = viewed(logic, whole);
        add_doubts(store, &logic.id.definition, &mut cells).await?;
        let after = store.lanes().await?;
        let moving = before != after;
        if !moving || attempt >= ATTEMPTS_MAX {
            return Ok(Reading::sum(logic.clone(), cells, after, moving));
        }
        before = after;
    }
    Err(StoreError::Conflict)
}

/// Reads what a version counted at a cut.
#[must_use]
pub fn of_cut(logic: &LogicVersion, cut: &Cut) -> Reading {
    // Whether it is counted today says nothing of what it counted then.
    let state = LogicState::Active;
    let cells = viewed(logic, cut.cells.clone());
    Reading::sum(LogicVersion { state, ..logic.clone() }, cells, cut.lanes.clone(), false)
}

/// Cells as the definition asks for them: without what is counted beside.
fn viewed(logic: &LogicVersion, whole: Cells) -> Cells {
    match logic.definition.view() {
        Some(view) => view.apply(&whole),
        None => whole,
    }
}

/// Adds the doubt that touches a definition whichever version is read.
///
/// # Errors
/// Whatever the store answers.
pub async fn add_doubts<S: Store>(
    store: &S,
    definition: &DefinitionName,
    cells: &mut Cells,
) -> Result<(), StoreError> {
    for doubt in [LogicId::doubt_of(definition), LogicId::unattributed()] {
        for (cell, n) in store.cells(&doubt).await? {
            *cells.entry(cell).or_insert(0) += n;
        }
    }
    Ok(())
}

/// What a version counts, whole: its own cells, and the image of what the version it is derived
/// from counts.
///
/// # Errors
/// Whatever the store answers.
pub async fn whole<S: Store>(store: &S, logic: &LogicVersion) -> Result<Cells, StoreError> {
    let own = store.cells(&logic.id).await?;
    if logic.base_id().is_none() {
        return Ok(own);
    }
    let versions: BTreeMap<LogicId, LogicVersion> =
        store.versions().await?.into_iter().map(|version| (version.id.clone(), version)).collect();
    let chain: Vec<&LogicVersion> =
        std::iter::successors(Some(logic), |version| versions.get(&version.base_id()?)).collect();
    let mut cells = Contributions::new();
    // From the root on, each the image of the one before and what is its own.
    for version in chain.into_iter().rev() {
        let mut of_version = counting::parent_image(version, &cells);
        let own = if version.id == logic.id { own.clone() } else { store.cells(&version.id).await? };
        let overflowed = own.contains_key(&evercount_core::group::Cell::Overflow);
        counting::add_cells(&mut of_version, &own, 1);
        if overflowed {
            of_version.entry(evercount_core::group::Cell::Overflow).or_insert(0);
        }
        cells = Contributions::from([(version.id.clone(), of_version)]);
    }
    Ok(cells.remove(&logic.id).unwrap_or_default())
}

/// The catalog as it stands, for steps that are no counter.
///
/// # Errors
/// Whatever the store answers.
pub async fn catalog<S: CatalogStore>(store: &S) -> Result<Catalog, StoreError> {
    Ok(store.catalog(None).await?.unwrap_or_default())
}
