//! What is signed of a request: its components (RFC 9421 §2), and the text that they make (§2.5).
//!
//! Invariant: two requests that differ in a covered component have different texts; what cannot be told without doubt is
//! refused, not guessed.

use http::{HeaderMap, HeaderName, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Item, List, ListEntry, Parser};

use super::super::Why;

/// The most components that a signature may cover.
const MAX_COMPONENTS: usize = 64;

/// What stays as it is in a form (WHATWG URL, application/x-www-form-urlencoded percent-encode set).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A request as its signatures see it.
#[derive(Clone, Debug)]
pub struct Message<'m> {
    /// The method.
    pub method: &'m str,
    /// Scheme and authority as the client knows them.
    pub origin: Origin,
    /// As it was asked for.
    pub uri: &'m Uri,
    /// It was asked for in absolute form, as proxies are (RFC 9112 §3.2.2).
    pub absolute: bool,
    /// The headers.
    pub headers: &'m HeaderMap,
}

/// Scheme and authority (RFC 9110 §4.2.3): in lower case, the port left out where it is the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: &'static str,
    authority: String,
}

/// A part of a request that a signature covers.
#[derive(Clone, Debug)]
pub(super) struct Component {
    /// As it stands in the text, with its parameters.
    identifier: String,
    pub(super) what: What,
}

/// Which part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `@authority`.
    Authority,
    /// A header.
    Field(HeaderName, Form),
    /// `@method`.
    Method,
    /// `@path`.
    Path,
    /// `@query`.
    Query,
    /// `@query-param`, by its name as it is encoded.
    QueryParam(String),
    /// `@request-target`.
    RequestTarget,
    /// `@scheme`.
    Scheme,
    /// `@target-uri`.
    TargetUri,
}

/// How a header is written for a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// `bs`: each line as bytes.
    Bytes,
    /// `key`: one member of a dictionary.
    Member(String),
    /// As it is.
    Plain,
    /// `sf`: as a structured field is serialized.
    Strict,
}

// === impl Origin ===

impl Origin {
    /// From what a connection and a request say.
    pub fn new(secure: bool, authority: &str) -> Self {
        let (scheme, port) = if secure { ("https", ":443") } else { ("http", ":80") };
        let authority = authority.to_ascii_lowercase();
        Self {
            scheme,
            authority: authority.strip_suffix(port).unwrap_or(&authority).to_owned(),
        }
    }

    /// From `https://api.example.com`, which has no path and no user.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
        let is_origin = matches!(scheme, "http" | "https") && uri.path() == "/" && uri.query().is_none();
        (is_origin && !url.ends_with('/') && !authority.contains('@')).then(|| Self::new(scheme == "https", authority))
    }
}

// === impl What ===

impl What {
    /// `@method`, or the name of a header in lower case; nothing that has parameters.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "@authority" => Self::Authority,
            "@method" => Self::Method,
            "@path" => Self::Path,
            "@query" => Self::Query,
            "@request-target" => Self::RequestTarget,
            "@scheme" => Self::Scheme,
            "@target-uri" => Self::TargetUri,
            _ if name.bytes().any(|it| it.is_ascii_uppercase()) => return None,
            _ => Self::Field(HeaderName::from_bytes(name.as_bytes()).ok()?, Form::Plain),
        })
    }

    /// As it is asked for.
    pub fn name(&self) -> &str {
        match self {
            Self::Authority => "@authority",
            Self::Field(name, _) => name.as_str(),
            Self::Method => "@method",
            Self::Path => "@path",
            Self::Query => "@query",
            Self::QueryParam(_) => "@query-param",
            Self::RequestTarget => "@request-target",
            Self::Scheme => "@scheme",
            Self::TargetUri => "@target-uri",
        }
    }

    /// Whether components tell all of it between them.
    pub(super) fn is_covered(&self, by: &[Component]) -> bool {
        let has = |what: &Self| by.iter().any(|it| it.what == *what);
        let target = has(&Self::TargetUri);
        let (path, query) = (has(&Self::Path), has(&Self::Query));
        let in_line = has(&Self::RequestTarget);
        match self {
            Self::Authority | Self::Scheme => target || has(self),
            Self::Path | Self::Query => target || in_line || has(self),
            Self::RequestTarget => target || in_line || (path && query),
            Self::TargetUri => {
                let origin = has(&Self::Scheme) && has(&Self::Authority);
                target || (origin && (in_line || (path && query)))
            }
            Self::Field(name, _) => by.iter().any(|it| match &it.what {
                Self::Field(found, form) => found == name && form.is_whole(name),
                _ => false,
            }),
            Self::Method | Self::QueryParam(_) => has(self),
        }
    }
}

impl Form {
    /// Whether nothing of the field is left out that counts.
    fn is_whole(&self, name: &HeaderName) -> bool {
        match self {
            Self::Bytes | Self::Plain | Self::Strict => true,
            // Whichever digest is covered, it is compared.
            Self::Member(key) => {
                *name == super::super::digest::CONTENT_DIGEST && matches!(&**key, "sha-256" | "sha-512")
            }
        }
    }
}

// === impl Component ===

impl Component {
    /// One without parameters.
    pub(super) fn of(what: What) -> Self {
        Self {
            identifier: format!("\"{}\"", what.name()),
            what,
        }
    }

    /// One as it stands in `Signature-Input`.
    fn read(item: &Item) -> Result<Self, Why> {
        let BareItem::String(name) = &item.bare_item else {
            return Err(Why::Malformed);
        };
        let name = name.as_str();
        let (mut strict, mut bytes, mut member, mut of_query) = (false, false, None, None);
        for (key, value) in &item.params {
            match (key.as_str(), value) {
                ("sf", BareItem::Boolean(true)) => strict = true,
                ("bs", BareItem::Boolean(true)) => bytes = true,
                ("key", BareItem::String(it)) => member = Some(it.as_str().to_owned()),
                ("name", BareItem::String(it)) => of_query = Some(it.as_str().to_owned()),
                // `req` is of responses, `tr` of what comes behind the body, and others nobody knows.
                _ => return Err(Why::Critical),
            }
        }
        let what = match (name, of_query) {
            ("@query-param", Some(of_query)) => What::QueryParam(of_query),
            (_, None) => What::parse(name).ok_or(if name.starts_with('@') {
                Why::Critical
            } else {
                Why::Malformed
            })?,
            _ => return Err(Why::Malformed),
        };
        let what = match (what, strict, bytes, member) {
            // A member is written strictly in any case.
            (What::Field(name, _), _, false, Some(key)) => What::Field(name, Form::Member(key)),
            (What::Field(name, _), true, false, None) => What::Field(name, Form::Strict),
            (What::Field(name, _), false, true, None) => What::Field(name, Form::Bytes),
            (what, false, false, None) => what,
            _ => return Err(Why::Malformed),
        };
        Ok(Self {
            identifier: item.serialize(),
            what,
        })
    }

    /// All that a signature covers; each once.
    pub(super) fn read_all(covered: &InnerList) -> Result<Vec<Self>, Why> {
        if covered.items.len() > MAX_COMPONENTS {
            return Err(Why::TooLong);
        }
        let mut all: Vec<Self> = Vec::with_capacity(covered.items.len());
        for item in &covered.items {
            let component = Self::read(item)?;
            if all.iter().any(|it| it.what == component.what) {
                return Err(Why::Malformed);
            }
            all.push(component);
        }
        Ok(all)
    }

    fn value(&self, message: &Message<'_>) -> Result<String, Why> {
        let Message { origin, uri, .. } = message;
        let query = || uri.query().unwrap_or_default();
        Ok(match &self.what {
            What::Authority => origin.authority.clone(),
            What::Field(name, form) => return value(message.headers, name, form),
            What::Method => message.method.to_owned(),
            What::Path => uri.path().to_owned(),
            What::Query => format!("?{}", query()),
            What::QueryParam(name) => return query_param(query(), name),
            What::RequestTarget if message.absolute => uri.to_string(),
            What::RequestTarget => uri.path_and_query().map_or("/", |it| it.as_str()).to_owned(),
            What::Scheme => origin.scheme.to_owned(),
            What::TargetUri => {
                let path_and_query = uri.path_and_query().map_or("/", |it| it.as_str());
                format!("{}://{}{path_and_query}", origin.scheme, origin.authority)
            }
        })
    }
}

/// The text that is signed (§2.5). It is an error where the request lacks something that is covered.
pub(super) fn base(components: &[Component], covered: &InnerList, message: &Message<'_>) -> Result<String, Why> {
    let mut text = String::new();
    for component in components {
        let value = component.value(message)?;
        text.extend([&component.identifier, ": ", &value, "\n"]);
    }
    // A list of one inner list is written as that alone.
    let params = vec![ListEntry::InnerList(covered.clone())].serialize();
    text.extend(["\"@signature-params\": ", &params.ok_or(Why::Malformed)?]);
    Ok(text)
}

/// The value of a header (§2.1): its lines without the blanks around them, joined; `None` where there is none.
pub(in crate::auth) fn field(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Why> {
    let mut all: Option<String> = None;
    for line in headers.get_all(name) {
        // What is not ASCII has no one form as text (§2.1); `bs` is for that.
        let line = line.to_str().map_err(|_| Why::Malformed)?.trim_matches([' ', '\t']);
        match &mut all {
            None => all = Some(line.to_owned()),
            Some(all) => all.extend([", ", line]),
        }
    }
    Ok(all)
}

fn value(headers: &HeaderMap, name: &HeaderName, form: &Form) -> Result<String, Why> {
    if *form == Form::Bytes {
        let lines: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|it| {
                format!(
                    ":{}:",
                    base64_simd::STANDARD.encode_to_string(it.as_bytes().trim_ascii())
                )
            })
            .collect();
        return if lines.is_empty() {
            Err(Why::Signature)
        } else {
            Ok(lines.join(", "))
        };
    }
    let text = field(headers, name)?.ok_or(Why::Signature)?;
    let unread = |_| Why::Malformed;
    Ok(match form {
        Form::Bytes | Form::Plain => text,
        Form::Member(key) => {
            let members: Dictionary = Parser::new(&text).parse().map_err(unread)?;
            match members.get(key.as_str()).ok_or(Why::Signature)? {
                ListEntry::Item(item) => item.serialize(),
                ListEntry::InnerList(list) => {
                    let one = vec![ListEntry::InnerList(list.clone())];
                    one.serialize().ok_or(Why::Malformed)?
                }
            }
        }
        Form::Strict => {
            let written = match structure(name).ok_or(Why::Critical)? {
                Structure::Dictionary => Parser::new(&text).parse::<Dictionary>().map_err(unread)?.serialize(),
                Structure::Item => Some(Parser::new(&text).parse::<Item>().map_err(unread)?.serialize()),
                Structure::List => Parser::new(&text).parse::<List>().map_err(unread)?.serialize(),
            };
            written.unwrap_or_default()
        }
    })
}

enum Structure {
    Dictionary,
    Item,
    List,
}

/// The kind of a structured field in a request. Without it nobody can tell how it is written strictly.
fn structure(name: &HeaderName) -> Option<Structure> {
    Some(match name.as_str() {
        "content-digest"
        | "priority"
        | "repr-digest"
        | "signature"
        | "signature-input"
        | "want-content-digest"
        | "want-repr-digest"
        | "accept-signature" => Structure::Dictionary,
        "client-cert" | "idempotency-key" | "capsule-protocol" | "sec-purpose" => Structure::Item,
        "client-cert-chain" | "sec-ch-ua" => Structure::List,
        _ => return None,
    })
}

/// `@query-param` (§2.2.8): decoded as a form, and encoded again. One that is there twice could be either.
fn query_param(query: &str, name: &str) -> Result<String, Why> {
    let again = |raw: &str| {
        let spaced = raw.replace('+', " ");
        let decoded = percent_decode(spaced.as_bytes()).decode_utf8_lossy();
        utf8_percent_encode(&decoded, FORM).to_string()
    };
    let pairs = query.split('&').filter(|it| !it.is_empty());
    let mut found = pairs
        .map(|it| it.split_once('=').unwrap_or((it, "")))
        .filter(|it| again(it.0) == name)
        .map(|it| again(it.1));
    let value = found.next().ok_or(Why::Signature)?;
    match found.next() {
        None => Ok(value),
        Some(_) => Err(Why::Several),
    }
}
