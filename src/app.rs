//! Wiring: from a configuration to a running server.
//!
//! Each worker thread has a single-threaded runtime of its own, so a request stays on one core from the socket to the
//! answer; only the writer and slow reads are elsewhere. `serve`, the demo and the tests all start it here.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Bytes;
use actix_web::{App as Actix, HttpServer, web};
use tokio::task::JoinHandle;

use crate::base::{Clock, Credits, Mode, Quantity, SystemClock, TestClock};
use crate::calls::{self, Calls};
use crate::catalog::{CatalogError, CatalogPart, seed};
use crate::config::{self, Config};
use crate::db::{Db, DbError, DbOptions, DirLock, FILE_NAME, Parts};
use crate::http::assets::{LogoError, Looks};
use crate::http::metrics::Metrics;
use crate::http::ratelimit::{Rate, RateLimits, Rates};
use crate::http::route::Table;
use crate::http::{self, Settings, State, openapi};
use crate::identity::{
    self, Authenticator, BillingDetails, Generation, Hardness, Invalidate, Options, PasswordPolicy,
    SellerTerms, SessionPolicy, settings, setup,
};
use crate::ledger::Journal;
use crate::limits::Spending;
use crate::metering::{IdRunSizes, Intake, Limits};
use crate::notifications::mail::{Sender, SmtpTerms};
use crate::notifications::{self, Courier, SmsTerms};
use crate::numbers;
use crate::onboarding::Welcome;
use crate::outside::{self, Guarded};
use crate::payments::gateway::Gateway;
use crate::payments::gateway::sandbox::Sandbox;
use crate::payments::gateway::stripe::{self, Stripe};
use crate::payments::{self, Desk};
use crate::scheduler::{self, Cron, Scheduler, Worker};
use crate::subscriptions::{self, Office};
use crate::tax::{self, VatId};
use crate::vies::{self, Register};
use crate::wallet::Wallets;

/// Threads of a worker for reads that take longer than a point look-up.
const BLOCKING_THREADS: usize = 8;
/// How long Stripe is left alone before a call is made again.
const STRIPE_PAUSE: Duration = Duration::from_millis(500);
/// How long the register of VAT ids may take: it asks a member state's in turn.
const VIES_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the service that sends text messages may take.
const SMS_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is looked whether there is work to be done outside.
const WORK_TICK: Duration = Duration::from_secs(2);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The catalog that every installation begins with.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// People and keys.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The address cannot be listened on, or a thread cannot be started.
    #[error("{0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// Another server works on this data.
    #[error("{0} is in use by another server")]
    InUse(PathBuf),
    /// The picture for the top bar.
    #[error("brand.logo_file {}: {}", .0.display(), .1)]
    Logo(PathBuf, LogoError),
    /// The client for calls outside.
    #[error(transparent)]
    Outside(#[from] outside::Error),
    /// How mail is sent.
    #[error("mail: {0}")]
    Mail(String),
    /// The jobs' times.
    #[error(transparent)]
    Jobs(#[from] scheduler::CronError),
    /// The counters.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// A server that answers.
pub struct RunningApp {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What its handlers share.
    pub state: web::Data<State>,
    /// All its routes.
    pub table: Arc<Table>,
    /// The token of the setup link, while there is no operator.
    pub setup_token: Option<String>,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
    workers: [JoinHandle<()>; 2],
    // last: the next server may have the data when everything else has gone
    _lock: DirLock,
}

/// The clock of a process, and the same clock where it can be moved.
pub struct Clocks {
    /// What operations get their time from.
    pub clock: Arc<dyn Clock>,
    /// In test mode.
    pub test: Option<Arc<TestClock>>,
}

impl Clocks {
    /// The machine's clock, or in test mode one that runs beside it and can be advanced.
    #[must_use]
    pub fn of(mode: Mode) -> Self {
        match mode {
            Mode::Live => Self { clock: Arc::new(SystemClock), test: None },
            Mode::Test => Self::test(Arc::new(TestClock::running(0))),
        }
    }

    /// Puts a test clock where it stood: one that was advanced stays advanced over a restart, so that nothing that
    /// has happened lies in the future.
    ///
    /// # Errors
    /// When the setting cannot be read.
    pub fn restore(&self, db: &Db) -> Result<(), StartError> {
        if let Some(clock) = &self.test {
            let offset_ms = db.read_blocking(|tx| settings::get::<i64>(tx, settings::CLOCK_OFFSET))?;
            clock.advance(offset_ms.unwrap_or(0));
        }
        Ok(())
    }

    /// This test clock.
    #[must_use]
    pub fn test(clock: Arc<TestClock>) -> Self {
        Self { clock: clock.clone(), test: Some(clock) }
    }
}

/// The database with the companions that its writer needs, and what its caches listen to.
pub struct Opened {
    /// The database.
    pub db: Db,
    /// Moves on with every change to keys and organizations.
    pub generation: Generation,
}

impl Opened {
    /// Opens the database of `config`. `serving`: this process keeps the index of event ids; the command line beside
    /// it does not.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, serving: bool) -> Result<Self, DbError> {
        let usage = &config.usage;
        let limits = Limits {
            max_age_days: i64::from(usage.max_age_days),
            max_future_seconds: i64::from(usage.max_future_seconds),
            max_quantity: usage.max_quantity,
            upkeep: serving.then(IdRunSizes::default),
        };
        let generation = Generation::new();
        let parts = Parts::new()
            .with(Invalidate::new(generation.clone()))
            .with(CatalogPart::default())
            .with(Intake::new(limits))
            .with(Spending::new())
            .with(Wallets::new(grace_ms(config)))
            .with(Journal::new())
            .with(Calls::new(call_options(&config.calls)));
        let options = DbOptions {
            readers: config.database.readers,
            queue: config.database.queue,
            wal_limit_bytes: config.database.wal_limit_mib << 20,
        };
        let dir = &config.database.data_dir;
        make_dir(dir)?;
        make_file(dir)?;
        let db = Db::open(dir, &options, clock, parts)?;
        Ok(Self { db, generation })
    }

    /// The door to this database.
    #[must_use]
    pub fn door(&self, config: &Config) -> Authenticator {
        Authenticator::new(self.db.clone(), &self.generation, door_options(config))
    }
}

fn call_options(calls: &config::Calls) -> calls::Options {
    let seconds = |whole: u32| Quantity::from_whole(i64::from(whole)).unwrap_or_default();
    calls::Options {
        stretch: seconds(calls.hold_seconds),
        shortest: seconds(calls.min_seconds),
        longest: seconds(calls.max_call_seconds),
        grace_ms: i64::from(calls.expiry_grace_seconds) * crate::base::time::SECOND_MS,
        warning: seconds(calls.warning_seconds),
    }
}

/// Makes the data directory. The book is nobody else's to read.
///
/// # Errors
/// When it cannot be made.
pub fn make_dir(dir: &Path) -> Result<(), DbError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| DbError::io(dir, &e))
}

/// Makes the database file where it is not there yet, for this user alone: the directory may be somebody else's. The log
/// and its index get the file's permissions from the engine.
fn make_file(dir: &Path) -> Result<(), DbError> {
    let file = dir.join(FILE_NAME);
    let mut options = std::fs::OpenOptions::new();
    let made = options.write(true).create(true).truncate(false).mode(0o600).open(&file);
    made.map(|_| ()).map_err(|e| DbError::io(&file, &e))
}

/// Takes a data directory for this process alone to serve.
///
/// # Errors
/// [`StartError::InUse`] when another has it.
pub fn take_dir(dir: &Path) -> Result<DirLock, StartError> {
    make_dir(dir)?;
    DirLock::acquire(dir)?.ok_or_else(|| StartError::InUse(dir.to_owned()))
}

/// What every new organization gets under this configuration.
#[must_use]
pub fn welcome(config: &Config) -> Welcome {
    Welcome { credits: config.credits.welcome, expiry_days: config.credits.welcome_expiry_days }
}

/// Starts a server. It answers when this returns.
///
/// # Errors
/// When the database or the address cannot be used.
pub async fn start(config: Config, clocks: Clocks) -> Result<RunningApp, StartError> {
    let lock = take_dir(&config.database.data_dir)?;
    let opened = Opened::new(&config, clocks.clock.clone(), true)?;
    let db = opened.db.clone();
    clocks.restore(&db)?;
    seed_catalog(&db, &config).await?;
    let setup_ms = i64::from(config.auth.setup_url_minutes) * crate::base::time::MINUTE_MS;
    let setup_token = db.write(move |tx| setup::mint(tx, setup_ms)).await?;
    let listener = listen(config.server.listen)?;
    let addr = listener.local_addr().map_err(|e| StartError::Listen(config.server.listen, e))?;
    let table = Arc::new(http::table());
    let state = web::Data::new(state(&config, &opened, clocks, addr, &table)?);
    let server = serve(&config, listener, &state, &table).map_err(|e| StartError::Listen(addr, e))?;
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    let worker = actix_web::rt::spawn(work(state.worker.clone()));
    let workers = [worker, actix_web::rt::spawn(tell(state.worker.clone()))];
    // nobody asks for the times of jobs before
    let cron = Cron::start(&state.scheduler).await?;
    if state.cron.set(cron).is_err() {
        tracing::warn!("the jobs have their times already");
    }
    let setup_token = setup_token.map(|secret| secret.expose().to_owned());
    Ok(RunningApp { addr, state, table, setup_token, handle, server, workers, _lock: lock })
}

impl RunningApp {
    /// The address that a client on this machine uses.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops at once; requests that run are cut off. For tests.
    pub fn kill(&self) {
        self.workers.iter().for_each(JoinHandle::abort);
        self.state.scheduler.stop();
        // the command is sent now; the answer to it may come when nobody waits any more
        drop(self.handle.stop(false));
    }

    /// Stops taking requests, lets those that run end, and writes down what is still in memory.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        if let Ok(Err(error)) = self.server.await {
            tracing::error!(%error, "server");
        }
        self.workers.iter().for_each(JoinHandle::abort);
        self.state.scheduler.stop();
        if let Some(cron) = self.state.cron.get() {
            cron.stop().await;
        }
        if let Err(error) = self.state.door.flush_used().await {
            tracing::warn!(%error, "uses of keys not noted");
        }
    }
}

fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(addr).map_err(|e| StartError::Listen(addr, e))?;
    listener.set_nonblocking(true).map_err(|e| StartError::Listen(addr, e))?;
    Ok(listener)
}

fn serve(
    config: &Config,
    listener: TcpListener,
    state: &web::Data<State>,
    table: &Arc<Table>,
) -> std::io::Result<actix_web::dev::Server> {
    let (state, table) = (state.clone(), table.clone());
    let workers = match config.server.workers {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        some => some,
    };
    let server =
        HttpServer::new(move || Actix::new().configure(|service| http::configure(&table, &state, service)))
            .workers(workers)
            .max_connections(config.server.max_connections.div_ceil(workers))
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .keep_alive(Duration::from_secs(config.server.keep_alive_seconds))
            .client_request_timeout(Duration::from_secs(config.server.request_timeout_seconds))
            .client_disconnect_timeout(Duration::from_secs(5))
            .shutdown_timeout(config.server.shutdown_seconds)
            .disable_signals()
            .listen(listener)?
            .run();
    Ok(server)
}

fn state(
    config: &Config,
    opened: &Opened,
    clocks: Clocks,
    addr: SocketAddr,
    table: &Table,
) -> Result<State, StartError> {
    let server = &config.server;
    let public_url = server.public_url.clone().unwrap_or_else(|| format!("http://{addr}"));
    let https = public_url.starts_with("https://");
    let desk = desk(config, &opened.db, &public_url)?;
    let office = office(config, &opened.db, &desk);
    let register = register(config, &opened.db)?;
    let topup_url = config.credits.topup_url.clone();
    let topup_url = topup_url.or_else(|| desk.is_open().then(|| format!("{public_url}/topup")));
    let settings = Settings {
        return_hosts: config.payments.allowed_return_hosts.clone(),
        public_url,
        mode: server.mode,
        rates: rates(config),
        trusted_proxies: server.trusted_proxies.clone(),
        body_limit: server.body_limit_bytes,
        batch_body_limit: server.batch_body_limit_bytes,
        metrics_token: server.metrics_token.as_ref().map(|token| token.expose().to_owned()),
        currency: config.credits.currency,
        credits_per_unit: config.credits.per_unit,
        max_batch: config.usage.max_batch,
        looks: looks(config)?,
        topup_url,
        welcome: welcome(config),
        refund_days: config.payments.refund_days,
        seller: config.seller.clone(),
        seller_terms: seller_terms(config),
    };
    let guard = guard(config)?;
    let (courier, terms) = courier(config, &opened.db, &guard, &settings)?;
    let document = openapi::document(table).to_json().unwrap_or_default();
    let worker = Worker::new(opened.db.clone(), desk.clone())
        .with_office(office.clone())
        .with_register(register.clone())
        .with_courier(courier, terms.clone())
        .with_thresholds(thresholds(config))
        .with_office(office.clone());
    let door = Arc::new(opened.door(config));
    Ok(State {
        db: opened.db.clone(),
        clock: clocks.clock,
        test_clock: clocks.test,
        scheduler: Scheduler::new(opened.db.clone(), door.clone(), worker.clone(), job_terms(config)),
        cron: OnceLock::new(),
        door,
        worker,
        thresholds: thresholds(config),
        guard,
        telling: terms,
        register,
        page_policy: http::headers::page_policy(desk.checkout_origin()),
        desk,
        office,
        catalog: crate::catalog::SnapshotCache::default(),
        limits: RateLimits::new(&settings.rates),
        metrics: Metrics::new()?,
        error_page: http::pages::failure::page,
        document: Bytes::from(document),
        https,
        settings,
    })
}

/// Below which balances those are told who have chosen none.
fn thresholds(config: &Config) -> Vec<Credits> {
    let whole = config.alerts.default_thresholds.iter().filter(|whole| **whole > 0);
    whole.filter_map(|whole| Credits::from_whole(i64::from(*whole))).collect()
}

/// What the jobs go by under this configuration.
fn job_terms(config: &Config) -> scheduler::Terms {
    let notice_days = config.credits.expiry_notice_days.iter().map(|days| i64::from(*days)).collect();
    let numbers = numbers::Terms {
        grace_days: i64::from(config.numbers.grace_days),
        release_days: i64::from(config.numbers.release_days),
    };
    scheduler::Terms { grace_ms: grace_ms(config), notice_days, numbers }
}

/// How long after an expiry earlier usage may still draw on a grant.
fn grace_ms(config: &Config) -> i64 {
    i64::from(config.usage.expiry_grace_hours) * crate::base::time::HOUR_MS
}

/// What may be bought under this configuration.
pub(crate) fn payment_terms(config: &Config) -> payments::Terms {
    payments::Terms {
        credits_per_unit: config.credits.per_unit,
        minimum: config.payments.minimum,
        maximum: config.payments.maximum,
    }
}

/// Where payments are taken.
fn desk(config: &Config, db: &Db, public_url: &str) -> Result<Desk, StartError> {
    let gateway = gateway(config, db, public_url)?;
    let tolerance_seconds = config.payments.webhook_tolerance_seconds;
    Ok(Desk::new(
        db.clone(),
        gateway,
        payment_terms(config),
        seller_terms(config),
        public_url.to_owned(),
        tolerance_seconds,
    ))
}

/// Where plans are sold.
pub(crate) fn office(config: &Config, db: &Db, desk: &Desk) -> Office {
    let terms = subscriptions::Terms {
        dunning_days: config.subscriptions.dunning_days.clone(),
        notice_days: config.subscriptions.notice_days,
    };
    Office::new(db.clone(), desk.clone(), terms)
}

/// Through whom payments are taken: through Stripe where there is a key. The sandbox gives credit for nothing, so it is
/// there in test mode alone.
fn gateway(config: &Config, db: &Db, public_url: &str) -> Result<Option<Arc<dyn Gateway>>, outside::Error> {
    let (payments, mode) = (&config.payments, config.server.mode);
    let Some(key) = &payments.stripe.secret_key else {
        return Ok(match mode {
            Mode::Test => Some(Arc::new(Sandbox::new(db.clone(), public_url.to_owned()))),
            Mode::Live => None,
        });
    };
    let secret = |secret: &config::Secret| identity::Secret::known(secret.expose().to_owned());
    let options = stripe::Options {
        secret_key: secret(key),
        webhook_secrets: payments.stripe.webhook_secrets.iter().map(secret).collect(),
        api_base: payments.stripe.api_base.clone(),
        checkout_origin: payments.stripe.checkout_origin.clone(),
        timeout: Duration::from_secs(u64::from(payments.stripe.timeout_seconds)),
        pause: STRIPE_PAUSE,
    };
    if options.webhook_secrets.is_empty() {
        tracing::warn!("payments.stripe.webhook_secrets is empty: what is paid is noticed by asking, later");
    }
    Ok(Some(Arc::new(Stripe::new(options, mode)?)))
}

/// Where VAT ids are asked about. The real register is not asked for the sake of a test.
fn register(config: &Config, db: &Db) -> Result<Register, StartError> {
    let (mode, url) = (config.server.mode, &config.tax.vies_url);
    let is_asked = !url.is_empty() && (mode == Mode::Live || url != config::VIES);
    let terms = vies::Terms {
        url: is_asked.then(|| url.clone()),
        recheck_days: config.tax.vies_recheck_days,
        seller: seller_terms(config),
    };
    Ok(Register::new(db.clone(), outside::client(mode, VIES_TIMEOUT)?, terms))
}

/// The client for addresses that customers give.
fn guard(config: &Config) -> Result<Guarded, outside::Error> {
    let allowed = config.webhooks.allowed_networks.clone();
    let timeout = Duration::from_secs(u64::from(config.webhooks.timeout_seconds));
    Guarded::new(config.server.mode, timeout, move |address| {
        allowed.iter().any(|network| network.contains(address))
    })
}

/// The server that takes mail, where there is one.
fn smtp(mail: &config::Mail, domain: String) -> Option<SmtpTerms> {
    Some(SmtpTerms {
        host: mail.host.clone()?,
        port: mail.port,
        security: mail.security,
        account: mail.username.clone().zip(mail.password.clone()),
        from: mail.from.clone(),
        timeout: Duration::from_secs(u64::from(mail.timeout_seconds)),
        domain,
    })
}

/// Who tells people, and what about himself.
fn courier(
    config: &Config,
    db: &Db,
    guard: &Guarded,
    settings: &Settings,
) -> Result<(Courier, notifications::Terms), StartError> {
    let host = settings.public_url.split("://").last().unwrap_or_default();
    let domain = host.split(['/', ':']).next().unwrap_or_default().to_owned();
    let mail = smtp(&config.mail, domain).map(|terms| Sender::new(&terms)).transpose();
    let mail = mail.map_err(StartError::Mail)?;
    let sms = &config.sms;
    let sms = match (&sms.account_sid, &sms.auth_token, &sms.from) {
        (Some(account), Some(token), Some(from)) => Some(SmsTerms {
            api_base: sms.api_base.clone(),
            account: account.clone(),
            token: token.clone(),
            from: from.clone(),
        }),
        _ => None,
    };
    let terms = notifications::Terms {
        brand: settings.looks.name.clone(),
        public_url: settings.public_url.clone(),
        mail: mail.is_some(),
        sms: sms.is_some(),
    };
    let courier = Courier {
        db: db.clone(),
        guard: guard.clone(),
        client: outside::client(config.server.mode, SMS_TIMEOUT)?,
        mail,
        sms,
        letterhead: Arc::new(settings.looks.letterhead()),
        disable_after_days: config.webhooks.disable_after_days,
    };
    Ok((courier, terms))
}

/// How the pages are to look.
///
/// # Errors
/// [`StartError::Logo`] when there is a logo, but none that can be shown.
pub fn looks(config: &Config) -> Result<Looks, StartError> {
    let brand = &config.brand;
    Looks::new(&brand.name, brand.accent.parse().ok(), brand.logo_file.as_deref())
        .map_err(|error| StartError::Logo(brand.logo_file.clone().unwrap_or_default(), error))
}

/// The seller as the configuration knows it, in the form of billing details.
#[must_use]
pub fn seller_terms(config: &Config) -> SellerTerms {
    let seller = &config.seller;
    let text = |value: &Option<String>| value.as_deref().unwrap_or_default().trim().to_owned();
    let address = text(&seller.address);
    let mut lines = address.lines().map(str::trim).filter(|line| !line.is_empty());
    SellerTerms {
        details: BillingDetails {
            company_name: text(&seller.name),
            address_line1: lines.next().unwrap_or_default().to_owned(),
            address_line2: lines.collect::<Vec<_>>().join(", "),
            country: text(&seller.country),
            vat_id: VatId::compact(&text(&seller.vat_id)),
            billing_email: text(&seller.email),
            ..BillingDetails::default()
        },
        oss: config.tax.oss,
        series_prefix: config.invoices.prefix.clone(),
        home_rate: tax::Rate::from_basis_points(config.tax.home_rate_basis_points),
    }
}

fn rates(config: &Config) -> Rates {
    let rate = |per_second, burst| Rate { per_second, burst };
    let limits = &config.limits;
    Rates {
        operator_key: rate(limits.operator_key_per_second, limits.operator_key_burst),
        organization_key: rate(limits.organization_key_per_second, limits.organization_key_burst),
        person: rate(limits.session_per_second, limits.session_burst),
        stranger: rate(limits.anonymous_per_second, limits.anonymous_burst),
    }
}

fn door_options(config: &Config) -> Options {
    let auth = &config.auth;
    let minute_ms = crate::base::time::MINUTE_MS;
    let window_ms = i64::from(auth.login_window_minutes) * minute_ms;
    let attempts = auth.login_attempts.max(1);
    let per_account = identity::Rate { burst: attempts, every_ms: window_ms / i64::from(attempts) };
    Options {
        passwords: PasswordPolicy {
            hardness: Hardness {
                memory_kib: auth.argon2_memory_kib,
                passes: auth.argon2_iterations,
                lanes: auth.argon2_parallelism,
            },
            min_chars: auth.password_min_length,
            at_once: auth.argon2_concurrency,
        },
        session: SessionPolicy {
            idle_ms: i64::from(auth.session_idle_minutes) * minute_ms,
            absolute_ms: i64::from(auth.session_absolute_hours) * crate::base::time::HOUR_MS,
        },
        per_account,
        // one office is one address, with many people behind it
        per_network: identity::Rate { burst: attempts.saturating_mul(4), every_ms: per_account.every_ms / 4 },
        ..Options::new(config.server.mode)
    }
}

async fn seed_catalog(db: &Db, config: &Config) -> Result<(), StartError> {
    let options =
        seed::SeedOptions { currency: config.credits.currency, credits_per_unit: config.credits.per_unit };
    if db.write(move |tx| seed::seed(tx, &options)).await? {
        tracing::info!("first start: the catalog was filled with its default prices");
    }
    let (terms, currency) = (payment_terms(config), config.credits.currency);
    db.write(move |tx| payments::packages::seed(tx, &terms, currency)).await?;
    Ok(())
}

/// Apart from the rest: whoever is called outside may take its time.
async fn work(worker: Worker) {
    loop {
        if let Err(error) = worker.work_money().await {
            tracing::warn!(%error, "work outside");
        }
        tokio::time::sleep(WORK_TICK).await;
    }
}

/// Apart from money: people's servers may be slow or gone.
async fn tell(worker: Worker) {
    loop {
        if let Err(error) = worker.tell().await {
            tracing::warn!(%error, "telling");
        }
        tokio::time::sleep(WORK_TICK).await;
    }
}
