//! Credit at a fixed price, with a bonus. What was agreed on with a customer is in their payment, and does not follow when
//! a package changes.

use rusqlite::Connection;

use super::rules::{Purchase, Terms};
use super::sql;
use crate::base::{Credits, Currency, FieldError, FieldErrors, Money};
use crate::db::{DbError, WriteTx};
use crate::identity::audit::{self, By, Difference};

/// The longest code and name, in characters.
const MAX_CODE: usize = 40;
const MAX_NAME: usize = 80;
/// No package costs more than so many units of its currency, so that a slip of the keyboard is caught.
const MAX_UNITS: i64 = 100_000_000;
/// No package has more credit or more bonus: 10⁹ credits.
const MAX_CREDITS: Credits = Credits::from_micros(1_000_000_000_000_000);
const MAX_POSITION: i64 = 9_999;
/// Codes with a meaning of their own: an amount of one's own where packages are chosen, and the page for a new package.
const RESERVED: [&str; 2] = ["custom", "new"];

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// By which it is ordered.
    pub code: String,
    /// For people.
    pub name: String,
    /// What it costs, before tax.
    pub price: Money,
    /// The credit that is paid for.
    pub credits: Credits,
    /// Credit on top, for free.
    pub bonus: Credits,
}

impl Package {
    /// Buying it.
    #[must_use]
    pub fn purchase(&self) -> Purchase {
        Purchase {
            price: self.price,
            credits: self.credits,
            bonus: self.bonus,
            plan: None,
            package: Some(self.code.clone()),
        }
    }
}

/// A package as the operator keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What is sold.
    pub package: Package,
    /// Its place among the others; the lowest comes first.
    pub position: i64,
    /// Whether it is for sale.
    pub active: bool,
}

/// A value that was read, or what is wrong with what was meant to be one.
pub type Read<T> = Result<T, FieldError>;

/// What is wanted of a package. What is absent stays as it is; what could not be read comes along as what is wrong with it,
/// so that all that is wrong is said at once.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// For people.
    pub name: Option<String>,
    /// What it costs, before tax. In the currency that it has, once it has one.
    pub price: Option<Result<Money, Vec<FieldError>>>,
    /// The credit that is paid for.
    pub credits: Option<Read<Credits>>,
    /// Credit on top; none unless given.
    pub bonus: Option<Read<Credits>>,
    /// Its place among the others; the last unless given.
    pub position: Option<Read<i64>>,
    /// Whether it is for sale, as it is from the first unless told otherwise.
    pub active: Option<bool>,
}

/// Why a package is not kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Everything that is wrong with what was wanted.
    #[error("the input is not valid")]
    Invalid(Vec<FieldError>),
    /// The code is another package's.
    #[error("the code is taken")]
    Taken,
    /// There is no such package.
    #[error("no such package")]
    NotFound,
}

/// What a new installation sells: price in units of its currency, and the bonus in percent.
const SEEDED: [(&str, &str, i64, i64); 3] =
    [("starter", "Starter", 10, 0), ("growth", "Growth", 50, 5), ("scale", "Scale", 200, 10)];

/// The packages for sale in a currency, in the order in which they are shown.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &Connection, currency: Currency) -> Result<Vec<Package>, DbError> {
    sql::packages(conn, currency)
}

/// All packages, those that are not for sale too: by currency, in the order in which they are shown.
///
/// # Errors
/// When the database fails.
pub fn all(conn: &Connection) -> Result<Vec<Kept>, DbError> {
    sql::all_packages(conn)
}

/// The package with a code, for sale or not.
///
/// # Errors
/// When there is none.
pub fn get(conn: &Connection, code: &str) -> Result<Kept, Error> {
    sql::get_package(conn, code)?.ok_or(Error::NotFound)
}

/// A price as two texts: units of the currency, and the currency's code. What is wrong is said of the fields `price` and
/// `currency`.
///
/// # Errors
/// Everything that is wrong with either.
pub fn price(units: &str, currency: &str) -> Result<Money, Vec<FieldError>> {
    let mut errors = FieldErrors::new();
    let known = currency.parse::<Currency>();
    let known = errors.keep(known.map_err(|e| FieldError::new("currency", "invalid_value", e.to_string())));
    // without a currency the number is looked at all the same
    let read = match Money::parse(units, known.unwrap_or(Currency::EUR)) {
        _ if units.is_empty() => Err(FieldError::new("price", "required", "is required")),
        read => read.map_err(|e| FieldError::new("price", "invalid_value", e.to_string())),
    };
    let read = errors.keep(read);
    errors.finish(read)
}

/// Makes a package. Unless told otherwise it is for sale at once.
///
/// # Errors
/// Everything that is wrong with it; when the code is taken.
pub fn create(tx: &WriteTx<'_>, by: &By, code: &str, wanted: Wanted) -> Result<Kept, Error> {
    let conn = tx.conn()?;
    let mut errors = FieldErrors::new();
    let code = errors.keep(checked_code(code));
    let name = required(&mut errors, "name", wanted.name.map(|name| checked_name(&name)));
    let price = match wanted.price {
        Some(price) => checked_price(&mut errors, price, None),
        None => required(&mut errors, "price", None),
    };
    let credits = required(&mut errors, "credits", wanted.credits.map(checked_credits));
    let bonus = or(&mut errors, wanted.bonus.map(checked_bonus), Credits::ZERO);
    let next = sql::last_position(conn)?.saturating_add(1).min(MAX_POSITION);
    let position = or(&mut errors, wanted.position.map(checked_position), next);
    let active = wanted.active.unwrap_or(true);
    let kept = errors.finish(kept((code, name, price, credits, bonus), position, active));
    let kept = kept.map_err(Error::Invalid)?;
    let Package { code, name, price, credits, bonus } = &kept.package;
    if sql::get_package(conn, code)?.is_some() {
        return Err(Error::Taken);
    }
    sql::insert_package(conn, &kept)?;
    let difference = Difference::new()
        .with("name", name.as_str())
        .with("price", price.to_string())
        .with("credits", credits.to_string())
        .with("bonus_credits", bonus.to_string())
        .with("position", kept.position)
        .with("active", kept.active);
    audit::record(tx, by, "package.created", code, None, &difference)?;
    Ok(kept)
}

/// Changes a package, or takes it off sale, or puts it back. Its code and its currency stay, and so does what was agreed on
/// in payments.
///
/// # Errors
/// Everything that is wrong with the change; when there is no such package.
pub fn change(tx: &WriteTx<'_>, by: &By, code: &str, wanted: Wanted) -> Result<Kept, Error> {
    let conn = tx.conn()?;
    let before = get(conn, code)?;
    let was = &before.package;
    let mut errors = FieldErrors::new();
    let name = or(&mut errors, wanted.name.map(|name| checked_name(&name)), was.name.clone());
    let price = match wanted.price {
        Some(price) => checked_price(&mut errors, price, Some(was.price.currency)),
        None => Some(was.price),
    };
    let credits = or(&mut errors, wanted.credits.map(checked_credits), was.credits);
    let bonus = or(&mut errors, wanted.bonus.map(checked_bonus), was.bonus);
    let position = or(&mut errors, wanted.position.map(checked_position), before.position);
    let active = wanted.active.unwrap_or(before.active);
    let after = kept((Some(was.code.clone()), name, price, credits, bonus), position, active);
    let after = errors.finish(after).map_err(Error::Invalid)?;
    let is = &after.package;
    let difference = Difference::new()
        .changed("name", was.name.as_str(), is.name.as_str())
        .changed("price", was.price.to_string(), is.price.to_string())
        .changed("credits", was.credits.to_string(), is.credits.to_string())
        .changed("bonus_credits", was.bonus.to_string(), is.bonus.to_string())
        .changed("position", before.position, after.position)
        .changed("active", before.active, after.active);
    if !difference.is_empty() {
        sql::update_package(conn, &after)?;
        audit::record(tx, by, "package.changed", code, None, &difference)?;
    }
    Ok(after)
}

/// Code, name, price, credit and bonus, as far as they are what they have to be.
type Parts = (Option<String>, Option<String>, Option<Money>, Option<Credits>, Option<Credits>);

fn kept((code, name, price, credits, bonus): Parts, position: Option<i64>, active: bool) -> Option<Kept> {
    let package = Package { code: code?, name: name?, price: price?, credits: credits?, bonus: bonus? };
    Some(Kept { package, position: position?, active })
}

fn required<T>(errors: &mut FieldErrors, field: &'static str, read: Option<Read<T>>) -> Option<T> {
    errors.keep(read.unwrap_or_else(|| Err(FieldError::new(field, "required", "is required"))))
}

fn or<T>(errors: &mut FieldErrors, read: Option<Read<T>>, otherwise: T) -> Option<T> {
    errors.keep(read.unwrap_or(Ok(otherwise)))
}

fn checked_code(code: &str) -> Read<String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if code.is_empty() {
        return Err(FieldError::new("code", "required", "is required"));
    }
    if code.len() > MAX_CODE || !code.bytes().all(fits) {
        let text = format!("must be lowercase letters, digits, - and _, at most {MAX_CODE} of them");
        return Err(FieldError::new("code", "invalid_value", text));
    }
    if RESERVED.contains(&code) {
        return Err(FieldError::new("code", "invalid_value", "has a meaning of its own: choose another"));
    }
    Ok(code.to_owned())
}

fn checked_name(name: &str) -> Read<String> {
    let name = name.trim();
    if name.is_empty() {
        return Err(FieldError::new("name", "required", "is required"));
    }
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        let text = format!("must be one line of at most {MAX_NAME} characters");
        return Err(FieldError::new("name", "invalid_value", text));
    }
    Ok(name.to_owned())
}

fn checked_price(
    errors: &mut FieldErrors,
    price: Result<Money, Vec<FieldError>>,
    currency: Option<Currency>,
) -> Option<Money> {
    let price = match price {
        Ok(price) => price,
        Err(wrong) => {
            for error in wrong {
                errors.add(error.field, error.code, error.message);
            }
            return None;
        }
    };
    if let Some(currency) = currency.filter(|currency| *currency != price.currency) {
        errors.add("price", "invalid_value", format!("must be in {currency}: a package keeps its currency"));
        return None;
    }
    if price.minor <= 0 {
        errors.add("price", "too_small", "must be above zero");
        return None;
    }
    let most = MAX_UNITS.saturating_mul(price.currency.minor_per_unit());
    if price.minor > most {
        errors.add("price", "too_large", format!("must be at most {MAX_UNITS} {}", price.currency));
        return None;
    }
    Some(price)
}

fn checked_credits(credits: Read<Credits>) -> Read<Credits> {
    let credits = credits?;
    if !credits.is_positive() {
        return Err(FieldError::new("credits", "too_small", "must be above zero"));
    }
    at_most(credits, "credits")
}

fn checked_bonus(bonus: Read<Credits>) -> Read<Credits> {
    let bonus = bonus?;
    if bonus.is_negative() {
        return Err(FieldError::new("bonus_credits", "too_small", "must not be below zero"));
    }
    at_most(bonus, "bonus_credits")
}

fn at_most(credits: Credits, field: &'static str) -> Read<Credits> {
    if credits > MAX_CREDITS {
        return Err(FieldError::new(field, "too_large", format!("must be at most {MAX_CREDITS}")));
    }
    Ok(credits)
}

fn checked_position(position: Read<i64>) -> Read<i64> {
    let position = position?;
    if !(0..=MAX_POSITION).contains(&position) {
        let text = format!("must be a whole number from 0 to {MAX_POSITION}");
        return Err(FieldError::new("position", "invalid_value", text));
    }
    Ok(position)
}

/// Puts the first packages on sale, where there never were any. Answers whether it did.
///
/// # Errors
/// When the database fails.
pub fn seed(tx: &WriteTx<'_>, terms: &Terms, currency: Currency) -> Result<bool, DbError> {
    let conn = tx.conn()?;
    if sql::has_packages(conn)? {
        return Ok(false);
    }
    for (position, (code, name, units, percent)) in (1..).zip(SEEDED) {
        let micros = i128::from(units) * i128::from(terms.credits_per_unit) * 1_000_000;
        let credits = i64::try_from(micros).map(Credits::from_micros);
        let bonus = i64::try_from(micros * i128::from(percent) / 100).map(Credits::from_micros);
        let (Ok(credits), Ok(bonus)) = (credits, bonus) else { continue };
        let package = Package {
            code: code.into(),
            name: name.into(),
            price: Money { minor: units.saturating_mul(currency.minor_per_unit()), currency },
            credits,
            bonus,
        };
        sql::insert_package(conn, &Kept { package, position, active: true })?;
    }
    Ok(true)
}
