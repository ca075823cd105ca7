//! Draws faults as rustc does: the message, the line it stands on, what is wrong there, what to do.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::fault::{Fault, Faults, Place, Severity, Source, floor_char_boundary};

impl Faults {
    /// All of them for a person to read, an empty line between any two; in colour for a terminal that shows it.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let drawn: Vec<String> = self.0.iter().map(|fault| renderer.render(&[report(fault)])).collect();
        drawn.iter().map(|fault| format!("{fault}\n")).collect::<Vec<_>>().join("\n")
    }
}

fn report(fault: &Fault) -> Group<'_> {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(fault.message.as_str()));
    if let Some(place) = &fault.place {
        let mut snippet = snippet(&place.source).annotation(annotation(AnnotationKind::Primary, place, &fault.label));
        match &fault.related {
            Some((other, label)) if other.source == place.source => {
                snippet = snippet.annotation(annotation(AnnotationKind::Context, other, label));
                group = group.element(snippet);
            }
            Some((other, label)) => {
                let other_snippet = self::snippet(&other.source);
                let mark = annotation(AnnotationKind::Context, other, label);
                group = group.element(snippet).element(other_snippet.annotation(mark));
            }
            None => group = group.element(snippet),
        }
    }
    match &fault.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

fn snippet(source: &Source) -> Snippet<'_, Annotation<'_>> {
    Snippet::source(source.text.as_str()).path(source.path.to_string_lossy())
}

fn annotation<'a>(kind: AnnotationKind, place: &Place, label: &'a str) -> Annotation<'a> {
    let annotation = kind.span(on_one_line(&place.source.text, &place.span));
    if label.is_empty() { annotation } else { annotation.label(label) }
}

/// The span up to the end of its first line: what follows there is rarely what is wrong.
fn on_one_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor_char_boundary(text, span.start);
    let end = floor_char_boundary(text, span.end).max(start);
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |length| start + length);
    start..end.min(line_end)
}
