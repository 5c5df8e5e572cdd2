//! The token that the calls of a backend carry (RFC 6749 §4.4): had when it is first needed, again before it ends, and once
//! more where the backend does not accept it any longer.
//!
//! It is asked for once for all workers, like any other call, and outlives reloads that ask for the same. Invariant: no call
//! waits while there is a token that has not ended; nothing that its issuer said stands in a log, but for the name of its error.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::guard::count;
use super::{Attempt, Failure, FailureKind, Guarded, Reply, Request};
use crate::codec::json;
use crate::plan::{Accept, ClientCredentials, Codes, Policy, Retry};
use crate::runtime::cache::{Flights, Joined, KeyWriter, Landing, Leader, Since};
use crate::runtime::serve::log::cause;
use crate::time::{Deadline, Instant, since_epoch};

/// How long a token is good whose issuer does not say.
const USUAL: Duration = Duration::from_mins(10);
/// How long it is good at most, so that what was taken back is not shown forever.
const LONGEST: Duration = Duration::from_hours(24);
/// A token ends for us so long before it does, so that it is still good when it arrives; of short ones a tenth.
const MARGIN: Duration = Duration::from_secs(10);
/// A token that is not accepted is asked for again only where it is older.
const FLOOR: Duration = Duration::from_secs(10);
/// How long nobody asks after a failure; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// At most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How one token is asked for.
const POLICY: Retry = Retry {
    attempts: 3,
    codes: Codes::UNAVAILABLE,
    backoff: Duration::from_millis(100),
};

/// What all workers know of the token of one backend.
#[derive(Debug)]
pub struct Tokens {
    settings: ClientCredentials,
    current: ArcSwapOption<Token>,
    trouble: ArcSwapOption<Trouble>,
    asking: Flights<Result<Arc<HeaderValue>, Failure>>,
    /// Tokens that were had.
    pub fetched: AtomicU64,
    /// Tokens that could not be had.
    pub failed: AtomicU64,
    /// Tokens that the backend did not accept any longer.
    pub refused: AtomicU64,
}

/// A token.
struct Token {
    /// `Bearer …`.
    header: Arc<HeaderValue>,
    /// When it was had.
    since: Instant,
    /// From here on another one is asked for.
    renew: Instant,
    /// From here on it is not sent any more.
    ends: Instant,
    /// When that is, since 1970.
    ends_at: Duration,
}

/// Nobody asks for a while, since nothing was had.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    n_failures: u32,
    reason: &'static str,
    until: Instant,
}

/// One worker's way to the token of a backend.
#[derive(Clone, Debug)]
pub struct Issuer {
    tokens: Arc<Tokens>,
    backend: Arc<str>,
    to: Rc<Guarded>,
}

// === impl Tokens ===

impl Tokens {
    /// None is had yet; what is known where the same is asked for.
    pub fn new(settings: &ClientCredentials, known: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(same) = known.filter(|it| it.settings.is_same(settings)) {
            return same.clone();
        }
        Arc::new(Self {
            settings: settings.clone(),
            current: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            asking: Flights::default(),
            fetched: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// When the token ends, since 1970; `None` where there is none.
    pub fn ends_at(&self) -> Option<Duration> {
        let now = Instant::now();
        let current = self.current.load();
        current.as_ref().filter(|it| it.ends > now).map(|it| it.ends_at)
    }

    /// The token, as far as it is still good, and whether another one is to be asked for.
    fn at_hand(&self, now: Instant) -> Option<(Arc<HeaderValue>, bool)> {
        let current = self.current.load();
        let token = current.as_ref().filter(|it| it.ends > now)?;
        Some((token.header.clone(), token.renew <= now))
    }

    /// Why nobody asks at the moment, as the failure of a call; `None` where somebody may.
    fn trouble(&self, now: Instant) -> Option<Failure> {
        let trouble = self.trouble.load();
        let trouble = trouble.as_ref().filter(|it| it.until > now)?;
        Some(Failure::no_token(trouble.reason, Some(trouble.until - now)))
    }

    /// Begins a pause, and gives its length.
    fn failed(&self, reason: &'static str, now: Instant) -> Duration {
        count(&self.failed);
        let before = self.trouble.load().as_ref().map_or(0, |it| it.n_failures);
        let doubled = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
        let pause = PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
        self.trouble.store(Some(Arc::new(Trouble {
            n_failures: before.saturating_add(1),
            reason,
            until: now + pause,
        })));
        pause
    }

    /// The backend did not accept a token. Whether another one may be had.
    fn refuse(&self, sent: &HeaderValue) -> bool {
        let current = self.current.load_full();
        let Some(token) = current.as_ref().filter(|it| *it.header == *sent) else {
            return true;
        };
        // A backend that accepts none is not to have one asked for with each call.
        if token.since + FLOOR > Instant::now() {
            return false;
        }
        let before = self.current.compare_and_swap(&current, None);
        if before.as_ref().is_some_and(|it| Arc::ptr_eq(it, token)) {
            count(&self.refused);
        }
        true
    }
}

// === impl Issuer ===

impl Issuer {
    /// A way to the token of `backend` over `to`.
    pub fn new(tokens: Arc<Tokens>, backend: Arc<str>, to: Rc<Guarded>) -> Self {
        Self { tokens, backend, to }
    }

    /// What is sent as `authorization`, where that is at hand. Where it grows old, another one is asked for meanwhile.
    pub fn at_hand(&self) -> Option<Arc<HeaderValue>> {
        let now = Instant::now();
        let (header, old) = self.tokens.at_hand(now)?;
        if old
            && self.tokens.trouble(now).is_none()
            && let Joined::Leader(leader) = self.join()
        {
            drop(self.begin(leader));
        }
        Some(header)
    }

    /// What is sent as `authorization`. Fails with `NoToken`.
    ///
    /// Cancel safety: what is asked for others as well goes on.
    pub async fn token(&self, deadline: Deadline) -> Result<Arc<HeaderValue>, Failure> {
        let late = |_| Failure::no_token("deadline", None);
        loop {
            if let Some(header) = self.at_hand() {
                return Ok(header);
            }
            if let Some(failure) = self.tokens.trouble(Instant::now()) {
                return Err(failure);
            }
            match self.join() {
                Joined::Waiting(waiting) => {
                    let landed = timeout_at(deadline.instant(), waiting.landed()).await;
                    if let Landing::Shared(result) = landed.map_err(late)? {
                        return result;
                    }
                }
                Joined::Leader(leader) => {
                    let asked = timeout_at(deadline.instant(), self.begin(leader)).await;
                    let asked = asked.map_err(late)?;
                    return asked.unwrap_or_else(|_| Err(Failure::bug("a request for a token that panicked")));
                }
            }
        }
    }

    /// The backend did not accept this token. Whether another one may be had.
    pub fn refuse(&self, sent: &HeaderValue) -> bool {
        self.tokens.refuse(sent)
    }

    fn join(&self) -> Joined<Result<Arc<HeaderValue>, Failure>> {
        self.tokens
            .asking
            .join(KeyWriter::new("token").finish(), Since::default())
    }

    /// Asks by itself: for all who wait, and for those who come later.
    fn begin(
        &self,
        leader: Leader<Result<Arc<HeaderValue>, Failure>>,
    ) -> JoinHandle<Result<Arc<HeaderValue>, Failure>> {
        let Self { tokens, backend, to } = self.clone();
        tokio::task::spawn_local(async move {
            let began = Instant::now();
            // Somebody else may have been done just before this one began.
            let known = match tokens.at_hand(began) {
                Some((header, false)) => Some(Ok(header)),
                _ => tokens.trouble(began).map(Err),
            };
            if let Some(known) = known {
                leader.share(known.clone());
                return known;
            }
            let result = match ask(&tokens.settings, &to).await {
                Ok(reply) => read(&reply.body, began).map_err(|reason| (reason, String::new())),
                Err(failure) => Err((reason(&failure), cause(&failure))),
            };
            let result = match result {
                Ok(token) => {
                    let header = token.header.clone();
                    tokens.current.store(Some(Arc::new(token)));
                    tokens.trouble.store(None);
                    count(&tokens.fetched);
                    Ok(header)
                }
                Err((reason, cause)) => {
                    let pause = tokens.failed(reason, Instant::now());
                    tracing::warn!(%backend, reason, cause, ?pause, "a token could not be had");
                    Err(Failure::no_token(reason, Some(pause)))
                }
            };
            leader.share(result.clone());
            result
        })
    }
}

/// The request for a token.
fn request(settings: &ClientCredentials) -> Request {
    let mut headers = HeaderMap::new();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = &settings.authorization {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    Request::Http {
        method: Method::POST,
        path_and_query: settings.at.path.to_string(),
        headers,
        body: Some(Bytes::copy_from_slice(settings.form.reveal().as_bytes())),
        accept: Accept::Json,
    }
}

async fn ask(settings: &ClientCredentials, to: &Guarded) -> Result<Reply, Failure> {
    let deadline = Deadline::after(settings.timeout);
    // To ask twice gives a second token, and does no harm.
    let policy = Policy {
        retry: Some(POLICY),
        ..Policy::default()
    };
    let request = request(settings);
    let asked = timeout_at(deadline.instant(), to.call(&request, Attempt::new(deadline), policy)).await;
    asked.unwrap_or_else(|_| Err(Failure::deadline()))
}

/// The token of an answer (RFC 6749 §5.1) to what was asked at `began`. The error is one sentence, without values.
fn read(answer: &[u8], began: Instant) -> Result<Token, &'static str> {
    let answer = json::trim(answer);
    if json::kind(answer) != json::Kind::Object {
        return Err("the answer is no JSON object");
    }
    let text = |name: &str| json::member(answer, name).and_then(json::string);
    let token = text("access_token").ok_or("the answer has no `access_token`")?;
    // RFC 6750 §2.1.
    let is_sound = |it: u8| it.is_ascii_alphanumeric() || b"-._~+/=".contains(&it);
    if token.is_empty() || !token.bytes().all(is_sound) {
        return Err("the `access_token` is none that can be sent");
    }
    if !text("token_type").is_some_and(|it| it.eq_ignore_ascii_case("bearer")) {
        return Err("the `token_type` is not `Bearer`");
    }
    let lifetime = match json::member(answer, "expires_in") {
        None => USUAL,
        // A number, which some write as text; whatever is behind the point does not matter.
        Some(it) => {
            let written = json::string(it);
            let digits = written.as_deref().or_else(|| std::str::from_utf8(json::trim(it)).ok());
            let whole = digits.and_then(|it| it.split('.').next());
            let seconds = whole.and_then(|it| it.parse().ok());
            Duration::from_secs(seconds.ok_or("`expires_in` is no number of seconds")?)
        }
    };
    let lifetime = lifetime.min(LONGEST);
    let good = lifetime.saturating_sub((lifetime / 10).min(MARGIN));
    let mut header =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| "the `access_token` cannot be sent")?;
    header.set_sensitive(true);
    Ok(Token {
        header: Arc::new(header),
        since: Instant::now(),
        renew: began + lifetime / 4 * 3,
        ends: began + good,
        ends_at: since_epoch() + (began + lifetime).saturating_duration_since(Instant::now()),
    })
}

/// Why no token was had, in a sentence without values.
fn reason(failure: &Failure) -> &'static str {
    let refused = matches!(
        failure.http_status,
        Some(StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    );
    match failure.kind {
        FailureKind::HttpStatus if refused => error_of(&failure.message),
        kind => crate::runtime::serve::problem::failure_kind(kind),
    }
}

/// The error that an issuer names (RFC 6749 §5.2): one of those that there are.
fn error_of(body: &str) -> &'static str {
    const KNOWN: [&str; 7] = [
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    let body = json::trim(body.as_bytes());
    let is_object = json::validate(body).is_ok() && json::kind(body) == json::Kind::Object;
    let named = is_object
        .then(|| json::member(body, "error").and_then(json::string))
        .flatten();
    let known = KNOWN.into_iter().find(|it| named.as_deref() == Some(it));
    known.unwrap_or("refused")
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}
