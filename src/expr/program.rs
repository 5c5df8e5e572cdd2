//! Compiled expressions and what they run over.
//!
//! Owns the operations that an expression is lowered to, and how frames are looked up. Leaves to `check` which operations
//! fit which types, and to `eval` what they do. Invariant: an operation is only built over operands of the types that it
//! takes; what depends on a schema was read from it when the operation was built.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use super::Span;
use super::check::json_members;
use super::encode::Encoder;
use super::input::JsonReader;
use super::render::Renderer;
use super::types::ObjectMember;
use super::value::{FieldReader, ObjectReader, Value};
use crate::schema::json_schema::JsonTypeRef;

/// The place of a value in the frames of a composition. Names are unique in a composition, so a slot is a plain number;
/// an inner scope (a `for` element, a `$for`, a macro) has slots above those of the scope around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// Values of one scope, and the scope around it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'f> {
    /// The scope around this one; its slots are all below `base`.
    pub parent: Option<&'f Self>,
    /// Slot of `values[0]`.
    pub base: Slot,
    /// The values, by slot.
    pub values: &'f [Value],
}

/// A compiled expression: immutable, without descriptors or text.
#[derive(Clone, Debug)]
pub struct Program {
    code: Arc<Code>,
}

/// What a program reads a value for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAs {
    /// To make something of it.
    Operand,
    /// To know whether it is there.
    Presence,
    /// It is, or may be, what the program gives.
    Result,
}

/// A failing expression (semantics.md 3.5): only for logs, never for a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fault {
    /// One sentence without values: `integer overflow`, `division by zero`, `list is longer than 100,000`.
    pub reason: &'static str,
    /// Which part of the expression.
    pub span: Span,
}

/// Why an operation failed; it becomes a [`Fault`] where the operation stands.
pub(super) type Reason = &'static str;

/// A function over values that are there and of the types it takes.
pub(super) type Native = fn(&[Value]) -> Result<Value, Reason>;

/// An operation and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) op: Op,
    pub(super) span: Span,
}

/// An operation. Operands are evaluated first unless the operation says otherwise.
#[derive(Clone, Debug)]
pub(super) enum Op {
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
pub(super) enum ArithmeticKind {
    Add,
    Divide,
    Multiply,
    Remainder,
    Subtract,
}

#[derive(Clone, Debug)]
pub(super) struct Arithmetic {
    pub(super) kind: ArithmeticKind,
    /// Integers beyond these overflow.
    pub(super) min: i128,
    pub(super) max: i128,
    /// The result is JSON of unknown shape.
    pub(super) untyped: bool,
    pub(super) operands: [Code; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Debug)]
pub(super) struct Equal {
    pub(super) negated: bool,
    pub(super) equality: Equality,
    pub(super) operands: [Code; 2],
}

#[derive(Clone, Debug)]
pub(super) struct In {
    /// How elements are compared; of no use for keys.
    pub(super) equality: Equality,
    pub(super) operands: [Code; 2],
}

/// The fields of a message, and how each is compared.
pub(super) type MessageFields = Box<[(FieldReader, Alike)]>;

/// How two values of one type are compared.
#[derive(Clone, Debug)]
pub(super) struct Equality {
    pub(super) root: Alike,
    /// The fields of each message type that is met, by [`Alike::Message`].
    pub(super) messages: Arc<[MessageFields]>,
}

#[derive(Clone, Debug)]
pub(super) enum Alike {
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
pub(super) struct JsonMember {
    pub(super) name: Arc<str>,
    /// Reads it as what the schema says.
    pub(super) reader: JsonReader,
    /// It may be left out.
    pub(super) optional: bool,
}

/// A change of form. What it is made from is not null.
#[derive(Clone, Debug)]
pub(super) enum Conversion {
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
pub(super) enum JsonKind {
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
pub(super) enum TextKind {
    /// Names by number, ascending.
    Enum(Arc<[(i32, Arc<str>)]>),
    /// Scalars that say themselves what they are, JSON of unknown shape among them.
    Plain,
    /// A float, which prints shorter than the double that holds it.
    Single,
}

/// A macro: a body for each element of a list or key of a map; null where that is null.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) over: Code,
    pub(super) slot: Slot,
    pub(super) body: Code,
}

#[derive(Clone, Debug)]
pub(super) enum LoopKind {
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
pub(super) enum KeyKind {
    /// By their JSON.
    Json(Renderer),
    /// Scalars and JSON of unknown shape.
    Plain,
}

#[derive(Clone, Debug)]
pub(super) struct ListMethod {
    pub(super) kind: ListMethodKind,
    /// Null gives null.
    pub(super) of: Code,
    pub(super) argument: Option<Code>,
}

#[derive(Clone, Debug)]
pub(super) enum ListMethodKind {
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
pub(super) enum Shape {
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

// === impl Program ===

impl Program {
    pub(super) fn new(code: Code) -> Self {
        Self { code: Arc::new(code) }
    }

    /// Gives a value that is known.
    pub fn constant(value: Value) -> Self {
        Self::new(Code {
            op: Op::Constant(value),
            span: Span::default(),
        })
    }

    /// Gives the value in a slot.
    pub fn slot(slot: Slot) -> Self {
        Self::new(Code {
            op: Op::Slot(slot),
            span: Span::default(),
        })
    }

    /// The slot, where the program does nothing but read one.
    pub fn is_slot(&self) -> Option<Slot> {
        match self.code.op {
            Op::Slot(slot) => Some(slot),
            _ => None,
        }
    }

    /// The value, where the program was found to give the same one always.
    pub fn is_constant(&self) -> Option<&Value> {
        match &self.code.op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The slots that it may read, each as often as it is mentioned; those of its own macros too.
    pub fn slots(&self, mut found: impl FnMut(Slot)) {
        self.code.slots(&mut found);
    }

    /// What a condition always is, where no value can change it: `x || true` is true.
    pub fn always(&self) -> Option<bool> {
        let one = |parts: &[Code], wanted: bool| {
            let found = parts
                .iter()
                .any(|it| matches!(it.constant(), Some(Value::Bool(it)) if *it == wanted));
            found.then_some(wanted)
        };
        match &self.code.op {
            Op::All(parts) => one(parts, false),
            Op::Any(parts) => one(parts, true),
            Op::Constant(Value::Bool(it)) => Some(*it),
            _ => None,
        }
    }

    /// What it reads of the values in slots: field numbers from the message inwards, as far as they are written out.
    pub fn reads(&self, mut found: impl FnMut(Slot, &[u32], ReadAs)) {
        self.code.reads(&mut Vec::new(), ReadAs::Result, &mut found);
    }

    /// Gives an object of the members that a JSON Schema names, where the program gives one that it describes.
    #[must_use]
    pub fn into_object(self, schema: &JsonTypeRef) -> Self {
        let members = ObjectMember::of_json(schema);
        let conversion = Conversion::JsonToObject(json_members(&members));
        let span = self.code.span;
        let code = Arc::unwrap_or_clone(self.code);
        Self::new(Code::new(Op::Convert(Box::new(conversion), Box::new(code)), span))
    }

    /// The comment of the field that its value comes from, where it is a path to one, whole or in part.
    pub fn comment(&self) -> Option<&Arc<str>> {
        fn of(code: &Code) -> Option<&Arc<str>> {
            match &code.op {
                Op::Default(all) => of(all.first()?),
                Op::Field(_, reader) => reader.comment(),
                Op::Pick(of_whole, _) => of(of_whole),
                _ => None,
            }
        }
        of(&self.code)
    }

    /// The whole numbers that it can give, ascending, where they all stand in it: `$created ? 201 : 200`.
    pub fn integers(&self) -> Option<Vec<i64>> {
        fn of(code: &Code, found: &mut Vec<i64>) -> Option<()> {
            match &code.op {
                Op::Constant(Value::Int(value)) => found.push(*value),
                Op::Conditional(parts) => {
                    let [_, then, otherwise] = &**parts;
                    of(then, found)?;
                    of(otherwise, found)?;
                }
                _ => return None,
            }
            Some(())
        }
        let mut found = Vec::new();
        of(&self.code, &mut found)?;
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// Evaluates over the values in scope.
    ///
    /// ```
    /// use weft::expr::{Frame, Program, Slot, Value};
    ///
    /// let values = [Value::from("mug")];
    /// let frame = Frame { parent: None, base: Slot(7), values: &values };
    /// assert_eq!(Program::slot(Slot(7)).eval(&frame).unwrap().as_str(), Some("mug"));
    /// ```
    pub fn eval(&self, frame: &Frame<'_>) -> Result<Value, Fault> {
        super::eval::run(&self.code, frame)
    }
}

// === impl Fault ===

impl Fault {
    /// A reply was not what its schema says: the backend's fault, not the expression's.
    pub fn is_of_reply(&self) -> bool {
        self.reason == super::eval::ILL_SHAPED
    }
}

// === impl Shape ===

impl Shape {
    /// What is made of a list or map whose every part this is made of: nothing where each part stays as it is.
    pub(super) fn around(self, outer: impl FnOnce(Arc<Self>) -> Self) -> Self {
        match self {
            Self::Whole => Self::Whole,
            each => outer(Arc::new(each)),
        }
    }
}

// === impl Frame ===

impl<'f> Frame<'f> {
    /// The value in a slot of this scope or one around it; none where nobody gave it a value, which a checked program does
    /// not meet.
    pub fn get(&self, slot: Slot) -> Option<&'f Value> {
        let mut frame = *self;
        while slot < frame.base {
            frame = *frame.parent?;
        }
        frame.values.get((slot.0 - frame.base.0) as usize)
    }
}

// === impl Code ===

impl Code {
    pub(super) fn new(op: Op, span: Span) -> Self {
        Self { op, span }
    }

    fn slots(&self, found: &mut dyn FnMut(Slot)) {
        if let Op::Slot(slot) = self.op {
            found(slot);
        }
        self.operands(&mut |it| it.slots(found));
    }

    /// `behind` are the fields that are read of its value, the innermost first.
    fn reads(&self, behind: &mut Vec<u32>, read_as: ReadAs, found: &mut dyn FnMut(Slot, &[u32], ReadAs)) {
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
    pub(super) fn operands<'c>(&'c self, each: &mut dyn FnMut(&'c Self)) {
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
    pub(super) fn constant(&self) -> Option<&Value> {
        match &self.op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
