//! Items of requests that take effect once: under the token of each, what was carried out.

use evercount_core::mutation::once::{Once, REMEMBERED_FOR};
use evercount_core::order::Micros;
use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, text, time_value};
use super::{FORMAT, ItemError, ItemKey, expiry};

/// The attribute with the time at which a request was carried out.
pub const ONCE_AT: &str = "at";

/// The key of a token.
#[must_use]
pub fn once_key(token: &str) -> ItemKey {
    ItemKey::new(format!("token#{token}"), "request")
}

/// The item of a request that was carried out.
#[must_use]
pub fn once_item(once: &Once) -> Item {
    let mut item = once_key(&once.token).item();
    let attributes = [
        ("entity", text("request")),
        ("format", number(FORMAT)),
        ("token", text(once.token.as_str())),
        ("request", text(format!("{:032x}", once.request))),
        (ONCE_AT, time_value(once.at)),
        ("summary", text("A transaction was carried out under this token, and is not carried out again.")),
    ];
    let forgotten = expiry(once.at.saturating_add(REMEMBERED_FOR));
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(forgotten));
    item
}

/// The latest [`ONCE_AT`] of what is forgotten by now. These texts are in the order of time.
#[must_use]
pub fn once_forgotten(now: Micros) -> Value {
    time_value(now.saturating_sub(REMEMBERED_FOR))
}

/// A request that was carried out, read.
///
/// # Errors
/// [`ItemError`].
pub fn once_from_item(item: &Item) -> Result<Once, ItemError> {
    let fields = Fields::of_format(item)?;
    let digest = |text| u128::from_str_radix(text, 16).ok();
    Ok(Once {
        token: fields.text("token")?.to_owned(),
        request: fields.parsed("request", "a digest of 32 digits", digest)?,
        at: fields.time(ONCE_AT)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_as_it_was_written_and_is_forgotten_in_time() {
        let once = Once { token: "a b#c".to_owned(), request: 7 << 100, at: 1_700_000_000_000_001 };
        let item = once_item(&once);
        assert_eq!(once_from_item(&item), Ok(once.clone()));
        let stored = item.get(ONCE_AT);
        let forgotten = |now| match (stored, once_forgotten(now)) {
            (Some(Value::String(stored)), Value::String(until)) => *stored <= until,
            _ => false,
        };
        assert!(!forgotten(once.at + REMEMBERED_FOR - 1) && forgotten(once.at + REMEMBERED_FOR));
    }
}
