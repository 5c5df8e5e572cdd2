//! Tokens that calls to backends carry: an issuer and backends that look at them, over real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use super::process::{Folder, address_in, counted, get, listening, weft};

type Body = BoxBody<Bytes, hyper::Error>;

/// An issuer of tokens, each of which is another.
struct Issuer {
    address: SocketAddr,
    /// What it was asked: heads and bodies.
    asked: Arc<Mutex<Vec<String>>>,
}

const TOKEN: &str = "tok3n-";

/// Serves each request of HTTP/1.1 or HTTP/2, on a thread of its own.
fn serve<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Body>> + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime.expect("a runtime"), async move {
            listener.set_nonblocking(true).expect("a listener");
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                tokio::task::spawn_local(async move {
                    let mut first = [0; 3];
                    let n = stream.peek(&mut first).await.unwrap_or(0);
                    let io = TokioIo::new(stream);
                    // The preface of HTTP/2 begins so.
                    let _ended = if first.get(..n) == Some(b"PRI") {
                        let server = hyper::server::conn::http2::Builder::new(Here);
                        server.serve_connection(io, service).await.is_ok()
                    } else {
                        let server = hyper::server::conn::http1::Builder::new();
                        server.serve_connection(io, service).await.is_ok()
                    };
                });
            }
        });
    });
    address
}

/// Runs tasks on the thread that they begin on.
#[derive(Clone)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move { drop(task.await) });
    }
}

fn json(status: StatusCode, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed();
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json");
    response.body(body).expect("a response")
}

impl Issuer {
    fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::<String>::new()));
        let heard = asked.clone();
        let address = serve(move |request| {
            let heard = heard.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let mut heard = heard.lock().expect("the list");
                let authorization = head.headers.get(header::AUTHORIZATION);
                let authorization = authorization.map(|it| it.to_str().unwrap_or_default());
                heard.push(format!("{authorization:?} {}", String::from_utf8_lossy(&body)));
                let n = heard.len();
                json(
                    StatusCode::OK,
                    format!("{{\"access_token\":\"{TOKEN}{n}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"),
                )
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the list").clone()
    }

    /// A server before `address` that lets only requests through that show a token.
    fn guard(address: SocketAddr) -> SocketAddr {
        serve(move |request: Request<Incoming>| async move {
            let shown = request.headers().get(header::AUTHORIZATION);
            let token = shown.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer ")?.strip_prefix(TOKEN));
            if token.is_some() {
                return hand_on(address, request).await;
            }
            json(StatusCode::UNAUTHORIZED, "{}".to_owned())
        })
    }
}

async fn hand_on(address: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let stream = TcpStream::connect(address).await.expect("the backend");
    let io = TokioIo::new(stream);
    let response = if request.version() == http::Version::HTTP_2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .expect("a connection");
        tokio::task::spawn_local(async move { connection.await.is_ok() });
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("a connection");
        tokio::task::spawn_local(async move { connection.await.is_ok() });
        sender.send_request(request).await
    };
    response.expect("an answer").map(BodyExt::boxed)
}

#[test]
fn calls_and_reflection_carry_a_token_that_is_had_once() {
    let mut demo = weft(&["demo", "--listen", "127.0.0.1:0"]);
    let find = |name: &'static str| move |line: &str| address_in(line, &format!("backend {name} "));
    let catalogue = demo.wait_for("catalogue", find("catalogue"));
    let reviews = demo.wait_for("reviews", find("reviews"));
    let issuer = Issuer::start();
    let (grpc, http) = (Issuer::guard(catalogue), Issuer::guard(reviews));
    let folder = Folder::new("credentials");
    folder.write(
        "compositions/product.yaml",
        "endpoint: GET /p/{id}\ncall: hipstershop.ProductCatalogService/GetProduct\n",
    );
    folder.write(
        "compositions/reviews.yaml",
        "endpoint: GET /r\ncalls: { r: { http: GET reviews:/products/mug/reviews } }\nresponse: $r\n",
    );
    folder.write(
        "compositions/all.yaml",
        "endpoint: ANY /all/{path=**}\nproxy: reviews:/${path}\n",
    );
    let at = issuer.address;
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\nworkers: 2\nbackends:\n  \
         shop:\n    grpc: [\"http://{grpc}\"]\n    descriptors: reflection\n    health: {{ interval: 1s }}\n    \
         auth: {{ client_credentials: {{ token_url: \"http://{at}/token\", client_id: weft, client_secret: \"a b\", scopes: [shop.read] }} }}\n  \
         reviews:\n    http: [\"http://{http}\"]\n    \
         auth: {{ client_credentials: {{ token_url: \"http://{at}/token\", client_id: weft, client_secret: \"a b\", client_auth: client_secret_post }} }}\n"
    );
    let file = folder.write("weft.yaml", &text);
    let config = file.to_str().expect("a path");
    let mut process = weft(&["serve", "-c", config]);
    let (address, admin) = (listening(&mut process), super::process::admin(&mut process));
    for _ in 0..20 {
        assert_eq!(get(address, "/p/mug").json()["name"], "Camp Mug");
        assert_eq!(get(address, "/r").status, 200);
        assert_eq!(get(address, "/all/products/mug/reviews").status, 200);
    }
    // One for reflection, and one for the calls of each backend.
    let asked = issuer.asked();
    let of_shop = "Some(\"Basic d2VmdDphJTIwYg==\") grant_type=client_credentials&scope=shop.read";
    assert_eq!(asked.iter().filter(|it| *it == of_shop).count(), 2, "{asked:?}");
    let of_reviews = "None grant_type=client_credentials&client_id=weft&client_secret=a%20b";
    assert_eq!(asked.iter().filter(|it| *it == of_reviews).count(), 1, "{asked:?}");
    assert_eq!(asked.len(), 3, "{asked:?}");

    // A reload that changes nothing here keeps them.
    folder.write("compositions/more.yaml", "endpoint: GET /more\nresponse: true\n");
    process.wait_for_next("reloaded");
    assert_eq!(get(address, "/p/mug").status, 200);
    assert_eq!(issuer.asked().len(), 3);
    let metrics = counted(
        admin,
        &[
            "weft_tokens_total{backend=\"shop\",result=\"fetched\"} 1",
            "weft_tokens_total{backend=\"reviews\",result=\"fetched\"} 1",
            "weft_token_expiry_timestamp_seconds{backend=\"shop\"}",
        ],
    );
    assert!(metrics.contains("weft_target_fit{backend=\"shop\""), "{metrics}");
    // Nobody is told what they are.
    let said = get(admin, "/backends").text();
    assert!(said.contains("\"fetched\": 1") && !said.contains(TOKEN), "{said}");
}
