//! The calls outside that refunds need.

use super::{Error, RefundId, State, fail, get, is_stuck, record, record_all};
use crate::outbox::Failure;
use crate::payments::gateway::{GiveBack, RefundSeen, Trouble};
use crate::payments::{self, Desk, names};

impl Desk {
    /// Has the provider give money back, and writes down what it says.
    pub(in crate::payments) async fn give_back(&self, id: RefundId) -> Result<(), Failure> {
        let later = |error: &dyn std::fmt::Display| Failure::Later(error.to_string());
        let read = self.db().read_blocking(|tx| -> Result<_, Error> {
            let refund = get(tx, id)?;
            Ok((super::payments_sql::get(tx, refund.payment)?, refund, names::told(tx, id)?, tx.now()))
        });
        let (payment, refund, told, now) = read.map_err(|error| later(&error))?;
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
            GiveBack { key: names::key(&told), id: told, charge: charge.clone(), amount: refund.total };
        match gateway.refund(asked).await {
            Ok(seen) => self.note_refund(seen).await.map_err(|error| later(&error)),
            Err(trouble @ Trouble::Unreachable(_)) => Err(later(&trouble)),
            Err(trouble @ (Trouble::Refused(_) | Trouble::Unknown | Trouble::NoCustomer(_))) => {
                let (why, name) = (trouble.to_string(), gateway.name());
                let waiting = self.waiting_of(gateway, &charge).await.map_err(|error| later(&error))?;
                let failed = self.db().write(move |tx| -> Result<_, Error> {
                    fail(tx, id, &why)?;
                    for other in &waiting {
                        record(tx, name, other)?;
                    }
                    Ok(())
                });
                failed.await.map_err(|error| later(&error))
            }
        }
    }

    /// Writes down what the provider says of a refund.
    pub(in crate::payments) async fn note_refund(&self, seen: RefundSeen) -> Result<(), payments::Error> {
        let Ok(gateway) = self.gateway() else { return Ok(()) };
        let name = gateway.name();
        let waiting = self.waiting(gateway, &seen).await?;
        self.db().write(move |tx| record_all(tx, name, &seen, &waiting)).await?;
        Ok(())
    }
}
