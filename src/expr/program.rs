//! Compiled expressions and what they run over.
//!
//! Owns the operations that an expression is lowered to, and how frames are looked up. Leaves to `check` which operations
//! fit which types, and to `eval` what they do. Invariant: an operation is only built over operands of the types that it
//! takes; what depends on a schema was read from it when the operation was built.

mod code;

use std::fmt;
use std::sync::Arc;

use super::Span;
use super::check::json_members;
use super::types::ObjectMember;
use super::value::Value;
use crate::schema::json_schema::JsonTypeRef;

pub(super) use self::code::{
    Alike, Arithmetic, ArithmeticKind, Code, Comparison, Conversion, Equal, Equality, In, JsonKind, JsonMember,
    KeyKind, ListMethod, ListMethodKind, Loop, LoopKind, Native, Op, Reason, Shape, TextKind,
};

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

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
