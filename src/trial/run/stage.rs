//! What compositions are checked against and run over: a gateway file, descriptors, scripted backends.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use prost::Message;
use prost_reflect::DescriptorPool;

use super::super::fixture::Fixture;
use super::super::script::{Script, ScriptedBackend};
use crate::gateway::load::{read_compositions, read_credentials};
use crate::language::check::{self, BackendSchema};
use crate::language::diagnostic::{Diagnostic, Diagnostics, render};
use crate::language::source::{Document, Node, NodeKind, SourceMap};
use crate::language::spec::{self, BackendDescriptors, Outside};
use crate::plan::{self, Plan};
use crate::runtime::backend::{Backends, Dice, Maker};
use crate::runtime::snapshot::{Hall, Running, Snapshot};
use crate::runtime::watch::Watch;
use crate::schema::build::build;
use crate::schema::descriptor::FileDescriptorSet;
use crate::schema::load as descriptors;

/// What compositions are checked against.
pub(super) struct Stage {
    pub(super) sources: SourceMap,
    gateway: spec::Gateway,
    /// The folder of the gateway file, for paths in it.
    folder: PathBuf,
    schemas: Vec<BackendSchema>,
    pools: Vec<DescriptorPool>,
}

impl Stage {
    /// Reads the gateway file that the fixture names, brings along, or finds above itself.
    pub(super) fn set(
        mut sources: SourceMap,
        fixture: &Fixture,
        diagnostics: &mut Diagnostics,
    ) -> Result<Self, Vec<String>> {
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
        let Some(mut gateway) = spec::gateway(&document, &sources, outside, diagnostics) else {
            return Err(shown(std::mem::take(diagnostics), &sources));
        };
        read_credentials(&mut gateway, &folder, &mut sources, outside, (false, diagnostics));
        give_secrets(&mut gateway);
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
    pub(super) fn check(&mut self, nodes: &[Node], folder: &Path, diagnostics: &mut Diagnostics) -> Option<Plan> {
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

    pub(super) fn run(
        &self,
        plan: Plan,
        previous: Option<&Snapshot>,
        hall: &Arc<Hall>,
        script: &Rc<Script>,
        watch: &Rc<Watch>,
    ) -> Rc<Running> {
        let snapshot = Snapshot::new(plan, previous);
        let pools: Vec<_> = snapshot
            .plan
            .backends
            .iter()
            .map(|it| it.name.clone())
            .zip(&self.pools)
            .collect();
        let make = |backend: &plan::Backend| -> Maker {
            let pool = pools.iter().find(|it| it.0 == backend.name).map(|it| it.1.clone());
            let (backend, script, pool) = (backend.clone(), script.clone(), pool.unwrap_or_default());
            Rc::new(move |target| Rc::new(ScriptedBackend::new(&backend, target, pool.clone(), script.clone())))
        };
        let backends = Backends::new(&snapshot.plan.backends, &snapshot.guards, &Dice::longest(), make);
        Running::with_backends(Arc::new(snapshot), hall.clone(), backends, Some(watch.clone()))
    }
}

/// A secret that would come from outside is some text that nobody signs with.
fn give_secrets(gateway: &mut spec::Gateway) {
    for provider in &mut gateway.auth {
        match &mut provider.kind {
            spec::auth::ProviderKind::Jwt(jwt) => {
                if let Some(secret) = jwt.secret.as_mut().filter(|it| it.value.is_empty()) {
                    secret.value = "-".repeat(64).into();
                }
            }
            spec::auth::ProviderKind::Signature(it) => {
                let is_empty = |it: &Option<spec::Name>| it.as_ref().is_some_and(|it| it.value.is_empty());
                it.signers.retain(|it| !is_empty(&it.secret) && !is_empty(&it.key));
            }
            _ => {}
        }
    }
}

pub(super) fn shown(diagnostics: Diagnostics, sources: &SourceMap) -> Vec<String> {
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
