//! How the base types look in the API's document. The domain does not know about the document.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::input::Timezone;
use crate::base::id::IdKind;
use crate::base::{Credits, Currency, Id, Locale, Money, Quantity, Timestamp};
use crate::catalog::rules::Code;
use crate::identity::{Role, Scope, Scopes};

fn decimal(description: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Number))
        .format(Some(SchemaFormat::Custom("decimal".into())))
        .description(Some(description))
        .examples([json!(12.5)])
        .into()
}

fn text(description: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .description(Some(description))
        .examples([json!(example)])
}

fn choice(description: &str, values: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .description(Some(description))
        .enum_values(Some(values))
        .into()
}

impl PartialSchema for Credits {
    fn schema() -> RefOr<Schema> {
        decimal("Credits: a JSON number with at most six decimals, exact in both directions.")
    }
}
impl ToSchema for Credits {}

impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        decimal("A quantity in the meter's unit: a JSON number with at most six decimals, exact.")
    }
}
impl ToSchema for Quantity {}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        text("The short name of a meter, rate card or plan.", "voice")
            .pattern(Some("^[a-z][a-z0-9_]{0,31}$"))
            .into()
    }
}
impl ToSchema for Code {}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        text("An ISO 4217 currency code.", "EUR").pattern(Some("^[A-Z]{3}$")).into()
    }
}
impl ToSchema for Currency {}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let amount = text("A decimal with the currency's own number of decimals.", "12.34")
            .pattern(Some("^-?[0-9]+(\\.[0-9]+)?$"));
        ObjectBuilder::new()
            .description(Some("An amount of money."))
            .property("amount", amount)
            .property("currency", Currency::schema())
            .required("amount")
            .required("currency")
            .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(false)))
            .into()
    }
}
impl ToSchema for Money {}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        text("An instant: RFC 3339, printed in UTC.", "2026-11-21T09:30:00Z")
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}
impl ToSchema for Timestamp {}

impl PartialSchema for Timezone {
    fn schema() -> RefOr<Schema> {
        text("An IANA timezone.", "Europe/Madrid").into()
    }
}
impl ToSchema for Timezone {}

impl PartialSchema for Locale {
    fn schema() -> RefOr<Schema> {
        choice("The language of documents and mails.", Self::ALL.into_iter().map(Self::tag))
    }
}
impl ToSchema for Locale {}

impl<K: IdKind> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some(format!("An id of the form {}_….", K::PREFIX)))
            .pattern(Some(format!("^{}_[0-9a-hjkmnp-tv-z]{{13}}$", K::PREFIX)))
            .examples([json!(Self::new(1).to_string())])
            .into()
    }
}
impl<K: IdKind> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Id_{}", K::PREFIX))
    }
}

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        choice("What an API key may be used for.", Self::ALL.into_iter().map(Self::name))
    }
}
impl ToSchema for Scope {}

impl PartialSchema for Scopes {
    fn schema() -> RefOr<Schema> {
        utoipa::openapi::schema::ArrayBuilder::new().items(Scope::schema()).into()
    }
}
impl ToSchema for Scopes {}

impl PartialSchema for Role {
    fn schema() -> RefOr<Schema> {
        choice("What a person may do in an organization.", Self::ALL.into_iter().map(Self::name))
    }
}
impl ToSchema for Role {}
