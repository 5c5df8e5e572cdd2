//! `tls:` → how connections are secured, on both sides; and what is wrong with the certificates.

use crate::codec::time_text::civil;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Span;
use crate::language::spec;
use crate::language::spec::gate::Redis;
use crate::language::spec::tls::{BackendTls, File, Pair, Tls};
use crate::plan::Protocol;
use crate::time::since_epoch;
use crate::tls::{Certificate, Client, ClientSettings, Identity, Mistake, Part, Server, ServerSettings, Speaks};

const DAY: i64 = 24 * 60 * 60;
/// A certificate that ends within so many days is told of, unless it never lasts longer.
const SOON: i64 = 14;

/// TLS of a listener.
pub(super) fn of_listener(written: &Tls, diagnostics: &mut Diagnostics) -> Option<Server> {
    let mut identities: Vec<Identity> = Vec::new();
    for pair in &written.pairs {
        let Some(identity) = identity(pair, diagnostics) else {
            continue;
        };
        if identity.is_hidden_by(&identities) {
            let title = if identity.certificate.dns_names.is_empty() {
                "this certificate is never shown: it names no host".to_owned()
            } else {
                let names = identity.certificate.dns_names.join("`, `");
                format!("this certificate is never shown: another one before it has `{names}`")
            };
            let diagnostic = Diagnostic::warning("certificate-never-shown", pair.cert.path.span, title);
            diagnostics.push(diagnostic.label("only the first is shown to those who ask for another name"));
        }
        identities.push(identity);
    }
    if identities.is_empty() {
        return None;
    }
    let client_ca = written.client_ca.as_ref();
    let made = Server::new(&ServerSettings {
        identities: &identities,
        clients: client_ca.map(|it| (&it.text, written.client_auth)),
        min_version: written.min_version,
    });
    let place = |part| match part {
        Part::Ca => client_ca.map_or(written.span, |it| it.path.span),
        Part::Certificate | Part::Key | Part::ServerName => written.span,
    };
    made.map_err(|mistake| refuse(mistake, place, diagnostics)).ok()
}

/// TLS towards a backend; `None` where its targets are not reached over TLS.
pub(super) fn of_backend(written: &spec::Backend, protocol: Protocol, diagnostics: &mut Diagnostics) -> Option<Client> {
    let speaks = match protocol {
        Protocol::Grpc => Speaks::Http2,
        Protocol::Http => Speaks::Http1,
    };
    client(written.secure?, written.tls.as_ref(), speaks, diagnostics)
}

/// TLS towards Redis; `None` where it is not reached over TLS.
pub(super) fn of_redis(written: &Redis, diagnostics: &mut Diagnostics) -> Option<Client> {
    let secure = written.is_secure().then_some(written.url.span)?;
    client(secure, written.tls.as_ref(), Speaks::Redis, diagnostics)
}

/// TLS towards whoever is asked; `secure` is what says that there is TLS.
pub(super) fn client(
    secure: Span,
    tls: Option<&BackendTls>,
    speaks: Speaks,
    diagnostics: &mut Diagnostics,
) -> Option<Client> {
    let ca = tls.and_then(|it| it.ca.as_ref());
    let pair = tls.and_then(|it| it.pair.as_ref());
    let server_name = tls.and_then(|it| it.server_name.as_ref());
    let identity = match pair {
        Some(pair) => Some(identity(pair, diagnostics)?),
        None => None,
    };
    let made = Client::new(ClientSettings {
        ca: ca.map(|it| &it.text),
        identity,
        server_name: server_name.map(|it| &*it.value),
        min_version: tls.map(|it| it.min_version).unwrap_or_default(),
        speaks,
    });
    let place = |part| match part {
        Part::Ca => ca.map_or(secure, |it| it.path.span),
        Part::ServerName => server_name.map_or(secure, |it| it.span),
        Part::Certificate | Part::Key => secure,
    };
    made.map_err(|mistake| refuse(mistake, place, diagnostics)).ok()
}

fn identity(pair: &Pair, diagnostics: &mut Diagnostics) -> Option<Identity> {
    let place = |part| match part {
        Part::Key => pair.key.path.span,
        Part::Ca | Part::Certificate | Part::ServerName => pair.cert.path.span,
    };
    let read = Identity::read(&pair.cert.path.value, &pair.cert.text, &pair.key.text);
    match read {
        Ok(identity) => {
            if let Some(warning) = warn_of_end(&pair.cert, &identity.certificate) {
                diagnostics.push(warning);
            }
            Some(identity)
        }
        Err(mistake) => {
            refuse(mistake, place, diagnostics);
            None
        }
    }
}

fn refuse(mistake: Mistake, place: impl Fn(Part) -> Span, diagnostics: &mut Diagnostics) {
    let diagnostic = Diagnostic::new("bad-certificate", place(mistake.part), mistake.what);
    let advice = Some(mistake.advice).filter(|it| !it.is_empty());
    diagnostics.push(match advice {
        Some(advice) => diagnostic.note(advice),
        None => diagnostic,
    });
}

/// Says where a certificate has ended, ends soon or has not begun. It is served all the same: to serve nothing is no better.
fn warn_of_end(file: &File, certificate: &Certificate) -> Option<Diagnostic> {
    let now = i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX);
    let (from, to) = (certificate.not_before, certificate.not_after);
    let lasts = to - from;
    let title = if now > to {
        format!("this certificate expired on {}", date(to))
    } else if now < from {
        format!("this certificate is not valid before {}", date(from))
    } else if to - now < SOON * DAY && to - now < lasts / 3 {
        format!("this certificate expires on {}", date(to))
    } else {
        return None;
    };
    let diagnostic = Diagnostic::warning("certificate-expires", file.path.span, title);
    Some(diagnostic.label(if now < from {
        "the other side refuses it until then"
    } else {
        "put a new one in its place: it is read without a restart"
    }))
}

fn date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    format!("{year}-{month:02}-{day:02}")
}
