//! `truenorth import`: writes the files of another server as files of truenorth.
//!
//! ```text
//!   files of another server ──► import ──► texts ──► check ──► standard output, or a folder
//!                                  └───────────────────└─────► standard error: what was carried over, and what was not
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::config_file::is_there;
use super::output;
use crate::config;
use crate::disk::Disk;
use crate::geoip;
use crate::import::{self, Imported};
use crate::printable::Printable;

/// Exit code: the arguments cannot be used.
const USAGE: u8 = 2;

/// Exit code: files were written, and something is not in them, or `check` has errors.
const INCOMPLETE: u8 = 3;

/// The server file, and what stands for it while a zone is checked alone.
const SERVER_FILE: &str = "truenorth.toml";
const SOME_SERVER: &str = "zones = \"zones\"\nstate = \"state\"\n[listen]\ndns = [\"127.0.0.1:5300\"]\n";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// Imports a configuration of gdnsd 3, with its zones
    Gdnsd {
        /// The folder of the configuration, such as /etc/gdnsd
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The file of forced states, such as /var/lib/gdnsd/admin_state
        #[arg(long, value_name = "FILE")]
        admin_state: Option<PathBuf>,
        #[command(flatten)]
        place: Destination,
    },
    /// Imports a zone in a master file, as BIND, Knot, NSD and others have it
    Bind {
        /// The master file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        zone: ZoneName,
        #[command(flatten)]
        place: Destination,
    },
    /// Imports a zone of Amazon Route 53, from what `aws route53 list-resource-record-sets` prints
    Route53 {
        /// The JSON file. It may have the health checks too
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The health checks, as `aws route53 list-health-checks` prints them
        #[arg(long, value_name = "FILE")]
        health_checks: Option<PathBuf>,
        #[command(flatten)]
        place: Destination,
    },
    /// Imports a zone of PowerDNS with LUA records: a master file, or what `pdnsutil list-zone` prints
    PowerdnsLua {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A GeoIP database that tells where the addresses of `pickclosest` are. May be given several times
        #[arg(long, value_name = "FILE")]
        geoip: Vec<PathBuf>,
        #[command(flatten)]
        zone: ZoneName,
        #[command(flatten)]
        place: Destination,
    },
}

/// The zone that a file holds.
#[derive(Debug, Args)]
struct ZoneName {
    /// The zone's name [default: the owner of its SOA record, with the file's name if that is relative]
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
}

/// Where the files go.
#[derive(Debug, Args)]
struct Destination {
    /// The folder for the files, which is that of the server file [default: standard output, if it is one file]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files that exist already
    #[arg(long, requires = "out")]
    overwrite: bool,
}

/// The reason why nothing was written, and the exit code.
type Refusal = (String, u8);

/// Returns exit code 1 if nothing was written, 2 if that is because of the arguments, and 3 if not everything was carried
/// over.
pub(super) fn run(Arguments { source }: &Arguments) -> ExitCode {
    let (imported, place) = match source {
        Source::Gdnsd { folder, admin_state, place } => (gdnsd(folder, admin_state.as_deref()), place),
        Source::Bind { file, zone, place } => {
            (import::bind(&file.display().to_string(), zone.zone.as_deref(), &read), place)
        }
        Source::Route53 { file, health_checks, place } => {
            let health_checks = health_checks.as_ref().map(|path| path.display().to_string());
            (import::route53(&file.display().to_string(), health_checks.as_deref(), &read), place)
        }
        Source::PowerdnsLua { file, geoip, zone, place } => (powerdns_lua(file, geoip, zone), place),
    };
    let done = imported.map_err(|why| (why, super::BAD)).and_then(|imported| finish(&imported, place));
    match done {
        Ok(code) => code,
        Err((why, code)) => {
            output::complain(format_args!("truenorth: {}", Printable(why)));
            ExitCode::from(code)
        }
    }
}

fn gdnsd(folder: &Path, admin_state: Option<&Path>) -> Result<Imported, String> {
    let zones = folder.join("zones");
    let entries = fs::read_dir(&zones).map_err(|error| format!("{}: {error}", zones.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", zones.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // gdnsd reads files whose names do not begin with a dot.
        if entry.path().is_file() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    let folder = folder.display().to_string();
    let admin_state = admin_state.map(|path| path.display().to_string());
    import::gdnsd(folder.trim_end_matches('/'), &names, admin_state.as_deref(), &read)
}

fn powerdns_lua(file: &Path, databases: &[PathBuf], zone: &ZoneName) -> Result<Imported, String> {
    let loaded = geoip::load(&Disk::new(), databases)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let locate = |address| {
        let place = loaded.locations.look_up(address).coordinates?;
        Some([place.latitude(), place.longitude()])
    };
    import::powerdns_lua(&file.display().to_string(), zone.zone.as_deref(), &locate, &read)
}

/// Reads a text. Octets of a file that is not UTF-8 become escape sequences of master files.
fn read(path: &str) -> Result<String, String> {
    let octets = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(String::from_utf8(octets).unwrap_or_else(|error| {
        let escaped =
            |octet: &u8| if octet.is_ascii() { char::from(*octet).to_string() } else { format!("\\{octet:03}") };
        error.as_bytes().iter().map(escaped).collect()
    }))
}

/// Writes the files, and tells what was carried over.
fn finish(imported: &Imported, place: &Destination) -> Result<ExitCode, Refusal> {
    let files: Vec<(&str, String)> = imported.files().collect();
    let faults = check(&files, place.out.as_deref()).map_err(|error| (error.to_string(), super::BAD))?;
    let report = imported.report.to_string();
    let is_whole = faults.is_none() && imported.report.is_complete();
    let code = if is_whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) };
    let Some(folder) = &place.out else {
        let [(_, text)] = &files[..] else {
            let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
            return Err((
                format!("there are {} files, {}: name a folder with --out", files.len(), paths.join(", ")),
                USAGE,
            ));
        };
        tell(faults.as_deref(), &report);
        return Ok(output::print(text.trim_end(), code));
    };
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| folder.join(path)).collect();
    if let Some(path) = paths.iter().find(|path| is_there(path)).filter(|_| !place.overwrite) {
        let why = format!("{} exists already: nothing was written. --overwrite replaces it", path.display());
        return Err((why, super::BAD));
    }
    for (path, (_, text)) in paths.iter().zip(&files) {
        write(path, text).map_err(|error| (format!("{}: {error}", path.display()), super::BAD))?;
    }
    tell(faults.as_deref(), &report);
    let paths: Vec<String> = paths.iter().map(|path| format!("wrote {}", path.display())).collect();
    Ok(output::print(paths.join("\n"), code))
}

/// Prints what `check` found, which escapes texts itself, and the report.
fn tell(faults: Option<&str>, report: &str) {
    if let Some(faults) = faults {
        output::complain(format_args!("{faults}\n`truenorth check` has errors in the new files, see above"));
    }
    output::complain(Lines(report));
}

/// Lines of a report, in which text of the source cannot act on the terminal.
struct Lines<'a>(&'a str);

impl std::fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, line) in self.0.lines().enumerate() {
            let end = if number > 0 { "\n" } else { "" };
            write!(f, "{end}{}", Printable(line))?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads the files as `truenorth check` does. Returns the faults with errors among them, with the paths that the files
/// will have; `None` if there are no errors.
fn check(files: &[(&str, String)], out: Option<&Path>) -> io::Result<Option<String>> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("zones"))?;
    if !files.iter().any(|(path, _)| *path == SERVER_FILE) {
        fs::write(folder.path().join(SERVER_FILE), SOME_SERVER)?;
    }
    for (path, text) in files {
        write(&folder.path().join(path), text)?;
    }
    let loaded = config::load(&folder.path().join(SERVER_FILE), &Disk::new(), &|_| None);
    Ok(loaded.err().map(|faults| {
        let out = out.map_or_else(String::new, |out| format!("{}/", out.display()));
        super::draw_faults(&faults).replace(&format!("{}/", folder.path().display()), &out)
    }))
}
