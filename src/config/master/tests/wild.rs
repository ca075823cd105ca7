//! Master files as other servers write them.

use super::*;

/// RFC 2308, section 4: before `$TTL`, the MINIMUM of the SOA record was the default. Windows exports rely on it.
#[test]
fn the_soa_record_has_the_default_ttl_of_a_file_without_any() {
    let soa = "@ SOA ns1 host 1 3600 600 86400 900\n";
    let ttls = |text: &str| -> Vec<_> { read(text).0.iter().map(|located| located.record.ttl).collect() };
    assert_eq!(ttls(&format!("a A 192.0.2.1\n{soa}b A 192.0.2.1\n")), [300, 900, 900]);
    assert_eq!(ttls(&format!("$TTL 60\n{soa}b A 192.0.2.1\n")), [60, 60]);
    assert_eq!(ttls("@ 120 SOA ns1 host 1 3600 600 86400 900\nb A 192.0.2.1\n"), [120, 120], "the last one");
    assert_eq!(ttls("@ SOA ns1 host 1 3600 600 86400 4294967295\n"), [2_147_483_647]);
}

/// Addresses of foreign nameservers are exported as glue.
#[test]
fn addresses_outside_of_the_zone_are_ignored_with_a_warning() {
    let (records, faults) = read(concat!(
        "ns.example.net. A 192.0.2.1\n",
        "  AAAA 2001:db8::1\n",
        "  TXT x\n",
        "a A 192.0.2.2\n",
        "  A 192.0.2.3\n",
    ));
    let expected: Vec<_> = (1..4)
        .map(|line| {
            let column = if line == 1 { 1 } else { 3 };
            format!("example.com.zone:{line}:{column}: ns.example.net. is not in zone example.com.")
        })
        .collect();
    assert_eq!(told(&faults), expected);
    let severities: Vec<_> = faults.0.iter().map(|fault| fault.severity).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Warning, Severity::Error]);
    assert_eq!(records.len(), 2);
}

#[test]
fn one_directive_makes_many_records() {
    let (records, faults) = read(concat!(
        "x A 192.0.2.99\n",
        "$GENERATE 1-2 host-$ 60 IN A 192.0.2.$\n",
        "  AAAA 2001:db8::1\n",
        "$GENERATE 0-8/8 ${1,2} MX \"10 mail-$\"\n",
        "$GENERATE 3-3 t$ TXT \"\\\"a $\\\"\"\n",
        "$GENERATE 17-17 ${0,5,n}.rev PTR host-${0,3,x}.example.net.\n",
    ));
    assert_eq!(told(&faults), [""; 0]);
    assert_eq!(
        lines(&records),
        [
            r"x.example.com. 300 A \xc0\x00\x02c",
            r"host-1.example.com. 60 A \xc0\x00\x02\x01",
            r"host-2.example.com. 60 A \xc0\x00\x02\x02",
            r"x.example.com. 60 AAAA  \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
            r"01.example.com. 60 MX \x00\n\x06mail-0\x07example\x03com\x00",
            r"09.example.com. 60 MX \x00\n\x06mail-8\x07example\x03com\x00",
            r"t3.example.com. 60 TXT \x03a 3",
            r"1.1.0.rev.example.com. 60 PTR \x08host-011\x07example\x03net\x00",
        ]
    );
    assert_eq!(records[1].place.span, records[2].place.span);
}

/// RFC 1035 knows no encodings. BIND reads octets, so a Latin-1 file gives Latin-1 octets.
#[test]
fn a_file_that_is_not_utf8_is_read_by_its_octets() {
    let octets = b"; caf\xe9\nt TXT \"caf\xe9\" \\\xff \\\\\xe9 ; \xff\n\xe9 A 192.0.2.1\nb FOO\n";
    let source = Arc::new(Source::master("/zones/example.com.zone", octets.to_vec()).unwrap());
    let mut faults = Faults::default();
    let includes = Includes { folder: Path::new("/zones"), disk: &Disk::new() };
    let origin = Name::parse("example.com.", &Name::root()).unwrap();
    let master = parse_master_file(&source, &origin, 300, includes, &mut faults);
    assert_eq!(told(&faults), ["example.com.zone:4:3: `FOO` is neither a record type nor a TTL"]);
    assert_eq!(
        lines(&master.records),
        [r"t.example.com. 300 TXT \x04caf\xe9\x01\xff\x02\\\xe9", r"\233.example.com. 300 A \xc0\x00\x02\x01",]
    );
    for utf16 in [b"\xff\xfea\0", b"\xfe\xff\0a"] {
        assert_eq!(Source::master("x.zone", utf16.to_vec()).unwrap_err(), "it is UTF-16; save it as UTF-8");
    }
}
