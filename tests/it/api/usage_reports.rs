//! Usage as people and programs look at it: added up, item by item, as a log of calls.

use serde_json::{Value, json};
use tollbook::base::id::UserId;

use super::desk::{Desk, EVENTS, names, number};

/// Events at some times, with some attribution.
async fn reported(desk: &Desk, events: &[Value]) {
    let mut all = Vec::new();
    for (index, changes) in events.iter().enumerate() {
        let mut event = json!({
            "id": format!("e-{index}"), "meter": "voice", "quantity": 60, "occurred_at": "2026-11-20T12:00:00Z"
        });
        for (name, value) in changes.as_object().unwrap() {
            event[name] = value.clone();
        }
        all.push(event);
    }
    let answer = desk.report(&Value::from(all).to_string()).await.expect(200);
    assert_eq!(answer.json["charged"], events.len(), "{}", answer.text);
}

async fn everywhere() -> Desk {
    let desk = Desk::new().await;
    desk.give("1000").await;
    reported(
        &desk,
        &[
            json!({ "agent_id": "anna", "number_id": "+34", "workspace": "north", "call_id": "c-1" }),
            json!({ "agent_id": "anna", "workspace": "south", "quantity": 120 }),
            json!({ "agent_id": "bert", "workspace": "north", "occurred_at": "2026-11-19T12:00:00Z" }),
            json!({ "meter": "chat", "quantity": 3 }),
            json!({ "occurred_at": "2026-10-31T23:59:59Z" }),
        ],
    )
    .await;
    desk
}

#[actix_web::test]
async fn usage_is_added_up_as_asked() {
    let desk = everywhere().await;
    let report = async |query: &str| desk.get(&format!("/billing/usage?{query}")).await.expect(200).json;
    let month = report("").await;
    assert_eq!(names(&month), ["from", "has_more", "items", "next_cursor", "timezone", "to"]);
    assert_eq!(
        (&month["from"], &month["to"]),
        (&json!("2026-11-01T00:00:00Z"), &json!("2026-11-22T00:00:00Z"))
    );
    assert_eq!(
        month["items"],
        json!([
            { "day": "2026-11-19", "channel": "voice", "quantity": 60, "unit": "second", "credits": 7, "count": 1 },
            { "day": "2026-11-20", "channel": "voice", "quantity": 180, "unit": "second", "credits": 21, "count": 2 },
            { "day": "2026-11-20", "channel": "chat", "quantity": 3, "unit": "message", "credits": 3, "count": 1 },
        ])
    );
    let long = "from=2026-10-01T00:00:00Z&to=2026-12-01T00:00:00Z";
    let by_month = report(&format!("{long}&group_by=month&channel=voice")).await;
    assert_eq!(
        by_month["items"],
        json!([
            { "month": "2026-10", "quantity": 60, "unit": "second", "credits": 7, "count": 1 },
            { "month": "2026-11", "quantity": 240, "unit": "second", "credits": 28, "count": 3 },
        ])
    );
    let by_agent = report("group_by=agent,workspace&channel=voice").await;
    assert_eq!(
        by_agent["items"],
        json!([
            { "agent_id": "anna", "workspace_id": "north", "quantity": 60, "unit": "second", "credits": 7, "count": 1 },
            { "agent_id": "anna", "workspace_id": "south", "quantity": 120, "unit": "second", "credits": 14, "count": 1 },
            { "agent_id": "bert", "workspace_id": "north", "quantity": 60, "unit": "second", "credits": 7, "count": 1 },
        ])
    );
    let by_number = report("group_by=number&agent_id=anna").await;
    assert_eq!(by_number["items"][0]["number_id"], Value::Null);
    assert_eq!(by_number["items"][1]["number_id"], "+34");
    assert_eq!(report("group_by=channel&workspace_id=south").await["items"][0]["quantity"], 120);
    assert_eq!(report("group_by=channel&workspace_id=nowhere").await["items"], json!([]));
    assert_eq!(report("from=2026-11-19&to=2026-11-20&group_by=day").await["items"][0]["count"], 1);
    for (query, param) in [
        ("group_by=hour", "group_by"),
        ("group_by=day,day", "group_by"),
        ("group_by=day,month", "group_by"),
        ("channel=fax", "channel"),
        ("from=2020-01-01", "from"),
        ("from=x", "from"),
        ("to=2026-11-01&from=2026-11-01", "to"),
        ("limit=2", "limit"),
    ] {
        assert_eq!(
            desk.get(&format!("/billing/usage?{query}")).await.expect(422).wrong()[0].0,
            param,
            "{query}"
        );
    }
}

#[actix_web::test]
async fn days_and_months_are_those_of_the_organization() {
    let desk = Desk::new().await;
    let madrid = desk.other(r#"{"name":"Madrid","timezone":"Europe/Madrid"}"#).await;
    let body = json!([
        { "id": "a", "meter": "chat", "quantity": 1, "occurred_at": "2026-10-31T22:59:59Z" },
        { "id": "b", "meter": "chat", "quantity": 1, "occurred_at": "2026-10-31T23:00:00Z" },
    ]);
    let call = desk.app.post(EVENTS, &body.to_string()).bearer(&desk.operator).organization(madrid);
    assert_eq!(call.send().await.expect(200).json["charged"], 2);
    let path = "/api/v1/billing/usage?from=2026-10-31&to=2026-11-02";
    let report = desk.app.get(path).bearer(&desk.operator).organization(madrid).send().await.expect(200).json;
    let days: Vec<_> =
        report["items"].as_array().unwrap().iter().map(|item| item["day"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-10-31", "2026-11-01"]);
    assert_eq!(
        (&report["from"], &report["timezone"]),
        (&json!("2026-10-30T23:00:00Z"), &json!("Europe/Madrid"))
    );
}

#[actix_web::test]
async fn items_have_their_shape() {
    let desk = everywhere().await;
    let list = desk.get("/billing/usage/items").await.expect(200).json;
    assert_eq!(names(&list), ["has_more", "items", "next_cursor"]);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 5, "the last thirty days");
    let first = items.iter().find(|item| item["call_id"] == "c-1").unwrap();
    let expected = [
        "agent_id",
        "call_id",
        "channel",
        "credits",
        "id",
        "kind",
        "number_id",
        "occurred_at",
        "quantity",
        "rate_version",
        "unit",
        "workspace_id",
    ];
    assert_eq!(names(first), expected);
    let attribution = ["agent_id", "number_id", "workspace_id"].map(|name| first[name].as_str().unwrap());
    assert_eq!(attribution, ["anna", "+34", "north"]);
    for (query, count) in [
        ("channel=chat", 1),
        ("agent_id=anna", 2),
        ("number_id=%2B34", 1),
        ("workspace_id=north", 2),
        ("workspace_id=nowhere", 0),
        ("from=2026-11-20T12:00:00Z", 3),
        ("from=2026-11-19T00:00:00Z&to=2026-11-20T12:00:00Z", 1),
    ] {
        let list = desk.get(&format!("/billing/usage/items?{query}")).await.expect(200).json;
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{query}");
    }
    for (query, param) in
        [("from=1970-01-01T00:00:00Z", "from"), ("channel=fax", "channel"), ("day=1", "day")]
    {
        let answer = desk.get(&format!("/billing/usage/items?{query}")).await.expect(422);
        assert_eq!(answer.wrong()[0].0, param);
    }
}

#[actix_web::test]
async fn items_are_paged_even_within_an_event() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    let toll_free = json!({ "attributes": { "toll_free": true, "direction": "inbound" }, "carrier_cost": 9 });
    reported(&desk, &[toll_free.clone(), json!({}), toll_free]).await;
    let all = desk.get("/billing/usage/items").await.expect(200).json["items"].clone();
    assert_eq!(all.as_array().unwrap().len(), 7);
    for limit in [1, 2, 3, 4, 5] {
        let mut path = format!("/billing/usage/items?limit={limit}");
        let mut seen = Vec::new();
        loop {
            let page = desk.get(&path).await.expect(200).json;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{limit}");
            seen.extend(items.iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/billing/usage/items?limit={limit}&cursor={cursor}");
        }
        assert_eq!(Value::from(seen), all, "{limit}");
    }
}

#[actix_web::test]
async fn an_item_leads_to_the_rate_that_priced_it() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    let said = json!({
        "attributes": { "toll_free": true, "direction": "inbound", "lang": "es" }, "carrier_cost": 2.5,
        "metadata": { "ticket": 1.10 }
    });
    reported(&desk, &[said]).await;
    let list = desk.get("/billing/usage/items").await.expect(200).json;
    for item in list["items"].as_array().unwrap() {
        let id = item["id"].as_str().unwrap();
        let detail = desk.get(&format!("/billing/usage/items/{id}")).await.expect(200).json;
        assert_eq!(detail["kind"], item["kind"]);
        assert_eq!(detail["event_id"], "e-0");
        assert_eq!(
            (&detail["direction"], &detail["toll_free"], &detail["byok"]),
            (&json!("inbound"), &json!(true), &json!(false))
        );
        assert_eq!((&detail["carrier_cost"], &detail["attributes"]), (&json!(2.5), &json!({ "lang": "es" })));
        assert_eq!(detail["metadata"], json!({ "ticket": 1.1 }));
        assert_eq!((&detail["rate"]["rate_card"], &detail["rate"]["version"]), (&json!("payg"), &json!(1)));
        assert_eq!(detail["rate"]["rate"]["price"], json!({ "flat": 7 }));
        assert_eq!(detail["voided_by"], Value::Null);
    }
    let voided = desk.void("e-0").await.expect(200).json;
    let id = list["items"][1]["id"].as_str().unwrap();
    let detail = desk.get(&format!("/billing/usage/items/{id}")).await.expect(200).json;
    assert_eq!(detail["voided_by"], voided["transaction_id"]);
    let other = desk.other(r#"{"name":"Other"}"#).await;
    let call = desk.app.get(&format!("/api/v1/billing/usage/items/{id}")).bearer(&desk.operator);
    call.organization(other).send().await.expect(404);
}

#[actix_web::test]
async fn the_log_of_calls_has_its_shape() {
    let desk = everywhere().await;
    desk.void("e-1").await.expect(200);
    let log = desk.get("/usage").await.expect(200);
    assert_eq!(names(&log.json), ["has_more", "next_cursor", "summary", "usage"]);
    let calls = log.json["usage"].as_array().unwrap();
    assert_eq!(calls.len(), 2, "this month's, without messages and what was taken back");
    assert_eq!(names(&calls[0]), ["created_at", "duration_sec", "id", "number_id"]);
    assert_eq!((&calls[0]["number_id"], &calls[0]["duration_sec"]), (&json!("+34"), &json!(60)));
    assert_eq!(calls[0]["created_at"], "2026-11-20T12:00:00Z");
    assert_eq!(names(&log.json["summary"]), ["total_cost", "total_minutes", "total_seconds"]);
    let sums = ["total_seconds", "total_minutes", "total_cost"].map(|name| number(&log.text, name));
    assert_eq!(sums, ["120", "2", "0.14"]);
    let all = desk.get("/usage?from=2026-10-01&to=2026-12-01").await.expect(200);
    assert_eq!(number(&all.text, "total_seconds"), "180");
    let page = desk.get("/usage?limit=1").await.expect(200).json;
    assert_eq!((&page["usage"].as_array().unwrap().len(), &page["has_more"]), (&1, &json!(true)));
}

#[actix_web::test]
async fn a_member_sees_the_own_workspaces() {
    let desk = everywhere().await;
    let workspaces = desk.app.get("/api/v1/workspaces").bearer(&desk.own).send().await.expect(200).json;
    let north = workspaces["items"].as_array().unwrap().iter().find(|w| w["external_id"] == "north").unwrap();
    let body = json!({
        "email": "m@example.com", "password": "correct horse battery", "organization": desk.organization.to_string(),
        "role": "member", "workspaces": [north["id"]]
    });
    let made = desk.app.post("/api/v1/admin/users", &body.to_string()).bearer(&desk.operator).send().await;
    let user: UserId = made.expect(201).json["id"].as_str().unwrap().parse().unwrap();
    let session = desk.app.session(user).await;
    let get =
        async |path: &str| desk.app.get(&format!("/api/v1{path}")).bearer(&session).send().await.expect(200);
    let items = get("/billing/usage/items").await.json["items"].clone();
    let seen: Vec<_> =
        items.as_array().unwrap().iter().map(|item| item["workspace_id"].as_str().unwrap()).collect();
    assert_eq!(seen, ["north", "north"]);
    assert_eq!(get("/billing/usage/items?workspace_id=south").await.json["items"], json!([]));
    assert_eq!(get("/billing/usage?group_by=channel").await.json["items"][0]["quantity"], 120);
    assert_eq!(get("/billing/usage?group_by=channel&workspace_id=south").await.json["items"], json!([]));
    assert_eq!(number(&get("/usage").await.text, "total_seconds"), "120");
    // an item elsewhere is not there
    let all = desk.get("/billing/usage/items").await.expect(200).json;
    for item in all["items"].as_array().unwrap() {
        let path = format!("/api/v1/billing/usage/items/{}", item["id"].as_str().unwrap());
        let answer = desk.app.get(&path).bearer(&session).send().await;
        answer.expect(if item["workspace_id"] == "north" { 200 } else { 404 });
    }
}

#[actix_web::test]
async fn a_page_of_calls_is_full_however_many_were_taken_back() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.voice("kept-1", 60).await;
    desk.voice("kept-2", 60).await;
    // more than a page is filled up with one by one
    for number in 0..60 {
        let id = format!("void-{number}");
        desk.voice(&id, 1).await;
        desk.void(&id).await.expect(200);
    }
    let mut path = "/usage?limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = desk.get(&path).await.expect(200).json;
        let calls = page["usage"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{page}");
        seen.push(calls[0]["id"].as_str().unwrap().to_owned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/usage?limit=1&cursor={cursor}");
    }
    let all = desk.get("/usage").await.expect(200).json;
    let all: Vec<_> =
        all["usage"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap()).collect();
    assert_eq!(seen, all);
    assert_eq!(seen.len(), 2);
}
