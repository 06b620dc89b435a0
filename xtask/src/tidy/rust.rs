//! As much of Rust as the rules need: where comments, strings, tests and functions are.
//!
//! This is a reader of tokens, not a parser. It is exact about comments and literals, so that a
//! rule never trips over prose, and simple about everything else.

use std::ops::Range;

/// A Rust file taken apart. Every text has the lines and columns of the file.
#[derive(Debug)]
pub(super) struct Rust {
    /// Without comments and without what stands inside literals.
    pub(super) code: String,
    /// Without comments only.
    pub(super) uncommented: String,
    /// For each line, whether it belongs to a test.
    tests: Vec<bool>,
}

/// A function with a body.
#[derive(Debug, PartialEq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Where it starts, counted from 1.
    pub(super) line: usize,
    /// From its `fn` to its closing brace.
    pub(super) lines: usize,
}

impl Rust {
    pub(super) fn read(text: &str) -> Self {
        let (mut code, mut uncommented) = (text.as_bytes().to_vec(), text.as_bytes().to_vec());
        for (what, range) in hidden(text.as_bytes()) {
            blank(&mut code[range.clone()]);
            if what == Hidden::Comment {
                blank(&mut uncommented[range]);
            }
        }
        // Only whole literals and comments were replaced, by spaces: both are still UTF-8.
        let code = String::from_utf8_lossy(&code).into_owned();
        let uncommented = String::from_utf8_lossy(&uncommented).into_owned();
        let tests = test_lines(&code);
        Self {
            code,
            uncommented,
            tests,
        }
    }

    pub(super) fn is_test_line(&self, line: usize) -> bool {
        line.checked_sub(1)
            .and_then(|index| self.tests.get(index))
            .is_some_and(|test| *test)
    }

    /// The lines of code outside tests, numbered from 1.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.outside_tests(&self.code)
    }

    /// The same with the literals kept.
    pub(super) fn uncommented_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.outside_tests(&self.uncommented)
    }

    /// How many lines are not tests, comments and blank lines included.
    pub(super) fn length(&self) -> usize {
        self.code_lines().count()
    }

    /// The functions outside tests.
    pub(super) fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for start in words(&self.code, "fn") {
            let rest = &self.code[start + 2..];
            let name = identifiers(rest).next().map_or("", |(_, name)| name);
            // A pointer type, `fn(…)`, has no name.
            if !rest.trim_start().starts_with(name) || name.is_empty() {
                continue;
            }
            let line = line_of(&self.code, start);
            if let Some(end) = body_end(&self.code, start)
                && !self.is_test_line(line)
            {
                let lines = line_of(&self.code, end) - line + 1;
                found.push(Function {
                    name: name.to_owned(),
                    line,
                    lines,
                });
            }
        }
        found
    }

    /// Whether there is a function of that name, a test or not.
    pub(super) fn has_function(&self, name: &str) -> bool {
        words(&self.code, "fn").any(|start| {
            let next = identifiers(&self.code[start + 2..]).next();
            next.is_some_and(|(_, own)| own == name)
        })
    }

    fn outside_tests<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let numbered = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        numbered.filter(|(line, _)| !self.is_test_line(*line))
    }
}

/// The line of a position, counted from 1.
pub(super) fn line_of(text: &str, position: usize) -> usize {
    text.as_bytes()[..position]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// Where a word stands on its own.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let inside = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    text.match_indices(word)
        .map(|(start, _)| start)
        .filter(move |start| {
            let before = start
                .checked_sub(1)
                .and_then(|index| text.as_bytes().get(index));
            !inside(before) && !inside(text.as_bytes().get(start + word.len()))
        })
}

/// The identifiers, keywords and numbers of a text with their positions.
pub(super) fn identifiers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut position = 0;
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()))
        .map(move |word| {
            // Split characters are ASCII here, so each is one byte.
            let start = position;
            position += word.len() + 1;
            (start, word)
        })
        .filter(|(_, word)| !word.is_empty())
}

/// The parts of an identifier, in lower case: `LedgerTransfer` and `ledger_transfer` have the same.
pub(super) fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut lower_before = false;
    for c in identifier.chars() {
        if c == '_' || (c.is_ascii_uppercase() && lower_before) {
            parts.push(String::new());
        }
        lower_before = c.is_ascii_lowercase() || c.is_ascii_digit();
        if let Some(part) = parts.last_mut()
            && c != '_'
        {
            part.push(c.to_ascii_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The position of the bracket that closes the one at `open`.
pub(super) fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Hidden {
    Comment,
    Literal,
}

/// Comments, and the insides of string and character literals.
fn hidden(text: &[u8]) -> Vec<(Hidden, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (what, end) = match rest {
            [b'/', b'/', ..] => (
                Hidden::Comment,
                at + until(rest, b"\n").unwrap_or(rest.len()),
            ),
            [b'/', b'*', ..] => (Hidden::Comment, at + block_comment(rest)),
            [b'"', ..] => (Hidden::Literal, at + quoted(rest, b'"')),
            [b'\'', ..] => match character(rest) {
                Some(length) => (Hidden::Literal, at + length),
                None => (Hidden::Literal, at + 1),
            },
            [b'r', ..] if at == 0 || !is_word(text[at - 1]) || prefixed(text, at) => {
                match raw_string(rest) {
                    Some(length) => (Hidden::Literal, at + length),
                    None => (Hidden::Literal, at),
                }
            }
            _ => (Hidden::Literal, at),
        };
        match what {
            Hidden::Comment => found.push((what, at..end)),
            // The quotes stay, so that a string is still seen to be one.
            Hidden::Literal if end > at + 2 => found.push((what, at + 1..end - 1)),
            Hidden::Literal => {}
        }
        at = end.max(at + 1);
    }
    found
}

/// Whether the `r` at this place belongs to `br"…"` or `cr"…"`.
fn prefixed(text: &[u8], at: usize) -> bool {
    matches!(text[at - 1], b'b' | b'c') && (at < 2 || !is_word(text[at - 2]))
}

fn until(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal that ends at an unescaped quote.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a character literal, or `None` for a lifetime.
fn character(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'\\' => Some(quoted(text, b'\'')),
        first => {
            let width = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            (text.get(1 + width) == Some(&b'\'')).then_some(width + 2)
        }
    }
}

/// The length of `r"…"` or `r#"…"#`, or `None` where the `r` starts a word.
fn raw_string(text: &[u8]) -> Option<usize> {
    let hashes = text[1..].iter().take_while(|byte| **byte == b'#').count();
    if text.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    let inside = hashes + 2;
    Some(until(&text[inside..], &end).map_or(text.len(), |at| inside + at + end.len()))
}

fn blank(text: &mut [u8]) {
    for byte in text.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Marks the items under `#[cfg(test)]` and the functions under `#[test]`.
fn test_lines(code: &str) -> Vec<bool> {
    let mut marked = vec![false; code.lines().count()];
    for (start, _) in code.match_indices("#[") {
        let Some(end) = closing(code, start + 1) else {
            continue;
        };
        if !makes_test(&code[start + 2..end]) {
            continue;
        }
        let last = body_end(code, end + 1).unwrap_or(end);
        let lines = line_of(code, start) - 1..line_of(code, last);
        if let Some(lines) = marked.get_mut(lines) {
            lines.fill(true);
        }
    }
    marked
}

/// Whether an attribute means that its item is only there in tests.
fn makes_test(attribute: &str) -> bool {
    let attribute = attribute.trim();
    if let Some(condition) = attribute.strip_prefix("cfg(") {
        return words(condition, "test").next().is_some() && !condition.contains("not(test");
    }
    let path = attribute.split(['(', ' ']).next().unwrap_or_default();
    path == "test" || path.ends_with("::test")
}

/// The end of the item that starts here: the brace that closes its body, or its semicolon.
fn body_end(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b'{' if depth == 0 => return closing(code, index),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str) {
        assert_eq!(Rust::read(text).code, code);
    }

    #[test]
    fn comments_and_literals_are_hidden() {
        check("let a = 1; // b { c\nd", "let a = 1;         \nd");
        check("a /* b /* c */ d */ e", "a                   e");
        check(
            r#"f("a\"b{", 'c', '\'', '{')"#,
            r#"f("     ", ' ', '  ', ' ')"#,
        );
        check(r##"f(r#"a"b"#, br"\", x)"##, r##"f(r      #, br  ", x)"##);
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("let é = 'é'; r#type", "let é = '  '; r#type");
    }

    #[test]
    fn strings_are_kept_where_only_comments_go() {
        let rust = Rust::read("a(\"tempo\") // tempo");
        assert_eq!(rust.uncommented.trim_end(), "a(\"tempo\")");
    }

    #[test]
    fn tests_are_found() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n\
                    #[tokio::test]\nasync fn d() {\n}\n#[cfg(not(test))]\nfn e() {}";
        let rust = Rust::read(text);
        let lines: Vec<usize> = rust.code_lines().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 6, 10, 11]);
        let names: Vec<String> = rust.functions().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["a", "c", "e"]);
    }

    #[test]
    fn functions_are_measured() {
        let text = "type F = fn(u8);\ntrait T { fn none(&self); }\n\
                    fn long(\n    a: [u8; 4],\n) -> u8 {\n    if a { \"}\" }\n}\n";
        let expected = Function {
            name: "long".to_owned(),
            line: 3,
            lines: 5,
        };
        assert_eq!(Rust::read(text).functions(), [expected]);
    }

    #[test]
    fn identifiers_have_parts() {
        assert_eq!(parts("LedgerTransfer2"), ["ledger", "transfer2"]);
        assert_eq!(parts("TEMPO_chain_id"), ["tempo", "chain", "id"]);
        assert_eq!(parts("temporary"), ["temporary"]);
        let found: Vec<_> = identifiers("a.b_c(é, 1)").collect();
        assert_eq!(found, [(0, "a"), (2, "b_c"), (6, "é"), (10, "1")]);
    }
}
