//! `truenorth dnssec rollover` and `ds-seen`: begin a roll-over, and record what the parent did.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::begin::{Begun, begin, refused};
use super::{Zone, parent, write};
use crate::clock;
use crate::config::{self, ParentSettings};
use crate::dnssec::key_file::KeyFiles;
use crate::dnssec::{
    Algorithm, Part, Refusal, Replacement, Role, Schedule, SigningKey, Timing, Wait, ZoneKeys, key_file,
};
use crate::report::Signs;
use crate::timestamp::rfc3339;

/// Number of steps that are told before they come. A roll-over has fewer.
const STEPS: usize = 24;

/// The arguments of `rollover`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rollover {
    #[command(flatten)]
    zone: Zone,
    /// Replace all keys by keys of this algorithm: ecdsap256sha256 or ed25519
    #[arg(long, value_parser = super::parse_algorithm, conflicts_with_all = ["zsk", "ksk", "csk"])]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    role: RoleFlags,
    /// Begin now. By default, the first step comes after the time of `propagation`, in which the files are copied
    #[arg(long)]
    now: bool,
}

/// The role of the key to replace, of which one can be given.
#[derive(Clone, Copy, Debug, Args)]
struct RoleFlags {
    /// Replace the zone-signing key. This is the default if the zone has one
    #[arg(long, conflicts_with_all = ["ksk", "csk"])]
    zsk: bool,
    /// Replace the key-signing key
    #[arg(long, conflicts_with = "csk")]
    ksk: bool,
    /// Replace the key that signs everything. This is the default if the zone has one
    #[arg(long)]
    csk: bool,
}

/// Makes the new keys of a roll-over, and gives old ones new times. Returns the report.
pub(super) fn rollover(arguments: &Rollover) -> Result<String, String> {
    let Rollover { zone, now: at_once, .. } = arguments;
    let (keys, folder) = (zone.keys()?, zone.settings()?.folder);
    let begun = begin(&keys, &folder, |keys, now| {
        let start = if *at_once { now } else { now + keys.delays().propagation };
        Some((arguments.replacement(keys), start))
    })?;
    let Begun { now, written, before: keys, after: next } = begun.ok_or("there is nothing to replace")?;
    let mut lines: Vec<String> = written.iter().map(|path| format!("wrote {}", path.display())).collect();
    let until = rfc3339(Duration::from_secs(now + keys.delays().propagation));
    lines.push(format!(
        "copy these files to every nameserver of the zone before {until}; each node reads them by itself"
    ));
    if !keys.foreign().is_empty() {
        lines.push(format!(
            "give the DNSKEY records in the .key files to the other providers of the zone: they must publish them before {until}"
        ));
    }
    let is_new = |key: &SigningKey| !keys.parts().any(|(old, _)| old.public() == key.public());
    let begun = next.parts().filter(|(key, part)| is_new(key) && (part.is_published || part.signs_records));
    let begun: Vec<String> = begun.map(|(key, part)| told(key, part)).collect();
    if !begun.is_empty() {
        lines.push(format!("{}  {}", rfc3339(Duration::from_secs(now)), begun.join("; ")));
    }
    lines.extend(steps(next));
    Ok(lines.join("\n"))
}

impl Rollover {
    fn replacement(&self, keys: &ZoneKeys) -> Replacement {
        let has_zone_key = keys.parts().any(|(key, part)| !key.public().is_entry() && part.signs_records);
        match self.algorithm {
            Some(algorithm) => Replacement::Algorithm(algorithm),
            None if self.role.ksk => Replacement::Role(Role::Ksk),
            None if self.role.csk => Replacement::Role(Role::Csk),
            None if self.role.zsk || has_zone_key => Replacement::Role(Role::Zsk),
            None => Replacement::Role(Role::Csk),
        }
    }
}

/// Tells the steps that come by themselves, and what they wait for after that.
fn steps(keys: ZoneKeys) -> Vec<String> {
    let mut lines = Vec::new();
    let mut keys = keys;
    for _ in 0..STEPS {
        let Some((time, next)) = keys.next() else { break };
        let changed = next.parts().zip(keys.parts()).filter(|((_, new), (_, old))| new != old);
        let changed: Vec<String> = changed.map(|((key, part), _)| told(key, part)).collect();
        lines.push(format!("{}  {}", rfc3339(Duration::from_secs(time)), changed.join("; ")));
        keys = next;
    }
    for (key, part) in keys.parts().filter(|(_, part)| part.wait == Some(Wait::Ds)) {
        let (zone, tag) = (keys.apex(), key.public().tag());
        let since = rfc3339(Duration::from_secs(part.waits_since));
        lines.push(format!(
            "from {since} on, the parent zone must hold the DS record of key {tag} instead of the old one: CDS and CDNSKEY ask \
             for it, and `truenorth dnssec ds {zone}` prints it. Once all its nameservers have it, run `truenorth dnssec \
             ds-seen {zone} {tag}`, unless `parent` lets a node look by itself"
        ));
    }
    lines
}

fn told(key: &SigningKey, part: &Part) -> String {
    format!("key {} {}, {}", key.public().tag(), part.state.as_str(), Signs::of(part))
}

/// Records that the parent holds the DS record of a key. Returns the report.
pub(super) fn ds_seen(zone: &Zone, tag: u16) -> Result<String, String> {
    let (keys, parent) = zone.keys_and_parent()?;
    let folder = zone.settings()?.folder;
    let ttl = match &parent {
        Some(parent) => confirm(&keys, parent, tag)?,
        None => 0,
    };
    let now = clock::unix_time();
    let written = config::record_ds(&folder, &keys, tag, now, ttl)?;
    let mut lines: Vec<String> = written.iter().map(|path| format!("wrote {}", path.display())).collect();
    lines.push("copy these files to every nameserver of the zone".to_owned());
    let stored = config::read_signing_keys(&folder, keys.apex())?;
    lines.extend(steps(keys.with_keys(stored, now).map_err(|error| error.to_string())?));
    Ok(lines.join("\n"))
}

/// Asks the parent. Returns the TTL of its DS records; fails if it does not hold that of the key, or others that must go.
fn confirm(keys: &ZoneKeys, parent: &ParentSettings, tag: u16) -> Result<u64, String> {
    let held = parent::ask(parent)?;
    match parent::agreed(keys, &held) {
        Some((seen, ttl)) if seen == tag => Ok(ttl),
        _ => Err(format!(
            "not all nameservers of the parent hold the DS record of key {tag} of {}, and none of the keys that it replaces",
            keys.apex()
        )),
    }
}

/// Copies the files of all keys that are in use to a folder. Returns the report: how other servers take them in.
pub(super) fn export(zone: &Zone, to: &Path) -> Result<String, String> {
    let (keys, name) = (zone.keys()?, &zone.zone);
    let probe = Schedule::begin(&keys.times_and_parts(), Replacement::Role(Role::Csk), 0, keys.delays());
    if let Err(refusal @ Refusal::UnderWay(..)) = probe {
        return Err(format!("{}. Other servers would not know how to end it", refused(&keys, refusal)));
    }
    let mut lines = Vec::new();
    for stored in config::read_keys(&zone.settings()?.folder, name)? {
        let public = stored.key.public();
        if !keys.parts().any(|(key, part)| key.public() == public && part.is_published) {
            continue;
        }
        let text = |path: &Path| {
            std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let stem = key_file::stem(name, public.algorithm().number(), public.tag()).ok_or("a key is gone")?;
        // Other programs need no record of the parent.
        let timing = Timing { ds_publish: None, ..stored.key.timing() };
        let private = key_file::with_times(&text(&stored.path.with_extension("private"))?, timing);
        let files = KeyFiles { stem, public: text(&stored.path)?, private };
        let path = write(to, &files)?;
        let (private, path) = (path.with_extension("private"), path.display());
        let (private, role) = (private.display(), if public.is_entry() { "KSK" } else { "ZSK" });
        lines.push(format!("wrote {path}\nwrote {private}"));
        lines.push("  BIND: copy both files to its `key-directory`".to_owned());
        lines.push(format!("  Knot DNS: keymgr {name} import-bind {path}"));
        lines.push(format!("  PowerDNS: pdnsutil import-zone-key {name} {private} {role}"));
    }
    lines.push("the parent zone holds, and goes on to hold:".to_owned());
    lines.extend(super::ds_lines(&keys));
    Ok(lines.join("\n"))
}
