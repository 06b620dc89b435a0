//! What a person reads: data on stdout, everything else on stderr, plain where it is not a
//! terminal.

use std::{
    borrow::Cow,
    env,
    fmt::Display,
    io::{self, BufRead, IsTerminal, Write},
};

/// Colours, where they are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn for_stdout() -> Self {
        Self(wants_colour(io::stdout().is_terminal()))
    }

    pub(crate) fn for_stderr() -> Self {
        Self(wants_colour(io::stderr().is_terminal()))
    }

    pub(crate) fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.with("2", text)
    }

    pub(crate) fn good(self, text: impl Display) -> String {
        self.with("1;32", text)
    }

    pub(crate) fn bad(self, text: impl Display) -> String {
        self.with("1;31", text)
    }

    pub(crate) fn asks(self, text: impl Display) -> String {
        self.with("1;33", text)
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }
}

/// <https://no-color.org>: any value but an empty one turns colours off.
fn wants_colour(terminal: bool) -> bool {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    terminal && !dumb && !set("NO_COLOR")
}

/// Writes data to stdout. A reader that went away is told by the error's kind.
pub(crate) fn data(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Tells something on stderr. That nobody listens is no failure.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether there is a terminal on which a line can be drawn anew.
pub(crate) fn can_draw() -> bool {
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    io::stderr().is_terminal() && !dumb
}

/// Draws the terminal's last line anew. It is not ended, so that it can be erased.
pub(crate) fn draw(text: impl Display) {
    let mut terminal = io::stderr().lock();
    let _ = write!(terminal, "\r\u{1b}[K{text}").and_then(|()| terminal.flush());
}

/// Erases what was drawn.
pub(crate) fn erase() {
    draw("");
}

/// A line for the next step.
pub(crate) fn hint(text: impl Display) {
    let label = Paint::for_stderr().bold("hint:");
    tell(format!("{label} {text}"));
}

/// Whether there is somebody to ask.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for one line.
pub(crate) fn ask(question: &str) -> io::Result<String> {
    let mut terminal = io::stderr().lock();
    let _ = write!(terminal, "{question}").and_then(|()| terminal.flush());
    drop(terminal);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map(|_| line)
}

/// Nothing but a yes is one.
pub(crate) fn is_yes(line: &str) -> bool {
    let line = line.trim();
    line.eq_ignore_ascii_case("y") || line.eq_ignore_ascii_case("yes")
}

/// A text that came from elsewhere, without what could move a terminal's cursor or pose as ours.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    // Control characters, and those that turn the direction of the text.
    let strange = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(strange) {
        Cow::Owned(text.replace(strange, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Rows of a label and a value, the labels padded to one width.
pub(crate) fn rows(paint: Paint, indent: usize, rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(label, value)| {
        let label = paint.dim(format!("{label:<width$}"));
        format!("{:indent$}{label}  {value}", "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A table with a head. The last column is not padded.
pub(crate) fn table<const N: usize>(paint: Paint, head: [&str; N], body: &[[String; N]]) -> String {
    let width = |at: usize| {
        let cells = body.iter().map(|row| row[at].chars().count());
        cells.chain([head[at].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().enumerate().map(|(at, cell)| {
            if at + 1 == N {
                (*cell).to_owned()
            } else {
                format!("{cell:<width$}", width = widths[at])
            }
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    let mut lines = vec![paint.dim(line(head))];
    lines.extend(
        body.iter()
            .map(|row| line(row.each_ref().map(String::as_str))),
    );
    lines.join("\n")
}

/// Breaks a text at spaces, and in the middle of a word that is longer than a line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        let last = lines.len() - 1;
        if used > 0 {
            lines[last].push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used == width {
                lines.push(String::new());
                used = 0;
            }
            let last = lines.len() - 1;
            lines[last].push(c);
            used += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_or_where_they_must() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrap("abcdefg h", 3), ["abc", "def", "g h"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn what_came_from_elsewhere_cannot_write_over_ours() {
        assert_eq!(clean("plain €"), "plain €");
        assert_eq!(
            clean("a\u{1b}[2Jb\rc\nd"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"
        );
        assert_eq!(clean("\u{202e}DSU 1"), "\u{fffd}DSU 1");
        assert_eq!(clean("1\u{61c} USD"), "1\u{fffd} USD");
    }

    #[test]
    fn nothing_but_a_yes_is_one() {
        for yes in ["y\n", "Y", " yes\r\n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yess", "yes please", "1"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }

    #[test]
    fn columns_line_up() {
        let body = [["a".into(), "long".into()], ["bcd".into(), "x".into()]];
        assert_eq!(
            table(Paint(false), ["K", "V"], &body),
            "K    V\na    long\nbcd  x"
        );
        assert_eq!(
            rows(Paint(false), 2, &[("a", "1".into()), ("bc", "2".into())]),
            "  a   1\n  bc  2"
        );
    }
}
