//! No link in a document is dead.

use super::tree::{File, Tree};
use super::{Finding, rust::line_of};

/// Each link to a file or a heading of this checkout has its target. The web is not asked.
pub(super) fn alive(tree: &Tree) -> Vec<Finding> {
    let documents = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|file| dead(tree, file)).collect()
}

fn dead(tree: &Tree, file: &File) -> Vec<Finding> {
    let text = without_code(&file.text);
    let mut found = Vec::new();
    for (line, target) in targets(&text) {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let Some(path) = resolve(&file.path, path) else {
            found.push(Finding::at(
                &file.path,
                line,
                format!("`{target}` leaves the checkout"),
            ));
            continue;
        };
        let folder = format!("{path}/");
        let document = tree.file(&path);
        let there = document.is_some()
            || path.is_empty()
            || tree
                .files
                .iter()
                .any(|other| other.path.starts_with(&folder));
        let titled = heading.is_empty() || document.is_some_and(|to| has_heading(to, heading));
        if !there || !titled {
            found.push(Finding::at(
                &file.path,
                line,
                format!("`{target}` leads nowhere"),
            ));
        }
    }
    found
}

/// The targets inside the checkout: `[text](target)` and `[name]: target`.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let inline = text.match_indices("](").map(|(start, _)| start + 2);
    let named = text.match_indices("]: ").map(|(start, _)| start + 3);
    let named = named.filter(|start| {
        let line = text[..*start].rfind('\n').map_or(0, |end| end + 1);
        text[line..].starts_with('[')
    });
    let target = |start: usize| {
        let end = text[start..]
            .find([')', ' ', '\n'])
            .map_or(text.len(), |end| start + end);
        (line_of(text, start), &text[start..end])
    };
    let outside = |target: &str| target.contains("://") || target.starts_with("mailto:");
    let all = inline.chain(named).map(target);
    all.filter(|(_, target)| !target.is_empty() && !outside(target))
        .collect()
}

/// The text with code blanked: brackets and parentheses in it are no links.
fn without_code(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            plain.push('\n');
        } else if fenced {
            plain.push('\n');
        } else {
            let spans = line.split('`').enumerate();
            spans.for_each(|(index, span)| plain.push_str(if index % 2 == 0 { span } else { "x" }));
        }
    }
    plain
}

/// The path from the root of a target that is relative to a document.
fn resolve(document: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(document.to_owned());
    }
    let mut folders: Vec<&str> = document.split('/').collect();
    folders.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(folders.pop()?),
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

fn has_heading(document: &File, heading: &str) -> bool {
    let headings = document.text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| slug(line.trim_start_matches('#')))
        .any(|slug| slug == heading)
}

/// The anchor that the usual viewers give to a heading.
fn slug(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, lines: &[usize]) {
        let tree = Tree::of(&[
            ("docs/a.md", text),
            ("docs/b.md", "# The `first` part\n"),
            ("crates/core/src/lib.rs", ""),
        ]);
        let at: Vec<usize> = alive(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(at, lines, "{text}");
    }

    #[test]
    fn dead_links_are_found() {
        check(
            "[b](b.md) [b](./b.md#the-first-part) [core](../crates/core)",
            &[],
        );
        check("a\n[c](c.md)", &[2]);
        check("[b](b.md#the-second-part)", &[1]);
        check("[out](../../other)", &[1]);
        check("# Here\n[here](#here) [there](#there)", &[2]);
        check("[x]: c.md\n[y]: b.md\n", &[1]);
        check(
            "[web](https://example.com/x) `[c](c.md)`\n```\n[c](c.md)\n```\n",
            &[],
        );
    }
}
