//! Buying credit, and what became of a payment.

use askama::Template;

use super::chrome::Chrome;
use crate::base::Timestamp;
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Notice, Pager};

/// A payment in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRow {
    /// Its page.
    pub href: String,
    /// When it was begun.
    pub at: Timestamp,
    /// What was bought: credits, or the time of a plan.
    pub what: String,
    /// For how much, with tax.
    pub price: String,
    /// Where it stands.
    pub status: &'static str,
}

/// `GET /topup`. The form goes on to [`ReviewPage`].
#[derive(Debug, Clone, Template)]
#[template(path = "pages/topup.html")]
pub struct TopUpPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What is for sale: code and description.
    pub packages: Vec<(String, String)>,
    /// What a custom amount may be: `€5.00 to €10,000.00`.
    pub range: String,
    /// The code of the currency.
    pub currency: &'static str,
    /// Names: `package`, `amount`.
    pub form: FormState,
    /// Why nothing can be bought here.
    pub closed: Option<Notice>,
    /// Earlier payments.
    pub payments: Vec<PaymentRow>,
    /// To the payments before them.
    pub pager: Pager,
}

impl TopUpPage {
    fn fields(&self) -> Vec<Field> {
        let offered = self.packages.iter().map(|(code, label)| Choice::new(code.as_str(), label.as_str()));
        let choices = offered.chain([Choice::new("custom", "Another amount")]).collect();
        vec![
            Field::new(&self.form, "package", "What to buy", Control::Radio(choices)),
            Field::line(&self.form, "amount", "Amount")
                .inputmode("decimal")
                .autocomplete("off")
                .suffix(self.currency)
                .optional()
                .hint(format!("For another amount: {}.", self.range)),
        ]
    }
}

/// `GET /topup/review`: everything that is asked for, before it is paid. The form posts to `/topup`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/topup_review.html")]
pub struct ReviewPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What is bought, in credits.
    pub credits: String,
    /// Free credit on top; empty for none.
    pub bonus: String,
    /// For how much, without tax.
    pub net: String,
    /// `21 % tax`.
    pub tax_label: String,
    /// How much tax.
    pub tax: String,
    /// What is paid.
    pub total: String,
    /// What the law wants said about the tax; may be empty.
    pub note: String,
    /// In credits, when it has settled.
    pub balance: String,
    /// The code of the package, or `custom`.
    pub package: String,
    /// What was typed for a custom amount.
    pub amount: String,
    /// Sent back as `agreed`: what the reader agrees to, so that nothing else is charged.
    pub agreed: String,
    /// Sent back as `idempotency_key`, so that a form sent twice pays once.
    pub idempotency_key: String,
}

/// `GET /topup/{id}`: where customers come back to from paying.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/payment.html")]
pub struct PaymentPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Its id.
    pub id: String,
    /// How it stands, and what to do next.
    pub notice: Notice,
    /// The time of a plan that is bought; empty where credit is.
    pub plan: String,
    /// What is bought, in credits.
    pub credits: String,
    /// Free credit on top; empty for none.
    pub bonus: String,
    /// For how much, without tax.
    pub price: String,
    /// `21 % tax`.
    pub tax_label: String,
    /// How much tax.
    pub tax: String,
    /// What is paid.
    pub total: String,
    /// When it was begun.
    pub at: Timestamp,
    /// It may change any moment.
    pub waits: bool,
    /// What became of money that was asked back or disputed, in sentences.
    pub aside: Vec<String>,
    /// What can be asked back, with tax.
    pub refundable: Option<String>,
}

impl PaymentPage {
    fn note() -> Field {
        Field::line(&FormState::default(), "note", "Why").optional()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::super::samples::{self, at};
    use super::*;
    use crate::http::pages::components::Tone;

    impl TopUpPage {
        /// Two packages, and one payment before.
        pub(crate) fn sample() -> Self {
            let values = [("package".to_owned(), "growth".to_owned())].into();
            Self {
                chrome: samples::chrome(Section::TopUp, &[("My Credit", "/overview"), ("Top up", "")]),
                packages: vec![
                    ("starter".into(), "Starter: 1,000 credits for €10.00".into()),
                    ("growth".into(), "Growth: 5,000 credits and 250 free for €50.00".into()),
                ],
                range: "€5.00 to €10,000.00".into(),
                currency: "EUR",
                form: FormState { values, ..FormState::default() },
                closed: None,
                payments: vec![PaymentRow {
                    href: "/topup/pay_0".into(),
                    at: at("2026-11-21T08:10:00Z"),
                    what: "1,000 credits".into(),
                    price: "€10.00".into(),
                    status: "settled",
                }],
                pager: Pager { next: Some("/topup?cursor=c".into()), ..Pager::default() },
            }
        }
    }

    impl ReviewPage {
        /// A package.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(
                    Section::TopUp,
                    &[("My Credit", "/overview"), ("Top up", "/topup"), ("Review", "")],
                ),
                credits: "5,000".into(),
                bonus: "250".into(),
                net: "€50.00".into(),
                tax_label: "21 % tax".into(),
                tax: "€10.50".into(),
                total: "€60.50".into(),
                note: String::new(),
                balance: "9,761.00".into(),
                package: "growth".into(),
                amount: String::new(),
                agreed: "5000 + 250 credits, 50.00 EUR + 10.50 EUR tax".into(),
                idempotency_key: "req_1".into(),
            }
        }
    }

    impl PaymentPage {
        /// One that waits for the bank.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(
                    Section::TopUp,
                    &[("My Credit", "/overview"), ("Top up", "/topup"), ("Payment", "")],
                ),
                id: "pay_0".into(),
                notice: Notice { tone: Tone::Warn, text: "Waiting for the bank.".into(), link: None },
                plan: String::new(),
                credits: "5,000".into(),
                bonus: "250".into(),
                price: "€50.00".into(),
                tax_label: "21 % tax".into(),
                tax: "€10.50".into(),
                total: "€60.50".into(),
                at: at("2026-11-21T08:10:00Z"),
                waits: true,
                aside: vec!["€12.10 was given back.".into()],
                refundable: Some("€48.40".into()),
            }
        }

        /// A plan's fee.
        pub(crate) fn sample_fee() -> Self {
            Self {
                plan: "Growth: 2026-11-21 to 2026-12-21".into(),
                credits: "0.00".into(),
                bonus: String::new(),
                refundable: None,
                ..Self::sample()
            }
        }
    }
}
