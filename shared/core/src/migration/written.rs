//! Migrations that people wrote and the registry keeps: for two versions of a subject at most one.

use super::graph::Migration;

/// Most migrations of one subject: they are read whole, by whoever meets an item of an earlier version.
pub const WRITTEN_MAX: usize = 64;

/// What is kept for a subject.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Another one after every edit; 0 where nothing was ever kept.
    pub revision: u64,
    /// The migrations, ascending by the version before and the version after.
    pub migrations: Vec<Migration>,
}

/// There are [`WRITTEN_MAX`] migrations already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

impl Written {
    /// With one more, or another one, between its two versions.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn with(&self, migration: Migration) -> Result<Self, TooMany> {
        let mut next = self.next(|one| !joins(one, migration.from, migration.to));
        let place =
            next.migrations.partition_point(|one| (one.from, one.to) < (migration.from, migration.to));
        next.migrations.insert(place, migration);
        if next.migrations.len() > WRITTEN_MAX { Err(TooMany) } else { Ok(next) }
    }

    /// Without the one between two versions; `None` where there is none.
    #[must_use]
    pub fn without(&self, from: u32, to: u32) -> Option<Self> {
        let is_kept = self.migrations.iter().any(|one| joins(one, from, to));
        is_kept.then(|| self.next(|one| !joins(one, from, to)))
    }

    fn next(&self, keeps: impl Fn(&Migration) -> bool) -> Self {
        let migrations = self.migrations.iter().filter(|one| keeps(one)).cloned().collect();
        Self { revision: self.revision + 1, migrations }
    }
}

fn joins(migration: &Migration, from: u32, to: u32) -> bool {
    (migration.from, migration.to) == (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::function::MigrationFunction;
    use crate::path::Path;

    fn migration(from: u32, to: u32, column: &str) -> Migration {
        Migration { from, to, functions: vec![MigrationFunction::Drop { path: Path::column(column) }] }
    }

    #[test]
    fn there_is_one_between_two_versions() {
        let one = Written::default().with(migration(2, 3, "a")).unwrap_or_default();
        let two = one.with(migration(1, 2, "b")).unwrap_or_default();
        assert_eq!((two.revision, &*two.migrations), (2, &[migration(1, 2, "b"), migration(2, 3, "a")][..]));
        let other = two.with(migration(2, 3, "c")).unwrap_or_default();
        assert_eq!(
            (other.revision, &*other.migrations),
            (3, &[migration(1, 2, "b"), migration(2, 3, "c")][..])
        );
        assert_eq!(other.without(3, 2), None);
        assert_eq!(other.without(2, 3).map(|left| left.migrations), Some(vec![migration(1, 2, "b")]));
    }

    #[test]
    fn there_are_only_so_many() {
        let mut written = Written::default();
        for from in (1..).take(WRITTEN_MAX) {
            written = written.with(migration(from, from + 1, "a")).unwrap_or_default();
        }
        assert_eq!(written.migrations.len(), WRITTEN_MAX);
        assert_eq!(written.with(migration(900, 901, "a")), Err(TooMany));
        assert!(written.with(migration(1, 2, "b")).is_ok());
    }
}
