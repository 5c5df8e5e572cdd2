//! Runs fixture files against scripted backends, in simulated time: `weft test` and our own tests.
