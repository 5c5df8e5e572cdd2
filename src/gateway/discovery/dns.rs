//! DNS: A, AAAA and SRV records, asked again when their time to live is over.
//!
//! Hosts file, search list and servers are the system's (`/etc/hosts`, `/etc/resolv.conf`) unless the gateway file names
//! servers. Nothing is cached here: when to ask again is the whole of it.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record};

use super::Answer;
use crate::plan::{Dns, Target};

/// How long one server is waited for, before it is asked again or another one is.
const TIMEOUT: Duration = Duration::from_millis(800);

/// Asks whom the settings name. Made for each question, so that a changed `/etc/hosts` or `/etc/resolv.conf` counts.
fn resolver(dns: &Dns) -> Result<TokioResolver, String> {
    let mut builder = if dns.servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|error| format!("the system's DNS settings: {error}"))?
    } else {
        let server = |it: &std::net::SocketAddr| {
            let at = |mut it: ConnectionConfig, port| {
                it.port = port;
                it
            };
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|one| at(one, it.port()));
            NameServerConfig::new(it.ip(), true, connections.into())
        };
        let config = ResolverConfig::from_name_servers(dns.servers.iter().map(server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = TIMEOUT;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().map_err(|error| error.to_string())
}

/// Every address of a name is a target.
pub(super) async fn addresses(dns: &Dns, host: &str, port: u16) -> Result<Answer, String> {
    addresses_by(&resolver(dns)?, dns, host, port).await
}

async fn addresses_by(resolver: &TokioResolver, dns: &Dns, host: &str, port: u16) -> Result<Answer, String> {
    let found = resolver
        .lookup_ip(host)
        .await
        .map_err(|error| why(&error, "A or AAAA"))?;
    let ttl = least_ttl(found.as_lookup().answers());
    let target = |address: std::net::IpAddr| Target::new(format!("{host}:{port}"), address.to_string(), port);
    Ok(Answer {
        targets: found.iter().map(target).collect(),
        kept_for: kept_for(dns, ttl),
    })
}

/// Every address of every host that the SRV records of a name give.
pub(super) async fn services(dns: &Dns, name: &str) -> Result<Answer, String> {
    let resolver = resolver(dns)?;
    let found = resolver.srv_lookup(name).await.map_err(|error| why(&error, "SRV"))?;
    let mut ttl = least_ttl(found.answers());
    let mut targets = Vec::new();
    let mut trouble = None;
    for record in found.answers() {
        let RData::SRV(srv) = &record.data else { continue };
        let host = srv.target.to_utf8();
        let host = host.trim_end_matches('.');
        // RFC 2782: a lone dot says that there is no such service.
        if host.is_empty() {
            continue;
        }
        match addresses_by(&resolver, dns, host, srv.port).await {
            Ok(found) => {
                ttl = ttl.min(found.kept_for);
                targets.extend(found.targets.into_iter().map(|it| Target {
                    // "Domains which have a weight of 0 should be very seldom chosen" beside others.
                    weight: u32::from(srv.weight).max(1),
                    priority: srv.priority,
                    ..it
                }));
            }
            Err(error) => trouble = Some(format!("{host}: {error}")),
        }
    }
    // A host that cannot be found is no reason to lose the others, but is asked for again soon.
    let kept_for = match trouble {
        Some(trouble) if targets.is_empty() => return Err(trouble),
        Some(_) => dns.min_ttl.max(super::FIRST_PAUSE),
        None => kept_for(dns, ttl),
    };
    Ok(Answer { targets, kept_for })
}

/// Why there is no answer, in a sentence.
fn why(error: &NetError, records: &str) -> String {
    if error.is_nx_domain() {
        "the name does not exist".to_owned()
    } else if error.is_no_records_found() {
        format!("the name has no {records} records")
    } else {
        error.to_string()
    }
}

fn least_ttl(records: &[Record]) -> Duration {
    let ttls = records.iter().map(|it| it.ttl);
    Duration::from_secs(ttls.min().unwrap_or(0).into())
}

/// How long an answer counts.
fn kept_for(dns: &Dns, ttl: Duration) -> Duration {
    ttl.clamp(dns.min_ttl, dns.max_ttl.max(dns.min_ttl))
}
