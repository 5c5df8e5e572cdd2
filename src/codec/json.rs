//! JSON text in place: validation, skipping, looking up a member, walking a list, strings and escapes.
//!
//! Strict RFC 8259. A fragment that was validated once is never validated again.
