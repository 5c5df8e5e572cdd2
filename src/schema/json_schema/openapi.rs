//! OpenAPI 3.0 and 3.1: operations, found by their id or by method and path, and what they take and give.

use std::path::Path;
use std::sync::Arc;

use super::draft::{self, Source};
use super::library::{Dialect, Library, Location, SchemaError, normal};
use super::tree::Tree;
use super::{JsonTypeRef, Place};
use crate::schema::suggest::did_you_mean;

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `GET`.
    pub method: Arc<str>,
    /// `/products/{id}/reviews`.
    pub path: Arc<str>,
    /// `operationId`.
    pub id: Option<Arc<str>>,
    /// Where it was written.
    pub place: Place,
    /// What it answers when all is well.
    pub reply: Payload,
    /// What it is sent; none where it takes no body.
    pub body: Option<Payload>,
    /// Parameters of all kinds.
    pub parameters: Vec<Parameter>,
}

impl Operation {
    /// Whether a path is one of this operation, whatever the server puts before it; `None` is a segment that is known only when
    /// a request runs.
    pub fn is_at(&self, segments: &[Option<&str>]) -> bool {
        let wanted: Vec<&str> = self.path.split('/').skip(1).collect();
        let fits = |wanted: &str, found: Option<&str>| wanted.contains('{') || found.is_none_or(|it| it == wanted);
        let own = segments
            .len()
            .checked_sub(wanted.len())
            .and_then(|it| segments.get(it..));
        own.is_some_and(|own| wanted.iter().zip(own).all(|(wanted, found)| fits(wanted, *found)))
    }
}

/// A parameter of an operation.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Arc<str>,
    /// `query`, `header`, `path` or `cookie`.
    pub location: Arc<str>,
    /// It must be sent.
    pub required: bool,
    /// What it is, where that is said.
    pub ty: Option<JsonTypeRef>,
}

/// The content of a request or reply.
#[derive(Clone, Debug)]
pub enum Payload {
    /// JSON of this type; none where the document does not say which.
    Json(Option<JsonTypeRef>),
    /// Nothing.
    None,
    /// Only other media types, of which this is the first.
    Other(Arc<str>),
}

/// Methods that a path item may have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

impl Library {
    /// The operation with this id.
    pub fn operation(&mut self, path: &Path, id: &str) -> Result<Operation, SchemaError> {
        let all = self.operations(path)?;
        let found = all.iter().find(|it| self.id(it).is_some_and(|it| &*it == id)).cloned();
        let Some(found) = found else {
            let ids: Vec<_> = all.iter().filter_map(|it| self.id(it)).collect();
            return Err(SchemaError {
                hint: did_you_mean(id, ids.iter().map(|it| &**it)),
                ..SchemaError::new(format!("`{}` has no operation `{id}`", normal(path).display()))
            });
        };
        self.read_operation(found)
    }

    /// The operation with this method and path. Each part of `segments` is one segment of a path, `None` where it is known only when
    /// a request runs. Of several that match, the one with most literal segments.
    pub fn operation_at(
        &mut self,
        path: &Path,
        method: &str,
        segments: &[Option<&str>],
    ) -> Result<Option<Operation>, SchemaError> {
        let all = self.operations(path)?;
        let bases = self.bases(path)?;
        let best = all
            .into_iter()
            .filter(|it| it.method.eq_ignore_ascii_case(method))
            .filter_map(|it| {
                let literal = bases.iter().find_map(|base| literals(base, &it.path, segments))?;
                Some((literal, it))
            })
            .max_by_key(|(literal, _)| *literal);
        best.map(|(_, it)| self.read_operation(it)).transpose()
    }

    /// The paths of servers, before those of operations.
    fn bases(&mut self, path: &Path) -> Result<Vec<String>, SchemaError> {
        let root = self.root(path)?;
        let servers = self.tree(&root).and_then(|it| it.get("servers")).map(Tree::items);
        let mut bases: Vec<String> = servers
            .unwrap_or_default()
            .iter()
            .filter_map(|it| it.text_of("url"))
            .map(|url| {
                let path = match url.split_once("://") {
                    Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
                    None => url,
                };
                path.trim_end_matches('/').to_owned()
            })
            .collect();
        bases.push(String::new());
        Ok(bases)
    }

    fn root(&mut self, path: &Path) -> Result<Location, SchemaError> {
        let root = Location {
            document: self.load(path)?,
            pointer: "".into(),
        };
        if self.document(&root).is_none_or(|it| it.dialect == Dialect::JsonSchema) {
            return Err(SchemaError::new(format!(
                "`{}` is no OpenAPI document, and has no operations",
                normal(path).display()
            )));
        }
        Ok(root)
    }

    fn operations(&mut self, path: &Path) -> Result<Vec<Found>, SchemaError> {
        let paths = self.root(path)?.below("paths");
        let items: Vec<Arc<str>> = self
            .tree(&paths)
            .map(|it| it.members().iter().map(|(path, _)| path.clone()).collect())
            .unwrap_or_default();
        let mut all = Vec::new();
        for path in items {
            let item = self.followed(paths.below(&path))?;
            for method in METHODS {
                let at = item.below(method);
                if self.tree(&at).is_some() {
                    all.push(Found {
                        at,
                        item: item.clone(),
                        method,
                        path: path.clone(),
                    });
                }
            }
        }
        Ok(all)
    }

    /// Where a reference leads, if one stands here.
    fn followed(&mut self, mut location: Location) -> Result<Location, SchemaError> {
        for _ in 0..64 {
            let Some(text) = self.tree(&location).and_then(|it| it.text_of("$ref")).cloned() else {
                break;
            };
            location = self.resolve(&location, &text)?;
        }
        Ok(location)
    }

    fn id(&self, found: &Found) -> Option<Arc<str>> {
        self.tree(&found.at)?.text_of("operationId").cloned()
    }

    fn read_operation(&mut self, found: Found) -> Result<Operation, SchemaError> {
        let id = self.id(&found);
        let place = self.place(&found.at);
        let body = found.at.below("requestBody");
        let body = if self.tree(&body).is_some() {
            let body = self.followed(body)?;
            Some(self.payload(&body)?)
        } else {
            None
        };
        let reply = match self.response(&found)? {
            Some(response) => self.payload(&response)?,
            None => Payload::Json(None),
        };
        let mut parameters: Vec<Parameter> = Vec::new();
        for list in [found.item.below("parameters"), found.at.below("parameters")] {
            let n_items = self.tree(&list).map_or(0, |it| it.items().len());
            for at in 0..n_items {
                let at = self.followed(list.below(&at.to_string()))?;
                let Some(tree) = self.tree(&at) else { continue };
                let (Some(name), Some(location)) = (tree.text_of("name"), tree.text_of("in")) else {
                    continue;
                };
                let (name, location) = (name.clone(), location.clone());
                let required = tree.get("required").is_some_and(Tree::is_true);
                let schema = at.below("schema");
                let ty = match self.tree(&schema) {
                    Some(_) => Some(draft::types(self, Source::At(schema))?),
                    None => None,
                };
                let parameter = Parameter {
                    name,
                    location,
                    required,
                    ty,
                };
                parameters.retain(|it| it.name != parameter.name || it.location != parameter.location);
                parameters.push(parameter);
            }
        }
        Ok(Operation {
            method: found.method.to_ascii_uppercase().into(),
            path: found.path,
            id,
            place,
            reply,
            body,
            parameters,
        })
    }

    /// What is answered when all is well: 200, or the least of 2xx, or `2XX`, or `default`.
    fn response(&mut self, found: &Found) -> Result<Option<Location>, SchemaError> {
        let responses = found.at.below("responses");
        let members = self.tree(&responses).map(Tree::members).unwrap_or_default();
        let mut statuses: Vec<&str> = members.iter().map(|(status, _)| &**status).collect();
        statuses.sort_by_key(|it| match *it {
            "200" => (0, ""),
            "2XX" | "2xx" => (2, ""),
            "default" => (3, ""),
            it if it.starts_with('2') => (1, it),
            _ => (4, ""),
        });
        let best = statuses
            .first()
            .filter(|it| it.starts_with('2') || **it == "default")
            .map(|it| responses.below(it));
        best.map(|it| self.followed(it)).transpose()
    }

    fn payload(&mut self, holder: &Location) -> Result<Payload, SchemaError> {
        let content = holder.below("content");
        let media: Vec<Arc<str>> = self
            .tree(&content)
            .map(|it| it.members().iter().map(|(media, _)| media.clone()).collect())
            .unwrap_or_default();
        let Some(first) = media.first() else {
            return Ok(Payload::None);
        };
        let rank = |media: &str| {
            let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            match &*essence {
                "application/json" => Some(0),
                it if it.ends_with("+json") => Some(1),
                "application/*" | "*/*" => Some(2),
                _ => None,
            }
        };
        let best = media
            .iter()
            .filter_map(|it| Some((rank(it)?, it)))
            .min_by_key(|it| it.0);
        let Some((_, media)) = best else {
            return Ok(Payload::Other(first.clone()));
        };
        let schema = self.followed(content.below(media))?.below("schema");
        if self.tree(&schema).is_none() {
            return Ok(Payload::Json(None));
        }
        draft::types(self, Source::At(schema)).map(|it| Payload::Json(Some(it)))
    }
}

/// An operation that was found.
#[derive(Clone, Debug)]
struct Found {
    at: Location,
    item: Location,
    method: &'static str,
    path: Arc<str>,
}

/// How many segments of a template are literal, where it matches.
fn literals(base: &str, template: &str, segments: &[Option<&str>]) -> Option<usize> {
    let whole = format!("{base}{template}");
    let template: Vec<&str> = whole.split('/').skip(1).collect();
    if template.len() != segments.len() {
        return None;
    }
    let mut literal = 0;
    for (wanted, found) in template.iter().zip(segments) {
        match (wanted.contains('{'), found) {
            (true, _) => {}
            (false, Some(found)) if found == wanted => literal += 1,
            _ => return None,
        }
    }
    Some(literal)
}
