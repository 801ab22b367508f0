//! Habits of the house as failing tests.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest source file, in lines.
const FILE_LINES_MAX: usize = 600;
/// Longest `main.rs` of a function: it is wiring.
const MAIN_LINES_MAX: usize = 50;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // What npm installed for the page is not ours.
            if !path.ends_with("node_modules") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["functions", "shared", "tests"] {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn check(what: &str, wrong: impl Fn(&Path, &str) -> bool) {
    let offenders: Vec<String> = all_sources()
        .into_iter()
        .filter(|path| wrong(path, &fs::read_to_string(path).unwrap()))
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    assert!(offenders.is_empty(), "{what}: {offenders:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    check("no `//!` at the top", |_, text| !text.starts_with("//!"));
}

#[test]
fn files_stay_small_enough_to_hold_in_mind() {
    check("too long", |_, text| text.lines().count() > FILE_LINES_MAX);
}

#[test]
fn a_function_is_wiring() {
    check("holds more than wiring", |path, text| {
        path.ends_with("src/main.rs")
            && path.starts_with(root().join("functions"))
            && text.lines().count() > MAIN_LINES_MAX
    });
}

/// The sources of the console's page.
fn page_sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let is_source = path
                .extension()
                .is_some_and(|extension| ["ts", "tsx", "mjs", "css"].iter().any(|one| extension == *one));
            if path.is_dir() && !path.ends_with("node_modules") {
                walk(&path, found);
            } else if is_source {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("functions/console/page"), &mut found);
    assert!(found.len() > 30, "the page's sources were not found");
    found
}

/// What is bundled from them, in shared/console/assets, is nobody's to read, and held to nothing but to be
/// what they give (functions/console/page/check).
#[test]
fn the_pages_sources_are_as_tidy() {
    for (path, text) in page_sources() {
        let name = path.display();
        assert!(text.starts_with("// ") || text.starts_with("/* "), "{name} does not say what it is for");
        assert!(text.lines().count() <= FILE_LINES_MAX, "{name} is too long");
    }
}

#[test]
fn nothing_on_the_page_is_made_from_markup() {
    for (path, text) in page_sources() {
        if path.starts_with(root().join("functions/console/page/src")) {
            for banned in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "http://",
                "https://",
            ] {
                assert!(!text.contains(banned), "{}: {banned}", path.display());
            }
        }
    }
    let page = fs::read_to_string(root().join("functions/console/page/src/index.html")).unwrap();
    for banned in ["<style", " style=", "<script>", " onload", "http"] {
        assert!(!page.contains(banned), "index.html: {banned}, which the page's own policy refuses");
    }
}

#[test]
fn core_is_pure() {
    let manifest = fs::read_to_string(root().join("shared/core/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split('[').next().unwrap();
    let names: Vec<&str> = dependencies
        .lines()
        .filter_map(|line| line.split('.').next())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(
        names,
        ["compact_str", "xxhash-rust"],
        "core depends on a short text, a hash, and on nothing else"
    );
    check("core is synchronous and knows no clock, environment or randomness", |path, text| {
        let banned = ["async fn", "SystemTime", "Instant::now", "std::env", "fastrand", "getrandom"];
        path.starts_with(root().join("shared/core/src")) && banned.iter().any(|word| text.contains(word))
    });
}

#[test]
fn only_adapters_name_the_sdk() {
    for pure in ["core", "wire", "sandbox", "pipeline", "forecast", "view", "console"] {
        let manifest = fs::read_to_string(root().join(format!("shared/{pure}/Cargo.toml"))).unwrap();
        assert!(!manifest.contains("aws"), "shared/{pure} must not depend on AWS crates");
    }
}

/// What each function speaks to, by the SDK's names.
const CLIENTS: [(&str, &[&str]); 9] = [
    ("console", &["dynamodb"]),
    ("data-proxy", &["dynamodb"]),
    ("event-transformer", &["dynamodb", "kinesis"]),
    ("function-runner", &["dynamodb"]),
    ("impact-analyzer", &["dynamodb", "eventbridge", "sns"]),
    ("item-counter", &["dynamodb"]),
    ("schema-forecaster", &["dynamodb"]),
    ("schema-listener", &["dynamodb", "eventbridge", "kinesis"]),
    ("shadow-validator", &["dynamodb", "eventbridge", "sns"]),
];

#[test]
fn a_function_links_the_clients_it_uses_and_one_tls_stack() {
    for (function, clients) in CLIENTS {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"])
            .args(["--package", function, "--format", "{p}"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8(tree.stdout).unwrap();
        let packages: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        let linked: Vec<&str> =
            packages.iter().filter_map(|package| package.strip_prefix("aws-sdk-")).collect();
        assert_eq!(linked, clients, "{function}");
        assert!(packages.contains("ring"), "{function}: {packages:?}");
        // Credentials of people, second cryptography libraries, an engine for regular expressions.
        for banned in ["aws-config", "aws-lc-rs", "aws-lc-sys", "openssl-sys", "regex-automata"] {
            assert!(!packages.contains(banned), "{function} links {banned}");
        }
    }
}

#[test]
fn every_test_file_is_compiled() {
    let manifest = fs::read_to_string(root().join("tests/Cargo.toml")).unwrap();
    for entry in fs::read_dir(root().join("tests")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rs") {
            assert!(
                manifest.contains(&format!("path = \"{name}\"")),
                "tests/{name} is not in tests/Cargo.toml"
            );
        }
    }
}

#[test]
fn versions_are_pinned_in_one_place() {
    for package in ["shared", "functions"] {
        for entry in fs::read_dir(root().join(package)).unwrap().flatten() {
            let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap();
            let strays: Vec<&str> = manifest.lines().filter(|line| line.contains("version = \"")).collect();
            assert!(strays.is_empty(), "{}: {strays:?}", entry.path().display());
        }
    }
}

#[test]
fn the_readme_starts_with_the_demo_and_the_tests() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<&str> = readme
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("sh\n"))
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert_eq!(commands.first().copied(), Some("cargo evercount demo"));
    assert_eq!(commands.get(1).copied(), Some("cargo test --workspace"));
    let aliases = fs::read_to_string(root().join(".cargo/config.toml")).unwrap();
    assert!(aliases.contains("evercount = "));
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.contains("cargo test --workspace"), "CI runs the README's test command");
}
