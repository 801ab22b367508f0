//! Lives of tables: the state of every table of a project at a time, from what happened until then.
//!
//! A [`Replay`] is moved forward, never back, and reads no event later than the time it is asked for; what
//! is computed from its [`Replay::tables`] cannot know the future.
//!
//! A table that goes in the same commit in which one with nearly the same columns comes was renamed: its
//! life goes on under the new name. Projects rename all of their tables at once (a new prefix), and would
//! otherwise consist of newborn tables without a past for years.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::history::{Event, EventKind, History, Seconds};

/// The share of columns that a table that went and one that came must have in common to be one table
/// (Jaccard). More than half, so that no table can be two; less than all, because columns are often changed
/// on the occasion.
const RENAMED_LIKENESS_MIN: f64 = 0.6;

/// What one commit changed about a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// When.
    pub at: Seconds,
    /// Columns that came.
    pub added: u32,
    /// Columns that went.
    pub dropped: u32,
    /// Columns of another type.
    pub retyped: u32,
    /// How many tables the commit changed: one that changed forty says little about each of them.
    pub tables: u32,
}

/// A table's life until now.
#[derive(Clone, PartialEq, Debug)]
pub struct Life {
    /// When it was created or first heard of.
    pub born: Seconds,
    /// The name it was born with: the same for all names that it had.
    pub first_name: Arc<str>,
    /// Its columns with their types, empty where not known. Where a history begins in the middle of a
    /// table's life, only those that it tells of.
    pub columns: BTreeMap<Arc<str>, Arc<str>>,
    /// How many columns it was created with; 0 where that is not known.
    pub columns_at_first: usize,
    /// Its changes, in the order of time.
    pub changes: Vec<Changed>,
    /// Columns that it had and has no more, with the types they had.
    pub retired: BTreeMap<Arc<str>, Arc<str>>,
    alive: bool,
}

impl Life {
    fn begin(at: Seconds, name: &Arc<str>) -> Self {
        Self {
            born: at,
            first_name: Arc::clone(name),
            columns: BTreeMap::new(),
            columns_at_first: 0,
            changes: Vec::new(),
            retired: BTreeMap::new(),
            alive: true,
        }
    }

    /// When it last changed; `None` where it never did.
    #[must_use]
    pub fn last_change(&self) -> Option<Seconds> {
        self.changes.last().map(|change| change.at)
    }
}

/// A column that came to a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// When.
    pub at: Seconds,
    /// To which table.
    pub table: Arc<str>,
    /// Which.
    pub column: Arc<str>,
    /// Its type.
    pub typed: Arc<str>,
}

/// A history that has been followed until a time.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    events: &'a [Event],
    lives: BTreeMap<Arc<str>, Life>,
    /// For each commit that changed tables: when, and which, by their first names.
    commits: Vec<(Seconds, BTreeSet<Arc<str>>)>,
    arrivals: Vec<Arrival>,
}

impl<'a> Replay<'a> {
    /// Before anything happened.
    #[must_use]
    pub fn new(history: &'a History) -> Self {
        Self { events: history.events(), lives: BTreeMap::new(), commits: Vec::new(), arrivals: Vec::new() }
    }

    /// Follows what happened until a time, that included.
    pub fn until(&mut self, at: Seconds) {
        while let Some(first) = self.events.first().filter(|event| event.at <= at) {
            let together = self.events.partition_point(|event| event.at <= first.at);
            let (commit, later) = self.events.split_at(together);
            self.events = later;
            self.commit(first.at, commit);
        }
    }

    /// The tables there are, by name.
    pub fn tables(&self) -> impl Iterator<Item = (&Arc<str>, &Life)> {
        self.lives.iter().filter(|(_, life)| life.alive)
    }

    /// One table, if it is there.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Life> {
        self.lives.get(name).filter(|life| life.alive)
    }

    /// When any table last changed.
    #[must_use]
    pub fn last_change(&self) -> Option<Seconds> {
        self.commits.last().map(|(at, _)| *at)
    }

    /// How many tables changed after one time and until another.
    #[must_use]
    pub fn changed_between(&self, after: Seconds, until: Seconds) -> usize {
        let from = self.commits.partition_point(|(at, _)| *at <= after);
        let commits = self.commits.iter().skip(from).take_while(|(at, _)| *at <= until);
        commits.flat_map(|(_, tables)| tables).collect::<BTreeSet<_>>().len()
    }

    /// Columns that came after a time, each with its table.
    #[must_use]
    pub fn arrivals_after(&self, after: Seconds) -> &[Arrival] {
        let from = self.arrivals.partition_point(|arrival| arrival.at <= after);
        self.arrivals.get(from..).unwrap_or_default()
    }

    fn commit(&mut self, at: Seconds, events: &[Event]) {
        let mut come: BTreeMap<&Arc<str>, BTreeMap<Arc<str>, Arc<str>>> = BTreeMap::new();
        let mut gone: BTreeMap<&Arc<str>, BTreeSet<&Arc<str>>> = BTreeMap::new();
        let mut changed: BTreeMap<&Arc<str>, Changed> = BTreeMap::new();
        for event in events {
            match event.kind {
                EventKind::Initial | EventKind::CreateTable => {
                    let columns = come.entry(&event.table).or_default();
                    columns.insert(Arc::clone(&event.column), Arc::clone(&event.typed));
                }
                EventKind::DropTable => {
                    gone.entry(&event.table).or_default().insert(&event.column);
                }
                EventKind::AddColumn
                | EventKind::DropColumn
                | EventKind::ChangeType
                | EventKind::RenameColumn => {
                    let none = Changed { at, added: 0, dropped: 0, retyped: 0, tables: 0 };
                    let change = changed.entry(&event.table).or_insert(none);
                    let is = |kinds: &[EventKind]| u32::from(kinds.contains(&event.kind));
                    change.added += is(&[EventKind::AddColumn, EventKind::RenameColumn]);
                    change.dropped += is(&[EventKind::DropColumn, EventKind::RenameColumn]);
                    change.retyped += is(&[EventKind::ChangeType]);
                }
                EventKind::ChangeKey => {}
            }
        }
        for name in gone.keys() {
            if let Some(life) = self.lives.get_mut(*name) {
                life.alive = false;
            }
        }
        self.create(at, &come, &gone);
        for event in events {
            self.column(event);
        }
        let tables = u32::try_from(changed.len()).unwrap_or(u32::MAX);
        let mut names = BTreeSet::new();
        for (name, change) in changed {
            let life = self.lives.entry(Arc::clone(name)).or_insert_with(|| Life::begin(at, name));
            life.changes.push(Changed { tables, ..change });
            names.insert(Arc::clone(&life.first_name));
        }
        if !names.is_empty() {
            self.commits.push((at, names));
        }
    }

    fn create(
        &mut self,
        at: Seconds,
        come: &BTreeMap<&Arc<str>, BTreeMap<Arc<str>, Arc<str>>>,
        gone: &BTreeMap<&Arc<str>, BTreeSet<&Arc<str>>>,
    ) {
        let mut taken: BTreeSet<Arc<str>> = BTreeSet::new();
        for (name, columns) in come {
            if let Some(life) = self.lives.get_mut(*name) {
                if !life.alive {
                    life.columns.clear();
                }
                life.alive = true;
                life.columns
                    .extend(columns.iter().map(|(name, typed)| (Arc::clone(name), Arc::clone(typed))));
                continue;
            }
            let likeness = |old: &Arc<str>, its: &BTreeSet<&Arc<str>>| {
                let life = self.lives.get(old)?;
                let before: BTreeSet<&Arc<str>> = its.iter().copied().chain(life.columns.keys()).collect();
                let both = before.iter().filter(|column| columns.contains_key(**column)).count();
                let all = before.len() + columns.len() - both;
                Some(both as f64 / all.max(1) as f64)
            };
            let renamed = gone
                .iter()
                .filter(|(old, _)| !come.contains_key(*old) && !taken.contains(**old))
                .filter_map(|(old, its)| Some((likeness(old, its)?, *old)))
                .filter(|(likeness, _)| *likeness >= RENAMED_LIKENESS_MIN)
                .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
            let mut life = match renamed.and_then(|(_, old)| Some((old, self.lives.get(old)?.clone()))) {
                Some((old, life)) => {
                    taken.insert(Arc::clone(old));
                    life
                }
                None => Life { columns_at_first: columns.len(), ..Life::begin(at, name) },
            };
            life.alive = true;
            life.columns.clone_from(columns);
            self.lives.insert(Arc::clone(name), life);
        }
    }

    fn column(&mut self, event: &Event) {
        let known = match event.kind {
            EventKind::AddColumn
            | EventKind::DropColumn
            | EventKind::ChangeType
            | EventKind::RenameColumn => self
                .lives
                .entry(Arc::clone(&event.table))
                .or_insert_with(|| Life::begin(event.at, &event.table)),
            _ => return,
        };
        known.alive = true;
        let gone = match event.kind {
            EventKind::DropColumn => Some(&event.column),
            EventKind::RenameColumn => Some(&event.before),
            _ => None,
        };
        if let Some(gone) = gone {
            // Where the history begins in the middle, the event itself may know the type.
            let typed = known.columns.remove(gone).unwrap_or_else(|| Arc::clone(&event.typed));
            known.retired.insert(Arc::clone(gone), typed);
        }
        if event.kind != EventKind::DropColumn {
            known.columns.insert(Arc::clone(&event.column), Arc::clone(&event.typed));
            known.retired.remove(&event.column);
        }
        if event.kind == EventKind::AddColumn {
            self.arrivals.push(Arrival {
                at: event.at,
                table: Arc::clone(&event.table),
                column: Arc::clone(&event.column),
                typed: Arc::clone(&event.typed),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn history(lines: &str) -> History {
        crate::history::read("p", format!("at,table,event,column,type\n{lines}").as_bytes()).unwrap().history
    }

    #[test]
    fn a_table_that_goes_while_its_like_comes_was_renamed() {
        let history = history(
            "1,a,initial,id,INT\n1,a,initial,x,INT\n1,b,initial,id,INT\n1,b,initial,y,INT\n\
             2,a,add_column,z,INT\n\
             3,a,drop_table,id,INT\n3,a,drop_table,x,INT\n3,a,drop_table,z,INT\n\
             3,p_a,create_table,id,INT\n3,p_a,create_table,x,INT\n3,p_a,create_table,z,INT\n\
             3,new,create_table,q,INT\n",
        );
        let mut replay = Replay::new(&history);
        replay.until(3);
        let names: Vec<&str> = replay.tables().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["b", "new", "p_a"]);
        let renamed = replay.table("p_a").unwrap();
        assert_eq!((renamed.born, &*renamed.first_name, renamed.columns.len()), (1, "a", 3));
        assert_eq!(renamed.last_change(), Some(2));
        assert_eq!(replay.table("new").unwrap().born, 3);
        assert_eq!(replay.changed_between(1, 2), 1);
        assert_eq!(replay.changed_between(2, 9), 0);
    }

    #[test]
    fn a_history_that_begins_in_the_middle_of_a_life_is_followed_from_there() {
        let history = history("5,t,drop_column,old,INT\n5,t,change_type,n,BIGINT\n9,t,add_column,old,INT\n");
        let mut replay = Replay::new(&history);
        replay.until(5);
        let table = replay.table("t").unwrap();
        assert_eq!((table.born, table.columns.len(), table.retired.len()), (5, 1, 1));
        replay.until(100);
        let table = replay.table("t").unwrap();
        assert_eq!((table.columns.len(), table.retired.len(), table.changes.len()), (2, 0, 2));
        assert_eq!(replay.arrivals_after(5).len(), 1);
        assert_eq!(replay.arrivals_after(9).len(), 0);
    }
}
