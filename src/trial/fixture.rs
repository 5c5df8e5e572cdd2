//! A fixture file as written: gateway and compositions, scripted backends, exchanges with what is expected of them.

mod keys;
mod node;
mod signature;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

pub use self::keys::schema;
use self::keys::{ADVANCE, ERROR, EXCHANGE, EXPECT, FILE, LINE, METRICS, Place, RELOAD, TOGETHER, TOKEN};
use self::node::{boolean, duration, hexadecimal, json, list, map, number, optional_texts, text, texts, unknown};
pub use self::signature::Signing;
use crate::language::source::{Node, NodeKind, Span};

/// One fixture file.
#[derive(Debug)]
pub struct Fixture {
    /// What it shows, in a sentence.
    pub about: String,
    /// `gateway:`, the gateway file's keys or the path of one; the nearest `weft.yaml` above the fixture where it is missing.
    pub gateway: Option<Node>,
    /// `composition:` or `compositions:`; all that the gateway file names where they are missing.
    pub compositions: Vec<Node>,
    /// What the backends are asked and answer, in the order of the file.
    pub backends: Vec<Line>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// The folder of the file, for paths in it.
    pub folder: PathBuf,
}

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which request it answers.
    pub on: On,
    /// The request as canonical JSON, if it matters.
    pub want: Option<Value>,
    /// Headers or metadata that the request must carry; null is a header that it must not.
    pub want_headers: Vec<(String, Option<String>)>,
    /// The target that is asked, `host:port`; any where nothing is said.
    pub target: Option<String>,
    /// Virtual time since the step began at which the request must arrive.
    pub at: Option<Duration>,
    /// What is left of the deadline when the request arrives.
    pub deadline: Option<Duration>,
    /// How long the answer takes.
    pub after: Duration,
    /// The answer.
    pub answer: Answer,
    /// How often it is used; 1 where nothing is said.
    pub times: usize,
    /// The request must be given up before it is answered.
    pub cancelled: bool,
    /// Its place in the file.
    pub span: Span,
}

impl Line {
    /// What a responder says to one request.
    pub(super) fn of_responder(on: On, after: Duration, answer: Answer) -> Self {
        Self {
            on,
            want: None,
            want_headers: Vec::new(),
            target: None,
            at: None,
            deadline: None,
            after,
            answer,
            times: 1,
            // Whether it is given up is not the responder's business.
            cancelled: false,
            span: Span::default(),
        }
    }
}

/// Which request a line answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// `call: pkg.Service/Method`.
    Grpc(String),
    /// `http: GET backend:/path?query`.
    Http {
        /// The method.
        method: String,
        /// The backend's name.
        backend: String,
        /// Path and query.
        path: String,
    },
}

/// What a scripted backend answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Bytes as they are, from `bytes:` in hexadecimal or `text:`.
    Bytes {
        /// The body.
        body: Vec<u8>,
        /// HTTP status.
        status: u16,
        /// Reply headers.
        headers: Vec<(String, String)>,
    },
    /// A gRPC status other than OK.
    Error {
        /// The code's name.
        code: String,
        /// The backend's own text.
        message: String,
    },
    /// A message or JSON.
    Json {
        /// The value.
        body: Value,
        /// HTTP status.
        status: u16,
        /// Reply headers.
        headers: Vec<(String, String)>,
    },
    /// The connection cannot be made.
    Refused,
}

/// What happens next.
#[derive(Debug)]
pub enum Step {
    /// Time passes.
    Advance(Duration),
    /// A request and its answer.
    Exchange(Box<Exchange>),
    /// The files change.
    Reload {
        /// The new compositions.
        compositions: Vec<Node>,
        /// Codes of the mistakes that keep the old ones serving; empty where the reload works.
        refused: Vec<String>,
    },
    /// What the metrics say, each as Prometheus reads it: `weft_retries_total{backend="shop"}`. What was never counted is 0.
    Metrics(Vec<(String, f64)>),
    /// Requests at once.
    Together(Vec<Exchange>),
}

/// A request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Request headers.
    pub headers: Vec<(String, String)>,
    /// In whose name: claims by provider, in place of credentials.
    pub auth: Vec<(String, Value)>,
    /// A token that is signed when the request is made.
    pub token: Option<Token>,
    /// A signature that is made when the request is.
    pub signature: Option<Signing>,
    /// The body, ready to send.
    pub body: Vec<u8>,
    /// The client goes away after this long.
    pub leaves: Option<Duration>,
    /// Starts this long after the step.
    pub start: Duration,
    /// What is expected; absent only where the client leaves.
    pub expect: Option<Expect>,
    /// The place of `expect:`'s value, for rewriting.
    pub expect_span: Option<Span>,
}

/// A token that is signed when a request is made: `{ secret: …, claims: {…}, expires: 5m }`.
#[derive(Debug)]
pub struct Token {
    /// `alg`; HS256 where nothing is said.
    pub algorithm: String,
    /// The shared secret, or the private key in PEM.
    pub key: String,
    /// Its name.
    pub kid: Option<String>,
    /// What it says, without its times.
    pub claims: Value,
    /// When it ends, counted from the moment at which it is made.
    pub expires: Duration,
}

/// What is expected of an answer.
#[derive(Debug, Default)]
pub struct Expect {
    /// The status.
    pub status: Option<u16>,
    /// Virtual time since the step began.
    pub at: Option<Duration>,
    /// Headers; null is a header that must be absent.
    pub headers: Vec<(String, Option<String>)>,
    /// The body as JSON: exactly these members, in any order.
    pub body: Option<Value>,
    /// The body as JSON: at least these members.
    pub has: Option<Value>,
    /// Text that does not stand in the body.
    pub lacks: Option<String>,
    /// The body to the byte.
    pub text: Option<String>,
}

/// Why a fixture cannot be read: one sentence and its place.
pub type Mistake = (Span, String);

type Read<T> = Result<T, Mistake>;

/// Reads a fixture from its document.
pub fn parse(root: &Node, folder: &Path) -> Read<Fixture> {
    let mut fixture = Fixture {
        about: String::new(),
        gateway: None,
        compositions: Vec::new(),
        backends: Vec::new(),
        steps: Vec::new(),
        folder: folder.to_owned(),
    };
    for (key, node) in map(root)? {
        match &*key.value {
            "about" => fixture.about = text(node)?,
            "gateway" => fixture.gateway = Some(node.clone()),
            "composition" => fixture.compositions.push(node.clone()),
            "compositions" => fixture.compositions.extend(list(node)?.iter().cloned()),
            "backends" => {
                for line in list(node)? {
                    fixture.backends.push(parse_line(line)?);
                }
            }
            "exchanges" => {
                for step in list(node)? {
                    fixture.steps.push(parse_step(step, folder)?);
                }
            }
            _ => return unknown(key, &FILE),
        }
    }
    if fixture.steps.is_empty() {
        return Err((root.span, "a fixture needs `exchanges:`".to_owned()));
    }
    Ok(fixture)
}

fn parse_line(node: &Node) -> Read<Line> {
    let mut on = None;
    let mut line = Line {
        on: On::Grpc(String::new()),
        want: None,
        want_headers: Vec::new(),
        target: None,
        at: None,
        deadline: None,
        after: Duration::ZERO,
        answer: Answer::Refused,
        times: 1,
        cancelled: false,
        span: node.span,
    };
    let (mut body, mut bytes, mut error, mut refused) = (None, None, None, false);
    let (mut status, mut headers) = (200, Vec::new());
    for (key, node) in map(node)? {
        match &*key.value {
            "call" => on = Some(On::Grpc(text(node)?)),
            "http" => on = Some(parse_http(node)?),
            "want" => line.want = Some(json(node)?),
            "want_headers" => line.want_headers = optional_texts(node)?,
            "target" => line.target = Some(text(node)?),
            "at" => line.at = Some(duration(node)?),
            "deadline" => line.deadline = Some(duration(node)?),
            "after" => line.after = duration(node)?,
            "reply" => body = Some(json(node)?),
            "bytes" => bytes = Some(hexadecimal(node)?),
            "text" => bytes = Some(text(node)?.into_bytes()),
            "status" => status = number(node)?,
            "headers" => headers = texts(node)?,
            "error" => error = Some(parse_error(node)?),
            "refused" => refused = boolean(node)?,
            "times" => line.times = number(node)?,
            "cancelled" => line.cancelled = boolean(node)?,
            _ => return unknown(key, &LINE),
        }
    }
    line.on = on.ok_or_else(|| (node.span, "a backend line needs `call:` or `http:`".to_owned()))?;
    line.answer = match (body, bytes, error, refused) {
        (Some(body), None, None, false) => Answer::Json { body, status, headers },
        (None, Some(body), None, false) => Answer::Bytes { body, status, headers },
        (None, None, Some((code, message)), false) => Answer::Error { code, message },
        (None, None, None, true) => Answer::Refused,
        (None, None, None, false) if status != 200 || line.cancelled => Answer::Bytes {
            body: Vec::new(),
            status,
            headers,
        },
        _ => {
            let needed = "a backend line needs one of `reply`, `bytes`, `text`, `error`, `refused`";
            return Err((node.span, needed.to_owned()));
        }
    };
    Ok(line)
}

fn parse_http(node: &Node) -> Read<On> {
    let written = text(node)?;
    let parts = written.split_once(' ').and_then(|(method, rest)| {
        let (backend, path) = rest.split_once(':')?;
        Some(On::Http {
            method: method.to_owned(),
            backend: backend.to_owned(),
            path: path.to_owned(),
        })
    });
    parts.ok_or_else(|| (node.span, "expected `METHOD backend:/path`".to_owned()))
}

fn parse_error(node: &Node) -> Read<(String, String)> {
    if let NodeKind::Text(code) = &node.kind {
        return Ok((code.value.to_string(), String::new()));
    }
    let (mut code, mut message) = (None, String::new());
    for (key, node) in map(node)? {
        match &*key.value {
            "code" => code = Some(text(node)?),
            "message" => message = text(node)?,
            _ => return unknown(key, &ERROR),
        }
    }
    Ok((
        code.ok_or_else(|| (node.span, "an error needs `code:`".to_owned()))?,
        message,
    ))
}

fn parse_step(node: &Node, folder: &Path) -> Read<Step> {
    let entries = map(node)?;
    let find = |name: &str| {
        entries
            .iter()
            .find(|(key, _)| &*key.value == name)
            .map(|(_, node)| node)
    };
    let only = |place: &Place| {
        let mut others = entries.iter().map(|(key, _)| key);
        let other = others.find(|key| !place.names().any(|it| it == &*key.value));
        other.map_or(Ok(()), |key| unknown(key, place))
    };
    if let Some(node) = find("advance") {
        only(&ADVANCE)?;
        return Ok(Step::Advance(duration(node)?));
    }
    if let Some(node) = find("metrics") {
        only(&METRICS)?;
        let each = map(node)?
            .iter()
            .map(|(key, node)| Ok((key.value.to_string(), number(node)?)));
        return each.collect::<Read<_>>().map(Step::Metrics);
    }
    if let Some(node) = find("together") {
        only(&TOGETHER)?;
        return list(node)?
            .iter()
            .map(|it| parse_exchange(it, folder))
            .collect::<Read<_>>()
            .map(Step::Together);
    }
    if let Some(node) = find("reload") {
        only(&RELOAD)?;
        let compositions = match &node.kind {
            NodeKind::List(nodes) => nodes.clone(),
            _ => vec![node.clone()],
        };
        let refused = match find("refused") {
            Some(node) => list(node)?.iter().map(text).collect::<Read<_>>()?,
            None => Vec::new(),
        };
        return Ok(Step::Reload { compositions, refused });
    }
    parse_exchange(node, folder).map(Box::new).map(Step::Exchange)
}

fn parse_token(node: &Node, folder: &Path) -> Read<Token> {
    let mut token = Token {
        algorithm: "HS256".to_owned(),
        key: String::new(),
        kid: None,
        claims: Value::Null,
        expires: Duration::from_mins(5),
    };
    for (key, node) in map(node)? {
        match &*key.value {
            "algorithm" => token.algorithm = text(node)?,
            "secret" => token.key = text(node)?,
            "key" => {
                let path = folder.join(text(node)?);
                let read = std::fs::read_to_string(&path);
                token.key = read.map_err(|error| (node.span, format!("{} cannot be read: {error}", path.display())))?;
            }
            "kid" => token.kid = Some(text(node)?),
            "claims" => token.claims = json(node)?,
            "expires" => token.expires = duration(node)?,
            _ => return unknown(key, &TOKEN),
        }
    }
    Ok(token)
}

fn parse_exchange(node: &Node, folder: &Path) -> Read<Exchange> {
    let mut exchange = Exchange {
        method: String::new(),
        target: String::new(),
        headers: Vec::new(),
        auth: Vec::new(),
        token: None,
        signature: None,
        body: Vec::new(),
        leaves: None,
        start: Duration::ZERO,
        expect: None,
        expect_span: None,
    };
    for (key, node) in map(node)? {
        match &*key.value {
            "request" => {
                let written = text(node)?;
                let (method, target) = written
                    .split_once(' ')
                    .ok_or_else(|| (node.span, "expected `METHOD /path`".to_owned()))?;
                (exchange.method, exchange.target) = (method.to_owned(), target.to_owned());
            }
            "headers" => exchange.headers.extend(texts(node)?),
            "auth" => {
                for (provider, claims) in map(node)? {
                    exchange.auth.push((provider.value.to_string(), json(claims)?));
                }
            }
            "token" => exchange.token = Some(parse_token(node, folder)?),
            "signature" => exchange.signature = Some(signature::parse(node, folder)?),
            "json" => {
                exchange.body = json(node)?.to_string().into_bytes();
                exchange
                    .headers
                    .push(("content-type".to_owned(), "application/json".to_owned()));
            }
            "text" => exchange.body = text(node)?.into_bytes(),
            "bytes" => exchange.body = hexadecimal(node)?,
            "leaves" => exchange.leaves = Some(duration(node)?),
            "start" => exchange.start = duration(node)?,
            "expect" => {
                exchange.expect = Some(parse_expect(node)?);
                exchange.expect_span = Some(node.span);
            }
            _ => return unknown(key, &EXCHANGE),
        }
    }
    if exchange.method.is_empty() {
        return Err((
            node.span,
            "expected `request:`, `advance:`, `metrics:`, `reload:` or `together:`".to_owned(),
        ));
    }
    if exchange.expect.is_none() && exchange.leaves.is_none() {
        return Err((node.span, "an exchange needs `expect:`".to_owned()));
    }
    Ok(exchange)
}

fn parse_expect(node: &Node) -> Read<Expect> {
    let mut expect = Expect::default();
    for (key, node) in map(node)? {
        match &*key.value {
            "status" => expect.status = Some(number(node)?),
            "at" => expect.at = Some(duration(node)?),
            "headers" => expect.headers = optional_texts(node)?,
            "body" => expect.body = Some(json(node)?),
            "has" => expect.has = Some(json(node)?),
            "lacks" => expect.lacks = Some(text(node)?),
            "text" => expect.text = Some(text(node)?),
            _ => return unknown(key, &EXPECT),
        }
    }
    Ok(expect)
}
