//! Sixty days of the demo, posted through the operations that a server uses, on a clock that walks through them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::Failure;
use super::calls;
use super::cast::{Funding, PROFILES, Plan, Profile};
use super::counter::Counter;
use super::limits;
use super::note::Note;
use super::people;
use super::random::Random;
use super::usage::{self, Reported};
use crate::app::{Opened, seller_terms};
use crate::base::id::OrganizationId;
use crate::base::time::{DAY_MS, HOUR_MS};
use crate::base::{Clock, Credits, Currency, Money, TestClock, Timestamp, Zone};
use crate::catalog::{self, Snapshot};
use crate::config::Config;
use crate::db::Db;
use crate::grants::Class;
use crate::identity::{PasswordHash, SellerTerms};
use crate::ledger::{Canon, TransactionType};
use crate::metering::{self, EventIn, ExternalId};
use crate::payments::gateway::sandbox::{self, PayError};
use crate::payments::gateway::{Card, Form, Order, Seen, Status};
use crate::payments::{self, NewPayment, Purchase};
use crate::revenue;
use crate::wallet::{self, NewCredit};

const SEED: u64 = 0x0070_11B0_0C00;
pub(super) const DAYS: i32 = 60;
/// How far the clock goes at a time; what was reported meanwhile goes into one commit.
const STEP_MS: i64 = 2 * HOUR_MS;
/// On which days an event that was reported twice, under two ids, is taken back.
const VOID_DAYS: [i64; 3] = [17, 38, 56];

/// Tells the whole story, up to `now`.
pub(super) fn tell(config: &Config, password: &str, now: Timestamp) -> Result<Note, Failure> {
    let began = now.plus_ms(-i64::from(DAYS) * DAY_MS);
    let clock = Arc::new(TestClock::frozen(began));
    let opened = Opened::new(config, clock.clone(), true)?;
    let hash: PasswordHash = opened.door(config).passwords().hash_blocking(password)?;
    let per_unit = config.credits.per_unit;
    let (note, ids) = people::move_in(&opened.db, per_unit, password, &hash)?;
    let mut random = Random::new(SEED);
    let mut parties: Vec<Party> = Vec::new();
    for (profile, id) in PROFILES.iter().zip(ids) {
        limits::begin(&opened.db, profile, id)?;
        parties.push(Party::new(profile, id, began, now, per_unit, &mut random)?);
    }
    let seller = seller_terms(config);
    let counter = Counter::new(&opened.db, config);
    let walk = Walk { db: &opened.db, clock: &clock, seller: &seller, counter: &counter, began, now };
    let morning = match parties.get(calls::CALLED) {
        Some(party) => calls::morning(&party.zone, now).max(began),
        None => began,
    };
    walk.through(&mut parties, began, morning)?;
    let after = walk.calls(&parties, morning)?;
    walk.through(&mut parties, after, now)?;
    for party in &parties {
        limits::end(&opened.db, party.profile, party.id, party.zone.day_of(now))?;
    }
    Ok(note)
}

/// An organization on its way through the sixty days.
struct Party {
    profile: &'static Profile,
    id: OrganizationId,
    zone: Zone,
    per_unit: i64,
    /// What will be reported, by the time of the report.
    ahead: VecDeque<Reported>,
    /// It has chosen the plan that it pays for.
    subscribed: bool,
    settled: bool,
}

impl Party {
    fn new(
        profile: &'static Profile,
        id: OrganizationId,
        began: Timestamp,
        now: Timestamp,
        per_unit: i64,
        random: &mut Random,
    ) -> Result<Self, Failure> {
        let zone: Zone = profile.zone.parse()?;
        let first = zone.day_of(began);
        let mut ahead: Vec<Reported> = Vec::new();
        for by in 0..=DAYS {
            ahead.extend(usage::day(profile, &zone, first.plus_days(by), random));
        }
        let cycles: Vec<Timestamp> =
            (0..=DAYS).map(|k| zone.months_after(began, k)).take_while(|t| *t < now).collect();
        for (month, at) in cycles.iter().enumerate() {
            ahead.extend(usage::rent(profile, *at, month));
        }
        ahead.retain(|r| r.event.occurred_at >= began && r.at <= now);
        ahead.sort_by_key(|r| r.at);
        let ahead = ahead.into();
        Ok(Self { profile, id, zone, per_unit, ahead, subscribed: false, settled: false })
    }

    /// What has been reported by `until`.
    fn reported(&mut self, until: Timestamp, canon: &mut Canon) -> Vec<EventIn> {
        let count = self.ahead.partition_point(|r| r.at <= until);
        self.ahead.drain(..count).map(|r| r.input(canon)).collect()
    }
}

struct Walk<'a> {
    db: &'a Db,
    clock: &'a TestClock,
    seller: &'a SellerTerms,
    counter: &'a Counter,
    began: Timestamp,
    now: Timestamp,
}

impl Walk<'_> {
    fn through(&self, parties: &mut [Party], from: Timestamp, until: Timestamp) -> Result<(), Failure> {
        let mut canon = Canon::default();
        let mut at = from;
        let mut day = (from.millis() - self.began.millis()).div_euclid(DAY_MS);
        let mut last_call: Option<(OrganizationId, EventIn)> = None;
        while at < until {
            let next = at.plus_ms(STEP_MS).min(until);
            self.clock.advance(next.millis() - at.millis());
            at = next;
            let mut events = Vec::new();
            for party in parties.iter_mut() {
                self.fund(party, at)?;
                let reported = party.reported(at, &mut canon);
                if let Some(call) = reported.iter().find(|e| &*e.event.meter == catalog::VOICE) {
                    last_call = Some((party.id, call.clone()));
                }
                events.extend(reported);
            }
            self.record(events)?;
            self.counter.work(self.db)?;
            let days = (at.millis() - self.began.millis()).div_euclid(DAY_MS);
            if days > day {
                day = days;
                while self.db.write_blocking(|tx| wallet::expire_due(tx, 500))? > 0 {}
                self.db.write_blocking(|tx| revenue::post_due(tx, 500))?;
                if let Some((organization, call)) = last_call.take_if(|_| VOID_DAYS.contains(&day)) {
                    self.reported_twice(organization, call, &mut canon)?;
                }
            }
        }
        Ok(())
    }

    /// The calls of one morning, which the platform asks for before they begin. Returns when they are over.
    fn calls(&self, parties: &[Party], from: Timestamp) -> Result<Timestamp, Failure> {
        let (called, without) = (parties.get(calls::CALLED), parties.get(calls::WITHOUT_CREDIT));
        let (Some(called), Some(without)) = (called, without) else { return Ok(from) };
        calls::guard(self.db, called.profile, called.id)?;
        let mut on = calls::planned(called.profile, without.profile, from);
        let until = from.plus_ms(calls::MORNING_MS).min(self.now);
        let mut at = from;
        while at < until {
            let next = at.plus_ms(calls::TURN_MS).min(until);
            self.clock.advance(next.millis() - at.millis());
            at = next;
            let turned = std::mem::take(&mut on);
            on = self.db.write_blocking(move |tx| {
                crate::calls::expire_due(tx, 100)?;
                calls::turn(tx, turned)
            })?;
        }
        Ok(until)
    }

    fn record(&self, events: Vec<EventIn>) -> Result<(), Failure> {
        if events.is_empty() {
            return Ok(());
        }
        let outcomes = self.db.write_blocking(move |tx| metering::record(tx, None, None, &events))?;
        match outcomes.into_iter().find(|o| !matches!(o, metering::Outcome::Charged(_))) {
            None => Ok(()),
            Some(other) => Err(format!("an event of the story was not charged: {other:?}").into()),
        }
    }

    /// The platform reports a call under a second id, and notices.
    fn reported_twice(
        &self,
        organization: OrganizationId,
        call: EventIn,
        canon: &mut Canon,
    ) -> Result<(), Failure> {
        let mut event = call.event;
        let id = ExternalId::new(&format!("{}:again", event.id)).ok_or("an id is too long")?;
        event.id = id.clone();
        let digests = event.digests(canon);
        self.record(vec![EventIn { event, digests }])?;
        self.db.write_blocking(move |tx| metering::void_event(tx, organization, &id))?;
        Ok(())
    }

    /// The plan, and top-ups.
    fn fund(&self, party: &mut Party, at: Timestamp) -> Result<(), Failure> {
        if let Some(Plan::Subscribed { plan, after_days }) = party.profile.plan
            && !party.subscribed
            && at.millis() - self.began.millis() >= after_days * DAY_MS
        {
            party.subscribed = true;
            self.counter.subscribe(self.db, party.id, plan)?;
        }
        let summary = self.db.read_blocking(|tx| wallet::summary(tx.conn(), party.id, at))?;
        let whole = |credits| Credits::from_whole(credits).unwrap_or(Credits::ZERO);
        let left_ms = self.now.millis() - at.millis();
        match party.profile.funding {
            Funding::Ahead { below, amount } => {
                if summary.balance < whole(below) {
                    self.top_up(party, whole(amount))?;
                }
                if !party.settled && left_ms < 24 * DAY_MS {
                    party.settled = true;
                    self.promotion(party, at)?;
                }
            }
            Funding::EndsAt { below, amount, days_ago, left } => {
                if left_ms > days_ago * DAY_MS {
                    if summary.balance < whole(below) {
                        self.top_up(party, whole(amount))?;
                    }
                } else if !party.settled {
                    party.settled = true;
                    let missing = self.cost_ahead(party)? + left * 1_000_000 - summary.balance.micros();
                    if missing > 0 {
                        // to the next 25 credits
                        self.top_up(party, whole((missing / 25_000_000 + 1) * 25))?;
                    }
                    if party.profile.card_declines {
                        self.counter.switch_on(self.db, party.id)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What the rest of the story will cost, in micro-credits.
    fn cost_ahead(&self, party: &Party) -> Result<i64, Failure> {
        self.db.read_blocking(|tx| {
            let catalog = Snapshot::load(tx.conn())?;
            let mut micros = 0;
            for reported in &party.ahead {
                if let Ok((_, _, rated)) = metering::estimate(tx, &catalog, party.id, &reported.event)? {
                    micros += rated.total.micros();
                }
            }
            Ok(micros)
        })
    }

    /// Bought with a card of the sandbox, taxed and invoiced as it would be for anybody.
    fn top_up(&self, party: &Party, amount: Credits) -> Result<(), Failure> {
        let currency = Currency::EUR;
        let minor = i128::from(amount.micros()) * i128::from(currency.minor_per_unit())
            / (i128::from(party.per_unit) * 1_000_000);
        let new = NewPayment {
            organization: party.id,
            gateway: sandbox::NAME,
            purchase: Purchase {
                price: Money { minor: i64::try_from(minor)?, currency },
                credits: amount,
                bonus: Credits::ZERO,
                plan: None,
                package: None,
            },
            actor: people::BY.actor.to_string(),
            intent: None,
            agreed: None,
        };
        let seller = self.seller.clone();
        self.db.write_blocking(move |tx| -> Result<(), payments::Error> {
            let payment = payments::create(tx, &seller, &new)?;
            let order = Order {
                key: payment.id.to_string(),
                id: payment.id.to_string(),
                amount: payment.quote.amounts.total,
                description: payment.purchase.description(),
                customer: None,
                form: Form::Hosted,
                return_url: String::new(),
                keep_card: false,
                cancel_url: String::new(),
            };
            let (order_id, amount) = (order.id.clone(), order.amount);
            let checkout = sandbox::make(tx, order, "")?;
            let reference = checkout.reference.clone();
            payments::begun(tx, payment.id, checkout)?;
            sandbox::pay(tx, &reference, sandbox::Card::Pays).map_err(|error| match error {
                PayError::Db(error) => payments::Error::from(error),
                PayError::NotFound | PayError::Over => payments::Error::NotFound,
            })?;
            let card = Card {
                reference: String::new(),
                brand: "visa".into(),
                last4: "4242".into(),
                exp_month: 12,
                exp_year: 2030,
                country: None,
            };
            let status = Status::Paid;
            let seen = Seen { order: order_id, amount, status, charge: None, card: Some(card) };
            payments::record(tx, sandbox::NAME, &reference, &seen)?;
            Ok(())
        })?;
        Ok(())
    }

    /// Free credit for chats only, which is about to expire.
    fn promotion(&self, party: &Party, at: Timestamp) -> Result<(), Failure> {
        let catalog = self.db.read_blocking(|tx| Snapshot::load(tx.conn()))?;
        self.credit(
            party,
            NewCredit {
                amount: Credits::from_micros(300_000_000),
                class: Class::Free,
                expires_at: Some(at.plus_ms(30 * DAY_MS)),
                meters: Some(catalog.meter_id(catalog::CHAT).into_iter().collect()),
                kind: TransactionType::Adjustment,
                description: "Autumn promotion: chats on us".into(),
                ..blank()
            },
        )
    }

    fn credit(&self, party: &Party, new: NewCredit) -> Result<(), Failure> {
        let organization = party.id;
        self.db.write_blocking(move |tx| wallet::credit(tx, organization, new))?;
        Ok(())
    }
}

fn blank() -> NewCredit {
    NewCredit {
        amount: Credits::ZERO,
        class: Class::Paid,
        priority: None,
        expires_at: None,
        meters: None,
        cost: None,
        tax: None,
        source: "operator",
        kind: TransactionType::Purchase,
        description: String::new(),
        actor: people::BY.actor.to_string(),
        metadata: None,
    }
}

/// The machine's time, to the second: the story is told up to here.
pub(super) fn now() -> Timestamp {
    let now = crate::base::SystemClock.now();
    now.plus_ms(-now.millis().rem_euclid(1_000))
}
