//! Many clients at once, each over HTTP: together they never pass what there is.

use futures_util::future::join_all;
use tollbook::base::Credits;
use tollbook::onboarding::Prices;

use super::call_desk::{asked, id};
use super::desk::{Desk, number};

const CLIENTS: usize = 200;

/// One client's call: asked for, extended as far as it lasts, captured. Gives the seconds, or none when it was refused.
async fn call(desk: &Desk, n: usize, refusal: u16) -> Option<u64> {
    let answer = desk.authorize(&asked(&format!("call-{n}"), "outbound")).await;
    if answer.status == refusal {
        return None;
    }
    let call = id(&answer.expect(201));
    let mut lasted = 0;
    for seconds in [20, 60, 110] {
        let answer = desk.extend(&call, seconds).await.expect(200);
        let most = answer.json["max_seconds"].as_u64().unwrap();
        lasted = u64::from(seconds).min(most);
        if answer.json["continue"] == false {
            break;
        }
    }
    let captured = desk.capture(&call, u32::try_from(lasted).unwrap()).await.expect(200);
    assert_eq!(number(&captured.text, "above_hold"), "0");
    Some(lasted)
}

/// Two hundred clients race for one balance; together they never get more than it covers, and what it covers they get.
#[actix_web::test]
async fn two_hundred_clients_race_for_one_balance() {
    let desk = Desk::with(|config| config.server.workers = 2, Prices::default()).await;
    desk.give("100").await;
    let lasted = join_all((0..CLIENTS).map(|n| call(&desk, n, 402))).await;
    let seconds: u64 = lasted.iter().flatten().sum();
    assert!(seconds * 7 <= 100 * 60, "{seconds} seconds");
    // each has 110 seconds at most, so a balance that is not used up has refused somebody for nothing
    let refused = lasted.iter().filter(|lasted| lasted.is_none()).count();
    assert!((CLIENTS - refused) >= 100 / 13, "{refused} refused");
    let wallet = desk.get("/billing/wallet").await.expect(200);
    assert_eq!((number(&wallet.text, "overdraft"), number(&wallet.text, "held")), ("0".into(), "0".into()));
    assert!(!number(&wallet.text, "balance").starts_with('-'));
    assert_eq!(desk.get("/calls?status=rejected&limit=1").await.expect(200).json["has_more"], true);
    desk.assert_sound();
}

/// What the credit covers exactly is given out to the last: fourteen minutes and no fifteenth.
#[actix_web::test]
async fn two_hundred_clients_ask_at_once_and_as_many_begin_as_are_covered() {
    let desk = Desk::with(|config| config.server.workers = 2, Prices::default()).await;
    desk.give("98").await;
    let bodies: Vec<String> = (0..CLIENTS).map(|n| asked(&format!("call-{n}"), "outbound")).collect();
    let answers = join_all(bodies.iter().map(|body| desk.authorize(body))).await;
    let begun: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(begun.len(), 14);
    assert!(begun.iter().all(|answer| number(&answer.text, "held") == "7"));
    assert_eq!(answers.iter().filter(|answer| answer.status == 402).count(), CLIENTS - 14);
    assert_eq!(desk.standing().await, ("98".into(), "98".into(), "0".into()));
    desk.assert_sound();
}

/// The same for a limit, with plenty of credit: calls and messages that are not sent yet race for what the agent may spend.
#[actix_web::test]
async fn two_hundred_clients_race_for_one_limit() {
    let desk = Desk::with(|config| config.server.workers = 2, Prices::default()).await;
    desk.give("100000").await;
    desk.operate("PUT", "/agents/agent-4", r#"{"monthly_limit":100,"on_limit":"stop"}"#).await;
    let desk = &desk;
    let message = |n: usize| async move {
        let body = format!(
            r#"{{"id":"chat-{n}","meter":"chat","quantity":1,"agent_id":"agent-4","mode":"enforce",
                "occurred_at":"2026-11-21T09:00:00Z"}}"#
        );
        let answer = desk.report(&body).await;
        assert!(answer.status == 201 || answer.code() == "limit_reached", "{}", answer.text);
        u64::from(answer.status == 201)
    };
    let calls = join_all((0..CLIENTS / 2).map(|n| call(desk, n, 403)));
    let messages = join_all((0..CLIENTS / 2).map(message));
    let (lasted, sent) = futures_util::future::join(calls, messages).await;
    let (seconds, sent) = (lasted.iter().flatten().sum::<u64>(), sent.iter().sum::<u64>());
    assert!(seconds > 0 && seconds * 7 + sent * 60 <= 100 * 60, "{seconds} seconds and {sent} messages");
    let agent = desk.get("/agents/agent-4").await.expect(200);
    let spent: Credits = number(&agent.text, "spent").parse().unwrap();
    assert!(spent.is_positive() && spent <= Credits::from_whole(100).unwrap(), "{spent}");
    desk.assert_sound();
}
