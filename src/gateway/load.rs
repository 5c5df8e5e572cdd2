//! Everything that is read from outside: the gateway file, compositions, descriptors, the environment.
//!
//! The only reader of the environment. Invariant: all mistakes of all files are reported at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;

use super::discovery;
use crate::language::check::{self, BackendSchema};
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity, render};
use crate::language::source::{FileIndex, SourceMap, Span};
use crate::language::spec::{self, BackendDescriptors, Outside};
use crate::plan::{Plan, Source, SourceKind, Target};
use crate::runtime::backend::target;
use crate::schema::descriptor::FileDescriptorSet;
use crate::schema::{Schema, build, load as descriptors, reflection};
use crate::tls;

/// How long a backend may take to say what it serves.
const REFLECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// The value of an environment variable.
type Environment = Box<dyn Fn(&str) -> Option<String> + Send>;

/// Loads a gateway file, again and again.
pub struct Loader {
    config: PathBuf,
    /// The gateway file's text where it does not come from a file.
    text: Option<String>,
    environment: Environment,
    /// Where backends are, by name, in place of what the gateway file says.
    elsewhere: HashMap<String, std::net::SocketAddr>,
    /// What backends with reflection said last, by target.
    known: HashMap<String, Arc<Schema>>,
    /// The files and directories that were read last, whether all was well or not.
    read: RefCell<Vec<PathBuf>>,
    replaced: Option<Replaced>,
}

/// Descriptors that stand in for what a gateway file says.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// A descriptor set, or a folder of .proto files.
    pub path: PathBuf,
    /// The backend that they are of; every gRPC backend where it is `None`.
    pub backend: Option<String>,
}

/// What was loaded and checked.
#[derive(Debug)]
pub struct Loaded {
    /// What will run.
    pub plan: Plan,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// The files, to show them.
    pub sources: SourceMap,
    /// Backends that have not said yet what they serve, each with the reason.
    pub waiting: Vec<String>,
}

/// What backends serve.
#[derive(Debug)]
pub struct Described {
    /// The gateway file.
    pub gateway: spec::Gateway,
    /// Of each of its backends, in order.
    pub schemas: Vec<BackendSchema>,
    /// Backends that have not said yet what they serve, each with the reason.
    pub waiting: Vec<String>,
}

/// Files that were refused.
#[derive(Debug)]
pub struct Refused {
    /// All that is wrong; warnings among them.
    pub diagnostics: Vec<Diagnostic>,
    /// The files, to show them.
    pub sources: SourceMap,
}

impl Refused {
    /// One line for each mistake.
    pub fn lines(&self) -> Vec<String> {
        let errors: Vec<_> = self
            .diagnostics
            .iter()
            .filter(|it| it.severity == Severity::Error)
            .cloned()
            .collect();
        render::concise(&errors, &self.sources)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Loader {
    /// Loads from a file, with the process's environment.
    pub fn from_file(config: &Path) -> Self {
        Self {
            config: config.to_owned(),
            text: None,
            environment: Box::new(|name| std::env::var(name).ok()),
            elsewhere: HashMap::new(),
            known: HashMap::new(),
            read: RefCell::default(),
            replaced: None,
        }
    }

    /// The same with other descriptors.
    #[must_use]
    pub fn with_descriptors(self, replaced: Replaced) -> Self {
        Self {
            replaced: Some(replaced),
            ..self
        }
    }

    /// The files and directories whose change may change what is loaded; none for a text that stands in no file.
    pub fn read(&self) -> Vec<PathBuf> {
        if self.text.is_some() {
            return Vec::new();
        }
        self.read.borrow().clone()
    }

    /// Loads from `text`, as if it stood in the file `config`.
    pub fn from_text(config: &Path, text: String) -> Self {
        Self {
            text: Some(text),
            ..Self::from_file(config)
        }
    }

    /// Looks for these backends at these addresses.
    #[must_use]
    pub fn with_backends_at(self, elsewhere: HashMap<String, std::net::SocketAddr>) -> Self {
        Self { elsewhere, ..self }
    }

    /// Reads the gateway file alone.
    pub fn gateway(&self) -> Result<spec::Gateway, Refused> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        match self.read_gateway(&mut sources, &mut diagnostics) {
            Some((gateway, _)) if !diagnostics.has_errors() => Ok(gateway),
            _ => Err(Refused {
                diagnostics: diagnostics.into_sorted(),
                sources,
            }),
        }
    }

    /// Reads the gateway file and what its backends serve, and no composition.
    pub async fn descriptors(&mut self) -> Result<Described, Refused> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        if let Some((gateway, folder)) = self.read_gateway(&mut sources, &mut diagnostics) {
            let (schemas, waiting) = self.schemas(&gateway, &folder, &mut diagnostics).await;
            if !diagnostics.has_errors() {
                return Ok(Described {
                    gateway,
                    schemas,
                    waiting,
                });
            }
        }
        Err(Refused {
            diagnostics: diagnostics.into_sorted(),
            sources,
        })
    }

    /// Reads and checks everything.
    pub async fn load(&mut self) -> Result<Loaded, Refused> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let result = self.load_into(&mut sources, &mut diagnostics).await;
        let diagnostics = diagnostics.into_sorted();
        match result {
            Some((plan, waiting)) if diagnostics.iter().all(|it| it.severity == Severity::Warning) => Ok(Loaded {
                plan,
                warnings: diagnostics,
                sources,
                waiting,
            }),
            _ => Err(Refused { diagnostics, sources }),
        }
    }

    async fn load_into(
        &mut self,
        sources: &mut SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Plan, Vec<String>)> {
        let (mut gateway, folder) = self.read_gateway(sources, diagnostics)?;
        let compositions = read_compositions(&gateway, &folder, sources, diagnostics);
        let wanted = self.replaced.as_ref().and_then(|it| it.backend.as_deref());
        if let Some(wanted) = wanted.filter(|wanted| !gateway.backends.iter().any(|it| *it.name.value == **wanted)) {
            let names: Vec<&str> = gateway.backends.iter().map(|it| &*it.name.value).collect();
            let span = gateway.backends.first().map(|it| it.name.span).unwrap_or_default();
            let diagnostic = Diagnostic::new("unknown-backend", span, format!("there is no backend `{wanted}`"));
            diagnostics.push(diagnostic.label(format!("there are {}", names.join(", "))));
        }
        let (schemas, waiting) = self.schemas(&gateway, &folder, diagnostics).await;
        if matches!(&self.replaced, Some(it) if it.backend.is_none()) {
            share_out(&mut gateway.backends, &schemas);
        }
        let (plan, files) = check::check_reading(&gateway, &compositions, &schemas, sources, diagnostics);
        self.read.borrow_mut().extend(files);
        let mut plan = plan?;
        for backend in &mut plan.backends {
            below(&folder, &mut backend.sources);
        }
        Some((plan, waiting))
    }

    /// The gateway file and the folder that it lies in.
    fn read_gateway(&self, sources: &mut SourceMap, diagnostics: &mut Diagnostics) -> Option<(spec::Gateway, PathBuf)> {
        let text = match &self.text {
            Some(text) => Ok(text.clone()),
            None => std::fs::read_to_string(&self.config),
        };
        self.read.replace(vec![self.config.clone()]);
        let path = self.config.display().to_string();
        let file = sources.add(path.as_str(), text.as_deref().unwrap_or_default());
        if let Err(error) = &text {
            let title = format!("`{path}` cannot be read: {error}");
            diagnostics.push(Diagnostic::new("unreadable-file", start_of(file), title));
            return None;
        }
        let folder = self.config.parent().map(Path::to_owned).unwrap_or_default();
        let document = spec::document(sources, file, diagnostics)?;
        let file = |path: &Path| {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
            self.read.borrow_mut().push(path);
            text
        };
        let outside = Outside {
            env: &*self.environment,
            file: &file,
        };
        let mut gateway = spec::gateway(&document, sources, outside, diagnostics)?;
        let credentials = read_credentials(&mut gateway, &folder, sources, Some(diagnostics));
        self.read.borrow_mut().extend(credentials);
        let of_backends = gateway.backends.iter().filter_map(|it| match &it.descriptors {
            Some(BackendDescriptors::Paths(paths)) => Some(paths),
            _ => None,
        });
        let named = gateway.compositions.iter().chain(&gateway.descriptors);
        let named = named.chain(of_backends.flatten());
        let named = named.map(|it| folder.join(&*it.value));
        self.read.borrow_mut().extend(named);
        for backend in &mut gateway.backends {
            let Some(address) = self.elsewhere.get(&*backend.name.value) else {
                continue;
            };
            (backend.secure, backend.tls) = (None, None);
            for targets in [&mut backend.grpc, &mut backend.http] {
                targets.truncate(1);
                for target in targets {
                    target.url.value = format!("http://{address}").into();
                }
            }
        }
        Some((gateway, folder))
    }

    /// The types of each backend, in the order of the file.
    async fn schemas(
        &mut self,
        gateway: &spec::Gateway,
        folder: &Path,
        diagnostics: &mut Diagnostics,
    ) -> (Vec<BackendSchema>, Vec<String>) {
        let mut shared: Option<BackendSchema> = None;
        let mut stand_in: Option<BackendSchema> = None;
        let mut schemas = Vec::new();
        let mut waiting = Vec::new();
        for backend in &gateway.backends {
            let of_backend = |it: &&Replaced| it.backend.as_deref().is_none_or(|name| *backend.name.value == *name);
            let replaced = self.replaced.as_ref().filter(of_backend).map(|it| spec::Name {
                value: it.path.display().to_string().into(),
                span: backend.name.span,
            });
            let schema = match &backend.descriptors {
                // Its targets were refused: whatever is called there is not wrong for that.
                _ if backend.grpc.is_empty() && backend.http.is_empty() => {
                    BackendSchema::Missing("it has no target".to_owned())
                }
                _ if backend.grpc.is_empty() => BackendSchema::None,
                _ if let Some(path) = replaced => stand_in
                    .get_or_insert_with(|| from_paths(&[path], folder, diagnostics))
                    .clone(),
                Some(BackendDescriptors::Paths(paths)) => from_paths(paths, folder, diagnostics),
                Some(BackendDescriptors::Reflection(_)) => {
                    match self.reflect(backend, &gateway.discovery, folder).await {
                        Ok(schema) => BackendSchema::Known(schema),
                        Err(reason) => {
                            waiting.push(format!("{}: {reason}", backend.name.value));
                            BackendSchema::Missing(reason)
                        }
                    }
                }
                None => {
                    let schema = shared.get_or_insert_with(|| from_paths(&gateway.descriptors, folder, diagnostics));
                    schema.clone()
                }
            };
            schemas.push(schema);
        }
        (schemas, waiting)
    }

    /// Asks a backend what it serves; what it said last stands in where it does not answer.
    async fn reflect(
        &mut self,
        backend: &spec::Backend,
        discovery: &spec::Discovery,
        folder: &Path,
    ) -> Result<Arc<Schema>, String> {
        let mut reason = "it has no address".to_owned();
        let tls = check::client(backend);
        // What is wrong with them is said when they are checked.
        let (mut targets, mut further) = check::targets(&backend.grpc, discovery, &mut Diagnostics::default());
        below(folder, &mut further);
        for source in &further {
            match discovery::ask(source).await {
                Ok(found) => targets.extend(found),
                Err(error) => reason = format!("{}: {error}", source.written),
            }
        }
        for target in &targets {
            match reflected(target, tls.as_ref()).await {
                Ok(set) => match build::build(&set) {
                    Ok(schema) => {
                        for it in &backend.grpc {
                            self.known.insert(it.url.value.to_string(), schema.clone());
                        }
                        return Ok(schema);
                    }
                    Err(error) => reason = error.to_string(),
                },
                Err(error) => reason = error,
            }
        }
        let known = backend.grpc.iter().find_map(|it| self.known.get(&*it.url.value));
        known.cloned().ok_or(reason)
    }
}

/// What a target says that it serves, over a connection of its own.
async fn reflected(target: &Target, tls: Option<&tls::Client>) -> Result<FileDescriptorSet, String> {
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
        let read = reflection::load_over(channel, REFLECTION_TIMEOUT).await;
        read.map_err(|error| error.to_string())
    };
    let asked = tokio::time::timeout(REFLECTION_TIMEOUT, ask).await;
    asked.unwrap_or_else(|_| {
        Err(format!(
            "the server's reflection did not finish within {REFLECTION_TIMEOUT:?}"
        ))
    })
}

/// Files that sources read lie beside the gateway file.
fn below(folder: &Path, sources: &mut [Source]) {
    for source in sources {
        let paths = match &mut source.kind {
            SourceKind::File { path, .. } => vec![path],
            SourceKind::Consul { consul, .. } => consul.ca_file.iter_mut().collect(),
            SourceKind::Kubernetes { kubernetes, .. } => vec![&mut kubernetes.token_file, &mut kubernetes.ca_file],
            _ => Vec::new(),
        };
        for path in paths {
            *path = folder.join(&*path);
        }
    }
}

/// Gives every service of descriptors that stand for all gRPC backends to one of them: to those that name it, or else to the
/// first that names none. A composition's `backend:` counts all the same.
fn share_out(backends: &mut [spec::Backend], schemas: &[BackendSchema]) {
    let named: Vec<_> = backends.iter().flat_map(|it| it.services.clone()).collect();
    let mut is_first = true;
    for (backend, schema) in backends.iter_mut().zip(schemas) {
        let (BackendSchema::Known(schema), true) = (schema, backend.services.is_empty()) else {
            continue;
        };
        let free = schema.services().iter().map(|it| &it.full_name);
        let free = free.filter(|it| is_first && !named.iter().any(|pattern| check::matches(&pattern.value, it)));
        let span = backend.name.span;
        backend.services = free
            .map(|it| spec::Name {
                value: Arc::from(&**it),
                span,
            })
            .collect();
        if backend.services.is_empty() {
            // An empty list would mean all of them; this is the name of none.
            backend.services.push(spec::Name {
                value: Arc::from("-"),
                span,
            });
        }
        is_first = false;
    }
}

fn start_of(file: FileIndex) -> Span {
    Span { file, start: 0, end: 0 }
}

/// Reads the files of keys, users and revocations that providers name; its paths are relative to `folder`. A file that cannot
/// be read is a mistake, or none where nobody wants to hear of it. Gives the paths.
pub fn read_credentials(
    gateway: &mut spec::Gateway,
    folder: &Path,
    sources: &mut SourceMap,
    mut diagnostics: Option<&mut Diagnostics>,
) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for file in gateway.auth.iter_mut().flat_map(spec::auth::Provider::files_mut) {
        let path = folder.join(&*file.path.value);
        match std::fs::read_to_string(&path) {
            Ok(text) => file.read = Some(sources.add(path.display().to_string(), text)),
            Err(error) => {
                if let Some(diagnostics) = &mut diagnostics {
                    let title = format!("`{}` cannot be read: {error}", file.path.value);
                    diagnostics.push(Diagnostic::new("unreadable-file", file.path.span, title));
                }
            }
        }
        paths.push(path);
    }
    paths
}

/// Reads all compositions that a gateway file names; its paths are relative to `folder`.
pub fn read_compositions(
    gateway: &spec::Gateway,
    folder: &Path,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Vec<spec::Composition> {
    let mut files = Vec::new();
    for entry in &gateway.compositions {
        let path = folder.join(&*entry.value);
        if let Err(error) = find_yaml(&path, &mut files, 0) {
            let title = format!("`{}` cannot be read: {error}", entry.value);
            diagnostics.push(Diagnostic::new("unreadable-file", entry.span, title));
        }
    }
    files.sort();
    files.dedup();
    let mut compositions = Vec::new();
    for path in files {
        let shown = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let file = sources.add(shown, text);
                let document = spec::document(sources, file, diagnostics);
                compositions.extend(document.and_then(|it| spec::composition(&it, sources, diagnostics)));
            }
            Err(error) => {
                let file = sources.add(shown.as_str(), "");
                let title = format!("`{shown}` cannot be read: {error}");
                diagnostics.push(Diagnostic::new("unreadable-file", start_of(file), title));
            }
        }
    }
    compositions
}

/// Files named as they are; in directories, recursively, `*.yaml` and `*.yml`.
fn find_yaml(path: &Path, files: &mut Vec<PathBuf>, depth: usize) -> io::Result<()> {
    if !path.is_dir() {
        std::fs::metadata(path)?;
        files.push(path.to_owned());
        return Ok(());
    }
    if depth > 32 {
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        if path.is_dir() || is_yaml {
            find_yaml(&path, files, depth + 1)?;
        }
    }
    Ok(())
}

/// Types from files. Where those cannot be read that was said, and nothing else is wrong for it.
fn from_paths(paths: &[spec::Name], folder: &Path, diagnostics: &mut Diagnostics) -> BackendSchema {
    let before = diagnostics.len();
    let mut sets = FileDescriptorSet::default();
    for path in paths {
        match descriptors::load(&[folder.join(&*path.value)]) {
            Ok(set) => sets.file.extend(set.file),
            Err(errors) => {
                for error in errors {
                    let title = error.to_string();
                    diagnostics.push(Diagnostic::new("bad-descriptors", path.span, title));
                }
            }
        }
    }
    let schema = build::build(&sets);
    if let (Err(error), true) = (&schema, diagnostics.len() == before) {
        let span = paths.first().map(|it| it.span).unwrap_or_default();
        diagnostics.push(Diagnostic::new("bad-descriptors", span, error.to_string()));
    }
    match schema {
        Ok(schema) if diagnostics.len() == before => BackendSchema::Known(schema),
        _ => BackendSchema::Missing("its descriptors cannot be read".to_owned()),
    }
}
