//! What each rule makes of a proposal, and laws that hold under every policy.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::conclude::weight;
use super::*;
use crate::diff::arbitrary;
use crate::diff::{diff, diff_with_renames};
use crate::order::LogRank;
use crate::registry::RETENTION_DEFAULT;
use crate::schema::{Field, FieldPath, FieldType, TypeSet};
use crate::schema_change::Evidence;

const NOW: Micros = 1_769_851_800_123_456;

fn column(name: &str) -> FieldPath {
    FieldPath::column(name)
}

fn table(columns: &[(&str, FieldType)]) -> Schema {
    let field = |(name, one): &(&str, FieldType)| {
        (column(name), Field { required: true, ..Field::of(TypeSet::of(one.clone())) })
    };
    Schema { fields: columns.iter().map(field).collect(), key: vec![column("id")] }
}

fn orders() -> Schema {
    table(&[("id", FieldType::INTEGER), ("status", FieldType::STRING), ("total", FieldType::INTEGER)])
}

fn declared(kind: ChangeKind) -> SchemaChange {
    SchemaChange { kind, evidence: Evidence::Declared { statement: "ALTER TABLE orders".to_owned() } }
}

fn at(offset: u64) -> Option<OrderVersion> {
    Some(OrderVersion::binlog(0, 1, offset, 0, LogRank::Change))
}

/// What is proposed where a source goes from one schema to another, with what was renamed.
fn proposal(before: &Schema, after: &Schema, renames: &[(&str, &str)], offset: u64) -> Proposal {
    let renames: Vec<_> = renames.iter().map(|(from, to)| (column(from), column(to))).collect();
    let changes = diff_with_renames(before, after, &renames).changes();
    Proposal {
        schema: after.clone(),
        changes: changes.into_iter().map(declared).collect(),
        position: at(offset),
        at: NOW + offset as i64,
    }
}

fn happened(schema: &Schema, kind: ChangeKind, offset: u64) -> Proposal {
    let changes = vec![declared(kind)];
    Proposal { schema: schema.clone(), changes, position: at(offset), at: NOW + offset as i64 }
}

fn policy(rules: &[(&str, EvolutionRule)]) -> Policy {
    let rules = rules.iter().map(|(kind, rule)| ((*kind).to_owned(), *rule)).collect();
    Policy { rules, ..Policy::default() }
}

fn fine(_: &Schema) -> Judgement {
    Judgement { drift: 0.5, breaks: Vec::new() }
}

/// A declared subject at version 1.
fn first_version(policy: Policy, schema: &Schema) -> SubjectState {
    let new = new_subject(Subject::new("orders"), Origin::Declared, policy, NOW);
    let made = evolve(&new, None, &happened(schema, ChangeKind::CreateTable, 1), fine, NOW);
    assert_eq!(made.version.unwrap().schema, *schema);
    made.state
}

/// The columns after a proposal, and the reasons why changes made no version.
fn outcome(evolved: &Evolved) -> (String, Vec<&'static str>) {
    let columns = evolved.version.as_ref().map_or_else(String::new, |version| {
        let text = |(path, field): (&FieldPath, &Field)| format!("{path} {}", field.types);
        version.schema.fields.iter().map(text).collect::<Vec<_>>().join(", ")
    });
    (columns, evolved.held.iter().map(|held| held.why.name()).collect())
}

#[test]
fn a_first_version_is_number_one_and_has_no_parent() {
    let new = new_subject(Subject::new("orders"), Origin::Observed, Policy::default(), NOW);
    let proposal = Proposal { schema: orders(), changes: Vec::new(), position: at(9), at: NOW };
    let made = evolve(&new, None, &proposal, fine, NOW + 1);
    let (version, event) = (made.version.unwrap(), made.event.unwrap());
    assert_eq!((version.id.version, version.parent, version.created_at), (1, None, NOW + 1));
    assert_eq!((event.from, event.to), (None, version.id));
    assert_eq!((made.state.current, made.state.position), (Some(version.id), at(9)));
    assert_eq!(made.state.revision, 1);
}

#[test]
fn each_rule_does_what_it_is_called() {
    let mut after = orders();
    after.fields.remove(&column("total"));
    after.fields.insert(column("note"), Field::of(TypeSet::of(FieldType::STRING)));
    let check = |rules: &[(&str, EvolutionRule)], columns: &str, held: &[&str]| {
        let state = first_version(policy(rules), &orders());
        let evolved = evolve(&state, Some(&orders()), &proposal(&orders(), &after, &[], 2), fine, NOW);
        assert_eq!(outcome(&evolved), (columns.to_owned(), held.to_vec()), "{rules:?}");
        // Only what was let through is told, and only that is in the version.
        let told = evolved.event.map_or(0, |event| event.changes.len());
        assert_eq!(told, 2 - held.len(), "{rules:?}");
    };
    check(&[], "id integer, note string, status string", &[]);
    check(
        &[("drop_column", EvolutionRule::Ignore)],
        "id integer, note string, status string, total integer",
        &["ignored"],
    );
    check(
        &[("drop_column", EvolutionRule::Exception)],
        "id integer, note string, status string, total integer",
        &["refused"],
    );
    check(
        &[("drop_column", EvolutionRule::Lenient)],
        "id integer, note string, status string, total integer or null",
        &[],
    );
    check(&[("add_column", EvolutionRule::Ignore)], "id integer, status string", &["ignored"]);
    check(
        &[("drop_column", EvolutionRule::Ignore), ("add_column", EvolutionRule::Ignore)],
        "",
        &["ignored", "ignored"],
    );
}

#[test]
fn include_and_exclude_leave_kinds_of_change_out() {
    let mut after = orders();
    after.fields.remove(&column("total"));
    let dropped = proposal(&orders(), &after, &[], 2);
    let included = |kind: &str| Policy {
        include: ["create_table", kind].map(str::to_owned).into(),
        ..Policy::default()
    };
    let excluded = Policy { exclude: ["drop_column".to_owned()].into(), ..Policy::default() };
    for (policy, made) in
        [(included("drop_column"), true), (included("add_column"), false), (excluded, false)]
    {
        let evolved = evolve(&first_version(policy, &orders()), Some(&orders()), &dropped, fine, NOW);
        assert_eq!((evolved.version.is_some(), evolved.held.len()), (made, usize::from(!made)));
    }
}

#[test]
fn what_breaks_compatibility_waits_and_the_rest_goes_on() {
    let state = first_version(policy(&[("drop_column", EvolutionRule::TryEvolve)]), &orders());
    let mut after = orders();
    after.fields.remove(&column("total"));
    after.fields.insert(column("note"), Field::of(TypeSet::of(FieldType::STRING)));
    let judge = |schema: &Schema| {
        let breaks = if schema.fields.contains_key(&column("total")) {
            vec![]
        } else {
            vec!["FORWARD: `total` is required".to_owned()]
        };
        Judgement { drift: 0.1, breaks }
    };
    let proposed = proposal(&orders(), &after, &[], 2);
    let evolved = evolve(&state, Some(&orders()), &proposed, judge, NOW);
    let version = evolved.version.clone().unwrap();
    assert!(version.breaks.is_empty());
    assert_eq!(outcome(&evolved).0, "id integer, note string, status string, total integer");
    assert_eq!(outcome(&evolved).1, ["breaks"]);
    assert_eq!(evolved.state.pending.len(), 1);

    // Found again it waits as before, and a person lets it through.
    let again =
        evolve(&evolved.state, Some(&version.schema), &proposal(&version.schema, &after, &[], 3), judge, NOW);
    assert_eq!((again.state, again.held.len()), (evolved.state.clone(), 0));
    let accepted = accept(&evolved.state, &version.schema, |_| true, judge, NOW);
    assert_eq!(outcome(&accepted).0, "id integer, note string, status string");
    let accepted_version = accepted.version.unwrap();
    assert_eq!((accepted_version.id.version, accepted_version.breaks.len()), (3, 1));
    assert!(accepted.state.pending.is_empty());
    assert_eq!(accepted.state.position, evolved.state.position);
    let none = accept(&evolved.state, &version.schema, |_| false, judge, NOW);
    assert_eq!(none.state, evolved.state);
}

#[test]
fn small_changes_gather_until_they_reach_the_threshold() {
    let policy = Policy { drift_threshold: 0.3, ..Policy::default() };
    let mut state = first_version(policy, &orders());
    let judge = |schema: &Schema| Judgement { drift: schema.fields.len() as f64 * 0.1 - 0.3, breaks: vec![] };
    let mut now = orders();
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        now.fields.insert(column(name), Field::of(TypeSet::of(FieldType::STRING)));
        let evolved =
            evolve(&state, Some(&orders()), &proposal(&orders(), &now, &[], 2 + n as u64), judge, NOW);
        assert_eq!((evolved.version, evolved.event), (None, None));
        assert_eq!(evolved.held.len(), 1, "what waits already is not told again");
        assert_eq!(evolved.state.pending.len(), n + 1);
        state = evolved.state;
    }
    // One goes away before anything came of it.
    now.fields.remove(&column("a"));
    let evolved = evolve(&state, Some(&orders()), &proposal(&orders(), &now, &[], 5), judge, NOW);
    assert_eq!(evolved.state.pending.len(), 1);
    for name in ["c", "d"] {
        now.fields.insert(column(name), Field::of(TypeSet::of(FieldType::STRING)));
    }
    let evolved = evolve(&evolved.state, Some(&orders()), &proposal(&orders(), &now, &[], 6), judge, NOW);
    let version = evolved.version.unwrap();
    assert_eq!((version.changes.len(), version.schema.fields.len()), (3, 6));
    assert!(evolved.state.pending.is_empty());
}

#[test]
fn a_lenient_subject_keeps_what_older_rows_need() {
    let rules = ["drop_column", "rename_column", "change_type"].map(|kind| (kind, EvolutionRule::Lenient));
    let state = first_version(policy(&rules), &orders());
    let after = table(&[("id", FieldType::STRING), ("state", FieldType::STRING)]);
    let evolved =
        evolve(&state, Some(&orders()), &proposal(&orders(), &after, &[("status", "state")], 2), fine, NOW);
    let kept = evolved.version.clone().unwrap().schema;
    assert_eq!(
        outcome(&evolved).0,
        "id integer or string, state string, status string or null, total integer or null"
    );
    assert!(!kept.fields.get(&column("status")).unwrap().required);
    // What it keeps is not missed again, and what comes back is there.
    let again = evolve(&evolved.state, Some(&kept), &proposal(&kept, &after, &[], 3), fine, NOW);
    assert_eq!((again.version, again.held.len()), (None, 0));
    let mut back = after.clone();
    back.fields.insert(column("total"), Field::of(TypeSet::of(FieldType::INTEGER)));
    let back = evolve(&evolved.state, Some(&kept), &proposal(&kept, &back, &[], 4), fine, NOW);
    assert_eq!(back.state.retired, [column("status")].into());
}

#[test]
fn a_lenient_rename_is_not_undone_by_the_rule_for_drops() {
    let state = first_version(policy(&[("rename_column", EvolutionRule::Lenient)]), &orders());
    let after =
        table(&[("id", FieldType::INTEGER), ("state", FieldType::STRING), ("total", FieldType::INTEGER)]);
    let evolved =
        evolve(&state, Some(&orders()), &proposal(&orders(), &after, &[("status", "state")], 2), fine, NOW);
    let kept = evolved.version.unwrap().schema;
    let again = evolve(&evolved.state, Some(&kept), &proposal(&kept, &after, &[], 3), fine, NOW);
    assert_eq!((again.version, again.event), (None, None));
}

#[test]
fn a_rename_takes_the_key_and_nested_fields_along() {
    let mut before = table(&[("id", FieldType::INTEGER), ("place", FieldType::Map)]);
    before.fields.insert(column("place").child("city"), Field::of(TypeSet::of(FieldType::STRING)));
    let mut after = table(&[("order_id", FieldType::INTEGER), ("address", FieldType::Map)]);
    after.fields.insert(column("address").child("city"), Field::of(TypeSet::of(FieldType::STRING)));
    after.key = vec![column("order_id")];
    let renames = [("id", "order_id"), ("place", "address")];
    let state = first_version(Policy::default(), &before);
    let evolved = evolve(&state, Some(&before), &proposal(&before, &after, &renames, 2), fine, NOW);
    assert_eq!(evolved.version.unwrap().schema, after);
    assert!(evolved.state.retired.contains(&column("place").child("city")));
}

#[test]
fn what_happens_to_a_table_as_a_whole_is_told_and_makes_no_version() {
    let state = first_version(Policy::default(), &orders());
    let truncated =
        evolve(&state, Some(&orders()), &happened(&orders(), ChangeKind::TruncateTable, 5), fine, NOW);
    let event = truncated.event.unwrap();
    assert_eq!((event.from, Some(event.to)), (state.current, state.current));
    assert_eq!((truncated.version, truncated.state.current), (None, state.current));
    let again = happened(&orders(), ChangeKind::TruncateTable, 5);
    assert!(evolve(&truncated.state, Some(&orders()), &again, fine, NOW).late);
    let second =
        evolve(&state, Some(&orders()), &happened(&orders(), ChangeKind::TruncateTable, 6), fine, NOW);
    assert_ne!(second.event.unwrap().id(), event.id());

    let dropped =
        evolve(&state, Some(&orders()), &happened(&orders(), ChangeKind::DropTable, 7), fine, NOW).state;
    assert!(dropped.dropped);
    let again = evolve(&dropped, Some(&orders()), &happened(&orders(), ChangeKind::DropTable, 8), fine, NOW);
    assert_eq!(again.event, None);
    // The same table made again is told; one that is only announced is not.
    let created =
        evolve(&dropped, Some(&orders()), &happened(&orders(), ChangeKind::CreateTable, 9), fine, NOW);
    assert_eq!((created.version, created.event.is_some(), created.state.dropped), (None, true, false));
    let announced =
        evolve(&state, Some(&orders()), &happened(&orders(), ChangeKind::CreateTable, 9), fine, NOW);
    assert_eq!((announced.event, announced.state), (None, state));
}

#[test]
fn a_table_that_is_dropped_unseen_has_no_version() {
    let new = new_subject(Subject::new("orders"), Origin::Declared, Policy::default(), NOW);
    let gone = happened(&Schema::default(), ChangeKind::DropTable, 1);
    let evolved = evolve(&new, None, &gone, fine, NOW);
    assert_eq!((evolved.version, evolved.event, evolved.state.dropped), (None, None, true));
}

#[test]
fn a_statement_from_before_the_current_version_is_late() {
    let state = first_version(Policy::default(), &orders());
    let mut after = orders();
    after.fields.remove(&column("total"));
    let evolved = evolve(&state, Some(&orders()), &proposal(&orders(), &after, &[], 4), fine, NOW);
    for offset in [1, 4] {
        let late = evolve(&evolved.state, Some(&after), &proposal(&after, &orders(), &[], offset), fine, NOW);
        assert!(late.late && late.version.is_none() && late.event.is_none());
        assert_eq!(late.state, evolved.state);
    }
    // By time, where a source has no positions.
    let timeless = |proposal: Proposal, at| Proposal { position: None, at, ..proposal };
    let state = SubjectState { position: None, since: NOW, ..evolved.state.clone() };
    let old = timeless(proposal(&after, &orders(), &[], 0), NOW - 1);
    assert!(evolve(&state, Some(&after), &old, fine, NOW).late);
    let new = timeless(proposal(&after, &orders(), &[], 0), NOW);
    assert!(evolve(&state, Some(&after), &new, fine, NOW).version.is_some());
    // Rows are another matter: who concludes from rows knows which of them are old.
    let observed = SubjectState { origin: Origin::Observed, ..evolved.state };
    assert!(!evolve(&observed, Some(&after), &proposal(&after, &orders(), &[], 1), fine, NOW).late);
}

#[test]
fn what_is_retired_or_waits_has_a_bound() {
    let long = |n: usize| format!("{n:04}{}", "x".repeat(1_000));
    let names: Vec<String> = (0..400).map(long).collect();
    let mut wide = orders();
    for name in &names {
        wide.fields.insert(column(name), Field::of(TypeSet::of(FieldType::STRING)));
    }
    let state = first_version(Policy::default(), &wide);
    let evolved = evolve(&state, Some(&wide), &proposal(&wide, &orders(), &[], 2), fine, NOW);
    let bytes: usize = evolved.state.retired.iter().map(|path| path.as_str().len()).sum();
    assert!(bytes <= RETIRED_BYTES_MAX && bytes > RETIRED_BYTES_MAX / 2);
    let waits = Policy { drift_threshold: 1.0, ..Policy::default() };
    let state = first_version(waits, &orders());
    let evolved = evolve(&state, Some(&orders()), &proposal(&orders(), &wide, &[], 2), fine, NOW);
    assert_eq!(evolved.held.len(), 400);
    let bytes: usize = evolved.state.pending.iter().map(weight).sum();
    assert!(bytes <= PENDING_BYTES_MAX && bytes > PENDING_BYTES_MAX / 2);
}

fn policies() -> impl Strategy<Value = Policy> {
    let kind = prop_oneof![Just("add_column"), Just("drop_column"), Just("change_type"), Just("change_key")];
    let rule = prop::sample::select(EvolutionRule::ALL.map(|(rule, _)| rule).to_vec());
    let rules = prop::collection::btree_map(kind.prop_map(str::to_owned), rule, 0..4);
    (rules, prop_oneof![Just(0.0), Just(0.4)]).prop_map(|(rules, drift_threshold)| Policy {
        rules,
        drift_threshold,
        retention: RETENTION_DEFAULT,
        ..Policy::default()
    })
}

/// Breaks where a field is gone, drifts with the number of fields: nothing real, but a function.
fn judged(before: &Schema) -> impl Fn(&Schema) -> Judgement {
    let paths: Vec<FieldPath> = before.fields.keys().cloned().collect();
    move |next| {
        let gone = paths.iter().filter(|path| !next.fields.contains_key(path));
        let new = next.fields.keys().filter(|path| !paths.contains(path)).count();
        Judgement {
            drift: (new as f64 * 0.25).min(1.0),
            breaks: gone.map(|path| format!("has `{path}`")).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn versions_rise_by_one_from_their_parents_and_nothing_is_found_twice(
        policy in policies(),
        schemas in prop::collection::vec(arbitrary::schema(), 1..6),
    ) {
        let mut state = new_subject(Subject::new("orders"), Origin::Declared, policy, NOW);
        let mut current: Option<Schema> = None;
        let mut made: BTreeMap<u32, Option<u32>> = BTreeMap::new();
        for (n, schema) in schemas.iter().enumerate() {
            let known = current.clone().unwrap_or_default();
            let proposed = |known: &Schema, offset: u64| {
                let changes = if current.is_some() { diff(known, schema).changes() } else { Vec::new() };
                Proposal {
                    schema: schema.clone(),
                    changes: changes.into_iter().map(declared).collect(),
                    position: at(offset),
                    at: NOW + offset as i64,
                }
            };
            let (offset, judge) = (n as u64 * 2 + 1, judged(&known));
            let evolved = evolve(&state, current.as_ref(), &proposed(&known, offset), &judge, NOW);
            prop_assert_eq!(&evolved, &evolve(&state, current.as_ref(), &proposed(&known, offset), &judge, NOW));
            prop_assert!(!evolved.late);
            if let Some(version) = &evolved.version {
                prop_assert_eq!(version.id.version, state.current.map_or(1, |id| id.version + 1));
                prop_assert_eq!(version.parent, state.current.map(|id| id.version));
                prop_assert_eq!(version.id.fingerprint, fingerprint::of_schema(&version.schema));
                prop_assert_eq!(evolved.state.current, Some(version.id));
                let event = evolved.event.clone().unwrap();
                prop_assert_eq!((event.from, event.to), (state.current, version.id));
                prop_assert!(made.insert(version.id.version, version.parent).is_none());
                current = Some(version.schema.clone());
            } else {
                prop_assert_eq!(evolved.state.current, state.current);
            }
            prop_assert_eq!(evolved.state.revision, state.revision + u64::from(evolved.state != state));
            state = evolved.state;
            // The same again, found again: nothing more comes of it.
            if let Some(known) = &current {
                let changes = diff(known, schema).changes().into_iter().map(declared).collect();
                let again = Proposal { schema: schema.clone(), changes, position: at(offset + 1), at: NOW + offset as i64 + 1 };
                let again = evolve(&state, Some(known), &again, judged(known), NOW);
                if state.policy.rules.values().all(|rule| *rule != EvolutionRule::TryEvolve) && state.policy.drift_threshold == 0.0 {
                    prop_assert_eq!(again.version, None);
                    prop_assert_eq!(again.state, state.clone());
                }
            }
        }
    }

    #[test]
    fn with_every_change_let_through_the_version_is_what_was_proposed(
        before in arbitrary::schema(),
        after in arbitrary::schema(),
    ) {
        let new = new_subject(Subject::new("orders"), Origin::Observed, Policy::default(), NOW);
        let whole = |schema: &Schema| Proposal { schema: schema.clone(), changes: Vec::new(), position: None, at: NOW };
        let state = evolve(&new, None, &whole(&before), fine, NOW).state;
        let proposed = proposal(&before, &after, &[], 1);
        let evolved = evolve(&state, Some(&before), &proposed, fine, NOW);
        let is_news = !proposed.changes.is_empty();
        prop_assert_eq!(evolved.version.is_some(), is_news);
        if let Some(version) = evolved.version {
            prop_assert!(diff(&version.schema, &after).changes().is_empty(), "{:?}", diff(&version.schema, &after));
        }
    }
}
