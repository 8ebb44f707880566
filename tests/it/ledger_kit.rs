//! A database with the ledger's parts on a clock that stands still, and short ways to say what happens in it.

use std::sync::Arc;

use tollbook::base::id::OrganizationId;
use tollbook::base::{Clock, Credits, Quantity, TestClock, Timestamp};
use tollbook::calls::{self, Calls};
use tollbook::catalog::{CatalogPart, Snapshot, seed};
use tollbook::db::{Db, DbError, DbOptions, Parts, WriteTx};
use tollbook::grants::{Class, GrantRow};
use tollbook::identity::audit::{Actor, By};
use tollbook::identity::organizations::{self, NewOrganization, OrganizationRef};
use tollbook::ledger::verify::VerifyError;
use tollbook::ledger::{Canon, Journal, Transaction, TransactionType};
use tollbook::limits::Spending;
use tollbook::metering::{
    self, EventIn, ExternalId, IdRunSizes, Intake, Limits, Mode, Outcome, Receipt, UsageEvent,
};
use tollbook::payments;
use tollbook::wallet::{self, NewCredit, Summary, TakeBack, Wallets};

/// How long after an expiry earlier usage may still draw on it.
pub const GRACE_MS: i64 = 24 * 3_600_000;

pub const LIMITS: Limits = Limits {
    max_age_days: 35,
    max_future_seconds: 300,
    max_quantity: Quantity::from_micros(1_000_000_000_000_000),
    // small, so that a few hundred events are written as runs that are merged
    upkeep: Some(IdRunSizes { run: 200, fan_in: 3, slice: 32 }),
};

pub const CALLS: calls::Options = calls::Options {
    stretch: Quantity::from_micros(60_000_000),
    shortest: Quantity::from_micros(1_000_000),
    longest: Quantity::from_micros(14_400_000_000),
    grace_ms: 30_000,
    warning: Quantity::from_micros(60_000_000),
};

/// An open database; everything in it is gone when this is dropped.
pub struct Kit {
    pub clock: Arc<TestClock>,
    db: Option<Db>,
    options: DbOptions,
    dir: tempfile::TempDir,
}

impl Kit {
    /// With the seeded catalog.
    pub async fn new() -> Self {
        Self::at("2026-03-10T12:00:00Z").await
    }

    pub async fn at(start: &str) -> Self {
        let kit = Self::empty(start, DbOptions::default());
        kit.write(|tx| {
            let options =
                seed::SeedOptions { currency: "EUR".parse().expect("currency"), credits_per_unit: 100 };
            seed::seed(tx, &options).map(|_| ())
        })
        .await
        .expect("seed");
        kit
    }

    pub fn empty(start: &str, options: DbOptions) -> Self {
        let clock = Arc::new(TestClock::frozen(at(start)));
        let dir = tempfile::tempdir().expect("directory");
        let mut kit = Self { clock, db: None, options, dir };
        kit.open();
        kit
    }

    fn open(&mut self) {
        self.db = Some(self.beside());
    }

    /// A handle with a writer of its own, as another process has.
    pub fn beside(&self) -> Db {
        let parts = Parts::new()
            .with(CatalogPart::default())
            .with(Journal::new())
            .with(Wallets::new(GRACE_MS))
            .with(Calls::new(CALLS))
            .with(Intake::new(Limits { upkeep: LIMITS.upkeep.filter(|_| self.db.is_none()), ..LIMITS }))
            .with(Spending::new());
        Db::open(self.dir.path(), &self.options, self.clock.clone(), parts).expect("open")
    }

    /// As when the process ends and starts again.
    pub fn restart(&mut self) {
        drop(self.db.take());
        self.open();
    }

    /// Closes the database and gives a plain connection to its file, as an intruder would have.
    pub fn break_in(&mut self) -> rusqlite::Connection {
        let file = self.db().file().to_owned();
        drop(self.db.take());
        rusqlite::Connection::open(file).expect("file")
    }

    /// Opens the database again after [`Kit::break_in`].
    pub fn reopen(&mut self) {
        self.open();
    }

    pub fn db(&self) -> &Db {
        self.db.as_ref().expect("open")
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.db().write(operation).await
    }

    pub async fn organization(&self, external: &str, zone: &str) -> OrganizationId {
        let new = NewOrganization {
            name: external.to_owned(),
            external_id: Some(external.to_owned()),
            currency: "EUR".parse().expect("currency"),
            zone: zone.parse().expect("zone"),
            rate_card_id: None,
        };
        let by = By::actor(Actor::System);
        self.write(move |tx| {
            let made = organizations::create(tx, &by, &new).map_err(|e| DbError::Io(e.to_string()))?;
            wallet::open(tx, made.id)?;
            Ok::<_, DbError>(made.id)
        })
        .await
        .expect("organization")
    }

    pub fn organization_named(&self, external: &str) -> OrganizationId {
        let name = OrganizationRef::External(external.to_owned());
        self.db().read_blocking(|tx| organizations::find(tx.conn(), &name)).expect("organization").id
    }

    pub async fn give(&self, organization: OrganizationId, amount: &str) -> (Transaction, GrantRow) {
        self.credit(organization, paid(amount)).await.expect("credit")
    }

    pub async fn credit(
        &self,
        organization: OrganizationId,
        new: NewCredit,
    ) -> Result<(Transaction, GrantRow), wallet::Error> {
        self.write(move |tx| wallet::credit(tx, organization, new)).await
    }

    pub async fn record(&self, organization: OrganizationId, events: Vec<UsageEvent>) -> Vec<Outcome> {
        let events: Vec<EventIn> = events.into_iter().map(input).collect();
        self.write(move |tx| metering::record(tx, Some(organization), None, &events)).await.expect("record")
    }

    /// Records an event that is taken.
    pub async fn charge(&self, organization: OrganizationId, event: UsageEvent) -> Receipt {
        let outcome = self.record(organization, vec![event]).await.pop().expect("outcome");
        match outcome {
            Outcome::Charged(receipt) => receipt,
            other => panic!("{other:?}"),
        }
    }

    pub async fn void(
        &self,
        organization: OrganizationId,
        id: &str,
    ) -> Result<(Receipt, bool), metering::VoidError> {
        let id = ExternalId::new(id).expect("id");
        self.write(move |tx| metering::void_event(tx, organization, &id)).await
    }

    pub fn summary(&self, organization: OrganizationId) -> Summary {
        let now = self.now();
        self.db().read_blocking(|tx| wallet::summary(tx.conn(), organization, now)).expect("summary")
    }

    pub fn catalog(&self) -> Snapshot {
        self.db().read_blocking(|tx| Snapshot::load(tx.conn())).expect("catalog")
    }

    pub fn verify(&self) -> Result<calls::verify::Summary, VerifyError> {
        self.db().read_blocking(|tx| {
            let summary = calls::verify::run(tx.conn())?;
            payments::verify::run(tx.conn())?;
            tollbook::subscriptions::verify(tx.conn())?;
            tollbook::numbers::verify(tx.conn())?;
            Ok(summary)
        })
    }

    pub fn assert_sound(&self) {
        self.verify().expect("the book is sound");
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

pub fn credits(text: &str) -> Credits {
    text.parse().expect(text)
}

pub fn quantity(text: &str) -> Quantity {
    text.parse().expect(text)
}

pub fn grant(amount: &str, class: Class) -> NewCredit {
    NewCredit {
        amount: credits(amount),
        class,
        priority: None,
        expires_at: None,
        meters: None,
        cost: None,
        tax: None,
        source: "operator",
        kind: TransactionType::Adjustment,
        description: "given".to_owned(),
        actor: String::new(),
        metadata: None,
    }
}

pub fn paid(amount: &str) -> NewCredit {
    grant(amount, Class::Paid)
}

pub fn take(amount: &str, class: Class) -> TakeBack {
    TakeBack {
        amount: credits(amount),
        class,
        description: "taken".to_owned(),
        actor: String::new(),
        metadata: None,
    }
}

pub fn event(id: &str, meter: &str, amount: &str, occurred_at: Timestamp) -> UsageEvent {
    UsageEvent {
        id: ExternalId::new(id).expect("id"),
        organization: None,
        workspace: None,
        agent: None,
        number: None,
        call: None,
        meter: meter.into(),
        quantity: quantity(amount),
        occurred_at,
        direction: None,
        toll_free: false,
        byok: false,
        carrier_cost: None,
        mode: Mode::Record,
        extra: None,
    }
}

pub fn input(event: UsageEvent) -> EventIn {
    let digests = event.digests(&mut Canon::new());
    EventIn { event, digests }
}
