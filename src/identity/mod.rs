//! Who there is: organizations and their workspaces, people and their roles, sessions, API keys, the audit log.
//!
//! Operations that change something take the transaction, on whose behalf they run ([`By`]), and write the audit log
//! in that transaction. Passwords are hashed and tokens looked up by the [`Authenticator`], outside of it.

mod attempts;
pub mod audit;
mod authenticator;
mod cache;
mod error;
pub mod invitations;
pub mod keys;
pub mod links;
pub mod organizations;
mod passwords;
mod principal;
mod rules;
mod scopes;
mod secrets;
mod seller;
pub mod sessions;
pub mod settings;
pub mod setup;
mod sql;
#[cfg(test)]
mod tests;
pub mod users;
mod vat;
pub mod workspaces;

pub use attempts::Rate;
pub use audit::{Actor, By};
pub use authenticator::{Authenticator, Options, Origin, SignedIn};
pub use cache::{Generation, Invalidate};
pub use error::Error;
pub use keys::{ApiKey, Issued, Issuer, KeyOwner, NewKey};
pub use organizations::{BillingDetails, NewOrganization, Organization, OrganizationRef, Status};
pub use passwords::{Hardness, PasswordHash, PasswordPolicy, Passwords, Verdict};
pub use principal::{Caller, Denied, Membership, Principal, Reach};
pub use scopes::{Role, RoleError, Scope, ScopeError, Scopes};
pub use secrets::{Secret, SecretHash, csrf_matches, csrf_token};
pub use seller::{Seller, SellerTerms};
pub use sessions::{Session, SessionPolicy};
pub use users::{Member, NewUser, User};
pub use vat::{VatAnswer, VatStanding};
pub use workspaces::Workspace;
