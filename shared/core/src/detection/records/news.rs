//! Owns which fields are new, which are gone, and which of these may be one field under two
//! names.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Evidence, FieldEvidence, Gone};
use super::{
    CONTRADICTION_ROWS, Detected, HANDOVER_ROWS, Known, LATELY_UNIT, NEWS_KEPT, NULL_ROWS, PERSIST_ROWS,
    PERSIST_ROWS_SPARSE, QUESTION_ROWS, detected, is_within, typed, typed_of,
};
use crate::detection::rename::{self, MARGIN, Score, THRESHOLD};
use crate::observed::PATHS_MAX;
use crate::registry::Origin;
use crate::schema::FieldPath;
use crate::schema_change::{ChangeKind, Evidence as ChangeEvidence, SchemaChange};

/// A field in fewer of the rows than this is missing from a row with a new field by chance, so
/// the new field is not taken for its successor.
const SHARE_MIN: f64 = 0.05;

/// Rows that lack both a lost field and a new one, beyond which the two have nothing to do with
/// each other.
const BETWEEN_ROWS_MAX: u64 = 10;

/// Fields of one subject, each in a single row, from which on its field names are taken for data:
/// a field is then news only once it persists.
const FLOOD: usize = NEWS_KEPT / 2;

/// The fields added, dropped and renamed.
pub(super) fn detect(
    known: &Known<'_>,
    evidence: &Evidence<'_>,
    gone: &BTreeMap<&FieldPath, Gone>,
) -> Vec<Detected> {
    let mut news =
        News { known, evidence, gone, found: Vec::new(), waiting: BTreeSet::new(), staying: Vec::new() };
    let fresh = news.fresh();
    let mut questions: BTreeMap<&FieldPath, Vec<&FieldPath>> = BTreeMap::new();
    let mut added: Vec<&FieldPath> = Vec::new();
    for path in fresh {
        let suspects = news.suspects(path);
        if suspects.is_empty() {
            added.push(path);
        } else {
            questions.insert(path, suspects);
        }
    }
    added.extend(news.resolve(questions));
    news.drop_columns();
    added.sort();
    for path in added {
        news.add(path);
    }
    news.found
}

struct News<'a> {
    known: &'a Known<'a>,
    evidence: &'a Evidence<'a>,
    gone: &'a BTreeMap<&'a FieldPath, Gone>,
    found: Vec<Detected>,
    /// Lost columns whose question is still open, or is answered.
    waiting: BTreeSet<&'a FieldPath>,
    /// Known columns that nothing is asked about.
    staying: Vec<&'a FieldPath>,
}

impl<'a> News<'a> {
    fn seen(&self, path: &FieldPath) -> Option<&'a FieldEvidence> {
        self.evidence.fields.get(path)
    }

    /// The fields that the known schema lacks and that have been seen enough.
    fn fresh(&self) -> Vec<&'a FieldPath> {
        let unknown: Vec<(&'a FieldPath, &'a FieldEvidence)> = self
            .evidence
            .fields
            .iter()
            .filter(|(path, seen)| !self.known.schema.fields.contains_key(path) && seen.presence.with > 0)
            .map(|(path, seen)| (*path, seen))
            .collect();
        // Those that were taken for columns and never came again are among them.
        let single = self.evidence.fields.values().filter(|seen| seen.presence.with == 1).count();
        let room = PATHS_MAX.saturating_sub(self.known.schema.fields.len());
        let enough = |path: &FieldPath, seen: &FieldEvidence| {
            let rows = seen.presence.with;
            if self.known.origin == Origin::Declared {
                return path.is_column() && rows >= CONTRADICTION_ROWS;
            }
            if self.known.retired.contains(path) {
                return persists(seen);
            }
            let typed = seen.families().next().is_some();
            (typed || rows >= NULL_ROWS) && (single < FLOOD || rows >= PERSIST_ROWS)
        };
        unknown
            .into_iter()
            .filter(|(path, seen)| enough(path, seen))
            .map(|(path, _)| path)
            .take(room)
            .collect()
    }

    /// The known fields whose new name a new field may be: they stand beside it, were in most
    /// rows until about when it came, and were never in one row with it.
    fn suspects(&self, come: &FieldPath) -> Vec<&'a FieldPath> {
        if self.known.origin == Origin::Declared {
            return Vec::new();
        }
        let parent = come.parent();
        let since = self.seen(come).map_or(0, |seen| seen.presence.of);
        let families: BTreeSet<_> = self.seen(come).into_iter().flat_map(FieldEvidence::families).collect();
        let suspicious = |path: &FieldPath| {
            let Some(seen) = self.seen(path) else { return false };
            let could_be = families.is_empty()
                || seen.families.is_empty()
                || seen.families().any(|family| families.contains(&family));
            seen.presence.with > 0
                && seen.presence.run <= since + BETWEEN_ROWS_MAX
                && seen.presence.share() >= SHARE_MIN
                && could_be
                && !path.as_str().ends_with("[]")
                && path.parent() == parent
                && !self.evidence.have_met(come, path)
        };
        self.known.schema.fields.keys().filter(|path| suspicious(path)).collect()
    }

    fn score(&self, gone: &'a FieldPath, come: &'a FieldPath) -> Option<Score> {
        let old = (gone, self.seen(gone)?, self.gone.get(gone));
        Some(rename::score(self.evidence, old, (come, self.seen(come)?), &self.staying))
    }

    /// Answers which new fields took a lost one's place; returns those that took nobody's.
    fn resolve(&mut self, questions: BTreeMap<&'a FieldPath, Vec<&'a FieldPath>>) -> Vec<&'a FieldPath> {
        let suspects: BTreeSet<&FieldPath> = questions.values().flatten().copied().collect();
        self.staying = self
            .known
            .schema
            .fields
            .keys()
            .filter(|path| !suspects.contains(path) && !self.gone.contains_key(path))
            .collect();
        let mut pairs: Vec<(&'a FieldPath, &'a FieldPath, Score)> = questions
            .iter()
            .flat_map(|(come, suspects)| suspects.iter().map(|gone| (*gone, *come)))
            .filter_map(|(gone, come)| Some((gone, come, self.score(gone, come)?)))
            .collect();
        pairs.sort_by(|a, b| b.2.score.total_cmp(&a.2.score));
        let rows = |path: &FieldPath| self.seen(path).map_or(0, |seen| seen.presence.of);
        // A question is ripe when no column that the field may have come from is undecided, or
        // when it has waited long enough.
        let ripe = |come: &FieldPath| {
            let open =
                questions.get(come).into_iter().flatten().filter(|path| !self.gone.contains_key(*path));
            let promising = |gone: &FieldPath| {
                pairs.iter().any(|(a, b, score)| *a == gone && *b == come && score.score >= THRESHOLD)
            };
            let longest = open.map(|gone| if promising(gone) { HANDOVER_ROWS } else { QUESTION_ROWS }).max();
            longest.is_none_or(|longest| rows(come) >= longest)
        };
        let mut taken: BTreeSet<&FieldPath> = BTreeSet::new();
        let mut renamed: Vec<(&'a FieldPath, &'a FieldPath, Score)> = Vec::new();
        loop {
            let rest = || pairs.iter().filter(|(a, b, _)| !taken.contains(a) && !taken.contains(b));
            let clear = rest().find(|(gone, come, score)| {
                let rival = rest()
                    .filter(|(a, b, _)| (a == gone) != (b == come))
                    .map(|(_, _, score)| score.score)
                    .fold(0.0, f64::max);
                score.score >= THRESHOLD && score.score >= rival + MARGIN && self.gone.contains_key(*gone)
            });
            let Some((gone, come, score)) = clear.cloned() else { break };
            taken.extend([gone, come]);
            renamed.push((gone, come, score));
        }
        // Until a question is ripe, more rows may still show values that tell.
        let waiting: BTreeSet<&FieldPath> = questions
            .keys()
            .filter(|come| !taken.contains(*come))
            .filter(|come| {
                let lost =
                    questions.get(*come).into_iter().flatten().any(|path| self.gone.contains_key(path));
                !ripe(come) || (lost && rows(come) < QUESTION_ROWS)
            })
            .copied()
            .collect();
        let nobodys: Vec<&'a FieldPath> = questions
            .keys()
            .filter(|come| !taken.contains(*come) && !waiting.contains(*come))
            .copied()
            .collect();
        for come in &waiting {
            let lost =
                questions.get(come).into_iter().flatten().filter(|path| self.gone.contains_key(**path));
            self.waiting.extend(lost.copied().collect::<Vec<_>>());
        }
        for (gone, come, score) in renamed {
            self.waiting.insert(gone);
            self.rename(gone, come, score);
        }
        nobodys
    }

    fn rename(&mut self, gone: &'a FieldPath, come: &'a FieldPath, score: Score) {
        let (Some(seen), Some(field)) = (self.seen(come), self.known.schema.fields.get(gone)) else { return };
        let kind = ChangeKind::RenameColumn {
            column: gone.clone(),
            to: come.clone(),
            typed: typed(seen.types()),
            previous: typed_of(field),
        };
        let evidence = ChangeEvidence::Proposed { score: score.score, parts: score.parts };
        let first = seen.presence.first.as_ref();
        self.found.push(Detected {
            change: SchemaChange { kind, evidence },
            position: first.map(|place| place.version.clone()),
            at: first.map_or(0, |place| place.at),
        });
    }

    fn drop_columns(&mut self) {
        for (path, gone) in self.gone {
            let Some(field) = self.known.schema.fields.get(*path) else { continue };
            // What stood in a lost field is lost with it.
            let within = self.gone.keys().any(|other| other != path && is_within(path, other));
            if within || self.waiting.contains(path) {
                continue;
            }
            let of = self.seen(path).map_or(0, |seen| seen.presence.with);
            let mut because = format!("the last {} rows lack it, {of} had it before", gone.rows);
            let candidates: Vec<String> = self
                .evidence
                .fields
                .keys()
                .filter(|come| !self.known.schema.fields.contains_key(**come))
                .filter(|come| self.suspects(come).contains(path))
                .filter_map(|come| Some((come, self.score(path, come)?)))
                .map(|(come, score)| format!("{come} ({:.2})", score.score))
                .take(4)
                .collect();
            if !candidates.is_empty() {
                because.push_str(&format!("; it may go on as {}", candidates.join(" or ")));
            }
            let kind = ChangeKind::DropColumn { column: (*path).clone(), typed: typed_of(field) };
            self.found.push(detected(kind, gone.began.as_ref(), gone.rows, gone.chance, because));
        }
    }

    fn add(&mut self, path: &FieldPath) {
        let Some(seen) = self.seen(path) else { return };
        // A field within a map comes with the map, or after it.
        let adds = |found: &[Detected], parent: &FieldPath| {
            found.iter().any(|one| match &one.change.kind {
                ChangeKind::AddColumn { column, .. } => column == parent,
                ChangeKind::RenameColumn { column, to, .. } => {
                    let rest = path.as_str().get(to.as_str().len()..).unwrap_or_default();
                    let moved = FieldPath::new(format!("{column}{rest}"));
                    is_within(parent, to) && !self.known.schema.fields.contains_key(&moved)
                }
                _ => false,
            })
        };
        let ready = path.parent().is_none_or(|parent| {
            self.known.schema.fields.contains_key(&parent) || adds(&self.found, &parent)
        });
        if !ready {
            return;
        }
        let presence = &seen.presence;
        let because = format!("{} of {} rows have it since it appeared", presence.with, presence.of);
        let kind = ChangeKind::AddColumn { column: path.clone(), typed: typed(seen.types()), default: None };
        self.found.push(detected(kind, presence.first.as_ref(), presence.with, 0.0, because));
    }
}

/// Whether a field that an earlier version had is there again, rather than written by some last
/// writer of the old shape: it is in most of the latest rows of a lane, or was in many in all.
fn persists(seen: &FieldEvidence) -> bool {
    let mostly = |[with, of]: &[u64; 2]| *with >= LATELY_UNIT * PERSIST_ROWS.max(of / 2);
    seen.lately.iter().any(mostly) || seen.presence.with >= PERSIST_ROWS_SPARSE
}
