//! Control's effects as operators read them, in the log and as events.

use tracing::field::display;
use tracing::{error, info, warn};

use super::{FleetTurn, HoldTurn, NodeEvent, Overruled, Part, Turn};
use crate::health::State;
use crate::overrides::{Change, Happening, Override};
use crate::printable::Printable;
use crate::timestamp::rfc3339;
use crate::watch::FailStaticEvent;

/// Logs that an endpoint or one of its probes changed. Returns the event, unless it is one of several probes.
pub(super) fn turn(turn: Turn) -> Option<NodeEvent> {
    let Turn { target, of, is_inverted, pools, monitors, from: _, to, seen, witnesses } = &turn;
    let (seen, fleet) = (seen.as_ref().map(display), witnesses.as_ref().map(display));
    let (pools, monitors) = (pools.join(", "), monitors.join(", "));
    let is = match to {
        State::Down => "down",
        State::Degraded(share) if !share.is_some() => "drained",
        State::Degraded(_) => "degraded",
        State::Up | State::Unknown => "up",
    };
    let share = match to {
        State::Degraded(share) => Some(display(share)),
        _ => None,
    };
    let (check, endpoint) = (target.monitor.check.as_str(), target.address.host());
    let inverted = is_inverted.then_some(true);
    match (of, is) {
        (Part::One, _) => {
            info!(probe = %target, check, monitor = %monitors, %pools, seen, fleet, share, "a probe of the endpoint is {is}");
        }
        (Part::Whole, "up") => {
            info!(%endpoint, %pools, probe = %target, check, monitor = %monitors, inverted, seen, fleet, "endpoint is up");
        }
        (Part::Whole, _) => {
            warn!(
                %endpoint, %pools, probe = %target, check, monitor = %monitors, inverted, seen, fleet, share, "endpoint is {is}"
            );
        }
        (Part::Dependents(endpoints), "up") => {
            info!(
                endpoints, %pools, probe = %target, check, monitor = %monitors, inverted, seen, fleet,
                "endpoints are up by what they depend on"
            );
        }
        (Part::Dependents(endpoints), _) => {
            warn!(
                endpoints, %pools, probe = %target, check, monitor = %monitors, inverted, seen, fleet, share,
                "endpoints are {is} by what they depend on"
            );
        }
        (Part::Only, "up") => info!(endpoint = %target, %pools, seen, fleet, "endpoint is up"),
        (Part::Only, _) => warn!(endpoint = %target, %pools, seen, fleet, share, "endpoint is {is}"),
    }
    (turn.of != Part::One).then_some(NodeEvent::Turn(turn))
}

/// Logs that answers do not follow this node's own probes.
pub(super) fn overruled(Overruled { target, own, seen, witnesses }: &Overruled) {
    let own = if *own == State::Down { "down" } else { "up" };
    info!(endpoint = %target, %seen, fleet = %witnesses, "this node's probes see the endpoint {own}, the fleet does not");
}

/// Logs what happened in the fleet, and returns the event.
pub(super) fn fleet(turn: FleetTurn) -> NodeEvent {
    match &turn {
        FleetTurn::Connected(server) => info!(%server, "connected to the fleet"),
        FleetTurn::Disconnected(why) => {
            warn!(%why, "not connected to the fleet: answers follow what this node sees and last heard");
        }
        FleetTurn::News(news) if news.is_good() => info!("{news}"),
        FleetTurn::News(news) => warn!("{news}"),
        FleetTurn::Orders(news) if news.is_good() => info!("{}", Printable(news)),
        FleetTurn::Orders(news) => warn!("{}", Printable(news)),
        FleetTurn::Zones(news) if news.is_good() => info!("{news}"),
        FleetTurn::Zones(news) => warn!("{news}"),
    }
    NodeEvent::Fleet(turn)
}

/// Logs that failback holds a pool back, or no longer does, and returns the event.
pub(super) fn hold(turn: HoldTurn) -> NodeEvent {
    let HoldTurn { id: _, pool, is_held } = &turn;
    if *is_held {
        warn!(%pool, "pool is usable again, but failback holds it back");
    } else {
        info!(%pool, "failback no longer holds the pool back");
    }
    NodeEvent::Hold(turn)
}

/// Logs that the node began or stopped to distrust its own probes, and returns the event.
pub(super) fn fail_static(fail_static: FailStaticEvent) -> NodeEvent {
    match &fail_static {
        FailStaticEvent::Began { targets, datacenters, .. } => error!(
            targets,
            datacenters,
            "everything stopped answering at once: the fault may be on this node, so endpoints keep their last states"
        ),
        FailStaticEvent::Resumed => {
            warn!("this node distrusted its probes before it was restarted: endpoints still keep their last states");
        }
        FailStaticEvent::Answered(target) => {
            warn!(endpoint = %target, "an endpoint answered again: endpoint states follow the probes again");
        }
        FailStaticEvent::Ended => {
            error!("still nothing answers, and the hold is over: endpoint states follow the probes again");
        }
    }
    NodeEvent::FailStatic(fail_static)
}

/// Logs a change of an override.
pub(super) fn override_change(change: &Change) {
    let Change { happening, item: Override { id, order, .. } } = change;
    let who = match happening {
        Happening::Lifted { by } => by,
        _ => &order.who,
    };
    let (mode, target, reason) = (order.mode, &order.target, &order.reason);
    let (from, until) = (order.from.map(rfc3339), order.until.map(rfc3339));
    info!(%id, %mode, %target, who, from, until, reason, "override {}", happening.as_str());
}

/// Logs a change of a roll-out.
pub(super) fn rollout(change: &crate::rollout::Change) {
    let crate::rollout::Change { id, pool, happening, from, to, who, reason } = change;
    let (name, what) = (&id.owner, happening.as_str());
    if *happening == crate::rollout::Happening::RolledBack {
        warn!(%name, pool, %from, %to, who, reason, "roll-out {what}");
    } else {
        info!(%name, pool, %from, %to, who, reason, "roll-out {what}");
    }
}
