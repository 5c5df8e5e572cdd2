//! Numbers as text: integers, shortest doubles and floats, and what JSON and query strings accept as each kind.
