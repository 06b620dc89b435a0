//! A table of rules and requests, a line each: the table and a matcher that looks at every rule
//! come to the same.
#![no_main]

use farthing_fuzz::{round_trip, text};
use farthing_gateway::{
    config::{RuleKey, Segment, Verb},
    routes::{Found, Table},
};
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(text) = text(data) else { return };
    let mut keys: Vec<RuleKey> = Vec::new();
    let mut requests = Vec::new();
    for line in text.lines().take(64) {
        round_trip::<RuleKey>(line);
        let key = line.parse::<RuleKey>();
        // A literal with escapes is compared decoded, which the matcher here does not do.
        match key.ok().filter(|_| !line.contains('%')) {
            Some(key) => {
                let taken = keys.iter().chain([&key]).map(|key| (key.clone(), ()));
                if Table::new(taken).is_ok() {
                    keys.push(key);
                }
            }
            None => requests.extend(line.split_once(' ')),
        }
    }
    let rules = keys.iter().cloned().enumerate();
    let table = Table::new(rules.map(|(at, key)| (key, at)));
    let table = table.expect("shadowed rules were left out");
    for (method, path) in requests {
        let Ok(method) = Method::from_bytes(method.as_bytes()) else {
            continue;
        };
        let found = table.find(&method, path);
        if path.contains('%') {
            continue;
        }
        let found = match found {
            Found::Rule(at) => Some(*at),
            Found::TwoWays { written, plain } => {
                assert_ne!(written, plain);
                Some(*written)
            }
            Found::OtherMethod(methods) => {
                assert!(!methods.contains(&method));
                None
            }
            Found::None => {
                assert!(table.matching(path).is_empty());
                None
            }
        };
        assert_eq!(found, decides(&keys, &method, path), "{method} {path}");
    }
});

/// The rule that decides, by looking at all of them.
fn decides(keys: &[RuleKey], method: &Method, path: &str) -> Option<usize> {
    let ranked = keys.iter().enumerate().filter_map(|(at, key)| {
        let verb = match &key.verb {
            Verb::One(named) if named == method => 0,
            Verb::One(named) if *named == Method::GET && *method == Method::HEAD => 1,
            Verb::Any => 2,
            Verb::One(_) => return None,
        };
        Some((rank(key, path)?, verb, at))
    });
    ranked.min().map(|(_, _, at)| at)
}

/// How specific each part of a pattern is, or `None` where it does not take the path.
fn rank(key: &RuleKey, path: &str) -> Option<Vec<u8>> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let mut ranks = Vec::new();
    for segment in key.pattern.segments() {
        let part = parts.next()?;
        match segment {
            Segment::Rest => {
                ranks.push(2);
                return Some(ranks);
            }
            Segment::Name(_) if !part.is_empty() => ranks.push(1),
            Segment::Literal(text) if text == part => ranks.push(0),
            _ => return None,
        }
    }
    parts.next().is_none().then_some(ranks)
}
