//! Renames: whether a new column has taken a lost one's place.
//!
//! Nothing in the rows says so; each kind of evidence adds its weight, and the sum must reach
//! [`THRESHOLD`] with no rival within [`MARGIN`].
//!
//! | evidence | weight | why that much |
//! |---|---|---|
//! | handover: a row had `a=v` and now has `b=v` and no `a`, by an update's own before image or as the row was seen lately | 0.40 | the row itself says it; with equal types and places it is enough alone. Where rows could have shown it and did not, nothing else outweighs that |
//! | values: `b` holds the values that `a` held, and no column that stays holds them too | 0.25 | strong when the values are particular to the column, worth nothing for flags and small numbers, which many columns share |
//! | name: alike in letters or words | 0.12 | people rename `approved` to `pic_approved`, and also drop `user1` when they add `user2` |
//! | type: the same families | 0.08 | needed rather than telling: half of all columns share a type |
//! | place: `b` begins where `a` ends | 0.08 | one statement may drop one column and add another |
//! | profile: length, width, format and share of NULL are alike | 0.07 | likewise |
//!
//! The threshold, 0.5, is above what name, type, place and profile reach together (0.35): a
//! rename is never proposed unless values speak for it.

use std::sync::Arc;

use crate::detection::records::evidence::{Evidence, FieldEvidence, Gone};
use crate::observed::{Family, ObservedField};
use crate::schema::FieldPath;
use crate::schema_change::EvidencePart;

/// The score from which a rename is proposed.
pub const THRESHOLD: f64 = 0.5;
/// How far the second-best candidate must stay behind.
pub const MARGIN: f64 = 0.05;

/// The weights; they add up to 1.
const HANDOVER: f64 = 0.40;
const VALUES: f64 = 0.25;
const NAME: f64 = 0.12;
const TYPE: f64 = 0.08;
const PLACE: f64 = 0.08;
const PROFILE: f64 = 0.07;

/// Rows that could have shown a handover before their silence is evidence against one.
const HANDOVERS_MIN: u64 = 3;
/// The share of these that must have shown it.
const HANDED_MIN: f64 = 0.3;
/// What is left of the doubt with each distinct value that both columns hold and no other does.
const DOUBT_LEFT: f64 = 0.5;

/// How well one column would be another's successor.
#[derive(Clone, Debug)]
pub(super) struct Score {
    /// The score, in [0, 1].
    pub score: f64,
    /// What it is made of.
    pub parts: Vec<EvidencePart>,
}

/// Scores a pair: a lost column and a new one.
pub(super) fn score(
    evidence: &Evidence<'_>,
    gone: (&FieldPath, &FieldEvidence, Option<&Gone>),
    come: (&FieldPath, &FieldEvidence),
    staying: &[&FieldPath],
) -> Score {
    let handover = evidence.handover(gone.0, come.0);
    let share = handover.held as f64 / handover.tried.max(1) as f64;
    let told_otherwise = handover.tried >= HANDOVERS_MIN && share < HANDED_MIN;
    // Columns of few values agree in some rows by chance.
    let agreed = ((share - HANDED_MIN) / (1.0 - HANDED_MIN)).max(0.0);
    let handed = agreed * handover.tried.min(HANDOVERS_MIN) as f64 / HANDOVERS_MIN as f64;
    let observed = evidence.observed();
    let (old, new) = (observed.field(gone.0), observed.field(come.0));
    let values = match (old, new) {
        (Some(old), Some(new)) => values(evidence, old, new, staying),
        _ => 0.0,
    };
    let profile = match (old, new) {
        (Some(old), Some(new)) => profile(old, new),
        _ => 0.0,
    };
    let types = same_types(gone.1, come.1);
    let parts = vec![
        EvidencePart { name: "handover", weight: HANDOVER, held: handed },
        EvidencePart { name: "values", weight: VALUES, held: values },
        EvidencePart { name: "name", weight: NAME, held: alike(gone.0.as_str(), come.0.as_str()) },
        EvidencePart { name: "type", weight: TYPE, held: types },
        EvidencePart { name: "place", weight: PLACE, held: place(gone.1, gone.2, come.1) },
        EvidencePart { name: "profile", weight: PROFILE, held: profile },
    ];
    let sum: f64 = parts.iter().map(|part| part.weight * part.held).sum();
    let score = if told_otherwise || types == 0.0 { sum.min(THRESHOLD / 2.0) } else { sum };
    Score { score, parts }
}

fn same_types(gone: &FieldEvidence, come: &FieldEvidence) -> f64 {
    let (gone, come): (Vec<Family>, Vec<Family>) = (gone.families().collect(), come.families().collect());
    if gone.is_empty() || come.is_empty() {
        return 0.5;
    }
    let number =
        |families: &[Family]| families.iter().all(|one| matches!(*one, Family::INTEGER | Family::DECIMAL));
    if gone == come {
        1.0
    } else if (number(&gone) && number(&come)) || come.iter().any(|family| gone.contains(family)) {
        0.5
    } else {
        0.0
    }
}

/// The share of the new column's values that the old one held, less what a column that stays
/// explains as well.
fn values(evidence: &Evidence<'_>, old: &ObservedField, new: &ObservedField, staying: &[&FieldPath]) -> f64 {
    let Some(contained) = new.sketch.containment_in(&old.sketch) else { return 0.0 };
    let observed = evidence.observed();
    let others = staying.iter().filter_map(|path| observed.field(path));
    let elsewhere =
        others.filter_map(|other| new.sketch.containment_in(&other.sketch)).fold(0.0_f64, f64::max);
    let (_, shared) = new.sketch.shared_with(&old.sketch);
    let telling = 1.0 - DOUBT_LEFT.powi(i32::try_from(shared).unwrap_or(i32::MAX));
    (contained * (1.0 - elsewhere) * telling).clamp(0.0, 1.0)
}

/// How far lengths, widths, formats and shares of NULL are alike.
fn profile(old: &ObservedField, new: &ObservedField) -> f64 {
    let near = |a: f64, b: f64| 1.0 - (a - b).abs() / a.max(b).max(1.0);
    let nulls = |field: &ObservedField| field.families.count(Family::NULL) as f64 / field.rows.max(1) as f64;
    let parts = [
        near(old.length_max as f64, new.length_max as f64),
        near(f64::from(old.numbers.bits), f64::from(new.numbers.bits)),
        near(f64::from(old.numbers.fraction_digits), f64::from(new.numbers.fraction_digits)),
        1.0 - (nulls(old) - nulls(new)).abs(),
        f64::from(u8::from(old.formats.certain() == new.formats.certain())),
    ];
    parts.iter().product()
}

/// How close the new column begins to where the old one ends.
fn place(old: &FieldEvidence, gone: Option<&Gone>, new: &FieldEvidence) -> f64 {
    let (Some(began), Some(first)) = (gone.and_then(|gone| gone.began.as_ref()), &new.presence.first) else {
        return 0.0;
    };
    let overlap = old.presence.last.as_ref().is_some_and(|last| first.version < last.version);
    if Arc::ptr_eq(began, first) || began.version == first.version {
        1.0
    } else if overlap {
        // Both in flight: a rolling deploy, or one column that has nothing to do with the other.
        0.5
    } else {
        let rows = gone.map_or(0, |gone| gone.rows).abs_diff(new.presence.of);
        1.0 / (1.0 + rows as f64 / 4.0)
    }
}

/// How far two names are alike, in [0, 1]: by pairs of letters (Dice), or by whole words, where
/// one name holds all of the other's.
pub(super) fn alike(one: &str, other: &str) -> f64 {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    if one == other {
        return 1.0;
    }
    let pairs = |name: &str| -> Vec<(char, char)> { name.chars().zip(name.chars().skip(1)).collect() };
    let (a, mut b) = (pairs(&one), pairs(&other));
    let all = a.len() + b.len();
    let mut shared = 0;
    for pair in a {
        if let Some(at) = b.iter().position(|other| *other == pair) {
            b.swap_remove(at);
            shared += 1;
        }
    }
    let dice = if all == 0 { 0.0 } else { 2.0 * f64::from(shared) / all as f64 };
    let words = |name: &str| -> std::collections::BTreeSet<String> {
        name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1).map(str::to_owned).collect()
    };
    let (a, b) = (words(&one), words(&other));
    let within = !a.is_empty() && !b.is_empty() && (a.is_subset(&b) || b.is_subset(&a));
    if within { dice.max(0.8) } else { dice }
}
