//! Runs fixture files against scripted backends, in simulated time: `weft test` and our own tests.
//!
//! A fixture is one file: gateway and compositions, what the backends are asked and answer, exchanges and what is expected.
//! An unexpected backend call fails it, and so does a scripted line that nobody used.

pub mod fixture;
