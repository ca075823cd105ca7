//! A monitor of type grpc: its question to a health service.

use crate::disk::Disk;
use crate::health::GrpcCheck;

use super::super::code::Code;
use super::super::decode::TomlTable;
use super::super::fault::{Fault, Faults};
use super::tls;

/// The keys that this module reads, without those of TLS.
pub(super) const KEYS: [&str; 2] = ["service", "tls"];

/// Longest name of a service in octets. Full names are paths of packages.
const MAX_SERVICE: usize = 255;

/// Takes the keys of a health service from a monitor's table. `None` if one is faulty, which was reported.
pub(super) fn read(table: &mut TomlTable<'_>, disk: &Disk, faults: &mut Faults) -> Option<GrpcCheck> {
    let service = match table.take("service") {
        None => Some(String::new()),
        Some(value) => value.string(faults).and_then(|service| {
            if service.value.len() <= MAX_SERVICE {
                return Some(service.value);
            }
            let message = format!("the name of a service has at most {MAX_SERVICE} octets");
            faults.push(Fault::error(&service.place, message, "").code(Code::BadValue));
            None
        }),
    };
    let speaks_tls = match table.take("tls") {
        None => false,
        Some(value) => value.boolean(faults)?.value,
    };
    let tls = if speaks_tls {
        tls::read(table, disk, faults).map(Some)
    } else {
        table.refuse(&tls::KEYS, "needs `tls = true`", faults);
        Some(None)
    };
    Some(GrpcCheck { service: service?.into(), tls: tls? })
}
