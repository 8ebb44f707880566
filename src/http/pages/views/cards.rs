//! Saved cards and auto-reload.

use askama::Template;

use super::chrome::Chrome;
use super::topup::PaymentRow;
use crate::base::Timestamp;
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Chip, Notice, Pager, Runway};

/// A saved card in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRow {
    /// Sent by its forms as `id`.
    pub id: String,
    /// `Visa •••• 4242`.
    pub label: String,
    /// `12/2030`.
    pub ends: String,
    /// What is worth a word: default, expires soon, expired, charged by auto-reload.
    pub chips: Vec<Chip>,
    /// It is the default.
    pub is_default: bool,
    /// Auto-reload charges it: removing it switches that off.
    pub reloads: bool,
    /// Since when.
    pub added: Timestamp,
}

/// `GET /payment-methods`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/payment_methods.html")]
pub struct PaymentMethodsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The cards, the default first.
    pub cards: Vec<CardRow>,
    /// Why none can be saved here.
    pub closed: Option<Notice>,
    /// The reader may change them.
    pub may_edit: bool,
}

/// `GET /auto-reload`. The form posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/auto_reload.html")]
pub struct AutoReloadPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// How it stands, and what to do next.
    pub notice: Notice,
    /// The reader may change it, and a card is saved.
    pub may_edit: bool,
    /// What cards were charged this month by auto-reload, with tax.
    pub spent: String,
    /// The cards to choose from: id and label.
    pub cards: Vec<(String, String)>,
    /// What one charge may be: `€5.00 to €10,000.00`.
    pub range: String,
    /// The code of the currency.
    pub currency: &'static str,
    /// Names: `enabled`, `threshold_credits`, `amount`, `monthly_cap`, `payment_method_id`.
    pub form: FormState,
    /// Past reloads.
    pub past: Vec<PaymentRow>,
    /// To the reloads before them.
    pub pager: Pager,
    /// The balance, with reloads and threshold on it; none where there are neither.
    pub balance: Option<Runway>,
}

impl AutoReloadPage {
    fn fields(&self) -> Vec<Field> {
        let form = &self.form;
        let line = |name, label| Field::line(form, name, label).inputmode("decimal").autocomplete("off");
        let cards = self.cards.iter().map(|(id, label)| Choice::new(id.as_str(), label.as_str())).collect();
        vec![
            Field::new(form, "enabled", "Buy credit by itself", Control::Check).filter(),
            line("threshold_credits", "When the balance falls below")
                .suffix("credits")
                .hint("Switched on while it is below already, the card is charged at once."),
            line("amount", "Buy credit for")
                .suffix(self.currency)
                .hint(format!("Before tax, {}. Once for each time the balance falls below.", self.range)),
            line("monthly_cap", "At most in a month")
                .suffix(self.currency)
                .optional()
                .hint("With tax. Empty: no cap. It starts over with the calendar month."),
            Field::new(form, "payment_method_id", "Card", Control::Select(cards)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::super::samples::{self, at};
    use super::*;
    use crate::http::pages::components::Tone;

    impl PaymentMethodsPage {
        /// Two cards, of which one ends soon.
        pub(crate) fn sample() -> Self {
            let card = |id: &str, is_default, chips| CardRow {
                id: id.into(),
                label: "Visa •••• 4242".into(),
                ends: "12/2030".into(),
                chips,
                is_default,
                reloads: is_default,
                added: at("2026-11-21T08:10:00Z"),
            };
            Self {
                chrome: samples::chrome(
                    Section::PaymentMethods,
                    &[("My Credit", "/overview"), ("Payment methods", "")],
                ),
                cards: vec![
                    card("pm_0", true, vec![Chip::new(Tone::Neutral, "Default")]),
                    card("pm_1", false, vec![Chip::new(Tone::Warn, "Expires soon")]),
                ],
                closed: None,
                may_edit: true,
            }
        }
    }

    impl AutoReloadPage {
        /// Switched on.
        pub(crate) fn sample() -> Self {
            let values = [
                ("enabled", "on"),
                ("threshold_credits", "2000"),
                ("amount", "50.00"),
                ("payment_method_id", "pm_0"),
            ];
            let values = values.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            Self {
                chrome: samples::chrome(
                    Section::AutoReload,
                    &[("My Credit", "/overview"), ("Auto-reload", "")],
                ),
                notice: Notice { tone: Tone::Good, text: "On.".into(), link: None },
                may_edit: true,
                spent: "€60.50".into(),
                cards: vec![("pm_0".into(), "Visa •••• 4242".into())],
                range: "€5.00 to €10,000.00".into(),
                currency: "EUR",
                form: FormState { values, ..FormState::default() },
                past: vec![PaymentRow {
                    href: "/topup/pay_0".into(),
                    at: at("2026-11-21T08:10:00Z"),
                    what: "5,000.00 credits".into(),
                    price: "€60.50".into(),
                    status: "settled",
                }],
                pager: Pager { next: Some("/auto-reload?cursor=c".into()), ..Pager::default() },
                balance: Some(samples::runway("runway")),
            }
        }
    }
}
