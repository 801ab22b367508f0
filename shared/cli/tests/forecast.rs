//! `evercount forecast …` from the outside, on a history in a file.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const MONTH: u64 = 2_629_800;

/// A table that gains a column every third month, and one that never changes.
fn history(busy: &str) -> String {
    let mut text = "at,table,event,column,type,previous_type\n".to_owned();
    for table in [busy, "still"] {
        let _ = writeln!(text, "1000000000,{table},initial,id,INT,");
    }
    for n in 1..=24_u64 {
        let at = 1_000_000_000 + n * 3 * MONTH;
        let _ = writeln!(text, "{at},{busy},add_column,c{n},TEXT,");
    }
    text
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_evercount")).arg("forecast").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn a_table_that_changes_often_is_more_likely_to_change_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let history = file(folder.path(), "shop.csv", &history("busy"));
    let (code, told, errors) = run(&["list", "--history", &history]);
    assert_eq!(code, 0, "{errors}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].contains("within 183 days"), "{told}");
    assert!(lines[1].trim_start().starts_with("busy"), "the most likely comes first:\n{told}");
    let plan = "date,feature,tables,columns\n2007-11-01,loyalty,busy,busy.tier:TEXT\n";
    let plan = file(folder.path(), "plan.csv", plan);
    let (code, told, errors) =
        run(&["explain", "busy", "--history", &history, "--releases", &plan, "--json"]);
    assert_eq!(code, 0, "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let busy = &told["tables"][0];
    let any =
        busy["chances"].as_array().unwrap().iter().find(|one| one["kind"] == "any" && one["days"] == 183);
    assert!(any.unwrap()["p"].as_f64().unwrap() > 0.3, "{busy:#}");
    assert!(busy["candidates"].as_array().unwrap().iter().any(|one| one["column"] == "tier"), "{busy:#}");
    let (code, _, errors) = run(&["explain", "buzy", "--history", &history]);
    assert_eq!((code, errors.contains("did you mean `busy`?")), (2, true), "{errors}");
}

#[test]
fn the_benchmark_forecasts_each_project_by_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let (code, _, errors) = run(&["bench", &path]);
    assert_eq!((code, errors.contains("there must be two")), (2, true), "{errors}");
    for project in ["one", "two", "three"] {
        file(folder.path(), &format!("{project}.csv"), &history(project));
    }
    let (code, told, errors) = run(&["bench", &path, "--json"]);
    assert_eq!(code, 0, "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let projects = told["projects"].as_array().unwrap();
    assert_eq!(projects.len(), 3);
    for project in projects {
        let models: Vec<&Value> =
            project["models"].as_array().unwrap().iter().map(|one| &one["model"]).collect();
        for model in ["base_rate", "recency", "logistic", "ours"] {
            assert!(models.contains(&&json!(model)), "{project:#}");
        }
    }
}
