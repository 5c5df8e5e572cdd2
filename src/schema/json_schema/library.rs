//! Which files are read, and what references mean: relative files, `$id`, `$anchor`, JSON pointers (RFC 6901, JSON Schema 2020-12 §8).
//!
//! Nothing is fetched: a reference leads to a file beside its own, or to an `$id` of a file that was read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::draft;
use super::tree::{self, Tree};
use super::{JsonTypeRef, Place};
use crate::schema::suggest::did_you_mean;

/// The largest file that is read, bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The files that were read, by path.
#[derive(Debug, Default)]
pub struct Library {
    documents: Vec<Document>,
    paths: HashMap<PathBuf, usize>,
    /// The files that were asked for, those that could not be read included.
    wanted: Vec<PathBuf>,
    /// Schemas by their absolute `$id`.
    ids: HashMap<String, Location>,
}

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SchemaError {
    /// One sentence.
    pub reason: String,
    /// "did you mean `getReviews`?"; may be empty.
    pub hint: String,
    /// Where in the files of schemas; none for a file that cannot be read.
    pub place: Option<Place>,
    /// A file is not there, or cannot be read.
    pub is_unreadable: bool,
}

#[derive(Debug)]
pub(super) struct Document {
    pub(super) path: PathBuf,
    /// The path as messages show it.
    pub(super) shown: Arc<str>,
    pub(super) tree: Arc<Tree>,
    pub(super) dialect: Dialect,
    digest: [u8; 32],
    /// `$anchor` by the resource that it stands in and its name.
    anchors: HashMap<(Arc<str>, Arc<str>), Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    JsonSchema,
    /// OpenAPI 3.0: `nullable`, and nothing beside `$ref`.
    OpenApi30,
    /// OpenAPI 3.1: JSON Schema 2020-12.
    OpenApi31,
}

/// A value of a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Location {
    pub(super) document: usize,
    /// RFC 6901.
    pub(super) pointer: Arc<str>,
}

// === impl SchemaError ===

impl SchemaError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: String::new(),
            place: None,
            is_unreadable: false,
        }
    }
}

// === impl Location ===

impl Location {
    pub(super) fn below(&self, step: &str) -> Self {
        let step = step.replace('~', "~0").replace('/', "~1");
        Self {
            document: self.document,
            pointer: format!("{}/{step}", self.pointer).into(),
        }
    }
}

// === impl Library ===

impl Library {
    /// The type that a JSON Schema file describes, or a part of it (`/$defs/Order`, an `$anchor`, or nothing for the whole).
    pub fn schema(&mut self, path: &Path, fragment: &str) -> Result<JsonTypeRef, SchemaError> {
        let root = Location {
            document: self.load(path)?,
            pointer: "".into(),
        };
        let location = self.fragment(&root, fragment)?;
        draft::types(self, draft::Source::At(location))
    }

    /// Whether a file holds an OpenAPI document.
    pub fn is_openapi(&mut self, path: &Path) -> Result<bool, SchemaError> {
        let document = self.load(path)?;
        Ok(self
            .documents
            .get(document)
            .is_some_and(|it| it.dialect != Dialect::JsonSchema))
    }

    /// Whether a file is read as OpenAPI 3.0, whose schemas are not quite JSON Schema.
    pub fn is_openapi30(&mut self, path: &Path) -> Result<bool, SchemaError> {
        let document = self.load(path)?;
        Ok(self
            .documents
            .get(document)
            .is_some_and(|it| it.dialect == Dialect::OpenApi30))
    }

    /// The files that were read, or would have been.
    pub fn into_files(self) -> Vec<PathBuf> {
        self.wanted
    }

    /// Whole files by their `$id`.
    pub(super) fn named(&self) -> Vec<(String, PathBuf)> {
        let whole = self.ids.iter().filter(|(_, location)| location.pointer.is_empty());
        whole
            .filter_map(|(id, location)| Some((id.clone(), self.document(location)?.path.clone())))
            .collect()
    }

    /// Reads a file once.
    pub(super) fn load(&mut self, path: &Path) -> Result<usize, SchemaError> {
        let path = normal(path);
        if let Some(known) = self.paths.get(&path) {
            return Ok(*known);
        }
        self.wanted.push(path.clone());
        let shown = path.display().to_string();
        let unreadable = |error: &dyn std::fmt::Display| SchemaError {
            is_unreadable: true,
            ..SchemaError::new(format!("`{shown}` cannot be read: {error}"))
        };
        let size = std::fs::metadata(&path).map_err(|error| unreadable(&error))?.len();
        if size > MAX_BYTES {
            return Err(unreadable(&"it is larger than 16 MiB"));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&error))?;
        let tree = tree::parse(&text).map_err(|error| unreadable(&error))?;
        if tree.get("swagger").is_some() {
            return Err(SchemaError::new(format!(
                "`{shown}` is Swagger 2.0; OpenAPI 3.0 and 3.1 are read"
            )));
        }
        let dialect = match tree.text_of("openapi") {
            Some(version) if version.starts_with("3.0") => Dialect::OpenApi30,
            Some(_) => Dialect::OpenApi31,
            None => Dialect::JsonSchema,
        };
        let at = self.documents.len();
        let mut document = Document {
            path: path.clone(),
            shown: shown.into(),
            tree: Arc::new(tree),
            dialect,
            digest: Sha256::digest(&text).into(),
            anchors: HashMap::new(),
        };
        let tree = document.tree.clone();
        self.index(at, &mut document, &tree, &Resource::default(), "");
        self.documents.push(document);
        self.paths.insert(path, at);
        Ok(at)
    }

    /// Notes every `$id` and `$anchor`.
    fn index(&mut self, at: usize, document: &mut Document, tree: &Tree, resource: &Resource, pointer: &str) {
        let mut resource = resource.clone();
        if let Some(id) = tree.text_of("$id") {
            resource = Resource {
                root: pointer.into(),
                id: Some(joined(resource.id.as_deref(), id)),
            };
            if let Some(id) = &resource.id {
                let location = Location {
                    document: at,
                    pointer: pointer.into(),
                };
                self.ids.insert(id.trim_end_matches('#').to_owned(), location);
            }
        }
        for key in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = tree.text_of(key) {
                document
                    .anchors
                    .insert((resource.root.clone(), name.clone()), pointer.into());
            }
        }
        let start = Location {
            document: at,
            pointer: pointer.into(),
        };
        for (key, member) in tree.members() {
            // What stands in these is data.
            if !matches!(&**key, "const" | "default" | "enum" | "example" | "examples") {
                self.index(at, document, member, &resource, &start.below(key).pointer);
            }
        }
        for (number, item) in tree.items().iter().enumerate() {
            self.index(at, document, item, &resource, &start.below(&number.to_string()).pointer);
        }
    }

    pub(super) fn document(&self, location: &Location) -> Option<&Document> {
        self.documents.get(location.document)
    }

    pub(super) fn tree(&self, location: &Location) -> Option<&Tree> {
        self.document(location)?.tree.at(&location.pointer)
    }

    pub(super) fn place(&self, location: &Location) -> Place {
        Place {
            file: self.document(location).map_or_else(|| "".into(), |it| it.shown.clone()),
            line: self.tree(location).map_or(0, |it| it.line),
        }
    }

    /// Changes with each of these files.
    pub(super) fn digest(&self, documents: impl Iterator<Item = usize>) -> [u8; 32] {
        let mut digest = Sha256::new();
        for document in documents.filter_map(|it| self.documents.get(it)) {
            digest.update(document.digest);
        }
        digest.finalize().into()
    }

    /// What `$ref: text` at a place refers to.
    pub(super) fn resolve(&mut self, from: &Location, text: &str) -> Result<Location, SchemaError> {
        let (uri, fragment) = text.split_once('#').unwrap_or((text, ""));
        let resource = self.resource(from);
        let root = if uri.is_empty() {
            Ok(Location {
                document: from.document,
                pointer: resource.root,
            })
        } else {
            self.resolve_uri(from, &resource, uri)
        };
        root.and_then(|root| self.fragment(&root, fragment)).map_err(|error| {
            let place = Some(self.place(from));
            SchemaError {
                reason: format!("`{text}` refers to nothing: {}", error.reason),
                place,
                ..error
            }
        })
    }

    fn resolve_uri(&mut self, from: &Location, resource: &Resource, uri: &str) -> Result<Location, SchemaError> {
        let absolute = joined(resource.id.as_deref(), uri);
        if let Some(found) = self.ids.get(&absolute) {
            return Ok(found.clone());
        }
        if is_absolute(uri) {
            return Err(SchemaError::new(format!("no file that was read has the `$id` `{uri}`")));
        }
        // An `$id` names a schema on the web, whose files lie beside each other here.
        let file = percent_decode_str(uri).decode_utf8_lossy().into_owned();
        let folder = self
            .document(from)
            .and_then(|it| it.path.parent())
            .unwrap_or(Path::new(""));
        let path = folder.join(file);
        let document = self.load(&path)?;
        Ok(Location {
            document,
            pointer: "".into(),
        })
    }

    /// The nearest schema around a place that has an `$id`, or the document.
    fn resource(&self, at: &Location) -> Resource {
        let mut resource = Resource::default();
        let Some(document) = self.document(at) else {
            return resource;
        };
        let ends = at
            .pointer
            .match_indices('/')
            .map(|(end, _)| end)
            .chain([at.pointer.len()]);
        for end in ends {
            let pointer = at.pointer.get(..end).unwrap_or_default();
            if let Some(id) = document.tree.at(pointer).and_then(|it| it.text_of("$id")) {
                resource = Resource {
                    root: pointer.into(),
                    id: Some(joined(resource.id.as_deref(), id)),
                };
            }
        }
        resource
    }

    /// A part of a resource: by pointer or by anchor.
    pub(super) fn fragment(&self, root: &Location, fragment: &str) -> Result<Location, SchemaError> {
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        let document = self.document(root);
        let shown = document.map_or("", |it| &it.shown);
        let pointer = if fragment.is_empty() {
            root.pointer.clone()
        } else if fragment.starts_with('/') {
            format!("{}{fragment}", root.pointer).into()
        } else {
            let key = (root.pointer.clone(), Arc::from(&*fragment));
            if let Some(pointer) = document.and_then(|it| it.anchors.get(&key)) {
                pointer.clone()
            } else {
                let anchors = document.into_iter().flat_map(|it| it.anchors.keys()).map(|it| &*it.1);
                return Err(SchemaError {
                    hint: did_you_mean(&fragment, anchors),
                    ..SchemaError::new(format!("`{shown}` has no `$anchor` `{fragment}`"))
                });
            }
        };
        let location = Location {
            document: root.document,
            pointer,
        };
        if self.tree(&location).is_some() {
            return Ok(location);
        }
        let (parent, last) = location.pointer.rsplit_once('/').unwrap_or_default();
        let siblings = document.and_then(|it| it.tree.at(parent)).map(Tree::members);
        let names = siblings.unwrap_or_default().iter().map(|(name, _)| &**name);
        Err(SchemaError {
            hint: did_you_mean(&last.replace("~1", "/").replace("~0", "~"), names),
            ..SchemaError::new(format!("`{shown}` has no `#{}`", location.pointer))
        })
    }
}

/// A schema that is known by an `$id`, or a document.
#[derive(Clone, Debug)]
struct Resource {
    root: Arc<str>,
    id: Option<String>,
}

impl Default for Resource {
    fn default() -> Self {
        Self {
            root: "".into(),
            id: None,
        }
    }
}

fn is_absolute(uri: &str) -> bool {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|it| it.len() > 1 && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it)))
}

/// A URI reference against its base (RFC 3986 §5), as far as names of schemas need it.
fn joined(base: Option<&str>, uri: &str) -> String {
    let Some(base) = base.filter(|_| !is_absolute(uri)) else {
        return uri.to_owned();
    };
    let authority = base.find("://").map_or(0, |at| at + 3);
    let path_start = base
        .get(authority..)
        .and_then(|it| it.find('/'))
        .map_or(base.len(), |at| authority + at);
    let (head, path) = base.split_at(path_start);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let whole = if uri.starts_with('/') {
        uri.to_owned()
    } else {
        format!("{folder}/{uri}")
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in whole.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    format!("{head}/{}", segments.join("/"))
}

/// A path without `.` and inner `..`.
pub(super) fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
