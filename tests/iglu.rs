//! Real transitions of JSON Schemas against the labels of their authors: whether the class agrees,
//! and whether the drift score orders model changes above revisions above additions.
//!
//! The transitions are not part of the project; where their file is absent, the test says so and
//! passes. Neither classes nor weights were fitted to them: both follow what SchemaVer documents.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and says what it finds and skips"
)]

use std::path::Path;

use evercount_core::compatibility::{self, obstacle};
use evercount_core::diff::{Diff, diff};
use evercount_core::drift::{SchemaVerClass, class_of, drift};
use evercount_core::registry::Compatibility;
use evercount_wire::json_schema::{from_json, to_json_schema};
use serde_json::Value as Json;

/// The score must order this share of the pairs of transitions with different labels.
const ORDERED_MIN: f64 = 0.95;
/// The class must be the author's for this share. It is not all of them: some authors' labels
/// contradict what SchemaVer documents, and the test prints those changes.
const AGREEMENT_MIN: f64 = 0.85;

struct Transition {
    name: String,
    label: SchemaVerClass,
    diff: Diff,
    class: SchemaVerClass,
    score: f64,
}

fn transitions() -> Vec<Transition> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/iglu-transitions.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: there are no transitions beside the project");
        return Vec::new();
    };
    text.lines().map(transition).collect()
}

fn transition(line: &str) -> Transition {
    let line: Json = serde_json::from_str(line).unwrap();
    let text = |key: &str| line.get(key).and_then(Json::as_str).unwrap().to_owned();
    let name = format!("{} {} to {}", text("subject"), text("from"), text("to"));
    let before = from_json(line.get("before").unwrap()).unwrap();
    let after = from_json(line.get("after").unwrap()).unwrap();
    for schema in [&before, &after] {
        assert_eq!(&from_json(&to_json_schema(schema)).unwrap(), schema, "{name} reads back the same");
    }
    let diff = diff(&before, &after);
    let drift = drift(&diff);
    let label = match text("label").as_str() {
        "addition" => SchemaVerClass::Addition,
        "revision" => SchemaVerClass::Revision,
        other => {
            assert_eq!(other, "model");
            SchemaVerClass::Model
        }
    };
    let breaks = compatibility::check(Compatibility::Backward, &[(1, &before)], &after);
    let obstacles = diff.differences.iter().filter(|one| obstacle(one).is_some()).count();
    assert_eq!(breaks.len(), obstacles, "{name}: one break for each obstacle");
    Transition { name, label, diff, class: drift.class, score: drift.score }
}

/// The share of pairs with different labels that the score orders as the labels do; a tie is
/// half a pair.
fn ordered(transitions: &[&Transition]) -> f64 {
    let (mut pairs, mut right) = (0_u32, 0.0);
    for one in transitions {
        for other in transitions.iter().filter(|other| other.label < one.label) {
            pairs += 1;
            right += match one.score.total_cmp(&other.score) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    right / f64::from(pairs.max(1))
}

#[test]
fn the_drift_score_orders_real_transitions_as_their_authors_did() {
    let all = transitions();
    if all.is_empty() {
        return;
    }
    let agreeing = all.iter().filter(|one| one.class == one.label).count();
    for one in all.iter().filter(|one| one.class != one.label) {
        println!("{}: {}, by its author {}, {:.3}", one.name, one.class.name(), one.label.name(), one.score);
        let deciding = one.diff.differences.iter().filter(|change| class_of(change) == one.class);
        for change in deciding.take(3) {
            println!("    {} {}", change.name(), change.path());
        }
    }
    let whole: Vec<&Transition> = all.iter().collect();
    let score = ordered(&whole);
    let agreement = agreeing as f64 / all.len() as f64;
    // Halves show how much of the figure hangs on single transitions.
    let mut random = fastrand::Rng::with_seed(1);
    let mut halves: Vec<f64> = (0..1_000)
        .map(|_| {
            let mut shuffled = whole.clone();
            random.shuffle(&mut shuffled);
            shuffled.truncate(whole.len() / 2);
            ordered(&shuffled)
        })
        .collect();
    halves.sort_by(f64::total_cmp);
    let at = |share: f64| halves.get((halves.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{} transitions: class agreement {agreement:.3} ({agreeing}), ordered pairs {score:.3}; of random halves \
         {:.3} at 5 %, {:.3} at 50 %",
        all.len(),
        at(0.05),
        at(0.5)
    );
    assert!(score >= ORDERED_MIN, "ordered pairs {score:.3}");
    assert!(agreement >= AGREEMENT_MIN, "class agreement {agreement:.3}");
}
