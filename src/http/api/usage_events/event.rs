//! An event as it is sent, and what becomes of it before the database is asked.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::base::{Credits, Quantity, Text, Timestamp};
use crate::http::error::FieldError;
use crate::identity;
use crate::ledger::Canon;
use crate::metering::{
    self, Direction, EventIn, ExternalId, Extra, MAX_EXTERNAL_ID, OrganizationRef, UsageEvent,
};

/// The longest metadata, and the longest other attributes, in bytes.
const MAX_KEPT: usize = 4_096;

/// An event, borrowed from the body it came in. What must be there is looked for later, so that everything that is
/// missing is named at once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventBody<'a> {
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub organization: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub workspace: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub agent_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub number_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub call_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub meter: Option<Text<'a>>,
    #[serde(default)]
    pub quantity: Option<Quantity>,
    #[serde(borrow, default)]
    pub occurred_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub attributes: Option<Attributes<'a>>,
    #[serde(default)]
    pub carrier_cost: Option<Credits>,
    #[serde(default)]
    pub mode: Option<Mode>,
    #[serde(borrow, default)]
    pub metadata: Option<&'a RawValue>,
    /// Of a CloudEvent.
    #[serde(skip)]
    pub source: Option<&'a RawValue>,
}

/// What happens when credit does not cover an event.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Record,
    Enforce,
}

/// Which way a call went.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Inbound,
    Outbound,
}

/// What a price may depend on, and whatever else the platform wants kept.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    toll_free: bool,
    byok: bool,
    direction: Option<Direction>,
    others: Vec<(Text<'a>, &'a RawValue)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Attributes<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes<'de>, A::Error> {
                let mut attributes = Attributes::default();
                let mut seen = [false; 3];
                let mut once = |place: usize, name: &'static str| match seen.get_mut(place) {
                    Some(seen) if !*seen => {
                        *seen = true;
                        Ok(())
                    }
                    _ => Err(de::Error::duplicate_field(name)),
                };
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    match &*name {
                        "toll_free" => {
                            once(0, "toll_free")?;
                            attributes.toll_free = map.next_value::<Option<bool>>()?.unwrap_or(false);
                        }
                        "byok" => {
                            once(1, "byok")?;
                            attributes.byok = map.next_value::<Option<bool>>()?.unwrap_or(false);
                        }
                        "direction" => {
                            once(2, "direction")?;
                            attributes.direction = map.next_value::<Option<Way>>()?.map(|way| match way {
                                Way::Inbound => Direction::Inbound,
                                Way::Outbound => Direction::Outbound,
                            });
                        }
                        _ => attributes.others.push((name, map.next_value()?)),
                    }
                }
                Ok(attributes)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// How the fields of an event are called where it came from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub organization: &'static str,
    pub meter: &'static str,
    pub occurred_at: &'static str,
    /// Before all the others.
    pub prefix: &'static str,
}

impl Names {
    /// Of Tollbook's own form.
    pub const PLAIN: Self =
        Self { organization: "organization", meter: "meter", occurred_at: "occurred_at", prefix: "" };

    /// One of the others.
    pub fn of(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// What may be left out where nothing is charged.
pub(super) struct Defaults {
    pub id: ExternalId,
    pub occurred_at: Timestamp,
}

impl EventBody<'_> {
    /// The event, or everything that is wrong with it.
    pub fn check(
        &self,
        names: &Names,
        defaults: Option<&Defaults>,
        canon: &mut Canon,
    ) -> Result<EventIn, Vec<FieldError>> {
        let mut problems = Problems { names, errors: Vec::new() };
        let id = match (&self.id, defaults) {
            (None, Some(defaults)) => Some(defaults.id.clone()),
            (id, _) => problems.required("id", id.as_ref()).and_then(|id| problems.external("id", id)),
        };
        let occurred_at = match (&self.occurred_at, defaults) {
            (None, Some(defaults)) => Some(defaults.occurred_at),
            (at, _) => {
                let at = problems.required(names.occurred_at, at.as_ref());
                at.and_then(|at| problems.parsed(names.occurred_at, at.parse::<Timestamp>()))
            }
        };
        let organization = self.organization.as_ref().and_then(|name| {
            let parsed = name.parse::<identity::OrganizationRef>();
            problems.parsed(names.organization, parsed).map(|name| match name {
                identity::OrganizationRef::Id(id) => OrganizationRef::Id(id),
                identity::OrganizationRef::External(id) => OrganizationRef::External(id.into_boxed_str()),
            })
        });
        let workspace = self.workspace.as_ref().and_then(|name| problems.workspace(name));
        let agent = self.agent_id.as_ref().and_then(|name| problems.name("agent_id", name));
        let number = self.number_id.as_ref().and_then(|name| problems.name("number_id", name));
        let call = self.call_id.as_ref().and_then(|id| problems.external("call_id", id));
        let meter = problems.required(names.meter, self.meter.as_ref());
        let quantity = problems.required("quantity", self.quantity.as_ref()).copied();
        problems.not_negative("quantity", quantity.is_some_and(Quantity::is_negative));
        problems.not_negative("carrier_cost", self.carrier_cost.is_some_and(Credits::is_negative));
        let extra = self.extra(&mut problems);
        let (Some(id), Some(occurred_at), Some(meter), Some(quantity), true) =
            (id, occurred_at, meter, quantity, problems.errors.is_empty())
        else {
            return Err(problems.errors);
        };
        let attributes = self.attributes.as_ref();
        let event = UsageEvent {
            id,
            organization,
            workspace,
            agent,
            number,
            call,
            meter: Box::from(&**meter),
            quantity,
            occurred_at,
            direction: attributes.and_then(|a| a.direction),
            toll_free: attributes.is_some_and(|a| a.toll_free),
            byok: attributes.is_some_and(|a| a.byok),
            carrier_cost: self.carrier_cost,
            mode: match self.mode {
                None | Some(Mode::Record) => metering::Mode::Record,
                Some(Mode::Enforce) => metering::Mode::Enforce,
            },
            extra,
        };
        let digests = event.digests(canon);
        Ok(EventIn { event, digests })
    }

    /// What is kept besides.
    fn extra(&self, problems: &mut Problems<'_>) -> Option<Box<str>> {
        let metadata = self.metadata;
        if let Some(raw) = metadata {
            if !raw.get().starts_with('{') {
                problems.add("metadata", "invalid_type", "must be an object");
            }
            problems.not_longer("metadata", raw.get().len());
        }
        let others = self.attributes.as_ref().map(|a| a.others.as_slice()).unwrap_or_default();
        let attributes = (!others.is_empty()).then(|| object(others)).flatten();
        if let Some(raw) = &attributes {
            problems.not_longer("attributes", raw.get().len());
        }
        let attributes = attributes.as_deref();
        Extra { carrier_cost: self.carrier_cost, source: self.source, attributes, metadata }.to_text()
    }
}

/// Members as one object again.
fn object(members: &[(Text<'_>, &RawValue)]) -> Option<Box<RawValue>> {
    struct Members<'m>(&'m [(Text<'m>, &'m RawValue)]);
    impl serde::Serialize for Members<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (&**name, value)))
        }
    }
    serde_json::value::to_raw_value(&Members(members)).ok()
}

/// Gathers what is wrong.
struct Problems<'n> {
    names: &'n Names,
    errors: Vec<FieldError>,
}

impl Problems<'_> {
    fn add(&mut self, name: &str, code: &'static str, message: impl Into<String>) {
        let own = [self.names.organization, self.names.meter, self.names.occurred_at, "id"];
        let param = if own.contains(&name) { name.to_owned() } else { self.names.of(name) };
        self.errors.push(FieldError::new(param, code, message));
    }

    fn required<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(name, "required", "is required");
        }
        value
    }

    fn parsed<T, E: fmt::Display>(&mut self, name: &str, parsed: Result<T, E>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(name, "invalid_value", error.to_string());
                None
            }
        }
    }

    fn external(&mut self, name: &str, text: &str) -> Option<ExternalId> {
        let id = ExternalId::new(text);
        if id.is_none() {
            self.add(name, "invalid_value", unfit());
        }
        id
    }

    /// The platform's id of something that is made when it is first seen.
    fn name(&mut self, name: &str, text: &str) -> Option<Box<str>> {
        if text.is_empty() || text.len() > MAX_EXTERNAL_ID || text.chars().any(char::is_control) {
            self.add(name, "invalid_value", unfit());
            return None;
        }
        Some(text.into())
    }

    /// Workspaces can also be made by hand, and then have ids without spaces.
    fn workspace(&mut self, text: &str) -> Option<Box<str>> {
        if text.contains(char::is_whitespace) {
            self.add("workspace", "invalid_value", "must not contain spaces");
            return None;
        }
        self.name("workspace", text)
    }

    fn not_negative(&mut self, name: &str, negative: bool) {
        if negative {
            self.add(name, "negative", "must not be negative");
        }
    }

    fn not_longer(&mut self, name: &str, bytes: usize) {
        if bytes > MAX_KEPT {
            self.add(name, "too_long", format!("must be at most {MAX_KEPT} bytes long"));
        }
    }
}

fn unfit() -> String {
    format!("must be 1 to {MAX_EXTERNAL_ID} bytes long, without control characters")
}
