//! `[log]`: the form of log lines, and which events are logged.

use std::fmt;
use std::str::FromStr;

use super::code::Code;
use super::decode::{TomlTable, Value};
use super::fault::{Fault, Faults};
use super::suggest::did_you_mean;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

/// The words for the forms in files and options.
const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

/// The levels of events, and the word for none of them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The settings of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The form of lines.
    pub format: LogFormat,
    /// The events that are logged; `None` for the default.
    pub filter: Option<LogFilter>,
}

/// Which events are logged: levels, separated by commas, each alone or as `target=level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(Box<str>);

/// The part of a text that is no filter, and the level that was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAFilter {
    part: String,
    meant: Option<&'static str>,
}

impl fmt::Display for NotAFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is neither a level nor TARGET=LEVEL", self.part)?;
        match self.meant {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => write!(f, "; levels are {}", LEVELS.join(", ")),
        }
    }
}

impl LogFilter {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = NotAFilter;

    /// A word that is no level would select a target of that name, and so log nothing at all.
    fn from_str(text: &str) -> Result<Self, NotAFilter> {
        for part in text.split(',').map(str::trim) {
            let level =
                part.rsplit_once('=').map_or(part, |(target, level)| if target.is_empty() { "" } else { level });
            if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
                let meant = did_you_mean(level, LEVELS.into_iter());
                let meant = LEVELS.into_iter().find(|known| Some(*known) == meant);
                return Err(NotAFilter { part: part.to_owned(), meant });
            }
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = FORMATS.iter().find(|(word, _)| *word == text);
        found.map(|&(_, format)| format).ok_or("`text` or `json` is expected")
    }
}

/// Reads `[log]`.
pub(super) fn read(table: &mut TomlTable<'_>, faults: &mut Faults) -> LogSettings {
    let value: Option<Value<'_>> = table.take("log");
    let Some(mut table) = value.and_then(|value| value.table("`[log]`", faults)) else {
        return LogSettings::default();
    };
    let format = table.take("format").and_then(|value| value.word(&FORMATS, faults));
    let filter = table.take("filter").and_then(|value| value.string(faults));
    table.finish(faults);
    let filter = filter.and_then(|text| match text.value.parse() {
        Ok(filter) => Some(filter),
        Err(wrong) => {
            let message = format!("`filter` selects no events: {wrong}");
            faults.push(Fault::error(&text.place, message, "not a filter").code(Code::BadValue));
            None
        }
    });
    LogSettings { format: format.map_or_else(LogFormat::default, |format| format.value), filter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_alone_or_of_targets() {
        for good in ["info", "WARN", "off", "info,truenorth::store=debug", "warn, hyper=trace"] {
            assert_eq!(good.parse::<LogFilter>().unwrap().as_str(), good);
        }
        for (bad, told) in [
            ("inof", "`inof` is neither a level nor TARGET=LEVEL; did you mean `info`?"),
            (
                "info,truenorth=",
                "`truenorth=` is neither a level nor TARGET=LEVEL; levels are off, error, warn, info, debug, trace",
            ),
            ("=info", "`=info` is neither a level nor TARGET=LEVEL; levels are off, error, warn, info, debug, trace"),
            ("", "`` is neither a level nor TARGET=LEVEL; levels are off, error, warn, info, debug, trace"),
            ("truenorth=warning", "`truenorth=warning` is neither a level nor TARGET=LEVEL; did you mean `warn`?"),
        ] {
            let wrong = bad.parse::<LogFilter>().unwrap_err().to_string();
            assert!(wrong == told || wrong.starts_with(told.split(';').next().unwrap()), "{wrong}");
        }
    }
}
