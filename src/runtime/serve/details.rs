//! google.rpc.Status details as canonical JSON, for endpoints that show them (`errors: { details: expose }`).
//!
//! Invariant: only the known types of `google/rpc/error_details.proto` pass, and never DebugInfo (semantics.md 11.9).

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::codec::wire::Reader;
use crate::codec::{DecodeError, JsonOptions, Selection, ToJson};
use crate::schema::{MessageRef, build, well_known};

/// Field numbers of google.rpc.Status and google.protobuf.Any.
const STATUS_DETAILS: u32 = 3;
const ANY_TYPE_URL: u32 = 1;

/// What may be shown of an encoded google.rpc.Status; empty where it does not decode.
pub fn as_json(status: &[u8]) -> Vec<Value> {
    let Some(any) = program() else {
        return Vec::new();
    };
    let details = fields(status, STATUS_DETAILS).unwrap_or_default();
    details
        .into_iter()
        .filter(|it| may_be_shown(it))
        .filter_map(|it| rendered(any, it))
        .collect()
}

fn rendered(any: &ToJson, detail: &[u8]) -> Option<Value> {
    let mut out = Vec::new();
    any.write(detail, &mut out).ok()?;
    serde_json::from_slice(&out).ok()
}

fn may_be_shown(any: &[u8]) -> bool {
    let url = fields(any, ANY_TYPE_URL).unwrap_or_default().pop().unwrap_or_default();
    let name = url
        .strip_prefix(b"type.googleapis.com/google.rpc.")
        .and_then(|it| std::str::from_utf8(it).ok());
    matches!(
        name,
        Some(
            "BadRequest"
                | "ErrorInfo"
                | "Help"
                | "LocalizedMessage"
                | "PreconditionFailure"
                | "QuotaFailure"
                | "RequestInfo"
                | "ResourceInfo"
                | "RetryInfo"
        )
    )
}

/// The contents of every occurrence of a length-delimited field.
fn fields(message: &[u8], number: u32) -> Result<Vec<&[u8]>, DecodeError> {
    let mut reader = Reader::new(message);
    let mut found = Vec::new();
    while let Some((tag, value)) = reader.field()? {
        if tag.number() == number {
            found.push(value.bytes());
        }
    }
    Ok(found)
}

/// Renders google.protobuf.Any with the types of google.rpc.
fn program() -> Option<&'static Arc<ToJson>> {
    static PROGRAM: OnceLock<Option<Arc<ToJson>>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let schema = build::build(&well_known::set()).ok()?;
            let any = schema.find_message("google.protobuf.Any")?;
            Some(ToJson::compile(
                &MessageRef::new(schema, any),
                &Selection::All,
                JsonOptions::default(),
            ))
        })
        .as_ref()
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::json;

    use super::*;

    fn any(name: &str, value: Vec<u8>) -> prost_types::Any {
        prost_types::Any {
            type_url: format!("type.googleapis.com/google.rpc.{name}"),
            value,
        }
    }

    #[test]
    fn known_details_are_shown_and_debug_info_never() {
        #[derive(Clone, PartialEq, prost::Message)]
        struct Status {
            #[prost(message, repeated, tag = "3")]
            details: Vec<prost_types::Any>,
        }
        #[derive(Clone, PartialEq, prost::Message)]
        struct ErrorInfo {
            #[prost(string, tag = "1")]
            reason: String,
        }
        let info = ErrorInfo {
            reason: "STOCK".to_owned(),
        }
        .encode_to_vec();
        let status = Status {
            details: vec![
                any("ErrorInfo", info.clone()),
                any("DebugInfo", info.clone()),
                any("Unknown", info),
            ],
        };
        let expected = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "STOCK" }]);
        assert_eq!(Value::Array(as_json(&status.encode_to_vec())), expected);
        assert_eq!(as_json(b"\xff"), Vec::<Value>::new());
    }
}
