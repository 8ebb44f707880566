//! Stripe's own SDK as judge of signatures: what it signs is believed here, what is signed here it believes, and what
//! was tampered with neither does.

use serde_json::{Value, json};
use tollbook::base::{Clock, SystemClock, Timestamp};
use tollbook::payments::gateway::signature::{self, SignatureError};

use crate::helpers::python::Python;

const TOLERANCE_MS: i64 = 300_000;
const BODIES: [&str; 4] = [
    r#"{"id":"evt_1","type":"checkout.session.completed","data":{"object":{"id":"cs_1"}}}"#,
    "{\n  \"id\": \"evt_2\",\n  \"name\": \"Søhne & Cie, 10 €\"\n}\n",
    "",
    "not JSON. At all.",
];

struct Judge(Python);

impl Judge {
    fn ask(&mut self, what: &Value) -> String {
        self.0.say(&what.to_string());
        serde_json::from_str(&self.0.hear()).unwrap()
    }

    fn sign(&mut self, payload: &str, secret: &str, at: Timestamp) -> String {
        let timestamp = at.millis() / 1_000;
        self.ask(&json!({"payload": payload, "secret": secret, "timestamp": timestamp}))
    }

    fn believes(&mut self, payload: &str, header: &str, secret: &str) -> bool {
        let what = json!({"payload": payload, "secret": secret, "header": header, "tolerance": TOLERANCE_MS / 1_000});
        let said = self.ask(&what);
        assert!(said == "good" || said.starts_with("bad: "), "{said}");
        said == "good"
    }
}

fn believed(secrets: &[&str], header: &str, body: &str, now: Timestamp) -> Result<(), SignatureError> {
    signature::verify(secrets.iter().copied(), header, body.as_bytes(), now, TOLERANCE_MS)
}

#[test]
fn the_official_sdk_and_we_believe_the_same() {
    let mut judge = Judge(Python::run("stripe_signatures.py"));
    // the SDK goes by the machine's clock
    let now = SystemClock.now();
    for body in BODIES {
        let theirs = judge.sign(body, "whsec_a", now);
        assert_eq!(theirs, signature::sign("whsec_a", body.as_bytes(), now), "to the letter");
        assert_eq!(believed(&["whsec_a"], &theirs, body, now), Ok(()));
        assert_eq!(
            believed(&["whsec_b", "whsec_a"], &theirs, body, now),
            Ok(()),
            "while it is being replaced"
        );
        assert_eq!(believed(&["whsec_b"], &theirs, body, now), Err(SignatureError::Wrong));
        let ours = signature::sign("whsec_b", body.as_bytes(), now);
        assert!(judge.believes(body, &ours, "whsec_b"));
        assert!(!judge.believes(body, &ours, "whsec_a"));
    }
}

#[test]
fn what_was_tampered_with_neither_believes() {
    let mut judge = Judge(Python::run("stripe_signatures.py"));
    let now = SystemClock.now();
    let body = BODIES[0];
    let good = judge.sign(body, "whsec_a", now);
    let (time, signature) = good.split_once(',').unwrap();
    let flipped = if signature.ends_with('0') { "1" } else { "0" };
    let cut = &signature[..signature.len() - 1];
    for (header, sent) in [
        (good.clone(), body.replace("cs_1", "cs_2")),
        (good.clone(), format!("{body} ")),
        (good.replacen("t=1", "t=2", 1), body.to_owned()),
        (format!("{time},{cut}{flipped}"), body.to_owned()),
        (format!("{time},{cut}"), body.to_owned()),
        (format!("{time},{}", signature.replace("v1", "v0")), body.to_owned()),
        (time.to_owned(), body.to_owned()),
        (signature.to_owned(), body.to_owned()),
        (String::new(), body.to_owned()),
        (judge.sign(body, "whsec_a", now.plus_ms(-TOLERANCE_MS - 60_000)), body.to_owned()),
    ] {
        assert!(believed(&["whsec_a"], &header, &sent, now).is_err(), "{header} {sent}");
        assert!(!judge.believes(&sent, &header, "whsec_a"), "{header} {sent}");
    }
    // while a secret is being replaced Stripe signs with both
    let both = format!("{good},{}", judge.sign(body, "whsec_b", now).split_once(',').unwrap().1);
    for secret in ["whsec_a", "whsec_b"] {
        assert_eq!(believed(&[secret], &both, body, now), Ok(()));
        assert!(judge.believes(body, &both, secret));
    }
}
