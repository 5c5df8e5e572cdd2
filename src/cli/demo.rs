//! `weft demo`: real backends on loopback and the gateway in front of them. The main job with nothing to configure.

mod catalogue;
mod server;
mod shop;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use self::server::{BACKENDS, Trouble};
use super::{Ending, say};
use crate::gateway::load::Loader;
use crate::telemetry;

/// The gateway file and the compositions, as they stand in the repository.
const GATEWAY_FILE: &str = include_str!("../../weft.yaml");
const COMPOSITIONS: &[(&str, &str)] = &[
    ("cart-items.yaml", include_str!("../../compositions/cart-items.yaml")),
    ("cart.yaml", include_str!("../../compositions/cart.yaml")),
    ("checkout.yaml", include_str!("../../compositions/checkout.yaml")),
    ("home.yaml", include_str!("../../compositions/home.yaml")),
    (
        "product-by-id.yaml",
        include_str!("../../compositions/product-by-id.yaml"),
    ),
    ("product.yaml", include_str!("../../compositions/product.yaml")),
    ("products.yaml", include_str!("../../compositions/products.yaml")),
    ("search.yaml", include_str!("../../compositions/search.yaml")),
];
/// What the compositions say of the HTTP backend, where they look for it.
const OPENAPI: (&str, &str) = (
    "descriptors/reviews/openapi.yaml",
    include_str!("../../descriptors/reviews/openapi.yaml"),
);

/// Arguments of `weft demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Let a backend answer every call with UNAVAILABLE, to see a degraded page: ads, cart, reviews, …
    #[arg(long, value_name = "NAME")]
    fail: Vec<String>,
    /// Let a backend take so much longer: reviews=2s
    #[arg(long, value_name = "NAME=TIME")]
    slow: Vec<String>,
}

/// Starts everything and serves until a signal ends it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let troubles = troubles(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Said before anything is started: the backends would be talked of first.
        let is_free = tokio::net::TcpListener::bind(&arguments.listen).await;
        drop(is_free.with_context(|| format!("cannot listen on {}", arguments.listen))?);
        let addresses = server::start(&troubles).await?;
        let files = Files::write(&addresses)?;
        let mut loader = Loader::from_file(&files.gateway_file());
        let loaded = loader.load().await?;
        telemetry::log_to_stderr(false, "info");
        for (name, address) in &addresses {
            tracing::info!(%address, "backend {name} is up");
        }
        let gateway = super::serve::start(loader, loaded, Some(std::slice::from_ref(&arguments.listen))).await?;
        for address in gateway.addresses() {
            greet(*address, arguments)?;
        }
        super::serve::until_signalled(gateway).await
    })
}

fn troubles(arguments: &Arguments) -> anyhow::Result<BTreeMap<String, Trouble>> {
    let known = |name: &str| {
        let names: Vec<_> = BACKENDS.iter().map(|it| it.name).collect();
        anyhow::ensure!(
            names.contains(&name),
            "the demo has no backend `{name}`; it has {}",
            names.join(", ")
        );
        Ok(())
    };
    let mut troubles: BTreeMap<String, Trouble> = BTreeMap::new();
    for name in &arguments.fail {
        known(name)?;
        troubles.entry(name.clone()).or_default().fails = true;
    }
    for written in &arguments.slow {
        let (name, time) = written
            .split_once('=')
            .with_context(|| format!("`{written}`: expected NAME=TIME, such as reviews=2s"))?;
        known(name)?;
        let delay = crate::language::spec::scalar::duration(time)
            .map_err(|reason| anyhow::anyhow!("`{written}`: the time {reason}, such as {name}=2s"))?;
        troubles.entry(name.to_owned()).or_default().delay = delay;
    }
    Ok(troubles)
}

/// The demo's files in a folder of their own, which goes with the process.
struct Files {
    folder: std::path::PathBuf,
}

impl Files {
    fn write(addresses: &BTreeMap<&'static str, SocketAddr>) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("weft-demo-{}", std::process::id()));
        let compositions = folder.join("compositions");
        std::fs::create_dir_all(&compositions).with_context(|| format!("cannot write to {}", folder.display()))?;
        for (name, text) in COMPOSITIONS {
            std::fs::write(compositions.join(name), text)?;
        }
        let openapi = folder.join(OPENAPI.0);
        std::fs::create_dir_all(openapi.parent().unwrap_or(&folder))?;
        std::fs::write(openapi, OPENAPI.1)?;
        let files = Self { folder };
        std::fs::write(files.gateway_file(), with_addresses(GATEWAY_FILE, addresses))?;
        Ok(files)
    }

    fn gateway_file(&self) -> std::path::PathBuf {
        self.folder.join(Path::new("weft.yaml"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left in the folder for temporary files harms nobody.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The gateway file with the ports that the system chose, in place of those that are written in it; the admin pages too.
fn with_addresses(text: &str, addresses: &BTreeMap<&'static str, SocketAddr>) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let name = line.trim_start().split(':').next().unwrap_or_default();
        let line = match addresses.get(name).zip(
            line.split_once("http://")
                .and_then(|it| Some((it.0, it.1.split_once('"')?.1))),
        ) {
            Some((address, (before, after))) => format!("{before}http://{address}\"{after}"),
            None if name == "admin" => "admin: { listen: 127.0.0.1:0 }".to_owned(),
            None => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn greet(address: SocketAddr, arguments: &Arguments) -> std::io::Result<()> {
    say(&format!("The demo's shop is open at http://{address}. Try:\n\n"))?;
    for (line, what) in [
        (
            format!("curl -s http://{address}/pages/home?user=ada"),
            "the front page: 9 prices converted at once",
        ),
        (
            format!("curl -s 'http://{address}/pages/products/mug?currency=CHF'"),
            "a product page from six backends",
        ),
        (
            format!("curl -s 'http://{address}/pages/products/mug?fields=name,price,reviews.average'"),
            "parts of it: calls that nobody needs are not made",
        ),
        (
            format!("curl -s 'http://{address}/pages/cart/ada?currency=JPY'"),
            "the cart with products, prices, shipping",
        ),
        (
            format!("curl -s http://{address}/products"),
            "one call, one response, cached for 10s",
        ),
        (
            format!(
                "curl -si http://{address}/checkout --json '{{\"user\":\"ada\",\"currency\":\"EUR\",\"email\":\"ada@example.com\",\
                 \"card\":{{\"creditCardNumber\":\"4432-8015-6152-0454\",\"creditCardExpirationYear\":2039}}}}'"
            ),
            "a write",
        ),
        (
            format!("curl -si http://{address}/pages/products/none"),
            "a failure: problem+json",
        ),
    ] {
        say(&format!("  {line}\n      {what}\n\n"))?;
    }
    if arguments.fail.is_empty() && arguments.slow.is_empty() {
        say("Start it with `--fail ads` or `--slow reviews=2s` to see a page do without a backend.\n")?;
    }
    say(&format!(
        "Each backend takes its time ({}): a page takes as long as its critical path, not the sum.\n",
        latencies()
    ))
}

fn latencies() -> String {
    let shown = BACKENDS
        .iter()
        .map(|it| format!("{} {}ms", it.name, Duration::as_millis(&it.latency)));
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_file_gets_the_ports_that_the_system_chose() {
        let addresses = BTreeMap::from([("ads", SocketAddr::from(([127, 0, 0, 1], 4242)))]);
        let text = with_addresses(GATEWAY_FILE, &addresses);
        assert!(
            text.contains(r#"  ads: { grpc: ["http://127.0.0.1:4242"], descriptors: reflection }"#),
            "{text}"
        );
        assert!(text.contains("  cart: { grpc: [\"http://127.0.0.1:50053\"]"));
    }

    #[test]
    fn every_composition_of_the_repository_is_part_of_the_demo() {
        let mut on_disk: Vec<_> = std::fs::read_dir("compositions")
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        on_disk.sort();
        assert_eq!(on_disk, COMPOSITIONS.iter().map(|it| it.0).collect::<Vec<_>>());
    }
}
