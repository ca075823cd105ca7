//! TLS of monitors: how they verify certificates, and which certificate they show.

use std::ops::RangeInclusive;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::disk::Disk;
use crate::health::{Certificates, ClientIdentity, DEFAULT_EXPIRY_WARNING, PrivateKey, TlsCheck};

use super::super::certificate;
use super::super::code::Code;
use super::super::decode::{TomlTable, Value};
use super::super::fault::{Fault, Faults};
use super::read_host;

/// The keys that this module reads, without `alpn`.
pub(super) const KEYS: [&str; 6] = ["sni", "verify", "ca", "certificate", "key", "expiry_warning"];

/// Range of `expiry_warning`. No certificate that browsers accept is valid for longer than its upper end.
const EXPIRY_WARNING: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(398 * 86_400);

/// Length of a protocol's name in octets (RFC 7301, section 3.1).
const PROTOCOL_NAME: RangeInclusive<usize> = 1..=255;

/// Takes the keys of TLS from a monitor's table. `None` if a file that they name is faulty, which was reported.
pub(super) fn read(table: &mut TomlTable<'_>, disk: &Disk, faults: &mut Faults) -> Option<TlsCheck> {
    let sni = read_host(table, "sni", faults);
    let verify = table.take("verify").and_then(|value| value.boolean(faults)).is_none_or(|verify| verify.value);
    let warning = table.take("expiry_warning").and_then(|value| value.duration(EXPIRY_WARNING, faults));
    let authorities = match table.take("ca") {
        None => Some(None),
        Some(value) => {
            if !verify {
                let message = "`ca` is not used: the monitor has `verify = false`";
                faults.push(Fault::warning(&value.anchor(), message, "").code(Code::NoEffect));
            }
            read_authorities(&value, disk, faults).map(Some)
        }
    };
    let identity = match (table.take("certificate"), table.take("key")) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => read_identity(&certificate, &key, disk, faults).map(Some),
        (Some(alone), None) => lone(&alone, "key", faults),
        (None, Some(alone)) => lone(&alone, "certificate", faults),
    };
    Some(TlsCheck {
        sni,
        verify,
        authorities: authorities?,
        identity: identity?,
        expiry_warning: warning.map_or(DEFAULT_EXPIRY_WARNING, |warning| warning.value),
    })
}

/// Reads the protocols of which an endpoint must select one. `None` if one is faulty.
pub(super) fn read_alpn(table: &mut TomlTable<'_>, faults: &mut Faults) -> Option<Vec<Box<str>>> {
    let Some(value) = table.take("alpn") else { return Some(Vec::new()) };
    let items = value.items("`alpn` needs a protocol", faults);
    let protocols = items.iter().map(|item| {
        let is_name = |text: &str| PROTOCOL_NAME.contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
        item.parsed("protocols such as \"h2\"", faults, |text| is_name(text).then(|| Box::from(text)))
    });
    let protocols: Option<Vec<_>> = protocols.collect();
    Some(protocols?.into_iter().map(|protocol| protocol.value).collect())
}

fn read_authorities(value: &Value<'_>, disk: &Disk, faults: &mut Faults) -> Option<Certificates> {
    let file = value.path(faults)?;
    certificate::read_authorities(&file, disk, faults).map(certificates)
}

fn read_identity(certificate: &Value<'_>, key: &Value<'_>, disk: &Disk, faults: &mut Faults) -> Option<ClientIdentity> {
    let (certificate, key) = (certificate.path(faults), key.path(faults));
    let (certificate, key) = (certificate?, key?);
    let credentials = certificate::read(&certificate, &key, disk, faults)?;
    let chain = certificates(credentials.certified.cert.iter().cloned());
    Some(ClientIdentity { chain, key: PrivateKey::new(credentials.key.secret_der()) })
}

fn lone<T>(value: &Value<'_>, other: &str, faults: &mut Faults) -> Option<T> {
    let message = format!("`{}` needs `{other}`", value.key);
    faults.push(Fault::error(&value.anchor(), message, format!("`{other}` is missing here")).code(Code::MissingKey));
    None
}

fn certificates(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Certificates {
    Certificates::new(certificates.into_iter().map(|certificate| Box::from(&*certificate)))
}
