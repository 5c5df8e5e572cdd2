//! `weft serve`: the gateway. SIGHUP or a changed file reloads, SIGTERM and SIGINT drain.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{Ending, Format, loader, show};
use crate::gateway::Gateway;
use crate::gateway::files::Files;
use crate::gateway::load::{Loaded, Loader, Purpose};
use crate::{admin, telemetry};

/// How often it is looked whether a backend is to be asked again what it serves.
const TICK: Duration = Duration::from_secs(1);

/// Arguments of `weft serve`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// Listen here, in place of the gateway file's `listen`
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
}

/// Serves until a signal ends it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut loader = loader(&arguments.config)?.with_purpose(Purpose::Serve);
        let loaded = loader.load().await?;
        show(&loaded.warnings, &loaded.sources, Format::Full)?;
        let settings = &loaded.plan.settings;
        telemetry::log_to_stderr(settings.log_json, &settings.log_level);
        let listen = (!arguments.listen.is_empty()).then_some(arguments.listen.as_slice());
        let gateway = start(loader, loaded, listen).await?;
        until_signalled(gateway).await
    })
}

/// Starts the workers and the admin listener, and says where they are.
pub(super) async fn start(loader: Loader, loaded: Loaded, listen: Option<&[String]>) -> anyhow::Result<Gateway> {
    let admin_listen = loaded.plan.settings.admin_listen.clone();
    for backend in &loaded.waiting {
        tracing::warn!(backend, "waiting for a backend to say what it serves");
    }
    let gateway = Gateway::start(loader, loaded, listen).await?;
    let admin = admin::start(&gateway, &admin_listen)
        .await
        .with_context(|| format!("cannot listen on {admin_listen} for the admin pages"))?;
    for address in gateway.addresses() {
        tracing::info!(%address, "listening");
    }
    tracing::info!(address = %admin, "admin pages");
    Ok(gateway)
}

/// Reloads on SIGHUP or when a file has changed, and drains on SIGTERM or SIGINT.
pub(super) async fn until_signalled(mut gateway: Gateway) -> anyhow::Result<Ending> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut files = Files::new();
    loop {
        files.follow(&gateway.read());
        tokio::select! {
            () = files.changed() => {
                drop(gateway.reload().await);
            }
            _ = hangup.recv() => {
                // The log, the metrics and /readyz have said it.
                drop(gateway.reload().await);
            }
            order = gateway.ordered() => gateway.carry_out(order).await,
            () = tokio::time::sleep(TICK), if gateway.is_reflecting() => gateway.refresh().await,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("draining");
    gateway.drain().await;
    Ok(Ending::Clean)
}
