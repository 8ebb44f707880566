//! Usage events as a platform would post them, and what the answers to them must say.

use std::fmt::Write as _;
use std::rc::Rc;

use serde::Deserialize;

use super::client::Head;
use super::ids::{Ids, Random, hex, uuid};
use super::load::Source;
use super::site::Site;
use crate::base::{Clock, Credits, SystemClock, Timestamp};

/// What is reported: meter, quantity, attributes.
pub(super) const KINDS: [(&str, u32, &str); 5] = [
    ("voice", 84, r#"{"direction":"inbound"}"#),
    ("voice", 30, r#"{"direction":"outbound"}"#),
    ("voice", 200, r#"{"direction":"inbound"}"#),
    ("voice", 61, r#"{"direction":"inbound"}"#),
    ("chat", 1, "{}"),
];
/// Agents of the one large organization, and of each other.
const AGENTS: (usize, usize) = (20, 3);
/// Every so many answers one is read in full.
const SAMPLE: u64 = 32;
const ACCEPTED: &[u8] = br#""duplicate":false"#;

/// Whose events they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wallets {
    /// All of the first organization.
    One,
    /// Of all other organizations, at random.
    Many,
    /// By turns.
    Both,
}

/// When the work is said to have been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Just now.
    Now,
    /// Evenly over a past time, in order, as when a platform hands in its history of so many events, of which some
    /// are done.
    Past { start_ms: i64, length_ms: i64, events: u64, done: u64 },
}

/// What to post.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Events in a request; 1 is a bare object.
    pub(super) batch: usize,
    pub(super) ids: Ids,
    pub(super) wallets: Wallets,
    pub(super) when: When,
}

/// Posts events and keeps the books on them.
pub(super) struct Events {
    shape: Shape,
    site: Rc<Site>,
    head: Head,
    random: Random,
    made: u64,
    answered: u64,
    accepted: u64,
    body: Vec<u8>,
    stamp: String,
    /// By connection: organization and credits of what is on its way, in millionths.
    sent: Vec<Vec<(usize, i64)>>,
    last_ids: Vec<[u8; 36]>,
    /// By organization: credits of what was accepted, in millionths.
    spent: Vec<i64>,
}

#[derive(Deserialize)]
struct One {
    id: String,
    duplicate: bool,
    credits: Credits,
}

#[derive(Deserialize)]
struct Many {
    results: Vec<One>,
}

impl Events {
    pub(super) fn new(site: Rc<Site>, shape: Shape) -> Self {
        let spent = vec![0; site.organizations.len()];
        Self {
            shape,
            head: Head::new("POST", "/api/v1/usage/events", &[("authorization", &site.bearer)]),
            site,
            random: Random::new(),
            made: 0,
            answered: 0,
            accepted: 0,
            body: Vec::new(),
            stamp: String::new(),
            sent: Vec::new(),
            last_ids: Vec::new(),
            spent,
        }
    }

    /// Credits that were charged to each organization, in millionths.
    pub(super) fn spent(&self) -> &[i64] {
        &self.spent
    }

    /// How many events were accepted.
    pub(super) const fn accepted(&self) -> u64 {
        self.accepted
    }

    fn organization(&mut self) -> usize {
        let one = match self.shape.wallets {
            Wallets::One => true,
            Wallets::Many => false,
            Wallets::Both => self.made.is_multiple_of(2),
        };
        if one { 0 } else { 1 + self.random.below(self.site.organizations.len() - 1) }
    }

    /// The second that the next events fall into, as text without its milliseconds.
    fn set_stamp(&mut self, now_ms: i64) {
        let at_ms = match self.shape.when {
            // a second ago, so that the milliseconds do not lead into the future
            When::Now => now_ms - 1_000,
            When::Past { start_ms, length_ms, events, done } => {
                let made = i128::from((self.made + done).min(events));
                let passed = i128::from(length_ms) * made / i128::from(events.max(1));
                start_ms + i64::try_from(passed).unwrap_or(length_ms)
            }
        };
        self.stamp.clear();
        // writing to a String cannot fail
        let _ = write!(self.stamp, "{}", Timestamp::from_millis(at_ms - at_ms.rem_euclid(1_000)));
        self.stamp.pop();
    }

    /// Writes one event; the organization and price of it.
    fn event(&mut self, now_ms: i64) -> (usize, i64, [u8; 36]) {
        let organization = self.organization();
        let kind = self.random.below(KINDS.len());
        let (meter, quantity, attributes) = KINDS.get(kind).copied().unwrap_or(("voice", 84, "{}"));
        let agents = if organization == 0 { AGENTS.0 } else { AGENTS.1 };
        let agent = self.random.below(agents);
        let id = uuid(self.shape.ids, now_ms.unsigned_abs(), &mut self.random);
        let bits = self.random.next();
        let name = self.site.organizations.get(organization).map_or("", |o| o.id.as_str());
        self.made += 1;
        let body = &mut self.body;
        body.extend_from_slice(br#"{"id":""#);
        body.extend_from_slice(&id);
        body.extend_from_slice(br#"","organization":""#);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(br#"","agent_id":"agent-"#);
        body.extend_from_slice(&decimal(agent + 1, 2));
        body.extend_from_slice(br#"","call_id":"call_"#);
        body.extend((0..16).map(|digit| hex(u128::from(bits >> (digit * 4)))));
        body.extend_from_slice(br#"","meter":""#);
        body.extend_from_slice(meter.as_bytes());
        body.extend_from_slice(br#"","quantity":"#);
        body.extend_from_slice(quantity.to_string().as_bytes());
        body.extend_from_slice(br#","occurred_at":""#);
        body.extend_from_slice(self.stamp.as_bytes());
        body.push(b'.');
        body.extend_from_slice(&decimal(usize::try_from(bits % 1_000).unwrap_or(0), 3));
        body.extend_from_slice(br#"Z","attributes":"#);
        body.extend_from_slice(attributes.as_bytes());
        body.push(b'}');
        (organization, self.site.prices.get(kind).copied().unwrap_or(0), id)
    }

    fn read_in_full(&self, connection: usize, body: &[u8]) -> Result<(), String> {
        let unreadable = |error: serde_json::Error| format!("an answer that is not as documented ({error})");
        let results = if self.shape.batch == 1 {
            vec![serde_json::from_slice::<One>(body).map_err(unreadable)?]
        } else {
            serde_json::from_slice::<Many>(body).map_err(unreadable)?.results
        };
        let sent = self.sent.get(connection).map(Vec::as_slice).unwrap_or_default();
        if results.len() != sent.len() {
            return Err(format!("{} results to {} events", results.len(), sent.len()));
        }
        for (result, (_, price)) in results.iter().zip(sent) {
            if result.duplicate || result.credits.micros() != *price {
                return Err(format!("charged {} instead of {price} millionths", result.credits));
            }
        }
        let last = self.last_ids.get(connection).map(<[u8; 36]>::as_slice).unwrap_or_default();
        if results.last().map(|result| result.id.as_bytes()) != Some(last) {
            return Err("the results are not in the order of the events".into());
        }
        Ok(())
    }
}

impl Source for Events {
    fn prepare(&mut self, connection: usize, out: &mut Vec<u8>) {
        while self.sent.len() <= connection {
            self.sent.push(Vec::with_capacity(self.shape.batch));
            self.last_ids.push([0; 36]);
        }
        let now_ms = SystemClock.now().millis();
        self.set_stamp(now_ms);
        self.body.clear();
        let mut sent = self.sent.get_mut(connection).map(std::mem::take).unwrap_or_default();
        sent.clear();
        let mut last_id = [0; 36];
        for position in 0..self.shape.batch {
            if self.shape.batch > 1 {
                self.body.push(if position == 0 { b'[' } else { b',' });
            }
            let (organization, price, id) = self.event(now_ms);
            sent.push((organization, price));
            last_id = id;
        }
        if self.shape.batch > 1 {
            self.body.push(b']');
        }
        if let (Some(slot), Some(id)) = (self.sent.get_mut(connection), self.last_ids.get_mut(connection)) {
            *slot = sent;
            *id = last_id;
        }
        self.head.with_json(&self.body, out);
    }

    fn judge(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<u64, String> {
        // one event charged is 201, an array and an echo 200; whether it was charged the body tells
        if !matches!(status, 200 | 201) {
            return Err("an event was not accepted".into());
        }
        self.answered += 1;
        // every answer to a single event; for the others the balances tell in the end
        if self.shape.batch == 1 && !body.windows(ACCEPTED.len()).any(|window| window == ACCEPTED) {
            return Err("an event was not accepted as new".into());
        }
        if self.answered % SAMPLE == 1 {
            self.read_in_full(connection, body)?;
        }
        let sent = self.sent.get(connection).map(Vec::as_slice).unwrap_or_default();
        for (organization, price) in sent {
            if let Some(sum) = self.spent.get_mut(*organization) {
                *sum += price;
            }
        }
        let accepted = u64::try_from(sent.len()).unwrap_or(0);
        self.accepted += accepted;
        Ok(accepted)
    }
}

/// The last digits of a number, with zeros in front.
fn decimal(number: usize, digits: usize) -> Vec<u8> {
    format!("{number:0digits$}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::site::Organization;

    fn events(batch: usize, wallets: Wallets) -> Events {
        let organizations =
            (0..4).map(|n| Organization { id: format!("org_{n}"), start_micros: 0 }).collect();
        let site = Site {
            bearer: "Bearer x".into(),
            organizations,
            prices: vec![140_000, 70_000, 280_000, 140_000, 10_000],
        };
        let past = When::Past { start_ms: 1_790_000_000_500, length_ms: 10_000, events: 10, done: 0 };
        Events::new(Rc::new(site), Shape { batch, ids: Ids::Random, wallets, when: past })
    }

    fn body_of(request: &[u8]) -> serde_json::Value {
        let text = std::str::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_request_is_valid_json_of_the_documented_shape() {
        let mut source = events(5, Wallets::Both);
        let mut request = Vec::new();
        source.prepare(0, &mut request);
        let body = body_of(&request);
        let list = body.as_array().unwrap();
        assert_eq!(list.len(), 5);
        assert_eq!(list[0]["organization"], "org_0");
        assert_ne!(list[1]["organization"], "org_0");
        let at: Timestamp = list[4]["occurred_at"].as_str().unwrap().parse().unwrap();
        assert!((1_790_000_000_000..1_790_000_001_000).contains(&at.millis()));
        request.clear();
        source.prepare(0, &mut request);
        let later: Timestamp = body_of(&request)[0]["occurred_at"].as_str().unwrap().parse().unwrap();
        assert!((1_790_000_005_000..1_790_000_006_000).contains(&later.millis()), "{later}");
    }

    #[test]
    fn wrong_answers_are_noticed() {
        let mut source = events(1, Wallets::One);
        let mut request = Vec::new();
        source.prepare(3, &mut request);
        let id = body_of(&request)["id"].as_str().unwrap().to_owned();
        let price = Credits::from_micros(source.sent[3][0].1);
        let answer = |id: &str, duplicate: bool, credits: Credits| {
            format!(
                r#"{{"id":"{id}","duplicate":{duplicate},"items":[],"credits":{credits},"balance_after":1}}"#
            )
        };
        let dearer = Credits::from_micros(price.micros() + 1);
        for (status, body) in [
            (402, answer(&id, false, price)),
            (201, answer(&id, true, price)),
            (201, answer(&id, false, dearer)),
            (201, answer("other", false, price)),
        ] {
            source.answered = 0;
            assert!(source.judge(3, status, body.as_bytes()).is_err(), "{status} {body}");
        }
        assert_eq!(source.spent(), [0, 0, 0, 0]);
        source.answered = 0;
        assert_eq!(source.judge(3, 201, answer(&id, false, price).as_bytes()), Ok(1));
        assert_eq!(source.spent(), [price.micros(), 0, 0, 0]);
    }
}
