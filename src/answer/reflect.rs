//! Answers of reflecting names: TXT records that show the facts that the node knows about the asker, one string for
//! each fact.

use std::fmt::{self, Write};

use super::Client;
use super::resolution::{REFLECT_TTL, Reflection, Resolution};
use super::resolver::Resolver;
use super::rrset::HopNames;
use crate::geo::Regions;
use crate::snapshot::{ServedZone, World};
use crate::wire::{Message, Rtype, Section, Truncated};

/// Maximum number of octets of all strings; further text is cut off.
const MAX_RDATA: usize = 1024;

/// Maximum number of octets of a TXT string (RFC 1035, section 3.3).
const MAX_STRING: usize = 255;

/// Returns the facts that the node knows about the asker.
pub(super) fn resolve(resolver: &mut Resolver<'_, '_>, zone: &ServedZone) -> Reflection {
    let (locations, regions) = (resolver.snapshot.locations(), &zone.regions);
    let resolution = &mut *resolver.resolution;
    let client = resolution.client;
    let tells_no_place = client.tells_no_place(locations, regions);
    let address = if tells_no_place { Client::of_host(resolution.source).address } else { client.address };
    let location = locations.look_up(address);
    // The answer is valid only for this network.
    resolution.scope = resolution.scope.max(client.whole_scope());
    Reflection { tells_no_place, location, region: regions.of(address, &location) }
}

/// Writes the reflection as a TXT record.
pub(super) fn write(
    reflection: &Reflection,
    resolution: &Resolution<'_>,
    world: &World,
    place: HopNames<'_>,
    message: &mut Message<'_>,
) -> Result<(), Truncated> {
    let Reflection { tells_no_place, location, region } = *reflection;
    let (client, regions) = (&resolution.client, &place.zone.regions);
    let mut text = Strings::new();
    text.push(format_args!("source={}", resolution.source));
    match client.subnet {
        Some(subnet) if tells_no_place => {
            text.push(format_args!("ecs={}/{} tells no place: source decides", client.address, subnet.length));
        }
        Some(subnet) => text.push(format_args!("ecs={}/{}", client.address, subnet.length)),
        None => text.push(format_args!("ecs=none")),
    }
    text.push(format_args!("location={location}"));
    text.push(format_args!("region={}", regions.get(region).map_or("none", |region| &region.name)));
    text.push(format_args!("ranking={}", Tiers { world, regions, region }));
    text.push(format_args!("node={}", world.node));
    message.push_rrset(Section::Answer, |rrset| rrset.record(place.owner, Rtype::TXT, REFLECT_TTL, text.rdata()))
}

/// Displays the datacenters of a region, best first; tied ones are joined by `=`.
struct Tiers<'a> {
    world: &'a World,
    regions: &'a Regions,
    region: crate::geo::RegionId,
}

impl fmt::Display for Tiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefer = self.regions.get(self.region).map_or(&[][..], |region| &region.prefer);
        for (place, tier) in prefer.iter().enumerate() {
            for (tie, &id) in tier.iter().enumerate() {
                f.write_str(match (place, tie) {
                    (0, 0) => "",
                    (_, 0) => " ",
                    _ => "=",
                })?;
                f.write_str(&self.world.datacenters[id.index()].name)?;
            }
        }
        Ok(())
    }
}

/// TXT RDATA under construction: strings with their length octets.
struct Strings {
    octets: [u8; MAX_RDATA],
    length: usize,
    /// Offset of the length octet of the last string.
    start: usize,
}

impl Strings {
    fn new() -> Self {
        Self { octets: [0; MAX_RDATA], length: 0, start: 0 }
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        if self.length == MAX_RDATA {
            return;
        }
        self.start = self.length;
        self.octets[self.start] = 0;
        self.length += 1;
        // `write_str` cuts off text that does not fit.
        let _ = self.write_fmt(text);
    }

    fn rdata(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

impl Write for Strings {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = (MAX_RDATA - self.length).min(MAX_STRING - usize::from(self.octets[self.start]));
        let taken = &text.as_bytes()[..text.len().min(room)];
        self.octets[self.length..self.length + taken.len()].copy_from_slice(taken);
        self.length += taken.len();
        self.octets[self.start] += taken.len() as u8;
        if taken.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
