//! The demo's organizations, people, key and prices, made as an operator would make them.

use super::super::Failure;
use super::cast::{PROFILES, Plan, Profile};
use super::note::{Note, SignIn};
use super::usage::WEB_SEARCH;
use crate::base::id::{OrganizationId, WorkspaceId};
use crate::base::{Credits, Currency, Mode, Quantity, Zone};
use crate::catalog::rules::{PassThrough, Price, Rate};
use crate::catalog::{self, CatalogError, NewMeter, NewRateVersion, Snapshot, seed};
use crate::db::{Db, WriteTx};
use crate::identity::settings::{self, Defaults};
use crate::identity::{
    Actor, BillingDetails, By, Issuer, KeyOwner, NewKey, NewOrganization, NewUser, PasswordHash, Scope,
    Scopes, keys, organizations, users, workspaces,
};
use crate::onboarding::{self, Prices, Welcome};

pub(super) const BY: By = By::actor(Actor::CommandLine);
const OPERATOR: &str = "operator@tollbook.example";
const WELCOME_CREDITS: i64 = 500;
const WELCOME_DAYS: u32 = 30;
/// What a web search costs.
const SEARCH_MICROS: i64 = 1_500_000;

/// Everything that is there before the first call.
pub(super) fn move_in(
    db: &Db,
    per_unit: i64,
    password: &str,
    hash: &PasswordHash,
) -> Result<(Note, Vec<OrganizationId>), Failure> {
    db.write_blocking(move |tx| prices(tx, per_unit))?;
    let mut sign_ins = vec![SignIn { who: "The operator".into(), email: OPERATOR.into() }];
    let mut ids = Vec::new();
    let operator_hash = hash.clone();
    let key = db.write_blocking(move |tx| operator(tx, operator_hash))?;
    for profile in &PROFILES {
        let hash = hash.clone();
        ids.push(db.write_blocking(move |tx| organization(tx, profile, &hash))?);
        for person in profile.people {
            let who = format!("{}, {} of {}", person.name, person.role.name(), profile.name);
            sign_ins.push(SignIn { who, email: person.email.into() });
        }
    }
    Ok((Note { password: password.to_owned(), key, sign_ins }, ids))
}

/// The usual catalog, and on every card the price of a meter that this operator has added.
fn prices(tx: &WriteTx<'_>, per_unit: i64) -> Result<(), CatalogError> {
    seed::seed(tx, &seed::SeedOptions { currency: Currency::EUR, credits_per_unit: per_unit })?;
    let bad = |e: &dyn std::fmt::Display| crate::db::DbError::bad_row("meters", 0, e);
    let code: catalog::rules::Code = WEB_SEARCH.parse().map_err(|e| bad(&e))?;
    catalog::add_meter(
        tx,
        &NewMeter { code: code.clone(), name: "Web search".into(), unit: "search".into() },
    )?;
    let one = Quantity::from_micros(1_000_000);
    let search = Rate {
        meter: code,
        unit_size: one,
        increment: one,
        minimum: Quantity::ZERO,
        price: Price::Flat(Credits::from_micros(SEARCH_MICROS)),
        byok_price: None,
        toll_free_surcharge: None,
        pass_through: PassThrough::Never,
        rounding: Credits::from_micros(1),
    };
    let known = Snapshot::load(tx.conn()?)?;
    for card in known.rate_cards() {
        let Some(current) = card.in_force(tx.now()) else { continue };
        let rates = current.rates.values().cloned().chain([search.clone()]).collect();
        let new = NewRateVersion { card: card.code.clone(), name: None, starts_at: None, rates };
        catalog::publish_rate_card(tx, &new)?;
    }
    Ok(())
}

/// The operator, its settings and its key.
fn operator(tx: &WriteTx<'_>, password: PasswordHash) -> Result<String, crate::identity::Error> {
    let zone = "Europe/Madrid".parse().unwrap_or(Zone::UTC);
    settings::set_defaults(tx, &BY, &Defaults { currency: Currency::EUR, zone })?;
    let seller = BillingDetails {
        company_name: "Demo Agents SL".into(),
        address_line1: "Avenida de la Demostración 1".into(),
        postal_code: "28002".into(),
        city: "Madrid".into(),
        country: "ES".into(),
        billing_email: "billing@tollbook.example".into(),
        ..BillingDetails::default()
    };
    settings::set_seller(tx, &BY, &seller)?;
    let new = NewUser { email: OPERATOR.into(), name: "Olga Operator".into(), password };
    users::create_operator(tx, &BY, &new)?;
    let scopes = Scopes::of(&[
        Scope::BillingRead,
        Scope::BillingWrite,
        Scope::UsageRead,
        Scope::UsageWrite,
        Scope::LimitsWrite,
        Scope::MembersWrite,
        Scope::Admin,
    ]);
    let new = NewKey { owner: KeyOwner::Operator, mode: Mode::Test, scopes, name: "Platform".into() };
    Ok(keys::issue(tx, &BY, &new, Issuer::Operator)?.secret.expose().to_owned())
}

fn organization(
    tx: &WriteTx<'_>,
    profile: &Profile,
    password: &PasswordHash,
) -> Result<OrganizationId, onboarding::Error> {
    let new = NewOrganization {
        name: profile.name.into(),
        external_id: Some(profile.external_id.into()),
        currency: Currency::EUR,
        zone: profile.zone.parse().unwrap_or(Zone::UTC),
        rate_card_id: None,
    };
    let given = match profile.plan {
        Some(Plan::Given(plan)) => Some(plan.to_owned()),
        Some(Plan::Subscribed { .. }) | None => None,
    };
    let prices = Prices { plan: given, rate_card: None };
    let credits = Credits::from_whole(WELCOME_CREDITS).unwrap_or(Credits::ZERO);
    let welcome = Welcome { credits, expiry_days: WELCOME_DAYS };
    let id = onboarding::create(tx, &BY, &new, &prices, welcome)?.id;
    let company = &profile.company;
    let details = BillingDetails {
        company_name: profile.name.into(),
        address_line1: company.address.into(),
        postal_code: company.postal_code.into(),
        city: company.city.into(),
        country: company.country.into(),
        ..BillingDetails::default()
    };
    organizations::set_details(tx, &BY, id, &details)?;
    let mut made: Vec<(&str, WorkspaceId)> = Vec::new();
    for (external_id, name) in profile.workspaces {
        made.push((external_id, workspaces::create(tx, &BY, id, external_id, name)?.id));
    }
    for person in profile.people {
        let new =
            NewUser { email: person.email.into(), name: person.name.into(), password: password.clone() };
        let seen: Vec<WorkspaceId> =
            made.iter().filter(|(name, _)| person.workspaces.contains(name)).map(|(_, id)| *id).collect();
        users::create_member(tx, &BY, &new, id, person.role, &seen)?;
    }
    Ok(id)
}
