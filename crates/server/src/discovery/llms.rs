//! The page for language models, in the form of llms.txt: a title, a quote, lists of links.

use std::fmt::Write;

use super::{
    Service,
    operation::one_line,
    page::{LLMS, OPENAPI},
};

/// A line of the list of operations.
pub(super) struct Line<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) summary: Option<&'a str>,
    pub(super) price: Option<&'a str>,
}

/// Writes the page.
pub(super) fn page(service: &Service, url: Option<&str>, lines: &[Line<'_>]) -> String {
    let mut page = format!("# {}\n", one_line(&service.title));
    if let Some(description) = &service.description {
        push(&mut page, format_args!("\n> {}\n", one_line(description)));
    }
    page.push_str(
        "\nAn operation with a price answers `402 Payment Required` with `Payment` challenges in \
         `WWW-Authenticate` until one of them is paid. What is to be paid is what the 402 asks \
         for; the prices here only inform.\n",
    );
    page.push_str("\n## Operations\n\n");
    for line in lines {
        push(&mut page, format_args!("- `{} {}`", line.method, line.path));
        if let Some(summary) = line.summary {
            push(&mut page, format_args!(": {}", one_line(summary)));
        }
        match line.price {
            Some(price) => push(&mut page, format_args!(" ({price})\n")),
            None => page.push_str(" (free)\n"),
        }
    }
    page.push_str("\n## Documents\n\n");
    let url = url.unwrap_or_default();
    push(
        &mut page,
        format_args!("- [OpenAPI](<{url}{OPENAPI}>): every operation, with its offers\n"),
    );
    let docs = &service.info.docs;
    let llms = docs
        .llms
        .as_ref()
        .filter(|link| link.as_str() != format!("{url}{LLMS}"));
    for (name, link) in [
        ("API reference", docs.api_reference.as_ref()),
        ("Homepage", docs.homepage.as_ref()),
        ("More for language models", llms),
    ] {
        if let Some(link) = link {
            push(&mut page, format_args!("- [{name}](<{link}>)\n"));
        }
    }
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text)
        .expect("a String takes whatever is written to it");
}
