//! Pages for who is not signed in: a form each.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::field::{Control, Field, FormState};

/// Signing in, asking for a link, and choosing a password.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/outside.html")]
pub struct OutsidePage {
    /// What stands around it, outside of the navigation.
    pub chrome: Chrome,
    /// The heading.
    pub title: &'static str,
    /// What it is for; empty for nothing.
    pub lead: String,
    /// Where it is sent.
    pub action: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What was typed, and what is wrong with it.
    pub form: FormState,
    /// What the button says.
    pub submit: &'static str,
    /// The local address to go to afterwards, sent back as `next`; empty for the start page.
    pub next: Option<String>,
    /// What one may do instead: its text and address.
    pub instead: Option<(&'static str, &'static str)>,
}

impl OutsidePage {
    /// `GET /sign-in`. A wrong pair is a `problem`, never an error of one field.
    #[must_use]
    pub fn sign_in(chrome: Chrome, form: FormState, next: String) -> Self {
        Self {
            fields: vec![
                Field::new(&form, "email", "Email", Control::Line("email")).autocomplete("username"),
                Field::new(&form, "password", "Password", Control::Line("password"))
                    .autocomplete("current-password"),
            ],
            title: "Sign in",
            lead: String::new(),
            action: "/sign-in".into(),
            submit: "Sign in",
            next: Some(next),
            instead: Some(("Forgot your password?", "/forgot-password")),
            chrome,
            form,
        }
    }

    /// `GET /forgot-password`.
    #[must_use]
    pub fn forgot_password(chrome: Chrome, form: FormState) -> Self {
        Self {
            fields: vec![
                Field::new(&form, "email", "Email", Control::Line("email")).autocomplete("username"),
            ],
            title: "Choose another password",
            lead: "Type the address of your account. A link to choose another password is mailed there."
                .into(),
            action: "/forgot-password".into(),
            submit: "Send the link",
            next: None,
            instead: Some(("Back to signing in", "/sign-in")),
            chrome,
            form,
        }
    }

    /// `GET /password/{token}`, for the account of `email`.
    #[must_use]
    pub fn choose_password(
        chrome: Chrome,
        form: FormState,
        (token, email): (&str, &str),
        min_chars: usize,
    ) -> Self {
        let password = Field::new(&form, "password", "Password", Control::Line("password"));
        Self {
            fields: vec![
                password.autocomplete("new-password").hint(format!("At least {min_chars} characters.")),
            ],
            title: "Choose a password",
            lead: format!("For the account of {email}. You are signed out everywhere else."),
            action: format!("/password/{token}"),
            submit: "Set the password",
            next: None,
            instead: None,
            chrome,
            form,
        }
    }
}

impl OutsidePage {
    /// `GET /invitation/{token}`; with `min_chars` for somebody who has no account yet, and so chooses a password.
    #[must_use]
    pub fn invitation(
        chrome: Chrome,
        form: FormState,
        (token, lead): (&str, String),
        min_chars: Option<usize>,
    ) -> Self {
        let password = |min: usize| {
            let field = Field::new(&form, "password", "Password", Control::Line("password"));
            field
                .autocomplete("new-password")
                .hint(format!("For your new account; at least {min} characters."))
        };
        Self {
            fields: min_chars.map(password).into_iter().collect(),
            title: "Your invitation",
            lead,
            action: format!("/invitation/{token}"),
            submit: "Accept",
            next: None,
            instead: None,
            chrome,
            form,
        }
    }
}

#[cfg(test)]
impl OutsidePage {
    /// Signing in with a wrong password.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        use crate::http::pages::components::Problem;
        let mut form = FormState::default();
        form.values.insert("email".into(), "marta@riberadental.example".into());
        form.values.insert("password".into(), "correct horse".into());
        form.problem = Some(Problem {
            what: "That email and password do not belong together.".into(),
            moved: "You are not signed in.".into(),
            next: "Check both and try again.".into(),
            request_id: "req_01jd6z7k2m".into(),
        });
        let chrome = samples::chrome(Section::Outside, &[]);
        Self::sign_in(chrome, form, "/usage?from=2026-11-01".into())
    }

    /// An invitation of somebody who has no account.
    pub(crate) fn sample_invitation() -> Self {
        use super::{Section, samples};
        let lead = "eva@riberadental.example is invited to Ribera Dental Clinics, as billing.".into();
        let chrome = samples::chrome(Section::Outside, &[]);
        Self::invitation(chrome, FormState::default(), ("tb_invite_x", lead), Some(12))
    }

    /// A password that is too short.
    pub(crate) fn sample_choose() -> Self {
        use super::{Section, samples};
        let mut form = FormState::default();
        form.errors.insert("password".into(), "must have at least 12 characters".into());
        let chrome = samples::chrome(Section::Outside, &[]);
        Self::choose_password(chrome, form, ("tb_link_x", "marta@riberadental.example"), 12)
    }
}
