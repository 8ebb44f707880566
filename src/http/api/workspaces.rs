//! Workspaces: parts of an organization that share its wallet.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Timestamp;
use crate::base::id::{OrganizationId, WorkspaceId};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Reach, Scope, workspaces};

const LIST: &str = "workspaces";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::USAGE, list);
    table.api(__path_create, Access::organization(Scope::MembersWrite), create);
    table.api(__path_get, Access::USAGE, get);
    table.api(__path_rename, Access::organization(Scope::MembersWrite), rename);
}

/// A part of an organization.
#[derive(Serialize, ToSchema)]
struct Workspace {
    id: WorkspaceId,
    organization_id: OrganizationId,
    /// The platform's own id for it, as usage events name it.
    external_id: String,
    name: String,
    created_at: Timestamp,
}

impl From<crate::identity::Workspace> for Workspace {
    fn from(workspace: crate::identity::Workspace) -> Self {
        Self {
            id: workspace.id,
            organization_id: workspace.organization,
            external_id: workspace.external_id,
            name: workspace.name,
            created_at: workspace.created_at,
        }
    }
}

struct ListQuery(Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

/// List workspaces, newest first
#[utoipa::path(get, path = "/workspaces", tag = "workspaces", params(Paging),
    responses((status = 200, description = "A page of workspaces.", body = List<Workspace>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<Workspace>> {
    let organization = admitted.organization()?;
    let mut page =
        state.db.read(move |tx| workspaces::list(tx, organization, window.before(), window.limit)).await?;
    page.items.retain(|workspace| admitted.reach.covers(Some(workspace.id)));
    Ok(Reply::ok(List::from_page(LIST, page, Workspace::from)))
}

/// A workspace to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWorkspace {
    /// The platform's own id for it.
    external_id: String,
    /// What people call it; the platform's id unless given.
    name: Option<String>,
}

/// Create a workspace
#[utoipa::path(post, path = "/workspaces", tag = "workspaces", request_body = NewWorkspace,
    responses((status = 201, description = "Created.", body = Workspace),
        (status = 409, description = "There is one with this `external_id`.")))]
async fn create(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<NewWorkspace>,
) -> Answer<Workspace> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let name = input.name.unwrap_or_else(|| input.external_id.clone());
    let made = state
        .db
        .write(move |tx| workspaces::create(tx, &by, organization, &input.external_id, &name))
        .await?;
    Ok(Reply::created(made.into()))
}

/// Get a workspace
#[utoipa::path(get, path = "/workspaces/{id}", tag = "workspaces",
    params(("id" = WorkspaceId, Path, description = "The workspace.")),
    responses((status = 200, description = "The workspace.", body = Workspace)))]
async fn get(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WorkspaceId>,
) -> Answer<Workspace> {
    let organization = admitted.organization()?;
    if admitted.reach != Reach::Organization && !admitted.reach.covers(Some(id)) {
        return Err(crate::identity::Error::NotFound("workspace").into());
    }
    let found = state.db.read_blocking(|tx| workspaces::get(tx, organization, id))?;
    Ok(Reply::ok(found.into()))
}

/// What to change about a workspace.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rename {
    name: String,
}

/// Rename a workspace
#[utoipa::path(patch, path = "/workspaces/{id}", tag = "workspaces", request_body = Rename,
    params(("id" = WorkspaceId, Path, description = "The workspace.")),
    responses((status = 200, description = "The workspace.", body = Workspace)))]
async fn rename(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WorkspaceId>,
    Json(input): Json<Rename>,
) -> Answer<Workspace> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let renamed =
        state.db.write(move |tx| workspaces::rename(tx, &by, organization, id, &input.name)).await?;
    Ok(Reply::ok(renamed.into()))
}
