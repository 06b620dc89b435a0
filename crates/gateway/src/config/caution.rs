//! What is no mistake, and perhaps not meant.

use http::Method;

use super::{Config, Rule, RulePrice, Usage, Verb};
use crate::routes::{Found, Table};

/// Something that a file may say, and that its author may not have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caution {
    /// The line of the file, from 1.
    pub line: u32,
    /// What it comes to.
    pub what: String,
    /// What to write where that is not meant.
    pub instead: String,
}

impl Config {
    /// What to look at twice.
    #[must_use]
    pub fn cautions(&self) -> Vec<Caution> {
        let keys = self.rules.iter().map(|rule| (rule.key.clone(), rule));
        // A file whose rules hide each other is not read at all.
        let Ok(table) = Table::new(keys) else {
            return Vec::new();
        };
        let priced = self.rules.iter();
        let priced = priced.filter(|rule| rule.price != RulePrice::Free);
        let split = self.pay.ledger.is_some().then_some(split_on_one_rail);
        priced
            .flat_map(|rule| {
                [
                    free_above(rule, &table),
                    split.and_then(|split| split(rule)),
                    bytes_uncovered(rule),
                ]
            })
            .flatten()
            .collect()
    }
}

/// `/v1/*` does not take `/v1`. Where that falls to a rule for much more, and is free by it, many
/// services give away there what has a price one slash further. A free rule of its own is meant.
fn free_above(rule: &Rule, table: &Table<&Rule>) -> Option<Caution> {
    let above = rule.key.pattern.as_str().strip_suffix("/*")?;
    if above.is_empty() {
        return None;
    }
    let free = methods(rule, above, table).into_iter().find_map(|method| {
        let (Found::Rule(found) | Found::TwoWays { written: found, .. }) =
            table.find(&method, above)
        else {
            return None;
        };
        let is_own = found.key.pattern.as_str() == above;
        (found.price == RulePrice::Free && !is_own).then_some(*found)
    })?;
    let verb = &rule.key.verb;
    Some(Caution {
        line: rule.line,
        what: format!(
            "`{above}` itself is free: `{}` does not take it, and `{}` does",
            rule.key, free.key
        ),
        instead: format!("\"{verb} {above}\" = … with its price, or \"free\" where that is meant"),
    })
}

/// Plain bytes have no place to ask for money: what was not covered before breaks off, or has its service
/// asked twice.
fn bytes_uncovered(rule: &Rule) -> Option<Caution> {
    let session = rule.session.as_ref()?;
    let is_open = session.usage == Usage::Bytes && session.estimate.is_none();
    is_open.then(|| Caution {
        line: rule.line,
        what: format!(
            "`{}` covers {} KiB before it is asked: a longer answer that does not say its length breaks off, \
             and one that does is asked for twice",
            rule.key,
            session.covered()
        ),
        instead: "`estimate`, with as many KiB as the largest answer has".to_owned(),
    })
}

/// A ledger moves one sum to one account.
fn split_on_one_rail(rule: &Rule) -> Option<Caution> {
    (!rule.splits.is_empty()).then(|| Caution {
        line: rule.line,
        what: format!(
            "`{}` is split on Tempo only: on the ledger all of it goes to the account",
            rule.key
        ),
        instead: "no pay.ledger, where that is not meant".to_owned(),
    })
}

/// The methods that a rule and the rules for a path have in common.
fn methods(rule: &Rule, path: &str, table: &Table<&Rule>) -> Vec<Method> {
    if let Verb::One(method) = &rule.key.verb {
        return vec![method.clone()];
    }
    let rules = table.matching(path).into_iter();
    rules
        .map(|(key, _)| match &key.verb {
            Verb::One(method) => method.clone(),
            Verb::Any => Method::POST,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is said of rules; each is on a line of its own, from 5 on.
    #[track_caller]
    fn check(rules: &[&str], expect: &[(u32, &str)]) {
        let text = format!(
            "site = \"api.example.com\"\nto = \"http://127.0.0.1:3000\"\n\
             pay.ledger = {{ account = \"did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp\", session = true }}\n\
             [routes]\n{}\n",
            rules.join("\n")
        );
        let config = Config::from_bytes(Path::new("farthing.toml"), text.as_bytes()).unwrap();
        let said = config.cautions();
        let said: Vec<_> = said.iter().map(|it| (it.line, it.what.as_str())).collect();
        assert_eq!(said, expect, "{rules:?}");
    }

    #[test]
    fn a_split_that_only_one_rail_knows_is_told() {
        let share =
            r#"{ recipient = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", amount = "$0.1" }"#;
        let rules = format!(
            "\"GET /a\" = {{ price = \"$1\", splits = [{share}] }}\n\
             [pay.tempo]\nnetwork = \"moderato\"\n\
             recipient = \"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\""
        );
        check(
            &[&rules],
            &[(
                5,
                "`GET /a` is split on Tempo only: on the ledger all of it goes to the account",
            )],
        );
    }

    #[test]
    fn bytes_that_nothing_covers_are_told() {
        let rule = |also: &str| {
            format!(
                "\"GET /a\" = {{ session = {{ price = \"$0.001\", usage = \"bytes\"{also} }} }}"
            )
        };
        check(
            &[&rule("")],
            &[(
                5,
                "`GET /a` covers 1 KiB before it is asked: a longer answer that does not say its length breaks \
                 off, and one that does is asked for twice",
            )],
        );
        check(&[&rule(", estimate = 1")], &[]);
        let events = r#""GET /a" = { session = { price = "$0.001", usage = "events" } }"#;
        check(&[events], &[]);
    }

    #[test]
    fn a_priced_tree_whose_top_is_free_is_told() {
        let tree = r#""GET /v1/weather/*" = "$0.002""#;
        check(
            &[tree, r#""GET /*" = "free""#],
            &[(
                5,
                "`/v1/weather` itself is free: `GET /v1/weather/*` does not take it, and `GET /*` does",
            )],
        );
        check(
            &[r#""* /v1/{name}" = "free""#, tree],
            &[(
                6,
                "`/v1/weather` itself is free: `GET /v1/weather/*` does not take it, and `* /v1/{name}` does",
            )],
        );
        check(
            &[
                r#""* /a/{b}/*" = "$1""#,
                r#""POST /a/*" = "free""#,
                r#""GET /a/*" = "$1""#,
            ],
            &[(
                5,
                "`/a/{b}` itself is free: `* /a/{b}/*` does not take it, and `POST /a/*` does",
            )],
        );
        // Nobody takes it, or it costs something, or it is meant.
        check(&[tree], &[]);
        check(&[tree, r#""POST /*" = "free""#], &[]);
        check(&[tree, r#""GET /*" = "$0.001""#], &[]);
        check(&[tree, r#""GET /v1/weather" = "free""#], &[]);
        check(&[r#""GET /*" = "$1""#, r#""GET /health" = "free""#], &[]);
    }
}
