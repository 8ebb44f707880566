//! The decision: whose VAT is charged on a sale, and how much.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::amounts::Rate;
use super::country::Country;
use super::notes;
use super::rates::{rate_at, standard_rate};
use super::vat_id::VatId;
use crate::base::{Day, Locale};

/// The side that sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seller {
    /// Where it is established.
    pub country: Country,
    /// Whether it accounts for VAT where its customers are, through the One Stop Shop. A seller in the Union that does not
    /// must be below the threshold of article 59c of Directive 2006/112/EC.
    pub oss: bool,
    /// What a seller outside of the Union charges at home.
    pub home_rate: Rate,
}

/// The side that buys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Buyer<'a> {
    /// Where; none when it has not said.
    pub country: Option<Country>,
    /// Its postal code; some parts of member states are outside of the VAT territory.
    pub postal_code: &'a str,
}

/// What kind of sale it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The seller's own rate.
    Domestic,
    /// The rate of the customer's country.
    Destination,
    /// None; the customer, a business with a confirmed VAT id in another state, accounts for it.
    ReverseCharge,
    /// None; the place of supply is outside of the Union, or nothing there makes the seller liable.
    OutsideScope,
}

/// Why a text is not a [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a treatment of tax")]
pub struct KindError;

impl Kind {
    const ALL: [Self; 4] = [Self::Domestic, Self::Destination, Self::ReverseCharge, Self::OutsideScope];

    /// Its name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domestic => "domestic",
            Self::Destination => "destination",
            Self::ReverseCharge => "reverse_charge",
            Self::OutsideScope => "outside_scope",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(KindError)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a sale is taxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Treatment {
    /// What kind of sale it is.
    pub kind: Kind,
    /// The rate.
    pub rate: Rate,
    /// Whose tax it is; none when there is none.
    pub country: Option<Country>,
}

impl Treatment {
    /// What the invoice has to say about it, if anything.
    #[must_use]
    pub const fn note(self, locale: Locale) -> Option<&'static str> {
        notes::note(self.kind, locale)
    }

    const fn untaxed(kind: Kind) -> Self {
        Self { kind, rate: Rate::ZERO, country: None }
    }
}

/// How a sale on a day is taxed. `confirmed_vat_id` is the customer's, and only if VIES confirmed it: what is not confirmed
/// exempts nobody.
///
/// An id that Northern Ireland issued (`XI`) exempts nobody either: the Windsor Framework treats Northern Ireland as part of
/// the Union for goods, not for services. Its customers are in the United Kingdom, which is outside.
#[must_use]
pub fn treatment(seller: &Seller, buyer: &Buyer<'_>, confirmed_vat_id: Option<&VatId>, on: Day) -> Treatment {
    let home = seller.country.for_vat();
    let domestic = Treatment {
        kind: Kind::Domestic,
        rate: standard_rate(home, on).unwrap_or(seller.home_rate),
        country: Some(home),
    };
    // nobody is exempt for saying nothing
    let Some(country) = buyer.country else { return domestic };
    let place = country.for_vat();
    let rate = rate_at(country, buyer.postal_code, on);
    let Some(rate) = rate.filter(|_| country.is_vat_territory(buyer.postal_code)) else {
        return if place == home && !home.is_member_state() {
            domestic
        } else {
            Treatment::untaxed(Kind::OutsideScope)
        };
    };
    if place == home {
        return Treatment { rate, ..domestic };
    }
    if confirmed_vat_id.is_some_and(|id| id.country() == place) {
        return Treatment::untaxed(Kind::ReverseCharge);
    }
    if seller.oss {
        return Treatment { kind: Kind::Destination, rate, country: Some(place) };
    }
    if home.is_member_state() { domestic } else { Treatment::untaxed(Kind::OutsideScope) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(
        seller: (&str, bool),
        buyer: (&str, &str),
        vat_id: Option<&str>,
        on: &str,
    ) -> (Kind, String, Option<&'static str>) {
        let seller = Seller {
            country: seller.0.parse().expect("seller"),
            oss: seller.1,
            home_rate: Rate::from_basis_points(810),
        };
        let buyer = Buyer { country: buyer.0.parse().ok(), postal_code: buyer.1 };
        let vat_id: Option<VatId> = vat_id.map(|id| id.parse().expect(id));
        let found = treatment(&seller, &buyer, vat_id.as_ref(), on.parse().expect("day"));
        (found.kind, found.rate.to_string(), found.country.map(Country::code))
    }

    #[test]
    fn every_sale_has_its_treatment() {
        use Kind::{Destination, Domestic, OutsideScope, ReverseCharge};
        const OSS: bool = true;
        const NO_OSS: bool = false;
        let (es, de, el, xi) = ("ESB12345674", "DE136695976", "EL094259216", "XI123456782");
        for (seller, buyer, vat_id, expected) in [
            // at home, with or without an id
            (("ES", OSS), ("ES", "28013"), None, (Domestic, "21", Some("ES"))),
            (("ES", OSS), ("ES", "28013"), Some(es), (Domestic, "21", Some("ES"))),
            // who has said nothing is not exempt, whatever id they gave
            (("ES", OSS), ("", ""), Some(de), (Domestic, "21", Some("ES"))),
            // another member state
            (("ES", OSS), ("DE", "10115"), Some(de), (ReverseCharge, "0", None)),
            (("ES", NO_OSS), ("DE", "10115"), Some(de), (ReverseCharge, "0", None)),
            (("ES", OSS), ("DE", "10115"), None, (Destination, "19", Some("DE"))),
            (("ES", OSS), ("FI", "00100"), None, (Destination, "25.5", Some("FI"))),
            (("ES", NO_OSS), ("DE", "10115"), None, (Domestic, "21", Some("ES"))),
            // an id of another state than the customer's own
            (("ES", OSS), ("FR", "75001"), Some(de), (Destination, "20", Some("FR"))),
            (("ES", OSS), ("FR", "75001"), Some(es), (Destination, "20", Some("FR"))),
            // Greece writes EL in ids and GR in addresses
            (("ES", OSS), ("GR", "10431"), Some(el), (ReverseCharge, "0", None)),
            (("ES", OSS), ("EL", "10431"), Some(el), (ReverseCharge, "0", None)),
            (("GR", OSS), ("EL", "10431"), Some(el), (Domestic, "24", Some("GR"))),
            // outside, and parts of states that are outside
            (("ES", OSS), ("US", "10001"), None, (OutsideScope, "0", None)),
            (("ES", OSS), ("GB", "SW1A"), None, (OutsideScope, "0", None)),
            (("ES", OSS), ("ES", "35001"), None, (OutsideScope, "0", None)),
            (("DE", NO_OSS), ("ES", "38001"), None, (OutsideScope, "0", None)),
            (("ES", OSS), ("FR", "97400"), None, (OutsideScope, "0", None)),
            // parts of a state that have a rate of their own
            (("ES", OSS), ("PT", "9000-042"), None, (Destination, "22", Some("PT"))),
            (("PT", NO_OSS), ("PT", "9500-321"), None, (Domestic, "16", Some("PT"))),
            (("ES", NO_OSS), ("PT", "9500-321"), None, (Domestic, "21", Some("ES"))),
            // Northern Ireland is in the Union for goods only
            (("IE", OSS), ("GB", "BT1 1AA"), Some(xi), (OutsideScope, "0", None)),
            (("IE", OSS), ("XI", "BT1 1AA"), Some(xi), (OutsideScope, "0", None)),
            (("IE", OSS), ("DE", "10115"), Some(xi), (Destination, "19", Some("DE"))),
            // Monaco is France
            (("ES", OSS), ("MC", "98000"), None, (Destination, "20", Some("FR"))),
            (("FR", OSS), ("MC", "98000"), None, (Domestic, "20", Some("FR"))),
            // a seller outside of the Union
            (("CH", NO_OSS), ("CH", "8001"), None, (Domestic, "8.1", Some("CH"))),
            (("CH", NO_OSS), ("US", "10001"), None, (OutsideScope, "0", None)),
            (("CH", NO_OSS), ("DE", "10115"), Some(de), (ReverseCharge, "0", None)),
            (("CH", NO_OSS), ("DE", "10115"), None, (OutsideScope, "0", None)),
            (("CH", OSS), ("DE", "10115"), None, (Destination, "19", Some("DE"))),
            (("CH", OSS), ("", ""), None, (Domestic, "8.1", Some("CH"))),
        ] {
            let expected = (expected.0, expected.1.to_owned(), expected.2);
            let found = decide(seller, buyer, vat_id, "2026-11-21");
            assert_eq!(found, expected, "{seller:?} {buyer:?} {vat_id:?}");
        }
    }

    #[test]
    fn the_day_decides_the_rate() {
        for (on, rate) in [("2024-08-31", "24"), ("2024-09-01", "25.5")] {
            assert_eq!(decide(("FI", false), ("FI", "00100"), None, on).1, rate);
            assert_eq!(decide(("ES", true), ("FI", "00100"), None, on).1, rate);
        }
    }

    #[test]
    fn kinds_have_names_and_reverse_charge_has_its_words() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("none".parse::<Kind>().is_err());
        for locale in Locale::ALL {
            assert!(Treatment::untaxed(Kind::ReverseCharge).note(locale).is_some());
            assert!(Treatment::untaxed(Kind::OutsideScope).note(locale).is_some());
            assert!(
                Treatment { kind: Kind::Domestic, ..Treatment::untaxed(Kind::Domestic) }
                    .note(locale)
                    .is_none()
            );
        }
    }
}
