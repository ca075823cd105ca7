//! The pools of an entry: one, or one for each datacenter.

use super::members::{DraftMembers, Held, read_members};
use super::{PoolScope, discovered, registered};
use crate::config::code::Code;
use crate::config::decode::{Placed, TomlTable, Value};
use crate::config::fault::{Fault, Faults};
use crate::geo::DatacenterId;
use crate::snapshot::{Bounds, Source};

/// A pool of an entry.
pub(super) struct Part {
    /// Its datacenter.
    pub(super) place: Option<(String, DatacenterId)>,
    pub(super) members: DraftMembers,
    /// Which endpoints come and go in it; `None` if none do.
    pub(super) taking: Option<Bounds>,
}

/// Which endpoints come and go in the pools of an entry.
pub(super) enum Taking {
    Nothing,
    /// The same in all of its pools.
    All(Bounds),
    /// Those of a source for each datacenter.
    ByDatacenter(Vec<(Placed<String>, Bounds)>),
}

impl Taking {
    /// Reads `registered` and `discover`. `probed` is true if the pool has a monitor. `None` if there is a fault, which was
    /// reported.
    pub(super) fn read(
        registered: Option<&Value<'_>>,
        discover: Option<&Value<'_>>,
        probed: bool,
        faults: &mut Faults,
    ) -> Option<Self> {
        if let (Some(registered), Some(discover)) = (registered, discover) {
            let message = "endpoints either register themselves or are discovered";
            let fault = Fault::error(&discover.anchor(), message, "a source").code(Code::Conflict);
            faults.push(
                fault.related(&registered.anchor(), "they register").help("make two pools, and name both in `pools`"),
            );
        }
        match (registered, discover) {
            (None, None) => Some(Self::Nothing),
            (Some(registered), _) => registered::read(registered, probed, faults).map(Self::All),
            (None, Some(discover)) => match discovered::by_datacenter(discover, faults) {
                None => discovered::read(discover, probed, faults).map(Self::All),
                Some(sources) => {
                    let read = |source: &Value<'_>, faults: &mut Faults| {
                        Some((source.name(), discovered::read(source, probed, faults)?))
                    };
                    let sources: Vec<_> = sources.iter().map(|source| read(source, faults)).collect();
                    sources.into_iter().collect::<Option<_>>().map(Self::ByDatacenter)
                }
            },
        }
    }

    /// True if the files need not list endpoints.
    pub(super) fn is_some(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// True if each datacenter has a source of its own.
    pub(super) fn is_by_datacenter(&self) -> bool {
        matches!(self, Self::ByDatacenter(_))
    }

    fn of(&self, datacenter: Option<&str>) -> Option<Bounds> {
        match self {
            Self::Nothing => None,
            Self::All(bounds) => Some(bounds.clone()),
            Self::ByDatacenter(sources) => sources
                .iter()
                .find(|(name, _)| Some(name.value.as_str()) == datacenter)
                .map(|(_, bounds)| bounds.clone()),
        }
    }

    fn datacenters(&self) -> &[(Placed<String>, Bounds)] {
        match self {
            Self::ByDatacenter(sources) => sources,
            Self::Nothing | Self::All(_) => &[],
        }
    }
}

/// Reads a pool whose endpoints are in one list, or in none. `None` if they have a fault, which was reported.
pub(super) fn read_one(
    endpoints: Option<&Value<'_>>,
    place: Option<(String, DatacenterId)>,
    scope: &PoolScope<'_>,
    probed: bool,
    taking: &Taking,
    faults: &mut Faults,
) -> Option<Part> {
    let taking = taking.of(None);
    let members = match endpoints {
        Some(endpoints) => read_members(endpoints, scope, Held { probed, registered: taking.is_some() }, faults)?,
        // All endpoints may be registered ones.
        None => DraftMembers::Addresses(Vec::new()),
    };
    Some(Part { place, members, taking })
}

/// Reads `endpoints.fra = [...]`, one for each datacenter, and the pools of datacenters that have a source alone.
pub(super) fn read_each(
    endpoints: Option<&Value<'_>>,
    scope: &PoolScope<'_>,
    probed: bool,
    taking: &Taking,
    faults: &mut Faults,
) -> Vec<Part> {
    let listed = match endpoints {
        Some(endpoints) if endpoints.is_list() => {
            let message = "`endpoints` is one list, and `discover` has a source for each datacenter";
            let fault = Fault::error(&endpoints.anchor(), message, "which datacenter?").code(Code::Conflict);
            faults.push(fault.help("write `endpoints.DATACENTER = [...]`"));
            return Vec::new();
        }
        Some(endpoints) => endpoints.table("endpoints", faults).map(TomlTable::into_values).unwrap_or_default(),
        None => Vec::new(),
    };
    if let Some(endpoints) = endpoints.filter(|_| listed.is_empty() && !taking.is_by_datacenter()) {
        faults.push(Fault::error(&endpoints.anchor(), "a pool needs endpoints", "none").code(Code::Pool));
    }
    let mut parts: Vec<Part> = Vec::new();
    for part in &listed {
        let datacenter = scope.datacenters.find(&part.name(), faults).and_then(|definition| definition.value);
        let taking = taking.of(Some(part.key));
        let members = read_members(part, scope, Held { probed, registered: taking.is_some() }, faults);
        if let (Some(id), Some(members)) = (datacenter, members) {
            parts.push(Part { place: Some((part.key.to_owned(), id)), members, taking });
        }
    }
    for (name, bounds) in taking.datacenters() {
        if listed.iter().any(|part| part.key == name.value) {
            continue;
        }
        if let Some(id) = scope.datacenters.find(name, faults).and_then(|definition| definition.value) {
            let (place, members) = (Some((name.value.clone(), id)), DraftMembers::Addresses(Vec::new()));
            parts.push(Part { place, members, taking: Some(bounds.clone()) });
        }
    }
    parts
}

/// Reports an entry with several datacenters whose one source cannot tell them apart: a file has labels for that, the
/// others have not.
pub(super) fn check_source(parts: &[Part], taking: &Taking, value: &Value<'_>, faults: &mut Faults) {
    let Taking::All(Bounds { source: Some(source), .. }) = taking else { return };
    if parts.len() > 1 && !matches!(source, Source::File(_)) {
        let message = "a source other than a file lists the endpoints of one datacenter";
        let fault = Fault::error(&value.anchor(), message, "several datacenters").code(Code::Conflict);
        faults.push(fault.help("give each datacenter a source: `discover.DATACENTER = { ... }`"));
    }
}
