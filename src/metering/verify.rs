//! `tollbook verify`: re-derives every balance, counter and rollup, and walks the hash chain.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row};

use super::row::ItemRow;
use super::sql::{self, DayRow, Rollup, RollupKey};
use crate::base::id::{MeterId, OrganizationId};
use crate::base::{Day, Quantity, Timestamp};
use crate::db::DbError;
use crate::ledger::Transaction;
use crate::ledger::verify::{BookSummary, VerifyError, accounts, expect_equal, walk_chain};
use crate::metering::rating::ItemKind;
use crate::wallet::{self, Derived};

/// What was looked at, all of it found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Commits, transfers and accounts.
    pub book: BookSummary,
    /// Wallets whose balance follows from grants and lines.
    pub wallets: u64,
    /// Usage events.
    pub events: u64,
    /// Usage items.
    pub items: u64,
    /// Rollups that follow from the items.
    pub rollups: u64,
}

/// Verifies the whole database in one snapshot.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn run(conn: &Connection) -> Result<Summary, VerifyError> {
    let mut book = BookSummary::default();
    let lines = walk(conn, &mut book)?;
    accounts(conn, &mut book)?;
    let wallets = wallet::verify(conn, &lines.wallets)?;
    let rollups = compare_rollups(conn, &lines)?;
    compare_days(conn, &lines)?;
    compare_cycles(conn, &lines)?;
    Ok(Summary { book, wallets, events: lines.events, items: lines.items, rollups })
}

/// What the lines add up to.
#[derive(Default)]
struct Lines {
    wallets: BTreeMap<OrganizationId, Derived>,
    rollups: HashMap<RollupKey, Rollup>,
    days: HashMap<(Day, OrganizationId), DayRow>,
    cycles: HashMap<(OrganizationId, MeterId, Timestamp), (i64, i64)>,
    events: u64,
    items: u64,
    /// The event whose further items are expected.
    open: Option<OpenEvent>,
}

struct OpenEvent {
    head: i64,
    is_void: bool,
    reported: i64,
    charged: i64,
    key: RollupKey,
    left: i64,
    credits_left: i64,
    cycle: Option<Timestamp>,
}

fn walk(conn: &Connection, book: &mut BookSummary) -> Result<Lines, VerifyError> {
    let lines = std::cell::RefCell::new(Lines::default());
    let mut statement = conn.prepare(sql::ALL_ITEMS)?;
    let mut rows = statement.query([])?;
    // an item is looked at when the chain asks for the one after it, so lines are seen in their order
    let mut waiting: Option<ItemRow> = None;
    walk_chain(
        conn,
        |canon| {
            if let Some(row) = waiting.take() {
                lines.borrow_mut().item(&row)?;
            }
            let Some(row) = next(conn, rows.next()?)? else { return Ok(None) };
            canon.clear();
            row.canonical(canon);
            let id = row.id;
            waiting = Some(row);
            Ok(Some(id))
        },
        |transaction| lines.borrow_mut().transaction(transaction),
        book,
    )?;
    let mut lines = lines.into_inner();
    lines.closed()?;
    Ok(lines)
}

fn next(conn: &Connection, row: Option<&Row<'_>>) -> Result<Option<ItemRow>, DbError> {
    row.map(|row| sql::item_from_row(conn, row)).transpose()
}

impl Lines {
    fn line(
        &mut self,
        organization: OrganizationId,
        table: &'static str,
        line: i64,
        prev: i64,
        amount: i64,
        balance_after: i64,
    ) -> Result<(), VerifyError> {
        let wallet = self.wallets.entry(organization).or_default();
        expect_equal(table, line, "prev_line", &prev, &wallet.last_line)?;
        expect_equal(table, line, "balance_after", &balance_after, &(wallet.balance + amount))?;
        *wallet = Derived { last_line: line, lines: wallet.lines + 1, balance: balance_after };
        Ok(())
    }

    fn transaction(&mut self, t: &Transaction) -> Result<(), VerifyError> {
        let (amount, after) = (t.amount.micros(), t.balance_after.micros());
        self.line(t.organization, "transactions", t.id.number(), t.prev_line, amount, after)
    }

    fn item(&mut self, row: &ItemRow) -> Result<(), VerifyError> {
        self.items += 1;
        if let Some(event) = &row.event {
            self.closed()?;
            self.events += 1;
            let (total, after) = (event.total.micros(), event.balance_after.micros());
            self.line(row.organization, "usage_items", row.id, event.prev_line, -total, after)?;
            let day = self.days.entry((event.day, row.organization)).or_default();
            expect_equal("usage_items", row.id, "prev_of_day", &event.prev_of_day, &day.last_head)?;
            day.last_head = row.id;
            day.events += 1;
            let key = RollupKey {
                day: event.day,
                organization: row.organization,
                meter: row.meter,
                agent: event.agent.map_or(0, crate::base::Id::number),
                number: event.number.map_or(0, crate::base::Id::number),
                workspace: event.workspace.map_or(0, crate::base::Id::number),
            };
            let events = if event.corrects.is_some() { -1 } else { 1 };
            let of_event = Rollup { reported: event.reported.micros(), events, ..Rollup::default() };
            self.rollups.entry(key).or_default().add(of_event);
            self.open = Some(OpenEvent {
                head: row.id,
                is_void: event.corrects.is_some(),
                reported: event.reported.micros(),
                charged: 0,
                key,
                left: event.items,
                credits_left: total,
                cycle: event.cycle_start,
            });
        }
        let Some(open) = &mut self.open else {
            return Err(VerifyError::misfit("usage_items", row.id, "follows no event"));
        };
        expect_equal("usage_items", row.id, "its event", &row.head.unwrap_or(row.id), &open.head)?;
        open.left -= 1;
        open.credits_left -= row.credits.micros();
        let of_item = Rollup::of_item(row);
        open.charged += of_item.quantity;
        self.rollups.entry(open.key).or_default().add(of_item);
        if let Some(start) = open.cycle {
            let cycle = self.cycles.entry((row.organization, row.meter, start)).or_default();
            match row.kind {
                ItemKind::Included => cycle.1 = cycle.1.saturating_add(row.quantity.micros()),
                ItemKind::Base | ItemKind::Overage => cycle.0 = cycle.0.saturating_add(row.quantity.micros()),
                ItemKind::Surcharge | ItemKind::PassThrough | ItemKind::Byok => {}
            }
        }
        let drawn: i64 = row.draws().map(|d| d.amount.micros()).sum();
        expect_equal("usage_items", row.id, "credits", &row.credits.micros(), &drawn)
    }

    /// The event before has all its items.
    fn closed(&mut self) -> Result<(), VerifyError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if !open.is_void {
            let day = self.days.entry((open.key.day, open.key.organization)).or_default();
            day.volume += open.charged.max(open.reported);
        }
        expect_equal("usage_items", open.head, "items still missing", &open.left, &0)?;
        expect_equal("usage_items", open.head, "credits not in its items", &open.credits_left, &0)
    }
}

fn compare_rollups(conn: &Connection, lines: &Lines) -> Result<u64, VerifyError> {
    let mut statement = conn.prepare(sql::ALL_ROLLUPS)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let (key, stored) = sql::rollup_from_row(row)?;
        let derived = lines.rollups.get(&key).copied().unwrap_or_default();
        expect_equal("usage_rollups", format!("{key:?}"), "the sums", &stored, &derived)?;
        count += 1;
    }
    expect_equal("usage_rollups", "all", "how many there are", &count, &(lines.rollups.len() as u64))?;
    Ok(count)
}

fn compare_days(conn: &Connection, lines: &Lines) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(sql::ALL_DAYS)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let key: (Day, OrganizationId) = (row.get(0)?, row.get(1)?);
        let stored = DayRow { last_head: row.get(2)?, events: row.get(3)?, volume: row.get(4)? };
        let derived = lines.days.get(&key).copied().unwrap_or_default();
        expect_equal(
            "usage_days",
            format!("{} {}", key.0, key.1),
            "last event, count and volume",
            &stored,
            &derived,
        )?;
        count += 1;
    }
    expect_equal("usage_days", "all", "how many there are", &count, &lines.days.len())
}

fn compare_cycles(conn: &Connection, lines: &Lines) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(sql::ALL_CYCLES)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let key: (OrganizationId, MeterId, Timestamp) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let stored: (Quantity, Quantity) = (row.get(3)?, row.get(4)?);
        let derived = lines.cycles.get(&key).copied().unwrap_or_default();
        let stored = (stored.0.micros(), stored.1.micros());
        expect_equal("cycle_usage", format!("{key:?}"), "billed and included", &stored, &derived)?;
        count += 1;
    }
    expect_equal("cycle_usage", "all", "how many there are", &count, &lines.cycles.len())
}
