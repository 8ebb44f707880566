//! Buying credit: packages and custom amounts, and what became of a payment.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Notice, Pager, Tone};
use super::filter::Filter;
use super::views::{Crumb, PaymentPage, PaymentRow, ReviewPage, Section, TopUpPage};
use super::{format, forms};
use crate::base::id::{OrganizationId, PaymentId};
use crate::base::{Currency, Money};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::form::{Form, TOKEN_FIELD};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::Fingerprint;
use crate::identity::{Scope, organizations};
use crate::invoices::Quote;
use crate::payments::disputes::{self, Dispute, State as DisputeState};
use crate::payments::gateway::{Checkout, Decline};
use crate::payments::refunds::{self, Refund, State as RefundState, Wish};
use crate::payments::{
    self, Intent, NewPayment, Package, Payment, Progress, Purchase, Reason, State as Standing, Terms,
    packages,
};
use crate::wallet;

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::BillingWrite);
const FIELDS: [&str; 2] = ["package", "amount"];
/// What is chosen for an amount of one's own.
const CUSTOM: &str = "custom";
const PATH: &str = "/topup";
/// Names the list of payments in cursors.
const LIST: &str = "topup";
/// Payments on a page.
const ROWS: u32 = 10;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, PATH, READ, page);
    table.page(Method::POST, PATH, WRITE, buy);
    // before the payments, whose ids are in the same place
    table.page(Method::GET, "/topup/review", READ, review);
    table.page(Method::GET, "/topup/{id}", READ, payment);
    table.page(Method::POST, "/topup/{id}/refund", WRITE, ask_back);
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut filter = Filter::parse(req.query_string(), &["cursor"]);
    let at = filter.cursor::<1>(LIST).map(|[at]| at);
    let page = state.db.read_blocking(|tx| read(tx, &state, &admitted, None, at))?;
    html(StatusCode::OK, &page)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: Option<FormState>,
    at: Option<i64>,
) -> Result<TopUpPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Top up")];
    let chrome = chrome::chrome(state, admitted, tx, Section::TopUp, crumbs)?;
    let currency = chrome.show.face.currency;
    let terms = &state.desk.terms;
    let offered = packages::list(tx, currency)?;
    let may = admitted.principal()?.may_in_session(Scope::BillingWrite, organization).is_ok();
    let closed = |text: &str| Notice { tone: Tone::Neutral, text: text.into(), link: None };
    let mut sold = true;
    let mut labels = Vec::with_capacity(offered.len());
    for package in &offered {
        match quote(tx, state, organization, &package.purchase()) {
            Ok(quote) => labels.push((package.code.clone(), label(package, &quote))),
            Err(error) if error.code() == Code::SellerUnknown => sold = false,
            Err(error) => return Err(error),
        }
    }
    let earlier = payments::list(tx, Some(organization), at, ROWS)?;
    let first = offered.first().map_or(CUSTOM, |package| package.code.as_str()).to_owned();
    Ok(TopUpPage {
        closed: match (state.desk.is_open(), sold, may) {
            (false, ..) => Some(closed("Credit cannot be bought here: no payment provider is configured.")),
            (true, false, _) => {
                Some(closed("Credit cannot be bought yet: the seller's details are missing."))
            }
            (true, true, false) => {
                Some(closed("Credit is bought by owners and people with the billing role."))
            }
            (true, true, true) => None,
        },
        packages: labels,
        range: range(terms, currency),
        currency: currency.code(),
        form: form.unwrap_or_else(|| FormState {
            values: [("package".to_owned(), first)].into(),
            ..FormState::default()
        }),
        payments: earlier.items.iter().map(row).collect(),
        pager: Pager {
            first: at.map(|_| PATH.to_owned()),
            next: earlier.next.map(|next| Filter::default().next(PATH, LIST, &[next])),
            position: String::new(),
        },
        chrome,
    })
}

fn quote(
    tx: &ReadTx<'_>,
    state: &State,
    organization: OrganizationId,
    purchase: &Purchase,
) -> Result<Quote, ApiError> {
    Ok(payments::quote(tx, &state.desk.seller, organization, purchase, tx.now())?)
}

/// `21 % tax`.
fn tax_label(quote: &Quote) -> String {
    format!("{} % tax", quote.rate)
}

fn label(package: &Package, quote: &Quote) -> String {
    let bonus = if package.bonus.is_positive() {
        format!(" and {} free", format::credits(package.bonus))
    } else {
        String::new()
    };
    let (credits, price) = (format::credits(package.credits), format::money(package.price));
    let with_tax = if quote.amounts.tax.minor == 0 {
        String::new()
    } else {
        format!(" ({} with tax)", format::money(quote.amounts.total))
    };
    format!("{}: {credits} credits{bonus} for {price}{with_tax}", package.name)
}

/// What a custom amount may be.
pub(super) fn range(terms: &Terms, currency: Currency) -> String {
    format!("{} to {}", format::money(terms.least(currency)), format::money(terms.most(currency)))
}

/// A payment in a list.
pub(super) fn row(payment: &Payment) -> PaymentRow {
    PaymentRow {
        href: format!("/topup/{}", payment.id),
        at: payment.created_at,
        what: match &payment.purchase.plan {
            Some(plan) => plan.clone(),
            None => format!("{} credits", format::credits(payment.purchase.credits)),
        },
        price: format::money(payment.quote.amounts.total),
        status: payment.state.name(),
    }
}

/// What is asked for altogether, before it is paid.
async fn review(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    match state.db.read_blocking(|tx| read_review(tx, &state, &admitted, &form)) {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => choose_again(&state, &admitted, &form, error),
    }
}

fn read_review(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: &Form,
) -> Result<ReviewPage, ApiError> {
    let purchase = chosen(tx, state, admitted, form)?;
    let organization = admitted.organization()?;
    let quote = quote(tx, state, organization, &purchase)?;
    let crumbs = vec![
        Crumb::link("My Credit", "/overview"),
        Crumb::link("Top up", "/topup"),
        Crumb::here("Review and pay"),
    ];
    let balance = wallet::summary(tx, organization, tx.now())?.balance;
    let after = [purchase.credits, purchase.bonus]
        .into_iter()
        .try_fold(balance, crate::base::Credits::checked_add)
        .ok_or_else(|| ApiError::field("amount", "too_large", "is too large for the balance"))?;
    Ok(ReviewPage {
        chrome: chrome::chrome(state, admitted, tx, Section::TopUp, crumbs)?,
        credits: format::credits(purchase.credits),
        bonus: bonus(&purchase),
        net: format::money(quote.amounts.net),
        tax_label: tax_label(&quote),
        tax: format::money(quote.amounts.tax),
        total: format::money(quote.amounts.total),
        agreed: payments::offer(&purchase, &quote),
        note: quote.note,
        balance: format::credits(after),
        package: form.text("package").to_owned(),
        amount: form.text("amount").to_owned(),
        idempotency_key: forms::fresh_key(admitted),
    })
}

fn bonus(purchase: &Purchase) -> String {
    if purchase.bonus.is_positive() { format::credits(purchase.bonus) } else { String::new() }
}

fn choose_again(
    state: &State,
    admitted: &Admitted,
    form: &Form,
    error: ApiError,
) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(form, &FIELDS);
    let status = forms::explain(&mut typed, &FIELDS, error, &admitted.request_id.to_string())?;
    let page = state.db.read_blocking(|tx| read(tx, state, admitted, Some(typed), None))?;
    html(status, &page)
}

async fn buy(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    match try_buy(&state, &admitted, &form).await {
        Ok(Some(to)) => Ok(redirect(&to)),
        Ok(None) => look_again(&state, &admitted, &form),
        Err(error) => choose_again(&state, &admitted, &form, error),
    }
}

/// What is asked for by now, after it was not what the page said.
fn look_again(state: &State, admitted: &Admitted, form: &Form) -> Result<HttpResponse, ApiError> {
    match state.db.read_blocking(|tx| read_review(tx, state, admitted, form)) {
        Ok(mut page) => {
            let text = "The price or the tax has changed since you looked, and you were not charged. This is what it is now.";
            page.chrome.notice = Some(Notice { tone: Tone::Warn, text: text.into(), link: None });
            html(StatusCode::CONFLICT, &page)
        }
        Err(error) => choose_again(state, admitted, form, error),
    }
}

/// To the provider's page; none when it would cost or bring anything else than the page said.
async fn try_buy(state: &State, admitted: &Admitted, form: &Form) -> Result<Option<String>, ApiError> {
    let organization = admitted.organization()?;
    let purchase = state.db.read_blocking(|tx| chosen(tx, state, admitted, form))?;
    let key = form.text(forms::KEY_FIELD);
    if key.is_empty() {
        return Err(ApiError::new(Code::CrossSite));
    }
    let sent = form.canonical(&[TOKEN_FIELD, forms::KEY_FIELD]);
    let fingerprint = *Fingerprint::of(&[b"form", sent.as_bytes()]).bytes();
    let new = NewPayment {
        organization,
        gateway: state.desk.gateway()?.name(),
        purchase,
        actor: admitted.by()?.actor.to_string(),
        intent: Some(Intent { key: format!("form:{key}"), fingerprint }),
        agreed: Some(form.text("agreed").to_owned()),
    };
    let payment = match state.desk.start(new).await {
        Ok(payment) => payment,
        Err(payments::Error::Changed) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(match payment.state {
        Standing::Pending { checkout: Checkout { url: Some(url), .. }, .. } => url,
        Standing::Pending { .. } | Standing::Created | Standing::Settled(_) | Standing::Failed { .. } => {
            format!("/topup/{}", payment.id)
        }
    }))
}

fn chosen(tx: &ReadTx<'_>, state: &State, admitted: &Admitted, form: &Form) -> Result<Purchase, ApiError> {
    let currency = organizations::get(tx, admitted.organization()?)?.currency;
    match form.text("package") {
        CUSTOM | "" => {
            let bought = state.desk.terms.for_amount(form.text("amount"), currency);
            bought.map_err(|error| payments::Error::Invalid(vec![error]).into())
        }
        code => {
            let offered = packages::list(tx, currency)?;
            let found = offered.iter().find(|package| package.code == code).map(Package::purchase);
            found.ok_or_else(|| ApiError::field("package", "unknown", "is not for sale"))
        }
    }
}

/// Where customers come back to from paying: the provider is asked, for its webhook may be late.
async fn payment(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<PaymentId>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let mut found = state.db.read_blocking(|tx| payments::get(tx, id))?;
    if found.organization != organization {
        return Err(payments::Error::NotFound.into());
    }
    match state.desk.ask(id).await {
        Ok(asked) => found = asked,
        // what is known already is shown; the schedule asks again
        Err(error) => tracing::warn!(payment = %id, %error, "payment not asked about"),
    }
    if found.purchase.plan.is_some() {
        // its work is written down: whoever looks need not wait for it
        if let Err(error) = state.office.follow(&found).await {
            tracing::warn!(payment = %id, %error, "a plan's fee");
        }
    }
    let page = state.db.read_blocking(|tx| show(tx, &state, &admitted, &found))?;
    html(StatusCode::OK, &page)
}

fn show(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    payment: &Payment,
) -> Result<PaymentPage, ApiError> {
    let (purchase, amounts) = (&payment.purchase, payment.quote.amounts);
    let (section, from) = match purchase.plan {
        Some(_) => (Section::Plan, Crumb::link("Plan", "/plan")),
        None => (Section::TopUp, Crumb::link("Top up", PATH)),
    };
    let crumbs = vec![Crumb::link("My Credit", "/overview"), from, Crumb::here("Payment")];
    let (refunds, disputes) = (refunds::of_payment(tx, payment.id)?, disputes::of_payment(tx, payment.id)?);
    Ok(PaymentPage {
        chrome: chrome::chrome(state, admitted, tx, section, crumbs)?,
        id: payment.id.to_string(),
        notice: notice(payment, &refunds, &disputes),
        plan: purchase.plan.clone().unwrap_or_default(),
        credits: format::credits(purchase.credits),
        bonus: bonus(purchase),
        price: format::money(amounts.net),
        tax_label: tax_label(&payment.quote),
        tax: format::money(amounts.tax),
        total: format::money(amounts.total),
        at: payment.created_at,
        waits: matches!(payment.state, Standing::Created | Standing::Pending { .. }),
        aside: refunds.iter().map(went_back).chain(disputes.iter().map(disputed)).collect(),
        refundable: refundable(tx, state, admitted, payment)?,
    })
}

/// What became of money that was asked back, or given.
fn went_back(refund: &Refund) -> String {
    let amount = format::money(refund.total);
    match &refund.state {
        RefundState::Requested => format!("You asked for {amount} back. It is being looked at."),
        RefundState::Declined { .. } => format!("You asked for {amount} back, which was declined."),
        RefundState::Pending { .. } => format!("{amount} is being given back."),
        RefundState::Succeeded { .. } => format!("{amount} was given back."),
        RefundState::Failed { .. } => format!("{amount} could not be given back. Your credit is as before."),
    }
}

/// What became of a dispute with the bank.
fn disputed(dispute: &Dispute) -> String {
    let (amount, frozen) = (format::money(dispute.amount), format::credits(dispute.frozen));
    match dispute.state {
        DisputeState::Open => format!(
            "{amount} of it is disputed with your bank. Until the bank decides, {frozen} credits are set aside."
        ),
        DisputeState::Won { .. } => format!(
            "{amount} of it was disputed with your bank, which decided that the payment stands. The credit that was \
             set aside is yours again."
        ),
        DisputeState::Lost { .. } => format!(
            "{amount} of it was disputed with your bank, which gave it back to you. What was left of the credit went \
             with it."
        ),
    }
}

/// Paid, and what is left of that.
fn settled(payment: &Payment, refunds: &[Refund], disputes: &[Dispute]) -> Notice {
    let total = payment.quote.amounts.total;
    let (paid, see) = match payment.purchase.plan {
        Some(_) => ("Paid: see your plan.", ("/plan", "See the plan")),
        None => ("Paid, and the credit is there.", ("/transactions", "See it")),
    };
    let given = refunds.iter().filter(|refund| matches!(refund.state, RefundState::Succeeded { .. }));
    let taken = disputes.iter().filter(|dispute| matches!(dispute.state, DisputeState::Lost { .. }));
    let amounts = given.map(|refund| refund.total).chain(taken.map(|dispute| dispute.amount));
    let back = Money { minor: amounts.fold(0, |sum, back| sum.saturating_add(back.minor)), ..total };
    let is_open = disputes.iter().any(|dispute| dispute.state == DisputeState::Open);
    let (tone, text) = match back.minor {
        0 if is_open => (Tone::Warn, "Paid, and disputed with your bank.".into()),
        0 => (Tone::Good, paid.into()),
        minor if minor < total.minor => {
            (Tone::Neutral, format!("Paid. {} of it was given back.", format::money(back)))
        }
        _ => (Tone::Neutral, format!("Paid, and {} was given back.", format::money(back))),
    };
    Notice { tone, text, link: Some((see.0.into(), see.1.into())) }
}

/// What whoever looks may ask back.
fn refundable(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    payment: &Payment,
) -> Result<Option<String>, ApiError> {
    let may = admitted.principal()?.may_in_session(Scope::BillingWrite, payment.organization).is_ok();
    let open = refunds::may_request(tx, payment, state.settings.refund_days, tx.now())?;
    if !may || !open {
        return Ok(None);
    }
    let unused = refunds::offer(tx, payment.id, tx.now())?.unused;
    Ok((unused.minor > 0).then(|| format::money(unused)))
}

async fn ask_back(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<PaymentId>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let note: String = form.text("note").chars().filter(|c| !c.is_control()).take(500).collect();
    let wish = Wish { payment: id, total: None, reason: refunds::Reason::Unused, note };
    let within_days = state.settings.refund_days;
    state.db.write(move |tx| refunds::request(tx, &by, organization, &wish, within_days)).await?;
    Ok(redirect(&format!("/topup/{id}")))
}

/// How a payment stands, whether money moved, and what to do next.
fn notice(payment: &Payment, refunds: &[Refund], disputes: &[Dispute]) -> Notice {
    let say = |tone, text: &str, link: Option<(&str, &str)>| Notice {
        tone,
        text: text.into(),
        link: link.map(|(to, label)| (to.into(), label.into())),
    };
    let (again, given) = match payment.purchase.plan {
        Some(_) => (("/plan", "Back to the plan"), "The plan begins, or goes on,"),
        None => ((PATH, "Begin again"), "The credit is given"),
    };
    match &payment.state {
        Standing::Created => say(
            Tone::Warn,
            "The payment provider has not answered yet. Nothing was charged; look again in a moment.",
            None,
        ),
        Standing::Pending { checkout, progress } => match progress {
            Progress::Open => {
                let pay = checkout.url.as_deref().map(|url| (url, "Go on to pay"));
                say(Tone::Warn, "Pending: nothing was paid yet.", pay)
            }
            Progress::Processing => {
                let text = format!("Pending: the bank has not settled it yet. {given} as soon as it has.");
                say(Tone::Warn, &text, None)
            }
            Progress::Declined(decline) => {
                let again = checkout.url.as_deref().map(|url| (url, "Try another card"));
                say(Tone::Bad, declined(*decline), again)
            }
        },
        Standing::Settled(_) => settled(payment, refunds, disputes),
        Standing::Failed { reason, .. } => say(Tone::Bad, failed(*reason), Some(again)),
    }
}

/// Why nothing was paid, for people.
pub(super) const fn failed(reason: Reason) -> &'static str {
    match reason {
        Reason::Abandoned => "It was not paid in time, and you were not charged.",
        Reason::Declined(decline) => declined(decline),
        Reason::GivenUp => "Nothing came of it: you were not charged, or it was given back.",
        Reason::Refused => "The payment provider refused it, and you were not charged.",
    }
}

/// A decline, for people.
pub(super) const fn declined(decline: Decline) -> &'static str {
    match decline {
        Decline::Declined => "The card was declined, and you were not charged.",
        Decline::InsufficientFunds => "There is not enough on the account, and you were not charged.",
        Decline::AuthenticationFailed => "It was not confirmed with the bank, and you were not charged.",
        Decline::AuthenticationRequired => "The bank wants you to confirm it, and you were not charged.",
        Decline::ExpiredCard => "The card has expired, and you were not charged.",
    }
}
