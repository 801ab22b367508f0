//! What a writer of an earlier version sees of an item, and what its writes make of the item.
//!
//! The item stands in the version in force. The writer sees it with every function of its route undone, as
//! far as it can be; what it makes of that goes the route forwards, and only what the writer changed is
//! changed in the item. So a mutation that touches nothing of what changed is in no conflict, a version that cannot name an attribute does not remove it, and values that did
//! not survive the way back and forth stay as they are.
//!
//! The laws it is tested against, for a path whose functions lose nothing:
//!
//! * a writer that changes nothing changes nothing;
//! * what a writer wrote, it reads;
//! * what its version cannot name stays.

use super::refusal::Refusal;
use super::route::Route;
use crate::function::Functions;
use crate::value::{Item, Value};

/// What an item of the version in force becomes when a writer makes `after` of the `before` that it sees
/// ([`Route::back`]).
///
/// # Errors
/// As [`Route::change`].
pub fn written(
    item: &Item,
    before: &Item,
    after: &Item,
    route: &Route,
    functions: &dyn Functions,
) -> Result<Item, Refusal> {
    let (before, after) = route.change(before, after, functions)?;
    Ok(patched(item, &before, &after))
}

/// The item with whatever differs between `before` and `after`, attribute by attribute, also in maps.
fn patched(item: &Item, before: &Item, after: &Item) -> Item {
    let mut patched = item.clone();
    for name in before.keys().chain(after.keys()) {
        let (was, is) = (before.get(name), after.get(name));
        if was == is {
            continue;
        }
        match (is, was, item.get(name)) {
            (Some(Value::Map(is)), Some(Value::Map(was)), Some(Value::Map(stored))) => {
                patched.insert(name.clone(), Value::Map(self::patched(stored, was, is)));
            }
            (Some(is), _, _) => drop(patched.insert(name.clone(), is.clone())),
            (None, _, _) => drop(patched.remove(name)),
        }
    }
    patched
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;
    use crate::decimal::Decimal;
    use crate::function::NoFunctions;
    use crate::migration::Conversion;
    use crate::migration::function::{MigrationFunction, OnLoss, Scalar};
    use crate::mutation::route::Leg;
    use crate::path::Path;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn path() -> Route {
        let column = |name: &str| Path::column(name);
        let functions = [
            MigrationFunction::Add { path: column("tier"), default: text("tin") },
            MigrationFunction::Rename { from: column("state"), to: column("status") },
            MigrationFunction::Split {
                path: column("name"),
                separator: " ".to_owned(),
                into: vec![column("first"), column("last")],
            },
            MigrationFunction::Retype {
                path: column("level"),
                from: Scalar::Number,
                conversion: Conversion::ToText { max_length: None },
                on_loss: OnLoss::Refuse,
            },
        ];
        let leg = |function| Leg { function, forbidden: None };
        Route { between: (1, 2), legs: functions.map(leg).to_vec() }
    }

    fn word() -> impl Strategy<Value = String> {
        "[a-c]{1,3}"
    }

    prop_compose! {
        /// An item of the version before, each attribute there or not.
        fn earlier()(
            state in prop::option::of(word()), level in prop::option::of(0i64..9),
            name in prop::option::of((word(), word())), other in prop::option::of(word())
        ) -> Item {
            let name = name.map(|(first, last)| text(&format!("{first} {last}")));
            let level = level.map(|level| Value::Number(Decimal::from(level)));
            let all = [("state", state.map(|one| text(&one))), ("level", level), ("name", name),
                ("other", other.map(|one| text(&one)))];
            all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
        }
    }

    prop_compose! {
        /// An item of the version in force, with a tier and an attribute of which the version before knows nothing.
        fn in_force()(item in earlier(), tier in word(), new in prop::option::of(word())) -> Item {
            let mut item = path().forwards(&item, &NoFunctions).unwrap();
            item.insert("tier".to_owned(), text(&tier));
            item
                .extend(new.map(|new| ("tier2".to_owned(), text(&new))));
            item
        }
    }

    proptest! {
        #[test]
        fn a_writer_that_changes_nothing_changes_nothing(item in in_force()) {
            let seen = path().back(&item, &NoFunctions);
            prop_assert_eq!(written(&item, &seen, &seen, &path(), &NoFunctions).unwrap(), item);
        }

        #[test]
        fn what_a_writer_wrote_it_reads(item in in_force(), mut after in earlier()) {
            let seen = path().back(&item, &NoFunctions);
            after.extend(seen.get("tier2").map(|new| ("tier2".to_owned(), new.clone())));
            let made = written(&item, &seen, &after, &path(), &NoFunctions).unwrap();
            prop_assert_eq!(path().back(&made, &NoFunctions), after);
        }

        #[test]
        fn what_a_version_cannot_name_stays(item in in_force(), after in earlier()) {
            let seen = path().back(&item, &NoFunctions);
            prop_assert!(!seen.contains_key("tier"));
            let made = written(&item, &seen, &after, &path(), &NoFunctions).unwrap();
            prop_assert_eq!(made.get("tier"), item.get("tier"));
        }

        #[test]
        fn what_a_writer_leaves_alone_stays_as_it_is(item in in_force(), state in word()) {
            let seen = path().back(&item, &NoFunctions);
            let mut after = seen.clone();
            after.insert("state".to_owned(), text(&state));
            let mut expected = item.clone();
            expected.insert("status".to_owned(), text(&state));
            prop_assert_eq!(written(&item, &seen, &after, &path(), &NoFunctions).unwrap(), expected);
        }
    }

    #[test]
    fn a_value_that_has_no_earlier_form_is_seen_as_it_is() {
        let item = Item::from([("level".to_owned(), text("high")), ("status".to_owned(), text("OPEN"))]);
        let seen = path().back(&item, &NoFunctions);
        assert_eq!(seen.get("level"), Some(&text("high")));
        assert_eq!(seen.get("state"), Some(&text("OPEN")));
        assert_eq!(written(&item, &seen, &seen, &path(), &NoFunctions).unwrap(), item);
    }

    #[test]
    fn a_change_within_a_map_leaves_the_rest_of_the_map() {
        let map = |all: &[(&str, &str)]| {
            Value::Map(all.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect())
        };
        let of = |value| Item::from([("address".to_owned(), value)]);
        let stored = of(map(&[("city", "A"), ("zip", "1")]));
        let made = patched(&stored, &of(map(&[("city", "A")])), &of(map(&[("city", "B")])));
        assert_eq!(made, of(map(&[("city", "B"), ("zip", "1")])));
    }
}
