//! Jobs: how they are recorded, what a bad row does to the others, and time that moves in jumps.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollbook::base::id::{GrantId, OrganizationId};
use tollbook::base::{Credits, Currency, Money};
use tollbook::catalog::rules::{Interval, PlanTerms};
use tollbook::catalog::{self, NewPlanVersion};
use tollbook::db::DbError;
use tollbook::grants::Class;
use tollbook::identity::Scope;
use tollbook::ledger::TransactionType;
use tollbook::scheduler::Job;
use tollbook::subscriptions::Wish;
use tollbook::wallet::{self, NewCredit};

use crate::helpers::{BY, START, TestApp, at};
use crate::pages::browsing::{person, sign_in};

fn whole(credits: i64) -> Credits {
    Credits::from_whole(credits).unwrap()
}

/// Credit that expires.
async fn grant(
    app: &TestApp,
    organization: OrganizationId,
    credits: i64,
    expires: &str,
    euros: Option<i64>,
) -> GrantId {
    let new = NewCredit {
        amount: whole(credits),
        class: if euros.is_some() { Class::Paid } else { Class::Free },
        priority: None,
        expires_at: Some(at(expires)),
        meters: None,
        cost: euros
            .map(|euros| tollbook::base::Money { minor: euros * 100, currency: "EUR".parse().unwrap() }),
        tax: None,
        source: "operator",
        kind: TransactionType::Adjustment,
        description: "For a test".into(),
        actor: String::new(),
        metadata: None,
    };
    app.db().write(move |tx| wallet::credit(tx, organization, new)).await.unwrap().1.id
}

fn column<T: rusqlite::types::FromSql>(app: &TestApp, sql: &str) -> Vec<T> {
    let found = app.db().read_blocking(|tx| -> Result<Vec<T>, DbError> {
        let mut statement = tx.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    });
    found.unwrap()
}

async fn advance(app: &TestApp, key: &str, to: &str) {
    let body = json!({ "to": to }).to_string();
    app.post("/api/v1/admin/clock", &body).bearer(key).send().await.expect(200);
}

fn job<'a>(all: &'a Value, name: &str) -> &'a Value {
    all["items"].as_array().unwrap().iter().find(|job| job["name"] == name).unwrap()
}

#[actix_web::test]
async fn a_job_is_run_by_hand_and_says_how_it_went() {
    let app = TestApp::start().await;
    app.app.state.scheduler.stop();
    let key = app.operator_key(&[Scope::Admin]).await;
    let id = app.organization("One").await;
    grant(&app, id, 10, "2026-11-21T09:05:00Z", None).await;
    app.it_becomes("2026-11-21T09:07:00Z");
    let run =
        app.post("/api/v1/admin/jobs/credits.expire/run", "").bearer(&key).send().await.expect(200).json;
    assert_eq!(
        (&run["done"], &run["failed"], &run["lag_ms"]),
        (&json!(1), &json!(0), &json!(120_000)),
        "{run}"
    );
    let all = app.get("/api/v1/admin/jobs").bearer(&key).send().await.expect(200).json;
    assert_eq!(all["items"].as_array().unwrap().len(), Job::ALL.len());
    assert_eq!(job(&all, "credits.expire")["last_run"], run);
    assert!(job(&all, "credits.expire")["next_run_at"].is_string());
    assert_eq!(all["runs"], json!([run]));
    // nothing is due any more: it ran, but there is nothing to list
    let run =
        app.post("/api/v1/admin/jobs/credits.expire/run", "").bearer(&key).send().await.expect(200).json;
    assert_eq!((&run["done"], &run["lag_ms"]), (&json!(0), &Value::Null));
    let all = app.get("/api/v1/admin/jobs").bearer(&key).send().await.expect(200).json;
    assert_eq!(job(&all, "credits.expire")["last_run"], run);
    assert_eq!(all["runs"].as_array().unwrap().len(), 1);
    app.post("/api/v1/admin/jobs/nothing/run", "").bearer(&key).send().await.expect(404);
}

#[actix_web::test]
async fn a_row_that_cannot_be_dealt_with_waits_and_the_others_do_not_wait_for_it() {
    let app = TestApp::start().await;
    app.app.state.scheduler.stop();
    let key = app.operator_key(&[Scope::Admin]).await;
    let bad = app.organization("Bad").await;
    let bad = (bad, grant(&app, bad, 5, "2026-11-21T10:00:00Z", None).await);
    for n in 0..300 {
        let id = app.organization(&format!("Good {n}")).await;
        grant(&app, id, 10, "2026-11-21T10:00:01Z", None).await;
    }
    let spoil = |meters: &'static str| {
        app.db().write(move |tx| -> Result<_, DbError> {
            tx.conn()?.execute("DROP TRIGGER grants_keep_their_terms", [])?;
            tx.conn()?.execute("UPDATE grants SET meters = ? WHERE account_id = ?", (meters, bad.1))?;
            Ok(())
        })
    };
    spoil("spoilt").await.unwrap();
    app.it_becomes("2026-11-21T10:30:00Z");
    let scheduler = &app.app.state.scheduler;
    let run = scheduler.run(Job::CreditsExpire).await.unwrap();
    assert_eq!((run.done, run.failed), (300, 1), "{run:?}");
    let all = app.get("/api/v1/admin/jobs").bearer(&key).send().await.expect(200).json;
    assert_eq!(job(&all, "credits.expire")["failing"], 1);
    let failure = &all["failures"][0];
    assert_eq!((&failure["row"], &failure["attempts"]), (&json!(bad.1.number()), &json!(1)));
    assert!(failure["error"].as_str().unwrap().contains("meters"), "{failure}");
    // it is left alone until then, and tried again after that, later each time
    let run = scheduler.run(Job::CreditsExpire).await.unwrap();
    assert_eq!((run.done, run.failed), (0, 0));
    app.it_becomes("2026-11-21T10:31:00Z");
    let run = scheduler.run(Job::CreditsExpire).await.unwrap();
    assert_eq!((run.done, run.failed), (0, 1));
    assert_eq!(column::<i64>(&app, "SELECT attempts FROM job_failures"), [2]);
    let due = at("2026-11-21T10:33:00Z");
    assert_eq!(column::<i64>(&app, "SELECT retry_at FROM job_failures"), [due.millis()]);
    app.db()
        .write(move |tx| -> Result<_, DbError> {
            tx.conn()?.execute("UPDATE grants SET meters = NULL WHERE account_id = ?", [bad.1])?;
            Ok(())
        })
        .await
        .unwrap();
    app.it_becomes("2026-11-21T10:33:00Z");
    let run = scheduler.run(Job::CreditsExpire).await.unwrap();
    assert_eq!((run.done, run.failed), (1, 0));
    assert_eq!(column::<i64>(&app, "SELECT attempts FROM job_failures"), [] as [i64; 0]);
}

#[actix_web::test]
async fn a_year_goes_by_in_order_and_each_thing_happens_at_its_own_time() {
    let app = TestApp::start().await;
    let key = app.operator_key(&[Scope::Admin]).await;
    let id = app.organization("One").await;
    grant(&app, id, 10, "2027-03-10T12:00:00Z", Some(1)).await;
    grant(&app, id, 20, "2027-07-01T08:00:00Z", None).await;
    // given too late for the first notice, and used up before the others
    grant(&app, id, 30, "2026-12-11T09:00:00Z", None).await;
    // what was told is kept for three months
    let (mut credits, mut when, mut seen) = (Vec::new(), Vec::new(), 0);
    for to in ["2027-01-15T00:00:00Z", "2027-04-01T00:00:00Z", "2027-07-02T00:00:00Z", "2027-11-21T09:00:00Z"]
    {
        advance(&app, &key, to).await;
        assert_eq!(app.db().now(), at(to));
        let new = format!("FROM events WHERE type = 'credits.expiring' AND id > {seen} ORDER BY id");
        for data in column::<String>(&app, &format!("SELECT data {new}")) {
            let data: Value = serde_json::from_str(&data).unwrap();
            credits.push(data["credits"].as_i64().unwrap());
        }
        when.extend(column::<i64>(&app, &format!("SELECT at {new}")));
        seen = column::<i64>(&app, "SELECT ifnull(max(id), 0) FROM events").pop().unwrap();
    }
    assert_eq!(credits, [30, 30, 10, 10, 10, 20, 20, 20]);
    let wanted = [
        "2026-12-04T09:00:00Z",
        "2026-12-10T09:00:00Z",
        "2027-02-08T12:00:00Z",
        "2027-03-03T12:00:00Z",
        "2027-03-09T12:00:00Z",
        "2027-06-01T08:00:00Z",
        "2027-06-24T08:00:00Z",
        "2027-06-30T08:00:00Z",
    ];
    assert_eq!(when, wanted.map(|text| at(text).millis()));
    let expired =
        column::<i64>(&app, "SELECT created_at FROM transactions WHERE type = 'expiry' ORDER BY id");
    let wanted = ["2026-12-11T09:00:00Z", "2027-03-10T12:00:00Z", "2027-07-01T08:00:00Z"];
    assert_eq!(expired, wanted.map(|text| at(text).millis()));
    // what was paid for it is kept, on the day after
    let kept = "SELECT sum(credits_posted - debits_posted) FROM accounts WHERE kind = 'breakage'";
    assert_eq!(column::<i64>(&app, kept), [100]);
}

#[actix_web::test]
async fn nothing_is_told_of_credit_that_is_used_up_and_one_notice_stands_for_those_that_were_missed() {
    let app = TestApp::start().await;
    app.app.state.scheduler.stop();
    let id = app.organization("One").await;
    let other = app.organization("Other").await;
    grant(&app, id, 10, "2027-01-20T12:00:00Z", None).await;
    grant(&app, other, 10, "2027-01-20T12:00:00Z", None).await;
    let take = wallet::TakeBack {
        amount: whole(10),
        class: Class::Free,
        description: "Taken back".into(),
        actor: String::new(),
        metadata: None,
    };
    app.db().write(move |tx| wallet::take_back(tx, other, take)).await.unwrap();
    let scheduler = &app.app.state.scheduler;
    let told = || column::<i64>(&app, "SELECT organization_id FROM events WHERE type = 'credits.expiring'");
    scheduler.run(Job::CreditsExpiring).await.unwrap();
    assert_eq!(told(), [] as [i64; 0]);
    // off from before the first notice until after the second
    app.it_becomes("2027-01-15T00:00:00Z");
    for _ in 0..3 {
        scheduler.run(Job::CreditsExpiring).await.unwrap();
        assert_eq!(told(), [id.number()]);
    }
    app.it_becomes("2027-01-19T13:00:00Z");
    for _ in 0..3 {
        scheduler.run(Job::CreditsExpiring).await.unwrap();
        assert_eq!(told(), [id.number(); 2]);
    }
    // not of what is gone
    app.it_becomes("2027-01-21T13:00:00Z");
    scheduler.run(Job::CreditsExpiring).await.unwrap();
    assert_eq!(told(), [id.number(); 2]);
}

#[actix_web::test]
async fn the_clock_of_test_mode_goes_forward_only() {
    let app = TestApp::start().await;
    let key = app.operator_key(&[Scope::Admin]).await;
    for wrong in
        [json!({ "to": START }), json!({ "to": "2020-01-01T00:00:00Z" }), json!({ "advance_seconds": 0 })]
    {
        app.post("/api/v1/admin/clock", &wrong.to_string()).bearer(&key).send().await.expect(422);
    }
    let seconds = json!({ "advance_seconds": 3 }).to_string();
    let answer = app.post("/api/v1/admin/clock", &seconds).bearer(&key).send().await.expect(200).json;
    assert_eq!(answer["now"], "2026-11-21T09:00:03Z");
}

#[actix_web::test]
async fn the_operator_moves_the_clock_and_runs_jobs_on_pages_of_their_own() {
    let app = TestApp::start().await;
    let id = app.organization("One").await;
    grant(&app, id, 10, "2026-12-05T00:00:00Z", None).await;
    person(&app, "op@example.com", None).await;
    let op = sign_in(&app, "op@example.com").await;
    let page = op.get("/operator/clock").await.expect(200);
    for wrong in [
        &[("by", ""), ("to", "")],
        &[("by", "0"), ("to", "")],
        &[("by", "two"), ("to", "")],
        &[("by", "2"), ("to", "2027-01-01")],
        &[("by", ""), ("to", "2026-11-20")],
    ] {
        op.fill(&page, "/operator/clock", wrong).await.expect(422);
    }
    assert_eq!(app.db().now(), at(START), "nothing was moved");
    let moved = [("by", "1"), ("unit", "months"), ("to", "")];
    let done = op.fill(&page, "/operator/clock", &moved).await.expect(303);
    // sessions end on the way, the operator's own too
    op.get(done.location()).await.expect(303);
    let op = sign_in(&app, "op@example.com").await;
    op.get(done.location()).await.expect(200).says("21 Dec 2026, 09:00");
    assert_eq!(app.db().now(), at("2026-12-21T09:00:00Z"));
    let expired = column::<i64>(&app, "SELECT created_at FROM transactions WHERE type = 'expiry'");
    assert_eq!(expired, [at("2026-12-05T00:00:00Z").millis()]);
    let page = op.get("/operator/jobs").await.expect(200);
    page.says("credits.expire");
    let done = op.fill(&page, "/operator/jobs/credits.expire", &[]).await.expect(303);
    op.get(done.location()).await.expect(200).says("credits.expire has run");
    op.fill(&page, "/operator/jobs/credits.expire", &[]).await.expect(303);
}

#[actix_web::test]
async fn live_there_is_no_clock_to_move() {
    let app = TestApp::start_with(|config| config.server.mode = tollbook::base::Mode::Live).await;
    person(&app, "op@example.com", None).await;
    let op = sign_in(&app, "op@example.com").await;
    op.get("/operator/jobs").await.expect(200).does_not_say("Clock");
}

#[actix_web::test]
async fn a_grant_whose_money_does_not_add_up_does_not_stop_what_the_others_earned() {
    let app = TestApp::start().await;
    app.app.state.scheduler.stop();
    let scheduler = &app.app.state.scheduler;
    let mut grants = Vec::new();
    for n in 0..20 {
        let id = app.organization(&format!("Customer {n}")).await;
        grants.push(grant(&app, id, 100, "2026-11-21T10:00:00Z", Some(1)).await);
    }
    let bad = grants[7];
    let set_currency = |currency: &'static str| {
        app.db().write(move |tx| -> Result<_, DbError> {
            tx.conn()?.execute("DROP TRIGGER IF EXISTS grants_keep_their_terms", [])?;
            tx.conn()?
                .execute("UPDATE grants SET cost_currency = ? WHERE account_id = ?", (currency, bad))?;
            Ok(())
        })
    };
    app.it_becomes("2026-11-22T00:30:00Z");
    scheduler.run(Job::CreditsExpire).await.unwrap();
    set_currency("?").await.unwrap();
    let run = scheduler.run(Job::RevenuePost).await.unwrap();
    assert_eq!((run.done, run.failed), (19, 1), "{run:?}");
    let broken = "SELECT grant_id FROM grant_money WHERE breakage = 100";
    assert_eq!(column::<i64>(&app, broken).len(), 19);
    assert_eq!(column::<i64>(&app, "SELECT subject FROM job_failures"), [bad.number()]);
    let again = at("2026-11-23T00:00:00Z");
    assert_eq!(column::<i64>(&app, "SELECT retry_at FROM job_failures"), [again.millis()]);
    // not before the next day
    let run = scheduler.run(Job::RevenuePost).await.unwrap();
    assert_eq!((run.done, run.failed), (0, 0));
    set_currency("EUR").await.unwrap();
    app.it_becomes("2026-11-23T00:30:00Z");
    let run = scheduler.run(Job::RevenuePost).await.unwrap();
    assert_eq!((run.done, run.failed), (20, 0), "{run:?}");
    assert_eq!(column::<i64>(&app, broken).len(), 20);
    assert!(column::<i64>(&app, "SELECT subject FROM job_failures").is_empty());
}

/// Customers on a plan that costs nothing.
async fn subscribed(app: &TestApp, how_many: usize) -> Vec<OrganizationId> {
    let terms = PlanTerms {
        price: Money { minor: 0, currency: Currency::EUR },
        interval: Interval::Month,
        plan_credits: whole(10),
        allowances: BTreeMap::new(),
        rate_card: "payg".parse().unwrap(),
        rollover: false,
        rollover_cap: None,
        credit_transfer: false,
        listed: true,
    };
    let code = "gratis".parse().unwrap();
    let new = NewPlanVersion { plan: code, name: Some("Gratis".into()), starts_at: None, terms };
    app.db().write(move |tx| catalog::publish_plan(tx, &new)).await.unwrap();
    let plan = app.db().write(catalog::snapshot).await.unwrap().plan_by_code("gratis").unwrap().id;
    let mut all = Vec::new();
    for n in 0..how_many {
        let id = app.organization(&format!("Customer {n}")).await;
        let wish = Wish { plan, card: None, expected_total: None, success_url: None, cancel_url: None };
        app.app.state.office.change(BY, id, wish, Currency::EUR).await.unwrap();
        all.push(id);
    }
    all
}

#[actix_web::test]
async fn a_plan_that_cannot_be_renewed_does_not_stop_the_others() {
    let app = TestApp::start().await;
    app.app.state.scheduler.stop();
    let key = app.operator_key(&[Scope::Admin]).await;
    let bad = subscribed(&app, 40).await[7];
    let set_state = |state: &'static str| {
        app.db().write(move |tx| -> Result<_, DbError> {
            let conn = tx.conn()?;
            conn.pragma_update(None, "ignore_check_constraints", true)?;
            let update = "UPDATE subscriptions SET state = ? WHERE organization_id = ?";
            assert_eq!(conn.execute(update, (state, bad))?, 1);
            Ok(conn.pragma_update(None, "ignore_check_constraints", false)?)
        })
    };
    set_state("spoilt").await.unwrap();
    app.it_becomes("2026-12-21T09:30:00Z");
    let scheduler = &app.app.state.scheduler;
    let run = scheduler.run(Job::SubscriptionsRenew).await.unwrap();
    assert_eq!((run.done, run.failed), (39, 1), "{run:?}");
    let renewed = "SELECT count(*) FROM subscriptions WHERE number = 2";
    assert_eq!(column::<i64>(&app, renewed), [39]);
    let all = app.get("/api/v1/admin/jobs").bearer(&key).send().await.expect(200).json;
    assert_eq!(job(&all, "subscriptions.renew")["failing"], 1);
    let failure = &all["failures"][0];
    assert_eq!((&failure["name"], &failure["attempts"]), (&json!("subscriptions.renew"), &json!(1)));
    assert!(failure["error"].as_str().unwrap().contains("state"), "{failure}");
    // it is left alone until its time, and then tried again
    let run = scheduler.run(Job::SubscriptionsRenew).await.unwrap();
    assert_eq!((run.done, run.failed), (0, 0));
    app.it_becomes("2026-12-21T09:31:00Z");
    let run = scheduler.run(Job::SubscriptionsRenew).await.unwrap();
    assert_eq!((run.done, run.failed), (0, 1));
    assert_eq!(column::<i64>(&app, "SELECT attempts FROM job_failures"), [2]);
    set_state("active").await.unwrap();
    app.it_becomes("2026-12-21T09:33:00Z");
    let run = scheduler.run(Job::SubscriptionsRenew).await.unwrap();
    assert_eq!((run.done, run.failed), (1, 0), "{run:?}");
    assert_eq!(column::<i64>(&app, renewed), [40]);
    assert!(column::<i64>(&app, "SELECT attempts FROM job_failures").is_empty());
}
