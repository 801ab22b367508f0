//! Findings about the mapping's rules, each with the page or the reading of it that it pins.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    number: String,
    bytes: usize,
    arrival_ms: u64,
}

impl StreamRecord for Record {
    fn sequence_number(&self) -> &str {
        &self.number
    }
    fn payload_bytes(&self) -> usize {
        self.bytes
    }
    fn arrival_ms(&self) -> u64 {
        self.arrival_ms
    }
}

fn record(number: u64) -> Record {
    Record { number: number.to_string(), bytes: 100, arrival_ms: 1_000 }
}

fn reader(config: MappingConfig, records: u64) -> ShardReader<Record> {
    let mut reader = ShardReader::new("shardId-000000000000", config);
    for number in 1..=records {
        assert_eq!(reader.push(record(number), 1_000), Pushed::Queued);
    }
    reader
}

fn span(records: &[Record]) -> String {
    match (records.first(), records.last()) {
        (Some(first), Some(last)) if first == last => first.number.clone(),
        (Some(first), Some(last)) => format!("{}-{}", first.number, last.number),
        _ => String::from("empty"),
    }
}

/// Delivers until idle or until `steps` replies were given, and writes down what happened.
fn trace(reader: &mut ShardReader<Record>, steps: usize, handler: impl Fn(&[Record]) -> Reply) -> String {
    let mut lines = Vec::new();
    for _ in 0..steps {
        let (given, reply) = match reader.next(1_000) {
            Next::Batch(batch) => (span(batch), handler(batch)),
            Next::Discarded(discard) => {
                lines.push(format!("expired {}", span(&discard.records)));
                continue;
            }
            Next::Wait { .. } | Next::Idle => break,
        };
        let settled = reader.settle(&reply).unwrap();
        let rest = match settled.outcome {
            Outcome::Succeeded => String::from("ok"),
            Outcome::Retry { retry, attempts } => format!("retry {retry} attempt {attempts}"),
            Outcome::Bisected(first, second) => format!("split {first}+{second}"),
            Outcome::Discarded(discard) => {
                format!("{} {}", discard.condition.as_str(), span(&discard.records))
            }
        };
        let done = if settled.succeeded > 0 && rest != "ok" {
            format!("{} done, ", settled.succeeded)
        } else {
            String::new()
        };
        lines.push(format!("{given}: {done}{rest}"));
    }
    lines.join("; ")
}

fn fails_on(poison: &'static [u64]) -> impl Fn(&[Record]) -> Reply {
    move |batch| {
        let poisoned = |record: &Record| poison.iter().any(|number| number.to_string() == record.number);
        if batch.iter().any(poisoned) { Reply::Error } else { Reply::Failures(Vec::new()) }
    }
}

fn reports(numbers: &'static [&'static str]) -> impl Fn(&[Record]) -> Reply {
    move |_| Reply::Failures(numbers.iter().map(|number| (*number).to_owned()).collect())
}

fn reports_poison(poison: &'static [u64]) -> impl Fn(&[Record]) -> Reply {
    move |batch| {
        let failed =
            batch.iter().filter(|record| poison.iter().any(|number| number.to_string() == record.number));
        Reply::Failures(failed.map(|record| record.number.clone()).collect())
    }
}

fn check(
    what: &str,
    config: &MappingConfig,
    records: u64,
    steps: usize,
    handler: impl Fn(&[Record]) -> Reply,
    expected: &str,
) {
    let mut reader = reader(config.clone(), records);
    assert_eq!(trace(&mut reader, steps, handler), expected, "{what}");
}

fn batches_of(batch_size: usize) -> MappingConfig {
    MappingConfig { batch_size, ..MappingConfig::default() }
}

#[test]
fn batches_fill_up_in_order_and_a_failed_one_blocks_the_shard() {
    check("full batches, then the rest", &batches_of(4), 10, 9, fails_on(&[]), "1-4: ok; 5-8: ok; 9-10: ok");
    check("no batch size is one record", &batches_of(0), 2, 9, fails_on(&[]), "1: ok; 2: ok");
    check(
        "an error retries the whole batch for ever",
        &batches_of(3),
        6,
        3,
        fails_on(&[2]),
        "1-3: retry 3 attempt 1; 1-3: retry 3 attempt 2; 1-3: retry 3 attempt 3",
    );
    let twice = MappingConfig { maximum_retry_attempts: Some(2), ..batches_of(3) };
    check(
        "two retries are three deliveries, and good records of the batch are discarded with it",
        &twice,
        6,
        9,
        fails_on(&[2]),
        "1-3: retry 3 attempt 1; 1-3: retry 3 attempt 2; 1-3: RetryAttemptsExhausted 1-3; 4-6: ok",
    );
    let never = MappingConfig { maximum_retry_attempts: Some(0), ..batches_of(3) };
    check("no retries", &never, 6, 9, fails_on(&[2]), "1-3: RetryAttemptsExhausted 1-3; 4-6: ok");
}

#[test]
fn a_bisect_isolates_poison_without_using_the_retry_quota() {
    let config = MappingConfig { bisect_on_error: true, maximum_retry_attempts: Some(1), ..batches_of(8) };
    check(
        "one poison record",
        &config,
        9,
        99,
        fails_on(&[3]),
        "1-8: split 4+4; 1-4: split 2+2; 1-2: ok; 3-4: split 1+1; 3: retry 1 attempt 1; 3: RetryAttemptsExhausted 3; 4: ok; 5-8: ok; 9: ok",
    );
    check(
        "an odd batch",
        &config,
        3,
        99,
        fails_on(&[1]),
        "1-3: split 1+2; 1: retry 1 attempt 1; 1: RetryAttemptsExhausted 1; 2-3: ok",
    );
}

#[test]
fn a_partial_reply_moves_the_checkpoint_to_the_lowest_reported_record() {
    let config =
        MappingConfig { report_item_failures: true, maximum_retry_attempts: Some(1), ..batches_of(8) };
    let bisect = MappingConfig { bisect_on_error: true, ..config.clone() };
    let table: &[(&str, &MappingConfig, usize, &'static [&'static str], &str)] = &[
        ("an empty list is complete success", &config, 1, &[], "1-8: ok"),
        (
            "the lowest wins, whatever the order",
            &config,
            1,
            &["7", "3", "5"],
            "1-8: 2 done, retry 6 attempt 1",
        ),
        ("a repeated identifier", &config, 1, &["3", "3"], "1-8: 2 done, retry 6 attempt 1"),
        ("the first record is all of the batch", &config, 1, &["1"], "1-8: retry 8 attempt 1"),
        ("leading zeros name the same number", &config, 1, &["008"], "1-8: 7 done, retry 1 attempt 1"),
        ("an empty identifier is complete failure", &config, 1, &[""], "1-8: retry 8 attempt 1"),
        ("one bad identifier fails all", &config, 1, &["3", "x"], "1-8: retry 8 attempt 1"),
        ("a record of a later batch", &config, 1, &["9"], "1-8: retry 8 attempt 1"),
        ("complete failure is bisected", &bisect, 1, &[""], "1-8: split 4+4"),
        ("a partial reply is the bisect", &bisect, 1, &["6"], "1-8: 5 done, retry 3 attempt 0"),
        ("nothing split off is an attempt", &bisect, 1, &["1"], "1-8: retry 8 attempt 1"),
    ];
    for (what, config, steps, numbers, expected) in table {
        check(what, config, 12, *steps, reports(numbers), expected);
    }
    check(
        "everything from the failed record on is delivered again, and then discarded",
        &config,
        9,
        99,
        reports_poison(&[6]),
        "1-8: 5 done, retry 3 attempt 1; 6-8: RetryAttemptsExhausted 6-8; 9: ok",
    );
    check(
        "a discard still settles what stands before the failure",
        &MappingConfig { maximum_retry_attempts: Some(0), ..config.clone() },
        8,
        99,
        reports_poison(&[6]),
        "1-8: 5 done, RetryAttemptsExhausted 6-8",
    );
    check(
        "without ReportBatchItemFailures the reported failures are lost",
        &batches_of(8),
        8,
        99,
        reports(&["3"]),
        "1-8: ok",
    );
}

#[test]
fn the_checkpoint_never_passes_a_record_that_is_still_to_be_retried() {
    let config = MappingConfig { report_item_failures: true, bisect_on_error: true, ..batches_of(4) };
    let mut reader = reader(config, 6);
    assert_eq!(reader.checkpoint(), None);
    assert!(matches!(reader.next(1_000), Next::Batch(batch) if batch.len() == 4));
    reader.settle(&Reply::Error).unwrap();
    assert_eq!(reader.checkpoint(), None);
    assert!(matches!(reader.next(1_000), Next::Batch(batch) if span(batch) == "1-2"));
    reader.settle(&Reply::Failures(vec!["2".to_owned()])).unwrap();
    assert_eq!(reader.checkpoint(), Some("1"));
    assert_eq!(trace(&mut reader, 9, fails_on(&[])), "2: ok; 3-4: ok; 5-6: ok");
    assert_eq!((reader.checkpoint(), reader.last_read()), (Some("6"), Some("6")));
    assert!(reader.is_settled() && !reader.is_drained());
    reader.close();
    assert!(reader.is_drained());
}

#[test]
fn asking_again_before_settling_delivers_the_same_batch_twice() {
    let mut reader = reader(batches_of(2), 3);
    assert!(matches!(reader.next(1_000), Next::Batch(batch) if span(batch) == "1-2"));
    assert!(matches!(reader.next(9_999_999), Next::Batch(batch) if span(batch) == "1-2"));
    assert!(reader.settle(&Reply::Failures(Vec::new())).is_some());
    assert_eq!(reader.settle(&Reply::Failures(Vec::new())), None);
    assert!(matches!(reader.next(1_000), Next::Batch(batch) if span(batch) == "3"));
}

#[test]
fn a_batch_stops_before_the_payload_limit_but_one_large_record_still_goes() {
    let config = MappingConfig { payload_limit_bytes: 250, ..batches_of(10) };
    check("two of 100 bytes fit", &config, 5, 9, fails_on(&[]), "1-2: ok; 3-4: ok; 5: ok");
    let mut large = reader(config, 1);
    large.push(Record { bytes: 9_000, ..record(2) }, 1_000);
    large.push(record(3), 1_000);
    assert_eq!(trace(&mut large, 9, fails_on(&[])), "1: ok; 2: ok; 3: ok");
}

#[test]
fn an_unfilled_batch_waits_for_its_window_and_a_closed_shard_does_not() {
    let config = MappingConfig { batch_window_ms: 500, ..batches_of(3) };
    let mut waiting = reader(config, 4);
    assert!(matches!(waiting.next(1_000), Next::Batch(batch) if span(batch) == "1-3"));
    waiting.settle(&Reply::Failures(Vec::new())).unwrap();
    assert_eq!(waiting.next(1_200), Next::Wait { until_ms: 1_500 });
    assert_eq!(waiting.push(record(5), 1_400), Pushed::Queued);
    assert_eq!(waiting.next(1_499), Next::Wait { until_ms: 1_500 });
    let mut closed = waiting.clone();
    closed.close();
    assert!(matches!(closed.next(1_499), Next::Batch(batch) if span(batch) == "4-5"));
    assert!(matches!(waiting.next(1_500), Next::Batch(batch) if span(batch) == "4-5"));
    waiting.settle(&Reply::Error).unwrap();
    assert!(
        matches!(waiting.next(1_500), Next::Batch(batch) if span(batch) == "4-5"),
        "a retry waits for no window"
    );
    waiting.settle(&Reply::Failures(Vec::new())).unwrap();
    assert_eq!(waiting.next(9_000), Next::Idle);
}

#[test]
fn records_past_the_maximum_age_are_skipped_before_they_are_sent_and_between_retries() {
    let config = MappingConfig { maximum_record_age_ms: Some(60_000), ..batches_of(3) };
    let mut reader = ShardReader::new("shardId-000000000000", config);
    for number in 1..=5 {
        reader.push(Record { arrival_ms: 1_000 * number, ..record(number) }, 5_000);
    }
    let Next::Discarded(discard) = reader.next(62_500) else { panic!("the first record is 61.5 s old") };
    assert_eq!(
        (span(&discard.records).as_str(), discard.condition),
        ("1-2", Condition::MaximumRecordAgeExceeded)
    );
    assert_eq!((discard.start.as_str(), discard.end.as_str()), ("1", "2"));
    assert_eq!(discard.shard_id, "shardId-000000000000");
    assert_eq!(reader.checkpoint(), Some("2"));
    assert!(matches!(reader.next(62_500), Next::Batch(batch) if span(batch) == "3-5"));
    reader.settle(&Reply::Error).unwrap();
    assert!(matches!(reader.next(64_500), Next::Discarded(discard) if span(&discard.records) == "3-4"));
    assert!(
        matches!(reader.next(64_500), Next::Batch(batch) if span(batch) == "5"),
        "what is young enough is still retried"
    );
    reader.settle(&Reply::Error).unwrap();
    assert!(matches!(reader.next(99_000), Next::Discarded(discard) if span(&discard.records) == "5"));
    assert_eq!(reader.next(99_000), Next::Idle);
}

#[test]
fn a_record_at_or_below_the_last_read_is_not_queued_again() {
    let mut reader = reader(batches_of(10), 10);
    assert_eq!(reader.push(record(10), 1_000), Pushed::AlreadyRead);
    assert_eq!(reader.push(record(9), 1_000), Pushed::AlreadyRead);
    assert_eq!(reader.push(record(11), 1_000), Pushed::Queued);
    assert_eq!(trace(&mut reader, 9, fails_on(&[])), "1-10: ok; 11: ok");
}

#[test]
fn read_ahead_is_bounded_by_two_batches() {
    assert_eq!(reader(batches_of(4), 3).room(), 5);
    assert_eq!(reader(batches_of(4), 20).room(), 0);
}

#[test]
fn sequence_numbers_compare_as_integers_of_any_length() {
    let long = "9".repeat(129);
    let longer = format!("1{}", "0".repeat(129));
    for (left, right, expected) in [
        ("9", "10", Ordering::Less),
        ("10", "9", Ordering::Greater),
        ("007", "7", Ordering::Equal),
        ("0", "", Ordering::Equal),
        (long.as_str(), longer.as_str(), Ordering::Less),
        (longer.as_str(), long.as_str(), Ordering::Greater),
    ] {
        assert_eq!(compare_sequence_numbers(left, right), expected, "{left} against {right}");
    }
}
