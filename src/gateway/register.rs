//! Descriptors of a backend that somebody hands over: what they break, and whether they serve from now on.
//!
//! They are checked against all compositions, as those of reflection are, and what clients see is compared. Invariant: what
//! breaks something serves only where that is said to be meant.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Gateway;
use super::load::Held;
pub use super::registered::Version;
use crate::publish::Api;
use crate::publish::diff::{Change, Severity, compare};
use crate::schema::descriptor::FileDescriptorSet;
use crate::schema::{build, suggest};
use crate::time::since_epoch;

/// What is wanted of the gateway, and who hears what came of it.
#[derive(Debug)]
pub struct Order {
    /// The backend.
    pub backend: String,
    /// What to do.
    pub what: What,
    /// Also where it breaks something.
    pub force: bool,
    /// Only say what it would break.
    pub dry_run: bool,
    /// Hears what came of it.
    pub tell: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// What to do.
#[derive(Debug)]
pub enum What {
    /// These descriptors are its newest.
    Register(FileDescriptorSet),
    /// Those of an earlier version are, of this number; `None` is the one before the newest.
    Rollback(Option<u32>),
    /// Say which versions there are.
    Versions,
}

/// Hands orders to the gateway.
pub type Orders = mpsc::Sender<Order>;

/// What came of an order.
#[derive(Debug)]
pub enum Outcome {
    /// Descriptors were checked.
    Checked(Checked),
    /// All versions, the newest last.
    Versions(Vec<Version>),
}

/// What descriptors mean.
#[derive(Debug)]
pub struct Checked {
    /// The newest version now; `None` where nothing was ever registered.
    pub version: Option<Version>,
    /// They are in it now.
    pub registered: bool,
    /// They were before.
    pub same: bool,
    /// Compositions that they break, but for those that were broken before.
    pub broken: Vec<Held>,
    /// What else changes for clients.
    pub changes: Vec<Change>,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such backend.
    #[error("there is no backend `{name}`{near}")]
    Unknown {
        /// As it was called.
        name: String,
        /// `: did you mean …?`
        near: String,
    },
    /// Its descriptors come from elsewhere.
    #[error("the descriptors of `{0}` are not registered: write `descriptors: registered` in the gateway file")]
    Elsewhere(String),
    /// They make no types.
    #[error("these descriptors cannot be used: {0}")]
    Descriptors(String),
    /// The files on disk are wrong anyway.
    #[error("the files of the gateway have mistakes, so that nothing can be checked:\n{}", .0.join("\n"))]
    Files(Vec<String>),
    /// Compositions are wrong by them, and nothing was registered before on which they could stay.
    #[error("nothing was registered before on which these could stay:\n{}", .0.join("\n"))]
    First(Vec<String>),
    /// There is no such version.
    #[error("{0}")]
    Version(String),
    /// They cannot be written down.
    #[error("they cannot be kept: {0}")]
    Kept(#[from] std::io::Error),
    /// Nothing is kept at all.
    #[error("nothing is kept: `state: false` stands in the gateway file")]
    Stateless,
}

impl Checked {
    /// Whether a composition or a client breaks.
    pub fn breaks(&self) -> bool {
        !self.broken.is_empty() || self.changes.iter().any(|it| it.severity == Severity::Breaking)
    }
}

impl Gateway {
    /// How orders are handed to it.
    pub fn orders(&self) -> Orders {
        self.orders.0.clone()
    }

    /// The next order. Never ends.
    ///
    /// Cancel safety: no order is lost.
    pub async fn ordered(&mut self) -> Order {
        match self.orders.1.recv().await {
            Some(order) => order,
            // The gateway has a sender itself.
            None => std::future::pending().await,
        }
    }

    /// Carries an order out, and tells what came of it.
    pub async fn carry_out(&mut self, order: Order) {
        let Order {
            backend,
            what,
            force,
            dry_run,
            tell,
        } = order;
        let outcome = self.register(&backend, what, (force, dry_run)).await;
        // Whoever asked may have gone.
        drop(tell.send(outcome));
    }

    async fn register(&mut self, name: &str, what: What, (force, dry_run): (bool, bool)) -> Result<Outcome, Refusal> {
        let name = self.registered(name)?;
        let versions = self.loader.versions().ok_or(Refusal::Stateless)?.clone();
        let all = versions.list(&name)?;
        let set = match what {
            What::Versions => return Ok(Outcome::Versions(all)),
            What::Register(set) => set,
            What::Rollback(number) => {
                let number = match number {
                    Some(number) => number,
                    None => all.iter().rev().nth(1).map(|it| it.number).ok_or_else(|| {
                        Refusal::Version(format!("there is no version of `{name}` before the newest"))
                    })?,
                };
                if !all.iter().any(|it| it.number == number) {
                    let known: Vec<_> = all.iter().map(|it| it.number.to_string()).collect();
                    let known = if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    };
                    let title = format!("there is no version {number} of `{name}`; there are {known}");
                    return Err(Refusal::Version(title));
                }
                versions.read(&name, number).map_err(Refusal::Version)?
            }
        };
        let schema = build::build(&set).map_err(|error| Refusal::Descriptors(error.to_string()))?;
        let same = |it: &Arc<crate::schema::Schema>| it.fingerprint() == schema.fingerprint();
        if self.loader.newest(&name).is_some_and(same) && !all.is_empty() {
            return Ok(Outcome::Checked(Checked {
                version: all.last().cloned(),
                registered: false,
                same: true,
                broken: Vec::new(),
                changes: Vec::new(),
            }));
        }
        let known = self.loader.propose(&name, schema);
        let loaded = match self.loader.load_known().await {
            Ok(loaded) => loaded,
            Err(refused) => {
                self.loader.restore(&name, known);
                return Err(match self.loader.load_known().await {
                    Ok(_) => Refusal::First(refused.lines()),
                    Err(refused) => Refusal::Files(refused.lines()),
                });
            }
        };
        let before = self.status.load().held.clone();
        let is_new = |it: &&Held| !before.iter().any(|before| before.name == it.name);
        let served = self.shared.snapshot.load_full();
        let mut checked = Checked {
            version: all.last().cloned(),
            registered: false,
            same: false,
            broken: loaded.held.iter().filter(is_new).cloned().collect(),
            changes: compare(&Api::of(&served.plan), &Api::of(&loaded.plan)),
        };
        if dry_run || checked.breaks() && !force {
            self.loader.restore(&name, known);
            return Ok(Outcome::Checked(checked));
        }
        let version = match versions.add(&name, &set, since_epoch()) {
            Ok(version) => version,
            Err(error) => {
                self.loader.restore(&name, known);
                return Err(error.into());
            }
        };
        self.loader.keep(&name, &set);
        let (number, digest, n_broken) = (version.number, version.digest.as_str(), checked.broken.len());
        let generation = self.swap(loaded).await;
        tracing::info!(
            backend = &*name,
            version = number,
            digest,
            n_broken,
            generation,
            "descriptors were registered"
        );
        (checked.version, checked.registered) = (Some(version), true);
        Ok(Outcome::Checked(checked))
    }

    /// The backend of a name, where its descriptors are registered.
    fn registered(&self, name: &str) -> Result<Arc<str>, Refusal> {
        if let Some(known) = self.loader.registered().find(|it| ***it == *name) {
            return Ok(known.clone());
        }
        let snapshot = self.shared.snapshot.load();
        let names = snapshot.plan.backends.iter().map(|it| &*it.name);
        // Those whom the gateway asks for itself have a dot in their names.
        let names: Vec<&str> = names.filter(|it| !it.contains('.')).collect();
        if names.contains(&name) {
            return Err(Refusal::Elsewhere(name.to_owned()));
        }
        let near = match suggest::nearest(name, names.iter().copied()) {
            Some(near) => format!(": did you mean `{near}`?"),
            None => format!("; there are {}", names.join(", ")),
        };
        let name = name.to_owned();
        Err(Refusal::Unknown { name, near })
    }
}
