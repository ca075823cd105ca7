mod wild;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::config::fault::Severity;
use crate::config::ttls::MAX_TTL;
use crate::disk::Disk;
use crate::zone::Builder;

fn zone() -> Name {
    Name::parse("example.com.", &Name::root()).unwrap()
}

/// A folder with these zone files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read_in(folder: &Path, text: &str) -> (Vec<Located>, Faults) {
    let source = Arc::new(Source::new(folder.join("example.com.zone"), text.to_owned()));
    let mut faults = Faults::default();
    let includes = Includes { folder, disk: &Disk::new() };
    let records = parse_master_file(&source, &zone(), 300, includes, &mut faults).records;
    let names = Builder::new(&zone(), &records);
    (rrset::settle(records, &names, &mut faults).0, faults)
}

fn read(text: &str) -> (Vec<Located>, Faults) {
    read_in(folder(&[]).path(), text)
}

/// Owner, TTL, type and data of each record, with printable octets for the data.
fn lines(records: &[Located]) -> Vec<String> {
    let line = |Located { record, .. }: &Located| {
        format!("{} {} {} {}", record.owner, record.ttl, record.rtype, record.rdata.escape_ascii())
    };
    records.iter().map(line).collect()
}

/// File name, line, column and message of each fault.
fn told(faults: &Faults) -> Vec<String> {
    let told = |fault: &Fault| {
        let place = fault.place.as_ref().unwrap();
        let before = &place.source.text()[..place.span.start];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        let file = place.source.path.file_name().unwrap().display();
        format!("{file}:{line}:{column}: {}", fault.message)
    };
    faults.0.iter().map(told).collect()
}

fn fault_of(text: &str) -> String {
    let (_, faults) = read(text);
    assert_eq!(faults.0.len(), 1, "{text}: {:?}", told(&faults));
    told(&faults).remove(0)
}

/// RFC 1035, section 5.3, with the rest of the syntax behind it.
#[test]
fn rfc1035_section_5_all_syntax_is_read() {
    let (records, faults) = read(concat!(
        "; the example's shape\r\n",
        "@   IN  SOA     VENERA      Action\\.domains (\r\n",
        "                                 20     ; SERIAL\r\n",
        "                                 7200   ; REFRESH\r\n",
        "                                 600    ; RETRY\r\n",
        "                                 3600000; EXPIRE\r\n",
        "                                 60)    ; MINIMUM\r\n",
        "\r\n",
        "        NS      A.EXAMPLE.COM.\r\n",
        "        MX      10      VENERA\r\n",
        "$TTL 1h30m\n",
        "A       A       192.0.2.103\n",
        "VENERA\t600\tIN\tA\t10.1.0.52\n",
        "        in 1d AAAA 2001:db8::1\n",
        "        AAAA 2001:db8::2 ; $TTL again, not the day\n",
        "        CLASS1 60 TXT ( \"two words\"\n",
        " one \\; )\n",
        "$ORIGIN sub\n",
        "*       CNAME   @\n",
        "a\\.b\\032c.example.com. TYPE65280 \\# 2 AB CD\n",
        "$origin Example.COM.\n",
        "MX      MX      0 .",
    ));
    assert_eq!(
        told(&faults),
        ["example.com.zone:15:9: the records of an RRset must have the same TTL (RFC 2181, section 5.2)"]
    );
    assert_eq!(
        lines(&records),
        [
            r"example.com. 60 SOA \x06VENERA\x07example\x03com\x00\x0eAction.domains\x07example\x03com\x00\x00\x00\x00\x14\x00\x00\x1c \x00\x00\x02X\x006\xee\x80\x00\x00\x00<",
            r"example.com. 60 NS \x01A\x07EXAMPLE\x03COM\x00",
            r"example.com. 60 MX \x00\n\x06VENERA\x07example\x03com\x00",
            r"A.example.com. 5400 A \xc0\x00\x02g",
            r"VENERA.example.com. 600 A \n\x01\x004",
            r"VENERA.example.com. 5400 AAAA  \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
            r"VENERA.example.com. 5400 AAAA  \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02",
            r"VENERA.example.com. 60 TXT \ttwo words\x03one\x01;",
            r"*.sub.example.com. 5400 CNAME \x03sub\x07example\x03com\x00",
            r"a\.b\032c.example.com. 5400 TYPE65280 \xab\xcd",
            r"MX.Example.COM. 5400 MX \x00\x00\x00",
        ]
    );
}

#[test]
fn a_record_is_located_from_its_first_token_to_its_last() {
    let text = "a A 192.0.2.1 ; one\n  TXT ( x\n y ) ; two\n";
    let (records, _) = read(text);
    let texts: Vec<_> = records.iter().map(|located| &text[located.place.span.clone()]).collect();
    assert_eq!(texts, ["a A 192.0.2.1", "TXT ( x\n y"]);
}

/// RFC 1035, section 5.1, and RFC 2308, section 4.
#[test]
fn a_ttl_left_out_is_the_directives_or_the_last_or_the_default() {
    let (records, _) =
        read("a A 192.0.2.1\nb 60 A 192.0.2.1\nc A 192.0.2.1\n$TTL 2m\nd A 192.0.2.1\ne 0 A 192.0.2.1\nf A 192.0.2.1");
    let ttls: Vec<_> = records.iter().map(|located| located.record.ttl).collect();
    assert_eq!(ttls, [300, 60, 60, 120, 0, 120]);
}

/// RFC 2181, section 5: the lowest TTL counts, and each record is in its RRset once.
#[test]
fn rfc2181_section_5_an_rrset_has_one_ttl_and_no_record_twice() {
    let (records, faults) = read(concat!(
        "a 300 A 192.0.2.1\n",
        "a 60  A 192.0.2.2\n",
        "a 900 TXT x\n",
        "A 300 A 192.0.2.1\n",
        "a 10 RRSIG A 13 3 300 1 1 1 @ AQID\n",
        "a 20 RRSIG TXT 13 3 900 1 1 1 @ AQID\n",
    ));
    assert_eq!(
        told(&faults),
        [
            "example.com.zone:2:1: the records of an RRset must have the same TTL (RFC 2181, section 5.2)",
            "example.com.zone:4:1: this record is given twice",
        ]
    );
    assert!(faults.0.iter().all(|fault| fault.severity == Severity::Warning));
    assert!(faults.0.iter().all(|fault| fault.related.as_ref().is_some_and(|(place, _)| place.span == (0..17))));
    let ttls: Vec<_> = records.iter().map(|located| (located.record.rtype.0, located.record.ttl)).collect();
    assert_eq!(ttls, [(1, 60), (1, 60), (16, 900), (46, 10), (46, 20)]);
}

#[test]
fn each_fault_has_its_place() {
    let faults = [
        (" A 192.0.2.1\n A 192.0.2.2", "1:2: the first record of a file needs an owner"),
        ("a.example.net. TXT x", "1:1: a.example.net. is not in zone example.com."),
        ("badexample.com. CNAME a", "1:1: badexample.com. is not in zone example.com."),
        ("a..b A 192.0.2.1", "1:1: a label may not be empty"),
        ("a CH A 192.0.2.1", "1:3: only class IN is served"),
        ("a 60 CLASS255 A 192.0.2.1", "1:6: only class IN is served"),
        ("a IN IN A 192.0.2.1", "1:6: the class is given twice"),
        ("a 60 IN 60 A 192.0.2.1", "1:9: the TTL is given twice"),
        ("a IN 2147483648 A 192.0.2.1", "1:6: a TTL is at most 2147483647 seconds"),
        ("a 9999999w A 192.0.2.1", "1:3: a TTL is at most 2147483647 seconds"),
        ("a 1x A 192.0.2.1", "1:3: `1x` is neither a record type nor a TTL"),
        ("a FOO 192.0.2.1", "1:3: `FOO` is neither a record type nor a TTL"),
        ("a ANY x", "1:3: `ANY` is neither a record type nor a TTL"),
        ("a IN", "1:1: the record has no type"),
        ("\n\na", "3:1: the record has no type"),
        ("a A", "1:3: no A data: the address is missing"),
        ("a NULL 0", "1:8: no NULL data: it can be written only as \\# LENGTH HEX (RFC 3597, section 5)"),
        ("a MX (\n 10\n b..c )", "3:2: no MX data: a label may not be empty"),
        ("a A 192.0.2.1 x y", "1:15: nothing may follow this A data"),
        (r"a A \# 5 c000020101", "1:5: no A data: 1 octets follow it"),
        ("a TXT ( x", "1:7: this parenthesis is never closed; the rest of the file was not read"),
        ("a TXT x )", "1:9: this parenthesis has no opening one"),
        ("a TXT \"x", "1:7: a quoted string must end on the line where it begins"),
        ("$TTL", "1:1: something is missing after $TTL"),
        ("$TTL a", "1:6: this is not a TTL"),
        ("$TTL 2147483648", "1:6: a TTL is at most 2147483647 seconds"),
        ("$TTL 1 2", "1:8: nothing else is allowed here"),
        ("$ORIGIN a..b", "1:9: a label may not be empty"),
        ("$ORIGIN a b", "1:11: nothing else is allowed here"),
        ("$GENERATE", "1:1: something is missing after $GENERATE"),
        ("$GENERATE 1-2", "1:1: an owner, a type and data are missing after the range"),
        ("$GENERATE 2-1 a$ A 192.0.2.$", "1:11: the range ends before it begins"),
        ("$GENERATE 1 a$ A 192.0.2.$", "1:11: a range is START-STOP or START-STOP/STEP, as in 1-254"),
        ("$GENERATE 1-2 a$ FOO 192.0.2.$", "1:18: `FOO` is neither a record type nor a TTL"),
        ("$GENERATE 1-2 a$", "1:1: the record has no type"),
        ("$GENERATE 254-300 a$ A 192.0.2.$", "1:24: no A data: the address is an IPv4 address, not `192.0.2.256`"),
        ("$GENERATE 1-9 a$ A 192.0.2.${-5}", "1:20: the offset makes a number below 0, or above 4294967295"),
        (
            "$GENERATE 0-4294967295 a A 192.0.2.1",
            "1:11: the $GENERATE directives of a zone make 1000000 records at most",
        ),
        ("$INCLUDE", "1:1: something is missing after $INCLUDE"),
        ("$INCLUDE a b c", "1:14: nothing else is allowed here"),
    ];
    for (text, fault) in faults {
        assert_eq!(fault_of(text), format!("example.com.zone:{fault}"), "{text}");
    }
}

/// One mistake, one fault, and what was meant.
#[test]
fn what_was_probably_meant_is_told_once() {
    let mistakes = [
        (
            "www 30 DYNA geo!web",
            "a name whose answers depend on the client or on health belongs in a zone file: [names.www], pools = [\"web\"]",
        ),
        ("www XM 10 a", "did you mean `MX`?"),
        ("www cnam a", "did you mean `CNAME`?"),
        ("www 192.0.2.1", "did you mean `A 192.0.2.1`?"),
        ("www IN 2001:db8::1", "did you mean `AAAA 2001:db8::1`?"),
        ("www 5min A 192.0.2.1", "write a TTL in seconds or with the units s, m, h, d and w, as in 1h30m"),
        ("$TTL 1hour", "write it in seconds or with the units s, m, h, d and w, as in 1h30m"),
        ("$ORGIN a", "did you mean $ORIGIN?"),
        ("$ORIGIN sub.example.com", "did you mean sub.example.com.?"),
        (
            "MX 10 mail",
            "a line begins with its owner, or with a blank for that of the line before, or with @ for the zone",
        ),
        ("# old records", "a comment begins with a semicolon"),
        ("www A 192.0.2.1 // the old one", "a comment begins with a semicolon"),
        ("@ MX mail.x.", "the preference comes first: 10 mail.x."),
        (
            "@ SOA ns1 host\n 1\n 3600\n 600 1w\n 60",
            "SOA data is <primary> <mailbox> <serial> <refresh> <retry> <expire> <minimum>",
        ),
        ("www A 192.0.2.1 192.0.2.2", "each address is a record of its own"),
    ];
    for (text, help) in mistakes {
        let (_, faults) = read(&format!("{text}\n"));
        let helps: Vec<_> = faults.0.iter().map(|fault| fault.help.as_deref()).collect();
        assert_eq!(helps, [Some(help)], "{text}: {:?}", told(&faults));
    }
}

#[test]
fn all_faults_of_a_file_are_told_at_once() {
    let (records, faults) = read("a A 1.2.3\n  A 192.0.2.1\nb TXT \"x\nb A )\n$TTL x\nc FOO\nd A 192.0.2.2\n");
    assert_eq!(
        told(&faults),
        [
            "example.com.zone:1:5: no A data: the address is an IPv4 address, not `1.2.3`",
            "example.com.zone:3:7: a quoted string must end on the line where it begins",
            "example.com.zone:4:5: this parenthesis has no opening one",
            "example.com.zone:5:6: this is not a TTL",
            "example.com.zone:6:3: `FOO` is neither a record type nor a TTL",
        ]
    );
    assert_eq!(lines(&records), [r"a.example.com. 300 A \xc0\x00\x02\x01", r"d.example.com. 300 A \xc0\x00\x02\x02"]);
}

#[test]
fn an_included_file_has_its_own_origin_and_owner() {
    let folder = folder(&[
        ("parts/hosts.inc", "$TTL 60\nb A 192.0.2.2\n$ORIGIN deep\nc A 192.0.2.3\n"),
        ("with blank.inc", "@ TXT x\n"),
        ("bad.inc", "\n  A 192.0.2.1\n"),
    ]);
    let (records, faults) = read_in(
        folder.path(),
        concat!(
            "a A 192.0.2.1\n",
            "$INCLUDE parts/hosts.inc sub ; with an origin\n",
            "  AAAA ::1\n",
            "$INCLUDE \"parts/../with blank.inc\"\n",
            "$INCLUDE bad.inc\n",
        ),
    );
    assert_eq!(told(&faults), ["bad.inc:2:3: the first record of a file needs an owner"]);
    assert_eq!(
        lines(&records),
        [
            r"a.example.com. 300 A \xc0\x00\x02\x01",
            r"b.sub.example.com. 60 A \xc0\x00\x02\x02",
            r"c.deep.sub.example.com. 60 A \xc0\x00\x02\x03",
            r"a.example.com. 60 AAAA \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
            r"example.com. 60 TXT \x01x",
        ]
    );
    assert_eq!(records[1].place.source.path, folder.path().join("parts/hosts.inc"));
}

#[test]
fn includes_stay_inside_the_zones_folder() {
    let outside = folder(&[("secret.inc", "s A 192.0.2.1\n")]);
    let secret = outside.path().join("secret.inc");
    let folder = folder(&[("own.inc", "o A 192.0.2.1\n"), ("parts/x.inc", "")]);
    std::os::unix::fs::symlink(&secret, folder.path().join("link.inc")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("own.inc"), folder.path().join("inner.inc")).unwrap();
    fs::write(folder.path().join("utf16.inc"), b"\xff\xfea\0").unwrap();

    let absolute = format!("$INCLUDE {}", secret.display());
    let leaving = format!("$INCLUDE ../{}/secret.inc", outside.path().file_name().unwrap().display());
    let refused = [
        (absolute.as_str(), "an included file's path must be relative to the zones folder"),
        (leaving.as_str(), "this path leaves the zones folder"),
        ("$INCLUDE parts/../../own.inc", "this path leaves the zones folder"),
        ("$INCLUDE link.inc", "this path leaves the zones folder through a symbolic link"),
        ("$INCLUDE parts", "parts is not a file"),
        ("$INCLUDE \"\"", " is not a file"),
        (r"$INCLUDE \255", "this path is not UTF-8"),
    ];
    for (text, message) in refused {
        let (records, faults) = read_in(folder.path(), text);
        assert_eq!(told(&faults), [format!("example.com.zone:1:10: {message}")], "{text}");
        assert_eq!(records, []);
    }
    for text in ["$INCLUDE none.inc", "$INCLUDE utf16.inc", r"$INCLUDE a\000b"] {
        let (_, faults) = read_in(folder.path(), text);
        assert!(faults.0[0].message.contains(" cannot be included: "), "{text}: {:?}", told(&faults));
    }
    let (records, faults) = read_in(folder.path(), "$INCLUDE inner.inc");
    assert_eq!((records.len(), told(&faults)), (1, vec![]));
}

#[test]
fn an_include_that_leads_back_is_told() {
    let folder = folder(&[
        ("example.com.zone", ""),
        ("a.inc", "$INCLUDE b.inc\n"),
        ("b.inc", "\n$INCLUDE ./a.inc\nb A 192.0.2.1\n"),
    ]);
    let (records, faults) = read_in(folder.path(), "$INCLUDE a.inc\n$INCLUDE example.com.zone\n");
    assert_eq!(
        told(&faults),
        [
            "b.inc:2:10: ./a.inc includes itself, at once or through others",
            "example.com.zone:2:10: example.com.zone includes itself, at once or through others",
        ]
    );
    assert_eq!(records.len(), 1);
}

#[test]
fn includes_come_to_an_end() {
    let many = |file: &str| format!("$INCLUDE {file}\n").repeat(20);
    let files =
        [("a", many("b")), ("b", many("c")), ("c", many("d")), ("d", many("e")), ("e", "e A 192.0.2.1\n".into())];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let (records, faults) = read_in(folder(&files).path(), "$INCLUDE a\n");
    assert_eq!(records.len(), 1, "the same record each time");
    let errors: Vec<_> = faults.0.iter().filter(|fault| fault.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].message.starts_with("a zone includes 1000 files at most"), "{}", errors[0].message);
}

#[test]
fn includes_are_nested_no_deeper_than_the_limit() {
    let names: Vec<_> = (0..=MAX_INCLUDE_DEPTH + 1).map(|depth| format!("{depth}.inc")).collect();
    let texts: Vec<_> =
        (1..=MAX_INCLUDE_DEPTH + 2).map(|next| format!("x{next} A 192.0.2.1\n$INCLUDE {next}.inc\n")).collect();
    let files: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (records, faults) = read_in(folder(&files).path(), "$INCLUDE 0.inc");
    assert_eq!(told(&faults), ["7.inc:2:10: includes are nested more than 8 deep"]);
    assert_eq!(records.len(), MAX_INCLUDE_DEPTH);
}

#[test]
fn a_large_zone_loads_whole() {
    let mut text = String::from("$TTL 300\n");
    for host in 0..12_000 {
        writeln!(text, "host{host} A 192.0.{}.{}", host / 256, host % 256).unwrap();
    }
    let (records, faults) = read(&text);
    assert_eq!((records.len(), faults.0.len()), (12_000, 0));
}

fn piece() -> impl Strategy<Value = String> {
    let known = [
        "\n",
        "\n",
        "\n ",
        " ",
        " ",
        "\t",
        "\r\n",
        "(",
        ")",
        "\"",
        ";",
        "\\",
        "@",
        "a",
        "*",
        "IN ",
        "CH ",
        "60 ",
        "1h ",
        "A ",
        "MX ",
        "TXT ",
        "SOA ",
        "LOC ",
        "DHCID ",
        "192.0.2.1",
        "\\# 1 00",
        "$TTL ",
        "$ORIGIN ",
        "$INCLUDE ",
        "example.net.",
        "é",
        "\0",
        "\u{feff}",
        "$",
    ];
    prop_oneof![proptest::sample::select(known.to_vec()).prop_map(str::to_owned), r"\PC{0,4}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_breaks_the_reader(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        let (records, faults) = read_in(Path::new("/nonexistent"), &text);
        for located in &records {
            prop_assert!(located.record.owner.is_at_or_below(&zone()));
            prop_assert!(located.record.ttl <= MAX_TTL);
            prop_assert!(text.get(located.place.span.clone()).is_some());
        }
        for fault in &faults.0 {
            prop_assert!(text.get(fault.place.as_ref().unwrap().span.clone()).is_some());
        }
    }

    #[test]
    fn no_octets_break_the_reader(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_in(Path::new("/nonexistent"), &String::from_utf8_lossy(&octets));
    }
}
