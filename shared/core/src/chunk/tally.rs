//! Owns the counts of a chunk in lane mode: how often each judgement was met, so that cells are
//! moved once for all rows alike.
//!
//! A change takes its before image out and puts its after image in. Both are only tallied here; what
//! nets to nothing was never a movement of any cell.

use std::ops::Range;

use crate::change::TableName;
use crate::counting::{self, Cells, Contributions, Unavailable};
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
    hits: Vec<Hit>,
    staged: Vec<Staged>,
}

/// What one image would count: of which table, how often, and what.
#[derive(Debug)]
struct Staged {
    table: usize,
    sign: i64,
    judged: Judged,
}

#[derive(Debug)]
enum Judged {
    /// What a row does that the memo knows as a whole.
    Known(usize),
    /// The hits up to this one.
    Hits(usize),
}

#[derive(Debug, Default)]
struct TableTally {
    cubes: Vec<CubeTally>,
    registers: ShortMap<(usize, usize, u32), i64>,
    wholes: ShortMap<usize, Met>,
    /// Of the rows that the memo knows as a whole, by their number there.
    known: Vec<Met>,
    /// Which of them were met, in that order.
    met: Vec<usize>,
}

/// The counts of one grouping's groups: a row for each group that was met, in which each definition
/// has a place.
#[derive(Debug, Default)]
struct CubeTally {
    /// The definitions.
    members: Range<usize>,
    /// The words that have their bits.
    words: Range<usize>,
    /// By the memo's number of a group: its row, counted from 1.
    rows: Vec<usize>,
    /// By row: the group's number.
    groups: Vec<usize>,
    nets: Vec<i64>,
    /// A bit for each definition that counts the group, whatever it nets to; in words as the memo has them.
    met: Vec<u64>,
}

/// How often something was met.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    /// In after images: what evidence is tallied by.
    after: i64,
    before: i64,
}

impl Met {
    /// Once.
    fn once(sign: i64) -> Self {
        Self { after: i64::from(sign > 0), before: i64::from(sign < 0) }
    }

    fn add(&mut self, other: Self) {
        self.after += other.after;
        self.before += other.before;
    }

    /// How many more there are now.
    fn net(self) -> i64 {
        self.after - self.before
    }
}

impl LaneTally {
    /// Judges an image of the record at hand, which adds `sign`: 1 where it is there from now on, -1 where it is
    /// gone.
    ///
    /// # Errors
    /// [`Unavailable`] where it cannot be judged; nothing of the record is counted then, once it is
    /// [dropped](Self::drop_staged).
    pub fn stage(
        &mut self,
        (table, memo): (&TableName, &mut TableMemo),
        (image, sign): (ImageRef<'_>, i64),
        at: &OrderVersion,
    ) -> Result<(), Unavailable> {
        let table = match self.tables.iter().position(|(known, _)| known == table) {
            Some(number) => number,
            None => {
                self.tables.push((table.clone(), TableTally::of(memo)));
                self.tables.len() - 1
            }
        };
        let known = memo.judge(image, Some(at), &mut self.hits)?;
        let judged = known.map_or_else(|| Judged::Hits(self.hits.len()), Judged::Known);
        self.staged.push(Staged { table, sign, judged });
        Ok(())
    }

    /// The tables of which something was staged.
    pub(super) fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.tables.iter().map(|(table, _)| table)
    }

    /// Forgets what was staged.
    pub fn drop_staged(&mut self) {
        self.hits.clear();
        self.staged.clear();
    }

    /// Counts what was staged.
    pub fn take_staged(&mut self) {
        let mut from = 0;
        for Staged { table, sign, judged } in &self.staged {
            let Some((_, tally)) = self.tables.get_mut(*table) else { continue };
            match *judged {
                Judged::Known(row) => tally.meet(row, Met::once(*sign)),
                Judged::Hits(until) => {
                    let hits = self.hits.get(from..until).unwrap_or_default();
                    hits.iter().for_each(|hit| tally.take(hit, Met::once(*sign)));
                    from = until;
                }
            }
        }
        self.drop_staged();
    }

    /// By how much every cell moves, and the evidence of it.
    pub fn finish(
        self,
        memo: &Memo,
        placement: &mut Placement,
        sum: &mut Contributions,
        evidence: &mut Contributions,
    ) {
        for (table, mut tally) in self.tables {
            if let Some(memo) = memo.get(&table) {
                tally.take_known(memo);
                tally.finish(memo, placement, sum, evidence);
            }
        }
    }
}

impl TableTally {
    fn of(memo: &TableMemo) -> Self {
        let words = |members: &Range<usize>| members.start / 64..members.end.div_ceil(64);
        let cube = |members| CubeTally { words: words(&members), members, ..CubeTally::default() };
        Self { cubes: memo.groupings().map(cube).collect(), ..Self::default() }
    }

    /// Meets a row that the memo knows as a whole.
    fn meet(&mut self, row: usize, met: Met) {
        if self.known.len() <= row {
            self.known.resize(row + 1, Met::default());
        }
        if let Some(known) = self.known.get_mut(row) {
            if known.after + known.before == 0 {
                self.met.push(row);
            }
            known.add(met);
        }
    }

    fn take(&mut self, hit: &Hit, met: Met) {
        match *hit {
            Hit::Plain { cube, plains, group, register } => {
                if let Some(cube) = self.cubes.get_mut(cube) {
                    cube.take(plains, group, met.net());
                }
                if register != NO_REGISTER {
                    for plain in plains {
                        *self.registers.entry((plain, group, register)).or_default() += met.net();
                    }
                }
            }
            Hit::Whole(number) => self.wholes.entry(number).or_default().add(met),
        }
    }

    /// Takes what the rows that are known as a whole count for, as often as they were met.
    fn take_known(&mut self, memo: &TableMemo) {
        for row in std::mem::take(&mut self.met) {
            let met = self.known.get(row).copied().unwrap_or_default();
            memo.hits_of(row).iter().for_each(|hit| self.take(hit, met));
        }
    }

    fn finish(
        self,
        memo: &TableMemo,
        placement: &mut Placement,
        sum: &mut Contributions,
        evidence: &mut Contributions,
    ) {
        let mut beyond = ShortMap::default();
        for cube in &self.cubes {
            cube.finish(memo, placement, sum, &mut beyond);
        }
        for ((plain, group, register), net) in self.registers {
            let Some((version, cell)) = memo.plain_of(plain, group) else { continue };
            let cell = if beyond.contains_key(&(plain, group)) { &Cell::Overflow } else { cell };
            if let Some(register) = register_of(register, cell).filter(|_| net != 0) {
                move_cells(sum, &version.id, vec![(register, net)]);
            }
        }
        // In the order in which they were first judged: what finds no room among the groups that are
        // counted by name must not depend on a map's order.
        let mut wholes: Vec<(usize, Met)> = self.wholes.into_iter().collect();
        wholes.sort_by_key(|(number, _)| *number);
        for (number, whole) in wholes {
            let Some(judged) = memo.whole_of(number) else { continue };
            let Ok(targets) = &judged.judged else { continue };
            let mut targets = targets.clone();
            cap(&mut targets.cells, None, &judged.logic, placement);
            counting::add(sum, &counting::stored(&judged.logic.live, &targets.cells), whole.net());
            evidence::tally(&judged.logic, &targets, whole.after, placement, evidence);
        }
    }
}

impl CubeTally {
    fn take(&mut self, plains: Plains, group: usize, net: i64) {
        let row = match self.rows.get(group) {
            Some(row) if *row > 0 => *row - 1,
            _ => self.add_row(group),
        };
        let (words, members) = (self.words.len(), self.members.len());
        if let Some(met) = self.met.get_mut(row * words + plains.word() - self.words.start) {
            *met |= plains.bits();
        }
        let Some(nets) = self.nets.get_mut(row * members..(row + 1) * members) else { return };
        for plain in plains {
            if let Some(known) = nets.get_mut(plain - self.members.start) {
                *known += net;
            }
        }
    }

    #[cold]
    fn add_row(&mut self, group: usize) -> usize {
        if self.rows.len() <= group {
            self.rows.resize(group + 1, 0);
        }
        self.groups.push(group);
        if let Some(row) = self.rows.get_mut(group) {
            *row = self.groups.len();
        }
        self.nets.resize(self.groups.len() * self.members.len(), 0);
        self.met.resize(self.groups.len() * self.words.len(), 0);
        self.groups.len() - 1
    }

    /// By how much one definition's cells move, by row; those of the groups that it has not met left out.
    fn nets_of(&self, plain: usize) -> impl Iterator<Item = (usize, i64)> {
        let (words, members) = (self.words.len(), self.members.len());
        let (word, bit) = (plain / 64 - self.words.start, 1_u64 << (plain % 64));
        let met = self.met.iter().skip(word).step_by(words.max(1));
        let nets = self.nets.iter().skip(plain - self.members.start).step_by(members.max(1));
        let rows = met.zip(nets).enumerate();
        rows.filter(move |(_, (met, _))| *met & bit != 0).map(|(row, (_, net))| (row, *net))
    }

    fn finish(
        &self,
        memo: &TableMemo,
        placement: &mut Placement,
        sum: &mut Contributions,
        beyond: &mut ShortMap<(usize, usize), ()>,
    ) {
        // Rows in the order of their cells, found once for all definitions, whose cells are in it.
        let cells: Vec<Option<&Cell>> =
            self.groups.iter().map(|group| memo.cell_of(self.members.start, *group)).collect();
        let mut sorted: Vec<usize> = (0..cells.len()).collect();
        sorted.sort_unstable_by_key(|row| cells.get(*row).copied().flatten());
        let mut moved: Vec<i64> = Vec::new();
        for plain in self.members.clone() {
            let Some(version) = memo.version_of(plain) else { continue };
            let mut overflow = 0;
            let mut admission = placement.admission(&version.id, version.definition.groups_max);
            moved.clear();
            moved.resize(cells.len(), 0);
            for (row, net) in self.nets_of(plain) {
                let Some(cell) = cells.get(row).copied().flatten() else { continue };
                // The place of a group is taken now, so that the groups of one chunk count against the cap
                // as well.
                if matches!(cell, Cell::Group(_)) && admission.admit(cell) {
                    if let Some(moved) = moved.get_mut(row) {
                        *moved = net;
                    }
                    continue;
                }
                overflow += net;
                if let (Cell::Group(_), Some(group)) = (cell, self.groups.get(row)) {
                    beyond.insert((plain, *group), ());
                }
            }
            let moving = sorted.iter().filter_map(|row| {
                let (net, cell) = (*moved.get(*row)?, cells.get(*row).copied().flatten()?);
                (net != 0).then(|| (cell.clone(), net))
            });
            let overflow = Some((Cell::Overflow, overflow)).filter(|(_, net)| *net != 0);
            move_cells(sum, &version.id, moving.chain(overflow).collect());
        }
    }
}

/// Moves cells, each of which is there once.
fn move_cells(sum: &mut Contributions, logic: &LogicId, moved: Vec<(Cell, i64)>) {
    if moved.is_empty() {
        return;
    }
    match sum.get_mut(logic) {
        // What cancels out is left out when the movements are placed.
        Some(cells) => moved.into_iter().for_each(|(cell, net)| *cells.entry(cell).or_insert(0) += net),
        None => drop(sum.insert(logic.clone(), Cells::from_iter(moved))),
    }
}
