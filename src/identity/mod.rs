//! Who there is: organizations and their workspaces, people and their roles, sessions, API keys, the audit log.

mod principal;
mod scopes;

pub use principal::{Caller, Denied, Membership, Principal, Reach};
pub use scopes::{Role, RoleError, Scope, ScopeError, Scopes};
