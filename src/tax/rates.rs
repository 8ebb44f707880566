//! Standard VAT rates of the member states by date.
//!
//! Standard rates of the mainland, as the European Commission publishes them ("Taxes in Europe" database,
//! <https://ec.europa.eu/taxation_customs/tedb>); as of 2026-11-21. A change is one more line; what was invoiced keeps its
//! rate.

use super::amounts::Rate;
use super::country::Country;
use crate::base::Day;

/// From that day (year, month, day) on, this rate in basis points. Per country the days rise.
const RATES: [(&str, (i16, i8, i8), u16); 38] = [
    ("AT", (1995, 1, 1), 2000),
    ("BE", (1996, 1, 1), 2100),
    ("BG", (1999, 1, 1), 2000),
    ("CY", (2014, 1, 13), 1900),
    ("CZ", (2013, 1, 1), 2100),
    ("DE", (2007, 1, 1), 1900),
    ("DE", (2020, 7, 1), 1600),
    ("DE", (2021, 1, 1), 1900),
    ("DK", (1992, 1, 1), 2500),
    ("EE", (2009, 7, 1), 2000),
    ("EE", (2024, 1, 1), 2200),
    ("EE", (2025, 7, 1), 2400),
    ("ES", (2012, 9, 1), 2100),
    ("FI", (2013, 1, 1), 2400),
    ("FI", (2024, 9, 1), 2550),
    ("FR", (2014, 1, 1), 2000),
    ("GR", (2016, 6, 1), 2400),
    ("HR", (2012, 3, 1), 2500),
    ("HU", (2012, 1, 1), 2700),
    ("IE", (2012, 1, 1), 2300),
    ("IE", (2020, 9, 1), 2100),
    ("IE", (2021, 3, 1), 2300),
    ("IT", (2013, 10, 1), 2200),
    ("LT", (2009, 9, 1), 2100),
    ("LU", (2015, 1, 1), 1700),
    ("LU", (2023, 1, 1), 1600),
    ("LU", (2024, 1, 1), 1700),
    ("LV", (2012, 7, 1), 2100),
    ("MT", (2004, 1, 1), 1800),
    ("NL", (2012, 10, 1), 2100),
    ("PL", (2011, 1, 1), 2300),
    ("PT", (2011, 1, 1), 2300),
    ("RO", (2017, 1, 1), 1900),
    ("RO", (2025, 8, 1), 2100),
    ("SE", (1990, 7, 1), 2500),
    ("SI", (2013, 7, 1), 2200),
    ("SK", (2011, 1, 1), 2000),
    ("SK", (2025, 1, 1), 2300),
];

/// A region with a standard rate of its own.
struct Region {
    country: &'static str,
    /// The first and the last of its postal codes, by their first four digits.
    codes: (u32, u32),
    from: (i16, i8, i8),
    /// In basis points.
    rate: u16,
}

/// Madeira and the Azores (article 105 of Directive 2006/112/EC lets Portugal do so).
const REGIONS: [Region; 2] = [
    Region { country: "PT", codes: (9_000, 9_399), from: (2012, 4, 1), rate: 2_200 },
    Region { country: "PT", codes: (9_500, 9_999), from: (2021, 7, 1), rate: 1_600 },
];

/// The standard rate at a place on a day: a region's own where it has one, else its country's.
#[must_use]
pub fn rate_at(country: Country, postal_code: &str, on: Day) -> Option<Rate> {
    let digits = postal_code.chars().filter(char::is_ascii_digit).take(4).collect::<String>();
    let code: Option<u32> = if digits.len() == 4 { digits.parse().ok() } else { None };
    let country = country.for_vat();
    let own = REGIONS.iter().rfind(|region| {
        let (first, last) = region.codes;
        region.country == country.code()
            && code.is_some_and(|code| (first..=last).contains(&code))
            && day(region.from) <= on
    });
    own.map(|region| Rate::from_basis_points(region.rate)).or_else(|| standard_rate(country, on))
}

/// The standard rate of a member state on a day there; of a day before the table begins, the first it has. None outside
/// the Union.
#[must_use]
pub fn standard_rate(country: Country, on: Day) -> Option<Rate> {
    let country = country.for_vat();
    let own = RATES.iter().filter(|(code, ..)| *code == country.code());
    let begun = own.clone().rfind(|(_, from, _)| day(*from) <= on);
    begun.or_else(|| own.clone().next()).map(|(.., rate)| Rate::from_basis_points(*rate))
}

fn day((year, month, day): (i16, i8, i8)) -> Day {
    jiff::civil::Date::new(year, month, day).map_or(Day::from_number(i32::MAX), Day::from_date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(country: &str, date: &str) -> Option<String> {
        let country: Country = country.parse().expect("country");
        standard_rate(country, date.parse().expect("day")).map(|rate| rate.to_string())
    }

    #[test]
    fn every_member_state_has_rates_in_order() {
        assert!(RATES.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        for country in Country::member_states() {
            let rate = standard_rate(country, "2026-11-21".parse().expect("day")).expect("a rate");
            // article 97: at least 15 percent
            assert!((1_500..=2_700).contains(&rate.basis_points()), "{country}");
        }
        for (code, from, _) in RATES {
            assert!(jiff::civil::Date::new(from.0, from.1, from.2).is_ok(), "{code}");
        }
        assert_eq!(on("GB", "2026-01-01"), None);
    }

    #[test]
    fn regions_have_rates_of_their_own() {
        let at = |country: &str, postal_code: &str| {
            let country: Country = country.parse().expect("country");
            rate_at(country, postal_code, "2026-11-21".parse().expect("day")).map(|rate| rate.to_string())
        };
        for (country, postal_code, rate) in [
            ("PT", "1000-001", "23"),
            ("PT", "9000-042", "22"),
            ("PT", "9385", "22"),
            ("PT", "9400-001", "23"),
            ("PT", "9500-321", "16"),
            ("PT", "9980 039", "16"),
            ("PT", "", "23"),
            ("PT", "900", "23"),
            ("AT", "9020", "20"),
            ("HU", "9500", "27"),
        ] {
            assert_eq!(at(country, postal_code).as_deref(), Some(rate), "{country} {postal_code}");
        }
        assert_eq!(at("GB", "9000"), None);
    }

    #[test]
    fn a_rate_begins_on_its_day() {
        for (country, date, rate) in [
            ("FI", "2024-08-31", "24"),
            ("FI", "2024-09-01", "25.5"),
            ("RO", "2025-07-31", "19"),
            ("RO", "2025-08-01", "21"),
            ("EE", "2025-06-30", "22"),
            ("EE", "2025-07-01", "24"),
            ("DE", "2020-12-31", "16"),
            ("DE", "2021-01-01", "19"),
            ("LU", "2023-12-31", "16"),
            ("SK", "2026-11-21", "23"),
            ("ES", "2000-01-01", "21"),
            ("MC", "2026-11-21", "20"),
        ] {
            assert_eq!(on(country, date).as_deref(), Some(rate), "{country} {date}");
        }
    }
}
