//! Statements of rented numbers.

use rusqlite::{Connection, Row, named_params, params};

use super::{Kind, Rental, State};
use crate::base::Timestamp;
use crate::base::id::{NumberId, OrganizationId};
use crate::db::{self, DbError};

const SELECT: &str = "
    SELECT r.id, r.organization_id, r.number_id, n.external_id, r.kind, r.agent, r.state, r.anchor_at, r.months, r.paid_until,
           r.charges, r.until, r.warned, r.ends, r.tried_line, r.registered_at, r.released_at
    FROM number_rentals r JOIN numbers n ON n.id = r.number_id";

fn from_row(row: &Row<'_>) -> Result<Rental, DbError> {
    let id: i64 = row.get(0)?;
    let bad = |what: &str| DbError::bad_row("number_rentals", id, what);
    let until: Option<Timestamp> = row.get(11)?;
    let until = || until.ok_or_else(|| bad("until"));
    let released_at: Option<Timestamp> = row.get(16)?;
    let state = match row.get_ref(6)?.as_str().unwrap_or_default() {
        "active" => State::Active { ends: row.get(13)? },
        "grace" => State::Grace { until: until()?, warned: row.get(12)? },
        "suspended" => State::Suspended { until: until()? },
        "released" => State::Released { at: released_at.ok_or_else(|| bad("released_at"))? },
        _ => return Err(bad("state")),
    };
    let kind = Kind::from_name(row.get_ref(4)?.as_str().unwrap_or_default());
    Ok(Rental {
        id,
        organization: row.get(1)?,
        number: row.get(2)?,
        external_id: row.get(3)?,
        kind: kind.ok_or_else(|| bad("kind"))?,
        agent: row.get(5)?,
        state,
        anchor_at: row.get(7)?,
        months: row.get(8)?,
        paid_until: row.get(9)?,
        charges: row.get(10)?,
        tried_line: row.get(14)?,
        registered_at: row.get(15)?,
    })
}

fn collect(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<Rental>, DbError> {
    db::collect(conn, &format!("{SELECT} {tail}"), params, from_row)
}

pub(super) fn get(conn: &Connection, id: i64) -> Result<Option<Rental>, DbError> {
    Ok(collect(conn, "WHERE r.id = ?", [id])?.pop())
}

/// The renting of a number that is not over.
pub(super) fn live(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
) -> Result<Option<Rental>, DbError> {
    let tail = "WHERE n.organization_id = ? AND n.external_id = ? AND r.state <> 'released'";
    Ok(collect(conn, tail, params![organization, external_id])?.pop())
}

pub(super) fn list(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Rental>, DbError> {
    collect(
        conn,
        "WHERE r.organization_id = ? AND r.id < ? ORDER BY r.id DESC LIMIT ?",
        params![organization, before.unwrap_or(i64::MAX), limit],
    )
}

/// Up to `limit` at which something is to be done, after one: its time has come, or its wallet has moved since the rent was
/// asked for in vain.
pub(super) fn due(
    conn: &Connection,
    now: Timestamp,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<(Timestamp, i64)>, DbError> {
    let (after, after_id) = after.unwrap_or((Timestamp::from_millis(i64::MIN), 0));
    let select = "
        SELECT due, id FROM (
            SELECT next_at AS due, id FROM number_rentals WHERE next_at <= ?1
            UNION
            SELECT r.paid_until, r.id FROM number_rentals r JOIN wallets w ON w.organization_id = r.organization_id
            WHERE r.state IN ('grace', 'suspended') AND w.last_line <> r.tried_line)
        WHERE (due, id) > (?2, ?3) ORDER BY due, id LIMIT ?4";
    db::collect(conn, select, params![now, after, after_id, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn next_due(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let select = "SELECT min(next_at) FROM number_rentals WHERE next_at > ?";
    Ok(conn.prepare_cached(select)?.query_row([now], |row| row.get(0))?)
}

/// The platform's number, made when it was never seen.
pub(super) fn ensure_number(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
    now: Timestamp,
) -> Result<NumberId, DbError> {
    conn.prepare_cached(
        "INSERT INTO numbers (organization_id, external_id, first_seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    )?
    .execute(params![organization, external_id, now])?;
    let select = "SELECT id FROM numbers WHERE organization_id = ? AND external_id = ?";
    Ok(conn.prepare_cached(select)?.query_row(params![organization, external_id], |row| row.get(0))?)
}

/// A new renting, of which nothing is paid yet.
pub(super) fn insert(
    conn: &Connection,
    organization: OrganizationId,
    number: NumberId,
    kind: Kind,
    agent: Option<&str>,
    now: Timestamp,
) -> Result<i64, DbError> {
    conn.prepare_cached(
        "INSERT INTO number_rentals (organization_id, number_id, kind, agent, state, anchor_at, months, paid_until, charges,
                                     next_at, registered_at)
         VALUES (?1, ?2, ?3, ?4, 'active', ?5, 0, ?5, 0, ?5, ?5)",
    )?
    .execute(params![organization, number, kind.name(), agent, now])?;
    Ok(conn.last_insert_rowid())
}

pub(super) fn update(conn: &Connection, rental: &Rental) -> Result<(), DbError> {
    let (until, warned, ends, released_at) = match rental.state {
        State::Active { ends } => (None, false, ends, None),
        State::Grace { until, warned } => (Some(until), warned, false, None),
        State::Suspended { until } => (Some(until), false, false, None),
        State::Released { at } => (None, false, false, Some(at)),
    };
    conn.prepare_cached(
        "UPDATE number_rentals SET state = :state, anchor_at = :anchor_at, months = :months, paid_until = :paid_until,
             charges = :charges, until = :until, warned = :warned, ends = :ends, next_at = :next_at,
             tried_line = :tried_line, released_at = :released_at
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": rental.id,
        ":state": rental.state.name(),
        ":anchor_at": rental.anchor_at,
        ":months": rental.months,
        ":paid_until": rental.paid_until,
        ":charges": rental.charges,
        ":until": until,
        ":warned": warned,
        ":ends": ends,
        ":next_at": rental.next_at(),
        ":tried_line": rental.tried_line,
        ":released_at": released_at,
    })?;
    Ok(())
}

/// Rentings that are not what was charged for them, or not what their state says.
pub(super) const MISFITS: [(&str, &str); 3] = [
    (
        "number_rentals",
        "WITH ids AS (
             SELECT organization_id, number_id, substr(event_id, 6) AS id FROM usage_items
             WHERE head IS NULL AND corrects IS NULL AND typeof(event_id) = 'text' AND event_id GLOB 'rent_[0-9]*_[0-9]*'),
         rents AS (
             SELECT CAST(substr(id, 1, instr(id, '_') - 1) AS INTEGER) AS rental, count(*) AS charges,
                    max(CAST(substr(id, instr(id, '_') + 1) AS INTEGER)) AS last,
                    max(organization_id) AS organization_id, max(number_id) AS number_id
             FROM ids GROUP BY 1)
         SELECT coalesce(r.id, c.rental), 'counts ' || coalesce(r.charges, 0) || ' months, and '
                || coalesce(c.charges, 0) || ' were charged for it'
         FROM number_rentals r FULL JOIN rents c ON c.rental = r.id
         WHERE r.charges IS NOT c.charges OR r.charges - 1 IS NOT c.last OR r.organization_id IS NOT c.organization_id
            OR r.number_id IS NOT c.number_id ORDER BY 1 LIMIT 1",
    ),
    (
        "number_rentals",
        "SELECT id, 'is ' || state || ', which does not go with its dates' FROM number_rentals
         WHERE months < 1 OR months > charges OR paid_until <= anchor_at
            OR next_at IS NOT CASE WHEN state = 'active' THEN paid_until WHEN state = 'released' THEN NULL
                                   WHEN state = 'grace' AND NOT warned THEN until - 86400000 ELSE until END
         ORDER BY 1 LIMIT 1",
    ),
    (
        "number_rentals",
        "SELECT r.id, 'is ' || r.state || ', but calls are let in as if it were not'
         FROM number_rentals r LEFT JOIN number_guards g ON g.number_id = r.number_id
         WHERE r.state <> 'released' AND coalesce(g.unpaid, 0) <> (r.state = 'suspended') ORDER BY 1 LIMIT 1",
    ),
];
