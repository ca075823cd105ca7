//! One hop: a name that was looked up, and the result.

use serde::{Deserialize, Serialize};

use super::Beside;
use super::steering::SteeringShape;
use crate::answer::{Given, Hop, Resolution, Steered, Step, Synthesis};
use crate::geo::ClientMatch;
use crate::name::Name;
use crate::snapshot::Snapshot;

/// One hop of the resolution.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HopShape {
    pub(super) name: String,
    /// The apex of the zone that answers for the name.
    pub(super) zone: String,
    pub(super) region: Option<String>,
    pub(super) region_match: Option<String>,
    /// True if the client's network tells no place, such as a private one, so that the resolver's own address decides.
    #[serde(default)]
    pub(super) tells_no_place: bool,
    /// The deepest existing name at or above this one.
    pub(super) closest_encloser: String,
    /// The wildcard that answers for the name, if the name itself does not exist.
    pub(super) wildcard: Option<String>,
    pub(super) found: Found,
    /// The canonical name that it leads to.
    pub(super) target: Option<String>,
    /// Time for which the records, or the negative answer, may be cached, in seconds.
    pub(super) ttl: Option<u32>,
    pub(super) steering: Option<SteeringShape>,
}

/// The result of a look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Found {
    /// A zone cut; this is its name.
    Referral(String),
    /// A DNAME record; this is its owner.
    Dname(String),
    /// A DNAME record with this owner. With its target, the name would be too long.
    DnameTooLong(String),
    Cname,
    /// Static records of the asked type.
    Records,
    /// One RRset, for ANY.
    AnyRecords,
    Steered,
    Reflecting,
    NoRecords,
    NoSuchName,
}

impl HopShape {
    pub(super) fn new<'s>(
        snapshot: &'s Snapshot,
        resolution: &Resolution<'s>,
        hop: &Hop<'s>,
        beside: Option<Beside<'_>>,
    ) -> Self {
        let key = resolution.name(hop);
        let above = |length: usize| Name::from_wire(&key[key.len() - length..]);
        let client = resolution.client();
        let of_zone = &hop.zone.regions;
        let regions = hop.steered().map_or(of_zone, |steered| steered.plan.rule().regions(of_zone));
        let tells_no_place = client.tells_no_place(snapshot.locations(), regions);
        let ranked_by = hop.steered().map_or(client.address, |steered| steered.ranked_by);
        let location = snapshot.locations().look_up(ranked_by);
        let region = regions.get(regions.of(ranked_by, &location));
        let matching = region.and_then(|region| region.best_match(ranked_by, &location));
        let encloser = above(hop.encloser);
        let wildcard = hop.is_from_wildcard(key.len()).then(|| encloser.wildcard()).flatten();
        Self {
            name: above(key.len()).to_string(),
            zone: hop.zone.zone.apex().to_string(),
            region: region.map(|region| region.name.to_string()),
            region_match: matching.map(ClientMatch::to_string),
            tells_no_place,
            closest_encloser: encloser.to_string(),
            wildcard: wildcard.map(|wildcard| wildcard.to_string()),
            found: match &hop.step {
                Step::Referral { cut, .. } => Found::Referral(above(*cut).to_string()),
                Step::Dname { owner, synthesis: Synthesis::TooLong, .. } => {
                    Found::DnameTooLong(above(*owner).to_string())
                }
                Step::Dname { owner, .. } => Found::Dname(above(*owner).to_string()),
                Step::Cname(_) => Found::Cname,
                Step::Static(_) => Found::Records,
                Step::Any(_) => Found::AnyRecords,
                Step::Steered(_) => Found::Steered,
                Step::Reflect(_) => Found::Reflecting,
                Step::Nodata => Found::NoRecords,
                Step::NxDomain => Found::NoSuchName,
            },
            target: target(hop).map(Name::to_string),
            ttl: hop.ttl(),
            steering: hop.steered().map(|steered| {
                let steering = SteeringShape::new(snapshot, hop.zone, steered, client, &location);
                match beside {
                    Some(beside) => steering.beside(snapshot, steered.plan, beside),
                    None => steering,
                }
            }),
        }
    }
}

/// Returns the canonical name that a hop leads to; for a DNAME record, the name that replaces its owner.
fn target<'h>(hop: &'h Hop<'_>) -> Option<&'h Name> {
    match &hop.step {
        Step::Dname { dname: rrset, .. } | Step::Cname(rrset) => rrset.targets().first().map(|target| &target.name),
        Step::Steered(Steered { given: Given::Cname(target), .. }) => Some(target),
        _ => None,
    }
}
