//! Inputs take the type of the place they fill (semantics.md 1.6): every bare use, and the type that all of them agree on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field_mask::given_body;
use super::outline::{CallId, GraphId, Meaning, Outline, ROOT};
use super::unit::Target;
use super::walk::{Role, Site, Walker, Want, Wants};
use crate::expr::{self, Binding, ExprError, Facts, IntRange, PlaceType, Resolve, Segment, Slot, Type, TypeKind};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Span;
use crate::language::spec::Condition;

/// A place that an input fills by itself.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// Its type; `None` for a query parameter or header, which has none.
    pub(super) place: Option<PlaceType>,
    pub(super) required: bool,
    pub(super) span: Span,
}

impl Use {
    fn takes_null(&self) -> bool {
        self.place.as_ref().is_none_or(|it| it.takes_null)
    }
}

/// Every bare use of every input.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// By param.
    pub(super) params: Vec<Vec<Use>>,
    /// By path into the body; the whole body has the empty path.
    pub(super) body: BTreeMap<Vec<Arc<str>>, Vec<Use>>,
    /// Somebody asks which fields of the body were given.
    pub(super) given: bool,
}

/// What each call's templates have to be.
pub(super) fn wants(target: &Target<'_>, has_index_by: bool) -> Wants {
    match target {
        Target::Grpc { input, output, .. } => Wants {
            request: Want::Place(
                PlaceType {
                    ty: Type::of_message(input),
                    takes_null: false,
                },
                false,
            ),
            fallback: if has_index_by {
                Want::Free
            } else {
                Want::Place(
                    PlaceType {
                        ty: Type::of_message(output),
                        takes_null: true,
                    },
                    false,
                )
            },
            with: Vec::new(),
        },
        Target::Fragment(fragment) => Wants {
            with: fragment
                .params
                .iter()
                .map(|it| (it.name.clone(), it.place.clone()))
                .collect(),
            ..Wants::default()
        },
        Target::Http(_, types) => {
            let want = |place: &Option<PlaceType>| place.clone().map_or(Want::Free, |it| Want::Place(it, false));
            let reply = types.reply.clone().map(|ty| PlaceType { ty, takes_null: true });
            Wants {
                request: want(&types.body),
                fallback: if has_index_by { Want::Free } else { want(&reply) },
                with: Vec::new(),
            }
        }
        Target::Inside | Target::Wrong => Wants::default(),
    }
}

/// Collects the bare uses.
pub(super) fn uses(outline: &Outline<'_>, targets: &[Target<'_>]) -> Uses {
    let mut uses = Uses {
        params: vec![Vec::new(); outline.params.len()],
        body: BTreeMap::new(),
        given: false,
    };
    each_site(outline, targets, |graph, site| {
        uses.given |= given_body(site.expression).is_some();
        let (place, required) = match &site.role {
            Role::Place(place, required) => (Some(place.clone()), *required),
            Role::Presence => (None, false),
            _ => return,
        };
        let Some(path) = site.expression.ast.as_path() else {
            return;
        };
        let locals = site.locals.iter().map(|it| &*it.value);
        let found = Use {
            place,
            required,
            span: site.expression.whole(),
        };
        match outline.meaning(graph, locals, &path.root) {
            Some(Meaning::Param(at)) if path.path.is_empty() => uses.params[at].push(found),
            Some(Meaning::Body) => {
                let path = path.path.iter().map(|it| Arc::from(it.as_str())).collect();
                uses.body.entry(path).or_default().push(found);
            }
            _ => {}
        }
    });
    uses
}

/// Every expression of a composition with the graph that it stands in.
fn each_site(outline: &Outline<'_>, targets: &[Target<'_>], mut visit: impl FnMut(GraphId, &Site<'_, '_>)) {
    for (at, node) in outline.calls.iter().enumerate() {
        let wants = targets
            .get(at)
            .map_or_else(Wants::default, |it| wants(it, node.spec.index_by.is_some()));
        Walker::new(outline.given(node.graph), |site| visit(node.graph, site))
            .call(outline.call(CallId(at)).spec, &wants);
    }
    for (at, graph) in outline.graphs.iter().enumerate() {
        let id = GraphId(at);
        if let Some(result) = graph.result {
            let given = outline.given(id);
            Walker::new(given, |site| visit(id, site)).template(result, &Want::Free);
        }
    }
    let spec = outline.spec;
    let mut walker = Walker::new(Vec::new(), |site| visit(ROOT, site));
    for it in spec.response.iter().chain(&spec.status) {
        walker.template(it, &Want::Free);
    }
    for it in spec
        .headers
        .iter()
        .map(|(_, it)| it)
        .chain(spec.cookies.iter().map(|it| &it.value))
        .chain(spec.invalidate.iter().flat_map(|it| &it.value))
    {
        walker.template(it, &Want::Presence);
    }
    for it in &spec.require {
        walker.condition(&it.that);
        if let Some(detail) = &it.detail {
            walker.template(detail, &Want::Free);
        }
    }
}

/// The type that all bare uses agree on; `None` where there is no typed one. `name` is for messages.
pub(super) fn agreed(name: &str, uses: &[Use], diagnostics: &mut Diagnostics) -> Option<Type> {
    let mut agreed: Option<(Type, Span)> = None;
    for it in uses {
        let Some(place) = &it.place else { continue };
        if matches!(place.ty.kind, TypeKind::Unknown) {
            continue;
        }
        agreed = match agreed {
            None => Some((place.ty.clone(), it.span)),
            // A place of any type asks for nothing.
            Some((ty, span)) if matches!(ty.kind, TypeKind::Any) => Some((place.ty.clone(), span)),
            Some(all) if matches!(place.ty.kind, TypeKind::Any) => Some(all),
            Some((ty, span)) => {
                let Some(both) = meet(&ty, &place.ty) else {
                    diagnostics.push(conflict(name, &ty, span, &place.ty, it.span));
                    return Some(Type::unknown());
                };
                Some((both, span))
            }
        };
    }
    agreed.map(|(ty, _)| ty.not_null())
}

/// The type whose values belong to both; ranges of integers intersect.
fn meet(a: &Type, b: &Type) -> Option<Type> {
    let kind = match (&a.kind, &b.kind) {
        (TypeKind::Int(a), TypeKind::Int(b)) => TypeKind::Int(intersection(*a, *b)),
        (TypeKind::Double { single: a }, TypeKind::Double { single: b }) => TypeKind::Double { single: *a && *b },
        (TypeKind::List(a), TypeKind::List(b)) => TypeKind::List(Arc::new(meet(a, b)?)),
        (a, b) if a == b => a.clone(),
        _ => return None,
    };
    Some(Type::of(kind))
}

/// The integers that are in both ranges.
pub(super) fn intersection(a: IntRange, b: IntRange) -> IntRange {
    IntRange {
        min: a.min.max(b.min),
        max: a.max.min(b.max),
        wide: a.wide && b.wide,
    }
}

fn conflict(name: &str, first: &Type, first_span: Span, second: &Type, second_span: Span) -> Diagnostic {
    let shown = |ty: &Type| ty.clone().not_null().to_string();
    let keyword = |ty: &Type| match &ty.kind {
        TypeKind::Int(_) => Some("int"),
        TypeKind::Double { .. } => Some("double"),
        TypeKind::String => Some("string"),
        TypeKind::Bool => Some("bool"),
        TypeKind::Timestamp => Some("timestamp"),
        TypeKind::Duration => Some("duration"),
        _ => None,
    };
    let title = format!(
        "`{name}` fills places of two types, `{}` and `{}`",
        shown(first),
        shown(second)
    );
    let conflict = Diagnostic::new("conflicting-use", second_span, title)
        .label(format!("here `{}` belongs", shown(second)))
        .other(first_span, format!("here `{}` belongs", shown(first)));
    match (&first.kind, &second.kind) {
        (kind, TypeKind::List(of)) if of.kind == *kind => return conflict.help(format!("[${name}]")),
        (TypeKind::List(of), kind) if of.kind == *kind => {
            return conflict.help(format!(
                "{name}: {{ type: {kind_name} }}, and [${name}] where the list belongs",
                kind_name = shown(second)
            ));
        }
        _ => {}
    }
    // The type of a body's member cannot be declared: it is what the other place says.
    if name.starts_with("body") {
        return match keyword(second) {
            Some(function) => conflict.help(format!("${function}({name})")),
            None => conflict,
        };
    }
    // Everything can be written as text, so that the other type is the one to declare.
    match (keyword(first), keyword(second)) {
        (Some("string"), Some(other)) | (Some(other), Some("string")) => conflict.help(format!(
            "{name}: {{ type: {other} }}, and $string({name}) where a string belongs"
        )),
        (Some(one), Some(other)) => conflict.help(format!(
            "{name}: {{ type: {one} }}, and ${other}({name}) where the other belongs"
        )),
        _ => conflict,
    }
}

/// What absence means where it is not refused: null, or the zero of the type.
pub(super) fn is_null_when_absent(uses: &[Use], ty: &Type) -> bool {
    // A repeated or map field that is absent is empty.
    !matches!(ty.kind, TypeKind::List(_) | TypeKind::Map(_)) && (uses.is_empty() || uses.iter().any(Use::takes_null))
}

/// Whether null is refused where a member of the body is used inside an expression (semantics.md 3.1). The member stands for
/// itself, everything else is poison.
pub(super) fn refuses_null(outline: &Outline<'_>, targets: &[Target<'_>], path: &[Arc<str>], ty: &Type) -> bool {
    let mut refused = false;
    each_site(outline, targets, |graph, site| {
        let is_member = |mention: &expr::ast::Mention| {
            mention.root == "body"
                && mention.path.len() >= path.len()
                && mention.path.iter().zip(path).all(|(a, b)| **a == **b)
        };
        if refused || !site.expression.ast.mentions().iter().any(is_member) {
            return;
        }
        let probe = Probe {
            outline,
            graph,
            path,
            ty: ty.clone().or_null(),
        };
        let mut facts = Facts::new();
        for given in site.given {
            if let Condition::Expression(given) = given
                && let Ok(checked) = expr::check::check(&given.ast, &probe, &facts)
            {
                facts.extend(checked.facts);
            }
        }
        let checked = match site.role {
            Role::Text => expr::check::check_text(&site.expression.ast, &probe, &facts),
            _ => expr::check::check(&site.expression.ast, &probe, &facts),
        };
        refused = match checked {
            Err(mistakes) => mistakes
                .iter()
                .any(|it| matches!(it.code, "maybe-null" | "null-does-not-fit")),
            Ok(checked) if !checked.ty.nullable => false,
            Ok(checked) => match &site.role {
                // A bare use takes its absence from the place.
                Role::Place(place, _) => {
                    !place.takes_null
                        && site.expression.ast.as_path().is_none()
                        && !matches!(checked.ty.kind, TypeKind::Unknown)
                }
                Role::Condition => true,
                _ => false,
            },
        };
    });
    refused
}

/// Names for a check in which only one member of the body is known.
struct Probe<'p, 'o> {
    outline: &'p Outline<'o>,
    graph: GraphId,
    path: &'p [Arc<str>],
    ty: Type,
}

impl Resolve for Probe<'_, '_> {
    fn resolve(&self, root: &str, path: &[Segment<'_>]) -> Result<Binding, ExprError> {
        let is_member =
            root == "body" && path.len() >= self.path.len() && path.iter().zip(self.path).all(|(a, b)| *a.name == **b);
        Ok(if is_member {
            Binding {
                consumed: self.path.len(),
                target: expr::Target::Slot(Slot(0)),
                ty: self.ty.clone(),
                rooted: None,
            }
        } else {
            Binding {
                consumed: 0,
                target: expr::Target::Slot(Slot(0)),
                ty: Type::unknown(),
                rooted: None,
            }
        })
    }

    fn error_of(&self, _call: &str) -> Result<Binding, ExprError> {
        Ok(Binding {
            consumed: 0,
            target: expr::Target::Slot(Slot(0)),
            ty: Type::unknown(),
            rooted: None,
        })
    }

    fn macro_slot(&self, depth: u32) -> Slot {
        Slot(depth)
    }

    fn is_taken(&self, name: &str) -> bool {
        self.outline.meaning(self.graph, std::iter::empty(), name).is_some()
    }
}
