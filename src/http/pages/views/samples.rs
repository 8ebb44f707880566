//! What the pages' samples are made of.

use super::chrome::{Balance, Brand, Chrome, Crumb, Membership, Section};
use super::transactions::TransactionRow;
use crate::base::{Credits, Day, Quantity, Timestamp};
use crate::http::pages::components::runway::{Event, Mark, Point};
use crate::http::pages::components::stacked_days::DayStack;
use crate::http::pages::components::{Runway, StackedDays, Tone};
use crate::http::pages::format::{Face, Show};

/// Credits from text.
pub(crate) fn c(text: &str) -> Credits {
    text.parse().expect(text)
}

/// A quantity from text.
pub(crate) fn q(text: &str) -> Quantity {
    text.parse().expect(text)
}

/// An instant from text.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

/// A day from text.
pub(crate) fn day(text: &str) -> Day {
    text.parse().expect(text)
}

/// Euros in Madrid.
pub(crate) fn show() -> Show {
    Show {
        face: Face { currency: "EUR".parse().expect("EUR"), credits_per_unit: 100 },
        zone: "Europe/Madrid".parse().expect("zone"),
        with_worth: true,
    }
}

/// What stands around a page, signed in, in test mode.
pub(crate) fn chrome(section: Section, crumbs: &[(&str, &str)]) -> Chrome {
    let customer = !matches!(
        section,
        Section::Outside
            | Section::Organizations
            | Section::Payments
            | Section::Prices
            | Section::Reports
            | Section::Seller
    );
    let membership = |id: &str, name: &str, current| Membership { id: id.into(), name: name.into(), current };
    Chrome {
        brand: Brand { name: "Vozia".into(), logo: None, stylesheet: "/static/brand.css".into() },
        show: show(),
        test_clock: Some(at("2026-11-21T09:30:00Z")),
        csrf: "c3d1f0a9".into(),
        person: (section != Section::Outside).then(|| "marta@riberadental.example".into()),
        section,
        balance: customer.then(|| Balance { available: c("4511"), low: false }),
        seeing_as: None,
        memberships: if customer {
            vec![
                membership("org_0a", "Ribera Dental Clinics", true),
                membership("org_0b", "Ribera Aesthetics", false),
            ]
        } else {
            Vec::new()
        },
        crumbs: crumbs
            .iter()
            .map(
                |(label, href)| {
                    if href.is_empty() { Crumb::here(*label) } else { Crumb::link(*label, *href) }
                },
            )
            .collect(),
        notice: None,
        request_id: "req_01jd6z7k2m".into(),
    }
}

/// Thirty days of spend over four channels, quieter at weekends.
pub(crate) fn spend(id: &str) -> StackedDays {
    let first = day("2026-10-23");
    let days = (0..30)
        .map(|index: i32| {
            let weekend = matches!(index % 7, 1 | 2);
            let wave = i64::from((index * 37) % 23);
            let part = |base: i64, by: i64| {
                let micros = (base + wave * by) * if weekend { 250_000 } else { 1_000_000 };
                Credits::from_micros(micros)
            };
            DayStack {
                day: first.plus_days(index),
                href: Some(format!("/usage/{}", first.plus_days(index))),
                values: vec![
                    part(180, 9),
                    part(40, 3),
                    part(20, 2),
                    if index == 9 { c("300") } else { Credits::ZERO },
                ],
            }
        })
        .collect();
    StackedDays {
        id: id.into(),
        title: "Spend per day".into(),
        series: ["Voice", "Chat", "Transferred minutes", "Phone numbers"].map(String::from).to_vec(),
        days,
        sample: false,
        show: show(),
    }
}

/// A balance that was topped up and runs dry in nine days.
pub(crate) fn runway(id: &str) -> Runway {
    let spend = spend("x");
    let mut balance = c("3842").micros();
    let mut past: Vec<Point> = Vec::new();
    for (index, stack) in spend.days.iter().enumerate() {
        balance -= stack.total().micros();
        if index == 8 || index == 20 {
            balance += c("5000").micros();
        }
        past.push(Point { day: stack.day, balance: Credits::from_micros(balance) });
    }
    let last = past.last().expect("points").day;
    Runway {
        id: id.into(),
        title: "Balance".into(),
        projection: vec![Point { day: last.plus_days(9), balance: Credits::ZERO }],
        marks: vec![Mark { label: "Alert below".into(), balance: c("1000") }],
        events: [8, 20]
            .iter()
            .map(|index| Event {
                day: day("2026-10-23").plus_days(*index),
                label: "Top-up of 5,000.00 credits".into(),
            })
            .collect(),
        past,
        show: show(),
    }
}

/// Id, time, type, description, amount, balance after, classes.
type Line =
    (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static [Tone]);

#[rustfmt::skip]
const LINES: [Line; 8] = [
    ("txn_5k2", "2026-11-21T09:24:11Z", "usage", "Voice, 3 min 12 s · Reception", "-22.4", "4511", &[Tone::Paid]),
    ("txn_5k1", "2026-11-21T09:20:40Z", "usage", "Chat, 14 messages · Web assistant", "-7", "4533.4", &[Tone::Free, Tone::Paid]),
    ("txn_5k0", "2026-11-21T08:00:00Z", "number_rental", "+34 910 000 117, 21 Nov to 21 Dec", "-150", "4540.4", &[Tone::Free]),
    ("txn_5jz", "2026-11-20T17:45:09Z", "adjustment", "Outage on 18 November", "500", "4690.4", &[Tone::Free]),
    ("txn_5jy", "2026-11-20T16:12:55Z", "usage", "Transferred, 11 min 4 s · Reception", "-44.266667", "4190.4", &[Tone::Paid]),
    ("txn_5jx", "2026-11-12T10:02:31Z", "purchase", "Top-up, €50.00", "5000", "4234.666667", &[Tone::Paid]),
    ("txn_5jw", "2026-11-01T00:00:00Z", "expiry", "Welcome credit, unused part", "-12.5", "77.17", &[Tone::Free]),
    ("txn_5jv", "2026-10-02T09:00:00Z", "welcome_bonus", "Welcome credit", "500", "500", &[Tone::Free]),
];

/// A handful of transactions, newest first.
pub(crate) fn transactions() -> Vec<TransactionRow> {
    LINES
        .iter()
        .map(|(id, when, kind, description, amount, after, classes)| TransactionRow {
            id: (*id).into(),
            at: at(when),
            kind: (*kind).into(),
            description: (*description).into(),
            amount: c(amount),
            balance_after: c(after),
            classes: classes.to_vec(),
            expires: (*kind == "adjustment").then(|| at("2027-02-20T23:00:00Z")),
        })
        .collect()
}
