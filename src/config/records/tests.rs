mod samples;

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict};
use proptest::prelude::*;

use self::samples::{MALFORMED, WIRE_FORMATS};
use super::*;

fn origin() -> Name {
    Name::parse("example.com.", &Name::root()).unwrap()
}

fn rdata(rtype: &str, text: &str) -> Result<Vec<u8>, RdataError> {
    parse_rdata(parse_rtype(rtype).unwrap(), text, &origin()).map(Vec::from)
}

/// The octets as data of an unknown type are written.
fn generic(octets: &[u8]) -> String {
    octets.iter().fold(format!(r"\# {}", octets.len()), |text, octet| format!("{text} {octet:02X}"))
}

#[test]
fn every_type_has_its_wire_format() {
    for (rtype, text, wire) in WIRE_FORMATS {
        assert_eq!(rdata(rtype, text).as_deref(), Ok(*wire), "{rtype} {text}");
    }
}

/// RFC 3597, section 5: a known type may be written as an unknown one.
#[test]
fn every_wire_format_may_be_written_as_octets() {
    for (rtype, text, wire) in WIRE_FORMATS {
        assert_eq!(rdata(rtype, &generic(wire)).as_deref(), Ok(*wire), "{rtype} {text}");
    }
}

#[test]
fn malformed_data_is_refused() {
    for (rtype, texts) in MALFORMED {
        for text in *texts {
            assert!(rdata(rtype, text).is_err(), "{rtype} {text}");
        }
    }
}

/// Data that BIND and NSD load, although nobody means it.
#[test]
fn doubtful_data_is_warned_of() {
    let doubt_of = |rtype, text| doubt(parse_rtype(rtype).unwrap(), &rdata(rtype, text).unwrap());
    let doubtful = [
        ("TLSA", "3 1 1 AA", "a certificate association of type 1 has 32 octets, not 1"),
        ("SMIMEA", r"\# 4 03010200", "a certificate association of type 2 has 64 octets, not 1"),
        ("TLSA", "4 1 1 AA", "4 is no usage: they go from 0 to 3"),
        ("DS", "1 8 3 AABB", "a digest of type 3 has 32 octets, not 2"),
        ("CDS", "1 0 0 00", "a CDS record with algorithm 0 must be 0 0 0 00 (RFC 8078, section 4)"),
        ("CDNSKEY", "257 3 0 AA==", "a CDNSKEY record with algorithm 0 must be 0 3 0 AA== (RFC 8078, section 4)"),
        ("DNSKEY", "257 2 13 AAAA", "the protocol of a key must be 3 (RFC 4034, section 2.1.2)"),
        ("DNSKEY", "257 3 15 AAAA", "a public key of type 15 has 32 octets, not 3"),
        ("DNSKEY", "257 3 8 AwEAAQ==", "a public key of algorithm 8 is an exponent and a modulus"),
        ("HTTPS", "0 a. alpn=h2", "clients ignore the parameters of a record with priority 0, which is an alias"),
        ("HTTPS", "1 . alpn=h2,h2", "alpn: `h2` is given twice"),
        ("HTTPS", "1 . ech=AAAA", "ech: this is not an ECHConfigList (RFC 9849, section 4)"),
        (
            "NAPTR",
            r#"1 1 u E2U "!.*!a!" b."#,
            "a NAPTR record has a regexp or a replacement, not both (RFC 3403, section 4.1)",
        ),
        ("URI", r#"1 1 """#, "the target of a URI record is not empty (RFC 7553, section 4.5)"),
        ("CAA", r#"0 isue "x""#, "no certificate authority knows the tag `isue`; did you mean `issue`?"),
        (
            "IPSECKEY",
            "10 1 0 192.0.2.3",
            "BIND refuses a zone that has an IPSECKEY record without a key, though RFC 4025 permits it",
        ),
        (
            "IPSECKEY",
            r"\# 6 0a030001 6100",
            "BIND refuses a zone that has an IPSECKEY record without a key, though RFC 4025 permits it",
        ),
        ("MD", "a.", "MD is obsolete (RFC 1035, section 3.3.4): use MX"),
    ];
    for (rtype, text, message) in doubtful {
        assert_eq!(doubt_of(rtype, text).as_deref(), Some(message), "{rtype} {text}");
    }
    let fine = [
        ("TLSA", "3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
        ("TLSA", "255 255 255 AA"),
        ("IPSECKEY", "10 1 2 192.0.2.3 AQ=="),
        ("CDS", "0 0 0 00"),
        ("CDNSKEY", "0 3 0 AA=="),
        ("DNSKEY", "257 3 15 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("DNSKEY", "256 3 8 AwEAAQE="),
        ("CAA", r#"0 issue "ca.test""#),
        ("CAA", r#"0 policy "1""#),
        ("HTTPS", "0 a."),
        ("NAPTR", r#"1 1 u E2U "!(a)!\\1!i" ."#),
    ];
    for (rtype, text) in fine {
        assert_eq!(doubt_of(rtype, text), None, "{rtype} {text}");
    }
}

#[test]
fn what_was_probably_meant_is_told() {
    let helps = [
        ("MX", "mail.x.", "the preference comes first: 10 mail.x."),
        ("MX", "mail.x. 10", "MX data is <preference> <target>"),
        ("HTTPS", ".", "the priority comes first: 1 ."),
        ("SRV", "1 2 a.", "SRV data is <priority> <weight> <port> <target>"),
        ("A", "2001:db8::1", "an IPv6 address belongs in an AAAA record"),
        ("A", "192.0.2.1:80", "a record holds an address, not a port"),
        ("A", "192.0.2.0/24", "a record holds one address, not a prefix"),
        ("A", "web.example.net.", "a CNAME record points at a name"),
        ("A", "192.0.2.1 192.0.2.2", "each address is a record of its own"),
        ("AAAA", "192.0.2.1", "an IPv4 address belongs in an A record"),
        ("AAAA", "[2001:db8::1]", "an address is written without brackets"),
        ("CAA", "issue ca.test", "CAA data is <flags> <tag> <value>"),
    ];
    for (rtype, text, help) in helps {
        assert_eq!(rdata(rtype, text).unwrap_err().help.as_deref(), Some(help), "{rtype} {text}");
    }
}

fn hickory_wire(rdata: &RData) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    rdata.emit(&mut encoder).unwrap();
    wire
}

#[test]
fn hickory_reads_what_we_write() {
    for (rtype, text, wire) in WIRE_FORMATS {
        let number = RecordType::from(parse_rtype(rtype).unwrap().0);
        let read = RData::read(&mut BinDecoder::new(wire), number, Restrict::new(wire.len() as u16));
        assert_eq!(hickory_wire(&read.unwrap()), *wire, "{rtype} {text}");
    }
}

#[test]
fn hickory_takes_the_same_texts_for_the_same_data() {
    let texts = [
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::53"),
        ("NS", "ns1.example.com."),
        ("CNAME", "www.example.com."),
        ("PTR", "host.example.com."),
        ("SOA", "ns1.example.com. hostmaster.example.com. 1 7200 600 3600000 60"),
        ("MX", "10 mail.example.com."),
        ("TXT", r#""two words" "and more""#),
        ("SRV", "1 2 443 target.example.com."),
        ("CAA", r#"0 issuewild "ca.example.com""#),
        ("TLSA", "3 1 1 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"),
        ("SSHFP", "1 1 0102030405060708090a0b0c0d0e0f1011121314"),
        ("NAPTR", r#"100 50 "u" "E2U+sip" "!^.*$!sip:a@example.com!" ."#),
        ("HINFO", "PC Linux"),
        ("HTTPS", "1 . alpn=h2,h3 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1"),
        ("SVCB", "16 foo.example.org. alpn=h2,h3 port=53"),
    ];
    for (rtype, text) in texts {
        let theirs = RData::try_from_str(RecordType::from(parse_rtype(rtype).unwrap().0), text).unwrap();
        assert_eq!(rdata(rtype, text).unwrap(), hickory_wire(&theirs), "{rtype} {text}");
    }
}

#[test]
fn faults_are_short_sentences() {
    let faults = [
        ("A", "", "no A data: the address is missing"),
        ("A", "192.0.2.256", "no A data: the address is an IPv4 address, not `192.0.2.256`"),
        ("A", "192.0.2.1 192.0.2.2", "nothing may follow this A data"),
        ("A", r"\# 3 c00002", "no A data: the address is missing, or not whole"),
        ("A", r"\# 4 c00002", "no A data: 3 octets follow, not 4"),
        ("A", r"\# 5 c000020101", "no A data: 1 octets follow it"),
        ("A", r"\#", "no A data: a length must follow \\#"),
        ("A", r"\# x c0", "no A data: the length is a number up to 65535"),
        ("A", r"\# 1 c", "no A data: hexadecimal digits are expected, two for each octet"),
        ("MX", "mail", "no MX data: the preference is a number up to 65535, not `mail`"),
        ("MX", "70000 mail", "no MX data: the preference is a number up to 65535, not `70000`"),
        ("NS", "a..b", "no NS data: a label may not be empty"),
        ("NS", r#""""#, "no NS data: a name may not be empty"),
        // A pointer to octet 0 of the RDATA: names must be uncompressed.
        ("MX", r"\# 6 000a 0161 c002", "no MX data: the target is missing, or not whole"),
        ("NS", r"\# 4 0161 c000", "no NS data: the target is missing, or not whole"),
        ("TXT", "", "no TXT data: the text is missing"),
        ("TXT", r"\# 0", "no TXT data: the text is missing, or not whole"),
        ("TXT", r#""open"#, "a quoted string must end on the line where it begins"),
        ("TXT", "a\nb", "the data of one record must be on one line"),
        ("CAA", "0 issue ca.test;x=y", "a semicolon begins a comment; write \\; or put quotes around it"),
        ("LOC", "91 N 0 W 0", "no LOC data: the latitude is degrees up to 90, minutes, seconds and N or S"),
        ("LOC", "", "no LOC data: the latitude is missing"),
        ("URI", "10 1", "no URI data: the target is missing"),
        ("URI", "10 1 a b", "nothing may follow this URI data"),
        ("CERT", "X509 1 8 AQID", "no CERT data: the certificate type is a number up to 65535, not `X509`"),
        ("CERT", "1 1 256 AQID", "no CERT data: the algorithm is a number up to 255, not `256`"),
        ("CERT", "1 1 8 !", "no CERT data: the certificate is not written in Base64"),
        ("L32", "1 10.0.0", "no L32 data: the locator is an IPv4 address, not `10.0.0`"),
        ("OPENPGPKEY", "", "no OPENPGPKEY data: the key is missing"),
        ("TYPE65280", "abc", "TYPE65280 data can be written only as \\# LENGTH HEX (RFC 3597, section 5)"),
        ("HTTPS", "1 . alpn=h2 alpn=h3", "no HTTPS data: alpn is given twice"),
        ("HTTPS", "1 . alnp=h2", "no HTTPS data: `alnp` is no SvcParamKey; did you mean `alpn`?"),
        ("SOA", "ns1 . 1h 1 1 1 1", "no SOA data: the serial is a number up to 4294967295, not `1h`"),
        ("SOA", "ns1 . 1 1 1 1", "no SOA data: the minimum is missing"),
        ("SRV", "1 2 mail", "no SRV data: the port is a number up to 65535, not `mail`"),
    ];
    for (rtype, text, message) in faults {
        let told = rdata(rtype, text).unwrap_err().message;
        assert_eq!(told, message, "{rtype} {text}");
    }
    let long = format!("\"{}\"", "x".repeat(256));
    assert_eq!(rdata("TXT", &long).unwrap_err().message, "no TXT data: a string may not be longer than 255 octets");
    assert!(rdata("TXT", &"x ".repeat(40_000)).is_err());
}

#[test]
fn types_are_mnemonics_or_numbers() {
    assert_eq!(parse_rtype("aaaa"), Some(Rtype::AAAA));
    assert_eq!(parse_rtype("type28"), Some(Rtype::AAAA));
    assert_eq!(parse_rtype("TYPE65535"), Some(Rtype(65535)));
    for no_type in ["", "FOO", "28", "TYPE", "TYPE65536", "TYPE+1", "TYPE0", "TYPEé", "é"] {
        assert_eq!(parse_rtype(no_type), None, "{no_type}");
    }
    for meta in ["OPT", "ANY", "AXFR", "IXFR", "TSIG", "TKEY", "MAILA", "MAILB", "NXNAME", "TYPE41", "TYPE200"] {
        assert_eq!(parse_rtype(meta), None, "{meta}");
    }
}

#[test]
fn a_txt_text_is_taken_as_it_is() {
    assert_eq!(*txt_rdata(""), [0]);
    assert_eq!(*txt_rdata(r#"a b\"; é"#), *b"\x09a b\\\"; \xc3\xa9");
    let long = txt_rdata(&"x".repeat(256));
    assert_eq!((long.len(), long[0], long[256], long[257]), (258, 255, 1, b'x'));
    assert_eq!(txt_rdata(&"x".repeat(255)).len(), 256);
}

/// Words that types read, and what could break them.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("@".to_owned()),
        Just(".".to_owned()),
        Just("-".to_owned()),
        Just(r"\#".to_owned()),
        Just("\"\"".to_owned()),
        (0_u32..70_000).prop_map(|number| number.to_string()),
        "[0-9a-fA-F]{1,40}",
        "[A-Za-z0-9+/]{1,24}={0,2}",
        "[a-z0-9.]{1,20}",
        "[0-9a-f:]{2,30}",
        r#"(mandatory|alpn|no-default-alpn|port|ipv4hint|ech|ipv6hint|dohpath|ohttp|tls-supported-groups|key[0-9]{1,5})(="?[a-z0-9,.:\\]{0,12}"?)?"#,
        r#""[ -~]{0,12}""#,
        "(A|MX|TYPE[0-9]{1,6})",
        "[0-9]{14}",
        r"[ -~é\t]{1,8}",
    ]
}

fn valid_or_refused(rtype: Rtype, text: &str) -> Result<(), TestCaseError> {
    if let Ok(rdata) = parse_rdata(rtype, text, &origin()) {
        prop_assert_eq!(parse_rdata(rtype, &generic(&rdata), &origin()), Ok(rdata), "{} {}", rtype, text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_breaks_a_type(rtype in 0_u16..300, words in proptest::collection::vec(word(), 0..10)) {
        valid_or_refused(Rtype(rtype), &words.join(" "))?;
    }

    #[test]
    fn no_word_in_the_wrong_place_breaks_a_type(
        (rtype, text, _) in proptest::sample::select(WIRE_FORMATS),
        at in any::<proptest::sample::Index>(),
        words in proptest::collection::vec(word(), 0..3),
    ) {
        let mut mixed: Vec<_> = text.split(' ').map(str::to_owned).collect();
        let at = at.index(mixed.len());
        mixed.splice(at..=at, words);
        valid_or_refused(parse_rtype(rtype).unwrap(), &mixed.join(" "))?;
    }

    #[test]
    fn no_octets_break_a_type(rtype in 0_u16..300, octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(rdata) = parse_rdata(Rtype(rtype), &generic(&octets), &origin()) {
            prop_assert_eq!(rdata.to_vec(), octets);
        }
    }

    #[test]
    fn any_txt_text_comes_back(text in r"\PC{0,600}") {
        let rdata = txt_rdata(&text);
        let mut rest = &rdata[..];
        let mut joined = Vec::new();
        while let Some((&length, behind)) = rest.split_first() {
            joined.extend_from_slice(&behind[..usize::from(length)]);
            rest = &behind[usize::from(length)..];
        }
        prop_assert_eq!(joined, text.as_bytes());
    }
}
