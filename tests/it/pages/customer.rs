//! The customer's pages: what they say agrees, and nobody sees what is not theirs.

use tollbook::base::id::{OrganizationId, WorkspaceId};
use tollbook::base::{Credits, Day, Zone};
use tollbook::http::pages::format;
use tollbook::identity::{
    NewOrganization, NewUser, PasswordHash, Role, Scope, organizations, users, workspaces,
};
use tollbook::onboarding::{self, Prices};

use crate::helpers::{Answer, BY, TestApp};

/// An organization with somebody who owns it and a key that reports usage.
struct Customer {
    app: TestApp,
    id: OrganizationId,
    key: String,
    owner: String,
}

impl Customer {
    async fn new(zone: &str) -> Self {
        let app = TestApp::start_with(|config| {
            config.credits.welcome = "1000".parse().unwrap();
            config.credits.welcome_expiry_days = 90;
        })
        .await;
        let new = NewOrganization {
            name: "Clinics".into(),
            external_id: None,
            currency: "EUR".parse().unwrap(),
            zone: zone.parse::<Zone>().unwrap(),
            rate_card_id: None,
        };
        let welcome = app.app.state.settings.welcome;
        let made =
            app.db().write(move |tx| onboarding::create(tx, &BY, &new, &Prices::default(), welcome)).await;
        let id = made.unwrap().id;
        let key = app.organization_key(id, &[Scope::UsageWrite]).await;
        let (_, owner) = app.member(id, Role::Owner).await;
        Self { app, id, key, owner }
    }

    /// Reports a call; what it cost.
    async fn call(&self, event: &str, occurred_at: &str, more: &str) -> (Credits, serde_json::Value) {
        let body = format!(
            r#"{{"id":"{event}","meter":"voice","quantity":84,"occurred_at":"{occurred_at}"{more}}}"#
        );
        let answer = self.app.post("/api/v1/usage/events", &body).bearer(&self.key).send().await.expect(201);
        (answer.json["credits"].to_string().parse().unwrap(), answer.json)
    }

    async fn page(&self, token: &str, path: &str) -> Answer {
        self.app.get(path).header("Cookie", &format!("tollbook={token}")).send().await
    }

    async fn owners(&self, path: &str) -> String {
        self.page(&self.owner, path).await.expect(200).text
    }

    /// A member who sees one workspace.
    async fn member_of(&self, workspace: &str) -> String {
        let (id, name) = (self.id, workspace.to_owned());
        let made = self.app.db().write(move |tx| {
            let workspace: WorkspaceId = workspaces::by_external_id(tx.conn()?, id, &name)?.unwrap();
            let password = PasswordHash::from_stored("none".into());
            let new = NewUser { email: "mia@example.com".into(), name: String::new(), password };
            users::create_member(tx, &BY, &new, id, Role::Member, &[workspace])
        });
        self.app.session(made.await.unwrap().id).await
    }
}

fn sum(credits: &[Credits]) -> Credits {
    credits.iter().fold(Credits::ZERO, |sum, more| sum.checked_add(*more).unwrap())
}

/// The column of that name added up.
fn column(csv: &str, name: &str) -> Credits {
    let mut lines = csv.lines();
    let place = lines.next().unwrap().split(',').position(|heading| heading == name).unwrap();
    let cells: Vec<Credits> =
        lines.map(|line| line.split(',').nth(place).unwrap().parse().unwrap()).collect();
    sum(&cells)
}

#[actix_web::test]
async fn two_pages_that_show_different_totals() {
    let customer = Customer::new("Europe/Madrid").await;
    let mut costs = Vec::new();
    for (number, at) in
        ["2026-11-21T08:00:00Z", "2026-11-20T23:30:00Z", "2026-11-20T08:00:00Z"].into_iter().enumerate()
    {
        costs.push(customer.call(&format!("call-{number}"), at, r#","agent_id":"ada""#).await.0);
    }
    // half past eleven at night is half past midnight there
    let (today, month) = (format::credits(sum(&costs[..2])), format::credits(sum(&costs)));
    let overview = customer.owners("/overview").await;
    let usage = customer.owners("/usage").await;
    let day = customer.owners("/usage/2026-11-21").await;
    for (name, page, total) in [
        ("overview, today", &overview, &today),
        ("overview, this month", &overview, &month),
        ("usage", &usage, &month),
        ("usage of the day", &day, &today),
    ] {
        assert!(page.contains(total.as_str()), "{name}: {total} is not on\n{page}");
    }
    let by_agent = customer.owners("/usage?group=agent").await;
    assert!(by_agent.contains(&month) && by_agent.contains("ada"), "{by_agent}");

    let csv = customer.owners("/usage.csv").await;
    assert_eq!(column(&csv, "credits"), sum(&costs), "{csv}");
    let lines = customer.owners("/transactions.csv?type=usage").await;
    assert_eq!(column(&lines, "credits").checked_neg(), Some(sum(&costs)), "{lines}");
    assert_eq!(lines.lines().count(), 1 + costs.len(), "{lines}");

    // what the wallet says is what the last line left
    let all = customer.owners("/transactions").await;
    let wallet = customer.app.get("/api/v1/billing/wallet").bearer(&customer.owner).send().await.expect(200);
    let available: Credits = wallet.json["available"].to_string().parse().unwrap();
    assert_eq!(column(&customer.owners("/transactions.csv").await, "credits"), available);
    for page in [&overview, &all] {
        assert!(page.contains(&format::credits(available)), "{available} is not on\n{page}");
    }
}

#[actix_web::test]
async fn a_day_is_the_organizations_and_a_filter_narrows_the_page_and_its_csv_alike() {
    let customer = Customer::new("Europe/Madrid").await;
    let (_, late) = customer.call("late", "2026-11-19T23:30:00Z", r#","agent_id":"ada""#).await;
    let (_, early) = customer.call("early", "2026-11-19T22:30:00Z", r#","agent_id":"bob""#).await;
    let id = |json: &serde_json::Value| json["items"][0]["id"].as_str().unwrap().to_owned();
    let twentieth = customer.owners("/usage/2026-11-20").await;
    assert!(twentieth.contains(&id(&late)) && !twentieth.contains(&id(&early)), "{twentieth}");
    let nineteenth = customer.owners("/usage/2026-11-19").await;
    assert!(nineteenth.contains(&id(&early)) && !nineteenth.contains(&id(&late)), "{nineteenth}");
    let nobodys = customer.owners("/usage/2026-11-20?agent=bob").await;
    assert!(!nobodys.contains(&id(&late)), "{nobodys}");

    let page = customer.owners("/usage?from=2026-11-20&to=2026-11-20").await;
    assert!(
        page.contains("/usage.csv?from=2026-11-20&amp;to=2026-11-20")
            || page.contains("/usage.csv?from=2026-11-20&#38;to=2026-11-20"),
        "{page}"
    );
    let csv = customer.owners("/usage.csv?from=2026-11-20&to=2026-11-20").await;
    assert_eq!(column(&csv, "credits"), late["credits"].to_string().parse().unwrap());
    // both were posted on the 21st: a filter of transactions goes by that
    let none = customer.owners("/transactions.csv?to=2026-11-20").await;
    assert_eq!(none.lines().count(), 1, "{none}");
    let wrong = customer.owners("/transactions?from=yesterday").await;
    assert!(wrong.contains("is not a day") && wrong.contains("yesterday"), "{wrong}");
    customer.page(&customer.owner, "/transactions.csv?from=yesterday").await.expect(422);
    customer.page(&customer.owner, "/usage/2026-02-30").await.expect(404);
}

#[actix_web::test]
async fn an_item_shows_the_version_that_priced_it_and_its_arithmetic() {
    let customer = Customer::new("UTC").await;
    let (cost, json) =
        customer.call("call-1", "2026-11-21T08:00:00Z", r#","metadata":{"note":"<b>hi</b>"}"#).await;
    let item = json["items"][0]["id"].as_str().unwrap();
    let page = customer.owners(&format!("/usage/items/{item}")).await;
    assert!(page.contains("84 s × ") && page.contains(" ÷ 60"), "{page}");
    assert!(page.contains("version 1") && page.contains(&format::credits(cost)), "{page}");
    assert!(page.contains("Welcome credit"), "{page}");
    assert!(page.contains("hi") && !page.contains("<b>hi</b>"), "escaped");
    let transaction = json["transaction_id"].as_str().unwrap();
    assert!(page.contains(&format!("/transactions/{transaction}")), "{page}");
    let page = customer.owners(&format!("/transactions/{transaction}")).await;
    assert!(page.contains(&format!("/usage/items/{item}")) && page.contains("Welcome credit"), "{page}");
}

#[actix_web::test]
async fn a_member_sees_the_usage_of_the_own_workspace_and_no_money_of_the_organization() {
    let customer = Customer::new("UTC").await;
    let at = "2026-11-21T08:00:00Z";
    let (_, own) = customer.call("own", at, r#","workspace":"sales""#).await;
    let (_, other) = customer.call("other", at, r#","workspace":"support""#).await;
    let member = customer.member_of("sales").await;
    for path in ["/overview", "/transactions", "/transactions.csv"] {
        customer.page(&member, path).await.expect(403);
    }
    let csv = customer.page(&member, "/usage.csv?group=workspace").await.expect(200).text;
    assert!(csv.contains("sales") && !csv.contains("support"), "{csv}");
    let csv = customer.page(&member, "/usage.csv?group=workspace&workspace=support").await.expect(200).text;
    assert_eq!(csv.lines().count(), 1, "{csv}");
    let id = |json: &serde_json::Value| json["items"][0]["id"].as_str().unwrap().to_owned();
    let day = customer.page(&member, "/usage/2026-11-21").await.expect(200).text;
    assert!(day.contains(&id(&own)) && !day.contains(&id(&other)), "{day}");
    let item = customer.page(&member, &format!("/usage/items/{}", id(&own))).await.expect(200).text;
    customer.page(&member, &format!("/usage/items/{}", id(&other))).await.expect(404);
    let balance: Credits = other["balance_after"].to_string().parse().unwrap();
    let usage = customer.page(&member, "/usage").await.expect(200).text;
    for page in [&item, &day, &usage] {
        assert!(!page.contains(&format::credits(balance)), "the balance on\n{page}");
        assert!(!page.contains("Welcome credit"), "{page}");
    }
}

#[actix_web::test]
async fn what_belongs_to_another_organization_is_not_there() {
    let customer = Customer::new("UTC").await;
    let (_, json) = customer.call("call-1", "2026-11-21T08:00:00Z", "").await;
    let stranger = customer.app.organization("Others").await;
    let (_, token) = customer.app.member(stranger, Role::Owner).await;
    let transaction = json["transaction_id"].as_str().unwrap();
    let item = json["items"][0]["id"].as_str().unwrap();
    for path in [format!("/transactions/{transaction}"), format!("/usage/items/{item}")] {
        customer.page(&customer.owner, &path).await.expect(200);
        customer.page(&token, &path).await.expect(404);
    }
    let lines = customer.page(&token, "/transactions.csv").await.expect(200).text;
    assert!(!lines.contains(transaction), "{lines}");
}

#[actix_web::test]
async fn a_csv_runs_nothing_and_a_list_goes_on_where_it_ended() {
    let customer = Customer::new("UTC").await;
    let at = "2026-11-21T08:00:00Z";
    for number in 0..30 {
        customer.call(&format!("call-{number}"), at, r#","agent_id":"=cmd()""#).await;
    }
    let csv = customer.owners("/usage.csv?group=agent").await;
    assert!(csv.contains(",'=cmd(),30,"), "{csv}");
    let lines = customer.owners("/transactions.csv").await;
    let ids: Vec<&str> = lines.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids.len(), 31, "{lines}");
    let mut path = "/transactions".to_owned();
    let mut shown = 0;
    loop {
        let page = customer.owners(&path).await;
        let here: Vec<bool> = ids.iter().map(|id| page.contains(&format!("/transactions/{id}\""))).collect();
        let count = here.iter().filter(|found| **found).count();
        assert!(count > 0 && here[shown..shown + count].iter().all(|found| *found), "{path}: {here:?}");
        shown += count;
        let Some(start) = page.find("/transactions?cursor=") else { break };
        path = page[start..].split('"').next().unwrap().to_owned();
    }
    assert_eq!(shown, ids.len());
}

#[actix_web::test]
async fn a_new_wallet_says_what_to_do_and_an_operator_sees_what_the_customer_sees() {
    let customer = Customer::new("UTC").await;
    let id = customer.id;
    let page = customer.owners("/overview").await;
    assert!(page.contains("Three steps") && page.contains(&id.to_string()), "{page}");
    assert!(customer.owners("/usage").await.contains("No usage in this range"));
    let name = customer.app.db().read(move |tx| organizations::get(tx, id)).await.unwrap().name;
    let (_, operator) = customer.app.operator().await;
    let cookie = format!("tollbook={operator}; tollbook-organization={id}");
    let seen = customer.app.get("/overview").header("Cookie", &cookie).send().await.expect(200).text;
    assert!(seen.contains(&name), "{seen}");
    customer.call("call-1", "2026-11-21T08:00:00Z", "").await;
    assert!(!customer.owners("/overview").await.contains("Three steps"));
}

#[actix_web::test]
async fn a_balance_closes_its_days_where_the_organization_is() {
    let customer = Customer::new("Europe/Madrid").await;
    // half past ten and half past eleven at night, there the same day and the next
    customer.app.it_becomes("2026-11-21T22:30:00Z");
    let (first, _) = customer.call("call-1", "2026-11-21T22:29:00Z", "").await;
    customer.app.it_becomes("2026-11-21T23:30:00Z");
    let (second, _) = customer.call("call-2", "2026-11-21T23:29:00Z", "").await;
    customer.app.it_becomes("2026-11-23T09:00:00Z");
    let left = |spent: &[Credits]| {
        format::credits("1000".parse::<Credits>().unwrap().checked_sub(sum(spent)).unwrap())
    };
    let id = customer.id;
    let day = |text: &str| text.parse::<Day>().unwrap();
    let points = async |from: &str, to: &str| -> Vec<(Day, String)> {
        let (from, to) = (day(from), day(to));
        let points = customer.app.db().read(move |tx| tollbook::wallet::balance_days(tx, id, from, to)).await;
        points.unwrap().into_iter().map(|point| (point.day, format::credits(point.balance))).collect()
    };
    let (saturday, sunday) =
        ((day("2026-11-21"), left(&[first])), (day("2026-11-22"), left(&[first, second])));
    assert_eq!(points("2026-11-01", "2026-11-30").await, [saturday.clone(), sunday.clone()]);
    // the point before the range comes first, however long ago it was
    assert_eq!(points("2026-11-22", "2026-11-30").await, [saturday, sunday.clone()]);
    assert_eq!(points("2027-11-22", "2027-11-30").await, [sunday]);
    assert_eq!(points("2026-11-01", "2026-11-20").await, []);
    let (_, today) = customer.app.member(id, Role::Billing).await;
    let page = customer.page(&today, "/overview").await.expect(200).text;
    let chart = page.split("Balance, in credits").nth(1).expect(&page);
    for (day, balance) in [("Sat 21 Nov", left(&[first])), ("Sun 22 Nov", left(&[first, second]))] {
        let row = chart.split(&format!(">{day}<")).nth(1).expect(day).split("</tr>").next().unwrap();
        assert!(row.contains(&balance), "{day}: {row}");
    }
    customer.app.db().read(|tx| tollbook::metering::verify::run(tx).map(|_| ())).await.unwrap();
}

#[actix_web::test]
async fn a_moved_organizations_days_move_with_it() {
    let customer = Customer::new("UTC").await;
    let (app, id) = (&customer.app, customer.id);
    let key = app.operator_key(&[Scope::Admin]).await;
    app.it_becomes("2026-11-21T23:30:00Z");
    crate::pages::browsing::credit(app, id, 500, tollbook::grants::Class::Paid, None).await;
    let move_to = async |zone: &str| {
        let body = format!(r#"{{"timezone":"{zone}"}}"#);
        let path = format!("/api/v1/admin/organizations/{id}");
        app.call("PATCH", &path).json(&body).bearer(&key).send().await
    };
    let days = async || -> Vec<(String, String)> {
        let read = |tx: &tollbook::db::ReadTx<'_>| {
            let day = |text: &str| text.parse::<Day>().unwrap();
            tollbook::wallet::balance_days(tx, id, day("2026-11-01"), day("2026-11-30"))
        };
        app.db().read_blocking(|tx| tollbook::metering::verify::run(tx).map(|_| ())).unwrap();
        let points = app.db().read_blocking(read).unwrap();
        points.into_iter().map(|point| (point.day.to_string(), point.balance.to_string())).collect()
    };
    let day = |day: &str, balance: &str| (day.to_owned(), balance.to_owned());
    assert_eq!(days().await, [day("2026-11-21", "1500")]);
    move_to("Europe/Madrid").await.expect(200);
    assert_eq!(days().await, [day("2026-11-21", "1000"), day("2026-11-22", "1500")]);
    move_to("Pacific/Auckland").await.expect(200);
    assert_eq!(days().await, [day("2026-11-21", "1000"), day("2026-11-22", "1500")]);
    move_to("America/Los_Angeles").await.expect(200);
    assert_eq!(days().await, [day("2026-11-21", "1500")]);
    // the wallet itself goes by the new days
    app.it_becomes("2026-11-22T07:59:00Z");
    customer.call("call-1", "2026-11-22T07:58:00Z", "").await;
    assert_eq!(days().await.len(), 1);
    app.it_becomes("2026-11-22T08:01:00Z");
    customer.call("call-2", "2026-11-22T08:00:00Z", "").await;
    assert_eq!(days().await.len(), 2);
    move_to("UTC").await.expect(409);
}

#[actix_web::test]
async fn a_way_to_buy_credit_is_shown_where_there_is_one() {
    let buy = "https://shop.example/credit";
    for configured in [Some(buy), None] {
        let app =
            TestApp::start_with(|config| config.credits.topup_url = configured.map(str::to_owned)).await;
        let id = app.organization("Acme").await;
        let (_, owner) = app.member(id, Role::Owner).await;
        let browser = crate::pages::browsing::Browser::with_session(&app, &owner);
        let page = browser.get("/overview").await.expect(200);
        let own = format!("{}/topup", app.app.url());
        assert_eq!(page.links(configured.unwrap_or(&own)).len(), 1, "{}", page.html());
    }
}
