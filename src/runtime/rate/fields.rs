//! What a client is told of its limits: `RateLimit-Policy` and `RateLimit`, in the form of
//! draft-ietf-httpapi-ratelimit-headers-10 (RFC 9651 lists of strings with parameters).

use std::fmt::Write;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::gcra::Verdict;
use super::{Demand, SECOND, What};
use crate::plan::Period;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const CURRENT: HeaderName = HeaderName::from_static("ratelimit");

/// What is said of all limits that were asked.
#[derive(Debug, Default)]
pub struct Said {
    policies: String,
    current: String,
}

/// The name of a policy: that of the limit; for a quota with its period.
pub(super) fn name(demand: &Demand<'_>) -> Arc<str> {
    let name = &demand.limit.name;
    match &demand.what {
        What::Rate(_) => name.clone(),
        What::Quota { period, .. } => match period {
            Period::Day => format!("{name}/day").into(),
            Period::Month => format!("{name}/month").into(),
        },
    }
}

impl Said {
    pub(super) fn add(&mut self, demand: &Demand<'_>, verdict: &Verdict) {
        let (quota, window) = match &demand.what {
            What::Rate(gcra) => (gcra.burst, gcra.full().div_ceil(SECOND)),
            What::Quota {
                requests, starts, ends, ..
            } => (*requests, ends - starts),
        };
        let (comma, name) = (if self.policies.is_empty() { "" } else { ", " }, name(demand));
        let (remaining, reset) = (verdict.remaining, verdict.full_after.div_ceil(SECOND));
        // Writing into a String cannot fail.
        let _infallible = write!(self.policies, "{comma}\"{name}\";q={quota};w={window}");
        let _infallible = write!(self.current, "{comma}\"{name}\";r={remaining};t={reset}");
    }

    /// Puts it into a response.
    pub fn write(self, headers: &mut HeaderMap) {
        if self.policies.is_empty() {
            return;
        }
        for (name, text) in [(POLICY, self.policies), (CURRENT, self.current)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}
