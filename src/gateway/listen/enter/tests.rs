//! Over loopback: what a connection begins with, and what is known of its client then.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::tls::{Client, ClientAuth, ClientSettings, Identity, Pem, Server, ServerSettings, Version};

const V4: &[u8] = b"\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x30\x39\0\x50";

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// What `proxied` makes of bytes that are followed by `GET`, sent in pieces of `step` bytes.
async fn of_bytes(bytes: &[u8], step: usize) -> Result<IpAddr, Failed> {
    let (mut client, mut server) = pair().await;
    let remote = "127.0.0.1".parse().unwrap();
    let trusted = ["127.0.0.0/8".parse().unwrap()];
    let sending = async {
        for piece in bytes.chunks(step) {
            // Who was refused may have gone.
            let _sent = client.write_all(piece).await.is_ok();
            tokio::task::yield_now().await;
        }
        let _sent = client.write_all(b"GET").await.is_ok();
    };
    let (found, ()) = tokio::join!(proxied(&mut server, remote, &trusted), sending);
    if found.is_ok() {
        let mut behind = [0; 3];
        server.read_exact(&mut behind).await.unwrap();
        assert_eq!(&behind, b"GET", "nothing behind the header is taken");
    }
    found
}

fn version_2(rest: &[u8]) -> Vec<u8> {
    [SIGNATURE.as_slice(), rest].concat()
}

#[tokio::test]
async fn the_header_names_the_client() {
    let v6 = [
        b"\x21\x21\0\x24".as_slice(),
        &[0; 15],
        b"\x01",
        &[0; 15],
        b"\x02\0\x01\0\x02",
    ]
    .concat();
    let with_values = [
        b"\x21\x11\0\x10\xcb\0\x71\x07\x7f\0\0\x01\x30\x39\0\x50".as_slice(),
        b"\x04\0\x01\0",
    ]
    .concat();
    for (bytes, wanted) in [
        (b"PROXY TCP4 203.0.113.7 127.0.0.1 12345 80\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n".to_vec(), "2001:db8::7"),
        (
            b"PROXY TCP6 ::ffff:203.0.113.7 ::1 12345 80\r\n".to_vec(),
            "203.0.113.7",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY UNKNOWN a b c d\r\n".to_vec(), "127.0.0.1"),
        (version_2(V4), "203.0.113.7"),
        (version_2(&with_values), "203.0.113.7"),
        (version_2(&v6), "::1"),
        // A proxy that asks for itself.
        (version_2(b"\x20\0\0\0"), "127.0.0.1"),
    ] {
        for step in [1, 7, 1_000] {
            let found = of_bytes(&bytes, step).await;
            assert_eq!(found, Ok(wanted.parse().unwrap()), "{}", bytes.escape_ascii());
        }
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(100));
    let cut: Vec<u8> = version_2(&[b"\x21\x11\0\x04".as_slice(), &[0; 4]].concat());
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.999 127.0.0.1 12345 80\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7\r\n".to_vec(),
        b"PROXY HTTP 203.0.113.7 127.0.0.1 1 2\r\n".to_vec(),
        b"proxy TCP4 203.0.113.7 127.0.0.1 12345 80\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 127.0.0.1 12345 80\n".to_vec(),
        long.into_bytes(),
        cut,
        version_2(b"\x31\x11\0\x0c0123456789ab"),
        version_2(b"\x21\x11\xff\xff"),
    ] {
        let found = of_bytes(&bytes, 1_000).await.map_err(|it| it.reason);
        assert_eq!(found, Err("proxy_header"), "{}", bytes.escape_ascii());
    }
    let (client, mut server) = pair().await;
    drop(client);
    let remote = "127.0.0.1".parse().unwrap();
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    let untrusted = proxied(&mut server, remote, &trusted).await;
    assert_eq!(untrusted.map_err(|it| it.reason), Err("proxy_untrusted"));
    let closed = proxied(&mut server, remote, &["127.0.0.1/32".parse().unwrap()]).await;
    assert_eq!(closed.map_err(|it| it.reason), Err("closed"));
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let mut of_root = CertificateParams::default();
    of_root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(of_root, KeyPair::generate().unwrap()).unwrap();
    let identity = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let made = params.signed_by(&key, &root).unwrap();
        Identity::read(&name.into(), &Pem::new(made.pem()), &Pem::new(key.serialize_pem())).unwrap()
    };
    let ca = Pem::new(root.pem());
    let server = Server::new(&ServerSettings {
        identities: &[identity("shop.example")],
        clients: Some((&ca, ClientAuth::Required)),
        min_version: Version::Tls13,
    });
    let (server, shown) = (server.unwrap(), identity("orders.example"));
    let client = Client::new(ClientSettings {
        ca: Some(&ca),
        identity: Some(shown.clone()),
        server_name: Some("shop.example"),
        ..ClientSettings::default()
    });
    let client = client.unwrap();
    // A session that is resumed has the certificate too, and not for longer than it is valid.
    for (now, resumed, wanted) in [(0, false, true), (0, true, true), (i64::MAX, true, false)] {
        let (near, far) = pair().await;
        let asking = async {
            let mut stream = client.connect("127.0.0.1", near).await?;
            // Tickets come with the first bytes.
            let _read = stream.read_u8().await;
            Ok::<_, Failed>(())
        };
        let answering = async {
            let mut accepted = server.accept(far, now).await?;
            accepted.stream.write_all(b"x").await.unwrap();
            accepted.stream.flush().await.unwrap();
            Ok::<_, Failed>(accepted)
        };
        let (asked, accepted) = tokio::join!(asking, answering);
        asked.unwrap();
        match accepted {
            Ok(accepted) => {
                assert_eq!((wanted, resumed), (true, accepted.resumed));
                assert_eq!(accepted.certificate.as_ref(), Some(&shown.certificate));
                assert_eq!(accepted.certificate.unwrap().subject, "CN=orders.example");
            }
            Err(failed) => assert_eq!((wanted, failed.reason), (false, "expired")),
        }
    }
}
