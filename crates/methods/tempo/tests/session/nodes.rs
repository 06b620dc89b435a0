//! Nodes that hang, break off or lie.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use farthing_core::{
    intent::session::{OnChain, Protocol},
    port::{
        method::{Fault, Outcome},
        session::{Handing, Session, Settled},
    },
    value::Amount,
};
use farthing_evm::{Node, NodeOptions};
use farthing_testkit::chain::hostile::{Hostile, Reply};

use crate::{
    buyer::Buyer,
    world::{PAYEE, PAYER, World, account, done, fund, item, job, node_options},
};

const GOOD: u8 = 0;
const HANG: u8 = 1;
const SWALLOW_SENT: u8 = 2;

/// A node in front of the chain that does what a test says.
async fn moody(world: &World) -> (Hostile, Node, Arc<AtomicU8>) {
    let mood = Arc::new(AtomicU8::new(GOOD));
    let (told, to) = (mood.clone(), world.chain.address());
    let hostile = Hostile::start(move |methods, _| match told.load(Ordering::SeqCst) {
        HANG => Reply::Hang,
        SWALLOW_SENT if methods.contains("eth_sendRaw") => Reply::Swallow(to),
        _ => Reply::Forward(to),
    })
    .await;
    let options = NodeOptions {
        attempt: Duration::from_millis(800),
        deadline: Duration::from_secs(2),
        rounds: 1,
        ..node_options(&hostile.url())
    };
    let node = Node::connect(options).await.unwrap();
    (hostile, node, mood)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_is_nobodys_bad_proof_and_nothing_is_lost() {
    let Some(world) = World::new("a node that hangs").await else {
        return;
    };
    let (_hostile, node, mood) = moody(&world).await;
    let session = world.another(&node, |_| {});
    let buyer = Buyer::number(PAYER);
    let opening = buyer.opening(&world, Protocol::V2, 5_000);
    world.tell(&opening.identity).await;
    mood.store(HANG, Ordering::SeqCst);
    let refused = world
        .check_by(&session, Protocol::V2, &opening.payload, None)
        .await;
    assert_eq!(refused.unwrap_err().fault, Fault::Unavailable);
    assert_eq!(
        session.news(None).await.unwrap_err().fault,
        Fault::Unavailable
    );
    session.wait_for_news().await;
    mood.store(GOOD, Ordering::SeqCst);
    let checked = world
        .check_by(&session, Protocol::V2, &opening.payload, None)
        .await
        .unwrap();
    // It is received, and the answer is lost: it is looked for.
    let id = opening.channel.channel_id();
    mood.store(SWALLOW_SENT, Ordering::SeqCst);
    let funded = fund(&session, &id, &checked).await;
    assert!(matches!(funded, Outcome::Settled { .. }), "{funded:?}");
    mood.store(HANG, Ordering::SeqCst);
    let asked = fund(&session, &id, &checked).await;
    assert!(matches!(asked, Outcome::Unknown { .. }), "{asked:?}");
    let channel = crate::buyer::Locked {
        id,
        terms: checked.terms,
        channel: opening.channel,
    };
    let before = world.balance(account(PAYEE)).await;
    let settling = job(
        1,
        vec![item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 300)),
        )],
    );
    let unknown = session.settle(&settling).await;
    assert!(matches!(unknown, Settled::Unknown { .. }), "{unknown:?}");
    let closing = [(channel.id.clone(), channel.terms.clone())];
    assert_eq!(
        session.look(&closing).await.unwrap_err().fault,
        Fault::Unavailable
    );
    // The settlement's answer is lost as well, and it happens once.
    mood.store(SWALLOW_SENT, Ordering::SeqCst);
    done(&session.settle(&settling).await);
    mood.store(GOOD, Ordering::SeqCst);
    done(&session.settle(&settling).await);
    assert_eq!(world.balance(account(PAYEE)).await - before, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_says_nothing_of_the_channel_opens_none() {
    let Some(world) = World::new("a receipt that lies").await else {
        return;
    };
    let to = world.chain.address();
    // It says success, and the contract nothing.
    let hostile = Hostile::start(move |methods, asked| {
        if !methods.contains("eth_sendRawTransactionSync") {
            return Reply::Forward(to);
        }
        let raw = asked[0]["params"][0]
            .as_str()
            .or(asked["params"][0].as_str());
        let bytes: farthing_evm::Bytes = raw.unwrap().parse().unwrap();
        let hash = farthing_evm::keccak256(&bytes);
        let receipt = serde_json::json!({
            "transactionHash": hash, "blockHash": hash, "blockNumber": "0x1", "status": "0x1",
            "from": account(PAYER), "to": null, "gasUsed": "0x1", "logs": [],
        });
        Reply::Results(vec![receipt])
    })
    .await;
    let node = Node::connect(node_options(&hostile.url())).await.unwrap();
    let session = world.another(&node, |_| {});
    let opening = Buyer::number(PAYER).opening(&world, Protocol::V2, 5_000);
    world.tell(&opening.identity).await;
    let checked = world
        .check_by(&session, Protocol::V2, &opening.payload, None)
        .await
        .unwrap();
    let id = opening.channel.channel_id();
    let lied = fund(&session, &id, &checked).await;
    assert!(
        matches!(lied, Outcome::Unknown { source: Some(_) }),
        "{lied:?}"
    );
    let asked = [(id, checked.terms.clone())];
    assert_eq!(session.look(&asked).await.unwrap(), [None]);
    // A settlement of another channel is not believed either.
    let channel = world
        .open_by(&Buyer::number(PAYER).salted(8), Protocol::V2, 5_000)
        .await;
    let buyer = Buyer::number(PAYER).salted(8);
    let settling = job(
        1,
        vec![item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 300)),
        )],
    );
    let lied = session.settle(&settling).await;
    assert!(matches!(lied, Settled::Unknown { .. }), "{lied:?}");
    assert_eq!(
        world.state(&channel).await,
        OnChain::open(Amount::new(5_000))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_time_is_far_ahead_gets_nothing_signed() {
    let Some(world) = World::new("a node from the future").await else {
        return;
    };
    let buyer = Buyer::number(PAYER);
    let channel = world.open(Protocol::V2, 5_000).await;
    world.chain.advance(Duration::from_secs(3_600)).await;
    let settling = job(
        1,
        vec![item(
            &channel,
            Handing::Settle(world.voucher(&buyer, &channel, 300)),
        )],
    );
    let refused = world.settle(&settling).await;
    assert!(
        matches!(refused, Settled::Unknown { refusal: Some(_) }),
        "{refused:?}"
    );
    world.clock.advance(Duration::from_secs(3_600));
    done(&world.settle(&settling).await);
}

/// Anybody can have more written down of the contract, with the seller's name, than a node tells of several
/// blocks at once. It is then asked block by block, and not the same in vain for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_full_of_others_events_does_not_make_the_chain_silent() {
    let Some(world) = World::new("a block that is full").await else {
        return;
    };
    let begin = world.session.news(None).await.unwrap();
    world.blocks(20).await;
    let opened = world.open(Protocol::V2, 5_000).await;
    world.blocks(3).await;
    let to = world.chain.address();
    let hostile = Hostile::start(move |_, asked| {
        let one = asked.as_array().and_then(|all| all.first());
        let filter = &one.unwrap_or(asked)["params"][0];
        match filter["fromBlock"] == filter["toBlock"] {
            true => Reply::Forward(to),
            false => Reply::Endless,
        }
    })
    .await;
    let options = NodeOptions {
        rounds: 1,
        ..node_options(&hostile.url())
    };
    let node = Node::connect(options).await.unwrap();
    let session = world.another(&node, |_| {});
    let latest = session.news(None).await.unwrap().block;
    let (mut named, mut at) = (Vec::new(), begin.block);
    while at < latest {
        let news = session.news(Some(at)).await.unwrap();
        assert!(news.block > at, "it goes on");
        named.extend(news.channels);
        at = news.block;
    }
    assert_eq!(named, std::slice::from_ref(&opened.id));
}
