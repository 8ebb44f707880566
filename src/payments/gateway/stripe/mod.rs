//! Payments through Stripe.
//!
//! Requests are built as Stripe documents them, for the version of its API that they were written for, and our own id goes
//! with everything that is made. Of the answers only a few fields are read. What is paid is known under its payment
//! intent: refunds and disputes name that one, also where the customer paid on Stripe's page, which is a checkout session.
//!
//! Stripe forgets a key after a day: a charge or a refund that was asked for longer ago without an answer is not to be asked
//! for again before somebody has looked.

mod amounts;
mod answers;
mod client;

use std::collections::HashMap;
use std::time::Duration;

use miniserde::Deserialize;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing,
    CreateCheckoutSessionAllowedPaymentMethodTypes, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentIntentDataSetupFutureUsage, CreateCheckoutSessionSetupIntentData,
    ProductData, RetrieveCheckoutSession,
};
use stripe_client_core::{IdempotencyKey, RequestBuilder, RequestStrategy, StripeMethod, StripeRequest};
use stripe_core::customer::{CreateCustomer, OptionalFieldsCustomerAddress, UpdateCustomer};
use stripe_core::payment_intent::{
    CancelPaymentIntent, CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentOffSession, RetrievePaymentIntent,
};
use stripe_core::refund::{CreateRefund, RetrieveRefund};
use stripe_core::setup_intent::{CreateSetupIntent, CreateSetupIntentUsage, RetrieveSetupIntent};
use stripe_payment::payment_method::{DetachPaymentMethod, RetrievePaymentMethod};
use stripe_shared::{
    CheckoutSessionMode, PaymentIntentAllowedPaymentMethodTypes, SetupIntentAllowedPaymentMethodTypes,
};
use stripe_types::Currency;

use answers::OUR_ID;
use client::{Client, Fault};

use super::{
    Called, Card, Charge, Checkout, Customer, DisputeSeen, Form, Gateway, GiveBack, Order, RefundSeen, Seen,
    Setup, SetupSeen, Status, Subject, Trouble,
};
use crate::base::{self, Mode, Money};
use crate::identity::{BillingDetails, Secret};
use crate::outside;

/// Its name.
pub const NAME: &str = "stripe";
/// The longest id.
const MOST_CHARS: usize = 255;

const SESSION: &[&str] = &["cs_"];
const INTENT: &[&str] = &["pi_"];
const SETUP: &[&str] = &["seti_"];
const CUSTOMER: &[&str] = &["cus_"];
const CARD: &[&str] = &["pm_", "card_"];
const REFUND: &[&str] = &["re_", "pyr_"];
const DISPUTE: &[&str] = &["dp_", "du_"];

/// How Stripe is reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// With which it is called.
    pub secret_key: Secret,
    /// What its webhooks are signed with.
    pub webhook_secrets: Vec<Secret>,
    /// Where its API is, without a slash at the end.
    pub api_base: String,
    /// Where its page for paying is: scheme and host.
    pub checkout_origin: String,
    /// How long one attempt of a call may take.
    pub timeout: Duration,
    /// How long to wait before a call is made again.
    pub pause: Duration,
}

/// Stripe.
pub struct Stripe {
    client: Client,
    webhook_secrets: Vec<Secret>,
    checkout_origin: String,
}

impl Stripe {
    /// In live mode it is spoken to through TLS alone.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(options: Options, mode: Mode) -> Result<Self, outside::Error> {
        let http = outside::client(mode, options.timeout)?;
        Ok(Self {
            client: Client::new(http, options.api_base, options.secret_key, options.pause),
            webhook_secrets: options.webhook_secrets,
            checkout_origin: options.checkout_origin,
        })
    }

    /// Has something made. Sent again under the same key it is made once.
    async fn make<T: Deserialize>(&self, request: RequestBuilder, key: &str) -> Result<T, Fault> {
        let key = IdempotencyKey::new(key).map_err(|error| Fault::Refused(error.to_string()))?;
        let request = request.customize::<T>().request_strategy(RequestStrategy::Idempotent(key));
        request.send(&self.client).await
    }

    /// Asks for something that exists.
    async fn find<T: Deserialize>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        request.customize::<T>().send(&self.client).await.map_err(Fault::looking)
    }

    async fn session(&self, reference: &str) -> Result<answers::Session, Trouble> {
        let expand = ["payment_intent.latest_charge", "setup_intent.payment_method"].map(String::from);
        self.find(RetrieveCheckoutSession::new(known(reference, SESSION)?).expand(expand).build()).await
    }

    async fn hosted(&self, order: Order) -> Result<Checkout, Trouble> {
        let currency = currency(order.amount);
        let line = CreateCheckoutSessionLineItems {
            price_data: Some(CreateCheckoutSessionLineItemsPriceData {
                product_data: Some(ProductData::new(order.description.clone())),
                unit_amount: Some(amounts::to_stripe(order.amount)?),
                ..CreateCheckoutSessionLineItemsPriceData::new(currency)
            }),
            quantity: Some(1),
            ..CreateCheckoutSessionLineItems::new()
        };
        let intent = CreateCheckoutSessionPaymentIntentData {
            description: Some(order.description),
            metadata: Some(ours(&order.id)),
            setup_future_usage: order
                .keep_card
                .then_some(CreateCheckoutSessionPaymentIntentDataSetupFutureUsage::OffSession),
            ..CreateCheckoutSessionPaymentIntentData::new()
        };
        let mut request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Payment)
            .line_items([line])
            .payment_intent_data(intent)
            .client_reference_id(order.id.as_str())
            .metadata(ours(&order.id))
            // what is paid has to be the amount that was asked for, in its currency
            .adaptive_pricing(CreateCheckoutSessionAdaptivePricing { enabled: Some(false) })
            .success_url(order.return_url)
            .cancel_url(order.cancel_url);
        if order.keep_card {
            // other ways of paying cannot be charged again as a card is
            request =
                request.allowed_payment_method_types([CreateCheckoutSessionAllowedPaymentMethodTypes::Card]);
        }
        if let Some(customer) = order.customer {
            request = request.customer(customer);
        }
        let made: answers::Session = self.make(request.build(), &order.key).await.map_err(Fault::making)?;
        Ok(made.checkout())
    }

    async fn embedded(&self, order: Order) -> Result<Checkout, Trouble> {
        let mut request = CreatePaymentIntent::new(amounts::to_stripe(order.amount)?, currency(order.amount))
            .automatic_payment_methods(CreatePaymentIntentAutomaticPaymentMethods::new(true))
            .description(order.description)
            .metadata(ours(&order.id));
        if let Some(customer) = order.customer {
            request = request.customer(customer);
        }
        let made: answers::Intent = self.make(intent(&request), &order.key).await.map_err(Fault::making)?;
        Ok(made.checkout())
    }

    async fn set_up_hosted(&self, setup: Setup) -> Result<Checkout, Trouble> {
        let intent = CreateCheckoutSessionSetupIntentData {
            metadata: Some(ours(&setup.id)),
            ..CreateCheckoutSessionSetupIntentData::new()
        };
        let request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Setup)
            .allowed_payment_method_types([CreateCheckoutSessionAllowedPaymentMethodTypes::Card])
            .setup_intent_data(intent)
            .client_reference_id(setup.id.as_str())
            .metadata(ours(&setup.id))
            .customer(setup.customer)
            .success_url(setup.return_url)
            .cancel_url(setup.cancel_url);
        let made: answers::Session = self.make(request.build(), &setup.key).await.map_err(Fault::making)?;
        Ok(made.checkout())
    }

    async fn set_up_embedded(&self, setup: Setup) -> Result<Checkout, Trouble> {
        let request = CreateSetupIntent::new()
            .allowed_payment_method_types([SetupIntentAllowedPaymentMethodTypes::Card])
            .usage(CreateSetupIntentUsage::OffSession)
            .customer(setup.customer)
            .metadata(ours(&setup.id))
            .expand(["payment_method".to_owned()]);
        let made: answers::Setup = self.make(request.build(), &setup.key).await.map_err(Fault::making)?;
        Ok(made.checkout())
    }

    async fn charge_card(&self, charge: Charge) -> Result<(String, Seen), Trouble> {
        let request = CreatePaymentIntent::new(amounts::to_stripe(charge.amount)?, currency(charge.amount))
            .allowed_payment_method_types([PaymentIntentAllowedPaymentMethodTypes::Card])
            .customer(charge.customer)
            .payment_method(charge.card)
            .off_session(CreatePaymentIntentOffSession::Bool(true))
            .confirm(true)
            .description(charge.description)
            .metadata(ours(&charge.id));
        match self.make::<answers::Intent>(intent(&request), &charge.key).await {
            Ok(made) => Ok((made.id.clone(), made.charged()?)),
            Err(Fault::Declined { decline, intent: Some(intent), .. }) => {
                let seen = Seen {
                    order: charge.id,
                    amount: charge.amount,
                    status: Status::Open(Some(decline)),
                    charge: Some(intent.clone()),
                    card: None,
                };
                Ok((intent, seen))
            }
            Err(fault) => Err(fault.making()),
        }
    }

    async fn make_customer(&self, customer: Customer) -> Result<String, Trouble> {
        let Customer { key, id, reference, name, details } = customer;
        let name = if details.company_name.is_empty() { name } else { details.company_name.clone() };
        let mut metadata = ours(&id);
        metadata.insert("vat_id".to_owned(), details.vat_id.clone());
        let locales = [details.locale.tag().to_owned()];
        let Some(reference) = reference else {
            metadata.retain(|_, value| !value.is_empty());
            let mut request = CreateCustomer::new().name(name).metadata(metadata).preferred_locales(locales);
            if !details.billing_email.is_empty() {
                request = request.email(details.billing_email.as_str());
            }
            if let Some(address) = address(&details, |field| (!field.is_empty()).then(|| field.to_owned())) {
                request = request.address(address);
            }
            let made: answers::Named = self.make(request.build(), &key).await.map_err(Fault::making)?;
            return Ok(made.id);
        };
        // what is empty is emptied
        let mut request = UpdateCustomer::new(known(&reference, CUSTOMER)?)
            .name(name)
            .metadata(metadata)
            .preferred_locales(locales)
            .email(details.billing_email.as_str());
        if let Some(address) = address(&details, |field| Some(field.to_owned())) {
            request = request.address(address);
        }
        let made: answers::Named = self.make(request.build(), &key).await.map_err(Fault::looking)?;
        Ok(made.id)
    }

    async fn method(&self, reference: &str) -> Result<Option<(String, Card)>, Trouble> {
        let request = RetrievePaymentMethod::new(known(reference, CARD)?);
        match self.find::<answers::Method>(request.build()).await {
            Ok(found) => Ok(found.kept()),
            Err(Trouble::Unknown) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    async fn detach(&self, reference: &str) -> Result<(), Trouble> {
        let request = DetachPaymentMethod::new(known(reference, CARD)?).build();
        // what is detached stays detached, so sending it again does no harm
        let key = uuid::Uuid::new_v4().to_string();
        match self.make::<answers::Named>(request, &key).await.map_err(Fault::looking) {
            Ok(_) | Err(Trouble::Unknown) => Ok(()),
            // it may be that it was not attached any more
            Err(Trouble::Refused(why)) => match self.method(reference).await? {
                None => Ok(()),
                Some(_) => Err(Trouble::Refused(why)),
            },
            Err(trouble) => Err(trouble),
        }
    }

    async fn give_back(&self, refund: GiveBack) -> Result<RefundSeen, Trouble> {
        let request = CreateRefund::new()
            .payment_intent(known(&refund.charge, INTENT)?)
            .amount(amounts::to_stripe(refund.amount)?)
            .metadata(ours(&refund.id));
        let made: answers::Refund = self.make(request.build(), &refund.key).await.map_err(Fault::making)?;
        made.seen()
    }
}

impl Gateway for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn webhook_secrets(&self) -> &[Secret] {
        &self.webhook_secrets
    }

    fn checkout_origin(&self) -> Option<&str> {
        Some(&self.checkout_origin)
    }

    fn takes(&self, currency: base::Currency) -> bool {
        amounts::takes(currency)
    }

    /// Events of charges come with refunds and disputes too: what they are about shows in the id.
    fn subject(&self, event_type: &str, reference: &str) -> Subject {
        let family = event_type.split_once('.').map_or("", |(family, _)| family);
        let families = ["checkout", "payment_intent", "setup_intent", "payment_method", "refund", "charge"];
        let kinds = [
            (SESSION, Subject::Order),
            (INTENT, Subject::Order),
            (SETUP, Subject::Setup),
            (CARD, Subject::Card),
            (REFUND, Subject::Refund),
            (DISPUTE, Subject::Dispute),
        ];
        let found = kinds.into_iter().find(|(prefixes, _)| known(reference, prefixes).is_ok());
        found.filter(|_| families.contains(&family)).map_or(Subject::Other, |(_, subject)| subject)
    }

    fn begin(&self, order: Order) -> Called<'_, Checkout> {
        Box::pin(async move {
            match order.form {
                Form::Hosted => self.hosted(order).await,
                Form::Embedded => self.embedded(order).await,
            }
        })
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> Called<'a, ()> {
        Box::pin(async move {
            // a session ends by itself
            let request = CancelPaymentIntent::new(known(reference, INTENT)?).build();
            // what is canceled stays so, and what is paid is refused: sending it again does no harm
            let key = uuid::Uuid::new_v4().to_string();
            self.make::<answers::Named>(request, &key).await.map_err(Fault::looking).map(|_| ())
        })
    }

    fn look<'a>(&'a self, reference: &'a str) -> Called<'a, Seen> {
        Box::pin(async move {
            if known(reference, SESSION).is_ok() {
                return self.session(reference).await?.seen();
            }
            let request = RetrievePaymentIntent::new(known(reference, INTENT)?);
            let found: answers::Intent =
                self.find(request.expand(["latest_charge".to_owned()]).build()).await?;
            found.seen()
        })
    }

    fn customer(&self, customer: Customer) -> Called<'_, String> {
        Box::pin(self.make_customer(customer))
    }

    fn charge(&self, charge: Charge) -> Called<'_, (String, Seen)> {
        Box::pin(self.charge_card(charge))
    }

    fn set_up(&self, setup: Setup) -> Called<'_, Checkout> {
        Box::pin(async move {
            match setup.form {
                Form::Hosted => self.set_up_hosted(setup).await,
                Form::Embedded => self.set_up_embedded(setup).await,
            }
        })
    }

    fn look_at_setup<'a>(&'a self, reference: &'a str) -> Called<'a, SetupSeen> {
        Box::pin(async move {
            if known(reference, SESSION).is_ok() {
                return self.session(reference).await?.setup_seen();
            }
            let request = RetrieveSetupIntent::new(known(reference, SETUP)?);
            let found: answers::Setup =
                self.find(request.expand(["payment_method".to_owned()]).build()).await?;
            found.seen()
        })
    }

    fn look_at_card<'a>(&'a self, reference: &'a str) -> Called<'a, Option<(String, Card)>> {
        Box::pin(self.method(reference))
    }

    fn forget_card<'a>(&'a self, reference: &'a str) -> Called<'a, ()> {
        Box::pin(self.detach(reference))
    }

    fn refund(&self, refund: GiveBack) -> Called<'_, RefundSeen> {
        Box::pin(self.give_back(refund))
    }

    fn look_at_refund<'a>(&'a self, reference: &'a str) -> Called<'a, RefundSeen> {
        Box::pin(async move {
            let found: answers::Refund =
                self.find(RetrieveRefund::new(known(reference, REFUND)?).build()).await?;
            found.seen()
        })
    }

    fn look_at_dispute<'a>(&'a self, reference: &'a str) -> Called<'a, DisputeSeen> {
        Box::pin(async move {
            let path = format!("/disputes/{}", known(reference, DISPUTE)?);
            let found: answers::Dispute = self.find(RequestBuilder::new(StripeMethod::Get, path)).await?;
            found.seen()
        })
    }
}

/// An id that can be part of a path, of one of these kinds.
fn known<'a>(reference: &'a str, prefixes: &[&str]) -> Result<&'a str, Trouble> {
    let kind = prefixes.iter().any(|prefix| reference.len() > prefix.len() && reference.starts_with(prefix));
    let plain = reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if kind && plain && reference.len() <= MOST_CHARS { Ok(reference) } else { Err(Trouble::Unknown) }
}

/// A payment intent with its charge.
fn intent(request: &CreatePaymentIntent) -> RequestBuilder {
    request.clone().expand(["latest_charge".to_owned()]).build()
}

fn ours(id: &str) -> HashMap<String, String> {
    HashMap::from([(OUR_ID.to_owned(), id.to_owned())])
}

fn currency(amount: Money) -> Currency {
    match amount.currency.code().to_ascii_lowercase().parse() {
        Ok(currency) => currency,
        Err(never) => match never {},
    }
}

/// An address, where there is one. `as_sent`: how a field is sent.
fn address(
    details: &BillingDetails,
    as_sent: impl Fn(&str) -> Option<String>,
) -> Option<OptionalFieldsCustomerAddress> {
    let BillingDetails { address_line1, address_line2, postal_code, city, region, country, .. } = details;
    let empty =
        [address_line1, address_line2, postal_code, city, region, country].into_iter().all(String::is_empty);
    (!empty).then(|| OptionalFieldsCustomerAddress {
        line1: as_sent(address_line1),
        line2: as_sent(address_line2),
        postal_code: as_sent(postal_code),
        city: as_sent(city),
        state: as_sent(region),
        country: as_sent(country),
    })
}
