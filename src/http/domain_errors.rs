//! What each error of the domain is to a client. Every variant is listed: a new one has to be thought about here.

use crate::base::{self, Credits};
use crate::calls::MessageError;
use crate::catalog::CatalogError;
use crate::catalog::rules::Problems;
use crate::grants::Class;
use crate::identity::Error as IdentityError;
use crate::invoices::Error as InvoiceError;
use crate::invoices::pdf::Error as PdfError;
use crate::limits::Error as LimitsError;
use crate::metering::{TermsError, VoidError};
use crate::numbers;
use crate::onboarding::Error as OnboardingError;
use crate::payments::Error as PaymentError;
use crate::payments::gateway::Trouble;
use crate::payments::packages::Error as PackageError;
use crate::payments::refunds::Error as RefundError;
use crate::payments::transfers::Error as TransferError;
use crate::scheduler;
use crate::subscriptions::Error as SubscriptionError;
use crate::wallet::Error as WalletError;

use super::error::{ApiError, Code, FieldError};

/// More is to be taken than there is.
fn not_enough(class: Class, available: Credits, to_be: &str) -> ApiError {
    #[derive(serde::Serialize)]
    struct Details {
        class: &'static str,
        available: Credits,
    }
    ApiError::new(Code::NotEnoughCredit)
        .param("credits")
        .message(format!("Only {available} credits of class {class} can be {to_be}."))
        .details(&Details { class: class.name(), available })
}

/// Rounds up, so that whoever waits that long may come again.
fn seconds(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).div_ceil(1_000)
}

impl From<base::FieldError> for FieldError {
    fn from(error: base::FieldError) -> Self {
        Self::new(error.field, error.code, error.message)
    }
}

impl From<Vec<base::FieldError>> for ApiError {
    fn from(errors: Vec<base::FieldError>) -> Self {
        Self::fields(errors.into_iter().map(FieldError::from).collect())
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Db(error) => error.into(),
            IdentityError::Invalid(errors) => errors.into(),
            IdentityError::Taken(field) => {
                Self::new(Code::AlreadyExists).param(field).message(format!("{field} is taken."))
            }
            IdentityError::NotFound(what) => {
                Self::new(Code::NotFound).message(format!("There is no such {what}."))
            }
            IdentityError::Denied(denied) => denied.into(),
            IdentityError::WrongCredentials => Self::new(Code::InvalidCredentials),
            IdentityError::TooManyAttempts { retry_after_ms } => Self::new(Code::RateLimited)
                .message("Too many attempts to sign in: wait a while.")
                .retry_after(seconds(retry_after_ms)),
            IdentityError::Busy => Self::new(Code::Unavailable).retry_after(1),
            IdentityError::TimezoneFixed => Self::new(Code::Conflict)
                .param("timezone")
                .message("The timezone cannot change once there is usage: its days are drawn by it."),
            IdentityError::Last(what) => {
                Self::new(Code::Conflict).message(format!("The last {what} has to stay."))
            }
            IdentityError::SetupComplete => {
                Self::new(Code::Conflict).message("Setup is complete: sign in instead.")
            }
            IdentityError::SetupToken => Self::new(Code::Forbidden)
                .message("The setup link is not valid (any more). Restart the server for a new one."),
            IdentityError::Link => {
                let message =
                    "is not valid (any more): a link works once, and for a limited time; ask for another";
                Self::field("token", "invalid_value", message)
            }
            IdentityError::Hashing(text) => Self::internal(text),
        }
    }
}

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        let field = |problem: crate::catalog::rules::Problem| {
            FieldError::new(problem.field, "invalid_value", problem.message)
        };
        Self::fields(problems.0.into_iter().map(field).collect())
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Invalid(problems) => problems.into(),
            CatalogError::MeterExists(code) => Self::new(Code::AlreadyExists)
                .param("code")
                .message(format!("There is a meter {code} already.")),
            CatalogError::NoDraft(code) => {
                Self::new(Code::NotFound).message(format!("There is no draft of {code}."))
            }
            CatalogError::DraftChanged(_) => Self::new(Code::Conflict)
                .message("The draft was changed since this page was opened. It is shown as it is now."),
            CatalogError::Db(error) => error.into(),
        }
    }
}

impl From<MessageError> for ApiError {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Invalid(errors) => errors.into(),
            MessageError::Db(error) => error.into(),
        }
    }
}

impl From<WalletError> for ApiError {
    fn from(error: WalletError) -> Self {
        match error {
            WalletError::Db(error) => error.into(),
            WalletError::NoWallet => Self::new(Code::NotFound).message("There is no such organization."),
            WalletError::NotEnough { class, available } => not_enough(class, available, "taken back"),
            WalletError::NotPositive => Self::field("credits", "invalid_value", "must be above zero"),
            WalletError::TooLarge => Self::field("credits", "too_large", "is too large for the balance"),
            WalletError::ExpiryInThePast => Self::field("expires_at", "in_the_past", "must be in the future"),
        }
    }
}

impl From<LimitsError> for ApiError {
    fn from(error: LimitsError) -> Self {
        match error {
            LimitsError::Db(error) => error.into(),
            LimitsError::Identity(error) => error.into(),
            LimitsError::Invalid(errors) => errors.into(),
            LimitsError::NotFound(what) => {
                Self::new(Code::NotFound).message(format!("There is no such {what}."))
            }
            LimitsError::NotPaused => Self::new(Code::LimitNotPaused),
        }
    }
}

impl From<InvoiceError> for ApiError {
    fn from(error: InvoiceError) -> Self {
        match error {
            InvoiceError::Db(error) => error.into(),
            InvoiceError::Identity(error) => error.into(),
            InvoiceError::NotFound => Self::new(Code::NotFound).message("There is no such invoice."),
            InvoiceError::SellerUnknown => Self::new(Code::SellerUnknown),
            InvoiceError::Money(error) => Self::internal(error),
            InvoiceError::Invalid(why) => Self::internal(why),
            error @ (InvoiceError::Conflict(_) | InvoiceError::Exceeds { .. }) => Self::internal(error),
        }
    }
}

impl From<RefundError> for ApiError {
    fn from(error: RefundError) -> Self {
        match error {
            RefundError::Db(error) => error.into(),
            RefundError::Wallet(error) => error.into(),
            RefundError::Invoice(error) => error.into(),
            RefundError::Revenue(error) => Self::internal(error),
            RefundError::Money(error) => Self::internal(error),
            RefundError::Invalid(errors) => errors.into(),
            RefundError::NotFound(what) => {
                Self::new(Code::NotFound).message(format!("There is no such {what}."))
            }
            RefundError::NotSettled => Self::new(Code::Conflict)
                .message("The payment has not settled: there is nothing to give back."),
            RefundError::TooLate => Self::new(Code::RefundTooLate),
            RefundError::AskedAlready => {
                Self::new(Code::AlreadyExists).message("It was asked for already, and is being looked at.")
            }
            RefundError::Decided => Self::new(Code::Conflict).message("It was decided already."),
        }
    }
}

impl From<TransferError> for ApiError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Db(error) => error.into(),
            TransferError::Wallet(WalletError::NotEnough { class, available }) => {
                not_enough(class, available, "sent")
            }
            TransferError::Wallet(error) => error.into(),
            TransferError::Revenue(error) => Self::internal(error),
            TransferError::Identity(error) => error.into(),
            TransferError::Invalid(errors) => errors.into(),
            TransferError::PlanForbids => Self::new(Code::CreditTransferForbidden),
            TransferError::Suspended => Self::new(Code::OrganizationSuspended),
        }
    }
}

impl From<PaymentError> for ApiError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::Db(error) => error.into(),
            PaymentError::Wallet(error) => error.into(),
            PaymentError::Identity(error) => error.into(),
            PaymentError::Invoice(error) => error.into(),
            PaymentError::Refund(error) => error.into(),
            PaymentError::Invalid(errors) => errors.into(),
            PaymentError::NotFound => Self::new(Code::NotFound).message("There is no such payment."),
            PaymentError::Undecided => Self::new(Code::Conflict)
                .message("A payment waits for a decision: having looked is not enough."),
            PaymentError::NoCard => Self::new(Code::NotFound).message("There is no such saved card."),
            PaymentError::CardRequired => Self::new(Code::PaymentMethodRequired),
            PaymentError::IntentConflict => Self::new(Code::IdempotencyConflict).param("Idempotency-Key"),
            PaymentError::Changed => Self::new(Code::Conflict)
                .message("The price or the tax has changed, and nothing was charged."),
            PaymentError::NoGateway => Self::new(Code::PaymentsUnavailable),
            // the reason is the provider's text: for the log
            PaymentError::Gateway(Trouble::Refused(why)) => {
                tracing::error!(why, "a payment was refused by the provider");
                Self::new(Code::PaymentProvider)
            }
            PaymentError::Gateway(
                trouble @ (Trouble::Unreachable(_) | Trouble::Unknown | Trouble::NoCustomer(_)),
            ) => {
                tracing::warn!(%trouble, "payment provider");
                Self::new(Code::Unavailable)
                    .message("The payment provider does not answer, and nothing was charged. Try again in a moment.")
                    .retry_after(5)
            }
        }
    }
}

impl From<SubscriptionError> for ApiError {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::Db(error) => error.into(),
            SubscriptionError::Payment(PaymentError::CardRequired) => Self::new(Code::PaymentMethodRequired)
                .message("Save a card first: this is charged to a saved card."),
            SubscriptionError::Payment(error) => error.into(),
            SubscriptionError::Identity(error) => error.into(),
            SubscriptionError::Wallet(error) => error.into(),
            SubscriptionError::Terms(error) => error.into(),
            SubscriptionError::Invoice(error) => error.into(),
            SubscriptionError::Invalid(errors) => errors.into(),
            SubscriptionError::NotFound => {
                Self::new(Code::NotFound).message("There is no such plan or subscription.")
            }
            SubscriptionError::Conflict(why) => Self::new(Code::Conflict).message(why),
            SubscriptionError::PriceChanged(total) => {
                Self::new(Code::PriceChanged).message(format!("It costs {total} now: look at it again."))
            }
        }
    }
}

impl From<PackageError> for ApiError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Db(error) => error.into(),
            PackageError::Invalid(errors) => errors.into(),
            PackageError::Taken => {
                Self::new(Code::AlreadyExists).param("code").message("There is a package with this code.")
            }
            PackageError::NotFound => Self::new(Code::NotFound).message("There is no such package."),
        }
    }
}

impl From<PdfError> for ApiError {
    fn from(error: PdfError) -> Self {
        match error {
            PdfError::Db(error) => error.into(),
            PdfError::Invoice(error) => error.into(),
            PdfError::Font | PdfError::Write(_) => Self::internal(error),
        }
    }
}

impl From<numbers::Error> for ApiError {
    fn from(error: numbers::Error) -> Self {
        #[derive(serde::Serialize)]
        struct Shortage {
            available: Credits,
            required: Credits,
        }
        match error {
            numbers::Error::Db(error) => error.into(),
            numbers::Error::Invalid(errors) => errors.into(),
            numbers::Error::Taken(kind) => Self::new(Code::Conflict)
                .param("kind")
                .message(format!("The number is rented already, as {}.", kind.name())),
            numbers::Error::NotFound => Self::new(Code::NotFound).message("There is no such number."),
            numbers::Error::NoRate => {
                Self::field("number_id", "no_rate", "has no price: no rate card prices numbers")
            }
            numbers::Error::InsufficientCredits { available, required } => {
                Self::new(Code::InsufficientCredits).details(&Shortage { available, required })
            }
            numbers::Error::Refused(refusal) => {
                Self::new(Code::Conflict).message(format!("The rent was not charged: {refusal}."))
            }
        }
    }
}

impl From<scheduler::Error> for ApiError {
    fn from(error: scheduler::Error) -> Self {
        match error {
            scheduler::Error::Db(error) => error.into(),
            scheduler::Error::Identity(error) => error.into(),
            scheduler::Error::Payments(error) => error.into(),
            scheduler::Error::Numbers(error) => error.into(),
            scheduler::Error::Subscriptions(error) => error.into(),
            scheduler::Error::Row(error) => Self::internal(error),
        }
    }
}

impl From<OnboardingError> for ApiError {
    fn from(error: OnboardingError) -> Self {
        match error {
            OnboardingError::Identity(error) => error.into(),
            OnboardingError::Wallet(error) => error.into(),
            OnboardingError::Terms(error) => error.into(),
            OnboardingError::Db(error) => error.into(),
            OnboardingError::UnknownRateCard => {
                Self::field("rate_card", "unknown", "is not the code of a rate card")
            }
            OnboardingError::UnknownPlan => Self::field("plan", "unknown", "is not the code of a plan"),
        }
    }
}

impl From<TermsError> for ApiError {
    fn from(error: TermsError) -> Self {
        match error {
            TermsError::InThePast => Self::new(Code::Conflict)
                .message("Prices of usage that is charged already cannot change: try again in a moment."),
            TermsError::Db(error) => error.into(),
        }
    }
}

impl From<VoidError> for ApiError {
    fn from(error: VoidError) -> Self {
        match error {
            VoidError::NotFound => Self::new(Code::NotFound).message("There is no event with this id."),
            VoidError::Wallet(error) => error.into(),
            VoidError::Db(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_that_cannot_change_are_the_callers_matter() {
        let error = ApiError::from(OnboardingError::Terms(TermsError::InThePast));
        assert_eq!(error.code(), Code::Conflict);
    }
}
