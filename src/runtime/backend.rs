//! Whom we call: connections, attempts, and what went wrong.
