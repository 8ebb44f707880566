//! Mail arrives as it should, once, however long the mail server was away.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tollbook::base::time::{HOUR_MS, MINUTE_MS};
use tollbook::config::MailSecurity;
use tollbook::payments::gateway::sandbox::{self, Card};

use super::happenings::Scene;
use crate::helpers::python::Python;

/// A mail server, and the port it is on.
struct MailServer {
    program: Python,
    port: u16,
}

impl MailServer {
    fn start(port: u16) -> Self {
        let mut program = Python::run("mail_server.py");
        program.say(&port.to_string());
        let port = program.hear().parse().unwrap();
        Self { program, port }
    }

    /// What it says to mail from now on; nothing for taking it.
    fn answers(&mut self, answer: &str) {
        self.program.say(answer);
        assert_eq!(self.program.hear(), "noted");
    }

    fn mail(&mut self) -> Value {
        serde_json::from_str(&self.program.hear()).unwrap()
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Scene {
    async fn with_mail(port: u16) -> Self {
        let scene = Self::with(move |config| {
            config.mail.host = Some("127.0.0.1".into());
            config.mail.port = port;
            config.mail.security = MailSecurity::None;
            config.mail.from = "Vozia <billing@vozia.example>".into();
        });
        scene.await
    }

    async fn mails(&self) -> Vec<Value> {
        let path = "/api/v1/admin/deliveries?limit=100&channel=email";
        let found = self.app.get(path).bearer(&self.operator).send().await.expect(200);
        found.json["items"].as_array().unwrap().clone()
    }
}

#[actix_web::test]
async fn an_invoice_arrives_as_text_and_html_with_its_pdf() {
    let mut server = MailServer::start(0);
    let scene = Scene::with_mail(server.port).await;
    let made = scene.own("POST", "/billing/wallet/topup", json!({ "amount": 10 })).await.expect(201);
    let reference = made.json["checkout_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    scene.app.db().write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await.unwrap();
    scene.app.clock.advance(MINUTE_MS);
    scene.work().await;
    let mail = server.mail();
    assert_eq!(mail["from"], "Vozia <billing@vozia.example>");
    assert_eq!(mail["to"][0].as_str().unwrap().split('@').nth(1).unwrap(), "example.com");
    let subject = mail["subject"].as_str().unwrap();
    assert!(subject.starts_with("Invoice INV-2026-"), "{mail}");
    let number = subject.trim_start_matches("Invoice ");
    for kind in ["text", "html"] {
        let body = mail[kind].as_str().unwrap();
        assert!(body.contains(number) && body.contains("12.10"), "{kind}: {body}");
    }
    let file = &mail["files"][0];
    assert_eq!(
        (file["type"].as_str(), file["name"].as_str()),
        (Some("application/pdf"), Some(&*format!("{number}.pdf")))
    );
    let pdf = STANDARD.decode(file["content"].as_str().unwrap()).unwrap();
    assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 1_000);
    let mails = scene.mails().await;
    assert_eq!(mails.len(), 1, "one mail for one invoice: {mails:?}");
    assert_eq!(mails[0]["status"], "delivered");
    assert!(mail["message_id"].as_str().unwrap().contains(mails[0]["id"].as_str().unwrap()));
}

#[actix_web::test]
async fn a_mail_server_that_is_away_for_a_day_delays_mail_and_loses_none() {
    let port = free_port();
    let scene = Scene::with_mail(port).await;
    scene.give(600).await;
    scene.work().await;
    scene.burn(200).await;
    for _ in 0..24 {
        scene.work().await;
        scene.app.clock.advance(HOUR_MS);
    }
    let waiting = scene.mails().await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["status"], "waiting");
    assert!(waiting[0]["attempts"].as_i64().unwrap() > 5, "{waiting:?}");
    let mut server = MailServer::start(port);
    scene.app.clock.advance(6 * HOUR_MS);
    scene.work().await;
    assert_eq!(server.mail()["subject"], "Low balance: 400 credits left");
    assert_eq!(scene.mails().await[0]["status"], "delivered");
    // and no second one
    scene.burn(10).await;
    scene.app.clock.advance(24 * HOUR_MS);
    scene.work().await;
    assert_eq!(scene.mails().await.len(), 1);
}

#[actix_web::test]
async fn mail_that_is_refused_for_good_can_be_sent_again() {
    let mut server = MailServer::start(0);
    let scene = Scene::with_mail(server.port).await;
    server.answers("550 nobody here");
    scene.give(600).await;
    scene.work().await;
    scene.burn(200).await;
    scene.work().await;
    let dead = scene.mails().await;
    assert_eq!((dead.len(), &dead[0]["status"], &dead[0]["attempts"]), (1, &json!("dead"), &json!(1)));
    assert!(dead[0]["last_error"].as_str().unwrap().contains("nobody here"), "{dead:?}");
    server.answers("451 later");
    let path = format!("/api/v1/admin/deliveries/{}/replay", dead[0]["id"].as_str().unwrap());
    scene.app.post(&path, "").bearer(&scene.operator).send().await.expect(202);
    scene.work().await;
    assert_eq!(scene.mails().await[0]["status"], "waiting", "that is tried again by itself");
    server.answers("");
    scene.app.clock.advance(HOUR_MS);
    scene.work().await;
    assert_eq!(server.mail()["subject"], "Low balance: 400 credits left");
    let sent = scene.mails().await;
    assert_eq!((&sent[0]["status"], &sent[0]["attempts"]), (&json!("delivered"), &json!(3)));
}
