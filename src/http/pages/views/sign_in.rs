//! Signing in.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::field::{Control, Field, FormState};

/// `GET /sign-in`; the form posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/sign_in.html")]
pub struct SignInPage {
    /// What stands around it, outside of the navigation.
    pub chrome: Chrome,
    /// Names: `email`, `password`. A wrong pair is a `problem`, never an error of one field.
    pub form: FormState,
    /// The local address to go to afterwards, sent back as `next`; empty for the start page.
    pub next: String,
}

impl SignInPage {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::new(&self.form, "email", "Email", Control::Line("email")).autocomplete("username"),
            Field::new(&self.form, "password", "Password", Control::Line("password"))
                .autocomplete("current-password"),
        ]
    }
}

#[cfg(test)]
impl SignInPage {
    /// A wrong password.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        use crate::http::pages::components::Problem;
        let mut form = FormState::default();
        form.values.insert("email".into(), "marta@riberadental.example".into());
        form.problem = Some(Problem {
            what: "That email and password do not belong together.".into(),
            moved: "You are not signed in.".into(),
            next: "Check both and try again.".into(),
            request_id: "req_01jd6z7k2m".into(),
        });
        Self { chrome: samples::chrome(Section::Outside, &[]), form, next: "/usage?from=2026-11-01".into() }
    }
}
