//! What is known of a table is current, and is looked up by one request where it is about to be no more.

use super::*;

const SECOND: Micros = 1_000_000;

fn known_at(at: Micros) -> Tables {
    let tables = Tables::new(SECOND);
    let looked = Looked { at, found: None, is_renewed: false };
    tables.known.write().unwrap_or_else(PoisonError::into_inner).insert("t".to_owned(), looked);
    tables
}

#[test]
fn one_request_looks_a_table_up_before_all_would_have_to() {
    let tables = known_at(0);
    assert!(matches!(tables.next("t", SECOND / 2), Next::Take(None)));
    assert!(matches!(tables.next("t", SECOND - 1), Next::Renew(None)));
    assert!(matches!(tables.next("t", SECOND - 1), Next::Take(None)), "another does already");
    assert!(matches!(tables.next("t", SECOND), Next::Look), "it is known no more");
    assert!(matches!(tables.next("u", 0), Next::Look));
    // A clock that went back says nothing of how old something is.
    assert!(matches!(known_at(SECOND).next("t", 0), Next::Look));
    let tables = Tables { max_age: 0, ..known_at(0) };
    assert!(matches!(tables.next("t", 0), Next::Look), "nothing is known for no time");
}
