//! Attribute paths: where in an item a value stands.
//!
//! Written as DynamoDB writes document paths: `address.city`, `lines[0].sku`. A name that itself
//! holds a dot or a bracket is put in double quotes: `"a.b".c`.

use std::fmt;

use crate::function::is_answer;
use crate::value::{Item, Value};

/// Deepest path. DynamoDB nests at most 32 levels.
pub const PATH_SEGMENTS_MAX: usize = 32;

/// One step of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Segment {
    /// Into a map, by attribute name.
    Field(String),
    /// Into a list, by index.
    Index(usize),
}

/// A path of at least one segment; the first is the column (top-level attribute).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    column: String,
    rest: Vec<Segment>,
}

/// Why a text is not a path: a byte offset, and what would be accepted there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathError {
    /// Byte offset into the text.
    pub at: usize,
    /// What would be accepted at that place.
    pub expected: &'static str,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: expected {}", self.at + 1, self.expected)
    }
}

impl std::error::Error for PathError {}

impl Path {
    /// The path of a top-level attribute, its name taken literally.
    #[must_use]
    pub fn column(name: impl Into<String>) -> Self {
        Self { column: name.into(), rest: Vec::new() }
    }

    /// A path of a column and further segments.
    #[must_use]
    pub fn new(column: impl Into<String>, rest: Vec<Segment>) -> Self {
        Self { column: column.into(), rest }
    }

    /// Reads a path from its text form.
    ///
    /// # Errors
    /// [`PathError`] points at the offending place.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut reader = Reader { text, at: 0 };
        let column = reader.name()?;
        let mut rest = Vec::new();
        while let Some(next) = reader.peek() {
            match next {
                '.' => {
                    reader.at += 1;
                    rest.push(Segment::Field(reader.name()?));
                }
                '[' => {
                    reader.at += 1;
                    rest.push(Segment::Index(reader.index()?));
                }
                _ => return Err(reader.expected("`.name`, `[index]` or the end")),
            }
            if rest.len() >= PATH_SEGMENTS_MAX {
                return Err(reader.expected("a path of at most 32 segments"));
            }
        }
        Ok(Self { column, rest })
    }

    /// The top-level attribute the path starts from.
    #[must_use]
    pub fn column_name(&self) -> &str {
        &self.column
    }

    /// The segments after the column.
    #[must_use]
    pub fn rest(&self) -> &[Segment] {
        &self.rest
    }

    /// The value at this path, or `None` where it is absent. A function's answer is never absent: where
    /// nobody asked, it is not known.
    #[must_use]
    pub fn lookup<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        match item.get(&self.column) {
            Some(value) => self.lookup_in(value),
            None => is_answer(&self.column).then_some(&Value::Unavailable),
        }
    }

    /// As [`Self::lookup`], in the value of the path's column.
    #[must_use]
    pub fn lookup_in<'a>(&self, mut value: &'a Value) -> Option<&'a Value> {
        for segment in &self.rest {
            value = match (segment, value) {
                // Nothing is known below a value that was not sent.
                (_, Value::Unavailable) => return Some(value),
                (Segment::Field(name), Value::Map(map)) => map.get(name)?,
                (Segment::Index(index), Value::List(list)) => list.get(*index)?,
                _ => return None,
            };
        }
        Some(value)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn expected(&self, expected: &'static str) -> PathError {
        PathError { at: self.at, expected }
    }

    fn name(&mut self) -> Result<String, PathError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut chars = quoted.char_indices().peekable();
            while let Some((offset, next)) = chars.next() {
                if next != '"' {
                    name.push(next);
                } else if chars.peek().is_some_and(|(_, after)| *after == '"') {
                    chars.next();
                    name.push('"');
                } else {
                    self.at += offset + 2;
                    return if name.is_empty() {
                        Err(self.expected("a name between the quotes"))
                    } else {
                        Ok(name)
                    };
                }
            }
            return Err(PathError { at: self.text.len(), expected: "a closing `\"`" });
        }
        let length = rest.find(['.', '[', ']', '"']).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        if name.trim().is_empty() {
            return Err(self.expected("an attribute name"));
        }
        self.at += length;
        Ok(name.to_owned())
    }

    fn index(&mut self) -> Result<usize, PathError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let close = rest.find(']').ok_or_else(|| self.expected("a list index and `]`"))?;
        let index = rest.get(..close).unwrap_or_default();
        let parsed = index.parse().map_err(|_| self.expected("a list index such as `0`"))?;
        self.at += close + 1;
        Ok(parsed)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(&self.column, f)?;
        for segment in &self.rest {
            match segment {
                Segment::Field(name) => {
                    f.write_str(".")?;
                    write_name(name, f)?;
                }
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn write_name(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if name.contains(['.', '[', ']', '"']) || name.trim().is_empty() {
        write!(f, "\"{}\"", name.replace('"', "\"\""))
    } else {
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bad_path_points_at_its_place() {
        for (text, at) in [("", 0), ("a..b", 2), ("a[", 2), ("a[x]", 2), ("\"a", 2), ("a]b", 1), (".a", 0)] {
            assert_eq!(Path::parse(text).map_err(|error| error.at), Err(at), "{text}");
        }
    }

    #[test]
    fn a_nested_value_is_found_and_an_absent_one_is_not() {
        let inner: Item = [("city".to_owned(), Value::List(vec![Value::Bool(true)]))].into();
        let item: Item = [("a.b".to_owned(), Value::Map(inner))].into();
        let found = |text: &str| Path::parse(text).unwrap().lookup(&item).cloned();
        assert_eq!(found("\"a.b\".city[0]"), Some(Value::Bool(true)));
        assert_eq!(found("\"a.b\".city[1]"), None);
        assert_eq!(found("\"a.b\".town"), None);
        assert_eq!(found("a.b"), None);
    }

    proptest! {
        #[test]
        fn a_path_reads_back_from_its_text(names in prop::collection::vec("[a-z.\\[\\]\" -]{1,6}", 1..4), index in 0usize..9) {
            let mut names = names.into_iter();
            let path = Path::new(names.next().unwrap(), names.map(Segment::Field).chain([Segment::Index(index)]).collect());
            prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
        }
    }
}
