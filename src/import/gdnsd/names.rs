//! How a DYNA or DYNC record becomes a steered name.

use std::collections::BTreeMap;

use super::maps::Map;
use super::resources::Tree;
use crate::import::names::{Steered, Use};
use crate::import::tables::Pool;

/// The datacenter of pools that stand before or after a map in the order of a name.
pub(super) const OUTSIDE: &str = "outside";

/// The maps by name, and all pools.
pub(super) struct Scope<'a> {
    pub(super) maps: &'a [Map],
    pub(super) pools: &'a BTreeMap<String, Pool>,
}

/// How a name uses a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MapUse {
    pub(super) map: String,
    /// True if the first datacenter of each list is skipped.
    pub(super) skips_first: bool,
    /// True if the name also has pools before or after the map, which are in the datacenter [`OUTSIDE`].
    pub(super) has_outside: bool,
}

impl MapUse {
    /// The name of the map here, if there are several.
    pub(super) fn name(&self) -> String {
        let mut name = self.map.clone();
        for (is_so, suffix) in [(self.skips_first, "-second"), (self.has_outside, "-and-outside")] {
            if is_so {
                name.push_str(suffix);
            }
        }
        name
    }
}

impl Scope<'_> {
    /// Returns the name's steering, and the map that it uses. Fails with the reason if it cannot be said here.
    pub(super) fn steered(&self, tree: &Tree) -> Result<(Steered, Option<MapUse>), String> {
        let mut tree = tree.clone();
        let fallback = self.take_fallback(&mut tree)?;
        let mut steered = Steered { fallback, ..Steered::default() };
        let mut map = None;
        match &tree {
            Tree::Pool(_) | Tree::Together(_) => steered.tiers = tiers(&tree)?,
            Tree::Drawn(_) => (steered.tiers, steered.steer) = (tiers(&tree)?, vec!["weight"]),
            Tree::Ordered(children) => {
                for child in children {
                    let Tree::Mapped(name, skips_first, inner) = child else {
                        steered.tiers.extend(tiers(child)?);
                        continue;
                    };
                    let used =
                        Some(MapUse { map: name.clone(), skips_first: *skips_first, has_outside: children.len() > 1 });
                    if map.is_some() && map != used {
                        return Err("it uses two maps one after the other".to_owned());
                    }
                    map = used;
                    let mut tier = Vec::new();
                    for (_, child) in inner {
                        let inner = tiers(child)?;
                        if inner.len() > 1 {
                            return Err("it has an order within a datacenter of a map within an order".to_owned());
                        }
                        tier.extend(inner.into_iter().flatten());
                    }
                    steered.tiers.push(tier);
                }
                steered.steer = if steered.tiers.len() > 1 { vec!["failover"] } else { Vec::new() };
                steered.steer.extend(self.steps(map.as_ref()));
            }
            Tree::Mapped(name, skips_first, children) => {
                map = Some(MapUse { map: name.clone(), skips_first: *skips_first, has_outside: false });
                let mut is_ordered = self.map(name).is_some_and(|map| map.is_auto);
                let mut is_drawn = false;
                for (_, child) in children {
                    let inner = tiers(child)?;
                    is_ordered |= inner.len() > 1;
                    is_drawn |= matches!(child, Tree::Drawn(_));
                    steered.tiers.extend(inner);
                }
                if is_drawn && is_ordered {
                    return Err("it has an order in one datacenter and a draw in another".to_owned());
                }
                steered.steer = self.steps(map.as_ref());
                if is_drawn {
                    steered.steer.push("weight");
                } else if is_ordered {
                    // With a map by distance, its order is that of clients without a location.
                    steered.steer.push("failover");
                }
            }
        }
        let kinds: Vec<bool> = steered.tiers.iter().flatten().map(|used| self.is_cname(&used.pool)).collect();
        if kinds.iter().any(|kind| *kind != kinds[0]) {
            return Err("it answers with addresses for some clients and with a canonical name for others".to_owned());
        }
        Ok((steered, map))
    }

    fn map(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.name == name)
    }

    /// The steps that a map needs.
    fn steps(&self, used: Option<&MapUse>) -> Vec<&'static str> {
        match used.map(|used| self.map(&used.map)) {
            None => Vec::new(),
            Some(map) if map.is_some_and(|map| map.is_auto) => vec!["region", "distance"],
            Some(_) => vec!["region"],
        }
    }

    fn is_cname(&self, pool: &str) -> bool {
        self.pools.get(pool).is_some_and(Pool::is_cname)
    }

    /// Takes out a canonical name that stands after addresses: it is the fallback.
    fn take_fallback(&self, tree: &mut Tree) -> Result<Option<String>, String> {
        let is_cname = |tree: &Tree| matches!(tree, Tree::Pool(name) if self.is_cname(name));
        let named = |tree: Tree| if let Tree::Pool(name) = tree { Some(name) } else { None };
        match tree {
            Tree::Ordered(children) if children.last().is_some_and(is_cname) && !children.iter().all(is_cname) => {
                return Ok(children.pop().and_then(named));
            }
            Tree::Mapped(map, _, children) if !children.iter().all(|(_, child)| is_cname(child)) => {
                let Some(place) = children.iter().position(|(_, child)| is_cname(child)) else { return Ok(None) };
                let (datacenter, child) = children.remove(place);
                if !self.map(map).is_some_and(|map| map.is_last(&datacenter)) {
                    return Err(format!(
                        "its datacenter {datacenter} has a canonical name, and is not the last of all lists"
                    ));
                }
                return Ok(named(child));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// Returns the pools of a tree without maps: those of one tier answer together.
fn tiers(tree: &Tree) -> Result<Vec<Vec<Use>>, String> {
    match tree {
        Tree::Pool(name) => Ok(vec![vec![Use::new(name)]]),
        Tree::Together(names) => Ok(vec![names.iter().map(|name| Use::new(name)).collect()]),
        Tree::Drawn(drawn) => Ok(vec![drawn.iter().map(|(pool, weight)| Use::weighted(pool, *weight)).collect()]),
        Tree::Ordered(children) => {
            if children.iter().any(|child| matches!(child, Tree::Drawn(_))) {
                return Err("it has groups with weights within an order".to_owned());
            }
            let each = children.iter().map(tiers).collect::<Result<Vec<_>, _>>()?;
            Ok(each.into_iter().flatten().collect())
        }
        Tree::Mapped(..) => Err("it has a map within a datacenter".to_owned()),
    }
}
