//! Prefixes of networks, as files contain them.

use ipnet::IpNet;

use super::code::Code;
use super::decode::Value;
use super::fault::{Fault, Faults};
use super::source::Place;

/// Reads an item of a list of networks. `None` if it has a fault, which was reported.
pub(super) fn read_network(item: &Value<'_>, faults: &mut Faults) -> Option<IpNet> {
    let accept = |text: &str| text.parse::<IpNet>().ok();
    let network = item.parsed("prefixes such as 192.0.2.0/24 or 2001:db8::/32", faults, accept)?;
    without_host_bits(network.value, &network.place).map_err(|fault| faults.push(*fault)).ok()
}

/// Returns the network. Fails if a bit after its prefix is set: the operator may have meant an address, or another
/// length.
pub(super) fn without_host_bits(net: IpNet, place: &Place) -> Result<IpNet, Box<Fault>> {
    if net == net.trunc() {
        return Ok(net);
    }
    let fault = Fault::error(place, format!("`{net}` has host bits set"), "bits after the prefix").code(Code::BadValue);
    Err(Box::new(fault.help(format!("the network is {}", net.trunc()))))
}
