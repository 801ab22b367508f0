//! A definition in lines that people compare.

use evercount_core::definition::{CountDefinition, GROUPS_MAX_DEFAULT};
use evercount_core::path::Path;

use crate::predicate::to_text;

/// A definition in lines, one for each part that it has: `group by: address.country`.
#[must_use]
pub fn definition_lines(definition: &CountDefinition) -> Vec<String> {
    let list = |paths: &[Path]| paths.iter().map(Path::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = vec![format!("table: {}", definition.table)];
    if let Some(filter) = &definition.filter {
        lines.push(format!("where: {}", to_text(filter)));
    }
    if !definition.group_by.is_empty() {
        lines.push(format!("group by: {}", list(&definition.group_by)));
    }
    if let Some(distinct) = &definition.distinct {
        lines.push(format!("distinct: {distinct}"));
    }
    if definition.groups_max != GROUPS_MAX_DEFAULT {
        lines.push(format!("groups by name: at most {}", definition.groups_max));
    }
    if !definition.headroom.attributes.is_empty() {
        lines.push(format!("headroom: {}", list(&definition.headroom.attributes)));
    }
    if definition.headroom.truth {
        lines.push("headroom: the truth of each condition".to_owned());
    }
    lines
}
