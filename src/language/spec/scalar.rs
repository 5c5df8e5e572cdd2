//! Scalars with a form of their own: durations, sizes, rates, addresses.
