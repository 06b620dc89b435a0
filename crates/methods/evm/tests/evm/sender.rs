//! One key from many tasks, over restarts, gaps, losses and reorganisations.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use farthing_core::memory::MemoryBackend;
use farthing_evm::{
    Address, Death, Entry, Fate, Node, Outbox, OutboxError, SendError, Sender, SenderError, Sent,
    TxHash,
};
use farthing_testkit::chain::Mining;

use crate::{
    fixture::{self, PATIENCE, PAYEE, job, key, options, outbox, paid, pay},
    hostile::{Hostile, Reply},
};

async fn open(node: &Node, outbox: &Outbox) -> Sender {
    Sender::open(node.clone(), outbox, key(0).address())
        .await
        .unwrap()
}

async fn send(sender: &Sender, name: u64) -> Sent {
    let key = key(0);
    let sent = sender
        .send(&job(name), |nonce| pay(&key, PAYEE, nonce))
        .await;
    sent.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_from_one_key() {
    let Some(chain) = fixture::chain("evm: 200 at once", Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let sender = Arc::new(open(&node, &outbox()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for name in 0..200 {
        let sender = sender.clone();
        tasks.spawn(async move {
            let Sent { entry, said } = send(&sender, name).await;
            said.unwrap();
            let fate = sender.wait(&entry, PATIENCE).await.unwrap();
            assert!(matches!(fate, Fate::Included(_)), "{fate:?}");
            entry.nonce
        });
    }
    let nonces: BTreeSet<u64> = tasks.join_all().await.into_iter().collect();
    assert_eq!(nonces, (0..200).collect());
    assert_eq!(paid(&node).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_over_one_store_do_each_job_once() {
    let Some(chain) = fixture::chain("evm: two processes", Mining::Manual).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let outbox = outbox();
    let both = [
        Arc::new(open(&node, &outbox).await),
        Arc::new(open(&node, &outbox).await),
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..60_usize {
        let sender = both[at % 2].clone();
        // Each job is done by both.
        tasks.spawn(async move { send(&sender, (at / 2) as u64).await.entry });
    }
    let entries = tasks.join_all().await;
    let hashes: BTreeSet<TxHash> = entries.iter().map(Entry::hash).collect();
    assert_eq!(hashes.len(), 30);
    chain.mine(1).await;
    for entry in entries {
        let fate = both[0].wait(&entry, PATIENCE).await.unwrap();
        assert!(matches!(fate, Fate::Included(_)), "{fate:?}");
    }
    assert_eq!(paid(&node).await, 30);
}

#[tokio::test]
async fn a_gap_that_a_death_left_is_filled_after_the_restart() {
    let Some(chain) = fixture::chain("evm: a gap", Mining::Manual).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let backend = Arc::new(MemoryBackend::new());
    let outbox = Outbox::new(backend);
    {
        let sender = open(&node, &outbox).await;
        send(&sender, 0).await.said.unwrap();
        // Written down, and the process dies before it is sent.
        let lane = outbox.lane(sender_lane(&node), 0);
        let key = key(0);
        lane.prepare(&job(1), |nonce| pay(&key, PAYEE, nonce))
            .await
            .unwrap();
        send(&sender, 2).await.said.unwrap();
    }
    chain.mine(2).await;
    assert_eq!(paid(&node).await, 1, "the third waits for the second");

    let sender = open(&node, &outbox).await;
    assert_eq!(sender.recover().await.unwrap(), 2);
    chain.mine(1).await;
    assert_eq!(paid(&node).await, 3);
    let again = send(&sender, 1).await.entry;
    assert_eq!(again.nonce, 1, "the job is done already");
    let fate = sender.wait(&again, PATIENCE).await.unwrap();
    assert!(matches!(fate, Fate::Included(_)), "{fate:?}");
    assert_eq!(send(&sender, 3).await.entry.nonce, 3);
    assert_eq!(sender.recover().await.unwrap(), 1);
}

fn sender_lane(node: &Node) -> farthing_evm::LaneId {
    farthing_evm::LaneId {
        chain: node.chain(),
        account: key(0).address(),
        lane: farthing_evm::U256::ZERO,
    }
}

#[tokio::test]
async fn whoever_waits_fills_the_gap_before_it() {
    let Some(chain) = fixture::chain("evm: a gap, waited for", Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let outbox = outbox();
    let lane = outbox.lane(sender_lane(&node), 0);
    let key = key(0);
    lane.prepare(&job(0), |nonce| pay(&key, PAYEE, nonce))
        .await
        .unwrap();
    let sender = open(&node, &outbox).await;
    let Sent { entry, .. } = send(&sender, 1).await;
    let fate = sender.wait(&entry, PATIENCE).await.unwrap();
    assert!(matches!(fate, Fate::Included(_)), "{fate:?}");
    assert_eq!(paid(&node).await, 2);
}

#[tokio::test]
async fn a_node_that_drops_what_it_took_is_sent_it_again() {
    let Some(chain) = fixture::chain("evm: a lossy node", Mining::Automatic).await else {
        return;
    };
    let address = chain.address();
    let times = std::sync::atomic::AtomicUsize::new(0);
    let lossy = Hostile::start(move |asked, body| match asked {
        "eth_sendRawTransaction" => {
            let raw: farthing_evm::Bytes = body["params"][0].as_str().unwrap().parse().unwrap();
            let hash = farthing_evm::keccak256(&raw).to_string();
            match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                // Says that it took it, and did not; takes it, and does not say so.
                0 => crate::hostile::result(hash),
                1 => Reply::Close,
                _ => Reply::Forward(address),
            }
        }
        _ => Reply::Forward(address),
    })
    .await;
    let node = Node::connect(options(&[&lossy.url()])).await.unwrap();
    let sender = open(&node, &outbox()).await;
    let Sent { entry, said } = send(&sender, 0).await;
    said.unwrap();
    let fate = sender.wait(&entry, PATIENCE).await.unwrap();
    assert!(matches!(fate, Fate::Included(_)), "{fate:?}");
    assert!(lossy.count("eth_sendRawTransaction") >= 3);
    assert_eq!(paid(&node).await, 1);

    let Sent { entry: next, said } = send(&sender, 1).await;
    said.unwrap();
    sender.wait(&next, PATIENCE).await.unwrap();
    assert_eq!((next.nonce, paid(&node).await), (entry.nonce + 1, 2));
}

#[tokio::test]
async fn a_send_nobody_answered_is_found_by_its_hash() {
    let Some(chain) = fixture::chain("evm: an unanswered send", Mining::Automatic).await else {
        return;
    };
    let real = fixture::node(&chain).await;
    let (address, taken) = (chain.address(), real.clone());
    let mute = Hostile::start(move |asked, body| match asked {
        "eth_sendRawTransaction" => {
            let raw: farthing_evm::Bytes = body["params"][0].as_str().unwrap().parse().unwrap();
            let (raw, node) = (
                farthing_evm::RawTransaction::new(raw).unwrap(),
                taken.clone(),
            );
            tokio::spawn(async move { node.send_raw(&raw).await });
            Reply::Close
        }
        _ => Reply::Forward(address),
    })
    .await;
    let node = Node::connect(options(&[&mute.url()])).await.unwrap();
    let sender = open(&node, &outbox()).await;
    let Sent { entry, said } = send(&sender, 0).await;
    assert!(matches!(said, Err(SendError::InDoubt(_))), "{said:?}");
    let fate = sender.wait(&entry, PATIENCE).await.unwrap();
    assert!(matches!(fate, Fate::Included(_)), "{fate:?}");
    assert_eq!(paid(&real).await, 1);
}

#[tokio::test]
async fn what_a_reorganisation_takes_away_is_sent_again_and_counts_once() {
    let Some(chain) = fixture::chain("evm: a reorganisation", Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let sender = open(&node, &outbox()).await;
    let before = chain.snapshot().await;
    let Sent { entry, .. } = send(&sender, 0).await;
    let Fate::Included(first) = sender.wait(&entry, PATIENCE).await.unwrap() else {
        panic!("it is in a block");
    };
    chain.revert(before).await;
    // Another block in the place of the one that is gone.
    chain.advance(Duration::from_secs(5)).await;
    assert_eq!(paid(&node).await, 0);
    let seen = farthing_evm::look(&node, &sender.watched(&entry)).await;
    assert_eq!(seen.unwrap(), Fate::Unseen);
    let Fate::Included(second) = sender.wait(&entry, PATIENCE).await.unwrap() else {
        panic!("it is in a block again");
    };
    assert_eq!(first.transaction_hash, second.transaction_hash);
    assert_ne!(first.block_hash, second.block_hash);
    assert_eq!(paid(&node).await, 1);
}

#[tokio::test]
async fn a_nonce_that_somebody_else_used_is_given_up() {
    let Some(chain) = fixture::chain("evm: another user of the key", Mining::Manual).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let sender = open(&node, &outbox()).await;
    let foreign = pay(&key(0), Address::repeat_byte(0x77), 0).unwrap();
    node.send_raw(&foreign).await.unwrap();
    chain.mine(1).await;
    let Sent { entry, said } = send(&sender, 0).await;
    assert!(matches!(said, Err(SendError::Refused { .. })), "{said:?}");
    let fate = sender.wait(&entry, PATIENCE).await.unwrap();
    assert_eq!(fate, Fate::Dead(Death::NonceUsed));
    sender.forget(&entry).await.unwrap();
    let Sent { entry, said } = send(&sender, 0).await;
    said.unwrap();
    assert_eq!(entry.nonce, 1);
    chain.mine(1).await;
    assert!(matches!(
        sender.wait(&entry, PATIENCE).await,
        Ok(Fate::Included(_))
    ));
    assert_eq!(paid(&node).await, 1);
}

#[tokio::test]
async fn a_store_older_than_the_chain_is_noticed() {
    let Some(chain) = fixture::chain("evm: an old chain", Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let outbox = outbox();
    let sender = open(&node, &outbox).await;
    let fresh = chain.snapshot().await;
    let Sent { entry, .. } = send(&sender, 0).await;
    sender.wait(&entry, PATIENCE).await.unwrap();
    sender.forget(&entry).await.unwrap();
    chain.revert(fresh).await;
    let Sent { entry, .. } = send(&sender, 1).await;
    let lost = sender.wait(&entry, PATIENCE).await;
    assert!(
        matches!(
            lost,
            Err(SenderError::Outbox(OutboxError::Lost { nonce: 0 }))
        ),
        "{lost:?}"
    );
}
