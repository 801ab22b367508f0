//! Watches and observed schemas as they are stored between invocations: compact JSON, in which
//! lists stand for structures, numbers for places that many fields share, and base64 for hashes.
//!
//! | key | meaning |
//! |---|---|
//! | `format` | 1 |
//! | `places` | `[version, time]`: where rows stand; others refer to them by number |
//! | `entries` | `[path, known, trace, nulls, [[family, trace]…], [elsewhere (2), lately (2), left], met]`; others refer to them by number |
//! | a trace | `[with, of, run, longest, first, last, gap]`, the last three as places |
//! | `marks` | `[rows, place]` |
//! | `handovers` | `[gone, come, tried, held]` |
//! | `recent` | the key of a row, which columns it has, and two bytes of each one's value's hash |
//! | `shares` | `[version, start, first, last]`, each `[rows, [[path, with, of, [[family, count]…]]…]]` |
//! | `observed` | an observed schema |
//! | `fields` of that | `[path, rows, [family, count…], numbers, length_max, texts, formats, sketch, first, last]`, the last two as numbers of `times` |
//!
//! A watch of 100 columns takes about 43 kB; what a source cannot name by itself is bounded,
//! so hostile rows do not make it grow.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use evercount_core::detection::records::{
    Bits, Counts, Entry, Gathered, Handover, Mark, Place, RecentRow, Shares, Tally, Trace, Watch,
};
use evercount_core::observed::{
    Families, Family, Formats, Numbers, ObservedField, ObservedSchema, ValueSketch,
};
use evercount_core::order::{Micros, OrderVersion};
use evercount_core::schema::FieldPath;
use serde::{Deserialize, Serialize};

/// The format written here.
const FORMAT: u32 = 1;

/// Why a text is no stored watch or observed schema.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WatchError {
    /// It is not JSON, or not of this structure.
    #[error("not the JSON of a watch: {0}")]
    Json(String),
    /// Another version of this program wrote it.
    #[error("format `{0}` is not known here")]
    Format(u32),
    /// A part of it is not what it should be.
    #[error("`{0}` of a stored watch cannot be read")]
    Part(&'static str),
}

/// The stored form of a watch.
#[must_use]
pub fn to_json(watch: &Watch) -> String {
    let gathered = watch.gathered();
    let mut places = Places::default();
    let entries = gathered
        .entries
        .iter()
        .map(|entry| {
            let families = entry.families.iter();
            let ([since, longest], [with, of]) = (entry.elsewhere, entry.lately);
            EntryForm(
                entry.path.as_str().into(),
                u8::from(entry.known),
                places.trace(&entry.presence),
                entry.nulls,
                families.map(|(family, trace)| (family.index(), places.trace(trace))).collect(),
                [since, longest, with, of, u64::from(entry.left)],
                words_text(entry.met.words()),
            )
        })
        .collect();
    let marks = gathered.marks.iter().map(|mark| (mark.rows, places.number(&mark.place))).collect();
    let handovers = gathered.handovers.iter().map(|((gone, come), handover)| {
        (gone.as_str().into(), come.as_str().into(), handover.tried, handover.held)
    });
    let form = WatchForm {
        format: FORMAT,
        version: gathered.version,
        rows: gathered.rows,
        late: gathered.late,
        overflow: gathered.overflow,
        entries,
        marks,
        handovers: handovers.collect(),
        recent: gathered.recent.iter().map(recent_text).collect(),
        observed: observed_form(&gathered.observed),
        shares: shares_form(&gathered.shares),
        places: places.forms,
    };
    // Nothing in the form can fail: no maps with keys that are not texts, no numbers out of range.
    serde_json::to_string(&form).unwrap_or_default()
}

/// Reads the stored form of a watch.
///
/// # Errors
/// [`WatchError`] where the text is not what [`to_json`] writes.
pub fn from_json(text: &str) -> Result<Watch, WatchError> {
    let form: WatchForm = read(text)?;
    let places: Vec<Arc<Place>> = form
        .places
        .iter()
        .map(|(version, at)| {
            let version = OrderVersion::from_bytes(&bytes(version, "places")?);
            let version = version.ok_or(WatchError::Part("places"))?;
            Ok(Arc::new(Place { version, at: *at }))
        })
        .collect::<Result<_, WatchError>>()?;
    let place = |number: usize| places.get(number).cloned().ok_or(WatchError::Part("places"));
    let trace = |form: &TraceForm| -> Result<Trace, WatchError> {
        let TraceForm(with, of, run, longest, first, last, gap) = *form;
        let [first, last, gap] = [first, last, gap].map(|number| number.map(&place).transpose());
        Ok(Trace { with, of, run, longest, first: first?, last: last?, gap: gap? })
    };
    let count = form.entries.len();
    let mut entries = Vec::with_capacity(count);
    for EntryForm(path, known, presence, nulls, families, counts, met) in &form.entries {
        let families = families.iter().map(|(family, form)| {
            Ok((Family::from_index(*family).ok_or(WatchError::Part("entries"))?, trace(form)?))
        });
        let [since, longest, with, of, left] = *counts;
        let words = words(met)?;
        if words.len() > count.div_ceil(64) {
            return Err(WatchError::Part("entries"));
        }
        entries.push(Entry {
            path: FieldPath::new(path),
            known: *known == 1,
            presence: trace(presence)?,
            nulls: *nulls,
            families: families.collect::<Result<_, WatchError>>()?,
            elsewhere: [since, longest],
            lately: [with, of],
            left: u32::try_from(left).unwrap_or(u32::MAX),
            met: Bits::restore(words),
        });
    }
    let marks = form.marks.iter().map(|(rows, number)| Ok(Mark { rows: *rows, place: place(*number)? }));
    let handovers = form.handovers.iter().map(|(gone, come, tried, held)| {
        ((FieldPath::new(gone), FieldPath::new(come)), Handover { tried: *tried, held: *held })
    });
    Ok(Watch::from(Gathered {
        version: form.version,
        rows: form.rows,
        late: form.late,
        overflow: form.overflow,
        entries,
        marks: marks.collect::<Result<_, WatchError>>()?,
        handovers: handovers.collect(),
        recent: form.recent.iter().map(|text| recent(text)).collect::<Result<_, _>>()?,
        observed: observed(form.observed)?,
        shares: shares(form.shares)?,
    }))
}

/// The stored form of an observed schema.
#[must_use]
pub fn observed_to_json(observed: &ObservedSchema) -> String {
    serde_json::to_string(&observed_form(observed)).unwrap_or_default()
}

/// Reads the stored form of an observed schema.
///
/// # Errors
/// [`WatchError`] where the text is not what [`observed_to_json`] writes.
pub fn observed_from_json(text: &str) -> Result<ObservedSchema, WatchError> {
    observed(read(text)?)
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, WatchError> {
    let json = |error: serde_json::Error| WatchError::Json(error.to_string());
    let Version { format } = serde_json::from_str(text).map_err(json)?;
    if format != FORMAT {
        return Err(WatchError::Format(format));
    }
    serde_json::from_str(text).map_err(json)
}

#[derive(Serialize, Deserialize)]
struct WatchForm {
    format: u32,
    version: u32,
    rows: u64,
    late: u64,
    overflow: u64,
    places: Vec<(String, Micros)>,
    entries: Vec<EntryForm>,
    marks: Vec<(u64, usize)>,
    handovers: Vec<(String, String, u64, u64)>,
    recent: Vec<String>,
    observed: ObservedForm,
    shares: SharesForm,
}

#[derive(Serialize, Deserialize)]
struct SharesForm(u32, TallyForm, Option<TallyForm>, Option<TallyForm>);

#[derive(Serialize, Deserialize)]
struct TallyForm(u64, Vec<CountsForm>);

#[derive(Serialize, Deserialize)]
struct CountsForm(String, u64, u64, Vec<(usize, u64)>);

#[derive(Serialize, Deserialize)]
struct EntryForm(String, u8, TraceForm, u64, Vec<(usize, TraceForm)>, [u64; 5], String);

#[derive(Serialize, Deserialize)]
struct TraceForm(u64, u64, u64, u64, Option<usize>, Option<usize>, Option<usize>);

#[derive(Serialize, Deserialize)]
struct ObservedForm {
    format: u32,
    rows: u64,
    overflow: u64,
    times: Vec<Micros>,
    fields: Vec<FieldForm>,
}

#[derive(Serialize, Deserialize)]
struct FieldForm(String, u64, Vec<(usize, u64)>, (u8, u16, u16, u8), u64, u64, u8, String, usize, usize);

/// The places that traces refer to, each once.
#[derive(Default)]
struct Places {
    numbers: BTreeMap<(Vec<u8>, Micros), usize>,
    forms: Vec<(String, Micros)>,
}

impl Places {
    fn number(&mut self, place: &Place) -> usize {
        let key = (place.version.as_bytes().to_vec(), place.at);
        *self.numbers.entry(key).or_insert_with(|| {
            self.forms.push((BASE64.encode(place.version.as_bytes()), place.at));
            self.forms.len() - 1
        })
    }

    fn trace(&mut self, trace: &Trace) -> TraceForm {
        let [first, last, gap] = [&trace.first, &trace.last, &trace.gap]
            .map(|place| place.as_ref().map(|place| self.number(place)));
        TraceForm(trace.with, trace.of, trace.run, trace.longest, first, last, gap)
    }
}

fn bytes(text: &str, part: &'static str) -> Result<Vec<u8>, WatchError> {
    BASE64.decode(text).map_err(|_| WatchError::Part(part))
}

/// Words as bytes from the lowest up, without trailing zeros.
fn words_text(words: &[u64]) -> String {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    BASE64.encode(bytes)
}

fn words(text: &str) -> Result<Vec<u64>, WatchError> {
    let bytes = bytes(text, "entries")?;
    Ok(bytes
        .chunks(8)
        .map(|chunk| chunk.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte)))
        .collect())
}

/// The row's key, the columns as one bit each behind their number of bytes, and two bytes for
/// each column's value.
fn recent_text(row: &RecentRow) -> String {
    let mut columns: Vec<u8> = Vec::new();
    for (number, _) in &row.values {
        columns.resize(columns.len().max(number / 8 + 1), 0);
        if let Some(byte) = columns.get_mut(number / 8) {
            *byte |= 1 << (number % 8);
        }
    }
    let mut bytes = row.key.to_le_bytes().to_vec();
    bytes.extend_from_slice(&(columns.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&columns);
    bytes.extend(row.values.iter().flat_map(|(_, hash)| hash.to_le_bytes()));
    BASE64.encode(bytes)
}

fn recent(text: &str) -> Result<RecentRow, WatchError> {
    const WRONG: WatchError = WatchError::Part("recent");
    let bytes = bytes(text, "recent")?;
    let (key, rest) = bytes.split_first_chunk::<8>().ok_or(WRONG)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(WRONG)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (columns, hashes) = rest.split_at_checked(length).ok_or(WRONG)?;
    let numbers = columns
        .iter()
        .enumerate()
        .flat_map(|(at, byte)| (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| at * 8 + bit));
    let (hashes, left) = hashes.as_chunks::<2>();
    let values: Vec<(usize, u16)> =
        numbers.clone().zip(hashes.iter().map(|hash| u16::from_le_bytes(*hash))).collect();
    if !left.is_empty() || numbers.count() != hashes.len() {
        return Err(WRONG);
    }
    Ok(RecentRow { key: u64::from_le_bytes(*key), values })
}

fn shares_form(shares: &Shares) -> SharesForm {
    let tally = |tally: &Tally| {
        let fields = tally.fields.iter().map(|(path, counts)| {
            let families = counts.families.iter().map(|(family, n)| (family.index(), *n));
            CountsForm(path.as_str().into(), counts.with, counts.of, families.collect())
        });
        TallyForm(tally.rows, fields.collect())
    };
    let Shares { version, start, first, last } = shares;
    SharesForm(*version, tally(start), first.as_ref().map(tally), last.as_ref().map(tally))
}

fn shares(form: SharesForm) -> Result<Shares, WatchError> {
    let tally = |TallyForm(rows, fields): TallyForm| -> Result<Tally, WatchError> {
        let fields = fields.into_iter().map(|CountsForm(path, with, of, families)| {
            let families = families.into_iter().map(|(family, n)| {
                Family::from_index(family).map(|family| (family, n)).ok_or(WatchError::Part("shares"))
            });
            Ok((FieldPath::new(path), Counts { with, of, families: families.collect::<Result<_, _>>()? }))
        });
        Ok(Tally { rows, fields: fields.collect::<Result<_, WatchError>>()? })
    };
    let SharesForm(version, start, first, last) = form;
    Ok(Shares {
        version,
        start: tally(start)?,
        first: first.map(tally).transpose()?,
        last: last.map(tally).transpose()?,
    })
}

fn observed_form(observed: &ObservedSchema) -> ObservedForm {
    let mut times: Vec<Micros> = observed.fields().flat_map(|(_, field)| [field.first, field.last]).collect();
    times.sort_unstable();
    times.dedup();
    let time = |at: Micros| times.binary_search(&at).unwrap_or_default();
    let fields = observed.fields().map(|(path, field)| {
        let families = Family::all().map(|family| (family.index(), field.families.count(family)));
        let Numbers { negative, whole_digits, fraction_digits, bits } = field.numbers;
        FieldForm(
            path.as_str().into(),
            field.rows,
            families.filter(|(_, count)| *count > 0).collect(),
            (u8::from(negative), whole_digits, fraction_digits, bits),
            field.length_max,
            field.formats.texts,
            field.formats.all,
            BASE64.encode(field.sketch.hashes().flat_map(u32::to_le_bytes).collect::<Vec<u8>>()),
            time(field.first),
            time(field.last),
        )
    });
    let fields = fields.collect();
    ObservedForm { format: FORMAT, rows: observed.rows, overflow: observed.overflow, times, fields }
}

fn observed(form: ObservedForm) -> Result<ObservedSchema, WatchError> {
    let time = |number: usize| form.times.get(number).copied().ok_or(WatchError::Part("times"));
    let fields = form.fields.into_iter().map(|form| {
        let FieldForm(path, rows, counts, numbers, length_max, texts, all, sketch, first, last) = form;
        let (negative, whole_digits, fraction_digits, bits) = numbers;
        let mut families = Families::default();
        for (family, count) in counts {
            *families.0.get_mut(family).ok_or(WatchError::Part("fields"))? = count;
        }
        let hashes = bytes(&sketch, "fields")?;
        let (hashes, left) = hashes.as_chunks::<4>();
        if !left.is_empty() {
            return Err(WatchError::Part("fields"));
        }
        let field = ObservedField {
            rows,
            families,
            numbers: Numbers { negative: negative == 1, whole_digits, fraction_digits, bits },
            length_max,
            formats: Formats { texts, all },
            sketch: ValueSketch::restore(hashes.iter().map(|hash| u32::from_le_bytes(*hash))),
            first: time(first)?,
            last: time(last)?,
        };
        Ok((FieldPath::new(path), field))
    });
    let fields: Vec<(FieldPath, ObservedField)> = fields.collect::<Result<_, WatchError>>()?;
    Ok(ObservedSchema::restore(form.rows, form.overflow, fields))
}

#[cfg(test)]
mod tests;
