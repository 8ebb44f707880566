//! What a credential may be used for, and what a role allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `billing:read`: balance, transactions, grants, plans, invoices.
    BillingRead,
    /// `billing:write`: what moves credit or money, as far as a key may at all.
    BillingWrite,
    /// `usage:read`: the usage log.
    UsageRead,
    /// `usage:write`: reporting usage, authorizing calls.
    UsageWrite,
    /// `limits:write`: spending limits and agent policies.
    LimitsWrite,
    /// `webhooks:write`: endpoints that are told about events.
    WebhooksWrite,
    /// `members:write`: people and workspaces of an organization.
    MembersWrite,
    /// `admin`: the operator's own resources.
    Admin,
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope")]
pub struct ScopeError(pub String);

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 8] = [
        Self::BillingRead,
        Self::BillingWrite,
        Self::UsageRead,
        Self::UsageWrite,
        Self::LimitsWrite,
        Self::WebhooksWrite,
        Self::MembersWrite,
        Self::Admin,
    ];

    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BillingRead => "billing:read",
            Self::BillingWrite => "billing:write",
            Self::UsageRead => "usage:read",
            Self::UsageWrite => "usage:write",
            Self::LimitsWrite => "limits:write",
            Self::WebhooksWrite => "webhooks:write",
            Self::MembersWrite => "members:write",
            Self::Admin => "admin",
        }
    }

    /// True when it only lets one look.
    #[must_use]
    pub const fn is_read(self) -> bool {
        match self {
            Self::BillingRead | Self::UsageRead => true,
            Self::BillingWrite
            | Self::UsageWrite
            | Self::LimitsWrite
            | Self::WebhooksWrite
            | Self::MembersWrite
            | Self::Admin => false,
        }
    }

    /// True when only the operator may issue a key with it.
    #[must_use]
    pub const fn is_issued_by_operator(self) -> bool {
        match self {
            Self::BillingWrite | Self::Admin => true,
            Self::BillingRead
            | Self::UsageRead
            | Self::UsageWrite
            | Self::LimitsWrite
            | Self::WebhooksWrite
            | Self::MembersWrite => false,
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| ScopeError(text.to_owned()))
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// No permission at all.
    pub const NONE: Self = Self(0);
    /// Every permission.
    pub const ALL: Self = Self::of(&Scope::ALL);

    /// The set of these scopes.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let mut bits = 0;
        let mut rest = scopes;
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// True when `scope` is in it.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// True when it holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its scopes, in their fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |s| self.contains(*s))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// The names, with commas between.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            f.write_str(scope.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// From names with commas between; spaces around a name do not matter.
impl FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::parse::<Scope>).collect()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names
            .iter()
            .map(|name| name.parse::<Scope>())
            .collect::<Result<_, _>>()
            .map_err(serde::de::Error::custom)
    }
}

/// What a person may do in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Owner,
    /// Balance and money.
    Billing,
    /// Usage of the own workspaces.
    Member,
}

/// Why a text is not a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a role: owner, billing or member")]
pub struct RoleError;

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Billing, Self::Member];

    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Billing => "billing",
            Self::Member => "member",
        }
    }

    /// What it allows in the whole organization. A member's view of usage reaches only the own workspaces and
    /// is therefore not among it.
    #[must_use]
    pub const fn scopes(self) -> Scopes {
        match self {
            Self::Owner => Scopes::of(&[
                Scope::BillingRead,
                Scope::BillingWrite,
                Scope::UsageRead,
                Scope::UsageWrite,
                Scope::LimitsWrite,
                Scope::WebhooksWrite,
                Scope::MembersWrite,
            ]),
            Self::Billing => {
                Scopes::of(&[Scope::BillingRead, Scope::BillingWrite, Scope::UsageRead, Scope::LimitsWrite])
            }
            Self::Member => Scopes::NONE,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|r| r.name() == text).ok_or(RoleError)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_survive_their_text() {
        for bits in 0..=255_u16 {
            let set = Scopes(bits);
            assert_eq!(set.to_string().parse(), Ok(set));
            let json = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<Scopes>(&json).unwrap(), set);
        }
        assert_eq!(" usage:read , admin".parse(), Ok(Scopes::of(&[Scope::UsageRead, Scope::Admin])));
        assert_eq!("usage:read,root".parse::<Scopes>(), Err(ScopeError("root".into())));
        assert_eq!(Scopes::ALL.iter().count(), Scope::ALL.len());
    }

    #[test]
    fn only_an_owner_manages_people_and_nobody_is_admin_by_role() {
        for role in Role::ALL {
            assert!(!role.scopes().contains(Scope::Admin), "{role}");
            assert_eq!(role.scopes().contains(Scope::MembersWrite), role == Role::Owner, "{role}");
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!(Role::Member.scopes().is_empty());
    }
}
