//! What environments say, and everything that is wrong with one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
use super::*;

fn lookup(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    |wanted| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
}

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::from_lookup(lookup(variables))
}

#[test]
fn an_empty_environment_counts_exactly_in_the_default_tables() {
    let config = read(&[("EVERCOUNT_MODE", "")]).unwrap();
    assert_eq!(config.tables, TableNames::default());
    assert_eq!(
        (config.options.mode, config.options.format, config.options.epoch),
        (CountMode::Ledger, None, 0)
    );
    assert_eq!((config.service.as_str(), config.namespace.as_str()), ("item-counter", "Evercount"));
}

#[test]
fn every_variable_is_heard() {
    let config = read(&[
        ("EVERCOUNT_LEDGER_TABLE", "my.ledger"),
        ("EVERCOUNT_MODE", "lane"),
        ("EVERCOUNT_FORMAT", "dms"),
        ("EVERCOUNT_EPOCH", "7"),
        ("POWERTOOLS_METRICS_NAMESPACE", "Shop"),
    ])
    .unwrap();
    assert_eq!(config.tables.ledger, "my.ledger");
    assert_eq!(config.options.mode, CountMode::Lane);
    assert_eq!((config.options.format, config.options.epoch), (Some(Format::Dms), 7));
    assert_eq!(config.namespace, "Shop");
    assert_eq!(read(&[("EVERCOUNT_FORMAT", "auto")]).unwrap().options.format, None);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let errors = read(&[
        ("EVERCOUNT_LEDGER_TABLE", "a b"),
        ("EVERCOUNT_COUNTS_TABLE", "evercount-metadata"),
        ("EVERCOUNT_MODE", "exact"),
        ("EVERCOUNT_FORMAT", "avro"),
        ("EVERCOUNT_EPOCH", "-1"),
    ])
    .unwrap_err();
    let variables: Vec<&str> = errors.0.iter().map(|error| error.variable).collect();
    assert_eq!(
        variables,
        [
            "EVERCOUNT_LEDGER_TABLE",
            "EVERCOUNT_MODE",
            "EVERCOUNT_FORMAT",
            "EVERCOUNT_EPOCH",
            "EVERCOUNT_{METADATA,LEDGER,COUNTS}_TABLE"
        ]
    );
    assert!(errors.to_string().contains("EVERCOUNT_MODE is `exact`: expected `ledger` or `lane`; "));
}

#[test]
fn what_is_wrong_with_two_parts_is_told_at_once() {
    let (ok, wrong) = (|| read(&[]), || read(&[("EVERCOUNT_MODE", "exact")]));
    let worse = || read(&[("EVERCOUNT_MODE", "exact"), ("EVERCOUNT_EPOCH", "x")]);
    assert!(both(ok(), ok()).is_ok());
    for (one, other, errors) in
        [(ok(), wrong(), 1), (wrong(), ok(), 1), (wrong(), wrong(), 1), (wrong(), worse(), 2)]
    {
        assert_eq!(both(one, other).unwrap_err().0.len(), errors);
    }
}

#[test]
fn a_listener_publishes_on_the_default_stream_and_on_no_bus_unless_told() {
    let config = ListenerConfig::from_lookup(lookup(&[("EVERCOUNT_EVENT_BUS", "")])).unwrap();
    assert_eq!(config.schema_events_stream, SCHEMA_EVENTS_STREAM);
    assert_eq!((config.event_bus, config.options.format, config.options.epoch), (None, None, 0));
    assert_eq!((config.tables, config.service.as_str()), (TableNames::default(), "schema-listener"));
    let bus = "arn:aws:events:eu-central-1:111122223333:event-bus/shop";
    let told = [
        ("EVERCOUNT_SCHEMA_EVENTS_STREAM", "schemas"),
        ("EVERCOUNT_EVENT_BUS", bus),
        ("EVERCOUNT_FORMAT", "debezium"),
        ("EVERCOUNT_EPOCH", "2"),
    ];
    let config = ListenerConfig::from_lookup(lookup(&told)).unwrap();
    assert_eq!((config.schema_events_stream.as_str(), config.event_bus.as_deref()), ("schemas", Some(bus)));
    assert_eq!((config.options.format, config.options.epoch), (Some(Format::Debezium), 2));
}

#[test]
fn a_transformer_keeps_the_unknown_aside_unless_told() {
    let config = TransformerConfig::from_lookup(lookup(&[])).unwrap();
    assert_eq!(
        (config.options.unknown, config.conformed_stream.as_str()),
        (Unknown::KeepAside, CONFORMED_STREAM)
    );
    assert_eq!(config.options.consumer, "event-transformer");
    let told = [("EVERCOUNT_UNKNOWN", "reject"), ("EVERCOUNT_CONFORMED_STREAM", "shop")];
    let config = TransformerConfig::from_lookup(lookup(&told)).unwrap();
    assert_eq!((config.options.unknown, config.conformed_stream.as_str()), (Unknown::Reject, "shop"));
    let wrong = [("EVERCOUNT_UNKNOWN", "ignore"), ("EVERCOUNT_CONFORMED_STREAM", "a stream")];
    assert_eq!(TransformerConfig::from_lookup(lookup(&wrong)).unwrap_err().0.len(), 2);
}

#[test]
fn functions_of_users_are_among_the_tables_or_at_a_place_in_s3() {
    let read = |told: &[(&str, &str)]| RunnerConfig::from_lookup(lookup(told));
    assert_eq!(read(&[]).unwrap().functions, None);
    let told = read(&[("EVERCOUNT_FUNCTIONS", "s3://bucket/of/functions")]).unwrap().functions;
    assert_eq!(told, S3Place::parse("s3://bucket/of/functions"));
    assert!(read(&[("EVERCOUNT_FUNCTIONS", "bucket/of/functions")]).is_err());
}

#[test]
fn a_counter_asks_the_runner_of_the_stack_that_nobody_named_unless_told() {
    assert_eq!(read(&[]).unwrap().function_runner, FUNCTION_RUNNER);
    let arn = "arn:aws:lambda:eu-central-1:111122223333:function:shop-function-runner";
    assert_eq!(read(&[("EVERCOUNT_FUNCTION_RUNNER", arn)]).unwrap().function_runner, arn);
    assert!(read(&[("EVERCOUNT_FUNCTION_RUNNER", "a/path")]).is_err());
}

#[test]
fn a_listener_is_told_everything_wrong_and_a_counter_is_not_asked() {
    let wrong = [
        ("EVERCOUNT_FORMAT", "avro"),
        ("EVERCOUNT_SCHEMA_EVENTS_STREAM", "a stream"),
        ("EVERCOUNT_EVENT_BUS", "a bus"),
    ];
    let errors = ListenerConfig::from_lookup(lookup(&wrong)).unwrap_err();
    let variables: Vec<&str> = errors.0.iter().map(|error| error.variable).collect();
    assert_eq!(variables, wrong.map(|(variable, _)| variable));
    assert!(read(&wrong[1..]).is_ok());
}

#[test]
fn adjusting_waits_a_quarter_of_an_hour_for_clocks_and_alerts_nobody_unless_told() {
    let config = AdjustingConfig::from_lookup("impact-analyzer", lookup(&[])).unwrap();
    let options = config.options;
    assert_eq!((options.has_ledger, options.source_is_readable, options.epoch), (true, true, 0));
    assert_eq!((options.margin, options.pages), (900_000_000, PAGES));
    assert_eq!(options.segments, SEGMENTS);
    assert_eq!((config.alert_topic, config.event_bus), (None, None));
    assert_eq!((config.tables, config.service.as_str()), (TableNames::default(), "impact-analyzer"));
    let told = [
        ("EVERCOUNT_MODE", "lane"),
        ("EVERCOUNT_SOURCE_READABLE", "false"),
        ("EVERCOUNT_EPOCH", "3"),
        ("EVERCOUNT_MARGIN_MS", "0"),
        ("EVERCOUNT_PAGES", "50"),
        ("EVERCOUNT_SEGMENTS", "16"),
        ("EVERCOUNT_ALERT_TOPIC", "arn:aws:sns:eu-central-1:111122223333:alerts.fifo"),
        ("EVERCOUNT_EVENT_BUS", "shop"),
    ];
    let config = AdjustingConfig::from_lookup("shadow-validator", lookup(&told)).unwrap();
    let options = config.options;
    assert_eq!((options.has_ledger, options.source_is_readable, options.epoch), (false, false, 3));
    assert_eq!((options.margin, options.pages, options.segments), (0, 50, 16));
    assert_eq!(config.alert_topic.as_deref(), Some(told[6].1));
    assert_eq!(config.event_bus.as_deref(), Some("shop"));
}

#[test]
fn adjusting_is_told_everything_wrong_at_once() {
    let wrong = [
        ("EVERCOUNT_MODE", "exact"),
        ("EVERCOUNT_SOURCE_READABLE", "maybe"),
        ("EVERCOUNT_EPOCH", "-1"),
        ("EVERCOUNT_MARGIN_MS", "15m"),
        ("EVERCOUNT_PAGES", "0"),
        ("EVERCOUNT_SEGMENTS", "65"),
        ("EVERCOUNT_ALERT_TOPIC", "arn:aws:sqs:eu-central-1:111122223333:alerts"),
        ("EVERCOUNT_EVENT_BUS", "a bus"),
    ];
    let errors = AdjustingConfig::from_lookup("impact-analyzer", lookup(&wrong)).unwrap_err();
    let variables: Vec<&str> = errors.0.iter().map(|error| error.variable).collect();
    assert_eq!(variables, wrong.map(|(variable, _)| variable));
}
