//! What providers tell too early, too late, twice or never: nothing of it is lost, and nothing is dealt with twice.

use std::sync::atomic::Ordering;

use tollbook::base::{Currency, Money};
use tollbook::db::DbError;
use tollbook::identity::{Actor, By, audit};
use tollbook::payments::Payment;
use tollbook::payments::disputes::{self, Dispute};
use tollbook::payments::gateway::sandbox::{self, Card};
use tollbook::payments::gateway::{Gateway, GiveBack, RefundSeen};
use tollbook::payments::refunds::{self, Reason, Refund, Wish};

use crate::payments::{CHEATS, LOST, Shop, WORKS};

const BY: By = By::actor(Actor::System);
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

impl Shop {
    fn text(&self, query: &str) -> Option<String> {
        let read =
            self.kit.db().read_blocking(|tx| Ok::<_, DbError>(tx.query_row(query, [], |row| row.get(0))?));
        read.unwrap()
    }

    fn outcome(&self, event: &str) -> Option<String> {
        self.text(&format!("SELECT outcome FROM payment_events WHERE event_id = 'evt_{event}'"))
    }

    fn dispute_reference(&self) -> String {
        self.text("SELECT reference FROM sandbox_disputes").unwrap()
    }

    fn disputes(&self) -> Vec<Dispute> {
        self.kit.db().read_blocking(|tx| disputes::list(tx, None, 10)).unwrap()
    }

    fn refunds(&self) -> Vec<Refund> {
        self.kit.db().read_blocking(|tx| refunds::list(tx, None, None, 10)).unwrap()
    }

    fn reported(&self, action: &str) -> usize {
        let all =
            self.kit.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 100)).unwrap();
        all.items.iter().filter(|entry| entry.action == action).count()
    }

    async fn tell_of(&self, kind: &str, reference: &str, event: &str) {
        // what becomes of it is in the book
        drop(
            self.tell_body(sandbox::event(&format!("{kind} {reference}"), event, self.kit.now()).unwrap())
                .await,
        );
    }

    /// Somebody gives money back at the provider itself.
    async fn gives_back(&self, payment: &Payment, minor: i64) -> RefundSeen {
        let charge = payment.state.reference().unwrap().to_owned();
        let amount = Money { minor, currency: Currency::EUR };
        self.line
            .refund(GiveBack { key: format!("by hand {minor}"), id: String::new(), charge, amount })
            .await
            .unwrap()
    }

    async fn bought_and_disputed(&self) -> Payment {
        let payment = self.start("k").await;
        self.pay(&payment, Card::Disputed).await;
        payment
    }
}

#[tokio::test]
async fn a_dispute_told_before_its_payment_settled_settles_it_first() {
    let shop = Shop::new().await;
    let payment = shop.bought_and_disputed().await;
    shop.tell_of("charge.dispute.created", &shop.dispute_reference(), "d").await;
    assert_eq!(shop.outcome("d").as_deref(), Some("done"));
    assert_eq!(shop.payment(&payment).state.name(), "settled");
    assert_eq!(shop.disputes()[0].frozen.to_string(), "1000");
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_refund_told_before_its_payment_settled_settles_it_first() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    shop.pay(&payment, Card::Pays).await;
    let made = shop.gives_back(&payment, 605).await;
    shop.tell_of("refund.updated", &made.reference, "r").await;
    assert_eq!(shop.outcome("r").as_deref(), Some("done"));
    assert_eq!((shop.refunds()[0].reason, shop.balance().as_str()), (Reason::Elsewhere, "500"));
    shop.kit.assert_sound();
}

/// Another amount than was asked for was paid, so it is not settled; then it is, or it never is.
#[tokio::test]
async fn what_is_told_of_a_payment_that_does_not_settle_waits_and_is_reported_in_the_end() {
    for settles in [true, false] {
        let shop = Shop::new().await;
        shop.bought_and_disputed().await;
        shop.line.look.store(CHEATS, Ordering::SeqCst);
        shop.tell_of("charge.dispute.created", &shop.dispute_reference(), "d").await;
        assert_eq!(shop.outcome("d"), None, "kept");
        for _ in 0..10 {
            shop.later(30 * MINUTE_MS);
            shop.drain().await;
        }
        assert_eq!((shop.outcome("d"), shop.reported("payment.unknown")), (None, 0), "kept");
        if settles {
            shop.line.look.store(WORKS, Ordering::SeqCst);
        }
        for _ in 0..30 {
            shop.later(DAY_MS / 4);
            shop.drain().await;
        }
        let expected = if settles { "done" } else { "unknown" };
        assert_eq!(shop.outcome("d").as_deref(), Some(expected));
        assert_eq!(shop.disputes().len(), usize::from(settles));
        // once for each of the two events that tell of it: ours and the sandbox's own
        assert_eq!(shop.reported("payment.unknown"), if settles { 0 } else { 2 });
        shop.kit.assert_sound();
    }
}

#[tokio::test]
async fn an_event_about_which_the_provider_could_not_be_asked_is_dealt_with_without_being_told_again() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    shop.pay(&payment, Card::Pays).await;
    shop.line.look.store(LOST, Ordering::SeqCst);
    shop.tell_of("checkout.session.completed", payment.state.reference().unwrap(), "1").await;
    assert_eq!(shop.outcome("1"), None);
    shop.line.look.store(WORKS, Ordering::SeqCst);
    shop.later(3 * MINUTE_MS);
    shop.drain().await;
    assert_eq!(shop.outcome("1").as_deref(), Some("done"));
    shop.assert_credited_once(&payment);
}

/// Ours is decided, but the provider was not asked yet, when somebody gives back by hand so much that ours is refused: what
/// ours had set aside does not come free for a moment, but goes for the other.
#[tokio::test]
async fn a_refund_by_hand_takes_the_place_of_ours() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    shop.pay(&payment, Card::Pays).await;
    shop.desk.ask(payment.id).await.unwrap();
    let made = shop.gives_back(&payment, 605).await;
    let wish = Wish { payment: payment.id, total: None, reason: Reason::Unused, note: "as asked".into() };
    let ours = shop.kit.write(move |tx| refunds::give(tx, &BY, &wish)).await.unwrap();
    shop.tell_of("refund.updated", &made.reference, "r").await;
    assert_eq!((shop.outcome("r"), shop.refunds().len()), (None, 1), "kept while ours is pending");
    shop.drain().await;
    let refunds = shop.refunds();
    assert_eq!(refunds.iter().map(|refund| refund.state.name()).collect::<Vec<_>>(), ["succeeded", "failed"]);
    assert_eq!((refunds[0].reason, refunds[1].id), (Reason::Elsewhere, ours.id));
    assert_eq!((shop.balance(), shop.money("cash")), ("500".into(), 605));
    shop.later(3 * MINUTE_MS);
    shop.drain().await;
    assert_eq!((shop.outcome("r").as_deref(), shop.refunds().len()), (Some("done"), 2));
    assert_eq!(shop.reported("payment.unknown"), 0);
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_dispute_is_asked_about_when_nobody_tells_that_it_was_decided() {
    for won in [true, false] {
        let shop = Shop::new().await;
        shop.bought_and_disputed().await;
        let reference = shop.dispute_reference();
        shop.tell_of("charge.dispute.created", &reference, "d").await;
        shop.desk.reconcile().await.unwrap();
        shop.kit.write(move |tx| sandbox::decide(tx, &reference, won)).await.unwrap();
        shop.later(MINUTE_MS);
        // the webhook is lost: nothing of the outbox is done
        assert_eq!(shop.desk.reconcile().await.unwrap(), 1);
        assert_eq!(shop.disputes()[0].state.name(), if won { "won" } else { "lost" });
        shop.later(DAY_MS);
        assert_eq!(shop.desk.reconcile().await.unwrap(), 0, "it is closed");
        shop.kit.assert_sound();
    }
}
