//! What backends with reflection say that they serve: asked over connections of their own, remembered in memory and on disk.
//!
//! Two versions of each are known where the newest breaks a composition: that one, and the last that broke nothing.
//! Invariant: an answer replaces the one before only when types could be built from it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::LocalSet;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::discovery;
use super::kept::{Folder, Which};
use super::load::named::below;
use super::schedule::Found;
use crate::language::check;
use crate::language::diagnostic::Diagnostics;
use crate::language::spec;
use crate::plan::Target;
use crate::runtime::backend::token::{Issuer, Tokens};
use crate::runtime::backend::{Backends, Guards, target};
use crate::schema::descriptor::FileDescriptorSet;
use crate::schema::{Schema, build, reflection};
use crate::time::Deadline;
use crate::tls;

/// How long a backend may take to say what it serves.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What is known of all of them.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_backend: BTreeMap<Arc<str>, One>,
    folder: Option<Folder>,
    /// Who is asked where they are, and the folder of the gateway file.
    discovery: spec::Discovery,
    beside: PathBuf,
    /// What nobody was told yet: files that could not be read or written.
    notes: Vec<String>,
}

/// What is known of one of them.
#[derive(Clone, Debug, Default)]
pub(super) struct One {
    last: Option<Arc<Schema>>,
    /// What broke nothing, where `last` does, or may.
    sound: Option<Arc<Schema>>,
    /// Why the last question was not answered.
    silent: Option<String>,
    /// The token that questions carry.
    tokens: Option<Arc<Tokens>>,
}

impl Known {
    /// Reads what a folder keeps of backends of which nothing is known.
    pub(super) fn look_in(&mut self, state: Option<&Path>, backends: &[spec::Backend]) {
        self.keep_in(state, backends);
        self.folder = None;
    }

    /// Keeps them in this folder from now on; what is there stands for backends of which nothing is known.
    pub(super) fn keep_in(&mut self, state: Option<&Path>, backends: &[spec::Backend]) {
        self.folder = state.map(Folder::below);
        for backend in backends {
            let name = &backend.name.value;
            if self.by_backend.contains_key(name) {
                continue;
            }
            let sound = self.kept(name, Which::Sound);
            let last = self.kept(name, Which::Last).or_else(|| sound.clone());
            let one = One {
                last,
                sound,
                ..One::default()
            };
            self.by_backend.insert(name.clone(), one);
        }
    }

    /// Says who is asked where they are, and in which folder the gateway file is.
    pub(super) fn find_by(&mut self, discovery: &spec::Discovery, beside: &Path) {
        self.discovery = discovery.clone();
        beside.clone_into(&mut self.beside);
    }

    fn kept(&mut self, name: &str, which: Which) -> Option<Arc<Schema>> {
        let set = match self.folder.as_ref()?.read(name, which) {
            Ok(set) => set?,
            Err(note) => {
                self.notes.push(note);
                return None;
            }
        };
        build::build(&set)
            .map_err(|error| {
                let note = format!("what was kept of backend `{name}` is left out: {error}");
                self.notes.push(note);
            })
            .ok()
    }

    /// Asks these backends, all at once.
    pub(super) async fn ask(&mut self, backends: &[&spec::Backend]) -> Vec<(Arc<str>, Found)> {
        let each = backends.iter().map(|backend| {
            let issuer = issuer(backend, self.by_backend.get(&backend.name.value));
            if let Some((tokens, _)) = &issuer {
                let one = self.by_backend.entry(backend.name.value.clone()).or_default();
                one.tokens = Some(tokens.clone());
            }
            (*backend, issuer)
        });
        let each: Vec<_> = each.collect();
        let each = each.into_iter().map(|(backend, issuer)| {
            let place = (&self.discovery, &*self.beside);
            answer(backend, issuer.map(|it| it.1), place)
        });
        let answers = futures::future::join_all(each).await;
        let named = backends.iter().map(|it| it.name.value.clone());
        named
            .zip(answers)
            .map(|(name, answer)| {
                let found = self.heard(&name, answer);
                (name, found)
            })
            .collect()
    }

    fn heard(&mut self, name: &Arc<str>, answer: Answer) -> Found {
        let one = self.by_backend.entry(name.clone()).or_default();
        let (set, schema) = match answer {
            Ok(it) => it,
            Err(reason) => {
                one.silent = Some(reason);
                return Found::Silence;
            }
        };
        one.silent = None;
        if one
            .last
            .as_ref()
            .is_some_and(|it| it.fingerprint() == schema.fingerprint())
        {
            return Found::Nothing;
        }
        self.propose(name, schema);
        self.keep(name, &set);
        Found::New
    }

    /// Puts types in the place of a backend's newest, in memory alone. Gives what was known before.
    pub(super) fn propose(&mut self, name: &Arc<str>, schema: Arc<Schema>) -> One {
        let one = self.by_backend.entry(name.clone()).or_default();
        let known = one.clone();
        let before = one.last.replace(schema);
        one.sound = one.sound.take().or(before);
        known
    }

    /// What was known before a proposal is so again.
    pub(super) fn restore(&mut self, name: &Arc<str>, known: One) {
        self.by_backend.insert(name.clone(), known);
    }

    /// Keeps the newest descriptors of a backend, those before aside.
    pub(super) fn keep(&mut self, name: &str, set: &FileDescriptorSet) {
        if let Some(folder) = &self.folder
            && let Err(error) = folder.set_aside(name).and_then(|()| folder.write(name, set))
        {
            let folder = folder.path().display();
            let note = format!("the descriptors of backend `{name}` cannot be kept in `{folder}`: {error}");
            self.notes.push(note);
        }
    }

    /// The newest types of a backend break nothing.
    pub(super) fn settle(&mut self) {
        for (name, one) in &mut self.by_backend {
            one.sound = None;
            if let Some(Err(error)) = self.folder.as_ref().map(|it| it.settle(name)) {
                self.notes
                    .push(format!("what backend `{name}` said before cannot be removed: {error}"));
            }
        }
    }

    /// The newest types of a backend.
    pub(super) fn last(&self, name: &str) -> Option<&Arc<Schema>> {
        self.by_backend.get(name)?.last.as_ref()
    }

    /// The types that broke nothing, where the newest may.
    pub(super) fn sound(&self, name: &str) -> Option<&Arc<Schema>> {
        self.by_backend.get(name)?.sound.as_ref()
    }

    /// Why a backend's last question was not answered.
    pub(super) fn silent(&self, name: &str) -> Option<&str> {
        self.by_backend.get(name)?.silent.as_deref()
    }

    /// What nobody was told yet.
    pub(super) fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}

type Answer = Result<(FileDescriptorSet, Arc<Schema>), String>;

/// Who gives the token that a backend is to be shown, and what is known of it.
fn issuer(backend: &spec::Backend, known: Option<&One>) -> Option<(Arc<Tokens>, Issuer)> {
    let auth = backend.auth.as_ref()?;
    // What is wrong with it is said when it is checked.
    let (issuer, settings) = check::issuer(backend, auth, &mut Diagnostics::default())?;
    let tokens = Tokens::new(&settings, known.and_then(|it| it.tokens.as_ref()));
    let backends = std::slice::from_ref(&issuer);
    let to = Backends::build(backends, &Guards::build(backends, None), None);
    let to = to.get(settings.backend)?.clone();
    let issuer = Issuer::new(tokens.clone(), backend.name.value.clone(), to);
    Some((tokens, issuer))
}

/// Asks one target after the other until one answers.
async fn answer(
    backend: &spec::Backend,
    issuer: Option<Issuer>,
    (discovery, beside): (&spec::Discovery, &Path),
) -> Answer {
    let mut reason = "it has no address".to_owned();
    let tls = check::client(backend);
    let mut headers = check::headers(backend);
    if let Some(issuer) = issuer {
        // Its connections have tasks of their own.
        let tasks = LocalSet::new();
        let token = tasks.run_until(issuer.token(Deadline::after(TIMEOUT))).await;
        let token = token.map_err(|failure| {
            let why = failure.source.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("the token that it is to be shown could not be had: {why}")
        })?;
        headers.push((AUTHORIZATION, HeaderValue::clone(&token)));
    }
    // What is wrong with them is said when they are checked.
    let (mut targets, mut further) = check::targets(&backend.grpc, discovery, &mut Diagnostics::default());
    below(beside, &mut further);
    for source in &further {
        match discovery::ask(source).await {
            Ok(found) => targets.extend(found),
            Err(error) => reason = format!("{}: {error}", source.written),
        }
    }
    for target in &targets {
        let built = match asked(target, tls.as_ref(), &headers).await {
            Ok(set) => build::build(&set)
                .map(|schema| (set, schema))
                .map_err(|it| it.to_string()),
            Err(error) => Err(error),
        };
        match built {
            Ok(answer) => return Ok(answer),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// What a target says that it serves, over a connection of its own.
async fn asked(
    target: &Target,
    tls: Option<&tls::Client>,
    headers: &[(HeaderName, HeaderValue)],
) -> Result<FileDescriptorSet, String> {
    let ask = async {
        let stream = target::connect(target, tls).await;
        let stream = stream.map_err(|error| format!("the server cannot be reached: {error}"))?;
        let uri = |scheme| Uri::try_from(format!("{scheme}://{}", target.authority));
        let uris = uri("http").and_then(|plain| Ok((plain, uri("https")?)));
        let (plain, secure) = uris.map_err(|error| error.to_string())?;
        let mut endpoint = tonic::transport::Endpoint::from(plain);
        if tls.is_some() {
            endpoint = endpoint.origin(secure);
        }
        let mut stream = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_: Uri| {
            let stream = stream
                .take()
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
            async move { stream }
        });
        let channel = endpoint.connect_with_connector(connector).await;
        let channel = channel.map_err(|error| format!("the server cannot be reached: {error}"))?;
        let headers = headers.to_vec();
        let channel = channel.map_request(move |mut request: http::Request<Body>| {
            for (name, value) in &headers {
                request.headers_mut().append(name, value.clone());
            }
            request
        });
        let read = reflection::load_over(channel, TIMEOUT).await;
        read.map_err(|error| error.to_string())
    };
    let asked = tokio::time::timeout(TIMEOUT, ask).await;
    asked.unwrap_or_else(|_| Err(format!("the server's reflection did not finish within {TIMEOUT:?}")))
}
