//! Statements of wallets.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, params};

use super::Draw;
use super::book::{DayEnd, Watch};
use crate::alerts::rules::Levels;
use crate::base::id::{AccountId, OrganizationId};
use crate::base::{Credits, Day, Timestamp, Zone};
use crate::db::{self, DbError};
use crate::ledger::verify::{VerifyError, expect_equal, none_of};

/// One row of `wallets`, and where its days are.
#[derive(Debug, Clone)]
pub(super) struct WalletRow {
    pub zone: Zone,
    pub overdraft_account: AccountId,
    pub balance: Credits,
    pub last_line: i64,
    pub line_count: i64,
    pub updated_at: Timestamp,
    pub watch: Option<Watch>,
    pub levels: Option<Levels>,
}

pub(super) fn insert_wallet(
    conn: &Connection,
    organization: OrganizationId,
    overdraft: AccountId,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO wallets (organization_id, overdraft_account_id, balance, last_line, line_count, updated_at)
         VALUES (?, ?, 0, 0, 0, ?)",
    )?
    .execute(params![organization, overdraft, now])?;
    Ok(())
}

pub(super) fn wallet(conn: &Connection, organization: OrganizationId) -> Result<Option<WalletRow>, DbError> {
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(String, WalletRow)> {
        let found = WalletRow {
            zone: Zone::UTC,
            overdraft_account: row.get(0)?,
            balance: row.get(1)?,
            last_line: row.get(2)?,
            line_count: row.get(3)?,
            updated_at: row.get(4)?,
            watch: match row.get(6)? {
                Some(below) => Some(Watch { below, armed: row.get(7)? }),
                None => None,
            },
            levels: match (row.get(8)?, row.get(9)?) {
                (None, None) => None,
                (below, above) => Some(Levels { below, above }),
            },
        };
        Ok((row.get(5)?, found))
    };
    let found = conn
        .prepare_cached(
            "SELECT w.overdraft_account_id, w.balance, w.last_line, w.line_count, w.updated_at, o.timezone,
                    w.watch_below, w.watch_armed, w.alert_below, w.alert_above
             FROM wallets w JOIN organizations o ON o.id = w.organization_id WHERE w.organization_id = ?",
        )?
        .query_row([organization], row)
        .optional()?;
    let Some((timezone, found)) = found else { return Ok(None) };
    Ok(Some(WalletRow { zone: parse_zone(organization, &timezone)?, ..found }))
}

impl WalletRow {
    /// The newest day on which it moved: it is written when it moves, and only then. `None` before its first line.
    pub(super) fn day_end(&self) -> Option<DayEnd> {
        (self.line_count > 0).then(|| DayEnd {
            day: self.zone.day_of(self.updated_at),
            balance: self.balance,
            last_line: self.last_line,
        })
    }
}

/// What is told of a wallet from now on.
pub(super) fn set_watch(
    conn: &Connection,
    organization: OrganizationId,
    watch: Option<Watch>,
) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE wallets SET watch_below = ?, watch_armed = ? WHERE organization_id = ?")?
        .execute(params![watch.map(|w| w.below), watch.is_none_or(|w| w.armed), organization])?;
    Ok(())
}

/// Between which balances nothing is crossed from now on.
pub(super) fn set_levels(
    conn: &Connection,
    organization: OrganizationId,
    levels: Levels,
) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE wallets SET alert_below = ?, alert_above = ? WHERE organization_id = ?")?
        .execute(params![levels.below, levels.above, organization])?;
    Ok(())
}

fn parse_zone(organization: OrganizationId, name: &str) -> Result<Zone, DbError> {
    name.parse().map_err(|error| DbError::bad_row("organizations", organization.number(), error))
}

/// Where the organization's days are; UTC when it has no wallet.
///
/// # Errors
/// When the database fails or the timezone is none.
pub fn zone(conn: &Connection, organization: OrganizationId) -> Result<Zone, DbError> {
    Ok(wallet(conn, organization)?.map_or(Zone::UTC, |row| row.zone))
}

/// Where each organization's days are.
///
/// # Errors
/// When the database fails or a timezone is none.
pub fn zones(conn: &Connection) -> Result<HashMap<OrganizationId, Zone>, DbError> {
    let mut statement = conn.prepare("SELECT id, timezone FROM organizations")?;
    let mut rows = statement.query([])?;
    let mut zones = HashMap::new();
    while let Some(row) = rows.next()? {
        let organization: OrganizationId = row.get(0)?;
        zones.insert(organization, parse_zone(organization, &row.get::<_, String>(1)?)?);
    }
    Ok(zones)
}

/// Writes wallets that have moved at `now`, one by one.
pub(super) fn wallet_writer(
    conn: &Connection,
    now: Timestamp,
) -> Result<impl FnMut(OrganizationId, Credits, i64, i64) -> Result<(), DbError>, DbError> {
    let mut statement = conn.prepare_cached(
        "UPDATE wallets SET balance = ?, last_line = ?, line_count = ?, updated_at = ? WHERE organization_id = ?",
    )?;
    Ok(move |organization, balance, last_line, line_count| {
        statement.execute(params![balance, last_line, line_count, now, organization])?;
        Ok(())
    })
}

/// Adds to what is set aside under a reason, and to what is wanted there.
pub(super) fn add_frozen(
    conn: &Connection,
    organization: OrganizationId,
    reason: &str,
    (pin, wanted): (&Draw, Credits),
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO frozen_credit (reason, account_id, organization_id, amount, wanted) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (reason, account_id) DO UPDATE SET amount = amount + excluded.amount, wanted = wanted + excluded.wanted",
    )?
    .execute(params![reason, pin.account, organization, pin.amount, wanted])?;
    Ok(())
}

pub(super) fn frozen(conn: &Connection, reason: &str) -> Result<Vec<Draw>, DbError> {
    let statement =
        "SELECT account_id, amount FROM frozen_credit WHERE reason = ? AND amount > 0 ORDER BY account_id";
    db::collect(conn, statement, [reason], |row| Ok(Draw { account: row.get(0)?, amount: row.get(1)? }))
}

pub(super) fn delete_frozen(conn: &Connection, reason: &str) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM frozen_credit WHERE reason = ?")?.execute([reason])?;
    Ok(())
}

/// What was set aside is gone; what is still wanted is so on.
pub(super) fn empty_frozen(conn: &Connection, reason: &str) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM frozen_credit WHERE reason = ? AND wanted = amount")?
        .execute([reason])?;
    conn.prepare_cached("UPDATE frozen_credit SET wanted = wanted - amount, amount = 0 WHERE reason = ?")?
        .execute([reason])?;
    Ok(())
}

/// What is wanted of an organization's grants beyond what is set aside.
pub(super) fn claims(conn: &Connection, organization: OrganizationId) -> Result<Vec<Draw>, DbError> {
    let statement = "SELECT account_id, sum(wanted - amount) FROM frozen_credit
                     WHERE organization_id = ? AND wanted > amount GROUP BY account_id ORDER BY account_id";
    db::collect(conn, statement, [organization], |row| Ok(Draw { account: row.get(0)?, amount: row.get(1)? }))
}

/// Adds to what is set aside of a grant, for whoever wanted it first.
pub(super) fn add_caught(
    conn: &Connection,
    organization: OrganizationId,
    caught: &Draw,
) -> Result<(), DbError> {
    let statement = "SELECT id, wanted - amount FROM frozen_credit
                     WHERE organization_id = ? AND account_id = ? AND wanted > amount ORDER BY id";
    let wanting = db::collect(conn, statement, params![organization, caught.account], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Credits>(1)?))
    })?;
    let mut rest = caught.amount;
    for (id, missing) in wanting {
        let part = rest.min(missing);
        conn.prepare_cached("UPDATE frozen_credit SET amount = amount + ? WHERE id = ?")?
            .execute(params![part, id])?;
        rest = rest.checked_sub(part).unwrap_or_default();
    }
    Ok(())
}

pub(super) fn delete_wallet_day(
    conn: &Connection,
    day: Day,
    organization: OrganizationId,
) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM wallet_days WHERE day = ? AND organization_id = ?")?
        .execute(params![day, organization])?;
    Ok(())
}

pub(super) fn insert_wallet_day(
    conn: &Connection,
    organization: OrganizationId,
    end: DayEnd,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO wallet_days (day, organization_id, balance, last_line) VALUES (?, ?, ?, ?)",
    )?
    .execute(params![end.day, organization, end.balance, end.last_line])?;
    Ok(())
}

fn wallet_day(conn: &Connection, organization: OrganizationId, day: Day) -> Result<Option<DayEnd>, DbError> {
    let mut statement = conn
        .prepare_cached("SELECT balance, last_line FROM wallet_days WHERE day = ? AND organization_id = ?")?;
    let found = statement.query_row(params![day, organization], |row| {
        Ok(DayEnd { day, balance: row.get(0)?, last_line: row.get(1)? })
    });
    Ok(found.optional()?)
}

/// A day's closing balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalancePoint {
    /// The day in the organization's timezone.
    pub day: Day,
    /// The balance at its end.
    pub balance: Credits,
}

/// How far back the last day on which the balance moved is looked for.
const LOOK_BACK_DAYS: i32 = 3_660;

/// Closing balances of the days in `from..=to` on which the balance moved, preceded by the last one before. Days are those of
/// the organization's timezone.
///
/// # Errors
/// When the database fails.
pub fn balance_days(
    conn: &Connection,
    organization: OrganizationId,
    from: Day,
    to: Day,
) -> Result<Vec<BalancePoint>, DbError> {
    let Some(wallet) = wallet(conn, organization)? else { return Ok(Vec::new()) };
    let Some(newest) = wallet.day_end() else { return Ok(Vec::new()) };
    let point = |end: DayEnd| BalancePoint { day: end.day, balance: end.balance };
    if newest.day < from {
        return Ok(vec![point(newest)]);
    }
    let closing = |day: Day| -> Result<Option<BalancePoint>, DbError> {
        let end = if day == newest.day { Some(newest) } else { wallet_day(conn, organization, day)? };
        Ok(end.map(point))
    };
    let opened = wallet.zone.day_of(created_at(conn, organization)?);
    let earliest = opened.max(from.plus_days(-LOOK_BACK_DAYS));
    let mut points = Vec::new();
    // the key leads with the day, so each day is one look-up, and there are few
    for number in (earliest.number()..from.number()).rev() {
        points.extend(closing(Day::from_number(number))?);
        if !points.is_empty() {
            break;
        }
    }
    for number in from.number()..=to.number().min(newest.day.number()) {
        points.extend(closing(Day::from_number(number))?);
    }
    Ok(points)
}

fn created_at(conn: &Connection, organization: OrganizationId) -> Result<Timestamp, DbError> {
    Ok(conn
        .prepare_cached("SELECT created_at FROM organizations WHERE id = ?")?
        .query_row([organization], |row| row.get(0))?)
}

/// The organization's newest line; `None` when it has no wallet.
///
/// # Errors
/// When the database fails.
pub fn last_line(conn: &Connection, organization: OrganizationId) -> Result<Option<i64>, DbError> {
    Ok(wallet(conn, organization)?.map(|row| row.last_line))
}

/// How many lines the organization has.
///
/// # Errors
/// When the database fails.
pub fn line_count(conn: &Connection, organization: OrganizationId) -> Result<i64, DbError> {
    Ok(wallet(conn, organization)?.map_or(0, |row| row.line_count))
}

/// The organization's newest line on a day (in its timezone) or, up to `look_back` days, before it.
///
/// # Errors
/// When the database fails.
pub fn last_line_on_or_before(
    conn: &Connection,
    organization: OrganizationId,
    day: Day,
    look_back: i32,
) -> Result<Option<i64>, DbError> {
    let newest = wallet(conn, organization)?.and_then(|wallet| wallet.day_end());
    let Some(newest) = newest else { return Ok(None) };
    for day in (0..=look_back).map(|back| day.plus_days(-back)) {
        if day >= newest.day {
            return Ok(Some(newest.last_line));
        }
        if let Some(end) = wallet_day(conn, organization, day)? {
            return Ok(Some(end.last_line));
        }
    }
    Ok(None)
}

/// All wallets together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Credit that is still to be used.
    pub owed: Credits,
    /// How many organizations have used more than they had.
    pub overdrawn: i64,
}

/// Adds all wallets up.
///
/// # Errors
/// When the database fails.
pub fn totals(conn: &Connection) -> Result<Totals, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT coalesce(sum(max(balance, 0)), 0), count(*) FILTER (WHERE balance < 0) FROM wallets",
        )?
        .query_row([], |row| Ok(Totals { owed: row.get(0)?, overdrawn: row.get(1)? }))?)
}

/// What the lines say about one wallet, in all or at the end of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Derived {
    /// The newest line.
    pub last_line: i64,
    /// How many.
    pub lines: i64,
    /// The newest line's `balance_after`.
    pub balance: i64,
}

/// Compares every wallet with its grants, its overdraft and its lines, and every day's closing balance with the day's
/// last line.
///
/// # Errors
/// The first wallet or day that does not fit.
pub fn verify(
    conn: &Connection,
    derived: &BTreeMap<OrganizationId, Derived>,
    days: &BTreeMap<(Day, OrganizationId), Derived>,
) -> Result<u64, VerifyError> {
    let mut statement = conn.prepare(
        "SELECT w.organization_id, w.balance, w.last_line, w.line_count,
                coalesce((SELECT sum(a.credits_posted - a.debits_posted)
                          FROM grants g JOIN accounts a ON a.id = g.account_id
                          WHERE g.organization_id = w.organization_id), 0)
                + (SELECT credits_posted - debits_posted FROM accounts WHERE id = w.overdraft_account_id)
         FROM wallets w ORDER BY w.organization_id",
    )?;
    let mut rows = statement.query([])?;
    let (mut count, mut with_lines) = (0, 0);
    while let Some(row) = rows.next()? {
        let organization: OrganizationId = row.get(0)?;
        let stored = Derived { balance: row.get(1)?, last_line: row.get(2)?, lines: row.get(3)? };
        let of_accounts: i64 = row.get(4)?;
        let of_lines = derived.get(&organization).copied().unwrap_or_default();
        expect_equal(
            "wallets",
            organization,
            "its balance, last line and number of lines",
            &stored,
            &of_lines,
        )?;
        expect_equal("wallets", organization, "balance (of its accounts)", &stored.balance, &of_accounts)?;
        count += 1;
        with_lines += u64::from(of_lines.lines > 0);
    }
    expect_equal("wallets", "all", "how many have lines", &with_lines, &(derived.len() as u64))?;
    [FOREIGN_OVERDRAFTS, LEVELS, CROSSED, FORGOTTEN]
        .iter()
        .try_for_each(|what| none_of(conn, "wallets", what))?;
    verify_days(conn, derived, days)?;
    closed_grants(conn)?;
    Ok(count)
}

/// Balances between which nothing is told that do not follow from the thresholds and where they stand: below the highest that is
/// armed, and from the lowest that is not. Snoozed, they do not count; where nobody has looked yet, anything at all is looked at.
const LEVELS: &str = "
    WITH thresholds AS (
        SELECT organization_id, 1 AS threshold, empty AS state FROM alert_settings
        UNION ALL SELECT a.organization_id, a.threshold, a.state
        FROM alerts a JOIN alert_settings s ON s.organization_id = a.organization_id WHERE s.snoozed_until IS NULL),
    levels AS (
        SELECT organization_id, max(CASE WHEN state = 'armed' THEN threshold END) AS below,
               min(CASE WHEN state <> 'armed' THEN threshold END) AS above
        FROM thresholds GROUP BY organization_id)
    SELECT w.organization_id, 'looks for other balances than its thresholds say'
    FROM wallets w LEFT JOIN levels l ON l.organization_id = w.organization_id
    WHERE (w.alert_below IS NOT NULL OR w.alert_above IS NOT NULL)
      AND (w.alert_below IS NOT l.below
           OR w.alert_above IS NOT CASE WHEN l.organization_id IS NULL THEN 1 ELSE l.above END)
    ORDER BY 1 LIMIT 1";
/// Falls and recoveries that nobody looked at.
const CROSSED: &str = "
    SELECT organization_id, 'has a balance that is to be told, but nobody was asked to' FROM wallets
    WHERE balance < alert_below OR balance >= alert_above ORDER BY 1 LIMIT 1";
const FORGOTTEN: &str = "
    SELECT w.organization_id, 'has thresholds, but its balance is not looked at'
    FROM wallets w JOIN alert_settings s ON s.organization_id = w.organization_id
    WHERE w.alert_below IS NULL AND w.alert_above IS NULL
      AND NOT EXISTS (SELECT 1 FROM outbox WHERE kind = 'alert.crossed' AND state IN ('waiting', 'dead')
                      AND subject = CAST(w.organization_id AS TEXT))
    ORDER BY 1 LIMIT 1";
/// Wallets that owe on an account that is not their organization's for that.
const FOREIGN_OVERDRAFTS: &str = "
    SELECT w.organization_id, 'owes on account ' || w.overdraft_account_id || ', which is not for that' FROM wallets w
    LEFT JOIN accounts a ON a.id = w.overdraft_account_id
    WHERE a.kind IS NOT 'overdraft' OR a.ledger IS NOT 'credits' OR a.organization_id IS NOT w.organization_id
    ORDER BY 1 LIMIT 1";

/// Each day's end is in `wallet_days`, but for the newest, which is the wallet's own row.
fn verify_days(
    conn: &Connection,
    wallets: &BTreeMap<OrganizationId, Derived>,
    days: &BTreeMap<(Day, OrganizationId), Derived>,
) -> Result<(), VerifyError> {
    // not the latest of the days: a clock may have been ahead, and set right
    let is_newest = |organization: &OrganizationId, day: &Derived| {
        wallets.get(organization).is_some_and(|wallet| wallet.last_line == day.last_line)
    };
    let newest = days.iter().filter(|((_, organization), day)| is_newest(organization, day));
    let newest: BTreeMap<OrganizationId, Day> =
        newest.map(|((day, organization), _)| (*organization, *day)).collect();
    for (organization, day) in &newest {
        let of_wallet = wallet(conn, *organization)?.and_then(|wallet| wallet.day_end()).map(|end| end.day);
        expect_equal("wallets", organization, "the day it last moved on", &of_wallet, &Some(*day))?;
    }
    let mut statement = conn.prepare("SELECT day, organization_id, balance, last_line FROM wallet_days")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let key: (Day, OrganizationId) = (row.get(0)?, row.get(1)?);
        let stored: (i64, i64) = (row.get(2)?, row.get(3)?);
        let derived = days.get(&key).filter(|_| newest.get(&key.1) != Some(&key.0));
        let derived = derived.map(|day| (day.balance, day.last_line)).unwrap_or_default();
        let row = format!("{} {}", key.0, key.1);
        expect_equal("wallet_days", row, "closing balance and last line", &stored, &derived)?;
        count += 1;
    }
    expect_equal("wallet_days", "all", "how many there are", &count, &(days.len() - newest.len()))
}

/// A grant that is closed has nothing left, and none has less than nothing.
fn closed_grants(conn: &Connection) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(
        "SELECT g.account_id, a.credits_posted - a.debits_posted FROM grants g JOIN accounts a ON a.id = g.account_id
         WHERE a.credits_posted < a.debits_posted OR (g.open = 0 AND a.credits_posted <> a.debits_posted)
            OR a.debits_pending > a.credits_posted - a.debits_posted
         ORDER BY 1 LIMIT 1",
    )?;
    let mut rows = statement.query([])?;
    match rows.next()? {
        Some(row) => Err(VerifyError::misfit(
            "grants",
            row.get::<_, i64>(0)?,
            format!("what remains ({}) does not fit its state", row.get::<_, i64>(1)?),
        )),
        None => Ok(()),
    }
}
