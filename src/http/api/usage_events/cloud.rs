//! Events in the form of CloudEvents 1.0 (JSON).
//!
//! | CloudEvent | event |
//! |---|---|
//! | `id` | `id` |
//! | `time` | `occurred_at` |
//! | `subject` | `organization`; a subject that is neither `org_…` nor `ext:…` is the platform's own id |
//! | `type` | the meter is what stands after the last dot, unless `data.meter` says another |
//! | `source` | kept, and part of what makes it the same event |
//! | `data` | everything else, under the same names |
//!
//! Extension attributes are allowed, as the standard asks, and not kept.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::event::{Attributes, EventBody, Mode, Names};
use crate::base::{Credits, Quantity, Text};
use crate::http::body::is_json;
use crate::http::error::FieldError;

/// How the fields are called in a CloudEvent.
pub(super) const NAMES: Names =
    Names { organization: "subject", meter: "type", occurred_at: "time", prefix: "data." };

/// The envelope.
#[derive(Deserialize)]
pub(super) struct CloudEvent<'a> {
    #[serde(borrow, default)]
    specversion: Option<Text<'a>>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    time: Option<Text<'a>>,
    #[serde(borrow, default)]
    subject: Option<Text<'a>>,
    #[serde(borrow, default)]
    datacontenttype: Option<Text<'a>>,
    #[serde(default)]
    data_base64: Option<IgnoredAny>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
}

/// The payload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<'a> {
    #[serde(borrow, default)]
    workspace: Option<Text<'a>>,
    #[serde(borrow, default)]
    agent_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    number_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    call_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    meter: Option<Text<'a>>,
    #[serde(default)]
    quantity: Option<Quantity>,
    #[serde(borrow, default)]
    attributes: Option<Attributes<'a>>,
    #[serde(default)]
    carrier_cost: Option<Credits>,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

impl<'a> CloudEvent<'a> {
    /// The event inside, or what is wrong with the envelope.
    pub fn open(self) -> Result<EventBody<'a>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut wrong = |param: &str, code: &'static str, message: &str| {
            errors.push(FieldError::new(param, code, message));
        };
        match self.specversion.as_deref() {
            Some("1.0") => {}
            Some(_) => wrong("specversion", "invalid_value", "must be 1.0"),
            None => wrong("specversion", "required", "is required"),
        }
        match self.source.map(RawValue::get) {
            Some(text) if text.starts_with('"') && text != "\"\"" => {}
            Some(_) => wrong("source", "invalid_value", "must be a string that is not empty"),
            None => wrong("source", "required", "is required"),
        }
        if self.kind.as_deref().is_none_or(str::is_empty) {
            wrong("type", "required", "is required");
        }
        if self.data_base64.is_some() {
            wrong("data_base64", "unknown_field", "is not taken: send data as JSON");
        }
        if self.datacontenttype.as_deref().is_some_and(|text| !is_json_type(text)) {
            wrong("datacontenttype", "invalid_value", "must be application/json");
        }
        let Some(data) = self.data else {
            wrong("data", "required", "is required");
            return Err(errors);
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(EventBody {
            id: self.id,
            organization: self.subject.map(organization),
            workspace: data.workspace,
            agent_id: data.agent_id,
            number_id: data.number_id,
            call_id: data.call_id,
            meter: data.meter.or_else(|| self.kind.map(last_part)),
            quantity: data.quantity,
            occurred_at: self.time,
            attributes: data.attributes,
            carrier_cost: data.carrier_cost,
            mode: data.mode,
            metadata: data.metadata,
            source: self.source,
        })
    }
}

fn is_json_type(text: &str) -> bool {
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    is_json(&media_type)
}

/// The organization that a subject names: one without a sign of what it is, is the platform's own id.
fn organization(subject: Text<'_>) -> Text<'_> {
    if subject.starts_with("org_") || subject.starts_with("ext:") {
        return subject;
    }
    Text(format!("ext:{}", &*subject).into())
}

/// What stands after the last dot.
fn last_part(kind: Text<'_>) -> Text<'_> {
    match kind.0 {
        std::borrow::Cow::Borrowed(text) => Text(text.rsplit('.').next().unwrap_or(text).into()),
        std::borrow::Cow::Owned(text) => Text(text.rsplit('.').next().unwrap_or(&text).to_owned().into()),
    }
}
