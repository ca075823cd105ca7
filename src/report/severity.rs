//! The urgency of notices.

/// The urgency of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Many clients are affected: a datacenter is down, the node does not trust its own probes, or its certificate has
    /// expired.
    Critical,
    /// Something failed, such as an endpoint, a pool or a reload.
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
