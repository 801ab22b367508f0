//! `evercount policy …`: how plans are treated.
//!
//! With `--json`, both commands print `{"policy": …}`, the stored form of [`evercount_wire::policy`], and
//! `set` adds `"edited"`, whether anything was another way before.

use anyhow::Context;
use evercount_core::adjustment::Class;
use evercount_core::adoption::PolicyBook;
use evercount_pipeline::ports::CatalogStore;
use evercount_wire::policy::{self, length_text};
use serde_json::json;

use crate::answer::{self, Answer};
use crate::args::adjust::{PolicyCommand, SetPolicyArgs};
use crate::exit::Exit;
use crate::schema::text::{FAINT, paint, plain};
use crate::target::Opened;
use crate::{plan, show};

/// Runs the command.
pub async fn run(command: PolicyCommand) -> anyhow::Result<Exit> {
    match &command {
        PolicyCommand::Show(args) => {
            answer::on(args.target, args.output, false, async |opened: &Opened| {
                let book = opened.stack.store().policy_book().await?;
                Ok(Answer::ok(json!({"policy": policy::to_json(&book)}), lines(&book)))
            })
            .await
        }
        PolicyCommand::Set(args) => {
            answer::on(args.target, args.output, true, async |opened| set(opened, args).await).await
        }
    }
}

async fn set(opened: &Opened, args: &SetPolicyArgs) -> anyhow::Result<Answer> {
    let name = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("could not read {name}"))?;
    let book = policy::from_toml(&text, &name)?;
    let store = opened.stack.store();
    let edited = store.policy_book().await? != book;
    let mut lines = lines(&book);
    if edited {
        store.set_policy_book(&book).await?;
        lines.push(String::new());
        lines.push(
            "plans are treated so from now on; those that are made already stay as they are".to_owned(),
        );
    } else {
        lines.push(String::new());
        lines.push("it was so already".to_owned());
    }
    let mut document = json!({"policy": policy::to_json(&book)});
    show::extend(&mut document, json!({"edited": edited}));
    Ok(Answer::ok(document, lines))
}

/// A policy book as the file that would set it, with what it means beside.
fn lines(book: &PolicyBook) -> Vec<String> {
    let said = |text: String, means: &str| format!("{text:<34}{}", paint(FAINT, format!("# {means}")));
    let quoted = |text: &str| toml_text(text);
    let mut lines = vec![
        said(
            format!("standby = \"{}\"", length_text(book.standby)),
            "how long a version that was replaced is kept live",
        ),
        said(
            format!("backfill_units_a_second = {}", book.backfill_units_a_second),
            "read units a second that a backfill may take",
        ),
        String::new(),
        "[tolerance]".to_owned(),
        said(
            format!("unexplained_max = {}", book.tolerance.unexplained_max),
            "unexplained differences that still promote",
        ),
        said(
            format!("explained_share_max = {:?}", book.tolerance.explained_share_max),
            "share of explained ones above which a person decides",
        ),
        said(
            format!("patience = \"{}\"", length_text(book.tolerance.patience)),
            "without enough evidence for so long, that is said",
        ),
        String::new(),
        "[class]".to_owned(),
    ];
    for (class, _) in Class::ALL {
        if let Some(policy) = book.by_class.get(&class) {
            lines.push(said(format!("{} = \"{}\"", class.name(), policy.name()), plan::class(class)));
        }
    }
    let tables: std::collections::BTreeSet<_> =
        book.by_table.keys().chain(book.by_kind.keys().map(|(table, _)| table)).collect();
    for table in tables {
        lines.extend([String::new(), "[[table]]".to_owned(), format!("name = {}", quoted(&plain(table)))]);
        if let Some(policy) = book.by_table.get(table) {
            lines.push(format!("policy = \"{}\"", policy.name()));
        }
        let kinds: Vec<_> = book.by_kind.iter().filter(|((of, _), _)| of == table).collect();
        if !kinds.is_empty() {
            lines.push("[table.kind]".to_owned());
            lines.extend(kinds.iter().map(|((_, kind), policy)| format!("{kind} = \"{}\"", policy.name())));
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// A text as TOML writes it; its escapes are those of JSON.
fn toml_text(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use evercount_core::adoption::PlanPolicy;
    use evercount_core::change::TableName;

    use super::*;

    #[test]
    fn what_is_shown_sets_what_it_shows() {
        let mut book = PolicyBook::default();
        book.by_table.insert(TableName::new("shop.orders"), PlanPolicy::Approve);
        book.by_kind.insert((TableName::new("shop.orders"), "drop_column".to_owned()), PlanPolicy::Freeze);
        book.by_kind.insert((TableName::new("carts"), "redefine".to_owned()), PlanPolicy::Auto);
        book.tolerance.explained_share_max = 0.25;
        let shown = anstream::adapter::strip_str(&lines(&book).join("\n")).to_string();
        assert_eq!(policy::from_toml(&shown, "policy").unwrap(), book, "{shown}");
    }
}
