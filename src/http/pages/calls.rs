//! Calls: those in progress as they stand at this instant, the log with its filter, and its CSV.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html};
use super::csv::{Csv, too_many};
use super::filter::{Filter, instants};
use super::format::{self, Show};
use super::views::calls::{
    CallFilter, CallLog, CallName, CallRow, CallsPage, LiveCalls, LiveRow, LiveState, status_chip,
};
use super::views::{Crumb, Section};
use crate::base::id::{AgentId, NumberId, OrganizationId};
use crate::base::time::SECOND_MS;
use crate::base::{Credits, Day, Quantity, Timestamp};
use crate::calls::{self, Call, Hold, Party, Place, State as CallState, Status};
use crate::catalog::Snapshot;
use crate::db::{DbError, ReadTx};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::pages::components::Pager;
use crate::http::route::Table;
use crate::identity::{Reach, Scope, organizations};
use crate::metering::Direction;

const PATH: &str = "/calls";
const LIST: &str = "calls_page";
const NAMES: [&str; 7] = ["from", "to", "status", "direction", "agent", "number", "cursor"];
/// Rows of one page of the log.
const ROWS: usize = 25;
/// Calls in progress that are shown at once.
const LIVE_ROWS: usize = 50;
/// Rows of one CSV file at most.
const CSV_ROWS: usize = 10_000;
/// How often a page of a list looks on when a filter leaves it short.
const LOOKS: usize = 4;
/// The same for a CSV file, which has to be complete.
const CSV_LOOKS: usize = 40;
/// When less is left, it is marked.
const ENDING: Quantity = Quantity::from_micros(60_000_000);

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, PATH, Access::usage(Scope::BillingRead), page);
    table.page(Method::GET, "/calls.csv", Access::usage(Scope::BillingRead), csv);
}

/// Which calls, as read from the address.
struct Wanted {
    filter: Filter,
    days: (Option<Day>, Option<Day>),
    status: Option<Status>,
    direction: Option<Direction>,
    agent: Option<String>,
    number: Option<String>,
    at: Option<Place>,
}

impl Wanted {
    fn parse(query: &str) -> Self {
        let mut filter = Filter::parse(query, &NAMES);
        let days = filter.days();
        let status = filter.read("status", "is not one of a call", Status::from_name);
        let direction = filter.read("direction", "must be inbound or outbound", way);
        let (agent, number) = (filter.text("agent"), filter.text("number"));
        let at = filter.cursor::<2>(LIST);
        Self { filter, days, status, direction, agent, number, at }
    }

    /// The filter with the platform's ids looked up; `None` when it names something that was never seen.
    fn calls(
        &self,
        tx: &ReadTx<'_>,
        organization: OrganizationId,
        show: &Show,
        reach: &Reach,
    ) -> Result<Option<calls::Filter>, DbError> {
        let find = |what, name: &Option<String>| match name {
            None => Ok(Some(None)),
            Some(name) => calls::party(tx, what, organization, name).map(|found| found.map(Some)),
        };
        let (agent, number) = (find(Party::Agent, &self.agent)?, find(Party::Number, &self.number)?);
        let (Some(agent), Some(number)) = (agent, number) else { return Ok(None) };
        let (from, to) = self.days;
        Ok(Some(calls::Filter {
            status: self.status,
            agent: agent.map(AgentId::new),
            number: number.map(NumberId::new),
            workspaces: match reach {
                Reach::Organization => None,
                Reach::Workspaces(ids) => Some(ids.clone()),
            },
            from: from.map(|day| instants(&show.zone, day, day).0),
            to: to.map(|day| instants(&show.zone, day, day).1),
            direction: self.direction,
            over: false,
        }))
    }
}

fn way(name: &str) -> Option<Direction> {
    [Direction::Inbound, Direction::Outbound].into_iter().find(|direction| way_name(*direction) == name)
}

/// `inbound` or `outbound`.
#[must_use]
pub const fn way_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

/// Up to `limit` calls, and where the list goes on.
fn found(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    filter: Option<&calls::Filter>,
    at: Option<Place>,
    limit: usize,
    looks: usize,
) -> Result<(Vec<Call>, Option<Place>), DbError> {
    let (mut all, mut next) = (Vec::new(), at);
    let Some(filter) = filter else { return Ok((all, None)) };
    for _ in 0..looks {
        let (calls, more) = calls::list(tx, organization, filter, next, limit - all.len())?;
        all.extend(calls);
        next = more;
        if next.is_none() || all.len() >= limit {
            break;
        }
    }
    Ok((all, next))
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let wanted = Wanted::parse(req.query_string());
    let shared = state.clone();
    let page = state.db.read(move |tx| read(tx, &shared, &admitted, wanted));
    html(StatusCode::OK, &page.await?)
}

fn read(tx: &ReadTx<'_>, state: &State, admitted: &Admitted, wanted: Wanted) -> Result<CallsPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Calls")];
    let chrome = chrome::chrome(state, admitted, tx, Section::Calls, crumbs)?;
    let catalog = state.catalog.get(tx)?;
    let filter = wanted.calls(tx, organization, &chrome.show, &admitted.reach)?;
    let only_live = wanted.status == Some(Status::Live);
    let active = wanted.filter.is_active();
    let refreshed = wanted.at.is_none();
    let pager = |next: Option<Place>, shown: usize| Pager {
        first: wanted.at.map(|_| wanted.filter.href(PATH, &["cursor"], &[])),
        next: next.map(|next| wanted.filter.next(PATH, LIST, &next)),
        position: if shown == 0 { String::new() } else { format!("{} shown", format::count(number(shown))) },
    };
    // those in progress come first, so later pages of the log are without them
    let with_live = only_live || (wanted.status.is_none() && refreshed);
    let mut live = None;
    if with_live {
        let filter = filter.clone().map(|filter| calls::Filter { status: Some(Status::Live), ..filter });
        let at = wanted.at.filter(|_| only_live);
        let (calls, next) = found(tx, organization, filter.as_ref(), at, LIVE_ROWS, LOOKS)?;
        live = Some(LiveCalls {
            count: (next.is_none() && at.is_none()).then(|| number(calls.len())),
            at: tx.now(),
            refreshed,
            pager: match (only_live, next) {
                (true, next) if next.is_some() || at.is_some() => pager(next, calls.len()),
                (false, Some(_)) => all_live(&wanted.filter),
                _ => Pager::default(),
            },
            rows: calls.iter().filter_map(|call| live_row(call, &catalog, tx.now())).collect(),
        });
    }
    let mut log = None;
    if !only_live {
        let filter = filter.map(|filter| calls::Filter { over: true, ..filter });
        let (calls, next) = found(tx, organization, filter.as_ref(), wanted.at, ROWS, LOOKS)?;
        log = Some(CallLog {
            pager: pager(next, calls.len()),
            rows: calls.iter().map(|call| row(call, &catalog)).collect(),
            refreshed,
        });
    }
    Ok(CallsPage {
        chrome,
        here: wanted.filter.href(PATH, &[], &[]),
        csv: wanted.filter.href("/calls.csv", &["cursor"], &[]),
        filter: CallFilter { form: wanted.filter.form, active },
        live,
        log,
    })
}

/// Leads from the newest calls in progress to all of them.
fn all_live(filter: &Filter) -> Pager {
    Pager {
        first: None,
        next: Some(filter.href(PATH, &["status"], &[("status", Status::Live.name())])),
        position: format!("The newest {LIVE_ROWS}"),
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What a list says of a call.
#[must_use]
pub fn name(call: &Call, catalog: &Snapshot) -> CallName {
    CallName {
        id: call.id.to_string(),
        external: call.external.to_string(),
        what: what(call, catalog),
        agent: call.parties.agent.as_ref().map_or_else(String::new, |agent| agent.name.to_string()),
        number: call.parties.number.as_ref().map_or_else(String::new, |number| number.name.to_string()),
        began: call.started_at,
    }
}

/// `Voice · inbound · toll-free`.
fn what(call: &Call, catalog: &Snapshot) -> String {
    let channel = catalog.meter(call.meter).map_or("Call", |meter| meter.name.as_str());
    let toll_free = if call.toll_free { " · toll-free" } else { "" };
    format!("{channel} · {}{toll_free}", way_name(call.direction))
}

/// A call in progress as it is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// How long it has lasted, in whole seconds, if it goes on since it was last heard of; at most what is set aside for.
    pub lasting: Quantity,
    /// What is left of the longest it may last.
    pub left: Quantity,
    /// It was not heard of for longer than what is set aside lasts.
    pub silent: bool,
}

impl Now {
    /// By what was last heard of it.
    #[must_use]
    pub fn of(hold: &Hold, now: Timestamp) -> Self {
        let since_ms = now.millis().saturating_sub(hold.extended_at.millis()).max(0);
        let going = hold.elapsed.micros().saturating_add(since_ms.saturating_mul(1_000));
        let lasting = going.min(hold.covered.micros().max(hold.elapsed.micros()));
        let lasting = Quantity::from_micros(lasting / (SECOND_MS * 1_000) * (SECOND_MS * 1_000));
        let lasting = lasting.max(hold.elapsed);
        let left = hold.most.micros().saturating_sub(lasting.micros()).max(0);
        Self { lasting, left: Quantity::from_micros(left), silent: going > hold.covered.micros() }
    }
}

fn live_row(call: &Call, catalog: &Snapshot, now: Timestamp) -> Option<LiveRow> {
    let CallState::Live(hold) = &call.state else { return None };
    let Now { lasting, left, silent } = Now::of(hold, now);
    Some(LiveRow {
        name: name(call, catalog),
        lasting,
        cost: calls::cost_at(call, hold, lasting, catalog),
        held: call.held(),
        left,
        state: match (silent, left < ENDING) {
            (true, _) => LiveState::Silent(hold.expires_at),
            (false, true) => LiveState::Ending,
            (false, false) => LiveState::Fine,
        },
    })
}

/// How long a call that is over lasted: what it was charged for, or what was last reported of it.
#[must_use]
pub fn duration(call: &Call) -> Option<Quantity> {
    match &call.state {
        CallState::Completed(ended) | CallState::Expired(ended) => {
            Some(ended.charge.as_ref().map_or(ended.elapsed, |charge| charge.report.duration))
        }
        CallState::Live(_) | CallState::Rejected(_) => None,
    }
}

fn row(call: &Call, catalog: &Snapshot) -> CallRow {
    let charge = call.charge();
    CallRow {
        name: name(call, catalog),
        status: status_chip(call.status()),
        note: match &call.state {
            CallState::Rejected(rejection) => rejection.reason.text(),
            CallState::Completed(ended) if ended.charge.is_none() => "Released: nothing came of it.",
            CallState::Expired(ended) if ended.charge.is_none() => "Nothing was ever heard of it.",
            CallState::Live(_) | CallState::Completed(_) | CallState::Expired(_) => "",
        },
        duration: duration(call).filter(|_| charge.is_some()),
        transfer: charge.and_then(|charge| charge.report.transfer),
        credits: charge.map(|charge| charge.credits),
    }
}

/// Exactly what is filtered, newest first.
async fn csv(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let wanted = Wanted::parse(req.query_string());
    wanted.filter.strictly()?;
    let shared = state.clone();
    let csv = state.db.read(move |tx| -> Result<_, ApiError> {
        let show = chrome::show(&shared, &organizations::get(tx, organization)?);
        let catalog = shared.catalog.get(tx)?;
        let filter = wanted.calls(tx, organization, &show, &admitted.reach)?;
        let (calls, next) = found(tx, organization, filter.as_ref(), None, CSV_ROWS, CSV_LOOKS)?;
        if next.is_some() {
            return Err(too_many(CSV_ROWS));
        }
        Ok(table(&calls, &catalog, &show, tx.now()))
    });
    Ok(csv.await?.answer("calls.csv"))
}

const HEADINGS: [&str; 17] = [
    "call",
    "id",
    "status",
    "reason",
    "began",
    "ended",
    "timezone",
    "channel",
    "direction",
    "toll_free",
    "agent",
    "number",
    "workspace",
    "duration_seconds",
    "transfer_seconds",
    "held",
    "credits",
];

fn table(calls: &[Call], catalog: &Snapshot, show: &Show, now: Timestamp) -> Csv {
    let mut csv = Csv::new(&HEADINGS);
    for call in calls {
        let row = name(call, catalog);
        let (reason, ended) = match &call.state {
            CallState::Live(_) => ("", None),
            CallState::Rejected(rejection) => (rejection.reason.name(), Some(rejection.at)),
            CallState::Completed(ended) | CallState::Expired(ended) => ("", Some(ended.at)),
        };
        // as on the page
        let (duration, credits) = match &call.state {
            CallState::Live(hold) => {
                let lasting = Now::of(hold, now).lasting;
                (Some(lasting), Some(calls::cost_at(call, hold, lasting, catalog)))
            }
            _ => (duration(call), call.charge().map(|charge| charge.credits)),
        };
        let held = if call.status() == Status::Live { call.held() } else { Credits::ZERO };
        let workspace = call.parties.workspace.as_ref().map_or("", |workspace| &*workspace.name);
        let text = |quantity: Option<Quantity>| quantity.map(|q| q.to_string()).unwrap_or_default();
        csv.text(&row.external)
            .text(&row.id)
            .text(call.status().name())
            .text(reason)
            .text(&show.zone.local(row.began).to_string())
            .text(&ended.map(|at| show.zone.local(at).to_string()).unwrap_or_default())
            .text(show.zone.name())
            .text(catalog.meter(call.meter).map_or("", |meter| meter.code.as_str()))
            .text(way_name(call.direction))
            .text(if call.toll_free { "yes" } else { "no" })
            .text(&row.agent)
            .text(&row.number)
            .text(workspace)
            .number(text(duration))
            .number(text(call.charge().and_then(|charge| charge.report.transfer)))
            .number(held)
            .number(credits.map(|credits| credits.to_string()).unwrap_or_default())
            .end();
    }
    csv
}
