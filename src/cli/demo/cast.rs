//! Who appears in the demo. All of them are invented.

/// An organization with what it uses and how it pays.
pub(super) struct Profile {
    pub name: &'static str,
    pub external_id: &'static str,
    pub zone: &'static str,
    pub plan: Option<Plan>,
    pub company: Company,
    pub people: &'static [Person],
    pub workspaces: &'static [(&'static str, &'static str)],
    pub agents: &'static [Agent],
    pub numbers: &'static [Number],
    /// Calls on a weekday, on a Saturday, on a Sunday.
    pub calls: [i64; 3],
    /// Chats on a weekday; a third on other days.
    pub chats: i64,
    pub mean_call_seconds: i64,
    pub funding: Funding,
    pub limits: Option<Limits>,
    /// After its last top-up it trusts in auto-reload, and the card is declined.
    pub card_declines: bool,
}

/// What may be spent, in whole credits.
pub(super) struct Limits {
    pub daily: i64,
    pub monthly: i64,
    pub per_agent: i64,
    /// An agent with a limit of its own, near what it spends.
    pub near: &'static str,
    /// An agent that stops when the plan is used up, and where its limit stands pauses.
    pub stops: &'static str,
}

/// Which plan an organization is on.
pub(super) enum Plan {
    /// The operator gave it.
    Given(&'static str),
    /// It is paid for, from so many days after the beginning.
    Subscribed { plan: &'static str, after_days: i64 },
}

/// For the billing details.
pub(super) struct Company {
    pub address: &'static str,
    pub postal_code: &'static str,
    pub city: &'static str,
    pub country: &'static str,
}

/// Somebody who signs in.
pub(super) struct Person {
    pub name: &'static str,
    pub email: &'static str,
    pub role: crate::identity::Role,
    /// The workspaces that a member sees.
    pub workspaces: &'static [&'static str],
}

/// What answers.
pub(super) struct Agent {
    pub id: &'static str,
    pub workspace: &'static str,
    pub weight: i64,
    /// Which hours of the day it works in.
    pub hours: &'static [i64; 24],
}

/// What is called.
pub(super) struct Number {
    pub id: &'static str,
    pub workspace: &'static str,
    pub toll_free: bool,
}

/// How credit gets into the wallet, in whole credits.
pub(super) enum Funding {
    /// Topped up in time, always.
    Ahead { below: i64, amount: i64 },
    /// Topped up in small amounts; the last one, so many days ago, was such that today so much is left, or missing.
    EndsAt { below: i64, amount: i64, days_ago: i64, left: i64 },
}

const OFFICE: [i64; 24] = [0, 0, 0, 0, 0, 0, 0, 1, 5, 10, 12, 11, 8, 5, 6, 10, 11, 9, 5, 2, 1, 0, 0, 0];
const EVENING: [i64; 24] = [2, 1, 1, 1, 0, 0, 1, 3, 1, 0, 0, 0, 0, 2, 1, 0, 0, 0, 1, 6, 9, 9, 6, 4];
const ALL_DAY: [i64; 24] = [1, 1, 0, 0, 0, 1, 2, 3, 5, 7, 8, 8, 8, 7, 7, 8, 8, 8, 8, 9, 9, 8, 5, 3];

use crate::identity::Role;

pub(super) const PROFILES: [Profile; 3] = [
    Profile {
        name: "Brightline Dental",
        external_id: "brightline",
        zone: "Europe/Madrid",
        plan: Some(Plan::Subscribed { plan: "growth", after_days: 12 }),
        company: Company {
            address: "Calle de la Demostración 12",
            postal_code: "28001",
            city: "Madrid",
            country: "ES",
        },
        people: &[
            Person {
                name: "Ana Ortega",
                email: "ana@brightline.example",
                role: Role::Owner,
                workspaces: &[],
            },
            Person {
                name: "Luis Prieto",
                email: "luis@brightline.example",
                role: Role::Member,
                workspaces: &["valencia"],
            },
        ],
        workspaces: &[("madrid", "Madrid"), ("valencia", "Valencia")],
        agents: &[
            Agent { id: "front-desk", workspace: "madrid", weight: 6, hours: &OFFICE },
            Agent { id: "front-desk-valencia", workspace: "valencia", weight: 3, hours: &OFFICE },
            Agent { id: "after-hours", workspace: "madrid", weight: 2, hours: &EVENING },
        ],
        numbers: &[
            Number { id: "madrid-main", workspace: "madrid", toll_free: false },
            Number { id: "valencia-main", workspace: "valencia", toll_free: false },
            Number { id: "free-call", workspace: "madrid", toll_free: true },
        ],
        calls: [46, 14, 4],
        chats: 22,
        mean_call_seconds: 105,
        funding: Funding::Ahead { below: 3_000, amount: 6_000 },
        limits: Some(Limits {
            daily: 260,
            monthly: 6_000,
            per_agent: 3_500,
            near: "after-hours",
            stops: "front-desk-valencia",
        }),
        card_declines: false,
    },
    Profile {
        name: "Tandem Travel",
        external_id: "tandem",
        zone: "Europe/Lisbon",
        plan: None,
        company: Company {
            address: "Rua do Exemplo 8",
            postal_code: "1100-001",
            city: "Lisboa",
            country: "PT",
        },
        people: &[Person {
            name: "Marta Nunes",
            email: "marta@tandem.example",
            role: Role::Owner,
            workspaces: &[],
        }],
        workspaces: &[("trips", "Trips")],
        agents: &[Agent { id: "trip-helper", workspace: "trips", weight: 1, hours: &ALL_DAY }],
        numbers: &[Number { id: "lisbon", workspace: "trips", toll_free: false }],
        calls: [9, 12, 10],
        chats: 22,
        mean_call_seconds: 140,
        funding: Funding::EndsAt { below: 150, amount: 1_000, days_ago: 5, left: 30 },
        limits: None,
        card_declines: false,
    },
    Profile {
        name: "Nordlicht Energie",
        external_id: "nordlicht",
        zone: "Europe/Berlin",
        plan: Some(Plan::Given("starter")),
        company: Company {
            address: "Beispielstraße 3",
            postal_code: "20095",
            city: "Hamburg",
            country: "DE",
        },
        people: &[Person {
            name: "Jonas Petersen",
            email: "jonas@nordlicht.example",
            role: Role::Owner,
            workspaces: &[],
        }],
        workspaces: &[("service", "Service"), ("sales", "Sales")],
        agents: &[
            Agent { id: "meter-readings", workspace: "service", weight: 3, hours: &OFFICE },
            Agent { id: "tariff-advisor", workspace: "sales", weight: 2, hours: &OFFICE },
        ],
        numbers: &[
            Number { id: "hamburg", workspace: "service", toll_free: false },
            Number { id: "tariff-line", workspace: "sales", toll_free: true },
        ],
        calls: [24, 6, 0],
        chats: 8,
        mean_call_seconds: 120,
        funding: Funding::EndsAt { below: 200, amount: 1_000, days_ago: 6, left: -340 },
        limits: None,
        card_declines: true,
    },
];
