//! Owns how a source's log positions, as texts and numbers, become order versions.

use evercount_core::order::{LogRank, OrderVersion};

/// The number of a MySQL binary log file: the digits after the last dot of its name. The part
/// before the dot differs between servers and says nothing of order.
pub(super) fn binlog_file(name: &str) -> Option<u32> {
    let (_, digits) = name.rsplit_once('.')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The version of a DMS `stream-position`; `None` where the source's notation is not known.
///
/// MySQL: `mysql-bin-changelog.002171:36912271:…`, file and offset. PostgreSQL:
/// `00000002/7C007328.2.…`, the log sequence number and a counter within it. `record` is the
/// change's number within its transaction.
pub(super) fn dms_position(epoch: u16, position: &str, record: Option<u64>) -> Option<OrderVersion> {
    dms_binlog(epoch, position, record).or_else(|| dms_lsn(epoch, position))
}

fn dms_binlog(epoch: u16, position: &str, record: Option<u64>) -> Option<OrderVersion> {
    let mut parts = position.split(':');
    let file = binlog_file(parts.next()?)?;
    let offset: u64 = parts.next()?.parse().ok()?;
    let row = u32::try_from(record.unwrap_or(0)).ok()?;
    Some(OrderVersion::binlog(epoch, file, offset, row, LogRank::Change))
}

fn dms_lsn(epoch: u16, position: &str) -> Option<OrderVersion> {
    let (high, rest) = position.split_once('/')?;
    let mut parts = rest.split('.');
    let low = parts.next()?;
    let sub = match parts.next() {
        Some(sub) => sub.parse().ok()?,
        None => 0,
    };
    let half = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let lsn = (u64::from(half(high)?) << 32) | u64::from(half(low)?);
    Some(OrderVersion::lsn(epoch, lsn, sub, LogRank::Change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_understood_in_its_sources_notation_and_in_no_other() {
        let binlog = |file, offset, row| Some(OrderVersion::binlog(3, file, offset, row, LogRank::Change));
        let lsn = |lsn, sub| Some(OrderVersion::lsn(3, lsn, sub, LogRank::Change));
        let check =
            |text: &str, record, version| assert_eq!(dms_position(3, text, record), version, "{text}");
        let mysql = "mysql-bin-changelog.002171:36912271:0:36912333:9324410911751:mysql-bin-changelog.002171:36912209";
        check(mysql, Some(7), binlog(2171, 36_912_271, 7));
        check(mysql, None, binlog(2171, 36_912_271, 0));
        check("a.b.10:4", None, binlog(10, 4, 0));
        check("00000002/7C007328.2.00000002/7C007328", Some(1), lsn(0x2_7C00_7328, 2));
        check("0/1", None, lsn(1, 0));
        for text in [
            "",
            ":",
            "/",
            "name:4",
            "name.x:4",
            "name.1",
            "name.+1:4",
            "1/xyz",
            "+1/1",
            "1/1.x",
            "100000000/1",
            "42",
        ] {
            check(text, None, None);
        }
        check(mysql, Some(u64::MAX), None);
    }
}
