//! Request bodies: read whole, bounded in size and time, and parsed so that every wrong field is named at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::State;
use super::error::{ApiError, Code, FieldError};

/// How long a client may take between two pieces of a body.
const PIECE_WAIT: Duration = Duration::from_secs(20);
/// After this many wrong fields the rest is not looked for.
const MAX_FIELD_ERRORS: usize = 32;

/// The raw body of a batch, within the limit for batches, with its media type in lower case and without parameters.
pub struct Batch {
    /// The bytes.
    pub bytes: Bytes,
    /// For example `application/json`; empty when the request does not say.
    pub media_type: String,
}

/// A JSON body of type `T`, within the limit for ordinary bodies.
///
/// Without a body at all, `T` is read from `{}`, so that a POST whose fields are all optional needs none.
pub struct Json<T>(pub T);

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl FromRequest for Batch {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = media_type(req);
        let declared = content_length(req);
        let payload = payload.take();
        let limit = State::of(req).map_or(0, |state| state.settings.batch_body_limit);
        Box::pin(async move {
            let bytes = read(declared, payload, limit).await?;
            Ok(Self { bytes, media_type })
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = json_bytes(req, payload);
        Box::pin(async move { decode(&bytes.await?).map(Self) })
    }
}

/// A JSON body that changes a thing although the method does not say so: it must be there.
pub struct Change<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Change<T> {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = bytes_of(req, payload, true);
        Box::pin(async move { decode(&bytes.await?).map(Self) })
    }
}

/// The bytes of a JSON body within the limit for ordinary ones; `{}` where there is none at all. What replaces or changes
/// a thing must say what it becomes: taking nothing for `{}` would clear it.
pub(super) fn json_bytes(req: &HttpRequest, payload: &mut Payload) -> Extracting<Bytes> {
    bytes_of(req, payload, req.method() == Method::PUT || req.method() == Method::PATCH)
}

fn bytes_of(req: &HttpRequest, payload: &mut Payload, required: bool) -> Extracting<Bytes> {
    let media_type = media_type(req);
    let declared = content_length(req);
    let payload = payload.take();
    let limit = State::of(req).map_or(0, |state| state.settings.body_limit);
    Box::pin(async move {
        let bytes = read(declared, payload, limit).await?;
        if bytes.is_empty() {
            if required {
                return Err(ApiError::new(Code::InvalidBody).message("The body is missing."));
            }
            return Ok(Bytes::from_static(b"{}"));
        }
        if !is_json(&media_type) {
            return Err(ApiError::new(Code::UnsupportedMediaType));
        }
        Ok(bytes)
    })
}

/// True for `application/json` and its kind (`application/cloudevents+json`).
#[must_use]
pub fn is_json(media_type: &str) -> bool {
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

pub(super) fn media_type(req: &HttpRequest) -> String {
    let value = req.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) fn content_length(req: &HttpRequest) -> usize {
    let value = req.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    value.and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// Reads a body, refusing one that is or says it is longer than `limit` bytes.
///
/// # Errors
/// Too large, too slow, or cut off.
pub async fn read(declared: usize, mut payload: Payload, limit: usize) -> Result<Bytes, ApiError> {
    let too_large =
        || ApiError::new(Code::BodyTooLarge).message(format!("The body is larger than {limit} bytes."));
    if declared > limit {
        return Err(too_large());
    }
    let mut whole: Option<BytesMut> = None;
    let mut first = Bytes::new();
    loop {
        // the usual body has come with its head, and needs no timer
        let piece = match payload.next().now_or_never() {
            Some(piece) => piece,
            None => tokio::time::timeout(PIECE_WAIT, payload.next())
                .await
                .map_err(|_| ApiError::new(Code::RequestTimeout))?,
        };
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| ApiError::new(Code::InvalidBody))?;
        if first.is_empty() && whole.is_none() {
            // the usual body comes in one piece and is not copied
            first = piece;
        } else {
            whole.get_or_insert_with(|| BytesMut::from(first.as_ref())).extend_from_slice(&piece);
        }
        if whole.as_ref().map_or(first.len(), BytesMut::len) > limit {
            return Err(too_large());
        }
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}

/// Checks that `bytes` are one JSON value and nothing else.
///
/// # Errors
/// `invalid_json`, with the place.
pub fn well_formed(bytes: &[u8]) -> Result<(), ApiError> {
    let invalid =
        |what: &str| ApiError::new(Code::InvalidJson).message(format!("The body is not JSON: {what}."));
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8"))?;
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| invalid(&error.to_string()))
}

/// Parses a whole body into `T`.
///
/// # Errors
/// `invalid_json` for what is not JSON; else `validation_failed` with every wrong field.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // whether the text is JSON at all matters only once something is wrong
    parse(bytes, "").map_err(|errors| well_formed(bytes).err().unwrap_or_else(|| ApiError::fields(errors)))
}

/// Parses well-formed JSON into `T`, or says everything that is wrong with its fields. `prefix` is put before
/// the names of the fields (`events[3]`).
///
/// # Errors
/// The fields that are wrong, in the order in which they were found; never empty.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], prefix: &str) -> Result<T, Vec<FieldError>> {
    // derived types take an array of their fields, too; the API does not
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| *byte != b'{') {
        return Err(vec![Flaw::at("", "must be an object").into_field(prefix)]);
    }
    // the path to a wrong field costs time to track, so only a body known to be wrong is parsed that way
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(_) => Err(flaws(bytes, prefix, |bytes| first_flaw::<T>(bytes))),
    }
}

/// Everything that is wrong with JSON that did not parse: parses again and again, each time without the fields already
/// found wrong. `first` is [`first_flaw`] of the type that was wanted.
pub fn flaws(bytes: &[u8], prefix: &str, first: impl Fn(&[u8]) -> Option<Flaw>) -> Vec<FieldError> {
    let Ok(Members(mut members)) = serde_json::from_slice::<Members>(bytes) else {
        return vec![Flaw::at("", "must be an object").into_field(prefix)];
    };
    let mut errors: Vec<FieldError> = Vec::new();
    let mut text = bytes.to_vec();
    while errors.len() < MAX_FIELD_ERRORS {
        let Some(flaw) = first(&text) else { break };
        let member = flaw.member().to_owned();
        let missing = flaw.code == "required" && flaw.path == member;
        let known = errors.iter().any(|e| e.param == joined(prefix, &flaw.path));
        if !known {
            errors.push(flaw.into_field(prefix));
        }
        members.retain(|(name, _)| *name != member);
        if (missing || known) && !fill(&mut members, &member, &first) {
            break;
        }
        text = to_text(&members);
    }
    if errors.is_empty() {
        errors.push(FieldError::new(joined(prefix, "body"), "invalid", "does not have the right form"));
    }
    errors
}

/// Puts something in the place of a required field, so that the others can be looked at. False when nothing
/// fits it.
fn fill(
    members: &mut Vec<(String, Box<RawValue>)>,
    name: &str,
    first: &impl Fn(&[u8]) -> Option<Flaw>,
) -> bool {
    for candidate in ["null", "\"\"", "0", "false", "[]", "{}"] {
        let Ok(value) = RawValue::from_string(candidate.to_owned()) else { return false };
        members.push((name.to_owned(), value));
        let fits = first(&to_text(members)).is_none_or(|flaw| flaw.member() != name);
        if fits {
            return true;
        }
        members.pop();
    }
    false
}

fn to_text(members: &[(String, Box<RawValue>)]) -> Vec<u8> {
    let mut text = vec![b'{'];
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend(serde_json::to_vec(name).unwrap_or_default());
        text.push(b':');
        text.extend_from_slice(value.get().as_bytes());
    }
    text.push(b'}');
    text
}

/// What the parser stumbled over.
pub struct Flaw {
    path: String,
    code: &'static str,
    message: String,
}

impl Flaw {
    fn at(path: &str, message: &str) -> Self {
        Self { path: path.to_owned(), code: "invalid_type", message: message.to_owned() }
    }

    /// The member of the root object in which it lies.
    fn member(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or_default()
    }

    fn into_field(self, prefix: &str) -> FieldError {
        let path = if self.path.is_empty() && prefix.is_empty() { "body" } else { &self.path };
        FieldError::new(joined(prefix, path), self.code, self.message)
    }
}

fn joined(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        ("", _) => path.to_owned(),
        (_, "") => prefix.to_owned(),
        (_, _) if path.starts_with('[') => format!("{prefix}{path}"),
        (_, _) => format!("{prefix}.{path}"),
    }
}

/// The first thing that keeps `bytes` from being a `T`.
#[must_use]
pub fn first_flaw<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<Flaw> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut parser) else { return None };
    let path = error.path().to_string();
    let path = if path == "." || path == "?" { String::new() } else { path };
    let inner = error.into_inner();
    let text = inner.to_string();
    // serde adds the place in the text, which is not the client's text any more
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    Some(match inner.classify() {
        Category::Data => flaw(&path, text),
        Category::Io | Category::Syntax | Category::Eof => Flaw::at(&path, "is not valid JSON"),
    })
}

/// Reads serde's own messages; a test holds their wording.
fn flaw(path: &str, text: &str) -> Flaw {
    let named = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    let below = |name: &str| if path.ends_with(name) { path.to_owned() } else { joined(path, name) };
    if text.starts_with("unknown field") {
        let path = below(&named(text));
        return Flaw { path, code: "unknown_field", message: "is not a field of this request".into() };
    }
    if text.starts_with("missing field") {
        return Flaw { path: below(&named(text)), code: "required", message: "is required".into() };
    }
    if text.starts_with("duplicate field") {
        let path = below(&named(text));
        return Flaw { path, code: "duplicate_field", message: "is there more than once".into() };
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        let allowed = rest.split_once("expected").map_or("", |(_, allowed)| allowed).replace('`', "");
        let allowed = allowed.trim().trim_start_matches("one of ");
        return Flaw {
            path: path.into(),
            code: "invalid_value",
            message: format!("must be one of {allowed}"),
        };
    }
    if let Some((_, expected)) = text.split_once(", expected ") {
        let what = if text.starts_with("invalid type") { "invalid_type" } else { "invalid_value" };
        return Flaw { path: path.into(), code: what, message: format!("must be {}", plain(expected)) };
    }
    Flaw { path: path.into(), code: "invalid_value", message: text.to_owned() }
}

/// Rust's names of types, for people who do not write Rust.
fn plain(expected: &str) -> String {
    match expected {
        "i8" | "i16" | "i32" | "i64" => "a whole number".into(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative".into(),
        "a borrowed string" | "string" | "str" => "a string".into(),
        "a sequence" => "an array".into(),
        "a map" => "an object".into(),
        "any valid JSON value" => "a value".into(),
        other if other.starts_with("struct ") => "an object".into(),
        other => other.to_owned(),
    }
}

/// The members of a JSON object, in order and as they were written.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
