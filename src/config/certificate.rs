//! Reads certificates from PEM files: those that the node presents, with their private keys, and those of authorities.
//! Checks that a key belongs to its certificate.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, RootCertStore};
use x509_parser::certificate::Validity;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::disk::Disk;

use super::code::Code;
use super::decode::Placed;
use super::fault::{Fault, Faults};
use super::kept;

/// Certificates that expire within this many seconds get a warning. Automatic renewal happens a month ahead (Let's
/// Encrypt's recommendation for its 90 days), so a week before the end it has failed.
const ENDS_SOON: i64 = 7 * 24 * 3600;

/// Maximum number of octets of certificates in a handshake: rustls accepts no message above 65,535 octets, OpenSSL no
/// chain above 100 KiB.
const MAX_CHAIN: usize = 65_000;

/// Octets around each certificate: its length and the length of its extensions (RFC 8446, section 4.4.2).
const CERTIFICATE_ENTRY: usize = 5;

/// A certificate with its chain and its private key.
pub(super) struct Credentials {
    /// The form that the TLS library uses.
    pub(super) certified: Arc<CertifiedKey>,
    /// The key as it is in its file.
    pub(super) key: PrivateKeyDer<'static>,
}

/// Reads a chain, whose first certificate is the node's own, and its key. Reports faults at the place that names the
/// file.
pub(super) fn read(
    certificate: &Placed<PathBuf>,
    key: &Placed<PathBuf>,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<Credentials> {
    let chain = read_chain(certificate, disk, faults).and_then(|chain| check_length(certificate, chain, faults));
    let (der, signing) = read_key(key, disk, faults).unzip();
    let certified = CertifiedKey::new(chain?, signing?);
    match certified.keys_match() {
        // A key that cannot compute its public half is accepted without this check.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Some(Credentials { certified: Arc::new(certified), key: der? })
        }
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let message = format!("{} is not the key of {}", key.value.display(), certificate.value.display());
            let fault = Fault::error(&key.place, message, "another certificate's key").code(Code::Credentials);
            faults.push(fault.related(&certificate.place, "the certificate"));
            None
        }
        Err(error) => refuse(certificate, &format!("holds no certificate that can be used: {error}"), faults),
    }
}

/// Reads the certificates of authorities. Requires at least one.
pub(super) fn read_authorities(
    file: &Placed<PathBuf>,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<Vec<CertificateDer<'static>>> {
    let chain = read_chain(file, disk, faults)?;
    let mut store = RootCertStore::empty();
    for (number, certificate) in (1..).zip(&chain) {
        if let Err(error) = store.add(certificate.clone()) {
            return refuse(
                file,
                &format!("holds a certificate that cannot be used (number {number}): {error}"),
                faults,
            );
        }
    }
    Some(chain)
}

fn read_chain(file: &Placed<PathBuf>, disk: &Disk, faults: &mut Faults) -> Option<Vec<CertificateDer<'static>>> {
    let octets = read_file(file, disk, faults)?;
    let chain: Vec<CertificateDer<'static>> = match CertificateDer::pem_slice_iter(&octets).collect() {
        Ok(chain) => chain,
        Err(error) => return refuse(file, &format!("is not PEM: {error}"), faults),
    };
    let Some(first) = chain.first() else { return refuse(file, "holds no certificate in PEM", faults) };
    match X509Certificate::from_der(first) {
        Ok((_, first)) => check_dates(file, first.validity(), faults),
        Err(error) => return refuse(file, &format!("holds no certificate that can be read: {error}"), faults),
    }
    Some(chain)
}

/// Checks that the chain fits into a handshake.
fn check_length(
    file: &Placed<PathBuf>,
    chain: Vec<CertificateDer<'static>>,
    faults: &mut Faults,
) -> Option<Vec<CertificateDer<'static>>> {
    let octets: usize = chain.iter().map(|certificate| certificate.len() + CERTIFICATE_ENTRY).sum();
    if octets <= MAX_CHAIN {
        return Some(chain);
    }
    let many = chain.len();
    refuse(
        file,
        &format!("holds {many} certificates, {octets} octets: clients refuse a handshake above {MAX_CHAIN}"),
        faults,
    )
}

/// Returns when a certificate expires, in Unix seconds; `None` if it cannot be read.
pub fn certificate_expires(credentials: &CertifiedKey) -> Option<u64> {
    let (_, first) = X509Certificate::from_der(credentials.end_entity_cert().ok()?).ok()?;
    u64::try_from(first.validity().not_after.timestamp()).ok()
}

/// True if a certificate that expires at this time, in Unix seconds, should have been renewed by now.
pub fn ends_soon(expires: u64, now: u64) -> bool {
    expires.saturating_sub(now) < ENDS_SOON.unsigned_abs()
}

/// Warns of a certificate that clients reject, or soon will. It is no error: there may be no better one, and clients
/// that do not verify it are still served.
fn check_dates(file: &Placed<PathBuf>, validity: &Validity, faults: &mut Faults) {
    let (from, to, now) = (validity.not_before, validity.not_after, ASN1Time::now());
    let label = if to < now {
        "has expired"
    } else if from > now {
        "is not valid yet"
    } else if to.timestamp() < now.timestamp() + ENDS_SOON {
        "expires soon"
    } else {
        return;
    };
    let message = format!("the certificate in {} {label}: it is valid from {from} to {to}", file.value.display());
    faults.push(Fault::warning(&file.place, message, label).code(Code::Credentials));
}

fn read_key(
    file: &Placed<PathBuf>,
    disk: &Disk,
    faults: &mut Faults,
) -> Option<(PrivateKeyDer<'static>, Arc<dyn SigningKey>)> {
    let octets = read_file(file, disk, faults)?;
    kept::check(&file.value, "the private key", &file.place, disk, faults);
    let key = match PrivateKeyDer::from_pem_slice(&octets) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => return refuse(file, "holds no private key in PEM", faults),
        Err(error) => return refuse(file, &format!("is not PEM: {error}"), faults),
    };
    match any_supported_type(&key) {
        Ok(signing) => Some((key, signing)),
        Err(_) => refuse(
            file,
            "holds a key of an unsupported kind; RSA, ECDSA P-256 and P-384, and Ed25519 are supported",
            faults,
        ),
    }
}

fn read_file(file: &Placed<PathBuf>, disk: &Disk, faults: &mut Faults) -> Option<Vec<u8>> {
    match disk.read(&file.value) {
        Ok(contents) => Some(contents.octets),
        Err(error) => {
            let message = format!("cannot read {}: {error}", file.value.display());
            faults.push(Fault::error(&file.place, message, "").code(Code::File));
            None
        }
    }
}

fn refuse<T>(file: &Placed<PathBuf>, why: &str, faults: &mut Faults) -> Option<T> {
    faults.push(Fault::error(&file.place, format!("{} {why}", file.value.display()), "").code(Code::Credentials));
    None
}
