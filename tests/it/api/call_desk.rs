//! What is done with calls at the desk.

use super::desk::{Desk, number};
use crate::helpers::Answer;

pub const AUTHORIZATIONS: &str = "/api/v1/usage/authorizations";

pub fn asked(call: &str, direction: &str) -> String {
    format!(
        r#"{{"agent_id":"agent-4","number_id":"+34910","call_id":"{call}","meter":"voice","direction":"{direction}"}}"#
    )
}

impl Desk {
    pub async fn authorize(&self, body: &str) -> Answer {
        self.app.post(AUTHORIZATIONS, body).bearer(&self.own).send().await
    }

    pub async fn begin(&self, call: &str) -> Answer {
        self.authorize(&asked(call, "outbound")).await.expect(201)
    }

    pub async fn step(&self, id: &str, what: &str, body: &str) -> Answer {
        self.app.post(&format!("{AUTHORIZATIONS}/{id}/{what}"), body).bearer(&self.own).send().await
    }

    pub async fn extend(&self, id: &str, seconds: u32) -> Answer {
        self.step(id, "extend", &format!(r#"{{"elapsed_seconds":{seconds}}}"#)).await
    }

    pub async fn capture(&self, id: &str, seconds: u32) -> Answer {
        self.step(id, "capture", &format!(r#"{{"duration_seconds":{seconds}}}"#)).await
    }

    /// Balance, held, available.
    pub async fn standing(&self) -> (String, String, String) {
        let answer = self.get("/billing/balance").await.expect(200);
        let of = |name| number(&answer.text, name);
        (of("balance"), of("pending_charges"), of("available"))
    }

    /// As time goes by, with what is due in it.
    pub async fn wait(&self, seconds: u32) {
        let body = format!(r#"{{"advance_seconds":{seconds}}}"#);
        self.app.post("/api/v1/admin/clock", &body).bearer(&self.operator).send().await.expect(200);
    }

    /// A change by the operator.
    pub async fn operate(&self, method: &str, path: &str, body: &str) -> Answer {
        let call = self.app.call(method, &format!("/api/v1{path}")).json(body).bearer(&self.operator);
        call.organization(self.organization).send().await.expect(200)
    }

    pub fn assert_sound(&self) {
        let verified = self.app.db().read_blocking(|tx| tollbook::calls::verify::run(tx.conn()));
        verified.expect("the book is sound");
    }
}

pub fn id(answer: &Answer) -> String {
    answer.json["id"].as_str().unwrap().to_owned()
}

pub fn three(a: &str, b: &str, c: &str) -> (String, String, String) {
    (a.to_owned(), b.to_owned(), c.to_owned())
}
