//! The memo: rows that no definition can tell apart are judged once.
//!
//! [`counting::targets`] is the only interpreter of counting logic, and what it makes of an image
//! depends on nothing but the values at the paths that definitions read. Of a value that is only
//! compared with constants it depends on even less: where it lies among those constants. So each
//! path's value is brought to its *class* once a row (`slot`), and what the interpreter said of a
//! combination of classes is said again of the next row that has it.
//!
//! Definitions whose condition is a conjunction of parts that read one path each are kept by
//! column: the class of a value holds one bit for each of them, and their truth for a row is the
//! bitwise AND over the columns, so a hundred conditions cost a hundred bits. Those of them with
//! the same grouping share the group. Every other definition, and every row that is more than
//! counted or not (an attribute is missing, a value was not sent), goes by its whole combination.
//!
//! Basis of the bits: O'Neil, Quass, *Improved query performance with variant indexes*, SIGMOD
//! 1997, doi 10.1145/253260.253268.

mod column;
mod cube;
mod row;
mod slot;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::change::TableName;
use crate::counting::{self, Cells, Targets, Unavailable};
use crate::group::Cell;
use crate::image::ImageRef;
use crate::logic::{Catalog, LogicVersion, TableLogic};
use crate::order::OrderVersion;
use crate::projection;
use column::ReadColumns;
use cube::{Cube, Plain};
use row::{Asked, KnownRows};
use slot::{Slots, Word};

/// Most combinations, values and groups that a table's memo keeps from one chunk to the next: with
/// about half a kilobyte each they stay within 8 MiB. One chunk may add as many as it has images.
pub const KEPT_MAX: usize = 16_384;

/// The golden ratio's fraction, in 64 bits: what multiplicative hashes multiply by.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes short keys in one go. The fixed seed makes a flood of colliding keys possible for who
/// chooses them; [`KEPT_MAX`] bounds what it costs.
#[derive(Clone, Copy, Default)]
pub(crate) struct ShortHasher(u64);

impl Hasher for ShortHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    // Lengths, and what ends a text: one multiplication, whose halves are folded into one.
    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number ^ GOLDEN) * u128::from(GOLDEN);
        let (low, high) = (product as u64, (product >> 64) as u64);
        self.0 = low ^ high;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map by short keys.
pub(crate) type ShortMap<K, V> = HashMap<K, V, BuildHasherDefault<ShortHasher>>;

/// What was judged, for every table of a catalog.
#[derive(Debug, Default)]
pub struct Memo {
    revision: Option<u64>,
    /// The table that was met last, which more often than not is met next.
    at_hand: Option<(TableName, Box<TableMemo>)>,
    others: BTreeMap<TableName, Box<TableMemo>>,
}

impl Memo {
    /// Forgets what was judged by another catalog, and what has grown beyond [`KEPT_MAX`]; done
    /// between chunks, because numbers of combinations are used within one.
    pub fn refresh(&mut self, catalog: &Catalog) {
        if self.revision != Some(catalog.revision) {
            *self = Self { revision: Some(catalog.revision), ..Self::default() };
        }
        self.others.extend(self.at_hand.take());
        self.others.retain(|_, table| {
            table.rows.forget();
            table.kept() <= KEPT_MAX
        });
    }

    /// The memo of a table, by the name its ledger rows are kept under.
    #[inline]
    pub fn of(&mut self, table: &TableName, logic: &TableLogic) -> &mut TableMemo {
        if self.at_hand.as_ref().is_none_or(|(held, _)| held != table) {
            self.others.extend(self.at_hand.take());
        }
        let others = &mut self.others;
        let found =
            || others.remove_entry(table).unwrap_or_else(|| (table.clone(), Box::new(TableMemo::new(logic))));
        &mut self.at_hand.get_or_insert_with(found).1
    }

    /// The memo of a table, where it has one.
    #[must_use]
    pub fn get(&self, table: &TableName) -> Option<&TableMemo> {
        match &self.at_hand {
            Some((held, memo)) if held == table => Some(memo),
            _ => self.others.get(table).map(Box::as_ref),
        }
    }
}

/// One thing that an image counts for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hit {
    /// Definitions that are kept by column, and have one grouping, count it in a group.
    Plain {
        /// Which grouping.
        cube: usize,
        /// Which definitions.
        plains: Plains,
        /// Which of the grouping's groups.
        group: usize,
        /// Where its distinct value falls; [`NO_REGISTER`] where it has none.
        register: u32,
    },
    /// What a whole combination counts for, by its number.
    Whole(usize),
}

/// Definitions that are kept by column: some of those that share a word of bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plains {
    word: usize,
    bits: u64,
}

impl Plains {
    /// Which word.
    pub(crate) fn word(self) -> usize {
        self.word
    }

    /// Its bits.
    pub(crate) fn bits(self) -> u64 {
        self.bits
    }
}

impl Iterator for Plains {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.bits == 0 {
            return None;
        }
        let bit = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(self.word * 64 + bit)
    }
}

/// No distinct value.
pub const NO_REGISTER: u32 = u32::MAX;

/// What was judged of one table.
#[derive(Debug, Default)]
pub struct TableMemo {
    slots: Slots,
    plain: Vec<Plain>,
    cubes: Vec<Cube>,
    families: Vec<Family>,
    /// The families that always go by the whole combination.
    whole_only: Vec<usize>,
    wholes: Vec<Whole>,
    columns: ReadColumns,
    rows: KnownRows,
    /// Of the row at hand.
    classes: Vec<u32>,
    holds: Vec<Word>,
}

/// All live versions of one definition, and the combinations they have met.
#[derive(Debug)]
struct Family {
    logic: Arc<TableLogic>,
    slots: Vec<usize>,
    untils: Vec<OrderVersion>,
    known: ShortMap<Box<[u32]>, usize>,
}

/// What one combination counts for.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The definition's versions.
    pub logic: Arc<TableLogic>,
    /// What it counts for.
    pub judged: Result<Targets, Unavailable>,
}

/// The logic of one definition.
fn family(logic: &TableLogic, versions: &[&Arc<LogicVersion>]) -> TableLogic {
    let of = |one: &&Arc<LogicVersion>| versions.iter().any(|live| live.id.definition == one.id.definition);
    TableLogic {
        live: versions.iter().map(|version| Arc::clone(version)).collect(),
        draining: logic.draining.iter().filter(of).cloned().collect(),
        adopted: None,
    }
}

impl TableMemo {
    /// A memo that knows nothing yet.
    #[must_use]
    pub fn new(logic: &TableLogic) -> Self {
        let mut memo = Self::default();
        let mut definitions: BTreeMap<_, Vec<&Arc<LogicVersion>>> = BTreeMap::new();
        for version in &logic.live {
            definitions.entry(&version.id.definition).or_default().push(version);
        }
        for versions in definitions.values() {
            memo.add(family(logic, versions));
        }
        // Those of a grouping follow one another, so that their counts of a group do.
        memo.plain.sort_by_key(|plain| plain.cube);
        for (number, plain) in memo.plain.iter().enumerate() {
            if let Some(cube) = memo.cubes.get_mut(plain.cube) {
                cube.join(number);
            }
        }
        memo.slots.seal(&memo.plain);
        memo.columns = ReadColumns::new(projection::columns(logic), &mut memo.slots);
        // What a migration makes of a row depends on when the row was written, too.
        if memo.families.iter().any(|family| !family.untils.is_empty()) {
            memo.rows.give_up();
        }
        memo
    }

    fn add(&mut self, logic: TableLogic) {
        let number = self.families.len();
        match Plain::of(&logic, number, &mut self.slots) {
            Some(mut plain) => {
                let cube = self.cubes.iter().position(|cube| cube.takes(&plain)).unwrap_or(self.cubes.len());
                if cube == self.cubes.len() {
                    self.cubes.push(Cube::of(&plain));
                }
                plain.cube = cube;
                self.plain.push(plain);
            }
            None => self.whole_only.push(number),
        }
        let slots = slot::read_by(&logic, &mut self.slots);
        let steps = logic.live.iter().flat_map(|version| &version.migration);
        let untils = steps.filter_map(|step| step.until.clone()).collect();
        self.families.push(Family { logic: Arc::new(logic), slots, untils, known: ShortMap::default() });
    }

    /// How much is kept.
    fn kept(&self) -> usize {
        self.wholes.len()
            + self.slots.kept()
            + self.columns.kept()
            + self.rows.kept()
            + self.cubes.iter().map(Cube::groups).sum::<usize>()
    }

    /// What an image counts for: the number of the row where that is known as a whole; where it is not, that is
    /// added to `hits`.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`counting::targets`]; some hits may have been added then.
    pub fn judge(
        &mut self,
        image: ImageRef<'_>,
        at: Option<&OrderVersion>,
        hits: &mut Vec<Hit>,
    ) -> Result<Option<usize>, Unavailable> {
        let Self { columns, slots, rows, .. } = self;
        let new = match rows.ask(|written| columns.key(image, slots, written)) {
            Asked::Known(row) => return Ok(Some(row)),
            Asked::New(row) => Some(row),
            Asked::Unasked => None,
        };
        let begin = hits.len();
        self.judge_by_column(image, at, hits)?;
        if let Some(row) = new {
            self.rows.note(row, hits.get(begin..).unwrap_or_default());
        }
        Ok(None)
    }

    // By itself, because what it needs at hand would be in the way of a row that is known.
    #[inline(never)]
    fn judge_by_column(
        &mut self,
        image: ImageRef<'_>,
        at: Option<&OrderVersion>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Unavailable> {
        self.columns.classify(image, &mut self.slots, &mut self.classes);
        self.slots.judge(image, &self.classes, &self.plain, &mut self.holds);
        for (number, cube) in self.cubes.iter_mut().enumerate() {
            cube.hits(number, image, &self.classes, &self.holds, hits)?;
        }
        for word in 0..self.holds.len() {
            let bits = self.holds.get(word).map_or(0, |word| word.odds);
            for plain in (Plains { word, bits }) {
                if let Some(family) = self.plain.get(plain).map(|plain| plain.family) {
                    self.hit_whole(family, image, at, hits)?;
                }
            }
        }
        for one in 0..self.whole_only.len() {
            if let Some(family) = self.whole_only.get(one).copied() {
                self.hit_whole(family, image, at, hits)?;
            }
        }
        Ok(())
    }

    fn hit_whole(
        &mut self,
        family: usize,
        image: ImageRef<'_>,
        at: Option<&OrderVersion>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Unavailable> {
        let whole = self.whole(family, image, at);
        if self.wholes.get(whole).is_none_or(|whole| whole.judged.is_err()) {
            return Err(Unavailable);
        }
        hits.push(Hit::Whole(whole));
        Ok(())
    }

    fn whole(&mut self, family: usize, image: ImageRef<'_>, at: Option<&OrderVersion>) -> usize {
        let number = self.wholes.len();
        let Some(family) = self.families.get_mut(family) else { return number };
        let classes = family.slots.iter().filter_map(|slot| self.classes.get(*slot).copied());
        let before = |until: &OrderVersion| u32::from(at.is_none_or(|at| at < until));
        let key: Vec<u32> = classes.chain(family.untils.iter().map(before)).collect();
        if let Some(known) = family.known.get(key.as_slice()) {
            return *known;
        }
        let judged = counting::targets(&family.logic.live, Some(&image.item()), at);
        self.wholes.push(Whole { logic: Arc::clone(&family.logic), judged });
        family.known.insert(key.into(), number);
        number
    }

    /// What a combination counts for.
    #[must_use]
    pub fn whole_of(&self, number: usize) -> Option<&Whole> {
        self.wholes.get(number)
    }

    /// What a row counts for that is known as a whole.
    #[must_use]
    pub fn hits_of(&self, row: usize) -> &[Hit] {
        self.rows.hits_of(row)
    }

    /// The version and the cell of a hit by column.
    #[must_use]
    pub fn plain_of(&self, plain: usize, group: usize) -> Option<(&Arc<LogicVersion>, &Cell)> {
        Some((self.version_of(plain)?, self.cell_of(plain, group)?))
    }

    /// The version of a definition by column.
    pub(crate) fn version_of(&self, plain: usize) -> Option<&Arc<LogicVersion>> {
        Some(&self.plain.get(plain)?.version)
    }

    /// The cell of a group of the grouping that a definition by column has.
    pub(crate) fn cell_of(&self, plain: usize, group: usize) -> Option<&Cell> {
        self.cubes.get(self.plain.get(plain)?.cube)?.cell(group)
    }

    /// Which definitions by column each grouping has.
    pub(crate) fn groupings(&self) -> impl Iterator<Item = Range<usize>> {
        self.cubes.iter().map(Cube::members)
    }

    /// What an image counts for under every live version of the table: what
    /// [`counting::targets`] says of it.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`counting::targets`].
    pub fn targets(
        &mut self,
        image: ImageRef<'_>,
        at: Option<&OrderVersion>,
    ) -> Result<Targets, Unavailable> {
        let mut hits = Vec::new();
        let known = self.judge(image, at, &mut hits)?;
        let hits = known.map_or(hits.as_slice(), |row| self.hits_of(row));
        let mut targets = Targets::default();
        for hit in hits {
            match *hit {
                Hit::Plain { plains, group, register, .. } => {
                    for (version, cell) in plains.filter_map(|plain| self.plain_of(plain, group)) {
                        let mut cells = Cells::from([(cell.clone(), 1)]);
                        if let Some(register) = slot::register_of(register, cell) {
                            cells.insert(register, 1);
                        }
                        targets.cells.insert(version.id.clone(), cells);
                    }
                }
                Hit::Whole(number) => {
                    if let Some(Ok(whole)) = self.whole_of(number).map(|whole| &whole.judged) {
                        let cells = whole.cells.iter().map(|(id, cells)| (id.clone(), cells.clone()));
                        targets.cells.extend(cells);
                        targets.failed.extend(whole.failed.iter().cloned());
                        targets.earlier.extend(whole.earlier.iter().cloned());
                    }
                }
            }
        }
        Ok(targets)
    }
}

pub use slot::register_of;

#[cfg(test)]
mod tests;
