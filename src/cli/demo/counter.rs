//! What is paid with saved cards: a plan, and auto-reload with a card that is declined.

use std::sync::Arc;

use super::super::Failure;
use super::people::BY;
use crate::app::{office, payment_terms, seller_terms};
use crate::base::id::{OrganizationId, SubscriptionId};
use crate::base::{Credits, Currency};
use crate::catalog::Snapshot;
use crate::config::Config;
use crate::db::Db;
use crate::payments::cards::NewSetup;
use crate::payments::gateway::sandbox::{self, PayError, Sandbox};
use crate::payments::reload::{self, Change};
use crate::payments::{Desk, Error};
use crate::scheduler::Worker;
use crate::subscriptions::{self, Office, Wish};

/// Pays.
const GOOD: &str = "4242 4242 4242 4242";
/// Is saved, and declined when it is charged.
const DECLINED: &str = "4000 0000 0000 0341";
/// Below so many credits so many are to be bought.
const BELOW: i64 = 150;
const BUYS: i64 = 1_000;

/// Carries out what a server would have done meanwhile.
pub(super) struct Counter {
    desk: Desk,
    office: Office,
    worker: Worker,
    system: actix_web::rt::SystemRunner,
}

impl Counter {
    pub(super) fn new(db: &Db, config: &Config) -> Self {
        // pages that nobody is sent to any more
        let url = String::new();
        let gateway = Arc::new(Sandbox::new(db.clone(), url.clone()));
        let desk =
            Desk::new(db.clone(), Some(gateway), payment_terms(config), seller_terms(config), url, 300);
        let office = office(config, db, &desk);
        let worker = Worker::new(db.clone(), desk.clone()).with_office(office.clone());
        Self { desk, office, worker, system: actix_web::rt::System::new() }
    }

    /// Saves a card, and pays for a plan with it: now, and every month from now on.
    pub(super) fn subscribe(&self, db: &Db, organization: OrganizationId, plan: &str) -> Result<(), Failure> {
        let catalog = db.read_blocking(|tx| Snapshot::load(tx.conn()))?;
        let plan = catalog.plan_by_code(plan).ok_or("the demo has no such plan")?.id;
        let wish = Wish { plan, card: None, expected_total: None, success_url: None, cancel_url: None };
        self.system.block_on(async {
            self.save(db, organization, GOOD).await?;
            self.office.change(BY, organization, wish, Currency::EUR).await?;
            Ok(())
        })
    }

    async fn save(&self, db: &Db, organization: OrganizationId, number: &'static str) -> Result<(), Failure> {
        let new = NewSetup {
            organization,
            gateway: sandbox::NAME,
            actor: BY.actor.to_string(),
            success_url: None,
            cancel_url: None,
        };
        let setup = self.desk.set_up_card(new).await?;
        let reference = setup.reference.unwrap_or_default();
        let given = db.write(move |tx| sandbox::give_card(tx, &reference, number)).await;
        given.map_err(|error| match error {
            PayError::Db(error) => Error::from(error),
            PayError::NotFound | PayError::Over => Error::NoCard,
        })?;
        self.desk.ask_about_card(setup.id).await?;
        Ok(())
    }

    /// Saves the card, and has it charged whenever the balance falls.
    pub(super) fn switch_on(&self, db: &Db, organization: OrganizationId) -> Result<(), Failure> {
        let whole = |credits| Credits::from_whole(credits).unwrap_or(Credits::ZERO);
        let change = Change {
            enabled: true,
            threshold: Some(whole(BELOW)),
            credits: Some(whole(BUYS)),
            cap: None,
            card: None,
        };
        self.system.block_on(async {
            self.save(db, organization, DECLINED).await?;
            let (terms, seller) = (self.desk.terms, self.desk.seller.clone());
            db.write(move |tx| reload::set(tx, &BY, (&terms, &seller), organization, &change)).await?;
            Ok(())
        })
    }

    /// Everything that is due by now.
    pub(super) fn work(&self, db: &Db) -> Result<(), Failure> {
        self.system.block_on(self.worker.work())?;
        let due = db.read_blocking(|tx| subscriptions::due(tx, tx.now(), None, 100))?;
        if due.is_empty() {
            return Ok(());
        }
        for (_, id) in due {
            let shop = self.office.shop().clone();
            db.write_blocking(move |tx| subscriptions::step(tx, &shop, SubscriptionId::new(id)))?;
        }
        self.work(db)
    }
}
