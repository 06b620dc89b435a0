//! Access keys: their authorization goes with the first transfer, and their limit holds.

use farthing_evm::{SigningKey, U256};
use farthing_tempo::{AccessKey, AccountKey, Key, KeyAuthorization, KeyKind, TokenLimit};

use crate::{
    transfers::done,
    world::{PATH, PATIENCE, PAYEE, World, account, order, signing},
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

    let over = transfers.send(b"c", &order(10_000_000)).await.unwrap();
    let over = if over.is_final() {
        over
    } else {
        world
            .chain
            .advance(std::time::Duration::from_secs(60))
            .await;
        transfers.finish(b"c", PATIENCE).await.unwrap().unwrap()
    };
    assert!(
        matches!(
            over,
            farthing_tempo::tip20::Standing::Reverted { .. }
                | farthing_tempo::tip20::Standing::Dead { .. }
        ),
        "{over:?}"
    );
    assert_eq!(world.balance(PATH, PAYEE).await, 3_000);
}
