//! Everything that is read from outside: the gateway file, compositions, descriptors, the environment.
//!
//! The only reader of the environment. Invariant: all mistakes of all files are reported at once.

pub(super) mod named;
mod registered;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::named::{below, from_paths, share_out, start_of};
pub use self::named::{read_compositions, read_credentials};
use super::reflected::Known;
use super::registered::{Version, Versions};
use super::schedule::Found;
use crate::codec::hexadecimal;
use crate::language::check::{self, BackendSchema};
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity, render};
use crate::language::source::SourceMap;
use crate::language::spec::protection::Switch;
use crate::language::spec::{self, BackendDescriptors, Outside};
use crate::plan::Plan;

/// After how long a backend with reflection is asked again, where it does not say.
const REFRESH: Duration = Duration::from_mins(5);

/// The state directory, where the gateway file names none.
const STATE: &str = ".weft";

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
    /// What backends with reflection said.
    known: Known,
    /// Those backends, as they were read last.
    reflecting: Vec<spec::Backend>,
    /// Backends whose descriptors are registered, as they were read last, and where all versions of those are.
    registered: Vec<spec::Backend>,
    versions: Option<Versions>,
    purpose: Purpose,
    /// The files and directories that were read last, whether all was well or not.
    read: RefCell<Vec<PathBuf>>,
    replaced: Option<Replaced>,
}

/// What is loaded for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To look at it. The state directory is left alone.
    #[default]
    Look,
    /// To say what is wrong. What backends say is kept.
    Check,
    /// To serve. What backends say is kept, and what is known stands in where they are silent, or where what they say now
    /// breaks a composition.
    Serve,
}

/// Whom to ask what it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    Everybody,
    Nobody,
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
    /// Backends that did not say what they serve now, so that what they said last counts; each with the reason.
    pub silent: Vec<String>,
    /// Compositions that the newest descriptors break, and that are on those before.
    pub held: Vec<Held>,
    /// What else to tell: state that could not be read or written.
    pub notes: Vec<String>,
}

/// A composition on the descriptors before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub name: Arc<str>,
    /// What is wrong with it by the newest, one line for each mistake.
    pub why: Vec<String>,
}

/// A backend with reflection, as far as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reflecting {
    /// Its name.
    pub backend: Arc<str>,
    /// The fingerprint of its newest descriptors, in hex; `None` where nothing is known.
    pub version: Option<String>,
    /// Why the last question was not answered.
    pub silent: Option<String>,
}

/// A backend whose descriptors are registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub backend: Arc<str>,
    /// The fingerprint of its newest descriptors, in hex; `None` where nothing was registered yet.
    pub version: Option<String>,
    /// As which they were registered; `None` as well where what is kept of versions cannot be read.
    pub newest: Option<Version>,
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
#[derive(Debug, thiserror::Error)]
#[error("the files have mistakes")]
pub struct Refused {
    /// All that is wrong; warnings among them.
    pub diagnostics: Vec<Diagnostic>,
    /// The files, to show them.
    pub sources: SourceMap,
}

impl Refused {
    /// One line for each mistake.
    pub fn lines(&self) -> Vec<String> {
        lines(&self.diagnostics, &self.sources)
    }
}

fn lines(diagnostics: &[Diagnostic], sources: &SourceMap) -> Vec<String> {
    let errors = diagnostics.iter().filter(|it| it.severity == Severity::Error);
    let errors: Vec<_> = errors.cloned().collect();
    let shown = render::concise(&errors, sources);
    shown.lines().map(str::to_owned).collect()
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
            known: Known::default(),
            reflecting: Vec::new(),
            registered: Vec::new(),
            versions: None,
            purpose: Purpose::Look,
            read: RefCell::default(),
            replaced: None,
        }
    }

    /// The same for another purpose.
    #[must_use]
    pub fn with_purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
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
            self.reflect(&gateway, &folder, Asking::Everybody).await;
            let schemas = self.schemas(&gateway, &folder, &mut diagnostics);
            if !diagnostics.has_errors() {
                return Ok(Described {
                    gateway,
                    schemas,
                    waiting: self.waiting(),
                });
            }
        }
        Err(Refused {
            diagnostics: diagnostics.into_sorted(),
            sources,
        })
    }

    /// Reads and checks everything. Backends with reflection are asked what they serve.
    pub async fn load(&mut self) -> Result<Loaded, Refused> {
        self.load_asking(Asking::Everybody).await
    }

    /// The same by what backends with reflection said last.
    pub async fn load_known(&mut self) -> Result<Loaded, Refused> {
        self.load_asking(Asking::Nobody).await
    }

    async fn load_asking(&mut self, asking: Asking) -> Result<Loaded, Refused> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let result = self.load_into(asking, &mut sources, &mut diagnostics).await;
        let diagnostics = diagnostics.into_sorted();
        let Some((plan, held)) = result.filter(|_| diagnostics.iter().all(|it| it.severity == Severity::Warning))
        else {
            return Err(Refused { diagnostics, sources });
        };
        let held = held.into_iter().map(|it| Held {
            name: it.name,
            why: lines(&it.why, &sources),
        });
        let held = held.collect();
        let known = self.reflecting().into_iter().filter(|it| it.version.is_some());
        let silent = known.filter_map(|it| Some(format!("{}: {}", it.backend, it.silent?)));
        Ok(Loaded {
            plan,
            warnings: diagnostics,
            sources,
            waiting: self.waiting(),
            silent: silent.collect(),
            held,
            notes: self.known.notes(),
        })
    }

    /// Asks some backends with reflection what they serve, and says of whom something new is known.
    pub(super) async fn ask(&mut self, names: &[Arc<str>]) -> Vec<(Arc<str>, Found)> {
        let wanted: Vec<_> = self
            .reflecting
            .iter()
            .filter(|it| names.contains(&it.name.value))
            .collect();
        self.known.ask(&wanted).await
    }

    /// What was loaded last serves, and nothing of it is on older descriptors.
    pub(super) fn settle(&mut self) {
        self.known.settle();
    }

    /// What nobody was told yet.
    pub(super) fn notes(&mut self) -> Vec<String> {
        self.known.notes()
    }

    /// The backends with reflection, in the order of the file.
    pub fn reflecting(&self) -> Vec<Reflecting> {
        let one = |it: &spec::Backend| {
            let name = &it.name.value;
            Reflecting {
                backend: name.clone(),
                version: self.known.last(name).map(|it| hexadecimal(it.fingerprint())),
                silent: self.known.silent(name).map(str::to_owned),
            }
        };
        self.reflecting.iter().map(one).collect()
    }

    /// After how long each of them is asked again, whatever happens; `None` is never.
    pub(super) fn refreshed_after(&self) -> impl Iterator<Item = (Arc<str>, Option<Duration>)> {
        self.reflecting.iter().map(|it| {
            let after = match &it.descriptors {
                Some(BackendDescriptors::Reflection(Some(Switch::Off))) => None,
                Some(BackendDescriptors::Reflection(Some(Switch::On(after)))) => Some(*after),
                _ => Some(REFRESH),
            };
            (it.name.value.clone(), after)
        })
    }

    async fn load_into(
        &mut self,
        asking: Asking,
        sources: &mut SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Plan, Vec<check::Held>)> {
        let (mut gateway, folder) = self.read_gateway(sources, diagnostics)?;
        let compositions = read_compositions(&gateway, &folder, sources, diagnostics);
        let wanted = self.replaced.as_ref().and_then(|it| it.backend.as_deref());
        if let Some(wanted) = wanted.filter(|wanted| !gateway.backends.iter().any(|it| *it.name.value == **wanted)) {
            let names: Vec<&str> = gateway.backends.iter().map(|it| &*it.name.value).collect();
            let span = gateway.backends.first().map(|it| it.name.span).unwrap_or_default();
            let diagnostic = Diagnostic::new("unknown-backend", span, format!("there is no backend `{wanted}`"));
            diagnostics.push(diagnostic.label(format!("there are {}", names.join(", "))));
        }
        self.reflect(&gateway, &folder, asking).await;
        let schemas = self.schemas(&gateway, &folder, diagnostics);
        if matches!(&self.replaced, Some(it) if it.backend.is_none()) {
            share_out(&mut gateway.backends, &schemas);
        }
        let before = self.before(&gateway, &schemas);
        let schemas = (schemas.as_slice(), before.as_deref());
        let (checked, files) = check::check_holding(&gateway, &compositions, schemas, sources, diagnostics);
        self.read.borrow_mut().extend(files);
        let (mut plan, held) = checked?;
        for backend in &mut plan.backends {
            below(&folder, &mut backend.sources);
        }
        Some((plan, held))
    }

    /// Backends that have not said yet what they serve, each with the reason.
    fn waiting(&self) -> Vec<String> {
        let unknown = self.reflecting().into_iter().filter(|it| it.version.is_none());
        let silent = unknown.map(|it| {
            let reason = it.silent.as_deref().unwrap_or("nothing is kept of what it serves");
            format!("{}: {reason}", it.backend)
        });
        silent.chain(self.unregistered()).collect()
    }

    /// Finds out what the backends with reflection serve.
    async fn reflect(&mut self, gateway: &spec::Gateway, folder: &Path, asking: Asking) {
        let replaced = |it: &spec::Backend| {
            let by = self.replaced.as_ref();
            by.is_some_and(|by| by.backend.as_deref().is_none_or(|name| *it.name.value == *name))
        };
        let here = gateway.backends.iter();
        let here = here.filter(|it| !it.grpc.is_empty() && !replaced(it));
        let (reflecting, others): (Vec<_>, Vec<_>) =
            here.partition(|it| matches!(it.descriptors, Some(BackendDescriptors::Reflection(_))));
        let registered = others.into_iter();
        let registered = registered.filter(|it| matches!(it.descriptors, Some(BackendDescriptors::Registered(_))));
        self.registered = registered.cloned().collect();
        self.reflecting = reflecting.into_iter().cloned().collect();
        let state = match &gateway.state {
            Some(Switch::Off) => None,
            Some(Switch::On(path)) => Some(folder.join(&*path.value)),
            None => Some(folder.join(STATE)),
        };
        let state = state.as_deref();
        self.versions = state.map(Versions::below);
        if self.purpose == Purpose::Look {
            self.known.look_in(state, &self.registered);
        } else {
            let all = [self.reflecting.as_slice(), &self.registered].concat();
            self.known.keep_in(state, &all);
        }
        self.known.find_by(&gateway.discovery, folder);
        if asking == Asking::Everybody {
            let everybody: Vec<_> = self.reflecting.iter().collect();
            self.known.ask(&everybody).await;
        }
    }

    fn schema_of(&self, backend: &str) -> BackendSchema {
        if let Some(schema) = self.known.last(backend) {
            return BackendSchema::Known(schema.clone());
        }
        let silent = self.known.silent(backend);
        BackendSchema::Missing(silent.unwrap_or("nobody has asked it").to_owned())
    }

    /// The types before, in the order of the file, where those of a backend may break something.
    fn before(&self, gateway: &spec::Gateway, schemas: &[BackendSchema]) -> Option<Vec<BackendSchema>> {
        let sound = |it: &spec::Backend| {
            self.known
                .sound(&it.name.value)
                .filter(|_| self.purpose == Purpose::Serve)
        };
        let mut asked_or_told = self.reflecting.iter().chain(&self.registered);
        let any = asked_or_told.any(|it| sound(it).is_some());
        let each = gateway.backends.iter().zip(schemas).map(|(backend, newest)| {
            let mut asked_or_told = self.reflecting.iter().chain(&self.registered);
            let reflects = asked_or_told.find(|it| it.name.value == backend.name.value);
            reflects
                .and_then(sound)
                .map_or_else(|| newest.clone(), |it| BackendSchema::Known(it.clone()))
        });
        any.then(|| each.collect())
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
        let credentials = read_credentials(&mut gateway, &folder, sources, outside, (true, diagnostics));
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
            (backend.secure, backend.tls, backend.auth) = (None, None, None);
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
    fn schemas(&self, gateway: &spec::Gateway, folder: &Path, diagnostics: &mut Diagnostics) -> Vec<BackendSchema> {
        let mut shared: Option<BackendSchema> = None;
        let mut stand_in: Option<BackendSchema> = None;
        let mut schemas = Vec::new();
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
                Some(BackendDescriptors::Reflection(_) | BackendDescriptors::Registered(_)) => {
                    self.schema_of(&backend.name.value)
                }
                None => {
                    let schema = shared.get_or_insert_with(|| from_paths(&gateway.descriptors, folder, diagnostics));
                    schema.clone()
                }
            };
            schemas.push(schema);
        }
        schemas
    }
}
