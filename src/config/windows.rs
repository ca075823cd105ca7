//! `[[windows]]`: times with an override, such as a drain during maintenance. They stand in the server file, or in a file
//! of their own that it names with `overrides`.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::value::{Datetime, Offset};

use crate::disk::Disk;
use crate::overrides::{MAX_OVERRIDES, MAX_REASON, Mode, Order, OverrideRefusal, TargetPattern};
use crate::snapshot::{KnownTargets, PoolSpec, PoolUse, SteeredName, World};
use crate::timestamp::Civil;

use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::document::read_document_again;
use super::fault::{Fault, Faults};
use super::files::{self, ReadFile};
use super::source::Place;
use super::suggest::is_worth_comparing;

/// The author of overrides from the server file.
const SERVER_FILE: &str = "server file";

/// The author of orders that names give for their pools.
const ZONE_FILE: &str = "zone file";

/// Range of the time that a drain may take.
const OVER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

/// The format of a time, for messages.
const TIME: &str = "a time with an offset, such as 2026-12-01T02:00:00Z";

/// Reads the windows of the server file, and those of the file that it names with `overrides`. Each has the place of its
/// target.
pub(super) fn read(table: &mut TomlTable<'_>, folder: &Path, disk: &Disk, faults: &mut Faults) -> Vec<Placed<Order>> {
    let mut windows = read_list(table.take("windows"), SERVER_FILE, faults);
    let Some(name) = table.take("overrides").and_then(|value| value.string(faults)) else { return windows };
    let path = folder.join(&name.value);
    let Some(ReadFile { source, .. }) = files::read_named(disk, &path, &name.place, faults) else { return windows };
    let read = |mut table: TomlTable<'_>, faults: &mut Faults| {
        let windows = read_list(table.take("windows"), &name.value, faults);
        table.finish(faults);
        windows
    };
    let again = |table: TomlTable<'_>, faults: &mut Faults| _ = read(table, faults);
    windows.extend(read_document_again(&source, "the overrides file", faults, read, again).unwrap_or_default());
    windows
}

fn read_list(value: Option<Value<'_>>, who: &str, faults: &mut Faults) -> Vec<Placed<Order>> {
    let Some(value) = value else { return Vec::new() };
    let mut windows = value.each(faults, |value, faults| read_window(value, who, faults));
    if windows.len() > MAX_OVERRIDES {
        windows.truncate(MAX_OVERRIDES);
        faults.push(
            Fault::error(&value.anchor(), format!("there are more than {MAX_OVERRIDES} windows"), "").code(Code::Limit),
        );
    }
    windows
}

fn read_window(value: &Value<'_>, who: &str, faults: &mut Faults) -> Option<Placed<Order>> {
    let mut table = value.table("a window", faults)?;
    let target = table.require("target", faults).and_then(|value| read_target(&value, faults));
    let mode = table.require("mode", faults).and_then(|value| value.word(&Mode::ALL, faults));
    // Outer `None`: a faulty value. Inner `None`: no value, so that the window is open on that side.
    let mut time = |key| match table.take(key) {
        Some(value) => read_time(&value, faults).map(Some),
        None => Some(None),
    };
    let (from, until) = (time("from"), time("until"));
    let over = table.take("over").and_then(|value| value.duration(OVER, faults));
    let reason = table.take("reason").and_then(|value| {
        let expected = format!("a text of 1 to {MAX_REASON} octets");
        value.parsed(&expected, faults, |text| (text.len() <= MAX_REASON).then(|| text.to_owned()))
    });
    table.finish(faults);
    let (target, mode, from, until) = (target?, mode?, from?, until?);
    if let (Some(from), Some(until)) = (&from, &until)
        && until.value <= from.value
    {
        let fault =
            Fault::error(&until.place, "the window ends before it begins", "not after `from`").code(Code::Window);
        faults.push(fault.related(&from.place, "it begins here"));
        return None;
    }
    let reason = reason.map_or_else(String::new, |reason| reason.value).into();
    let value = |time: Option<Placed<Duration>>| time.map(|time| time.value);
    let (from, until) = (value(from), value(until));
    let order = Order {
        mode: mode.value,
        target: target.value.clone(),
        from,
        until,
        over: over.as_ref().map(|over| over.value),
        reason,
        who: who.into(),
    };
    if !order.fits_target() {
        let message = OverrideRefusal::NotInName.to_string();
        faults.push(Fault::error(&mode.place, message, "not for a pool in a name").code(Code::Window));
        return None;
    }
    if let Some(over) = over.as_ref().filter(|_| !order.is_well_timed()) {
        faults.push(
            Fault::error(&over.place, OverrideRefusal::NotGradual.to_string(), "cannot be gradual").code(Code::Window),
        );
        return None;
    }
    if let Some(over) = over.filter(|_| from.is_none()) {
        let message = "a gradual drain needs a `from`, because it takes its time from there";
        faults.push(Fault::error(&over.place, message, "from when?").code(Code::Window));
        return None;
    }
    Some(target.with(order))
}

/// Adds the orders that names give for their pools to the windows of a world, as windows that last as long as they are in the
/// file. `places` holds the place of each zone. Reports too many of them.
pub(super) fn add_modes(world: &mut World, places: &[Place], faults: &mut Faults) {
    let mut orders = Vec::new();
    for (zone, place) in world.zones.iter().zip(places) {
        let before = orders.len();
        zone.names.iter().for_each(|name| orders.extend(modes(name, &world.pools)));
        if before <= MAX_OVERRIDES && orders.len() > MAX_OVERRIDES {
            let message = format!("names have a `mode` for more than {MAX_OVERRIDES} of their pools");
            faults.push(Fault::error(place, message, "those of this zone are too many").code(Code::Limit));
        }
    }
    world.windows.extend(orders);
}

/// Returns the orders of a name for its pools. An entry of which all pools have the same mode is one order, as an operator
/// gives it, so that an order of an operator for the whole entry counts before it.
fn modes(name: &SteeredName, pools: &[Arc<PoolSpec>]) -> Vec<Order> {
    let uses = &*name.steering.pools;
    let spec = |used: &PoolUse| &pools[used.pool.index()];
    let mut orders = Vec::new();
    for (number, used) in uses.iter().enumerate() {
        let Some(mode) = used.mode else { continue };
        let entry = spec(used).entry();
        let of_entry = |other: &&PoolUse| spec(other).entry() == entry;
        let is_whole = entry.is_some() && uses.iter().filter(of_entry).all(|other| other.mode == used.mode);
        if is_whole && uses[..number].iter().any(|other| of_entry(&other)) {
            continue;
        }
        let pool = entry.filter(|_| is_whole).unwrap_or(&spec(used).name);
        let target = TargetPattern::pool_in_name(pool, &name.owner);
        let who = ZONE_FILE.into();
        orders.push(Order { mode, target, from: None, until: None, over: None, reason: "".into(), who });
    }
    orders
}

/// Reports windows that have no effect.
pub(super) fn check(windows: &[Placed<Order>], world: &World, faults: &mut Faults) {
    let known = KnownTargets::new(world);
    for window in windows {
        let target = &window.value.target;
        if !known.has(target) {
            let meant = is_worth_comparing(faults, known.count(target.kind())).then(|| known.closest(target)).flatten();
            let label = meant.map_or_else(|| "not there".to_owned(), |meant| format!("did you mean `{meant}`?"));
            faults.push(
                Fault::error(&window.place, format!("nothing is named `{target}`"), label).code(Code::UnknownName),
            );
        }
    }
    let now = crate::clock::wall();
    let mut over = windows.iter().filter(|window| window.value.until.is_some_and(|until| until < now));
    if let Some(first) = over.next() {
        let message = format!("the window of `{}` is over", first.value.target);
        let fault = Fault::warning(&first.place, message, "does nothing any more").code(Code::NoEffect);
        let more = over.count();
        faults.push(if more == 0 { fault } else { fault.help(format!("so are {more} more")) });
    }
}

fn read_target(value: &Value<'_>, faults: &mut Faults) -> Option<Placed<TargetPattern>> {
    let text = value.string(faults)?;
    match text.value.parse() {
        Ok(target) => Some(text.with(target)),
        Err(error) => {
            let error: crate::overrides::TargetPatternError = error;
            faults.push(Fault::error(&text.place, error.to_string(), "not a target").code(Code::BadValue));
            None
        }
    }
}

fn read_time(value: &Value<'_>, faults: &mut Faults) -> Option<Placed<Duration>> {
    match value.datetime().and_then(since_epoch) {
        Some(time) => Some(Placed { value: time, place: value.place() }),
        None => value.unexpected(TIME, faults),
    }
}

/// Returns the time since 1970. `None` for a time without an offset: it would be another moment on every node.
fn since_epoch(Datetime { date, time, offset }: Datetime) -> Option<Duration> {
    let (date, time) = (date?, time?);
    let offset = match offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => minutes,
    };
    Civil {
        year: date.year,
        month: date.month,
        day: date.day,
        hour: time.hour,
        minute: time.minute,
        second: time.second.unwrap_or(0),
        offset,
    }
    .since_epoch()
}
