//! The first endpoint of a project that begins with somebody's descriptors.

use anyhow::{bail, ensure};

use crate::language::spec::scalar::check_name;
use crate::schema::{self, Cardinality, Kind, Schema, Service, Streaming, suggest};

/// A method, and what an endpoint over it needs.
pub(super) struct First<'s> {
    service: &'s Service,
    method: &'s schema::Method,
    /// The scalar field of the request that names what is asked for.
    key: Option<&'s str>,
    reads: bool,
}

impl<'s> First<'s> {
    /// The method that is wanted, or the first that reads something, or the first.
    pub(super) fn find(schema: &'s Schema, wanted: Option<&str>) -> anyhow::Result<Self> {
        let all = schema
            .services()
            .iter()
            .flat_map(|service| service.methods.iter().map(move |it| (service, it)));
        let unary =
            all.filter(|(service, it)| it.streaming == Streaming::Unary && !service.full_name.starts_with("grpc."));
        let mut methods: Vec<_> = unary.collect();
        if let Some(wanted) = wanted {
            let name = |(service, it): &(&Service, &schema::Method)| format!("{}/{}", service.full_name, it.name);
            let names: Vec<String> = methods.iter().map(name).collect();
            methods.retain(|it| name(it) == wanted);
            if methods.is_empty() {
                let near = suggest::did_you_mean(wanted, names.iter().map(String::as_str));
                bail!("there is no unary method `{wanted}`; {near}");
            }
        }
        methods.sort_by_key(|(_, it)| !reads(it));
        ensure!(!methods.is_empty(), "the descriptors have no unary method");
        let (service, method) = methods[0];
        let fields = schema.message(method.input).fields.iter();
        let scalar = fields.filter(|it| {
            it.cardinality == Cardinality::Singular
                && it.oneof.is_none()
                && matches!(
                    it.kind,
                    Kind::String | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64
                )
                && check_name(&it.name).is_ok()
        });
        let mut keys: Vec<&str> = scalar.map(|it| &*it.name).collect();
        keys.retain(|it| *it == "id" || *it == "name" || it.ends_with("_id"));
        Ok(Self {
            service,
            method,
            key: keys.first().copied(),
            reads: reads(method),
        })
    }

    fn path(&self, key: &str) -> String {
        let service = self.service.full_name.rsplit('.').next().unwrap_or_default();
        let tail = if key.is_empty() {
            String::new()
        } else {
            format!("/{key}")
        };
        format!("/{}/{}{tail}", kebab(service), kebab(&self.method.name))
    }

    fn verb(&self) -> &'static str {
        if self.reads { "GET" } else { "POST" }
    }

    pub(super) fn file_name(&self) -> String {
        kebab(&self.method.name)
    }

    pub(super) fn composition(&self) -> String {
        let key = self.key.map(|it| format!("{{{it}}}")).unwrap_or_default();
        let comment = self
            .method
            .comment
            .as_deref()
            .and_then(|it| it.lines().next())
            .unwrap_or_default()
            .trim();
        let summary = if comment.is_empty() {
            String::new()
        } else {
            format!("summary: {comment:?}\n")
        };
        format!(
            "# yaml-language-server: $schema=../schemas/composition.schema.json\n\
             # The short form: the request is bound as google.api.http says, and the reply is the response.\n\
             endpoint: {} {}\n{summary}call: {}/{}\n",
            self.verb(),
            self.path(&key),
            self.service.full_name,
            self.method.name
        )
    }

    pub(super) fn fixture(&self) -> String {
        let key = if self.key.is_some() { "1" } else { "" };
        let body = if self.reads { "" } else { "    json: {}\n" };
        format!(
            "# yaml-language-server: $schema=../schemas/fixture.schema.json\n# `weft test` runs this in simulated time, without a server.\nabout: The endpoint answers with the reply of its \
             call.\nbackends:\n  - {{ call: {}/{}, reply: {{}} }}\nexchanges:\n  - request: {} {}\n{body}    expect: {{ \
             status: 200 }}\n",
            self.service.full_name,
            self.method.name,
            self.verb(),
            self.path(key)
        )
    }
}

/// The gateway file over one backend.
pub(super) fn gateway(target: &str, descriptors: &[String]) -> String {
    let paths: Vec<String> = descriptors.iter().map(|it| format!("{it:?}")).collect();
    format!(
        "# yaml-language-server: $schema=schemas/gateway.schema.json\n# The gateway file: where to listen, what to serve, whom to call.\nlisten: 127.0.0.1:8080\n\
         compositions: [compositions/]\ndescriptors: [{}]\n\nbackends:\n  backend: {{ grpc: [{target:?}] }}\n",
        paths.join(", ")
    )
}

/// By its name or its annotations it changes nothing.
fn reads(method: &schema::Method) -> bool {
    method.no_side_effects || ["Get", "List", "BatchGet"].iter().any(|it| method.name.starts_with(it))
}

/// `GetProduct` as a part of a path: `get-product`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    let mut before_lower = false;
    for it in name.chars() {
        if it.is_uppercase() && before_lower {
            out.push('-');
        }
        before_lower = it.is_lowercase() || it.is_ascii_digit();
        match it {
            '_' => out.push('-'),
            _ => out.extend(it.to_lowercase()),
        }
    }
    out
}
