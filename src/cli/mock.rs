//! `weft mock`: a stand-in for each backend of a gateway file, so that pages can be built before their backends are.
//!
//! gRPC backends answer every unary method of their descriptors, with reflection; HTTP backends what the compositions call.

mod answer;
mod http;
mod invent;
mod text;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prost::Message as _;
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use tokio::net::TcpListener;

use self::answer::{Conduct, code_of};
use super::Ending;
use super::dynamic::{self, Answer};
use crate::language::spec::{self, BackendDescriptors, scalar};
use crate::schema::load as descriptors;
use crate::telemetry;

/// Arguments of `weft mock`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// Serve the gateway too, in front of the mocks
    #[arg(long)]
    serve: bool,
    /// Where the gateway listens, in place of the gateway file's `listen`
    #[arg(long, value_name = "ADDRESS", requires = "serve")]
    listen: Vec<String>,
    /// The port of the first mock, and those behind it for the others; 0 lets the system choose. The gateway file's own
    /// ports unless said
    #[arg(long)]
    port: Option<u16>,
    /// .proto files or descriptor sets of backends that the gateway file asks by reflection
    #[arg(long, value_name = "PATH")]
    descriptors: Vec<PathBuf>,
    /// Files that answer in place of made-up values: pkg.Service/Method.yaml, backend/path/GET.json
    #[arg(long, value_name = "FOLDER", default_value = "mocks")]
    mocks: PathBuf,
    /// How long a call takes: 50ms, or NAME=TIME for a backend or method
    #[arg(long, value_name = "[NAME=]TIME")]
    latency: Vec<String>,
    /// Let a backend or method fail, as UNAVAILABLE unless said: reviews, reviews=404, pkg.Service/Method=INTERNAL
    #[arg(long, value_name = "NAME[=CODE]")]
    fail: Vec<String>,
}

/// Starts everything and serves until a signal ends it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let conduct = Arc::new(conduct(arguments)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let loader = super::loader(&arguments.config)?;
        let gateway = loader.gateway()?;
        known_names(&gateway, &conduct)?;
        let folder = arguments.config.parent().unwrap_or(Path::new(""));
        let mut addresses = HashMap::new();
        let mut servers = Vec::new();
        for (at, backend) in gateway.backends.iter().enumerate() {
            if !backend.split.is_empty() {
                // It is others, and those have mocks.
                continue;
            }
            let name = &*backend.name.value;
            let listener = listen(backend, arguments.port, at).await?;
            let address = listener.local_addr()?;
            addresses.insert(name.to_owned(), address);
            if backend.grpc.is_empty() {
                servers.push(http::Server::start(name, listener, conduct.clone()));
                super::say(&format!("{name}: http://{address}\n"))?;
                continue;
            }
            let pool = pool(backend, &gateway, folder, &arguments.descriptors)?;
            let services = services(backend, &pool);
            dynamic::serve(listener, &pool, &services, &answer(name, &conduct))?;
            let shown: Vec<_> = services.iter().map(ServiceDescriptor::full_name).collect();
            super::say(&format!("{name}: http://{address} ({})\n", shown.join(", ")))?;
        }
        let mut loader = loader.with_backends_at(addresses);
        let loaded = loader.load().await?;
        for server in servers {
            server.serve(&loaded.plan);
        }
        if !arguments.serve {
            tokio::signal::ctrl_c().await?;
            return Ok(Ending::Clean);
        }
        telemetry::log_to_stderr(false, "info");
        let listen = (!arguments.listen.is_empty()).then_some(arguments.listen.as_slice());
        let gateway = super::serve::start(loader, loaded, listen).await?;
        super::serve::until_signalled(gateway).await
    })
}

fn answer(backend: &str, conduct: &Arc<Conduct>) -> Answer {
    let (backend, conduct): (Arc<str>, _) = (backend.into(), conduct.clone());
    Arc::new(move |method, request| {
        let (backend, conduct) = (backend.clone(), conduct.clone());
        Box::pin(async move { conduct.grpc(&backend, &method, &request).await })
    })
}

/// The port that the gateway file calls, where it is one of this machine.
async fn listen(backend: &spec::Backend, port: Option<u16>, at: usize) -> anyhow::Result<TcpListener> {
    let target = backend.grpc.first().or(backend.http.first());
    let authority = target
        .and_then(|it| it.url.value.strip_prefix("http://"))
        .unwrap_or_default();
    let own = authority
        .trim_end_matches('/')
        .rsplit_once(':')
        .filter(|(host, _)| matches!(*host, "127.0.0.1" | "localhost" | "[::1]"))
        .and_then(|(_, port)| port.parse().ok());
    let port = match port {
        Some(0) => 0,
        Some(first) => u16::try_from(at)
            .ok()
            .and_then(|at| first.checked_add(at))
            .context("there are not so many ports")?,
        None => own.unwrap_or(0),
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| {
        let name = &backend.name.value;
        format!("cannot listen on {address} for the mock of `{name}`; choose other ports with --port")
    })
}

/// The descriptors of a backend.
fn pool(
    backend: &spec::Backend,
    gateway: &spec::Gateway,
    folder: &Path,
    given: &[PathBuf],
) -> anyhow::Result<DescriptorPool> {
    let below = |paths: &[spec::Name]| paths.iter().map(|it| folder.join(&*it.value)).collect::<Vec<_>>();
    let paths = match &backend.descriptors {
        Some(BackendDescriptors::Paths(paths)) => below(paths),
        Some(BackendDescriptors::Reflection(_) | BackendDescriptors::Registered(_)) if !given.is_empty() => {
            given.to_vec()
        }
        _ => below(&gateway.descriptors),
    };
    anyhow::ensure!(
        !paths.is_empty(),
        "`{}` is asked by reflection what it serves, or its descriptors are registered, and a mock has neither: name its .proto files with --descriptors",
        backend.name.value
    );
    let set = descriptors::load(&paths).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })?;
    Ok(DescriptorPool::decode(set.encode_to_vec().as_slice())?)
}

/// The services that a backend serves: those that `services:` names, else all.
fn services(backend: &spec::Backend, pool: &DescriptorPool) -> Vec<ServiceDescriptor> {
    let all = pool.services();
    all.filter(|service| {
        backend.services.is_empty()
            || backend
                .services
                .iter()
                .any(|it| matches(&it.value, service.full_name()))
    })
    .collect()
}

/// Whether a name has the form of a pattern, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => name.strip_prefix(before).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| tail.get(at..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}

fn conduct(arguments: &Arguments) -> anyhow::Result<Conduct> {
    let mut conduct = Conduct {
        folder: arguments.mocks.clone(),
        ..Conduct::default()
    };
    let time = |written: &str| -> anyhow::Result<Duration> {
        scalar::duration(written).map_err(|reason| anyhow::anyhow!("`{written}`: {reason}"))
    };
    for written in &arguments.latency {
        match written.split_once('=') {
            Some((name, latency)) => drop(conduct.latency.1.insert(name.to_owned(), time(latency)?)),
            None => conduct.latency.0 = time(written)?,
        }
    }
    for written in &arguments.fail {
        let (name, code) = written.split_once('=').unwrap_or((written, "UNAVAILABLE"));
        let code = code_of(code).with_context(|| format!("`{code}` is neither a gRPC code nor an HTTP status"))?;
        conduct.failures.insert(name.to_owned(), code);
    }
    Ok(conduct)
}

/// Refuses the names of backends that there are not; what has a slash or a blank is a method.
fn known_names(gateway: &spec::Gateway, conduct: &Conduct) -> anyhow::Result<()> {
    let names: Vec<&str> = gateway.backends.iter().map(|it| &*it.name.value).collect();
    for name in conduct.latency.1.keys().chain(conduct.failures.keys()) {
        anyhow::ensure!(
            name.contains(['/', ' ']) || names.contains(&&**name),
            "there is no backend `{name}`; there are {}",
            names.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_chosen_by_pattern() {
        for (pattern, name, wanted) in [
            ("a.B", "a.B", true),
            ("a.*", "a.B", true),
            ("*", "a.B", true),
            ("*.B", "a.B", true),
            ("a.*.C", "a.B", false),
            ("a.B*", "a.B", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
