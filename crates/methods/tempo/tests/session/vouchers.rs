//! Vouchers: what is accepted settles on the chain, and what would not is refused.

use farthing_core::{
    intent::session::{OnChain, Protocol, RawSignature},
    noun::problem::ProblemKind,
    port::session::{Action, Handing, Said, Session},
    value::Amount,
};
use farthing_evm::SigningKey;
use farthing_tempo::session::read_signature;
use serde_json::Value;

use crate::{
    buyer::{Buyer, Locked, high},
    world::{BOTH, PAYEE, PAYER, STRANGER, World, account, done, hex, item, job, with},
};

fn said(world: &World, channel: &Locked, payload: &Value) -> Result<Said, ProblemKind> {
    let protocol = channel.channel.protocol();
    match world.read(protocol, payload) {
        Ok(Action::Voucher(said)) => Ok(said),
        Ok(other) => unreachable!("{other:?} is no voucher"),
        Err(refusal) => Err(refusal.kind()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_signature_that_is_taken_settles_on_the_chain() {
    let Some(world) = World::new("forms of signatures").await else {
        return;
    };
    let buyer = Buyer::number(PAYER).signed_by(STRANGER);
    for protocol in BOTH {
        let channel = world.open_by(&buyer, protocol, 5_000).await;
        let verifier = world.session.verifier(&channel.id, &channel.terms).unwrap();
        let before = world.balance(account(PAYEE)).await;
        for step in 1..=6_u8 {
            let cumulative = u128::from(step) * 100;
            let signature = buyer.sign(&channel.channel, cumulative);
            let mut bytes = signature.to_bytes().to_vec();
            match step {
                1 => {}
                2 => bytes[64] -= 27,
                3 => bytes[64] = 27 + u8::from(!signature.y_is_odd()),
                4 => bytes[64] = u8::from(!signature.y_is_odd()),
                5 => {
                    bytes[32] |= u8::from(signature.y_is_odd()) << 7;
                    bytes.truncate(64);
                }
                // The compact form with the wrong parity in it.
                _ => {
                    bytes[32] |= u8::from(!signature.y_is_odd()) << 7;
                    bytes.truncate(64);
                }
            }
            let payload = with(
                &buyer.voucher(&channel, cumulative),
                "signature",
                hex(&bytes),
            );
            let said = said(&world, &channel, &payload).unwrap();
            let voucher = verifier.check(&said).unwrap();
            // What is kept says nothing of the form it came in.
            let number = step + if protocol == Protocol::V1 { 100 } else { 0 };
            let settling = job(number, vec![item(&channel, Handing::Settle(voucher))]);
            done(&world.settle(&settling).await);
            let state = world.state(&channel).await;
            assert!(
                matches!(state, OnChain::Open { settled, .. } if settled.units() == cumulative)
            );
            assert_eq!(world.balance(account(PAYEE)).await - before, cumulative);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_that_would_not_settle_is_refused() {
    let Some(world) = World::new("bad vouchers").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let channel = world.open(protocol, 5_000).await;
        let other = world
            .open_by(&Buyer::number(PAYER).salted(9), protocol, 5_000)
            .await;
        let good = buyer.voucher(&channel, 100);
        let signature = buyer.sign(&channel.channel, 100);
        let thief = Buyer::number(PAYER).signed_by(STRANGER);
        let elsewhere = {
            // Signed for the same channel, at another contract.
            let mut escrow = *channel.channel.escrow();
            escrow.contract = account(STRANGER);
            let digest = farthing_tempo::session::Vouchers::of(&escrow)
                .digest(channel.channel.id(), Amount::new(100));
            crate::world::key(PAYER).sign(digest.unwrap()).to_bytes()
        };
        let another_chain = {
            let mut escrow = *channel.channel.escrow();
            escrow.chain = farthing_evm::ChainId::new(42_431).unwrap();
            let digest = farthing_tempo::session::Vouchers::of(&escrow)
                .digest(channel.channel.id(), Amount::new(100));
            crate::world::key(PAYER).sign(digest.unwrap()).to_bytes()
        };
        // In the order of the first voucher and of all later ones: with the key unknown, and known.
        let verifier = world.session.verifier(&channel.id, &channel.terms).unwrap();
        for _ in 0..2 {
            let check = |payload: Value| {
                said(&world, &channel, &payload)
                    .and_then(|said| verifier.check(&said).map_err(|refusal| refusal.kind()))
            };
            let signed = |bytes: &[u8]| check(with(&good, "signature", hex(bytes)));
            let mismatch = Err(ProblemKind::SessionSignerMismatch);
            assert_eq!(
                signed(&high(&signature)),
                Err(ProblemKind::SessionInvalidSignature)
            );
            assert_eq!(signed(&[0xff; 65]), Err(ProblemKind::MalformedCredential));
            let mut out_of_range = signature.to_bytes();
            out_of_range[..32].fill(0);
            assert_eq!(
                signed(&out_of_range),
                Err(ProblemKind::SessionInvalidSignature)
            );
            assert_eq!(
                signed(&thief.sign(&channel.channel, 100).to_bytes()),
                mismatch
            );
            assert_eq!(
                signed(&buyer.sign(&channel.channel, 101).to_bytes()),
                mismatch
            );
            assert_eq!(
                signed(&buyer.sign(&other.channel, 100).to_bytes()),
                mismatch
            );
            assert_eq!(signed(&elsewhere), mismatch);
            assert_eq!(signed(&another_chain), mismatch);
            assert_eq!(check(with(&good, "cumulativeAmount", "99")), mismatch);
            let wide = with(&good, "cumulativeAmount", (1_u128 << 96).to_string());
            let expected = match protocol {
                Protocol::V1 => ProblemKind::SessionSignerMismatch,
                Protocol::V2 => ProblemKind::SessionAmountExceedsDeposit,
            };
            assert_eq!(check(wide), Err(expected));
            assert!(check(good.clone()).is_ok());
        }
        // A verifier is one channel's.
        let theirs = said(&world, &other, &buyer_of(&other).voucher(&other, 100)).unwrap();
        assert!(verifier.check(&theirs).is_err());
    }
}

/// The buyer who opened a channel with a salt of its own.
fn buyer_of(_: &Locked) -> Buyer {
    Buyer::number(PAYER).salted(9)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_signature_is_two_numbers() {
    let key = SigningKey::from_bytes([9; 32]).unwrap();
    let signature = key.sign(farthing_evm::keccak256("a"));
    let RawSignature { r, s } = read_signature(&signature.to_bytes()).unwrap();
    assert_eq!([&r[..], &s[..]].concat(), signature.to_bytes()[..64]);
}
