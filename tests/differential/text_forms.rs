//! For each type that BIND reads as text, and for `$GENERATE`, this server reads the same octets.

use std::fmt::Write;
use std::process::Command;

use hickory_proto::rr::RecordType;
use truenorth::answer::Transport;

use crate::scene::Scene;

/// A record of each type that BIND 9.18 has a text form of, several where a form has branches.
const TEXTS: &[&str] = &[
    "A 192.0.2.1",
    "NS ns.other.test.",
    "CNAME A.b\\.c.Other.test.",
    "MB a",
    "MG a",
    "MR a",
    "WKS 192.0.2.1 TCP smtp domain 8080",
    "WKS 192.0.2.1 17 53 0 65535",
    "WKS 192.0.2.1 6",
    "PTR a.other.test.",
    "HINFO PC \"Linux 6\"",
    "MINFO a b.",
    "MX 10 mail.other.test.",
    "TXT \"v=spf1 -all\" plain \"\" \"quote \\\" \\092 \\195\\169\"",
    "RP admin txt.other.test.",
    "AFSDB 1 a.other.test.",
    "X25 311061700956",
    "ISDN 150862028003217 004",
    "ISDN 150862028003217",
    "RT 1 a.other.test.",
    "NSAP 0x47.0005.80.005a00.0000.0001.e133.ffffff000162.00",
    "NSAP 0X47",
    "NSAP-PTR a.other.test.",
    "SIG A 8 2 300 20260101000000 20250101000000 12345 . AQID",
    "KEY 256 3 8 AwEAAQ==",
    "KEY 49152 3 8",
    "PX 10 a b.other.test.",
    "GPOS -32.6882 116.8652 10.0",
    "AAAA 2001:db8::1",
    "LOC 42 21 54 N 71 06 18 W -24m 30m",
    "LOC 51 30 12.748 N 0 7 39.612 W 0.00m 0.01m 9000000m 1.5m",
    "NXT next A MX SIG NXT",
    "NXT next 1 127",
    "EID 0102 ff",
    "NIMLOC 0102 ff",
    "SRV 1 2 443 target.other.test.",
    "ATMA 39.246f.000e7c9c.031200010001.000012345678.00",
    "ATMA +61.200.300000",
    "NAPTR 100 50 s SIP+D2U \"\" _sip._udp.other.test.",
    "NAPTR 1 2 u E2U+sip \"!^(.*)$!sip:\\\\1@a!\" .",
    "KX 1 a.other.test.",
    "CERT PKIX 65535 RSASHA256 AQID",
    "A6 0 2001:db8::1",
    "A6 60 ffff:ffff:ffff:ffff::1 prefix.other.test.",
    "A6 61 ffff:ffff:ffff:ffff::1 prefix.other.test.",
    "A6 128 prefix.other.test.",
    "DNAME other.test.",
    "SINK 1 2 3 AQID",
    "SINK 1 2 3",
    "APL 1:192.168.32.0/21 !1:192.168.38.0/28 2:FF00::/8",
    "DS 60485 8 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "SSHFP 4 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "IPSECKEY 10 1 2 192.0.2.38 AQID",
    "IPSECKEY 10 2 2 2001:db8::1 AQID",
    "IPSECKEY 10 3 2 gateway AQID",
    "IPSECKEY 10 0 2 . AQID",
    "RRSIG A 13 2 300 20260101000000 20250101000000 12345 @ AQID",
    "NSEC next A MX TYPE1234",
    "DNSKEY 257 3 13 AQIDBAUG",
    "DHCID AQID",
    "NSEC3 1 0 0 aabb 2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
    "NSEC3PARAM 1 0 0 -",
    "TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "SMIMEA 3 0 0 00",
    "HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAQ== rvs1 rvs2.other.test.",
    "NINFO \"some text\"",
    "RKEY 0 0 8 AwEAAQ==",
    "TALINK a b.other.test.",
    "CDS 0 0 0 00",
    "CDNSKEY 257 3 13 AQIDBAUG",
    "OPENPGPKEY AQID",
    "CSYNC 66 3 A NS AAAA",
    "ZONEMD 2018031500 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
    "SVCB 16 a.other.test. alpn=h2,h3 port=8443",
    "HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1",
    "SPF \"v=spf1 -all\"",
    "NID 10 14:4fff:ff20:ee64",
    "L32 10 10.1.2.0",
    "L64 10 2001:0DB8:1140:1000",
    "LP 10 a.other.test.",
    "EUI48 00-00-5e-00-53-2a",
    "EUI64 00-00-5e-ef-10-00-00-2a",
    "URI 10 1 \"ftp://ftp1.example.com/public\"",
    "CAA 0 issue \"ca.test; policy=ev\"",
    "AVC \"some text\"",
    "DOA 1234567890 2 3 text/plain AQID",
    "DOA 0 1 2 \"\" -",
    "AMTRELAY 10 1 3 relay.other.test.",
    "AMTRELAY 10 0 1 192.0.2.1",
    "AMTRELAY 10 0 0 .",
    "TA 60485 8 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "DLV 60485 8 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
];

const HEAD: &str = "$ORIGIN types.test.\n$TTL 300\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.other.test.\n";

/// Templates of every form, with the number of records that they make.
const TEMPLATES: &[(&str, usize)] = &[
    ("$GENERATE 1-3 host-$ A 192.0.2.$", 3),
    ("$GENERATE 0-20/5 $.even IN AAAA 2001:db8::$", 5),
    ("$GENERATE 5-6 ${-5}-${0,4}-${1,0,d} CNAME host-$", 2),
    ("$GENERATE 60-61 ${0,3,o}.${0,4,x}.${200,0,X} CNAME host-$", 2),
    ("$GENERATE 17-18 ${0,0,n}.a PTR host-$", 2),
    ("$GENERATE 17-18 ${4000,0,N}.b PTR host-$", 2),
    ("$GENERATE 17-18 ${0,7,n}.c PTR host-$", 2),
    ("$GENERATE 17-18 ${0,6,n}d PTR host-$", 2),
    (r"$GENERATE 1-1 dollar TXT \$$", 1),
    (r#"$GENERATE 1-2 mail$ MX "1$ mail-$""#, 2),
    (r#"$GENERATE 1-1 text$ TXT "\"a $\" b""#, 1),
];

#[test]
fn what_bind_reads_as_text_is_read_to_the_same_octets() {
    let records = TEXTS.iter().zip(0..).map(|(text, number)| format!("t{number} {text}\n"));
    assert_same(&records.collect::<String>(), TEXTS.len());
}

#[test]
fn a_template_makes_the_records_that_bind_makes() {
    let lines = TEMPLATES.iter().map(|(template, _)| format!("{template}\n"));
    assert_same(&lines.collect::<String>(), TEMPLATES.iter().map(|(_, count)| count).sum());
}

/// Compares the answers to all questions of a zone in which BIND found `count` records below the apex: its text is read
/// here, and as BIND's octets.
fn assert_same(records: &str, count: usize) {
    let text = HEAD.to_owned() + records;
    let read = compiled(&text);
    assert_eq!(read.len(), count);
    let mut octets = HEAD.to_owned();
    for (owner, rtype, rdata) in &read {
        let digits = data_encoding::HEXLOWER.encode(rdata);
        _ = writeln!(octets, "{owner} TYPE{rtype} \\# {} {digits}", rdata.len());
    }
    let mut as_text = Scene::of_files(&[("types.test.zone", &text)]);
    let mut as_octets = Scene::of_files(&[("types.test.zone", &octets)]);
    for (owner, rtype, _) in read {
        let question = crate::question(owner.trim_end_matches('.'), RecordType::from(rtype)).to_vec().unwrap();
        let said = |scene: &mut Scene| scene.octets([127, 0, 0, 1].into(), &question, Transport::Tcp).unwrap();
        let (ours, theirs) = (said(&mut as_text), said(&mut as_octets));
        assert!(ours == theirs, "{owner} TYPE{rtype}: {ours:02x?}, and of BIND's octets {theirs:02x?}");
    }
}

/// What BIND makes of the text of the zone types.test.
fn compiled(text: &str) -> Vec<(String, u16, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let (zone, raw) = (folder.path().join("zone"), folder.path().join("raw"));
    std::fs::write(&zone, text).unwrap();
    let mut compile = Command::new("named-compilezone");
    compile.args(["-i", "none", "-k", "ignore", "-n", "ignore", "-F", "raw=0", "-o"]).args([&raw]).arg("types.test");
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let said = compile.arg(&zone).env("PATH", path).output();
    let said = said.unwrap_or_else(|error| panic!("named-compilezone ({error}): apt-get install bind9-utils"));
    assert!(
        said.status.success(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    records(&std::fs::read(&raw).unwrap())
}

/// The records of BIND's raw format below the apex: owner, type and RDATA.
fn records(raw: &[u8]) -> Vec<(String, u16, Vec<u8>)> {
    /// Format, version and time.
    const HEAD: usize = 12;
    let u16_at = |at: usize| usize::from(u16::from_be_bytes([raw[at], raw[at + 1]]));
    let u32_at = |at: usize| u16_at(at) << 16 | u16_at(at + 2);
    let mut records = Vec::new();
    let mut at = HEAD;
    while at < raw.len() {
        // Total length, class, type, type covered, TTL, how many records, and the owner with its length.
        let (end, rtype, count, owner) = (at + u32_at(at), u16_at(at + 6), u32_at(at + 14), at + 20);
        let mut rdata = owner + u16_at(owner - 2);
        let owner = name(&raw[owner..rdata]);
        for _ in 0..count {
            let length = u16_at(rdata);
            if owner != "types.test." {
                records.push((owner.clone(), rtype as u16, raw[rdata + 2..rdata + 2 + length].to_vec()));
            }
            rdata += 2 + length;
        }
        assert_eq!(rdata, end, "the raw format is as it is read here");
        at = end;
    }
    records
}

/// The text of a name, with an escape for each octet that might have a meaning there.
fn name(wire: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = wire;
    while let [length @ 1..=63, after @ ..] = rest {
        let (label, after) = after.split_at(usize::from(*length));
        for &octet in label {
            assert!(octet.is_ascii_graphic(), "{octet} needs another escape");
            if !octet.is_ascii_alphanumeric() {
                text.push('\\');
            }
            text.push(char::from(octet));
        }
        text.push('.');
        rest = after;
    }
    text
}
