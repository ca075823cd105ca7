//! The command: what it writes where, what it tells, and its exit code.

use super::*;

const ZONE: &str = "$TTL 300\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.80\n";

/// Writes files into a new folder.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder is writable");
        fs::write(path, text).expect("the folder is writable");
    }
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn several_files_need_a_folder_and_replace_nothing_without_being_told() {
    let old = folder(&[("config", "plugins => {}\n"), ("zones/example.com", ZONE)]);
    let old = path(&old, "");
    let ran = run(["import", "gdnsd", &old]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("name a folder with --out"), "{}", ran.stderr);
    let out = tempfile::tempdir().expect("there is room for a folder");
    let words = ["import", "gdnsd", &old, "--out", out.path().to_str().expect("a plain name")];
    let ran = run(words);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.trim(), "carried over: 1 zone");
    let server = out.path().join("truenorth.toml");
    fs::write(&server, "mine").expect("it is writable");
    let ran = run(words);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("truenorth.toml exists already"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&server).expect("it is there"), "mine");
    let ran = run(words.into_iter().chain(["--overwrite"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(fs::read_to_string(&server).expect("it is there").contains("[listen]"));
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let old = folder(&[("config", "plugins => {\n a b\n}\n"), ("zones/example.com", ZONE)]);
    let ran = run(["import", "gdnsd", &path(&old, "")]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("config:2: `a` has no `=>`"), "{}", ran.stderr);
    let ran = run(["import", "gdnsd", "/nowhere"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("/nowhere/zones"), "{}", ran.stderr);
}

#[test]
fn what_has_no_equal_is_a_comment_and_a_line_of_the_summary() {
    let config = "plugins => { geoip => { maps => { m => { datacenters => [ a, b ] } }\n\
                  resources => { web => { map => m, dcmap => { a => x.example.net., b => 192.0.2.1 } } } } }\n";
    let config = format!("{}multifo => {{ odd => [ 192.0.2.1 ] }} }}\n", config.trim_end().trim_end_matches('}'));
    let zone = format!("{ZONE}bad 30 DYNC geoip!web\nnone DYNA geoip!none\nodd DYNA perl!code\n");
    let old = folder(&[("config", &config), ("zones/example.com", &zone)]);
    let imported = Imported::of(&["gdnsd", &path(&old, "")]);
    assert_eq!(imported.code, Some(3), "{}", imported.told);
    let written = imported.text("zones/example.com.zone");
    for why in [
        "bad.example.com. DYNC geoip!web: its datacenter a has a canonical name, and is not the last of all lists",
        "none.example.com. DYNA geoip!none: there is no resource geoip!none",
        "odd.example.com. DYNA perl!code: there is no resource perl!code",
    ] {
        assert!(written.contains(why), "{why}: {written}");
        assert!(imported.told.contains(why), "{why}: {}", imported.told);
    }
    assert!(imported.told.contains("no zone uses multifo!odd: it is left out"), "{}", imported.told);
}

#[test]
fn faults_of_the_new_files_are_told_with_their_new_places() {
    let old = folder(&[("db.example.com", &format!("{ZONE}www CNAME other\n"))]);
    let imported = Imported::of(&["bind", &path(&old, "db.example.com")]);
    assert_eq!(imported.code, Some(3), "{}", imported.told);
    let place = format!("{}/zones/example.com.zone:5:1", imported.folder.path().display());
    assert!(
        imported.told.contains(&place) && imported.told.contains("has errors in the new files"),
        "{}",
        imported.told
    );
}
