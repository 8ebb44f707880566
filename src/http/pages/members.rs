//! `/members`: who may see an organization's pages, and inviting people to them.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::{Choice, Control, Field};
use super::components::{FormState, Notice, Tone};
use super::forms::{Once, fresh_key, refused};
use super::views::members::{MemberRow, MembersPage};
use super::views::{Crumb, FormPage, Section};
use crate::base::id::{OrganizationId, UserId, WorkspaceId};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, FieldError};
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::{Error, Member, NewUser, Role, Scope, users, workspaces};
use crate::notifications::accounts::{self, Place};

const PATH: &str = "/members";
const INVITE: &str = "/members/invite";
const READ: Access = Access::organization(Scope::BillingRead);
const FORM: Access = Access::organization(Scope::MembersWrite);
const WRITE: Access = Access::session(Scope::MembersWrite);
/// People on one page.
const LISTED: u32 = 100;
/// Workspaces to choose from.
const MAX_WORKSPACES: u32 = 200;
/// The fields of [`fields`].
pub(super) const FIELDS: [&str; 4] = ["email", "name", "role", "workspaces"];

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, PATH, READ, page);
    table.page(Method::GET, INVITE, FORM, invitation);
    table.page(Method::POST, INVITE, WRITE, invite);
    table.page(Method::POST, "/members/remove", WRITE, remove);
}

/// What was just done, and which page is wanted.
struct Asked {
    done: Option<&'static str>,
    before: Option<i64>,
}

impl FromParams for Asked {
    fn from_params(params: &mut Params) -> Option<Self> {
        let done = match params.text("done").as_deref() {
            Some("invited") => Some("The invitation is on its way."),
            Some("removed") => Some("The person sees nothing of this organization any more."),
            _ => None,
        };
        Some(Self { done, before: params.optional("before") })
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse, ApiError> {
    let mut page = state.db.read_blocking(|tx| read(tx, &state, &admitted, asked.before))?;
    page.chrome.notice = asked.done.map(|text| Notice { tone: Tone::Good, text: text.into(), link: None });
    html(StatusCode::OK, &page)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    before: Option<i64>,
) -> Result<MembersPage, ApiError> {
    let organization = admitted.organization()?;
    let principal = admitted.principal()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Members")];
    let chrome = chrome::chrome(state, admitted, tx, Section::Members, crumbs)?;
    let found = users::members(tx, organization, before, LISTED)?;
    let reader = principal.user_id();
    Ok(MembersPage {
        chrome,
        may_edit: principal.may_in_session(Scope::MembersWrite, organization).is_ok(),
        older: found.next.map(|next| format!("{PATH}?before={next}")),
        rows: found
            .items
            .into_iter()
            .map(|member| row(tx, organization, member, reader))
            .collect::<Result<_, ApiError>>()?,
    })
}

fn row(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    member: Member,
    reader: Option<UserId>,
) -> Result<MemberRow, ApiError> {
    let names: Result<Vec<String>, Error> =
        member.workspaces.iter().map(|id| Ok(workspaces::get(tx, organization, *id)?.name)).collect();
    Ok(MemberRow {
        id: member.user.id.to_string(),
        is_self: reader == Some(member.user.id),
        email: member.user.email,
        name: member.user.name,
        role: match member.role {
            Role::Owner => "Owner",
            Role::Billing => "Billing",
            Role::Member => "Member",
        },
        workspaces: names?,
        invited: member.user.invited,
    })
}

/// Somebody to be given a place: what is asked about them.
///
/// # Errors
/// When the database fails.
pub(super) fn fields(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    form: &FormState,
) -> Result<Vec<Field>, ApiError> {
    let choices: Vec<Choice> = workspaces::list(tx, organization, None, MAX_WORKSPACES)?
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
        Field::new(form, "email", "Email", Control::Line("email")).autocomplete("off"),
        Field::line(form, "name", "Name").optional().autocomplete("off"),
        Field::new(form, "role", "Role", Control::Radio(roles)),
    ];
    if !choices.is_empty() {
        let workspaces = Field::new(form, "workspaces", "Workspaces", Control::Checks(choices));
        fields.push(workspaces.filter().hint("What a member sees. The other roles see all."));
    }
    Ok(fields)
}

/// What was typed into [`fields`], without a password.
///
/// # Errors
/// Every field that is wrong.
pub(super) fn wanted(form: &Form, organization: OrganizationId) -> Result<(NewUser, Place), ApiError> {
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
    match role {
        Ok(role) if wrong.is_empty() => {
            let (email, name) = (form.text("email").to_owned(), form.text("name").to_owned());
            Ok((NewUser { email, name, password: None }, Place { organization, role, workspaces }))
        }
        _ => Err(ApiError::fields(wrong)),
    }
}

/// Whom the form is about at first.
struct Whom(Option<UserId>);

impl FromParams for Whom {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.optional("person")))
    }
}

async fn invitation(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Whom(person)): Query<Whom>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let mut form = FormState::default();
        form.values.insert("role".into(), "member".into());
        if let Some(member) = person.map(|id| users::member(tx, organization, id)).transpose()? {
            let ids: Vec<String> = member.workspaces.iter().map(ToString::to_string).collect();
            let known = [
                ("email", member.user.email),
                ("name", member.user.name),
                ("role", member.role.name().to_owned()),
                ("workspaces", ids.join(",")),
            ];
            form.values.extend(known.map(|(name, value)| (name.to_owned(), value)));
        }
        view(&state, &admitted, tx, form)
    });
    html(StatusCode::OK, &page?)
}

fn view(state: &State, admitted: &Admitted, tx: &ReadTx<'_>, form: FormState) -> Result<FormPage, ApiError> {
    let way =
        vec![Crumb::link("My Credit", "/overview"), Crumb::link("Members", PATH), Crumb::here("Invite")];
    Ok(FormPage {
        chrome: chrome::chrome(state, admitted, tx, Section::Members, way)?,
        title: "Invite somebody".into(),
        lead: "They are told by mail, with a link to choose a password if they have none yet. Somebody who is a member \
               already is given the role chosen here."
            .into(),
        action: INVITE.into(),
        fields: fields(tx, admitted.organization()?, &form)?,
        form,
        submit: "Invite".into(),
        cancel: PATH.into(),
        idempotency_key: fresh_key(admitted),
    })
}

async fn invite(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by, terms) = (admitted.organization()?, admitted.by()?, state.telling.clone());
    let once = Once::new(Owner::Organization(organization), req.path(), &form)?;
    let done = match wanted(&form, organization) {
        Err(error) => Err(error),
        Ok((new, place)) => {
            let write = state.db.write(move |tx| {
                once.act(tx, || {
                    accounts::add_member(tx, &by, &terms, &new, &place)?;
                    Ok("invited".into())
                })
            });
            write.await
        }
    };
    let Err(error) = done else { return Ok(redirect(&format!("{PATH}?done=invited"))) };
    let form = refused(&form, &FIELDS, &[], error, &admitted)?;
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, form))?;
    html(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

async fn remove(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let person: UserId = form.text("person").parse().map_err(|_| Error::NotFound("member"))?;
    state.db.write(move |tx| users::remove_membership(tx, &by, person, organization)).await?;
    Ok(redirect(&format!("{PATH}?done=removed")))
}
