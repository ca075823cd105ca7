//! Proofs of random zones are checked as a validator would, with names as lists of labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::zone::{Found, Steered, Zone};

const APEX: &str = "example.";

/// A name without the apex, the leftmost label first.
type Labels = Vec<String>;

fn name(labels: &Labels) -> Name {
    let text = labels.iter().map(String::as_str).chain([APEX]).collect::<Vec<_>>().join(".");
    Name::parse(&text, &Name::root()).unwrap()
}

/// Canonical order compares labels from the right.
fn reversed(name: &[u8]) -> Vec<Vec<u8>> {
    let mut labels: Vec<Vec<u8>> = crate::name::labels(name).map(<[u8]>::to_ascii_lowercase).collect();
    labels.reverse();
    labels
}

fn record(owner: &Name, rtype: Rtype, rdata: &[u8]) -> Record {
    Record { owner: owner.clone(), rtype, ttl: 60, rdata: rdata.into() }
}

/// The kinds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Address,
    UnsignedCut,
    SignedCut,
}

/// How a zone proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Nsec,
    Nsec3,
    OptOut,
}

/// A zone with these names, and the chain that a signer would give it.
fn zone(names: &[(Labels, Content)], way: Way) -> Zone {
    let apex = Name::parse(APEX, &Name::root()).unwrap();
    let soa = [name(&vec!["ns".to_owned()]).as_wire(), apex.as_wire(), &[0; 20]].concat();
    let signature = [&[0, 6, 13, 1], &[0; 14][..], apex.as_wire(), &[7; 64]].concat();
    let mut records = vec![
        record(&apex, Rtype::SOA, &soa),
        record(&apex, Rtype::NS, apex.as_wire()),
        record(&apex, Rtype::RRSIG, &signature),
    ];
    if way != Way::Nsec {
        records.push(record(&apex, Rtype::NSEC3PARAM, &[1, 0, 0, 2, 1, 7]));
    }
    let is_below_cut = |labels: &Labels| {
        let above = |(other, content): &(Labels, Content)| {
            *content != Content::Address && other.len() < labels.len() && labels.ends_with(other)
        };
        names.iter().any(above)
    };
    let mut taken = BTreeSet::new();
    for (labels, content) in names {
        if is_below_cut(labels) || !taken.insert(labels.clone()) {
            continue;
        }
        let owner = name(labels);
        match content {
            Content::Address => records.push(record(&owner, Rtype::A, &[192, 0, 2, 1])),
            Content::UnsignedCut | Content::SignedCut => records.push(record(&owner, Rtype::NS, apex.as_wire())),
        }
        if *content == Content::SignedCut {
            records.push(record(&owner, Rtype::DS, &[0; 36]));
        }
    }
    let plain = Tree::build(&apex, &records, [], []).unwrap();
    let owners: Vec<(Name, bool)> = plain
        .nodes()
        .filter(|(_, _, rrsets)| way != Way::Nsec || !rrsets.is_empty())
        .map(|(key, place, rrsets)| {
            let has_ds = rrsets.iter().any(|rrset| rrset.rtype() == Rtype::DS);
            let is_below = |other: &&[u8]| other.len() > key.len() && other.ends_with(key);
            let leads =
                |other: &[u8]| plain.rrset(other, Rtype::NS).is_some() && plain.rrset(other, Rtype::DS).is_none();
            let mut below =
                plain.nodes().filter(|(other, ..)| is_below(other)).filter(|(.., rrsets)| !rrsets.is_empty());
            let is_left_out = (place == super::super::Place::Cut && !has_ds)
                || (rrsets.is_empty() && below.all(|(other, ..)| leads(other)));
            (Name::from_wire(key), is_left_out)
        })
        .collect();
    let mut hashed = Vec::new();
    if way == Way::Nsec {
        let mut order: Vec<&Name> = owners.iter().map(|(owner, _)| owner).collect();
        order.sort_by_key(|owner| reversed(owner.as_wire()));
        for (owner, next) in order.iter().zip(order.iter().cycle().skip(1)) {
            records.push(record(owner, Rtype::NSEC, &[next.as_wire(), &[0, 1, 0x40]].concat()));
        }
    } else {
        let hashing = Hashing::read(&[1, 0, 0, 2, 1, 7]).unwrap();
        let listed = owners.iter().filter(|(_, is_left_out)| way != Way::OptOut || !is_left_out);
        let labels: BTreeSet<[u8; LABEL]> = listed.map(|(owner, _)| hashing.label(&owner.to_key())).collect();
        for (label, next) in labels.iter().zip(labels.iter().cycle().skip(1)) {
            let owner = Name::from_wire(&[&label[..], apex.as_wire()].concat());
            let hash = data_encoding::BASE32_DNSSEC.decode(&next[1..]).unwrap();
            let flags = u8::from(way == Way::OptOut);
            hashed.push(record(
                &owner,
                Rtype::NSEC3,
                &[&[1, flags, 0, 2, 1, 7, 20], &hash[..], &[0, 1, 0x40]].concat(),
            ));
        }
    }
    let tree = Tree::build(&apex, &records, [], []).unwrap().chained(&hashed.iter().collect::<Vec<_>>()).unwrap();
    Zone::new(Arc::new(tree), Steered::default(), 0)
}

/// What one record of a proof says.
struct Said<'z> {
    tree: &'z Tree,
    proof: Proof<'z>,
}

impl Said<'_> {
    fn place(&self, key: &[u8]) -> Vec<Vec<u8>> {
        match self.tree.chain().unwrap().hashing() {
            Some(hashing) => vec![hashing.label(key).to_vec()],
            None => reversed(key),
        }
    }

    fn ends(&self, link: &Link<'_>) -> [Vec<Vec<u8>>; 2] {
        let links = self.tree.links();
        let next = links.iter().find(|other| link.leads_to(other)).expect("the chain is whole");
        let place = |owner: &[u8]| match self.tree.chain().unwrap().hashing() {
            Some(_) => vec![owner[..LABEL].to_vec()],
            None => reversed(owner),
        };
        [place(link.owner), place(next.owner)]
    }

    fn matches(&self, key: &[u8]) -> bool {
        let place = self.place(key);
        self.proof.iter().any(|link| self.ends(link)[0] == place)
    }

    /// The record that covers a name, but is not its own.
    fn covering(&self, key: &[u8]) -> Option<&Link<'_>> {
        let place = self.place(key);
        self.proof.iter().find(|link| {
            let [owner, next] = self.ends(link);
            let is_behind = place > owner;
            if owner < next { is_behind && place < next } else { place != owner && (is_behind || place < next) }
        })
    }

    /// RFC 5155, section 8.3: an ancestor is matched and the next closer name below it is covered. Returns the length of the
    /// ancestor, and whether the record is opt-out.
    fn encloser(&self, key: &[u8]) -> Option<(usize, bool)> {
        let names: Vec<&[u8]> = crate::name::suffixes(key).filter(|suffix| suffix.len() >= 9).collect();
        let found = names.windows(2).find(|pair| self.matches(pair[1]) && self.covering(pair[0]).is_some())?;
        Some((found[1].len(), self.covering(found[0])?.is_opt_out()))
    }
}

fn wildcard(key: &[u8], encloser: usize) -> Vec<u8> {
    [b"\x01*", &key[key.len() - encloser..]].concat()
}

/// Asks for a type that no name has.
fn check(zone: &Zone, way: Way, key: &[u8]) {
    let tree = zone.tree();
    let said = |denied| Said { tree, proof: tree.prove(key, denied) };
    let is_nsec = way == Way::Nsec;
    match zone.look_up(key, Rtype::DS) {
        Found::Nothing { encloser } => {
            let said = said(Denied::Name { encloser });
            if is_nsec {
                assert!(said.covering(key).is_some() && said.covering(&wildcard(key, encloser)).is_some());
            } else {
                let (length, is_opt_out) = said.encloser(key).expect("the closest encloser is proved");
                assert!(length == encloser || is_opt_out, "a shorter one is proved where names are left out only");
                // A wildcard below the shorter one does not answer for the name, and yet exists.
                let wildcard = wildcard(key, length);
                let exists = length != encloser && said.matches(&wildcard);
                assert!(exists || said.covering(&wildcard).is_some());
            }
        }
        Found::Node { encloser, .. } if encloser < key.len() => {
            let expanded = said(Denied::Expanded { encloser });
            let next = crate::name::suffixes(key).take_while(|suffix| suffix.len() > encloser).last().unwrap();
            assert!(expanded.covering(if is_nsec { key } else { next }).is_some());
            assert_eq!(expanded.proof.len(), 1);
            let lacks = said(Denied::TypeOfWildcard { encloser });
            let wildcard = wildcard(key, encloser);
            // An empty non-terminal has no NSEC record of its own.
            let is_empty = tree.rrset(&wildcard, Rtype::A).is_none();
            let is_shown = lacks.matches(&wildcard)
                || ((is_nsec || way == Way::OptOut) && is_empty && lacks.covering(&wildcard).is_some());
            assert!(is_shown);
            assert!(if is_nsec { lacks.covering(key).is_some() } else { lacks.encloser(key).is_some() });
        }
        Found::Node { node, .. } => {
            let said = said(Denied::Type);
            let may_be_left_out = way == Way::OptOut && (node.rrsets().is_empty() || node.rrset(Rtype::NS).is_some());
            let is_covered = is_nsec && node.rrsets().is_empty() && said.covering(key).is_some();
            let is_opted_out = may_be_left_out && said.encloser(key).is_some_and(|(_, is_opt_out)| is_opt_out);
            assert!(said.matches(key) || is_covered || is_opted_out);
        }
        // Another zone answers.
        Found::Cut { .. } | Found::Dname { .. } => {}
    }
}

fn labels() -> impl Strategy<Value = Labels> {
    let label = prop_oneof![Just("a"), Just("b"), Just("m"), Just("z"), Just("*"), Just("B2"), Just("\\000")];
    proptest::collection::vec(label.prop_map(str::to_owned), 1..5)
}

proptest! {
    #[test]
    fn proofs_cover_the_name(
        names in proptest::collection::vec(
            (labels(), prop_oneof![3 => Just(Content::Address), 1 => Just(Content::UnsignedCut), 1 => Just(Content::SignedCut)]),
            0..12,
        ),
        asked in proptest::collection::vec(labels(), 1..20),
        way in prop_oneof![Just(Way::Nsec), Just(Way::Nsec3), Just(Way::OptOut)],
    ) {
        let zone = zone(&names, way);
        for labels in asked.iter().chain(names.iter().map(|(labels, _)| labels)) {
            check(&zone, way, &name(labels).to_key());
        }
        check(&zone, way, &name(&Labels::new()).to_key());
    }
}

/// The examples of RFC 5155, appendix A.
#[test]
fn names_are_hashed_as_in_the_rfc() {
    let hashing = Hashing::read(&[1, 0, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd]).unwrap();
    for (text, hash) in [
        ("example.", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
        ("a.example.", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
        ("*.w.example.", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
        ("2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.", "kohar7mbb8dc2ce8a9qvl8hon4k53uhi"),
    ] {
        let label = hashing.label(&Name::parse(text, &Name::root()).unwrap().to_key());
        assert_eq!((label[0], std::str::from_utf8(&label[1..]).unwrap()), (32, hash));
    }
}

#[test]
fn parameters_that_cannot_be_used_are_refused() {
    assert_eq!(Hashing::read(&[1, 0, 0, 101, 0]), Err(NoChain::Iterations(101)));
    assert_eq!(Hashing::read(&[2, 0, 0, 0, 0]), Err(NoChain::Algorithm(2)));
    assert_eq!(Hashing::read(&[1, 1, 0, 0, 0]), Err(NoChain::Unhashed), "flags must be zero");
    assert_eq!(Hashing::read(&[1, 0, 0, 0, 3, 1]), Err(NoChain::Unhashed), "the salt is cut short");
}
