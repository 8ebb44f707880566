//! Spending limits of an organization.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::agents::Agent;
use crate::base::id::OrganizationId;
use crate::base::{Credits, Timestamp, Zone};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::{self, Json};
use crate::http::error::ApiError;
use crate::http::input::present;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::limits::{self, Action, LimitKey};

/// So many agents are shown beside the limits; `/agents` has all.
const MOST_AGENTS: usize = 100;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_set, Access::organization(Scope::LimitsWrite), set);
    table.api(__path_resume, Access::organization(Scope::LimitsWrite), resume);
}

/// An organization's limits, and what is spent against each.
#[derive(Serialize, ToSchema)]
struct Limits {
    /// For a calendar month; null: unlimited.
    monthly_limit: Option<Credits>,
    /// For a day; null: unlimited.
    daily_limit: Option<Credits>,
    /// For each agent without a limit of its own, for a calendar month; null: unlimited.
    per_agent_limit: Option<Credits>,
    /// `pause` or `alert_only`.
    action_on_limit: &'static str,
    /// What is spent today.
    daily: LimitWindow,
    /// What is spent this month.
    monthly: LimitWindow,
    /// Agents with a limit that spent something this month, the one nearest to its limit first; at most a hundred.
    agents: Vec<Agent>,
}

/// A limit in its present window.
#[derive(Serialize, ToSchema)]
pub(super) struct LimitWindow {
    /// The limit; null: unlimited.
    limit: Option<Credits>,
    /// What was charged in the window.
    spent: Credits,
    /// What is left; null: unlimited.
    left: Option<Credits>,
    /// `unlimited`, `ok`, `warning` (80 % are spent), `reached` (spent, and only told so), `paused` (work not yet done is
    /// refused) or `resumed` (lifted until the window ends).
    status: &'static str,
    /// When the window began.
    starts_at: Timestamp,
    /// When it ends, and the limit starts over.
    resets_at: Timestamp,
}

impl LimitWindow {
    pub(super) fn new(standing: &limits::LimitStanding, zone: &Zone) -> Self {
        Self {
            limit: standing.limit,
            spent: standing.spent,
            left: standing.left(),
            status: standing.status.name(),
            starts_at: zone.start_of(standing.window),
            resets_at: zone.start_of(standing.resets_on),
        }
    }
}

/// What happens at a limit: work not yet done is refused, or it is only told.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ActionOnLimit {
    Pause,
    AlertOnly,
}

impl From<ActionOnLimit> for Action {
    fn from(action: ActionOnLimit) -> Self {
        match action {
            ActionOnLimit::Pause => Self::Pause,
            ActionOnLimit::AlertOnly => Self::AlertOnly,
        }
    }
}

/// What to change; what is absent stays as it is, null removes a limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as integrations spell them")]
struct LimitChanges {
    /// For a calendar month.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Credits>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    monthly_limit: Option<Option<Credits>>,
    /// For a day.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Credits>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    daily_limit: Option<Option<Credits>>,
    /// For each agent without a limit of its own, for a calendar month.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Credits>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    per_agent_limit: Option<Option<Credits>>,
    /// What happens at each of them; `pause` unless set.
    action_on_limit: Option<ActionOnLimit>,
}

/// Which limit to lift.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Resume {
    limit: OrganizationLimit,
}

/// A limit of the organization; that of an agent is lifted with the agent.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OrganizationLimit {
    Daily,
    Monthly,
}

/// Get the spending limits, and what is spent against each
#[utoipa::path(get, path = "/billing/limits", tag = "limits",
    responses((status = 200, description = "The limits.", body = Limits)))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<Limits> {
    let organization = admitted.organization()?;
    state.db.read(move |tx| Ok(Reply::ok(read(tx, organization)?))).await
}

fn read(tx: &ReadTx<'_>, organization: OrganizationId) -> Result<Limits, ApiError> {
    let zone = organizations::get(tx, organization)?.zone;
    let standing = limits::standing(tx, organization, zone.day_of(tx.now()), MOST_AGENTS)?;
    Ok(Limits {
        monthly_limit: standing.limits.monthly,
        daily_limit: standing.limits.daily,
        per_agent_limit: standing.limits.per_agent,
        action_on_limit: standing.limits.action.name(),
        daily: LimitWindow::new(&standing.daily, &zone),
        monthly: LimitWindow::new(&standing.monthly, &zone),
        agents: standing.agents.iter().map(|agent| Agent::new(agent, &zone)).collect(),
    })
}

/// Set spending limits
///
/// What is absent stays as it is; null removes a limit. A limit below what is spent already is reached at once.
#[utoipa::path(post, path = "/billing/limits", tag = "limits",
    request_body(content = LimitChanges, example = json!({
        "monthly_limit": 100_000, "daily_limit": 5_000, "per_agent_limit": 10_000, "action_on_limit": "pause" })),
    responses((status = 200, description = "The limits.", body = Limits)))]
async fn set(
    state: web::Data<State>,
    admitted: Admitted,
    body::Change(input): body::Change<LimitChanges>,
) -> Answer<Limits> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let change = limits::Change {
        daily: input.daily_limit,
        monthly: input.monthly_limit,
        per_agent: input.per_agent_limit,
        action: input.action_on_limit.map(Action::from),
    };
    state.db.write(move |tx| limits::set(tx, &by, organization, &change)).await?;
    get(state, admitted).await
}

/// Let work go on at a limit that paused it, until its window ends or the limit changes
#[utoipa::path(post, path = "/billing/limits/resume", tag = "limits", request_body = Resume,
    responses((status = 200, description = "The limits.", body = Limits),
        (status = 409, description = "`limit_not_paused`: the limit holds nothing up.")))]
async fn resume(state: web::Data<State>, admitted: Admitted, Json(input): Json<Resume>) -> Answer<Limits> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let key = match input.limit {
        OrganizationLimit::Daily => LimitKey::DAILY,
        OrganizationLimit::Monthly => LimitKey::MONTHLY,
    };
    state.db.write(move |tx| limits::resume(tx, &by, organization, key)).await?;
    get(state, admitted).await
}
