//! What became of a transaction, on a real chain and with a node that lies about it.

use std::time::Duration;

use farthing_core::value::Timestamp;
use farthing_evm::{
    Address, At, Death, Fate, Mortality, Node, NonceRead, RawTransaction, RpcError, Watched, look,
    request, wait,
};
use farthing_testkit::chain::Mining;
use serde_json::Value;

use crate::{
    fixture::{self, PATIENCE, PAYEE, key, options, paid, pay},
    hostile::{Hostile, Reply, result},
};

fn watched(raw: &RawTransaction, nonce: u64) -> Watched {
    Watched {
        hash: raw.hash(),
        dies: Mortality {
            nonce: Some((NonceRead::Account(key(0).address()), nonce)),
            valid_before: None,
        },
        raw: None,
    }
}

#[tokio::test]
async fn each_fate_on_a_real_chain() {
    let Some(chain) = fixture::chain("evm: fates", Mining::Manual).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let one = watched(&raw, 0);
    assert_eq!(look(&node, &one).await.unwrap(), Fate::Unseen);
    node.send_raw(&raw).await.unwrap();
    node.send_raw(&raw)
        .await
        .expect("a transaction it has is taken");
    assert_eq!(look(&node, &one).await.unwrap(), Fate::Pending);
    chain.mine(1).await;
    match look(&node, &one).await.unwrap() {
        Fate::Included(receipt) => assert_eq!(receipt.block_number(), 1),
        other => panic!("{other:?}"),
    }

    // A later block, so that the receipt's is not the last one.
    let refusing = Address::repeat_byte(0x61);
    chain.set_code(&refusing.to_string(), "0x60006000fd").await;
    let fails = pay(&key(0), refusing, 1).unwrap();
    node.send_raw(&fails).await.unwrap();
    chain.mine(3).await;
    let fate = wait(&node, &watched(&fails, 1), PATIENCE).await.unwrap();
    assert!(matches!(fate, Fate::Reverted(_)), "{fate:?}");

    // Its nonce is used by another.
    let late = pay(&key(0), Address::repeat_byte(0x43), 1).unwrap();
    let fate = wait(&node, &watched(&late, 1), PATIENCE).await.unwrap();
    assert_eq!(fate, Fate::Dead(Death::NonceUsed));
    assert_eq!(paid(&node).await, 1);
}

#[tokio::test]
async fn what_was_valid_until_a_time_is_dead_by_the_chains_clock() {
    let Some(chain) = fixture::chain("evm: expiry", Mining::Manual).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let latest = node.ask(request::block(At::Latest)).await.unwrap().unwrap();
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let mut one = watched(&raw, 0);
    one.dies.valid_before = Some(latest.time().saturating_add(Duration::from_secs(30)));
    assert_eq!(look(&node, &one).await.unwrap(), Fate::Unseen);
    chain.advance(Duration::from_secs(31)).await;
    assert_eq!(look(&node, &one).await.unwrap(), Fate::Dead(Death::Expired));
    one.dies.valid_before = Some(Timestamp::FAR);
    assert_eq!(look(&node, &one).await.unwrap(), Fate::Unseen);
}

/// A node that changes one answer of a real one.
async fn liar(
    chain: &farthing_testkit::chain::Chain,
    known: Value,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
) -> (Hostile, Node) {
    let node = fixture::node(chain).await;
    let receipt: farthing_evm::Request<Value> = farthing_evm::Request::new(
        "eth_getTransactionReceipt",
        serde_json::json!([pay(&key(0), PAYEE, 0).unwrap().hash()]),
    );
    let mut lie = node.ask(receipt).await.unwrap();
    change(&mut lie);
    let block: farthing_evm::Request<Value> =
        farthing_evm::Request::new("eth_getBlockByNumber", serde_json::json!(["latest", false]));
    let latest = node.ask(block).await.unwrap();
    let address = chain.address();
    let server = Hostile::start(move |asked, _| match asked {
        "eth_getBlockByNumber,eth_getTransactionCount,eth_getTransactionByHash,eth_getTransactionReceipt" => {
            Reply::Results(vec![latest.clone(), "0x1".into(), known.clone(), lie.clone()])
        }
        "eth_chainId" => result("0x14a34"),
        _ => Reply::Forward(address),
    })
    .await;
    let node = Node::connect(options(&[&server.url()])).await.unwrap();
    (server, node)
}

#[tokio::test]
async fn a_receipt_is_not_believed_when_it_is_of_something_else() {
    let Some(chain) = fixture::chain("evm: false receipts", Mining::Automatic).await else {
        return;
    };
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    let node = fixture::node(&chain).await;
    wait(
        &node,
        &Watched {
            raw: Some(raw.clone()),
            ..watched(&raw, 0)
        },
        PATIENCE,
    )
    .await
    .unwrap();
    let one = watched(&raw, 0);

    let (_server, node) = liar(&chain, Value::Null, |_| {}).await;
    assert!(matches!(look(&node, &one).await, Ok(Fate::Included(_))));
    // Of a block that the chain does not have.
    let (_server, node) = liar(&chain, Value::Null, |receipt| {
        receipt["blockHash"] = format!("0x{:064x}", 7).into();
    })
    .await;
    assert_eq!(look(&node, &one).await.unwrap(), Fate::Pending);
    let lies: [fn(&mut Value); 4] = [
        |receipt| receipt["transactionHash"] = format!("0x{:064x}", 7).into(),
        |receipt| receipt["status"] = "0x2".into(),
        |receipt| receipt["logs"] = "none".into(),
        |receipt| *receipt = "yes".into(),
    ];
    for lie in lies {
        let (_server, node) = liar(&chain, Value::Null, lie).await;
        let told = look(&node, &one).await;
        assert!(matches!(told, Err(RpcError::Nonsense { .. })), "{told:?}");
    }
    // A nonce that is used and a receipt that is not told prove a death; nothing less does.
    let (_server, node) = liar(&chain, Value::Null, |receipt| *receipt = Value::Null).await;
    assert_eq!(
        look(&node, &one).await.unwrap(),
        Fate::Dead(Death::NonceUsed)
    );
    assert_eq!(look(&node, &watched(&raw, 1)).await.unwrap(), Fate::Unseen);
    // Nor does it where the node still knows the transaction.
    let known = serde_json::json!({"hash": raw.hash(), "blockNumber": null});
    let (_server, node) = liar(&chain, known, |receipt| *receipt = Value::Null).await;
    assert_eq!(look(&node, &one).await.unwrap(), Fate::Pending);
}
