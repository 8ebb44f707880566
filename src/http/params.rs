//! Query parameters and parts of the path.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::error::{ApiError, Code, FieldError};
use crate::base::Timestamp;

/// The query parameters of one request. What is not asked for is refused by name, for a mistyped filter would
/// answer with the wrong total.
#[derive(Debug)]
pub struct Params {
    given: Vec<Given>,
    errors: Vec<FieldError>,
}

#[derive(Debug)]
struct Given {
    name: String,
    value: String,
    taken: bool,
}

/// Something read from query parameters. `None` only after an error was noted.
pub trait FromParams: Sized {
    /// Takes what it needs.
    fn from_params(params: &mut Params) -> Option<Self>;
}

/// The query of a request as a `T`.
pub struct Query<T>(pub T);

impl Params {
    /// The parameters of a query string.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let given = pairs.into_iter().map(|(name, value)| Given { name, value, taken: false }).collect();
        Self { given, errors: Vec::new() }
    }

    /// The text of a parameter; an empty one counts as absent, as an empty form field sends it.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let mut found = None;
        let mut times = 0;
        for given in self.given.iter_mut().filter(|given| given.name == name) {
            given.taken = true;
            times += 1;
            found = Some(given.value.clone());
        }
        if times > 1 {
            self.error(name, "duplicate_parameter", "is there more than once");
        }
        found.filter(|text| !text.is_empty())
    }

    /// A parameter that may be left out.
    pub fn optional<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(name, "invalid_value", error.to_string());
                None
            }
        }
    }

    /// A parameter that must be there.
    pub fn required<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let known = self.errors.len();
        let value = self.optional(name);
        if value.is_none() && self.errors.len() == known {
            self.error(name, "required", "is required");
        }
        value
    }

    /// The half-open stretch of time `from` (inclusive) to `to` (exclusive).
    pub fn period(&mut self) -> Period {
        let from = self.optional::<Timestamp>("from");
        let to = self.optional::<Timestamp>("to");
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            self.error("to", "invalid_value", "must be later than from");
        }
        Period { from, to }
    }

    /// Notes that a parameter is wrong.
    pub fn error(&mut self, name: &str, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, code, message));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Everything noted, and every parameter nobody asked for.
    pub fn finish(mut self) -> Result<(), ApiError> {
        let unknown = self.given.iter().filter(|given| !given.taken);
        self.errors.extend(unknown.map(|given| {
            FieldError::new(&given.name, "unknown_parameter", "is not a parameter of this request")
        }));
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::fields(self.errors)) }
    }
}

/// A half-open stretch of time; an end that is absent is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
}

impl FromParams for Period {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(params.period())
    }
}

impl<T: FromParams> Query<T> {
    /// Reads a query string.
    ///
    /// # Errors
    /// Every parameter that is wrong, missing or unknown.
    pub fn parse(query: &str) -> Result<Self, ApiError> {
        let mut params = Params::parse(query);
        let value = T::from_params(&mut params);
        params.finish()?;
        value.map(Self).ok_or_else(|| ApiError::internal("a query was refused without a reason"))
    }
}

impl<T: FromParams> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(req.query_string()))
    }
}

/// The path's `{id}` as a `T`. A text that cannot be one names nothing: 404.
pub struct PathId<T>(pub T);

impl<T: FromStr> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = req.match_info().get("id").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(|| ApiError::new(Code::NotFound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(query: &str) -> Vec<(String, String)> {
        let mut params = Params::parse(query);
        params.period();
        params.optional::<u32>("count");
        let errors = params.errors.clone();
        drop(errors);
        let unknown =
            params.given.iter().filter(|g| !g.taken).map(|g| (g.name.clone(), "unknown".to_owned()));
        let mut all: Vec<(String, String)> =
            params.errors.iter().map(|e| (e.param.clone(), e.code.to_string())).collect();
        all.extend(unknown);
        all
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(wrong("from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00%2B01:00&count=3"), []);
        assert_eq!(wrong("from=&to="), []);
        assert_eq!(wrong("from=2026-01-01"), [pair("from", "invalid_value")]);
        assert_eq!(wrong("from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z"), [pair("to", "invalid_value")]);
        assert_eq!(
            wrong("count=-1&limti=3&count=2"),
            [pair("count", "duplicate_parameter"), pair("limti", "unknown")]
        );
    }

    #[test]
    fn what_is_required_must_be_there() {
        let mut params = Params::parse("a=x");
        assert_eq!(params.required::<u32>("a"), None);
        assert_eq!(params.required::<u32>("b"), None);
        let codes: Vec<_> = params.errors.iter().map(|e| e.code.as_ref()).collect();
        assert_eq!(codes, ["invalid_value", "required"]);
        assert!(params.finish().is_err());
    }
}
