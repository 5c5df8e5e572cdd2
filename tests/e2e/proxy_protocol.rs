//! `proxy_protocol:` over real sockets: who the client is, and who is refused.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::authority::{Authority, ask};
use super::process::{Folder, Process, admin, counted, parse, serving};

fn serve(folder: &Folder, keys: &str) -> (Process, SocketAddr) {
    folder.write(
        "compositions/ip.yaml",
        "endpoint: GET /ip\nresponse: $request.remote_ip\n",
    );
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n{keys}\
         backends: {{ recs: {{ http: [\"http://127.0.0.1:1\"] }} }}\n"
    );
    let file = folder.write("weft.yaml", &text);
    serving(&file)
}

/// What comes back for a header and a request; empty where the connection is closed without an answer.
fn answer(address: SocketAddr, header: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    let request = b"GET /ip HTTP/1.1\r\nhost: weft\r\nconnection: close\r\n\r\n";
    // Who is refused may be cut off while it sends.
    let _sent = stream.write_all(&[header, request].concat()).is_ok();
    let mut all = Vec::new();
    let _ended = stream.read_to_end(&mut all).is_ok();
    all
}

#[test]
fn the_client_is_whom_the_proxy_names() {
    let folder = Folder::new("proxied");
    let (mut process, address) = serve(&folder, "proxy_protocol: { trusted: [127.0.0.1] }\n");
    let version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x30\x39\0\x50";
    for (header, wanted) in [
        (&b"PROXY TCP4 203.0.113.7 127.0.0.1 12345 80\r\n"[..], "\"203.0.113.7\""),
        (b"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n", "\"2001:db8::7\""),
        (b"PROXY UNKNOWN\r\n", "\"127.0.0.1\""),
        (version_2, "\"203.0.113.7\""),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "\"127.0.0.1\""),
    ] {
        assert_eq!(
            parse(&answer(address, header)).text(),
            wanted,
            "{}",
            header.escape_ascii()
        );
    }
    for header in [
        &b""[..],
        b"PROXY TCP4 nobody\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0",
    ] {
        assert_eq!(answer(address, header), b"", "{}", header.escape_ascii());
    }
    counted(
        admin(&mut process),
        &["weft_connections_refused_total{reason=\"proxy_header\"} 3"],
    );
}

#[test]
fn others_than_the_proxies_are_refused_and_silence_ends() {
    let folder = Folder::new("untrusted");
    let (mut process, address) = serve(&folder, "proxy_protocol: { trusted: [10.0.0.0/8] }\n");
    for header in [&b""[..], b"PROXY TCP4 203.0.113.7 127.0.0.1 12345 80\r\n"] {
        assert_eq!(answer(address, header), b"");
    }
    counted(
        admin(&mut process),
        &["weft_connections_refused_total{reason=\"proxy_untrusted\"} 2"],
    );
    let keys = "proxy_protocol: { trusted: [127.0.0.0/8] }\nlimits: { header_timeout: 200ms }\n";
    let (_process, address) = serve(&folder, keys);
    let mut silent = TcpStream::connect(address).expect("a connection");
    silent.write_all(b"PROXY TCP4").expect("to be sent");
    silent
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    let mut rest = Vec::new();
    let _ended = silent.read_to_end(&mut rest).is_ok();
    assert!(rest.is_empty());
}

#[test]
fn the_header_stands_before_the_handshake() {
    let (folder, authority) = (Folder::new("before"), Authority::new("root"));
    let pair = authority.issue(&["shop.example"]);
    folder.write("a.pem", &pair.cert);
    folder.write("a.key", &pair.key);
    let keys = "proxy_protocol: { trusted: [127.0.0.1] }\ntls: { certificates: [{ cert: a.pem, key: a.key }] }\n";
    let (_process, address) = serve(&folder, keys);
    let config = Arc::new(authority.client(None));
    let header = b"PROXY TCP4 203.0.113.7 127.0.0.1 12345 443\r\n";
    let asked = ask(address, &config, "shop.example", header, "/ip").expect("an answer");
    assert_eq!(asked.answer.text(), "\"203.0.113.7\"");
    assert!(ask(address, &config, "shop.example", b"", "/ip").is_err());
}
