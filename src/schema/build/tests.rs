//! Descriptors of each syntax and edition, and the facts that they become.

mod made;

use std::collections::HashMap;

use proptest::prelude::*;
use prost::Message as _;
use protox::Compiler;
use protox::file::{ChainFileResolver, File as ProtoFile, FileResolver, GoogleFileResolver};

use super::super::descriptor::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, ExtensionRange, FeatureSet, FieldDescriptorProto, FieldOptions,
    FileOptions, Label, MessageOptions, MethodDescriptorProto, MethodOptions, OneofDescriptorProto, OneofOptions,
    ServiceDescriptorProto, Type,
};
use super::*;
use crate::schema::http_rule::HttpRule;
use crate::schema::types::{Behavior, Cardinality, Field, Kind, MapTypes, Message, Presence, Streaming, WellKnown};

struct Texts(HashMap<String, String>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<ProtoFile, protox::Error> {
        self.0.get(name).map_or_else(
            || Err(protox::Error::file_not_found(name)),
            |text| ProtoFile::from_source(name, text),
        )
    }
}

/// Compiles .proto texts; imports are left out of the set.
fn compile(files: &[(&str, &str)]) -> FileDescriptorSet {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts(
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
    ));
    resolver.add(well_known::EmbeddedResolver);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_source_info(true).include_imports(true);
    for (name, _) in files {
        compiler.open_file(name).unwrap_or_else(|error| panic!("{error:?}"));
    }
    let mut set = FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    set.file.retain(|it| files.iter().any(|(name, _)| it.name() == *name));
    set
}

fn schema_of(text: &str) -> Arc<Schema> {
    build(&compile(&[("t.proto", text)])).unwrap()
}

fn message<'s>(schema: &'s Schema, full_name: &str) -> &'s Message {
    schema.message(
        schema
            .find_message(full_name)
            .unwrap_or_else(|| panic!("no {full_name}")),
    )
}

/// What a field is, as one line.
fn facts(schema: &Schema, message: &Message, field: &Field) -> String {
    let kind = |kind: Kind| match kind {
        Kind::Enum(index) => schema.enumeration(index).full_name.as_ref().to_owned(),
        Kind::Message(index) => schema.message(index).full_name.as_ref().to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    let mut facts = match field.cardinality {
        Cardinality::Map(MapTypes { key, value, .. }) => format!("map<{}, {}>", kind(key), kind(value)),
        Cardinality::Repeated => format!("repeated {}", kind(field.kind)),
        Cardinality::Singular => format!("{:?} {}", field.presence, kind(field.kind)),
    };
    let map_utf8 = matches!(field.cardinality, Cardinality::Map(MapTypes { utf8: true, .. }));
    for (holds, word) in [
        (field.packed, "packed"),
        (field.utf8 || map_utf8, "utf8"),
        (field.delimited, "delimited"),
        (field.deprecated, "deprecated"),
    ] {
        if holds {
            facts = format!("{facts} {word}");
        }
    }
    if let Some(oneof) = field.oneof {
        facts = format!("{facts} in {}", message.oneofs[oneof]);
    }
    if let Some(default) = &field.default {
        facts = format!("{facts} = {default}");
    }
    facts
}

#[track_caller]
fn assert_fields(schema: &Schema, full_name: &str, expected: &[(&str, &str)]) {
    let message = message(schema, full_name);
    let found: Vec<(&str, String)> = message
        .fields
        .iter()
        .map(|it| (&*it.name, facts(schema, message, it)))
        .collect();
    assert_eq!(
        found
            .iter()
            .map(|(name, facts)| (*name, facts.as_str()))
            .collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn proto2_means_what_it_always_meant() {
    let schema = schema_of(
        r#"
        syntax = "proto2"; package p;
        message M {
          required int32 a = 9;
          optional string b = 2 [default = "x\ny"];
          repeated int32 c = 3;
          repeated int32 d = 4 [packed = true];
          optional group G = 5 { optional bool x = 1; }
          optional E e = 6 [default = TWO];
          oneof o { string f = 7; M i = 8; }
          map<string, E> h = 10;
          extensions 100 to 200;
          message Inner { extend M { optional M inner = 101; } }
        }
        enum E { ONE = 1; TWO = 2; }
        extend M { repeated string ext = 100; }
        message Set { option message_set_wire_format = true; extensions 4 to max; }
        extend Set { optional M wide = 20000000; }
        "#,
    );
    assert_fields(
        &schema,
        "p.M",
        &[
            ("b", "Explicit string = x\ny"),
            ("c", "repeated int32"),
            ("d", "repeated int32 packed"),
            ("g", "Explicit p.M.G delimited"),
            ("e", "Explicit p.E = TWO"),
            ("f", "Explicit string in o"),
            ("i", "Explicit p.M in o"),
            ("a", "Required int32"),
            ("h", "map<string, p.E>"),
            ("[p.ext]", "repeated string"),
            ("[p.M.Inner.inner]", "Explicit p.M"),
        ],
    );
    assert_fields(&schema, "p.Set", &[("[p.wide]", "Explicit p.M")]);
    assert!(message(&schema, "p.Set").message_set);
    assert!(message(&schema, "p.M.HEntry").map_entry);
    assert!(schema.enumeration(schema.find_enum("p.E").unwrap()).closed);
    assert_eq!(message(&schema, "p.M").field("[p.ext]").unwrap().number, 100);
    assert_eq!(
        message(&schema, "p.M").field_by_json_name("[p.ext]").unwrap().number,
        100
    );
}

#[test]
fn proto3_means_what_it_means() {
    let schema = schema_of(
        r#"
        syntax = "proto3"; package p;
        message M {
          int32 plain = 1;
          optional int32 with_presence = 2;
          string text_2x = 3;
          bytes raw = 4 [json_name = "RAW"];
          repeated double packed = 5;
          repeated E not_packed = 6 [packed = false];
          M message = 7;
          oneof first { string a = 8; M b = 9; }
          oneof second { bool c = 10; }
          map<int64, M> map = 11 [deprecated = true];
          map<string, string> texts = 12;
          optional string trailing_ = 13;
        }
        enum E { option allow_alias = true; ZERO = 0; NULL = 0; MINUS = -1; }
        "#,
    );
    assert_fields(
        &schema,
        "p.M",
        &[
            ("plain", "Implicit int32"),
            ("with_presence", "Explicit int32"),
            ("text_2x", "Implicit string utf8"),
            ("raw", "Implicit bytes"),
            ("packed", "repeated double packed"),
            ("not_packed", "repeated p.E"),
            ("message", "Explicit p.M"),
            ("a", "Explicit string utf8 in first"),
            ("b", "Explicit p.M in first"),
            ("c", "Explicit bool in second"),
            ("map", "map<int64, p.M> utf8 deprecated"),
            ("texts", "map<string, string> utf8"),
            ("trailing_", "Explicit string utf8"),
        ],
    );
    let m = message(&schema, "p.M");
    assert_eq!(m.oneofs.iter().map(|it| &**it).collect::<Vec<_>>(), ["first", "second"]);
    let json_names: Vec<&str> = m.fields.iter().map(|it| &*it.json_name).collect();
    assert_eq!(json_names[..4], ["plain", "withPresence", "text2x", "RAW"]);
    assert_eq!(m.field_by_json_name("RAW").unwrap().number, 4);
    assert_eq!(m.field_by_number(7).unwrap().name.as_ref(), "message");
    let e = schema.enumeration(schema.find_enum("p.E").unwrap());
    assert!(!e.closed && !e.null_value);
    assert_eq!(
        (e.name(0), e.number("NULL"), e.name(-1), e.name(5)),
        (Some("ZERO"), Some(0), Some("MINUS"), None)
    );
}

/// Two files of editions, as protoc compiles them.
fn editions() -> FileDescriptorSet {
    FileDescriptorSet::decode(include_bytes!("../../../fixtures/schema/editions.binpb").as_slice()).unwrap()
}

#[test]
fn editions_mean_what_their_features_say() {
    let schema = build(&editions()).unwrap();
    assert_fields(
        &schema,
        "editions.v1.Outer",
        &[
            ("explicit", "Explicit int32"),
            ("implicit", "Implicit int32"),
            ("required", "Required int32"),
            ("packed", "repeated int32 packed"),
            ("expanded", "repeated int32"),
            ("unchecked", "Implicit string"),
            ("checked", "Implicit string utf8"),
            ("group", "Explicit editions.v1.Outer.Inner delimited"),
            ("plain", "Explicit editions.v1.Outer.Inner"),
            ("map", "map<string, editions.v1.Outer.Inner>"),
            ("open", "Implicit editions.v1.Open"),
            ("closed", "Explicit editions.v1.Closed"),
            ("one", "Explicit string deprecated in choice"),
            ("two", "Explicit editions.v1.Outer.Inner in choice"),
            ("strings", "repeated string"),
        ],
    );
    assert_fields(
        &schema,
        "editions.v1.Outer.Inner",
        &[
            ("inherited", "Implicit int32"),
            ("[editions.v1.extra]", "Explicit int32"),
            ("[editions.v1.extras]", "repeated string utf8"),
        ],
    );
    assert_fields(
        &schema,
        "editions.v2.Tree",
        &[
            ("left", "Explicit editions.v2.Tree delimited"),
            ("branches", "map<int32, editions.v2.Tree> utf8"),
            ("flags", "repeated bool packed"),
            ("color", "Explicit editions.v2.Color"),
        ],
    );
    assert_fields(
        &schema,
        "editions.v2.Tree.BranchesEntry",
        &[("key", "Explicit int32"), ("value", "Explicit editions.v2.Tree")],
    );
    let closed = |name: &str| schema.enumeration(schema.find_enum(name).unwrap()).closed;
    assert_eq!(
        (
            closed("editions.v1.Open"),
            closed("editions.v1.Closed"),
            closed("editions.v2.Color")
        ),
        (false, true, true)
    );
}

#[test]
fn options_comments_and_places_are_kept() {
    let schema = build(&editions()).unwrap();
    let outer = message(&schema, "editions.v1.Outer");
    assert_eq!(outer.comment.as_deref(), Some("A message\nof two lines."));
    assert_eq!((&*outer.place.file, outer.place.line), ("edition_2023.proto", 13));
    let unchecked = outer.field("unchecked").unwrap();
    assert_eq!(
        unchecked.behavior,
        Behavior {
            required: true,
            output_only: false,
            input_only: true
        }
    );
    assert_eq!((unchecked.place.line, unchecked.comment.as_deref()), (19, None));
    let service = schema.find_service("editions.v1.Service").unwrap();
    let method = &service.methods[0];
    assert_eq!((&*method.name, &*method.path), ("Do", "/editions.v1.Service/Do"));
    assert_eq!(
        (method.streaming, method.no_side_effects, method.idempotent),
        (Streaming::Server, false, true)
    );
    assert_eq!(method.comment.as_deref(), Some("Does it."));
    let rule = |method: &str, path: &str, body: &str, response_body: &str| HttpRule {
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
        response_body: response_body.to_owned(),
    };
    let expected = [
        rule("PATCH", "/v1/{explicit}", "plain", "message"),
        rule("HEAD", "/v1/do", "", ""),
    ];
    assert_eq!(method.http, expected);
}

#[test]
fn options_survive_the_compiler_of_proto_files() {
    let schema = schema_of(
        r#"
        syntax = "proto3"; package p;
        import "google/api/annotations.proto";
        import "google/api/field_behavior.proto";
        message M {
          // The id.
          string id = 1 [(google.api.field_behavior) = REQUIRED, (google.api.field_behavior) = OUTPUT_ONLY];
        }
        service B { rpc Get(M) returns (M) { option (google.api.http) = { get: "/m/{id}" }; option idempotency_level = NO_SIDE_EFFECTS; } }
        service A { rpc Two(stream M) returns (stream M) { option deprecated = true; } rpc One(stream M) returns (M); }
        "#,
    );
    let id = message(&schema, "p.M").field("id").unwrap();
    assert_eq!(
        id.behavior,
        Behavior {
            required: true,
            output_only: true,
            input_only: false
        }
    );
    assert_eq!((id.comment.as_deref(), id.place.line), (Some("The id."), 7));
    let [a, b] = schema.services() else {
        panic!("two services")
    };
    assert_eq!((&*a.full_name, &*b.full_name), ("p.A", "p.B"));
    assert_eq!(a.methods.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["Two", "One"]);
    assert_eq!(
        (a.methods[0].streaming, a.methods[1].streaming),
        (Streaming::Both, Streaming::Client)
    );
    assert!(a.methods[0].deprecated && !a.methods[0].idempotent);
    assert!(b.methods[0].no_side_effects && b.methods[0].idempotent);
    assert_eq!(b.methods[0].http[0].path, "/m/{id}");
}

#[test]
fn well_known_types_are_marked_and_need_not_be_brought() {
    let schema = schema_of(
        r#"
        syntax = "proto3"; package p;
        import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto"; import "google/rpc/status.proto"; import "google/type/color.proto";
        message Struct { google.protobuf.Struct x = 1; google.protobuf.UInt64Value y = 2; google.rpc.Status z = 3; google.type.Color c = 4; }
        "#,
    );
    for (name, expected) in [
        ("google.protobuf.Struct", Some(WellKnown::Struct)),
        ("google.protobuf.Value", Some(WellKnown::Value)),
        ("google.protobuf.ListValue", Some(WellKnown::ListValue)),
        ("google.protobuf.UInt64Value", Some(WellKnown::Uint64Value)),
        ("google.protobuf.Any", Some(WellKnown::Any)),
        ("google.rpc.Status", None),
        ("p.Struct", None),
    ] {
        assert_eq!(message(&schema, name).well_known, expected, "{name}");
    }
    assert!(
        schema
            .enumeration(schema.find_enum("google.protobuf.NullValue").unwrap())
            .null_value
    );
    let all = build(&well_known::set()).unwrap();
    let n_special = all.messages().filter(|(_, it)| it.well_known.is_some()).count();
    assert_eq!(n_special, 17);
}

#[test]
fn order_and_repetition_of_files_do_not_matter() {
    let files = [
        (
            "a.proto",
            "syntax = \"proto3\"; package p; import \"b.proto\"; message A { B b = 1; }",
        ),
        ("b.proto", "syntax = \"proto3\"; package p; message B {}"),
    ];
    let set = compile(&files);
    let [b, a] = set.file.as_slice() else {
        panic!("two files")
    };
    let without_source = |file: &FileDescriptorProto| FileDescriptorProto {
        source_code_info: None,
        ..file.clone()
    };
    let base = build(&set).unwrap();
    for file in [
        vec![b, a],
        vec![a, b, a],
        vec![b, a, a, b],
        vec![&without_source(a), b, a],
        vec![a, b, &without_source(a)],
    ] {
        let schema = build(&FileDescriptorSet {
            file: file.into_iter().cloned().collect(),
        })
        .unwrap();
        assert_eq!(schema.fingerprint(), base.fingerprint());
        assert_eq!(schema.find_message("p.A"), base.find_message("p.A"));
    }
    let moved = FileDescriptorSet {
        file: vec![
            FileDescriptorProto {
                path: Some("x/a.proto".to_owned()),
                ..a.clone()
            },
            b.clone(),
        ],
    };
    let schema = build(&moved).unwrap();
    assert_eq!(schema.fingerprint(), base.fingerprint());
    assert_eq!(&*message(&schema, "p.A").place.file, "x/a.proto");
    let other = compile(&[("b.proto", "syntax = \"proto3\"; package p; message B { int32 x = 1; }")]);
    assert_ne!(build(&other).unwrap().fingerprint(), base.fingerprint());
}

#[test]
fn what_compilers_write_differently_is_the_same() {
    let plain = compile(&[(
        "p.proto",
        r#"syntax = "proto2"; package p;
        message M { optional double d = 1 [default = 1e3]; optional bool two_words = 2; oneof o { string s = 3; } }
        enum E { A = 0; }
        service S { rpc Do(M) returns (M); }"#,
    )]);
    let mut other = plain.file[0].clone();
    other.options = Some(FileOptions::default());
    other.syntax = Some("proto2".to_owned());
    let m = &mut other.message_type[0];
    m.options = Some(MessageOptions {
        map_entry: Some(false),
        ..MessageOptions::default()
    });
    m.field[0].default_value = Some("1000.0".to_owned());
    m.field[1].json_name = None;
    m.field[1].options = Some(FieldOptions {
        deprecated: Some(false),
        ..FieldOptions::default()
    });
    m.field[2].proto3_optional = Some(false);
    m.oneof_decl[0].options = Some(OneofOptions::default());
    other.enum_type[0].options = Some(EnumOptions {
        deprecated: Some(false),
        features: None,
    });
    let method = &mut other.service[0].method[0];
    method.options = Some(MethodOptions {
        idempotency_level: Some(0),
        ..MethodOptions::default()
    });
    (method.client_streaming, method.server_streaming) = (Some(false), Some(false));
    assert_ne!(plain.file[0], other);
    assert!(
        build(&FileDescriptorSet {
            file: vec![plain.file[0].clone(), other.clone()]
        })
        .is_ok()
    );
    other.message_type[0].field[1].number = Some(9);
    assert!(
        build(&FileDescriptorSet {
            file: vec![plain.file[0].clone(), other]
        })
        .is_err()
    );
}

proptest! {
    #[test]
    fn damaged_descriptors_do_no_harm(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = include_bytes!("../../../fixtures/schema/editions.binpb").to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(set) = FileDescriptorSet::decode(bytes.as_slice()) {
            drop(build(&set));
        }
    }
}
