//! Tables of text, 80 columns wide on a terminal.

use std::fmt::Write;

/// Assumed width of a terminal, in characters.
const WIDTH: usize = 80;

/// SGR (ECMA-48, section 8.3.117).
pub(super) const RED: &str = "\x1b[31m";
pub(super) const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Rows of cells. Every column except the last is as wide as its widest cell.
pub(super) struct TextTable {
    rows: Vec<(Vec<String>, &'static str)>,
}

impl TextTable {
    pub(super) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![(heads.iter().map(ToString::to_string).collect(), BOLD)] }
    }

    pub(super) fn push(&mut self, cells: Vec<String>, color: &'static str) {
        self.rows.push((cells, color));
    }

    /// Returns the table; empty if it has only its header.
    pub(super) fn text(&self, for_terminal: bool) -> String {
        let mut out = String::new();
        if self.rows.len() == 1 {
            return out;
        }
        let columns = self.rows[0].0.len();
        let width = |column: usize| self.rows.iter().map(|(cells, _)| cells[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (cells, color) in &self.rows {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            let line = line.trim_end();
            if for_terminal {
                let cut: String = line.chars().take(WIDTH).collect();
                let end = if color.is_empty() { "" } else { PLAIN };
                let _ = writeln!(out, "{color}{cut}{end}");
            } else {
                let _ = writeln!(out, "{line}");
            }
        }
        out.push('\n');
        out
    }
}

/// Returns a duration in whole units, in the largest unit that is not longer than the duration.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
