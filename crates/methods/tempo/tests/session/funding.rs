//! Openings and top-ups: what locks value in this channel and does nothing else, and everything else.

use farthing_core::{
    intent::session::{OnChain, Protocol},
    noun::problem::ProblemKind,
    port::method::{Fault, Outcome},
    value::Amount,
};
use farthing_evm::{Address, Node, U256};
use farthing_tempo::{
    Call, Transaction,
    session::{Open, approve, open, write_signature},
};
use farthing_testkit::chain::{Mining, channels, reserve_proxy::ReserveProxy};
use serde_json::json;

use crate::{
    buyer::{Buyer, Opening},
    world::{
        ALPHA, BOTH, PATH, PAYEE, PAYER, PRICE, STRANGER, World, account, fund, hex, node_options,
        with,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_locks_its_deposit_and_says_what_the_channel_is() {
    let Some(world) = World::new("opening").await else {
        return;
    };
    for protocol in BOTH {
        let before = world.balance(account(PAYER)).await;
        let opening = Buyer::number(PAYER).opening(&world, protocol, 5_000);
        world.tell(&opening.identity).await;
        let checked = world.check(protocol, &opening.payload, None).await.unwrap();
        // Nothing moved by the check.
        assert_eq!(world.balance(account(PAYER)).await, before);
        assert_eq!(checked.verified.keys.len(), 2);
        assert!(checked.verified.debits.is_empty());
        let terms = &checked.terms;
        let payer = format!("did:pkh:eip155:1337:{}", account(PAYER));
        assert_eq!(terms.payer.as_str(), payer);
        assert_eq!(terms.currency, farthing_tempo::token::code(ALPHA));
        assert_eq!(terms.payee.as_str(), format!("{:#x}", account(PAYEE)));
        let id = opening.channel.channel_id();
        let funded = world.fund(&id, &checked).await;
        let Outcome::Settled { reference, .. } = &funded else {
            panic!("{funded:?}");
        };
        assert_eq!(Some(reference), checked.verified.reference.as_ref());
        assert_eq!(before - world.balance(account(PAYER)).await, 5_000);
        // The same bytes move value once, however often they are sent.
        let again = world.fund(&id, &checked).await;
        assert!(matches!(again, Outcome::Settled { .. }), "{again:?}");
        assert_eq!(before - world.balance(account(PAYER)).await, 5_000);
        let locked = crate::buyer::Locked {
            id,
            terms: checked.terms,
            channel: opening.channel,
        };
        assert_eq!(
            world.state(&locked).await,
            OnChain::open(Amount::new(5_000))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chains_own_reserve_needs_no_approval() {
    let Some(world) = World::new("opening without an approval").await else {
        return;
    };
    channels::allow(&world.chain, ALPHA, account(PAYER)).await;
    let buyer = Buyer::number(PAYER);
    let what = buyer.open(&world, Protocol::V2, 5_000);
    let escrow = world.escrow(Protocol::V2);
    let calls = vec![open(&escrow, &what).unwrap()];
    let transaction = buyer.transaction(&world, calls);
    let opening = buyer.opening_with(&world, &escrow, &what, transaction);
    // Here the reserve is not told of the transaction when it is only tried, and says so.
    let checked = world
        .check(Protocol::V2, &opening.payload, None)
        .await
        .unwrap();
    world.tell(&opening.identity).await;
    let funded = world.fund(&opening.channel.channel_id(), &checked).await;
    assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_reserve_that_behaves_as_the_precompile_an_opening_is_one_call() {
    let Some(world) = World::new("the proxy in front of the reserve").await else {
        return;
    };
    let proxy = ReserveProxy::start(&world.chain).await;
    let node = Node::connect(node_options(&proxy.url())).await.unwrap();
    let session = world.another(&node, |_| {});
    let buyer = Buyer::number(PAYER);
    let what = buyer.open(&world, Protocol::V2, 5_000);
    let escrow = world.escrow(Protocol::V2);
    let calls = vec![open(&escrow, &what).unwrap()];
    let transaction = buyer.transaction(&world, calls);
    let opening = buyer.opening_with(&world, &escrow, &what, transaction);
    let before = world.balance(account(PAYER)).await;
    let checked = world
        .check_by(&session, Protocol::V2, &opening.payload, None)
        .await
        .unwrap();
    let id = opening.channel.channel_id();
    let funded = fund(&session, &id, &checked).await;
    assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
    assert_eq!(before - world.balance(account(PAYER)).await, 5_000);
}

/// An opening whose transaction is changed, while what is said of it is that of a good one.
fn forged(
    world: &World,
    protocol: Protocol,
    change: impl FnOnce(&mut Transaction, &Open),
) -> Opening {
    let buyer = Buyer::number(PAYER);
    let what = buyer.open(world, protocol, 5_000);
    let escrow = world.escrow(protocol);
    let calls = vec![
        approve(ALPHA, &escrow, what.deposit),
        open(&escrow, &what).unwrap(),
    ];
    let mut transaction = buyer.transaction(world, calls);
    change(&mut transaction, &what);
    buyer.opening_with(world, &escrow, &what, transaction)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_opens_something_else_is_refused() {
    let Some(world) = World::new("openings of something else").await else {
        return;
    };
    for protocol in BOTH {
        let escrow = world.escrow(protocol);
        let opens = |change: fn(&mut Open)| {
            forged(&world, protocol, |transaction, what| {
                let mut other = *what;
                change(&mut other);
                transaction.calls[1] = open(&escrow, &other).unwrap();
            })
        };
        let less = forged(&world, protocol, |transaction, what| {
            let few = Open {
                deposit: Amount::new(PRICE - 1),
                ..*what
            };
            transaction.calls = vec![
                approve(ALPHA, &escrow, few.deposit),
                open(&escrow, &few).unwrap(),
            ];
        });
        let bad = [
            ("another payee", opens(|o| o.payee = account(STRANGER))),
            ("another token", opens(|o| o.token = PATH)),
            ("another salt", opens(|o| o.salt = farthing_evm::B256::ZERO)),
            (
                "another signer",
                opens(|o| o.authorized_signer = account(STRANGER)),
            ),
            (
                "more than is approved",
                opens(|o| o.deposit = Amount::new(5_001)),
            ),
            ("less than a unit costs", less),
            (
                "no opening",
                forged(&world, protocol, |t, _| {
                    t.calls.pop();
                }),
            ),
            (
                "another call",
                forged(&world, protocol, |t, _| t.calls.push(t.calls[0].clone())),
            ),
            (
                "an approval of more",
                forged(&world, protocol, |t, _| {
                    t.calls[0] = approve(ALPHA, &escrow, Amount::new(1 << 100));
                }),
            ),
            (
                "an approval of another token",
                forged(&world, protocol, |t, what| {
                    t.calls[0] = approve(PATH, &escrow, what.deposit);
                }),
            ),
            (
                "an approval for somebody else",
                forged(&world, protocol, |t, what| {
                    let mut other = escrow;
                    other.contract = account(STRANGER);
                    t.calls[0] = approve(ALPHA, &other, what.deposit);
                }),
            ),
            (
                "another contract",
                forged(&world, protocol, |t, _| {
                    t.calls[1].to = Some(account(STRANGER))
                }),
            ),
            (
                "value",
                forged(&world, protocol, |t, _| t.calls[1].value = U256::from(1)),
            ),
            (
                "bytes behind the call",
                forged(&world, protocol, |t, _| {
                    let longer = [&t.calls[1].input[..], &[0; 32]].concat();
                    t.calls[1].input = longer.into();
                }),
            ),
            (
                "another function",
                forged(&world, protocol, |t, _| {
                    t.calls[1].input = t.calls[0].input.clone();
                }),
            ),
            (
                "no end",
                forged(&world, protocol, |t, _| t.valid_before = None),
            ),
            (
                "too much gas",
                forged(&world, protocol, |t, _| t.gas_limit = 6_000_000),
            ),
            (
                "too little gas",
                forged(&world, protocol, |t, _| t.gas_limit = 500_000),
            ),
            (
                "another chain",
                forged(&world, protocol, |t, _| {
                    t.chain = farthing_evm::ChainId::new(42_431).unwrap();
                }),
            ),
        ];
        // Good ones, for somebody else: what is said of them is true.
        let buyer = Buyer::number(PAYER);
        let truly = |change: fn(&mut Open)| {
            let mut other = buyer.open(&world, protocol, 5_000);
            change(&mut other);
            buyer.opening_of(&world, &escrow, &other)
        };
        let elsewhere = [
            (
                "truly another payee",
                truly(|o| o.payee = account(STRANGER)),
            ),
            ("truly another token", truly(|o| o.token = PATH)),
        ];
        for (what, opening) in bad.into_iter().chain(elsewhere) {
            world.tell(&opening.identity).await;
            let refused = world.check(protocol, &opening.payload, None).await;
            let refusal = refused
                .err()
                .unwrap_or_else(|| panic!("{protocol:?}: {what} is taken"));
            assert!(
                matches!(refusal.fault, Fault::Invalid | Fault::Insufficient),
                "{protocol:?}, {what}: {refusal:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_an_opening_has_to_be_of_it() {
    let Some(world) = World::new("what is said of openings").await else {
        return;
    };
    for protocol in BOTH {
        let buyer = Buyer::number(PAYER);
        let opening = buyer.opening(&world, protocol, 5_000);
        world.tell(&opening.identity).await;
        let good = &opening.payload;
        let kind = async |payload| {
            let refused = world.check(protocol, &payload, None).await;
            refused.unwrap_err().kind()
        };
        let other = Buyer::number(PAYER)
            .salted(9)
            .opening(&world, protocol, 5_000);
        // Another channel, with the transaction of this one.
        let swapped = with(&other.payload, "transaction", good["transaction"].clone());
        assert_eq!(kind(swapped).await, ProblemKind::VerificationFailed);
        let named = with(good, "authorizedSigner", json!(account(STRANGER)));
        assert_eq!(kind(named).await, ProblemKind::VerificationFailed);
        // Its first voucher.
        let stranger = Buyer::number(PAYER)
            .signed_by(STRANGER)
            .sign(&opening.channel, 0);
        let thief = with(good, "signature", write_signature(&stranger));
        assert_eq!(kind(thief).await, ProblemKind::SessionSignerMismatch);
        let high = crate::buyer::high(&buyer.sign(&opening.channel, 0));
        let high = with(good, "signature", hex(&high));
        assert_eq!(kind(high).await, ProblemKind::SessionInvalidSignature);
        let much = write_signature(&buyer.sign(&opening.channel, 5_001));
        let much = with(&with(good, "signature", much), "cumulativeAmount", "5001");
        assert_eq!(kind(much).await, ProblemKind::SessionAmountExceedsDeposit);
        let mut unsigned = good.clone();
        unsigned.as_object_mut().unwrap().remove("signature");
        assert_eq!(kind(unsigned).await, ProblemKind::MalformedCredential);
        // All of it, and it is good.
        let all = write_signature(&buyer.sign(&opening.channel, 5_000));
        let all = with(&with(good, "signature", all), "cumulativeAmount", "5000");
        world.check(protocol, &all, None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_asked_whether_the_payer_can() {
    let Some(world) = World::new("a payer who cannot").await else {
        return;
    };
    for protocol in BOTH {
        let all = world.balance(account(PAYER)).await;
        let opening = Buyer::number(PAYER).opening(&world, protocol, all + 1);
        world.tell(&opening.identity).await;
        let refused = world
            .check(protocol, &opening.payload, None)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ProblemKind::PaymentInsufficient);
        // Without an approval the contract cannot take anything.
        let buyer = Buyer::number(PAYER);
        let what = buyer.open(&world, protocol, 5_000);
        let escrow = world.escrow(protocol);
        let alone = vec![open(&escrow, &what).unwrap()];
        let opening = buyer.opening_with(&world, &escrow, &what, buyer.transaction(&world, alone));
        world.tell(&opening.identity).await;
        let refused = world
            .check(protocol, &opening.payload, None)
            .await
            .unwrap_err();
        assert_eq!(refused.fault, Fault::Invalid, "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_locks_more_in_this_channel_and_nothing_else() {
    let Some(world) = World::new("topping up").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    for protocol in BOTH {
        let channel = world.open(protocol, 5_000).await;
        let (payload, _) = buyer.topping_up(&world, &channel, 700);
        let before = world.balance(account(PAYER)).await;
        let unknown = world.check(protocol, &payload, None).await.unwrap_err();
        assert_eq!(unknown.kind(), ProblemKind::SessionChannelNotFound);
        let checked = world
            .check(protocol, &payload, Some(&channel.terms))
            .await
            .unwrap();
        assert_eq!(
            (checked.amount, &checked.terms),
            (Amount::new(700), &channel.terms)
        );
        let funded = world.fund(&channel.id, &checked).await;
        assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
        assert_eq!(
            world.state(&channel).await,
            OnChain::open(Amount::new(5_700))
        );
        assert_eq!(before - world.balance(account(PAYER)).await, 700);

        // One that says more than its transaction does, of another channel, by somebody else, of nothing.
        let other = world
            .open_by(&Buyer::number(PAYER).salted(9), protocol, 5_000)
            .await;
        let (theirs, _) = buyer.topping_up(&world, &other, 700);
        let swapped = with(&payload, "transaction", theirs["transaction"].clone());
        let more = with(&payload, "additionalDeposit", "701");
        let (nothing, _) = buyer.topping_up(&world, &channel, 0);
        let (stranger, _) = Buyer::number(STRANGER).topping_up(&world, &channel, 700);
        let smuggled = {
            let calls = vec![
                channel.channel.top_up(Amount::new(700)).unwrap(),
                channel.channel.request_close(),
            ];
            let transaction = buyer.transaction(&world, calls);
            buyer
                .topping_up_with(&channel, Amount::new(700), transaction)
                .0
        };
        for bad in [theirs, swapped, more, nothing, stranger, smuggled] {
            let refused = world
                .check(protocol, &bad, Some(&channel.terms))
                .await
                .unwrap_err();
            assert_eq!(refused.fault, Fault::Invalid, "{refused:?}");
        }
        // A voucher of this channel locks nothing, and another channel's terms are not its.
        let refused = world
            .check(protocol, &payload, Some(&other.terms))
            .await
            .unwrap_err();
        assert_eq!(refused.fault, Fault::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_that_is_never_mined_is_refused_once_the_chain_proves_it() {
    let test = "a top-up that is never mined";
    let Some(world) = World::mining(test, Mining::Manual, |o| {
        o.patience = std::time::Duration::from_millis(300)
    })
    .await
    else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    world.chain.rpc("evm_setAutomine", "[true]").await;
    let channel = world.open(Protocol::V1, 5_000).await;
    world.chain.rpc("evm_setAutomine", "[false]").await;
    let (payload, received) = buyer.topping_up(&world, &channel, 700);
    let checked = world
        .check(Protocol::V1, &payload, Some(&channel.terms))
        .await
        .unwrap();
    let waiting = world.fund(&channel.id, &checked).await;
    assert!(matches!(waiting, Outcome::Pending { .. }), "{waiting:?}");
    // The node forgets it, and its time passes.
    let hash = json!([received.whole().unwrap().hash()]).to_string();
    world.chain.rpc("anvil_dropTransaction", &hash).await;
    world.later(std::time::Duration::from_secs(60)).await;
    let gone = world.fund(&channel.id, &checked).await;
    assert!(
        matches!(&gone, Outcome::Refused(refusal) if refusal.fault == Fault::Expired),
        "{gone:?}"
    );
    assert_eq!(
        world.state(&channel).await,
        OnChain::open(Amount::new(5_000))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_fails_on_the_chain_is_refused_and_cost_a_fee() {
    let Some(world) = World::new("an opening that fails").await else {
        return;
    };
    for protocol in BOTH {
        let opening = Buyer::number(PAYER).opening(&world, protocol, 5_000);
        world.tell(&opening.identity).await;
        let checked = world.check(protocol, &opening.payload, None).await.unwrap();
        // Meanwhile its money goes elsewhere.
        let all = world.balance(account(PAYER)).await;
        let away = Call {
            to: Some(ALPHA),
            value: U256::ZERO,
            input: farthing_tempo::tip20::calls::transfer(
                Address::repeat_byte(0x55),
                Amount::new(all),
                None,
            ),
        };
        Buyer::number(PAYER).send(&world, away).await;
        world.tell(&opening.identity).await;
        let id = opening.channel.channel_id();
        let failed = world.fund(&id, &checked).await;
        assert!(
            matches!(&failed, Outcome::Refused(refusal) if refusal.at_cost),
            "{failed:?}"
        );
        let (token, payer) = (ALPHA.to_string(), account(PAYER).to_string());
        world
            .chain
            .give_token(
                farthing_testkit::chain::ACCOUNTS[4].address,
                &token,
                &payer,
                1_000_000,
            )
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_the_payer_sent_already_is_taken() {
    let Some(world) = World::new("an opening that was sent").await else {
        return;
    };
    for protocol in BOTH {
        let opening = Buyer::number(PAYER).opening(&world, protocol, 5_000);
        world.tell(&opening.identity).await;
        let signed = opening.received.clone().whole().unwrap();
        let bytes = json!([signed.raw().bytes()]).to_string();
        world.chain.rpc("eth_sendRawTransaction", &bytes).await;
        let receipt = world.chain.receipt(&signed.hash().to_string()).await;
        assert_eq!(receipt["status"], "0x1");
        let checked = world.check(protocol, &opening.payload, None).await.unwrap();
        let funded = world.fund(&opening.channel.channel_id(), &checked).await;
        assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
    }
}
