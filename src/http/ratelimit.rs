//! Rate limits: a bucket for each caller, and one for each network without a credential.
//!
//! The buckets are in memory and bounded: callers are as many as there are keys and people, and networks share
//! a fixed number of buckets. They are full again after a restart.

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

/// How fast a bucket refills. Zero: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second.
    pub per_second: u32,
    /// How many at once, after a pause.
    pub burst: u32,
}

/// How fast callers may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// One key of the operator's.
    pub operator_key: Rate,
    /// One key of an organization's.
    pub organization_key: Rate,
    /// One person, over all their sessions.
    pub person: Rate,
    /// One network without a credential, or with one that is refused.
    pub stranger: Rate,
}

/// What a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// An operator's key.
    OperatorKey(i64),
    /// An organization's key.
    OrganizationKey(i64),
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
    operator_keys: Option<Limiter<i64>>,
    organization_keys: Option<Limiter<i64>>,
    people: Option<Limiter<i64>>,
    strangers: Option<Limiter<u16>>,
    hasher: RandomState,
}

/// How a bucket stands, and for how many seconds to wait.
pub type Refused = (Standing, u64);

impl RateLimits {
    /// Limits with full buckets.
    #[must_use]
    pub fn new(rates: &Rates) -> Self {
        Self {
            operator_keys: Limiter::new(rates.operator_key),
            organization_keys: Limiter::new(rates.organization_key),
            people: Limiter::new(rates.person),
            strangers: Limiter::new(rates.stranger),
            hasher: RandomState::new(),
        }
    }

    /// Counts one request of a caller. `Ok(None)`: this caller has no limit.
    ///
    /// # Errors
    /// When its bucket is empty.
    pub fn take(&self, bucket: Bucket) -> Result<Option<Standing>, Refused> {
        let (limiter, key) = match bucket {
            Bucket::OperatorKey(key) => (&self.operator_keys, key),
            Bucket::OrganizationKey(key) => (&self.organization_keys, key),
            Bucket::Person(key) => (&self.people, key),
        };
        take(limiter.as_ref(), &key)
    }

    /// Counts one request from a network without a credential. Networks share a fixed number of buckets.
    ///
    /// # Errors
    /// When its bucket is empty.
    pub fn stranger(&self, address: IpAddr) -> Result<Option<Standing>, Refused> {
        let network = match address {
            IpAddr::V4(v4) => (0_u8, u64::from(v4.to_bits())),
            // whoever has one IPv6 address has the 2^64 beside it too
            IpAddr::V6(v6) => (1, u64::try_from(v6.to_bits() >> 64).unwrap_or(0)),
        };
        let [low, high, ..] = self.hasher.hash_one(network).to_ne_bytes();
        take(self.strangers.as_ref(), &u16::from_ne_bytes([low, high]))
    }
}

fn take<K: Hash + Eq + Clone>(limiter: Option<&Limiter<K>>, key: &K) -> Result<Option<Standing>, Refused> {
    let Some(limiter) = limiter else { return Ok(None) };
    limiter.take(key).map(Some).map_err(|wait_s| (limiter.standing(0), wait_s))
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
    fn new(rate: Rate) -> Option<Self> {
        let burst = rate.burst.max(1);
        let every = Duration::from_secs(1).checked_div(rate.per_second)?;
        let quota = Quota::with_period(every)?.allow_burst(NonZeroU32::new(burst)?);
        let window = quota.burst_size_replenished_in();
        Some(Self {
            buckets: RateLimiter::dashmap(quota).with_middleware(),
            burst,
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
        let slow = |burst| Rate { per_second: 1, burst };
        RateLimits::new(&Rates {
            operator_key: Rate { per_second: 0, burst: 0 },
            organization_key: slow(3),
            person: slow(1),
            stranger: slow(2),
        })
    }

    #[test]
    fn a_bucket_empties_and_its_neighbour_does_not() {
        let limits = limits();
        let take = |key| limits.take(Bucket::OrganizationKey(key));
        let remaining: Vec<_> =
            (0..3).map(|_| take(1).ok().flatten().map(|standing| standing.remaining)).collect();
        assert_eq!(remaining, [Some(2), Some(1), Some(0)]);
        let (standing, wait_s) = take(1).expect_err("empty");
        assert_eq!((standing.remaining, standing.burst, standing.window_s, standing.reset_s), (0, 3, 3, 3));
        assert!(wait_s >= 1);
        assert!(take(2).is_ok());
        assert!(limits.take(Bucket::Person(1)).is_ok());
        assert!(limits.take(Bucket::Person(1)).is_err());
    }

    #[test]
    fn no_limit_is_no_limit() {
        let limits = limits();
        for _ in 0..100 {
            assert_eq!(limits.take(Bucket::OperatorKey(1)), Ok(None));
        }
    }

    #[test]
    fn a_network_is_one_stranger() {
        let limits = limits();
        let address: IpAddr = "2001:db8::1".parse().expect("address");
        let neighbour: IpAddr = "2001:db8::ffff".parse().expect("address");
        assert!(limits.stranger(address).is_ok());
        assert!(limits.stranger(neighbour).is_ok());
        assert!(limits.stranger(address).is_err());
    }
}
