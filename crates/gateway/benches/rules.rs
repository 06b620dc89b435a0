//! What a file of a thousand rules costs to read, and a request to find its rule in it.

use std::{fmt::Write, path::Path};

use divan::{Bencher, black_box};
use farthing_gateway::{
    config::Config,
    routes::{Found, Table},
};
use http::Method;

fn main() {
    divan::main();
}

/// A file with so many rules, of the kinds that files have.
fn file(rules: usize) -> String {
    let mut text = String::from(
        "site = \"api.example.com\"\nto = \"http://127.0.0.1:3000\"\n\
         pay.ledger = { account = \"did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp\" }\n\
         [routes]\n",
    );
    for rule in 0..rules {
        let line = match rule % 4 {
            0 => format!("\"GET /v1/things{rule}\" = \"$0.002\""),
            1 => format!("\"GET /v1/things{rule}/{{id}}\" = \"free\""),
            2 => format!("\"POST /v{rule}/a/b/*\" = {{ price = \"$0.05\", redeliver = \"15m\" }}"),
            _ => format!("\"* /other/{{x}}/{rule}\" = \"$0.001\""),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn config(rules: usize) -> Config {
    let text = file(rules);
    Config::from_bytes(Path::new("farthing.toml"), text.as_bytes()).expect("the file is right")
}

#[divan::bench(args = [10, 100, 1000])]
fn check(bencher: Bencher<'_, '_>, rules: usize) {
    let text = file(rules);
    bencher.bench(|| Config::from_bytes(Path::new("farthing.toml"), black_box(text.as_bytes())));
}

#[divan::bench(args = [10, 1000])]
fn find(bencher: Bencher<'_, '_>, rules: usize) {
    look(bencher, rules, "/v1/things8");
}

#[divan::bench(args = [10, 1000])]
fn find_wild(bencher: Bencher<'_, '_>, rules: usize) {
    look(bencher, rules, "/v2/a/b/c/d/e");
}

#[divan::bench(args = [10, 1000])]
fn find_in_another_form(bencher: Bencher<'_, '_>, rules: usize) {
    look(bencher, rules, "/v1/things1/AB%20c.png");
}

fn look(bencher: Bencher<'_, '_>, rules: usize, path: &str) {
    let keys = config(rules)
        .rules
        .into_iter()
        .map(|rule| (rule.key, rule.line));
    let table = Table::new(keys).expect("no rule is shadowed");
    let method = match path.starts_with("/v2") {
        true => Method::POST,
        false => Method::GET,
    };
    assert!(matches!(table.find(&method, path), Found::Rule(_)));
    bencher.bench_local(|| {
        matches!(
            table.find(black_box(&method), black_box(path)),
            Found::Rule(_)
        )
    });
}
