//! A split block Bloom filter, as in the Parquet format's specification
//! (<https://parquet.apache.org/docs/file-format/bloomfilter/>): one cache line per question.

use super::IdKey;
use crate::db::DbError;

/// Bits per key. Sixteen give about one false "maybe" in a thousand.
const BITS_PER_KEY: usize = 16;
const WORDS: usize = 8;
const BLOCK_BYTES: usize = WORDS * 4;
/// Odd constants of the specification; each picks one bit of one word.
const SALT: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

type Block = [u32; WORDS];

/// Says "no" for certain, or "maybe".
pub(super) struct Filter {
    blocks: Vec<Block>,
}

impl Filter {
    pub(super) fn for_entries(entries: usize) -> Self {
        let blocks = (entries.saturating_mul(BITS_PER_KEY)).div_ceil(BLOCK_BYTES * 8).max(1);
        Self { blocks: vec![[0; WORDS]; blocks] }
    }

    fn block(&self, key: u64) -> usize {
        // the high half, scaled to the number of blocks
        let scaled = (u128::from(key >> 32) * (self.blocks.len() as u128)) >> 32;
        usize::try_from(scaled).unwrap_or(0)
    }

    fn masks(key: u64) -> Block {
        let [a, b, c, d, ..] = key.to_le_bytes();
        let low = u32::from_le_bytes([a, b, c, d]);
        SALT.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
    }

    pub(super) fn insert(&mut self, key: IdKey) {
        let key = u64::from_ne_bytes(key.0.to_ne_bytes());
        let place = self.block(key);
        if let Some(block) = self.blocks.get_mut(place) {
            for (word, mask) in block.iter_mut().zip(Self::masks(key)) {
                *word |= mask;
            }
        }
    }

    pub(super) fn may_contain(&self, key: IdKey) -> bool {
        let key = u64::from_ne_bytes(key.0.to_ne_bytes());
        self.blocks
            .get(self.block(key))
            .is_none_or(|block| block.iter().zip(Self::masks(key)).all(|(word, mask)| word & mask != 0))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8], run: i64) -> Result<Self, DbError> {
        let (chunks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        if chunks.is_empty() || !rest.is_empty() {
            return Err(DbError::bad_row("usage_id_runs", run, "filter has a wrong length"));
        }
        let blocks = chunks
            .iter()
            .map(|chunk| {
                let mut block = [0; WORDS];
                for (word, bytes) in block.iter_mut().zip(chunk.as_chunks::<4>().0) {
                    *word = u32::from_le_bytes(*bytes);
                }
                block
            })
            .collect();
        Ok(Self { blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::OrganizationId;

    fn key(n: u64) -> IdKey {
        IdKey::new(OrganizationId::new(1), n)
    }

    #[test]
    fn never_denies_what_it_has_and_seldom_claims_what_it_has_not() {
        let mut filter = Filter::for_entries(20_000);
        (0..20_000).for_each(|n| filter.insert(key(n)));
        let stored = Filter::from_bytes(&filter.to_bytes(), 1).expect("bytes");
        assert!((0..20_000).all(|n| stored.may_contain(key(n))));
        let wrong = (20_000..120_000).filter(|n| stored.may_contain(key(*n))).count();
        assert!(wrong < 400, "{wrong} of 100,000");
        assert!(Filter::from_bytes(&[1, 2, 3], 1).is_err());
    }
}
