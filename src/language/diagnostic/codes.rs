//! Every diagnostic code, once. The guide's table and `weft explain` are made from this list.

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Kebab-case, never renamed or reused.
    pub code: &'static str,
    /// One line: what it means.
    pub summary: &'static str,
}

/// All codes, alphabetically.
pub const CODES: &[Code] = &[];
