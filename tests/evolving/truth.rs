//! What the database said of its tables, at which line of the capture.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;

/// A table at a checkpoint.
pub struct Checkpoint {
    /// Lines of the capture by then.
    pub after_line: usize,
    /// The table, as the truth names it.
    pub table: String,
    /// Its rows; none where it is gone.
    pub total: i64,
    pub dropped: bool,
    /// Rows by value, for each column that was grouped by; NULL as `None`.
    pub groups: BTreeMap<String, BTreeMap<Option<String>, i64>>,
    /// Columns whose counts stand by the bytes that the stream sends.
    pub by_wire: BTreeSet<String>,
    /// Whether a statement was run just before, and no row changed since.
    pub after_ddl: bool,
}

pub struct Truth {
    pub checkpoints: Vec<Checkpoint>,
}

impl Truth {
    pub fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("truth.jsonl")).unwrap();
        let mut last: BTreeMap<(usize, String), Checkpoint> = BTreeMap::new();
        for line in text.lines() {
            let one = checkpoint(&serde_json::from_str(line).unwrap());
            // Of several at one line, the later is the later state.
            last.insert((one.after_line, one.table.clone()), one);
        }
        Self { checkpoints: last.into_values().collect() }
    }

    /// Every column of every table that is ever grouped by.
    pub fn columns(&self) -> BTreeSet<(String, String)> {
        let of = |one: &Checkpoint| {
            let table = one.table.clone();
            one.groups.keys().map(move |column| (table.clone(), column.clone())).collect::<Vec<_>>()
        };
        self.checkpoints.iter().flat_map(of).collect()
    }
}

fn checkpoint(at: &Json) -> Checkpoint {
    let wire = at["group_by_wire"].as_object();
    let mut groups = BTreeMap::new();
    for (column, values) in at["group_by"].as_object().into_iter().flatten() {
        let values = wire.and_then(|wire| wire.get(column)).unwrap_or(values);
        let mut counts: BTreeMap<Option<String>, i64> = values
            .as_object()
            .into_iter()
            .flatten()
            .map(|(value, n)| (Some(value.clone()), n.as_i64().unwrap()))
            .collect();
        if let Some(nulls) = at["group_by_null"][column].as_i64().filter(|nulls| *nulls > 0) {
            counts.insert(None, nulls);
        }
        groups.insert(column.clone(), counts);
    }
    Checkpoint {
        after_line: usize::try_from(at["after_line"].as_u64().unwrap()).unwrap(),
        table: at["table"].as_str().unwrap().to_owned(),
        total: at["total"].as_i64().unwrap_or(0),
        dropped: at["dropped"] == true,
        groups,
        by_wire: wire.into_iter().flatten().map(|(column, _)| column.clone()).collect(),
        after_ddl: !at["ddl_applied"].is_null(),
    }
}
