//! Countries, and which of them (and which parts of them) are the VAT territory of the European Union.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A country by its ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(&'static str);

/// Why a text is not a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a two-letter country code, such as ES")]
pub struct CountryError;

/// ISO 3166-1 alpha-2, officially assigned.
const ISO: [&str; 249] = [
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ", "BA",
    "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV",
    "BW", "BY", "BZ", "CA", "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU",
    "CV", "CW", "CX", "CY", "CZ", "DE", "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES",
    "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA", "GB", "GD", "GE", "GF", "GG", "GH", "GI", "GL", "GM",
    "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK", "HM", "HN", "HR", "HT", "HU", "ID", "IE",
    "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP", "KE", "KG", "KH", "KI", "KM",
    "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT", "LU", "LV", "LY",
    "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS", "MT",
    "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU",
    "NZ", "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA",
    "RE", "RO", "RS", "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM",
    "SN", "SO", "SR", "SS", "ST", "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL",
    "TM", "TN", "TO", "TR", "TT", "TV", "TW", "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE",
    "VG", "VI", "VN", "VU", "WF", "WS", "YE", "YT", "ZA", "ZM", "ZW",
];

/// The member states.
const MEMBERS: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// Parts of member states outside the VAT territory of the Union (Directive 2006/112/EC, article 6), by what their
/// postal codes begin with.
const OUTSIDE: [(&str, &str); 15] = [
    // the Canary Islands, Ceuta, Melilla
    ("ES", "35"),
    ("ES", "38"),
    ("ES", "51"),
    ("ES", "52"),
    // the overseas departments and collectivities, whose codes people write under FR too
    ("FR", "97"),
    ("FR", "986"),
    ("FR", "987"),
    ("FR", "988"),
    // Heligoland, Büsingen
    ("DE", "27498"),
    ("DE", "78266"),
    // Livigno (its older postal code too), Campione d'Italia
    ("IT", "23041"),
    ("IT", "23030"),
    ("IT", "22061"),
    // Mount Athos
    ("GR", "63086"),
    // Åland
    ("FI", "22"),
];

impl Country {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }

    /// What its VAT ids begin with: the code, except for Greece.
    #[must_use]
    pub fn vat_prefix(self) -> &'static str {
        if self.0 == "GR" { "EL" } else { self.0 }
    }

    /// The country whose VAT is charged here: Monaco counts as France, the Isle of Man as the United Kingdom
    /// (Directive 2006/112/EC, article 7).
    #[must_use]
    pub fn for_vat(self) -> Self {
        match self.0 {
            "MC" => Self("FR"),
            "IM" => Self("GB"),
            _ => self,
        }
    }

    /// True for the member states of the Union, and for what counts as one of them.
    #[must_use]
    pub fn is_member_state(self) -> bool {
        MEMBERS.contains(&self.for_vat().0)
    }

    /// True when an address here is in the VAT territory of the Union.
    #[must_use]
    pub fn is_vat_territory(self, postal_code: &str) -> bool {
        let code: String = postal_code.chars().filter(char::is_ascii_digit).collect();
        let outside = |(country, prefix): &(&str, &str)| {
            *country == self.0 && code.len() == 5 && code.starts_with(prefix)
        };
        self.is_member_state() && !OUTSIDE.iter().any(outside)
    }

    /// All member states.
    pub fn member_states() -> impl Iterator<Item = Self> {
        MEMBERS.into_iter().map(Self)
    }

    pub(super) const fn known(code: &'static str) -> Self {
        Self(code)
    }
}

impl FromStr for Country {
    type Err = CountryError;

    /// Takes what people write for Greece, the United Kingdom and Northern Ireland as well.
    fn from_str(text: &str) -> Result<Self, CountryError> {
        let upper = text.trim().to_ascii_uppercase();
        let code = match upper.as_str() {
            "EL" => "GR",
            "UK" | "XI" => "GB",
            other => other,
        };
        ISO.into_iter().find(|known| *known == code).map(Self).ok_or(CountryError)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_their_codes() {
        assert!(ISO.is_sorted() && MEMBERS.is_sorted());
        assert!(Country::member_states().all(|c| c.code().parse() == Ok(c)));
        assert_eq!("el".parse(), Ok(Country("GR")));
        assert_eq!(" uk ".parse(), Ok(Country("GB")));
        assert_eq!("XI".parse(), Ok(Country("GB")));
        for bad in ["", "E", "ESP", "ZZ", "EU", "Spain", "é"] {
            assert_eq!(bad.parse::<Country>(), Err(CountryError), "{bad}");
        }
    }

    #[test]
    fn the_vat_territory_is_not_the_map() {
        let inside = |country: &str, postal: &str| {
            country.parse::<Country>().expect("country").is_vat_territory(postal)
        };
        assert!(
            inside("ES", "28013")
                && inside("ES", "")
                && inside("MC", "98000")
                && inside("FR", "98000")
                && inside("FI", "00100")
        );
        for (country, postal) in [
            ("ES", "35001"),
            ("ES", "38 003"),
            ("DE", "27498"),
            ("FI", "AX-22100"),
            ("FR", "97400"),
            ("FR", "98800"),
            ("GB", ""),
            ("CH", "8001"),
        ] {
            assert!(!inside(country, postal), "{country} {postal}");
        }
        // a postal code of another country's form proves nothing
        assert!(inside("DE", "35037") && inside("FI", "2210"));
    }
}
