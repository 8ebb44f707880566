//! Rate limits: a bucket for each caller, and one for each network that tries to sign in.
//!
//! The buckets are in memory and bounded: callers are as many as there are keys and people, and networks share
//! a fixed number of buckets. They fill again while the server is off.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::error::{ApiError, Code};

/// How often full buckets are thrown away, counted in requests.
const SWEEP_EVERY: u32 = 16_384;

/// How fast callers may ask. Zero: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// An organization's key, or a person: requests a second.
    pub customer_per_second: u32,
    /// How many of these at once.
    pub customer_burst: u32,
    /// An operator's key: requests a second.
    pub operator_per_second: u32,
    /// How many of these at once.
    pub operator_burst: u32,
    /// Sign-ins and refused credentials of one network (or one e-mail address), a minute.
    pub sign_in_per_minute: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            customer_per_second: 100,
            customer_burst: 200,
            operator_per_second: 0,
            operator_burst: 0,
            sign_in_per_minute: 20,
        }
    }
}

/// What a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// An API key.
    Key(i64),
    /// A person, over all their sessions.
    Person(i64),
}

/// How a bucket stands after a request, as the response's headers say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests in a full bucket.
    pub burst: u32,
    /// How long an empty bucket takes to fill, in seconds.
    pub window_s: u32,
    /// Requests left now.
    pub remaining: u32,
    /// How long until it is full again, in seconds.
    pub reset_s: u32,
}

/// All the limits.
pub struct RateLimits {
    customers: Option<Limiter<Bucket>>,
    operators: Option<Limiter<Bucket>>,
    sign_ins: Option<Limiter<u16>>,
    hasher: RandomState,
}

impl RateLimits {
    /// Limits with full buckets.
    #[must_use]
    pub fn new(rates: &Rates) -> Self {
        let second = Duration::from_secs(1);
        let per_minute = rates.sign_in_per_minute;
        Self {
            customers: Limiter::new(rates.customer_per_second, second, rates.customer_burst),
            operators: Limiter::new(rates.operator_per_second, second, rates.operator_burst),
            sign_ins: Limiter::new(per_minute, Duration::from_secs(60), per_minute),
            hasher: RandomState::new(),
        }
    }

    /// Counts one request of a caller. `Ok(None)`: this caller has no limit.
    ///
    /// # Errors
    /// How the bucket stands, and for how many seconds to wait.
    pub fn take(&self, bucket: Bucket, operator: bool) -> Result<Option<Standing>, (Standing, u64)> {
        let limiter = if operator { &self.operators } else { &self.customers };
        let Some(limiter) = limiter else { return Ok(None) };
        limiter.take(&bucket).map(Some).map_err(|wait_s| (limiter.standing(0), wait_s))
    }

    /// Counts a try to sign in, or a credential that was refused, against the network it came from.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn try_from_network(&self, address: IpAddr) -> Result<(), ApiError> {
        self.try_as(match address {
            IpAddr::V4(v4) => (0_u8, u64::from(v4.to_bits())),
            // whoever has one IPv6 address has the 2^64 beside it too
            IpAddr::V6(v6) => (1, u64::try_from(v6.to_bits() >> 64).unwrap_or(0)),
        })
    }

    /// Counts a try to sign in against the account it names, existing or not.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn try_as_person(&self, email: &str) -> Result<(), ApiError> {
        self.try_as((2_u8, email.trim().to_lowercase()))
    }

    fn try_as(&self, who: impl Hash) -> Result<(), ApiError> {
        let Some(limiter) = &self.sign_ins else { return Ok(()) };
        let [low, high, ..] = self.hasher.hash_one(who).to_ne_bytes();
        limiter.take(&u16::from_ne_bytes([low, high])).map(|_| ()).map_err(too_many)
    }
}

/// The error for a bucket that is empty for `wait_s` seconds.
#[must_use]
pub fn too_many(wait_s: u64) -> ApiError {
    ApiError::new(Code::RateLimited).retry_after(wait_s)
}

struct Limiter<K: Hash + Eq + Clone> {
    buckets: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
    burst: u32,
    window_s: u32,
    clock: DefaultClock,
    since_sweep: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(rate: u32, per: Duration, burst: u32) -> Option<Self> {
        let quota =
            Quota::with_period(per.checked_div(rate)?)?.allow_burst(NonZeroU32::new(burst.max(1))?);
        let window = quota.burst_size_replenished_in();
        Some(Self {
            buckets: RateLimiter::dashmap(quota).with_middleware(),
            burst: burst.max(1),
            window_s: u32::try_from(window.as_secs()).unwrap_or(u32::MAX).max(1),
            clock: DefaultClock::default(),
            since_sweep: AtomicU32::new(0),
        })
    }

    /// One request out of a bucket, or how many seconds until there is one.
    fn take(&self, key: &K) -> Result<Standing, u64> {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) >= SWEEP_EVERY {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.buckets.retain_recent();
            self.buckets.shrink_to_fit();
        }
        match self.buckets.check_key(key) {
            Ok(snapshot) => Ok(self.standing(snapshot.remaining_burst_capacity())),
            Err(refused) => Err(refused.wait_time_from(self.clock.now()).as_secs().saturating_add(1)),
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let missing = u64::from(self.burst.saturating_sub(remaining));
        let reset = (missing * u64::from(self.window_s)).div_ceil(u64::from(self.burst));
        Standing {
            burst: self.burst,
            window_s: self.window_s,
            remaining,
            reset_s: u32::try_from(reset).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RateLimits {
        RateLimits::new(&Rates {
            customer_per_second: 1,
            customer_burst: 3,
            operator_per_second: 0,
            operator_burst: 0,
            sign_in_per_minute: 2,
        })
    }

    #[test]
    fn a_bucket_empties_and_its_neighbour_does_not() {
        let limits = limits();
        let take = |key| limits.take(Bucket::Key(key), false);
        let remaining: Vec<_> =
            (0..3).map(|_| take(1).ok().flatten().map(|standing| standing.remaining)).collect();
        assert_eq!(remaining, [Some(2), Some(1), Some(0)]);
        let (standing, wait_s) = take(1).expect_err("empty");
        assert_eq!((standing.remaining, standing.burst, standing.window_s, standing.reset_s), (0, 3, 3, 3));
        assert!(wait_s >= 1);
        assert!(take(2).is_ok());
        assert!(limits.take(Bucket::Person(1), false).is_ok());
    }

    #[test]
    fn operators_are_not_limited_unless_told() {
        let limits = limits();
        for _ in 0..100 {
            assert_eq!(limits.take(Bucket::Key(1), true), Ok(None));
        }
    }

    #[test]
    fn a_network_and_an_account_can_be_tried_only_so_often() {
        let limits = limits();
        let address: IpAddr = "2001:db8::1".parse().expect("address");
        let neighbour: IpAddr = "2001:db8::ffff".parse().expect("address");
        assert!(limits.try_from_network(address).is_ok());
        assert!(limits.try_from_network(neighbour).is_ok());
        assert_eq!(limits.try_from_network(address).expect_err("third").code(), Code::RateLimited);
        assert!(limits.try_as_person("A@example.com").is_ok());
        assert!(limits.try_as_person(" a@example.com").is_ok());
        assert!(limits.try_as_person("a@EXAMPLE.com").is_err());
    }
}
