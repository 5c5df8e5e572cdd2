//! CEL: syntax, typing, programs, values and functions (semantics.md 1–3, 9).
//!
//! Owns what an expression means: its type, its nullability, how it is evaluated over wire bytes and JSON in place, how a
//! value is rendered as JSON and how it fits a place. Leaves to `language` where expressions stand and to `runtime` when
//! they run. Invariant: a program that was compiled never meets a value of another type than it was compiled for.

pub mod ast;
pub mod check;
pub mod decode;
pub mod encode;
mod enum_table;
pub mod eval;
pub mod function;
pub mod input;
pub mod literal;
pub mod parse;
pub mod program;
pub mod render;
#[cfg(test)]
mod testing;
pub mod types;
pub mod value;

pub use ast::Ast;
pub use check::{Binding, Checked, ExprError, Facts, Resolve, Segment, Target};
pub use decode::ReplyReader;
pub use encode::{Encoder, FitError, PlaceType};
pub use input::JsonReader;
pub use parse::parse;
pub use program::{Fault, Frame, Program, ReadAs, Slot};
pub use render::Renderer;
pub use types::{IntRange, ObjectMember, Type, TypeKind};
pub use value::{ListValue, MapValue, Str, Value};

/// A byte range in the text of one expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}
