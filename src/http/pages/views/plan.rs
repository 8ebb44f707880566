//! The plan: what it includes and costs, and every step of changing it, said before it is taken.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::{Chip, Gauge, Notice, Problem};

/// The plan that one is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentPlan {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub chip: Chip,
    /// What it costs, when, and what comes with it: label and text.
    pub facts: Vec<(String, String)>,
}

/// One meter of what is included, behind its gauge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludedRow {
    /// Its name.
    pub meter: String,
    /// `500 min`.
    pub included: String,
    /// How much of that is used.
    pub used: String,
    /// How much is left.
    pub left: String,
    /// Where the pace leads.
    pub ahead: String,
    /// What more costs.
    pub after: String,
}

/// What changes: before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// What it is about.
    pub label: String,
    /// As it is.
    pub now: String,
    /// As it will be.
    pub then: String,
}

/// A plan on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferCard {
    /// Its name.
    pub name: String,
    /// `€99.00 a month`.
    pub price: String,
    /// That it is one's own, or will be.
    pub mark: Option<Chip>,
    /// What it includes.
    pub gives: Vec<String>,
    /// What more costs, by meter.
    pub after: Vec<(String, String)>,
    /// The page that says what choosing it comes to.
    pub choose: Option<String>,
}

/// A form without fields: it does what its page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Where it is sent.
    pub action: &'static str,
    /// What its button says.
    pub label: String,
    /// Sent back, so that nothing else is done than was said.
    pub agreed: String,
    /// Which plan; empty where that is not the question.
    pub plan: String,
    /// Sent back, so that it is done once.
    pub idempotency_key: String,
}

/// `GET /plan`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/plan.html")]
pub struct PlanPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What has happened, will happen or needs to be done.
    pub notices: Vec<Notice>,
    /// Why something was not done.
    pub problem: Option<Problem>,
    /// None: one pays as one goes.
    pub current: Option<CurrentPlan>,
    /// What can be done at once.
    pub deeds: Vec<Deed>,
    /// Steps that are looked at first: address and label.
    pub steps: Vec<(&'static str, &'static str)>,
    /// Used of included.
    pub gauges: Vec<Gauge>,
    /// The same in numbers.
    pub included: Vec<IncludedRow>,
    /// The month in which it is included.
    pub month: String,
    /// What the operator's change brings, and when.
    pub coming: Option<(String, Vec<ChangeRow>)>,
    /// What usage costs that no plan includes: meter and price.
    pub prices: Vec<(String, String)>,
    /// The plans to choose from.
    pub offers: Vec<OfferCard>,
    /// Why none of them can be chosen.
    pub closed: Option<Notice>,
}

/// `GET /plan/review`, `/plan/cancel` and `/plan/pause`: what a step comes to.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/plan_step.html")]
pub struct PlanStepPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What it is.
    pub title: String,
    /// When it happens.
    pub lead: String,
    /// What is paid and given: label and text. The last amount stands out.
    pub facts: Vec<(String, String)>,
    /// What changes.
    pub changes: Vec<ChangeRow>,
    /// What the last column of that is called.
    pub then: String,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Its button; none where it cannot be done.
    pub deed: Option<Deed>,
    /// Why not.
    pub closed: Option<Notice>,
    /// What the way back says.
    pub back: &'static str,
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::super::samples;
    use super::*;
    use crate::http::pages::components::Tone;

    fn texts<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(label, text)| (label.to_owned(), text.to_owned())).into()
    }

    fn deed(action: &'static str, label: &str) -> Deed {
        Deed {
            action,
            label: label.into(),
            agreed: "120 EUR".into(),
            plan: "growth".into(),
            idempotency_key: "req_1".into(),
        }
    }

    fn change() -> ChangeRow {
        ChangeRow { label: "Voice".into(), now: "500 min".into(), then: "2,000 min".into() }
    }

    impl PlanPage {
        /// A month half over, with a new price ahead.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(Section::Plan, &[("My Credit", "/overview"), ("Plan", "")]),
                notices: vec![Notice {
                    tone: Tone::Warn,
                    text: "Growth ends on 21 Dec 2026.".into(),
                    link: None,
                }],
                problem: None,
                current: Some(CurrentPlan {
                    name: "Growth".into(),
                    chip: Chip::new(Tone::Good, "Active"),
                    facts: texts([("Price", "€99.00 a month, before tax"), ("Renews", "21 Dec 2026")]),
                }),
                deeds: vec![deed("/plan/resume", "Keep Growth")],
                steps: vec![("/plan/pause", "Pause"), ("/plan/cancel", "Cancel the plan")],
                gauges: vec![Gauge {
                    label: "Voice".into(),
                    used: 312,
                    included: 500,
                    ahead: Some(600),
                    text: "312 of 500 min".into(),
                    note: "used up about 12 Dec".into(),
                }],
                included: vec![IncludedRow {
                    meter: "Voice".into(),
                    included: "500 min".into(),
                    used: "312 min".into(),
                    left: "188 min".into(),
                    ahead: "used up about 12 Dec".into(),
                    after: "5.5 credits per minute".into(),
                }],
                month: "21 Nov 2026 to 21 Dec 2026".into(),
                coming: Some(("From 21 Jan 2027".into(), vec![change()])),
                prices: texts([("Phone number", "180 credits per month")]),
                offers: vec![OfferCard {
                    name: "Scale".into(),
                    price: "€399.00 a month".into(),
                    mark: Some(Chip::new(Tone::Plan, "Your plan")),
                    gives: vec!["10,000 min of voice".into()],
                    after: texts([("Voice", "4.5 credits per minute")]),
                    choose: Some("/plan/review?plan=scale".into()),
                }],
                closed: None,
            }
        }

        /// Without one.
        pub(crate) fn sample_none() -> Self {
            Self {
                notices: Vec::new(),
                current: None,
                deeds: Vec::new(),
                steps: Vec::new(),
                gauges: Vec::new(),
                included: Vec::new(),
                coming: None,
                closed: Some(Notice {
                    tone: Tone::Neutral,
                    text: "Plans are changed by owners.".into(),
                    link: None,
                }),
                ..Self::sample()
            }
        }
    }

    impl PlanStepPage {
        /// An upgrade.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(
                    Section::Plan,
                    &[("My Credit", "/overview"), ("Plan", "/plan"), ("Growth", "")],
                ),
                title: "Growth instead of Starter".into(),
                lead: "At once.".into(),
                facts: texts([("Now, before tax", "€70.00"), ("Paid now", "€84.70")]),
                changes: vec![change()],
                then: "With Growth".into(),
                notes: vec!["Visa •••• 4242 is charged.".into()],
                deed: Some(deed("/plan", "Pay €84.70")),
                closed: None,
                back: "Choose another plan",
            }
        }
    }
}
