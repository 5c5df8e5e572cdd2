//! What gateways have to have in common that share answers.

use super::super::KeyWriter;
use crate::plan::{Backend, Plan, Protocol};

/// A digest of what answers depend on besides what is in their keys: whom backends are, and what is said to clients of them.
/// Gateways that differ in it share nothing.
pub fn realm(plan: &Plan) -> [u8; 32] {
    let mut writer = KeyWriter::new("realm");
    writer.part(env!("CARGO_PKG_VERSION").as_bytes());
    writer.part(&[u8::from(plan.access.restricts())]);
    writer.part(format!("{:?}", plan.settings.compression).as_bytes());
    for backend in &plan.backends {
        let Backend {
            name,
            protocol,
            targets,
            sources,
            tls,
            headers,
            auth,
            // How it is asked, and how often; what it answers is the same.
            zone: _,
            timeout: _,
            max_message: _,
            balance: _,
            hash: _,
            health: _,
            keepalive: _,
            failover: _,
            split: _,
            mirror: _,
            protection: _,
            // In every key already.
            methods: _,
            schema: _,
        } = backend;
        writer.part(name.as_bytes());
        writer.part(match protocol {
            Protocol::Grpc => b"grpc",
            Protocol::Http => b"http",
        });
        writer.part(format!("{:?}", tls.as_ref()).as_bytes());
        for target in targets {
            writer.part(target.authority.as_bytes());
            writer.part(target.address().as_bytes());
        }
        for source in sources {
            writer.part(source.written.as_bytes());
            writer.part(format!("{:?}", source.kind).as_bytes());
        }
        for (name, value) in headers {
            writer.part(name.as_str().as_bytes());
            writer.part(value.as_bytes());
        }
        // Whom the backend takes us for.
        if let Some(auth) = auth {
            writer.part(auth.at.target.authority.as_bytes());
            writer.part(auth.at.path.as_bytes());
            writer.part(auth.authorization.as_ref().map_or(b"", |it| it.as_bytes()));
            writer.part(auth.form.reveal().as_bytes());
        }
    }
    writer.finish().0
}
