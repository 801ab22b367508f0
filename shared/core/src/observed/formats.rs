//! Formats of texts, recognised without a library: strict enough that a match means something,
//! since a format is claimed only where every text has it.

use std::net::IpAddr;

use crate::schema::Format;

/// The formats looked for, by bit.
pub const FORMATS: [Format; 6] =
    [Format::Date, Format::Timestamp, Format::Uuid, Format::Email, Format::Uri, Format::IpAddress];

/// Longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;

/// The formats that a text has, as bits by [`FORMATS`].
#[must_use]
pub fn format_mask(text: &str) -> u8 {
    if text.len() < 2 || text.len() > TEXT_BYTES_MAX {
        return 0;
    }
    let has = [is_date(text), is_timestamp(text), is_uuid(text), is_email(text), is_uri(text), is_ip(text)];
    has.iter().enumerate().fold(0, |mask, (bit, has)| mask | (u8::from(*has) << bit))
}

/// Whether a text follows a pattern in which `0` stands for any digit.
fn follows(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            _ => byte == like,
        })
}

fn within(text: &str, from: usize, least: u8, most: u8) -> bool {
    let number = text.get(from..from + 2).and_then(|digits| digits.parse::<u8>().ok());
    number.is_some_and(|number| (least..=most).contains(&number))
}

fn is_date(text: &str) -> bool {
    follows(text, "0000-00-00") && within(text, 5, 1, 12) && within(text, 8, 1, 31)
}

/// RFC 3339, or the same without a zone; `T` or a space between date and time.
fn is_timestamp(text: &str) -> bool {
    let (Some(date), Some(separator)) = (text.get(..10), text.as_bytes().get(10)) else { return false };
    if !is_date(date) || !matches!(separator, b'T' | b't' | b' ') {
        return false;
    }
    let Some(time) = text.get(11..19) else { return false };
    if !(follows(time, "00:00:00")
        && within(time, 0, 0, 23)
        && within(time, 3, 0, 59)
        && within(time, 6, 0, 60))
    {
        return false;
    }
    let rest = text.get(19..).unwrap_or_default();
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    matches!(zone, "" | "Z" | "z") || follows(zone, "+00:00") || follows(zone, "-00:00")
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else { return false };
    let Some((domain, top)) = host.rsplit_once('.') else { return false };
    !name.is_empty()
        && !domain.is_empty()
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !text.contains(char::is_whitespace)
        && !host.contains('@')
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && !rest.contains(char::is_whitespace)
}

fn is_ip(text: &str) -> bool {
    // The parser of addresses is exact; a lone `::` is an address and yet says little.
    text.len() <= 45 && text.len() > 2 && text.parse::<IpAddr>().is_ok()
}
