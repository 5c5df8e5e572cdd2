//! Unsafe calls that outlive their request: counted, so that drain can wait for them (semantics.md 4.7).

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

/// Counts the calls that run on after their request has ended. Clones count together, also across workers.
#[derive(Clone, Debug)]
pub struct Detached {
    running: Arc<watch::Sender<usize>>,
}

impl Default for Detached {
    fn default() -> Self {
        Self {
            running: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Detached {
    /// How many are running.
    pub fn running(&self) -> usize {
        *self.running.borrow()
    }

    /// Waits until none is running.
    pub async fn idle(&self) {
        let mut running = self.running.subscribe();
        // The sender is held by `self`, so that waiting cannot fail.
        let _ended = running.wait_for(|it| *it == 0).await.is_ok();
    }

    /// Runs what outlives its request to its end, on this worker.
    pub(in crate::runtime) fn adopt(&self, call: impl Future<Output = ()> + 'static) {
        let counted = Counted::new(self.running.clone());
        tokio::task::spawn_local(async move {
            call.await;
            drop(counted);
        });
    }
}

/// One running call; dropped also where its task is dropped unfinished.
#[derive(Debug)]
struct Counted(Arc<watch::Sender<usize>>);

impl Counted {
    fn new(running: Arc<watch::Sender<usize>>) -> Self {
        running.send_modify(|it| *it += 1);
        Self(running)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|it| *it = it.saturating_sub(1));
    }
}
