//! One page of a list that is read by cursor.

/// Some items, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The row number behind which the next page begins; none on the last page.
    pub next: Option<i64>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` items: the one too many only tells that there are more.
    #[must_use]
    pub fn cut(mut items: Vec<T>, limit: u32, number: impl Fn(&T) -> i64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if items.len() <= limit {
            return Self { items, next: None };
        }
        items.truncate(limit);
        let next = items.last().map(number);
        Self { items, next }
    }

    /// The same page of something else.
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_too_many_is_cut_off() {
        assert_eq!(Page::cut(vec![5, 4, 3], 2, |n| *n), Page { items: vec![5, 4], next: Some(4) });
        assert_eq!(Page::cut(vec![5, 4], 2, |n| *n), Page { items: vec![5, 4], next: None });
        assert_eq!(Page::<i64>::cut(vec![], 2, |n| *n), Page { items: vec![], next: None });
    }
}
