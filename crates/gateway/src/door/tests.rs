use farthing::core::value::Realm;
use http::{HeaderName, HeaderValue};

use super::*;

fn site() -> Site {
    Site::new(&"api.example.com".parse::<Realm>().unwrap())
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(())
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    request
}

const HOST: (&str, &str) = ("host", "api.example.com");

#[track_caller]
fn path(target: &str, expect: Result<(), &'static str>) {
    let found = check(&request("GET", target, &[HOST]), &site());
    assert_eq!(found, expect.map_err(DoorRefusal::Path), "{target}");
}

#[test]
fn ordinary_paths_come_in() {
    for target in [
        "/",
        "/a",
        "/a/",
        "/a/b.json",
        "/...",
        "/.well-known/x",
        "/a..b/.c",
        "/%20",
        "/a%2Bb",
        "/caf%C3%A9",
        "/50%25",
        "/50%25off",
        "/50%25a",
        "/50%25%20",
        "/a;b=c",
        "/a?b=/../c&d=%2e%2e%2f%00",
        "/a?b=http://elsewhere//",
        "/~u/@me/a:b",
    ] {
        path(target, Ok(()));
    }
}

#[test]
fn what_two_readers_take_for_two_paths_does_not() {
    for (target, why) in [
        ("//a", "has an empty segment"),
        ("/a//b", "has an empty segment"),
        ("/a//", "has an empty segment"),
        ("/a/../b", "has a dot segment"),
        ("/a/./b", "has a dot segment"),
        ("/a/..", "has a dot segment"),
        ("/..", "has a dot segment"),
        ("/.", "has a dot segment"),
        ("/a/..;/b", "has a dot segment"),
        ("/a/.;x=1/b", "has a dot segment"),
        ("/a%2fb", "has an escaped slash"),
        ("/a%2Fb", "has an escaped slash"),
        ("/a%5cb", "has an escaped slash"),
        ("/%2e%2e/b", "has an escaped dot"),
        ("/.%2E/b", "has an escaped dot"),
        ("/a%00", "has an escaped control character"),
        ("/a%0d%0aHost:%20x", "has an escaped control character"),
        ("/a%7f", "has an escaped control character"),
        ("/a\\b", "has a backslash"),
        ("/a%", "has a broken escape"),
        ("/a%2", "has a broken escape"),
        ("/a%zz", "has a broken escape"),
        ("/a%u002e", "has a broken escape"),
        ("/a%+2", "has a broken escape"),
        ("/a%252e", "is escaped twice"),
        ("/a%252fb", "is escaped twice"),
        ("/a%255cb", "is escaped twice"),
        ("/a%2500", "is escaped twice"),
        ("/a%25252e", "is escaped twice"),
        ("/a%2561", "is escaped twice"),
        ("/a%25%36%31", "is escaped twice"),
        ("/a%256%31", "is escaped twice"),
        ("/é", "has a character that has to be escaped"),
    ] {
        path(target, Err(why));
    }
}

#[track_caller]
fn head(method: &str, target: &str, headers: &[(&str, &str)], expect: Result<(), DoorRefusal>) {
    let found = check(&request(method, target, headers), &site());
    assert_eq!(found, expect, "{method} {target} {headers:?}");
}

#[test]
fn the_target_is_a_path_of_this_site() {
    let at = |host| [("host", host)];
    for (target, host) in [
        ("http://api.example.com/a", "api.example.com"),
        ("https://API.example.com/a", "api.EXAMPLE.com"),
        ("http://api.example.com:8402/a", "api.example.com:8402"),
    ] {
        head("GET", target, &at(host), Ok(()));
    }
    for (target, host, refusal) in [
        (
            "http://other.example/a",
            "other.example",
            DoorRefusal::OtherSite,
        ),
        (
            "http://other.example/a",
            "api.example.com",
            DoorRefusal::OtherSite,
        ),
        (
            "ftp://api.example.com/a",
            "api.example.com",
            DoorRefusal::OtherSite,
        ),
        (
            "http://u@api.example.com/a",
            "api.example.com",
            DoorRefusal::Host("carries a user name"),
        ),
        (
            "http://api.example.com/a",
            "other.example",
            DoorRefusal::Host("is another than the target's"),
        ),
        ("*", "api.example.com", DoorRefusal::Asterisk),
        (
            "api.example.com:80",
            "api.example.com",
            DoorRefusal::AuthorityForm,
        ),
    ] {
        head("GET", target, &at(host), Err(refusal));
    }
    head(
        "GET",
        "http://api.example.com/a",
        &[],
        Err(DoorRefusal::Host("is missing")),
    );
}

#[test]
fn a_port_in_the_site_is_part_of_it() {
    let site = Site::new(&"127.0.0.1:8402".parse::<Realm>().unwrap());
    let ask = |target: &str, host| check(&request("GET", target, &[("host", host)]), &site);
    assert_eq!(ask("http://127.0.0.1:8402/", "127.0.0.1:8402"), Ok(()));
    assert_eq!(
        ask("http://127.0.0.1:80/", "127.0.0.1:80"),
        Err(DoorRefusal::OtherSite)
    );
}

#[test]
fn http_2_names_any_host_but_not_two() {
    let mut two = request("GET", "https://10.0.0.1/a", &[]);
    *two.version_mut() = Version::HTTP_2;
    assert_eq!(check(&two, &site()), Ok(()));
    two.headers_mut()
        .insert("host", HeaderValue::from_static("other.example"));
    assert_eq!(
        check(&two, &site()),
        Err(DoorRefusal::Host("is another than the target's"))
    );
}

#[test]
fn there_is_one_host() {
    for (headers, why) in [
        (&[][..], "is missing"),
        (&[HOST, HOST], "is there twice"),
        (&[("host", "")], "is no host"),
        (&[("host", "a b")], "is no host"),
        (&[("host", "u@a")], "is no host"),
        (&[("host", "a/b")], "is no host"),
        (&[("host", "a, b")], "is no host"),
    ] {
        head("GET", "/", headers, Err(DoorRefusal::Host(why)));
    }
    // Whom a client takes us for is of no consequence.
    head("GET", "/", &[("host", "localhost:1")], Ok(()));
    head("GET", "/", &[("host", "[::1]:80")], Ok(()));
    let mut old = request("GET", "/", &[]);
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(check(&old, &site()), Ok(()));
}

#[test]
fn there_is_one_length() {
    let te = ("transfer-encoding", "chunked");
    let cl = ("content-length", "5");
    head("POST", "/", &[HOST, cl], Ok(()));
    head(
        "POST",
        "/",
        &[HOST, ("transfer-encoding", "Chunked")],
        Ok(()),
    );
    for (headers, why) in [
        (&[HOST, te, cl][..], "is told in two ways"),
        (&[HOST, cl, cl], "is told twice"),
        (&[HOST, te, te], "is told twice"),
        (&[HOST, ("content-length", "+5")], "is no number"),
        (&[HOST, ("content-length", "5, 5")], "is no number"),
        (&[HOST, ("content-length", "")], "is no number"),
        (
            &[HOST, ("transfer-encoding", "gzip, chunked")],
            "is hidden in a coding other than chunked",
        ),
        (
            &[HOST, ("transfer-encoding", "identity")],
            "is hidden in a coding other than chunked",
        ),
    ] {
        head("POST", "/", headers, Err(DoorRefusal::Length(why)));
    }
}

#[test]
fn nothing_is_tunnelled_traced_or_upgraded() {
    head(
        "CONNECT",
        "example.com:443",
        &[HOST],
        Err(DoorRefusal::Connect),
    );
    head("TRACE", "/", &[HOST], Err(DoorRefusal::Trace));
    head("TRACK", "/", &[HOST], Err(DoorRefusal::Trace));
    head("get", "/", &[HOST], Err(DoorRefusal::Method));
    head("Get", "/", &[HOST], Err(DoorRefusal::Method));
    head("PROPFIND", "/", &[HOST], Ok(()));
    for protocol in ["websocket", "WebSocket", "h2c, websocket", "TLS/1.0", "h3"] {
        let headers = [HOST, ("connection", "upgrade"), ("upgrade", protocol)];
        head("GET", "/", &headers, Err(DoorRefusal::Upgrade));
    }
    head("GET", "/", &[HOST, ("upgrade", "h2c")], Ok(()));
}

#[test]
fn a_refusal_says_that_nothing_moved() {
    assert_eq!(
        DoorRefusal::Path("has a dot segment").problem().to_json(),
        r#"{"type":"urn:farthing:problem:bad-request","title":"Bad Request","status":400,"detail":"The path has a dot segment.","moneyMoved":false}"#
    );
    assert_eq!(DoorRefusal::Upgrade.problem().status(), 501);
    assert_eq!(DoorRefusal::OtherSite.problem().status(), 421);
}
