//! Answers one request. The phases here are the only order there is.
