//! The version of the zones in control: proposals of this node go to the ledger, and the others hear what it serves.
//!
//! Control does not read files. The loop that does gets each decision of the fleet as [`Effect::Follow`], and says with
//! [`Event::Sight`](crate::control::Event::Sight) what became of it here.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use super::FleetTurn;
use crate::control::{Control, Effect};
use crate::health::{Identity, ZonesSight};
use crate::ledger::{Book, Content, Decision, Matter, Saying, Word};
use crate::printable::Printable;
use crate::versions::Releases;

/// Gets the decision about a proposal.
pub type ProposedReply = oneshot::Sender<Decision>;

/// A proposal of this node: what is to be current.
#[derive(Debug)]
pub struct Proposed {
    /// The proposal.
    pub releases: Releases,
    /// The versions that were current when it was made; `None` if none was.
    pub based_on: Option<Releases>,
    /// The author; may be empty.
    pub who: Box<str>,
    /// Gets the decision.
    pub reply: ProposedReply,
}

/// Something about the version of the zones that operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZonesNews {
    /// This node serves the version with this number from now on, which `who` pushed.
    Serves(u32, Box<str>),
    /// It does not serve this version, for this reason. It goes on with what it has.
    Refuses(u32, Box<str>),
    /// It began with this version, or without any, because the one that it served last cannot be used for this reason.
    FellBack(Option<u32>, Box<str>),
}

impl ZonesNews {
    /// The kind as one word, for events.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serves(..) => "zones",
            Self::Refuses(..) => "zones_refused",
            Self::FellBack(..) => "zones_old",
        }
    }

    /// True if nothing is wrong.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Serves(..))
    }
}

impl fmt::Display for ZonesNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serves(number, who) if who.is_empty() => write!(f, "serving version {number} of the zones"),
            Self::Serves(number, who) => {
                write!(f, "serving version {number} of the zones, pushed by {}", Printable(who))
            }
            Self::Refuses(number, why) => write!(
                f,
                "version {number} of the zones is not served here, and this node goes on with what it has: {}",
                Printable(why)
            ),
            Self::FellBack(Some(number), why) => {
                write!(
                    f,
                    "serving the earlier version {number} of the zones: the last one cannot be used: {}",
                    Printable(why)
                )
            }
            Self::FellBack(None, why) => {
                write!(f, "no version of the zones on disk can be used: {}", Printable(why))
            }
        }
    }
}

impl Control {
    /// Takes in a proposal.
    pub(in crate::control) fn propose(&mut self, proposed: Proposed, effects: &mut Vec<Effect>) {
        let Proposed { releases, based_on, who, reply } = proposed;
        let Some((waiting, ledger)) = self.fleet.as_mut().and_then(|fleet| {
            let ledger = fleet.ledger.as_mut()?;
            Some((&mut fleet.proposed, ledger))
        }) else {
            return;
        };
        let current = match ledger.content(&Matter::Zones) {
            Some(Content::Zones(current)) => Some(current),
            _ => None,
        };
        let refused = if !ledger.reads(Book::Zones) {
            Some(Decision::Refused(
                format!("this node does not read the stream of the zones now: {}", ledger.view().why).into(),
            ))
        } else if !waiting.is_empty() {
            Some(Decision::Refused("another version is being pushed at this node".into()))
        } else if current != based_on.as_ref() {
            Some(Decision::Overtaken)
        } else {
            None
        };
        if let Some(refused) = refused {
            return effects.push(Effect::Decided(reply, refused));
        }
        let (matter, content) = (Matter::Zones, Some(Content::Zones(releases)));
        ledger.say(Word { matter, content, who, saying: Saying::Proposal });
        if ledger.is_proposed(&Matter::Zones) {
            waiting.push_back(reply);
        } else {
            effects.push(Effect::Decided(reply, Decision::Refused("the fleet has too many orders".into())));
        }
    }

    /// Tells the authors of proposals what became of them.
    pub(super) fn tell_decisions(&mut self, effects: &mut Vec<Effect>) {
        let Some(fleet) = &mut self.fleet else { return };
        let Some(ledger) = &mut fleet.ledger else { return };
        for decision in ledger.take_decisions() {
            effects.extend(fleet.proposed.pop_front().map(|reply| Effect::Decided(reply, decision)));
        }
    }

    /// Tells the others and the operator which version of the zones this node serves.
    pub(in crate::control) fn sight_zones(
        &mut self,
        sight: ZonesSight,
        news: Option<ZonesNews>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(fleet) = &mut self.fleet else { return };
        effects.extend(news.map(|news| Effect::FleetTurn(FleetTurn::Zones(news))));
        fleet.zones = Some(sight.clone());
        if let Some(identity) = &fleet.identity {
            let identity = Identity { sight: Some(sight), ..identity.clone() };
            fleet.identity = Some(identity.clone());
            fleet.vantages.identify(identity, now);
        }
    }
}
