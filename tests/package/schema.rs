//! The JSON Schemas accept what the decoder accepts, and have the same keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proc_macro2::{TokenStream, TokenTree};
use serde_json::{Map, Value};
use truenorth::config::{self, Faults};

use crate::harness::run;

/// The names of the files, as `truenorth schema` takes them.
pub(crate) const SERVER: &str = "server";
pub(crate) const ZONE: &str = "zone";
const OVERRIDES: &str = "overrides";
const ALL: [&str; 3] = [SERVER, ZONE, OVERRIDES];

/// A key that is unknown and does not resemble a known one.
const STRANGE: &str = "zzzzzzzzzz";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The schema of a file.
pub(crate) struct Schema {
    document: Value,
    validator: Validator,
}

/// Returns the schema that the command prints.
pub(crate) fn of(file: &str) -> Schema {
    let ran = run(["schema", file]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(jsonschema::meta::is_valid(&document), "{file}: not a schema");
    let validator = jsonschema::validator_for(&document).unwrap();
    Schema { document, validator }
}

impl Schema {
    fn faults(&self, text: &str) -> Vec<String> {
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        let instance = json(toml::Value::Table(table));
        self.validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// Fails unless the schema accepts a file.
    #[track_caller]
    pub(crate) fn accepts(&self, what: &str, text: &str) {
        let faults = self.faults(text);
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{text}");
    }
}

/// A TOML value as editors show it to a schema: a time is a string.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(word) => Value::from(word),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect::<Map<_, _>>())
        }
    }
}

/// Loads a server file, a zone file and an overrides file.
fn load(server: &str, zone: Option<&str>, overrides: Option<&str>) -> Result<(), Faults> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(folder.path().join("truenorth.toml"), server).unwrap();
    if let Some(zone) = zone {
        fs::write(folder.path().join("zones/example.com.toml"), zone).unwrap();
    }
    if let Some(overrides) = overrides {
        fs::write(folder.path().join("overrides.toml"), overrides).unwrap();
    }
    config::load(&folder.path().join("truenorth.toml"), &truenorth::disk::Disk::new(), &|_| None).map(|_| ())
}

fn load_file(file: &str, text: &str) -> Result<(), Faults> {
    match file {
        SERVER => load(text, None, None),
        ZONE => load("", Some(text), None),
        _ => load("overrides = \"overrides.toml\"\n", Some(ZONE_TEXT), Some(text)),
    }
}

/// The examples of a page: pairs of a file and its text.
fn examples(page: &Path) -> Vec<(&'static str, String)> {
    let text = fs::read_to_string(page).unwrap();
    let mut examples: Vec<(&str, String)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```") else { continue };
        let block = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
        let block: String = block.flat_map(|line| [line, "\n"]).collect();
        match kind {
            "toml zone" => examples.push((ZONE, block)),
            "toml server" => examples.push((SERVER, block)),
            "toml overrides" => examples.push((OVERRIDES, block)),
            "toml more" => examples.iter_mut().rfind(|(file, _)| *file == ZONE).unwrap().1.push_str(&block),
            _ => {}
        }
    }
    examples
}

/// The files with an ending below a folder.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_example_fits_its_schema() {
    let schemas = BTreeMap::from(ALL.map(|file| (file, of(file))));
    let mut pages = files(&root().join("docs"), "md");
    pages.push(root().join("README.md"));
    let mut count = 0;
    for page in pages {
        for (file, text) in examples(&page) {
            schemas[file].accepts(&page.display().to_string(), &text);
            count += 1;
        }
    }
    for folder in ["zones", "src/cli/demo", "packaging"] {
        for path in files(&root().join(folder), "toml") {
            let is_server = path.file_name().is_some_and(|name| name == "truenorth.toml");
            // The demo fills in the placeholders in braces.
            let text = fs::read_to_string(&path).unwrap().replace("{http}", "8080");
            let text = text.replace("{dns}", "127.0.0.1:5300").replace("{admin}", "127.0.0.1:8053");
            schemas[if is_server { SERVER } else { ZONE }].accepts(&path.display().to_string(), &text);
            count += 1;
        }
    }
    let sample = root().join("truenorth.toml");
    schemas[SERVER].accepts("truenorth.toml", &fs::read_to_string(sample).unwrap());
    assert!(count > 40, "only {count} examples were found");
}

/// The texts in string literals of a Rust source.
fn literals(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => literals(group.stream(), found),
            TokenTree::Literal(literal) => {
                let written = literal.to_string();
                let bare = written.trim_start_matches('r').trim_matches('#');
                let text = bare.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
                if written.starts_with('r') {
                    found.push(text.to_owned());
                    continue;
                }
                // A backslash at the end of a line continues it. Other escapes are rare in configurations.
                let lines: String = text.split("\\\n").map(str::trim_start).collect();
                found.push(lines.replace("\\n", "\n").replace("\\\"", "\""));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// The schema accepts every text of the tests that the decoder accepts.
#[test]
fn what_the_decoder_takes_the_schema_takes() {
    let schemas = BTreeMap::from([SERVER, ZONE].map(|file| (file, of(file))));
    let mut texts = Vec::new();
    for path in [files(&root().join("tests"), "rs"), files(&root().join("src/config"), "rs")].concat() {
        literals(fs::read_to_string(&path).unwrap().parse().unwrap(), &mut texts);
    }
    let mut taken = BTreeMap::from([(SERVER, 0), (ZONE, 0)]);
    let mut refused = Vec::new();
    texts.sort();
    texts.dedup();
    for text in texts.into_iter().filter(|text| text.contains(" = ") && text.parse::<toml::Table>().is_ok()) {
        // Many are parts of a zone.
        let zone = format!("{text}\n[nameservers]\nns1 = [\"192.0.2.53\"]\n");
        for (file, text) in [(SERVER, &text), (ZONE, &text), (ZONE, &zone)] {
            if text.parse::<toml::Table>().is_ok() && load_file(file, text).is_ok() {
                let faults = schemas[file].faults(text);
                refused.extend((!faults.is_empty()).then(|| format!("{file}: {faults:#?}\n{text}")));
                *taken.get_mut(file).unwrap() += 1;
            }
        }
    }
    println!("{taken:?}");
    assert!(refused.is_empty(), "the schema refuses {}", refused.join("\n\n"));
    assert!(taken.values().all(|count| *count > 20), "too few texts were taken: {taken:?}");
}

/// `#:schema` in the samples leads to the schemas.
#[test]
fn the_samples_name_their_schemas() {
    for path in ["truenorth.toml", "zones/gslb.example.com.toml", "zones/example.org.toml"] {
        let path = root().join(path);
        let text = fs::read_to_string(&path).unwrap();
        let schema = text.lines().next().and_then(|line| line.strip_prefix("#:schema ")).expect("a schema");
        assert!(path.parent().unwrap().join(schema).exists(), "{}: {schema}", path.display());
    }
}

/// Sections that both files may hold have one schema.
#[test]
fn shared_definitions_are_the_same_in_both_schemas() {
    let [server, zone] = [SERVER, ZONE].map(|file| of(file).document);
    let shared = server["definitions"].as_object().unwrap();
    for (name, definition) in shared {
        assert_eq!(zone["definitions"].get(name), Some(definition), "{name}");
    }
    assert!(shared.contains_key("monitor") && shared.contains_key("pool"));
}

/// Windows are the same in the server file and in a file of their own.
#[test]
fn windows_have_the_same_schema_in_both_files() {
    let [server, overrides] = [SERVER, OVERRIDES].map(|file| of(file).document);
    assert_eq!(server["properties"]["windows"], overrides["properties"]["windows"]);
}

/// The tables of the files: where the schema has them, and a text with a strange key in such a table.
fn tables() -> Vec<(&'static str, String, String)> {
    let mut tables: Vec<(&str, String, String)> = Vec::new();
    let mut add = |file, pointer: &str, text: String| tables.push((file, pointer.to_owned(), text));
    let strange = format!("{STRANGE} = 1\n");
    add(SERVER, "", strange.clone());
    for section in [
        "listen",
        "geoip",
        "ecs",
        "admin",
        "reload",
        "process",
        "log",
        "query_log",
        "fleet",
        "dnssec",
        "edns",
        "cookies",
        "connections",
        "identity",
        "rate_limit",
        "transfer",
        "probes",
        "resolver",
        "external_dns",
    ] {
        add(SERVER, &format!("/properties/{section}"), format!("[{section}]\n{strange}"));
    }
    add(SERVER, "/properties/site/anyOf/1", format!("[site]\n{strange}"));
    add(SERVER, "/properties/admin/properties/tokens/additionalProperties", format!("[admin.tokens.a]\n{strange}"));
    let clients = "/properties/admin/properties/clients/additionalProperties";
    add(SERVER, clients, format!("[admin.clients.a]\n{strange}"));
    add(SERVER, "/properties/admin/properties/connect", format!("[admin.connect]\n{strange}"));
    add(SERVER, "/properties/webhooks/items", format!("[[webhooks]]\n{strange}"));
    add(SERVER, "/properties/windows/items", format!("[[windows]]\n{strange}"));
    add(OVERRIDES, "", strange.clone());
    add(OVERRIDES, "/properties/windows/items", format!("[[windows]]\n{strange}"));
    add(ZONE, "", strange.clone());
    add(ZONE, "/properties/soa", format!("[soa]\n{strange}"));
    add(ZONE, "/properties/dnssec", format!("[dnssec]\n{strange}"));
    add(ZONE, "/definitions/datacenter", format!("[datacenters.fra]\n{strange}"));
    add(ZONE, "/definitions/region", format!("[regions.europe]\n{strange}"));
    add(ZONE, "/definitions/default_region", format!("[regions.default]\n{strange}"));
    add(ZONE, "/definitions/pool", format!("[pools.web]\n{strange}"));
    add(ZONE, "/definitions/pool/properties/registered", format!("[pools.web]\nregistered = {{ {STRANGE} = 1 }}\n"));
    add(ZONE, "/definitions/discover", format!("[pools.web]\ndiscover = {{ {STRANGE} = 1 }}\n"));
    for source in ["consul", "kubernetes"] {
        let text = format!("[pools.web]\ndiscover = {{ {source} = {{ {STRANGE} = 1 }} }}\n");
        add(ZONE, &format!("/definitions/discover/properties/{source}"), text);
    }
    add(
        ZONE,
        "/definitions/endpoint/anyOf/1",
        format!("[pools.web]\nendpoints = [{{ address = \"192.0.2.1\", {STRANGE} = 1 }}]\n"),
    );
    add(ZONE, "/definitions/pool_use/anyOf/1", format!("[names.www]\npools = [{{ pool = \"web\", {STRANGE} = 1 }}]\n"));
    add(ZONE, "/definitions/name/anyOf/0", format!("[names.www]\npools = []\n{strange}"));
    add(ZONE, "/definitions/name/anyOf/1", format!("[names.www]\nreflect = true\n{strange}"));
    let name = "/definitions/name/anyOf/0/properties";
    for (inner, pointer) in
        [("https", "https"), ("canary", "canary"), ("canary.rollback", "canary/properties/rollback")]
    {
        add(ZONE, &format!("{name}/{pointer}"), format!("[names.www]\npools = []\n[names.www.{inner}]\n{strange}"));
    }
    add(ZONE, "/definitions/degraded", format!("[monitors.a]\ntype = \"http\"\ndegraded = {{ {STRANGE} = 1 }}\n"));
    add(
        ZONE,
        "/definitions/monitor/oneOf/7/properties/degraded",
        format!("[monitors.a]\ntype = \"exec\"\ncommand = [\"/bin/true\"]\ndegraded = {{ {STRANGE} = 1 }}\n"),
    );
    let document = of(ZONE).document;
    for (number, branch) in document["definitions"]["monitor"]["oneOf"].as_array().unwrap().iter().enumerate() {
        let kind = branch["properties"]["type"]["enum"][0].as_str().unwrap();
        // A grpc monitor has the keys of TLS only with `tls`.
        let tls = if kind == "grpc" { "tls = true\n" } else { "" };
        let count = if kind == "at_least" { "of = [\"b\", \"c\"]\ncount = 1\n" } else { "" };
        add(
            ZONE,
            &format!("/definitions/monitor/oneOf/{number}"),
            format!("[monitors.a]\ntype = \"{kind}\"\n{tls}{count}{strange}"),
        );
    }
    tables
}

/// The pointers of all tables in a schema that allow no other keys.
fn strict_tables(value: &Value, pointer: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if members.get("additionalProperties") == Some(&Value::Bool(false)) {
                found.insert(pointer.to_owned());
            }
            for (key, member) in members {
                strict_tables(member, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                strict_tables(item, &format!("{pointer}/{number}"), found);
            }
        }
        _ => {}
    }
}

/// The decoder lists all keys of a table when it finds an unknown one. They must be the keys of the schema.
#[test]
fn decoder_and_schema_have_the_same_keys() {
    let schemas = BTreeMap::from(ALL.map(|file| (file, of(file))));
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (file, pointer, text) in tables() {
        let faults = load_file(file, &text).expect_err("the strange key");
        let fault = faults
            .0
            .iter()
            .find(|fault| fault.message.contains(STRANGE))
            .unwrap_or_else(|| panic!("{pointer}: {}", faults.render(false)));
        let help = fault
            .help
            .as_deref()
            .and_then(|help| help.strip_prefix("its keys are "))
            .unwrap_or_else(|| panic!("{pointer}: {fault:?}"));
        let decoded: BTreeSet<&str> = help.split('`').skip(1).step_by(2).collect();
        let table = schemas[file].document.pointer(&pointer).unwrap_or_else(|| panic!("{file} has no {pointer}"));
        let properties: BTreeSet<&str> = table["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(properties, decoded, "schema and decoder of {file}{pointer}");
        assert!(!schemas[file].faults(&text).is_empty(), "{file}{pointer} takes a strange key");
        seen.entry(file).or_default().insert(pointer);
    }
    for file in ALL {
        let mut strict = BTreeSet::new();
        strict_tables(&schemas[file].document, "", &mut strict);
        if file == SERVER {
            // They are the same as in the zone's schema.
            strict.retain(|pointer| !pointer.starts_with("/definitions/"));
        }
        assert_eq!(seen[file], strict, "the tables of {file} that are compared, and those of its schema");
    }
}

/// Every key has a description: it is what editors show.
#[test]
fn every_key_is_described() {
    fn visit(document: &Value, value: &Value, path: &str) {
        let Some(members) = value.as_object() else { return };
        for (key, property) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let target = property["$ref"].as_str().and_then(|target| document.pointer(target.trim_start_matches('#')));
            let described = target.unwrap_or(property);
            assert!(described["description"].as_str().is_some_and(|text| text.ends_with('.')), "{path}/{key}");
        }
        // The members of `dependencies` are not keys of their own.
        for (key, member) in members.iter().filter(|(key, _)| *key != "dependencies") {
            visit(document, member, &format!("{path}/{key}"));
            for (number, item) in member.as_array().into_iter().flatten().enumerate() {
                visit(document, item, &format!("{path}/{key}/{number}"));
            }
        }
    }
    for file in ALL {
        let document = of(file).document;
        // A branch of a choice, such as `required`, has no keys of its own.
        visit(&document, &document, file);
    }
}

/// A zone that both accept.
const ZONE_TEXT: &str = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = { latitude = 50, longitude = 8.68 }\n\
    [regions.default]\nprefer = [\"fra\"]\n[monitors.web]\ntype = \"http\"\nexpect_status = [200, \"300-399\"]\n\
    [pools.web]\nmonitor = \"web\"\nendpoints.fra = [\"192.0.2.1\"]\n[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n\
    [records.\"@\"]\nTXT = [\"v=spf1 -all\"]\n";

const SERVER_TEXT: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n[probes]\nhold = \"1.5m\"\n\
    [[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\nfrom = 2026-12-01T02:00:00Z\nuntil = 2099-12-01T02:00:00+01:00\n[datacenters]\n\
    fra = { latitude = 50.11, longitude = 8.68 }\n";

/// Typical typing errors are faults in the editor and for `check`.
#[test]
fn typical_mistakes_are_refused_by_both() {
    let zone: &[(&str, &str)] = &[
        ("type = \"http\"", "type = \"htpp\""),
        ("type = \"http\"", "type = \"http\"\nintervall = \"5s\""),
        ("type = \"http\"", "type = \"http\"\ninterval = \"5\""),
        ("type = \"http\"", "type = \"http\"\ninterval = 5"),
        ("type = \"http\"", "type = \"http\"\nport = 0"),
        ("type = \"http\"", "type = \"http\"\npath = \"healthz\""),
        ("type = \"http\"", "type = \"tcp\""),
        ("type = \"http\"", "type = \"http\"\nverify = false"),
        ("type = \"http\"", "type = \"grpc\"\nport = 1\nca = \"ca.pem\""),
        ("type = \"http\"", "type = \"all\"\nof = [\"web\"]"),
        ("type = \"http\"\n", ""),
        ("[200, \"300-399\"]", "\"2xx\""),
        ("latitude = 50", "latitude = 91"),
        ("latitude = 50", "lat = 50"),
        ("[\"192.0.2.1\"]", "[]"),
        ("[\"192.0.2.1\"]", "[\"www.example.com\"]"),
        ("[\"192.0.2.1\"]", "[\"192.0.2.1:80\"]"),
        ("[\"192.0.2.1\"]", "[{ address = \"192.0.2.1\", cname = \"www\" }]"),
        ("[\"192.0.2.1\"]", "[{ address = \"192.0.2.1\", weight = -1 }]"),
        ("steer = [\"region\"]", "steer = [\"regions\"]"),
        ("steer = [\"region\"]", "steer = \"region\""),
        ("steer = [\"region\"]", "steer = [\"region\"]\nanswers = 0"),
        ("steer = [\"region\"]", "steer = [\"region\"]\nreflect = true"),
        ("steer = [\"region\"]", "steer = [\"region\"]\nttl = \"30s\""),
        ("[names.www]", "[names.www.eu]"),
        ("[regions.default]", "[regions.default]\nclients = [\"continent:EU\"]"),
        ("[regions.default]", "[regions.eu]\nclients = [\"EU\"]"),
        ("TXT = [", "TXT = [5, "),
        ("[nameservers]", "[nameserver]"),
    ];
    let server: &[(&str, &str)] = &[
        ("\"127.0.0.1:0\"]", "\"127.0.0.1\"]"),
        ("\"127.0.0.1:0\"]", "\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]"),
        ("[listen]", "[listens]"),
        ("hold = \"1.5m\"", "hold = \"1,5m\""),
        ("from = 2026-12-01T02:00:00Z", "from = 2026-12-01T02:00:00"),
        ("mode = \"drain\"", "mode = \"drained\""),
        ("target = \"dc:fra\"", "target = \"fra\""),
        ("[admin]\nlisten = \"127.0.0.1:0\"", "[admin]"),
        ("[admin]", "[admin]\ntoken = \"short\""),
        ("[admin]", "[admin]\ncertificate = \"cert.pem\""),
        ("[admin]", "[admin]\nclient_ca = \"ca.pem\""),
        ("[admin]", "[admin]\nclients.ada = { may = [\"read\"] }"),
        ("[admin]", "[admin]\nnodes.ns1 = \"https://ns1.example.net/admin\""),
        ("[admin]", "[admin]\nconnect = { key = \"me.key\" }"),
        ("[admin]", "[ecs]\nmax_source_v4 = 33\n[admin]"),
        ("[admin]", "[rate_limit]\nslip = 1\n[admin]"),
        ("[admin]", "[log]\nformat = \"JSON\"\n[admin]"),
        ("[admin]", "[query_log]\nformat = \"json\"\n[admin]"),
        ("[admin]", "[query_log]\nsink = \"tcp:collector:6000\"\n[admin]"),
        ("[admin]", "[[webhooks]]\nurl = \"ftp://example.com/\"\n[admin]"),
        ("[admin]", "[[webhooks]]\nurl = \"https://example.com/\"\nevents = [\"endpoints\"]\n[admin]"),
    ];
    for (file, good, mistakes) in [(ZONE, ZONE_TEXT, zone), (SERVER, SERVER_TEXT, server)] {
        let schema = of(file);
        schema.accepts(file, good);
        load_file(file, good).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
        for (right, wrong) in mistakes {
            assert!(good.contains(right), "{right}");
            let text = good.replacen(right, wrong, 1);
            assert!(load_file(file, &text).is_err(), "the decoder takes {wrong}");
            assert!(!schema.faults(&text).is_empty(), "the schema takes {wrong}");
        }
    }
}
