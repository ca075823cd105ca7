//! The resources of gdnsd's plugins as pools.

mod weighted;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::admin_state::Part;
use super::services::Services;
use super::settings::Setting;
use crate::import::tables::{Endpoint, Pool, Target};
use crate::import::{Report, word};

/// Plugins whose resources refer to those of others.
const META: [&str; 2] = ["geoip", "metafo"];

/// Plugins whose resources have addresses.
const PLAIN: [&str; 4] = ["multifo", "simplefo", "static", "weighted"];

/// References within references, at most: gdnsd does not detect loops.
const MAX_DEPTH: usize = 8;

/// The share of addresses that must be up, unless a resource says otherwise.
const UP_THRESH: f64 = 0.5;

/// What a resource answers with: pools by their names, combined.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Pool(String),
    /// Pools that answer together.
    Together(Vec<String>),
    /// The first one that is up.
    Ordered(Vec<Tree>),
    /// One is drawn by weight.
    Drawn(Vec<(String, u16)>),
    /// By the client's place: the map, whether its first datacenter is skipped, and what stands in each datacenter.
    Mapped(String, bool, Vec<(String, Tree)>),
}

impl Tree {
    /// Calls `see` with the name of each pool.
    fn each_pool(&self, see: &mut impl FnMut(&str)) {
        match self {
            Self::Pool(name) => see(name),
            Self::Together(names) => names.iter().for_each(|name| see(name)),
            Self::Ordered(children) => children.iter().for_each(|child| child.each_pool(see)),
            Self::Drawn(drawn) => drawn.iter().for_each(|(name, _)| see(name)),
            Self::Mapped(_, _, children) => children.iter().for_each(|(_, child)| child.each_pool(see)),
        }
    }
}

/// What is inherited from a hash by those inside it.
#[derive(Clone, Debug)]
struct Inherited {
    plugin: String,
    service_types: Vec<String>,
    up_thresh: f64,
    multi: bool,
}

impl Default for Inherited {
    fn default() -> Self {
        Self { plugin: "multifo".to_owned(), service_types: Vec::new(), up_thresh: UP_THRESH, multi: false }
    }
}

impl Inherited {
    fn within(&self, hash: &Setting) -> Self {
        let text = |key: &str| hash.get(key).and_then(Setting::text);
        Self {
            plugin: text("plugin").map_or_else(|| self.plugin.clone(), str::to_owned),
            service_types: hash.get("service_types").map_or_else(|| self.service_types.clone(), Setting::texts),
            up_thresh: hash.get("up_thresh").and_then(Setting::number).unwrap_or(self.up_thresh),
            multi: hash.get("multi").map_or(self.multi, Setting::is_true),
        }
    }
}

/// Keys of a resource that are not labels of addresses.
const PARAMETERS: [&str; 5] = ["service_types", "up_thresh", "ignore_health", "multi", "plugin"];

/// Addresses of one family, or of both if nothing tells them apart.
struct Family<'a> {
    /// `v4` or `v6`; empty for both.
    name: &'static str,
    inherited: Inherited,
    entries: Vec<(&'a str, &'a Setting)>,
    is_blind: bool,
}

/// Makes pools of resources.
pub(super) struct Resources<'a> {
    plugins: Option<&'a Setting>,
    pub(super) services: Services<'a>,
    /// All pools, by name.
    pub(super) pools: BTreeMap<String, Pool>,
    /// The resources that were read already.
    known: BTreeMap<(String, String), Tree>,
    /// The pools that the datacenters of resources became.
    pub(super) parts: Vec<Part>,
    /// The plugins and resources that something refers to.
    seen: BTreeSet<(String, String)>,
    pub(super) report: &'a mut Report,
}

impl<'a> Resources<'a> {
    pub(super) fn new(config: &'a Setting, report: &'a mut Report) -> Self {
        Self {
            plugins: config.get("plugins"),
            services: Services::new(config),
            pools: BTreeMap::new(),
            known: BTreeMap::new(),
            parts: Vec::new(),
            seen: BTreeSet::new(),
            report,
        }
    }

    /// Returns what `plugin!resource` answers with. Fails with the reason.
    pub(super) fn of(&mut self, plugin: &str, resource: &str) -> Result<Tree, String> {
        let key = (plugin.to_owned(), resource.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        // `web.fra` may be the name of the pool that `geoip!web` has there.
        let plain = word(&resource.replace('/', "-only-"));
        let of_same_name = |(other, name): &(String, String)| other != plugin && *name == resource;
        let name = if self.known.keys().any(of_same_name) { format!("{plugin}.{plain}") } else { plain };
        let tree = self.resource(plugin, resource, (&name, None), 0)?;
        self.known.insert(key, tree.clone());
        Ok(tree)
    }

    /// Notes each resource that no zone uses.
    pub(super) fn note_unused(&mut self) {
        for (plugin, setting) in self.plugins.map_or(&[][..], Setting::entries) {
            let is_meta = META.contains(&plugin.as_str());
            let all = if is_meta {
                setting.get("resources")
            } else {
                Some(setting).filter(|_| PLAIN.contains(&plugin.as_str()))
            };
            for (name, _) in all.map_or(&[][..], Setting::entries) {
                if !PARAMETERS.contains(&name.as_str()) && !self.seen.contains(&(plugin.clone(), name.clone())) {
                    self.report.note(format!("no zone uses {plugin}!{name}: it is left out"));
                }
            }
        }
    }

    /// Makes the pools of a resource. `name` begins their names; they are in the datacenter, if there is one.
    fn resource(
        &mut self,
        plugin: &str,
        resource: &str,
        at: (&str, Option<&str>),
        depth: usize,
    ) -> Result<Tree, String> {
        if depth > MAX_DEPTH {
            return Err("its resources refer to one another in a circle".to_owned());
        }
        let missing = || format!("there is no resource {plugin}!{resource}");
        let bare = resource.split_once('/').map_or(resource, |(name, _)| name);
        self.seen.insert((plugin.to_owned(), bare.to_owned()));
        let of_plugin = self.plugins.and_then(|plugins| plugins.get(plugin)).ok_or_else(missing)?;
        let inherited = Inherited::default().within(of_plugin);
        if !META.contains(&plugin) {
            let setting = of_plugin.get(resource).ok_or_else(missing)?;
            return self.plain(plugin, setting, &inherited, at);
        }
        let (resource, datacenter) = resource.split_once('/').map_or((resource, None), |(name, at)| (name, Some(at)));
        let setting = of_plugin.get("resources").and_then(|all| all.get(resource)).ok_or_else(missing)?;
        let inherited = inherited.within(setting);
        let dcmap = setting.get("dcmap").ok_or_else(|| format!("{plugin}!{resource} has no dcmap"))?;
        if let Some(datacenter) = datacenter {
            let value = dcmap.get(datacenter).ok_or_else(missing)?;
            return self.child(value, &inherited, at, depth);
        }
        let skips_first = setting.get("skip_first").is_some_and(Setting::is_true);
        if plugin == "metafo" {
            let names = setting.get("datacenters").map(Setting::texts).unwrap_or_default();
            let skipped = usize::from(skips_first && names.len() > 1);
            let mut children = Vec::new();
            for name in &names[skipped..] {
                let value = dcmap.get(name).ok_or_else(|| format!("{plugin}!{resource} has no {name} in its dcmap"))?;
                let pool = suffixed(at.0, &word(name));
                let child = self.child(value, &inherited, (&pool, at.1), depth)?;
                self.note_part((plugin, resource), None, name, &child);
                children.push(child);
            }
            return Ok(Tree::Ordered(children));
        }
        if at.1.is_some() {
            return Err(format!("geoip!{resource} is inside of another geoip resource"));
        }
        let map =
            setting.get("map").and_then(Setting::text).ok_or_else(|| format!("{plugin}!{resource} has no map"))?;
        let mut children = Vec::new();
        for (name, value) in dcmap.entries() {
            let datacenter = word(name);
            let pool = format!("{}/{datacenter}", at.0);
            let child = self.child(value, &inherited, (&pool, Some(&datacenter)), depth)?;
            self.note_part((plugin, resource), Some(map), name, &child);
            children.push((datacenter, child));
        }
        Ok(Tree::Mapped(word(map), skips_first, children))
    }

    fn note_part(&mut self, (plugin, resource): (&str, &str), map: Option<&str>, datacenter: &str, child: &Tree) {
        let [plugin, resource, datacenter] = [plugin, resource, datacenter].map(str::to_owned);
        let mut pools = BTreeSet::new();
        child.each_pool(&mut |pool| _ = pools.insert(pool.to_owned()));
        self.parts.push(Part { plugin, resource, map: map.map(str::to_owned), datacenter, pools });
    }

    /// Reads the value of a datacenter: a reference, addresses, a canonical name, or a resource of its own.
    fn child(
        &mut self,
        value: &Setting,
        inherited: &Inherited,
        at: (&str, Option<&str>),
        depth: usize,
    ) -> Result<Tree, String> {
        let text = value.text().unwrap_or_default();
        if let Some((plugin, resource)) = text.strip_prefix('%').unwrap_or(text).split_once('!') {
            let plugin = if plugin.is_empty() { inherited.plugin.clone() } else { plugin.to_owned() };
            return self.resource(&plugin, resource, at, depth + 1);
        }
        if !text.is_empty() && text.parse::<IpAddr>().is_err() {
            return Ok(self.cname(text, inherited, at));
        }
        let plugin =
            if matches!(value, Setting::Hash(_)) { inherited.within(value).plugin } else { "multifo".to_owned() };
        self.plain(&plugin, value, inherited, at)
    }

    fn cname(&mut self, name: &str, inherited: &Inherited, at: (&str, Option<&str>)) -> Tree {
        let mut pool = Pool { datacenter: at.1.map(str::to_owned), ..Pool::default() };
        if let Ok(Some(_)) = self.services.monitor(&inherited.service_types, self.report) {
            pool.comments.push(self.report.note(format!("{name} was monitored by its name: here it is always up")));
        }
        pool.endpoints.push(Endpoint { target: Target::Cname(name.to_owned()), weight: 1, check: None });
        self.add(at.0, pool)
    }

    fn add(&mut self, name: &str, pool: Pool) -> Tree {
        self.pools.insert(name.to_owned(), pool);
        Tree::Pool(name.to_owned())
    }

    /// Makes the pools of a plugin that refers to no others.
    fn plain(
        &mut self,
        plugin: &str,
        setting: &Setting,
        inherited: &Inherited,
        at: (&str, Option<&str>),
    ) -> Result<Tree, String> {
        match plugin {
            "multifo" => self.multifo(setting, inherited, at),
            "static" => match setting.text().filter(|text| text.parse::<IpAddr>().is_err()) {
                Some(name) => Ok(self.cname(name, &Inherited::default(), at)),
                None => self.multifo(setting, &Inherited { service_types: Vec::new(), ..inherited.clone() }, at),
            },
            "simplefo" => self.simplefo(setting, inherited, at),
            "weighted" => self.weighted(setting, inherited, at),
            _ => Err(format!("the plugin {plugin} has no equal here")),
        }
    }

    /// Returns the families of a resource. They are one if both have the same settings.
    fn families<'s>(setting: &'s Setting, inherited: &Inherited) -> Vec<Family<'s>> {
        let inherited = inherited.within(setting);
        let parts: Vec<(&'static str, &Setting)> = [("v4", "addrs_v4"), ("v6", "addrs_v6")]
            .into_iter()
            .filter_map(|(name, key)| Some((name, setting.get(key)?)))
            .collect();
        let read = |name: &'static str, part: &'s Setting| {
            let entries: Vec<(&str, &Setting)> = match part {
                Setting::Hash(entries) => entries.iter().map(|(label, value)| (label.as_str(), value)).collect(),
                _ => part.items().iter().map(|value| ("", value)).collect(),
            };
            let is_label = |(label, _): &(&str, &Setting)| !PARAMETERS.contains(label);
            let is_blind = part.get("ignore_health").or(setting.get("ignore_health")).is_some_and(Setting::is_true);
            Family {
                name,
                inherited: inherited.within(part),
                entries: entries.into_iter().filter(is_label).collect(),
                is_blind,
            }
        };
        let mut families: Vec<Family<'_>> = if parts.is_empty() {
            vec![read("", setting)]
        } else {
            parts.into_iter().map(|(name, part)| read(name, part)).collect()
        };
        if let [v4, v6] = &mut families[..]
            && (&v4.inherited.service_types, v4.inherited.multi) == (&v6.inherited.service_types, v6.inherited.multi)
            && (v4.inherited.up_thresh - v6.inherited.up_thresh).abs() < f64::EPSILON
        {
            v4.name = "";
            let more = std::mem::take(&mut v6.entries);
            v4.entries.extend(more);
            families.truncate(1);
        }
        families
    }

    /// Makes a pool for each family, or one for both.
    fn by_family(
        &mut self,
        families: Vec<Family<'_>>,
        at: (&str, Option<&str>),
        make: impl Fn(&mut Self, &Family<'_>, &mut Pool) -> Result<(), String>,
    ) -> Result<Tree, String> {
        let mut names = Vec::new();
        for family in families {
            let mut pool = Pool { datacenter: at.1.map(str::to_owned), ..Pool::default() };
            match self.services.monitor(&family.inherited.service_types, self.report) {
                Ok(monitor) => pool.monitor = monitor,
                Err(_) => continue,
            }
            if family.is_blind {
                let what = at.0;
                pool.comments.push(
                    self.report
                        .note(format!("{what} has ignore_health: here addresses that are down leave the answers")),
                );
            }
            make(self, &family, &mut pool)?;
            pool.min_healthy = Some(family.inherited.up_thresh);
            if pool.endpoints.is_empty() {
                continue;
            }
            let name = if family.name.is_empty() { at.0.to_owned() } else { suffixed(at.0, family.name) };
            self.add(&name, pool);
            names.push(name);
        }
        match names.len() {
            0 => Err(format!("{} has no addresses", at.0)),
            1 => Ok(Tree::Pool(names.remove(0))),
            _ => Ok(Tree::Together(names)),
        }
    }

    fn multifo(&mut self, setting: &Setting, inherited: &Inherited, at: (&str, Option<&str>)) -> Result<Tree, String> {
        self.by_family(Self::families(setting, inherited), at, |_, family, pool| {
            for (_, value) in &family.entries {
                pool.add(Endpoint::new(address(value)?));
            }
            Ok(())
        })
    }

    fn simplefo(&mut self, setting: &Setting, inherited: &Inherited, at: (&str, Option<&str>)) -> Result<Tree, String> {
        let of = |key: &'static str| {
            move |_: &mut Self, family: &Family<'_>, pool: &mut Pool| {
                for (_, value) in family.entries.iter().filter(|(label, _)| *label == key) {
                    pool.add(Endpoint::new(address(value)?));
                }
                Ok(())
            }
        };
        let mut children = Vec::new();
        for key in ["primary", "secondary"] {
            let mut families = Self::families(setting, inherited);
            // Labels of both families are the same.
            for family in &mut families {
                family.entries.retain(|(label, _)| *label == key);
            }
            children.push(self.by_family(families, (&suffixed(at.0, key), at.1), of(key))?);
        }
        Ok(Tree::Ordered(children))
    }
}

/// `web` and `v6` are `web.v6`; in a datacenter, `web/fra` and `v6` are `web.v6/fra`.
fn suffixed(name: &str, suffix: &str) -> String {
    match name.split_once('/') {
        Some((entry, datacenter)) => format!("{entry}.{suffix}/{datacenter}"),
        None => format!("{name}.{suffix}"),
    }
}

fn address(value: &Setting) -> Result<IpAddr, String> {
    let text = value.text().unwrap_or_default();
    text.parse().map_err(|_| format!("`{text}` is not an address"))
}
