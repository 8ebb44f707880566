//! The HTTP edge: the JSON API and the pages, two thin adapters over the same operations.
//!
//! Everything is reached through one table of routes ([`route::Table`]), which says who may call what.

pub mod access;
pub mod address;
pub mod api;
pub mod assets;
pub mod auth;
pub mod body;
pub mod cookie;
pub mod docs;
mod domain_errors;
pub mod error;
pub mod failure;
pub mod form;
pub mod headers;
pub mod health;
pub mod hosts;
mod idempotent;
pub mod input;
pub mod list;
pub mod metrics;
pub mod openapi;
pub mod pages;
pub mod params;
pub mod ratelimit;
pub mod reply;
pub mod request_id;
pub mod route;
pub mod schemas;
mod webhooks;

use std::sync::{Arc, OnceLock};

use actix_web::http::header::HeaderValue;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};

use crate::base::{Clock, Currency, Mode, TestClock};
use crate::catalog::SnapshotCache;
use crate::config::{Network, Seller};
use crate::db::Db;
use crate::identity::{Authenticator, SellerTerms};
use crate::notifications;
use crate::onboarding::Welcome;
use crate::outside::Guarded;
use crate::payments::Desk;
use crate::scheduler::{Cron, Scheduler, Worker};
use crate::subscriptions::Office;
use crate::vies::Register;
use assets::Looks;
use error::ApiError;
use metrics::Metrics;
use ratelimit::{RateLimits, Rates};
use request_id::RequestId;
use route::Table;

/// Renders an error for a person.
pub type ErrorPage = fn(&HttpRequest, RequestId, &ApiError) -> HttpResponse;

/// What the edge needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the server is reached from outside, without a slash at the end.
    pub public_url: String,
    /// Other hosts that customers may be sent back to from paying.
    pub return_hosts: Vec<String>,
    /// Whether money is real.
    pub mode: Mode,
    /// How fast callers may ask.
    pub rates: Rates,
    /// Proxies that are believed about whom they speak for.
    pub trusted_proxies: Vec<Network>,
    /// Largest body, in bytes.
    pub body_limit: usize,
    /// Largest body of a batch, in bytes.
    pub batch_body_limit: usize,
    /// What the monitoring has to send.
    pub metrics_token: Option<String>,
    /// The currency of organizations made without one.
    pub currency: Currency,
    /// How many credits one unit of currency buys.
    pub credits_per_unit: i64,
    /// Events in one request.
    pub max_batch: usize,
    /// How the pages look.
    pub looks: Looks,
    /// Where customers buy credit.
    pub topup_url: Option<String>,
    /// What every new organization gets.
    pub welcome: Welcome,
    /// For how many days customers may ask for their money back.
    pub refund_days: u32,
    /// Who sells, as the setup wizard begins.
    pub seller: Seller,
    /// Who sells until the pages say otherwise, and how it is taxed.
    pub seller_terms: SellerTerms,
}

/// What every handler can reach.
pub struct State {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The same clock, where it can be moved.
    pub test_clock: Option<Arc<TestClock>>,
    /// Lets people and keys in.
    pub door: Arc<Authenticator>,
    /// Takes payments.
    pub desk: Desk,
    /// Sells plans.
    pub office: Office,
    /// Asks about VAT ids.
    pub register: Register,
    /// Who carries out what is done outside.
    pub worker: Worker,
    /// What is done from time to time.
    pub scheduler: Scheduler,
    /// When; there once the server answers.
    pub cron: OnceLock<Cron>,
    /// Looks at addresses that customers give.
    pub guard: Guarded,
    /// How people are told.
    pub telling: notifications::Terms,
    /// Below which balances those are told who have chosen none.
    pub thresholds: Vec<crate::base::Credits>,
    /// The catalog as readers see it.
    pub catalog: SnapshotCache,
    /// The edge's settings.
    pub settings: Settings,
    /// The public address is HTTPS: cookies and headers say so.
    pub https: bool,
    /// What pages may load, and where their forms may lead.
    pub page_policy: HeaderValue,
    /// Buckets of callers.
    pub limits: RateLimits,
    /// Counters.
    pub metrics: Metrics,
    /// Renders errors on pages.
    pub error_page: ErrorPage,
    /// The API's document, rendered once.
    pub document: Bytes,
}

impl State {
    /// The state behind a request.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Option<&Self> {
        req.app_data::<web::Data<Self>>().map(web::Data::get_ref)
    }
}

/// All routes of the server.
#[must_use]
pub fn table() -> Table {
    let mut table = Table::default();
    health::routes(&mut table);
    docs::routes(&mut table);
    assets::routes(&mut table);
    api::routes(&mut table);
    webhooks::routes(&mut table);
    pages::register(&mut table);
    table
}

/// Registers everything with one worker.
pub fn configure(table: &Table, state: &web::Data<State>, config: &mut web::ServiceConfig) {
    config.app_data(state.clone());
    table.register(state, config);
    config.default_service(web::to(route::not_found));
}
