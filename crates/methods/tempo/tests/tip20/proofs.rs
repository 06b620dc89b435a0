//! Proofs whose signer only the chain knows: access keys, and accounts that are contracts.

use std::num::NonZeroU64;

use farthing_core::value::{ChallengeId, Realm, Timestamp};
use farthing_evm::{Address, At, ChainId, SigningKey, request};
use farthing_tempo::{
    AccessKey, AccountKey, Attested, Call, Key, KeyAuthorization, KeyKind, ProofVersion, Proofs,
    Signer, Transaction, keychain,
};

use crate::{
    transfers::done,
    world::{PATH, World, account, key, order, signing},
};

/// A contract that accepts every signature.
const ACCEPTS: &str = "0x631626ba7e60e01b60005260206000f3";
/// One that accepts none.
const REFUSES: &str = "0x60006000fd";

fn secp(seed: u8) -> SigningKey {
    SigningKey::from_bytes([seed; 32]).unwrap()
}

fn attested(version: ProofVersion, account: Address, by: &AccountKey) -> Attested {
    let proofs = Proofs::new(ChainId::new(1337).unwrap());
    let (id, realm) = (
        ChallengeId::new("id").unwrap(),
        Realm::new("realm").unwrap(),
    );
    let digest = proofs.digest(version, account, &id, &realm);
    let signature = by.sign_hash(digest).to_bytes();
    proofs.attested(version, account, &id, &realm, &signature)
}

async fn now(world: &World) -> Timestamp {
    let latest = world.node.ask(request::block(At::Latest)).await.unwrap();
    latest.unwrap().time()
}

#[tokio::test]
async fn an_access_key_proves_its_account_while_it_may_sign_for_it() {
    let Some(world) = World::new("proofs: access keys").await else {
        return;
    };
    let start = now(&world).await;
    let chain = ChainId::new(1337).unwrap();
    let expiry = start.as_secs() + 3600;
    let authorization = KeyAuthorization {
        expiry: NonZeroU64::new(expiry),
        ..KeyAuthorization::new(chain, KeyKind::Secp256k1, secp(8).address())
    };
    let access = |authorization| {
        AccountKey::from(AccessKey {
            account: account(0),
            key: Key::from(secp(8)),
            authorization,
        })
    };
    let bare = AccountKey::from(secp(8));
    let v3 = ProofVersion::V3;
    let wrapped = attested(v3, account(0), &access(None));
    let plain = attested(v3, account(0), &bare);
    for proof in [&wrapped, &plain] {
        assert_eq!(proof.by(), Signer::Key(secp(8).address()));
        // The chain does not know the key.
        assert!(!proof.confirm(&world.node, start).await.unwrap());
    }
    let signed = authorization.sign(&signing(0).into());
    let transfers = world.transfers(access(Some(signed)));
    done(&transfers.send(b"a", &order(1)).await.unwrap());
    for proof in [&wrapped, &plain] {
        assert!(proof.confirm(&world.node, start).await.unwrap());
        let late = Timestamp::from_secs(expiry);
        assert!(!proof.confirm(&world.node, late).await.unwrap());
    }
    // It is this account's key and nobody else's.
    let other = attested(v3, account(1), &bare);
    assert!(!other.confirm(&world.node, start).await.unwrap());

    revoke(&world, secp(8).address()).await;
    for proof in [&wrapped, &plain] {
        assert!(!proof.confirm(&world.node, start).await.unwrap());
    }
}

#[tokio::test]
async fn an_account_that_is_a_contract_says_itself() {
    let Some(world) = World::new("proofs: contracts").await else {
        return;
    };
    let start = now(&world).await;
    let contract = Address::repeat_byte(0x77);
    let owner = AccountKey::from(secp(9));
    for version in [ProofVersion::V2, ProofVersion::V3] {
        let proof = attested(version, contract, &owner);
        for (code, accepted) in [(ACCEPTS, true), (REFUSES, false), ("0x", false)] {
            world.chain.set_code(&contract.to_string(), code).await;
            let confirmed = proof.confirm(&world.node, start).await.unwrap();
            assert_eq!(confirmed, accepted, "{version:?} {code}");
        }
    }
}

#[tokio::test]
async fn the_accounts_own_key_asks_nobody() {
    let Some(world) = World::new("proofs: own key").await else {
        return;
    };
    let proof = attested(ProofVersion::V3, account(0), &key(0));
    assert_eq!(proof.by(), Signer::Account);
    let node = world.node.clone();
    drop(world);
    // Whatever the chain is doing.
    let now = Timestamp::from_secs(1);
    assert!(proof.confirm(&node, now).await.unwrap());
}

async fn revoke(world: &World, key: Address) {
    let mut transaction = Transaction::new(
        ChainId::new(1337).unwrap(),
        vec![Call {
            to: Some(keychain::ADDRESS),
            value: farthing_evm::U256::ZERO,
            input: keychain::revoke(key),
        }],
    );
    transaction.gas_limit = 2_000_000;
    transaction.max_fee_per_gas = 100_000_000_000;
    transaction.fee_token = Some(PATH);
    let signed = transaction
        .sign(&crate::world::key(0))
        .unwrap()
        .whole()
        .unwrap();
    let receipt = world.node.send_raw_sync(signed.raw()).await.unwrap();
    assert!(receipt.is_some_and(|receipt| receipt.succeeded()));
}
