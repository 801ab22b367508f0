//! Owns the items of the data proxy's work: the trail of a table's mutations, and how far a pass over what
//! is kept beside a table has come.

use evercount_core::backfill::Place;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::mutation::entry::MutationEntry;
use evercount_core::order::{ItemVersion, Micros};
use evercount_core::shadow::arrival::{PassTask, ShadowPass};
use evercount_core::value::Item;
use xxhash_rust::xxh3::xxh3_64;

use super::fields::{Fields, number, text, time_text, time_value};
use super::registry::change::{list_of, malformed, put};
use super::registry::expiry;
use super::tables::table_in_key;
use super::{FORMAT, ItemError, ItemKey};

/// How long an entry of the trail is kept, microseconds: 90 days, within which somebody asks why.
const KEPT_FOR: Micros = 90 * 86_400_000_000;

const PASSES_PK: &str = "shadow-passes";

/// The partition of the trail of a table's mutations.
#[must_use]
pub fn mutations_pk(table: &TableName) -> String {
    format!("mutations#{}", table_in_key(table))
}

/// An entry of the trail. The same entry written again replaces itself.
#[must_use]
pub fn mutation_item(entry: &MutationEntry) -> Item {
    let said = format!("{:?}\0{}\0{:?}\0{}", entry.row, entry.outcome, entry.version, entry.summary);
    let sk = format!("{}#{:016x}", time_text(entry.at), xxh3_64(said.as_bytes()));
    let mut item = ItemKey::new(mutations_pk(&entry.row.table), sk).item();
    put(&mut item, "entity", text("mutation"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "table", text(entry.row.table.as_str()));
    match &entry.row.identity {
        RowIdentity::Key(key) => put(&mut item, "key", text(&**key)),
        RowIdentity::Position(position) => put(&mut item, "position", text(&**position)),
    }
    put(&mut item, "at", time_value(entry.at));
    put(&mut item, "outcome", text(&entry.outcome));
    put(&mut item, "summary", text(&entry.summary));
    if let Some(version) = entry.version {
        put(&mut item, "version", number(version.0));
    }
    item.extend(expiry(entry.at.saturating_add(KEPT_FOR)));
    item
}

/// Reads an entry of the trail.
///
/// # Errors
/// [`ItemError`].
pub fn mutation_from_item(item: &Item) -> Result<MutationEntry, ItemError> {
    let fields = Fields::of_format(item)?;
    let identity = match fields.text_if_any("position")? {
        Some(position) => RowIdentity::Position(position.into()),
        None => RowIdentity::Key(fields.text("key")?.into()),
    };
    Ok(MutationEntry {
        at: fields.time("at")?,
        row: RowKey { table: TableName::new(fields.text("table")?), identity },
        outcome: fields.text("outcome")?.to_owned(),
        version: fields.unsigned_if_any("version")?.map(ItemVersion),
        summary: fields.text("summary")?.to_owned(),
    })
}

/// The key of the last pass over what is kept beside a table.
#[must_use]
pub fn pass_key(table: &TableName) -> ItemKey {
    ItemKey::new(PASSES_PK, table_in_key(table))
}

/// The item of a pass.
#[must_use]
pub fn pass_item(pass: &ShadowPass) -> Item {
    let mut item = pass_key(&pass.table).item();
    put(&mut item, "entity", text("shadow pass"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "table", text(pass.table.as_str()));
    put(&mut item, "task", text(pass.task.name()));
    put(&mut item, "columns", list_of(&pass.columns));
    let (place, after) = match &pass.place {
        Place::Start => ("start", None),
        Place::After(after) => ("after", Some(after)),
        Place::End => ("end", None),
    };
    put(&mut item, "place", text(place));
    if let Some(after) = after {
        put(&mut item, "after", text(after));
    }
    if let Some(about) = pass.about {
        put(&mut item, "about", number(about));
    }
    let counts = [
        ("done", pass.done),
        ("moved", pass.moved),
        ("superseded", pass.superseded),
        ("orphaned", pass.orphaned),
        ("misfits", pass.misfits),
        ("revision", pass.revision),
    ];
    counts.iter().for_each(|(name, n)| put(&mut item, name, number(*n)));
    put(&mut item, "since", time_value(pass.since));
    put(&mut item, "at", time_value(pass.at));
    put(&mut item, "summary", text(summary(pass)));
    item
}

fn summary(pass: &ShadowPass) -> String {
    let columns: Vec<&str> = pass.columns.iter().map(String::as_str).collect();
    let done = if pass.is_over() { "is over" } else { "goes on" };
    format!(
        "The pass to {} `{}` {done}: {} rows, {} values moved, {} superseded, {} without a place.",
        pass.task.name(),
        columns.join("`, `"),
        pass.done,
        pass.moved,
        pass.superseded,
        pass.misfits,
    )
}

/// Reads a pass.
///
/// # Errors
/// [`ItemError`].
pub fn pass_from_item(item: &Item) -> Result<ShadowPass, ItemError> {
    let fields = Fields::of_format(item)?;
    let task = fields.text("task")?;
    let task = PassTask::ALL.into_iter().find(|(_, name)| *name == task);
    let place = match fields.text("place")? {
        "start" => Place::Start,
        "after" => Place::After(fields.text("after")?.to_owned()),
        "end" => Place::End,
        _ => return Err(malformed("place", "`start`, `after` or `end`")),
    };
    Ok(ShadowPass {
        table: TableName::new(fields.text("table")?),
        task: task.map(|(task, _)| task).ok_or_else(|| malformed("task", "`move` or `clean`"))?,
        columns: fields.texts("columns")?.into_iter().map(str::to_owned).collect(),
        place,
        done: fields.unsigned("done")?,
        about: fields.unsigned_if_any("about")?,
        moved: fields.unsigned("moved")?,
        superseded: fields.unsigned("superseded")?,
        orphaned: fields.unsigned("orphaned")?,
        misfits: fields.unsigned("misfits")?,
        since: fields.time("since")?,
        at: fields.time("at")?,
        revision: fields.unsigned("revision")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let table = TableName::new("orders");
        let identity = RowIdentity::Key("{\"id\":\"1\"}".into());
        let entry = MutationEntry {
            at: 1_769_851_800_123_456,
            row: RowKey { table: table.clone(), identity },
            outcome: "no-path".to_owned(),
            version: None,
            summary: "A mutation was refused: nothing leads there.".to_owned(),
        };
        assert_eq!(mutation_from_item(&mutation_item(&entry)), Ok(entry.clone()));
        let applied = MutationEntry { version: Some(ItemVersion(7)), ..entry };
        assert_eq!(mutation_from_item(&mutation_item(&applied)), Ok(applied));
        for (place, about) in
            [(Place::Start, None), (Place::After("03#x".to_owned()), Some(9)), (Place::End, None)]
        {
            let columns = ["tier".to_owned()].into();
            let pass = ShadowPass::begin(table.clone(), PassTask::Clean, columns, None, 5);
            let pass = ShadowPass { place, about, moved: 3, done: 4, ..pass };
            assert_eq!(pass_from_item(&pass_item(&pass)), Ok(pass));
        }
    }
}
