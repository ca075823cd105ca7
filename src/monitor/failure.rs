//! Errors of the operating system, of hyper and of rustls, in the words of `Failure`.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::health::{Failure, Stage};

/// What an error on a stream, plain or TLS, says of the endpoint or of this node.
pub(super) fn from_io(error: &io::Error, stage: Stage) -> Failure {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return Failure::Tls(explain_tls(tls));
    }
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => return Failure::NoDescriptors,
        // A node without IPv6 has no sockets of that family at all.
        Some(libc::EAFNOSUPPORT) => return Failure::Unreachable,
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Failure::Unreachable
        }
        // connect(2): "all port numbers in the ephemeral port range are currently in use".
        io::ErrorKind::AddrNotAvailable => Failure::NoDescriptors,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Failure::Reset,
        // The kernel's own patience, when the monitor's is longer.
        io::ErrorKind::TimedOut => Failure::TimedOut(stage),
        // No system call says so: hyper found faults in the framing of the body.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if error.raw_os_error().is_none() => {
            Failure::Protocol(error.to_string())
        }
        _ => Failure::Io(error.to_string()),
    }
}

/// What an error of an HTTP exchange says of the endpoint.
pub(super) fn from_http(error: &hyper::Error, stage: Stage) -> Failure {
    if let Some(cause) = io_cause(error) {
        return from_io(cause, stage);
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Failure::Reset;
    }
    // "http2 error" alone says nothing; its cause does.
    match error.source() {
        Some(cause) => Failure::Protocol(format!("{error}: {cause}")),
        None => Failure::Protocol(error.to_string()),
    }
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// One line for the operator, who reads it in a table: what to mend, without times in seconds of the epoch.
fn explain_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::AlertReceived(alert) => format!("alert: {}", rfc_spelling(*alert)),
        rustls::Error::InvalidMessage(_) => "the answer is not TLS".to_owned(),
        other => other.to_string(),
    }
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
        other => format!("certificate: {other}"),
    }
}

/// `HandshakeFailure` as RFC 8446 section 6 spells it: `handshake_failure`.
fn rfc_spelling(alert: AlertDescription) -> String {
    let mut spelled = String::new();
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_lowercase());
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_say_whose_fault_they_are() {
        for (errno, failure) in [
            (libc::ECONNREFUSED, Failure::Refused),
            (libc::EHOSTUNREACH, Failure::Unreachable),
            (libc::ENETUNREACH, Failure::Unreachable),
            (libc::ENETDOWN, Failure::Unreachable),
            (libc::EAFNOSUPPORT, Failure::Unreachable),
            (libc::EADDRNOTAVAIL, Failure::NoDescriptors),
            (libc::EMFILE, Failure::NoDescriptors),
            (libc::ENFILE, Failure::NoDescriptors),
            (libc::ECONNRESET, Failure::Reset),
            (libc::ECONNABORTED, Failure::Reset),
            (libc::EPIPE, Failure::Reset),
            (libc::ETIMEDOUT, Failure::TimedOut(Stage::Connect)),
        ] {
            assert_eq!(from_io(&io::Error::from_raw_os_error(errno), Stage::Connect), failure, "errno {errno}");
        }
        let not_permitted = from_io(&io::Error::from_raw_os_error(libc::EPERM), Stage::Connect);
        assert!(matches!(not_permitted, Failure::Io(why) if why.contains("not permitted")));
    }

    #[test]
    fn alerts_are_spelled_as_in_the_rfc() {
        assert_eq!(rfc_spelling(AlertDescription::UnrecognisedName), "unrecognised_name");
        assert_eq!(rfc_spelling(AlertDescription::HandshakeFailure), "handshake_failure");
    }
}
