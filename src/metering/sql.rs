//! Statements of usage.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use super::cycle::CycleHold;
use super::event::OrganizationRef;
use super::rating::ItemKind;
use super::row::{EventRow, ItemRow};
use crate::base::id::{AccountId, Id, MeterId, OrganizationId, PlanVersionId, RateCardId};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::db::{self, DbError};
use crate::wallet::Draw;

/// What pricing needs to know of an organization.
pub(super) struct OrganizationRow {
    pub id: OrganizationId,
    pub zone: Zone,
    pub suspended: bool,
}

pub(super) fn organization(
    conn: &Connection,
    which: &OrganizationRef,
) -> Result<Option<OrganizationRow>, DbError> {
    let (condition, value): (_, &dyn rusqlite::ToSql) = match which {
        OrganizationRef::Id(id) => ("id = ?", id),
        OrganizationRef::External(id) => ("external_id = ?", id),
    };
    let found = conn
        .prepare_cached(&format!("SELECT id, timezone, status FROM organizations WHERE {condition}"))?
        .query_row([value], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
        .optional()?;
    let Some((id, zone, status)): Option<(OrganizationId, _, _)> = found else { return Ok(None) };
    let zone = zone.parse().map_err(|e| DbError::bad_row("organizations", id.number(), e))?;
    Ok(Some(OrganizationRow { id, zone, suspended: status != "active" }))
}

/// How usage is priced from a time on.
#[derive(Debug, Clone)]
pub(super) struct TermsRow {
    pub starts_at: Timestamp,
    pub plan_version: Option<PlanVersionId>,
    pub rate_card: Option<RateCardId>,
    /// From which the plan's cycles are counted.
    pub anchor: Timestamp,
    /// What is included in the cycle in which it begins, where that is not what the plan says.
    pub first_cycle: BTreeMap<MeterId, Quantity>,
}

/// All terms of an organization, newest first.
pub(super) fn price_terms(conn: &Connection, organization: OrganizationId) -> Result<Vec<TermsRow>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT starts_at, plan_version_id, rate_card_id, anchor, first_cycle FROM price_terms
         WHERE organization_id = ? ORDER BY starts_at DESC",
    )?;
    let mut rows = statement.query([organization])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let first: BTreeMap<i64, i64> = match row.get::<_, Option<String>>(4)? {
            Some(json) => serde_json::from_str(&json)
                .map_err(|e| DbError::bad_row("price_terms", organization.number(), e))?,
            None => BTreeMap::new(),
        };
        let included = |(meter, micros)| (MeterId::new(meter), Quantity::from_micros(micros));
        all.push(TermsRow {
            starts_at: row.get(0)?,
            plan_version: row.get(1)?,
            rate_card: row.get(2)?,
            anchor: row.get(3)?,
            first_cycle: first.into_iter().map(included).collect(),
        });
    }
    Ok(all)
}

pub(super) fn set_price_terms(
    conn: &Connection,
    organization: OrganizationId,
    terms: &TermsRow,
) -> Result<(), DbError> {
    let first: BTreeMap<i64, i64> =
        terms.first_cycle.iter().map(|(meter, units)| (meter.number(), units.micros())).collect();
    let first = (!first.is_empty()).then(|| serde_json::to_string(&first)).transpose();
    let first = first.map_err(|e| DbError::bad_row("price_terms", organization.number(), e))?;
    conn.prepare_cached(
        "INSERT INTO price_terms (organization_id, starts_at, plan_version_id, rate_card_id, anchor, first_cycle)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (organization_id, starts_at)
         DO UPDATE SET plan_version_id = excluded.plan_version_id, rate_card_id = excluded.rate_card_id,
                       anchor = excluded.anchor, first_cycle = excluded.first_cycle",
    )?
    .execute(params![
        organization,
        terms.starts_at,
        terms.plan_version,
        terms.rate_card,
        terms.anchor,
        first
    ])?;
    Ok(())
}

/// Which table a platform's id is looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Known {
    Agent,
    Number,
    Workspace,
}

/// The row of an agent, number or workspace; made when it is first seen.
pub(super) fn ensure_known(
    conn: &Connection,
    what: Known,
    organization: OrganizationId,
    external_id: &str,
    now: Timestamp,
) -> Result<i64, DbError> {
    let (find, insert) = match what {
        Known::Agent => (
            "SELECT id FROM agents WHERE organization_id = ? AND external_id = ?",
            "INSERT INTO agents (organization_id, external_id, first_seen_at) VALUES (?, ?, ?)",
        ),
        Known::Number => (
            "SELECT id FROM numbers WHERE organization_id = ? AND external_id = ?",
            "INSERT INTO numbers (organization_id, external_id, first_seen_at) VALUES (?, ?, ?)",
        ),
        Known::Workspace => (
            "SELECT id FROM workspaces WHERE organization_id = ? AND external_id = ?",
            "INSERT INTO workspaces (organization_id, external_id, name, created_at) VALUES (?1, ?2, ?2, ?3)",
        ),
    };
    let found = conn
        .prepare_cached(find)?
        .query_row(params![organization, external_id], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    conn.prepare_cached(insert)?.execute(params![organization, external_id, now])?;
    Ok(conn.last_insert_rowid())
}

/// Writes items one by one. What an event said is written with its first item.
pub(super) fn item_writer(conn: &Connection) -> Result<impl FnMut(&ItemRow) -> Result<(), DbError>, DbError> {
    let mut first = conn.prepare_cached(
        "INSERT INTO usage_items (id, organization_id, kind, meter_id, quantity, credits, account_id, rate_version_id,
                                  event_id, fingerprint, occurred_at, posted_at, day, reported, agent_id, number_id,
                                  workspace_id, call_id, flags, items, total, balance_after, prev_line, prev_of_day,
                                  corrects, cycle_start, extra)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut further = conn.prepare_cached(
        "INSERT INTO usage_items (id, organization_id, head, kind, meter_id, quantity, credits, account_id,
                                  rate_version_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut draws =
        conn.prepare_cached("INSERT INTO usage_draws (item_id, account_id, amount) VALUES (?, ?, ?)")?;
    Ok(move |row: &ItemRow| {
        match &row.event {
            Some(event) => insert_first(&mut first, row, event)?,
            None => {
                further.execute(params![
                    row.id,
                    row.organization,
                    row.head,
                    row.kind.code(),
                    row.meter,
                    row.quantity,
                    row.credits,
                    row.account,
                    row.rate_version
                ])?;
            }
        }
        for draw in &row.split {
            draws.execute(params![row.id, draw.account, draw.amount])?;
        }
        Ok(())
    })
}

fn insert_first(statement: &mut Statement<'_>, row: &ItemRow, event: &EventRow) -> Result<(), DbError> {
    statement.execute(params![
        row.id,
        row.organization,
        row.kind.code(),
        row.meter,
        row.quantity,
        row.credits,
        row.account,
        row.rate_version,
        event.id,
        event.fingerprint,
        event.occurred_at,
        event.posted_at,
        event.day,
        event.reported,
        event.agent,
        event.number,
        event.workspace,
        event.call,
        event.flags,
        event.items,
        event.total,
        event.balance_after,
        event.prev_line,
        event.prev_of_day,
        event.corrects,
        event.cycle_start,
        event.extra
    ])?;
    Ok(())
}

/// The items with their columns in the order that [`item_from_row`] reads them in: by place, since looking thirty
/// names up costs more than the rest of reading a row.
macro_rules! items {
    ($tail:literal) => {
        concat!(
            "SELECT id, organization_id, head, kind, meter_id, quantity, credits, account_id, rate_version_id, event_id, ",
            "fingerprint, occurred_at, posted_at, day, reported, agent_id, number_id, workspace_id, call_id, flags, ",
            "items, total, balance_after, prev_line, prev_of_day, corrects, cycle_start, extra FROM usage_items ",
            $tail
        )
    };
}

/// Reads a row of `items!`; where it was drawn from several accounts, `conn` tells from which.
pub(super) fn item_from_row(conn: &Connection, row: &Row<'_>) -> Result<ItemRow, DbError> {
    let id: i64 = row.get(0)?;
    let head: Option<i64> = row.get(2)?;
    let kind: i64 = row.get(3)?;
    let account: Option<AccountId> = row.get(7)?;
    let credits: Credits = row.get(6)?;
    let split = if account.is_none() && !credits.is_zero() { draws(conn, id)? } else { Vec::new() };
    let event = if head.is_none() { Some(event_from_row(row)?) } else { None };
    Ok(ItemRow {
        id,
        organization: row.get(1)?,
        head,
        kind: ItemKind::from_code(kind)
            .ok_or_else(|| DbError::bad_row("usage_items", id, format!("kind {kind}")))?,
        meter: row.get(4)?,
        quantity: row.get(5)?,
        credits,
        account,
        rate_version: row.get(8)?,
        event,
        split,
    })
}

fn event_from_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        id: row.get(9)?,
        fingerprint: row.get(10)?,
        occurred_at: row.get(11)?,
        posted_at: row.get(12)?,
        day: row.get(13)?,
        reported: row.get(14)?,
        agent: row.get(15)?,
        number: row.get(16)?,
        workspace: row.get(17)?,
        call: row.get(18)?,
        flags: row.get(19)?,
        items: row.get(20)?,
        total: row.get(21)?,
        balance_after: row.get(22)?,
        prev_line: row.get(23)?,
        prev_of_day: row.get(24)?,
        corrects: row.get(25)?,
        cycle_start: row.get(26)?,
        extra: row.get::<_, Option<String>>(27)?.map(String::into_boxed_str),
    })
}

fn draws(conn: &Connection, item: i64) -> Result<Vec<Draw>, DbError> {
    let mut statement = conn
        .prepare_cached("SELECT account_id, amount FROM usage_draws WHERE item_id = ? ORDER BY account_id")?;
    let rows = statement.query_map([item], |row| Ok(Draw { account: row.get(0)?, amount: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All items of the event whose first item is `head`; empty when there is none.
pub(super) fn event_items(conn: &Connection, head: i64) -> Result<Vec<ItemRow>, DbError> {
    // an event's items follow each other directly
    let mut statement = conn
        .prepare_cached(items!("WHERE id >= ?1 AND id < ?1 + ?2 AND (id = ?1 OR head = ?1) ORDER BY id"))?;
    let most = i64::try_from(super::rating::MAX_LINES).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![head, most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(item_from_row(conn, row)?);
    }
    if found.first().is_some_and(|first| first.head.is_some()) {
        found.clear();
    }
    Ok(found)
}

/// One item, first or not.
pub(super) fn item(conn: &Connection, id: i64) -> Result<Option<ItemRow>, DbError> {
    let mut statement = conn.prepare_cached(items!("WHERE id = ?"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(|row| item_from_row(conn, row)).transpose()
}

pub(super) fn void_of(conn: &Connection, head: i64) -> Result<Option<i64>, DbError> {
    Ok(conn
        .prepare_cached("SELECT void_id FROM usage_voids WHERE head = ?")?
        .query_row([head], |row| row.get(0))
        .optional()?)
}

pub(super) fn insert_void(conn: &Connection, head: i64, void: i64) -> Result<(), DbError> {
    conn.prepare_cached("INSERT INTO usage_voids (head, void_id) VALUES (?, ?)")?.execute([head, void])?;
    Ok(())
}

/// Organizations with the number of their events from one day to another (both included), those with the most first.
pub(super) fn busiest(conn: &Connection, from: Day, to: Day) -> Result<Vec<(OrganizationId, i64)>, DbError> {
    let statement = "SELECT organization_id, sum(events) FROM usage_days WHERE day BETWEEN ? AND ?
                     GROUP BY organization_id ORDER BY 2 DESC, 1";
    db::collect(conn, statement, params![from, to], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Organizations, each with its terms at `?1`.
const WITH_TERMS: &str =
    "FROM organizations o LEFT JOIN price_terms t ON t.organization_id = o.id AND t.starts_at =
    (SELECT max(starts_at) FROM price_terms WHERE organization_id = o.id AND starts_at <= ?1)";

/// The plan and the card of somebody's terms.
pub(super) type Bases = (Option<PlanVersionId>, Option<RateCardId>);

/// How many organizations have the same terms at a time.
pub(super) fn count_by_terms(conn: &Connection, at: Timestamp) -> Result<Vec<(Bases, i64)>, DbError> {
    let statement = format!("SELECT t.plan_version_id, t.rate_card_id, count(*) {WITH_TERMS} GROUP BY 1, 2");
    db::collect(conn, &statement, [at], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))
}

/// The first organizations by name of those that have any of some terms at a time.
pub(super) fn on_terms(
    conn: &Connection,
    at: Timestamp,
    any: &[Bases],
    limit: usize,
) -> Result<Vec<(OrganizationId, String, Bases)>, DbError> {
    let pairs = any.iter().map(|(plan, card)| (plan.map(Id::number), card.map(Id::number)));
    let pairs = serde_json::to_string(&pairs.collect::<Vec<_>>());
    let pairs = pairs.map_err(|e| DbError::bad_row("price_terms", 0, e))?;
    let statement = format!(
        "SELECT o.id, o.name, t.plan_version_id, t.rate_card_id {WITH_TERMS}
         WHERE EXISTS (SELECT 1 FROM json_each(?2) one
             WHERE one.value ->> 0 IS t.plan_version_id AND one.value ->> 1 IS t.rate_card_id)
         ORDER BY o.name, o.id LIMIT ?3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db::collect(conn, &statement, params![at, pairs, limit], |row| {
        Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?)))
    })
}

/// What is known of an organization's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DayRow {
    /// The newest event.
    pub last_head: i64,
    /// How many events there are, voids included.
    pub events: i64,
    /// Quantities of all meters added up, in millionths; voids do not lower it.
    pub volume: i64,
}

pub(super) fn usage_day(
    conn: &Connection,
    day: Day,
    organization: OrganizationId,
) -> Result<Option<DayRow>, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT last_head, events, volume FROM usage_days WHERE day = ? AND organization_id = ?",
        )?
        .query_row(params![day, organization], |row| {
            Ok(DayRow { last_head: row.get(0)?, events: row.get(1)?, volume: row.get(2)? })
        })
        .optional()?)
}

/// Writes days one by one.
pub(super) fn usage_day_writer(
    conn: &Connection,
) -> Result<impl FnMut(Day, OrganizationId, DayRow) -> Result<(), DbError>, DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO usage_days (day, organization_id, last_head, events, volume) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (day, organization_id) DO UPDATE
         SET last_head = excluded.last_head, events = excluded.events, volume = excluded.volume",
    )?;
    Ok(move |day, organization, row: DayRow| {
        statement.execute(params![day, organization, row.last_head, row.events, row.volume])?;
        Ok(())
    })
}

/// The key of a rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RollupKey {
    pub day: Day,
    pub organization: OrganizationId,
    pub meter: MeterId,
    /// 0 for none.
    pub agent: i64,
    /// 0 for none.
    pub number: i64,
    /// 0 for none.
    pub workspace: i64,
}

/// What a rollup adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rollup {
    pub quantity: i64,
    pub reported: i64,
    pub credits: i64,
    pub events: i64,
}

impl Rollup {
    /// Never reaches the end of the range: what one day may hold is bounded where usage is taken in.
    pub(super) fn add(&mut self, other: Self) {
        self.quantity = self.quantity.saturating_add(other.quantity);
        self.reported = self.reported.saturating_add(other.reported);
        self.credits = self.credits.saturating_add(other.credits);
        self.events = self.events.saturating_add(other.events);
    }

    /// What one item adds.
    pub(super) fn of_item(row: &ItemRow) -> Self {
        let quantity = if row.kind.counts_quantity() { row.quantity.micros() } else { 0 };
        Self { quantity, credits: row.credits.micros(), ..Self::default() }
    }
}

/// Adds to rollups one by one.
pub(super) fn rollup_writer(
    conn: &Connection,
) -> Result<impl FnMut(&RollupKey, Rollup) -> Result<(), DbError>, DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO usage_rollups (day, organization_id, meter_id, agent_id, number_id, workspace_id,
                                    quantity, reported, credits, events)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET
             quantity = quantity + excluded.quantity, reported = reported + excluded.reported,
             credits = credits + excluded.credits, events = events + excluded.events",
    )?;
    Ok(move |key: &RollupKey, sums: Rollup| {
        statement.execute(params![
            key.day,
            key.organization,
            key.meter,
            key.agent,
            key.number,
            key.workspace,
            sums.quantity,
            sums.reported,
            sums.credits,
            sums.events
        ])?;
        Ok(())
    })
}

/// Billed and included quantity of a meter in a cycle.
pub(super) fn cycle_usage(
    conn: &Connection,
    organization: OrganizationId,
    meter: MeterId,
    cycle_start: Timestamp,
) -> Result<(Quantity, Quantity), DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT billed, included FROM cycle_usage
             WHERE organization_id = ? AND meter_id = ? AND cycle_start = ?",
        )?
        .query_row(params![organization, meter, cycle_start], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .unwrap_or_default())
}

/// What calls in progress have set aside of a cycle.
pub(super) fn cycle_hold(
    conn: &Connection,
    organization: OrganizationId,
    meter: MeterId,
    cycle_start: Timestamp,
) -> Result<CycleHold, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT billed, included FROM cycle_holds
             WHERE organization_id = ? AND meter_id = ? AND cycle_start = ?",
        )?
        .query_row(params![organization, meter, cycle_start], |row| {
            Ok(CycleHold { billed: row.get(0)?, included: row.get(1)? })
        })
        .optional()?
        .unwrap_or_default())
}

pub(super) fn set_cycle_hold(
    conn: &Connection,
    organization: OrganizationId,
    meter: MeterId,
    cycle_start: Timestamp,
    held: CycleHold,
) -> Result<(), DbError> {
    if held == CycleHold::default() {
        conn.prepare_cached(
            "DELETE FROM cycle_holds WHERE organization_id = ? AND meter_id = ? AND cycle_start = ?",
        )?
        .execute(params![organization, meter, cycle_start])?;
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO cycle_holds (organization_id, meter_id, cycle_start, billed, included) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET billed = excluded.billed, included = excluded.included",
    )?
    .execute(params![organization, meter, cycle_start, held.billed, held.included])?;
    Ok(())
}

/// Billed and included quantity of a meter in a cycle, used or set aside.
pub(super) fn cycle_taken(
    conn: &Connection,
    organization: OrganizationId,
    meter: MeterId,
    cycle_start: Timestamp,
) -> Result<(Quantity, Quantity), DbError> {
    let (billed, included) = cycle_usage(conn, organization, meter, cycle_start)?;
    let held = cycle_hold(conn, organization, meter, cycle_start)?;
    let sum = |a: Quantity, b: Quantity| Quantity::from_micros(a.micros().saturating_add(b.micros()));
    Ok((sum(billed, held.billed), sum(included, held.included)))
}

pub(super) fn set_cycle_usage(
    conn: &Connection,
    organization: OrganizationId,
    meter: MeterId,
    cycle_start: Timestamp,
    billed: Quantity,
    included: Quantity,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO cycle_usage (organization_id, meter_id, cycle_start, billed, included) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET billed = excluded.billed, included = excluded.included",
    )?
    .execute(params![organization, meter, cycle_start, billed, included])?;
    Ok(())
}

/// The platform's id of an agent, number or workspace.
pub(super) fn external_id_of(conn: &Connection, what: Known, id: i64) -> Result<Option<String>, DbError> {
    let query = match what {
        Known::Agent => "SELECT external_id FROM agents WHERE id = ?",
        Known::Number => "SELECT external_id FROM numbers WHERE id = ?",
        Known::Workspace => "SELECT coalesce(external_id, name) FROM workspaces WHERE id = ?",
    };
    Ok(conn.prepare_cached(query)?.query_row([id], |row| row.get(0)).optional()?)
}

/// The organization's agent, number or workspace with that id, if it has been seen.
pub(super) fn known(
    conn: &Connection,
    what: Known,
    organization: OrganizationId,
    external_id: &str,
) -> Result<Option<i64>, DbError> {
    let query = match what {
        Known::Agent => "SELECT id FROM agents WHERE organization_id = ? AND external_id = ?",
        Known::Number => "SELECT id FROM numbers WHERE organization_id = ? AND external_id = ?",
        Known::Workspace => "SELECT id FROM workspaces WHERE organization_id = ? AND external_id = ?",
    };
    Ok(conn
        .prepare_cached(query)?
        .query_row(params![organization, external_id], |row| row.get(0))
        .optional()?)
}

/// Calls `f` with every rollup of an organization on a day.
pub(super) fn each_rollup(
    conn: &Connection,
    day: Day,
    organization: OrganizationId,
    mut f: impl FnMut(&RollupKey, Rollup),
) -> Result<(), DbError> {
    let mut statement =
        conn.prepare_cached("SELECT * FROM usage_rollups WHERE day = ? AND organization_id = ?")?;
    let mut rows = statement.query(params![day, organization])?;
    while let Some(row) = rows.next()? {
        let (key, sums) = rollup_from_row(row)?;
        f(&key, sums);
    }
    Ok(())
}

pub(super) fn rollup_from_row(row: &Row<'_>) -> rusqlite::Result<(RollupKey, Rollup)> {
    let key = RollupKey {
        day: row.get(0)?,
        organization: row.get(1)?,
        meter: row.get(2)?,
        agent: row.get(3)?,
        number: row.get(4)?,
        workspace: row.get(5)?,
    };
    let sums =
        Rollup { quantity: row.get(6)?, reported: row.get(7)?, credits: row.get(8)?, events: row.get(9)? };
    Ok((key, sums))
}

/// Whether any usage of the organization has been posted.
pub(super) fn has_usage(conn: &Connection, organization: OrganizationId) -> Result<bool, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT line_count > (SELECT count(*) FROM transactions WHERE organization_id = ?1)
             FROM wallets WHERE organization_id = ?1",
        )?
        .query_row([organization], |row| row.get(0))
        .optional()?
        .unwrap_or(false))
}

/// For the verifier: each finds rows of a table that do not fit, and should find none.
pub(super) const MISFITS: [(&str, &str); 4] = [
    (
        "usage_draws",
        "SELECT d.item_id, 'belongs to no item that was drawn from several accounts' FROM usage_draws d
         LEFT JOIN usage_items i ON i.id = d.item_id
         WHERE i.id IS NULL OR i.account_id IS NOT NULL OR i.credits = 0 ORDER BY 1 LIMIT 1",
    ),
    (
        "agents",
        "SELECT agent_id, 'does not exist, but has usage' FROM usage_rollups
         WHERE agent_id <> 0 AND agent_id NOT IN (SELECT id FROM agents) ORDER BY 1 LIMIT 1",
    ),
    (
        "numbers",
        "SELECT number_id, 'does not exist, but has usage' FROM usage_rollups
         WHERE number_id <> 0 AND number_id NOT IN (SELECT id FROM numbers) ORDER BY 1 LIMIT 1",
    ),
    (
        "workspaces",
        "SELECT workspace_id, 'does not exist, but has usage' FROM usage_rollups
         WHERE workspace_id <> 0 AND workspace_id NOT IN (SELECT id FROM workspaces) ORDER BY 1 LIMIT 1",
    ),
];
pub(super) const ALL_VOIDS: &str = "SELECT head, void_id FROM usage_voids";

/// For the verifier: everything, in the order of the chain.
pub(super) const ALL_ITEMS: &str = items!("ORDER BY id");
pub(super) const ALL_ROLLUPS: &str = "SELECT * FROM usage_rollups";
pub(super) const ALL_DAYS: &str = "SELECT day, organization_id, last_head, events, volume FROM usage_days";
pub(super) const ALL_CYCLES: &str =
    "SELECT organization_id, meter_id, cycle_start, billed, included FROM cycle_usage";
