//! Logic versions: immutable, numbered, data-only counting logic.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::change::TableName;
use crate::definition::{CountDefinition, DefinitionName};
use crate::function::{self, FunctionId};
use crate::migration::Step;
use crate::order::Micros;
use crate::path::Path;
use crate::transform::Transform;

/// A definition's name and the number of one of its logic versions; `orders_by_status#v0001`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogicId {
    /// The definition.
    pub definition: DefinitionName,
    /// The version's number, from 1.
    pub number: u32,
}

impl LogicId {
    /// The counter of doubt that touches every count: records so broken that not even their table
    /// is known. One counter, because one transaction could not mark every definition.
    #[must_use]
    pub fn unattributed() -> Self {
        Self { definition: DefinitionName::unattributed(), number: 0 }
    }

    /// The counter of doubt that touches a definition whichever version is read: records in
    /// quarantine. They contribute to no row, so no version could hand them on to the next.
    #[must_use]
    pub fn doubt_of(definition: &DefinitionName) -> Self {
        Self { definition: definition.clone(), number: 0 }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, number) = text.split_once("#v")?;
        let definition = match DefinitionName::unattributed() {
            unattributed if unattributed.as_str() == name => unattributed,
            _ => DefinitionName::parse(name)?,
        };
        Some(Self { definition, number: number.parse().ok()? })
    }
}

impl fmt::Display for LogicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero-padded, so that versions sort by number in the DynamoDB console.
        write!(f, "{}#v{:04}", self.definition, self.number)
    }
}

/// Where in its life a logic version stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogicState {
    /// Planned, not counted yet.
    Draft,
    /// Counted beside the active one, to be compared with it.
    Shadow,
    /// The version readers see.
    Active,
    /// Counted on after another took over, for a rollback.
    Standby,
    /// No longer counted.
    Retired,
    /// Found wrong before it became active.
    Rejected,
}

impl LogicState {
    /// All states with their stored names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Draft, "draft"),
        (Self::Shadow, "shadow"),
        (Self::Active, "active"),
        (Self::Standby, "standby"),
        (Self::Retired, "retired"),
        (Self::Rejected, "rejected"),
    ];

    /// Whether changes are evaluated under a version in this state.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Shadow | Self::Active | Self::Standby)
    }

    /// Whether a version may go from this state to that one.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use LogicState as S;
        matches!(
            (self, next),
            (S::Draft, S::Shadow | S::Rejected)
                | (S::Shadow, S::Active | S::Rejected)
                | (S::Active, S::Standby | S::Rejected | S::Retired)
                | (S::Standby, S::Active | S::Retired)
        )
    }
}

/// What a version's cells are counted from.
///
/// A derived version `v` of a parent `u` with the transform `φ` keeps, of each row, only by how
/// much its own judgement differs from the image of the parent's: its cells are
/// `C_v = Σ_rows (c_v − φ(c_u))`, and its count is `V_v = φ(V_u) + C_v`. Where the plan holds, rows
/// differ nowhere, so a new version is exact from its first instant, costs nothing to start, and
/// writes next to nothing while both are live; and what its cells hold is exactly what has to be
/// explained before it is promoted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each version, and a catalog holds few")]
pub enum Base {
    /// From nothing: its cells are its whole count.
    Own,
    /// From the image of another version of the definition, by its number. Once the parent is
    /// retired its rows hand over to this version as they are touched, and a background fold does
    /// the rest ([`Catalog::draining_of`]).
    Derived {
        /// The parent.
        parent: u32,
        /// What it makes of the parent's cells.
        transform: Transform,
    },
}

/// How a row's contribution under a version must stand to what it contributes to the version's
/// parent: what the shadow run checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// It is the image of the parent's, for every row.
    Mapped,
    /// It is the image of the parent's for rows of the earlier shape. Of rows of the new shape the
    /// parent's logic knows nothing (its column is gone), so a difference there is explained.
    MappedWhileEarlier,
    /// What it counts the parent counted too (a narrower condition).
    AtMost,
    /// What the parent counts it counts too (a wider condition).
    AtLeast,
    /// Nothing is known.
    Unrelated,
}

impl Relation {
    /// All of them with their stored names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Mapped, "mapped"),
        (Self::MappedWhileEarlier, "mapped_while_earlier"),
        (Self::AtMost, "at_most"),
        (Self::AtLeast, "at_least"),
        (Self::Unrelated, "unrelated"),
    ];
}

/// The id of an adjustment plan: a hash of what it is for, so that the same change planned again
/// has the same one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PlanId(Arc<str>);

impl PlanId {
    /// An id by its text.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which rows a version has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coverage {
    /// Every row of the table: counting started with the table, or the table has been audited
    /// and repaired since.
    Whole,
    /// Only rows that changed since then (microseconds since the epoch).
    Since(Micros),
}

/// One version of a definition's counting logic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogicVersion {
    /// Which.
    pub id: LogicId,
    /// Where in its life.
    pub state: LogicState,
    /// The logic itself.
    pub definition: CountDefinition,
    /// Which rows it has seen.
    pub coverage: Coverage,
    /// When it was made, microseconds since the epoch.
    pub created_at: Micros,
    /// What its cells are counted from.
    pub base: Base,
    /// What brings items of earlier shapes to the one the definition speaks of.
    pub migration: Vec<Step>,
    /// How it must stand to its parent.
    pub relation: Relation,
    /// The version it came from; `None` for the first one of a definition.
    pub parent: Option<u32>,
    /// The plan that made it; `None` where a person wrote it.
    pub plan: Option<PlanId>,
    /// Names the table had before, oldest first: rows and late records still have them.
    pub earlier_tables: Vec<TableName>,
    /// Grouping attributes whose columns were dropped, with the place each had among the grouping
    /// attributes: should a column of the name come back, it is grouped by again.
    pub suspended: Vec<(usize, Path)>,
    /// A plan for a change that the version does not follow yet: it waits for a person, or for the
    /// source to be read.
    pub waits_for: Option<PlanId>,
    /// Rises with every change of its state and every plan made on it: what either is conditional on.
    pub epoch: u32,
    /// Since when it has been in its state, microseconds since the epoch.
    pub state_since: Micros,
}

impl LogicVersion {
    /// A version that starts from nothing.
    #[must_use]
    pub fn new(
        number: u32,
        definition: CountDefinition,
        state: LogicState,
        coverage: Coverage,
        now: Micros,
    ) -> Self {
        Self {
            id: LogicId { definition: definition.name.clone(), number },
            state,
            definition,
            coverage,
            created_at: now,
            base: Base::Own,
            migration: Vec::new(),
            relation: Relation::Unrelated,
            parent: None,
            plan: None,
            earlier_tables: Vec::new(),
            suspended: Vec::new(),
            waits_for: None,
            epoch: 0,
            state_since: now,
        }
    }

    /// The same in another state.
    #[must_use]
    pub fn entering(&self, state: LogicState, now: Micros) -> Self {
        Self { state, epoch: self.epoch + 1, state_since: now, ..self.clone() }
    }

    /// The version this one's cells are counted from.
    #[must_use]
    pub fn base_id(&self) -> Option<LogicId> {
        match &self.base {
            Base::Own => None,
            Base::Derived { parent, .. } => {
                Some(LogicId { definition: self.id.definition.clone(), number: *parent })
            }
        }
    }

    /// Whether another version is the one this one came from.
    #[must_use]
    pub fn comes_from(&self, other: &Self) -> bool {
        self.parent == Some(other.id.number) && self.id.definition == other.id.definition
    }

    /// Whether the other is what the same plan counted until a person answered its question.
    #[must_use]
    pub fn answers(&self, other: &Self) -> bool {
        self.id.definition == other.id.definition
            && self.plan.is_some()
            && self.plan == other.plan
            && self.parent == other.parent
            && self.id.number > other.id.number
    }

    /// Whether the version may take over from an active one: it was planned on that one, or it
    /// answers what that one left open.
    #[must_use]
    pub fn may_follow(&self, active: &Self) -> bool {
        self.parent.is_none() || self.comes_from(active) || self.answers(active)
    }

    /// The columns of an image that evaluating the version needs, whatever its shape.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let steps = self.migration.iter().flat_map(|step| {
            let (before, now) = step.action.paths();
            [before, now]
        });
        self.definition.paths().chain(steps).map(Path::column_name)
    }
}

/// The shape of a table that its counts have taken notice of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AdoptedShape {
    /// The schema version's number.
    pub version: u32,
    /// Its top-level columns. What an image has besides, its ledger row remembers (within bounds),
    /// because the change that names it has not been planned for yet.
    pub columns: BTreeSet<String>,
    /// Whether the source tells of statements that define the table. Where it does not, rows may
    /// be rewritten without a record of it.
    pub declared: bool,
}

/// The counting logic of one table.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TableLogic {
    /// Its live versions, each after the version it is derived from.
    pub live: Vec<Arc<LogicVersion>>,
    /// Versions that are no longer evaluated, and whose cells live ones are still derived from:
    /// what rows contribute to them is taken out as they are touched.
    pub draining: Vec<Arc<LogicVersion>>,
    /// The shape its counts have taken notice of, without what only drafts read; `None` before the
    /// first one.
    pub adopted: Option<AdoptedShape>,
}

impl TableLogic {
    /// Whether every live version is counted from nothing, so that what is stored is what is
    /// counted.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.draining.is_empty() && self.live.iter().all(|version| version.base == Base::Own)
    }

    /// The functions that its live versions ask.
    #[must_use]
    pub fn functions(&self) -> BTreeSet<FunctionId> {
        function::named(self.live.iter().flat_map(|version| version.definition.paths()))
    }
}

/// Every live logic version, by table: what a counter is injected with.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Catalog {
    /// Rises with every change of the catalog.
    pub revision: u64,
    by_table: BTreeMap<TableName, TableLogic>,
    /// By each later name of a table, the name its ledger rows are kept under.
    aliases: BTreeMap<TableName, TableName>,
}

impl Catalog {
    /// A catalog of the live ones among `versions`, and of those that live ones are derived from;
    /// with the shapes that tables (by any of their names) were adopted in, but for the columns that
    /// only a draft reads: rows go on remembering them as ones they do not know.
    #[must_use]
    pub fn new(
        revision: u64,
        versions: impl IntoIterator<Item = LogicVersion>,
        adopted: impl IntoIterator<Item = (TableName, AdoptedShape)>,
    ) -> Self {
        let all: BTreeMap<LogicId, Arc<LogicVersion>> =
            versions.into_iter().map(|version| (version.id.clone(), Arc::new(version))).collect();
        let mut catalog = Self { revision, ..Self::default() };
        // A count of a table's new name learns from others that it had an earlier one.
        for version in all.values().filter(|version| version.state.is_live()) {
            catalog.learn_names(version);
        }
        for version in all.values().filter(|version| version.state.is_live()) {
            let name = catalog.ledger_name(&version.definition.table).clone();
            let chain: Vec<&Arc<LogicVersion>> =
                std::iter::successors(Some(version), |version| all.get(&version.base_id()?)).collect();
            let of_table = catalog.by_table.entry(name).or_default();
            // From the root on, so that each version finds its parent before it.
            for version in chain.into_iter().rev() {
                let list = if version.state.is_live() { &mut of_table.live } else { &mut of_table.draining };
                if list.iter().all(|known| known.id != version.id) {
                    list.push(version.clone());
                }
            }
        }
        for (table, mut shape) in adopted {
            let name = catalog.ledger_name(&table).clone();
            // One that waits for another to be counted will judge rows by what they remember.
            for draft in all.values().filter(|version| version.state == LogicState::Draft) {
                if *catalog.ledger_name(&draft.definition.table) == name {
                    shape.columns.retain(|column| draft.columns().all(|read| read != column));
                }
            }
            if let Some(of_table) = catalog.by_table.get_mut(&name) {
                of_table.adopted = Some(shape);
            }
        }
        catalog
    }

    /// Notes by which names a version's table went: ledger rows are kept under the oldest one.
    fn learn_names(&mut self, version: &LogicVersion) {
        let now = &version.definition.table;
        let Some(oldest) = version.earlier_tables.first() else { return };
        for later in version.earlier_tables.iter().skip(1).chain([now]).filter(|later| *later != oldest) {
            self.aliases.insert(later.clone(), oldest.clone());
        }
    }

    /// The name that ledger rows of a table are kept under, whichever of its names is used.
    #[must_use]
    pub fn ledger_name<'a>(&'a self, table: &'a TableName) -> &'a TableName {
        self.aliases.get(table).unwrap_or(table)
    }

    /// The counting logic of a table; `None` where nobody counts it.
    #[must_use]
    pub fn table(&self, table: &TableName) -> Option<&TableLogic> {
        self.by_table.get(self.ledger_name(table))
    }

    /// The live logic versions of a table, parents first; empty where nobody counts it.
    #[must_use]
    pub fn of_table(&self, table: &TableName) -> &[Arc<LogicVersion>] {
        self.table(table).map_or(&[], |logic| logic.live.as_slice())
    }

    /// The versions of a table that rows still contribute to and that are no longer evaluated.
    #[must_use]
    pub fn draining_of(&self, table: &TableName) -> &[Arc<LogicVersion>] {
        self.table(table).map_or(&[], |logic| logic.draining.as_slice())
    }

    /// Every live logic version.
    pub fn all(&self) -> impl Iterator<Item = &Arc<LogicVersion>> {
        self.by_table.values().flat_map(|logic| &logic.live)
    }

    /// Every name under which records of counted tables come, with the table's counting logic.
    pub fn names(&self) -> impl Iterator<Item = (&TableName, &TableLogic)> {
        let later =
            self.aliases.iter().filter_map(|(later, oldest)| Some((later, self.by_table.get(oldest)?)));
        self.by_table.iter().chain(later)
    }

    /// The tables that are counted, by the names their ledger rows are kept under.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.by_table.keys()
    }
}
