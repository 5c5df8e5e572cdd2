//! The operations that an expression is lowered to.

use std::sync::Arc;

use regex::Regex;

use super::{ReadAs, Slot};
use crate::expr::Span;
use crate::expr::encode::Encoder;
use crate::expr::input::JsonReader;
use crate::expr::render::Renderer;
use crate::expr::value::{FieldReader, ObjectReader, Value};

/// Why an operation failed; it becomes a [`Fault`](super::Fault) where the operation stands.
pub(in crate::expr) type Reason = &'static str;

/// A function over values that are there and of the types it takes.
pub(in crate::expr) type Native = fn(&[Value]) -> Result<Value, Reason>;

/// An operation and where it was written.
#[derive(Clone, Debug)]
pub(in crate::expr) struct Code {
    pub(in crate::expr) op: Op,
    pub(in crate::expr) span: Span,
}

/// An operation. Operands are evaluated first unless the operation says otherwise.
#[derive(Clone, Debug)]
pub(in crate::expr) enum Op {
    /// All hold; a failing operand counts only where no other is false.
    All(Box<[Code]>),
    /// One holds; a failing operand counts only where no other is true.
    Any(Box<[Code]>),
    Arithmetic(Box<Arithmetic>),
    /// A function; null where its receiver (the first operand) is null and `null_safe`.
    Call {
        native: Native,
        null_safe: bool,
        args: Box<[Code]>,
    },
    Compare(Comparison, Box<[Code; 2]>),
    Conditional(Box<[Code; 3]>),
    Constant(Value),
    /// Changes the form of a value; null stays null.
    Convert(Box<Conversion>, Box<Code>),
    /// The first that is not null; what stands behind it is not evaluated.
    Default(Box<[Code]>),
    /// `list[index]`.
    Element(Box<[Code; 2]>),
    /// `map[key]`.
    Entry(Box<[Code; 2]>),
    Equal(Box<Equal>),
    /// A field of a message.
    Field(Box<Code>, Box<FieldReader>),
    /// `greatest` or `least` of numbers.
    Extreme {
        greatest: bool,
        args: Box<[Code]>,
    },
    /// `has(x.field)`.
    HasField(Box<Code>, Box<FieldReader>),
    /// `has(x.member)` of a JSON object, a map or an object: the key is there.
    HasKey(Box<[Code; 2]>),
    /// What stands left is an element of the list, or a key of the map or object.
    In(Box<In>),
    IsNull {
        negated: bool,
        of: Box<Code>,
    },
    /// `any[key]`, the key being a string or an integer.
    JsonEntry(Box<[Code; 2]>),
    /// `any.name`.
    JsonMember(Box<Code>, Arc<str>),
    /// A member of an object that a JSON Schema describes, read as the type that it promises.
    JsonField(Box<Code>, Arc<str>, JsonReader),
    List(Box<[Code]>),
    Loop(Box<Loop>),
    Map(Box<[(Code, Code)]>),
    Matches(Box<Code>, Arc<Regex>),
    /// A method of lists.
    Method(Box<ListMethod>),
    /// A member of an object; null where it was left out.
    Member(Box<Code>, Arc<str>),
    Negate(Box<Code>),
    Not(Box<Code>),
    Object(Box<[(Arc<str>, Code)]>),
    /// Some fields of a message or object, as an object.
    Pick(Box<Code>, Arc<Shape>),
    Slot(Slot),
    /// The `type_url` of an Any.
    TypeUrl(Box<Code>),
}

/// `+ - * / %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum ArithmeticKind {
    Add,
    Divide,
    Multiply,
    Remainder,
    Subtract,
}

#[derive(Clone, Debug)]
pub(in crate::expr) struct Arithmetic {
    pub(in crate::expr) kind: ArithmeticKind,
    /// Integers beyond these overflow.
    pub(in crate::expr) min: i128,
    pub(in crate::expr) max: i128,
    /// The result is JSON of unknown shape.
    pub(in crate::expr) untyped: bool,
    pub(in crate::expr) operands: [Code; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Debug)]
pub(in crate::expr) struct Equal {
    pub(in crate::expr) negated: bool,
    pub(in crate::expr) equality: Equality,
    pub(in crate::expr) operands: [Code; 2],
}

#[derive(Clone, Debug)]
pub(in crate::expr) struct In {
    /// How elements are compared; of no use for keys.
    pub(in crate::expr) equality: Equality,
    pub(in crate::expr) operands: [Code; 2],
}

/// The fields of a message, and how each is compared.
pub(in crate::expr) type MessageFields = Box<[(FieldReader, Alike)]>;

/// How two values of one type are compared.
#[derive(Clone, Debug)]
pub(in crate::expr) struct Equality {
    pub(in crate::expr) root: Alike,
    /// The fields of each message type that is met, by [`Alike::Message`].
    pub(in crate::expr) messages: Arc<[MessageFields]>,
}

#[derive(Clone, Debug)]
pub(in crate::expr) enum Alike {
    /// Bytes of an Any.
    Blob,
    List(Box<Self>),
    Map(Box<Self>),
    Message(usize),
    Object(Box<[(Arc<str>, Self)]>),
    /// Scalars and JSON of unknown shape.
    Plain,
    /// What is left of messages.
    Selected(Box<[(FieldReader, Self)]>),
}

/// A member of an object that a JSON Schema describes.
#[derive(Clone, Debug)]
pub(in crate::expr) struct JsonMember {
    pub(in crate::expr) name: Arc<str>,
    /// Reads it as what the schema says.
    pub(in crate::expr) reader: JsonReader,
    /// It may be left out.
    pub(in crate::expr) optional: bool,
}

/// A change of form. What it is made from is not null.
#[derive(Clone, Debug)]
pub(in crate::expr) enum Conversion {
    /// JSON of unknown shape → a typed value; fails where it is something else.
    FromJson(JsonKind),
    ToBool,
    /// Text → its UTF-8 bytes.
    ToBytes,
    ToDouble,
    ToDuration,
    /// Truncates doubles, reads text, takes the seconds of timestamps.
    ToInt,
    /// A value of any type → JSON of unknown shape.
    ToJson(Renderer),
    /// An object with members of one type → a map.
    ToMap,
    /// An object → a message.
    ToMessage(Encoder),
    /// An object that a JSON Schema describes → an object of the members that it names and has.
    JsonToObject(Arc<[JsonMember]>),
    /// What is left of a message → an object.
    ToObject(ObjectReader),
    /// The value as text.
    ToText(TextKind),
    ToTimestamp,
    ToUint,
}

/// What a piece of JSON of unknown shape has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum JsonKind {
    Bool,
    /// Text in base64.
    Bytes,
    Double,
    Int,
    List,
    /// A list, or the keys of an object.
    Items,
    Text,
}

/// What text is made of.
#[derive(Clone, Debug)]
pub(in crate::expr) enum TextKind {
    /// Names by number, ascending.
    Enum(Arc<[(i32, Arc<str>)]>),
    /// Scalars that say themselves what they are, JSON of unknown shape among them.
    Plain,
    /// A float, which prints shorter than the double that holds it.
    Single,
}

/// A macro: a body for each element of a list or key of a map; null where that is null.
#[derive(Clone, Debug)]
pub(in crate::expr) struct Loop {
    pub(in crate::expr) kind: LoopKind,
    pub(in crate::expr) over: Code,
    pub(in crate::expr) slot: Slot,
    pub(in crate::expr) body: Code,
}

#[derive(Clone, Debug)]
pub(in crate::expr) enum LoopKind {
    All,
    DistinctBy(KeyKind),
    Exists,
    ExistsOne,
    Filter,
    GroupBy,
    IndexBy,
    /// The condition of the form with three arguments.
    Map(Option<Box<Code>>),
    SortBy,
}

/// How elements are told apart.
#[derive(Clone, Debug)]
pub(in crate::expr) enum KeyKind {
    /// By their JSON.
    Json(Renderer),
    /// Scalars and JSON of unknown shape.
    Plain,
}

#[derive(Clone, Debug)]
pub(in crate::expr) struct ListMethod {
    pub(in crate::expr) kind: ListMethodKind,
    /// Null gives null.
    pub(in crate::expr) of: Code,
    pub(in crate::expr) argument: Option<Code>,
}

#[derive(Clone, Debug)]
pub(in crate::expr) enum ListMethodKind {
    Chunk,
    Distinct(KeyKind),
    Drop,
    First,
    Flatten,
    Join,
    Last,
    Max,
    Min,
    Reverse,
    Size,
    Sort,
    /// Integers beyond these overflow; `double` where the sum of none is 0.0.
    Sum {
        min: i128,
        max: i128,
        double: bool,
        untyped: bool,
    },
    Take,
}

/// What `pick` and `omit` make of a value. What they leave of a message is a matter of its type alone.
#[derive(Clone, Debug)]
pub(in crate::expr) enum Shape {
    /// These members of an object that a JSON Schema describes.
    Json(Box<[(JsonMember, Self)]>),
    /// Each element.
    List(Arc<Self>),
    /// Each value.
    Map(Arc<Self>),
    /// These members of an object.
    Object(Box<[(Arc<str>, Self)]>),
    /// As it is.
    Whole,
}

// === impl Shape ===

impl Shape {
    /// What is made of a list or map whose every part this is made of: nothing where each part stays as it is.
    pub(in crate::expr) fn around(self, outer: impl FnOnce(Arc<Self>) -> Self) -> Self {
        match self {
            Self::Whole => Self::Whole,
            each => outer(Arc::new(each)),
        }
    }
}

// === impl Code ===

impl Code {
    pub(in crate::expr) fn new(op: Op, span: Span) -> Self {
        Self { op, span }
    }

    pub(super) fn slots(&self, found: &mut dyn FnMut(Slot)) {
        if let Op::Slot(slot) = self.op {
            found(slot);
        }
        self.operands(&mut |it| it.slots(found));
    }

    /// `behind` are the fields that are read of its value, the innermost first.
    pub(super) fn reads(&self, behind: &mut Vec<u32>, read_as: ReadAs, found: &mut dyn FnMut(Slot, &[u32], ReadAs)) {
        match &self.op {
            Op::Slot(slot) => {
                let path: Vec<u32> = behind.iter().rev().copied().collect();
                found(*slot, &path, read_as);
            }
            Op::Field(of, reader) => {
                behind.push(reader.number());
                of.reads(behind, read_as, found);
                behind.pop();
            }
            Op::HasField(of, reader) => of.reads(&mut vec![reader.number()], ReadAs::Presence, found),
            Op::IsNull { of, .. } => of.reads(&mut Vec::new(), ReadAs::Presence, found),
            Op::Conditional(three) => {
                let [condition, yes, no] = &**three;
                condition.reads(&mut Vec::new(), ReadAs::Operand, found);
                yes.reads(behind, read_as, found);
                no.reads(behind, read_as, found);
            }
            Op::Default(all) => all.iter().for_each(|it| it.reads(behind, read_as, found)),
            Op::Pick(of, _) => of.reads(behind, read_as, found),
            _ => self.operands(&mut |it| it.reads(&mut Vec::new(), ReadAs::Operand, found)),
        }
    }

    /// Everything that it is made of.
    pub(in crate::expr) fn operands<'c>(&'c self, each: &mut dyn FnMut(&'c Self)) {
        match &self.op {
            Op::Constant(_) | Op::Slot(_) => {}
            Op::All(all) | Op::Any(all) | Op::Default(all) | Op::List(all) => all.iter().for_each(each),
            Op::Call { args, .. } | Op::Extreme { args, .. } => args.iter().for_each(each),
            Op::Arithmetic(it) => it.operands.iter().for_each(each),
            Op::Conditional(three) => three.iter().for_each(each),
            Op::Compare(_, two) | Op::Element(two) | Op::Entry(two) | Op::HasKey(two) | Op::JsonEntry(two) => {
                two.iter().for_each(each);
            }
            Op::Equal(it) => it.operands.iter().for_each(each),
            Op::In(it) => it.operands.iter().for_each(each),
            Op::Convert(_, of)
            | Op::IsNull { of, .. }
            | Op::Field(of, _)
            | Op::HasField(of, _)
            | Op::JsonField(of, ..)
            | Op::JsonMember(of, _)
            | Op::Matches(of, _)
            | Op::Member(of, _)
            | Op::Negate(of)
            | Op::Not(of)
            | Op::Pick(of, _)
            | Op::TypeUrl(of) => each(of),
            Op::Loop(it) => {
                each(&it.over);
                if let LoopKind::Map(Some(condition)) = &it.kind {
                    each(condition);
                }
                each(&it.body);
            }
            Op::Map(entries) => entries.iter().for_each(|(key, value)| {
                each(key);
                each(value);
            }),
            Op::Method(it) => {
                each(&it.of);
                it.argument.iter().for_each(each);
            }
            Op::Object(members) => members.iter().for_each(|(_, it)| each(it)),
        }
    }

    /// The value, where it is known.
    pub(in crate::expr) fn constant(&self) -> Option<&Value> {
        match &self.op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }
}
