//! `[regions]` and `[maps]`: groups of clients, and the datacenters that they prefer.
//!
//! `[regions]` divides all clients, and so does each map of `[maps]`. A region of a map has the map's name before its own,
//! with a slash between them: `[maps.wide.europe]` is `wide/europe`. No entry of a file has a slash in its name.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::geo::{ClientMatch, Continent, CountryCode, DatacenterId, Region, Regions, Subdivision, countries};

use super::code::Code;
use super::datacenters::{check_country, is_word};
use super::decode::{Placed, Value, entries};
use super::fault::{Fault, Faults};
use super::meant;
use super::prefix::without_host_bits;
use super::scope::{Definitions, View};
use super::source::Place;
use super::suggest::did_you_mean;

/// The region of clients that are in no other region.
pub(super) const DEFAULT: &str = "default";

/// A region whose matches still have their places.
#[derive(Clone, Debug)]
pub(super) struct PlacedRegion {
    clients: Vec<Placed<ClientMatch>>,
    prefer: Vec<Vec<DatacenterId>>,
    only: bool,
}

impl PlacedRegion {
    fn named(&self, name: &str) -> Region {
        Region {
            name: name.into(),
            clients: self.clients.iter().map(|client| client.value).collect(),
            prefer: self.prefer.clone(),
            only: self.only,
        }
    }

    /// The matches of its clients.
    pub(super) fn clients(&self) -> &[Placed<ClientMatch>] {
        &self.clients
    }
}

/// Reads a file's `[regions]` and `[maps]`.
pub(super) fn read(
    section: Option<&Value<'_>>,
    maps: Option<&Value<'_>>,
    datacenters: View<'_, DatacenterId>,
    faults: &mut Faults,
) -> Definitions<PlacedRegion> {
    let mut definitions = Definitions::new("region");
    for value in entries(section, "regions", faults) {
        is_word(&value.name(), faults);
        definitions.push(value.name(), read_region(&value, datacenters, faults));
    }
    for map in entries(maps, "maps", faults) {
        is_word(&map.name(), faults);
        for value in entries(Some(&map), "a map", faults) {
            is_word(&value.name(), faults);
            let name = value.name().with(in_map(map.key, value.key));
            definitions.push(name, read_region(&value, datacenters, faults));
        }
    }
    definitions
}

/// Returns the whole name of a region of a map, whose name is empty for that of `[regions]`.
pub(super) fn in_map(map: &str, region: &str) -> String {
    if map.is_empty() { region.to_owned() } else { format!("{map}/{region}") }
}

/// Returns the map of the region with this whole name; empty for one of `[regions]`.
pub(super) fn map_of(region: &str) -> &str {
    region.split_once('/').map_or("", |(map, _)| map)
}

fn read_region(value: &Value<'_>, datacenters: View<'_, DatacenterId>, faults: &mut Faults) -> Option<PlacedRegion> {
    let mut table = value.table("a region", faults)?;
    let clients = if value.key == DEFAULT {
        table.refuse(
            &["clients"],
            "is not allowed here: `default` takes the clients that no other region names",
            faults,
        );
        Vec::new()
    } else {
        let list = table.require("clients", faults);
        list.map(|list| read_clients(&list, faults)).unwrap_or_default()
    };
    let prefer = table.require("prefer", faults).map(|value| read_tiers(&value, datacenters, faults));
    let only = table.take("only").and_then(|value| value.boolean(faults)).is_some_and(|only| only.value);
    table.finish(faults);
    Some(PlacedRegion { clients, prefer: prefer?, only })
}

fn read_clients(list: &Value<'_>, faults: &mut Faults) -> Vec<Placed<ClientMatch>> {
    let items = list.items("a region needs clients", faults);
    let read = |item: &Value<'_>| {
        let text = item.string(faults)?;
        match parse_client(&text) {
            Ok(client) => {
                check_countries(client, &text.place, faults);
                Some(text.with(client))
            }
            Err(fault) => {
                faults.push(*fault);
                None
            }
        }
    };
    items.iter().filter_map(read).collect()
}

fn check_countries(client: ClientMatch, place: &Place, faults: &mut Faults) {
    match client {
        ClientMatch::Country(code) => check_country(code, place, faults),
        ClientMatch::Subdivision(code) => check_country(code.country(), place, faults),
        ClientMatch::Prefix(_) | ClientMatch::Asn(_) | ClientMatch::Continent(_) => {}
    }
}

/// The kinds of matches with a prefix such as `country:`, and the values that each takes.
const KINDS: [(&str, &str); 4] = [
    ("continent", "AF, AN, AS, EU, NA, OC or SA"),
    ("country", "two letters of ISO 3166-1, such as DE"),
    ("subdivision", "a code of ISO 3166-2, such as US-HI"),
    ("asn", "the number of an autonomous system, such as 4713"),
];

/// The help for a text that is not a client match.
const CLIENT_HELP: &str =
    "name clients with `continent:`, `country:`, `subdivision:`, `asn:` or a prefix such as 192.0.2.0/24";

fn parse_client(text: &Placed<String>) -> Result<ClientMatch, Box<Fault>> {
    let Some((kind, code)) = text.value.split_once(':').filter(|(kind, _)| !is_hexadecimal(kind)) else {
        return match meant::client(None, &text.value).filter(|_| text.value.parse::<IpNet>().is_err()) {
            Some(meant) => {
                let message = format!("`{}` does not name clients", text.value.escape_debug());
                let fault = Fault::error(&text.place, message, format!("did you mean `{meant}`?"));
                Err(Box::new(fault.code(Code::BadValue)))
            }
            None => parse_prefix(text),
        };
    };
    if code.contains(',')
        && let Some(meant) = meant::several(kind, code)
    {
        let message = format!("`{}` does not name clients: each code is a text of its own", text.value.escape_debug());
        return Err(Box::new(Fault::error(&text.place, message, format!("did you mean {meant}?")).code(Code::Region)));
    }
    let client = match kind {
        "continent" => Continent::parse(code).map(ClientMatch::Continent),
        "country" => CountryCode::parse(code).map(ClientMatch::Country),
        "subdivision" => Subdivision::parse(code).map(ClientMatch::Subdivision),
        "asn" => code.parse().ok().map(ClientMatch::Asn),
        _ => return Err(unknown_kind(text, kind)),
    };
    let client = client.filter(|client| match client {
        // A code such as EU belongs to a continent, not to a country: the operator meant the continent. Registries write AP
        // for Asia and the Pacific.
        ClientMatch::Country(code) => {
            let is_continent = Continent::parse(code.as_str()).is_some() || code.as_str() == "AP";
            countries::country(*code).is_some() || !is_continent
        }
        _ => true,
    });
    let expected = KINDS.iter().find(|&&(known, _)| known == kind).map_or("", |&(_, expected)| expected);
    client.ok_or_else(|| {
        let label =
            meant::client(Some(kind), code).map_or_else(String::new, |meant| format!("did you mean `{meant}`?"));
        Box::new(Fault::error(&text.place, format!("`{kind}:` takes {expected}"), label).code(Code::BadValue))
    })
}

/// True if it could be the first group of an IPv6 address.
fn is_hexadecimal(text: &str) -> bool {
    text.len() <= 4 && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

fn unknown_kind(text: &Placed<String>, kind: &str) -> Box<Fault> {
    if let Some(meant) = meant::clients(&text.value) {
        let message = format!("`{}` does not name clients", text.value.escape_debug());
        return Box::new(Fault::error(&text.place, message, format!("did you mean {meant}?")).code(Code::Region));
    }
    let code = text.value.split_once(':').map_or("", |(_, code)| code);
    let label = match did_you_mean(kind, KINDS.iter().map(|&(known, _)| known)) {
        Some(meant) => format!("did you mean `{meant}:`?"),
        // The code itself may show its kind.
        None => meant::client(None, code)
            .map_or_else(|| "not a kind of client".to_owned(), |meant| format!("did you mean `{meant}`?")),
    };
    let message = format!("`{kind}:` does not name clients");
    Box::new(Fault::error(&text.place, message, label).code(Code::Region).help(CLIENT_HELP))
}

fn parse_prefix(text: &Placed<String>) -> Result<ClientMatch, Box<Fault>> {
    let Ok(net) = text.value.parse::<IpNet>() else {
        let message = format!("`{}` does not name clients", text.value.escape_debug());
        if let Some(meant) = meant::clients(&text.value) {
            let fault = Fault::error(&text.place, message, format!("did you mean {meant}?")).code(Code::Region);
            return Err(Box::new(fault));
        }
        let fault = Fault::error(&text.place, message, "not a prefix").code(Code::Region);
        let address = text.value.parse::<IpAddr>().map(IpNet::from);
        let help = address.map_or(CLIENT_HELP.to_owned(), |net| format!("one address is the prefix {net}"));
        return Err(Box::new(fault.help(help)));
    };
    without_host_bits(net, &text.place).map(ClientMatch::Prefix)
}

/// Reads `prefer`: datacenters, best first; an inner list is a tie.
pub(super) fn read_tiers(
    list: &Value<'_>,
    datacenters: View<'_, DatacenterId>,
    faults: &mut Faults,
) -> Vec<Vec<DatacenterId>> {
    let mut seen = HashMap::new();
    let mut tiers = Vec::new();
    for item in list.items("`prefer` needs a datacenter", faults) {
        let tied = if item.is_list() { item.items("a tie needs a datacenter", faults) } else { vec![item] };
        let tier = tied.iter().filter_map(|item| read_preferred(item, datacenters, &mut seen, faults));
        tiers.push(tier.collect());
    }
    // A tier without a datacenter was already reported.
    tiers.retain(|tier: &Vec<DatacenterId>| !tier.is_empty());
    tiers
}

fn read_preferred(
    item: &Value<'_>,
    datacenters: View<'_, DatacenterId>,
    seen: &mut HashMap<DatacenterId, Place>,
    faults: &mut Faults,
) -> Option<DatacenterId> {
    let name = item.string(faults)?;
    let id = datacenters.find(&name, faults)?.value?;
    if let Some(first) = seen.get(&id) {
        let message = format!("`prefer` names `{}` twice", name.value);
        faults
            .push(Fault::error(&name.place, message, "again").code(Code::Duplicate).related(first, "first named here"));
        return None;
    }
    seen.insert(id, name.place);
    Some(id)
}

/// The regions of the server file.
#[derive(Debug)]
pub(super) struct SharedRegions {
    pub(super) regions: Arc<Regions>,
    /// For each map, the first region with each client match, and the place of the match.
    clients: HashMap<(Box<str>, ClientMatch), (Box<str>, Place)>,
}

/// Reads the regions of the server file. Reports client matches that two of them share.
pub(super) fn resolve_shared(own: &Definitions<PlacedRegion>, faults: &mut Faults) -> SharedRegions {
    let mut clients: HashMap<(Box<str>, ClientMatch), (Box<str>, Place)> = HashMap::new();
    let mut list = Vec::new();
    for definition in own.iter() {
        let Some(region) = &definition.value else { continue };
        for client in &region.clients {
            let key = (map_of(definition.text()).into(), client.value);
            match clients.get(&key) {
                Some((_, first)) => faults.push(named_twice(client, first)),
                None => _ = clients.insert(key, (definition.text().into(), client.place.clone())),
            }
        }
        list.push(region.named(&definition.name.value));
    }
    SharedRegions { regions: Arc::new(Regions::new(list)), clients }
}

/// The regions that are visible in a zone file: `shared` itself, unless the zone has regions of its own. One of these with
/// the name of a shared one takes its place. Reports client matches that one of these shares with another region of its map.
pub(super) fn resolve(own: &Definitions<PlacedRegion>, shared: &SharedRegions, faults: &mut Faults) -> Arc<Regions> {
    if own.is_empty() {
        return shared.regions.clone();
    }
    let mut list: Vec<Arc<Region>> = shared.regions.list().to_vec();
    let mut seen: HashMap<(Box<str>, ClientMatch), &Place> = HashMap::new();
    for definition in own.iter() {
        let Some(region) = &definition.value else { continue };
        for client in &region.clients {
            let key = (map_of(definition.text()).into(), client.value);
            let of_shared = shared.clients.get(&key).filter(|(name, _)| own.get(name).is_none());
            if let Some(first) = of_shared.map(|(_, place)| place).or_else(|| seen.get(&key).copied()) {
                faults.push(named_twice(client, first));
            }
            seen.entry(key).or_insert(&client.place);
        }
        let region = Arc::new(region.named(&definition.name.value));
        match list.iter_mut().find(|other| other.name == region.name) {
            Some(other) => *other = region,
            None => list.push(region),
        }
    }
    Arc::new(Regions::over(Some(&shared.regions), list))
}

fn named_twice(client: &Placed<ClientMatch>, first: &Place) -> Fault {
    let message = format!("the clients {} are named twice", client.value);
    Fault::error(&client.place, message, "again").code(Code::Duplicate).related(first, "first named here")
}
