//! A schema change.

use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange};
use evercount_wire::schema_event::change_sentence;
use serde::Serialize;
use utoipa::ToSchema;

/// A change of a schema, and what it is concluded from. Fields that say nothing of its kind are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct ChangeDoc {
    /// Its kind, such as `rename_column`.
    pub change: String,
    /// It in a sentence.
    pub sentence: String,
    /// What it is concluded from.
    pub evidence: String,
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The type from now on.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
    /// The type before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_type: Option<String>,
    /// How the type changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retype: Option<String>,
    /// The default of an added column, null where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub default: Option<Option<String>>,
    /// The key from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
    /// The key before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_key: Option<Vec<String>>,
}

impl From<&SchemaChange> for ChangeDoc {
    fn from(change: &SchemaChange) -> Self {
        let mut doc = Self {
            change: change.kind.name().to_owned(),
            sentence: bare_sentence(change),
            evidence: change.evidence.sentence(),
            column: change.kind.column().map(ToString::to_string),
            ..Self::default()
        };
        let names = |key: &[FieldPath]| key.iter().map(|path| path.as_str().to_owned()).collect();
        match &change.kind {
            ChangeKind::RenameTable { to } => doc.to = Some(to.to_string()),
            ChangeKind::AddColumn { typed, default, .. } => {
                doc.typed = Some(typed.text().to_string());
                doc.default = Some(default.as_deref().map(str::to_owned));
            }
            ChangeKind::DropColumn { typed, .. } => doc.previous_type = Some(typed.text().to_string()),
            ChangeKind::RenameColumn { to, typed, previous, .. } => {
                doc.to = Some(to.to_string());
                doc.typed = Some(typed.text().to_string());
                doc.previous_type = Some(previous.text().to_string());
            }
            ChangeKind::ChangeType { typed, previous, retype, .. } => {
                doc.typed = Some(typed.text().to_string());
                doc.previous_type = Some(previous.text().to_string());
                doc.retype = Some(retype.name().to_owned());
            }
            ChangeKind::ChangeKey { previous, key } => {
                doc.key = Some(names(key));
                doc.previous_key = Some(names(previous));
            }
            ChangeKind::CreateTable | ChangeKind::DropTable | ChangeKind::TruncateTable => {}
        }
        doc
    }
}

/// A change in a sentence, without what it is concluded from.
#[must_use]
pub fn bare_sentence(change: &SchemaChange) -> String {
    let sentence = change_sentence(change);
    let end = match change.evidence {
        Evidence::Declared { .. } => " (declared)",
        Evidence::Observed { .. } => " (observed)",
        Evidence::Proposed { .. } => " (proposed)",
    };
    sentence.strip_suffix(end).unwrap_or(&sentence).to_owned()
}
