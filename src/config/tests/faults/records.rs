//! Faults of records, nameservers and HTTPS.

use super::*;

#[test]
fn records_and_steered_names_agree() {
    assert_told(
        &added("[records.www]\nA = \"192.0.2.1\"\nTXT = \"beside it\"\n"),
        &["2:5 error: www.example.com. is steered and has a static A record | static | 31:8 steered here"],
    );
    assert_told(
        &added("[records.alias]\nTXT = \"x\"\n"),
        &[
            "2:7 error: alias.example.com. may become a CNAME, which excludes other records | TXT beside it | 35:8 its pools or its fallback hold a CNAME",
        ],
    );
    assert_told(
        &added("[records.x]\nMX = \"10 alias\"\n"),
        &[
            "2:6 error: MX points at alias.example.com., which may become a CNAME | not allowed | 35:8 its pools or its fallback hold a CNAME",
        ],
    );
    assert_told(
        &added("[records.x]\nCNAME = \"y\"\nMX = [\"10 www\"]\n"),
        &["3:7 error: x.example.com. has other records beside its CNAME | MX beside it | 2:9 the CNAME"],
    );
    assert_told(
        &added("[records.x]\nCNAME = [\"y\", \"z\"]\n"),
        &["2:15 error: x.example.com. has two CNAME records | another one | 2:10 the CNAME"],
    );
    assert_told(
        &added("[records.x]\nDNAME = \"y\"\n[records.\"a.x\"]\nTXT = \"x\"\n"),
        &["4:7 error: a.x.example.com. is below a DNAME | no records are allowed there | 2:9 the DNAME"],
    );
    assert_told(
        &added("[records.x]\nDNAME = \"y\"\nNS = [\"ns.example.net.\"]\n"),
        &["2:9 error: x.example.com. is delegated and has a DNAME | belongs in the child zone | 3:7 delegated here"],
    );
    assert_told(
        &added("[records.\"*.x\"]\nDNAME = \"y\"\n"),
        &[
            "2:9 warning: the meaning of DNAME at the wildcard *.x.example.com. is not specified | servers answer differently",
            "2:9 warning: DNAME points at y.example.com., which the zone example.com. does not have | not there",
        ],
    );
    assert_told(
        &added("[records.x]\nTXT = [\"x\", \"x\"]\n"),
        &["2:13 warning: this record is given twice | 2:8 first given here"],
    );
    assert_told(
        &added("[records.www]\n[records.\"WWW\"]\n"),
        &["2:10 error: WWW.example.com. is given twice | again | 1:10 first defined here"],
    );
    assert_told(
        &added("[names.\"@\"]\npools = [\"elsewhere\"]\n"),
        &[
            "1:8 error: the apex example.com. cannot be a CNAME | its pools or its fallback hold one | help: a CNAME excludes the SOA and NS records of an apex: give it pools of addresses",
        ],
    );
    assert_told(
        &added("[names.who]\nreflect = true\npools = [\"web\"]\n[records.who]\nTXT = \"x\"\n"),
        &[
            "3:1 error: `pools` is not allowed with `reflect`: such a name answers TXT only",
            "5:7 error: who.example.com. reflects and has a static TXT record | static | 1:8 reflects here",
        ],
    );
    assert_told(
        &added("[names.\"www.example.com.\"]\npools = [\"web\"]\n"),
        &["1:8 error: www.example.com. is given twice | again | 31:8 first defined here"],
    );
    assert_told(
        &added("[names.\"www.example.org.\"]\npools = [\"web\"]\n"),
        &["1:8 error: www.example.org. is not in the zone example.com. | outside of the zone"],
    );
    assert_told(
        &added("[names.\"a..b\"]\npools = [\"web\"]\n"),
        &["1:8 error: this is not a domain name: a label may not be empty"],
    );
    assert_told(
        &added("[records.\"www.example.org.\"]\nTXT = \"x\"\n"),
        &["1:10 error: www.example.org. is not in the zone example.com. | outside of the zone"],
    );
}

#[test]
fn records_are_valid() {
    assert_told(
        &added("[records.a.b]\nTXT = \"x\"\n"),
        &[
            r#"1:12 error: `b` is not a record type | not a record type | help: a name with a dot needs quotes: [records."a.b"]"#,
        ],
    );
    assert_told(
        &added("[records.x]\nXM = \"10 a\"\n"),
        &["2:1 error: `XM` is not a record type | not a record type | help: did you mean `MX`?"],
    );
    for (written, meant) in [
        (r#"MX = ["10", "mail.x."]"#, r#"MX = ["10 mail.x."]"#),
        (r#"MX = [10, "mail.x."]"#, r#"MX = ["10 mail.x."]"#),
        (r#"MX = ["10 a.x.", "20", "b.x."]"#, r#"MX = ["10 a.x.", "20 b.x."]"#),
        (r#"SRV = [1, 2, 443, "a.x."]"#, r#"SRV = ["1 2 443 a.x."]"#),
        (r#"CAA = ["0 issue", "ca.test"]"#, r#"CAA = ["0 issue ca.test"]"#),
        (r#"HTTPS = ["1", ".", "alpn=h2"]"#, r#"HTTPS = ["1 . alpn=h2"]"#),
    ] {
        let rtype = written.split(' ').next().unwrap();
        let place = format!("2:{}", rtype.len() + 4);
        let told = added(&format!("[records.x]\n{written}\n"));
        let expected = format!(
            "{place} error: these are the parts of {rtype} data, but each record is one text | help: write {meant}"
        );
        assert_told(&told, &[&expected]);
    }
    // Items that do not form a record together are reported one by one.
    assert_eq!(added("[records.x]\nMX = [\"10\", \"ten\", \"mail.x.\"]\n").len(), 3);
    assert_told(
        &added("[records.x]\nMX = \"a\"\nA = \"192.0.2\"\n"),
        &[
            "2:6 error: no MX data: the preference is a number up to 65535, not `a` | help: the preference comes first: 10 a",
            "3:5 error: no A data: the address is an IPv4 address, not `192.0.2`",
        ],
    );
    assert_told(
        &added(
            "[records.x]\nTXT = '\"v=spf1 -all\"'\nTLSA = \"3 1 1\"\nHTTPS = \"1 . no-default-alpn\"\nCAA = '0 isue \"x\"'\n",
        ),
        &[
            "2:7 warning: the quotes inside this text are served as part of it | help: leave them out: a TXT text is taken as it is, whatever its length and its characters",
            "3:8 error: no TLSA data: the certificate association is missing | help: TLSA data is <usage> <selector> <matching type> <certificate association>",
            "4:9 error: no HTTPS data: no-default-alpn without alpn leaves no protocol at all",
            "5:7 warning: doubtful CAA data: no certificate authority knows the tag `isue`; did you mean `issue`?",
        ],
    );
    assert_told(
        &added("[records.x]\nDYNA = \"geo!web\"\npools = [\"web\"]\n"),
        &[
            "2:1 error: `DYNA` is not a record type | not a record type | help: a name whose answers depend on the client or on health belongs in a zone file: [names.www], pools = [\"web\"]",
            "3:1 error: `pools` is not a record type | not a record type | help: a steered name belongs in [names.x]",
        ],
    );
    assert_told(
        &added("[records.\"@\"]\nNS = \"ns9\"\nSOA = \"a b 1 2 3 4 5\"\n"),
        &[
            "2:1 error: the zone's nameservers belong in `[nameservers]` | not here",
            "3:1 error: the SOA record belongs in `[soa]` | not here",
        ],
    );
    assert_told(
        &added("[records.x]\nTXT = 1\nttl = 2147483648\n"),
        &[
            "2:7 error: `TXT` takes a string | 1",
            "3:7 error: `ttl` takes a whole number from 0 to 2147483647 | 2147483648",
        ],
    );
}

#[test]
fn nameservers_have_addresses_and_agree() {
    assert_told(
        &added("[records.sub]\nNS = \"ns.sub\"\n"),
        &["2:6 warning: nameserver ns.sub.example.com. is in the zone but has no address | no address"],
    );
    assert_told(&added("[records.sub]\nNS = \"ns.sub\"\n[records.\"ns.sub\"]\nA = \"192.0.2.1\"\n"), &[]);
    assert_told(
        &added(
            "[records.sub]\nNS = \"ns.example.net.\"\n[records.\"a.sub\"]\nTXT = \"x\"\n[names.\"www.sub\"]\npools = [\"web\"]\n",
        ),
        &[
            "4:7 warning: a.sub.example.com. is never answered: sub.example.com. is delegated | below a delegation | 2:6 delegated here",
            "5:8 warning: www.sub.example.com. is never answered: sub.example.com. is delegated | below a delegation | 2:6 delegated here",
        ],
    );
    assert_told(
        &added("[soa]\nrname = \"host.master@example.com\"\nserial = -1\n"),
        &[
            "2:9 error: `rname` is a mailbox written as a name | a dot in place of the `@` | help: write \"host\\\\.master.example.com.\"",
            "3:10 error: `serial` takes a whole number from 0 to 4294967295 | -1",
        ],
    );
}

#[test]
fn an_address_that_a_wildcard_gives_is_a_nameservers_address() {
    let missing = "3:1 error: nameserver ns1.example.com. is in the zone but has no address | no address";
    let with = |more: &str| {
        let zone = format!("{}{more}", ZONE.replace(r#"["192.0.2.53"]"#, "[]"));
        lines(&told(load_zone(&zone)))
    };
    let wild = "[records.\"*\"]\nA = \"192.0.2.53\"\n";
    assert_told(&with(wild), &[]);
    assert_told(&with("[names.\"*\"]\npools = [\"sorry\"]\n"), &[]);
    // No wildcard answers for a name that exists.
    assert_told(&with(&format!("{wild}[records.ns1]\nTXT = \"x\"\n")), &[missing]);
    assert_told(&with(&format!("{wild}[records.\"x.ns1\"]\nTXT = \"x\"\n")), &[missing]);
    assert_told(&with("[records.\"*\"]\nTXT = \"x\"\n"), &[missing]);
    // Below a cut only glue counts, no wildcard.
    let cut = added(&format!("{wild}[records.sub]\nNS = \"ns.sub\"\n"));
    assert_told(&cut, &["4:6 warning: nameserver ns.sub.example.com. is in the zone but has no address | no address"]);
}

#[test]
fn nameservers_of_the_apex() {
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[]"),
        &["3:1 error: nameserver ns1.example.com. is in the zone but has no address | no address"],
    );
    assert_told(&changed(r#"["192.0.2.53"]"#, r#"["192.0.2"]"#), &["3:8 error: `ns1` takes addresses"]);
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[\"192.0.2.53\"]\n\"ns2.example.net.\" = []"),
        &[
            "4:1 warning: the zone example.com. has several nameservers but no `serial` | may serve another serial | help: give one in `[soa]`, so that the nameservers agree",
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[\"192.0.2.53\"]\n\"ns2.example.net.\" = [\"192.0.2.54\"]"),
        &[
            "4:1 warning: the zone example.com. has several nameservers but no `serial` | may serve another serial | help: give one in `[soa]`, so that the nameservers agree",
            "4:22 error: ns2.example.net. is not in this zone, so it takes no addresses from here | help: write [] for it",
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[\"192.0.2.53\"]\n\"NS1.example.com.\" = [\"192.0.2.54\"]"),
        &["4:1 error: nameserver NS1.example.com. is given twice | again | 3:1 first named here"],
    );
    assert_told(
        &changed("ns1 = [\"192.0.2.53\"]\n", ""),
        &[
            r#"2:2 error: the zone example.com. has no nameservers | help: name them: [nameservers], ns1 = ["192.0.2.53"]"#,
        ],
    );
    assert_told(
        &changed("[nameservers]", "ttl = 10\nttl_min = 20\n[nameservers]"),
        &["3:11 error: `ttl_min` (20) is above `ttl` (10) | never above `ttl`"],
    );
}

/// The faults of a zone `example.com` with these records, and of a zone `sub.example.com`.
fn nested(records: &str) -> Vec<String> {
    let outer = format!("$TTL 60\n@ SOA ns.example.net. h 1 2 3 4 5\n@ NS ns.example.net.\n{records}");
    let inner = b"[nameservers]\n\"ns.example.net.\" = []\n";
    let files: [(&str, &[u8]); 3] = [
        ("truenorth.toml", b"zones = \"zones\"\n"),
        ("zones/example.com.zone", outer.as_bytes()),
        ("zones/sub.example.com.toml", inner),
    ];
    match load_files(&files) {
        Ok(config) => lines(&config.warnings),
        Err(faults) => lines(&faults),
    }
}

#[test]
fn a_zone_in_a_zone_is_delegated_by_it() {
    assert_told(&nested("sub NS ns.example.net.\n"), &[]);
    assert_told(
        &nested("other NS ns.example.net.\n"),
        &[
            "1:1 warning: the zone sub.example.com. is not delegated by example.com., which contains it | resolvers may find that it does not exist | help: give example.com. an NS record for it",
        ],
    );
    assert_told(
        &nested("@ DNAME example.net.\n"),
        &["1:1 error: the zone sub.example.com. is below a DNAME of example.com. | 4:1 the DNAME"],
    );
}

#[test]
fn https_says_what_a_record_can_hold_where_there_is_one() {
    let with = |https: &str| changed(r#"fallback = "sorry""#, &format!("fallback = \"sorry\"\nhttps = {https}"));
    assert_told(&with("{ alpn = [\"h2\"], port = 8443, no_default_alpn = true, ech = \"AAb+DQACBwc=\" }"), &[]);
    assert_told(
        &with("{ alpn = [\"h2\", \"http2\"] }"),
        &[
            "34:25 warning: `http2` is no protocol that browsers speak | not one of IANA's names | help: they speak `http/1.1`, `h2`, `h3`",
        ],
    );
    assert_told(&with("{ alpn = [\"h2\", \"h2\"] }"), &["34:25 error: `alpn` names a protocol twice | again"]);
    assert_told(
        &with("{ no_default_alpn = true }"),
        &["34:29 error: `no_default_alpn` without `alpn` leaves no protocol at all | needs `alpn`"],
    );
    assert_told(&with("{ ech = \"AAb+\" }"), &["34:17 error: this is not an ECHConfigList (RFC 9849, section 4)"]);
    assert_told(&with("{ ech = \"*\" }"), &["34:17 error: `ech` takes an ECHConfigList in Base64 (RFC 9848)"]);
    assert_told(&with("{ alpm = [\"h2\"] }"), &["34:11 error: `https` has no key `alpm` | did you mean `alpn`?"]);
    assert_told(
        &with("{}\n[records.www]\nHTTPS = \"1 . alpn=h2\""),
        &["36:9 error: www.example.com. is steered and has a static HTTPS record | static | 31:8 steered here"],
    );
    assert_told(
        &changed(r#"pools = ["elsewhere"]"#, "pools = [\"elsewhere\"]\nhttps = {}"),
        &[
            "37:1 error: `https` is not allowed at alias.example.com.: its pools hold a CNAME, which excludes other records | never answered",
        ],
    );
}
