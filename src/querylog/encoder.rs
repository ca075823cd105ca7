//! The format of the log.

use crate::config::QueryLogFormat;
use crate::tap::Entry;

use super::Settings;
use super::dnstap::Dnstap;
use super::json;
use super::privacy::Cut;

/// Writes entries in the format of the log.
#[derive(Debug)]
pub(super) enum Encoder {
    Dnstap(Box<Dnstap>),
    Json(Cut),
}

impl Encoder {
    pub(super) fn new(settings: &Settings) -> Self {
        let section = &settings.section;
        let cut = Cut { v4: section.client_v4, v6: section.client_v6 };
        match section.format {
            QueryLogFormat::Json => Self::Json(cut),
            QueryLogFormat::Dnstap => {
                let identity = section.identity.as_deref().unwrap_or(&settings.node);
                let version = section.version.as_deref().unwrap_or(settings.program);
                Self::Dnstap(Box::new(Dnstap::new(section.queries, section.responses, identity, version, cut)))
            }
        }
    }

    /// Writes an entry.
    pub(super) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Dnstap(dnstap) => dnstap.write(entry, out),
            Self::Json(cut) => json::write(entry, *cut, out),
        }
    }
}
