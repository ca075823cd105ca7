//! The signed zones of a configuration, their keys, and what comes next in their roll-overs.

mod presigned;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use self::presigned::mnemonic;
use self::presigned::{PresignedZone, PublishedKey};
use super::text::Counted;
use crate::dnssec::{Delays, Part, SigningKey, Turn, Wait, Wish, ZoneKeys};
use crate::duration::Written;
use crate::snapshot::World;
use crate::timestamp::rfc3339;

/// The signed zones of a configuration.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Signing {
    /// The zones, in the order of the configuration.
    pub(super) zones: Vec<SignedZone>,
    /// The zones that their files have signed.
    #[serde(default)]
    presigned: Vec<PresignedZone>,
}

/// A signed zone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignedZone {
    zone: String,
    keys: Vec<Key>,
    /// The keys of other providers (RFC 8901).
    #[serde(default)]
    foreign_keys: Vec<PublishedKey>,
    /// Seconds for which a signature is valid.
    validity: u64,
    /// Seconds for which a signature is valid at least when it is served.
    refresh: u64,
    /// Seconds for which caches hold what was served.
    ttls: Ttls,
    /// True if the parent is asked to hold no DS record.
    asks_for_no_ds: bool,
    /// The next step that comes by itself; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    next: Option<Step>,
    /// The roll-overs that lifetimes of keys ask for, the earliest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    rolls: Vec<Roll>,
}

/// A roll-over that the node with `roller = true` begins by itself.
#[derive(Debug, Serialize, Deserialize)]
struct Roll {
    /// The tag of the key whose lifetime ends.
    tag: u16,
    /// When it begins, in Unix seconds.
    begins: u64,
    /// When the lifetime ends, in Unix seconds.
    ends: u64,
}

/// How long caches hold records, in seconds.
#[derive(Debug, Serialize, Deserialize)]
struct Ttls {
    dnskey: u64,
    /// The greatest of all other records.
    zone: u64,
    /// The one that the parent's DS records are taken to have.
    ds: u64,
    /// The time for all nodes to serve a change.
    propagation: u64,
}

/// A key of the files.
#[derive(Debug, Serialize, Deserialize)]
struct Key {
    tag: u16,
    algorithm: String,
    /// 257 for a key that the parent's DS record refers to, else 256.
    flags: u16,
    signs: Signs,
    /// The state in the words of RFC 7583.
    state: String,
    /// True if CDS and CDNSKEY records ask the parent for its DS record.
    asks_for_ds: bool,
    /// The event that it waits for: `ds`, `no_ds` or `successor`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    waits_for: Option<Waits>,
}

/// An event that a key waits for.
#[derive(Debug, Serialize, Deserialize)]
struct Waits {
    event: Awaited,
    /// Unix time in seconds.
    since: u64,
}

/// The events that keys wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Awaited {
    Ds,
    NoDs,
    Successor,
}

/// A step of a roll-over.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    /// Unix time in seconds.
    time: u64,
    /// The keys that change, with what they do from then on.
    keys: Vec<Key>,
}

/// The records that a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signs {
    /// All records.
    Everything,
    /// DNSKEY, CDS and CDNSKEY.
    Keys,
    /// Everything else.
    Records,
    /// No record.
    Nothing,
}

impl Signs {
    /// Returns what a key with this part signs.
    pub fn of(part: &Part) -> Self {
        match (part.signs_keys, part.signs_records) {
            (true, true) => Self::Everything,
            (true, false) => Self::Keys,
            (false, true) => Self::Records,
            (false, false) => Self::Nothing,
        }
    }

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Keys => "keys",
            Self::Records => "records",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for Signs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everything => "signs all records",
            Self::Keys => "signs the keys",
            Self::Records => "signs all records but the keys",
            Self::Nothing => "signs nothing",
        })
    }
}

/// Maximum number of signed zones in a summary.
const MAX_LISTED: usize = 3;

impl Signing {
    /// Returns the signed zones of a world.
    pub fn of(world: &World) -> Self {
        Self {
            zones: world.zones.iter().filter_map(|zone| zone.keys.as_ref()).map(|keys| SignedZone::of(keys)).collect(),
            presigned: world.zones.iter().filter_map(|zone| PresignedZone::of(&zone.tree)).collect(),
        }
    }

    /// Returns lines for a summary: the tags of the keys of the first zones.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let all = self.zones.len() + self.presigned.len();
        let lines = self.zones.iter().map(SignedZone::line).chain(self.presigned.iter().map(PresignedZone::line));
        let listed = lines.take(MAX_LISTED);
        let more = all.saturating_sub(MAX_LISTED);
        let more = (more > 0)
            .then(|| format!("{} more signed: `truenorth dnssec status` lists their keys", Counted(more, "zone")));
        listed.chain(more)
    }
}

impl SignedZone {
    fn of(keys: &ZoneKeys) -> Self {
        let Delays { keys: dnskey, zone, ds, propagation } = keys.delays();
        let next = keys.next().map(|(time, next)| {
            let parts = next.parts().zip(keys.parts());
            let changed = parts.filter(|((_, new), (_, old))| new != old);
            Step { time, keys: changed.map(|((key, part), _)| Key::of(key, part)).collect() }
        });
        Self {
            zone: keys.apex().to_string(),
            keys: keys.parts().map(|(key, part)| Key::of(key, part)).collect(),
            foreign_keys: keys.foreign().iter().map(PublishedKey::foreign).collect(),
            validity: keys.policy().validity(),
            refresh: keys.policy().refresh(),
            ttls: Ttls { dnskey, zone, ds, propagation },
            asks_for_no_ds: keys.wish() == Wish::NoDs,
            next,
            rolls: keys.turns().into_iter().filter_map(|turn| Roll::of(keys, turn)).collect(),
        }
    }

    fn line(&self) -> String {
        let published = self.keys.iter().filter(|key| !matches!(&*key.state, "generated" | "removed"));
        let keys: Vec<String> = published.map(|key| format!("{} ({})", key.tag, key.algorithm)).collect();
        let rolls: Vec<String> = self.rolls.iter().map(|roll| format!("; {roll}")).collect();
        format!("{} is signed, key {}{}", self.zone, keys.join(", "), rolls.concat())
    }

    /// Returns the command that ends a wait.
    fn remedy(&self, key: &Key, event: Awaited) -> String {
        let Self { zone, .. } = self;
        match event {
            Awaited::Ds => format!(
                "give the parent zone `truenorth dnssec ds {zone}`, then run `truenorth dnssec ds-seen {zone} {}`",
                key.tag
            ),
            Awaited::NoDs => format!("then run `truenorth dnssec ds-seen {zone}` with the key that stays"),
            Awaited::Successor => format!("run `truenorth dnssec rollover {zone}`"),
        }
    }
}

impl Roll {
    fn of(keys: &ZoneKeys, turn: Turn) -> Option<Self> {
        let (key, _) = keys.parts().nth(turn.key)?;
        Some(Self { tag: key.public().tag(), begins: turn.begins, ends: turn.ends })
    }
}

impl fmt::Display for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} rolls at {}", self.tag, rfc3339(Duration::from_secs(self.begins)))
    }
}

impl Key {
    fn of(key: &SigningKey, part: &Part) -> Self {
        let event = part.wait.map(|wait| match wait {
            Wait::Ds => Awaited::Ds,
            Wait::NoDs => Awaited::NoDs,
            Wait::Successor => Awaited::Successor,
        });
        Self {
            tag: key.public().tag(),
            algorithm: key.public().algorithm().to_string(),
            flags: key.public().flags(),
            signs: Signs::of(part),
            state: part.state.as_str().to_owned(),
            asks_for_ds: part.has_cds,
            waits_for: event.map(|event| Waits { event, since: part.waits_since }),
        }
    }
}

impl fmt::Display for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zones = self.zones.iter().map(ToString::to_string);
        let zones: Vec<String> = zones.chain(self.presigned.iter().map(ToString::to_string)).collect();
        f.write_str(if zones.is_empty() { "no zone is signed" } else { "" })?;
        f.write_str(&zones.join("\n"))
    }
}

impl fmt::Display for SignedZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, keys, foreign_keys, validity, refresh, ttls, asks_for_no_ds, next, rolls } = self;
        let written = |seconds: &u64| Written(Duration::from_secs(*seconds));
        let [validity, refresh] = [validity, refresh].map(written);
        write!(f, "{zone} signatures are valid for {validity}, at least {refresh} when they are served")?;
        for key @ Key { tag, algorithm, flags, signs, state, .. } in keys {
            write!(f, "\n  key {tag:<5}  {algorithm}  flags {flags}  {state}, {signs}")?;
            if let Some(Waits { event, since }) = &key.waits_for {
                let since = rfc3339(Duration::from_secs(*since));
                let what = match event {
                    Awaited::Ds => "for its DS record at the parent",
                    Awaited::NoDs => "for its DS record to leave the parent",
                    Awaited::Successor => "for a key that takes its place, because its time is over",
                };
                write!(f, "\n    waits since {since} {what}: {}", self.remedy(key, *event))?;
            }
        }
        for key in foreign_keys {
            write!(f, "\n  {key}, of another provider")?;
        }
        if *asks_for_no_ds {
            f.write_str("\n  CDS and CDNSKEY ask the parent to remove all DS records")?;
        }
        for roll in rolls {
            write!(f, "\n  {roll}")?;
        }
        if let Some(Step { time, keys }) = next {
            let keys: Vec<String> =
                keys.iter().map(|key| format!("key {} {}, {}", key.tag, key.state, key.signs)).collect();
            write!(f, "\n  next at {}: {}", rfc3339(Duration::from_secs(*time)), keys.join("; "))?;
            let Ttls { dnskey, zone, ds, propagation } = ttls;
            let [dnskey, zone, ds, propagation] = [dnskey, zone, ds, propagation].map(written);
            write!(
                f,
                "\n  TTLs: DNSKEY {dnskey}, other records up to {zone}, DS {ds}; nodes agree within {propagation}"
            )?;
        }
        Ok(())
    }
}
