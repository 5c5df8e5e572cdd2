//! Whole documents against their schema, constraints and formats included: the bodies of requests.

use std::path::{Path, PathBuf};

use jsonschema::{Draft, PatternOptions, Retrieve, Uri};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::library::{Library, SchemaError};
use super::tree;

/// What a path needs in a URI.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'#')
    .add(b'?')
    .add(b'"')
    .add(b'<')
    .add(b'>');

/// Checks JSON against one schema.
#[derive(Debug)]
pub struct Validator {
    validator: jsonschema::Validator,
}

/// Why a document is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// RFC 6901.
    pub pointer: String,
    /// One sentence without the value.
    pub reason: String,
}

// === impl Validator ===

impl Validator {
    /// Everything that is wrong with a document; nothing where it is valid. Members are named, values are not.
    pub fn validate(&self, json: &[u8]) -> Vec<Invalid> {
        let Ok(value) = serde_json::from_slice::<Value>(json) else {
            return vec![Invalid {
                pointer: String::new(),
                reason: "not JSON that can be checked".to_owned(),
            }];
        };
        let errors = self.validator.iter_errors(&value);
        errors
            .map(|error| Invalid {
                pointer: error.instance_path().to_string(),
                reason: error.masked().to_string(),
            })
            .collect()
    }
}

impl Library {
    /// Compiles a validator for a part of a JSON Schema file, whose types were read before. Patterns are of linear time.
    pub fn validator(&self, path: &Path, fragment: &str) -> Result<Validator, SchemaError> {
        let root = json!({ "$ref": format!("{}#{fragment}", uri_of(path)) });
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_retriever(Files { named: self.named() })
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .build(&root)
            .map_err(|error| SchemaError::new(format!("`{}` cannot be used: {error}", path.display())))?;
        Ok(Validator { validator })
    }
}

fn uri_of(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!("file://{}", utf8_percent_encode(&whole.to_string_lossy(), ESCAPED))
}

/// Files, by their path or by the `$id` of one of them.
struct Files {
    /// `$id` of whole files, and the files.
    named: Vec<(String, PathBuf)>,
}

impl Retrieve for Files {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let uri = uri.as_str().split('#').next().unwrap_or_default();
        let path = match uri.strip_prefix("file://") {
            Some(path) => PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned()),
            // Files lie beside each other as their names on the web do.
            None => self
                .named
                .iter()
                .find_map(|(id, path)| {
                    if id == uri {
                        return Some(path.clone());
                    }
                    let rest = uri.strip_prefix(id.rsplit_once('/')?.0)?.strip_prefix('/')?;
                    Some(path.parent()?.join(rest)).filter(|it| it.is_file())
                })
                .ok_or_else(|| format!("no file that was read has the `$id` `{uri}`"))?,
        };
        let text = std::fs::read_to_string(&path)?;
        let mut json = tree::parse(&text)?.to_json();
        // References of a file that has its name on the web are meant for the files beside it.
        if let Some(members) = json.as_object_mut() {
            members.shift_remove("$id");
        }
        Ok(json)
    }
}
