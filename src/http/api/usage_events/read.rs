//! From a body to events: one or many, in Tollbook's own form or as CloudEvents.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::cloud::{self, CloudEvent};
use super::event::{Defaults, EventBody, Names};
use crate::base::Text;
use crate::http::body::{Batch, first_flaw, flaws, well_formed};
use crate::http::error::{ApiError, Code, FieldError};
use crate::ledger::Canon;
use crate::metering::EventIn;

/// How events are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Tollbook's own.
    Plain,
    /// CloudEvents 1.0.
    Cloud,
}

impl Form {
    pub fn names(self) -> &'static Names {
        match self {
            Self::Plain => &Names::PLAIN,
            Self::Cloud => &cloud::NAMES,
        }
    }
}

/// An event of a batch that is none.
pub(super) struct Bad {
    /// Its place.
    pub index: usize,
    /// Its id, as far as it can be read.
    pub id: Option<String>,
    /// What is wrong.
    pub error: ApiError,
}

/// What a request holds.
pub(super) enum Sent {
    /// One event.
    One(EventIn),
    /// An array: what can be charged, and what cannot, each in its order.
    Many { good: Vec<EventIn>, bad: Vec<Bad> },
}

/// Reads a request.
///
/// # Errors
/// When the request as a whole makes no sense, or its one event does not.
pub(super) fn request(batch: &Batch, max: usize) -> Result<(Form, Sent), ApiError> {
    let bytes = &batch.bytes;
    let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let (form, many) = match batch.media_type.as_str() {
        "application/json" => (Form::Plain, is_array),
        "application/cloudevents+json" => (Form::Cloud, false),
        "application/cloudevents-batch+json" => (Form::Cloud, true),
        _ => {
            return Err(ApiError::new(Code::UnsupportedMediaType).message(
                "Send application/json, application/cloudevents+json or application/cloudevents-batch+json.",
            ));
        }
    };
    let sent = match many {
        true if !is_array => {
            well_formed(bytes)?;
            return Err(ApiError::field("body", "invalid_type", "must be an array"));
        }
        true => self::many(form, bytes, max)?,
        false => Sent::One(one(form, bytes, None)?),
    };
    Ok((form, sent))
}

/// Reads one event.
///
/// # Errors
/// `invalid_json`, or everything that is wrong with the event.
pub(super) fn one(form: Form, bytes: &[u8], defaults: Option<&Defaults>) -> Result<EventIn, ApiError> {
    let event = body(form, bytes).and_then(|body| body.check(form.names(), defaults, &mut Canon::new()));
    // whether the text is JSON at all matters only once something is wrong
    event.map_err(|errors| well_formed(bytes).err().unwrap_or_else(|| ApiError::fields(errors)))
}

fn body(form: Form, bytes: &[u8]) -> Result<EventBody<'_>, Vec<FieldError>> {
    match form {
        Form::Plain => serde_json::from_slice(bytes)
            .map_err(|_| flaws(bytes, "", |bytes| first_flaw::<EventBody<'_>>(bytes))),
        Form::Cloud => serde_json::from_slice::<CloudEvent<'_>>(bytes)
            .map_err(|_| flaws(bytes, "", |bytes| first_flaw::<CloudEvent<'_>>(bytes)))?
            .open(),
    }
}

/// Reads an array. What is wrong with one event is no matter to the others.
fn many(form: Form, bytes: &[u8], max: usize) -> Result<Sent, ApiError> {
    if form == Form::Plain
        && let Some(good) = all_good(bytes, max)?
    {
        return Ok(Sent::Many { good, bad: Vec::new() });
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut canon = Canon::new();
    let count = each(bytes, max, |index, raw: &RawValue| {
        let text = raw.get().as_bytes();
        match body(form, text).and_then(|body| body.check(form.names(), None, &mut canon)) {
            Ok(event) => good.push(event),
            Err(errors) => bad.push(Bad { index, id: id_of(text), error: ApiError::fields(errors) }),
        }
        true
    });
    bounded(count.map_err(|_| not_json(bytes))?, max)?;
    Ok(Sent::Many { good, bad })
}

/// Reads an array in one go; `None` when something is wrong with any event, and it has to be read piece by piece.
fn all_good(bytes: &[u8], max: usize) -> Result<Option<Vec<EventIn>>, ApiError> {
    let mut good = Vec::new();
    let mut canon = Canon::new();
    let count = each(bytes, max, |_, body: EventBody<'_>| {
        let event = body.check(&Names::PLAIN, None, &mut canon).ok();
        let fits = event.is_some();
        good.extend(event);
        fits
    });
    let Ok(count) = count else { return Ok(None) };
    bounded(count, max)?;
    Ok((good.len() == count).then_some(good))
}

fn bounded(count: usize, max: usize) -> Result<(), ApiError> {
    #[derive(serde::Serialize)]
    struct Details {
        events: usize,
        max: usize,
    }
    if count <= max {
        return Ok(());
    }
    Err(ApiError::new(Code::BatchTooLarge)
        .message(format!("There are {count} events in the request; at most {max} are taken at once."))
        .details(&Details { events: count, max }))
}

fn not_json(bytes: &[u8]) -> ApiError {
    well_formed(bytes).err().unwrap_or_else(|| ApiError::new(Code::InvalidJson))
}

/// The id of an event that could not be read, for whoever has to find it.
fn id_of(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: Text<'a>,
    }
    serde_json::from_slice::<Identified<'_>>(text).ok().map(|event| event.id.0.into_owned())
}

/// Calls `f` with up to `max` elements of an array, as long as it answers true. Answers how many there are.
fn each<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    max: usize,
    f: impl FnMut(usize, T) -> bool,
) -> Result<usize, serde_json::Error> {
    struct Each<T, F>(usize, F, PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnMut(usize, T) -> bool> DeserializeSeed<'de> for Each<T, F> {
        type Value = usize;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
            deserializer.deserialize_seq(self)
        }
    }
    impl<'de, T: Deserialize<'de>, F: FnMut(usize, T) -> bool> Visitor<'de> for Each<T, F> {
        type Value = usize;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<usize, A::Error> {
            let mut count = 0;
            while count < self.0 {
                let Some(element) = seq.next_element()? else { return Ok(count) };
                let goes_on = (self.1)(count, element);
                count += 1;
                if !goes_on {
                    break;
                }
            }
            while seq.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(count)
        }
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let count = Each(max, f, PhantomData).deserialize(&mut parser)?;
    parser.end()?;
    Ok(count)
}
