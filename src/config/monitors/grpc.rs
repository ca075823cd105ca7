//! What a monitor of type grpc asks a health service.

use crate::health::GrpcCheck;

use super::super::decode::Table;
use super::super::fault::{Fault, Faults};
use super::read_tls;

/// Octets of a service's name, at most: full names of services are paths of packages.
const MAX_SERVICE: usize = 255;

/// Takes the keys of a health service out of a monitor's table; `None` if any is faulty, which has been told.
pub(super) fn read(table: &mut Table<'_>, faults: &mut Faults) -> Option<GrpcCheck> {
    let service = match table.take("service") {
        None => Some(String::new()),
        Some(value) => value.string(faults).and_then(|service| {
            if service.value.len() <= MAX_SERVICE {
                return Some(service.value);
            }
            let message = format!("the name of a service has at most {MAX_SERVICE} octets");
            faults.push(Fault::error(&service.place, message, ""));
            None
        }),
    };
    let tls = match table.take("tls") {
        None => Some(false),
        Some(value) => value.boolean(faults).map(|tls| tls.value),
    };
    let tls = tls?.then(|| read_tls(table, faults));
    if tls.is_none() {
        table.refuse(&["sni", "verify"], "needs `tls = true`", faults);
    }
    Some(GrpcCheck { service: service?.into(), tls })
}
