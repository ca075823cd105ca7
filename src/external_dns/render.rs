//! Records as the end of a zone's file.
//!
//! A name is steered if one of its addresses or CNAMEs has a set identifier or a property of ours. Each set is a pool then,
//! and the records without a set are a pool too.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::record::Record;
use crate::name::Name;
use crate::quoted::Quoted;

/// The longest readable part of a pool's name.
const MAX_SLUG: usize = 60;

/// The properties of a set that are keys of its pool.
const OF_POOL: [&str; 2] = ["datacenter", "monitor"];

/// Returns the TOML text; empty without records.
pub(super) fn render(records: &[Record], zone: &Name) -> String {
    let mut owners: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        owners.entry(&record.dns_name).or_default().push(record);
    }
    if owners.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n# What follows is from external-dns, and in the state folder.\n");
    for (owner, records) in owners {
        let owner = Owner { name: owner, key: key(owner, zone) };
        let is_steered = records.iter().any(|record| record.is_steered());
        let (texts, others): (Vec<&Record>, _) = records.into_iter().partition(|record| record.record_type == "TXT");
        if is_steered {
            owner.write_steered(&others, &mut text);
            owner.write_static(&texts, &mut text);
        } else {
            owner.write_static(&[others, texts].concat(), &mut text);
        }
    }
    text
}

/// An owner name, and its key in the zone's file.
struct Owner<'a> {
    name: &'a str,
    key: String,
}

impl Owner<'_> {
    fn write_static(&self, records: &[&Record], text: &mut String) {
        if records.is_empty() {
            return;
        }
        let mut data: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for record in records {
            let list = data.entry(&record.record_type).or_default();
            for target in record.targets.iter().map(|target| datum(&record.record_type, target)) {
                if !list.contains(&target) {
                    list.push(target);
                }
            }
        }
        line(text, format_args!("[records.{}]", Quoted(&self.key)));
        write_ttl(records, text);
        for (rtype, list) in data {
            line(text, format_args!("{rtype} = {}", array(&list)));
        }
    }

    fn write_steered(&self, records: &[&Record], text: &mut String) {
        let mut sets: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in records {
            sets.entry(&record.set_identifier).or_default().push(record);
        }
        let own = |records: &[&Record], key: &str| records.iter().find_map(|record| record.own(key)).map(str::to_owned);
        let mut uses = Vec::new();
        let mut prefer: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (set, records) in &sets {
            let pool = own(records, "pool").unwrap_or_else(|| {
                let pool = pool_name(self.name, set);
                write_pool(&pool, records, text);
                pool
            });
            let weight = records.iter().find_map(|record| record.weight()?.ok());
            let weight = weight.map_or_else(String::new, |weight| format!(", weight = {weight}"));
            uses.push(format!("{{ pool = {}{weight} }}", Quoted(&pool)));
            if let (Some(region), Some(datacenter)) = (own(records, "region"), own(records, "datacenter")) {
                let list = prefer.entry(region).or_default();
                if !list.contains(&datacenter) {
                    list.push(datacenter);
                }
            }
        }
        line(text, format_args!("[names.{}]", Quoted(&self.key)));
        line(text, format_args!("pools = [{}]", uses.join(", ")));
        let is_placed = own(records, "datacenter").is_some() || own(records, "pool").is_some();
        let steer = own(records, "steer").map(|steps| steps.split(',').map(|step| step.trim().to_owned()).collect());
        let by_weight = || own(records, "weight").map_or_else(Vec::new, |_| vec!["weight".to_owned()]);
        // Without the key a name is steered by region and weight.
        let steer: Option<Vec<String>> = steer.or_else(|| (!is_placed).then(by_weight));
        if let Some(steer) = steer {
            line(text, format_args!("steer = {}", array(&steer)));
        }
        write_ttl(records, text);
        if let Some(fallback) = own(records, "fallback") {
            line(text, format_args!("fallback = {}", Quoted(&fallback)));
        }
        if !prefer.is_empty() {
            let prefer = prefer.iter().map(|(region, list)| format!("{} = {}", Quoted(region), array(list)));
            line(text, format_args!("prefer = {{ {} }}", prefer.collect::<Vec<_>>().join(", ")));
        }
    }
}

fn write_pool(pool: &str, records: &[&Record], text: &mut String) {
    line(text, format_args!("[pools.{}]", Quoted(pool)));
    for key in OF_POOL {
        if let Some(value) = records.iter().find_map(|record| record.own(key)) {
            line(text, format_args!("{key} = {}", Quoted(value)));
        }
    }
    let endpoints = records.iter().flat_map(|record| {
        let is_name = record.record_type == "CNAME";
        record.targets.iter().map(move |target| {
            if is_name {
                format!("{{ cname = {} }}", Quoted(&format!("{target}.")))
            } else {
                Quoted(target).to_string()
            }
        })
    });
    line(text, format_args!("endpoints = [{}]", endpoints.collect::<Vec<_>>().join(", ")));
}

/// Writes the lowest TTL that a record has, if any has one.
fn write_ttl(records: &[&Record], text: &mut String) {
    if let Some(ttl) = records.iter().map(|record| record.record_ttl).filter(|&ttl| ttl > 0).min() {
        line(text, format_args!("ttl = {ttl}"));
    }
}

/// Returns a datum as a zone's file has it.
fn datum(rtype: &str, target: &str) -> String {
    match rtype {
        "CNAME" => format!("{target}."),
        "TXT" => unquoted(target),
        _ => target.to_owned(),
    }
}

/// Returns a text of a TXT record without the quotes that external-dns writes around it.
fn unquoted(target: &str) -> String {
    let inner = target.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.map_or_else(|| target.to_owned(), |text| text.replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// Returns the owner's key in the zone's file.
fn key(owner: &str, zone: &Name) -> String {
    let zone = zone.to_string().trim_end_matches('.').to_ascii_lowercase();
    if owner == zone {
        return "@".to_owned();
    }
    owner.strip_suffix(&zone).and_then(|owner| owner.strip_suffix('.')).unwrap_or(owner).to_owned()
}

/// Returns the name of a set's pool: readable, and another one for each name and set.
fn pool_name(owner: &str, set: &str) -> String {
    let slug: String = format!("{owner}-{set}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(MAX_SLUG)
        .collect();
    format!("{}-{:08x}", slug.trim_end_matches('-'), print(&format!("{owner}\0{set}")))
}

/// FNV-1a. A pool must have the same name after a restart and on every node, because its state is kept by it.
fn print(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

fn array(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| Quoted(text).to_string()).collect::<Vec<_>>().join(", "))
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::super::{Changes, Records};
    use super::*;

    fn rendered(json: &str) -> String {
        let zone = Name::parse("k8s.example.com", &Name::root()).unwrap();
        let changes = serde_json::from_str::<Changes>(&format!("{{\"create\": {json}}}")).unwrap();
        let mut parts = changes.by_zone(std::slice::from_ref(&zone)).unwrap();
        let text = Records::default().apply(&parts.remove(0).1).unwrap().render(&zone);
        text.lines().skip(2).flat_map(|line| [line, "\n"]).collect()
    }

    #[test]
    fn records_without_sets_are_static() {
        let json = r#"[
            {"dnsName": "www.K8S.example.com", "recordType": "A", "targets": ["192.0.2.1", "192.0.2.2"], "recordTTL": 60},
            {"dnsName": "www.k8s.example.com", "recordType": "AAAA", "targets": ["2001:db8:0::1"], "recordTTL": 30},
            {"dnsName": "k8s.example.com", "recordType": "TXT", "targets": ["\"heritage=external-dns,\\\"x\\\"\""]},
            {"dnsName": "*.k8s.example.com", "recordType": "CNAME", "targets": ["LB.example.net."]}
        ]"#;
        assert_eq!(
            rendered(json),
            "[records.\"*\"]\nCNAME = [\"lb.example.net.\"]\n[records.\"@\"]\nTXT = [\"heritage=external-dns,\\\"x\\\"\"]\n\
             [records.\"www\"]\nttl = 30\nA = [\"192.0.2.1\", \"192.0.2.2\"]\nAAAA = [\"2001:db8::1\"]\n"
        );
    }

    #[test]
    fn sets_are_pools_of_a_name() {
        let set = |set: &str, rtype: &str, target: &str, datacenter: &str, weight: &str| {
            format!(
                r#"{{"dnsName": "api.k8s.example.com", "recordType": "{rtype}", "targets": ["{target}"], "setIdentifier": "{set}",
                    "providerSpecific": [{{"name": "webhook/truenorth-datacenter", "value": "{datacenter}"}},
                    {{"name": "webhook/truenorth-weight", "value": "{weight}"}}, {{"name": "aws/weight", "value": "7"}}]}}"#
            )
        };
        let json = [set("fra", "A", "192.0.2.1", "fra", "3"), set("fra", "AAAA", "2001:db8::1", "fra", "3")];
        let json = format!("[{}, {}]", json.join(","), set("iad", "A", "198.51.100.1", "iad", "0"));
        assert_eq!(
            rendered(&json),
            "[pools.\"api-k8s-example-com-fra-b5ae7579\"]\ndatacenter = \"fra\"\nendpoints = [\"192.0.2.1\", \"2001:db8::1\"]\n\
             [pools.\"api-k8s-example-com-iad-f1a0b004\"]\ndatacenter = \"iad\"\nendpoints = [\"198.51.100.1\"]\n\
             [names.\"api\"]\npools = [{ pool = \"api-k8s-example-com-fra-b5ae7579\", weight = 3 }, \
             { pool = \"api-k8s-example-com-iad-f1a0b004\", weight = 0 }]\n"
        );
    }
}
