//! Diagnostics drawn: in full (rustc's form), concise (one line each), and as JSON.
