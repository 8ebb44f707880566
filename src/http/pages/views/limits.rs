//! Limits and agents: what is spent of each limit, and what is said about each agent.

use askama::Template;

use super::chrome::Chrome;
use crate::base::{Credits, Timestamp};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Bullet, Chip, Notice};
use crate::http::pages::format;

/// A limit of the organization, or an agent's, with what is spent of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitCard {
    /// What it is for: `Today`, `This month`.
    pub label: String,
    /// The name that its resuming form sends.
    pub kind: &'static str,
    /// What is spent in the window.
    pub spent: Credits,
    /// Spent of the limit; none where there is no limit.
    pub bullet: Option<Bullet>,
    /// Where it stands, if that is worth a word.
    pub chip: Option<Chip>,
    /// What the pace leads to, or what happens now.
    pub note: String,
    /// Work is refused because of it, and may be let go on.
    pub paused: bool,
}

/// An agent in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRow {
    /// The platform's own id.
    pub id: String,
    /// Where it is edited.
    pub href: String,
    /// What it spent this month of its limit.
    pub limit: LimitCard,
    /// Whose limit it is: its own, or that of all agents; empty where there is none.
    pub whose: &'static str,
    /// What happens at the limit; empty where there is none.
    pub on_limit: &'static str,
    /// What happens when the plan is used up.
    pub on_plan_exhausted: &'static str,
}

/// Something that was told about a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRow {
    /// When.
    pub at: Timestamp,
    /// Of which limit: `Day`, an agent's id.
    pub of: String,
    /// What.
    pub chip: Chip,
    /// What was spent then.
    pub spent: Credits,
    /// The limit then.
    pub limit: Credits,
}

/// `GET /limits`. The form posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/limits.html")]
pub struct LimitsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Something is held up.
    pub warning: Option<Notice>,
    /// Day and month.
    pub cards: Vec<LimitCard>,
    /// The agents of this page of the list.
    pub agents: Vec<AgentRow>,
    /// What is shown of them: `1 to 25 of 80 agents`.
    pub position: String,
    /// The page of the list before this one.
    pub previous: Option<String>,
    /// The page of the list after this one.
    pub next: Option<String>,
    /// What was told lately.
    pub told: Vec<ToldRow>,
    /// Names: `daily_limit`, `monthly_limit`, `per_agent_limit`, `action_on_limit`.
    pub form: FormState,
    /// The reader may change limits.
    pub may_edit: bool,
    /// What saving would hold up at once, and what the form then sends to say that this is meant.
    pub confirm: Option<(Notice, String)>,
}

impl LimitsPage {
    fn fields(&self) -> Vec<Field> {
        let form = &self.form;
        let actions = vec![
            Choice::new("pause", "Pause: refuse new work"),
            Choice::new("alert_only", "Alert only: refuse nothing"),
        ];
        let amount = |name, label, hint: &str| {
            Field::line(form, name, label)
                .inputmode("decimal")
                .autocomplete("off")
                .suffix("credits")
                .optional()
                .hint(hint)
        };
        vec![
            amount("daily_limit", "A day", "Empty: no limit. It starts over at midnight."),
            amount("monthly_limit", "A month", "It starts over with the calendar month."),
            amount("per_agent_limit", "Each agent, a month", "For agents without a limit of their own."),
            Field::new(form, "action_on_limit", "At a limit", Control::Radio(actions)).hint(
                "A call in progress ends when its limit is spent; work that is done is always charged.",
            ),
        ]
    }
}

/// `GET /limits/agent?id=…`. The form posts to `/limits/agent`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/agent_limit.html")]
pub struct AgentLimitPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The platform's own id.
    pub id: String,
    /// Since when it is known; none when it was never seen.
    pub first_seen: Option<Timestamp>,
    /// What it spent this month of its limit.
    pub limit: LimitCard,
    /// The organization's limit for agents, which holds unless this one has its own.
    pub organization_limit: Option<Credits>,
    /// What the organization's limits do: `pause` or `alert_only`.
    pub organization_action: &'static str,
    /// Names: `monthly_limit`, `on_limit`, `on_plan_exhausted`.
    pub form: FormState,
    /// The reader may change it.
    pub may_edit: bool,
    /// What saving would hold up at once, and what the form then sends to say that this is meant.
    pub confirm: Option<(Notice, String)>,
}

impl AgentLimitPage {
    fn fields(&self) -> Vec<Field> {
        let form = &self.form;
        let inherited = match self.organization_limit {
            Some(limit) => format!("Empty: {} credits, as every agent.", format::credits(limit)),
            None => "Empty: no limit.".to_owned(),
        };
        let as_all = match self.organization_action {
            "alert_only" => "As the organization: go on, alert only",
            _ => "As the organization: stop",
        };
        let at_limit = vec![
            Choice::new("", as_all),
            Choice::new("stop", "Stop"),
            Choice::new("use_balance", "Use the balance: go on, alert only"),
        ];
        let at_end = vec![
            Choice::new("", "Use the balance"),
            Choice::new("stop", "Stop: use only what the plan includes"),
        ];
        vec![
            Field::line(form, "monthly_limit", "A month")
                .inputmode("decimal")
                .autocomplete("off")
                .suffix("credits")
                .optional()
                .hint(inherited),
            Field::new(form, "on_limit", "At its limit", Control::Select(at_limit)).filter(),
            Field::new(form, "on_plan_exhausted", "When the plan is used up", Control::Select(at_end))
                .filter(),
        ]
    }
}

#[cfg(test)]
mod sample {
    use super::super::Section;
    use super::super::samples::{self, at, c};
    use super::*;
    use crate::http::pages::components::Tone;

    fn card(label: &str, kind: &'static str, spent: &str, limit: Option<&str>) -> LimitCard {
        let spent = c(spent);
        let bullet = limit.map(c).map(|limit| Bullet {
            label: label.into(),
            spent: spent.micros(),
            limit: limit.micros(),
            projected: Some(spent.micros() * 3 / 2),
            text: format!("{} of {} credits", format::credits(spent), format::credits(limit)),
        });
        LimitCard {
            label: label.into(),
            kind,
            spent,
            bullet,
            chip: None,
            note: "At this pace reached on 27 Nov 2026.".into(),
            paused: false,
        }
    }

    fn form(values: &[(&str, &str)]) -> FormState {
        let values = values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        FormState { values, ..FormState::default() }
    }

    impl LimitsPage {
        /// A day that is near its limit, and an agent that is paused.
        pub(crate) fn sample() -> Self {
            let mut paused = card("This month", "per_agent", "1200", Some("1000"));
            paused.paused = true;
            paused.chip = Some(Chip::new(Tone::Bad, "Paused"));
            let row = |id: &str, limit, whose| AgentRow {
                id: id.into(),
                href: format!("/limits/agent?id={id}"),
                limit,
                whose,
                on_limit: "Stops",
                on_plan_exhausted: "Uses the balance",
            };
            Self {
                chrome: samples::chrome(
                    Section::Limits,
                    &[("My Credit", "/overview"), ("Limits & agents", "")],
                ),
                warning: Some(Notice {
                    tone: Tone::Bad,
                    text: "1 agent is paused by its limit.".into(),
                    link: Some(("#agents".into(), "See which".into())),
                }),
                cards: vec![
                    card("Today", "daily", "430", Some("500")),
                    card("This month", "monthly", "6204.366667", Some("10000")),
                ],
                agents: vec![
                    row("reception", paused, "Its own"),
                    row("<night>", card("This month", "per_agent", "12.5", None), ""),
                ],
                position: "1 to 2 of 2 agents".into(),
                previous: None,
                next: Some("/limits?page=2".into()),
                told: vec![ToldRow {
                    at: at("2026-11-21T08:10:00Z"),
                    of: "Day".into(),
                    chip: Chip::new(Tone::Warn, "80 % spent"),
                    spent: c("401"),
                    limit: c("500"),
                }],
                form: form(&[("daily_limit", "500"), ("monthly_limit", "x"), ("action_on_limit", "pause")]),
                may_edit: true,
                confirm: None,
            }
        }

        /// Nothing limits, and nobody has called yet; somebody who may only look.
        pub(crate) fn sample_none() -> Self {
            let mut page = Self::sample();
            page.warning = None;
            page.cards = vec![card("Today", "daily", "0", None), card("This month", "monthly", "0", None)];
            page.agents.clear();
            page.told.clear();
            page.position = String::new();
            page.next = None;
            page.may_edit = false;
            page
        }
    }

    impl AgentLimitPage {
        /// A limit below what is spent, to be confirmed.
        pub(crate) fn sample() -> Self {
            let crumbs = [("My Credit", "/overview"), ("Limits & agents", "/limits"), ("reception", "")];
            Self {
                chrome: samples::chrome(Section::Limits, &crumbs),
                id: "reception".into(),
                first_seen: Some(at("2026-10-02T09:00:00Z")),
                limit: card("This month", "per_agent", "430", Some("1000")),
                organization_limit: Some(c("1000")),
                organization_action: "pause",
                form: form(&[("monthly_limit", "400"), ("on_limit", "stop")]),
                may_edit: true,
                confirm: Some((
                    Notice { tone: Tone::Warn, text: "This pauses the agent at once.".into(), link: None },
                    "400|stop|".into(),
                )),
            }
        }
    }
}
