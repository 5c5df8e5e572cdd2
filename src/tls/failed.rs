//! Why a handshake failed, in one sentence and in one word.

use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TLS: {sentence}")]
pub struct Failed {
    /// For metrics: one of a dozen words.
    pub reason: &'static str,
    /// For logs.
    pub sentence: String,
}

impl Failed {
    /// A reason and a sentence.
    pub fn new(reason: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            reason,
            sentence: sentence.into(),
        }
    }

    /// What an error of a connection says of TLS; `None` where it is none of TLS.
    pub fn within(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?;
        if let Some(failed) = inner.downcast_ref::<Self>() {
            return Some(failed.clone());
        }
        inner.downcast_ref::<Error>().map(Self::from)
    }

    /// Why a handshake ended with an error.
    pub(super) fn of(error: &io::Error) -> Self {
        Self::within(error).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::new("closed", "the other side closed the connection during the handshake")
            }
            _ => Self::new("connection", error.to_string()),
        })
    }
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::NoCertificatesPresented => Self::new("no_certificate", "the client showed no certificate"),
            Error::NoApplicationProtocol => Self::new(
                "protocol",
                "neither of the application protocols offered is spoken here (ALPN)",
            ),
            Error::AlertReceived(alert) => of_alert(*alert),
            Error::InvalidMessage(_) | Error::PeerSentOversizedRecord => {
                Self::new("no_tls", "the other side does not speak TLS")
            }
            Error::PeerIncompatible(what) => Self::new(
                "incompatible",
                format!("no version or cipher suite that both sides speak ({what:?})"),
            ),
            other => Self::new("other", other.to_string()),
        }
    }
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> Self {
        Self::new(io::ErrorKind::InvalidData, failed)
    }
}

/// The other side said what it did not like.
fn of_alert(alert: AlertDescription) -> Failed {
    let what = match alert {
        AlertDescription::CertificateRequired => "it asks for a certificate, and none was shown",
        AlertDescription::UnknownCA => "it does not know the issuer of the certificate",
        AlertDescription::CertificateExpired => "to it the certificate has expired",
        AlertDescription::CertificateRevoked => "to it the certificate is revoked",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => "it does not accept the certificate",
        AlertDescription::NoApplicationProtocol => "it speaks none of the application protocols offered (ALPN)",
        AlertDescription::ProtocolVersion => "it speaks none of the versions offered",
        AlertDescription::UnrecognisedName => "it does not know the name that it was asked for (SNI)",
        other => return Failed::new("alert", format!("the other side refused: {other:?}")),
    };
    Failed::new("alert", format!("the other side refused: {what}"))
}

fn of_certificate(error: &CertificateError) -> Failed {
    let (reason, sentence) = match error {
        CertificateError::Expired => ("expired", "certificate expired".to_owned()),
        CertificateError::ExpiredContext { time, not_after } => (
            "expired",
            format!("certificate expired {} ago", between(*not_after, *time)),
        ),
        CertificateError::NotValidYet => ("not_yet", "certificate not valid yet".to_owned()),
        CertificateError::NotValidYetContext { time, not_before } => (
            "not_yet",
            format!("certificate not valid yet, only in {}", between(*time, *not_before)),
        ),
        CertificateError::UnknownIssuer => (
            "unknown_issuer",
            "certificate of an unknown issuer: none of the roots that are trusted signed it".to_owned(),
        ),
        CertificateError::NotValidForName => ("name", "certificate not valid for the name".to_owned()),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // rustls shows what it found as `DnsName("a")`.
            let names = presented.iter().map(|it| it.split('"').nth(1).unwrap_or(it));
            let names = names.collect::<Vec<_>>().join(", ");
            let names = if names.is_empty() { "no name" } else { &names };
            let sentence = format!(
                "certificate not valid for name {}: it is for {names}",
                expected.to_str()
            );
            ("name", sentence)
        }
        CertificateError::Revoked => ("revoked", "certificate revoked".to_owned()),
        CertificateError::BadSignature => ("signature", "certificate with a bad signature".to_owned()),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "purpose",
            "certificate not meant for this side of a connection (extended key usage)".to_owned(),
        ),
        other => ("certificate", format!("certificate not accepted: {other}")),
    };
    Failed::new(reason, sentence)
}

/// A length of time in its largest unit.
fn between(from: UnixTime, to: UnixTime) -> String {
    let length = Duration::from_secs(to.as_secs().saturating_sub(from.as_secs()));
    let (number, unit) = match length.as_secs() {
        it @ 0..120 => (it, "seconds"),
        it @ 120..7_200 => (it / 60, "minutes"),
        it @ 7_200..172_800 => (it / 3_600, "hours"),
        it => (it / 86_400, "days"),
    };
    format!("{number} {unit}")
}
