//! The op table: what is known of each field when bytes are read, and nothing else.
//!
//! Made by `compile`, read by `run`. Invariant: ops are in ascending field number; every index into plans, enums and maps
//! was handed out by the compiler that made the table, so that looking one up cannot fail.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::enum_names::EnumNames;
use crate::codec::escape;
use crate::codec::wire::{Tag, WireType};

/// A compiled program: one plan for each message type and selection that can be reached from the root.
pub(super) struct Program {
    pub(super) root: Form,
    pub(super) plans: Box<[Plan]>,
    pub(super) enums: Box<[EnumNames]>,
    pub(super) maps: Box<[MapOp]>,
    /// 64-bit integers are written in quotes.
    pub(super) quote_64: bool,
    /// Fields that hold their default are written.
    pub(super) emit: bool,
    /// The root has a JSON form of its own, so that inside an Any it stands behind `"value"`.
    pub(super) special: bool,
}

/// How one message type is written.
pub(super) struct Plan {
    /// In ascending field number.
    pub(super) ops: Box<[Op]>,
    /// First byte of a tag → index of its op, for tags of one byte; or one of the values from [`RARE`] on.
    pub(super) by_tag: [u8; 256],
    /// Field number → index of its op, for numbers below its length; [`NO_OP`] for none.
    pub(super) by_number: Box<[u8]>,
    /// `,"name":` of each op, one behind the other.
    pub(super) keys: Box<[u8]>,
    /// `,"name":default` of each op that has a default to be written, one behind the other …
    pub(super) defaults: Box<[u8]>,
    /// … and where each op's begins; one more than there are ops. So a run of absent fields is one copy.
    pub(super) default_starts: Box<[u32]>,
    /// How many oneofs the message has.
    pub(super) n_oneofs: usize,
    /// The message is written in the old message set encoding.
    pub(super) message_set: bool,
}

pub(super) const NO_OP: u8 = u8::MAX;

/// No field that is written or followed has this tag, behind which a length stands.
pub(super) const SKIPPED_BYTES: u8 = u8::MAX;

/// The same, and a varint stands behind it.
pub(super) const SKIPPED_VARINT: u8 = u8::MAX - 1;

/// A tag that is looked up by its number, one that is skipped by its wire type, or none at all.
pub(super) const RARE: u8 = u8::MAX - 2;

/// What is done with one field.
#[derive(Clone, Copy)]
pub(super) struct Op {
    pub(super) tag: Tag,
    /// The tag of a packed list; the same as `tag` where there is none.
    pub(super) packed_tag: Tag,
    pub(super) form: Form,
    pub(super) count: Count,
    /// The default, found on the wire, counts as absent.
    pub(super) skip_default: bool,
    /// What the shortest way of writing it is.
    pub(super) plain: Plain,
    /// Not selected, but a member of a oneof of which another member is: it is followed, not written.
    pub(super) hidden: bool,
    /// Place in the list of the message's oneofs.
    pub(super) oneof: Option<u16>,
    /// One bit for the oneof; 0 for none. Two oneofs may share a bit, which costs time but no correctness.
    pub(super) oneof_bit: u64,
    /// Where `,"name":` stands in the plan's keys.
    pub(super) key_start: u32,
    pub(super) key_end: u32,
    /// `,"name":`, behind which a string's quote stands.
    pub(super) key: Wide,
}

/// A short text that is copied by whole registers.
#[derive(Clone, Copy)]
pub(super) struct Wide {
    /// Filled up with quotes.
    bytes: [u8; WIDE],
    /// [`TOO_LONG`] where the text does not fit.
    length: u8,
}

const WIDE: usize = 32;

const TOO_LONG: u8 = u8::MAX;

impl Wide {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [b'"'; WIDE];
        let mut length = TOO_LONG;
        // One quote must be left.
        if let Some(place) = bytes.get_mut(..text.len())
            && text.len() < WIDE
        {
            place.copy_from_slice(text);
            length = u8::try_from(text.len()).unwrap_or(TOO_LONG);
        }
        Self { bytes, length }
    }

    /// Appends the text and `n_quotes` quotes, at most one; false, and nothing, where the text is too long.
    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>, n_quotes: usize) -> bool {
        if self.length == TOO_LONG {
            return false;
        }
        escape::put_first(out, &self.bytes, usize::from(self.length).saturating_add(n_quotes));
        true
    }
}

/// Most fields: one value, in no oneof, before which no defaults are written. These need the least to be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Int32,
    /// Everything else.
    No,
    String,
}

/// One, many, or a map.
#[derive(Clone, Copy)]
pub(super) enum Count {
    Many,
    /// Index into [`Program::maps`].
    Map(u32),
    One,
}

/// How one value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Any,
    Duration,
    /// Index into [`Program::enums`].
    Enum(u32),
    FieldMask,
    ListValue,
    /// Index into [`Program::plans`].
    Message(u32),
    Scalar(Scalar),
    Struct,
    Timestamp,
    Value,
    Wrapper(Scalar),
}

/// Kinds of values that are neither messages nor enums.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Bytes,
    Double,
    Fixed32,
    Fixed64,
    Float,
    Int32,
    Int64,
    /// A string that need not be UTF-8: what is not becomes U+FFFD.
    LossyString,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    String,
    Uint32,
    Uint64,
}

/// The types of a map.
#[derive(Clone, Copy)]
pub(super) struct MapOp {
    pub(super) key: Scalar,
    pub(super) key_tag: Tag,
    pub(super) value: Form,
    pub(super) value_tag: Tag,
}

impl Program {
    /// True where an Any can be met.
    pub(super) fn holds_any(&self) -> bool {
        let mut fields = self.plans.iter().flat_map(|plan| plan.ops.iter());
        self.root == Form::Any
            || fields.any(|op| op.form == Form::Any)
            || self.maps.iter().any(|map| map.value == Form::Any)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the index was handed out by the compiler of this program"
    )]
    #[inline]
    pub(super) fn plan(&self, at: u32) -> &Plan {
        &self.plans[at as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the index was handed out by the compiler of this program"
    )]
    #[inline]
    pub(super) fn enumeration(&self, at: u32) -> &EnumNames {
        &self.enums[at as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the index was handed out by the compiler of this program"
    )]
    #[inline]
    pub(super) fn map(&self, at: u32) -> &MapOp {
        &self.maps[at as usize]
    }
}

impl Plan {
    /// The op of a field number and its index.
    #[inline]
    fn find(&self, number: u32) -> Option<(usize, &Op)> {
        let at = match self.by_number.get(number as usize) {
            Some(&NO_OP) => return None,
            Some(&at) => usize::from(at),
            None => self.ops.binary_search_by_key(&number, |op| op.tag.number()).ok()?,
        };
        self.ops.get(at).map(|op| (at, op))
    }

    /// The op that a tag belongs to, if its wire type fits. `next` is the op that is expected.
    #[inline]
    pub(super) fn op(&self, tag: Tag, next: usize) -> Option<(usize, &Op)> {
        match self.ops.get(next) {
            Some(op) if op.fits(tag) => Some((next, op)),
            _ => self.find(tag.number()).filter(|(_, op)| op.fits(tag)),
        }
    }

    /// `,"name":`
    #[expect(clippy::indexing_slicing, reason = "each op's range was made with the keys")]
    #[inline]
    pub(super) fn key(&self, op: &Op) -> &[u8] {
        &self.keys[op.key_start as usize..op.key_end as usize]
    }

    /// The defaults of the ops from `first` up to, not including, `end`.
    pub(super) fn defaults(&self, first: usize, end: usize) -> &[u8] {
        let at = |op: usize| self.default_starts.get(op).map_or(0, |&it| it as usize);
        self.defaults.get(at(first)..at(end)).unwrap_or_default()
    }
}

impl Op {
    /// True where a value behind this tag is one of the op's field.
    #[inline]
    pub(super) fn fits(&self, tag: Tag) -> bool {
        tag == self.tag || tag == self.packed_tag
    }
}

impl Form {
    /// True for the forms that are read from the content of a message.
    pub(super) fn is_message(self) -> bool {
        !matches!(self, Self::Enum(_) | Self::Scalar(_))
    }
}

impl Scalar {
    pub(super) fn wire_type(self) -> WireType {
        match self {
            Self::Bool | Self::Int32 | Self::Int64 | Self::Sint32 | Self::Sint64 | Self::Uint32 | Self::Uint64 => {
                WireType::Varint
            }
            Self::Bytes | Self::LossyString | Self::String => WireType::Len,
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Fixed32 | Self::Float | Self::Sfixed32 => WireType::Fixed32,
        }
    }

    pub(super) fn is_64_bit_integer(self) -> bool {
        matches!(
            self,
            Self::Fixed64 | Self::Int64 | Self::Sfixed64 | Self::Sint64 | Self::Uint64
        )
    }
}
