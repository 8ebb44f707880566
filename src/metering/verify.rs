//! `tollbook verify`: re-derives every balance, counter and rollup, and walks the hash chain.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row};

use super::ids::verify::Runs;
use super::row::{EventRow, ItemRow};
use super::sql::{self, DayRow, Rollup, RollupKey};
use crate::base::id::{AccountId, MeterId, NumberId, OrganizationId};
use crate::base::{Day, Quantity, Timestamp, Zone};
use crate::catalog::{Snapshot, VOICE};
use crate::db::DbError;
use crate::grants;
use crate::ledger::Transaction;
use crate::ledger::verify::{
    BookSummary, VerifyError, accounts, expect_equal, moved_for_usage, none_of, walk_chain,
};
use crate::limits;
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
    let lines = walk(conn, &mut book, Runs::read(conn)?)?;
    lines.indexed.compare()?;
    accounts(conn, &mut book)?;
    compare_draws(conn, &lines)?;
    grants::verify(conn)?;
    let wallets = wallet::verify(conn, &lines.wallets, &lines.wallet_days)?;
    let rollups = compare_rollups(conn, &lines)?;
    compare_days(conn, &lines)?;
    compare_cycles(conn, &lines)?;
    compare_voids(conn, &lines)?;
    limits::verify::run(conn, &lines.toll_free)?;
    sql::MISFITS.iter().try_for_each(|(table, query)| none_of(conn, table, query))?;
    Ok(Summary { book, wallets, events: lines.events, items: lines.items, rollups })
}

/// What the lines add up to.
struct Lines {
    zones: HashMap<OrganizationId, Zone>,
    wallets: BTreeMap<OrganizationId, Derived>,
    /// By the day of posting, in the organization's timezone.
    wallet_days: BTreeMap<(Day, OrganizationId), Derived>,
    /// Drawn from an account for a meter.
    drawn: HashMap<(AccountId, MeterId), i64>,
    /// Events that were taken back, and by which.
    voids: HashMap<i64, i64>,
    indexed: Runs,
    rollups: HashMap<RollupKey, Rollup>,
    days: HashMap<(Day, OrganizationId), DayRow>,
    cycles: HashMap<(OrganizationId, MeterId, Timestamp), (i64, i64)>,
    /// Taken in by toll-free numbers, in millionths of seconds.
    toll_free: BTreeMap<(NumberId, Day), i64>,
    voice: Option<MeterId>,
    events: u64,
    items: u64,
    /// The event whose further items are expected.
    open: Option<OpenEvent>,
}

/// What every line has, usage or not.
struct Line {
    id: i64,
    previous: i64,
    amount: i64,
    after: i64,
    posted_at: Timestamp,
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

fn walk(conn: &Connection, book: &mut BookSummary, indexed: Runs) -> Result<Lines, VerifyError> {
    let lines = std::cell::RefCell::new(Lines::new(conn, indexed)?);
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
    fn new(conn: &Connection, indexed: Runs) -> Result<Self, VerifyError> {
        Ok(Self {
            zones: wallet::zones(conn)?,
            wallets: BTreeMap::new(),
            wallet_days: BTreeMap::new(),
            drawn: HashMap::new(),
            voids: HashMap::new(),
            indexed,
            rollups: HashMap::new(),
            days: HashMap::new(),
            cycles: HashMap::new(),
            toll_free: BTreeMap::new(),
            voice: Snapshot::load(conn)?.meter_id(VOICE),
            events: 0,
            items: 0,
            open: None,
        })
    }

    fn line(
        &mut self,
        table: &'static str,
        organization: OrganizationId,
        line: &Line,
    ) -> Result<(), VerifyError> {
        let wallet = self.wallets.entry(organization).or_default();
        expect_equal(table, line.id, "prev_line", &line.previous, &wallet.last_line)?;
        expect_equal(table, line.id, "balance_after", &line.after, &(wallet.balance + line.amount))?;
        *wallet = Derived { last_line: line.id, lines: wallet.lines + 1, balance: line.after };
        let day = self.zones.get(&organization).unwrap_or(&Zone::UTC).day_of(line.posted_at);
        self.wallet_days.insert((day, organization), *wallet);
        Ok(())
    }

    fn transaction(&mut self, t: &Transaction) -> Result<(), VerifyError> {
        let line = Line {
            id: t.id.number(),
            previous: t.prev_line,
            amount: t.amount.micros(),
            after: t.balance_after.micros(),
            posted_at: t.created_at,
        };
        self.line("transactions", t.organization, &line)
    }

    fn item(&mut self, row: &ItemRow) -> Result<(), VerifyError> {
        self.items += 1;
        if let Some(event) = &row.event {
            self.closed()?;
            self.event(row, event)?;
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
        let mut drawn = 0;
        for draw in row.draws() {
            drawn += draw.amount.micros();
            *self.drawn.entry((draw.account, row.meter)).or_default() += draw.amount.micros();
        }
        expect_equal("usage_items", row.id, "credits", &row.credits.micros(), &drawn)
    }

    /// The event that begins with this item.
    fn event(&mut self, row: &ItemRow, event: &EventRow) -> Result<(), VerifyError> {
        self.events += 1;
        let line = Line {
            id: row.id,
            previous: event.prev_line,
            amount: -event.total.micros(),
            after: event.balance_after.micros(),
            posted_at: event.posted_at,
        };
        self.line("usage_items", row.organization, &line)?;
        let day = self.days.entry((event.day, row.organization)).or_default();
        expect_equal("usage_items", row.id, "prev_of_day", &event.prev_of_day, &day.last_head)?;
        day.last_head = row.id;
        day.events += 1;
        match event.corrects {
            None => self.indexed.event(row.organization, &event.id, row.id),
            Some(head) => {
                if let Some(earlier) = self.voids.insert(head, row.id) {
                    let what = format!("takes {head} back, which {earlier} did already");
                    return Err(VerifyError::misfit("usage_items", row.id, what));
                }
            }
        }
        let key = RollupKey {
            day: event.day,
            organization: row.organization,
            meter: row.meter,
            agent: event.agent.map_or(0, crate::base::Id::number),
            number: event.number.map_or(0, crate::base::Id::number),
            workspace: event.workspace.map_or(0, crate::base::Id::number),
        };
        if let (Some(number), true) = (event.number, event.is_inbound_toll_free())
            && self.voice == Some(row.meter)
        {
            *self.toll_free.entry((number, event.day)).or_default() += event.reported.micros();
        }
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
            credits_left: event.total.micros(),
            cycle: event.cycle_start,
        });
        Ok(())
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

/// What items were drawn from is what moved.
fn compare_draws(conn: &Connection, lines: &Lines) -> Result<(), VerifyError> {
    let moved = moved_for_usage(conn)?;
    for key in lines.drawn.keys().chain(moved.keys()) {
        let drawn = lines.drawn.get(key).copied().unwrap_or_default();
        let moved = moved.get(key).copied().unwrap_or_default();
        let (account, meter) = key;
        let what = format!("what moved for usage of meter {}", meter.number());
        expect_equal("accounts", account.number(), &what, &moved, &drawn)?;
    }
    Ok(())
}

fn compare_voids(conn: &Connection, lines: &Lines) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(sql::ALL_VOIDS)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let (head, void): (i64, i64) = (row.get(0)?, row.get(1)?);
        let derived = lines.voids.get(&head).copied();
        expect_equal("usage_voids", head, "the event that took it back", &Some(void), &derived)?;
        count += 1;
    }
    expect_equal("usage_voids", "all", "how many there are", &count, &lines.voids.len())
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
