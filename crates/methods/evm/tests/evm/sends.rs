//! A transaction is sent once.

use farthing_evm::{Node, Refused, SendError};
use farthing_testkit::chain::Mining;

use crate::{
    fixture::{self, PAYEE, hasty, key, pay},
    hostile::{Hostile, Reply, result},
};

const SEND: &str = "eth_sendRawTransaction";

/// Answers a transaction as told, and is of our chain.
async fn taking(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Hostile {
    Hostile::start(move |asked, _| match asked {
        "eth_chainId" => result("0x14a34"),
        _ => reply(),
    })
    .await
}

#[tokio::test]
async fn where_somebody_may_have_received_it_nobody_else_is_sent_it() {
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let replies: [fn() -> Reply; 5] = [
        || Reply::Close,
        || Reply::Hang,
        || Reply::Status(502),
        || Reply::Body("garbage".to_owned()),
        || result(format!("0x{:064x}", 7)),
    ];
    for (at, reply) in replies.into_iter().enumerate() {
        let (first, second) = (taking(reply).await, taking(reply).await);
        let node = Node::connect(hasty(&[&first.url(), &second.url()]))
            .await
            .unwrap();
        let doubt = node.send_raw(&raw).await;
        assert!(
            matches!(doubt, Err(SendError::InDoubt(_))),
            "{at}: {doubt:?}"
        );
        assert_eq!((first.count(SEND), second.count(SEND)), (1, 0), "{at}");
    }
}

#[tokio::test]
async fn where_nobody_is_reached_the_next_is_sent_it() {
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let hash = raw.hash().to_string();
    let good = taking(move || result(hash.clone())).await;
    let node = Node::connect(hasty(&["http://127.0.0.1:1", &good.url()]))
        .await
        .unwrap();
    node.send_raw(&raw).await.unwrap();
    drop(good);
    let lost = node.send_raw(&raw).await;
    assert!(matches!(lost, Err(SendError::NotSent(_))), "{lost:?}");
}

#[tokio::test]
async fn what_a_node_has_it_has_taken_and_what_it_refuses_has_a_reason() {
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let said = |message: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32000,"message":"{message}"}}}}"#
        );
        taking(move || Reply::Body(body.clone()))
    };
    let node = async |server: &Hostile| Node::connect(hasty(&[&server.url()])).await.unwrap();
    let known = said("already known").await;
    node(&known).await.send_raw(&raw).await.unwrap();
    let cases = [
        ("nonce too low: next 5", Refused::NonceTooLow),
        ("replacement transaction underpriced", Refused::Underpriced),
        ("insufficient funds for gas", Refused::InsufficientFunds),
        ("no", Refused::Other),
    ];
    for (message, expected) in cases {
        let server = said(message).await;
        match node(&server).await.send_raw(&raw).await {
            Err(SendError::Refused { why, .. }) => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_receipt_comes_with_the_answer_where_the_node_can() {
    let Some(chain) = fixture::chain("evm: synchronous sends", Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let receipt = node.send_raw_sync(&raw).await.unwrap().unwrap();
    assert_eq!(
        (receipt.transaction_hash, receipt.succeeded()),
        (raw.hash(), true)
    );
    assert_eq!(fixture::paid(&node).await, 1);

    // Where it cannot, it is sent all the same.
    let raw = pay(&key(0), PAYEE, 1).unwrap();
    let address = chain.address();
    let old = Hostile::start(move |asked, _| match asked {
        "eth_sendRawTransactionSync" => Reply::Body(
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"?"}}"#.to_owned(),
        ),
        _ => Reply::Forward(address),
    })
    .await;
    let node = Node::connect(fixture::options(&[&old.url()]))
        .await
        .unwrap();
    assert_eq!(node.send_raw_sync(&raw).await.unwrap(), None);
    chain.mine(1).await;
    assert_eq!(fixture::paid(&node).await, 2);
}

#[tokio::test]
async fn a_receipt_that_does_not_come_in_time_leaves_a_doubt_and_not_a_failure() {
    let Some(chain) =
        fixture::chain("evm: a synchronous send without a block", Mining::Manual).await
    else {
        return;
    };
    let node = Node::connect(hasty(&[&chain.url()])).await.unwrap();
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let said = node.send_raw_sync(&raw).await;
    assert!(
        matches!(said, Ok(None) | Err(SendError::InDoubt(_))),
        "{said:?}"
    );
    chain.mine(1).await;
    assert_eq!(fixture::paid(&node).await, 1, "it was received");
}
