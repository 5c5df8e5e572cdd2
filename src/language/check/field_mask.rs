//! `$used_fields()` and `$given_fields(body)`: masks in the requests of gRPC calls.
//!
//! They are no functions of expressions: what they give is known of the composition as a whole, or of the request.

use super::template::Typed;
use super::unit::{BodyState, Purpose, Scope, Unit};
use super::walk::{Walker, Wants};
use crate::expr::{PlaceType, Program, Renderer, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::spec::{Call, Expression};
use crate::plan::{self, CallKind, Graph, Mask, Used};
use crate::schema::WellKnown;

const USED: &str = "used_fields";
const GIVEN: &str = "given_fields";

/// The name in `given_fields(name)`.
pub(super) fn given_body(expression: &Expression) -> Option<String> {
    match expression.ast.as_call()? {
        (GIVEN, args) => match args.as_slice() {
            [only] if only.path.is_empty() => Some(only.root.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the request of a call names the fields that are used.
pub(super) fn is_in(call: &Call) -> bool {
    let mut found = false;
    Walker::new(Vec::new(), |site| {
        found |= site.key.0 == "request" && matches!(site.expression.ast.as_call(), Some((USED, _)));
    })
    .call(call, &Wants::default());
    found
}

/// Writes the masks of a graph and of those inside it, once all that reads its calls is there.
pub(super) fn fill(graph: &mut Graph, used: impl FnOnce(&Graph) -> Used) {
    fn all(graph: &Graph, used: &Used, found: &mut Vec<Vec<Mask>>) {
        found.push(used.masks(graph));
        for call in &graph.calls {
            if let CallKind::For(each) = &call.kind {
                all(&each.graph, used, found);
            }
        }
    }
    fn put(graph: &mut Graph, masks: &mut dyn Iterator<Item = Vec<Mask>>) {
        graph.masks = masks.next().unwrap_or_default();
        for call in &mut graph.calls {
            if let CallKind::For(each) = &mut call.kind {
                put(&mut each.graph, masks);
            }
        }
    }
    fn has_some(graph: &Graph) -> bool {
        let mut calls = graph.calls.iter();
        !graph.masks.is_empty() || calls.any(|it| matches!(&it.kind, CallKind::For(each) if has_some(&each.graph)))
    }
    if !has_some(graph) {
        return;
    }
    let mut masks = Vec::new();
    all(graph, &used(graph), &mut masks);
    put(graph, &mut masks.into_iter());
}

impl Unit<'_, '_> {
    /// Checks a mask; `None` where the expression is something else.
    pub(super) fn field_mask(
        &mut self,
        expression: &Expression,
        place: Option<&PlaceType>,
        scope: &Scope,
    ) -> Option<Typed> {
        let (name, args) = expression.ast.as_call()?;
        if !matches!(name, USED | GIVEN) {
            return None;
        }
        let is_mask = |it: &&PlaceType| matches!(&it.ty.kind, TypeKind::Message(it) if it.well_known == Some(WellKnown::FieldMask));
        let (Some(place), Purpose::Request, Some(call)) = (place.filter(is_mask), scope.purpose, scope.request_of)
        else {
            let title = format!("`{name}` gives a `google.protobuf.FieldMask`");
            self.push(
                Diagnostic::new("wrong-type", expression.whole(), title)
                    .label("it stands by itself in a field of that type, in the `request` of a gRPC call"),
            );
            return Some(Typed::poison());
        };
        let slot = if name == USED {
            if !args.is_empty() {
                let title = "`used_fields` is about the reply of the call that it stands in";
                self.push(Diagnostic::new("wrong-type", expression.whole(), title).help("$used_fields()"));
                return Some(Typed::poison());
            }
            self.state(call).mask_slot
        } else if given_body(expression).as_deref() == Some("body") {
            self.given(expression)
        } else {
            let title = "`given_fields` takes the body of the request";
            self.push(Diagnostic::new("wrong-type", expression.whole(), title).help("$given_fields(body)"));
            None
        };
        let Some(slot) = slot else {
            return Some(Typed::poison());
        };
        let ty = place.ty.clone().not_null();
        Some(Typed {
            template: plan::Template::Expression {
                program: Program::slot(slot),
                renderer: Renderer::compile(&ty, self.options),
                origin: self.origin(expression.whole()),
            },
            ty,
        })
    }

    fn given(&mut self, expression: &Expression) -> Option<crate::expr::Slot> {
        if self.inputs.given.is_none() {
            let label = match &self.inputs.body {
                BodyState::Whole(..) => "the body fills no field of a message type as a whole",
                BodyState::Bytes(_) => "the body is bytes",
                BodyState::Members(_) => "where a member of the body goes is not where it comes from",
                BodyState::None => "nothing else reads the body",
            };
            self.push(
                Diagnostic::new(
                    "wrong-type",
                    expression.whole(),
                    "which fields the body can give is not known",
                )
                .label(label)
                .help("let the whole body fill a field of the request: `product: $body`"),
            );
        }
        self.inputs.given
    }
}
