//! `[names]`: owner names whose addresses are selected for each client.

mod by_region;

use std::collections::HashMap;
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;

use crate::geo::DatacenterId;
use crate::name::Name;
use crate::overrides::Mode;
use crate::snapshot::{Ecs, MAX_POOLS, PerFamily, PoolId, PoolList, PoolUse, SteeredName, Steering, Ttls};
use crate::steering::{AllDown, MAX_ANSWERS, Pick, Step};

use super::code::Code;
use super::decode::{TomlTable, Value, entries};
use super::fault::{Fault, Faults};
use super::https;
use super::owners::read_owner;
use super::pools::{self, DraftMembers, PoolDraft, PoolEntry};
use super::regions::PlacedRegion;
use super::rollouts;
use super::scope::View;
use super::source::Place;
use super::suggest::list_of;
use super::tolerance;
use super::ttls;

/// The chain of a name without `steer`.
const DEFAULT_STEER: [Step; 2] = [Step::Region, Step::Weight];

/// The orders that a name can give for one of its pools. An endpoint is up for all names or for none, so none is forced up.
const MODES: [(&str, Mode); 2] = [("drain", Mode::Drain), ("force-down", Mode::ForceDown)];

/// Bits of an IPv4 and an IPv6 client address that `sticky` hashes unless the name sets another number: the lengths
/// that RFC 7871, section 11.1, recommends to resolvers. A lower maximum of the server file takes precedence.
const DEFAULT_STICKY: PerFamily<u8> = [24, 56];

/// One entry of `[names]`.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) name: Name,
    pub(super) place: Place,
    pub(super) kind: OwnerKind,
}

/// The kind of answers of an owner.
#[derive(Clone, Debug)]
pub(super) enum OwnerKind {
    /// Answers are steered among pools.
    Steered {
        /// The steered name.
        name: SteeredName,
        /// True if it may answer with a CNAME, from its pools or from its fallback.
        cname: bool,
    },
    /// It returns what the node knows about the client.
    Reflect,
}

/// The definitions that a zone's names can refer to.
pub(super) struct NameScope<'a> {
    pub(super) origin: &'a Name,
    pub(super) ttl: u32,
    pub(super) ttl_min: u32,
    pub(super) ecs: Ecs,
    pub(super) datacenters: View<'a, DatacenterId>,
    pub(super) regions: View<'a, PlacedRegion>,
    pub(super) pools: View<'a, PoolEntry>,
}

/// Reads a zone's `[names]`. Records in `drafts` which names use which pool.
pub(super) fn read(
    section: Option<&Value<'_>>,
    scope: &NameScope<'_>,
    drafts: &mut [Arc<PoolDraft>],
    faults: &mut Faults,
) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();
    let mut defined: HashMap<Name, Place> = HashMap::new();
    for value in entries(section, "names", faults) {
        let name = read_owner(&value, scope.origin, &mut defined, faults);
        let reader = NameReader { scope, drafts, faults };
        // The body of a faulty owner is read too: for its own faults, and to mark its pools as used.
        let kind = reader.read(&value, name.clone().unwrap_or_else(Name::root));
        if let (Some(name), Some(kind)) = (name, kind) {
            owners.push(Owner { name, place: value.anchor(), kind });
        }
    }
    owners
}

struct NameReader<'r, 'a> {
    scope: &'r NameScope<'a>,
    drafts: &'r mut [Arc<PoolDraft>],
    faults: &'r mut Faults,
}

/// The keys that belong to a steered name. Any of them makes the table one.
const KEYS: [&str; 20] = [
    "pools",
    "steer",
    "map",
    "only",
    "latency_tolerance",
    "pick",
    "answers",
    "take",
    "spare",
    "prefer",
    "fallback",
    "all_down",
    "ttl",
    "ttl_min",
    "https",
    "active",
    "canary",
    "sticky_v4",
    "sticky_v6",
    "reflect",
];

impl NameReader<'_, '_> {
    fn read(mut self, value: &Value<'_>, owner: Name) -> Option<OwnerKind> {
        let mut table = value.table("a name", self.faults)?;
        if let Some(quoted) = unquoted_name(value.key, &table) {
            let message = format!("`{quoted}` without quotes is a table in a table");
            let fault = Fault::error(&value.anchor(), message, "a name with a dot needs quotes").code(Code::BadName);
            self.faults.push(fault.help(format!("write [names.\"{quoted}\"]")));
            return None;
        }
        if let Some(reflect) = table.take("reflect") {
            let reflects = reflect.boolean(self.faults)?.value;
            if reflects {
                table.refuse(&KEYS, "is not allowed with `reflect`: such a name answers TXT only", self.faults);
                table.finish(self.faults);
                return Some(OwnerKind::Reflect);
            }
        }
        self.read_steered(table, owner)
    }

    fn read_steered(&mut self, mut table: TomlTable<'_>, owner: Name) -> Option<OwnerKind> {
        let anchor = table.place();
        let pools = table.require("pools", self.faults).map(|value| self.read_pools(&value, &owner));
        let (steer, steer_place) = self.read_steer(table.take("steer"), &anchor);
        let map = table.take("map").and_then(|value| self.read_map(&value, &steer)).unwrap_or_default();
        let only = table.take("only").and_then(|value| self.read_only(&value, &steer));
        let tolerance = table.take("latency_tolerance");
        let latency_tolerance = tolerance.and_then(|value| tolerance::read(&value, &steer, self.faults));
        let pick = self.read_pick(table.take("pick"));
        let answers = table.take("answers").and_then(|value| value.integer(1..=MAX_ANSWERS as u16, self.faults));
        let take = table.take("take").and_then(|value| value.integer(1..=MAX_POOLS as u8, self.faults));
        let take = take.map_or(1, |take| take.value);
        let spare = table.take("spare").is_some_and(|value| self.read_spare(&value, take));
        let hashes = steer.iter().any(|step| matches!(step, Step::Sticky | Step::Load)) || pick == Some(Pick::Sticky);
        let sticky = self.read_sticky(&mut table, hashes);
        let prefer = table.take("prefer").map(|value| self.read_prefer(&value, &steer, &map)).unwrap_or_default();
        let fallback = table.take("fallback").and_then(|value| self.read_fallback(&value, &owner));
        let all_down = table.take("all_down").and_then(|value| value.word(&AllDown::ALL, self.faults));
        let all_down = all_down.map_or(AllDown::All, |word| word.value);
        let (ttl, ttl_min) = ttls::read(&mut table, (self.scope.ttl, self.scope.ttl_min), self.faults);
        let https = table.take("https");
        let rollout = rollouts::Draft::take(&mut table);
        let https_place = https.as_ref().map(Value::anchor);
        let https = https.and_then(|value| https::read(&value, self.faults));
        table.finish(self.faults);

        let pools = pools?;
        let ids: Vec<PoolId> = pools.iter().map(|(used, _)| used.pool).collect();
        let rollout = rollout.read(&ids, self.scope.pools, self.faults);
        let cname_pools = self.kind_of(&pools)?;
        if let Some(place) = https_place.filter(|_| cname_pools) {
            let message =
                format!("`https` is not allowed at {owner}: its pools hold a CNAME, which excludes other records");
            self.faults.push(Fault::error(&place, message, "never answered").code(Code::Alias));
        }
        let cname_fallback = fallback.is_some_and(|id| self.is_cname(id));
        self.warn_dead_failover(&steer, &pools, &steer_place);
        let steering = Steering {
            // `None` only for a list that is too long, which was reported: all pools are different.
            pools: PoolList::try_new(pools.into_iter().map(|(used, _)| used).collect())?,
            steer,
            map: map.into(),
            only,
            latency_tolerance: latency_tolerance.unwrap_or_default(),
            pick,
            answers: answers.and_then(|answers| NonZeroU16::new(answers.value)),
            take: NonZeroU8::new(take)?,
            spare,
            sticky,
            prefer,
            fallback,
            all_down,
            ttls: Ttls::try_new(ttl, ttl_min)?,
            https,
            rollout: rollout.map(Box::new),
        };
        let name = SteeredName { owner, steering: Arc::new(steering) };
        Some(OwnerKind::Steered { name, cname: cname_pools || cname_fallback })
    }

    fn read_pools(&mut self, list: &Value<'_>, owner: &Name) -> Vec<(PoolUse, Place)> {
        let mut uses = PoolUses::default();
        let items = list.items("a name needs a pool", self.faults);
        for (order, item) in items.iter().enumerate() {
            // Too many entries are reported below. Here the number must only not overflow.
            let order = order.min(usize::from(u8::MAX)) as u8;
            if item.is_list() {
                for tied in item.items("a tie needs a pool", self.faults) {
                    self.read_pool_use(&tied, order, owner, &mut uses);
                }
            } else {
                self.read_pool_use(item, order, owner, &mut uses);
            }
        }
        if uses.list.len() > MAX_POOLS {
            let message = format!("a name uses at most {MAX_POOLS} pools");
            let label = format!("{} pools, each datacenter of a pool counted", uses.list.len());
            self.faults.push(Fault::error(&list.anchor(), message, label).code(Code::Limit));
        }
        uses.list
    }

    /// `"web"` or `{ pool = "web", weight = 3, mode = "drain" }`.
    fn read_pool_use(&mut self, item: &Value<'_>, order: u8, owner: &Name, uses: &mut PoolUses) {
        let (reference, weight, mode) = if item.is_table() {
            let Some(mut table) = item.table("a use of a pool", self.faults) else { return };
            let reference = table.require("pool", self.faults).and_then(|value| value.string(self.faults));
            let weight = table.take("weight").and_then(|value| value.integer(0..=u16::MAX, self.faults));
            let mode = table.take("mode").and_then(|value| value.word(&MODES, self.faults));
            table.finish(self.faults);
            (reference, weight.map_or(1, |weight| weight.value), mode.map(|mode| mode.value))
        } else {
            (item.string(self.faults), 1, None)
        };
        let Some(reference) = reference else { return };
        let mut is_reported = false;
        for pool in pools::find(self.scope.pools, &reference, self.faults).unwrap_or_default() {
            self.note_user(pool, owner);
            if let Some(first) = uses.first.get(&pool) {
                // Reports one fault for an entry that is used twice, not one for each of its datacenters.
                if !std::mem::replace(&mut is_reported, true) {
                    let message = format!("pool `{}` is used twice", self.drafts[pool.index()].name);
                    let fault = Fault::error(&reference.place, message, "again").code(Code::Duplicate);
                    self.faults.push(fault.related(first, "first used here"));
                }
            } else {
                uses.first.insert(pool, reference.place.clone());
                uses.list.push((PoolUse { pool, weight, order, mode }, reference.place.clone()));
            }
        }
    }

    fn note_user(&mut self, pool: PoolId, owner: &Name) {
        Arc::make_mut(&mut self.drafts[pool.index()]).note_user(owner);
    }

    /// Reads the chain. `anchor` is the place for faults if the key is missing.
    fn read_steer(&mut self, value: Option<Value<'_>>, anchor: &Place) -> (Vec<Step>, Place) {
        let Some(value) = value else { return (DEFAULT_STEER.to_vec(), anchor.clone()) };
        let steps = value.each(self.faults, |item, faults| item.word(&Step::ALL, faults));
        for (position, step) in steps.iter().enumerate() {
            let before = &steps[..position];
            if let Some(first) = before.iter().find(|other| other.value == step.value) {
                let message = format!("step `{}` is given twice", step.value.as_str());
                let fault = Fault::warning(&step.place, message, "changes nothing").code(Code::NoEffect);
                self.faults.push(fault.related(&first.place, "first here"));
            } else if let Some(last) = before.iter().find(|other| other.value.draws()) {
                let message = format!("step `{}` has no effect", step.value.as_str());
                let fault = Fault::warning(&step.place, message, "never decides anything").code(Code::NoEffect);
                self.faults.push(fault.related(&last.place, "leaves no ties"));
            }
        }
        (steps.iter().map(|step| step.value).collect(), value.place())
    }

    fn warn_dead_failover(&mut self, steer: &[Step], pools: &[(PoolUse, Place)], place: &Place) {
        let one_order = pools.iter().all(|(used, _)| used.order == pools[0].0.order);
        if one_order && steer.contains(&Step::Failover) {
            let message = "step `failover` has no effect: `pools` has a single entry";
            self.faults.push(Fault::warning(place, message, "nothing to order").code(Code::NoEffect));
        }
    }

    fn read_pick(&mut self, value: Option<Value<'_>>) -> Option<Pick> {
        let words = [
            ("rotate", Pick::Rotate),
            ("weighted", Pick::Weighted),
            ("random", Pick::Random),
            ("sticky", Pick::Sticky),
            ("least-load", Pick::LeastLoad),
        ];
        value?.word(&words, self.faults).map(|pick| pick.value)
    }

    /// Reads `spare = true`. Reports a fault if `take` leaves no datacenter for the ranking.
    fn read_spare(&mut self, value: &Value<'_>, take: u8) -> bool {
        let spare = value.boolean(self.faults).is_some_and(|spare| spare.value);
        if spare && take < 2 {
            let message = format!("`spare` keeps the last of several datacenters, but `take` is {take}");
            let fault = Fault::error(&value.anchor(), message, "has no effect").code(Code::Steering);
            self.faults.push(fault.help("`take = 2` is the nearest datacenter and a spare one"));
        }
        spare
    }

    /// Reads `sticky_v4` and `sticky_v6`: the lengths in bits to which clients' networks are cut. They have an effect
    /// only if `is_used`.
    fn read_sticky(&mut self, table: &mut TomlTable<'_>, is_used: bool) -> Option<PerFamily<u8>> {
        let Ecs { max_source_v4, max_source_v6, .. } = self.scope.ecs;
        let families = [
            ("sticky_v4", "max_source_v4", max_source_v4, 32, DEFAULT_STICKY[0]),
            ("sticky_v6", "max_source_v6", max_source_v6, 128, DEFAULT_STICKY[1]),
        ];
        let lengths = families.map(|(key, limit, max, width, default)| {
            let Some(value) = table.take(key) else { return default.min(max) };
            if !is_used {
                let message = format!("`{key}` has no effect: neither `steer` nor `pick` uses a hash");
                self.faults.push(Fault::warning(&value.anchor(), message, "").code(Code::NoEffect));
            }
            let Some(length) = value.integer(0..=width, self.faults) else { return max };
            if length.value > max {
                let message = format!("`{key}` ({}) is longer than `{limit}` ({max})", length.value);
                let fault =
                    Fault::error(&length.place, message, "longer than any client's prefix").code(Code::ClientSubnet);
                self.faults.push(fault.help(format!("`{limit}` is set in the server file, in `[ecs]`")));
            }
            length.value
        });
        is_used.then_some(lengths)
    }

    fn read_fallback(&mut self, value: &Value<'_>, owner: &Name) -> Option<PoolId> {
        let reference = value.string(self.faults)?;
        let found = pools::find(self.scope.pools, &reference, self.faults)?;
        let [pool] = found[..] else {
            let names: Vec<&str> = found.iter().map(|&pool| &*self.drafts[pool.index()].name).collect();
            let message = format!("`fallback` is one pool, `{}` is {}", reference.value, names.len());
            let help = format!("choose one of {}", list_of(&names));
            self.faults.push(Fault::error(&reference.place, message, "which one?").code(Code::Steering).help(help));
            return None;
        };
        self.note_user(pool, owner);
        Some(pool)
    }

    /// Returns true if the pools hold CNAMEs. Reports a fault if the pools are of both kinds.
    fn kind_of(&mut self, pools: &[(PoolUse, Place)]) -> Option<bool> {
        let (first, first_place) = pools.first()?;
        let cname = self.is_cname(first.pool);
        let other = pools.iter().find(|(used, _)| self.is_cname(used.pool) != cname);
        let Some((_, place)) = other else { return Some(cname) };
        let label = |cname| if cname { "a CNAME" } else { "addresses" };
        let fault = Fault::error(place, "a name's pools must be all of one kind", label(!cname)).code(Code::Alias);
        self.faults.push(fault.related(first_place, label(cname)).help("only `fallback` may be of another kind"));
        None
    }

    fn is_cname(&self, pool: PoolId) -> bool {
        matches!(self.drafts[pool.index()].members, DraftMembers::Cname(_))
    }
}

/// The pools of one name while they are read.
#[derive(Default)]
struct PoolUses {
    list: Vec<(PoolUse, Place)>,
    first: HashMap<PoolId, Place>,
}

/// Returns the name that `[names.a.b]` was probably meant to define: `None` unless the table holds a table and none of
/// a name's keys.
fn unquoted_name(key: &str, table: &TomlTable<'_>) -> Option<String> {
    if table.rest().iter().any(|value| KEYS.contains(&value.key)) {
        return None;
    }
    let inner = table.rest().iter().find(|value| value.is_table())?;
    let deeper = inner.table("a name", &mut Faults::default())?;
    Some(match unquoted_name(inner.key, &deeper) {
        Some(rest) => format!("{key}.{rest}"),
        None => format!("{key}.{}", inner.key),
    })
}
