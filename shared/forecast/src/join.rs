//! One history of several: what the registry knows, and what was imported from before it.

use std::collections::BTreeMap;

use crate::history::{Event, History, Seconds};

/// The registry's history with imported ones. Of a table that the registry knows, only what happened before
/// its first word there is taken from elsewhere; tables that it does not know come whole, because how much
/// changes in a project says something about each of its tables.
#[must_use]
pub fn joined(registry: &History, imported: &[History]) -> History {
    let mut since: BTreeMap<&str, Seconds> = BTreeMap::new();
    for event in registry.events() {
        since.entry(&event.table).or_insert(event.at);
    }
    let is_before = |event: &&Event| since.get(&*event.table).is_none_or(|since| event.at < *since);
    let before = imported.iter().flat_map(History::events).filter(is_before);
    History::new(registry.project.clone(), before.chain(registry.events()).cloned().collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::history::read;
    use crate::life::Replay;

    #[test]
    fn what_was_imported_is_the_past_of_what_the_registry_knows() {
        let of = |lines: &str| {
            let text = format!("at,table,event,column,type\n{lines}");
            read("p", text.as_bytes()).unwrap().history
        };
        let registry = of("100,a,initial,x,S\n100,a,initial,y,S\n200,a,add_column,z,S\n");
        let imported = of(
            "5,a,create_table,x,INT\n50,a,add_column,y,INT\n150,a,add_column,no,INT\n60,b,initial,q,INT\n",
        );
        let joined = joined(&registry, &[imported]);
        let mut replay = Replay::new(&joined);
        replay.until(1_000);
        let life = replay.table("a").unwrap();
        let columns: Vec<&str> = life.columns.keys().map(|name| &**name).collect();
        assert_eq!((life.born, columns, life.changes.len()), (5, vec!["x", "y", "z"], 2));
        assert!(replay.table("b").is_some());
    }
}
