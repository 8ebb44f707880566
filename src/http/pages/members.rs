//! `/members`: who may see an organization's pages, and inviting people to them.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::{Choice, Control, Field};
use super::components::{FormState, Notice, Tone};
use super::forms::{Once, fresh_key, refused};
use super::views::members::{InvitationRow, MemberRow, MembersPage};
use super::views::{Crumb, FormPage, Section};
use crate::base::id::{InvitationId, OrganizationId, UserId, WorkspaceId};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, FieldError};
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::invitations::{self, NewInvitation};
use crate::identity::{Error, Member, Role, Scope, users, workspaces};
use crate::notifications::accounts;

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
    table.page(Method::POST, "/members/withdraw", WRITE, withdraw);
    table.page(Method::POST, "/members/remove", WRITE, remove);
    table.page(Method::GET, "/members/{id}", FORM, place);
    table.page(Method::POST, "/members/{id}", WRITE, change);
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
            Some("withdrawn") => Some("The invitation is withdrawn: its link does not work any more."),
            Some("changed") => Some("The role is changed."),
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
        invitations: invitations::list(tx, organization)?
            .into_iter()
            .map(|found| InvitationRow {
                id: found.id.to_string(),
                role: found.role,
                expires: found.expires_at,
                is_over: found.expires_at <= tx.now(),
                email: found.email,
            })
            .collect(),
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
        role: member.role,
        workspaces: names?,
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
    let mut fields = vec![
        Field::new(form, "email", "Email", Control::Line("email")).autocomplete("off"),
        Field::line(form, "name", "Name").optional().autocomplete("off"),
    ];
    fields.extend(place_fields(tx, organization, form)?);
    Ok(fields)
}

/// As what. Somebody who sees chosen workspaces alone can be chosen where there are any.
fn place_fields(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    form: &FormState,
) -> Result<Vec<Field>, ApiError> {
    let choices: Vec<Choice> = workspaces::list(tx, organization, None, MAX_WORKSPACES)?
        .items
        .into_iter()
        .map(|workspace| Choice::new(workspace.id.to_string(), workspace.name))
        .collect();
    let mut roles = vec![
        Choice::new("owner", "Owner: everything"),
        Choice::new("billing", "Billing: balance, money and usage"),
    ];
    if choices.is_empty() {
        return Ok(vec![Field::new(form, "role", "Role", Control::Radio(roles))]);
    }
    roles.push(Choice::new("member", "Member: usage of chosen workspaces, no money"));
    let workspaces = Field::new(form, "workspaces", "Workspaces", Control::Checks(choices));
    Ok(vec![
        Field::new(form, "role", "Role", Control::Radio(roles)),
        workspaces.filter().hint("What a member sees. The other roles see all."),
    ])
}

/// What was typed into [`fields`].
///
/// # Errors
/// Every field that is wrong.
pub(super) fn wanted(form: &Form) -> Result<NewInvitation, ApiError> {
    let mut wrong = Vec::new();
    if form.text("email").is_empty() {
        wrong.push(FieldError::new("email", "required", "is required"));
    }
    match wanted_place(form) {
        Ok((role, workspaces)) if wrong.is_empty() => {
            let (email, name) = (form.text("email").to_owned(), form.text("name").to_owned());
            Ok(NewInvitation { email, name, role, workspaces })
        }
        Ok(_) => Err(ApiError::fields(wrong)),
        Err(more) => {
            wrong.extend(more);
            Err(ApiError::fields(wrong))
        }
    }
}

/// What was typed into [`place_fields`].
fn wanted_place(form: &Form) -> Result<(Role, Vec<WorkspaceId>), Vec<FieldError>> {
    let role = form.text("role").parse::<Role>();
    let role = role.map_err(|error| vec![FieldError::new("role", "invalid_value", error.to_string())])?;
    let workspaces: Vec<WorkspaceId> =
        form.all("workspaces").iter().filter_map(|id| id.parse().ok()).collect();
    if role == Role::Member && workspaces.is_empty() {
        let message = "must be chosen for a member: at least one";
        return Err(vec![FieldError::new("workspaces", "required", message)]);
    }
    Ok((role, workspaces))
}

/// Which invitation is sent again.
struct Again(Option<InvitationId>);

impl FromParams for Again {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.optional("again")))
    }
}

/// What is known of a place, for its form.
fn known(role: Role, workspaces: &[WorkspaceId]) -> FormState {
    let ids: Vec<String> = workspaces.iter().map(ToString::to_string).collect();
    let mut form = FormState::default();
    form.values.insert("role".into(), role.name().into());
    form.values.insert("workspaces".into(), ids.join(","));
    form
}

async fn invitation(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Again(again)): Query<Again>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let mut form = known(Role::Billing, &[]);
        if let Some(found) = again.map(|id| invitations::get(tx, organization, id)).transpose()? {
            form = known(found.role, &found.workspaces);
            form.values.insert("email".into(), found.email);
            form.values.insert("name".into(), found.name);
        }
        let fields = fields(tx, organization, &form)?;
        view(&state, &admitted, tx, (INVITE.into(), fields, form))
    });
    html(StatusCode::OK, &page?)
}

/// The form that invites, or the one of somebody's place.
fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    (action, fields, form): (String, Vec<Field>, FormState),
) -> Result<FormPage, ApiError> {
    let (title, lead, submit) = if action == INVITE {
        let lead = "They get a mail with a link, and see these pages once they have accepted.";
        ("Invite somebody", lead, "Invite")
    } else {
        ("Change a role", "What somebody may see and do here, from now on.", "Save")
    };
    let way = vec![Crumb::link("My Credit", "/overview"), Crumb::link("Members", PATH), Crumb::here(title)];
    Ok(FormPage {
        chrome: chrome::chrome(state, admitted, tx, Section::Members, way)?,
        title: title.into(),
        lead: lead.into(),
        action,
        fields,
        form,
        submit: submit.into(),
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
    let may = wanted(&form).and_then(|new| {
        state.door.may_mail(&new.email, &organization)?;
        Ok(new)
    });
    let done = match may {
        Err(error) => Err(error),
        Ok(new) => {
            let write = state.db.write(move |tx| {
                once.act(tx, || {
                    accounts::invite(tx, &by, &terms, organization, &new)?;
                    Ok("invited".into())
                })
            });
            write.await
        }
    };
    let Err(error) = done else { return Ok(redirect(&format!("{PATH}?done=invited"))) };
    let form = refused(&form, &FIELDS, &[], error, &admitted)?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let fields = fields(tx, organization, &form)?;
        view(&state, &admitted, tx, (INVITE.into(), fields, form))
    });
    html(StatusCode::UNPROCESSABLE_ENTITY, &page?)
}

async fn withdraw(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let id: InvitationId = form.text("invitation").parse().map_err(|_| Error::NotFound("invitation"))?;
    state.db.write(move |tx| invitations::withdraw(tx, &by, organization, id)).await?;
    Ok(redirect(&format!("{PATH}?done=withdrawn")))
}

async fn place(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UserId>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let member = users::member(tx, organization, id)?;
        place_page(&state, &admitted, tx, &member, known(member.role, &member.workspaces))
    });
    html(StatusCode::OK, &page?)
}

fn place_page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    member: &Member,
    form: FormState,
) -> Result<FormPage, ApiError> {
    let fields = place_fields(tx, admitted.organization()?, &form)?;
    let page = view(state, admitted, tx, (format!("{PATH}/{}", member.user.id), fields, form))?;
    Ok(FormPage { lead: format!("What {} may see and do here, from now on.", member.user.email), ..page })
}

async fn change(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UserId>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let done = match wanted_place(&form).map_err(ApiError::fields) {
        Err(error) => Err(error),
        Ok((role, workspaces)) => {
            let write = state
                .db
                .write(move |tx| users::change_membership(tx, &by, id, organization, role, &workspaces));
            write.await.map_err(ApiError::from)
        }
    };
    let Err(error) = done else { return Ok(redirect(&format!("{PATH}?done=changed"))) };
    let form = refused(&form, &["role", "workspaces"], &[], error, &admitted)?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        place_page(&state, &admitted, tx, &users::member(tx, organization, id)?, form)
    });
    html(StatusCode::UNPROCESSABLE_ENTITY, &page?)
}

async fn remove(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let person: UserId = form.text("person").parse().map_err(|_| Error::NotFound("member"))?;
    state.db.write(move |tx| users::remove_membership(tx, &by, person, organization)).await?;
    Ok(redirect(&format!("{PATH}?done=removed")))
}
