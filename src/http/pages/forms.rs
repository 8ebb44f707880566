//! Forms that come back: what was typed and, from the operation's own errors, what is wrong with it.

use actix_web::http::StatusCode;

use super::components::Problem;
use super::components::field::FormState;
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;

/// What is said when nothing was changed.
pub const NOTHING_MOVED: &str = "Nothing was changed.";

/// What was typed into the fields `names`.
#[must_use]
pub fn typed(form: &Form, names: &[&str]) -> FormState {
    let values = names.iter().map(|name| ((*name).to_owned(), form.text(name).to_owned())).collect();
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
