use std::fmt::Write as _;

use super::*;

const BASIC: &str =
    r#"Payment id="i1", realm="api", method="tempo", intent="charge", request="e30""#;

/// Reads one line and tells of each challenge its id, or that it is an error.
fn check(line: &str, expect: &[&str]) {
    let found: Vec<String> = parse([line])
        .into_iter()
        .map(|read| read.map_or_else(|_| "error".to_owned(), |challenge| challenge.id.to_string()))
        .collect();
    assert_eq!(found, expect, "{line}");
}

fn with_id(id: &str) -> String {
    BASIC.replace("i1", id)
}

#[test]
fn several_challenges_share_a_header_or_come_in_several() {
    let (one, two) = (with_id("a"), with_id("b"));
    check(&format!("{one}, {two}"), &["a", "b"]);
    check(&format!("{one} ,, ,{two},"), &["a", "b"]);
    let ids: Vec<_> = parse([&one, &two])
        .into_iter()
        .map(|c| c.unwrap().id)
        .collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn other_schemes_may_stand_between() {
    let (one, two) = (with_id("a"), with_id("b"));
    for other in [
        r#"Basic realm="x, Payment id=", charset="UTF-8""#,
        "Negotiate",
        "Negotiate abc/+~==",
        "Bearer",
        r#"Bearer realm="r", error="invalid_token", id="not ours""#,
        r#"Digest realm = "r" , qop=auth"#,
        r#"Payments id="c""#,
    ] {
        check(&format!("{other}, {one}"), &["a"]);
        check(&format!("{one}, {other}, {two}"), &["a", "b"]);
        check(&format!("{one}, {other}"), &["a"]);
        check(other, &[]);
    }
}

#[test]
fn what_is_malformed_does_not_hide_the_others() {
    let good = with_id("b");
    for bad in [
        "Payment",
        r#"Payment id="", realm="api", method="tempo", intent="charge", request="e30""#,
        &format!("{BASIC}, id=\"again\""),
        &format!("{BASIC}, extra=1, EXTRA=2"),
        &BASIC.replace("tempo", "Tempo"),
        &BASIC.replace("e30", "e30="),
        &BASIC.replace("api", "a|b"),
        &BASIC.replace("request", "requests"),
        &format!("{BASIC}, expires=2026-01-29T12:00:00Z"),
        &format!("{BASIC}, expires=\"soon\""),
        &format!("{BASIC}, opaque=\"a|b\""),
    ] {
        check(&format!("{bad}, {good}"), &["error", "b"]);
    }
}

#[test]
fn an_unclosed_value_is_an_error_where_it_is_known() {
    check(&format!("{BASIC}, description=\"never closed"), &["error"]);
    check(
        &format!("{BASIC}, description=\"never closed\\"),
        &["error"],
    );
    check(&format!("{BASIC}, extension=\"never closed"), &["i1"]);
}

#[test]
fn bare_words_after_a_value_are_ignored() {
    check(
        &format!("{BASIC} and more, expires=\"2026-01-29T12:00:00Z\""),
        &["i1"],
    );
    let line = format!("{BASIC}, description=\"Payment for \"Premium\" service\"");
    let challenge = parse([line]).remove(0).unwrap();
    assert_eq!(challenge.description.unwrap().as_str(), "Payment for ");
}

#[test]
fn values_may_be_tokens_and_names_may_be_upper_case() {
    check(
        "Payment ID = t1 , realm=api, Method=tempo,INTENT=charge,request=e30",
        &["t1"],
    );
}

#[test]
fn everything_is_bounded() {
    let many = vec![BASIC; bounds::CHALLENGES + 2].join(", ");
    let found = parse([many]);
    assert_eq!(found.len(), bounds::CHALLENGES + 1);
    assert!(matches!(
        found.last(),
        Some(Err(ChallengeError::TooMany(_)))
    ));

    let wide = (0..=bounds::PARAMETERS).fold(BASIC.to_owned(), |mut line, number| {
        let _ = write!(line, ", p{number}=1");
        line
    });
    check(&wide, &["error"]);

    let long = format!("{BASIC}, p=\"{}\"", "x".repeat(bounds::AUTHENTICATE_HEADER));
    check(&long, &["error"]);
}

/// Texts that make a backtracking parser take minutes.
#[test]
fn escapes_without_an_end_are_read_once() {
    for tail in ["\\", "\"", "a\"", "=\"", ", x", "Payment "] {
        let line = format!("{BASIC}, fuzz=\"{}", tail.repeat(4000));
        let first = parse([line]).remove(0);
        assert_eq!(first.unwrap().id.as_str(), "i1", "{tail:?}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    let mut challenge = parse([BASIC]).remove(0).unwrap();
    challenge.description = Some(r#"a "b" \ c, Payment id="x""#.parse().unwrap());
    challenge.digest = Some("sha-256=:YQ==:".parse().unwrap());
    challenge.expires = Some("2026-01-29T13:00:00.5+01:00".parse().unwrap());
    challenge.opaque = Some("trace-123".parse().unwrap());
    challenge.header = Some("Payment-Authorization".parse().unwrap());
    let written = format(&challenge);
    assert_eq!(parse([&written]).remove(0).unwrap(), challenge, "{written}");
    assert!(http::HeaderValue::try_from(&written).is_ok());
}

#[test]
fn a_description_that_peers_write_otherwise_loses_no_challenge() {
    let read = |description: &[u8]| {
        let start =
            br#"Payment id="i", realm="r", method="m", intent="c", request="e30", description=""#;
        let line = [start, description, b"\""].concat();
        let challenge = parse([line]).remove(0).unwrap();
        challenge.description.map(|text| text.to_string())
    };
    assert_eq!(read("café".as_bytes()).as_deref(), Some("café"));
    assert_eq!(
        read(b"caf\xe9").as_deref(),
        Some("café"),
        "as JavaScript writes it"
    );
    assert_eq!(read(b""), None);
}
