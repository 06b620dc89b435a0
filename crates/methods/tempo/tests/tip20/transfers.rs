//! Transfers: what both sides have afterwards, to the unit.

use std::{sync::Arc, time::Duration};

use farthing_core::value::Amount;
use farthing_evm::request;
use farthing_tempo::{
    AccountKey, Memo, P256Key,
    tip20::{Standing, TransferError, TransferOptions, TransferOrder, Transfers, events::Event},
};
use farthing_testkit::chain::Mining;

use crate::world::{ALPHA, PATH, PATIENCE, PAYEE, World, account, key, order};

/// What was paid for it, where the recipient has it.
pub(crate) fn done(standing: &Standing) -> u128 {
    match standing {
        Standing::Done { fee, .. } => fee.units(),
        other => panic!("the recipient does not have it: {other:?}"),
    }
}

#[tokio::test]
async fn a_transfer_costs_its_amount_and_its_fee() {
    let Some(world) = World::new("tip20: a transfer").await else {
        return;
    };
    let transfers = world.transfers(key(0));
    let before = world.balance(PATH, account(0)).await;
    let most = transfers.quote(&order(1_000)).await.unwrap();
    let asked = world.node.round_trips();
    let sent = transfers.send(b"a", &order(1_000)).await.unwrap();
    // Everything that has to be known, and the transfer.
    assert_eq!(world.node.round_trips() - asked, 2);
    let fee = done(&sent);
    assert!(fee > 0 && fee <= most.units(), "{fee} of {most}");
    assert_eq!(world.balance(PATH, PAYEE).await, 1_000);
    assert_eq!(world.balance(PATH, account(0)).await, before - 1_000 - fee);
    assert_eq!(transfers.status(b"a").await.unwrap(), Some(sent.clone()));
    assert_eq!(transfers.finish(b"a", PATIENCE).await.unwrap(), Some(sent));
    assert_eq!(transfers.status(b"b").await.unwrap(), None);
}

#[tokio::test]
async fn a_memo_is_on_the_chain_and_the_fee_in_the_token_that_was_said() {
    let Some(world) = World::new("tip20: a memo").await else {
        return;
    };
    let memo = Memo([0x5a; 32].into());
    let order = TransferOrder {
        token: ALPHA,
        memo: Some(memo),
        fee_token: PATH,
        ..order(5)
    };
    let before = world.balance(PATH, account(0)).await;
    let alpha = world.balance(ALPHA, account(0)).await;
    let transfers = world.transfers(key(0));
    let sent = transfers.send(b"a", &order).await.unwrap();
    let fee = done(&sent);
    assert_eq!(world.balance(ALPHA, PAYEE).await, 5);
    assert_eq!(world.balance(ALPHA, account(0)).await, alpha - 5);
    assert_eq!(world.balance(PATH, account(0)).await, before - fee);
    let receipt = world.node.ask(request::receipt(sent.hash())).await.unwrap();
    let logs = receipt.unwrap().logs;
    let told = |log: &farthing_evm::Log| {
        matches!(Event::read(log), Some(Event::TransferWithMemo(moved, found))
            if moved.to == PAYEE && found == memo && log.address == ALPHA)
    };
    assert_eq!(logs.iter().filter(|log| told(log)).count(), 1);
}

#[tokio::test]
async fn an_id_moves_once_and_stands_for_one_transfer() {
    let Some(world) = World::new("tip20: once").await else {
        return;
    };
    let first = world
        .transfers(key(0))
        .send(b"a", &order(10))
        .await
        .unwrap();
    for _ in 0..3 {
        // A process that starts again has nothing but the store.
        let again = world
            .transfers(key(0))
            .send(b"a", &order(10))
            .await
            .unwrap();
        assert_eq!(again, first);
    }
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
    for other in [
        order(11),
        TransferOrder {
            recipient: account(1),
            ..order(10)
        },
        TransferOrder {
            memo: Some(Memo([1; 32].into())),
            ..order(10)
        },
        TransferOrder {
            token: ALPHA,
            ..order(10)
        },
    ] {
        let refused = world.transfers(key(0)).send(b"a", &other).await;
        assert!(
            matches!(refused, Err(TransferError::OtherTransfer)),
            "{refused:?}"
        );
    }
    assert_eq!(world.balance(PATH, PAYEE).await, 10);
    // Another account's id of the same name is another id.
    done(
        &world
            .transfers(key(1))
            .send(b"a", &order(10))
            .await
            .unwrap(),
    );
    assert_eq!(world.balance(PATH, PAYEE).await, 20);
}

#[tokio::test]
async fn many_at_once_are_all_made_and_each_once() {
    const MANY: u32 = 40;
    let Some(world) = World::mining("tip20: at once", Mining::Automatic).await else {
        return;
    };
    let before = world.balance(PATH, account(0)).await;
    let transfers = Arc::new(world.transfers(key(0)));
    let mut tasks = tokio::task::JoinSet::new();
    // Every id twice, and all of them of the same amount: they differ in nothing else.
    for number in (0..MANY).chain(0..MANY) {
        let transfers = transfers.clone();
        tasks.spawn(async move {
            let id = number.to_be_bytes();
            transfers.send(&id, &order(3)).await.unwrap();
            let ended = transfers.finish(&id, PATIENCE).await.unwrap().unwrap();
            (number, done(&ended), ended.hash())
        });
    }
    let mut fees = std::collections::HashMap::new();
    while let Some(ended) = tasks.join_next().await {
        let (number, fee, hash) = ended.unwrap();
        let other = fees.insert(number, (fee, hash));
        assert!(other.is_none_or(|other| other == (fee, hash)));
    }
    let moved = u128::from(MANY) * 3;
    let fees: u128 = fees.values().map(|(fee, _)| fee).sum();
    assert_eq!(world.balance(PATH, PAYEE).await, moved);
    assert_eq!(world.balance(PATH, account(0)).await, before - moved - fees);
}

#[tokio::test]
async fn what_would_fail_is_not_sent() {
    let Some(world) = World::new("tip20: refused").await else {
        return;
    };
    // Somebody with a thousand and no more.
    let poor = || AccountKey::from(farthing_evm::SigningKey::from_bytes([5; 32]).unwrap());
    world.give(PATH, poor().account(), 1_000_000).await;
    let transfers = world.transfers(poor());
    let too_much = transfers.send(b"a", &order(1_000_001)).await;
    assert!(
        matches!(too_much, Err(TransferError::TooLittle { has, needs, .. })
            if has.units() == 1_000_000 && needs.units() == 1_000_001),
        "{too_much:?}"
    );
    // All of it leaves nothing for the fee.
    let all = transfers.send(b"a", &order(1_000_000)).await;
    assert!(
        matches!(all, Err(TransferError::TooLittle { needs, .. }) if needs.units() > 1_000_000),
        "{all:?}"
    );
    let alpha = TransferOrder {
        fee_token: ALPHA,
        ..order(1)
    };
    let no_fee = transfers.send(b"a", &alpha).await;
    assert!(
        matches!(no_fee, Err(TransferError::TooLittle { token, .. }) if token == ALPHA),
        "{no_fee:?}"
    );
    for nobody in [PATH, farthing_evm::Address::ZERO] {
        let order = TransferOrder {
            recipient: nobody,
            ..order(1)
        };
        assert!(matches!(
            transfers.send(b"a", &order).await,
            Err(TransferError::Order)
        ));
    }
    assert!(matches!(
        transfers.send(b"a", &order(0)).await,
        Err(TransferError::Order)
    ));
    let frugal = TransferOptions {
        max_fee: Amount::new(1),
        ..TransferOptions::default()
    };
    let (node, outbox) = (world.node.clone(), world.outbox.clone());
    let clock = Arc::new(world.clock.clone());
    let frugal = Transfers::new(node, outbox, poor(), clock, frugal);
    let dear = frugal.send(b"a", &order(1)).await;
    assert!(matches!(dear, Err(TransferError::Fee { .. })), "{dear:?}");
    // Nothing of all this was written down or moved.
    assert_eq!(transfers.status(b"a").await.unwrap(), None);
    assert_eq!(world.balance(PATH, poor().account()).await, 1_000_000);
}

/// A node that names a time far ahead would have a transfer signed that is good for long after its end here.
#[tokio::test]
async fn a_chain_that_is_far_ahead_is_signed_for_by_nobody() {
    let Some(world) = World::new("tip20: far ahead").await else {
        return;
    };
    let transfers = world.transfers(key(0));
    world.clock.go_back(Duration::from_secs(90));
    for refused in [
        transfers.quote(&order(9)).await.map(drop),
        transfers.send(b"a", &order(9)).await.map(drop),
    ] {
        assert!(matches!(refused, Err(TransferError::Ahead)), "{refused:?}");
    }
    assert_eq!(transfers.status(b"a").await.unwrap(), None);
    assert_eq!(world.balance(PATH, PAYEE).await, 0);
    // A clock that is a little slow is no lie.
    world.clock.advance(Duration::from_secs(45));
    done(&transfers.send(b"a", &order(9)).await.unwrap());
    assert_eq!(world.balance(PATH, PAYEE).await, 9);
}

#[tokio::test]
async fn a_p256_account_sends() {
    let Some(world) = World::new("tip20: p256").await else {
        return;
    };
    let key = AccountKey::from(P256Key::from_bytes([6; 32]).unwrap());
    let account = key.account();
    world.give(PATH, account, 1_000_000).await;
    let sent = world.transfers(key).send(b"a", &order(400)).await.unwrap();
    let fee = done(&sent);
    assert_eq!(world.balance(PATH, PAYEE).await, 400);
    assert_eq!(world.balance(PATH, account).await, 1_000_000 - 400 - fee);
}

#[tokio::test]
async fn a_transfer_waits_for_its_block() {
    let Some(world) = World::mining("tip20: a block", Mining::Manual).await else {
        return;
    };
    let transfers = world.transfers(key(0));
    // The node holds its answer back until there is a block.
    let sent = tokio::spawn(async move {
        let sent = transfers.send(b"a", &order(9)).await;
        (transfers, sent)
    });
    while !sent.is_finished() {
        world.chain.mine(1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (transfers, sent) = sent.await.unwrap();
    done(&sent.unwrap());
    let ended = transfers.finish(b"a", PATIENCE).await.unwrap().unwrap();
    done(&ended);
    assert_eq!(world.balance(PATH, PAYEE).await, 9);
}
