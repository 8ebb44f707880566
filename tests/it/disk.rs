//! A disk without room: what cannot be kept is refused, and said, until there is room again.

use serde_json::json;
use tollbook::base::{Clock, SystemClock};
use tollbook::outside;

use crate::process::Installation;

#[actix_web::test]
async fn a_full_disk_is_not_ready_and_recovers_without_a_restart() {
    let installation =
        Installation::new(&[("TOLLBOOK_CREDITS_WELCOME", "1000"), ("TOLLBOOK_SERVER_MODE", "test")]);
    let server = installation.serve_under_limits();
    let organization = installation.run(&["admin", "create-organization", "--name", "Acme"]);
    let key = installation.run(&[
        "admin",
        "create-key",
        "--organization",
        &organization,
        "--scopes",
        "usage:write",
    ]);
    let client = outside::builder().unwrap().build().unwrap();
    let ready = async || client.get(format!("{}/readyz", server.url)).send().await.unwrap().status().as_u16();
    let at = SystemClock.now().to_string();
    let report = async |id: &str| {
        let event = json!({ "id": id, "occurred_at": at, "meter": "chat", "quantity": 1, "metadata": { "filler": "x".repeat(4_000) } });
        let events = format!("{}/api/v1/usage/events", server.url);
        client.post(events).bearer_auth(&key).json(&event).send().await.unwrap().status().as_u16()
    };
    assert_eq!((ready().await, report("before").await), (200, 201));

    server.limit_files(Some(4_096));
    assert_eq!(ready().await, 503);
    assert_eq!(report("refused").await, 503);
    let alive = client.get(format!("{}/healthz", server.url)).send().await.unwrap();
    assert_eq!(alive.status().as_u16(), 200, "the process itself is well");

    server.limit_files(None);
    assert_eq!((ready().await, report("refused").await, report("before").await), (200, 201, 200));
    server.stop();
    installation.run(&["verify"]);
}
