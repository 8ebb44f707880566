//! What the web server alone can do: the same request parsed, an answer of the same size, nothing in between.

use std::io::Write as _;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};

use super::BenchError;
use super::site::Site;

/// As many as the machine has cores, as the server has by default.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

#[derive(Deserialize)]
struct Event {
    id: String,
    organization: String,
    agent_id: String,
    call_id: String,
    meter: String,
    quantity: u64,
    occurred_at: String,
    attributes: std::collections::BTreeMap<String, String>,
}

/// The shape of the answer to an event.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    duplicate: bool,
    items: [Item<'a>; 1],
    credits: u64,
    balance_after: u64,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    channel: &'a str,
    kind: &'a str,
    quantity: u64,
    unit: &'a str,
    credits: u64,
    occurred_at: &'a str,
    call_id: &'a str,
    agent_id: &'a str,
    direction: Option<&'a str>,
}

async fn echo(event: web::Json<Event>) -> HttpResponse {
    HttpResponse::Ok().json(Answer {
        id: &event.id,
        duplicate: false,
        items: [Item {
            id: &event.organization,
            channel: &event.meter,
            kind: "base",
            quantity: event.quantity,
            unit: "second",
            credits: 0,
            occurred_at: &event.occurred_at,
            call_id: &event.call_id,
            agent_id: &event.agent_id,
            direction: event.attributes.get("direction").map(String::as_str),
        }],
        credits: 0,
        balance_after: 1_000_000,
    })
}

/// Serves until it is killed.
pub(super) fn serve() -> Result<(), BenchError> {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().route("/api/v1/usage/events", web::post().to(echo)))
            .workers(workers())
            .bind(("127.0.0.1", 0))?;
        for address in server.addrs() {
            writeln!(std::io::stdout(), "listening on http://{address}")?;
        }
        server.run().await
    })?;
    Ok(())
}

/// A site for the echo: names without anything behind them, and no prices.
pub(super) fn site() -> Site {
    let organizations = (0..super::ORGANIZATIONS)
        .map(|number| super::site::Organization { id: format!("org_{number:013}"), start_micros: 0 })
        .collect();
    Site {
        bearer: "Bearer tb_test_0123456789abcdef0123456789abcdef0123456789abcdef".into(),
        organizations,
        prices: vec![0; super::events::KINDS.len()],
    }
}
