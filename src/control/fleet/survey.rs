//! The fleet and its opinions, for display.

use std::collections::HashMap;
use std::sync::Arc;

use super::agreement::quorum;
use crate::control::Control;
use crate::health::{Agreement, FleetSurvey, Opinion, OrdersSurvey, Share, Target, Weight};
use crate::ledger::LedgerView;
use crate::vantage::{NodeName, QuestionId};
use crate::watch::TargetId;

/// With more opinions than this, a survey leaves out those about targets that everybody sees up.
const MAX_SURVEYED: usize = 100_000;

impl Control {
    /// Returns the opinions of the vantage points on a target, as a sentence. `None` if this node decides about it alone.
    pub(in crate::control) fn opinions(&self, target: TargetId) -> Option<Box<str>> {
        let fleet = self.fleet.as_ref()?;
        self.watch.agreed_since(target)?;
        let witnesses = fleet.vantages.witnesses(QuestionId(self.watch.target(target)?.question()));
        Some(crate::health::Opinions(&witnesses).to_string().into())
    }

    /// This node's place in its fleet, on control's clock.
    pub(in crate::control) fn fleet_survey(&self) -> Option<FleetSurvey> {
        let fleet = self.fleet.as_ref()?;
        Some(FleetSurvey {
            node: fleet.vantages.me().node.shared(),
            is_connected: fleet.link.is_up,
            link: fleet.link.text.clone(),
            since: fleet.link.since,
            vantage_points: fleet.vantages.vantage_points(),
            overruled: self.watch.overruled(),
            is_arriving: fleet.vantages.is_arriving(),
            orders: fleet.ledger().map(|ledger| {
                let LedgerView { is_shared, why, orders, waiting } = ledger.view();
                OrdersSurvey { apart: (!is_shared).then_some(why), known: orders, waiting }
            }),
        })
    }

    /// Returns the agreement of the vantage points on each target about which this node does not decide alone.
    pub(in crate::control) fn agreements(&self) -> HashMap<Arc<Target>, Agreement> {
        let (Some(fleet), Some(serving)) = (&self.fleet, &self.serving) else { return HashMap::new() };
        let of_fleet = serving.snapshot.world().probing.quorum;
        let ids: Vec<QuestionId> = fleet.questions.keys().copied().collect();
        let is_large = fleet.vantages.rows() > MAX_SURVEYED;
        let told: Vec<QuestionId> = if is_large {
            let is_of_note = |opinions: &Vec<Opinion>| opinions.iter().any(|opinion| *opinion != Some(Share::FULL));
            let opinions = fleet.vantages.opinions(&ids);
            ids.into_iter().zip(opinions).filter(|(_, opinions)| is_of_note(opinions)).map(|(id, _)| id).collect()
        } else {
            ids
        };
        let agreement = |(question, target): (QuestionId, TargetId)| {
            let watched = self.watch.target(target)?;
            let agreed = self.watch.agreed_since(target)?;
            let witnesses = fleet.vantages.witnesses(question);
            let counted = witnesses.iter().filter(|it| it.weight == Weight::Counts).count();
            let health = self.watch.decided(target);
            let own = self.last_probes.get(target).filter(|own| own.health.state() == health.state());
            let assigned = fleet.vantages.assigned(question);
            let agreement = Agreement {
                health,
                since: own.map_or(agreed, |own| own.since),
                needed: quorum(watched, of_fleet).of(counted),
                witnesses,
                assigned: assigned.map(|nodes| nodes.iter().map(NodeName::shared).collect()),
            };
            Some((watched.target().clone(), agreement))
        };
        let targets = told.into_iter().flat_map(|id| fleet.questions[&id].iter().map(move |&target| (id, target)));
        targets.filter_map(agreement).collect()
    }
}
