//! The small values of the wire, as the reference describes them.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::words::{Amount, Code, Id, Notes, Numbered, OrderName, Time, Vocabulary, Word};
use crate::dialects::shared::exact::{Figure, Share};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String))
}

fn done(builder: ObjectBuilder) -> RefOr<Schema> {
    RefOr::T(Schema::Object(builder.build()))
}

impl<T: Numbered> PartialSchema for Id<T> {
    fn schema() -> RefOr<Schema> {
        let what = format!("The id of {}.", T::WHAT);
        done(
            text()
                .description(Some(what))
                .pattern(Some(format!("^{}[1-9][0-9]*$", T::PREFIX)))
                .examples([format!("{}12", T::PREFIX)]),
        )
    }
}

impl<T: Numbered> ToSchema for Id<T> {
    fn name() -> Cow<'static, str> {
        let what = T::WHAT.rsplit(' ').next().unwrap_or_default();
        let mut name: String = what.chars().take(1).map(|c| c.to_ascii_uppercase()).collect();
        name.extend(what.chars().skip(1));
        name.push_str("Id");
        Cow::Owned(name)
    }
}

impl<T: Vocabulary> PartialSchema for Word<T> {
    fn schema() -> RefOr<Schema> {
        done(text().enum_values(Some(T::all().iter().map(|word| word.name()))))
    }
}

impl<T: Vocabulary> ToSchema for Word<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(T::TITLE)
    }
}

/// A value with a schema of its own and a name in the reference.
macro_rules! described {
    ($($type:ident as $name:literal: $schema:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

const FIGURE: &str = "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$";

fn figure(what: &str, example: &str) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Number));
    let either = OneOfBuilder::new()
        .description(Some(what))
        .item(text().pattern(Some(FIGURE)))
        .item(number)
        .examples([example]);
    RefOr::T(Schema::OneOf(either.build()))
}

described! {
    Code as "Currency": done(
        text()
            .description(Some("An ISO 4217 code."))
            .pattern(Some("^[A-Z]{3}$"))
            .examples(["USD"]),
    );
    Amount as "Amount": done(
        text()
            .description(Some("A decimal number with exactly the decimals of the currency."))
            .pattern(Some("^[0-9]+(\\.[0-9]+)?$"))
            .examples(["9.99"]),
    );
    Time as "Time": done(
        text()
            .description(Some("RFC 3339; answers are in UTC with milliseconds."))
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::DateTime,
            )))
            .examples(["2026-01-31T12:00:00.000Z"]),
    );
    Notes as "Metadata": done(
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Object))
            .description(Some("Your own notes: up to 20 texts by name."))
            .additional_properties(Some(AdditionalProperties::RefOr(done(text())))),
    );
    OrderName as "OrderReference": RefOr::T(Schema::OneOf(
        OneOfBuilder::new()
            .description(Some("An order by its id, or by the shop's own reference."))
            .item(text().pattern(Some("^ord_[1-9][0-9]*$")))
            .item(
                ObjectBuilder::new()
                    .property("reference", text())
                    .required("reference")
                    .additional_properties(Some(AdditionalProperties::FreeForm(false))),
            )
            .examples(["ord_1"])
            .build(),
    ));
    Figure as "Figure": figure("An amount, exactly as written: a string, or a number.", "9.99");
    Share as "Percent": figure(
        "A share in per cent: above 0, up to 100, at most four decimals.",
        "12.5",
    );
}
