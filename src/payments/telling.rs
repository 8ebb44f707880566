//! What is told of payments, in the transaction in which it happens.

use super::rules::State;
use super::{Error, Payment};
use crate::base::Credits;
use crate::db::WriteTx;
use crate::events::payload::Purchase;
use crate::events::{self, Payload};

/// A payment has ended: whoever wanted to buy something is told. What is bought by itself is told of by whoever bought it.
pub(super) fn ended(tx: &WriteTx<'_>, payment: &Payment) -> Result<(), Error> {
    // what a plan's fee comes to is told of the subscription
    if payment.extras.card.is_some() || payment.purchase.plan.is_some() {
        return Ok(());
    }
    let bought = payment.purchase.credits.micros().saturating_add(payment.purchase.bonus.micros());
    let purchase = Purchase {
        payment_id: payment.id,
        credits: Credits::from_micros(bought),
        total: payment.quote.amounts.total,
        invoice_id: None,
        reason: None,
    };
    let told = match &payment.state {
        State::Created | State::Pending { .. } => return Ok(()),
        State::Settled(settled) => {
            Payload::TopupSucceeded(Purchase { invoice_id: Some(settled.invoice), ..purchase })
        }
        State::Failed { reason, .. } => {
            Payload::TopupFailed(Purchase { reason: Some(reason.name().to_owned()), ..purchase })
        }
    };
    events::emit(tx, Some(payment.organization), &told)?;
    Ok(())
}
