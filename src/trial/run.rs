//! One fixture, from its text to what went otherwise.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_reflect::DescriptorPool;
use serde_json::Value;

use super::fixture::{self, Exchange, Expect, Fixture, Step};
use super::script::{Asked, Responder, Script, ScriptedBackend};
use crate::gateway::load::read_compositions;
use crate::language::check::{self, BackendSchema};
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity, render};
use crate::language::source::{Document, Node, NodeKind, SourceMap, Span};
use crate::language::spec::{self, BackendDescriptors, Outside};
use crate::plan::Plan;
use crate::runtime::backend::{Backend, Backends};
use crate::runtime::serve;
use crate::runtime::snapshot::{Hall, Running, Snapshot};
use crate::schema::build::build;
use crate::schema::descriptor::FileDescriptorSet;
use crate::schema::load as descriptors;
use crate::time::Instant;

/// What is done where an answer is not what the file expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is a failure.
    Holds,
    /// The file is rewritten.
    Rewrite,
}

/// Runs one fixture file in a runtime of its own whose time is simulated. The error lists all that went otherwise.
pub fn run(path: &Path, expected: Expected) -> Result<(), Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("cannot be read: {error}")])?;
    in_simulated_time(async {
        let mut trial = Trial::load(path, text, None)?;
        trial.play().await;
        trial.end(expected)
    })
}

/// Runs a fixture from memory, as if it lay in `folder`. What no backend line of it is about is answered by `responder`.
/// The error says why it cannot be run at all.
pub fn play(text: &str, folder: &Path, responder: Option<Responder>) -> Result<Played, Vec<String>> {
    in_simulated_time(async {
        let mut trial = Trial::load(&folder.join("fixture.yaml"), text.to_owned(), responder)?;
        trial.play().await;
        let mut failures = trial.failures;
        failures.extend(trial.script.surprises());
        Ok(Played {
            answers: trial.answers,
            asked: trial.script.asked(),
            failures,
            metrics: trial.hall.metrics.text(),
        })
    })
}

/// What came of a fixture.
#[derive(Debug)]
pub struct Played {
    /// What the clients got, in the order of the file; `None` for those who left.
    pub answers: Vec<Option<Answered>>,
    /// What the backends were asked, in order.
    pub asked: Vec<Asked>,
    /// What is not as the fixture expects.
    pub failures: Vec<String>,
    /// The metrics in the end, as Prometheus reads them.
    pub metrics: String,
}

fn in_simulated_time<T>(work: impl Future<Output = Result<T, Vec<String>>>) -> Result<T, Vec<String>> {
    let builder = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = builder.map_err(|error| vec![error.to_string()])?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// A fixture that is being run.
struct Trial {
    path: PathBuf,
    text: String,
    fixture: Fixture,
    stage: Stage,
    script: Rc<Script>,
    hall: Arc<Hall>,
    running: Rc<Running>,
    answers: Vec<Option<Answered>>,
    failures: Vec<String>,
    rewrites: Vec<(Span, String)>,
}

/// What compositions are checked against.
struct Stage {
    sources: SourceMap,
    gateway: spec::Gateway,
    /// The folder of the gateway file, for paths in it.
    folder: PathBuf,
    schemas: Vec<BackendSchema>,
    pools: Vec<DescriptorPool>,
}

impl Trial {
    fn load(path: &Path, text: String, responder: Option<Responder>) -> Result<Self, Vec<String>> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let file = sources.add(path.display().to_string(), text.as_str());
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let Some(document) = spec::document(&sources, file, &mut diagnostics) else {
            return Err(shown(diagnostics, &sources));
        };
        let fixture = fixture::parse(&document.root, &folder).map_err(|(span, mistake)| {
            let (line, column) = sources.position(span.file, span.start);
            vec![format!("{}:{line}:{column}: {mistake}", path.display())]
        })?;
        let mut stage = Stage::set(sources, &fixture, &mut diagnostics)?;
        let nodes = fixture.compositions.clone();
        let Some(plan) = stage.check(&nodes, &folder, &mut diagnostics) else {
            return Err(shown(diagnostics, &stage.sources));
        };
        let script = Script::new(fixture.backends.clone(), responder);
        let hall = Hall::new(plan.settings.cache_memory);
        let running = stage.run(plan, 0, &hall, &script);
        Ok(Self {
            path: path.to_owned(),
            text,
            fixture,
            stage,
            script,
            hall,
            running,
            answers: Vec::new(),
            failures: Vec::new(),
            rewrites: Vec::new(),
        })
    }

    async fn play(&mut self) {
        let steps = std::mem::take(&mut self.fixture.steps);
        for step in &steps {
            self.script.begin_step();
            match step {
                Step::Advance(time) => tokio::time::advance(*time).await,
                Step::Exchange(exchange) => self.exchange(std::slice::from_ref(&**exchange)).await,
                Step::Reload { compositions, refused } => self.reload(compositions, refused),
                Step::Together(exchanges) => self.exchange(exchanges).await,
            }
        }
        // What was sent and may not be cancelled ends in its own time.
        self.hall.detached.idle().await;
    }

    async fn exchange(&mut self, exchanges: &[Exchange]) {
        let began = self.script.began();
        let asking = exchanges.iter().map(|it| ask(it, self.running.clone(), began));
        let answers = futures::future::join_all(asking).await;
        for (exchange, answer) in exchanges.iter().zip(answers) {
            let name = format!("{} {}", exchange.method, exchange.target);
            match (&exchange.expect, &answer) {
                (None, None) => {}
                (None, Some(_)) => self
                    .failures
                    .push(format!("{name}: the client was answered before it left")),
                (Some(_), None) => self.failures.push(format!("{name}: no answer")),
                (Some(expect), Some(answer)) => {
                    let wrong = answer.compare(expect);
                    if !wrong.is_empty() {
                        self.rewrites
                            .extend(exchange.expect_span.map(|span| (span, answer.written(expect))));
                    }
                    self.failures
                        .extend(wrong.into_iter().map(|it| format!("{name}: {it}")));
                }
            }
            self.answers.push(answer);
        }
    }

    fn reload(&mut self, nodes: &[Node], refused: &[String]) {
        let mut diagnostics = Diagnostics::default();
        let folder = self.fixture.folder.clone();
        match self.stage.check(nodes, &folder, &mut diagnostics) {
            Some(plan) if refused.is_empty() => {
                let generation = self.running.snapshot.generation + 1;
                self.running = self.stage.run(plan, generation, &self.hall, &self.script);
            }
            Some(_) => self
                .failures
                .push(format!("the reload works, but {} was expected", refused.join(", "))),
            None => {
                let found = diagnostics.into_sorted();
                let errors = found.iter().filter(|it| it.severity == Severity::Error);
                let codes: Vec<&str> = errors.map(|it| it.code).collect();
                if codes != refused.iter().map(String::as_str).collect::<Vec<_>>() {
                    self.failures
                        .push(render::full(&found, &self.stage.sources, render::Colour::Off));
                }
            }
        }
    }

    fn end(mut self, expected: Expected) -> Result<(), Vec<String>> {
        let surprises = self.script.surprises();
        if expected == Expected::Rewrite && !self.rewrites.is_empty() && surprises.is_empty() {
            self.rewrites.sort_by_key(|it| std::cmp::Reverse(it.0.start));
            for (span, written) in &self.rewrites {
                self.text.replace_range(span.start as usize..span.end as usize, written);
            }
            return std::fs::write(&self.path, &self.text).map_err(|error| vec![error.to_string()]);
        }
        self.failures.extend(surprises);
        if self.failures.is_empty() {
            Ok(())
        } else {
            Err(self.failures)
        }
    }
}

impl Stage {
    /// Reads the gateway file that the fixture names, brings along, or finds above itself.
    fn set(mut sources: SourceMap, fixture: &Fixture, diagnostics: &mut Diagnostics) -> Result<Self, Vec<String>> {
        let (document, folder) = match &fixture.gateway {
            Some(Node {
                kind: NodeKind::Text(path),
                ..
            }) => read_gateway(&fixture.folder.join(&*path.value), &mut sources, diagnostics)?,
            Some(node) => (
                Document {
                    file: node.span.file,
                    root: node.clone(),
                },
                fixture.folder.clone(),
            ),
            None => {
                let above = fixture
                    .folder
                    .ancestors()
                    .map(|it| it.join("weft.yaml"))
                    .find(|it| it.is_file());
                let path =
                    above.ok_or_else(|| vec!["no weft.yaml above the fixture, and no `gateway:` in it".to_owned()])?;
                read_gateway(&path, &mut sources, diagnostics)?
            }
        };
        // A fixture needs nothing from outside: whatever is asked for is empty text.
        let outside = Outside {
            env: &|_| Some(String::new()),
            file: &|_| Ok(String::new()),
        };
        let Some(gateway) = spec::gateway(&document, &sources, outside, diagnostics) else {
            return Err(shown(std::mem::take(diagnostics), &sources));
        };
        let mut schemas = Vec::new();
        let mut pools = Vec::new();
        for backend in &gateway.backends {
            if backend.grpc.is_empty() {
                schemas.push(BackendSchema::None);
                pools.push(DescriptorPool::default());
                continue;
            }
            let paths = match &backend.descriptors {
                Some(BackendDescriptors::Paths(paths)) => paths,
                _ => &gateway.descriptors,
            };
            let paths: Vec<PathBuf> = paths.iter().map(|it| folder.join(&*it.value)).collect();
            let (schema, pool) = load(&paths)?;
            schemas.push(schema);
            pools.push(pool);
        }
        Ok(Self {
            sources,
            gateway,
            folder,
            schemas,
            pools,
        })
    }

    /// Checks compositions: maps as they stand in the fixture, or paths; without any, those that the gateway file names.
    fn check(&mut self, nodes: &[Node], folder: &Path, diagnostics: &mut Diagnostics) -> Option<Plan> {
        let mut compositions = if nodes.is_empty() {
            read_compositions(&self.gateway, &self.folder, &mut self.sources, diagnostics)
        } else {
            Vec::new()
        };
        for node in nodes {
            let document = match &node.kind {
                NodeKind::Text(path) => {
                    let path = folder.join(&*path.value);
                    match std::fs::read_to_string(&path) {
                        Ok(text) => {
                            let file = self.sources.add(path.display().to_string(), text);
                            spec::document(&self.sources, file, diagnostics)
                        }
                        Err(error) => {
                            let title = format!("`{}` cannot be read: {error}", path.display());
                            diagnostics.push(Diagnostic::new("unreadable-file", node.span, title));
                            None
                        }
                    }
                }
                _ => Some(Document {
                    file: node.span.file,
                    root: node.clone(),
                }),
            };
            compositions.extend(document.and_then(|it| spec::composition(&it, &self.sources, diagnostics)));
        }
        check::check(&self.gateway, &compositions, &self.schemas, &self.sources, diagnostics)
    }

    fn run(&self, plan: Plan, generation: u64, hall: &Arc<Hall>, script: &Rc<Script>) -> Rc<Running> {
        let backends = plan.backends.iter().zip(&self.pools).map(|(backend, pool)| {
            let (name, max) = (backend.name.clone(), backend.max_message);
            Rc::new(ScriptedBackend::new(name, pool.clone(), script.clone(), max)) as Rc<dyn Backend>
        });
        let backends = Backends::new(backends.collect());
        Rc::new(Running {
            snapshot: Arc::new(Snapshot { plan, generation }),
            backends,
            hall: hall.clone(),
        })
    }
}

fn shown(diagnostics: Diagnostics, sources: &SourceMap) -> Vec<String> {
    vec![render::full(&diagnostics.into_sorted(), sources, render::Colour::Off)]
}

fn read_gateway(
    path: &Path,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Result<(Document, PathBuf), Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("{}: {error}", path.display())])?;
    let file = sources.add(path.display().to_string(), text);
    let document = spec::document(sources, file, diagnostics);
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    document
        .map(|it| (it, folder))
        .ok_or_else(|| shown(std::mem::take(diagnostics), sources))
}

thread_local! {
    /// Descriptors that earlier fixtures of this thread have loaded, by their paths.
    static LOADED: RefCell<Vec<(Vec<PathBuf>, BackendSchema, DescriptorPool)>> = const { RefCell::new(Vec::new()) };
}

fn load(paths: &[PathBuf]) -> Result<(BackendSchema, DescriptorPool), Vec<String>> {
    let known = LOADED.with_borrow(|all| {
        all.iter()
            .find(|it| it.0 == paths)
            .map(|(_, schema, pool)| (schema.clone(), pool.clone()))
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let set: FileDescriptorSet =
        descriptors::load(paths).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let schema = build(&set).map_err(|error| vec![error.to_string()])?;
    let pool = DescriptorPool::decode(set.encode_to_vec().as_slice()).map_err(|error| vec![error.to_string()])?;
    let loaded = (BackendSchema::Known(schema), pool);
    LOADED.with_borrow_mut(|all| all.push((paths.to_owned(), loaded.0.clone(), loaded.1.clone())));
    Ok(loaded)
}

/// True where `found` has at least the members of `wanted`, and lists of the same length.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| found.get(name).is_some_and(|it| has(it, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| has(found, wanted))
        }
        _ => found == wanted,
    }
}

/// What a client got.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// When, counted from the beginning of the step.
    pub at: Duration,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Asks as a client would. `None` where the client left.
async fn ask(exchange: &Exchange, running: Rc<Running>, began: Instant) -> Option<Answered> {
    tokio::time::sleep(exchange.start).await;
    let mut request = http::Request::builder()
        .method(exchange.method.as_str())
        .uri(exchange.target.as_str());
    for (name, value) in &exchange.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(exchange.body.clone()))).ok()?;
    let answering = serve::handle(running, request, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let response = match exchange.leaves {
        Some(after) => tokio::time::timeout(after, answering).await.ok()?,
        None => answering.await,
    };
    let at = Instant::now().saturating_duration_since(began);
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Answered {
        status: parts.status.as_u16(),
        at,
        headers: parts.headers,
        body,
    })
}

impl Answered {
    fn compare(&self, expect: &Expect) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(status) = expect.status
            && status != self.status
        {
            wrong.push(format!(
                "status {}, not {status}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            ));
        }
        if let Some(at) = expect.at
            && at != self.at
        {
            wrong.push(format!("answered at {:?}, not at {at:?}", self.at));
        }
        for (name, wanted) in &expect.headers {
            let found = self.header(name);
            if found != *wanted {
                wrong.push(format!("header `{name}` is {found:?}, not {wanted:?}"));
            }
        }
        if let Some(body) = &expect.body {
            match serde_json::from_slice::<Value>(&self.body) {
                Ok(found) if found == *body => {}
                Ok(found) => wrong.push(format!("body is\n  {found}\nnot\n  {body}")),
                Err(_) => wrong.push(format!("body is no JSON: {}", String::from_utf8_lossy(&self.body))),
            }
        }
        if let Some(wanted) = &expect.has {
            let found = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
            if !has(&found, wanted) {
                let shown = String::from_utf8_lossy(&self.body);
                wrong.push(format!("body is\n  {shown}\nand has not\n  {wanted}"));
            }
        }
        if let Some(text) = &expect.lacks
            && String::from_utf8_lossy(&self.body).contains(text.as_str())
        {
            wrong.push(format!(
                "body has `{text}` in it:\n  {}",
                String::from_utf8_lossy(&self.body)
            ));
        }
        if let Some(text) = &expect.text
            && text.as_bytes() != self.body
        {
            wrong.push(format!(
                "body is\n  {}\nnot\n  {text}",
                String::from_utf8_lossy(&self.body)
            ));
        }
        wrong
    }

    fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<_> = self
            .headers
            .get_all(name)
            .iter()
            .map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
            .collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// What the file should expect, in flow form: the keys that it names already.
    fn written(&self, expect: &Expect) -> String {
        let mut parts = Vec::new();
        if expect.status.is_some() {
            parts.push(format!("status: {}", self.status));
        }
        if expect.at.is_some() {
            parts.push(format!("at: {}ms", self.at.as_millis()));
        }
        if !expect.headers.is_empty() {
            let mut headers = String::new();
            for (at, (name, _)) in expect.headers.iter().enumerate() {
                let value = self.header(name).map_or(Value::Null, Value::String);
                let comma = if at == 0 { "" } else { ", " };
                headers.extend([comma, name, ": ", &value.to_string()]);
            }
            parts.push(format!("headers: {{ {headers} }}"));
        }
        if expect.body.is_some() {
            let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            parts.push(format!("body: {body}"));
        }
        if let Some(has) = &expect.has {
            let found: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            let members = has.as_object().into_iter().flat_map(|it| it.keys());
            let found: serde_json::Map<_, _> = members
                .filter_map(|it| Some((it.clone(), found.get(it)?.clone())))
                .collect();
            parts.push(format!("has: {}", Value::Object(found)));
        }
        if let Some(lacks) = &expect.lacks {
            parts.push(format!("lacks: {}", Value::String(lacks.clone())));
        }
        if expect.text.is_some() {
            parts.push(format!(
                "text: {}",
                Value::String(String::from_utf8_lossy(&self.body).into_owned())
            ));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}
