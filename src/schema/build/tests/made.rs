//! Descriptors that no compiler writes: names, and what is refused.

use super::*;

fn named_message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field,
        ..DescriptorProto::default()
    }
}

fn field(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: (!type_name.is_empty()).then(|| type_name.to_owned()),
        ..FieldDescriptorProto::default()
    }
}

fn file(package: &str, message_type: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(format!("{package}.proto")),
        package: Some(package.to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type,
        ..FileDescriptorProto::default()
    }
}

fn map_entry(key: FieldDescriptorProto, value: FieldDescriptorProto) -> DescriptorProto {
    let options = Some(MessageOptions {
        map_entry: Some(true),
        ..MessageOptions::default()
    });
    DescriptorProto {
        options,
        ..named_message("E", vec![key, value])
    }
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto {
        label: Some(Label::Repeated.into()),
        ..field
    }
}

#[test]
fn names_are_looked_up_from_the_inside_out() {
    let inner = DescriptorProto {
        nested_type: vec![named_message("M", vec![])],
        field: vec![
            field("near", 1, Type::Message, "M"),
            field("dotted", 2, Type::Message, "A.M"),
            field("far", 3, Type::Message, "Other"),
            field("absolute", 4, Type::Message, ".a.b.M"),
            FieldDescriptorProto {
                r#type: None,
                ..field("untyped", 5, Type::Message, "M")
            },
        ],
        ..named_message("A", vec![])
    };
    let files = vec![
        file("a.b", vec![inner, named_message("M", vec![])]),
        file("a", vec![named_message("Other", vec![])]),
    ];
    let schema = build(&FileDescriptorSet { file: files }).unwrap();
    assert_fields(
        &schema,
        "a.b.A",
        &[
            ("near", "Explicit a.b.A.M"),
            ("dotted", "Explicit a.b.A.M"),
            ("far", "Explicit a.Other"),
            ("absolute", "Explicit a.b.M"),
            ("untyped", "Explicit a.b.A.M"),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn impossible_descriptors_are_refused() {
    let one = |field: FieldDescriptorProto| vec![file("p", vec![named_message("M", vec![field])])];
    let int = |name: &str, number: i32| field(name, number, Type::Int32, "");
    let with_entry = |entry: DescriptorProto| {
        let message = named_message("M", vec![repeated(field("m", 1, Type::Message, ".p.E"))]);
        vec![file("p", vec![message, entry])]
    };
    let extension = |number: i32| {
        let extended = DescriptorProto {
            extension_range: vec![ExtensionRange {
                start: Some(5),
                end: Some(7),
            }],
            ..named_message("M", vec![])
        };
        let extension = FieldDescriptorProto {
            extendee: Some(".p.M".to_owned()),
            ..int("e", number)
        };
        vec![FileDescriptorProto {
            extension: vec![extension],
            ..file("p", vec![extended])
        }]
    };
    let cases: Vec<(Vec<FileDescriptorProto>, &str)> = vec![
        (
            one(field("f", 1, Type::Message, ".p.Lost")),
            "`p.Lost`, used in p.proto, is declared nowhere",
        ),
        (
            one(field("f", 1, Type::Message, "")),
            "``, used in p.proto, is declared nowhere",
        ),
        (
            one(field("f", 1, Type::Enum, ".p.M")),
            "p.proto: field `f` of `p.M` takes `.p.M` for another kind of type",
        ),
        (
            one(FieldDescriptorProto {
                r#type: Some(99),
                ..int("f", 1)
            }),
            "p.proto: field `f` of `p.M` has a type that protobuf does not know",
        ),
        (
            one(int("f", 0)),
            "p.proto: field `f` of `p.M` has the impossible number 0",
        ),
        (
            one(int("f", -4)),
            "p.proto: field `f` of `p.M` has the impossible number -4",
        ),
        (
            one(int("f", 1 << 29)),
            "p.proto: field `f` of `p.M` has the impossible number 536870912",
        ),
        (one(int("", 1)), "p.proto: a field of `p.M` has no name"),
        (
            one(FieldDescriptorProto {
                oneof_index: Some(0),
                ..int("f", 1)
            }),
            "p.proto: field `f` of `p.M` is in a oneof that does not exist",
        ),
        (
            one(FieldDescriptorProto {
                oneof_index: Some(-1),
                ..int("f", 1)
            }),
            "p.proto: field `f` of `p.M` is in a oneof that does not exist",
        ),
        (
            vec![file("p", vec![named_message("M", vec![int("a", 1), int("b", 1)])])],
            "p.proto: fields `a` and `b` of `p.M` have the same number 1",
        ),
        (
            vec![file("p", vec![named_message("M", vec![int("a", 1), int("a", 2)])])],
            "p.proto: `p.M` has two fields `a`",
        ),
        (
            vec![file("p", vec![named_message("M", vec![]), named_message("M", vec![])])],
            "p.proto: `p.M` is declared in p.proto too",
        ),
        (
            vec![file("p", vec![named_message("", vec![])])],
            "p.proto: something in `p` has no name",
        ),
        (
            vec![
                file("p", vec![named_message("M", vec![])]),
                file("p", vec![named_message("N", vec![])]),
            ],
            "p.proto: is given twice with different contents",
        ),
        (
            vec![FileDescriptorProto {
                syntax: Some("proto4".to_owned()),
                ..file("p", vec![])
            }],
            "p.proto: syntax `proto4` is unknown; proto2, proto3 and the editions 2023 and 2024 are known",
        ),
        (
            vec![FileDescriptorProto {
                syntax: Some("editions".to_owned()),
                edition: Some(9999),
                ..file("p", vec![])
            }],
            "p.proto: edition number 9999 is unknown; the editions 2023 (1000) and 2024 (1001) are known",
        ),
        (
            vec![FileDescriptorProto {
                enum_type: vec![EnumDescriptorProto {
                    name: Some("E".to_owned()),
                    ..EnumDescriptorProto::default()
                }],
                ..file("p", vec![])
            }],
            "p.proto: enum `p.E` has no values",
        ),
        (
            with_entry(map_entry(int("key", 1), int("other", 3))),
            "p.proto: map entry `p.E` has not a key and a value",
        ),
        (
            with_entry(map_entry(field("key", 1, Type::Float, ""), int("value", 2))),
            "p.proto: the keys of map entry `p.E` are no integers, strings or bools",
        ),
        (
            with_entry(map_entry(int("key", 1), field("value", 2, Type::Message, ".p.E"))),
            "p.proto: the values of map entry `p.E` are map entries",
        ),
        (
            vec![file(
                "p",
                vec![
                    named_message("M", vec![field("m", 1, Type::Message, ".p.E")]),
                    map_entry(int("key", 1), int("value", 2)),
                ],
            )],
            "p.proto: field `m` of `p.M` has the entry type of a map and is none",
        ),
        (
            extension(7),
            "p.proto: `p.M` has no room for extension `p.e` with number 7",
        ),
        (
            vec![file(
                "google.protobuf",
                vec![named_message("Timestamp", vec![int("seconds", 1)])],
            )],
            "google.protobuf.proto: `google.protobuf.Timestamp` has not the fields that google/protobuf declares for it",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(build(&FileDescriptorSet { file }).unwrap_err().to_string(), expected);
    }
    assert!(build(&FileDescriptorSet { file: extension(6) }).is_ok());
}

#[test]
fn services_are_checked_too() {
    let method = |name: &str, input: &str| MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(input.to_owned()),
        output_type: Some("M".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let with = |method: Vec<MethodDescriptorProto>| {
        let service = vec![ServiceDescriptorProto {
            name: Some("S".to_owned()),
            method,
        }];
        FileDescriptorSet {
            file: vec![FileDescriptorProto {
                service,
                ..file("p", vec![named_message("M", vec![])])
            }],
        }
    };
    for (methods, expected) in [
        (
            vec![method("A", "Lost")],
            "`Lost`, used in p.proto, is declared nowhere",
        ),
        (vec![method("A", "S")], "`S`, used in p.proto, is declared nowhere"),
        (vec![method("", "M")], "p.proto: a method of `p.S` has no name"),
        (
            vec![method("A", "M"), method("A", "M")],
            "p.proto: `p.S` declares method `A` twice",
        ),
    ] {
        assert_eq!(build(&with(methods)).unwrap_err().to_string(), expected);
    }
    assert!(build(&with(vec![method("A", "M")])).is_ok());
}

#[test]
fn features_of_a_file_and_a_oneof_reach_the_fields() {
    let features = |presence: i32| {
        Some(FeatureSet {
            field_presence: Some(presence),
            ..Default::default()
        })
    };
    let member = FieldDescriptorProto {
        oneof_index: Some(0),
        ..field("member", 1, Type::Int32, "")
    };
    let own = FieldOptions {
        features: features(1),
        ..FieldOptions::default()
    };
    let explicit = FieldDescriptorProto {
        options: Some(own),
        ..field("explicit", 2, Type::Int32, "")
    };
    let message = DescriptorProto {
        oneof_decl: vec![OneofDescriptorProto {
            name: Some("o".to_owned()),
            options: None,
        }],
        ..named_message("M", vec![member, explicit, field("implicit", 3, Type::Int32, "")])
    };
    let file = FileDescriptorProto {
        syntax: Some("editions".to_owned()),
        edition: Some(1000),
        options: Some(FileOptions { features: features(2) }),
        ..file("p", vec![message])
    };
    let schema = build(&FileDescriptorSet { file: vec![file] }).unwrap();
    assert_fields(
        &schema,
        "p.M",
        &[
            ("member", "Explicit int32 in o"),
            ("explicit", "Explicit int32"),
            ("implicit", "Implicit int32"),
        ],
    );
    assert_eq!(
        message_presence(&schema),
        [Presence::Explicit, Presence::Explicit, Presence::Implicit]
    );
}

fn message_presence(schema: &Schema) -> Vec<Presence> {
    message(schema, "p.M").fields.iter().map(|it| it.presence).collect()
}
