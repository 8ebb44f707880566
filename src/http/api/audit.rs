//! The audit log, for the operator.

use actix_web::web;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::base::Timestamp;
use crate::base::id::{AuditId, OrganizationId};
use crate::http::State;
use crate::http::access::Access;
use crate::http::list::{Between, List, Paging, Window};
use crate::http::params::{FromParams, Params, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::identity::audit::{self, Filter};

const LIST: &str = "audit";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::operator(Scope::Admin), list);
}

/// Who did what to what.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Entry {
    id: AuditId,
    at: Timestamp,
    /// A user, a key, `cli`, `system`, `setup` or `anonymous`.
    actor: String,
    /// What, such as `organization.suspended`.
    action: String,
    /// To what: an id, or the name of a setting.
    target: String,
    organization_id: Option<OrganizationId>,
    /// Per field the value, or the values before and after.
    #[schema(value_type = Object)]
    difference: serde_json::Value,
    request_id: Option<String>,
}

impl From<audit::Entry> for Entry {
    fn from(entry: audit::Entry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor: entry.actor.to_string(),
            action: entry.action,
            target: entry.target,
            organization_id: entry.organization,
            difference: entry.difference,
            request_id: entry.request_id,
        }
    }
}

/// Which entries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// About this organization.
    organization_id: Option<OrganizationId>,
    /// By this actor.
    actor: Option<String>,
    /// Actions that begin with this, such as `key.`.
    action: Option<String>,
    /// About this very thing.
    target: Option<String>,
}

struct ListQuery(Filter, Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        let period = params.period();
        let filter = Filter {
            organization: params.optional("organization_id"),
            actor: params.optional("actor"),
            action: params.text("action"),
            target: params.text("target"),
            from: period.from,
            to: period.to,
        };
        Some(Self(filter, Window::from_params(params, LIST)))
    }
}

/// List the audit log, newest first
#[utoipa::path(get, path = "/admin/audit", tag = "admin", params(Which, Between, Paging),
    responses((status = 200, description = "A page of entries.", body = List<Entry>)))]
async fn list(
    state: web::Data<State>,
    Query(ListQuery(filter, window)): Query<ListQuery>,
) -> Answer<List<Entry>> {
    let page = state.db.read(move |tx| audit::list(tx, &filter, window.before(), window.limit)).await?;
    Ok(Reply::ok(List::from_page(LIST, page, Entry::from)))
}
