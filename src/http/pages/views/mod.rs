//! View models: what each page shows, as plain typed values that its template writes out.
//!
//! A handler fills the struct and renders it; nothing here reads a database. Every page supplies its own sample, and
//! one test renders them all.

pub mod call;
pub mod calls;
pub mod cards;
pub mod catalog;
pub mod chrome;
pub mod credit;
pub mod failure;
pub mod form;
pub mod invoices;
mod jobs;
pub mod limits;
pub mod members;
pub mod money;
pub mod numbers;
pub mod organization;
pub mod organizations;
pub mod outside;
pub mod overview;
pub mod packages;
pub mod plan;
#[cfg(test)]
mod rendering;
mod reports;
#[cfg(test)]
pub mod samples;
pub mod sandbox;
pub mod setup;
pub mod telling;
pub mod topup;
pub mod transactions;
pub mod transfer;
pub mod usage;
pub mod usage_day;

pub use call::CallPage;
pub use calls::CallsPage;
pub use cards::{AutoReloadPage, PaymentMethodsPage};
pub use catalog::CatalogPage;
pub use chrome::{Balance, Brand, Chrome, Crumb, Membership, Section, SeeingAs};
pub use credit::{CreditPage, CreditPreview, GrantChange, PartChange};
pub use failure::FailurePage;
pub use form::{FormPage, KeyIssuedPage};
pub use invoices::{BillingDetailsPage, InvoicePage, InvoicesPage};
pub use jobs::{JobRow, JobsPage};
pub use limits::{AgentLimitPage, AgentRow, LimitCard, LimitsPage, ToldRow};
pub use members::MembersPage;
pub use money::{ConcernRow, DisputeRow, MoneyPage, Paged, RequestRow};
pub use numbers::NumbersPage;
pub use organization::{GrantRow, KeyRow, NoteRow, OrganizationPage, UserRow};
pub use organizations::{NewOrganizationPage, OrganizationRow, OrganizationsPage};
pub use outside::OutsidePage;
pub use overview::{BalanceParts, OverviewPage};
pub use packages::PackagesPage;
pub use plan::{PlanPage, PlanStepPage};
pub use reports::ReportsPage;
pub use sandbox::SandboxPage;
pub use setup::SetupPage;
pub use topup::{PaymentPage, PaymentRow, ReviewPage, TopUpPage};
pub use transactions::{Draw, TransactionFilter, TransactionPage, TransactionRow, TransactionsPage};
pub use usage::{Group, GroupRow, UsageFilter, UsagePage, UsageTotals};
pub use usage_day::{PriceLine, RateShown, UsageDayPage, UsageItemPage, UsageItemRow};
