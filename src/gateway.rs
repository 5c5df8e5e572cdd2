//! Joins the wings: load → check → build → swap; workers, reload, drain.
//!
//! Owns the life of the process; what is written is `language`'s, what a request means `runtime`'s.
//! Invariant: a snapshot is swapped in only when all of it stands; on any mistake the one that serves goes on serving.

mod certificates;
pub mod discovery;
pub mod files;
pub mod listen;
pub mod load;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use self::discovery::Discovery;
use self::listen::Shared;
use self::load::{Loaded, Loader, Refused};
use crate::plan::Plan;
use crate::runtime::snapshot::{Hall, Snapshot};
use crate::telemetry::ReloadLabels;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    status: Arc<ArcSwap<Status>>,
    loader: Loader,
    workers: Vec<JoinHandle<std::io::Result<()>>>,
    stop: watch::Sender<bool>,
    addresses: Vec<SocketAddr>,
    discovery: Discovery,
}

/// How the gateway is, for `/readyz`.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// How many reloads there have been.
    pub generation: u64,
    /// Why the files on disk are not what is served, one line for each mistake; empty where they are.
    pub refused: Vec<String>,
    /// Backends that have not said yet what they serve, each with the reason.
    pub waiting: Vec<String>,
    /// Endpoints that can be answered.
    pub n_ready: usize,
    /// Endpoints that wait for a backend.
    pub n_waiting: usize,
    /// No more connections are taken.
    pub draining: bool,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that is no address.
    #[error("`{address}` is no address to listen on: expected `host:port`")]
    Address {
        /// As written.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// An address that cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A thread that cannot be had.
    #[error("cannot start a worker")]
    Thread(#[source] std::io::Error),
}

impl Gateway {
    /// Builds the first snapshot and starts the workers. `listen` stands in place of the gateway file's where it is given.
    /// Waits a moment for those who say where backends are.
    pub async fn start(loader: Loader, loaded: Loaded, listen: Option<&[String]>) -> Result<Self, StartError> {
        let status = Status::of(&loaded, 0);
        let plan = loaded.plan;
        let wanted = listen.unwrap_or(&plan.settings.listen).to_vec();
        let n_workers = plan
            .settings
            .workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get));
        let hall = Hall::new(plan.settings.cache_memory, plan.settings.redis.as_ref());
        certificates::publish(&plan, None, &hall.metrics);
        let snapshot = ArcSwap::from_pointee(Snapshot::new(plan, None));
        let shared = Arc::new(Shared {
            snapshot,
            hall,
            addresses: Arc::default(),
        });
        let mut discovery = Discovery::default();
        discovery.follow(&shared.snapshot.load().guards, &shared);
        discovery::settled(&shared.snapshot.load().guards).await;
        let (stop, stopping) = watch::channel(false);
        let (addresses, listeners) = bind_all(&wanted, n_workers)?;
        let mut workers = Vec::new();
        for (number, listeners) in listeners.into_iter().enumerate() {
            let (shared, stopping) = (shared.clone(), stopping.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            let worker = thread
                .spawn(move || listen::work(&shared, listeners, stopping))
                .map_err(StartError::Thread)?;
            workers.push(worker);
        }
        let status = Arc::new(ArcSwap::from_pointee(status));
        Ok(Self {
            shared,
            status,
            loader,
            workers,
            stop,
            addresses,
            discovery,
        })
    }

    /// The addresses that it listens on, ports chosen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the workers read.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How it is.
    pub fn status(&self) -> &Arc<ArcSwap<Status>> {
        &self.status
    }

    /// The files and directories that it was made of.
    pub fn read(&self) -> Vec<PathBuf> {
        self.loader.read()
    }

    /// True while a backend has not said yet what it serves.
    pub fn is_waiting(&self) -> bool {
        !self.status.load().waiting.is_empty()
    }

    /// Loads the files again and swaps, or keeps what serves and says why.
    pub async fn reload(&mut self) -> Result<(), Refused> {
        let result = self.loader.load().await;
        let label = |result| ReloadLabels { result };
        let metrics = &self.shared.hall.metrics;
        match result {
            Ok(loaded) => {
                self.warn_of_what_needs_a_restart(&loaded.plan);
                let generation = self.swap(loaded).await;
                let metrics = &self.shared.hall.metrics;
                metrics.reloads.get_or_create(&label("ok")).inc();
                metrics.reload_pending.set(0.0);
                tracing::info!(generation, "reloaded");
                Ok(())
            }
            Err(refused) => {
                let lines = refused.lines();
                let status = Status {
                    refused: lines.clone(),
                    ..(**self.status.load()).clone()
                };
                self.status.store(Arc::new(status));
                metrics.reloads.get_or_create(&label("refused")).inc();
                metrics.reload_pending.set(1.0);
                for mistake in &lines {
                    tracing::error!(mistake, "reload refused");
                }
                Err(refused)
            }
        }
    }

    /// Lets the workers serve what was loaded; gives its generation.
    async fn swap(&mut self, loaded: Loaded) -> u64 {
        let generation = self.shared.snapshot.load().generation + 1;
        let status = Status::of(&loaded, generation);
        let before = self.shared.snapshot.load_full();
        certificates::publish(&loaded.plan, Some(&before.plan), &self.shared.hall.metrics);
        let snapshot = Arc::new(Snapshot::new(loaded.plan, Some(&before)));
        self.discovery.follow(&snapshot.guards, &self.shared);
        discovery::settled(&snapshot.guards).await;
        self.status.store(Arc::new(status));
        self.shared.snapshot.store(snapshot.clone());
        // Whatever was heard between the two.
        snapshot.guards.refresh();
        generation
    }

    /// Asks again those backends that have not said what they serve; swaps where one has answered.
    pub async fn ask_waiting(&mut self) {
        let before = self.status.load().waiting.len();
        if let Ok(loaded) = self.loader.load().await
            && loaded.waiting.len() < before
        {
            let generation = self.swap(loaded).await;
            tracing::info!(generation, "a backend said what it serves");
        }
    }

    /// Takes no more connections, lets every request that was begun end, within `drain`.
    pub async fn drain(self) {
        let drain = self.shared.snapshot.load().plan.settings.drain;
        let status = Status {
            draining: true,
            ..(**self.status.load()).clone()
        };
        self.status.store(Arc::new(status));
        self.stop.send_replace(true);
        let deadline = crate::time::Instant::now() + drain;
        while self.workers.iter().any(|it| !it.is_finished()) {
            if crate::time::Instant::now() >= deadline {
                tracing::warn!("requests were still running when the drain time was up");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for worker in self.workers {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker failed"),
                Err(_) => tracing::error!("a worker panicked"),
            }
        }
    }

    fn warn_of_what_needs_a_restart(&self, plan: &Plan) {
        let snapshot = self.shared.snapshot.load();
        let (old, new) = (&snapshot.plan.settings, &plan.settings);
        let changed = [
            ("listen", old.listen != new.listen),
            ("workers", old.workers != new.workers),
            ("admin", old.admin_listen != new.admin_listen),
            ("cache.memory", old.cache_memory != new.cache_memory),
            ("cache.redis", old.redis != new.redis),
            (
                "telemetry.log",
                old.log_json != new.log_json || old.log_level != new.log_level,
            ),
        ];
        for (key, _) in changed.iter().filter(|it| it.1) {
            tracing::warn!(key, "this change takes effect at the next start");
        }
    }
}

impl Status {
    fn of(loaded: &Loaded, generation: u64) -> Self {
        let n_ready = loaded.plan.endpoints.iter().filter(|it| it.recipe.is_ok()).count();
        Self {
            generation,
            refused: Vec::new(),
            waiting: loaded.waiting.clone(),
            n_ready,
            n_waiting: loaded.plan.endpoints.len() - n_ready,
            draining: false,
        }
    }
}

/// Resolves and binds every address once for each worker.
fn bind_all(
    wanted: &[String],
    n_workers: usize,
) -> Result<(Vec<SocketAddr>, Vec<Vec<std::net::TcpListener>>), StartError> {
    let mut addresses = Vec::new();
    let mut listeners: Vec<Vec<std::net::TcpListener>> = (0..n_workers.max(1)).map(|_| Vec::new()).collect();
    for text in wanted {
        let no_address = |source| StartError::Address {
            address: text.clone(),
            source,
        };
        let found = text.to_socket_addrs().map_err(no_address)?;
        for mut address in found.take(1) {
            listen::check_free(address).map_err(|source| StartError::Listen { address, source })?;
            for of_worker in &mut listeners {
                let failed = |source| StartError::Listen { address, source };
                let listener = listen::bind(address).map_err(failed)?;
                // Port 0 is chosen once and shared by all workers.
                address = listener.local_addr().map_err(failed)?;
                of_worker.push(listener);
            }
            addresses.push(address);
        }
    }
    Ok((addresses, listeners))
}
