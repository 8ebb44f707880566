//! What providers tell. An event is believed to say that something happened, never what: for that the provider is asked.

use serde::Deserialize;

/// What is read of a webhook's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The provider's id of it.
    pub id: String,
    /// What kind of thing happened.
    pub kind: String,
    /// To what.
    pub reference: String,
}

/// The longest id or type.
const MAX_CHARS: usize = 255;

impl Event {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no event.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Body {
            id: String,
            #[serde(rename = "type")]
            kind: String,
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            object: Object,
        }
        #[derive(Deserialize)]
        struct Object {
            #[serde(default)]
            id: String,
        }
        let body: Body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let event = Self { id: body.id, kind: body.kind, reference: body.data.object.id };
        let fits = |text: &String| text.len() <= MAX_CHARS;
        if event.id.is_empty() || ![&event.id, &event.kind, &event.reference].into_iter().all(fits) {
            return Err("id or type is missing or too long".into());
        }
        Ok(event)
    }
}
