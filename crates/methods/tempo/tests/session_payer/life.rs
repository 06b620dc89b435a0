//! A channel's life with a seller, by both protocols.

use farthing_core::{
    intent::session::{OnChain, Protocol},
    port::session_payer::{Opening, SessionPayer},
    value::Amount,
};
use farthing_evm::Address;
use farthing_tempo::session::{Origin, TempoChannel};
use serde_json::{Value, json};

use crate::world::{BOTH, Said, World, account, amount, fee, path, payee, payer_key};

fn open(deposit: u64, settled: u64) -> OnChain {
    OnChain::Open {
        deposit: amount(deposit),
        settled: amount(settled),
        close_requested_at: None,
    }
}

#[tokio::test]
async fn what_is_locked_spent_and_given_back_is_what_the_books_say() {
    let Some(world) = World::new("a life").await else {
        return;
    };
    let payer = world.payer(payer_key());
    for protocol in BOTH {
        let (mine, theirs) = (world.has(account()).await, world.has(payee()).await);
        let (channel, receipt) = world.opened(&payer, protocol, 1_000).await;
        let mut fees = fee(&receipt);
        assert_eq!(world.state(&payer, &channel).await, Some(open(1_000, 0)));

        let voucher = payer.voucher(&channel, amount(300), false).unwrap();
        assert_eq!(world.settled(&channel, &voucher).await, 300);
        assert_eq!(world.state(&payer, &channel).await, Some(open(1_000, 300)));

        let offer = world.offer(protocol);
        let locking = payer.top_up(&offer, &channel, amount(500), world.now());
        let locking = locking.await.unwrap();
        fees += fee(&world.hand_in(&locking).await);
        assert_eq!(world.state(&payer, &channel).await, Some(open(1_500, 300)));

        let closing = payer.voucher(&channel, amount(1_234), true).unwrap();
        let said = Said::of(&closing);
        let on_chain = TempoChannel::read(&channel.details).unwrap();
        let close = on_chain.close(said.cumulative, said.cumulative, Some(&said.signature));
        let receipt = world.by_payee(close.unwrap()).await;
        assert!(receipt.succeeded(), "{receipt:?}");
        let finalized = OnChain::Finalized {
            settled: Some(amount(1_234)),
        };
        // Of the second protocol the contract keeps nothing, and the event of the end says it.
        assert_eq!(world.state(&payer, &channel).await, Some(finalized));
        assert_eq!(world.has(payee()).await - theirs, 1_234, "{protocol:?}");
        assert_eq!(
            mine - world.has(account()).await,
            1_234 + fees,
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn a_fee_is_no_more_than_was_quoted_and_nothing_more_is_allowed_than_is_locked() {
    let Some(world) = World::new("fees").await else {
        return;
    };
    let payer = world.payer(payer_key());
    for protocol in BOTH {
        let offer = world.offer(protocol);
        let quoted = payer.quote(&offer).unwrap().fee.unwrap();
        let opening = payer.open(&offer, amount(700), world.now()).await.unwrap();
        let most = opening.locking.fee.clone().unwrap();
        assert!(most.most <= quoted.most && most.currency == quoted.currency);
        let receipt = world.hand_in(&opening.locking).await;
        assert!(Amount::new(fee(&receipt)) <= most.most);
        let top_up = payer.top_up(&offer, &opening.channel, amount(1), world.now());
        let locking = top_up.await.unwrap();
        let most = locking.fee.clone().unwrap().most;
        let receipt = world.hand_in(&locking).await;
        assert!(Amount::new(fee(&receipt)) <= most && most <= quoted.most);
        if protocol == Protocol::V1 {
            let asked = format!(
                r#"[{{"to":"{:#x}","data":"0xdd62ed3e{:0>64}{:0>64}"}},"latest"]"#,
                path(),
                alloy_primitives::hex::encode(account()),
                alloy_primitives::hex::encode(world.escrow.contract),
            );
            let left = world.chain.rpc("eth_call", &asked).await;
            assert_eq!(left, format!("0x{:064x}", 0));
        }
    }
}

#[tokio::test]
async fn a_sponsor_pays_for_openings_and_top_ups_where_the_offer_says_so() {
    let Some(world) = World::new("sponsored").await else {
        return;
    };
    let payer = world.payer(payer_key());
    for protocol in BOTH {
        let mine = world.has(account()).await;
        let offer = world.offer_with(protocol, json!({ "feePayer": true }));
        assert_eq!(payer.quote(&offer).unwrap().fee, None);
        let opening = payer.open(&offer, amount(1_000), world.now()).await;
        let Opening { channel, locking } = opening.unwrap();
        assert_eq!(locking.fee, None);
        assert!(world.sponsor(&locking).await.succeeded());
        let top_up = payer.top_up(&offer, &channel, amount(20), world.now());
        assert!(world.sponsor(&top_up.await.unwrap()).await.succeeded());
        assert_eq!(world.state(&payer, &channel).await, Some(open(1_020, 0)));
        assert_eq!(mine - world.has(account()).await, 1_020, "{protocol:?}");
        let voucher = payer.voucher(&channel, amount(1_020), false).unwrap();
        assert_eq!(world.settled(&channel, &voucher).await, 1_020);
    }
}

#[tokio::test]
async fn payloads_are_those_of_the_draft() {
    let Some(world) = World::new("payloads").await else {
        return;
    };
    let payer = world.payer(payer_key());
    for protocol in BOTH {
        let offer = world.offer(protocol);
        let opening = payer.open(&offer, amount(1_000), world.now()).await;
        let Opening { channel, locking } = opening.unwrap();
        let bytes = alloy_primitives::hex::encode_prefixed(locking.transaction.expose());
        let read = |payload: Box<serde_json::value::RawValue>| {
            serde_json::from_str::<Value>(payload.get()).unwrap()
        };
        let shown = payer.present_opening(&channel, &locking.transaction, amount(25));
        let mut shown = read(shown.unwrap());
        let signature = shown["signature"].take();
        assert_eq!(signature.as_str().map(str::len), Some(132));
        let mut expected = json!({
            "action": "open",
            "type": "transaction",
            "channelId": channel.id,
            "transaction": bytes,
            "cumulativeAmount": "25",
            "signature": null,
        });
        let described = channel.details.get("descriptor");
        if let Some(descriptor) = described {
            expected["descriptor"] = descriptor.clone();
        }
        assert_eq!(described.is_some(), protocol == Protocol::V2);
        assert_eq!(shown, expected);

        let top_up = payer.top_up(&offer, &channel, amount(7), world.now());
        let top_up = top_up.await.unwrap();
        let shown = read(top_up.payload.unwrap());
        assert_eq!(shown["action"], "topUp");
        assert_eq!(shown["type"], "transaction");
        assert_eq!(shown["additionalDeposit"], "7");
        assert_eq!(shown.get("descriptor"), described);
        for (closes, action) in [(false, "voucher"), (true, "close")] {
            let said = read(payer.voucher(&channel, amount(26), closes).unwrap());
            assert_eq!(said["action"], action);
            assert_eq!(said["channelId"], channel.id.as_str());
            assert_eq!(said["cumulativeAmount"], "26");
            assert_eq!(said.get("descriptor"), described);
        }
        let most = amount(u64::MAX).units() << 64;
        let wide = payer.voucher(&channel, Amount::new(most), false);
        assert_eq!(wide.is_err(), protocol == Protocol::V2);
    }
}

#[tokio::test]
async fn an_operator_of_the_offer_is_the_channels() {
    let Some(world) = World::new("an operator").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let operator = Address::repeat_byte(7);
    let changed = json!({ "operator": operator.to_string() });
    let offer = world.offer_with(Protocol::V2, changed);
    let opening = payer.open(&offer, amount(5), world.now()).await.unwrap();
    let channel = TempoChannel::read(&opening.channel.details).unwrap();
    let Origin::V2(descriptor) = channel.origin() else {
        unreachable!("of the second protocol");
    };
    assert_eq!(descriptor.operator, operator);
    // It is of no use for one without.
    let plain = world.offer(Protocol::V2);
    let scopes = [&offer, &plain].map(|offer| payer.quote(offer).unwrap().scope);
    assert_ne!(scopes[0], scopes[1]);
    let added = payer.top_up(&plain, &opening.channel, amount(5), world.now());
    assert!(added.await.is_err());
}

#[tokio::test]
async fn what_cannot_be_paid_is_not_signed() {
    let Some(world) = World::new("too much").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let more = Amount::new(world.has(account()).await);
    for protocol in BOTH {
        let offer = world.offer(protocol);
        for deposit in [more, Amount::ZERO] {
            let opening = payer.open(&offer, deposit, world.now()).await;
            opening.unwrap_err();
        }
    }
}
