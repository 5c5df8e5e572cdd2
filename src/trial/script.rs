//! Scripted backends: they answer as the lines of a fixture say, in virtual time, and note whatever was not foreseen.
//!
//! Messages are compared, and replies encoded, with prost-reflect, which shares no code with the gateway's own codec.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{FutureExt, LocalBoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::Value;

use super::fixture::{Answer, Line, On};
use crate::plan::{self, Target};
use crate::runtime::backend::http::reply;
use crate::runtime::backend::{Attempt, Backend, Failure, Handed, Reply, Request, Retry, Sent, Stream, Unpassed};
use crate::time::{Deadline, Instant};

/// All lines of a fixture, what was asked, and what went otherwise.
pub struct Script {
    lines: Vec<(Line, Cell<usize>)>,
    /// Answers what no line does.
    responder: Option<Responder>,
    began: Cell<Instant>,
    asked: RefCell<Vec<Asked>>,
    surprises: RefCell<Vec<String>>,
    /// The first request that no line answers.
    unanswered: RefCell<Option<String>>,
    /// Lines answer as often as they are asked.
    lenient: Cell<bool>,
}

/// A request that reached a backend.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of whom, and for what.
    pub on: On,
    /// When, counted from the beginning of the step.
    pub at: Duration,
    /// Headers or metadata.
    pub headers: HeaderMap,
    /// The message's wire bytes, or the body.
    pub body: Bytes,
}

/// Answers requests that no line of a fixture is about: after this long, with this.
pub type Responder = Rc<dyn Fn(&Asked) -> (Duration, Answer)>;

/// A backend that answers from a script.
#[derive(Debug)]
pub struct ScriptedBackend {
    name: Arc<str>,
    /// Which of its targets this is.
    target: Arc<str>,
    pool: DescriptorPool,
    script: Rc<Script>,
    max_message: usize,
}

impl Script {
    /// A script that nobody has used yet.
    pub fn new(lines: Vec<Line>, responder: Option<Responder>) -> Rc<Self> {
        let lines = lines.into_iter().map(|it| (it, Cell::new(0))).collect();
        Rc::new(Self {
            lines,
            responder,
            began: Cell::new(Instant::now()),
            asked: RefCell::default(),
            surprises: RefCell::default(),
            unanswered: RefCell::default(),
            lenient: Cell::new(false),
        })
    }

    /// All requests, in the order in which they came.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    /// A new step begins: `at:` counts from here.
    pub fn begin_step(&self) {
        self.began.set(Instant::now());
    }

    /// When the step began.
    pub fn began(&self) -> Instant {
        self.began.get()
    }

    /// What went otherwise, and the lines that nobody used.
    pub fn surprises(&self) -> Vec<String> {
        let mut all = self.surprises.borrow().clone();
        for (line, used) in &self.lines {
            if used.get() < line.times {
                all.push(format!(
                    "{} was called {} times, not {}",
                    shown(&line.on),
                    used.get(),
                    line.times
                ));
            }
        }
        all
    }

    /// Lets lines answer as often as they are asked.
    pub(super) fn be_lenient(&self) {
        self.lenient.set(true);
    }

    /// The first request that no line answers.
    pub(super) fn unanswered(&self) -> Option<String> {
        self.unanswered.borrow().clone()
    }

    fn unexpected(&self, on: &On, sent: &str) {
        self.unanswered.borrow_mut().get_or_insert_with(|| shown(on));
        self.surprise(format!("unexpected call of {} with {sent}", shown(on)));
    }

    fn surprise(&self, text: String) {
        self.surprises.borrow_mut().push(text);
    }

    /// The first line that is not used up, is about this request and wants it as it is; else what the responder says.
    fn find(
        &self,
        (on, target): (&On, &str),
        headers: &HeaderMap,
        body: &Bytes,
        wants: impl Fn(&Value) -> bool,
    ) -> Option<Line> {
        let asked = Asked {
            on: on.clone(),
            at: Instant::now().saturating_duration_since(self.began.get()),
            headers: headers.clone(),
            body: body.clone(),
        };
        self.asked.borrow_mut().push(asked.clone());
        let found = self
            .lines
            .iter()
            .filter(|(line, used)| line.on == *on && used.get() < line.times)
            .filter(|(line, _)| line.target.as_ref().is_none_or(|it| it == target))
            .find(|(line, _)| line.want.as_ref().is_none_or(&wants));
        let again = || {
            let fits = |line: &Line| line.on == *on && line.want.as_ref().is_none_or(&wants);
            self.lines.iter().rfind(|(line, _)| self.lenient.get() && fits(line))
        };
        if let Some((line, used)) = found.or_else(again) {
            used.set(used.get() + 1);
            return Some(line.clone());
        }
        let (after, answer) = self.responder.as_ref()?(&asked);
        Some(Line::of_responder(asked.on, after, answer))
    }

    fn check_arrival(&self, line: &Line, attempt: &Attempt, headers: &HeaderMap) {
        let now = Instant::now();
        let at = now.saturating_duration_since(self.began.get());
        if let Some(wanted) = line.at
            && wanted != at
        {
            self.surprise(format!("{} was called at {at:?}, not at {wanted:?}", shown(&line.on)));
        }
        let left = attempt.deadline.left();
        if let Some(wanted) = line.deadline
            && wanted != left
        {
            self.surprise(format!("{} had {left:?} left, not {wanted:?}", shown(&line.on)));
        }
        for (name, wanted) in &line.want_headers {
            let found = headers
                .get(name)
                .map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
            if found != *wanted {
                let on = shown(&line.on);
                self.surprise(format!("{on} got header `{name}` = {found:?}, not {wanted:?}"));
            }
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

fn shown(on: &On) -> String {
    match on {
        On::Grpc(method) => method.clone(),
        On::Http { method, backend, path } => format!("{method} {backend}:{path}"),
    }
}

impl ScriptedBackend {
    /// A target of a backend of the gateway file. `pool` holds its descriptors; empty for HTTP.
    pub fn new(backend: &plan::Backend, target: &Target, pool: DescriptorPool, script: Rc<Script>) -> Self {
        Self {
            name: backend.name.clone(),
            target: target.authority.clone(),
            pool,
            script,
            max_message: backend.max_message,
        }
    }

    fn method(&self, path: &str) -> Option<MethodDescriptor> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        self.pool
            .get_service_by_name(service)?
            .methods()
            .find(|it| it.name() == method)
    }

    async fn grpc(
        &self,
        path: &str,
        message: &Bytes,
        metadata: &HeaderMap,
        attempt: Attempt,
    ) -> Result<Reply, Failure> {
        let Some(method) = self.method(path) else {
            self.script
                .surprise(format!("{path} is called, but the descriptors do not have it"));
            return Err(Failure::bug("an unknown method"));
        };
        let on = On::Grpc(path.trim_start_matches('/').to_owned());
        let Ok(request) = DynamicMessage::decode(method.input(), message.clone()) else {
            self.script
                .surprise(format!("{} got a request that does not decode", shown(&on)));
            return Err(Failure::bug("a malformed request"));
        };
        // Encoded and decoded once more, an empty list that is written is the same as none.
        let wants = |want: &Value| {
            let wanted = DynamicMessage::deserialize(method.input(), want).ok();
            let wanted =
                wanted.and_then(|it| DynamicMessage::decode(method.input(), it.encode_to_vec().as_slice()).ok());
            wanted.is_some_and(|it| it == request)
        };
        let Some(line) = self.script.find((&on, &self.target), metadata, message, wants) else {
            let sent = serde_json::to_string(&request).unwrap_or_default();
            self.script.unexpected(&on, &sent);
            return Err(Failure::bug("a call that nobody scripted"));
        };
        self.arrive(&line, &attempt, metadata).await?;
        match &line.answer {
            Answer::Bytes { body, .. } => Ok(Reply {
                body: body.clone().into(),
                ..Reply::default()
            }),
            Answer::Error { code, message } => {
                let code = super::code(code).unwrap_or(tonic::Code::Unknown);
                Err(Failure::status(code, message.clone(), Bytes::new()))
            }
            Answer::Json { body, .. } => match DynamicMessage::deserialize(method.output(), body) {
                Ok(reply) => Ok(Reply {
                    body: reply.encode_to_vec().into(),
                    ..Reply::default()
                }),
                Err(error) => {
                    self.script.surprise(format!(
                        "the reply of {} is no {}: {error}",
                        shown(&on),
                        method.output().full_name()
                    ));
                    Err(Failure::bug("a malformed reply in the fixture"))
                }
            },
            Answer::Refused => Err(Failure::connect(std::io::Error::from(
                std::io::ErrorKind::ConnectionRefused,
            ))),
        }
    }

    async fn http(&self, request: &Request, attempt: Attempt) -> Result<Reply, Failure> {
        let Request::Http { method, accept, .. } = request else {
            return Err(Failure::bug("a gRPC call for an HTTP backend"));
        };
        let response = self.http_answer(request, attempt).await?;
        reply::read(response, *accept, *method == http::Method::HEAD, self.max_message).await
    }

    /// A request that is handed over, as soon as all of it is there.
    async fn passed(&self, request: Handed, sent: Sent) -> Result<http::Response<Stream>, Failure> {
        let (parts, body) = request.into_parts();
        let body = match body {
            Some(body) => {
                let whole = body.collect().await;
                Some(whole.map_err(|_| Failure::connection(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)))?)
            }
            None => None,
        };
        let request = Request::Http {
            method: parts.method,
            path_and_query: parts.uri.to_string(),
            headers: parts.headers,
            body: body.map(http_body_util::Collected::to_bytes),
            accept: plan::Accept::Bytes,
        };
        let attempt = Attempt {
            sent,
            ..Attempt::new(Deadline::after(Duration::from_hours(24)))
        };
        let response = self.http_answer(&request, attempt).await?;
        Ok(response.map(|body| -> Stream { Box::pin(body.map_err(|never| match never {})) }))
    }

    async fn http_answer(&self, request: &Request, attempt: Attempt) -> Result<http::Response<Full<Bytes>>, Failure> {
        let Request::Http {
            method,
            path_and_query,
            headers,
            body,
            ..
        } = request
        else {
            return Err(Failure::bug("a gRPC call for an HTTP backend"));
        };
        let on = On::Http {
            method: method.to_string(),
            backend: self.name.to_string(),
            path: path_and_query.clone(),
        };
        let received = body.clone().unwrap_or_default();
        let sent = body
            .as_ref()
            .map(|it| serde_json::from_slice::<Value>(it).unwrap_or_default());
        let Some(line) = self.script.find((&on, &self.target), headers, &received, |want| {
            sent.as_ref() == Some(want)
        }) else {
            let sent = sent.map(|it| it.to_string()).unwrap_or_default();
            self.script.unexpected(&on, &sent);
            return Err(Failure::bug("a call that nobody scripted"));
        };
        self.arrive(&line, &attempt, headers).await?;
        let (bytes, status, headers) = match &line.answer {
            Answer::Bytes { body, status, headers } => (body.clone(), *status, headers),
            Answer::Json { body, status, headers } => (body.to_string().into_bytes(), *status, headers),
            Answer::Error { .. } | Answer::Refused => {
                return Err(Failure::connect(std::io::Error::from(
                    std::io::ErrorKind::ConnectionRefused,
                )));
            }
        };
        let mut response = http::Response::new(Full::new(Bytes::from(bytes)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                response.headers_mut().append(name, value);
            }
        }
        Ok(response)
    }

    /// Checks how the request arrived, and lets the time pass that the answer takes.
    async fn arrive(&self, line: &Line, attempt: &Attempt, headers: &HeaderMap) -> Result<(), Failure> {
        self.script.check_arrival(line, attempt, headers);
        if !matches!(line.answer, Answer::Refused) {
            attempt.sent.mark();
        }
        let waiting = Waiting {
            script: &self.script,
            line,
            done: Cell::new(false),
        };
        tokio::time::sleep(line.after).await;
        waiting.done.set(true);
        if line.cancelled {
            self.script.surprise(format!("{} was not cancelled", shown(&line.on)));
        }
        Ok(())
    }
}

/// A request that is not answered yet.
struct Waiting<'s> {
    script: &'s Script,
    line: &'s Line,
    done: Cell<bool>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.done.get() && !self.line.cancelled {
            let at = Instant::now().saturating_duration_since(self.script.began.get());
            self.script
                .surprise(format!("{} was cancelled at {at:?}", shown(&self.line.on)));
        }
    }
}

impl Backend for ScriptedBackend {
    fn call<'c>(&'c self, request: &'c Request, attempt: Attempt) -> LocalBoxFuture<'c, Result<Reply, Failure>> {
        async move {
            let mut request = request.clone();
            let headers = match &mut request {
                Request::Grpc { metadata, .. } => metadata,
                Request::Http { headers, .. } => headers,
            };
            if let Some(authorization) = &attempt.authorization {
                headers.insert(http::header::AUTHORIZATION, HeaderValue::clone(authorization));
            }
            match &request {
                Request::Grpc {
                    path,
                    message,
                    metadata,
                } => self.grpc(path, message, metadata, attempt).await,
                Request::Http { .. } => self.http(&request, attempt).await,
            }
        }
        .boxed_local()
    }

    fn pass(&self, request: Handed, sent: Sent) -> LocalBoxFuture<'_, Result<http::Response<Stream>, Unpassed>> {
        let again = request.body().is_none().then(|| {
            let mut again = http::Request::new(None);
            *again.method_mut() = request.method().clone();
            *again.uri_mut() = request.uri().clone();
            *again.headers_mut() = request.headers().clone();
            Box::new(again)
        });
        async move {
            self.passed(request, sent).await.map_err(|failure| Unpassed {
                request: again.filter(|_| failure.retry == Retry::Always),
                failure,
            })
        }
        .boxed_local()
    }
}
