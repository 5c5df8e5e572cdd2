//! The admin listener: health, metrics.
