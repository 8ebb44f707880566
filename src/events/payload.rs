//! The kinds of events, and what each says. The names and shapes are the API's: a webhook's `type` and `data`.

use serde::{Deserialize, Serialize};

use crate::base::id::{
    DisputeId, GrantId, InvoiceId, NumberId, PaymentId, PaymentMethodId, RefundId, SubscriptionId,
    WebhookEndpointId,
};
use crate::base::{Credits, Money, Timestamp};

macro_rules! events {
    ($($(#[$doc:meta])* $kind:ident($data:ty) = $name:literal;)*) => {
        /// What can happen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind, in the order in which they are listed for people.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The name in the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }

        /// What there is to say about something that has happened.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Payload {
            $($(#[$doc])* $kind($data),)*
        }

        impl Payload {
            /// What has happened.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }

            /// As it is told.
            ///
            /// # Errors
            /// When it has no JSON form.
            pub fn to_json(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$kind(data) => serde_json::to_string(data),)*
                }
            }

            /// From what was told.
            ///
            /// # Errors
            /// When it is not what its kind says.
            pub fn parse(kind: Kind, json: &str) -> Result<Self, serde_json::Error> {
                Ok(match kind {
                    $(Kind::$kind => Self::$kind(serde_json::from_str(json)?),)*
                })
            }
        }
    };
}

events! {
    /// The balance has fallen below a threshold.
    WalletLowBalance(Level) = "wallet.low_balance";
    /// Nothing is left.
    WalletDepleted(Level) = "wallet.depleted";
    /// The balance is above a threshold again, or above zero.
    WalletRecovered(Level) = "wallet.recovered";
    /// A purchase was paid.
    TopupSucceeded(Purchase) = "topup.succeeded";
    /// A purchase came to nothing; nothing was charged.
    TopupFailed(Purchase) = "topup.failed";
    /// Credit was bought by itself.
    AutoReloadSucceeded(Reload) = "auto_reload.succeeded";
    /// Credit could not be bought by itself; it is tried again.
    AutoReloadFailed(Reload) = "auto_reload.failed";
    /// Auto-reload was switched off, because it failed too often or its card is gone.
    AutoReloadDisabled(Reload) = "auto_reload.disabled";
    /// The bank wants the customer to confirm.
    AutoReloadActionRequired(Reload) = "auto_reload.action_required";
    /// What auto-reload bought did not lift the balance above its threshold.
    AutoReloadTooSmall(Reload) = "auto_reload.too_small";
    /// A saved card will not work for long.
    PaymentMethodExpiring(CardEnds) = "payment_method.expiring";
    /// Credit was given.
    CreditsGranted(Credit) = "credits.granted";
    /// Credit will be gone soon.
    CreditsExpiring(Credit) = "credits.expiring";
    /// Credit is gone.
    CreditsExpired(Credit) = "credits.expired";
    /// Much of a limit is spent.
    LimitWarning(LimitState) = "limit.warning";
    /// A limit is spent.
    LimitReached(LimitState) = "limit.reached";
    /// A new window of a limit that was spent has begun, or the limit was raised.
    LimitReset(LimitState) = "limit.reset";
    /// A call was not let in.
    CallRejected(CallState) = "call.rejected";
    /// A call had to end.
    CallCutOff(CallState) = "call.cut_off";
    /// A subscription has begun.
    SubscriptionCreated(Subscription) = "subscription.created";
    /// Another period was paid.
    SubscriptionRenewed(Subscription) = "subscription.renewed";
    /// Its plan, its price or what is to become of it has changed.
    SubscriptionUpdated(Subscription) = "subscription.updated";
    /// A period could not be paid; it is tried again.
    SubscriptionPastDue(Subscription) = "subscription.past_due";
    /// It has ended.
    SubscriptionCanceled(Subscription) = "subscription.canceled";
    /// An invoice was issued.
    InvoiceCreated(Document) = "invoice.created";
    /// A credit note was issued.
    CreditNoteCreated(Document) = "credit_note.created";
    /// Money was given back.
    RefundSucceeded(Refund) = "refund.succeeded";
    /// Money could not be given back.
    RefundFailed(Refund) = "refund.failed";
    /// A payment is disputed.
    DisputeOpened(Dispute) = "dispute.opened";
    /// A dispute was decided.
    DisputeClosed(Dispute) = "dispute.closed";
    /// The rent of a number could not be paid; it is tried again until the date.
    NumberPaymentDue(Number) = "number.payment_due";
    /// A number is to take no more calls: its rent was not paid.
    NumberSuspended(Number) = "number.suspended";
    /// A number is not rented any more.
    NumberReleased(Number) = "number.released";
    /// An address is not told anything any more: it failed for days.
    WebhookDisabled(Endpoint) = "webhook.disabled";
    /// Sent by somebody who wants to see it arrive.
    WebhookTest(Endpoint) = "webhook.test";
}

impl Kind {
    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// How a wallet stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// What was crossed.
    pub threshold: Credits,
    /// What remains of all grants, less the overdraft.
    pub balance: Credits,
    /// What can be used: the balance without what live calls hold.
    pub available: Credits,
    /// How the customer wants to be told besides: `email`, `slack`, `sms`, `webhook`.
    pub channels: Vec<String>,
}

/// A purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The payment.
    pub payment_id: PaymentId,
    /// What was bought.
    pub credits: Credits,
    /// With tax.
    pub total: Money,
    /// Of a purchase that is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_id: Option<InvoiceId>,
    /// Why it came to nothing, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An attempt of auto-reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The payment, when there was one.
    pub payment_id: Option<PaymentId>,
    /// Why it came to nothing, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it is tried again, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

/// A card whose end is near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardEnds {
    /// The card.
    pub payment_method_id: PaymentMethodId,
    /// Such as `visa`.
    pub brand: String,
    /// Its last digits.
    pub last4: String,
    /// The last month in which it works, as `2027-03`.
    pub expires: String,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The grant.
    pub grant_id: GrantId,
    /// `free`, `plan` or `paid`.
    pub class: String,
    /// What was given, will be gone, or is gone.
    pub credits: Credits,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// How much of a limit is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitState {
    /// `daily`, `monthly` or `per_agent`.
    pub limit: String,
    /// The platform's own id of the agent, of an agent's limit.
    pub agent_id: Option<String>,
    /// The limit.
    pub credits: Credits,
    /// What is spent in its window.
    pub spent: Credits,
    /// `pause` or `alert_only`.
    pub action: String,
}

/// A call that was turned away or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallState {
    /// The platform's own id of the call.
    pub call_id: String,
    /// The platform's own id of the agent.
    pub agent_id: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// Why, in one word, such as `insufficient_credits`.
    pub reason: String,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Which.
    pub subscription_id: SubscriptionId,
    /// The plan's code.
    pub plan: String,
    /// The plan's name.
    pub plan_name: String,
    /// `incomplete`, `active`, `past_due`, `paused` or `canceled`.
    pub status: String,
    /// The fee for a period, before tax.
    pub price: Money,
    /// When the current period began.
    pub current_period_start: Timestamp,
    /// When it ends.
    pub current_period_end: Timestamp,
    /// Why it is so, in one word or sentence: what has changed, or why it could not be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it is tried again, or when a change comes into force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// An invoice or a credit note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Which.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// With tax.
    pub total: Money,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Which.
    pub refund_id: RefundId,
    /// The payment it was part of.
    pub payment_id: PaymentId,
    /// With tax.
    pub amount: Money,
}

/// A payment that the customer's bank disputes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Which.
    pub dispute_id: DisputeId,
    /// The payment.
    pub payment_id: PaymentId,
    /// What is disputed.
    pub amount: Money,
    /// `open`, `won` or `lost`.
    pub status: String,
}

/// A rented number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Which.
    pub id: NumberId,
    /// The platform's own id.
    pub number_id: String,
    /// `local` or `toll_free`.
    pub kind: String,
    /// When it is suspended or released unless its rent is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// An address that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Which.
    pub endpoint_id: WebhookEndpointId,
    /// Where.
    pub url: String,
}
