//! Schema, selection and options → [`Program`].
//!
//! Every decision that does not depend on the bytes is made here: names and defaults are turned into text, selections into
//! missing ops, kinds and features into forms. A type that contains itself becomes a loop among the plans.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::Selection;
use super::enum_names::EnumNames;
use super::program::{
    Count, Form, MapOp, NO_OP, Op, Plain, Plan, Program, RARE, SKIPPED_BYTES, SKIPPED_VARINT, Scalar, Wide,
};
use crate::codec::wire::{Tag, WireType};
use crate::codec::{Defaults, Int64, JsonOptions, Names, escape};
use crate::schema::{
    Cardinality, EnumIndex, Field, Kind, MapTypes, Message, MessageIndex, Presence, Schema, WellKnown,
};

/// Compiles the program of one message.
pub(super) fn compile(schema: &Schema, message: MessageIndex, selection: &Selection, options: JsonOptions) -> Program {
    let mut compiler = Compiler {
        schema,
        options,
        plans: Vec::new(),
        enums: Vec::new(),
        maps: Vec::new(),
        enum_at: HashMap::new(),
        whole: HashMap::new(),
        pending: Vec::new(),
    };
    let root = compiler.message(message, selection);
    // A list of what is left, not a recursion: types may nest as deep as they like.
    while let Some((at, message, selection)) = compiler.pending.pop() {
        let plan = compiler.plan(schema.message(message), selection);
        if let Some(place) = compiler.plans.get_mut(at) {
            *place = Some(plan);
        }
    }
    Program {
        root,
        plans: compiler.plans.into_iter().flatten().collect(),
        enums: compiler.enums.into(),
        maps: compiler.maps.into(),
        quote_64: options.int64 == Int64::String,
        emit: options.defaults == Defaults::Emit,
        special: schema.message(message).well_known.is_some(),
    }
}

/// The types that an Any may hold: all of the schema, each compiled when it is first met.
pub(super) struct AnyTypes {
    schema: Arc<Schema>,
    options: JsonOptions,
    programs: Box<[OnceLock<Box<Program>>]>,
}

impl AnyTypes {
    pub(super) fn new(schema: &Arc<Schema>, options: JsonOptions) -> Self {
        let programs = schema.messages().map(|_| OnceLock::new()).collect();
        Self {
            schema: schema.clone(),
            options,
            programs,
        }
    }

    /// The program of a type by its full name; `None` where the schema does not have it.
    pub(super) fn find(&self, full_name: &str) -> Option<&Program> {
        let index = self.schema.find_message(full_name)?;
        let place = self.programs.get(index.0 as usize)?;
        Some(place.get_or_init(|| Box::new(compile(&self.schema, index, &Selection::All, self.options))))
    }
}

impl fmt::Debug for AnyTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyTypes").finish_non_exhaustive()
    }
}

struct Compiler<'s> {
    schema: &'s Schema,
    options: JsonOptions,
    /// `None` as long as the plan is pending.
    plans: Vec<Option<Plan>>,
    enums: Vec<EnumNames>,
    maps: Vec<MapOp>,
    enum_at: HashMap<EnumIndex, u32>,
    /// The plans of messages that are written whole.
    whole: HashMap<MessageIndex, u32>,
    pending: Vec<(usize, MessageIndex, &'s Selection)>,
}

const WHOLE: &Selection = &Selection::All;

impl<'s> Compiler<'s> {
    fn plan(&mut self, message: &Message, selection: &'s Selection) -> Plan {
        let mut ops = Vec::new();
        let mut keys = Vec::new();
        let mut defaults = Vec::new();
        let mut default_starts = vec![0];
        for field in &message.fields {
            let chosen = choose(selection, &field.name);
            if chosen.is_none() && !sibling_chosen(message, field, selection) {
                continue;
            }
            let key_start = offset(keys.len());
            self.write_key(field, &mut keys);
            let key = keys.get(key_start as usize..).unwrap_or_default();
            let op = self.op(message, field, chosen, key_start, key);
            if self.options.defaults == Defaults::Emit && field.presence == Presence::Implicit && !op.hidden {
                self.write_key(field, &mut defaults);
                self.write_default(op, &mut defaults);
            }
            default_starts.push(offset(defaults.len()));
            ops.push(op);
        }
        Plan {
            by_tag: by_tag(&ops),
            by_number: by_number(&ops),
            ops: ops.into(),
            keys: keys.into(),
            defaults: defaults.into(),
            default_starts: default_starts.into(),
            n_oneofs: message.oneofs.len(),
            message_set: message.message_set,
        }
    }

    fn op(
        &mut self,
        message: &Message,
        field: &Field,
        chosen: Option<&'s Selection>,
        key_start: u32,
        key: &[u8],
    ) -> Op {
        let wire_type = WireType::of(field.kind, field.delimited);
        let tag = Tag::new(field.number, wire_type);
        let inner = chosen.unwrap_or(WHOLE);
        let (form, count) = match field.cardinality {
            Cardinality::Map(types) => {
                let map = self.map(types, inner);
                (map.value, Count::Map(index(&mut self.maps, map)))
            }
            Cardinality::Repeated => (self.form(field.kind, field.utf8, inner), Count::Many),
            Cardinality::Singular => (self.form(field.kind, field.utf8, inner), Count::One),
        };
        let packable = matches!(count, Count::Many) && wire_type.packable();
        // A oneof with one member can only be set or not, like any other field.
        let oneof = field
            .oneof
            .filter(|_| members(message, field).next().is_some())
            .and_then(|it| u16::try_from(it).ok());
        Op {
            tag,
            packed_tag: if packable {
                Tag::new(field.number, WireType::Len)
            } else {
                tag
            },
            form,
            count,
            skip_default: matches!(count, Count::One)
                && field.presence == Presence::Implicit
                && self.options.defaults == Defaults::Omit,
            plain: match (count, form) {
                _ if chosen.is_none() || self.options.defaults == Defaults::Emit || oneof.is_some() => Plain::No,
                (Count::One, Form::Scalar(Scalar::Int32)) => Plain::Int32,
                (Count::One, Form::Scalar(Scalar::String)) => Plain::String,
                _ => Plain::No,
            },
            hidden: chosen.is_none(),
            oneof,
            oneof_bit: oneof.map_or(0, |it| 1_u64.rotate_left(u32::from(it))),
            key_start,
            key_end: key_start.saturating_add(offset(key.len())),
            key: Wide::new(key),
        }
    }

    fn map(&mut self, types: MapTypes, selection: &'s Selection) -> MapOp {
        let key = scalar(types.key, types.utf8).unwrap_or(Scalar::LossyString);
        MapOp {
            key,
            key_tag: Tag::new(1, key.wire_type()),
            value: self.form(types.value, types.utf8, selection),
            // Map values are never groups, whatever the features of the file say.
            value_tag: Tag::new(2, WireType::of(types.value, false)),
        }
    }

    fn form(&mut self, kind: Kind, utf8: bool, selection: &'s Selection) -> Form {
        match kind {
            Kind::Message(index) => self.message(index, selection),
            Kind::Enum(index) => Form::Enum(self.enumeration(index)),
            _ => Form::Scalar(scalar(kind, utf8).unwrap_or(Scalar::Bytes)),
        }
    }

    fn message(&mut self, message: MessageIndex, selection: &'s Selection) -> Form {
        match self.schema.message(message).well_known {
            None | Some(WellKnown::Empty) => Form::Message(self.plan_of(message, selection)),
            Some(WellKnown::Any) => Form::Any,
            Some(WellKnown::BoolValue) => Form::Wrapper(Scalar::Bool),
            Some(WellKnown::BytesValue) => Form::Wrapper(Scalar::Bytes),
            Some(WellKnown::DoubleValue) => Form::Wrapper(Scalar::Double),
            Some(WellKnown::Duration) => Form::Duration,
            Some(WellKnown::FieldMask) => Form::FieldMask,
            Some(WellKnown::FloatValue) => Form::Wrapper(Scalar::Float),
            Some(WellKnown::Int32Value) => Form::Wrapper(Scalar::Int32),
            Some(WellKnown::Int64Value) => Form::Wrapper(Scalar::Int64),
            Some(WellKnown::ListValue) => Form::ListValue,
            Some(WellKnown::StringValue) => Form::Wrapper(Scalar::String),
            Some(WellKnown::Struct) => Form::Struct,
            Some(WellKnown::Timestamp) => Form::Timestamp,
            Some(WellKnown::Uint32Value) => Form::Wrapper(Scalar::Uint32),
            Some(WellKnown::Uint64Value) => Form::Wrapper(Scalar::Uint64),
            Some(WellKnown::Value) => Form::Value,
        }
    }

    /// The index of a message's plan, which may still be pending.
    fn plan_of(&mut self, message: MessageIndex, selection: &'s Selection) -> u32 {
        let whole = *selection == Selection::All;
        if let Some(&at) = self.whole.get(&message).filter(|_| whole) {
            return at;
        }
        let place = self.plans.len();
        let at = index(&mut self.plans, None);
        self.pending.push((place, message, selection));
        if whole {
            self.whole.insert(message, at);
        }
        at
    }

    fn enumeration(&mut self, enumeration: EnumIndex) -> u32 {
        let (schema, options) = (self.schema, self.options);
        let enums = &mut self.enums;
        *self
            .enum_at
            .entry(enumeration)
            .or_insert_with(|| index(enums, EnumNames::new(schema.enumeration(enumeration), options)))
    }

    fn write_key(&self, field: &Field, out: &mut Vec<u8>) {
        out.push(b',');
        escape::write_string(
            match self.options.names {
                Names::Json => &field.json_name,
                Names::Proto => &field.name,
            },
            out,
        );
        out.push(b':');
    }

    fn write_default(&self, op: Op, out: &mut Vec<u8>) {
        match (op.count, op.form) {
            (Count::Many, _) => out.extend_from_slice(b"[]"),
            (Count::Map(_), _) => out.extend_from_slice(b"{}"),
            (Count::One, Form::Scalar(scalar)) => out.extend_from_slice(match scalar {
                Scalar::Bool => b"false",
                Scalar::Bytes | Scalar::LossyString | Scalar::String => b"\"\"",
                _ if scalar.is_64_bit_integer() && self.options.int64 == Int64::String => b"\"0\"",
                _ => b"0",
            }),
            (Count::One, Form::Enum(at)) => {
                let written = self.enums.get(at as usize).is_some_and(|it| it.write(0, out));
                if !written {
                    out.push(b'0');
                }
            }
            // Messages always have explicit presence.
            (Count::One, _) => out.extend_from_slice(b"null"),
        }
    }
}

/// What a selection says of a field: left out, or rendered with a selection of its own.
pub(super) fn choose<'s>(selection: &'s Selection, name: &str) -> Option<&'s Selection> {
    let find = |names: &'s [(Arc<str>, Selection)]| names.iter().find(|it| *it.0 == *name).map(|it| &it.1);
    match selection {
        Selection::All => Some(WHOLE),
        Selection::Only(names) => find(names),
        Selection::Except(names) => match find(names) {
            Some(Selection::All) => None,
            Some(inner) => Some(inner),
            None => Some(WHOLE),
        },
    }
}

/// The other members of a field's oneof.
fn members<'m>(message: &'m Message, field: &Field) -> impl Iterator<Item = &'m Field> {
    let (oneof, number) = (field.oneof, field.number);
    message
        .fields
        .iter()
        .filter(move |it| oneof.is_some() && it.oneof == oneof && it.number != number)
}

/// True where a member of the same oneof is selected, so that this one must be watched.
fn sibling_chosen(message: &Message, field: &Field, selection: &Selection) -> bool {
    members(message, field).any(|it| choose(selection, &it.name).is_some())
}

/// The scalar of a kind; `None` for enums and messages.
fn scalar(kind: Kind, utf8: bool) -> Option<Scalar> {
    Some(match kind {
        Kind::Bool => Scalar::Bool,
        Kind::Bytes => Scalar::Bytes,
        Kind::Double => Scalar::Double,
        Kind::Enum(_) | Kind::Message(_) => return None,
        Kind::Fixed32 => Scalar::Fixed32,
        Kind::Fixed64 => Scalar::Fixed64,
        Kind::Float => Scalar::Float,
        Kind::Int32 => Scalar::Int32,
        Kind::Int64 => Scalar::Int64,
        Kind::Sfixed32 => Scalar::Sfixed32,
        Kind::Sfixed64 => Scalar::Sfixed64,
        Kind::Sint32 => Scalar::Sint32,
        Kind::Sint64 => Scalar::Sint64,
        Kind::String if utf8 => Scalar::String,
        Kind::String => Scalar::LossyString,
        Kind::Uint32 => Scalar::Uint32,
        Kind::Uint64 => Scalar::Uint64,
    })
}

/// The table that finds an op by a tag of one byte.
fn by_tag(ops: &[Op]) -> [u8; 256] {
    let mut table = [RARE; 256];
    // No tag has the number 0, and from 128 on tags have more bytes.
    for (place, bits) in table.iter_mut().zip(0..128).skip(8) {
        *place = match bits & 7 {
            0 => SKIPPED_VARINT,
            2 => SKIPPED_BYTES,
            _ => RARE,
        };
    }
    for (at, op) in ops.iter().enumerate() {
        let at = u8::try_from(at).unwrap_or(RARE).min(RARE);
        for tag in [op.tag, op.packed_tag] {
            if let Some(place) = table.get_mut(tag.bits() as usize)
                && tag.bits() < 128
            {
                *place = at;
            }
        }
    }
    table
}

/// The table that finds an op by a small field number.
fn by_number(ops: &[Op]) -> Box<[u8]> {
    const SMALL: u32 = 128;
    let last = ops.iter().map(|it| it.tag.number()).filter(|&it| it < SMALL).max();
    let mut table = vec![NO_OP; last.map_or(0, |it| (it as usize).saturating_add(1))];
    // Ops come by number, so that those below 128 are the first, and there are fewer of them than `NO_OP`.
    for (op, at) in ops.iter().zip(0..NO_OP) {
        if let Some(place) = table.get_mut(op.tag.number() as usize) {
            *place = at;
        }
    }
    table.into()
}

/// Adds to a list and returns the index, which is below 2³² as each entry stands for something in a descriptor.
fn index<T>(list: &mut Vec<T>, entry: T) -> u32 {
    list.push(entry);
    offset(list.len()).saturating_sub(1)
}

fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
