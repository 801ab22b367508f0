//! `evercount plan simulate`: what a change would ask of a count. Nothing is written.

use anyhow::{anyhow, bail};
use evercount_core::adjustment::Cause;
use evercount_core::adoption::{self, Adjustment};
use evercount_core::change::TableName;
use evercount_core::definition::CountDefinition;
use evercount_core::diff::diff;
use evercount_core::path::Path;
use evercount_core::registry::Origin;
use evercount_core::schema::{Field, FieldPath, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, EvidencePart, SchemaChange, Typed};
use evercount_local::stack::now;
use evercount_pipeline::adapt;
use evercount_pipeline::ports::{CatalogStore, RegistryStore};
use evercount_view::did_you_mean;
use evercount_wire::definition::build;

use super::change::{Asked, Declared, DefinitionClause, TableClause, parse};
use super::view::{View, answer_with};
use crate::answer::Answer;
use crate::args::adjust::SimulateArgs;
use crate::target::Opened;
use crate::{count, drive};

/// How likely `maybe` is: too little for anybody to go by.
const MAYBE: f64 = 0.5;

/// Plans a change, and shows the plan.
pub async fn run(opened: &Opened, args: &SimulateArgs) -> anyhow::Result<Answer> {
    let asked = parse(&args.change)?;
    let store = opened.stack.store();
    let active = count::active(opened, &args.name).await?;
    let versions = store.versions().await?;
    let head = adapt::head(&versions, &active.id.definition).unwrap_or(active);
    let options = drive::options(opened, &head.definition.table, None).await;
    let cause = match asked {
        Asked::Schema(clauses) => {
            let known = Known::of(store, &head.definition, options.source_is_readable).await?;
            let changes = clauses.iter().map(|clause| known.change(clause, &args.change));
            let changes = changes.collect::<anyhow::Result<_>>()?;
            Cause::Schema { event: "simulated".to_owned(), changes, position: None, at: now() }
        }
        Asked::Definition(mut clauses) => {
            for clause in &mut clauses {
                if let DefinitionClause::Where(filter) = clause {
                    *filter = count::with_ids(opened, filter.take()).await?;
                }
            }
            Cause::Redefinition { definition: redefined(&head.definition, &clauses)?, at: now() }
        }
    };
    let plan = adapt::simulate(store, &drive::source(opened), &head, &cause, options).await?;
    let kinds: Vec<&str> = match &cause {
        Cause::Schema { changes, .. } => changes.iter().map(|change| change.kind.name()).collect(),
        Cause::Redefinition { .. } => vec!["redefine"],
    };
    let policy = store.policy_book().await?.policy(&plan.table, kinds, plan.class);
    let outcome = adoption::beginning(&plan, policy).outcome;
    let adjustment = Adjustment::new(plan, policy, outcome, now());
    let view = View::of(opened, adjustment, true).await?;
    Ok(answer_with(&view, &[]))
}

fn redefined(before: &CountDefinition, clauses: &[DefinitionClause]) -> anyhow::Result<CountDefinition> {
    let mut parts = count::parts(before);
    for clause in clauses {
        match clause {
            DefinitionClause::Where(filter) => parts.filter.clone_from(filter),
            DefinitionClause::GroupBy(paths) => parts.group_by.clone_from(paths),
            DefinitionClause::Distinct(path) => parts.distinct.clone_from(path),
        }
    }
    Ok(build(parts)?)
}

/// What is known of a table that is counted.
struct Known<'a> {
    definition: &'a CountDefinition,
    /// The schema in force, where the registry has one.
    schema: Option<Schema>,
    /// Whether the table's source declares columns, and changes rows that stand.
    is_declared: bool,
}

impl<'a> Known<'a> {
    async fn of<S: RegistryStore>(
        store: &S,
        definition: &'a CountDefinition,
        is_dynamodb: bool,
    ) -> anyhow::Result<Self> {
        let subject = store.subject(&definition.table).await?;
        let number = subject.as_ref().and_then(|state| state.current).map(|id| id.version);
        let schema = match number {
            Some(number) => store.schema_version(&definition.table, number, now()).await?.found(),
            None => None,
        };
        let is_declared = subject.map_or(!is_dynamodb, |state| state.origin == Origin::Declared);
        Ok(Self { definition, schema: schema.map(|version| version.schema), is_declared })
    }

    fn change(&self, clause: &TableClause, text: &str) -> anyhow::Result<SchemaChange> {
        let evidence = match (clause, self.is_declared) {
            (TableClause::Rename { maybe: true, .. }, _) => {
                let parts = vec![EvidencePart { name: "said to be likely", weight: 1.0, held: MAYBE }];
                Evidence::Proposed { score: MAYBE, parts }
            }
            (_, true) => Evidence::Declared { statement: text.to_owned() },
            (_, false) => {
                let because = "as if the table's items showed it".to_owned();
                Evidence::Observed { rows: 0, false_alarm: 0.0, because }
            }
        };
        let kind = match clause {
            TableClause::Drop { column } => {
                ChangeKind::DropColumn { column: field(column), typed: self.typed(column)? }
            }
            TableClause::Rename { column, to, .. } => {
                let typed = self.typed(column)?;
                self.is_free(to)?;
                ChangeKind::RenameColumn {
                    column: field(column),
                    to: field(to),
                    previous: typed.clone(),
                    typed,
                }
            }
            TableClause::Add { column, typed, default } => {
                self.is_free(column)?;
                let default = default.as_deref().map(Into::into);
                ChangeKind::AddColumn { column: field(column), typed: self.written(typed), default }
            }
            TableClause::Retype { column, from, to } => self.retyped(column, from.as_ref(), to)?,
            TableClause::RenameTable { to } => ChangeKind::RenameTable { to: TableName::new(to) },
            TableClause::DropTable => ChangeKind::DropTable,
            TableClause::Truncate => ChangeKind::TruncateTable,
        };
        Ok(SchemaChange { kind, evidence })
    }

    fn written(&self, declared: &Declared) -> Typed {
        // A document store has no words for types.
        let text = self.is_declared.then(|| declared.text.as_str().into());
        Typed { types: types(declared, self.is_declared), declared: text }
    }

    /// The type of a column, which has to be there.
    fn typed(&self, column: &Path) -> anyhow::Result<Typed> {
        let Some(schema) = &self.schema else { return Ok(Typed::default()) };
        if let Some(field) = schema.fields.get(&field(column)) {
            return Ok(Typed { types: field.types.clone(), declared: field.declared.clone() });
        }
        // The count may read what no row has shown yet.
        if self.definition.paths().any(|path| path == column) {
            return Ok(Typed::default());
        }
        let table = &self.definition.table;
        let known = schema.fields.keys().map(FieldPath::as_str);
        let list = format!("evercount schema show {table}");
        bail!("`{table}` has no column `{column}`; {}", did_you_mean(&column.to_string(), known, &list))
    }

    fn is_free(&self, column: &Path) -> anyhow::Result<()> {
        let taken = self.schema.as_ref().is_some_and(|schema| schema.fields.contains_key(&field(column)));
        if taken {
            bail!("`{}` has a column `{column}` already; choose another name", self.definition.table);
        }
        Ok(())
    }

    fn retyped(&self, column: &Path, from: Option<&Declared>, to: &Declared) -> anyhow::Result<ChangeKind> {
        let before = match from {
            Some(from) => Field {
                declared: Some(from.text.as_str().into()),
                ..Field::of(types(from, self.is_declared))
            },
            None => {
                let known = self.typed(column)?;
                if known.types.0.is_empty() {
                    bail!(
                        "nothing says which type `{column}` has; write `retype column {column} from TYPE to {}`",
                        to.text
                    );
                }
                Field { declared: known.declared, ..Field::of(known.types) }
            }
        };
        let after =
            Field { declared: Some(to.text.as_str().into()), ..Field::of(types(to, self.is_declared)) };
        let schema = |of: Field| Schema { fields: [(field(column), of)].into(), ..Schema::default() };
        let told = diff(&schema(before), &schema(after)).changes();
        let changed = told.into_iter().find(|kind| matches!(kind, ChangeKind::ChangeType { .. }));
        let mut changed =
            changed.ok_or_else(|| anyhow!("`{column}` is of that type already: {}", to.text))?;
        if !self.is_declared
            && let ChangeKind::ChangeType { typed, previous, .. } = &mut changed
        {
            (typed.declared, previous.declared) = (None, None);
        }
        Ok(changed)
    }
}

fn field(path: &Path) -> FieldPath {
    FieldPath::new(path.to_string())
}

fn types(declared: &Declared, may_be_null: bool) -> TypeSet {
    TypeSet::of(declared.one.clone()).nullable(declared.nullable && may_be_null)
}
