//! `truenorth dnssec`: makes and shows the keys that zones are signed with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use data_encoding::HEXUPPER;

use super::config_file::ConfigFile;
use super::load::Loader;
use crate::clock;
use crate::config::{self, DnssecSettings};
use crate::disk::Disk;
use crate::dnssec::key_file::{self, KeyFiles};
use crate::dnssec::{Algorithm, KEY_TTL, SigningKey, Stage};
use crate::name::Name;
use crate::report::{self, Question};

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
    /// Lists the signed zones of the configuration, with their keys
    Status {
        #[command(flatten)]
        config: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

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
        Dnssec::Create { zone, algorithm } => create(zone, *algorithm),
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
        config::load_dnssec(&self.config.path(), &self.zone).map_err(|faults| super::draw_faults(&faults))
    }
}

fn create(zone: &Zone, algorithm: Option<Algorithm>) -> Result<String, String> {
    let settings = zone.settings()?;
    let (name, folder) = (&zone.zone, settings.folder.display());
    if settings.folder.exists() && !config::read_keys(&settings.folder, name)?.is_empty() {
        return Err(format!("{folder} holds a key of {name} already"));
    }
    let files = key_file::create(name, algorithm.unwrap_or(settings.algorithm), clock::unix_time());
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

/// Returns the DS records of all entry points of a zone, one on each line.
fn ds(zone: &Zone, settings: &DnssecSettings) -> Result<String, String> {
    let keys = config::read_keys(&settings.folder, &zone.zone)?;
    let now = clock::unix_time();
    let is_fit = |key: &&SigningKey| key.public().is_entry() && key.timing().stage(now) != Stage::Absent;
    let line = |key: &SigningKey| {
        let (rdata, public) = (key.public().ds(&zone.zone), key.public());
        let digest = HEXUPPER.encode(&rdata[4..]);
        format!("{} {KEY_TTL} IN DS {} {} {} {digest}", zone.zone, public.tag(), public.algorithm().number(), rdata[3])
    };
    let lines: Vec<String> = keys.iter().filter(is_fit).map(line).collect();
    if lines.is_empty() {
        return Err(format!(
            "{} holds no key of {} that a DS record can refer to",
            settings.folder.display(),
            zone.zone
        ));
    }
    Ok(lines.join("\n"))
}

fn status(path: &Path, json: bool) -> Result<String, String> {
    let loaded = Loader::new(path).load(&Disk::new(), &|_| None, None);
    let loaded = loaded.map_err(|faults| super::draw_faults(&faults))?;
    Ok(report::render(&report::Signing::of(loaded.blueprint.world()), json))
}
