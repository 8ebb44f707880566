//! The operator's page about money: payments, refunds, disputes.

use askama::Template;

use super::chrome::Chrome;
use crate::base::Timestamp;
use crate::http::pages::components::{DataTable, Pager};

/// A customer who asks for money back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The refund.
    pub id: String,
    /// The customer's name.
    pub who: String,
    /// The page of the payment's refund.
    pub payment: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// How much, with tax.
    pub amount: String,
    /// In words.
    pub note: String,
}

/// A payment that the customer's bank disputes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeRow {
    /// The customer's name.
    pub who: String,
    /// The page of the payment's refund.
    pub payment: String,
    /// When it was first told.
    pub at: Timestamp,
    /// How much, with tax.
    pub amount: String,
    /// In credits.
    pub frozen: String,
    /// What the customer told the bank.
    pub reason: String,
    /// Where it stands.
    pub status: &'static str,
    /// Where the sandbox's bank is told what to decide.
    pub decide: Option<String>,
}

/// Something for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcernRow {
    /// Where is told that somebody has looked.
    pub action: String,
    /// What is the matter.
    pub what: &'static str,
    /// What happened to money and credit, and what to do.
    pub advice: &'static str,
    /// What the button says by which the payment comes to nothing, where one waits for that: having looked is not enough then.
    pub give_up: Option<&'static str>,
    /// The customer's name, where it is known.
    pub who: String,
    /// The customer's page.
    pub organization: Option<String>,
    /// When it was first seen.
    pub at: Timestamp,
    /// An id, ours or the provider's.
    pub subject: String,
    /// What showed it.
    pub detail: String,
}

/// Rows of a page of a list, and the way to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The ways.
    pub pager: Pager,
}

impl<T> Paged<T> {
    /// Nothing here, and nothing before.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.pager.first.is_none()
    }
}

/// `GET /operator/payments`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/money.html")]
pub struct MoneyPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What no program can settle.
    pub looks: Paged<ConcernRow>,
    /// Refunds of which nobody knows whether they were given back.
    pub stuck: Vec<RequestRow>,
    /// What the operator is asked.
    pub requests: Vec<RequestRow>,
    /// What banks are asked.
    pub disputes: Paged<DisputeRow>,
    /// The newest payments.
    pub payments: DataTable,
    /// To the payments before them.
    pub payments_pager: Pager,
    /// The newest refunds.
    pub refunds: DataTable,
    /// To the refunds before them.
    pub refunds_pager: Pager,
    /// Work that was tried for days.
    pub dead: DataTable,
}

#[cfg(test)]
impl MoneyPage {
    /// One of everything.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at};
        use crate::http::pages::components::table::Cell;
        let table = |caption: &str, labels: &[&str], cells: &[&str]| {
            let mut table = DataTable::new(caption, labels);
            table.rows.push(cells.iter().map(|text| Cell::text(*text)).collect());
            table
        };
        Self {
            chrome: samples::chrome(Section::Payments, &[("Operator", ""), ("Payments", "")]),
            looks: Paged {
                rows: vec![ConcernRow {
                    action: "/operator/payments/concerns/con_0".into(),
                    what: "Another amount was paid",
                    advice: "Nothing was credited. Give it back at the provider, or credit it by hand.",
                    give_up: Some("It was settled otherwise"),
                    who: "Ribera Dental Clinics".into(),
                    organization: Some("/operator/organizations/org_0".into()),
                    at: at("2026-11-20T10:00:00Z"),
                    subject: "pay_0".into(),
                    detail: "60.00 EUR was paid, 60.50 EUR was asked for (2 times)".into(),
                }],
                pager: Pager { next: Some("/operator/payments?concerns=c".into()), ..Pager::default() },
            },
            stuck: Vec::new(),
            requests: vec![RequestRow {
                id: "ref_0".into(),
                who: "Ribera Dental Clinics".into(),
                payment: "/operator/payments/pay_0/refund".into(),
                at: at("2026-11-20T10:00:00Z"),
                amount: "€60.50".into(),
                note: "We bought too much.".into(),
            }],
            disputes: Paged {
                pager: Pager::default(),
                rows: vec![DisputeRow {
                    who: "Ribera Dental Clinics".into(),
                    payment: "/operator/payments/pay_0/refund".into(),
                    at: at("2026-11-20T10:00:00Z"),
                    amount: "€60.50".into(),
                    frozen: "5,000.00".into(),
                    reason: "fraudulent".into(),
                    status: "open",
                    decide: Some("/operator/disputes/dsp_0".into()),
                }],
            },
            payments: table(
                "Payments",
                &["Customer", "Begun", "Credits", "Total", "Status"],
                &["Ribera Dental Clinics", "20 Nov 2026", "5,000.00", "€60.50", "settled"],
            ),
            refunds: table(
                "Refunds",
                &["Customer", "Begun", "Amount", "Reason", "Status"],
                &["Ribera Dental Clinics", "20 Nov 2026", "€12.10", "outage", "succeeded"],
            ),
            payments_pager: Pager { next: Some("/operator/payments?payments=c".into()), ..Pager::default() },
            refunds_pager: Pager::default(),
            dead: table("Work", &["Kind", "Tries", "What went wrong"], &["payment.begin", "20", "no answer"]),
        }
    }
}
