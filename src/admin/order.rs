//! Orders for the loop that reads the configuration, and their results.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::config::Faults;
use crate::control::{DynamicTxt, TxtError};
use crate::external_dns::{Changes, Records};
use crate::lease::{Asker, Claim, Claimed, LeaseId, LeaseRefusal, LeaseView, PoolChoice};
use crate::name::Name;
use crate::report::Summary;
use crate::snapshot::Snapshot;
use crate::vantage::NodeName;
use crate::versions::{Files, Release, Releases, ReleasesError};

/// An order for the loop that reads the configuration. The loop executes orders one after the other.
#[derive(Debug)]
pub enum Order {
    /// Read all files again.
    Reload {
        /// True if a configuration without a zone is accepted.
        may_be_empty: bool,
        /// Receives the result.
        reply: oneshot::Sender<Reloaded>,
    },
    /// List or change the TXT records that are set.
    Txt(TxtOrder, oneshot::Sender<Result<TxtDone, TxtError>>),
    /// List or change the records of external-dns.
    ExternalDns(ExternalDnsOrder),
    /// Show or change the versions of the zones that the fleet serves.
    Zones(ZonesOrder),
    /// List or change the leases of registered endpoints.
    Lease(LeaseOrder, oneshot::Sender<Result<LeaseDone, LeaseRefusal>>),
}

/// The receivers of orders. Those about leases have their own, so that endpoints that renew do not keep operators out.
#[derive(Debug)]
pub struct OrderReceivers {
    /// Orders of operators.
    pub orders: mpsc::Receiver<Order>,
    /// Orders about leases.
    pub leases: mpsc::Receiver<Order>,
}

/// An order about leases.
#[derive(Debug)]
pub enum LeaseOrder {
    /// List those of the pools that this may mean; all of them if it is `None`.
    List(Option<PoolChoice>),
    /// Show one lease.
    Show(PoolChoice, LeaseId),
    /// Give an endpoint a lease, or renew it.
    Claim(PoolChoice, LeaseId, Claim, Asker),
    /// End a lease after this time, during which the endpoint is drained.
    Release(PoolChoice, LeaseId, Duration, Asker),
}

/// The result of an order about leases.
#[derive(Debug)]
pub struct LeaseDone {
    /// The leases that it was about.
    pub leases: Vec<LeaseView>,
    /// The result of a claim.
    pub claimed: Option<Claimed>,
}

/// An order of external-dns.
#[derive(Debug)]
pub enum ExternalDnsOrder {
    /// List the zones and all their records.
    List(oneshot::Sender<Result<(Vec<Name>, Records), ExternalDnsError>>),
    /// Change records, as this caller asks. The reply has the first snapshot with the change; `None` if nothing changed.
    Change(Changes, Box<str>, oneshot::Sender<Result<Option<oneshot::Receiver<Arc<Snapshot>>>, ExternalDnsError>>),
}

/// The reason why an order of external-dns is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalDnsError {
    /// The configuration has no `[external_dns]`.
    NoZones,
    /// The records cannot be served, for this reason. Nothing changed.
    Unfit(String),
    /// The node cannot do it now, for this reason.
    Broken(String),
}

impl fmt::Display for ExternalDnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZones => f.write_str("external-dns keeps no records here: the server file has no `[external_dns]`"),
            Self::Unfit(why) | Self::Broken(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ExternalDnsError {}

/// An order about the versions of the zones.
#[derive(Debug)]
pub enum ZonesOrder {
    /// Show them.
    Show(oneshot::Sender<Result<ZonesView, ZonesError>>),
    /// Get the files of the version with this number, or of the one that a roll-back without a number leads to.
    Files(Option<u32>, oneshot::Sender<Result<(Release, Files), ZonesError>>),
    /// Check files, and make them a version that is current.
    Push(Box<ZonesPush>, oneshot::Sender<Result<ZonesPushed, ZonesError>>),
    /// Let the version that some nodes have first be that of all nodes, as this caller asks.
    Promote(Box<str>, oneshot::Sender<Result<Release, ZonesError>>),
}

/// The versions that are current, and the one that this node serves.
#[derive(Clone, Debug)]
pub struct ZonesView {
    /// The versions that are current in the fleet; `None` if nothing was pushed, or nothing was heard yet.
    pub current: Option<Releases>,
    /// The version that this node serves.
    pub serving: Option<Release>,
    /// A version that it is to serve and does not, with the reason.
    pub refused: Option<(u32, Box<str>)>,
}

/// Files that are to be a version.
#[derive(Clone, Debug)]
pub struct ZonesPush {
    /// The files.
    pub files: Files,
    /// The author.
    pub who: Box<str>,
    /// The author's comment.
    pub comment: Box<str>,
    /// The nodes that are to have it first; empty for all nodes at once.
    pub nodes: Vec<NodeName>,
    /// The number of the version that they were made from; `None` for the current one.
    pub based_on: Option<u32>,
    /// True if it may take the place of a version that some nodes have first, and of one that nobody expected.
    pub is_forced: bool,
    /// True if it becomes a version even if the current one has the same files.
    pub is_roll_back: bool,
    /// True if the files are only checked.
    pub dry_run: bool,
}

/// The result of a push.
#[derive(Debug)]
pub struct ZonesPushed {
    /// The version; `None` if the files were only checked.
    pub release: Option<Release>,
    /// True if nothing was to be done: the current version has the same files.
    pub is_same: bool,
    /// Warnings about the files.
    pub warnings: Faults,
    /// Zones that the version adds, changes and removes.
    pub zones: [Vec<String>; 3],
    /// The clients that move, as text; only if the files were only checked.
    pub effect: Option<String>,
}

/// Why an order about versions is refused. Nothing changed, unless it says that this is not known.
#[derive(Debug)]
pub enum ZonesError {
    /// This node does not take its zones from its fleet.
    NotTaken,
    /// The files have errors.
    Faults(Faults),
    /// It does not fit what is current.
    Releases(ReleasesError),
    /// It cannot be done now, for this reason.
    Broken(String),
}

impl From<ReleasesError> for ZonesError {
    fn from(error: ReleasesError) -> Self {
        Self::Releases(error)
    }
}

/// The result of a reload. If it fails, the old configuration stays in use because of these faults.
pub type Reloaded = Result<Loaded, Faults>;

/// A configuration that is about to be served.
#[derive(Debug)]
pub struct Loaded {
    /// The faults that do not prevent its use.
    pub warnings: Faults,
    /// A summary of its contents.
    pub summary: Summary,
    /// Receives the first snapshot of the configuration. Closes if another configuration replaces it before that.
    pub served: oneshot::Receiver<Arc<Snapshot>>,
}

/// An order about TXT records.
#[derive(Debug)]
pub enum TxtOrder {
    /// List them.
    List,
    /// Set a value until this Unix time in seconds, on behalf of somebody.
    Set(Name, String, u64, Box<str>),
    /// Set these values until this Unix time in seconds and remove all others of the name, on behalf of somebody.
    Replace(Name, Vec<String>, u64, Box<str>),
    /// Remove one value, or all of a name, on behalf of somebody.
    Unset(Name, Option<String>, Box<str>),
}

/// The result of an order about TXT records.
#[derive(Debug)]
pub struct TxtDone {
    /// All records that are set now.
    pub records: DynamicTxt,
    /// True if the values of a name were replaced that had none.
    pub is_first: bool,
    /// Receives the first snapshot with the change; `None` if nothing changed.
    pub served: Option<oneshot::Receiver<Arc<Snapshot>>>,
}
