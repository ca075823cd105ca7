//! The versions of the zones of a fleet in JSON and as text, and requests to push them.

use std::fmt::{self, Write};
use std::time::Duration;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::status::FleetStatus;
use super::table::{RED, TextTable, YELLOW, span};
use super::text::Few;
use crate::printable::Printable;
use crate::timestamp::rfc3339;
use crate::vantage::NodeName;
use crate::versions::{FilePath, Files, FilesError, Release, Releases};

/// Hexadecimal digits of a digest that tables show.
const SHOWN_DIGITS: usize = 8;

/// A version of the zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonesRelease {
    /// Its number.
    pub version: u32,
    /// The digest of its files and serials.
    pub id: String,
    /// The digest of its files: two versions with the same files have the same one.
    pub files: String,
    /// Its size in octets.
    pub octets: u32,
    /// When it was pushed: Unix time in seconds.
    pub time: u64,
    /// The author.
    pub who: String,
    /// Their comment.
    pub comment: String,
}

/// The versions of the zones, as a node knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonesList {
    /// The present Unix time in seconds.
    pub time: u64,
    /// The version for all nodes; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current: Option<ZonesRelease>,
    /// The version that some nodes have first; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub canary: Option<ZonesCanary>,
    /// Earlier versions, the latest first.
    pub past: Vec<ZonesRelease>,
    /// The number of the version that this node serves; absent if it serves its own files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serves: Option<u32>,
    /// A version that it is to serve and does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refuses: Option<ZonesRefusal>,
}

/// A version that some nodes have first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonesCanary {
    /// The nodes.
    pub nodes: Vec<String>,
    /// The version.
    #[serde(flatten)]
    pub release: ZonesRelease,
}

/// A version that a node does not serve, though it is to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonesRefusal {
    /// Its number.
    pub version: u32,
    /// The reason.
    pub why: String,
}

/// Files that are to be a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonesPushOrder {
    /// The files.
    pub files: Vec<ZonesFile>,
    /// Its author's comment.
    #[serde(default)]
    pub comment: String,
    /// The author.
    #[serde(default)]
    pub who: String,
    /// The nodes that are to have it first. Empty: all nodes have it at once.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// The number of the version that it was made from. Absent: the one that is current.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub based_on: Option<u32>,
    /// True if it may take the place of a version that some nodes have first, or that its author does not know.
    #[serde(default)]
    pub force: bool,
    /// True if the files are only checked.
    #[serde(default)]
    pub dry_run: bool,
}

/// An order to bring the files of an earlier version back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonesRollBack {
    /// Its number. Absent: the version for all nodes while some have another one first, else the latest one before with other
    /// files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u32>,
    /// The author's comment.
    #[serde(default)]
    pub comment: String,
    /// The author.
    #[serde(default)]
    pub who: String,
    /// True if the files are only checked.
    #[serde(default)]
    pub dry_run: bool,
}

/// An order to let all nodes have the version that some have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonesPromotion {
    /// The author.
    #[serde(default)]
    pub who: String,
}

/// A file of a version: text, or octets as Base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonesFile {
    /// Its path in the zones folder.
    pub path: String,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// Its octets, if they are no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub base64: Option<String>,
}

/// The result of a push, or why there is none. `F` is the type of faults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZonesPushResult<F> {
    /// The reason why nothing was pushed, which the problem tells; absent if it was.
    #[serde(skip_serializing, default)]
    pub detail: Option<String>,
    /// The version that is current now; absent if nothing was pushed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release: Option<ZonesRelease>,
    /// True if nothing was to be done: the current version has the same files.
    #[serde(default)]
    pub unchanged: bool,
    /// All faults of the files.
    pub faults: F,
    /// Zones that are new.
    #[serde(default)]
    pub added: Vec<String>,
    /// Zones whose files differ.
    #[serde(default)]
    pub changed: Vec<String>,
    /// Zones that are gone.
    #[serde(default)]
    pub removed: Vec<String>,
    /// The clients that move, as text; only if the files were only checked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub effect: Option<String>,
}

/// The result of a push, and the version that each node serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZonesReport<F> {
    /// The result at the node that it was sent to.
    #[serde(flatten)]
    pub pushed: ZonesPushResult<F>,
    /// The nodes that take their zones from the fleet.
    pub nodes: Vec<ZonesOfNode>,
}

/// The version that a node serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonesOfNode {
    /// The node.
    pub node: String,
    /// The number of its version; absent if none came yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serves: Option<u32>,
    /// A version that it is to serve and does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refuses: Option<ZonesRefusal>,
}

impl ZonesRelease {
    /// A version.
    pub fn new(release: &Release) -> Self {
        let Release { number, id, files, octets, made_at, who, comment } = release;
        Self {
            version: *number,
            id: id.to_string(),
            files: files.to_string(),
            octets: *octets,
            time: made_at.as_secs(),
            who: who.to_string(),
            comment: comment.to_string(),
        }
    }
}

impl ZonesFile {
    /// A file with these octets.
    pub fn new(path: &FilePath, octets: &[u8]) -> Self {
        let text = str::from_utf8(octets).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| BASE64.encode(octets));
        Self { path: path.to_string(), text, base64 }
    }
}

impl ZonesPushOrder {
    /// Returns the files. Fails with the reason why they cannot be a version.
    pub fn read_files(&self) -> Result<Files, String> {
        let told = |error: FilesError| error.to_string();
        let file = |ZonesFile { path, text, base64 }: &ZonesFile| {
            let octets = match (text, base64) {
                (Some(text), None) => text.as_bytes().to_vec(),
                (None, Some(base64)) => {
                    BASE64.decode(base64.as_bytes()).map_err(|error| format!("the Base64 of {path}: {error}"))?
                }
                _ => return Err(format!("{path} needs either `text` or `base64`")),
            };
            Ok((FilePath::try_new(path).map_err(told)?, octets.into()))
        };
        let files = self.files.iter().map(file).collect::<Result<Vec<_>, _>>()?;
        Files::try_new(files).map_err(told)
    }

    /// Returns the nodes that are to have it first. Fails if one cannot be a node.
    pub fn read_nodes(&self) -> Result<Vec<NodeName>, String> {
        let node = |text: &String| NodeName::try_new(text).ok_or_else(|| format!("`{text}` is not the name of a node"));
        self.nodes.iter().map(node).collect()
    }
}

impl ZonesList {
    /// The list of what is current.
    pub fn new(
        current: Option<&Releases>,
        serves: Option<&Release>,
        refuses: Option<&(u32, Box<str>)>,
        time: u64,
    ) -> Self {
        let canary = current.and_then(Releases::canary).map(|canary| ZonesCanary {
            nodes: canary.nodes.iter().map(ToString::to_string).collect(),
            release: ZonesRelease::new(&canary.release),
        });
        Self {
            time,
            current: current.and_then(Releases::stable).map(ZonesRelease::new),
            canary,
            past: current.map(Releases::past).unwrap_or_default().iter().map(ZonesRelease::new).collect(),
            serves: serves.map(|release| release.number),
            refuses: refuses.map(|(version, why)| ZonesRefusal { version: *version, why: why.to_string() }),
        }
    }
}

impl fmt::Display for ZonesList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, current, canary, past, serves, refuses } = self;
        match (serves, refuses) {
            (_, Some(ZonesRefusal { version, why })) => {
                writeln!(f, "this node refuses version {version}: {}", Printable(why))?;
            }
            (Some(serves), None) => writeln!(f, "this node serves version {serves}")?,
            (None, None) => writeln!(f, "this node serves its own files: no version came yet")?,
        }
        let mut table = TextTable::new(&["VERSION", "FOR", "FILES", "PUSHED", "BY", "COMMENT"]);
        let mut push = |release: &ZonesRelease, whom: String| {
            let ago = format!(
                "{} ago, {}",
                span(time.saturating_sub(release.time)),
                rfc3339(Duration::from_secs(release.time))
            );
            let digest = release.files.chars().take(SHOWN_DIGITS).collect();
            let said = [&release.who, &release.comment].map(|text| Printable(text).to_string());
            let [who, comment] = said;
            table.push(vec![release.version.to_string(), whom, digest, ago, who, comment], "");
        };
        if let Some(ZonesCanary { nodes, release }) = canary {
            push(release, nodes.join(", "));
        }
        if let Some(current) = current {
            push(current, if canary.is_some() { "all others" } else { "all nodes" }.to_owned());
        }
        for release in past {
            push(release, String::new());
        }
        f.write_str(table.text(false).trim_end())
    }
}

impl<F> ZonesPushResult<F> {
    /// A result without a version and without changes.
    pub fn refused(faults: F) -> Self {
        let (added, changed, removed) = (Vec::new(), Vec::new(), Vec::new());
        Self { detail: None, release: None, unchanged: false, faults, added, changed, removed, effect: None }
    }
}

impl<F: fmt::Display> fmt::Display for ZonesPushResult<Vec<F>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { detail, release, unchanged, faults, added, changed, removed, effect } = self;
        faults.iter().try_for_each(|fault| writeln!(f, "{fault}\n"))?;
        if let Some(detail) = detail {
            return f.write_str(detail);
        }
        match release {
            Some(release) if *unchanged => {
                return write!(f, "nothing to push: version {} has the same files", release.version);
            }
            Some(release) => write!(f, "version {} is current", release.version)?,
            None => f.write_str("checked; nothing was pushed")?,
        }
        for (what, zones) in [("added", added), ("changed", changed), ("removed", removed)] {
            if !zones.is_empty() {
                write!(f, "\n{what}: {}", Few(zones))?;
            }
        }
        effect.as_ref().map_or(Ok(()), |effect| write!(f, "\n{effect}"))
    }
}

impl FleetStatus {
    /// True if all nodes that are heard have told what they run.
    pub fn is_told(&self) -> bool {
        self.vantage_points.iter().all(|point| point.leaves || point.version.is_some())
    }

    /// The nodes that take the zones from the fleet, with the versions that they serve. Those that stop are left out.
    pub fn zones(&self) -> Vec<ZonesOfNode> {
        self.vantage_points.iter().filter(|point| !point.leaves).filter_map(|point| point.zones.clone()).collect()
    }
}

/// The versions that nodes serve, as a table.
pub fn zones_table(nodes: &[ZonesOfNode], wanted: u32, for_terminal: bool) -> String {
    let mut table = TextTable::new(&["NODE", "SERVES"]);
    for node in nodes {
        let color = match (&node.refuses, node.serves) {
            (Some(_), _) => RED,
            (None, Some(serves)) if serves == wanted => "",
            (None, _) => YELLOW,
        };
        table.push(vec![node.node.clone(), node.told()], color);
    }
    table.text(for_terminal)
}

impl ZonesOfNode {
    /// The version that is served, and the one that is refused with its reason.
    pub fn told(&self) -> String {
        let mut told = self.serves.map_or_else(|| "its own files".to_owned(), |serves| serves.to_string());
        if let Some(ZonesRefusal { version, why }) = &self.refuses {
            let _ = write!(told, ", refuses {version}: {}", Printable(why));
        }
        told
    }
}
