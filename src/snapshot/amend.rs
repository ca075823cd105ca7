//! Adds TXT records to a zone while it is served, for operators who must prove that they control a name (RFC 8555,
//! section 8.4).
//!
//! The zone gets a patch with the extra records over its tree; everything else is shared. The extra records behave like
//! all others: empty non-terminals, NXDOMAIN and transfers are right without further work. If a wildcard of the files
//! answered for the name, the records of the wildcard still answer, although the name exists now.

use std::fmt;
use std::sync::Arc;

use super::world::Members;
use super::{Blueprint, ServedZone};
use crate::dnssec::{ZoneKeys, key_tag, published};
use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::{Dynamic, Found, Node, Record, Zone, ZoneError};

/// The reason why a name can have no extra TXT records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No zone here holds the name.
    NoZone,
    /// The name is at or below this zone cut: another zone holds its records.
    Delegated(Name),
    /// The name is below this DNAME (RFC 6672, section 2.4: "Resource records MUST NOT exist at any subdomain of the
    /// owner of a DNAME RR").
    BelowDname(Name),
    /// The name has a CNAME, or may be answered with one (RFC 1034, section 3.6.2: "If a CNAME RR is present at a node,
    /// no other data should be present").
    Cname,
    /// The name is a reflecting name: it answers TXT with what the node knows about the client.
    Reflects,
    /// The zone is signed by its file, and no signature there would cover the record.
    Presigned,
    /// This wildcard answers for the name, always or sometimes, with a record of this type. No other records are
    /// allowed beside such a record. A TXT record would make the name exist, so the wildcard would no longer answer for
    /// it.
    HidesWildcard(Name, Rtype),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZone => f.write_str("no zone here holds the name"),
            Self::Delegated(cut) => {
                write!(f, "{cut} is delegated: its nameservers hold the records there, not this zone")
            }
            Self::BelowDname(owner) => write!(f, "no records are allowed below the DNAME of {owner}"),
            Self::Cname => {
                f.write_str("the name has a CNAME, or may be answered with one: no other records are allowed beside it")
            }
            Self::Reflects => {
                f.write_str("the name has `reflect = true`: it answers TXT with what the node knows about the client")
            }
            Self::Presigned => f.write_str(
                "the zone is signed by its file, and no signature there would cover the record: write it into the zone and \
                 sign it again, or keep such names in a zone of their own",
            ),
            Self::HidesWildcard(wildcard, rtype) => write!(
                f,
                "a TXT record would hide the {rtype} record of {wildcard}, which answers for the name always or sometimes; no \
                 other records are allowed beside a {rtype} record. Give the name records of its own in the zone's files"
            ),
        }
    }
}

impl std::error::Error for Unfit {}

impl ServedZone {
    /// Returns the SERIAL of the SOA as it is served.
    pub fn serial(&self) -> u32 {
        self.zone.serial()
    }

    /// Returns the tags of the keys that the zone publishes, in ascending order; none if it is not signed.
    pub fn key_tags(&self) -> Vec<u16> {
        let records = self.keys.iter().flat_map(|keys| keys.records());
        let of_keys = records.filter(|record| record.rtype == Rtype::DNSKEY).map(|record| key_tag(&record.rdata));
        let of_file = if self.zone.is_presigned() { published(self.zone.tree()) } else { Vec::new() };
        let mut tags: Vec<u16> = of_keys.chain(of_file.into_iter().map(|(tag, ..)| tag)).collect();
        tags.sort_unstable();
        tags
    }
}

impl Blueprint {
    /// Returns the origin of the zone that holds the extra TXT records of a name. Fails if the name can have none.
    pub fn place_for_txt(&self, name: &Name) -> Result<&Name, Unfit> {
        let key = name.to_key();
        let served = self.find_zone(&key).ok_or(Unfit::NoZone)?;
        // The last `length` octets of the name: a cut or DNAME owner that was found above it.
        let above = |length: usize| Name::from_wire(&name.as_wire()[key.len() - length..]);
        match served.zone.look_up(&key, Rtype::TXT) {
            Found::Cut { length, .. } => return Err(Unfit::Delegated(above(length))),
            Found::Dname { length, .. } => return Err(Unfit::BelowDname(above(length))),
            Found::Node { .. } | Found::Nothing { .. } => {}
        }
        if served.zone.is_presigned() {
            return Err(Unfit::Presigned);
        }
        let wildcard = served.zone.own_wildcard(name);
        if let Some((node, owner)) = &wildcard {
            let rtype = [Rtype::CNAME, Rtype::DNAME, Rtype::NS].into_iter().find(|&rtype| match rtype {
                Rtype::CNAME => self.may_be_cname(*node),
                _ => node.rrset(rtype).is_some(),
            });
            if let Some(rtype) = rtype {
                return Err(Unfit::HidesWildcard(owner.clone(), rtype));
            }
        }
        // A name that is not in the files answers as its wildcard does.
        if let Some(node) = wildcard.map(|(node, _)| node).or_else(|| served.zone.node(&key)) {
            if node.dynamic() == Dynamic::Reflect {
                return Err(Unfit::Reflects);
            }
            if self.may_be_cname(node) {
                return Err(Unfit::Cname);
            }
        }
        Ok(served.zone.apex())
    }

    /// Returns a blueprint in which the zone has exactly these extra records in addition to those of its spec. `serial`
    /// is the new SERIAL; `None` keeps the old one. If no zone has this origin, nothing changes. Fails if the zone
    /// cannot hold the records.
    pub fn amended(&self, origin: &Name, extra: &[Record], serial: Option<u32>) -> Result<Self, ZoneError> {
        let mut blueprint = self.clone();
        let Some(id) = self.zone_id_at(&origin.to_key()) else { return Ok(blueprint) };
        let before = &self.zones[id.index()];
        let zone = before.zone.amended(extra, serial.unwrap_or_else(|| before.serial()))?;
        blueprint.zones[id.index()] =
            Arc::new(ServedZone { zone, regions: before.regions.clone(), keys: before.keys.clone() });
        Ok(blueprint)
    }

    /// Returns a blueprint in which the keys of all zones have their parts at the time `now`, in Unix seconds. Zones whose
    /// keys change have no extra records. `None` if nothing changes.
    pub fn with_keys_at(&self, now: u64) -> Option<Self> {
        self.with_keys(|keys| keys.is_outdated(now).then(|| keys.at(now)))
    }

    /// Returns a blueprint with the keys that `change` returns in place of those of each zone. Zones whose keys change have no
    /// extra records. `None` if nothing changes.
    pub fn with_keys(&self, mut change: impl FnMut(&ZoneKeys) -> Option<ZoneKeys>) -> Option<Self> {
        let mut blueprint: Option<Self> = None;
        for (number, before) in self.zones.iter().enumerate() {
            let Some(keys) = before.keys.as_ref().and_then(|keys| change(keys)) else { continue };
            let zone = Zone::new(before.zone.tree().clone(), before.zone.steered().clone(), before.serial());
            let served = ServedZone {
                zone: zone.with_apex_records(keys.records()),
                regions: before.regions.clone(),
                keys: Some(Arc::new(keys)),
            };
            blueprint.get_or_insert_with(|| self.clone()).zones[number] = Arc::new(served);
        }
        blueprint
    }

    /// True if the node has a CNAME, or may be answered with one.
    fn may_be_cname(&self, node: Node<'_>) -> bool {
        let steered = match node.dynamic() {
            Dynamic::Steered(plan, _) => Some(&self.rules[plan.index()]),
            Dynamic::Reflect | Dynamic::None => None,
        };
        let mut pools = steered.iter().flat_map(|rule| rule.pools.iter().chain(&rule.fallback));
        let is_cname = pools.any(|&id| matches!(self.world.pools[id.index()].members, Members::Cname(_)));
        is_cname || node.rrset(Rtype::CNAME).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::fixture;

    const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[pools.web]
endpoints = ["192.0.2.1"]
[pools.sorry]
endpoints = [{ cname = "sorry.example.net." }]
[names.www]
pools = ["web"]
[names.api]
pools = ["web"]
fallback = "sorry"
[names.whoami]
reflect = true
[records.alias]
CNAME = ["www"]
[records.sub]
NS = ["ns.example.net."]
[records.tree]
DNAME = ["example.net."]
[records."*.wild"]
CNAME = ["www"]
[names."*.apps"]
pools = ["web"]
[names."*.maybe"]
pools = ["web"]
fallback = "sorry"
[names."*.mirror"]
reflect = true
[records."*.static"]
A = ["192.0.2.7"]
TXT = ["file"]
[records."*.cut"]
NS = ["ns.example.net."]
"#;

    fn blueprint() -> Blueprint {
        let world = fixture::world("", &[("example.com.toml", ZONE)]);
        Blueprint::compile(world, Arc::new(crate::geo::Locations::unknown()), None)
    }

    fn name(text: &str) -> Name {
        Name::parse(text, &Name::parse("example.com.", &Name::root()).unwrap()).unwrap()
    }

    fn txt(owner: &str, value: &str) -> Record {
        let rdata = [&[value.len() as u8], value.as_bytes()].concat().into();
        Record { owner: name(owner), rtype: Rtype::TXT, ttl: 5, rdata }
    }

    #[test]
    fn a_name_is_fit_unless_an_rfc_or_the_zone_says_otherwise() {
        let blueprint = blueprint();
        for fit in [
            "@",
            "www",
            "new",
            "_acme-challenge.alias",
            "a.b.c",
            "sub2",
            "tree",
            "x.apps",
            "_acme-challenge.foo.apps",
            "*.apps",
            "*.foo.apps",
            "a.b.static",
        ] {
            assert_eq!(blueprint.place_for_txt(&name(fit)), Ok(&name("@")), "{fit}");
        }
        for (owner, why) in [
            ("example.org.", Unfit::NoZone),
            ("alias", Unfit::Cname),
            ("*.wild", Unfit::Cname),
            ("api", Unfit::Cname),
            ("whoami", Unfit::Reflects),
            ("sub", Unfit::Delegated(name("sub"))),
            ("_acme-challenge.www.SUB", Unfit::Delegated(name("sub"))),
            ("x.tree", Unfit::BelowDname(name("tree"))),
            ("x.wild", Unfit::HidesWildcard(name("*.wild"), Rtype::CNAME)),
            ("_acme-challenge.x.wild", Unfit::HidesWildcard(name("*.wild"), Rtype::CNAME)),
            ("x.maybe", Unfit::HidesWildcard(name("*.maybe"), Rtype::CNAME)),
            ("x.mirror", Unfit::Reflects),
            ("x.cut", Unfit::HidesWildcard(name("*.cut"), Rtype::NS)),
        ] {
            assert_eq!(blueprint.place_for_txt(&name(owner)), Err(why), "{owner}");
        }
    }

    #[test]
    fn an_amended_zone_is_the_only_one_that_is_new_and_keeps_what_is_steered() {
        let before = blueprint();
        let serial = before.zones()[0].serial();
        let extra = [txt("_acme-challenge.new", "a"), txt("_acme-challenge.new", "b")];
        let after = before.amended(&name("@"), &extra, Some(serial + 1)).unwrap();
        let zone = &after.zones()[0];
        assert_eq!(zone.serial(), serial + 1);
        let node =
            |zone: &ServedZone, owner: &str| zone.zone.node(&name(owner).to_key()).map(|node| node.rrsets().len());
        assert_eq!(node(zone, "_acme-challenge.new"), Some(1));
        assert_eq!(node(zone, "new"), Some(0), "an empty non-terminal");
        assert_eq!(node(&before.zones()[0], "new"), None);
        let dynamic = |zone: &ServedZone, owner: &str| zone.zone.node(&name(owner).to_key()).unwrap().dynamic();
        for owner in ["www", "api", "whoami"] {
            assert_eq!(dynamic(zone, owner), dynamic(&before.zones()[0], owner), "{owner}");
        }
        assert_eq!(node(zone, "*.new"), None, "no wildcard, nothing to go on with");
        let again = after.amended(&name("@"), &[], None).unwrap();
        assert_eq!((node(&again.zones()[0], "new"), again.zones()[0].serial()), (None, serial + 1));
        assert!(Arc::ptr_eq(&again.world, &before.world));
    }

    #[test]
    fn what_a_wildcard_answers_it_goes_on_answering() {
        let before = blueprint();
        let shown = |blueprint: &Blueprint, owner: &str| {
            let Found::Node { node, .. } = blueprint.zones()[0].zone.look_up(&name(owner).to_key(), Rtype::A) else {
                return "nothing".to_owned();
            };
            let mut rtypes: Vec<String> =
                node.rrsets().iter().map(|rrset| format!("{} {}", rrset.len(), rrset.rtype())).collect();
            rtypes.sort_unstable();
            format!("{:?} {}", node.dynamic(), rtypes.join(" "))
        };
        let names = [
            "foo.apps",
            "bar.foo.apps",
            "_acme-challenge.foo.apps",
            "x._acme-challenge.foo.apps",
            "*.foo.apps",
            "other.apps",
            "a.static",
            "x.a.static",
            "www",
            "new",
            "x.alias",
        ];
        let told = names.map(|owner| shown(&before, owner));
        let extra = [
            txt("_acme-challenge.foo.apps", "a"),
            txt("_acme-challenge.foo.apps", "b"),
            txt("a.static", "c"),
            txt("_acme-challenge.alias", "d"),
        ];
        let after = before.amended(&name("@"), &extra, None).unwrap();
        for (owner, told) in names.into_iter().zip(told) {
            let expected = match owner {
                "_acme-challenge.foo.apps" => format!("{told}2 TXT"),
                "a.static" => told.replace("1 TXT", "2 TXT"),
                _ => told,
            };
            assert_eq!(shown(&after, owner), expected, "{owner}");
        }
        // A name with extra records can get others, and so can a name beside it.
        for again in ["_acme-challenge.foo.apps", "foo.apps", "x.foo.apps"] {
            assert_eq!(after.place_for_txt(&name(again)), Ok(&name("@")), "{again}");
        }
        let gone = after.amended(&name("@"), &[], None).unwrap();
        assert!(gone.zones()[0].zone.node(&name("foo.apps").to_key()).is_none());
    }
}
