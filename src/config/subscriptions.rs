//! `[subscriptions]`: unpaid periods, and new prices.

use super::reader::Reader;

/// How unpaid periods are tried again, and how early a new price is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions {
    /// Days after a period could first not be paid on which it is tried again; then the subscription ends.
    pub dunning_days: Vec<u32>,
    /// How many days before subscribers pay a new price it is announced.
    pub notice_days: u32,
}

impl Subscriptions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("subscriptions");
        Self {
            dunning_days: section.checked("dunning_days", vec![1, 3, 5, 7], |days| check_days(days)),
            notice_days: section.bounded("notice_days", 30, 0..=365),
        }
    }
}

fn check_days(days: &[u32]) -> Result<(), String> {
    let rises = days.windows(2).all(|pair| pair.first() < pair.last());
    if rises && days.iter().all(|day| (1..=27).contains(day)) {
        return Ok(());
    }
    Err("must be days from 1 to 27, each after the one before, such as [1, 3, 5, 7]".into())
}
