//! Sending credit to another organization.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::Notice;
use crate::http::pages::components::field::{Choice, Control, Field, FormState};

/// `GET /transfer`. The form goes on to [`TransferReviewPage`].
#[derive(Debug, Clone, Template)]
#[template(path = "pages/transfer.html")]
pub struct TransferPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Why nothing can be sent from here.
    pub closed: Option<Notice>,
    /// How much can be sent, in credits.
    pub sendable: String,
    /// The reader's other organizations.
    pub others: Vec<Choice>,
    /// Names: `to`, `credits`, `note`.
    pub form: FormState,
}

impl TransferPage {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::new(&self.form, "to", "To", Control::Select(self.others.clone())),
            Field::line(&self.form, "credits", "Amount")
                .inputmode("decimal")
                .autocomplete("off")
                .suffix("credits")
                .hint(format!("Up to {}: credit that was paid for.", self.sendable)),
            Field::line(&self.form, "note", "Note").optional().hint("Both sides see it."),
        ]
    }
}

/// `GET /transfer/review`: what moves, before it does. The form posts to `/transfer`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/transfer_review.html")]
pub struct TransferReviewPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The receiver's id.
    pub to: String,
    /// Its name.
    pub name: String,
    /// How much, for people.
    pub credits: String,
    /// How much, to the last digit.
    pub exact: String,
    /// For both sides; may be empty.
    pub note: String,
    /// What is left, in credits.
    pub balance: String,
    /// Sent back as `idempotency_key`, so that a form sent twice sends once.
    pub idempotency_key: String,
}

#[cfg(test)]
impl TransferPage {
    /// With a mistake.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        let mut form = FormState::default();
        form.values.insert("credits".into(), "90000".into());
        form.errors.insert("credits".into(), "is more than the 3,000.00 that can be sent".into());
        Self {
            chrome: samples::chrome(
                Section::Transactions,
                &[("My Credit", "/overview"), ("Send credit", "")],
            ),
            closed: None,
            sendable: "3,000.00".into(),
            others: vec![Choice::new("org_0", "Ribera Dental Clinics")],
            form,
        }
    }
}

#[cfg(test)]
impl TransferReviewPage {
    /// To a branch.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        Self {
            chrome: samples::chrome(
                Section::Transactions,
                &[("My Credit", "/overview"), ("Send credit", "/transfer"), ("Review and send", "")],
            ),
            to: "org_0".into(),
            name: "Ribera Dental Clinics".into(),
            credits: "40.50".into(),
            exact: "40.5".into(),
            note: "For December".into(),
            balance: "4,470.50".into(),
            idempotency_key: "req_1".into(),
        }
    }
}
