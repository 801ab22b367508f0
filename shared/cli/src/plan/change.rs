//! The language of changes: a schema change, or another definition, as a person would say it.
//!
//! ```text
//! drop column status
//! rename column status to state; add column c int default 5
//! maybe rename column status to state
//! retype column zip from int to varchar(20)
//! rename table to purchases
//! drop table
//! truncate
//! where amount > 5; group by country, status; no distinct
//! ```
//!
//! Names and types are written as in SQL, paths and conditions as in count definitions. Clauses
//! are parted by `;`; those that change the table and those that change the definition do not mix.

use std::ops::Range;

use evercount_core::path::Path;
use evercount_core::schema::FieldType;
use evercount_wire::definition::DefinitionError;
use evercount_wire::sql_type;

/// What errors call the text.
const SOURCE: &str = "change";

/// The clauses there are.
const CLAUSES: &str = "`drop column C`, `rename column C to D`, `maybe rename column C to D`, `add column C TYPE [default V]`, \
    `retype column C [from TYPE] to TYPE`, `rename table to T`, `drop table`, `truncate`; or `where CONDITION`, \
    `group by A, B`, `distinct A`, and `no` before any of these three";

const TYPE_HELP: &str = "write a type as SQL does: `int`, `bigint`, `varchar(20)`, `decimal(10, 2)`, `boolean`, `timestamp`; `not null` may follow";

/// What a person asks about.
#[derive(Clone, PartialEq, Debug)]
pub enum Asked {
    /// Changes of the table.
    Schema(Vec<TableClause>),
    /// Changes of the definition.
    Definition(Vec<DefinitionClause>),
}

/// One change of the table.
#[derive(Clone, PartialEq, Debug)]
pub enum TableClause {
    /// A column goes.
    Drop { column: Path },
    /// A column has another name; `maybe` where that is only likely.
    Rename { column: Path, to: Path, maybe: bool },
    /// A column comes.
    Add { column: Path, typed: Declared, default: Option<String> },
    /// A column has another type; `None` where the type before is for others to know.
    Retype { column: Path, from: Option<Declared>, to: Declared },
    /// The table has another name.
    RenameTable { to: String },
    /// The table goes.
    DropTable,
    /// The table is emptied.
    Truncate,
}

/// A type as it was written, and what it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    pub text: String,
    pub one: FieldType,
    pub nullable: bool,
}

/// One change of the definition; `None` where a part goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DefinitionClause {
    Where(Option<String>),
    GroupBy(Vec<String>),
    Distinct(Option<String>),
}

enum Clause {
    Table(TableClause),
    Definition(DefinitionClause),
}

/// Reads a change.
///
/// # Errors
/// [`DefinitionError`], which points at the first thing that is wrong and says what would do.
pub fn parse(text: &str) -> Result<Asked, DefinitionError> {
    let reading = Reading { text };
    let (mut table, mut definition) = (Vec::new(), Vec::new());
    for part in reading.clauses() {
        let words = reading.words(part.clone());
        match reading.clause(&words, &part)? {
            Clause::Table(clause) => table.push(clause),
            Clause::Definition(clause) => definition.push(clause),
        }
        if !table.is_empty() && !definition.is_empty() {
            return Err(reading.error(
                part,
                "a change of the table and one of the definition",
                "simulate one after the other",
            ));
        }
    }
    Ok(if definition.is_empty() { Asked::Schema(table) } else { Asked::Definition(definition) })
}

struct Reading<'a> {
    text: &'a str,
}

/// A word with its place.
type Word<'a> = (Range<usize>, &'a str);

impl<'a> Reading<'a> {
    fn error(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> DefinitionError {
        DefinitionError {
            message: message.into(),
            help: help.into(),
            source_name: SOURCE.to_owned(),
            source_text: self.text.to_owned(),
            span,
        }
    }

    /// Pieces of the text between separators, outside quotes and parentheses.
    fn split(&self, within: Range<usize>, is_separator: impl Fn(char) -> bool) -> Vec<Range<usize>> {
        let (mut pieces, mut from) = (Vec::new(), within.start);
        let (mut quote, mut depth) = (None, 0_usize);
        let text = self.text.get(within.clone()).unwrap_or_default();
        for (at, c) in text.char_indices() {
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, ')') => depth = depth.saturating_sub(1),
                (None, _) if depth == 0 && is_separator(c) => {
                    pieces.push(from..within.start + at);
                    from = within.start + at + c.len_utf8();
                }
                (None, _) => {}
            }
        }
        pieces.push(from..within.end);
        pieces
    }

    /// A piece without blanks around it.
    fn trimmed(&self, piece: Range<usize>) -> Range<usize> {
        let text = self.text.get(piece.clone()).unwrap_or_default();
        let start = piece.start + (text.len() - text.trim_start().len());
        start..(start + text.trim().len())
    }

    fn clauses(&self) -> Vec<Range<usize>> {
        let pieces =
            self.split(0..self.text.len(), |c| c == ';').into_iter().map(|piece| self.trimmed(piece));
        let mut clauses: Vec<Range<usize>> = pieces.collect();
        // One `;` at the end ends a clause, and starts none.
        if clauses.len() > 1 && clauses.last().is_some_and(Range::is_empty) {
            clauses.pop();
        }
        clauses
    }

    fn words(&self, clause: Range<usize>) -> Vec<Word<'a>> {
        let pieces = self.split(clause, char::is_whitespace).into_iter().filter(|piece| !piece.is_empty());
        pieces.map(|piece| (piece.clone(), self.text.get(piece).unwrap_or_default())).collect()
    }

    fn clause(&self, words: &[Word<'a>], clause: &Range<usize>) -> Result<Clause, DefinitionError> {
        let lower: Vec<String> = words.iter().map(|(_, word)| word.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let rest = |n: usize| words.get(n..).unwrap_or_default();
        let table = |clause| Ok(Clause::Table(clause));
        match lower.as_slice() {
            ["drop", "column", ..] => {
                table(TableClause::Drop { column: self.only_path(rest(2), clause, "drop column status")? })
            }
            ["rename", "column", ..] => table(self.rename(rest(2), clause, false)?),
            ["maybe", "rename", "column", ..] => table(self.rename(rest(3), clause, true)?),
            ["add", "column", ..] => table(self.add(rest(2), clause)?),
            ["retype", "column", ..] => table(self.retype(rest(2), clause)?),
            ["rename", "table", "to", name] => {
                let written = words.last().map_or(*name, |(_, word)| *word);
                table(TableClause::RenameTable { to: written.to_owned() })
            }
            ["drop", "table"] => table(TableClause::DropTable),
            ["truncate"] | ["truncate", "table"] => table(TableClause::Truncate),
            ["no", "where"] => Ok(Clause::Definition(DefinitionClause::Where(None))),
            ["no", "group", "by"] => Ok(Clause::Definition(DefinitionClause::GroupBy(Vec::new()))),
            ["no", "distinct"] => Ok(Clause::Definition(DefinitionClause::Distinct(None))),
            ["where", _, ..] => {
                let condition = self.from(rest(1), clause).to_owned();
                Ok(Clause::Definition(DefinitionClause::Where(Some(condition))))
            }
            ["group", "by", _, ..] => {
                let start = rest(2).first().map_or(clause.end, |(span, _)| span.start);
                let paths = self.split(start..clause.end, |c| c == ',').into_iter();
                let paths =
                    paths.map(|piece| self.text.get(self.trimmed(piece)).unwrap_or_default().to_owned());
                Ok(Clause::Definition(DefinitionClause::GroupBy(paths.collect())))
            }
            ["distinct", _, ..] => Ok(Clause::Definition(DefinitionClause::Distinct(Some(
                self.from(rest(1), clause).to_owned(),
            )))),
            _ => Err(self.unknown(words, clause)),
        }
    }

    fn unknown(&self, words: &[Word<'a>], clause: &Range<usize>) -> DefinitionError {
        let help = format!("say {CLAUSES}");
        match words.first() {
            None => self.error(clause.clone(), "no change", help),
            Some(_) => self.error(clause.clone(), "not a change that is known", help),
        }
    }

    /// The text from a word on.
    fn from(&self, words: &[Word<'a>], clause: &Range<usize>) -> &'a str {
        words.first().and_then(|(span, _)| self.text.get(span.start..clause.end)).unwrap_or_default()
    }

    fn path(
        &self,
        word: Option<&Word<'a>>,
        clause: &Range<usize>,
        example: &str,
    ) -> Result<Path, DefinitionError> {
        let Some((span, text)) = word else {
            return Err(self.error(
                clause.end..clause.end,
                "a column is missing here",
                format!("write `{example}`"),
            ));
        };
        Path::parse(text).map_err(|error| {
            let help = "write a path as in a definition: `status`, `address.city`, `\"odd name\"`";
            self.error(span.clone(), format!("`{text}` is no column: it {error}"), help)
        })
    }

    fn only_path(
        &self,
        words: &[Word<'a>],
        clause: &Range<usize>,
        example: &str,
    ) -> Result<Path, DefinitionError> {
        let path = self.path(words.first(), clause, example)?;
        self.nothing_after(words.get(1..).unwrap_or_default(), example)?;
        Ok(path)
    }

    fn nothing_after(&self, words: &[Word<'a>], example: &str) -> Result<(), DefinitionError> {
        let Some((first, text)) = words.first() else { return Ok(()) };
        let end = words.last().map_or(first.end, |(span, _)| span.end);
        let help = format!("write `{example}`, and `;` before another change");
        Err(self.error(first.start..end, format!("`{text}` was not expected here"), help))
    }

    fn rename(
        &self,
        words: &[Word<'a>],
        clause: &Range<usize>,
        maybe: bool,
    ) -> Result<TableClause, DefinitionError> {
        const EXAMPLE: &str = "rename column status to state";
        let column = self.path(words.first(), clause, EXAMPLE)?;
        self.keyword(words.get(1), "to", clause, EXAMPLE)?;
        let to = self.only_path(words.get(2..).unwrap_or_default(), clause, EXAMPLE)?;
        if column == to {
            let span = words.last().map_or_else(|| clause.clone(), |(span, _)| span.clone());
            return Err(self.error(span, "the name it has already", "name another one"));
        }
        Ok(TableClause::Rename { column, to, maybe })
    }

    fn keyword(
        &self,
        word: Option<&Word<'a>>,
        wanted: &str,
        clause: &Range<usize>,
        example: &str,
    ) -> Result<(), DefinitionError> {
        let help = format!("write `{example}`");
        match word {
            Some((_, text)) if text.eq_ignore_ascii_case(wanted) => Ok(()),
            Some((span, text)) => {
                Err(self.error(span.clone(), format!("expected `{wanted}`, found `{text}`"), help))
            }
            None => Err(self.error(clause.end..clause.end, format!("`{wanted}` is missing here"), help)),
        }
    }

    fn add(&self, words: &[Word<'a>], clause: &Range<usize>) -> Result<TableClause, DefinitionError> {
        const EXAMPLE: &str = "add column c int default 5";
        let column = self.path(words.first(), clause, EXAMPLE)?;
        let rest = words.get(1..).unwrap_or_default();
        let at = rest.iter().position(|(_, word)| word.eq_ignore_ascii_case("default")).unwrap_or(rest.len());
        let (typed, default) = rest.split_at_checked(at).unwrap_or_default();
        let typed = self.typed(typed, clause, EXAMPLE)?;
        let default = match default {
            [] => None,
            [_] => {
                let help = format!("write `{EXAMPLE}`");
                return Err(self.error(clause.end..clause.end, "a value is missing here", help));
            }
            [_, value @ ..] => Some(self.from(value, clause).to_owned()),
        };
        Ok(TableClause::Add { column, typed, default })
    }

    fn retype(&self, words: &[Word<'a>], clause: &Range<usize>) -> Result<TableClause, DefinitionError> {
        const EXAMPLE: &str = "retype column zip from int to varchar(20)";
        let column = self.path(words.first(), clause, EXAMPLE)?;
        let rest = words.get(1..).unwrap_or_default();
        let at = rest.iter().position(|(_, word)| word.eq_ignore_ascii_case("to")).unwrap_or(rest.len());
        let (from, to) = rest.split_at_checked(at).unwrap_or_default();
        let from = match from {
            [] => None,
            [(_, word), typed @ ..] if word.eq_ignore_ascii_case("from") => {
                Some(self.typed(typed, clause, EXAMPLE)?)
            }
            [word, ..] => {
                self.keyword(Some(word), "from", clause, EXAMPLE)?;
                None
            }
        };
        self.keyword(to.first(), "to", clause, EXAMPLE)?;
        let to = self.typed(to.get(1..).unwrap_or_default(), clause, EXAMPLE)?;
        Ok(TableClause::Retype { column, from, to })
    }

    fn typed(
        &self,
        words: &[Word<'a>],
        clause: &Range<usize>,
        example: &str,
    ) -> Result<Declared, DefinitionError> {
        let (Some((first, _)), Some((last, _))) = (words.first(), words.last()) else {
            return Err(self.error(
                clause.end..clause.end,
                "a type is missing here",
                format!("write `{example}`"),
            ));
        };
        let written = |words: &[Word<'a>]| words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
        let lower: Vec<String> = words.iter().map(|(_, word)| word.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let (named, nullable) = match lower.as_slice() {
            [.., "not", "null"] => (words.len() - 2, false),
            [.., "null"] => (words.len() - 1, true),
            _ => (words.len(), true),
        };
        let text = written(words.get(..named).unwrap_or_default());
        match sql_type::parse(&text) {
            FieldType::Other(_) => Err(self.error(
                first.start..last.end,
                format!("`{text}` is no type that is known"),
                TYPE_HELP,
            )),
            one => Ok(Declared { text, one, nullable }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn table(text: &str) -> Vec<TableClause> {
        match parse(text) {
            Ok(Asked::Schema(clauses)) => clauses,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn wrong(text: &str) -> (String, String, String) {
        let error = parse(text).unwrap_err();
        (error.message, error.source_text.get(error.span).unwrap().to_owned(), error.help)
    }

    #[test]
    fn changes_of_a_table_are_read_as_people_say_them() {
        assert_eq!(table("drop column status"), [TableClause::Drop { column: path("status") }]);
        assert_eq!(
            table("RENAME COLUMN a.b TO \"odd name\";"),
            [TableClause::Rename { column: path("a.b"), to: path("\"odd name\""), maybe: false }]
        );
        assert!(matches!(table("maybe rename column a to b")[..], [TableClause::Rename { maybe: true, .. }]));
        assert_eq!(
            table("add column c decimal(10, 2) not null default 'a; b'"),
            [TableClause::Add {
                column: path("c"),
                typed: Declared {
                    text: "decimal(10, 2)".to_owned(),
                    one: FieldType::Decimal { digits: Some((10, 2)) },
                    nullable: false
                },
                default: Some("'a; b'".to_owned()),
            }]
        );
        let int = Declared {
            text: "int".to_owned(),
            one: FieldType::Integer { bits: Some(32), unsigned: false },
            nullable: true,
        };
        let text = Declared {
            text: "varchar(20)".to_owned(),
            one: FieldType::String { max_length: Some(20) },
            nullable: true,
        };
        assert_eq!(
            table("retype column status from int to varchar(20)"),
            [TableClause::Retype { column: path("status"), from: Some(int), to: text.clone() }]
        );
        assert_eq!(
            table("retype column status to varchar(20)"),
            [TableClause::Retype { column: path("status"), from: None, to: text }]
        );
        assert_eq!(
            table("rename table to shop.Purchases; drop table; truncate"),
            [
                TableClause::RenameTable { to: "shop.Purchases".to_owned() },
                TableClause::DropTable,
                TableClause::Truncate
            ]
        );
    }

    #[test]
    fn other_definitions_are_read_in_parts() {
        assert_eq!(
            parse("where status = 'a; b' ; group by a, \"b, c\" ; no distinct"),
            Ok(Asked::Definition(vec![
                DefinitionClause::Where(Some("status = 'a; b'".to_owned())),
                DefinitionClause::GroupBy(vec!["a".to_owned(), "\"b, c\"".to_owned()]),
                DefinitionClause::Distinct(None),
            ]))
        );
        assert_eq!(parse("no where"), Ok(Asked::Definition(vec![DefinitionClause::Where(None)])));
        assert_eq!(parse("no group by"), Ok(Asked::Definition(vec![DefinitionClause::GroupBy(Vec::new())])));
    }

    #[test]
    fn what_is_wrong_is_pointed_at_with_what_would_do() {
        let (message, at, help) = wrong("drop colum status");
        assert_eq!((message.as_str(), at.as_str()), ("not a change that is known", "drop colum status"));
        assert!(help.contains("`drop column C`"));
        let (message, at, help) = wrong("rename column status state");
        assert_eq!((message.as_str(), at.as_str()), ("expected `to`, found `state`", "state"));
        assert!(help.contains("rename column status to state"));
        assert_eq!(wrong("rename column a to a").0, "the name it has already");
        let (message, at, help) = wrong("add column c intt default 5");
        assert_eq!((message.as_str(), at.as_str()), ("`intt` is no type that is known", "intt"));
        assert!(help.contains("varchar(20)"));
        assert_eq!(wrong("add column c int default").0, "a value is missing here");
        assert_eq!(wrong("retype column c int to text").0, "expected `from`, found `int`");
        assert_eq!(wrong("retype column c from int").0, "`to` is missing here");
        assert_eq!(wrong("drop column a b").0, "`b` was not expected here");
        assert_eq!(wrong("drop column").0, "a column is missing here");
        assert_eq!(wrong("").0, "no change");
        assert_eq!(wrong("drop column a; where b = 1").2, "simulate one after the other");
        assert!(wrong("drop column a..b").0.starts_with("`a..b` is no column: it "));
    }
}
