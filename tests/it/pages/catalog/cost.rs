//! What last month's usage costs by other prices: the replay of the prices that charged gives what was charged, and that of others
//! what the API charges once they are in force.

use serde_json::{Value, json};
use tollbook::base::id::OrganizationId;
use tollbook::base::{Credits, Day};
use tollbook::catalog::drafts;
use tollbook::catalog::rules::{PlanTerms, Rate};
use tollbook::identity::Scope;
use tollbook::metering::compare::{Change, Comparison, compare};
use tollbook::onboarding::Prices;

use super::{on_plan, operator};
use crate::helpers::{BY, TestApp};

/// Steps, rounding up, minimums, surcharges and what is passed on: all that a price can depend on.
const BEFORE: &str = r#"[
    {"meter":"voice","unit_size":60,"increment":6,"minimum":30,"price":{"graduated":[{"up_to":600,"price":7},
        {"up_to":3000,"price":6},{"price":5}]},"byok_price":3,"toll_free_surcharge":2,"pass_through":"toll_free","rounding":0.01},
    {"meter":"chat","price":{"volume":[{"up_to":20,"price":1},{"price":0.5}]}},
    {"meter":"transfer_minute","unit_size":60,"price":{"flat":3}},
    {"meter":"number","price":{"flat":200}}]"#;
const AFTER: &str = r#"[
    {"meter":"voice","unit_size":60,"increment":60,"minimum":60,"price":{"volume":[{"up_to":1200,"price":6.5},{"price":4.25}]},
        "toll_free_surcharge":1,"pass_through":"always"},
    {"meter":"chat","price":{"graduated":[{"up_to":15,"price":0.9},{"price":0.7}]},"rounding":0.1},
    {"meter":"transfer_minute","unit_size":60,"increment":30,"price":{"flat":3.5}},
    {"meter":"number","price":{"flat":200}}]"#;
const PLAN: &str = r#"{"price":{"amount":"20.00","currency":"EUR"},"interval":"month","rate_card":"payg",
    "allowances":{"voice":1500,"chat":12}}"#;
const OTHER_PLAN: &str = r#"{"price":{"amount":"30.00","currency":"EUR"},"interval":"month","rate_card":"growth",
    "allowances":{"voice":2400}}"#;
const DAYS: [&str; 6] = ["2026-11-22", "2026-11-29", "2026-12-02", "2026-12-11", "2026-12-20", "2026-12-30"];

fn rates(json: &str) -> Vec<Rate> {
    serde_json::from_str(json).expect(json)
}

/// A server with these prices, an organization that pays as it goes and one on a plan, and what they used in two months.
struct Months {
    app: TestApp,
    free: OrganizationId,
    on_plan: OrganizationId,
}

impl Months {
    async fn of(payg: &str, plan: &str) -> Self {
        let app = TestApp::start().await;
        let admin = app.operator_key(&[Scope::Admin]).await;
        let card = format!(r#"{{"code":"payg","rates":{payg}}}"#);
        app.post("/api/v1/admin/catalog/rate-cards", &card).bearer(&admin).send().await.expect(201);
        let plan = format!(r#"{{"code":"tiny","name":"Tiny","terms":{plan}}}"#);
        app.post("/api/v1/admin/catalog/plans", &plan).bearer(&admin).send().await.expect(201);
        let free = app.organization("Acme").await;
        let on_plan = app.organization_with("Beta", None, on_plan("tiny")).await;
        let months = Self { app, free, on_plan };
        for id in [months.free, months.on_plan] {
            super::super::browsing::credit(&months.app, id, 9_000, tollbook::grants::Class::Paid, None).await;
        }
        for day in DAYS {
            months.app.it_becomes(&format!("{day}T10:00:00Z"));
            for id in [months.free, months.on_plan] {
                months.uses(id, day).await;
            }
        }
        months
    }

    async fn post(&self, key: &str, path: &str, body: &Value, status: u16) -> Value {
        self.app.post(path, &body.to_string()).bearer(key).send().await.expect(status).json
    }

    /// A day of everything.
    async fn uses(&self, id: OrganizationId, day: &str) {
        let app = &self.app;
        let scopes = [Scope::UsageWrite, Scope::UsageRead];
        let key = &*app.organization_key(id, &scopes).await;
        let now = app.db().now().to_string();
        let event = |name: &str, meter: &str, quantity: f64, attributes: Value| {
            json!({ "id": format!("{name}-{day}"), "meter": meter, "quantity": quantity, "occurred_at": now,
                "attributes": attributes })
        };
        let with_cost = |mut event: Value, cost: f64| {
            event["carrier_cost"] = json!(cost);
            event
        };
        let toll_free = json!({ "direction": "inbound", "toll_free": true });
        let events = json!([
            event("a", "voice", 37.5, json!({})),
            event("b", "voice", 401.0, json!({ "direction": "outbound" })),
            with_cost(event("c", "voice", 61.0, toll_free.clone()), 5.25),
            event("d", "voice", 90.0, json!({ "byok": true })),
            event("e", "chat", 7.0, json!({})),
            event("f", "transfer_minute", 100.0, json!({})),
            event("g", "voice", 33.0, json!({})),
        ]);
        self.post(key, "/api/v1/usage/events", &events, 200).await;
        // taken back at once: what comes later does not count it
        let admin = app.operator_key(&Scope::ALL).await;
        let void = app.call("POST", &format!("/api/v1/usage/events/g-{day}/void"));
        assert!(void.bearer(&admin).organization(id).send().await.status.is_success());
        let call = json!({ "call_id": format!("call-{day}"), "direction": "inbound", "toll_free": true,
            "agent_id": "a", "number_id": "n" });
        let asked = self.post(key, "/api/v1/usage/authorizations", &call, 201).await;
        let capture = format!("/api/v1/usage/authorizations/{}/capture", asked["id"].as_str().unwrap());
        self.post(key, &capture, &json!({ "duration_seconds": 130, "transfer_seconds": 45 }), 200).await;
        let mut late = with_cost(event("late", "voice", 0.0, json!({})), 9.5);
        late["call_id"] = json!(format!("call-{day}"));
        self.post(key, "/api/v1/usage/events", &late, 201).await;
    }

    /// What would be different of December, in January.
    fn compared(&self, change: Change<'_>) -> Comparison {
        let day = |text: &str| -> Day { text.parse().unwrap() };
        let days = (day("2026-12-01"), day("2026-12-31"));
        let catalog = self.catalog();
        self.app.db().read_blocking(|tx| compare(tx, &catalog, change, days, tx.now())).unwrap()
    }

    fn catalog(&self) -> std::sync::Arc<tollbook::catalog::Snapshot> {
        self.app.db().read_blocking(|tx| self.app.app.state.catalog.get(tx)).unwrap()
    }

    /// What was charged for December and not taken back.
    fn charged(&self, id: OrganizationId) -> Credits {
        let query = "SELECT coalesce(sum(i.credits), 0) FROM usage_rollups i
                     WHERE i.organization_id = ? AND i.day BETWEEN 20788 AND 20818";
        let sum = self.app.db().read_blocking(|tx| -> Result<i64, tollbook::db::DbError> {
            Ok(tx.query_row(query, [id], |row| row.get(0))?)
        });
        Credits::from_micros(sum.unwrap())
    }
}

fn of(found: &Comparison, id: OrganizationId) -> &tollbook::metering::compare::OfOrganization {
    found.organizations.iter().find(|one| one.organization == id).expect("is in it")
}

#[actix_web::test]
async fn other_rates_cost_what_the_api_then_charges() {
    let now = Months::of(BEFORE, PLAN).await;
    now.app.it_becomes("2027-01-05T12:00:00Z");
    let new = rates(AFTER);
    let found = now.compared(Change::Card(now.catalog().default_card().unwrap(), &new));
    // the same, where the others were in force all the time
    let then = Months::of(AFTER, PLAN).await;
    assert_eq!(found.organizations.len(), 2);
    for (id, same) in [(now.free, then.free), (now.on_plan, then.on_plan)] {
        let one = of(&found, id);
        assert!(one.until.is_none() && one.unpriced == 0);
        assert_eq!(one.total.old, now.charged(id), "what the version that charged gives again");
        assert_eq!(one.total.charged, now.charged(id));
        assert_eq!(one.total.new, then.charged(same), "what the other would have charged");
        assert_ne!(one.total.old, one.total.new);
        assert!(one.total.old.is_positive());
    }
    // four days of seven events, a call, its transfer and its late cost, less the one taken back, of two; and of the plan what
    // came before in its cycle
    assert_eq!(found.events, 4 * 9 * 2 + 2 * 9);
    let mut sum = Credits::ZERO;
    found.meters().values().for_each(|cost| sum = sum.checked_add(cost.new).unwrap());
    assert_eq!(sum, found.total().new);

    // whoever is not on it, and prices that are as they were, are not in it
    let same = rates(BEFORE);
    let none = now.compared(Change::Card(now.catalog().default_card().unwrap(), &same));
    assert_eq!(none, Comparison::default());
    let none = now.compared(Change::Card(now.catalog().rate_card_by_code("scale").unwrap().id, &new));
    assert_eq!(none, Comparison::default());

    // and so says the page
    let operator = operator(&now.app).await;
    let code = "payg".parse().unwrap();
    let begun = now.app.db().write(move |tx| drafts::begin(tx, &BY, &code, &rates(AFTER)));
    begun.await.unwrap();
    let page = operator.get("/operator/rates/payg/draft").await.expect(200);
    page.says("Usage of December 2026");
    page.says("90 events of December 2026, of 2 organizations on Pay as you go");
    let headline = |credits| tollbook::http::pages::format::headline(credits).0;
    let (old, new) = (headline(found.total().old), headline(found.total().new));
    page.says(&format!("All together {old} · €"));
    page.says(&format!("{old} credits were charged for them in fact"));
    assert!(page.text().contains(&format!(" {new} · €")), "{new} in {}", page.text());
}

#[actix_web::test]
async fn another_plan_costs_what_the_api_then_charges() {
    let now = Months::of(BEFORE, PLAN).await;
    now.app.it_becomes("2027-01-05T12:00:00Z");
    let new: PlanTerms = serde_json::from_str(OTHER_PLAN).unwrap();
    let found = now.compared(Change::Plan(now.catalog().plan_by_code("tiny").unwrap().id, &new));
    let then = Months::of(BEFORE, OTHER_PLAN).await;
    assert_eq!(found.organizations.len(), 1);
    let one = of(&found, now.on_plan);
    assert_eq!(one.total.old, now.charged(now.on_plan));
    assert_eq!(one.total.new, then.charged(then.on_plan));
    assert_ne!(one.total.old, one.total.new);
    let operator = operator(&now.app).await;
    let (code, terms) = ("tiny".parse().unwrap(), new.clone());
    now.app.db().write(move |tx| drafts::begin(tx, &BY, &code, &terms)).await.unwrap();
    let page = operator.get("/operator/plans/tiny/draft").await.expect(200);
    page.says("Usage of December 2026");
    page.says("No subscribers");
    page.says("Beta");
}

#[actix_web::test]
async fn todays_prices_are_those_in_force_and_the_work_is_bounded() {
    let app = TestApp::start().await;
    let id = app.organization_with("Acme", None, Prices::default()).await;
    let key = app.organization_key(id, &[Scope::UsageWrite]).await;
    app.it_becomes("2026-11-22T10:00:00Z");
    // more than one organization's share, over three days
    for (day, batches) in [("2026-11-20", 20), ("2026-11-21", 4), ("2026-11-22", 3)] {
        for batch in 0..batches {
            let events: Vec<Value> = (0..1_000)
                .map(|n| json!({ "id": format!("{day}-{batch}-{n}"), "meter": "chat", "quantity": 1, "occurred_at": format!("{day}T09:00:00Z") }))
                .collect();
            let body = Value::from(events).to_string();
            app.post("/api/v1/usage/events", &body).bearer(&key).send().await.expect(200);
        }
    }
    let admin = app.operator_key(&[Scope::Admin]).await;
    let card = r#"{"code":"payg","rates":[{"meter":"chat","price":{"flat":2}}]}"#;
    app.post("/api/v1/admin/catalog/rate-cards", card).bearer(&admin).send().await.expect(201);
    app.it_becomes("2026-12-01T00:00:00Z");
    let operator = operator(&app).await;
    let code = "payg".parse().unwrap();
    let new = rates(r#"[{"meter":"chat","price":{"flat":3}}]"#);
    app.db().write(move |tx| drafts::begin(tx, &BY, &code, &new)).await.unwrap();
    let page = operator.get("/operator/rates/payg/draft").await.expect(200);
    page.says("24,000 events of November 2026, of 1 organization ");
    page.says("All together 48,000.00 · €480.00 72,000.00 · €720.00 +24,000.00 · +€240.00");
    page.says("24,000.00 credits were charged for them in fact");
    page.says("Acme (until 21 Nov) 48,000.00");
    page.says("at most 100,000 events in all and 25,000 of one organization");
    page.says("In it with their first days only: 1 organization; not at all: 0 organizations.");
}
