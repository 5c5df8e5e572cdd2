//! Answers requests of protobuf's conformance runner with the product's own codec.
//!
//! Owns the messages of conformance.proto and the lines in which requests are recorded. What has JSON on neither side is
//! skipped: the codec is a transcoder and has nothing to do there.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use prost::Message as _;
use serde_json::{Value, json};
use weft::codec::{DecodeError, FromJson, JsonOptions, Selection, ToJson, UnknownMembers};
use weft::schema::build::{SchemaError, build};
use weft::schema::descriptor::FileDescriptorSet;
use weft::schema::{MessageRef, Schema};

/// The messages of the suite and their imports, compiled.
const MESSAGES: &[u8] = include_bytes!("../../../fixtures/codec/conformance/messages.binpb");

/// The package that all messages of the suite are in; records leave it out.
const PACKAGE: &str = "protobuf_test_messages.";

/// `conformance.ConformanceRequest`; strings are bytes here, since some are no UTF-8 on purpose.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Request {
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    pub(crate) payload: Option<Payload>,
    #[prost(enumeration = "WireFormat", tag = "3")]
    pub(crate) requested_output_format: i32,
    #[prost(string, tag = "4")]
    pub(crate) message_type: String,
    #[prost(enumeration = "TestCategory", tag = "5")]
    pub(crate) test_category: i32,
}

/// The message to read, in one of the formats.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Payload {
    #[prost(bytes, tag = "1")]
    Protobuf(Vec<u8>),
    #[prost(bytes, tag = "2")]
    Json(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Jspb(Vec<u8>),
    #[prost(bytes, tag = "8")]
    Text(Vec<u8>),
}

/// `conformance.WireFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum WireFormat {
    Unspecified = 0,
    Protobuf = 1,
    Json = 2,
    Jspb = 3,
    TextFormat = 4,
}

/// `conformance.TestCategory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum TestCategory {
    Unspecified = 0,
    Binary = 1,
    Json = 2,
    JsonIgnoreUnknown = 3,
    Jspb = 4,
    Text = 5,
}

/// `conformance.ConformanceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Response {
    #[prost(oneof = "Outcome", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) result: Option<Outcome>,
}

/// What became of the message.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Outcome {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(string, tag = "2")]
    RuntimeError(String),
    #[prost(bytes, tag = "3")]
    Protobuf(Vec<u8>),
    #[prost(bytes, tag = "4")]
    Json(Vec<u8>),
    #[prost(string, tag = "5")]
    Skipped(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
}

/// The programs of one message type.
struct Programs {
    strict: Arc<FromJson>,
    lenient: Arc<FromJson>,
    to_json: Arc<ToJson>,
}

/// Answers requests, one after the other.
pub(crate) struct Testee {
    schema: Arc<Schema>,
    programs: HashMap<String, Programs>,
}

impl Testee {
    /// A testee that knows the messages of the suite.
    pub(crate) fn new() -> Result<Self, SchemaError> {
        let set = FileDescriptorSet::decode(MESSAGES).map_err(|error| SchemaError::Invalid {
            file: "messages.binpb".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            schema: build(&set)?,
            programs: HashMap::new(),
        })
    }

    /// Answers one request.
    pub(crate) fn answer(&mut self, request: &Request) -> Response {
        Response {
            result: Some(self.outcome(request)),
        }
    }

    fn outcome(&mut self, request: &Request) -> Outcome {
        // The first request asks for a list of tests that may fail; the runner reads it from a file of ours instead.
        if request.message_type == "conformance.FailureSet" {
            return Outcome::Protobuf(Vec::new());
        }
        let (from_json, to_json) = (
            matches!(request.payload, Some(Payload::Json(_))),
            request.requested_output_format() == WireFormat::Json,
        );
        let to_wire = request.requested_output_format() == WireFormat::Protobuf;
        let from_wire = matches!(request.payload, Some(Payload::Protobuf(_)));
        if !((from_json && (to_json || to_wire)) || (from_wire && to_json)) {
            return Outcome::Skipped("only from JSON and to JSON".to_owned());
        }
        let Some(programs) = self.programs(&request.message_type) else {
            return Outcome::RuntimeError(format!("`{}` is unknown", request.message_type));
        };
        let parsed;
        let wire = match &request.payload {
            Some(Payload::Protobuf(wire)) => wire,
            Some(Payload::Json(json)) => {
                let program = match request.test_category() {
                    TestCategory::JsonIgnoreUnknown => &programs.lenient,
                    _ => &programs.strict,
                };
                let mut out = Vec::new();
                if let Err(error) = program.write(json, &mut out) {
                    return Outcome::ParseError(error.to_string());
                }
                parsed = out;
                &parsed
            }
            _ => return Outcome::Skipped("neither JSON nor protobuf".to_owned()),
        };
        if to_wire {
            return Outcome::Protobuf(wire.clone());
        }
        let mut out = Vec::new();
        let written = programs
            .to_json
            .validate(wire)
            .and_then(|()| programs.to_json.write(wire, &mut out));
        match written {
            Ok(()) => Outcome::Json(out),
            Err(error @ (DecodeError::Range | DecodeError::TooLarge)) => Outcome::SerializeError(error.to_string()),
            Err(error) => Outcome::ParseError(error.to_string()),
        }
    }

    fn programs(&mut self, full_name: &str) -> Option<&Programs> {
        if !self.programs.contains_key(full_name) {
            let message = MessageRef::new(self.schema.clone(), self.schema.find_message(full_name)?);
            let programs = Programs {
                strict: FromJson::compile(&message),
                lenient: FromJson::compile_with(&message, UnknownMembers::Ignore),
                to_json: ToJson::compile(&message, &Selection::All, JsonOptions::default()),
            };
            self.programs.insert(full_name.to_owned(), programs);
        }
        self.programs.get(full_name)
    }
}

// === Records ===

/// A request and its answer as one line of JSON, `[type, input, output, answer]`; none where it was skipped.
pub(crate) fn line(request: &Request, response: &Response) -> Option<String> {
    let lenient = request.test_category() == TestCategory::JsonIgnoreUnknown;
    let input = match request.payload.as_ref()? {
        Payload::Json(json) => match std::str::from_utf8(json) {
            Ok(text) if lenient => json!({ "lenient_json": text }),
            Ok(text) => json!({ "json": text }),
            Err(_) => json!({ "json_hex": hex(json) }),
        },
        Payload::Protobuf(wire) => json!({ "wire": hex(wire) }),
        Payload::Jspb(_) | Payload::Text(_) => return None,
    };
    let answer = match response.result.as_ref()? {
        Outcome::Json(json) => json!({ "json": String::from_utf8_lossy(json) }),
        Outcome::ParseError(_) => json!("parse error"),
        Outcome::Protobuf(wire) => json!({ "wire": hex(wire) }),
        Outcome::RuntimeError(_) => json!("runtime error"),
        Outcome::SerializeError(_) => json!("serialize error"),
        Outcome::Skipped(_) => return None,
    };
    let output = match request.requested_output_format() {
        WireFormat::Json => "json",
        _ => "wire",
    };
    let message_type = request.message_type.strip_prefix(PACKAGE)?;
    Some(json!([message_type, input, output, answer]).to_string())
}

/// The request of a line.
#[allow(dead_code, reason = "only the test that replays what was recorded reads records")]
pub(crate) fn request(line: &str) -> Option<Request> {
    let Value::Array(parts) = serde_json::from_str(line).ok()? else {
        return None;
    };
    let [
        Value::String(message_type),
        Value::Object(input),
        Value::String(output),
        _,
    ] = &*parts
    else {
        return None;
    };
    let (format, text) = input.iter().next()?;
    let text = text.as_str()?;
    let payload = match &**format {
        "json" | "lenient_json" => Payload::Json(text.as_bytes().to_vec()),
        "json_hex" => Payload::Json(unhex(text)?),
        "wire" => Payload::Protobuf(unhex(text)?),
        _ => return None,
    };
    let category = match &**format {
        "lenient_json" => TestCategory::JsonIgnoreUnknown,
        _ => TestCategory::Json,
    };
    let output = match &**output {
        "json" => WireFormat::Json,
        _ => WireFormat::Protobuf,
    };
    Some(Request {
        payload: Some(payload),
        requested_output_format: output.into(),
        message_type: format!("{PACKAGE}{message_type}"),
        test_category: category.into(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, it| {
        // Writing to a string cannot fail.
        let _written = write!(out, "{it:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes().chunks(2);
    bytes
        .map(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok())
        .collect()
}
