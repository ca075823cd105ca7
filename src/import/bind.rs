//! A master file of BIND, or of any server that reads RFC 1035.

use super::master::{Fate, Master, Record, zone_of};
use super::text::{Body, File};
use super::{Imported, Reader};

/// Types that a signer makes. Keys are among them: the node has its own, or those of BIND's key files.
const SIGNED: [&str; 8] = ["RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDNSKEY", "CDS", "TYPE65534"];

/// Imports a zone. `zone` is its name, if the file does not tell it. Fails with the reason.
pub fn bind(path: &str, zone: Option<&str>, read: Reader<'_>) -> Result<Imported, String> {
    let text = read(path)?;
    let zone = zone_of(path, &text, zone, read)?;
    let mut imported = Imported::default();
    let (mut records, mut signed) = (0, 0);
    let mut decide = |record: &Record<'_>| {
        if SIGNED.contains(&record.rtype.as_str()) {
            signed += 1;
            return Fate::Drop;
        }
        if ["LUA", "DYNA", "DYNC"].contains(&record.rtype.as_str()) {
            let note =
                imported.report.note(format!("{} {}: import the zone from its own server", record.owner, record.rtype));
            return Fate::Comment(note);
        }
        records += 1;
        Fate::Keep
    };
    let mut master = Master::new(&zone, read).rewrite(path, &text, &mut decide)?;
    if signed > 0 {
        let note = imported.report.note(
            "records of DNSSEC are left out: the node signs the zone itself, with [dnssec] and BIND's key files if you like (docs/dnssec.md)",
        );
        master = format!("; {note}\n{master}");
    }
    imported.report.carried("zones", 1);
    imported.report.carried("records", records);
    let path = format!("zones/{}.zone", zone.trim_end_matches('.'));
    imported.files.push(File { path, body: Body::Master(master) });
    Ok(imported)
}
