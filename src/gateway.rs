//! Joins the wings: load → check → build → swap; listeners, reload, drain.
