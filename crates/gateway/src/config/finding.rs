//! What is wrong with a file, so that whoever wrote it can put it right.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One mistake.
///
/// Displayed, it names the place, quotes the line with a caret under what is meant, and says what
/// would be right. Where a line holds a secret, what is quoted does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in it. A file that cannot be read has no place.
    pub place: Option<Place>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub instead: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The line as it stands there, or the part of a long one that matters.
    pub quote: String,
    /// Where in the quote it begins, in characters from 0.
    pub caret: usize,
    /// How many characters it is long, at least one.
    pub width: usize,
}

/// Characters of a line that are quoted.
const QUOTE: usize = 68;

/// Columns of what is said to be right.
const WIDTH: usize = 79;

impl Finding {
    /// A mistake of a file as a whole.
    pub(super) fn whole(file: &Path, what: impl Into<String>, instead: Option<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            what: what.into(),
            instead,
        }
    }

    /// The line, from 1, where it has one.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.line)
    }
}

impl Place {
    /// Finds a range of bytes in a text, and quotes its first line. What is hidden is not quoted.
    pub(super) fn of(
        text: &str,
        at: std::ops::Range<usize>,
        hidden: &[std::ops::Range<usize>],
    ) -> Self {
        let at = floor(text, at.start)..floor(text, at.end.max(at.start));
        let start = text[..at.start].rfind('\n').map_or(0, |end| end + 1);
        let end = text[at.start..]
            .find('\n')
            .map_or(text.len(), |length| at.start + length);
        let line = u32::try_from(text[..start].matches('\n').count() + 1).unwrap_or(u32::MAX);
        let shown = |(offset, c): (usize, char)| {
            let place = start + offset;
            if hidden.iter().any(|range| range.contains(&place)) {
                '…'
            } else if c.is_control()
                || matches!(c, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                ' '
            } else {
                c
            }
        };
        let row: Vec<char> = text[start..end]
            .trim_end_matches('\r')
            .char_indices()
            .map(shown)
            .collect();
        let before = text[start..at.start].chars().count().min(row.len());
        let width = text[at.start..at.end.min(end)].chars().count().max(1);
        let column = u32::try_from(before + 1).unwrap_or(u32::MAX);
        // Of a long line the part around the place is shown.
        let first = if row.len() <= QUOTE {
            0
        } else {
            before.saturating_sub(QUOTE / 3).min(row.len() - QUOTE)
        };
        let mut quote: Vec<char> = row[first..].iter().take(QUOTE).copied().collect();
        if let (true, Some(start)) = (first > 0, quote.first_mut()) {
            *start = '…';
        }
        if let (true, Some(end)) = (row.len() - first > QUOTE, quote.last_mut()) {
            *end = '…';
        }
        let caret = before - first;
        Self {
            line,
            column,
            caret,
            width: width.min(QUOTE.saturating_sub(caret).max(1)),
            quote: quote.into_iter().collect(),
        }
    }
}

/// The beginning of the character that a byte belongs to.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n  {number} | {}", place.quote.trim_end())?;
            let indent = " ".repeat(place.caret);
            write!(f, "\n  {margin} | {indent}{}", "^".repeat(place.width))?;
        }
        if let Some(instead) = &self.instead {
            let mut column = "  instead:".len();
            write!(f, "\n  instead:")?;
            for word in instead.split(' ') {
                let length = word.chars().count() + 1;
                if column + length > WIDTH {
                    write!(f, "\n          ")?;
                    column = 10;
                }
                write!(f, " {word}")?;
                column += length;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_line_and_points_at_the_place() {
        let text = "a = 1\nbé = \"key\" # x\n";
        let start = text.find("\"key").unwrap();
        let place = Place::of(
            text,
            start..start + 5,
            std::slice::from_ref(&(start + 1..start + 4)),
        );
        assert_eq!((place.line, place.column), (2, 6));
        assert_eq!(place.quote, "bé = \"………\" # x");
        assert_eq!((place.caret, place.width), (5, 5));
    }

    #[test]
    fn a_place_is_found_wherever_it_points() {
        for text in ["", "\n", "é", "a\r\nb", &"x".repeat(500)] {
            for at in 0..=text.len() + 2 {
                let place = Place::of(text, at..at + 3, &[]);
                assert!(
                    place.width >= 1 && place.quote.chars().count() <= QUOTE,
                    "{text:?} {at}"
                );
            }
        }
    }
}
