//! Count definitions in files and in parts, and where their errors point.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use evercount_core::definition::GROUPS_MAX_DEFAULT;
use evercount_wire::definition::{DefinitionError, DefinitionParts, build, definition_lines, from_toml};
use evercount_wire::predicate::to_text;

fn refused(text: &str, pointed: &str, message: &str, help: &str) -> DefinitionError {
    let error = match from_toml(text, "counts.toml") {
        Ok(definitions) => panic!("{text} was read as {definitions:?}"),
        Err(error) => error,
    };
    assert_eq!(error.source_text.get(error.span.clone()), Some(pointed), "{text}: {error:?}");
    assert!(error.message.contains(message), "{text}: {error:?}");
    assert!(error.help.contains(help), "{text}: {error:?}");
    assert_eq!(error.source_name, "counts.toml");
    error
}

/// As [`refused`], for the lines of one count that is otherwise complete.
fn refused_line(line: &str, pointed: &str, message: &str, help: &str) {
    refused(&format!("# größe\n[[count]]\nname = \"n\"\ntable = \"t\"\n{line}\n"), pointed, message, help);
}

#[test]
fn a_file_gives_its_definitions_in_their_order() {
    let text = r#"
        [[count]]
        name = "orders_by_status"
        table = "orders"
        group_by = ["status", "address.country"]
        groups_max = 1_000

        [[count]]
        name = "active-orders"
        table = "shop.orders"
        where = '''
            status = 'ACTIVE'
            AND shipped_at IS MISSING'''
        group_by = "\"user.id\""
        distinct = "customer"
        headroom = ["payment.kind", "region"]
        headroom_truth = true

        [[count]]
        table = "t"
        name = "all"
    "#;
    let definitions = from_toml(text, "counts.toml").unwrap();
    let names: Vec<_> = definitions.iter().map(|definition| definition.name.as_str()).collect();
    assert_eq!(names, ["orders_by_status", "active-orders", "all"]);
    let paths =
        |index: usize| definitions[index].group_by.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(paths(0), ["status", "address.country"]);
    assert_eq!(paths(1), ["\"user.id\""]);
    assert_eq!(paths(2), Vec::<String>::new());
    assert_eq!(definitions[0].groups_max, 1_000);
    assert_eq!(definitions[1].groups_max, GROUPS_MAX_DEFAULT);
    assert_eq!(definitions[1].table.as_str(), "shop.orders");
    assert_eq!(
        definitions[1].filter.as_ref().map(to_text).as_deref(),
        Some("status = 'ACTIVE' AND shipped_at IS MISSING")
    );
    assert_eq!(definitions[1].distinct.as_ref().map(ToString::to_string).as_deref(), Some("customer"));
    assert_eq!(definitions[0].filter, None);
    assert!(definitions[0].headroom.is_empty());
    let dimensions: Vec<_> = definitions[1].dimensions().iter().map(ToString::to_string).collect();
    assert_eq!(dimensions, ["\"user.id\"", "payment.kind", "region"]);
    assert!(definitions[1].headroom.truth);
    assert_eq!(
        definition_lines(&definitions[1]),
        [
            "table: shop.orders",
            "where: status = 'ACTIVE' AND shipped_at IS MISSING",
            "group by: \"user.id\"",
            "distinct: customer",
            "headroom: payment.kind, region",
            "headroom: the truth of each condition",
        ]
    );
    assert_eq!(from_toml("# nothing yet\n", "counts.toml"), Ok(vec![]));
}

#[test]
fn an_error_within_a_where_points_at_the_word() {
    refused_line(r#"where = "total > 5 AND name LIKE 'A%'""#, "LIKE", "LIKE is not a test", "begins_with");
    refused_line("where = 'größe = \"b\" + 1'", "+", "arithmetic", "");
    refused_line("where = '''a = NULL'''", "NULL", "NULL", "IS NULL");
    refused_line("where = \"\"\"\n  a = 1 AND\n  b == 2\"\"\"", "==", "not a comparison", "`=`");
    // With escapes the places differ, and the whole string is pointed at.
    refused_line(r#"where = "\"a\" == 2""#, r#""\"a\" == 2""#, "not a comparison", "");
    refused_line("where = \"\"\"a = 1 \\\n  b\"\"\"", "\"\"\"a = 1 \\\n  b\"\"\"", "AND, OR or the end", "");
    refused_line("where = ''", "", "expected a condition", "");
    let function = "'\"function:paid\" = true'";
    refused_line(&format!("where = {function}"), function, "there is no function `paid`", "by its id");
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    refused_line("groupby = []", "groupby", "unknown key `groupby`", "did you mean `group_by`?");
    refused_line("wehre = ''", "wehre", "unknown key", "did you mean `where`?");
    refused_line("filter = ''", "filter", "unknown key", "the keys are `name`, `table`");
    refused("[[counts]]\nname = 'n'", "counts", "unknown key", "did you mean `count`?");
    refused("title = 'x'", "title", "unknown key", "the keys are `count`");
}

#[test]
fn what_is_missing_or_of_another_type_is_pointed_at() {
    refused("[[count]]\nname = 'n'\n", "[[count]]", "without a `table`", "each with a `name` and a `table`");
    refused("[[count]]\ntable = 't'\n", "[[count]]", "without a `name`", "");
    refused("[count]\nname = 'n'\n", "count", "not an array", "[[count]]");
    refused("count = [1]", "1", "not a table", "");
    refused_line("where = 5", "5", "expected a string, found a value of type integer", "");
    refused_line("group_by = ['a', 5]", "5", "expected a string", "");
    refused_line("group_by = {}", "{}", "expected an array of strings", "");
    refused_line("groups_max = '5'", "'5'", "expected a whole number", "");
    refused("[[count]]\nname = 'n", "", "expected `'`", "");
    refused("[[count]]\nname = 'n'\nname = 'm'", "name", "duplicate", "");
}

#[test]
fn every_part_is_held_to_its_rules() {
    refused("[[count]]\nname = '1st'\ntable = 't'", "'1st'", "cannot name a count", "a letter");
    refused("[[count]]\nname = 'n'\ntable = ''", "''", "not a table", "schema.table");
    refused("[[count]]\nname = 'n'\ntable = ' t'", "' t'", "not a table", "");
    refused_line("group_by = ['ok', 'a..b']", ".", "not the path", "expected an attribute name");
    refused_line("group_by = 'a['", "", "not the path", "lines[0].sku");
    refused_line("group_by = ['a', '\"a\"']", "'\"a\"'", "twice", "once");
    refused_line(
        "group_by = ['a','b','c','d','e','f','g','h','i']",
        "['a','b','c','d','e','f','g','h','i']",
        "9 attributes",
        "at most 8",
    );
    refused_line("distinct = 'a]'", "]", "not the path", "");
    refused_line("groups_max = 0", "0", "a cap of 0 groups", "from 1 to 1000000");
    refused_line("groups_max = 1_000_001", "1_000_001", "a cap of 1000001 groups", "");
    refused_line("groups_max = -1", "-1", "a cap of -1 groups", "");
    refused_line("groups_max = 99999999999", "99999999999", "a cap of", "");
    refused_line("headroom = ['ok', 'a..b']", ".", "not the path", "expected an attribute name");
    refused_line("headroom = ['a', 'a']", "'a'", "twice", "once");
    refused_line("headroom = 5", "5", "expected an array of strings", "");
    refused_line(
        "group_by = 'a'\nheadroom = ['b', 'a']",
        "'a'",
        "`a` is grouped by already",
        "one of the two",
    );
    refused_line(
        "headroom = ['a','b','c','d','e','f','g','h','i']",
        "['a','b','c','d','e','f','g','h','i']",
        "9 attributes of headroom",
        "at most 8: each combination of values that occurs costs a counter",
    );
    refused_line("headroom_truth = true", "true", "without a `where`", "add a `where`");
    refused_line("headroom_truth = 1", "1", "expected `true` or `false`", "");
    let twice = "[[count]]\nname = 'n'\ntable = 't'\n[[count]]\nname = \"n\"\ntable = 'u'\n";
    let error = refused(twice, "\"n\"", "`n` is there twice", "a name of its own");
    assert_eq!(error.to_string(), "counts.toml: `n` is there twice");
}

#[test]
fn parts_of_a_command_line_are_pointed_at_themselves() {
    let parts = |filter: Option<&str>, group_by: &[&str]| DefinitionParts {
        name: "n".to_owned(),
        table: "t".to_owned(),
        group_by: group_by.iter().map(|path| (*path).to_owned()).collect(),
        filter: filter.map(str::to_owned),
        ..DefinitionParts::default()
    };
    assert!(build(parts(Some("a = 1"), &["b"])).is_ok());
    let error = build(parts(Some("a = 1 AND b LIKE 'x'"), &[])).unwrap_err();
    assert_eq!((error.source_name.as_str(), &error.source_text[error.span]), ("where", "LIKE"));
    let error = build(parts(None, &["a", "b..c"])).unwrap_err();
    assert_eq!(
        (error.source_name.as_str(), error.source_text.as_str(), error.span),
        ("group_by", "b..c", 2..3)
    );
    let error = build(DefinitionParts::default()).unwrap_err();
    assert_eq!((error.source_name.as_str(), error.span), ("name", 0..0));
    let headroom = vec!["a".to_owned(), "b..c".to_owned()];
    let error = build(DefinitionParts { headroom, ..parts(None, &[]) }).unwrap_err();
    assert_eq!((error.source_name.as_str(), error.source_text.as_str()), ("headroom", "b..c"));
    let error = build(DefinitionParts { headroom_truth: true, ..parts(None, &[]) }).unwrap_err();
    assert_eq!((error.source_name.as_str(), error.source_text.as_str()), ("headroom_truth", "true"));
    let error = build(DefinitionParts { groups_max: Some(0), ..parts(None, &[]) }).unwrap_err();
    assert_eq!((error.source_name.as_str(), error.source_text.as_str()), ("groups_max", "0"));
}
