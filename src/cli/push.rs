//! `truenorth push`: gives all nodes of the fleet the same zones.
//!
//! The files are checked here, if there is a server file, and by the node that they are sent to. Then the command waits until
//! every node that is heard serves the version, or refuses it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use reqwest::Method;

use super::ask::{Answer, Ask, AskError};
use super::config_file::is_there;
use super::load::Loader;
use super::log::has_colours;
use super::overrides::who;
use super::{BAD, output, print_faults};
use crate::config::{Fault, Faults, Severity, read_folder};
use crate::disk::Disk;
use crate::report::{
    FleetView, ToldFault, ZonesFile, ZonesOfNode, ZonesPromotion, ZonesPushOrder, ZonesPushResult, ZonesRelease,
    ZonesReport, ZonesRollBack, zones_table,
};

const PATH: &str = "/v1/zones";

/// Time between two looks at the fleet.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The word for the version before the current one.
const BEFORE: &str = "before";

/// The version whose files come back; `None` for the one before.
#[derive(Clone, Copy, Debug)]
struct Back(Option<u32>);

impl FromStr for Back {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == BEFORE {
            return Ok(Self(None));
        }
        text.parse().map(|number| Self(Some(number))).map_err(|_| "write the number of a version, such as 7".to_owned())
    }
}

/// The arguments of `push`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder with the zones. By default that of the server file
    #[arg(value_name = "DIR", conflicts_with_all = ["rollback", "promote"])]
    folder: Option<PathBuf>,
    /// Bring the files of this version back. Without a number, those of the version before; while some nodes have a version
    /// first, that of the others
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = BEFORE, conflicts_with = "promote")]
    rollback: Option<Back>,
    /// Let all nodes have the version that some have first
    #[arg(long)]
    promote: bool,
    /// A comment on the version, for others
    #[arg(long, short = 'm', default_value = "", conflicts_with = "promote")]
    comment: String,
    /// Let only this node have the version until it is promoted or rolled back. May be given several times
    #[arg(long, value_name = "NAME", conflicts_with_all = ["rollback", "promote"])]
    canary_node: Vec<String>,
    /// Push only if the version with this number is still the latest; 0 if there is to be none
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["rollback", "promote"])]
    based_on: Option<u32>,
    /// Take the place of a version that some nodes have first, and of a later one than `--based-on`
    #[arg(long, conflicts_with_all = ["rollback", "promote"])]
    force: bool,
    /// Check the files, show which clients they move, and push nothing
    #[arg(long, conflicts_with = "promote")]
    dry_run: bool,
    /// How long to wait until all nodes serve the version
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = super::status::parse_interval)]
    wait: Duration,
    #[command(flatten)]
    ask: Ask,
}

/// The result, with what became of it at the nodes.
type Pushed = ZonesPushResult<Vec<ToldFault>>;

/// Returns exit code 1 if nothing was pushed, or a node does not serve the version.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    if arguments.ask.names_several() {
        let why = "a version that is sent to one node reaches all: name one with --node";
        return AskError::Refused(why.to_owned()).exit();
    }
    match push(arguments) {
        Ok(pushed) if pushed.detail.is_some() => arguments.ask.print(&pushed, ToString::to_string, ExitCode::from(BAD)),
        Ok(pushed) => finish(arguments, pushed),
        Err(error) => error.exit(),
    }
}

fn push(arguments: &Arguments) -> Result<Pushed, AskError> {
    let Arguments { rollback, promote, comment, canary_node, based_on, force, dry_run, ask, .. } = arguments;
    if *promote {
        let order = ZonesPromotion { who: who() };
        return ask.order(Method::POST, &format!("{PATH}/promote"), &order).and_then(Answer::shape);
    }
    let (comment, who, dry_run) = (comment.clone(), who(), *dry_run);
    if let Some(Back(version)) = *rollback {
        let order = ZonesRollBack { version, comment, who, dry_run };
        return ask.order(Method::POST, &format!("{PATH}/rollback"), &order).and_then(Answer::shape_of_any);
    }
    let (nodes, based_on, force) = (canary_node.clone(), *based_on, *force);
    let files = read(arguments)?;
    let order = ZonesPushOrder { files, comment, who, nodes, based_on, force, dry_run };
    ask.order(Method::POST, PATH, &order).and_then(Answer::shape_of_any)
}

/// Reads the files, and checks them as far as this machine can.
fn read(arguments: &Arguments) -> Result<Vec<ZonesFile>, AskError> {
    let config = arguments.ask.config();
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => crate::config::load_zones_folder(&config).map_err(AskError::Faults)?,
    };
    let files = read_folder(&folder, &Disk::new()).map_err(AskError::Faults)?;
    if is_there(&config) {
        check(&config, &folder)?;
    }
    Ok(files.iter().map(|(path, octets)| ZonesFile::new(path, octets)).collect())
}

/// Checks the files together with the server file of this machine. Errors of the server file itself do not matter: the node
/// has its own.
fn check(config: &Path, folder: &Path) -> Result<(), AskError> {
    let loaded = Loader::in_folder(config, folder).load(&Disk::new(), &|_| None, None);
    let Err(Faults(faults)) = loaded else { return Ok(()) };
    let is_in_folder = |fault: &Fault| fault.place.as_ref().is_some_and(|place| place.source.path.starts_with(folder));
    let errors: Vec<Fault> =
        faults.into_iter().filter(|fault| fault.severity == Severity::Error && is_in_folder(fault)).collect();
    if errors.is_empty() {
        output::complain(format_args!("{} has errors, so the zones are checked by the node alone", config.display()));
        return Ok(());
    }
    print_faults(&Faults(errors));
    Err(AskError::Refused("the zones have errors, so nothing was pushed".to_owned()))
}

/// Waits until the nodes serve the version, and prints the result.
fn finish(arguments: &Arguments, pushed: Pushed) -> ExitCode {
    let Arguments { canary_node, wait, ask, .. } = arguments;
    let Some(release) = pushed.release.clone() else {
        return ask.print(&pushed, ToString::to_string, ExitCode::SUCCESS);
    };
    let nodes = match await_nodes(ask, &release, canary_node, *wait) {
        Ok(nodes) => nodes,
        Err(error) => return error.exit(),
    };
    let lacks = |node: &&ZonesOfNode| node.serves != Some(release.version) && is_meant(node, canary_node);
    let (all, missing) = (nodes.len(), nodes.iter().filter(lacks).count());
    let code = if missing == 0 { ExitCode::SUCCESS } else { ExitCode::from(BAD) };
    let text = |ZonesReport { pushed, nodes }: &ZonesReport<Vec<ToldFault>>| {
        let table = zones_table(nodes, release.version, has_colours(&io::stdout()));
        format!("{pushed}\n{}", table.trim_end())
    };
    let code = ask.print(&ZonesReport { pushed, nodes }, text, code);
    if missing > 0 {
        let version = release.version;
        output::complain(format_args!("truenorth: {missing} of {all} nodes do not serve version {version}"));
    }
    code
}

/// Returns the nodes of the fleet once each serves the version or refuses it, or when the time is over.
fn await_nodes(
    ask: &Ask,
    release: &ZonesRelease,
    canaries: &[String],
    wait: Duration,
) -> Result<Vec<ZonesOfNode>, AskError> {
    let began = Instant::now();
    loop {
        let view: FleetView = ask.get("/v1/fleet", &[]).and_then(Answer::shape)?;
        let nodes = view.fleet.zones();
        let is_decided = |node: &ZonesOfNode| {
            let refuses = node.refuses.as_ref().is_some_and(|refused| refused.version == release.version);
            refuses || node.serves == Some(release.version) || !is_meant(node, canaries)
        };
        if view.fleet.is_told() && nodes.iter().all(is_decided) || began.elapsed() >= wait {
            return Ok(nodes);
        }
        sleep(LOOK_EVERY);
    }
}

/// True if the version is for this node.
fn is_meant(node: &ZonesOfNode, canaries: &[String]) -> bool {
    canaries.is_empty() || canaries.contains(&node.node)
}
