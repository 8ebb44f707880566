//! Rented numbers: each month charged once and on its day, what becomes of those that are not paid.

use serde_json::{Value, json};
use tollbook::base::Credits;
use tollbook::base::id::OrganizationId;
use tollbook::db::DbError;
use tollbook::grants::Class;
use tollbook::identity::{NewOrganization, Role, Scope};
use tollbook::ledger::TransactionType;
use tollbook::onboarding::{self, Prices};
use tollbook::scheduler::Job;
use tollbook::wallet::{self, NewCredit};

use crate::helpers::{Answer, BY, TestApp};
use crate::pages::browsing::{person, sign_in};

struct Rented {
    app: TestApp,
    id: OrganizationId,
    key: String,
    operator: String,
}

impl Rented {
    async fn new(zone: &str) -> Self {
        let app = TestApp::start().await;
        // what is due is done when the test says so
        app.app.state.scheduler.stop();
        let new = NewOrganization {
            name: "Ribera".into(),
            external_id: None,
            currency: "EUR".parse().unwrap(),
            zone: zone.parse().unwrap(),
            rate_card_id: None,
        };
        let welcome = app.app.state.settings.welcome;
        let made =
            app.db().write(move |tx| onboarding::create(tx, &BY, &new, &Prices::default(), welcome)).await;
        let id = made.unwrap().id;
        let key = app.organization_key(id, &[Scope::UsageRead, Scope::UsageWrite, Scope::BillingRead]).await;
        let operator = app.operator_key(&[Scope::Admin]).await;
        Self { app, id, key, operator }
    }

    async fn credit(&self, credits: i64) {
        let new = NewCredit {
            amount: Credits::from_whole(credits).unwrap(),
            class: Class::Paid,
            priority: None,
            expires_at: None,
            meters: None,
            cost: None,
            tax: None,
            source: "operator",
            kind: TransactionType::Adjustment,
            description: "For a test".into(),
            actor: String::new(),
            metadata: None,
        };
        let id = self.id;
        self.app.db().write(move |tx| wallet::credit(tx, id, new)).await.unwrap();
    }

    async fn register(&self, number: &str, kind: &str) -> Answer {
        let body = json!({ "number_id": number, "kind": kind }).to_string();
        self.app.post("/api/v1/numbers", &body).bearer(&self.key).send().await
    }

    async fn number(&self, number: &str) -> Value {
        self.app.get(&format!("/api/v1/numbers/{number}")).bearer(&self.key).send().await.expect(200).json
    }

    async fn state(&self, number: &str) -> String {
        self.number(number).await["state"].as_str().unwrap().to_owned()
    }

    async fn advance(&self, to: &str) {
        let body = json!({ "to": to }).to_string();
        self.app.post("/api/v1/admin/clock", &body).bearer(&self.operator).send().await.expect(200);
    }

    async fn run(&self) -> (u64, u64) {
        let run = self.app.app.state.scheduler.run(Job::NumbersRent).await.unwrap();
        (run.done, run.failed)
    }

    /// When the months that were charged began, newest first, with the price of each.
    async fn charged(&self) -> Vec<(String, i64)> {
        let path = "/api/v1/billing/usage/items?channel=number&limit=100&from=2026-11-01T00:00:00Z&to=2029-01-01T00:00:00Z";
        let items = self.app.get(path).bearer(&self.key).send().await.expect(200).json;
        let items = items["items"].as_array().unwrap();
        let one = |item: &Value| {
            (item["occurred_at"].as_str().unwrap().to_owned(), item["credits"].as_i64().unwrap())
        };
        items.iter().map(one).collect()
    }

    fn events(&self) -> Vec<(String, String)> {
        let found = self.app.db().read_blocking(|tx| -> Result<Vec<_>, DbError> {
            let mut statement =
                tx.prepare("SELECT type, at FROM events WHERE type LIKE 'number.%' ORDER BY id")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        let text = |at| tollbook::base::Timestamp::from_millis(at).to_string();
        found.unwrap().into_iter().map(|(kind, at): (String, i64)| (kind, text(at))).collect()
    }
}

#[actix_web::test]
async fn a_month_is_charged_on_registration_and_then_on_its_own_day() {
    let rented = Rented::new("Europe/Madrid").await;
    rented.app.it_becomes("2028-01-31T22:30:00Z");
    let refused = rented.register("+1", "local").await.expect(402);
    assert_eq!(refused.code(), "insufficient_credits");
    assert_eq!(refused.json["error"]["details"]["available"], 0);
    let list = rented.app.get("/api/v1/numbers").bearer(&rented.key).send().await.expect(200).json;
    assert_eq!(list["items"], json!([]), "nothing was left behind");
    rented.credit(1_000_000).await;
    let made = rented.register("+1", "local").await.expect(201).json;
    let rent = made["rent"].as_i64().unwrap();
    assert!(rent > 0);
    // 23:30 in Madrid on 31 January: the leap day, then the 31st again, in summer an hour earlier by UTC
    assert_eq!(made["next_charge_at"], "2028-02-29T22:30:00Z");
    rented.advance("2028-07-01T00:00:00Z").await;
    let days = [
        "2028-06-30T21:30:00Z",
        "2028-05-31T21:30:00Z",
        "2028-04-30T21:30:00Z",
        "2028-03-31T21:30:00Z",
        "2028-02-29T22:30:00Z",
        "2028-01-31T22:30:00Z",
    ];
    let wanted: Vec<_> = days.iter().map(|day| ((*day).to_owned(), rent)).collect();
    assert_eq!(rented.charged().await, wanted);
    let lines =
        rented.app.get("/api/v1/billing/transactions").bearer(&rented.key).send().await.expect(200).json;
    assert_eq!(lines["items"][0]["type"], "number_rental");
    assert_eq!(lines["items"][0]["created_at"], "2028-06-30T21:30:00Z", "posted when it was due");
    let again = rented.run().await;
    assert_eq!(again, (0, 0));
    // nobody else may use such ids
    let event =
        json!({ "id": "rent_1_99", "meter": "chat", "quantity": 1, "occurred_at": "2028-07-01T00:00:00Z" });
    let sent = rented.app.post("/api/v1/usage/events", &event.to_string()).bearer(&rented.key).send().await;
    assert!(!sent.status.is_success() || sent.text.contains("rent_"), "{}", sent.text);
}

#[actix_web::test]
async fn a_server_that_was_off_for_three_months_charges_each_of_them_once() {
    let rented = Rented::new("America/New_York").await;
    rented.credit(1_000_000).await;
    rented.register("+1", "local").await.expect(201);
    rented.register("+2", "toll_free").await.expect(201);
    rented.app.it_becomes("2027-03-01T00:00:00Z");
    assert_eq!(rented.run().await, (6, 0));
    assert_eq!(rented.run().await, (0, 0));
    let days: Vec<String> = rented.charged().await.into_iter().map(|(day, _)| day).collect();
    let mut months = days.clone();
    months.dedup();
    assert_eq!(
        months,
        ["2027-02-21T09:00:00Z", "2027-01-21T09:00:00Z", "2026-12-21T09:00:00Z", "2026-11-21T09:00:00Z"]
    );
    assert_eq!(days.len(), 8);
}

#[actix_web::test]
async fn a_number_that_is_not_paid_is_announced_suspended_and_comes_back_with_credit() {
    let rented = Rented::new("UTC").await;
    rented.credit(1_000_000).await;
    let rent = rented.register("+1", "local").await.expect(201).json["rent"].as_i64().unwrap();
    let left = rented.app.db().read_blocking(|tx| wallet::summary(tx, rented.id, tx.now())).unwrap().balance;
    let all = wallet::TakeBack {
        amount: left,
        class: Class::Paid,
        description: "Taken back".into(),
        actor: String::new(),
        metadata: None,
    };
    let id = rented.id;
    rented.app.db().write(move |tx| wallet::take_back(tx, id, all)).await.unwrap();
    rented.advance("2026-12-23T00:00:00Z").await;
    let number = rented.number("+1").await;
    assert_eq!((&number["state"], &number["suspends_at"]), (&json!("grace"), &json!("2026-12-28T09:00:00Z")));
    // paid while in grace: it goes on as before
    rented.credit(rent).await;
    assert_eq!(rented.run().await, (1, 0));
    let number = rented.number("+1").await;
    assert_eq!(
        (&number["state"], &number["next_charge_at"]),
        (&json!("active"), &json!("2027-01-21T09:00:00Z"))
    );
    // not paid: suspended, and no call begins on it
    rented.advance("2027-02-10T00:00:00Z").await;
    assert_eq!(rented.state("+1").await, "suspended");
    let call = json!({ "call_id": "c1", "direction": "inbound", "number_id": "+1" }).to_string();
    let call =
        rented.app.post("/api/v1/usage/authorizations", &call).bearer(&rented.key).send().await.expect(200);
    assert_eq!((&call.json["authorized"], &call.json["reason"]), (&json!(false), &json!("number_suspended")));
    // paid while suspended: its months begin anew, and those before are not charged
    rented.credit(rent).await;
    assert_eq!(rented.run().await, (1, 0));
    let number = rented.number("+1").await;
    assert_eq!(
        (&number["state"], &number["next_charge_at"]),
        (&json!("active"), &json!("2027-03-10T00:00:00Z"))
    );
    assert_eq!(rented.charged().await.len(), 3);
    rented.advance("2027-04-15T23:00:00Z").await;
    assert_eq!(rented.state("+1").await, "suspended");
    rented.advance("2027-04-16T00:00:00Z").await;
    rented.app.get("/api/v1/numbers/+1").bearer(&rented.key).send().await.expect(404);
}

#[actix_web::test]
async fn each_step_on_the_way_down_is_told_when_it_happens() {
    let rented = Rented::new("UTC").await;
    let rent = {
        rented.credit(1_000_000).await;
        rented.register("probe", "toll_free").await.expect(201).json["rent"].as_i64().unwrap()
    };
    let left = rented.app.db().read_blocking(|tx| wallet::summary(tx, rented.id, tx.now())).unwrap().balance;
    let keep = Credits::from_whole(rent).unwrap();
    let take = wallet::TakeBack {
        amount: left.checked_sub(keep).unwrap(),
        class: Class::Paid,
        description: "Taken back".into(),
        actor: String::new(),
        metadata: None,
    };
    let id = rented.id;
    rented.app.db().write(move |tx| wallet::take_back(tx, id, take)).await.unwrap();
    rented.advance("2027-03-15T00:00:00Z").await;
    let wanted = [
        ("number.payment_due", "2027-01-21T09:00:00Z"),
        ("number.payment_due", "2027-01-27T09:00:00Z"),
        ("number.suspended", "2027-01-28T09:00:00Z"),
        ("number.released", "2027-02-27T09:00:00Z"),
    ];
    let wanted: Vec<_> = wanted.iter().map(|(kind, at)| ((*kind).to_owned(), (*at).to_owned())).collect();
    assert_eq!(rented.events(), wanted);
    let list = rented.app.get("/api/v1/numbers").bearer(&rented.key).send().await.expect(200).json;
    assert_eq!(list["items"][0]["state"], "released");
    assert_eq!(list["items"][0]["released_at"], "2027-02-27T09:00:00Z");
    rented.app.get("/api/v1/numbers/probe").bearer(&rented.key).send().await.expect(404);
    // it may be rented again, with months of its own
    rented.credit(rent).await;
    let again = rented.register("probe", "local").await.expect(201).json;
    assert_eq!(again["next_charge_at"], "2027-04-15T00:00:00Z");
}

#[actix_web::test]
async fn a_number_that_is_given_up_is_released_at_the_end_of_its_month_unless_it_is_kept() {
    let rented = Rented::new("UTC").await;
    rented.credit(1_000_000).await;
    rented.register("+1", "local").await.expect(201);
    rented.register("+1", "local").await.expect(201);
    assert_eq!(rented.register("+1", "toll_free").await.expect(409).code(), "conflict");
    assert_eq!(rented.register("", "local").await.expect(422).wrong()[0].0, "number_id");
    let give_up = |number: &'static str| {
        rented.app.call("DELETE", &format!("/api/v1/numbers/{number}")).bearer(&rented.key).send()
    };
    let given = give_up("+1").await.expect(200).json;
    assert_eq!((&given["state"], &given["releases_at"]), (&json!("active"), &json!("2026-12-21T09:00:00Z")));
    assert!(rented.register("+1", "local").await.expect(201).json["releases_at"].is_null(), "kept");
    person(&rented.app, "ana@example.com", Some((rented.id, Role::Owner, &[]))).await;
    let ana = sign_in(&rented.app, "ana@example.com").await;
    let page = ana.get("/numbers").await.expect(200);
    page.says("charged on 21 Dec 2026");
    let done = ana.fill(&page, "/numbers/release", &[("number", "+1")]).await.expect(303);
    ana.get(done.location()).await.expect(200).says("released on 21 Dec 2026");
    rented.advance("2027-01-01T00:00:00Z").await;
    assert_eq!(rented.charged().await.len(), 1);
    assert_eq!(rented.events(), [("number.released".to_owned(), "2026-12-21T09:00:00Z".to_owned())]);
    give_up("+1").await.expect(404);
}

#[actix_web::test]
async fn a_run_that_is_cut_off_goes_on_and_charges_nothing_twice() {
    const NUMBERS: i64 = 300;
    let rented = Rented::new("UTC").await;
    rented.credit(10_000_000).await;
    for number in 0..NUMBERS {
        rented.register(&format!("+{number}"), "local").await.expect(201);
    }
    rented.app.it_becomes("2026-12-22T00:00:00Z");
    let charged = || {
        let count = rented.app.db().read_blocking(|tx| -> Result<i64, DbError> {
            Ok(tx.query_row("SELECT sum(charges) FROM number_rentals", [], |row| row.get(0))?)
        });
        count.unwrap() - NUMBERS
    };
    let some = async {
        while charged() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let scheduler = &rented.app.app.state.scheduler;
    tokio::select! {
        biased;
        () = some => {}
        _ = scheduler.run(Job::NumbersRent) => panic!("it was not cut off"),
    }
    let before = charged();
    assert!(before > 0 && before < NUMBERS, "{before}");
    scheduler.run(Job::NumbersRent).await.unwrap();
    assert_eq!(charged(), NUMBERS);
    assert_eq!(rented.run().await, (0, 0));
    let count = "SELECT count(*) FROM usage_items";
    let items = rented
        .app
        .db()
        .read_blocking(|tx| -> Result<i64, DbError> { Ok(tx.query_row(count, [], |row| row.get(0))?) });
    assert_eq!(items.unwrap(), 2 * NUMBERS);
}
