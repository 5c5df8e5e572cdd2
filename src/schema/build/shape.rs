//! Which messages are google.protobuf's special ones. The name alone does not make one: everybody who reads them relies on
//! their fields, so a message that borrows the name is refused.

use crate::schema::types::{Cardinality, Field, Kind, Message, WellKnown};

/// What JSON treats specially about a message with this name.
pub(super) fn well_known(full_name: &str) -> Option<WellKnown> {
    Some(match full_name.strip_prefix("google.protobuf.")? {
        "Any" => WellKnown::Any,
        "BoolValue" => WellKnown::BoolValue,
        "BytesValue" => WellKnown::BytesValue,
        "DoubleValue" => WellKnown::DoubleValue,
        "Duration" => WellKnown::Duration,
        "Empty" => WellKnown::Empty,
        "FieldMask" => WellKnown::FieldMask,
        "FloatValue" => WellKnown::FloatValue,
        "Int32Value" => WellKnown::Int32Value,
        "Int64Value" => WellKnown::Int64Value,
        "ListValue" => WellKnown::ListValue,
        "StringValue" => WellKnown::StringValue,
        "Struct" => WellKnown::Struct,
        "Timestamp" => WellKnown::Timestamp,
        "UInt32Value" => WellKnown::Uint32Value,
        "UInt64Value" => WellKnown::Uint64Value,
        "Value" => WellKnown::Value,
        _ => return None,
    })
}

/// Whether a message has the fields that its name promises.
pub(super) fn fits(message: &Message, well_known: WellKnown) -> bool {
    let one = |number: u32, is: fn(Kind) -> bool| {
        message
            .field_by_number(number)
            .is_some_and(|it| it.cardinality == Cardinality::Singular && is(it.kind))
    };
    let many = |number: u32, is: fn(&Field) -> bool| message.field_by_number(number).is_some_and(is);
    let n_fields = message.fields.len();
    match well_known {
        WellKnown::Any => n_fields == 2 && one(1, |it| it == Kind::String) && one(2, |it| it == Kind::Bytes),
        WellKnown::BoolValue => n_fields == 1 && one(1, |it| it == Kind::Bool),
        WellKnown::BytesValue => n_fields == 1 && one(1, |it| it == Kind::Bytes),
        WellKnown::DoubleValue => n_fields == 1 && one(1, |it| it == Kind::Double),
        WellKnown::Duration | WellKnown::Timestamp => {
            n_fields == 2 && one(1, |it| it == Kind::Int64) && one(2, |it| it == Kind::Int32)
        }
        WellKnown::Empty => n_fields == 0,
        WellKnown::FieldMask => {
            n_fields == 1
                && many(1, |it| {
                    it.cardinality == Cardinality::Repeated && it.kind == Kind::String
                })
        }
        WellKnown::FloatValue => n_fields == 1 && one(1, |it| it == Kind::Float),
        WellKnown::Int32Value => n_fields == 1 && one(1, |it| it == Kind::Int32),
        WellKnown::Int64Value => n_fields == 1 && one(1, |it| it == Kind::Int64),
        WellKnown::ListValue => {
            n_fields == 1
                && many(1, |it| {
                    it.cardinality == Cardinality::Repeated && matches!(it.kind, Kind::Message(_))
                })
        }
        WellKnown::StringValue => n_fields == 1 && one(1, |it| it == Kind::String),
        WellKnown::Struct => {
            n_fields == 1
                && many(
                    1,
                    |it| matches!(it.cardinality, Cardinality::Map(types) if types.key == Kind::String && matches!(types.value, Kind::Message(_))),
                )
        }
        WellKnown::Uint32Value => n_fields == 1 && one(1, |it| it == Kind::Uint32),
        WellKnown::Uint64Value => n_fields == 1 && one(1, |it| it == Kind::Uint64),
        WellKnown::Value => {
            n_fields == 6
                && one(1, |it| matches!(it, Kind::Enum(_)))
                && one(2, |it| it == Kind::Double)
                && one(3, |it| it == Kind::String)
                && one(4, |it| it == Kind::Bool)
                && one(5, |it| matches!(it, Kind::Message(_)))
                && one(6, |it| matches!(it, Kind::Message(_)))
        }
    }
}
