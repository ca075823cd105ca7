//! A list of past events, as JSON and as text.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Notice;
use crate::printable::Printable;
use crate::timestamp::rfc3339;

/// Past events, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventList {
    /// The events.
    pub events: Vec<Notice>,
    /// The time of this list: Unix time in seconds.
    pub time: u64,
}

impl Notice {
    /// Returns the row by which the state folder keeps the notice.
    pub fn to_row(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a notice has a form in JSON")
    }

    /// Reads a row; `None` for an event that this version does not know.
    pub fn from_row(row: serde_json::Value) -> Option<Self> {
        serde_json::from_value(row).ok()
    }
}

/// Writes one line for each event.
impl fmt::Display for EventList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events.is_empty() {
            return f.write_str("none");
        }
        let mut gap = "";
        for Notice { id: _, time, kind } in &self.events {
            let severity = kind.severity().as_str();
            write!(f, "{gap}{}  {severity:8}  {}", rfc3339(Duration::from_secs(*time)), Printable(kind))?;
            gap = "\n";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EventKind;

    #[test]
    fn each_event_is_a_line() {
        let notice = |time, kind| Notice { id: 1, time, kind };
        let hold = EventKind::Hold { pool: "web/fra".into(), held: true, impact: None };
        let list = EventList { events: vec![notice(0, EventKind::Stop {}), notice(60, hold)], time: 0 };
        let told = "1970-01-01T00:00:00Z  info      the node stops\n\
                    1970-01-01T00:01:00Z  warning   pool web/fra is usable again, but failback holds it back";
        assert_eq!(list.to_string(), told);
        assert_eq!(EventList::default().to_string(), "none");
    }
}
