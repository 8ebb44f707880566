//! Taking a reported event back.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::answer::Charged;
use super::answered;
use super::shapes::ChargedEvent;
use crate::base::id::TransactionId;
use crate::calls;
use crate::catalog;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::identity::audit::{self, Difference};
use crate::metering::ExternalId;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_void, Access::operator_for_organization(Scope::UsageWrite), void);
}

/// Take an event's charges back
///
/// The credit returns to the grants it was drawn from, and reports and allowances forget the usage. The event itself
/// stays, followed by one that corrects it; its id stays taken. Sending this again changes nothing and gets the same
/// answer with `duplicate: true`.
#[utoipa::path(post, path = "/usage/events/{id}/void", tag = "usage",
    params(("id" = String, Path, description = "The platform's id of the event.")),
    responses((status = 200, description = "What was given back: quantities and credits below zero.",
        body = ChargedEvent)))]
async fn void(
    state: web::Data<State>,
    admitted: Admitted,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let id = ExternalId::new(&id).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let voided = state.db.write(move |tx| -> Result<_, ApiError> {
        let (receipt, again) = calls::void_event(tx, organization, &id)?;
        if !again {
            let credits = receipt.credits.to_string();
            let difference = Difference::new().with("event", id.to_string()).with("credits", credits);
            let line = TransactionId::new(receipt.head);
            audit::record(tx, &by, "usage.voided", line, Some(organization), &difference)?;
        }
        Ok((id, receipt, again, catalog::snapshot(tx)?))
    });
    let (id, receipt, again, catalog) = voided.await?;
    answered(StatusCode::OK, &Charged::new(&id, again, &receipt, &catalog))
}
