//! TLS of the admin server: its certificate, and the authority of its clients.
//!
//! | `certificate`, `key` | `client_ca` | off loopback |
//! | --- | --- | --- |
//! | no  | no  | plain HTTP: a warning, unless `plain = true` |
//! | yes | no  | TLS |
//! | yes | yes | TLS, and only clients with a certificate of that authority |
//!
//! Commands read the section too, often as a user that may not read the key. So files are named here and read later.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;

use super::super::certificate;
use super::super::code::Code;
use super::super::decode::{Placed, TomlTable, Value};
use super::super::fault::{CertificateOf, Fault, Faults};
use super::super::source::Place;
use super::is_loopback;
use crate::disk::Disk;

/// The certificates for connections to the admin server from other machines.
#[derive(Clone, Debug)]
pub struct AdminTls {
    /// The server's own certificate with its key.
    pub credentials: Arc<CertifiedKey>,
    /// Accepts the certificates of clients; `None` if clients need none.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// The files of [`AdminTls`].
pub(in super::super) struct TlsFiles {
    certificate: Placed<PathBuf>,
    key: Placed<PathBuf>,
    client_ca: Option<Placed<PathBuf>>,
}

impl TlsFiles {
    /// True if clients must show a certificate.
    pub(super) fn are_clients_verified(&self) -> bool {
        self.client_ca.is_some()
    }

    /// Reads the files. `None` if one is faulty, which is reported.
    pub(in super::super) fn read(&self, disk: &Disk, faults: &mut Faults) -> Option<AdminTls> {
        let before = faults.0.len();
        let own = certificate::read(&self.certificate, &self.key, disk, faults);
        faults.concern(CertificateOf::Admin, before);
        let clients = self.client_ca.as_ref().map(|file| verifier(file, disk, faults));
        let clients = match clients {
            Some(verifier) => Some(verifier?),
            None => None,
        };
        Some(AdminTls { credentials: own?.certified, clients })
    }
}

/// Makes the verifier of clients by the authorities of a file. `None` if the file is faulty, which is reported.
fn verifier(file: &Placed<PathBuf>, disk: &Disk, faults: &mut Faults) -> Option<Arc<dyn ClientCertVerifier>> {
    let authorities = certificate::read_authorities(file, disk, faults)?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(authorities);
    match WebPkiClientVerifier::builder_with_provider(store.into(), Arc::new(ring::default_provider())).build() {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            let message = format!("{} cannot be used for clients: {error}", file.value.display());
            faults.push(Fault::error(&file.place, message, "").code(Code::Credentials));
            None
        }
    }
}

/// Takes the keys of TLS. `listen` has the addresses of the server, and `clients` the place of the clients that are
/// known by certificates.
pub(super) fn read(
    table: &mut TomlTable<'_>,
    listen: &[Placed<SocketAddr>],
    clients: Option<Place>,
    faults: &mut Faults,
) -> Option<TlsFiles> {
    let (certificate, key) = (table.take("certificate"), table.take("key"));
    let (client_ca, plain) = (table.take("client_ca"), table.take("plain"));
    let exposed = listen.iter().find(|address| !is_loopback(address.value));
    let given = [&certificate, &key, &client_ca];
    let first = given.iter().find_map(|value| value.as_ref().map(|value| (value.key, value.anchor())));
    check_need(exposed, first.as_ref(), plain.as_ref(), faults);
    if let Some(place) = clients.filter(|_| client_ca.is_none()) {
        let fault = Fault::error(&place, "clients are known by their certificates, so `[admin]` needs `client_ca`", "");
        faults.push(fault.code(Code::MissingKey));
    }
    let (key_of_first, place) = first?;
    for (name, value) in [("certificate", &certificate), ("key", &key)] {
        if value.is_none() {
            let message = format!("`{key_of_first}` needs `certificate` and `key`");
            faults.push(Fault::error(&place, message, format!("`{name}` is missing here")).code(Code::MissingKey));
        }
    }
    let client_ca = client_ca.map(|value| value.path(faults));
    let (certificate, key) = (certificate?.path(faults), key?.path(faults));
    let client_ca = match client_ca {
        Some(file) => Some(file?),
        None => None,
    };
    Some(TlsFiles { certificate: certificate?, key: key?, client_ca })
}

/// Warns of an address that others reach without encryption, and of keys without effect.
fn check_need(
    exposed: Option<&Placed<SocketAddr>>,
    certificate: Option<&(&str, Place)>,
    plain: Option<&Value<'_>>,
    faults: &mut Faults,
) {
    let is_plain = plain.and_then(|value| value.boolean(faults)).is_some_and(|plain| plain.value);
    match (exposed, certificate) {
        (Some(address), None) if !is_plain => {
            let message = format!("connections to the admin server at {} are not encrypted", address.value);
            let fault =
                Fault::warning(&address.place, message, "tokens can be read on the way").code(Code::Credentials);
            let help = "set `certificate` and `key` of `[admin]`; or `plain = true` if a tunnel or the network protects \
                        these connections";
            faults.push(fault.help(help));
        }
        (None, Some((key, place))) => {
            let message = format!("`{key}` is not used: the admin server has no address off loopback");
            faults.push(Fault::warning(place, message, "").code(Code::NoEffect));
        }
        _ => {}
    }
    if let Some(plain) = plain.filter(|_| is_plain && (exposed.is_none() || certificate.is_some())) {
        let why = if certificate.is_some() { "there is a certificate" } else { "no address is off loopback" };
        faults.push(Fault::warning(&plain.anchor(), format!("`plain` is not used: {why}"), "").code(Code::NoEffect));
    }
}
