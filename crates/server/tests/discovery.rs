//! What a service tells of itself, and that it is what its 402 says.
//!
//! The documents are in `tests/golden/discovery`. To accept a change, run with `UPDATE_GOLDEN=1`
//! and read the difference.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

use std::{path::Path, process::Command, sync::Arc};

use axum::{Router, body::Body, extract::State};
use farthing_core::{
    header::www_authenticate,
    memory::MemoryBackend,
    noun::discovery::{Docs, Document},
    value::{Secret, Timestamp},
};
use farthing_ledger::{AccountKey, KeyType, Ledger};
use farthing_server::{
    Dynamic, Gate, Paid, Route,
    discovery::{
        Discovery, DiscoveryError, Documents, LLMS, OPENAPI, Operation, PricedRouter, Service,
        Upstream,
    },
};
use farthing_testkit::{
    clock::FakeClock,
    method::{FakeCharge, FakeRail, account},
    peer,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A gate with two methods.
fn gate() -> Gate {
    let clock = FakeClock::at(Timestamp::from_secs(1_800_000_000));
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32]).unwrap();
    let rail = Arc::new(FakeRail::new(Arc::new(clock.clone())));
    Gate::builder()
        .realm("api.example.com")
        .secret(Secret::new(vec![7; 32]))
        .store(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(clock))
        .method(Arc::new(Ledger::new(seller.account().clone())))
        .method(Arc::new(FakeCharge::new(rail, &account("seller"))))
        .build()
        .unwrap()
}

fn fixed(price: &str) -> Route {
    Route::priced(price).unwrap()
}

fn by_the_size() -> Route {
    Route::dynamic(Dynamic::new(|inputs| async move {
        Ok(format!("${}", inputs.uri.path().len()).parse()?)
    }))
    .described("Renders a page")
}

fn service() -> Service {
    Service::new("Weather", "1.2.0")
        .unwrap()
        .described("The weather of any city,\nby the request.")
        .unwrap()
        .category("data")
        .unwrap()
        .category("developer-tools")
        .unwrap()
        .docs(Docs {
            homepage: Some("https://example.com/weather".parse().unwrap()),
            ..Docs::default()
        })
}

fn check(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/discovery")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap();
    for (number, (got, expect)) in got.lines().zip(expect.lines()).enumerate() {
        let line = number + 1;
        assert_eq!(
            got, expect,
            "{name}:{line} differs; see the head of this file"
        );
    }
    assert_eq!(got.len(), expect.len(), "{name} ends otherwise");
}

fn check_documents(name: &str, documents: &Documents) {
    let document = json(documents);
    check(
        &format!("{name}.json"),
        &format!("{}\n", serde_json::to_string_pretty(&document).unwrap()),
    );
    let llms = std::str::from_utf8(documents.llms().bytes()).unwrap();
    check(&format!("{name}.txt"), llms);
    Document::parse(documents.openapi().bytes()).unwrap();
}

fn json(documents: &Documents) -> Value {
    serde_json::from_slice(documents.openapi().bytes()).unwrap()
}

/// An application with every kind of route.
fn app(gate: &Gate) -> PricedRouter {
    let paid = |paid: Paid| async move { paid.amount.to_string() };
    let free = || async { "free" };
    let dear = fixed("$0.05").price_on("ledger", "$0.04").unwrap();
    let schema = json!({
        "type": "object",
        "properties": { "text": { "type": "string" } },
        "required": ["text"],
    });
    PricedRouter::new(gate)
        .priced(
            "GET /weather/{city}",
            fixed("$0.002").described("The weather of a city"),
            paid,
        )
        .unwrap()
        .free("POST /weather/{city}", free)
        .unwrap()
        .priced("POST /render", by_the_size(), paid)
        .unwrap()
        .told(|operation| operation.accepts(schema.clone()).answers(json!({})))
        .priced("PUT /render", dear, paid)
        .unwrap()
        .priced("GET /archive/*", fixed("0.01 USD"), paid)
        .unwrap()
        .free("GET /health", free)
        .unwrap()
        .told(|operation| operation.summary("Whether it\nis up"))
}

async fn ask(app: &Router, method: &Method, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path);
    app.clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    response
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec()
}

#[tokio::test]
async fn a_service_tells_what_it_costs() {
    let discovery = Discovery::new(service())
        .at("https://api.example.com/")
        .unwrap();
    let app = app(&gate()).discovered(discovery).unwrap();
    let document = bytes(ask(&app, &Method::GET, OPENAPI).await).await;
    let document: Value = serde_json::from_slice(&document).unwrap();
    check(
        "service.json",
        &format!("{}\n", serde_json::to_string_pretty(&document).unwrap()),
    );
    let llms = bytes(ask(&app, &Method::GET, LLMS).await).await;
    check("service.txt", std::str::from_utf8(&llms).unwrap());
}

/// The draft lets the 402 win where the two differ. Here they never do.
#[tokio::test]
async fn the_document_says_what_the_402_says() {
    let app = app(&gate()).discovered(Discovery::new(service())).unwrap();
    let document = bytes(ask(&app, &Method::GET, OPENAPI).await).await;
    let document = Document::parse(&document).unwrap();
    let (mut priced, mut free) = (0, 0);
    for operation in &document.operations {
        let path = operation.path.replace(['{', '}'], "");
        let response = ask(&app, &operation.method, &path).await;
        let Some(info) = &operation.payment else {
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert!(!operation.declares_402);
            free += 1;
            continue;
        };
        assert_eq!(response.status(), StatusCode::PAYMENT_REQUIRED, "{path}");
        assert!(operation.declares_402);
        let lines = response.headers().get_all("www-authenticate").iter();
        let challenges = www_authenticate::parse(lines.map(HeaderValue::as_bytes));
        let asked: Vec<_> = challenges
            .into_iter()
            .map(|challenge| {
                let challenge = challenge.unwrap();
                let request = challenge.request.value();
                let text = |name: &str| request[name].as_str().map(ToOwned::to_owned);
                (
                    challenge.intent,
                    challenge.method,
                    text("amount"),
                    text("currency"),
                )
            })
            .collect();
        let info = info.as_ref().unwrap();
        assert!(info.extra.is_empty(), "the draft's schema allows no more");
        let told = info.offers();
        assert_eq!(told.len(), asked.len(), "{path}");
        for (told, (intent, method, amount, currency)) in told.iter().zip(asked) {
            assert_eq!((&told.intent, &told.method), (&intent, &method));
            assert!(told.extra.is_empty(), "the draft's schema allows no more");
            if told.amount.is_some() {
                assert_eq!(told.amount.map(|amount| amount.to_string()), amount);
                assert_eq!(told.currency.as_ref().map(ToString::to_string), currency);
            } else {
                assert_eq!(&*operation.path, "/render");
            }
        }
        priced += 1;
    }
    assert_eq!((priced, free), (4, 2));
}

#[tokio::test]
async fn the_documents_are_served_cheaply() {
    let app = app(&gate()).discovered(Discovery::new(service())).unwrap();
    for (path, kind) in [
        (OPENAPI, "application/json"),
        (LLMS, "text/plain; charset=utf-8"),
    ] {
        let full = ask(&app, &Method::GET, path).await;
        assert_eq!(full.status(), StatusCode::OK);
        let headers = full.headers().clone();
        assert_eq!(headers["content-type"], kind);
        assert_eq!(headers["cache-control"], "max-age=300");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("www-authenticate"));
        let length = bytes(full).await.len();
        assert_eq!(headers["content-length"], length.to_string().as_str());

        let head = ask(&app, &Method::HEAD, path).await;
        assert_eq!(head.status(), StatusCode::OK);
        assert_eq!(
            head.headers()["content-length"],
            length.to_string().as_str()
        );
        assert_eq!(head.headers()["etag"], headers["etag"]);
        assert!(bytes(head).await.is_empty());

        let etag = headers["etag"].to_str().unwrap();
        for (tags, known) in [
            (etag.to_owned(), true),
            (format!("\"x\", W/{etag}"), true),
            ("*".to_owned(), true),
            ("\"x\"".to_owned(), false),
            (etag.trim_matches('"').to_owned(), false),
        ] {
            let request = Request::get(path).header("if-none-match", &tags);
            let request = request.body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            let expect = if known {
                StatusCode::NOT_MODIFIED
            } else {
                StatusCode::OK
            };
            assert_eq!(response.status(), expect, "{tags}");
            assert_eq!(response.headers()["etag"], headers["etag"]);
            assert_eq!(bytes(response).await.is_empty(), known);
        }
        let post = ask(&app, &Method::POST, path).await;
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn a_priced_router_is_a_router() {
    let sold = |State(word): State<&'static str>, paid: Paid| async move {
        format!("{word} for {}", paid.amount)
    };
    let app: Router = PricedRouter::new(&gate())
        .priced("GET /{*path}", fixed("$0.002"), sold)
        .unwrap()
        .free(
            "GET /health",
            |State(word): State<&'static str>| async move { word },
        )
        .unwrap()
        .discovered(Discovery::new(service()))
        .unwrap()
        .with_state("fine");
    let status = async |method: Method, path: &str| ask(&app, &method, path).await.status();
    assert_eq!(
        status(Method::GET, "/a/b").await,
        StatusCode::PAYMENT_REQUIRED
    );
    assert_eq!(
        status(Method::HEAD, "/a").await,
        StatusCode::PAYMENT_REQUIRED
    );
    // Nobody is asked to pay for a method that the route does not have.
    assert_eq!(
        status(Method::PUT, "/a").await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        bytes(ask(&app, &Method::GET, "/health").await).await,
        b"fine"
    );
    // What takes every path does not take those of the documents.
    assert_eq!(status(Method::GET, OPENAPI).await, StatusCode::OK);
    assert_eq!(status(Method::GET, LLMS).await, StatusCode::OK);
}

#[test]
fn a_door_of_its_own_asks_for_the_answer() {
    let build = |title: &str| {
        let service = Service::new(title, "1").unwrap();
        let health = Operation::new(Method::GET, "/health", None).unwrap();
        Discovery::new(service).operation(health).build().unwrap()
    };
    let documents = build("A");
    let none = HeaderMap::new();
    let answer = |method: &Method, path: &str| documents.answer(method, path, &none);
    let openapi = answer(&Method::GET, OPENAPI).unwrap();
    assert_eq!(openapi.body(), documents.openapi().bytes());
    let llms = answer(&Method::HEAD, LLMS).unwrap();
    assert_eq!(llms.body(), documents.llms().bytes());
    assert!(answer(&Method::POST, OPENAPI).is_none());
    assert!(answer(&Method::GET, "/openapi.json/").is_none());
    assert_eq!(documents.openapi().etag(), build("A").openapi().etag());
    assert_ne!(documents.openapi().etag(), build("B").openapi().etag());
}

/// The routes of a gateway in front of `upstream-3.0.json` and `upstream-3.1.json`.
fn routes(gate: &Gate) -> Vec<Operation> {
    let priced = |method, pattern, price: &str| {
        let route = gate.route(fixed(price)).unwrap();
        Operation::new(method, pattern, Some(&route)).unwrap()
    };
    let any = gate.route(fixed("$1")).unwrap();
    vec![
        priced(Method::GET, "/v1/weather/*", "$0.002"),
        priced(Method::GET, "/v1/weather/{city}/daily", "$0.003"),
        priced(Method::GET, "/v1/weather/london", "$0.01"),
        priced(Method::POST, "/v1/reports", "$0.05"),
        Operation::new(Method::GET, "/v1/health", None).unwrap(),
        Operation::any("/v1/raw/*", Some(&any)).unwrap(),
        priced(Method::PUT, "/v1/raw/{id}", "$2"),
        priced(Method::from_bytes(b"PURGE").unwrap(), "/v1/cache", "$3"),
    ]
}

fn upstream(name: &str) -> Upstream {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/discovery")
        .join(name);
    Upstream::parse(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn an_upstreams_document_is_told_with_our_prices() {
    for version in ["3.0", "3.1"] {
        let upstream = upstream(&format!("upstream-{version}.json")).without_security("key");
        let documents = Discovery::new(service())
            .at("https://api.example.com")
            .unwrap()
            .operations(routes(&gate()))
            .upstream(upstream)
            .build()
            .unwrap();
        check_documents(&format!("merged-{version}"), &documents);
        let text = json(&documents).to_string();
        for hidden in [
            "admin",
            "internal.example",
            "free of charge",
            "999",
            "ApiKey",
        ] {
            assert!(!text.contains(hidden), "{version}: {hidden} is told");
        }
    }
}

#[test]
fn without_a_word_of_the_upstream_the_routes_are_told() {
    let documents = Discovery::new(service())
        .operations(routes(&gate()))
        .build()
        .unwrap();
    check_documents("routes", &documents);
}

#[test]
fn every_scheme_of_an_upstream_can_be_left_out() {
    let documents = Discovery::new(service())
        .operations(routes(&gate()))
        .upstream(upstream("upstream-3.1.json").without_any_security())
        .build()
        .unwrap();
    let document = json(&documents);
    assert!(document["components"].get("securitySchemes").is_none());
    assert_eq!(
        document["paths"]["/v1/reports"]["post"]["security"],
        json!([])
    );
}

/// Every document of ours among the golden files, as other people's software reads it.
#[test]
fn others_find_nothing_wrong_with_the_documents() {
    let ours = ["service", "routes", "merged-3.0", "merged-3.1"];
    let file = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/discovery");
        folder.join(format!("{name}.json"))
    };
    if let Some(folder) = peer::or_skip("documents by a validator", peer::npm("openapi")) {
        let script = "
            import { readFileSync } from 'node:fs'
            import { Validator } from '@seriousme/openapi-schema-validator'
            for (const file of process.argv.slice(1)) {
              const told = await new Validator().validate(JSON.parse(readFileSync(file, 'utf8')))
              console.log(told.valid ? 'fine' : JSON.stringify(told.errors))
            }";
        for name in ours {
            assert_eq!(run(&folder, script, &file(name)), "fine\n", "{name}");
        }
        let broken = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&broken, r#"{"openapi":"3.1.0","info":{},"paths":{}}"#).unwrap();
        assert_ne!(run(&folder, script, broken.path()), "fine\n");
    }
    if let Some(folder) = peer::or_skip("documents by mppx", peer::npm("mppx")) {
        let script = "
            import { readFileSync } from 'node:fs'
            import { validate } from 'mppx/discovery'
            for (const file of process.argv.slice(1)) {
              for (const { severity, message, path } of validate(JSON.parse(readFileSync(file, 'utf8'))))
                console.log(`${severity}: ${message}: ${path}`)
            }";
        // A seller may leave unsaid what a body has to hold, and is told so.
        let unsaid =
            "warning: Operation with x-payment-info has no requestBody: paths./render.put\n";
        assert_eq!(run(&folder, script, &file("service")), unsaid);
        for name in ours {
            assert!(
                !run(&folder, script, &file(name)).contains("error:"),
                "{name}"
            );
        }
        let broken = tempfile::NamedTempFile::new().unwrap();
        let text = std::fs::read_to_string(file("service")).unwrap();
        std::fs::write(&broken, text.replace("\"402\"", "\"403\"")).unwrap();
        assert!(run(&folder, script, broken.path()).contains("error:"));
    }
}

/// What a script of a peer's says about a file.
fn run(folder: &Path, script: &str, file: &Path) -> String {
    let output = Command::new("node")
        .args(["--input-type=module", "-e", script])
        .arg(file)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_hides_a_document_is_told_or_meant() {
    let discovery = |method: Method, path: &str| {
        Discovery::new(service())
            .operation(Operation::new(method, path, None).unwrap())
            .operation(Operation::new(Method::GET, "/health", None).unwrap())
    };
    for path in [OPENAPI, LLMS] {
        for method in [Method::GET, Method::HEAD] {
            let refused = discovery(method.clone(), path).build().unwrap_err();
            assert!(matches!(refused, DiscoveryError::Shadowed(_)), "{refused}");
            let documents = discovery(method, path).yield_to_routes().build().unwrap();
            assert!(
                documents
                    .answer(&Method::GET, path, &HeaderMap::new())
                    .is_none()
            );
            assert_eq!(documents.pages().count(), 1);
        }
        let documents = discovery(Method::POST, path).build().unwrap();
        assert_eq!(documents.pages().count(), 2);
    }
    // What takes everything hides nothing: the document's path is the more specific one.
    let documents = discovery(Method::GET, "/*").build().unwrap();
    assert_eq!(documents.pages().count(), 2);
}

#[test]
fn what_cannot_be_told_is_refused() {
    let check = |result: Result<Documents, DiscoveryError>, expect: &str| {
        assert_eq!(result.unwrap_err().to_string(), expect);
    };
    let get = |path: &str| Operation::new(Method::GET, path, None).unwrap();
    check(
        Discovery::new(service()).build(),
        "there is no operation to tell of",
    );
    check(
        Discovery::new(service())
            .operations([get("/a/{x}"), get("/a/{y}")])
            .build(),
        "the operation \"GET /a/{y}\" is there twice",
    );
    for url in [
        "api.example.com",
        "ftp://a.example",
        "https://a.example/?x",
        "https://me@a.example",
        "https://a b",
        "",
    ] {
        let refused = Discovery::new(service()).at(url).unwrap_err();
        assert!(matches!(refused, DiscoveryError::Url { .. }), "{url}");
    }
    let refused = |service: Result<Service, DiscoveryError>| service.unwrap_err().to_string();
    assert_eq!(
        refused(Service::new(" ", "1")),
        "the service's title cannot be: it is empty"
    );
    assert_eq!(
        refused(Service::new("A\nB", "1")),
        "the service's title cannot be: control characters are not allowed"
    );
    assert_eq!(
        refused(Service::new("A", &"1".repeat(257))),
        "the service's version cannot be: it is too long"
    );
    assert_eq!(
        refused(service().category("Data")),
        "the service's category cannot be: write it in lower case, with hyphens between words"
    );
    let full = ["a", "b", "c"]
        .into_iter()
        .try_fold(service(), Service::category)
        .unwrap();
    assert_eq!(
        refused(full.category("d")),
        "the service's category cannot be: there are five, and registries take no more"
    );
}

#[test]
fn a_router_refuses_what_axum_would_panic_about() {
    let gate = gate();
    let free = || async { "free" };
    let check = |key: &str, expect: &str| {
        let router = PricedRouter::<()>::new(&gate)
            .free("GET /a/{x}", free)
            .unwrap()
            .free("POST /a/{x}", free)
            .unwrap();
        let refused = router.free(key, free).unwrap_err();
        assert_eq!(refused.to_string(), expect);
    };
    check("GET /a/{x}", "the operation \"GET /a/{x}\" is there twice");
    check("GET /a/{y}", "the route \"GET /a/{y}\" cannot be added");
    check("PUT /a/{y}", "the route \"PUT /a/{y}\" cannot be added");
    check("PURGE /b", "the route \"PURGE /b\" cannot be added");
    check(
        "/b",
        "\"/b\" is not a route: write it like \"GET /weather/{city}\"",
    );
    check(
        "GET b",
        "\"GET b\" is not a route: write it like \"GET /weather/{city}\"",
    );
    check(
        "GET /:b",
        "\"/:b\" is no path pattern: a parameter is written {name}, and everything below {*name}",
    );
    let too_fine = PricedRouter::<()>::new(&gate).priced("GET /b", fixed("$0.0000000001"), free);
    assert!(matches!(too_fine, Err(DiscoveryError::Price { .. })));
    let hidden = PricedRouter::<()>::new(&gate).free("GET /openapi.json", free);
    let hidden = hidden.unwrap().discovered(Discovery::new(service()));
    assert!(matches!(hidden, Err(DiscoveryError::Shadowed(_))));
    let plain = PricedRouter::<()>::new(&gate).free("GET /a", free).unwrap();
    let _: Router = plain.into_router();
}

/// Any document with the words of OpenAPI in it, at places where they may or may not belong.
fn almost_openapi() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "get",
        "post",
        "/a",
        "/a/{b}",
        "/{c}/b",
        "servers",
        "url",
        "responses",
        "402",
        "x-payment-info",
        "$ref",
        "schemas",
        "schema",
        "links",
        "server",
        "callbacks",
        "security",
        "securitySchemes",
        "key",
        "tags",
        "name",
        "parameters",
        "discriminator",
        "mapping",
        "pathItems",
        "summary",
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!("#/components/schemas/key")),
        Just(json!("#/components/pathItems/get")),
        Just(json!([{"url": "https://internal.example"}])),
        proptest::sample::select(WORDS).prop_map(Value::from),
    ];
    let any = leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(proptest::sample::select(WORDS), inner, 0..6).prop_map(
                |members| members
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect()
            ),
        ]
    });
    let item = proptest::collection::btree_map(proptest::sample::select(WORDS), any.clone(), 0..6);
    let paths = proptest::collection::btree_map(
        proptest::sample::select(vec!["/a", "/a/{b}", "/{c}/b", "/x/y/z"]),
        item,
        0..4,
    );
    (paths, any.clone(), any.clone(), any).prop_map(|(paths, components, tags, security)| {
        json!({
            "openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths,
            "components": components, "tags": tags, "security": security,
        })
    })
}

proptest! {
    #[test]
    fn no_document_of_an_upstream_breaks_ours(document in almost_openapi()) {
        let Ok(upstream) = Upstream::parse(document.to_string().as_bytes()) else { return Ok(()) };
        let gate = gate();
        let route = gate.route(fixed("$0.002")).unwrap();
        let mut operations = vec![
            Operation::new(Method::GET, "/a/*", Some(&route)).unwrap(),
            Operation::new(Method::POST, "/{x}/b", None).unwrap(),
            Operation::new(Method::POST, "/{y}/{z}/b", None).unwrap(),
        ];
        let build = |operations: &[Operation]| Discovery::new(service())
            .operations(operations.iter().cloned())
            .upstream(upstream.clone().without_security("key"))
            .build()
            .unwrap();
        let documents = build(&operations);
        operations.reverse();
        let again = build(&operations);
        prop_assert_eq!(documents.openapi().bytes(), again.openapi().bytes());
        let read = Document::parse(documents.openapi().bytes()).unwrap();
        for operation in &read.operations {
            let priced = operation.method == Method::GET;
            prop_assert!(operation.path.starts_with("/a/") || operation.path.ends_with("/b"));
            prop_assert_eq!(operation.declares_402, priced);
            match &operation.payment {
                Some(info) => prop_assert_eq!(info.as_ref().unwrap(), &route.payment_info()),
                None => prop_assert!(!priced),
            }
        }
    }
}
