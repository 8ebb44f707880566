//! Typed identifiers: a row number inside, an opaque text with a prefix outside.
//!
//! The text is the prefix and thirteen Crockford base-32 characters of the number, scrambled by a fixed
//! bijection so that neighbours do not look alike. That is for people reading them, not for secrecy:
//! every request is authorized on its own.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LEN: usize = 13;
/// Room for any id: the longest prefix, an underscore, the number.
const LONGEST: usize = 32;
/// What a byte stands for in the alphabet; anything above 31 is no digit of it.
const DIGITS: [u8; 256] = digits();

#[expect(clippy::indexing_slicing, reason = "runs while this is built")]
const fn digits() -> [u8; 256] {
    let mut table = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 32 {
        table[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
}
/// Odd, so that multiplication modulo 2^64 can be undone (Knuth's multiplicative hashing constant).
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// The inverse of [`FACTOR`] modulo 2^64.
const INVERSE: u64 = inverse(FACTOR);

/// Newton's iteration for the inverse of an odd number modulo 2^64; each step doubles the right bits.
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut round = 0;
    while round < 6 {
        x = x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

/// A kind of thing that has ids.
pub trait IdKind {
    /// What its ids begin with, without the underscore.
    const PREFIX: &'static str;
}

/// The id of one `K`.
pub struct Id<K: IdKind>(i64, PhantomData<fn() -> K>);

/// Why a text is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of the form {prefix}_…")]
pub struct IdError {
    prefix: &'static str,
}

impl<K: IdKind> Id<K> {
    /// The id of the row with this number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number, PhantomData)
    }

    /// The row's number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Different kinds scramble differently, so equal numbers of two kinds share no text.
    fn salt() -> u64 {
        K::PREFIX.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        })
    }

    fn scramble(number: i64) -> u64 {
        let mut x = u64::from_ne_bytes(number.to_ne_bytes()).wrapping_mul(FACTOR);
        x ^= x >> 32;
        x.wrapping_mul(FACTOR) ^ Self::salt()
    }

    fn unscramble(text: u64) -> i64 {
        let mut x = (text ^ Self::salt()).wrapping_mul(INVERSE);
        x ^= x >> 32;
        i64::from_ne_bytes(x.wrapping_mul(INVERSE).to_ne_bytes())
    }
}

impl<K: IdKind> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: IdKind> Copy for Id<K> {}
impl<K: IdKind> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K: IdKind> Eq for Id<K> {}
impl<K: IdKind> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K: IdKind> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K: IdKind> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}#{}", self.0)
    }
}

impl<K: IdKind> Id<K> {
    /// Its text, made in `room`: many are printed per answer.
    fn text_in(self, room: &mut [u8; LONGEST]) -> &str {
        let value = Self::scramble(self.0);
        let prefix = K::PREFIX.bytes().chain(std::iter::once(b'_'));
        let number = (0..TEXT_LEN).rev().map(|place| {
            let index = usize::try_from((value >> (5 * place)) & 31).unwrap_or(0);
            ALPHABET.get(index).copied().unwrap_or(b'0')
        });
        let mut length = 0;
        for (slot, byte) in room.iter_mut().zip(prefix.chain(number)) {
            *slot = byte;
            length += 1;
        }
        room.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text_in(&mut [0; LONGEST]))
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: K::PREFIX };
        let digits = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .filter(|rest| rest.len() == TEXT_LEN)
            .ok_or(error)?;
        let mut value: u64 = 0;
        for (position, byte) in digits.bytes().enumerate() {
            let digit = DIGITS.get(usize::from(byte)).copied().filter(|digit| *digit < 32).ok_or(error)?;
            // thirteen characters hold 65 bits: the first may use only four of its five
            if position == 0 && digit > 15 {
                return Err(error);
            }
            value = (value << 5) | u64::from(digit);
        }
        let number = Self::unscramble(value);
        if number <= 0 {
            return Err(error);
        }
        Ok(Self::new(number))
    }
}

impl<K: IdKind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text_in(&mut [0; LONGEST]))
    }
}

impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::parsed(deserializer)
    }
}

impl<K: IdKind> rusqlite::ToSql for Id<K> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::from(self.0))
    }
}

impl<K: IdKind> rusqlite::types::FromSql for Id<K> {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_i64().map(Self::new)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $prefix:literal => $alias:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $kind {}
            impl IdKind for $kind {
                const PREFIX: &'static str = $prefix;
            }
            #[doc = concat!("Id of the form `", $prefix, "_…`.")]
            pub type $alias = Id<$kind>;
        )*
    };
}

kinds! {
    /// A customer of the operator.
    OrganizationKind = "org" => OrganizationId;
    /// A part of an organization.
    WorkspaceKind = "ws" => WorkspaceId;
    /// A person who signs in.
    UserKind = "usr" => UserId;
    /// A signed-in session.
    SessionKind = "ses" => SessionId;
    /// An API key.
    ApiKeyKind = "key" => ApiKeyId;
    /// A line of the ledger as a person sees it; usage lines share the number of their first item.
    TransactionKind = "txn" => TransactionId;
    /// One movement between two accounts.
    TransferKind = "tr" => TransferId;
    /// An account of the ledger.
    AccountKind = "acc" => AccountId;
    /// Credit received once; the number of its account.
    GrantKind = "grant" => GrantId;
    /// A charge made from a usage event.
    UsageItemKind = "use" => UsageItemId;
    /// Something that is counted.
    MeterKind = "mtr" => MeterId;
    /// A list of prices.
    RateCardKind = "rc" => RateCardId;
    /// One published state of a rate card.
    RateVersionKind = "rv" => RateVersionId;
    /// A plan that customers can be on.
    PlanKind = "plan" => PlanId;
    /// One published state of a plan.
    PlanVersionKind = "pv" => PlanVersionId;
    /// An AI agent, known by the platform's own id.
    AgentKind = "agt" => AgentId;
    /// A phone number, known by the platform's own id.
    NumberKind = "num" => NumberId;
    /// One leg of a call that was asked for, or reported afterwards.
    AuthorizationKind = "auth" => AuthorizationId;
    /// An invoice or a credit note.
    InvoiceKind = "inv" => InvoiceId;
    /// Money asked for.
    PaymentKind = "pay" => PaymentId;
    /// Money given back.
    RefundKind = "ref" => RefundId;
    /// A payment that the customer's bank disputes.
    DisputeKind = "dsp" => DisputeId;
    /// Something about a payment that a person has to look at.
    ConcernKind = "con" => ConcernId;
    /// A card that is kept at the payment provider.
    PaymentMethodKind = "pm" => PaymentMethodId;
    /// A card about to be kept.
    CardSetupKind = "setup" => CardSetupId;
    /// Work to be done outside of the database.
    WorkKind = "work" => WorkId;
    /// Something that has happened, for those who are told.
    EventKind = "evt" => EventId;
    /// An address that is told.
    WebhookEndpointKind = "we" => WebhookEndpointId;
    /// Something told, or to be told, to somebody.
    DeliveryKind = "dlv" => DeliveryId;
    /// An invitation to an organization.
    InvitationKind = "ivt" => InvitationId;
    /// An organization's place on a plan.
    SubscriptionKind = "sub" => SubscriptionId;
    /// An entry of the audit log.
    AuditKind = "aud" => AuditId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_and_kinds_do_not_mix() {
        let first = TransactionId::new(1).to_string();
        let second = TransactionId::new(2).to_string();
        assert_ne!(first.get(4..8), second.get(4..8));
        assert_eq!(first.len(), "txn_".len() + 13);
        assert!(first.parse::<OrganizationId>().is_err());
        let other_kind = first.replace("txn_", "org_");
        assert_ne!(other_kind.parse::<OrganizationId>().map(Id::number), Ok(1));
    }

    #[test]
    fn refuses_what_is_not_an_id() {
        for text in [
            "",
            "txn",
            "txn_",
            "txn_0",
            "txn_zzzzzzzzzzzzz",
            "txn_00000000000000",
            "txn_000000000000l",
            "TXN_0000000000000",
        ] {
            assert!(text.parse::<TransactionId>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_number_survives_its_text(number in 1..=i64::MAX) {
            let id = TransactionId::new(number);
            proptest::prop_assert_eq!(id.to_string().parse::<TransactionId>(), Ok(id));
        }
    }
}
