//! Owns the counts of a chunk in lane mode: how often each judgement was met, so that cells are
//! moved once for all rows alike.
//!
//! A change takes its before image out and puts its after image in. Both are only tallied here; what
//! nets to nothing was never a movement of any cell.

use crate::change::TableName;
use crate::counting::{self, Contributions, Targets, Unavailable};
use crate::evidence;
use crate::group::Cell;
use crate::image::ImageRef;
use crate::logic::LogicId;
use crate::memo::{Hit, Memo, NO_REGISTER, Plains, ShortMap, TableMemo, register_of};
use crate::order::OrderVersion;
use crate::placement::Placement;

use super::plan::cap;

/// The counts of one chunk.
#[derive(Debug, Default)]
pub struct LaneTally {
    tables: Vec<(TableName, TableTally)>,
    /// What the record at hand would count, until it is known that all of it can be judged.
    staged: Vec<(usize, i64, Hit)>,
    hits: Vec<Hit>,
}

#[derive(Debug, Default)]
struct TableTally {
    /// By grouping, and in it by group and definition.
    cubes: Vec<Vec<Entry>>,
    touched: Vec<Touched>,
    registers: ShortMap<(usize, usize, u32), i64>,
    wholes: ShortMap<usize, Whole>,
}

/// One definition's count of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    net: i64,
    is_touched: bool,
}

#[derive(Clone, Copy, Debug)]
struct Touched {
    cube: usize,
    index: usize,
    plain: usize,
    group: usize,
    /// Whether the group is beyond its definition's cap.
    beyond: bool,
}

#[derive(Debug)]
struct Whole {
    net: i64,
    /// How many after images it was: what evidence is tallied by.
    afters: i64,
    capped: Targets,
}

impl LaneTally {
    /// Judges an image of the record at hand.
    ///
    /// # Errors
    /// [`Unavailable`] where it cannot be judged; nothing of the record is counted then.
    pub fn stage(
        &mut self,
        (table, memo): (&TableName, &mut TableMemo),
        image: ImageRef<'_>,
        at: &OrderVersion,
        sign: i64,
    ) -> Result<(), Unavailable> {
        let number = match self.tables.iter().position(|(known, _)| known == table) {
            Some(number) => number,
            None => {
                self.tables.push((table.clone(), TableTally::default()));
                self.tables.len() - 1
            }
        };
        memo.judge(image, Some(at), &mut self.hits)?;
        self.staged.extend(self.hits.iter().map(|hit| (number, sign, *hit)));
        Ok(())
    }

    /// Forgets what was staged.
    pub fn drop_staged(&mut self) {
        self.staged.clear();
    }

    /// Counts what was staged.
    pub fn take_staged(&mut self, memo: &Memo, placement: &mut Placement) {
        // Looked up once for a record's hits, which are of one table nearly always.
        let mut at_hand: Option<(usize, &TableMemo)> = None;
        for (number, sign, hit) in self.staged.drain(..) {
            let Some((table, tally)) = self.tables.get_mut(number) else { continue };
            let memo = match at_hand {
                Some((known, memo)) if known == number => memo,
                _ => {
                    let Some(memo) = memo.get(table) else { continue };
                    at_hand = Some((number, memo));
                    memo
                }
            };
            match hit {
                Hit::Plain { cube, plains, group, register } => {
                    tally.plains(memo, placement, (cube, group), plains, register, sign);
                }
                Hit::Whole(number) => tally.whole(memo, placement, number, sign),
            }
        }
    }

    /// By how much every cell moves, and the evidence of it.
    pub fn finish(
        self,
        memo: &Memo,
        placement: &mut Placement,
        sum: &mut Contributions,
        evidence: &mut Contributions,
    ) {
        for (table, tally) in self.tables {
            if let Some(memo) = memo.get(&table) {
                tally.finish(memo, placement, sum, evidence);
            }
        }
    }
}

impl TableTally {
    fn plains(
        &mut self,
        memo: &TableMemo,
        placement: &mut Placement,
        (cube, group): (usize, usize),
        plains: Plains,
        register: u32,
        sign: i64,
    ) {
        let Some(members) = memo.members_of(cube) else { return };
        if self.cubes.len() <= cube {
            self.cubes.resize_with(cube + 1, Vec::new);
        }
        let Some(entries) = self.cubes.get_mut(cube) else { return };
        let first = group * members.len();
        if entries.len() < first + members.len() {
            entries.resize_with(first + members.len(), Entry::default);
        }
        for plain in plains {
            let index = first + plain - members.start;
            let Some(entry) = entries.get_mut(index) else { return };
            entry.net += sign;
            if !entry.is_touched {
                entry.is_touched = true;
                let beyond = is_beyond(memo, placement, plain, group);
                self.touched.push(Touched { cube, index, plain, group, beyond });
            }
            if register != NO_REGISTER {
                *self.registers.entry((plain, group, register)).or_default() += sign;
            }
        }
    }

    fn whole(&mut self, memo: &TableMemo, placement: &mut Placement, number: usize, sign: i64) {
        let Some(judged) = memo.whole_of(number) else { return };
        let Ok(targets) = &judged.judged else { return };
        let whole = self.wholes.entry(number).or_insert_with(|| {
            let mut capped = targets.clone();
            cap(&mut capped.cells, None, &judged.logic, placement);
            Whole { net: 0, afters: 0, capped }
        });
        whole.net += sign;
        whole.afters += i64::from(sign > 0);
    }

    fn finish(
        self,
        memo: &TableMemo,
        placement: &mut Placement,
        sum: &mut Contributions,
        evidence: &mut Contributions,
    ) {
        let mut beyond = ShortMap::default();
        for touched in &self.touched {
            if touched.beyond {
                beyond.insert((touched.plain, touched.group), ());
            }
            let net = self.cubes.get(touched.cube).and_then(|entries| entries.get(touched.index));
            let Some((version, cell)) = memo.plain_of(touched.plain, touched.group) else { continue };
            let cell = if touched.beyond { &Cell::Overflow } else { cell };
            if let Some(entry) = net.filter(|entry| entry.net != 0) {
                move_cell(sum, &version.id, cell.clone(), entry.net);
            }
        }
        for ((plain, group, register), net) in self.registers {
            let Some((version, cell)) = memo.plain_of(plain, group) else { continue };
            let cell = if beyond.contains_key(&(plain, group)) { &Cell::Overflow } else { cell };
            if let Some(register) = register_of(register, cell).filter(|_| net != 0) {
                move_cell(sum, &version.id, register, net);
            }
        }
        // In the order in which they were first judged: what finds no room among the groups that
        // evidence is tallied by must not depend on a map's order.
        let mut wholes: Vec<(usize, Whole)> = self.wholes.into_iter().collect();
        wholes.sort_by_key(|(number, _)| *number);
        for (number, whole) in wholes {
            let Some(judged) = memo.whole_of(number) else { continue };
            let stored = counting::stored(&judged.logic.live, &whole.capped.cells);
            counting::add(sum, &stored, whole.net);
            evidence::tally(&judged.logic, &whole.capped, whole.afters, placement, evidence);
        }
    }
}

/// Whether a group is beyond its definition's cap; where it is not, its place is taken now, so that
/// the groups of one chunk count against the cap as well.
fn is_beyond(memo: &TableMemo, placement: &mut Placement, plain: usize, group: usize) -> bool {
    let Some((version, cell @ Cell::Group(_))) = memo.plain_of(plain, group) else { return false };
    !placement.admit(&version.id, cell, version.definition.groups_max)
}

fn move_cell(sum: &mut Contributions, logic: &LogicId, cell: Cell, net: i64) {
    let cells = match sum.get_mut(logic) {
        Some(cells) => cells,
        None => sum.entry(logic.clone()).or_default(),
    };
    // What cancels out is left out when the movements are placed.
    *cells.entry(cell).or_insert(0) += net;
}
