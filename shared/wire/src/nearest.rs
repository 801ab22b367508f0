//! The name that may have been meant where one is not known: one rule for the command, the console and the proxy.

/// From which likeness on a name may be the one that was meant.
const LIKENESS_MIN: f64 = 0.7;

/// The name most like another, if any is like it: by its letters in either case, or because it is the same but
/// for the schema or database before it.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let likeness = |one: &str| {
        let one = one.to_lowercase();
        let bare = one.rsplit(['.', ':']).next().unwrap_or(&one);
        if bare == lower { 1.0 } else { strsim::jaro_winkler(&one, &lower) }
    };
    known
        .into_iter()
        .map(|one| (likeness(one), one))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_recognised() {
        let known = ["shop.orders", "shop.customers", "event:order_placed"];
        for (typed, expected) in [
            ("orders", Some("shop.orders")),
            ("ORDERS", Some("shop.orders")),
            ("shop.order", Some("shop.orders")),
            ("order_placed", Some("event:order_placed")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
    }
}
