//! Scalars with a form of their own: durations, sizes, names, methods. Pure text in, a value or a sentence out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::expr::parse::RESERVED;
use crate::plan::Period;

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

/// `100/s`, `1000/m`, `5000/h`. The error says what is wrong, and what may be meant.
pub fn rate(text: &str) -> Result<(u64, Duration), (String, Option<String>)> {
    let (number, unit) = per(text, "100/s")?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "sec" | "second" => return Err(of_unit(number, "s")),
        "min" | "minute" => return Err(of_unit(number, "m")),
        "hour" => return Err(of_unit(number, "h")),
        "d" | "day" => return Err((QUOTA_IS_APART.to_owned(), Some(format!("quota: {number}/day")))),
        "month" => return Err((QUOTA_IS_APART.to_owned(), Some(format!("quota: {number}/month")))),
        _ => return Err(("a rate has one of the units `/s`, `/m` and `/h`".to_owned(), None)),
    };
    if number > 1_000_000 * seconds {
        return Err(("at most a million a second".to_owned(), None));
    }
    Ok((number, Duration::from_secs(seconds)))
}

/// `10000/day`, `1000000/month`. The error says what is wrong, and what may be meant.
pub fn quota(text: &str) -> Result<(u64, Period), (String, Option<String>)> {
    let (number, unit) = per(text, "10000/day")?;
    match unit {
        "day" => Ok((number, Period::Day)),
        "month" => Ok((number, Period::Month)),
        "d" => Err((
            "the period is written out".to_owned(),
            Some(format!("quota: {number}/day")),
        )),
        "s" | "m" | "h" => Err((
            "a quota is for a day or a month; what is allowed in shorter times is a rate".to_owned(),
            Some(format!("rate: {number}/{unit}")),
        )),
        _ => Err(("a quota has one of the periods `/day` and `/month`".to_owned(), None)),
    }
}

const QUOTA_IS_APART: &str = "what is allowed in a day or a month is a quota";

fn of_unit(number: u64, unit: &str) -> (String, Option<String>) {
    (format!("the unit is `/{unit}`"), Some(format!("{number}/{unit}")))
}

/// A number that is more than nothing, and what stands behind its slash.
fn per<'t>(text: &'t str, like: &str) -> Result<(u64, &'t str), (String, Option<String>)> {
    let (number, unit) = text.split_once('/').unwrap_or((text, ""));
    let is_number = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
    if !is_number || unit.is_empty() {
        return Err((format!("a whole number, a slash and a unit, as `{like}`"), None));
    }
    match number.parse::<u64>() {
        Ok(0) => Err((
            "nothing would be let in; `access: { deny }` shuts networks out".to_owned(),
            None,
        )),
        Ok(number) if number <= 1_000_000_000_000 => Ok((number, unit)),
        _ => Err(("is too large".to_owned(), None)),
    }
}

/// `10.0.0.0/8`, `2001:db8::/32`, or one address. The error says what is wrong, and what may be meant.
pub fn network(text: &str) -> Result<IpNet, (String, Option<String>)> {
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => IpNet::from(address),
        _ => {
            let label = "a network is an address and the length of its prefix: `10.0.0.0/8`, `2001:db8::/32`";
            return Err((label.to_owned(), None));
        }
    };
    if let IpNet::V6(it) = network
        && let Some(address) = it.addr().to_ipv4_mapped()
        && it.prefix_len() >= 96
    {
        let meant = format!("{address}/{}", it.prefix_len() - 96);
        return Err(("IPv4 addresses are written as such".to_owned(), Some(meant)));
    }
    if network.addr() != network.network() {
        let label = "behind its prefix the address of a network has only zeros".to_owned();
        return Err((label, Some(network.trunc().to_string())));
    }
    Ok(network)
}

/// `redis://[user:password@]host[:port][/database]`, or the same with `rediss://`.
pub fn is_redis_url(text: &str) -> bool {
    let schemes = ["redis://", "rediss://"];
    let Some(rest) = schemes.iter().find_map(|it| text.strip_prefix(it)) else {
        return false;
    };
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |it| it.1);
    let is_host = host
        .parse::<http::uri::Authority>()
        .is_ok_and(|it| !it.host().is_empty() && !it.as_str().ends_with(':'));
    is_host && database.bytes().all(|it| it.is_ascii_digit())
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

    #[test]
    fn rates_and_quotas_have_units_of_their_own() {
        let seconds = Duration::from_secs;
        assert_eq!(rate("100/s"), Ok((100, seconds(1))));
        assert_eq!(rate("1000/m"), Ok((1000, seconds(60))));
        assert_eq!(rate("5/h"), Ok((5, seconds(3600))));
        assert_eq!(quota("10000/day"), Ok((10_000, Period::Day)));
        assert_eq!(quota("1/month"), Ok((1, Period::Month)));
        for text in [
            "",
            "5",
            "/s",
            "5/",
            "0/s",
            "-1/s",
            "1.5/s",
            "5/x",
            "5 /s",
            "2000000/s",
            "5/day",
            "5/sec",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in ["5/s", "5/d", "0/day", "5/week", "99999999999999999999/day"] {
            assert!(quota(text).is_err(), "{text}");
        }
        assert_eq!(rate("5/min").unwrap_err().1.as_deref(), Some("5/m"));
        assert_eq!(rate("5/day").unwrap_err().1.as_deref(), Some("quota: 5/day"));
    }

    #[test]
    fn networks_are_written_without_the_address_of_a_host() {
        for text in ["10.0.0.0/8", "192.0.2.7", "0.0.0.0/0", "2001:db8::/32", "::1"] {
            assert!(network(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "example.com",
            "2001:db8::/129",
            "10.0.0.0/ 8",
        ] {
            assert_eq!(network(text).unwrap_err().1, None, "{text}");
        }
        assert_eq!(network("10.1.2.3/8").unwrap_err().1.as_deref(), Some("10.0.0.0/8"));
        assert_eq!(
            network("::ffff:10.0.0.0/104").unwrap_err().1.as_deref(),
            Some("10.0.0.0/8")
        );
    }

    #[test]
    fn redis_is_a_host_and_perhaps_a_database() {
        for text in [
            "redis://localhost",
            "redis://:pw@10.0.0.1:6379/3",
            "redis://[::1]:6379",
            "rediss://user:pw@h:6380/1",
            "redis://r/",
        ] {
            assert!(is_redis_url(text), "{text}");
        }
        for text in [
            "",
            "localhost:6379",
            "redis://",
            "redis://h:",
            "redis://h/x",
            "http://h",
            "redis://a b",
        ] {
            assert!(!is_redis_url(text), "{text}");
        }
    }
}
