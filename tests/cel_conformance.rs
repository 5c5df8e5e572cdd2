//! The conformance cases of the CEL specification, against the expressions of this language.
//!
//! The language departs from CEL on purpose; `fixtures/cel/known_differences.txt` lists every case that comes out differently, with
//! the reason. A listed case that comes out as CEL says fails the test, as does an unlisted one that does not.

#![allow(clippy::expect_used, reason = "a test that panics has failed, as it should")]

#[path = "cel_conformance/message.rs"]
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value as Json;
use weft::codec::time_text;
use weft::expr::{
    Binding, ExprError, Facts, Frame, IntRange, Resolve, Segment, Slot, Span, Target, Type, TypeKind, Value, check,
    parse,
};

/// A name of a case: of a binding, or of a message that the expression constructs.
struct Named {
    text: String,
    ty: Type,
    value: Value,
}

/// The names of a case.
struct Names(Vec<Named>);

impl Resolve for Names {
    fn resolve(&self, root: &str, path: &[Segment<'_>]) -> Result<Binding, ExprError> {
        // Names with dots in them stand for themselves.
        for consumed in (0..=path.len()).rev() {
            let name = [root]
                .into_iter()
                .chain(path[..consumed].iter().map(|it| it.name))
                .collect::<Vec<_>>()
                .join(".");
            if let Some(at) = self.0.iter().position(|it| it.text == name) {
                let target = Target::Slot(Slot(u32::try_from(at).expect("few names")));
                return Ok(Binding {
                    consumed,
                    target,
                    ty: self.0[at].ty.clone(),
                    rooted: None,
                });
            }
        }
        Err(ExprError::new(
            "unknown-name",
            Span::default(),
            format!("nothing is called `{root}`"),
        ))
    }

    fn error_of(&self, call: &str) -> Result<Binding, ExprError> {
        Err(ExprError::new(
            "unknown-name",
            Span::default(),
            format!("`{call}` is no call"),
        ))
    }

    fn macro_slot(&self, depth: u32) -> Slot {
        Slot(u32::try_from(self.0.len()).expect("few names") + depth)
    }

    fn is_taken(&self, name: &str) -> bool {
        self.0.iter().any(|it| it.text == name)
    }
}

/// A value of a case, and its type.
fn value_of(json: &Json) -> Option<(Type, Value)> {
    let (kind, content) = json.as_object()?.iter().next()?;
    let text = || content.as_str();
    Some(match kind.as_str() {
        "null" => (Type::null(), Value::Null),
        "bool" => (Type::bool(), Value::Bool(content.as_bool()?)),
        "string" => (Type::string(), Value::from(text()?)),
        "int" => (Type::int(), Value::Int(text()?.parse().ok()?)),
        "uint" => (uint(), Value::uint(text()?.parse().ok()?)),
        "double" => (Type::double(), Value::Double(text()?.parse().ok()?)),
        "bytes" => {
            let bytes = base64_simd::STANDARD.decode_to_vec(text()?).ok()?;
            (Type::of(TypeKind::Bytes), Value::Bytes(Bytes::from(bytes)))
        }
        "list" => {
            let elements: Vec<(Type, Value)> = content.as_array()?.iter().map(value_of).collect::<Option<_>>()?;
            let element = joined(elements.iter().map(|it| &it.0))?;
            (
                Type::list(element),
                Value::list(elements.into_iter().map(|it| it.1).collect()),
            )
        }
        "map" => {
            let mut entries = Vec::new();
            for entry in content.as_array()? {
                entries.push((value_of(&entry[0])?, value_of(&entry[1])?));
            }
            let key = joined(entries.iter().map(|it| &it.0.0))?;
            let value = joined(entries.iter().map(|it| &it.1.0))?;
            (
                Type::map(key, value),
                Value::map(entries.into_iter().map(|it| (it.0.1, it.1.1)).collect()),
            )
        }
        "message" => {
            let written = || content["json"].as_str();
            match content["type"].as_str()? {
                "google.protobuf.Timestamp" => {
                    let (seconds, nanos) = time_text::parse_timestamp(written()?)?;
                    (Type::of(TypeKind::Timestamp), Value::Timestamp(seconds, nanos))
                }
                "google.protobuf.Duration" => {
                    let (seconds, nanos) = time_text::parse_duration(written()?)?;
                    (Type::of(TypeKind::Duration), Value::Duration(seconds, nanos))
                }
                other => {
                    let wire = base64_simd::STANDARD.decode_to_vec(content["wire"].as_str()?).ok()?;
                    message::read(&message::find(other)?, wire).ok()?
                }
            }
        }
        _ => return None,
    })
}

/// A type of a case; none where it is one that the language does not have.
fn type_of(json: &Json) -> Option<Type> {
    if let Some(name) = json.as_str() {
        return Some(match name {
            "bool" => Type::bool(),
            "bytes" => Type::of(TypeKind::Bytes),
            "double" => Type::double(),
            "duration" => Type::of(TypeKind::Duration),
            "dyn" => Type::any(),
            "int" => Type::int(),
            "null" => Type::null(),
            "string" => Type::string(),
            "timestamp" => Type::of(TypeKind::Timestamp),
            "uint" => uint(),
            _ => return None,
        });
    }
    let (kind, content) = json.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "list" => Type::list(type_of(content)?),
        "map" => Type::map(type_of(&content[0])?, type_of(&content[1])?),
        "message" => Type::of_message(&message::find(content.as_str()?)?),
        "wrapper" => type_of(content)?.or_null(),
        _ => return None,
    })
}

fn uint() -> Type {
    Type::of(TypeKind::Int(IntRange {
        wide: false,
        ..IntRange::UINT64
    }))
}

fn joined<'t>(types: impl Iterator<Item = &'t Type>) -> Option<Type> {
    let mut all = Type::unknown();
    for ty in types {
        all = if all.is_unknown() { ty.clone() } else { all.join(ty)? };
    }
    Some(if all.is_unknown() { Type::any() } else { all })
}

/// A value in a form that compares as CEL's values do. Numbers are apart by kind, but for those that are or should be JSON, which
/// has one kind.
#[derive(Clone, Copy)]
struct Shapes {
    json: bool,
}

impl Shapes {
    fn number(self, number: f64, digits: String) -> String {
        if self.json {
            // Zero has no sign.
            format!("{:?}", number + 0.0)
        } else {
            digits
        }
    }

    fn wanted(self, json: &Json) -> String {
        let Some((kind, content)) = json.as_object().and_then(|it| it.iter().next()) else {
            return "?".to_owned();
        };
        match kind.as_str() {
            "list" => list_of(content.as_array().into_iter().flatten().map(|it| self.wanted(it))),
            "map" => {
                let entries = content.as_array().into_iter().flatten();
                map_of(entries.map(|entry| (self.wanted(&entry[0]), self.wanted(&entry[1]))))
            }
            "type" => format!("type {content}"),
            _ => value_of(json).map_or_else(|| format!("? {json}"), |(_, value)| self.of(&value)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of JSON compare as doubles")]
    fn of(self, value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(it) => it.to_string(),
            Value::Bytes(it) => format!("b{it:?}"),
            // NaN is written alike whatever its sign.
            Value::Double(it) if it.is_nan() => "NaN".to_owned(),
            Value::Double(it) => self.number(*it, format!("{it:?}")),
            Value::Duration(seconds, nanos) => format!("duration {seconds} {nanos}"),
            Value::Int(it) => self.number(*it as f64, it.to_string()),
            Value::Json(it) => {
                let text = String::from_utf8_lossy(it);
                serde_json::from_str(&text).map_or_else(|_| text.into_owned(), |json: Json| self.of_json(&json))
            }
            Value::List(it) => list_of(it.iter().map(|it| self.of(&it))),
            Value::Map(it) => map_of(it.entries().iter().map(|(key, value)| (self.of(key), self.of(value)))),
            Value::Message(it) => format!("message {it:?}"),
            Value::Object(it) => map_of(
                it.iter()
                    .map(|(name, value)| (format!("{:?}", &**name), self.of(value))),
            ),
            Value::String(it) => format!("{:?}", it.as_str()),
            Value::Timestamp(seconds, nanos) => format!("timestamp {seconds} {nanos}"),
            Value::Uint(it) => self.number(*it as f64, it.to_string()),
        }
    }

    fn of_json(self, json: &Json) -> String {
        match json {
            Json::Array(it) => list_of(it.iter().map(|it| self.of_json(it))),
            Json::Object(it) => map_of(
                it.iter()
                    .map(|(name, value)| (format!("{name:?}"), self.of_json(value))),
            ),
            Json::String(it) => format!("{it:?}"),
            Json::Number(it) => self.number(it.as_f64().unwrap_or(f64::NAN), it.to_string()),
            other => other.to_string(),
        }
    }
}

fn list_of(parts: impl Iterator<Item = String>) -> String {
    format!("[{}]", parts.collect::<Vec<_>>().join(","))
}

fn map_of(entries: impl Iterator<Item = (String, String)>) -> String {
    let parts: BTreeSet<String> = entries.map(|(key, value)| format!("{key}:{value}")).collect();
    format!("{{{}}}", parts.into_iter().collect::<Vec<_>>().join(","))
}

fn holds_json(value: &Value) -> bool {
    match value {
        Value::Json(_) => true,
        Value::List(it) => it.iter().any(|it| holds_json(&it)),
        Value::Map(it) => it.entries().iter().any(|it| holds_json(&it.1)),
        Value::Object(it) => it.iter().any(|it| holds_json(&it.1)),
        _ => false,
    }
}

/// What comes out of a case: a type and a value, or an error.
fn run(case: &Json) -> Result<(Type, Value), String> {
    let mut names = Names(Vec::new());
    for (name, bound) in case["bindings"].as_object().into_iter().flatten() {
        let (ty, value) = value_of(bound).ok_or_else(|| format!("{bound} is of no type of the language"))?;
        names.0.push(Named {
            text: name.clone(),
            ty,
            value,
        });
    }
    // Where only the type counts, a message that is bound to nothing will do.
    for declared in case["type_env"].as_array().into_iter().flatten() {
        if let Some(name) = declared["ident"].as_str()
            && !names.is_taken(name)
            && let Some(message) = declared["type"]["message"].as_str().and_then(message::find)
        {
            let (ty, value) = message::read(&message, Vec::new())?;
            names.0.push(Named {
                text: name.to_owned(),
                ty,
                value,
            });
        }
    }
    // Values of different types of numbers compare as they are, so that nothing has to be made dynamic.
    let expr = case["expr"].as_str().unwrap_or_default().replace("dyn(", "(");
    let expr = message::take_out(&expr, case["container"].as_str().unwrap_or_default(), &mut names)?;
    evaluated(&expr, &names)
}

fn evaluated(expr: &str, names: &Names) -> Result<(Type, Value), String> {
    let ast = parse(expr).map_err(|error| error.title)?;
    let checked = check::check(&ast, names, &Facts::new())
        .map_err(|errors| errors.into_iter().map(|it| it.title).collect::<Vec<_>>().join("; "))?;
    let values: Vec<Value> = names.0.iter().map(|it| it.value.clone()).collect();
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    let value = checked.program.eval(&frame).map_err(|fault| fault.reason.to_owned())?;
    Ok((checked.ty, value))
}

/// Whether what came out is what the case expects; what it is, and what it should be.
fn compared(case: &Json, result: &Result<(Type, Value), String>) -> (bool, String, String) {
    let expected = &case["expected"];
    let (ty, value) = match result {
        Ok(it) => it,
        Err(error) => {
            let wanted = if expected["error"].is_array() {
                "an error"
            } else {
                "no error"
            };
            return (
                expected["error"].is_array(),
                format!("error: {error}"),
                wanted.to_owned(),
            );
        }
    };
    let shapes = Shapes {
        json: holds_json(value),
    };
    let got = shapes.of(value);
    if expected["error"].is_array() {
        return (false, got, "an error".to_owned());
    }
    let mut agrees = true;
    let (mut shown, mut wanted) = (Vec::new(), Vec::new());
    if let Some(it) = expected.get("value") {
        let it = shapes.wanted(it);
        agrees &= it == got;
        shown.push(got);
        wanted.push(it);
    }
    if let Some(it) = expected.get("type") {
        let known = type_of(it);
        agrees &= known.as_ref().is_some_and(|it| same_type(it, ty));
        shown.push(ty.to_string());
        wanted.push(known.map_or_else(|| it.to_string(), |it| it.to_string()));
    }
    (agrees, shown.join(" of type "), wanted.join(" of type "))
}

/// Types as CEL tells them apart: integers signed and unsigned, and an object is a map from text.
fn same_type(wanted: &Type, found: &Type) -> bool {
    if wanted.nullable != found.nullable && !wanted.is_any() {
        return false;
    }
    match (&wanted.kind, &found.kind) {
        (TypeKind::Int(a), TypeKind::Int(b)) => (a.min < 0) == (b.min < 0),
        // An enum is its number.
        (TypeKind::Int(a), TypeKind::Enum(_)) => a.min < 0,
        (TypeKind::Double { .. }, TypeKind::Double { .. }) => true,
        (TypeKind::List(a), TypeKind::List(b)) => same_type(a, b),
        (TypeKind::Map(a), TypeKind::Map(b)) => same_type(&a.0, &b.0) && same_type(&a.1, &b.1),
        (TypeKind::Map(a), TypeKind::Object(b)) => {
            same_type(&a.0, &Type::string()) && b.iter().all(|it| same_type(&a.1, &it.ty))
        }
        (a, b) => a == b,
    }
}

/// `file/section: name name` or `file/section: *`.
fn known_differences(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let (section, names) = line.split_once(": ").expect("`file/section: names`");
        known
            .entry(section.to_owned())
            .or_default()
            .extend(names.split(' ').map(str::to_owned));
    }
    known
}

#[test]
fn cases_of_the_specification_come_out_as_it_says_or_as_we_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cel");
    let known = known_differences(&fs::read_to_string(folder.join("known_differences.txt")).expect("the list"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("cases"))
        .expect("cases")
        .map(|it| it.expect("a file").path())
        .collect();
    files.sort();

    let mut used = BTreeSet::new();
    let mut wrong = String::new();
    let (mut n_cases, mut n_agree) = (0_usize, 0_usize);
    for file in files {
        let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let cases: Vec<Json> = serde_json::from_str(&fs::read_to_string(&file).expect("cases")).expect("JSON");
        for case in cases {
            let name = case["name"].as_str().expect("a name");
            let section = format!("{stem}/{}", case["section"].as_str().expect("a section"));
            let (agrees, got, wanted) = compared(&case, &run(&case));
            // Of a whole section those are meant that give a value; any error is as good as another.
            let whole = if case["expected"]["error"].is_null() { "*" } else { name };
            let listed = known.get(&section).and_then(|names| {
                [whole, name]
                    .into_iter()
                    .find(|it| names.contains(*it))
                    .map(str::to_owned)
            });
            n_cases += 1;
            n_agree += usize::from(agrees);
            match (agrees, &listed) {
                (true, Some(_)) => {
                    let _written = writeln!(wrong, "{section}: {name} is listed, but agrees");
                }
                (false, None) => {
                    let expr = case["expr"].as_str().unwrap_or_default();
                    let _written = writeln!(wrong, "{section}: {name}\n    {expr}\n    wanted {wanted}, got {got}");
                }
                _ => {}
            }
            if let Some(listed) = listed {
                used.insert((section, listed));
            }
        }
    }
    for (section, names) in &known {
        for name in names {
            if !used.contains(&(section.clone(), name.clone())) {
                let _written = writeln!(wrong, "{section}: {name} is listed, but there is no such case");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // All that a gateway needs of the specification's cases; a difference that is gone or new was found above.
    assert_eq!((n_cases, n_agree), (2154, 1763));
}
