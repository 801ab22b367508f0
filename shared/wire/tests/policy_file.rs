//! Policy files, and where their errors point.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use evercount_core::adjustment::Class;
use evercount_core::adoption::{PlanPolicy, PolicyBook};
use evercount_core::change::TableName;
use evercount_wire::policy::{from_toml, length_text};

const HOUR: i64 = 3_600_000_000;

fn refused(text: &str, pointed: &str, message: &str, help: &str) {
    let error = match from_toml(text, "policy.toml") {
        Ok(book) => panic!("{text} was read as {book:?}"),
        Err(error) => error,
    };
    assert_eq!(error.source_text.get(error.span.clone()), Some(pointed), "{text}: {error:?}");
    assert!(error.message.contains(message), "{text}: {error:?}");
    assert!(error.help.contains(help), "{text}: {error:?}");
    assert_eq!(error.source_name, "policy.toml");
}

#[test]
fn a_file_says_how_plans_are_treated() {
    let text = r#"
        standby = "2d"
        backfill_units_a_second = 250.5

        [tolerance]
        unexplained_max = 3
        explained_share_max = 1
        patience = "90m"

        [class]
        A5 = "auto"

        [[table]]
        name = "orders"
        policy = "approve"
        [table.kind]
        drop_column = "freeze"
        redefine = "ignore"

        [[table]]
        name = "shop.customers"
        kind.add_column = "auto"
    "#;
    let book = from_toml(text, "policy.toml").unwrap();
    assert_eq!((book.standby, book.backfill_units_a_second), (48 * HOUR, 250.5));
    assert_eq!((book.tolerance.unexplained_max, book.tolerance.explained_share_max), (3, 1.0));
    assert_eq!(book.tolerance.patience, HOUR * 3 / 2);
    let (orders, customers) = (TableName::new("orders"), TableName::new("shop.customers"));
    assert_eq!(book.policy(&orders, ["drop_column"], Class::A1), PlanPolicy::Freeze);
    assert_eq!(book.policy(&orders, ["add_column"], Class::A0), PlanPolicy::Approve);
    assert_eq!(book.policy(&orders, ["redefine"], Class::A2), PlanPolicy::Ignore);
    assert_eq!(book.policy(&customers, ["drop_column"], Class::A5), PlanPolicy::Auto);
    assert_eq!(book.policy(&customers, ["drop_column"], Class::A6), PlanPolicy::Approve);
    assert_eq!(from_toml("", "policy.toml"), Ok(PolicyBook::default()));
}

#[test]
fn what_is_wrong_is_pointed_at_with_what_would_be_right() {
    refused("standby = 72", "72", "expected a length of time", "`72h`");
    refused("standby = '3 days'", "'3 days'", "`3 days` is not a length of time", "`72h`");
    refused("standby = '-1h'", "'-1h'", "not a length of time", "");
    refused("standby = '99999999999999d'", "'99999999999999d'", "not a length of time", "");
    refused("backfill_units_a_second = 0", "0", "out of bounds", "above 0");
    refused("backfill_units_a_second = 'a'", "'a'", "expected a number", "");
    refused("stanby = '1h'", "stanby", "unknown key", "did you mean `standby`?");
    refused("tolerance = 5", "5", "expected a table", "`[tolerance]`");
    refused("[tolerance]\nunexplained_max = -1", "-1", "out of bounds", "a whole number");
    refused("[tolerance]\nexplained_share_max = 1.5", "1.5", "out of bounds", "from 0 to 1");
    refused("[tolerance]\nexplained_share_max = nan", "nan", "out of bounds", "");
    refused("[tolerance]\npatiense = '1h'", "patiense", "unknown key", "did you mean `patience`?");
    refused("[class]\nA7 = 'auto'", "A7", "unknown key `A7`", "did you mean");
    refused("[class]\nA5 = 'ask'", "'ask'", "`ask` is not a policy", "one of `auto`, `approve`");
    refused("[table]\nname = 'orders'", "table", "not an array of tables", "[[table]]");
    refused("[[table]]\npolicy = 'auto'", "[[table]]", "without a `name`", "");
    refused("[[table]]\nname = ''", "''", "not a table", "");
    refused("[[table]]\nname = 'a'\npolice = 'auto'", "police", "unknown key", "did you mean `policy`?");
    refused(
        "[[table]]\nname = 'a'\n[table.kind]\ndrop_colum = 'auto'",
        "drop_colum",
        "unknown key",
        "`drop_column`",
    );
    refused("[[table]]\nname = 'a'\n[table.kind]\nredefine = 5", "5", "expected a string", "");
    let twice = "[[table]]\nname = 'a'\npolicy = 'auto'\n[[table]]\nname = \"a\"\n";
    refused(twice, "\"a\"", "`a` is there twice", "one `[[table]]`");
}

#[test]
fn lengths_of_time_are_told_as_they_are_written() {
    for (length, text) in
        [(72 * HOUR, "72h"), (HOUR * 3 / 2, "90m"), (1_000_000, "1s"), (0, "0h"), (1_500_000, "1500000us")]
    {
        assert_eq!(length_text(length), text);
    }
}
