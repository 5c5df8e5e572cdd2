//! What a certificate says: whose it is, for which names, until when (RFC 5280), with the subject as RFC 4514 writes it.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::{Any, ToDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::codec::hexadecimal;

/// The facts of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The subject as RFC 4514 writes it, the last part first: `CN=orders,O=Shop`; empty where there is none.
    pub subject: String,
    /// The subject's common name, the most special of several.
    pub common_name: Option<String>,
    /// The subject alternative names, as text without their kind: DNS names, addresses, URIs, e-mail addresses.
    pub alternative_names: Vec<String>,
    /// Those of them that are DNS names, in lower case; a first label may be `*`.
    pub dns_names: Vec<String>,
    /// SHA-256 of the whole certificate: 64 hexadecimal digits in lower case.
    pub fingerprint: String,
    /// Valid from this second since 1970 on.
    pub not_before: i64,
    /// Valid to the end of this second since 1970.
    pub not_after: i64,
}

/// A certificate that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no X.509 certificate")]
pub struct NoCertificate;

impl Certificate {
    /// Reads the DER of a certificate. Verifies nothing.
    pub fn of(der: &[u8]) -> Result<Self, NoCertificate> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
        if !rest.is_empty() {
            return Err(NoCertificate);
        }
        let names = parsed.subject_alternative_name().map_err(|_| NoCertificate)?;
        let names = names.iter().flat_map(|it| &it.value.general_names);
        let mut certificate = Self {
            subject: distinguished(parsed.subject()),
            common_name: parsed.subject().iter_common_name().last().and_then(text),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            fingerprint: hexadecimal(&Sha256::digest(der)),
            ..Self::default()
        };
        for name in names {
            if let GeneralName::DNSName(name) = name {
                certificate.dns_names.push(name.to_ascii_lowercase());
            }
            certificate.alternative_names.extend(alternative(name));
        }
        Ok(certificate)
    }
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    attribute.as_str().ok().map(str::to_owned)
}

/// What has no text of its own is left out: nobody could name it in a condition.
fn alternative(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(it) | GeneralName::RFC822Name(it) | GeneralName::URI(it) => Some((*it).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|it| it.to_string())
        }
        GeneralName::DirectoryName(it) => Some(distinguished(it)),
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

// === RFC 4514 ===

/// Names of RFC 4514 §3; others are written as object identifiers.
const TYPES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

fn distinguished(name: &X509Name<'_>) -> String {
    let parts = name.iter_rdn().map(|it| {
        let attributes: Vec<String> = it.iter().map(attribute).collect();
        attributes.join("+")
    });
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let id = attribute.attr_type().to_id_string();
    let known = TYPES.iter().find(|it| it.0 == id);
    match (known, attribute.as_str()) {
        (Some((_, name)), Ok(value)) => format!("{name}={}", escaped(value)),
        (Some((_, name)), Err(_)) => format!("{name}={}", encoded(attribute.attr_value())),
        (None, _) => format!("{id}={}", encoded(attribute.attr_value())),
    }
}

/// `#` and the bytes of the value with its tag (RFC 4514 §2.4).
fn encoded(value: &Any<'_>) -> String {
    format!("#{}", hexadecimal(&value.to_der_vec().unwrap_or_default()))
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (at, it) in value.chars().enumerate() {
        let at_an_end = (at == 0 && matches!(it, ' ' | '#')) || (at == last && it == ' ');
        if it == '\0' {
            text.push_str("\\00");
            continue;
        }
        if at_an_end || matches!(it, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            text.push('\\');
        }
        text.push(it);
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::of(made.der()).unwrap()
    }

    #[test]
    fn a_certificate_says_whose_it_is_for_what_and_how_long() {
        let it = certificate(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Shop, Ltd.");
            params.distinguished_name.push(DnType::CommonName, " orders #1");
            params.subject_alt_names = vec![
                SanType::DnsName("Orders.Shop.example".try_into().unwrap()),
                SanType::DnsName("*.shop.example".try_into().unwrap()),
                SanType::IpAddress("10.0.0.1".parse().unwrap()),
                SanType::IpAddress("::1".parse().unwrap()),
                SanType::URI("spiffe://shop.example/orders".try_into().unwrap()),
                SanType::Rfc822Name("ops@shop.example".try_into().unwrap()),
            ];
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 2);
        });
        assert_eq!(it.subject, r"CN=\ orders #1,O=Shop\, Ltd.");
        assert_eq!(it.common_name.as_deref(), Some(" orders #1"));
        assert_eq!(it.dns_names, ["orders.shop.example", "*.shop.example"]);
        assert_eq!(
            it.alternative_names,
            [
                "Orders.Shop.example",
                "*.shop.example",
                "10.0.0.1",
                "::1",
                "spiffe://shop.example/orders",
                "ops@shop.example",
            ]
        );
        assert_eq!((it.not_before, it.not_after), (1_577_836_800, 1_577_923_200));
        assert_eq!(it.fingerprint.len(), 64);
    }

    #[test]
    fn what_has_no_name_or_no_text_is_written_in_hexadecimal() {
        let it = certificate(|params| {
            let serial_number = DnType::CustomDnType(vec![2, 5, 4, 5]);
            params
                .distinguished_name
                .push(serial_number, DnValue::Utf8String("ab".to_owned()));
            let wide = DnValue::BmpString("é".try_into().unwrap());
            params.distinguished_name.push(DnType::CommonName, wide);
        });
        assert_eq!(it.subject, "CN=#1e0200e9,2.5.4.5=#0c026162");
        assert_eq!(it.common_name, None);
        assert_eq!(Certificate::of(b"no"), Err(NoCertificate));
        assert_eq!(certificate(|_| {}).subject, "");
    }

    #[test]
    fn signs_with_a_meaning_are_escaped() {
        for (value, wanted) in [
            ("a", "a"),
            ("#a#", r"\#a#"),
            (" a ", r"\ a\ "),
            (" ", r"\ "),
            (r#"a"+,;<>\"#, r#"a\"\+\,\;\<\>\\"#),
            ("a\0é=", r"a\00é="),
        ] {
            assert_eq!(escaped(value), wanted, "{value:?}");
        }
    }
}
