//! Reads: which endpoint is asked, what is believed, whose fault it is.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use farthing_evm::{At, CallRequest, Node, NodeOptions, Request, RpcError, request};
use farthing_testkit::chain::Mining;
use serde_json::{Value, json};

use crate::{
    fixture::{self, CHAIN, PAYEE, hasty},
    hostile::{Hostile, Reply, result},
};

/// A node of our chain that answers everything else with a reply of one's own.
async fn ours(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Hostile {
    Hostile::start(move |asked, _| match asked {
        "eth_chainId" => result("0x14a34"),
        asked => reply(asked),
    })
    .await
}

async fn good() -> Hostile {
    ours(|_| result("0x7")).await
}

fn balance() -> Request<farthing_evm::U256> {
    request::balance(PAYEE, At::Latest)
}

async fn ask(urls: &[&str]) -> Result<u64, RpcError> {
    let node = Node::connect(hasty(urls)).await?;
    Ok(node.ask(balance()).await?.to())
}

#[tokio::test]
async fn an_endpoint_of_another_chain_stops_the_start() {
    let other = Hostile::start(|_, _| result("0x1")).await;
    let good = good().await;
    let refused = Node::connect(hasty(&[&good.url(), &other.url()])).await;
    let Err(RpcError::WrongChain {
        expected,
        found,
        endpoint,
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((expected, found, endpoint), (CHAIN, 1, other.url()));
}

#[tokio::test]
async fn a_chain_that_nobody_was_asked_about_is_checked_before_it_is_believed() {
    let other = Hostile::start(|_, _| result("0x1")).await;
    let node = Node::new(hasty(&[&other.url()])).unwrap();
    assert_eq!(other.count("eth_chainId"), 0, "nobody was asked");
    let refused = node.ask(balance()).await;
    assert!(matches!(
        refused,
        Err(RpcError::WrongChain { found: 1, .. })
    ));
    assert_eq!(other.count("eth_getBalance"), 0);
    let checked = Node::new(hasty(&[&other.url()])).unwrap().check().await;
    assert!(matches!(
        checked,
        Err(RpcError::WrongChain { found: 1, .. })
    ));

    // One that is not up yet is asked once it is.
    let is_up = Arc::new(AtomicBool::new(false));
    let now = is_up.clone();
    let late = Hostile::start(move |asked, _| match (asked, now.load(Ordering::SeqCst)) {
        (_, false) => Reply::Close,
        ("eth_chainId", true) => result("0x14a34"),
        (_, true) => result("0x7"),
    })
    .await;
    let node = Node::new(hasty(&[&late.url()])).unwrap();
    let silent = node.check().await.unwrap_err();
    assert!(silent.is_unavailable(), "{silent}");
    is_up.store(true, Ordering::SeqCst);
    node.check().await.unwrap();
    assert_eq!(node.ask(balance()).await.unwrap().to::<u64>(), 7);
    assert!(Node::new(hasty(&[])).is_err());
}

#[tokio::test]
async fn another_chain_behind_a_connection_that_broke_is_not_asked() {
    let moved = Arc::new(AtomicBool::new(false));
    let now = moved.clone();
    let turncoat = Hostile::start(move |asked, _| match (asked, now.load(Ordering::SeqCst)) {
        ("eth_chainId", false) => result("0x14a34"),
        ("eth_chainId", true) => result("0x1"),
        (_, false) => {
            now.store(true, Ordering::SeqCst);
            Reply::Close
        }
        (_, true) => result("0x63"),
    })
    .await;
    let node = Node::connect(hasty(&[&turncoat.url()])).await.unwrap();
    let refused = node.ask(balance()).await;
    assert!(
        matches!(refused, Err(RpcError::WrongChain { found: 1, .. })),
        "{refused:?}"
    );
    assert_eq!(
        turncoat.count("eth_getBalance"),
        1,
        "it was not asked again"
    );

    moved.store(false, Ordering::SeqCst);
    let good = good().await;
    let urls = [&*turncoat.url(), &*good.url()];
    assert_eq!(ask(&urls).await.unwrap(), 7);
}

#[tokio::test]
async fn what_does_not_answer_is_passed_over() {
    let good = good().await;
    let bad: [(fn() -> Reply, bool); 7] = [
        (|| Reply::Hang, false),
        (|| Reply::Close, false),
        (|| Reply::Status(503), false),
        (|| Reply::Body("garbage".to_owned()), true),
        (
            || Reply::Body(r#"{"jsonrpc":"2.0","id":9,"result":"0x63"}"#.to_owned()),
            true,
        ),
        (|| result("ninety-nine"), true),
        (|| result(json!({"deep": "x".repeat(100)})), true),
    ];
    for (at, (reply, nonsense)) in bad.into_iter().enumerate() {
        let bad = ours(move |_| reply()).await;
        // What has the wrong form is an answer all the same, and another endpoint is not asked.
        if at < 5 {
            assert_eq!(ask(&[&bad.url(), &good.url()]).await.unwrap(), 7, "{at}");
        }
        let error = ask(&[&bad.url()]).await.unwrap_err();
        assert_eq!(
            matches!(error, RpcError::Nonsense { .. }),
            nonsense,
            "{at}: {error:?}"
        );
        assert!(error.is_unavailable(), "{at}");
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let endless = ours(|_| Reply::Endless).await;
    let options = NodeOptions {
        max_answer: 100_000,
        attempt: fixture::PATIENCE,
        ..hasty(&[&endless.url()])
    };
    let node = Node::connect(options).await.unwrap();
    let error = node.ask(balance()).await.unwrap_err();
    assert!(matches!(error, RpcError::Nonsense { .. }), "{error:?}");
}

#[tokio::test]
async fn a_read_is_asked_again_and_one_that_is_down_at_the_start_is_used_later() {
    let times = AtomicUsize::new(0);
    let weary = ours(move |_| match times.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Body(
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slow down"}}"#.to_owned(),
        ),
        _ => result("0x5"),
    })
    .await;
    assert_eq!(ask(&[&weary.url()]).await.unwrap(), 5);
    assert_eq!(weary.count("eth_getBalance"), 2);

    let nobody = "http://127.0.0.1:1";
    assert_eq!(ask(&[nobody, &weary.url()]).await.unwrap(), 5);
    let error = ask(&[nobody]).await.unwrap_err();
    assert!(matches!(error, RpcError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_endpoint_is_not_shown_with_its_path_and_is_not_spoken_to_in_the_open() {
    let options = hasty(&["https://node.example/v1/secret-key?token=secret"]);
    let shown = format!("{options:?}");
    assert!(
        shown.contains("https://node.example") && !shown.contains("secret"),
        "{shown}"
    );
    let error = ask(&["http://127.0.0.1:1/secret-key"]).await.unwrap_err();
    assert!(!said(&error).contains("secret"), "{}", said(&error));
    for url in ["http://node.example", "ftp://127.0.0.1"] {
        let error = ask(&[url]).await.unwrap_err();
        assert!(matches!(error, RpcError::Misconfigured { .. }), "{error:?}");
    }
    assert!(matches!(
        ask(&[]).await,
        Err(RpcError::Misconfigured { .. })
    ));
}

/// An error with everything behind it.
fn said(error: &RpcError) -> String {
    let mut said = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        said = format!("{said}: {error} {error:?}");
        source = error.source();
    }
    said
}

#[tokio::test]
async fn a_real_node_says_whose_fault_it_is() {
    let test = "evm: errors of a node";
    let Some(chain) = fixture::chain(test, Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    // Answers `Error("no")` to everything.
    let refusing = "0x6064600c60003960646000fd".to_owned()
        + "08c379a0"
        + &format!("{:064x}{:064x}6e6f{:060x}", 32, 2, 0);
    let contract = "0x2222222222222222222222222222222222222222";
    chain.set_code(contract, &refusing).await;
    let call = CallRequest {
        to: contract.parse().unwrap(),
        ..CallRequest::default()
    };
    match node.ask(request::call(&call, At::Latest)).await {
        Err(RpcError::Reverted(revert)) => assert_eq!(revert.reason().as_deref(), Some("no")),
        other => panic!("{other:?}"),
    }
    let unknown: Request<Value> = Request::new("tempo_simulateV1", json!([]));
    let error = node.ask(unknown).await.unwrap_err();
    assert!(matches!(error, RpcError::Unsupported { .. }), "{error:?}");
    let wrong: Request<Value> = Request::new("eth_getBalance", json!([]));
    let error = node.ask(wrong).await.unwrap_err();
    assert!(
        matches!(error, RpcError::Rejected { code: -32602, .. }),
        "{error:?}"
    );
    assert!(!error.is_unavailable());

    let (latest, chain_id) = node
        .ask2(request::block(At::Latest), request::chain_id())
        .await
        .unwrap();
    assert_eq!((latest.unwrap().number(), chain_id.to()), (0, CHAIN.get()));
    let many = vec![request::block(At::Block(0)); 250];
    let blocks = node.ask_all(&many).await.unwrap();
    assert_eq!(blocks.len(), 250);
    assert!(blocks.iter().all(|block| block.as_ref().unwrap().is_some()));
}
