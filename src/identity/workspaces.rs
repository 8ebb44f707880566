//! Parts of an organization to which usage is attributed.

use rusqlite::Connection;

use super::audit::{self, By, Difference};
use super::error::Error;
use super::{organizations, rules, sql};
use crate::base::id::{OrganizationId, WorkspaceId};
use crate::base::{FieldErrors, Page, Timestamp};
use crate::db::WriteTx;

/// A part of an organization; shares its wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Whose.
    pub organization: OrganizationId,
    /// The platform's own id for it, unique within the organization.
    pub external_id: String,
    /// What people call it.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// Creates a workspace.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Taken`], or [`Error::NotFound`] for the organization.
pub fn create(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    external_id: &str,
    name: &str,
) -> Result<Workspace, Error> {
    let mut errors = FieldErrors::new();
    let name = errors.keep(rules::name("name", name));
    let external_id = errors.keep(rules::external_id("external_id", external_id));
    let (name, external_id) = errors.finish(name.zip(external_id))?;
    let conn = tx.conn()?;
    organizations::get(conn, organization)?;
    if sql::workspace_id(conn, organization, &external_id)?.is_some() {
        return Err(Error::Taken("external_id"));
    }
    let id = sql::insert_workspace(conn, organization, &external_id, &name, tx.now())?;
    let difference = Difference::new().with("external_id", external_id.as_str()).with("name", name.as_str());
    audit::record(tx, by, "workspace.created", id, Some(organization), &difference)?;
    Ok(Workspace { id, organization, external_id, name, created_at: tx.now() })
}

/// Renames a workspace.
///
/// # Errors
/// [`Error::Invalid`], [`Error::NotFound`].
pub fn rename(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    id: WorkspaceId,
    name: &str,
) -> Result<Workspace, Error> {
    let name = rules::name("name", name).map_err(|e| vec![e])?;
    let conn = tx.conn()?;
    let mut workspace = get(conn, organization, id)?;
    let difference = Difference::new().changed("name", workspace.name.as_str(), name.as_str());
    if !difference.is_empty() {
        sql::rename_workspace(conn, id, &name)?;
        audit::record(tx, by, "workspace.renamed", id, Some(organization), &difference)?;
        workspace.name = name;
    }
    Ok(workspace)
}

/// The workspace that the platform knows by this id, created on first sight. For usage intake: what has been
/// gathered for the commit is written only when there is something to create.
///
/// # Errors
/// [`Error::Invalid`] names the field `workspace`. The organization must exist.
pub fn ensure(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    external_id: &str,
) -> Result<WorkspaceId, Error> {
    if let Some(id) = sql::workspace_id(tx.conn_unflushed(), organization, external_id)? {
        return Ok(id);
    }
    let external_id = rules::external_id("workspace", external_id).map_err(|e| vec![e])?;
    Ok(sql::insert_workspace(tx.conn()?, organization, &external_id, &external_id, tx.now())?)
}

/// The workspace that the platform knows by this id.
///
/// # Errors
/// Those of the database.
pub fn by_external_id(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
) -> Result<Option<WorkspaceId>, Error> {
    Ok(sql::workspace_id(conn, organization, external_id)?)
}

/// A workspace of this organization.
///
/// # Errors
/// [`Error::NotFound`], also when it is another organization's.
pub fn get(conn: &Connection, organization: OrganizationId, id: WorkspaceId) -> Result<Workspace, Error> {
    sql::workspace_by_id(conn, id)?
        .filter(|workspace| workspace.organization == organization)
        .ok_or(Error::NotFound("workspace"))
}

/// Workspaces, newest first.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Workspace>, Error> {
    let items = sql::list_workspaces(conn, organization, before, limit)?;
    Ok(Page::cut(items, limit, |workspace| workspace.id.number()))
}
