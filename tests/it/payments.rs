//! Buying credit, with a provider that fails at every call: what is paid is credited, once, whichever tells us first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::future::join_all;
use tollbook::base::id::OrganizationId;
use tollbook::base::{Currency, Money};
use tollbook::db::{Db, DbError};
use tollbook::grants::{self, Class};
use tollbook::identity::{BillingDetails, Secret, SellerTerms, audit};
use tollbook::outbox;
use tollbook::payments::gateway::sandbox::{self, Card, Sandbox};
use tollbook::payments::gateway::{
    Called, Card as SeenCard, Charge, Checkout, Customer, Decline, DisputeSeen, Form, Gateway, GiveBack,
    Order, RefundSeen, Seen, Setup, SetupSeen, Subject, Trouble, signature,
};
use tollbook::payments::{
    self, Desk, Error, Intent, NewPayment, Payment, Progress, Reason, Received, Settled, State, Terms,
    WebhookError, packages,
};

use tollbook::scheduler::Worker;

use crate::ledger_kit::Kit;

pub const TERMS: Terms = Terms { credits_per_unit: 100, minimum: 5, maximum: 10_000 };
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

pub(crate) const WORKS: u8 = 0;
/// The call never arrives.
pub(crate) const LOST: u8 = 1;
/// It is carried out, but the answer never arrives.
pub(crate) const UNANSWERED: u8 = 2;
pub(crate) const REFUSES: u8 = 3;
/// Another amount was paid.
pub(crate) const CHEATS: u8 = 4;

/// The sandbox behind a line that can be cut.
pub(crate) struct Line {
    sandbox: Sandbox,
    pub(crate) begin: AtomicU8,
    pub(crate) look: AtomicU8,
    pub(crate) refund: AtomicU8,
    pub(crate) customer: AtomicU8,
    pub(crate) set_up: AtomicU8,
    pub(crate) look_at_setup: AtomicU8,
    pub(crate) forget: AtomicU8,
    pub(crate) charge: AtomicU8,
    /// Charges that arrived, whatever became of the answer.
    pub(crate) charges: AtomicU8,
}

impl Line {
    fn new(db: &Db) -> Arc<Self> {
        let sandbox = Sandbox::new(db.clone(), "https://desk.example".into());
        let works = || AtomicU8::new(WORKS);
        Arc::new(Self {
            sandbox,
            begin: works(),
            look: works(),
            customer: works(),
            set_up: works(),
            look_at_setup: works(),
            forget: works(),
            charge: works(),
            refund: works(),
            charges: AtomicU8::new(0),
        })
    }

    /// A call on a line that may be cut before or behind it.
    async fn through<T>(
        &self,
        line: &AtomicU8,
        call: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let how = line.load(Ordering::SeqCst);
        let made = if how == UNANSWERED || how == WORKS { Some(call.await) } else { None };
        cut(how)?;
        made.unwrap()
    }
}

fn cut(how: u8) -> Result<(), Trouble> {
    match how {
        LOST | UNANSWERED => Err(Trouble::Unreachable("the line is dead".into())),
        REFUSES => Err(Trouble::Refused("no".into())),
        _ => Ok(()),
    }
}

impl Gateway for Line {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    fn webhook_secrets(&self) -> &[Secret] {
        self.sandbox.webhook_secrets()
    }

    fn subject(&self, event_type: &str, reference: &str) -> Subject {
        self.sandbox.subject(event_type, reference)
    }

    fn begin(&self, order: Order) -> Called<'_, Checkout> {
        Box::pin(async move {
            let how = self.begin.load(Ordering::SeqCst);
            let made =
                if how == UNANSWERED || how == WORKS { Some(self.sandbox.begin(order).await) } else { None };
            cut(how)?;
            made.unwrap()
        })
    }

    fn look<'a>(&'a self, reference: &'a str) -> Called<'a, Seen> {
        Box::pin(async move {
            let how = self.look.load(Ordering::SeqCst);
            cut(how)?;
            let mut seen = self.sandbox.look(reference).await?;
            seen.amount.minor -= i64::from(how == CHEATS);
            Ok(seen)
        })
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> Called<'a, ()> {
        self.sandbox.cancel(reference)
    }

    fn refund(&self, refund: GiveBack) -> Called<'_, RefundSeen> {
        Box::pin(async move {
            let how = self.refund.load(Ordering::SeqCst);
            let made = if how == UNANSWERED || how == WORKS {
                Some(self.sandbox.refund(refund).await)
            } else {
                None
            };
            cut(how)?;
            made.unwrap()
        })
    }

    fn look_at_refund<'a>(&'a self, reference: &'a str) -> Called<'a, RefundSeen> {
        self.sandbox.look_at_refund(reference)
    }

    fn look_at_dispute<'a>(&'a self, reference: &'a str) -> Called<'a, DisputeSeen> {
        self.sandbox.look_at_dispute(reference)
    }

    fn customer(&self, customer: Customer) -> Called<'_, String> {
        Box::pin(self.through(&self.customer, self.sandbox.customer(customer)))
    }

    fn set_up(&self, setup: Setup) -> Called<'_, Checkout> {
        Box::pin(self.through(&self.set_up, self.sandbox.set_up(setup)))
    }

    fn look_at_setup<'a>(&'a self, reference: &'a str) -> Called<'a, SetupSeen> {
        Box::pin(self.through(&self.look_at_setup, self.sandbox.look_at_setup(reference)))
    }

    fn look_at_card<'a>(&'a self, reference: &'a str) -> Called<'a, Option<(String, SeenCard)>> {
        self.sandbox.look_at_card(reference)
    }

    fn forget_card<'a>(&'a self, reference: &'a str) -> Called<'a, ()> {
        Box::pin(self.through(&self.forget, self.sandbox.forget_card(reference)))
    }

    fn charge(&self, charge: Charge) -> Called<'_, (String, Seen)> {
        Box::pin(self.through(&self.charge, async {
            let answer = self.sandbox.charge(charge).await;
            self.charges.fetch_add(1, Ordering::SeqCst);
            answer
        }))
    }
}

pub(crate) struct Shop {
    pub(crate) kit: Kit,
    pub(crate) desk: Desk,
    pub(crate) line: Arc<Line>,
    pub(crate) customer: OrganizationId,
}

pub fn seller() -> SellerTerms {
    let details = BillingDetails {
        company_name: "Vozia Telecom S.L.".into(),
        country: "ES".into(),
        ..BillingDetails::default()
    };
    SellerTerms { details, ..SellerTerms::default() }
}

fn open(kit: &Kit) -> (Desk, Arc<Line>) {
    let line = Line::new(kit.db());
    let gateway: Arc<dyn Gateway> = line.clone();
    (Desk::new(kit.db().clone(), Some(gateway), TERMS, seller(), "https://desk.example".into(), 300), line)
}

impl Shop {
    pub(crate) async fn new() -> Self {
        let kit = Kit::new().await;
        let customer = kit.organization("acme", "UTC").await;
        kit.write(|tx| packages::seed(tx, &TERMS, Currency::EUR)).await.unwrap();
        let (desk, line) = open(&kit);
        Self { kit, desk, line, customer }
    }

    /// As when the process is killed and starts again.
    pub(crate) fn restart(self) -> Self {
        let Self { mut kit, desk, line, customer } = self;
        drop((desk, line));
        kit.restart();
        let (desk, line) = open(&kit);
        Self { kit, desk, line, customer }
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::new(self.kit.db().clone(), self.desk.clone())
    }

    pub(crate) fn wanted(&self, key: &str, amount: &str) -> NewPayment {
        NewPayment {
            organization: self.customer,
            gateway: sandbox::NAME,
            purchase: TERMS.for_amount(amount, Currency::EUR).unwrap(),
            actor: "test".into(),
            intent: Some(Intent { key: key.into(), fingerprint: [7; 32] }),
            agreed: None,
        }
    }

    pub(crate) async fn start(&self, key: &str) -> Payment {
        self.desk.start(self.wanted(key, "10")).await.unwrap()
    }

    pub(crate) async fn pay(&self, payment: &Payment, card: Card) {
        let reference = payment.state.reference().unwrap().to_owned();
        self.kit.write(move |tx| sandbox::pay(tx, &reference, card)).await.unwrap();
    }

    pub(crate) fn payment(&self, payment: &Payment) -> Payment {
        self.kit.db().read_blocking(|tx| payments::get(tx, payment.id)).unwrap()
    }

    /// A webhook about a payment, signed now.
    pub(crate) async fn tell(&self, event: &str, reference: &str) -> Result<Received, WebhookError> {
        let subject = format!("checkout.session.completed {reference}");
        self.tell_body(sandbox::event(&subject, event, self.kit.now()).unwrap()).await
    }

    pub(crate) async fn tell_body(&self, body: Vec<u8>) -> Result<Received, WebhookError> {
        let secret = self.line.webhook_secrets()[0].expose();
        let header = signature::sign(secret, &body, self.kit.now());
        self.desk.webhook(sandbox::NAME, &header, body).await
    }

    pub(crate) fn balance(&self) -> String {
        self.kit.summary(self.customer).balance.to_string()
    }

    #[track_caller]
    pub(crate) fn assert_credited_once(&self, payment: &Payment) {
        let payment = self.payment(payment);
        let State::Settled(Settled { grant, bonus, .. }) = payment.state else { panic!("{payment:?}") };
        let given = self.kit.db().read_blocking(|tx| grants::all_of(tx, self.customer, None, 100)).unwrap();
        assert_eq!(given.len(), 1 + usize::from(bonus.is_some()), "{given:#?}");
        let paid = given.iter().find(|g| Some(g.id) == grant).unwrap();
        assert_eq!((paid.terms.order.class, paid.original), (Class::Paid, payment.purchase.credits));
        assert_eq!(paid.cost, Some(payment.purchase.price));
        assert_eq!(payment.quote.amounts.net, payment.purchase.price);
        assert_eq!(self.money("cash"), payment.quote.amounts.total.minor);
        assert_eq!(self.money("tax_payable"), -payment.quote.amounts.tax.minor);
        assert_eq!(self.money("deferred_revenue"), -payment.purchase.price.minor);
        self.kit.assert_sound();
    }

    /// Debits less credits of a money account, in minor units.
    pub(crate) fn money(&self, kind: &str) -> i64 {
        let sum = "SELECT coalesce(sum(debits_posted - credits_posted), 0) FROM accounts WHERE kind = ? AND ledger = 'EUR'";
        let found =
            self.kit.db().read_blocking(|tx| Ok::<_, DbError>(tx.query_row(sum, [kind], |row| row.get(0))?));
        found.unwrap()
    }

    pub(crate) async fn drain(&self) {
        self.worker().work().await.unwrap();
    }

    pub(crate) fn later(&self, ms: i64) {
        self.kit.clock.advance(ms);
    }
}

#[tokio::test]
async fn a_purchase_is_pending_until_the_money_is_there() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    assert_eq!((payment.state.name(), shop.balance().as_str()), ("pending", "0"));
    shop.pay(&payment, Card::Slow).await;
    let asked = shop.desk.ask(payment.id).await.unwrap();
    assert!(matches!(asked.state, State::Pending { progress: Progress::Processing, .. }), "{asked:?}");
    assert_eq!(shop.balance(), "0");
    shop.later(MINUTE_MS);
    shop.drain().await;
    shop.assert_credited_once(&payment);
    assert_eq!(shop.balance(), "1000");
}

#[tokio::test]
async fn a_package_brings_its_bonus_as_free_credit() {
    let shop = Shop::new().await;
    let listed = shop.kit.db().read_blocking(|tx| packages::list(tx, Currency::EUR)).unwrap();
    let growth = listed.iter().find(|package| package.code == "growth").unwrap();
    let new = NewPayment { purchase: growth.purchase(), ..shop.wanted("k", "10") };
    let payment = shop.desk.start(new).await.unwrap();
    shop.pay(&payment, Card::Pays).await;
    shop.desk.ask(payment.id).await.unwrap();
    shop.assert_credited_once(&payment);
    let summary = shop.kit.summary(shop.customer);
    assert_eq!(
        (summary.parts.paid.to_string(), summary.parts.free.to_string()),
        ("5000".into(), "250".into())
    );
}

#[tokio::test]
async fn a_decline_charges_nothing_and_another_card_will_do() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    for (card, decline) in [
        (Card::Declined(Decline::Declined), Decline::Declined),
        (Card::Declined(Decline::InsufficientFunds), Decline::InsufficientFunds),
    ] {
        shop.pay(&payment, card).await;
        shop.later(1_000);
        shop.drain().await;
        let State::Pending { progress, .. } = shop.payment(&payment).state else { panic!("not pending") };
        assert_eq!(progress, Progress::Declined(decline));
    }
    shop.pay(&payment, Card::AsksFirst).await;
    let reference = payment.state.reference().unwrap().to_owned();
    let refused = reference.clone();
    shop.kit.write(move |tx| sandbox::confirm(tx, &refused, false)).await.unwrap();
    let asked = shop.desk.ask(payment.id).await.unwrap();
    let State::Pending { progress, .. } = asked.state else { panic!("not pending") };
    assert_eq!(progress, Progress::Declined(Decline::AuthenticationFailed));
    assert_eq!((shop.money("cash"), shop.balance().as_str()), (0, "0"));
    shop.pay(&payment, Card::AsksFirst).await;
    shop.kit.write(move |tx| sandbox::confirm(tx, &reference, true)).await.unwrap();
    shop.later(1_000);
    shop.drain().await;
    shop.assert_credited_once(&payment);
}

/// The webhook never comes, the customer never returns.
#[tokio::test]
async fn paid_but_not_credited_for_want_of_a_webhook() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    shop.pay(&payment, Card::Pays).await;
    assert_eq!(shop.desk.reconcile().await.unwrap(), 0, "not due yet");
    shop.later(30_000);
    assert_eq!(shop.desk.reconcile().await.unwrap(), 1);
    shop.assert_credited_once(&payment);
    shop.later(DAY_MS);
    assert_eq!(shop.desk.reconcile().await.unwrap(), 0, "settled is settled");
}

/// Every call of the provider fails once or more, and the process is killed around each.
#[tokio::test]
async fn paid_but_not_credited_for_want_of_an_answer() {
    let mut shop = Shop::new().await;
    shop.line.begin.store(LOST, Ordering::SeqCst);
    let wanted = shop.wanted("k", "10");
    assert!(matches!(shop.desk.start(wanted.clone()).await, Err(Error::Gateway(Trouble::Unreachable(_)))));
    shop = shop.restart();
    shop.line.begin.store(UNANSWERED, Ordering::SeqCst);
    shop.later(MINUTE_MS);
    shop.drain().await;
    shop = shop.restart();
    // what was begun without an answer is found again, not begun twice
    let payment = shop.desk.start(wanted).await.unwrap();
    let checkouts = "SELECT count(*) FROM sandbox_checkouts";
    let count: i64 = shop
        .kit
        .db()
        .read_blocking(|tx| Ok::<_, DbError>(tx.query_row(checkouts, [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(count, 1);
    shop.pay(&payment, Card::Pays).await;
    shop = shop.restart();
    shop.line.look.store(LOST, Ordering::SeqCst);
    shop.later(1_000);
    let reference = payment.state.reference().unwrap();
    assert!(matches!(shop.tell("1", reference).await, Err(WebhookError::Later(_))));
    shop.drain().await;
    shop.later(MINUTE_MS);
    shop.desk.reconcile().await.unwrap();
    assert_eq!(shop.payment(&payment).state.name(), "pending");
    shop = shop.restart();
    // told again, as providers do
    assert_eq!(shop.tell("1", reference).await.unwrap(), Received::Done);
    assert_eq!(shop.tell("1", reference).await.unwrap(), Received::Duplicate);
    shop.later(DAY_MS);
    shop.drain().await;
    shop.assert_credited_once(&payment);
}

/// The provider tells before the answer to our own call was written down.
#[tokio::test]
async fn paid_but_not_credited_because_the_webhook_was_faster_than_the_answer() {
    let shop = Shop::new().await;
    shop.line.begin.store(UNANSWERED, Ordering::SeqCst);
    assert!(shop.desk.start(shop.wanted("k", "10")).await.is_err());
    let find = "SELECT reference FROM sandbox_checkouts";
    let reference: String = shop
        .kit
        .db()
        .read_blocking(|tx| Ok::<_, DbError>(tx.query_row(find, [], |row| row.get(0))?))
        .unwrap();
    let pays = reference.clone();
    shop.kit.write(move |tx| sandbox::pay(tx, &pays, Card::Pays)).await.unwrap();
    assert_eq!(shop.tell("1", &reference).await.unwrap(), Received::Done);
    let settled = shop
        .kit
        .db()
        .read_blocking(|tx| payments::list(tx, Some(shop.customer), None, 10))
        .unwrap()
        .items
        .remove(0);
    shop.assert_credited_once(&settled);
    shop.line.begin.store(WORKS, Ordering::SeqCst);
    let again = shop.start("k").await;
    assert_eq!((again.id, again.state.name()), (settled.id, "settled"));
}

/// Webhooks (one of them several times), the schedule and the return page, all at once and once more afterwards.
#[tokio::test]
async fn credited_twice() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    shop.pay(&payment, Card::Pays).await;
    shop.later(MINUTE_MS);
    let reference = payment.state.reference().unwrap();
    for _ in 0..2 {
        let told = join_all(["1", "1", "2", "1", "3"].map(|event| shop.tell(event, reference)));
        let asked = join_all([payment.id; 5].map(|id| shop.desk.ask(id)));
        let outside = shop.worker();
        let (told, asked, due, worked) = tokio::join!(told, asked, shop.desk.reconcile(), outside.work());
        assert!(told.into_iter().all(|told| matches!(told, Ok(Received::Done | Received::Duplicate))));
        assert!(asked.into_iter().all(|asked| asked.unwrap().state.name() == "settled"));
        due.unwrap();
        worked.unwrap();
        shop.assert_credited_once(&payment);
        shop.later(DAY_MS);
    }
    assert_eq!(shop.balance(), "1000");
}

#[tokio::test]
async fn credited_twice_by_a_request_sent_again() {
    let shop = Shop::new().await;
    let (first, second) = tokio::join!(shop.start("k"), shop.start("k"));
    assert_eq!(first, second);
    let other = NewPayment {
        intent: Some(Intent { key: "k".into(), fingerprint: [8; 32] }),
        ..shop.wanted("k", "20")
    };
    assert!(matches!(shop.desk.start(other).await, Err(Error::IntentConflict)));
    assert_ne!(shop.start("other").await.id, first.id);
    shop.pay(&first, Card::Pays).await;
    let reference = first.state.reference().unwrap().to_owned();
    let twice = shop.kit.write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await;
    assert!(matches!(twice, Err(sandbox::PayError::Over)));
    shop.desk.ask(first.id).await.unwrap();
    shop.assert_credited_once(&first);
    assert_eq!(shop.start("k").await.state.name(), "settled");
}

#[tokio::test]
async fn what_is_unknown_is_kept_and_reported() {
    let shop = Shop::new().await;
    assert_eq!(shop.tell("stranger", "cs_test_nobody").await.unwrap(), Received::Unknown);
    // it exists at the provider, but not here
    let order = Order {
        key: "elsewhere".into(),
        id: "pay_of_somebody_else".into(),
        amount: Money { minor: 1_000, currency: Currency::EUR },
        description: String::new(),
        customer: None,
        form: Form::Hosted,
        return_url: String::new(),
        cancel_url: String::new(),
        keep_card: false,
    };
    let checkout = shop.line.begin(order).await.unwrap();
    assert_eq!(shop.tell("foreign", &checkout.reference).await.unwrap(), Received::Unknown);
    assert_eq!(shop.tell("foreign", &checkout.reference).await.unwrap(), Received::Duplicate);
    let count =
        "SELECT count(*), sum(times) FROM payment_events WHERE outcome = 'unknown' AND payment_id IS NULL";
    let kept: (i64, i64) = shop
        .kit
        .db()
        .read_blocking(|tx| Ok::<_, DbError>(tx.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))?))
        .unwrap();
    assert_eq!(kept, (2, 3));
    let told =
        shop.kit.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 10)).unwrap();
    assert_eq!(told.items.iter().filter(|entry| entry.action == "payment.unknown").count(), 2);
    assert_eq!(shop.balance(), "0");
}

#[tokio::test]
async fn only_what_the_provider_signed_is_believed() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    let subject = format!("checkout.session.completed {}", payment.state.reference().unwrap());
    let body = sandbox::event(&subject, "1", shop.kit.now()).unwrap();
    let secret = shop.line.webhook_secrets()[0].expose();
    let good = signature::sign(secret, &body, shop.kit.now());
    let stale = signature::sign(secret, &body, shop.kit.now().plus_ms(-301_000));
    let forged = signature::sign("whsec_guess", &body, shop.kit.now());
    for header in [stale.as_str(), &forged, "", "t=0"] {
        let refused = shop.desk.webhook(sandbox::NAME, header, body.clone()).await;
        assert!(matches!(refused, Err(WebhookError::Signature(_))), "{header}");
    }
    let elsewhere = shop.desk.webhook("stripe", &good, body.clone()).await;
    assert!(matches!(elsewhere, Err(WebhookError::NoGateway)));
    for nonsense in ["", "[]", "{\"id\":\"\"}", "{\"id\":1,\"type\":\"x\",\"data\":{\"object\":{}}}"] {
        let header = signature::sign(secret, nonsense.as_bytes(), shop.kit.now());
        let refused = shop.desk.webhook(sandbox::NAME, &header, nonsense.into()).await;
        assert!(matches!(refused, Err(WebhookError::Malformed(_))), "{nonsense}");
    }
    // believed, but it says nothing about the money: that the provider is asked
    assert_eq!(shop.desk.webhook(sandbox::NAME, &good, body).await.unwrap(), Received::Done);
    assert_eq!((shop.payment(&payment).state.name(), shop.balance().as_str()), ("pending", "0"));
}

#[tokio::test]
async fn another_amount_credits_nothing_and_is_reported() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    shop.pay(&payment, Card::Pays).await;
    shop.line.look.store(CHEATS, Ordering::SeqCst);
    shop.later(1_000);
    shop.drain().await;
    assert_eq!((shop.payment(&payment).state.name(), shop.balance().as_str()), ("pending", "0"));
    let told =
        shop.kit.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 10)).unwrap();
    assert!(told.items.iter().any(|entry| entry.action == "payment.mismatch"), "{told:?}");
    shop.kit.assert_sound();
}

#[tokio::test]
async fn what_nobody_pays_ends_and_what_the_provider_refuses_too() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    for _ in 0..20 {
        shop.later(6 * 60 * MINUTE_MS);
        shop.desk.reconcile().await.unwrap();
    }
    assert!(matches!(shop.payment(&payment).state, State::Failed { reason: Reason::Abandoned, .. }));
    let reference = payment.state.reference().unwrap().to_owned();
    let late = shop.kit.write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await;
    assert!(matches!(late, Err(sandbox::PayError::Over)));
    shop.line.begin.store(REFUSES, Ordering::SeqCst);
    let refused = shop.desk.start(shop.wanted("other", "10")).await;
    assert!(matches!(refused, Err(Error::Gateway(Trouble::Refused(_)))));
    let newest = shop
        .kit
        .db()
        .read_blocking(|tx| payments::list(tx, Some(shop.customer), None, 1))
        .unwrap()
        .items
        .remove(0);
    assert!(matches!(newest.state, State::Failed { reason: Reason::Refused, .. }));
    shop.later(MINUTE_MS);
    shop.drain().await;
    assert!(shop.kit.db().read_blocking(|tx| outbox::dead(tx, 10)).unwrap().is_empty());
    assert_eq!(shop.balance(), "0");
}

#[tokio::test]
async fn verify_finds_payments_and_credit_that_do_not_belong_together() {
    for (change, found) in [
        (
            "UPDATE payments SET state = 'pending', grant_id = NULL, charge = NULL, invoice_id = NULL WHERE id = 1",
            "belongs to 0 payments",
        ),
        ("UPDATE payments SET tax_minor = 1 WHERE id = 1", "its invoice does not say what was paid"),
        ("UPDATE payments SET invoice_id = 7 WHERE id = 1", "its invoice does not say what was paid"),
        ("UPDATE payments SET credits = credits + 1 WHERE id = 1", "is not what was paid for"),
        ("UPDATE payments SET amount_minor = 1 WHERE id = 1", "is not what was paid for"),
        ("UPDATE payments SET bonus = 1 WHERE id = 1", "is not what was promised"),
        ("UPDATE payments SET organization_id = 99 WHERE id = 1", "is not what was paid for"),
    ] {
        let shop = Shop::new().await;
        let payment = shop.start("k").await;
        shop.pay(&payment, Card::Pays).await;
        shop.desk.ask(payment.id).await.unwrap();
        shop.assert_credited_once(&payment);
        // the desk holds the database open
        let Shop { mut kit, desk, line, .. } = shop;
        drop((desk, line));
        let file = kit.break_in();
        file.execute_batch(
            "DROP TRIGGER payments_keep_their_terms; DROP TRIGGER settled_payments_are_final;",
        )
        .unwrap();
        file.execute_batch(change).unwrap();
        drop(file);
        kit.reopen();
        let error = kit.verify().expect_err(change).to_string();
        assert!(error.contains(found), "{change}: {error}");
    }
}
