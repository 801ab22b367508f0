//! Owns what renames through several versions amount to.

use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{ChangeKind, SchemaChange};

use super::outline::moved;

/// The fields that went on under other names through these changes, in the order they were made:
/// each by its path before the first and after the last of them. A field that was dropped on the
/// way is not among them.
#[must_use]
pub fn renames_through<'a>(
    changes: impl IntoIterator<Item = &'a SchemaChange>,
) -> Vec<(FieldPath, FieldPath)> {
    let mut known: Vec<(FieldPath, FieldPath)> = Vec::new();
    for change in changes {
        match &change.kind {
            ChangeKind::RenameColumn { column, to, .. } => {
                let first = known
                    .iter()
                    .rev()
                    .find_map(|(origin, now)| moved(column, now, origin))
                    .unwrap_or_else(|| column.clone());
                for (_, now) in &mut known {
                    if let Some(next) = moved(now, column, to) {
                        *now = next;
                    }
                }
                if known.iter().all(|(origin, _)| *origin != first) {
                    known.push((first, to.clone()));
                }
            }
            ChangeKind::DropColumn { column, .. } => {
                known.retain(|(_, now)| moved(now, column, column).is_none());
            }
            _ => {}
        }
    }
    known.retain(|(from, to)| from != to);
    known
}
