//! The wallet: what is there, of which kind, and until when.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::auto_reload::{self, AutoReloadView};
use super::grants::Grant;
use crate::base::id::OrganizationId;
use crate::base::{Credits, Timestamp};
use crate::catalog::Snapshot;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::{metering, wallet};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_wallet_of, Access::organization(Scope::BillingRead), wallet_of);
    table.api(__path_balance, Access::organization(Scope::BillingRead), balance);
}

/// A wallet at this moment.
#[derive(Serialize, ToSchema)]
struct Wallet {
    /// What remains of all grants, less the overdraft.
    balance: Credits,
    /// What can be used now: not set aside, the overdraft deducted.
    available: Credits,
    /// Set aside for calls in progress.
    held: Credits,
    /// Used beyond all credit; the next credit repays it first.
    overdraft: Credits,
    /// What remains of free credit.
    free: Credits,
    /// What remains of plan credit.
    plan: Credits,
    /// What remains of paid credit.
    paid: Credits,
    /// When the plan's next cycle begins; null without a plan.
    next_renewal: Option<Timestamp>,
    /// The grants with something left, in the order in which they are drawn.
    grants: Vec<Grant>,
    auto_reload: AutoReloadView,
    /// Always `credits`.
    currency: &'static str,
    /// When the balance last moved.
    last_updated: Timestamp,
}

/// Get the wallet
#[utoipa::path(get, path = "/billing/wallet", tag = "billing",
    responses((status = 200, description = "The wallet.", body = Wallet)))]
async fn wallet_of(state: web::Data<State>, admitted: Admitted) -> Answer<Wallet> {
    let organization = admitted.organization()?;
    state.db.read_blocking(|tx| {
        let catalog = state.catalog.get(tx)?;
        let summary = wallet::summary(tx, organization, tx.now())?;
        Ok(Reply::ok(Wallet {
            balance: summary.balance,
            available: summary.available,
            held: summary.held,
            overdraft: summary.overdraft,
            free: summary.parts.free,
            plan: summary.parts.plan,
            paid: summary.parts.paid,
            next_renewal: next_renewal(tx, organization, &catalog)?,
            grants: summary.grants.into_iter().map(|grant| Grant::new(grant, &catalog, tx.now())).collect(),
            auto_reload: auto_reload::view(tx, &state.desk.terms, organization)?,
            currency: "credits",
            last_updated: summary.updated_at,
        }))
    })
}

/// When the cycle of the organization's plan ends.
fn next_renewal(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    catalog: &Snapshot,
) -> Result<Option<Timestamp>, ApiError> {
    let terms = metering::price_terms(tx, organization, tx.now())?;
    let plan = terms.and_then(|t| Some((t.starts_at, catalog.plan_version(t.plan_version?)?.1)));
    let Some((anchor, version)) = plan else { return Ok(None) };
    let zone = organizations::get(tx, organization)?.zone;
    Ok(Some(metering::cycle_end(&zone, anchor, version.terms.interval, tx.now())))
}

/// The balance at this moment.
#[expect(clippy::struct_field_names, reason = "`balance` is the name in the API")]
#[derive(Serialize, ToSchema)]
struct Balance {
    /// What remains of all grants, less the overdraft.
    balance: Credits,
    /// Set aside for calls in progress.
    pending_charges: Credits,
    /// What can be used now.
    available: Credits,
    /// Always `credits`.
    currency: &'static str,
    /// When the balance last moved.
    last_updated: Timestamp,
}

/// Get the balance
#[utoipa::path(get, path = "/billing/balance", tag = "billing",
    responses((status = 200, description = "The balance.", body = Balance, example = json!({
        "balance": 45230, "pending_charges": 120, "available": 45110, "currency": "credits",
        "last_updated": "2026-11-21T09:30:00Z"
    }))))]
async fn balance(state: web::Data<State>, admitted: Admitted) -> Answer<Balance> {
    let organization = admitted.organization()?;
    let summary = state.db.read_blocking(|tx| wallet::summary(tx, organization, tx.now()))?;
    Ok(Reply::ok(Balance {
        balance: summary.balance,
        pending_charges: summary.held,
        available: summary.available,
        currency: "credits",
        last_updated: summary.updated_at,
    }))
}
