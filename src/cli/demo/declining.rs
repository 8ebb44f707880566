//! A card that is declined, and the auto-reload that charges it.

use std::sync::Arc;

use super::super::Failure;
use super::people::BY;
use crate::app::{payment_terms, seller_terms};
use crate::base::Credits;
use crate::base::id::OrganizationId;
use crate::config::Config;
use crate::db::Db;
use crate::payments::cards::NewSetup;
use crate::payments::gateway::sandbox::{self, PayError, Sandbox};
use crate::payments::reload::{self, Change};
use crate::payments::{Desk, Error};
use crate::scheduler::Worker;

/// Is saved, and declined when it is charged.
const CARD: &str = "4000 0000 0000 0341";
/// Below so many credits so many are to be bought.
const BELOW: i64 = 150;
const BUYS: i64 = 1_000;

/// Carries out what a server would have done meanwhile.
pub(super) struct Counter {
    desk: Desk,
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
        let worker = Worker::new(db.clone(), desk.clone());
        Self { desk, worker, system: actix_web::rt::System::new() }
    }

    /// Saves the card, and has it charged whenever the balance falls.
    pub(super) fn switch_on(&self, db: &Db, organization: OrganizationId) -> Result<(), Failure> {
        let new = NewSetup {
            organization,
            gateway: sandbox::NAME,
            actor: BY.actor.to_string(),
            success_url: None,
            cancel_url: None,
        };
        let whole = |credits| Credits::from_whole(credits).unwrap_or(Credits::ZERO);
        let change = Change {
            enabled: true,
            threshold: Some(whole(BELOW)),
            credits: Some(whole(BUYS)),
            cap: None,
            card: None,
        };
        self.system.block_on(async {
            let setup = self.desk.set_up_card(new).await?;
            let reference = setup.reference.unwrap_or_default();
            let given = db.write(move |tx| sandbox::give_card(tx, &reference, CARD)).await;
            given.map_err(|error| match error {
                PayError::Db(error) => Error::from(error),
                PayError::NotFound | PayError::Over => Error::NoCard,
            })?;
            self.desk.ask_about_card(setup.id).await?;
            let (terms, seller) = (self.desk.terms, self.desk.seller.clone());
            db.write(move |tx| reload::set(tx, &BY, (&terms, &seller), organization, &change)).await?;
            Ok(())
        })
    }

    /// Everything that is due by now.
    pub(super) fn work(&self) -> Result<(), Failure> {
        self.system.block_on(self.worker.work())?;
        Ok(())
    }
}
