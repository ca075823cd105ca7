//! Prefixes: networks, as they are written in files.

use ipnet::IpNet;

use super::code::Code;
use super::fault::Fault;
use super::source::Place;

/// The network, if no bit behind its prefix is set; whoever set one may have meant an address, or another length.
pub(super) fn without_host_bits(net: IpNet, place: &Place) -> Result<IpNet, Box<Fault>> {
    if net == net.trunc() {
        return Ok(net);
    }
    let fault =
        Fault::error(place, format!("`{net}` has host bits set"), "bits behind the prefix").code(Code::BadValue);
    Err(Box::new(fault.help(format!("the network is {}", net.trunc()))))
}
