//! Lists and maps, read in place from the message that holds them.
//!
//! Owns the walk over the elements of a repeated or map field and what an element is as a value. Leaves singular fields to
//! `field`. Invariant: reading never fails; what is malformed, which a reader of replies has refused, ends the list.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;

use super::Value;
use super::raw::{message_value, scalar, zero};
use crate::codec::wire::{self, RawValue, Reader, Tag, WireType};
use crate::schema::{Cardinality, Field, Kind, MapTypes, MessageRef, WellKnown};

/// A list.
#[derive(Clone, Debug)]
pub enum ListValue {
    /// Built by an expression or template.
    Values(Arc<[Value]>),
    /// A repeated field, read in place: the wire bytes of the message that holds it, and which field.
    Wire(Bytes, WireField),
}

/// A map.
#[derive(Clone, Debug)]
pub enum MapValue {
    /// Built by an expression; keys ascending.
    Values(Arc<[(Value, Value)]>),
    /// A map field, read in place.
    Wire(Bytes, WireField),
}

/// How to read one field from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireField {
    /// Field number.
    pub number: u32,
    /// Type of one element; for a map the entry message.
    pub kind: Kind,
    /// For maps.
    pub map: Option<MapTypes>,
    /// Written as a group.
    pub delimited: bool,
    /// Strings are checked to be UTF-8.
    pub utf8: bool,
    /// Elements (of a map: values) are wrappers, timestamps and so on: what to make of them.
    pub well_known: Option<WellKnown>,
    /// Elements (of a map: values) are of a closed enum: other numbers are unknown fields.
    pub closed: Option<ClosedEnum>,
}

/// The numbers of a closed enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedEnum {
    /// Ascending. Interned for the life of the process, so that a field stays small and free of reference counts, which
    /// costs memory only for sets of numbers that were never seen before.
    numbers: &'static [i32],
    /// The number that was declared first: the default.
    first: i32,
}

/// Walks over the elements of a list.
#[derive(Clone, Debug)]
pub struct ListIter<'l> {
    source: Source<'l>,
}

#[derive(Clone, Debug)]
enum Source<'l> {
    Values(std::slice::Iter<'l, Value>),
    Wire(Elements<'l>),
}

// === impl ListValue ===

impl ListValue {
    /// How many elements there are. Counts them where the list is on the wire.
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Wire(message, field) => Elements::new(message, *field).count(),
        }
    }

    /// True where there is no element.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Values(values) => values.is_empty(),
            Self::Wire(message, field) => Elements::new(message, *field).next().is_none(),
        }
    }

    /// The element at an index.
    pub fn get(&self, index: usize) -> Option<Value> {
        match self {
            Self::Values(values) => values.get(index).cloned(),
            Self::Wire(message, field) => {
                let raw = Elements::new(message, *field).nth(index)?;
                Some(field.element(message, raw))
            }
        }
    }

    /// The elements in order.
    pub fn iter(&self) -> ListIter<'_> {
        let source = match self {
            Self::Values(values) => Source::Values(values.iter()),
            Self::Wire(message, field) => Source::Wire(Elements::new(message, *field)),
        };
        ListIter { source }
    }
}

impl From<Vec<Value>> for ListValue {
    fn from(elements: Vec<Value>) -> Self {
        Self::Values(elements.into())
    }
}

impl<'l> IntoIterator for &'l ListValue {
    type Item = Value;
    type IntoIter = ListIter<'l>;

    fn into_iter(self) -> ListIter<'l> {
        self.iter()
    }
}

impl Iterator for ListIter<'_> {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        match &mut self.source {
            Source::Values(values) => values.next().cloned(),
            Source::Wire(elements) => {
                let raw = elements.next()?;
                Some(elements.field.element(elements.message, raw))
            }
        }
    }

    fn nth(&mut self, n: usize) -> Option<Value> {
        match &mut self.source {
            Source::Values(values) => values.nth(n).cloned(),
            Source::Wire(elements) => {
                let raw = elements.nth(n)?;
                Some(elements.field.element(elements.message, raw))
            }
        }
    }
}

// === impl MapValue ===

impl MapValue {
    /// A map of these entries: ascending, of equal keys the last one.
    pub fn from_entries(mut entries: Vec<(Value, Value)>) -> Self {
        sort_entries(&mut entries);
        Self::Values(entries.into())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Values(entries) => entries.len(),
            Self::Wire(..) => self.entries().len(),
        }
    }

    /// True where there is no entry.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Values(entries) => entries.is_empty(),
            Self::Wire(message, field) => {
                !Elements::new(message, *field).any(|raw| field.entry(message, raw).is_some())
            }
        }
    }

    /// The value of a key: of two equal ones the last.
    pub fn get(&self, key: &Value) -> Option<Value> {
        match self {
            Self::Values(entries) => {
                let at = entries.binary_search_by(|(it, _)| it.compare_keys(key)).ok()?;
                entries.get(at).map(|(_, value)| value.clone())
            }
            Self::Wire(message, field) => {
                let types = field.map?;
                let mut found = None;
                for raw in Elements::new(message, *field) {
                    let Some(entry) = Entry::read(types, field.closed, raw.bytes()) else {
                        continue;
                    };
                    if field.key(message, types, entry.key).compare_keys(key).is_eq() {
                        found = Some(entry);
                    }
                }
                Some(field.entry_value(message, types, &found?))
            }
        }
    }

    /// The entries, keys ascending.
    pub fn entries(&self) -> Cow<'_, [(Value, Value)]> {
        match self {
            Self::Values(entries) => Cow::Borrowed(entries),
            Self::Wire(message, field) => {
                let mut entries: Vec<_> = Elements::new(message, *field)
                    .filter_map(|raw| field.entry(message, raw))
                    .collect();
                sort_entries(&mut entries);
                Cow::Owned(entries)
            }
        }
    }
}

/// Sorts by key; of equal keys the last stays.
fn sort_entries(entries: &mut Vec<(Value, Value)>) {
    entries.reverse();
    // Stable, so that the last of equal keys is the first of them now.
    entries.sort_by(|a, b| a.0.compare_keys(&b.0));
    entries.dedup_by(|later, kept| later.0.compare_keys(&kept.0).is_eq());
}

// === impl WireField ===

impl WireField {
    /// How to read a field of `message`.
    pub fn of(message: &MessageRef, field: &Field) -> Self {
        let map = match field.cardinality {
            Cardinality::Map(types) => Some(types),
            Cardinality::Repeated | Cardinality::Singular => None,
        };
        let element = map.map_or(field.kind, |it| it.value);
        Self {
            number: field.number,
            kind: field.kind,
            map,
            delimited: field.delimited,
            utf8: map.map_or(field.utf8, |it| it.utf8),
            well_known: match element {
                Kind::Message(index) => message.schema().message(index).well_known,
                _ => None,
            },
            closed: match element {
                Kind::Enum(index) if message.schema().enumeration(index).closed => {
                    let numbers = message.schema().enumeration(index).values.iter().map(|it| it.number);
                    Some(ClosedEnum::new(numbers.collect()))
                }
                _ => None,
            },
        }
    }

    /// An element as a value: never null but for JSON null in `any`.
    fn element(&self, message: &Bytes, raw: RawValue<'_>) -> Value {
        self.value(message, raw).unwrap_or_default()
    }

    /// What a raw value of the field's kind means. `None` where it is of another wire type.
    pub(super) fn value(&self, message: &Bytes, raw: RawValue<'_>) -> Option<Value> {
        match (self.kind, raw) {
            (Kind::Message(_), RawValue::Bytes(body) | RawValue::Group(body)) => {
                Some(self.message_value(message.slice_ref(body)))
            }
            (kind, raw) => scalar(message, kind, self.utf8, raw),
        }
    }

    /// What the wire bytes of a message (of the field, or of the map's values) mean.
    pub(super) fn message_value(&self, body: Bytes) -> Value {
        message_value(self.well_known, body)
    }

    fn key(&self, message: &Bytes, types: MapTypes, raw: Option<RawValue<'_>>) -> Value {
        raw.and_then(|raw| scalar(message, types.key, self.utf8, raw))
            .unwrap_or_else(|| zero(types.key))
    }

    fn entry_value(&self, message: &Bytes, types: MapTypes, entry: &Entry<'_>) -> Value {
        if let Kind::Message(_) = types.value {
            let body = match &entry.message {
                None => Bytes::new(),
                Some(Cow::Borrowed(part)) => message.slice_ref(part),
                Some(Cow::Owned(joined)) => joined.clone().into(),
            };
            return self.message_value(body);
        }
        let value = entry.value.and_then(|raw| scalar(message, types.value, self.utf8, raw));
        value.unwrap_or_else(|| {
            self.closed
                .map_or_else(|| zero(types.value), |it| Value::Int(it.first.into()))
        })
    }

    fn entry(&self, message: &Bytes, raw: RawValue<'_>) -> Option<(Value, Value)> {
        let types = self.map?;
        let entry = Entry::read(types, self.closed, raw.bytes())?;
        Some((
            self.key(message, types, entry.key),
            self.entry_value(message, types, &entry),
        ))
    }
}

// === impl ClosedEnum ===

impl ClosedEnum {
    fn new(mut numbers: Vec<i32>) -> Self {
        static INTERNED: LazyLock<Mutex<BTreeSet<&'static [i32]>>> = LazyLock::new(Mutex::default);
        let first = numbers.first().copied().unwrap_or(0);
        numbers.sort_unstable();
        numbers.dedup();
        let mut interned = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = interned.get(numbers.as_slice()).copied();
        let numbers = known.unwrap_or_else(|| {
            let numbers: &'static [i32] = numbers.leak();
            interned.insert(numbers);
            numbers
        });
        Self { numbers, first }
    }

    /// Whether the enum has a value of this number.
    pub fn contains(self, number: i32) -> bool {
        self.numbers.binary_search(&number).is_ok()
    }
}

// === Elements ===

/// Walks over the raw elements of a repeated or map field, packed or not.
#[derive(Clone, Debug)]
struct Elements<'m> {
    message: &'m Bytes,
    field: WireField,
    wire_type: WireType,
    rest: Reader<'m>,
    packed: Reader<'m>,
}

impl<'m> Elements<'m> {
    fn new(message: &'m Bytes, field: WireField) -> Self {
        // Map entries are never groups, but the map's values may be.
        let wire_type = WireType::of(field.kind, field.delimited && field.map.is_none());
        Self {
            message,
            field,
            wire_type,
            rest: Reader::new(message),
            packed: Reader::new(&[]),
        }
    }

    fn packed_element(&mut self) -> Option<RawValue<'m>> {
        if self.packed.is_empty() {
            return None;
        }
        let raw = match self.wire_type {
            WireType::Varint => self.packed.varint().map(RawValue::Varint),
            WireType::Fixed32 => self.packed.fixed32().map(RawValue::Fixed32),
            _ => self.packed.fixed64().map(RawValue::Fixed64),
        };
        raw.ok()
    }

    fn is_known(&self, raw: RawValue<'_>) -> bool {
        self.field.map.is_some() || self.field.closed.is_none_or(|it| it.contains(wire::int32(raw.bits())))
    }
}

impl<'m> Iterator for Elements<'m> {
    type Item = RawValue<'m>;

    fn next(&mut self) -> Option<RawValue<'m>> {
        loop {
            while let Some(raw) = self.packed_element() {
                if self.is_known(raw) {
                    return Some(raw);
                }
            }
            let (tag, raw) = self.rest.field().ok()??;
            if tag.number() != self.field.number {
                continue;
            }
            if tag.wire_type() == self.wire_type {
                if self.is_known(raw) {
                    return Some(raw);
                }
            } else if tag.wire_type() == WireType::Len && self.wire_type.packable() {
                self.packed = Reader::new(raw.bytes());
            }
        }
    }
}

/// The parts of a map entry.
#[derive(Clone, Debug, Default)]
struct Entry<'m> {
    key: Option<RawValue<'m>>,
    value: Option<RawValue<'m>>,
    /// The value where it is a message: its parts one behind the other.
    message: Option<Cow<'m, [u8]>>,
}

impl<'m> Entry<'m> {
    /// `None` where the entry counts as an unknown field: malformed, or its value is not one of the closed enum's.
    fn read(types: MapTypes, closed: Option<ClosedEnum>, wire: &'m [u8]) -> Option<Self> {
        let key_tag = Tag::new(1, WireType::of(types.key, false));
        // Values of maps are written with a length whatever the file says of messages.
        let value_tag = Tag::new(2, WireType::of(types.value, false));
        let mut entry = Self::default();
        let mut reader = Reader::new(wire);
        while let Some((tag, raw)) = reader.field().ok()? {
            if tag == key_tag {
                entry.key = Some(raw);
            } else if tag == value_tag {
                match (types.value, entry.message.as_mut()) {
                    (Kind::Message(_), None) => entry.message = Some(Cow::Borrowed(raw.bytes())),
                    (Kind::Message(_), Some(parts)) => parts.to_mut().extend_from_slice(raw.bytes()),
                    _ => entry.value = Some(raw),
                }
            }
        }
        let known = closed.is_none_or(|it| entry.value.is_none_or(|raw| it.contains(wire::int32(raw.bits()))));
        known.then_some(entry)
    }
}
