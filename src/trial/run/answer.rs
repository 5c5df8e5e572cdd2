//! What a client got, and whether it is what the file expects.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey, Header};
use serde_json::Value;

use super::super::fixture::{Exchange, Expect, Token};
use super::signed::sign;
use crate::auth::Claims;
use crate::plan::Plan;
use crate::runtime::auth::Given;
use crate::runtime::serve;
use crate::runtime::snapshot::Running;
use crate::schema::path_template::Match;
use crate::time::{Instant, since_epoch};

/// True where `found` has at least the members of `wanted`, and lists of the same length.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| found.get(name).is_some_and(|it| has(it, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| has(found, wanted))
        }
        _ => found == wanted,
    }
}

/// What a client got.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// When, counted from the beginning of the step.
    pub at: Duration,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The endpoint that answered, as its file writes it: `GET /pages/{id}`; `None` where there is none.
    pub endpoint: Option<Arc<str>>,
}

/// The text of a token; `None` where the fixture has no key for its algorithm.
fn signed(token: &Token) -> Option<String> {
    let algorithm: Algorithm = token.algorithm.parse().ok()?;
    let key = token.key.as_bytes();
    let key = match algorithm.family() {
        AlgorithmFamily::Hmac => EncodingKey::from_secret(key),
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(key).ok()?,
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(key).ok()?,
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(key).ok()?,
    };
    let mut claims = token.claims.clone();
    if claims.get("exp").is_none() {
        claims["exp"] = Value::from((since_epoch() + token.expires).as_secs());
    }
    let mut header = Header::new(algorithm);
    header.kid.clone_from(&token.kid);
    jsonwebtoken::encode(&header, &claims, &key).ok()
}

/// Asks as a client would. `None` where the client left.
pub(super) async fn ask(exchange: &Exchange, running: Rc<Running>, began: Instant) -> Option<Answered> {
    tokio::time::sleep(exchange.start).await;
    let mut request = http::Request::builder()
        .method(exchange.method.as_str())
        .uri(exchange.target.as_str());
    for (name, value) in &exchange.headers {
        request = request.header(name, value);
    }
    if let Some(token) = &exchange.token {
        request = request.header("authorization", format!("Bearer {}", signed(token)?));
    }
    let mut request = request.body(Full::new(Bytes::from(exchange.body.clone()))).ok()?;
    if let Some(signing) = &exchange.signature {
        let secure = running.snapshot.plan.settings.tls.is_some();
        sign(signing, &exchange.body, secure, &mut request)?;
    }
    if !exchange.auth.is_empty() {
        let given = exchange.auth.iter().filter_map(|(provider, claims)| {
            let claims = Claims::read(Bytes::from(claims.to_string())).ok()?;
            Some((provider.clone(), claims.or("sub", "tester").or("iss", provider)))
        });
        request.extensions_mut().insert(Given(given.collect()));
    }
    let endpoint = endpoint(&running.snapshot.plan, &request);
    let answering = serve::handle(running, request, serve::Peer::at(Ipv4Addr::LOCALHOST));
    let response = match exchange.leaves {
        Some(after) => tokio::time::timeout(after, answering).await.ok()?,
        None => answering.await,
    };
    let at = Instant::now().saturating_duration_since(began);
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Answered {
        status: parts.status.as_u16(),
        at,
        headers: parts.headers,
        body,
        endpoint,
    })
}

fn endpoint(plan: &Plan, request: &http::Request<Full<Bytes>>) -> Option<Arc<str>> {
    match plan.routes.find(request.method(), request.uri().path()) {
        Match::Route(index, _) => Some(plan.endpoints.get(index.0)?.name.clone()),
        _ => None,
    }
}

impl Answered {
    pub(super) fn compare(&self, expect: &Expect) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(status) = expect.status
            && status != self.status
        {
            wrong.push(format!(
                "status {}, not {status}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            ));
        }
        if let Some(at) = expect.at
            && at != self.at
        {
            wrong.push(format!("answered at {:?}, not at {at:?}", self.at));
        }
        for (name, wanted) in &expect.headers {
            let found = self.header(name);
            if found != *wanted {
                wrong.push(format!("header `{name}` is {found:?}, not {wanted:?}"));
            }
        }
        if let Some(body) = &expect.body {
            match serde_json::from_slice::<Value>(&self.body) {
                Ok(found) if found == *body => {}
                Ok(found) => wrong.push(format!("body is\n  {found}\nnot\n  {body}")),
                Err(_) => wrong.push(format!("body is no JSON: {}", String::from_utf8_lossy(&self.body))),
            }
        }
        if let Some(wanted) = &expect.has {
            let found = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
            if !has(&found, wanted) {
                let shown = String::from_utf8_lossy(&self.body);
                wrong.push(format!("body is\n  {shown}\nand has not\n  {wanted}"));
            }
        }
        if let Some(text) = &expect.lacks
            && String::from_utf8_lossy(&self.body).contains(text.as_str())
        {
            wrong.push(format!(
                "body has `{text}` in it:\n  {}",
                String::from_utf8_lossy(&self.body)
            ));
        }
        if let Some(text) = &expect.text
            && text.as_bytes() != self.body
        {
            wrong.push(format!(
                "body is\n  {}\nnot\n  {text}",
                String::from_utf8_lossy(&self.body)
            ));
        }
        wrong
    }

    fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<_> = self
            .headers
            .get_all(name)
            .iter()
            .map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
            .collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// What the file should expect, in flow form: the keys that it names already.
    pub(super) fn written(&self, expect: &Expect) -> String {
        let mut parts = Vec::new();
        if expect.status.is_some() {
            parts.push(format!("status: {}", self.status));
        }
        if expect.at.is_some() {
            parts.push(format!("at: {}ms", self.at.as_millis()));
        }
        if !expect.headers.is_empty() {
            let mut headers = String::new();
            for (at, (name, _)) in expect.headers.iter().enumerate() {
                let value = self.header(name).map_or(Value::Null, Value::String);
                let comma = if at == 0 { "" } else { ", " };
                headers.extend([comma, name, ": ", &value.to_string()]);
            }
            parts.push(format!("headers: {{ {headers} }}"));
        }
        if expect.body.is_some() {
            let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            parts.push(format!("body: {body}"));
        }
        if let Some(has) = &expect.has {
            let found: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            let members = has.as_object().into_iter().flat_map(|it| it.keys());
            let found: serde_json::Map<_, _> = members
                .filter_map(|it| Some((it.clone(), found.get(it)?.clone())))
                .collect();
            parts.push(format!("has: {}", Value::Object(found)));
        }
        if let Some(lacks) = &expect.lacks {
            parts.push(format!("lacks: {}", Value::String(lacks.clone())));
        }
        if expect.text.is_some() {
            parts.push(format!(
                "text: {}",
                Value::String(String::from_utf8_lossy(&self.body).into_owned())
            ));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}
