//! The operator sees a customer's pages as the customer does, and stops.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{ADMIN, page_of};
use crate::base::id::OrganizationId;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::cookie;
use crate::http::error::ApiError;
use crate::http::pages::chrome::{LEAVE, redirect};
use crate::http::pages::entry::ORGANIZATIONS;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::identity::audit::{self, Difference};
use crate::identity::organizations;

pub(super) fn routes(table: &mut Table) {
    table.page(Method::POST, "/operator/organizations/{id}/see-as", ADMIN, see);
    table.page(Method::POST, LEAVE, ADMIN, leave);
}

async fn see(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
) -> Result<HttpResponse, ApiError> {
    let by = admitted.by()?;
    let noted = state.db.write(move |tx| -> Result<_, ApiError> {
        organizations::get(tx.conn()?, id)?;
        audit::record(tx, &by, "organization.seen_as", id, Some(id), &Difference::new())?;
        Ok(())
    });
    noted.await?;
    let mut response = redirect("/overview");
    response.add_cookie(&cookie::choose(&state, Some(id))).map_err(ApiError::internal)?;
    Ok(response)
}

async fn leave(state: web::Data<State>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let to = cookie::organization(&state, &req).map_or_else(|| ORGANIZATIONS.to_owned(), page_of);
    let mut response = redirect(&to);
    response.add_cookie(&cookie::choose(&state, None)).map_err(ApiError::internal)?;
    Ok(response)
}
