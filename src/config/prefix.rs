//! Prefixes of networks, as files contain them.

use ipnet::IpNet;

use super::code::Code;
use super::fault::Fault;
use super::source::Place;

/// Returns the network. Fails if a bit after its prefix is set: the operator may have meant an address, or another
/// length.
pub(super) fn without_host_bits(net: IpNet, place: &Place) -> Result<IpNet, Box<Fault>> {
    if net == net.trunc() {
        return Ok(net);
    }
    let fault = Fault::error(place, format!("`{net}` has host bits set"), "bits after the prefix").code(Code::BadValue);
    Err(Box::new(fault.help(format!("the network is {}", net.trunc()))))
}
