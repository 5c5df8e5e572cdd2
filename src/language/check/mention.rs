//! Free names of expressions → what they mention, and the sentences for those that mean nothing.

use std::sync::Arc;

use http::HeaderName;

use super::field_mask::given_body;
use super::outline::{CallId, GraphId, Meaning, Outline, Reads, name_taken};
use super::walk::Site;
use super::world::listed;
use crate::expr::ast::Mention;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{SourceMap, Span};
use crate::language::spec::{Expression, Name};
use crate::plan::RequestPart;
use crate::schema::suggest;

/// Paths into the body that are mentioned, each with its place.
pub(super) type BodyMentions = Vec<(Vec<Arc<str>>, Span)>;

/// An input that is mentioned (semantics.md 5.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Input {
    /// By its place among the params.
    Param(usize),
    /// A part of the body.
    Body,
    /// A header of the request, lower case.
    Header(String),
    Id,
    Method,
    Path,
    RemoteIp,
    /// A claim, by its path; all of them where that is empty.
    Claim(Vec<String>),
}

impl Input {
    /// As the plan has it; `None` for params, the body and claims.
    pub(super) fn request_part(&self) -> Option<RequestPart> {
        Some(match self {
            Self::Param(_) | Self::Body | Self::Claim(_) => return None,
            Self::Header(name) => RequestPart::Header(HeaderName::from_bytes(name.as_bytes()).ok()?),
            Self::Id => RequestPart::Id,
            Self::Method => RequestPart::Method,
            Self::Path => RequestPart::Path,
            Self::RemoteIp => RequestPart::RemoteIp,
        })
    }
}

/// The part of the request that a path behind `request` names, and how many steps that takes.
pub(super) fn request_input(path: &[&str]) -> Option<(Input, usize)> {
    Some(match (path.first().copied()?, path.get(1)) {
        ("headers", Some(name)) => (Input::Header(name.to_ascii_lowercase()), 2),
        ("id", _) => (Input::Id, 1),
        ("method", _) => (Input::Method, 1),
        ("path", _) => (Input::Path, 1),
        ("remote_ip", _) => (Input::RemoteIp, 1),
        _ => return None,
    })
}

/// Resolves mentions, and collects what only the whole composition can tell.
#[derive(Debug)]
pub(super) struct Mentioner<'d> {
    sources: &'d SourceMap,
    vars: &'d [Arc<str>],
    diagnostics: &'d mut Diagnostics,
    asked: Vec<CallId>,
    body: BodyMentions,
}

impl<'d> Mentioner<'d> {
    pub(super) fn new(sources: &'d SourceMap, vars: &'d [Arc<str>], diagnostics: &'d mut Diagnostics) -> Self {
        Self {
            sources,
            vars,
            diagnostics,
            asked: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Calls that `error(…)` asks about, and parts of the body with their places.
    pub(super) fn into_found(self) -> (Vec<CallId>, BodyMentions) {
        (self.asked, self.body)
    }

    /// Every mention of an expression.
    pub(super) fn site(&mut self, outline: &Outline<'_>, graph: GraphId, site: &Site<'_, '_>, into: &mut Reads) {
        self.check_local(outline, graph, site);
        if let Some(body) = given_body(site.expression)
            && !outline.is_fragment()
            && outline.meaning(graph, site.locals.iter().map(|it| &*it.value), &body) == Some(Meaning::Body)
        {
            // Which of its members are there is asked, not what is in them.
            into.inputs.insert(Input::Body);
            return;
        }
        for mention in site.expression.ast.mentions() {
            self.mention((outline, graph), site, &mention, into);
        }
    }

    /// A name of `after:`.
    pub(super) fn after(&mut self, outline: &Outline<'_>, graph: GraphId, name: &Name) -> Option<CallId> {
        match outline.meaning(graph, std::iter::empty(), &name.value) {
            Some(Meaning::Call(call)) => Some(call),
            Some(_) => {
                let title = format!("`{}` is not a call", name.value);
                self.diagnostics
                    .push(Diagnostic::new("unknown-call", name.span, title).label("`after` waits for calls"));
                None
            }
            None => {
                self.unknown(outline, graph, (&name.value, &[]), name.span, &str::to_owned);
                None
            }
        }
    }

    /// The innermost variable of `$for` may not be the name of anything else in scope.
    fn check_local(&mut self, outline: &Outline<'_>, graph: GraphId, site: &Site<'_, '_>) {
        let Some((variable, outer)) = site.locals.split_last() else {
            return;
        };
        let of_graphs = outline.chain(graph).filter_map(|it| outline.graph(it).variable);
        let first = outer
            .iter()
            .copied()
            .chain(of_graphs)
            .find(|it| it.value == variable.value)
            .map(|it| it.span);
        let words = ["auth", "body", "request", "vars"];
        if let Some(first) = outline.taken(&variable.value).or(first) {
            self.diagnostics.push(name_taken(&variable.value, variable.span, first));
        } else if words.contains(&&*variable.value) {
            let title = format!("the name `{}` is taken", variable.value);
            self.diagnostics
                .push(Diagnostic::new("name-taken", variable.span, title));
        }
    }

    fn mention(
        &mut self,
        (outline, graph): (&Outline<'_>, GraphId),
        site: &Site<'_, '_>,
        mention: &Mention,
        into: &mut Reads,
    ) {
        let expression = site.expression;
        let span = expression.span(mention.span);
        let locals = site.locals.iter().map(|it| &*it.value);
        let Some(meaning) = outline.meaning(graph, locals, &mention.root) else {
            let sources = self.sources;
            let written = |part: &str| written(sources, expression, (mention, 1), part);
            self.unknown(outline, graph, (&mention.root, &mention.path), span, &written);
            return;
        };
        if mention.error_only && !matches!(meaning, Meaning::Call(_)) {
            let title = format!("`{}` is not a call", mention.root);
            self.diagnostics
                .push(Diagnostic::new("wrong-type", span, title).label("`error(…)` asks about a call"));
        }
        let closed = outline.is_fragment() && matches!(meaning, Meaning::Auth | Meaning::Body | Meaning::Request);
        if closed {
            let title = format!("`{}` cannot be seen in a fragment", mention.root);
            self.diagnostics.push(
                Diagnostic::new("unknown-name", span, title)
                    .label("a fragment sees its `with` values and nothing else: pass it"),
            );
            return;
        }
        match meaning {
            Meaning::Auth => match &outline.auth {
                Some(asked) => {
                    let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
                    let consumed = asked.claim(&path).consumed;
                    into.inputs.insert(Input::Claim(mention.path[..consumed].to_vec()));
                }
                None => self.diagnostics.push(
                    Diagnostic::new("no-auth", span, "`auth` needs `auth:`")
                        .label("this endpoint does not say who may ask"),
                ),
            },
            Meaning::Body => {
                into.inputs.insert(Input::Body);
                self.body
                    .push((mention.path.iter().map(|it| Arc::from(it.as_str())).collect(), span));
            }
            Meaning::Call(call) => {
                into.add_call(call);
                if mention.error_only {
                    self.asked.push(call);
                }
            }
            Meaning::Param(param) => drop(into.inputs.insert(Input::Param(param))),
            Meaning::Request => self.request(expression, mention, span, into),
            Meaning::Vars => self.constant(expression, mention, span),
            Meaning::Local(_) | Meaning::Variable(_) => {}
        }
    }

    fn request(&mut self, expression: &Expression, mention: &Mention, span: Span, into: &mut Reads) {
        let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
        match request_input(&path) {
            Some((Input::Header(name), _)) if HeaderName::from_bytes(name.as_bytes()).is_err() => {
                let title = format!("`{name}` is not the name of a header");
                self.diagnostics.push(Diagnostic::new(
                    "wrong-header",
                    step_span(expression, mention, 1),
                    title,
                ));
            }
            Some((input, _)) => drop(into.inputs.insert(input)),
            None if path.first() == Some(&"headers") => self.diagnostics.push(
                Diagnostic::new("computed-header-name", span, "the name of a header must be written out")
                    .label("headers by literal names only")
                    .help(written(
                        self.sources,
                        expression,
                        (mention, 2),
                        "request.headers[\"accept-language\"]",
                    )),
            ),
            None => {
                let known = ["headers", "id", "method", "path", "remote_ip"];
                let place = path.first().copied().and_then(location);
                let label = match (place, path.first().and_then(|it| suggest::nearest(it, known))) {
                    (Some(place), _) => format!("what comes from the {place} is declared under `params:`"),
                    (None, Some(near)) => format!("did you mean `{near}`?"),
                    (None, None) if path.first() == Some(&"body") => "the body is `body`".to_owned(),
                    (None, None) => format!("it has {}", listed(known)),
                };
                let title = match path.first() {
                    Some(step) => format!("`request` has no `{step}`"),
                    None => "`request` is not a value".to_owned(),
                };
                let mut wrong = Diagnostic::new("unknown-field", step_span(expression, mention, 0), title).label(label);
                wrong.help = place.map(|place| declaration(path.get(1).copied().unwrap_or("name"), place));
                self.diagnostics.push(wrong);
            }
        }
    }

    fn constant(&mut self, expression: &Expression, mention: &Mention, span: Span) {
        let names = || self.vars.iter().map(|it| &**it);
        match mention.path.first() {
            Some(name) if names().any(|it| it == name) => {}
            Some(name) => {
                let label = match suggest::nearest(name, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "not among `vars:` of weft.yaml".to_owned(),
                };
                let title = format!("there is no constant `{name}`");
                self.diagnostics
                    .push(Diagnostic::new("unknown-name", step_span(expression, mention, 0), title).label(label));
            }
            None => self.diagnostics.push(
                Diagnostic::new("unknown-name", span, "`vars` is not a value")
                    .label("write one of its constants: `vars.name`"),
            ),
        }
    }

    /// A name that means nothing, and the steps behind it; `written` is what stands there with the name and one step changed.
    fn unknown(
        &mut self,
        outline: &Outline<'_>,
        graph: GraphId,
        (name, path): (&str, &[String]),
        span: Span,
        written: &dyn Fn(&str) -> String,
    ) {
        let inner = outline
            .calls
            .iter()
            .find(|it| &*it.spec.name.value == name)
            .and_then(|it| outline.graph(it.graph).parent);
        let variable = outline
            .graphs
            .iter()
            .find(|it| it.variable.is_some_and(|it| &*it.value == name))
            .and_then(|it| it.parent);
        let mut is_nothing_like_it = inner.or(variable).is_none()
            && !outline.is_fragment()
            && location(name).is_none()
            && crate::language::spec::scalar::check_name(name).is_ok()
            && !matches!(
                name,
                "headers" | "calls" | "response" | "reply" | "result" | "results" | "steps" | "item" | "it" | "this"
            );
        let label = match (inner.or(variable), name) {
            (Some(around), _) => format!(
                "visible only inside `for` of `{}`",
                outline.call(around).spec.name.value
            ),
            (None, "env" | "file") => format!("`${{{name}.…}}` is read only in weft.yaml"),
            (None, "headers") => "headers are parts of `request`".to_owned(),
            (None, "calls" | "response" | "reply" | "result" | "results" | "steps") => {
                "results stand under the names of their calls".to_owned()
            }
            (None, "item" | "it" | "this") => "the element of a loop has the name that the loop gives it".to_owned(),
            (None, _) if location(name).is_some() => "inputs are written by their names alone".to_owned(),
            (None, "stale") => "the last good reply is the whole of a fallback: `fallback: $stale`".to_owned(),
            (None, "true" | "false" | "null") => String::new(),
            (None, _) => match outline.nearest(graph, name) {
                Some(near) => {
                    is_nothing_like_it = false;
                    format!("did you mean `{near}`?")
                }
                None => match outline.visible(graph).as_slice() {
                    [] => "no input and no call has this name".to_owned(),
                    names => format!("in scope are {}", listed(names.iter().copied())),
                },
            },
        };
        let title = match name {
            "env" | "file" => format!("`{name}` means something only in weft.yaml"),
            _ => format!("nothing here is named `{name}`"),
        };
        let mut wrong = Diagnostic::new("unknown-name", span, title).label(label);
        wrong.help = match (path.first(), location(name)) {
            (Some(header), _) if name == "headers" => Some(written(&format!("request.headers[{header:?}]"))),
            (Some(input), Some(_)) if outline.params.iter().any(|it| *it.name == **input) => Some(written(input)),
            (Some(input), Some(place)) => Some(declaration(input, place)),
            _ => is_nothing_like_it.then(|| format!("as an input it is declared: {}", declaration(name, "query"))),
        };
        self.diagnostics.push(wrong);
    }
}

/// The scalar with `part` in place of a name and of so many steps behind it.
fn written(sources: &SourceMap, expression: &Expression, (mention, steps): (&Mention, usize), part: &str) -> String {
    let source = expression.source();
    let mut end = mention.span.end as usize;
    for _ in 0..steps {
        let rest = source.get(end..).unwrap_or_default();
        end += match rest.strip_prefix('.') {
            Some(name) => name
                .find(|it: char| !it.is_ascii_alphanumeric() && it != '_')
                .map_or(rest.len(), |it| it + 1),
            None => rest.find(']').map_or(0, |it| it + 1),
        };
    }
    let end = u32::try_from(end).unwrap_or(mention.span.end);
    let range = (expression.offset + mention.span.start, expression.offset + end);
    sources.rewritten(expression.file, &expression.text, range, part)
}

/// Where inputs come from, by the names that other gateways have for it.
fn location(name: &str) -> Option<&'static str> {
    Some(match name {
        "cookie" | "cookies" => "cookie",
        "args" | "inputs" | "params" | "query" => "query",
        _ => return None,
    })
}

/// What declares an input.
fn declaration(name: &str, location: &str) -> String {
    let plain: String = name
        .chars()
        .map(|it| {
            if it.is_ascii_alphanumeric() {
                it.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if plain == name {
        format!("params: {{ {name}: {{ in: {location} }} }}")
    } else {
        format!("params: {{ {plain}: {{ in: {location}, name: {name} }} }}")
    }
}

/// The place of the n-th literal step behind a mentioned name, as far as it can be found in the text.
fn step_span(expression: &Expression, mention: &Mention, n: usize) -> Span {
    let whole = expression.span(mention.span);
    let Some(step) = mention.path.get(n) else { return whole };
    let mut from = mention.span.end as usize;
    let source = expression.source();
    for before in &mention.path[..n] {
        match source.get(from..).and_then(|it| it.find(before.as_str())) {
            Some(at) => from += at + before.len(),
            None => return whole,
        }
    }
    let Some(at) = source.get(from..).and_then(|it| it.find(step.as_str())) else {
        return whole;
    };
    let (Ok(start), Ok(len)) = (u32::try_from(from + at), u32::try_from(step.len())) else {
        return whole;
    };
    expression.span(crate::expr::Span {
        start,
        end: start + len,
    })
}
