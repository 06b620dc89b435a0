//! What is no TOML, in words for people who do not know TOML.

use std::ops::Range;

use farthing::core::value::Price;
use toml::de::Error;

use super::{
    report::{Report, Wrong},
    section::shown,
};

/// Tells of what is no TOML, and whether what is left can still be read.
pub(super) fn tell(errors: &[Error], report: &mut Report<'_>) -> bool {
    let mut readable = true;
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        let text = report.text();
        let meant = text.get(at.clone()).unwrap_or_default();
        let (wrong, recovered) = told(error.message(), meant, &at, report);
        if !recovered {
            hide(&at, report);
        }
        readable &= recovered;
        report.add(at, wrong);
    }
    readable
}

fn told(message: &str, meant: &str, at: &Range<usize>, report: &Report<'_>) -> (Wrong, bool) {
    if message.starts_with("string values must be quoted") || message.starts_with("invalid boolean")
    {
        let quoted = match meant.parse::<Price>() {
            Ok(price) => format!("write \"{price}\""),
            Err(_) => format!("write \"{}\"", shown(meant)),
        };
        return (Wrong::write("a text needs quotes", quoted), true);
    }
    if message.starts_with("duplicate key") {
        let first = first_line(report.text(), meant, at.start);
        let what = match first {
            Some(line) => format!(
                "`{}` stands here a second time; the first is on line {line}",
                shown(meant)
            ),
            None => format!("`{}` stands here a second time", shown(meant)),
        };
        return (Wrong::write(what, "remove one of the two"), true);
    }
    if message.starts_with("missing escaped value") {
        let what = "a backslash begins an escape here";
        let instead = "write two of them, or the text in single quotes";
        return (Wrong::write(what, instead), false);
    }
    if message.starts_with("key with no value") {
        let line = line_of(report.text(), at.start);
        let rule = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD ", "* "];
        let is_rule = rule
            .iter()
            .any(|method| line.trim_start().starts_with(method));
        if let Some((key, _)) = line.split_once('=').filter(|_| is_rule) {
            let instead = format!("write \"{}\" = …", shown(key.trim()));
            return (Wrong::write("a rule's key needs quotes", instead), false);
        }
        return (
            Wrong::write("a key needs a value", "write key = value"),
            false,
        );
    }
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let instead = match expected {
        "" | "nothing" => None,
        expected => Some(format!("expected {expected}")),
    };
    let what = format!("this is no TOML: {what}");
    (Wrong { what, instead }, false)
}

/// The line on which a key stands first.
fn first_line(text: &str, key: &str, before: usize) -> Option<usize> {
    let mut start = 0;
    for (index, line) in text.split('\n').enumerate() {
        let begins = line.trim_start().trim_start_matches('[').trim_start();
        let after = begins.strip_prefix(key).map(str::trim_start);
        let found = after.is_some_and(|after| after.starts_with(['=', '.', ']']));
        let inline = line.contains(&format!(", {key} =")) || line.contains(&format!("{{ {key} ="));
        if start >= before {
            return None;
        }
        if (found || inline) && !key.is_empty() {
            return Some(index + 1);
        }
        start += line.len() + 1;
    }
    None
}

fn line_of(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    text[start..].split('\n').next().unwrap_or_default()
}

/// What stands behind the first `=` of a line that could set a secret, and cannot be read well
/// enough to know.
fn hide(at: &Range<usize>, report: &mut Report<'_>) {
    let text = report.text();
    let start = text
        .get(..at.start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |end| end + 1);
    let line = text[start..].split('\n').next().unwrap_or_default();
    // The table the line is in begins with the last line that names one.
    let table = text[..start].rfind("\n[").unwrap_or(0);
    let around = &text[table..start + line.len()];
    if around.contains("set_headers") || line.contains("secret") {
        let equals = line.find('=').map_or(0, |at| at + 1);
        report.hide(start + equals..start + line.len());
    }
}
