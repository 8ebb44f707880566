//! Whether an organization may act, and what the operator wants to remember about it.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};

use super::{ADMIN, Answered, around, detail, done_at, page_of};
use crate::base::id::OrganizationId;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::FormState;
use crate::http::pages::components::field::{Control, Field};
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::FormPage;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::organizations;

const SUSPEND: &str = "/operator/organizations/{id}/suspend";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::POST, "/operator/organizations/{id}/notes", ADMIN, note);
    table.page(Method::GET, SUSPEND, ADMIN, ask);
    table.page(Method::POST, SUSPEND, ADMIN, suspend);
    table.page(Method::POST, "/operator/organizations/{id}/resume", ADMIN, resume);
}

async fn note(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
    form: Form,
) -> Answered {
    let once = Once::new(Owner::OperatorFor(id), req.path(), &form)?;
    let (by, body) = (admitted.by()?, form.text("note").to_owned());
    let write = state.db.write(move |tx| {
        once.act(tx, || {
            organizations::add_note(tx, &by, id, &body)?;
            Ok("noted".into())
        })
    });
    let Err(error) = write.await else { return Ok(redirect(&done_at(id, "noted"))) };
    let form = refused(&form, &["note"], &[], error, &admitted)?;
    let shared = state.clone();
    let read = state.db.read(move |tx| detail::page(&shared, &admitted, tx, id, form));
    html(StatusCode::UNPROCESSABLE_ENTITY, &read.await?)
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    id: OrganizationId,
    form: FormState,
) -> Result<FormPage, ApiError> {
    let organization = organizations::get(tx, id)?;
    let reason = Field::new(&form, "reason", "Reason", Control::Line("text"));
    Ok(FormPage {
        chrome: around(state, admitted, tx, &organization, "Suspend")?,
        title: format!("Suspend {}", organization.name),
        lead: "New work is refused from that moment on, and its people and keys may only look. Usage that has already \
               happened is still charged. Nothing is deleted."
            .into(),
        action: format!("{}/suspend", page_of(id)),
        fields: vec![reason.hint("Kept in the audit log.")],
        form,
        submit: "Suspend".into(),
        cancel: page_of(id),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<OrganizationId>) -> Answered {
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, FormState::default()));
    html(StatusCode::OK, &read.await?)
}

async fn suspend(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
    form: Form,
) -> Answered {
    let (by, reason) = (admitted.by()?, form.text("reason").to_owned());
    let done = if reason.is_empty() {
        Err(ApiError::field("reason", "required", "is required"))
    } else {
        let write = state.db.write(move |tx| organizations::suspend(tx, &by, id, &reason));
        write.await.map_err(ApiError::from)
    };
    let Err(error) = done else { return Ok(redirect(&done_at(id, "suspended"))) };
    let form = refused(&form, &["reason"], &[], error, &admitted)?;
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, form));
    html(StatusCode::UNPROCESSABLE_ENTITY, &read.await?)
}

async fn resume(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<OrganizationId>) -> Answered {
    let by = admitted.by()?;
    state.db.write(move |tx| organizations::resume(tx, &by, id)).await?;
    Ok(redirect(&done_at(id, "resumed")))
}
