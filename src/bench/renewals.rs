//! Ten thousand plans that are renewed within the same minute, on the sandbox.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::client::Head;
use super::process::{Server, run, this_program};
use super::site::{ask, path_text};
use super::{BenchError, sql};
use crate::app::{self, Opened};
use crate::base::id::PlanId;
use crate::base::time::{HOUR_MS, MINUTE_MS};
use crate::base::{Clock, Credits, Currency, Mode, Money, SystemClock, TestClock, Timestamp, Zone};
use crate::catalog::rules::{Interval, PlanTerms};
use crate::catalog::{self, NewPlanVersion, Snapshot, seed};
use crate::config::Config;
use crate::db::WriteTx;
use crate::identity::{Actor, By, NewOrganization};
use crate::onboarding::{self, Prices, Welcome};
use crate::payments::gateway::sandbox;
use crate::subscriptions::{self, Shop, Wish};

/// Made in one operation.
const STEP: u32 = 500;
const SELLER: &str = "Example Telecom S.L.";
const COUNTRY: &str = "ES";
/// What the server has to know.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("TOLLBOOK_SERVER_MODE", "test"),
    ("TOLLBOOK_SELLER_NAME", SELLER),
    ("TOLLBOOK_SELLER_COUNTRY", COUNTRY),
    ("TOLLBOOK_LOG_LEVEL", "warn"),
];
/// The plan that all of them begin.
pub const PLAN: &str = "growth";
const FREE: &str = "free_year";

fn wrong(error: impl std::fmt::Display) -> BenchError {
    BenchError::Wrong(error.to_string())
}

/// Fills a new data directory with `count` organizations that have a saved card and a year on a plan that costs nothing. Within
/// the minute from `renews_at` on they all go over to [`PLAN`].
///
/// The year lies in the past and nothing was ever paid: so little is written that preparing takes less time than what comes.
///
/// # Errors
/// When the database cannot be made.
pub fn prepare(data: &Path, count: u32, renews_at: Timestamp) -> Result<(), BenchError> {
    let mut config = Config::default();
    config.server.mode = Mode::Test;
    data.clone_into(&mut config.database.data_dir);
    (config.seller.name, config.seller.country) = (Some(SELLER.into()), Some(COUNTRY.into()));
    let terms = subscriptions::Terms { dunning_days: vec![1], notice_days: 30 };
    let shop = Arc::new(Shop { seller: app::seller_terms(&config), gateway: Some(sandbox::NAME), terms });
    let began = Zone::UTC.months_after(renews_at, -12);
    let clock = Arc::new(TestClock::frozen(began));
    let db = Opened::new(&config, clock.clone(), false).map_err(wrong)?.db;
    let free = db.write_blocking(move |tx| free_plan(tx, &config)).map_err(wrong)?;
    let steps = i64::from(count.div_ceil(STEP));
    for begun in (0..count).step_by(usize::try_from(STEP).unwrap_or(1)) {
        let shop = shop.clone();
        let made = move |tx: &WriteTx<'_>| {
            let plans = [free, plan(tx, PLAN)?];
            (begun..count.min(begun + STEP)).try_for_each(|number| customer(tx, &shop, number, plans))
        };
        db.write_blocking(made).map_err(wrong)?;
        clock.advance(MINUTE_MS / steps);
    }
    let now = db.now();
    db.write_blocking(move |tx| sql::give_cards(tx.conn()?, now)).map_err(wrong)
}

type Outcome<T> = Result<T, subscriptions::Error>;

/// The catalog, and with it a plan by the year that costs and gives nothing.
fn free_plan(tx: &WriteTx<'_>, config: &Config) -> Outcome<PlanId> {
    let bad = |error| subscriptions::Error::Db(crate::db::DbError::bad_row("plans", 0, error));
    let currency = config.credits.currency;
    let options = seed::SeedOptions { currency, credits_per_unit: config.credits.per_unit };
    seed::seed(tx, &options).map_err(bad)?;
    let terms = PlanTerms {
        price: Money::zero(currency),
        interval: Interval::Year,
        plan_credits: Credits::ZERO,
        allowances: std::collections::BTreeMap::new(),
        rate_card: catalog_code("payg")?,
        rollover: false,
        rollover_cap: None,
        credit_transfer: false,
        listed: true,
    };
    let new = NewPlanVersion { plan: catalog_code(FREE)?, name: Some("Free".into()), starts_at: None, terms };
    catalog::publish_plan(tx, &new).map_err(bad)?;
    plan(tx, FREE)
}

fn catalog_code<T: std::str::FromStr>(text: &str) -> Outcome<T> {
    text.parse().map_err(|_| subscriptions::Error::NotFound)
}

fn plan(tx: &WriteTx<'_>, code: &str) -> Outcome<PlanId> {
    let known = Snapshot::load(tx.conn()?)?;
    known.plan_by_code(code).map(|plan| plan.id).ok_or(subscriptions::Error::NotFound)
}

fn customer(tx: &WriteTx<'_>, shop: &Shop, number: u32, plans: [PlanId; 2]) -> Outcome<()> {
    let by = By::actor(Actor::System);
    let new = NewOrganization {
        name: format!("Customer {number}"),
        external_id: Some(format!("customer-{number}")),
        currency: Currency::EUR,
        zone: Zone::UTC,
        rate_card_id: None,
    };
    let nothing = Welcome { credits: Credits::ZERO, expiry_days: 0 };
    let made = onboarding::create(tx, &by, &new, &Prices::default(), nothing)
        .map_err(|error| subscriptions::Error::Db(crate::db::DbError::bad_row("organizations", 0, error)))?;
    for plan in plans {
        let wish = Wish { plan, card: None, expected_total: None, success_url: None, cancel_url: None };
        subscriptions::change(tx, shop, &by, made.id, &wish)?;
    }
    Ok(())
}

/// How long a server takes to renew them all: charged, invoiced, credited and told.
pub(super) fn measure(data: &Path, count: u32) -> Result<Duration, BenchError> {
    std::fs::create_dir_all(data)?;
    let renews_at = SystemClock.now().plus_ms(HOUR_MS);
    prepare(data, count, renews_at)?;
    let text = path_text(data)?;
    let mut command = this_program()?;
    command.args(["admin", "create-key", "--operator", "--scopes", "admin", "--data", text]);
    let bearer = format!("Bearer {}", run(command.envs(ENVIRONMENT))?);
    let log = data.with_extension("log");
    let server = Server::start(&["serve", "--data", text, "--listen", "127.0.0.1:0"], &ENVIRONMENT, &log)?;
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "renewals")];
    let mut request = Vec::new();
    let to = renews_at.plus_ms(2 * MINUTE_MS);
    Head::new("POST", "/api/v1/admin/clock", &headers)
        .with_json(format!(r#"{{"to":"{to}"}}"#).as_bytes(), &mut request);
    let begun = Instant::now();
    ask(&server, std::iter::once(request))?;
    let taken = begun.elapsed();
    server.stop()?;
    let book = Connection::open(data.join(crate::db::FILE_NAME))?;
    let renewed: u32 = book.query_row(sql::RENEWED, [], |row| row.get(0))?;
    if renewed != count {
        return Err(BenchError::Wrong(format!("{renewed} of {count} plans were renewed")));
    }
    run(this_program()?.args(["verify", "--data", text]))?;
    Ok(taken)
}
