//! When a threshold is told of. No I/O.

use crate::base::Credits;

/// The most there is above nothing left: below it, a wallet is empty.
pub const ANYTHING: Credits = Credits::from_micros(1);

/// Where a threshold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It was just set; nobody has looked at the balance yet.
    #[default]
    New,
    /// The balance is not below it: a fall is told.
    Armed,
    /// The balance was below it when it was set: nothing has been crossed.
    Below,
    /// The balance fell below it, and that was told.
    Fired,
}

impl State {
    const ALL: [Self; 4] = [Self::New, Self::Armed, Self::Below, Self::Fired];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Armed => "armed",
            Self::Below => "below",
            Self::Fired => "fired",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Where it stands after a look at the balance, and what there is to tell.
    #[must_use]
    pub const fn look(self, is_below: bool) -> (Self, News) {
        match (self, is_below) {
            (Self::Armed, true) => (Self::Fired, News::Fell),
            (Self::Fired, false) => (Self::Armed, News::Recovered),
            (Self::New | Self::Below, true) => (Self::Below, News::None),
            (Self::Fired, true) => (Self::Fired, News::None),
            (Self::New | Self::Armed | Self::Below, false) => (Self::Armed, News::None),
        }
    }
}

/// What there is to tell of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum News {
    /// Nothing.
    #[default]
    None,
    /// The balance has fallen below it.
    Fell,
    /// The balance is no longer below it.
    Recovered,
}

/// Between which balances nothing is crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels {
    /// A balance below this crosses something.
    pub below: Option<Credits>,
    /// A balance of this or more does.
    pub above: Option<Credits>,
}

impl Levels {
    /// Between which balances none of these thresholds is crossed.
    #[must_use]
    pub fn of(thresholds: impl Iterator<Item = (Credits, State)>) -> Self {
        let mut levels = Self::default();
        for (threshold, state) in thresholds {
            match state {
                State::Armed => levels.below = Some(levels.below.map_or(threshold, |b| b.max(threshold))),
                State::New | State::Below | State::Fired => {
                    levels.above = Some(levels.above.map_or(threshold, |a| a.min(threshold)));
                }
            }
        }
        levels
    }

    /// Whether a balance crosses something.
    #[must_use]
    pub fn is_crossed(&self, balance: Credits) -> bool {
        self.below.is_some_and(|below| balance < below) || self.above.is_some_and(|above| balance >= above)
    }
}

/// Whether a text is a telephone number as E.164 has it: a plus and up to fifteen digits.
#[must_use]
pub fn is_telephone(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(whole: i64) -> Credits {
        Credits::from_micros(whole * 1_000_000)
    }

    #[test]
    fn a_fall_is_told_once_and_again_after_it_has_recovered() {
        let mut state = State::New;
        let mut told = Vec::new();
        for is_below in [true, true, false, true, true, false, false, true] {
            let (after, news) = state.look(is_below);
            state = after;
            told.push(news);
        }
        let expected = [
            News::None,
            News::None,
            News::None,
            News::Fell,
            News::None,
            News::Recovered,
            News::None,
            News::Fell,
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn levels_are_the_nearest_that_are_crossed() {
        let stand = [(credits(5_000), State::Fired), (credits(500), State::Armed), (ANYTHING, State::Armed)];
        let levels = Levels::of(stand.into_iter());
        assert_eq!(levels, Levels { below: Some(credits(500)), above: Some(credits(5_000)) });
        assert!(!levels.is_crossed(credits(500)) && !levels.is_crossed(credits(4_999)));
        assert!(levels.is_crossed(credits(499)) && levels.is_crossed(credits(5_000)));
        assert!(!Levels::default().is_crossed(credits(-1)));
    }

    #[test]
    fn telephone_numbers_are_international() {
        for good in ["+34600111222", "+15005550006"] {
            assert!(is_telephone(good), "{good}");
        }
        for bad in ["34600111222", "+0600111222", "+34 600 111", "+123456", "+1234567890123456", ""] {
            assert!(!is_telephone(bad), "{bad}");
        }
    }
}
