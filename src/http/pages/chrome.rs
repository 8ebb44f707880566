//! What stands around every page, filled in: brand, clock, who is signed in, whose pages these are.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;

use super::format::{Face, Show};
use super::outlook;
use super::views::{Balance, Brand, Chrome, Crumb, Membership, Section, SeeingAs};
use crate::base::id::OrganizationId;
use crate::base::{Mode, Zone};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::identity::{Caller, Organization, Principal, Scope, organizations, settings, users};
use crate::wallet;

/// Where the form that ends seeing as a customer is sent.
pub const LEAVE: &str = "/operator/leave";

/// What stands around a page of somebody who is signed in. On a route about an organization
/// ([`Admitted::organization`]) it is that organization's: its money, its timezone, its balance.
///
/// # Errors
/// Those of the database.
pub fn chrome(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    section: Section,
    crumbs: Vec<Crumb>,
) -> Result<Chrome, ApiError> {
    let principal = admitted.principal()?;
    let organization = admitted.organization_if_named().map(|id| organizations::get(tx, id)).transpose()?;
    let mut chrome = plain(state, admitted, tx, section)?;
    chrome.crumbs = crumbs;
    chrome.csrf = admitted.form_token();
    chrome.person = principal.user_id().map(|id| users::get(tx, id)).transpose()?.map(|user| user.email);
    let Some(organization) = organization else { return Ok(chrome) };
    let sees_money = principal.may(Scope::BillingRead, organization.id).is_ok();
    chrome.show = Show { with_worth: sees_money, ..show(state, &organization) };
    if principal.membership(organization.id).is_none() {
        chrome.seeing_as =
            Some(SeeingAs { organization: organization.name.clone(), leave: LEAVE.to_owned() });
    }
    if sees_money {
        chrome.balance = Some(balance(tx, &organization)?);
    }
    chrome.memberships = memberships(tx, principal, organization.id)?;
    Ok(chrome)
}

/// What stands around a page outside of a session. `csrf` is what its forms carry, if it has any.
///
/// # Errors
/// Those of the database.
pub fn outside(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    csrf: String,
) -> Result<Chrome, ApiError> {
    Ok(Chrome { csrf, ..plain(state, admitted, tx, Section::Outside)? })
}

/// What stands around a page when nothing may be read any more.
#[must_use]
pub fn bare(state: &State, request_id: String) -> Chrome {
    let face = Face { currency: state.settings.currency, credits_per_unit: state.settings.credits_per_unit };
    let looks = &state.settings.looks;
    Chrome {
        brand: Brand {
            name: looks.name.clone(),
            logo: looks.logo.as_ref().map(|logo| logo.href().to_owned()),
            stylesheet: looks.stylesheet.href().to_owned(),
        },
        show: Show { face, zone: Zone::UTC, with_worth: true },
        test_clock: (state.settings.mode == Mode::Test).then(|| state.clock.now()),
        csrf: String::new(),
        person: None,
        section: Section::Outside,
        balance: None,
        seeing_as: None,
        memberships: Vec::new(),
        crumbs: Vec::new(),
        notice: None,
        request_id,
    }
}

/// An organization's money and timezone.
#[must_use]
pub fn show(state: &State, organization: &Organization) -> Show {
    Show {
        face: Face { currency: organization.currency, credits_per_unit: state.settings.credits_per_unit },
        zone: organization.zone.clone(),
        with_worth: true,
    }
}

/// A page as an answer.
///
/// # Errors
/// When the template fails.
pub fn html(status: StatusCode, page: &impl Template) -> Result<HttpResponse, ApiError> {
    let text = page.render().map_err(ApiError::internal)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(text))
}

/// To another page, by `GET`.
#[must_use]
pub fn redirect(location: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish()
}

fn plain(state: &State, admitted: &Admitted, tx: &ReadTx<'_>, section: Section) -> Result<Chrome, ApiError> {
    let mut chrome = bare(state, admitted.request_id.to_string());
    if let Some(defaults) = settings::defaults(tx)? {
        chrome.show.face.currency = defaults.currency;
        chrome.show.zone = defaults.zone;
    }
    chrome.section = section;
    Ok(chrome)
}

fn balance(tx: &ReadTx<'_>, organization: &Organization) -> Result<Balance, ApiError> {
    let summary = wallet::summary(tx, organization.id, tx.now())?;
    let available = outlook::spendable(&summary);
    let lasts_ms = outlook::pace(tx, organization)?.lasts_ms(available);
    let low = !available.is_positive() || lasts_ms.is_some_and(|ms| ms <= outlook::RISK_MS);
    Ok(Balance { available, low })
}

/// The organizations to switch between. An operator who looks at a customer's pages sees that one alone.
fn memberships(
    tx: &ReadTx<'_>,
    principal: &Principal,
    current: OrganizationId,
) -> Result<Vec<Membership>, ApiError> {
    let mut ids = match &principal.caller {
        Caller::Session { memberships, .. } => memberships.iter().map(|m| m.organization).collect(),
        Caller::Key { .. } => Vec::new(),
    };
    if !ids.contains(&current) {
        ids = vec![current];
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let name = organizations::get(tx, id)?.name;
        found.push(Membership { id: id.to_string(), name, current: id == current });
    }
    Ok(found)
}
