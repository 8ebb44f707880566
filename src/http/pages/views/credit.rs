//! The operator gives credit, or takes it back: the form, then what would change, then it happens.

use askama::Template;

use super::chrome::Chrome;
use crate::base::{Credits, Day};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Chip, Tone};
use crate::http::pages::format::{self, Show};

/// A class of credit, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartChange {
    /// Free, plan or paid.
    pub class: Tone,
    /// Before.
    pub before: Credits,
    /// After.
    pub after: Credits,
}

impl PartChange {
    fn chip(&self) -> Chip {
        Chip::of(self.class)
    }
}

/// A grant, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantChange {
    /// Where it came from: `Top-up of 12 Nov 2026`; `New grant` for the one to be made.
    pub label: String,
    /// What it holds before.
    pub before: Credits,
    /// What it holds after.
    pub after: Credits,
}

/// What would change, computed by the server from what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditPreview {
    /// The signed change.
    pub change: Credits,
    /// Available before.
    pub before: Credits,
    /// Available after.
    pub after: Credits,
    /// What of it would repay an overdraft.
    pub repays: Credits,
    /// The classes.
    pub parts: Vec<PartChange>,
    /// The grants that would be touched.
    pub grants: Vec<GrantChange>,
}

/// `GET /operator/organizations/{id}/credit`. The form posts to the same address with `step`: `preview` shows the
/// page again with a preview, `edit` without, `confirm` does it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/credit.html")]
pub struct CreditPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The organization's id.
    pub organization_id: String,
    /// Its name.
    pub organization: String,
    /// Its money and timezone.
    pub show: Show,
    /// What it can spend now.
    pub available: Credits,
    /// Names: `direction` (`give`, `take`), `credits`, `class`, `expires` (a day), `reason`.
    pub form: FormState,
    /// What would change; none until it has been asked for and nothing is wrong.
    pub preview: Option<CreditPreview>,
    /// Sent back as `idempotency_key`, so that a form sent twice acts once.
    pub idempotency_key: String,
}

impl CreditPage {
    fn fields(&self) -> Vec<Field> {
        let form = &self.form;
        let directions = vec![Choice::new("give", "Give credit"), Choice::new("take", "Take credit back")];
        let classes = vec![
            Choice::new("free", "Free: goodwill, promotion"),
            Choice::new("plan", "Plan: part of a subscription"),
            Choice::new("paid", "Paid: money was received"),
        ];
        vec![
            Field::new(form, "direction", "What to do", Control::Radio(directions)),
            Field::line(form, "credits", "Amount")
                .inputmode("decimal")
                .autocomplete("off")
                .suffix("credits")
                .hint("With a point before the decimals, at most six."),
            Field::new(form, "class", "Kind of credit", Control::Select(classes))
                .hint("Taking back draws on grants of this kind only, never below what is there."),
            Field::new(form, "expires", "Last day", Control::Line("date"))
                .optional()
                .hint("Of credit that is given. Empty: it does not expire."),
            Field::new(form, "reason", "Reason", Control::Text)
                .hint("Kept in the audit log and shown to the customer with the transaction."),
        ]
    }

    /// What is moved, whichever way.
    fn moved(&self, change: Credits) -> String {
        self.show.amount_text(Credits::from_micros(change.micros().saturating_abs()))
    }

    /// The last day, as people write it.
    fn last_day(&self) -> String {
        let typed = self.form.value("expires");
        typed.parse::<Day>().map_or_else(|_| typed.to_owned(), format::day)
    }

    /// What was typed, to be sent back by the confirmation.
    fn typed(&self) -> Vec<(&'static str, &str)> {
        ["direction", "credits", "class", "expires", "reason"]
            .into_iter()
            .map(|name| (name, self.form.value(name)))
            .collect()
    }
}

#[cfg(test)]
impl CreditPage {
    /// The form, sent without a reason.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, c};
        let crumbs = [
            ("Operator", ""),
            ("Organizations", "/operator/organizations"),
            ("Ribera Dental Clinics", "/operator/organizations/org_0a"),
            ("Credit", ""),
        ];
        let mut form = FormState::default();
        for (name, value) in
            [("direction", "give"), ("credits", "500"), ("class", "free"), ("expires", "2027-02-20")]
        {
            form.values.insert(name.into(), value.into());
        }
        form.errors.insert("reason".into(), "is missing".into());
        Self {
            chrome: samples::chrome(Section::Organizations, &crumbs),
            organization_id: "org_0a".into(),
            organization: "Ribera Dental Clinics".into(),
            show: samples::show(),
            available: c("4511"),
            form,
            preview: None,
            idempotency_key: "idk_5t".into(),
        }
    }

    /// What would change.
    pub(crate) fn sample_preview() -> Self {
        use super::samples::c;
        let mut page = Self::sample();
        page.form.errors.clear();
        page.form.values.insert("reason".into(), "Outage on 18 November".into());
        let part =
            |class, before: &str, after: &str| PartChange { class, before: c(before), after: c(after) };
        page.preview = Some(CreditPreview {
            change: c("500"),
            before: c("4511"),
            after: c("5011"),
            repays: Credits::ZERO,
            parts: vec![
                part(Tone::Free, "343", "843"),
                part(Tone::Plan, "1168", "1168"),
                part(Tone::Paid, "3000", "3000"),
            ],
            grants: vec![GrantChange { label: "New grant".into(), before: Credits::ZERO, after: c("500") }],
        });
        page
    }
}
