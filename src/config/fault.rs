//! Faults of the configuration files: their messages, their places, and how many of them are shown.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use super::code::Code;
use super::source::{Place, Position, Source, keep_texts};

/// Maximum number of faults of one file that are shown one by one. An operator fixes the first faults before reading
/// more, and a file of a wrong format has a fault in each line.
pub const MAX_TOLD: usize = 50;

/// The severity of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration works, but probably not as meant.
    Warning,
}

/// A server of this node that has a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateOf {
    /// Encrypted DNS.
    Dns,
    /// The admin server.
    Admin,
}

impl CertificateOf {
    /// The word for it in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Admin => "admin",
        }
    }
}

/// One fault in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its severity.
    pub severity: Severity,
    /// The kind of fault, for scripts.
    pub code: Code,
    /// The message: a sentence without a full stop.
    pub message: String,
    /// The place of the fault; `None` for a fault outside of files, such as a missing folder.
    pub place: Option<Place>,
    /// The text that is drawn under the place, such as "not a datacenter".
    pub label: String,
    /// Another place that belongs to the fault, with the text that is drawn there, such as "first named here".
    pub related: Option<(Place, String)>,
    /// The advice to the operator.
    pub help: Option<String>,
    /// The server of this node whose certificate cannot be used because of it.
    pub certificate_of: Option<CertificateOf>,
    /// The number of faults that this one stands for: 1, or the number of all faults of a file that are not shown one
    /// by one.
    pub count: usize,
}

impl Fault {
    /// Creates an error: the configuration cannot be used.
    pub fn error(place: &Place, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), label: label.into(), ..Self::without_place(message) }
    }

    /// Creates a warning: the configuration works, but probably not as meant.
    pub fn warning(place: &Place, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code: Code::Doubtful, ..Self::error(place, message, label) }
    }

    /// Creates an error that has no place in a file, such as a file that cannot be read.
    pub fn without_place(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: Code::Invalid,
            message: message.into(),
            place: None,
            label: String::new(),
            related: None,
            help: None,
            certificate_of: None,
            count: 1,
        }
    }

    /// Sets the kind of fault.
    pub fn code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// Sets the advice to the operator.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Adds another place that belongs to the fault.
    pub fn related(self, place: &Place, label: impl Into<String>) -> Self {
        Self { related: Some((place.clone(), label.into())), ..self }
    }
}

/// All faults of a set of files, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Returns the first error in a line, with its file, line and column.
    pub fn first(&self) -> String {
        let error = self.0.iter().find(|fault| fault.severity == Severity::Error).or(self.0.first());
        let Some(Fault { message, place, .. }) = error else { return String::new() };
        match place {
            Some(place) => {
                let Position { line, column } = place.start();
                format!("{}:{line}:{column}: {message}", place.source.path.display())
            }
            None => message.clone(),
        }
    }

    /// The number of faults of a severity, including those that are not shown one by one.
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|fault| fault.severity == severity).map(|fault| fault.count).sum()
    }

    /// True if there is an error: the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// True if there is an error among the faults behind the first `before` ones.
    pub(super) fn has_errors_since(&self, before: usize) -> bool {
        self.0.iter().skip(before).any(|fault| fault.severity == Severity::Error)
    }

    /// Notes that the faults behind the first `before` ones concern a certificate of this node.
    pub(super) fn concern(&mut self, certificate: CertificateOf, before: usize) {
        self.0.iter_mut().skip(before).for_each(|fault| fault.certificate_of = Some(certificate));
    }

    /// Returns the first error that concerns a certificate of this node.
    pub fn error_of(&self, certificate: CertificateOf) -> Option<&Fault> {
        let is_of = |fault: &&Fault| fault.certificate_of == Some(certificate);
        self.0.iter().filter(is_of).find(|fault| fault.severity == Severity::Error)
    }

    /// True if this file has an error.
    pub(super) fn has_errors_in(&self, source: &Arc<Source>) -> bool {
        let is_there = |place: &Place| Arc::ptr_eq(&place.source, source);
        self.0.iter().any(|fault| fault.severity == Severity::Error && fault.place.as_ref().is_some_and(is_there))
    }

    /// Keeps the texts of their files in memory, as they are now.
    pub fn keep_texts(&mut self) {
        keep_texts(self.0.iter_mut().flat_map(|fault| {
            let Fault { place, related, .. } = fault;
            place.iter_mut().chain(related.as_mut().map(|(place, _)| place))
        }));
    }

    /// Sorts the faults by file and line; those without a place come first. Keeps at most [`MAX_TOLD`] faults of each
    /// file: it drops warnings before errors, and the last ones first. Adds one fault for each severity that counts the
    /// dropped ones.
    pub(super) fn settle(&mut self) {
        self.0.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut errors: HashMap<PathBuf, usize> = HashMap::new();
        for source in self.0.iter().filter(|fault| fault.severity == Severity::Error).filter_map(source) {
            *errors.entry(source.path.clone()).or_default() += 1;
        }
        let mut settled = Vec::with_capacity(self.0.len().min(MAX_TOLD));
        let mut faults = std::mem::take(&mut self.0).into_iter().peekable();
        while let Some(fault) = faults.next() {
            let Some(path) = source(&fault).map(|source| source.path.clone()) else {
                settled.push(fault);
                continue;
            };
            let errors = errors.get(&path).copied().unwrap_or_default().min(MAX_TOLD);
            let mut quota = Quota { errors: (errors, 0), warnings: (MAX_TOLD - errors, 0) };
            quota.take(fault, &mut settled);
            while let Some(fault) = faults.next_if(|next| source(next).is_some_and(|source| source.path == path)) {
                quota.take(fault, &mut settled);
            }
            settled.extend(quota.rest(&path));
        }
        self.0 = settled;
    }
}

fn source(fault: &Fault) -> Option<&Source> {
    fault.place.as_ref().map(|place| &*place.source)
}

fn order(fault: &Fault) -> Option<(&OsStr, usize)> {
    fault.place.as_ref().map(|place| (place.source.path.as_os_str(), place.span.start))
}

/// For one file: how many more faults may be shown, and how many of each severity were dropped.
struct Quota {
    errors: (usize, usize),
    warnings: (usize, usize),
}

impl Quota {
    fn take(&mut self, fault: Fault, settled: &mut Vec<Fault>) {
        let (left, omitted) = match fault.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if *left > 0 {
            *left -= 1;
            settled.push(fault);
        } else {
            *omitted += 1;
        }
    }

    /// The faults that count what was dropped.
    fn rest(self, path: &std::path::Path) -> impl Iterator<Item = Fault> {
        let of = |(_, omitted): (usize, usize), severity, what: &str| {
            let plural = if omitted == 1 { "" } else { "s" };
            let message = format!("{} has {omitted} more {what}{plural}, not shown here", path.display());
            let fault = Fault { severity, count: omitted, ..Fault::without_place(message).code(Code::More) };
            (omitted > 0).then_some(fault)
        };
        [of(self.errors, Severity::Error, "error"), of(self.warnings, Severity::Warning, "warning")]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults of two files: 30 errors with 60 warnings between and behind them, and one warning.
    fn faults() -> Faults {
        let (a, b) = (Arc::new(Source::new("a", "x".repeat(100))), Arc::new(Source::new("b", "x")));
        let at = |source: &Arc<Source>, octet: usize| Place { source: source.clone(), span: octet..octet + 1 };
        let mut faults = Faults(vec![Fault::warning(&at(&b, 0), "of b", "")]);
        for octet in (0..90).rev() {
            let place = at(&a, octet);
            let fault = if octet % 3 == 0 { Fault::error(&place, "e", "") } else { Fault::warning(&place, "w", "") };
            faults.push(fault);
        }
        faults.push(Fault::without_place("nowhere"));
        faults
    }

    #[test]
    fn errors_are_told_before_warnings_and_the_rest_is_counted() {
        let mut faults = faults();
        faults.settle();
        assert_eq!(faults.0.len(), 1 + MAX_TOLD + 1 + 1);
        assert_eq!(faults.0[0].message, "nowhere");
        let told = &faults.0[1..=MAX_TOLD];
        assert_eq!(told.iter().filter(|fault| fault.severity == Severity::Error).count(), 30);
        assert!(told.is_sorted_by_key(|fault| fault.place.as_ref().map(|place| place.span.start)));
        assert_eq!(faults.0[MAX_TOLD + 1].message, "a has 40 more warnings, not shown here");
        assert_eq!(faults.0[MAX_TOLD + 2].message, "of b");
        assert_eq!((faults.count(Severity::Error), faults.count(Severity::Warning)), (31, 61));
    }

    #[test]
    fn errors_that_are_not_told_are_still_errors() {
        let source = Arc::new(Source::new("a", "x".repeat(60)));
        let place = |octet: usize| Place { source: source.clone(), span: octet..octet + 1 };
        let mut faults = Faults((0..60).map(|octet| Fault::error(&place(octet), "e", "")).collect());
        faults.push(Fault::warning(&place(0), "w", ""));
        faults.settle();
        let last: Vec<_> = faults.0[MAX_TOLD..].iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(last, ["a has 10 more errors, not shown here", "a has 1 more warning, not shown here"]);
        assert!(faults.has_errors());
    }
}
