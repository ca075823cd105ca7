//! `[[webhooks]]` of the server file.

use std::time::Duration;

use super::*;
use crate::config::Webhook;

const ZONE: &[u8] = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n";

fn load_webhooks(webhooks: &str) -> Result<Vec<Webhook>, Faults> {
    let files = [("truenorth.toml", webhooks.as_bytes()), ("zones/example.com.toml", ZONE)];
    load_files(&files).map(|config| config.server.webhooks)
}

#[test]
fn a_url_is_enough() {
    let webhooks = load_webhooks("[[webhooks]]\nurl = \"http://127.0.0.1:9000/hook\"\n").unwrap();
    let [webhook] = &webhooks[..] else { panic!("{webhooks:?}") };
    assert_eq!((webhook.url(), webhook.label().as_str()), ("http://127.0.0.1:9000/hook", "http://127.0.0.1:9000"));
    assert_eq!((webhook.events.len(), webhook.timeout, webhook.retries), (19, Duration::from_secs(5), 5));
    assert_eq!(webhook.gather, Duration::from_secs(5));
    assert_eq!(webhook.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    assert_eq!(webhook.body, None);
}

#[test]
fn nothing_that_may_be_secret_is_printed_for_a_developer() {
    let webhooks = load_webhooks(
        "[[webhooks]]\nurl = \"https://hooks.example.com/services/SECRET\"\nevents = [\"endpoint\", \"doubt\"]\n\
         headers = { Authorization = \"Bearer SECRET\", Content-Type = \"text/plain\" }\nbody = 'SECRET {{summary}}'\n",
    )
    .unwrap();
    assert_eq!(format!("{webhooks:?}"), "[Webhook(https://hooks.example.com)]");
    assert_eq!(webhooks[0].events, ["endpoint", "doubt"]);
    let headers = [("authorization", "Bearer SECRET"), ("content-type", "text/plain")];
    assert_eq!(webhooks[0].headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(webhooks[0].body.as_ref().unwrap().fill(|_| "\"".to_owned()), "SECRET \"");
}

#[test]
fn what_is_wrong_with_a_webhook_is_told_and_no_secret_with_it() {
    let with = |line: &str| format!("[[webhooks]]\nurl = \"http://127.0.0.1/\"\n{line}\n");
    for (webhooks, expected) in [
        ("[[webhooks]]\n".to_owned(), "1:1 error: a webhook needs `url` | `url` is missing here"),
        (
            "[[webhooks]]\nurl = \"ftp://a/\"\n".to_owned(),
            "2:7 error: `url` takes a URL that begins with http:// or https://",
        ),
        (
            "[[webhooks]]\nurl = \"https://ada:x@example.com/\"\n".to_owned(),
            "2:7 error: a webhook's URL must not hold a user name or password | help: headers = { Authorization = \"Basic ...\" } \
             does the same",
        ),
        (
            with("events = [\"endpiont\"]"),
            "3:11 error: `events` takes one of `endpoint`, `pool`, `datacenter`, `hold`, `override`, `rollout`, `doubt`, \
             `certificate`, `own_certificate`, `store`, `remap`, `fleet`, `reload`, `lease`, `register`, `key`, `txt`, `start`, `stop` | did you mean `endpoint`?",
        ),
        (with("events = []"), "3:10 error: `events` needs an event; without the key all events are posted | none"),
        (with("headers = { \"a b\" = \"c\" }"), "3:13 error: `a b` cannot be set as a header"),
        (with("headers = { Host = \"c\" }"), "3:13 error: `Host` cannot be set as a header"),
        (with("headers = { A = \"c\", a = \"d\" }"), "3:22 error: `headers` names a twice | again"),
        (with("headers = { A = \"SECRET\\n\" }"), "3:13 error: the header A takes visible characters of ASCII"),
        (with("headers = { A = 7 }"), "3:13 error: the header A takes visible characters of ASCII"),
        (
            with("body = '{\"text\": \"{{ sumary }}\"}'"),
            "3:19 error: `body` has no placeholder `sumary` | did you mean `{{summary}}`?",
        ),
        (with("timeout = \"1h\""), "3:11 error: `timeout` takes a duration such as \"5s\", from 100ms to 1m"),
        (with("gather = \"1h\""), "3:10 error: `gather` takes a duration such as \"5s\", from 0s to 5m"),
        (with("retries = 99"), "3:11 error: `retries` takes a whole number from 0 to 20 | 99"),
        (with("secret = 1"), "3:1 error: a webhook has no key `secret` | unknown key"),
    ] {
        let told = lines(&load_webhooks(&webhooks).unwrap_err());
        assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?} for {webhooks}");
    }
    let told = lines(&load_webhooks(&with("body = '{\"text\": {{summary}}}'")).unwrap_err());
    assert!(told[0].starts_with("3:8 error: `body` does not produce valid JSON: "), "{told:?}");
    let text = with("body = '{\"text\": {{summary}}}'\nheaders = { Content-Type = \"text/plain\" }");
    assert!(load_webhooks(&text).is_ok(), "it need not");
}
