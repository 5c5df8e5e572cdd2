//! Real servers on loopback: a tonic server for each gRPC service of the shop, with reflection, and one HTTP/JSON server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::Status;

use super::shop::{self, Shop};
use crate::cli::dynamic::{self, Answer};

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
    let mut services = Vec::new();
    for name in backend.services {
        let full_name = format!("hipstershop.{name}");
        let service = pool.get_service_by_name(&full_name);
        services.push(service.with_context(|| format!("demo.proto has no {full_name}"))?);
    }
    let shop = shop.clone();
    let answer: Answer = Arc::new(move |method, request| {
        let shop = shop.clone();
        Box::pin(async move {
            tokio::time::sleep(conduct.latency).await;
            if conduct.fails {
                return Err(Status::unavailable("this backend fails on purpose"));
            }
            let options = SerializeOptions::new().stringify_64_bit_integers(false);
            let request = request
                .serialize_with_options(serde_json::value::Serializer, &options)
                .map_err(|error| Status::internal(error.to_string()))?;
            let name = format!("{}/{}", method.parent_service().name(), method.name());
            let reply = shop.answer(&name, &request)?;
            DynamicMessage::deserialize(method.output(), reply).map_err(|error| Status::internal(error.to_string()))
        })
    });
    dynamic::serve(listener, pool, &services, &answer)
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
