//! What is written down, without a chain.

use std::{collections::BTreeSet, sync::Arc};

use farthing_core::port::backend::Backend;
use farthing_evm::{JobId, LaneId, Outbox, OutboxError, RawTransaction, TransactionError, U256};
use farthing_store::{SqliteBackend, SqliteOptions};

use crate::fixture::{CHAIN, PAYEE, job, key, outbox, pay};

fn lane(lane: u64) -> LaneId {
    LaneId {
        chain: CHAIN,
        account: key(0).address(),
        lane: U256::from(lane),
    }
}

fn sign(nonce: u64) -> Result<RawTransaction, TransactionError> {
    pay(&key(0), PAYEE, nonce)
}

#[tokio::test]
async fn a_job_has_one_transaction_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let open = || Arc::new(SqliteBackend::open(SqliteOptions::new(&path)).unwrap());
    let store = open();
    let outbox = Outbox::new(store.clone() as Arc<dyn Backend>);
    let first = outbox.lane(lane(0), 7);
    let one = first.prepare(&job(1), sign).await.unwrap();
    let two = first.prepare(&job(2), sign).await.unwrap();
    assert_eq!((one.nonce, two.nonce), (7, 8));
    assert_eq!(one.hash(), sign(7).unwrap().hash());
    drop((outbox, first));
    store.close().await;

    let outbox = Outbox::new(open() as Arc<dyn Backend>);
    let later = outbox.lane(lane(0), 8);
    let never = |_| -> Result<RawTransaction, TransactionError> { panic!("it is signed already") };
    let again = later.prepare(&job(1), never).await.unwrap();
    assert_eq!((again.nonce, &again.raw), (7, &one.raw));
    assert_eq!(outbox.find(&job(2)).await.unwrap(), Some(two.clone()));
    assert_eq!(outbox.find(&job(3)).await.unwrap(), None);
    assert_eq!(later.prepare(&job(3), sign).await.unwrap().nonce, 9);
    let waiting = later.waiting(8, 9).await.unwrap();
    assert_eq!(
        waiting.iter().map(|entry| entry.nonce).collect::<Vec<_>>(),
        [8, 9]
    );
    assert_eq!(outbox.below(lane(0), 9).await.unwrap(), [one, two]);
}

#[tokio::test]
async fn lanes_count_by_themselves_and_names_do_not_meet() {
    let outbox = outbox();
    let (zero, other) = (outbox.lane(lane(0), 3), outbox.lane(lane(1), 0));
    assert_eq!(zero.prepare(&job(0), sign).await.unwrap().nonce, 3);
    assert_eq!(other.prepare(&job(1), sign).await.unwrap().nonce, 0);
    assert_eq!(
        (zero.last().await.unwrap(), other.last().await.unwrap()),
        (Some(3), Some(0))
    );
    // Others used the key: what the chain counts is never given out.
    zero.counted(10);
    assert_eq!(zero.prepare(&job(2), sign).await.unwrap().nonce, 10);
    assert_ne!(JobId::new("a", b"bc"), JobId::new("ab", b"c"));
}

#[tokio::test]
async fn what_is_not_signed_uses_no_nonce() {
    let lane = outbox().lane(lane(0), 0);
    let refuses = |_| Err("the signer is away");
    let failed = lane.prepare(&job(0), refuses).await;
    assert!(matches!(failed, Err(OutboxError::Signing(_))), "{failed:?}");
    assert_eq!(lane.last().await.unwrap(), None);
    assert_eq!(lane.prepare(&job(0), sign).await.unwrap().nonce, 0);
}

#[tokio::test]
async fn what_is_forgotten_is_gone_and_its_nonce_is_not_given_out_again() {
    let outbox = outbox();
    let lane = outbox.lane(lane(0), 0);
    let entry = lane.prepare(&job(0), sign).await.unwrap();
    outbox.forget(&entry).await.unwrap();
    outbox.forget(&entry).await.unwrap();
    assert_eq!(outbox.find(&job(0)).await.unwrap(), None);
    assert!(matches!(
        lane.waiting(0, 0).await,
        Err(OutboxError::Lost { nonce: 0 })
    ));
    assert_eq!(lane.prepare(&job(0), sign).await.unwrap().nonce, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_take_different_nonces() {
    let outbox = outbox();
    let mut tasks = tokio::task::JoinSet::new();
    for process in 0..8_u64 {
        let outbox = outbox.clone();
        tasks.spawn(async move {
            let lane = outbox.lane(lane(0), 0);
            let mut nonces = Vec::new();
            for name in 0..25 {
                let entry = lane
                    .prepare(&job(process * 100 + name), sign)
                    .await
                    .unwrap();
                nonces.push(entry.nonce);
            }
            nonces
        });
    }
    let nonces = tasks.join_all().await.concat();
    assert_eq!(nonces.len(), 200);
    assert_eq!(
        nonces.into_iter().collect::<BTreeSet<_>>(),
        (0..200).collect()
    );
}
