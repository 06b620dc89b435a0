//! The text of a first file.

use std::{ffi::OsStr, fmt::Write as _};

use farthing::{
    core::{
        noun::discovery::Document,
        value::{Price, Realm},
    },
    ledger::Account,
};

use super::operations::{Line, describes_itself, lines, plain};

/// What is known when the file is written.
pub(super) struct Draft<'a> {
    pub(super) site: &'a Realm,
    pub(super) to: &'a str,
    /// Who is paid on the ledger.
    pub(super) account: Option<&'a Account>,
    /// Who is paid on Tempo, and on which network.
    pub(super) tempo: Option<(&'a str, &'a str)>,
    /// The file of the account's key, where it was made here.
    pub(super) key: Option<&'a OsStr>,
    pub(super) price: &'a Price,
    pub(super) document: Option<&'a Document>,
}

impl Draft<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = String::from(
            "# A gateway that puts prices in front of an API.\n\
             # `farthing gateway check` says what is wrong with this file, and `farthing gateway`\n\
             # runs it. It is read again whenever it changes.\n\n",
        );
        let key = self.key.map(|key| key.to_string_lossy());
        let key = key.map_or_else(
            || "# Who is paid.\n".to_owned(),
            |key| {
                format!(
                    "# Who is paid. The key is in {}: keep a copy of it.\n",
                    plain(&key)
                )
            },
        );
        let _ = write!(
            text,
            "# The public host that buyers call. It stands in every payment.\n\
             site = {}\n\n\
             # The API behind.\n\
             to = {}\n\n\
             {key}\
             {}\n\
             # Only this machine comes in by plain HTTP. For others give it a certificate,\n\
             #   listen = \"0.0.0.0:443\"\n\
             #   tls = {{ cert = \"cert.pem\", key = \"key.pem\" }}\n\
             # or put it behind a proxy that has one:\n\
             #   behind_tls = true\n\
             #   trusted_proxies = [\"10.0.0.0/8\"]\n\
             listen = \"127.0.0.1:8402\"\n\n\
             # A key that the API wants, and no client may know:\n\
             # [upstream]\n\
             # set_headers = {{ \"x-api-key\" = {{ env = \"API_KEY\" }} }}\n\n",
            quoted(self.site.as_str()),
            quoted(self.to),
            self.pay(),
        );
        self.service(&mut text);
        text.push_str(
            "# A rule is a method, a path, and what a request costs. `{name}` is one part of a\n\
             # path, a last `*` is whatever follows, and the most specific rule decides. What no\n\
             # rule takes is answered with 404.\n\
             [routes]\n",
        );
        match self.document {
            Some(document) => self.operations(document, &mut text),
            None => self.example(&mut text),
        }
        text
    }

    /// Who is paid, a line for each rail.
    fn pay(&self) -> String {
        let mut lines = String::new();
        if let Some(account) = self.account {
            let account = quoted(&account.to_string());
            let _ = writeln!(lines, "pay.ledger = {{ account = {account} }}");
        }
        if let Some((recipient, network)) = self.tempo {
            let (recipient, network) = (quoted(recipient), quoted(network));
            let _ = writeln!(
                lines,
                "pay.tempo = {{ network = {network}, recipient = {recipient} }}"
            );
        }
        lines
    }

    fn service(&self, text: &mut String) {
        let Some(document) = self.document else {
            return;
        };
        text.push_str("# What buyers read of the API in /openapi.json and /llms.txt.\n[service]\n");
        let members = [
            ("title", Some(&document.title), 200),
            ("version", Some(&document.version), 64),
            ("description", document.description.as_ref(), 2048),
        ];
        for (key, value, most) in members {
            let value = value.map(|value| line(value, most));
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = writeln!(text, "{key} = {}", quoted(&value));
            }
        }
        if describes_itself(document) {
            text.push_str("openapi = \"/openapi.json\"\n");
        }
        text.push('\n');
    }

    fn operations(&self, document: &Document, text: &mut String) {
        let mut rules = 0;
        for line in lines(document, self.price) {
            match line {
                Line::Rule { key, price, about } => {
                    rules += 1;
                    if let Some(about) = about {
                        let _ = writeln!(text, "# {about}");
                    }
                    let _ = writeln!(text, "{} = {}", quoted(&key.to_string()), quoted(&price));
                }
                Line::Left { operation, why } => {
                    let _ = writeln!(text, "# {operation}: left out, because {why}");
                }
            }
        }
        if rules == 0 {
            text.push_str("# The document has no operation that could be a rule.\n");
            self.example(text);
        }
    }

    fn example(&self, text: &mut String) {
        let _ = write!(
            text,
            "\"GET /health\" = \"free\"\n\
             \"* /*\" = {}\n\
             # \"POST /render\" = {{ price = \"$0.05\", settle = \"first\", redeliver = \"15m\" }}\n",
            quoted(&self.price.to_string())
        );
    }
}

/// A text as a line within a bound.
fn line(text: &str, most: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let mut line: String = words.join(" ");
    line.retain(|c| !c.is_control());
    while line.len() > most {
        line.pop();
    }
    line
}

/// A text in quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use farthing_gateway::config::Config;

    use super::*;

    fn file(document: Option<&str>) -> (String, Config) {
        let document = document.map(|text| Document::parse(text.as_bytes()).unwrap());
        let account = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        let text = Draft {
            site: &"api.example.com".parse().unwrap(),
            to: "http://127.0.0.1:3000",
            account: Some(&account.parse().unwrap()),
            tempo: Some(("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "moderato")),
            key: None,
            price: &"$0.002".parse().unwrap(),
            document: document.as_ref(),
        }
        .text();
        let config = Config::from_bytes(Path::new("farthing.toml"), text.as_bytes());
        match config {
            Ok(config) => (text, config),
            Err(findings) => panic!("{text}\n{}", findings[0]),
        }
    }

    #[test]
    fn whatever_a_document_says_the_file_can_be_read() {
        let odd = r#"{
            "openapi": "3.0.3",
            "info": {
                "title": "A \"title\" \\ with\nlines", "version": "1\u0007",
                "description": " "
            },
            "paths": {
                "/openapi.json": { "get": { "summary": "itself" } },
                "/a/{x}/{x}.json": { "get": { "summary": "two\nlines" } },
                "/a/{y}/{z}": { "get": {}, "post": {}, "trace": {} },
                "/b c/é": { "get": {} },
                "/c//d": { "get": {} },
                "/healthz": { "get": {} },
                "/d": { "get": { "x-payment-info": { "offers": [ {
                    "intent": "charge", "method": "ledger", "amount": "5000", "currency": "usd6"
                } ] } } }
            }
        }"#;
        let (text, config) = file(Some(odd));
        let rules: Vec<_> = config
            .rules
            .iter()
            .map(|rule| rule.key.to_string())
            .collect();
        assert!(rules.contains(&"GET /b%20c/%C3%A9".to_owned()), "{rules:?}");
        assert!(rules.contains(&"GET /a/{x}/{x2}".to_owned()), "{rules:?}");
        assert!(text.contains("# GET /c//d: left out, because"), "{text}");
        assert!(
            text.contains("# GET /a/{y}/{z}: left out, because"),
            "{text}"
        );
        assert!(text.contains("\"GET /healthz\" = \"free\""), "{text}");
        assert!(text.contains("\"GET /d\" = \"$0.005\""), "{text}");
        assert!(text.contains("openapi = \"/openapi.json\""), "{text}");
        let none = r#"{ "openapi": "3.1.0", "info": { "title": "t", "version": "1" } }"#;
        assert_eq!(file(Some(none)).1.rules.len(), 2);
        assert_eq!(file(None).1.rules.len(), 2);
    }
}
