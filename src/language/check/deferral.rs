//! Which replies need not be checked when they arrive: those that the response renders whole, and that nothing else reads.
//!
//! Rendering looks at every byte and refuses what does not decode, so that checking first would be the same work twice.
//! Invariant: a reply whose check is deferred is read by rendering alone.

use crate::expr::Slot;
use crate::plan::{
    Call, CallIndex, CallKind, Graph, GrpcCall, Member, ReplyCheck, Response, ResponseBody, Status, Template,
};

/// Defers the checks that rendering makes anyway.
pub(super) fn defer_checks(graph: &mut Graph, response: &Response) {
    let only_body = matches!(response.status, Status::Default | Status::Fixed(_))
        && response.headers.is_empty()
        && response.cookies.is_empty()
        && response.tags.is_empty()
        && response.invalidates.is_empty();
    let nested = graph
        .calls
        .iter()
        .any(|it| matches!(it.kind, CallKind::For(_) | CallKind::Compose { .. }));
    if !only_body || nested {
        return;
    }
    let rendered = rendered_whole(&response.body);
    let read: Vec<CallIndex> = reads(graph);
    for (at, call) in graph.calls.iter_mut().enumerate() {
        let once = rendered.iter().filter(|it| **it == call.slot).count() == 1;
        if once
            && !read.contains(&CallIndex(at))
            && must_succeed(call)
            && let CallKind::Grpc(grpc) = &mut call.kind
            && is_plain(grpc)
        {
            grpc.check = ReplyCheck::WhenRendered;
        }
    }
}

/// A failure of the call is the endpoint's, whenever it shows; and no form of the reply is kept.
fn must_succeed(call: &Call) -> bool {
    !call.optional
        && call.fallback.is_none()
        && !call.stale
        && call.error_slot.is_none()
        && call.index_by.is_none()
        && call.cache.is_none()
        && call.errors.is_empty()
}

/// The reply is rendered from its bytes, by the program of its own type.
fn is_plain(grpc: &GrpcCall) -> bool {
    grpc.reply.well_known.is_none()
}

/// What calls and requires mention.
fn reads(graph: &Graph) -> Vec<CallIndex> {
    let calls = graph
        .calls
        .iter()
        .flat_map(|it| it.needs.iter().chain(it.fallback.iter().flat_map(|it| &it.needs)));
    let requires = graph.require.iter().flat_map(|it| &it.needs);
    calls.chain(requires).map(|it| it.call).collect()
}

/// The slots that a body consists of; none where anything else stands in it.
fn rendered_whole(body: &ResponseBody) -> Vec<Slot> {
    let ResponseBody::Json(template) = body else {
        return Vec::new();
    };
    let slot = |template: &Template| match template {
        Template::Expression { program, .. } => program.is_slot(),
        _ => None,
    };
    match template {
        Template::Object(members) => members
            .iter()
            .map(|it| match it {
                Member::Field {
                    condition: None,
                    template,
                    ..
                } => slot(template),
                Member::Field { .. } | Member::Spread { .. } => None,
            })
            .collect::<Option<Vec<Slot>>>()
            .unwrap_or_default(),
        other => slot(other).into_iter().collect(),
    }
}
