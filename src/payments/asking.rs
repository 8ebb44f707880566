//! Asking the provider, soon at first and then later and later, about what is under way: should nobody tell what became of it, it
//! is found all the same.

use rusqlite::Connection;

use super::desk::Desk;
use super::{Error, State, disputes, get, next_ask, record, refunds, sql};
use crate::base::Timestamp;
use crate::base::id::{CardSetupId, DisputeId, PaymentId, RefundId};
use crate::db::DbError;

/// Rows of a table asked about in one step.
const STEP: u32 = 20;

/// A table whose rows say when the provider is asked about them next, and its column that says since when they are there.
pub(super) struct Asked {
    pub table: &'static str,
    pub since: &'static str,
}

pub(super) const PAYMENTS: Asked = Asked { table: "payments", since: "created_at" };
const REFUNDS: Asked = Asked { table: "refunds", since: "created_at" };
const DISPUTES: Asked = Asked { table: "disputes", since: "opened_at" };
const CARDS: Asked = Asked { table: "card_setups", since: "created_at" };

impl Desk {
    /// One step of the reconciliation: asks the provider about what is due to be asked about. Answers how many.
    ///
    /// # Errors
    /// When the database fails. A provider that does not answer is asked again later.
    pub async fn reconcile(&self) -> Result<usize, Error> {
        if !self.is_open() {
            return Ok(0);
        }
        let payments = self.each(&PAYMENTS, |row| async move {
            self.cancel_abandoned(PaymentId::new(row)).await;
            self.ask(PaymentId::new(row)).await.map(drop)
        });
        let mut asked = payments.await?;
        asked += self.each(&REFUNDS, |row| self.ask_about_refund(RefundId::new(row))).await?;
        asked += self.each(&DISPUTES, |row| self.ask_about_dispute(DisputeId::new(row))).await?;
        let cards = self
            .each(&CARDS, |row| async move { self.ask_about_card(CardSetupId::new(row)).await.map(drop) });
        Ok(asked + cards.await?)
    }

    /// Whether the provider is due to be asked about anything.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_asking_due(&self, conn: &Connection, now: Timestamp) -> Result<bool, DbError> {
        for asked in [&PAYMENTS, &REFUNDS, &DISPUTES, &CARDS].into_iter().filter(|_| self.is_open()) {
            if !sql::to_ask(conn, asked, now, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks about the rows of a table that are due, oldest first. They are put off before, so that one that always fails does
    /// not come first for ever.
    async fn each<F, Fut>(&self, asked: &'static Asked, ask: F) -> Result<usize, Error>
    where
        F: Fn(i64) -> Fut,
        Fut: Future<Output = Result<(), Error>>,
    {
        let due = self.db().read_blocking(|tx| sql::to_ask(tx, asked, tx.now(), STEP))?;
        let rows: Vec<i64> = due.iter().map(|(row, _)| *row).collect();
        if rows.is_empty() {
            return Ok(0);
        }
        let put_off = self.db().write(move |tx| -> Result<_, DbError> {
            for (row, since) in due {
                sql::put_off(tx.conn()?, asked, row, next_ask(since, tx.now()))?;
            }
            Ok(())
        });
        put_off.await?;
        for row in &rows {
            if let Err(error) = ask(*row).await {
                tracing::warn!(table = asked.table, row, %error, "the provider was not asked");
            }
        }
        Ok(rows.len())
    }

    /// Asks the provider how a payment stands, unless it is settled, and writes that down.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ask(&self, id: PaymentId) -> Result<super::Payment, Error> {
        let payment = self.db().read_blocking(|tx| get(tx, id))?;
        let reference = match (&payment.state, payment.state.reference()) {
            (State::Settled(_), _) | (_, None) => return Ok(payment),
            (_, Some(reference)) => reference.to_owned(),
        };
        let gateway = self.gateway()?;
        if gateway.name() != payment.gateway {
            return Ok(payment);
        }
        let seen = gateway.look(&reference).await?;
        let name = gateway.name();
        self.db().write(move |tx| record(tx, name, &reference, &seen)).await?;
        self.db().read_blocking(|tx| get(tx, id))
    }

    async fn ask_about_refund(&self, id: RefundId) -> Result<(), Error> {
        let refund = self.db().read_blocking(|tx| refunds::get(tx, id))?;
        let gateway = self.gateway()?;
        match refund.state {
            refunds::State::Pending { reference: Some(reference) } if gateway.name() == refund.gateway => {
                self.note_refund(gateway.look_at_refund(&reference).await?).await
            }
            _ => Ok(()),
        }
    }

    async fn ask_about_dispute(&self, id: DisputeId) -> Result<(), Error> {
        let dispute = self.db().read_blocking(|tx| disputes::get(tx, id))?;
        let gateway = self.gateway()?;
        if dispute.state != disputes::State::Open || gateway.name() != dispute.gateway {
            return Ok(());
        }
        let seen = gateway.look_at_dispute(&dispute.reference).await?;
        let name = gateway.name();
        self.db().write(move |tx| disputes::record(tx, name, &seen)).await?;
        Ok(())
    }
}
