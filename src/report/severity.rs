//! The urgency of notices.

/// The urgency of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The node no longer trusts its own probes.
    Critical,
    /// Something failed.
    Error,
    /// Something will fail unless somebody acts.
    Warning,
    /// No action is needed.
    Info,
}

impl Severity {
    /// Returns its name, as PagerDuty and others use it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
