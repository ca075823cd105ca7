//! `[dnssec]` of the server file and of zones, and the keys that zones are signed with.
//!
//! ```text
//!   [dnssec] of the zone, else of the server file ──► is it signed? how long?  ──┐
//!   keys/Kexample.com.+013+55648.key and .private ──► what each key signs       ─┴─► ZoneKeys
//! ```
//!
//! A zone that is to be signed and has no usable key is a fault, so a node never serves it unsigned by accident. Key
//! files are read with every configuration: a zone that did not change may have another key now. Between two
//! configurations, the keys follow the times of their files by themselves.

mod expiry;
mod folder;
mod foreign;
mod lifetimes;
mod put;
mod replace;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::unix_time;
use crate::disk::Disk;
use crate::dnssec::{Algorithm, Delays, ForeignKey, Limits, MIN_WINDOW, Policy, Rules, Wish, ZoneKeys, has_key_of_ds};
use crate::duration::Written;
use crate::name::{Name, suffixes};
use crate::wire::Rtype;
use crate::zone::Tree;

use super::code::Code;
use super::decode::{TomlTable, Value};
use super::document::read_document;
use super::fault::{Fault, Faults};
use super::files;
use super::known::ZonesCopy;
use super::listen::read_address;
use super::names::OwnerKind;
use super::source::Place;
use super::zone::ZoneDraft;
use folder::KeyFolder;

pub use folder::{StoredKey, lock_keys, read_changed, read_keys, read_signing_keys, write_key};
pub use replace::{record_ds, set_times};

/// Default folder of the keys.
const KEYS: &str = "keys";

/// Range of `validity`. A signature tells its end modulo 2^32 seconds, and clients take it as the time nearest to now.
const VALIDITY: RangeInclusive<Duration> = Duration::from_secs(2 * 3600)..=Duration::from_secs(365 * 86_400);

/// Range of `refresh`.
const REFRESH: RangeInclusive<Duration> = Duration::from_secs(3600)..=Duration::from_secs(364 * 86_400);

/// Range of `propagation`, and of `ds_ttl`.
const DELAY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

/// The port of the parent's nameservers, if none is given.
const PARENT_PORT: u16 = 53;

/// Range of `kept`.
const KEPT: RangeInclusive<usize> = 1024..=64 << 20;

/// Types that only a zone which another program signs holds. DNSKEY, CDS and CDNSKEY come from the keys here.
pub(super) const OF_SIGNING: [Rtype; 7] =
    [Rtype::RRSIG, Rtype::NSEC, Rtype::NSEC3, Rtype::NSEC3PARAM, Rtype::DNSKEY, Rtype::CDS, Rtype::CDNSKEY];

const ALGORITHMS: [(&str, Algorithm); 2] =
    [("ecdsap256sha256", Algorithm::EcdsaP256Sha256), ("ed25519", Algorithm::Ed25519)];

const WISHES: [(&str, Wish); 2] = [("keep", Wish::Ds), ("remove", Wish::NoDs)];

/// The keys of a section that both the server file and zones have.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// The place of the section.
    pub(super) place: Place,
    pub(super) settings: Settings,
}

/// The settings of one section.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `None` if the section does not say it.
    enabled: Option<bool>,
    algorithm: Option<Algorithm>,
    validity: Option<Duration>,
    refresh: Option<Duration>,
    propagation: Option<Duration>,
    ds_ttl: Option<Duration>,
    wish: Option<Wish>,
    /// The nameservers of the parent zone.
    parent: Option<Arc<[SocketAddr]>>,
    /// The keys of other providers of a zone.
    foreign: Arc<[ForeignKey]>,
    /// How long keys are used.
    lifetimes: lifetimes::OfSection,
}

/// `[dnssec]` of the server file.
#[derive(Clone, Debug)]
pub(super) struct ServerDnssec {
    /// `None` without the section.
    section: Option<Section>,
    folder: PathBuf,
    pub(super) limits: Limits,
    /// True if this node begins roll-overs by itself.
    pub(super) is_roller: bool,
}

/// The settings by which keys of a zone are made.
#[derive(Debug)]
pub struct DnssecSettings {
    /// The folder of the keys.
    pub folder: PathBuf,
    /// The algorithm of new keys.
    pub algorithm: Algorithm,
}

/// Where the parent zone of a signed zone is asked for its DS records, and where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentSettings {
    /// The zone.
    pub zone: Name,
    /// The nameservers of the parent zone, at least one.
    pub servers: Arc<[SocketAddr]>,
    /// The folder of the keys.
    pub folder: PathBuf,
}

/// Reads `[dnssec]` of the server file. `folder` is the folder of that file.
pub(super) fn read_server(value: Option<Value<'_>>, folder: &Path, faults: &mut Faults) -> ServerDnssec {
    let default = Limits::default();
    let mut dnssec = ServerDnssec { section: None, folder: folder.join(KEYS), limits: default, is_roller: false };
    let Some(value) = value else { return dnssec };
    let place = value.anchor();
    let Some(mut table) = value.table("`[dnssec]`", faults) else { return dnssec };
    let enabled = table.require("enabled", faults);
    let settings = read_settings(enabled, &mut table, faults);
    if let Some(keys) = table.take("keys").and_then(|value| value.path(faults)) {
        dnssec.folder = keys.value;
    }
    let budget = table.take("signatures_per_second").and_then(|value| value.integer(1..=u32::MAX, faults));
    let kept = table.take("kept").and_then(|value| value.integer(KEPT, faults));
    dnssec.limits = Limits {
        signatures_per_second: budget
            .and_then(|budget| NonZeroU32::new(budget.value))
            .unwrap_or(default.signatures_per_second),
        kept: kept.map_or(default.kept, |kept| kept.value),
    };
    dnssec.is_roller = table.take("roller").and_then(|value| value.boolean(faults)).is_some_and(|is| is.value);
    table.refuse(&["foreign_keys"], "belongs in `[dnssec]` of the zone file", faults);
    table.finish(faults);
    dnssec.section = Some(Section { place, settings });
    dnssec
}

/// Returns the folder of keys if the node writes to it: it records there what it sees at parent zones, or makes keys.
pub(super) fn writable(value: Option<Value<'_>>, folder: &Path, faults: &mut Faults) -> Option<PathBuf> {
    let ServerDnssec { section, folder, is_roller, .. } = read_server(value, folder, faults);
    let records = section.is_some_and(|section| section.settings.parent.is_some());
    (records || is_roller).then_some(folder)
}

/// Reads `[dnssec]` of a zone file.
pub(super) fn read_zone(value: Option<Value<'_>>, zone: &Name, faults: &mut Faults) -> Option<Section> {
    let value = value?;
    let place = value.anchor();
    let mut table = value.table("`[dnssec]`", faults)?;
    let enabled = table.take("enabled");
    let mut settings = read_settings(enabled, &mut table, faults);
    if let Some(keys) = table.take("foreign_keys") {
        settings.foreign = foreign::read(&keys, zone, faults);
    }
    table.refuse(
        &["keys", "roller", "signatures_per_second", "kept"],
        "belongs in `[dnssec]` of the server file",
        faults,
    );
    table.finish(faults);
    Some(Section { place, settings })
}

fn read_settings(enabled: Option<Value<'_>>, table: &mut TomlTable<'_>, faults: &mut Faults) -> Settings {
    let enabled = enabled.and_then(|value| value.boolean(faults));
    let algorithm = table.take("algorithm").and_then(|value| value.word(&ALGORITHMS, faults));
    let validity = table.take("validity").and_then(|value| value.duration(VALIDITY, faults));
    let refresh = table.take("refresh").and_then(|value| value.duration(REFRESH, faults));
    let propagation = table.take("propagation").and_then(|value| value.duration(DELAY, faults));
    let ds_ttl = table.take("ds_ttl").and_then(|value| value.duration(DELAY, faults));
    let wish = table.take("ds").and_then(|value| value.word(&WISHES, faults));
    let parent = table.take("parent").map(|value| read_parent(&value, faults));
    Settings {
        enabled: enabled.map(|enabled| enabled.value),
        algorithm: algorithm.map(|algorithm| algorithm.value),
        validity: validity.map(|validity| validity.value),
        refresh: refresh.map(|refresh| refresh.value),
        propagation: propagation.map(|propagation| propagation.value),
        ds_ttl: ds_ttl.map(|ttl| ttl.value),
        wish: wish.map(|wish| wish.value),
        parent,
        foreign: [].into(),
        lifetimes: lifetimes::read(table, faults),
    }
}

/// Reads the addresses of the parent's nameservers. A port may follow each.
fn read_parent(value: &Value<'_>, faults: &mut Faults) -> Arc<[SocketAddr]> {
    let expected = "addresses, such as \"192.0.2.1\" or \"[2001:db8::1]:53\"";
    value
        .each(faults, |item, faults| {
            let address = item.text().and_then(|text| text.parse().ok());
            let plain = address.map(|address| SocketAddr::new(address, PARENT_PORT));
            plain.or_else(|| read_address(item, expected, PARENT_PORT, faults).map(|address| address.value))
        })
        .into()
}

/// Reads the part of the configuration that says where the keys of a zone are, and how new ones are made. Other faults
/// of the files do not matter. With `copy` the zones are those of this version of a fleet.
pub fn load_dnssec(path: &Path, zone: &Name, copy: Option<&ZonesCopy>) -> Result<DnssecSettings, Faults> {
    let mut faults = Faults::default();
    let disk = Disk::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |mut table: TomlTable<'_>, faults: &mut Faults| {
        let zones = table.take("zones").and_then(|value| value.path(faults));
        let zones = zones.map_or_else(|| folder.join(super::server::ZONES), |zones| zones.value);
        (zones, read_server(table.take("dnssec"), folder, faults))
    };
    let source = files::read_file(&disk, path, &mut faults).map(|file| file.source);
    let server = source.and_then(|source| read_document(&source, "the server file", &mut faults, read));
    let Some((zones, server)) = server else { return Err(faults) };
    if let Some(copy) = copy {
        disk.lay_over(&zones, &copy.folder, copy.files.clone());
    }
    let name = zone.to_string();
    let zone_file = zones.join(format!("{}.toml", name.trim_end_matches('.')));
    let mut own = None;
    if disk.metadata(&zone_file).is_ok()
        && let Some(file) = files::read_file(&disk, &zone_file, &mut faults)
    {
        let read = |mut table: TomlTable<'_>, faults: &mut Faults| read_zone(table.take("dnssec"), zone, faults);
        own = read_document(&file.source, "a zone file", &mut faults, read).flatten();
    }
    if faults.has_errors() {
        return Err(faults);
    }
    let algorithm = |section: &Section| section.settings.algorithm;
    let algorithm = own.as_ref().and_then(algorithm).or_else(|| server.section.as_ref().and_then(algorithm));
    Ok(DnssecSettings { folder: server.folder, algorithm: algorithm.unwrap_or_default() })
}

/// Returns the keys of each zone that is signed, by its position in `zones`. Reports zones that cannot be signed.
pub(super) fn sign(
    server: &ServerDnssec,
    zones: &[ZoneDraft],
    disk: &Disk,
    faults: &mut Faults,
) -> HashMap<usize, Arc<ZoneKeys>> {
    let signed: Vec<(usize, &Place, Rules)> = zones
        .iter()
        .enumerate()
        .filter_map(|(number, zone)| Some((number, server.signs(zone)?, server.rules(zone, faults)?)))
        .collect();
    let refuse = |zone: &ZoneDraft, place: &Place, why: String, faults: &mut Faults| {
        let help = format!(
            "`truenorth dnssec create {}` makes a key; if another node has one, copy its files instead",
            zone.origin
        );
        faults.push(Fault::error(place, why, "signed by this").code(Code::Credentials).help(help));
    };
    let (presigned, signed): (Vec<_>, Vec<_>) =
        signed.into_iter().partition(|&(number, ..)| zones[number].presigned.is_some());
    for (number, place, _) in presigned {
        let zone = &zones[number];
        let message = format!("the zone {} holds signatures or keys, and is to be signed here", zone.origin);
        let help = "write the zone unsigned, and give its keys to `truenorth dnssec import`; or, to serve it as its file is \
                    signed, set `enabled = false` in `[dnssec]` of its own zone file";
        if let Some(presigned) = &zone.presigned {
            let fault = Fault::error(presigned, message, "of another signer").code(Code::Signed);
            faults.push(fault.related(place, "signed by this").help(help));
        }
    }
    if signed.is_empty() {
        return HashMap::new();
    }
    let folder = match KeyFolder::read(&server.folder, disk) {
        Ok(folder) => folder,
        Err(why) => {
            let (number, place, _) = signed[0];
            refuse(&zones[number], place, why, faults);
            return HashMap::new();
        }
    };
    let now = unix_time();
    let mut keys = HashMap::new();
    for (number, place, rules) in signed {
        let zone = &zones[number];
        let found = folder.keys(&zone.origin, disk).and_then(|of_zone| {
            if of_zone.is_empty() {
                return Err(format!("the zone {} is to be signed, but {} holds no key of it", zone.origin, folder));
            }
            let of_zone = of_zone.into_iter().map(|stored| stored.key).collect();
            let keys = ZoneKeys::try_new(&zone.origin, of_zone, rules, now);
            keys.map_err(|error| format!("the zone {} cannot be signed: {error}", zone.origin))
        });
        match found {
            Ok(of_zone) => {
                let keys_of_others = zone.dnssec.as_ref().map(|section| section.settings.foreign.clone());
                let of_zone = of_zone.beside(keys_of_others.unwrap_or_else(|| [].into()));
                expiry::warn(&of_zone, place, now, faults);
                lifetimes::warn(&of_zone, zone.dnssec.as_ref(), place, server.is_roller, now, faults);
                foreign::check(&of_zone, place, faults);
                keys.insert(number, Arc::new(of_zone));
            }
            Err(why) => refuse(zone, place, why, faults),
        }
    }
    lifetimes::check(server, zones, &keys, faults);
    keys
}

impl ServerDnssec {
    /// Returns the place that says that a zone is signed; `None` if it is not.
    fn signs<'p>(&'p self, zone: &'p ZoneDraft) -> Option<&'p Place> {
        let server = self.section.as_ref().filter(|section| section.settings.enabled == Some(true));
        match &zone.dnssec {
            // A zone's own section means that it is signed, unless it says otherwise.
            Some(own) => (own.settings.enabled != Some(false)).then_some(&own.place),
            None => server.map(|server| &server.place),
        }
    }

    /// Returns the settings of a zone and those of the server file, in the order in which they count.
    fn sections<'p>(&'p self, zone: &'p ZoneDraft) -> impl Iterator<Item = &'p Section> + Clone {
        zone.dnssec.iter().chain(&self.section)
    }

    /// Returns how a zone is signed. Reports settings that leave no time between two signatures.
    fn rules(&self, zone: &ZoneDraft, faults: &mut Faults) -> Option<Rules> {
        let policy = self.policy(zone, faults)?;
        let settings = || self.sections(zone).map(|section| &section.settings);
        let default = Delays::default();
        let delay = |of: fn(&Settings) -> Option<Duration>, default: u64| {
            settings().find_map(of).map_or(default, |delay| delay.as_secs())
        };
        let delays = Delays {
            zone: zone.greatest_ttl().into(),
            ds: delay(|settings| settings.ds_ttl, default.ds),
            propagation: delay(|settings| settings.propagation, default.propagation),
            ..default
        };
        let wish = settings().find_map(|settings| settings.wish).unwrap_or_default();
        let lifetimes = lifetimes::of_zone(&self.sections(zone));
        Some(Rules { policy, delays, wish, lifetimes })
    }

    /// Returns the folder of keys.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the zones whose parents are asked for their DS records.
    pub(super) fn parents(&self, zones: &[ZoneDraft]) -> Vec<ParentSettings> {
        let parent = |zone: &ZoneDraft| {
            self.signs(zone)?;
            let servers = self.sections(zone).find_map(|section| section.settings.parent.clone())?;
            let (zone, folder) = (zone.origin.clone(), self.folder.clone());
            (!servers.is_empty()).then_some(ParentSettings { zone, servers, folder })
        };
        zones.iter().filter_map(parent).collect()
    }

    /// Returns how long signatures of a zone are valid. Reports settings that leave no time between two signatures.
    fn policy(&self, zone: &ZoneDraft, faults: &mut Faults) -> Option<Policy> {
        let sections = || self.sections(zone);
        let default = Policy::default();
        let of = |of: fn(&Settings) -> Option<Duration>, default: u64| {
            let set = sections().find_map(|section| of(&section.settings));
            set.map_or(default, |set| set.as_secs())
        };
        let (validity, refresh) =
            (of(|settings| settings.validity, default.validity()), of(|settings| settings.refresh, default.refresh()));
        let policy = Policy::try_new(validity, refresh);
        if policy.is_none()
            && let Some(section) = sections().next()
        {
            let [validity, refresh, window] =
                [validity, refresh, MIN_WINDOW].map(|seconds| Written(Duration::from_secs(seconds)));
            let message =
                format!("`validity` ({validity}) must be longer than `refresh` ({refresh}) by {window} at least");
            faults.push(Fault::error(&section.place, message, "").code(Code::Conflict));
        }
        policy
    }
}

impl ZoneDraft {
    /// Returns the greatest TTL of its answers in seconds.
    fn greatest_ttl(&self) -> u32 {
        let steered = self.owners.iter().filter_map(|owner| match &owner.kind {
            OwnerKind::Steered { name, .. } => Some(name.steering.ttls.calm()),
            OwnerKind::Reflect => None,
        });
        steered.chain(self.tree.as_ref().map(|tree| tree.greatest_ttl())).max().unwrap_or_default()
    }
}

/// Checks zones within signed zones, and zones within zones that say that they are signed: resolvers take what
/// contradicts the outer zone as forged.
pub(super) fn check_nesting(zones: &[ZoneDraft], keys: &HashMap<usize, Arc<ZoneKeys>>, faults: &mut Faults) {
    let is_presigned = |zone: &ZoneDraft| zone.tree.as_ref().is_some_and(|tree| tree.chain().is_some());
    // Where nothing is signed, nothing is rejected.
    if keys.is_empty() && !zones.iter().any(is_presigned) {
        return;
    }
    let by_origin: HashMap<Box<[u8]>, usize> =
        zones.iter().enumerate().map(|(number, zone)| (zone.origin.to_key(), number)).collect();
    for (number, zone) in zones.iter().enumerate() {
        let key = zone.origin.to_key();
        let Some(&outer) = suffixes(&key).skip(1).find_map(|above| by_origin.get(above)) else { continue };
        let Some(tree) = &zones[outer].tree else { continue };
        let delegates = suffixes(&key).take_while(|name| name.len() > tree.apex().as_wire().len());
        let is_cut = delegates.into_iter().any(|name| tree.rrset(name, Rtype::NS).is_some());
        let is_signed = keys.contains_key(&outer) || tree.chain().is_some();
        if is_signed && !is_cut {
            let message = format!("the zone {} is signed, but does not delegate {}", zones[outer].origin, zone.origin);
            let fault = Fault::error(&zone.place, message, "resolvers reject its answers").code(Code::Delegation);
            faults.push(fault.help(format!("give {} an NS record for it", zones[outer].origin)));
        }
        let ds = tree.rrset(&key, Rtype::DS);
        if let Some(why) = ds.and_then(|_| contradiction(tree, zone, keys.get(&number))) {
            let message = format!("{} holds DS records of {}, but {why}", zones[outer].origin, zone.origin);
            faults.push(Fault::error(&zone.place, message, "resolvers reject its answers").code(Code::Delegation));
        }
    }
}

/// Returns why the DS records of a zone that its parent holds contradict the zone; `None` if they do not.
fn contradiction(parent: &Tree, zone: &ZoneDraft, keys: Option<&Arc<ZoneKeys>>) -> Option<&'static str> {
    let node = parent.find(&zone.origin.to_key())?;
    let records = (0..).map_while(|place| parent.record(node, Rtype::DS, place));
    let Some(keys) = keys else {
        // What is wrong with a zone that has no tree was reported.
        let presigned = zone.tree.as_ref()?;
        if presigned.chain().is_none() {
            return Some("it is not signed");
        }
        let is_fit = records.into_iter().any(|record| has_key_of_ds(presigned, &record.rdata));
        return (!is_fit).then_some("none of them is that of a key in its file");
    };
    let entries = || keys.signing(Rtype::DNSKEY).iter().map(|key| key.public());
    let is_fit = records.into_iter().any(|record| entries().any(|key| key.is_in(&record.rdata, &zone.origin)));
    (!is_fit).then_some("none of them is that of a key that signs it")
}
