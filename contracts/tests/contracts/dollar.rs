//! The dollar for tests: a token, transfers that are signed, approvals that are signed.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolError, eip712_domain, sol};
use farthing_contracts::abi::TestDollar::*;
use farthing_evm::Signature;

use crate::world::{Kind, RICH, Who, World, answering, event};

sol! {
    struct TransferWithAuthorization { address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce; }
    struct ReceiveWithAuthorization { address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce; }
    struct CancelAuthorization { address authorizer; bytes32 nonce; }
    struct Permit { address owner; address spender; uint256 value; uint256 nonce; uint256 deadline; }
}

async fn dollars(test: &str) -> Option<World> {
    World::new(&format!("dollar: {test}"), Kind::Plain).await
}

fn domain(world: &World) -> Eip712Domain {
    eip712_domain! {
        name: "Test Dollar",
        version: "1",
        chain_id: world.chain_id(),
        verifying_contract: world.token,
    }
}

/// A transfer of 100 from the payer to the payee that counts for a minute around now.
fn transfer(now: u64, nonce: u8) -> TransferWithAuthorization {
    TransferWithAuthorization {
        from: Who::Payer.address(),
        to: Who::Payee.address(),
        value: U256::from(100),
        validAfter: U256::from(now - 1),
        validBefore: U256::from(now + 60),
        nonce: B256::repeat_byte(nonce),
    }
}

fn receive(transfer: &TransferWithAuthorization) -> ReceiveWithAuthorization {
    ReceiveWithAuthorization {
        from: transfer.from,
        to: transfer.to,
        value: transfer.value,
        validAfter: transfer.validAfter,
        validBefore: transfer.validBefore,
        nonce: transfer.nonce,
    }
}

fn v(signature: &Signature) -> u8 {
    signature.to_bytes()[64]
}

fn in_parts(signed: &TransferWithAuthorization, by: &Signature) -> transferWithAuthorization_0Call {
    transferWithAuthorization_0Call {
        from: signed.from,
        to: signed.to,
        value: signed.value,
        validAfter: signed.validAfter,
        validBefore: signed.validBefore,
        nonce: signed.nonce,
        v: v(by),
        r: by.r(),
        s: by.s(),
    }
}

fn in_one(signed: &TransferWithAuthorization, signature: Bytes) -> transferWithAuthorization_1Call {
    transferWithAuthorization_1Call {
        from: signed.from,
        to: signed.to,
        value: signed.value,
        validAfter: signed.validAfter,
        validBefore: signed.validBefore,
        nonce: signed.nonce,
        signature,
    }
}

#[tokio::test]
async fn it_is_a_token() {
    let Some(world) = dollars("a token").await else {
        return;
    };
    let at = world.token;
    let [payer, payee, other] = [Who::Payer, Who::Payee, Who::Stranger].map(Who::address);
    assert_eq!(world.read(at, nameCall {}).await, "Test Dollar");
    assert_eq!(world.read(at, symbolCall {}).await, "TUSD");
    assert_eq!(world.read(at, decimalsCall {}).await, 6);
    let supply = world.read(at, totalSupplyCall {}).await;
    assert_eq!(supply, U256::from(5 * RICH));

    let value = U256::from(30);
    let logs = world.send(Who::Payer, at, transferCall { to: payee, value });
    let moved = event::<Transfer>(&logs.await, at);
    assert_eq!((moved.from, moved.to, moved.value), (payer, payee, value));
    assert_eq!(
        [world.balance(payer).await, world.balance(payee).await],
        [RICH - 30, RICH + 30]
    );
    let all = transferCall {
        to: payee,
        value: U256::from(RICH),
    };
    world
        .refused(Who::Payer, at, all, InsufficientBalance::SELECTOR)
        .await;
    let nowhere = transferCall {
        to: Address::ZERO,
        value,
    };
    world
        .refused(Who::Payer, at, nowhere, InvalidAddress::SELECTOR)
        .await;

    world.approve(Who::Payer, other, 50).await;
    let spend = |value| transferFromCall {
        from: payer,
        to: payee,
        value: U256::from(value),
    };
    world.send(Who::Stranger, at, spend(20)).await;
    let no = InsufficientAllowance::SELECTOR;
    world.refused(Who::Stranger, at, spend(31), no).await;
    world.send(Who::Stranger, at, spend(30)).await;
    world.refused(Who::Stranger, at, spend(1), no).await;
    let forever = approveCall {
        spender: other,
        value: U256::MAX,
    };
    world.send(Who::Payer, at, forever).await;
    world.send(Who::Stranger, at, spend(20)).await;
    let left = allowanceCall {
        owner: payer,
        spender: other,
    };
    assert_eq!(world.read(at, left).await, U256::MAX);
    assert_eq!(world.balance(payer).await, RICH - 100);
    assert_eq!(world.balance(payee).await, RICH + 100);
    assert_eq!(world.balance(other).await, RICH);
    let too_much = mintCall {
        to: payer,
        value: U256::MAX,
    };
    assert!(world.ask(Who::Payer, at, too_much).await.is_err());
}

#[tokio::test]
async fn a_signed_transfer_counts_once_within_its_window() {
    let Some(world) = dollars("signed transfers").await else {
        return;
    };
    let (at, domain) = (world.token, domain(&world));
    let now = world.time().await + 100;
    world.now_is(now).await;
    let signed = transfer(now, 1);
    let signature = Who::Payer.sign(&domain, &signed);
    let call = in_parts(&signed, &signature);
    world.next_at(now + 1).await;
    let logs = world.send(Who::Stranger, at, call.clone()).await;
    let used = event::<AuthorizationUsed>(&logs, at);
    assert_eq!((used.authorizer, used.nonce), (signed.from, signed.nonce));
    assert_eq!(world.balance(signed.from).await, RICH - 100);
    assert_eq!(world.balance(signed.to).await, RICH + 100);
    let state = authorizationStateCall {
        authorizer: signed.from,
        nonce: signed.nonce,
    };
    assert!(world.read(at, state).await);
    let used = AuthorizationAlreadyUsed::SELECTOR;
    world.refused(Who::Stranger, at, call, used).await;
    let whole: Bytes = signature.to_bytes().into();
    world
        .refused(Who::Stranger, at, in_one(&signed, whole), used)
        .await;

    // The edges of the window are outside it.
    let now = now + 1;
    let windows = [
        (now, now + 60, AuthorizationNotYetValid::SELECTOR),
        (now - 1, now, AuthorizationExpired::SELECTOR),
    ];
    for (after, before, no) in windows {
        let signed = TransferWithAuthorization {
            validAfter: U256::from(after),
            validBefore: U256::from(before),
            ..transfer(now, 2)
        };
        let call = in_parts(&signed, &Who::Payer.sign(&domain, &signed));
        world.refused(Who::Stranger, at, call, no).await;
    }

    // What was signed is what is moved, by who signed it, here.
    let signed = transfer(now, 2);
    let good = Who::Payer.sign(&domain, &signed);
    let other_chain = Eip712Domain {
        chain_id: Some(U256::ONE),
        ..domain.clone()
    };
    let more = TransferWithAuthorization {
        value: U256::from(101),
        ..transfer(now, 2)
    };
    let wrong = [
        in_parts(&more, &good),
        in_parts(&signed, &good.flipped()),
        in_parts(&signed, &Who::Stranger.sign(&domain, &signed)),
        in_parts(&signed, &Who::Payer.sign(&other_chain, &signed)),
        in_parts(&signed, &Who::Payer.sign(&domain, &receive(&signed))),
        transferWithAuthorization_0Call {
            v: v(&good) - 27,
            ..in_parts(&signed, &good)
        },
    ];
    for call in wrong {
        world
            .refused(Who::Stranger, at, call, InvalidSignature::SELECTOR)
            .await;
    }
    world
        .send(Who::Stranger, at, in_one(&signed, good.to_bytes().into()))
        .await;
    assert_eq!(world.balance(signed.to).await, RICH + 200);
}

#[tokio::test]
async fn what_is_signed_for_a_recipient_only_it_can_send() {
    let Some(world) = dollars("signed for a recipient").await else {
        return;
    };
    let (at, domain) = (world.token, domain(&world));
    let signed = receive(&transfer(world.time().await, 1));
    let signature = Who::Payer.sign(&domain, &signed);
    let call = receiveWithAuthorization_0Call {
        from: signed.from,
        to: signed.to,
        value: signed.value,
        validAfter: signed.validAfter,
        validBefore: signed.validBefore,
        nonce: signed.nonce,
        v: v(&signature),
        r: signature.r(),
        s: signature.s(),
    };
    let no = CallerNotRecipient::SELECTOR;
    world.refused(Who::Stranger, at, call.clone(), no).await;
    let in_one = receiveWithAuthorization_1Call {
        from: signed.from,
        to: signed.to,
        value: signed.value,
        validAfter: signed.validAfter,
        validBefore: signed.validBefore,
        nonce: signed.nonce,
        signature: signature.to_bytes().into(),
    };
    world.refused(Who::Stranger, at, in_one.clone(), no).await;
    world.send(Who::Payee, at, call).await;
    assert_eq!(world.balance(signed.to).await, RICH + 100);
    let used = AuthorizationAlreadyUsed::SELECTOR;
    world.refused(Who::Payee, at, in_one, used).await;

    // What was cancelled is used.
    let signed = transfer(world.time().await, 2);
    let cancel = CancelAuthorization {
        authorizer: signed.from,
        nonce: signed.nonce,
    };
    let cancelled = |by: Signature| cancelAuthorizationCall {
        authorizer: signed.from,
        nonce: signed.nonce,
        v: v(&by),
        r: by.r(),
        s: by.s(),
    };
    let by_other = cancelled(Who::Stranger.sign(&domain, &cancel));
    let no = InvalidSignature::SELECTOR;
    world.refused(Who::Stranger, at, by_other, no).await;
    let by_payer = cancelled(Who::Payer.sign(&domain, &cancel));
    let logs = world.send(Who::Stranger, at, by_payer.clone()).await;
    let event = event::<AuthorizationCanceled>(&logs, at);
    assert_eq!((event.authorizer, event.nonce), (signed.from, signed.nonce));
    let call = in_parts(&signed, &Who::Payer.sign(&domain, &signed));
    world.refused(Who::Stranger, at, call, used).await;
    world.refused(Who::Stranger, at, by_payer, used).await;
    assert_eq!(world.balance(signed.from).await, RICH - 100);
}

#[tokio::test]
async fn a_contract_signs_as_it_likes() {
    let Some(world) = dollars("contracts that sign").await else {
        return;
    };
    let at = world.token;
    let mut yes = [0; 32];
    yes[..4].copy_from_slice(&keccak256("isValidSignature(bytes32,bytes)")[..4]);
    let [willing, unwilling] = [0x55, 0x56].map(Address::repeat_byte);
    world.put(willing, &answering(B256::from(yes))).await;
    world.put(unwilling, &answering(B256::ZERO)).await;
    for contract in [willing, unwilling] {
        let mint = mintCall {
            to: contract,
            value: U256::from(500),
        };
        world.send(Who::Payer, at, mint).await;
    }
    let now = world.time().await;
    let from = |from| TransferWithAuthorization {
        from,
        ..transfer(now, 1)
    };
    let anything: Bytes = vec![1, 2, 3].into();
    let no = InvalidSignature::SELECTOR;
    let call = in_one(&from(unwilling), anything.clone());
    world.refused(Who::Stranger, at, call, no).await;
    world
        .send(Who::Stranger, at, in_one(&from(willing), anything))
        .await;
    assert_eq!(world.balance(willing).await, 400);
    assert_eq!(world.balance(unwilling).await, 500);
}

#[tokio::test]
async fn an_approval_can_be_signed() {
    let Some(world) = dollars("signed approvals").await else {
        return;
    };
    let (at, domain) = (world.token, domain(&world));
    let separator = domain.separator();
    assert_eq!(world.read(at, DOMAIN_SEPARATORCall {}).await, separator);
    let deadline = world.time().await + 100;
    let signed = |nonce| Permit {
        owner: Who::Payer.address(),
        spender: Who::Stranger.address(),
        value: U256::from(70),
        nonce: U256::from(nonce),
        deadline: U256::from(deadline),
    };
    let call = |nonce, by: Who| {
        let permit = signed(nonce);
        let signature = by.sign(&domain, &permit);
        permitCall {
            owner: permit.owner,
            spender: permit.spender,
            value: permit.value,
            deadline: permit.deadline,
            v: v(&signature),
            r: signature.r(),
            s: signature.s(),
        }
    };
    let no = InvalidSignature::SELECTOR;
    world
        .refused(Who::Payee, at, call(0, Who::Stranger), no)
        .await;
    world.refused(Who::Payee, at, call(1, Who::Payer), no).await;
    world.next_at(deadline).await;
    let logs = world.send(Who::Payee, at, call(0, Who::Payer)).await;
    let approved = event::<Approval>(&logs, at);
    assert_eq!(approved.value, U256::from(70));
    world.refused(Who::Payee, at, call(0, Who::Payer), no).await;
    let owner = Who::Payer.address();
    assert_eq!(world.read(at, noncesCall { owner }).await, U256::ONE);
    world.now_is(deadline + 1).await;
    let late = DeadlinePassed::SELECTOR;
    world
        .refused(Who::Payee, at, call(1, Who::Payer), late)
        .await;
    let spend = transferFromCall {
        from: owner,
        to: Who::Payee.address(),
        value: U256::from(70),
    };
    world.send(Who::Stranger, at, spend).await;
    assert_eq!(world.balance(owner).await, RICH - 70);
}
