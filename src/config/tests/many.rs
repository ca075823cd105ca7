//! Files with very many faults, or with very long lines.

use super::*;
use crate::config::decode::Placed;
use crate::config::scope::missing;
use crate::config::{Fault, Place, Position};

const HEAD: &str = "[nameservers]\nns1 = [\"192.0.2.53\"]\n";

#[test]
fn the_first_of_very_many_faults_get_suggestions() {
    let source = Arc::new(Source::new("a", "poll"));
    let known: Vec<String> = (0..2000).map(|it| format!("pool-{it}")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut faults = Faults::default();
    for it in 0..2000 {
        let place = Place { source: source.clone(), span: 0..1 };
        let name = Placed { value: format!("poll-{it}"), place };
        faults.push(missing("pool", &name, &known, &faults));
    }
    assert_eq!(faults.0[49].label, "did you mean `pool-49`?");
    assert_eq!(faults.0[1999].label, "not a pool");
}

#[test]
fn pointers_to_missing_names_of_a_big_zone_are_all_counted() {
    let records = (0..3000).map(|it| format!("host-{it} A 192.0.2.1\nm{it} MX 10 hots-{it}\n"));
    let records = records.collect::<Vec<_>>().concat();
    let zone = format!("$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n{records}");
    let files: [(&str, &[u8]); 2] = [("truenorth.toml", b""), ("zones/example.com.zone", zone.as_bytes())];
    let faults = told(load_files(&files));
    assert_eq!(faults.count(Severity::Warning), 3000);
    assert_eq!(faults.0.iter().find(|fault| fault.place.is_some()).unwrap().label, "did you mean `host-0`?");
}

#[test]
fn a_very_long_line_is_drawn_around_the_fault() {
    let many = |second: usize| {
        let prefix = |it: usize| format!("\"10.{second}.{}.0/24\", \"10.{}.{}.0/24\"", it % 250, second + 1, it % 250);
        (0..250).map(prefix).collect::<Vec<_>>().join(", ")
    };
    let clients = format!("clients = [{}, \"é\", {}]", many(0), many(2));
    let zone = format!(
        "{HEAD}[datacenters]\nfra = {{ latitude = 50.11, longitude = 8.68 }}\n[regions.a]\n{clients}\nprefer = [\"fra\"]\n"
    );
    let faults = load_zone(&zone).unwrap_err();
    let odd = faults.0.iter().find(|fault| fault.message.contains('é')).unwrap();
    let column = clients.find("\"é").unwrap() + 1;
    assert_eq!(odd.place.as_ref().unwrap().start(), Position { line: 6, column });
    let drawn = Faults(vec![odd.clone()]).render(false);
    assert!(drawn.contains(&format!("example.com.toml:6:{column}\n")), "{drawn}");
    assert!(drawn.contains("\"10.1.249.0/24\", \"é\", \"10.2.0.0/24\""), "{drawn}");
    assert!(drawn.len() < 1000, "{drawn}");
    // A place that is longer than the part that is drawn.
    let place = Place { span: 0..zone.len(), ..odd.place.clone().unwrap() };
    let drawn = Faults(vec![Fault::error(&place, "all of it", "from here")]).render(false);
    assert!(drawn.contains("from here") && drawn.len() < 2000, "{drawn}");
}
