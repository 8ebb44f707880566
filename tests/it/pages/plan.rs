//! The plan on the pages: what is shown before is what is charged, and every state says what can be done.

use std::cell::RefCell;

use tollbook::base::id::{OrganizationId, UserId};
use tollbook::base::{Credits, Currency, Money};
use tollbook::catalog::rules::{Interval, PlanTerms};
use tollbook::catalog::{NewPlanVersion, publish_plan};
use tollbook::identity::{Role, Scope, organizations};
use tollbook::onboarding::Prices;
use tollbook::payments::cards::{self, NewSetup};
use tollbook::payments::gateway::sandbox;
use tollbook::payments::{self, Payment};
use tollbook::subscriptions;

use super::browsing::{Browser, Page, Use, charge};
use crate::helpers::{BY, TestApp};

const GOOD: &str = "4242 4242 4242 4242";
const DECLINED: &str = "4000 0000 0000 0341";
const DAY: i64 = 86_400;

struct Customer {
    app: TestApp,
    id: OrganizationId,
    user: UserId,
    /// A session, which ends when the clock moves far.
    owner: RefCell<String>,
}

impl Customer {
    async fn new() -> Self {
        Self::with(Prices::default()).await
    }

    async fn with(prices: Prices) -> Self {
        let app = TestApp::start().await;
        let id = app.organization_with("Acme", None, prices).await;
        let (user, owner) = app.member(id, Role::Owner).await;
        Self { app, id, user, owner: owner.into() }
    }

    fn browser(&self) -> Browser<'_> {
        Browser::with_session(&self.app, &self.owner.borrow())
    }

    async fn page(&self) -> Page {
        self.browser().get("/plan").await.expect(200)
    }

    async fn review(&self, plan: &str) -> Page {
        self.browser().get(&format!("/plan/review?plan={plan}")).await.expect(200)
    }

    /// Presses the button of a page that is sent to `path`; answers the path of where that leads.
    async fn press(&self, page: &Page, path: &str) -> String {
        let done = self.browser().fill(page, path, &[]).await.expect(303);
        done.location().strip_prefix(&self.app.app.url()).unwrap_or(done.location()).to_owned()
    }

    /// The clock moves, and everything that is due is done.
    async fn later(&self, seconds: i64) {
        let admin = self.app.operator_key(&[Scope::Admin]).await;
        let body = format!(r#"{{"advance_seconds":{seconds}}}"#);
        self.app.post("/api/v1/admin/clock", &body).bearer(&admin).send().await.expect(200);
        let owner = self.app.session(self.user).await;
        self.owner.replace(owner);
    }

    /// Saves a card, which is the one that is charged from now on.
    async fn save(&self, number: &'static str) {
        let new = NewSetup {
            organization: self.id,
            gateway: sandbox::NAME,
            actor: "system".into(),
            success_url: None,
            cancel_url: None,
        };
        let desk = &self.app.app.state.desk;
        let setup = desk.set_up_card(new).await.unwrap();
        let reference = setup.reference.unwrap();
        let id = self.id;
        self.app.db().write(move |tx| sandbox::give_card(tx, &reference, number)).await.unwrap();
        desk.ask_about_card(setup.id).await.unwrap();
        let newest = self.app.db().read_blocking(|tx| cards::list(tx, id)).unwrap();
        let newest = newest.into_iter().max_by_key(|card| card.id.number()).unwrap().id;
        self.app.db().write(move |tx| cards::set_default(tx, &BY, id, newest)).await.unwrap();
    }

    /// Begins a plan with the saved card.
    async fn on(&self, plan: &str) {
        self.save(GOOD).await;
        assert_eq!(self.press(&self.review(plan).await, "/plan").await, "/plan?done=paid");
    }

    fn payments(&self) -> Vec<Payment> {
        let id = self.id;
        self.app.db().read_blocking(|tx| payments::list(tx, Some(id), None, 100)).unwrap().items
    }

    async fn publish(&self, plan: &'static str, change: impl FnOnce(&mut PlanTerms) + Send + 'static) {
        let write = self.app.db().write(move |tx| {
            let catalog = tollbook::catalog::snapshot(tx).unwrap();
            let mut terms = catalog
                .plan_by_code(plan)
                .and_then(|plan| plan.in_force(tx.now()))
                .map_or_else(yearly, |version| version.terms.clone());
            change(&mut terms);
            let new = NewPlanVersion {
                plan: plan.parse().unwrap(),
                name: Some(plan.into()),
                starts_at: None,
                terms,
            };
            publish_plan(tx, &new)
        });
        write.await.unwrap();
        // what is published is in force from the next millisecond on
        self.app.clock.advance(1);
    }
}

fn yearly() -> PlanTerms {
    PlanTerms {
        price: Money { minor: 100_000, currency: Currency::EUR },
        interval: Interval::Year,
        plan_credits: Credits::ZERO,
        allowances: [("voice".parse().unwrap(), "6000".parse().unwrap())].into(),
        rate_card: "payg".parse().unwrap(),
        rollover: false,
        rollover_cap: None,
        credit_transfer: false,
        listed: true,
    }
}

#[actix_web::test]
async fn who_pays_as_one_goes_chooses_a_plan_and_pays_on_the_providers_page() {
    let customer = Customer::new().await;
    let page = customer.page().await;
    for said in ["Pay as you go", "7 credits per minute", "€29.00 a month", "Voice: 500 min", "Choose Scale"]
    {
        page.says(said);
    }
    let review = customer.review("starter").await;
    for said in ["€29.00", "€6.09", "€35.09", "21 Dec 2026", "provider's page", "6.5 credits per minute"]
    {
        review.says(said);
    }
    let checkout = customer.press(&review, "/plan").await;
    assert!(checkout.starts_with("/sandbox/checkout/"), "{checkout}");
    let page = customer.page().await;
    page.says("Starter begins when it is paid.");
    page.says("Not paid yet");
    // the same page sent again is the same payment
    assert_eq!(customer.press(&review, "/plan").await, checkout);
    let browser = customer.browser();
    let pays = browser.get(&checkout).await.expect(200);
    let paid = browser.fill(&pays, &checkout, &[("card", GOOD)]).await.expect(303);
    let back = paid.location().strip_prefix(&customer.app.app.url()).unwrap().to_owned();
    let payment = browser.get(&back).await.expect(200);
    payment.says("Paid: see your plan.");
    payment.says("Starter");
    let page = customer.page().await;
    for said in ["Starter Active", "0 of 500 min", "Next renewal", "€35.09 with tax, charged to Visa"] {
        page.says(said);
    }
    page.does_not_say("Pay as you go");
    browser.get("/overview").await.expect(200).says("Plan Starter");
    assert_eq!(customer.payments().len(), 1);
}

#[actix_web::test]
async fn the_preview_of_an_upgrade_is_what_is_charged() {
    let customer = Customer::new().await;
    customer.on("starter").await;
    customer.later(10 * DAY).await;
    let review = customer.review("growth").await;
    // €70.00 for 20 of 30 days
    for said in [
        "Growth instead of Starter",
        "€46.67",
        "€9.80",
        "Pay €56.47",
        "333.33",
        "2,500 messages",
        "500.00 credits",
    ] {
        review.says(said);
    }
    review.says("1,500 min in the month to 21 Dec 2026");
    assert_eq!(customer.press(&review, "/plan").await, "/plan?done=paid");
    let newest = customer.payments().remove(0);
    assert_eq!(newest.quote.amounts.total.minor, 5_647);
    let page = customer.page().await;
    page.says("0 of 1,500 min");
    page.says("Growth Active");
    assert_eq!(customer.payments().len(), 2);
}

#[actix_web::test]
async fn what_is_used_of_a_plan_and_where_that_leads() {
    let customer = Customer::new().await;
    customer.on("starter").await;
    let young = customer.page().await;
    young.says("too early to say");
    customer.later(10 * DAY).await;
    let used = |id, meter, quantity| Use {
        id,
        meter,
        quantity,
        at: "2026-11-30T08:00:00Z",
        agent: "",
        workspace: "",
    };
    // a third of the month: half of the minutes, a tenth of the messages
    charge(&customer.app, customer.id, &[used("v", "voice", "15000"), used("c", "chat", "50")]).await;
    let page = customer.page().await;
    for said in ["250 of 500 min", "used up about 11 Dec 2026", "50 of 500 messages", "lasts to the end"] {
        page.says(said);
    }
    page.says("6.5 credits per minute");
}

#[actix_web::test]
async fn what_was_not_agreed_to_is_not_charged() {
    let customer = Customer::new().await;
    customer.save(GOOD).await;
    let page = customer.review("starter").await;
    customer.publish("starter", |terms| terms.price.minor = 3_900).await;
    let again = customer.browser().fill(&page, "/plan", &[]).await.expect(409);
    again.says("Something has changed since you looked, and nothing was done or charged.");
    again.says("Pay €47.19");
    assert_eq!(customer.payments().len(), 0);
    // the same price for less is something else, too
    customer.publish("starter", |terms| terms.allowances.clear()).await;
    let taken = customer.browser().fill(&again, "/plan", &[]).await.expect(409);
    // another card is another card
    customer.save(GOOD).await;
    let carded = customer.browser().fill(&taken, "/plan", &[]).await.expect(409);
    assert_eq!(customer.press(&carded, "/plan").await, "/plan?done=paid");
    assert_eq!(customer.payments().len(), 1);
    // an upgrade costs less as its month goes by, and what is said of it is what is charged
    let review = customer.review("growth").await;
    customer.later(DAY).await;
    let csrf = customer.review("growth").await.hidden("/plan");
    let csrf = csrf.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    customer.browser().fill(&review, "/plan", &[("csrf", &csrf)]).await.expect(409);
    assert_eq!(customer.payments().len(), 1);
}

#[actix_web::test]
async fn a_cheaper_plan_waits_and_can_be_taken_back() {
    let customer = Customer::new().await;
    customer.on("growth").await;
    let review = customer.review("starter").await;
    review.says("On 21 Dec 2026, when the period that you have paid ends.");
    review.says("21 Dec 2026: €29.00 (€35.09 with tax)");
    assert_eq!(customer.press(&review, "/plan").await, "/plan?done=changed");
    let page = customer.page().await;
    page.says("Starter comes instead of Growth on 21 Dec 2026.");
    page.says("Comes next");
    assert_eq!(customer.press(&page, "/plan/resume").await, "/plan?done=kept");
    customer.page().await.does_not_say("comes instead");
    // once more, and this time it comes
    let again = customer.review("starter").await;
    customer.press(&again, "/plan").await;
    customer.later(31 * DAY).await;
    customer.page().await.says("Starter Active");
    let paid: Vec<i64> = customer.payments().iter().map(|payment| payment.purchase.price.minor).collect();
    assert_eq!(paid, [2_900, 9_900]);
}

#[actix_web::test]
async fn a_plan_is_canceled_or_paused_when_its_period_ends() {
    let customer = Customer::new().await;
    customer.on("growth").await;
    let browser = customer.browser();
    let ask = browser.get("/plan/cancel").await.expect(200);
    ask.says("Growth ends on 21 Dec 2026.");
    ask.says("Plan credit that is left then expires.");
    // who waits until it is renewed is asked again
    let pause = browser.get("/plan/pause").await.expect(200);
    assert_eq!(customer.press(&pause, "/plan/pause").await, "/plan?done=paused");
    let page = customer.page().await;
    page.says("Growth pauses on 21 Dec 2026.");
    customer.later(31 * DAY).await;
    let page = customer.page().await;
    page.says("Growth is paused");
    page.says("7 credits per minute");
    page.says("Resume and pay €119.79");
    let browser = customer.browser();
    assert_eq!(customer.press(&page, "/plan/resume").await, "/plan?done=paid");
    assert_eq!(customer.payments().len(), 2);
    browser.get("/plan/cancel").await.expect(200).says("Growth ends on 22 Jan 2027.");
    let stale = customer.browser().get("/plan/cancel").await.expect(200);
    customer.later(31 * DAY).await;
    let csrf = customer.browser().get("/plan/cancel").await.hidden("/plan/cancel");
    let csrf = csrf.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    let asked = customer.browser().fill(&stale, "/plan/cancel", &[("csrf", &csrf)]).await.expect(409);
    asked.says("Growth ends on 22 Feb 2027.");
    assert_eq!(customer.press(&asked, "/plan/cancel").await, "/plan?done=canceled");
    customer.page().await.says("Growth ends on 22 Feb 2027. Until then it stays as it is.");
    customer.later(31 * DAY).await;
    let page = customer.page().await;
    page.says("Pay as you go");
    page.says("Growth ended on 22 Feb 2027, as you wished.");
}

#[actix_web::test]
async fn an_unpaid_period_says_what_that_means_and_can_be_paid() {
    let customer = Customer::new().await;
    customer.on("growth").await;
    customer.save(DECLINED).await;
    customer.later(30 * DAY + 3_600).await;
    let page = customer.page().await;
    for said in [
        "Payment failed",
        "The card was declined, and you were not charged.",
        "nothing is included until it is paid",
        "It is tried again 22 Dec 2026, 09:00.",
        "If it cannot be paid by 28 Dec 2026, 09:00, Growth ends.",
        "Pay €119.79 now",
        "Pay the unpaid period, or cancel, before changing plans.",
    ] {
        page.says(said);
    }
    assert!(!page.links("/payment-methods").is_empty());
    page.does_not_say("Choose Scale");
    let refused = customer.browser().get("/plan/review?plan=scale").await.expect(409);
    refused.says("A period is unpaid");
    // with the same card it is declined again
    let declined = customer.press(&page, "/plan/retry").await;
    customer.browser().get(&declined).await.expect(200).says("The card was declined");
    // the same page again is the same payment
    assert_eq!(customer.press(&page, "/plan/retry").await, declined);
    let stale = customer.page().await;
    customer.save(GOOD).await;
    // the card was another one when the page was made
    assert_eq!(customer.press(&stale, "/plan/retry").await, "/plan?done=other");
    assert_eq!(customer.press(&customer.page().await, "/plan/retry").await, "/plan?done=paid");
    customer.page().await.says("Growth Active");
    assert_eq!(customer.payments().len(), 4);
}

#[actix_web::test]
async fn a_plan_ends_when_it_is_not_paid() {
    let customer = Customer::new().await;
    customer.on("growth").await;
    customer.save(DECLINED).await;
    customer.later(40 * DAY).await;
    let page = customer.page().await;
    page.says("Pay as you go");
    page.says("Growth ended on 28 Dec 2026, because it was not paid. The card was declined");
}

#[actix_web::test]
async fn a_plan_that_the_operator_gave_is_shown_with_its_months() {
    let customer = Customer::with(Prices { plan: Some("growth".into()), rate_card: None }).await;
    let page = customer.page().await;
    for said in ["Growth Given to you", "gave it to you", "0 of 2,000 min", "21 Nov 2026 to 21 Dec 2026"] {
        page.says(said);
    }
    assert!(customer.browser().get("/plan/cancel").await.location().ends_with("/plan"));
    customer.review("starter").await.says("instead of the plan that was given to you");
}

#[actix_web::test]
async fn an_operators_change_is_announced() {
    let customer = Customer::new().await;
    customer.on("growth").await;
    customer.publish("growth", |terms| terms.price.minor = 12_900).await;
    let from = "2027-01-01T00:00:00Z".parse().unwrap();
    let terms = customer.app.app.state.office.shop().terms.clone();
    let write = customer.app.db().write(move |tx| subscriptions::migrate(tx, &terms, &BY, "growth", from));
    assert_eq!(write.await.unwrap(), 1);
    let page = customer.page().await;
    page.says("growth changes with its renewal on 21 Jan 2027: see below.");
    page.says("€129.00 a month");
    page.says("From 21 Jan 2027");
    // the renewal before that is as before
    page.says("21 Dec 2026: €119.79 with tax");
}

#[actix_web::test]
async fn what_is_no_plan_to_choose_is_refused_and_who_may_only_look_sees_no_buttons() {
    let customer = Customer::new().await;
    customer.on("starter").await;
    let browser = customer.browser();
    browser.get("/plan/review?plan=gold").await.expect(422).says("is not on offer");
    browser.get("/plan/review?plan=starter").await.expect(422).says("is the plan that you are on");
    // without a card an upgrade is not charged
    let cards = customer.app.db().read_blocking(|tx| cards::list(tx, customer.id)).unwrap();
    let (id, card) = (customer.id, cards[0].id);
    customer.app.db().write(move |tx| cards::remove(tx, &BY, id, card)).await.unwrap();
    let review = customer.review("growth").await;
    review.says("none is saved");
    assert!(review.actions("/plan").is_empty(), "{}", review.text());
    // an operator who looks may not change anything, nor may who is suspended
    let operator = Browser::with_session(&customer.app, &customer.app.operator().await.1);
    operator.jar.lock().unwrap().insert("tollbook-organization".into(), customer.id.to_string());
    let page = operator.get("/plan/cancel").await.expect(200);
    let seen = operator.fill(&page, "/plan/cancel", &[]).await.expect(403);
    seen.says("You see these pages as the customer does");
    let suspend = customer.app.db().write(move |tx| organizations::suspend(tx, &BY, id, "test"));
    suspend.await.unwrap();
    let page = customer.page().await;
    page.says("Plans are chosen by owners and people with the billing role.");
    page.does_not_say("Cancel the plan");
    page.does_not_say("Choose Growth");
    customer.page().await.says("Starter Active");
}
