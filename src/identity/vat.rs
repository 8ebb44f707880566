//! What is known about an organization's VAT id.

use crate::base::Timestamp;

/// What the register of VAT ids answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VatAnswer {
    /// Whether it knows the id.
    pub valid: bool,
    /// The answer as it came, for evidence.
    pub text: String,
}

/// Whether a VAT id may be relied on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum VatStanding {
    /// Nobody has answered yet, or there is no id. It exempts from nothing.
    #[default]
    Unconfirmed,
    /// The register knows it.
    Confirmed {
        /// Since when that is known.
        checked_at: Timestamp,
        /// What was answered.
        answer: String,
    },
    /// The register does not know it.
    Invalid {
        /// Since when that is known.
        checked_at: Timestamp,
        /// What was answered.
        answer: String,
    },
}

impl VatStanding {
    /// What follows from an answer.
    #[must_use]
    pub fn answered(answer: VatAnswer, checked_at: Timestamp) -> Self {
        let VatAnswer { valid, text: answer } = answer;
        if valid { Self::Confirmed { checked_at, answer } } else { Self::Invalid { checked_at, answer } }
    }

    /// `unconfirmed`, `confirmed` or `invalid`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Confirmed { .. } => "confirmed",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// True when the register knows the id.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed { .. })
    }

    /// When it was last answered, and what.
    #[must_use]
    pub fn evidence(&self) -> Option<(Timestamp, &str)> {
        match self {
            Self::Unconfirmed => None,
            Self::Confirmed { checked_at, answer } | Self::Invalid { checked_at, answer } => {
                Some((*checked_at, answer))
            }
        }
    }
}
