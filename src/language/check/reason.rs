//! Mentions as the plan tells them to people: who waits for what, and which expression of which line says so.

use std::sync::Arc;

use super::mention::request_input;
use super::outline::{CallId, GraphId, Meaning, ROOT};
use super::unit::Unit;
use super::walk::{Site, Walker, Want, Wants};
use crate::expr::ast::Mention as Named;
use crate::language::spec::Name;
use crate::plan::{Dependency, Mention, Mentioned};

impl Unit<'_, '_> {
    /// What the keys of a call mention, inner calls left out.
    pub(super) fn mentions_of_call(&self, id: CallId) -> Vec<Mention> {
        let node = self.outline.call(id);
        let mut found = Vec::new();
        Walker::new(Vec::new(), |site| self.mentions_at(node.graph, site, &mut found))
            .call(node.spec, &Wants::default());
        for (name, call) in node.spec.after.iter().zip(&node.after) {
            found.extend(self.dependency(node.graph, *call).map(|it| Mention {
                key: "after".into(),
                of: Mentioned::Call(it),
                expression: name.value.clone(),
                builds: false,
                origin: self.origin(name.span),
            }));
        }
        found
    }

    /// What the result of a graph mentions; of the composition itself status, headers and cookies too.
    pub(super) fn mentions_of_result(&self, graph: GraphId) -> Vec<Mention> {
        let mut found = Vec::new();
        let mut walker = Walker::new(Vec::new(), |site| self.mentions_at(graph, site, &mut found));
        let free = Want::Free;
        if graph != ROOT {
            if let Some(it) = self.outline.graph(graph).result {
                walker.at("response", None).template(it, &free);
            }
            drop(walker);
            return found;
        }
        let spec = self.outline.spec;
        if let Some(it) = &spec.response {
            walker.at("response", None).template(it, &free);
        }
        if let Some(it) = &spec.status {
            walker.at("status", None).template(it, &free);
        }
        for (name, it) in &spec.headers {
            walker.at("headers", Some(name)).template(it, &free);
        }
        for it in &spec.cookies {
            walker.at("cookies", Some(&it.name)).template(&it.value, &free);
        }
        for it in spec.invalidate.iter().flat_map(|it| &it.value) {
            walker.at("invalidate", None).template(it, &free);
        }
        drop(walker);
        found
    }

    /// What one `require` mentions.
    pub(super) fn mentions_of_require(&self, at: usize) -> Vec<Mention> {
        let mut found = Vec::new();
        let mut walker = Walker::new(Vec::new(), |site| self.mentions_at(ROOT, site, &mut found));
        if let Some(it) = self.outline.spec.require.get(at) {
            walker.at("require", None).condition(&it.that);
            if let Some(detail) = &it.detail {
                walker.at("detail", None).template(detail, &Want::Free);
            }
        }
        drop(walker);
        found
    }

    fn mentions_at(&self, graph: GraphId, site: &Site<'_, '_>, found: &mut Vec<Mention>) {
        let first = found.len();
        for it in site.expression.ast.mentions() {
            let Some(of) = self.mentioned(graph, site, &it) else {
                continue;
            };
            if found[first..].iter().any(|known| known.of == of) {
                continue;
            }
            found.push(Mention {
                key: key(site.key),
                of,
                expression: site.expression.source().trim().into(),
                builds: site.expression.ast.builds(),
                origin: self.origin(site.expression.whole()),
            });
        }
    }

    fn mentioned(&self, graph: GraphId, site: &Site<'_, '_>, named: &Named) -> Option<Mentioned> {
        let locals = site.locals.iter().map(|it| &*it.value);
        Some(match self.outline.meaning(graph, locals, &named.root)? {
            Meaning::Body => Mentioned::Input(path("body", &named.path)),
            Meaning::Call(call) => Mentioned::Call(self.dependency(graph, call)?),
            Meaning::Param(at) => Mentioned::Input(self.outline.params[at].name.clone()),
            Meaning::Request => {
                let steps: Vec<&str> = named.path.iter().map(String::as_str).collect();
                let (_, taken) = request_input(&steps)?;
                match steps.as_slice() {
                    ["headers", name, ..] => Mentioned::Input(format!("request.headers[{name:?}]").into()),
                    _ => Mentioned::Input(path("request", &named.path[..taken])),
                }
            }
            Meaning::Variable(of) => Mentioned::Element(self.outline.chain(graph).position(|around| around == of)?),
            Meaning::Auth => {
                let steps: Vec<&str> = named.path.iter().map(String::as_str).collect();
                let consumed = self.outline.auth.as_ref()?.claim(&steps).consumed;
                Mentioned::Input(path("auth", &named.path[..consumed]))
            }
            Meaning::Local(_) | Meaning::Vars => return None,
        })
    }

    fn dependency(&self, graph: GraphId, call: CallId) -> Option<Dependency> {
        let node = self.outline.call(call);
        let level = self.outline.chain(graph).position(|around| around == node.graph)?;
        Some(Dependency {
            level,
            call: node.index,
        })
    }
}

fn key((key, member): (&'static str, Option<&Name>)) -> Arc<str> {
    match member {
        Some(member) => format!("{key}.{}", member.value).into(),
        None => key.into(),
    }
}

fn path(root: &str, steps: &[String]) -> Arc<str> {
    std::iter::once(root)
        .chain(steps.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(".")
        .into()
}
