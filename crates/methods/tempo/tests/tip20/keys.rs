//! Access keys: their authorization goes with the first transfer, and their limit holds.

use farthing_evm::{SigningKey, U256};
use farthing_tempo::{
    AccessKey, AccountKey, Key, KeyAuthorization, KeyKind, TokenLimit,
    tip20::{AccessFault, TransferError},
};

use crate::{
    transfers::done,
    world::{PATH, PAYEE, World, account, order, signing},
};

/// A key that may spend so much of pathUSD for the first account.
fn access(seed: u8, limit: u128) -> AccountKey {
    let key = SigningKey::from_bytes([seed; 32]).unwrap();
    let chain = farthing_evm::ChainId::new(1337).unwrap();
    let mut allowed = KeyAuthorization::new(chain, KeyKind::Secp256k1, key.address());
    allowed.limits = Some(vec![TokenLimit {
        token: PATH,
        limit: U256::from(limit),
        period: None,
    }]);
    AccountKey::from(AccessKey {
        account: account(0),
        key: Key::from(key),
        authorization: Some(allowed.sign(&signing(0).into())),
    })
}

#[tokio::test]
async fn an_access_key_shows_its_authorization_once_and_keeps_to_its_limit() {
    let Some(world) = World::new("tip20: an access key").await else {
        return;
    };
    let transfers = world.transfers(access(8, 10_000_000));
    assert_eq!(transfers.account(), account(0));
    done(&transfers.send(b"a", &order(1_000)).await.unwrap());
    // The chain knows the key now, and takes no second authorization of it.
    done(&transfers.send(b"b", &order(2_000)).await.unwrap());
    assert_eq!(world.balance(PATH, PAYEE).await, 3_000);

    // The chain would leave it out of every block, and say nothing.
    let over = transfers.send(b"c", &order(10_000_000)).await.unwrap_err();
    let TransferError::Access(AccessFault::Limit { token, left, needs }) = over else {
        panic!("{over:?}");
    };
    assert_eq!(token, PATH);
    assert!(left.units() <= 10_000_000 - 3_000, "{left}");
    assert!(needs.units() > 10_000_000, "{needs}");
    assert_eq!(transfers.status(b"c").await.unwrap(), None);
    assert_eq!(world.balance(PATH, PAYEE).await, 3_000);
}

#[tokio::test]
async fn an_access_key_that_the_chain_does_not_know_keeps_to_what_it_was_granted() {
    let Some(world) = World::new("tip20: a new access key").await else {
        return;
    };
    let transfers = world.transfers(access(9, 1_000));
    let over = transfers.send(b"a", &order(1_001)).await.unwrap_err();
    let TransferError::Access(AccessFault::Limit { left, .. }) = over else {
        panic!("{over:?}");
    };
    assert_eq!(left.units(), 1_000);
    assert_eq!(transfers.status(b"a").await.unwrap(), None);
    assert_eq!(world.balance(PATH, PAYEE).await, 0);
}

#[tokio::test]
async fn a_key_that_the_account_never_authorized_signs_nothing() {
    let Some(world) = World::new("tip20: nobody's access key").await else {
        return;
    };
    let transfers = world.transfers(AccountKey::from(AccessKey {
        account: account(0),
        key: Key::from(SigningKey::from_bytes([10; 32]).unwrap()),
        authorization: None,
    }));
    let fault = transfers.send(b"a", &order(1_000)).await.unwrap_err();
    assert!(
        matches!(fault, TransferError::Access(AccessFault::Unknown)),
        "{fault:?}"
    );
    assert_eq!(transfers.status(b"a").await.unwrap(), None);
    assert_eq!(world.balance(PATH, PAYEE).await, 0);
}
