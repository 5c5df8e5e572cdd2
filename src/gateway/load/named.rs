//! What a gateway file names: compositions and descriptors on disk, and which backend has the services of shared ones.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::language::check::{self, BackendSchema};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{FileIndex, SourceMap, Span};
use crate::language::spec::{self, Outside};
use crate::plan::{Source, SourceKind};
use crate::schema::descriptor::FileDescriptorSet;
use crate::schema::{build, load as descriptors};

/// Files that sources read lie beside the gateway file.
pub(in crate::gateway) fn below(folder: &Path, sources: &mut [Source]) {
    for source in sources {
        let paths = match &mut source.kind {
            SourceKind::File { path, .. } => vec![path],
            SourceKind::Consul { consul, .. } => consul.ca_file.iter_mut().collect(),
            SourceKind::Kubernetes(it) => vec![&mut it.kubernetes.token_file, &mut it.kubernetes.ca_file],
            _ => Vec::new(),
        };
        for path in paths {
            *path = folder.join(&*path);
        }
    }
}

/// Gives every service of descriptors that stand for all gRPC backends to one of them: to those that name it, or else to the
/// first that names none. A composition's `backend:` counts all the same.
pub(super) fn share_out(backends: &mut [spec::Backend], schemas: &[BackendSchema]) {
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

pub(super) fn start_of(file: FileIndex) -> Span {
    Span { file, start: 0, end: 0 }
}

/// Reads the files of keys, users and revocations that providers name; its paths are relative to `folder`. A file that cannot
/// be read is a mistake where it is demanded. Gives the paths.
pub fn read_credentials(
    gateway: &mut spec::Gateway,
    folder: &Path,
    sources: &mut SourceMap,
    outside: Outside<'_>,
    (demanded, diagnostics): (bool, &mut Diagnostics),
) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for file in gateway.auth.iter_mut().flat_map(spec::auth::Provider::files_mut) {
        let path = folder.join(&*file.path.value);
        match std::fs::read_to_string(&path) {
            Ok(text) => file.read = Some(sources.add(path.display().to_string(), text)),
            Err(error) if demanded => {
                let title = format!("`{}` cannot be read: {error}", file.path.value);
                diagnostics.push(Diagnostic::new("unreadable-file", file.path.span, title));
            }
            Err(_) => {}
        }
        paths.push(path);
    }
    for provider in &mut gateway.auth {
        if let spec::auth::ProviderKind::Signature(it) = &mut provider.kind
            && let Some(document) = it.keys.read.and_then(|file| spec::document(sources, file, diagnostics))
        {
            it.signers = spec::signers(&document, sources, outside, diagnostics);
        }
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
pub(super) fn from_paths(paths: &[spec::Name], folder: &Path, diagnostics: &mut Diagnostics) -> BackendSchema {
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
