//! Reports addresses that no client can reach, or that cannot belong to a host.

use std::net::IpAddr;

use crate::snapshot::UnfitAddress;

use super::code::Code;
use super::fault::{Fault, Faults};
use super::source::Place;

/// Reports an address that clients cannot connect to. Returns false if no client can use it; true also after a warning.
pub(super) fn check(address: IpAddr, place: &Place, faults: &mut Faults) -> bool {
    let Some(UnfitAddress { why, meant, is_error }) = UnfitAddress::of(address) else { return true };
    let message = format!("{address} {why}");
    let label =
        meant.map_or_else(|| "not the address of a host".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
    let fault = if is_error { Fault::error(place, message, label) } else { Fault::warning(place, message, label) };
    faults.push(fault.code(Code::DoubtfulAddress));
    !is_error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;

    #[test]
    fn hosts_have_addresses_that_others_reach() {
        let place = Place { source: std::sync::Arc::new(Source::new("a", "a")), span: 0..1 };
        let told = |address: &str| {
            let mut faults = Faults::default();
            let fit = check(address.parse().unwrap(), &place, &mut faults);
            (fit, faults.0.len())
        };
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "ff02::1",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
        ] {
            assert_eq!(told(address), (false, 1), "{address}");
        }
        for address in ["169.254.1.1", "fe80::1", "fec0::1"] {
            assert_eq!(told(address), (true, 1), "{address}");
        }
        for address in
            ["192.0.2.1", "10.0.0.1", "127.0.0.1", "100.64.0.1", "2001:db8::1", "::1", "fd00::1", "64:ff9b::1"]
        {
            assert_eq!(told(address), (true, 0), "{address}");
        }
    }
}
