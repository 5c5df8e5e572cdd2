//! What a syntax or edition means: the features of descriptor.proto, with their defaults and inheritance, as plain facts.

use crate::schema::descriptor::{
    EnumType, FeatureSet, FieldPresence, FileDescriptorProto, MessageEncoding, RepeatedFieldEncoding, Utf8Validation,
};

/// The features that hold at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub(super) struct Features {
    pub(super) presence: FieldPresence,
    pub(super) closed: bool,
    pub(super) packed: bool,
    pub(super) utf8: bool,
    pub(super) delimited: bool,
}

const PROTO2: Features = Features {
    presence: FieldPresence::Explicit,
    closed: true,
    packed: false,
    utf8: false,
    delimited: false,
};
const PROTO3: Features = Features {
    presence: FieldPresence::Implicit,
    closed: false,
    packed: true,
    utf8: true,
    delimited: false,
};
const EDITIONS: Features = Features {
    presence: FieldPresence::Explicit,
    closed: false,
    packed: true,
    utf8: true,
    delimited: false,
};

const EDITION_PROTO2: i32 = 998;
const EDITION_PROTO3: i32 = 999;
const EDITION_2023: i32 = 1000;
const EDITION_2024: i32 = 1001;

impl Features {
    /// What holds at the top of a file. `Err` says why nothing is known about it.
    pub(super) fn of_file(file: &FileDescriptorProto) -> Result<Self, String> {
        let defaults = match (file.syntax.as_deref(), file.edition) {
            (None | Some("" | "proto2"), None) | (_, Some(EDITION_PROTO2)) => PROTO2,
            (Some("proto3"), None) | (_, Some(EDITION_PROTO3)) => PROTO3,
            (_, Some(EDITION_2023 | EDITION_2024)) => EDITIONS,
            (Some(syntax), None) => {
                return Err(format!(
                    "syntax `{syntax}` is unknown; proto2, proto3 and the editions 2023 and 2024 are known"
                ));
            }
            (_, Some(edition)) => {
                return Err(format!(
                    "edition number {edition} is unknown; the editions 2023 (1000) and 2024 (1001) are known"
                ));
            }
        };
        Ok(defaults.with(file.options.as_ref().and_then(|it| it.features.as_ref())))
    }

    /// These, with what an inner place says otherwise.
    pub(super) fn with(mut self, inner: Option<&FeatureSet>) -> Self {
        let Some(inner) = inner else { return self };
        match inner.field_presence() {
            FieldPresence::Unknown => {}
            presence => self.presence = presence,
        }
        match inner.enum_type() {
            EnumType::Unknown => {}
            EnumType::Closed => self.closed = true,
            EnumType::Open => self.closed = false,
        }
        match inner.repeated_field_encoding() {
            RepeatedFieldEncoding::Unknown => {}
            RepeatedFieldEncoding::Expanded => self.packed = false,
            RepeatedFieldEncoding::Packed => self.packed = true,
        }
        match inner.utf8_validation() {
            Utf8Validation::Unknown => {}
            Utf8Validation::None => self.utf8 = false,
            Utf8Validation::Verify => self.utf8 = true,
        }
        match inner.message_encoding() {
            MessageEncoding::Unknown => {}
            MessageEncoding::Delimited => self.delimited = true,
            MessageEncoding::LengthPrefixed => self.delimited = false,
        }
        self
    }
}
