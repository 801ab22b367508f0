//! Arbitrary predicates, steps, transforms, plans and what becomes of them.

#![allow(dead_code, reason = "each test file uses some of them")]

use std::sync::Arc;

use evercount_core::adjustment::{
    AdjustmentPlan, Cause, Certificate, Choice, Class, LogicUpdate, MinimumEvidence, Partitions, PlanCost,
    Start,
};
use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy, PolicyBook, Progress};
use evercount_core::backfill::{Allowance, Place};
use evercount_core::change::TableName;
use evercount_core::decimal::Decimal;
use evercount_core::definition::{CountDefinition, DefinitionName, Headroom};
use evercount_core::group::{GroupKey, Outcome};
use evercount_core::logic::{Base, Coverage, LogicState, LogicVersion, PlanId, Relation};
use evercount_core::migration::{Action, Conversion, Step};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::path::{Path, Segment};
use evercount_core::predicate::{Atom, AttributeType, Comparison, Operand, Predicate};
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Typed};
use evercount_core::transform::Transform;
use evercount_core::value::{Item, Value};
use evercount_core::verdict::{Census, Compared, Example, ShadowReport, Tolerance};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// From the year 68 to the year 9892.
pub fn time() -> std::ops::Range<i64> {
    -60_000_000_000_000_000..250_000_000_000_000_000
}

pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_][a-zA-Z0-9_$]{0,5}",
        select(vec!["in", "MISSING", "size", "Null", "größe", "2fa", "user-id", "_x", "x"])
            .prop_map(str::to_owned),
        "[a-z.\\[\\]\"'\\-\n ü]{1,5}",
    ]
}

pub fn path() -> impl Strategy<Value = Path> {
    let segment = prop_oneof![name().prop_map(Segment::Field), (0usize..100).prop_map(Segment::Index)];
    (name(), vec(segment, 0..4)).prop_map(|(column, rest)| Path::new(column, rest))
}

pub fn number() -> impl Strategy<Value = Decimal> {
    ("-?[0-9]{1,45}", -60i32..60)
        .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().unwrap())
}

pub fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z' ]{0,6}", any::<String>()]
}

pub fn ordered() -> impl Strategy<Value = Value> {
    prop_oneof![
        number().prop_map(Value::Number),
        text().prop_map(Value::String),
        vec(any::<u8>(), 0..5).prop_map(Value::Binary),
    ]
}

pub fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![4 => ordered(), 1 => any::<bool>().prop_map(Value::Bool), 1 => collection()]
}

pub fn collection() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ordered(),
        Just(Value::Null),
        prop::collection::btree_set(text(), 1..4).prop_map(Value::StringSet),
        prop::collection::btree_set(number(), 1..4).prop_map(Value::NumberSet),
        prop::collection::btree_set(vec(any::<u8>(), 0..3), 1..3).prop_map(Value::BinarySet),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::List),
            btree_map(text(), inner, 0..3).prop_map(Value::Map),
        ]
    })
    .prop_filter("NULL is not compared", |value| *value != Value::Null)
}

pub fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![path().prop_map(Operand::Path), path().prop_map(Operand::Size)]
}

pub fn comparison() -> impl Strategy<Value = Comparison> {
    select(Comparison::ALL.map(|(op, _)| op).to_vec())
}

pub fn range() -> impl Strategy<Value = (Value, Value)> {
    prop_oneof![
        (number(), number())
            .prop_map(|(a, b)| (Value::Number(a.clone().min(b.clone())), Value::Number(a.max(b)))),
        (text(), text())
            .prop_map(|(a, b)| (Value::String(a.clone().min(b.clone())), Value::String(a.max(b)))),
    ]
}

pub fn atom() -> impl Strategy<Value = Atom> {
    let of_number = (operand(), number().prop_map(Value::Number));
    prop_oneof![
        (operand(), comparison(), operand()).prop_map(|(left, op, right)| Atom::Compare { left, op, right }),
        (of_number, comparison(), any::<bool>()).prop_map(|((operand, value), op, swap)| {
            let literal = Operand::Literal(value);
            let (left, right) = if swap { (literal, operand) } else { (operand, literal) };
            Atom::Compare { left, op, right }
        }),
        (path(), literal()).prop_map(|(path, value)| Atom::Compare {
            left: Operand::Path(path),
            op: Comparison::Equal,
            right: Operand::Literal(value)
        }),
        (path(), vec(literal(), 1..4))
            .prop_map(|(path, values)| Atom::In { operand: Operand::Path(path), values }),
        (path(), range()).prop_map(|(path, (low, high))| Atom::Between {
            operand: Operand::Path(path),
            low,
            high
        }),
        path().prop_map(Atom::IsNull),
        path().prop_map(Atom::IsMissing),
        (path(), text()).prop_map(|(path, prefix)| Atom::BeginsWith(path, Value::String(prefix))),
        (path(), literal()).prop_map(|(path, value)| Atom::Contains(path, value)),
        (path(), select(AttributeType::ALL.to_vec()))
            .prop_map(|(path, name)| Atom::AttributeType(path, AttributeType::named(name).unwrap())),
    ]
}

pub fn predicate() -> impl Strategy<Value = Predicate> {
    atom().prop_map(Predicate::Atom).prop_recursive(5, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Predicate::And),
            vec(inner.clone(), 2..4).prop_map(Predicate::Or),
            inner.prop_map(|part| Predicate::Not(Box::new(part))),
        ]
    })
}

/// A value that any item may hold.
pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![literal(), Just(Value::Null), Just(Value::StringSet([].into()))]
}

pub fn item() -> impl Strategy<Value = Item> {
    btree_map(text(), value(), 0..3)
}

pub fn order() -> impl Strategy<Value = OrderVersion> {
    prop_oneof![
        (any::<u16>(), any::<i64>()).prop_map(|(epoch, at)| OrderVersion::clock(epoch, at)),
        (any::<u16>(), any::<u64>(), any::<u32>()).prop_map(|(epoch, lsn, sub)| OrderVersion::lsn(
            epoch,
            lsn,
            sub,
            LogRank::Change
        )),
    ]
}

fn conversion() -> impl Strategy<Value = Conversion> {
    prop_oneof![
        option::of(any::<u64>()).prop_map(|max_length| Conversion::ToText { max_length }),
        option::of(any::<u64>()).prop_map(|max_length| Conversion::ToBinary { max_length }),
        option::of(any::<u16>()).prop_map(|scale| Conversion::ToNumber { scale }),
        Just(Conversion::ToBool),
    ]
}

pub fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (path(), path()).prop_map(|(from, to)| Action::Rename { from, to }),
        path().prop_map(|path| Action::Drop { path }),
        (path(), value()).prop_map(|(path, value)| Action::Default { path, value }),
        (path(), value()).prop_map(|(path, value)| Action::FillNull { path, value }),
        (path(), conversion()).prop_map(|(path, conversion)| Action::Convert { path, conversion }),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    (action(), option::of(order())).prop_map(|(action, until)| Step { action, until })
}

/// A condition of a transform, which may be put together of several.
fn condition() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        predicate(),
        predicate().prop_map(|one| one.over_truths()),
        vec(predicate(), 0..3).prop_map(Predicate::And),
    ]
}

pub fn transform() -> impl Strategy<Value = Transform> {
    (vec(action(), 0..3), option::of(condition()), vec(path(), 0..3), vec(option::of(any::<u16>()), 0..4))
        .prop_map(|(actions, keep, group_by, atoms)| Transform { actions, keep, group_by, atoms })
}

fn unique(paths: Vec<Path>) -> Vec<Path> {
    let mut unique: Vec<Path> = Vec::new();
    for path in paths {
        if !unique.contains(&path) {
            unique.push(path);
        }
    }
    unique
}

pub fn definition() -> impl Strategy<Value = CountDefinition> {
    let of = (vec(path(), 0..3), option::of(predicate()), option::of(path()));
    ("[a-z]{1,8}", "[a-z.]{1,8}", of, 1u32..=1_000_000, vec(path(), 0..3), any::<bool>()).prop_map(
        |(name, table, (group_by, filter, distinct), groups_max, headroom, truth)| CountDefinition {
            name: DefinitionName::parse(&name).unwrap(),
            table: TableName::new(table),
            group_by: unique(group_by),
            filter,
            distinct,
            groups_max,
            headroom: Headroom { attributes: headroom, truth },
        },
    )
}

fn tables() -> impl Strategy<Value = Vec<TableName>> {
    vec("[a-z. ]{0,6}".prop_map(TableName::new), 0..3)
}

fn suspended() -> impl Strategy<Value = Vec<(usize, Path)>> {
    vec((0usize..9, path()), 0..2)
}

pub fn relation() -> impl Strategy<Value = Relation> {
    select(Relation::ALL.map(|(one, _)| one).to_vec())
}

pub fn version() -> impl Strategy<Value = LogicVersion> {
    let life = (
        select(LogicState::ALL.map(|(state, _)| state).to_vec()),
        option::of(time()),
        (time(), time()),
        any::<u32>(),
    );
    let base = option::of((1u32..100, transform()));
    let origin = (relation(), option::of(any::<u32>()), option::of("[0-9a-f]{16}"));
    (100u32..9_999, definition(), life, base, vec(step(), 0..3), origin, tables(), suspended()).prop_map(
        |(number, definition, life, base, migration, origin, earlier_tables, suspended)| {
            let (state, since, (created_at, state_since), epoch) = life;
            let coverage = since.map_or(Coverage::Whole, Coverage::Since);
            let (relation, parent, plan) = origin;
            LogicVersion {
                base: base.map_or(Base::Own, |(parent, transform)| Base::Derived { parent, transform }),
                migration,
                relation,
                parent,
                plan: plan.map(PlanId::new),
                earlier_tables,
                suspended,
                epoch,
                state_since,
                ..LogicVersion::new(number, definition, state, coverage, created_at)
            }
        },
    )
}

fn typed() -> impl Strategy<Value = Typed> {
    let of_type = select(vec![
        FieldType::Null,
        FieldType::Bool,
        FieldType::String { max_length: Some(40) },
        FieldType::Decimal { digits: Some((10, 2)) },
        FieldType::Enum(["a".into(), "b, c".into()].into()),
    ]);
    (proptest::collection::btree_set(of_type, 0..3), option::of("[A-Z()0-9]{1,8}"))
        .prop_map(|(types, declared)| Typed { types: TypeSet(types), declared: declared.map(Arc::from) })
}

fn change() -> impl Strategy<Value = SchemaChange> {
    let column = || "[a-z.]{1,6}".prop_map(FieldPath::new);
    let kind = prop_oneof![
        Just(ChangeKind::TruncateTable),
        "[a-z.]{1,6}".prop_map(|to| ChangeKind::RenameTable { to: TableName::new(to) }),
        (column(), typed(), option::of(text())).prop_map(|(column, typed, default)| {
            ChangeKind::AddColumn { column, typed, default: default.map(Into::into) }
        }),
        (column(), typed()).prop_map(|(column, typed)| ChangeKind::DropColumn { column, typed }),
        (column(), column(), typed(), typed()).prop_map(|(column, to, typed, previous)| {
            ChangeKind::RenameColumn { column, to, typed, previous }
        }),
        (column(), typed(), typed()).prop_map(|(column, typed, previous)| ChangeKind::ChangeType {
            column,
            typed,
            previous,
            retype: Retype::Narrowing
        }),
    ];
    let evidence =
        prop_oneof![
            text().prop_map(|statement| Evidence::Declared { statement }),
            (any::<u64>(), 0.0..1.0_f64, text())
                .prop_map(|(rows, false_alarm, because)| Evidence::Observed { rows, false_alarm, because }),
        ];
    (kind, evidence).prop_map(|(kind, evidence)| SchemaChange { kind, evidence })
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        ("[0-9a-f]{16}", vec(change(), 0..3), option::of(order()), any::<i64>())
            .prop_map(|(event, changes, position, at)| Cause::Schema { event, changes, position, at }),
        (definition(), time()).prop_map(|(definition, at)| Cause::Redefinition { definition, at }),
    ]
}

pub fn update() -> impl Strategy<Value = LogicUpdate> {
    let start = prop_oneof![transform().prop_map(Start::Image), Just(Start::Ledger), Just(Start::Source)];
    (definition(), vec(step(), 0..2), start, tables(), suspended()).prop_map(
        |(definition, migration, start, earlier_tables, suspended)| LogicUpdate {
            definition,
            migration,
            start,
            earlier_tables,
            suspended,
        },
    )
}

fn certificate() -> impl Strategy<Value = Certificate> {
    prop_oneof![
        Just(Certificate::Untouched),
        transform().prop_map(Certificate::Exact),
        (vec(item(), 0..3), vec(item(), 0..3)).prop_map(|(one, other)| Certificate::Witness { one, other }),
        Just(Certificate::Undecided),
    ]
}

fn partitions() -> impl Strategy<Value = Partitions> {
    prop_oneof![
        Just(Partitions::None),
        Just(Partitions::All),
        (text(), vec(value(), 0..3)).prop_map(|(attribute, values)| Partitions::Keys { attribute, values }),
    ]
}

fn cost() -> impl Strategy<Value = PlanCost> {
    let real = || prop_oneof![0.0..1e12_f64, Just(0.0), Just(20e-6), Just(0.1 + 0.2)];
    (real(), real(), real(), any::<u64>(), any::<u64>(), real()).prop_map(
        |(cpu_seconds, read_units, write_units, source_items, ledger_rows, seconds)| PlanCost {
            cpu_seconds,
            read_units,
            write_units,
            source_items,
            ledger_rows,
            seconds,
        },
    )
}

fn choice() -> impl Strategy<Value = Choice> {
    (text(), text(), option::of(update())).prop_map(|(answer, consequence, update)| Choice {
        answer,
        consequence,
        update,
    })
}

fn plan() -> impl Strategy<Value = AdjustmentPlan> {
    let what = (cause(), select(Class::ALL.map(|(one, _)| one).to_vec()), option::of(update()));
    let why = (certificate(), partitions(), cost(), relation());
    let said = (text(), vec(text(), 0..2), vec(choice(), 0..2));
    ("[0-9a-f]{16}", any::<u32>(), what, why, (any::<bool>(), any::<u64>()), said).prop_map(
        |(id, from, what, why, (census, changes), said)| AdjustmentPlan {
            id: PlanId::new(id),
            definition: DefinitionName::parse("orders_by_status").unwrap(),
            table: TableName::new("shop.orders"),
            from,
            cause: what.0,
            class: what.1,
            update: what.2,
            certificate: why.0,
            affected: why.1,
            estimate: why.2,
            relation: why.3,
            minimum: MinimumEvidence { census, changes },
            sentence: said.0,
            assumptions: said.1,
            choices: said.2,
        },
    )
}

fn compared() -> impl Strategy<Value = Compared> {
    (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>()).prop_map(
        |(agreed, explained, unexplained, failed)| Compared {
            agreed: agreed.into(),
            explained: explained.into(),
            unexplained: unexplained.into(),
            failed,
        },
    )
}

pub fn group() -> impl Strategy<Value = GroupKey> {
    vec((path(), value()), 0..3).prop_map(GroupKey::new)
}

fn report() -> impl Strategy<Value = ShadowReport> {
    let example = (
        any::<u64>(),
        select(Outcome::ALL.map(|(one, _)| one).to_vec()),
        option::of(group()),
        option::of(group()),
    )
        .prop_map(|(key_hash, outcome, group, image)| Example { key_hash, outcome, group, image });
    let census = (any::<bool>(), any::<(u64, u64, u64)>(), compared(), vec(example, 0..3)).prop_map(
        |(complete, (rows, rejudged, not_remembered), compared, examples)| Census {
            complete,
            rows,
            rejudged,
            not_remembered,
            compared,
            examples,
        },
    );
    let of = (any::<bool>(), any::<u64>(), any::<i64>());
    (census, compared(), btree_map(group(), compared(), 0..3), of).prop_map(
        |(census, changes, by_group, (is_whole, uncertain, watched_for))| ShadowReport {
            census,
            changes,
            by_group,
            is_whole,
            uncertain,
            watched_for,
        },
    )
}

pub fn adjustment() -> impl Strategy<Value = Adjustment> {
    let of = (
        select(PlanPolicy::ALL.map(|(one, _)| one).to_vec()),
        select(PlanOutcome::ALL.map(|(one, _)| one).to_vec()),
        option::of(any::<u32>()),
        option::of(text()),
    );
    let place = prop_oneof![Just(Place::Start), text().prop_map(Place::After), Just(Place::End)];
    let allowance = (-1e9..1e9, time());
    let walked = (any::<u64>(), any::<i64>());
    let progress = (option::of(text()), any::<(bool, bool)>(), walked, vec(place, 0..4), allowance).prop_map(
        |(after, (done, paused), (visited, started_at), segments, (units, at))| Progress {
            after,
            done,
            paused,
            visited,
            started_at,
            segments,
            allowance: Allowance { units, at },
        },
    );
    (plan(), of, report(), progress, cost(), (any::<i64>(), time()), any::<u32>()).prop_map(
        |(plan, of, report, progress, actual, (created_at, updated_at), revision)| Adjustment {
            plan,
            policy: of.0,
            outcome: of.1,
            to: of.2,
            report,
            verdict: of.3,
            progress,
            actual,
            mismatches: 3,
            created_at,
            updated_at,
            revision,
        },
    )
}

pub fn book() -> impl Strategy<Value = PolicyBook> {
    let policy = || select(PlanPolicy::ALL.map(|(one, _)| one).to_vec());
    let table = || "[a-z. é]{0,6}".prop_map(TableName::new);
    let tolerance = (any::<u64>(), 0.0..1.0_f64, any::<i64>()).prop_map(
        |(unexplained_max, explained_share_max, patience)| Tolerance {
            unexplained_max,
            explained_share_max,
            patience,
        },
    );
    (
        btree_map((table(), "[a-z_]{1,6}"), policy(), 0..3),
        btree_map(table(), policy(), 0..3),
        btree_map(select(Class::ALL.map(|(one, _)| one).to_vec()), policy(), 0..7),
        tolerance,
        any::<i64>(),
        0.5..1e9_f64,
    )
        .prop_map(|(by_kind, by_table, by_class, tolerance, standby, backfill_units_a_second)| {
            PolicyBook { by_kind, by_table, by_class, tolerance, standby, backfill_units_a_second }
        })
}
