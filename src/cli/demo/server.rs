//! Real servers on loopback: a tonic server for each gRPC service of the shop, with reflection, and one HTTP/JSON server.
//!
//! Messages are read and written through descriptors at run time, with prost-reflect, so that nothing of the gateway's own
//! codec stands on both sides of the wire.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::server::TcpIncoming;
use tower::Service;

use super::shop::{self, Shop};

const DEMO_PROTO: &str = include_str!("../../../descriptors/hipstershop/demo.proto");

/// A backend of the demo.
#[derive(Debug)]
pub(super) struct Backend {
    /// Its name in the gateway file.
    pub(super) name: &'static str,
    /// The gRPC services that it serves; none for the HTTP backend.
    pub(super) services: &'static [&'static str],
    /// How long it takes to answer, so that what runs at once can be seen.
    pub(super) latency: Duration,
}

/// The backends, in the order of the gateway file.
pub(super) const BACKENDS: &[Backend] = &[
    Backend {
        name: "catalogue",
        services: &["ProductCatalogService"],
        latency: Duration::from_millis(12),
    },
    Backend {
        name: "currency",
        services: &["CurrencyService"],
        latency: Duration::from_millis(6),
    },
    Backend {
        name: "cart",
        services: &["CartService"],
        latency: Duration::from_millis(8),
    },
    Backend {
        name: "recommendations",
        services: &["RecommendationService"],
        latency: Duration::from_millis(15),
    },
    Backend {
        name: "ads",
        services: &["AdService"],
        latency: Duration::from_millis(10),
    },
    Backend {
        name: "shipping",
        services: &["ShippingService"],
        latency: Duration::from_millis(9),
    },
    Backend {
        name: "checkout",
        services: &["CheckoutService", "PaymentService", "EmailService"],
        latency: Duration::from_millis(30),
    },
    Backend {
        name: "reviews",
        services: &[],
        latency: Duration::from_millis(20),
    },
];

/// What is wrong with a backend on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// Answers every call with UNAVAILABLE (503).
    pub(super) fails: bool,
    /// Takes this much longer.
    pub(super) delay: Duration,
}

/// Starts all backends on ports that the system chooses; they live as long as the runtime. Returns their addresses by name.
pub(super) async fn start(troubles: &BTreeMap<String, Trouble>) -> anyhow::Result<BTreeMap<&'static str, SocketAddr>> {
    let pool = descriptors()?;
    let shop = Arc::new(Shop::new());
    let mut addresses = BTreeMap::new();
    for backend in BACKENDS {
        let trouble = troubles.get(backend.name).copied().unwrap_or_default();
        let conduct = Conduct {
            latency: backend.latency + trouble.delay,
            fails: trouble.fails,
        };
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("could not bind a loopback port")?;
        addresses.insert(backend.name, listener.local_addr()?);
        if backend.services.is_empty() {
            let router = http_routes(conduct);
            tokio::spawn(async move { axum::serve(listener, router).await });
        } else {
            serve_grpc(backend, listener, &pool, &shop, conduct)?;
        }
    }
    Ok(addresses)
}

/// How a backend behaves.
#[derive(Clone, Copy, Debug)]
struct Conduct {
    latency: Duration,
    fails: bool,
}

// === gRPC ===

fn descriptors() -> anyhow::Result<DescriptorPool> {
    struct Embedded;
    impl protox::file::FileResolver for Embedded {
        fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
            if name == "demo.proto" {
                return protox::file::File::from_source(name, DEMO_PROTO);
            }
            Err(protox::Error::file_not_found(name))
        }
    }
    let mut compiler = protox::Compiler::with_file_resolver(Embedded);
    compiler
        .open_file("demo.proto")
        .context("demo.proto does not compile")?;
    Ok(compiler.descriptor_pool())
}

fn serve_grpc(
    backend: &Backend,
    listener: TcpListener,
    pool: &DescriptorPool,
    shop: &Arc<Shop>,
    conduct: Conduct,
) -> anyhow::Result<()> {
    let mut router = axum::Router::new();
    let descriptors = pool.encode_to_vec();
    let mut reflection =
        tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(&descriptors);
    for name in backend.services {
        let full_name = format!("hipstershop.{name}");
        let service = pool
            .get_service_by_name(&full_name)
            .with_context(|| format!("demo.proto has no {full_name}"))?;
        reflection = reflection.with_service_name(full_name);
        for method in service.methods() {
            let handler = Handler {
                name: format!("{name}/{}", method.name()).into(),
                input: method.input(),
                output: method.output(),
                shop: shop.clone(),
                conduct,
            };
            router = router.route_service(&format!("/{}/{}", service.full_name(), method.name()), handler);
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
    name: Arc<str>,
    input: MessageDescriptor,
    output: MessageDescriptor,
    shop: Arc<Shop>,
    conduct: Conduct,
}

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

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
                input: handler.input.clone(),
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
        let Handler {
            name,
            output,
            shop,
            conduct,
            ..
        } = self.0.clone();
        Box::pin(async move {
            tokio::time::sleep(conduct.latency).await;
            if conduct.fails {
                return Err(Status::unavailable("this backend fails on purpose"));
            }
            let options = SerializeOptions::new().stringify_64_bit_integers(false);
            let request = request
                .into_inner()
                .serialize_with_options(serde_json::value::Serializer, &options)
                .map_err(|error| Status::internal(error.to_string()))?;
            let reply = shop.answer(&name, &request)?;
            let reply =
                DynamicMessage::deserialize(output, reply).map_err(|error| Status::internal(error.to_string()))?;
            Ok(tonic::Response::new(reply))
        })
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

// === HTTP ===

fn http_routes(conduct: Conduct) -> axum::Router {
    axum::Router::new()
        .route("/products/{id}/reviews", axum::routing::get(reviews))
        .route("/products/{id}/similar", axum::routing::get(similar))
        .with_state(conduct)
}

async fn reviews(State(conduct): State<Conduct>, Path(id): Path<String>) -> Response {
    answer(conduct, shop::reviews(&id)).await
}

async fn similar(State(conduct): State<Conduct>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let limit = query
        .as_deref()
        .and_then(|it| it.strip_prefix("limit="))
        .and_then(|it| it.parse().ok())
        .unwrap_or(4);
    answer(conduct, shop::similar(&id, limit)).await
}

async fn answer(conduct: Conduct, found: Option<Value>) -> Response {
    tokio::time::sleep(conduct.latency).await;
    if conduct.fails {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match found {
        Some(body) => ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
