//! A platform's call records: the columns of the file, and a row of it as a usage event.

use csv::StringRecord;
use serde_json::value::RawValue;

use crate::base::{Credits, Quantity, Timestamp};
use crate::identity::OrganizationRef;
use crate::ledger::Canon;
use crate::metering::{self, Direction, EventIn, ExternalId, Extra, Mode, UsageEvent};

/// The longest metadata of one row, in bytes.
const MAX_METADATA: usize = 4_096;
/// The longest code of a meter, in bytes; a longer one cannot exist.
const MAX_METER: usize = 64;

/// A column that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    Organization,
    Meter,
    Quantity,
    OccurredAt,
    Agent,
    Number,
    Workspace,
    Call,
    Direction,
    TollFree,
    Byok,
    CarrierCost,
    Metadata,
}

/// Every column, by the name in the header.
const COLUMNS: [(&str, Column); 14] = [
    ("id", Column::Id),
    ("organization", Column::Organization),
    ("meter", Column::Meter),
    ("quantity", Column::Quantity),
    ("occurred_at", Column::OccurredAt),
    ("agent_id", Column::Agent),
    ("number_id", Column::Number),
    ("workspace", Column::Workspace),
    ("call_id", Column::Call),
    ("direction", Column::Direction),
    ("toll_free", Column::TollFree),
    ("byok", Column::Byok),
    ("carrier_cost", Column::CarrierCost),
    ("metadata", Column::Metadata),
];
const REQUIRED: [Column; 4] = [Column::Id, Column::Meter, Column::Quantity, Column::OccurredAt];
/// What the list of refused rows adds; skipped when that list is imported again.
pub(super) const ADDED: [&str; 2] = ["refused_line", "refused_reason"];

impl Column {
    fn name(self) -> &'static str {
        COLUMNS.iter().find(|(_, column)| *column == self).map_or("", |(name, _)| name)
    }
}

/// Where each column is in a row.
#[derive(Debug)]
pub(super) struct Header {
    columns: Vec<Option<Column>>,
    /// Whose rows they are, when the file does not say.
    organization: Option<OrganizationRef>,
}

/// Why a row is no event: the column, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    column: &'static str,
    what: String,
}

impl Wrong {
    fn new(column: Column, what: impl Into<String>) -> Self {
        Self { column: column.name(), what: what.into() }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.column, self.what)
    }
}

impl Header {
    /// Reads the header. All that is wrong with it is said at once, before any row is looked at.
    pub(super) fn new(
        names: &StringRecord,
        organization: Option<OrganizationRef>,
        ignore_unknown: bool,
    ) -> Result<Self, String> {
        let mut columns: Vec<Option<Column>> = Vec::new();
        let mut problems = Vec::new();
        for name in names.iter().map(str::trim) {
            let found = COLUMNS.iter().find(|(known, _)| *known == name).map(|(_, column)| *column);
            if found.is_some() && columns.contains(&found) {
                problems.push(format!("the column {name} is there twice"));
            }
            if found.is_none() && !ignore_unknown && !ADDED.contains(&name) {
                problems.push(format!("unknown column {name:?} (--ignore-unknown skips it)"));
            }
            columns.push(found);
        }
        for required in REQUIRED {
            if !columns.contains(&Some(required)) {
                problems.push(format!("the column {} is missing", required.name()));
            }
        }
        match (organization.is_some(), columns.contains(&Some(Column::Organization))) {
            (false, false) => {
                problems.push("the column organization is missing (or give --organization)".to_owned());
            }
            (true, true) => {
                problems.push("the column organization and --organization exclude each other".to_owned());
            }
            (true, false) | (false, true) => {}
        }
        if problems.is_empty() { Ok(Self { columns, organization }) } else { Err(problems.join("\n")) }
    }

    /// A row as an event, with everything checked that needs no database.
    pub(super) fn event(&self, row: &StringRecord, canon: &mut Canon) -> Result<EventIn, Wrong> {
        if row.len() != self.columns.len() {
            let what = format!("of {} fields, where the header has {}", row.len(), self.columns.len());
            return Err(Wrong { column: "a row", what });
        }
        let field = |column: Column| -> &str {
            let place = self.columns.iter().position(|c| *c == Some(column));
            place.and_then(|place| row.get(place)).map(str::trim).unwrap_or_default()
        };
        let optional = |column| Some(field(column)).filter(|text| !text.is_empty());
        let name = |column| -> Result<Option<Box<str>>, Wrong> {
            optional(column).map(|text| external(column, text).map(|_| text.into())).transpose()
        };
        let carrier_cost = optional(Column::CarrierCost)
            .map(|text| parsed::<Credits>(Column::CarrierCost, text))
            .transpose()?;
        let metadata = optional(Column::Metadata).map(metadata).transpose()?;
        let event = UsageEvent {
            id: external(Column::Id, field(Column::Id))?,
            organization: Some(self.organization(field(Column::Organization))?),
            workspace: name(Column::Workspace)?,
            agent: name(Column::Agent)?,
            number: name(Column::Number)?,
            call: optional(Column::Call).map(|text| external(Column::Call, text)).transpose()?,
            meter: meter(field(Column::Meter))?,
            quantity: parsed::<Quantity>(Column::Quantity, field(Column::Quantity))?,
            occurred_at: parsed::<Timestamp>(Column::OccurredAt, field(Column::OccurredAt))?,
            direction: direction(field(Column::Direction))?,
            toll_free: yes(Column::TollFree, field(Column::TollFree))?,
            byok: yes(Column::Byok, field(Column::Byok))?,
            carrier_cost,
            mode: Mode::Record,
            // as the API keeps it: an event that was reported there as well is the same one
            extra: Extra { carrier_cost, metadata, ..Extra::default() }.to_text(),
        };
        let digests = event.digests(canon);
        Ok(EventIn { event, digests })
    }

    fn organization(&self, text: &str) -> Result<metering::OrganizationRef, Wrong> {
        let named = match &self.organization {
            Some(all) => all.clone(),
            None => parsed(Column::Organization, text)?,
        };
        Ok(match named {
            OrganizationRef::Id(id) => metering::OrganizationRef::Id(id),
            OrganizationRef::External(id) => metering::OrganizationRef::External(id.into()),
        })
    }
}

fn parsed<T>(column: Column, text: &str) -> Result<T, Wrong>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| {
        if text.is_empty() { Wrong::new(column, "is empty") } else { Wrong::new(column, format!("{error}")) }
    })
}

fn external(column: Column, text: &str) -> Result<ExternalId, Wrong> {
    ExternalId::new(text).ok_or_else(|| {
        let what = if text.is_empty() { "is empty" } else { "is too long, or holds control characters" };
        Wrong::new(column, what)
    })
}

fn meter(text: &str) -> Result<Box<str>, Wrong> {
    match text.len() {
        0 => Err(Wrong::new(Column::Meter, "is empty")),
        1..=MAX_METER => Ok(text.into()),
        _ => Err(Wrong::new(Column::Meter, "is too long")),
    }
}

fn direction(text: &str) -> Result<Option<Direction>, Wrong> {
    match text {
        "" => Ok(None),
        "inbound" => Ok(Some(Direction::Inbound)),
        "outbound" => Ok(Some(Direction::Outbound)),
        _ => Err(Wrong::new(Column::Direction, "is neither inbound nor outbound")),
    }
}

fn yes(column: Column, text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "" | "false" | "no" | "0" => Ok(false),
        "true" | "yes" | "1" => Ok(true),
        _ => Err(Wrong::new(column, "is neither true nor false")),
    }
}

fn metadata(text: &str) -> Result<&RawValue, Wrong> {
    if text.len() > MAX_METADATA {
        return Err(Wrong::new(Column::Metadata, format!("is longer than {MAX_METADATA} bytes")));
    }
    serde_json::from_str::<&RawValue>(text)
        .ok()
        .filter(|raw| raw.get().starts_with('{'))
        .ok_or_else(|| Wrong::new(Column::Metadata, "is not a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "id,organization,meter,quantity,occurred_at";

    fn record(line: &str) -> StringRecord {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        reader.records().next().expect("a row").expect("well-formed")
    }

    fn event(header: &str, row: &str) -> Result<UsageEvent, String> {
        let header = Header::new(&record(header), None, false)?;
        let event = header.event(&record(row), &mut Canon::default());
        event.map(|input| input.event).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn columns_may_come_in_any_order() {
        let event = event(
            "toll_free,occurred_at,quantity,meter,organization,id,carrier_cost,direction,metadata",
            r#"yes,2026-11-20T10:00:00+01:00,84.5,voice,ext:acme,call-1,0.25,inbound,"{""queue"":7}""#,
        )
        .expect("a good row");
        assert_eq!(event.occurred_at, "2026-11-20T09:00:00Z".parse().expect("time"));
        assert_eq!(event.quantity.micros(), 84_500_000);
        assert_eq!(event.carrier_cost.map(Credits::micros), Some(250_000));
        assert_eq!(event.direction, Some(Direction::Inbound));
        assert!(event.toll_free && !event.byok);
        assert_eq!(event.extra.as_deref(), Some(r#"{"carrier_cost":0.25,"metadata":{"queue":7}}"#));
        assert_eq!(event.organization, Some(metering::OrganizationRef::External("acme".into())));
    }

    #[test]
    fn a_wrong_header_is_refused_with_every_name() {
        let error = Header::new(&record("id,meter,meter,colour"), None, false).expect_err("wrong");
        assert_eq!(
            error,
            "the column meter is there twice\nunknown column \"colour\" (--ignore-unknown skips it)\n\
             the column quantity is missing\nthe column occurred_at is missing\n\
             the column organization is missing (or give --organization)"
        );
        let everyone = Some("ext:acme".parse().expect("name"));
        assert!(Header::new(&record("id,meter,quantity,occurred_at,colour"), everyone.clone(), true).is_ok());
        assert!(Header::new(&record(FULL), everyone, false).is_err());
    }

    #[test]
    fn a_wrong_row_names_its_column() {
        for (row, wrong) in [
            ("e,ext:acme,voice,84", "a row of 4 fields, where the header has 5"),
            (",ext:acme,voice,84,2026-11-20T10:00:00Z", "id is empty"),
            ("e,acme,voice,84,2026-11-20T10:00:00Z", "organization is neither org_"),
            ("e,,voice,84,2026-11-20T10:00:00Z", "organization is empty"),
            ("e,ext:acme,,84,2026-11-20T10:00:00Z", "meter is empty"),
            ("e,ext:acme,voice,,2026-11-20T10:00:00Z", "quantity is empty"),
            ("e,ext:acme,voice,eighty,2026-11-20T10:00:00Z", "quantity "),
            ("e,ext:acme,voice,1.0000001,2026-11-20T10:00:00Z", "quantity "),
            ("e,ext:acme,voice,84,2026-11-20 10:00", "occurred_at is not an RFC 3339"),
        ] {
            let error = event(FULL, row).expect_err(row);
            assert!(error.starts_with(wrong), "{row}: {error}");
        }
        for (column, value) in
            [("direction", "up"), ("byok", "perhaps"), ("carrier_cost", "free"), ("metadata", "[1]")]
        {
            let row = format!("e,ext:acme,voice,84,2026-11-20T10:00:00Z,{value}");
            let error = event(&format!("{FULL},{column}"), &row).expect_err(&row);
            assert!(error.starts_with(column), "{error}");
        }
    }
}
