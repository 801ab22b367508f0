//! What holds for every predicate: its text and its stored form read back, and no text at all
//! makes the reader panic.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod strategies;

use evercount_core::predicate::Predicate;
use evercount_wire::predicate::{atom_text, from_json, parse, to_json, to_text};
use proptest::prelude::*;
use strategies::{atom, predicate};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_predicate_reads_back_from_its_text(predicate in predicate()) {
        let text = to_text(&predicate);
        prop_assert_eq!(parse(&text), Ok(predicate), "{}", text);
    }

    #[test]
    fn a_predicate_reads_back_from_its_stored_form(predicate in predicate()) {
        let stored = to_json(&predicate).to_string();
        prop_assert_eq!(from_json(&serde_json::from_str(&stored).unwrap()), Ok(predicate), "{}", stored);
    }

    #[test]
    fn an_atom_reads_back_from_its_text_alone(atom in atom()) {
        prop_assert_eq!(parse(&atom_text(&atom)), Ok(Predicate::Atom(atom)));
    }

    #[test]
    fn text_of_any_kind_gives_a_predicate_or_a_place_in_it(text in any::<String>()) {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
    }

    #[test]
    fn text_out_of_the_languages_own_words_gives_a_predicate_or_a_place_in_it(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "\"b c\"", ".", "[", "]", "0", "1.5", "'x'", "''", "X'00'", "(", ")", ",", "=", "<>", "<", "<<", ">>", "{", "}", ":",
            "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "MISSING", "TRUE", "size(", "contains(", "begins_with(", "attribute_type(",
            "-", "+", "--", "/*", "'", "\"", "ü", "\n", "._", "$", "@", "#", "LIKE", "CASE", "WHEN", "SELECT", "DATE", "||", "\u{0}",
        ]), 0..24),
        spaced: bool,
    ) {
        let text = words.join(if spaced { " " } else { "" });
        match parse(&text) {
            Ok(predicate) => prop_assert_eq!(parse(&to_text(&predicate)), Ok(predicate)),
            Err(error) => prop_assert!(text.get(error.span).is_some()),
        }
    }
}
