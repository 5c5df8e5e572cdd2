//! Left wing: what was written → what will run. May be slow; collects every mistake.
//!
//! text → [`source`] → [`spec`] → [`check`] → `plan::Plan`. What goes wrong is a [`diagnostic::Diagnostic`], never an early return.

pub mod check;
pub mod diagnostic;
pub mod source;
pub mod spec;
