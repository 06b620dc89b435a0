//! What is over is forgotten, and cannot come back.

use std::sync::Arc;

use farthing_core::{
    memory::MemoryBackend,
    port::{
        backend::Backend,
        clock::Clock as _,
        session::{Action, Bygone, Session as _},
    },
    value::{Amount, Timestamp},
};
use farthing_ledger::{ChannelLock, KeyType, Salt};
use serde_json::{Value, json, value::to_raw_value};

use super::{Open, Shop, done, fund, job, paid};
use crate::fixture::key;

const DAY: u64 = 24 * 60 * 60;

impl Shop {
    async fn forget(&self, over: Bygone<'_>) -> bool {
        self.sessions.forget(over).await.unwrap()
    }

    async fn forget_channel(&self, channel: &Open) -> bool {
        let (channel, terms) = (&channel.keeping.id, &channel.terms);
        self.forget(Bygone::Channel { channel, terms }).await
    }

    /// An opening of a channel that was there before, signed anew.
    fn opened_again(&self, channel: &Open, good_for: u64) -> Box<serde_json::value::RawValue> {
        let descriptor: Value = channel.keeping.details["descriptor"].clone();
        let lock = ChannelLock {
            channel: serde_json::from_value(descriptor.clone()).unwrap(),
            opens: true,
            amount: Amount::new(100),
            valid_until: Timestamp::from_secs(self.clock.now().as_secs() + good_for),
            nonce: Salt([9; 16]),
        };
        let signature = key(KeyType::Ed25519, 7).sign(lock.text().as_bytes());
        let nonce = farthing_core::encoding::base64url::encode([9; 16]);
        let voucher = self.payer_says(channel, 50);
        to_raw_value(&json!({
            "action": "open",
            "channelId": channel.keeping.id,
            "descriptor": descriptor,
            "authorization": {
                "amount": "100",
                "validUntil": lock.valid_until.as_secs(),
                "nonce": nonce,
                "signature": farthing_core::encoding::base64url::encode(signature),
            },
            "cumulativeAmount": voucher["cumulativeAmount"],
            "signature": voucher["signature"],
        }))
        .unwrap()
    }

    fn payer_says(&self, channel: &Open, cumulative: u128) -> Value {
        use farthing_core::port::session_payer::SessionPayer as _;
        let voucher = self
            .payer
            .voucher(&channel.keeping, Amount::new(cumulative), false);
        serde_json::from_str(voucher.unwrap().get()).unwrap()
    }
}

/// It is closed and its day is over before it is forgotten; then nobody can open it again, whose
/// vouchers would be good once more.
#[tokio::test]
async fn a_channel_that_was_forgotten_cannot_be_opened_again() {
    let shop = Shop::new(1_000).await;
    let channel = shop.open(600).await;
    shop.clock.advance(3 * DAY);
    assert!(!shop.forget_channel(&channel).await, "it is open");
    let close = job(1, vec![shop.close(&channel, 50, Some(50))]);
    assert!(paid(&shop.sessions.settle(&close).await));
    assert!(shop.seen(&channel).await.is_some());
    assert!(shop.forget_channel(&channel).await && shop.forget_channel(&channel).await);
    assert_eq!(shop.seen(&channel).await, None);
    assert_eq!(shop.has().await, (950, 0, 50));
    for good_for in [1, 60, DAY] {
        let again = shop.opened_again(&channel, good_for);
        assert!(shop.check(&again, None).await.is_err(), "{good_for}");
    }
    assert_eq!(shop.has().await, (950, 0, 50));
}

/// As long as an opening with its salt could be good, a channel that ended is known.
#[tokio::test]
async fn a_channel_whose_day_is_not_over_stays() {
    let shop = Shop::new(1_000).await;
    let channel = shop.open(600).await;
    let close = job(1, vec![shop.close(&channel, 50, Some(50))]);
    assert!(paid(&shop.sessions.settle(&close).await));
    for (wait, expect) in [(0, false), (DAY, false), (1, true)] {
        shop.clock.advance(wait);
        if !expect {
            let again = shop.opened_again(&channel, 60);
            assert!(shop.check(&again, None).await.is_err(), "it was there");
        }
        assert_eq!(shop.forget_channel(&channel).await, expect, "{wait}");
    }
}

/// What was done under a lock's name is forgotten once the lock is good no more: who sends it all the same
/// is refused, and nothing is locked twice.
#[tokio::test]
async fn a_lock_that_was_forgotten_is_not_done_again() {
    let shop = Shop::new(1_000).await;
    let (_, payload) = shop.opening(300).await;
    let shown = shop.shown(&payload);
    let Action::Open(funding) = shop.sessions.read(&shown).unwrap() else {
        panic!("it opens");
    };
    let checked = shop.sessions.check(shown, &funding, None).await.unwrap();
    let name = checked.verified.reference.clone().unwrap();
    let ready = shop.check(&payload, None).await.unwrap();
    assert!(done(&fund(&shop.sessions, &ready).await));
    shop.clock.advance(3_700);
    assert!(
        done(&fund(&shop.sessions, &ready).await),
        "it is remembered"
    );
    let over = Bygone::Funding {
        channel: &ready.id,
        reference: Some(&name),
    };
    assert!(shop.forget(over).await && shop.forget(over).await);
    assert!(!done(&fund(&shop.sessions, &ready).await));
    assert_eq!(shop.has().await, (700, 300, 0));
}

/// However much happens, so much is kept of the news, and who missed more looks at all channels.
#[tokio::test]
async fn news_that_were_taken_in_are_forgotten_but_the_last_ones() {
    let store = Arc::new(MemoryBackend::new());
    let shared: Arc<dyn Backend> = Arc::clone(&store) as Arc<dyn Backend>;
    let shop = Shop::on(shared, 10_000).await;
    let (first, channel) = (shop.open(10).await, shop.open(5_000).await);
    let pay = |n: u32| job(n, vec![shop.pay(&channel, n.into())]);
    for n in 1..=1_500 {
        assert!(paid(&shop.sessions.settle(&pay(n)).await));
        shop.forget(Bygone::Settlement { id: pay(n).id }).await;
    }
    let rows = |name: &str| {
        let counts = store.counts();
        let found = counts.iter().find(|(table, _)| table.name() == name);
        found.map_or(0, |(_, rows)| *rows)
    };
    assert_eq!(rows("ledger.news"), 1_502);
    assert_eq!(rows("ledger.done"), 2, "the two locks");
    let block = shop.sessions.news(None).await.unwrap().block;
    while !shop.forget(Bygone::News { block }).await {}
    assert_eq!(rows("ledger.news"), 1_025);
    assert_eq!(shop.sessions.news(None).await.unwrap().block, block);
    // One that is near goes on, one that is far looks at everything, and both know the end.
    let near = shop.sessions.news(Some(block - 1_000)).await.unwrap();
    assert_eq!(
        (near.block, near.channels),
        (block, vec![channel.keeping.id.clone()])
    );
    let far = shop.sessions.news(Some(1)).await.unwrap();
    let mut all = vec![channel.keeping.id.clone(), first.keeping.id.clone()];
    all.sort_unstable();
    assert_eq!((far.block, far.channels), (block, all));
    // A number is given once.
    assert!(paid(&shop.sessions.settle(&pay(2_000)).await));
    assert_eq!(shop.sessions.news(None).await.unwrap().block, block + 1);
}
