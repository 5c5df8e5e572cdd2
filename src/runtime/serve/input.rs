//! With what: params, body and parts of the request become values in slots (semantics.md 6.4–6.6).
//!
//! Every bad input is listed, by its name on the wire or its JSON pointer, and never with its value.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use super::problem::Refusal;
use crate::auth::Claims;
use crate::codec::wire::put_bytes;
use crate::codec::{BindError, field_mask, json, query};
use crate::expr::render::as_text;
use crate::expr::{Frame, JsonReader, ListValue, Slot, Str, Type, TypeKind, Value, input};
use crate::plan::{self, Absent, Body, BodyMember, Constraint, Inputs, Location, OfRequest, Param, RequestPart};
use crate::runtime::backend::balance::hash_of;
use crate::schema::json_schema::Validator;

/// What is known of a request beside its head.
#[derive(Clone, Copy, Debug)]
pub struct Around<'r> {
    /// The values of the path template's variables.
    pub captures: &'r [String],
    /// The whole body; empty where there is none.
    pub body: &'r Bytes,
    /// The id of the request.
    pub id: &'r str,
    /// The address of the client.
    pub remote_ip: IpAddr,
    /// What is known of who asks.
    pub claims: Option<&'r Claims>,
}

/// Inputs of which some have been read.
#[derive(Debug)]
pub struct Reading {
    values: Vec<Value>,
    bad: Vec<BindError>,
}

/// Reads all inputs into their slots, or lists all that are bad.
pub fn read(inputs: &Inputs, parts: &Parts, around: Around<'_>) -> Result<Vec<Value>, Vec<BindError>> {
    Reading::head(inputs, parts, around).body(inputs, around.body)
}

impl Reading {
    /// Reads all but the body.
    pub fn head(inputs: &Inputs, parts: &Parts, around: Around<'_>) -> Self {
        let mut values = vec![Value::Null; inputs.n_slots as usize];
        let mut bad = Vec::new();
        let query = query::all_pairs(parts.uri.query().unwrap_or_default()).unwrap_or_else(|| {
            bad.push(BindError {
                name: "query".to_owned(),
                reason: "expected percent-encoded UTF-8".to_owned(),
            });
            Vec::new()
        });
        for param in &inputs.params {
            match read_param(param, &parts.headers, &query, around.captures) {
                Ok(value) => set(&mut values, param.slot, value),
                Err(reason) => bad.push(BindError {
                    name: param.wire_name.to_string(),
                    reason,
                }),
            }
        }
        for (part, slot) in &inputs.request {
            set(&mut values, *slot, read_part(part, parts, around));
        }
        for claim in &inputs.claims {
            set(&mut values, claim.slot, claim.value(around.claims));
        }
        Self { values, bad }
    }

    /// Whether a condition over what was read is true. What cannot be decided is not.
    pub fn allows(&self, condition: &plan::Condition) -> Result<bool, Refusal> {
        if !self.bad.is_empty() {
            return Err(Refusal::BadInputs(self.bad.clone()));
        }
        let frame = Frame {
            parent: None,
            base: Slot(0),
            values: &self.values,
        };
        Ok(condition
            .program
            .eval(&frame)
            .is_ok_and(|it| it.as_bool() == Some(true)))
    }

    /// Reads the body, too: all values, or all that is bad.
    pub fn body(self, inputs: &Inputs, body: &Bytes) -> Result<Vec<Value>, Vec<BindError>> {
        let Self { mut values, mut bad } = self;
        match &inputs.body {
            Body::Bound { .. } | Body::None => {}
            Body::Bytes(slot) => set(&mut values, *slot, Value::Bytes(body.clone())),
            Body::Members(members) => read_members(members, body, &mut values, &mut bad),
            Body::Whole {
                slot,
                reader,
                validator,
            } => match read_whole(reader, validator.as_deref(), body) {
                Ok(value) => set(&mut values, *slot, value),
                Err(all) => bad.extend(all),
            },
        }
        if let Some(given) = &inputs.given {
            let mask = field_mask::given(&given.message, json::trim(body));
            set(&mut values, given.slot, Value::Message(mask.into()));
        }
        if bad.is_empty() { Ok(values) } else { Err(bad) }
    }
}

/// What the targets of each backend are chosen by; nothing at all where none goes by that. What fails goes by chance.
pub fn hashes(backends: &[plan::Backend], parts: &Parts, around: Around<'_>) -> Vec<Option<u64>> {
    if backends.iter().all(|it| it.hash.is_none()) {
        return Vec::new();
    }
    let hash = |backend: &plan::Backend| {
        let value = value_of(backend.hash.as_ref()?, parts, around)?;
        let mut bytes = Vec::new();
        value.write_key(&mut bytes);
        Some(hash_of(&bytes))
    };
    backends.iter().map(hash).collect()
}

/// What an expression over the request gives; `None` for null, and where it cannot be computed.
pub fn value_of(of: &OfRequest, parts: &Parts, around: Around<'_>) -> Option<Value> {
    // It mentions no param, so that a query which cannot be read is of no matter.
    let Reading { values, bad: _ } = Reading::head(&of.inputs, parts, around);
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    of.program.eval(&frame).ok().filter(|it| !matches!(it, Value::Null))
}

/// Whether a condition over the request holds; `None` where it cannot be computed.
pub fn holds(of: &OfRequest, parts: &Parts, around: Around<'_>) -> Option<bool> {
    match value_of(of, parts, around)? {
        Value::Bool(it) => Some(it),
        _ => None,
    }
}

/// Both, or what is bad in either.
pub fn both<A, B>(one: Result<A, Vec<BindError>>, other: Result<B, Vec<BindError>>) -> Result<(A, B), Vec<BindError>> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(bad), Ok(_)) | (Ok(_), Err(bad)) => Err(bad),
        (Err(mut bad), Err(more)) => {
            bad.extend(more);
            Err(bad)
        }
    }
}

fn set(values: &mut [Value], slot: Slot, value: Value) {
    if let Some(place) = values.get_mut(slot.0 as usize) {
        *place = value;
    }
}

// === Params ===

fn read_param(
    param: &Param,
    headers: &HeaderMap,
    query: &[(Cow<'_, str>, Cow<'_, str>)],
    captures: &[String],
) -> Result<Value, String> {
    let found: Vec<Cow<'_, str>> = match &param.location {
        Location::Cookie => cookie(headers, &param.wire_name)?.map(Cow::Owned).into_iter().collect(),
        Location::Header(name) => header_text(headers, name)?.map(Cow::Owned).into_iter().collect(),
        Location::Path(at) => captures
            .get(*at)
            .map(|it| Cow::Borrowed(it.as_str()))
            .into_iter()
            .collect(),
        Location::Query => {
            let matching = query.iter().filter(|it| it.0 == *param.wire_name);
            matching.map(|it| Cow::Borrowed(it.1.as_ref())).collect()
        }
    };
    let Some(first) = found.first() else {
        return match &param.absent {
            Absent::Refuse => Err("is required".to_owned()),
            Absent::Value(value) => Ok(value.clone()),
        };
    };
    if let TypeKind::List(element) = &param.ty.kind {
        let elements = found
            .iter()
            .map(|it| scalar(it, element))
            .collect::<Result<Vec<_>, _>>()?;
        for value in &elements {
            constrain(&param.constraints, value, element)?;
        }
        return Ok(Value::List(ListValue::Values(elements.into())));
    }
    if found.len() > 1 {
        return Err("must be given once".to_owned());
    }
    let value = scalar(first, &param.ty)?;
    constrain(&param.constraints, &value, &param.ty)?;
    Ok(value)
}

fn scalar(text: &str, ty: &Type) -> Result<Value, String> {
    input::from_text(text, ty).map_err(|expected| format!("expected {expected}"))
}

fn constrain(constraints: &[Constraint], value: &Value, ty: &Type) -> Result<(), String> {
    let length = || value.as_str().map_or(0, |it| it.chars().count() as u64);
    for constraint in constraints {
        match constraint {
            Constraint::MaxLength(max) if length() > *max => return Err(format!("must not be longer than {max}")),
            Constraint::MinLength(min) if length() < *min => return Err(format!("must not be shorter than {min}")),
            Constraint::Maximum(max) if exceeds(value, max) => {
                return Err(format!("must be at most {}", shown(max, ty)));
            }
            Constraint::Minimum(min) if exceeds(min, value) => {
                return Err(format!("must be at least {}", shown(min, ty)));
            }
            Constraint::OneOf(allowed) if !allowed.iter().any(|it| same(it, value)) => {
                let allowed: Vec<_> = allowed.iter().map(|it| shown(it, ty)).collect();
                return Err(format!("must be one of {}", allowed.join(", ")));
            }
            Constraint::Pattern(pattern) if !value.as_str().is_some_and(|it| pattern.is_match(it)) => {
                return Err(format!("must match {pattern}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Numbers, times and lengths of time in their order; false where two values have none (NaN among them).
fn exceeds(value: &Value, limit: &Value) -> bool {
    match (value, limit) {
        (Value::Double(a), Value::Double(b)) => a > b,
        (Value::Timestamp(a, b), Value::Timestamp(c, d)) | (Value::Duration(a, b), Value::Duration(c, d)) => {
            (a, b) > (c, d)
        }
        _ => matches!((value.as_integer(), limit.as_integer()), (Some(a), Some(b)) if a > b),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    a.write_key(&mut left);
    b.write_key(&mut right);
    left == right
}

/// A constraint's own value, which is the author's and no secret: an enum's by its name.
fn shown(value: &Value, ty: &Type) -> String {
    let mut text = Vec::new();
    match as_text(value, ty, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::new(),
    }
}

// === Headers, cookies and the rest of the head ===

/// A header's lines joined with `, `, trimmed; present but empty is "".
fn header_text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, String> {
    let mut joined: Option<String> = None;
    for line in headers.get_all(name) {
        let line = std::str::from_utf8(line.as_bytes())
            .map_err(|_| "expected UTF-8".to_owned())?
            .trim();
        match &mut joined {
            Some(joined) => {
                joined.push_str(", ");
                joined.push_str(line);
            }
            None => joined = Some(line.to_owned()),
        }
    }
    Ok(joined)
}

/// The first cookie of the name, raw.
fn cookie(headers: &HeaderMap, name: &str) -> Result<Option<String>, String> {
    for line in headers.get_all(header::COOKIE) {
        let line = std::str::from_utf8(line.as_bytes()).map_err(|_| "expected UTF-8".to_owned())?;
        for pair in line.split(';') {
            if let Some((found, value)) = pair.trim().split_once('=')
                && found == name
            {
                return Ok(Some(value.to_owned()));
            }
        }
    }
    Ok(None)
}

fn read_part(part: &RequestPart, parts: &Parts, around: Around<'_>) -> Value {
    match part {
        RequestPart::Header(name) => match header_text(&parts.headers, name) {
            Ok(Some(text)) => text_value(&text),
            _ => Value::Null,
        },
        RequestPart::Id => text_value(around.id),
        RequestPart::Method => text_value(parts.method.as_str()),
        RequestPart::Path => text_value(parts.uri.path()),
        RequestPart::RemoteIp => text_value(&around.remote_ip.to_string()),
    }
}

fn text_value(text: &str) -> Value {
    Value::String(Str::from(text))
}

// === The body ===

/// Whether a body of this content type may be read as JSON: `application/json`, `…+json`, or none said; in UTF-8, which is
/// all that JSON is sent in (RFC 8259 §8.1).
pub fn is_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).into_iter();
    let Some(content_type) = lines.next() else {
        return true;
    };
    if lines.next().is_some() {
        return false;
    }
    let Ok(text) = content_type.to_str() else {
        return false;
    };
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = media == "application/json" || media.ends_with("+json") || media.is_empty();
    is_json && text.split(';').skip(1).all(is_utf8)
}

/// Whether a parameter of a content type is another one than a charset, or one in which JSON may be.
fn is_utf8(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or_default();
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|it| value.eq_ignore_ascii_case(it))
}

fn bad(name: impl Into<String>, reason: impl Into<String>) -> BindError {
    BindError {
        name: name.into(),
        reason: reason.into(),
    }
}

/// A body and its content type, as the wire bytes of a google.api.HttpBody.
pub fn http_body(headers: &HeaderMap, body: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(body.len() + 64);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if let Some(content_type) = content_type.filter(|it| !it.is_empty()) {
        put_bytes(&mut message, 1, content_type.as_bytes());
    }
    if !body.is_empty() {
        put_bytes(&mut message, 2, body);
    }
    message.into()
}

fn read_whole(reader: &JsonReader, validator: Option<&Validator>, body: &Bytes) -> Result<Value, Vec<BindError>> {
    if body.is_empty() {
        return Err(vec![bad("", "a JSON body is required")]);
    }
    check_syntax(body)?;
    if let Some(validator) = validator {
        let invalid = validator.validate(body);
        if !invalid.is_empty() {
            return Err(invalid.into_iter().map(|it| bad(it.pointer, it.reason)).collect());
        }
    }
    let value = reader
        .read(body.clone())
        .map_err(|error| vec![bad(error.pointer, error.reason)])?;
    if matches!(value, Value::Null) && !reader.is_any() && validator.is_none() {
        return Err(vec![bad("", "must not be null")]);
    }
    Ok(value)
}

/// Refuses what is no JSON, and members given twice, wherever they stand (semantics.md 6.6).
fn check_syntax(body: &Bytes) -> Result<(), Vec<BindError>> {
    json::validate(body).map_err(|error| vec![bad("", format!("not JSON: malformed at byte {}", error.offset))])?;
    let mut doubled = Vec::new();
    find_doubled(json::trim(body), "", &mut doubled);
    if doubled.is_empty() { Ok(()) } else { Err(doubled) }
}

/// The members that are given twice, each once. The depth of valid JSON is bounded.
fn find_doubled(fragment: &[u8], pointer: &str, doubled: &mut Vec<BindError>) {
    match json::kind(fragment) {
        json::Kind::Object => {
            let mut seen = HashMap::new();
            for (raw, value) in json::members(fragment) {
                let key = json::string(raw).unwrap_or_default();
                let below = || json::pointer_below(pointer, &key);
                if matches!(json::kind(value), json::Kind::Array | json::Kind::Object) {
                    find_doubled(value, &below(), doubled);
                }
                let times = seen.entry(key.clone()).or_insert(0);
                *times += 1;
                if *times == 2 {
                    doubled.push(bad(below(), "given twice"));
                }
            }
        }
        json::Kind::Array => {
            for (at, element) in json::elements(fragment).enumerate() {
                if matches!(json::kind(element), json::Kind::Array | json::Kind::Object) {
                    find_doubled(element, &format!("{pointer}/{at}"), doubled);
                }
            }
        }
        _ => {}
    }
}

fn read_members(members: &[BodyMember], body: &Bytes, values: &mut [Value], wrong: &mut Vec<BindError>) {
    if !body.is_empty() {
        if let Err(errors) = check_syntax(body) {
            wrong.extend(errors);
            return;
        }
        let paths: Vec<&[Arc<str>]> = members.iter().map(|it| it.path.as_slice()).collect();
        check_members(json::trim(body), "", &paths, wrong);
        if !wrong.is_empty() {
            return;
        }
    }
    for member in members {
        match read_member(member, body) {
            Ok(value) => set(values, member.slot, value),
            Err(it) => wrong.push(it),
        }
    }
}

/// Refuses what is not an object, and members that nobody mentions.
fn check_members(object: &[u8], pointer: &str, paths: &[&[Arc<str>]], wrong: &mut Vec<BindError>) {
    if json::kind(object) != json::Kind::Object {
        wrong.push(bad(pointer, "expected an object"));
        return;
    }
    for (raw, value) in json::members(object) {
        let key = json::string(raw).unwrap_or_default().into_owned();
        let below = json::pointer_below(pointer, &key);
        let matching: Vec<&[Arc<str>]> = paths
            .iter()
            .filter(|it| it.first().is_some_and(|it| **it == *key))
            .map(|it| &it[1..])
            .collect();
        if matching.is_empty() {
            let known = paths.iter().filter_map(|it| it.first()).map(|it| &**it);
            let reason = match crate::schema::suggest::nearest(&key, known) {
                Some(near) => format!("unknown member; did you mean `{near}`?"),
                None => "unknown member".to_owned(),
            };
            wrong.push(bad(below, reason));
        } else if matching.iter().all(|it| !it.is_empty()) && json::kind(value) != json::Kind::Null {
            check_members(value, &below, &matching, wrong);
        }
    }
}

fn read_member(member: &BodyMember, body: &Bytes) -> Result<Value, BindError> {
    let pointer = || {
        member
            .path
            .iter()
            .fold(String::new(), |it, name| json::pointer_below(&it, name))
    };
    let mut found = if body.is_empty() { None } else { Some(json::trim(body)) };
    for name in &member.path {
        found = found
            .filter(|it| json::kind(it) == json::Kind::Object)
            .and_then(|it| json::member(it, name));
    }
    let value = match found.filter(|it| json::kind(it) != json::Kind::Null) {
        Some(fragment) => {
            let fragment = body.slice_ref(fragment);
            member
                .reader
                .read(fragment)
                .map_err(|error| bad(pointer() + &error.pointer, error.reason))?
        }
        None => Value::Null,
    };
    match (&value, &member.absent) {
        (Value::Null, Absent::Refuse) => Err(bad(pointer(), "is required")),
        (Value::Null, Absent::Value(value)) => Ok(value.clone()),
        _ => Ok(value),
    }
}
