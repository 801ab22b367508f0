//! Findings about real Debezium captures, where they are at hand: they are data of their own
//! project and are not kept with the code.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use evercount_core::change::{Passed, Record, RowKey};
use evercount_core::order::OrderVersion;
use evercount_wire::cdc::{Decoder, Envelope};

/// The captures, beside the project's folder.
const CAPTURES: &str = "../../../shared/data/cdc";

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(CAPTURES);
    let Ok(entries) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap().path().join("capture.jsonl"));
    files.filter(|file| file.is_file()).collect()
}

#[test]
fn every_captured_record_is_decoded_and_each_row_moves_forward() {
    let captures = captures();
    if captures.is_empty() {
        eprintln!("skipped: no captures in `{CAPTURES}`");
        return;
    }
    for capture in captures {
        let mut decoder = Decoder::new(None, 0);
        let mut newest: BTreeMap<RowKey, OrderVersion> = BTreeMap::new();
        let mut decoded: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, line) in fs::read_to_string(&capture).unwrap().lines().enumerate() {
            let at = || format!("{} line {}", capture.display(), index + 1);
            let kind = match decoder.decode(&Envelope::of(line.as_bytes())) {
                Ok(Record::Changes(changes)) => {
                    for change in changes {
                        if let Some(earlier) = newest.insert(change.row.clone(), change.version.clone()) {
                            assert!(earlier < change.version, "{}: {:?}", at(), change.row);
                        }
                    }
                    "changes"
                }
                Ok(Record::Tables(events)) => {
                    for event in events {
                        if let Some(shape) = event.shape {
                            decoder.learn(event.table, shape);
                        }
                    }
                    "tables"
                }
                Ok(Record::Passed(Passed::Tombstone)) => "tombstones",
                Ok(Record::Passed(_)) => "passed",
                Err(error) => panic!("{}: {error}", at()),
            };
            *decoded.entry(kind).or_default() += 1;
        }
        eprintln!("{}: {decoded:?}", capture.display());
    }
}
