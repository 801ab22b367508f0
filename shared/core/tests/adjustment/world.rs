//! Random tables, definitions and changes, and what changes do to rows, written down a second
//! time.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::TableName;
use evercount_core::decimal::Decimal;
use evercount_core::definition::{CountDefinition, DefinitionName, Headroom};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::path::Path;
use evercount_core::predicate::{Atom, AttributeType, Comparison, Operand, Predicate};
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Typed};
use evercount_core::value::{Item, Value};

/// Choices that a test case is made of; when they run out, the first of each is taken.
pub struct Tape<'a> {
    choices: &'a [u16],
    at: usize,
}

impl<'a> Tape<'a> {
    pub fn new(choices: &'a [u16]) -> Self {
        Self { choices, at: 0 }
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % n.max(1)
    }

    pub fn pick<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[self.below(all.len())]
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }
}

/// A column's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Text,
    /// Two characters at most.
    Short,
    Int,
    /// One digit after the point.
    Tenths,
    Bool,
    Date,
}

impl Kind {
    fn types(self, nullable: bool) -> TypeSet {
        let one = match self {
            Self::Text => FieldType::STRING,
            Self::Short => FieldType::String { max_length: Some(2) },
            Self::Int => FieldType::Integer { bits: Some(32), unsigned: false },
            Self::Tenths => FieldType::Decimal { digits: Some((9, 1)) },
            Self::Bool => FieldType::Bool,
            Self::Date => FieldType::Date,
        };
        TypeSet::of(one).nullable(nullable)
    }

    fn typed(self) -> Typed {
        Typed { types: self.types(true), declared: None }
    }

    pub fn values(self) -> Vec<Value> {
        let texts = |texts: &[&str]| texts.iter().map(|text| Value::String((*text).to_owned())).collect();
        match self {
            Self::Text => texts(&["p", "q", "pq", "pqr", "5", "10", "1.5"]),
            Self::Short => texts(&["p", "q", "pq", "5", "10"]),
            Self::Int => [5, 1, 10, 0, -2].map(|n| Value::Number(Decimal::from(n))).to_vec(),
            Self::Tenths => ["5", "1.5", "0.4", "10", "-1.5"].map(number).to_vec(),
            Self::Bool => vec![Value::Bool(true), Value::Bool(false)],
            Self::Date => texts(&["2020-01-01", "2021-01-01"]),
        }
    }
}

pub fn number(text: &str) -> Value {
    Value::Number(text.parse().unwrap())
}

/// What a column's values become with its type, as a database would have it.
fn converted(value: &Value, to: Kind) -> Value {
    let tenths = |number: &Decimal| -> i64 {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = format!("{whole}{}", &fraction[..1]);
        digits.parse().unwrap_or(0)
    };
    let rounded = |tenths: i64| (tenths.abs() + 5) / 10 * tenths.signum();
    match (value, to) {
        (Value::Number(number), Kind::Text) => Value::String(number.to_string()),
        (Value::Number(number), Kind::Short) => Value::String(number.to_string().chars().take(2).collect()),
        (Value::Number(number), Kind::Int) => Value::Number(Decimal::from(rounded(tenths(number)))),
        (Value::Number(number), Kind::Bool) => Value::Bool(!number.is_zero()),
        (Value::Bool(flag), Kind::Int) => Value::Number(Decimal::from(i64::from(*flag))),
        (Value::String(text), Kind::Short) => Value::String(text.chars().take(2).collect()),
        (Value::String(text), Kind::Int) => text
            .trim()
            .parse::<Decimal>()
            .map_or_else(|_| value.clone(), |number| Value::Number(Decimal::from(rounded(tenths(&number))))),
        _ => value.clone(),
    }
}

/// What one change does to a row, in the row's terms.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    Nothing,
    Rename(String, String),
    Drop(String),
    Add(String, Value),
    Convert(String, Kind),
    Empty,
}

impl Effect {
    pub fn apply(&self, row: &mut Item) {
        match self {
            Self::Nothing | Self::Empty => {}
            Self::Rename(from, to) => {
                if let Some(value) = row.remove(from) {
                    row.insert(to.clone(), value);
                }
            }
            Self::Drop(column) => {
                row.remove(column);
            }
            Self::Add(column, value) => {
                row.insert(column.clone(), value.clone());
            }
            Self::Convert(column, kind) => {
                if let Some(value) = row.get_mut(column) {
                    *value = converted(value, *kind);
                }
            }
        }
    }
}

/// An event: its changes, and what they do to a row one after the other.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    pub changes: Vec<SchemaChange>,
    pub effects: Vec<Effect>,
    pub position: Option<OrderVersion>,
}

impl Event {
    pub fn on(&self, row: &Item) -> Item {
        let mut row = row.clone();
        self.effects.iter().for_each(|effect| effect.apply(&mut row));
        row
    }

    pub fn empties(&self) -> bool {
        self.effects.contains(&Effect::Empty)
    }
}

/// A table of a database whose columns have types, or of a document store.
#[derive(Clone, Debug)]
pub struct Table {
    pub typed: bool,
    pub columns: BTreeMap<String, Kind>,
    /// Events so far.
    pub level: u64,
    /// Whether the source says where in its log it changed.
    pub dated: bool,
    /// Names of columns before the last event. Without positions, nobody can tell a column's
    /// values from those of an older one of its name.
    used: Vec<String>,
    /// Attributes that are no longer written, and that items still have.
    unwritten: Vec<String>,
    /// The same, whether or not they are written again.
    stale: BTreeSet<String>,
    /// Columns that no event has touched.
    pub untouched: BTreeSet<String>,
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

impl Table {
    pub fn random(tape: &mut Tape<'_>) -> Self {
        let kinds = [Kind::Text, Kind::Int, Kind::Tenths, Kind::Short, Kind::Bool];
        let columns = ["a", "b", "c"].map(|name| (name.to_owned(), *tape.pick(&kinds))).into();
        let untouched = ["a", "b", "c"].map(str::to_owned).into();
        let (typed, dated) = (!tape.one_in(3), !tape.one_in(4));
        Self {
            typed,
            columns,
            level: 0,
            dated,
            used: Vec::new(),
            unwritten: Vec::new(),
            stale: BTreeSet::new(),
            untouched,
        }
    }

    /// The place of a row written at this level.
    pub fn place(&self, level: u64) -> Option<OrderVersion> {
        Some(self.at(1_000 * level + 500))
    }

    /// A place in the table's log: a database of typed columns has one, a document store has times.
    fn at(&self, offset: u64) -> OrderVersion {
        if self.typed {
            OrderVersion::binlog(0, 1, offset, 0, LogRank::Change)
        } else {
            OrderVersion::clock(0, i64::try_from(offset).unwrap() * 1_000_000)
        }
    }

    pub fn row(&self, tape: &mut Tape<'_>) -> Item {
        let mut row = Item::new();
        for (name, kind) in &self.columns {
            let values = kind.values();
            let at = tape.below(values.len() + 1);
            match values.get(at) {
                Some(value) => {
                    row.insert(name.clone(), value.clone());
                }
                None if self.typed => {
                    row.insert(name.clone(), Value::Null);
                }
                // An item need not have the attribute.
                None => {}
            }
        }
        row
    }

    pub fn event(&mut self, tape: &mut Tape<'_>) -> Event {
        self.level += 1;
        let position = self.dated.then(|| self.at(1_000 * self.level));
        self.used.extend(self.columns.keys().cloned());
        let mut event = Event { changes: Vec::new(), effects: Vec::new(), position };
        for _ in 0..=tape.below(3) {
            if let Some((kind, evidence, effect)) = self.change(tape) {
                match &effect {
                    Effect::Rename(one, other) => {
                        self.untouched.remove(one);
                        self.untouched.remove(other);
                    }
                    Effect::Drop(one) | Effect::Add(one, _) | Effect::Convert(one, _) => {
                        self.untouched.remove(one);
                    }
                    Effect::Nothing | Effect::Empty => {}
                }
                event.changes.push(SchemaChange { kind, evidence });
                event.effects.push(effect);
            }
        }
        event
    }

    fn evidence(&self) -> Evidence {
        if self.typed {
            Evidence::Declared { statement: "ALTER TABLE".into() }
        } else {
            Evidence::Observed { rows: 40, false_alarm: 1e-6, because: "rows show it".into() }
        }
    }

    fn change(&mut self, tape: &mut Tape<'_>) -> Option<(ChangeKind, Evidence, Effect)> {
        let present: Vec<String> = self.columns.keys().cloned().collect();
        let may_reuse = self.typed && (self.dated || tape.one_in(20) && self.level == 1);
        let is_free = |name: &&str| {
            !self.columns.contains_key(*name) && (may_reuse || self.used.iter().all(|used| used != *name))
        };
        let free: Vec<&str> = NAMES.into_iter().filter(is_free).collect();
        let evidence = self.evidence();
        match tape.below(9) {
            0 | 1 if !present.is_empty() && !free.is_empty() => {
                let (from, to) = (tape.pick(&present).clone(), (*tape.pick(&free)).to_owned());
                if self.stale.contains(&from) {
                    // What becomes of an older attribute of the name nobody could say.
                    return None;
                }
                let kind = self.columns.remove(&from)?;
                self.columns.insert(to.clone(), kind);
                let scores = [0.9, 0.7, 0.55];
                let evidence = match self.typed {
                    true => evidence,
                    false => Evidence::Proposed { score: *tape.pick(&scores), parts: Vec::new() },
                };
                let (column, name) = (FieldPath::column(&from), FieldPath::column(&to));
                let typed = kind.typed();
                let change =
                    ChangeKind::RenameColumn { column, to: name, typed: typed.clone(), previous: typed };
                Some((change, evidence, Effect::Rename(from, to)))
            }
            2 | 3 if !present.is_empty() => {
                let name = tape.pick(&present).clone();
                let typed = self.columns.remove(&name)?.typed();
                let column = FieldPath::column(&name);
                let change = ChangeKind::DropColumn { column, typed };
                // Items of a document store keep what they were written with.
                let is_kept = !self.typed && self.used.contains(&name);
                let effect = if is_kept { Effect::Nothing } else { Effect::Drop(name) };
                if effect == Effect::Nothing {
                    self.unwritten.push(column_name(&change));
                    self.stale.insert(column_name(&change));
                }
                Some((change, evidence, effect))
            }
            4 | 5 if !free.is_empty() => {
                let back: Vec<String> = std::mem::take(&mut self.unwritten);
                let name = match back.first().filter(|_| !self.typed && tape.one_in(2)) {
                    Some(name) if !self.columns.contains_key(name) => name.clone(),
                    _ => (*tape.pick(&free)).to_owned(),
                };
                Some(self.addition(tape, name, evidence))
            }
            6 | 7 if !present.is_empty() => {
                let name = tape.pick(&present).clone();
                let kinds = [Kind::Text, Kind::Int, Kind::Short, Kind::Tenths, Kind::Bool, Kind::Date];
                let (before, after) = (*self.columns.get(&name)?, *tape.pick(&kinds));
                let retype = retype_of(before, after)?;
                self.columns.insert(name.clone(), after);
                let column = FieldPath::column(&name);
                let change =
                    ChangeKind::ChangeType { column, typed: after.typed(), previous: before.typed(), retype };
                // A number too long for the text is refused, and a text that never was a number has
                // no business in a column of them.
                let becomes = match (before, after) {
                    (Kind::Int, Kind::Short) => Kind::Text,
                    _ => after,
                };
                let effect = if self.typed { Effect::Convert(name, becomes) } else { Effect::Nothing };
                Some((change, evidence, effect))
            }
            8 if tape.one_in(3) => Some((ChangeKind::TruncateTable, evidence, Effect::Empty)),
            _ => None,
        }
    }

    fn addition(
        &mut self,
        tape: &mut Tape<'_>,
        name: String,
        evidence: Evidence,
    ) -> (ChangeKind, Evidence, Effect) {
        let kind = *tape.pick(&[Kind::Text, Kind::Int]);
        self.columns.insert(name.clone(), kind);
        let (default, value) = match (self.typed, tape.below(4)) {
            (false, _) => (None, None),
            (true, 0) => (None, Some(Value::Null)),
            (true, 1) => (Some("now()"), None),
            (true, n) if kind == Kind::Text => {
                let text = if n == 2 { "'p'" } else { "'zz'::text" };
                (Some(text), Some(Value::String(text.chars().filter(|c| "pz".contains(*c)).collect())))
            }
            (true, n) => {
                let text = if n == 2 { "5" } else { "7" };
                (Some(text), Some(number(text)))
            }
        };
        let change = ChangeKind::AddColumn {
            column: FieldPath::column(&name),
            typed: Typed { types: kind.types(true), declared: self.typed.then(|| "T".into()) },
            default: default.map(Into::into),
        };
        let effect = match (value, self.typed) {
            (Some(value), _) => Effect::Add(name, value),
            (None, true) => Effect::Add(name, Value::String("whenever".into())),
            (None, false) => Effect::Nothing,
        };
        (change, evidence, effect)
    }
}

fn column_name(change: &ChangeKind) -> String {
    change.column().map(ToString::to_string).unwrap_or_default()
}

fn retype_of(before: Kind, after: Kind) -> Option<Retype> {
    use Kind as K;
    Some(match (before, after) {
        (before, after) if before == after => return None,
        (K::Short, K::Text) | (K::Int, K::Tenths) => Retype::Widening,
        (K::Text, K::Short) | (K::Tenths, K::Int) => Retype::Narrowing,
        (K::Int, K::Text | K::Short | K::Bool) | (K::Text, K::Int | K::Date) | (K::Bool, K::Int) => {
            Retype::ReEncoding
        }
        _ => return None,
    })
}

/// A definition over some columns, some of which may not be there (yet).
pub fn definition(tape: &mut Tape<'_>) -> CountDefinition {
    let mut names = NAMES.to_vec();
    let mut paths = |tape: &mut Tape<'_>, most: usize| -> Vec<Path> {
        (0..tape.below(most + 1))
            .map(|_| {
                let at = tape.below(names.len().min(4));
                Path::column(names.remove(at))
            })
            .collect()
    };
    let group_by = paths(tape, 2);
    let attributes = if tape.one_in(3) { paths(tape, 1) } else { Vec::new() };
    CountDefinition {
        name: DefinitionName::parse("d").unwrap(),
        table: TableName::new("t"),
        group_by,
        filter: (!tape.one_in(3)).then(|| predicate(tape, 2)),
        distinct: tape.one_in(4).then(|| Path::column(*tape.pick(&NAMES))),
        groups_max: 1_000,
        headroom: Headroom { attributes, truth: tape.one_in(4) },
    }
}

pub fn predicate(tape: &mut Tape<'_>, depth: usize) -> Predicate {
    match if depth == 0 { 0 } else { tape.below(5) } {
        0..=2 => Predicate::Atom(atom(tape)),
        3 => {
            let parts = (0..=tape.below(3)).map(|_| predicate(tape, depth - 1)).collect();
            if tape.one_in(3) { Predicate::Or(parts) } else { Predicate::And(parts) }
        }
        _ => Predicate::Not(Box::new(predicate(tape, depth - 1))),
    }
}

fn literal(tape: &mut Tape<'_>) -> Value {
    let kind = *tape.pick(&[Kind::Text, Kind::Int, Kind::Tenths, Kind::Bool]);
    tape.pick(&kind.values()).clone()
}

fn atom(tape: &mut Tape<'_>) -> Atom {
    let path = Path::column(*tape.pick(&NAMES[..4]));
    let operand = || Operand::Path(path.clone());
    let text = |tape: &mut Tape<'_>| tape.pick(&Kind::Text.values()).clone();
    match tape.below(10) {
        0..=3 => {
            let op = tape.pick(&Comparison::ALL).0;
            Atom::Compare { left: operand(), op, right: Operand::Literal(literal(tape)) }
        }
        4 => Atom::In { operand: operand(), values: vec![literal(tape), literal(tape)] },
        5 => {
            let (low, high) = (literal(tape), literal(tape));
            Atom::Between { operand: operand(), low, high }
        }
        6 => Atom::IsNull(path),
        7 => Atom::IsMissing(path),
        8 => match tape.below(3) {
            0 => Atom::BeginsWith(path, text(tape)),
            1 => Atom::Contains(path, text(tape)),
            _ => Atom::AttributeType(path, AttributeType::named("S").unwrap()),
        },
        _ => {
            let right = Operand::Path(Path::column(*tape.pick(&NAMES[..4])));
            Atom::Compare { left: operand(), op: tape.pick(&Comparison::ALL).0, right }
        }
    }
}

/// Another definition, a few edits away from one.
pub fn redefined(old: &CountDefinition, tape: &mut Tape<'_>) -> CountDefinition {
    let mut new = old.clone();
    for _ in 0..=tape.below(2) {
        let column = Path::column(*tape.pick(&NAMES[..4]));
        match tape.below(10) {
            0 if !new.group_by.is_empty() => {
                let at = tape.below(new.group_by.len());
                new.group_by.remove(at);
            }
            1 if !new.group_by.contains(&column) => new.group_by.push(column),
            2 => new.group_by.reverse(),
            3 | 4 => {
                let more = predicate(tape, 1);
                new.filter = Some(match new.filter.take() {
                    Some(old) if tape.one_in(2) => Predicate::Or(vec![old, more]),
                    Some(old) => Predicate::And(vec![old, more]),
                    None => more,
                });
            }
            5 => new.filter = None,
            6 => {
                // Another constant.
                let literal = literal(tape);
                new.filter = new.filter.map(|filter| {
                    filter.map_atoms(&mut |atom| match atom {
                        Atom::Compare { left, op, right: Operand::Literal(_) } => {
                            let right = Operand::Literal(literal.clone());
                            Atom::Compare { left: left.clone(), op: *op, right }
                        }
                        other => other.clone(),
                    })
                });
            }
            7 => {
                let not_null = Predicate::Not(Box::new(Predicate::Atom(Atom::IsNull(column))));
                new.filter = Some(match new.filter.take() {
                    Some(old) => Predicate::And(vec![old, not_null]),
                    None => not_null,
                });
            }
            8 => new.distinct = if new.distinct.is_some() { None } else { Some(column) },
            _ => {
                new.headroom = if tape.one_in(2) {
                    Headroom::default()
                } else {
                    Headroom { truth: true, ..new.headroom }
                }
            }
        }
    }
    new
}
