//! gRPC servers whose messages are read and written through descriptors at run time, with prost-reflect, so that nothing of the
//! gateway's own codec stands on both sides of the wire. With reflection (v1). For the demo and for `weft mock`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Context as _;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::server::TcpIncoming;
use tower::Service;

pub(super) type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Answers one call of a unary method.
pub(super) type Answer =
    Arc<dyn Fn(MethodDescriptor, DynamicMessage) -> BoxFuture<DynamicMessage, Status> + Send + Sync>;

/// Serves these services of a pool for as long as the runtime lives. Streaming methods are UNIMPLEMENTED.
pub(super) fn serve(
    listener: TcpListener,
    pool: &DescriptorPool,
    services: &[ServiceDescriptor],
    answer: &Answer,
) -> anyhow::Result<()> {
    let mut router = axum::Router::new();
    let descriptors = pool.encode_to_vec();
    let mut reflection =
        tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(&descriptors);
    for service in services {
        reflection = reflection.with_service_name(service.full_name());
        for method in service.methods() {
            if method.is_client_streaming() || method.is_server_streaming() {
                continue;
            }
            let path = format!("/{}/{}", service.full_name(), method.name());
            let answer = answer.clone();
            router = router.route_service(&path, Handler { method, answer });
        }
    }
    let reflection = reflection.build_v1().context("reflection cannot be built")?;
    let routes = tonic::service::Routes::from(router).add_service(reflection);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(async move {
        tonic::transport::Server::builder()
            .add_routes(routes)
            .serve_with_incoming(incoming)
            .await
    });
    Ok(())
}

/// One method of a gRPC service.
#[derive(Clone)]
struct Handler {
    method: MethodDescriptor,
    answer: Answer,
}

impl Service<http::Request<axum::body::Body>> for Handler {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<axum::body::Body>) -> Self::Future {
        let handler = self.clone();
        Box::pin(async move {
            let codec = Dynamic {
                input: handler.method.input(),
            };
            Ok(tonic::server::Grpc::new(codec).unary(Unary(handler), request).await)
        })
    }
}

struct Unary(Handler);

impl tonic::server::UnaryService<DynamicMessage> for Unary {
    type Response = DynamicMessage;
    type Future = BoxFuture<tonic::Response<DynamicMessage>, Status>;

    fn call(&mut self, request: tonic::Request<DynamicMessage>) -> Self::Future {
        let reply = (self.0.answer)(self.0.method.clone(), request.into_inner());
        Box::pin(async move { reply.await.map(tonic::Response::new) })
    }
}

/// Protobuf through descriptors.
#[derive(Clone)]
struct Dynamic {
    input: MessageDescriptor,
}

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.input.clone(), input)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
