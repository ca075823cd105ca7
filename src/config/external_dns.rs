//! `[external_dns]`: the zones that external-dns keeps records in.
//!
//! The records of such a zone are in a file of the state folder, which the node alone writes. They are read as if they stood
//! at the end of the zone's own file. So the operator's file has nameservers, datacenters, monitors and pools, and what
//! external-dns adds is checked together with them, by the node and by `check`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::code::Code;
use super::decode::{Placed, Value};
use super::fault::{Fault, Faults};
use super::files::ZoneFiles;
use super::source::Source;
use crate::disk::Disk;
use crate::external_dns::Records;
use crate::name::Name;

/// The folder of the records, in the state folder.
const FOLDER: &str = "external-dns";

/// Largest file of records in octets.
const MAX_FILE: u64 = 64 << 20;

/// The zones that external-dns keeps records in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalDns {
    /// Their origins, in the order of the file.
    pub zones: Vec<Name>,
    folder: PathBuf,
}

/// The section with its places.
pub(super) struct Section {
    pub(super) settings: ExternalDns,
    zones: Vec<Placed<Name>>,
}

/// Records that are not in their files yet, by the origins of their zones.
pub type Pending = HashMap<Name, Records>;

impl ExternalDns {
    /// Returns the file with the records of a zone.
    pub fn file(&self, zone: &Name) -> PathBuf {
        self.folder.join(format!("{}.json", stem(zone)))
    }

    /// Reads the records of a zone; none if there is no file yet. Fails with the reason.
    pub fn read(&self, zone: &Name, disk: &Disk) -> Result<Records, String> {
        let path = self.file(zone);
        let failed = |why: String| format!("the records of external-dns in {}: {why}", path.display());
        // The node's own changes must not look like edits, so the file is not among those that are watched.
        let mut text = String::new();
        let read = disk.open(&path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
        match read {
            Ok(_) => Records::from_json(&text).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Records::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl Section {
    /// Warns that external-dns cannot reach the node.
    pub(super) fn warn_unreachable(&self, faults: &mut Faults) {
        let Some(zone) = self.zones.first() else { return };
        let message = "external-dns cannot reach this node: it has no admin server";
        let fault = Fault::warning(&zone.place, message, "nobody keeps records here").code(Code::Conflict);
        faults.push(fault.help("give `[admin]` an address to `listen` on"));
    }
}

/// Returns the name of a zone's files without their ending.
fn stem(zone: &Name) -> String {
    zone.to_string().trim_end_matches('.').to_ascii_lowercase()
}

/// Reads `[external_dns]`. `state` is the state folder.
pub(super) fn read(value: Option<Value<'_>>, state: &Path, faults: &mut Faults) -> Option<Section> {
    let mut table = value?.table("`[external_dns]`", faults)?;
    let zones = table.require("zones", faults);
    table.finish(faults);
    let items = zones?.items("`zones` names the zones that external-dns keeps records in", faults);
    let expected = "the origin of a zone";
    let read = |item: &Value<'_>, faults: &mut Faults| {
        // A file has this name.
        let parse = |text: &str| Name::parse(text, &Name::root()).ok().filter(|_| !text.contains(['/', '\\', '\0']));
        item.parsed(expected, faults, parse)
    };
    let zones: Vec<Placed<Name>> = items.iter().filter_map(|item| read(item, faults)).collect();
    let settings =
        ExternalDns { zones: zones.iter().map(|zone| zone.value.clone()).collect(), folder: state.join(FOLDER) };
    Some(Section { settings, zones })
}

/// Adds the records to the texts of their zones. Those of `pending` take the place of those in the files.
pub(super) fn append(
    section: &Section,
    pending: &Pending,
    files: &mut BTreeMap<String, ZoneFiles>,
    disk: &Disk,
    faults: &mut Faults,
) {
    for Placed { value: zone, place } in &section.zones {
        let Some(files) = files.get_mut(&stem(zone)) else {
            let message = format!("external-dns keeps records in {zone}, and that zone has no file");
            let fault = Fault::error(place, message, "no such zone").code(Code::UnknownName);
            faults.push(fault.help(format!("write {}.toml with its nameservers", stem(zone))));
            continue;
        };
        if !files.read_texts(disk, faults) {
            files.unreadable = true;
            continue;
        }
        let Some(toml) = files.toml.as_mut() else {
            if !files.unreadable {
                let message = format!("external-dns keeps records in {zone}, whose file is a master file");
                let fault = Fault::error(place, message, "it needs a file in TOML").code(Code::Conflict);
                faults.push(fault);
            }
            continue;
        };
        let records = match pending.get(zone) {
            Some(records) => Ok(records.clone()),
            None => section.settings.read(zone, disk),
        };
        match records {
            Ok(records) => {
                let rendered = records.render(zone);
                if !rendered.is_empty() {
                    let text = format!("{}\n{rendered}", &*toml.source.text());
                    toml.stands_for(Source::new(&toml.source.path, text));
                }
            }
            Err(why) => faults.push(Fault::error(place, why, "they cannot be read").code(Code::File)),
        }
    }
}

/// Writes records to their files, each so that a stop at any moment leaves the old file or the new one. Fails if a file
/// cannot be written; the files before it are written then.
pub fn write_records(settings: &ExternalDns, records: &Pending) -> io::Result<()> {
    fs::create_dir_all(&settings.folder)?;
    for (zone, records) in records {
        let path = settings.file(zone);
        let new = path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(records.to_json().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
    }
    File::open(&settings.folder)?.sync_all()
}
