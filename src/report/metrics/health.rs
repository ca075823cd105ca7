//! Metrics about endpoints, pools, probes and overrides.

use std::collections::BTreeMap;

use super::Metrics;
use super::exposition::{Exposition, Kind};
use crate::health::{Health, LoadSeen, Outcome, State, Target};
use crate::overrides::Mode;
use crate::report::notice::word;
use crate::report::status::RegisteredStatus;
use crate::snapshot::{AdminState, EndpointState, Family, Pool, PoolId};

const FAMILIES: [(Family, &str); 2] = [(Family::V4, "ipv4"), (Family::V6, "ipv6")];

impl Metrics<'_> {
    pub(super) fn health_families(&self, out: &mut Exposition) {
        let help = "1 if the endpoint is handed out while others are, 0 otherwise: by probes and by orders.";
        out.family("truenorth_endpoint_open", Kind::Gauge, help, |samples| {
            self.each_endpoint(|id, _, place, labels| {
                samples.push(labels, f64::from(u8::from(self.endpoint_state(id, place).is_open())));
            });
        });
        let help = "1 if probes and reports say that the endpoint works, 0 otherwise, whatever is ordered.";
        out.family("truenorth_endpoint_healthy", Kind::Gauge, help, |samples| {
            self.each_endpoint(|id, spec, place, labels| {
                let state =
                    spec.members.condition(place).map_or(State::Up, |condition| condition.state(&self.health()));
                let is_pending = self.endpoint_state(id, place).admin_state == AdminState::Pending;
                samples.push(labels, if state == State::Down || is_pending { 0.0 } else { 1.0 });
            });
        });
        let help = "The share of its clients that the endpoint keeps, by its own request and by ramps.";
        out.family("truenorth_endpoint_share_ratio", Kind::Gauge, help, |samples| {
            self.each_endpoint(|id, _, place, labels| {
                let state = self.endpoint_state(id, place);
                let share = u32::from(state.share.thousandths()) * u32::from(state.ramp.thousandths());
                samples.push(labels, f64::from(share) / 1e6);
            });
        });
        self.pool_families(out);
        self.datacenter_families(out);
        self.probe_families(out);
        self.order_families(out);
    }

    fn endpoint_state(&self, id: PoolId, place: usize) -> EndpointState {
        self.snapshot.pools()[id.index()].endpoint_state(place)
    }

    fn health(&self) -> impl Fn(&Target) -> Health + '_ {
        |target| self.survey.health(target)
    }

    fn pool_families(&self, out: &mut Exposition) {
        let help = "1 if enough endpoints of the family are open for min_healthy, 0 otherwise.";
        out.family("truenorth_pool_usable", Kind::Gauge, help, |samples| {
            self.each_pool_family(|pool, family, labels| {
                samples.push(labels, f64::from(u8::from(pool.is_usable(family))));
            });
        });
        let help = "Open endpoints of a pool.";
        out.family("truenorth_pool_open_endpoints", Kind::Gauge, help, |samples| {
            self.each_pool_family(|pool, family, labels| samples.push(labels, pool.counts(family).0 as f64));
        });
        let help = "Configured endpoints of a pool.";
        out.family("truenorth_pool_endpoints", Kind::Gauge, help, |samples| {
            self.each_pool_family(|pool, family, labels| samples.push(labels, pool.counts(family).1 as f64));
        });
        let help = "Leases of a pool that takes registered endpoints.";
        out.family("truenorth_pool_leases", Kind::Gauge, help, |samples| {
            self.each_registered(|labels, registered| samples.push(labels, registered.leases as f64));
        });
        let help = "Maximum number of leases of a pool that takes registered endpoints.";
        out.family("truenorth_pool_max_leases", Kind::Gauge, help, |samples| {
            self.each_registered(|labels, registered| samples.push(labels, f64::from(registered.max)));
        });
        let help = "Leases of a pool whose term is over, and that are kept because no lease of the pool is renewed.";
        out.family("truenorth_pool_kept_leases", Kind::Gauge, help, |samples| {
            self.each_registered(|labels, registered| samples.push(labels, registered.kept as f64));
        });
        let help = "1 if the source that lists the endpoints of a pool can be used, 0 otherwise.";
        out.family("truenorth_pool_source_up", Kind::Gauge, help, |samples| {
            self.each_registered(|labels, registered| {
                if registered.source.is_some() {
                    samples.push(labels, f64::from(u8::from(registered.problem.is_none())));
                }
            });
        });
        let help = "The load that a pool's endpoints report, in the operator's unit.";
        out.family("truenorth_pool_load", Kind::Gauge, help, |samples| {
            self.each_load(|labels, load| load.used.iter().for_each(|&used| samples.push(labels, used)));
        });
        let help = "The maximum load of a pool, in the operator's unit.";
        out.family("truenorth_pool_capacity", Kind::Gauge, help, |samples| {
            self.each_load(|labels, load| load.capacity.iter().for_each(|&most| samples.push(labels, most)));
        });
        let help = "The share of its clients that a pool keeps by the step `load`.";
        out.family("truenorth_pool_kept_ratio", Kind::Gauge, help, |samples| {
            self.each_pool(|pool, labels| {
                if self.survey.loads.contains_key(&pool.spec().key()) {
                    samples.push(labels, f64::from(pool.allowance().local_share.thousandths()) / 1000.0);
                }
            });
        });
    }

    /// Whether each thing that endpoints depend on is up, by monitor, address and protocol. Those without an outcome are
    /// left out.
    fn dependencies(&self) -> BTreeMap<(&str, String, &'static str), bool> {
        let mut found = BTreeMap::new();
        for spec in &self.snapshot.world().pools {
            for (monitor, probe) in (0..spec.members.len()).flat_map(|place| spec.probes(place)) {
                let state = self.survey.health(probe.target).state();
                if probe.is_dependency && state != State::Unknown {
                    let key = (monitor, probe.target.to_string(), probe.target.monitor.check.as_str());
                    found.insert(key, state != State::Down);
                }
            }
        }
        found
    }

    /// Calls `write` with each pool and its labels.
    fn each_pool(&self, mut write: impl FnMut(&Pool, &[(&str, &str)])) {
        for pool in self.snapshot.pools() {
            let spec = pool.spec();
            let zone = spec.zone.as_ref().map(ToString::to_string).unwrap_or_default();
            let datacenter = self.snapshot.world().datacenter_of(spec).unwrap_or_default();
            write(pool, &[("zone", &zone), ("pool", &spec.name), ("datacenter", datacenter)]);
        }
    }

    /// Calls `write` with each pool, once for each address family that it has endpoints of, and the labels.
    fn each_pool_family(&self, mut write: impl FnMut(&Pool, Family, &[(&str, &str)])) {
        self.each_pool(|pool, labels| {
            for (family, word) in FAMILIES.into_iter().filter(|(family, _)| pool.is_given(*family)) {
                let labels: Vec<_> = labels.iter().copied().chain([("family", word)]).collect();
                write(pool, family, &labels);
            }
        });
    }

    /// Calls `write` with the labels and the leases of each pool that takes registered endpoints.
    fn each_registered(&self, mut write: impl FnMut(&[(&str, &str)], RegisteredStatus)) {
        self.each_pool(|pool, labels| {
            if let Some(registered) = RegisteredStatus::of(pool.spec()) {
                write(labels, registered);
            }
        });
    }

    /// Calls `write` with the labels and the load of each pool whose load matters.
    fn each_load(&self, mut write: impl FnMut(&[(&str, &str)], &LoadSeen)) {
        self.each_pool(|pool, labels| {
            if let Some(load) = self.survey.loads.get(&pool.spec().key()) {
                write(labels, load);
            }
        });
    }

    fn datacenter_families(&self, out: &mut Exposition) {
        let world = self.snapshot.world();
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for datacenter in &world.datacenters {
            for state in ["up", "degraded", "drained", "down"] {
                counts.insert((&datacenter.name, state), 0);
            }
        }
        for pool in &world.pools {
            let Some(datacenter) = world.datacenter_of(pool) else { continue };
            for place in 0..pool.members.len() {
                let state =
                    pool.members.condition(place).map_or(State::Up, |condition| condition.state(&self.health()));
                // Before its first outcome, an endpoint counts as up.
                let state = if state == State::Unknown { State::Up } else { state };
                *counts.entry((datacenter, word(state))).or_default() += 1;
            }
        }
        let help = "Endpoints of a datacenter by the state that probes and reports found.";
        out.family("truenorth_datacenter_endpoints", Kind::Gauge, help, |samples| {
            for ((datacenter, state), count) in counts {
                samples.push(&[("datacenter", datacenter), ("state", state)], count as f64);
            }
        });
    }

    fn probe_families(&self, out: &mut Exposition) {
        let help = "Outcomes of probes by protocol: success, or the kind of the failure.";
        out.family("truenorth_probes", Kind::Counter, help, |samples| {
            for ((check, outcome), count) in self.probes.outcomes() {
                samples.count(&[("check", check), ("outcome", outcome)], count);
            }
        });
        let help = "1 if something that endpoints depend on is up by its probes, 0 if it is down.";
        out.family("truenorth_dependency_up", Kind::Gauge, help, |samples| {
            for ((monitor, probe, check), is_up) in self.dependencies() {
                let labels = [("monitor", monitor), ("probe", &*probe), ("check", check)];
                samples.push(&labels, f64::from(u8::from(is_up)));
            }
        });
        let help = "Times of successful probes by protocol and part: all, connect, handshake and first_byte.";
        out.family("truenorth_probe_duration_seconds", Kind::Histogram, help, |samples| {
            for ((check, phase), histogram) in self.probes.times() {
                samples.histogram(&[("check", check), ("phase", phase)], &histogram);
            }
        });
        let help = "Times from when a probe was due to when it started.";
        out.family("truenorth_probe_lateness_seconds", Kind::Histogram, help, |samples| {
            samples.histogram(&[], self.lateness.histogram());
        });
        let help = "How often endpoints of a pool came to a state.";
        out.family("truenorth_endpoint_transitions", Kind::Counter, help, |samples| {
            for ((pool, to), count) in self.probes.turns() {
                samples.count(&[("pool", &pool), ("to", to)], count);
            }
        });
        let help = "When the certificate that an endpoint presented expires.";
        out.family("truenorth_endpoint_certificate_expiry_timestamp_seconds", Kind::Gauge, help, |samples| {
            let mut certificates = BTreeMap::new();
            for (target, last_probe) in &self.survey.last_probes {
                if let Some((Outcome::Success(finding), _)) = &last_probe.seen
                    && let Some(expires) = finding.certificate_expires
                {
                    certificates.insert((target.to_string(), target.server_name().to_owned()), expires);
                }
            }
            for ((probe, host), expires) in certificates {
                samples.push(&[("probe", &probe), ("host", &host)], expires.as_secs_f64());
            }
        });
        let help = "1 while everything seems to fail at once and the last states are kept (fail-static), 0 otherwise.";
        out.family("truenorth_fail_static", Kind::Gauge, help, |samples| {
            samples.push(&[], f64::from(u8::from(self.survey.held_until.is_some())));
        });
    }

    fn order_families(&self, out: &mut Exposition) {
        let help = "Overrides of operators, by mode, and by whether they are in force now.";
        out.family("truenorth_overrides", Kind::Gauge, help, |samples| {
            for (word, mode) in Mode::ALL {
                for is_in_force in [true, false] {
                    let count = self.overrides.iter().filter(|order| **order == (mode, is_in_force)).count();
                    samples.push(&[("mode", word), ("in_force", &is_in_force.to_string())], count as f64);
                }
            }
        });
    }
}
