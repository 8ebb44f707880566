//! Which workspaces' usage an answer may hold.

use crate::base::id::OrganizationId;
use crate::db::ReadTx;
use crate::http::error::ApiError;
use crate::identity::{Error, Reach, workspaces};

/// The platform's ids of the workspaces that are asked for and in reach; `None` for all there are.
///
/// # Errors
/// When the database fails.
pub(super) fn within(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    reach: &Reach,
    asked: Option<String>,
) -> Result<Option<Vec<String>>, ApiError> {
    let ids = match reach {
        Reach::Organization => return Ok(asked.map(|name| vec![name])),
        Reach::Workspaces(ids) => ids,
    };
    let mut names = Vec::new();
    for id in ids {
        match workspaces::get(tx, organization, *id) {
            Ok(workspace) => names.push(workspace.external_id),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(asked) = asked {
        names.retain(|name| *name == asked);
    }
    Ok(Some(names))
}
