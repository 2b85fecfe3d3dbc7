//! A place in a file, shown with its line.

use std::fmt;
use std::ops::Range;

/// A line of a file with the part that a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The line, tabs as spaces.
    text: String,
    /// How many characters of it are underlined.
    width: usize,
}

impl SourceLine {
    /// The line in which `span` (bytes of `source`) begins.
    pub fn at(source: &str, span: &Range<usize>) -> Self {
        let start = floor(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let end = floor(source, span.end).clamp(start, line_end);
        SourceLine {
            line: line_of(source, start),
            column: source[line_start..start].chars().count() + 1,
            text: source[line_start..line_end]
                .trim_end()
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            width: source[start..end].trim_end().chars().count().max(1),
        }
    }
}

/// The number of the line, from 1, that the byte `offset` is in.
pub fn line_of(source: &str, offset: usize) -> usize {
    source[..floor(source, offset)].matches('\n').count() + 1
}

fn floor(source: &str, offset: usize) -> usize {
    (0..=offset.min(source.len())).rev().find(|offset| source.is_char_boundary(*offset)).unwrap_or(0)
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let before = " ".repeat(self.column - 1);
        writeln!(f, " {margin} |")?;
        writeln!(f, " {number} | {}", self.text)?;
        write!(f, " {margin} | {before}{}", "^".repeat(self.width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_underline_counts_characters_and_stays_in_its_line() {
        let source = "a = 1\n\"ü\" = \"x\ny\"\r\n";
        let start = source.find("\"x").unwrap();
        let at = SourceLine::at(source, &(start..source.len()));
        assert_eq!((at.line, at.column), (2, 7));
        insta::assert_snapshot!(at.to_string(), @r#"
           |
         2 | "ü" = "x
           |       ^^
        "#);
    }

    #[test]
    fn a_span_outside_the_text_is_no_reason_to_panic() {
        assert_eq!(SourceLine::at("", &(7..9)).line, 1);
        assert_eq!(SourceLine::at("ü", &(1..1)).column, 1);
    }
}
