//! A report as a person reads it, 80 columns wide.

use super::{
    finding::{Finding, Mark, Severity},
    report::{Field, Item, Report},
};
use crate::screen::{Paint, clean, wrap};

/// Columns of a line.
const WIDTH: usize = 80;

pub(super) fn report(report: &Report, paint: Paint) -> String {
    let mut blocks: Vec<String> = report.items.iter().map(|it| item(it, paint)).collect();
    blocks.push(summary(report, paint));
    blocks.join("\n\n")
}

fn summary(report: &Report, paint: Paint) -> String {
    let (errors, warnings) = (
        report.count(Severity::Error),
        report.count(Severity::Warning),
    );
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    match (errors, warnings) {
        (0, 0) => paint.good("well formed"),
        (0, warnings) => format!(
            "{}, {}",
            paint.good("well formed"),
            plural(warnings, "warning")
        ),
        (errors, warnings) => format!(
            "{}, {}",
            paint.bad(plural(errors, "error")),
            plural(warnings, "warning")
        ),
    }
}

fn item(item: &Item, paint: Paint) -> String {
    let mut lines = vec![paint.bold(clean(&item.title))];
    fields(&item.fields, 2, paint, &mut lines);
    for one in &item.findings {
        finding(one, paint, &mut lines);
    }
    lines.join("\n")
}

fn fields(fields: &[Field], indent: usize, paint: Paint, lines: &mut Vec<String>) {
    let longest = fields.iter().map(|it| it.name.chars().count()).max();
    let width = longest.unwrap_or(0).min(20);
    for field in fields {
        let label = paint.dim(format!("{:<width$}", field.name));
        if field.children.is_empty() {
            let room = WIDTH.saturating_sub(indent + width + 2).max(20);
            for (line, n) in wrap(&field.shown, room).into_iter().zip(0..) {
                let label = if n == 0 {
                    label.clone()
                } else {
                    " ".repeat(width)
                };
                lines.push(
                    format!("{:indent$}{label}  {line}", "")
                        .trim_end()
                        .to_owned(),
                );
            }
        } else {
            lines.push(format!("{:indent$}{}", "", paint.dim(&field.name)));
            self::fields(&field.children, indent + 2, paint, lines);
        }
    }
}

fn finding(finding: &Finding, paint: Paint, lines: &mut Vec<String>) {
    let label = format!("{:<7}", finding.severity.name());
    let label = match finding.severity {
        Severity::Error => paint.bad(label),
        Severity::Warning => paint.asks(label),
        Severity::Note => paint.dim(label),
    };
    for (line, n) in wrap(&clean(&finding.what), WIDTH - 11).into_iter().zip(0..) {
        let label = if n == 0 { label.clone() } else { " ".repeat(7) };
        lines.push(format!("  {label}  {line}"));
    }
    if let Some(found) = &finding.mark {
        mark(found, paint, lines);
    }
    let rows = [
        ("right", finding.right.clone()),
        ("but", finding.tolerated.unwrap_or_default().to_owned()),
        ("rule", finding.rule.to_string()),
    ];
    for (name, text) in rows.into_iter().filter(|(_, text)| !text.is_empty()) {
        for (line, n) in wrap(&clean(&text), WIDTH - 18).into_iter().zip(0..) {
            let name = if n == 0 { name } else { "" };
            lines.push(format!(
                "{:11}{}  {line}",
                "",
                paint.dim(format!("{name:<5}"))
            ));
        }
    }
}

/// The line around a place, and a caret under it.
fn mark(mark: &Mark, paint: Paint, lines: &mut Vec<String>) {
    const ROOM: usize = WIDTH - 13;
    let at = mark.at.min(mark.line.len());
    let column = String::from_utf8_lossy(&mark.line.as_bytes()[..at])
        .chars()
        .count();
    let text: Vec<char> = clean(&mark.line).chars().collect();
    let from = column.saturating_sub(ROOM / 2);
    let to = (from + ROOM).min(text.len());
    let from = to.saturating_sub(ROOM).min(from);
    let shown: String = text[from.min(to)..to].iter().collect();
    let (before, after) = (
        if from > 0 { "…" } else { " " },
        if to < text.len() { "…" } else { "" },
    );
    lines.push(format!("{:11}{before}{shown}{after}", ""));
    let caret = format!("^ column {}", column + 1);
    let gap = column.saturating_sub(from);
    let caret = match gap + caret.len() > ROOM + 1 {
        true => format!("{:>gap$}^", format!("column {} ", column + 1)),
        false => format!("{:gap$}{caret}", ""),
    };
    lines.push(format!("{:12}{}", "", paint.bad(caret)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_its_column() {
        let line = format!("{}X{}", "a".repeat(200), "b".repeat(200));
        for at in [0, 5, 66, 200, 380, 400, 401] {
            let mut lines = Vec::new();
            let place = Mark {
                line: line.clone(),
                at,
            };
            mark(&place, Paint::for_stdout(), &mut lines);
            let caret = lines[1].chars().position(|c| c == '^').unwrap();
            let under = lines[0].chars().nth(caret);
            let expect = line.chars().nth(at);
            assert_eq!(under, expect, "{at}: {lines:#?}");
            assert!(
                lines.iter().all(|line| line.chars().count() <= WIDTH),
                "{lines:#?}"
            );
        }
    }
}
