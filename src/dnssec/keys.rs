//! The keys of a zone, and what each of them signs.

use std::fmt;
use std::sync::Arc;

use super::lifetime::{Lifetimes, Turn};
use super::plan::{KeyTimes, Part, Plan, State, Wait};
use super::time::{Delays, Policy, Timing};
use super::{ForeignKey, KEY_TTL, Role, SigningKey, schedule};
use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::Record;

/// The request to the parent zone in the CDS and CDNSKEY records of the apex (RFC 7344).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// To hold the DS records of the zone's keys.
    #[default]
    Ds,
    /// To hold none, so that the zone can become insecure (RFC 8078, section 4).
    NoDs,
}

/// The DS records of a zone that a nameserver of the parent holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The RDATA of each.
    pub rdata: Vec<Vec<u8>>,
    /// Their TTL in seconds.
    pub ttl: u32,
}

/// How a zone is signed, beside its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How long signatures are valid.
    pub policy: Policy,
    /// How long caches hold what was served. The TTL of DNSKEY records comes from the key files.
    pub delays: Delays,
    /// The request to the parent zone.
    pub wish: Wish,
    /// How long its keys are used.
    pub lifetimes: Lifetimes,
}

/// The keys that sign a zone, with the part of each at some time.
///
/// ```text
///   all active keys are entry points   each signs everything (CSK)
///   some are, and some are not         entry points sign DNSKEY, CDS and CDNSKEY (KSK), the others all else (ZSK)
///   published keys                     stand in the DNSKEY RRset and sign nothing
/// ```
///
/// Keys of one algorithm are looked at together; another algorithm's keys have their parts among themselves. A [`Plan`] says
/// which part a key has.
#[derive(Debug)]
pub struct ZoneKeys {
    apex: Name,
    /// The apex in lower case: the signer's name (RFC 4034, section 3.1.7).
    signer: Box<[u8]>,
    /// All keys, by algorithm and tag.
    keys: Box<[Arc<SigningKey>]>,
    /// The part of each key.
    plan: Plan,
    /// The time of the plan, in Unix seconds.
    as_of: u64,
    /// Those that sign DNSKEY, CDS and CDNSKEY.
    of_keys: Box<[Arc<SigningKey>]>,
    /// Those that sign everything else.
    of_data: Box<[Arc<SigningKey>]>,
    rules: Rules,
    /// The keys of other providers, which stand in the DNSKEY RRset and sign nothing here.
    foreign: Arc<[ForeignKey]>,
}

/// The reason why keys cannot sign a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadKeys {
    /// No key signs at this time.
    NoneActive,
    /// No key signs that the parent's DS record could refer to.
    NoEntry,
    /// No key of this algorithm is an entry point, so the DNSKEY RRset cannot be signed with it. RFC 4035, section 2.2:
    /// "There MUST be an RRSIG for each RRset using at least one DNSKEY of each algorithm in the zone apex DNSKEY RRset."
    Uncovered(super::Algorithm),
}

impl fmt::Display for BadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneActive => f.write_str("none of its keys signs at this time"),
            Self::NoEntry => f.write_str("none of its keys that sign is an entry point (flags 257)"),
            Self::Uncovered(algorithm) => {
                write!(f, "none of its keys of algorithm {algorithm} is an entry point (flags 257)")
            }
        }
    }
}

impl std::error::Error for BadKeys {}

impl ZoneKeys {
    /// Gives each key its part at the time `now`, in Unix seconds. Fails if the zone cannot be signed with these keys.
    pub fn try_new(apex: &Name, mut keys: Vec<SigningKey>, mut rules: Rules, now: u64) -> Result<Self, BadKeys> {
        keys.sort_by_key(|key| (key.public().algorithm().number(), key.public().tag(), *key.id()));
        if let Some(algorithm) = super::Algorithm::ALL.into_iter().find(|&algorithm| lacks_entry(&keys, algorithm))
            && keys.iter().any(|key| key.public().is_entry())
        {
            return Err(BadKeys::Uncovered(algorithm));
        }
        rules.delays.keys = keys.iter().map(|key| u64::from(key.ttl())).max().unwrap_or(KEY_TTL.into());
        // A validator drops records with their signatures (RFC 4035, section 5.3.3).
        rules.delays.zone = rules.delays.zone.min(rules.policy.validity());
        let keys: Box<[Arc<SigningKey>]> = keys.into_iter().map(Arc::new).collect();
        let of_zone = Self::planned(apex.clone(), keys, rules, now);
        if of_zone.of_keys.is_empty() || of_zone.of_data.is_empty() {
            let is_active = |key: &Arc<SigningKey>| key.timing().activate.is_none_or(|activate| activate <= now);
            let has_entry = of_zone.keys.iter().any(|key| key.public().is_entry());
            let is_late = has_entry || !of_zone.keys.iter().any(is_active);
            return Err(if is_late { BadKeys::NoneActive } else { BadKeys::NoEntry });
        }
        Ok(of_zone)
    }

    fn planned(apex: Name, keys: Box<[Arc<SigningKey>]>, rules: Rules, now: u64) -> Self {
        let times: Vec<KeyTimes> = keys.iter().map(|key| key.times()).collect();
        let plan = Plan::at(&times, rules.delays, now);
        let with = |does: fn(&Part) -> bool| {
            let parts = keys.iter().zip(&plan.parts);
            parts.filter(|(_, part)| does(part)).map(|(key, _)| key.clone()).collect::<Box<[_]>>()
        };
        let (of_keys, of_data) = (with(|part| part.signs_keys), with(|part| part.signs_records));
        let foreign = [].into();
        Self { signer: apex.to_key(), apex, keys, plan, as_of: now, of_keys, of_data, rules, foreign }
    }

    /// Returns the same keys with their parts at another time, in Unix seconds.
    pub fn at(&self, now: u64) -> Self {
        Self::planned(self.apex.clone(), self.keys.clone(), self.rules, now).beside(self.foreign.clone())
    }

    /// Returns the same keys beside those of other providers.
    pub fn beside(self, foreign: Arc<[ForeignKey]>) -> Self {
        Self { foreign, ..self }
    }

    /// Returns the keys of other providers.
    pub fn foreign(&self) -> &[ForeignKey] {
        &self.foreign
    }

    /// Returns other keys of the same zone, under the same rules. Fails if the zone cannot be signed with them.
    pub fn with_keys(&self, keys: Vec<SigningKey>, now: u64) -> Result<Self, BadKeys> {
        Ok(Self::try_new(&self.apex, keys, self.rules, now)?.beside(self.foreign.clone()))
    }

    /// True if the parts may be others at this time: it is later than the plan lasts, or the clock was set back.
    pub fn is_outdated(&self, now: u64) -> bool {
        now < self.as_of || self.plan.until.is_some_and(|until| until <= now)
    }

    /// Returns the name of the zone.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// Returns all keys of the files, each with its part.
    pub fn parts(&self) -> impl Iterator<Item = (&Arc<SigningKey>, &Part)> {
        self.keys.iter().zip(&self.plan.parts)
    }

    /// Returns the next change that comes by itself: its time in Unix seconds, and the keys from then on.
    pub fn next(&self) -> Option<(u64, Self)> {
        let times: Vec<KeyTimes> = self.keys.iter().map(|key| key.times()).collect();
        let (at, _) = self.plan.next(&times, self.rules.delays)?;
        Some((at, self.at(at)))
    }

    /// Returns the first key whose time ends and that no key of its kind follows, and when it ends, in Unix seconds.
    pub fn end(&self) -> Option<(&SigningKey, u64)> {
        let end = |key: &SigningKey| {
            let Timing { inactive, delete, .. } = key.timing();
            inactive.into_iter().chain(delete).min()
        };
        let ends = self.parts().filter(|(_, part)| part.signs_keys || part.signs_records).filter_map(|(key, _)| {
            let time = end(key)?;
            let outlives = |other: &SigningKey| {
                other.id() != key.id()
                    && other.public().is_entry() == key.public().is_entry()
                    && end(other).is_none_or(|end| end > time)
            };
            (!self.keys.iter().any(|other| outlives(other))).then_some((&**key, time))
        });
        ends.min_by_key(|&(_, end)| end)
    }

    /// Returns the roll-overs that lifetimes of keys ask for, the earliest first; none while another one is under way. Keys
    /// that the parent's DS record refers to do not roll while the parent is asked to hold none.
    pub fn turns(&self) -> Vec<Turn> {
        let Rules { lifetimes, delays, wish, .. } = self.rules;
        let lifetimes = Lifetimes { ksk: lifetimes.ksk.filter(|_| wish == Wish::Ds), ..lifetimes };
        if lifetimes == Lifetimes::default() {
            return Vec::new();
        }
        let since: Vec<Option<u64>> = self.keys.iter().map(|key| key.since()).collect();
        Turn::all(&self.times_and_parts(), &since, lifetimes, delays)
    }

    /// Returns the roles of the keys in use, each once.
    pub fn roles(&self) -> Vec<Role> {
        let keys = self.times_and_parts();
        let of = |role: &Role| {
            (0..keys.len()).any(|key| keys[key].1.state != State::Removed && schedule::role(&keys, key) == *role)
        };
        [Role::Csk, Role::Ksk, Role::Zsk].into_iter().filter(of).collect()
    }

    /// Returns what a schedule needs to know of each key, in the order of [`parts`](Self::parts).
    pub fn times_and_parts(&self) -> Vec<(KeyTimes, Part)> {
        self.parts().map(|(key, part)| (key.times(), *part)).collect()
    }

    /// Returns how long keys are used.
    pub fn lifetimes(&self) -> Lifetimes {
        self.rules.lifetimes
    }

    /// Returns how long caches hold what was served.
    pub fn delays(&self) -> Delays {
        self.rules.delays
    }

    /// Returns what the parent is asked for.
    pub fn wish(&self) -> Wish {
        self.rules.wish
    }

    /// Returns the keys that sign records of this type.
    pub fn signing(&self, rtype: Rtype) -> &[Arc<SigningKey>] {
        match rtype {
            Rtype::DNSKEY | Rtype::CDS | Rtype::CDNSKEY => &self.of_keys,
            _ => &self.of_data,
        }
    }

    /// Returns how long signatures are valid.
    pub fn policy(&self) -> Policy {
        self.rules.policy
    }

    /// Returns the signer's name in signatures: the apex in lower case.
    pub(super) fn signer(&self) -> &[u8] {
        &self.signer
    }

    /// Returns the keys whose DS records the parent is asked to hold.
    pub fn offered(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.parts().filter(|(_, part)| part.has_cds).map(|(key, _)| key)
    }

    /// True if a key waits for the parent.
    pub fn awaits_parent(&self) -> bool {
        self.plan.parts.iter().any(|part| matches!(part.wait, Some(Wait::Ds | Wait::NoDs)))
    }

    /// Returns the tag of the key that waits for the parent, if these DS records of each of its nameservers are what it waits
    /// for: that of the key, and of no key that is not asked for.
    pub fn awaited_ds(&self, held: &[Held]) -> Option<u16> {
        let holds = |held: &Held, key: &SigningKey| held.rdata.iter().any(|ds| key.public().is_in(ds, &self.apex));
        let is_done = |held: &Held| self.parts().all(|(key, part)| part.has_cds || !holds(held, key));
        let is_removed = |(_, part): (&Arc<SigningKey>, &Part)| part.state == State::Removed;
        let waits = |wait| self.plan.parts.iter().any(|part| part.wait == Some(wait));
        let key = self.parts().find(|(_, part)| part.wait == Some(Wait::Ds));
        // An earlier record was needed for the keys that are removed, and must not be replaced.
        let may_repeat = waits(Wait::NoDs) && !self.parts().any(is_removed);
        let key = key.or_else(|| self.parts().find(|(_, part)| part.has_cds).filter(|_| may_repeat));
        let (key, _) = key?;
        let is_seen = !held.is_empty() && held.iter().all(|held| is_done(held) && holds(held, key));
        is_seen.then(|| key.public().tag())
    }

    /// Returns the records of the apex that tell the keys: DNSKEY, and CDS and CDNSKEY, by which the parent keeps its DS
    /// records up to date (RFC 7344).
    pub fn records(&self) -> Vec<Record> {
        let ttl = self.rules.delays.keys as u32;
        let record = |rtype, rdata: &[u8]| Record { owner: self.apex.clone(), rtype, ttl, rdata: rdata.into() };
        let published = self.parts().filter(|(_, part)| part.is_published);
        let mut records: Vec<Record> = published.map(|(key, _)| record(Rtype::DNSKEY, key.public().rdata())).collect();
        records.extend(self.foreign.iter().map(|key| record(Rtype::DNSKEY, key.rdata())));
        match self.rules.wish {
            Wish::Ds => {
                let own = self.offered().map(|key| (key.public().ds(&self.apex), key.public().rdata()));
                let entries = self.foreign.iter().filter(|key| key.is_entry());
                let all = own.chain(entries.map(|key| (key.ds(&self.apex), key.rdata())));
                records.extend(all.flat_map(|(ds, key)| [record(Rtype::CDS, &ds), record(Rtype::CDNSKEY, key)]));
            }
            Wish::NoDs => records.extend([record(Rtype::CDS, NO_CDS), record(Rtype::CDNSKEY, NO_CDNSKEY)]),
        }
        records
    }
}

/// The CDS record that asks for no DS record: `0 0 0 00` (RFC 8078, section 4, with erratum 5049).
const NO_CDS: &[u8] = &[0, 0, 0, 0, 0];

/// The CDNSKEY record that asks for no DS record: `0 3 0 AA==` (the same).
const NO_CDNSKEY: &[u8] = &[0, 0, 3, 0, 0];

/// True if there are keys of this algorithm, and none of them is an entry point.
fn lacks_entry(keys: &[SigningKey], algorithm: super::Algorithm) -> bool {
    let mut of_algorithm = keys.iter().filter(|key| key.public().algorithm() == algorithm).peekable();
    of_algorithm.peek().is_some() && of_algorithm.all(|key| !key.public().is_entry())
}

/// Equal if both make the same records and signatures now and later.
impl PartialEq for ZoneKeys {
    fn eq(&self, other: &Self) -> bool {
        let facts = |keys: &Self| keys.keys.iter().map(|key| (*key.id(), key.timing())).collect::<Vec<_>>();
        let is_same = self.apex == other.apex && self.rules == other.rules && self.foreign == other.foreign;
        is_same && self.plan == other.plan && facts(self) == facts(other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::private::{self, PrivateKey};
    use super::super::{Algorithm, PublicKey, key_file};
    use super::*;

    fn zone() -> Name {
        Name::parse("example.com.", &Name::root()).unwrap()
    }

    fn key(algorithm: Algorithm, is_entry: bool, timing: Timing) -> SigningKey {
        let (private, public) = private::generate(algorithm).unwrap();
        let public = PublicKey::new(algorithm, is_entry, &public).unwrap();
        let private = PrivateKey::new(&private, &public).unwrap_or_else(|_| unreachable!());
        SigningKey::new(public, private, timing, None, None)
    }

    fn keys(keys: Vec<SigningKey>) -> Result<ZoneKeys, BadKeys> {
        ZoneKeys::try_new(&zone(), keys, Rules::default(), 100)
    }

    const ALWAYS: Timing = Timing {
        publish: None,
        activate: None,
        inactive: None,
        delete: None,
        sync_publish: None,
        sync_delete: None,
        ds_publish: None,
    };
    const LATER: Timing = Timing { publish: Some(0), activate: Some(200), ..ALWAYS };

    #[test]
    fn a_single_key_signs_everything() {
        let files = key_file::NewKey::first(Algorithm::EcdsaP256Sha256, 3600, 0).create(&zone()).unwrap();
        let keys = keys(vec![key_file::read(&zone(), &files.public, &files.private).unwrap()]).unwrap();
        assert_eq!([Rtype::DNSKEY, Rtype::A].map(|rtype| keys.signing(rtype).len()), [1, 1]);
        let types: Vec<Rtype> = keys.records().iter().map(|record| record.rtype).collect();
        assert_eq!(types, [Rtype::DNSKEY, Rtype::CDS, Rtype::CDNSKEY]);
    }

    #[test]
    fn keys_have_their_parts() {
        let ecdsa = Algorithm::EcdsaP256Sha256;
        let keys = keys(vec![key(ecdsa, true, ALWAYS), key(ecdsa, false, ALWAYS), key(ecdsa, false, LATER)]).unwrap();
        assert_eq!(keys.parts().filter(|(_, part)| part.is_published).count(), 3);
        assert!(keys.signing(Rtype::CDS).iter().all(|key| key.public().is_entry()));
        assert!(keys.signing(Rtype::SOA).iter().all(|key| !key.public().is_entry()));
        assert_eq!([Rtype::CDNSKEY, Rtype::TXT].map(|rtype| keys.signing(rtype).len()), [1, 1]);
    }

    #[test]
    fn keys_follow_the_clock_in_both_directions() {
        let soon = Timing { publish: Some(200), activate: Some(200), ..ALWAYS };
        let keys = keys(vec![key(Algorithm::Ed25519, true, ALWAYS), key(Algorithm::Ed25519, true, soon)]).unwrap();
        let published = |keys: &ZoneKeys| keys.parts().filter(|(_, part)| part.is_published).count();
        assert_eq!([99, 100, 199, 200].map(|now| keys.is_outdated(now)), [true, false, false, true]);
        let later = keys.at(200);
        assert_eq!((published(&keys), published(&later)), (1, 2));
        assert_eq!(keys.next().map(|(at, next)| (at, next == later)), Some((200, true)));
        assert!(keys != later && later.is_outdated(100) && later.at(100) == keys);
    }

    /// RFC 8901, section 2.1.2.
    #[test]
    fn keys_of_others_stand_beside_our_own_in_each_step_of_a_roll_over() {
        let foreign: Arc<[ForeignKey]> = [256u16, 257]
            .map(|flags| ForeignKey::try_new(&[&flags.to_be_bytes()[..], &[3, 13, 7]].concat()).unwrap())
            .into();
        let ed = Algorithm::Ed25519;
        let times = |publish, end| Timing {
            publish: Some(publish),
            activate: Some(publish),
            inactive: end,
            delete: end,
            ds_publish: Some(publish + 1),
            ..ALWAYS
        };
        let pair = vec![key(ed, true, times(1, Some(500_000))), key(ed, true, times(400_000, None))];
        let mut keys = ZoneKeys::try_new(&zone(), pair, Rules::default(), 100).unwrap().beside(foreign.clone());
        let mut steps = 0;
        loop {
            let of = |rtype| keys.records().into_iter().filter(move |record| record.rtype == rtype).collect::<Vec<_>>();
            let own = keys.parts().filter(|(_, part)| part.is_published).count();
            assert_eq!(of(Rtype::DNSKEY).len(), own + 2, "step {steps}");
            assert!(foreign.iter().all(|key| of(Rtype::DNSKEY).iter().any(|record| *record.rdata == *key.rdata())));
            assert_eq!(of(Rtype::CDNSKEY).len(), keys.offered().count() + 1, "step {steps}");
            assert_eq!(of(Rtype::CDS).len(), of(Rtype::CDNSKEY).len());
            let Some((_, next)) = keys.next() else { break };
            assert!(next != keys);
            keys = next;
            steps += 1;
        }
        assert!(steps > 3, "a roll-over has more steps than {steps}");
        let silent = ZoneKeys::try_new(
            &zone(),
            vec![key(ed, true, ALWAYS)],
            Rules { wish: Wish::NoDs, ..Rules::default() },
            100,
        );
        let silent = silent.unwrap().beside(foreign);
        assert_eq!(
            silent.records().iter().filter(|record| record.rtype == Rtype::CDS).count(),
            1,
            "none is to be held"
        );
    }

    #[test]
    fn the_parent_is_awaited_until_all_its_nameservers_agree() {
        let at = |time| Timing { publish: Some(time), activate: Some(time), ..ALWAYS };
        let old = key(Algorithm::Ed25519, true, Timing { inactive: Some(9000), delete: Some(9000), ..at(1) });
        let new = key(Algorithm::Ed25519, true, at(1000));
        let ds = |key: &SigningKey| key.public().ds(&zone()).to_vec();
        let (of_old, of_new, tag) = (ds(&old), ds(&new), new.public().tag());
        let keys = ZoneKeys::try_new(&zone(), vec![old, new], Rules::default(), 10_000).unwrap();
        assert!(keys.awaits_parent());
        let held = |rdata: &[&Vec<u8>]| Held { rdata: rdata.iter().map(|&ds| ds.clone()).collect(), ttl: 60 };
        let (before, both, after) = (held(&[&of_old]), held(&[&of_old, &of_new]), held(&[&of_new]));
        assert_eq!(keys.awaited_ds(&[after.clone(), after.clone()]), Some(tag));
        for not_yet in [vec![], vec![before], vec![both], vec![after, held(&[])]] {
            assert_eq!(keys.awaited_ds(&not_yet), None, "{not_yet:?}");
        }
    }

    #[test]
    fn keys_that_cannot_sign_the_zone_are_refused() {
        let (ecdsa, ed) = (Algorithm::EcdsaP256Sha256, Algorithm::Ed25519);
        assert_eq!(keys(Vec::new()).unwrap_err(), BadKeys::NoneActive);
        assert_eq!(keys(vec![key(ecdsa, true, LATER)]).unwrap_err(), BadKeys::NoneActive);
        assert_eq!(keys(vec![key(ecdsa, false, ALWAYS)]).unwrap_err(), BadKeys::NoEntry);
        assert_eq!(keys(vec![key(ecdsa, true, ALWAYS), key(ed, false, ALWAYS)]).unwrap_err(), BadKeys::Uncovered(ed));
        // A key of another algorithm is published once it signs.
        let early = keys(vec![key(ecdsa, true, ALWAYS), key(ed, true, LATER)]).unwrap();
        assert_eq!(early.parts().filter(|(_, part)| part.is_published).count(), 1);
        assert!(keys(vec![key(ecdsa, true, ALWAYS), key(ed, true, ALWAYS)]).is_ok());
    }
}
