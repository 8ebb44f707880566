//! Forms that come back: what was typed and, from the operation's own errors, what is wrong with it. And forms that act
//! once, however often they are sent.

use actix_web::http::StatusCode;

use super::components::Problem;
use super::components::field::FormState;
use crate::db::WriteTx;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code};
use crate::http::form::{Form, TOKEN_FIELD};
use crate::idempotency::{self, Begin, Fingerprint, Key, Owner, Request};

/// The hidden field that makes a form act once.
pub const KEY_FIELD: &str = "idempotency_key";
/// Answers of forms are no answers of the API.
const STATUS: u16 = 303;

/// What is said when nothing was changed.
pub const NOTHING_MOVED: &str = "Nothing was changed.";

/// What was typed into the fields `names`.
#[must_use]
pub fn typed(form: &Form, names: &[&str]) -> FormState {
    // of check boxes every ticked one counts
    let text = |name: &str| match form.all(name) {
        [_, _, ..] => form.all(name).join(","),
        _ => form.text(name).to_owned(),
    };
    let values = names.iter().map(|name| ((*name).to_owned(), text(name))).collect();
    FormState { values, ..FormState::default() }
}

/// Puts an error where it belongs: beside its fields, of those in `names`, or above the form. Answers the status of
/// the page that shows it.
///
/// # Errors
/// The error itself, when it is not about what was typed.
pub fn explain(
    state: &mut FormState,
    names: &[&str],
    error: ApiError,
    request_id: &str,
) -> Result<StatusCode, ApiError> {
    let status = error.code().status();
    let is_typed =
        matches!(status.as_u16(), 400 | 401 | 409 | 422 | 429) || error.code() == Code::Unavailable;
    if !is_typed {
        return Err(error);
    }
    let mut elsewhere = error.wrong_fields().is_empty();
    for wrong in error.wrong_fields() {
        if names.contains(&wrong.param.as_str()) {
            state.errors.entry(wrong.param.clone()).or_insert_with(|| wrong.message.clone());
        } else {
            elsewhere = true;
        }
    }
    match error.param_name() {
        Some(name) if error.code() == Code::AlreadyExists && names.contains(&name) => {
            state.errors.insert(name.to_owned(), "is taken already".into());
        }
        _ if elsewhere => {
            state.problem = Some(Problem {
                what: error.body(request_id).message.to_owned(),
                moved: NOTHING_MOVED.into(),
                next: "Look at what you typed and try again.".into(),
                request_id: request_id.to_owned(),
            });
        }
        _ => {}
    }
    Ok(status)
}

/// Reads a field as a `T`; what is wrong with it is noted beside it.
pub fn read<T: std::str::FromStr>(state: &mut FormState, name: &str) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    match state.value(name) {
        "" => {
            state.errors.insert(name.to_owned(), "is missing".into());
            None
        }
        text => match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                state.errors.insert(name.to_owned(), format!("{error}"));
                None
            }
        },
    }
}

/// The form again, after its operation was refused.
///
/// # Errors
/// The error itself, when it is not about what was typed. `secret` fields are never put back.
pub fn refused(
    form: &Form,
    names: &[&str],
    secret: &[&str],
    error: ApiError,
    admitted: &Admitted,
) -> Result<FormState, ApiError> {
    let mut state = typed(form, names);
    let all: Vec<&str> = names.iter().chain(secret).copied().collect();
    explain(&mut state, &all, error, &admitted.request_id.to_string())?;
    Ok(state)
}

/// A form about to act.
pub struct Once {
    request: Request,
}

impl Once {
    /// The form that was sent to `path`, with the key that its page was given.
    ///
    /// # Errors
    /// When the form carries no key.
    pub fn new(owner: Owner, path: &str, form: &Form) -> Result<Self, ApiError> {
        let key: Key = format!("form:{}", form.text(KEY_FIELD))
            .parse()
            .ok()
            .filter(|_| !form.text(KEY_FIELD).is_empty())
            .ok_or_else(|| ApiError::new(Code::CrossSite))?;
        let sent = form.canonical(&[TOKEN_FIELD, KEY_FIELD]);
        let fingerprint = Fingerprint::of(&[b"form", path.as_bytes(), sent.as_bytes()]);
        Ok(Self { request: Request { owner, key, fingerprint } })
    }

    /// Acts, unless this form has acted before. Gives the word that was kept of it, and whether it was kept before.
    ///
    /// # Errors
    /// The operation's own; `idempotency_conflict` when the page was used for something else meanwhile.
    pub fn act(
        &self,
        tx: &WriteTx<'_>,
        operation: impl FnOnce() -> Result<String, ApiError>,
    ) -> Result<(String, bool), ApiError> {
        match idempotency::begin(tx, &self.request)? {
            Begin::Replay { body, .. } => Ok((String::from_utf8_lossy(&body).into_owned(), true)),
            Begin::Conflict => Err(ApiError::new(Code::IdempotencyConflict)
                .message("This page was used to send something else already.")),
            Begin::New => {
                let word = operation()?;
                idempotency::finish(tx, &self.request, STATUS, word.as_bytes())?;
                Ok((word, false))
            }
        }
    }
}

/// A key for the form of the page that is being made: requests have ids of their own already.
#[must_use]
pub fn fresh_key(admitted: &Admitted) -> String {
    admitted.request_id.to_string()
}
