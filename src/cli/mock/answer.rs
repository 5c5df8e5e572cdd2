//! What a mock says to one request: a file's words, a failure on purpose, or values that were made up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use http::StatusCode;
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::{Code, Status};

use super::invent::Inventor;
use crate::runtime::backend::code;
use crate::schema::json_schema;

/// How all mocks behave.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// The folder of files that answer in place of made-up values.
    pub(super) folder: PathBuf,
    /// For every call, and by name of a backend or method.
    pub(super) latency: (Duration, BTreeMap<String, Duration>),
    /// By name of a backend or method.
    pub(super) failures: BTreeMap<String, Code>,
}

/// What a file says.
enum Said {
    Failure(Code),
    Reply(Value),
}

impl Conduct {
    /// How long a call takes, and whether it fails. A method's own rule goes before its backend's.
    async fn wait(&self, method: &str, backend: &str) -> Option<Code> {
        let (all, some) = &self.latency;
        let latency = some.get(method).or_else(|| some.get(backend)).unwrap_or(all);
        tokio::time::sleep(*latency).await;
        let failure = self.failures.get(method).or_else(|| self.failures.get(backend));
        failure.copied()
    }

    /// A file of this name, `.yaml`, `.yml` or `.json`, as it is at this moment.
    fn file(&self, name: &Path) -> anyhow::Result<Option<Said>> {
        for extension in ["yaml", "yml", "json"] {
            let path = self.folder.join(name).with_extension(extension);
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            };
            let value = json_schema::read(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))?;
            let Some(written) = value.get("$error") else {
                return Ok(Some(Said::Reply(value)));
            };
            let name = written.as_str().map_or_else(|| written.to_string(), str::to_owned);
            let code = code_of(&name).with_context(|| format!("{}: `{name}` is no code", path.display()))?;
            return Ok(Some(Said::Failure(code)));
        }
        Ok(None)
    }

    /// Answers a gRPC call.
    pub(super) async fn grpc(
        &self,
        backend: &str,
        method: &MethodDescriptor,
        request: &DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        let name = format!("{}/{}", method.parent_service().full_name(), method.name());
        if let Some(code) = self.wait(&name, backend).await {
            return Err(Status::new(code, "this mock fails on purpose"));
        }
        let internal = |error: &dyn std::fmt::Display| Status::internal(format!("mock of {name}: {error}"));
        let reply = match self.file(Path::new(&name)).map_err(|error| internal(&error))? {
            Some(Said::Failure(code)) => return Err(Status::new(code, "a file of mocks says so")),
            Some(Said::Reply(reply)) => reply,
            None => {
                let options = SerializeOptions::new()
                    .stringify_64_bit_integers(false)
                    .use_proto_field_name(true);
                let request = request
                    .serialize_with_options(serde_json::value::Serializer, &options)
                    .map_err(|error| internal(&error))?;
                Inventor::new(&name, &request).message(&method.output())
            }
        };
        DynamicMessage::deserialize(method.output(), reply).map_err(|error| internal(&error))
    }

    /// Answers an HTTP call: the status and the JSON. `files` are the names of files that may answer, the nearest first.
    pub(super) async fn http(
        &self,
        backend: &str,
        method: &str,
        files: &[PathBuf],
        invent: impl FnOnce() -> Value,
    ) -> (StatusCode, Value) {
        let problem = |status: StatusCode, detail: &str| (status, serde_json::json!({ "detail": detail }));
        if let Some(code) = self.wait(method, backend).await {
            return problem(code::http_status(code), "this mock fails on purpose");
        }
        for name in files {
            match self.file(name) {
                Ok(Some(Said::Reply(reply))) => return (StatusCode::OK, reply),
                Ok(Some(Said::Failure(code))) => return problem(code::http_status(code), "a file of mocks says so"),
                Ok(None) => {}
                Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
            }
        }
        (StatusCode::OK, invent())
    }
}

/// A gRPC code by its name, or by the HTTP status that it is to an HTTP backend.
pub(super) fn code_of(name: &str) -> Option<Code> {
    let named = (1..=16).map(Code::from).find(|it| code::name(*it) == name);
    named.or_else(|| Some(code::of_http_status(StatusCode::from_u16(name.parse().ok()?).ok()?)))
}
