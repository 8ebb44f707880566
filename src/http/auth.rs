//! From a request's credential to who is asking, and whether the route lets them in.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::{Method, header};

use super::State;
use super::access::{Admitted, OnBehalf};
use super::address::{self, client};
use super::cookie;
use super::error::{ApiError, Code};
use super::ratelimit::{Bucket, Standing, too_many};
use super::route::{Endpoint, Surface};
use crate::base::id::OrganizationId;
use crate::identity::{Caller, Denied, Error, OrganizationRef, Principal, SecretHash};

/// The header in which an operator, or a person of several organizations, says which one is meant.
pub const ORGANIZATION: &str = "tollbook-organization";

/// Lets a request in, or says why not; and how the caller's bucket stands, where there is one.
pub async fn admit(
    state: &State,
    endpoint: &Endpoint,
    req: &HttpRequest,
) -> (Result<Admitted, ApiError>, Option<Standing>) {
    match endpoint.access.on_behalf {
        OnBehalf::Anyone => return stranger(state, endpoint.surface, req).await,
        OnBehalf::Monitoring if is_monitoring(state, req) => return (Ok(Admitted::anonymous()), None),
        _ => {}
    }
    let (principal, session_token) = match authenticate(state, endpoint.surface, req).await {
        Ok(found) => found,
        // a credential that is refused costs its sender a place in the bucket of strangers
        Err(error) => match state.limits.stranger(client(state, req)) {
            Ok(_) => return (Err(error), None),
            Err((standing, wait_s)) => return (Err(too_many(wait_s)), Some(standing)),
        },
    };
    let standing = match state.limits.take(bucket(&principal)) {
        Ok(standing) => standing,
        Err((standing, wait_s)) => return (Err(too_many(wait_s)), Some(standing)),
    };
    let named = match endpoint.surface {
        Surface::Page => Ok(chosen_organization(state, &principal, req)),
        Surface::Api | Surface::Plain => named_organization(state, &principal, req),
    };
    let admitted = named
        .and_then(|named| Ok(endpoint.access.admit(principal, named)?))
        .and_then(|admitted| only_look(endpoint, admitted))
        .map(|admitted| admitted.with_session(session_token));
    (admitted, standing)
}

/// Somebody who needs no credential; on pages the session is known all the same, where there is one.
async fn stranger(
    state: &State,
    surface: Surface,
    req: &HttpRequest,
) -> (Result<Admitted, ApiError>, Option<Standing>) {
    if surface == Surface::Plain {
        return (Ok(Admitted::anonymous()), None);
    }
    let standing = match state.limits.stranger(client(state, req)) {
        Ok(standing) => standing,
        Err((standing, wait_s)) => return (Err(too_many(wait_s)), Some(standing)),
    };
    if surface == Surface::Page
        && let Ok((principal, token)) = authenticate(state, surface, req).await
    {
        return (Ok(Admitted::known(principal).with_session(token)), standing);
    }
    (Ok(Admitted::anonymous()), standing)
}

fn bucket(principal: &Principal) -> Bucket {
    match &principal.caller {
        Caller::Key { key_id, organization: None, .. } => Bucket::OperatorKey(key_id.number()),
        Caller::Key { key_id, .. } => Bucket::OrganizationKey(key_id.number()),
        Caller::Session { user_id, .. } => Bucket::Person(user_id.number()),
    }
}

/// Programs come with a header, people with a cookie; neither is taken for the other, so that no other site can make
/// a browser call the API.
async fn authenticate(
    state: &State,
    surface: Surface,
    req: &HttpRequest,
) -> Result<(Arc<Principal>, Option<String>), ApiError> {
    match surface {
        Surface::Api | Surface::Plain => {
            let principal = state.door.bearer(bearer(req)?).await?;
            Ok((principal, None))
        }
        Surface::Page => {
            let token = cookie::session_token(state, req).ok_or(Denied::Unauthenticated)?;
            let (principal, _) = state.door.session(&token).await?;
            Ok((principal, Some(token)))
        }
    }
}

/// The credential in the `Authorization` header.
fn bearer(req: &HttpRequest) -> Result<&str, ApiError> {
    let value = req.headers().get(header::AUTHORIZATION).ok_or(Denied::Unauthenticated)?;
    let text = value.to_str().map_err(|_| ApiError::new(Code::Unauthorized))?;
    let (scheme, token) = text.split_once(' ').ok_or(Denied::Unauthenticated)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::Unauthenticated.into());
    }
    Ok(token.trim())
}

/// The monitoring: with the configured token, or without one from this very machine and through no proxy.
fn is_monitoring(state: &State, req: &HttpRequest) -> bool {
    match &state.settings.metrics_token {
        Some(token) => bearer(req).is_ok_and(|sent| SecretHash::of(sent).matches(&SecretHash::of(token))),
        None => address::is_local(req),
    }
}

/// An operator who looks at a customer's pages changes nothing there.
fn only_look(endpoint: &Endpoint, admitted: Admitted) -> Result<Admitted, ApiError> {
    let looks = endpoint.method == Method::GET || endpoint.surface != Surface::Page;
    let Some(organization) = admitted.organization_if_named() else { return Ok(admitted) };
    let principal = admitted.principal()?;
    if looks || !principal.is_operator() || principal.membership(organization).is_some() {
        return Ok(admitted);
    }
    Err(ApiError::new(Code::Forbidden)
        .message("You see these pages as the customer does, and cannot change anything here."))
}

/// The organization whose pages a browser shows: the chosen one if it is theirs or an operator looks at it, else
/// the first they belong to.
fn chosen_organization(state: &State, principal: &Principal, req: &HttpRequest) -> Option<OrganizationId> {
    let chosen = cookie::organization(state, req).filter(|id| {
        principal.membership(*id).is_some()
            || (principal.is_operator() && state.door.organization(&OrganizationRef::Id(*id)).is_ok())
    });
    let first = || match &principal.caller {
        Caller::Session { memberships, .. } => memberships.first().map(|m| m.organization),
        Caller::Key { .. } => None,
    };
    chosen.or_else(first)
}

/// The organization that the request names. Only an operator learns that there is none of that name.
fn named_organization(
    state: &State,
    principal: &Principal,
    req: &HttpRequest,
) -> Result<Option<OrganizationId>, ApiError> {
    let Some(value) = req.headers().get(ORGANIZATION) else { return Ok(None) };
    let invalid = |message: String| ApiError::new(Code::InvalidHeader).param(ORGANIZATION).message(message);
    let text = value.to_str().map_err(|_| invalid("Tollbook-Organization is not ASCII.".into()))?;
    let name: OrganizationRef =
        text.parse().map_err(|error| invalid(format!("Tollbook-Organization {error}.")))?;
    match state.door.organization(&name) {
        Ok(found) => Ok(Some(found.id)),
        Err(Error::NotFound(_)) if principal.is_operator() => Err(ApiError::new(Code::NotFound)
            .param(ORGANIZATION)
            .message("There is no organization of that id.")),
        Err(Error::NotFound(_)) => Err(Denied::ForeignOrganization.into()),
        Err(error) => Err(error.into()),
    }
}
