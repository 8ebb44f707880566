//! API keys: the operator's, and each organization's own.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::Timestamp;
use crate::base::id::{ApiKeyId, OrganizationId};
use crate::base::time::HOUR_MS;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Issuer, KeyOwner, NewKey, OrganizationRef, Scope, Scopes, keys, organizations};

const LIST: &str = "keys";
const ADMIN: Access = Access::operator(Scope::Admin);
const OWN: Access = Access::session(Scope::MembersWrite);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list_own, OWN, list_own);
    table.api(__path_issue_own, OWN, issue_own);
    table.api(__path_rotate_own, OWN, rotate_own);
    table.api(__path_revoke_own, OWN, revoke_own);
    table.api(__path_list, ADMIN, list);
    table.api(__path_issue, ADMIN, issue);
    table.api(__path_rotate, ADMIN, rotate);
    table.api(__path_revoke, ADMIN, revoke);
}

/// A key. The key itself is shown only when it is issued.
#[derive(Serialize, ToSchema)]
struct Key {
    id: ApiKeyId,
    /// Its first characters.
    prefix: String,
    /// The organization it acts for; null for an operator's key.
    organization_id: Option<OrganizationId>,
    scopes: Scopes,
    name: String,
    /// Who made it: a user, a key, or `cli`.
    created_by: String,
    created_at: Timestamp,
    /// To a minute or two.
    last_used_at: Option<Timestamp>,
    /// Since when it does not work; lies ahead after a rotation.
    revoked_at: Option<Timestamp>,
}

impl From<keys::ApiKey> for Key {
    fn from(key: keys::ApiKey) -> Self {
        Self {
            id: key.id,
            prefix: key.prefix,
            organization_id: key.owner.organization(),
            scopes: key.scopes,
            name: key.name,
            created_by: key.created_by.to_string(),
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A key that was just issued.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedKey)]
struct Issued {
    /// The key itself. It is not shown again.
    key: String,
    #[serde(flatten)]
    about: Key,
}

impl From<keys::Issued> for Issued {
    fn from(issued: keys::Issued) -> Self {
        Self { key: issued.secret.expose().to_owned(), about: issued.key.into() }
    }
}

struct OwnQuery(Window<1>);

impl FromParams for OwnQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

/// List one's organization's keys, newest first
#[utoipa::path(get, path = "/keys", tag = "keys", params(Paging),
    responses((status = 200, description = "A page of keys.", body = List<Key>)))]
async fn list_own(
    state: web::Data<State>,
    admitted: Admitted,
    Query(OwnQuery(window)): Query<OwnQuery>,
) -> Answer<List<Key>> {
    let owner = KeyOwner::Organization(admitted.organization()?);
    let page = state.db.read(move |tx| keys::list(tx, owner, window.before(), window.limit)).await?;
    Ok(Reply::ok(List::from_page(LIST, page, Key::from)))
}

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOwnKey)]
struct NewOwn {
    /// What it may be used for. `billing:write` and `admin` are the operator's to give.
    scopes: Scopes,
    /// What people call it.
    #[serde(default)]
    name: String,
}

/// Issue a key for one's organization
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = NewOwn,
    responses((status = 201, description = "Issued; the key is shown this once.", body = Issued)))]
async fn issue_own(state: web::Data<State>, admitted: Admitted, Json(input): Json<NewOwn>) -> Answer<Issued> {
    let owner = KeyOwner::Organization(admitted.organization()?);
    let acting = on_behalf(&admitted)?;
    let new = NewKey { owner, mode: state.settings.mode, scopes: input.scopes, name: input.name };
    let by = admitted.by()?;
    let issued = state.db.write(move |tx| keys::issue(tx, &by, &new, acting)).await?;
    Ok(Reply::created(issued.into()))
}

/// How to exchange a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// How long the old key goes on working, in hours, at most 168.
    #[serde(default)]
    #[schema(maximum = 168)]
    overlap_hours: u32,
}

impl Rotation {
    fn overlap_ms(&self) -> Result<i64, ApiError> {
        let overlap_ms = i64::from(self.overlap_hours) * HOUR_MS;
        if overlap_ms > keys::OVERLAP_MAX_MS {
            return Err(ApiError::field("overlap_hours", "too_large", "must be at most 168"));
        }
        Ok(overlap_ms)
    }
}

/// Exchange a key of one's organization
#[utoipa::path(post, path = "/keys/{id}/rotate", tag = "keys", request_body = Rotation,
    params(("id" = ApiKeyId, Path, description = "The key to replace.")),
    responses((status = 201, description = "The new key, shown this once.", body = Issued)))]
async fn rotate_own(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<ApiKeyId>,
    Json(input): Json<Rotation>,
) -> Answer<Issued> {
    let owner = KeyOwner::Organization(admitted.organization()?);
    let (acting, by, overlap_ms) = (on_behalf(&admitted)?, admitted.by()?, input.overlap_ms()?);
    let issued = state.db.write(move |tx| keys::rotate(tx, &by, owner, id, overlap_ms, acting)).await?;
    Ok(Reply::created(issued.into()))
}

/// Revoke a key of one's organization, at once
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys",
    params(("id" = ApiKeyId, Path, description = "The key.")),
    responses((status = 200, description = "The revoked key.", body = Key)))]
async fn revoke_own(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<ApiKeyId>,
) -> Answer<Key> {
    let owner = KeyOwner::Organization(admitted.organization()?);
    let by = admitted.by()?;
    Ok(Reply::ok(state.db.write(move |tx| keys::revoke(tx, &by, owner, id)).await?.into()))
}

fn on_behalf(admitted: &Admitted) -> Result<Issuer, ApiError> {
    Ok(if admitted.principal()?.is_operator() { Issuer::Operator } else { Issuer::Customer })
}

/// Whose keys.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Whose {
    /// `org_…` or `ext:…`; the operator's own keys unless given.
    organization: Option<String>,
}

struct ListQuery(Option<OrganizationRef>, Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.optional("organization"), Window::from_params(params, LIST)))
    }
}

/// List the operator's keys, or an organization's, newest first
#[utoipa::path(get, path = "/admin/keys", tag = "admin", params(Whose, Paging),
    responses((status = 200, description = "A page of keys.", body = List<Key>)))]
async fn list(
    state: web::Data<State>,
    Query(ListQuery(whose, window)): Query<ListQuery>,
) -> Answer<List<Key>> {
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let owner = match whose {
            Some(name) => KeyOwner::Organization(organizations::find(tx, &name)?.id),
            None => KeyOwner::Operator,
        };
        Ok(keys::list(tx, owner, window.before(), window.limit)?)
    });
    Ok(Reply::ok(List::from_page(LIST, page.await?, Key::from)))
}

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
struct New {
    /// The organization it acts for, as `org_…` or `ext:…`; an operator's key unless given.
    organization: Option<String>,
    scopes: Scopes,
    /// What people call it.
    #[serde(default)]
    name: String,
}

/// Issue a key, for the operator or for an organization
#[utoipa::path(post, path = "/admin/keys", tag = "admin", request_body = New,
    responses((status = 201, description = "Issued; the key is shown this once.", body = Issued)))]
async fn issue(state: web::Data<State>, admitted: Admitted, Json(input): Json<New>) -> Answer<Issued> {
    let by = admitted.by()?;
    let whose: Option<OrganizationRef> = match &input.organization {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|e| ApiError::field("organization", "invalid_value", format!("{e}")))?)
        }
    };
    let mode = state.settings.mode;
    let issued = state.db.write(move |tx| -> Result<_, ApiError> {
        let owner = match whose {
            Some(name) => KeyOwner::Organization(organizations::find(tx.conn()?, &name)?.id),
            None => KeyOwner::Operator,
        };
        let new = NewKey { owner, mode, scopes: input.scopes, name: input.name };
        Ok(keys::issue(tx, &by, &new, Issuer::Operator)?)
    });
    Ok(Reply::created(issued.await?.into()))
}

/// Exchange any key
#[utoipa::path(post, path = "/admin/keys/{id}/rotate", tag = "admin", request_body = Rotation,
    params(("id" = ApiKeyId, Path, description = "The key to replace.")),
    responses((status = 201, description = "The new key, shown this once.", body = Issued)))]
async fn rotate(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<ApiKeyId>,
    Json(input): Json<Rotation>,
) -> Answer<Issued> {
    let (by, overlap_ms) = (admitted.by()?, input.overlap_ms()?);
    let issued = state.db.write(move |tx| -> Result<_, ApiError> {
        let owner = keys::find(tx.conn()?, id)?.owner;
        Ok(keys::rotate(tx, &by, owner, id, overlap_ms, Issuer::Operator)?)
    });
    Ok(Reply::created(issued.await?.into()))
}

/// Revoke any key, at once
#[utoipa::path(delete, path = "/admin/keys/{id}", tag = "admin",
    params(("id" = ApiKeyId, Path, description = "The key.")),
    responses((status = 200, description = "The revoked key.", body = Key)))]
async fn revoke(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<ApiKeyId>) -> Answer<Key> {
    let by = admitted.by()?;
    let revoked = state.db.write(move |tx| -> Result<_, ApiError> {
        let owner = keys::find(tx.conn()?, id)?.owner;
        Ok(keys::revoke(tx, &by, owner, id)?)
    });
    Ok(Reply::ok(revoked.await?.into()))
}
