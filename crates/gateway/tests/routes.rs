//! Which rule decides: the table against a matcher that looks at every rule.
#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use farthing_gateway::{
    config::{RuleKey, Segment, Verb},
    routes::{Found, Table},
};
use http::Method;
use proptest::prelude::*;

fn table(keys: &[&str]) -> Table<String> {
    let rules = keys
        .iter()
        .map(|key| (key.parse().unwrap(), (*key).to_owned()));
    Table::new(rules).unwrap()
}

/// What a request finds, as a text.
fn found(table: &Table<String>, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    match table.find(&method.parse().unwrap(), path) {
        Found::Rule(key) => key.clone(),
        Found::TwoWays { written, plain } => format!("{written} or {plain}"),
        Found::OtherMethod(methods) => {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            format!("only {}", methods.join(", "))
        }
        Found::None => "none".into(),
    }
}

fn check(keys: &[&str], requests: &[(&str, &str)]) {
    let table = table(keys);
    for (request, expect) in requests {
        assert_eq!(found(&table, request), *expect, "{request}");
    }
}

#[test]
fn the_most_specific_decides() {
    check(
        &[
            "GET /v1/*",
            "GET /v1/{a}",
            "GET /v1/weather",
            "GET /{x}/weather",
            "* /v1/weather",
            "GET /",
        ],
        &[
            ("GET /v1/weather", "GET /v1/weather"),
            ("POST /v1/weather", "* /v1/weather"),
            ("GET /v1/rome", "GET /v1/{a}"),
            ("GET /v1/a/b", "GET /v1/*"),
            ("GET /v1/", "GET /v1/*"),
            ("GET /v2/weather", "GET /{x}/weather"),
            ("GET /", "GET /"),
            ("GET /v1", "none"),
            ("GET ", "none"),
            ("GET *", "none"),
        ],
    );
}

#[test]
fn from_the_left_and_back_again_where_it_leads_nowhere() {
    check(
        &["GET /a/{x}/c", "GET /{y}/b/*", "GET /a/b/d"],
        &[
            ("GET /a/b/c", "GET /a/{x}/c"),
            ("GET /a/b/d", "GET /a/b/d"),
            ("GET /a/b/e", "GET /{y}/b/*"),
            ("GET /a/x/d", "none"),
        ],
    );
}

#[test]
fn a_method_finds_its_rule() {
    check(
        &[
            "GET /a",
            "HEAD /b",
            "GET /b",
            "POST /c",
            "PUT /c",
            "POST /{x}",
            "* /d/*",
        ],
        &[
            ("HEAD /a", "GET /a"),
            ("HEAD /b", "HEAD /b"),
            ("DELETE /c", "only POST, PUT"),
            ("DELETE /a", "only GET, HEAD, POST"),
            ("POST /a", "POST /{x}"),
            ("BREW /d/pot", "* /d/*"),
        ],
    );
}

#[test]
fn what_an_upstream_may_take_for_another_path_is_said() {
    let keys = ["GET /paid", "GET /*", "GET /Docs", "GET /docs", "GET /dir/"];
    check(
        &keys,
        &[
            ("GET /p%61id", "GET /paid"),
            ("GET /%70%61%69%64", "GET /paid"),
            ("GET /PAID", "GET /* or GET /paid"),
            ("GET /p%41id", "GET /* or GET /paid"),
            ("GET /paid/", "GET /* or GET /paid"),
            ("GET /paid;v=1", "GET /* or GET /paid"),
            ("GET /paid%3Bv=1", "GET /* or GET /paid"),
            ("GET /paid.json", "GET /* or GET /paid"),
            ("GET /paid.", "GET /* or GET /paid"),
            ("GET /Paid%20", "GET /* or GET /paid"),
            ("GET /paid/;v=1", "GET /* or GET /paid"),
            ("GET /paid/%3B", "GET /* or GET /paid"),
            ("GET /paid/%20", "GET /* or GET /paid"),
            ("GET /;v=1/paid", "GET /* or GET /paid"),
            ("GET /%3Fv/;/paid/;", "GET /* or GET /paid"),
            ("GET /paid.json/", "GET /* or GET /paid"),
            ("GET /paid.json/;v=1", "GET /* or GET /paid"),
            ("GET /paid.json;v=1.0", "GET /* or GET /paid"),
            ("GET /dir;v=1/;v=2", "GET /* or GET /dir/"),
            ("GET /%20v/paid", "GET /*"),
            ("GET /;v=1", "GET /*"),
            ("GET /;v=1/other", "GET /*"),
            ("GET /paid.d/x", "GET /*"),
            ("GET /.paid", "GET /*"),
            ("GET /dir", "GET /* or GET /dir/"),
            ("GET /Docs", "GET /Docs"),
            ("GET /docs", "GET /docs"),
            ("GET /paid/x", "GET /*"),
            ("GET /other/", "GET /*"),
            ("GET /", "GET /*"),
        ],
    );
    // What no rule takes as it is written is served by nobody.
    check(
        &["GET /paid"],
        &[("GET /PAID", "none"), ("GET /paid/", "none")],
    );
}

#[test]
fn rules_that_no_request_reaches_are_named_with_those_that_take_theirs() {
    let keys = [
        "GET /a/{b}",
        "POST /a/{b}",
        "GET /a/{c}",
        "* /x",
        "* /x",
        "GET /%61/{d}",
    ];
    let rules = keys.iter().map(|key| (key.parse::<RuleKey>().unwrap(), ()));
    let shadowed = Table::new(rules).unwrap_err();
    let told: Vec<_> = shadowed.iter().map(|it| (it.index, it.by_index)).collect();
    assert_eq!(told, [(2, 0), (4, 3), (5, 0)]);
    assert_eq!(
        shadowed[0].to_string(),
        "`GET /a/{c}` takes the same requests as `GET /a/{b}`"
    );
}

/// How specific each part of a pattern is, or `None` where it does not take the path.
fn rank(key: &RuleKey, path: &str) -> Option<Vec<u8>> {
    let mut segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    let mut ranks = Vec::new();
    for part in key.pattern.segments() {
        match part {
            Segment::Rest => {
                ranks.push(2);
                return (!segments.is_empty()).then_some(ranks);
            }
            Segment::Name(_) if segments.first().is_some_and(|it| !it.is_empty()) => ranks.push(1),
            Segment::Literal(text) if segments.first() == Some(&text) => ranks.push(0),
            _ => return None,
        }
        segments.remove(0);
    }
    segments.is_empty().then_some(ranks)
}

/// The rule that decides, by looking at all of them.
fn naive(keys: &[RuleKey], method: &Method, path: &str) -> Option<usize> {
    let verb = |key: &RuleKey| match &key.verb {
        Verb::One(named) if named == method => Some(0),
        Verb::One(named) if *named == Method::GET && *method == Method::HEAD => Some(1),
        Verb::Any => Some(2),
        Verb::One(_) => None,
    };
    let ranked = keys
        .iter()
        .enumerate()
        .filter_map(|(index, key)| Some(((rank(key, path)?, verb(key)?), index)));
    ranked.min().map(|(_, index)| index)
}

fn keys() -> impl Strategy<Value = Vec<RuleKey>> {
    let segment = prop_oneof!["[ab]", Just("{x}".to_owned())];
    let last = prop_oneof![
        4 => prop_oneof!["[ab]", Just("{y}".to_owned()), Just("*".to_owned())],
        1 => Just(String::new()),
    ];
    let path = (prop::collection::vec(segment, 0..3), last).prop_map(|(parts, last)| {
        let mut names = 0;
        let parts: String = parts
            .iter()
            .map(|part| {
                names += 1;
                format!("/{}", part.replace('x', &format!("x{names}")))
            })
            .collect();
        format!("{parts}/{last}")
    });
    let verb = prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("*")];
    let key = (verb, path).prop_map(|(verb, path)| format!("{verb} {path}").parse().unwrap());
    prop::collection::vec(key, 0..24)
}

fn request() -> impl Strategy<Value = (Method, String)> {
    let method = prop_oneof![
        Just(Method::GET),
        Just(Method::HEAD),
        Just(Method::POST),
        Just(Method::PUT)
    ];
    let path =
        prop::collection::vec("[abc]?", 1..5).prop_map(|parts| format!("/{}", parts.join("/")));
    (method, path)
}

proptest! {
    #[test]
    fn the_table_and_the_naive_matcher_agree(
        keys in keys(),
        requests in prop::collection::vec(request(), 1..20),
    ) {
        let rules = |keys: &[RuleKey]| {
            keys.iter().cloned().enumerate().map(|(index, key)| (key, index)).collect::<Vec<_>>()
        };
        // Rules that are shadowed are taken out; the others are a table.
        let shadowed = Table::new(rules(&keys)).err().unwrap_or_default();
        let out: Vec<_> = shadowed.iter().map(|it| it.index).collect();
        let kept: Vec<_> = (0..keys.len())
            .filter(|index| !out.contains(index))
            .map(|index| keys[index].clone())
            .collect();
        let table = Table::new(rules(&kept)).unwrap();
        for (method, path) in &requests {
            let naive = naive(&kept, method, path);
            let found = match table.find(method, path) {
                Found::Rule(index) => Some(*index),
                // The plain form is at least as specific, and another rule.
                Found::TwoWays { written, plain } => {
                    prop_assert!(written != plain && path.ends_with('/') || kept.iter().any(|key| key.pattern.as_str().ends_with('/')));
                    Some(*written)
                }
                Found::OtherMethod(methods) => {
                    prop_assert!(!methods.is_empty() && !methods.contains(method));
                    prop_assert!(kept.iter().any(|key| rank(key, path).is_some()));
                    None
                }
                Found::None => {
                    prop_assert!(kept.iter().all(|key| rank(key, path).is_none()));
                    None
                }
            };
            prop_assert_eq!(found, naive, "{} {}", method, path);
        }
    }

    #[test]
    fn any_path_is_looked_up(path in ".{0,40}", keys in keys()) {
        let rules: Vec<_> = keys.into_iter().map(|key| (key, ())).collect();
        if let Ok(table) = Table::new(rules) {
            let _ = table.find(&Method::GET, &path);
            let _ = table.matching(&path);
        }
    }
}
