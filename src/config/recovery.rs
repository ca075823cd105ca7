//! `slow_start` and `failback` of a pool.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::health::{Failback, Recovery};

use super::decode::{Placed, Table, Value, parse_duration};
use super::fault::{Fault, Faults};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// 0 is off. Whoever warms up for longer than a day is better served by weights.
const SLOW_START: RangeInclusive<Duration> = Duration::ZERO..=DAY;

/// What is held back for longer than this waits for somebody, and that is `manual`.
const HELD_BACK: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * DAY.as_secs());

/// Takes both keys out of a pool's table. `monitor` is the one that it names, if any.
pub(super) fn read(table: &mut Table<'_>, monitor: Option<&Placed<String>>, faults: &mut Faults) -> Recovery {
    let slow_start = table.take("slow_start");
    let failback = table.take("failback");
    if monitor.is_none() {
        for value in [&slow_start, &failback].into_iter().flatten() {
            let message = "nothing comes back that never goes: the pool has no monitor";
            faults.push(Fault::warning(&value.anchor(), message, "of no effect"));
        }
    }
    let slow_start = slow_start.and_then(|value| value.duration(SLOW_START, faults));
    Recovery {
        slow_start: slow_start.map_or(Duration::ZERO, |time| time.value),
        failback: failback.and_then(|value| read_failback(&value, faults)).unwrap_or_default(),
    }
}

fn read_failback(value: &Value<'_>, faults: &mut Faults) -> Option<Failback> {
    let (shortest, longest) = (HELD_BACK.start(), HELD_BACK.end());
    let expected = format!("\"auto\", \"manual\" or a duration such as \"10m\", from {shortest:?} to {longest:?}");
    let failback = value.parsed(&expected, faults, |text| match text {
        "auto" => Some(Failback::Auto),
        "manual" => Some(Failback::Manual),
        _ => parse_duration(text).filter(|time| HELD_BACK.contains(time)).map(Failback::After),
    });
    failback.map(|failback| failback.value)
}
