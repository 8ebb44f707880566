//! A usage item as it is stored.

use super::event::{Direction, Receipt, ReceiptItem, flag};
use super::external::ExternalId;
use super::rating::ItemKind;
use crate::base::id::{AccountId, AgentId, MeterId, NumberId, OrganizationId, RateVersionId, WorkspaceId};
use crate::base::{Credits, Day, Quantity, Timestamp};
use crate::ledger::Canon;
use crate::wallet::Draw;

/// One row of `usage_items`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// Its line.
    pub id: i64,
    /// Whose.
    pub organization: OrganizationId,
    /// The first item of the event; `None` on that item itself.
    pub head: Option<i64>,
    /// What it is for.
    pub kind: ItemKind,
    /// What was counted.
    pub meter: MeterId,
    /// Charged, in the meter's unit.
    pub quantity: Quantity,
    /// What it costs.
    pub credits: Credits,
    /// What it was drawn from, where that is one account.
    pub account: Option<AccountId>,
    /// What priced it.
    pub rate_version: RateVersionId,
    /// On the first item: what the event said.
    pub event: Option<EventRow>,
    /// Where it was drawn from several accounts.
    pub split: Vec<Draw>,
}

/// The part of a first item that stands for its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The platform's id.
    pub id: ExternalId,
    /// Over all that the event said.
    pub fingerprint: i64,
    /// When the work was done.
    pub occurred_at: Timestamp,
    /// When it was charged.
    pub posted_at: Timestamp,
    /// The day of `occurred_at` in the organization's timezone.
    pub day: Day,
    /// The quantity as sent.
    pub reported: Quantity,
    /// The agent.
    pub agent: Option<AgentId>,
    /// The phone number.
    pub number: Option<NumberId>,
    /// The part of the organization.
    pub workspace: Option<WorkspaceId>,
    /// The platform's id of the call.
    pub call: Option<ExternalId>,
    /// See `event::flag`.
    pub flags: i64,
    /// How many items the event made.
    pub items: i64,
    /// Credits of all of them.
    pub total: Credits,
    /// The balance after the event.
    pub balance_after: Credits,
    /// The organization's line before this one.
    pub prev_line: i64,
    /// The event before this one on the same day; 0 for the day's first.
    pub prev_of_day: i64,
    /// The event that this one takes back.
    pub corrects: Option<i64>,
    /// The start of the cycle that its quantity was counted in, for allowances and tiers.
    pub cycle_start: Option<Timestamp>,
    /// Carrier cost, other attributes, metadata: see [`Extra`](super::Extra).
    pub extra: Option<Box<str>>,
}

impl EventRow {
    /// A call that came in to a toll-free number.
    #[must_use]
    pub const fn is_inbound_toll_free(&self) -> bool {
        self.flags & flag::TOLL_FREE != 0 && self.flags & flag::OUTBOUND == 0
    }

    /// Which way the call went.
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        match (self.flags & flag::INBOUND != 0, self.flags & flag::OUTBOUND != 0) {
            (true, _) => Some(Direction::Inbound),
            (false, true) => Some(Direction::Outbound),
            (false, false) => None,
        }
    }

    /// To or from a toll-free number.
    #[must_use]
    pub const fn toll_free(&self) -> bool {
        self.flags & flag::TOLL_FREE != 0
    }

    /// On the customer's own provider key.
    #[must_use]
    pub const fn byok(&self) -> bool {
        self.flags & flag::BYOK != 0
    }
}

impl ItemRow {
    /// The bytes that the hash chain covers.
    pub fn canonical(&self, out: &mut Canon) {
        out.int(self.id)
            .int(self.organization.number())
            .maybe_int(self.head)
            .int(i64::from(self.kind.code()))
            .int(self.meter.number())
            .int(self.quantity.micros())
            .int(self.credits.micros())
            .maybe_int(self.account.map(AccountId::number))
            .int(self.rate_version.number());
        for draw in &self.split {
            out.int(draw.account.number()).int(draw.amount.micros());
        }
        let Some(event) = &self.event else { return };
        event.id.canonical(out);
        out.int(event.fingerprint)
            .int(event.occurred_at.millis())
            .int(event.posted_at.millis())
            .int(i64::from(event.day.number()))
            .int(event.reported.micros())
            .maybe_int(event.agent.map(AgentId::number))
            .maybe_int(event.number.map(NumberId::number))
            .maybe_int(event.workspace.map(WorkspaceId::number));
        match &event.call {
            Some(call) => call.canonical(out),
            None => _ = out.tag(0),
        }
        out.int(event.flags)
            .int(event.items)
            .int(event.total.micros())
            .int(event.balance_after.micros())
            .int(event.prev_line)
            .int(event.prev_of_day)
            .maybe_int(event.corrects)
            .maybe_int(event.cycle_start.map(Timestamp::millis))
            .maybe_text(event.extra.as_deref());
    }

    /// What the item was drawn from.
    pub fn draws(&self) -> impl Iterator<Item = Draw> + '_ {
        self.account
            .map(|account| Draw { account, amount: self.credits })
            .into_iter()
            .chain(self.split.iter().copied())
    }
}

/// The answer of an event from its rows, the first one first.
#[must_use]
pub fn receipt(rows: &[ItemRow]) -> Option<Receipt> {
    let first = rows.first()?;
    let event = first.event.as_ref()?;
    Some(Receipt {
        head: first.id,
        meter: first.meter,
        rate_version: first.rate_version,
        items: rows
            .iter()
            .map(|row| ReceiptItem {
                id: row.id,
                kind: row.kind,
                quantity: row.quantity,
                credits: row.credits,
            })
            .collect(),
        credits: event.total,
        balance_after: event.balance_after,
    })
}
