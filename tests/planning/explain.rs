//! `explain` shows the real answer, for every kind of name and for every client.

use serde_json::{Value, json};

use crate::harness::{Files, SERVER};
use crate::{ZONE, told, world};

const CHILD: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[records.www]
A = ["192.0.2.7"]
"#;

/// Names of every kind, in addition to the steered ones.
const RECORDS: &str = r#"
[names."*.apps"]
pools = ["web"]
steer = ["region"]
[records.www]
TXT = ["static"]
[records.alias]
CNAME = ["www"]
[records.far]
CNAME = ["www.example.net."]
[records."*.wild"]
A = ["192.0.2.8"]
[records.old]
DNAME = ["new"]
[records."x.new"]
CNAME = ["www"]
[records.sub]
NS = ["ns1.sub"]
DS = ["60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"]
[records.child]
NS = ["ns1.child"]
DS = ["60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"]
[records."ns1.child"]
A = ["192.0.2.9"]
[records."ns1.sub"]
A = ["192.0.2.9"]
"#;

fn files() -> Files {
    let files = world(&format!("{ZONE}{RECORDS}"));
    files.write("zones/sub.gslb.example.com.toml", CHILD);
    files
}

fn explain(files: &Files, words: &str) -> Value {
    told(&files.run(&format!("explain {words} --json")))
}

/// Returns the explanation of a name of the zone for a client in Europe.
fn of(files: &Files, question: &str) -> Value {
    let (name, rtype) = question.split_once(' ').unwrap_or((question, "A"));
    explain(files, &format!("{name}.gslb.example.com {rtype} --client 10.1.2.0/24"))
}

#[test]
fn a_static_rrset_of_a_steered_name_is_told_as_such() {
    let files = files();
    let story = of(&files, "www TXT");
    assert_eq!((&story["hops"][0]["found"], &story["hops"][0]["steering"]), (&json!("records"), &Value::Null));
    assert_eq!((&story["hops"][0]["ttl"], &story["answer"]["ttl"]), (&json!(300), &json!(300)));
    assert_eq!(story["answer"]["records"], json!([r#"www.gslb.example.com. 300 IN TXT "static""#]));
    let story = of(&files, "www ANY");
    assert_eq!((&story["hops"][0]["found"], &story["hops"][0]["steering"]), (&json!("any-records"), &Value::Null));
    assert_eq!(story["answer"]["ttl"], 300);
    let text = files.run("explain www.gslb.example.com TXT --client 10.1.2.0/24").stdout;
    assert!(text.contains("  found     static TXT records, ttl 300 s\n") && !text.contains("chosen"), "{text}");
}

#[test]
fn an_alias_shows_the_steering_at_its_end() {
    let files = files();
    let story = of(&files, "alias");
    let [alias, www] = [0, 1].map(|hop| &story["hops"][hop]);
    assert_eq!((&alias["found"], &alias["target"]), (&json!("cname"), &json!("www.gslb.example.com.")));
    assert_eq!((&www["name"], &www["steering"]["chosen"]), (&json!("www.gslb.example.com."), &json!(["web/fra"])));
    assert_eq!(story["answer"]["records"].as_array().map(Vec::len), Some(3));
    let text = files.run("explain alias.gslb.example.com --client 10.1.2.0/24").stdout;
    let told = [
        "  found     CNAME record to www.gslb.example.com., ttl",
        "  name      www.gslb.example.com.\n",
        "chosen    web/fra",
    ];
    assert!(told.iter().all(|line| text.contains(line)), "{text}");
    // Through a DNAME and a CNAME.
    let story = of(&files, "x.old");
    let found = story["hops"].as_array().unwrap().iter().map(|hop| &hop["found"]);
    let dname = json!({ "dname": "old.gslb.example.com." });
    assert_eq!(found.collect::<Vec<_>>(), [&dname, &json!("cname"), &json!("steered")]);
    // Names in no zone here are not looked up.
    let text = files.run("explain far.gslb.example.com --client 10.1.2.0/24").stdout;
    assert!(text.contains("  end       the resolver goes on from www.example.net.\n"), "{text}");
    assert!(!files.run("explain far.gslb.example.com CNAME --client 10.1.2.0/24").stdout.contains("  end "));
}

#[test]
fn each_name_is_told_with_the_zone_that_answers_for_it() {
    let files = files();
    // RFC 4035, section 3.1.4.1: DS belongs to the parent, even where the child is served here too.
    let story = of(&files, "sub DS");
    assert_eq!(
        (&story["hops"][0]["zone"], &story["hops"][0]["found"]),
        (&json!("gslb.example.com."), &json!("records"))
    );
    let digest = "sub.gslb.example.com. 300 IN DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118";
    assert_eq!(story["answer"]["records"], json!([digest]));
    assert_eq!(of(&files, "sub NS")["hops"][0]["zone"], "sub.gslb.example.com.");
    assert_eq!(of(&files, "www.sub")["hops"][0]["zone"], "sub.gslb.example.com.");
    let story = of(&files, "x.child");
    assert_eq!(story["hops"][0]["found"], json!({ "referral": "child.gslb.example.com." }));
    assert_eq!((&story["answer"]["ttl"], &story["answer"]["records"]), (&Value::Null, &json!([])));
    let story = explain(&files, "www.example.org --client 10.1.2.0/24");
    assert_eq!((&story["hops"], &story["answer"]["rcode"]), (&json!([]), &json!("REFUSED")));
}

#[test]
fn what_does_not_exist_is_told_with_its_closest_encloser() {
    let files = files();
    let story = of(&files, "a.b.wild");
    let hop = &story["hops"][0];
    assert_eq!(
        (&hop["wildcard"], &hop["closest_encloser"]),
        (&json!("*.wild.gslb.example.com."), &json!("wild.gslb.example.com."))
    );
    let story = of(&files, "any.apps");
    assert_eq!(
        (&story["hops"][0]["wildcard"], &story["hops"][0]["steering"]["chosen"]),
        (&json!("*.apps.gslb.example.com."), &json!(["web/fra"]))
    );
    let story = of(&files, "nothing.www");
    let hop = &story["hops"][0];
    assert_eq!((&hop["found"], &hop["wildcard"]), (&json!("no-such-name"), &Value::Null));
    assert_eq!(hop["closest_encloser"], "www.gslb.example.com.");
    assert_eq!((&story["answer"]["rcode"], &hop["ttl"]), (&json!("NXDOMAIN"), &story["answer"]["ttl"]));
    assert_eq!(of(&files, "www MX")["hops"][0]["found"], "no-records");
}

/// A zone may limit the prefixes of Client Subnet, but all bits of a packet's source count.
#[test]
fn an_address_is_a_packets_source_and_a_network_is_client_subnet() {
    let regions = "[regions.one]\nclients = [\"60.1.2.3/32\"]\nprefer = [\"iad\"]\n[pools.web]";
    let files = Files::new(SERVER, &[("gslb.example.com.toml", &ZONE.replace("[pools.web]", regions))]);
    let of = |client: &str| explain(&files, &format!("www.gslb.example.com --client {client}"));
    let host = of("60.1.2.3");
    assert_eq!((&host["client"]["looked_up_as"], &host["hops"][0]["region"]), (&json!("60.1.2.3"), &json!("one")));
    assert_eq!(host["answer"]["scope"], Value::Null, "a query without the option gets none");
    let network = of("60.1.2.3/32");
    assert_eq!(network["client"]["looked_up_as"], "60.1.2.0/24");
    assert_ne!(network["hops"][0]["region"], "one");
    assert!(network["answer"]["scope"].is_number());
}
