//! What came of predictions, and what is learnt from it.
//!
//! Both are decided anew from what happened, each time, so it does not matter how often or in which order:
//! what a prediction taught before is taken back, and what it teaches now is added. A change that becomes
//! known late is no different from one that was known at once.
//!
//! A claim is scored when its time is over and not when it comes true: whoever counts what came at once and
//! what did not come half a year later believes in too much for half a year. Columns are counted at once,
//! because what announces them nearly always names a date.

use std::collections::BTreeMap;

use evercount_core::order::Micros;
use evercount_core::prediction::{
    ColumnBelief, DAY, GRACE, Kind, Learnt, Outlook, Prediction, ReliabilityPoint, Standing, Tally,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::candidates::Trust;
use crate::history::{Event, EventKind, History, Seconds};
use crate::naming::Record;
use crate::online::Adjustment;
use crate::units::is_of;

/// Columns of one change that are named one by one.
const TOLD_MAX: usize = 3;

/// A prediction with what came of it, as far as a history tells; nothing else of it is changed.
#[must_use]
pub fn settle(prediction: &Prediction, history: &History, now: Micros) -> Prediction {
    let mut next = prediction.clone();
    let of_table = || history.events().iter().filter(|event| *event.table == *prediction.table.as_str());
    let after = |event: &&Event| micros(event.at) > prediction.made_at && micros(event.at) <= now;
    let gone = of_table().filter(after).find(|event| event.kind == EventKind::DropTable);
    let gone = gone.map(|event| micros(event.at));
    // Of a table that went and came again, what follows is another life.
    let ends = gone.unwrap_or(now);
    let changes: Vec<&Event> = of_table().filter(after).filter(|event| micros(event.at) <= ends).collect();
    for column in &mut next.columns {
        let events = of_table().filter(|event| {
            let at = micros(event.at);
            at > column.since && at <= ends
        });
        *column = settled_column(column, events, gone, now);
    }
    claims(&mut next, &changes, gone, now);
    standing(&mut next, &changes, gone, now);
    next
}

fn claims(prediction: &mut Prediction, changes: &[&Event], gone: Option<Micros>, now: Micros) {
    let made_at = prediction.made_at;
    let Outlook::Claims { claims, .. } = &mut prediction.outlook else { return };
    for claim in claims {
        let ends_at = claim.ends_at(made_at);
        let is_it = |event: &&&Event| is_of(claim.kind, event.kind) && micros(event.at) <= ends_at;
        let came = changes.iter().any(|event| is_it(&event));
        let is_over = now > ends_at.saturating_add(GRACE);
        let can_be_judged = came || gone.is_none_or(|at| at > ends_at);
        claim.came = (is_over && can_be_judged).then_some(came);
    }
}

fn standing(prediction: &mut Prediction, changes: &[&Event], gone: Option<Micros>, now: Micros) {
    if prediction.standing == Standing::Expired && gone.is_none() {
        return;
    }
    let is_it = |event: &&&Event| is_of(Kind::Any, event.kind) && micros(event.at) <= prediction.ends_at;
    let first = changes.iter().find(|event| is_it(event)).map(|event| event.at);
    let said = prediction.headline().map(|claim| claim.said);
    let percent = said.map(|said| {
        let [p, from, to] = [said.p, said.from, said.to].map(|p| (p * 100.0).round());
        format!("{p} % [{from}, {to}] was said")
    });
    let percent = percent.unwrap_or_else(|| "nothing was said".to_owned());
    let days = |at: Micros| (at - prediction.made_at) / DAY;
    let (standing, came, happened, words) = if let Some(first) = first {
        let what = told(changes.iter().filter(|event| event.at == first));
        let words = format!("{percent}, and after {} days it {what}", days(micros(first)));
        (Standing::Confirmed, Some((micros(first), what)), Some(1.0), words)
    } else if let Some(gone) = gone.filter(|gone| *gone <= prediction.ends_at) {
        let words = format!("{percent}, and after {} days the table was gone", days(gone));
        (Standing::Expired, None, None, words)
    } else if now > prediction.ends_at.saturating_add(GRACE) && said.is_none() {
        (Standing::Expired, None, None, format!("{percent}, and nothing changed"))
    } else if now > prediction.ends_at.saturating_add(GRACE) {
        let words = format!("{percent}, and nothing changed");
        (Standing::Refuted, None, Some(0.0), words)
    } else {
        (Standing::Open, None, None, String::new())
    };
    prediction.error = happened.zip(said).map(|(happened, said)| ((happened - said.p) * 1e4).round() / 1e4);
    (prediction.standing, prediction.came, prediction.discrepancy) = (standing, came, words);
}

/// What one commit did to a table, in words.
fn told<'a>(events: impl Iterator<Item = &'a &'a Event>) -> String {
    let one = |event: &&Event| {
        let column = &event.column;
        match event.kind {
            EventKind::AddColumn => Some(format!("got `{column}` ({})", event.typed)),
            EventKind::DropColumn => Some(format!("lost `{column}`")),
            EventKind::ChangeType => Some(format!("got another type of `{column}` ({})", event.typed)),
            EventKind::RenameColumn => Some(format!("had `{}` renamed to `{column}`", event.before)),
            _ => None,
        }
    };
    let all: Vec<String> = events.filter_map(one).collect();
    let left_out = all.len().saturating_sub(TOLD_MAX);
    let mut words = all.into_iter().take(TOLD_MAX).collect::<Vec<_>>().join(", ");
    if left_out > 0 {
        words += &format!(" and {left_out} more");
    }
    words
}

fn settled_column<'a>(
    belief: &ColumnBelief,
    mut events: impl Iterator<Item = &'a Event>,
    gone: Option<Micros>,
    now: Micros,
) -> ColumnBelief {
    let mut next = belief.clone();
    let is_withdrawn = belief.standing == Standing::Expired && belief.counted.is_none();
    if is_withdrawn {
        return next;
    }
    let name = belief.column.as_str();
    let is_it = |event: &&Event| match belief.kind {
        Kind::Drop => {
            (event.kind == EventKind::DropColumn && *event.column == *name)
                || (event.kind == EventKind::RenameColumn && *event.before == *name)
        }
        _ => is_of(Kind::Add, event.kind) && *event.column == *name,
    };
    let came = events.find(is_it).map(|event| (micros(event.at), event.typed.to_string()));
    let verb = if belief.kind == Kind::Drop { "went" } else { "came" };
    (next.standing, next.counted, next.discrepancy) = match &came {
        Some((at, typed)) => {
            (Standing::Confirmed, Some(true), format!("it {verb}{}", compared(belief, *at, typed)))
        }
        None if gone.is_some() => (Standing::Expired, None, "the table is gone".to_owned()),
        None if now > belief.until.saturating_add(GRACE) && belief.at.is_some() => {
            (Standing::Refuted, Some(false), "its date is over by a month, and it has not come".to_owned())
        }
        None if now > belief.until.saturating_add(GRACE) => {
            (Standing::Expired, Some(false), format!("half a year is over, and nothing {verb}"))
        }
        None => (Standing::Open, None, String::new()),
    };
    next.came = came;
    next
}

/// How a column that came differs from what was said.
fn compared(belief: &ColumnBelief, at: Micros, typed: &str) -> String {
    let days = belief.at.map(|said| (at - said).div_euclid(DAY));
    let when = match days {
        None => String::new(),
        Some(0) => " on its day".to_owned(),
        Some(days) if days < 0 => format!(" {} days early", -days),
        Some(days) => format!(" {days} days late"),
    };
    let differs = |said: &&String| belief.kind == Kind::Add && family(said) != family(typed);
    let typed = match belief.typed.as_ref().filter(differs) {
        Some(said) if !typed.is_empty() => format!(", as {typed} where {said} was said"),
        _ => String::new(),
    };
    format!("{when}{typed}")
}

/// What kind of type a text means: a plan says `TEXT` or `S` where the registry says `string(20) or null`.
fn family(typed: &str) -> String {
    let end = typed.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(typed.len());
    let word = typed.get(..end).unwrap_or(typed).to_ascii_lowercase();
    let is = |names: &[&str]| names.contains(&word.as_str());
    if is(&["s", "text", "string", "varchar", "char", "character", "tinytext", "mediumtext", "longtext"]) {
        return "text".to_owned();
    }
    let numbers = [
        "n",
        "number",
        "int",
        "integer",
        "bigint",
        "smallint",
        "mediumint",
        "tinyint",
        "decimal",
        "numeric",
        "float",
        "double",
        "real",
    ];
    match () {
        () if is(&numbers) => "number".to_owned(),
        () if is(&["bool", "boolean"]) => "boolean".to_owned(),
        () => word,
    }
}

/// What a prediction teaches.
#[derive(Clone, PartialEq, Debug, Default)]
struct Lesson {
    level: Option<(f64, bool)>,
    evidence: Vec<(String, bool)>,
    claims: Vec<((Micros, Kind, u32), f64, bool)>,
}

fn lesson(prediction: &Prediction) -> Lesson {
    let headline = prediction.headline();
    let counted = prediction.columns.iter().filter_map(|one| Some((one.source.clone(), one.counted?)));
    let claims = prediction.claims().iter().filter_map(|claim| {
        let month = month(claim.ends_at(prediction.made_at));
        Some(((month, claim.kind, claim.days), claim.said.p, claim.came?))
    });
    Lesson {
        level: headline.and_then(|claim| Some((claim.said.p, claim.came?))),
        evidence: counted.collect(),
        claims: claims.collect(),
    }
}

/// What is learnt where a prediction became another: what the one before taught is taken back, and what it
/// teaches now is added, to what was learnt and to the points, of which those that there are must be among
/// `points`. `None` where it teaches nothing else than before; `revision` and time are the caller's.
#[must_use]
pub fn learn(
    before: Option<&Prediction>,
    after: &Prediction,
    learnt: &Learnt,
    points: &[ReliabilityPoint],
) -> Option<(Learnt, Vec<ReliabilityPoint>)> {
    let (before, after) = (before.map(lesson).unwrap_or_default(), lesson(after));
    if before == after {
        return None;
    }
    let (mut level, mut trust) = (adjustment(learnt), trust(learnt));
    let mut changed: BTreeMap<(Micros, Kind, u32), ReliabilityPoint> = BTreeMap::new();
    for (lesson, back) in [(&before, true), (&after, false)] {
        match lesson.level {
            Some((p, came)) if back => level.revert(p, came),
            Some((p, came)) => level.observe(p, came),
            None => {}
        }
        for (source, came) in &lesson.evidence {
            if back { trust.revert(source, *came) } else { trust.observe(source, *came) }
        }
        for (key, p, came) in &lesson.claims {
            let (month, kind, days) = *key;
            let point = changed.entry(*key).or_insert_with(|| {
                let known = points.iter().find(|point| point.key() == *key);
                known.cloned().unwrap_or_else(|| ReliabilityPoint::empty(month, kind, days))
            });
            point.count(*p, *came, back);
        }
    }
    changed.retain(|key, point| points.iter().find(|known| known.key() == *key) != Some(&*point));
    let tally = |one: Record| Tally { hits: one.hits, of: one.of };
    let next = Learnt {
        surprise_micro: level.surprise_micro,
        confirmed: level.confirmed,
        refuted: level.refuted,
        trust: trust
            .0
            .into_iter()
            .filter(|(_, one)| one.of > 0)
            .map(|(name, one)| (name, tally(one)))
            .collect(),
        ..learnt.clone()
    };
    Some((next, changed.into_values().collect()))
}

/// What was learnt, as the level that predictions are moved by.
#[must_use]
pub fn adjustment(learnt: &Learnt) -> Adjustment {
    let Learnt { surprise_micro, confirmed, refuted, .. } = *learnt;
    Adjustment { surprise_micro, confirmed, refuted }
}

/// What was learnt of evidence.
#[must_use]
pub fn trust(learnt: &Learnt) -> Trust {
    let record = |one: &Tally| Record { hits: one.hits, of: one.of };
    Trust(learnt.trust.iter().map(|(name, one)| (name.clone(), record(one))).collect())
}

/// The month of a time.
fn month(at: Micros) -> Micros {
    let first = Timestamp::from_microsecond(at).ok().and_then(|at| {
        let first = at.to_zoned(TimeZone::UTC).first_of_month().ok()?;
        first.start_of_day().ok()
    });
    first.map_or(0, |first| first.timestamp().as_microsecond())
}

fn micros(at: Seconds) -> Micros {
    at.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests;
