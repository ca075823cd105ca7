//! `truenorth init`: asks five questions and writes a server file and a zone file that can be served.
//!
//! ```text
//!   flags ──┐
//!           ├──► answers ──► two texts ──► files that did not exist ──► check ──► what to do next
//!   dialogue┘   fit together                                              │
//!                                                                         └ errors ──► removed again
//! ```
//!
//! If there is a server file already, it stays as it is, and only a zone file is written.

mod answers;
mod files;
mod questions;

use std::fs::{self, File};
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::config_file::{ConfigFile, is_there};
use super::load::{Loaded, Loader};
use super::output;
use crate::config::{self, Faults};
use crate::disk::Disk;
use crate::printable::Printable;
use crate::report;
use answers::{Answers, Datacenter, Endpoints, Nameserver, Origin, Probe};
use files::{SCHEMAS, ServerFile, ZoneFile};

/// Exit code: the arguments cannot be used.
const USAGE: u8 = 2;

/// The port of DNS, and a port that needs no privileges.
const DNS_PORT: u16 = 53;
const TRIAL_PORT: u16 = 5300;

/// The folder of the zones beside a new server file.
const ZONES: &str = "zones";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The zone that is delegated to this server: gslb.example.com
    #[arg(long, value_name = "NAME")]
    zone: Option<Origin>,
    /// A nameserver of the zone with its addresses: ns1=192.0.2.53,2001:db8::53. May be given several times
    #[arg(long, value_name = "NAME=ADDR,...")]
    nameserver: Vec<Nameserver>,
    /// A datacenter with its latitude and longitude: fra=50.11,8.68. May be given several times
    #[arg(long, value_name = "NAME=LAT,LON")]
    datacenter: Vec<Datacenter>,
    /// The addresses of the service in a datacenter: fra=198.51.100.10,198.51.100.11. Give it once for each datacenter
    #[arg(long, value_name = "DATACENTER=ADDR,...")]
    endpoints: Vec<Endpoints>,
    /// The probe of endpoints: http:80/healthz, https:443/healthz, tcp:443 or none
    #[arg(long, value_name = "CHECK")]
    check: Option<Probe>,
    /// The name of the service below the zone
    #[arg(long, value_name = "NAME", default_value = "www", value_parser = questions::read_service)]
    service: String,
    /// An address that a new server file listens on [default: port 53 of those nameserver addresses that this machine
    /// has, else 127.0.0.1:5300 and [::1]:5300]. May be given several times
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// The GeoIP database of a new server file [default: the one that comes with truenorth]
    #[arg(long, value_name = "FILE")]
    geoip: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// The reason why nothing was written.
enum Refusal {
    /// The arguments cannot be used.
    Usage(String),
    /// The files could not be written, or there was no answer.
    Failed(String),
    /// The configuration has these faults.
    Faulty(Faults),
}

/// Returns exit code 1 if nothing was written, and 2 if that is because of the arguments.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut input = io::stdin().lock();
    let input: Option<&mut dyn BufRead> = if io::stdin().is_terminal() { Some(&mut input) } else { None };
    match init(arguments, input) {
        Ok(told) => output::print(told.trim_end(), ExitCode::SUCCESS),
        Err(refusal) => {
            let (why, code) = match refusal {
                Refusal::Usage(why) => (why, USAGE),
                Refusal::Failed(why) => (why, super::BAD),
                Refusal::Faulty(faults) => {
                    super::print_faults(&faults);
                    ("the configuration has errors, so nothing was written".to_owned(), super::BAD)
                }
            };
            output::complain(format_args!("truenorth: {}", Printable(why)));
            ExitCode::from(code)
        }
    }
}

/// Writes the files, and returns what to do next.
fn init(arguments: &Arguments, input: Option<&mut dyn BufRead>) -> Result<String, Refusal> {
    let server_path = arguments.config.path();
    let destination = Destination::of(&server_path)?;
    destination.check(arguments, &server_path)?;
    let is_free = |origin: &Origin| {
        let taken = ["toml", "zone"]
            .map(|ending| destination.zones.join(format!("{origin}.{ending}")))
            .into_iter()
            .find(|path| is_there(path));
        taken.map_or(Ok(()), |path| Err(format!("{} exists already, and is not overwritten", path.display())))
    };
    let answers = questions::answer(arguments, input, is_free)?;
    let zone_path = destination.zones.join(format!("{}.toml", answers.origin));
    let schemas = Path::new(SCHEMAS).exists();
    let mut written = Written::default();
    let mut located = destination.located;
    if destination.is_new {
        let listen = listen(arguments, &answers);
        let geoip = database(arguments);
        located = geoip.is_some();
        let server = ServerFile { listen: &listen, geoip: geoip.as_deref(), schemas };
        written.write(&server_path, &server.render())?;
    }
    let zone = ZoneFile { answers: &answers, service: &arguments.service, located, schemas };
    written.write(&zone_path, &zone.render())?;

    let Loaded { server, blueprint, warnings, .. } =
        Loader::new(&server_path).load(&Disk::new(), &|_| None, None).map_err(|faults| {
            written.undo();
            Refusal::Faulty(faults)
        })?;
    super::print_faults(&warnings);
    let listen = server.listen.dns;
    let next = Next { arguments, answers: &answers, server: &server_path, listen: &listen, is_new: destination.is_new };
    let files: Vec<String> = written.files.iter().map(|path| path.display().to_string()).collect();
    Ok(format!("wrote {}\n\n{}\n\n{}", files.join(" and "), report::Summary::of(blueprint.world()), next.render()))
}

/// The place for the files.
struct Destination {
    /// The folder of the zones.
    zones: PathBuf,
    /// True if there is no server file yet.
    is_new: bool,
    /// True if the server file names a database.
    located: bool,
}

impl Destination {
    /// Finds the place for the files. Fails if there is a server file that cannot be loaded.
    fn of(server: &Path) -> Result<Self, Refusal> {
        if !is_there(server) {
            let zones = server.parent().unwrap_or(Path::new("")).join(ZONES);
            return Ok(Self { zones, is_new: true, located: false });
        }
        let config = config::load(server, &Disk::new(), &|_| None).map_err(Refusal::Faulty)?;
        Ok(Self { zones: config.server.zones, is_new: false, located: !config.server.databases.is_empty() })
    }

    /// Fails if a flag is for a new server file and there is one already.
    fn check(&self, arguments: &Arguments, server: &Path) -> Result<(), Refusal> {
        let Arguments { listen, geoip, .. } = arguments;
        let surplus = [("--listen", !listen.is_empty()), ("--geoip", geoip.is_some())];
        match surplus.into_iter().find(|(_, is_given)| *is_given && !self.is_new) {
            Some((flag, _)) => {
                let why = format!(
                    "{flag} is only for a new server file, and {} exists already: edit it instead",
                    server.display()
                );
                Err(Refusal::Usage(why))
            }
            None => Ok(()),
        }
    }
}

/// Returns the addresses for `listen` in a new server file.
fn listen(arguments: &Arguments, answers: &Answers) -> Vec<SocketAddr> {
    if !arguments.listen.is_empty() {
        return arguments.listen.clone();
    }
    // The kernel binds a port only on addresses of this machine.
    let is_here = |address: &SocketAddr| TcpListener::bind((address.ip(), 0)).is_ok();
    let addresses = answers.nameservers.iter().flat_map(|nameserver| &nameserver.addresses);
    let mine: Vec<SocketAddr> = addresses.map(|&address| (address, DNS_PORT).into()).filter(is_here).collect();
    if !mine.is_empty() {
        return mine;
    }
    let loopback = [(Ipv4Addr::LOCALHOST, TRIAL_PORT).into(), (Ipv6Addr::LOCALHOST, TRIAL_PORT).into()];
    // A machine without IPv6 has no ::1.
    loopback.into_iter().filter(|address: &SocketAddr| address.is_ipv4() || is_here(address)).collect()
}

/// Returns the absolute path of the database for a new server file. It is absolute because the server file may be in
/// any folder.
fn database(arguments: &Arguments) -> Option<PathBuf> {
    let found = arguments.geoip.clone().or_else(super::database::find)?;
    Some(std::path::absolute(&found).unwrap_or(found))
}

/// The files and folders that were created.
#[derive(Default)]
struct Written {
    files: Vec<PathBuf>,
    /// From the outermost in.
    folders: Vec<PathBuf>,
}

impl Written {
    /// Writes a new file. If that fails, also removes everything that was written before.
    fn write(&mut self, path: &Path, text: &str) -> Result<(), Refusal> {
        self.try_write(path, text).map_err(|error| {
            self.undo();
            Refusal::Failed(format!("cannot write {}: {error}; nothing was written", path.display()))
        })
    }

    fn try_write(&mut self, path: &Path, text: &str) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let missing: Vec<&Path> =
            folder.ancestors().take_while(|path| path != &Path::new("") && !path.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.folders.push(folder.to_owned());
        }
        let mut file = File::create_new(path)?;
        self.files.push(path.to_owned());
        file.write_all(text.as_bytes())
    }

    /// Removes everything that was written. A folder that is not empty stays.
    fn undo(&mut self) {
        for file in self.files.drain(..) {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The next steps of the operator.
struct Next<'a> {
    arguments: &'a Arguments,
    answers: &'a Answers,
    server: &'a Path,
    listen: &'a [SocketAddr],
    is_new: bool,
}

impl Next<'_> {
    fn render(&self) -> String {
        let Self { arguments, answers, server, listen, is_new } = self;
        let Answers { origin, nameservers, .. } = answers;
        // The commands find this file in the current folder without an option.
        let config = match server.to_str() {
            Some("truenorth.toml") => String::new(),
            _ => format!(" --config {}", server.display()),
        };
        let mut lines = vec!["Next:".to_owned(), format!("  truenorth check{config}    # after each edit")];
        if *is_new {
            lines.push(format!("  truenorth serve{config}"));
        } else {
            lines.push("  truenorth status    # a running node reads the new zone within seconds".to_owned());
        }
        // Port 0 is not known yet: the kernel chooses a port at the start.
        if let Some(address) = listen.iter().find(|address| address.port() != 0) {
            let port = if address.port() == DNS_PORT { String::new() } else { format!(" -p {}", address.port()) };
            lines.push(format!("  dig @{}{port} {}.{origin}", address.ip(), arguments.service));
        }
        if listen.iter().any(|address| address.port() == DNS_PORT) {
            lines.push("Port 53 needs root, systemd's unit, or a capability of the binary.".to_owned());
        }
        lines.push(format!("To delegate the zone, add these records to {}:", origin.parent()));
        let records = nameservers.iter().map(|nameserver| {
            let name = nameserver.absolute(origin);
            let of_address = |address: &std::net::IpAddr| {
                format!("  {name}  {}  {address}", if address.is_ipv4() { "A" } else { "AAAA" })
            };
            let glue: Vec<String> = nameserver.addresses.iter().map(of_address).collect();
            (format!("  {origin}.  NS  {name}"), glue)
        });
        let (names, glue): (Vec<String>, Vec<Vec<String>>) = records.unzip();
        lines.into_iter().chain(names).chain(glue.into_iter().flatten()).collect::<Vec<_>>().join("\n")
    }
}
