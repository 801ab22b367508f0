//! Owns Debezium's schema changes: those of the schema change topic, and the lines of a schema
//! history. Both list the tables that a DDL statement left, whole.
//!
//! <https://debezium.io/documentation/reference/stable/connectors/mysql.html#mysql-schema-change-topic>.
//! One statement may be announced twice, once without its tables: that one tells nothing of them.
//! The events of one statement share a position, so that applying them again changes nothing.
//! What a statement did is read off its text; what it left is listed, and where they disagree,
//! the list is right.

use std::borrow::Cow;

use evercount_core::change::{Clause, Passed, Record, STATEMENT_BYTES_MAX, TableEvent, TableName, Told};
use evercount_core::order::{Floor, LogRank, Micros};

use super::super::fields::Fields;
use super::super::{Envelope, Undecodable};
use super::definition::{schema, shape};
use super::source::{Position, Source, qualified};
use crate::ddl;

/// The operation of an event for a statement whose tables are named but not listed.
const DDL: &str = "DDL";

/// Decodes a schema change.
pub(super) fn decode(epoch: u16, value: &Fields<'_>, envelope: &Envelope<'_>) -> Result<Record, Undecodable> {
    let place = match value.object("position")? {
        Some(position) => Some(position),
        None => value.object("source")?,
    };
    let place = place.ok_or_else(|| Undecodable::missing("source"))?;
    let source = Source::of_tables(&place)?;
    let changes = value.array("tableChanges")?;
    let named = if changes.is_empty() { source.named_tables()? } else { Vec::new() };
    if changes.is_empty() && named.is_empty() {
        // Settings, `USE`, and statements on databases as a whole.
        return Ok(Record::Passed(Passed::NotAChange));
    }
    let at = source.at(value, envelope)?;
    let snapshot = source.in_snapshot();
    let rank = if snapshot { LogRank::SnapshotFloor } else { LogRank::Change };
    let position = source.position(epoch, rank, at, value)?;
    let text = value.text("ddl")?.filter(|text| !text.is_empty());
    let statement = text.as_deref().map(cut);
    let parsed = match &text {
        Some(text) if !snapshot && !changes.is_empty() => {
            let space = source.space(value)?;
            ddl::clauses(source.dialect(), text, space.as_deref())
        }
        _ => Vec::new(),
    };
    let mut statement = Statement { source: &source, position, snapshot, statement, parsed, at };
    let events: Result<Vec<TableEvent>, Undecodable> = if changes.is_empty() {
        Ok(named.into_iter().map(|table| statement.mention(table)).collect())
    } else {
        changes.into_iter().map(|change| statement.event(&Fields::read(change, "tableChanges")?)).collect()
    };
    events.map(Record::Tables)
}

/// The start of a statement that is worth keeping.
fn cut(statement: &str) -> String {
    let mut end = statement.len().min(STATEMENT_BYTES_MAX);
    while !statement.is_char_boundary(end) {
        end -= 1;
    }
    statement.get(..end).unwrap_or_default().to_owned()
}

/// What the events of one record share.
struct Statement<'a> {
    source: &'a Source<'a>,
    position: Position,
    snapshot: bool,
    statement: Option<String>,
    /// What the text says of each table, taken away as tables are listed: where one is listed
    /// twice, the second listing must not repeat the first.
    parsed: Vec<(TableName, Vec<Clause>)>,
    at: Micros,
}

impl Statement<'_> {
    fn told(&self) -> Told {
        Told {
            version: Some(self.position.version.clone()),
            snapshot: self.snapshot,
            schema: None,
            clauses: Vec::new(),
            statement: self.statement.clone(),
        }
    }

    /// An event of a table that the statement names and does not list.
    fn mention(&self, table: TableName) -> TableEvent {
        let told = self.told();
        TableEvent { table, operation: DDL.to_owned(), floor: None, shape: None, told, at: self.at }
    }

    fn event(&mut self, change: &Fields<'_>) -> Result<TableEvent, Undecodable> {
        let id = change.needed_text("id")?;
        let (table, former) = tables_of_id(&id);
        let event = self.event_of(change, &table, former);
        event.map_err(|undecodable| undecodable.of(&table))
    }

    fn event_of(
        &mut self,
        change: &Fields<'_>,
        table: &TableName,
        former: Option<TableName>,
    ) -> Result<TableEvent, Undecodable> {
        let operation = change.needed_text("type")?.into_owned();
        let mut told = self.told();
        // A dropped table has no definition left.
        let definition = change.object("table")?;
        let shape = definition.as_ref().map(shape).transpose()?;
        if let Some(definition) = &definition {
            told.schema = Some(schema(self.source.dialect(), definition)?);
        }
        let parsed = self.take_parsed(table);
        told.clauses = match operation.as_str() {
            "DROP" => vec![Clause::Drop],
            // `CREATE OR REPLACE` drops what it replaces.
            "CREATE" if parsed.starts_with(&[Clause::Drop, Clause::Create]) => {
                vec![Clause::Drop, Clause::Create]
            }
            "CREATE" => vec![Clause::Create],
            "ALTER" => {
                let previous = change.text("previousId")?.map(|id| tables_of_id(&id).0);
                altered(parsed, table, previous.or(former))
            }
            unknown => return Err(Undecodable::unknown_operation(unknown)),
        };
        let empties = told.clauses.contains(&Clause::Drop);
        let floor = empties.then(|| Floor::Version(self.position.version.clone()));
        Ok(TableEvent { table: table.clone(), operation, floor, shape, told, at: self.at })
    }

    /// What the text says of a table. Sources that fold names to one case send the text as it
    /// was written.
    fn take_parsed(&mut self, table: &TableName) -> Vec<Clause> {
        let same = |(name, _): &&mut (TableName, Vec<Clause>)| name == table;
        let alike =
            |(name, _): &&mut (TableName, Vec<Clause>)| name.as_str().eq_ignore_ascii_case(table.as_str());
        let found = match self.parsed.iter_mut().find(same) {
            Some((_, clauses)) => Some(clauses),
            None => self.parsed.iter_mut().find(alike).map(|(_, clauses)| clauses),
        };
        found.map(std::mem::take).unwrap_or_default()
    }
}

/// The clauses of a table that goes on: its creation in the same text has an event of its own.
fn altered(mut clauses: Vec<Clause>, table: &TableName, former: Option<TableName>) -> Vec<Clause> {
    clauses.retain(|clause| !matches!(clause, Clause::Create | Clause::Drop));
    let renamed = clauses.iter().any(|clause| matches!(clause, Clause::RenameTable { .. }));
    if let Some(from) = former.filter(|former| former != table && !renamed) {
        clauses.insert(0, Clause::RenameTable { from });
    }
    clauses
}

/// The table of an id, `"db"."table"` or `"db"."schema"."table"`, and the one it was before: the
/// id of a rename lists the old table and, behind a comma, the new one.
fn tables_of_id(id: &str) -> (TableName, Option<TableName>) {
    let mut former = None;
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = id.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => push(&mut parts, '"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            ',' if !quoted => {
                let before = std::mem::replace(&mut parts, vec![String::new()]);
                former.get_or_insert_with(|| table_of(&before));
            }
            _ => push(&mut parts, character),
        }
    }
    (table_of(&parts), former)
}

fn table_of(parts: &[String]) -> TableName {
    match parts {
        [.., space, name] => qualified(Some(Cow::Borrowed(space)), name),
        [name] => qualified(None, name),
        [] => qualified(None, ""),
    }
}

fn push(parts: &mut [String], character: char) {
    if let Some(part) = parts.last_mut() {
        part.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_table_however_it_is_quoted() {
        let check = |id: &str, name: &str, former: Option<&str>| {
            assert_eq!(tables_of_id(id), (TableName::new(name), former.map(TableName::new)), "{id}");
        };
        check("\"inventory\".\"customers\"", "inventory.customers", None);
        check("\"db\".\"dbo\".\"orders\"", "dbo.orders", None);
        check("\"orders\"", "orders", None);
        check("inventory.customers", "inventory.customers", None);
        check("\"a.b\".\"c,d\"", "a.b.c,d", None);
        check("\"a\".\"say \"\"hi\"\"\"", "a.say \"hi\"", None);
        check("\"db\".\"old\",\"db\".\"new\"", "db.new", Some("db.old"));
        check("", "", None);
        check("\"", "", None);
    }
}
