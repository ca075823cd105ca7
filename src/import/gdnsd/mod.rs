//! gdnsd 3: its configuration and its zones (gdnsd.config(5), gdnsd.zonefile(5)).
//!
//! ```text
//!   config ──► settings ──► services ─► monitors ─┐
//!                     └───► resources ► pools ────┼──► truenorth.toml
//!                     └───► maps ─────► regions ──┘
//!   zones/* ──► DYNA, DYNC ► names ───► zones/ORIGIN.toml
//!        └────► the rest ─────────────► zones/ORIGIN.zone
//! ```

mod admin_state;
mod maps;
mod names;
mod resources;
mod services;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use self::admin_state::AdminState;
use self::maps::{Map, NOWHERE};
use self::names::{MapUse, OUTSIDE, Scope};
use self::resources::{Resources, Tree};
use self::settings::Setting;
use super::master::{Fate, Master, Record, relative, seconds};
use super::names::{Entries, Steered, Use};
use super::tables::datacenter;
use super::text::{Body, File, Table};
use super::{Imported, Reader, Report};

/// gdnsd's default for records without a TTL, in seconds.
const DEFAULT_TTL: &str = "86400";

/// Lengths of client prefixes that are used by default here.
const USUAL: [u8; 2] = [24, 56];

/// A zone while it is read.
struct Zone {
    /// Its name, without the final dot.
    name: String,
    master: String,
    names: Vec<(String, Answer)>,
}

/// What a dynamic record becomes.
enum Answer {
    Steered(Box<Steered>, Option<MapUse>),
    Reflecting,
}

/// Imports the configuration in a folder. `zones` are the names of the files in its folder `zones`, and `admin_state` is the
/// path of the file of forced states, if there is one. Fails with the file and the reason if a file cannot be read.
pub fn gdnsd(folder: &str, zones: &[String], admin_state: Option<&str>, read: Reader<'_>) -> Result<Imported, String> {
    let config = settings::read(&format!("{folder}/config"), read)?;
    let mut imported = Imported::default();
    let report = &mut imported.report;
    let forced = admin_state.map(|path| settings::read(path, read)).transpose()?;
    let mut forced = forced.map(|file| AdminState::new(&file, report)).unwrap_or_default();
    let all = config.get("plugins").and_then(|plugins| plugins.get("geoip")?.get("maps"));
    let mut maps = Vec::new();
    for (name, setting) in all.map_or(&[][..], Setting::entries) {
        maps.push(Map::read(name, setting, read, folder, report)?);
    }
    let mut resources = Resources::new(&config, report);
    let default_ttl = config.get("options").and_then(|options| options.get("zones_default_ttl")?.text());
    let default_ttl = default_ttl.unwrap_or(DEFAULT_TTL);
    let mut read_zones = Vec::new();
    for name in zones {
        let path = format!("{folder}/zones/{name}");
        let text = read(&path)?;
        read_zones.push(read_zone((name, &path), &text, default_ttl, (&mut resources, &maps, read))?);
    }
    resources.note_unused();
    let Resources { services, pools, parts, report, .. } = resources;
    let drained = forced.drained(&parts, report);
    for (_, answer) in read_zones.iter_mut().flat_map(|zone| &mut zone.names) {
        if let Answer::Steered(steered, _) = answer {
            steered.drain(&drained);
        }
    }

    let of_names = || read_zones.iter().flat_map(|zone| &zone.names);
    let steered = || {
        of_names().filter_map(|(owner, answer)| match answer {
            Answer::Steered(steered, map) => Some((owner, steered, map)),
            Answer::Reflecting => None,
        })
    };
    let used: BTreeSet<String> = steered().flat_map(|(_, steered, _)| steered.pools().cloned()).collect();
    let map_uses: BTreeSet<MapUse> = steered().filter_map(|(_, _, map)| map.clone()).collect();
    let (pool_tables, entries) = Entries::of(&pools, &used);
    let host = read_zones.iter().find_map(|zone| {
        let (owner, _) = zone.names.iter().find(|(owner, _)| !owner.starts_with('*'))?;
        Some(format!("{owner}.{}", zone.name))
    });
    let host = host.map(|host| host.trim_start_matches("@.").to_owned());
    report.carried("pools", pool_tables.len());
    report.carried("maps", map_uses.len());

    let mut tables = server_tables(&config, &maps, &map_uses, report);
    let used_pools = pools.iter().filter(|(name, _)| used.contains(*name));
    let used_pools = used_pools.map(|(_, pool)| (pool, services.types_of(pool.monitor.as_deref())));
    let windows = forced.windows(used_pools, report);
    if !windows.is_empty() {
        // The first table has the file's own keys.
        tables[0].set("windows", windows);
    }
    tables.extend(datacenter_tables(&maps, &map_uses, report));
    for used in &map_uses {
        let Some(map) = maps.iter().find(|map| map.name == used.map) else { continue };
        tables.extend(map.tables(map_name(used, &map_uses).as_deref(), used));
    }
    tables.extend(services.tables(host.as_deref(), report));
    tables.extend(pool_tables);
    let head = vec!["The server file, imported from gdnsd. Paths are relative to its folder.".to_owned()];
    imported.files.push(File { path: "truenorth.toml".to_owned(), body: Body::Toml(head, tables) });
    for zone in read_zones {
        imported.report.carried("zones", 1);
        let tables = zone.names.iter().map(|(owner, answer)| name_table(owner, answer, &entries, &map_uses));
        let tables: Vec<Table> = tables.collect();
        imported.report.carried("names", tables.len());
        if !tables.is_empty() {
            let head = vec![format!("The zone {}, imported from gdnsd: its dynamic names.", zone.name)];
            imported.files.push(File { path: format!("zones/{}.toml", zone.name), body: Body::Toml(head, tables) });
        }
        imported.files.push(File { path: format!("zones/{}.zone", zone.name), body: Body::Master(zone.master) });
    }
    Ok(imported)
}

/// Returns the name of a map here; `None` if it is the only one, which is `[regions]`.
fn map_name(used: &MapUse, uses: &BTreeSet<MapUse>) -> Option<String> {
    (uses.len() > 1).then(|| used.name())
}

fn name_table(owner: &str, answer: &Answer, entries: &Entries, uses: &BTreeSet<MapUse>) -> Table {
    match answer {
        Answer::Reflecting => Table::new(&["names", owner]).with("reflect", true),
        Answer::Steered(steered, map) => {
            let map = map.as_ref().and_then(|used| map_name(used, uses));
            entries.table(owner, &Steered { map, ..(**steered).clone() })
        }
    }
}

/// Reads a zone file: its dynamic records become names, the rest stays.
fn read_zone(
    (name, path): (&str, &str),
    text: &str,
    default_ttl: &str,
    (resources, maps, read): (&mut Resources<'_>, &[Map], Reader<'_>),
) -> Result<Zone, String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let absolute = format!("{name}.");
    let mut names: Vec<(String, Answer)> = Vec::new();
    let mut decide = |record: &Record<'_>| {
        if !["DYNA", "DYNC"].contains(&record.rtype.as_str()) {
            return Fate::Keep;
        }
        let what = record.data.first().map_or("", |word| word.text.as_str());
        let owner = relative(&record.owner, &absolute);
        let ttl = record.ttl.as_deref().unwrap_or(default_ttl);
        match dynamic(what, ttl, resources, maps) {
            Ok(answer) => {
                names.push((owner.clone(), answer));
                Fate::Comment(format!("{owner} {ttl} {} {what}: see {name}.toml", record.rtype))
            }
            Err(why) => {
                let why = format!("{} {} {what}: {why}", record.owner, record.rtype);
                Fate::Comment(format!("{ttl} {}", resources.report.note(why)))
            }
        }
    };
    let master = Master::new(&absolute, read).rewrite(path, text, &mut decide)?;
    // A file without `$TTL` has gdnsd's default.
    let first = master.lines().find(|line| !line.trim().is_empty() && !line.starts_with(';'));
    let has_ttl = first.is_some_and(|line| line.to_ascii_uppercase().starts_with("$TTL"));
    let ttl = if has_ttl { String::new() } else { format!("$TTL {default_ttl}\n") };
    let master = format!("; imported from gdnsd\n{ttl}{master}");
    Ok(Zone { name, master, names })
}

/// Returns what a dynamic record answers with. Fails with the reason if it has no equal.
fn dynamic(what: &str, ttl: &str, resources: &mut Resources<'_>, maps: &[Map]) -> Result<Answer, String> {
    let (plugin, resource) = what.split_once('!').unwrap_or((what, ""));
    if plugin == "reflect" {
        resources.report.note("names with the plugin reflect answer TXT here, not addresses");
        return Ok(Answer::Reflecting);
    }
    let tree: Tree = resources.of(plugin, resource)?;
    let scope = Scope { maps, pools: &resources.pools };
    let (mut steered, map) = scope.steered(&tree)?;
    if let Some(used) = &map {
        if !maps.iter().any(|map| map.name == used.map) {
            return Err(format!("there is no map {}", used.map));
        }
        for Use { pool, .. } in steered.tiers.iter().flatten() {
            if let Some(pool) = resources.pools.get_mut(pool).filter(|pool| pool.datacenter.is_none()) {
                pool.datacenter = Some(OUTSIDE.to_owned());
            }
        }
    }
    let (most, least) = ttl.split_once('/').map_or((ttl, None), |(most, least)| (most, Some(least)));
    let most = seconds(most).ok_or_else(|| format!("`{ttl}` is not a TTL"))?;
    let least = least.map_or(Some(most / 2), seconds).ok_or_else(|| format!("`{ttl}` is not a TTL"))?;
    (steered.ttl, steered.ttl_min) = (Some(most), Some(least.min(most)));
    Ok(Answer::Steered(Box::new(steered), map))
}

/// Returns the tables of the server file's own settings.
fn server_tables(config: &Setting, maps: &[Map], uses: &BTreeSet<MapUse>, report: &mut Report) -> Vec<Table> {
    let options = config.get("options").map_or(&[][..], Setting::entries);
    let option = |name: &str| options.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let known = ["listen", "dns_port", "zones_default_ttl", "edns_client_subnet"];
    for (name, _) in options.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        report.note(format!("the option {name}: see docs/server-file.md for what is set here"));
    }
    let port: u16 = option("dns_port").and_then(Setting::number).unwrap_or(53);
    let listen: Vec<String> = match option("listen") {
        Some(Setting::Hash(entries)) => entries.iter().map(|(address, _)| address.clone()).collect(),
        Some(list) => list.texts(),
        None => vec!["any".to_owned()],
    };
    let any = ["0.0.0.0".to_owned(), "::".to_owned()];
    let listen = listen.iter().flat_map(|address| if address == "any" { any.to_vec() } else { vec![address.clone()] });
    let listen: Vec<String> = listen.map(|address| with_port(&address, port)).collect();
    let used = || maps.iter().filter(|map| uses.iter().any(|used| used.map == map.name));
    let databases: BTreeSet<&String> = used().filter_map(|map| map.database.as_ref()).collect();
    if databases.len() > 1 {
        report.note("the maps have different databases: here all of them are read as one");
    }
    let databases: Vec<String> = databases.into_iter().cloned().collect();
    let mut ecs = Table::new(&["ecs"]);
    for (family, key) in ["max_source_v4", "max_source_v6"].into_iter().enumerate() {
        let longest = used().map(|map| map.longest[family]).max().unwrap_or(0);
        if longest > USUAL[family] {
            ecs.comment(format!("The maps have networks of /{longest}."));
            ecs.set(key, u32::from(longest));
        }
    }
    if option("edns_client_subnet").is_some_and(|used| !used.is_true()) {
        ecs.set("enabled", false);
    }
    let mut tables = vec![
        Table::default().with("zones", "zones").with("state", "state"),
        Table::new(&["listen"]).with("dns", listen),
        Table::new(&["geoip"]).with("databases", databases),
        Table::new(&["admin"]).with("socket", "state/admin.sock"),
    ];
    if !ecs.keys.is_empty() {
        tables.push(ecs);
    }
    tables
}

/// Returns an address with a port, as `[listen]` has it.
fn with_port(address: &str, port: u16) -> String {
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => std::net::SocketAddr::new(address, port).to_string(),
        Err(_) => address.to_owned(),
    }
}

/// Returns the datacenters of the maps that are used, with their places if a map has them.
fn datacenter_tables(maps: &[Map], uses: &BTreeSet<MapUse>, report: &mut Report) -> Vec<Table> {
    let mut places: BTreeMap<&str, Option<[f64; 2]>> = BTreeMap::new();
    let mut is_empty_somewhere = false;
    for map in maps.iter().filter(|map| uses.iter().any(|used| used.map == map.name)) {
        is_empty_somewhere |= map.gives_nothing();
        for name in &map.datacenters {
            let place = map.coordinates.iter().find(|(other, _)| other == name).map(|(_, place)| *place);
            let known = places.entry(name).or_default();
            *known = known.or(place);
        }
    }
    if is_empty_somewhere {
        places.insert(NOWHERE, None);
    }
    if uses.iter().any(|used| used.has_outside) {
        places.insert(OUTSIDE, None);
    }
    let mut tables = Vec::new();
    let mut is_told = false;
    for (name, place) in &places {
        let mut table = datacenter(name, place.unwrap_or_default());
        if place.is_none() && !std::mem::replace(&mut is_told, true) {
            table.comment("gdnsd does not say where datacenters are. Only the step `distance` and the page need it.");
        }
        tables.push(table);
    }
    report.carried("datacenters", tables.len());
    tables
}
