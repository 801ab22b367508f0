//! `evercount migrate add|list|remove`: migrations that the registry keeps, so that whoever migrates items of
//! a subject goes by them: the event transformer, the data proxy, and `migrate path`.
//!
//! With `--json`: `list` prints `{"subject", "migrations": [{"from", "to", "functions"}]}`, `add` one such
//! migration with `"subject"` and `"replaced"`, and `remove` `{"subject", "removed": {"from", "to"}}`.

use anyhow::{Context, bail};
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::Migration;
use evercount_core::migration::written::{TooMany, WRITTEN_MAX, Written};
use evercount_core::order::Micros;
use evercount_core::schema_change::Subject;
use evercount_pipeline::ports::{FunctionStore, RegistryStore, StoreError};
use evercount_wire::migration::{function_json, function_text};
use serde_json::{Value, json};

use super::read_file;
use crate::answer::Answer;
use crate::args::migrate::{KeepArgs, RemoveArgs};
use crate::schema::subject;
use crate::schema::text::{FAINT, STRONG, paint, plain};
use crate::show;

/// `migrate add`.
pub async fn add<S: RegistryStore + FunctionStore>(
    store: &S,
    args: &KeepArgs,
    now: Micros,
) -> anyhow::Result<Answer> {
    let file = read_file(&args.file)?;
    let name = args.file.display();
    let table =
        file.table.with_context(|| format!("{name} names no subject; write `table = …` at its top"))?;
    let migration = file.migration;
    if migration.from == migration.to {
        bail!("{name} leads nowhere; write `from` and `to`, two schema versions, at its top")
    }
    let state = subject::find(store, table.as_str()).await?;
    for number in [migration.from, migration.to] {
        subject::version(store, &state, number, now).await?;
    }
    let listed = store.functions().await?;
    for function in migration.functions.iter().filter_map(MigrationFunction::custom) {
        if !listed.iter().any(|entry| entry.id == function) {
            bail!(
                "no function on the list has the id {function}; add its module first with \
                 `evercount function add NAME FILE.wasm`"
            );
        }
    }
    let kept = store.written(&state.subject).await?;
    let is_there = kept.without(migration.from, migration.to).is_some();
    let to = kept.with(migration.clone()).map_err(|TooMany| {
        anyhow::anyhow!(
            "`{}` has {WRITTEN_MAX} migrations already; `evercount migrate remove` makes room",
            plain(&state.subject)
        )
    })?;
    replace(store, &state.subject, &kept, &to).await?;
    let mut document = migration_json(&migration);
    show::extend(&mut document, json!({"subject": state.subject.as_str(), "replaced": is_there}));
    let said = if is_there { "another way leads" } else { "a way leads" };
    let mut lines = vec![format!(
        "{}: {said} from version {} to {} now",
        paint(STRONG, plain(&state.subject)),
        migration.from,
        migration.to
    )];
    lines.extend(function_lines(&migration));
    Ok(Answer::ok(document, lines))
}

/// `migrate list`.
pub async fn list<S: RegistryStore>(store: &S, table: &str) -> anyhow::Result<Answer> {
    let state = subject::find(store, table).await?;
    let kept = store.written(&state.subject).await?;
    let document = json!({
        "subject": state.subject.as_str(),
        "migrations": kept.migrations.iter().map(migration_json).collect::<Vec<_>>(),
    });
    let mut lines = Vec::new();
    for migration in &kept.migrations {
        lines.push(paint(STRONG, format!("version {} → {}", migration.from, migration.to)));
        lines.extend(function_lines(migration));
    }
    if lines.is_empty() {
        lines.push(format!("no migrations are kept for `{}`", plain(&state.subject)));
        lines.push(paint(FAINT, "what changed between versions is migrated without; `evercount migrate add FILE` keeps another way"));
    }
    Ok(Answer::ok(document, lines))
}

/// `migrate remove`.
pub async fn remove<S: RegistryStore>(store: &S, args: &RemoveArgs) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.table).await?;
    let kept = store.written(&state.subject).await?;
    let Some(to) = kept.without(args.from, args.to) else {
        bail!(
            "no migration from version {} to {} is kept for `{}`; `evercount migrate list {}` shows what there is",
            args.from,
            args.to,
            plain(&state.subject),
            plain(&state.subject)
        )
    };
    replace(store, &state.subject, &kept, &to).await?;
    let document = json!({"subject": state.subject.as_str(), "removed": {"from": args.from, "to": args.to}});
    let lines = vec![format!("the way from version {} to {} is no longer kept", args.from, args.to)];
    Ok(Answer::ok(document, lines))
}

async fn replace<S: RegistryStore>(
    store: &S,
    subject: &Subject,
    kept: &Written,
    to: &Written,
) -> anyhow::Result<()> {
    match store.replace_written(subject, kept.revision, to).await {
        Err(StoreError::Conflict) => {
            bail!("somebody else changed the migrations of `{}` meanwhile; try again", plain(subject))
        }
        replaced => Ok(replaced?),
    }
}

fn migration_json(migration: &Migration) -> Value {
    let functions: Vec<Value> = migration.functions.iter().map(function_json).collect();
    json!({"from": migration.from, "to": migration.to, "functions": functions})
}

fn function_lines(migration: &Migration) -> impl Iterator<Item = String> {
    migration
        .functions
        .iter()
        .zip(1..)
        .map(|(function, place)| format!("{place:>3}  {}", plain(function_text(function))))
}
