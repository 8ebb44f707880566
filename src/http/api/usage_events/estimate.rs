//! What usage would cost.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::event::Defaults;
use super::read::{self, Form};
use super::refusal::{Asker, refused};
use super::shapes::UsageToPrice;
use crate::base::id::{OrganizationId, RateVersionId};
use crate::base::{Credits, Quantity};
use crate::catalog::Snapshot;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Batch;
use crate::http::error::{ApiError, Code};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{self, Scope, organizations};
use crate::metering::{self, ExternalId, OrganizationRef, Refusal};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_estimate, Access::items(Scope::UsageRead), estimate);
}

/// What an event would be charged.
#[derive(Serialize, ToSchema)]
struct Estimate {
    items: Vec<EstimatedItem>,
    /// All items together.
    credits: Credits,
}

/// One charge that would be made.
#[derive(Serialize, ToSchema)]
struct EstimatedItem {
    /// `included`, `base`, `overage`, `surcharge`, `pass_through` or `byok`.
    kind: &'static str,
    /// The meter's code.
    channel: String,
    /// What would be billed, in the meter's unit.
    quantity: Quantity,
    unit: String,
    credits: Credits,
    /// What prices it.
    rate_version: RateVersionId,
}

/// Price usage without charging it
///
/// Takes an event as it would be reported; `id` and `occurred_at` may be left out, the latter for "now". The price is that
/// of the organization's plan and rate card, with what is left of its allowances right now.
#[utoipa::path(post, path = "/usage/estimate", tag = "usage",
    request_body(content = UsageToPrice, example = json!({ "meter": "voice", "quantity": 84 })),
    responses((status = 200, description = "The price.", body = Estimate)))]
async fn estimate(state: web::Data<State>, admitted: Admitted, body: Batch) -> Answer<Estimate> {
    if body.media_type != "application/json" {
        return Err(ApiError::new(Code::UnsupportedMediaType));
    }
    let id = ExternalId::new("estimate").ok_or_else(|| ApiError::internal("no id"))?;
    let defaults = Defaults { id, occurred_at: state.clock.now() };
    let event = read::one(Form::Plain, &body.bytes, Some(&defaults))?.event;
    let asker = Asker {
        operator: admitted.principal()?.is_operator(),
        topup_url: state.settings.topup_url.as_deref(),
    };
    state.db.read_blocking(|tx| -> Answer<Estimate> {
        let say = |refusal: &Refusal| refused(refusal, &event, Form::Plain.names(), &asker);
        let named = named(tx, event.organization.as_ref())?.map_err(|refusal| say(&refusal))?;
        let organization = match (admitted.organization_if_named(), named) {
            (Some(own), Some(other)) if own != other && !asker.operator => {
                return Err(say(&Refusal::ForeignOrganization));
            }
            (_, Some(named)) => named,
            (Some(own), None) => own,
            (None, None) => return Err(say(&Refusal::UnknownOrganization)),
        };
        let catalog = state.catalog.get(tx)?;
        let priced = metering::estimate(tx, &catalog, organization, &event)?;
        let (meter, rate_version, rated) = priced.map_err(|refusal| say(&refusal))?;
        Ok(Reply::ok(view(&catalog, meter, rate_version, &rated)))
    })
}

/// The organization that the event names, if it names one.
#[allow(clippy::type_complexity)]
fn named(
    tx: &ReadTx<'_>,
    name: Option<&OrganizationRef>,
) -> Result<Result<Option<OrganizationId>, Refusal>, ApiError> {
    let name = match name {
        None => return Ok(Ok(None)),
        Some(OrganizationRef::Id(id)) => return Ok(Ok(Some(*id))),
        Some(OrganizationRef::External(id)) => identity::OrganizationRef::External(id.to_string()),
    };
    match organizations::find(tx, &name) {
        Ok(found) => Ok(Ok(Some(found.id))),
        Err(identity::Error::NotFound(_)) => Ok(Err(Refusal::UnknownOrganization)),
        Err(error) => Err(error.into()),
    }
}

fn view(
    catalog: &Snapshot,
    meter: crate::base::id::MeterId,
    rate_version: RateVersionId,
    rated: &metering::rating::Rated,
) -> Estimate {
    let meter = catalog.meter(meter);
    let channel = meter.map_or_else(String::new, |meter| meter.code.to_string());
    let unit = meter.map_or_else(String::new, |meter| meter.unit.clone());
    let items = rated.lines.as_slice().iter().map(|line| EstimatedItem {
        kind: line.kind.as_str(),
        channel: channel.clone(),
        quantity: line.quantity,
        unit: unit.clone(),
        credits: line.credits,
        rate_version,
    });
    Estimate { items: items.collect(), credits: rated.total }
}
