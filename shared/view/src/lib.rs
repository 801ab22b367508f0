//! What the store's values look like to whoever is outside: the documents that `evercount … --json`
//! prints and that the console's API answers with, written once, so that the two speak the same.
//!
//! Each type is one documented shape: its fields are the names in the JSON, in a schema that the console's
//! OpenAPI document takes over. Nothing here reads a store.

mod adjustment;
mod advice;
mod certificate;
mod change;
mod estimate;
mod outlook;
mod presence;
mod quarantined;
mod reading;
mod schema;
mod shadow;
mod text;
mod track;
mod walk;

pub use adjustment::{
    AdjustmentDoc, Affected, CensusDoc, ChoiceDoc, Compared, CostDoc, Example, GroupCompared, Minimum,
    ProgressDoc, class_words, is_open, outcome_words, relation_name,
};
pub use advice::{AdviceDoc, ExtraDoc, notes};
pub use certificate::{CertificateDoc, Moves, action, moves};
pub use change::{ChangeDoc, bare_sentence};
pub use estimate::{Cardinality, WindowDoc};
pub use outlook::{CandidateDoc, ChanceDoc, ExpectedDoc, KeptDoc, PlannedDoc, TableOutlook};
pub use presence::{Presence, Seen};
pub use quarantined::QuarantinedDoc;
pub use reading::{CutDoc, GroupDoc, MissingDoc, ReadingDoc, atom_text};
pub use schema::{HeldDoc, HistoryDoc, LineageDoc, PolicyDoc, SubjectDoc, SubjectVersionHead, origin};
pub use shadow::{ShadowColumnDoc, ShadowSchemaDoc, rules};
pub use text::{did_you_mean, plain, time};
pub use track::{BinDoc, LearntDoc, MonthDoc, TallyDoc};
pub use walk::{WalkDoc, extent, is_walking};
