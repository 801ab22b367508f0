//! Which parts make a well-formed definition.

use std::ops::Range;

use evercount_core::change::TableName;
use evercount_core::definition::{
    CountDefinition, DefinitionName, GROUP_BY_MAX, GROUPS_MAX_DEFAULT, GROUPS_MAX_LIMIT, Headroom,
    NAME_BYTES_MAX,
};
use evercount_core::function::{self, FunctionId};
use evercount_core::path::Path;

use super::DefinitionParts;

/// Longest name of a table, in bytes. DynamoDB's end at 255, and `database.schema.table` at
/// three times PostgreSQL's 63 and two dots.
const TABLE_BYTES_MAX: usize = 255;

/// Most functions that a condition asks.
const FUNCTIONS_MAX: usize = 4;

/// The part of a definition that an error is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Name,
    Table,
    /// One of the paths, or all of them together.
    GroupBy(Option<usize>),
    Filter,
    Distinct,
    GroupsMax,
    /// One of the paths, or all of them together.
    Headroom(Option<usize>),
    HeadroomTruth,
}

impl Part {
    /// The part's name in files and on the command line.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Table => "table",
            Self::GroupBy(_) => "group_by",
            Self::Filter => "where",
            Self::Distinct => "distinct",
            Self::GroupsMax => "groups_max",
            Self::Headroom(_) => "headroom",
            Self::HeadroomTruth => "headroom_truth",
        }
    }
}

/// Why a part is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PartError {
    pub(crate) part: Part,
    pub(crate) message: String,
    pub(crate) help: String,
    /// The place within the part's text; all of it where there is none.
    pub(crate) span: Option<Range<usize>>,
}

impl PartError {
    fn new(part: Part, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { part, message: message.into(), help: help.into(), span: None }
    }
}

/// The definition that the parts make.
pub(super) fn assemble(parts: &DefinitionParts) -> Result<CountDefinition, PartError> {
    let group_by = group_by(&parts.group_by)?;
    Ok(CountDefinition {
        name: name(&parts.name)?,
        table: table(&parts.table)?,
        headroom: headroom(parts, &group_by)?,
        group_by,
        filter: parts.filter.as_deref().map(filter).transpose()?,
        distinct: parts.distinct.as_deref().map(distinct).transpose()?,
        groups_max: groups_max(parts.groups_max)?,
    })
}

/// Reads the name.
pub(crate) fn name(text: &str) -> Result<DefinitionName, PartError> {
    DefinitionName::parse(text).ok_or_else(|| {
        let help = format!("a letter, then letters, digits, `_` and `-`; at most {NAME_BYTES_MAX} bytes");
        PartError::new(Part::Name, format!("`{text}` cannot name a count"), help)
    })
}

/// Reads the table.
pub(crate) fn table(text: &str) -> Result<TableName, PartError> {
    let odd = text.trim() != text || text.chars().any(char::is_control);
    if text.is_empty() || odd || text.len() > TABLE_BYTES_MAX {
        let help = "the table as its source names it: `orders`, `schema.table` or `database.table`";
        return Err(PartError::new(Part::Table, format!("`{}` is not a table", text.escape_debug()), help));
    }
    Ok(TableName::new(text))
}

/// Reads the paths to group by.
pub(crate) fn group_by(texts: &[String]) -> Result<Vec<Path>, PartError> {
    if texts.len() > GROUP_BY_MAX {
        let message = format!("{} attributes to group by", texts.len());
        return Err(PartError::new(
            Part::GroupBy(None),
            message,
            format!("group by at most {GROUP_BY_MAX} attributes"),
        ));
    }
    paths(texts, Part::GroupBy)
}

/// Reads the headroom. It multiplies with the groups, so no more attributes than there are
/// grouping ones at most.
fn headroom(parts: &DefinitionParts, group_by: &[Path]) -> Result<Headroom, PartError> {
    if parts.headroom.len() > GROUP_BY_MAX {
        let message = format!("{} attributes of headroom", parts.headroom.len());
        let help = format!(
            "name at most {GROUP_BY_MAX}: each combination of values that occurs costs a counter of its own"
        );
        return Err(PartError::new(Part::Headroom(None), message, help));
    }
    let attributes = paths(&parts.headroom, Part::Headroom)?;
    if let Some((index, path)) = attributes.iter().enumerate().find(|(_, path)| group_by.contains(path)) {
        let message = format!("`{path}` is grouped by already");
        let help = "headroom is what is counted by beside `group_by`: name it in one of the two";
        return Err(PartError::new(Part::Headroom(Some(index)), message, help));
    }
    if parts.headroom_truth && parts.filter.is_none() {
        let help = "it counts by whether each condition of `where` holds: add a `where`, or leave it out";
        return Err(PartError::new(Part::HeadroomTruth, "`headroom_truth` without a `where`", help));
    }
    Ok(Headroom { attributes, truth: parts.headroom_truth })
}

fn paths(texts: &[String], part_of: impl Fn(Option<usize>) -> Part) -> Result<Vec<Path>, PartError> {
    let mut paths = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let part = part_of(Some(index));
        let path = path(part, text)?;
        if paths.contains(&path) {
            return Err(PartError::new(part, format!("`{path}` is there twice"), "name each attribute once"));
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Reads the path whose distinct values are to be counted.
pub(crate) fn distinct(text: &str) -> Result<Path, PartError> {
    path(Part::Distinct, text)
}

/// Reads the cap on groups.
pub(crate) fn groups_max(given: Option<u32>) -> Result<u32, PartError> {
    let groups_max = given.unwrap_or(GROUPS_MAX_DEFAULT);
    if (1..=GROUPS_MAX_LIMIT).contains(&groups_max) {
        return Ok(groups_max);
    }
    let message = format!("a cap of {groups_max} groups");
    Err(PartError::new(Part::GroupsMax, message, groups_max_help()))
}

/// What is said of a cap that is out of bounds.
pub(super) fn groups_max_help() -> String {
    format!("a whole number from 1 to {GROUPS_MAX_LIMIT}; {GROUPS_MAX_DEFAULT} where there is none")
}

fn filter(text: &str) -> Result<evercount_core::predicate::Predicate, PartError> {
    let filter = crate::predicate::parse(text).map_err(|error| PartError {
        part: Part::Filter,
        message: error.message,
        help: error.help,
        span: Some(error.span),
    })?;
    if let Some(name) = filter.paths().into_iter().find_map(function::misnamed) {
        let help = "name it by its id here, as `evercount function list` shows it";
        return Err(PartError::new(Part::Filter, format!("there is no function `{name}`"), help));
    }
    let named = function::named(filter.paths()).len();
    if named > FUNCTIONS_MAX {
        let help = format!("ask at most {FUNCTIONS_MAX}: each is run for every record of the table");
        return Err(PartError::new(Part::Filter, format!("{named} functions"), help));
    }
    Ok(filter)
}

fn path(part: Part, text: &str) -> Result<Path, PartError> {
    let parsed = Path::parse(text);
    if let Some(function) = parsed.as_ref().ok().and_then(FunctionId::of_path) {
        let message = format!("the function {function} has an answer, and no value to count by");
        return Err(PartError::new(part, message, "ask functions in `where`"));
    }
    parsed.map_err(|error| {
        let end = text
            .get(error.at..)
            .and_then(|rest| rest.chars().next())
            .map_or(error.at, |c| error.at + c.len_utf8());
        PartError {
            part,
            message: format!("`{text}` is not the path of an attribute"),
            help: format!(
                "expected {} here; paths are written `address.city`, `lines[0].sku` or `\"a.b\".c`",
                error.expected
            ),
            span: Some(error.at..end),
        }
    })
}
