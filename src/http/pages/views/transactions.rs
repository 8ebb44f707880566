//! Transactions: the list, and each one's own page.

use askama::Template;

use super::chrome::Chrome;
use crate::base::{Credits, Timestamp};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Chip, EmptyState, Pager, Tone};

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRow {
    /// Its id, as in the address.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The type, as in the API: `usage`, `purchase`, …
    pub kind: String,
    /// What it was.
    pub description: String,
    /// What it changed: positive came in.
    pub amount: Credits,
    /// What there was afterwards.
    pub balance_after: Credits,
    /// The classes of credit it touched: free, plan, paid.
    pub classes: Vec<Tone>,
    /// When the credit that came in expires.
    pub expires: Option<Timestamp>,
}

impl TransactionRow {
    /// The type, as people call it.
    #[must_use]
    pub fn kind_label(&self) -> &str {
        kind_label(&self.kind)
    }

    /// The chips of the classes.
    #[must_use]
    pub fn chips(&self) -> Vec<Chip> {
        self.classes.iter().copied().map(Chip::of).collect()
    }
}

/// The types of transactions with the names that people see, in the order of the filter.
pub const KINDS: [(&str, &str); 12] = [
    ("usage", "Usage"),
    ("purchase", "Top-up"),
    ("welcome_bonus", "Welcome credit"),
    ("plan_grant", "Plan credit"),
    ("adjustment", "Adjustment"),
    ("refund", "Refund"),
    ("expiry", "Expired"),
    ("number_rental", "Number rental"),
    ("transfer_in", "Transfer in"),
    ("transfer_out", "Transfer out"),
    ("clawback", "Clawback"),
    ("reversal", "Reversal"),
];

/// The name of a type; an unknown one is its own name.
#[must_use]
pub fn kind_label(kind: &str) -> &str {
    KINDS.iter().find(|(code, _)| *code == kind).map_or(kind, |(_, label)| label)
}

/// What the list is narrowed to. Lives in the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// Names: `from`, `to` (days, both included), `type`, `class`. Wrong input comes back with its error.
    pub form: FormState,
    /// True when anything narrows the list.
    pub active: bool,
}

impl TransactionFilter {
    fn fields(&self) -> Vec<Field> {
        let mut kinds = vec![Choice::new("", "All types")];
        kinds.extend(KINDS.iter().map(|(code, label)| Choice::new(*code, *label)));
        let classes = vec![
            Choice::new("", "All credit"),
            Choice::new("free", "Free"),
            Choice::new("plan", "Plan"),
            Choice::new("paid", "Paid"),
        ];
        vec![
            Field::new(&self.form, "from", "From", Control::Line("date")).filter(),
            Field::new(&self.form, "to", "To", Control::Line("date")).filter(),
            Field::new(&self.form, "type", "Type", Control::Select(kinds)).filter(),
            Field::new(&self.form, "class", "Credit", Control::Select(classes)).filter(),
        ]
    }
}

/// `GET /transactions`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/transactions.html")]
pub struct TransactionsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What the list is narrowed to.
    pub filter: TransactionFilter,
    /// The rows, newest first.
    pub rows: Vec<TransactionRow>,
    /// The way to the neighbouring pages.
    pub pager: Pager,
    /// Address of the same rows as CSV.
    pub csv: String,
    /// Where credit is sent from, where the plan allows it.
    pub send: Option<String>,
}

impl TransactionsPage {
    fn empty(&self) -> EmptyState {
        if self.filter.active {
            EmptyState {
                title: "Nothing matches".into(),
                text: "No transaction fits this filter.".into(),
                action: Some(("/transactions".into(), "Clear the filter".into())),
            }
        } else {
            EmptyState {
                title: "No transactions yet".into(),
                text: "Credit received and charges will be listed here.".into(),
                action: None,
            }
        }
    }
}

/// One transfer of a transaction: which credit it drew on or filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Free, plan or paid.
    pub class: Tone,
    /// Where that credit came from: `Top-up of 12 Nov 2026`.
    pub label: String,
    /// What changed in it.
    pub amount: Credits,
}

impl Draw {
    /// The chip of its class.
    #[must_use]
    pub fn chip(&self) -> Chip {
        Chip::of(self.class)
    }
}

/// `GET /transactions/{id}`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/transaction.html")]
pub struct TransactionPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The transaction.
    pub row: TransactionRow,
    /// The credit it moved.
    pub draws: Vec<Draw>,
    /// The usage item behind it, by id.
    pub usage_item: Option<String>,
    /// Why, for what a person did.
    pub reason: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// The transaction that this one corrects, by id.
    pub corrects: Option<String>,
    /// The transaction that corrects this one, by id.
    pub corrected_by: Option<String>,
    /// Its place in the hash chain, in hexadecimal.
    pub hash: Option<String>,
    /// What the integration attached.
    pub metadata: Vec<(String, String)>,
}

#[cfg(test)]
impl TransactionsPage {
    /// A page in the middle of a list.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        let mut form = FormState::default();
        form.values.insert("from".into(), "2026-10-01".into());
        form.values.insert("to".into(), "2026-11-21".into());
        Self {
            chrome: samples::chrome(
                Section::Transactions,
                &[("My Credit", "/overview"), ("Transactions", "")],
            ),
            filter: TransactionFilter { form, active: true },
            rows: samples::transactions(),
            pager: Pager {
                first: Some("/transactions?from=2026-10-01&to=2026-11-21".into()),
                next: Some("/transactions?from=2026-10-01&to=2026-11-21&cursor=b2xkZXI".into()),
                position: "8 of 1,204 transactions".into(),
            },
            csv: "/transactions.csv?from=2026-10-01&to=2026-11-21".into(),
            send: Some("/transfer".into()),
        }
    }

    /// A filter that matches nothing.
    pub(crate) fn sample_empty() -> Self {
        let mut page = Self::sample();
        page.rows.clear();
        page.pager = Pager::default();
        page
    }
}

#[cfg(test)]
impl TransactionPage {
    /// An adjustment that was taken back again.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        use samples::c;
        let crumbs = [("My Credit", "/overview"), ("Transactions", "/transactions"), ("txn_5jz", "")];
        Self {
            chrome: samples::chrome(Section::Transactions, &crumbs),
            row: samples::transactions().swap_remove(3),
            draws: vec![Draw {
                class: Tone::Free,
                label: "Goodwill of 20 Nov 2026".into(),
                amount: c("500"),
            }],
            usage_item: Some("use_8f3k1".into()),
            reason: Some("Outage on 18 November: two hours without inbound calls".into()),
            actor: Some("ops@vozia.example".into()),
            corrects: None,
            corrected_by: Some("txn_5k3".into()),
            hash: Some("9f2c51d07be1a4480c3e".into()),
            metadata: vec![("ticket".into(), "SUP-2214".into())],
        }
    }
}
