//! The output of `truenorth check`.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::signing::Signing;
use super::text::Counted;
use crate::geo::countries::{self, Country};
use crate::geo::{ClientMatch, Location};
use crate::health::ConditionTemplate;
use crate::snapshot::{PoolSpec, Steering, World, ZoneSpec};
use crate::steering::Step;

/// The faults of a configuration, and its summary if there are none.
#[derive(Debug, Serialize)]
pub struct Check<F> {
    /// All faults.
    pub faults: F,
    /// The summary of a configuration that can be served.
    pub summary: Option<Summary>,
}

/// The contents of a configuration.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summary {
    zones: usize,
    names: usize,
    records: usize,
    pools: usize,
    endpoints: usize,
    /// Number of pools whose endpoints come and go while the node runs.
    #[serde(default)]
    registering: usize,
    /// Maximum number of endpoints that may be in them.
    #[serde(default)]
    registered: usize,
    probes_a_second: f64,
    /// Maximum time in seconds that a client may use a dead address: `interval * fall + timeout + ttl` of the slowest
    /// pair of monitor and name.
    worst_case_exposure: Option<f64>,
    /// Zones that steer by region and have countries in no region.
    defaulted: Vec<Defaulted>,
    /// Number of probed addresses that are reserved for documentation, so that nothing can answer there.
    #[serde(default)]
    documentation: usize,
    /// The signed zones, with the tags of their keys. Nodes whose keys differ would contradict each other.
    #[serde(default)]
    signed: Signing,
}

/// The countries that no region of a zone names, neither by country nor by continent.
#[derive(Debug, Serialize, Deserialize)]
struct Defaulted {
    zone: String,
    countries: Vec<String>,
}

/// Maximum number of countries in the text; `--json` has all.
const MAX_LISTED: usize = 12;

/// Maximum number of groups of zones with the same unnamed countries in the text.
const MAX_GROUPS: usize = 3;

/// True if an address is reserved for documentation: RFC 5737, RFC 3849 and RFC 9637.
fn is_documentation(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_documentation(),
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            (first, second) == (0x2001, 0x0db8) || (first, second & 0xf000) == (0x3fff, 0)
        }
    }
}

impl Summary {
    /// Returns the summary of a valid world.
    pub fn of(world: &World) -> Self {
        let targets: HashSet<_> = world.pools.iter().flat_map(|pool| pool.members.targets()).collect();
        let names = || world.zones.iter().flat_map(|zone| zone.names.iter());
        let bounds = || world.pools.iter().filter_map(|pool| Some(&pool.registration.as_ref()?.bounds));
        let detections: Vec<Option<Duration>> = world.pools.iter().map(|pool| detection(pool)).collect();
        let exposures = names().filter_map(|name| exposure(&detections, &name.steering));
        Self {
            zones: world.zones.len(),
            names: names().count(),
            records: world.zones.iter().map(|zone| zone.tree.record_count()).sum(),
            pools: world.pools.len(),
            endpoints: world.pools.iter().map(|pool| pool.members.len()).sum(),
            registering: bounds().count(),
            registered: bounds().map(|bounds| usize::from(bounds.max)).sum(),
            // An empty sum of floats is -0.0.
            probes_a_second: targets
                .iter()
                .filter(|target| target.is_probed())
                .fold(0.0, |sum, target| sum + 1.0 / target.monitor.pace.interval().as_secs_f64()),
            worst_case_exposure: exposures.reduce(f64::max),
            defaulted: world.zones.iter().filter_map(defaulted).collect(),
            documentation: targets
                .iter()
                .filter(|target| target.is_probed())
                .filter_map(|target| target.address.ip().filter(|&address| is_documentation(address)))
                .collect::<HashSet<_>>()
                .len(),
            signed: Signing::of(world),
        }
    }

    /// Returns a notice about probed addresses that cannot answer, if there are any.
    pub fn notice(&self) -> Option<String> {
        let (addresses, verb) = match self.documentation {
            0 => return None,
            1 => ("1 probed address".to_owned(), "is"),
            count => (format!("{count} probed addresses"), "are"),
        };
        Some(format!(
            "{addresses} {verb} from ranges for documentation: their probes leave this machine, and always fail. \
             Replace them by your own addresses, or try `truenorth demo`"
        ))
    }
}

/// Returns the countries that a zone's `[regions]` do not name. `None` if they name all, or if no name of the zone uses
/// regions.
fn defaulted(zone: &ZoneSpec) -> Option<Defaulted> {
    let uses = |steering: &Steering| steering.map.is_empty() && steering.steer.contains(&Step::Region);
    let by_region = zone.names.iter().any(|name| uses(&name.steering));
    let is_area = |client: &ClientMatch| matches!(client, ClientMatch::Country(_) | ClientMatch::Continent(_));
    // If no region names a country or a continent, the regions are not meant to cover the world.
    let mut own = zone.regions.ids().filter_map(|id| zone.regions.get(id));
    if !by_region || !own.any(|region| region.clients.iter().any(is_area)) {
        return None;
    }
    let has_none = |country: &Country| {
        let (code, continent) = (Some(country.code), Some(country.continent));
        let region = zone.regions.of_location(&Location { country: code, continent, ..Location::default() });
        zone.regions.get(region).is_none_or(|region| region.clients.is_empty())
    };
    let countries: Vec<String> =
        countries::countries().filter(has_none).map(|country| country.code.to_string()).collect();
    (!countries.is_empty()).then(|| Defaulted { zone: zone.origin.to_string(), countries })
}

/// Returns the time from the failure of an endpoint of this pool until it is noticed. `None` if the pool is not probed.
fn detection(pool: &PoolSpec) -> Option<Duration> {
    let of_files = pool.members.targets().into_iter().map(|target| target.monitor.detection());
    let registered = pool.registration.as_ref().and_then(|registration| registration.template.as_ref());
    of_files.chain(registered.map(ConditionTemplate::detection)).max()
}

/// Returns the time in seconds from an endpoint's failure until no client uses its address. `None` if the name's pools
/// are not probed. `detections` are those of all pools.
fn exposure(detections: &[Option<Duration>], steering: &Steering) -> Option<f64> {
    let detection = steering.pools.iter().filter_map(|used| detections[used.pool.index()]).max()?;
    Some(detection.as_secs_f64() + f64::from(steering.ttls.calm()))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.zones, "zone"),
            (self.names, "steered name"),
            (self.records, "static record"),
            (self.pools, "pool"),
            (self.endpoints, "endpoint"),
        ];
        f.write_str("good: ")?;
        for (count, thing) in counts {
            write!(f, "{}, ", Counted(count, thing))?;
        }
        write!(f, "{:.1} probes a second", self.probes_a_second)?;
        if self.registering > 0 {
            let (endpoints, pools) = (Counted(self.registered, "endpoint"), Counted(self.registering, "pool"));
            write!(f, "\nup to {endpoints} may come and go in {pools}, and are probed beside these")?;
        }
        if let Some(seconds) = self.worst_case_exposure {
            write!(f, "\na client holds a dead address for at most {seconds:.0} s")?;
        }
        // Zones often have the same regions, from the server file. Such zones share a line.
        let mut alike: Vec<(&[String], Vec<&str>)> = Vec::new();
        for Defaulted { zone, countries } in &self.defaulted {
            match alike.iter_mut().find(|(other, _)| other == countries) {
                Some((_, zones)) => zones.push(zone),
                None => alike.push((countries, vec![zone])),
            }
        }
        for (countries, zones) in alike.iter().take(MAX_GROUPS) {
            let listed = countries.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(" ");
            let more = if countries.len() > MAX_LISTED { " ..." } else { "" };
            let count = countries.len();
            let (countries, are) = if count == 1 { ("country", "is") } else { ("countries", "are") };
            let (of, its) = match zones[..] {
                [zone] => (zone.to_owned(), "its"),
                _ => (format!("{} zones, such as {},", zones.len(), zones[0]), "their"),
            };
            write!(f, "\n{count} {countries} {are} in no region of {of} and left to {its} default: {listed}{more}")?;
        }
        if alike.len() > MAX_GROUPS {
            let zones: usize = alike[MAX_GROUPS..].iter().map(|(_, zones)| zones.len()).sum();
            write!(f, "\n{zones} more zones leave others to their default; --json lists them")?;
        }
        for line in self.signed.lines() {
            write!(f, "\n{line}")?;
        }
        match self.notice() {
            Some(notice) => write!(f, "\n{notice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a summary of zones with these unnamed countries.
    fn summary(defaulted: &[(&str, &[&str])], documentation: usize) -> Summary {
        let defaulted: Vec<_> = defaulted
            .iter()
            .map(|(zone, countries)| serde_json::json!({ "zone": zone, "countries": countries }))
            .collect();
        let summary = serde_json::json!({
            "zones": 2, "names": 1, "records": 1, "pools": 1, "endpoints": 1, "probes_a_second": 0.2,
            "worst_case_exposure": null, "defaulted": defaulted, "documentation": documentation,
        });
        serde_json::from_value(summary).unwrap()
    }

    fn lines(summary: &Summary) -> Vec<String> {
        summary.to_string().lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn zones_that_leave_the_same_countries_are_told_of_together() {
        let alike = summary(&[("a.", &["AQ", "BV"]), ("b.", &["TF"]), ("c.", &["AQ", "BV"])], 0);
        assert_eq!(
            lines(&alike),
            [
                "2 countries are in no region of 2 zones, such as a., and left to their default: AQ BV",
                "1 country is in no region of b. and left to its default: TF",
            ]
        );
        let codes = ["AQ", "BV", "TF", "HM", "GS", "DE"];
        let zones: Vec<(&str, &[&str])> = (0..6).map(|number| ("a.", &codes[number..=number])).collect();
        let told = lines(&summary(&zones, 0));
        assert_eq!(
            (told.len(), told[3].as_str()),
            (4, "3 more zones leave others to their default; --json lists them")
        );
    }

    #[test]
    fn addresses_for_documentation_are_told_of() {
        let told = lines(&summary(&[], 13));
        assert!(
            told.len() == 1 && told[0].starts_with("13 probed addresses are from ranges for documentation"),
            "{told:?}"
        );
        assert_eq!(summary(&[], 0).notice(), None);
        for address in ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "::ffff:192.0.2.1"] {
            assert!(is_documentation(address.parse().unwrap()), "{address}");
        }
        for address in ["192.0.3.1", "127.0.0.1", "10.0.0.1", "2001:db9::1", "3fff:1000::1"] {
            assert!(!is_documentation(address.parse().unwrap()), "{address}");
        }
    }
}
