//! What forms offer: currencies, timezones, countries. Anything valid may be typed where a line is asked for.

use super::components::field::Choice;
use crate::base::Currency;

const CURRENCIES: [(&str, &str); 16] = [
    ("EUR", "Euro"),
    ("USD", "US dollar"),
    ("GBP", "Pound sterling"),
    ("CHF", "Swiss franc"),
    ("SEK", "Swedish krona"),
    ("NOK", "Norwegian krone"),
    ("DKK", "Danish krone"),
    ("PLN", "Polish złoty"),
    ("CZK", "Czech koruna"),
    ("CAD", "Canadian dollar"),
    ("AUD", "Australian dollar"),
    ("MXN", "Mexican peso"),
    ("BRL", "Brazilian real"),
    ("COP", "Colombian peso"),
    ("CLP", "Chilean peso"),
    ("JPY", "Japanese yen"),
];

const TIMEZONES: [&str; 30] = [
    "UTC",
    "Europe/Madrid",
    "Atlantic/Canary",
    "Europe/Amsterdam",
    "Europe/Athens",
    "Europe/Berlin",
    "Europe/Brussels",
    "Europe/Bucharest",
    "Europe/Copenhagen",
    "Europe/Dublin",
    "Europe/Helsinki",
    "Europe/Lisbon",
    "Europe/London",
    "Europe/Oslo",
    "Europe/Paris",
    "Europe/Prague",
    "Europe/Rome",
    "Europe/Stockholm",
    "Europe/Vienna",
    "Europe/Warsaw",
    "Europe/Zurich",
    "America/Bogota",
    "America/Buenos_Aires",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "Asia/Tokyo",
];

const COUNTRIES: [(&str, &str); 42] = [
    ("AR", "Argentina"),
    ("AU", "Australia"),
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("BR", "Brazil"),
    ("BG", "Bulgaria"),
    ("CA", "Canada"),
    ("CL", "Chile"),
    ("CO", "Colombia"),
    ("HR", "Croatia"),
    ("CY", "Cyprus"),
    ("CZ", "Czechia"),
    ("DK", "Denmark"),
    ("EE", "Estonia"),
    ("FI", "Finland"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("GR", "Greece"),
    ("HU", "Hungary"),
    ("IS", "Iceland"),
    ("IE", "Ireland"),
    ("IT", "Italy"),
    ("JP", "Japan"),
    ("LV", "Latvia"),
    ("LT", "Lithuania"),
    ("LU", "Luxembourg"),
    ("MT", "Malta"),
    ("MX", "Mexico"),
    ("NL", "Netherlands"),
    ("NO", "Norway"),
    ("PE", "Peru"),
    ("PL", "Poland"),
    ("PT", "Portugal"),
    ("RO", "Romania"),
    ("SK", "Slovakia"),
    ("SI", "Slovenia"),
    ("ES", "Spain"),
    ("SE", "Sweden"),
    ("CH", "Switzerland"),
    ("GB", "United Kingdom"),
    ("US", "United States"),
    ("UY", "Uruguay"),
];

/// Currencies by code, `own` among them.
#[must_use]
pub fn currencies(own: Currency) -> Vec<Choice> {
    let mut choices: Vec<Choice> =
        CURRENCIES.iter().map(|(code, name)| Choice::new(*code, format!("{code} · {name}"))).collect();
    if !CURRENCIES.iter().any(|(code, _)| *code == own.code()) {
        choices.insert(0, Choice::new(own.code(), own.code()));
    }
    choices
}

/// Timezones to suggest.
#[must_use]
pub fn timezones() -> Vec<String> {
    TIMEZONES.iter().map(|name| (*name).to_owned()).collect()
}

/// Countries by code; none first, for who does not want to say.
#[must_use]
pub fn countries() -> Vec<Choice> {
    let none = std::iter::once(Choice::new("", "Not said yet"));
    none.chain(COUNTRIES.iter().map(|(code, name)| Choice::new(*code, *name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Zone;

    #[test]
    fn everything_offered_is_valid() {
        for (code, _) in CURRENCIES {
            assert!(code.parse::<Currency>().is_ok(), "{code}");
        }
        for name in TIMEZONES {
            assert!(name.parse::<Zone>().is_ok(), "{name}");
        }
        assert_eq!(currencies("EUR".parse().expect("EUR")).len(), CURRENCIES.len());
        assert_eq!(currencies("INR".parse().expect("INR")).len(), CURRENCIES.len() + 1);
    }
}
