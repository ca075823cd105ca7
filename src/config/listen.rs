//! `[listen]`: the addresses that are served, the transport of each, and the certificate for encrypted transports.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::disk::Disk;

use super::certificate;
use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{CertificateOf, Fault, Faults};
use super::meant;
use super::source::Place;

/// Default port of DNS, which needs no privilege. The default addresses are those of loopback.
const DEFAULT_PORT: u16 = 5300;

/// The keys of transports that need a certificate.
const ENCRYPTED: [&str; 3] = ["tls", "https", "quic"];

/// Ports that are reserved for other transports: the key, the port, and the reason.
const FORBIDDEN: [(&str, u16, &str); 3] = [
    ("dns", 853, "is never for plain DNS (RFC 7858, section 3.1)"),
    ("tls", 53, "is never for DNS over TLS (RFC 7858, section 3.1)"),
    ("quic", 53, "is never for DNS over QUIC (RFC 9250, section 4.1.1)"),
];

/// The keys that share the ports of one transport protocol, with its name.
const SHARED_PORTS: [(&str, &[&str]); 2] = [("TCP", &["dns", "tls", "https"]), ("UDP", &["dns", "quic"])];

/// The addresses that are served; at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// Plain DNS, over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// DNS over TLS (RFC 7858).
    pub tls: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484).
    pub https: Vec<SocketAddr>,
    /// DNS over QUIC (RFC 9250).
    pub quic: Vec<SocketAddr>,
}

/// The contents of `[listen]`.
pub(super) struct ListenSection {
    pub(super) listen: Listen,
    pub(super) credentials: Option<Arc<CertifiedKey>>,
}

/// Addresses and their key.
type Addresses = (&'static str, Vec<Placed<SocketAddr>>);

/// Reads `[listen]`. Relative paths are relative to `folder`.
pub(super) fn read(value: Option<Value<'_>>, folder: &Path, disk: &Disk, faults: &mut Faults) -> ListenSection {
    let default = vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into(), (Ipv6Addr::LOCALHOST, DEFAULT_PORT).into()];
    let Some(mut table) = value.and_then(|value| value.table("`[listen]`", faults)) else {
        let listen = Listen { dns: default, ..Listen::default() };
        return ListenSection { listen, credentials: None };
    };
    let dns = table.take("dns");
    let has_dns = dns.is_some();
    let plain: Addresses = ("dns", dns.map(|value| read_addresses(&value, 53, faults)).unwrap_or_default());
    let mut encrypted: Vec<(Value<'_>, Addresses)> = Vec::new();
    for (key, port) in ENCRYPTED.into_iter().zip([853, 443, 853]) {
        if let Some(value) = table.take(key) {
            let addresses = read_addresses(&value, port, faults);
            encrypted.push((value, (key, addresses)));
        }
    }
    let needs_certificate = encrypted.first().map(|(value, _)| (value.key, value.anchor()));
    let credentials = read_credentials(&mut table, needs_certificate, folder, disk, faults);
    table.finish(faults);

    let all: Vec<Addresses> = std::iter::once(plain).chain(encrypted.into_iter().map(|(_, read)| read)).collect();
    check_shared_ports(&all, faults);
    let of = |key| {
        let found = all.iter().find(|(other, _)| *other == key);
        found.map(|(_, read)| read.iter().map(|address| address.value).collect()).unwrap_or_default()
    };
    let dns = if has_dns { of("dns") } else { default };
    ListenSection { listen: Listen { dns, tls: of("tls"), https: of("https"), quic: of("quic") }, credentials }
}

/// Reads addresses with ports. `port` is the usual one of this transport.
pub(super) fn read_addresses(value: &Value<'_>, port: u16, faults: &mut Faults) -> Vec<Placed<SocketAddr>> {
    let mut addresses: Vec<Placed<SocketAddr>> = Vec::new();
    let expected = format!("addresses with a port, such as \"192.0.2.53:{port}\" or \"[2001:db8::53]:{port}\"");
    for item in value.items(&format!("`{}` needs an address", value.key), faults) {
        let Some(address) = read_address(&item, &expected, port, faults) else { continue };
        if addresses.iter().any(|other| other.value == address.value) {
            let message = format!("`{}` names {} twice", value.key, address.value);
            faults.push(Fault::error(&address.place, message, "again").code(Code::Duplicate));
            continue;
        }
        let port = address.value.port();
        if let Some((.., why)) = FORBIDDEN.iter().find(|(key, forbidden, _)| *key == value.key && *forbidden == port) {
            faults.push(Fault::error(&address.place, format!("port {port} {why}"), "").code(Code::Listen));
            continue;
        }
        addresses.push(address);
    }
    addresses
}

/// Reads an address with a port. `port` is the usual one.
pub(super) fn read_address(
    item: &Value<'_>,
    expected: &str,
    port: u16,
    faults: &mut Faults,
) -> Option<Placed<SocketAddr>> {
    let text = item.text().unwrap_or_default();
    match text.parse() {
        Ok(value) => Some(Placed { value, place: item.place() }),
        Err(_) if text.is_empty() => item.unexpected(expected, faults),
        Err(_) => {
            let label = meant::socket(text, port).map_or_else(String::new, |meant| format!("did you mean {meant}?"));
            let message = format!("`{}` takes {expected}", item.key);
            faults.push(Fault::error(&item.place(), message, label).code(Code::BadValue));
            None
        }
    }
}

/// Reports an address that both the admin server and DNS need over TCP.
pub(super) fn check_admin(admin: &[Placed<SocketAddr>], listen: &Listen, faults: &mut Faults) {
    let ways = [("dns", &listen.dns), ("tls", &listen.tls), ("https", &listen.https)];
    for address in admin.iter().filter(|address| address.value.port() != 0) {
        let meets = |other: &&SocketAddr| {
            let is_same = other.ip() == address.value.ip();
            let takes_all = other.is_ipv4() == address.value.is_ipv4()
                && (other.ip().is_unspecified() || address.value.ip().is_unspecified());
            other.port() == address.value.port() && (is_same || takes_all)
        };
        if let Some((way, other)) = ways.iter().find_map(|(way, list)| Some((way, list.iter().find(meets)?))) {
            let message = format!("the admin server and `{way}` both need {} over TCP", address.value);
            let label = format!("`{way}` listens on {other}");
            faults.push(Fault::error(&address.place, message, label).code(Code::Conflict));
        }
    }
}

/// Reports ports that two keys need. Port 0 is a different port each time.
fn check_shared_ports(all: &[Addresses], faults: &mut Faults) {
    for (protocol, keys) in SHARED_PORTS {
        let mut taken: Vec<(&str, &Placed<SocketAddr>)> = Vec::new();
        let sharing = all.iter().filter(|(key, _)| keys.contains(key));
        for (key, address) in sharing.flat_map(|(key, read)| read.iter().map(move |address| (*key, address))) {
            if address.value.port() == 0 {
                continue;
            }
            match taken.iter().find(|(_, other)| other.value == address.value) {
                Some((other_key, other)) => {
                    let message = format!("`{key}` and `{other_key}` both need {} over {protocol}", address.value);
                    faults.push(
                        Fault::error(&address.place, message, "taken")
                            .code(Code::Listen)
                            .related(&other.place, "first here"),
                    );
                }
                None => taken.push((key, address)),
            }
        }
    }
}

/// Reads the certificate with its key. `needed_by` is the first key that needs them, if there is one.
fn read_credentials(
    table: &mut TomlTable<'_>,
    needed_by: Option<(&str, Place)>,
    folder: &Path,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<Arc<CertifiedKey>> {
    let mut path = |key| {
        let value = table.take(key)?;
        let anchor = value.anchor();
        Some((anchor, value.string(faults).map(|text| text.with(folder.join(&text.value)))))
    };
    let given = [("certificate", path("certificate")), ("key", path("key"))];
    if let Some((way, place)) = needed_by {
        for (key, value) in &given {
            if value.is_none() {
                let message = format!("`{way}` needs `certificate` and `key`");
                faults.push(Fault::error(&place, message, format!("`{key}` is missing here")).code(Code::MissingKey));
            }
        }
    } else {
        for (key, anchor) in given.iter().filter_map(|(key, value)| Some((key, &value.as_ref()?.0))) {
            let message = format!("`{key}` is not used: there is no `tls`, `https` or `quic`");
            faults.push(Fault::warning(anchor, message, "").code(Code::NoEffect));
        }
        return None;
    }
    let [(_, Some((_, Some(certificate)))), (_, Some((_, Some(key))))] = given else { return None };
    let before = faults.0.len();
    let read = certificate::read(&certificate, &key, disk, faults);
    faults.concern(CertificateOf::Dns, before);
    read.map(|read| read.certified)
}
