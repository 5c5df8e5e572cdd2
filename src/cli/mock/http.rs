//! HTTP backends: what the compositions call, answered by the types that the calls have.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::answer::Conduct;
use super::invent::Inventor;
use super::text;
use crate::codec::query;
use crate::expr::Type;
use crate::plan::{Accept, BackendIndex, CallKind, HttpCall, PathPart, Plan};

/// A call that compositions make.
#[derive(Debug)]
struct Route {
    /// `None` is any method.
    method: Option<String>,
    /// `None` is any segment.
    segments: Vec<Option<String>>,
    /// The last segment stands for any number of them.
    open: bool,
    accept: Accept,
    ty: Option<Type>,
}

/// A server of one backend.
#[derive(Clone, Debug)]
pub(super) struct Server {
    backend: Arc<str>,
    conduct: Arc<Conduct>,
    /// Known when the compositions were read, for which the server must stand already.
    routes: Arc<OnceLock<Vec<Route>>>,
}

impl Server {
    pub(super) fn start(backend: &str, listener: TcpListener, conduct: Arc<Conduct>) -> Self {
        let server = Self {
            backend: backend.into(),
            conduct,
            routes: Arc::default(),
        };
        let router = axum::Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Answers every call that the plan makes to this backend.
    pub(super) fn serve(&self, plan: &Plan) {
        let mut routes = Vec::new();
        let served = plan
            .endpoints
            .iter()
            .filter_map(|it| Some((it, it.recipe.as_ref().ok()?)));
        for (endpoint, recipe) in served {
            for listed in plan.calls_of(recipe) {
                let CallKind::Http(http) = &listed.call.kind else {
                    continue;
                };
                if gets(plan, http.backend, &self.backend) {
                    // What passes through keeps its method.
                    let own = recipe.proxy.is_some().then_some(endpoint.method.as_ref());
                    routes.push(route(http, own.unwrap_or(Some(&http.method))));
                }
            }
        }
        // What is typed, and what is literal, goes first.
        routes.sort_by_key(|it| {
            (
                it.open,
                it.segments.iter().filter(|it| it.is_none()).count(),
                it.ty.is_none(),
            )
        });
        // It is set once, by the one who starts it.
        drop(self.routes.set(routes));
    }
}

/// Whether calls of a backend go to the one with this name: it is that, or hands calls on to it.
fn gets(plan: &Plan, backend: BackendIndex, name: &str) -> bool {
    let backend = plan.backends.get(backend.0);
    backend.is_some_and(|it| *it.name == *name || it.others().any(|it| gets(plan, it, name)))
}

fn route(http: &HttpCall, method: Option<&Method>) -> Route {
    // Letters that no path holds stand for what is known only when a request runs.
    let text: String = http
        .path
        .iter()
        .map(|it| match it {
            PathPart::Literal(text) => &**text,
            PathPart::Segment(_) => "\u{1}",
            PathPart::Segments(_) | PathPart::Own(..) => "\u{2}",
        })
        .collect();
    let segments = text.split('/').skip(1);
    Route {
        method: method.map(Method::to_string),
        open: text.contains('\u{2}'),
        segments: segments
            .map(|it| (!it.contains(['\u{1}', '\u{2}'])).then(|| it.to_owned()))
            .collect(),
        accept: http.accept,
        ty: http.reply.as_ref().map(|it| it.ty.clone()),
    }
}

impl Route {
    fn matches(&self, method: &str, path: &[&str]) -> bool {
        let alike = |wanted: &Option<String>, found: &&str| wanted.as_deref().is_none_or(|it| it == *found);
        let length = if self.open {
            path.len() >= self.segments.len()
        } else {
            path.len() == self.segments.len()
        };
        self.method.as_deref().is_none_or(|it| it == method)
            && length
            && self
                .segments
                .iter()
                .zip(path)
                .all(|(wanted, found)| alike(wanted, found))
    }

    /// What a request asks for: the variables of its path, by what stands before them, and its query.
    fn asked(&self, path: &[&str], query: &str) -> Value {
        let mut asked = Map::new();
        for (at, segment) in path.iter().enumerate() {
            let is_variable = self.segments.get(at).is_some_and(Option::is_none);
            let before = at
                .checked_sub(1)
                .and_then(|it| path.get(it))
                .copied()
                .unwrap_or_default();
            if is_variable {
                let of = text::words_of(&text::snake(before)).replace(' ', "_");
                let name = if at + 1 == path.len() {
                    "id".to_owned()
                } else {
                    format!("{of}_id")
                };
                asked.insert(name, json!(segment));
                asked.entry(format!("{of}_id")).or_insert_with(|| json!(segment));
            }
        }
        for (name, value) in query::all_pairs(query).unwrap_or_default() {
            asked.entry(name.into_owned()).or_insert_with(|| json!(value));
        }
        Value::Object(asked)
    }

    /// Files that may answer: for exactly this path, then for the route, with `_` for its variables.
    fn files(&self, backend: &str, method: &str, path: &[&str]) -> Vec<PathBuf> {
        let file = |segments: &mut dyn Iterator<Item = &str>| {
            let mut file = PathBuf::from(backend);
            file.extend(segments.filter(|it| !matches!(*it, "" | "." | "..")));
            file.join(method)
        };
        vec![
            file(&mut path.iter().copied()),
            file(&mut self.segments.iter().map(|it| it.as_deref().unwrap_or("_"))),
        ]
    }
}

async fn answer(State(server): State<Server>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let segments: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let routes = server.routes.get().map(Vec::as_slice).unwrap_or_default();
    let found = routes.iter().find(|it| it.matches(parts.method.as_str(), &segments));
    let Some(route) = found else {
        return (StatusCode::NOT_FOUND, "no composition calls this").into_response();
    };
    let method = format!("{} {}", parts.method, parts.uri.path());
    let mut asked = route.asked(&segments, parts.uri.query().unwrap_or_default());
    if let (Value::Object(asked), Ok(Value::Object(sent))) = (&mut asked, serde_json::from_slice(&body)) {
        asked.extend(sent);
    }
    let files = route.files(&server.backend, parts.method.as_str(), &segments);
    let invent = || match &route.ty {
        Some(ty) => Inventor::new(&method, &asked).json(ty),
        None => json!({}),
    };
    let (status, reply) = server.conduct.http(&server.backend, &method, &files, invent).await;
    let (media, text) = match (route.accept, &reply) {
        _ if status != StatusCode::OK => ("application/json", reply.to_string()),
        (Accept::Json, _) => ("application/json", reply.to_string()),
        (Accept::Xml, Value::String(text)) => ("application/xml", text.clone()),
        (Accept::Xml, _) => ("application/xml", "<mock/>".to_owned()),
        (Accept::Text | Accept::Bytes, Value::String(text)) => ("text/plain", text.clone()),
        (Accept::Text | Accept::Bytes, _) => ("text/plain", "mock".to_owned()),
    };
    (status, [(header::CONTENT_TYPE, media)], text).into_response()
}
