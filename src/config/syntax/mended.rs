//! A file as it was probably meant: each fault that shows what to write is mended, and the file is read again.
//!
//! `expect_status = 2xx` lacks quotes, and with quotes it is no status either. Whoever mends a file must not learn that
//! only from the next run. So the faults of the mended values become part of the faults of the syntax.

use std::ops::Range;
use std::sync::Arc;

use crate::config::fault::{Fault, Faults, Severity};
use crate::config::source::{Place, Source};

/// A fault of the syntax.
pub(in crate::config) struct Broken {
    pub(in crate::config) fault: Fault,
    /// `None` if it is not known what was meant.
    pub(super) mend: Option<Mend>,
}

/// The text that the author probably meant in the place of a fault.
pub(super) struct Mend {
    /// The octets to replace.
    pub(super) range: Range<usize>,
    pub(super) meant: String,
    /// True for a value or an entry, false for a header.
    pub(super) is_value: bool,
}

/// A file with everything mended.
pub(in crate::config) struct Mended {
    pub(in crate::config) source: Arc<Source>,
    /// The octets that each mend takes in it.
    ranges: Vec<Range<usize>>,
}

impl Mended {
    /// Returns `None` if it is not known how to mend each of the faults.
    pub(in crate::config) fn new(source: &Source, broken: &[Broken]) -> Option<Self> {
        let (mut text, mut ranges, mut end) = (String::new(), Vec::new(), 0);
        for Broken { mend, .. } in broken {
            let Mend { range, meant, is_value: _ } = mend.as_ref()?;
            text.push_str(source.text().get(end..range.start)?);
            ranges.push(text.len()..text.len() + meant.len());
            text.push_str(meant);
            end = range.end;
        }
        text.push_str(&source.text()[end..]);
        Some(Self { source: Arc::new(Source::new(&source.path, text)), ranges })
    }

    /// Adds what is still wrong with a mended value to the fault of the syntax. `found` are the faults of the mended
    /// file.
    pub(in crate::config) fn tell(&self, broken: &mut [Broken], found: &Faults) {
        // The fault of an entry may be at its key, so the lines are compared.
        let line = |at: usize| self.source.line_number(at);
        let is_here = |place: &Place, range: &Range<usize>| {
            Arc::ptr_eq(&place.source, &self.source) && line(place.span.start) == line(range.start)
        };
        let broken = broken.iter_mut().zip(&self.ranges);
        // A fault in the line of a mended header is not about the header.
        for (Broken { fault, .. }, range) in broken.filter(|(one, _)| one.mend.as_ref().is_some_and(|it| it.is_value)) {
            let is_error = |other: &&Fault| other.severity == Severity::Error;
            let of_value = |other: &&Fault| other.place.as_ref().is_some_and(|place| is_here(place, range));
            // Without help, the value is a secret.
            if let Some(other) = found.0.iter().filter(is_error).find(of_value)
                && fault.help.is_some()
            {
                fault.label.clone_from(&other.label);
                fault.help = Some(match &other.help {
                    Some(help) => format!("{}: {help}", other.message),
                    None => other.message.clone(),
                });
            }
        }
    }
}
