//! How often somebody may try: a leaky bucket per address and per account, in memory of fixed size.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::base::Timestamp;

/// Buckets in one table. Two names that fall into one bucket share it; which ones those are cannot be foreseen, as
/// the hash is keyed at random.
const BUCKETS: usize = 16_384;

/// How many attempts at once, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Attempts in a row.
    pub burst: u32,
    /// Time until one more is allowed.
    pub every_ms: i64,
}

/// Counts attempts by name. Holds a time per bucket, nothing else (the generic cell rate algorithm).
#[derive(Debug)]
pub struct Attempts {
    rate: Rate,
    hasher: RandomState,
    /// When each bucket will be empty again, in milliseconds.
    empty_at_ms: Mutex<Vec<i64>>,
}

impl Attempts {
    /// With this rate for each name.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, hasher: RandomState::new(), empty_at_ms: Mutex::new(vec![i64::MIN; BUCKETS]) }
    }

    /// Takes one attempt.
    ///
    /// # Errors
    /// The milliseconds until the next is allowed.
    pub fn take<N: Hash>(&self, name: &N, now: Timestamp) -> Result<(), i64> {
        let (now, every) = (now.millis(), self.rate.every_ms);
        let room = every.saturating_mul(i64::from(self.rate.burst));
        self.with_bucket(name, |empty_at| {
            // a clock that stepped back must not lock anybody out for longer than a full bucket
            let from = (*empty_at).clamp(now, now.saturating_add(room));
            let filled = from.saturating_add(every);
            let over = filled.saturating_sub(now.saturating_add(room));
            if over > 0 {
                *empty_at = from;
                return Err(over);
            }
            *empty_at = filled;
            Ok(())
        })
    }

    /// Gives one attempt back: it was a good one.
    pub fn give_back<N: Hash>(&self, name: &N) {
        let every = self.rate.every_ms;
        self.with_bucket(name, |empty_at| *empty_at = empty_at.saturating_sub(every));
    }

    fn with_bucket<N: Hash, T>(&self, name: &N, f: impl FnOnce(&mut i64) -> T) -> T {
        let position = usize::try_from(self.hasher.hash_one(name) % BUCKETS as u64).unwrap_or(0);
        let mut buckets = self.empty_at_ms.lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.get_mut(position) {
            Some(bucket) => f(bucket),
            None => f(&mut i64::MIN.clone()),
        }
    }
}

/// The network that an address counts as: one IPv6 customer has at least a /64.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every_ms: 1_000 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + ms)
    }

    #[test]
    fn a_burst_then_one_at_a_time() {
        let attempts = Attempts::new(RATE);
        for _ in 0..3 {
            assert_eq!(attempts.take(&"ada", at(0)), Ok(()));
        }
        assert_eq!(attempts.take(&"ada", at(0)), Err(1_000));
        assert_eq!(attempts.take(&"ada", at(999)), Err(1));
        assert_eq!(attempts.take(&"ada", at(1_000)), Ok(()));
        assert_eq!(attempts.take(&"ada", at(1_000)), Err(1_000));
        // refused attempts cost nothing, and after a while the whole burst is back
        for _ in 0..3 {
            assert_eq!(attempts.take(&"ada", at(10_000)), Ok(()));
        }
        assert!(attempts.take(&"ada", at(10_000)).is_err());
    }

    #[test]
    fn a_good_attempt_is_given_back_and_does_not_pile_up() {
        let attempts = Attempts::new(RATE);
        for _ in 0..50 {
            assert_eq!(attempts.take(&"ada", at(0)), Ok(()));
            attempts.give_back(&"ada");
        }
        for _ in 0..3 {
            assert_eq!(attempts.take(&"ada", at(0)), Ok(()));
        }
        assert!(attempts.take(&"ada", at(0)).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out_for_long() {
        let attempts = Attempts::new(RATE);
        assert_eq!(attempts.take(&"ada", at(1_000_000_000)), Ok(()));
        let wait = attempts.take(&"ada", at(0)).unwrap_err();
        assert!(wait <= 1_000, "{wait}");
        assert_eq!(attempts.take(&"ada", at(wait)), Ok(()));
    }

    #[test]
    fn neighbours_in_one_network_count_as_one() {
        let net = |text: &str| network(text.parse().unwrap());
        assert_eq!(net("2001:db8::1"), net("2001:db8::ffff:1"));
        assert_ne!(net("2001:db8::1"), net("2001:db8:0:1::1"));
        assert_eq!(net("::ffff:192.0.2.1"), net("192.0.2.1"));
        assert_ne!(net("192.0.2.1"), net("192.0.2.2"));
    }
}
