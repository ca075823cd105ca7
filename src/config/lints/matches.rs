//! Matches of clients without effect.

use std::collections::HashSet;

use ipnet::{IpNet, Ipv4Net};

use crate::config::code::Code;
use crate::config::decode::Placed;
use crate::config::fault::{Fault, Faults};
use crate::config::regions::{PlacedRegion, map_of};
use crate::config::scope::{Definition, View};
use crate::config::shadows::shadowed;
use crate::geo::{ClientMatch, countries};
use crate::snapshot::Ecs;
use crate::wire::Fold;

/// Warns of matches without effect in a file's own regions. `view` holds all regions that they compete with.
pub(in crate::config) fn check_matches(view: View<'_, PlacedRegion>, ecs: Ecs, faults: &mut Faults) {
    let mut maps: Vec<&str> = view.own.iter().map(|definition| map_of(definition.text())).collect();
    let mut seen = HashSet::new();
    maps.retain(|map| seen.insert(*map));
    for map in maps {
        check_map(map, view, ecs, faults);
    }
}

/// Checks the regions of one map, which compete with each other only.
fn check_map(map: &str, view: View<'_, PlacedRegion>, ecs: Ecs, faults: &mut Faults) {
    let of_map = |definition: &&Definition<PlacedRegion>| map_of(definition.text()) == map;
    let all: Vec<ClientMatch> = view
        .visible()
        .filter(of_map)
        .filter_map(|definition| definition.value.as_ref())
        .flat_map(|region| region.clients().iter().map(|client| client.value))
        .collect();
    let shadowed = shadowed(all.iter().copied());
    let own = view.own.iter().filter(of_map).filter_map(|definition| definition.value.as_ref());
    for client in own.flat_map(PlacedRegion::clients) {
        match client.value {
            ClientMatch::Prefix(net) => check_prefix(client, net, shadowed.contains(&net), ecs, faults),
            ClientMatch::Continent(continent) => {
                let named: HashSet<_> = all
                    .iter()
                    .filter_map(|other| if let ClientMatch::Country(code) = other { Some(*code) } else { None })
                    .collect();
                let mut of_continent = countries::countries().filter(|country| country.continent == continent);
                if of_continent.all(|country| named.contains(&country.code)) {
                    let message = format!("`{}` has no effect: all its countries are named", client.value);
                    faults.push(Fault::warning(&client.place, message, "shadowed").code(Code::NoEffect));
                }
            }
            ClientMatch::Asn(_) | ClientMatch::Subdivision(_) | ClientMatch::Country(_) => {}
        }
    }
}

/// Warns of a prefix that embeds IPv4 addresses: such clients are looked up by the IPv4 address. Returns true if it
/// warned.
fn check_fold(client: &Placed<ClientMatch>, net: IpNet, faults: &mut Faults) -> bool {
    let IpNet::V6(v6) = net else { return false };
    // A prefix as short as the embedding range itself embeds all IPv4 addresses.
    let Some(Fold { address, offset, .. }) = Fold::find(v6.network(), 128) else { return false };
    let Some(length) = v6.prefix_len().checked_sub(offset) else { return false };
    let length = length.min(32);
    let message = format!("{net} has no effect: its clients are looked up by their IPv4 addresses");
    let meant = Ipv4Net::new(address, length).map_or_else(|_| address.to_string(), |net| net.trunc().to_string());
    let fault = Fault::warning(&client.place, message, format!("did you mean `{meant}`?"));
    faults.push(fault.code(Code::NoEffect));
    true
}

fn check_prefix(client: &Placed<ClientMatch>, net: IpNet, is_shadowed: bool, ecs: Ecs, faults: &mut Faults) {
    if check_fold(client, net, faults) {
        return;
    }
    let (key, max_source) = match net {
        IpNet::V4(_) => ("max_source_v4", ecs.max_source_v4),
        IpNet::V6(_) => ("max_source_v6", ecs.max_source_v6),
    };
    if ecs.enabled && net.prefix_len() > max_source {
        let message = format!("{net} is longer than `{key}` ({max_source})");
        let fault = Fault::warning(&client.place, message, "longer than the prefixes of Client Subnet that are used")
            .code(Code::ClientSubnet);
        let help =
            "the lowest address of a client's network decides for all of it: lengthen the maximum or shorten this";
        faults.push(fault.help(help));
    }
    if is_shadowed {
        let message = format!("{net} has no effect: longer prefixes cover all of it");
        faults.push(Fault::warning(&client.place, message, "shadowed").code(Code::NoEffect));
    }
}
