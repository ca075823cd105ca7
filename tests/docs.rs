//! The examples of the documentation are configurations that load.
//!
//! The word after ```` ```toml ```` says what a block is: `zone` begins a zone file, and `more` continues it. `server`
//! is a whole server file. `overrides` is a file that the server file names with this key. A block ```` ```dns ```` is
//! a master file beside the page's zone file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use truenorth::config::{self, Config, Faults};
use truenorth::dnssec::Algorithm;
use truenorth::dnssec::key_file::NewKey;
use truenorth::name::Name;

/// The path of a zone example.
const ZONE: &str = "zones/gslb.example.com.toml";

/// The zone that examples of overrides are about.
const OVERRIDDEN: &str = "[nameservers]\nns1 = [\"192.0.2.53\"]\n\
    [datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\niad = { latitude = 38.95, longitude = -77.45 }\n\
    [pools.web]\nendpoints.fra = [\"192.0.2.1\"]\nendpoints.iad = [\"192.0.2.2\"]\n\
    [names.www]\npools = [\"web\"]\nsteer = []\n";

/// The examples of a page.
#[derive(Default)]
struct Examples {
    zones: Vec<String>,
    servers: Vec<String>,
    masters: Vec<String>,
    overrides: Vec<String>,
}

impl Examples {
    fn of(page: &Path) -> Self {
        let text = fs::read_to_string(page).unwrap();
        let mut examples = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(kind) = line.trim_start().strip_prefix("```") else { continue };
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```")).collect();
            let block = block.join("\n") + "\n";
            match kind {
                "toml zone" => examples.zones.push(block),
                "toml more" => examples.zones.last_mut().expect("there is a zone to go on with").push_str(&block),
                "toml server" => examples.servers.push(block),
                "toml overrides" => examples.overrides.push(block),
                "dns" => examples.masters.push(block),
                other => assert!(!other.starts_with("toml"), "{}: what is ```{other}?", page.display()),
            }
        }
        examples
    }
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).chain([root.join("README.md")]).collect()
}

fn load(files: &[(&str, &str)]) -> Result<Config, Faults> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(folder.path().join("truenorth.toml"), "").unwrap();
    // Files that the examples refer to.
    let certified = rcgen::generate_simple_self_signed(["ns1.example.com".to_owned()]).unwrap();
    fs::create_dir(folder.path().join("tls")).unwrap();
    for path in ["tls/fullchain.pem", "tls/ca.pem", "tls/probe.pem", "tls/fra.crt", "tls/iad.crt"] {
        fs::write(folder.path().join(path), certified.cert.pem()).unwrap();
    }
    for path in ["tls/privkey.pem", "tls/probe.key"] {
        let path = folder.path().join(path);
        fs::write(&path, certified.signing_key.serialize_pem()).unwrap();
        // `check` warns of a key that others can read.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::create_dir(folder.path().join("targets")).unwrap();
    fs::write(folder.path().join("targets/web.json"), "[]").unwrap();
    for path in ["fleet.password", "tls/consul.token", "tls/fra.token", "tls/iad.token"] {
        let path = folder.path().join(path);
        fs::write(&path, "not this one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let zone = Name::parse("gslb.example.com.", &Name::root()).unwrap();
    let key = NewKey::first(Algorithm::EcdsaP256Sha256, 3600, 0).create(&zone).unwrap();
    config::write_key(&folder.path().join("keys"), &key).unwrap();
    for (path, text) in files {
        fs::write(folder.path().join(path), text).unwrap();
    }
    config::load(&folder.path().join("truenorth.toml"), &truenorth::disk::Disk::new(), &|_| None)
}

#[test]
fn every_example_loads() {
    let mut count = 0;
    for page in pages() {
        let Examples { zones, servers, masters, overrides } = Examples::of(&page);
        for zone in &zones {
            let master = masters.first().map(|text| ("zones/gslb.example.com.zone", text.as_str()));
            let files: Vec<(&str, &str)> = [(ZONE, zone.as_str())].into_iter().chain(master).collect();
            let config = load(&files).unwrap_or_else(|faults| panic!("{}:\n{}", page.display(), faults.render(false)));
            assert!(config.warnings.0.is_empty(), "{}:\n{}", page.display(), config.warnings.render(false));
            assert_eq!(config.world.zones.len(), 1);
        }
        for server in &servers {
            // No zone here uses its definitions, which causes warnings.
            let mut files = vec![("truenorth.toml", server.as_str())];
            // external-dns needs a zone of its own.
            let zone = zones.first().map(|text| ("zones/k8s.example.com.toml", text.as_str()));
            files.extend(zone.filter(|_| server.contains("[external_dns]")));
            let loaded = load(&files);
            loaded.unwrap_or_else(|faults| panic!("{}:\n{}", page.display(), faults.render(false)));
        }
        for text in &overrides {
            let server = "overrides = \"overrides.toml\"\n";
            let files = [("truenorth.toml", server), (ZONE, OVERRIDDEN), ("overrides.toml", text.as_str())];
            load(&files).unwrap_or_else(|faults| panic!("{}:\n{}", page.display(), faults.render(false)));
        }
        count += zones.len() + servers.len() + overrides.len();
    }
    assert!(count >= 6, "only {count} examples were found");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|behind| behind.split_once(')')).map(|(target, _)| target) {
            let path = target.split('#').next().unwrap();
            if !target.contains("://") && !path.is_empty() {
                assert!(page.parent().unwrap().join(path).exists(), "{}: {target}", page.display());
            }
        }
    }
}
