//! How much of something is used: a half-round gauge for an allowance, a bullet bar for a limit.

use askama::Template;
use askama::filters::HtmlSafe;

use super::scale::percent;

/// Used of included, with the end that the pace points to.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/gauge.html")]
pub struct Gauge {
    /// What is counted: `Voice minutes`.
    pub label: String,
    /// How much is used, in any unit.
    pub used: i64,
    /// How much is included, in the same unit.
    pub included: i64,
    /// How much will be used by the end at this pace.
    pub ahead: Option<i64>,
    /// Used of included in words: `312 of 500 min`.
    pub text: String,
    /// Where the pace leads, in words; empty for nothing.
    pub note: String,
}

impl HtmlSafe for Gauge {}

impl Gauge {
    /// The used part of the arc, whose length counts as 100.
    #[must_use]
    pub fn arc(&self) -> String {
        self.part(self.used)
    }

    /// How much of it is used, in whole percent rounded down: the last one is not shown before everything is used.
    #[must_use]
    pub fn share(&self) -> String {
        let part = self.part(self.used);
        format!("{} %", part.split('.').next().unwrap_or_default())
    }

    /// The part that will be used, as far as the arc goes.
    #[must_use]
    pub fn ahead_arc(&self) -> Option<String> {
        self.ahead.map(|ahead| self.part(ahead))
    }

    fn part(&self, units: i64) -> String {
        percent(units.min(self.included), self.included).trim_end_matches('%').to_owned()
    }
}

/// Spent of a limit, with the spend that the pace points to.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/bullet.html")]
pub struct Bullet {
    /// What is limited: `Month`, an agent's name.
    pub label: String,
    /// What is spent, in any unit.
    pub spent: i64,
    /// The limit, in the same unit.
    pub limit: i64,
    /// What will be spent by the end of the window at this pace.
    pub projected: Option<i64>,
    /// Spent of limit in words.
    pub text: String,
}

impl HtmlSafe for Bullet {}

impl Bullet {
    fn whole(&self) -> i64 {
        self.limit.max(self.spent).max(self.projected.unwrap_or(0))
    }

    /// Width of what is spent.
    #[must_use]
    pub fn spent_width(&self) -> String {
        percent(self.spent, self.whole())
    }

    /// Width of what will be spent.
    #[must_use]
    pub fn projected_width(&self) -> Option<String> {
        self.projected.map(|projected| percent(projected, self.whole()))
    }

    /// Where the limit stands.
    #[must_use]
    pub fn limit_at(&self) -> String {
        percent(self.limit, self.whole())
    }

    /// True when the limit is reached.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.spent >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_never_passes_its_end() {
        let gauge = |used| Gauge {
            label: "Voice".into(),
            used,
            included: 500,
            ahead: Some(2 * used),
            text: String::new(),
            note: String::new(),
        };
        assert_eq!(gauge(125).arc(), "25.00");
        assert_eq!(gauge(900).arc(), "100.00");
        assert_eq!((gauge(499).share(), gauge(500).share()), ("99 %".into(), "100 %".into()));
        assert_eq!(
            (gauge(125).ahead_arc(), gauge(400).ahead_arc()),
            (Some("50.00".into()), Some("100.00".into()))
        );
        let html = gauge(125).render().expect("renders");
        assert!(html.contains("stroke-dasharray=\"25.00 100\""), "{html}");
    }

    #[test]
    fn a_bullet_fits_what_is_largest() {
        let bullet = Bullet {
            label: "Month".into(),
            spent: 50,
            limit: 100,
            projected: Some(200),
            text: "50 of 100".into(),
        };
        assert_eq!(bullet.spent_width(), "25.00%");
        assert_eq!(bullet.limit_at(), "50.00%");
        assert_eq!(bullet.projected_width().as_deref(), Some("100.00%"));
        assert!(!bullet.reached());
        assert!(bullet.render().expect("renders").contains("50 of 100"));
    }
}
