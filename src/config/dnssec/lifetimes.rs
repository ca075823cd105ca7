//! `zsk_lifetime` and `ksk_lifetime` of `[dnssec]`: how long keys are used until roll-overs begin by themselves.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::{Section, ServerDnssec};
use crate::config::code::Code;
use crate::config::decode::{Placed, TomlTable, Value};
use crate::config::fault::{Fault, Faults};
use crate::config::source::Place;
use crate::config::zone::ZoneDraft;
use crate::dnssec::{Lifetimes, Role, ZoneKeys};
use crate::duration::Written;
use crate::timestamp::rfc3339;

/// The keys of the section.
const KSK: &str = "ksk_lifetime";
const ZSK: &str = "zsk_lifetime";

/// Range of lifetimes. The least one that fits a zone follows from its TTLs.
const LIFETIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(20 * 365 * 86_400);

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The word for keys that are used for ever.
const UNLIMITED: &str = "unlimited";

/// A lifetime and its place. Without a limit it is `None`.
type Lifetime = Placed<Option<Duration>>;

/// The lifetimes of one section, as far as it gives them.
#[derive(Clone, Debug)]
pub(super) struct OfSection {
    ksk: Option<Lifetime>,
    zsk: Option<Lifetime>,
}

/// Reads both keys of a section.
pub(super) fn read(table: &mut TomlTable<'_>, faults: &mut Faults) -> OfSection {
    let lifetime = |value: Option<Value<'_>>, faults: &mut Faults| {
        let value = value?;
        if value.text() == Some(UNLIMITED) {
            return Some(Placed { value: None, place: value.place() });
        }
        let lifetime = value.duration(LIFETIME, faults)?;
        Some(lifetime.with(Some(lifetime.value)))
    };
    OfSection { ksk: lifetime(table.take(KSK), faults), zsk: lifetime(table.take(ZSK), faults) }
}

impl OfSection {
    /// Returns the lifetime of keys with this role, with its key.
    fn of(&self, role: Role) -> Option<(&'static str, &Lifetime)> {
        let (key, lifetime) = if role.is_entry() { (KSK, &self.ksk) } else { (ZSK, &self.zsk) };
        Some((key, lifetime.as_ref()?))
    }
}

/// Returns the lifetimes of a zone with these sections, in the order in which they count.
pub(super) fn of_zone<'s>(sections: &(impl Iterator<Item = &'s Section> + Clone)) -> Lifetimes {
    let of = |role: Role| {
        let (_, lifetime) = sections.clone().find_map(|section| section.settings.lifetimes.of(role))?;
        Some(lifetime.value?.as_secs())
    };
    Lifetimes { ksk: of(Role::Ksk), zsk: of(Role::Zsk) }
}

/// Reports lifetimes that end before a roll-over does. One that the server file gives is reported for the zone that needs
/// the longest one.
pub(super) fn check(
    server: &ServerDnssec,
    zones: &[ZoneDraft],
    keys: &HashMap<usize, Arc<ZoneKeys>>,
    faults: &mut Faults,
) {
    let mut numbers: Vec<usize> = keys.keys().copied().collect();
    numbers.sort_unstable();
    let shared = server.section.as_ref();
    for role in [Role::Csk, Role::Ksk, Role::Zsk] {
        let mut longest: Option<(u64, &ZoneKeys)> = None;
        for number in &numbers {
            let (keys, own) = (&*keys[number], zones[*number].dnssec.as_ref());
            if !keys.roles().contains(&role) {
                continue;
            }
            let least = Lifetimes::least(role, keys.delays());
            if let Some((key, lifetime)) = own.and_then(|section| section.settings.lifetimes.of(role)) {
                report_short(key, lifetime, least, keys, faults);
            } else if longest.is_none_or(|(other, _)| other < least) {
                longest = Some((least, keys));
            }
        }
        let of_server = shared.and_then(|section| section.settings.lifetimes.of(role));
        if let Some(((key, lifetime), (least, keys))) = of_server.zip(longest) {
            report_short(key, lifetime, least, keys, faults);
        }
    }
}

fn report_short(key: &str, lifetime: &Lifetime, least: u64, keys: &ZoneKeys, faults: &mut Faults) {
    let Some(value) = lifetime.value.filter(|value| value.as_secs() < least) else { return };
    // Rounded up, to be read.
    let unit = if least > DAY { HOUR } else { 1 };
    let [value, least] = [value, Duration::from_secs(least.next_multiple_of(unit))].map(Written);
    let message = format!("`{key}` ({value}) is shorter than a roll-over of {} takes: {least}", keys.apex());
    let fault = Fault::error(&lifetime.place, message, "").code(Code::Conflict);
    faults.push(fault.help("make it longer, or make `propagation`, `ds_ttl` or the TTLs of the zone shorter"));
}

/// Warns at the time `now`, in Unix seconds, of lifetimes that have no effect or that other providers must know of, and of keys
/// that are used for longer than they should be. `place` says that the zone is signed, and `own` is the section of the zone.
pub(super) fn warn(
    keys: &ZoneKeys,
    own: Option<&Section>,
    place: &Place,
    is_roller: bool,
    now: u64,
    faults: &mut Faults,
) {
    let (zone, roles) = (keys.apex(), keys.roles());
    let has_zsk = roles.contains(&Role::Zsk);
    if let Some((key, lifetime)) = own.and_then(|own| own.settings.lifetimes.of(Role::Zsk)).filter(|_| !has_zsk)
        && lifetime.value.is_some()
    {
        let message = format!("`{key}` has no effect: {zone} has no ZSK");
        let fault = Fault::warning(&lifetime.place, message, "").code(Code::NoEffect);
        faults.push(fault.help(format!("its key signs everything (CSK), and its lifetime is `{KSK}`")));
    }
    if !keys.foreign().is_empty() && is_roller && !keys.turns().is_empty() {
        let message = format!("keys of {zone} roll by themselves, and other providers sign it, too");
        let propagation = Written(Duration::from_secs(keys.delays().propagation));
        let help = format!(
            "they must publish a new key within the time of `propagation` ({propagation}), the TTL of their DNSKEY records included; \
             or set `{KSK}` and `{ZSK}` to \"{UNLIMITED}\", and begin roll-overs yourself"
        );
        faults.push(Fault::warning(place, message, "").code(Code::Signed).help(help));
    }
    for turn in keys.turns().into_iter().filter(|turn| turn.ends <= now) {
        let tag = keys.parts().nth(turn.key).map_or(0, |(key, _)| key.public().tag());
        let end = rfc3339(Duration::from_secs(turn.ends));
        let message = format!("the lifetime of key {tag} of {zone} was over at {end}, and no key follows");
        let help = if is_roller {
            "this node begins the roll-over as soon as it serves these files; if it does not, its log says why"
        } else {
            "the node with `roller = true` begins the roll-over: look at its log, and whether its key files are copied here"
        };
        faults.push(Fault::warning(place, message, "").code(Code::Signed).help(help));
    }
}
