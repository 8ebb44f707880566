//! Lists: a page at a time, continued by an opaque cursor.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::params::Params;
use crate::base::Page;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;
const CHECK_LEN: usize = 4;

/// Which page of a list is wanted. `N` numbers say where the page before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<const N: usize> {
    /// How many items at most.
    pub limit: u32,
    /// The position of the last item already seen.
    pub after: Option<[i64; N]>,
}

impl<const N: usize> Window<N> {
    /// Reads `limit` and `cursor`. `list` names the list, so that another's cursor is refused.
    pub fn from_params(params: &mut Params, list: &str) -> Self {
        let limit = params.optional::<u32>("limit").unwrap_or(DEFAULT_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            params.error("limit", "invalid_value", format!("must be from 1 to {MAX_LIMIT}"));
        }
        let cursor = params.text("cursor");
        let after = cursor.as_deref().and_then(|text| decode::<N>(text, list));
        if cursor.is_some() && after.is_none() {
            params.error("cursor", "invalid_value", "is not a cursor of this list");
        }
        Self { limit, after }
    }

    /// The one number of the position, where it is one.
    #[must_use]
    pub fn before(&self) -> Option<i64> {
        self.after.as_ref().and_then(|after| after.first()).copied()
    }

    /// How many rows to fetch: one more than is shown tells whether there are more.
    #[must_use]
    pub const fn fetch(&self) -> u32 {
        self.limit + 1
    }

    /// The page made of the rows that were fetched; `position` says where an item stands.
    pub fn list<R, T>(
        self,
        list: &str,
        mut rows: Vec<R>,
        position: impl Fn(&R) -> [i64; N],
        item: impl Fn(R) -> T,
    ) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(|last| encode(&position(last), list));
        List { items: rows.into_iter().map(item).collect(), total: None, has_more, next_cursor }
    }
}

/// The parameters of every list, as the document shows them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub struct Paging {
    /// How many items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The half-open stretch of time of a list or report, as the document shows it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub struct Between {
    /// Not before this instant.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this instant.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are in all, where that is cheap to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether more follow.
    pub has_more: bool,
    /// Pass it as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A list short enough to be given whole.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Self {
        let total = u64::try_from(items.len()).ok();
        Self { items, total, has_more: false, next_cursor: None }
    }

    /// A page as the domain gives it.
    pub fn from_page<R>(list: &str, page: Page<R>, item: impl FnMut(R) -> T) -> Self {
        let next_cursor = page.next.map(|next| encode(&[next], list));
        let items = page.items.into_iter().map(item).collect();
        Self { items, total: None, has_more: next_cursor.is_some(), next_cursor }
    }

    /// The same page, saying how many items there are in all.
    #[must_use]
    pub fn with_total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }
}

/// Not for secrecy (every query is scoped on its own): it tells a truncated or foreign cursor from ours.
fn check(numbers: &[u8], list: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(list.as_bytes());
    hash.update([0]);
    hash.update(numbers);
    hash.finalize().into_iter().take(CHECK_LEN).collect()
}

pub(super) fn encode(numbers: &[i64], list: &str) -> String {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
    let check = check(&bytes, list);
    bytes.extend(check);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode<const N: usize>(text: &str, list: &str) -> Option<[i64; N]> {
    if text.len() > 128 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (numbers, found) = bytes.split_at_checked(N * size_of::<i64>())?;
    if found != check(numbers, list) {
        return None;
    }
    let mut out = [0; N];
    for (slot, chunk) in out.iter_mut().zip(numbers.chunks_exact(size_of::<i64>())) {
        *slot = i64::from_be_bytes(chunk.try_into().ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Window<2>, String> {
        let mut params = Params::parse(query);
        let page = Window::from_params(&mut params, "things");
        params.finish().map(|()| page).map_err(|error| error.to_string())
    }

    #[test]
    fn pages_follow_one_another_without_gap_or_overlap() {
        let all: Vec<i64> = (0..7).collect();
        let mut query = "limit=3".to_owned();
        let mut seen = Vec::new();
        let mut pages = 0;
        loop {
            let page = page(&query).expect("valid");
            let start = page.after.map_or(0, |[_, last]| usize::try_from(last).expect("index") + 1);
            let rows: Vec<i64> = all.iter().skip(start).take(page.fetch() as usize).copied().collect();
            let list = page.list("things", rows, |n| [-1, *n], |n| n);
            seen.extend(list.items);
            pages += 1;
            let Some(cursor) = list.next_cursor else {
                assert!(!list.has_more);
                break;
            };
            query = format!("limit=3&cursor={cursor}");
        }
        assert_eq!((seen, pages), (all, 3));
    }

    #[test]
    fn limits_and_cursors_are_checked() {
        assert_eq!(page("").map(|p| p.limit), Ok(20));
        for bad in ["limit=0", "limit=101", "limit=x", "cursor=abc", "cursor=!!!"] {
            assert!(page(bad).is_err(), "{bad}");
        }
        let foreign = encode(&[1, 2], "others");
        assert!(page(&format!("cursor={foreign}")).is_err());
        let shorter = encode(&[1], "things");
        assert!(page(&format!("cursor={shorter}")).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_cursor_carries_any_position(a: i64, b: i64) {
            proptest::prop_assert_eq!(decode::<2>(&encode(&[a, b], "l"), "l"), Some([a, b]));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,140}") {
            let _ = decode::<2>(&text, "l");
        }
    }
}
