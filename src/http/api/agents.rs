//! Agents, and what was said about each.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limits::LimitWindow;
use crate::base::{Credits, Timestamp, Zone};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::input::present;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::limits::{self, AgentChange, AgentStanding, Choice, LimitKey};

const LIST: &str = "agents";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_put, Access::organization(Scope::LimitsWrite), put);
    table.api(__path_resume, Access::organization(Scope::LimitsWrite), resume);
}

/// An agent: what was said about it, what holds for it, and what it spent.
#[derive(Serialize, ToSchema)]
pub(super) struct Agent {
    /// The platform's own id, as usage events name it in `agent_id`.
    id: String,
    /// Its own limit for a calendar month; null: the organization's `per_agent_limit`.
    monthly_limit: Option<Credits>,
    /// What was said; null: `use_balance`.
    on_plan_exhausted: Option<&'static str>,
    /// What was said; null: `stop` where the organization's `action_on_limit` is `pause`, else `use_balance`.
    on_limit: Option<&'static str>,
    /// What holds, its own policy and the organization's limits taken together.
    effective: Effective,
    /// What it spent this month.
    month: LimitWindow,
    first_seen_at: Timestamp,
}

/// What holds for an agent.
#[derive(Serialize, ToSchema)]
struct Effective {
    /// For a calendar month; null: unlimited.
    monthly_limit: Option<Credits>,
    /// `stop` or `use_balance`.
    on_plan_exhausted: &'static str,
    /// `stop` or `use_balance`.
    on_limit: &'static str,
}

impl Agent {
    pub(super) fn new(agent: &AgentStanding, zone: &Zone) -> Self {
        Self {
            id: agent.external_id.clone(),
            monthly_limit: agent.policy.monthly_limit,
            on_plan_exhausted: agent.policy.on_plan_exhausted.map(Choice::name),
            on_limit: agent.policy.on_limit.map(Choice::name),
            effective: Effective {
                monthly_limit: agent.terms.limit,
                on_plan_exhausted: agent.terms.on_plan_exhausted.name(),
                on_limit: agent.terms.on_limit.name(),
            },
            month: LimitWindow::new(&agent.limit, zone),
            first_seen_at: agent.first_seen_at,
        }
    }
}

struct ListQuery(Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

/// List agents, the last one seen for the first time first
#[utoipa::path(get, path = "/agents", tag = "limits", params(Paging),
    responses((status = 200, description = "A page of agents.", body = List<Agent>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<Agent>> {
    let organization = admitted.organization()?;
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let zone = organizations::get(tx, organization)?.zone;
        let today = zone.day_of(tx.now());
        let page = limits::list_agents(tx, organization, today, window.before(), window.limit)?;
        let total = u64::try_from(limits::agent_count(tx, organization)?).unwrap_or(0);
        Ok(List::from_page(LIST, page, |agent| Agent::new(&agent, &zone)).with_total(total))
    });
    Ok(Reply::ok(found.await?))
}

/// Get an agent
#[utoipa::path(get, path = "/agents/{id}", tag = "limits",
    params(("id" = String, Path, description = "The platform's own id.")),
    responses((status = 200, description = "The agent.", body = Agent)))]
async fn get(state: web::Data<State>, admitted: Admitted, id: web::Path<String>) -> Answer<Agent> {
    let organization = admitted.organization()?;
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let zone = organizations::get(tx, organization)?.zone;
        let found = limits::agent_standing(tx, organization, &id, zone.day_of(tx.now()))?;
        let found = found.ok_or(limits::Error::NotFound("agent"))?;
        Ok(Agent::new(&found, &zone))
    });
    Ok(Reply::ok(found.await?))
}

/// What an agent does when something is used up.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StopOrUseBalance {
    Stop,
    UseBalance,
}

impl From<StopOrUseBalance> for Choice {
    fn from(choice: StopOrUseBalance) -> Self {
        match choice {
            StopOrUseBalance::Stop => Self::Stop,
            StopOrUseBalance::UseBalance => Self::UseBalance,
        }
    }
}

/// What to change; what is absent stays as it is, null goes back to what the organization has.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AgentChanges {
    /// Its own limit for a calendar month.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Credits>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    monthly_limit: Option<Option<Credits>>,
    /// When what the plan includes and its credit are used up.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<StopOrUseBalance>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    on_plan_exhausted: Option<Option<StopOrUseBalance>>,
    /// When its limit is spent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<StopOrUseBalance>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    on_limit: Option<Option<StopOrUseBalance>>,
}

/// Set what holds for an agent; one that was never seen is created
#[utoipa::path(put, path = "/agents/{id}", tag = "limits",
    params(("id" = String, Path, description = "The platform's own id.")),
    request_body(content = AgentChanges, example = json!({
        "monthly_limit": 2_000, "on_plan_exhausted": "use_balance", "on_limit": "stop" })),
    responses((status = 200, description = "The agent.", body = Agent)))]
async fn put(
    state: web::Data<State>,
    admitted: Admitted,
    id: web::Path<String>,
    Json(input): Json<AgentChanges>,
) -> Answer<Agent> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let change = AgentChange {
        monthly_limit: input.monthly_limit,
        on_plan_exhausted: input.on_plan_exhausted.map(|choice| choice.map(Choice::from)),
        on_limit: input.on_limit.map(|choice| choice.map(Choice::from)),
    };
    let changed = state.db.write(move |tx| -> Result<_, ApiError> {
        let agent = limits::set_agent(tx, &by, organization, &id, &change)?;
        Ok(Agent::new(&agent, &organizations::get(tx.conn()?, organization)?.zone))
    });
    Ok(Reply::ok(changed.await?))
}

/// Let an agent go on that its limit paused, until the month ends or the limit changes
#[utoipa::path(post, path = "/agents/{id}/resume", tag = "limits",
    params(("id" = String, Path, description = "The platform's own id.")),
    responses((status = 200, description = "The agent.", body = Agent),
        (status = 409, description = "`limit_not_paused`: the limit holds nothing up.")))]
async fn resume(state: web::Data<State>, admitted: Admitted, id: web::Path<String>) -> Answer<Agent> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let resumed = state.db.write(move |tx| -> Result<_, ApiError> {
        let zone = organizations::get(tx.conn()?, organization)?.zone;
        let today = zone.day_of(tx.now());
        let none = || limits::Error::NotFound("agent");
        let agent = limits::agent_standing(tx.conn()?, organization, &id, today)?.ok_or_else(none)?;
        limits::resume(tx, &by, organization, LimitKey::agent(agent.id))?;
        let agent = limits::agent_standing(tx.conn()?, organization, &id, today)?.ok_or_else(none)?;
        Ok(Agent::new(&agent, &zone))
    });
    Ok(Reply::ok(resumed.await?))
}
