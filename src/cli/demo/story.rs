//! Events as text for people: the time, what happened, and the details.
//!
//! ```text
//!     12.4 s  you broke 127.10.0.10 in fra
//!     14.1 s  endpoint is down: 127.10.0.10:8080 in web/fra, status 503
//! ```

use std::fmt::{self, Write};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::log::{Log, filter, has_colours};
use crate::printable::Printable;

/// Writes events to `out` from now on. `RUST_LOG` selects them. Fails with the reason if its value is not a filter.
pub(super) fn tell(out: &Log) -> Result<(), String> {
    tracing_subscriber::fmt()
        .with_env_filter(filter(None)?)
        .with_ansi(has_colours(&std::io::stdout()))
        .with_writer(out.clone())
        .log_internal_errors(false)
        .event_format(Story { start: Instant::now() })
        .init();
    Ok(())
}

struct Story {
    start: Instant,
}

impl<S, N> FormatEvent<S, N> for Story
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut sentence = Sentence::default();
        event.record(&mut sentence);
        write!(writer, "{:>7.1} s  ", self.start.elapsed().as_secs_f64())?;
        if writer.has_ansi_escapes() && *event.metadata().level() <= Level::WARN {
            // SGR (ECMA-48, section 8.3.117): red, and back.
            writeln!(writer, "\x1b[31m{sentence}\x1b[0m")
        } else {
            writeln!(writer, "{sentence}")
        }
    }
}

/// An event's message, and the details from its fields.
#[derive(Default)]
struct Sentence {
    message: String,
    details: String,
}

impl Visit for Sentence {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{}", Printable(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "endpoint" | "seen" | "reason" | "addresses" => write!(self.details, ", {value:?}"),
            "pools" => write!(self.details, " in {value:?}"),
            name => write!(self.details, ", {name} {value:?}"),
        };
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.details.strip_prefix(", ").unwrap_or(&self.details) {
            "" => f.write_str(&self.message),
            details => write!(f, "{}: {details}", self.message),
        }
    }
}
