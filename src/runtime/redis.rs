//! What all gateways share: one Redis, which may be gone. Whoever needs it goes on without it then.
//!
//! [`Shared`] is what the process knows of it, [`Link`] a worker's connection to it. After a failure nothing is asked for a
//! moment; then one request tries whether it is back, and all others go on as they are.
//! Invariant: asking takes no longer than the time-out, and while it is gone nobody waits but the one who tries.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::Mutex;

use crate::plan::Redis;
use crate::telemetry::Metrics;
use crate::time;

/// How long nothing is asked after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// What the process knows of its Redis.
#[derive(Debug)]
pub struct Shared {
    client: Client,
    settings: Redis,
    is_gone: AtomicBool,
    /// Milliseconds since 1970.
    asked_again_at: AtomicU64,
}

/// A connection, as soon as somebody needs it.
#[derive(Default)]
pub struct Link(Mutex<Held>);

/// What a link holds.
#[derive(Default)]
struct Held {
    connection: Option<MultiplexedConnection>,
    /// Counts connections up.
    number: u64,
}

impl Shared {
    /// `None` where the address is none, which is logged.
    pub fn new(settings: &Redis) -> Option<Self> {
        let client = Client::open(&*settings.url);
        if let Err(error) = &client {
            let category = error.category();
            tracing::error!(
                category,
                "the address of Redis cannot be used: this gateway goes on by itself"
            );
        }
        Some(Self {
            client: client.ok()?,
            settings: settings.clone(),
            is_gone: AtomicBool::new(false),
            asked_again_at: AtomicU64::new(0),
        })
    }

    /// What all keys begin with.
    pub fn prefix(&self) -> &str {
        &self.settings.prefix
    }

    /// Whether it did not answer when it was last asked.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// Asks it something; `None` where it is gone, or fails now.
    pub async fn ask<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        link: &Link,
        metrics: &Metrics,
        question: impl Fn(MultiplexedConnection) -> F,
    ) -> Option<T> {
        if !self.may_ask() {
            return None;
        }
        let asked = async {
            let (connection, number, is_new) = link.connection(self).await?;
            match question(connection).await {
                // It was closed since it was last used: that says nothing of a new one.
                Err(error) if !is_new && !is_about_the_question(&error) => {
                    link.forget(number).await;
                    question(link.connection(self).await?.0).await
                }
                answer => answer,
            }
        };
        let failure = match tokio::time::timeout(self.settings.timeout, asked).await {
            Ok(Ok(answer)) => {
                if self.is_gone.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis is back: limits are shared again");
                }
                metrics.redis_gone.set(0);
                return Some(answer);
            }
            Ok(Err(error)) => {
                if !is_about_the_question(&error) {
                    link.forget(u64::MAX).await;
                }
                error.category().to_owned()
            }
            Err(_) => {
                // Whoever is not heard of any more may never be again on this connection.
                link.forget(u64::MAX).await;
                "no answer in time".to_owned()
            }
        };
        let again_at = now().saturating_add(u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX));
        self.asked_again_at.store(again_at, Ordering::Relaxed);
        if !self.is_gone.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                failure,
                "Redis is gone: this gateway goes on by itself, and limits are its own"
            );
        }
        metrics.redis_gone.set(1);
        None
    }

    /// True where it is there, and for one in a while where it is not.
    fn may_ask(&self) -> bool {
        if !self.is_gone() {
            return true;
        }
        let (now, at) = (now(), self.asked_again_at.load(Ordering::Relaxed));
        let next = now.saturating_add(u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX));
        let exchange = || {
            self.asked_again_at
                .compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        now >= at && exchange().is_ok()
    }
}

impl Link {
    /// The connection, its number, and whether nobody has used it yet.
    async fn connection(&self, shared: &Shared) -> Result<(MultiplexedConnection, u64, bool), RedisError> {
        let mut held = self.0.lock().await;
        if let Some(connection) = &held.connection {
            return Ok((connection.clone(), held.number, false));
        }
        let timeout = Some(shared.settings.timeout);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(timeout)
            .set_response_timeout(timeout);
        let connection = shared
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        held.connection = Some(connection.clone());
        held.number += 1;
        Ok((connection, held.number, true))
    }

    /// Lets the connection go, unless it is a later one than that of this number.
    async fn forget(&self, number: u64) {
        let mut held = self.0.lock().await;
        if held.number <= number {
            held.connection = None;
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Redis answered, but with an error: the connection is sound.
fn is_about_the_question(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(_))
}

fn now() -> u64 {
    u64::try_from(time::since_epoch().as_millis()).unwrap_or(u64::MAX)
}
