//! `/operator/organizations/{id}/people/new`: somebody who signs in for a customer.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};

use super::{ADMIN, Answered, around, done_at};
use crate::base::id::OrganizationId;
use crate::db::{ReadTx, WriteTx};
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::FormState;
use crate::http::pages::components::field::{Control, Field};
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::members;
use crate::http::pages::views::FormPage;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::invitations::NewInvitation;
use crate::identity::{By, Error, NewUser, PasswordHash, organizations, users};
use crate::notifications::{Terms, accounts};

const PATH: &str = "/operator/organizations/{id}/people/new";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, show);
    table.page(Method::POST, PATH, ADMIN, add);
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    id: OrganizationId,
    form: FormState,
) -> Result<FormPage, ApiError> {
    let organization = organizations::get(tx, id)?;
    let mut fields = members::fields(tx, id, &form)?;
    fields.push(
        Field::new(&form, "password", "First password", Control::Line("password"))
            .optional()
            .autocomplete("new-password")
            .hint(format!(
                "At least {} characters; tell it to them in a safe way. Without one they are invited by mail.",
                state.door.passwords().policy().min_chars
            )),
    );
    Ok(FormPage {
        chrome: around(state, admitted, tx, &organization, "Add a person")?,
        title: "Add a person".into(),
        lead: format!("Somebody who signs in and sees the pages of {}.", organization.name),
        action: format!("/operator/organizations/{id}/people/new"),
        fields,
        form,
        submit: "Add".into(),
        cancel: format!("/operator/organizations/{id}"),
        idempotency_key: fresh_key(admitted),
    })
}

async fn show(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<OrganizationId>) -> Answered {
    let mut form = FormState::default();
    form.values.insert("role".into(), "owner".into());
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, form));
    html(StatusCode::OK, &read.await?)
}

async fn read(state: &State, form: &Form) -> Result<(NewInvitation, Option<PasswordHash>), ApiError> {
    let new = members::wanted(form)?;
    let password = match form.verbatim("password") {
        "" => None,
        text => Some(state.door.passwords().hash(text.to_owned()).await?),
    };
    Ok((new, password))
}

/// Gives a place to somebody who has an account, makes one with a password, or invites. Answers what was done, in a word.
fn place(
    tx: &WriteTx<'_>,
    by: &By,
    terms: &Terms,
    (id, new, password): (OrganizationId, NewInvitation, Option<PasswordHash>),
) -> Result<&'static str, ApiError> {
    let known = match users::by_email(tx.conn()?, &new.email) {
        Ok(user) => Some(user),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match (known, password) {
        (Some(_), Some(_)) => {
            let text = "must be empty: there is an account with this address already";
            Err(ApiError::field("password", "conflict", text))
        }
        (Some(user), None) => {
            users::set_membership(tx, by, user.id, id, new.role, &new.workspaces)?;
            Ok("person")
        }
        (None, Some(password)) => {
            let NewInvitation { email, name, role, workspaces } = new;
            users::create_member(tx, by, &NewUser { email, name, password }, id, role, &workspaces)?;
            Ok("person")
        }
        (None, None) => {
            accounts::invite(tx, by, terms, id, &new)?;
            Ok("invited")
        }
    }
}

async fn add(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
    form: Form,
) -> Answered {
    let once = Once::new(Owner::OperatorFor(id), req.path(), &form)?;
    let by = admitted.by()?;
    let terms = state.telling.clone();
    let done = match read(&state, &form).await {
        Err(error) => Err(error),
        Ok((new, password)) => {
            let write = state
                .db
                .write(move |tx| once.act(tx, || Ok(place(tx, &by, &terms, (id, new, password))?.into())));
            write.await
        }
    };
    let error = match done {
        Ok((word, _)) => return Ok(redirect(&done_at(id, &word))),
        Err(error) => error,
    };
    let form = refused(&form, &members::FIELDS, &["password"], error, &admitted)?;
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, form));
    html(StatusCode::UNPROCESSABLE_ENTITY, &read.await?)
}
