//! Which signatures are taken: each that is, settles; each that is not would never have.

use alloy_primitives::{Address, B256, Bytes, U256, uint};
use alloy_sol_types::{Eip712Domain, SolError};
use farthing_contracts::abi::{ChannelReserve as V2, TempoStreamChannel as V1};
use farthing_tempo::{Key, P256Key};

use crate::{
    escrow::Escrow,
    reserve::Reserve,
    world::{BOTH, Kind, Who, answering},
};

/// The order of the curve.
const ORDER: U256 = uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);

/// The same signature with another last byte.
fn ending(signature: &Bytes, last: u8) -> Bytes {
    let mut bytes = signature.to_vec();
    bytes[64] = last;
    bytes.into()
}

/// The same with the parity the other way round.
fn flipped(signature: &Bytes) -> Bytes {
    ending(signature, 27 + 28 - signature[64])
}

/// The other signature that says the same to a chain that does not look at `s`.
fn high(signature: &Bytes) -> Bytes {
    let mut bytes = flipped(signature).to_vec();
    let s = ORDER - U256::from_be_slice(&bytes[32..64]);
    bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    bytes.into()
}

/// The 64 bytes of EIP-2098.
fn compact(signature: &Bytes) -> Bytes {
    let mut bytes = signature[..64].to_vec();
    bytes[32] |= (signature[64] - 27) << 7;
    bytes.into()
}

fn longer(signature: &Bytes) -> Bytes {
    let mut bytes = signature.to_vec();
    bytes.push(0);
    bytes.into()
}

/// Forms of a good signature that no contract here takes.
fn malformed(good: &Bytes) -> Vec<(&'static str, Bytes)> {
    vec![
        ("flipped parity", flipped(good)),
        ("high s", high(good)),
        ("high s under the old parity", flipped(&high(good))),
        ("another last byte", ending(good, 29)),
        ("too long", longer(good)),
        ("too short", good.slice(..63)),
        ("zeros", vec![0; 65].into()),
        ("zeros with a parity", ending(&vec![0; 65].into(), 27)),
        ("nothing", Bytes::new()),
    ]
}

/// The domains a voucher must not be signed in.
fn elsewhere(domain: &Eip712Domain) -> Vec<(&'static str, Eip712Domain)> {
    let with = |change: fn(&mut Eip712Domain)| {
        let mut other = domain.clone();
        change(&mut other);
        other
    };
    vec![
        (
            "another chain",
            with(|domain| domain.chain_id = Some(U256::from(4217))),
        ),
        (
            "another contract",
            with(|domain| domain.verifying_contract = Some(Address::repeat_byte(1))),
        ),
        (
            "another name",
            with(|domain| domain.name = Some("Stream Channel".into())),
        ),
        (
            "another version",
            with(|domain| domain.version = Some("2".into())),
        ),
    ]
}

#[tokio::test]
async fn vouchers_of_the_escrow() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("signatures", kind).await else {
            continue;
        };
        let (world, at) = (&escrow.world, escrow.at);
        let id = escrow.open(1_000, 1).await;
        let other = escrow.open(1_000, 2).await;
        let good = escrow.voucher(Who::Payer, id, 100);
        let mut wrong = malformed(&good);
        wrong.extend([
            ("0 or 1", ending(&good, good[64] - 27)),
            ("a parity plus 35", ending(&good, good[64] + 8)),
            ("a compact high s", compact(&high(&good))),
            ("another signer", escrow.voucher(Who::Stranger, id, 100)),
            ("the payee", escrow.voucher(Who::Payee, id, 100)),
            ("another channel", escrow.voucher(Who::Payer, other, 100)),
            ("another amount", escrow.voucher(Who::Payer, id, 101)),
        ]);
        for (name, domain) in elsewhere(&escrow.domain()) {
            wrong.push((name, escrow.voucher_in(&domain, Who::Payer, id, 100)));
        }
        for (name, signature) in wrong {
            let settle = V1::settleCall {
                channelId: id,
                cumulativeAmount: 100,
                signature: signature.clone(),
            };
            let close = V1::closeCall {
                channelId: id,
                cumulativeAmount: 100,
                signature,
            };
            let no = Bytes::from(V1::InvalidSignature::SELECTOR);
            let said = world.ask(Who::Payee, at, settle).await.err();
            assert_eq!(said.as_ref(), Some(&no), "{kind:?}: settle: {name}");
            let said = world.ask(Who::Payee, at, close).await.err();
            assert_eq!(said.as_ref(), Some(&no), "{kind:?}: close: {name}");
        }
        // Both parities, in both forms that are taken.
        let (mut amount, mut seen) = (100, [false; 2]);
        while seen != [true; 2] {
            let whole = escrow.voucher(Who::Payer, id, amount);
            seen[usize::from(whole[64] - 27)] = true;
            world.send(Who::Payee, at, escrow.settle(id, amount)).await;
            let signature = compact(&escrow.voucher(Who::Payer, id, amount + 1));
            let call = V1::settleCall {
                channelId: id,
                cumulativeAmount: amount + 1,
                signature,
            };
            world.send(Who::Payee, at, call).await;
            amount += 2;
        }
        let taken = u128::from(escrow.held().await[1] - crate::world::RICH);
        assert_eq!(taken, amount - 1);
    }
}

#[tokio::test]
async fn where_somebody_else_signs_the_payer_does_not() {
    let Some(escrow) = Escrow::new("authorized signers", Kind::Plain).await else {
        return;
    };
    let (world, at) = (&escrow.world, escrow.at);
    let call = escrow.open_call(1_000, 1, Who::Signer.address());
    let id = escrow.id(&call);
    world.send(Who::Payer, at, call).await;
    let no = V1::InvalidSignature::SELECTOR;
    world
        .refused(Who::Payee, at, escrow.settle(id, 5), no)
        .await;
    let settle = V1::settleCall {
        channelId: id,
        cumulativeAmount: 5,
        signature: escrow.voucher(Who::Signer, id, 5),
    };
    world.send(Who::Payee, at, settle).await;

    // A contract is not asked what it thinks of a signature: vouchers are signed by keys.
    let willing = Address::repeat_byte(0x55);
    let mut yes = [0; 32];
    yes[..4].copy_from_slice(&[0x16, 0x26, 0xba, 0x7e]);
    world.put(willing, &answering(B256::from(yes))).await;
    let call = escrow.open_call(1_000, 2, willing);
    let id = escrow.id(&call);
    world.send(Who::Payer, at, call).await;
    world
        .refused(Who::Payee, at, escrow.settle(id, 5), no)
        .await;
}

#[tokio::test]
async fn vouchers_of_the_reserve() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("signatures", kind).await else {
            continue;
        };
        let (world, at) = (&reserve.world, reserve.at);
        let channel = reserve.open(1_000, 1, Address::ZERO).await;
        let other = reserve.open(1_000, 2, Address::ZERO).await;
        let good = reserve.voucher(Who::Payer, &channel, 100);
        let mut wrong = malformed(&good);
        let access = [&[0x03][..], Who::Payer.address().as_slice(), &good].concat();
        wrong.extend([
            ("compact", compact(&good)),
            ("for an account by its access key", access.into()),
            (
                "another signer",
                reserve.voucher(Who::Stranger, &channel, 100),
            ),
            ("another channel", reserve.voucher(Who::Payer, &other, 100)),
            ("another amount", reserve.voucher(Who::Payer, &channel, 101)),
        ]);
        if kind == Kind::Plain {
            // Tempo's verifier takes it, as in transactions from before EIP-2930.
            wrong.push(("a parity plus 35", ending(&good, good[64] + 8)));
        }
        for (name, domain) in elsewhere(&reserve.domain()) {
            let voucher = reserve.voucher_in(&domain, Who::Payer, &channel, 100);
            wrong.push((name, voucher));
        }
        for (name, signature) in wrong {
            let call = reserve.settle_with(&channel, 100, signature.clone());
            let no = Bytes::from(V2::InvalidSignature::SELECTOR);
            let said = world.ask(Who::Payee, at, call).await.err();
            assert_eq!(said.as_ref(), Some(&no), "{kind:?}: settle: {name}");
            let call = reserve.close_with(&channel, 100, 100, signature);
            let said = world.ask(Who::Payee, at, call).await.err();
            assert_eq!(said.as_ref(), Some(&no), "{kind:?}: close: {name}");
        }
        // Both parities, as they stand and plus 27: the verifier's rule, and so the reserve's.
        let (mut amount, mut seen) = (100, [false; 2]);
        while seen != [true; 2] {
            let whole = reserve.voucher(Who::Payer, &channel, amount);
            seen[usize::from(whole[64] - 27)] = true;
            let call = reserve.settle_with(&channel, amount, whole);
            world.send(Who::Payee, at, call).await;
            let whole = reserve.voucher(Who::Payer, &channel, amount + 1);
            let bare = ending(&whole, whole[64] - 27);
            let call = reserve.settle_with(&channel, amount + 1, bare);
            world.send(Who::Payee, at, call).await;
            amount += 2;
        }
        let taken = u128::from(reserve.held().await[1] - crate::world::RICH);
        assert_eq!(taken, amount - 1);
    }
}

#[tokio::test]
async fn a_key_of_another_kind_where_the_chain_knows_it() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("P-256 signers", kind).await else {
            continue;
        };
        let key = Key::from(P256Key::from_bytes([7; 32]).unwrap());
        let channel = reserve.open(1_000, 1, key.address()).await;
        let digest = reserve.digest(&channel, 100);
        let signature = key.sign(digest).to_bytes();
        let call = reserve.settle_with(&channel, 100, signature);
        if kind == Kind::Tempo {
            reserve.world.send(Who::Payee, reserve.at, call).await;
            assert_eq!(reserve.held().await[1], crate::world::RICH + 100);
        } else {
            let no = V2::InvalidSignature::SELECTOR;
            reserve
                .world
                .refused(Who::Payee, reserve.at, call, no)
                .await;
        }
    }
}
