//! Which version is for whom.
//!
//! ```text
//!            push                    push with canary nodes           promote
//!   for all ──────► the new one      ──────► for some: the new one    ──────► for all: that one
//!                                            for the others: as before
//!   roll back = push the files of an earlier version; it gets a number, and serials, of its own
//! ```

use std::fmt;
use std::time::Duration;

use super::bundle::{Digest, MAX_ENCODED};
use crate::vantage::NodeName;

/// Number of versions that can be rolled back to, the current ones included.
pub const KEPT: usize = 20;

/// Longest comment, and longest name of an author, in octets.
pub const MAX_COMMENT: usize = 512;

/// Most nodes that get a version first.
const MAX_NODES: usize = 256;

/// Most octets of a version.
const MOST: u32 = MAX_ENCODED as u32;

/// A version that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its number, from 1: as people say it.
    pub number: u32,
    /// Its digest.
    pub id: Digest,
    /// The digest of its files, without serials.
    pub files: Digest,
    /// Its octets.
    pub octets: u32,
    /// When it was pushed: time since the Unix epoch, in whole seconds.
    pub made_at: Duration,
    /// The author; may be empty.
    pub who: Box<str>,
    /// The author's comment; may be empty.
    pub comment: Box<str>,
}

/// A version that some nodes have before the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The version.
    pub release: Release,
    /// The nodes, in ascending order; not empty.
    pub nodes: Vec<NodeName>,
}

/// The versions that are current: one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Releases {
    stable: Option<Release>,
    canary: Option<Canary>,
    /// Those of before, the latest first.
    past: Vec<Release>,
}

/// Why something cannot become current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleasesError {
    /// It was made from another version than the one that is current. Holds the number of the current one; 0 if there is none.
    Overtaken(u32),
    /// Some nodes have a version first: it is to be promoted or rolled back before another one is pushed.
    CanaryRuns(Box<Canary>),
    /// No nodes have a version first.
    NoCanary,
    /// There is no version to go back to.
    NothingBefore,
    /// There is no such version, or it is no longer kept.
    Unknown(u32),
    /// The comment is too long or has control characters, or there are too many nodes.
    TooLong,
}

impl fmt::Display for ReleasesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overtaken(0) => {
                f.write_str("another version came first, and this one was not made from it: look at it, and push again")
            }
            Self::Overtaken(number) => write!(
                f,
                "version {number} is current by now, and this one was not made from it: look at it, and push again"
            ),
            Self::CanaryRuns(canary) => {
                let nodes: Vec<&str> = canary.nodes.iter().map(NodeName::as_str).collect();
                write!(
                    f,
                    "version {} is tried at {}: promote it or roll it back first",
                    canary.release.number,
                    nodes.join(", ")
                )
            }
            Self::NoCanary => f.write_str("no version is tried at some nodes, so there is none to promote"),
            Self::NothingBefore => f.write_str("there is no version before the current one"),
            Self::Unknown(number) => {
                write!(f, "there is no version {number}, or it is no longer kept: the last {KEPT} are")
            }
            Self::TooLong => {
                write!(
                    f,
                    "a comment is a line of at most {MAX_COMMENT} octets, and a version has at most {MAX_NODES} canary nodes"
                )
            }
        }
    }
}

impl std::error::Error for ReleasesError {}

impl Release {
    /// True if its texts fit into a message, together with those of all others.
    fn is_told_shortly(&self) -> bool {
        [&self.who, &self.comment].iter().all(|text| text.len() <= MAX_COMMENT && !text.contains(char::is_control))
    }
}

impl Releases {
    /// Reads what is current. Returns `None` if it cannot be.
    pub fn try_new(stable: Option<Release>, canary: Option<Canary>, past: Vec<Release>) -> Option<Self> {
        let all = || stable.iter().chain(canary.iter().map(|canary| &canary.release)).chain(&past);
        let is_right = |release: &Release| release.number > 0 && release.is_told_shortly() && release.octets <= MOST;
        let are_nodes = |canary: &Canary| {
            (1..=MAX_NODES).contains(&canary.nodes.len()) && canary.nodes.is_sorted_by(|one, next| one < next)
        };
        let is_valid = (stable.is_some() || canary.is_some())
            && past.len() < KEPT
            && canary.as_ref().is_none_or(are_nodes)
            && all().all(is_right);
        let mut numbers: Vec<u32> = all().map(|release| release.number).collect();
        numbers.sort_unstable();
        (is_valid && numbers.is_sorted_by(|one, next| one < next)).then_some(Self { stable, canary, past })
    }

    /// The version for all nodes, or for all but those that have another one first.
    pub fn stable(&self) -> Option<&Release> {
        self.stable.as_ref()
    }

    /// The version that some nodes have first.
    pub fn canary(&self) -> Option<&Canary> {
        self.canary.as_ref()
    }

    /// Earlier versions, the latest first.
    pub fn past(&self) -> &[Release] {
        &self.past
    }

    /// The versions that are served somewhere.
    pub fn current(&self) -> impl Iterator<Item = &Release> {
        self.stable.iter().chain(self.canary.iter().map(|canary| &canary.release))
    }

    /// The version that this node is to serve; `None` if it has its own files until then.
    pub fn wanted(&self, node: &NodeName) -> Option<&Release> {
        let canary = self.canary.as_ref().filter(|canary| canary.nodes.contains(node));
        canary.map(|canary| &canary.release).or(self.stable.as_ref())
    }

    /// The version with this number, if it is kept.
    pub fn find(&self, number: u32) -> Option<&Release> {
        self.current().chain(&self.past).find(|release| release.number == number)
    }

    /// The number of the latest version.
    pub fn latest(&self) -> u32 {
        self.current().chain(&self.past).map(|release| release.number).max().unwrap_or_default()
    }

    /// The version whose files come back if no number is named: the one for all nodes while some have another one first, else
    /// the latest one before with other files.
    pub fn before(&self) -> Result<&Release, ReleasesError> {
        let stable = self.stable.as_ref().ok_or(ReleasesError::NothingBefore)?;
        if self.canary.is_some() {
            return Ok(stable);
        }
        let other = self.past.iter().find(|release| release.files != stable.files);
        other.ok_or(ReleasesError::NothingBefore)
    }

    /// Makes a version current, for all nodes or for these first. Its number is to be the next one. While some nodes have a
    /// version first, that fails unless this one `replaces` it.
    pub fn push(
        before: Option<&Self>,
        release: Release,
        mut nodes: Vec<NodeName>,
        replaces: bool,
    ) -> Result<Self, ReleasesError> {
        nodes.sort_unstable();
        nodes.dedup();
        if nodes.len() > MAX_NODES || !release.is_told_shortly() {
            return Err(ReleasesError::TooLong);
        }
        let (mut stable, canary, past) = before
            .map_or((None, None, &[][..]), |before| (before.stable.clone(), before.canary.clone(), &before.past[..]));
        if let Some(canary) = canary.as_ref().filter(|_| !replaces) {
            return Err(ReleasesError::CanaryRuns(Box::new(canary.clone())));
        }
        let mut gone: Vec<Release> = canary.map(|canary| canary.release).into_iter().collect();
        let canary = if nodes.is_empty() {
            gone.extend(stable.replace(release));
            None
        } else {
            Some(Canary { release, nodes })
        };
        Ok(Self { stable, canary, past: after(gone, past) })
    }

    /// Makes the version that some nodes have first the one of all nodes.
    pub fn promote(&self) -> Result<Self, ReleasesError> {
        let canary = self.canary.clone().ok_or(ReleasesError::NoCanary)?;
        let past = after(self.stable.clone().into_iter().collect(), &self.past);
        Ok(Self { stable: Some(canary.release), canary: None, past })
    }
}

/// Returns the earlier versions once these are among them.
fn after(mut gone: Vec<Release>, past: &[Release]) -> Vec<Release> {
    gone.extend_from_slice(past);
    gone.sort_by_key(|release| std::cmp::Reverse(release.number));
    gone.truncate(KEPT - 2);
    gone
}
