//! What the register's service answers, read with care. Pure.
//!
//! Fields and error codes: <https://ec.europa.eu/taxation_customs/vies/#/technical-information>.

use serde::Deserialize;

use crate::identity::VatAnswer;
use crate::tax::VatId;

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// The register knows the id, or says that it does not.
    Said(VatAnswer),
    /// It does not take the requester's own id.
    Requester,
    /// It could not say now.
    Later(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    valid: Option<bool>,
    country_code: Option<String>,
    vat_number: Option<String>,
    user_error: Option<String>,
    #[serde(default)]
    error_wrappers: Vec<Wrapped>,
}

#[derive(Deserialize)]
struct Wrapped {
    error: String,
}

/// Reads the body of an answer about `asked`. What does not clearly say yes or no about this very id says nothing.
pub(super) fn read(asked: &VatId, body: &[u8]) -> Reading {
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(error) => return Reading::Later(format!("cannot be read: {error}")),
    };
    let said =
        |valid| Reading::Said(VatAnswer { valid, text: String::from_utf8_lossy(body).trim().to_owned() });
    let errors = answer.error_wrappers.into_iter().map(|wrapped| wrapped.error);
    let states = ["VALID", "INVALID"];
    if let Some(error) = errors.chain(answer.user_error.filter(|e| !states.contains(&e.as_str()))).next() {
        return match error.as_str() {
            // the form is checked before: what the service takes for no id at all is none that it knows
            "INVALID_INPUT" => said(false),
            "INVALID_REQUESTER_INFO" => Reading::Requester,
            // MS_UNAVAILABLE, SERVICE_UNAVAILABLE, TIMEOUT, *_MAX_CONCURRENT_REQ*, *_BLOCKED, and what comes after them
            other => Reading::Later(other.chars().take(80).collect()),
        };
    }
    let about = (answer.country_code.as_deref(), answer.vat_number.as_deref().map(VatId::compact));
    if about != (Some(asked.prefix()), Some(asked.number().to_owned())) {
        return Reading::Later("the answer is about another id".into());
    }
    answer.valid.map_or_else(|| Reading::Later("the answer says neither yes nor no".into()), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_about_this_id_counts() {
        let asked: VatId = "DE136695976".parse().expect("id");
        let about = r#""countryCode":"DE","vatNumber":"136695976""#;
        let said = |body: String| match read(&asked, body.as_bytes()) {
            Reading::Said(answer) => {
                assert_eq!(answer.text, body);
                answer.valid.to_string()
            }
            Reading::Requester => "requester".into(),
            Reading::Later(why) => why,
        };
        for (body, expected) in [
            (format!(r#"{{{about},"valid":true,"requestIdentifier":"WAPI1"}}"#), "true"),
            (format!(r#"{{{about},"valid":false}}"#), "false"),
            (format!(r#"{{{about},"valid":false,"userError":"INVALID"}}"#), "false"),
            (format!(r#"{{{about},"valid":false,"userError":"MS_UNAVAILABLE"}}"#), "MS_UNAVAILABLE"),
            (
                r#"{"actionSucceed":false,"errorWrappers":[{"error":"MS_UNAVAILABLE"}]}"#.into(),
                "MS_UNAVAILABLE",
            ),
            (r#"{"actionSucceed":false,"errorWrappers":[{"error":"INVALID_INPUT"}]}"#.into(), "false"),
            (r#"{"errorWrappers":[{"error":"INVALID_REQUESTER_INFO"}]}"#.into(), "requester"),
            (format!("{{{about}}}"), "the answer says neither yes nor no"),
            (r#"{"valid":true}"#.into(), "the answer is about another id"),
            (
                r#"{"countryCode":"DE","vatNumber":"111111125","valid":true}"#.into(),
                "the answer is about another id",
            ),
        ] {
            assert_eq!(said(body.clone()), expected, "{body}");
        }
        for garbage in ["", "<html>", "true", "[]", "{\"valid\":\"yes\"}"] {
            assert!(said(garbage.into()).contains("cannot be read") || garbage == "[]", "{garbage}");
        }
    }
}
