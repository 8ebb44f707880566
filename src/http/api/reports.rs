//! The operator's reports.

use actix_web::web;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::period::Asked;
use crate::base::{Currency, Money, Zone};
use crate::http::State;
use crate::http::access::Access;
use crate::http::params::{FromParams, Params, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::revenue::{self, Liability};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_liability, Access::operator(Scope::Admin), liability);
}

/// How what is owed to customers in one currency moved: `open` + `sold` − `earned` − `expired` − `refunded` − `disputed` = `close`.
#[derive(Serialize, ToSchema)]
struct LiabilityRow {
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// Owed when the first day began.
    open: Money,
    /// Received for credit, without tax.
    sold: Money,
    /// Earned by credit being used, at what it had cost; below zero where more came back than was used.
    earned: Money,
    /// Kept for credit that expired or was taken back.
    expired: Money,
    /// Given back for credit that was not used.
    refunded: Money,
    /// Taken back by banks.
    disputed: Money,
    /// Owed when the last day ended.
    close: Money,
}

impl From<Liability> for LiabilityRow {
    fn from(of: Liability) -> Self {
        let Liability { open, sold, earned, expired, refunded, disputed, close } = of;
        Self { currency: open.currency, open, sold, earned, expired, refunded, disputed, close }
    }
}

/// What is owed to customers, by currency.
#[derive(Serialize, ToSchema)]
struct LiabilityReport {
    items: Vec<LiabilityRow>,
    /// The first day.
    #[schema(example = "2026-11-01")]
    from: String,
    /// The day after the last.
    #[schema(example = "2026-12-01")]
    to: String,
}

/// Which days, in UTC.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// The first day: `2026-11-01`, or an instant on it. The first of the month unless given.
    from: Option<String>,
    /// The day after the last, or an instant: a day that has begun by then counts whole. Tomorrow unless given.
    to: Option<String>,
}

struct LiabilityQuery(Asked);

impl FromParams for LiabilityQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Asked::from_params(params)))
    }
}

/// What is owed to customers as credit, in money, and how it came to that
///
/// As posted. Sales, refunds and disputes count on the day they happen. What is used or expires is posted once a day, soon after midnight
/// (UTC), for the day before, and counts on the day it is posted on: so a close is what was owed when that day began,
/// and what was sold and given back during it.
#[utoipa::path(get, path = "/admin/reports/liability", tag = "admin", params(Which),
    responses((status = 200, description = "The report.", body = LiabilityReport)))]
async fn liability(
    state: web::Data<State>,
    Query(LiabilityQuery(asked)): Query<LiabilityQuery>,
) -> Answer<LiabilityReport> {
    let days = asked.days(&Zone::UTC, state.clock.now())?;
    let rows = state.db.read(move |tx| revenue::liability(tx, days.from, days.to)).await?;
    Ok(Reply::ok(LiabilityReport {
        items: rows.into_iter().map(LiabilityRow::from).collect(),
        from: days.from.to_string(),
        to: days.to.to_string(),
    }))
}
