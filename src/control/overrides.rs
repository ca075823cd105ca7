//! Overrides in control.
//!
//! A changed override changes the pools that its target means. It is published with all other changes of the same 5 ms.
//! Probes continue meanwhile: [`Control::endpoints`] returns both the probed state and the state with overrides.

use std::time::Duration;

use tokio::sync::oneshot;

use super::loads::Loads;
use super::ramps::{Ramps, StateInputs};
use super::{Control, Effect, Next, Now, Serving};
use crate::health::{Health, Target};
use crate::overrides::{
    Change, Happening, Mode, Order, Override, OverrideRefusal, OverrideStore, Placement, Selector, TargetPattern,
};
use crate::snapshot::{Dirty, EndpointState, PoolId, PoolSpec, World};

/// An operator's order about overrides, or the overrides of the last run.
#[derive(Debug)]
pub enum OverrideEvent {
    /// Places an override. The sender gets the changes, or why there are none. An `open` of a target that is already
    /// open changes nothing.
    Place(Placement, Reply),
    /// Lifts the selected overrides; the text says who does.
    Lift(Selector, Box<str>, Reply),
    /// The overrides of the last run. They are taken in unchecked: their targets may come with a later configuration.
    Restore(Vec<Override>),
}

/// The channel for the reply to an order.
pub type Reply = oneshot::Sender<Result<Vec<Change>, OverrideRefusal>>;

/// The reply to an order to place or lift overrides.
#[derive(Debug)]
pub struct OverrideReply {
    to: Reply,
    result: Result<Vec<Change>, OverrideRefusal>,
}

impl OverrideReply {
    /// Sends the reply, if somebody still waits.
    pub fn send(self) {
        let _ = self.to.send(self.result);
    }
}

/// Everything known of one endpoint of a pool that is served.
#[derive(Debug)]
pub struct EndpointView<'a> {
    /// The pool.
    pub pool: &'a PoolSpec,
    /// Its position in the pool.
    pub place: usize,
    /// The probes that it depends on and their health, without overrides; empty if it has no monitor.
    pub probes: Vec<(&'a Target, Health)>,
    /// The state that follows from its probes.
    pub probed: EndpointState,
    /// The state that answers use.
    pub endpoint_state: EndpointState,
    /// The override that is in effect for it.
    pub effective_override: Option<&'a Override>,
}

impl Control {
    /// All overrides and windows, and which are in force.
    pub fn overrides(&self) -> &OverrideStore {
        &self.overrides
    }

    /// Every endpoint of every pool that is served, pool by pool.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointView<'_>> {
        self.serving.iter().flat_map(move |serving| {
            let pools = serving.snapshot.world().pools_by_id();
            pools
                .flat_map(move |(id, pool)| (0..pool.members.len()).map(move |place| self.endpoint(serving, id, place)))
        })
    }

    fn endpoint<'a>(&'a self, serving: &'a Serving, id: PoolId, place: usize) -> EndpointView<'a> {
        let world = serving.snapshot.world();
        let pool = &*world.pools[id.index()];
        let condition = serving.dependents.condition(id, place);
        let mut probes = Vec::new();
        if let Some(condition) = condition {
            condition.each_target(&mut |&id| probes.extend(self.target(id).map(|it| (&**it, self.watch.health(id)))));
        }
        let probed = self.watch.endpoint_state(condition);
        let effective_override = world.effective_override(self.overrides.effective_overrides(), pool, place);
        let endpoint_state = self.ramps.endpoint_state(pool, place, probed, effective_override);
        EndpointView { pool, place, probes, probed, endpoint_state, effective_override }
    }

    pub(super) fn take_override(&mut self, event: OverrideEvent) -> Vec<Effect> {
        let mut effects = self.advance_overrides();
        let (result, to) = match event {
            OverrideEvent::Place(placement, to) => (self.place(placement), Some(to)),
            OverrideEvent::Lift(which, who, to) => (self.overrides.lift(&which, &who, self.now.wall), Some(to)),
            OverrideEvent::Restore(kept) => (Ok(self.overrides.restore(kept, self.now.wall)), None),
        };
        effects.extend(self.tell(result.clone().unwrap_or_default()));
        // An `open` releases pools that are held back. Both changes are kept in one batch, so that a crash cannot keep
        // one without the other.
        self.keeping.note(self.ramps.take_changed());
        effects.extend(self.keeping.take().map(|keep| Effect::Keep(keep.timed(self.now))));
        effects.extend(to.map(|to| Effect::Reply(OverrideReply { to, result })));
        effects
    }

    fn place(&mut self, placement: Placement) -> Result<Vec<Change>, OverrideRefusal> {
        let Now { elapsed, wall: now } = self.now;
        let order = placement.at(now);
        let opens = (order.mode == Mode::Open && order.is_in_force(now)).then(|| order.target.clone());
        let world = known_world(self.serving.as_ref(), self.next.as_ref());
        let changes = place_in(&mut self.overrides, world, order, now)?;
        if let Some(target) = opens {
            self.release(&target, elapsed);
        }
        Ok(changes)
    }

    /// Releases the held pools that the target means: they answer again.
    fn release(&mut self, target: &TargetPattern, now: Duration) {
        let Some(serving) = &mut self.serving else { return };
        let world = serving.snapshot.world();
        let released = self.ramps.release(&world.pools_meant(target), world, now);
        if !released.is_empty() {
            serving.dirty.pools.extend(released);
            serving.publish_at.get_or_insert(now + super::PUBLISH_WINDOW);
        }
    }

    /// Takes in the overrides that begin or end now.
    pub(super) fn advance_overrides(&mut self) -> Vec<Effect> {
        if !self.overrides.is_due(self.now.wall) {
            return Vec::new();
        }
        let changes = self.overrides.advance(self.now.wall);
        self.tell(changes)
    }

    /// Schedules the publication of changes, and returns the effects that report them.
    fn tell(&mut self, changes: Vec<Change>) -> Vec<Effect> {
        self.ramps.follow(&changes, self.now);
        if let Some(serving) = &mut self.serving {
            for change in &changes {
                serving.touch(change, self.now);
            }
        }
        for Change { happening, item } in &changes {
            if *happening == Happening::Began && item.order.mode == Mode::Open {
                self.release(&item.order.target, self.now.elapsed);
            }
        }
        changes.into_iter().map(Effect::Overridden).collect()
    }
}

impl Serving {
    fn touch(&mut self, change: &Change, now: Now) {
        if touch(&mut self.dirty, change, self.snapshot.world(), now.wall) {
            self.publish_at.get_or_insert(now.elapsed + super::PUBLISH_WINDOW);
        }
    }
}

/// The world that orders are checked against: the served one, else the one that will be served.
pub(super) fn known_world<'a>(serving: Option<&'a Serving>, next: Option<&'a Next>) -> Option<&'a World> {
    serving.map(|serving| serving.snapshot.world()).or_else(|| next.map(|next| next.blueprint.world()))
}

/// Places an override, if its target means anything in this world.
pub(super) fn place_in(
    store: &mut OverrideStore,
    world: Option<&World>,
    order: Order,
    now: Duration,
) -> Result<Vec<Change>, OverrideRefusal> {
    let target = order.target.clone();
    if let Some(world) = world {
        world.find(&target).map_err(|meant| OverrideRefusal::Unknown(target.clone(), meant))?;
    }
    let overlaps = |other: &Override| world.is_some_and(|world| world.overlap(&target, &other.order.target));
    store.place(order, now, overlaps)
}

/// Marks the parts of the state that a change of an override concerns. Returns false if it concerns nothing yet. `now`
/// is the wall-clock time.
pub(super) fn touch(dirty: &mut Dirty, change: &Change, world: &World, now: Duration) -> bool {
    let order = &change.item.order;
    if change.happening == Happening::Placed && !order.is_in_force(now) {
        return false;
    }
    if order.target.kind().is_of_endpoints() {
        dirty.pools.extend(world.pools_meant(&order.target));
    } else {
        dirty.names = true;
    }
    true
}

/// The state of each pool's endpoints, by position, that follows from probes, overrides, time and loads.
pub(super) fn endpoint_state<'a>(
    inputs: &'a StateInputs<'a, impl Fn(PoolId, usize) -> EndpointState>,
    ramps: &'a Ramps,
    loads: &'a Loads,
) -> impl Fn(PoolId, usize) -> EndpointState + 'a {
    |id, place| {
        let pool = &inputs.world.pools[id.index()];
        let effective_override = inputs.world.effective_override(inputs.effective_overrides, pool, place);
        let endpoint_state = ramps.endpoint_state(pool, place, (inputs.probed)(id, place), effective_override);
        EndpointState { room: loads.weight(id, place), ..endpoint_state }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::{Event, PUBLISH_WINDOW};
    use crate::geo::Locations;
    use crate::health::{Failure, Finding, Outcome, State};
    use crate::snapshot::{AdminState, Blueprint, Snapshot};
    use crate::watch::TargetId;
    use crate::zone::{NameId, PlanId};

    /// 2026-12-01T01:00:00Z.
    const START: Duration = Duration::from_secs(1_796_086_800);
    const HOUR: Duration = Duration::from_secs(3600);
    const WINDOW: &str = "[[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\n\
                          from = 2026-12-01T02:00:00Z\nuntil = 2026-12-01T04:00:00Z\nreason = \"new switches\"\n";
    const ZONE: &str = r#"
        [nameservers]
        ns1 = ["192.0.2.53"]
        [datacenters]
        fra = { latitude = 50.11, longitude = 8.68 }
        iad = { latitude = 38.95, longitude = -77.45 }
        [monitors.web]
        type = "tcp"
        port = 80
        [pools.web]
        monitor = "web"
        endpoints.fra = ["127.0.0.1"]
        endpoints.iad = ["127.0.0.2"]
        [names.www]
        pools = ["web"]
        steer = ["failover"]
    "#;

    /// A node that serves [`ZONE`], and everything it reported.
    struct Scene {
        control: Control,
        now: Duration,
        /// The time by which the wall clock is set ahead, and back.
        set: (Duration, Duration),
        snapshot: Option<Arc<Snapshot>>,
        /// Every target that was probed, once for each probe.
        probed: Vec<TargetId>,
        told: Vec<String>,
    }

    fn blueprint(server: &str) -> Arc<Blueprint> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("zones")).unwrap();
        std::fs::write(folder.path().join("truenorth.toml"), server).unwrap();
        std::fs::write(folder.path().join("zones/example.com.toml"), ZONE).unwrap();
        let config =
            crate::config::load(&folder.path().join("truenorth.toml"), &crate::disk::Disk::new(), &|_| None).unwrap();
        Arc::new(Blueprint::compile(config.world, Arc::new(Locations::unknown()), None))
    }

    impl Scene {
        fn new() -> Self {
            Self {
                control: Control::new(7, super::super::MAX_IN_FLIGHT),
                now: START,
                set: Default::default(),
                snapshot: None,
                probed: Vec::new(),
                told: Vec::new(),
            }
        }

        fn serving(server: &str) -> Self {
            let mut scene = Self::new();
            scene.happen(Event::Adopt(blueprint(server)));
            scene
        }

        /// Every probe succeeds at once.
        fn happen(&mut self, event: Event) {
            let mut probes = Vec::new();
            let now = Now { elapsed: self.now, wall: self.wall() };
            for effect in self.control.step(event, now) {
                match effect {
                    Effect::Probe(id, _) => probes.push(id),
                    Effect::Publish(snapshot) => self.snapshot = Some(snapshot),
                    Effect::Overridden(Change { happening, item }) => {
                        self.told.push(format!("{} {} {}", happening.as_str(), item.order.mode, item.order.target));
                    }
                    Effect::Reply(reply) => reply.send(),
                    Effect::Report(_)
                    | Effect::Hold(_)
                    | Effect::Keep(_)
                    | Effect::Stop(_)
                    | Effect::FailStatic(_)
                    | Effect::Rehosted(_)
                    | Effect::Pushed(..) => {}
                    // Nothing is rolled out here.
                    Effect::RolledOut(_) | Effect::KeepRollouts(_) | Effect::RolloutReply(_) => panic!("no roll-out"),
                    // No name is steered by latency here.
                    Effect::Remap(..) | Effect::KeepLatency(_) => panic!("round trips without a probe that tells one"),
                }
            }
            self.probed.extend(&probes);
            for target in probes {
                self.happen(Event::Outcome(target, Outcome::Success(Finding::full(Duration::ZERO))));
            }
        }

        fn wall(&self) -> Duration {
            let (ahead, behind) = self.set;
            self.now + ahead - behind
        }

        /// Sets the wall clock this far ahead of or behind elapsed time.
        fn set(&mut self, ahead: Duration, behind: Duration) {
            self.set = (ahead, behind);
            self.happen(Event::Tick);
        }

        fn pass(&mut self, time: Duration) {
            let end = self.now + time;
            while let Some(at) = self.control.wake_at().filter(|at| *at <= end) {
                self.now = at;
                self.happen(Event::Tick);
            }
            self.now = end;
        }

        fn place(
            &mut self,
            mode: Mode,
            target: &str,
            times: [Option<Duration>; 2],
        ) -> Result<Vec<Change>, OverrideRefusal> {
            let [from, until] = times;
            let target = target.parse().unwrap();
            let order = Order { mode, target, from, until, over: None, reason: "test".into(), who: "ada".into() };
            let (to, mut answer) = oneshot::channel();
            self.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
            answer.try_recv().expect("an answer comes with the step")
        }

        fn lift(&mut self, target: &str) -> Result<Vec<Change>, OverrideRefusal> {
            let (to, mut answer) = oneshot::channel();
            let which = Selector::Target(target.parse().unwrap());
            self.happen(Event::Override(OverrideEvent::Lift(which, "ada".into(), to)));
            answer.try_recv().expect("an answer comes with the step")
        }

        /// True if a pool is open, after all changes were published.
        fn is_open(&mut self, pool: usize) -> bool {
            self.pass(PUBLISH_WINDOW);
            self.snapshot.as_ref().unwrap().pools()[pool].is_open(crate::snapshot::Family::V4)
        }
    }

    #[test]
    fn an_override_changes_the_pools_that_it_means_and_no_others() {
        let mut scene = Scene::serving("");
        let before = scene.snapshot.clone().unwrap();
        let placed = scene.place(Mode::Drain, "dc:fra", [None, None]).unwrap();
        assert_eq!((&*placed[0].item.order.who, placed[0].item.made_at), ("ada", START));
        assert_eq!((scene.is_open(0), scene.is_open(1)), (false, true));
        let after = scene.snapshot.clone().unwrap();
        assert!(Arc::ptr_eq(&before.pools()[1], &after.pools()[1]));
        assert_eq!(after.generation(), before.generation() + 1, "one snapshot");
        assert_eq!(scene.lift("dc:fra").unwrap()[0].item, placed[0].item);
        assert!(scene.is_open(0));
        assert_eq!(scene.told, ["placed drain dc:fra", "lifted drain dc:fra"]);
    }

    #[test]
    fn it_begins_and_ends_when_its_time_comes() {
        let mut scene = Scene::serving("");
        let times = [Some(START + HOUR), Some(START + HOUR * 2)];
        scene.place(Mode::ForceDown, "pool:web/iad", times).unwrap();
        assert!(scene.is_open(1));
        scene.pass(HOUR);
        assert!(!scene.is_open(1));
        scene.pass(HOUR);
        assert!(scene.is_open(1));
        let expected = ["placed", "began", "ended"].map(|what| format!("{what} force-down pool:web/iad"));
        assert_eq!(scene.told, expected);
    }

    #[test]
    fn the_server_files_windows_act_by_themselves_and_go_with_the_file() {
        let mut scene = Scene::serving(WINDOW);
        assert!(scene.is_open(0));
        scene.pass(HOUR);
        assert!(!scene.is_open(0));
        scene.happen(Event::Adopt(blueprint("")));
        assert!(scene.is_open(0));
        scene.happen(Event::Adopt(blueprint(WINDOW)));
        assert!(!scene.is_open(0));
        scene.pass(HOUR * 2);
        assert!(scene.is_open(0));
        assert_eq!(scene.told.iter().filter(|told| *told == "ended drain dc:fra").count(), 2);
    }

    #[test]
    fn what_means_nothing_is_refused_with_what_may_have_been_meant() {
        let mut scene = Scene::serving("");
        for (target, told) in [
            ("dc:frd", "nothing is named dc:frd: did you mean dc:fra?"),
            ("pool:shop", "nothing is named pool:shop"),
            ("endpoint:192.0.2.*", "nothing is named endpoint:192.0.2.*"),
            ("name:ww.example.com", "nothing is named name:ww.example.com: did you mean name:www.example.com?"),
        ] {
            let refusal = scene.place(Mode::Drain, target, [None, None]).unwrap_err();
            assert_eq!(refusal.to_string(), told);
        }
        assert_eq!(scene.lift("dc:fra").unwrap_err().to_string(), "no override is placed on dc:fra");
        assert!(scene.told.is_empty());
    }

    #[test]
    fn what_is_said_of_a_name_stays_said_when_pools_change() {
        let mut scene = Scene::serving("");
        scene.place(Mode::ForceDown, "name:www.*", [None, None]).unwrap();
        let mode = |scene: &mut Scene| {
            scene.pass(PUBLISH_WINDOW);
            scene.snapshot.as_ref().unwrap().plan(PlanId::from_index(0), NameId::from_index(0)).orders().mode
        };
        assert_eq!(mode(&mut scene), Some(Mode::ForceDown));
        scene.place(Mode::Drain, "dc:fra", [None, None]).unwrap();
        assert_eq!(mode(&mut scene), Some(Mode::ForceDown));
        scene.happen(Event::Adopt(blueprint(WINDOW)));
        assert_eq!(mode(&mut scene), Some(Mode::ForceDown));
        scene.lift("name:www.*").unwrap();
        assert_eq!(mode(&mut scene), None);
    }

    #[test]
    fn the_probed_state_is_told_beside_the_forced_one() {
        let mut scene = Scene::serving("");
        let target = scene.probed[0];
        scene.place(Mode::ForceUp, "endpoint:127.0.0.1", [None, None]).unwrap();
        for _ in 0..3 {
            scene.happen(Event::Outcome(target, Outcome::Failure(Failure::Refused)));
        }
        assert!(scene.is_open(0));
        let views: Vec<_> = scene.control.endpoints().collect();
        assert_eq!(views[0].probes[0].1.state(), State::Down);
        assert!(!views[0].probed.share.is_some());
        assert_eq!(views[0].endpoint_state, EndpointState::CALM);
        assert_eq!(
            views[0].effective_override.map(|effective_override| effective_override.order.mode),
            Some(Mode::ForceUp)
        );
        assert_eq!((views[1].effective_override, views[1].endpoint_state.admin_state), (None, AdminState::On));
        drop(views);
        scene.lift("endpoint:127.0.0.1").unwrap();
        assert!(!scene.is_open(0), "the state that probes found meanwhile counts at once");
    }

    #[test]
    fn what_is_ordered_for_a_time_lasts_whichever_way_the_clock_was_set() {
        const MINUTES: Duration = Duration::from_secs(300);
        for (ahead, behind) in [(HOUR, Duration::ZERO), (Duration::ZERO, HOUR)] {
            let mut scene = Scene::serving("");
            scene.set(ahead, behind);
            let until = Some(scene.wall() + MINUTES);
            scene.place(Mode::ForceDown, "dc:fra", [None, until]).unwrap();
            scene.pass(MINUTES - PUBLISH_WINDOW * 2);
            assert!(!scene.is_open(0));
            scene.pass(PUBLISH_WINDOW * 3);
            assert!(scene.is_open(0));
        }
    }

    #[test]
    fn windows_and_ends_go_by_the_clock_on_the_wall_and_drains_by_what_elapsed() {
        let mut scene = Scene::serving(WINDOW);
        assert!(scene.is_open(0));
        scene.set(HOUR, Duration::ZERO);
        assert!(!scene.is_open(0), "the window began");
        scene.set(Duration::ZERO, HOUR);
        assert!(scene.is_open(0), "and is still to come");
        scene.pass(HOUR * 2);
        assert!(!scene.is_open(0), "it comes by itself");
        scene.set(HOUR * 9, Duration::ZERO);
        assert!(scene.is_open(0));

        let mut scene = Scene::serving("");
        let (to, _) = oneshot::channel();
        let order = Order {
            mode: Mode::Drain,
            target: "dc:fra".parse().unwrap(),
            from: None,
            until: None,
            over: Some(HOUR),
            reason: "".into(),
            who: "".into(),
        };
        scene.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
        for (ahead, behind) in [(HOUR * 9, Duration::ZERO), (Duration::ZERO, HOUR * 9), (HOUR, Duration::ZERO)] {
            scene.set(ahead, behind);
            scene.pass(HOUR / 4);
        }
        scene.pass(PUBLISH_WINDOW);
        let ramp = scene.control.endpoints().next().unwrap().endpoint_state.ramp.thousandths();
        assert!((240..=260).contains(&ramp), "three quarters of its time have passed: {ramp}");
    }

    #[test]
    fn what_the_last_run_placed_counts_from_the_first_answer_on() {
        let mut before = Scene::serving("");
        before.place(Mode::Drain, "dc:fra", [None, None]).unwrap();
        let kept = before.control.overrides().placed().cloned().collect();
        let mut scene = Scene::new();
        scene.happen(Event::Override(OverrideEvent::Restore(kept)));
        scene.happen(Event::Adopt(blueprint("")));
        assert!(!scene.snapshot.as_ref().unwrap().pools()[0].is_open(crate::snapshot::Family::V4));
    }
}
