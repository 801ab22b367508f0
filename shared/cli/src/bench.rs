//! `evercount bench`: what counting costs, measured on this machine, beside what it is held against.
//!
//! With `--json` it prints `{"benches": [{"bench", "failed", "figures": [{"name", "what", "value",
//! "not_measured", "baseline", "floor", "at_most", "at_least", "reached"}], "details"}]}`. `value` is `null`
//! where `not_measured` says why, and `figures` is empty where `failed` does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::args::BenchArgs;
use crate::exit::Exit;
use crate::show;

/// One benchmark of the repository.
struct Bench {
    name: &'static str,
    package: &'static str,
    /// What it takes besides cargo, and what is not measured without it.
    needs: &'static str,
    /// Whether it is left out unless it is asked for: it builds for ten minutes and more.
    is_slow: bool,
}

const TESTS: &str = "evercount-tests";
const VALGRIND: &str = "valgrind, to count instructions";

const BENCHES: [Bench; 10] = [
    Bench {
        name: "decode",
        package: TESTS,
        needs: "valgrind, to count instructions; python3 with orjson, to compare with",
        is_slow: false,
    },
    Bench { name: "definitions", package: TESTS, needs: VALGRIND, is_slow: false },
    Bench {
        name: "rows",
        package: TESTS,
        needs: "valgrind, to count instructions; it builds differential dataflow, to compare with",
        is_slow: false,
    },
    Bench { name: "fingerprint", package: TESTS, needs: VALGRIND, is_slow: false },
    Bench { name: "conform", package: TESTS, needs: VALGRIND, is_slow: false },
    Bench { name: "writes", package: TESTS, needs: "nothing else", is_slow: false },
    Bench { name: "sketch", package: "evercount-wire", needs: "nothing else", is_slow: false },
    Bench { name: "plan", package: TESTS, needs: "Linux, to see its memory", is_slow: false },
    Bench {
        name: "coldstart",
        package: TESTS,
        needs: "Linux, and python3, to compare with; it builds every function as it is deployed",
        is_slow: true,
    },
    Bench {
        name: "proxy",
        package: TESTS,
        needs: "nothing else; it builds the SDK and the embedded DynamoDB",
        is_slow: true,
    },
];

/// Runs the command.
pub fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    if let Some(unknown) = args.names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != **name)) {
        let names = BENCHES.map(|bench| bench.name).join(", ");
        bail!("`{unknown}` is no benchmark; there are {names}");
    }
    let root = repository(&std::env::current_dir()?).context(
        "benchmarks are built from Evercount's sources, and this is no folder of them: run \
         `cargo evercount bench` in the repository",
    )?;
    let is_asked = |bench: &&Bench| args.names.iter().any(|name| name == bench.name);
    let (chosen, left): (Vec<&Bench>, Vec<&Bench>) =
        BENCHES.iter().partition(|bench| is_asked(bench) || (args.names.is_empty() && !bench.is_slow));
    let mut measured = Vec::new();
    for bench in &chosen {
        show::remark(format!(
            "{}: builds, which takes minutes, and runs; it needs {}",
            bench.name, bench.needs
        ));
        measured.push(measure(&root, bench));
    }
    if args.names.is_empty() {
        let slow = |bench: &&Bench| left_out(bench, "it builds for long", "evercount bench ");
        measured.extend(left.iter().map(slow));
    }
    if args.output.json {
        show::document(&json!({ "benches": measured }));
    } else {
        show::line(table(&measured));
    }
    Ok(ended(&measured))
}

/// The folder of Evercount's sources that a folder is in.
fn repository(folder: &Path) -> Option<PathBuf> {
    let has_benches = |folder: &&Path| folder.join("tests/benches/decode/baseline.json").is_file();
    folder.ancestors().find(has_benches).map(Path::to_path_buf)
}

fn failed(bench: &Bench, why: &str) -> Value {
    json!({ "bench": bench.name, "failed": why, "figures": [], "details": null })
}

fn left_out(bench: &Bench, why: &str, command: &str) -> Value {
    let why = format!("{why}; ask for it with `{command}{}`", bench.name);
    let figure = json!({
        "name": bench.name, "what": format!("all of {}", bench.name), "value": null, "not_measured": why,
        "baseline": null, "floor": null, "at_most": null, "at_least": null, "reached": null,
    });
    json!({ "bench": bench.name, "failed": null, "figures": [figure], "details": null })
}

/// Builds a benchmark and runs it; what it printed.
fn measure(root: &Path, bench: &Bench) -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["bench", "--quiet", "--locked", "--package", bench.package, "--bench", bench.name]);
    if bench.package == TESTS && bench.name != "proxy" {
        // Without the SDK, which no other needs.
        command.arg("--no-default-features");
    }
    command.args(["--", "--json"]).current_dir(root).stdin(Stdio::null()).stderr(Stdio::inherit());
    match command.output() {
        Err(error) => failed(bench, &format!("cargo cannot be run: {error}")),
        Ok(output) if !output.status.success() => {
            failed(bench, &format!("it ended with {}; what it said is above", output.status))
        }
        Ok(output) => read(bench, &String::from_utf8_lossy(&output.stdout)),
    }
}

/// What a benchmark printed, which ends with its line for programs.
fn read(bench: &Bench, printed: &str) -> Value {
    let line = printed.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(mut told)) if told.get("figures").is_some_and(Value::is_array) => {
            told.insert("failed".to_owned(), Value::Null);
            Value::Object(told)
        }
        _ => failed(bench, "it printed no figures"),
    }
}

fn figures(bench: &Value) -> impl Iterator<Item = &Value> {
    bench.get("figures").and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Goals that are missed are something found; a benchmark that failed could not be run.
fn ended(measured: &[Value]) -> Exit {
    let is_missed = |figure: &Value| figure.get("reached") == Some(&json!(false));
    if measured.iter().any(|bench| bench.get("failed").is_some_and(|why| !why.is_null())) {
        Exit::Failed
    } else if measured.iter().flat_map(figures).any(is_missed) {
        Exit::Found
    } else {
        Exit::Ok
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn table(measured: &[Value]) -> comfy_table::Table {
    let mut table = show::table(&["", "figure", "measured", "baseline", "floor", "goal", ""], 0);
    for bench in measured {
        let name = text(bench, "bench").to_owned();
        if let Some(why) = bench.get("failed").and_then(Value::as_str) {
            let nothing = String::new;
            table.add_row([
                name.clone(),
                why.to_owned(),
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                "failed".into(),
            ]);
        }
        for figure in figures(bench) {
            let of = |name: &str| figure.get(name).and_then(Value::as_f64);
            let beside = |name: &str| of(name).map_or_else(String::new, number);
            let (least, most) = (of("at_least"), of("at_most"));
            let goal = least.map(|n| format!("≥ {n}")).or(most.map(|n| format!("≤ {n}"))).unwrap_or_default();
            let outcome = match figure.get("reached").and_then(Value::as_bool) {
                None => text(figure, "not_measured"),
                Some(_) if goal.is_empty() => "",
                Some(true) => "reached",
                Some(false) => "missed",
            };
            table.add_row([
                name.clone(),
                text(figure, "what").to_owned(),
                of("value").map_or_else(|| "not measured".to_owned(), number),
                beside("baseline"),
                beside("floor"),
                goal,
                outcome.to_owned(),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(name: &str) -> &'static Bench {
        BENCHES.iter().find(|bench| bench.name == name).unwrap_or(&BENCHES[0])
    }

    fn told(reached: &str) -> Value {
        let line = format!(
            r#"{{"bench":"plan","figures":[{{"name":"a","what":"seconds","value":0.5,"not_measured":null,
            "baseline":3.0,"floor":null,"at_most":1.0,"at_least":null,"reached":{reached}}}],"details":null}}"#
        );
        read(bench("plan"), &format!("something else\n{}\n", line.replace('\n', "")))
    }

    #[test]
    fn goals_that_are_missed_are_found_and_benchmarks_that_fail_are_failures() {
        let why = failed(bench("decode"), "it does not build");
        let left = left_out(bench("coldstart"), "it builds for long", "evercount bench ");
        assert_eq!(ended(&[told("true"), left.clone()]), Exit::Ok);
        assert_eq!(ended(&[told("true"), told("false")]), Exit::Found);
        assert_eq!(ended(&[told("false"), why.clone()]), Exit::Failed);
        let table = table(&[told("false"), left, why]).to_string();
        for part in [
            "seconds",
            "0.50",
            "3.00",
            "≤ 1",
            "missed",
            "not measured",
            "evercount bench coldstart",
            "failed",
        ] {
            assert!(table.contains(part), "{part} is not in {table}");
        }
    }

    #[test]
    fn what_prints_no_figures_has_failed() {
        for printed in ["", "no figures\n", "{\"bench\":\"plan\"}\n", "[]\n"] {
            assert_eq!(text(&read(bench("plan"), printed), "failed"), "it printed no figures", "{printed:?}");
        }
    }

    #[test]
    fn the_benchmarks_are_those_of_the_repository() -> anyhow::Result<()> {
        let root = repository(Path::new(env!("CARGO_MANIFEST_DIR"))).context("no repository")?;
        for bench in BENCHES {
            let package = if bench.package == TESTS { "tests" } else { "shared/wire" };
            let manifest = std::fs::read_to_string(root.join(package).join("Cargo.toml"))?;
            let declared = format!("[[bench]]\nname = \"{}\"\n", bench.name);
            assert!(manifest.contains(&declared), "{package} has no benchmark {}", bench.name);
        }
        assert_eq!(repository(Path::new("/")), None);
        Ok(())
    }
}
