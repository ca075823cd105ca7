//! `truenorth dnssec`: makes, replaces and shows the keys that zones are signed with.

pub(super) mod begin;
pub(super) mod parent;
mod rollover;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use data_encoding::HEXUPPER;

use super::config_file::ConfigFile;
use super::copies;
use super::load::Loader;
use crate::clock;
use crate::config::{self, DnssecSettings, ParentSettings};
use crate::disk::Disk;
use crate::dnssec;
use crate::dnssec::key_file::{self, KeyFiles, NewKey};
use crate::dnssec::{Algorithm, KEY_TTL, Rules, ZoneKeys};
use crate::name::Name;
use crate::report::{self, Question};
use rollover::Rollover;

/// The commands of `dnssec`.
#[derive(Debug, Subcommand)]
pub(super) enum Dnssec {
    /// Makes a key for a zone that has none, and prints the DS record for the parent zone
    Create {
        #[command(flatten)]
        zone: Zone,
        /// The algorithm: ecdsap256sha256 or ed25519. By default the files decide
        #[arg(long, value_parser = parse_algorithm)]
        algorithm: Option<Algorithm>,
        /// TTL of DNSKEY, CDS and CDNSKEY records, in seconds
        #[arg(long, default_value_t = KEY_TTL, value_parser = clap::value_parser!(u32).range(1..=MAX_TTL))]
        ttl: u32,
    },
    /// Begins to replace keys: makes the next ones, with the times of each step
    Rollover(Rollover),
    /// Records that all nameservers of the parent zone hold the DS record of a key, and none of those that it replaces
    DsSeen {
        #[command(flatten)]
        zone: Zone,
        /// The tag of the key
        #[arg(value_name = "TAG")]
        tag: u16,
    },
    /// Copies the keys in use to a folder, and says how BIND, Knot DNS and PowerDNS take them in
    Export {
        #[command(flatten)]
        zone: Zone,
        /// The folder
        #[arg(value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Copies keys in the form of BIND into the folder of keys
    Import {
        #[command(flatten)]
        zone: Zone,
        /// A file of each key, such as Kexample.com.+013+55648.private. The other one is beside it
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Prints the DS records of a zone, for the parent zone
    Ds(Zone),
    /// Lists the signed zones of the configuration, with their keys, the next step and what they wait for
    Status {
        #[command(flatten)]
        config: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Greatest TTL of new keys, in seconds: a day.
const MAX_TTL: i64 = 86_400;

/// A zone of a configuration.
#[derive(Debug, Args)]
pub(super) struct Zone {
    /// The zone. It is absolute, with or without a final dot
    #[arg(value_name = "ZONE", value_parser = Question::parse_name)]
    zone: Name,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
pub(super) fn run(command: &Dnssec) -> ExitCode {
    let report = match command {
        Dnssec::Create { zone, algorithm, ttl } => create(zone, *algorithm, *ttl),
        Dnssec::Rollover(arguments) => rollover::rollover(arguments),
        Dnssec::DsSeen { zone, tag } => rollover::ds_seen(zone, *tag),
        Dnssec::Export { zone, to } => rollover::export(zone, to),
        Dnssec::Import { zone, files } => import(zone, files),
        Dnssec::Ds(zone) => zone.settings().and_then(|settings| ds(zone, &settings)),
        Dnssec::Status { config, json } => status(&config.path(), *json),
    };
    super::print(report)
}

fn parse_algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::from_mnemonic(text).ok_or_else(|| "expected ecdsap256sha256 or ed25519".to_owned())
}

impl Zone {
    fn settings(&self) -> Result<DnssecSettings, String> {
        let path = self.config.path();
        config::load_dnssec(&path, &self.zone, copies::of_command(&path).as_ref())
            .map_err(|faults| super::draw_faults(&faults))
    }

    /// Reads the whole configuration. Returns the keys of the zone, and its parent, if the configuration names it. Fails
    /// with the faults, or if the zone is not signed.
    fn keys_and_parent(&self) -> Result<(ZoneKeys, Option<ParentSettings>), String> {
        let loaded = Loader::of_command(&self.config.path()).load(&Disk::new(), &|_| None, None);
        let mut loaded = loaded.map_err(|faults| super::draw_faults(&faults))?;
        let spec = loaded.blueprint.spec(&self.zone);
        let keys = spec.and_then(|spec| spec.keys.as_ref());
        let keys = keys.ok_or_else(|| format!("the configuration does not sign {}", self.zone))?;
        let parent = loaded.server.parents.iter().position(|parent| parent.zone == self.zone);
        let keys = keys.at(clock::unix_time());
        Ok((keys, parent.map(|parent| loaded.server.parents.swap_remove(parent))))
    }

    fn keys(&self) -> Result<ZoneKeys, String> {
        self.keys_and_parent().map(|(keys, _)| keys)
    }

    /// Returns the DS records for the keys of a zone that its file has signed; `None` for other zones.
    fn ds_of_file(&self) -> Option<Vec<String>> {
        let loaded = Loader::new(&self.config.path()).load(&Disk::new(), &|_| None, None).ok()?;
        let tree = &loaded.blueprint.spec(&self.zone)?.tree;
        tree.chain()?;
        Some(dnssec::ds_of_file(tree).iter().map(|ds| ds_line(tree.apex(), ds)).collect())
    }
}

fn create(zone: &Zone, algorithm: Option<Algorithm>, ttl: u32) -> Result<String, String> {
    let settings = zone.settings()?;
    let (name, folder) = (&zone.zone, settings.folder.display());
    if settings.folder.exists() && !config::read_keys(&settings.folder, name)?.is_empty() {
        return Err(format!("{folder} holds a key of {name} already"));
    }
    let new = NewKey::first(algorithm.unwrap_or(settings.algorithm), ttl, clock::unix_time());
    let files = new.create(name);
    let files =
        files.ok_or_else(|| format!("no file can bear the name of {name}, or the system has no random octets"))?;
    let path = write(&settings.folder, &files)?;
    let ds = ds(zone, &settings)?;
    Ok(format!(
        "wrote {} and the private key beside it\n\
         copy both to every nameserver of the zone, and let all of them serve it signed; then give the parent zone:\n{ds}",
        path.display()
    ))
}

fn import(zone: &Zone, files: &[PathBuf]) -> Result<String, String> {
    let settings = zone.settings()?;
    let mut lines = Vec::new();
    for file in files {
        let [public, private] = ["key", "private"].map(|extension| {
            let path = file.with_extension(extension);
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        });
        let (public, private) = (public?, private?);
        let key =
            key_file::read(&zone.zone, &public, &private).map_err(|error| format!("{} {error}", file.display()))?;
        let stem = key_file::stem(&zone.zone, key.public().algorithm().number(), key.public().tag());
        let stem = stem.ok_or_else(|| format!("no file can bear the name of {}", zone.zone))?;
        let path = write(&settings.folder, &KeyFiles { stem, public, private })?;
        lines.push(format!("wrote {} and the private key beside it", path.display()));
    }
    Ok(lines.join("\n"))
}

fn write(folder: &Path, files: &KeyFiles) -> Result<PathBuf, String> {
    config::write_key(folder, files)
        .map_err(|error| format!("cannot write {} in {}: {error}", files.stem, folder.display()))
}

/// Returns the DS records that the parent zone of a zone is to hold, one on each line. The zone may not be served yet.
fn ds(zone: &Zone, settings: &DnssecSettings) -> Result<String, String> {
    let keys = if let Ok(keys) = zone.keys() {
        keys
    } else if let Some(lines) = zone.ds_of_file() {
        return Ok(lines.join("\n"));
    } else {
        let stored = config::read_signing_keys(&settings.folder, &zone.zone)?;
        let keys = ZoneKeys::try_new(&zone.zone, stored, Rules::default(), clock::unix_time());
        keys.map_err(|error| {
            format!("{} cannot be signed with the keys in {}: {error}", zone.zone, settings.folder.display())
        })?
    };
    let lines = ds_lines(&keys);
    if lines.is_empty() {
        let folder = settings.folder.display();
        return Err(format!("{folder} holds no key of {} that a DS record can refer to yet", zone.zone));
    }
    Ok(lines.join("\n"))
}

fn ds_lines(keys: &ZoneKeys) -> Vec<String> {
    // The parent holds the DS records of all providers (RFC 8901, section 2.1.2).
    let foreign = keys.foreign().iter().filter(|key| key.is_entry()).map(|key| key.ds(keys.apex()));
    keys.offered().map(|key| key.public().ds(keys.apex())).chain(foreign).map(|ds| ds_line(keys.apex(), &ds)).collect()
}

/// Returns a DS record of a zone with this RDATA.
fn ds_line(zone: &Name, ds: &[u8]) -> String {
    let digest = HEXUPPER.encode(&ds[4..]);
    format!("{zone} {KEY_TTL} IN DS {} {} {} {digest}", u16::from_be_bytes([ds[0], ds[1]]), ds[2], ds[3])
}

fn status(path: &Path, json: bool) -> Result<String, String> {
    let loaded = Loader::of_command(path).load(&Disk::new(), &|_| None, None);
    let loaded = loaded.map_err(|faults| super::draw_faults(&faults))?;
    Ok(report::render(&report::Signing::of(loaded.blueprint.world()), json))
}
