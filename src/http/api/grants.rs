//! Grants: credit received once, and what remains of it.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::id::{GrantId, TransactionId};
use crate::base::{Credits, Money, Page, Timestamp};
use crate::catalog::Snapshot;
use crate::grants::{self, GrantRow};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;

const LIST: &str = "grants";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
}

/// Credit received once.
#[derive(Serialize, ToSchema)]
pub(super) struct Grant {
    id: GrantId,
    /// `free`, `plan` or `paid`.
    class: &'static str,
    /// `active`, `used` or `expired`.
    status: &'static str,
    /// What was received.
    credits: Credits,
    /// What remains.
    remaining: Credits,
    /// What calls in progress have set aside of it.
    held: Credits,
    /// Null for credit that does not expire.
    expires_at: Option<Timestamp>,
    /// Overrides the turn of its class (free 100, plan 200, paid 300); lower is drawn earlier.
    priority: Option<i64>,
    /// The meters it is restricted to; null for all.
    meters: Option<Vec<String>>,
    /// The money paid for it.
    cost: Option<Money>,
    /// Where it came from: `welcome`, `operator`, `reversal`, …
    source: String,
    /// The transaction that made it.
    transaction_id: TransactionId,
    created_at: Timestamp,
}

impl Grant {
    pub fn new(grant: GrantRow, catalog: &Snapshot, now: Timestamp) -> Self {
        let order = grant.terms.order;
        let live = grant.terms.is_live(now);
        // of expired credit only what a hold still pins counts
        let remaining = if live { grant.remaining } else { grant.held };
        let code = |id| catalog.meter(id).map(|meter| meter.code.to_string());
        Self {
            id: grant.id,
            class: order.class.name(),
            status: match (remaining.is_positive(), live) {
                (true, _) => "active",
                (false, true) => "used",
                (false, false) if grant.expired.is_zero() && grant.remaining.is_zero() => "used",
                (false, false) => "expired",
            },
            credits: grant.original,
            remaining,
            held: grant.held,
            expires_at: order.expires_at,
            priority: order.priority,
            meters: grant.terms.meters.map(|meters| meters.into_iter().filter_map(code).collect()),
            cost: grant.cost,
            source: grant.source,
            transaction_id: grant.transaction,
            created_at: order.created_at,
        }
    }
}

struct ListQuery(Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

/// List grants, newest first
#[utoipa::path(get, path = "/billing/grants", tag = "billing", params(Paging),
    responses((status = 200, description = "A page of grants, used and expired ones included.", body = List<Grant>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<Grant>> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let rows = grants::all_of(tx, organization, window.before().map(GrantId::new), window.fetch())?;
        let catalog = shared.catalog.get(tx)?;
        let page = Page::cut(rows, window.limit, |grant| grant.id.number());
        Ok(List::from_page(LIST, page, |grant| Grant::new(grant, &catalog, tx.now())))
    });
    Ok(Reply::ok(found.await?))
}
