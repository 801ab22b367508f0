//! The audit step: recount a table from its source, compare with the ledger row by row, repair.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use evercount_core::audit::{self, Audited, Cause, Finding};
use evercount_core::backfill::Segment;
use evercount_core::change::{RowKey, TableName};
use evercount_core::counting::{self, Cells};
use evercount_core::group::Cell;
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Coverage, LogicId, LogicVersion, TableLogic};
use evercount_core::order::Micros;

use crate::operator;
use crate::ports::{Page, SourceTable, Store, StoreError};
use crate::read;

/// Most differences listed one by one; the rest is only counted.
pub const LISTED_MAX: usize = 100;

/// How to audit.
#[derive(Clone, Copy, Debug)]
pub struct AuditOptions {
    /// Look at one in this many rows; 1 looks at all.
    pub one_in: u64,
    /// Repair what differs.
    pub repair: bool,
    /// Bound on clock skew and timestamp error between reader and source, microseconds.
    pub margin: Micros,
    /// The epoch of the source's versions.
    pub epoch: u16,
}

/// One row that the ledger counts otherwise than a recount.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// A hash of its key.
    pub key_hash: u64,
    /// The likely cause.
    pub cause: Cause,
    /// What the ledger counts it for.
    pub counted: Cells,
    /// What a recount counts it for.
    pub recounted: Cells,
}

/// What an audit found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AuditReport {
    /// Source rows read.
    pub rows: u64,
    /// Rows counted as a recount would.
    pub agreeing: u64,
    /// Rows that changed too lately to judge.
    pub in_flux: u64,
    /// Rows that differ, by cause.
    pub differing: BTreeMap<Cause, u64>,
    /// The first of them.
    pub listed: Vec<Difference>,
    /// Rows repaired.
    pub repaired: u64,
    /// The count according to the source rows looked at.
    pub recount: Cells,
    /// Cells whose stored sum is not what the ledger rows add up to (only judged when all rows
    /// are looked at and no lane moved meanwhile): stored, and added up.
    pub cells_off: BTreeMap<Cell, (i64, i64)>,
    /// Whether cells were judged at all.
    pub cells_judged: bool,
    /// When the audit began, and when it ended, microseconds since the epoch.
    pub span: (Micros, Micros),
}

impl AuditReport {
    /// How many rows differ.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.differing.values().sum()
    }

    /// What is kept of it.
    #[must_use]
    pub fn kept(&self, logic: &LogicId, options: AuditOptions) -> Audited {
        let (began, ended) = self.span;
        Audited {
            definition: logic.definition.clone(),
            version: logic.number,
            began,
            ended,
            one_in: options.one_in.max(1),
            repair: options.repair,
            rows: self.rows,
            agreeing: self.agreeing,
            in_flux: self.in_flux,
            differing: self.differing.iter().map(|(cause, n)| (cause.name().to_owned(), *n)).collect(),
            repaired: self.repaired,
            cells_judged: self.cells_judged,
            cells_off: self.cells_off.len() as u64,
        }
    }
}

/// Audits one logic version. `now` is asked for the time, microseconds since the epoch, before
/// each page is read; `progress` hears of the rows read so far.
///
/// # Errors
/// Whatever the stores answer.
pub async fn run<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    logic: &LogicVersion,
    options: AuditOptions,
    now: impl Fn() -> Micros + Send,
    progress: impl Fn(u64) + Send,
) -> Result<AuditReport, StoreError> {
    let began = now();
    let catalog = read::catalog(store).await?;
    let table = &logic.definition.table;
    let mut audit = Audit {
        store,
        logic,
        rows_of: catalog.ledger_name(table).clone(),
        table: catalog.table(table).cloned().unwrap_or_default(),
        options,
        seen: HashSet::new(),
        report: AuditReport::default(),
    };
    let lanes_before = store.lanes().await?;
    audit.pages(source, &now, &progress).await?;
    audit.leftovers(source, &now).await?;
    if options.one_in <= 1 {
        if !options.repair {
            audit.cells(lanes_before).await?;
        }
        audit.completed(&now).await?;
    }
    audit.report.span = (began, now());
    Ok(audit.report)
}

struct Audit<'a, S> {
    store: &'a S,
    logic: &'a LogicVersion,
    /// The name that ledger rows of the table are kept under.
    rows_of: TableName,
    table: TableLogic,
    options: AuditOptions,
    /// Hashes of the keys the source has: eight bytes a row, so that only rows the ledger alone
    /// knows are asked for one by one.
    seen: HashSet<u64>,
    report: AuditReport,
}

impl<S: Store> Audit<'_, S> {
    async fn pages<T: SourceTable>(
        &mut self,
        source: &T,
        now: &(impl Fn() -> Micros + Send),
        progress: &(impl Fn(u64) + Send),
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            // The clock is read before the page is: every write the page misses is newer.
            let read_at = now();
            let page = source.scan(&self.logic.definition.table, Segment::WHOLE, after).await?;
            let Page { rows: page, next, .. } = page;
            let sampled: Vec<_> = page
                .into_iter()
                .map(|(key, image)| (RowKey { table: self.rows_of.clone(), ..key }, image))
                .filter(|(key, _)| audit::in_sample(key, self.options.one_in))
                .collect();
            for part in sampled.chunks(100) {
                let keys: BTreeSet<RowKey> = part.iter().map(|(key, _)| key.clone()).collect();
                let rows = self.store.rows(&keys).await?;
                for (key, image) in part {
                    let cells = counting::contribution(self.logic, Some(image), None).unwrap_or_default();
                    counting::add_cells(&mut self.report.recount, &cells, 1);
                    self.report.rows += 1;
                    self.seen.insert(audit::key_hash(key));
                    self.judge(key, rows.get(key), Some(image), read_at).await?;
                }
            }
            progress(self.report.rows);
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Rows the ledger holds present: is each still in the source?
    async fn leftovers<T: SourceTable>(
        &mut self,
        source: &T,
        now: &(impl Fn() -> Micros + Send),
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let Page { rows: page, next, .. } = self.store.rows_of_table(&self.rows_of, after).await?;
            for (key, row) in page {
                let concerned = audit::in_sample(&key, self.options.one_in)
                    && !self.seen.contains(&audit::key_hash(&key))
                    && (row.present || row.ambiguous.is_some());
                if !concerned {
                    continue;
                }
                let read_at = now();
                // A row that is there by now was written after its page was read: in flux.
                let of_source =
                    RowKey { table: self.logic.definition.table.clone(), identity: key.identity.clone() };
                if source.row(&of_source).await?.is_none() {
                    self.judge(&key, Some(&row), None, read_at).await?;
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn judge(
        &mut self,
        key: &RowKey,
        row: Option<&LedgerRow>,
        image: Option<&evercount_core::value::Item>,
        read_at: Micros,
    ) -> Result<(), StoreError> {
        let version = audit::read_version(self.options.epoch, read_at, self.options.margin);
        let cause = match audit::compare(row, image, &version, self.logic, &self.table) {
            Finding::Agrees => {
                self.report.agreeing += 1;
                return Ok(());
            }
            Finding::InFlux => {
                self.report.in_flux += 1;
                return Ok(());
            }
            Finding::Differs(cause) => cause,
        };
        *self.report.differing.entry(cause).or_insert(0) += 1;
        if self.report.listed.len() < LISTED_MAX {
            self.report.listed.push(Difference {
                key_hash: audit::key_hash(key),
                cause,
                counted: audit::counted(row, self.logic, &self.table),
                recounted: counting::contribution(self.logic, image, Some(&version)).unwrap_or_default(),
            });
        }
        if self.options.repair {
            let observed = audit::observation(key.clone(), image.cloned(), version);
            operator::apply(self.store, &[observed], None, read_at).await?;
            self.report.repaired += 1;
        }
        Ok(())
    }

    /// Do the cells show what the ledger rows add up to?
    async fn cells(
        &mut self,
        lanes_before: BTreeMap<evercount_core::lane::LaneId, evercount_core::lane::LaneState>,
    ) -> Result<(), StoreError> {
        let mut expected = Cells::new();
        let mut after = None;
        loop {
            let Page { rows: page, next, .. } = self.store.rows_of_table(&self.rows_of, after).await?;
            for (_, row) in &page {
                if let Some(cells) = row.contributions.get(&self.logic.id) {
                    counting::add_cells(&mut expected, cells, 1);
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut stored = self.store.cells(&self.logic.id).await?;
        stored.retain(|cell, _| !matches!(cell, Cell::Evidence { .. }));
        if self.store.lanes().await? != lanes_before || !self.store.quarantined().await?.is_empty() {
            return Ok(());
        }
        self.report.cells_judged = true;
        let cells: BTreeSet<_> = stored.keys().chain(expected.keys()).cloned().collect();
        for cell in cells {
            let both = (stored.get(&cell).copied().unwrap_or(0), expected.get(&cell).copied().unwrap_or(0));
            if both.0 != both.1 {
                self.report.cells_off.insert(cell, both);
            }
        }
        Ok(())
    }

    /// A whole repair that left nothing in flux has seen every row of the table.
    async fn completed(&mut self, now: &(impl Fn() -> Micros + Send)) -> Result<(), StoreError> {
        let clean = self.report.in_flux == 0 && (self.options.repair || self.report.differences() == 0);
        if clean {
            // Whatever the stream did not tell, the source has.
            let doubt = LogicId::doubt_of(&self.logic.id.definition);
            operator::clear(self.store, &doubt, &Cell::Untold).await?;
        }
        let Coverage::Since(since) = self.logic.coverage else { return Ok(()) };
        let settled = now().saturating_sub(self.options.margin) >= since;
        if settled && clean {
            let whole = LogicVersion { coverage: Coverage::Whole, ..self.logic.clone() };
            self.store.update_version(self.logic, &whole).await?;
        }
        Ok(())
    }
}
