//! VAT identification numbers of the member states and of Northern Ireland.

mod checks;

use std::fmt;
use std::str::FromStr;

use super::country::Country;

/// A VAT id that is well formed: its prefix, and a number of that state's form whose check digits are right. Whether it was
/// ever issued, and to whom, only VIES knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VatId {
    /// Prefix and number, without separators.
    text: String,
    country: Country,
}

/// Why a text is not a VAT id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VatIdError {
    /// It does not begin with the prefix of a member state or of Northern Ireland.
    #[error("does not begin with the prefix of an EU member state")]
    Prefix,
    /// What follows the prefix does not look like that state's numbers.
    #[error("is not of the form of that country's VAT ids")]
    Form,
    /// The check digits are wrong: somebody mistyped.
    #[error("has a typing error: its check digits do not fit")]
    Check,
}

impl VatId {
    /// Prefix and number, as in `ESB12345674`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `EL` for Greece, `XI` for Northern Ireland, else the country's code.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.text.get(..2).unwrap_or_default()
    }

    /// What follows the prefix.
    #[must_use]
    pub fn number(&self) -> &str {
        self.text.get(2..).unwrap_or_default()
    }

    /// The country that issued it; the United Kingdom for Northern Ireland.
    #[must_use]
    pub const fn country(&self) -> Country {
        self.country
    }

    /// The text without what people put between the digits, in upper case.
    #[must_use]
    pub fn compact(text: &str) -> String {
        let separates = |c: char| c.is_whitespace() || matches!(c, '.' | '-' | '/' | ',' | ':');
        text.chars().filter(|c| !separates(*c)).collect::<String>().to_uppercase()
    }

    /// Reads an id that may lack its prefix, as people in `country` know it.
    ///
    /// # Errors
    /// See [`VatIdError`].
    pub fn parse_in(text: &str, country: Country) -> Result<Self, VatIdError> {
        text.parse().or_else(|error| {
            let prefix = country.for_vat().vat_prefix();
            format!("{prefix}{}", Self::compact(text)).parse().map_err(|_| error)
        })
    }
}

impl FromStr for VatId {
    type Err = VatIdError;

    fn from_str(text: &str) -> Result<Self, VatIdError> {
        let compact = Self::compact(text);
        let (prefix, number) = compact.split_at_checked(2).ok_or(VatIdError::Prefix)?;
        let (country, prefix) = match prefix {
            "XI" => (Country::known("GB"), "XI"),
            // people write the country's code; the id has its own
            "EL" | "GR" => (Country::known("GR"), "EL"),
            other => {
                let state = Country::member_states().find(|country| country.code() == other);
                let state = state.ok_or(VatIdError::Prefix)?;
                (state, state.code())
            }
        };
        // enterprise numbers had nine digits before 2007; all of them got a zero in front
        let number =
            if prefix == "BE" && number.len() == 9 { format!("0{number}") } else { number.to_owned() };
        match checks::check(prefix, &number) {
            None => Err(VatIdError::Form),
            Some(false) => Err(VatIdError::Check),
            Some(true) => Ok(Self { text: format!("{prefix}{number}"), country }),
        }
    }
}

impl fmt::Display for VatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn another_implementation_agrees_on_every_state() {
        let mut states = BTreeSet::new();
        for line in include_str!("cases.txt").lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let (prefix, verdict) = (words.next().expect("prefix"), words.next().expect("verdict"));
            states.insert((prefix.to_owned(), verdict == "+"));
            let mut count = 0;
            for number in words {
                let found = format!("{prefix}{number}").parse::<VatId>();
                assert_eq!(found.is_ok(), verdict == "+", "{prefix}{number}: {found:?}");
                count += 1;
            }
            assert!(count >= 8, "{prefix} {verdict}");
        }
        assert_eq!(states.len(), 2 * 28);
    }

    #[test]
    fn ids_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<VatId>().map(|id| (id.text().to_owned(), id.country().code()));
        assert_eq!(read("es b-1234567.4"), Ok(("ESB12345674".into(), "ES")));
        assert_eq!(read("GR 094259216"), Ok(("EL094259216".into(), "GR")));
        assert_eq!(read("BE 403.019.261"), Ok(("BE0403019261".into(), "BE")));
        assert_eq!(read("XI 123 4567 82"), Ok(("XI123456782".into(), "GB")));
        assert_eq!(read("NL123456782B90").is_err(), read("NL 1234.56.782.B.90").is_err());
        assert_eq!(read("ESB12345678"), Err(VatIdError::Check));
        assert_eq!(read("ESB1234567"), Err(VatIdError::Form));
        for text in ["", "E", "GB123456782", "CHE123456788", "B12345674", "日本123", "é1"] {
            assert_eq!(read(text), Err(VatIdError::Prefix), "{text}");
        }
        let spain = "ES".parse().expect("country");
        assert_eq!(VatId::parse_in("B12345674", spain).map(|id| id.to_string()), Ok("ESB12345674".into()));
        assert_eq!(VatId::parse_in("DE136695976", spain).map(|id| id.to_string()), Ok("DE136695976".into()));
        assert_eq!(VatId::parse_in("B12345678", spain), Err(VatIdError::Prefix));
        let id: VatId = "EL094259216".parse().expect("id");
        assert_eq!((id.prefix(), id.number()), ("EL", "094259216"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,24}", prefix in "(AT|BE|BG|CY|CZ|EL|ES|FR|IE|LV|NL|RO|SE|SK|XI)") {
            let _ = text.parse::<VatId>();
            if let Ok(id) = format!("{prefix}{text}").parse::<VatId>() {
                proptest::prop_assert_eq!(id.text().parse::<VatId>(), Ok(id.clone()));
            }
        }
    }
}
