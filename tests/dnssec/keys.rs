//! Keys: made by the command, protected, told by `check`; what cannot be signed is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Files, SERVER, places};
use crate::world::{STEADY, ZONE, create_key, ds, files, key_paths, zone};

fn small(dnssec: &str) -> String {
    format!("{dnssec}{}[records.www]\nA = [\"192.0.2.1\"]\n", places!())
}

#[test]
fn a_key_is_made_with_its_ds_record_and_kept_from_others() {
    let files = Files::new(SERVER, &[("signed.example.toml", &small("[dnssec]\nenabled = true\n"))]);
    let line = create_key(&files, ZONE);
    assert!(line.starts_with("signed.example. 3600 IN DS ") && line.ends_with(&ds(&files, ZONE)), "{line}");
    let [public, private] = key_paths(&files);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&private), mode(&files.path("keys"))), (0o600, 0o700));
    let tag = ds(&files, ZONE).split(' ').next().unwrap().to_owned();
    let stem = public.file_stem().unwrap().to_str().unwrap().to_owned();
    assert!(stem.starts_with("Ksigned.example.+013+") && stem.ends_with(&tag), "{stem}");
    // A second key would need a roll-over.
    let again = files.run("dnssec create signed.example");
    assert!(again.code == Some(1) && again.stderr.contains("holds a key of signed.example. already"), "{again:?}");
    let check = files.run("check");
    assert!(check.stdout.contains(&format!("signed.example. is signed, key {tag} (ECDSAP256SHA256)")), "{check:?}");
    let status = files.run("dnssec status");
    assert!(
        status.stdout.contains("valid for 14d, at least 7d") && status.stdout.contains("signs all records"),
        "{status:?}"
    );
}

#[test]
fn the_algorithm_and_the_times_come_from_the_zone_then_from_the_server_file() {
    let server = format!(
        "{SERVER}[dnssec]\nenabled = true\nalgorithm = \"ed25519\"\nkeys = \"secret/keys\"\nvalidity = \"30d\"\n"
    );
    let own = small("[dnssec]\nalgorithm = \"ecdsap256sha256\"\nrefresh = \"2d\"\n");
    let files = Files::new(
        &server,
        &[
            ("own.example.toml", &own),
            ("plain.example.toml", &small("[dnssec]\nenabled = false\n")),
            ("other.example.toml", &small("")),
        ],
    );
    create_key(&files, "own.example");
    let line = create_key(&files, "other.example");
    assert!(line.contains(" 15 2 "), "{line}");
    assert!(files.path("secret/keys").is_dir());
    let status = files.run("dnssec status");
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{status:?}");
    assert!(
        lines[0].starts_with("other.example. signatures are valid for 30d, at least 7d")
            && lines[1].contains("ED25519")
    );
    assert!(
        lines[2].starts_with("own.example. signatures are valid for 30d, at least 2d") && lines[3].contains("ECDSA")
    );
}

#[test]
fn keys_that_cannot_sign_refuse_the_configuration() {
    let text = small("[dnssec]\nenabled = true\n");
    let missing = Files::new(SERVER, &[("signed.example.toml", &text)]).run("check");
    assert!(missing.code == Some(1) && missing.stderr.contains("cannot read the folder of keys"), "{missing:?}");
    assert!(missing.stderr.contains("`truenorth dnssec create signed.example.`"), "{missing:?}");

    let files = Files::new(SERVER, &[("signed.example.toml", &text)]);
    create_key(&files, "other.example");
    let refused = |why: &str| {
        let check = files.run("check");
        assert!(check.code == Some(1) && check.stderr.contains(why), "{why}: {check:?}");
    };
    refused("holds no key of it");
    create_key(&files, ZONE);
    let good = files.run("check");
    assert_eq!(good.code, Some(0), "{good:?}");
    let private = fs::read_dir(files.path("keys")).unwrap().map(|entry| entry.unwrap().path());
    let private = private
        .filter(|path| path.extension().is_some_and(|own| own == "private"))
        .find(|path| path.to_str().unwrap().contains("Ksigned"))
        .unwrap();
    let set = |mode| fs::set_permissions(&private, Permissions::from_mode(mode)).unwrap();
    set(0o640);
    refused("others can read the private key");
    set(0o600);
    fs::set_permissions(files.path("keys"), Permissions::from_mode(0o770)).unwrap();
    refused("others can write to the folder of keys");
    fs::set_permissions(files.path("keys"), Permissions::from_mode(0o700)).unwrap();
    let contents = fs::read_to_string(&private).unwrap();
    fs::write(&private, contents.replace("PrivateKey: ", "PrivateKey: AAAA")).unwrap();
    refused("has no readable field `PrivateKey`");
    fs::remove_file(&private).unwrap();
    refused("cannot read");
    fs::write(&private, &contents).unwrap();
    set(0o600);
    assert_eq!(files.run("check").code, Some(0));
}

#[test]
fn what_is_signed_already_or_has_impossible_times_is_refused() {
    let on = "[dnssec]\nenabled = true\n";
    let refused = |dnssec: &str, records: &str, why: &str| {
        let files = Files::new(SERVER, &[("signed.example.toml", &small(on))]);
        create_key(&files, ZONE);
        files.write("zones/signed.example.toml", small(dnssec) + records);
        let check = files.run("check");
        assert!(check.code == Some(1) && check.stderr.contains(why), "{why}: {check:?}");
    };
    for record in
        ["DNSKEY = [\"257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\"]", "NSEC = [\"a.signed.example. A\"]"]
    {
        refused(on, &format!("[records.\"@\"]\n{record}\n"), "holds signatures or keys, and is to be signed here");
    }
    refused(&format!("{on}validity = \"2d\"\nrefresh = \"2d\"\n"), "", "must be longer than `refresh` (2d)");
    refused(&format!("{on}kept = 2000\n"), "", "belongs in `[dnssec]` of the server file");
    refused(&format!("{on}parent = [\"ns1.example\"]\n"), "", "`parent` takes addresses");
    refused(&format!("{on}propagation = \"0s\"\n"), "", "`propagation`");
    refused(&format!("{on}ds_ttl = \"31d\"\n"), "", "`ds_ttl`");
    refused(&format!("{on}ds = \"drop\"\n"), "", "`ds`");
}

#[test]
fn keys_of_bind_are_imported() {
    let files = Files::new(SERVER, &[("signed.example.toml", &small("[dnssec]\nenabled = true\n"))]);
    let folder = files.path("bind");
    fs::create_dir(&folder).unwrap();
    let keygen = |words: &str| {
        let mut command = std::process::Command::new("dnssec-keygen");
        let words = words.split_whitespace();
        let made = command.args(["-q", "-K"]).arg(&folder).args(words).arg("signed.example").output();
        let made = made.expect("dnssec-keygen is installed: apt-get install bind9-utils");
        assert!(made.status.success(), "{made:?}");
        folder.join(format!("{}.private", String::from_utf8(made.stdout).unwrap().trim()))
    };
    let pair = [keygen("-a ECDSAP256SHA256 -f KSK"), keygen("-a ECDSAP256SHA256")];
    let imported = files.run(&format!("dnssec import signed.example {} {}", pair[0].display(), pair[1].display()));
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let status = files.run("dnssec status");
    assert!(
        status.stdout.contains("signs the keys") && status.stdout.contains("signs all records but the keys"),
        "{status:?}"
    );
    let node = files.serve();
    let keys = node.dig("+dnssec signed.example DNSKEY");
    assert_eq!(keys.answer.iter().filter(|record| record.rtype == "DNSKEY").count(), 2);
    assert_eq!(keys.answer.iter().filter(|record| record.rtype == "RRSIG").count(), 1);
    // BIND makes the same DS record of the same key.
    let dsfromkey =
        std::process::Command::new("dnssec-dsfromkey").arg("-2").arg(pair[0].with_extension("key")).output();
    let bind = String::from_utf8(dsfromkey.expect("it is in bind9-utils").stdout).unwrap();
    assert_eq!(bind.trim().split(" DS ").nth(1), Some(&*ds(&files, ZONE)));
}

#[test]
fn a_reload_with_a_broken_key_changes_nothing() {
    let files = files(SERVER, &zone(STEADY));
    let mut node = files.serve();
    let before = node.dig("+dnssec signed.example SOA");
    let [public, private] = key_paths(&files);
    for path in [&public, &private] {
        fs::rename(path, path.with_extension("aside")).unwrap_or_default();
    }
    node.signal("HUP");
    node.log.wait_for("holds no key of it");
    let after = node.dig("+dnssec signed.example SOA");
    assert_eq!(after.answer, before.answer, "it goes on signing");
    assert!(after.answer.iter().any(|record| record.rtype == "RRSIG"));
}
