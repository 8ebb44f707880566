//! Signing in and out, and who one is.

use actix_web::http::header::USER_AGENT;
use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Timestamp;
use crate::base::id::{ApiKeyId, OrganizationId, UserId, WorkspaceId};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::address;
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::reply::{Answer, NoContent, Reply};
use crate::http::route::Table;
use crate::identity::{Caller, Membership, Origin, Role, Scopes, sessions, users};
use crate::notifications::accounts;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_sign_in, Access::OPEN, sign_in);
    table.api(__path_sign_out, Access::PERSON, sign_out);
    table.api(__path_me, Access::ONESELF, me);
    table.api(__path_ask_for_link, Access::OPEN, ask_for_link);
    table.api(__path_choose_password, Access::OPEN, choose_password);
    table.api(__path_accept, Access::OPEN, accept);
}

/// An e-mail address and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// The address of the account.
    #[schema(max_length = 254)]
    email: String,
    /// Its password.
    #[schema(max_length = 1024)]
    password: String,
}

/// A session that has begun.
#[derive(Serialize, ToSchema)]
struct SignedIn {
    /// Send it as a Bearer token.
    token: String,
    /// When it ends in any case; it ends earlier when it is not used.
    expires_at: Timestamp,
    /// Who signed in.
    user_id: UserId,
}

/// Sign in
#[utoipa::path(post, path = "/auth/sessions", tag = "sign-in", request_body = SignIn,
    responses((status = 201, description = "Signed in.", body = SignedIn),
        (status = 401, description = "`invalid_credentials`")))]
async fn sign_in(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    Json(input): Json<SignIn>,
) -> Answer<SignedIn> {
    let origin = Origin {
        address: Some(address::client(&state, &req)),
        user_agent: req
            .headers()
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        previous: None,
        request_id: Some(admitted.request_id.to_string()),
    };
    let signed_in = state.door.sign_in(&input.email, input.password, origin).await?;
    Ok(Reply::created(SignedIn {
        token: signed_in.token.expose().to_owned(),
        expires_at: signed_in.session.expires_at,
        user_id: signed_in.session.user_id,
    }))
}

/// Sign out: ends the session whose token is sent
#[utoipa::path(delete, path = "/auth/sessions", tag = "sign-in",
    responses((status = 204, description = "The session has ended.")))]
async fn sign_out(state: web::Data<State>, admitted: Admitted) -> Result<NoContent, ApiError> {
    let by = admitted.by()?;
    if let Caller::Session { session_id, user_id, .. } = admitted.principal()?.caller {
        state.db.write(move |tx| sessions::end(tx, &by, user_id, session_id)).await?;
    }
    Ok(NoContent)
}

/// Whose password was forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    /// The address of the account.
    #[schema(max_length = 254)]
    email: String,
}

/// Ask for a link to choose another password
///
/// The answer is the same whether there is such an account or not. The link is mailed, works once, and for an hour.
#[utoipa::path(post, path = "/auth/password-links", tag = "sign-in", request_body = Forgotten,
    responses((status = 204, description = "If there is such an account, a mail is on its way."),
        (status = 422, description = "That is no address.")))]
async fn ask_for_link(
    state: web::Data<State>,
    req: HttpRequest,
    Json(input): Json<Forgotten>,
) -> Result<NoContent, ApiError> {
    state.door.may_ask_for_link(&input.email, Some(address::client(&state, &req)))?;
    state.db.write(move |tx| accounts::forgotten(tx, &input.email)).await?;
    Ok(NoContent)
}

/// A password, and the link that allows to choose it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// The last part of the link that was mailed.
    #[schema(max_length = 100)]
    token: String,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 1024)]
    password: String,
}

/// Choose a password by the link that was mailed
///
/// Ends the link and all sessions of the account.
#[utoipa::path(post, path = "/auth/passwords", tag = "sign-in", request_body = Chosen,
    responses((status = 204, description = "The password is set: sign in with it."),
        (status = 422, description = "The link is not valid (any more), or the password is too short.")))]
async fn choose_password(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<Chosen>,
) -> Result<NoContent, ApiError> {
    let request_id = Some(admitted.request_id.to_string());
    state.door.choose_password(input.token, input.password, request_id).await?;
    Ok(NoContent)
}

/// An invitation to accept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Accepted {
    /// The last part of the link that was mailed.
    #[schema(max_length = 100)]
    token: String,
    /// Of somebody who has no account yet; at least 12 characters.
    #[schema(min_length = 12, max_length = 1024)]
    password: Option<String>,
}

/// Accept an invitation by the link that was mailed
#[utoipa::path(post, path = "/auth/invitations", tag = "sign-in", request_body = Accepted,
    responses((status = 204, description = "The place is taken: sign in."),
        (status = 422, description = "The link is not valid (any more), or a password is needed.")))]
async fn accept(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<Accepted>,
) -> Result<NoContent, ApiError> {
    let request_id = Some(admitted.request_id.to_string());
    state.door.accept(input.token, input.password, request_id).await?;
    Ok(NoContent)
}

/// Whoever asks.
#[derive(Serialize, ToSchema)]
struct Me {
    /// `key` or `person`.
    kind: &'static str,
    /// Acts for any organization.
    operator: bool,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<ApiKeyId>,
    /// What the key may be used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    /// The person's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Where the key belongs, or the person.
    organizations: Vec<Place>,
}

/// A place in an organization.
#[derive(Serialize, ToSchema)]
struct Place {
    organization_id: OrganizationId,
    /// None for a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// The organization is suspended.
    suspended: bool,
    /// The workspaces a member sees.
    workspaces: Vec<WorkspaceId>,
}

impl From<&Membership> for Place {
    fn from(membership: &Membership) -> Self {
        Self {
            organization_id: membership.organization,
            role: Some(membership.role),
            suspended: membership.suspended,
            workspaces: membership.workspaces.clone(),
        }
    }
}

/// Who am I
#[utoipa::path(get, path = "/auth/me", tag = "sign-in",
    responses((status = 200, description = "The key or the person.", body = Me)))]
async fn me(state: web::Data<State>, admitted: Admitted) -> Answer<Me> {
    let principal = admitted.principal()?;
    let operator = principal.is_operator();
    Ok(Reply::ok(match &principal.caller {
        Caller::Key { key_id, organization, suspended, scopes } => Me {
            kind: "key",
            operator,
            key_id: Some(*key_id),
            scopes: Some(*scopes),
            user_id: None,
            email: None,
            organizations: organization
                .iter()
                .map(|id| Place {
                    organization_id: *id,
                    role: None,
                    suspended: *suspended,
                    workspaces: Vec::new(),
                })
                .collect(),
        },
        Caller::Session { user_id, memberships, .. } => Me {
            kind: "person",
            operator,
            key_id: None,
            scopes: None,
            user_id: Some(*user_id),
            email: Some(state.db.read_blocking(|tx| users::get(tx, *user_id))?.email),
            organizations: memberships.iter().map(Place::from).collect(),
        },
    }))
}
