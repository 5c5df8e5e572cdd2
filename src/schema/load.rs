//! Descriptors from files: `.proto` trees (import root = the directory) and descriptor sets (`*.binpb`, `*.pb`,
//! `*.protoset`, `*.fds`).
//!
//! Every mistake of every file is reported, each with the file as the user wrote it. What the files mean is
//! `schema::build`'s part; imports that nobody brings but everybody uses come from `schema::well_known`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan};
use prost::Message as _;
use protox::Compiler;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, File, FileResolver, GoogleFileResolver};

use super::build::{SchemaError, build};
use super::descriptor::FileDescriptorSet;
use super::types::Schema;
use super::well_known::{EmbeddedResolver, is_of_protobuf};

/// What is wrong with a file of descriptors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadError {
    /// The file or directory, as the user wrote it.
    pub path: PathBuf,
    /// Line and column, from 1, for mistakes in a .proto file.
    pub position: Option<(u32, u32)>,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some((line, column)) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for LoadError {}

impl LoadError {
    fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            position: None,
            message: message.into(),
        }
    }
}

/// Reads descriptors: directories, `.proto` files (import root = the file's directory) and descriptor sets.
///
/// A directory gives its `.proto` files and descriptor sets, at any depth; hidden entries are left out. Imports are looked
/// up in the file's own root, in the other roots, among the well-known files, in the descriptor sets; google/protobuf is
/// always the one that is built in. A file that two paths lead to is there once, under the root that was named first;
/// roots that are directories go before single files.
pub fn load(paths: &[PathBuf]) -> Result<FileDescriptorSet, Vec<LoadError>> {
    let mut sources = Sources::default();
    for path in paths {
        sources.add(path);
    }
    sources.trees.sort_by_key(|it| it.single);
    let mut loaded = Loaded {
        errors: sources.errors,
        ..Loaded::default()
    };
    for path in &sources.sets {
        loaded.read_set(path);
    }
    for at in 0..sources.trees.len() {
        loaded.compile(&sources.trees, at);
    }
    let Loaded { set, mut errors, .. } = loaded;
    if errors.is_empty() {
        return Ok(set);
    }
    errors.sort();
    errors.dedup();
    Err(errors)
}

/// Reads descriptors and builds their schema.
pub fn schema(paths: &[PathBuf]) -> Result<Arc<Schema>, Vec<LoadError>> {
    build(&load(paths)?).map_err(|error| {
        vec![match error {
            SchemaError::UnknownType { name, file } => {
                LoadError::new(Path::new(&file), format!("`{name}` is declared nowhere"))
            }
            SchemaError::Invalid { file, reason } => LoadError::new(Path::new(&file), reason),
        }]
    })
}

// === what the paths lead to ===

/// `.proto` files below one import root, by the names under which they are imported.
#[derive(Debug)]
struct Tree {
    root: PathBuf,
    names: Vec<String>,
    /// A file that was named by itself: a directory above it knows better what its name is.
    single: bool,
}

#[derive(Debug, Default)]
struct Sources {
    trees: Vec<Tree>,
    sets: Vec<PathBuf>,
    errors: Vec<LoadError>,
}

const SET_EXTENSIONS: [&str; 4] = ["binpb", "fds", "pb", "protoset"];

fn extension(path: &Path) -> &str {
    path.extension().and_then(|it| it.to_str()).unwrap_or_default()
}

impl Sources {
    fn add(&mut self, path: &Path) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                return self
                    .errors
                    .push(LoadError::new(path, format!("cannot be read: {error}")));
            }
        };
        if metadata.is_dir() {
            self.add_directory(path);
        } else if extension(path) == "proto" {
            let Some(name) = path.file_name().and_then(|it| it.to_str()) else {
                return self.errors.push(LoadError::new(path, "has a name that is not UTF-8"));
            };
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            self.trees.push(Tree {
                root,
                names: vec![name.to_owned()],
                single: true,
            });
        } else if SET_EXTENSIONS.contains(&extension(path)) {
            self.sets.push(path.to_owned());
        } else {
            let message = "is neither a directory, a .proto file nor a descriptor set (.binpb, .fds, .pb, .protoset)";
            self.errors.push(LoadError::new(path, message));
        }
    }

    fn add_directory(&mut self, root: &Path) {
        let (mut names, n_before) = (Vec::new(), self.sets.len() + self.errors.len());
        self.walk(root, "", &mut names, &mut HashSet::new());
        if names.is_empty() && self.sets.len() + self.errors.len() == n_before {
            self.errors
                .push(LoadError::new(root, "holds neither .proto files nor descriptor sets"));
        }
        // Of the names that links give to one file, the shortest is meant.
        names.sort_by_cached_key(|it| (it.matches('/').count(), it.clone()));
        let mut places = HashSet::new();
        names.retain(|it| fs::canonicalize(root.join(it)).map_or(true, |it| places.insert(it)));
        self.trees.push(Tree {
            root: root.to_owned(),
            names,
            single: false,
        });
    }

    /// Collects what lies below a directory, in order of names. `seen` guards against links that lead back up.
    fn walk(&mut self, directory: &Path, prefix: &str, names: &mut Vec<String>, seen: &mut HashSet<PathBuf>) {
        let canonical = fs::canonicalize(directory);
        let entries = canonical.and_then(|it| {
            if seen.insert(it) {
                fs::read_dir(directory)?.collect()
            } else {
                Ok(Vec::new())
            }
        });
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                return self
                    .errors
                    .push(LoadError::new(directory, format!("cannot be read: {error}")));
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str() else {
                self.errors.push(LoadError::new(&path, "has a name that is not UTF-8"));
                continue;
            };
            // Hidden entries are editors' and Kubernetes' (`..data` holds what the visible links lead to).
            if name.starts_with('.') {
                continue;
            }
            let full_name = if prefix.is_empty() {
                name.to_owned()
            } else {
                format!("{prefix}/{name}")
            };
            if path.is_dir() {
                self.walk(&path, &full_name, names, seen);
            } else if extension(&path) == "proto" {
                names.push(full_name);
            } else if SET_EXTENSIONS.contains(&extension(&path)) {
                self.sets.push(path);
            }
        }
    }
}

/// A set without what only this module may say.
pub(super) fn from_outside(mut set: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut set.file {
        file.path = None;
    }
    set
}

// === what they hold ===

/// What was read so far.
#[derive(Default)]
struct Loaded {
    set: FileDescriptorSet,
    /// The descriptor sets as they were read, with what is not decoded here.
    encoded_sets: Vec<Vec<u8>>,
    /// The real places of the files that were compiled.
    places: HashSet<PathBuf>,
    /// The names of the files without a place.
    placeless: HashSet<String>,
    errors: Vec<LoadError>,
}

impl Loaded {
    fn read_set(&mut self, path: &Path) {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                return self
                    .errors
                    .push(LoadError::new(path, format!("cannot be read: {error}")));
            }
        };
        match FileDescriptorSet::decode(bytes.as_slice()) {
            Ok(set) if set.file.is_empty() || set.file.iter().any(|it| it.name().is_empty()) => {
                self.errors.push(LoadError::new(
                    path,
                    "is no FileDescriptorSet: it has no files with names",
                ));
            }
            Ok(set) => {
                self.placeless.extend(set.file.iter().map(|it| it.name().to_owned()));
                self.set.file.extend(from_outside(set).file);
                self.encoded_sets.push(bytes);
            }
            Err(error) => self
                .errors
                .push(LoadError::new(path, format!("is no FileDescriptorSet: {error}"))),
        }
    }

    /// Compiles the files of one tree that were not compiled yet.
    fn compile(&mut self, trees: &[Tree], at: usize) {
        let Some(tree) = trees.get(at) else { return };
        let others = trees.iter().enumerate().filter(|(it, _)| *it != at).map(|(_, it)| it);
        let roots: Vec<&Path> = std::iter::once(tree)
            .chain(others)
            .map(|it| it.root.as_path())
            .collect();
        let mut compiler = self.compiler(&roots);
        for name in &tree.names {
            let path = tree.root.join(name);
            if is_of_compilers(name) || fs::canonicalize(&path).is_ok_and(|it| self.places.contains(&it)) {
                continue;
            }
            if let Err(error) = compiler.open_file(name) {
                self.errors.extend(explain(&error, &path, &roots));
            }
        }
        let set = match FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice()) {
            Ok(set) => from_outside(set),
            Err(error) => {
                return self
                    .errors
                    .push(LoadError::new(&tree.root, format!("cannot be compiled: {error}")));
            }
        };
        let places: HashMap<&str, Option<&Path>> = compiler.files().map(|it| (it.name(), it.path())).collect();
        for mut file in set.file {
            let is_new = if let Some(place) = places.get(file.name()).copied().flatten() {
                file.path = Some(place.display().to_string());
                self.places
                    .insert(fs::canonicalize(place).unwrap_or_else(|_| place.to_owned()))
            } else {
                self.placeless.insert(file.name().to_owned())
            };
            if is_new {
                self.set.file.push(file);
            }
        }
    }

    /// A compiler that finds google/protobuf in protox, other imports in the roots, among the well-known files, in the sets.
    fn compiler(&self, roots: &[&Path]) -> Compiler {
        let mut resolver = ChainFileResolver::new();
        resolver.add(GoogleFileResolver::new());
        for root in roots {
            resolver.add(RootResolver {
                root: (*root).to_owned(),
            });
        }
        resolver.add(EmbeddedResolver);
        for set in &self.encoded_sets {
            // The sets were decoded before: this cannot fail on what they say.
            if let Ok(set) = DescriptorSetFileResolver::decode(set.as_slice()) {
                resolver.add(set);
            }
        }
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.include_imports(true).include_source_info(true);
        compiler
    }
}

/// Whether a tree has a copy of a file that belongs to compilers: it is built in, or nothing that can be read here needs it.
fn is_of_compilers(name: &str) -> bool {
    let of_languages = |it: &str| it.starts_with("compiler/") || it.ends_with("_features.proto");
    is_of_protobuf(name) || name.strip_prefix("google/protobuf/").is_some_and(of_languages)
}

/// Finds files below one directory, and none outside of it.
#[derive(Debug)]
struct RootResolver {
    root: PathBuf,
}

impl FileResolver for RootResolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if Path::new(name)
            .components()
            .all(|it| matches!(it, Component::Normal(_)))
        {
            File::open(name, &self.root.join(name))
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

/// protox's error as ours: a mistake may stand in a file that the compiled one imports, and there may be several.
fn explain(error: &protox::Error, compiled: &Path, roots: &[&Path]) -> Vec<LoadError> {
    let path = error
        .file()
        .and_then(|name| roots.iter().map(|it| it.join(name)).find(|it| it.is_file()));
    let path = path.unwrap_or_else(|| compiled.to_owned());
    if error.is_parse() && is_of_edition(&path) {
        let message = "editions are not read from .proto files; give a descriptor set, as `buf build -o all.binpb` or `protoc --include_imports -o all.binpb` writes it";
        return vec![LoadError::new(&path, message)];
    }
    let one = |it: &dyn Diagnostic| {
        let help = it.help().map(|help| format!("; {help}")).unwrap_or_default();
        LoadError {
            path: path.clone(),
            position: position(error, it),
            message: format!("{it}{help}"),
        }
    };
    // An I/O error says what happened in its source only.
    let mut first = one(error);
    if error.is_io() {
        first.message = format!("{error:?}");
    }
    std::iter::once(first)
        .chain(error.related().into_iter().flatten().map(one))
        .collect()
}

/// Line and column of the place that a mistake is about.
fn position(error: &protox::Error, mistake: &dyn Diagnostic) -> Option<(u32, u32)> {
    let labels: Vec<LabeledSpan> = mistake.labels()?.collect();
    // Of two labels, one shows the earlier declaration that the later is at odds with.
    let is_earlier = |it: &&LabeledSpan| {
        it.label()
            .is_some_and(|it| it.contains("first") || it.contains("defined"))
    };
    let label = labels.iter().find(|it| !is_earlier(it)).or(labels.last())?;
    let contents = error.source_code()?.read_span(label.inner(), 0, 0).ok()?;
    let from_one = |it: usize| u32::try_from(it).ok()?.checked_add(1);
    Some((from_one(contents.line())?, from_one(contents.column())?))
}

/// Whether a .proto file begins with an edition, which protox does not read.
fn is_of_edition(path: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    let statement = |it: &str| {
        it.trim_start()
            .strip_prefix("edition")
            .is_some_and(|it| it.trim_start().starts_with('='))
    };
    text.lines().any(statement)
}

#[cfg(test)]
mod tests;
