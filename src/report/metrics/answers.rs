//! Metrics about answers: by zone, steered name, endpoint and client.

use super::Metrics;
use super::exposition::{Exposition, Kind};
use crate::counters::ZoneAnswer;
use crate::snapshot::{PoolId, PoolSpec, SteeredName};

impl Metrics<'_> {
    pub(super) fn answer_families(&self, out: &mut Exposition) {
        let (world, totals) = (self.snapshot.world(), self.totals);
        let help = "Answers of zones, by kind. A question counts for the zone that holds its name.";
        out.family("truenorth_zone_answers", Kind::Counter, help, |samples| {
            for (id, zone) in world.zones.iter().enumerate() {
                let origin = zone.origin.to_string();
                for kind in ZoneAnswer::ALL {
                    samples.count(&[("zone", &origin), ("kind", kind.as_str())], totals.zone(id, kind));
                }
            }
        });
        self.name_families(out);
        self.endpoint_families(out);
        let help = "Clients of steered names by region: beyond 512 in a second, a worker looks at one of 16.";
        out.family("truenorth_region_clients", Kind::Counter, help, |samples| {
            for (id, zone) in world.zones.iter().enumerate().filter(|(_, zone)| !zone.names.is_empty()) {
                let origin = zone.origin.to_string();
                for (region, count) in totals.regions(id) {
                    samples.count(&[("zone", &origin), ("region", region.unwrap_or_default())], count);
                }
            }
        });
        let help = "Clients by country and by the datacenter that they were sent to: beyond 512 in a second, a worker looks at one of 16.";
        out.family("truenorth_clients", Kind::Counter, help, |samples| {
            for ((country, datacenter), count) in totals.clients() {
                let country = country.as_ref().map_or("", |country| country.as_str());
                let datacenter = datacenter.as_deref().unwrap_or_default();
                samples.count(&[("country", country), ("datacenter", datacenter)], count);
            }
        });
    }

    fn name_families(&self, out: &mut Exposition) {
        let world = self.snapshot.world();
        let names: Vec<&SteeredName> = world.zones.iter().flat_map(|zone| zone.names.iter()).collect();
        let all: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(number, name)| {
                let pools: Vec<PoolId> = name.steering.pools.iter().map(|used| used.pool).collect();
                (name.owner.to_string(), self.totals.name(number, &name.owner, &pools), pools)
            })
            .collect();
        let pool = |id: PoolId| &*world.pools[id.index()];
        let help = "Answers of steered names, by the pool that gave them. Pools that answer together count each.";
        out.family("truenorth_name_answers", Kind::Counter, help, |samples| {
            for ((owner, counts, pools), name) in all.iter().zip(&names) {
                let given = pools.iter().copied().zip(counts.pools.iter().copied());
                for (id, count) in given.chain(name.steering.fallback.map(|id| (id, counts.fallback))) {
                    let datacenter = world.datacenter_of(pool(id)).unwrap_or_default();
                    samples.count(&[("name", owner), ("pool", &pool(id).name), ("datacenter", datacenter)], count);
                }
            }
        });
        let help = "Answers of steered names that hold no record, by kind.";
        out.family("truenorth_name_empty_answers", Kind::Counter, help, |samples| {
            for (owner, counts, _) in &all {
                samples.count(&[("name", owner), ("kind", "nodata")], counts.nodata);
                samples.count(&[("name", owner), ("kind", "failure")], counts.failures);
            }
        });
        let help = "Answers of steered names that are not counted by name, because there are too many names.";
        out.family("truenorth_other_name_answers", Kind::Counter, help, |samples| {
            samples.count(&[], self.totals.other_names());
        });
        let help = "The configured weight of a pool of a steered name, for the step `weight`.";
        out.family("truenorth_name_pool_weight", Kind::Gauge, help, |samples| {
            for ((owner, ..), name) in all.iter().zip(&names) {
                for used in &name.steering.pools {
                    samples.push(&[("name", owner), ("pool", &pool(used.pool).name)], f64::from(used.weight));
                }
            }
        });
    }

    fn endpoint_families(&self, out: &mut Exposition) {
        let help = "Answers that an endpoint was in.";
        out.family("truenorth_endpoint_answers", Kind::Counter, help, |samples| {
            self.each_endpoint(|id, _, place, labels| samples.count(labels, self.totals.endpoint(id, place).0));
        });
        let help = "Answers in which an endpoint was the first address of its family. Most clients try that one first.";
        out.family("truenorth_endpoint_first_answers", Kind::Counter, help, |samples| {
            self.each_endpoint(|id, _, place, labels| samples.count(labels, self.totals.endpoint(id, place).1));
        });
        let help = "The configured weight of an endpoint.";
        out.family("truenorth_endpoint_weight", Kind::Gauge, help, |samples| {
            self.each_endpoint(|_, spec, place, labels| samples.push(labels, f64::from(spec.members.weight(place))));
        });
    }

    /// Calls `write` with each endpoint: its pool, its position there and its labels.
    pub(super) fn each_endpoint(&self, mut write: impl FnMut(PoolId, &PoolSpec, usize, &[(&str, &str)])) {
        let world = self.snapshot.world();
        for (id, spec) in world.pool_ids().zip(&world.pools) {
            let zone = spec.zone.as_ref().map(ToString::to_string).unwrap_or_default();
            let datacenter = world.datacenter_of(spec).unwrap_or_default();
            for place in 0..spec.members.len() {
                let endpoint = spec.members.text(place);
                let labels =
                    [("zone", &*zone), ("pool", &*spec.name), ("datacenter", datacenter), ("endpoint", &*endpoint)];
                write(id, spec, place, &labels);
            }
        }
    }
}
