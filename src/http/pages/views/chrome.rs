//! What stands around every page: brand, balance, who is signed in, where one is.

use crate::base::{Credits, Timestamp};
use crate::http::pages::components::Notice;
use crate::http::pages::format::Show;

/// The operator's looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// The operator's name.
    pub name: String,
    /// Address of a logo to show before the name.
    pub logo: Option<String>,
    /// Address of the style sheet with the accent colour.
    pub stylesheet: String,
}

/// The places of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// No navigation: signing in, setting up.
    Outside,
    /// Customer: overview.
    Overview,
    /// Customer: the plan.
    Plan,
    /// Customer: usage.
    Usage,
    /// Customer: calls.
    Calls,
    /// Customer: transactions.
    Transactions,
    /// Customer: limits and agents.
    Limits,
    /// Customer: rented numbers.
    Numbers,
    /// Customer: buying credit.
    TopUp,
    /// Customer: invoices.
    Invoices,
    /// Customer: whom invoices are made out to.
    BillingDetails,
    /// Customer: buying credit by itself.
    AutoReload,
    /// Customer: saved cards.
    PaymentMethods,
    /// Customer: below which balances people are told.
    Alerts,
    /// Customer: servers that are told.
    Webhooks,
    /// Who may see the pages.
    Members,
    /// Operator: organizations.
    Organizations,
    /// Operator: payments, refunds and disputes.
    Payments,
    /// Operator: rates, plans and packages.
    Prices,
    /// Operator: reports.
    Reports,
    /// Operator: what was sent to whom.
    Deliveries,
    /// Operator: who writes the invoices.
    Seller,
    /// Operator: what is done from time to time.
    Jobs,
    /// Operator: the clock of test mode.
    Clock,
}

/// The balance in the top bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// What can be spent now.
    pub available: Credits,
    /// True when it needs attention.
    pub low: bool,
}

/// An operator looks at a customer's pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeeingAs {
    /// The organization's name.
    pub organization: String,
    /// Where the form that ends it is sent.
    pub leave: String,
}

/// An organization that the person can switch to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The organization's id, sent by the switching form as `organization`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// True for the one whose pages these are.
    pub current: bool,
}

/// A step of the way to this page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crumb {
    /// Its name.
    pub label: String,
    /// Its address; none for this page.
    pub href: Option<String>,
}

impl Crumb {
    /// A step with an address.
    #[must_use]
    pub fn link(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self { label: label.into(), href: Some(href.into()) }
    }

    /// This page.
    #[must_use]
    pub fn here(label: impl Into<String>) -> Self {
        Self { label: label.into(), href: None }
    }
}

/// A link of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NavItem {
    /// Its name.
    pub label: &'static str,
    /// Its address.
    pub href: &'static str,
    /// True where one is.
    pub current: bool,
}

/// Links of the navigation that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NavGroup {
    /// Their heading; empty for none.
    pub label: &'static str,
    /// The links.
    pub items: Vec<NavItem>,
}

/// Everything around a page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chrome {
    /// The operator's looks.
    pub brand: Brand,
    /// The reader's money and timezone.
    pub show: Show,
    /// The time on the test clock, in test mode; none in live mode.
    pub test_clock: Option<Timestamp>,
    /// Sent back by every form as `csrf`; there before sign-in too.
    pub csrf: String,
    /// Who is signed in, by email.
    pub person: Option<String>,
    /// Where in the navigation this page is.
    pub section: Section,
    /// The balance in the top bar; none for an operator and for members who may not see it.
    pub balance: Option<Balance>,
    /// Set while an operator looks at a customer's pages.
    pub seeing_as: Option<SeeingAs>,
    /// The organizations of the person, this one included.
    pub memberships: Vec<Membership>,
    /// The way to this page, ending with it.
    pub crumbs: Vec<Crumb>,
    /// What is to be said above the content.
    pub notice: Option<Notice>,
    /// The request's id, in the footer.
    pub request_id: String,
}

impl Chrome {
    /// The navigation for this page.
    #[must_use]
    pub fn nav(&self) -> Vec<NavGroup> {
        let item = |label, href, section| NavItem { label, href, current: self.section == section };
        match self.section {
            Section::Outside => Vec::new(),
            // those who may not see the balance see usage and calls alone
            Section::Usage | Section::Calls if self.balance.is_none() => vec![NavGroup {
                label: "My Credit",
                items: vec![item("Usage", "/usage", Section::Usage), item("Calls", "/calls", Section::Calls)],
            }],
            Section::Overview
            | Section::Plan
            | Section::Usage
            | Section::Calls
            | Section::Transactions
            | Section::Limits
            | Section::Numbers
            | Section::TopUp
            | Section::Invoices
            | Section::BillingDetails
            | Section::AutoReload
            | Section::PaymentMethods
            | Section::Alerts
            | Section::Webhooks
            | Section::Members => {
                vec![NavGroup {
                    label: "My Credit",
                    items: vec![
                        item("Overview", "/overview", Section::Overview),
                        item("Usage", "/usage", Section::Usage),
                        item("Calls", "/calls", Section::Calls),
                        item("Transactions", "/transactions", Section::Transactions),
                        item("Limits & agents", "/limits", Section::Limits),
                        item("Numbers", "/numbers", Section::Numbers),
                        item("Plan", "/plan", Section::Plan),
                        item("Top up", "/topup", Section::TopUp),
                        item("Invoices", "/invoices", Section::Invoices),
                        item("Billing details", "/billing-details", Section::BillingDetails),
                        item("Auto-reload", "/auto-reload", Section::AutoReload),
                        item("Payment methods", "/payment-methods", Section::PaymentMethods),
                        item("Alerts", "/alerts", Section::Alerts),
                        item("Webhooks", "/webhooks", Section::Webhooks),
                        item("Members", "/members", Section::Members),
                    ],
                }]
            }
            Section::Organizations
            | Section::Payments
            | Section::Prices
            | Section::Reports
            | Section::Deliveries
            | Section::Seller
            | Section::Jobs
            | Section::Clock => {
                let mut items = vec![
                    item("Organizations", "/operator/organizations", Section::Organizations),
                    item("Payments", "/operator/payments", Section::Payments),
                    item("Prices", "/operator/rates", Section::Prices),
                    item("Reports", "/operator/reports", Section::Reports),
                    item("Deliveries", "/operator/deliveries", Section::Deliveries),
                    item("Jobs", "/operator/jobs", Section::Jobs),
                    item("Seller", "/operator/seller", Section::Seller),
                ];
                if self.test_clock.is_some() {
                    items.push(item("Clock", "/operator/clock", Section::Clock));
                }
                vec![NavGroup { label: "Operator", items }]
            }
        }
    }

    /// The name of the navigation's current place, for the closed menu on narrow screens.
    #[must_use]
    pub fn place(&self) -> &'static str {
        self.nav()
            .iter()
            .flat_map(|group| &group.items)
            .find(|item| item.current)
            .map_or("Menu", |item| item.label)
    }

    /// The organization whose pages these are.
    #[must_use]
    pub fn organization(&self) -> Option<&Membership> {
        self.memberships.iter().find(|membership| membership.current)
    }
}
