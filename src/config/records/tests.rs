use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict};
use proptest::prelude::*;

use super::*;

/// Type, text relative to `example.com.`, and its wire format.
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
    (
        "SOA",
        "( ns1 . 1\n2 3\n4 5 )",
        b"\x03ns1\x07example\x03com\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
    ),
    ("MX", "10 mail", b"\0\x0a\x04mail\x07example\x03com\0"),
    ("MX", "0 .", b"\0\0\0"),
    (
        "TXT",
        r#""v=spf1 -all" plain "" "quote \" \092 \195\169 é""#,
        b"\x0bv=spf1 -all\x05plain\0\x0fquote \" \\ \xc3\xa9 \xc3\xa9",
    ),
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
    ("SSHFP", "4 3 0102030405", b"\x04\x03\x01\x02\x03\x04\x05"),
    (
        "NAPTR",
        r#"100 50 "s" "SIP+D2U" "" _sip._udp"#,
        b"\0\x64\0\x32\x01s\x07SIP+D2U\0\x04_sip\x04_udp\x07example\x03com\0",
    ),
    ("NAPTR", r#"1 2 u E2U+sip "!^(.*)$!sip:\\1@a!" ."#, b"\0\x01\0\x02\x01u\x07E2U+sip\x11!^(.*)$!sip:\\1@a!\0"),
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
    (
        "SVCB",
        r#"1 a. mandatory="ipv4hint,alpn" alpn="h2" ipv4hint=192.0.2.1"#,
        b"\0\x01\x01a\0\0\0\0\x04\0\x01\0\x04\0\x01\0\x03\x02h2\0\x04\0\x04\xc0\0\x02\x01",
    ),
    ("DS", "60485 8 3 0102 0304", b"\xec\x45\x08\x03\x01\x02\x03\x04"),
    (
        "DS",
        "1 RSASHA256 SHA-1 000102030405060708090a0b0c0d0e0f10111213",
        b"\0\x01\x08\x01\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13",
    ),
    ("CDS", "0 0 0 00", b"\0\0\0\0\0"),
    ("DLV", "1 8 0 AA", b"\0\x01\x08\0\xaa"),
    ("DNSKEY", "257 3 13 AQID BAUG", b"\x01\x01\x03\x0d\x01\x02\x03\x04\x05\x06"),
    ("CDNSKEY", "0 3 0 AA==", b"\0\0\x03\0\0"),
    (
        "RRSIG",
        "A 13 2 300 20260101000000 1750000000 12345 @ AQID",
        b"\0\x01\x0d\x02\0\0\x01\x2c\x69\x55\xb9\0\x68\x4e\xe1\x80\x30\x39\x07example\x03com\0\x01\x02\x03",
    ),
    (
        "NSEC",
        "b A MX TYPE1234",
        b"\x01b\x07example\x03com\0\0\x02\x40\x01\x04\x1b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20",
    ),
    (
        "NSEC3",
        "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
        b"\x01\0\0\0\0\x14\x17\x4e\xb2\x40\x9f\xe2\x8b\xcb\x48\x87\xa1\x83\x6f\x95\x7f\x0a\x84\x25\xe2\x7b\0\x01\x40",
    ),
    ("NSEC3PARAM", "1 0 0 -", b"\x01\0\0\0\0"),
    (
        "ZONEMD",
        "2018031500 1 3 000102030405060708090a0b",
        b"\x78\x48\xb7\x8c\x01\x03\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b",
    ),
    ("IPSECKEY", "10 1 2 192.0.2.38 AQID", b"\x0a\x01\x02\xc0\0\x02\x26\x01\x02\x03"),
    ("OPENPGPKEY", "AQID", b"\x01\x02\x03"),
    ("DHCID", "AQID", b"\x01\x02\x03"),
    ("AFSDB", "1 a.", b"\0\x01\x01a\0"),
    ("KX", "1 a.", b"\0\x01\x01a\0"),
    ("SPF", r#""v=spf1 -all""#, b"\x0bv=spf1 -all"),
    // RFC 1876, section 4: cambridge-net.kei.com, with what is left out in it.
    ("LOC", "42 21 54 N 71 06 18 W -24m 30m", b"\0\x33\x16\x13\x89\x17\x2d\xd0\x70\xbe\x15\xf0\0\x98\x8d\x20"),
    (
        "LOC",
        "90 S 0 0 0.001 e 42849672.95m 0 9m 90000000.00m",
        b"\0\0\x92\x99\x6c\xb0\x27\0\x80\0\0\x01\xff\xff\xff\xff",
    ),
    // RFC 3123, section 7.
    ("APL", "1:192.168.32.0/21 !1:192.168.38.0/28", b"\0\x01\x15\x03\xc0\xa8\x20\0\x01\x1c\x83\xc0\xa8\x26"),
    ("APL", "1:224.0.0.0/4 2:FF00:0:0:0:0:0:0:0/8", b"\0\x01\x04\x01\xe0\0\x02\x08\x01\xff"),
    ("APL", "", b""),
    ("CSYNC", "66 3 A NS AAAA", b"\0\0\0\x42\0\x03\0\x04\x60\0\0\x08"),
    ("CSYNC", "66 0", b"\0\0\0\x42\0\0"),
    (
        "HIP",
        "2 200100107B1A74DF AQID rvs.test.",
        b"\x08\x02\0\x03\x20\x01\0\x10\x7b\x1a\x74\xdf\x01\x02\x03\x03rvs\x04test\0",
    ),
    ("X25", "311061700956", b"\x0c311061700956"),
    ("ISDN", "150862028003217 004", b"\x0f150862028003217\x03004"),
    ("PX", "10 a. b.", b"\0\x0a\x01a\0\x01b\0"),
    ("GPOS", "-32.6882 116.8652 10.0", b"\x08-32.6882\x08116.8652\x0410.0"),
    ("KEY", "256 3 13 AQID", b"\x01\0\x03\x0d\x01\x02\x03"),
    ("AMTRELAY", "10 1 3 a.", b"\x0a\x83\x01a\0"),
    ("AMTRELAY", "10 0 0 .", b"\x0a\0"),
    ("DSYNC", "CDS NOTIFY 5359 a.", b"\0\x3b\x01\x14\xef\x01a\0"),
    ("IPSECKEY", "10 0 0 .", b"\x0a\0\0"),
    ("IPSECKEY", "10 3 2 gw AQID", b"\x0a\x03\x02\x02gw\x07example\x03com\0\x01\x02\x03"),
    ("TLSA", "DANE-EE SPKI SHA2-256 AA", b"\x03\x01\x01\xaa"),
    ("TLSA", "3 1 0 AABB", b"\x03\x01\0\xaa\xbb"),
    // RFC 9460, section 2.1: "key" and a number is followed by the wire format, whatever the number means.
    ("HTTPS", r"1 . key1=\002h2", b"\0\x01\0\0\x01\0\x03\x02h2"),
    ("HTTPS", r"1 . key3=\001\187", b"\0\x01\0\0\x03\0\x02\x01\xbb"),
    ("HTTPS", r"1 . key4=\192\000\002\001", b"\0\x01\0\0\x04\0\x04\xc0\0\x02\x01"),
    ("HTTPS", r"1 . alpn=h2 key0=\000\001", b"\0\x01\0\0\0\0\x02\0\x01\0\x01\0\x03\x02h2"),
    ("HTTPS", "1 . key2 alpn=h2", b"\0\x01\0\0\x01\0\x03\x02h2\0\x02\0\0"),
    ("HTTPS", "1 . key6=abcdabcdabcdabcd", b"\0\x01\0\0\x06\0\x10abcdabcdabcdabcd"),
    // The vector of RFC 9460, appendix D.2, whose value-list hides a comma and a backslash, quoted and not.
    ("SVCB", r#"16 a. alpn="f\\\\oo\\,bar,h2""#, b"\0\x10\x01a\0\0\x01\0\x0c\x08f\\oo,bar\x02h2"),
    ("SVCB", r"16 a. alpn=f\\\092oo\092,bar,h2", b"\0\x10\x01a\0\0\x01\0\x0c\x08f\\oo,bar\x02h2"),
    ("SVCB", "1 a. alpn=h2 dohpath=/q{?dns}", b"\0\x01\x01a\0\0\x01\0\x03\x02h2\0\x07\0\x08/q{?dns}"),
    ("NSAP", "0x47.0005.80.FFff01", b"\x47\0\x05\x80\xff\xff\x01"),
    ("NSAP-PTR", "a.", b"\x01a\0"),
    ("ATMA", "39.246f.000e7c9c", b"\0\x39\x24\x6f\0\x0e\x7c\x9c"),
    ("ATMA", "+61.200.300000", b"\x0161200300000"),
    ("WKS", "192.0.2.1 TCP ftp smtp 7", b"\xc0\0\x02\x01\x06\x01\0\x04\x40"),
    ("WKS", "192.0.2.1 17", b"\xc0\0\x02\x01\x11"),
    ("NXT", "b. A MX SIG NXT", b"\x01b\0\x40\x01\0\x82"),
    ("NXT", "b. 1", b"\x01b\0\x40"),
    ("A6", "0 2001:db8::1", b"\0\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"),
    ("A6", "60 ffff:ffff:ffff:ffff::1 p.", b"\x3c\x0f\0\0\0\0\0\0\0\x01\x01p\0"),
    ("A6", "128 p.", b"\x80\x01p\0"),
    ("SINK", "1 2 3 AQ ID", b"\x01\x02\x03\x01\x02\x03"),
    ("SINK", "1 2 3", b"\x01\x02\x03"),
    ("DOA", "1 2 3 text/plain AQID", b"\0\0\0\x01\0\0\0\x02\x03\x0atext/plain\x01\x02\x03"),
    ("DOA", "1 2 3 \"\" -", b"\0\0\0\x01\0\0\0\x02\x03\0"),
    ("TYPE65280", r"\# 3 abcdef", b"\xab\xcd\xef"),
    ("TYPE65280", r"\# 0", b""),
];

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

/// Data that BIND rejects; as a secondary, it rejects the whole zone.
const MALFORMED: &[(&str, &[&str])] = &[
    ("TLSA", &["3 1 1", "3 1 1 AABBC", "256 1 1 AA", r"\# 3 030101", r"\# 0"]),
    ("SMIMEA", &["3 1 1", r"\# 3 030101"]),
    (
        "SSHFP",
        &[
            "4 2",
            "4 2 AABB",
            "4 1 AABB",
            "1 1 0102030405060708090a0b0c0d0e0f101112131415",
            r"\# 2 0402",
            r"\# 4 0402AABB",
        ],
    ),
    ("DS", &["1 8 2", "1 8 2 AABB", "1 8 1 AABB", "1 8 4 AABB", r"\# 4 00010802", r"\# 5 0001080200"]),
    ("CDS", &["1 8 2", "1 8 2 AABB", "0 0 0 0"]),
    ("DLV", &["1 8 2 AA"]),
    ("TA", &["1 8 2 AA"]),
    ("DNSKEY", &["257 3 13", r"\# 4 0101030D"]),
    ("CDNSKEY", &["257 3 13"]),
    ("KEY", &["257 3 13"]),
    ("ZONEMD", &["1 1 1", "1 1 1 AABB", "1 1 2 000102030405060708090a0b", "1 1 240 AABB", r"\# 6 000000010101"]),
    ("RRSIG", &["A 13 2 300 20260101000000 20250101000000 1 a.", "A 13 2 300 20261301000000 20250101000000 1 a. AQID"]),
    (
        "NSEC",
        &[
            "b.",
            "b. FOO",
            r"\# 3 016200",
            r"\# 7 016200 00024000",
            r"\# 6 016200 000100",
            r"\# 5 016200 0000",
            r"\# 9 016200 000140 000140",
            r"\# 9 016200 010140 000140",
        ],
    ),
    ("NSEC3", &["1 0 0 - 2t7b4g4v A", "1 0 0 -", r"\# 7 01000000000100", r"\# 6 010000000000"]),
    ("NSAP", &["", "47", "0x", "0x4", "0x4g", r"\# 0"]),
    ("ATMA", &["", "+", "+61a", "39.", ".39", "39..00", "3", r"\# 0", r"\# 1 01", r"\# 2 0161"]),
    ("WKS", &["192.0.2.1", "192.0.2.1 256", "192.0.2.1 TCP mail", "192.0.2.1 TCP 65536", r"\# 4 c0000201"]),
    ("NXT", &["b. 0", "b. 128", "b. URI", "b. FOO", r"\# 4 01620080", r"\# 5 0162004000"]),
    ("A6", &["", "129 p.", "0", "1 ::1", "128", "0 2001:db8::1 p.", r"\# 1 00", r"\# 2 8100", r"\# 1 80"]),
    ("SINK", &["1 2", "1 2 256", "1 2 3 A"]),
    ("DOA", &["1 2 3", "1 2 3 text", "1 2 3 text A", "1 2 256 text -"]),
    ("NSEC3PARAM", &["1 0 0 A", r"\# 5 0100000001", r"\# 4 01000000"]),
    ("CSYNC", &["66", r"\# 5 0000004200"]),
    (
        "HTTPS",
        &[
            "1 . no-default-alpn",
            "1 . alpn",
            "1 . alpn=",
            "1 . alpn=h2,,h3",
            "1 . alpn=h2,",
            "1 . alpn=,h2",
            "1 . key1=h2",
            r"1 . key1=\003h2",
            "1 . key2",
            "1 . key2=a alpn=h2",
            "1 . mandatory=alpn",
            "1 . mandatory=alpn,alpn alpn=h2",
            "1 . mandatory=mandatory alpn=h2",
            "1 . mandatory alpn=h2",
            "1 . mandatory=port alpn=h2",
            "1 . mandatory=key01 alpn=h2",
            r"1 . key0=\000\003\000\001 alpn=h2 port=1",
            r"1 . key0=\000\000 alpn=h2",
            "1 . ipv4hint",
            "1 . ipv4hint=",
            "1 . ipv4hint=192.0.2.1,",
            "1 . ipv6hint=192.0.2.1",
            "1 . key4=192.0.2.1",
            "1 . port=",
            "1 . port=65536",
            "1 . port=+1",
            "1 . key3=443",
            "1 . key00001=h2",
            "1 . key65536=a",
            "1 . KEY667=a",
            "1 . alpn=h2 key1=h3",
            "1 . dohpath=/q",
            "1 . dohpath=q{?dns}",
            "1 . dohpath",
            "1 . ohttp=1",
            "1 . =a",
            r"\# 7 00010000020000",
            r"\# 9 000100 0001 0002 0268",
            r"\# 14 000100 0003 000201bb 0001 0003026832",
            r"\# 7 000100 0004 0000",
            r"\# 4 00010000",
        ],
    ),
    (
        "CAA",
        &[
            r#"0 "" "x""#,
            "0 issue",
            r#"0 is-sue "x""#,
            r#"0 "is sue" "x""#,
            r#"256 issue "x""#,
            r"\# 2 0000",
            r"\# 3 00012d",
            r"\# 1 00",
        ],
    ),
    (
        "NAPTR",
        &[
            r#"1 1 u E2U "!^.*$" ."#,
            r#"1 1 u E2U "x^.*x" ."#,
            r#"1 1 u E2U "!(!sip:a!" ."#,
            r#"1 1 u E2U "!.*!\\1!" ."#,
            r#"1 1 u E2U "!.*!a!z" ."#,
            "65536 1 s SIP \"\" a",
            "1 1 s SIP a",
        ],
    ),
    (
        "LOC",
        &[
            "90 0 0.001 N 0 W 0",
            "51 60 0 N 0 W 0",
            "51 30 60 N 0 W 0",
            "51 N 181 W 0",
            "51 N 0 W",
            "51 N 0 W -100001.00m",
            "51 N 0 W 42849672.96m",
            "51 N 0 W 0m 90000001m",
            "51 N 0 W 1 2 3 4 5",
            r"\# 0",
            r"\# 15 00121316 80000000 80000000 009896",
            r"\# 17 00121316 80000000 80000000 0098968000",
            r"\# 16 00aa1316 80000000 80000000 00989680",
            r"\# 16 00011316 80000000 80000000 00989680",
            r"\# 16 00121316 ffffffff 80000000 00989680",
        ],
    ),
    ("APL", &["1:192.168.32.0/33", "3:1/2", r"\# 8 00011504c0a82000", r"\# 3 000115"]),
    ("X25", &["abc", "123"]),
    ("HIP", &["2 200100107B1A74DF", "2 20010 AQID", r"\# 4 08020003"]),
    ("IPSECKEY", &["10 4 2 a. AQID", "10 1 2 a. AQID", "10 0 2 a. AQID", "10 1 2 192.0.2.38", r"\# 3 0a0002"]),
    ("CERT", &["1 1 8", r"\# 5 0001000008"]),
    ("OPENPGPKEY", &["", r"\# 0"]),
    ("DHCID", &["", r"\# 0"]),
    ("EUI48", &["00-00-5e-00-53", "0-00-5e-00-53-2a", "00:00:5e:00:53:2a", r"\# 5 0000000000"]),
    ("EUI64", &[r"\# 9 000000000000000000"]),
    ("NID", &["10 1:2:3", r"\# 9 000000000000000000"]),
    ("SRV", &["1 2 65536 a.", r"\# 6 000000000000"]),
    ("MX", &["-1 a.", r"\# 2 000a", r"\# 4 000a0000", r"\# 3 000a05"]),
    ("CNAME", &[r"\# 2 c00c", r"\# 2 0000", r"\# 0", "a. b."]),
    ("AAAA", &["192.0.2.1", "::1%eth0", r"\# 15 000000000000000000000000000000"]),
    ("TXT", &[r"\# 1 05"]),
    ("HIP", &[r#"2 "" AwEAAQ=="#, r"\# 4 00020000", r"\# 5 00020001bb", r"\# 5 01020000bb"]),
];

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
