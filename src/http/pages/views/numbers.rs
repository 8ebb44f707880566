//! Phone numbers that are rented by the month.

use askama::Template;

use super::chrome::Chrome;
use crate::base::Credits;
use crate::http::pages::components::{Chip, Tone};
use crate::numbers::{Kind, Rental, State};

/// `GET /numbers`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/numbers.html")]
pub struct NumbersPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The numbers, newest first.
    pub rows: Vec<NumberRow>,
    /// Whether the reader may give numbers up.
    pub may_edit: bool,
    /// Where older ones are.
    pub older: Option<String>,
}

/// One number.
#[derive(Debug, Clone)]
pub struct NumberRow {
    /// The number.
    pub rental: Rental,
    /// What the next month costs.
    pub rent: Option<Credits>,
}

impl NumberRow {
    fn kind(&self) -> &'static str {
        match self.rental.kind {
            Kind::Local => "Local",
            Kind::TollFree => "Toll-free",
        }
    }

    fn chip(&self) -> Chip {
        match self.rental.state {
            State::Active { ends: false } => Chip::new(Tone::Good, "Active"),
            State::Active { ends: true } => Chip::new(Tone::Neutral, "Ending"),
            State::Grace { .. } => Chip::new(Tone::Warn, "Rent owed"),
            State::Suspended { .. } => Chip::new(Tone::Bad, "Suspended"),
            State::Released { .. } => Chip::new(Tone::Neutral, "Released"),
        }
    }

    /// What happens next, and when.
    fn next(&self, chrome: &Chrome) -> String {
        let date = |at| crate::http::pages::format::day(chrome.show.zone.day_of(at));
        match self.rental.state {
            State::Active { ends: false } => format!("charged on {}", date(self.rental.paid_until)),
            State::Active { ends: true } => format!("released on {}", date(self.rental.paid_until)),
            State::Grace { until, .. } => format!("suspended on {} unless the rent is covered", date(until)),
            State::Suspended { until } => format!("released on {} unless the rent is covered", date(until)),
            State::Released { at } => format!("released on {}", date(at)),
        }
    }

    fn may_be_given_up(&self) -> bool {
        match self.rental.state {
            State::Active { ends } => !ends,
            State::Grace { .. } | State::Suspended { .. } => true,
            State::Released { .. } => false,
        }
    }
}

#[cfg(test)]
impl NumbersPage {
    /// One number in every state.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at};
        use crate::base::id::{NumberId, OrganizationId};
        let until = at("2026-11-28T09:00:00Z");
        let states = [
            ("+34 910 000 117", Kind::Local, State::Active { ends: false }),
            ("+34 910 000 118", Kind::Local, State::Active { ends: true }),
            ("+34 900 000 119", Kind::TollFree, State::Grace { until, warned: false }),
            ("+34 900 000 120", Kind::TollFree, State::Suspended { until }),
            ("+34 910 000 121", Kind::Local, State::Released { at: at("2026-10-01T00:00:00Z") }),
        ];
        let row = |(number, kind, state): (&str, Kind, State)| NumberRow {
            rental: Rental {
                id: 1,
                organization: OrganizationId::new(1),
                number: NumberId::new(1),
                external_id: number.into(),
                kind,
                agent: None,
                state,
                anchor_at: at("2026-09-21T09:00:00Z"),
                months: 3,
                paid_until: at("2026-12-21T09:00:00Z"),
                charges: 3,
                tried_line: 0,
                registered_at: at("2026-09-21T09:00:00Z"),
            },
            rent: Credits::from_whole(150),
        };
        Self {
            chrome: samples::chrome(Section::Numbers, &[("My Credit", "/overview"), ("Numbers", "")]),
            rows: states.into_iter().map(row).collect(),
            may_edit: true,
            older: Some("/numbers?before=7".into()),
        }
    }

    /// Before the first.
    pub(crate) fn sample_none() -> Self {
        Self { rows: Vec::new(), older: None, ..Self::sample() }
    }
}
