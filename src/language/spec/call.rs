//! The entries of `calls:`: one call's keys.
