//! The messages for broken TOML.

use super::*;
use toml::de::DeTable;

/// The place, message and help of each fault.
fn told(text: &str) -> Vec<String> {
    let source = Arc::new(Source::new("a.toml", text));
    let (_, errors) = DeTable::parse_recoverable(&source.text());
    let tell = |fault: Fault| {
        let place = fault.place.as_ref().map(|place| format!("{}:{}", place.line(), place.column()));
        let message = fault.message.strip_prefix("this is not TOML: ").unwrap_or(&fault.message).to_owned();
        format!("{} {message} | {}", place.unwrap_or_default(), fault.help.unwrap_or_default())
    };
    faults(&source, &errors).into_iter().map(|broken| tell(broken.fault)).collect()
}

#[test]
fn a_value_without_quotes_is_shown_as_it_was_meant() {
    for (text, meant) in [
        (
            "latitude = 38,95",
            "1:12 a number is written with a decimal point, and without commas | write `latitude = 38.95`",
        ),
        (
            "fra = { latitude = 50.11, longitude = -8,68 }",
            "1:39 a number is written with a decimal point, and without commas | write `longitude = -8.68`",
        ),
        (
            "fra = { latitude = 50,11, longitude = 8.68 }",
            "1:20 a number is written with a decimal point, and without commas | write `latitude = 50.11`",
        ),
        ("ttl = 3,600", "1:7 a number is written with a decimal point, and without commas | write `ttl = 3600`"),
        ("type = http", "1:8 text is in quotes | write `type = \"http\"`"),
        ("type=http # of web", "1:6 text is in quotes | write `type = \"http\"`"),
        ("path = /healthz", "1:8 text is in quotes | write `path = \"/healthz\"`"),
        ("host = www.example.com", "1:8 text is in quotes | write `host = \"www.example.com\"`"),
        ("interval = 5s", "1:12 text is in quotes | write `interval = \"5s\"`"),
        ("interval = 5 s", "1:12 text is in quotes | write `interval = \"5s\"`"),
        ("expect_status = 200-399", "1:17 text is in quotes | write `expect_status = \"200-399\"`"),
        ("monitor = web", "1:11 text is in quotes | write `monitor = \"web\"`"),
        ("datacenter = fra", "1:14 text is in quotes | write `datacenter = \"fra\"`"),
        ("datacenter = nyc", "1:14 text is in quotes | write `datacenter = \"nyc\"`"),
        ("site = iad", "1:8 text is in quotes | write `site = \"iad\"`"),
        ("address = 192.0.2.1", "1:11 text is in quotes | write `address = \"192.0.2.1\"`"),
        ("address = 2001:db8::1", "1:11 text is in quotes | write `address = \"2001:db8::1\"`"),
        ("type = “http”", "1:8 text is in quotes | write `type = \"http\"`"),
        ("type = `http`", "1:8 text is in quotes | write `type = \"http\"`"),
        ("MX = 10 mail", "1:6 text is in quotes | write `MX = \"10 mail\"`"),
        ("TXT = v=spf1 -all", "1:7 text is in quotes | write `TXT = \"v=spf1 -all\"`"),
        ("rname = me@example.com", "1:9 text is in quotes | write `rname = \"me@example.com\"`"),
        ("send = PING\\r\\n", "1:8 text is in quotes | write `send = \"PING\\r\\n\"`"),
        ("expect_body = /\\bok\\b/", "1:15 text is in quotes | write `expect_body = '/\\bok\\b/'`"),
    ] {
        assert_eq!(told(text), [meant], "{text}");
    }
}

#[test]
fn a_number_a_boolean_and_a_list_are_shown_as_they_were_meant() {
    for (text, meant) in [
        ("ttl = 30s", "1:7 this is not a number | write `ttl = 30`"),
        ("ttl = 1h", "1:7 this is not a number | write `ttl = 3600`"),
        ("port = 80.", "1:8 this is not a number | write `port = 80`"),
        ("port = 8_0_", "1:8 this is not a number | write `port = 80`"),
        ("port = 0080", "1:8 this is not a number | write `port = 80`"),
        ("verify = yes", "1:10 this is neither `true` nor `false` | write `verify = true`"),
        ("verify = True", "1:10 this is neither `true` nor `false` | write `verify = true`"),
        ("only = off", "1:8 this is neither `true` nor `false` | write `only = false`"),
        ("steer = region", "1:9 text is in quotes | write `steer = [\"region\"]`"),
        (
            "endpoints = 192.0.2.1, 192.0.2.2",
            "1:13 text is in quotes | write `endpoints = [\"192.0.2.1\", \"192.0.2.2\"]`",
        ),
        ("dns = 127.0.0.1:53", "1:7 text is in quotes | write `dns = [\"127.0.0.1:53\"]`"),
    ] {
        assert_eq!(told(text), [meant], "{text}");
    }
}

#[test]
fn an_item_of_a_list_or_a_table_is_shown_alone() {
    for (text, meant) in [
        ("pools = [web]", "1:10 text is in quotes | write `\"web\"`"),
        ("steer = [\"region\", latency]", "1:20 text is in quotes | write `\"latency\"`"),
        ("endpoints = [192.0.2.1, \"192.0.2.2\"]", "1:14 text is in quotes | write `\"192.0.2.1\"`"),
        ("endpoints = [\n  192.0.2.1,\n]", "2:3 text is in quotes | write `\"192.0.2.1\"`"),
        (
            "endpoints = [{ address = 192.0.2.1, weight = 3 }]",
            "1:26 text is in quotes | write `address = \"192.0.2.1\"`",
        ),
        (
            "a = [{ address: \"192.0.2.1\" }]",
            "1:8 between a key and its value is one `=` | write `address = \"192.0.2.1\"`",
        ),
    ] {
        assert_eq!(told(text), [meant], "{text}");
    }
}

#[test]
fn what_other_formats_write_is_shown_in_tomls_way() {
    for (text, meant) in [
        ("type : \"http\"", "1:1 between a key and its value is one `=` | write `type = \"http\"`"),
        ("type: http", "1:1 between a key and its value is one `=` | write `type = \"http\"`"),
        ("type \"http\"", "1:1 between a key and its value is one `=` | write `type = \"http\"`"),
        ("port == 80", "1:1 between a key and its value is one `=` | write `port = 80`"),
        ("type = \"http\";", "1:14 a line ends with its value, without `;` | write `type = \"http\"`"),
        ("type = \"http\",", "1:14 a line ends with its value, without `,` | write `type = \"http\"`"),
        ("type = \"http\" // web", "1:15 a comment begins with `#` | write `type = \"http\"`"),
        ("type = ", "1:8 `type` has no value | "),
        (
            "[names.*.apps]",
            "1:1 a name with other characters than letters, digits, `-` and `_` is in quotes | write `[names.\"*.apps\"]`",
        ),
        (
            "[records.@]",
            "1:1 a name with other characters than letters, digits, `-` and `_` is in quotes | write `[records.\"@\"]`",
        ),
        ("[names.www", "1:1 this header is not closed | write `[names.www]`"),
    ] {
        assert_eq!(told(text), [meant], "{text}");
    }
}

#[test]
fn faults_apart_are_all_told_and_those_that_follow_are_not() {
    let text = "[monitors.a]\ntype = http\npath = /x\n[names.www]\npools = [web]\n";
    assert_eq!(told(text).len(), 3);
    assert_eq!(told("path = \"/a\nb\"\nc = d\n").len(), 1, "an open text");
    assert_eq!(told("a = [200, 301\nb = 5\n[c]\nd = \"e\"\n").len(), 1, "an open list");
    assert_eq!(told("headers = { \"X\" = 1\nb = 5\nc = 7\n").len(), 1, "an open table");
}

#[test]
fn what_no_line_explains_is_told_in_our_words() {
    for (text, message) in [
        ("a = \"b\n", "1:7 a text in `\"` is not closed in its line | "),
        ("a = 'b\n", "1:7 a text in `'` is not closed in its line | "),
        ("a = [\"b\"\n", "a list is not closed: its `]` is missing | "),
        ("a = [\"b\" \"c\"]\n", "1:10 a list is not closed, or a comma is missing in it | "),
        ("a = \"b\\q\"\n", "1:8 this is no escape: write a backslash as `\\\\`, or put the text in `'` | "),
        ("a = \"b\" \"c\"\n", "1:9 something follows the value in its line | "),
    ] {
        let told = told(text);
        assert!(told.len() == 1 && told[0].ends_with(message), "{text}: {told:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    for text in [
        "token = abcdef0123456789abcdef",
        "token: abcdef0123456789abcdef",
        "headers = { Authorization = Bearer abcdef }",
    ] {
        let told = told(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(!told[0].contains("abcdef"), "{told:?}");
    }
}
