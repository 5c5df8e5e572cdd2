//! Signs a request as a client would (RFC 9421).

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Uri};
use http_body_util::Full;
use jsonwebtoken::{AlgorithmFamily, EncodingKey};

use super::super::fixture::Signing;
use crate::auth::digest::{CONTENT_DIGEST, Digests};
use crate::auth::signature::{Message, Named, Origin, Rules, SIGNATURE, SIGNATURE_INPUT, What, authority, to_sign};
use crate::time::since_epoch;

/// Adds the headers of a signature, of whom the request is for, and of what its body is. `None` where that cannot be signed.
pub(super) fn sign(signing: &Signing, body: &[u8], secure: bool, request: &mut Request<Full<Bytes>>) -> Option<()> {
    let usual = || {
        let all = Rules::usual_components();
        all.iter().map(|it| it.name().to_owned()).collect()
    };
    let is_digest = |it: &String| it.trim_matches('"') == CONTENT_DIGEST.as_str();
    let mut components: Vec<String> = signing.components.clone().unwrap_or_else(usual);
    if body.is_empty() && signing.components.is_none() {
        components.retain(|it| !is_digest(it));
    }
    let headers = request.headers_mut();
    if !headers.contains_key(header::HOST) {
        headers.insert(header::HOST, HeaderValue::from_static("gateway.example"));
    }
    if components.iter().any(is_digest) && !headers.contains_key(CONTENT_DIGEST) {
        headers.insert(CONTENT_DIGEST, Digests::written(body).try_into().ok()?);
    }
    let quoted = components.iter().map(|it| {
        if What::parse(it).is_some() {
            format!("\"{it}\"")
        } else {
            it.clone()
        }
    });
    let now = i64::try_from(since_epoch().saturating_sub(signing.age).as_secs()).ok()?;
    let created = signing.created.unwrap_or(now);
    let mut params = vec![format!("created={created}")];
    if let Some(expires) = signing.expires {
        let expires = created.checked_add_unsigned(expires.as_secs())?;
        params.push(format!("expires={expires}"));
    }
    let keyid = signing.keyid.iter().map(|it| ("keyid", it));
    let others = signing.params.iter().map(|it| (it.0, &it.1));
    params.extend(keyid.chain(others).map(|(name, value)| format!("{name}=\"{value}\"")));
    let covered = format!("({});{}", quoted.collect::<Vec<_>>().join(" "), params.join(";"));
    let (method, uri) = match &signing.of {
        Some(other) => other.split_once(' ')?,
        None => (request.method().as_str(), ""),
    };
    let uri: Uri = if uri.is_empty() {
        request.uri().clone()
    } else {
        uri.parse().ok()?
    };
    let message = Message {
        method,
        origin: Origin::new(secure, authority(&uri, request.headers())?),
        uri: &uri,
        absolute: false,
        headers: request.headers(),
    };
    let signature = signature(signing, &to_sign(&covered, &message).ok()?)?;
    let headers = request.headers_mut();
    headers.insert(SIGNATURE_INPUT, format!("sig1={covered}").try_into().ok()?);
    headers.insert(SIGNATURE, format!("sig1=:{signature}:").try_into().ok()?);
    Some(())
}

fn signature(signing: &Signing, base: &str) -> Option<String> {
    let algorithm = Named::parse(&signing.algorithm)?.of_tokens();
    let key = signing.key.as_bytes();
    let key = match algorithm.family() {
        AlgorithmFamily::Hmac => EncodingKey::from_secret(&base64_simd::STANDARD.decode_to_vec(key).ok()?),
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(key).ok()?,
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(key).ok()?,
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(key).ok()?,
    };
    let signature = jsonwebtoken::crypto::sign(base.as_bytes(), &key, algorithm).ok()?;
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature.as_bytes()).ok()?;
    Some(base64_simd::STANDARD.encode_to_string(bytes))
}
