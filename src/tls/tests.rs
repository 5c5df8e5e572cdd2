//! What files are refused, and what is equal.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

/// The PEM of a certificate for a name and of its key, and of who signed it.
fn issued(name: &str) -> (Pem, Pem, Pem) {
    let mut of_root = CertificateParams::default();
    of_root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    of_root.distinguished_name.push(DnType::CommonName, "root");
    let root = CertifiedIssuer::self_signed(of_root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &root).unwrap();
    (
        Pem::new(certificate.pem()),
        Pem::new(key.serialize_pem()),
        Pem::new(root.pem()),
    )
}

fn file() -> Arc<str> {
    Arc::from("a.pem")
}

#[test]
fn a_pair_belongs_together_or_is_refused() {
    let (certificate, key, ca) = issued("a.example");
    let (_, other_key, _) = issued("b.example");
    let identity = Identity::read(&file(), &certificate, &key).unwrap();
    assert_eq!(identity.certificate.dns_names, ["a.example"]);

    let both = |first: &Pem, second: &Pem| Pem::new(format!("{}{}", first.0, second.0));
    Identity::read(&file(), &both(&certificate, &ca), &key).unwrap();
    let half = Pem::new(certificate.0.split_at(certificate.0.len() / 2).0);
    let no_pem = Pem::new("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let no_certificate = Pem::new("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let encrypted = Pem::new("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let odd_key = Pem::new("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    for (certificate, key, part, what) in [
        (&certificate, &other_key, Part::Key, "not that of the certificate"),
        (&both(&ca, &certificate), &key, Part::Certificate, "not the first"),
        (&half, &key, Part::Certificate, ""),
        (&no_pem, &key, Part::Certificate, "broken"),
        (&no_certificate, &key, Part::Certificate, "cannot be read"),
        (&key, &key, Part::Certificate, "no certificate"),
        (&Pem::new(""), &key, Part::Certificate, "no certificate"),
        (&certificate, &certificate, Part::Key, "no private key"),
        (&certificate, &encrypted, Part::Key, "encrypted"),
        (&certificate, &odd_key, Part::Key, "of the kind"),
    ] {
        let mistake = Identity::read(&file(), certificate, key).unwrap_err();
        assert!(
            mistake.part == part && mistake.what.contains(what),
            "{what}: {mistake:?}"
        );
        assert!(!mistake.advice.is_empty(), "{mistake:?}");
    }
}

#[test]
fn what_was_made_from_the_same_bytes_is_equal() {
    let (certificate, key, ca) = issued("a.example");
    let (other, other_key, _) = issued("a.example");
    let read = |certificate: &Pem, key: &Pem| Identity::read(&file(), certificate, key).unwrap();
    let server = |identities: &[Identity], clients| {
        let settings = ServerSettings {
            identities,
            clients,
            min_version: Version::Tls12,
        };
        Server::new(&settings).unwrap()
    };
    let one = [read(&certificate, &key)];
    let first = server(&one, None);
    assert_eq!(first, server(&[read(&certificate, &key)], None));
    assert_ne!(first, server(&[read(&other, &other_key)], None));
    assert_ne!(first, server(&one, Some((&ca, ClientAuth::Optional))));
    assert_ne!(
        server(&one, Some((&ca, ClientAuth::Required))),
        server(&one, Some((&ca, ClientAuth::Optional)))
    );
    let client = |server_name, speaks| {
        let settings = ClientSettings {
            ca: Some(&ca),
            server_name,
            speaks,
            ..ClientSettings::default()
        };
        Client::new(settings).unwrap()
    };
    assert_eq!(client(None, Speaks::Http1), client(None, Speaks::Http1));
    assert_ne!(client(None, Speaks::Http1), client(None, Speaks::Http2));
    assert_ne!(client(None, Speaks::Http1), client(Some("a"), Speaks::Http1));
}

#[test]
fn keys_are_never_shown() {
    let (certificate, key, ca) = issued("a.example");
    let identity = Identity::read(&file(), &certificate, &key).unwrap();
    let settings = ServerSettings {
        identities: std::slice::from_ref(&identity),
        clients: Some((&ca, ClientAuth::Required)),
        min_version: Version::Tls13,
    };
    let server = Server::new(&settings).unwrap();
    let client = Client::new(ClientSettings {
        ca: Some(&ca),
        identity: Some(identity.clone()),
        ..ClientSettings::default()
    });
    let shown = format!("{key:?} {identity:?} {settings:?} {server:?} {client:?}");
    let line = key.0.lines().nth(1).unwrap();
    assert!(!shown.contains(line) && !shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn a_certificate_is_hidden_by_those_before_it_of_its_kind() {
    let pair = |names: &[&str], algorithm| {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Identity::read(&file(), &Pem::new(certificate.pem()), &Pem::new(key.serialize_pem())).unwrap()
    };
    let ecdsa = &rcgen::PKCS_ECDSA_P256_SHA256;
    let both = pair(&["a.example", "b.example"], ecdsa);
    let before = [both.clone()];
    assert!(!both.is_hidden_by(&[]));
    assert!(!pair(&[], ecdsa).is_hidden_by(&[]));
    assert!(pair(&[], ecdsa).is_hidden_by(&before));
    assert!(pair(&["b.example"], ecdsa).is_hidden_by(&before));
    assert!(!pair(&["b.example", "c.example"], ecdsa).is_hidden_by(&before));
    // Clients that understand no other kind are shown this one.
    assert!(!pair(&["b.example"], &rcgen::PKCS_ED25519).is_hidden_by(&before));
}
