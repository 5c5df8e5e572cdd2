//! What is measured: for each corpus and task, this crate's codec and the ways that others go.
//!
//! Every method is handed a buffer that keeps its memory, so that none pays for the output's allocation. That all methods
//! of a task give the same is checked by `check`.

use std::sync::Arc;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, SerializeOptions, Value};
use serde::Serialize;
use serde_json::value::RawValue;
use weft::codec::{FromJson, JsonOptions, Selection, ToJson, json};
use weft::schema::{MessageRef, load};

use super::generated::{ListReviewsResponse, ListView, Product, ProductView};
use super::sample;

/// The messages that are transcoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Corpus {
    /// One product.
    Small,
    /// 20 reviews.
    List,
    /// 1,000 reviews.
    Large,
}

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Wire to JSON, all fields.
    Full,
    /// Wire to JSON, four fields of each product or review.
    Projected,
    /// JSON to wire.
    FromJson,
    /// JSON from elsewhere, checked and put into an envelope.
    Splice,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// This crate.
    Weft,
    /// Types generated from the .proto file, prost for the wire and serde's derive for JSON.
    Generated,
    /// Descriptors read at run time: prost-reflect and `serde_json`.
    Reflect,
    /// `serde_json`'s `RawValue`.
    RawValue,
}

pub(crate) const CORPORA: [Corpus; 3] = [Corpus::Small, Corpus::List, Corpus::Large];

/// All that is compared: for each task the methods, this crate's first.
pub(crate) const TASKS: [(Task, &[Method]); 4] = [
    (Task::Full, &[Method::Weft, Method::Generated, Method::Reflect]),
    (Task::Projected, &[Method::Weft, Method::Generated, Method::Reflect]),
    (Task::FromJson, &[Method::Weft, Method::Reflect]),
    (Task::Splice, &[Method::Weft, Method::RawValue]),
];

/// One run of a method, which appends its output.
pub(crate) type Operation = Box<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// What all methods need, made once.
pub(crate) struct Setup {
    message: MessageRef,
    pub(crate) descriptor: MessageDescriptor,
    corpus: Corpus,
    pub(crate) wire: Arc<[u8]>,
    json: Arc<[u8]>,
}

impl Setup {
    /// Compiles the programs and encodes the message.
    pub(crate) fn new(corpus: Corpus) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/codec/shop.proto");
        let set = load::load(&[path.into()]).expect("the schema is sound");
        let schema = weft::schema::build::build(&set).expect("the schema is sound");
        let pool = DescriptorPool::decode(set.encode_to_vec().as_slice()).expect("the schema is sound");
        let (name, wire) = match corpus {
            Corpus::Small => ("shop.v1.Product", sample::product().encode_to_vec()),
            Corpus::List => ("shop.v1.ListReviewsResponse", sample::reviews(20).encode_to_vec()),
            Corpus::Large => ("shop.v1.ListReviewsResponse", sample::reviews(1000).encode_to_vec()),
        };
        let index = schema.find_message(name).expect("the type is in the schema");
        let mut setup = Self {
            message: MessageRef::new(schema.clone(), index),
            descriptor: pool.get_message_by_name(name).expect("the type is in the schema"),
            corpus,
            wire: wire.into(),
            json: Arc::default(),
        };
        setup.json = output(&setup.operation(Task::Full, Method::Weft)).into();
        setup
    }

    /// Prepares a method; everything that can be done before a message arrives is done here.
    pub(crate) fn operation(&self, task: Task, method: Method) -> Operation {
        let wire = self.wire.clone();
        let json = self.json.clone();
        match (task, method) {
            (Task::Full, Method::Weft) => to_json(&self.message, &Selection::All, wire),
            (Task::Projected, Method::Weft) => to_json(&self.message, &self.selection(), wire),
            (Task::FromJson, Method::Weft) => {
                let program = FromJson::compile(&self.message);
                Box::new(move |out| program.write(&json, out).expect("the JSON is sound"))
            }
            (Task::Splice, Method::Weft) => Box::new(move |out| {
                json::validate(&json).expect("the JSON is sound");
                envelope(&json, out);
            }),
            (Task::Full, Method::Generated) => match self.corpus {
                Corpus::Small => Box::new(move |out| {
                    let message = Product::decode(&*wire).expect("the wire is sound");
                    serialize(&message, out);
                }),
                Corpus::List | Corpus::Large => Box::new(move |out| {
                    let message = ListReviewsResponse::decode(&*wire).expect("the wire is sound");
                    serialize(&message, out);
                }),
            },
            (Task::Projected, Method::Generated) => match self.corpus {
                Corpus::Small => Box::new(move |out| {
                    let message = Product::decode(&*wire).expect("the wire is sound");
                    serialize(&ProductView::from(&message), out);
                }),
                Corpus::List | Corpus::Large => Box::new(move |out| {
                    let message = ListReviewsResponse::decode(&*wire).expect("the wire is sound");
                    serialize(&ListView::from(&message), out);
                }),
            },
            (Task::Full, Method::Reflect) => {
                let descriptor = self.descriptor.clone();
                Box::new(move |out| reflect(&decode(&descriptor, &wire), out))
            }
            (Task::Projected, Method::Reflect) => {
                let descriptor = self.descriptor.clone();
                Box::new(move |out| {
                    let mut message = decode(&descriptor, &wire);
                    project(&mut message);
                    reflect(&message, out);
                })
            }
            (Task::FromJson, Method::Reflect) => {
                let descriptor = self.descriptor.clone();
                Box::new(move |out| {
                    let mut deserializer = serde_json::Deserializer::from_slice(&json);
                    let message =
                        DynamicMessage::deserialize(descriptor.clone(), &mut deserializer).expect("the JSON is sound");
                    message.encode(out).expect("a vector has room");
                })
            }
            (Task::Splice, Method::RawValue) => Box::new(move |out| {
                let raw: &RawValue = serde_json::from_slice(&json).expect("the JSON is sound");
                envelope(raw.get().as_bytes(), out);
            }),
            _ => unreachable!("no such method in `TASKS`"),
        }
    }

    /// Four fields.
    fn selection(&self) -> Selection {
        let only = |names: &[&str]| Selection::Only(names.iter().map(|&it| (it.into(), Selection::All)).collect());
        match self.corpus {
            Corpus::Small => only(&PRODUCT_FIELDS),
            Corpus::List | Corpus::Large => Selection::Only(vec![("reviews".into(), only(&REVIEW_FIELDS))]),
        }
    }
}

const PRODUCT_FIELDS: [&str; 4] = ["id", "name", "status", "average_rating"];
const REVIEW_FIELDS: [&str; 4] = ["id", "rating", "title", "created_at"];

fn to_json(message: &MessageRef, selection: &Selection, wire: Arc<[u8]>) -> Operation {
    let program = ToJson::compile(message, selection, JsonOptions::default());
    Box::new(move |out| program.write(&wire, out).expect("the wire is sound"))
}

fn serialize(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("the value has a JSON form");
}

fn envelope(body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"data\":");
    out.extend_from_slice(body);
    out.push(b'}');
}

pub(crate) fn decode(descriptor: &MessageDescriptor, wire: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(descriptor.clone(), wire).expect("the wire is sound")
}

fn reflect(message: &DynamicMessage, out: &mut Vec<u8>) {
    let mut serializer = serde_json::Serializer::new(out);
    message
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .expect("the value has a JSON form");
}

/// Takes away all but the four fields.
fn project(message: &mut DynamicMessage) {
    let keep = |message: &mut DynamicMessage, names: &[&str]| {
        for field in message.descriptor().fields() {
            if !names.contains(&field.name()) {
                message.clear_field(&field);
            }
        }
    };
    if message.descriptor().name() == "Product" {
        return keep(message, &PRODUCT_FIELDS);
    }
    keep(message, &["reviews"]);
    if let Some(Value::List(reviews)) = message.get_field_by_name_mut("reviews") {
        for review in reviews {
            if let Value::Message(review) = review {
                keep(review, &REVIEW_FIELDS);
            }
        }
    }
}

/// What one run of an operation gives.
pub(crate) fn output(operation: &Operation) -> Vec<u8> {
    let mut out = Vec::new();
    operation(&mut out);
    out
}
