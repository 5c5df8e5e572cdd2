//! The files of `fixtures/schema/json`, and what is read from them.

use std::path::PathBuf;

use super::*;

/// A type as the tests write it.
fn show(ty: &JsonTypeRef, depth: usize) -> String {
    let below = |index: TypeIndex| show(&ty.sibling(index), depth + 1);
    let text = match &ty.shape {
        _ if depth > 4 => "…".to_owned(),
        Shape::Any => "any".to_owned(),
        Shape::Bool => "bool".to_owned(),
        Shape::Bytes => "bytes".to_owned(),
        Shape::Integer { max, text, .. } => {
            let bits = if *max > i128::from(u32::MAX) { 64 } else { 32 };
            format!("int{bits}{}", if *text { " as text" } else { "" })
        }
        Shape::List(element) => format!("[{}]", below(*element)),
        Shape::Map(value) => format!("map<{}>", below(*value)),
        Shape::Number => "number".to_owned(),
        Shape::Object(object) => {
            let members = object.members.iter().map(|it| {
                let mark = if it.required { "" } else { "?" };
                format!("{}{mark}: {}", it.name, below(it.ty))
            });
            let rest = object.rest.map(|it| format!("...: {}", below(it)));
            format!("{{{}}}", members.chain(rest).collect::<Vec<_>>().join(", "))
        }
        Shape::Text => "text".to_owned(),
        Shape::Timestamp => "timestamp".to_owned(),
        Shape::Words(words) => words.join("|"),
    };
    if ty.nullable { format!("{text} or null") } else { text }
}

fn folder() -> PathBuf {
    PathBuf::from("fixtures/schema/json")
}

/// What the files of `fixtures/schema/json` say of their types, by the part of the file.
fn types(file: &str, fragment: &str) -> String {
    match Library::default().schema(&folder().join(file), fragment) {
        Ok(ty) => show(&ty, 0),
        Err(error) => format!("{error} {}", error.hint).trim_end().to_owned(),
    }
}

#[test]
fn keywords_together_are_one_shape() {
    for (name, wanted) in [
        (
            "scalars",
            "{a: text, b: int64, c: number, d: bool, e?: timestamp, f?: bytes, g?: int32, h?: int64 as text, i?: text}",
        ),
        (
            "nullable",
            "{a?: text or null, b?: int64 or null, c?: on|off or null, d?: {x?: text} or null}",
        ),
        ("words", "{a?: red|green, b?: only, c?: int64, d?: any}"),
        (
            "lists",
            "{a?: [text], b?: [any or null], c?: [number], d?: [text or null]}",
        ),
        (
            "maps",
            "{a?: map<int64>, b?: any, c?: {x?: text, ...: int64}, d?: map<text>, e?: {}}",
        ),
        ("all", "{a: text, b: int64, c?: a}"),
        (
            "either",
            "{kind: card|cash, number?: text, both: number, amount?: int64}",
        ),
        ("kinds", "any"),
        ("implied", "{a?: text, b: any or null}"),
        (
            "tree",
            "{name: text, children?: [{name: text, children?: [{name: …, children?: …}]}]}",
        ),
        ("endless", "any or null"),
        ("always", "any or null"),
        ("anchored", "{sku: text}"),
        ("elsewhere", "{amount: int64, currency: text}"),
    ] {
        assert_eq!(types("kinds.schema.json", &format!("/$defs/{name}")), wanted, "{name}");
    }
}

#[test]
fn references_follow_ids_anchors_and_files() {
    assert_eq!(
        types("order.schema.json", ""),
        "{id: text, lines: [{sku: text, price?: {amount: int64, currency: text}}]}"
    );
    assert_eq!(
        types("order.schema.json", "line"),
        "{sku: text, price?: {amount: int64, currency: text}}"
    );
    assert_eq!(
        types("order.schema.json", "/$defs/lien"),
        "`fixtures/schema/json/order.schema.json` has no `#/$defs/lien` did you mean `line`?"
    );
    assert_eq!(
        types("dangling.schema.json", ""),
        "`nowhere.json#/x` refers to nothing: `fixtures/schema/json/nowhere.json` cannot be read: No such file or directory \
         (os error 2)"
    );
    assert_eq!(
        types("dangling.schema.json", "/$defs/web"),
        "`https://example.com/other.json` refers to nothing: no file that was read has the `$id` \
         `https://example.com/other.json`"
    );
}

fn operation(file: &str, id: &str) -> String {
    match Library::default().operation(&folder().join(file), id) {
        Ok(it) => {
            let payload = |it: &Payload| match it {
                Payload::Json(Some(ty)) => show(ty, 0),
                Payload::Json(None) => "json".to_owned(),
                Payload::None => "nothing".to_owned(),
                Payload::Other(media) => media.to_string(),
            };
            let body = it.body.as_ref().map_or_else(|| "-".to_owned(), payload);
            let parameters: Vec<_> = it
                .parameters
                .iter()
                .map(|it| format!("{} {}{}", it.location, it.name, if it.required { "!" } else { "" }))
                .collect();
            format!(
                "{} {} ({}) {body} -> {}",
                it.method,
                it.path,
                parameters.join(", "),
                payload(&it.reply)
            )
        }
        Err(error) => format!("{error} {}", error.hint).trim_end().to_owned(),
    }
}

#[test]
fn operations_of_both_versions_are_read() {
    for file in ["shop30.yaml", "shop31.json"] {
        assert_eq!(
            operation(file, "getItem"),
            "GET /items/{id} (path id!, query lang!) - -> {id: text, note?: text or null, made?: timestamp}",
            "{file}"
        );
        assert_eq!(
            operation(file, "putItem"),
            "PUT /items/{id} (path id!) {id: text, note?: text or null, made?: timestamp} -> nothing",
            "{file}"
        );
        assert_eq!(operation(file, "report"), "GET /report () - -> text/csv", "{file}");
        assert_eq!(
            operation(file, "search"),
            "GET /items () - -> [{id: text, note?: text or null, made?: timestamp}]",
            "{file}"
        );
        assert_eq!(
            operation(file, "getItme"),
            format!("`fixtures/schema/json/{file}` has no operation `getItme` did you mean `getItem`?")
        );
    }
    assert_eq!(
        operation("order.schema.json", "x"),
        "`fixtures/schema/json/order.schema.json` is no OpenAPI document, and has no operations"
    );
    assert_eq!(
        operation("swagger.yaml", "x"),
        "`fixtures/schema/json/swagger.yaml` is Swagger 2.0; OpenAPI 3.0 and 3.1 are read"
    );
}

#[test]
fn an_operation_is_found_by_method_and_path() {
    let mut library = Library::default();
    let mut found = |method: &str, segments: &[Option<&str>]| {
        let found = library
            .operation_at(&folder().join("shop30.yaml"), method, segments)
            .unwrap();
        found
            .and_then(|it| it.id)
            .map_or_else(|| "-".to_owned(), |it| it.to_string())
    };
    assert_eq!(found("GET", &[Some("items"), None]), "getItem");
    assert_eq!(found("GET", &[Some("v2"), Some("items"), None]), "getItem");
    assert_eq!(found("GET", &[Some("items"), Some("top")]), "topItem");
    assert_eq!(found("POST", &[Some("items"), None]), "-");
    assert_eq!(found("GET", &[Some("items"), None, Some("x")]), "-");
}

#[test]
fn a_validator_says_where_and_never_what() {
    let mut library = Library::default();
    let path = folder().join("order.schema.json");
    library.schema(&path, "").unwrap();
    let validator = library.validator(&path, "").unwrap();
    let errors = |json: &str| {
        let all = validator.validate(json.as_bytes());
        all.iter()
            .map(|it| format!("{}: {}", it.pointer, it.reason))
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(errors(r#"{"id": "o1", "lines": [{"sku": "a"}]}"#), "");
    assert_eq!(
        errors(r#"{"id": 7, "lines": [{"sku": "secret!", "price": {"amount": 1}}]}"#),
        "/id: value is not of type \"string\"; /lines/0/sku: value does not match \"^[a-z]+$\"; /lines/0/price: \"currency\" is a \
         required property"
    );
}
