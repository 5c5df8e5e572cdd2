//! The conformance cases of the CEL specification, against the expressions of this language.
//!
//! The language departs from CEL on purpose; `fixtures/cel/known_differences.txt` lists every case that comes out differently, with
//! the reason. A listed case that comes out as CEL says fails the test, as does an unlisted one that does not.

#![allow(clippy::expect_used, reason = "a test that panics has failed, as it should")]

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

/// The names of a case.
struct Names(Vec<(String, Type, Value)>);

impl Resolve for Names {
    fn resolve(&self, root: &str, path: &[Segment<'_>]) -> Result<Binding, ExprError> {
        // Names with dots in them stand for themselves.
        for consumed in (0..=path.len()).rev() {
            let name = [root]
                .into_iter()
                .chain(path[..consumed].iter().map(|it| it.name))
                .collect::<Vec<_>>()
                .join(".");
            if let Some(at) = self.0.iter().position(|it| it.0 == name) {
                let target = Target::Slot(Slot(u32::try_from(at).expect("few names")));
                return Ok(Binding {
                    consumed,
                    target,
                    ty: self.0[at].1.clone(),
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
        self.0.iter().any(|it| it.0 == name)
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
            let written = content["json"].as_str()?;
            match content["type"].as_str()? {
                "google.protobuf.Timestamp" => {
                    let (seconds, nanos) = time_text::parse_timestamp(written)?;
                    (Type::of(TypeKind::Timestamp), Value::Timestamp(seconds, nanos))
                }
                "google.protobuf.Duration" => {
                    let (seconds, nanos) = time_text::parse_duration(written)?;
                    (Type::of(TypeKind::Duration), Value::Duration(seconds, nanos))
                }
                _ => return None,
            }
        }
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

/// A value in a form that compares as CEL's values do, numbers apart by kind.
fn shape_of_wanted(json: &Json) -> String {
    let Some((kind, content)) = json.as_object().and_then(|it| it.iter().next()) else {
        return "?".to_owned();
    };
    match kind.as_str() {
        "list" => {
            let parts: Vec<String> = content.as_array().into_iter().flatten().map(shape_of_wanted).collect();
            format!("[{}]", parts.join(","))
        }
        "map" => {
            let parts: BTreeSet<String> = content
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| format!("{}:{}", shape_of_wanted(&entry[0]), shape_of_wanted(&entry[1])))
                .collect();
            format!("{{{}}}", parts.into_iter().collect::<Vec<_>>().join(","))
        }
        "type" => format!("type {content}"),
        _ => value_of(json).map_or_else(|| format!("? {json}"), |(_, value)| shape_of(&value)),
    }
}

fn shape_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(it) => it.to_string(),
        Value::Bytes(it) => format!("b{it:?}"),
        // NaN is written alike whatever its sign.
        Value::Double(it) if it.is_nan() => "NaN".to_owned(),
        Value::Double(it) => format!("{it:?}"),
        Value::Duration(seconds, nanos) => format!("duration {seconds} {nanos}"),
        Value::Int(it) => it.to_string(),
        Value::Json(it) => {
            let text = String::from_utf8_lossy(it);
            serde_json::from_str(&text).map_or_else(|_| text.into_owned(), |json: Json| shape_of_json(&json))
        }
        Value::List(it) => format!("[{}]", it.iter().map(|it| shape_of(&it)).collect::<Vec<_>>().join(",")),
        Value::Map(it) => {
            let parts: BTreeSet<String> = it
                .entries()
                .iter()
                .map(|(key, value)| format!("{}:{}", shape_of(key), shape_of(value)))
                .collect();
            format!("{{{}}}", parts.into_iter().collect::<Vec<_>>().join(","))
        }
        Value::Message(it) => format!("message {it:?}"),
        Value::Object(it) => {
            let parts: BTreeSet<String> = it
                .iter()
                .map(|(name, value)| format!("{:?}:{}", &**name, shape_of(value)))
                .collect();
            format!("{{{}}}", parts.into_iter().collect::<Vec<_>>().join(","))
        }
        Value::String(it) => format!("{:?}", it.as_str()),
        Value::Timestamp(seconds, nanos) => format!("timestamp {seconds} {nanos}"),
        Value::Uint(it) => it.to_string(),
    }
}

fn shape_of_json(json: &Json) -> String {
    match json {
        Json::Array(it) => format!("[{}]", it.iter().map(shape_of_json).collect::<Vec<_>>().join(",")),
        Json::Object(it) => {
            let parts: BTreeSet<String> = it
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", shape_of_json(value)))
                .collect();
            format!("{{{}}}", parts.into_iter().collect::<Vec<_>>().join(","))
        }
        Json::String(it) => format!("{it:?}"),
        other => other.to_string(),
    }
}

/// What comes out: the shape of a value, or an error.
fn run(case: &Json) -> Result<String, String> {
    let mut names = Names(Vec::new());
    for (name, bound) in case["bindings"].as_object().into_iter().flatten() {
        let (ty, value) = value_of(bound).ok_or_else(|| format!("{bound} is of no type of the language"))?;
        names.0.push((name.clone(), ty, value));
    }
    // Values of different types of numbers compare as they are, so that nothing has to be made dynamic.
    let expr = case["expr"].as_str().unwrap_or_default().replace("dyn(", "(");
    let ast = parse(&expr).map_err(|error| error.title)?;
    let checked = check::check(&ast, &names, &Facts::new())
        .map_err(|errors| errors.into_iter().map(|it| it.title).collect::<Vec<_>>().join("; "))?;
    let values: Vec<Value> = names.0.into_iter().map(|it| it.2).collect();
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    checked
        .program
        .eval(&frame)
        .map(|value| shape_of(&value))
        .map_err(|fault| fault.reason.to_owned())
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
    let mut n_agree = 0_usize;
    for file in files {
        let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let cases: Vec<Json> = serde_json::from_str(&fs::read_to_string(&file).expect("cases")).expect("JSON");
        for case in cases {
            let name = case["name"].as_str().expect("a name");
            let section = format!("{stem}/{}", case["section"].as_str().expect("a section"));
            let result = run(&case);
            let wanted = case["expected"].get("value").map(shape_of_wanted);
            let agrees = match (&result, &wanted) {
                (Ok(value), Some(wanted)) => value == wanted,
                (Err(_), None) => true,
                _ => false,
            };
            // Of a whole section those are meant that give a value; any error is as good as another.
            let whole = if wanted.is_some() { "*" } else { name };
            let listed = known.get(&section).and_then(|names| {
                [whole, name]
                    .into_iter()
                    .find(|it| names.contains(*it))
                    .map(str::to_owned)
            });
            n_agree += usize::from(agrees);
            match (agrees, &listed) {
                (true, Some(_)) => {
                    let _written = writeln!(wrong, "{section}: {name} is listed, but agrees");
                }
                (false, None) => {
                    let wanted = wanted.as_deref().unwrap_or("an error");
                    let expr = case["expr"].as_str().unwrap_or_default();
                    let _written = writeln!(
                        wrong,
                        "{section}: {name}\n    {expr}\n    wanted {wanted}, got {result:?}"
                    );
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
    assert!(n_agree > 1000, "only {n_agree} cases agree");
}
