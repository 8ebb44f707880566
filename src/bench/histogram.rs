//! Latencies in buckets that grow with the value: about 3 % wide, however long the answer took.

use std::time::Duration;

/// Buckets per doubling, as a power of two.
const SUB_BITS: u32 = 5;
const BUCKETS: usize = 1_024;

/// Counts of latencies.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max_us: 0 }
    }

    pub(super) fn record(&mut self, latency: Duration) {
        let us = micros(latency);
        if let Some(slot) = self.counts.get_mut(bucket(us)) {
            *slot += 1;
        }
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    /// The latency that `permille` of a thousand stayed under, in microseconds; 0 when nothing was recorded.
    pub(super) fn quantile_us(&self, permille: u64) -> u64 {
        let wanted = (self.total * permille).div_ceil(1_000);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return upper_us(index).min(self.max_us);
            }
        }
        self.max_us
    }
}

fn bucket(us: u64) -> usize {
    let shift = us.max(1).ilog2().saturating_sub(SUB_BITS);
    let index = (u64::from(shift) << SUB_BITS) + (us >> shift);
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper_us(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let shift = (index >> SUB_BITS).saturating_sub(1);
    let mantissa = index - (shift << SUB_BITS);
    ((mantissa + 1) << shift) - 1
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_at_most_a_thirtysecond_below_the_end_of_its_bucket() {
        for us in (0..10_000).chain([65_535, 65_536, 1_000_000, 59_999_999]) {
            let upper = upper_us(bucket(us));
            assert!(upper >= us, "{us} lies past {upper}");
            assert!(upper - us <= us / 32, "{us} is far from {upper}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::new();
        for us in 1..=1_000 {
            histogram.record(Duration::from_micros(us));
        }
        assert_eq!(histogram.quantile_us(1), 1);
        assert!((500..=516).contains(&histogram.quantile_us(500)));
        assert!((990..=1_000).contains(&histogram.quantile_us(990)));
        assert_eq!(histogram.quantile_us(1_000), 1_000);
        assert_eq!(Histogram::new().quantile_us(990), 0);
    }
}
