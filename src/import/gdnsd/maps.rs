//! The maps of the plugin geoip as regions.

use ipnet::IpNet;

use super::names::{MapUse, OUTSIDE};
use super::settings::Setting;
use crate::import::tables::{Preference, regions};
use crate::import::text::Table;
use crate::import::{Reader, Report, word};

/// The folder of files that maps name.
const FOLDER: &str = "geoip";

/// The datacenter without endpoints that clients prefer if gdnsd gives them nothing.
pub(super) const NOWHERE: &str = "nowhere";

/// A map.
pub(super) struct Map {
    pub(super) name: String,
    /// All its datacenters, in its order.
    pub(super) datacenters: Vec<String>,
    /// Their latitudes and longitudes, where it has them.
    pub(super) coordinates: Vec<(String, [f64; 2])>,
    /// The path of its database.
    pub(super) database: Option<String>,
    preferences: Vec<Preference>,
    default: Vec<Vec<String>>,
    /// The length of its longest prefix of each family.
    pub(super) longest: [u8; 2],
    /// True if distance decides for some clients.
    pub(super) is_auto: bool,
    /// Sentences about what has no equal.
    comments: Vec<String>,
}

/// A map while it is read.
struct MapReader<'a> {
    map: Map,
    report: &'a mut Report,
}

impl Map {
    /// Reads a map. Fails with the reason if its networks cannot be read.
    pub(super) fn read(
        name: &str,
        setting: &Setting,
        read: Reader<'_>,
        folder: &str,
        report: &mut Report,
    ) -> Result<Self, String> {
        let datacenters: Vec<String> =
            setting.get("datacenters").map(Setting::texts).unwrap_or_default().iter().map(|name| word(name)).collect();
        let coordinates = setting.get("auto_dc_coords").map_or(&[][..], Setting::entries).iter();
        let coordinates: Vec<(String, [f64; 2])> = coordinates
            .filter_map(|(name, place)| match place.items() {
                [latitude, longitude] => Some((word(name), [latitude.number()?, longitude.number()?])),
                _ => None,
            })
            .collect();
        let database = setting.get("geoip2_db").and_then(Setting::text).map(|path| in_folder(folder, path));
        let is_auto = !coordinates.is_empty();
        let map = Self {
            name: word(name),
            database,
            coordinates,
            preferences: Vec::new(),
            default: datacenters.iter().map(|name| vec![name.clone()]).collect(),
            datacenters,
            longest: [0, 0],
            is_auto,
            comments: Vec::new(),
        };
        let mut reader = MapReader { map, report };
        if is_auto {
            reader.map.default = reader.by_distance();
        }
        reader.places(setting.get("map"));
        reader.nets(setting.get("nets"), read, folder)?;
        if setting.get("ignore_ecs").is_some_and(Setting::is_true) {
            reader
                .note(format!("the map {name} has ignore_ecs: Client Subnet is used for all names here, or for none"));
        }
        Ok(reader.map)
    }

    /// True if this datacenter stands last in all lists that have it.
    pub(super) fn is_last(&self, datacenter: &str) -> bool {
        let mut lists = self.preferences.iter().map(|(_, tiers)| tiers).chain([&self.default]);
        let is_before = |tiers: &Vec<Vec<String>>| {
            let place = tiers.iter().position(|tier| tier.iter().any(|name| name == datacenter));
            place.is_some_and(|place| place + 1 < tiers.len() || tiers[place].len() > 1)
        };
        !lists.any(is_before)
    }

    /// True if some clients get nothing.
    pub(super) fn gives_nothing(&self) -> bool {
        let mut lists = self.preferences.iter().map(|(_, tiers)| tiers).chain([&self.default]);
        lists.any(|tiers| tiers.iter().flatten().any(|name| name == NOWHERE))
    }

    /// Returns the tables of its regions. If several maps are in use, it has a name.
    pub(super) fn tables(&self, name: Option<&str>, used: &MapUse) -> Vec<Table> {
        let outside = used.has_outside.then(|| vec![OUTSIDE.to_owned()]);
        let cut = |tiers: &[Vec<String>]| -> Vec<Vec<String>> {
            let skipped = usize::from(used.skips_first && tiers.len() > 1);
            tiers[skipped..].iter().cloned().chain(outside.clone()).collect()
        };
        let preferences: Vec<Preference> =
            self.preferences.iter().map(|(clients, tiers)| (clients.clone(), cut(tiers))).collect();
        let mut tables = regions(name, &self.datacenters, &preferences, &cut(&self.default));
        if let Some(first) = tables.first_mut() {
            first.comments.splice(0..0, self.comments.iter().cloned());
        }
        tables
    }
}

impl MapReader<'_> {
    fn note(&mut self, sentence: String) {
        let sentence = self.report.note(sentence);
        self.map.comments.push(sentence);
    }

    /// The tiers of clients that the distance decides for.
    fn by_distance(&self) -> Vec<Vec<String>> {
        vec![self.map.coordinates.iter().map(|(name, _)| name.clone()).collect()]
    }

    /// Returns the tiers of a list of datacenters.
    fn tiers(&mut self, list: &Setting) -> Vec<Vec<String>> {
        if list.text() == Some("auto") {
            return self.by_distance();
        }
        let names = list.texts();
        if names.is_empty() {
            self.note(format!("the map {} gives some clients nothing: they prefer `{NOWHERE}`", self.map.name));
            return vec![vec![NOWHERE.to_owned()]];
        }
        names.iter().map(|name| vec![word(name)]).collect()
    }

    fn places(&mut self, places: Option<&Setting>) {
        for (continent, value) in places.map_or(&[][..], Setting::entries) {
            if continent == "default" {
                self.map.default = self.tiers(value);
                continue;
            }
            self.place(&format!("continent:{continent}"), value);
            for (country, value) in value.entries().iter().filter(|(key, _)| key != "default") {
                self.place(&format!("country:{country}"), value);
                self.subdivisions(country, value);
            }
        }
    }

    /// Reads the list of a place, or the default in it. Without one the place has the list of what is around it.
    fn place(&mut self, client: &str, value: &Setting) {
        let list = if matches!(value, Setting::Hash(_)) { value.get("default") } else { Some(value) };
        if let Some(list) = list {
            let tiers = self.tiers(list);
            self.map.preferences.push((vec![client.to_owned()], tiers));
        }
    }

    /// Reads what is below a country. Levels of subdivisions may be left out, so each code may stand at any level.
    fn subdivisions(&mut self, country: &str, value: &Setting) {
        for (key, value) in value.entries().iter().filter(|(key, _)| key != "default") {
            let is_code = (1..=3).contains(&key.len())
                && key.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit());
            if is_code {
                self.place(&format!("subdivision:{country}-{key}"), value);
                self.subdivisions(country, value);
            } else {
                let name = &self.map.name;
                self.note(format!(
                    "the map {name} has the city {key} in {country}: name its networks or its subdivision instead"
                ));
            }
        }
    }

    fn nets(&mut self, nets: Option<&Setting>, read: Reader<'_>, folder: &str) -> Result<(), String> {
        let of_file = match nets.and_then(Setting::text) {
            Some(path) => Some(super::settings::read(&in_folder(folder, path), read)?),
            None => None,
        };
        for (net, list) in of_file.as_ref().or(nets).map_or(&[][..], Setting::entries) {
            let Ok(parsed) = net.parse::<IpNet>() else {
                self.note(format!("the map {} has `{net}`, which is not a network", self.map.name));
                continue;
            };
            let parsed = unfolded(parsed.trunc());
            let family = usize::from(parsed.addr().is_ipv6());
            self.map.longest[family] = self.map.longest[family].max(parsed.prefix_len());
            let tiers = self.tiers(list);
            self.map.preferences.push((vec![parsed.to_string()], tiers));
        }
        Ok(())
    }
}

/// gdnsd takes `::192.0.2.0/120` for 192.0.2.0/24.
fn unfolded(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_bits() >> 32 == 0 => {
            let v4 = std::net::Ipv4Addr::from_bits(v6.addr().to_bits() as u32);
            ipnet::Ipv4Net::new(v4, v6.prefix_len() - 96).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

fn in_folder(folder: &str, path: &str) -> String {
    std::path::Path::new(folder).join(FOLDER).join(path).display().to_string()
}
