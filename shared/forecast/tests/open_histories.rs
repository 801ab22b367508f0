//! The goals of the forecast, on histories of open projects.
//!
//! The histories are no part of this repository. They are looked for in the folder that
//! `EVERCOUNT_SCHEMA_HISTORIES` names, else beside the repository; without them these tests say so and
//! pass.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::PathBuf;

use evercount_forecast::bench::{MODELS, bench};
use evercount_forecast::choose::choose;
use evercount_forecast::history::{HALF_YEAR, History, read};
use evercount_forecast::split::{Project, leave_one_out};
use evercount_forecast::units::ANY_IN_HALF_A_YEAR;

fn histories() -> Option<Vec<History>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/schema-histories");
    let folder = std::env::var_os("EVERCOUNT_SCHEMA_HISTORIES").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no histories in {} (set EVERCOUNT_SCHEMA_HISTORIES)", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    let one = |path: &PathBuf| {
        let read = read(&path.file_stem().unwrap().to_string_lossy(), &std::fs::read(path).unwrap()).unwrap();
        assert_eq!(read.skipped_count, 0, "{:?}", read.skipped);
        read.history
    };
    Some(paths.iter().map(one).collect())
}

#[test]
fn ours_is_better_than_every_baseline_on_every_project_and_calibrated() {
    let Some(histories) = histories() else { return };
    let found = bench(&histories, 1);
    println!("{}", found.text());
    for project in &found.projects {
        let ours = project.models[0].scores;
        for (name, model) in MODELS.iter().zip(&project.models).skip(1) {
            let (brier, ap) = (model.scores.brier, model.scores.ap);
            assert!(ours.brier < brier, "{}: Brier {} against {brier} of {name}", project.name, ours.brier);
            assert!(ours.ap > ap, "{}: AP {} against {ap} of {name}", project.name, ours.ap);
        }
    }
    assert!(found.pooled[0].scores.ece <= 0.03, "{:?}", found.pooled[0].scores);
    for (ours, baseline) in found.headroom.iter().take(1).zip(found.headroom.iter().skip(1)) {
        assert!(ours.per_counter() > baseline.per_counter());
    }
}

#[test]
fn the_benchmark_is_the_same_every_time_and_its_json_has_the_documented_shape() {
    let Some(histories) = histories() else { return };
    let (one, other) = (bench(&histories, 3), bench(&histories, 3));
    assert_eq!(one.json_with_details(), other.json_with_details());
    let json = one.json();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["headroom", "projects"]);
    for project in json["projects"].as_array().unwrap() {
        assert!(project["name"].is_string() && project["rows"].is_u64() && project["base_rate"].is_f64());
        let models = project["models"].as_array().unwrap();
        let names: Vec<&str> = models.iter().map(|model| model["model"].as_str().unwrap()).collect();
        assert_eq!(names, ["base_rate", "recency", "logistic", "ours"]);
        for model in models {
            for score in ["brier", "ap", "auc", "ece"] {
                assert!(model[score].is_f64(), "{score} of {model}");
                assert_eq!(model["ci"][score].as_array().unwrap().len(), 2);
            }
        }
    }
}

#[test]
fn leaving_any_project_out_leaves_the_choice_what_it_was() {
    let Some(histories) = histories() else { return };
    let projects: Vec<Project> =
        histories.iter().map(|history| Project::of(history, HALF_YEAR, ANY_IN_HALF_A_YEAR)).collect();
    let kept: Vec<usize> =
        leave_one_out(&projects).iter().map(|(training, _)| choose(training).kept.len()).collect();
    println!("hazard models kept, by project left out: {kept:?}");
    // Most models are kept whoever is left out: no project decides.
    assert!(kept.iter().all(|n| *n >= 10), "{kept:?}");
}
