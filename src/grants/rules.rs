//! The order in which grants are drawn, and when a grant is usable. Pure.

use std::cmp::Ordering;
use std::fmt;

use crate::base::Timestamp;
use crate::base::id::{GrantId, MeterId};

/// Where credit came from. Free credit is spent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Welcome and promotional credit.
    Free,
    /// Granted by a plan each cycle.
    Plan,
    /// Bought.
    Paid,
}

impl Class {
    /// Every class in draw order.
    pub const ALL: [Self; 3] = [Self::Free, Self::Plan, Self::Paid];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Plan => "plan",
            Self::Paid => "paid",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// The priority of a grant that has none of its own.
    #[must_use]
    pub const fn priority(self) -> i64 {
        match self {
            Self::Free => 100,
            Self::Plan => 200,
            Self::Paid => 300,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What decides a grant's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawOrder {
    /// Its class.
    pub class: Class,
    /// On the scale of [`Class::priority`]; lower is drawn earlier.
    pub priority: Option<i64>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was received.
    pub created_at: Timestamp,
    /// Its id, which settles what is left.
    pub id: GrantId,
}

impl DrawOrder {
    fn key(&self) -> (i64, i64, i64, i64) {
        (
            self.priority.unwrap_or(self.class.priority()),
            self.expires_at.map_or(i64::MAX, Timestamp::millis),
            self.created_at.millis(),
            self.id.number(),
        )
    }
}

impl Ord for DrawOrder {
    /// Priority (the class's unless set), then earliest expiry with none last, then oldest, then id.
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key()).then_with(|| self.class.cmp(&other.class))
    }
}

impl PartialOrd for DrawOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a grant may be used for, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its turn.
    pub order: DrawOrder,
    /// The meters it is restricted to; `None` for all.
    pub meters: Option<Vec<MeterId>>,
}

impl Terms {
    /// May be drawn for `meter` at all.
    #[must_use]
    pub fn covers(&self, meter: MeterId) -> bool {
        self.meters.as_ref().is_none_or(|meters| meters.contains(&meter))
    }

    /// Not expired at `at`. At the very instant of its expiry a grant can no longer be used.
    #[must_use]
    pub fn is_live(&self, at: Timestamp) -> bool {
        self.order.expires_at.is_none_or(|expiry| at < expiry)
    }

    /// May be drawn for work done at `occurred_at` and reported at `now`: before the expiry, or after it when the
    /// work was done before and is reported within `grace_ms`.
    #[must_use]
    pub fn is_drawable(&self, occurred_at: Timestamp, now: Timestamp, grace_ms: i64) -> bool {
        match self.order.expires_at {
            None => true,
            Some(expiry) if now < expiry => true,
            Some(expiry) => occurred_at < expiry && now < expiry.plus_ms(grace_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(class: Class, priority: Option<i64>, expires: Option<i64>, created: i64, id: i64) -> DrawOrder {
        DrawOrder {
            class,
            priority,
            expires_at: expires.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(created),
            id: GrantId::new(id),
        }
    }

    #[test]
    fn draw_order_by_table() {
        let expected = [
            order(Class::Paid, Some(50), None, 9, 9),
            order(Class::Free, None, Some(10), 5, 4),
            order(Class::Free, None, Some(20), 1, 3),
            order(Class::Free, None, None, 1, 2),
            order(Class::Free, None, None, 2, 1),
            order(Class::Plan, None, Some(5), 1, 5),
            order(Class::Paid, None, Some(5), 1, 6),
            order(Class::Paid, None, None, 1, 7),
            order(Class::Paid, None, None, 1, 8),
            // a priority overrides even when both expire
            order(Class::Free, Some(400), Some(1), 1, 10),
        ];
        let mut shuffled = expected;
        shuffled.reverse();
        shuffled.sort();
        assert_eq!(shuffled, expected);
    }

    #[test]
    fn late_usage_may_draw_on_expired_credit_within_the_grace_period() {
        let terms = Terms { order: order(Class::Free, None, Some(1_000), 0, 1), meters: None };
        let at = Timestamp::from_millis;
        assert!(terms.is_drawable(at(999), at(999), 100));
        assert!(!terms.is_drawable(at(1_000), at(1_000), 100));
        assert!(terms.is_drawable(at(999), at(1_050), 100));
        assert!(!terms.is_drawable(at(999), at(1_100), 100));
        assert!(!terms.is_drawable(at(1_020), at(1_050), 100));
    }

    fn any_order() -> impl Strategy<Value = DrawOrder> {
        (0..3_usize, proptest::option::of(0..400_i64), proptest::option::of(0..5_i64), 0..5_i64, 1..6_i64)
            .prop_map(|(class, priority, expires, created, id)| {
                order(Class::ALL[class], priority, expires, created, id)
            })
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in any_order(), b in any_order(), c in any_order()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            if a.id != b.id {
                prop_assert_ne!(a.cmp(&b), Ordering::Equal);
            }
        }
    }
}
