//! Types of request fields that the domain keeps differently.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::Zone;

/// A timezone by its IANA name.
#[derive(Debug, Clone)]
pub struct Timezone(pub Zone);

impl Serialize for Timezone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for Timezone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// For a field where absent means "leave as it is" and null means "remove".
///
/// # Errors
/// Those of the field's own type.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
