//! Real schema histories, rebuilt as the events of a database: what the files say changed is
//! reported once, and nothing else is.
//!
//! The histories are not part of the project; where their folder is absent, the tests say so and
//! pass.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic and prints its figures"
)]

#[path = "histories/capture.rs"]
mod capture;
#[path = "histories/ddl.rs"]
mod ddl;

use std::collections::BTreeMap;

use evercount_core::change::{Clause, Record, TableEvent, TableName};
use evercount_core::detection::declared;
use evercount_core::schema::Schema;
use evercount_core::schema_change::SchemaChange;
use evercount_wire::cdc::{Decoder, Envelope, Format};

/// A listener at its simplest: it knows each table's schema from what it was told.
struct Listener {
    decoder: Decoder,
    known: BTreeMap<TableName, Schema>,
}

impl Listener {
    fn new() -> Self {
        Self { decoder: Decoder::new(Some(Format::Debezium), 0), known: BTreeMap::new() }
    }

    /// What a record says changed, by table.
    fn hear(&mut self, record: &[u8]) -> Vec<(TableName, SchemaChange)> {
        let mut heard = Vec::new();
        if let Record::Tables(events) = self.decoder.decode(&Envelope::of(record)).unwrap() {
            for event in events {
                let known = self.known.remove(former(&event));
                let changes = declared::changes(known.as_ref(), &event);
                heard.extend(changes.into_iter().map(|change| (former(&event).clone(), change)));
                if let Some(schema) = declared::after(known.as_ref(), &event) {
                    self.known.insert(event.table.clone(), schema);
                }
            }
        }
        heard
    }
}

/// The table by its name before the event.
fn former(event: &TableEvent) -> &TableName {
    let mut names = event.told.clauses.iter().filter_map(|clause| match clause {
        Clause::RenameTable { from } => Some(from),
        _ => None,
    });
    names.next().unwrap_or(&event.table)
}
