//! Descriptors from a running server: gRPC server reflection, v1 first, v1alpha where the server says UNIMPLEMENTED.
//!
//! Servers answer with a file, with a file and all its imports, in any order, with the same file twice. What is missing is
//! asked for by name; well-known files need not be (`schema::build` has them). A service that the server lists but has no
//! descriptor of is left out.
//! Invariant: a server cannot keep us forever or fill our memory: time, files and bytes are bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use prost::Message as _;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::transport::Endpoint;
use tonic::{Code, Status, Streaming};
use tonic_reflection::pb;

use super::descriptor::{FileDescriptorProto, FileDescriptorSet};
use super::well_known;

/// Why a server's descriptors could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// The server answers in a way that makes no sense.
    #[error("the answer of the server's reflection makes no sense: {0}")]
    Answer(String),
    /// No connection.
    #[error("the server cannot be reached: {0}")]
    Connect(#[source] tonic::transport::Error),
    /// The server refused or broke off.
    #[error("the server's reflection failed: {code:?}: {message}")]
    Status {
        /// The gRPC code.
        code: Code,
        /// The server's own words.
        message: String,
    },
    /// It took too long.
    #[error("the server's reflection did not finish within {0:?}")]
    Timeout(Duration),
    /// Neither v1 nor v1alpha.
    #[error("the server does not offer reflection (neither grpc.reflection.v1 nor v1alpha)")]
    Unsupported,
}

impl From<Status> for ReflectionError {
    fn from(status: Status) -> Self {
        Self::Status {
            code: status.code(),
            message: status.message().to_owned(),
        }
    }
}

/// The longest answer: all files of a server may come in one.
const MAX_ANSWER: usize = 64 << 20;
/// The most bytes of all files.
const MAX_BYTES: usize = 256 << 20;
/// The most files.
const MAX_FILES: usize = 20_000;
/// The number of `service` in `FileDescriptorProto`, with which the path of a service's place begins.
const SERVICE_FIELD: i32 = 6;

/// Loads all files of the services that a server offers, over a connection of its own.
pub async fn load(endpoint: Endpoint, timeout: Duration) -> Result<FileDescriptorSet, ReflectionError> {
    let load = async {
        let channel = endpoint.connect().await.map_err(ReflectionError::Connect)?;
        load_all(channel).await
    };
    tokio::time::timeout(timeout, load)
        .await
        .unwrap_or(Err(ReflectionError::Timeout(timeout)))
}

/// Loads all files of the services that a server offers, over a connection that is there.
pub async fn load_over<S>(service: S, timeout: Duration) -> Result<FileDescriptorSet, ReflectionError>
where
    S: GrpcService<Body> + Clone,
    S::Error: Into<StdError>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    tokio::time::timeout(timeout, load_all(service))
        .await
        .unwrap_or(Err(ReflectionError::Timeout(timeout)))
}

async fn load_all<S>(service: S) -> Result<FileDescriptorSet, ReflectionError>
where
    S: GrpcService<Body> + Clone,
    S::Error: Into<StdError>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    let mut session = Session {
        service,
        version: Version::V1,
        stream: None,
    };
    let services = match session.ask(&Question::Services).await {
        Err(ReflectionError::Status {
            code: Code::Unimplemented,
            ..
        }) => {
            session = Session {
                version: Version::V1alpha,
                stream: None,
                ..session
            };
            match session.ask(&Question::Services).await {
                Err(ReflectionError::Status {
                    code: Code::Unimplemented,
                    ..
                }) => return Err(ReflectionError::Unsupported),
                answer => answer?,
            }
        }
        answer => answer?,
    };
    let Answer::Services(services) = services else {
        return Err(ReflectionError::Answer(
            "it lists no services when asked for them".to_owned(),
        ));
    };
    let mut files = Files::default();
    for service in &services {
        if !files.services.contains(service) {
            files.take(session.ask(&Question::Symbol(service.clone())).await?)?;
        }
    }
    // Names that were asked for are not asked for again, whatever the answer was.
    let mut asked = BTreeSet::new();
    while let Some(name) = files.missing(&asked) {
        files.take(session.ask(&Question::File(name.clone())).await?)?;
        asked.insert(name);
    }
    let mut file: Vec<FileDescriptorProto> = files.by_name.into_values().collect();
    for file in &mut file {
        leave_only(file, &services);
    }
    Ok(FileDescriptorSet { file })
}

/// Takes out the services that the server does not list: a file may declare more than one server serves.
fn leave_only(file: &mut FileDescriptorProto, listed: &[String]) {
    let n_services = file.service.len();
    let package = file.package().to_owned();
    file.service.retain(|it| {
        let name = it.name();
        listed.iter().any(|it| match it.strip_suffix(name) {
            Some("") => package.is_empty(),
            Some(before) => before.strip_suffix('.') == Some(package.as_str()),
            None => false,
        })
    });
    if file.service.len() < n_services
        && let Some(info) = &mut file.source_code_info
    {
        // Places name services by their position, which is another now.
        info.location.retain(|it| it.path.first() != Some(&SERVICE_FIELD));
    }
}

// === what was answered ===

#[derive(Default)]
struct Files {
    by_name: BTreeMap<String, FileDescriptorProto>,
    /// Full names of the services in them.
    services: BTreeSet<String>,
    imports: BTreeSet<String>,
    n_bytes: usize,
}

impl Files {
    fn take(&mut self, answer: Answer) -> Result<(), ReflectionError> {
        let files = match answer {
            Answer::Files(files) => files,
            Answer::NotFound => return Ok(()),
            Answer::Services(_) => {
                return Err(ReflectionError::Answer(
                    "it lists services when asked for a file".to_owned(),
                ));
            }
        };
        for bytes in files {
            self.n_bytes += bytes.len();
            let file = FileDescriptorProto::decode(bytes.as_slice())
                .map_err(|error| ReflectionError::Answer(format!("a file descriptor does not decode: {error}")))?;
            if file.name().is_empty() {
                return Err(ReflectionError::Answer("a file descriptor has no name".to_owned()));
            }
            if self.by_name.contains_key(file.name()) {
                continue;
            }
            let package = file
                .package
                .clone()
                .filter(|it| !it.is_empty())
                .map(|it| it + ".")
                .unwrap_or_default();
            self.services
                .extend(file.service.iter().map(|it| format!("{package}{}", it.name())));
            self.imports.extend(
                file.dependency
                    .iter()
                    .filter(|it| !well_known::is_well_known(it))
                    .cloned(),
            );
            self.by_name
                .insert(file.name().to_owned(), FileDescriptorProto { path: None, ..file });
        }
        if self.by_name.len() > MAX_FILES || self.n_bytes > MAX_BYTES {
            return Err(ReflectionError::Answer(format!(
                "it has more than {MAX_FILES} files or {MAX_BYTES} bytes"
            )));
        }
        Ok(())
    }

    /// A file that is imported and neither there nor asked for.
    fn missing(&self, asked: &BTreeSet<String>) -> Option<String> {
        self.imports
            .iter()
            .find(|it| !self.by_name.contains_key(*it) && !asked.contains(*it))
            .cloned()
    }
}

// === one question after the other ===

#[derive(Clone, Copy)]
enum Version {
    V1,
    V1alpha,
}

#[derive(Debug)]
enum Question {
    File(String),
    Services,
    Symbol(String),
}

#[derive(Debug)]
enum Answer {
    Files(Vec<Vec<u8>>),
    NotFound,
    Services(Vec<String>),
}

struct Session<S> {
    service: S,
    version: Version,
    stream: Option<Stream>,
}

/// A call of the one method that reflection has.
enum Stream {
    V1(v1::Stream),
    V1alpha(v1alpha::Stream),
}

impl<S> Session<S>
where
    S: GrpcService<Body> + Clone,
    S::Error: Into<StdError>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    /// Asks one question. Some servers say that there is no such file by failing the call.
    async fn ask(&mut self, question: &Question) -> Result<Answer, ReflectionError> {
        match self.ask_once(question).await {
            Err(ReflectionError::Status {
                code: Code::NotFound, ..
            }) => {
                self.stream = None;
                Ok(Answer::NotFound)
            }
            answer => answer,
        }
    }

    /// Asks on the call that is there; one that a server ended behind an answer is made again.
    async fn ask_once(&mut self, question: &Question) -> Result<Answer, ReflectionError> {
        if let Some(stream) = &mut self.stream
            && let Some(answer) = stream.ask(question).await?
        {
            return Ok(answer);
        }
        let stream = self.stream.insert(match self.version {
            Version::V1 => Stream::V1(v1::open(self.service.clone(), question).await?),
            Version::V1alpha => Stream::V1alpha(v1alpha::open(self.service.clone(), question).await?),
        });
        stream
            .answer()
            .await?
            .ok_or_else(|| ReflectionError::Answer("it ends without an answer".to_owned()))
    }
}

impl Stream {
    /// Asks on a call that was used before; `None` if it has ended.
    async fn ask(&mut self, question: &Question) -> Result<Option<Answer>, ReflectionError> {
        let sent = match self {
            Self::V1(stream) => stream.requests.unbounded_send(question.into()).is_ok(),
            Self::V1alpha(stream) => stream.requests.unbounded_send(question.into()).is_ok(),
        };
        if sent { self.answer().await } else { Ok(None) }
    }

    async fn answer(&mut self) -> Result<Option<Answer>, ReflectionError> {
        match self {
            Self::V1(stream) => stream.replies.message().await?.map(TryInto::try_into).transpose(),
            Self::V1alpha(stream) => stream.replies.message().await?.map(TryInto::try_into).transpose(),
        }
    }
}

/// One version of the protocol. Both have the same messages under different names.
macro_rules! version {
    ($version:ident) => {
        mod $version {
            use super::{
                Answer, Body, Bytes, Code, GrpcService, MAX_ANSWER, Question, ReflectionError, Status, StdError,
                Streaming, mpsc, pb,
            };
            use pb::$version::server_reflection_client::ServerReflectionClient;
            use pb::$version::server_reflection_request::MessageRequest;
            use pb::$version::server_reflection_response::MessageResponse;
            use pb::$version::{ServerReflectionRequest, ServerReflectionResponse};

            pub(super) struct Stream {
                pub(super) requests: mpsc::UnboundedSender<ServerReflectionRequest>,
                pub(super) replies: Streaming<ServerReflectionResponse>,
            }

            /// Calls the server with a first question: some send no headers before they were asked.
            pub(super) async fn open<S>(service: S, question: &Question) -> Result<Stream, Status>
            where
                S: GrpcService<Body>,
                S::Error: Into<StdError>,
                S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
                <S::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
            {
                let (requests, questions) = mpsc::unbounded();
                // The receiver is here, so sending cannot fail; if it did, the call would end without an answer.
                drop(requests.unbounded_send(question.into()));
                let mut client = ServerReflectionClient::new(service).max_decoding_message_size(MAX_ANSWER);
                let replies = client.server_reflection_info(questions).await?.into_inner();
                Ok(Stream { requests, replies })
            }

            impl From<&Question> for ServerReflectionRequest {
                fn from(question: &Question) -> Self {
                    let message_request = Some(match question {
                        Question::File(name) => MessageRequest::FileByFilename(name.clone()),
                        Question::Services => MessageRequest::ListServices(String::new()),
                        Question::Symbol(name) => MessageRequest::FileContainingSymbol(name.clone()),
                    });
                    Self {
                        host: String::new(),
                        message_request,
                    }
                }
            }

            impl TryFrom<ServerReflectionResponse> for Answer {
                type Error = ReflectionError;

                fn try_from(response: ServerReflectionResponse) -> Result<Self, ReflectionError> {
                    match response.message_response {
                        Some(MessageResponse::FileDescriptorResponse(answer)) => {
                            Ok(Self::Files(answer.file_descriptor_proto))
                        }
                        Some(MessageResponse::ListServicesResponse(answer)) => Ok(Self::Services(
                            answer.service.into_iter().map(|it| it.name).collect(),
                        )),
                        Some(MessageResponse::ErrorResponse(error))
                            if Code::from(error.error_code) == Code::NotFound =>
                        {
                            Ok(Self::NotFound)
                        }
                        Some(MessageResponse::ErrorResponse(error)) => Err(ReflectionError::Status {
                            code: Code::from(error.error_code),
                            message: error.error_message,
                        }),
                        Some(MessageResponse::AllExtensionNumbersResponse(_)) | None => {
                            Err(ReflectionError::Answer("it answers another question".to_owned()))
                        }
                    }
                }
            }
        }
    };
}

version!(v1);
version!(v1alpha);

#[cfg(test)]
mod tests;
