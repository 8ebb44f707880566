//! What names, addresses and passwords have to look like. Pure.

use super::scopes::{Scope, Scopes};
use crate::base::FieldError;
use crate::tax::{Country, VatId, VatIdError};

/// Characters in a name or a line of an address.
const NAME_MAX: usize = 200;
/// Characters in the platform's own id.
const EXTERNAL_ID_MAX: usize = 200;
/// RFC 5321, 4.5.3.1: a path has at most 256 octets with its brackets.
const EMAIL_MAX: usize = 254;
/// RFC 5321, 4.5.3.1.1.
const EMAIL_LOCAL_MAX: usize = 64;
/// Bytes in a password; hashing starts with reading all of it.
const PASSWORD_MAX: usize = 1_024;
/// Characters in a note or a reason.
const NOTE_MAX: usize = 4_000;

fn plain(field: &'static str, text: &str, max: usize) -> Result<String, FieldError> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(FieldError::new(field, "invalid", "must not contain control characters"));
    }
    if text.chars().count() > max {
        return Err(FieldError::new(field, "too_long", format!("must have at most {max} characters")));
    }
    Ok(text.to_owned())
}

fn required(field: &'static str, text: String) -> Result<String, FieldError> {
    if text.is_empty() { Err(FieldError::new(field, "required", "is required")) } else { Ok(text) }
}

/// A name that must be there.
pub(super) fn name(field: &'static str, text: &str) -> Result<String, FieldError> {
    plain(field, text, NAME_MAX).and_then(|text| required(field, text))
}

/// A line that may be empty.
pub(super) fn line(field: &'static str, text: &str) -> Result<String, FieldError> {
    plain(field, text, NAME_MAX)
}

/// Text of several lines that must be there.
pub(super) fn note(field: &'static str, text: &str) -> Result<String, FieldError> {
    let text = text.trim().replace("\r\n", "\n");
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(FieldError::new(field, "invalid", "must not contain control characters"));
    }
    if text.chars().count() > NOTE_MAX {
        return Err(FieldError::new(field, "too_long", format!("must have at most {NOTE_MAX} characters")));
    }
    required(field, text)
}

/// The platform's own id: it travels in a header, so it has neither spaces nor control characters.
pub(super) fn external_id(field: &'static str, text: &str) -> Result<String, FieldError> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(FieldError::new(field, "invalid", "must not contain spaces or control characters"));
    }
    plain(field, text, EXTERNAL_ID_MAX).and_then(|text| required(field, text))
}

/// An email address in the one form in which it is compared: trimmed and in lower case.
///
/// Only what cannot be an address is refused; whether it is one, a mail to it shows.
pub(super) fn email(field: &'static str, text: &str) -> Result<String, FieldError> {
    let text = text.trim().to_lowercase();
    let text = required(field, text)?;
    let invalid = || FieldError::new(field, "invalid", "is not an email address");
    let (local, domain) = text.rsplit_once('@').ok_or_else(invalid)?;
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let fits = text.len() <= EMAIL_MAX
        && !local.is_empty()
        && local.len() <= EMAIL_LOCAL_MAX
        && !local.contains(['@', '<', '>', '(', ')', ',', ';', ':', '\\', '"', '[', ']'])
        && !local.chars().any(|c| c.is_control() || c.is_whitespace())
        && domain.split('.').all(label);
    if fits { Ok(text) } else { Err(invalid()) }
}

/// A password somebody wants to have. Length is all that is asked for (NIST SP 800-63B, 3.1.1).
pub(super) fn password(field: &'static str, text: &str, min_chars: usize) -> Result<(), FieldError> {
    if text.chars().count() < min_chars {
        let message = format!("must have at least {min_chars} characters");
        return Err(FieldError::new(field, "too_short", message));
    }
    if text.len() > PASSWORD_MAX {
        return Err(FieldError::new(field, "too_long", format!("must have at most {PASSWORD_MAX} bytes")));
    }
    Ok(())
}

/// A country as ISO 3166-1 alpha-2, or nothing.
pub(super) fn country(field: &'static str, text: &str) -> Result<String, FieldError> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    let country: Result<Country, _> = text.parse();
    country
        .map(|country| country.code().to_owned())
        .map_err(|error| FieldError::new(field, "invalid", error.to_string()))
}

/// A VAT id without the spaces, dots and dashes people write in it, or nothing. Those of the Union must be well formed and,
/// where the country is known, be that country's; whether one exists is asked elsewhere.
pub(super) fn vat_id(field: &'static str, text: &str, country: &str) -> Result<String, FieldError> {
    let compact = VatId::compact(text);
    if compact.is_empty() {
        return Ok(compact);
    }
    let country: Option<Country> = country.parse().ok();
    let found = match country {
        Some(country) if country.is_member_state() => VatId::parse_in(&compact, country),
        Some(_) | None => compact.parse(),
    };
    match (found, country) {
        (Ok(id), Some(country)) if id.country() != country.for_vat() => {
            let message = format!("is an id of {}, but the country is {country}", id.country());
            Err(FieldError::new(field, "wrong_country", message))
        }
        (Ok(id), _) => Ok(id.text().to_owned()),
        // the numbers of other countries are taken as they are
        (Err(VatIdError::Prefix), country) if !country.is_some_and(Country::is_member_state) => {
            if compact.len() <= 20 && compact.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Ok(compact);
            }
            Err(FieldError::new(field, "invalid", "is not a VAT id"))
        }
        (Err(error), _) => Err(FieldError::new(field, "invalid", error.to_string())),
    }
}

/// What a new key may be used for.
pub(super) fn key_scopes(
    field: &'static str,
    scopes: Scopes,
    issued_by_operator: bool,
) -> Result<Scopes, FieldError> {
    if scopes.is_empty() {
        return Err(FieldError::new(field, "required", "must name at least one scope"));
    }
    let refused: Scopes =
        scopes.iter().filter(|s| s.is_issued_by_operator() && !issued_by_operator).collect();
    if refused.is_empty() {
        return Ok(scopes);
    }
    Err(FieldError::new(field, "operator_only", format!("{refused} can only be issued by the operator")))
}

/// True when a key with these scopes is not the customer's to copy.
pub(super) fn holds_operator_scope(scopes: Scopes) -> bool {
    scopes.iter().any(Scope::is_issued_by_operator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalized_or_refused() {
        assert_eq!(email("email", "  Ada@Example.COM ").as_deref(), Ok("ada@example.com"));
        assert_eq!(email("email", "ops+bill@localhost").as_deref(), Ok("ops+bill@localhost"));
        assert_eq!(email("email", "übung@bücher.example").as_deref(), Ok("übung@bücher.example"));
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.example", vec!["abcdefgh"; 40].join("."));
        for bad in [
            "",
            " ",
            "ada",
            "@example.com",
            "ada@",
            "ada@@example.com",
            "a@b@example.com",
            "ada@exa mple.com",
            "ada@.com",
            "ada@com.",
            "ada@-a.com",
            "a b@example.com",
            "a\n@example.com",
            "a@b\r\nBcc:c@d",
            "<ada@example.com>",
            "ada@ex,ample.com",
            &long_local,
            &long,
        ] {
            assert!(email("email", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_and_ids_have_bounds() {
        assert_eq!(name("name", "  Acme S.L. ").as_deref(), Ok("Acme S.L."));
        assert_eq!(name("name", "   ").unwrap_err().code, "required");
        assert_eq!(name("name", "a\u{7}b").unwrap_err().code, "invalid");
        assert!(name("name", &"é".repeat(200)).is_ok());
        assert_eq!(name("name", &"é".repeat(201)).unwrap_err().code, "too_long");
        assert_eq!(external_id("external_id", "cus_42").as_deref(), Ok("cus_42"));
        for bad in ["", "a b", " a", "a\n", "a\u{a0}b"] {
            assert!(external_id("external_id", bad).is_err(), "{bad:?}");
        }
        assert_eq!(note("note", " a\r\nb ").as_deref(), Ok("a\nb"));
        assert!(note("note", "a\u{0}").is_err());
    }

    #[test]
    fn passwords_need_length_alone() {
        assert!(password("password", "1234567", 8).is_err());
        assert!(password("password", "ñandú", 6).is_err());
        assert!(password("password", "12345678", 8).is_ok());
        assert!(password("password", "12345678", 9).is_err());
        assert!(password("password", &"x".repeat(1_024), 8).is_ok());
        assert!(password("password", &"x".repeat(1_025), 8).is_err());
    }

    #[test]
    fn billing_details_are_tidied() {
        assert_eq!(country("country", " es ").as_deref(), Ok("ES"));
        assert_eq!(country("country", "").as_deref(), Ok(""));
        assert_eq!(country("country", "EL").as_deref(), Ok("GR"));
        assert!(country("country", "Spain").is_err());
        assert!(country("country", "ZZ").is_err());
    }

    #[test]
    fn vat_ids_of_the_union_are_checked() {
        let id = |text: &str, country: &str| vat_id("vat_id", text, country).map_err(|e| e.code);
        assert_eq!(id("es b-123.456 74", "ES"), Ok("ESB12345674".into()));
        assert_eq!(id("B12345674", "ES"), Ok("ESB12345674".into()));
        assert_eq!(id("GR094259216", "GR"), Ok("EL094259216".into()));
        assert_eq!(id("FR40303265045", "MC"), Ok("FR40303265045".into()));
        assert_eq!(id("ESB12345674", ""), Ok("ESB12345674".into()));
        assert_eq!(id(" ", "ES"), Ok(String::new()));
        assert_eq!(id("XI123456782", "GB"), Ok("XI123456782".into()));
        for (bad, country) in
            [("ESB12345678", "ES"), ("ESB1", ""), ("12", "ES"), ("GB123456782", "ES"), ("ES_B1", "ES")]
        {
            assert_eq!(id(bad, country), Err("invalid"), "{bad}");
        }
        assert_eq!(id("DE136695976", "ES"), Err("wrong_country"));
        assert_eq!(id("XI123456782", "ES"), Err("wrong_country"));
        assert_eq!(id("DE136695976", "CH"), Err("wrong_country"));
        // elsewhere anything that could be a number of that kind
        assert_eq!(id("CHE-123.456.788 MWST", "CH"), Ok("CHE123456788MWST".into()));
        assert_eq!(id("123456789", ""), Ok("123456789".into()));
        assert_eq!(id("US_1", "US"), Err("invalid"));
        assert_eq!(id(&"1".repeat(21), "US"), Err("invalid"));
    }

    #[test]
    fn a_customer_cannot_make_a_key_that_mints_credit() {
        let read = Scopes::of(&[Scope::BillingRead]);
        assert_eq!(key_scopes("scopes", read, false), Ok(read));
        assert_eq!(key_scopes("scopes", Scopes::ALL, true), Ok(Scopes::ALL));
        assert_eq!(key_scopes("scopes", Scopes::NONE, true).unwrap_err().code, "required");
        for scope in [Scope::BillingWrite, Scope::Admin] {
            let error = key_scopes("scopes", Scopes::of(&[Scope::UsageRead, scope]), false).unwrap_err();
            assert_eq!(error.code, "operator_only");
            assert!(error.message.starts_with(scope.name()), "{error}");
            assert!(holds_operator_scope(Scopes::of(&[scope])));
        }
        assert!(!holds_operator_scope(read));
    }
}
