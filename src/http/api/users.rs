//! People, as the operator keeps them.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::Timestamp;
use crate::base::id::{UserId, WorkspaceId};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, NoContent, Reply};
use crate::http::route::Table;
use crate::identity::{NewUser, OrganizationRef, Role, Scope, organizations, users};

const LIST: &str = "users";
const ADMIN: Access = Access::operator(Scope::Admin);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, ADMIN, list);
    table.api(__path_create, ADMIN, create);
    table.api(__path_get, ADMIN, get);
    table.api(__path_disable, ADMIN, disable);
    table.api(__path_enable, ADMIN, enable);
    table.api(__path_set_membership, ADMIN, set_membership);
    table.api(__path_remove_membership, ADMIN, remove_membership);
}

/// Somebody who can sign in.
#[derive(Serialize, ToSchema)]
struct User {
    id: UserId,
    email: String,
    name: String,
    /// Works for the operator.
    operator: bool,
    /// Since when signing in is refused.
    disabled_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<crate::identity::User> for User {
    fn from(user: crate::identity::User) -> Self {
        let crate::identity::User { id, email, name, operator, disabled_at, created_at } = user;
        Self { id, email, name, operator, disabled_at, created_at }
    }
}

/// Which people.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// Only those who work for the operator.
    operators: Option<bool>,
}

struct ListQuery(bool, Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        let operators = params.optional("operators").unwrap_or(false);
        Some(Self(operators, Window::from_params(params, LIST)))
    }
}

/// List people, newest first
#[utoipa::path(get, path = "/admin/users", tag = "admin", params(Which, Paging),
    responses((status = 200, description = "A page of people.", body = List<User>)))]
async fn list(
    state: web::Data<State>,
    Query(ListQuery(operators, window)): Query<ListQuery>,
) -> Answer<List<User>> {
    let page = state.db.read(move |tx| users::list(tx, operators, window.before(), window.limit)).await?;
    Ok(Reply::ok(List::from_page(LIST, page, User::from)))
}

/// Somebody to be. Either works for the operator, or has a place in an organization.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
struct New {
    #[schema(max_length = 254)]
    email: String,
    #[serde(default)]
    name: String,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 1024)]
    password: String,
    /// Works for the operator.
    #[serde(default)]
    operator: bool,
    /// `org_…`, or `ext:` and the platform's own id.
    organization: Option<String>,
    /// The place there.
    role: Option<Role>,
    /// The workspaces that a member sees.
    #[serde(default)]
    workspaces: Vec<WorkspaceId>,
}

/// Create a person
#[utoipa::path(post, path = "/admin/users", tag = "admin", request_body = New,
    responses((status = 201, description = "Created.", body = User),
        (status = 409, description = "There is somebody with this address.")))]
async fn create(state: web::Data<State>, admitted: Admitted, Json(input): Json<New>) -> Answer<User> {
    let by = admitted.by()?;
    let place = place(&input)?;
    let password = state.door.passwords().hash(input.password).await?;
    let new = NewUser { email: input.email, name: input.name, password };
    let made = state.db.write(move |tx| -> Result<_, ApiError> {
        Ok(match place {
            None => users::create_operator(tx, &by, &new)?,
            Some((name, role)) => {
                let organization = organizations::find(tx.conn()?, &name)?.id;
                users::create_member(tx, &by, &new, organization, role, &input.workspaces)?
            }
        })
    });
    Ok(Reply::created(made.await?.into()))
}

fn place(input: &New) -> Result<Option<(OrganizationRef, Role)>, ApiError> {
    match (&input.organization, input.role) {
        (None, None) if input.operator => Ok(None),
        (Some(_), _) | (_, Some(_)) if input.operator => {
            Err(ApiError::field("operator", "conflict", "goes with neither organization nor role"))
        }
        (Some(name), Some(role)) => {
            let name =
                name.parse().map_err(|e| ApiError::field("organization", "invalid_value", format!("{e}")))?;
            Ok(Some((name, role)))
        }
        (Some(_), None) => Err(ApiError::field("role", "required", "is required with an organization")),
        (None, _) => Err(ApiError::field("organization", "required", "is required unless operator is true")),
    }
}

/// Get a person
#[utoipa::path(get, path = "/admin/users/{id}", tag = "admin",
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 200, description = "The person.", body = User)))]
async fn get(state: web::Data<State>, PathId(id): PathId<UserId>) -> Answer<User> {
    Ok(Reply::ok(state.db.read_blocking(|tx| users::get(tx, id))?.into()))
}

/// Disable a person: all their sessions end, and they cannot sign in
#[utoipa::path(post, path = "/admin/users/{id}/disable", tag = "admin",
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 200, description = "The person.", body = User),
        (status = 409, description = "The last operator has to stay.")))]
async fn disable(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<UserId>) -> Answer<User> {
    let by = admitted.by()?;
    Ok(Reply::ok(state.db.write(move |tx| users::disable(tx, &by, id)).await?.into()))
}

/// Let a person sign in again
#[utoipa::path(post, path = "/admin/users/{id}/enable", tag = "admin",
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 200, description = "The person.", body = User)))]
async fn enable(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<UserId>) -> Answer<User> {
    let by = admitted.by()?;
    Ok(Reply::ok(state.db.write(move |tx| users::enable(tx, &by, id)).await?.into()))
}

/// A place in an organization.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Membership)]
struct Place {
    /// `org_…`, or `ext:` and the platform's own id.
    organization: String,
    role: Role,
    /// The workspaces that a member sees.
    #[serde(default)]
    workspaces: Vec<WorkspaceId>,
}

/// Give a person a place in an organization, or change it
#[utoipa::path(put, path = "/admin/users/{id}/memberships", tag = "admin", request_body = Place,
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 204, description = "Done."),
        (status = 409, description = "The last owner has to stay.")))]
async fn set_membership(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UserId>,
    Json(input): Json<Place>,
) -> Result<NoContent, ApiError> {
    let by = admitted.by()?;
    let name = named(&input.organization)?;
    let done = state.db.write(move |tx| -> Result<_, ApiError> {
        let organization = organizations::find(tx.conn()?, &name)?.id;
        Ok(users::set_membership(tx, &by, id, organization, input.role, &input.workspaces)?)
    });
    done.await?;
    Ok(NoContent)
}

/// The organization to leave.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Leave {
    /// `org_…`, or `ext:` and the platform's own id.
    organization: String,
}

/// Take a person's place in an organization away
#[utoipa::path(post, path = "/admin/users/{id}/memberships/remove", tag = "admin", request_body = Leave,
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 204, description = "Done."),
        (status = 409, description = "The last owner has to stay.")))]
async fn remove_membership(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UserId>,
    Json(input): Json<Leave>,
) -> Result<NoContent, ApiError> {
    let by = admitted.by()?;
    let name = named(&input.organization)?;
    let done = state.db.write(move |tx| -> Result<_, ApiError> {
        let organization = organizations::find(tx.conn()?, &name)?.id;
        Ok(users::remove_membership(tx, &by, id, organization)?)
    });
    done.await?;
    Ok(NoContent)
}

fn named(text: &str) -> Result<OrganizationRef, ApiError> {
    text.parse().map_err(|e| ApiError::field("organization", "invalid_value", format!("{e}")))
}
