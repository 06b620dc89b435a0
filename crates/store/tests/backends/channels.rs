//! Two gateways on one file that serve one channel.

use std::sync::Arc;

use farthing_core::{
    domain::channels::{Caps, ChannelError, Channels, Held, Opened, Purchase},
    intent::session::{
        Channel, ChannelId, Details, OnChain, Protocol, RawSignature, Refused, Rule, Seen, Terms,
        Voucher,
    },
    value::{Amount, Currency, Did, Timestamp, Worth},
};
use farthing_store::SqliteBackend;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::options;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const DEPOSIT: u128 = 240;
const PRICE: Amount = Amount::new(3);

pub(super) fn caps() -> Caps {
    Caps {
        payer: Did::new("did:example:alice").unwrap(),
        currency: Currency {
            code: "fake6".parse().unwrap(),
            decimals: 6,
            rail: "fake".parse().unwrap(),
            symbol: "USD".into(),
        },
        per_payer: Worth::UNLIMITED,
        in_total: Worth::UNLIMITED,
        slice: Amount::new(50),
    }
}

pub(super) fn id() -> ChannelId {
    "0xab".parse().unwrap()
}

/// A gateway: a connection to the file of its own, and what it remembers of the channel.
pub(super) async fn gateway(dir: &TempDir, deposit: u128) -> (Channels, Held) {
    let store = SqliteBackend::open(options(dir)).unwrap();
    let channels = Channels::new(Arc::new(store));
    let state = OnChain::open(Amount::new(deposit));
    let channel = Channel::open(Protocol::V2, Seen { block: 1, state }).unwrap();
    let terms = Terms {
        method: "fake".parse().unwrap(),
        realm: "api.example.com".parse().unwrap(),
        currency: "fake6".parse().unwrap(),
        payee: "bob".parse().unwrap(),
        payer: Did::new("did:example:alice").unwrap(),
        details: Details::default(),
    };
    let (Opened::New(held) | Opened::Known(held)) =
        channels.open(&id(), &terms, channel, NOW).await.unwrap();
    (channels, held)
}

pub(super) fn purchase(cumulative: u128) -> Purchase {
    let signature = RawSignature {
        r: [1; 32],
        s: [2; 32],
    };
    let voucher = Voucher::new(Protocol::V2, Amount::new(cumulative), signature).unwrap();
    Purchase {
        voucher: Some(voucher),
        rule: Rule::ANY,
        price: PRICE,
        guards: Vec::new(),
        writes: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_file_serve_one_channel_to_the_unit() {
    let dir = TempDir::new().unwrap();
    let mut tasks = JoinSet::new();
    for first in 0..2 {
        let (channels, mut held) = gateway(&dir, DEPOSIT).await;
        tasks.spawn(async move {
            let mut charged = 0;
            for round in 0..60 {
                // Each voucher of the one falls between two of the other.
                let bought = purchase((round * 2 + first) * 3);
                let paid = channels
                    .accept_and_charge(&mut held, NOW, &bought, &caps())
                    .await;
                match paid {
                    Ok(admitted) if admitted.charge.is_ok() => charged += 3,
                    Ok(_)
                    | Err(ChannelError::Refused(
                        Refused::Falls { .. } | Refused::ExceedsDeposit { .. },
                    )) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            charged
        });
    }
    let charged: u128 = tasks.join_all().await.into_iter().sum();
    let (_, held) = gateway(&dir, DEPOSIT).await;
    let balance = held.channel().balance();
    assert_eq!(balance.spent, Amount::new(charged));
    assert!(
        charged > 0 && balance.spent <= balance.accepted && balance.accepted.units() <= DEPOSIT
    );
    // The highest voucher within the deposit was somebody's, and is there.
    assert_eq!(balance.accepted.units(), DEPOSIT);
}
