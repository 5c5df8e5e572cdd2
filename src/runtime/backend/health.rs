//! Asks the targets of a backend how they are: grpc.health.v1 `Check` or `Watch`, or GET of a path.
//!
//! Every worker has a watch. One of them asks in each interval, on its own connections; with `Watch`, one of them hears from
//! each target. What is heard is in the balancer, for all. Invariant: a watch ends with the backend that it belongs to.

use std::cell::Cell;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::select;
use http::{HeaderMap, HeaderValue, Method};

use super::balance::{Member, Watching};
use super::token::Issuer;
use super::{Attempt, Backend, Failure, Guard, Guarded, Reply, Request};
use crate::codec::wire::Reader;
use crate::plan::{Accept, HealthCheck, Protocol};
use crate::time::{Deadline, Instant};

/// `SERVING` of grpc.health.v1.HealthCheckResponse.ServingStatus.
const SERVING: u64 = 1;

/// Watches the targets of a backend, where its plan says so. Runs on the worker's local runtime.
pub(super) fn watch(guarded: &Rc<Guarded>, protocol: Protocol) {
    let Some(check) = guarded.guard().balancer.health().check.clone() else {
        return;
    };
    let guarded = Rc::downgrade(guarded);
    tokio::task::spawn_local(async move {
        while let Some(guarded) = guarded.upgrade() {
            if check.watch {
                hear_all(&guarded, &check);
            } else if guarded.guard().balancer.is_due(Instant::now(), check.interval) {
                let each = guarded.targets().into_iter().map(|(member, way)| {
                    let (guard, check, guarded) = (guarded.guard(), &check, &guarded);
                    async move {
                        // Without a token nothing is learnt about the target.
                        let Ok(authorization) = guarded.token(Deadline::after(check.timeout)).await else {
                            return;
                        };
                        let well = ask(&*way, protocol, check, authorization).await;
                        note(guard, &member, well);
                        member.answered_health(well);
                    }
                });
                futures::future::join_all(each).await;
            }
            drop(guarded);
            tokio::time::sleep(check.interval).await;
        }
    });
}

/// One question, and whether the answer is good.
async fn ask(
    way: &dyn Backend,
    protocol: Protocol,
    check: &HealthCheck,
    authorization: Option<Arc<HeaderValue>>,
) -> bool {
    let request = request(protocol, check);
    let attempt = Attempt::new(Deadline::after(check.timeout)).carrying(authorization);
    let answer = tokio::time::timeout(check.timeout, way.call(&request, attempt)).await;
    is_well(protocol, answer.unwrap_or_else(|_| Err(Failure::deadline())))
}

fn note(guard: &Guard, member: &Member, well: bool) {
    if well == member.is_sick() {
        let (backend, target) = (&*guard.name, &*member.address);
        tracing::info!(backend, target, well, "a target answered otherwise than before");
    }
}

/// Begins to hear from each target that nobody hears from.
fn hear_all(guarded: &Rc<Guarded>, check: &HealthCheck) {
    for (member, way) in guarded.targets() {
        let Some(watching) = member.watch() else { continue };
        let asker = (guarded.guard().clone(), guarded.issuer().cloned());
        let hearing = hear(watching, way, asker, check.clone());
        let gone = gone(Rc::downgrade(guarded), member, check.interval);
        tokio::task::spawn_local(async move {
            select(pin!(gone), pin!(hearing)).await;
        });
    }
}

/// Ends with the backend, or when the target is none of it any more.
async fn gone(guarded: Weak<Guarded>, member: Arc<Member>, interval: Duration) {
    while let Some(guarded) = guarded.upgrade() {
        let members = guarded.guard().balancer.members();
        if !members.iter().any(|it| Arc::ptr_eq(it, &member)) {
            return;
        }
        drop(guarded);
        tokio::time::sleep(interval).await;
    }
}

/// Hears from a target how it is, again and again: by `Watch`, and where it does not know that by `Check`.
async fn hear(
    watching: Watching,
    way: Rc<dyn Backend>,
    (guard, issuer): (Arc<Guard>, Option<Issuer>),
    check: HealthCheck,
) {
    let member = watching.member();
    let path: Arc<str> = "/grpc.health.v1.Health/Watch".into();
    let mut knows_watch = true;
    loop {
        let deadline = Deadline::after(check.timeout);
        let authorization = match &issuer {
            None => None,
            Some(issuer) => {
                let Ok(authorization) = issuer.token(deadline).await else {
                    // Nothing is learnt about the target.
                    tokio::time::sleep(check.interval).await;
                    continue;
                };
                Some(authorization)
            }
        };
        let well = if knows_watch {
            let has_spoken = Cell::new(false);
            let heard = |message: Bytes| {
                has_spoken.set(true);
                let well = serves(&message);
                note(&guard, member, well);
                member.says_health(well);
            };
            let mut listening = way.listen(&path, authorization, &heard);
            // It says at once how it is, and then nothing for as long as that stays so.
            let ended = match tokio::time::timeout(check.timeout, &mut listening).await {
                Ok(ended) => ended,
                Err(_) if has_spoken.get() => listening.await,
                Err(_) => Failure::deadline(),
            };
            knows_watch = ended.code != tonic::Code::Unimplemented;
            if !knows_watch {
                continue;
            }
            false
        } else {
            ask(&*way, Protocol::Grpc, &check, authorization).await
        };
        note(&guard, member, well);
        member.answered_health(well);
        tokio::time::sleep(check.interval).await;
    }
}

fn request(protocol: Protocol, check: &HealthCheck) -> Request {
    match protocol {
        Protocol::Grpc => Request::Grpc {
            path: "/grpc.health.v1.Health/Check".into(),
            message: Bytes::new(),
            metadata: HeaderMap::new(),
        },
        Protocol::Http => Request::Http {
            method: Method::GET,
            path_and_query: check.path.to_string(),
            headers: HeaderMap::new(),
            body: None,
            accept: Accept::Bytes,
        },
    }
}

/// A server that does not know the question is as well as one that nobody asks.
fn is_well(protocol: Protocol, answer: Result<Reply, Failure>) -> bool {
    match (protocol, answer) {
        (Protocol::Http, answer) => answer.is_ok(),
        (Protocol::Grpc, Err(failure)) => failure.code == tonic::Code::Unimplemented,
        (Protocol::Grpc, Ok(reply)) => serves(&reply.body),
    }
}

/// What a `HealthCheckResponse` says.
fn serves(message: &[u8]) -> bool {
    let mut fields = Reader::new(message);
    let mut status = 0;
    while let Ok(Some((tag, value))) = fields.field() {
        if tag.number() == 1 {
            status = value.bits();
        }
    }
    status == SERVING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_serves_or_is_not_known_to_say_is_well() {
        let reply = |bytes: &'static [u8]| {
            Ok(Reply {
                body: Bytes::from_static(bytes),
                ..Reply::default()
            })
        };
        let status = |code| Err(Failure::status(code, String::new(), Bytes::new()));
        for (answer, wanted) in [
            (reply(b"\x08\x01"), true),
            (reply(b"\x08\x02"), false),
            (reply(b""), false),
            (status(tonic::Code::Unimplemented), true),
            (status(tonic::Code::Unavailable), false),
        ] {
            assert_eq!(is_well(Protocol::Grpc, answer.clone()), wanted, "{answer:?}");
        }
    }
}
