//! Owns what a lane begins with when other lanes know the subject already.
//!
//! When a shard splits, its rows go on in lanes that never saw a column which was dropped just
//! then: they would not miss it, and nobody else has rows that lack it. So a lane begins with what
//! the others have met, without the numbers: those stay where they were counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercount_core::detection::records::{
    Bits, Entry, Gathered, Place, RECENT_ROWS_MAX, RecentRow, Trace, Watch,
};
use evercount_core::schema::FieldPath;

/// Rows that an inherited field counts for: enough to tell types of entities apart by it, and
/// too few to weigh in a test.
const INHERITED_ROWS: u64 = 10;

/// The watch of a lane that begins at a schema version, which all the others follow.
pub(super) fn heir(others: &[Watch], version: u32) -> Watch {
    let lanes: Vec<&Gathered> = others.iter().map(Watch::gathered).collect();
    let mut entries: BTreeMap<&FieldPath, Vec<(&Gathered, &Entry)>> = BTreeMap::new();
    for lane in &lanes {
        for entry in lane.entries.iter().filter(|entry| entry.known && entry.presence.with > 0) {
            entries.entry(&entry.path).or_default().push((lane, entry));
        }
    }
    let numbers: BTreeMap<&FieldPath, usize> = entries.keys().copied().zip(0..).collect();
    let number = |lane: &Gathered, old: usize| numbers.get(&lane.entries.get(old)?.path).copied();
    let inherited = entries.values().filter_map(|known| {
        let (_, first) = known.first()?;
        let mut entry = (*first).clone();
        entry.presence = inherit(known.iter().map(|(_, entry)| &entry.presence));
        (entry.nulls, entry.elsewhere, entry.lately) = (0, [0; 2], [0; 2]);
        let mut families: BTreeMap<_, Vec<&Trace>> = BTreeMap::new();
        for (family, trace) in known.iter().flat_map(|(_, entry)| &entry.families) {
            families.entry(*family).or_default().push(trace);
        }
        entry.families =
            families.into_iter().map(|(family, traces)| (family, inherit(traces.into_iter()))).collect();
        let met = known.iter().flat_map(|(lane, entry)| bits(&entry.met).filter_map(|old| number(lane, old)));
        entry.met = of_bits(met);
        Some(entry)
    });
    let entries = inherited.collect();
    // Rows keep their keys, so the values that a row had say under which name it has them now.
    let share = RECENT_ROWS_MAX / lanes.len().max(1);
    let recent = lanes.iter().flat_map(|lane| {
        let over = lane.recent.len().saturating_sub(share);
        lane.recent.iter().skip(over).map(|row| RecentRow {
            key: row.key,
            values: row.values.iter().filter_map(|(old, hash)| Some((number(lane, *old)?, *hash))).collect(),
        })
    });
    let recent = recent.collect();
    Watch::from(Gathered { version, entries, recent, ..Gathered::default() })
}

/// One trace for what several lanes have met, as if it were of [`INHERITED_ROWS`] rows.
fn inherit<'a>(traces: impl Iterator<Item = &'a Trace>) -> Trace {
    let newer = |a: &Arc<Place>, b: &Arc<Place>| a.version > b.version;
    let mut all = Trace::default();
    for trace in traces {
        all.with += trace.with;
        all.of += trace.of.saturating_sub(trace.run);
        if let Some(first) = &trace.first
            && all.first.as_ref().is_none_or(|known| newer(known, first))
        {
            all.first = Some(first.clone());
        }
        if let Some(last) = &trace.last
            && all.last.as_ref().is_none_or(|known| newer(last, known))
        {
            all.last = Some(last.clone());
        }
    }
    let with = all.with.min(INHERITED_ROWS);
    all.of = all.of.max(all.with).saturating_mul(with) / all.with.max(1);
    all.with = with;
    all
}

fn bits(bits: &Bits) -> impl Iterator<Item = usize> + '_ {
    let words = bits.words().iter().enumerate();
    words.flat_map(|(index, word)| {
        (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
    })
}

fn of_bits(numbers: impl Iterator<Item = usize>) -> Bits {
    let mut words: Vec<u64> = Vec::new();
    for number in numbers {
        if words.len() <= number / 64 {
            words.resize(number / 64 + 1, 0);
        }
        if let Some(word) = words.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }
    Bits::restore(words)
}
