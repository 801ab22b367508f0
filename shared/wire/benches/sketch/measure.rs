//! Measures the error of sketches: this crate's estimate and that of the crate `hyperloglog`, on
//! the same values.

use evercount_core::sketch::{self, Precision};
use evercount_core::value::Value;
use evercount_wire::sketch::Sketch;
use hyperloglog::HyperLogLog;

/// The errors at one number of values, in shares of it.
#[derive(Clone, Debug)]
pub struct Row {
    pub precision: Precision,
    pub values: u64,
    /// Root mean square of the estimate's relative error.
    pub ours: f64,
    /// That of the crate's `len`.
    pub crates: f64,
    /// What theory says of it, for many values.
    pub theory: f64,
    /// Mean size of the stored form, bytes.
    pub bytes: usize,
}

/// Errors at rising numbers of values, over as many seeds.
pub fn table(sizes: &[u64], seeds: u64) -> Vec<Row> {
    let precisions = [Precision::WINDOW, Precision::LIVE];
    let mut rows: Vec<Row> = precisions
        .iter()
        .flat_map(|precision| sizes.iter().map(|values| empty(*precision, *values)))
        .collect();
    for seed in 0..seeds {
        let mut pairs = precisions.map(|precision| (Sketch::new(precision), crates_own(precision)));
        let mut inserted = 0;
        for size in sizes {
            // The seed is the key: the same values under another hash.
            let hash = |n: u64| sketch::hash(&Value::Number(i64::try_from(n).unwrap_or(0).into()), seed);
            let hashes: Vec<u64> = (inserted..*size).map(hash).collect();
            for (ours, crates) in &mut pairs {
                ours.extend_hashes(hashes.iter().copied());
                hashes.iter().for_each(|hash| crates.insert_by_hash_value(*hash));
            }
            inserted = *size;
            for (ours, crates) in &pairs {
                let row =
                    rows.iter_mut().find(|row| row.precision == ours.precision() && row.values == *size);
                if let Some(row) = row {
                    let square = |estimate: f64| (estimate / *size as f64 - 1.0).powi(2) / seeds as f64;
                    row.ours += square(sketch::estimate(ours.precision(), ours.ranks()));
                    row.crates += square(crates.len());
                    row.bytes += ours.to_bytes().len();
                }
            }
        }
    }
    for row in &mut rows {
        row.ours = row.ours.sqrt();
        row.crates = row.crates.sqrt();
        row.bytes /= usize::try_from(seeds).unwrap_or(1);
    }
    rows
}

fn empty(precision: Precision, values: u64) -> Row {
    let theory = precision.relative_standard_error();
    Row { precision, values, ours: 0.0, crates: 0.0, theory, bytes: 0 }
}

/// As [`Sketch`] makes it.
fn crates_own(precision: Precision) -> HyperLogLog {
    HyperLogLog::new_deterministic(1.04 / ((f64::from(precision.bits()) - 0.5) / 2.0).exp(), 0)
}
