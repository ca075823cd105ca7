//! The keys of a name that go with the step `region`: its map, and what it prefers there.

use super::NameReader;
use crate::config::code::Code;
use crate::config::decode::{TomlTable, Value};
use crate::config::fault::Fault;
use crate::config::regions::{in_map, map_of, read_tiers};
use crate::config::scope::missing;
use crate::geo::DatacenterId;
use crate::steering::Step;

impl NameReader<'_, '_> {
    /// Warns of a key that has no effect, because `steer` has no step `region`.
    fn warn_without_region(&mut self, value: &Value<'_>, steer: &[Step]) {
        if !steer.contains(&Step::Region) {
            let message = format!("`{}` has no effect: `steer` has no step `region`", value.key);
            self.faults.push(Fault::warning(&value.anchor(), message, "").code(Code::NoEffect));
        }
    }

    /// Reads the name of one of `[maps]`.
    pub(super) fn read_map(&mut self, value: &Value<'_>, steer: &[Step]) -> Option<String> {
        self.warn_without_region(value, steer);
        let name = value.string(self.faults)?;
        let mut maps: Vec<&str> = self.scope.regions.visible().map(|region| map_of(region.text())).collect();
        maps.retain(|map| !map.is_empty());
        maps.sort_unstable();
        maps.dedup();
        if !maps.contains(&name.value.as_str()) {
            self.faults.push(missing("map", &name, &maps, self.faults));
            return None;
        }
        Some(name.value)
    }

    pub(super) fn read_only(&mut self, value: &Value<'_>, steer: &[Step]) -> Option<bool> {
        self.warn_without_region(value, steer);
        value.boolean(self.faults).map(|only| only.value)
    }

    /// Reads the name's own tiers for regions of its map.
    pub(super) fn read_prefer(
        &mut self,
        value: &Value<'_>,
        steer: &[Step],
        map: &str,
    ) -> Vec<(Box<str>, Vec<Vec<DatacenterId>>)> {
        self.warn_without_region(value, steer);
        let entries = value.table("prefer", self.faults).map(TomlTable::into_values).unwrap_or_default();
        let mut prefer = Vec::new();
        for entry in entries {
            let name = entry.name().with(in_map(map, entry.key));
            let region = self.scope.regions.find(&name, self.faults);
            let tiers = read_tiers(&entry, self.scope.datacenters, self.faults);
            if region.is_some() {
                prefer.push((name.value.into(), tiers));
            }
        }
        prefer
    }
}
