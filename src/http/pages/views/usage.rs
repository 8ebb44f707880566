//! Usage over a range: how much, by day and by what.

use askama::Template;

use super::chrome::Chrome;
use crate::base::decimal::MICROS;
use crate::base::{Credits, Quantity, Timestamp};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::scale::percent;
use crate::http::pages::components::stacked_days::DayStack;
use crate::http::pages::components::{EmptyState, StackedDays, Tile};
use crate::http::pages::format::{self, count, headline, minutes, share};

/// What the days and the table are split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// By channel.
    Channel,
    /// By agent.
    Agent,
    /// By phone number.
    Number,
    /// By workspace.
    Workspace,
}

impl Group {
    /// All, in the order of the tabs.
    pub const ALL: [Self; 4] = [Self::Channel, Self::Agent, Self::Number, Self::Workspace];

    /// The value of `group` in the address.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Agent => "agent",
            Self::Number => "number",
            Self::Workspace => "workspace",
        }
    }

    /// Its name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Channel => "Channel",
            Self::Agent => "Agent",
            Self::Number => "Number",
            Self::Workspace => "Workspace",
        }
    }
}

/// What the page is narrowed to. Lives in the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFilter {
    /// Names: `from`, `to` (days, both included), `channel`, `workspace`. Wrong input comes back with its error.
    pub form: FormState,
    /// What is split by.
    pub group: Group,
    /// Channels to choose from: code and name.
    pub channels: Vec<Choice>,
    /// Workspaces to choose from: id and name.
    pub workspaces: Vec<Choice>,
    /// Ranges that are one click away: name, address, and whether it is the present one.
    pub ranges: Vec<(String, String, bool)>,
    /// The present filter without `group`, as a query without the question mark; may be empty.
    pub query: String,
}

impl UsageFilter {
    fn fields(&self) -> Vec<Field> {
        let all = |label: &str, list: &[Choice]| {
            let mut choices = vec![Choice::new("", label)];
            choices.extend_from_slice(list);
            Control::Select(choices)
        };
        vec![
            Field::new(&self.form, "from", "From", Control::Line("date")).filter(),
            Field::new(&self.form, "to", "To", Control::Line("date")).filter(),
            Field::new(&self.form, "channel", "Channel", all("All channels", &self.channels)).filter(),
            Field::new(&self.form, "workspace", "Workspace", all("All workspaces", &self.workspaces))
                .filter(),
        ]
    }

    fn tabs(&self) -> Vec<(String, &'static str, bool)> {
        let and = if self.query.is_empty() { "" } else { "&" };
        Group::ALL
            .iter()
            .map(|group| {
                let href = format!("/usage?{}{and}group={}", self.query, group.code());
                (href, group.label(), *group == self.group)
            })
            .collect()
    }
}

/// The figures of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageTotals {
    /// What was spent.
    pub spent: Credits,
    /// Calls.
    pub calls: u64,
    /// Seconds of calls.
    pub voice: Quantity,
    /// What the calls' time cost.
    pub voice_spent: Credits,
    /// Chat messages.
    pub messages: u64,
}

impl UsageTotals {
    /// What a minute cost on average, rounded half up to a hundredth of a credit; none without calls.
    #[must_use]
    pub fn per_minute(&self) -> Option<Credits> {
        let seconds = i128::from(self.voice.micros());
        if seconds <= 0 {
            return None;
        }
        let hundredth = i128::from(MICROS) / 100;
        let divisor = seconds * hundredth;
        let scaled = i128::from(self.voice_spent.micros()) * 60 * i128::from(MICROS);
        let hundredths = (scaled + divisor / 2) / divisor;
        i64::try_from(hundredths * hundredth).ok().map(Credits::from_micros)
    }
}

/// A line of the table by channel, agent, number or workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its name; `Not attributed` for usage without one.
    pub name: String,
    /// The quantity and its unit, where all of it has one unit.
    pub quantity: Option<(Quantity, String)>,
    /// How many events.
    pub items: u64,
    /// What it cost.
    pub credits: Credits,
}

/// `GET /usage`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/usage.html")]
pub struct UsagePage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What it is narrowed to.
    pub filter: UsageFilter,
    /// The figures of the range.
    pub totals: UsageTotals,
    /// The days of the range, split by the group.
    pub chart: StackedDays,
    /// The table by the group, dearest first.
    pub groups: Vec<GroupRow>,
    /// Usage up to here is counted; none when all of it is.
    pub counted_until: Option<Timestamp>,
    /// Address of the same figures as CSV.
    pub csv: String,
}

/// Days in sight before the rest is folded away.
const DAYS_IN_SIGHT: usize = 10;

impl UsagePage {
    fn tiles(&self) -> Vec<Tile> {
        let totals = &self.totals;
        let average = totals.per_minute().map_or_else(|| "—".into(), |average| headline(average).0);
        vec![
            Tile::amount("Spent", totals.spent, self.chrome.show.worth(totals.spent)),
            Tile::new("Calls", count(totals.calls), "", minutes(totals.voice)),
            Tile::new("Average per minute", average, "credits", "voice only"),
            Tile::new("Chat messages", count(totals.messages), "", ""),
        ]
    }

    fn is_empty(&self) -> bool {
        self.totals.spent.is_zero() && self.groups.is_empty()
    }

    fn empty() -> EmptyState {
        EmptyState {
            title: "No usage in this range".into(),
            text: "Choose other dates, or report usage through the API.".into(),
            action: Some(("/usage".into(), "Last 30 days".into())),
        }
    }

    fn share_of(&self, credits: Credits) -> String {
        share(credits, self.totals.spent)
    }

    fn share_width(&self, credits: Credits) -> String {
        percent(credits.micros(), self.totals.spent.micros())
    }

    fn days_used(&self) -> Vec<&DayStack> {
        self.chart.days.iter().rev().filter(|stack| !stack.total().is_zero()).collect()
    }

    fn days_in_sight(&self) -> Vec<&DayStack> {
        self.days_used().into_iter().take(DAYS_IN_SIGHT).collect()
    }

    fn days_folded(&self) -> Vec<&DayStack> {
        self.days_used().into_iter().skip(DAYS_IN_SIGHT).collect()
    }
}

#[cfg(test)]
impl UsagePage {
    /// Thirty days by channel.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at, c, q};
        let mut form = FormState::default();
        form.values.insert("from".into(), "2026-10-23".into());
        form.values.insert("to".into(), "2026-11-21".into());
        let chart = samples::spend("days");
        let row = |name: &str, amount: &str, unit: &str, items, spent: &str| GroupRow {
            name: name.into(),
            quantity: Some((q(amount), unit.into())),
            items,
            credits: c(spent),
        };
        Self {
            chrome: samples::chrome(Section::Usage, &[("My Credit", "/overview"), ("Usage", "")]),
            filter: UsageFilter {
                form,
                group: Group::Channel,
                channels: vec![Choice::new("voice", "Voice"), Choice::new("chat", "Chat")],
                workspaces: vec![Choice::new("wsp_1", "Clinics"), Choice::new("wsp_2", "Front desk")],
                ranges: vec![
                    ("7 days".into(), "/usage?from=2026-11-15&to=2026-11-21".into(), false),
                    ("30 days".into(), "/usage?from=2026-10-23&to=2026-11-21".into(), true),
                    ("This month".into(), "/usage?from=2026-11-01&to=2026-11-21".into(), false),
                ],
                query: "from=2026-10-23&to=2026-11-21".into(),
            },
            totals: UsageTotals {
                spent: chart.total(),
                calls: 1_204,
                voice: q("58931"),
                voice_spent: c("6875.28"),
                messages: 3_310,
            },
            groups: vec![
                row("Voice", "58931", "second", 1_204, "6875.28"),
                row("Chat", "3310", "message", 3_310, "1654.5"),
                row("Transferred minutes", "11204", "second", 310, "746.933333"),
                row("Phone numbers", "2", "month", 2, "300"),
            ],
            chart,
            counted_until: Some(at("2026-11-21T13:02:00Z")),
            csv: "/usage.csv?from=2026-10-23&to=2026-11-21&group=channel".into(),
        }
    }

    /// A range without usage.
    pub(crate) fn sample_empty() -> Self {
        let mut page = Self::sample();
        page.totals = UsageTotals {
            spent: Credits::ZERO,
            calls: 0,
            voice: Quantity::ZERO,
            voice_spent: Credits::ZERO,
            messages: 0,
        };
        page.groups.clear();
        page.counted_until = None;
        for stack in &mut page.chart.days {
            stack.values.fill(Credits::ZERO);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_minute_is_rounded_once() {
        let totals = |seconds: &str, spent: &str| UsageTotals {
            spent: Credits::ZERO,
            calls: 1,
            voice: seconds.parse().expect("seconds"),
            voice_spent: spent.parse().expect("credits"),
            messages: 0,
        };
        assert_eq!(totals("84", "9.8").per_minute(), "7".parse().ok());
        assert_eq!(totals("7", "0.816667").per_minute(), "7".parse().ok());
        assert_eq!(totals("0", "0").per_minute(), None);
    }
}
