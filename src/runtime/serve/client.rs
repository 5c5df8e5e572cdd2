//! Whom a request comes from, where proxies stand between: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
//!
//! Every proxy appends whom it got the request from, so that the list is read from its end, and only as far as those who
//! wrote it are believed. What a client itself sends stands to the left of that and is never looked at, however malformed
//! it is. Invariant: without trusted proxies no header is read.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;

use crate::plan::{ClientHeader, NetworkAccess};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Takes the last entry off a list: its address, and what stands before it.
type Read = fn(&[u8]) -> (Option<IpAddr>, &[u8]);

/// The address of the client: the last that somebody trusted vouches for. An entry that hides its address, or is none, ends
/// the search at the proxy that wrote it.
pub(super) fn address(access: &NetworkAccess, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let mut client = peer.to_canonical();
    if access.trusted_proxies.is_empty() {
        return client;
    }
    let (name, read): (_, Read) = match access.client_header {
        ClientHeader::Forwarded => (FORWARDED.as_str(), last_forwarded),
        ClientHeader::XForwardedFor => (X_FORWARDED_FOR, last_of_list),
    };
    // Several header lines are one list.
    for line in headers.get_all(name).iter().rev() {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            if !access.trusted_proxies.contains(client) {
                return client;
            }
            let (found, before) = read(rest);
            let Some(found) = found else { return client };
            client = found.to_canonical();
            rest = before;
        }
    }
    client
}

/// The last entry of a list, and what stands before it.
fn last_of_list(text: &[u8]) -> (Option<IpAddr>, &[u8]) {
    let (before, last) = match text.iter().rposition(|it| *it == b',') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (&text[..0], text),
    };
    (std::str::from_utf8(last).ok().and_then(|it| node(it.trim())), before)
}

/// The `for` of the last element of a `Forwarded`, and what stands before that element. Quotes are matched from the end as
/// well, so that one that a client left open swallows nothing.
fn last_forwarded(text: &[u8]) -> (Option<IpAddr>, &[u8]) {
    let mut quoted = false;
    let mut start = 0;
    for at in (0..text.len()).rev() {
        match text[at] {
            b'"' if !(quoted && is_escaped(text, at)) => quoted = !quoted,
            b',' if !quoted => {
                start = at + 1;
                break;
            }
            _ => {}
        }
    }
    let element = std::str::from_utf8(&text[start..]).unwrap_or_default();
    (of_element(element), &text[..start.saturating_sub(1)])
}

/// A quote behind an odd number of backslashes is a part of the text.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let n_backslashes = text[..at].iter().rev().take_while(|it| **it == b'\\').count();
    n_backslashes % 2 == 1
}

/// `for=192.0.2.60;proto=http`: whom it is for. `None` where that is not said, hidden, or said twice.
fn of_element(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in pairs(element) {
        let (name, value) = pair.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("for") {
            continue;
        }
        let value = unquoted(value.trim())?;
        if found.replace(node(&value)?).is_some() {
            return None;
        }
    }
    found
}

/// What stands between semicolons outside of quotes.
fn pairs(element: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    element.split(move |it| {
        let was_escaped = escaped;
        escaped = quoted && it == '\\' && !was_escaped;
        if it == '"' && !was_escaped {
            quoted = !quoted;
        }
        it == ';' && !quoted
    })
}

/// A token, or a quoted string without its quotes and backslashes.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = text.strip_prefix('"') else {
        return Some(Cow::Borrowed(text));
    };
    let inner = rest.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut plain = String::new();
    let mut characters = inner.chars();
    while let Some(it) = characters.next() {
        plain.push(if it == '\\' { characters.next()? } else { it });
    }
    Some(Cow::Owned(plain))
}

/// An address, with or without a port: `192.0.2.43:47011`, `[2001:db8::17]:4711`, `2001:db8::17`. Names that hide one
/// (`unknown`, `_gazonk`) are none.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        // The port may be hidden as well.
        let (address, rest) = bracketed.split_once(']')?;
        let address = address.parse::<std::net::Ipv6Addr>().ok()?;
        return (rest.is_empty() || is_hidden_port(rest)).then_some(address.into());
    }
    let at = text.find(':')?;
    let (address, rest) = text.split_at(at);
    is_hidden_port(rest).then(|| address.parse().ok().map(IpAddr::V4))?
}

fn is_hidden_port(text: &str) -> bool {
    text.strip_prefix(":_").is_some_and(|it| {
        let known = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-');
        !it.is_empty() && it.bytes().all(known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Networks;
    use proptest::prelude::*;

    fn access(client_header: ClientHeader) -> NetworkAccess {
        NetworkAccess {
            trusted_proxies: Networks::new(["10.0.0.0/8", "fd00::/8"].map(|it| it.parse().unwrap())),
            client_header,
            ..NetworkAccess::default()
        }
    }

    fn found(header: ClientHeader, peer: &str, lines: &[&str]) -> String {
        let name = match header {
            ClientHeader::Forwarded => "forwarded",
            ClientHeader::XForwardedFor => "x-forwarded-for",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        address(&access(header), &headers, peer.parse().unwrap()).to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        for (peer, lines, wanted) in [
            // Whoever is not trusted is the client, whatever it says.
            ("203.0.113.9", &["198.51.100.7"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            // All are trusted: the first of them is the client.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // What is no address ends the search at the proxy that wrote it.
            ("10.0.0.1", &["198.51.100.7, junk"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.7,"], "10.0.0.1"),
            // To the left of the client everything may stand.
            ("10.0.0.1", &["\"junk, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.007"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:99999"], "10.0.0.1"),
        ] {
            assert_eq!(
                found(ClientHeader::XForwardedFor, peer, lines),
                wanted,
                "{peer} {lines:?}"
            );
        }
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        for (lines, wanted) in [
            (&["for=198.51.100.7"][..], "198.51.100.7"),
            (&["For=198.51.100.7; Proto=https;by=10.0.0.1"], "198.51.100.7"),
            (&["proto=http;for=\"198.51.100.7:4711\""], "198.51.100.7"),
            (&["for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=\"[2001:db8:cafe::17]\""], "2001:db8:cafe::17"),
            (&["for=\"[2001:db8:cafe::17]:_port\""], "2001:db8:cafe::17"),
            (&["for=\"198.51.100.7:_port\""], "198.51.100.7"),
            (&["for=\"198.51.\\100.7\""], "198.51.100.7"),
            (&["for=1.1.1.1, for=198.51.100.7, for=10.0.0.2"], "198.51.100.7"),
            (&["for=1.1.1.1", "for=198.51.100.7", "for=10.0.0.2"], "198.51.100.7"),
            // Hidden, or not said.
            (&["for=198.51.100.7, for=unknown"], "10.0.0.1"),
            (&["for=_hidden, for=10.0.0.2"], "10.0.0.2"),
            (&["for=198.51.100.7, proto=http"], "10.0.0.1"),
            (&["for=1.1.1.1;for=198.51.100.7"], "10.0.0.1"),
            (&["for=\"\""], "10.0.0.1"),
            (&["198.51.100.7"], "10.0.0.1"),
            (&["for=\"198.51.100.7"], "10.0.0.1"),
            // A client's open quote swallows nothing of what the proxy appended.
            (&["for=\"1.1.1.1, for=198.51.100.7"], "198.51.100.7"),
            (&["for=\"1.1.1.1", "for=198.51.100.7"], "198.51.100.7"),
            (&["for=\"x, for=\"[2001:db8::7]:1\""], "2001:db8::7"),
            (
                &["for=1.1.1.1;secret=\"a, for=2.2.2.2;b\", for=198.51.100.7"],
                "198.51.100.7",
            ),
        ] {
            assert_eq!(found(ClientHeader::Forwarded, "10.0.0.1", lines), wanted, "{lines:?}");
        }
    }

    #[test]
    fn the_other_header_is_never_read() {
        let mut headers = HeaderMap::new();
        headers.insert("forwarded", "for=198.51.100.7".parse().unwrap());
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(address(&access(ClientHeader::XForwardedFor), &headers, peer), peer);
        let nobody = NetworkAccess::default();
        headers.insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
        assert_eq!(address(&nobody, &headers, peer), peer);
    }

    proptest! {
        /// Whatever a client sends: behind a proxy that appends its address, it is known by that.
        #[test]
        fn no_client_chooses_its_address(sent in "[ -~]{0,60}", header in any::<bool>()) {
            let (header, appended) = if header {
                (ClientHeader::Forwarded, format!("{sent}, for=\"[2001:db8::7]:80\""))
            } else {
                (ClientHeader::XForwardedFor, format!("{sent}, 2001:db8::7"))
            };
            prop_assert_eq!(found(header, "10.0.0.1", &[&appended]), "2001:db8::7");
        }
    }
}
