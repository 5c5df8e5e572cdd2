//! Evaluation: one pass over a program, reading wire bytes and JSON in place.
