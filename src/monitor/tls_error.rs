//! TLS errors in one line for the operator: what is wrong, in words, without times in seconds since the epoch.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError, PeerIncompatible};

/// An error that a verifier of this project has put into words.
#[derive(Debug)]
pub(super) struct Explained(String);

impl Explained {
    /// The error in the form that rustls passes on.
    pub(super) fn error(why: String) -> rustls::Error {
        CertificateError::Other(OtherError(Arc::new(Self(why)))).into()
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Explained {}

/// An error of rustls in words.
pub fn explain(error: &rustls::Error) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(error) => explain_certificate(error),
        E::AlertReceived(alert) => format!("alert: {}", alert_name(*alert)),
        E::InvalidMessage(message) => explain_message(message),
        E::PeerIncompatible(why) => explain_incompatible(why),
        E::PeerMisbehaved(why) => format!("the endpoint breaks the rules of TLS: {}", words(why)),
        E::InappropriateMessage { got_type, .. } => format!("unexpected message: {}", words(got_type)),
        E::InappropriateHandshakeMessage { got_type, .. } => format!("unexpected message: {}", words(got_type)),
        E::NoCertificatesPresented => "the endpoint presents no certificate".to_owned(),
        E::DecryptError => "what the endpoint sends cannot be decrypted".to_owned(),
        E::PeerSentOversizedRecord => "the endpoint sends records that are too long".to_owned(),
        E::InconsistentKeys(_) => "the certificate does not belong to the key".to_owned(),
        E::InvalidCertRevocationList(why) => format!("revocation list: {}", words(why)),
        E::InvalidEncryptedClientHello(why) => format!("encrypted client hello: {}", words(why)),
        // These errors have no parts in Rust's Debug form.
        other => other.to_string(),
    }
}

/// True if an endpoint presents an authority's certificate.
pub(super) fn is_authority_as_leaf(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(error) = error else { return false };
    matches!(of_webpki(error), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The error of webpki that rustls passes on unchanged, if this is one.
fn of_webpki(error: &CertificateError) -> Option<&webpki::Error> {
    let CertificateError::Other(OtherError(error)) = error else { return None };
    error.downcast_ref()
}

fn explain_certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "certificate expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "certificate is not valid yet".to_owned(),
        E::NotValidForName => "certificate is not valid for this name".to_owned(),
        E::NotValidForNameContext { expected, .. } => {
            format!("certificate is not valid for name {}", expected.to_str())
        }
        E::UnknownIssuer => "unknown issuer".to_owned(),
        E::BadEncoding => "certificate cannot be read".to_owned(),
        E::BadSignature => "certificate has a bad signature".to_owned(),
        E::Revoked => "certificate was revoked".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "certificate is not for servers (extended key usage)".to_owned()
        }
        E::UnhandledCriticalExtension => "certificate has a critical extension that this node does not know".to_owned(),
        E::UnsupportedSignatureAlgorithmContext { .. } | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "certificate is signed in a way that this node does not verify".to_owned()
        }
        E::Other(OtherError(inner)) => match (inner.downcast_ref::<Explained>(), of_webpki(error)) {
            (Some(explained), _) => explained.to_string(),
            (None, Some(webpki)) => format!("certificate: {}", explain_webpki(webpki)),
            (None, None) => format!("certificate: {inner}"),
        },
        other => format!("certificate: {}", words(other)),
    }
}

fn explain_webpki(error: &webpki::Error) -> String {
    use webpki::Error as E;
    match error {
        E::CaUsedAsEndEntity => "it belongs to an authority, not to an endpoint".to_owned(),
        E::EndEntityUsedAsCa => "an issuer in its chain is not an authority".to_owned(),
        E::UnsupportedCertVersion => "it is of another version than X.509 v3".to_owned(),
        E::PathLenConstraintViolated => "its chain is longer than an issuer allows".to_owned(),
        E::NameConstraintViolation => "an issuer is not allowed to issue for its name".to_owned(),
        E::MaximumSignatureChecksExceeded | E::MaximumPathBuildCallsExceeded | E::MaximumPathDepthExceeded => {
            "its chain is too long or too complex".to_owned()
        }
        other => words(other),
    }
}

fn explain_message(message: &InvalidMessage) -> String {
    match message {
        // An endpoint that speaks another protocol causes these errors.
        InvalidMessage::InvalidContentType
        | InvalidMessage::UnknownProtocolVersion
        | InvalidMessage::MessageTooLarge
        | InvalidMessage::InvalidEmptyPayload => "the answer is not TLS".to_owned(),
        broken => format!("a message is broken: {}", words(broken)),
    }
}

fn explain_incompatible(why: &PeerIncompatible) -> String {
    use PeerIncompatible as P;
    match why {
        P::ServerDoesNotSupportTls12Or13 | P::ServerTlsVersionIsDisabledByOurConfig => {
            "the endpoint speaks neither TLS 1.2 nor 1.3".to_owned()
        }
        P::NoCipherSuitesInCommon => "the endpoint only offers cipher suites that are no longer secure".to_owned(),
        other => format!("the endpoint is not compatible: {}", words(other)),
    }
}

/// The name of a variant in plain words: `NoKxGroupsInCommon` is "no kx groups in common". rustls has dozens of such
/// variants, and an operator hardly ever meets one.
fn words(variant: &impl fmt::Debug) -> String {
    let name = format!("{variant:?}");
    let mut words = String::new();
    for letter in name.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// The name of an alert in RFC 8446 section 6; for alerts that it does not define, the name in earlier RFCs.
fn alert_name(alert: AlertDescription) -> String {
    let name = match u8::from(alert) {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        52 => "too_many_cids_requested",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        other => return format!("number {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_rfc() {
        for (alert, name) in [
            (AlertDescription::UnrecognisedName, "unrecognized_name"),
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::UnknownPSKIdentity, "unknown_psk_identity"),
            (AlertDescription::HandshakeFailure, "handshake_failure"),
            (AlertDescription::BadRecordMac, "bad_record_mac"),
            (AlertDescription::EncryptedClientHelloRequired, "ech_required"),
            (AlertDescription::from(200), "number 200"),
        ] {
            assert_eq!(explain(&rustls::Error::AlertReceived(alert)), format!("alert: {name}"));
        }
    }

    #[test]
    fn no_error_is_told_as_rust_writes_it() {
        use rustls::{ContentType, HandshakeType, PeerMisbehaved};
        let passed_on = |error: webpki::Error| CertificateError::Other(OtherError(Arc::new(error))).into();
        for (error, told) in [
            (InvalidMessage::InvalidContentType.into(), "the answer is not TLS"),
            (InvalidMessage::MissingData("Random").into(), "a message is broken: missing data"),
            (PeerIncompatible::NoKxGroupsInCommon.into(), "the endpoint is not compatible: no kx groups in common"),
            (PeerIncompatible::ServerDoesNotSupportTls12Or13.into(), "the endpoint speaks neither TLS 1.2 nor 1.3"),
            (
                PeerMisbehaved::SelectedUnofferedCipherSuite.into(),
                "the endpoint breaks the rules of TLS: selected unoffered cipher suite",
            ),
            (
                rustls::Error::InappropriateMessage {
                    expect_types: vec![ContentType::Handshake],
                    got_type: ContentType::ApplicationData,
                },
                "unexpected message: application data",
            ),
            (
                rustls::Error::InappropriateHandshakeMessage {
                    expect_types: vec![HandshakeType::ServerHello],
                    got_type: HandshakeType::Finished,
                },
                "unexpected message: finished",
            ),
            (passed_on(webpki::Error::UnsupportedCertVersion), "certificate: it is of another version than X.509 v3"),
            (passed_on(webpki::Error::EndEntityUsedAsCa), "certificate: an issuer in its chain is not an authority"),
            (passed_on(webpki::Error::MalformedExtensions), "certificate: malformed extensions"),
            (CertificateError::ApplicationVerificationFailure.into(), "certificate: application verification failure"),
            (Explained::error("as it is".to_owned()), "as it is"),
        ] {
            assert_eq!(explain(&error), told);
        }
    }
}
