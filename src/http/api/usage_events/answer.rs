//! What is answered about events, written straight from what the writer returned.

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::event::Names;
use super::read::Bad;
use super::refusal::{Asker, refused};
use crate::base::id::{RateVersionId, TransactionId, UsageItemId};
use crate::base::{Credits, Quantity};
use crate::catalog::Snapshot;
use crate::http::error::ApiError;
use crate::metering::{EventIn, ExternalId, Outcome, Receipt};

/// An event that was charged, now or before.
#[derive(Serialize)]
pub(super) struct Charged<'a> {
    id: &'a ExternalId,
    duplicate: bool,
    items: Items<'a>,
    credits: Credits,
    balance_after: Credits,
    transaction_id: TransactionId,
}

impl<'a> Charged<'a> {
    pub fn new(id: &'a ExternalId, duplicate: bool, receipt: &'a Receipt, catalog: &'a Snapshot) -> Self {
        Self {
            id,
            duplicate,
            items: Items { receipt, catalog },
            credits: receipt.credits,
            balance_after: receipt.balance_after,
            transaction_id: TransactionId::new(receipt.head),
        }
    }
}

struct Items<'a> {
    receipt: &'a Receipt,
    catalog: &'a Snapshot,
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Item<'a> {
            id: UsageItemId,
            kind: &'static str,
            channel: &'a str,
            quantity: Quantity,
            unit: &'a str,
            credits: Credits,
            rate_version: RateVersionId,
        }
        let meter = self.catalog.meter(self.receipt.meter);
        let (channel, unit) = meter.map_or(("", ""), |meter| (meter.code.as_str(), meter.unit.as_str()));
        serializer.collect_seq(self.receipt.items.iter().map(|item| Item {
            id: UsageItemId::new(item.id),
            kind: item.kind.as_str(),
            channel,
            quantity: item.quantity,
            unit,
            credits: item.credits,
            rate_version: self.receipt.rate_version,
        }))
    }
}

/// The answer to a batch.
#[derive(Serialize)]
pub(super) struct Answers<'a> {
    results: Results<'a>,
    charged: usize,
    duplicates: usize,
    refused: usize,
}

/// One result per event, in the order in which they were sent.
pub(super) struct Results<'a> {
    pub events: &'a [EventIn],
    pub outcomes: &'a [Outcome],
    pub bad: &'a [Bad],
    pub names: &'a Names,
    pub asker: &'a Asker<'a>,
    pub catalog: &'a Snapshot,
}

impl<'a> From<Results<'a>> for Answers<'a> {
    fn from(results: Results<'a>) -> Self {
        let (mut charged, mut duplicates, mut refused) = (0, 0, results.bad.len());
        for outcome in results.outcomes {
            match outcome {
                Outcome::Charged(_) => charged += 1,
                Outcome::Duplicate(_) => duplicates += 1,
                Outcome::Refused(_) => refused += 1,
            }
        }
        Self { results, charged, duplicates, refused }
    }
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let total = self.events.len() + self.bad.len();
        let mut list = serializer.serialize_seq(Some(total))?;
        let mut bad = self.bad.iter().peekable();
        let mut good = self.events.iter().zip(self.outcomes);
        for index in 0..total {
            if let Some(bad) = bad.next_if(|bad| bad.index == index) {
                list.serialize_element(&Refused::new(bad.id.as_ref(), &bad.error, index))?;
                continue;
            }
            let Some((EventIn { event, .. }, outcome)) = good.next() else { break };
            match outcome {
                Outcome::Charged(receipt) => {
                    list.serialize_element(&Charged::new(&event.id, false, receipt, self.catalog))?;
                }
                Outcome::Duplicate(receipt) => {
                    list.serialize_element(&Charged::new(&event.id, true, receipt, self.catalog))?;
                }
                Outcome::Refused(refusal) => {
                    let error = refused(refusal, event, self.names, self.asker);
                    list.serialize_element(&Refused::new(Some(&event.id), &error, index))?;
                }
            }
        }
        list.end()
    }
}

/// An event that was not charged.
#[derive(Serialize)]
struct Refused<'a, I> {
    id: Option<&'a I>,
    error: Problem<'a>,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a RawValue>,
}

impl<'a, I> Refused<'a, I> {
    fn new(id: Option<&'a I>, error: &'a ApiError, index: usize) -> Self {
        let body = error.body("");
        let error = Problem {
            code: body.code,
            message: body.message,
            param: body.param,
            index,
            details: body.details,
        };
        Self { id, error }
    }
}
