//! Amazon Route 53: what `aws route53 list-resource-record-sets` and `list-health-checks` print as JSON.
//!
//! ```text
//!   record sets ──► plain ───────────────────────────────► zones/ORIGIN.zone
//!              └──► policies, aliases ──► pools, names ──► zones/ORIGIN.toml
//!   health checks ──► monitors ──────────────────────────►
//! ```

mod health;
mod places;
mod policies;
mod records;
mod sources;

use std::collections::BTreeMap;
use std::fmt::Write;

use self::policies::Policies;
use self::records::{Lists, RecordSet};
use super::master::relative;
use super::text::{Body, File, Table};
use super::{Imported, Reader, Report};

/// Nameservers of Route 53 have this in their names.
const ITS_NAMESERVERS: &str = ".awsdns-";

/// The TTL of records without one: those that aliases copy.
const ALIAS_TTL: u32 = 60;

/// The types that are chosen for clients.
const STEERED: [&str; 3] = ["A", "AAAA", "CNAME"];

/// Imports a zone, with the health checks of the same file or of another one. Fails with the file and the reason.
pub fn route53(path: &str, health_checks: Option<&str>, read: Reader<'_>) -> Result<Imported, String> {
    let list = |path: &str| -> Result<Lists, String> {
        serde_json::from_str(&read(path)?).map_err(|error| format!("{path}: {error}"))
    };
    let Lists { resource_record_sets: sets, health_checks: mut checks } = list(path)?;
    if let Some(path) = health_checks {
        checks.extend(list(path)?.health_checks);
    }
    let soa = sets.iter().find(|set| set.r#type == "SOA").ok_or_else(|| format!("{path}: there is no SOA record"))?;
    let zone = soa.owner();
    let mut owners: BTreeMap<String, Vec<&RecordSet>> = BTreeMap::new();
    for set in &sets {
        owners.entry(set.owner()).or_default().push(set);
    }
    let mut imported = Imported::default();
    let mut master = "; imported from Route 53\n$ORIGIN .\n".to_owned();
    let report = &mut imported.report;
    let mut policies = Policies::new(&zone, &owners, &checks);
    let mut names: Vec<Table> = Vec::new();
    for (owner, sets) in &owners {
        let chosen: Vec<&RecordSet> =
            sets.iter().copied().filter(|set| set.is_of_policy() || set.alias_target.is_some()).collect();
        for set in sets.iter().filter(|set| !set.is_of_policy() && set.alias_target.is_none()) {
            plain(&mut master, owner, set, set.ttl.unwrap_or(ALIAS_TTL), report);
        }
        let (steered, others): (Vec<&RecordSet>, Vec<&RecordSet>) =
            chosen.into_iter().partition(|set| STEERED.contains(&set.r#type.as_str()));
        for set in others {
            let target = set.alias_target.as_ref().map(|target| records::unescaped(&target.name));
            let same = |other: &&&RecordSet| {
                other.r#type == set.r#type && other.alias_target.is_none() && !other.is_of_policy()
            };
            let copied = target.and_then(|target| owners.get(&target)?.iter().find(same));
            if let Some(copied) = copied.filter(|_| !set.is_of_policy()) {
                plain(&mut master, owner, copied, copied.ttl.unwrap_or(ALIAS_TTL), report);
            } else {
                let why = "only A, AAAA and CNAME are chosen for clients here";
                let note = report.note(format!("{owner} {}: {why}", set.r#type));
                let _ = writeln!(master, "; {note}");
            }
        }
        if steered.is_empty() {
            continue;
        }
        match policies.name(owner, &steered, report) {
            Ok(table) => names.push(table),
            Err(why) => {
                let mut table = Table::default();
                table.comment(report.note(format!("{owner}: {why}")));
                names.push(table);
            }
        }
    }
    report.carried("names", names.iter().filter(|table| !table.path.is_empty()).count());
    report.carried("zones", 1);
    let origin = zone.trim_end_matches('.');
    let mut tables = policies.tables(report);
    tables.extend(names);
    if !tables.is_empty() {
        let head = vec![format!("The zone {origin}, imported from Route 53: its policies and aliases.")];
        imported.files.push(File { path: format!("zones/{origin}.toml"), body: Body::Toml(head, tables) });
    }
    imported.files.push(File { path: format!("zones/{origin}.zone"), body: Body::Master(master) });
    Ok(imported)
}

/// Writes the records of a set.
fn plain(master: &mut String, owner: &str, set: &RecordSet, ttl: u32, report: &mut Report) {
    if set.r#type == "NS" && set.resource_records.iter().any(|record| record.value.contains(ITS_NAMESERVERS)) {
        let note = report.note(format!("the nameservers of {owner} are those of Route 53: write yours, and the SOA's"));
        let _ = writeln!(master, "; {note}");
    }
    for record in &set.resource_records {
        let _ = writeln!(master, "{owner} {ttl} IN {} {}", set.r#type, record.value.replace('\n', " "));
    }
    report.carried("records", set.resource_records.len());
}

/// Returns an owner as a part of the names of pools and maps.
fn entry(owner: &str, zone: &str) -> String {
    match relative(owner, zone).as_str() {
        "@" => "apex".to_owned(),
        label => super::word(label),
    }
}
