use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict};
use proptest::prelude::*;

use super::*;

/// Type, text relative to `example.com.`, and the wire format it stands for.
const WIRE_FORMATS: &[(&str, &str, &[u8])] = &[
    ("A", "192.0.2.1", &[192, 0, 2, 1]),
    ("a", r"\# 4 C000 0201", &[192, 0, 2, 1]),
    ("TYPE1", "192.0.2.1", &[192, 0, 2, 1]),
    ("AAAA", "2001:db8::1", b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"),
    ("NS", "ns1", b"\x03ns1\x07example\x03com\0"),
    ("CNAME", "@", b"\x07example\x03com\0"),
    ("CNAME", ".", b"\0"),
    ("PTR", r"a\.b\032c.Example.NET.", b"\x05a.b c\x07Example\x03NET\0"),
    ("DNAME", "other.test.", b"\x05other\x04test\0"),
    (
        "SOA",
        "ns1 hostmaster 2026110101 1h 10m 1w1d 60",
        b"\x03ns1\x07example\x03com\0\x0ahostmaster\x07example\x03com\0\
          \x78\xc3\xfc\x95\0\0\x0e\x10\0\0\x02\x58\0\x0a\x8c\0\0\0\0\x3c",
    ),
    ("SOA", "( ns1 . 1\n2 3\n4 5 )", b"\x03ns1\x07example\x03com\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05"),
    ("MX", "10 mail", b"\0\x0a\x04mail\x07example\x03com\0"),
    ("MX", "0 .", b"\0\0\0"),
    ("TXT", r#""v=spf1 -all" plain "" "quote \" \092 \195\169 é""#, b"\x0bv=spf1 -all\x05plain\0\x0fquote \" \\ \xc3\xa9 \xc3\xa9"),
    ("TXT", "\"a\tb\"", b"\x03a\tb"),
    ("TXT", r#""a""b"c"#, b"\x01a\x01b\x01c"),
    ("SRV", "1 2 443 target.test.", b"\0\x01\0\x02\x01\xbb\x06target\x04test\0"),
    ("HINFO", r#"PC "Linux 6""#, b"\x02PC\x07Linux 6"),
    ("MINFO", "a b.", b"\x01a\x07example\x03com\0\x01b\0"),
    ("RP", "admin.test. .", b"\x05admin\x04test\0\0"),
    ("MB", "a.", b"\x01a\0"),
    ("CAA", r#"0 issue "ca.test; policy=ev""#, b"\0\x05issueca.test; policy=ev"),
    ("CAA", r"128 iodef mailto:a\;b@test", b"\x80\x05iodefmailto:a;b@test"),
    ("URI", r#"10 1 "https://www.example.com/a\"b""#, b"\0\x0a\0\x01https://www.example.com/a\"b"),
    ("URI", r"\# 5 000a0001 61", b"\0\x0a\0\x01a"),
    ("CERT", "PKIX 65535 RSASHA256 AQ ID", b"\0\x01\xff\xff\x08\x01\x02\x03"),
    ("CERT", "254 0 0 AQID", b"\0\xfe\0\0\0\x01\x02\x03"),
    ("EUI48", "00-00-5e-00-53-2A", b"\0\0\x5e\0\x53\x2a"),
    ("EUI64", "00-00-5e-ef-10-00-00-2a", b"\0\0\x5e\xef\x10\0\0\x2a"),
    ("NID", "10 14:4fff:ff20:ee64", b"\0\x0a\0\x14\x4f\xff\xff\x20\xee\x64"),
    ("L32", "10 10.1.2.0", b"\0\x0a\x0a\x01\x02\0"),
    ("L64", "10 2001:0DB8:1140:1000", b"\0\x0a\x20\x01\x0d\xb8\x11\x40\x10\0"),
    ("TLSA", "3 1 1 AABB ccdd", b"\x03\x01\x01\xaa\xbb\xcc\xdd"),
    ("SMIMEA", "3 0 0 00", b"\x03\0\0\0"),
    ("SSHFP", "4 2 0102030405", b"\x04\x02\x01\x02\x03\x04\x05"),
    (
        "NAPTR",
        r#"100 50 "s" "SIP+D2U" "" _sip._udp"#,
        b"\0\x64\0\x32\x01s\x07SIP+D2U\0\x04_sip\x04_udp\x07example\x03com\0",
    ),
    ("NAPTR", r#"1 2 u E2U+sip "!^.*$!sip:\\1@a!" ."#, b"\0\x01\0\x02\x01u\x07E2U+sip\x0f!^.*$!sip:\\1@a!\0"),
    ("HTTPS", "0 pool", b"\0\0\x04pool\x07example\x03com\0"),
    (
        "HTTPS",
        "1 . port=8443 alpn=h2,h3 ipv4hint=192.0.2.1",
        b"\0\x01\0\0\x01\0\x06\x02h2\x02h3\0\x03\0\x02\x20\xfb\0\x04\0\x04\xc0\0\x02\x01",
    ),
    ("SVCB", r#"1 a. alpn="h2,h3" no-default-alpn"#, b"\0\x01\x01a\0\0\x01\0\x06\x02h2\x02h3\0\x02\0\0"),
    // The vectors of RFC 9460, appendix D.2.
    ("SVCB", "1 a. key667=hello", b"\0\x01\x01a\0\x02\x9b\0\x05hello"),
    ("SVCB", r#"1 a. key667="hello\210qoo""#, b"\0\x01\x01a\0\x02\x9b\0\x09hello\xd2qoo"),
    ("SVCB", r#"1 a. mandatory="ipv4hint,alpn" alpn="h2" ipv4hint=192.0.2.1"#, b"\0\x01\x01a\0\0\0\0\x04\0\x01\0\x04\0\x01\0\x03\x02h2\0\x04\0\x04\xc0\0\x02\x01"),
    ("DS", "60485 8 2 0102 0304", b"\xec\x45\x08\x02\x01\x02\x03\x04"),
    ("CDS", "0 0 0 00", b"\0\0\0\0\0"),
    ("DLV", "1 8 1 AA", b"\0\x01\x08\x01\xaa"),
    ("DNSKEY", "257 3 13 AQID BAUG", b"\x01\x01\x03\x0d\x01\x02\x03\x04\x05\x06"),
    ("CDNSKEY", "0 3 0 AA==", b"\0\0\x03\0\0"),
    (
        "RRSIG",
        "A 13 2 300 20260101000000 1750000000 12345 @ AQID",
        b"\0\x01\x0d\x02\0\0\x01\x2c\x69\x55\xb9\0\x68\x4e\xe1\x80\x30\x39\x07example\x03com\0\x01\x02\x03",
    ),
    ("NSEC", "b A MX TYPE1234", b"\x01b\x07example\x03com\0\0\x02\x40\x01\x04\x1b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20"),
    ("NSEC3", "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A", b"\x01\0\0\0\0\x14\x17\x4e\xb2\x40\x9f\xe2\x8b\xcb\x48\x87\xa1\x83\x6f\x95\x7f\x0a\x84\x25\xe2\x7b\0\x01\x40"),
    ("NSEC3PARAM", "1 0 0 -", b"\x01\0\0\0\0"),
    ("ZONEMD", "2018031500 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", b"\x78\x48\xb7\x8c\x01\x01\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"),
    ("IPSECKEY", "10 1 2 192.0.2.38 AQID", b"\x0a\x01\x02\xc0\0\x02\x26\x01\x02\x03"),
    ("OPENPGPKEY", "AQID", b"\x01\x02\x03"),
    ("DHCID", "AQID", b"\x01\x02\x03"),
    ("AFSDB", "1 a.", b"\0\x01\x01a\0"),
    ("KX", "1 a.", b"\0\x01\x01a\0"),
    ("SPF", r#""v=spf1 -all""#, b"\x0bv=spf1 -all"),
    ("LOC", r"\# 16 00121316 8916 0000 0000 0000 0000 0000", b"\0\x12\x13\x16\x89\x16\0\0\0\0\0\0\0\0\0\0"),
    ("TYPE65280", r"\# 3 abcdef", b"\xab\xcd\xef"),
    ("TYPE65280", r"\# 0", b""),
];

fn origin() -> Name {
    Name::parse("example.com.", &Name::root()).unwrap()
}

fn rdata(rtype: &str, text: &str) -> Result<Vec<u8>, String> {
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
        ("A", "", "no A data: more is expected at its end"),
        ("A", "192.0.2.256", "no A data: expected IPv4 address"),
        ("A", "192.0.2.1 192.0.2.2", "nothing may follow this A data"),
        ("A", r"\# 3 c00002", "this is no A data"),
        ("A", r"\# 4 c00002", "no A data: generic data has incorrect length"),
        ("A", r"\# 5 c000020101", "this is no A data"),
        ("MX", "mail", "no MX data: expected decimal number"),
        ("MX", "70000 mail", "no MX data: decimal number overflow"),
        ("NS", "a..b", "no NS data: a label may not be empty"),
        ("NS", r#""""#, "no NS data: a name may not be empty"),
        // A pointer to octet 0 of the RDATA: names stand uncompressed.
        ("MX", r"\# 6 000a 0161 c002", "this is no MX data"),
        ("NS", r"\# 4 0161 c000", "this is no NS data"),
        ("TXT", "", "no TXT data: more is expected at its end"),
        ("TXT", r"\# 0", "this is no TXT data"),
        ("TXT", r#""open"#, "a quoted string ends on the line it begins on"),
        ("TXT", "a\nb", "the data of one record stands on one line"),
        ("CAA", "0 issue ca.test;x=y", "a semicolon begins a comment; write \\; or put quotes around it"),
        (
            "LOC",
            "51 30 12.748 N 0 7 39.612 W 0m",
            "LOC data is understood only as \\# LENGTH HEX (RFC 3597, section 5)",
        ),
        ("LOC", "", "no LOC data: more is expected at its end"),
        ("URI", "10 1 \"\"", "no URI data: a text that is not empty stands here"),
        ("URI", "10 1", "no URI data: more is expected at its end"),
        ("URI", "10 1 a b", "nothing may follow this URI data"),
        ("CERT", "X509 1 8 AQID", "no CERT data: a number up to 65535 stands here"),
        ("CERT", "1 1 256 AQID", "no CERT data: a number up to 255 stands here"),
        ("CERT", "1 1 8 !", "no CERT data: this is not Base64"),
        ("EUI48", "00-00-5e-00-53", "no EUI48 data: hexadecimal digits in groups stand here"),
        ("EUI48", "0-00-5e-00-53-2a", "no EUI48 data: hexadecimal digits in groups stand here"),
        ("L32", "1 10.0.0", "no L32 data: an IPv4 address stands here"),
        ("OPENPGPKEY", "", "no OPENPGPKEY data: more is expected at its end"),
        ("TYPE65280", "abc", "TYPE65280 data is understood only as \\# LENGTH HEX (RFC 3597, section 5)"),
        ("ZONEMD", "1 1 1 0102", "this is no ZONEMD data"),
        ("HTTPS", "1 . alpn=h2 alpn=h3", "no HTTPS data: duplicate SvcParamKey"),
        ("SOA", "ns1 . 1h 1 1 1 1", "no SOA data: expected decimal number"),
    ];
    for (rtype, text, message) in faults {
        assert_eq!(rdata(rtype, text), Err(message.to_owned()), "{rtype} {text}");
    }
    let long = format!("\"{}\"", "x".repeat(256));
    assert_eq!(rdata("TXT", &long).unwrap_err(), "no TXT data: a string may not be longer than 255 octets");
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
        prop_assert!(is_wire_format(iana::Rtype::from_int(same_format(rtype).0), &rdata), "{} {}", rtype, text);
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
