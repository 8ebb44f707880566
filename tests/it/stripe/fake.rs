//! A Stripe of our own on a free port: it answers with the objects that Stripe documents, keeps what was made under a key,
//! and misbehaves when told to.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

pub const KEY: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";
pub const VERSION: &str = "2026-09-30.endive";

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It is carried out, and nothing is answered for longer than anybody waits.
    Hangs,
    /// It is carried out, and the line is cut.
    HangsUp,
    /// It is not carried out.
    Fails(u16),
    /// It is not carried out, and Stripe says that it is of no use to send it again.
    FailsForGood(u16),
    /// It is carried out, but the answer is an error of the machinery.
    FailsAfterwards(u16),
    /// It is carried out, and the answer breaks off.
    BreaksOff,
    /// It is carried out, and the answer does not end.
    Floods,
    /// It is carried out, and somebody else answers.
    Page(u16),
    /// It is carried out, and the answer is of another form.
    OtherForm,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub form: Vec<(String, String)>,
}

impl Asked {
    pub fn key(&self) -> Option<&str> {
        self.headers.get("idempotency-key").map(String::as_str)
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The form as one would write it down.
    pub fn lines(&self) -> Vec<String> {
        self.form.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

#[derive(Default)]
struct World {
    objects: BTreeMap<String, Value>,
    answered: BTreeMap<String, (Asked, u16, Value)>,
    asked: Vec<Asked>,
    mishaps: VecDeque<Mishap>,
    made: usize,
    /// Cards that do not pay, with the code of the decline.
    declined: BTreeMap<String, (&'static str, &'static str)>,
}

/// The fake.
#[derive(Clone)]
pub struct Fake {
    pub addr: SocketAddr,
    world: Arc<Mutex<World>>,
}

impl Fake {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self { addr: listener.local_addr().unwrap(), world: Arc::default() };
        let served = fake.clone();
        // ends with the process
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let fake = served.clone();
                std::thread::spawn(move || fake.serve(&stream));
            }
        });
        fake
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// What happens to the next requests.
    pub fn next(&self, mishaps: &[Mishap]) {
        self.world().mishaps = mishaps.iter().copied().collect();
    }

    /// The requests so far, which are forgotten.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.world().asked)
    }

    /// Objects of a kind, by the beginning of their ids.
    pub fn of_kind(&self, prefix: &str) -> Vec<Value> {
        let world = self.world();
        world
            .objects
            .iter()
            .filter(|(id, _)| id.starts_with(prefix))
            .map(|(_, object)| object.clone())
            .collect()
    }

    pub fn change(&self, id: &str, fields: Value) {
        set(self.world().objects.get_mut(id).unwrap(), fields);
    }

    /// Somebody deletes it in the dashboard.
    pub fn remove(&self, id: &str) {
        self.world().objects.remove(id).unwrap();
    }

    /// A card that a customer has.
    pub fn card(&self, customer: Option<&str>, fields: Value) -> String {
        let mut world = self.world();
        let id = world.insert("payment_method", "pm_", json!({"customer": customer}));
        set(&mut world.objects.get_mut(&id).unwrap()["card"], fields);
        id
    }

    /// Has the bank decline a card.
    pub fn declines(&self, card: &str, code: &'static str, decline_code: &'static str) {
        self.world().declined.insert(card.to_owned(), (code, decline_code));
    }

    /// What the customer does on Stripe's page: a payment intent comes into being and stands as `status` says.
    pub fn pays(&self, session: &str, status: &str, error: &Value) -> String {
        let mut world = self.world();
        let before = world.objects[session].clone();
        let intent = before["payment_intent"].as_str().map_or_else(
            || {
                let metadata = before["hidden_intent_metadata"].clone();
                let fields = json!({"amount": before["amount_total"], "currency": before["currency"], "metadata": metadata});
                world.insert("payment_intent", "pi_", fields)
            },
            str::to_owned,
        );
        let received = if status == "succeeded" { before["amount_total"].clone() } else { json!(0) };
        let fields = json!({"status": status, "last_payment_error": error, "amount_received": received});
        set(world.objects.get_mut(&intent).unwrap(), fields);
        if status == "succeeded" {
            world.charged(&intent);
        }
        let fields = match status {
            "succeeded" => json!({"status": "complete", "payment_status": "paid"}),
            "processing" => json!({"status": "complete"}),
            _ => json!({}),
        };
        let kept = world.objects.get_mut(session).unwrap();
        set(kept, fields);
        kept["payment_intent"] = json!(intent);
        intent
    }

    /// Gives a card on Stripe's page, for it to be kept.
    pub fn sets_up(&self, session: &str, card: &str) -> String {
        let mut world = self.world();
        let before = world.objects[session].clone();
        let fields = json!({"metadata": before["hidden_intent_metadata"], "customer": before["customer"],
            "payment_method": card, "status": "succeeded"});
        let intent = world.insert("setup_intent", "seti_", fields);
        set(world.objects.get_mut(session).unwrap(), json!({"status": "complete", "setup_intent": intent}));
        intent
    }

    /// The bank asks for the money of an intent back.
    pub fn disputes(&self, intent: &str, status: &str) -> String {
        let mut world = self.world();
        let amount = world.objects[intent]["amount"].clone();
        let fields = json!({"payment_intent": intent, "amount": amount, "currency": "eur", "status": status});
        world.insert("dispute", "du_", fields)
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(asked) = read(&mut reader) {
            let mishap = {
                let mut world = self.world();
                world.asked.push(asked.clone());
                world.mishaps.pop_front()
            };
            let (status, body) = match mishap {
                Some(Mishap::Fails(status) | Mishap::FailsForGood(status)) => (status, trouble(status)),
                _ => self.world().answer(&asked),
            };
            if !tell(stream, mishap, status, &body) {
                return;
            }
        }
    }
}

fn trouble(status: u16) -> Value {
    let (kind, code) = match status {
        409 => ("invalid_request_error", "idempotency_key_in_use"),
        429 => ("invalid_request_error", "rate_limit"),
        _ => ("api_error", "api_error"),
    };
    json!({"error": {"type": kind, "code": code, "message": "Try again later."}})
}

/// Answers; false when the line is of no use any more.
fn tell(mut stream: &TcpStream, mishap: Option<Mishap>, status: u16, body: &Value) -> bool {
    let text = body.to_string();
    let mut send = |status: u16, extra: &str, length: usize, text: &str| {
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{extra}\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).is_ok()
    };
    match mishap {
        None | Some(Mishap::Fails(_)) => send(status, "", text.len(), &text),
        Some(Mishap::FailsForGood(_)) => send(status, "stripe-should-retry: false\r\n", text.len(), &text),
        Some(Mishap::FailsAfterwards(status)) => {
            let text = trouble(status).to_string();
            send(status, "", text.len(), &text)
        }
        Some(Mishap::Hangs) => {
            std::thread::sleep(Duration::from_secs(5));
            false
        }
        Some(Mishap::HangsUp) => false,
        Some(Mishap::BreaksOff) => {
            send(status, "", text.len(), &text[..text.len() / 2]);
            false
        }
        Some(Mishap::Floods) => {
            let flood = " ".repeat(1 << 16);
            send(status, "", usize::MAX >> 8, &text);
            // until nobody listens
            while send(100, "", 0, &flood) {}
            false
        }
        Some(Mishap::Page(status)) => send(status, "", 25, "<html>Sign in here</html>"),
        Some(Mishap::OtherForm) => send(200, "", 29, "{\"object\":\"list\",\"data\":[1]}\n"),
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut parts = first.split(' ');
    let (method, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let pairs = |text: &[u8]| serde_urlencoded::from_bytes::<Vec<(String, String)>>(text).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Asked { method, path: path.to_owned(), query: pairs(query.as_bytes()), headers, form: pairs(&body) })
}

fn set(object: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { return };
    for (name, value) in fields {
        object[name] = value;
    }
}

fn documented(kind: &str) -> Value {
    serde_json::from_str::<Value>(include_str!("objects.json")).unwrap()[kind].clone()
}

fn missing(what: &str, id: &str) -> (u16, Value) {
    let message = format!("No such {what}: '{id}'");
    let error = json!({"type": "invalid_request_error", "code": "resource_missing", "message": message, "param": what});
    (if what == "object" { 404 } else { 400 }, json!({"error": error}))
}

fn refused(code: &str, message: &str) -> (u16, Value) {
    (400, json!({"error": {"type": "invalid_request_error", "code": code, "message": message}}))
}

impl World {
    fn insert(&mut self, kind: &str, prefix: &str, fields: Value) -> String {
        self.made += 1;
        let id = format!("{prefix}{}fake", self.made);
        let mut object = documented(kind);
        set(&mut object, json!({"id": id, "customer": null, "metadata": {}}));
        set(&mut object, fields);
        self.objects.insert(id.clone(), object);
        id
    }

    /// The money of an intent has come.
    fn charged(&mut self, intent: &str) {
        let paid = self.objects[intent].clone();
        let fields =
            json!({"amount": paid["amount"], "currency": paid["currency"], "payment_intent": intent});
        let charge = self.insert("charge", "ch_", fields);
        let card = paid["payment_method"].as_str().map(|card| self.objects[card]["card"].clone());
        if let Some(card) = card {
            self.objects.get_mut(&charge).unwrap()["payment_method_details"]["card"] = card;
        }
        let fields =
            json!({"latest_charge": charge, "status": "succeeded", "amount_received": paid["amount"]});
        let kept = self.objects.get_mut(intent).unwrap();
        set(kept, fields);
        if kept["payment_method"].is_null() {
            kept["payment_method"] = json!("pm_of_a_guest");
        }
    }

    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        if asked.headers.get("authorization") != Some(&format!("Bearer {KEY}")) {
            let error = json!({"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_****7dd"});
            return (401, json!({"error": error}));
        }
        assert_eq!(asked.headers.get("stripe-version").map(String::as_str), Some(VERSION));
        let key = if asked.method == "POST" { asked.key() } else { None };
        let Some(key) = key else { return self.carry_out(asked) };
        if let Some((before, status, body)) = self.answered.get(key) {
            if (&before.path, &before.form) == (&asked.path, &asked.form) {
                return (*status, body.clone());
            }
            let message = "Keys for idempotent requests can only be used with the same parameters.";
            return (400, json!({"error": {"type": "idempotency_error", "message": message}}));
        }
        let (status, body) = self.carry_out(asked);
        self.answered.insert(key.to_owned(), (asked.clone(), status, body.clone()));
        (status, body)
    }

    fn carry_out(&mut self, asked: &Asked) -> (u16, Value) {
        let path: Vec<&str> = asked.path.trim_start_matches("/v1/").split('/').collect();
        let made = match (asked.method.as_str(), path.as_slice()) {
            ("POST", ["checkout", "sessions"]) => self.session(asked),
            ("POST", ["payment_intents"]) => self.intent(asked),
            ("POST", ["setup_intents"]) => self.setup_intent(asked),
            ("POST", ["customers"]) => Ok(self.insert("customer", "cus_", customer(asked))),
            ("POST", ["customers", id]) if self.objects.contains_key(*id) => {
                set(self.objects.get_mut(*id).unwrap(), customer(asked));
                Ok((*id).to_owned())
            }
            ("POST", ["payment_methods", id, "detach"]) if self.objects.contains_key(*id) => {
                let kept = self.objects.get_mut(*id).unwrap();
                if kept["customer"].is_null() {
                    Err(refused("payment_method_unexpected_state", "It is not attached to a customer."))
                } else {
                    kept["customer"] = Value::Null;
                    Ok((*id).to_owned())
                }
            }
            ("POST", ["payment_intents", id, "cancel"]) if self.objects.contains_key(*id) => {
                let kept = self.objects.get_mut(*id).unwrap();
                if kept["status"] == "succeeded" {
                    Err(refused("payment_intent_unexpected_state", "It has a status of succeeded."))
                } else {
                    kept["status"] = json!("canceled");
                    Ok((*id).to_owned())
                }
            }
            ("POST", ["refunds"]) => self.refund(asked),
            ("GET", [.., id]) if self.objects.contains_key(*id) => Ok((*id).to_owned()),
            (_, [.., "detach" | "cancel"] | []) => Err(missing("object", "")),
            (_, [.., id]) => Err(missing("object", id)),
        };
        let id = match made {
            Ok(id) => id,
            Err(refusal) => return refusal,
        };
        let mut object = self.objects[&id].clone();
        let wanted = asked.form.iter().chain(&asked.query).filter(|(name, _)| name.starts_with("expand["));
        for (_, path) in wanted {
            self.expand(&mut object, path);
        }
        if let Value::Object(fields) = &mut object {
            fields.remove("hidden_intent_metadata");
        }
        (200, object)
    }

    fn expand(&self, object: &mut Value, path: &str) {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let inner = &mut object[first];
        if let Some(found) = inner.as_str().and_then(|id| self.objects.get(id)) {
            *inner = found.clone();
        }
        if let Some(rest) = rest.filter(|_| !inner.is_null()) {
            self.expand(inner, rest);
        }
    }

    fn customer_of(&self, asked: &Asked) -> Result<Value, (u16, Value)> {
        match asked.field("customer") {
            Some(id) if !self.objects.contains_key(id) => Err(missing("customer", id)),
            found => Ok(json!(found)),
        }
    }

    fn session(&mut self, asked: &Asked) -> Result<String, (u16, Value)> {
        let mode = asked.field("mode").unwrap();
        let price = |field: &str| asked.field(&format!("line_items[0][price_data][{field}]"));
        let of_intent = if mode == "setup" { "setup_intent_data" } else { "payment_intent_data" };
        let fields = json!({
            "mode": mode,
            "customer": self.customer_of(asked)?,
            "amount_total": price("unit_amount").map(|amount| amount.parse::<i64>().unwrap()),
            "currency": price("currency"),
            "client_reference_id": asked.field("client_reference_id"),
            "metadata": {"tollbook_id": asked.field("metadata[tollbook_id]")},
            "hidden_intent_metadata": {"tollbook_id": asked.field(&format!("{of_intent}[metadata][tollbook_id]"))},
            "payment_intent": null,
        });
        let id = self.insert("checkout.session", "cs_test_", fields);
        self.objects.get_mut(&id).unwrap()["url"] = json!(format!("https://checkout.stripe.com/c/pay/{id}"));
        Ok(id)
    }

    fn intent(&mut self, asked: &Asked) -> Result<String, (u16, Value)> {
        let card = asked.field("payment_method");
        if let Some(card) = card.filter(|card| !self.objects.contains_key(*card)) {
            return Err(missing("payment_method", card));
        }
        let fields = json!({
            "amount": asked.field("amount").unwrap().parse::<i64>().unwrap(),
            "currency": asked.field("currency"),
            "customer": self.customer_of(asked)?,
            "payment_method": card,
            "metadata": {"tollbook_id": asked.field("metadata[tollbook_id]")},
            "last_payment_error": null,
        });
        let id = self.insert("payment_intent", "pi_", fields);
        if asked.field("confirm") != Some("true") {
            return Ok(id);
        }
        let Some((code, decline_code)) = card.and_then(|card| self.declined.get(card)).copied() else {
            self.charged(&id);
            return Ok(id);
        };
        let error = json!({"type": "card_error", "code": code, "decline_code": decline_code, "message": "It was declined."});
        let kept = self.objects.get_mut(&id).unwrap();
        set(
            kept,
            json!({"status": "requires_payment_method", "last_payment_error": error, "payment_method": null}),
        );
        let intent = kept.clone();
        let mut error = error;
        error["payment_intent"] = intent;
        Err((402, json!({"error": error})))
    }

    fn setup_intent(&mut self, asked: &Asked) -> Result<String, (u16, Value)> {
        let fields = json!({
            "customer": self.customer_of(asked)?,
            "metadata": {"tollbook_id": asked.field("metadata[tollbook_id]")},
            "last_setup_error": null,
        });
        Ok(self.insert("setup_intent", "seti_", fields))
    }

    fn refund(&mut self, asked: &Asked) -> Result<String, (u16, Value)> {
        let intent = asked.field("payment_intent").unwrap();
        let Some(paid) = self.objects.get(intent).and_then(|found| found["amount_received"].as_i64()) else {
            return Err(missing("payment_intent", intent));
        };
        let amount: i64 = asked.field("amount").unwrap().parse().unwrap();
        let given: i64 = self
            .objects
            .iter()
            .filter(|(id, object)| id.starts_with("re_") && object["payment_intent"] == json!(intent))
            .map(|(_, object)| object["amount"].as_i64().unwrap())
            .sum();
        if given + amount > paid {
            return Err(refused(
                "charge_already_refunded",
                "Refund amount is greater than unrefunded amount.",
            ));
        }
        let fields = json!({"amount": amount, "currency": "eur", "payment_intent": intent, "status": "pending",
            "metadata": {"tollbook_id": asked.field("metadata[tollbook_id]")}});
        Ok(self.insert("refund", "re_", fields))
    }
}

fn customer(asked: &Asked) -> Value {
    let address: serde_json::Map<String, Value> = asked
        .form
        .iter()
        .filter_map(|(name, value)| {
            Some((name.strip_prefix("address[")?.strip_suffix(']')?.to_owned(), json!(value)))
        })
        .collect();
    json!({"name": asked.field("name"), "email": asked.field("email"), "address": address,
        "metadata": {"tollbook_id": asked.field("metadata[tollbook_id]"), "vat_id": asked.field("metadata[vat_id]")}})
}
