//! What can happen: carried out by the real operations on one side, by the model on the other.

use std::collections::BTreeMap;

use tollbook::base::id::{MeterId, OrganizationId};
use tollbook::base::{Credits, Day, Money, Quantity, Timestamp};
use tollbook::calls::{self, Call, CallRef, Captured, Extension, Report, State as CallState, Stop, Unasked};
use tollbook::catalog::rules::{Interval, PassThrough, PlanTerms, Price, Rate, Tier};
use tollbook::catalog::{self, NewMeter, NewPlanVersion, NewRateVersion, Snapshot};
use tollbook::db::{DbError, WriteTx};
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::identity::organizations;
use tollbook::ledger::TransactionType;
use tollbook::metering::{self, ExternalId, Outcome, PriceTerms, Receipt, Refusal, UsageEvent};
use tollbook::revenue;
use tollbook::wallet::{self, NewCredit, TakeBack};

use super::limits::What;
use super::model::{Credit, Model, receipt};
use super::paying::Paying;
use super::price::{self, Micros, Pass, Terms, Version};
use crate::ledger_kit::input;

#[derive(Clone, Debug)]
pub enum Op {
    Record {
        caller: Option<usize>,
        fallback: Option<usize>,
        events: Vec<UsageEvent>,
    },
    Credit {
        to: usize,
        credit: Credit,
    },
    TakeBack {
        from: usize,
        amount: i64,
        class: usize,
    },
    Void {
        of: usize,
        id: String,
    },
    ExpireDue,
    /// The daily run of earnings.
    Post,
    SetTerms {
        of: usize,
        terms: Terms,
    },
    Publish {
        card: String,
        version: Version,
    },
    AddPlan {
        code: String,
        plan: price::Plan,
    },
    AddMeter {
        code: String,
    },
    Suspend {
        which: usize,
        on: bool,
    },
    Authorize {
        of: usize,
        said: calls::Request,
    },
    Extend {
        of: usize,
        call: ExternalId,
        elapsed: Quantity,
    },
    Capture {
        of: usize,
        call: ExternalId,
        report: Report,
    },
    CaptureUnasked {
        of: usize,
        said: calls::Request,
        started: Option<i64>,
        report: Report,
    },
    Release {
        of: usize,
        call: ExternalId,
    },
    EndCalls,
    Limits {
        of: usize,
        what: What,
    },
    Pay(Paying),
    /// All of these, and then it fails.
    Failing(Vec<Op>),
    /// All of these, and then it panics.
    Panicking(Vec<Op>),
}

/// An answer or an error, as text.
#[derive(Debug)]
pub struct Failure(pub String);

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self(format!("database: {error}"))
    }
}

impl From<wallet::Error> for Failure {
    fn from(error: wallet::Error) -> Self {
        Self(match error {
            wallet::Error::NotPositive => "not positive".into(),
            wallet::Error::ExpiryInThePast => "expiry in the past".into(),
            wallet::Error::NotEnough { available, .. } => format!("only {}", available.micros()),
            other => other.to_string(),
        })
    }
}

impl From<catalog::CatalogError> for Failure {
    fn from(error: catalog::CatalogError) -> Self {
        Self(error.to_string())
    }
}

impl From<metering::VoidError> for Failure {
    fn from(error: metering::VoidError) -> Self {
        Self(error.to_string())
    }
}

impl From<metering::TermsError> for Failure {
    fn from(error: metering::TermsError) -> Self {
        Self(error.to_string())
    }
}

/// Organizations are made first, so their numbers are known.
pub fn organization_id(place: usize) -> OrganizationId {
    OrganizationId::new(i64::try_from(place).expect("few") + 1)
}

fn micros(amount: Micros) -> i64 {
    i64::try_from(amount).expect("in range")
}

fn credits(amount: Micros) -> Credits {
    Credits::from_micros(micros(amount))
}

fn quantity(amount: Micros) -> Quantity {
    Quantity::from_micros(micros(amount))
}

const CLASSES: [Class; 3] = [Class::Free, Class::Plan, Class::Paid];

fn take_back(tx: &WriteTx<'_>, from: usize, amount: i64, class: Class) -> Result<String, Failure> {
    let wanted = TakeBack {
        amount: Credits::from_micros(amount),
        class,
        description: "taken".into(),
        actor: "test".into(),
        metadata: None,
    };
    let (t, parts) = wallet::take_back(tx, organization_id(from), wanted)?;
    let drawn: i64 = parts.iter().map(|d| d.amount.micros()).sum();
    assert_eq!(t.amount.micros(), -drawn);
    Ok(format!("line {} -{drawn} then {}", t.id.number(), t.balance_after.micros()))
}

impl Op {
    /// Does it, for real.
    pub fn run(&self, tx: &WriteTx<'_>) -> Result<String, Failure> {
        match self {
            Self::Record { caller, fallback, events } => {
                let events: Vec<_> = events.iter().cloned().map(input).collect();
                let own = |place: &Option<usize>| place.map(organization_id);
                let outcomes = calls::record(tx, own(caller), own(fallback), &events)?;
                let catalog = catalog::snapshot(tx)?;
                Ok(outcomes.iter().map(|o| outcome(&catalog, o)).collect::<Vec<_>>().join("\n"))
            }
            Self::Credit { to, credit } => give(tx, *to, credit),
            Self::TakeBack { from, amount, class } => take_back(tx, *from, *amount, CLASSES[*class]),
            Self::Void { of, id } => {
                let id = ExternalId::new(id).expect("id");
                let (answer, again) = calls::void_event(tx, organization_id(*of), &id)?;
                let catalog = catalog::snapshot(tx)?;
                let what = if again { "again" } else { "voided" };
                Ok(format!("{what} {}", receipt_text(&catalog, &answer)))
            }
            Self::ExpireDue => Ok(format!("{} due", wallet::expire_due(tx, 10_000)?)),
            Self::Post => {
                let looked = revenue::post_due(tx, 10_000)?;
                Ok(format!("{looked} looked at: {}", owed(tx.conn()?)?))
            }
            Self::SetTerms { of, terms } => set_terms(tx, *of, terms),
            Self::Publish { card, version } => publish(tx, card, version),
            Self::AddPlan { code, plan } => add_plan(tx, code, plan),
            Self::AddMeter { code } => {
                let new =
                    NewMeter { code: code.parse().expect("code"), name: "Added".into(), unit: "unit".into() };
                catalog::add_meter(tx, &new)?;
                Ok("added".into())
            }
            Self::Suspend { which, on } => {
                let (by, id) = (By::actor(Actor::System), organization_id(*which));
                let done = if *on {
                    organizations::suspend(tx, &by, id, "test")
                } else {
                    organizations::resume(tx, &by, id)
                };
                done.map(|_| "done".into()).map_err(|e| Failure(e.to_string()))
            }
            Self::Authorize { .. }
            | Self::Extend { .. }
            | Self::Capture { .. }
            | Self::CaptureUnasked { .. }
            | Self::Release { .. }
            | Self::EndCalls => self.run_call(tx),
            Self::Limits { of, what } => what.run(tx, *of),
            Self::Pay(paying) => paying.run(tx),
            Self::Failing(ops) => {
                tx.conn()?;
                for op in ops {
                    op.run(tx)?;
                }
                Err(Failure("on purpose".into()))
            }
            Self::Panicking(ops) => {
                for op in ops {
                    let _ = op.run(tx);
                }
                // without the message that a panic prints
                std::panic::resume_unwind(Box::new("on purpose"))
            }
        }
    }

    fn run_call(&self, tx: &WriteTx<'_>) -> Result<String, Failure> {
        match self {
            Self::Authorize { of, said } => {
                let answer = calls::authorize(tx, Some(organization_id(*of)), None, said)?;
                Ok(answer.map_or_else(
                    |stop| stopped(&stop),
                    |answer| {
                        let again = if answer.again { "again " } else { "" };
                        format!("{again}{}", call_text(&answer.call))
                    },
                ))
            }
            Self::Extend { of, call, elapsed } => {
                let which = CallRef::External(call.clone());
                let answer = calls::extend(tx, None, Some(organization_id(*of)), &which, *elapsed)?;
                Ok(answer.map_or_else(|stop| stopped(&stop), |extension| extension_text(&extension)))
            }
            Self::Capture { of, call, report } => {
                let which = CallRef::External(call.clone());
                let answer = calls::capture(tx, Some(organization_id(*of)), None, &which, *report, None)?;
                captured_text(tx, answer)
            }
            Self::CaptureUnasked { of, said, started, report } => {
                let which = CallRef::External(said.external.clone());
                let started_at = started.map(Timestamp::from_millis);
                let unasked = Unasked { request: said.clone(), started_at };
                let own = Some(organization_id(*of));
                captured_text(tx, calls::capture(tx, own, None, &which, *report, Some(&unasked))?)
            }
            Self::Release { of, call } => {
                let which = CallRef::External(call.clone());
                let answer = calls::release(tx, Some(organization_id(*of)), None, &which)?;
                Ok(answer.map_or_else(
                    |stop| stopped(&stop),
                    |closed| {
                        let when = if closed.duplicate { "again" } else { "now" };
                        format!("{when} {}", call_text(&closed.call))
                    },
                ))
            }
            Self::EndCalls => Ok(format!("{} ended", calls::expire_due(tx, 10_000)?)),
            other => unreachable!("{other:?} is not of calls"),
        }
    }

    /// What should come of it.
    pub fn expect(&self, model: &mut Model) -> Result<String, String> {
        match self {
            Self::Record { caller, fallback, events } => Ok(events
                .iter()
                .map(|said| model.record(*caller, *fallback, said))
                .collect::<Vec<_>>()
                .join("\n")),
            Self::Credit { to, credit } => model.credit(*to, credit),
            Self::TakeBack { from, amount, class } => model.take_back(*from, *amount, *class),
            Self::Void { of, id } => model.void(*of, id),
            Self::ExpireDue => Ok(model.expire_due()),
            Self::Post => Ok(model.post()),
            Self::SetTerms { of, terms } => {
                let now = model.now;
                let organization = &mut model.organizations[*of];
                if terms.starts < now && organization.lines.iter().any(|l| l.usage.is_some()) {
                    return Err("must not be in the past once there is usage".into());
                }
                organization.terms.retain(|t| t.starts != terms.starts);
                organization.terms.push(terms.clone());
                organization.terms.sort_by_key(|t| t.starts);
                Ok("set".into())
            }
            Self::Publish { card, version } => {
                let versions = model.prices.cards.entry(card.clone()).or_default();
                if version.starts < model.now && !versions.is_empty() {
                    return Err("starts_at must not be in the past".into());
                }
                versions.push(version.clone());
                Ok("published".into())
            }
            Self::AddPlan { code, plan } => {
                model.prices.plans.insert(code.clone(), plan.clone());
                Ok("published".into())
            }
            Self::AddMeter { code } => {
                if model.prices.meters.contains(code) {
                    return Err(format!("there is a meter {code} already"));
                }
                model.prices.meters.push(code.clone());
                Ok("added".into())
            }
            Self::Suspend { which, on } => {
                model.organizations[*which].suspended = *on;
                Ok("done".into())
            }
            Self::Authorize { of, said } => Ok(model.authorize(*of, said)),
            Self::Extend { of, call, elapsed } => Ok(model.extend(*of, call, *elapsed)),
            Self::Capture { of, call, report } => Ok(model.capture(*of, call, report)),
            Self::CaptureUnasked { of, said, started, report } => {
                Ok(model.capture_unasked(*of, said, *started, report))
            }
            Self::Release { of, call } => Ok(model.release(*of, call)),
            Self::EndCalls => Ok(model.end_all_due()),
            Self::Limits { of, what } => what.expect(model, *of),
            Self::Pay(paying) => paying.expect(model),
            Self::Failing(ops) => {
                let mut thrown_away = model.clone();
                for op in ops {
                    op.expect(&mut thrown_away)?;
                }
                Err("on purpose".into())
            }
            Self::Panicking(_) => Err("gone with its commit".into()),
        }
    }

    pub fn takes_its_commit_along(&self) -> bool {
        matches!(self, Self::Panicking(_))
    }
}

/// All that was received for credit, earned, kept and is owed.
pub fn owed(conn: &rusqlite::Connection) -> Result<String, DbError> {
    let rows = revenue::liability(conn, Day::from_number(0), Day::from_number(1_000_000))?;
    let Some(row) = rows.first() else { return Ok("0 - 0 - 0 - 0 - 0 = 0".into()) };
    assert_eq!(rows.len(), 1);
    let all =
        [row.sold, row.earned, row.expired, row.refunded, row.disputed].map(|money| money.minor.to_string());
    Ok(format!("{} = {}", all.join(" - "), row.close.minor))
}

fn give(tx: &WriteTx<'_>, to: usize, credit: &Credit) -> Result<String, Failure> {
    let catalog = catalog::snapshot(tx)?;
    let meters = credit.meters.as_ref().map(|codes| {
        codes.iter().map(|code| catalog.meter_id(code).expect("meter")).collect::<Vec<MeterId>>()
    });
    let new = NewCredit {
        amount: Credits::from_micros(credit.amount),
        class: CLASSES[credit.class],
        priority: credit.priority,
        expires_at: credit.expires.map(Timestamp::from_millis),
        meters,
        cost: credit.cost_minor.map(|minor| Money { minor, currency: "EUR".parse().expect("currency") }),
        tax: None,
        source: "operator",
        kind: TransactionType::Adjustment,
        description: "given".into(),
        actor: "test".into(),
        metadata: Some("{\"why\":\"test\"}".into()),
    };
    let (t, grant) = wallet::credit(tx, organization_id(to), new)?;
    Ok(format!(
        "line {} +{} then {}, grant of {}",
        t.id.number(),
        t.amount.micros(),
        t.balance_after.micros(),
        grant.remaining.micros()
    ))
}

fn set_terms(tx: &WriteTx<'_>, of: usize, terms: &Terms) -> Result<String, Failure> {
    let catalog = catalog::snapshot(tx)?;
    let plan = terms.plan.as_ref().map(|code| catalog.plan_by_code(code).expect("plan"));
    let terms = PriceTerms {
        starts_at: Timestamp::from_millis(terms.starts),
        plan_version: plan.map(|plan| plan.versions.last().expect("version").id),
        rate_card: terms.card.as_ref().map(|code| catalog.rate_card_by_code(code).expect("card").id),
    };
    metering::set_price_terms(tx, organization_id(of), terms)?;
    Ok("set".into())
}

fn publish(tx: &WriteTx<'_>, card: &str, version: &Version) -> Result<String, Failure> {
    let tiers = |tiers: &[(Option<Micros>, Micros)]| {
        tiers.iter().map(|(end, price)| Tier { up_to: end.map(quantity), price: credits(*price) }).collect()
    };
    let rates = version
        .rates
        .iter()
        .map(|(meter, rate)| Rate {
            meter: meter.parse().expect("code"),
            unit_size: quantity(rate.unit),
            increment: quantity(rate.increment),
            minimum: quantity(rate.minimum),
            price: match &rate.price {
                price::Price::Flat(price) => Price::Flat(credits(*price)),
                price::Price::Graduated(steps) => Price::Graduated(tiers(steps)),
                price::Price::Volume(steps) => Price::Volume(tiers(steps)),
            },
            byok_price: rate.byok.map(credits),
            toll_free_surcharge: rate.toll_free.map(credits),
            pass_through: match rate.pass {
                Pass::Never => PassThrough::Never,
                Pass::TollFree => PassThrough::TollFree,
                Pass::Always => PassThrough::Always,
            },
            rounding: credits(rate.rounding),
        })
        .collect();
    let new = NewRateVersion {
        card: card.parse().expect("code"),
        name: Some(format!("Card {card}")),
        starts_at: Some(Timestamp::from_millis(version.starts)),
        rates,
    };
    catalog::publish_rate_card(tx, &new)?;
    Ok("published".into())
}

fn add_plan(tx: &WriteTx<'_>, code: &str, plan: &price::Plan) -> Result<String, Failure> {
    let allowances: BTreeMap<_, _> = plan
        .allowances
        .iter()
        .map(|(meter, units)| (meter.parse().expect("code"), quantity(*units)))
        .collect();
    let terms = PlanTerms {
        price: Money { minor: 100, currency: "EUR".parse().expect("currency") },
        interval: if plan.yearly { Interval::Year } else { Interval::Month },
        plan_credits: Credits::ZERO,
        allowances,
        rate_card: plan.card.parse().expect("code"),
        rollover: false,
        rollover_cap: None,
        credit_transfer: false,
        listed: true,
    };
    let new = NewPlanVersion {
        plan: code.parse().expect("code"),
        name: Some(format!("Plan {code}")),
        starts_at: None,
        terms,
    };
    catalog::publish_plan(tx, &new)?;
    Ok("published".into())
}

/// A call as the model writes it down.
pub fn call_text(call: &Call) -> String {
    let rest = match &call.state {
        CallState::Live(hold) => format!(
            "{} for {} of {} after {} until {}",
            hold.pins.credits().micros(),
            hold.covered.micros(),
            hold.most.micros(),
            hold.elapsed.micros(),
            hold.expires_at.millis()
        ),
        CallState::Completed(ended) | CallState::Expired(ended) => {
            let charge =
                ended.charge.as_ref().map(|charge| (charge.credits.micros(), charge.carried.micros()));
            format!("held {} after {} charged {charge:?}", ended.held.micros(), ended.elapsed.micros())
        }
        CallState::Rejected(rejection) => format!(
            "{}: {} of {}",
            rejection.reason,
            rejection.available.micros(),
            rejection.required.micros()
        ),
    };
    let meter =
        ["voice", "chat", "transfer_minute", "number"][usize::try_from(call.meter.number() - 1).unwrap()];
    format!("{} {} {meter} {} at {}: {rest}", call.id, call.external, call.status(), call.started_at.millis())
}

fn extension_text(extension: &Extension) -> String {
    let goes_on = if extension.goes_on { "go on" } else { "stop" };
    let warn = if extension.warn { " soon" } else { "" };
    let (left, until) = (extension.left.micros(), extension.cut_off_at.millis());
    format!("{goes_on} for {left} until {until}{warn}: {}", call_text(&extension.call))
}

fn captured_text(tx: &WriteTx<'_>, answer: Result<Captured, Stop>) -> Result<String, Failure> {
    let catalog = catalog::snapshot(tx)?;
    Ok(answer.map_or_else(
        |stop| stopped(&stop),
        |captured| {
            let when = if captured.duplicate { "again" } else { "now" };
            let receipts: Vec<String> = captured.receipts.iter().map(|r| receipt_text(&catalog, r)).collect();
            let (above, call) = (captured.above_hold.micros(), call_text(&captured.call));
            format!("{when} {} beyond {above}: {call}", receipts.join(" and "))
        },
    ))
}

fn stopped(stop: &Stop) -> String {
    match stop {
        Stop::Refused(refusal) => refused(refusal),
        Stop::NotTimed => "not timed".into(),
        Stop::NotFound => "not found".into(),
        Stop::Conflict => "conflict".into(),
        Stop::Forwarded => "forwarded".into(),
        Stop::Ended(call) => format!("ended {}", call.status()),
        Stop::HoldEnded(call) => format!("hold ended {}", call.status()),
    }
}

fn outcome(catalog: &Snapshot, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Charged(receipt) => format!("charged {}", receipt_text(catalog, receipt)),
        Outcome::Duplicate(receipt) => format!("duplicate {}", receipt_text(catalog, receipt)),
        Outcome::Refused(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownMeter(_) => "no meter".into(),
        Refusal::UnknownOrganization => "no organization".into(),
        Refusal::ForeignOrganization => "foreign".into(),
        Refusal::NoRate => "no rate".into(),
        Refusal::Negative(_) => "negative".into(),
        Refusal::TooMuch(_) => "too much".into(),
        Refusal::Unpriceable => "unpriceable".into(),
        Refusal::TooMuchForOneDay => "too much for one day".into(),
        Refusal::TooOld(_) => "too old".into(),
        Refusal::InTheFuture(_) => "in the future".into(),
        Refusal::Conflict => "conflict".into(),
        Refusal::ReservedId => "reserved".into(),
        Refusal::InsufficientCredits { available, required } => {
            format!("insufficient {} of {}", available.micros(), required.micros())
        }
        Refusal::Suspended => "suspended".into(),
        Refusal::NumberSuspended => "number suspended".into(),
        Refusal::Limit(cap) => {
            let (kind, left) = (cap.kind.name(), cap.left.micros());
            format!("{kind} limit leaves {left} of {}", cap.limit.micros())
        }
        Refusal::PlanExhausted { available, required } => {
            format!("plan exhausted {} of {}", available.micros(), required.micros())
        }
        Refusal::TollFreeGuard { minutes_per_day } => format!("guard of {minutes_per_day} minutes"),
    }
}

/// A rate version as the model names it: the card, and the number on it.
pub fn rate_name(catalog: &Snapshot, id: tollbook::base::id::RateVersionId) -> String {
    let (card, version) = catalog.rate_version(id).expect("rate version");
    format!("{}/{}", card.code, version.version)
}

fn receipt_text(catalog: &Snapshot, answer: &Receipt) -> String {
    let rate = rate_name(catalog, answer.rate_version);
    let meter = catalog.meter(answer.meter).expect("meter").code.to_string();
    let items: Vec<_> = answer
        .items
        .iter()
        .map(|i| (i.id, i.kind.as_str(), Micros::from(i.quantity.micros()), Micros::from(i.credits.micros())))
        .collect();
    assert_eq!(answer.head, items[0].0);
    let (total, after) = (answer.credits.micros(), answer.balance_after.micros());
    receipt(&rate, &meter, &items, total.into(), after.into())
}
