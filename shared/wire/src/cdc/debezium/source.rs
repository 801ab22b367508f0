//! Owns what Debezium's `source` block says: which table, when, and where in which log.

use std::borrow::Cow;

use evercount_core::change::TableName;
use evercount_core::order::{LogRank, Micros, OrderVersion};

use super::super::fields::Fields;
use super::super::position::binlog_file;
use super::super::{Envelope, Reason, Undecodable};
use crate::sql_type::Dialect;

/// The log a source writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Log {
    /// MySQL and MariaDB: file, offset, row.
    Binlog,
    /// PostgreSQL: a log sequence number.
    Wal,
    /// Any other: its time is all that is understood.
    Unknown,
}

/// A `source` block.
pub(super) struct Source<'a> {
    log: Log,
    fields: &'a Fields<'a>,
}

/// A place in a source's log.
pub(super) struct Position {
    /// As an order version.
    pub(super) version: OrderVersion,
    /// As text.
    pub(super) text: String,
    /// Whether no two changes share it.
    pub(super) exact: bool,
}

impl<'a> Source<'a> {
    /// The source of a row change, which names its connector.
    pub(super) fn of_row(fields: &'a Fields<'a>) -> Result<Self, Undecodable> {
        let log = match fields.text("connector")?.as_deref() {
            Some("mysql" | "mariadb") => Log::Binlog,
            Some("postgresql") => Log::Wal,
            _ => Log::Unknown,
        };
        Ok(Self { log, fields })
    }

    /// The source of a schema change: `source` itself, or the `position` of a schema history
    /// record, which names no connector.
    pub(super) fn of_tables(fields: &'a Fields<'a>) -> Result<Self, Undecodable> {
        let source = Self::of_row(fields)?;
        let log = match source.log {
            Log::Unknown if fields.has("file") && fields.has("pos") => Log::Binlog,
            Log::Unknown if fields.has("lsn") && !fields.has("connector") => Log::Wal,
            log => log,
        };
        Ok(Self { log, fields })
    }

    /// The table of a row: `database.table` in MySQL, `schema.table` where there are schemas,
    /// `database.collection` in MongoDB.
    pub(super) fn table(&self) -> Result<TableName, Undecodable> {
        let name = match self.fields.text("table")? {
            Some(name) => name,
            None => self.fields.text("collection")?.ok_or_else(|| Undecodable::missing("table"))?,
        };
        let space = match self.log {
            Log::Binlog => self.fields.text("db")?,
            Log::Wal => self.fields.text("schema")?,
            Log::Unknown => match self.fields.text("schema")? {
                Some(schema) => Some(schema),
                None => self.fields.text("db")?,
            },
        };
        Ok(qualified(space, &name))
    }

    /// The tables that a schema change names in its source: none, one, or several with commas.
    pub(super) fn named_tables(&self) -> Result<Vec<TableName>, Undecodable> {
        let Some(names) = self.fields.text("table")? else {
            return Ok(Vec::new());
        };
        let space = match self.fields.text("schema")? {
            Some(schema) => Some(schema),
            None => self.fields.text("db")?,
        };
        let names = names.split(',').filter(|name| !name.is_empty());
        Ok(names.map(|name| qualified(space.clone(), name)).collect())
    }

    /// The database or schema of names that a statement writes alone.
    pub(super) fn space(&self, value: &Fields<'a>) -> Result<Option<Cow<'a, str>>, Undecodable> {
        let told = match value.text("schemaName")?.filter(|name| !name.is_empty()) {
            Some(schema) => Some(schema),
            None => value.text("databaseName")?.filter(|name| !name.is_empty()),
        };
        match told {
            Some(space) => Ok(Some(space)),
            None => self.fields.text("db"),
        }
    }

    /// Whose SQL the source speaks.
    pub(super) fn dialect(&self) -> Dialect {
        match self.log {
            Log::Binlog => Dialect::MySql,
            Log::Wal | Log::Unknown => Dialect::Standard,
        }
    }

    /// Whether the record was written by a snapshot: `snapshot` is `true`, `first`, `last`,
    /// `incremental` and more in a snapshot, and `false` or absent outside.
    pub(super) fn in_snapshot(&self) -> bool {
        !matches!(self.fields.get("snapshot"), None | Some("false" | "\"false\"" | "\"\""))
    }

    /// When the source made the change; where it does not say, when the connector wrote the
    /// record; else when the stream took it.
    pub(super) fn at(&self, value: &Fields<'_>, envelope: &Envelope<'_>) -> Result<Micros, Undecodable> {
        let told = match time(self.fields)? {
            Some(at) => Some(at),
            None => time(value)?,
        };
        told.or(envelope.arrival).ok_or_else(|| Undecodable::missing("ts_ms"))
    }

    /// Where in the log the record stands. `at` stands in for a position that is not told.
    pub(super) fn position(
        &self,
        epoch: u16,
        rank: LogRank,
        at: Micros,
        value: &Fields<'_>,
    ) -> Result<Position, Undecodable> {
        let known = match self.log {
            Log::Binlog => self.binlog(epoch, rank)?,
            Log::Wal => self.wal(epoch, rank, value)?,
            Log::Unknown => None,
        };
        Ok(known.unwrap_or_else(|| Position {
            version: OrderVersion::commit(epoch, at, 0, 0),
            text: format!("time:{at}"),
            exact: false,
        }))
    }

    fn binlog(&self, epoch: u16, rank: LogRank) -> Result<Option<Position>, Undecodable> {
        let Some(file) = self.fields.text("file")? else {
            return Ok(None);
        };
        let Some(offset) = self.fields.integer("pos")? else {
            return Ok(None);
        };
        let row = self.fields.integer("row")?.unwrap_or(0);
        let Some(number) = binlog_file(&file) else {
            return Ok(None);
        };
        Ok(Some(Position {
            version: OrderVersion::binlog(epoch, number, offset, row, rank),
            text: format!("{file}:{offset}:{row}"),
            exact: true,
        }))
    }

    /// Rows that one statement writes may share a log record. Their order within the transaction
    /// is told where the connector is set to provide it (`provide.transaction.metadata`).
    fn wal(&self, epoch: u16, rank: LogRank, value: &Fields<'_>) -> Result<Option<Position>, Undecodable> {
        let Some(lsn) = self.fields.integer("lsn")? else {
            return Ok(None);
        };
        let order: Option<u32> = match value.object("transaction")? {
            Some(transaction) => transaction.integer("total_order")?,
            None => None,
        };
        let sub = order.unwrap_or(0);
        Ok(Some(Position {
            version: OrderVersion::lsn(epoch, lsn, sub, rank),
            text: format!("{lsn}:{sub}"),
            exact: order.is_some(),
        }))
    }
}

/// A table's name behind its database's or schema's.
pub(super) fn qualified(space: Option<Cow<'_, str>>, name: &str) -> TableName {
    match space.filter(|space| !space.is_empty()) {
        Some(space) => TableName::new(format!("{space}.{name}")),
        None => TableName::new(name),
    }
}

fn time(fields: &Fields<'_>) -> Result<Option<Micros>, Undecodable> {
    if let Some(micros) = fields.integer("ts_us")? {
        return Ok(Some(micros));
    }
    let Some(millis) = fields.integer::<i64>("ts_ms")? else {
        return Ok(None);
    };
    let absurd = || Undecodable::new(Reason::AbsurdNumber, "`ts_ms` is no time");
    millis.checked_mul(1_000).ok_or_else(absurd).map(Some)
}
