//! Rules on how the stack is run: its functions' settings, and what tells a person of trouble.

use serde_json::{Value, json};

use super::yaml::{Template, references};
use super::{Offences, Rule, source, texts};

/// The rules.
pub const RULES: &[Rule] = &[
    ("functions are built by cargo-lambda, for ARM unless told", built),
    ("variables are those that the code reads", variables),
    ("validator, forecaster and data proxy are invoked on a schedule", scheduled),
    ("rules match what the code sends", event_patterns),
    ("what goes wrong raises an alarm", alarms),
    ("an alarm reaches the topic", alarms_reach),
    ("metrics are those that the code writes", metrics),
    ("the dashboard shows what counts are judged by", dashboard),
];

fn built(template: &Template) -> Offences {
    let mut found = Vec::new();
    for (name, function) in template.functions() {
        let folder = function["Properties"]["CodeUri"].as_str().unwrap_or_default();
        let binary = &function["Metadata"]["BuildProperties"]["Binary"];
        if function["Metadata"]["BuildMethod"] != "rust-cargolambda" {
            found.push(format!("{name}: BuildMethod {}", function["Metadata"]["BuildMethod"]));
        }
        if binary.as_str().is_none_or(|binary| folder != format!("../functions/{binary}")) {
            found.push(format!("{name}: the binary {binary} is not that of {folder}"));
        }
    }
    let settings = &template.0["Globals"]["Function"];
    for (setting, expected) in [
        ("Runtime", json!("provided.al2023")),
        ("Handler", json!("bootstrap")),
        ("Architectures", json!([{"Ref": "Architecture"}])),
    ] {
        if settings[setting] != expected {
            found.push(format!("Globals: {setting} is {}", settings[setting]));
        }
    }
    let architecture = &template.0["Parameters"]["Architecture"];
    if architecture["Default"] != "arm64" || architecture["AllowedValues"] != json!(["arm64", "x86_64"]) {
        found.push(format!("Architecture: {architecture}"));
    }
    found
}

/// What each function has to be told, beside the tables.
fn expected_variables(binary: &str) -> &'static [&'static str] {
    match binary {
        "schema-listener" => &["EVERCOUNT_FORMAT", "EVERCOUNT_SCHEMA_EVENTS_STREAM", "EVERCOUNT_EVENT_BUS"],
        "item-counter" => &["EVERCOUNT_FORMAT", "EVERCOUNT_MODE", "EVERCOUNT_FUNCTION_RUNNER"],
        "function-runner" => &["EVERCOUNT_FUNCTIONS"],
        "console" => &["EVERCOUNT_FORMAT", "EVERCOUNT_MODE"],
        "schema-forecaster" => &[],
        "data-proxy" => &[
            "EVERCOUNT_PROXY_MODE",
            "EVERCOUNT_PROXY_TABLE_MODES",
            "EVERCOUNT_PROXY_MUTATIONS",
            "EVERCOUNT_FUNCTIONS",
        ],
        "event-transformer" => {
            &["EVERCOUNT_FORMAT", "EVERCOUNT_CONFORMED_STREAM", "EVERCOUNT_UNKNOWN", "EVERCOUNT_FUNCTIONS"]
        }
        _ => &[
            "EVERCOUNT_MODE",
            "EVERCOUNT_SOURCE_READABLE",
            "EVERCOUNT_MARGIN_MS",
            "EVERCOUNT_ALERT_TOPIC",
            "EVERCOUNT_EVENT_BUS",
            "EVERCOUNT_FUNCTIONS",
        ],
    }
}

fn variables(template: &Template) -> Offences {
    let read = ["config.rs", "config/proxy.rs", "clients/roots.rs"];
    let config: String = read.iter().map(|file| source(&format!("shared/aws/src/{file}"))).collect();
    let mut found = Vec::new();
    for (name, function) in template.functions() {
        let set = template.variables(function);
        for variable in set.keys().filter(|variable| !config.contains(&format!("\"{variable}\""))) {
            found.push(format!("{name}: nobody reads {variable}"));
        }
        let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap_or_default();
        for variable in expected_variables(binary).iter().filter(|variable| !set.contains_key(**variable)) {
            found.push(format!("{name}: is not told {variable}"));
        }
        for (variable, named) in [
            ("EVERCOUNT_METADATA_TABLE", "MetadataTable"),
            ("EVERCOUNT_LEDGER_TABLE", "LedgerTable"),
            ("EVERCOUNT_COUNTS_TABLE", "CountsTable"),
            // Without it there is no way out of the pinned roots but a new release.
            ("EVERCOUNT_TLS_ROOTS", "TlsRoots"),
        ] {
            if set.get(variable) != Some(&json!({"Ref": named})) {
                found.push(format!("{name}: {variable} is not {named}"));
            }
        }
    }
    found
}

fn scheduled(template: &Template) -> Offences {
    let is_one = |event: &Value| {
        event["Type"] == "ScheduleV2"
            && event["Properties"]["ScheduleExpression"].as_str().is_some_and(|one| one.starts_with("rate("))
    };
    let functions = ["ShadowValidatorFunction", "SchemaForecasterFunction", "DataProxyFunction"].into_iter();
    let idle = functions.filter(|function| {
        let events = &template.0["Resources"][function]["Properties"]["Events"];
        !events.as_object().into_iter().flatten().any(|(_, event)| is_one(event))
    });
    idle.map(|function| format!("{function}: nothing invokes it")).collect()
}

fn event_patterns(template: &Template) -> Offences {
    let sent = [source("shared/aws/src/schema_events.rs"), source("shared/aws/src/alerts.rs")].concat();
    let bus = source("shared/aws/src/bus.rs");
    let mut found = Vec::new();
    for (name, rule) in template.of_type("AWS::Events::Rule") {
        let pattern = &rule["Properties"]["EventPattern"];
        for one in texts(&pattern["source"]) {
            if !bus.contains(&format!("SOURCE: &str = \"{one}\"")) {
                found.push(format!("{name}: nobody sends as {one}"));
            }
        }
        for kind in texts(&pattern["detail-type"]) {
            if !sent.contains(&format!("&str = \"{kind}\"")) {
                found.push(format!("{name}: nobody sends {kind}"));
            }
        }
        if pattern["source"].is_null() {
            found.push(format!("{name}: matches what others send"));
        }
    }
    found
}

/// A function's metric, or one of a service.
fn has_alarm(template: &Template, metric: &str, of: &Value) -> bool {
    template.of_type("AWS::CloudWatch::Alarm").into_iter().any(|(_, alarm)| {
        let alarm = &alarm["Properties"];
        alarm["MetricName"] == metric && alarm["Dimensions"][0]["Value"] == *of
    })
}

fn alarms(template: &Template) -> Offences {
    let mut found = Vec::new();
    for (name, function) in template.functions() {
        let of = json!({"Ref": name});
        for metric in ["Errors", "Throttles"] {
            if !has_alarm(template, metric, &of) {
                found.push(format!("{name}: no alarm on {metric}"));
            }
        }
        let events = function["Properties"]["Events"].to_string();
        if events.contains("\"Kinesis\"") && !has_alarm(template, "IteratorAge", &of) {
            found.push(format!("{name}: no alarm on IteratorAge"));
        }
    }
    for (metric, service) in [
        ("quarantined", "item-counter"),
        ("negative_sums", "shadow-validator"),
        ("draining", "shadow-validator"),
        ("rounds", "shadow-validator"),
        ("tables_forecast", "schema-forecaster"),
    ] {
        if !has_alarm(template, metric, &json!(service)) {
            found.push(format!("{service}: no alarm on {metric}"));
        }
    }
    let of_all = template.of_type("AWS::CloudWatch::Alarm").iter().any(|(_, alarm)| {
        alarm["Properties"]["Metrics"].to_string().contains("SUM(FailedToReplicateRecordCount)")
    });
    if !of_all {
        found.push("source tables: no alarm on FailedToReplicateRecordCount".to_owned());
    }
    found
}

fn alarms_reach(template: &Template) -> Offences {
    let silent = template.of_type("AWS::CloudWatch::Alarm").into_iter().filter(|(_, alarm)| {
        let alarm = &alarm["Properties"];
        references(&alarm["AlarmActions"]) != ["AlertTopic"] || alarm["ActionsEnabled"] == json!(false)
    });
    silent.map(|(name, _)| format!("{name}: tells nobody")).collect()
}

/// The dashboard's widgets.
fn widgets(template: &Template) -> Vec<Value> {
    let body = &template.0["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let body: Value = serde_json::from_str(body.as_str().unwrap_or("{}")).unwrap();
    body["widgets"].as_array().cloned().unwrap_or_default()
}

/// Names of our own metrics that the dashboard draws.
fn drawn(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for widget in widgets(template) {
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            if metric[0] == "${AWS::StackName}" {
                found.extend(metric[1].as_str().map(str::to_owned));
            }
        }
    }
    found
}

/// Metrics are declared in one file, but for the outcomes of plans, which are named in another.
fn metrics(template: &Template) -> Offences {
    let written = [source("shared/aws/src/metrics.rs"), source("shared/core/src/adoption.rs")].concat();
    let is_written = |name: &str| written.contains(&format!("\"{name}\""));
    let mut found: Offences = drawn(template)
        .into_iter()
        .filter(|name| !is_written(name))
        .map(|name| format!("Dashboard: {name}"))
        .collect();
    for (alarm, one) in template.of_type("AWS::CloudWatch::Alarm") {
        let one = &one["Properties"];
        let is_ours = one["Namespace"] == json!({"Ref": "AWS::StackName"});
        if let Some(name) = one["MetricName"].as_str().filter(|name| is_ours && !is_written(name)) {
            found.push(format!("{alarm}: {name}"));
        }
    }
    let namespace =
        &template.0["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"];
    if *namespace != json!({"Ref": "AWS::StackName"}) {
        found.push(format!("Globals: metrics go to {namespace}"));
    }
    found
}

fn dashboard(template: &Template) -> Offences {
    let (drawn, all) = (drawn(template), widgets(template));
    let ours =
        ["records", "duplicates", "quarantined", "uncertain", "drift", "shadow_agreement", "write_units"];
    let missing = ours.into_iter().filter(|name| !drawn.iter().any(|one| one == name));
    let mut found: Offences = missing.map(|name| format!("Dashboard: does not show {name}")).collect();
    if !json!(all).to_string().contains("IteratorAge") {
        found.push("Dashboard: does not show IteratorAge".to_owned());
    }
    found
}
