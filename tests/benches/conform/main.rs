//! What it costs to make a record conform, beside parsing it into a tree and printing it again.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench conform [-- --json]`
//!
//! The records are what Kinesis Data Streams for DynamoDB sends of a table of orders, held against a
//! schema of all of its columns but two; one value of each takes another form. The benchmark runs
//! itself under callgrind with two numbers of rounds; the difference leaves out start-up and set-up.
//! It prints why, and measures nothing, where there is no valgrind.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic and prints its figures")]

use comfy_table::{Table, presets};
use evercount_core::change::Record;
use evercount_core::conform::{Shape, Unknown};
use evercount_core::fingerprint::{Fingerprint, SchemaId};
use evercount_core::image::Image;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::value::Item;
use evercount_tests::figures::{self, Figure, Goal};
use evercount_tests::{callgrind, workload};
use evercount_wire::cdc::{Decoder, Envelope, Format};
use evercount_wire::conformed::ConformedRecord;
use serde_json::{Value, json};

const RECORDS: usize = 2_000;
/// Rounds of the two runs.
const ROUNDS: [usize; 2] = [1, 3];
/// What is done with each record: the way of the transformer, as far as it goes, and the usual one.
const VARIANTS: [&str; 4] = ["decode", "conform", "print", "tree"];

/// Every column but `coupon` and `gift`, which are unknown; the quantity is a text.
fn schema() -> Schema {
    let field = |one: FieldType| Field::of(TypeSet::of(one).nullable(true));
    let texts = ["id", "status", "country", "plan", "customer", "email", "created", "note", "legacy_code"];
    let texts = texts.into_iter().map(|name| (name, FieldType::STRING));
    let others = [
        ("amount", FieldType::DECIMAL),
        ("weight", FieldType::DECIMAL),
        ("quantity", FieldType::STRING),
        ("labels", FieldType::List),
        ("labels[]", FieldType::STRING),
        ("address", FieldType::Map),
        ("address.city", FieldType::STRING),
        ("address.zip", FieldType::STRING),
    ];
    let fields = texts.chain(others).map(|(name, one)| (FieldPath::new(name), field(one)));
    Schema { fields: fields.collect(), key: vec![FieldPath::column("id")] }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, variant, rounds] if VARIANTS.contains(&variant.as_str()) => {
            println!("{}", run(variant, rounds.parse().unwrap()));
        }
        _ => compare(arguments.iter().any(|argument| argument == "--json")),
    }
}

/// Does it to every record, as often; how many bytes or attributes came out.
fn run(variant: &str, rounds: usize) -> usize {
    let records = workload::records(5, RECORDS);
    let decoder = Decoder::new(Some(Format::DynamoDb), 0);
    let shape = Shape::of(&schema());
    let one = |record: &String| {
        if variant == "tree" {
            let tree: Value = serde_json::from_str(record).unwrap();
            return tree.to_string().len();
        }
        let Ok(Record::Changes(changes)) = decoder.decode(&Envelope::of(record.as_bytes())) else { return 0 };
        let Some(change) = changes.into_iter().next() else { return 0 };
        let Some(item) = change.after.map(Image::into_item).filter(|_| variant != "decode") else { return 1 };
        let made = shape.conform(&item, Unknown::KeepAside).unwrap();
        assert_eq!(made.converted, 1);
        if variant == "conform" {
            return made.item.len();
        }
        let record = ConformedRecord {
            subject: change.row.table,
            schema: Some(SchemaId { version: 3, fingerprint: Fingerprint(7) }),
            migrated_from: None,
            key: Some(change.row.identity.as_str().to_owned()),
            item: Some(made.item),
            aside: Item::new(),
            at: change.at,
            lane: LaneId::of_shard("orders-cdc", "shardId-000000000000"),
            sequence: SequenceNumber::parse("49590338271490256608559692538361571095921575989136588898")
                .unwrap(),
            part: 0,
        };
        record.to_json().len()
    };
    (0..rounds).map(|_| records.iter().map(one).sum::<usize>()).sum()
}

/// Instructions a record.
fn a_record(variant: &str) -> f64 {
    let [few, many] =
        ROUNDS.map(|rounds| callgrind::instructions(&[variant, &rounds.to_string()]).unwrap() as f64);
    (many - few) / ((ROUNDS[1] - ROUNDS[0]) * RECORDS) as f64
}

fn compare(as_json: bool) {
    let figure =
        |value| Figure::of("of_tree", "a record made to conform, of parse and print", value, Goal::None);
    if !callgrind::is_there() {
        let figures = [figure(Err(callgrind::MISSING))];
        println!("{}", figures::report("conform", &figures, &json!(null), as_json));
        return;
    }
    let [decode, conform, print, tree] = VARIANTS.map(a_record);
    let details = json!({
        "instructions_a_record": { "decode": decode, "conform": conform - decode, "print": print - conform,
            "all": print, "serde_json_parse_and_print": tree },
    });
    println!("{}", figures::report("conform", &[figure(Ok(print / tree))], &details, as_json));
    if as_json {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "instructions a record", "of parse and print"]);
    for (name, n) in [
        ("decoded", decode),
        ("made to conform", conform - decode),
        ("printed", print - conform),
        ("all of it", print),
        ("serde_json, parsed and printed", tree),
    ] {
        table.add_row([name.to_owned(), format!("{n:.0}"), format!("{:.2}", n / tree)]);
    }
    println!("\n{table}");
}
