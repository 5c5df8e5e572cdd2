//! One call, from its needs to its result: `when`, the request, and what stands in for a failure.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout_at;

use super::scope::Scope;
use super::{Failed, ReplySource, build, compose, each, exchange, graph, render};
use crate::expr::Value;
use crate::plan::{Call, CallIndex, CallKind, Fallback, GrpcCall, HttpCall, ReplyCheck, Start};
use crate::runtime::backend::{Failure, code};
use crate::runtime::watch::Event;
use crate::time::Deadline;

/// Runs a call and settles it. Fails where the call fails and nothing stands in for it.
pub(super) async fn run(scope: &Scope<'_>, index: CallIndex) -> Result<(), Box<Failed>> {
    let Some(call) = scope.call(index) else {
        return Err(Failed::of_endpoint(Failure::bug("a call that does not exist")));
    };
    let result = match attempt(scope, index, call).await {
        Ok(value) => Ok(value),
        Err(failed) => stand_in(scope, index, call, failed).await,
    };
    match result {
        Ok(value) => {
            scope.write(call.slot, value);
            scope.note(call, Event::Settled);
            scope.settle(index);
            Ok(())
        }
        // What a fallback asked for fails with the fallback, not with the endpoint.
        Err(failed) if scope.start(index) == Some(Start::OnFallback) => {
            scope.settle_failed(index, &failed);
            Ok(())
        }
        Err(failed) => Err(failed),
    }
}

/// What is sent and may change something must not happen before every `require` has held, whether its author calls it an
/// effect or not.
fn is_sent_and_unsafe(call: &Call) -> bool {
    !call.safe && matches!(call.kind, CallKind::Grpc(_) | CallKind::Http(_))
}

/// The result of a call, or its own failure.
async fn attempt(scope: &Scope<'_>, index: CallIndex, call: &Call) -> Result<Value, Box<Failed>> {
    for need in &call.needs {
        scope.settled(*need).await?;
    }
    if call.effect || is_sent_and_unsafe(call) {
        // Effects and requires that wait for each other in a ring would wait for ever.
        let held = timeout_at(scope.deadline.instant(), graph::held_before(scope, index)).await;
        held.map_err(|_| scope.failed(call, Failure::deadline()))?;
    }
    scope.note(call, Event::Began);
    if let Some(when) = &call.when {
        let made = scope
            .eval(&when.program, &when.origin)
            .map_err(|it| scope.failed(call, it))?;
        if !matches!(made, Value::Bool(true)) {
            scope.note(call, Event::Skipped);
            return Ok(Value::Null);
        }
    }
    if scope.run.context.watch.is_some_and(|it| it.fails(call)) {
        let failure = Failure::status(tonic::Code::Unavailable, String::new(), Bytes::new());
        return Err(scope.failed(call, failure));
    }
    let deadline = call.timeout.map_or(scope.deadline, |it| scope.deadline.capped(it));
    let reply = match &call.kind {
        CallKind::Compose { fragment, with } => compose::run(scope, (index, call), *fragment, with, deadline).await,
        CallKind::For(each) => each::run(scope, index, call, each, deadline).await,
        CallKind::Grpc(grpc) => call_grpc(scope, (index, call), grpc, deadline)
            .await
            .map_err(|it| scope.failed(call, it)),
        CallKind::Http(http) => call_http(scope, (index, call), http, deadline)
            .await
            .map_err(|it| scope.failed(call, it)),
        CallKind::Value(template) => scope
            .frame(|frame| render::value(template, frame))
            .map_err(|it| scope.failed(call, it)),
    };
    // What failed within may be said in the words of the call around it.
    let reply = reply.map_err(|mut failed| {
        if failed.rule.is_none() {
            failed.rule = scope.failed(call, failed.failure.clone()).rule;
        }
        failed
    })?;
    match &call.index_by {
        None => Ok(reply),
        Some(program) => {
            // Invariant: `index_by` reads the reply in the slot that the result will have.
            scope.write(call.slot, reply);
            scope.eval(program, &call.origin).map_err(|it| scope.failed(call, it))
        }
    }
}

/// What stands in for a failure: the fallback, or null where the call is optional (semantics.md 3.5, 4).
async fn stand_in(scope: &Scope<'_>, index: CallIndex, call: &Call, failed: Box<Failed>) -> Result<Value, Box<Failed>> {
    note_failure(scope, call, &failed.failure);
    scope.write(call.slot, Value::Null);
    let value = match &call.fallback {
        Some(fallback) => fall_back(scope, fallback).await,
        None => None,
    };
    let value = match value {
        Some(value) => {
            scope.note(call, Event::FellBack);
            value
        }
        None if call.optional => {
            scope.note(call, Event::LeftOut);
            Value::Null
        }
        // A fallback that fails does not change what is reported.
        None => return Err(failed),
    };
    if failed.failure.code != tonic::Code::NotFound {
        scope.degrade(index, call, failed.failure, None);
    }
    Ok(value)
}

fn note_failure(scope: &Scope<'_>, call: &Call, failure: &Failure) {
    scope.note(call, Event::Failed(failure.code, failure.http_status));
    if let Some(slot) = call.error_slot {
        scope.write(slot, describe(failure));
    }
}

/// The value of a fallback; `None` where it fails too.
async fn fall_back(scope: &Scope<'_>, fallback: &Fallback) -> Option<Value> {
    for need in &fallback.needs {
        scope.ask_for(*need);
    }
    for need in &fallback.needs {
        scope.settled(*need).await.ok()?;
    }
    scope.frame(|frame| render::value(&fallback.template, frame)).ok()
}

/// The value of `error(call)`.
fn describe(failure: &Failure) -> Value {
    Value::object(vec![
        (Arc::from("code"), code::name(failure.code).into()),
        (
            Arc::from("status"),
            Value::Int(i64::from(failure.usual_status().as_u16())),
        ),
        (Arc::from("message"), failure.message.as_str().into()),
    ])
}

async fn call_grpc(
    scope: &Scope<'_>,
    (index, call): (CallIndex, &Call),
    grpc: &GrpcCall,
    deadline: Deadline,
) -> Result<Value, Failure> {
    let request = build::grpc(scope, call, grpc)?;
    let wanted = exchange::Wanted {
        call,
        backend: grpc.backend,
        method: call.policy.method,
        request,
        deadline,
    };
    // Of what is rendered in part, the rest is looked at by nobody else.
    let check = if scope.is_selected() {
        ReplyCheck::OnArrival
    } else {
        grpc.check
    };
    exchanged(scope, index, wanted, |body| match check {
        ReplyCheck::OnArrival => grpc.reader.read(body).map_err(Failure::bad_reply_from),
        ReplyCheck::WhenRendered => Ok(grpc.reader.read_unchecked(body)),
    })
    .await
}

/// Brings a request to its backend and reads the reply; with `fallback: $stale` the last good one, where this is none.
async fn exchanged(
    scope: &Scope<'_>,
    index: CallIndex,
    wanted: exchange::Wanted<'_>,
    read: impl Fn(Bytes) -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let call = wanted.call;
    let cache = scope.run.context.cache();
    let last = if call.stale {
        let tags = call.cache.as_ref().map_or(&[][..], |it| &it.tags);
        let tags = scope.frame(|frame| render::tags(tags, frame))?;
        let key = exchange::last_key(scope, wanted.backend, &wanted.request);
        Some((key, tags, cache.now()))
    } else {
        None
    };
    let exchanged = exchange::run(scope, wanted).await;
    let Some((key, tags, since)) = last else {
        return exchanged.and_then(|(reply, _)| read(reply.body));
    };
    let failure = match exchanged.and_then(|(reply, source)| Ok((read(reply.body.clone())?, reply, source))) {
        Ok((value, reply, source)) => {
            // What comes from the cache is older than it seems.
            if matches!(source, ReplySource::Backend | ReplySource::Shared) {
                cache.keep_last(key, &reply, tags, since);
            }
            return Ok(value);
        }
        Err(failure) => failure,
    };
    if !failure.is_no_answer() {
        cache.forget_last(key);
        return Err(failure);
    }
    let Some((value, age)) = cache
        .last(key)
        .and_then(|(reply, age)| Some((read(reply.body).ok()?, age)))
    else {
        return Err(failure);
    };
    note_failure(scope, call, &failure);
    scope.note(call, Event::FellBack);
    scope.degrade(index, call, failure, Some(age));
    Ok(value)
}

/// The failure of the first call whose reply does not decode, where rendering was to find that.
pub(super) fn malformed(scope: &Scope<'_>) -> Option<Box<Failed>> {
    scope.graph.calls.iter().find_map(|call| {
        let CallKind::Grpc(grpc) = &call.kind else { return None };
        if grpc.check == ReplyCheck::OnArrival {
            return None;
        }
        let wire = scope.frame(|frame| match frame.get(call.slot) {
            Some(Value::Message(wire)) => Ok(Some(wire.clone())),
            _ => Ok(None),
        });
        let error = grpc.reader.check(&wire.ok()??).err()?;
        Some(scope.failed(call, Failure::bad_reply_from(error)))
    })
}

async fn call_http(
    scope: &Scope<'_>,
    (index, call): (CallIndex, &Call),
    http: &HttpCall,
    deadline: Deadline,
) -> Result<Value, Failure> {
    let request = build::http(scope, call, http)?;
    let wanted = exchange::Wanted {
        call,
        backend: http.backend,
        method: call.policy.method,
        request,
        deadline,
    };
    let read = |body| build::read_http(http.accept, http.reply.as_ref(), body);
    exchanged(scope, index, wanted, read).await
}
