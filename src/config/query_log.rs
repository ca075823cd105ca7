//! `[query_log]`: which answers are logged, where to, and in which format.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::disk::Disk;
use crate::name::Name;
use crate::printable::Printable;
use crate::snapshot::{LogClass, LogRule};

use super::admin::MAX_SOCKET;
use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults, Severity};
use super::server::Server;
use super::source::Place;
use super::suggest::did_you_mean;

/// Maximum of `sample`.
const MOST_SAMPLED: u32 = 1_000_000;

/// Range of `size_mib`, and its default.
const SIZES: std::ops::RangeInclusive<u64> = 1..=1 << 20;
const DEFAULT_SIZE: u64 = 100;

/// Range of `versions`, and its default.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=100;
const DEFAULT_VERSIONS: u32 = 4;

/// Octets of a mebibyte.
const MIB: u64 = 1 << 20;

/// Maximum length of `identity` and `version` in octets.
const MAX_TEXT: usize = 255;

/// The words for the formats.
const FORMATS: [(&str, QueryLogFormat); 2] = [("dnstap", QueryLogFormat::Dnstap), ("json", QueryLogFormat::Json)];

/// The words for the classes of answers.
const CLASSES: [(&str, LogClass); 3] =
    [("success", LogClass::Success), ("denial", LogClass::Denial), ("error", LogClass::Error)];

/// The keys that only dnstap has, and those that only files have.
const OF_DNSTAP: [&str; 4] = ["queries", "responses", "identity", "version"];
const OF_FILES: [&str; 2] = ["size_mib", "versions"];

/// The format of the query log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryLogFormat {
    /// Messages of dnstap in frame streams.
    Dnstap,
    /// A JSON object on each line.
    Json,
}

impl QueryLogFormat {
    /// Returns the word for it in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dnstap => "dnstap",
            Self::Json => "json",
        }
    }
}

/// Where the query log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryLogSink {
    /// A file. When it would grow beyond so many octets it is put aside, and so many older files are kept.
    File {
        /// Its path.
        path: PathBuf,
        /// Most octets of the file.
        size: u64,
        /// Number of older files.
        versions: u32,
    },
    /// A socket in the file system, where a collector listens.
    Unix(PathBuf),
    /// The address of a collector.
    Tcp(SocketAddr),
}

impl fmt::Display for QueryLogSink {
    /// Writes it as files do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{}", Printable(path.display())),
            Self::Unix(path) => write!(f, "unix:{}", Printable(path.display())),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// The query log, apart from the choice of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLog {
    /// Where it goes.
    pub sink: QueryLogSink,
    /// Its format.
    pub format: QueryLogFormat,
    /// True if dnstap has the queries.
    pub queries: bool,
    /// True if dnstap has the responses.
    pub responses: bool,
    /// The name of the server in dnstap; `None` for the node's name, empty for none.
    pub identity: Option<Box<str>>,
    /// The version of the server in dnstap; `None` for that of the program, empty for none.
    pub version: Option<Box<str>>,
    /// Number of leading bits of IPv4 addresses of clients that are logged, 0-32. The others are 0.
    pub client_v4: u8,
    /// The same for IPv6, 0-128.
    pub client_v6: u8,
}

/// `[query_log]` as it was read.
#[derive(Debug)]
pub(super) struct QueryLogDraft {
    pub(super) settings: QueryLog,
    sink_place: Place,
    rule: LogRule,
    /// The zones whose answers are logged; `None` for all.
    zones: Option<Vec<Placed<Name>>>,
}

/// Returns the folder in which the query log makes files, if it does. Relative paths are relative to `folder`.
pub(super) fn writable(value: Option<Value<'_>>, folder: &Path, faults: &mut Faults) -> Option<PathBuf> {
    let sink = value?.table("`[query_log]`", faults)?.take("sink")?;
    let is_file = |text: &&str| !text.starts_with("unix:") && !text.starts_with("tcp:");
    Some(folder.join(sink.text().filter(is_file)?).parent()?.to_owned())
}

/// Reads `[query_log]`. Relative paths are relative to `folder`.
pub(super) fn read(value: Option<Value<'_>>, folder: &Path, faults: &mut Faults) -> Option<QueryLogDraft> {
    let mut table = value?.table("`[query_log]`", faults)?;
    let sink = table.require("sink", faults);
    let sink = sink.and_then(|sink| Some((sink.place(), read_sink(&sink, folder, faults)?)));
    let format = table.take("format").and_then(|value| value.word(&FORMATS, faults));
    let format = format.map_or(QueryLogFormat::Dnstap, |format| format.value);
    warn_without_effect(&table, sink.as_ref().map(|(_, sink)| sink), format, faults);
    let every = table.take("sample").and_then(|value| value.integer(1..=MOST_SAMPLED, faults));
    let classes = table.take("classes").map(|value| read_classes(&value, faults));
    let zones = table.take("zones").map(|value| read_zones(&value, faults));
    let [queries, responses] = ["queries", "responses"].map(|key| {
        let value = table.take(key);
        let place = value.as_ref().map(Value::anchor);
        (value.and_then(|value| value.boolean(faults)).is_none_or(|value| value.value), place)
    });
    if let ((false, _), (false, Some(place))) = (&queries, &responses) {
        let message = "neither `queries` nor `responses` are logged";
        faults.push(Fault::error(place, message, "then leave out `[query_log]`").code(Code::Conflict));
    }
    let [identity, version] = ["identity", "version"].map(|key| read_text(table.take(key), faults));
    let client_v4 = table.take("client_v4").and_then(|value| value.integer(0..=32, faults));
    let client_v6 = table.take("client_v6").and_then(|value| value.integer(0..=128, faults));
    let mib = table.take("size_mib").and_then(|value| value.integer(SIZES, faults));
    let kept = table.take("versions").and_then(|value| value.integer(VERSIONS, faults));
    table.finish(faults);
    let (sink_place, mut sink) = sink?;
    if let QueryLogSink::File { size, versions, .. } = &mut sink {
        *size = mib.map_or(*size, |mib| mib.value * MIB);
        *versions = kept.map_or(*versions, |kept| kept.value);
    }
    let settings = QueryLog {
        sink,
        format,
        queries: queries.0,
        responses: responses.0,
        identity,
        version,
        client_v4: client_v4.map_or(32, |length| length.value),
        client_v6: client_v6.map_or(128, |length| length.value),
    };
    let every = every.and_then(|every| NonZeroU32::new(every.value)).unwrap_or(NonZeroU32::MIN);
    let rule = LogRule { every, classes: classes.unwrap_or([true; 3]), zones: None };
    Some(QueryLogDraft { settings, sink_place, rule, zones })
}

fn read_sink(value: &Value<'_>, folder: &Path, faults: &mut Faults) -> Option<QueryLogSink> {
    let expected = "a path, \"unix:\" and a path, or \"tcp:\" and an address with a port, such as \
                    \"tcp:192.0.2.9:6000\"";
    let sink = value.parsed(expected, faults, |text| match text.split_once(':') {
        Some(("unix", "") | ("file", _)) => None,
        Some(("unix", path)) => Some(QueryLogSink::Unix(folder.join(path))),
        Some(("tcp", address)) => {
            address.parse().ok().filter(|address: &SocketAddr| address.port() != 0).map(QueryLogSink::Tcp)
        }
        _ if text.ends_with('/') => None,
        _ => Some(QueryLogSink::File { path: folder.join(text), size: DEFAULT_SIZE * MIB, versions: DEFAULT_VERSIONS }),
    })?;
    if let QueryLogSink::Unix(path) = &sink.value
        && path.as_os_str().len() > MAX_SOCKET
    {
        let message = format!("{} is too long for a socket: {MAX_SOCKET} octets at most", path.display());
        faults.push(Fault::error(&sink.place, message, "").code(Code::BadValue));
        return None;
    }
    Some(sink.value)
}

/// Warns of keys that this sink or this format does not use.
fn warn_without_effect(
    table: &TomlTable<'_>,
    sink: Option<&QueryLogSink>,
    format: QueryLogFormat,
    faults: &mut Faults,
) {
    let is_file = sink.is_none_or(|sink| matches!(sink, QueryLogSink::File { .. }));
    for value in table.rest() {
        let why = match format {
            _ if OF_FILES.contains(&value.key) && !is_file => "only files are put aside",
            QueryLogFormat::Json if OF_DNSTAP.contains(&value.key) => "only dnstap has it",
            _ => continue,
        };
        let message = format!("`{}` is not used", value.key);
        faults.push(Fault::warning(&value.anchor(), message, why).code(Code::NoEffect));
    }
}

fn read_classes(value: &Value<'_>, faults: &mut Faults) -> [bool; 3] {
    let mut classes = [false; 3];
    for item in value.items("`classes` needs a class", faults) {
        let Some(class) = item.word(&CLASSES, faults) else { continue };
        if std::mem::replace(&mut classes[class.value as usize], true) {
            let fault = Fault::error(&class.place, "`classes` names a class twice", "again").code(Code::Duplicate);
            faults.push(fault);
        }
    }
    classes
}

fn read_zones(value: &Value<'_>, faults: &mut Faults) -> Vec<Placed<Name>> {
    let items = value.items("`zones` needs a zone", faults);
    let name = |text: &str| Name::parse(text, &Name::root()).ok();
    items.iter().filter_map(|item| item.parsed("names of zones", faults, name)).collect()
}

fn read_text(value: Option<Value<'_>>, faults: &mut Faults) -> Option<Box<str>> {
    let text = value?.string(faults)?;
    if text.value.len() > MAX_TEXT {
        let message = format!("the text is too long: {MAX_TEXT} octets at most");
        faults.push(Fault::error(&text.place, message, "").code(Code::BadValue));
    }
    Some(text.value.into())
}

impl QueryLogDraft {
    /// Returns the rule for these zones, in their order. Reports zones that are not served.
    pub(super) fn rule(&self, served: &[Name], faults: &mut Faults) -> LogRule {
        let zones = self.zones.as_ref().map(|zones| {
            let listed: HashSet<&Name> = zones.iter().map(|zone| &zone.value).collect();
            served.iter().map(|apex| listed.contains(apex)).collect()
        });
        for zone in self.zones.iter().flatten().filter(|zone| !served.contains(&zone.value)) {
            let texts: Vec<String> = served.iter().map(Name::to_string).collect();
            let meant = did_you_mean(&zone.value.to_string(), texts.iter().map(String::as_str));
            let label = meant.map_or_else(String::new, |meant| format!("did you mean `{meant}`?"));
            let fault = Fault::error(&zone.place, format!("there is no zone `{}`", zone.value), label);
            faults.push(fault.code(Code::UnknownName));
        }
        LogRule { zones, ..self.rule.clone() }
    }

    /// Reports a path that cannot hold the log, or that something else needs.
    pub(super) fn check(&self, server: &Server, disk: &Disk, faults: &mut Faults) {
        let fault = |message, label: &str, code| Fault::error(&self.sink_place, message, label).code(code);
        let socket = server.admin.as_ref().and_then(|admin| admin.socket.as_deref());
        let (QueryLogSink::File { path, .. } | QueryLogSink::Unix(path)) = &self.settings.sink else { return };
        if socket == Some(path) {
            let message = format!("the query log and the admin server both need {}", path.display());
            return faults.push(fault(message, "also `socket` of `[admin]`", Code::Conflict));
        }
        if matches!(self.settings.sink, QueryLogSink::Unix(_)) {
            return;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let told = path.display();
        if [&server.state, &server.zones].into_iter().any(|other| path.starts_with(other)) {
            let message = format!("the query log cannot be in {}, which holds other files", folder.display());
            faults.push(fault(message, "choose a folder of its own", Code::Conflict));
        } else if !disk.files_read(|file| file == path).is_empty() {
            let message = format!("the query log would overwrite {told}, which the node reads");
            faults.push(fault(message, "also a file of the configuration", Code::Conflict));
        } else if !disk.metadata(folder).is_ok_and(|folder| folder.is_dir()) {
            let message = format!("the query log cannot be made: there is no folder {}", folder.display());
            faults.push(fault(message, "", Code::File));
        } else if disk.metadata(path).is_ok_and(|file| !file.is_file()) {
            let message = format!("the query log cannot be written to {told}: it is not a regular file");
            let fault = fault(message, "", Code::File);
            faults.push(fault.help("for a socket write \"unix:\" before the path; a pipe or a device cannot be used"));
        } else if let Ok(Err(error)) = disk.ask(folder, |folder| access(folder, Access::WRITE_OK | Access::EXEC_OK)) {
            let message = format!("the query log cannot be made: {} cannot be written: {error}", folder.display());
            faults.push(Fault { severity: Severity::Warning, ..fault(message, "as this user", Code::File) });
        }
    }
}
