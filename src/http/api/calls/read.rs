//! Calls as they stand.

use actix_web::web;
use utoipa::IntoParams;

use super::view::CallShape;
use crate::base::id::{AgentId, NumberId, OrganizationId};
use crate::calls::{self, CallRef, Filter, Party, Status};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::list::{Between, List, Paging, Window, encode};
use crate::http::params::{FromParams, Params, PathId, Period, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Reach;

const LIST: &str = "calls";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::USAGE, list);
    table.api(__path_get, Access::USAGE, get);
}

/// Which calls.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// Only `live`, `completed`, `rejected` or `expired` ones.
    status: Option<String>,
    /// Only of this agent, by your id.
    agent_id: Option<String>,
    /// Only on this number, by your id.
    number_id: Option<String>,
}

struct ListQuery {
    period: Period,
    status: Option<Status>,
    agent: Option<String>,
    number: Option<String>,
    window: Window<2>,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        let status = params.text("status");
        let known = status.as_deref().and_then(Status::from_name);
        if status.is_some() && known.is_none() {
            let all: Vec<&str> = Status::ALL.into_iter().map(Status::name).collect();
            params.error("status", "invalid_value", format!("must be one of {}", all.join(", ")));
        }
        Some(Self {
            period: params.period(),
            status: known,
            agent: params.text("agent_id"),
            number: params.text("number_id"),
            window: Window::from_params(params, LIST),
        })
    }
}

/// List calls, newest first
///
/// By when they began; `from` and `to` are instants. A call with several legs (a hand-off that was asked for by itself) is
/// listed once for each. A member sees the own workspaces.
#[utoipa::path(get, path = "/calls", tag = "calls", params(Which, Between, Paging),
    responses((status = 200, description = "A page of calls.", body = List<CallShape>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(query): Query<ListQuery>,
) -> Answer<List<CallShape>> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let catalog = shared.catalog.get(tx)?;
        let Some(filter) = filter(tx, organization, &query, &admitted.reach)? else {
            return Ok(List { items: Vec::new(), total: None, has_more: false, next_cursor: None });
        };
        let limit = usize::try_from(query.window.limit).unwrap_or(usize::MAX);
        let (found, next) = calls::list(tx, organization, &filter, query.window.after, limit)?;
        let next_cursor = next.map(|place| encode(&place, LIST));
        let items = found.iter().map(|call| CallShape::new(call, &catalog)).collect();
        Ok(List { items, total: None, has_more: next_cursor.is_some(), next_cursor })
    });
    Ok(Reply::ok(found.await?))
}

/// The filter with the platform's ids looked up; `None` when it names something that was never seen.
fn filter(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    query: &ListQuery,
    reach: &Reach,
) -> Result<Option<Filter>, ApiError> {
    let mut filter = Filter {
        status: query.status,
        from: query.period.from,
        to: query.period.to,
        workspaces: match reach {
            Reach::Organization => None,
            Reach::Workspaces(ids) => Some(ids.clone()),
        },
        ..Filter::default()
    };
    if let Some(name) = &query.agent {
        let Some(id) = calls::party(tx, Party::Agent, organization, name)? else { return Ok(None) };
        filter.agent = Some(AgentId::new(id));
    }
    if let Some(name) = &query.number {
        let Some(id) = calls::party(tx, Party::Number, organization, name)? else { return Ok(None) };
        filter.number = Some(NumberId::new(id));
    }
    Ok(Some(filter))
}

/// Get a call
#[utoipa::path(get, path = "/calls/{id}", tag = "calls",
    params(("id" = String, Path, description = "`auth_…`, or `ext:` and your id of the call.")),
    responses((status = 200, description = "The call.", body = CallShape)))]
async fn get(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(which): PathId<CallRef>,
) -> Answer<CallShape> {
    let organization = admitted.organization()?;
    state.db.read_blocking(|tx| {
        let found = calls::get(tx, organization, &which)?;
        let in_reach = |call: &calls::Call| {
            admitted.reach.covers(call.parties.workspace.as_ref().map(|workspace| workspace.id))
        };
        let call = found.filter(in_reach).ok_or_else(|| ApiError::new(Code::NotFound))?;
        Ok(Reply::ok(CallShape::new(&call, &*state.catalog.get(tx)?)))
    })
}
