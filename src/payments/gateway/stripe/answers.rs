//! The few fields of Stripe's answers that are needed, and what they mean here.
//!
//! Everything but an id may be absent: servers of other versions leave things out, and add what is not known here.

use miniserde::Deserialize;

use super::amounts;
use crate::payments::gateway::{
    Card, Checkout, Decline, DisputeSeen, DisputeStatus, RefundSeen, RefundStatus, Seen, SetupSeen, Status,
    Trouble,
};

/// The key of our id in Stripe's metadata.
pub(super) const OUR_ID: &str = "tollbook_id";

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    tollbook_id: Option<String>,
}

fn our_id(metadata: Option<Metadata>) -> String {
    metadata.and_then(|metadata| metadata.tollbook_id).unwrap_or_default()
}

fn not_understood(what: &str) -> Trouble {
    Trouble::Unreachable(format!("an answer that is not understood: {what}"))
}

/// An answer that is no success.
#[derive(Debug, Deserialize)]
pub(super) struct Rejected {
    pub(super) error: Rejection,
}

/// Why something did not work.
#[derive(Debug, Deserialize)]
pub(super) struct Rejection {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    /// Which field it is about.
    pub(super) param: Option<String>,
    pub(super) payment_intent: Option<Named>,
}

/// Something of which the id is enough.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

impl Rejection {
    /// In Stripe's words.
    pub(super) fn said(&self) -> String {
        let message = self.message.as_deref().unwrap_or("no reason given");
        match self.code.as_deref().or(self.kind.as_deref()) {
            Some(code) => format!("{message} ({code})"),
            None => message.to_owned(),
        }
    }

    /// As a decline.
    pub(super) fn decline(&self) -> Decline {
        let codes = [self.code.as_deref(), self.decline_code.as_deref()];
        let any = |wanted: &[&str]| codes.iter().flatten().any(|code| wanted.contains(code));
        if any(&["payment_intent_authentication_failure", "setup_intent_authentication_failure"]) {
            Decline::AuthenticationFailed
        } else if any(&["authentication_required"]) {
            Decline::AuthenticationRequired
        } else if any(&["insufficient_funds"]) {
            Decline::InsufficientFunds
        } else if any(&["expired_card"]) {
            Decline::ExpiredCard
        } else {
            Decline::Declined
        }
    }
}

/// A card, wherever it is described.
#[derive(Debug, Deserialize)]
struct CardFields {
    brand: Option<String>,
    last4: Option<String>,
    exp_month: Option<i64>,
    exp_year: Option<i64>,
    country: Option<String>,
}

impl CardFields {
    fn card(self, reference: String) -> Option<Card> {
        Some(Card {
            reference,
            brand: self.brand.unwrap_or_else(|| "card".into()),
            last4: self.last4?,
            exp_month: u8::try_from(self.exp_month?).ok().filter(|month| (1..=12).contains(month))?,
            exp_year: u16::try_from(self.exp_year?).ok()?,
            country: self.country.and_then(|code| code.parse().ok()),
        })
    }
}

#[derive(Debug, Deserialize)]
struct ChargeFields {
    payment_method_details: Option<MethodDetails>,
}

#[derive(Debug, Deserialize)]
struct MethodDetails {
    card: Option<CardFields>,
}

/// A payment intent, with its latest charge.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    amount: i64,
    amount_received: Option<i64>,
    currency: String,
    status: String,
    client_secret: Option<String>,
    metadata: Option<Metadata>,
    last_payment_error: Option<Rejection>,
    latest_charge: Option<ChargeFields>,
    payment_method: Option<String>,
}

impl Intent {
    /// With which the platform's page shows Stripe's form.
    pub(super) fn checkout(self) -> Checkout {
        Checkout { reference: self.id, client_secret: self.client_secret, url: None }
    }

    fn status(&self) -> Result<Status, Trouble> {
        let declined = self.last_payment_error.as_ref().map(Rejection::decline);
        Ok(match self.status.as_str() {
            "requires_payment_method" => Status::Open(declined),
            "requires_confirmation" | "requires_action" => Status::Open(None),
            "processing" | "requires_capture" => Status::Processing,
            "succeeded" => Status::Paid,
            "canceled" => Status::Ended,
            other => return Err(not_understood(other)),
        })
    }

    fn card(self) -> Option<Card> {
        let details = self.latest_charge.and_then(|charge| charge.payment_method_details);
        details.and_then(|details| details.card)?.card(self.payment_method.unwrap_or_default())
    }

    pub(super) fn seen(mut self) -> Result<Seen, Trouble> {
        let status = self.status()?;
        let received = self.amount_received.filter(|_| status == Status::Paid);
        Ok(Seen {
            order: our_id(self.metadata.take()),
            amount: amounts::from_stripe(received.unwrap_or(self.amount), &self.currency)?,
            status,
            charge: Some(self.id.clone()),
            card: self.card(),
        })
    }

    /// Of a charge for which nobody was there: whatever the customer would have to do is a decline.
    pub(super) fn charged(self) -> Result<Seen, Trouble> {
        let asked = matches!(self.status.as_str(), "requires_action" | "requires_confirmation");
        let mut seen = self.seen()?;
        if asked {
            seen.status = Status::Open(Some(Decline::AuthenticationRequired));
        }
        Ok(seen)
    }
}

/// A payment method, such as a card.
#[derive(Debug, Deserialize)]
pub(super) struct Method {
    id: String,
    customer: Option<String>,
    card: Option<CardFields>,
}

impl Method {
    /// Whose it is, and the card, while it is kept.
    pub(super) fn kept(self) -> Option<(String, Card)> {
        Some((self.customer?, self.card?.card(self.id)?))
    }
}

/// A setup intent, with its payment method.
#[derive(Debug, Deserialize)]
pub(super) struct Setup {
    id: String,
    status: String,
    customer: Option<String>,
    client_secret: Option<String>,
    metadata: Option<Metadata>,
    last_setup_error: Option<Rejection>,
    payment_method: Option<Method>,
}

impl Setup {
    pub(super) fn checkout(self) -> Checkout {
        Checkout { reference: self.id, client_secret: self.client_secret, url: None }
    }

    fn status(&self) -> Result<Status, Trouble> {
        let declined = self.last_setup_error.as_ref().map(Rejection::decline);
        Ok(match self.status.as_str() {
            "requires_payment_method" => Status::Open(declined),
            "requires_confirmation" | "requires_action" => Status::Open(None),
            "processing" => Status::Processing,
            "succeeded" => Status::Paid,
            "canceled" => Status::Ended,
            other => return Err(not_understood(other)),
        })
    }

    pub(super) fn seen(self) -> Result<SetupSeen, Trouble> {
        let status = self.status()?;
        let card = self.payment_method.filter(|_| status == Status::Paid);
        Ok(SetupSeen {
            setup: our_id(self.metadata),
            customer: self.customer.unwrap_or_default(),
            status,
            card: card.and_then(|method| method.card?.card(method.id)),
        })
    }
}

/// A checkout session, with its payment intent or its setup intent.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    id: String,
    mode: Option<String>,
    status: Option<String>,
    payment_status: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    client_reference_id: Option<String>,
    metadata: Option<Metadata>,
    customer: Option<String>,
    url: Option<String>,
    payment_intent: Option<Intent>,
    setup_intent: Option<Setup>,
}

impl Session {
    pub(super) fn checkout(self) -> Checkout {
        Checkout { reference: self.id, client_secret: None, url: self.url }
    }

    fn our_id(&mut self) -> String {
        let given = our_id(self.metadata.take());
        if given.is_empty() { self.client_reference_id.take().unwrap_or_default() } else { given }
    }

    fn status(&self) -> Result<Status, Trouble> {
        let intent = self.payment_intent.as_ref().map(Intent::status).transpose()?;
        let paid = self.payment_status.as_deref() == Some("paid");
        Ok(match (self.status.as_deref().unwrap_or_default(), intent) {
            ("complete", _) if paid => Status::Paid,
            // a bank debit that came back: the page takes no other card any more
            ("complete", Some(Status::Open(_) | Status::Ended)) | ("expired", _) => Status::Ended,
            // the money is on its way; whether it has come, the session says itself
            ("complete", _) | ("open", Some(Status::Processing | Status::Paid)) => Status::Processing,
            ("open", Some(Status::Open(declined))) => Status::Open(declined),
            ("open", Some(Status::Ended) | None) => Status::Open(None),
            (other, _) => return Err(not_understood(other)),
        })
    }

    /// As an order. One at which a card is kept is none.
    pub(super) fn seen(mut self) -> Result<Seen, Trouble> {
        if self.mode.as_deref() != Some("payment") {
            return Err(Trouble::Unknown);
        }
        let status = self.status()?;
        let order = self.our_id();
        let (Some(total), Some(currency)) = (self.amount_total, &self.currency) else {
            return Err(not_understood("a session without an amount"));
        };
        Ok(Seen {
            order,
            amount: amounts::from_stripe(total, currency)?,
            status,
            charge: self.payment_intent.as_ref().map(|intent| intent.id.clone()),
            card: self.payment_intent.and_then(Intent::card),
        })
    }

    /// As a setup.
    pub(super) fn setup_seen(mut self) -> Result<SetupSeen, Trouble> {
        if self.mode.as_deref() != Some("setup") {
            return Err(Trouble::Unknown);
        }
        let setup = self.our_id();
        let of_intent = self.setup_intent.map(Setup::seen).transpose()?;
        let status = match (self.status.as_deref().unwrap_or_default(), &of_intent) {
            ("open", Some(seen)) if seen.status == Status::Ended => Status::Open(None),
            ("open" | "complete", Some(seen)) => seen.status,
            ("open", None) => Status::Open(None),
            ("complete", None) => Status::Processing,
            ("expired", _) => Status::Ended,
            (other, _) => return Err(not_understood(other)),
        };
        let known = self.customer.unwrap_or_default();
        let (customer, card) = of_intent.map_or((String::new(), None), |seen| (seen.customer, seen.card));
        Ok(SetupSeen { setup, customer: if customer.is_empty() { known } else { customer }, status, card })
    }
}

/// A refund.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    id: String,
    amount: i64,
    currency: String,
    status: Option<String>,
    failure_reason: Option<String>,
    payment_intent: Option<String>,
    charge: Option<String>,
    metadata: Option<Metadata>,
}

impl Refund {
    pub(super) fn seen(self) -> Result<RefundSeen, Trouble> {
        let status = match self.status.as_deref().unwrap_or("pending") {
            "pending" | "requires_action" => RefundStatus::Pending,
            "succeeded" => RefundStatus::Succeeded,
            "failed" => RefundStatus::Failed(self.failure_reason.unwrap_or_else(|| "failed".into())),
            "canceled" => RefundStatus::Failed("canceled".into()),
            other => return Err(not_understood(other)),
        };
        Ok(RefundSeen {
            reference: self.id,
            refund: our_id(self.metadata),
            charge: self.payment_intent.or(self.charge).unwrap_or_default(),
            amount: amounts::from_stripe(self.amount, &self.currency)?,
            status,
        })
    }
}

/// A dispute.
#[derive(Debug, Deserialize)]
pub(super) struct Dispute {
    id: String,
    amount: i64,
    currency: String,
    status: String,
    reason: Option<String>,
    payment_intent: Option<String>,
    charge: Option<String>,
}

impl Dispute {
    pub(super) fn seen(self) -> Result<DisputeSeen, Trouble> {
        let status = match self.status.as_str() {
            "needs_response" | "under_review" => DisputeStatus::Open,
            "warning_needs_response" | "warning_under_review" => DisputeStatus::Inquiry,
            "warning_closed" | "prevented" => DisputeStatus::Dropped,
            "won" => DisputeStatus::Won,
            "lost" => DisputeStatus::Lost,
            other => return Err(not_understood(other)),
        };
        Ok(DisputeSeen {
            reference: self.id,
            charge: self.payment_intent.or(self.charge).unwrap_or_default(),
            amount: amounts::from_stripe(self.amount, &self.currency)?,
            reason: self.reason.unwrap_or_default(),
            status,
        })
    }
}
