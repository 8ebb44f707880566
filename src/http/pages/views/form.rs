//! A page that is one form, and the page that shows a new API key.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::field::{Field, FormState};
use crate::http::pages::components::{CodeBlock, Notice};

/// A page that is one form.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/form.html")]
pub struct FormPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The heading.
    pub title: String,
    /// What it does; empty for nothing.
    pub lead: String,
    /// Where it is sent.
    pub action: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What was typed, and what is wrong with it.
    pub form: FormState,
    /// What the button says.
    pub submit: String,
    /// Where one goes instead.
    pub cancel: String,
    /// Sent back as `idempotency_key`, so that a form sent twice acts once.
    pub idempotency_key: String,
}

/// A new API key, which is shown this once.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/key_issued.html")]
pub struct KeyIssuedPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Whose it is.
    pub organization: String,
    /// The key; none when the form was sent a second time.
    pub key: Option<CodeBlock>,
    /// A command that uses it.
    pub example: Option<CodeBlock>,
    /// What to know about it.
    pub advice: Notice,
    /// Where one goes on.
    pub back: String,
}

#[cfg(test)]
impl FormPage {
    /// A form with every kind of field and a mistake.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        use crate::http::pages::components::field::{Choice, Control};
        let mut form = FormState::default();
        form.values.insert("email".into(), "marta@".into());
        form.values.insert("workspaces".into(), "clinics".into());
        form.errors.insert("email".into(), "is not an email address".into());
        form.errors.insert("workspaces".into(), "must be chosen for a member".into());
        let workspaces = vec![Choice::new("clinics", "Clinics"), Choice::new("front-desk", "Front desk")];
        let crumbs = [("Operator", ""), ("Organizations", "/operator/organizations"), ("Add a person", "")];
        Self {
            chrome: samples::chrome(Section::Organizations, &crumbs),
            title: "Add a person".into(),
            lead: "Somebody who signs in and sees this organization's pages.".into(),
            action: "/operator/organizations/org_0a/people/new".into(),
            fields: vec![
                Field::new(&form, "email", "Email", Control::Line("email")),
                Field::new(&form, "workspaces", "Workspaces", Control::Checks(workspaces)).filter(),
            ],
            form,
            submit: "Add".into(),
            cancel: "/operator/organizations/org_0a".into(),
            idempotency_key: "req_5t".into(),
        }
    }
}

#[cfg(test)]
impl KeyIssuedPage {
    /// A key that was just made.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        use crate::http::pages::components::Tone;
        let crumbs = [("Operator", ""), ("Organizations", "/operator/organizations"), ("New key", "")];
        Self {
            chrome: samples::chrome(Section::Organizations, &crumbs),
            organization: "Ribera Dental Clinics".into(),
            key: Some(CodeBlock { label: "The key".into(), text: "tb_test_4f9aQm2x".into() }),
            example: Some(CodeBlock { label: "Try it".into(), text: "curl …".into() }),
            advice: Notice {
                tone: Tone::Warn,
                text: "Copy it now: it is not shown again.".into(),
                link: None,
            },
            back: "/operator/organizations/org_0a".into(),
        }
    }
}
