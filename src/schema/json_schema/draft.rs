//! Schemas → shapes: what the keywords say together.
//!
//! A schema is the meeting of its own keywords, what it refers to, each of `allOf`, and the union of `anyOf` and `oneOf`. Where
//! that is no one shape, it is `Any`. Keywords that only constrain (lengths, patterns, `not`, `if`) say nothing of a shape.
//! Types are drafted once for each set of schemas that meet, so that recursion ends.

mod merge;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::library::{Dialect, Library, Location, SchemaError};
use super::tree::{Tree, TreeKind};
use super::{JsonType, JsonTypeRef, JsonTypes, MemberShape, ObjectShape, Place, Shape, TypeIndex};

use merge::{meet, union};

/// The most types that one schema may reach; what lies beyond is `Any`.
const MAX_TYPES: usize = 20_000;

/// What a type is drafted from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source {
    All(Vec<Self>),
    Anything,
    At(Location),
    Either(Vec<Self>),
}

/// What is known of a value so far.
#[derive(Clone, Debug)]
struct Draft {
    kind: Kind,
    /// Null is a value.
    null: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Anything,
    Bool,
    Bytes,
    Integer {
        min: i128,
        max: i128,
        text: bool,
    },
    List(Source),
    Map(Source),
    /// Only null.
    Nothing,
    Number,
    Object(Members),
    Text,
    Timestamp,
    Words(Vec<Arc<str>>),
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Members {
    /// Name, type, and whether it is always there.
    named: Vec<(Arc<str>, Source, bool)>,
    rest: Option<Source>,
}

/// The types that a schema reaches.
pub(super) fn types(library: &mut Library, root: Source) -> Result<JsonTypeRef, SchemaError> {
    let mut drafter = Drafter {
        library,
        known: HashMap::new(),
        open: VecDeque::new(),
        documents: BTreeSet::new(),
    };
    drafter.index(root)?;
    let mut nodes = Vec::new();
    while let Some(source) = drafter.open.pop_front() {
        let draft = drafter.draft(&source, &mut Vec::new())?;
        nodes.push(drafter.finish(&source, draft)?);
    }
    let fingerprint = drafter.library.digest(drafter.documents.iter().copied());
    Ok(JsonTypeRef::root(Arc::new(JsonTypes { nodes, fingerprint })))
}

// === impl Source ===

impl Source {
    /// All of these together.
    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = BTreeSet::new();
        for part in parts {
            match part {
                Self::All(inner) => flat.extend(inner),
                Self::Anything => {}
                other => {
                    flat.insert(other);
                }
            }
        }
        match flat.len() {
            0 => Self::Anything,
            1 => flat.pop_first().unwrap_or(Self::Anything),
            _ => Self::All(flat.into_iter().collect()),
        }
    }

    /// One of these.
    fn either(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = BTreeSet::new();
        for part in parts {
            match part {
                Self::Either(inner) => flat.extend(inner),
                Self::Anything => return Self::Anything,
                other => {
                    flat.insert(other);
                }
            }
        }
        match flat.len() {
            1 => flat.pop_first().unwrap_or(Self::Anything),
            _ => Self::Either(flat.into_iter().collect()),
        }
    }

    fn first(&self) -> Option<&Location> {
        match self {
            Self::Anything => None,
            Self::At(location) => Some(location),
            Self::All(parts) | Self::Either(parts) => parts.iter().find_map(Self::first),
        }
    }
}

// === impl Draft ===

impl Draft {
    const ANYTHING: Self = Self {
        kind: Kind::Anything,
        null: true,
    };

    fn of(kind: Kind) -> Self {
        Self { kind, null: false }
    }
}

struct Drafter<'l> {
    library: &'l mut Library,
    known: HashMap<Source, TypeIndex>,
    open: VecDeque<Source>,
    documents: BTreeSet<usize>,
}

impl Drafter<'_> {
    /// The index of a type, which is drafted when its turn comes.
    fn index(&mut self, source: Source) -> Result<TypeIndex, SchemaError> {
        let source = match source {
            Source::At(location) => Source::At(self.behind_references(location)?),
            _ if self.known.len() >= MAX_TYPES => Source::Anything,
            other => other,
        };
        if let Some(known) = self.known.get(&source) {
            return Ok(*known);
        }
        let index = TypeIndex(self.known.len());
        self.known.insert(source.clone(), index);
        self.open.push_back(source);
        Ok(index)
    }

    /// The schema that a mere reference stands for, so that it has its name.
    fn behind_references(&mut self, mut location: Location) -> Result<Location, SchemaError> {
        for _ in 0..64 {
            let Some(tree) = self.library.tree(&location) else {
                break;
            };
            let mere = tree.members().iter().all(|(key, _)| {
                matches!(
                    &**key,
                    "$ref" | "description" | "summary" | "title" | "example" | "examples" | "deprecated"
                )
            });
            let Some(text) = tree.text_of("$ref").filter(|_| mere).cloned() else {
                break;
            };
            location = self.library.resolve(&location, &text)?;
        }
        Ok(location)
    }

    /// Drafts a type. `around` are the schemas that are being drafted: one that needs itself to be known says nothing.
    fn draft(&mut self, source: &Source, around: &mut Vec<Location>) -> Result<Draft, SchemaError> {
        match source {
            Source::Anything => Ok(Draft::ANYTHING),
            Source::All(parts) => {
                let mut whole = Draft::ANYTHING;
                for part in parts {
                    whole = meet(whole, self.draft(part, around)?);
                }
                Ok(whole)
            }
            Source::Either(parts) => {
                let mut whole = None;
                for part in parts {
                    let part = self.draft(part, around)?;
                    whole = Some(match whole {
                        None => part,
                        Some(whole) => union(whole, part),
                    });
                }
                Ok(whole.unwrap_or(Draft::ANYTHING))
            }
            Source::At(location) => {
                if around.contains(location) || around.len() > 64 {
                    return Ok(Draft::ANYTHING);
                }
                self.documents.insert(location.document);
                around.push(location.clone());
                let draft = self.schema(location, around);
                around.pop();
                draft
            }
        }
    }

    fn schema(&mut self, location: &Location, around: &mut Vec<Location>) -> Result<Draft, SchemaError> {
        let dialect = self.library.document(location).map(|it| it.dialect);
        let Some(tree) = self.library.tree(location).cloned() else {
            return Ok(Draft::ANYTHING);
        };
        match &tree.kind {
            TreeKind::Bool(_) => return Ok(Draft::ANYTHING),
            TreeKind::Map(_) => {}
            _ => {
                let place = Some(self.library.place(location));
                return Err(SchemaError {
                    place,
                    ..SchemaError::new("a schema is an object, `true` or `false`")
                });
            }
        }
        let nullable = dialect == Some(Dialect::OpenApi30) && tree.get("nullable").is_some_and(Tree::is_true);
        let reference = tree.text_of("$ref").cloned();
        let mut whole = match reference {
            Some(_) if dialect == Some(Dialect::OpenApi30) => Draft::ANYTHING,
            _ => own(location, &tree),
        };
        if let Some(text) = reference {
            let target = self.library.resolve(location, &text)?;
            whole = meet(whole, self.draft(&Source::At(target), around)?);
        }
        let parts = |key: &str| {
            let list = location.below(key);
            let n_parts = tree.get(key).map_or(0, |it| it.items().len());
            (0..n_parts).map(move |at| Source::At(list.below(&at.to_string())))
        };
        for part in parts("allOf") {
            whole = meet(whole, self.draft(&part, around)?);
        }
        for key in ["anyOf", "oneOf"] {
            let alternatives: Vec<_> = parts(key).collect();
            if !alternatives.is_empty() {
                whole = meet(whole, self.draft(&Source::Either(alternatives), around)?);
            }
        }
        whole.null |= nullable;
        Ok(whole)
    }

    fn finish(&mut self, source: &Source, draft: Draft) -> Result<JsonType, SchemaError> {
        let location = source.first();
        let tree = location.and_then(|it| self.library.tree(it));
        let description = tree.and_then(|it| it.text_of("description")).cloned();
        let dialect = location.and_then(|it| self.library.document(it)).map(|it| it.dialect);
        let (name, constraints) = match (source, tree) {
            (Source::At(location), Some(tree)) => (name(location, Some(tree)), constraints(tree, dialect)),
            _ => (None, Vec::new()),
        };
        let place = location.map_or_else(Place::default, |it| self.library.place(it));
        let key = format!("{source:?}").into();
        let shape = match draft.kind {
            Kind::Anything | Kind::Nothing => Shape::Any,
            Kind::Bool => Shape::Bool,
            Kind::Bytes => Shape::Bytes,
            Kind::Integer { min, max, text } => Shape::Integer { min, max, text },
            Kind::List(element) => Shape::List(self.index(element)?),
            Kind::Map(value) => Shape::Map(self.index(value)?),
            Kind::Number => Shape::Number,
            Kind::Object(members) => {
                let mut named = Vec::new();
                for (name, source, required) in members.named {
                    named.push(MemberShape {
                        name,
                        ty: self.index(source)?,
                        required,
                    });
                }
                let rest = members.rest.map(|it| self.index(it)).transpose()?;
                Shape::Object(ObjectShape { members: named, rest })
            }
            Kind::Text => Shape::Text,
            Kind::Timestamp => Shape::Timestamp,
            Kind::Words(words) => Shape::Words(words.into()),
        };
        Ok(JsonType {
            name,
            place,
            description,
            constraints,
            shape,
            nullable: draft.null,
            key,
        })
    }
}

/// Keywords that say nothing of a shape, and are passed on.
const CONSTRAINTS: [&str; 16] = [
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "uniqueItems",
    "example",
    "examples",
];

/// What a schema's own keywords demand, as JSON Schema 2020-12 says it.
fn constraints(tree: &Tree, dialect: Option<Dialect>) -> Vec<(&'static str, serde_json::Value)> {
    let is_openapi30 = dialect == Some(Dialect::OpenApi30);
    if is_openapi30 && tree.get("$ref").is_some() {
        return Vec::new();
    }
    let mut found: Vec<(&'static str, serde_json::Value)> = Vec::new();
    for key in CONSTRAINTS {
        let Some(value) = tree.get(key).map(Tree::to_json) else {
            continue;
        };
        match (key, value) {
            // In OpenAPI 3.0 these say that the other bound is not a value itself.
            ("exclusiveMaximum" | "exclusiveMinimum", serde_json::Value::Bool(is_exclusive)) => {
                let bound = if key == "exclusiveMaximum" {
                    "maximum"
                } else {
                    "minimum"
                };
                if let (true, Some(bound)) = (is_exclusive, tree.get(bound)) {
                    found.push((key, bound.to_json()));
                }
            }
            ("maximum" | "minimum", value) => {
                let exclusive = if key == "maximum" {
                    "exclusiveMaximum"
                } else {
                    "exclusiveMinimum"
                };
                if found.iter().all(|it| it.0 != exclusive) {
                    found.push((key, value));
                }
            }
            ("examples", serde_json::Value::Array(values)) => {
                if let (Some(first), true) = (values.into_iter().next(), found.iter().all(|it| it.0 != "example")) {
                    found.push(("example", first));
                }
            }
            ("examples", _) => {}
            (key, value) => found.push((key, value)),
        }
    }
    found
}

/// What a schema is called: its key among definitions, or a title that is a word.
fn name(location: &Location, tree: Option<&Tree>) -> Option<Arc<str>> {
    let mut steps = location.pointer.rsplit('/');
    let last = steps.next().unwrap_or_default();
    if matches!(steps.next(), Some("schemas" | "$defs" | "definitions")) {
        return Some(last.replace("~1", "/").replace("~0", "~").into());
    }
    let title = tree?.text_of("title")?;
    let is_word = title
        .bytes()
        .all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
    (is_word && !title.is_empty()).then(|| title.clone())
}

/// What a schema's own keywords say.
fn own(location: &Location, tree: &Tree) -> Draft {
    let types: Vec<&str> = match tree.get("type") {
        Some(Tree {
            kind: TreeKind::Text(it),
            ..
        }) => vec![it],
        Some(list) => list.items().iter().filter_map(|it| Some(&**it.text()?)).collect(),
        None => Vec::new(),
    };
    let values: Vec<&Tree> = match (tree.get("const"), tree.get("enum")) {
        (Some(only), _) => vec![only],
        (None, Some(list)) => list.items().iter().collect(),
        (None, None) => Vec::new(),
    };
    let is_null = |it: &&Tree| matches!(it.kind, TreeKind::Null);
    if types.is_empty() {
        if !values.is_empty() {
            let mut draft = one_of(&values);
            draft.null = values.iter().any(is_null);
            return draft;
        }
        let has = |keys: &[&str]| keys.iter().any(|it| tree.get(it).is_some());
        if has(&["properties", "required", "additionalProperties", "patternProperties"]) {
            return Draft::of(object(location, tree));
        }
        if has(&["items", "prefixItems"]) {
            return Draft::of(list(location, tree));
        }
        return Draft::ANYTHING;
    }
    let mut whole: Option<Draft> = None;
    for ty in types {
        let kind = match ty {
            "array" => Kind::List(list_element(location, tree)),
            "boolean" => Kind::Bool,
            "integer" => integer(tree.text_of("format").map(|it| &**it), false).unwrap_or(PLAIN),
            "null" => Kind::Nothing,
            "number" => Kind::Number,
            "object" => object(location, tree),
            "string" => text(tree),
            _ => Kind::Anything,
        };
        let null = kind == Kind::Nothing;
        let draft = Draft { kind, null };
        whole = Some(match whole {
            None => draft,
            Some(whole) => union(whole, draft),
        });
    }
    let whole = whole.unwrap_or(Draft::ANYTHING);
    if values.is_empty() {
        return whole;
    }
    let null = whole.null;
    Draft {
        null,
        ..meet(whole, one_of(&values))
    }
}

/// One of these values; null is the caller's business.
fn one_of(values: &[&Tree]) -> Draft {
    let words: Option<Vec<Arc<str>>> = values
        .iter()
        .filter(|it| !matches!(it.kind, TreeKind::Null))
        .map(|it| it.text().cloned())
        .collect();
    if let Some(words) = words.filter(|it| !it.is_empty()) {
        return Draft::of(Kind::Words(words));
    }
    let mut whole: Option<Draft> = None;
    for value in values {
        let kind = match &value.kind {
            TreeKind::Bool(_) => Kind::Bool,
            TreeKind::Null => continue,
            TreeKind::Number(digits) if digits.parse::<i64>().is_ok() => PLAIN,
            TreeKind::Number(_) => Kind::Number,
            TreeKind::Text(_) => Kind::Text,
            TreeKind::List(_) | TreeKind::Map(_) => Kind::Anything,
        };
        let draft = Draft::of(kind);
        whole = Some(match whole {
            None => draft,
            Some(whole) => union(whole, draft),
        });
    }
    whole.unwrap_or(Draft::ANYTHING)
}

/// Whole numbers without a format: those of 64 bits.
const PLAIN: Kind = Kind::Integer {
    min: i64::MIN as i128,
    max: i64::MAX as i128,
    text: false,
};

fn integer(format: Option<&str>, text: bool) -> Option<Kind> {
    let (min, max) = match format? {
        "int32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "int64" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        "uint32" => (0, i128::from(u32::MAX)),
        "uint64" => (0, i128::from(u64::MAX)),
        _ => return None,
    };
    Some(Kind::Integer { min, max, text })
}

fn text(tree: &Tree) -> Kind {
    let format = tree.text_of("format").map(|it| &**it);
    let encoding = tree.text_of("contentEncoding").map(|it| &**it);
    match (format, encoding) {
        (Some("date-time"), _) => Kind::Timestamp,
        (Some("byte"), _) | (_, Some("base64")) => Kind::Bytes,
        (format, _) => integer(format, true).unwrap_or(Kind::Text),
    }
}

fn list(location: &Location, tree: &Tree) -> Kind {
    Kind::List(list_element(location, tree))
}

fn list_element(location: &Location, tree: &Tree) -> Source {
    let first = tree.get("prefixItems").map_or(0, |it| it.items().len());
    let prefix = location.below("prefixItems");
    let first = (0..first).map(|at| Source::At(prefix.below(&at.to_string())));
    match tree.get("items") {
        Some(Tree {
            kind: TreeKind::Bool(false),
            ..
        }) => Source::either(first),
        Some(_) => Source::either(first.chain([Source::At(location.below("items"))])),
        None => Source::Anything,
    }
}

fn object(location: &Location, tree: &Tree) -> Kind {
    let mut members = Members::default();
    let below = location.below("properties");
    let required: Vec<&str> = tree
        .get("required")
        .map(|it| it.items().iter().filter_map(|it| Some(&**it.text()?)).collect())
        .unwrap_or_default();
    for (name, _) in tree.get("properties").map(Tree::members).unwrap_or_default() {
        let is_required = required.contains(&&**name);
        members
            .named
            .push((name.clone(), Source::At(below.below(name)), is_required));
    }
    for name in required {
        if members.named.iter().all(|(it, ..)| &**it != name) {
            members.named.push((name.into(), Source::Anything, true));
        }
    }
    let mut rest = Vec::new();
    let patterns = location.below("patternProperties");
    for (pattern, _) in tree.get("patternProperties").map(Tree::members).unwrap_or_default() {
        rest.push(Source::At(patterns.below(pattern)));
    }
    for key in ["additionalProperties", "unevaluatedProperties"] {
        match tree.get(key).map(|it| &it.kind) {
            None | Some(TreeKind::Bool(false)) => {}
            Some(TreeKind::Bool(true)) => rest.push(Source::Anything),
            Some(_) => rest.push(Source::At(location.below(key))),
        }
    }
    members.rest = (!rest.is_empty()).then(|| Source::either(rest));
    match members {
        Members { named, rest: None } if named.is_empty() => match tree.get("additionalProperties") {
            // Closed and empty.
            Some(_) => Kind::Object(Members::default()),
            // An object of any members: as it comes.
            None => Kind::Anything,
        },
        Members {
            named,
            rest: Some(rest),
        } if named.is_empty() => Kind::Map(rest),
        members => Kind::Object(members),
    }
}
