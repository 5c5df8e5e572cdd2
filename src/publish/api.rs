//! The public API of a plan: what a client may send and what it gets back, and nothing of how that is made.
//!
//! Owns the shapes of JSON as clients see them: names, nullability and requiredness after `json:` options. Invariant: what
//! the gateway answers fits the type that stands here, for every reply that fits the descriptors (semantics.md 13, P4).

mod body;
mod build;
mod endpoint;
mod names;
mod params;
mod path;
mod security;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(crate) use names::PROBLEM;
pub(crate) use path::{encoded, wildcard_names};

/// Everything that clients can ask.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Api {
    /// By path, then method.
    pub endpoints: Vec<Endpoint>,
    /// Messages and enums that several places may refer to, by name.
    pub types: Vec<NamedType>,
    /// How clients say who they are, by the names of those who know them.
    pub schemes: BTreeMap<String, Scheme>,
    /// What is demanded of tokens, by the same names.
    pub tokens: BTreeMap<String, Tokens>,
    /// Endpoints that cannot be described, each with the reason.
    pub left_out: Vec<String>,
}

/// How a client says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A key in a header.
    ApiKey {
        /// The header.
        header: String,
    },
    /// A name and a password (RFC 7617).
    Basic,
    /// A token (RFC 6750).
    Bearer {
        /// It is a JWT.
        jwt: bool,
        /// Who issues it, where that is known.
        issuer: Option<String>,
    },
    /// The certificate of a connection.
    Certificate,
    /// A signature of the request (RFC 9421).
    Signature {
        /// What it covers.
        components: Vec<String>,
    },
    /// A token of an issuer that says of itself what it can.
    OpenId {
        /// Where it says so.
        url: String,
    },
}

/// What is demanded of a token. No client sees it in a description; it notices when that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// What it may be signed with: `RS256`; none where its issuer is asked about it.
    pub algorithms: BTreeSet<String>,
    /// Of which one must be its audience; empty for any.
    pub audiences: BTreeSet<String>,
    /// Who must have issued it; `None` for whomever.
    pub issuer: Option<String>,
    /// What `typ` must be; `None` for what is usual.
    pub kind: Option<String>,
    /// What says that it is true.
    pub proof: Proof,
}

/// What says that a token is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its issuer is asked about it, at this URL.
    Asked(String),
    /// Keys that are fetched from this URL, or from where it leads to.
    Fetched(String),
    /// Keys of the gateway's own, by their digests.
    Own(BTreeSet<[u8; 32]>),
}

/// One way to be let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// All of these, by the names of [`Api::schemes`], each with the scopes that are needed; nobody in particular may ask
    /// where there is none.
    pub schemes: Vec<(String, Vec<String>)>,
}

/// Method and path that a client can ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Unique, a name in most languages: `getPagesProductsById`.
    pub id: String,
    /// `GET`.
    pub method: String,
    /// As the file writes it: `GET /pages/products/{id}`.
    pub name: String,
    /// The path, in order.
    pub path: Vec<PathPart>,
    /// The verb behind the path.
    pub verb: Option<String>,
    /// One line for people.
    pub summary: Option<String>,
    /// More for people.
    pub description: Option<String>,
    /// What it belongs to.
    pub tag: String,
    /// Those of the path first, in its order.
    pub params: Vec<Param>,
    /// Who may ask: any of these; everybody where there is none.
    pub security: Vec<Demand>,
    /// Of which the client must have one; any will do where there is none.
    pub roles: Vec<String>,
    /// The condition under which it may ask, as it is written.
    pub allow: Option<String>,
    /// What is read from the request's body.
    pub body: Option<RequestBody>,
    /// What is answered.
    pub response: Response,
    /// How it may fail, by status.
    pub problems: Vec<Problem>,
    /// It is going to be taken away.
    pub deprecated: bool,
    /// A client may choose what it wants with `?fields=`; what it does not want is not there, required or not.
    pub selectable: bool,
}

/// A part of a path: what stands between two slashes, or a variable over several of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPart {
    /// One segment of text, decoded.
    Literal(String),
    /// A param of the path.
    Variable {
        /// Its place in [`Endpoint::params`].
        param: usize,
        /// The segments that it holds.
        pieces: Vec<Piece>,
    },
}

/// A segment of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This text.
    Literal(String),
    /// Any segment.
    One,
    /// Any segments, none too.
    Rest,
}

/// What a client gives by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// On the wire.
    pub name: String,
    /// Where it stands.
    pub location: Location,
    /// Its type.
    pub ty: Type,
    /// A request without it is refused.
    pub required: bool,
    /// What its absence means, where that is a value of its own.
    pub default: Option<Value>,
    /// What is demanded of it.
    pub facets: Facets,
    /// For people.
    pub description: Option<String>,
    /// It is going to be taken away.
    pub deprecated: bool,
}

/// Where a param stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Location {
    Path,
    Query,
    Header,
    Cookie,
}

/// What is demanded of a value; of a param that is a list, of each of its elements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facets {
    /// A regular expression that it matches.
    pub pattern: Option<String>,
    /// Its least value.
    pub minimum: Option<Value>,
    /// Its greatest value.
    pub maximum: Option<Value>,
    /// In characters.
    pub min_length: Option<u64>,
    /// In characters.
    pub max_length: Option<u64>,
    /// The values that it may have; empty for any.
    pub one_of: Vec<Value>,
    /// Other keywords of JSON Schema, as they were written: `minItems`, `multipleOf`, `format`.
    pub others: Vec<(&'static str, Value)>,
    /// A value that somebody showed.
    pub example: Option<Value>,
}

/// What is read from the body of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestBody {
    /// What it is.
    pub content: Content,
    /// A request without it is refused.
    pub required: bool,
}

/// The content of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// `application/json`.
    Json(Type),
    /// Bytes of any type.
    Raw,
}

/// What is answered where nothing failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The statuses, ascending: `200`, or a range: `2XX`.
    pub statuses: Vec<Success>,
    /// The body of those that have one.
    pub content: Content,
    /// Headers beside the usual ones, by name.
    pub headers: Vec<Header>,
    /// Calls whose failure leaves something out; named in `Weft-Degraded`.
    pub degradable: Vec<String>,
}

/// A status of success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// `200`, `2XX`.
    pub status: String,
    /// With the body.
    pub has_body: bool,
}

/// A header of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// For people.
    pub description: String,
    /// It may be left out.
    pub optional: bool,
}

/// A way to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// When, in a sentence.
    pub description: String,
}

/// What a JSON value can be.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// What it is where it is not null.
    pub kind: Kind,
    /// It may be null.
    pub nullable: bool,
    /// What its schema demands of it besides.
    pub facets: Option<Box<Facets>>,
}

/// What a JSON value is where it is not null.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Anything.
    Any,
    /// `true` or `false`.
    Bool,
    /// Text in base64.
    Bytes,
    /// A number.
    Double {
        /// Of 32 bits.
        single: bool,
    },
    /// `1.5s`.
    Duration,
    /// `a.b,c`.
    FieldMask,
    /// A whole number.
    Integer(Integer),
    /// An array.
    List(Box<Type>),
    /// An object with names of the user's.
    Map(Box<Type>),
    /// One of [`Api::types`].
    Named(String),
    /// Nothing but null.
    Null,
    /// An object with these members.
    Object(Object),
    /// An object with `@type`.
    ProtoAny,
    /// Text.
    String,
    /// RFC 3339.
    Timestamp,
}

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// The least.
    pub min: i128,
    /// The greatest.
    pub max: i128,
    /// How it is written.
    pub written: Written,
}

/// How a whole number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// As a number or as text, as the client likes.
    Either,
    /// As a number.
    Number,
    /// As text, which keeps all of 64 bits.
    Text,
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// In the order in which they are written.
    pub members: Vec<Member>,
    /// What else may stand in it.
    pub rest: Rest,
}

/// Members that no list names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// There are some, of any kind.
    Open,
    /// They are refused.
    Closed,
    /// There are none yet.
    #[default]
    None,
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// It is always there; in a request: without it the request is refused.
    pub required: bool,
    /// For people.
    pub description: Option<String>,
    /// It is going to be taken away.
    pub deprecated: bool,
}

/// A type with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedType {
    /// Unique in the API: `Product`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it is.
    pub shape: Shape,
}

/// What a named type is.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A message.
    Object(Object),
    /// An enum.
    Enum(Enum),
}

/// An enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enum {
    /// In declared order, without aliases.
    pub values: Vec<EnumValue>,
    /// Numbers that are not listed may come too.
    pub open: bool,
    /// Written as numbers, not as names.
    pub numbers: bool,
}

/// A value of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumValue {
    /// As JSON has it.
    pub name: String,
    /// In protobuf.
    pub number: i32,
    /// For people.
    pub description: Option<String>,
}

// === impl Api ===

impl Api {
    /// The type of this name.
    pub fn find(&self, name: &str) -> Option<&NamedType> {
        let at = self.types.binary_search_by(|it| it.name.as_str().cmp(name)).ok()?;
        self.types.get(at)
    }

    /// The members of an object, named or not.
    pub fn object<'a>(&'a self, ty: &'a Type) -> Option<&'a Object> {
        match &ty.kind {
            Kind::Object(object) => Some(object),
            Kind::Named(name) => match &self.find(name)?.shape {
                Shape::Object(object) => Some(object),
                Shape::Enum(_) => None,
            },
            _ => None,
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// The path with a name for each wildcard, as OpenAPI writes it: `/shelves/{name}`.
    pub fn url(&self) -> String {
        path::url(self)
    }

    /// Method and path without the names of variables: what tells it apart from others. `GET /shelves/*`.
    pub fn shape(&self) -> String {
        path::shape(self)
    }
}

// === impl Type ===

impl Type {
    /// A type that is never null.
    pub fn of(kind: Kind) -> Self {
        let nullable = matches!(kind, Kind::Any | Kind::Null);
        Self {
            kind,
            nullable,
            facets: None,
        }
    }

    /// Anything.
    pub fn any() -> Self {
        Self::of(Kind::Any)
    }

    /// The same type, null allowed.
    #[must_use]
    pub fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }
}

// === impl Object ===

impl Object {
    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|it| it.name == name)
    }
}
