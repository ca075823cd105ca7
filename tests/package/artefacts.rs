//! The contents of packages besides the binary: completions, manual pages, the version.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::harness::{cannot, run};

/// The commands, as the help lists them.
fn commands() -> BTreeSet<String> {
    let help = run(["--help"]).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// Runs a program on a script of ours. `None` if there is no such program.
fn try_with(program: &str, arguments: &[&str], script: &str) -> Option<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), script).unwrap();
    let ran = Command::new(program).args(arguments).arg(file.path()).output().ok()?;
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn bash_completes_commands_and_options() {
    let completions = run(["completions", "bash"]).stdout;
    let ask = "\nCOMP_CWORD=$1; COMP_WORDS=(truenorth \"${@:2}\"); _truenorth truenorth \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"";
    let complete = |words: &[&str]| {
        let set = format!("set -- {} {}\n", words.len(), words.join(" "));
        let shown = try_with("bash", &["--norc"], &format!("{completions}\n{set}{ask}")).expect("there is bash");
        shown.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["che"]), ["check"]);
    assert_eq!(complete(&["serve", "--rep"]), ["--replace"]);
    assert_eq!(complete(&["schema", "z"]), ["zone"]);
}

#[test]
fn zsh_and_fish_can_read_their_completions() {
    for (shell, check) in [("zsh", "-n"), ("fish", "--no-execute")] {
        let completions = run(["completions", shell]).stdout;
        for command in commands() {
            assert!(completions.contains(&command), "{shell} does not complete {command}");
        }
        if try_with(shell, &[check], &completions).is_none() {
            cannot(&format!("there is no {shell}"));
        }
    }
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(["manual", "--folder", folder.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let page =
        |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(page("truenorth.1").contains(".TH truenorth 1"));
    assert_eq!(run(["manual"]).stdout.trim_end(), page("truenorth.1").trim_end());
    for command in commands() {
        assert!(page(&format!("truenorth-{command}.1")).contains(".SH SYNOPSIS"), "{command}");
    }
    for (file, heading) in [("truenorth.toml.5", "[admin.clients.NAME]"), ("truenorth-zone.5", "[regions.default]")] {
        let page = page(file);
        assert!(page.contains(".SH KEYS") && page.contains(&format!(".SS \"{heading}\"")), "{file}:\n{page}");
    }
    let nowhere = folder.path().join("nowhere");
    let ran = run(["manual", "--folder", nowhere.to_str().unwrap()]);
    assert!(ran.code == Some(1) && ran.stderr.contains("cannot write the manual into"), "{ran:?}");
}

/// Every key of the schemas stands in the page of its file, and formatters have nothing to say about any page.
#[test]
fn pages_are_whole_and_well_formed() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(["manual", "--folder", folder.path().to_str().unwrap()]).code, Some(0));
    for (file, page) in [("server", "truenorth.toml.5"), ("zone", "truenorth-zone.5")] {
        let schema: serde_json::Value = serde_json::from_str(&run(["schema", file]).stdout).unwrap();
        let page = fs::read_to_string(folder.path().join(page)).unwrap();
        for key in keys(&schema, BTreeSet::new()) {
            assert!(page.contains(&format!("\n\\fB{key}\\fR = ")), "{file}: {key} is missing");
        }
    }
    let mut count = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let page = entry.unwrap().path();
        let ran = Command::new("groff").args(["-man", "-ww", "-z", "-Tutf8"]).arg(&page).output();
        let Ok(ran) = ran else { return cannot("there is no groff") };
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success() && told.is_empty(), "{}: {told}", page.display());
        count += 1;
    }
    assert!(count > 20, "only {count} pages");
}

/// The keys of all tables in a schema, as pages write them.
fn keys(schema: &serde_json::Value, mut found: BTreeSet<String>) -> BTreeSet<String> {
    let members: Vec<&serde_json::Value> = match schema {
        serde_json::Value::Object(members) => {
            let properties = members.get("properties").and_then(serde_json::Value::as_object);
            found.extend(properties.into_iter().flatten().map(|(key, _)| key.replace('-', "\\-")));
            members.values().collect()
        }
        serde_json::Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    members.into_iter().fold(found, |found, member| keys(member, found))
}

#[test]
fn the_version_is_that_of_the_package_and_the_changelog() {
    let version = env!("CARGO_PKG_VERSION");
    let told = run(["--version"]).stdout;
    // A release adds its commit.
    let is_it =
        told.trim_end() == format!("truenorth {version}") || told.starts_with(&format!("truenorth {version} ("));
    assert!(is_it, "{told}");
    let changelog = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/CHANGELOG.md")).unwrap();
    assert!(changelog.contains(&format!("\n## [{version}]")), "CHANGELOG.md has no section for {version}");
}
