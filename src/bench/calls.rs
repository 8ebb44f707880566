//! Calls as a platform would have them: asked for, heard of once, captured.

use std::rc::Rc;

use serde::Deserialize;

use super::client::Head;
use super::events::KINDS;
use super::ids::{Ids, Random, uuid};
use super::load::Source;
use super::site::Site;
use crate::base::{Clock, Credits, SystemClock};

/// Which of [`KINDS`] every call turns out to be.
const KIND: usize = 1;

/// Where a connection is with its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    #[default]
    Ask,
    Extend,
    Capture,
}

#[derive(Debug, Default)]
struct InProgress {
    step: Step,
    organization: usize,
    id: String,
}

/// Leads calls of many organizations through their lives; being asked for is what counts.
pub(super) struct Calls {
    site: Rc<Site>,
    ask: Head,
    random: Random,
    /// By connection.
    in_progress: Vec<InProgress>,
    /// By organization: credits of what was captured, in millionths.
    spent: Vec<i64>,
}

#[derive(Deserialize)]
struct Authorized {
    id: String,
    authorized: bool,
}

#[derive(Deserialize)]
struct Extended {
    #[serde(rename = "continue")]
    goes_on: bool,
}

#[derive(Deserialize)]
struct Captured {
    duplicate: bool,
    credits: Credits,
}

impl Calls {
    pub(super) fn new(site: Rc<Site>) -> Self {
        Self {
            ask: Head::new("POST", "/api/v1/usage/authorizations", &[("authorization", &site.bearer)]),
            spent: vec![0; site.organizations.len()],
            site,
            random: Random::new(),
            in_progress: Vec::new(),
        }
    }

    /// Credits that were charged to each organization, in millionths.
    pub(super) fn spent(&self) -> &[i64] {
        &self.spent
    }

    fn step(&self, id: &str, what: &str, body: &str, out: &mut Vec<u8>) {
        let path = format!("/api/v1/usage/authorizations/{id}/{what}");
        Head::new("POST", &path, &[("authorization", &self.site.bearer)]).with_json(body.as_bytes(), out);
    }

    fn seconds() -> u32 {
        KINDS.get(KIND).map_or(0, |(_, seconds, _)| *seconds)
    }
}

impl Source for Calls {
    fn prepare(&mut self, connection: usize, out: &mut Vec<u8>) {
        if self.in_progress.len() <= connection {
            self.in_progress.resize_with(connection + 1, InProgress::default);
        }
        let organization = self.random.below(self.site.organizations.len());
        let id = uuid(Ids::Random, SystemClock.now().millis().unsigned_abs(), &mut self.random);
        let Some(call) = self.in_progress.get_mut(connection) else { return };
        match call.step {
            Step::Ask => {
                call.organization = organization;
                let name = self.site.organizations.get(organization).map_or("", |o| o.id.as_str());
                let body = format!(
                    r#"{{"organization":"{name}","agent_id":"agent-1","call_id":"{}","meter":"voice","direction":"outbound"}}"#,
                    String::from_utf8_lossy(&id)
                );
                self.ask.with_json(body.as_bytes(), out);
            }
            Step::Extend => {
                let id = call.id.clone();
                self.step(&id, "extend", r#"{"elapsed_seconds":20}"#, out);
            }
            Step::Capture => {
                let id = call.id.clone();
                let body = format!(r#"{{"duration_seconds":{}}}"#, Self::seconds());
                self.step(&id, "capture", &body, out);
            }
        }
    }

    fn judge(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<u64, String> {
        let unreadable = |error: serde_json::Error| format!("an answer that is not as documented ({error})");
        let call = self.in_progress.get_mut(connection).ok_or("an answer to nothing")?;
        match call.step {
            Step::Ask => {
                let answer: Authorized = serde_json::from_slice(body).map_err(unreadable)?;
                if status != 201 || !answer.authorized {
                    return Err("a call that was not let in".into());
                }
                (call.id, call.step) = (answer.id, Step::Extend);
                Ok(1)
            }
            Step::Extend => {
                let answer: Extended = serde_json::from_slice(body).map_err(unreadable)?;
                if status != 200 || !answer.goes_on {
                    return Err("a call that may not go on".into());
                }
                call.step = Step::Capture;
                Ok(0)
            }
            Step::Capture => {
                let answer: Captured = serde_json::from_slice(body).map_err(unreadable)?;
                let price = self.site.prices.get(KIND).copied().unwrap_or(0);
                if status != 200 || answer.duplicate || answer.credits.micros() != price {
                    return Err(format!("a call that was not charged {price} millionths"));
                }
                if let Some(sum) = self.spent.get_mut(call.organization) {
                    *sum += price;
                }
                call.step = Step::Ask;
                Ok(0)
            }
        }
    }
}
