//! Warns of keys whose time ends, and of roll-overs that wait for somebody.

use std::time::Duration;

use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::config::source::Place;
use crate::dnssec::{Wait, ZoneKeys};
use crate::duration::Written;
use crate::timestamp::rfc3339;

/// The end of a key without a successor is warned of this long before, in seconds: a roll-over takes days.
const SOON: u64 = 14 * 86_400;

/// A roll-over that waits for the parent for longer than this, in seconds, is stuck.
const STUCK: u64 = 7 * 86_400;

/// Warns of what needs an operator at the time `now`, in Unix seconds.
pub(super) fn warn(keys: &ZoneKeys, place: &Place, now: u64, faults: &mut Faults) {
    let zone = keys.apex();
    let date = |time: u64| rfc3339(Duration::from_secs(time));
    let mut push = |message: String, help: String| {
        faults.push(Fault::warning(place, message, "").code(Code::Signed).help(help));
    };
    let roll = format!("`truenorth dnssec rollover {zone}` makes the next key; or take the time out of the key's file");
    for (key, part) in keys.parts() {
        let (tag, since) = (key.public().tag(), date(part.waits_since));
        let is_stuck = now >= part.waits_since.saturating_add(STUCK);
        let waited = Written(Duration::from_secs(now.saturating_sub(part.waits_since) / 86_400 * 86_400));
        match part.wait {
            Some(Wait::Successor) => {
                let message = format!("the time of key {tag} of {zone} was over at {since}, and it still signs");
                push(message, roll.clone());
            }
            Some(Wait::Ds) if is_stuck => {
                let message = format!("key {tag} of {zone} has waited {waited} for its DS record at the parent");
                let help = format!(
                    "give the parent `truenorth dnssec ds {zone}`; once it is there, run `truenorth dnssec ds-seen {zone} {tag}`"
                );
                push(message, help);
            }
            Some(Wait::NoDs) if is_stuck => {
                let message = format!("key {tag} of {zone} has waited {waited} for its DS record to leave the parent");
                let help =
                    format!("take it out there; then run `truenorth dnssec ds-seen {zone}` with the key that stays");
                push(message, help);
            }
            _ => {}
        }
    }
    if let Some((key, end)) = keys.end().filter(|&(_, end)| (now..now + SOON).contains(&end)) {
        let message =
            format!("the time of key {} of {zone} is over at {}, and no key follows", key.public().tag(), date(end));
        push(message, roll);
    }
}
