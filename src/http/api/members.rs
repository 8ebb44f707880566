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
use crate::identity::{Role, Scope, users};

const LIST: &str = "members";
/// A key could otherwise make itself an owner, who may do what no key may.
const WRITE: Access = Access::session(Scope::MembersWrite);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::MembersWrite), list);
    table.api(__path_change, WRITE, change);
    table.api(__path_remove, WRITE, remove);
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
}

impl From<crate::identity::Member> for Member {
    fn from(member: crate::identity::Member) -> Self {
        let crate::identity::Member { user, role, workspaces } = member;
        Self { user_id: user.id, email: user.email, name: user.name, role, workspaces }
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
    Ok(Reply::ok(List::from_page(LIST, page, Member::from)))
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
