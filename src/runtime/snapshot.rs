//! One immutable running state: a plan with its connections and caches.
