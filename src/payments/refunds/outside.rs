//! The calls outside that refunds need.

use super::{Error, RefundId, State, fail, get, is_stuck, record, to_ask};
use crate::outbox::Failure;
use crate::payments::gateway::{GiveBack, RefundSeen, Trouble};
use crate::payments::{Desk, next_ask};

/// Refunds asked about in one step.
const STEP: u32 = 20;

impl Desk {
    /// Has the provider give money back, and writes down what it says.
    pub(in crate::payments) async fn give_back(&self, id: RefundId) -> Result<(), Failure> {
        let later = |error: &dyn std::fmt::Display| Failure::Later(error.to_string());
        let read = self.db().read_blocking(|tx| -> Result<_, Error> {
            let refund = get(tx, id)?;
            Ok((super::payments_sql::get(tx, refund.payment)?, refund, tx.now()))
        });
        let (payment, refund, now) = read.map_err(|error| later(&error))?;
        let charge = payment.and_then(|payment| match payment.state {
            super::Standing::Settled(settled) => Some(settled.charge),
            _ => None,
        });
        let (State::Pending { reference: None }, Some(charge)) = (&refund.state, charge) else {
            return Ok(());
        };
        if is_stuck(&refund, now) {
            // asked again now, it might be given back twice
            return Err(Failure::Never(
                "the provider may not know its key any more: look there first".into(),
            ));
        }
        let gateway = self.gateway().map_err(|error| later(&error))?;
        if gateway.name() != refund.gateway {
            return Err(Failure::Never(format!(
                "it was paid through {}, which is not in use",
                refund.gateway
            )));
        }
        let asked =
            GiveBack { key: format!("tollbook_{id}"), id: id.to_string(), charge, amount: refund.total };
        match gateway.refund(asked).await {
            Ok(seen) => self.note_refund(seen).await.map_err(|error| later(&error)),
            Err(trouble @ Trouble::Unreachable(_)) => Err(later(&trouble)),
            Err(trouble @ (Trouble::Refused(_) | Trouble::Unknown | Trouble::NoCustomer(_))) => {
                let why = trouble.to_string();
                let failed = self.db().write(move |tx| fail(tx, id, &why)).await;
                failed.map_err(|error| later(&error))
            }
        }
    }

    async fn note_refund(&self, seen: RefundSeen) -> Result<(), Error> {
        let Ok(gateway) = self.gateway() else { return Ok(()) };
        let name = gateway.name();
        self.db().write(move |tx| record(tx, name, &seen)).await?;
        Ok(())
    }

    /// Asks the provider about refunds that are due to be asked about. Answers how many.
    pub(in crate::payments) async fn ask_about_refunds(&self) -> Result<usize, Error> {
        let Ok(gateway) = self.gateway() else { return Ok(0) };
        let due = self.db().read_blocking(|tx| to_ask(tx, tx.now(), STEP))?;
        for (id, reference) in &due {
            let id = *id;
            // first, so that one that always fails does not come first for ever
            let put_off = self.db().write(move |tx| -> Result<_, Error> {
                let refund = get(tx.conn()?, id)?;
                Ok(super::sql::set_ask_at(tx.conn()?, id, next_ask(refund.created_at, tx.now()))?)
            });
            put_off.await?;
            match gateway.look_at_refund(reference).await {
                Ok(seen) => {
                    if let Err(error) = self.note_refund(seen).await {
                        tracing::warn!(refund = %id, %error, "refund not written down");
                    }
                }
                Err(error) => tracing::warn!(refund = %id, %error, "refund not asked about"),
            }
        }
        Ok(due.len())
    }
}
