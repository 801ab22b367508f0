//! Owns how sources name types, and what those names mean in [`FieldType`]'s vocabulary.
//!
//! The names are those of MySQL and MariaDB
//! (<https://dev.mysql.com/doc/refman/8.4/en/data-types.html>), PostgreSQL
//! (<https://www.postgresql.org/docs/current/datatype.html>), Oracle, SQL Server, and AWS DMS
//! (<https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Reference.DataTypes.html>). Where one
//! name means different things to different sources (`TEXT`, `REAL`, `TIMESTAMP`), the
//! [`Dialect`] decides.

use std::sync::Arc;

use evercount_core::schema::FieldType;

/// Whose SQL a text is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    /// MySQL and MariaDB: backticks, backslashes in texts, `TEXT` of 65,535 characters.
    #[default]
    MySql,
    /// Everybody else: names in double quotes or brackets, standard texts.
    Standard,
}

/// Longest name that an unknown type keeps, in characters.
const NAME_CHARACTERS_MAX: usize = 128;

/// The type that MySQL, or whoever agrees with it, means by a text such as `INT(11) UNSIGNED`.
#[must_use]
pub fn parse(text: &str) -> FieldType {
    parse_in(Dialect::MySql, text)
}

/// The type that a text such as `character varying(32)` means.
///
/// `TINYINT(1)` is a number, as its rows show it: the width in parentheses of a MySQL integer
/// says how it is printed, not what it holds.
#[must_use]
pub fn parse_in(dialect: Dialect, text: &str) -> FieldType {
    let text = text.trim();
    let parts = Parts::of(text);
    let words: Vec<&str> = parts.words.iter().map(String::as_str).collect();
    let known = match words.split_first() {
        _ if parts.is_array => Some(FieldType::List),
        Some((first, rest)) => Reader { dialect, arguments: &parts.arguments }.named(first, rest),
        None => None,
    };
    known.unwrap_or_else(|| FieldType::Other(unknown_name(text, &words)))
}

fn unknown_name(text: &str, words: &[&str]) -> Arc<str> {
    // A quoted text is no name with parameters.
    let name = if words.is_empty() { text.to_uppercase() } else { words.join(" ") };
    name.chars().take(NAME_CHARACTERS_MAX).collect::<String>().into()
}

/// The text of a type, as SQL writes it, from the pieces that sources send apart: a name, a
/// length or precision, a scale, and the values of an enumeration.
#[must_use]
pub fn declared(
    dialect: Dialect,
    name: &str,
    length: Option<u64>,
    scale: Option<u64>,
    values: &[String],
) -> String {
    let (first, rest) = name.split_once(' ').unwrap_or((name, ""));
    let arguments = if name.contains('(') {
        return name.to_owned();
    } else if !values.is_empty() {
        let quoted = |value: &String| match value.starts_with('\'') && value.len() > 1 {
            true => value.clone(),
            false => format!("'{}'", value.replace('\'', "''")),
        };
        values.iter().map(quoted).collect::<Vec<_>>().join(",")
    } else {
        // Everybody but MySQL sends a precision with types that are written without.
        let written = dialect == Dialect::MySql
            || matches!(
                parse_in(dialect, name),
                FieldType::String { .. }
                    | FieldType::Binary { .. }
                    | FieldType::Decimal { .. }
                    | FieldType::Other(_)
            );
        match (length.filter(|_| written), scale) {
            (Some(length), Some(scale)) => format!("{length},{scale}"),
            (Some(length), None) => length.to_string(),
            (None, _) => return name.to_owned(),
        }
    };
    // `CHARACTER VARYING(32)`, but `INT(11) UNSIGNED`.
    match rest.to_ascii_uppercase().as_str() {
        "VARYING" | "PRECISION" => format!("{name}({arguments})"),
        "" => format!("{first}({arguments})"),
        _ => format!("{first}({arguments}) {rest}"),
    }
}

/// The SQL name of a type that is told by its number in `java.sql.Types` only.
#[must_use]
pub fn jdbc_name(number: i32) -> Option<&'static str> {
    Some(match number {
        -7 => "BIT",
        -6 => "TINYINT",
        5 => "SMALLINT",
        4 => "INTEGER",
        -5 => "BIGINT",
        6 | 8 => "DOUBLE",
        7 => "FLOAT",
        2 => "NUMERIC",
        3 => "DECIMAL",
        1 => "CHAR",
        12 => "VARCHAR",
        -15 => "NCHAR",
        -9 => "NVARCHAR",
        -1 | -16 | 2005 | 2011 => "CLOB",
        -2 => "BINARY",
        -3 => "VARBINARY",
        -4 | 2004 => "LONGBLOB",
        16 => "BOOLEAN",
        91 => "DATE",
        92 | 2013 => "TIME",
        93 => "DATETIME",
        2014 => "TIMESTAMP WITH TIME ZONE",
        2003 => "ARRAY",
        2009 => "XML",
        _ => return None,
    })
}

/// A type's text in pieces.
#[derive(Default)]
struct Parts {
    /// Its words outside parentheses, upper case.
    words: Vec<String>,
    /// What stands in the first parentheses, between commas, without quotes around it.
    arguments: Vec<String>,
    /// Whether brackets follow: `int4[]`.
    is_array: bool,
}

impl Parts {
    fn of(text: &str) -> Self {
        let mut parts = Self::default();
        let mut word = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\'' | '"' | '`' => return Self::default(),
                '(' if parts.arguments.is_empty() => {
                    parts.end(&mut word);
                    parts.arguments = arguments(&mut characters);
                }
                '[' => parts.is_array = true,
                _ if character.is_alphanumeric() || character == '_' => word.extend(character.to_uppercase()),
                _ => parts.end(&mut word),
            }
        }
        parts.end(&mut word);
        parts
    }

    fn end(&mut self, word: &mut String) {
        if !word.is_empty() {
            self.words.push(std::mem::take(word));
        }
    }
}

/// What stands between a parenthesis that was opened and its end.
fn arguments(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut argument = String::new();
    let mut quote = None;
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => match characters.next_if_eq(&open) {
                Some(_) => argument.push(open),
                None => quote = None,
            },
            (Some(_), _) => argument.push(character),
            (None, '\'' | '"') => quote = Some(character),
            (None, ',') => arguments.push(std::mem::take(&mut argument)),
            (None, ')') => break,
            (None, _) if character.is_whitespace() && argument.is_empty() => {}
            (None, _) => argument.push(character),
        }
    }
    arguments.push(argument);
    arguments
}

struct Reader<'a> {
    dialect: Dialect,
    arguments: &'a [String],
}

/// Words behind a type's name that do not belong to it. Some tools drop the spaces between.
const ATTRIBUTES: [&str; 8] =
    ["UNSIGNED", "SIGNED", "ZEROFILL", "COLLATE", "CHARACTERSET", "CHARSET", "COMMENT", "AUTO_INCREMENT"];

impl Reader<'_> {
    /// The number in an argument: `40` of `40 CHAR`.
    fn number(&self, index: usize) -> Option<u64> {
        let argument = self.arguments.get(index)?;
        let digits = argument.bytes().take_while(u8::is_ascii_digit).count();
        argument.get(..digits)?.parse().ok()
    }

    fn digits(&self) -> Option<(u16, u16)> {
        let precision = self.number(0)?.try_into().ok()?;
        // Oracle's negative scales round to the left of the point: no digits behind it.
        Some((precision, self.number(1).unwrap_or(0).try_into().ok()?))
    }

    fn string(&self, default: Option<u64>) -> FieldType {
        FieldType::String { max_length: self.number(0).or(default) }
    }

    fn binary(&self, default: Option<u64>) -> FieldType {
        FieldType::Binary { max_length: self.number(0).or(default) }
    }

    fn named(&self, first: &str, rest: &[&str]) -> Option<FieldType> {
        let numeric = self.number_named(first, rest.contains(&"UNSIGNED"));
        let known = numeric.or_else(|| self.text_named(first, rest)).or_else(|| self.time_named(first, rest));
        known.or_else(|| match (first, rest.split_first()) {
            ("UNSIGNED", Some((next, _))) => self.number_named(next, true),
            ("SIGNED" | "NATIONAL", Some((next, rest))) => self.named(next, rest),
            _ => self.glued(first),
        })
    }

    /// A name with attributes right behind it, or in front: `INTUNSIGNED`.
    fn glued(&self, word: &str) -> Option<FieldType> {
        if let Some(name) = word.strip_prefix("UNSIGNED") {
            return self.number_named(name, true);
        }
        let at = ATTRIBUTES.iter().filter_map(|attribute| word.find(attribute)).min()?;
        let (name, attributes) = word.split_at_checked(at)?;
        let unsigned = attributes.starts_with("UNSIGNED");
        self.number_named(name, unsigned).or_else(|| self.text_named(name, &[]))
    }

    fn number_named(&self, name: &str, unsigned: bool) -> Option<FieldType> {
        let mysql = self.dialect == Dialect::MySql;
        let integer = |bits| FieldType::Integer { bits: Some(bits), unsigned };
        let natural = |bits| FieldType::Integer { bits: Some(bits), unsigned: true };
        let float = |bits| FieldType::Float { bits: Some(bits) };
        // A single argument of a float is its precision in bits.
        let wide = self.arguments.len() == 1 && self.number(0).is_some_and(|bits| bits > 24);
        let narrow = self.arguments.len() == 1 && !wide;
        Some(match name {
            "BOOL" | "BOOLEAN" => FieldType::Bool,
            "BIT" if self.number(0).unwrap_or(1) == 1 => FieldType::Bool,
            "BIT" | "VARBIT" => FieldType::Binary { max_length: self.number(0).map(|bits| bits.div_ceil(8)) },
            "TINYINT" | "INT1" => integer(8),
            // Bytes, not bits: so in MySQL, PostgreSQL and DMS.
            "SMALLINT" | "INT2" | "INT16" | "SMALLSERIAL" | "SERIAL2" | "YEAR" => integer(16),
            "MEDIUMINT" | "MIDDLEINT" | "INT3" => integer(24),
            "SERIAL" if mysql => natural(64),
            "INT" | "INTEGER" | "INT4" | "INT32" | "SERIAL" | "SERIAL4" => integer(32),
            "BIGINT" | "INT8" | "INT64" | "BIGSERIAL" | "SERIAL8" => integer(64),
            "UINT1" => natural(8),
            "UINT2" | "UINT16" => natural(16),
            "UINT4" | "UINT32" => natural(32),
            "UINT8" | "UINT64" => natural(64),
            "DECIMAL" | "NUMERIC" | "DEC" | "FIXED" | "NUMBER" => {
                FieldType::Decimal { digits: self.digits() }
            }
            "MONEY" => FieldType::Decimal { digits: Some((19, 4)) },
            "SMALLMONEY" => FieldType::Decimal { digits: Some((10, 4)) },
            "FLOAT" if wide || (!mysql && !narrow) => float(64),
            "REAL" if mysql && !narrow => float(64),
            "FLOAT" | "REAL" | "FLOAT4" | "REAL4" | "BINARY_FLOAT" => float(32),
            "DOUBLE" | "FLOAT8" | "REAL8" | "BINARY_DOUBLE" => float(64),
            _ => return None,
        })
    }

    fn text_named(&self, name: &str, rest: &[&str]) -> Option<FieldType> {
        let mysql = self.dialect == Dialect::MySql;
        let varying = rest.first() == Some(&"VARYING");
        let large = rest.first() == Some(&"LARGE");
        Some(match name {
            "CHARACTER" | "CHAR" | "NCHAR" | "BINARY" if large => {
                if name == "BINARY" {
                    FieldType::BINARY
                } else {
                    FieldType::STRING
                }
            }
            "CHARACTER" | "CHAR" | "NCHAR" if !varying => self.string(Some(1)),
            "CHARACTER" | "CHAR" | "NCHAR" | "VARCHAR" | "NVARCHAR" | "VARCHAR2" | "NVARCHAR2"
            | "VARCHARACTER" | "BPCHAR" | "STRING" | "WSTRING" | "CITEXT" => self.string(None),
            "TINYTEXT" => self.string(Some(255)),
            "TEXT" if mysql => self.string(Some(65_535)),
            "MEDIUMTEXT" => self.string(Some(16_777_215)),
            "LONGTEXT" => self.string(Some(4_294_967_295)),
            "TEXT" | "NTEXT" | "CLOB" | "NCLOB" | "LONGVARCHAR" => FieldType::STRING,
            "LONG" if rest.first() == Some(&"RAW") => FieldType::BINARY,
            "LONG" => FieldType::STRING,
            // A set's value is the text of its members with commas between.
            "SET" => {
                let longest = self.arguments.iter().map(|value| value.chars().count() + 1).sum::<usize>();
                FieldType::String { max_length: u64::try_from(longest.saturating_sub(1)).ok() }
            }
            "ENUM" => FieldType::Enum(self.arguments.iter().map(|value| value.as_str().into()).collect()),
            "BINARY" if !varying => self.binary(Some(1)),
            "BINARY" | "VARBINARY" | "RAW" | "BYTEA" | "BYTES" => self.binary(None),
            "TINYBLOB" => self.binary(Some(255)),
            "BLOB" if mysql => self.binary(Some(65_535)),
            "MEDIUMBLOB" => self.binary(Some(16_777_215)),
            "LONGBLOB" => self.binary(Some(4_294_967_295)),
            "BLOB" | "IMAGE" | "LONGVARBINARY" => FieldType::BINARY,
            "ROWVERSION" => FieldType::Binary { max_length: Some(8) },
            "UUID" | "UNIQUEIDENTIFIER" => FieldType::Uuid,
            "JSON" | "JSONB" => FieldType::Json,
            "ARRAY" => FieldType::List,
            _ => return None,
        })
    }

    fn time_named(&self, name: &str, rest: &[&str]) -> Option<FieldType> {
        let zoned = match rest.first() {
            Some(&"WITH") => Some(true),
            Some(&"WITHOUT") => Some(false),
            _ => None,
        };
        Some(match name {
            "DATE" => FieldType::Date,
            "TIME" | "TIMETZ" => FieldType::Time,
            // MySQL keeps a TIMESTAMP in UTC; the standard's has no zone.
            "TIMESTAMP" => FieldType::Timestamp { zoned: zoned.unwrap_or(self.dialect == Dialect::MySql) },
            "TIMESTAMPTZ" | "DATETIMEOFFSET" => FieldType::Timestamp { zoned: true },
            "DATETIME" | "DATETIME2" | "SMALLDATETIME" => FieldType::Timestamp { zoned: false },
            // PostgreSQL names the array of a type with an underscore in front.
            _ => match name.strip_prefix('_') {
                Some(element) if self.named(element, &[]).is_some() => FieldType::List,
                _ => return None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn integer(bits: u8, unsigned: bool) -> FieldType {
        FieldType::Integer { bits: Some(bits), unsigned }
    }

    const fn text(max_length: u64) -> FieldType {
        FieldType::String { max_length: Some(max_length) }
    }

    const fn bytes(max_length: u64) -> FieldType {
        FieldType::Binary { max_length: Some(max_length) }
    }

    const fn decimal(precision: u16, scale: u16) -> FieldType {
        FieldType::Decimal { digits: Some((precision, scale)) }
    }

    fn one_of(values: &[&str]) -> FieldType {
        FieldType::Enum(values.iter().map(|value| Arc::from(*value)).collect())
    }

    #[test]
    fn a_types_text_has_one_meaning_however_it_is_spaced_and_cased() {
        let check = |text: &str, expected: FieldType| assert_eq!(parse(text), expected, "{text}");
        for int in ["INT(11)", "int", " integer ", "INT4", "int(11) signed", "INTEGER(10)COMMENT"] {
            check(int, integer(32, false));
        }
        for unsigned in ["INT(5)UNSIGNED", "int(5) unsigned zerofill", "INTUNSIGNED", "UNSIGNED INTEGER"] {
            check(unsigned, integer(32, true));
        }
        check("BIGINT UNSIGNED", integer(64, true));
        check("UNSIGNEDTINYINT(1)", integer(8, true));
        check("tinyint(1)", integer(8, false));
        check("MEDIUMINT", integer(24, false));
        check("year(4)", integer(16, false));
        check("bool", FieldType::Bool);
        check("BIT(1)", FieldType::Bool);
        check("BIT(12)", bytes(2));
        check("DECIMAL(20,6)", decimal(20, 6));
        check("decimal( 20 , 6 ) unsigned", decimal(20, 6));
        check("NUMBER(4)", decimal(4, 0));
        check("NUMERIC", FieldType::DECIMAL);
        check("FLOAT(13,8)", FieldType::Float { bits: Some(32) });
        check("FLOAT(53)", FieldType::Float { bits: Some(64) });
        check("double precision", FieldType::Float { bits: Some(64) });
        check("VARCHAR(255)", text(255));
        check("character varying(32)", text(32));
        check("national varchar(32)", text(32));
        check("VARCHAR2(40 CHAR)", text(40));
        check("CHAR", text(1));
        check("varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", text(40));
        check("TEXTCOLLATEUTF8_BIN", text(65_535));
        check("varchar(max)", FieldType::STRING);
        check("WSTRING", FieldType::STRING);
        check("CLOB", FieldType::STRING);
        check("BYTES", FieldType::BINARY);
        check("RAW(16)", bytes(16));
        check("TINYBLOB", bytes(255));
        check("enum('YES','')", one_of(&["YES", ""]));
        check("ENUM(\"a,b\", \"it\"\"s\", 'it''s')", one_of(&["a,b", "it\"s", "it's"]));
        check("set('a','bc')", text(4));
        check("timestamp(14)", FieldType::Timestamp { zoned: true });
        check("datetime(6)", FieldType::Timestamp { zoned: false });
        check("timestamp without time zone", FieldType::Timestamp { zoned: false });
        check("timestamp(6) with local time zone", FieldType::Timestamp { zoned: true });
        check("timestamptz", FieldType::Timestamp { zoned: true });
        check("time(6) with time zone", FieldType::Time);
        check("UniqueIdentifier", FieldType::Uuid);
        check("jsonb", FieldType::Json);
        for list in ["int4[]", "_int4", "text[][]", "varchar(3)[]"] {
            check(list, FieldType::List);
        }
        check("geometry(Point, 4326)", FieldType::Other("GEOMETRY".into()));
        check("'a comment'", FieldType::Other("'A COMMENT'".into()));
        check("", FieldType::Other("".into()));
        check("_nonsense", FieldType::Other("_NONSENSE".into()));
    }

    #[test]
    fn a_name_that_sources_use_differently_means_what_its_source_means() {
        let check = |text: &str, mysql: FieldType, standard: FieldType| {
            assert_eq!(parse_in(Dialect::MySql, text), mysql, "{text}");
            assert_eq!(parse_in(Dialect::Standard, text), standard, "{text}");
        };
        let float = |bits| FieldType::Float { bits: Some(bits) };
        check("TEXT", text(65_535), FieldType::STRING);
        check("BLOB", bytes(65_535), FieldType::BINARY);
        check("FLOAT", float(32), float(64));
        check("REAL", float(64), float(32));
        check("TIMESTAMP", FieldType::Timestamp { zoned: true }, FieldType::Timestamp { zoned: false });
        check("SERIAL", integer(64, true), integer(32, false));
    }

    #[test]
    fn a_declared_type_is_written_as_sql_writes_it() {
        let check = |name: &str, length, scale, values: &[&str], expected: &str| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(declared(Dialect::MySql, name, length, scale, &values), expected);
        };
        check("VARCHAR", Some(255), None, &[], "VARCHAR(255)");
        check("INT UNSIGNED", Some(11), None, &[], "INT(11) UNSIGNED");
        check("DECIMAL", Some(20), Some(6), &[], "DECIMAL(20,6)");
        check("CHARACTER VARYING", Some(32), None, &[], "CHARACTER VARYING(32)");
        check("ENUM", Some(1), None, &["'YES'", "it's"], "ENUM('YES','it''s')");
        check("TIMESTAMP(6)", Some(6), None, &[], "TIMESTAMP(6)");
        check("TEXT", None, None, &[], "TEXT");
        let standard = |name: &str| declared(Dialect::Standard, name, Some(10), Some(0), &[]);
        assert_eq!(standard("int"), "int");
        assert_eq!(standard("decimal"), "decimal(10,0)");
    }
}
