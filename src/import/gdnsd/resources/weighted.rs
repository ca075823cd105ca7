//! Resources of the plugin weighted: addresses, canonical names and groups with weights (gdnsd-plugin-weighted(8)).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Family, Inherited, Resources, Tree, address, suffixed};
use crate::import::gdnsd::settings::Setting;
use crate::import::tables::{Endpoint, Pool};
use crate::import::word;

impl Resources<'_> {
    pub(super) fn weighted(
        &mut self,
        setting: &Setting,
        inherited: &Inherited,
        at: (&str, Option<&str>),
    ) -> Result<Tree, String> {
        let families = Self::families(setting, inherited);
        let names = |family: &Family<'_>| family.entries.iter().any(|(_, value)| is_cname(value));
        if families.iter().any(names) {
            return self.weighted_names(&families, at);
        }
        let is_grouped =
            |family: &Family<'_>| family.entries.iter().any(|(_, value)| matches!(value, Setting::Hash(_)));
        if families.iter().any(is_grouped) {
            return self.groups(&families, at);
        }
        let mut tree = self.by_family(families, at, |resources, family, pool| {
            for (_, value) in &family.entries {
                let (address, weight) = weighted_address(value)?;
                pool.add(Endpoint { weight, ..Endpoint::new(address) });
            }
            let is_even = pool.endpoints.iter().all(|endpoint| endpoint.weight == pool.endpoints[0].weight);
            if family.inherited.multi && is_even {
                // Each has the largest weight, so all of them answer.
                return Ok(());
            }
            pool.draws = true;
            if family.inherited.multi {
                let what = at.0;
                pool.comments.push(resources.report.note(format!(
                    "{what} has multi and different weights: gdnsd answers with several addresses, here one is drawn by weight"
                )));
            }
            Ok(())
        })?;
        // A pool of one address needs no draw.
        if let Tree::Pool(name) = &mut tree
            && let Some(pool) = self.pools.get_mut(name)
        {
            pool.draws &= pool.endpoints.len() > 1;
        }
        Ok(tree)
    }

    /// Canonical names are pools of their own, one of which is drawn.
    fn weighted_names(&mut self, families: &[Family<'_>], at: (&str, Option<&str>)) -> Result<Tree, String> {
        let mut drawn = Vec::new();
        for family in families {
            for (label, value) in &family.entries {
                let [name, weight] = value.items() else { return Err(format!("{label} has no weight")) };
                let name = name.text().unwrap_or_default();
                let pool = suffixed(at.0, &word(label));
                self.cname(name, &family.inherited, (&pool, at.1));
                drawn.push((pool, weight.number().unwrap_or(1)));
            }
        }
        Ok(Tree::Drawn(drawn))
    }

    fn groups(&mut self, families: &[Family<'_>], at: (&str, Option<&str>)) -> Result<Tree, String> {
        let [family] = families else {
            return Err("its groups of IPv4 and IPv6 have different settings".to_owned());
        };
        let multi = family.inherited.multi;
        let mut groups: BTreeMap<&str, (Vec<Endpoint>, u32)> = BTreeMap::new();
        for (group, members) in &family.entries {
            let (endpoints, sum) = groups.entry(group).or_default();
            for (_, value) in members.entries() {
                let (address, weight) = weighted_address(value)?;
                endpoints.push(Endpoint { weight, ..Endpoint::new(address) });
                *sum += u32::from(weight);
            }
        }
        let monitor = self.services.monitor(&family.inherited.service_types, self.report)?;
        let sums: Vec<u32> = groups.values().map(|(_, sum)| *sum).collect();
        let uneven = |weights: &[u32]| weights.iter().any(|weight| *weight != weights[0]);
        let mut drawn = Vec::new();
        for (group, (endpoints, sum)) in groups {
            let mut pool = Pool { datacenter: at.1.map(str::to_owned), monitor: monitor.clone(), ..Pool::default() };
            let weights: Vec<u32> = endpoints.iter().map(|endpoint| u32::from(endpoint.weight)).collect();
            let differ = uneven(&weights);
            for endpoint in endpoints {
                pool.add(endpoint);
            }
            pool.draws = multi || differ;
            let name = suffixed(at.0, &word(group));
            if !multi && differ {
                pool.comments.push(self.report.note(format!(
                    "the weights within the group {name} differ: gdnsd answers with several addresses, here one is drawn by weight"
                )));
            }
            self.add(&name, pool);
            drawn.push((name, sum.min(u32::from(u16::MAX)) as u16));
        }
        if !multi {
            return Ok(Tree::Drawn(drawn));
        }
        if uneven(&sums) {
            self.report
                .note(format!("the groups of {} have different weights: here all of them are in each answer", at.0));
        }
        Ok(Tree::Together(drawn.into_iter().map(|(name, _)| name).collect()))
    }
}

fn weighted_address(value: &Setting) -> Result<(IpAddr, u16), String> {
    match value.items() {
        [address, weight] => Ok((self::address(address)?, weight.number().unwrap_or(u16::MAX))),
        _ => Err("an address has no weight".to_owned()),
    }
}

fn is_cname(value: &Setting) -> bool {
    let Setting::List(items) = value else { return false };
    items.first().and_then(Setting::text).is_some_and(|text| text.parse::<IpAddr>().is_err())
}
