//! Values → JSON text, by type and options.

use super::program::Fault;
use super::types::Type;
use super::value::Value;
use crate::codec::JsonOptions;

/// Writes values of one type as JSON. Compiled when a plan is made; holds the codec programs that it needs.
#[derive(Clone, Debug)]
pub struct Renderer {}

impl Renderer {
    /// Compiles a renderer for values of `ty`.
    pub fn compile(ty: &Type, options: JsonOptions) -> Self {
        let _ = (ty, options);
        todo!()
    }

    /// Appends the JSON of `value` to `out`; null is `null`.
    pub fn render(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        let _ = (value, out);
        todo!()
    }
}
