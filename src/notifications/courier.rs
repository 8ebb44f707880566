//! Sends deliveries: work of the outbox, one attempt each.

use std::sync::Arc;

use reqwest::{RequestBuilder, Response};
use serde_json::json;

use super::mail::{Outgoing, Sender};
use super::{Channel, Delivery, State, endpoints, sql};
use crate::base::id::DeliveryId;
use crate::base::time::{DAY_MS, SECOND_MS};
use crate::config::Secret;
use crate::db::Db;
use crate::invoices::pdf::{self, Letterhead};
use crate::outbox::{Failure, MAX_ATTEMPTS, Work};
use crate::outside::Guarded;

/// Bytes read of an answer, and characters kept.
const MAX_ANSWER: usize = 1_000;

/// Through whom text messages are sent.
#[derive(Debug, Clone)]
pub struct SmsTerms {
    /// Where the service is, without a slash at the end.
    pub api_base: String,
    /// Which account sends.
    pub account: String,
    /// Its secret.
    pub token: Secret,
    /// The number that they come from.
    pub from: String,
}

/// Sends deliveries.
#[derive(Clone)]
pub struct Courier {
    /// Where they are written down.
    pub db: Db,
    /// For addresses that customers give.
    pub guard: Guarded,
    /// For the service that sends text messages, which the operator has chosen.
    pub client: reqwest::Client,
    /// None: mail is kept.
    pub mail: Option<Sender>,
    /// None: text messages are not sent.
    pub sms: Option<SmsTerms>,
    /// What invoices look like.
    pub letterhead: Arc<Letterhead>,
    /// An endpoint that failed for so many days is switched off.
    pub disable_after_days: u32,
}

/// How an attempt went.
struct Outcome {
    status: Option<u16>,
    answer: String,
    result: Result<(), Failure>,
    /// The other side says that it is not there any more.
    gone: bool,
    /// Nothing was sent: the endpoint is switched off.
    off: bool,
}

impl Outcome {
    fn failed(failure: Failure) -> Self {
        let (Failure::Later(answer) | Failure::Never(answer)) = &failure;
        Self { status: None, answer: answer.clone(), result: Err(failure), gone: false, off: false }
    }
}

impl Courier {
    /// Carries out work of the kind [`super::SEND`].
    ///
    /// # Errors
    /// Why it came to nothing.
    pub async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        let number: i64 = work.subject.parse().map_err(|_| Failure::Never("no such delivery".into()))?;
        let id = DeliveryId::new(number);
        let work_id = work.id;
        let found = self.db.read(move |tx| {
            let Some(delivery) = sql::of_work(tx, id, work_id)? else { return Ok(None) };
            let endpoint = delivery.endpoint.map(|id| sql::get_endpoint(tx, id)).transpose()?;
            Ok::<_, crate::db::DbError>(Some((delivery, endpoint.flatten())))
        });
        // ended meanwhile, or handed to newer work
        let Some((delivery, endpoint)) = found.await? else { return Ok(()) };
        let began = self.db.now();
        let outcome = match delivery.channel {
            Channel::Webhook => self.call(&delivery, endpoint).await,
            Channel::Email => self.mail(&delivery).await,
            Channel::Slack => self.slack(&delivery).await,
            Channel::Sms => self.text(&delivery).await,
        };
        let result = outcome.result.clone();
        self.note(&work, delivery, outcome, began).await?;
        result
    }

    async fn note(
        &self,
        work: &Work,
        delivery: Delivery,
        outcome: Outcome,
        began: crate::base::Timestamp,
    ) -> Result<(), Failure> {
        let state = match &outcome.result {
            Ok(()) => State::Delivered,
            Err(Failure::Later(_)) if work.attempts < MAX_ATTEMPTS => State::Waiting,
            Err(_) => State::Dead,
        };
        let (work_id, is_off) = (work.id, outcome.off);
        let state = if is_off { State::Kept } else { state };
        let patience_ms = i64::from(self.disable_after_days) * DAY_MS;
        let noted = self.db.write(move |tx| -> Result<(), super::Error> {
            let now = tx.now();
            let after = sql::After {
                work: work_id,
                state,
                at: now,
                took_ms: now.millis().saturating_sub(began.millis()),
                status: outcome.status,
                answer: &outcome.answer,
                failed: outcome.result.is_err(),
            };
            sql::note_attempt(tx.conn()?, delivery.id, &after)?;
            if let Some(id) = delivery.endpoint.filter(|_| !is_off) {
                let result = outcome.result.as_ref().map(|&()| ()).map_err(|_| outcome.answer.as_str());
                endpoints::note(tx, id, result, (patience_ms, outcome.gone))?;
            }
            Ok(())
        });
        noted.await.map_err(|error| Failure::Later(error.to_string()))
    }

    async fn call(&self, delivery: &Delivery, endpoint: Option<endpoints::Endpoint>) -> Outcome {
        let Some(endpoint) = endpoint else {
            return Outcome::failed(Failure::Never("the endpoint was deleted".into()));
        };
        // a test is sent whatever else is
        if endpoint.disabled.is_some() && delivery.subject != crate::events::Kind::WebhookTest.name() {
            // kept, to be sent once it is on again
            let answer = "the endpoint is switched off".to_owned();
            return Outcome { status: None, answer, result: Ok(()), gone: false, off: true };
        }
        let now = self.db.now();
        let seconds = now.millis().div_euclid(SECOND_MS);
        let signature =
            super::signing::sign(endpoint.secrets(now), &delivery.message_id, seconds, &delivery.body);
        let request = match self.guard.post(&endpoint.url) {
            Ok(request) => request,
            Err(refused) => return Outcome::failed(Failure::Later(refused.to_string())),
        };
        let request = request
            .header("content-type", "application/json")
            .header("webhook-id", &delivery.message_id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(delivery.body.clone());
        sent(request).await
    }

    async fn slack(&self, delivery: &Delivery) -> Outcome {
        match self.guard.post(&delivery.target) {
            Ok(request) => sent(request.json(&json!({ "text": delivery.body }))).await,
            Err(refused) => Outcome::failed(Failure::Never(refused.to_string())),
        }
    }

    /// As Twilio's `Messages` resource takes it.
    async fn text(&self, delivery: &Delivery) -> Outcome {
        let Some(sms) = &self.sms else {
            return Outcome::failed(Failure::Never("no service for text messages is configured".into()));
        };
        let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", sms.api_base, sms.account);
        let form = [("To", &delivery.target), ("From", &sms.from), ("Body", &delivery.body)];
        sent(self.client.post(url).basic_auth(&sms.account, Some(sms.token.expose())).form(&form)).await
    }

    async fn mail(&self, delivery: &Delivery) -> Outcome {
        let Some(sender) = &self.mail else {
            return Outcome::failed(Failure::Never("no mail server is configured".into()));
        };
        let attachment = match self.attachment(delivery).await {
            Ok(attachment) => attachment,
            Err(failure) => return Outcome::failed(failure),
        };
        let outgoing = Outgoing {
            to: &delivery.target,
            // an event goes to several addresses, and each mail is one of its own
            message_id: &delivery.id.to_string(),
            subject: &delivery.subject,
            text: &delivery.body,
            html: delivery.html.as_deref().unwrap_or_default(),
            attachment,
        };
        match sender.send(outgoing).await {
            Ok(()) => {
                Outcome { status: None, answer: "taken".into(), result: Ok(()), gone: false, off: false }
            }
            Err(failure) => Outcome::failed(failure),
        }
    }

    async fn attachment(&self, delivery: &Delivery) -> Result<Option<(String, Vec<u8>)>, Failure> {
        let (Some(id), Some(organization)) = (delivery.invoice, delivery.organization) else {
            return Ok(None);
        };
        let fetched = pdf::fetch(&self.db, self.letterhead.clone(), organization, id).await;
        let (invoice, file) = fetched.map_err(|error| Failure::Later(error.to_string()))?;
        Ok(Some((format!("{}.pdf", invoice.label()), file)))
    }
}

async fn sent(request: RequestBuilder) -> Outcome {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Outcome::failed(Failure::Later(all(&error))),
    };
    let status = response.status();
    let answer = beginning(&mut response).await;
    let result = if status.is_success() {
        Ok(())
    } else {
        Err(Failure::Later(format!("{}: {answer}", status.as_u16())))
    };
    // 410 says that nobody is there any more, as Standard Webhooks has it
    Outcome { status: Some(status.as_u16()), answer, result, gone: status.as_u16() == 410, off: false }
}

/// The beginning of an answer, as far as it can be read.
async fn beginning(response: &mut Response) -> String {
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_ANSWER);
    let text = String::from_utf8_lossy(&body);
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

/// An error with its causes: the outermost alone says too little.
fn all(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text.chars().take(MAX_ANSWER).collect()
}
