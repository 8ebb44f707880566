//! Payment providers. Each call goes outside: never from within a transaction.

pub mod sandbox;
pub mod signature;

use std::future::Future;
use std::pin::Pin;

use crate::base::Money;
use crate::identity::Secret;

/// A call that is under way.
pub type Called<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// What is asked of a provider: money for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The same for the same order, however often it is asked for: the provider makes one checkout of it.
    pub key: String,
    /// Our id, which the provider keeps with it.
    pub id: String,
    /// How much.
    pub amount: Money,
    /// For the customer.
    pub description: String,
    /// Where the customer comes back to.
    pub return_url: String,
}

/// What a provider made of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The provider's id.
    pub reference: String,
    /// With which a page of the platform's own shows the provider's form.
    pub client_secret: String,
    /// The provider's own page.
    pub url: String,
}

/// Why a card was declined. Nothing was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decline {
    /// The bank does not say why.
    Declined,
    /// There is not enough on the account.
    InsufficientFunds,
    /// The customer did not confirm it with the bank.
    AuthenticationFailed,
}

impl Decline {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Declined, Self::InsufficientFunds, Self::AuthenticationFailed];

    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined => "card_declined",
            Self::InsufficientFunds => "insufficient_funds",
            Self::AuthenticationFailed => "authentication_failed",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decline| decline.name() == name)
    }
}

/// How an order stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing is paid; how the last attempt was declined, if there was one.
    Open(Option<Decline>),
    /// The bank is at it.
    Processing,
    /// The money is there.
    Paid,
    /// It can no longer be paid.
    Ended,
}

/// What a provider knows of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Our id, as it was given.
    pub order: String,
    /// What is paid, or to be paid.
    pub amount: Money,
    /// How it stands.
    pub status: Status,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No answer, or none that can be relied on: it may have been carried out. Ask again, with the same key.
    #[error("no answer from the payment provider: {0}")]
    Unreachable(String),
    /// It was not carried out, and will not be.
    #[error("refused by the payment provider: {0}")]
    Refused(String),
    /// The provider knows of no such order.
    #[error("the payment provider does not know it")]
    Unknown,
}

/// A payment provider.
pub trait Gateway: Send + Sync {
    /// Its name, in paths and in the database.
    fn name(&self) -> &'static str;

    /// What its webhooks are signed with; several while a secret is being replaced.
    fn webhook_secrets(&self) -> &[Secret];

    /// True for events that say how an order stands.
    fn concerns_orders(&self, event_type: &str) -> bool;

    /// Makes a checkout of an order, or answers the one it made under the same key before.
    fn begin(&self, order: Order) -> Called<'_, Checkout>;

    /// How an order stands now.
    fn look<'a>(&'a self, reference: &'a str) -> Called<'a, Seen>;
}
