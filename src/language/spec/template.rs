//! Templates: which scalars are expressions, text and literals (semantics.md 7).
