//! The customer's first page: what is left, where it went, how long it lasts.

use askama::Template;

use super::chrome::Chrome;
use super::transactions::TransactionRow;
use crate::base::time::DAY_MS;
use crate::base::{Credits, Timestamp};
use crate::http::pages::components::balance_bar::Part;
use crate::http::pages::components::code::{CodeBlock, Step};
use crate::http::pages::components::{BalanceBar, Checklist, Notice, Runway, StackedDays, Tone};
use crate::http::pages::format::{self, Show, about_ms};

/// What a balance is made of. The classes are without what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceParts {
    /// Free credit that can be spent now.
    pub free: Credits,
    /// Plan credit that can be spent now.
    pub plan: Credits,
    /// Paid credit that can be spent now.
    pub paid: Credits,
    /// Set aside for calls in progress.
    pub held: Credits,
    /// How many those are.
    pub live_calls: u64,
    /// Used beyond what there was; the next credit repays it first.
    pub overdraft: Credits,
    /// The next credit to expire, and when.
    pub next_expiry: Option<(Credits, Timestamp)>,
}

impl BalanceParts {
    /// The bar and its legend. `calls`: where calls in progress can be seen.
    #[must_use]
    pub fn bar(&self, id: &str, show: &Show, calls: Option<&str>) -> BalanceBar {
        let part = |tone, label: &str, credits, note: &str| Part {
            tone,
            label: label.into(),
            credits,
            note: note.into(),
            href: None,
        };
        let held = match self.live_calls {
            0 => "for calls in progress".to_owned(),
            1 => "for the call in progress".to_owned(),
            more => format!("for {} in progress", format::counted(more, "call")),
        };
        let href = calls.filter(|_| self.live_calls > 0 || self.held.is_positive()).map(str::to_owned);
        BalanceBar {
            id: id.into(),
            parts: vec![
                part(Tone::Free, "Free", self.free, "spent first"),
                part(Tone::Plan, "Plan", self.plan, "spent second"),
                part(Tone::Paid, "Paid", self.paid, "spent last"),
                Part { href, ..part(Tone::Held, "On hold", self.held, &held) },
            ],
            show: show.clone(),
        }
    }
}

/// `GET /overview`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/overview.html")]
pub struct OverviewPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What can be spent now; negative when overdrawn.
    pub available: Credits,
    /// What it is made of.
    pub parts: BalanceParts,
    /// How long it lasts at the pace of the last 7 days, in milliseconds; none without usage.
    pub lasts_ms: Option<i64>,
    /// The plan's name; `Pay as you go` without one.
    pub plan: String,
    /// What was spent today.
    pub spent_today: Credits,
    /// What was spent this month.
    pub spent_month: Credits,
    /// Thirty days of spend by channel.
    pub spend: StackedDays,
    /// The balance over the same days, and ahead.
    pub runway: Runway,
    /// The latest transactions.
    pub recent: Vec<TransactionRow>,
    /// The first steps, until usage has arrived.
    pub checklist: Option<Checklist>,
    /// Where to top up; none while that is not offered.
    pub top_up: Option<String>,
    /// Where credit is sent from, where the plan allows it.
    pub send: Option<String>,
    /// What keeps auto-reload from buying credit.
    pub trouble: Option<Notice>,
}

/// Below this the page warns.
const WARN_BELOW_MS: i64 = 2 * DAY_MS;

impl OverviewPage {
    /// What needs attention.
    #[must_use]
    pub fn warnings(&self) -> Vec<Notice> {
        let pace = self.warning().filter(|notice| notice.tone == Tone::Bad || self.trouble.is_none());
        pace.into_iter().chain(self.trouble.clone()).collect()
    }

    fn warning(&self) -> Option<Notice> {
        let link = self.top_up.clone().map(|href| (href, "Top up".to_owned()));
        if self.parts.overdraft.is_positive() {
            let text = format!(
                "Overdrawn by {}. New calls are refused; the next credit repays this first.",
                self.chrome.show.headline_text(self.parts.overdraft)
            );
            return Some(Notice { tone: Tone::Bad, text, link });
        }
        let left = self.lasts_ms.filter(|ms| *ms < WARN_BELOW_MS)?;
        let text = format!("At this pace the credit runs out in {}.", about_ms(left));
        Some(Notice { tone: Tone::Warn, text, link })
    }

    /// How long it lasts, in words.
    #[must_use]
    pub fn lasts(&self) -> String {
        lasts(self.available, self.lasts_ms)
    }
}

/// How long a balance lasts, in words.
#[must_use]
pub fn lasts(available: Credits, lasts_ms: Option<i64>) -> String {
    match lasts_ms {
        _ if !available.is_positive() => "Nothing left".into(),
        Some(ms) => format!("Lasts {}", about_ms(ms)),
        None => "No usage yet".into(),
    }
}

/// The three steps to the first charged call.
#[must_use]
pub fn first_steps(
    base_url: &str,
    organization: &str,
    has_credit: bool,
    has_key: bool,
    has_usage: bool,
) -> Checklist {
    let curl = format!(
        "curl {base_url}/api/v1/usage/events \\\n  -H \"Authorization: Bearer $TOLLBOOK_KEY\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  \
         -d '{{\"id\":\"call-1\",\"organization\":\"{organization}\",\"meter\":\"voice\",\"quantity\":84,\"agent_id\":\"reception\"}}'"
    );
    let step = |title: &str, text: &str, done| Step {
        title: title.into(),
        text: text.into(),
        done,
        code: None,
        link: None,
    };
    Checklist {
        title: "Three steps to the first charged call".into(),
        steps: vec![
            step("Have credit", "Welcome credit counts. It is drawn as soon as usage arrives.", has_credit),
            step("Get an API key", "Ask the platform's operator for a key that may write usage.", has_key),
            Step {
                code: Some(CodeBlock { label: "Report a call of 84 seconds".into(), text: curl }),
                ..step("Report a call", "Once is enough: the same id is never charged twice.", has_usage)
            },
        ],
    }
}

#[cfg(test)]
impl OverviewPage {
    /// A wallet in everyday use.
    pub(crate) fn sample() -> Self {
        use super::samples::{self, at, c};
        use super::{Balance, Section};
        let mut chrome = samples::chrome(Section::Overview, &[("My Credit", "")]);
        chrome.balance = Some(Balance { available: c("4511"), low: false });
        Self {
            chrome,
            available: c("4511"),
            parts: BalanceParts {
                free: c("343"),
                plan: c("1168"),
                paid: c("3000"),
                held: c("64.5"),
                live_calls: 3,
                overdraft: Credits::ZERO,
                next_expiry: Some((c("343"), at("2027-02-20T23:00:00Z"))),
            },
            lasts_ms: Some(9 * DAY_MS),
            spent_today: c("179.4"),
            plan: "Growth".into(),
            spent_month: c("6204.366667"),
            spend: samples::spend("spend"),
            runway: samples::runway("runway"),
            recent: samples::transactions(),
            checklist: None,
            top_up: Some("/top-up".into()),
            send: Some("/transfer".into()),
            trouble: None,
        }
    }

    /// A wallet on its first day.
    pub(crate) fn sample_new() -> Self {
        use super::Balance;
        use super::samples::{c, show};
        let mut page = Self::sample();
        page.available = c("500");
        page.chrome.balance = Some(Balance { available: c("500"), low: false });
        page.parts = BalanceParts {
            free: c("500"),
            plan: Credits::ZERO,
            paid: Credits::ZERO,
            held: Credits::ZERO,
            live_calls: 0,
            overdraft: Credits::ZERO,
            next_expiry: None,
        };
        page.lasts_ms = None;
        page.spent_today = Credits::ZERO;
        page.spent_month = Credits::ZERO;
        page.spend = StackedDays::sample("spend", super::samples::day("2026-11-21"), &show());
        page.runway.past = page.runway.past.split_off(29);
        page.runway.projection = Vec::new();
        page.runway.past[0].balance = c("500");
        page.runway.marks.clear();
        page.runway.events.clear();
        page.recent = page.recent.split_off(7);
        page.checklist = Some(first_steps("http://localhost:8300", "org_0g9z", true, true, false));
        page
    }

    /// A wallet past its end, looked at by the operator.
    pub(crate) fn sample_overdrawn() -> Self {
        use super::samples::c;
        use super::{Balance, SeeingAs};
        let mut page = Self::sample();
        page.available = c("-18.25");
        page.chrome.balance = Some(Balance { available: c("-18.25"), low: true });
        page.chrome.seeing_as = Some(SeeingAs {
            organization: "Ribera Dental Clinics".into(),
            leave: "/operator/see-as/leave".into(),
        });
        page.parts = BalanceParts {
            free: Credits::ZERO,
            plan: Credits::ZERO,
            paid: Credits::ZERO,
            held: Credits::ZERO,
            live_calls: 0,
            overdraft: c("18.25"),
            next_expiry: None,
        };
        page.lasts_ms = Some(0);
        page.trouble = Some(Notice {
            tone: Tone::Bad,
            text: "Card declined, nothing left. Auto-reload is switched off.".into(),
            link: Some(("/payment-methods".into(), "Save another card".into())),
        });
        page
    }
}
