//! Payments that nobody goes on with: a hosted checkout ends at the provider by itself, what is paid on a page of the platform's
//! own does not.

use super::{Desk, Progress, State, get};
use crate::base::id::PaymentId;
use crate::base::time::DAY_MS;

/// How long a customer has to pay on a page of the platform's own: as long as on the provider's.
const OPEN_MS: i64 = DAY_MS;

impl Desk {
    /// Has a payment that has been open for too long be paid no more. How it stands then is asked about as ever: what was
    /// paid just before is refused to be canceled, and credited.
    pub(super) async fn cancel_abandoned(&self, id: PaymentId) {
        let found = self.db().read_blocking(|tx| Ok::<_, super::Error>((get(tx, id)?, tx.now())));
        let (Ok((payment, now)), Ok(gateway)) = (found, self.gateway()) else { return };
        let age_ms = now.millis().saturating_sub(payment.created_at.millis());
        let State::Pending { checkout, progress } = &payment.state else { return };
        let waits = payment.extras.embedded && *progress != Progress::Processing;
        if !waits || age_ms < OPEN_MS || gateway.name() != payment.gateway {
            return;
        }
        if let Err(trouble) = gateway.cancel(&checkout.reference).await {
            tracing::info!(payment = %id, %trouble, "an abandoned payment was not canceled");
        }
    }
}
