//! What limits and policies mean. Pure.

use crate::base::id::AgentId;
use crate::base::{Credits, Day};

/// No limit is above this: 10¹¹ credits, as the most that a balance may be.
pub const MAX_LIMIT: Credits = Credits::from_micros(100_000_000_000_000_000);
/// From which part of a limit on it is warned of, in percent.
pub const WARNING_PERCENT: i64 = 80;

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// What the organization spends in a day.
    Daily,
    /// What it spends in a calendar month.
    Monthly,
    /// What one agent spends in a calendar month.
    PerAgent,
}

impl LimitKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Daily, Self::Monthly, Self::PerAgent];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Monthly => "monthly",
            Self::PerAgent => "per_agent",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The first day of the window that `day` is in.
    #[must_use]
    pub fn window(self, day: Day) -> Day {
        match self {
            Self::Daily => day,
            Self::Monthly | Self::PerAgent => day.first_of_month(),
        }
    }

    /// The day on which the window after that of `day` begins.
    #[must_use]
    pub fn window_end(self, day: Day) -> Day {
        match self {
            Self::Daily => day.plus_days(1),
            Self::Monthly | Self::PerAgent => day.first_of_next_month(),
        }
    }
}

/// What happens at an organization's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Work not yet done is refused until the window ends.
    #[default]
    Pause,
    /// It is recorded and told, nothing is refused.
    AlertOnly,
}

impl Action {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pause, Self::AlertOnly];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::AlertOnly => "alert_only",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// What an agent does when its plan credit, or its limit, is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It stops: work not yet done is refused.
    Stop,
    /// It goes on, on the balance of the wallet.
    UseBalance,
}

impl Choice {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stop, Self::UseBalance];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::UseBalance => "use_balance",
        }
    }

    /// The choice of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.name() == name)
    }
}

/// An organization's own limits, in credits. None: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrganizationLimits {
    /// In a day of its timezone.
    pub daily: Option<Credits>,
    /// In a calendar month of its timezone.
    pub monthly: Option<Credits>,
    /// For each agent without a limit of its own, in a calendar month.
    pub per_agent: Option<Credits>,
    /// What happens at each of them.
    pub action: Action,
}

impl OrganizationLimits {
    /// The limit of that kind.
    #[must_use]
    pub const fn of(&self, kind: LimitKind) -> Option<Credits> {
        match kind {
            LimitKind::Daily => self.daily,
            LimitKind::Monthly => self.monthly,
            LimitKind::PerAgent => self.per_agent,
        }
    }
}

/// What was said about one agent. None: as the organization has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgentPolicy {
    /// Its own limit for a calendar month, in credits.
    pub monthly_limit: Option<Credits>,
    /// When allowance and plan credit are used up; it uses the balance unless told to stop.
    pub on_plan_exhausted: Option<Choice>,
    /// At its limit; as the organization's action unless said.
    pub on_limit: Option<Choice>,
}

/// What holds for one agent, its own policy and the organization's limits taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentTerms {
    /// The limit for a calendar month, in credits.
    pub limit: Option<Credits>,
    /// The limit is the agent's own, not the organization's for all agents.
    pub own: bool,
    /// What happens at the limit.
    pub on_limit: Choice,
    /// What happens when allowance and plan credit are used up.
    pub on_plan_exhausted: Choice,
}

impl AgentTerms {
    /// What holds for an agent of which `policy` says what it says.
    #[must_use]
    pub fn of(limits: &OrganizationLimits, policy: AgentPolicy) -> Self {
        let by_action = match limits.action {
            Action::Pause => Choice::Stop,
            Action::AlertOnly => Choice::UseBalance,
        };
        Self {
            limit: policy.monthly_limit.or(limits.per_agent),
            own: policy.monthly_limit.is_some(),
            on_limit: policy.on_limit.unwrap_or(by_action),
            on_plan_exhausted: policy.on_plan_exhausted.unwrap_or(Choice::UseBalance),
        }
    }
}

/// A limit that pauses, and what it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Which.
    pub kind: LimitKind,
    /// The limit itself.
    pub limit: Credits,
    /// What has been charged against it in its window.
    pub spent: Credits,
    /// What may still be spent, less what calls in progress hold; not negative.
    pub left: Credits,
    /// The first day of the window after this one: the limit starts over.
    pub resets_on: Day,
}

/// How far limits and policies let one agent's work go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headroom {
    /// The limit that leaves least, of those that pause and were not lifted. `None`: nothing limits.
    pub tightest: Option<Cap>,
    /// Only allowance and plan credit may be used: the agent stops when they are used up.
    pub plan_only: bool,
}

impl Headroom {
    /// Nothing limits.
    pub const UNLIMITED: Self = Self { tightest: None, plan_only: false };

    /// What may still be spent before a limit refuses; `None` when nothing limits.
    #[must_use]
    pub fn credits_left(&self) -> Option<Credits> {
        self.tightest.map(|cap| cap.left)
    }

    /// The limit that refuses work of that price. What costs no credits (an included minute) is never refused: limits
    /// are about credits spent.
    #[must_use]
    pub fn refuses(&self, price: Credits) -> Option<Cap> {
        self.tightest.filter(|cap| price.is_positive() && price > cap.left)
    }

    /// Takes another limit into account.
    pub(super) fn tighten(&mut self, cap: Cap) {
        if self.tightest.is_none_or(|tightest| cap.left < tightest.left) {
            self.tightest = Some(cap);
        }
    }
}

/// What a limit leaves; not negative.
#[must_use]
pub fn left(limit: Credits, spent: Credits, held: Credits) -> Credits {
    let left = i128::from(limit.micros()) - i128::from(spent.micros()) - i128::from(held.micros());
    Credits::from_micros(i64::try_from(left.max(0)).unwrap_or(i64::MAX))
}

/// What is said about a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice {
    /// [`WARNING_PERCENT`] of it are spent.
    Warning,
    /// It is spent.
    Reached,
}

impl Notice {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Reached => "reached",
        }
    }

    /// The notice of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Warning, Self::Reached].into_iter().find(|notice| notice.name() == name)
    }
}

/// Whether so much of a limit is spent that it is warned of.
#[must_use]
pub fn is_near(limit: Credits, spent: Credits) -> bool {
    i128::from(spent.micros()) * 100 >= i128::from(limit.micros()) * i128::from(WARNING_PERCENT)
}

/// What is to be said about a limit of which `told` was the last thing said in this window.
#[must_use]
pub fn news(limit: Credits, spent: Credits, told: Option<Notice>) -> Option<Notice> {
    let now = if spent >= limit {
        Notice::Reached
    } else if is_near(limit, spent) {
        Notice::Warning
    } else {
        return None;
    };
    (told < Some(now)).then_some(now)
}

/// Where a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There is none.
    Unlimited,
    /// Less than [`WARNING_PERCENT`] of it are spent.
    Ok,
    /// More than that.
    Warning,
    /// It is spent, and only told so.
    Reached,
    /// It is spent, and work not yet done is refused until the window ends.
    Paused,
    /// It is spent, and somebody let work go on until the window ends.
    Resumed,
}

impl Status {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Reached => "reached",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
        }
    }

    /// Where a limit stands that pauses or not, and was lifted for this window or not.
    #[must_use]
    pub fn of(limit: Option<Credits>, spent: Credits, pauses: bool, resumed: bool) -> Self {
        let Some(limit) = limit else { return Self::Unlimited };
        if spent < limit {
            return if is_near(limit, spent) { Self::Warning } else { Self::Ok };
        }
        match (pauses, resumed) {
            (false, _) => Self::Reached,
            (true, true) => Self::Resumed,
            (true, false) => Self::Paused,
        }
    }
}

/// One limit of one organization or agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey {
    /// Which.
    pub kind: LimitKind,
    /// Whose, where it is one agent's.
    pub agent: Option<AgentId>,
}

impl LimitKey {
    /// An organization's limit for a day.
    pub const DAILY: Self = Self { kind: LimitKind::Daily, agent: None };
    /// An organization's limit for a month.
    pub const MONTHLY: Self = Self { kind: LimitKind::Monthly, agent: None };

    /// An agent's limit.
    #[must_use]
    pub const fn agent(agent: AgentId) -> Self {
        Self { kind: LimitKind::PerAgent, agent: Some(agent) }
    }
}

/// When a limit will be spent at the pace of its window so far, in milliseconds from the window's start; `None` when it
/// will not be within the window, is spent already, or nothing was spent yet.
#[must_use]
pub fn projected_hit_ms(limit: Credits, spent: Credits, elapsed_ms: i64, window_ms: i64) -> Option<i64> {
    if !spent.is_positive() || spent >= limit || elapsed_ms <= 0 {
        return None;
    }
    let hit = i128::from(limit.micros()) * i128::from(elapsed_ms) / i128::from(spent.micros());
    i64::try_from(hit).ok().filter(|hit| *hit < window_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(whole: i64) -> Credits {
        Credits::from_whole(whole).expect("credits")
    }

    fn day(text: &str) -> Day {
        text.parse().expect("day")
    }

    #[test]
    fn windows_begin_and_end_with_calendar_days_and_months() {
        for (kind, at, from, to) in [
            (LimitKind::Daily, "2027-03-28", "2027-03-28", "2027-03-29"),
            (LimitKind::Monthly, "2027-12-31", "2027-12-01", "2028-01-01"),
            (LimitKind::PerAgent, "2028-02-29", "2028-02-01", "2028-03-01"),
        ] {
            assert_eq!(kind.window(day(at)), day(from));
            assert_eq!(kind.window_end(day(at)), day(to));
        }
    }

    #[test]
    fn names_survive() {
        for kind in LimitKind::ALL {
            assert_eq!(LimitKind::from_name(kind.name()), Some(kind));
        }
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(action));
        }
        for choice in Choice::ALL {
            assert_eq!(Choice::from_name(choice.name()), Some(choice));
        }
        for notice in [Notice::Warning, Notice::Reached] {
            assert_eq!(Notice::from_name(notice.name()), Some(notice));
        }
        assert_eq!(LimitKind::from_name("yearly"), None);
    }

    #[test]
    fn an_agent_follows_the_organization_unless_it_says_otherwise() {
        use Choice::{Stop, UseBalance};
        let table = [
            // organization's action, limit per agent, own limit, own choice -> limit, choice
            (Action::Pause, None, None, None, None, Stop),
            (Action::Pause, Some(9), None, None, Some(9), Stop),
            (Action::AlertOnly, Some(9), None, None, Some(9), UseBalance),
            (Action::AlertOnly, Some(9), Some(3), None, Some(3), UseBalance),
            (Action::AlertOnly, Some(9), None, Some(Stop), Some(9), Stop),
            (Action::Pause, Some(9), Some(30), Some(UseBalance), Some(30), UseBalance),
        ];
        for (action, per_agent, own, on_limit, limit, choice) in table {
            let limits = OrganizationLimits { per_agent: per_agent.map(c), action, ..Default::default() };
            let policy = AgentPolicy { monthly_limit: own.map(c), on_limit, on_plan_exhausted: None };
            let terms = AgentTerms::of(&limits, policy);
            assert_eq!((terms.limit, terms.on_limit, terms.own), (limit.map(c), choice, own.is_some()));
            assert_eq!(terms.on_plan_exhausted, UseBalance);
        }
    }

    #[test]
    fn each_threshold_is_told_once() {
        use Notice::{Reached, Warning};
        let table = [
            (100, 79, None, None),
            (100, 80, None, Some(Warning)),
            (100, 99, Some(Warning), None),
            (100, 100, Some(Warning), Some(Reached)),
            (100, 100, None, Some(Reached)),
            (100, 250, Some(Reached), None),
            // taken back, and up again: nothing new
            (100, 85, Some(Reached), None),
            (0, 0, None, Some(Reached)),
        ];
        for (limit, spent, told, expected) in table {
            assert_eq!(news(c(limit), c(spent), told), expected, "{spent} of {limit}, told {told:?}");
        }
        // four fifths of five millionths: exactly four
        let micros = Credits::from_micros;
        assert_eq!(news(micros(5), micros(3), None), None);
        assert_eq!(news(micros(5), micros(4), None), Some(Warning));
        assert_eq!(news(MAX_LIMIT, MAX_LIMIT, None), Some(Reached));
    }

    #[test]
    fn the_tightest_limit_decides_and_free_work_goes_on() {
        let cap = |kind, left: i64| Cap {
            kind,
            limit: c(100),
            spent: c(100 - left),
            left: c(left),
            resets_on: day("2027-01-01"),
        };
        let mut headroom = Headroom::UNLIMITED;
        assert_eq!((headroom.credits_left(), headroom.refuses(MAX_LIMIT)), (None, None));
        headroom.tighten(cap(LimitKind::Daily, 10));
        headroom.tighten(cap(LimitKind::Monthly, 4));
        headroom.tighten(cap(LimitKind::PerAgent, 4));
        assert_eq!(headroom.credits_left(), Some(c(4)));
        assert_eq!(headroom.refuses(c(4)), None);
        assert_eq!(headroom.refuses(c(5)).map(|cap| cap.kind), Some(LimitKind::Monthly));
        headroom.tighten(cap(LimitKind::PerAgent, 0));
        assert_eq!(headroom.refuses(Credits::ZERO), None);
        assert!(headroom.refuses(Credits::from_micros(1)).is_some());
    }

    #[test]
    fn what_is_left_is_never_negative() {
        assert_eq!(left(c(100), c(30), c(20)), c(50));
        assert_eq!(left(c(100), c(90), c(20)), Credits::ZERO);
        // more was taken back than charged, as a void of an earlier window's charge never does
        assert_eq!(left(MAX_LIMIT, c(-1), Credits::ZERO), MAX_LIMIT.checked_add(c(1)).expect("sum"));
    }

    #[test]
    fn the_standing_of_a_limit() {
        use Status::{Ok, Paused, Reached, Resumed, Unlimited, Warning};
        let table = [
            (None, 500, true, false, Unlimited),
            (Some(100), 79, true, false, Ok),
            (Some(100), 80, true, false, Warning),
            (Some(100), 100, true, false, Paused),
            (Some(100), 100, true, true, Resumed),
            (Some(100), 100, false, false, Reached),
            // lifted, then taken back: it stands where it stands
            (Some(100), 10, true, true, Ok),
            (Some(0), 0, true, false, Paused),
        ];
        for (limit, spent, pauses, resumed, expected) in table {
            assert_eq!(Status::of(limit.map(c), c(spent), pauses, resumed), expected);
        }
    }

    #[test]
    fn the_pace_of_the_window_says_when() {
        let hour = 3_600_000;
        // half of it in a quarter of the day: spent at noon
        assert_eq!(projected_hit_ms(c(100), c(50), 6 * hour, 24 * hour), Some(12 * hour));
        assert_eq!(projected_hit_ms(c(100), c(25), 6 * hour, 24 * hour), None);
        assert_eq!(projected_hit_ms(c(100), c(0), 6 * hour, 24 * hour), None);
        assert_eq!(projected_hit_ms(c(100), c(100), 6 * hour, 24 * hour), None);
        assert_eq!(projected_hit_ms(c(100), c(50), 0, 24 * hour), None);
        assert_eq!(projected_hit_ms(MAX_LIMIT, Credits::from_micros(1), i64::MAX, i64::MAX), None);
    }
}
