//! A day's usage items, and one item with the rate that priced it.

use askama::Template;

use super::chrome::Chrome;
use super::transactions::Draw;
use crate::base::{Credits, Day, Quantity, Timestamp};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{EmptyState, Pager};
use crate::http::pages::format;

/// A usage item in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageItemRow {
    /// Its id, as in the address.
    pub id: String,
    /// When it occurred.
    pub at: Timestamp,
    /// The channel's name: `Voice`.
    pub channel: String,
    /// What it is of the event: `base`, `surcharge`, `pass_through`, `overage`.
    pub kind: String,
    /// How much, in `unit`.
    pub quantity: Quantity,
    /// The unit: `second`, `message`.
    pub unit: String,
    /// What it cost; negative for a reversal.
    pub credits: Credits,
    /// The agent's name, or empty.
    pub agent: String,
    /// The phone number, or empty.
    pub number: String,
    /// The workspace's name, or empty.
    pub workspace: String,
    /// True when the event was voided.
    pub voided: bool,
}

impl UsageItemRow {
    pub(super) fn kind_label(&self) -> &str {
        match self.kind.as_str() {
            "base" => "Usage",
            "surcharge" => "Surcharge",
            "pass_through" => "Carrier cost",
            "overage" => "Overage",
            "included" => "Included in plan",
            "byok" => "Own provider key",
            other => other,
        }
    }
}

/// `GET /usage/{day}`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/usage_day.html")]
pub struct UsageDayPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The day, in the organization's timezone.
    pub day: Day,
    /// Names: `channel`, `agent`.
    pub form: FormState,
    /// Channels to choose from: code and name.
    pub channels: Vec<Choice>,
    /// Agents to choose from: id and name.
    pub agents: Vec<Choice>,
    /// What the day's items, as filtered, cost together.
    pub total: Credits,
    /// How many events there are.
    pub count: u64,
    /// The rows, newest first.
    pub rows: Vec<UsageItemRow>,
    /// The way to the neighbouring pages.
    pub pager: Pager,
    /// True when the next day has begun.
    pub has_next_day: bool,
}

impl UsageDayPage {
    fn fields(&self) -> Vec<Field> {
        let all = |label: &str, list: &[Choice]| {
            let mut choices = vec![Choice::new("", label)];
            choices.extend_from_slice(list);
            Control::Select(choices)
        };
        vec![
            Field::new(&self.form, "channel", "Channel", all("All channels", &self.channels)).filter(),
            Field::new(&self.form, "agent", "Agent", all("All agents", &self.agents)).filter(),
        ]
    }

    fn empty() -> EmptyState {
        EmptyState { title: "No usage".into(), text: "Nothing was charged that day.".into(), action: None }
    }
}

/// The price of a rate, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateShown {
    /// The rate card's name: `Growth`.
    pub card: String,
    /// The version that priced the item.
    pub version: String,
    /// Since when that version counts.
    pub since: Timestamp,
    /// Its terms: `Price` and `7 credits per minute`, `Increment` and `1 s`.
    pub terms: Vec<(String, String)>,
}

/// A line of the calculation from quantity to credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceLine {
    /// What it is: `Billable`, `Included in plan`, `At 7 credits per minute`.
    pub label: String,
    /// How it comes about: `84 s, rounded up to 90 s`.
    pub detail: String,
    /// What it costs, where it does.
    pub credits: Option<Credits>,
}

/// `GET /usage/items/{id}`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/usage_item.html")]
pub struct UsageItemPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The item.
    pub item: UsageItemRow,
    /// The day it counts to.
    pub day: Day,
    /// The event's own id.
    pub event_id: String,
    /// When it was reported.
    pub received: Timestamp,
    /// The call it belongs to.
    pub call_id: Option<String>,
    /// That call's own page, by id; none where it was not asked for through Tollbook.
    pub call: Option<String>,
    /// The transaction it was charged by, by id.
    pub transaction: Option<String>,
    /// The rate that priced it; none for carrier cost passed through.
    pub rate: Option<RateShown>,
    /// From quantity to credits.
    pub calculation: Vec<PriceLine>,
    /// The credit it drew on.
    pub draws: Vec<Draw>,
    /// What the integration attached.
    pub metadata: Vec<(String, String)>,
    /// The usage item that this one takes back, by id.
    pub corrects: Option<String>,
}

#[cfg(test)]
impl UsageDayPage {
    /// A working day.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at, c, day, q};
        let row = |id: &str, when: &str, channel: &str, kind: &str, amount: &str, unit: &str, cost: &str| {
            UsageItemRow {
                id: id.into(),
                at: at(when),
                channel: channel.into(),
                kind: kind.into(),
                quantity: q(amount),
                unit: unit.into(),
                credits: c(cost),
                agent: "Reception".into(),
                number: if unit == "second" { "+34 910 000 117".into() } else { String::new() },
                workspace: "Clinics".into(),
                voided: false,
            }
        };
        let mut rows = vec![
            row("use_8f3k1", "2026-11-20T17:45:09Z", "Voice", "base", "192", "second", "22.4"),
            row("use_8f3k0", "2026-11-20T17:45:09Z", "Voice", "surcharge", "192", "second", "6.4"),
            row(
                "use_8f3jz",
                "2026-11-20T16:12:55Z",
                "Transferred minutes",
                "base",
                "664",
                "second",
                "44.266667",
            ),
            row("use_8f3jy", "2026-11-20T15:58:02Z", "Chat", "base", "14", "message", "7"),
            row("use_8f3jx", "2026-11-20T11:20:41Z", "Voice", "pass_through", "0", "second", "1.35"),
        ];
        rows[3].voided = true;
        let crumbs = [("My Credit", "/overview"), ("Usage", "/usage"), ("20 Nov 2026", "")];
        Self {
            chrome: samples::chrome(Section::Usage, &crumbs),
            day: day("2026-11-20"),
            form: FormState::default(),
            channels: vec![Choice::new("voice", "Voice"), Choice::new("chat", "Chat")],
            agents: vec![Choice::new("reception", "Reception")],
            total: c("81.416667"),
            count: 5,
            rows,
            pager: Pager {
                first: None,
                next: Some("/usage/2026-11-20?cursor=abc".into()),
                position: "5 of 62 items".into(),
            },
            has_next_day: true,
        }
    }
}

#[cfg(test)]
impl UsageItemPage {
    /// A toll-free call.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at, c, day};
        use crate::http::pages::components::Tone;
        let line = |label: &str, detail: &str, cost: Option<&str>| PriceLine {
            label: label.into(),
            detail: detail.into(),
            credits: cost.map(c),
        };
        let term = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let crumbs = [
            ("My Credit", "/overview"),
            ("Usage", "/usage"),
            ("20 Nov 2026", "/usage/2026-11-20"),
            ("use_8f3k1", ""),
        ];
        Self {
            chrome: samples::chrome(Section::Usage, &crumbs),
            item: UsageDayPage::sample().rows.swap_remove(0),
            day: day("2026-11-20"),
            event_id: "call-7c1e9a52".into(),
            received: at("2026-11-20T17:45:10Z"),
            call_id: Some("call-7c1e9a52".into()),
            call: Some("auth_4k2m".into()),
            transaction: Some("txn_5k2".into()),
            rate: Some(RateShown {
                card: "Growth".into(),
                version: "3".into(),
                since: at("2026-09-01T00:00:00Z"),
                terms: vec![
                    term("Price", "7 credits per minute"),
                    term("Increment", "1 s"),
                    term("Minimum", "30 s"),
                    term("Rounding", "half up, to a millionth of a credit"),
                ],
            }),
            calculation: vec![
                line("Reported", "3 min 12 s", None),
                line("Billable", "3 min 12 s in steps of 1 s", None),
                line("Included in plan", "0 s left of 500 min", None),
                line("At 7 credits per minute", "192 s × 7 ÷ 60", Some("22.4")),
            ],
            draws: vec![
                Draw { class: Tone::Free, label: "Welcome credit".into(), amount: c("-2.4") },
                Draw { class: Tone::Paid, label: "Top-up of 12 Nov 2026".into(), amount: c("-20") },
            ],
            metadata: vec![("direction".into(), "inbound".into()), ("toll_free".into(), "true".into())],
            corrects: None,
        }
    }
}
