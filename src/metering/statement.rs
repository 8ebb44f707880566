//! Reading lines back: an organization's transactions and its usage, newest first.
//!
//! Lines are found by following chains (`prev_line`, `prev_of_day`), so a page costs what it shows, however long the
//! history is.

use std::collections::HashMap;

use rusqlite::Connection;

use super::row::{EventRow, ItemRow};
use super::sql::{self, Known};
use crate::base::id::{AgentId, GrantId, MeterId, NumberId, OrganizationId, TransactionId, WorkspaceId};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::db::DbError;
use crate::ledger::{self, TransactionType};
use crate::wallet::{self, DayLine};

/// The most lines one request looks at; what is beyond is reached with the cursor.
const LOOK: usize = 20_000;
/// How many days without a line a date may lie behind the line before it.
const LOOK_BACK_DAYS: i32 = 3_660;

/// One line of the list of transactions.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its id.
    pub id: TransactionId,
    /// What it is.
    pub kind: TransactionType,
    /// What it added (or took, below zero).
    pub amount: Credits,
    /// The balance after it.
    pub balance_after: Credits,
    /// For people; empty for usage, which `usage` describes.
    pub description: String,
    /// When it was posted.
    pub created_at: Timestamp,
    /// The grant it made.
    pub grant: Option<GrantId>,
    /// The line it corrects.
    pub corrects: Option<TransactionId>,
    /// Who did it.
    pub actor: String,
    /// A JSON object from the caller.
    pub metadata: Option<String>,
    /// Of a usage line: what was used.
    pub usage: Option<UsageLine>,
    previous: i64,
}

/// What a usage line charged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLine {
    /// What was counted.
    pub meter: MeterId,
    /// As sent.
    pub quantity: Quantity,
    /// The platform's id of the event.
    pub event_id: String,
    /// When the work was done.
    pub occurred_at: Timestamp,
    /// The platform's id of the call.
    pub call_id: Option<String>,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct LineFilter {
    /// Posted at or after.
    pub from: Option<Timestamp>,
    /// Posted before.
    pub to: Option<Timestamp>,
    /// Only these types; all when empty.
    pub types: Vec<TransactionType>,
}

/// A page of a list, and where the next one begins.
#[derive(Debug, Clone)]
pub struct Page<T, C> {
    /// What was found.
    pub items: Vec<T>,
    /// Continue here; `None` at the end.
    pub next: Option<C>,
}

/// The organization's line with this id.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn line(
    conn: &Connection,
    organization: OrganizationId,
    id: TransactionId,
) -> Result<Option<Line>, DbError> {
    if let Some(t) = ledger::transaction_by_id(conn, id)? {
        return Ok((t.organization == organization).then_some(Line {
            id: t.id,
            kind: t.kind,
            amount: t.amount,
            balance_after: t.balance_after,
            description: t.description,
            created_at: t.created_at,
            grant: t.grant,
            corrects: t.corrects,
            actor: t.actor,
            metadata: t.metadata,
            usage: None,
            previous: t.prev_line,
        }));
    }
    let Some(row) = sql::item(conn, id.number())?.filter(|row| row.organization == organization) else {
        return Ok(None);
    };
    let Some(event) = row.event else { return Ok(None) };
    Ok(Some(usage_line(row.id, row.meter, event)))
}

fn usage_line(id: i64, meter: MeterId, event: EventRow) -> Line {
    // what was used lowers the balance
    let amount = event.total.checked_neg().unwrap_or(Credits::ZERO);
    Line {
        id: TransactionId::new(id),
        kind: match event.corrects {
            Some(_) => TransactionType::Reversal,
            None if event.id.is_rent() => TransactionType::NumberRental,
            None => TransactionType::Usage,
        },
        amount,
        balance_after: event.balance_after,
        description: String::new(),
        created_at: event.posted_at,
        grant: None,
        corrects: event.corrects.map(TransactionId::new),
        actor: String::new(),
        metadata: None,
        usage: Some(UsageLine {
            meter,
            quantity: event.reported,
            event_id: event.id.to_string(),
            occurred_at: event.occurred_at,
            call_id: event.call.map(|call| call.to_string()),
        }),
        previous: event.prev_line,
    }
}

/// The organization's lines, newest first. `at`: the cursor of the page before.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn lines(
    conn: &Connection,
    organization: OrganizationId,
    filter: &LineFilter,
    at: Option<TransactionId>,
    limit: usize,
) -> Result<Page<Line, TransactionId>, DbError> {
    let mut next = match (at, filter.to) {
        (Some(at), _) => at.number(),
        // the day of `to` may hold lines before it; its last line is where the walk begins
        (None, Some(to)) => {
            let day = wallet::zone(conn, organization)?.day_of(to);
            wallet::last_line_on_or_before(conn, organization, day, LOOK_BACK_DAYS)?.unwrap_or(0)
        }
        (None, None) => wallet::last_line(conn, organization)?.unwrap_or(0),
    };
    let mut found = Vec::new();
    for _ in 0..LOOK {
        if next == 0 {
            return Ok(Page { items: found, next: None });
        }
        if found.len() == limit {
            break;
        }
        let Some(line) = line(conn, organization, TransactionId::new(next))? else {
            // a cursor made up, or of another organization
            return Ok(Page { items: found, next: None });
        };
        if filter.from.is_some_and(|from| line.created_at < from) {
            return Ok(Page { items: found, next: None });
        }
        next = line.previous;
        let wanted = filter.to.is_none_or(|to| line.created_at < to)
            && (filter.types.is_empty() || filter.types.contains(&line.kind));
        if wanted {
            found.push(line);
        }
    }
    Ok(Page { items: found, next: (next != 0).then(|| TransactionId::new(next)) })
}

/// All lines of an organization, newest first, as far as the days of its wallet go by them.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn day_lines(conn: &Connection, organization: OrganizationId) -> Result<Vec<DayLine>, DbError> {
    let mut found = Vec::new();
    let mut next = wallet::last_line(conn, organization)?.unwrap_or(0);
    while let Some(line) = line(conn, organization, TransactionId::new(next))? {
        found.push(DayLine {
            line: line.id.number(),
            posted_at: line.created_at,
            balance_after: line.balance_after,
        });
        next = line.previous;
    }
    Ok(found)
}

/// One charge with the names that the platform knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The row.
    pub row: ItemRow,
    /// Of its event.
    pub event: EventRow,
    /// The platform's id of the agent.
    pub agent: Option<String>,
    /// The platform's id of the number.
    pub number: Option<String>,
    /// The platform's id of the workspace.
    pub workspace: Option<String>,
}

/// Which usage is wanted.
#[derive(Debug, Clone)]
pub struct ItemFilter {
    /// Done at or after.
    pub from: Timestamp,
    /// Done before.
    pub to: Timestamp,
    /// Of this meter.
    pub meter: Option<MeterId>,
    /// By this agent (the platform's id).
    pub agent: Option<String>,
    /// On this number (the platform's id).
    pub number: Option<String>,
    /// In one of these workspaces (the platform's ids).
    pub workspaces: Option<Vec<String>>,
}

/// Where a list of usage continues: a day, and the event on it. 0 stands for the day's newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemCursor {
    /// In the organization's timezone.
    pub day: Day,
    /// The event.
    pub head: i64,
}

/// Resolves names once per request.
#[derive(Default)]
struct Names(HashMap<(Known, i64), Option<String>>);

impl Names {
    fn get(&mut self, conn: &Connection, what: Known, id: Option<i64>) -> Result<Option<String>, DbError> {
        let Some(id) = id else { return Ok(None) };
        if let Some(name) = self.0.get(&(what, id)) {
            return Ok(name.clone());
        }
        let name = sql::external_id_of(conn, what, id)?;
        self.0.insert((what, id), name.clone());
        Ok(name)
    }
}

/// Events (each with all its items) of the days from `filter.from` to `filter.to`, newest posted first within a day.
/// At most `limit` items; an event is never split, so the first one may exceed it.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn events(
    conn: &Connection,
    organization: OrganizationId,
    zone: &Zone,
    filter: &ItemFilter,
    at: Option<ItemCursor>,
    limit: usize,
) -> Result<Page<Vec<Item>, ItemCursor>, DbError> {
    let mut found: Vec<Vec<Item>> = Vec::new();
    let end = Page { items: Vec::new(), next: None };
    if filter.to <= filter.from {
        return Ok(end);
    }
    let Some(wanted) = Wanted::resolve(conn, organization, filter)? else { return Ok(end) };
    let first_day = zone.day_of(filter.from);
    let last_day = zone.day_of(filter.to.plus_ms(-1));
    let mut cursor = at.unwrap_or(ItemCursor { day: last_day, head: 0 });
    if cursor.day > last_day {
        cursor = ItemCursor { day: last_day, head: 0 };
    }
    let mut names = Names::default();
    let (mut looked, mut count) = (0, 0);
    while cursor.day >= first_day {
        let mut head = match cursor.head {
            0 => sql::usage_day(conn, cursor.day, organization)?.map_or(0, |day| day.last_head),
            head => head,
        };
        while head != 0 {
            let here = ItemCursor { day: cursor.day, head };
            looked += 1;
            if looked > LOOK {
                return Ok(Page { items: found, next: Some(here) });
            }
            let rows = sql::event_items(conn, head)?;
            let event =
                rows.first().filter(|row| row.organization == organization).and_then(|row| row.event.clone());
            // a cursor made up, or of another organization
            let Some(event) = event else { return Ok(Page { items: found, next: None }) };
            head = event.prev_of_day;
            if !wanted.includes(&rows, &event, filter) {
                continue;
            }
            if count > 0 && count + rows.len() > limit {
                return Ok(Page { items: found, next: Some(here) });
            }
            count += rows.len();
            found.push(named(conn, &mut names, rows, &event)?);
        }
        cursor = ItemCursor { day: cursor.day.plus_days(-1), head: 0 };
    }
    Ok(Page { items: found, next: None })
}

/// A filter with the platform's ids looked up.
struct Wanted {
    agent: Option<i64>,
    number: Option<i64>,
    workspaces: Option<Vec<i64>>,
}

impl Wanted {
    /// `None` when it names nothing that was ever seen: then nothing matches.
    fn resolve(
        conn: &Connection,
        organization: OrganizationId,
        filter: &ItemFilter,
    ) -> Result<Option<Self>, DbError> {
        let mut all_known = true;
        let mut look_up = |what, name: &Option<String>| -> Result<Option<i64>, DbError> {
            let Some(name) = name else { return Ok(None) };
            let id = sql::known(conn, what, organization, name)?;
            all_known &= id.is_some();
            Ok(id)
        };
        let agent = look_up(Known::Agent, &filter.agent)?;
        let number = look_up(Known::Number, &filter.number)?;
        let workspaces = match &filter.workspaces {
            None => None,
            Some(names) => {
                let mut ids = Vec::new();
                for name in names {
                    ids.extend(sql::known(conn, Known::Workspace, organization, name)?);
                }
                all_known &= !ids.is_empty();
                Some(ids)
            }
        };
        Ok(all_known.then_some(Self { agent, number, workspaces }))
    }

    fn includes(&self, rows: &[ItemRow], event: &EventRow, filter: &ItemFilter) -> bool {
        let same = |wanted: Option<i64>, has: Option<i64>| wanted.is_none() || wanted == has;
        let workspace = event.workspace.map(WorkspaceId::number);
        event.occurred_at >= filter.from
            && event.occurred_at < filter.to
            && filter.meter.is_none_or(|meter| rows.first().is_some_and(|row| row.meter == meter))
            && same(self.agent, event.agent.map(AgentId::number))
            && same(self.number, event.number.map(NumberId::number))
            && self.workspaces.as_ref().is_none_or(|ids| workspace.is_some_and(|id| ids.contains(&id)))
    }
}

fn named(
    conn: &Connection,
    names: &mut Names,
    rows: Vec<ItemRow>,
    event: &EventRow,
) -> Result<Vec<Item>, DbError> {
    let agent = names.get(conn, Known::Agent, event.agent.map(AgentId::number))?;
    let number = names.get(conn, Known::Number, event.number.map(NumberId::number))?;
    let workspace = names.get(conn, Known::Workspace, event.workspace.map(WorkspaceId::number))?;
    Ok(rows
        .into_iter()
        .map(|row| Item {
            row,
            event: event.clone(),
            agent: agent.clone(),
            number: number.clone(),
            workspace: workspace.clone(),
        })
        .collect())
}

/// One item of the organization, with its event.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn item(conn: &Connection, organization: OrganizationId, id: i64) -> Result<Option<Item>, DbError> {
    let Some(row) = sql::item(conn, id)?.filter(|row| row.organization == organization) else {
        return Ok(None);
    };
    let rows = sql::event_items(conn, row.head.unwrap_or(row.id))?;
    let Some(event) = rows.first().and_then(|first| first.event.clone()) else { return Ok(None) };
    Ok(named(conn, &mut Names::default(), rows, &event)?.into_iter().find(|item| item.row.id == id))
}

/// All items of the organization's event with this line; none when there is no such event.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn event(
    conn: &Connection,
    organization: OrganizationId,
    id: TransactionId,
) -> Result<Vec<Item>, DbError> {
    let rows = sql::event_items(conn, id.number())?;
    let event = rows.first().filter(|row| row.organization == organization).and_then(|row| row.event.clone());
    match event {
        Some(event) => named(conn, &mut Names::default(), rows, &event),
        None => Ok(Vec::new()),
    }
}

/// The event that took this one back, if it was.
///
/// # Errors
/// When the database fails.
pub fn voided_by(conn: &Connection, head: i64) -> Result<Option<i64>, DbError> {
    sql::void_of(conn, head)
}
