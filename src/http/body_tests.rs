use serde::Deserialize;

use super::*;
use crate::base::{Credits, Currency, Timestamp};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Order {
    name: String,
    credits: Credits,
    currency: Option<Currency>,
    kind: Kind,
    #[serde(default)]
    lines: Vec<Line>,
    at: Option<Timestamp>,
    count: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Free,
    PaidTopUp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Line {
    price: Credits,
    label: Option<String>,
}

fn errors(json: &str) -> Vec<(String, String)> {
    let errors = parse::<Order>(json.as_bytes(), "").expect_err(json);
    errors.into_iter().map(|e| (e.param, format!("{}: {}", e.code, e.message))).collect()
}

fn one(json: &str) -> (String, String) {
    let all = errors(json);
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().expect("one")
}

#[test]
fn amounts_stay_exact_on_the_way_in() {
    let json =
        r#"{"name":"a","credits":9223372036854.775807,"kind":"paid_top_up","lines":[{"price":0.000001}]}"#;
    let order: Order = parse(json.as_bytes(), "").expect("valid");
    assert_eq!(order.credits.micros(), i64::MAX);
    assert_eq!(order.lines[0].price.micros(), 1);
    // and when the path is tracked, too
    let mut parser = serde_json::Deserializer::from_str(json);
    let order: Order = serde_path_to_error::deserialize(&mut parser).expect("valid");
    assert_eq!(order.credits.micros(), i64::MAX);
}

#[test]
fn a_wrong_field_is_named_with_its_path() {
    let base = |rest: &str| format!(r#"{{"name":"a","credits":1,"kind":"free"{rest}}}"#);
    let cases = [
        (
            base(r#","lines":[{"price":1},{"price":0.0000001}]"#),
            "lines[1].price",
            "invalid_value: has more than 6 decimals",
        ),
        (
            base(r#","lines":[{"price":1,"prise":2}]"#),
            "lines[0].prise",
            "unknown_field: is not a field of this request",
        ),
        (base(r#","lines":[{"label":"x"}]"#), "lines[0].price", "required: is required"),
        (base(r#","lines":[{"price":"1"}]"#), "lines[0].price", "invalid_value: is not a number"),
        (base(r#","lines":7"#), "lines", "invalid_type: must be an array"),
        (base(r#","nmae":1"#), "nmae", "unknown_field: is not a field of this request"),
        (base(r#","name":"b""#), "name", "duplicate_field: is there more than once"),
        (
            base(r#","currency":"EURO""#),
            "currency",
            "invalid_value: is not an ISO 4217 currency code with a minor unit, such as EUR",
        ),
        (base(r#","count":-1"#), "count", "invalid_value: must be a whole number, not negative"),
        (base(r#","count":"1""#), "count", "invalid_type: must be a whole number, not negative"),
    ];
    for (json, param, message) in cases {
        assert_eq!(one(&json), (param.to_owned(), message.to_owned()), "{json}");
    }
    let (param, message) = one(r#"{"name":"a","credits":1,"kind":"gratis"}"#);
    assert_eq!(
        (param.as_str(), message.as_str()),
        ("kind", "invalid_value: must be one of free or paid_top_up")
    );
    assert_eq!(one("[1]").0, "body");
    assert_eq!(one("7"), ("body".to_owned(), "invalid_type: must be an object".to_owned()));
}

#[test]
fn all_wrong_fields_are_named_at_once() {
    let names = |json: &str| errors(json).into_iter().map(|(param, _)| param).collect::<Vec<_>>();
    assert_eq!(names("{}"), ["name", "credits", "kind"]);
    assert_eq!(
        names(r#"{"name":7,"credits":true,"kind":[],"x":1,"y":2}"#),
        ["name", "credits", "kind", "x", "y"]
    );
    assert_eq!(
        names(r#"{"credits":1e-9,"at":"yesterday","lines":[{"label":1}]}"#),
        ["credits", "at", "lines[0].label", "name", "kind"]
    );
}

#[test]
fn a_prefix_tells_the_events_of_a_batch_apart() {
    let errors = parse::<Line>(br#"{"price":null}"#, "events[3]").expect_err("wrong");
    assert_eq!(errors[0].param, "events[3].price");
    let errors = parse::<Line>(b"17", "events[4]").expect_err("wrong");
    assert_eq!(errors[0].param, "events[4]");
}

#[test]
fn what_is_not_json_is_malformed() {
    for bad in [&b""[..], b"{", b"{\"a\":1,}", b"{} {}", b"nul", b"\xff\xfe", b"{\"a\":\xc3\x28}"] {
        let error = well_formed(bad).expect_err("malformed");
        assert_eq!(error.code(), Code::InvalidJson);
    }
    assert!(well_formed(b" {\"a\": [1, 2.5e3, null]} ").is_ok());
    // nesting is bounded, so that a hostile body cannot exhaust the stack
    let deep = "[".repeat(100_000);
    assert!(well_formed(deep.as_bytes()).is_err());
}

proptest::proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(text in "[\\[\\]{}\",:a-z0-9.\\\\ -]{0,64}") {
        if well_formed(text.as_bytes()).is_ok() {
            let _ = parse::<Order>(text.as_bytes(), "");
        }
    }
}
