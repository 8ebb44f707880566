//! Calls: those in progress, with what they cost so far and how long they may go on, and the log of all others.

use askama::Template;

use super::chrome::Chrome;
use crate::base::{Credits, Quantity, Timestamp};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Chip, EmptyState, Pager, Tone};
use crate::http::pages::format;

/// What both lists say of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallName {
    /// Its id, as in the address.
    pub id: String,
    /// The platform's own id.
    pub external: String,
    /// The channel, the way it goes, and what is special: `Voice · inbound · toll-free`.
    pub what: String,
    /// The agent, or empty.
    pub agent: String,
    /// The phone number, or empty.
    pub number: String,
    /// When it was asked for, or began.
    pub began: Timestamp,
}

/// A call in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRow {
    /// Which.
    pub name: CallName,
    /// How long it has lasted by now, if it goes on since it was last heard of.
    pub lasting: Quantity,
    /// What it would be charged were it over now.
    pub cost: Credits,
    /// The credit that is set aside for it.
    pub held: Credits,
    /// How much longer it may last, as things stood when it was last heard of.
    pub left: Quantity,
    /// What to know about that.
    pub state: LiveState,
}

/// How a call in progress does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveState {
    /// Nothing to say.
    Fine,
    /// Little is left.
    Ending,
    /// Not heard of for longer than what is set aside lasts: it ends by itself then.
    Silent(Timestamp),
}

/// A call that is over, or never began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// Which.
    pub name: CallName,
    /// Completed, rejected, expired.
    pub status: Chip,
    /// Why it was rejected, or that it was released; else empty.
    pub note: &'static str,
    /// How long it lasted.
    pub duration: Option<Quantity>,
    /// How long it was forwarded.
    pub transfer: Option<Quantity>,
    /// What it was charged; none where it was not.
    pub credits: Option<Credits>,
}

/// What the lists are narrowed to. Lives in the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Names: `from`, `to` (days, both included), `status`, `direction`, `agent`, `number`. Wrong input comes back with
    /// its error.
    pub form: FormState,
    /// True when anything narrows the lists.
    pub active: bool,
}

impl CallFilter {
    fn fields(&self) -> Vec<Field> {
        let statuses = [
            ("", "All"),
            ("live", "In progress"),
            ("completed", "Completed"),
            ("rejected", "Rejected"),
            ("expired", "Expired"),
        ];
        let ways = [("", "Both ways"), ("inbound", "Inbound"), ("outbound", "Outbound")];
        let choices = |list: &[(&str, &str)]| {
            Control::Select(list.iter().map(|(code, label)| Choice::new(*code, *label)).collect())
        };
        vec![
            Field::new(&self.form, "from", "From", Control::Line("date")).filter(),
            Field::new(&self.form, "to", "To", Control::Line("date")).filter(),
            Field::new(&self.form, "status", "Status", choices(&statuses)).filter(),
            Field::new(&self.form, "direction", "Direction", choices(&ways)).filter(),
            Field::line(&self.form, "agent", "Agent's id").autocomplete("off").filter(),
            Field::line(&self.form, "number", "Number's id").autocomplete("off").filter(),
        ]
    }
}

/// The calls in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCalls {
    /// The rows, newest first.
    pub rows: Vec<LiveRow>,
    /// How many there are in all, where that is known.
    pub count: Option<u64>,
    /// The instant that the figures are of.
    pub at: Timestamp,
    /// Changes by itself: only the first page.
    pub refreshed: bool,
    /// The way to the next page, where only calls in progress are asked for; else empty.
    pub pager: Pager,
}

impl LiveCalls {
    fn heading(&self) -> String {
        match self.count {
            Some(0) => "No calls in progress".into(),
            Some(count) => format!("{} in progress", format::counted(count, "call")),
            None => "In progress".into(),
        }
    }

    fn empty(filter: &CallFilter) -> EmptyState {
        let active = filter.active;
        EmptyState {
            title: "No calls in progress".into(),
            text: if active {
                "None fits this filter.".into()
            } else {
                "A call that is asked for through the API is shown here until it is over.".into()
            },
            action: active.then(|| ("/calls".into(), "Clear the filter".into())),
        }
    }
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLog {
    /// The rows, newest first.
    pub rows: Vec<CallRow>,
    /// The way to the neighbouring pages.
    pub pager: Pager,
    /// Changes by itself: only the first page.
    pub refreshed: bool,
}

/// `GET /calls`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/calls.html")]
pub struct CallsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What the lists are narrowed to.
    pub filter: CallFilter,
    /// The calls in progress; none where others are asked for.
    pub live: Option<LiveCalls>,
    /// The log; none where only calls in progress are asked for.
    pub log: Option<CallLog>,
    /// The address of this very page.
    pub here: String,
    /// Address of the same rows as CSV.
    pub csv: String,
}

impl CallsPage {
    fn refreshes(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.refreshed)
            || self.log.as_ref().is_some_and(|log| log.refreshed)
    }

    fn empty(&self, more: bool) -> EmptyState {
        let (title, text, action) = match (more, self.filter.active) {
            (true, _) => ("Nothing found yet", "Older calls have not been looked at.", None),
            (false, true) => ("Nothing matches", "No call fits this filter.", Some("Clear the filter")),
            (false, false) => {
                ("No calls yet", "Calls that are completed, rejected or expired are listed here.", None)
            }
        };
        EmptyState {
            title: title.into(),
            text: text.into(),
            action: action.map(|label| ("/calls".into(), label.into())),
        }
    }
}

/// The chip of a status, by its name in the API.
#[must_use]
pub fn status_chip(status: crate::calls::Status) -> Chip {
    use crate::calls::Status;
    match status {
        Status::Live => Chip::new(Tone::Held, "In progress"),
        Status::Completed => Chip::new(Tone::Good, "Completed"),
        Status::Rejected => Chip::new(Tone::Bad, "Rejected"),
        Status::Expired => Chip::new(Tone::Warn, "Expired"),
    }
}

#[cfg(test)]
impl CallName {
    pub(crate) fn sample(number: u32, what: &str) -> Self {
        Self {
            id: format!("auth_{number}k2m"),
            external: format!("call-{number}f31"),
            what: what.into(),
            agent: "reception".into(),
            number: "+34 910 000 117".into(),
            began: super::samples::at("2026-11-21T09:28:00Z"),
        }
    }
}

#[cfg(test)]
impl CallsPage {
    /// Three calls in progress, and a log.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at, c, q};
        use crate::calls::Status;
        let live = |number, lasting: &str, cost: &str, left: &str, state| LiveRow {
            name: CallName::sample(number, "Voice · inbound"),
            lasting: q(lasting),
            cost: c(cost),
            held: c("14"),
            left: q(left),
            state,
        };
        let silent = LiveState::Silent(at("2026-11-21T09:30:20Z"));
        let over = |number, status, note, duration: Option<&str>, credits: Option<&str>| CallRow {
            name: CallName::sample(number, "Voice · outbound · toll-free"),
            status: status_chip(status),
            note,
            duration: duration.map(q),
            transfer: (number == 4).then(|| q("75")),
            credits: credits.map(c),
        };
        let no_credit = crate::calls::Reason::InsufficientCredits.text();
        Self {
            chrome: samples::chrome(Section::Calls, &[("My Credit", "/overview"), ("Calls", "")]),
            filter: CallFilter::default(),
            live: Some(LiveCalls {
                rows: vec![
                    live(1, "84", "9.8", "3412", LiveState::Fine),
                    live(2, "131", "15.283333", "41", LiveState::Ending),
                    live(3, "60", "7", "0", silent),
                ],
                count: Some(3),
                at: at("2026-11-21T09:30:00Z"),
                refreshed: true,
                pager: Pager::default(),
            }),
            log: Some(CallLog {
                rows: vec![
                    over(4, Status::Completed, "", Some("184"), Some("21.466667")),
                    over(5, Status::Rejected, no_credit, None, None),
                    over(6, Status::Expired, "", Some("45"), Some("5.25")),
                    over(7, Status::Completed, "Released", None, None),
                ],
                pager: Pager {
                    first: None,
                    next: Some("/calls?cursor=c2".into()),
                    position: "4 shown".into(),
                },
                refreshed: true,
            }),
            here: "/calls".into(),
            csv: "/calls.csv".into(),
        }
    }

    /// A filter that leaves nothing.
    pub(crate) fn sample_empty() -> Self {
        let mut page = Self::sample();
        page.filter.active = true;
        page.filter.form.values.insert("agent".into(), "<nobody>".into());
        if let (Some(live), Some(log)) = (&mut page.live, &mut page.log) {
            live.rows.clear();
            live.count = Some(0);
            log.rows.clear();
            log.pager = Pager::default();
        }
        page
    }
}
