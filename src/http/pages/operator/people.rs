//! `/operator/organizations/{id}/people/new`: somebody who signs in for a customer.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};

use super::{ADMIN, Answered, around, done_at};
use crate::base::id::{OrganizationId, WorkspaceId};
use crate::db::{ReadTx, WriteTx};
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, FieldError};
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::FormState;
use crate::http::pages::components::field::{Choice, Control, Field};
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::FormPage;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::{By, Error, NewUser, PasswordHash, Role, organizations, users, workspaces};

const PATH: &str = "/operator/organizations/{id}/people/new";
/// Workspaces to choose from.
const MAX_WORKSPACES: u32 = 200;
const FIELDS: [&str; 4] = ["email", "name", "role", "workspaces"];

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
    let choices: Vec<Choice> = workspaces::list(tx, id, None, MAX_WORKSPACES)?
        .items
        .into_iter()
        .map(|workspace| Choice::new(workspace.id.to_string(), workspace.name))
        .collect();
    let roles = vec![
        Choice::new("owner", "Owner: everything"),
        Choice::new("billing", "Billing: balance, money and usage"),
        Choice::new("member", "Member: usage of chosen workspaces, no money"),
    ];
    let mut fields = vec![
        Field::new(&form, "email", "Email", Control::Line("email")).autocomplete("off"),
        Field::line(&form, "name", "Name").optional().autocomplete("off"),
        Field::new(&form, "role", "Role", Control::Radio(roles)),
    ];
    if !choices.is_empty() {
        let workspaces = Field::new(&form, "workspaces", "Workspaces", Control::Checks(choices));
        fields.push(workspaces.filter().hint("What a member sees. The other roles see all."));
    }
    fields.push(
        Field::new(&form, "password", "First password", Control::Line("password"))
            .filter()
            .autocomplete("new-password")
            .hint(format!(
                "At least {} characters; tell it to them in a safe way. Not needed for somebody who signs in already.",
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

/// Somebody to be added.
struct Wanted {
    email: String,
    name: String,
    role: Role,
    workspaces: Vec<WorkspaceId>,
    password: Option<PasswordHash>,
}

async fn read(state: &State, form: &Form) -> Result<Wanted, ApiError> {
    let mut wrong = Vec::new();
    if form.text("email").is_empty() {
        wrong.push(FieldError::new("email", "required", "is required"));
    }
    let role = form.text("role").parse::<Role>();
    if let Err(error) = role {
        wrong.push(FieldError::new("role", "invalid_value", error.to_string()));
    }
    let workspaces: Vec<WorkspaceId> =
        form.all("workspaces").iter().filter_map(|id| id.parse().ok()).collect();
    if role == Ok(Role::Member) && workspaces.is_empty() {
        let message = "must be chosen for a member: at least one";
        wrong.push(FieldError::new("workspaces", "required", message));
    }
    let password = match form.verbatim("password") {
        "" => None,
        text => match state.door.passwords().hash(text.to_owned()).await {
            Ok(hash) => Some(hash),
            Err(Error::Invalid(fields)) => {
                wrong.extend(fields.into_iter().map(FieldError::from));
                None
            }
            Err(error) => return Err(error.into()),
        },
    };
    match role {
        Ok(role) if wrong.is_empty() => Ok(Wanted {
            email: form.text("email").to_owned(),
            name: form.text("name").to_owned(),
            role,
            workspaces,
            password,
        }),
        _ => Err(ApiError::fields(wrong)),
    }
}

/// Creates the person, or gives a place to one who is there already.
fn place(tx: &WriteTx<'_>, by: &By, id: OrganizationId, wanted: Wanted) -> Result<(), ApiError> {
    let Wanted { email, name, role, workspaces, password } = wanted;
    match users::by_email(tx.conn()?, &email) {
        Ok(user) => users::set_membership(tx, by, user.id, id, role, &workspaces)?,
        Err(Error::NotFound(_)) => {
            let password = password.ok_or_else(|| {
                ApiError::field("password", "required", "is required for somebody who is new")
            })?;
            let new = NewUser { email, name, password };
            users::create_member(tx, by, &new, id, role, &workspaces)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
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
    let done = match read(&state, &form).await {
        Err(error) => Err(error),
        Ok(wanted) => {
            let write = state.db.write(move |tx| {
                once.act(tx, || {
                    place(tx, &by, id, wanted)?;
                    Ok("person".into())
                })
            });
            write.await
        }
    };
    let Err(error) = done else { return Ok(redirect(&done_at(id, "person"))) };
    let form = refused(&form, &FIELDS, &["password"], error, &admitted)?;
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, form));
    html(StatusCode::UNPROCESSABLE_ENTITY, &read.await?)
}
