//! New blocks: told of where there is a socket, found where there is none or it breaks.

use std::{sync::Arc, time::Duration};

use farthing_evm::{
    At, Batch, Block, Fate, Heads, Mortality, Node, NodeOptions, Sender, Watched, request, wait,
};
use farthing_testkit::chain::{Chain, ChainOptions, Mining};
use tokio::time;

use crate::{
    fixture::{self, PATIENCE, PAYEE, hasty, job, key, options, outbox, paid, pay},
    hostile::{Hostile, Reply},
    wire::{Line, Wire},
};

/// So long that nothing is found by looking after the time of a block.
const NEVER: Duration = Duration::from_secs(3600);

async fn connected(chain: &Chain, socket: &str) -> Node {
    let options = NodeOptions {
        sockets: vec![socket.parse().unwrap()],
        block_time: NEVER,
        attempt: Duration::from_secs(1),
        ..options(&[&chain.url()])
    };
    Node::connect(options).await.unwrap()
}

/// Makes blocks until one is told of.
async fn told(chain: &Chain, heads: &mut Heads) -> Block {
    let telling = async {
        loop {
            chain.mine(1).await;
            // This one may have come before there was a subscription.
            let next = time::timeout(Duration::from_millis(200), heads.next());
            if let Ok(Some(head)) = next.await {
                return head;
            }
        }
    };
    let told = time::timeout(PATIENCE, telling).await;
    told.expect("a block is told of")
}

async fn latest(node: &Node) -> Block {
    node.ask(request::block(At::Latest)).await.unwrap().unwrap()
}

#[tokio::test]
async fn blocks_are_told_of_as_the_chain_has_them() {
    let Some(chain) = fixture::chain("evm: heads", Mining::Manual).await else {
        return;
    };
    let node = connected(&chain, &chain.ws_url()).await;
    let mut heads = node.heads();
    told(&chain, &mut heads).await;
    // Nobody looks after an hour, so this one is told of.
    let mut late = node.heads();
    chain.mine(1).await;
    let newest = Some(latest(&node).await);
    let coming = async { while late.next().await != newest {} };
    time::timeout(PATIENCE, coming).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_survives_the_socket() {
    let Some(chain) = fixture::chain("evm: a socket that breaks", Mining::Manual).await else {
        return;
    };
    let chain = Arc::new(chain);
    let wire = Wire::to(chain.address()).await;
    let node = connected(&chain, &wire.ws_url()).await;
    let mut heads = node.heads();
    let bad = [Line::Cut, Line::Silent, Line::Garbled];
    for (nonce, line) in (0..).zip(bad) {
        told(&chain, &mut heads).await;
        let raw = pay(&key(0), PAYEE, nonce).unwrap();
        node.send_raw(&raw).await.unwrap();
        let watched = Watched {
            hash: raw.hash(),
            dies: Mortality::default(),
            raw: None,
        };
        let asked = node.round_trips();
        let waiting = tokio::spawn({
            let node = node.clone();
            async move { wait(&node, &watched, PATIENCE).await }
        });
        // While it waits for the block, the socket goes.
        while node.round_trips() == asked {
            time::sleep(Duration::from_millis(1)).await;
        }
        wire.set(line);
        chain.mine(1).await;
        let fate = waiting.await.unwrap().unwrap();
        assert!(matches!(fate, Fate::Included(_)), "{line:?}: {fate:?}");
        // And comes back: the next turn begins with a block that is told of.
        wire.set(Line::Open);
    }
    told(&chain, &mut heads).await;
    assert!(wire.carried() > 1, "there was another connection");
    assert_eq!(paid(&node).await, 3);
}

#[tokio::test]
async fn a_transaction_is_found_by_its_block_alone() {
    let Some(chain) = fixture::chain("evm: waiting for a block", Mining::Manual).await else {
        return;
    };
    let node = connected(&chain, &chain.ws_url()).await;
    let mut heads = node.heads();
    told(&chain, &mut heads).await;
    // A little after each block it is looked for once more; then nothing happens for an hour.
    while heads.next().await.is_some() {}
    let raw = pay(&key(0), PAYEE, 0).unwrap();
    node.send_raw(&raw).await.unwrap();
    let watched = Watched {
        hash: raw.hash(),
        dies: Mortality::default(),
        raw: None,
    };
    let asked = node.round_trips();
    let (fate, ()) = tokio::join!(wait(&node, &watched, PATIENCE), async {
        // Its first look finds nothing.
        while node.round_trips() == asked {
            time::sleep(Duration::from_millis(1)).await;
        }
        chain.mine(1).await;
    });
    assert!(matches!(fate, Ok(Fate::Included(_))), "{fate:?}");
}

#[tokio::test]
async fn a_sender_finds_its_transaction_by_the_block() {
    let Some(chain) = fixture::chain("evm: a sender and blocks", Mining::Manual).await else {
        return;
    };
    let node = connected(&chain, &chain.ws_url()).await;
    told(&chain, &mut node.heads()).await;
    let (outbox, job) = (outbox(), job(1));
    let sender = Sender::open(node.clone(), &outbox, key(0).address());
    let sender = sender.await.unwrap();
    let sent = sender.send(&job, |nonce| pay(&key(0), PAYEE, nonce));
    let sent = sent.await.unwrap();
    let asked = node.round_trips();
    let (fate, ()) = tokio::join!(sender.wait(&sent.entry, PATIENCE), async {
        while node.round_trips() == asked {
            time::sleep(Duration::from_millis(1)).await;
        }
        chain.mine(1).await;
    });
    assert!(matches!(fate, Ok(Fate::Included(_))), "{fate:?}");
}

#[tokio::test]
async fn a_socket_that_is_none_or_of_another_chain_is_not_listened_to() {
    let Some(chain) = fixture::chain("evm: false sockets", Mining::Automatic).await else {
        return;
    };
    let plain = Hostile::start(|_, _| Reply::Status(200)).await;
    let other = Chain::start(&ChainOptions::evm(1)).expect("there is one already");
    let sockets = [plain.url().replace("http", "ws"), other.ws_url()];
    for socket in &sockets {
        let node = Node::connect(NodeOptions {
            sockets: vec![socket.parse().unwrap()],
            ..hasty(&[&chain.url()])
        });
        let node = node.await.unwrap();
        let mut heads = node.heads();
        for _ in 0..40 {
            other.mine(1).await;
            assert_eq!(heads.next().await, None, "{socket}");
        }
        // Payments go on.
        let nonce = node
            .ask(request::transaction_count(key(0).address(), At::Latest))
            .await
            .unwrap();
        let raw = pay(&key(0), PAYEE, nonce.to()).unwrap();
        node.send_raw(&raw).await.unwrap();
    }
}

#[tokio::test]
async fn a_batch_is_one_round_trip() {
    let Some(chain) = fixture::chain("evm: a batch", Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let before = node.round_trips();
    let mut batch = Batch::new();
    let latest = batch.ask(request::block(At::Latest));
    let wrong = batch.ask::<u64>(farthing_evm::Request::new(
        "eth_nothing",
        serde_json::json!([]),
    ));
    let blocks: Vec<_> = (0..120).map(|_| batch.ask(request::chain_id())).collect();
    let mut answered = node.ask_batch(&batch).await.unwrap();
    assert_eq!(node.round_trips() - before, 2, "a hundred at a time");
    for block in blocks.iter().rev() {
        let id = answered.take(block).unwrap();
        assert_eq!(id.to::<u64>(), fixture::CHAIN.get());
    }
    let error = answered.take(&wrong).unwrap_err();
    assert!(matches!(
        error,
        farthing_evm::RpcError::Unsupported {
            method: "eth_nothing"
        }
    ));
    assert_eq!(answered.take(&latest).unwrap().unwrap().number(), 0);
    answered.take(&latest).expect_err("it was taken");
    let (before, _) = (
        node.round_trips(),
        node.ask2(request::chain_id(), request::chain_id())
            .await
            .unwrap(),
    );
    assert_eq!(node.round_trips() - before, 1);
}

#[tokio::test]
async fn a_socket_is_not_spoken_to_in_the_open_and_not_shown_with_its_path() {
    let options = NodeOptions {
        sockets: vec!["wss://node.example/secret-key".parse().unwrap()],
        ..hasty(&["https://node.example/"])
    };
    let shown = format!("{options:?}");
    assert!(
        shown.contains("wss://node.example") && !shown.contains("secret"),
        "{shown}"
    );
    for socket in ["ws://node.example", "http://127.0.0.1"] {
        let options = NodeOptions {
            sockets: vec![socket.parse().unwrap()],
            ..hasty(&["https://node.example/"])
        };
        let refused = Node::connect(options).await;
        let misconfigured = matches!(refused, Err(farthing_evm::RpcError::Misconfigured { .. }));
        assert!(misconfigured, "{socket}");
    }
}
