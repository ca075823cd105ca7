//! Errors of the operating system, of hyper and of h2, as [`Failure`]s.

use std::error::Error;
use std::io;

use super::tls_error;
use crate::health::{Failure, Stage};

/// The failure for an I/O error on a stream, plain or TLS.
pub(super) fn from_io(error: &io::Error, stage: Stage) -> Failure {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return Failure::Tls(tls_error::explain(tls));
    }
    if let Some(errno) = error.raw_os_error() {
        return from_system(errno, error, stage);
    }
    match error.kind() {
        io::ErrorKind::QuotaExceeded => Failure::TooMuch(error.to_string()),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Failure::Reset,
        // Libraries use these errors when the peer has closed its side of the connection. Writes never return them: see
        // `Wire`.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => Failure::Closed,
        // The kernel's own time-out, after a library has dropped its error number.
        io::ErrorKind::TimedOut => Failure::TimedOut(stage),
        _ => Failure::Protocol(error.to_string()),
    }
}

/// The failure for an error number of the kernel. Errors that cannot have come from the endpoint, or from a router on
/// the way, are this node's own.
fn from_system(errno: i32, error: &io::Error, stage: Stage) -> Failure {
    match errno {
        // EMFILE and ENFILE mean that descriptors have run out, EADDRNOTAVAIL and EAGAIN that ports have. connect(2):
        // "all port numbers in the ephemeral port range are currently in use".
        libc::EMFILE | libc::ENFILE | libc::EADDRNOTAVAIL | libc::EAGAIN => Failure::NoDescriptors,
        // Linux reports ICMP's "protocol unreachable" as ENOPROTOOPT, and ICMPv6's "unrecognized next header" as EPROTO
        // (RFC 1122 section 3.2.2.1, RFC 4443 section 3.4): the host exists, but does not speak the protocol.
        libc::ECONNREFUSED | libc::ENOPROTOOPT | libc::EPROTO => Failure::Refused,
        // This node has no route, or a router reports that it has none. A node without IPv6 has no sockets of that
        // family at all.
        libc::EHOSTUNREACH
        | libc::ENETUNREACH
        | libc::ENETDOWN
        | libc::EHOSTDOWN
        | libc::ENETRESET
        | libc::EAFNOSUPPORT => Failure::Unreachable,
        libc::ECONNRESET | libc::ECONNABORTED => Failure::Reset,
        libc::EPIPE | libc::ENOTCONN => Failure::Closed,
        libc::ETIMEDOUT => Failure::TimedOut(stage),
        // EINVAL comes from a blackhole route, EACCES from a prohibit route, and EPERM from a filter.
        _ => Failure::Local(error.to_string()),
    }
}

/// The failure for an error of hyper.
pub(super) fn from_http(error: &hyper::Error, stage: Stage) -> Failure {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref() {
            return from_h2(h2, stage);
        }
        if let Some(io) = error.downcast_ref() {
            return from_io(io, stage);
        }
        cause = error.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Failure::Closed;
    }
    Failure::Protocol(error.to_string())
}

/// The failure for an error of HTTP/2. It leaves out the debug data that the endpoint sends with its code, because the
/// data has no defined format.
pub(super) fn from_h2(error: &h2::Error, stage: Stage) -> Failure {
    if let Some(io) = error.get_io() {
        return from_io(io, stage);
    }
    let Some(reason) = error.reason() else { return Failure::Protocol(error.to_string()) };
    let code = reason.description();
    Failure::Protocol(match (error.is_remote(), error.is_go_away()) {
        (true, true) => format!("the endpoint ended the HTTP/2 connection: {code}"),
        (true, false) => format!("the endpoint ended the HTTP/2 stream: {code}"),
        (false, _) => format!("the answer breaks the rules of HTTP/2: {code}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_say_whose_fault_they_are() {
        for (errno, failure) in [
            (libc::ECONNREFUSED, Failure::Refused),
            (libc::ENOPROTOOPT, Failure::Refused),
            (libc::EPROTO, Failure::Refused),
            (libc::EHOSTUNREACH, Failure::Unreachable),
            (libc::ENETUNREACH, Failure::Unreachable),
            (libc::ENETDOWN, Failure::Unreachable),
            (libc::EHOSTDOWN, Failure::Unreachable),
            (libc::EAFNOSUPPORT, Failure::Unreachable),
            (libc::EADDRNOTAVAIL, Failure::NoDescriptors),
            (libc::EAGAIN, Failure::NoDescriptors),
            (libc::EMFILE, Failure::NoDescriptors),
            (libc::ENFILE, Failure::NoDescriptors),
            (libc::ECONNRESET, Failure::Reset),
            (libc::ECONNABORTED, Failure::Reset),
            (libc::EPIPE, Failure::Closed),
            (libc::ETIMEDOUT, Failure::TimedOut(Stage::Connect)),
        ] {
            assert_eq!(from_io(&io::Error::from_raw_os_error(errno), Stage::Connect), failure, "errno {errno}");
        }
    }

    #[test]
    fn what_only_this_node_can_say_may_be_its_own_fault() {
        for errno in [
            libc::EINVAL,
            libc::EACCES,
            libc::EPERM,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::ENODEV,
            libc::ENXIO,
            libc::EMSGSIZE,
            libc::EPROTONOSUPPORT,
            libc::ESOCKTNOSUPPORT,
            libc::EOPNOTSUPP,
            libc::EIO,
            libc::ENOSPC,
            libc::ENONET,
            libc::ENOKEY,
        ] {
            let failure = from_io(&io::Error::from_raw_os_error(errno), Stage::Connect);
            assert!(matches!(failure, Failure::Local(_)) && failure.may_be_ours(), "errno {errno}: {failure}");
        }
        let not_permitted = from_io(&io::Error::from_raw_os_error(libc::EPERM), Stage::Response);
        assert_eq!(not_permitted.to_string(), "this node cannot send there: Operation not permitted (os error 1)");
    }

    #[test]
    fn errors_without_a_number_are_those_of_libraries() {
        for (kind, failure) in [
            (io::ErrorKind::UnexpectedEof, Failure::Closed),
            (io::ErrorKind::BrokenPipe, Failure::Closed),
            (io::ErrorKind::ConnectionReset, Failure::Reset),
            (io::ErrorKind::QuotaExceeded, Failure::TooMuch("more".to_owned())),
            (io::ErrorKind::InvalidData, Failure::Protocol("more".to_owned())),
        ] {
            assert_eq!(from_io(&io::Error::new(kind, "more"), Stage::Response), failure);
        }
    }
}
