//! Runs the example that turns an nginx log into measurements with awk, on such a log.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use truenorth::report::Measurements;

const LOG: &str = "\
198.51.100.7 23417
2001:db8:7::1 101000
::ffff:203.0.113.9 950
unix: 12
192.0.2.1 -
192.0.2.2 0
192.0.2.3 7500000
";

fn awk(arguments: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/nginx-latency.awk");
    let command =
        Command::new("awk").args(arguments).args(["-f", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut awk = command.expect("awk is installed");
    // An error means that awk refused its arguments and reads nothing.
    let _ = awk.stdin.take().unwrap().write_all(LOG.as_bytes());
    awk.wait_with_output().unwrap()
}

#[test]
fn a_log_of_nginx_becomes_measurements() {
    let Output { status, stdout, .. } = awk(&["-v", "datacenter=fra"]);
    assert!(status.success());
    let mut read = Measurements::default();
    read.feed(&stdout, |name| name == "fra");
    read.finish(|name| name == "fra");
    let told: Vec<(String, f32)> =
        read.samples.iter().map(|sample| (sample.client().to_string(), sample.ms())).collect();
    assert_eq!(
        told,
        [
            ("198.51.100.7/32".to_owned(), 23.417),
            ("2001:db8:7::1/128".to_owned(), 101.0),
            ("203.0.113.9/32".to_owned(), 0.95),
        ]
    );
    let told: serde_json::Value = serde_json::from_str(&truenorth::report::to_json(&read)).unwrap();
    assert_eq!(told["refused"], 1, "one took longer than any round trip");
}

#[test]
fn it_asks_where_the_log_is_from() {
    assert_eq!(awk(&[]).status.code(), Some(2));
}
