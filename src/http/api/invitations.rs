//! Invitations of people to an organization, by its owners.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Timestamp;
use crate::base::id::{InvitationId, WorkspaceId};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::params::PathId;
use crate::http::reply::{Answer, NoContent, Reply};
use crate::http::route::Table;
use crate::identity::invitations::{self, NewInvitation};
use crate::identity::{Role, Scope};
use crate::notifications::accounts;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::MembersWrite), list);
    table.api(__path_invite, Access::session(Scope::MembersWrite), invite);
    table.api(__path_withdraw, Access::session(Scope::MembersWrite), withdraw);
}

/// Somebody who was invited and has not accepted.
#[derive(Serialize, ToSchema)]
struct Invitation {
    id: InvitationId,
    email: String,
    name: String,
    role: Role,
    /// What somebody with the role `member` will see.
    workspaces: Vec<WorkspaceId>,
    /// When it was sent.
    created_at: Timestamp,
    /// Until when it can be accepted.
    expires_at: Timestamp,
}

impl From<invitations::Invitation> for Invitation {
    fn from(found: invitations::Invitation) -> Self {
        let invitations::Invitation { id, email, name, role, workspaces, created_at, expires_at, .. } = found;
        Self { id, email, name, role, workspaces, created_at, expires_at }
    }
}

/// Open invitations.
#[derive(Serialize, ToSchema)]
struct Invitations {
    items: Vec<Invitation>,
}

/// List invitations that were not accepted, newest first; there are 100 at most
#[utoipa::path(get, path = "/invitations", tag = "members",
    responses((status = 200, description = "All of them.", body = Invitations)))]
async fn list(state: web::Data<State>, admitted: Admitted) -> Answer<Invitations> {
    let organization = admitted.organization()?;
    let found = state.db.read_blocking(|tx| invitations::list(tx, organization))?;
    Ok(Reply::ok(Invitations { items: found.into_iter().map(Invitation::from).collect() }))
}

/// Somebody to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitation)]
struct New {
    #[schema(max_length = 254)]
    email: String,
    /// What they are to be called, where they have no account yet.
    #[serde(default)]
    name: String,
    role: Role,
    /// What somebody with the role `member` will see.
    #[serde(default)]
    workspaces: Vec<WorkspaceId>,
}

/// Invite somebody by mail
///
/// The mail has a link that works once, for seven days; inviting again sends another in its place. The answer does not tell
/// whether there is an account with that address.
#[utoipa::path(post, path = "/invitations", tag = "members", request_body = New,
    responses((status = 201, description = "Invited.", body = Invitation),
        (status = 409, description = "They are a member already.")))]
async fn invite(state: web::Data<State>, admitted: Admitted, Json(input): Json<New>) -> Answer<Invitation> {
    let (organization, by, terms) = (admitted.organization()?, admitted.by()?, state.telling.clone());
    state.door.may_mail(&input.email, &organization)?;
    let New { email, name, role, workspaces } = input;
    let new = NewInvitation { email, name, role, workspaces };
    let made = state.db.write(move |tx| accounts::invite(tx, &by, &terms, organization, &new)).await?;
    Ok(Reply::created(made.into()))
}

/// Withdraw an invitation
#[utoipa::path(delete, path = "/invitations/{id}", tag = "members",
    params(("id" = InvitationId, Path, description = "The invitation.")),
    responses((status = 204, description = "Its link does not work any more.")))]
async fn withdraw(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<InvitationId>,
) -> Result<NoContent, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    state.db.write(move |tx| invitations::withdraw(tx, &by, organization, id)).await?;
    Ok(NoContent)
}
