//! First start: one page that makes the operator's account and says in whose name money is taken.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::field::{Choice, Control, Field, FormState};

/// `GET /setup/{token}`; the form posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/setup.html")]
pub struct SetupPage {
    /// What stands around it, outside of the navigation.
    pub chrome: Chrome,
    /// The one-time token of the address.
    pub token: String,
    /// Names: `email`, `password`, `currency`, `timezone`, `seller_name`, `seller_address`, `seller_country`,
    /// `seller_vat_id`, `seller_email`.
    pub form: FormState,
    /// Currencies by code.
    pub currencies: Vec<Choice>,
    /// Timezones to suggest.
    pub timezones: Vec<String>,
    /// Countries by two-letter code.
    pub countries: Vec<Choice>,
    /// The fewest characters of a password.
    pub password_min: usize,
}

impl SetupPage {
    /// The operator's account.
    #[must_use]
    pub fn account(&self) -> Vec<Field> {
        let form = &self.form;
        vec![
            Field::new(form, "email", "Email", Control::Line("email")).autocomplete("username"),
            Field::new(form, "password", "Password", Control::Line("password"))
                .autocomplete("new-password")
                .hint(format!(
                    "At least {} characters. A sentence is easier to keep than a riddle.",
                    self.password_min
                )),
        ]
    }

    /// Money and time.
    #[must_use]
    pub fn defaults(&self) -> Vec<Field> {
        let form = &self.form;
        vec![
            Field::new(form, "currency", "Currency", Control::Select(self.currencies.clone()))
                .hint("For new organizations; each keeps the one it starts with."),
            Field::line(form, "timezone", "Timezone")
                .hint("Where days and months begin, such as Europe/Madrid.")
                .suggestions(self.timezones.clone()),
        ]
    }

    /// Who sells.
    #[must_use]
    pub fn seller(&self) -> Vec<Field> {
        let form = &self.form;
        vec![
            Field::line(form, "seller_name", "Legal name").autocomplete("organization"),
            Field::new(form, "seller_address", "Address", Control::Text).autocomplete("street-address"),
            Field::new(form, "seller_country", "Country", Control::Select(self.countries.clone()))
                .autocomplete("country"),
            Field::line(form, "seller_vat_id", "VAT ID")
                .optional()
                .hint("With the country's prefix, such as ESB12345674."),
            Field::new(form, "seller_email", "Email for customers' questions", Control::Line("email"))
                .optional()
                .autocomplete("off"),
        ]
    }

    fn all(&self) -> Vec<Field> {
        [self.account(), self.defaults(), self.seller()].concat()
    }
}

#[cfg(test)]
impl SetupPage {
    /// A form that came back with a mistake.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        let mut form = FormState::default();
        for (name, value) in [
            ("email", "ops@vozia.example"),
            ("currency", "EUR"),
            ("timezone", "Europe/Madrit"),
            ("seller_name", "Vozia Telecom S.L."),
            ("seller_country", "ES"),
        ] {
            form.values.insert(name.into(), value.into());
        }
        form.errors.insert("timezone".into(), "is not an IANA timezone, such as Europe/Madrid".into());
        Self {
            chrome: samples::chrome(Section::Outside, &[]),
            token: "st_7Qm2".into(),
            form,
            currencies: vec![Choice::new("EUR", "EUR · Euro"), Choice::new("USD", "USD · US dollar")],
            timezones: vec!["Europe/Madrid".into(), "UTC".into()],
            countries: vec![Choice::new("ES", "Spain"), Choice::new("DE", "Germany")],
            password_min: 12,
        }
    }
}
