//! Writes metrics as text, in the two formats that collectors read.
//!
//! Prometheus' own format and OpenMetrics 1.0 differ in three things: OpenMetrics names a counter's family without
//! `_total`, names units, and ends with a line of its own. Libraries for metrics keep the numbers in a registry. In
//! this program, workers count and the node has state, and both are only read when somebody asks. So only the text is
//! needed.

use std::fmt::Write;

use crate::counters::{BOUNDS, Histogram};

/// Maximum number of samples of one family. Further ones are left out, and counted.
pub(super) const MAX_SAMPLES: usize = 10_000;

/// A format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Returns the format that a client prefers, by its `Accept` field: OpenMetrics if the client names it.
    pub fn of(accept: Option<&str>) -> Self {
        let names_it =
            |accept: &str| accept.split(',').any(|range| range.trim().starts_with("application/openmetrics-text"));
        if accept.is_some_and(names_it) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Returns the value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// A gauge with the value 1. Its labels are the information.
    Info,
}

/// Labels of a sample: names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text of metrics under construction.
pub(super) struct Exposition {
    format: Format,
    out: String,
    /// Names of families with samples that were left out, and their number.
    omitted: Vec<(&'static str, usize)>,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { format, out: String::new(), omitted: Vec::new() }
    }

    /// Writes a counter without labels.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, count: u64) {
        self.family(name, Kind::Counter, help, |samples| samples.count(&[], count));
    }

    /// Writes a gauge without labels.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: f64) {
        self.family(name, Kind::Gauge, help, |samples| samples.push(&[], value));
    }

    /// Writes a family with the samples that `samples` pushes. `name` has no `_total` or `_info`, and ends with the
    /// unit if there is one. Without a sample, nothing is written.
    pub(super) fn family(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
        samples: impl FnOnce(&mut Samples<'_>),
    ) {
        let start = self.out.len();
        let suffix = self.begin(name, kind, help);
        let mut written = Samples { out: &mut self.out, name, suffix, count: 0, omitted: 0 };
        samples(&mut written);
        let (count, omitted) = (written.count, written.omitted);
        if count == 0 {
            self.out.truncate(start);
        }
        if omitted > 0 {
            self.omitted.push((name, omitted));
        }
    }

    /// Writes the lines before the samples of a family. Returns the suffix of their names.
    fn begin(&mut self, name: &str, kind: Kind, help: &str) -> &'static str {
        let suffix = match kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        // Prometheus has no type for information.
        let (family_suffix, word) = match (self.format, kind) {
            (Format::Prometheus, Kind::Counter) => ("_total", "counter"),
            (Format::Prometheus, Kind::Info) => ("_info", "gauge"),
            (_, Kind::Counter) => ("", "counter"),
            (_, Kind::Info) => ("", "info"),
            (_, Kind::Gauge) => ("", "gauge"),
            (_, Kind::Histogram) => ("", "histogram"),
        };
        let family = format!("{name}{family_suffix}");
        let _ = writeln!(self.out, "# HELP {family} {help}");
        let _ = writeln!(self.out, "# TYPE {family} {word}");
        let unit = ["seconds", "bytes", "ratio"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")));
        if let Some(unit) = unit.filter(|_| self.format == Format::OpenMetrics) {
            let _ = writeln!(self.out, "# UNIT {family} {unit}");
        }
        suffix
    }

    /// Returns the text. If samples were left out, its last family has their number.
    pub(super) fn finish(mut self) -> String {
        let omitted = std::mem::take(&mut self.omitted);
        let help = "Samples that were left out of a family, because it has more than 10000.";
        self.family("truenorth_metrics_omitted_samples", Kind::Gauge, help, |samples| {
            for (family, count) in omitted {
                samples.push(&[("family", family)], count as f64);
            }
        });
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

/// The samples of one family.
pub(super) struct Samples<'a> {
    out: &'a mut String,
    name: &'static str,
    suffix: &'static str,
    count: usize,
    omitted: usize,
}

impl Samples<'_> {
    /// Writes a sample.
    pub(super) fn push(&mut self, labels: Labels<'_>, value: f64) {
        if self.has_room() {
            self.line(self.suffix, labels, value);
        }
    }

    /// Writes the number of a counter.
    pub(super) fn count(&mut self, labels: Labels<'_>, value: u64) {
        self.push(labels, value as f64);
    }

    /// Writes a histogram of times in seconds.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        if !self.has_room() {
            return;
        }
        let cumulative = histogram.cumulative();
        // OpenMetrics requires that bounds such as 1.0 have a decimal point.
        for (bound, count) in BOUNDS.iter().map(|&bound| format!("{:?}", bound as f64 / 1e6)).zip(cumulative) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.line("_bucket", &labels, count as f64);
        }
        let all = cumulative[BOUNDS.len()] as f64;
        let labels_of_last: Vec<_> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        self.line("_bucket", &labels_of_last, all);
        self.line("_sum", labels, histogram.sum().as_secs_f64());
        self.line("_count", labels, all);
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.count < MAX_SAMPLES;
        if has_room {
            self.count += 1;
        } else {
            self.omitted += 1;
        }
        has_room
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, value: f64) {
        let _ = write!(self.out, "{}{suffix}", self.name);
        for (place, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{name}=\"", if place == 0 { '{' } else { ',' });
            push_escaped(self.out, value);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        // Rust writes whole numbers without an exponent, which both formats allow.
        let _ = writeln!(self.out, " {value}");
    }
}

/// Appends the value of a label. Both formats escape backslash, quotation mark and line feed.
fn push_escaped(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(format: Format) -> String {
        let mut exposition = Exposition::new(format);
        exposition.family("truenorth_answers", Kind::Counter, "Answers.", |samples| {
            samples.count(&[("zone", "a\"b\\c\nd"), ("kind", "nodata")], 3);
        });
        exposition.family("truenorth_age_seconds", Kind::Gauge, "An age.", |samples| samples.push(&[], 1.5));
        exposition.family("truenorth_node", Kind::Info, "The node.", |samples| samples.push(&[("version", "1")], 1.0));
        exposition.family("truenorth_nothing", Kind::Gauge, "A family without samples.", |_| {});
        exposition.finish()
    }

    #[test]
    fn both_formats_name_the_same_samples() {
        let prometheus = "# HELP truenorth_answers_total Answers.\n\
                          # TYPE truenorth_answers_total counter\n\
                          truenorth_answers_total{zone=\"a\\\"b\\\\c\\nd\",kind=\"nodata\"} 3\n\
                          # HELP truenorth_age_seconds An age.\n\
                          # TYPE truenorth_age_seconds gauge\n\
                          truenorth_age_seconds 1.5\n\
                          # HELP truenorth_node_info The node.\n\
                          # TYPE truenorth_node_info gauge\n\
                          truenorth_node_info{version=\"1\"} 1\n";
        assert_eq!(text(Format::Prometheus), prometheus);
        let open_metrics = prometheus
            .replace("# HELP truenorth_answers_total", "# HELP truenorth_answers")
            .replace("# TYPE truenorth_answers_total", "# TYPE truenorth_answers")
            .replace(
                "truenorth_age_seconds gauge\n",
                "truenorth_age_seconds gauge\n# UNIT truenorth_age_seconds seconds\n",
            )
            .replace("# HELP truenorth_node_info", "# HELP truenorth_node")
            .replace("# TYPE truenorth_node_info gauge", "# TYPE truenorth_node info");
        assert_eq!(text(Format::OpenMetrics), format!("{open_metrics}# EOF\n"));
    }

    #[test]
    fn a_family_is_bounded_and_says_so() {
        let mut exposition = Exposition::new(Format::Prometheus);
        exposition.family("truenorth_many", Kind::Gauge, "Many.", |samples| {
            (0..MAX_SAMPLES + 5).for_each(|number| samples.push(&[("number", &number.to_string())], 1.0));
        });
        let text = exposition.finish();
        assert_eq!(text.lines().filter(|line| line.starts_with("truenorth_many{")).count(), MAX_SAMPLES);
        assert!(
            text.ends_with("truenorth_metrics_omitted_samples{family=\"truenorth_many\"} 5\n"),
            "{}",
            &text[text.len() - 200..]
        );
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_with_all() {
        let histogram = Histogram::default();
        for millis in [1, 3, 9_000] {
            histogram.record(Duration::from_millis(millis));
        }
        let mut exposition = Exposition::new(Format::OpenMetrics);
        exposition.family("truenorth_wait_seconds", Kind::Histogram, "Waits.", |samples| {
            samples.histogram(&[("of", "x")], &histogram);
        });
        let text = exposition.finish();
        for line in [
            "truenorth_wait_seconds_bucket{of=\"x\",le=\"0.0005\"} 0",
            "truenorth_wait_seconds_bucket{of=\"x\",le=\"0.001\"} 1",
            "truenorth_wait_seconds_bucket{of=\"x\",le=\"5.0\"} 2",
            "truenorth_wait_seconds_bucket{of=\"x\",le=\"+Inf\"} 3",
            "truenorth_wait_seconds_sum{of=\"x\"} 9.004",
            "truenorth_wait_seconds_count{of=\"x\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn open_metrics_is_given_to_those_who_ask_for_it() {
        for (accept, format) in [
            (None, Format::Prometheus),
            (Some("*/*"), Format::Prometheus),
            (Some("text/plain;version=0.0.4"), Format::Prometheus),
            (Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"), Format::OpenMetrics),
            (Some("text/html, application/openmetrics-text"), Format::OpenMetrics),
        ] {
            assert_eq!(Format::of(accept), format, "{accept:?}");
        }
    }
}
