//! One call: its life, what is set aside for it, and what it was charged.

use askama::Template;

use super::chrome::Chrome;
use super::transactions::Draw;
use super::usage_day::UsageItemRow;
use crate::base::{Credits, Quantity, Timestamp};
use crate::http::pages::components::{Chip, Notice};
use crate::http::pages::format;

/// Something that happened to a call, or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When; none where only the order is known.
    pub at: Option<Timestamp>,
    /// What.
    pub title: &'static str,
    /// What to know about it; empty for nothing.
    pub text: String,
    /// It has not happened yet.
    pub ahead: bool,
}

/// The same call, counted by another meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Its id, as in the address.
    pub id: String,
    /// `Transferred minutes · inbound`.
    pub what: String,
}

/// `GET /calls/{id}`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/call.html")]
pub struct CallPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Its id.
    pub id: String,
    /// The platform's own id.
    pub external: String,
    /// `Voice · inbound · toll-free`.
    pub what: String,
    /// Where it stands.
    pub status: Chip,
    /// It is in progress: the page changes by itself.
    pub live: bool,
    /// The instant that the figures are of.
    pub at: Timestamp,
    /// Why it was rejected, above everything else.
    pub rejected: Option<Notice>,
    /// What it was charged, or costs so far; none where nothing is.
    pub cost: Option<Credits>,
    /// How long it lasted, or has by now.
    pub duration: Option<Quantity>,
    /// How long it was forwarded.
    pub transfer: Option<Quantity>,
    /// How much longer it may last, while it does.
    pub left: Option<Quantity>,
    /// What is set aside for it, or was until its end.
    pub held: Option<Credits>,
    /// What happened, in order.
    pub life: Vec<Step>,
    /// The credit that is set aside, by where it came from; for those who may see the wallet.
    pub holds: Vec<Draw>,
    /// What of the plan's allowance is set aside, in seconds.
    pub held_included: Option<Quantity>,
    /// What it was charged.
    pub items: Vec<UsageItemRow>,
    /// The credit it drew on; for those who may see the wallet.
    pub draws: Vec<Draw>,
    /// The agent, or empty.
    pub agent: String,
    /// The phone number, or empty.
    pub number: String,
    /// The workspace's name, or empty.
    pub workspace: String,
    /// On the customer's own provider key.
    pub byok: bool,
    /// The rate card and version that price it.
    pub rate: String,
    /// Its charges, by id of their transactions; for those who may see the wallet.
    pub transactions: Vec<String>,
    /// The same call, counted by other meters.
    pub legs: Vec<Leg>,
}

impl CallPage {
    fn of_agent(&self) -> String {
        of("agent", &self.agent)
    }

    fn of_number(&self) -> String {
        of("number", &self.number)
    }

    fn cost_label(&self) -> &'static str {
        match (self.live, self.cost) {
            (true, _) => "Cost so far",
            (false, Some(_)) => "Charged",
            (false, None) => "Not charged",
        }
    }
}

/// The address of the calls of an agent or number.
fn of(what: &str, id: &str) -> String {
    format!("/calls?{}", serde_urlencoded::to_string([(what, id)]).unwrap_or_default())
}

#[cfg(test)]
impl CallPage {
    /// A call that was forwarded, and cost more than was set aside.
    pub(crate) fn sample() -> Self {
        use super::calls::status_chip;
        use super::samples::{self, at, c, q};
        use super::{Section, UsageItemPage};
        use crate::http::pages::components::Tone;
        let crumbs = [("My Credit", "/overview"), ("Calls", "/calls"), ("call-8f31", "")];
        let step = |when: Option<&str>, title, text: &str| Step {
            at: when.map(at),
            title,
            text: text.into(),
            ahead: false,
        };
        let item = UsageItemPage::sample().item;
        Self {
            chrome: samples::chrome(Section::Calls, &crumbs),
            id: "auth_4k2m".into(),
            external: "call-8f31".into(),
            what: "Voice · inbound · toll-free".into(),
            status: status_chip(crate::calls::Status::Completed),
            live: false,
            at: at("2026-11-21T09:30:00Z"),
            rejected: None,
            cost: Some(c("15.8")),
            duration: Some(q("84")),
            transfer: Some(q("75")),
            left: None,
            held: Some(c("14")),
            life: vec![
                step(Some("2026-11-21T09:20:00Z"), "Allowed", ""),
                step(None, "Last heard of while it went on", "It had lasted 60 s."),
                step(
                    Some("2026-11-21T09:23:00Z"),
                    "Completed",
                    "Charged 15.80 credits, 1.80 more than was set aside.",
                ),
            ],
            holds: Vec::new(),
            held_included: None,
            items: vec![item.clone(), UsageItemRow { kind: "surcharge".into(), ..item }],
            draws: vec![Draw {
                class: Tone::Paid,
                label: "Top-up of 12 Nov 2026".into(),
                amount: c("-15.8"),
            }],
            agent: "reception".into(),
            number: "+34 910 000 117".into(),
            workspace: "Clinics".into(),
            byok: false,
            rate: "Growth, version 3".into(),
            transactions: vec!["txn_5k2".into()],
            legs: vec![Leg { id: "auth_4k3m".into(), what: "Transferred minutes · inbound".into() }],
        }
    }

    /// A call in progress.
    pub(crate) fn sample_live() -> Self {
        use super::calls::status_chip;
        use super::samples::{at, c, q};
        use crate::http::pages::components::Tone;
        let mut page = Self::sample();
        page.status = status_chip(crate::calls::Status::Live);
        page.live = true;
        page.left = Some(q("41"));
        page.transfer = None;
        page.life.truncate(1);
        page.life.push(Step {
            at: Some(at("2026-11-21T09:32:00Z")),
            title: "Ends by itself",
            text: "Unless it is heard of until then.".into(),
            ahead: true,
        });
        page.holds = vec![Draw { class: Tone::Paid, label: "Top-up of 12 Nov 2026".into(), amount: c("14") }];
        page.held_included = Some(q("30"));
        page.items.clear();
        page.draws.clear();
        page.transactions.clear();
        page
    }

    /// A call that was rejected.
    pub(crate) fn sample_rejected() -> Self {
        use super::calls::status_chip;
        use super::samples::at;
        use crate::http::pages::components::Tone;
        let mut page = Self::sample();
        page.status = status_chip(crate::calls::Status::Rejected);
        page.rejected = Some(Notice {
            tone: Tone::Bad,
            text: crate::calls::Reason::InsufficientCredits.text().into(),
            link: Some(("/overview".into(), "See the balance".into())),
        });
        (page.cost, page.duration, page.transfer, page.held) = (None, None, None, None);
        page.life = vec![Step {
            at: Some(at("2026-11-21T09:20:00Z")),
            title: "Rejected",
            text: "Available were 0.05 credits.".into(),
            ahead: false,
        }];
        page.items.clear();
        page.draws.clear();
        page.transactions.clear();
        page.legs.clear();
        (page.agent, page.number, page.workspace) = (String::new(), String::new(), String::new());
        page
    }
}
