//! Servers on loopback: well-behaved, odd and useless.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use tonic::transport::Server;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::{Request, Response};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::{ServerReflection, ServerReflectionServer};
use tonic_reflection::pb::v1::{
    FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use tonic_reflection::server::Builder;

use super::*;
use crate::schema::build::build;
use crate::schema::load;

const PATIENCE: Duration = Duration::from_secs(20);

/// Serves on a free port of the loopback as long as the test runs.
fn serve(router: Router) -> Endpoint {
    let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = incoming.local_addr().unwrap();
    tokio::spawn(router.serve_with_incoming(incoming));
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

/// A service whose reply is declared in another file, which needs a well-known one.
fn files() -> FileDescriptorSet {
    let protos = [
        (
            "reply.proto",
            "syntax = \"proto3\"; package t; import \"google/protobuf/timestamp.proto\"; message Reply { google.protobuf.Timestamp at = 1; }",
        ),
        (
            "service.proto",
            "syntax = \"proto3\"; package t; import \"reply.proto\"; message Ask {} service S { rpc Do(Ask) returns (Reply); }",
        ),
    ];
    let directory = Directory::new(&protos);
    load::load(std::slice::from_ref(&directory.0)).unwrap()
}

struct Directory(PathBuf);

impl Directory {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = std::env::temp_dir().join(format!(
            "weft-reflection-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&directory).unwrap();
        for (name, text) in files {
            std::fs::write(directory.join(name), text).unwrap();
        }
        Self(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn names(set: &FileDescriptorSet) -> Vec<&str> {
    set.file.iter().map(FileDescriptorProto::name).collect()
}

#[tokio::test]
async fn both_versions_give_the_files_of_all_services() {
    let bytes = files().encode_to_vec();
    let builder = || Builder::configure().register_encoded_file_descriptor_set(&bytes);
    let v1 = serve(Server::builder().add_service(builder().build_v1().unwrap()));
    let v1alpha = serve(Server::builder().add_service(builder().build_v1alpha().unwrap()));
    for (endpoint, own) in [
        (v1, "grpc.reflection.v1.ServerReflection"),
        (v1alpha, "grpc.reflection.v1alpha.ServerReflection"),
    ] {
        let set = load(endpoint, PATIENCE).await.unwrap();
        assert!(
            names(&set).ends_with(&["reply.proto", "service.proto"]),
            "{:?}",
            names(&set)
        );
        let schema = build(&set).unwrap();
        assert_eq!(
            schema.services().iter().map(|it| &*it.full_name).collect::<Vec<_>>(),
            [own, "t.S"]
        );
        assert!(schema.find_message("google.protobuf.Timestamp").is_some());
    }
}

#[tokio::test]
async fn a_server_without_reflection_is_named_so() {
    let health = tonic::service::Routes::default();
    let endpoint = serve(Server::builder().add_routes(health));
    assert!(matches!(
        load(endpoint, PATIENCE).await,
        Err(ReflectionError::Unsupported)
    ));
}

#[tokio::test]
async fn nobody_there_is_a_failure_to_connect() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    assert!(matches!(
        load(endpoint, PATIENCE).await,
        Err(ReflectionError::Connect(_))
    ));
}

/// How a scripted server behaves.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Every answer holds all files, the importing one first, each twice.
    AllTwice,
    /// Ends the call behind each answer.
    OneAnswer,
    /// Lists a service that it has no file of.
    UnknownService,
    /// Never answers.
    Silent,
    /// Answers with bytes that are no file.
    Garbage,
}

#[tonic::async_trait]
impl ServerReflection for Manner {
    type ServerReflectionInfoStream = BoxStream<'static, Result<ServerReflectionResponse, Status>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let manner = *self;
        if matches!(manner, Self::Silent) {
            return Ok(Response::new(stream::pending().boxed()));
        }
        let answers = request
            .into_inner()
            .map(move |request| manner.answer(request?.message_request));
        let n_answers = if matches!(manner, Self::OneAnswer) {
            1
        } else {
            usize::MAX
        };
        Ok(Response::new(answers.take(n_answers).boxed()))
    }
}

impl Manner {
    fn answer(self, question: Option<MessageRequest>) -> Result<ServerReflectionResponse, Status> {
        let all = files();
        let file = |name: &str| {
            all.file
                .iter()
                .find(|it| it.name() == name)
                .map(|it| vec![it.encode_to_vec()])
        };
        let service = |name: &str| ServiceResponse { name: name.to_owned() };
        let descriptors = match (self, question) {
            (Self::UnknownService, Some(MessageRequest::ListServices(_))) => {
                let service = vec![service("lost.Service"), service("t.S")];
                return Ok(reply(MessageResponse::ListServicesResponse(ListServiceResponse {
                    service,
                })));
            }
            (_, Some(MessageRequest::ListServices(_))) => {
                return Ok(reply(MessageResponse::ListServicesResponse(ListServiceResponse {
                    service: vec![service("t.S")],
                })));
            }
            (Self::Garbage, _) => Some(vec![vec![0xff; 8]]),
            (Self::AllTwice, _) => Some(
                all.file
                    .iter()
                    .rev()
                    .chain(&all.file)
                    .map(prost::Message::encode_to_vec)
                    .collect(),
            ),
            (_, Some(MessageRequest::FileContainingSymbol(name))) if name == "t.S" => file("service.proto"),
            (_, Some(MessageRequest::FileByFilename(name))) => file(&name),
            _ => None,
        };
        let file_descriptor_proto = descriptors.ok_or_else(|| Status::not_found("no such thing"))?;
        Ok(reply(MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto,
        })))
    }
}

fn reply(answer: MessageResponse) -> ServerReflectionResponse {
    ServerReflectionResponse {
        message_response: Some(answer),
        ..ServerReflectionResponse::default()
    }
}

#[tokio::test]
async fn odd_servers_are_understood() {
    for manner in [Manner::AllTwice, Manner::OneAnswer, Manner::UnknownService] {
        let endpoint = serve(Server::builder().add_service(ServerReflectionServer::new(manner)));
        let set = load(endpoint, PATIENCE)
            .await
            .unwrap_or_else(|error| panic!("{manner:?}: {error}"));
        let own: Vec<&str> = names(&set)
            .into_iter()
            .filter(|it| !it.starts_with("google/"))
            .collect();
        assert_eq!(own, ["reply.proto", "service.proto"], "{manner:?}");
        assert_eq!(build(&set).unwrap().services().len(), 1);
    }
}

#[tokio::test]
async fn useless_servers_are_given_up() {
    let endpoint = serve(Server::builder().add_service(ServerReflectionServer::new(Manner::Silent)));
    assert!(matches!(
        load(endpoint, Duration::from_millis(50)).await,
        Err(ReflectionError::Timeout(_))
    ));
    let endpoint = serve(Server::builder().add_service(ServerReflectionServer::new(Manner::Garbage)));
    assert!(matches!(
        load(endpoint, PATIENCE).await,
        Err(ReflectionError::Answer(_))
    ));
}
