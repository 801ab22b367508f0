//! What predicates may say, and what is said of those that may not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use evercount_wire::predicate::{PredicateError, parse, to_text};

/// The text is accepted, and its canonical text is this.
fn accepted(text: &str, canonical: &str) {
    match parse(text) {
        Ok(predicate) => assert_eq!(to_text(&predicate), canonical, "{text}"),
        Err(error) => panic!("{text}: {error:?}"),
    }
}

fn refusal(text: &str) -> PredicateError {
    match parse(text) {
        Ok(predicate) => panic!("{text} was read as {}", to_text(&predicate)),
        Err(error) => error,
    }
}

/// The text is refused at exactly `pointed`, with a message and a help that say this.
fn refused(text: &str, pointed: &str, message: &str, help: &str) {
    let error = refusal(text);
    let found = text.get(error.span.clone()).unwrap_or("no range of the text");
    assert_eq!(found, pointed, "{text}: {error:?}");
    assert!(error.message.contains(message), "{text}: {error:?}");
    assert!(error.help.contains(help), "{text}: {error:?}");
}

#[test]
fn every_test_of_the_language_is_accepted() {
    accepted("status = 'ACTIVE'", "status = 'ACTIVE'");
    accepted("a<>1 or a != 1", "a <> 1 OR a <> 1");
    accepted("a < 1 AND a <= 1 AND a > 1 AND a >= 1", "a < 1 AND a <= 1 AND a > 1 AND a >= 1");
    accepted("5 < total", "5 < total");
    accepted("a = b.c", "a = b.c");
    accepted("size(tags) > 0", "size(tags) > 0");
    accepted("SIZE(a) = size(b)", "size(a) = size(b)");
    accepted("size(a) in (1,2)", "size(a) IN (1, 2)");
    accepted("size(a) not between 1 and 2", "size(a) NOT BETWEEN 1 AND 2");
    accepted("status IN ('A')", "status IN ('A')");
    accepted("NOT status IN ('A', 'B')", "status NOT IN ('A', 'B')");
    accepted("total between -1 and +2.50", "total BETWEEN -1 AND 2.5");
    accepted("a is null or a is not null", "a IS NULL OR a IS NOT NULL");
    accepted("a Is Missing or a is not missing", "a IS MISSING OR a IS NOT MISSING");
    accepted("begins_with(name, 'A')", "begins_with(name, 'A')");
    accepted("begins_with(raw, x'0aFF')", "begins_with(raw, X'0aff')");
    accepted("contains(tags, 7)", "contains(tags, 7)");
    accepted("attribute_type(total, 'N')", "attribute_type(total, 'N')");
    accepted("active = true and gone <> FALSE", "active = TRUE AND gone <> FALSE");
    accepted("a = X''", "a = X''");
    accepted("a = 'it''s' -- as people say\n AND /* not yet */ b = ''", "a = 'it''s' AND b = ''");
}

#[test]
fn collections_are_literals_too() {
    accepted("a = [1, 'a', [NULL, true], {'x': X'00'}]", "a = [1, 'a', [NULL, TRUE], {'x': X'00'}]");
    accepted("a = [] OR a = {}", "a = [] OR a = {}");
    accepted(
        "a = <<2, 1>> OR a IN (<<'b', 'a'>>, <<X'01'>>)",
        "a = <<1, 2>> OR a IN (<<'a', 'b'>>, <<X'01'>>)",
    );
    refused("a = <<1, 'a'>>", "'a'", "more than one type", "<<1, 2>>");
    refused("a = <<1, 1.0>>", "1.0", "twice", "");
    refused("a = <<>>", "<<>>", "an empty set", "");
    refused("a = <<TRUE>>", "TRUE", "no element of a set", "");
    refused("a = {'x': 1, 'x': 2}", "'x'", "twice", "");
    refused("a = [1 2]", "2", "expected `,` or `]`", "");
    refused("a = {x: 1}", "x", "in single quotes", "");
    refused("a > [1]", "[1]", "type L is neither greater nor less", "`=` or `<>`");
}

#[test]
fn numbers_keep_all_their_digits() {
    accepted("a = 99999999999999999999999999999999999999", "a = 99999999999999999999999999999999999999");
    accepted("a = -0.10", "a = -0.1");
    accepted("a = 1e3 OR a = 1E-2", "a = 1000 OR a = 0.01");
    accepted("a = 0.1234567890123456789012345678901234567", "a = 0.1234567890123456789012345678901234567");
    refused("a = 1e9999", "1e9999", "beyond", "-0.5");
    refused("a = .5", ".5", "not a decimal number", "-0.5");
    refused("a = 0x1F", "0x1F", "hexadecimal", "decimal");
    refused("a = 1L", "1L", "expected a number", "suffix");
    refused("a = - b", "b", "expected a number", "compute nothing");
}

#[test]
fn paths_reach_into_maps_and_lists_and_odd_names_stand_in_quotes() {
    accepted("a.b[0].c = 1", "a.b[0].c = 1");
    accepted("\"a\".\"b c\"[10] = 1", "a.\"b c\"[10] = 1");
    accepted("\"user-id\" = 1", "\"user-id\" = 1");
    accepted("\"say \"\"hi\"\"\" = 1", "\"say \"\"hi\"\"\" = 1");
    accepted("\"a.b\" = 1", "\"a.b\" = 1");
    accepted(
        "\"in\" = 1 AND \"Missing\" = 2 AND \"status\" = 3",
        "\"in\" = 1 AND \"Missing\" = 2 AND status = 3",
    );
    accepted(
        "lines[0]._id = 1 AND _x._y = 2 AND \"a\"._b = 3",
        "lines[0]._id = 1 AND _x._y = 2 AND a._b = 3",
    );
    accepted("größe > 3 AND \"größe\" < 5", "größe > 3 AND größe < 5");
    accepted("a.in = 1", "a.\"in\" = 1");
    // Words that are reserved elsewhere are ordinary attribute names here.
    for name in
        ["date", "size", "order", "group", "case", "interval", "user", "end", "exists", "select", "contains"]
    {
        accepted(&format!("{name} = 1"), &format!("{name} = 1"));
    }
    refused("user-id = 1", "user-id", "arithmetic", "`\"user-id\"`");
    refused("a.user-id = 1", "user-id", "arithmetic", "`\"user-id\"`");
    refused("2fa = TRUE", "2fa", "neither a number nor a name", "\"2fa\"");
    refused("a.2fa = TRUE", ".2", "attribute name", "\"2fa\"");
    refused("`a` = 1", "`", "backticks", "double quotes");
    refused("a[x] = 1", "x", "index", "lines[0]");
    refused("a[-1] = 1", "-", "index", "lines[0]");
    refused("a[0 = 1", "=", "expected `]`", "lines[0]");
    refused("a. = 1", "=", "after `.`", "double quotes");
    refused("\"\" = 1", "\"\"", "attribute name", "");
}

#[test]
fn precedence_is_that_of_sql_and_parentheses_are_kept_apart() {
    accepted("a = 1 OR b = 2 AND NOT c = 3", "a = 1 OR (b = 2 AND NOT c = 3)");
    accepted("(a = 1 OR b = 2) AND c = 3", "(a = 1 OR b = 2) AND c = 3");
    accepted("a = 1 AND (b = 2 AND c = 3)", "a = 1 AND (b = 2 AND c = 3)");
    accepted("((a = 1))", "a = 1");
    accepted("NOT (a = 1 OR b = 2)", "NOT (a = 1 OR b = 2)");
    accepted("NOT NOT a = 1", "NOT NOT a = 1");
    accepted("a BETWEEN 1 AND 2 AND b = 3", "a BETWEEN 1 AND 2 AND b = 3");
}

#[test]
fn null_and_missing_are_tested_and_never_compared() {
    refused("a = NULL", "NULL", "nothing is equal to NULL", "IS NULL");
    refused("a <> null", "null", "nothing is equal to NULL", "IS NULL");
    refused("a IN (1, NULL)", "NULL", "nothing is equal to NULL", "IS NULL");
    refused("a = MISSING", "MISSING", "not a value", "`IS MISSING`");
    refused("missing = a", "missing", "not a value", "`IS MISSING`");
    refused("contains(a, NULL)", "NULL", "nothing is equal to NULL", "IS NULL");
    refused("size(a) IS NULL", "size(a)", "only an attribute", "IS MISSING");
    refused("1 IS MISSING", "1", "only an attribute", "IS MISSING");
    refused("a IS TRUE", "TRUE", "expected NULL or MISSING", "= TRUE");
    refused("a IS NOT DISTINCT FROM 1", "DISTINCT", "expected NULL or MISSING", "IS NOT MISSING");
    refused("a IS", "", "found the end", "IS NULL");
}

#[test]
fn tests_that_could_never_hold_are_refused() {
    refused("b = 2 AND 1 = 1", "1 = 1", "a test of a constant", "test an attribute");
    refused("'a' IN ('a')", "'a'", "a test of a constant", "");
    refused("1 BETWEEN 0 AND 2", "1", "a test of a constant", "");
    refused("a IN ()", "a IN ()", "an empty IN", "at least one");
    refused("a BETWEEN 2 AND 1", "a BETWEEN 2 AND 1", "nothing lies in", "lower end");
    refused("a BETWEEN 1 AND 'z'", "'z'", "from type N to type S", "both ends");
    refused("a BETWEEN TRUE AND FALSE", "TRUE", "neither greater nor less", "");
    refused("a < TRUE", "TRUE", "neither greater nor less", "`=` or `<>`");
    refused("size(a) = '3'", "'3'", "a size is a number", "");
    refused("begins_with(a, 3)", "3", "neither text nor binary", "begins_with(name, 'A')");
    refused("attribute_type(a, 'X')", "'X'", "DynamoDB type", "'SS'");
}

#[test]
fn sql_beyond_conditions_is_refused_by_name() {
    refused("name LIKE 'A%'", "LIKE", "LIKE is not a test", "begins_with");
    refused("name NOT ILIKE 'A%'", "NOT ILIKE", "ILIKE is not a test", "contains");
    refused("a || b = 'x'", "||", "a concatenation", "compute nothing");
    refused("a + 1 = 2", "+", "arithmetic", "compute nothing");
    refused("a = b * 2", "*", "arithmetic", "compute nothing");
    refused("a = 1 + 2", "+", "arithmetic", "compute nothing");
    refused("a = (SELECT 1)", "(", "parentheses around an operand", "");
    refused("(SELECT 1) = a", "SELECT", "a subquery", "one item at a time");
    refused("EXISTS (SELECT 1)", "EXISTS", "not a function", "one item at a time");
    refused("a IN (SELECT b FROM c)", "SELECT", "only literals", "'TRIAL'");
    refused("CAST(a AS INT) = 1", "CAST", "not a function", "stored type");
    refused("a::int = 1", "::", "a cast", "stored type");
    refused("CASE WHEN a = 1 THEN b END = 2", "CASE", "a CASE", "AND and OR");
    refused("day > DATE '2026-01-31'", "DATE", "a typed literal", "'2026-01-31'");
    refused("a = ?", "?", "a placeholder", "themselves");
    refused("#s = :v", "#", "a placeholder", "themselves");
    refused("a = N'x'", "N'x'", "a prefix", "'text'");
    refused("a == 1", "==", "not a comparison", "`=`");
    refused("a -> 'b' = 1", "->", "JSON operator", "address.city");
    refused("a = 1 ORDER BY a", "ORDER", "more than a condition", "after WHERE");
    refused("a = 1;", ";", "more than a condition", "remove");
    refused("a = 1 && b = 2", "&&", "joins nothing", "write AND");
    refused("a = 1 AND b", "", "expected a comparison, found the end", "IN, BETWEEN");
    refused("(a) = 1", ")", "expected a comparison", "");
    refused("(a, b) = 1", ",", "expected a comparison", "");
    refused("a = 1 = 2", "=", "a test is not compared", "drop the comparison");
    refused("(a = 1) = TRUE", "=", "a test is not compared", "NOT");
    refused("contains(a, 1) = TRUE", "=", "a test is not compared", "NOT");
    refused("TRUE = contains(a, 1)", "", "a test is not compared", "NOT");
    refused("a IN (b)", "b", "only literals", "'TRIAL'");
    refused("a BETWEEN b AND 2", "b", "only literals", "BETWEEN 10 AND 20");
    refused("begins_with(a, b)", "b", "only a literal", "begins_with(name, 'A')");
    refused("size(a + 1) > 2", "+", "expected `)`", "size(tags) > 0");
    refused("contains('a', a)", "'a'", "expected an attribute", "contains(tags, 'new')");
}

#[test]
fn misspelt_functions_are_recognised() {
    refused("begin_with(a, 'x')", "begin_with", "not a function", "did you mean `begins_with(name, 'A')`?");
    refused("beginswith(a, 'x')", "beginswith", "not a function", "did you mean `begins_with(name, 'A')`?");
    refused("contians(a, 'x')", "contians", "not a function", "did you mean `contains(tags, 'new')`?");
    refused("attribute_exists(a)", "attribute_exists", "not a function", "IS NOT MISSING");
    refused("lower(a) = 'x'", "lower", "not a function", "IN ('a', 'A')");
    refused("percentile(a) = 1", "percentile", "not a function", "the functions are `begins_with");
}

#[test]
fn unfinished_text_is_pointed_at_from_where_it_starts() {
    refused("a = 'x", "'x", "closing quote", "close the text");
    refused("ä = 1 AND \"b = 1", "\"b = 1", "closing quote", "close the name");
    refused("a = 1 /* and", "", "a comment without its end", "*/");
    refused("", "", "expected a condition, found the end", "status = 'ACTIVE'");
    refused("  ", "", "expected a condition, found the end", "");
    refused("a = ", "", "expected a condition, found the end", "");
    refused("a = 1 AND", "", "expected a condition, found the end", "");
    refused("(a = 1", "", "AND, OR or `)`, found the end", "");
    refused("a = 1)", ")", "nothing opened", "remove");
    refused("a = 1 b = 2", "b", "AND, OR or the end", "join conditions");
    refused("a 'x'", "'x'", "expected a comparison", "");
    refused("AND a = 1", "AND", "expected a condition", "\"AND\"");
    refused("größe = 'ä'\n AND 'ü' ! 3", "!", "expected a comparison", "");
    refused("a = X'0'", "X'0'", "not hexadecimal", "X'00ff'");
    refused("a = X'0g'", "X'0g'", "not hexadecimal", "X'00ff'");
    refused("a = 5 and IN (3)", "IN", "expected a condition", "\"IN\"");
}

#[test]
fn bounds_are_enforced_and_named() {
    let many = |n: usize| (0..n).map(|i| format!("a = {i}")).collect::<Vec<_>>().join(" OR ");
    // Each test is three nodes, and the OR is one.
    assert!(parse(&many(85)).is_ok());
    refused(&many(86), "a", "more than 256 nodes", "split");
    let list = |n: usize| format!("a IN ({})", (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
    assert!(parse(&list(254)).is_ok());
    refused(&list(300), "255", "more than 256 nodes", "");
    let nested = |n: usize| format!("{}a = 1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(32)).is_ok());
    refused(&nested(33), "(", "deeper than 32 levels", "parentheses");
    let alternating = |n: usize| format!("{}a = 1{}", "NOT (b = 1 AND ".repeat(n), ")".repeat(n));
    assert!(parse(&alternating(15)).is_ok());
    assert!(refusal(&alternating(16)).message.contains("deeper than 32"));
    let literal = |n: usize| format!("a = '{}'", "x".repeat(n));
    assert!(parse(&literal(1024)).is_ok());
    refused(&literal(1025), &format!("'{}'", "x".repeat(1025)), "1025 bytes", "1024");
    assert!(refusal(&format!("a = '{}'", "x".repeat(300_000))).help.contains("262144"));
}

#[test]
fn hostile_nesting_meets_the_bound_and_not_the_end_of_the_stack() {
    for opening in [
        "(",
        "NOT ",
        "NOT(",
        "a=[",
        "[",
        "{'a':",
        "<<",
        "-",
        "size(",
        "a.",
        "a[0]",
        "a = 1 AND (",
        "a=1 AND ",
    ] {
        let text = opening.repeat(100_000);
        assert!(parse(&text).is_err(), "{opening}");
        let within = opening.repeat(200_000 / opening.len());
        assert!(parse(&within).is_err(), "{opening}");
        let closed = format!("{within}a = 1");
        assert!(parse(&closed).is_err(), "{opening}");
    }
}

#[test]
fn an_error_reads_well_by_itself() {
    let error = parse("total = 5 AND name LIKE 'A%'").unwrap_err();
    assert_eq!(error.to_string(), "LIKE is not a test of predicates");
    assert_eq!(error.help, "use `begins_with(name, 'A')` or `contains(name, 'A')`");
}
