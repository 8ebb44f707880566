//! The sandbox's pages: for paying, and for giving a card.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::Notice;
use crate::http::pages::components::field::{Field, FormState};

/// `GET /sandbox/checkout/{id}` and `/sandbox/setup/{id}`: what a payment provider would show. The form posts to the same
/// address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/sandbox.html")]
pub struct SandboxPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What it is called.
    pub title: &'static str,
    /// What is to be done.
    pub heading: String,
    /// What for.
    pub lead: String,
    /// Its own path.
    pub action: String,
    /// What the button says.
    pub submit: String,
    /// What happened last.
    pub notice: Option<Notice>,
    /// A card can be given.
    pub open: bool,
    /// The bank asks.
    pub confirming: bool,
    /// The cards it knows: number and what is said of it.
    pub cards: Vec<(&'static str, &'static str)>,
    /// Name: `card`.
    pub form: FormState,
    /// Where to go back to.
    pub back: String,
}

impl SandboxPage {
    fn fields(&self) -> Vec<Field> {
        let numbers = self.cards.iter().map(|(number, _)| (*number).to_owned()).collect();
        vec![
            Field::line(&self.form, "card", "Card number")
                .inputmode("numeric")
                .autocomplete("off")
                .suggestions(numbers),
        ]
    }
}

#[cfg(test)]
impl SandboxPage {
    /// After a decline.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        use crate::http::pages::components::Tone;
        Self {
            chrome: samples::chrome(Section::Outside, &[]),
            title: "Sandbox checkout",
            heading: "Pay €50.00".into(),
            lead: "5000 credits. This is the sandbox: no real card is charged.".into(),
            action: "/sandbox/checkout/cs_test_1".into(),
            submit: "Pay €50.00".into(),
            notice: Some(Notice { tone: Tone::Bad, text: "The card was declined.".into(), link: None }),
            open: true,
            confirming: false,
            cards: vec![("4242 4242 4242 4242", "pays")],
            form: FormState::default(),
            back: "/topup/pay_0".into(),
        }
    }
}
