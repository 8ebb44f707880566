//! The catalog that a new installation starts with: four meters, a pay-as-you-go card, three plans.
//!
//! The figures are those of a typical platform with 1 credit = 1 cent. Where a credit is worth something else, prices in
//! credits are scaled so that they stay worth the same; in a currency without cents a unit stands for a cent.

use super::rules::{Code, Interval, PassThrough, PlanTerms, Price, Rate};
use super::{
    CHAT, CatalogError, DEFAULT_CARD, NUMBER, NewMeter, NewPlanVersion, NewRateVersion, Snapshot,
    TRANSFER_MINUTE, VOICE, add_meter, publish_plan, publish_rate_card,
};
use crate::base::{Credits, Currency, Money, Quantity, Timestamp};
use crate::db::{DbError, WriteTx};

/// What the seeded figures are expressed in.
#[derive(Debug, Clone, Copy)]
pub struct SeedOptions {
    /// The currency of plan prices.
    pub currency: Currency,
    /// How many credits one unit of it buys.
    pub credits_per_unit: i64,
}

/// Seeded versions are in force from the beginning, so that usage imported from before the installation has a price.
const FROM_THE_START: Timestamp = Timestamp::from_millis(0);

/// Prices of one card in hundredths of a cent: voice and forwarded minute, message, month of a number.
struct CardFigures {
    code: &'static str,
    name: &'static str,
    voice: i64,
    voice_own_key: i64,
    transfer: i64,
    chat: i64,
    number: i64,
}

/// A plan in cents and whole units.
struct PlanFigures {
    code: &'static str,
    name: &'static str,
    price_cents: i64,
    voice_minutes: i64,
    messages: i64,
    plan_credits: i64,
    credit_transfer: bool,
}

const CARDS: [CardFigures; 4] = [
    CardFigures {
        code: DEFAULT_CARD,
        name: "Pay as you go",
        voice: 700,
        voice_own_key: 300,
        transfer: 300,
        chat: 100,
        number: 20_000,
    },
    CardFigures {
        code: "starter",
        name: "Starter",
        voice: 650,
        voice_own_key: 275,
        transfer: 300,
        chat: 100,
        number: 20_000,
    },
    CardFigures {
        code: "growth",
        name: "Growth",
        voice: 550,
        voice_own_key: 225,
        transfer: 250,
        chat: 80,
        number: 18_000,
    },
    CardFigures {
        code: "scale",
        name: "Scale",
        voice: 450,
        voice_own_key: 175,
        transfer: 200,
        chat: 50,
        number: 15_000,
    },
];

const PLANS: [PlanFigures; 3] = [
    PlanFigures {
        code: "starter",
        name: "Starter",
        price_cents: 2_900,
        voice_minutes: 500,
        messages: 500,
        plan_credits: 0,
        credit_transfer: false,
    },
    PlanFigures {
        code: "growth",
        name: "Growth",
        price_cents: 9_900,
        voice_minutes: 2_000,
        messages: 2_500,
        plan_credits: 500,
        credit_transfer: false,
    },
    PlanFigures {
        code: "scale",
        name: "Scale",
        price_cents: 39_900,
        voice_minutes: 10_000,
        messages: 15_000,
        plan_credits: 2_500,
        credit_transfer: true,
    },
];

/// The toll-free surcharge, in hundredths of a cent a minute: the same on every card.
const TOLL_FREE_SURCHARGE: i64 = 200;

/// Fills an empty catalog. Returns false, and changes nothing, where there is a catalog already.
///
/// # Errors
/// When the database fails.
pub fn seed(tx: &WriteTx<'_>, options: &SeedOptions) -> Result<bool, CatalogError> {
    if !Snapshot::load(tx.conn()?)?.meters().is_empty() {
        return Ok(false);
    }
    for (code, name, unit) in [
        (VOICE, "Voice", "second"),
        (CHAT, "Chat", "message"),
        (TRANSFER_MINUTE, "Call transfer", "second"),
        (NUMBER, "Phone number", "month"),
    ] {
        add_meter(tx, &NewMeter { code: known(code)?, name: name.into(), unit: unit.into() })?;
    }
    for card in &CARDS {
        publish_rate_card(
            tx,
            &NewRateVersion {
                card: known(card.code)?,
                name: Some(card.name.into()),
                starts_at: Some(FROM_THE_START),
                rates: rates(card, options)?,
            },
        )?;
    }
    for plan in &PLANS {
        publish_plan(
            tx,
            &NewPlanVersion {
                plan: known(plan.code)?,
                name: Some(plan.name.into()),
                starts_at: Some(FROM_THE_START),
                terms: terms(plan, options)?,
            },
        )?;
    }
    Ok(true)
}

fn rates(card: &CardFigures, options: &SeedOptions) -> Result<Vec<Rate>, CatalogError> {
    let price = |hundredths: i64| credits(hundredths, options);
    let per = |meter: &str, units: i64, hundredths: i64| {
        Ok::<Rate, CatalogError>(Rate {
            meter: known(meter)?,
            unit_size: whole(units)?,
            increment: whole(1)?,
            minimum: Quantity::ZERO,
            price: Price::Flat(price(hundredths)?),
            byok_price: None,
            toll_free_surcharge: None,
            pass_through: PassThrough::Never,
            rounding: Credits::from_micros(1),
        })
    };
    let voice = Rate {
        byok_price: Some(price(card.voice_own_key)?),
        toll_free_surcharge: Some(price(TOLL_FREE_SURCHARGE)?),
        pass_through: PassThrough::TollFree,
        ..per(VOICE, 60, card.voice)?
    };
    // a number may be rented for part of a month
    let number = Rate { increment: Quantity::from_micros(1), ..per(NUMBER, 1, card.number)? };
    Ok(vec![voice, per(CHAT, 1, card.chat)?, per(TRANSFER_MINUTE, 60, card.transfer)?, number])
}

fn terms(plan: &PlanFigures, options: &SeedOptions) -> Result<PlanTerms, CatalogError> {
    // 29.00 where there are cents, 2,900 where the unit stands for one
    let minor = match options.currency.places() {
        0 => Some(plan.price_cents),
        _ => plan.price_cents.checked_mul(options.currency.minor_per_unit()).map(|minor| minor / 100),
    };
    let minor = minor.ok_or_else(overflow)?;
    let allowances =
        [(known(VOICE)?, whole(plan.voice_minutes * 60)?), (known(CHAT)?, whole(plan.messages)?)];
    Ok(PlanTerms {
        price: Money { minor, currency: options.currency },
        interval: Interval::Month,
        plan_credits: credits(plan.plan_credits * 100, options)?,
        allowances: allowances.into(),
        rate_card: known(plan.code)?,
        rollover: false,
        rollover_cap: None,
        credit_transfer: plan.credit_transfer,
        listed: true,
    })
}

/// Hundredths of a cent as credits.
fn credits(hundredths: i64, options: &SeedOptions) -> Result<Credits, CatalogError> {
    // a cent is a hundredth of the currency's unit, or the unit itself where it has no smaller one
    let cents_per_unit = if options.currency.places() == 0 { 1 } else { 100 };
    let micros = i128::from(hundredths) * 10_000 * i128::from(options.credits_per_unit) / cents_per_unit;
    Ok(i64::try_from(micros).map(Credits::from_micros).map_err(|_| overflow())?)
}

fn whole(units: i64) -> Result<Quantity, CatalogError> {
    Ok(Quantity::from_whole(units).ok_or_else(overflow)?)
}

fn known(code: &str) -> Result<Code, CatalogError> {
    Ok(code.parse().map_err(|e| DbError::bad_row("meters", 0, e))?)
}

fn overflow() -> DbError {
    DbError::bad_row("rate_versions", 0, "a seeded figure does not fit; credits_per_unit is too large")
}
