//! Finds prefixes without effect, because longer ones cover all of their addresses.

use std::collections::{HashMap, HashSet};

use ipnet::IpNet;

use crate::geo::{Bits, ClientMatch, Prefix, Runs, nest};

/// A number that no prefix has.
const NONE: u32 = u32::MAX;

/// Returns the prefixes among `clients` that no address belongs to. Each address belongs to the longest prefix that
/// contains it. One sweep over all prefixes finds them.
pub(super) fn shadowed(clients: impl Iterator<Item = ClientMatch>) -> HashSet<IpNet> {
    let mut numbers: HashMap<IpNet, u32> = HashMap::new();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for client in clients {
        let ClientMatch::Prefix(net) = client else { continue };
        let value = numbers.len() as u32;
        if numbers.contains_key(&net) {
            continue;
        }
        numbers.insert(net, value);
        match net {
            IpNet::V4(net) => v4.push(Prefix { first: net.network().to_bits(), length: net.prefix_len(), value }),
            IpNet::V6(net) => v6.push(Prefix { first: net.network().to_bits(), length: net.prefix_len(), value }),
        }
    }
    let mut deciding = HashSet::new();
    deciding.extend(values(&nest(v4, NONE)));
    deciding.extend(values(&nest(v6, NONE)));
    numbers.into_iter().filter(|(_, number)| !deciding.contains(number)).map(|(net, _)| net).collect()
}

fn values<B: Bits>(runs: &Runs<B>) -> impl Iterator<Item = u32> {
    runs.iter().map(|run| run.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(prefixes: &[&str]) -> Vec<String> {
        let clients = prefixes.iter().map(|text| ClientMatch::Prefix(text.parse().unwrap()));
        let mut told: Vec<String> = shadowed(clients).iter().map(IpNet::to_string).collect();
        told.sort();
        told
    }

    #[test]
    fn a_prefix_is_shadowed_when_longer_ones_cover_all_of_it() {
        assert_eq!(told(&["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9"]), ["10.0.0.0/8"]);
        assert_eq!(told(&["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/10"]), [""; 0]);
        assert_eq!(told(&["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/10", "10.192.0.0/10"]), ["10.0.0.0/8"]);
        let nested = ["2001:db8::/32", "2001:db8::/33", "2001:db8:8000::/33", "2001:db8::/34", "2001:db8:4000::/34"];
        assert_eq!(told(&nested), ["2001:db8::/32", "2001:db8::/33"]);
        assert_eq!(told(&["0.0.0.0/0", "::/0", "::/1", "8000::/1"]), ["::/0"]);
        assert_eq!(told(&["10.0.0.0/8", "10.0.0.0/8"]), [""; 0], "the same twice is another fault");
    }
}
