//! Draws faults as rustc does: the message, the line with the fault, a label under it, and a help. It escapes control
//! characters from files and file names, so that they cannot control a terminal.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::fault::{Fault, Faults, Severity};
use super::source::{Place, Position, Source, floor_char_boundary};
use crate::printable::Printable;

/// Two places of one file that are at most this many octets apart are drawn in one picture. Drawing takes time in
/// proportion to the text, so places that are farther apart get a picture each.
const ONE_PICTURE: usize = 8192;

/// Maximum number of octets of a longer line that are drawn from a place on, and before and behind that part.
const PART: usize = 512;
const AROUND: usize = 64;

impl Faults {
    /// Draws all faults for a person, with an empty line between any two. `color` is for a terminal that shows it.
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
    let mut group = Group::with_title(level.primary_title(Printable(&fault.message).to_string()));
    let mut marks: Vec<Mark<'_>> = Vec::new();
    if let Some(place) = &fault.place {
        marks.push(Mark { kind: AnnotationKind::Primary, place, label: &fault.label });
        if let Some((place, label)) = &fault.related {
            marks.push(Mark { kind: AnnotationKind::Context, place, label });
        }
    }
    if let [first, second] = &marks[..]
        && let Some(part) = first.together_with(second)
    {
        let picture = picture(&first.place.source, part.clone());
        group = group.element(picture.annotation(first.annotation(&part)).annotation(second.annotation(&part)));
    } else {
        for mark in &marks {
            let (part, _) = mark.place.first_line();
            if part.len() <= ONE_PICTURE {
                group = group.element(picture(&mark.place.source, part.clone()).annotation(mark.annotation(&part)));
                continue;
            }
            let (part, Position { line, column }) = (mark.part(), mark.place.start());
            let source = &mark.place.source;
            let origin = Origin::path(path(source)).line(line).char_column(column);
            let picture = Snippet::source(source.shown(part.clone())).line_start(line);
            group = group.element(origin).element(picture.annotation(mark.annotation(&part)));
        }
    }
    match &fault.help {
        Some(help) => group.element(Level::HELP.message(Printable(help).to_string())),
        None => group,
    }
}

/// A place and the text that is drawn under it.
struct Mark<'a> {
    kind: AnnotationKind,
    place: &'a Place,
    label: &'a str,
}

impl<'a> Mark<'a> {
    /// Returns the octets of both lines and of all lines between them; `None` if they are in different files or too far
    /// apart.
    fn together_with(&self, other: &Self) -> Option<Range<usize>> {
        let ((a, _), (b, _)) = (self.place.first_line(), other.place.first_line());
        let part = a.start.min(b.start)..a.end.max(b.end);
        (self.place.source == other.place.source && part.len() <= ONE_PICTURE).then_some(part)
    }

    fn annotation(&self, part: &Range<usize>) -> Annotation<'a> {
        let (_, marked) = self.place.first_line();
        let annotation = self.kind.span(marked.start - part.start..marked.end.min(part.end) - part.start);
        if self.label.is_empty() { annotation } else { annotation.label(Printable(self.label).to_string()) }
    }

    /// Returns the part of the line that is drawn: the place and some octets around it.
    fn part(&self) -> Range<usize> {
        let (line, marked) = self.place.first_line();
        let text = &self.place.source.text();
        let start = floor_char_boundary(text, marked.start.saturating_sub(AROUND)).max(line.start);
        let end = marked.end.min(marked.start + PART) + AROUND;
        start..floor_char_boundary(text, end).min(line.end)
    }
}

/// Draws whole lines of a file.
fn picture<'a>(source: &Source, part: Range<usize>) -> Snippet<'a, Annotation<'a>> {
    let line = source.line_number(part.start);
    Snippet::source(source.shown(part)).line_start(line).path(path(source))
}

fn path(source: &Source) -> String {
    Printable(source.path.display()).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn neither_a_file_nor_its_name_controls_a_terminal() {
        for text in ["x\u{1b}[1m = 1", &format!("x\u{1b}[1m = {}", "1".repeat(ONE_PICTURE))] {
            let source = Arc::new(Source::new("zones/\u{1b}[31m\u{202e}.toml", text));
            let place = Place { source, span: 0..1 };
            let fault = Fault::error(&place, "a\u{1b}[2J", "b\u{7}").related(&place, "c\r").help("d\u{9b}31m");
            let drawn = Faults(vec![fault]).render(false);
            assert!(drawn.contains(r"zones/\u{1b}[31m\u{202e}.toml:1:1"), "{drawn}");
            assert!(!drawn.contains('\u{202e}') && !drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
        }
    }
}
