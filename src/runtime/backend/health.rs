//! Asks the targets of a backend how they are: grpc.health.v1 `Check`, or GET of a path.
//!
//! Every worker has a watch, and one of them asks in each interval, on its own connections. What is heard is in the
//! balancer, for all. Invariant: a watch ends with the backend that it belongs to.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Attempt, Failure, Guarded, Reply, Request};
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
            if guarded.guard().balancer.is_due(Instant::now(), check.interval) {
                ask_all(&guarded, protocol, &check).await;
            }
            drop(guarded);
            tokio::time::sleep(check.interval).await;
        }
    });
}

async fn ask_all(guarded: &Guarded, protocol: Protocol, check: &HealthCheck) {
    let request = request(protocol, check);
    let each = guarded.targets().into_iter().map(|(member, way)| {
        let request = &request;
        async move {
            let attempt = Attempt::new(Deadline::after(check.timeout));
            let answer = tokio::time::timeout(check.timeout, way.call(request, attempt)).await;
            let well = is_well(protocol, answer.unwrap_or_else(|_| Err(Failure::deadline())));
            if well == member.is_sick() {
                let (backend, target) = (&*guarded.guard().name, &*member.address);
                tracing::info!(backend, target, well, "a target answered otherwise than before");
            }
            member.answered_health(well);
        }
    });
    futures::future::join_all(each).await;
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
        (Protocol::Grpc, Ok(reply)) => {
            let mut fields = Reader::new(&reply.body);
            let mut status = 0;
            while let Ok(Some((tag, value))) = fields.field() {
                if tag.number() == 1 {
                    status = value.bits();
                }
            }
            status == SERVING
        }
    }
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
