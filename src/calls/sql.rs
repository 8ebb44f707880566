//! Statements of calls.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::call::{Call, Charge, Ended, Hold, Named, Parties, Reason, Rejection, Report, State, Status};
use crate::base::id::{AgentId, AuthorizationId, IdKind, MeterId, NumberId, OrganizationId, WorkspaceId};
use crate::base::{Id, Quantity, Timestamp};
use crate::db::{self, DbError};
use crate::metering::{CycleHold, Direction, ExternalId, Pins, Tariff};
use crate::wallet::Draw;

macro_rules! calls {
    ($tail:expr) => {
        concat!(
            "SELECT c.*, a.external_id AS agent, n.external_id AS number, w.external_id AS workspace FROM calls c ",
            "LEFT JOIN agents a ON a.id = c.agent_id LEFT JOIN numbers n ON n.id = c.number_id ",
            "LEFT JOIN workspaces w ON w.id = c.workspace_id ",
            $tail
        )
    };
}

fn bad(id: i64, what: &str) -> DbError {
    DbError::bad_row("calls", id, what)
}

fn named<K: IdKind>(row: &Row<'_>, id: &str, name: &str) -> Result<Option<Named<Id<K>>>, DbError> {
    let Some(number) = row.get::<_, Option<i64>>(id)? else { return Ok(None) };
    let name: Option<String> = row.get(name)?;
    let name = name.ok_or_else(|| bad(number, "names a party that does not exist"))?.into_boxed_str();
    Ok(Some(Named { id: Id::new(number), name }))
}

fn from_row(conn: &Connection, row: &Row<'_>) -> Result<Call, DbError> {
    let number: i64 = row.get("id")?;
    let tariff = match row.get("rate_version_id")? {
        None => None,
        Some(rate_version) => Some(Tariff {
            rate_version,
            allowance: row.get("allowance")?,
            cycle_start: row.get("cycle_start")?,
            position: row.get("position")?,
        }),
    };
    Ok(Call {
        id: AuthorizationId::new(number),
        organization: row.get("organization_id")?,
        external: row.get("call_id")?,
        meter: row.get("meter_id")?,
        parties: Parties {
            agent: named(row, "agent_id", "agent")?,
            number: named(row, "number_id", "number")?,
            workspace: named(row, "workspace_id", "workspace")?,
        },
        direction: if row.get("outbound")? { Direction::Outbound } else { Direction::Inbound },
        toll_free: row.get("toll_free")?,
        byok: row.get("byok")?,
        started_at: row.get("started_at")?,
        tariff,
        state: state(conn, row, number)?,
    })
}

fn state(conn: &Connection, row: &Row<'_>, number: i64) -> Result<State, DbError> {
    let status: String = row.get("status")?;
    let status = Status::from_name(&status).ok_or_else(|| bad(number, "status"))?;
    Ok(match status {
        Status::Live => State::Live(Hold {
            pins: Pins {
                credit: holds(conn, number)?,
                cycle: CycleHold { billed: row.get("held_billed")?, included: row.get("held_included")? },
            },
            covered: row.get("covered")?,
            most: row.get("most")?,
            elapsed: row.get("elapsed")?,
            extended_at: row.get("extended_at")?,
            expires_at: row.get("expires_at")?,
        }),
        Status::Completed => State::Completed(ended(row)?),
        Status::Expired => State::Expired(ended(row)?),
        Status::Rejected => {
            let reason: String = row.get("reason")?;
            State::Rejected(Rejection {
                at: row.get("ended_at")?,
                reason: Reason::from_name(&reason).ok_or_else(|| bad(number, "reason"))?,
                available: row.get("available")?,
                required: row.get("required")?,
            })
        }
    })
}

fn ended(row: &Row<'_>) -> Result<Ended, DbError> {
    let charge = match row.get::<_, Option<i64>>("head")? {
        None => None,
        Some(head) => Some(Charge {
            report: Report {
                duration: row.get("duration")?,
                transfer: row.get("transfer")?,
                carrier_cost: row.get("carrier_cost")?,
            },
            head,
            transfer_head: row.get("transfer_head")?,
            credits: row.get("credits")?,
            surcharge: row.get("surcharge")?,
            carried: row.get("carried")?,
        }),
    };
    Ok(Ended { at: row.get("ended_at")?, held: row.get("held")?, elapsed: row.get("elapsed")?, charge })
}

fn holds(conn: &Connection, call: i64) -> Result<Vec<Draw>, DbError> {
    let mut statement =
        conn.prepare_cached("SELECT account_id, amount FROM holds WHERE call_id = ? ORDER BY account_id")?;
    let rows = statement.query_map([call], |row| Ok(Draw { account: row.get(0)?, amount: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn all(conn: &Connection, query: &str, params: impl rusqlite::Params) -> Result<Vec<Call>, DbError> {
    let mut statement = conn.prepare_cached(query)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(conn, row)?);
    }
    Ok(found)
}

pub(super) fn live(conn: &Connection) -> Result<Vec<Call>, DbError> {
    all(conn, calls!("WHERE c.status = 'live'"), [])
}

pub(super) fn last_id(conn: &Connection) -> Result<i64, DbError> {
    Ok(conn.prepare_cached("SELECT coalesce(max(id), 0) FROM calls")?.query_row([], |row| row.get(0))?)
}

pub(super) fn get(conn: &Connection, id: AuthorizationId) -> Result<Option<Call>, DbError> {
    Ok(all(conn, calls!("WHERE c.id = ?"), [id])?.pop())
}

pub(super) fn by_call(
    conn: &Connection,
    organization: OrganizationId,
    external: &ExternalId,
    meter: MeterId,
) -> Result<Option<Call>, DbError> {
    let query = calls!("WHERE c.organization_id = ? AND c.call_id = ? AND c.meter_id = ?");
    Ok(all(conn, query, params![organization, external, meter])?.pop())
}

/// Calls that were not heard of in time and since when, the longest first, after one.
///
/// # Errors
/// When the database fails.
pub fn due(
    conn: &Connection,
    now: Timestamp,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<(Timestamp, i64)>, DbError> {
    let (after_at, after_id) = after.unwrap_or((Timestamp::from_millis(i64::MIN), i64::MIN));
    // the index has live calls alone
    let query = "SELECT expires_at, id FROM calls
         WHERE status = 'live' AND expires_at <= ? AND (expires_at, id) > (?, ?) ORDER BY expires_at, id LIMIT ?";
    db::collect(conn, query, params![now, after_at, after_id, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// When the next live call ends by itself after `now`, unless it is heard of.
///
/// # Errors
/// When the database fails.
pub fn next_due(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let query = "SELECT min(expires_at) FROM calls WHERE status = 'live' AND expires_at > ?";
    Ok(conn.prepare_cached(query)?.query_row([now], |row| row.get(0))?)
}

/// How many of an organization's calls are live.
///
/// # Errors
/// When the database fails.
pub fn live_count(conn: &Connection, organization: OrganizationId) -> Result<u64, DbError> {
    let query = "SELECT count(*) FROM calls WHERE status = 'live' AND organization_id = ?";
    let count: i64 = conn.prepare_cached(query)?.query_row([organization], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Every leg of a call, the newest first.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn legs(
    conn: &Connection,
    organization: OrganizationId,
    external: &ExternalId,
) -> Result<Vec<Call>, DbError> {
    let query = calls!("WHERE c.organization_id = ? AND c.call_id = ? ORDER BY c.id DESC");
    all(conn, query, params![organization, external])
}

/// The columns that change while a call goes on and when it ends.
struct Changing<'a> {
    status: Status,
    tariff: Option<Tariff>,
    hold: Option<&'a Hold>,
    ended: Option<&'a Ended>,
    rejection: Option<&'a Rejection>,
}

impl<'a> Changing<'a> {
    const fn of(call: &'a Call) -> Self {
        let (hold, ended, rejection) = match &call.state {
            State::Live(hold) => (Some(hold), None, None),
            State::Completed(ended) | State::Expired(ended) => (None, Some(ended), None),
            State::Rejected(rejection) => (None, None, Some(rejection)),
        };
        Self { status: call.status(), tariff: call.tariff, hold, ended, rejection }
    }

    fn elapsed(&self) -> Quantity {
        self.hold.map(|hold| hold.elapsed).or(self.ended.map(|ended| ended.elapsed)).unwrap_or_default()
    }

    fn ended_at(&self) -> Option<Timestamp> {
        self.ended.map(|ended| ended.at).or(self.rejection.map(|rejection| rejection.at))
    }
}

pub(super) fn insert(conn: &Connection, call: &Call) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO calls (id, organization_id, call_id, meter_id, status, agent_id, number_id, workspace_id,
                            outbound, toll_free, byok, started_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        call.id,
        call.organization,
        call.external,
        call.meter,
        call.status().name(),
        call.parties.agent.as_ref().map(|agent| agent.id),
        call.parties.number.as_ref().map(|number| number.id),
        call.parties.workspace.as_ref().map(|workspace| workspace.id),
        call.direction == Direction::Outbound,
        call.toll_free,
        call.byok,
        call.started_at,
    ])?;
    update(conn, call)
}

pub(super) fn update(conn: &Connection, call: &Call) -> Result<(), DbError> {
    let now = Changing::of(call);
    let charge = now.ended.and_then(|ended| ended.charge.as_ref());
    let cycle = now.hold.map(|hold| hold.pins.cycle).unwrap_or_default();
    conn.prepare_cached(
        "UPDATE calls SET status = :status, started_at = :started_at, rate_version_id = :rate_version, allowance = :allowance,
             cycle_start = :cycle_start, position = :position, covered = :covered, held = :held,
             held_included = :held_included, held_billed = :held_billed, most = :most, elapsed = :elapsed,
             extended_at = :extended_at, expires_at = :expires_at, reason = :reason, available = :available,
             required = :required, ended_at = :ended_at, duration = :duration, transfer = :transfer,
             carrier_cost = :carrier_cost, head = :head, transfer_head = :transfer_head, credits = :credits,
             surcharge = :surcharge, carried = :carried
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": call.id,
        ":status": now.status.name(),
        ":started_at": call.started_at,
        ":rate_version": now.tariff.map(|tariff| tariff.rate_version),
        ":allowance": now.tariff.and_then(|tariff| tariff.allowance),
        ":cycle_start": now.tariff.and_then(|tariff| tariff.cycle_start),
        ":position": now.tariff.map(|tariff| tariff.position),
        ":covered": now.hold.map(|hold| hold.covered).unwrap_or_default(),
        ":held": call.held(),
        ":held_included": cycle.included,
        ":held_billed": cycle.billed,
        ":most": now.hold.map(|hold| hold.most).unwrap_or_default(),
        ":elapsed": now.elapsed(),
        ":extended_at": now.hold.map(|hold| hold.extended_at),
        ":expires_at": now.hold.map(|hold| hold.expires_at),
        ":reason": now.rejection.map(|rejection| rejection.reason.name()),
        ":available": now.rejection.map(|rejection| rejection.available),
        ":required": now.rejection.map(|rejection| rejection.required),
        ":ended_at": now.ended_at(),
        ":duration": charge.map(|charge| charge.report.duration),
        ":transfer": charge.and_then(|charge| charge.report.transfer),
        ":carrier_cost": charge.and_then(|charge| charge.report.carrier_cost),
        ":head": charge.map(|charge| charge.head),
        ":transfer_head": charge.and_then(|charge| charge.transfer_head),
        ":credits": charge.map(|charge| charge.credits),
        ":surcharge": charge.map(|charge| charge.surcharge),
        ":carried": charge.map(|charge| charge.carried),
    })?;
    Ok(())
}

/// Makes the stored holds of a call those that it has.
pub(super) fn set_holds(conn: &Connection, call: &Call) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM holds WHERE call_id = ?")?.execute([call.id])?;
    let State::Live(hold) = &call.state else { return Ok(()) };
    for pin in &hold.pins.credit {
        conn.prepare_cached("INSERT INTO holds (call_id, account_id, amount) VALUES (?, ?, ?)")?
            .execute(params![call.id, pin.account, pin.amount])?;
    }
    Ok(())
}

/// Which calls a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this state.
    pub status: Option<Status>,
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Only on this number.
    pub number: Option<NumberId>,
    /// Only in these workspaces.
    pub workspaces: Option<Vec<WorkspaceId>>,
    /// Begun at or after.
    pub from: Option<Timestamp>,
    /// Begun before.
    pub to: Option<Timestamp>,
    /// Only those that go this way.
    pub direction: Option<Direction>,
    /// Only those that are not live.
    pub over: bool,
}

/// Where a list of calls continues: when the last one that was looked at began, and its id.
pub type Place = [i64; 2];

/// How many calls one request looks at; what is beyond is reached with the cursor.
const LOOK: usize = 5_000;

/// A page of an organization's calls, newest first.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn list(
    conn: &Connection,
    organization: OrganizationId,
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> Result<(Vec<Call>, Option<Place>), DbError> {
    let [start, id] = after.unwrap_or([i64::MAX, i64::MAX]);
    let bounds = params![
        organization,
        start,
        id,
        filter.from.map_or(i64::MIN, Timestamp::millis),
        filter.to.map_or(i64::MAX, Timestamp::millis)
    ];
    let mut statement = conn.prepare_cached(match filter.status {
        Some(Status::Live) => calls!(
            "WHERE c.status = 'live' AND c.organization_id = ?1 AND (c.started_at, c.id) < (?2, ?3)
               AND c.started_at >= ?4 AND c.started_at < ?5 ORDER BY c.started_at DESC, c.id DESC"
        ),
        _ => calls!(
            "WHERE c.organization_id = ?1 AND (c.started_at, c.id) < (?2, ?3)
               AND c.started_at >= ?4 AND c.started_at < ?5 ORDER BY c.started_at DESC, c.id DESC"
        ),
    })?;
    let mut rows = statement.query(bounds)?;
    let (mut found, mut looked, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        if found.len() == limit || looked == LOOK {
            return Ok((found, last));
        }
        looked += 1;
        last = Some([row.get("started_at")?, row.get("id")?]);
        if includes(filter, row)? {
            found.push(from_row(conn, row)?);
        }
    }
    Ok((found, None))
}

fn includes(filter: &Filter, row: &Row<'_>) -> Result<bool, DbError> {
    let status: String = row.get("status")?;
    let agent: Option<AgentId> = row.get("agent_id")?;
    let number: Option<NumberId> = row.get("number_id")?;
    let workspace: Option<WorkspaceId> = row.get("workspace_id")?;
    let outbound: bool = row.get("outbound")?;
    Ok(!(filter.over && status == Status::Live.name())
        && filter.direction.is_none_or(|wanted| (wanted == Direction::Outbound) == outbound)
        && filter.status.is_none_or(|wanted| wanted.name() == status)
        && filter.agent.is_none_or(|wanted| agent == Some(wanted))
        && filter.number.is_none_or(|wanted| number == Some(wanted))
        && filter.workspaces.as_ref().is_none_or(|ids| workspace.is_some_and(|id| ids.contains(&id))))
}

/// What callers hear when a call is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What is said.
    pub text: String,
    /// What is played instead, where the platform can.
    pub audio_url: Option<String>,
}

pub(super) fn message(conn: &Connection, organization: OrganizationId) -> Result<Option<Message>, DbError> {
    Ok(conn
        .prepare_cached("SELECT text, audio_url FROM call_messages WHERE organization_id = ?")?
        .query_row([organization], |row| Ok(Message { text: row.get(0)?, audio_url: row.get(1)? }))
        .optional()?)
}

pub(super) fn set_message(
    conn: &Connection,
    organization: OrganizationId,
    message: Option<&Message>,
    now: Timestamp,
) -> Result<(), DbError> {
    match message {
        None => {
            conn.prepare_cached("DELETE FROM call_messages WHERE organization_id = ?")?
                .execute([organization])?;
        }
        Some(message) => {
            conn.prepare_cached(
                "INSERT INTO call_messages (organization_id, text, audio_url, updated_at) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET text = excluded.text, audio_url = excluded.audio_url,
                     updated_at = excluded.updated_at",
            )?
            .execute(params![organization, message.text, message.audio_url, now])?;
        }
    }
    Ok(())
}

/// The row of an agent, number or workspace by the platform's id.
pub(super) fn party(
    conn: &Connection,
    what: Party,
    organization: OrganizationId,
    name: &str,
) -> Result<Option<i64>, DbError> {
    let query = match what {
        Party::Agent => "SELECT id FROM agents WHERE organization_id = ? AND external_id = ?",
        Party::Number => "SELECT id FROM numbers WHERE organization_id = ? AND external_id = ?",
    };
    Ok(conn.prepare_cached(query)?.query_row(params![organization, name], |row| row.get(0)).optional()?)
}

/// Who may be looked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// An agent.
    Agent,
    /// A phone number.
    Number,
}
