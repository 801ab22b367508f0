//! Owns when a request that is sent again was carried out already: as DynamoDB has it of transactions that carry
//! a token of their client's.

use crate::order::Micros;

/// How long it is remembered that a request was carried out, microseconds
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub const REMEMBERED_FOR: Micros = 600_000_000;

/// Longest token, in characters.
pub const TOKEN_CHARS_MAX: usize = 36;

/// A request that takes effect once, however often it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Once {
    /// The client's token.
    pub token: String,
    /// A digest of what is asked for.
    pub request: u128,
    /// When it was carried out, microseconds since the epoch.
    pub at: Micros,
}

/// What was done under a token before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// Nothing that is remembered.
    Nothing,
    /// This very request.
    Same,
    /// Another request, which the token must not be used for as well.
    Other,
}

impl Once {
    /// What was done under the token before, as it was noted last.
    #[must_use]
    pub fn before(&self, noted: Option<&Self>) -> Before {
        match noted {
            Some(noted) if self.at.saturating_sub(noted.at) < REMEMBERED_FOR => {
                if noted.request == self.request { Before::Same } else { Before::Other }
            }
            _ => Before::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_for_one_request_for_ten_minutes() {
        let once = |request, at| Once { token: "t".to_owned(), request, at };
        let noted = once(7, 1_000);
        assert_eq!(once(7, 1_000).before(None), Before::Nothing);
        let last = 1_000 + REMEMBERED_FOR - 1;
        for at in [0, 1_000, last] {
            assert_eq!(once(7, at).before(Some(&noted)), Before::Same);
            assert_eq!(once(8, at).before(Some(&noted)), Before::Other);
        }
        assert_eq!(once(8, last + 1).before(Some(&noted)), Before::Nothing);
    }
}
