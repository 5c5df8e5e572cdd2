//! A composition file: its root keys.
