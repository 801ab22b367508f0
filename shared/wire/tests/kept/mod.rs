//! Holds what a scanner keeps of a record against what the decoder makes of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use evercount_core::change::{Change, ChangeRef, Record, TableName};
use evercount_core::definition::{CountDefinition, DefinitionName, Headroom};
use evercount_core::image::{Image, ImageRef};
use evercount_core::logic::{AdoptedShape, Coverage, LogicState, LogicVersion, TableLogic};
use evercount_core::path::Path;
use evercount_core::projection::Projection;
use evercount_wire::cdc::{Decoder, Envelope, Scanner, Undecodable};

/// The columns that are read, and those that are known besides.
pub const READ: [&str; 3] = ["depot", "m", "sk"];
pub const KNOWN: [&str; 5] = ["id", "weight", "ss", "bs", "l"];
pub const TABLE: &str = "parcels";

fn logic() -> TableLogic {
    let definition = CountDefinition {
        name: DefinitionName::parse("by").unwrap(),
        table: TableName::new(TABLE),
        group_by: READ.map(Path::column).to_vec(),
        filter: None,
        distinct: None,
        groups_max: 100,
        headroom: Headroom::default(),
    };
    let version = LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0);
    let columns: BTreeSet<String> = READ.iter().chain(&KNOWN).map(|name| (*name).to_owned()).collect();
    let adopted = AdoptedShape { version: 1, columns, declared: false };
    TableLogic { live: vec![Arc::new(version)], draining: Vec::new(), adopted: Some(adopted) }
}

/// Projections to hold against whole images.
pub fn projections() -> Vec<Projection> {
    let logic = logic();
    vec![Projection::for_ledger(&logic), Projection::for_lanes(&logic), Projection::everything()]
}

fn part(image: Option<&Image>, projection: &Projection) -> Option<Image> {
    let kept = |image: &Image| {
        let mut item = image.item().into_owned();
        item.retain(|name, _| projection.keeps(name));
        item.into()
    };
    image.map(kept)
}

/// What is left of a change.
fn expected(change: &Change, projection: &Projection) -> Change {
    Change {
        before: part(change.before.as_ref(), projection),
        after: part(change.after.as_ref(), projection),
        whole: projection.digests().then(|| change.digests()),
        ..change.clone()
    }
}

/// A scanner for each projection.
pub fn scanners() -> Vec<(Projection, Scanner)> {
    let scanner = |projection: Projection| {
        let mut scanner = Scanner::default();
        scanner.project(TableName::new(TABLE), projection.clone());
        (projection, scanner)
    };
    projections().into_iter().map(scanner).collect()
}

/// Checks a record; says whether the scanner read it itself.
pub fn check(decoder: &Decoder, envelope: &Envelope<'_>, decoded: Result<Record, Undecodable>) -> bool {
    let mut scanners = scanners();
    // Twice: the second time it knows the names, and what the record is like.
    hold(&mut scanners, decoder, envelope, &decoded);
    hold(&mut scanners, decoder, envelope, &decoded)
}

/// As [`check`], with scanners that have read others before.
#[allow(dead_code, reason = "not every test has others before")]
pub fn check_with(scanners: &mut [(Projection, Scanner)], decoder: &Decoder, envelope: &Envelope<'_>) {
    hold(scanners, decoder, envelope, &decoder.decode(envelope));
}

fn hold(
    scanners: &mut [(Projection, Scanner)],
    decoder: &Decoder,
    envelope: &Envelope<'_>,
    decoded: &Result<Record, Undecodable>,
) -> bool {
    let mut scanned = false;
    for (projection, scanner) in scanners {
        let kept = decoder.decode_kept(scanner, envelope);
        // What is read where it was scanned is what is taken from there.
        if let Some(scanned) = decoder.scan(scanner, envelope.data) {
            let read = |image: Option<ImageRef<'_>>| image.map(|image| image.item().into_owned());
            let ChangeRef { table, before, after, version, at } = scanned.by_ref();
            let of_scanned = (table.clone(), read(before), read(after), version.clone(), at);
            let change = scanned.into_change();
            let [before, after] = [change.before, change.after].map(|image| image.map(Image::into_item));
            assert_eq!(of_scanned, (change.row.table, before, after, change.version, change.at));
        }
        match (decoded, &kept) {
            (Ok(Record::Changes(whole)), Ok(Record::Changes(parts))) => {
                for (whole, part) in whole.iter().zip(parts) {
                    let is_projected = whole.row.table.as_str() == TABLE;
                    let projection = if is_projected { &*projection } else { &Projection::nothing() };
                    scanned |= part.whole.is_some();
                    assert!(
                        *part == *whole || *part == expected(whole, projection),
                        "{whole:?} became {part:?}"
                    );
                }
                assert_eq!(whole.len(), parts.len());
            }
            _ => assert_eq!(*decoded, kept, "{}", String::from_utf8_lossy(envelope.data)),
        }
    }
    scanned
}
