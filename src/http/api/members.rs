//! People of an organization, as its owners keep them.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::id::{UserId, WorkspaceId};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, NoContent, Reply};
use crate::http::route::Table;
use crate::identity::{NewUser, Role, Scope, users};
use crate::notifications::accounts::{self, Place};

const LIST: &str = "members";
const ACCESS: Access = Access::organization(Scope::MembersWrite);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, ACCESS, list);
    table.api(__path_invite, ACCESS, invite);
    table.api(__path_change, ACCESS, change);
    table.api(__path_remove, ACCESS, remove);
}

/// Somebody with a place in the organization.
#[derive(Serialize, ToSchema)]
struct Member {
    user_id: UserId,
    email: String,
    name: String,
    role: Role,
    /// What somebody with the role `member` sees.
    workspaces: Vec<WorkspaceId>,
    /// Was mailed a link, and has not chosen a password yet.
    invited: bool,
}

impl Member {
    fn new(user: crate::identity::User, role: Role, workspaces: Vec<WorkspaceId>) -> Self {
        let crate::identity::User { id, email, name, invited, .. } = user;
        Self { user_id: id, email, name, role, workspaces, invited }
    }
}

struct ListQuery(Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

/// List the organization's people, newest first
#[utoipa::path(get, path = "/members", tag = "members", params(Paging),
    responses((status = 200, description = "A page of people.", body = List<Member>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<Member>> {
    let organization = admitted.organization()?;
    let page =
        state.db.read(move |tx| users::members(tx, organization, window.before(), window.limit)).await?;
    Ok(Reply::ok(List::from_page(LIST, page, |m| Member::new(m.user, m.role, m.workspaces))))
}

/// Somebody to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Invitation {
    #[schema(max_length = 254)]
    email: String,
    /// Of somebody who has no account yet.
    #[serde(default)]
    name: String,
    role: Role,
    /// What somebody with the role `member` sees.
    #[serde(default)]
    workspaces: Vec<WorkspaceId>,
}

/// Invite somebody by mail
///
/// Who has no password yet is mailed a link to choose one, which works once, for seven days. Inviting somebody again sends
/// another link and sets the role.
#[utoipa::path(post, path = "/members", tag = "members", request_body = Invitation,
    responses((status = 201, description = "Invited.", body = Member),
        (status = 409, description = "The last owner has to stay.")))]
async fn invite(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<Invitation>,
) -> Answer<Member> {
    let (organization, by, terms) = (admitted.organization()?, admitted.by()?, state.telling.clone());
    let Invitation { email, name, role, workspaces } = input;
    let new = NewUser { email, name, password: None };
    let place = Place { organization, role, workspaces };
    let made = state.db.write(move |tx| {
        let user = accounts::add_member(tx, &by, &terms, &new, &place)?;
        Ok::<_, ApiError>(Member::new(user, place.role, place.workspaces))
    });
    Ok(Reply::created(made.await?))
}

/// The place of somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberChanges {
    role: Role,
    /// What somebody with the role `member` sees.
    #[serde(default)]
    workspaces: Vec<WorkspaceId>,
}

/// Change somebody's role
#[utoipa::path(put, path = "/members/{id}", tag = "members", request_body = MemberChanges,
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 204, description = "Done."),
        (status = 409, description = "The last owner has to stay.")))]
async fn change(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UserId>,
    Json(input): Json<MemberChanges>,
) -> Result<NoContent, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let MemberChanges { role, workspaces } = input;
    let done =
        state.db.write(move |tx| users::change_membership(tx, &by, id, organization, role, &workspaces));
    done.await?;
    Ok(NoContent)
}

/// Take somebody's place away
#[utoipa::path(delete, path = "/members/{id}", tag = "members",
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 204, description = "Done."),
        (status = 409, description = "The last owner has to stay.")))]
async fn remove(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UserId>,
) -> Result<NoContent, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    state.db.write(move |tx| users::remove_membership(tx, &by, id, organization)).await?;
    Ok(NoContent)
}
