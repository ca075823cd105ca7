//! `slow_start` and `failback` of a pool: one value for all of its datacenters, or a table with one for each.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::duration::{self, Written};
use crate::health::{Failback, Recovery};

use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Range of `slow_start`; 0 turns it off. For a warm-up of more than a day, use weights.
const SLOW_START: RangeInclusive<Duration> = Duration::ZERO..=DAY;

/// Range of `failback`. To hold a pool back for longer, use `manual`.
const HELD_BACK: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * DAY.as_secs());

/// How an entry's pools return to service.
pub(super) struct Recoveries {
    slow_start: ByPlace<Duration>,
    failback: ByPlace<Failback>,
}

/// The values for the pools of an entry.
enum ByPlace<T> {
    /// One value for all of them.
    All(T),
    /// Values for the pools in these datacenters; the others have the default.
    Each(Vec<(Placed<String>, T)>),
}

/// Takes both keys from a pool's table. `monitor` is the monitor that the table names, if there is one.
pub(super) fn read(table: &mut TomlTable<'_>, monitor: Option<&Placed<String>>, faults: &mut Faults) -> Recoveries {
    let slow_start = table.take("slow_start");
    let failback = table.take("failback");
    if monitor.is_none() {
        for value in [&slow_start, &failback].into_iter().flatten() {
            let message = "the pool has no monitor, so its endpoints never go down and never come back";
            faults.push(Fault::warning(&value.anchor(), message, "has no effect").code(Code::NoEffect));
        }
    }
    let time = |value: &Value<'_>, faults: &mut Faults| value.duration(SLOW_START, faults).map(|time| time.value);
    Recoveries {
        slow_start: ByPlace::read(slow_start, "slow_start", faults, time),
        failback: ByPlace::read(failback, "failback", faults, read_failback),
    }
}

impl Recoveries {
    /// How the pool in this datacenter returns to service.
    pub(super) fn of(&self, datacenter: Option<&str>) -> Recovery {
        Recovery { slow_start: self.slow_start.of(datacenter), failback: self.failback.of(datacenter) }
    }

    /// Reports datacenters in which the entry has no pool.
    pub(super) fn check(&self, datacenters: &[Option<&str>], faults: &mut Faults) {
        self.slow_start.check("slow_start", datacenters, faults);
        self.failback.check("failback", datacenters, faults);
    }
}

impl<T: Copy + Default> ByPlace<T> {
    fn read(
        value: Option<Value<'_>>,
        key: &'static str,
        faults: &mut Faults,
        read: impl Fn(&Value<'_>, &mut Faults) -> Option<T>,
    ) -> Self {
        let Some(value) = value else { return Self::All(T::default()) };
        if !value.is_table() {
            return Self::All(read(&value, faults).unwrap_or_default());
        }
        let each = value.table(key, faults).map(TomlTable::into_values).unwrap_or_default();
        let each = each.into_iter().filter_map(|value| Some((value.name(), read(&value, faults)?)));
        Self::Each(each.collect())
    }

    fn of(&self, datacenter: Option<&str>) -> T {
        match self {
            Self::All(value) => *value,
            Self::Each(each) => {
                let found = each.iter().find(|(name, _)| Some(&*name.value) == datacenter);
                found.map(|(_, value)| *value).unwrap_or_default()
            }
        }
    }

    fn check(&self, key: &str, datacenters: &[Option<&str>], faults: &mut Faults) {
        let Self::Each(each) = self else { return };
        for (name, _) in each {
            if !datacenters.contains(&Some(&*name.value)) {
                let message = format!("the pool has no endpoints in `{}`, so its `{key}` has no effect", name.value);
                faults.push(Fault::error(&name.place, message, "no endpoints there").code(Code::NoEffect));
            }
        }
    }
}

fn read_failback(value: &Value<'_>, faults: &mut Faults) -> Option<Failback> {
    let (shortest, longest) = (HELD_BACK.start(), HELD_BACK.end());
    let expected = format!(
        "\"auto\", \"manual\" or a duration such as \"10m\", from {} to {}",
        Written(*shortest),
        Written(*longest)
    );
    let failback = value.parsed(&expected, faults, |text| match text {
        "auto" => Some(Failback::Auto),
        "manual" => Some(Failback::Manual),
        _ => duration::parse(text).filter(|time| HELD_BACK.contains(time)).map(Failback::After),
    });
    failback.map(|failback| failback.value)
}
