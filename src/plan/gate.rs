//! Who may ask, and how often: what is asked of a request before anything else is done for it.
//!
//! Owns settings only; `runtime::serve::gate` and `runtime::rate` act on them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::{Inputs, Origin};
use crate::expr::{Program, Type};
use crate::tls;

/// An expression over the request alone, outside of every composition.
#[derive(Debug)]
pub struct OfRequest {
    /// The parts of the request that it reads.
    pub inputs: Inputs,
    /// Reads them.
    pub program: Program,
    /// What it gives.
    pub ty: Type,
    /// As written, without the `$`.
    pub source: Arc<str>,
}

/// `access:`.
#[derive(Debug, Default)]
pub struct NetworkAccess {
    /// Who may ask; `None` is everybody.
    pub allow: Option<Networks>,
    /// Who may not, whatever `allow` says.
    pub deny: Networks,
    /// Who is believed about the client's address.
    pub trusted_proxies: Networks,
    /// Where they say it.
    pub client_header: ClientHeader,
    /// Conditions under which a request is refused.
    pub refuse: Vec<(OfRequest, Origin)>,
}

/// The header to which proxies append whom they got a request from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientHeader {
    /// RFC 7239.
    Forwarded,
    /// What nearly every proxy sends.
    #[default]
    XForwardedFor,
}

/// Networks, IPv4 and IPv6. Looked up in logarithmic time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// First and last addresses, ascending and apart.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// A limit: `rate_limits:` of the gateway file, or written at an endpoint.
#[derive(Debug)]
pub struct RateLimit {
    /// What clients see: its name, or `endpoint`.
    pub name: Arc<str>,
    /// What tells its counters from those of others, now and after a reload.
    pub id: Arc<str>,
    /// Requests for which this is the same share a counter; where there is none, or it is null, all do.
    pub key: Option<OfRequest>,
    /// How often, where `tiers` says nothing else.
    pub rule: Rule,
    /// How often, by what an expression gives.
    pub tiers: Option<Tiers>,
    /// Where it was written.
    pub origin: Origin,
}

/// `by:` and `tiers:`.
#[derive(Debug)]
pub struct Tiers {
    /// Gives the name of a tier.
    pub by: OfRequest,
    /// The tiers.
    pub rules: Vec<(Arc<str>, Rule)>,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `rate:` and `burst:`.
    pub rate: Option<Rate>,
    /// `quota:`.
    pub quota: Option<Quota>,
}

/// So many requests in a time, evenly; and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub requests: u64,
    /// In which time.
    pub per: Duration,
    /// How many at once, at least 1.
    pub burst: u64,
}

/// So many requests in a calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many, at least 1.
    pub requests: u64,
    /// In which period.
    pub period: Period,
}

/// A period of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first to the last of a month.
    Month,
}

/// `cache: { redis }`.
#[derive(Clone, PartialEq, Eq)]
pub struct Redis {
    /// `redis://…` or `rediss://…`; may hold a password.
    pub url: Arc<str>,
    /// How connections are secured; `None` where they are not.
    pub tls: Option<tls::Client>,
    /// How long counting for a limit may take.
    pub timeout: Duration,
    /// How long looking for something that is kept may take.
    pub lookup: Duration,
    /// What all keys begin with.
    pub prefix: Arc<str>,
}

impl Networks {
    /// Those of a list.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let mut all = Self::default();
        for network in networks {
            match network {
                IpNet::V4(it) => all.v4.push((it.network().to_bits(), it.broadcast().to_bits())),
                IpNet::V6(it) => all.v6.push((it.network().to_bits(), it.broadcast().to_bits())),
            }
        }
        merge(&mut all.v4);
        merge(&mut all.v6);
        all
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether an address lies in one of them; an IPv4 address that is written as IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(it) => is_in(&self.v4, it.to_bits()),
            IpAddr::V6(it) => is_in(&self.v6, it.to_bits()),
        }
    }
}

/// Sorts ranges, and makes one of those that overlap.
fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let overlaps = next.0 <= kept.1;
        if overlaps {
            kept.1 = kept.1.max(next.1);
        }
        overlaps
    });
}

fn is_in<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let behind = ranges.partition_point(|it| it.0 <= address);
    behind.checked_sub(1).is_some_and(|at| address <= ranges[at].1)
}

impl RateLimit {
    /// Whether who asks has to be known before it is counted.
    pub fn is_by_claim(&self) -> bool {
        let by = self.tiers.as_ref().map(|it| &it.by);
        self.key.iter().chain(by).any(|it| !it.inputs.claims.is_empty())
    }
}

impl NetworkAccess {
    /// True where some clients may not ask: what they are told is not for everybody.
    pub fn restricts(&self) -> bool {
        self.allow.is_some() || !self.deny.is_empty() || !self.refuse.is_empty()
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .field("lookup", &self.lookup)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_hold_what_their_masks_say() {
        let networks = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32", "::1/128"];
        let networks = Networks::new(networks.map(|it| it.parse().unwrap()));
        for (address, wanted) in [
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("9.255.255.255", false),
            ("11.0.0.0", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.2.3.4", true),
            ("::ffff:11.2.3.4", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::1", true),
            ("::2", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), wanted, "{address}");
        }
        assert!(!Networks::default().contains("::1".parse().unwrap()));
        let all = Networks::new(["0.0.0.0/0".parse().unwrap()]);
        assert!(all.contains("255.255.255.255".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn looking_up_is_asking_each(nets in prop::collection::vec((any::<u16>(), 0u8..=32), 0..20), asked in any::<[u16; 20]>()) {
            // Few distinct addresses, so that many lie on borders.
            let wide = |it: u16| std::net::Ipv4Addr::from((u32::from(it) << 16) | u32::from(it & 3));
            let nets: Vec<IpNet> = nets.into_iter().map(|(it, len)| IpNet::new(wide(it).into(), len).unwrap()).collect();
            let networks = Networks::new(nets.iter().copied());
            for it in asked {
                let address = IpAddr::from(wide(it));
                prop_assert_eq!(networks.contains(address), nets.iter().any(|it| it.contains(&address)));
            }
        }
    }
}
