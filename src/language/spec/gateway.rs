//! `weft.yaml` as written. Values that came from the environment are filled in; messages never show them.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::Expose;
use super::auth::Provider;
use super::discovery::{Discovery, Target};
use super::gate::{Access, LimitEntry, RateLimit, Redis};
use super::keys::Place;
use super::protection::{Breaker, Health, Hedge, Keepalive, Limit, Retry, Switch};
use super::reader::{Fields, Reader, Zero};
use super::tls::{BackendTls, Tls};
use super::traffic::{Mirror, SplitPart};
use super::{ClientCredentials, Errors, Expression, Json, Literal, Name, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Document, FileIndex, Node, NodeKind, Span, Spanned};
use crate::plan;

/// The gateway file.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    /// The file.
    pub file: FileIndex,
    /// `listen:`, addresses as written, `${env.X}` expanded.
    pub listen: Vec<Name>,
    /// `workers:`; `None` is `auto`.
    pub workers: Option<Spanned<u32>>,
    /// `admin:`.
    pub admin: Option<Admin>,
    /// `tls:`.
    pub tls: Option<Tls>,
    /// `proxy_protocol: { trusted }`.
    pub proxy_protocol: Option<Vec<IpNet>>,
    /// `compositions:`, paths as written.
    pub compositions: Vec<Name>,
    /// `descriptors:`, paths as written.
    pub descriptors: Vec<Name>,
    /// `expose:`.
    pub expose: Option<Expose>,
    /// `auth:`, in written order.
    pub auth: Vec<Provider>,
    /// `backends:`, in written order.
    pub backends: Vec<Backend>,
    /// `defaults: { timeout }`.
    pub timeout: Option<Spanned<Duration>>,
    /// `defaults: { json }`.
    pub json: Json,
    /// `vars:`.
    pub vars: Vec<(Name, Spanned<Literal>)>,
    /// `cors:`.
    pub cors: Option<plan::Cors>,
    /// `compression:`.
    pub compression: Option<plan::Compression>,
    /// `headers:`, with those that responses have where nothing is said.
    pub headers: Vec<plan::Standing>,
    /// `limits:`.
    pub limits: Limits,
    /// `access:`.
    pub access: Access,
    /// `rate_limits:`; one that could not be read is `None`.
    pub rate_limits: Vec<(Name, Option<RateLimit>)>,
    /// `cache: { memory }`, bytes.
    pub cache_memory: Option<Spanned<u64>>,
    /// `cache: { redis }`.
    pub redis: Option<Redis>,
    /// `errors:`.
    pub errors: Errors,
    /// `telemetry: { log: { format } }`.
    pub log_format: Option<LogFormat>,
    /// `telemetry: { log: { level } }`.
    pub log_level: Option<Name>,
    /// `telemetry: { log: { access } }`.
    pub log_access: Option<LogAccess>,
    /// `telemetry: { log: { audit } }`.
    pub log_audit: Option<plan::AuditLog>,
    /// `state:`, a path as written.
    pub state: Option<Switch<Name>>,
    /// `shutdown: { drain }`.
    pub drain: Option<Spanned<Duration>>,
    /// `zone:`.
    pub zone: Option<Name>,
    /// `discovery:`.
    pub discovery: Discovery,
}

/// `admin:`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// `listen:`.
    pub listen: Name,
    /// `tls:`.
    pub tls: Option<Tls>,
}

/// One entry of `backends:`.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its name.
    pub name: Name,
    /// `grpc:`.
    pub grpc: Vec<Target>,
    /// `http:`.
    pub http: Vec<Target>,
    /// The first target that is reached over TLS; then all are. Their scheme is left out of them.
    pub secure: Option<Span>,
    /// `tls:`.
    pub tls: Option<BackendTls>,
    /// `descriptors:`.
    pub descriptors: Option<BackendDescriptors>,
    /// `services:`, patterns.
    pub services: Vec<Name>,
    /// `safe:`, patterns; `None` is the default.
    pub safe: Option<Vec<Name>>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `retry:`.
    pub retry: Option<Switch<Retry>>,
    /// `hedge:`.
    pub hedge: Option<Switch<Hedge>>,
    /// `breaker:`.
    pub breaker: Option<Switch<Breaker>>,
    /// `limit:`.
    pub limit: Option<Switch<Limit>>,
    /// `balance:`.
    pub balance: Option<Spanned<plan::Balance>>,
    /// `hash:` of `balance:`.
    pub hash: Option<Expression>,
    /// `health:`.
    pub health: Option<Switch<Health>>,
    /// `keepalive:`.
    pub keepalive: Option<Keepalive>,
    /// `failover:`, the name of another backend.
    pub failover: Option<Name>,
    /// `split:`, in written order; empty where it has targets of its own.
    pub split: Vec<SplitPart>,
    /// `sticky:`.
    pub sticky: Option<Expression>,
    /// `mirror:`.
    pub mirror: Option<Mirror>,
    /// `headers:`, name and value (expanded).
    pub headers: Vec<(Name, Spanned<Arc<str>>)>,
    /// `auth:`.
    pub auth: Option<ClientCredentials>,
    /// `schema:`.
    pub schema: Option<Name>,
    /// `max_message:`, bytes.
    pub max_message: Option<Spanned<u64>>,
    /// The whole entry.
    pub span: Span,
}

/// `descriptors:` of a backend.
#[derive(Clone, Debug)]
pub enum BackendDescriptors {
    /// Paths as written.
    Paths(Vec<Name>),
    /// `reflection`, and after how long the server is asked again; `None` is the default.
    Reflection(Option<Switch<Duration>>),
    /// `registered`, and where that is written.
    Registered(Span),
}

/// `limits:`.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// `headers:`, bytes.
    pub headers: Option<Spanned<u64>>,
    /// `header_count:`.
    pub header_count: Option<Spanned<u64>>,
    /// `uri:`, bytes.
    pub uri: Option<Spanned<u64>>,
    /// `body:`, bytes.
    pub body: Option<Spanned<u64>>,
    /// `connections:`.
    pub connections: Option<Spanned<u64>>,
    /// `connections_per_address:`.
    pub connections_per_address: Option<Spanned<u64>>,
    /// `header_timeout:`.
    pub header_timeout: Option<Spanned<Duration>>,
    /// `idle_timeout:`.
    pub idle_timeout: Option<Spanned<Duration>>,
    /// `in_flight:`.
    pub in_flight: Option<Spanned<u64>>,
    /// `for_elements:`.
    pub for_elements: Option<Spanned<u64>>,
    /// `rate_limit:`, for every request.
    pub rate_limit: Vec<LimitEntry>,
}

/// `telemetry: { log: { format } }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// `telemetry: { log: { access } }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogAccess {
    /// Every request.
    #[default]
    All,
    /// Only those that failed.
    Errors,
    /// Nothing.
    None,
}

impl Reader<'_> {
    pub(super) fn gateway(&mut self, document: &Document) -> Option<Gateway> {
        let root = &document.root;
        let NodeKind::Map(members) = &root.kind else {
            self.wrong("gateway file", root, "a map");
            return None;
        };
        let known = members.iter().filter(|(key, _)| !key.value.starts_with("x-"));
        let mut fields = self.fields_of(root.span, known.map(|(key, value)| (key, value)), Place::Gateway);
        let mut gateway = Gateway {
            file: document.file,
            ..Gateway::default()
        };
        if let Some((_, node)) = fields.take("language") {
            // There is one version; what is written is only checked.
            self.integer("language", node, 1..=1);
        }
        if let Some((_, node)) = fields.take("listen") {
            gateway.listen = match node.kind {
                NodeKind::List(_) => self.texts("listen", node),
                _ => self.text("listen", node).into_iter().collect(),
            };
        }
        gateway.workers = fields.take("workers").and_then(|(_, node)| self.workers(node));
        gateway.admin = fields.take("admin").and_then(|(_, node)| self.admin(node));
        gateway.tls = fields.take("tls").and_then(|(_, node)| self.tls(node));
        gateway.proxy_protocol = fields
            .take("proxy_protocol")
            .and_then(|(_, node)| self.proxy_protocol(node));
        gateway.compositions = fields
            .take("compositions")
            .map(|(_, node)| self.texts("compositions", node))
            .unwrap_or_default();
        gateway.descriptors = fields
            .take("descriptors")
            .map(|(_, node)| self.texts("descriptors", node))
            .unwrap_or_default();
        gateway.expose = fields.take("expose").and_then(|(_, node)| self.expose(node));
        if let Some(node) = self.required(
            &mut fields,
            "backends",
            Span {
                end: root.span.start,
                ..root.span
            },
        ) {
            gateway.backends = self.backends(node);
        }
        gateway.zone = fields.take("zone").and_then(|(_, node)| self.text("zone", node));
        gateway.discovery = fields
            .take("discovery")
            .and_then(|(_, node)| self.discovery(node))
            .unwrap_or_default();
        gateway.auth = fields
            .take("auth")
            .map(|(_, node)| self.providers(node))
            .unwrap_or_default();
        if let Some((_, node)) = fields.take("defaults") {
            self.defaults(node, &mut gateway);
        }
        gateway.vars = fields.take("vars").map(|(_, node)| self.vars(node)).unwrap_or_default();
        gateway.cors = fields.take("cors").and_then(|(_, node)| self.cors(node));
        gateway.compression = fields.take("compression").and_then(|(_, node)| self.compression(node));
        gateway.headers = self.standing(fields.take("headers").map(|it| it.1));
        gateway.limits = fields
            .take("limits")
            .and_then(|(_, node)| self.limits(node))
            .unwrap_or_default();
        gateway.access = fields
            .take("access")
            .and_then(|(_, node)| self.access(node))
            .unwrap_or_default();
        gateway.rate_limits = fields
            .take("rate_limits")
            .map(|(_, node)| self.rate_limits(node))
            .unwrap_or_default();
        if let Some(mut storage) = fields
            .take("cache")
            .and_then(|(_, node)| self.fields("cache", node, Place::Storage))
        {
            gateway.cache_memory = storage.take("memory").and_then(|(_, node)| self.size("memory", node));
            gateway.redis = storage.take("redis").and_then(|(_, node)| self.redis(node));
            storage.finish();
        }
        gateway.errors = fields
            .take("errors")
            .map(|(_, node)| self.errors(node))
            .unwrap_or_default();
        if let Some((_, node)) = fields.take("telemetry") {
            self.telemetry(node, &mut gateway);
        }
        gateway.state = fields.take("state").and_then(|(_, node)| self.state(node));
        if let Some(mut shutdown) = fields
            .take("shutdown")
            .and_then(|(_, node)| self.fields("shutdown", node, Place::Shutdown))
        {
            gateway.drain = shutdown
                .take("drain")
                .and_then(|(_, node)| self.duration("drain", node, Zero::Allow));
            shutdown.finish();
        }
        fields.finish();
        Some(gateway)
    }

    fn state(&mut self, node: &Node) -> Option<Switch<Name>> {
        self.or_off(node, |reader, node| {
            reader.text("state", node).filter(|it| !it.value.is_empty())
        })
    }

    fn workers(&mut self, node: &Node) -> Option<Spanned<u32>> {
        let read = self.integer_or("workers", node, "auto", 1..=1024)?;
        Some(Spanned::new(u32::try_from(read.value).ok()?, read.span))
    }

    fn admin(&mut self, node: &Node) -> Option<Admin> {
        let mut fields = self.fields("admin", node, Place::Admin)?;
        let listen = self
            .required(&mut fields, "listen", node.span)
            .and_then(|node| self.text("listen", node));
        let tls = fields.take("tls").and_then(|(_, node)| self.tls(node));
        fields.finish();
        Some(Admin { listen: listen?, tls })
    }

    fn defaults(&mut self, node: &Node, gateway: &mut Gateway) {
        let Some(mut fields) = self.fields("defaults", node, Place::Defaults) else {
            return;
        };
        gateway.timeout = fields
            .take("timeout")
            .and_then(|(_, node)| self.duration("timeout", node, Zero::Refuse));
        gateway.json = fields.take("json").map(|(_, node)| self.json(node)).unwrap_or_default();
        fields.finish();
    }

    fn vars(&mut self, node: &Node) -> Vec<(Name, Spanned<Literal>)> {
        let members = self.map("vars", node).unwrap_or_default();
        let mut vars = Vec::new();
        for (key, value) in members {
            // Behind `vars.` only the literals of CEL are no names.
            let is_name = scalar::is_name(&key.value) && !matches!(&*key.value, "false" | "in" | "null" | "true");
            if !is_name {
                let title = format!("`{}` is not a name", key.value);
                let mut diagnostic = Diagnostic::new("bad-name", key.span, title)
                    .label("names are lower-case letters, digits and `_`, a letter first");
                diagnostic.help = scalar::as_name(&key.value);
                self.push(diagnostic);
            }
            let literal = self.literal(&key.value, value);
            if let (true, Some(literal)) = (is_name, literal) {
                vars.push((key.clone(), literal));
            }
        }
        vars
    }

    fn limits(&mut self, node: &Node) -> Option<Limits> {
        let mut fields = self.fields("limits", node, Place::Limits)?;
        let count = |reader: &mut Self, fields: &mut Fields<'_>, key: &str, greatest: u64| {
            let (_, node) = fields.take(key)?;
            reader.integer(key, node, 1..=greatest)
        };
        let connections = count(self, &mut fields, "connections", 10_000_000);
        let connections_per_address = count(self, &mut fields, "connections_per_address", 10_000_000);
        let header_count = count(self, &mut fields, "header_count", 10_000);
        let in_flight = count(self, &mut fields, "in_flight", 10_000_000);
        let for_elements = count(self, &mut fields, "for_elements", 1_000_000);
        let limits = Limits {
            headers: fields.take("headers").and_then(|(_, node)| self.size("headers", node)),
            header_count,
            uri: fields.take("uri").and_then(|(_, node)| self.size("uri", node)),
            body: fields.take("body").and_then(|(_, node)| self.size("body", node)),
            connections,
            connections_per_address,
            header_timeout: fields
                .take("header_timeout")
                .and_then(|(_, node)| self.duration("header_timeout", node, Zero::Refuse)),
            idle_timeout: fields
                .take("idle_timeout")
                .and_then(|(_, node)| self.duration("idle_timeout", node, Zero::Refuse)),
            in_flight,
            for_elements,
            rate_limit: fields
                .take("rate_limit")
                .map(|(_, node)| self.rate_limit(node))
                .unwrap_or_default(),
        };
        fields.finish();
        Some(limits)
    }

    fn telemetry(&mut self, node: &Node, gateway: &mut Gateway) {
        let Some(mut fields) = self.fields("telemetry", node, Place::Telemetry) else {
            return;
        };
        let log = fields.take("log");
        fields.finish();
        let Some(mut fields) = log.and_then(|(_, node)| self.fields("log", node, Place::Log)) else {
            return;
        };
        gateway.log_format = fields.take("format").and_then(|(_, node)| {
            Some(
                self.choice("format", node, &[("json", LogFormat::Json), ("text", LogFormat::Text)])?
                    .value,
            )
        });
        gateway.log_level = fields.take("level").and_then(|(_, node)| {
            let levels = ["error", "warn", "info", "debug", "trace"].map(|it| (it, it));
            let level = self.choice("level", node, &levels)?;
            Some(Spanned::new(Arc::from(level.value), level.span))
        });
        gateway.log_access = fields.take("access").and_then(|(_, node)| {
            let choices = [
                ("all", LogAccess::All),
                ("errors", LogAccess::Errors),
                ("none", LogAccess::None),
            ];
            Some(self.choice("access", node, &choices)?.value)
        });
        gateway.log_audit = fields.take("audit").and_then(|(_, node)| {
            let choices = [
                ("all", plan::AuditLog::All),
                ("refused", plan::AuditLog::Refused),
                ("none", plan::AuditLog::None),
            ];
            Some(self.choice("audit", node, &choices)?.value)
        });
        fields.finish();
    }
}
