//! Transfers that get lost on the way: at the end the recipient has the amount once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use farthing_evm::{Address, Bytes, Node, keccak256};
use farthing_tempo::tip20::{Standing, TransferError};
use farthing_testkit::chain::{
    Mining,
    hostile::{Hostile, Reply, result},
};
use serde_json::json;

use crate::{
    transfers::done,
    world::{PATH, PATIENCE, PAYEE, World, account, key, options, order},
};

/// A way to the chain on which what is sent is treated as the test says, until told otherwise.
struct Way {
    server: Hostile,
    broken: Arc<AtomicBool>,
}

impl Way {
    async fn new(
        world: &World,
        sends: impl Fn(std::net::SocketAddr) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (chain, broken) = (world.chain.address(), Arc::new(AtomicBool::new(true)));
        let still = broken.clone();
        let server = Hostile::start(move |asked, _| {
            if asked.starts_with("eth_sendRawTransaction") && still.load(Ordering::SeqCst) {
                return sends(chain);
            }
            Reply::Forward(chain)
        })
        .await;
        Self { server, broken }
    }

    async fn node(&self) -> Node {
        Node::connect(options(&self.server.url())).await.unwrap()
    }

    fn mend(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_second_transfer() {
    let Some(world) = World::new("tip20: a lost answer").await else {
        return;
    };
    let before = world.balance(PATH, account(0)).await;
    let way = Way::new(&world, Reply::Swallow).await;
    let transfers = world.transfers_by(way.node().await, key(0));
    let sent = transfers.send(b"a", &order(10)).await.unwrap();
    assert!(matches!(sent, Standing::Waiting { .. }), "{sent:?}");
    // It was made, and whoever asks is told so: here, and in a process that starts again.
    let ended = transfers.finish(b"a", PATIENCE).await.unwrap().unwrap();
    let fee = done(&ended);
    way.mend();
    let again = world.transfers_by(way.node().await, key(0));
    assert_eq!(again.send(b"a", &order(10)).await.unwrap(), ended);
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
    assert_eq!(world.balance(PATH, account(0)).await, before - 10 - fee);
}

#[tokio::test]
async fn what_never_arrived_is_sent_again_as_it_was() {
    let Some(world) = World::new("tip20: never arrived").await else {
        return;
    };
    let way = Way::new(&world, |_| Reply::Close).await;
    let transfers = world.transfers_by(way.node().await, key(0));
    let sent = transfers.send(b"a", &order(10)).await.unwrap();
    assert!(matches!(sent, Standing::Waiting { .. }), "{sent:?}");
    assert_eq!(world.balance(PATH, PAYEE).await, 0);
    way.mend();
    let ended = transfers.finish(b"a", PATIENCE).await.unwrap().unwrap();
    done(&ended);
    assert_eq!(ended.hash(), sent.hash());
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
}

#[tokio::test]
async fn what_waits_for_its_block_is_not_signed_again() {
    let Some(world) = World::mining("tip20: waits", Mining::Manual).await else {
        return;
    };
    let chain = world.chain.address();
    let server = Hostile::start(move |asked, _| {
        // A node that cannot hold its answer back until there is a block.
        if asked == "eth_sendRawTransactionSync" {
            let unknown = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"what?"}}"#;
            return Reply::Body(unknown.to_owned());
        }
        Reply::Forward(chain)
    })
    .await;
    let node = Node::connect(options(&server.url())).await.unwrap();
    let first = world.transfers_by(node.clone(), key(0));
    let first = first.send(b"a", &order(10)).await.unwrap();
    for _ in 0..3 {
        let again = world.transfers_by(node.clone(), key(0));
        assert_eq!(again.send(b"a", &order(10)).await.unwrap(), first);
    }
    assert!(matches!(first, Standing::Waiting { .. }), "{first:?}");
    world.chain.mine(2).await;
    let transfers = world.transfers(key(0));
    done(&transfers.finish(b"a", PATIENCE).await.unwrap().unwrap());
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
}

#[tokio::test]
async fn what_is_dead_is_signed_anew_and_moves_once() {
    let Some(world) = World::new("tip20: dead").await else {
        return;
    };
    let way = Way::new(&world, |_| Reply::Close).await;
    let transfers = world.transfers_by(way.node().await, key(0));
    let lost = transfers.send(b"a", &order(10)).await.unwrap();
    // More than it is good for, and well within what a node's clock may be off.
    world.chain.advance(Duration::from_secs(40)).await;
    let dead = transfers.status(b"a").await.unwrap().unwrap();
    assert_eq!(dead, Standing::Dead { hash: lost.hash() });
    way.mend();
    let sent = transfers.send(b"a", &order(10)).await.unwrap();
    done(&sent);
    assert_ne!(sent.hash(), lost.hash());
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
    let again = transfers.send(b"a", &order(10)).await.unwrap();
    assert_eq!(again, sent);
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
}

#[tokio::test]
async fn a_node_that_says_no_is_no_proof() {
    let Some(world) = World::new("tip20: no").await else {
        return;
    };
    let no = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"I do not like it"}}"#;
    let way = Way::new(&world, move |_| Reply::Body(no.to_owned())).await;
    let transfers = world.transfers_by(way.node().await, key(0));
    let sent = transfers.send(b"a", &order(10)).await.unwrap();
    assert!(matches!(sent, Standing::Waiting { .. }), "{sent:?}");
    way.mend();
    done(&transfers.send(b"a", &order(10)).await.unwrap());
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
}

#[tokio::test]
async fn a_block_that_goes_away_takes_its_transfer_with_it_and_it_is_sent_again() {
    let Some(world) = World::new("tip20: reorganised").await else {
        return;
    };
    let transfers = world.transfers(key(0));
    let snapshot = world.chain.snapshot().await;
    let sent = transfers.send(b"a", &order(10)).await.unwrap();
    done(&sent);
    world.chain.revert(snapshot).await;
    assert_eq!(world.balance(PATH, PAYEE).await, 0);
    let status = transfers.status(b"a").await.unwrap().unwrap();
    assert!(!matches!(status, Standing::Done { .. }), "{status:?}");
    done(&transfers.send(b"a", &order(10)).await.unwrap());
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
}

#[tokio::test]
async fn a_node_that_names_an_absurd_price_is_not_paid_it() {
    let Some(world) = World::new("tip20: an absurd price").await else {
        return;
    };
    let chain = world.chain.address();
    let server = Hostile::start(move |asked, body| {
        if !asked.contains("eth_getBlockByNumber") {
            return Reply::Forward(chain);
        }
        // The block is the first of the questions; the others are answered with much money and little gas.
        let hash = format!("0x{:064x}", 7);
        let block = serde_json::json!({
            "hash": hash, "parentHash": hash, "number": "0x7", "timestamp": "0x7",
            "baseFeePerGas": "0xffffffffffff",
        });
        let much = serde_json::json!(format!("0x{:064x}", u64::MAX));
        let asked = body.as_array().map_or(0, Vec::len);
        let mut results = vec![block, much.clone(), much, serde_json::json!("0xc350")];
        results.truncate(asked);
        Reply::Results(results)
    })
    .await;
    let node = Node::connect(options(&server.url())).await.unwrap();
    let refused = world
        .transfers_by(node, key(0))
        .send(b"a", &order(10))
        .await;
    assert!(
        matches!(refused, Err(TransferError::Fee { .. })),
        "{refused:?}"
    );
    assert_eq!(server.count("eth_sendRawTransactionSync"), 0);
}

#[tokio::test]
async fn a_transaction_that_succeeded_without_the_transfer_is_not_called_done() {
    let Some(world) = World::new("tip20: diverted").await else {
        return;
    };
    let chain = world.chain.address();
    // Where a policy of the recipient's keeps a token out, it goes to the chain's guard instead.
    let guard = Address::repeat_byte(0xb1);
    let server = Hostile::start(move |asked, body| {
        if asked != "eth_sendRawTransactionSync" {
            return Reply::Forward(chain);
        }
        let raw: Bytes = serde_json::from_value(body["params"][0].clone()).unwrap();
        let (hash, words) = (keccak256(&raw), [account(0).into_word(), guard.into_word()]);
        let transfer = keccak256("Transfer(address,address,uint256)");
        result(json!({
            "transactionHash": hash, "blockHash": hash, "blockNumber": "0x7", "status": "0x1",
            "from": account(0), "to": PATH, "gasUsed": "0xc350", "effectiveGasPrice": "0x4a817c800",
            "logs": [{
                "address": PATH, "topics": [transfer, words[0], words[1]],
                "data": format!("0x{:064x}", 10), "logIndex": "0x0",
            }],
        }))
    })
    .await;
    let node = Node::connect(options(&server.url())).await.unwrap();
    let sent = world
        .transfers_by(node, key(0))
        .send(b"a", &order(10))
        .await;
    let sent = sent.unwrap();
    // 50,000 of gas at 20 billion attodollars.
    assert!(
        matches!(sent, Standing::Diverted { fee, .. } if fee.units() == 1_000),
        "{sent:?}"
    );
}

/// The store is of a wallet, and a wallet is on several chains. Asked about a transfer it never saw, the other
/// one would say that it is dead; then the id would be signed anew, and once more when it is used here again.
#[tokio::test]
async fn an_id_that_was_used_on_one_chain_is_used_on_no_other() {
    let Some(world) = World::new("tip20: two chains").await else {
        return;
    };
    let kind = farthing_testkit::chain::ChainOptions::tempo(4242);
    let other = farthing_testkit::chain::Chain::shared(&kind).await.unwrap();
    other.mine(1).await;
    // Its time is past the end of whatever is sent now.
    other.advance(Duration::from_secs(120)).await;
    let there = farthing_evm::NodeOptions {
        chain: farthing_evm::ChainId::new(4242).unwrap(),
        ..options(&other.url())
    };
    let there = world.transfers_by(Node::connect(there).await.unwrap(), key(0));
    let here = world.transfers(key(0));
    let ended = here.send(b"rent", &order(10)).await.unwrap();
    done(&ended);
    let refused = |result| matches!(result, Err(TransferError::OtherTransfer));
    assert!(refused(there.send(b"rent", &order(10)).await));
    assert!(refused(
        there.status(b"rent").await.map(|found| found.unwrap())
    ));
    assert_eq!(here.send(b"rent", &order(10)).await.unwrap(), ended);
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
}
