//! Payment providers. Each call goes outside: never from within a transaction.
//!
//! Every request that makes something carries a key that is the same whenever the same is asked for: the provider makes
//! it once. What a webhook says is not believed; the provider is asked about what it names.

pub mod sandbox;
pub mod signature;
pub mod stripe;

use std::future::Future;
use std::pin::Pin;

use crate::base::time::HOUR_MS;
use crate::base::{Currency, Money};
use crate::identity::{BillingDetails, Secret};
use crate::tax::Country;

/// Providers know a request by its key for a day (Stripe for at least 24 hours). What could not be asked for in less is not
/// asked for again: it might be carried out twice.
pub const KEYS_KEPT_MS: i64 = 20 * HOUR_MS;

/// A call that is under way.
pub type Called<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// Where the customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// On the provider's own page: [`Checkout::url`].
    Hosted,
    /// On a page of the platform's, through [`Checkout::client_secret`].
    Embedded,
}

/// What is asked of a provider: money for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The same for the same order, however often it is asked for: the provider makes one checkout of it.
    pub key: String,
    /// Our id, which the provider keeps with it.
    pub id: String,
    /// How much, with its tax.
    pub amount: Money,
    /// For the customer.
    pub description: String,
    /// The provider's id of the customer, if it knows the customer.
    pub customer: Option<String>,
    /// Where the customer pays.
    pub form: Form,
    /// Where the customer comes back to.
    pub return_url: String,
    /// Where the customer comes back to without having paid.
    pub cancel_url: String,
    /// The card is kept, to be charged when the customer is not there. Needs a customer.
    pub keep_card: bool,
}

/// What a provider made of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The provider's id.
    pub reference: String,
    /// With which a page of the platform's own shows the provider's form.
    pub client_secret: Option<String>,
    /// The provider's own page.
    pub url: Option<String>,
}

/// What is asked of a provider: money from a card that was kept, without the customer being there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The same for the same charge, however often it is asked for.
    pub key: String,
    /// Our id of the payment.
    pub id: String,
    /// How much, with its tax.
    pub amount: Money,
    /// For the customer.
    pub description: String,
    /// The provider's id of the customer.
    pub customer: String,
    /// The provider's id of the card.
    pub card: String,
}

/// What is asked of a provider: that a customer's card be kept, without charging it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The same for the same setup, however often it is asked for.
    pub key: String,
    /// Our id of it, which the provider keeps with it.
    pub id: String,
    /// The provider's id of the customer.
    pub customer: String,
    /// Where the customer gives the card's number.
    pub form: Form,
    /// Where the customer comes back to.
    pub return_url: String,
    /// Where the customer comes back to without having given one.
    pub cancel_url: String,
}

/// Somebody who pays, for the provider to know by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The same for the same request.
    pub key: String,
    /// Our id of the organization, which the provider keeps with it.
    pub id: String,
    /// The provider's id, if it knows the customer already: then it is brought up to date.
    pub reference: Option<String>,
    /// The organization's name; its billing details may have a legal one.
    pub name: String,
    /// Name, address, VAT id and e-mail address of invoices.
    pub details: BillingDetails,
}

/// Money to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// The same for the same refund, however often it is asked for.
    pub key: String,
    /// Our id of the refund, which the provider keeps with it.
    pub id: String,
    /// The provider's id of what is given back: [`Seen::charge`].
    pub charge: String,
    /// How much, with its tax.
    pub amount: Money,
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
    /// The bank wants the customer to confirm it, who was not there.
    AuthenticationRequired,
    /// The card has expired.
    ExpiredCard,
}

impl Decline {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Declined,
        Self::InsufficientFunds,
        Self::AuthenticationFailed,
        Self::AuthenticationRequired,
        Self::ExpiredCard,
    ];

    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined => "card_declined",
            Self::InsufficientFunds => "insufficient_funds",
            Self::AuthenticationFailed => "authentication_failed",
            Self::AuthenticationRequired => "authentication_required",
            Self::ExpiredCard => "expired_card",
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

/// A card, as far as it may be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The provider's id of it, under which it can be charged again if it was kept.
    pub reference: String,
    /// Such as `visa`.
    pub brand: String,
    /// The last four digits of its number.
    pub last4: String,
    /// The last month in which it is valid, from 1.
    pub exp_month: u8,
    /// And of which year.
    pub exp_year: u16,
    /// Where it was issued.
    pub country: Option<Country>,
}

impl Card {
    /// For people: `Visa •••• 4242`.
    #[must_use]
    pub fn label(&self) -> String {
        let mut letters = self.brand.chars();
        let brand: String =
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        format!("{brand} \u{2022}\u{2022}\u{2022}\u{2022} {}", self.last4)
    }
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
    /// The provider's id of the money itself, under which it is given back or disputed. The same as the order's, or not.
    pub charge: Option<String>,
    /// What it was paid with.
    pub card: Option<Card>,
}

/// What a provider knows of a setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupSeen {
    /// Our id, as it was given.
    pub setup: String,
    /// The provider's id of the customer.
    pub customer: String,
    /// [`Status::Paid`] when the card is kept.
    pub status: Status,
    /// The card, once it is kept.
    pub card: Option<Card>,
}

/// How a refund stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundStatus {
    /// The bank is at it.
    Pending,
    /// The money is on its way.
    Succeeded,
    /// It was not given back; why.
    Failed(String),
}

/// What a provider knows of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundSeen {
    /// The provider's id.
    pub reference: String,
    /// Our id, as it was given; empty when it was made at the provider itself.
    pub refund: String,
    /// Of which money: [`Seen::charge`].
    pub charge: String,
    /// How much.
    pub amount: Money,
    /// How it stands.
    pub status: RefundStatus,
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeStatus {
    /// The bank asks, before there is a dispute: no money is taken.
    Inquiry,
    /// What the bank asked came to nothing, or what would have been a dispute was kept from being one.
    Dropped,
    /// The bank has not decided.
    Open,
    /// The money stays here.
    Won,
    /// The money went back.
    Lost,
}

/// What a provider knows of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeSeen {
    /// The provider's id.
    pub reference: String,
    /// About which money: [`Seen::charge`].
    pub charge: String,
    /// How much.
    pub amount: Money,
    /// What the customer told the bank.
    pub reason: String,
    /// How it stands.
    pub status: DisputeStatus,
}

/// What an event is about: what its object's id has to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// [`Gateway::look`].
    Order,
    /// [`Gateway::look_at_setup`].
    Setup,
    /// [`Gateway::look_at_card`].
    Card,
    /// [`Gateway::look_at_refund`].
    Refund,
    /// [`Gateway::look_at_dispute`].
    Dispute,
    /// Nothing of interest here.
    Other,
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
    /// The provider knows of no such thing.
    #[error("the payment provider does not know it")]
    Unknown,
    /// It was not carried out: the provider does not know the customer any more.
    #[error("the payment provider does not know the customer any more: {0}")]
    NoCustomer(String),
}

/// A payment provider.
pub trait Gateway: Send + Sync {
    /// Its name, in paths and in the database.
    fn name(&self) -> &'static str;

    /// What its webhooks are signed with; several while a secret is being replaced.
    fn webhook_secrets(&self) -> &[Secret];

    /// Scheme and host of the pages that customers are sent to from a form of ours, where that is somebody else's.
    fn checkout_origin(&self) -> Option<&str> {
        None
    }

    /// False for a currency of which it does not take every amount.
    fn takes(&self, _currency: Currency) -> bool {
        true
    }

    /// What an event is about. `reference` is the id of its object.
    fn subject(&self, event_type: &str, reference: &str) -> Subject;

    /// Makes a checkout of an order, or answers the one it made under the same key before.
    fn begin(&self, order: Order) -> Called<'_, Checkout>;

    /// Has an order be paid no more. One that is paid, or has ended, may be refused: look at it.
    fn cancel<'a>(&'a self, reference: &'a str) -> Called<'a, ()>;

    /// How an order or a charge stands now. [`Trouble::Unknown`] where a checkout is one at which a card is kept: then
    /// [`Gateway::look_at_setup`] knows it.
    fn look<'a>(&'a self, reference: &'a str) -> Called<'a, Seen>;

    /// Makes a customer known, or brings what is known of one up to date. Answers the provider's id.
    fn customer(&self, customer: Customer) -> Called<'_, String>;

    /// Charges a card that was kept. A decline is an answer too: [`Status::Open`] with why.
    fn charge(&self, charge: Charge) -> Called<'_, (String, Seen)>;

    /// Makes a checkout at which a card is kept.
    fn set_up(&self, setup: Setup) -> Called<'_, Checkout>;

    /// How a setup stands now.
    fn look_at_setup<'a>(&'a self, reference: &'a str) -> Called<'a, SetupSeen>;

    /// A card that is kept, and the provider's id of whose it is. None when it is kept no longer.
    fn look_at_card<'a>(&'a self, reference: &'a str) -> Called<'a, Option<(String, Card)>>;

    /// Keeps a card no longer. One that is not kept is no mistake.
    fn forget_card<'a>(&'a self, reference: &'a str) -> Called<'a, ()>;

    /// Gives money back.
    fn refund(&self, refund: GiveBack) -> Called<'_, RefundSeen>;

    /// How a refund stands now.
    fn look_at_refund<'a>(&'a self, reference: &'a str) -> Called<'a, RefundSeen>;

    /// How a dispute stands now.
    fn look_at_dispute<'a>(&'a self, reference: &'a str) -> Called<'a, DisputeSeen>;
}
