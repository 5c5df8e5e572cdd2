//! Joins the wings: load → check → build → swap; workers, reload, drain.
//!
//! Owns the life of the process; what is written is `language`'s, what a request means `runtime`'s.
//! Invariant: a snapshot is swapped in only when all of it stands; on any mistake the one that serves goes on serving.

mod certificates;
pub mod discovery;
pub mod files;
mod kept;
pub mod listen;
pub mod load;
mod reflected;
pub mod register;
mod registered;
mod schedule;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use self::discovery::Discovery;
use self::listen::Shared;
use self::load::{Held, Loaded, Loader, Reflecting, Refused, Registered};
use self::schedule::{Found, Schedule};
use crate::plan::Plan;
use crate::runtime::cache::Remote;
use crate::runtime::snapshot::{Hall, Snapshot};
use crate::telemetry::{DescriptorLabels, Metrics, ReloadLabels};
use crate::time::Instant;

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
    schedule: Schedule,
    orders: (register::Orders, mpsc::Receiver<register::Order>),
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
    /// Compositions that the newest descriptors break, and that are on those before.
    pub held: Vec<Held>,
    /// The backends with reflection.
    pub reflecting: Vec<Reflecting>,
    /// The backends whose descriptors are registered.
    pub registered: Vec<Registered>,
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
    pub async fn start(mut loader: Loader, loaded: Loaded, listen: Option<&[String]>) -> Result<Self, StartError> {
        let status = Status::of(&loaded, &loader, 0);
        tell(&loaded, &[]);
        if loaded.held.is_empty() {
            loader.settle();
        }
        let mut schedule = Schedule::default();
        follow(&mut schedule, &loader);
        let plan = loaded.plan;
        let wanted = listen.unwrap_or(&plan.settings.listen).to_vec();
        let n_workers = plan
            .settings
            .workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get));
        let hall = Hall::new(plan.settings.cache_memory, plan.settings.redis.as_ref());
        certificates::publish(&plan, None, &hall.metrics);
        publish(&status, &hall.metrics);
        let snapshot = ArcSwap::from_pointee(Snapshot::new(plan, None));
        let shared = Arc::new(Shared {
            snapshot,
            hall,
            addresses: Arc::default(),
        });
        let mut discovery = Discovery::default();
        discovery.follow(&shared.snapshot.load().guards, &shared);
        discovery::settled(&shared.snapshot.load().guards).await;
        tokio::spawn(Remote::follow(Arc::downgrade(&shared.hall)));
        if shared.hall.remote.is_some() {
            // Nobody is let in whom another gateway was told to refuse.
            shared.hall.revocations.have_asked().await;
        }
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
            schedule,
            orders: mpsc::channel(8),
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

    /// Whether there is a backend that can be asked what it serves.
    pub fn is_reflecting(&self) -> bool {
        !self.status.load().reflecting.is_empty()
    }

    /// Loads the files again and swaps, or keeps what serves and says why.
    pub async fn reload(&mut self) -> Result<(), Refused> {
        let result = self.loader.load().await;
        follow(&mut self.schedule, &self.loader);
        let label = |result| ReloadLabels { result };
        let shared = self.shared.clone();
        let metrics = &shared.hall.metrics;
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
                self.change_status(|it| it.refused.clone_from(&lines));
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
        tell(&loaded, &self.status.load().held);
        if loaded.held.is_empty() {
            self.loader.settle();
        }
        let status = Status::of(&loaded, &self.loader, generation);
        publish(&status, &self.shared.hall.metrics);
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

    /// Asks backends again what they serve, where it is time or something puts it in doubt, and swaps in what is new.
    pub async fn refresh(&mut self) {
        let doubts = |name: &str| {
            let snapshot = self.shared.snapshot.load();
            let guard = snapshot.guards.iter().find(|it| *it.name == *name);
            guard.map_or(0, |it| it.counts.doubts.load(Ordering::Relaxed))
        };
        let due = self.schedule.due(Instant::now(), doubts);
        if due.is_empty() {
            return;
        }
        let doubts: Vec<u64> = due.iter().map(|it| doubts(it)).collect();
        let before = self.loader.reflecting();
        let answers = self.loader.ask(&due).await;
        let now = Instant::now();
        for ((name, found), doubts) in answers.iter().zip(doubts) {
            self.schedule.asked(name, *found, Some(doubts), now);
            let labels = DescriptorLabels {
                backend: name.clone(),
                result: match found {
                    Found::New => "new",
                    Found::Nothing => "same",
                    Found::Silence => "silent",
                },
            };
            self.shared.hall.metrics.descriptors.get_or_create(&labels).inc();
        }
        let after = self.loader.reflecting();
        for it in after.iter().filter(|it| !before.contains(it)) {
            let (backend, version) = (&*it.backend, it.version.as_deref());
            if let Some(reason) = &it.silent {
                tracing::warn!(backend, reason, "a backend does not say what it serves");
            } else {
                tracing::info!(backend, version, "a backend said what it serves");
            }
        }
        self.change_status(|it| it.reflecting = after);
        for note in self.loader.notes() {
            tracing::warn!("{note}");
        }
        if answers.iter().all(|it| it.1 != Found::New) {
            return;
        }
        match self.loader.load_known().await {
            Ok(loaded) => {
                self.warn_of_what_needs_a_restart(&loaded.plan);
                let generation = self.swap(loaded).await;
                tracing::info!(generation, "new descriptors serve");
            }
            Err(refused) => {
                for mistake in refused.lines() {
                    tracing::error!(mistake, "new descriptors are refused with the files on disk");
                }
            }
        }
    }

    fn change_status(&self, change: impl FnOnce(&mut Status)) {
        let mut status = (**self.status.load()).clone();
        change(&mut status);
        self.status.store(Arc::new(status));
    }

    /// Takes no more connections, lets every request that was begun end, within `drain`.
    pub async fn drain(self) {
        let drain = self.shared.snapshot.load().plan.settings.drain;
        self.change_status(|it| it.draining = true);
        self.stop.send_replace(true);
        let deadline = Instant::now() + drain;
        while self.workers.iter().any(|it| !it.is_finished()) {
            if Instant::now() >= deadline {
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
    fn of(loaded: &Loaded, loader: &Loader, generation: u64) -> Self {
        let n_ready = loaded.plan.endpoints.iter().filter(|it| it.recipe.is_ok()).count();
        Self {
            generation,
            refused: Vec::new(),
            waiting: loaded.waiting.clone(),
            held: loaded.held.clone(),
            reflecting: loader.reflecting(),
            registered: loader.newest_of_all(),
            n_ready,
            n_waiting: loaded.plan.endpoints.len() - n_ready,
            draining: false,
        }
    }
}

/// Has backends asked again when it is time, by what the loader read and heard last.
fn follow(schedule: &mut Schedule, loader: &Loader) {
    let reflecting = loader.reflecting();
    let found = |name: &str| match reflecting.iter().find(|it| *it.backend == *name) {
        Some(it) if it.silent.is_none() && it.version.is_some() => Found::Nothing,
        _ => Found::Silence,
    };
    let all = loader.refreshed_after().map(|(name, after)| {
        let found = found(&name);
        (name, after, found)
    });
    schedule.follow(all, Instant::now());
}

/// Says what there is to say of what was loaded, and was not said before.
fn tell(loaded: &Loaded, held: &[Held]) {
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
    for backend in &loaded.silent {
        tracing::warn!(
            backend,
            "what a backend said last counts, since it does not say what it serves"
        );
    }
    for it in loaded.held.iter().filter(|it| !held.contains(it)) {
        let (composition, why) = (&*it.name, it.why.join("; "));
        tracing::warn!(
            composition,
            why,
            "new descriptors break a composition, which stays on those before"
        );
    }
    for it in held
        .iter()
        .filter(|it| !loaded.held.iter().any(|now| now.name == it.name))
    {
        tracing::info!(
            composition = &*it.name,
            "a composition is on the newest descriptors again"
        );
    }
}

/// Puts into the metrics what is not counted as it happens.
fn publish(status: &Status, metrics: &Metrics) {
    metrics.held.set(i64::try_from(status.held.len()).unwrap_or(i64::MAX));
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
