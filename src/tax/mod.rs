//! Value added tax: who is charged which rate, and why. Pure: no database, no network, no clock.
//!
//! What is sold is electronic services (credit for usage), so the place of supply is where the customer is (Directive
//! 2006/112/EC, articles 44 and 58).

mod amounts;
mod country;
mod notes;
mod rates;
mod treatment;
mod vat_id;

pub use amounts::{Amounts, Prices, Rate, RateError, share};
pub use country::{Country, CountryError};
pub use rates::{rate_at, standard_rate};
pub use treatment::{Buyer, Kind, KindError, Seller, Treatment, treatment};
pub use vat_id::{VatId, VatIdError};
