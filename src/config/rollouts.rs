//! `active` and `canary`: how a name's clients move from some of its pools to others.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::duration::{self, Written};
use crate::health::Share;
use crate::rollout::{Bounds, Canary, LatencyBound, Spec, Steps, StepsError};
use crate::snapshot::PoolId;

use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults};
use super::pools::{self, PoolEntry};
use super::scope::View;
use super::source::Place;

/// Range of the time that a step of a canary lasts.
const HOLD: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);

/// Default time of a step.
const DEFAULT_HOLD: Duration = Duration::from_secs(10 * 60);

/// Range of the bound on a probe's latency. No probe takes longer than the upper end.
const LATENCY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// Range of the bound relative to the other pools' latency, in per cent.
const RELATIVE_LATENCY: RangeInclusive<u32> = 100..=1000;

/// The keys of a name's roll-out, before its pools are known.
pub(super) struct Draft<'d> {
    active: Option<Value<'d>>,
    canary: Option<Value<'d>>,
}

impl<'d> Draft<'d> {
    pub(super) fn take(table: &mut TomlTable<'d>) -> Self {
        Self { active: table.take("active"), canary: table.take("canary") }
    }

    /// Reads the roll-out of a name with these pools.
    pub(super) fn read(self, pools: &[PoolId], view: View<'_, PoolEntry>, faults: &mut Faults) -> Option<Spec> {
        let reader = Reader { pools, view };
        if let (Some(active), Some(canary)) = (&self.active, &self.canary) {
            let fault =
                Fault::error(&canary.anchor(), "`canary` and `active` exclude each other", "also moves clients")
                    .code(Code::Conflict);
            faults.push(fault.related(&active.anchor(), "sets the pool for all clients"));
        }
        let active = self.active.and_then(|value| reader.read_active(&value, faults));
        let canary = self.canary.and_then(|value| reader.read_canary(&value, faults));
        active.or(canary)
    }
}

struct Reader<'a> {
    pools: &'a [PoolId],
    view: View<'a, PoolEntry>,
}

impl Reader<'_> {
    fn read_active(&self, value: &Value<'_>, faults: &mut Faults) -> Option<Spec> {
        let reference = value.string(faults)?;
        if self.is_all(&reference, faults)? {
            let message = "`active` has no effect: it names all of `pools`";
            faults.push(Fault::warning(&reference.place, message, "no pool is left to switch to").code(Code::NoEffect));
        }
        Some(Spec::Active(reference.value.into()))
    }

    fn read_canary(&self, value: &Value<'_>, faults: &mut Faults) -> Option<Spec> {
        let mut table = value.table("a canary", faults)?;
        let pool = table.require("pool", faults).and_then(|value| value.string(faults));
        let steps = table.require("steps", faults).and_then(|value| read_steps(&value, faults));
        let hold = table.take("hold").and_then(|value| value.duration(HOLD, faults));
        let bounds = table.take("rollback").map(|value| read_bounds(&value, faults)).unwrap_or_default();
        table.finish(faults);
        let pool = pool?;
        if self.is_all(&pool, faults)? {
            let message = "`pools` holds only the canary's pool";
            faults
                .push(Fault::error(&pool.place, message, "no pool is left for the other clients").code(Code::Rollout));
        }
        let hold = hold.map_or(DEFAULT_HOLD, |hold| hold.value);
        Some(Spec::Canary(Canary { pool: pool.value.into(), steps: steps?, hold, bounds }))
    }

    /// Returns true if a reference stands for all of the name's pools, false if it stands for some of them. Reports a
    /// fault and returns `None` if it stands for none of them.
    fn is_all(&self, reference: &Placed<String>, faults: &mut Faults) -> Option<bool> {
        let meant = pools::find(self.view, reference, faults)?;
        let held = self.pools.iter().filter(|pool| meant.contains(pool)).count();
        if held == 0 {
            let message = format!("the name's `pools` do not hold `{}`", reference.value);
            faults.push(Fault::error(&reference.place, message, "add it there").code(Code::Rollout));
            return None;
        }
        Some(held == self.pools.len())
    }
}

fn read_steps(list: &Value<'_>, faults: &mut Faults) -> Option<Steps> {
    let before = faults.0.len();
    let steps = list.each(faults, |item, faults| item.integer(1..=100_u8, faults));
    if faults.has_errors_since(before) {
        return None;
    }
    let percents: Vec<u8> = steps.iter().map(|step| step.value).collect();
    let error = match Steps::try_new(&percents) {
        Ok(steps) => return Some(steps),
        Err(error) => error,
    };
    let place: Place = match error {
        StepsError::NotAscending(place) => steps[place].place.clone(),
        StepsError::Empty | StepsError::TooMany(_) => list.place(),
    };
    faults.push(Fault::error(&place, error.to_string(), "").code(Code::Rollout));
    None
}

fn read_bounds(value: &Value<'_>, faults: &mut Faults) -> Bounds {
    let Some(mut table) = value.table("a canary's rollback", faults) else { return Bounds::default() };
    let mut share = |key, range: RangeInclusive<f64>| {
        let number = table.take(key).and_then(|value| value.number(range, faults))?;
        Some(Share::from_thousandths((number.value * f64::from(Share::FULL.thousandths())).round() as u16))
    };
    let (healthy, errors) = (share("healthy", 0.001..=1.0), share("errors", 0.0..=0.999));
    let latency = table.take("latency").and_then(|value| {
        let (least, most) = (Written(*LATENCY.start()), Written(*LATENCY.end()));
        let expected = format!(
            "a duration such as \"250ms\", from {least} to {most}, or a share such as \"150%\", from 100% to 1000%"
        );
        value.parsed(&expected, faults, read_latency)
    });
    table.finish(faults);
    Bounds { healthy, errors, latency: latency.map(|latency| latency.value) }
}

/// Reads `250ms` or `150%`.
fn read_latency(text: &str) -> Option<LatencyBound> {
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent = percent.trim_end().parse().ok().filter(|percent| RELATIVE_LATENCY.contains(percent));
            percent.map(LatencyBound::Relative)
        }
        None => duration::parse(text).filter(|time| LATENCY.contains(time)).map(LatencyBound::Absolute),
    }
}
