//! Event ids as clients make them, quickly.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// How clients choose their event ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// UUID version 4.
    Random,
    /// UUID version 7.
    TimeOrdered,
}

/// The splitmix64 generator: enough for ids that differ, and a nanosecond each.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Differs each time, so that a second run on the same database meets no duplicates. Not from the clock: the
    /// generator steps through one cycle, and starts close to each other would soon give the same ids.
    pub(super) fn new() -> Self {
        Self(uuid::Uuid::new_v4().as_u64_pair().0)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `limit`; the slight bias of the remainder does not matter here.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }
}

/// A UUID in its usual spelling. `now_ms` counts for time-ordered ones only.
pub(super) fn uuid(kind: Ids, now_ms: u64, random: &mut Random) -> [u8; 36] {
    let (mut high, low) = (random.next(), random.next());
    let version = match kind {
        Ids::Random => 4,
        Ids::TimeOrdered => {
            high = (now_ms << 16) | (high & 0xFFFF);
            7
        }
    };
    high = (high & !0xF000) | (version << 12);
    let low = (low & (u64::MAX >> 2)) | (1 << 63);
    let value = (u128::from(high) << 64) | u128::from(low);
    let mut text = [b'-'; 36];
    let mut shift = 128_u32;
    for (position, slot) in text.iter_mut().enumerate() {
        if !matches!(position, 8 | 13 | 18 | 23) {
            shift -= 4;
            *slot = hex(value >> shift);
        }
    }
    text
}

/// The digit of the lowest four bits.
pub(super) fn hex(value: u128) -> u8 {
    let index = usize::try_from(value & 15).unwrap_or(0);
    HEX.get(index).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_their_version() {
        let mut random = Random(1);
        for (kind, version) in [(Ids::Random, 4), (Ids::TimeOrdered, 7)] {
            let text = uuid(kind, 1_790_000_000_123, &mut random);
            let parsed = uuid::Uuid::try_parse_ascii(&text).unwrap();
            assert_eq!(parsed.get_version_num(), version);
            assert_eq!(parsed.get_variant(), uuid::Variant::RFC4122);
            if kind == Ids::TimeOrdered {
                assert_eq!(parsed.get_timestamp().unwrap().to_unix(), (1_790_000_000, 123_000_000));
            }
        }
    }

    #[test]
    fn random_ids_do_not_repeat() {
        let mut random = Random(7);
        let mut seen: Vec<_> = (0..10_000).map(|_| uuid(Ids::Random, 0, &mut random)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
