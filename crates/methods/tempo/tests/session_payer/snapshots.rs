//! Channels as a seller describes them.

use farthing_core::{
    intent::session::Protocol,
    port::{
        method::Fault,
        session_payer::{Keeping, SessionPayer},
    },
};
use farthing_tempo::session::RESERVE_ADDRESS;
use serde_json::{Value, json};

use crate::world::{CHAIN, World, amount, payer_key, signing};

fn snapshot(channel: &Keeping) -> Value {
    json!({
        "acceptedCumulative": "60",
        "chainId": CHAIN.get(),
        "channelId": channel.id,
        "deposit": "100",
        "descriptor": channel.details["descriptor"],
        "escrow": RESERVE_ADDRESS.to_string(),
        "requiredCumulative": "75",
        "settled": "10",
        "spent": "50",
        "units": 2,
        "highestVoucher": { "later": true },
    })
}

#[tokio::test]
async fn a_channel_of_ours_is_known_again_and_spent_from() {
    let Some(world) = World::new("a snapshot").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let (mut channel, _) = world.opened(&payer, Protocol::V2, 100).await;
    // Until when the opening may come is the one thing that a seller does not tell.
    assert!(channel.details.remove("openBefore").is_some());
    let offer = world.offer(Protocol::V2);
    let forgetful = world.payer(payer_key());
    let told = forgetful.read_snapshot(&offer, &snapshot(&channel));
    let told = told.unwrap().unwrap();
    assert_eq!(told.channel, channel);
    let amounts = (told.accepted, told.spent, told.deposit);
    assert_eq!(amounts, (amount(60), amount(50), amount(100)));
    let voucher = forgetful.voucher(&told.channel, amount(75), false).unwrap();
    assert_eq!(world.settled(&channel, &voucher).await, 75);

    // Of another wallet, or for another seller, it is not ours.
    let stranger = world.payer(signing(3));
    let theirs = stranger.read_snapshot(&offer, &snapshot(&channel));
    assert_eq!(theirs.unwrap(), None);
    let operated = world.offer_with(
        Protocol::V2,
        json!({ "operator": "0x1111111111111111111111111111111111111111" }),
    );
    assert_eq!(
        payer.read_snapshot(&operated, &snapshot(&channel)).unwrap(),
        None
    );
}

#[tokio::test]
async fn a_description_that_contradicts_itself_is_refused() {
    let Some(world) = World::new("hostile snapshots").await else {
        return;
    };
    let payer = world.payer(payer_key());
    let (channel, _) = world.opened(&payer, Protocol::V2, 100).await;
    let offer = world.offer(Protocol::V2);
    let check = |name: &str, value: Value, fault: Fault| {
        let mut changed = snapshot(&channel);
        match name.split_once('.') {
            Some((outer, inner)) => changed[outer][inner] = value,
            None => changed[name] = value,
        }
        let read = payer.read_snapshot(&offer, &changed);
        assert_eq!(read.unwrap_err().fault, fault, "{changed}");
    };
    let word = json!(format!("0x{}", "11".repeat(32)));
    let address = json!("0x1111111111111111111111111111111111111111");
    check("chainId", json!(1), Fault::Invalid);
    check("escrow", address.clone(), Fault::Invalid);
    check("channelId", word.clone(), Fault::Invalid);
    check("descriptor.salt", word.clone(), Fault::Invalid);
    check("descriptor.expiringNonceHash", word, Fault::Invalid);
    check("descriptor.payee", address, Fault::Invalid);
    check("spent", json!("61"), Fault::Invalid);
    check("acceptedCumulative", json!("101"), Fault::Invalid);
    check("descriptor.salt", json!("0x11"), Fault::Malformed);
    check("spent", json!(5), Fault::Malformed);
    check("descriptor", Value::Null, Fault::Malformed);
    let first = world.offer(Protocol::V1);
    assert!(payer.read_snapshot(&first, &snapshot(&channel)).is_err());
}
