//! What an event said beyond what is priced: kept as it came, as one JSON object.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base::Credits;

/// The parts of [`UsageEvent::extra`](super::UsageEvent::extra).
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Extra<'a> {
    /// What the carrier charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_cost: Option<Credits>,
    /// The source of a CloudEvent: part of what makes it the same event.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub source: Option<&'a RawValue>,
    /// Attributes that nothing is priced by: a JSON object.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<&'a RawValue>,
    /// The platform's own remarks: a JSON object.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
}

impl<'a> Extra<'a> {
    /// One compact text; `None` when there is nothing to keep.
    #[must_use]
    pub fn to_text(&self) -> Option<Box<str>> {
        let Self { carrier_cost, source, attributes, metadata } = self;
        if carrier_cost.is_none() && source.is_none() && attributes.is_none() && metadata.is_none() {
            return None;
        }
        serde_json::to_string(self).ok().map(|text| compact(&text).into_boxed_str())
    }

    /// Reads what [`Extra::to_text`] wrote; nothing where the text is none of it.
    #[must_use]
    pub fn read(text: Option<&'a str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// JSON without the white space between its tokens, so that an event sent again by another printer is the same.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            quoted = c == '"';
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_only_between_tokens() {
        assert_eq!(compact("{ \"a b\" :\n[1, \"\\\" x\\\\\", 2 ] }"), r#"{"a b":[1,"\" x\\",2]}"#);
    }

    #[test]
    fn what_is_kept_comes_back_and_nothing_is_kept_of_nothing() {
        assert_eq!(Extra::default().to_text(), None);
        let metadata: Box<RawValue> = serde_json::from_str(r#"{"n": 1.10}"#).expect("json");
        let extra = Extra {
            carrier_cost: Some(Credits::from_micros(1_500_000)),
            metadata: Some(&metadata),
            ..Extra::default()
        };
        let text = extra.to_text().expect("something");
        assert_eq!(&*text, r#"{"carrier_cost":1.5,"metadata":{"n":1.10}}"#);
        let back = Extra::read(Some(&text));
        assert_eq!(back.carrier_cost.map(Credits::micros), Some(1_500_000));
        assert_eq!(back.metadata.map(RawValue::get), Some(r#"{"n":1.10}"#));
        assert!(Extra::read(Some("[]")).metadata.is_none());
    }

    proptest::proptest! {
        #[test]
        fn compacting_changes_no_value(text in "[ -~]{0,20}", n in -9_i64..9) {
            let value = serde_json::json!({ "k": text, "list": [n, text, { "x": null }] });
            let printed = serde_json::to_string_pretty(&value).expect("json");
            let back: serde_json::Value = serde_json::from_str(&compact(&printed)).expect("json");
            proptest::prop_assert_eq!(&back, &value);
            proptest::prop_assert_eq!(compact(&printed), value.to_string());
        }
    }
}
