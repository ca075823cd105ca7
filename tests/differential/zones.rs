//! Zones and questions made from a seed: every case of the algorithm of RFC 1034, section 4.3.2.

use std::collections::BTreeMap;
use std::fmt::Write;

use fastrand::Rng;

/// Few labels, so that names meet.
const LABELS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Maximum number of labels below the apex.
const MAX_DEPTH: usize = 4;

/// Owners that a zone gets at first; some are removed later.
const OWNERS: usize = 36;

/// A master file and what is asked about it.
pub(crate) struct Zone {
    /// Its apex, without the final dot.
    pub(crate) origin: String,
    /// The master file (RFC 1035, section 5).
    pub(crate) text: String,
    /// Absolute names: every owner, names below and beside them, names elsewhere.
    pub(crate) questions: Vec<String>,
}

/// The records of an owner, as lines without its name.
type Owners = BTreeMap<String, Vec<String>>;

/// A zone that all servers load.
pub(crate) fn generate(seed: u64) -> Zone {
    let origin = format!("z{seed}.test");
    let mut maker = Maker { random: Rng::with_seed(seed), owners: Owners::new(), origin };
    maker.apex();
    for _ in 0..OWNERS {
        let owner = maker.name();
        maker.fill(owner);
    }
    maker.forbid_below_dnames();
    maker.finish()
}

struct Maker {
    random: Rng,
    owners: Owners,
    origin: String,
}

impl Maker {
    fn apex(&mut self) {
        let origin = self.origin.clone();
        let soa = "3600 SOA ns1 hostmaster 1 3600 600 604800 300".to_owned();
        let records =
            vec![soa, "7200 NS ns1".to_owned(), "7200 NS ns.outside.test.".to_owned(), "60 MX 5 a".to_owned()];
        self.owners.insert(origin.clone(), records);
        self.owners.insert(format!("ns1.{origin}"), vec!["900 A 192.0.2.1".to_owned()]);
    }

    /// A name below the apex; it may contain an asterisk anywhere.
    fn name(&mut self) -> String {
        let depth = self.random.usize(1..=MAX_DEPTH);
        let mut name = String::new();
        for _ in 0..depth {
            let label = if self.random.u8(..6) == 0 { "*" } else { LABELS[self.random.usize(..LABELS.len())] };
            _ = write!(name, "{label}.");
        }
        name + &self.origin
    }

    /// A name that a record points at, which mostly exists in this zone.
    fn target(&mut self) -> String {
        match self.random.u8(..8) {
            0 => "elsewhere.outside.test".to_owned(),
            1 => self.origin.clone(),
            _ => self.name(),
        }
    }

    fn fill(&mut self, owner: String) {
        if self.owners.contains_key(&owner) {
            return;
        }
        let is_wildcard = owner.starts_with("*.");
        let records = match self.random.u8(..12) {
            0..=2 => vec![format!("120 CNAME {}.", self.target())],
            // RFC 6672, section 3.3, and RFC 4592, section 4.2, do not define these at a wildcard.
            3 if !is_wildcard => self.dname(),
            4 | 5 if !is_wildcard => self.cut(&owner),
            _ => self.records(),
        };
        self.owners.insert(owner, records);
    }

    fn dname(&mut self) -> Vec<String> {
        let dname = format!("240 DNAME {}.", self.target());
        if self.random.bool() { vec![dname] } else { vec![dname, "30 TXT \"beside a DNAME\"".to_owned()] }
    }

    /// A delegation with glue, without any, or to a sibling; and perhaps what it hides.
    fn cut(&mut self, owner: &str) -> Vec<String> {
        let mut records = vec!["1800 NS ns.outside.test.".to_owned()];
        if self.random.bool() {
            records.push(format!("1800 NS ns.{owner}."));
            self.owners.insert(format!("ns.{owner}"), vec!["1800 A 192.0.2.53".to_owned()]);
        }
        if self.random.bool() {
            records.push(format!("1800 NS ns1.{}.", self.origin));
        }
        if self.random.bool() {
            records.push("1800 DS 1 13 2 ".to_owned() + &"ab".repeat(32));
        }
        if self.random.bool() {
            self.owners.entry(format!("hidden.{owner}")).or_insert_with(|| vec!["60 TXT \"occluded\"".to_owned()]);
        }
        records
    }

    fn records(&mut self) -> Vec<String> {
        let all = [
            format!("300 A 192.0.2.{}", self.random.u8(..)),
            format!("300 A 198.51.100.{}", self.random.u8(..)),
            "400 AAAA 2001:db8::1".to_owned(),
            format!("500 TXT \"text {}\"", self.random.u8(..)),
            format!("600 MX 10 {}.", self.target()),
            format!("700 SRV 0 1 80 {}.", self.target()),
            "800 CAA 0 issue \"ca.test\"".to_owned(),
            "900 TYPE65280 \\# 3 abcdef".to_owned(),
            format!("1000 PTR {}.", self.target()),
        ];
        let mut records: Vec<String> = all.into_iter().filter(|_| self.random.u8(..4) == 0).collect();
        if records.is_empty() {
            records.push("300 A 203.0.113.7".to_owned());
        }
        records
    }

    /// "Resource records MUST NOT exist at any subdomain of the owner of a DNAME RR" (RFC 6672, section 2.4).
    fn forbid_below_dnames(&mut self) {
        let is_dname = |records: &Vec<String>| records.iter().any(|record| record.contains(" DNAME "));
        let dnames: Vec<String> =
            self.owners.iter().filter(|(_, records)| is_dname(records)).map(|(owner, _)| format!(".{owner}")).collect();
        self.owners.retain(|owner, _| !dnames.iter().any(|dname| owner.ends_with(dname)));
        // Nameservers that lost their addresses by this are removed too.
        let owners: Vec<String> = self.owners.keys().cloned().collect();
        for (owner, records) in &mut self.owners {
            let glue = format!("ns.{owner}");
            records.retain(|record| *record != format!("1800 NS {glue}.") || owners.contains(&glue));
        }
    }

    fn finish(mut self) -> Zone {
        let mut text = format!("$ORIGIN {}.\n", self.origin);
        for (owner, records) in &self.owners {
            for record in records {
                _ = writeln!(text, "{owner}. {record}");
            }
        }
        let mut questions: Vec<String> = Vec::new();
        for owner in self.owners.keys() {
            questions.extend([owner.clone(), format!("x.{owner}"), format!("x.y.{owner}"), format!("*.{owner}")]);
            let parent = owner.split_once('.').map_or("", |(_, parent)| parent);
            questions.extend([parent.to_owned(), format!("x.{parent}")]);
        }
        questions.extend((0..OWNERS).map(|_| self.name()));
        questions.sort_unstable();
        questions.dedup();
        questions.retain(|name| name.ends_with(&self.origin));
        Zone { origin: self.origin, text, questions }
    }
}
