//! Forms of the pages. They are read, and their origin is checked, before any handler runs.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};

use super::State;
use super::access::Admitted;
use super::body;
use super::cookie::{self, refuse_cross_site};
use super::error::{ApiError, Code};
use crate::identity::csrf_matches;

/// The hidden field that every form of a signed-in person carries.
pub const TOKEN_FIELD: &str = "csrf";

/// What a form sent: names and values. A name that is there twice keeps all its values.
#[derive(Debug, Clone, Default)]
pub struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// The text of a field without the space around it; empty when it is absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", |text| text.trim())
    }

    /// The text of a field exactly as typed (passwords).
    #[must_use]
    pub fn verbatim(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// All values of a field (check boxes).
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// True when a check box is ticked.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// The field as a `T`; none when it is empty.
    ///
    /// # Errors
    /// Why the text is not one.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>, T::Err> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }

    /// All fields but some, in one form that is equal for equal input.
    #[must_use]
    pub fn canonical(&self, without: &[&str]) -> String {
        let fields = self.0.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        let pairs: Vec<(&str, &str)> = fields
            .flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), value.trim())))
            .collect();
        serde_urlencoded::to_string(pairs).unwrap_or_default()
    }

    fn of(bytes: &[u8]) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes).unwrap_or_default();
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs {
            fields.entry(name).or_default().push(value);
        }
        Self(fields)
    }
}

/// Reads the form of a request that changes something, if it is one, and checks that the page was ours.
///
/// # Errors
/// `cross_site`, and those of reading a body.
pub async fn check(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    payload: &mut Payload,
) -> Result<(), ApiError> {
    if *req.method() == Method::GET || *req.method() == Method::HEAD {
        return Ok(());
    }
    refuse_cross_site(req)?;
    let media_type = body::media_type(req);
    let bytes = body::read(body::content_length(req), payload.take(), state.settings.body_limit).await?;
    if !bytes.is_empty() && media_type != "application/x-www-form-urlencoded" {
        return Err(ApiError::new(Code::UnsupportedMediaType).message("Send the form as a form."));
    }
    let form = Form::of(&bytes);
    // before somebody is signed in, a cookie of the page stands for the session
    let secret = admitted.session_token().map(str::to_owned).or_else(|| cookie::visitor(state, req));
    if !secret.is_some_and(|secret| csrf_matches(&secret, form.text(TOKEN_FIELD))) {
        return Err(ApiError::new(Code::CrossSite));
    }
    req.extensions_mut().insert(form);
    Ok(())
}

impl FromRequest for Form {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        // one that only asks is in the address
        let asked = || Self::of(req.query_string().as_bytes());
        ready(Ok(req.extensions_mut().remove::<Self>().unwrap_or_else(asked)))
    }
}
