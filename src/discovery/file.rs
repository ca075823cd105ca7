//! A file that lists endpoints, in the form of Prometheus' `file_sd`: JSON or YAML.
//!
//! ```json
//! [{"targets": ["10.0.0.1:8080", "10.0.0.2"], "labels": {"truenorth_weight": "3", "truenorth_datacenter": "fra"}}]
//! ```
//!
//! The file is read every few seconds, which needs no support of its file system: a change over NFS, or of the links that
//! Kubernetes mounts, is seen like any other. It is small, so reading it costs less than a watch that may miss something.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::{Yaml, YamlLoader};

use super::{Sight, Watcher, small_file};
use crate::lease::Discovered;
use crate::snapshot::Capacity;

/// The time from one look to the next.
const INTERVAL: Duration = Duration::from_secs(2);

/// Largest file, in octets: ten times what the endpoints of the largest pool need.
const MAX_FILE: u64 = 1 << 20;

/// Maximum number of nested lists and maps. Groups need three; other labels may have more.
const MAX_DEPTH: usize = 32;

/// The label with the weight of a group's endpoints.
const WEIGHT: &str = "truenorth_weight";

/// The label with the capacity of each of a group's endpoints.
const CAPACITY: &str = "truenorth_capacity";

/// The label with the datacenter of a group. A pool of another datacenter leaves the group out.
const DATACENTER: &str = "truenorth_datacenter";

/// A file, for the pool of one datacenter.
pub(super) struct FileSource {
    path: Arc<Path>,
    datacenter: Option<Arc<str>>,
}

impl FileSource {
    pub(super) fn new(path: Box<Path>, datacenter: Option<Box<str>>) -> Self {
        Self { path: path.into(), datacenter: datacenter.map(Into::into) }
    }
}

impl Watcher for FileSource {
    async fn look(&mut self) -> Sight {
        let (path, datacenter) = (self.path.clone(), self.datacenter.clone());
        let read = tokio::task::spawn_blocking(move || endpoints(&read(&path)?, datacenter.as_deref()));
        let endpoints = read.await.unwrap_or_else(|error| Err(error.to_string()));
        Sight { endpoints, again_after: INTERVAL }
    }
}

/// Reads a list of endpoints.
fn read(path: &Path) -> Result<String, String> {
    String::from_utf8(small_file(path, MAX_FILE)?).map_err(|_| "it is not UTF-8".to_owned())
}

/// Fails if anything in the file cannot be used: half of a list would take the other half out of the answers.
fn endpoints(text: &str, datacenter: Option<&str>) -> Result<Vec<Discovered>, String> {
    // JSON is YAML (YAML 1.2, section 1.3).
    refuse_traps(text)?;
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    let groups = match &documents[..] {
        [Yaml::Array(groups)] => groups,
        // The writer may have written nothing yet.
        [] | [Yaml::Null] => return Err("it is empty".to_owned()),
        _ => return Err("it is not a list of groups with `targets`".to_owned()),
    };
    let mut found: Vec<Discovered> = Vec::new();
    for group in groups {
        for endpoint in of_group(group, datacenter)? {
            if !found.iter().any(|known| known.address == endpoint.address) {
                found.push(endpoint);
            }
        }
    }
    Ok(found)
}

fn of_group(group: &Yaml, datacenter: Option<&str>) -> Result<Vec<Discovered>, String> {
    let Some(targets) = group["targets"].as_vec() else { return Err("a group has no list of `targets`".to_owned()) };
    let label = |name: &str| match &group["labels"][name] {
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    if let (Some(of_group), Some(own)) = (label(DATACENTER), datacenter)
        && of_group != own
    {
        return Ok(Vec::new());
    }
    let weight = match label(WEIGHT) {
        Some(text) => text.parse().map_err(|_| format!("`{WEIGHT}` is a number from 0 to 65535, not {text:?}"))?,
        None => 1,
    };
    let capacity = match label(CAPACITY) {
        Some(text) => {
            let capacity = text.parse().ok().and_then(Capacity::try_new);
            Some(capacity.ok_or_else(|| format!("`{CAPACITY}` is a number above 0, not {text:?}"))?)
        }
        None => None,
    };
    let endpoint = |target: &Yaml| {
        let text = target.as_str().ok_or_else(|| "a target is no text".to_owned())?;
        let address =
            address(text).ok_or_else(|| format!("{text:?} is no address: a pool holds addresses, not names"))?;
        Ok(Discovered { address, weight, capacity, is_leaving: false })
    };
    targets.iter().map(endpoint).collect()
}

/// Reads `10.0.0.1`, `10.0.0.1:8080`, `2001:db8::1` or `[2001:db8::1]:8080`. Answers have no ports, and probes have that of
/// the monitor.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bare)
}

/// Fails if the text has aliases, a few lines of which can stand for gigabytes, or is nested deeply: the loader calls
/// itself for each level, and would use up the stack.
fn refuse_traps(text: &str) -> Result<(), String> {
    let (mut parser, mut depth) = (Parser::new_from_str(text), 0);
    loop {
        let (event, _) = parser.next_token().map_err(|error| error.to_string())?;
        match event {
            Event::Alias(_) => return Err("it has aliases of YAML, which are not read".to_owned()),
            Event::SequenceStart(..) | Event::MappingStart(..) if depth == MAX_DEPTH => {
                return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            Event::StreamEnd => return Ok(()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, datacenter: Option<&str>) -> Result<Vec<String>, String> {
        let shown = |found: Discovered| {
            let capacity = found.capacity.map_or(String::new(), |capacity| format!(" of {}", capacity.get()));
            format!("{} x{}{capacity}", found.address, found.weight)
        };
        Ok(endpoints(text, datacenter)?.into_iter().map(shown).collect())
    }

    #[test]
    fn json_and_yaml_list_the_same_endpoints() {
        let json = r#"[
            {"targets": ["10.0.0.1:8080", "10.0.0.2"], "labels": {"job": "web", "truenorth_weight": "3"}},
            {"targets": ["[2001:db8::1]:8080", "2001:db8::2", "[2001:db8::3]", "10.0.0.1"], "labels": {"truenorth_capacity": "50"}}
        ]"#;
        let yaml = "- targets: ['10.0.0.1:8080', 10.0.0.2]\n  labels: {job: web, truenorth_weight: 3}\n\
                    - targets:\n  - '[2001:db8::1]:8080'\n  - '2001:db8::2'\n  - '[2001:db8::3]'\n  - 10.0.0.1\n  \
                    labels:\n    truenorth_capacity: 50\n";
        let expected =
            ["10.0.0.1 x3", "10.0.0.2 x3", "2001:db8::1 x1 of 50", "2001:db8::2 x1 of 50", "2001:db8::3 x1 of 50"];
        for text in [json, yaml] {
            assert_eq!(shown(text, None).unwrap(), expected, "{text}");
        }
        assert_eq!(shown("[]", None).unwrap(), [""; 0]);
    }

    #[test]
    fn a_group_of_another_datacenter_is_left_out() {
        let text = "- targets: [10.0.0.1]\n  labels: {truenorth_datacenter: fra}\n- targets: [10.0.0.2]\n  \
                    labels: {truenorth_datacenter: iad}\n- targets: [10.0.0.3]\n";
        assert_eq!(shown(text, Some("fra")).unwrap(), ["10.0.0.1 x1", "10.0.0.3 x1"]);
        assert_eq!(shown(text, None).unwrap().len(), 3);
    }

    #[test]
    fn a_file_that_cannot_be_used_whole_is_not_used() {
        for (text, why) in [
            ("", "it is empty"),
            ("~", "it is empty"),
            ("{}", "it is not a list of groups with `targets`"),
            ("[{\"target\": []}]", "a group has no list of `targets`"),
            ("[{\"targets\": [\"10.0.0.1\", \"web.example.net:80\"]}]", "\"web.example.net:80\" is no address"),
            ("[{\"targets\": [80]}]", "a target is no text"),
            ("[{\"targets\": [], \"labels\": {\"truenorth_weight\": \"many\"}}]", "`truenorth_weight` is a number"),
            ("[{\"targets\": [], \"labels\": {\"truenorth_capacity\": \"0\"}}]", "`truenorth_capacity` is a number"),
            ("[{\"targets\": [\"10.0.0.1\"", "while parsing"),
            ("- &a {targets: [10.0.0.1]}\n- *a\n", "it has aliases"),
            (&"- ".repeat(MAX_FILE as usize / 2), "it is nested more than"),
            (&"? ".repeat(MAX_FILE as usize / 2), "it is nested more than"),
        ] {
            let told = shown(text, None).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn only_a_small_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.json");
        assert!(read(&path).unwrap_err().contains("No such file"));
        assert!(read(folder.path()).is_err());
        // Nobody writes to it, so whoever opens it waits.
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read(&pipe).is_err());
        std::fs::write(&path, vec![b' '; MAX_FILE as usize + 1]).unwrap();
        assert!(read(&path).unwrap_err().contains("longer"));
    }
}
