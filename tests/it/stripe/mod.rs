//! Payments through Stripe: with a fake of our own that misbehaves at every call, with localstripe, and with Stripe's own
//! SDK as judge of signatures.

mod calls;
mod desk;
mod fake;
mod front_door;
mod local;
mod mishaps;
mod signatures;

use std::time::Duration;

use tollbook::base::{Currency, Mode, Money};
use tollbook::identity::{BillingDetails, Secret};
use tollbook::payments::gateway::stripe::{Options, Stripe};
use tollbook::payments::gateway::{Charge, Customer, Form, GiveBack, Order, Setup};

const WEBHOOK_SECRET: &str = "whsec_of_the_tests";

/// The gateway under test, at this address.
fn gateway(api_base: &str, timeout_ms: u64) -> Stripe {
    gateway_with(api_base, timeout_ms, fake::KEY)
}

fn gateway_with(api_base: &str, timeout_ms: u64, key: &str) -> Stripe {
    let options = Options {
        secret_key: Secret::known(key.to_owned()),
        webhook_secrets: vec![Secret::known(WEBHOOK_SECRET.to_owned())],
        api_base: api_base.to_owned(),
        checkout_origin: "https://checkout.stripe.com".to_owned(),
        timeout: Duration::from_millis(timeout_ms),
        pause: Duration::from_millis(1),
    };
    Stripe::new(options, Mode::Test).unwrap()
}

fn euro(minor: i64) -> Money {
    Money { minor, currency: Currency::EUR }
}

fn order(form: Form, customer: Option<&str>) -> Order {
    Order {
        key: "tollbook_pay_1".into(),
        id: "pay_1".into(),
        amount: euro(12_10),
        description: "1000 credits".into(),
        customer: customer.map(str::to_owned),
        form,
        return_url: "https://desk.example/topup/pay_1".into(),
        cancel_url: "https://desk.example/topup".into(),
        keep_card: false,
    }
}

fn charge(customer: &str, card: &str) -> Charge {
    Charge {
        key: "tollbook_pay_2".into(),
        id: "pay_2".into(),
        amount: euro(50_00),
        description: "Auto-reload".into(),
        customer: customer.into(),
        card: card.into(),
    }
}

fn setup(form: Form, customer: &str) -> Setup {
    Setup {
        key: "tollbook_setup_1".into(),
        id: "setup_1".into(),
        customer: customer.into(),
        form,
        return_url: "https://desk.example/cards".into(),
        cancel_url: "https://desk.example/cards?no".into(),
    }
}

fn customer(reference: Option<&str>) -> Customer {
    Customer {
        key: format!("tollbook_customer_{}", reference.is_some()),
        id: "org_1".into(),
        reference: reference.map(str::to_owned),
        name: "Acme".into(),
        details: BillingDetails {
            company_name: "Acme GmbH & Söhne".into(),
            address_line1: "Hauptstraße 1".into(),
            city: "Berlin".into(),
            postal_code: "10115".into(),
            country: "DE".into(),
            vat_id: "DE136695976".into(),
            billing_email: "bills+acme@example.com".into(),
            ..BillingDetails::default()
        },
    }
}

fn give_back(charge: &str, minor: i64, key: &str) -> GiveBack {
    GiveBack { key: key.into(), id: "ref_1".into(), charge: charge.into(), amount: euro(minor) }
}
