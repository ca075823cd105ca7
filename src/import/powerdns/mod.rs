//! A zone of PowerDNS with LUA records: a master file, or what `pdnsutil list-zone` prints.

mod answers;
mod branches;
mod lua;
mod monitors;
mod names;

use self::branches::{Branches, Conditions};
use self::monitors::Monitors;
use self::names::Zone;
use super::master::{Fate, Master, Record, relative, zone_of};
use super::text::{Body, File};
use super::{Imported, Locate, Reader, Report};

/// The types whose code is read.
const TYPES: [&str; 3] = ["A", "AAAA", "CNAME"];

/// A name with LUA records.
struct Name {
    owner: String,
    types: Vec<String>,
    ttl: Option<u32>,
    branches: Branches,
}

/// Imports a zone. `zone` is its name, if the file does not tell it. `locate` returns the latitude and the longitude of an
/// address, for `pickclosest`. Fails with the reason.
pub fn powerdns_lua(path: &str, zone: Option<&str>, locate: Locate<'_>, read: Reader<'_>) -> Result<Imported, String> {
    let text = read(path)?;
    let zone = zone_of(path, &text, zone, read)?;
    let mut imported = Imported::default();
    let mut monitors = Monitors::default();
    let mut names: Vec<Name> = Vec::new();
    let mut decide = |record: &Record<'_>| {
        if record.rtype != "LUA" {
            return Fate::Keep;
        }
        let owner = relative(&record.owner, &zone);
        let (rtype, code) = code_of(record);
        let done = add(&mut names, &owner, (&rtype, &code, record), &mut monitors, &mut imported.report);
        match done {
            Ok(()) => Fate::Comment(format!("{owner} LUA {rtype} \"{code}\": see the zone file beside this one")),
            Err(why) => {
                let note = imported.report.note(format!("{} LUA {rtype}: {why}", record.owner));
                Fate::Comment(format!("{note}\n  \"{code}\""))
            }
        }
    };
    let master = Master::new(&zone, read).rewrite(path, &text, &mut decide)?;
    let origin = zone.trim_end_matches('.');
    let report = &mut imported.report;
    let mut tables = Vec::new();
    let mut of_zone = Zone::new(locate);
    let mut counted = 0;
    for name in names {
        match of_zone.add(&name.owner, name.ttl, &name.branches) {
            Ok(table) => {
                counted += 1;
                tables.push(table);
            }
            Err(why) => {
                let mut table = super::text::Table::default();
                table.comment(report.note(format!("{}: {why}", name.owner)));
                tables.push(table);
            }
        }
    }
    report.carried("names", counted);
    report.carried("zones", 1);
    let mut all = of_zone.tables(report);
    let monitors = monitors.tables();
    report.carried("monitors", monitors.len());
    let at = all.iter().position(|table| table.path.first().is_some_and(|key| key == "pools")).unwrap_or(all.len());
    all.splice(at..at, monitors);
    all.extend(tables);
    if !all.is_empty() {
        let head = vec![format!("The zone {origin}, imported from PowerDNS: its LUA records.")];
        imported.files.push(File { path: format!("zones/{origin}.toml"), body: Body::Toml(head, all) });
    }
    let master = format!("; imported from PowerDNS\n{master}");
    imported.files.push(File { path: format!("zones/{origin}.zone"), body: Body::Master(master) });
    Ok(imported)
}

/// Returns the type that a LUA record answers, and its code.
fn code_of(record: &Record<'_>) -> (String, String) {
    let rtype = record.data.first().map_or_else(String::new, |word| word.text.to_ascii_uppercase());
    let mut code = String::new();
    for word in record.data.iter().skip(1) {
        let mut letters = word.text.chars();
        while let Some(letter) = letters.next() {
            // `\"` and `\\`; other octets are rare in code.
            code.extend(if letter == '\\' { letters.next() } else { Some(letter) });
        }
    }
    (rtype, code)
}

/// Adds a record to the name of its owner. Fails with the reason if it has no equal.
fn add(
    names: &mut Vec<Name>,
    owner: &str,
    (rtype, code, record): (&str, &str, &Record<'_>),
    monitors: &mut Monitors,
    report: &mut Report,
) -> Result<(), String> {
    if !TYPES.contains(&rtype) {
        return Err(format!("only A, AAAA and CNAME are chosen for clients here, and it is of type {rtype}"));
    }
    let program = lua::read(code)?;
    let is_cname = rtype == "CNAME";
    let branches = Conditions { monitors, report }.branches(&program, is_cname)?;
    let Some(name) = names.iter_mut().find(|name| name.owner == owner) else {
        let ttl = record.ttl.as_deref().and_then(super::master::seconds);
        names.push(Name { owner: owner.to_owned(), types: vec![rtype.to_owned()], ttl, branches });
        return Ok(());
    };
    if name.types.iter().any(|other| other == rtype || is_cname || other == "CNAME") {
        return Err(format!("{owner} has another LUA record already"));
    }
    name.branches.add(branches)?;
    name.types.push(rtype.to_owned());
    Ok(())
}
