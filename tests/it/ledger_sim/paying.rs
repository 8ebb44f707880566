//! Buying credit, and money going back: the operations as webhooks, the schedule and people cause them, in any order and
//! repeatedly. What a provider says here need not follow from what it said before: answers may be old.

use std::collections::BTreeMap;

use tollbook::base::id::{OrganizationId, PaymentId, RefundId};
use tollbook::base::{Credits, Currency, Money};
use tollbook::db::{DbError, WriteTx};
use tollbook::identity::audit::{Actor, By};
use tollbook::identity::{BillingDetails, organizations};
use tollbook::invoices;
use tollbook::payments::gateway::{
    Checkout, Decline, DisputeSeen, DisputeStatus, RefundSeen, RefundStatus, Seen, Status, sandbox,
};
use tollbook::payments::refunds::{self, Reason, Refund, Wish};
use tollbook::payments::{
    self, Intent, NewPayment, Payment, Progress, Purchase, Recorded, Settled, State, disputes, names,
};

use super::chance::Chance;
use super::model::Model;
use super::op::{Failure, organization_id};
use super::sales::{Fate, Part, Stage, WITHIN_DAYS};
use crate::ledger_kit::Kit;
use crate::payments::seller;

const BY: By = By::actor(Actor::System);

#[derive(Clone, Debug)]
pub enum Paying {
    Order { of: usize, key: u64, price: i64, credits: i64, bonus: i64 },
    Begun { sale: usize, reference: String },
    Refused { sale: usize },
    Told { reference: String, order: usize, status: &'static str, off: i64, charge: Option<String> },
    Offer { sale: usize },
    Request { of: usize, sale: usize, total: Option<i64> },
    Decide { refund: usize, yes: bool },
    GiveBack { sale: usize, total: Option<i64>, reason: Reason },
    RefundTold { ours: Option<usize>, reference: String, charge: String, amount: i64, status: Fate },
    DisputeTold { reference: String, charge: String, amount: i64, status: Fate },
}

impl From<payments::Error> for Failure {
    fn from(error: payments::Error) -> Self {
        match error {
            payments::Error::IntentConflict => Self("other intent".into()),
            payments::Error::Refund(error) => error.into(),
            other => Self(other.to_string()),
        }
    }
}

impl From<refunds::Error> for Failure {
    fn from(error: refunds::Error) -> Self {
        use refunds::Error;
        Self(match error {
            Error::Invalid(errors) => errors[0].code.to_owned(),
            Error::NotSettled => "not settled".into(),
            Error::TooLate => "too late".into(),
            Error::AskedAlready => "asked already".into(),
            Error::Decided => "decided".into(),
            other => other.to_string(),
        })
    }
}

fn number(place: usize) -> i64 {
    i64::try_from(place).expect("few") + 1
}

fn place(number: i64) -> usize {
    usize::try_from(number - 1).expect("from 1")
}

fn payment_id(sale: usize) -> PaymentId {
    PaymentId::new(number(sale))
}

fn refund_id(refund: usize) -> RefundId {
    RefundId::new(number(refund))
}

fn euro(minor: i64) -> Money {
    Money { minor, currency: Currency::EUR }
}

fn payment_text(payment: &Payment) -> String {
    let stage = match &payment.state {
        State::Created => "created".to_owned(),
        State::Pending { progress, .. } => match progress {
            Progress::Open => "pending open".into(),
            Progress::Processing => "pending processing".into(),
            Progress::Declined(decline) => format!("pending {}", decline.name()),
        },
        State::Settled(Settled { at, charge, .. }) => {
            format!("settled at {} as {:?}", at.millis(), Some(charge))
        }
        State::Failed { .. } => "failed".into(),
    };
    let amounts = payment.quote.amounts;
    let (net, tax) = (amounts.net.minor, amounts.tax.minor);
    format!("{}: {net} + {tax} {stage} {:?}", place(payment.id.number()), payment.state.reference())
}

fn refund_text(refund: &Refund) -> String {
    use refunds::State;
    let (fate, reference) = match &refund.state {
        State::Requested => (Fate::Requested, None),
        State::Declined { .. } => (Fate::Declined, None),
        State::Pending { reference } => (Fate::Pending, reference.as_ref()),
        State::Succeeded { reference, .. } => (Fate::Done, Some(reference)),
        State::Failed { .. } => (Fate::Failed, None),
    };
    let taken = refund
        .taken
        .as_ref()
        .map(|t| (t.net.minor, t.tax.minor, t.unused.minor, t.credits.micros(), t.bonus.micros()));
    let (id, of, total) = (refund.id.number(), refund.payment.number(), refund.total.minor);
    format!("{} of {}: {total} {fate:?} {taken:?} {reference:?}", place(id), place(of))
}

fn dispute_text(dispute: &disputes::Dispute) -> String {
    let fate = match dispute.state {
        disputes::State::Open => Fate::Pending,
        disputes::State::Won { .. } => Fate::Failed,
        disputes::State::Lost { .. } => Fate::Done,
    };
    let (id, of) = (place(dispute.id.number()), place(dispute.payment.number()));
    format!("{id} of {of}: {} {fate:?} {}", dispute.amount.minor, dispute.frozen.micros())
}

fn status_of(name: &str) -> Status {
    match name {
        "open" => Status::Open(None),
        "card_declined" => Status::Open(Some(Decline::Declined)),
        "processing" => Status::Processing,
        "paid" => Status::Paid,
        "ended" => Status::Ended,
        other => unreachable!("{other}"),
    }
}

fn part_of(reason: Reason) -> Part {
    match reason {
        Reason::Unused | Reason::Duplicate => Part::Unused,
        Reason::Outage | Reason::BillingError => Part::Used,
        Reason::Elsewhere => Part::Both,
    }
}

fn wish(sale: usize, total: Option<i64>, reason: Reason) -> Wish {
    Wish { payment: payment_id(sale), total: total.map(euro), reason, note: "test".into() }
}

fn order(
    tx: &WriteTx<'_>,
    of: usize,
    key: u64,
    price: i64,
    credits: i64,
    bonus: i64,
) -> Result<payments::Payment, Failure> {
    let purchase = Purchase {
        price: euro(price),
        credits: Credits::from_micros(credits),
        bonus: Credits::from_micros(bonus),
        plan: None,
        package: (bonus > 0).then(|| "some".to_owned()),
    };
    let mut fingerprint = [0; 32];
    for (place, amount) in [price, credits, bonus].into_iter().enumerate() {
        fingerprint[place * 8..place * 8 + 8].copy_from_slice(&amount.to_be_bytes());
    }
    let intent = Some(Intent { key: key.to_string(), fingerprint });
    let new = NewPayment {
        organization: organization_id(of),
        gateway: sandbox::NAME,
        purchase,
        actor: "test".into(),
        intent,
        agreed: None,
    };
    Ok(payments::create(tx, &seller(), &new)?)
}

/// The id of a refund as the provider was told it; there may be no such refund.
fn refund_told_as(tx: &WriteTx<'_>, ours: Option<usize>) -> Result<String, Failure> {
    let conn = tx.conn()?;
    Ok(ours.and_then(|ours| names::told(conn, refund_id(ours)).ok()).unwrap_or_default())
}

fn refund_told(
    tx: &WriteTx<'_>,
    ours: Option<usize>,
    reference: &str,
    charge: &str,
    amount: i64,
    status: Fate,
) -> Result<String, Failure> {
    let status = match status {
        Fate::Done => RefundStatus::Succeeded,
        Fate::Failed => RefundStatus::Failed("no".into()),
        _ => RefundStatus::Pending,
    };
    let seen = RefundSeen {
        reference: reference.to_owned(),
        refund: refund_told_as(tx, ours)?,
        charge: charge.to_owned(),
        amount: euro(amount),
        status,
    };
    Ok(match refunds::record(tx, sandbox::NAME, &seen)? {
        refunds::Recorded::Refund(refund) => refund_text(&refund),
        // for the provider to say more, or for ours to end
        refunds::Recorded::Waits(_) | refunds::Recorded::Unknown => "unknown".into(),
    })
}

impl Paying {
    pub fn run(&self, tx: &WriteTx<'_>) -> Result<String, Failure> {
        match self {
            Self::Order { of, key, price, credits, bonus } => {
                Ok(payment_text(&order(tx, *of, *key, *price, *credits, *bonus)?))
            }
            Self::Begun { sale, reference } => {
                let checkout = Checkout { reference: reference.clone(), client_secret: None, url: None };
                Ok(payment_text(&payments::begun(tx, payment_id(*sale), checkout)?))
            }
            Self::Refused { sale } => {
                payments::refused(tx, payment_id(*sale))?;
                Ok(payment_text(&payments::get(tx.conn()?, payment_id(*sale))?))
            }
            Self::Told { reference, order, status, off, charge } => {
                told(tx, reference, *order, status, *off, charge.clone())
            }
            Self::Offer { sale } => {
                let offer = refunds::offer(tx.conn()?, payment_id(*sale), tx.now())?;
                let (unused, used) = (offer.unused.minor, offer.used.minor);
                Ok(format!("{unused} unused, {used} used, {}", offer.credits.micros()))
            }
            Self::Request { of, sale, total } => {
                let wish = wish(*sale, *total, Reason::Unused);
                Ok(refund_text(&refunds::request(tx, &BY, organization_id(*of), &wish, WITHIN_DAYS)?))
            }
            Self::Decide { refund, yes: true } => {
                Ok(refund_text(&refunds::approve(tx, &BY, refund_id(*refund))?))
            }
            Self::Decide { refund, yes: false } => {
                Ok(refund_text(&refunds::decline(tx, &BY, refund_id(*refund))?))
            }
            Self::GiveBack { sale, total, reason } => {
                Ok(refund_text(&refunds::give(tx, &BY, &wish(*sale, *total, *reason))?))
            }
            Self::RefundTold { ours, reference, charge, amount, status } => {
                refund_told(tx, *ours, reference, charge, *amount, *status)
            }
            Self::DisputeTold { reference, charge, amount, status } => {
                let status = match status {
                    Fate::Done => DisputeStatus::Lost,
                    Fate::Failed => DisputeStatus::Won,
                    _ => DisputeStatus::Open,
                };
                let (reference, charge, amount) = (reference.clone(), charge.clone(), euro(*amount));
                let seen = DisputeSeen { reference, charge, amount, reason: "fraudulent".into(), status };
                let found = disputes::record(tx, sandbox::NAME, &seen)?;
                Ok(found.map_or_else(|| "unknown".into(), |dispute| dispute_text(&dispute)))
            }
        }
    }

    pub fn expect(&self, model: &mut Model) -> Result<String, String> {
        let known = |model: &Model, sale: usize| sale < model.shop.sales.len();
        match self {
            Self::Order { of, key, price, credits, bonus } => {
                model.order(*of, *key, *price, *credits, *bonus)
            }
            Self::Begun { sale, .. } | Self::Refused { sale } if !known(model, *sale) => {
                Err("no such payment".into())
            }
            Self::Begun { sale, reference } => Ok(model.begun(*sale, reference)),
            Self::Refused { sale } => Ok(model.refused(*sale)),
            Self::Told { reference, order, status, off, charge } => {
                Ok(model.told(reference, *order, status, *off, charge.as_deref()))
            }
            Self::Offer { sale } => model.offer(*sale),
            Self::Request { of, sale, total } => model.request(*of, *sale, *total),
            Self::Decide { refund, yes } => model.decide(*refund, *yes),
            Self::GiveBack { sale, total, reason } => model.give_back(*sale, *total, part_of(*reason)),
            Self::RefundTold { ours, reference, charge, amount, status } => {
                model.refund_told(*ours, reference, charge, *amount, *status)
            }
            Self::DisputeTold { reference, charge, amount, status } => {
                Ok(model.dispute_told(reference, charge, *amount, *status))
            }
        }
    }
}

fn told(
    tx: &WriteTx<'_>,
    reference: &str,
    order: usize,
    status: &str,
    off: i64,
    charge: Option<String>,
) -> Result<String, Failure> {
    let (conn, id) = (tx.conn()?, payment_id(order));
    // of whichever payment it is about
    let by_reference = "SELECT id FROM payments WHERE gateway = 'sandbox' AND reference = ?";
    let found = conn.query_row(by_reference, [reference], |row| row.get::<_, PaymentId>(0)).ok();
    let total = payments::get(conn, found.unwrap_or(id)).map_or(0, |p| p.quote.amounts.total.minor);
    let seen = Seen {
        // there may be no such payment
        order: names::told(conn, id).unwrap_or_default(),
        amount: euro(total + off),
        status: status_of(status),
        charge,
        card: None,
    };
    Ok(match payments::record(tx, sandbox::NAME, reference, &seen)? {
        Recorded::Payment(payment) => payment_text(&payment),
        // credit was given for what came first
        Recorded::PaidTwice(id) => payment_text(&payments::get(conn, id)?),
        Recorded::Unknown | Recorded::Foreign => "unknown".into(),
        Recorded::Mismatch(id) => format!("mismatch {}", place(id.number())),
    })
}

/// One of the organizations is outside of the Union.
pub async fn settle_abroad(kit: &Kit) {
    let details = BillingDetails {
        company_name: "Abroad Inc.".into(),
        country: "US".into(),
        ..BillingDetails::default()
    };
    let set = kit.write(move |tx| -> Result<_, Failure> {
        organizations::set_details(tx, &BY, OrganizationId::new(3), &details)
            .map_err(|error| Failure(error.to_string()))
    });
    set.await.expect("set");
}

/// The money accounts, and the documents.
pub fn compare(kit: &Kit, model: &Model) {
    let read = kit.db().read_blocking(|tx| -> Result<_, DbError> {
        let mut statement = tx.prepare(
            "SELECT kind, sum(debits_posted - credits_posted) FROM accounts WHERE ledger = 'EUR' GROUP BY kind",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<BTreeMap<String, i64>, _>>()?)
    });
    let found = read.expect("accounts");
    for (kind, expected) in model.shop.accounts() {
        let found = found.get(kind).copied().unwrap_or(0);
        assert_eq!(i128::from(found), expected, "{kind}");
    }
    for of in 0..model.organizations.len() {
        let listed = kit
            .db()
            .read_blocking(|tx| invoices::list(tx, organization_id(of), None, 100_000))
            .expect("documents");
        for kind in [invoices::Kind::Invoice, invoices::Kind::CreditNote] {
            let sums =
                listed.items.iter().filter(|found| found.kind == kind).fold((0, 0, 0), |sum, found| {
                    let (net, tax) = (found.amounts.net.minor, found.amounts.tax.minor);
                    (sum.0 + 1, sum.1 + i128::from(net), sum.2 + i128::from(tax))
                });
            let expected = model.shop.documents.get(&(of, kind.name())).copied().unwrap_or_default();
            assert_eq!(sums, expected, "{} of {of}", kind.name());
        }
    }
}

impl Chance {
    /// Something about buying, or about money going back.
    pub fn paying(&mut self, model: &Model, of: usize) -> Paying {
        let shop = &model.shop;
        if shop.sales.is_empty() || self.rng.one_in(8) {
            return self.order(model, of);
        }
        // mostly one of the newest
        let newest = shop.sales.len().saturating_sub(6);
        let sale = if self.rng.one_in(4) { 0 } else { newest };
        let sale = sale + self.rng.index(shop.sales.len() - sale);
        let sold = &shop.sales[sale];
        let Stage::Settled { .. } = sold.stage else {
            return self.on_its_way(model, sale);
        };
        let charge = sold.charge.clone().expect("settled");
        let most = i64::try_from(sold.price + sold.tax).expect("in range");
        match self.rng.between(1, 20) {
            1..=2 => self.on_its_way(model, sale),
            3 => Paying::Offer { sale },
            4..=6 => {
                let of = if self.rng.one_in(12) { of } else { sold.of };
                Paying::Request { of, sale, total: self.some(most) }
            }
            7..=9 if !shop.refunds.is_empty() => {
                let newest = shop.refunds.len().saturating_sub(4);
                let refund = newest + self.rng.index(shop.refunds.len() - newest);
                Paying::Decide { refund, yes: !self.rng.one_in(3) }
            }
            7..=12 => {
                Paying::GiveBack { sale, total: self.some(most), reason: *self.rng.pick(&Reason::GIVEN) }
            }
            13..=16 => self.refund_told(model, charge, most),
            _ => self.dispute_told(model, charge, most),
        }
    }

    fn some(&mut self, most: i64) -> Option<i64> {
        match self.rng.between(1, 6) {
            1..=2 => None,
            3 => Some(self.rng.between(-1, 6)),
            4 => Some(most + self.rng.between(-2, 1)),
            _ => Some(self.rng.between(1, most)),
        }
    }

    fn order(&mut self, model: &Model, of: usize) -> Paying {
        let known = model.shop.sales.iter().find(|s| s.of == of).filter(|_| self.rng.one_in(8));
        if let Some(known) = known {
            let price = i64::try_from(known.price).expect("in range") + i64::from(self.rng.one_in(2));
            let [credits, bonus] = [known.credits, known.bonus].map(|c| i64::try_from(c).expect("in range"));
            return Paying::Order { of, key: known.key, price, credits, bonus };
        }
        let key = self.fresh();
        let rng = &mut self.rng;
        let price = if rng.one_in(4) { rng.between(1, 30) } else { rng.between(100, 20_000) };
        let credits = if rng.one_in(3) { rng.between(1, 900_000_000) } else { price * 1_000_000 };
        let bonus = if rng.one_in(2) { rng.between(1, credits) } else { 0 };
        Paying::Order { of, key, price, credits, bonus }
    }

    /// What a provider answers about an order, or webhooks, the schedule and the return page learn of it.
    fn on_its_way(&mut self, model: &Model, sale: usize) -> Paying {
        let rng = &mut self.rng;
        let known = !rng.one_in(40);
        let sale = if known { sale } else { model.shop.sales.len() + 5 };
        let reference = format!("cs_{sale}");
        match rng.between(1, 12) {
            1..=3 => Paying::Begun { sale, reference },
            4 if rng.one_in(3) => Paying::Refused { sale },
            _ => {
                let part = rng.one_in(5);
                let status =
                    *rng.pick(&["open", "card_declined", "processing", "paid", "paid", "paid", "ended"]);
                Paying::Told {
                    reference: if part { format!("pi_{sale}") } else { reference },
                    order: sale,
                    status,
                    off: i64::from(rng.one_in(15)),
                    charge: rng.maybe(2, |_| format!("ch_{sale}")),
                }
            }
        }
    }

    fn refund_told(&mut self, model: &Model, charge: String, most: i64) -> Paying {
        let refunds = &model.shop.refunds;
        let status = *self.rng.pick(&[Fate::Pending, Fate::Done, Fate::Done, Fate::Failed]);
        if refunds.is_empty() || self.rng.one_in(5) {
            let reference = match self.rng.between(1, 3) {
                1 => format!("elsewhere_{}", self.rng.between(1, 12)),
                _ => format!("elsewhere_{}", self.fresh()),
            };
            let amount = self.some(most).unwrap_or(most);
            return Paying::RefundTold { ours: None, reference, charge, amount, status };
        }
        let open: Vec<usize> = (0..refunds.len()).filter(|r| refunds[*r].fate == Fate::Pending).collect();
        let ours = if open.is_empty() || self.rng.one_in(6) {
            self.rng.index(refunds.len())
        } else {
            *self.rng.pick(&open)
        };
        let reference = refunds[ours].reference.clone().unwrap_or_else(|| format!("re_{ours}"));
        // of its own charge and amount: what is told of others is not about it
        let charge = model.shop.sales[refunds[ours].sale].charge.clone().unwrap_or(charge);
        let amount = i64::try_from(refunds[ours].total).expect("in range");
        Paying::RefundTold { ours: Some(ours), reference, charge, amount, status }
    }

    fn dispute_told(&mut self, model: &Model, charge: String, most: i64) -> Paying {
        let disputes = &model.shop.disputes;
        let status = *self.rng.pick(&[Fate::Pending, Fate::Done, Fate::Failed]);
        if disputes.is_empty() || self.rng.one_in(3) {
            let reference = format!("dp_{}", self.fresh());
            let amount = if self.rng.one_in(3) { self.rng.between(1, most) } else { most };
            let status = if self.rng.one_in(2) { Fate::Pending } else { status };
            return Paying::DisputeTold { reference, charge, amount, status };
        }
        let known = self.rng.pick(disputes);
        let amount = i64::try_from(known.amount).expect("in range");
        Paying::DisputeTold { reference: known.reference.clone(), charge, amount, status }
    }
}
