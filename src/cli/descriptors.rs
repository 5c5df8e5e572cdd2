//! `weft descriptors`: services, methods and messages as the gateway knows them.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Ending, loader, say, tell};
use crate::language::check::{BackendSchema, matches};
use crate::language::spec;
use crate::schema::suggest::did_you_mean;
use crate::schema::{Cardinality, Enum, Field, Kind, Message, Method, Presence, Schema, Service, Streaming};

/// Arguments of `weft descriptors`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The backend; without it, all of them
    backend: Option<String>,
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// How they are shown
    #[arg(long, value_enum, default_value_t)]
    format: Shown,
}

/// How descriptors are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// As .proto files write them
    #[default]
    Text,
    /// For programs
    Json,
}

/// What a backend serves.
struct Served<'s> {
    name: &'s str,
    schema: &'s Schema,
    services: Vec<&'s Service>,
}

/// Shows what backends serve.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut loader = loader(&arguments.config)?;
    let described = runtime.block_on(loader.descriptors())?;
    let backends = || described.gateway.backends.iter().zip(&described.schemas);
    if let Some(wanted) = &arguments.backend {
        let names: Vec<&str> = backends().map(|it| &*it.0.name.value).collect();
        anyhow::ensure!(
            names.contains(&wanted.as_str()),
            "there is no backend `{wanted}`: {}",
            match did_you_mean(wanted, names.iter().copied()) {
                hint if hint.is_empty() => format!("there are {}", names.join(", ")),
                hint => hint,
            }
        );
    }
    let is_wanted = |name: &str| arguments.backend.as_deref().is_none_or(|it| it == name);
    let mut found = Vec::new();
    for (backend, schema) in backends().filter(|it| is_wanted(&it.0.name.value)) {
        match schema {
            BackendSchema::Known(schema) => found.push(served(backend, schema)),
            BackendSchema::None if arguments.backend.is_some() => {
                tell(&format!(
                    "`{}` is an HTTP backend: it has no descriptors\n",
                    backend.name.value
                ));
            }
            BackendSchema::Missing(_) | BackendSchema::None => {}
        }
    }
    match arguments.format {
        Shown::Json => {
            let all: Vec<Value> = found.iter().map(to_json).collect();
            say(&format!("{:#}\n", Value::from(all)))?;
        }
        Shown::Text => {
            let all: Vec<String> = found.iter().map(to_text).collect();
            say(&all.join("\n"))?;
        }
    }
    let mut waiting = described.waiting.iter();
    if let Some(reason) = waiting.find(|it| it.split(':').next().is_some_and(is_wanted)) {
        anyhow::bail!("a backend could not be asked what it serves: {reason}");
    }
    Ok(Ending::Clean)
}

fn served<'s>(backend: &'s spec::Backend, schema: &'s Schema) -> Served<'s> {
    let all = schema.services().iter();
    let is_its = |it: &&Service| {
        let patterns = &backend.services;
        patterns.is_empty() || patterns.iter().any(|pattern| matches(&pattern.value, &it.full_name))
    };
    Served {
        name: &backend.name.value,
        schema,
        services: all.filter(is_its).collect(),
    }
}

// === what the methods reach ===

/// Messages and enums, each once, in the order in which they are met.
#[derive(Default)]
struct Reached<'s> {
    messages: Vec<&'s Message>,
    enums: Vec<&'s Enum>,
}

impl<'s> Reached<'s> {
    fn of(served: &Served<'s>) -> Self {
        let mut reached = Self::default();
        for method in served.services.iter().flat_map(|it| &it.methods) {
            for index in [method.input, method.output] {
                reached.add(served.schema, Kind::Message(index));
            }
        }
        reached
    }

    fn add(&mut self, schema: &'s Schema, kind: Kind) {
        match kind {
            Kind::Enum(index) => {
                let it = schema.enumeration(index);
                if !it.null_value && self.enums.iter().all(|known| known.full_name != it.full_name) {
                    self.enums.push(it);
                }
            }
            Kind::Message(index) => {
                let it = schema.message(index);
                let is_known = self.messages.iter().any(|known| known.full_name == it.full_name);
                if is_known || it.well_known.is_some() {
                    return;
                }
                self.messages.push(it);
                for field in &it.fields {
                    match field.cardinality {
                        Cardinality::Map(types) => self.add(schema, types.value),
                        Cardinality::Repeated | Cardinality::Singular => self.add(schema, field.kind),
                    }
                }
            }
            _ => {}
        }
    }
}

// === as text ===

fn to_text(served: &Served<'_>) -> String {
    let reached = Reached::of(served);
    let mut out = format!("{}\n", served.name);
    for service in &served.services {
        line(&mut out, 1, &format!("service {} {{", service.full_name));
        for method in &service.methods {
            for rule in &method.http {
                line(&mut out, 2, &format!("// {} {}", rule.method, rule.path));
            }
            line(&mut out, 2, &rpc(served.schema, method));
        }
        line(&mut out, 1, "}");
    }
    for message in &reached.messages {
        line(&mut out, 1, &format!("message {} {{", message.full_name));
        for field in &message.fields {
            line(&mut out, 2, &declaration(served.schema, message, field));
        }
        line(&mut out, 1, "}");
    }
    for it in &reached.enums {
        line(&mut out, 1, &format!("enum {} {{", it.full_name));
        for value in &it.values {
            line(&mut out, 2, &format!("{} = {};", value.name, value.number));
        }
        line(&mut out, 1, "}");
    }
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(out, "{:1$}{text}", "", depth * 2);
}

fn rpc(schema: &Schema, method: &Method) -> String {
    let name = |index| &schema.message(index).full_name;
    let (input, output) = match method.streaming {
        Streaming::Both => ("stream ", "stream "),
        Streaming::Client => ("stream ", ""),
        Streaming::Server => ("", "stream "),
        Streaming::Unary => ("", ""),
    };
    format!(
        "rpc {}({input}{}) returns ({output}{});{}",
        method.name,
        name(method.input),
        name(method.output),
        if method.deprecated { " // deprecated" } else { "" }
    )
}

fn declaration(schema: &Schema, message: &Message, field: &Field) -> String {
    let ty = field_type(schema, field);
    let oneof = field.oneof.and_then(|at| message.oneofs.get(at));
    let label = match (field.cardinality, field.presence, field.kind) {
        (Cardinality::Repeated, ..) => "repeated ",
        (_, Presence::Required, _) => "required ",
        (Cardinality::Singular, Presence::Explicit, kind) if oneof.is_none() && !matches!(kind, Kind::Message(_)) => {
            "optional "
        }
        _ => "",
    };
    let mut notes: Vec<String> = oneof.iter().map(|it| format!("oneof {it}")).collect();
    notes.extend(notes_of(field).into_iter().map(str::to_owned));
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!(" // {}", notes.join(", "))
    };
    format!("{label}{ty} {} = {};{notes}", field.name, field.number)
}

fn notes_of(field: &Field) -> Vec<&'static str> {
    let behavior = &field.behavior;
    let all = [
        (behavior.required, "required"),
        (behavior.input_only, "input only"),
        (behavior.output_only, "output only"),
        (field.deprecated, "deprecated"),
    ];
    all.into_iter().filter(|it| it.0).map(|it| it.1).collect()
}

fn field_type(schema: &Schema, field: &Field) -> String {
    match field.cardinality {
        Cardinality::Map(types) => format!("map<{}, {}>", kind(schema, types.key), kind(schema, types.value)),
        Cardinality::Repeated | Cardinality::Singular => kind(schema, field.kind).to_owned(),
    }
}

fn kind(schema: &Schema, kind: Kind) -> &str {
    match kind {
        Kind::Bool => "bool",
        Kind::Bytes => "bytes",
        Kind::Double => "double",
        Kind::Enum(index) => &schema.enumeration(index).full_name,
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Message(index) => &schema.message(index).full_name,
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::String => "string",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
    }
}

// === for programs ===

fn to_json(served: &Served<'_>) -> Value {
    let schema = served.schema;
    let reached = Reached::of(served);
    let method = |it: &Method| {
        json!({
            "name": &*it.name,
            "input": &*schema.message(it.input).full_name,
            "output": &*schema.message(it.output).full_name,
            "client_streaming": matches!(it.streaming, Streaming::Both | Streaming::Client),
            "server_streaming": matches!(it.streaming, Streaming::Both | Streaming::Server),
            "no_side_effects": it.no_side_effects,
            "idempotent": it.idempotent,
            "deprecated": it.deprecated,
            "http": it.http.iter().map(|it| json!({ "method": it.method, "path": it.path, "body": it.body })).collect::<Vec<_>>(),
            "comment": it.comment.as_deref().map(str::trim),
        })
    };
    let field = |message: &Message, it: &Field| {
        json!({
            "name": &*it.name,
            "number": it.number,
            "type": field_type(schema, it),
            "repeated": it.cardinality == Cardinality::Repeated,
            "nullable": it.cardinality == Cardinality::Singular && it.presence == Presence::Explicit,
            "oneof": it.oneof.and_then(|at| message.oneofs.get(at)).map(|it| &**it),
            "notes": notes_of(it),
            "comment": it.comment.as_deref().map(str::trim),
        })
    };
    json!({
        "backend": served.name,
        "services": served.services.iter().map(|it| json!({
            "name": &*it.full_name,
            "methods": it.methods.iter().map(method).collect::<Vec<_>>(),
            "comment": it.comment.as_deref().map(str::trim),
        })).collect::<Vec<_>>(),
        "messages": reached.messages.iter().map(|message| json!({
            "name": &*message.full_name,
            "fields": message.fields.iter().map(|it| field(message, it)).collect::<Vec<_>>(),
            "comment": message.comment.as_deref().map(str::trim),
        })).collect::<Vec<_>>(),
        "enums": reached.enums.iter().map(|it| json!({
            "name": &*it.full_name,
            "values": it.values.iter().map(|it| json!({ "name": &*it.name, "number": it.number })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}
