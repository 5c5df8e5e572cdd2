//! The cases of `fixtures/http_rule`: the message that the backend gets, and tables for what they do not ask.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics has failed, as it should"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use http::Method;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value};

use super::*;
use crate::schema::Schema;
use crate::schema::build::build;
use crate::schema::descriptor::FileDescriptorSet;
use crate::schema::path_template::{Match, RouteTable};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/http_rule")
        .join(name)
}

static SCHEMA: LazyLock<(DescriptorPool, Arc<Schema>)> = LazyLock::new(|| {
    let imports = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema/well_known");
    let mut compiler = protox::Compiler::new([fixture(""), imports]).unwrap();
    compiler.include_imports(true).open_file("messages.proto").unwrap();
    let bytes = compiler.encode_file_descriptor_set();
    let schema = build(&FileDescriptorSet::decode(&*bytes).unwrap()).unwrap();
    (DescriptorPool::decode(&*bytes).unwrap(), schema)
});

fn message(name: &str) -> MessageRef {
    let schema = &SCHEMA.1;
    MessageRef::new(
        schema.clone(),
        schema.find_message(&format!("httprule.v1.{name}")).unwrap(),
    )
}

fn rule(path: &str, body: &str) -> HttpRule {
    HttpRule {
        method: "POST".to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
        response_body: String::new(),
    }
}

fn binding(path: &str, body: &str, name: &str) -> Result<Arc<HttpBinding>, String> {
    HttpBinding::compile(&rule(path, body), &PathTemplate::parse(path).unwrap(), &message(name))
}

/// The bound message as JSON, or the mistakes.
fn bound(
    binding: &HttpBinding,
    name: &str,
    captures: &[&str],
    query: &str,
    body: &str,
) -> Result<Value, Vec<BindError>> {
    let captures: Vec<String> = captures.iter().map(|&it| it.to_owned()).collect();
    let mut out = b"before".to_vec();
    let result = binding.bind(&captures, Some(query), body.as_bytes(), &mut out);
    assert!(out.starts_with(b"before"));
    match result {
        Ok(()) => {
            let descriptor = SCHEMA.0.get_message_by_name(&format!("httprule.v1.{name}")).unwrap();
            let decoded = DynamicMessage::decode(descriptor, &out[6..]).unwrap();
            Ok(serde_json::to_value(&decoded).unwrap())
        }
        Err(errors) => {
            assert_eq!(out.len(), 6);
            assert!(!errors.is_empty());
            Err(errors)
        }
    }
}

/// One case's outcome as its file writes it: the route and the message, or no route.
fn outcome(routes: &RouteTable<(String, Arc<HttpBinding>)>, message: &str, request: &Value) -> Value {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let mut expected = Map::new();
    let route = routes.find(&Method::from_bytes(text("method").as_bytes()).unwrap(), text("path"));
    let message = match &route {
        Match::Route((id, binding), captures) => {
            let captures: Vec<&str> = captures.iter().map(|it| &**it).collect();
            bound(binding, message, &captures, text("query"), text("body"))
                .ok()
                .map(|it| (id.clone(), it))
        }
        _ => None,
    };
    match message {
        Some((id, message)) => {
            expected.insert("route".to_owned(), id.into());
            expected.insert("message".to_owned(), message);
        }
        None => {
            expected.insert("route".to_owned(), Value::Null);
        }
    }
    Value::Object(expected)
}

/// Cases where we and the file differ, each behind `id: reason`.
fn known_differences() -> Vec<String> {
    let text = fs::read_to_string(fixture("known_differences.txt")).unwrap();
    let lines = text.lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
    lines
        .map(|it| it.split_once(": ").expect("a reason").0.to_owned())
        .collect()
}

#[test]
fn cases_give_the_message_that_the_backend_must_get() {
    let file: Value = serde_json::from_slice(&fs::read(fixture("cases.json")).unwrap()).unwrap();
    let known = known_differences();
    let mut wrong = Vec::new();
    let mut n_cases = 0;
    for (table_name, table) in file["tables"].as_object().unwrap() {
        let name = table["message"].as_str().unwrap();
        let mut routes = RouteTable::default();
        for route in table["routes"].as_array().unwrap() {
            let id = route["id"].as_str().unwrap();
            let none = Vec::new();
            let additional = route["additional"].as_array().unwrap_or(&none);
            for route in std::iter::once(route).chain(additional) {
                let text = |key: &str| route[key].as_str().unwrap_or_default();
                // Tables with templates that http.proto does not allow lose those.
                let Ok(template) = PathTemplate::parse(text("template")) else {
                    continue;
                };
                let rule = rule(text("template"), text("body"));
                let binding = HttpBinding::compile(&rule, &template, &message(name)).unwrap();
                let method = (text("verb") != "*").then(|| Method::from_bytes(text("verb").as_bytes()).unwrap());
                assert!(routes.insert(method, &template, (id.to_owned(), binding)).is_ok());
            }
        }
        for case in file["cases"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["table"] == **table_name)
        {
            n_cases += 1;
            let id = case["id"].as_str().unwrap();
            let got = outcome(&routes, name, &case["request"]);
            let empty = Vec::new();
            // Expected messages may spell names as they like: what counts is the message.
            let normal = |expected: &Value| {
                let mut expected = expected.clone();
                if let Some(json) = expected.get_mut("message") {
                    let descriptor = SCHEMA.0.get_message_by_name(&format!("httprule.v1.{name}")).unwrap();
                    *json =
                        serde_json::to_value(DynamicMessage::deserialize(descriptor, json.take()).unwrap()).unwrap();
                }
                expected
            };
            let mut accepted = std::iter::once(&case["expect"]).chain(case["alt"].as_array().unwrap_or(&empty));
            let good = accepted.any(|it| normal(it) == got);
            if good == known.iter().any(|it| it == id) {
                wrong.push(format!("{id}: got {got}, expected {}", case["expect"]));
            }
        }
    }
    assert!(n_cases > 150, "{n_cases}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rules_that_cannot_bind_are_refused() {
    for (path, body, reason) in [
        (
            "/a/{nope}",
            "",
            "`nope` names no field: httprule.v1.Everything has no `nope`",
        ),
        (
            "/a/{nested.nope}",
            "",
            "`nested.nope` names no field: httprule.v1.Everything has no `nope`",
        ),
        (
            "/a/{repeated_string}",
            "",
            "`repeated_string` is a repeated field, which no path variable can set",
        ),
        (
            "/a/{map_string}",
            "",
            "`map_string` is a repeated field, which no path variable can set",
        ),
        (
            "/a/{nested}",
            "",
            "`nested` is a message, which no path variable can set",
        ),
        (
            "/a/{struct_value}",
            "",
            "`struct_value` is a message, which no path variable can set",
        ),
        (
            "/a/{repeated_message.int32_value}",
            "",
            "`repeated_message.int32_value` goes through a field that is no singular message",
        ),
        (
            "/a/{string_value.x}",
            "",
            "`string_value.x` goes through a field that is no singular message",
        ),
        ("/a", "nope", "`body: nope` names no field of httprule.v1.Everything"),
        (
            "/a/{string_value}",
            "string_value",
            "`string_value` is bound by the path and by `body`",
        ),
    ] {
        assert_eq!(
            binding(path, body, "Everything").err().as_deref(),
            Some(reason),
            "{path} {body}"
        );
    }
    assert!(binding("/a/{timestamp_value}/{wrapped_int64}/{color}", "", "Everything").is_ok());
    assert!(binding("/a", "*", "Everything").unwrap().reads_body());
    assert!(binding("/a", "nested", "Everything").unwrap().reads_body());
    assert!(!binding("/a", "", "Everything").unwrap().reads_body());
}

#[test]
fn every_bad_input_is_listed_once_without_its_value() {
    let binding = binding("/a/{int32_value}", "nested", "Everything").unwrap();
    let query = "int64_value=1e3&bool_value=TRUE&color=RDE&float_value=&string_value=a&string_value=b&string_value=c\
        &unknown=1&timestamp_value=x&repeated_int32=1&repeated_int32=x&map_string=x&bytes_value=%FF&nested.int32_value=x";
    let errors = bound(&binding, "Everything", &["x"], query, r#"{"int32Value": "y"}"#).unwrap_err();
    let errors: Vec<String> = errors.iter().map(|it| format!("{}: {}", it.name, it.reason)).collect();
    assert_eq!(
        errors,
        [
            "int32_value: expected an integer between -2147483648 and 2147483647",
            "int64_value: expected an integer between -9223372036854775808 and 9223372036854775807",
            "bool_value: expected true or false",
            "color: unknown enum value; did you mean `RED`?",
            "float_value: expected a value",
            "string_value: expected one value",
            "timestamp_value: expected a timestamp such as 2006-01-02T15:04:05Z",
            "repeated_int32: expected an integer between -2147483648 and 2147483647",
            "map_string: this field cannot be given as text",
            "bytes_value: expected percent-encoded UTF-8",
            "/int32Value: expected an integer between -2147483648 and 2147483647",
        ]
    );
}

#[test]
fn text_is_read_more_strictly_than_json() {
    let binding = binding("/a", "", "Everything").unwrap();
    for (query, expected) in [
        ("int32_value=5", Some(r#"{"int32Value":5}"#)),
        ("int32_value=-0", Some("{}")),
        ("int32_value=05", None),
        ("int32_value=+5", None),
        ("int32_value=5.0", None),
        ("int32_value=1e3", None),
        ("int32_value", None),
        ("double_value=1e3", Some(r#"{"doubleValue":1000.0}"#)),
        ("double_value=1.", None),
        ("bool_value=true", Some(r#"{"boolValue":true}"#)),
        ("bool_value=1", None),
        ("bool_value", None),
        ("string_value", Some("{}")),
        ("string_value=a+b%26", Some(r#"{"stringValue":"a b&"}"#)),
        ("optional_int32=0", Some(r#"{"optionalInt32":0}"#)),
        ("repeated_int32=3&repeatedInt32=1", Some(r#"{"repeatedInt32":[3,1]}"#)),
        (
            "repeated_string=a,b&repeated_string=",
            Some(r#"{"repeatedString":["a,b",""]}"#),
        ),
        (
            "repeated_bool=true&repeated_bool=false",
            Some(r#"{"repeatedBool":[true,false]}"#),
        ),
        ("string_value=a&stringValue=b", None),
        ("color=GREEN", Some(r#"{"color":"GREEN"}"#)),
        ("color=77", Some(r#"{"color":77}"#)),
        ("color=", None),
        ("wrapped_string=", Some(r#"{"wrappedString":""}"#)),
        ("wrapped_int64=", None),
        ("wrapped_int64=0", Some(r#"{"wrappedInt64":"0"}"#)),
        ("mask=", None),
        ("mask=a,bC", Some(r#"{"mask":"a,bC"}"#)),
        ("duration_value=1.5s", Some(r#"{"durationValue":"1.500s"}"#)),
        ("timestamp_value.seconds=1", None),
        ("struct_value.fields=1", None),
        ("map_string.a=b", None),
        ("nested=x", None),
        ("nested.nope=x", Some("{}")),
        (
            "nested.nested.stringValue=x&nested.int32_value=0",
            Some(r#"{"nested":{"nested":{"stringValue":"x"}}}"#),
        ),
        ("choice_string=a&choice_message.int32_value=1", None),
        (
            "choice_message.int32_value=1&choice_message.string_value=a",
            Some(r#"{"choiceMessage":{"int32Value":1,"stringValue":"a"}}"#),
        ),
        ("nope=1&=2&.=3&nested.=4", Some("{}")),
    ] {
        let got = bound(&binding, "Everything", &[], query, "")
            .ok()
            .map(|it| it.to_string());
        let normal = expected.map(|it| serde_json::from_str::<Value>(it).unwrap().to_string());
        assert_eq!(got, normal, "{query}");
    }
    let deep = format!("{}int32_value=1", "nested.".repeat(40));
    assert_eq!(
        bound(&binding, "Everything", &[], &deep, "").unwrap_err()[0].reason,
        "nested too deeply"
    );
}

#[test]
fn what_the_path_sets_stands_over_what_the_body_sets() {
    let cases = [
        (
            "/a/{string_value}",
            "p",
            r#"{"stringValue": "b", "int32Value": 1}"#,
            Some(r#"{"int32Value":1,"stringValue":"p"}"#),
        ),
        ("/a/{int32_value}", "0", r#"{"int32Value": 7}"#, Some("{}")),
        (
            "/a/{nested.string_value}",
            "p",
            r#"{"nested": {"stringValue": "b", "int32Value": 1, "nested": {}}}"#,
            Some(r#"{"nested":{"int32Value":1,"nested":{},"stringValue":"p"}}"#),
        ),
        (
            "/a/{timestamp_value}",
            "1970-01-01T00:00:00Z",
            r#"{"timestampValue": "2000-01-01T00:00:00.5Z"}"#,
            Some(r#"{"timestampValue":"1970-01-01T00:00:00Z"}"#),
        ),
        (
            "/a/{wrapped_int64}",
            "0",
            r#"{"wrappedInt64": "5"}"#,
            Some(r#"{"wrappedInt64":"0"}"#),
        ),
        ("/a/{mask}", "x", r#"{"mask": "y,z"}"#, Some(r#"{"mask":"x"}"#)),
        (
            "/a/{choice_string}",
            "p",
            r#"{"choiceString": "b"}"#,
            Some(r#"{"choiceString":"p"}"#),
        ),
        ("/a/{choice_string}", "p", r#"{"choiceBool": true}"#, None),
        (
            "/a/{nested.choice_string}",
            "p",
            r#"{"nested": {"choiceBool": true}}"#,
            None,
        ),
    ];
    for (path, capture, body, expected) in cases {
        let binding = binding(path, "*", "Everything").unwrap();
        let got = bound(&binding, "Everything", &[capture], "int64_value=5", body);
        let Some(expected) = expected else {
            let reason = "another member of the oneof `choice` is set too".to_owned();
            let name = if path.contains("nested") {
                "/nested/choiceBool"
            } else {
                "/choiceBool"
            }
            .to_owned();
            assert_eq!(got.unwrap_err(), [BindError { name, reason }], "{path}");
            continue;
        };
        assert_eq!(got.unwrap(), serde_json::from_str::<Value>(expected).unwrap(), "{path}");
    }
}

#[test]
fn fields_stand_in_number_order() {
    let binding = binding("/a/{uint64_value}", "nested", "Everything").unwrap();
    let mut out = Vec::new();
    let query = "string_value=s&int64_value=1&repeated_int32=2&float_value=1";
    binding
        .bind(&["3".to_owned()], Some(query), br#"{"boolValue": true}"#, &mut out)
        .unwrap();
    assert_eq!(
        out,
        b"\x0d\0\0\x80\x3f\x18\x01\x28\x03\x72\x01s\x8a\x01\x01\x02\xb2\x01\x02\x68\x01"
    );
}

#[test]
fn bodies_that_are_empty_set_nothing() {
    for (body, empty) in [
        ("*", Ok(Value::Object(Map::new()))),
        ("nested", Ok(Value::Object(Map::new()))),
    ] {
        let binding = binding("/a", body, "Everything").unwrap();
        assert_eq!(bound(&binding, "Everything", &[], "", ""), empty);
    }
    let whole = binding("/a", "*", "Everything").unwrap();
    assert_eq!(
        bound(&whole, "Everything", &[], "", "null").unwrap_err()[0].reason,
        "expected an object"
    );
    let list = binding("/a", "repeated_message", "Everything").unwrap();
    assert_eq!(
        bound(&list, "Everything", &[], "", r#"[{}, {"int32Value": true}]"#).unwrap_err()[0].name,
        "/1/int32Value"
    );
}

proptest! {
    #[test]
    fn garbage_never_panics_and_what_is_bound_is_a_message(
        capture in "[ -~é%/.]{0,8}",
        query in "((nested\\.|choice_message\\.)?(int32_value|string_value|repeated_int32|color|choice_bool|mask|x)=?[0-9a-zA-Z%+.,=-]{0,5}&?){0,6}",
        body in proptest::sample::select(vec!["", "{}", r#"{"nested":{"int32Value":1,"choiceBool":true}}"#, "[", r#"{"int32Value":1}"#]),
        field in proptest::sample::select(vec!["", "*", "nested"]),
        path in proptest::sample::select(vec!["/{nested.string_value}", "/{nested.choice_string}", "/{int64_value}", "/{wrapped_bytes}", "/{color}"]),
    ) {
        let binding = binding(path, field, "Everything").unwrap();
        // Decodes the outcome, and looks at what is left of the output on failure.
        let first = bound(&binding, "Everything", &[&capture], &query, body);
        prop_assert_eq!(first, bound(&binding, "Everything", &[&capture], &query, body));
    }
}
