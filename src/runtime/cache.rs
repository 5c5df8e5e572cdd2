//! Stored replies and responses: freshness of our own, moka for size, single flight.
