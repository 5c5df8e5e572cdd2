//! Scalars with a form of their own: durations, sizes, names, methods. Pure text in, a value or a sentence out.

use std::net::SocketAddr;
use std::time::Duration;

use crate::expr::parse::RESERVED;

/// Longest duration that is read: a year. What is longer is a slip of the unit.
const MAX_MILLIS: u64 = 366 * 24 * 60 * 60 * 1000;

/// Names that have a meaning of ours, now or later (semantics.md 10).
const RESERVED_BY_US: [&str; 21] = [
    "auth", "auto", "base64", "body", "cel", "env", "error", "errors", "lists", "math", "now", "params", "random",
    "request", "response", "self", "strings", "this", "uuid", "vars", "weft",
];

/// Words of CEL that are literals or operators, and so never names.
const LITERALS: [&str; 4] = ["false", "in", "null", "true"];

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// Not `[a-z][a-z0-9_]*`.
    Form,
    /// CEL has a meaning for it.
    OfCel,
    /// We have a meaning for it.
    Ours,
}

/// Checks the name of a param, a call or a variable (semantics.md 10).
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if RESERVED.contains(&name) || LITERALS.contains(&name) {
        Err(NameFault::OfCel)
    } else if RESERVED_BY_US.contains(&name) {
        Err(NameFault::Ours)
    } else if is_name(name) {
        Ok(())
    } else {
        Err(NameFault::Form)
    }
}

/// `[a-z][a-z0-9_]*`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// The name of a backend or fragment: dashes are allowed, since it never stands in an expression.
pub fn is_label(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_lowercase())
        && text
            .bytes()
            .all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// The nearest text that is a name: `my-call` → `my_call`.
pub fn as_name(text: &str) -> Option<String> {
    let mut name = String::new();
    for it in text.chars() {
        if it.is_ascii_uppercase() && name.ends_with(|it: char| it.is_ascii_lowercase()) {
            name.push('_');
        }
        name.push(if it.is_ascii_alphanumeric() {
            it.to_ascii_lowercase()
        } else {
            '_'
        });
    }
    check_name(&name).is_ok().then_some(name)
}

/// `package.Service/Method`.
pub fn is_method(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(service, method)| is_dotted(service) && is_identifier(method))
}

/// Identifiers of protobuf with dots between them.
pub fn is_dotted(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// A token of RFC 9110, in lower case: the name of a header.
pub fn is_header_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&it))
}

/// Headers that belong to the connection, to the message's framing, or to gRPC itself (semantics.md 11).
pub fn is_own_header(name: &str) -> bool {
    const OWN: [&str; 11] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ];
    OWN.contains(&name) || name.starts_with("grpc-") || name.starts_with(':')
}

/// `250ms`, `30s`, `5m`, `1h`. The error says what is wrong, after "a duration …".
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "" => return Err("has a unit: `ms`, `s`, `m` or `h`"),
        _ => return Err("has one of the units `ms`, `s`, `m` and `h`"),
    };
    match number.checked_mul(factor) {
        Some(millis) if millis <= MAX_MILLIS => Ok(Duration::from_millis(millis)),
        _ => Err("is at most a year"),
    }
}

/// The milliseconds of `1.5s`, which is not how durations are written.
pub fn fraction_of_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.strip_suffix('s')?.split_once('.')?;
    let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 3 {
        return None;
    }
    let millis = format!("{whole}{fraction:0<3}").parse().ok()?;
    (millis > 0).then_some(millis)
}

/// `512B`, `64KiB`, `4MiB`, `1GiB`, in bytes. The error says what is wrong, after "a size …".
pub fn size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" => return Err("has a unit: `B`, `KiB`, `MiB` or `GiB`"),
        _ => return Err("has one of the units `B`, `KiB`, `MiB` and `GiB`"),
    };
    match number.checked_mul(factor) {
        Some(bytes) if bytes <= 1 << 50 => Ok(bytes),
        _ => Err("is at most a pebibyte"),
    }
}

/// `20%`, from 0 to 100.
pub fn percent(text: &str) -> Option<u64> {
    let (number, unit) = split(text).ok()?;
    (unit == "%" && number <= 100).then_some(number)
}

/// `10/s`, a second.
pub fn per_second(text: &str) -> Option<u64> {
    let (number, unit) = split(text).ok()?;
    (unit == "/s" && number <= 1_000_000).then_some(number)
}

/// Digits, and what follows them.
fn split(text: &str) -> Result<(u64, &str), &'static str> {
    let unit = text.trim_start_matches(|it: char| it.is_ascii_digit());
    let digits = text.get(..text.len() - unit.len()).unwrap_or_default();
    if digits.is_empty() || unit.starts_with(['.', ',', '_', ' ']) {
        return Err("is a whole number and a unit, without a space");
    }
    digits.parse().map(|number| (number, unit)).map_err(|_| "is too large")
}

/// `10.0.0.2:53`; without a port it is 53, as DNS has it.
pub fn socket_address(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse().ok();
    with_port.or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "1.5s",
            "5 s",
            "-1s",
            "5d",
            "5S",
            "99999999999999999999s",
            "9999999h",
            "1m30s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("512B", 512),
            ("64KiB", 65_536),
            ("4MiB", 4_194_304),
            ("1GiB", 1_073_741_824),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "4",
            "4MB",
            "4 MiB",
            "1.5MiB",
            "4mib",
            "99999999999999999999B",
            "18446744073709551615GiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_those_of_section_10() {
        for name in ["a", "price_usd", "x2", "page", "query", "path", "item", "it"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "A", "myCall", "my-call", "2x", "_x", "é"] {
            assert_eq!(check_name(name), Err(NameFault::Form), "{name}");
        }
        for name in ["for", "in", "namespace", "null", "while"] {
            assert_eq!(check_name(name), Err(NameFault::OfCel), "{name}");
        }
        for name in ["auth", "body", "env", "vars", "weft", "request"] {
            assert_eq!(check_name(name), Err(NameFault::Ours), "{name}");
        }
        assert_eq!(as_name("my-call").as_deref(), Some("my_call"));
        assert_eq!(as_name("myCall").as_deref(), Some("my_call"));
        assert_eq!(as_name("2x"), None);
    }

    #[test]
    fn methods_have_a_service_and_a_name() {
        for text in ["a.B/C", "B/C", "a.b_c.D/E2"] {
            assert!(is_method(text), "{text}");
        }
        for text in ["", "a.B", "/a.B/C", "a.B/C/D", "a..B/C", "a.B/", "a.B/c-d", "a.B/ C"] {
            assert!(!is_method(text), "{text}");
        }
    }
}
