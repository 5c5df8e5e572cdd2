//! What all gateways share: one Redis, which may be gone. Whoever needs it goes on without it then.
//!
//! [`Shared`] is what the process knows of it for one [`Purpose`], [`Link`] a worker's connection to it. After a failure
//! nothing is asked for a moment; then one request tries whether it is back, and all others go on as they are.
//! Invariant: asking takes no longer than its time-out, and while it is gone nobody waits but the one who tries.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, InfoDict, IntoConnectionInfo, RedisError,
    ServerErrorKind,
};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::plan::Redis;
use crate::telemetry::{Metrics, PurposeLabels};
use crate::time;
use crate::tls::{Client, Stream};

/// How long nothing is asked after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// How long it has to answer without a failure until it is said to be back: one that is slow fails again and again.
const STEADY: Duration = Duration::from_secs(3);

/// How long an attempt to connect may take, whatever those who wait for it allow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What it is asked for. It may be too slow for one, and fast enough for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// How often clients have asked, and the nonces that they have used.
    Limits,
    /// What is kept, what was dropped, and who is no longer accepted.
    Cache,
}

/// What the process knows of its Redis.
#[derive(Debug)]
pub struct Shared {
    place: Arc<Place>,
    settings: Redis,
    purpose: Purpose,
    is_gone: AtomicBool,
    /// What was said of it last.
    said_to_be_gone: AtomicBool,
    /// Milliseconds since 1970.
    asked_again_at: AtomicU64,
    /// The same.
    failed_at: AtomicU64,
}

/// A connection, as soon as somebody needs it. Clones share it.
#[derive(Clone, Default)]
pub struct Link(Arc<Mutex<Held>>);

/// What a link holds.
#[derive(Default)]
struct Held {
    connected: Option<Connected>,
    /// Counts connections up.
    number: u64,
}

/// A connection to a server that runs.
#[derive(Clone)]
pub struct Connected {
    /// The connection.
    pub connection: MultiplexedConnection,
    /// Which run of which server it is: another one after each start. `None` where it does not say.
    pub run: Option<Arc<str>>,
    number: u64,
}

/// Where it is, and who we are there.
struct Place {
    info: ConnectionInfo,
    tls: Option<Client>,
    /// Counts connections up, from 1.
    life: AtomicU32,
}

impl Shared {
    /// `None` where the address is none, which is logged.
    pub fn new(settings: &Redis, purpose: Purpose) -> Option<Self> {
        // How it is secured is not that crate's business.
        let plain = settings.url.strip_prefix("rediss://").map(|it| format!("redis://{it}"));
        let info = plain.as_deref().unwrap_or(&settings.url).into_connection_info();
        if let Err(error) = &info {
            let category = error.category();
            tracing::error!(
                category,
                "the address of Redis cannot be used: this gateway goes on by itself"
            );
        }
        Some(Self {
            place: Arc::new(Place {
                info: info.ok()?,
                tls: settings.tls.clone(),
                life: AtomicU32::new(1),
            }),
            settings: settings.clone(),
            purpose,
            is_gone: AtomicBool::new(false),
            said_to_be_gone: AtomicBool::new(false),
            asked_again_at: AtomicU64::new(0),
            failed_at: AtomicU64::new(0),
        })
    }

    /// How it is to be asked.
    pub fn settings(&self) -> &Redis {
        &self.settings
    }

    /// Whether it did not answer when it was last asked.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// Another one, never 0, after each connection that was made: there may be another server since, or this one may have been
    /// started again and have forgotten what it knew.
    pub fn life(&self) -> u32 {
        self.place.life.load(Ordering::Relaxed)
    }

    /// Asks it something; `None` where it is gone, or fails now, or takes longer than `timeout`.
    pub async fn ask<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        link: &Link,
        metrics: &Metrics,
        timeout: Duration,
        question: impl Fn(Connected) -> F,
    ) -> Option<T> {
        if !self.may_ask() {
            return None;
        }
        let asked = async {
            let (connected, is_new) = link.connected(&self.place).await?;
            let number = connected.number;
            match question(connected).await {
                // It was closed since it was last used: that says nothing of a new one.
                Err(error) if !is_new && !is_about_the_question(&error) => {
                    link.forget(number);
                    question(link.connected(&self.place).await?.0).await
                }
                answer => answer,
            }
        };
        let failure = match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(answer)) => {
                self.note(true, "", metrics);
                return Some(answer);
            }
            Ok(Err(error)) => {
                if !is_about_the_question(&error) {
                    link.forget(u64::MAX);
                }
                match error.kind() {
                    ErrorKind::Io => error.to_string(),
                    _ => error.category().to_owned(),
                }
            }
            Err(_) => {
                // Whoever is not heard of any more may never be again on this connection.
                link.forget(u64::MAX);
                "no answer in time".to_owned()
            }
        };
        self.note(false, &failure, metrics);
        None
    }

    /// Connects once more, to hear what is said in a channel.
    pub async fn listen(&self, channel: &str) -> Result<PubSub, RedisError> {
        let connecting = async {
            let stream = self.place.reach().await?;
            let mut ear = PubSub::new(self.place.info.redis_settings(), stream).await?;
            ear.subscribe(channel).await?;
            Ok(ear)
        };
        in_time(connecting).await
    }

    /// Notes whether it is there, and says so once: that it is gone at once, that it is back when it has been for a while.
    fn note(&self, is_there: bool, failure: &str, metrics: &Metrics) {
        let now = now();
        if !is_there {
            self.asked_again_at
                .store(now.saturating_add(millis(PAUSE)), Ordering::Relaxed);
            self.failed_at.store(now, Ordering::Relaxed);
        }
        let was_gone = self.is_gone.swap(!is_there, Ordering::Relaxed);
        let purpose = PurposeLabels {
            purpose: self.purpose.name(),
        };
        let gauge = metrics.redis_gone.get_or_create_owned(&purpose);
        gauge.set(i64::from(!is_there));
        let outages = metrics.redis_outages.get_or_create_owned(&purpose);
        if !is_there {
            outages.inc_by(u64::from(!was_gone));
            if !self.said_to_be_gone.swap(true, Ordering::Relaxed) {
                self.purpose.say_that_it_is_gone(failure);
            }
        } else if self.said_to_be_gone.load(Ordering::Relaxed)
            && now.saturating_sub(self.failed_at.load(Ordering::Relaxed)) >= millis(STEADY)
            && self.said_to_be_gone.swap(false, Ordering::Relaxed)
        {
            self.purpose.say_that_it_is_back();
        }
    }

    /// True where it is there, and for one in a while where it is not.
    fn may_ask(&self) -> bool {
        if !self.is_gone() {
            return true;
        }
        let (now, at) = (now(), self.asked_again_at.load(Ordering::Relaxed));
        let exchange = || {
            let next = now.saturating_add(millis(PAUSE));
            self.asked_again_at
                .compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        now >= at && exchange().is_ok()
    }
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Cache => "cache",
        }
    }

    fn say_that_it_is_gone(self, failure: &str) {
        match self {
            Self::Limits => tracing::warn!(
                failure,
                "Redis is gone: this gateway goes on by itself, and its limits and nonces are its own"
            ),
            Self::Cache => tracing::warn!(
                failure,
                "Redis is gone: this gateway goes on by itself, and what is cached, dropped and revoked is not shared"
            ),
        }
    }

    fn say_that_it_is_back(self) {
        match self {
            Self::Limits => tracing::info!("Redis is back: limits and nonces are shared again"),
            Self::Cache => tracing::info!("Redis is back: the cache and revocations are shared again"),
        }
    }
}

impl Link {
    /// The connection, and whether nobody has used it yet.
    ///
    /// Cancel safety: connecting goes on without whoever wanted it, so that one who waits longer than they did finds it.
    async fn connected(&self, place: &Arc<Place>) -> Result<(Connected, bool), RedisError> {
        let mut held = self.0.clone().lock_owned().await;
        if let Some(connected) = &held.connected {
            return Ok((connected.clone(), false));
        }
        let place = place.clone();
        let connecting = tokio::spawn(async move {
            let (connection, run) = in_time(place.connect()).await?;
            place.life.fetch_add(1, Ordering::Relaxed);
            held.number += 1;
            let connected = Connected {
                connection,
                run,
                number: held.number,
            };
            held.connected = Some(connected.clone());
            Ok((connected, true))
        });
        connecting
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::Interrupted).into()))
    }

    /// Lets the connection go, unless it is a later one than that of this number. One that is being made is not there yet.
    fn forget(&self, number: u64) {
        if let Ok(mut held) = self.0.try_lock()
            && held.number <= number
        {
            held.connected = None;
        }
    }
}

impl Place {
    async fn reach(&self) -> Result<Stream, RedisError> {
        let ConnectionAddr::Tcp(host, port) = self.info.addr() else {
            return Err(io::Error::from(io::ErrorKind::Unsupported).into());
        };
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some(tls) => Ok(tls.connect(host, stream).await.map_err(io::Error::other)?),
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Option<Arc<str>>), RedisError> {
        let stream = self.reach().await?;
        // Whoever asks sets a time of its own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let settings = self.info.redis_settings();
        let (mut connection, driver) = MultiplexedConnection::new_with_config(settings, stream, config).await?;
        tokio::spawn(driver);
        let mut asked = redis::cmd("INFO");
        let told: Result<InfoDict, RedisError> = asked.arg("server").query_async(&mut connection).await;
        let run = match told {
            Ok(told) => told.get::<String>("run_id").filter(|it| !it.is_empty()),
            Err(error) if is_about_the_question(&error) => None,
            Err(error) => return Err(error),
        };
        Ok((connection, run.map(Arc::from)))
    }
}

/// At most as long as connecting may take.
async fn in_time<T>(connecting: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Place {
    /// The address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// Redis answered, but with an error: the connection is sound. A replica is no Redis for us: it may have been the primary, and
/// another one is where its address leads by now.
pub fn is_about_the_question(error: &RedisError) -> bool {
    use ServerErrorKind::{MasterDown, ReadOnly};
    matches!(error.kind(), ErrorKind::Server(kind) if !matches!(kind, ReadOnly | MasterDown))
}

fn now() -> u64 {
    millis(time::since_epoch())
}

fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}
