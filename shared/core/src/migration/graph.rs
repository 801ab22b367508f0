//! Paths over the schema versions of a subject: which migration functions bring an item of one
//! version to another, at the least cost.
//!
//! Versions are joined by what changed between them, forwards and backwards, and by migrations that
//! a person wrote. What loses nothing is always preferred to what is short.

use std::collections::{BTreeMap, BTreeSet};

use super::Conversion;
use super::constant::constant;
use super::conversion::{self, Hop, How};
use super::function::{Failure, MigrationFunction, OnLoss, Scalar};
use crate::function::Functions;
use crate::path::Path;
use crate::registry::SchemaVersion;
use crate::schema::{FieldPath, FieldType, TypeSet};
use crate::schema_change::ChangeKind;
use crate::value::{Item, Value};

/// What a path costs, most important first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct PathCost {
    /// Functions after which an item cannot be made what it was.
    pub losses: u32,
    /// Calls of custom functions.
    pub calls: u32,
    /// Functions.
    pub functions: u32,
}

impl PathCost {
    /// The cost of these functions.
    #[must_use]
    pub fn of(functions: &[MigrationFunction]) -> Self {
        let count = |holds: &dyn Fn(&MigrationFunction) -> bool| {
            u32::try_from(functions.iter().filter(|one| holds(one)).count()).unwrap_or(u32::MAX)
        };
        Self {
            losses: count(&|one| !one.is_lossless()),
            calls: count(&|one| matches!(one, MigrationFunction::Custom { .. })),
            functions: count(&|_| true),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            losses: self.losses.saturating_add(other.losses),
            calls: self.calls.saturating_add(other.calls),
            functions: self.functions.saturating_add(other.functions),
        }
    }
}

/// Where a migration comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// A person wrote it.
    Written,
    /// It is what changed between a version and its parent.
    Changes,
}

/// A step between two versions, one way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The version before.
    pub from: u32,
    /// The version after.
    pub to: u32,
    /// Where it comes from.
    pub source: Source,
    /// What an item goes through, or why nobody can say.
    pub functions: Result<Vec<MigrationFunction>, String>,
}

/// A migration that a person wrote, from one version of a subject to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migration {
    /// The version before.
    pub from: u32,
    /// The version after.
    pub to: u32,
    /// What an item goes through.
    pub functions: Vec<MigrationFunction>,
}

/// The schema versions of a subject, and what leads from one to another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SchemaGraph {
    versions: BTreeSet<u32>,
    edges: Vec<Edge>,
}

/// A way from one version to another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SchemaPath {
    /// The versions on the way, the first and the last among them.
    pub versions: Vec<u32>,
    /// What an item goes through.
    pub functions: Vec<MigrationFunction>,
    /// Where each of the functions comes from.
    pub sources: Vec<Source>,
    /// What that costs.
    pub cost: PathCost,
}

/// Why there is no way, and how near one there is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoPath {
    /// A version that is not known; then nothing else was looked at.
    pub unknown: Option<u32>,
    /// The version on the way that is nearest to where it should lead.
    pub reached: u32,
    /// What leads nowhere from there: the next version, and why an item cannot be brought there.
    pub blocked: Vec<(u32, String)>,
}

impl SchemaPath {
    /// What an item becomes, whole or not at all.
    ///
    /// # Errors
    /// The function that makes nothing of it, by its place, and why.
    pub fn apply(&self, item: &Item, functions: &dyn Functions) -> Result<Item, (usize, Failure)> {
        apply(&self.functions, item, functions)
    }
}

/// What an item becomes by these functions in turn, whole or not at all.
///
/// # Errors
/// The function that makes nothing of it, by its place, and why.
pub fn apply(
    all: &[MigrationFunction],
    item: &Item,
    functions: &dyn Functions,
) -> Result<Item, (usize, Failure)> {
    let mut item = item.clone();
    for (place, function) in all.iter().enumerate() {
        item = function.apply(&item, functions).map_err(|failure| (place, failure))?;
    }
    Ok(item)
}

impl SchemaGraph {
    /// The graph of a subject's versions, by what changed between each and its parent, with what was
    /// written besides. A migration that somebody wrote between the two stands for what changed: it says
    /// what the change means.
    #[must_use]
    pub fn new<'a>(
        versions: impl IntoIterator<Item = &'a SchemaVersion>,
        written: impl IntoIterator<Item = Migration>,
    ) -> Self {
        let all: BTreeMap<u32, &SchemaVersion> =
            versions.into_iter().map(|version| (version.id.version, version)).collect();
        let mut edges = Vec::new();
        for version in all.values() {
            let Some(parent) = version.parent.and_then(|number| all.get(&number)) else { continue };
            let (from, to, source) = (parent.id.version, version.id.version, Source::Changes);
            edges.push(Edge { from, to, source, functions: forwards(version) });
            edges.push(Edge { from: to, to: from, source, functions: backwards(version, parent) });
        }
        for Migration { from, to, functions } in written {
            let stands_for =
                |edge: &Edge| edge.source == Source::Changes && (edge.from, edge.to) == (from, to);
            edges.retain(|edge| !stands_for(edge));
            if let Some(back) = undone(&functions) {
                edges.push(Edge { from: to, to: from, source: Source::Written, functions: Ok(back) });
            }
            edges.push(Edge { from, to, source: Source::Written, functions: Ok(functions) });
        }
        Self { versions: all.into_keys().collect(), edges }
    }

    /// The same graph with nothing but what is permitted: `permit` says why a function is not.
    #[must_use]
    pub fn permitting(&self, permit: impl Fn(Source, &MigrationFunction) -> Result<(), String>) -> Self {
        let judged = |edge: &Edge| {
            let forbidden = |functions: &Vec<MigrationFunction>| {
                functions.iter().find_map(|function| permit(edge.source, function).err())
            };
            let functions = match edge.functions.as_ref().ok().and_then(forbidden) {
                Some(because) => Err(because),
                None => edge.functions.clone(),
            };
            Edge { functions, ..edge.clone() }
        };
        Self { versions: self.versions.clone(), edges: self.edges.iter().map(judged).collect() }
    }

    /// The cheapest way from one version to another (Dijkstra, 1959); of two that cost the same, the
    /// one over what a person wrote.
    ///
    /// # Errors
    /// [`NoPath`] where there is none.
    pub fn path(&self, from: u32, to: u32) -> Result<SchemaPath, NoPath> {
        if let Some(unknown) = [from, to].into_iter().find(|number| !self.versions.contains(number)) {
            return Err(NoPath { unknown: Some(unknown), reached: from, blocked: Vec::new() });
        }
        let mut settled: BTreeMap<u32, SchemaPath> = BTreeMap::new();
        let start = SchemaPath { versions: vec![from], ..SchemaPath::default() };
        let mut open: BTreeMap<u32, SchemaPath> = BTreeMap::from([(from, start)]);
        while let Some((number, path)) = cheapest(&mut open) {
            if number == to {
                return Ok(path);
            }
            let mut leading: Vec<&Edge> = self.edges.iter().filter(|edge| edge.from == number).collect();
            leading.sort_by_key(|edge| edge.source);
            for edge in leading {
                let Ok(functions) = &edge.functions else { continue };
                let cost = path.cost.and(PathCost::of(functions));
                let is_better = open.get(&edge.to).is_none_or(|known| cost < known.cost);
                if settled.contains_key(&edge.to) || !is_better {
                    continue;
                }
                let mut longer = path.clone();
                longer.versions.push(edge.to);
                longer.functions.extend(functions.iter().cloned());
                longer.sources.extend(functions.iter().map(|_| edge.source));
                longer.cost = cost;
                open.insert(edge.to, longer);
            }
            settled.insert(number, path);
        }
        Err(self.missed(from, to, &settled))
    }

    /// The nearest miss: of the versions that can be reached, the one whose number is nearest, and
    /// what leads nowhere from it.
    fn missed(&self, from: u32, to: u32, settled: &BTreeMap<u32, SchemaPath>) -> NoPath {
        let reached = settled.keys().copied().min_by_key(|number| (number.abs_diff(to), *number));
        let reached = reached.unwrap_or(from);
        let blocked = self.edges.iter().filter(|edge| edge.from == reached);
        let blocked = blocked.filter_map(|edge| Some((edge.to, edge.functions.as_ref().err()?.clone())));
        NoPath { unknown: None, reached, blocked: blocked.collect() }
    }
}

/// Takes the version out that is reached at the least cost.
fn cheapest(open: &mut BTreeMap<u32, SchemaPath>) -> Option<(u32, SchemaPath)> {
    let number = *open.iter().min_by_key(|(number, path)| (path.cost, **number))?.0;
    open.remove_entry(&number)
}

/// What undoes these functions, in turn; `None` where one of them loses something.
fn undone(functions: &[MigrationFunction]) -> Option<Vec<MigrationFunction>> {
    functions.iter().rev().map(MigrationFunction::inverse).collect()
}

/// What brings an item of a version's parent to the version.
fn forwards(version: &SchemaVersion) -> Result<Vec<MigrationFunction>, String> {
    let mut functions = Vec::new();
    for change in &version.changes {
        functions.extend(follows(&change.kind, version)?);
    }
    Ok(functions)
}

fn follows(kind: &ChangeKind, version: &SchemaVersion) -> Result<Option<MigrationFunction>, String> {
    Ok(match kind {
        ChangeKind::AddColumn { column, typed, default } => {
            let is_required = version.schema.fields.get(column).is_some_and(|field| field.required);
            match default.as_deref().map(|text| (text, constant(text, &typed.types))) {
                Some((_, Some(default))) => Some(MigrationFunction::Add { path: path(column)?, default }),
                Some((text, None)) if is_required => {
                    return Err(format!("the default of `{column}`, {text}, is not one constant"));
                }
                None if is_required && !typed.types.is_nullable() => {
                    return Err(format!("nobody said what an item from before has in `{column}`"));
                }
                // Where the attribute may be missing, an item without it has the later shape.
                _ => None,
            }
        }
        ChangeKind::DropColumn { column, .. } => Some(MigrationFunction::Drop { path: path(column)? }),
        ChangeKind::RenameColumn { column, to, .. } => {
            Some(MigrationFunction::Rename { from: path(column)?, to: path(to)? })
        }
        ChangeKind::ChangeType { column, typed, previous, retype } => {
            match conversion::of(&Hop { before: previous.clone(), after: typed.clone(), retype: *retype }) {
                How::Same(_) => None,
                How::Convert(convert) => retyped(column, &previous.types, convert.conversion)?,
                How::Unknown(why) => return Err(format!("`{column}` changed its type: {why}")),
            }
        }
        ChangeKind::CreateTable
        | ChangeKind::DropTable
        | ChangeKind::RenameTable { .. }
        | ChangeKind::TruncateTable
        | ChangeKind::ChangeKey { .. } => None,
    })
}

fn retyped(
    column: &FieldPath,
    before: &TypeSet,
    conversion: Conversion,
) -> Result<Option<MigrationFunction>, String> {
    let kind = before.values().find_map(|one| match one {
        FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Float { .. } => {
            Some(Scalar::Number)
        }
        FieldType::String { .. } | FieldType::Enum(_) => Some(Scalar::Text),
        FieldType::Binary { .. } => Some(Scalar::Binary),
        FieldType::Bool => Some(Scalar::Bool),
        _ => None,
    });
    let Some(from) = kind else {
        return Err(format!("`{column}` changed its type, and its values are of no kind that converts"));
    };
    let function =
        MigrationFunction::Retype { path: path(column)?, from, conversion, on_loss: OnLoss::Refuse };
    // A type that only says more of the same values converts none.
    Ok(function.validate().is_ok().then_some(function))
}

/// What brings an item of a version back to the version's parent.
fn backwards(version: &SchemaVersion, parent: &SchemaVersion) -> Result<Vec<MigrationFunction>, String> {
    let mut functions = Vec::new();
    for change in version.changes.iter().rev() {
        let back = match &change.kind {
            ChangeKind::DropColumn { column, .. } => {
                let field = parent.schema.fields.get(column);
                let is_required = field.is_some_and(|field| field.required && !field.types.is_nullable());
                if is_required {
                    return Err(format!("`{column}` was dropped, and nothing tells what it held"));
                }
                let takes_null = field.is_some_and(|field| field.required);
                takes_null.then_some(MigrationFunction::Add { path: path(column)?, default: Value::Null })
            }
            // Also where no item from before has to be given it.
            ChangeKind::AddColumn { column, .. } => Some(MigrationFunction::Drop { path: path(column)? }),
            kind => match follows(kind, version)? {
                None => None,
                Some(function) => Some(
                    function
                        .inverse()
                        .or_else(|| nearest_back(&function))
                        .ok_or_else(|| format!("`{}` cannot be undone: values were lost", function.name()))?,
                ),
            },
        };
        functions.extend(back);
    }
    Ok(functions)
}

/// What gives values of a changed type their earlier kind, where that is not what they were: texts of
/// numbers that were written otherwise.
pub(crate) fn nearest_back(function: &MigrationFunction) -> Option<MigrationFunction> {
    let MigrationFunction::Retype { path, from, conversion, .. } = function else { return None };
    let back = MigrationFunction::Retype {
        path: path.clone(),
        from: conversion.makes(),
        conversion: from.conversion(),
        on_loss: OnLoss::Refuse,
    };
    back.validate().is_ok().then_some(back)
}

fn path(field: &FieldPath) -> Result<Path, String> {
    Path::parse(field.as_str()).map_err(|_| format!("`{field}` is in a list or among unnamed attributes"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::change::TableName;
    use crate::fingerprint::{Fingerprint, SchemaId};
    use crate::function::{FunctionId, NoFunctions};
    use crate::schema::{Field, Schema};
    use crate::schema_change::{Evidence, Retype, SchemaChange, Typed};

    fn typed(one: FieldType) -> Typed {
        Typed { types: TypeSet::of(one), declared: None }
    }

    fn version(
        number: u32,
        parent: u32,
        fields: &[(&str, FieldType)],
        kinds: Vec<ChangeKind>,
    ) -> SchemaVersion {
        let field = |one: &FieldType| Field { required: true, ..Field::of(TypeSet::of(one.clone())) };
        let fields = fields.iter().map(|(name, one)| (FieldPath::new(name), field(one))).collect();
        let changes = kinds.into_iter().map(|kind| SchemaChange {
            kind,
            evidence: Evidence::Declared { statement: "ALTER TABLE orders".to_owned() },
        });
        SchemaVersion {
            subject: TableName::new("orders"),
            id: SchemaId { version: number, fingerprint: Fingerprint(u64::from(number)) },
            parent: (parent > 0).then_some(parent),
            schema: Schema { fields, key: Vec::new() },
            changes: changes.collect(),
            drift: 0.1,
            breaks: Vec::new(),
            position: None,
            at: 0,
            created_at: 0,
        }
    }

    fn rename(from: &str, to: &str) -> ChangeKind {
        let text = || typed(FieldType::STRING);
        let (column, to) = (FieldPath::new(from), FieldPath::new(to));
        ChangeKind::RenameColumn { column, to, typed: text(), previous: text() }
    }

    /// 1 → 2 a rename, 2 → 3 a number becomes text, 3 → 4 a column with a default, 4 → 5 one is dropped.
    fn history() -> Vec<SchemaVersion> {
        let (text, number) = (FieldType::STRING, FieldType::INTEGER);
        let retyped = ChangeKind::ChangeType {
            column: FieldPath::new("level"),
            typed: typed(text.clone()),
            previous: typed(number.clone()),
            retype: Retype::ReEncoding,
        };
        let tier = || FieldPath::new("tier");
        let added = ChangeKind::AddColumn {
            column: tier(),
            typed: typed(text.clone()),
            default: Some("'tin'".into()),
        };
        let dropped = ChangeKind::DropColumn { column: tier(), typed: typed(text.clone()) };
        vec![
            version(1, 0, &[("city", text.clone()), ("level", number.clone())], vec![]),
            version(2, 1, &[("town", text.clone()), ("level", number)], vec![rename("city", "town")]),
            version(3, 2, &[("town", text.clone()), ("level", text.clone())], vec![retyped]),
            version(
                4,
                3,
                &[("town", text.clone()), ("level", text.clone()), ("tier", text.clone())],
                vec![added],
            ),
            version(5, 4, &[("town", text.clone()), ("level", text)], vec![dropped]),
        ]
    }

    fn item(texts: &[(&str, Value)]) -> Item {
        texts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn an_item_goes_to_a_later_version_and_back() {
        let graph = SchemaGraph::new(&history(), []);
        let first = item(&[("city", text("Ulm")), ("level", Value::Number(3.into()))]);
        let forwards = graph.path(1, 4).unwrap();
        assert_eq!((forwards.versions.as_slice(), forwards.cost.losses), ([1, 2, 3, 4].as_slice(), 0));
        let fourth = forwards.apply(&first, &NoFunctions).unwrap();
        assert_eq!(fourth, item(&[("level", text("3")), ("tier", text("tin")), ("town", text("Ulm"))]));
        let back = graph.path(4, 1).unwrap();
        assert_eq!(back.apply(&fourth, &NoFunctions), Ok(first));
        assert!(back.cost.losses > 0, "a tier that somebody chose is lost: {back:?}");
        assert_eq!(graph.path(2, 2), Ok(SchemaPath { versions: vec![2], ..SchemaPath::default() }));
    }

    #[test]
    fn where_nothing_leads_on_the_nearest_miss_is_told() {
        let graph = SchemaGraph::new(&history(), []);
        let missed = graph.path(5, 1).unwrap_err();
        assert_eq!(missed.reached, 5);
        assert_eq!(missed.blocked, [(4, "`tier` was dropped, and nothing tells what it held".to_owned())]);
        assert_eq!(graph.path(1, 9).unwrap_err().unknown, Some(9));
    }

    #[test]
    fn what_a_person_wrote_leads_where_changes_do_not_and_what_loses_nothing_is_preferred() {
        let remembered = MigrationFunction::Custom {
            function: FunctionId::of_digest([1; 32]),
            columns: vec!["tier".to_owned()],
            inverse: None,
        };
        let written = Migration { from: 5, to: 4, functions: vec![remembered] };
        let path = SchemaGraph::new(&history(), [written]).path(5, 1).unwrap();
        assert_eq!((path.versions.as_slice(), path.cost.calls), ([5, 4, 3, 2, 1].as_slice(), 1));
        // What somebody wrote between two neighbours stands for what changed between them.
        let meant = MigrationFunction::Rename { from: Path::column("city"), to: Path::column("place") };
        let written = Migration { from: 1, to: 2, functions: vec![meant.clone()] };
        let graph = SchemaGraph::new(&history(), [written]);
        assert_eq!(graph.path(1, 2).unwrap().functions, std::slice::from_ref(&meant));
        assert_eq!(graph.path(2, 1).unwrap().functions.len(), 1);
        // A short way that drops a column, beside the long one that keeps all.
        let short = Migration {
            from: 1,
            to: 4,
            functions: vec![MigrationFunction::Drop { path: Path::column("city") }],
        };
        let path = SchemaGraph::new(&history(), [short]).path(1, 4).unwrap();
        assert_eq!(path.versions, [1, 2, 3, 4]);
    }
}
