//! The signatures that an asker with DO would get.

use std::fmt;
use std::time::Duration;

use domain::base::Message;
use domain::rdata::Rrsig;
use serde::{Deserialize, Serialize};

use crate::answer::{Exchange, Reply, Resolution, Worker, render};
use crate::name::Name;
use crate::report::signing::mnemonic;
use crate::timestamp::rfc3339;
use crate::wire::MAX_MESSAGE;

/// A signature of an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignatureShape {
    /// The owner of the records that it covers.
    name: String,
    /// Their type.
    covers: String,
    key_tag: u16,
    algorithm: String,
    /// When it expires, in Unix seconds.
    expires: u32,
    /// True if the node keeps it, false if it would be made for the answer; `None` without a running node.
    #[serde(default)]
    kept: Option<bool>,
    /// True if the zone's file holds the signature.
    #[serde(default)]
    in_file: bool,
}

impl SignatureShape {
    /// Writes the answer of a resolution with signatures, as the server does, and reads them with another library. Fails
    /// if the library cannot read them. The message holds the signatures in the order in which they were written.
    pub(super) fn of(
        exchange: &Exchange<'_>,
        resolution: &Resolution<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Self>, String> {
        let mut out = vec![0; MAX_MESSAGE];
        let Reply { length, .. } = render(exchange, resolution, worker, &mut out);
        let mut sources = worker.take_sources().into_iter();
        let message = Message::from_slice(&out[..length]).map_err(|error| error.to_string())?;
        let sections = [message.answer(), message.authority()];
        let mut signatures = Vec::new();
        for section in sections {
            let section = section.map_err(|error| error.to_string())?;
            for record in section.limit_to::<Rrsig<_, _>>() {
                let record = record.map_err(|error| error.to_string())?;
                let data = record.data();
                let number = data.algorithm().to_int();
                let signer = data.signer_name().to_string();
                let is_of = |apex: &Name| apex.to_string().trim_end_matches('.').eq_ignore_ascii_case(&signer);
                let mut hops = resolution.hops().iter();
                let in_file = hops.any(|hop| hop.zone.zone.is_presigned() && is_of(hop.zone.zone.apex()));
                signatures.push(Self {
                    name: record.owner().to_string(),
                    covers: data.type_covered().to_string(),
                    key_tag: data.key_tag(),
                    algorithm: mnemonic(number),
                    expires: data.expiration().into_int(),
                    in_file,
                    kept: if in_file { None } else { sources.next() },
                });
            }
        }
        Ok(signatures)
    }
}

impl fmt::Display for SignatureShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, covers, key_tag, algorithm, expires, kept, in_file } = self;
        let expires = rfc3339(Duration::from_secs((*expires).into()));
        let source = match kept {
            _ if *in_file => ", in the zone's file",
            Some(true) => ", kept",
            Some(false) => ", made when it is asked for",
            None => "",
        };
        write!(f, "{covers} of {name} by key {key_tag} ({algorithm}) until {expires}{source}")
    }
}
