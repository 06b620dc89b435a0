//! The fake reserve: what it moves, what it refuses, and what it is told to answer.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::{sync::Arc, time::Duration};

use farthing_core::{
    intent::session::{OnChain, Protocol, SessionRequest, Voucher},
    port::{
        method::{Fault, Outcome},
        session::{Action, FundOrder, Handing, Session, SettleItem, SettleJob, Settled, Shown},
        session_payer::SessionPayer as _,
    },
    value::{Amount, ChallengeId, CurrencyCode, Did, Realm, Recipient, Timestamp},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{
        self, Answer, FakeDescriptor, FakeReserve, FakeSession, FakeSessionPayer,
        FakeSessionPayload,
    },
};
use serde_json::value::RawValue;

struct World {
    clock: FakeClock,
    reserve: Arc<FakeReserve>,
    session: FakeSession,
    challenge: ChallengeId,
    realm: Realm,
    request: SessionRequest,
}

fn alice() -> Did {
    method::account("alice")
}

fn shop() -> Did {
    method::account("shop")
}

fn world(protocol: Protocol) -> World {
    let clock = FakeClock::default();
    let reserve = Arc::new(FakeReserve::new(Arc::new(clock.clone())));
    reserve.deposit(&alice(), 1_000);
    World {
        session: FakeSession::new(reserve.clone(), &shop(), protocol),
        clock,
        reserve,
        challenge: ChallengeId::new("challenge").unwrap(),
        realm: Realm::new("shop.example").unwrap(),
        request: SessionRequest::new(
            Amount::new(1),
            CurrencyCode::new("fake6").unwrap(),
            Recipient::new(shop().as_str()).unwrap(),
        ),
    }
}

impl World {
    fn channel(&self, protocol: Protocol, salt: &str) -> FakeDescriptor {
        FakeDescriptor::new(&alice(), &shop(), protocol, salt)
    }

    fn shown<'a>(&'a self, payload: &'a RawValue) -> Shown<'a> {
        Shown {
            challenge: &self.challenge,
            realm: &self.realm,
            request: &self.request,
            expires: Timestamp::FAR,
            source: None,
            payload,
            now: self.soon(0),
        }
    }

    fn soon(&self, secs: u64) -> Timestamp {
        use farthing_core::port::clock::Clock as _;
        self.clock.now().saturating_add(Duration::from_secs(secs))
    }

    fn item(&self, channel: &FakeDescriptor, how: Handing) -> SettleItem {
        SettleItem {
            channel: channel.id(),
            terms: channel.terms(&self.realm),
            how,
        }
    }
}

fn voucher(channel: &FakeDescriptor, cumulative: u128) -> Voucher {
    let cumulative = Amount::new(cumulative);
    Voucher::new(channel.protocol, cumulative, channel.sign(cumulative)).unwrap()
}

#[tokio::test]
async fn a_channel_is_opened_paid_and_closed_by_both_protocols() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let world = world(protocol);
        let channel = world.channel(protocol, "salt");
        let lock = channel.opening(Amount::new(100), world.soon(25));
        let payload = FakeSessionPayload::open(&channel, &lock, Amount::ZERO).raw();
        let shown = world.shown(&payload);
        let Action::Open(funding) = world.session.read(&shown).unwrap() else {
            panic!("an opening is an opening")
        };
        let checked = world.session.check(shown, &funding, None).await.unwrap();
        assert_eq!(checked.amount, Amount::new(100));
        let effect = checked.verified.effect.unwrap();
        let order = FundOrder {
            channel: &funding.channel,
            terms: &checked.terms,
            effect: &effect,
        };
        for _ in 0..3 {
            let outcome = world.session.fund(order).await;
            assert!(matches!(outcome, Outcome::Settled { .. }));
        }
        let truth = world.reserve.truth();
        assert_eq!(
            (truth.balance(alice().as_str()), truth.locked()),
            (900, 100)
        );

        let job = SettleJob {
            id: [1; 16],
            items: vec![world.item(&channel, Handing::Settle(voucher(&channel, 30)))],
        };
        for _ in 0..3 {
            assert!(matches!(
                world.session.settle(&job).await,
                Settled::Done { .. }
            ));
        }
        let last = voucher(&channel, 70);
        let how = Handing::Close {
            capture: Amount::new(50),
            voucher: Some(last),
        };
        let job = SettleJob {
            id: [2; 16],
            items: vec![world.item(&channel, how)],
        };
        assert!(matches!(
            world.session.settle(&job).await,
            Settled::Done { .. }
        ));
        let truth = world.reserve.truth();
        // The first protocol moves what the voucher says, whatever is to be captured.
        let paid = if protocol == Protocol::V1 { 70 } else { 50 };
        assert_eq!(truth.balance(shop().as_str()), paid);
        assert_eq!((truth.locked(), truth.total()), (0, 1_000));
        assert_eq!(truth.settlements(), 2);
    }
}

#[tokio::test]
async fn what_the_contracts_refuse_is_refused_and_a_batch_is_whole() {
    let world = world(Protocol::V2);
    let (good, bad) = (
        world.channel(Protocol::V2, "good"),
        world.channel(Protocol::V2, "bad"),
    );
    world.reserve.open(&good, 100);
    world.reserve.open(&bad, 100);
    world.reserve.settle(&bad, 20);
    let forged = Voucher::new(
        Protocol::V2,
        Amount::new(30),
        bad.sign_as(&method::account("mallory"), Amount::new(30)),
    );
    let all = [
        Handing::Settle(voucher(&bad, 20)),
        Handing::Settle(voucher(&bad, 101)),
        Handing::Settle(forged.unwrap()),
        Handing::Close {
            capture: Amount::new(10),
            voucher: Some(voucher(&bad, 30)),
        },
        Handing::Close {
            capture: Amount::new(31),
            voucher: Some(voucher(&bad, 30)),
        },
        Handing::Close {
            capture: Amount::new(30),
            voucher: None,
        },
    ];
    for (number, how) in all.into_iter().enumerate() {
        let job = SettleJob {
            id: [number as u8; 16],
            items: vec![
                world.item(&good, Handing::Settle(voucher(&good, 10))),
                world.item(&bad, how.clone()),
            ],
        };
        let Settled::Refused { culprits, .. } = world.session.settle(&job).await else {
            panic!("{how:?} was not refused")
        };
        assert_eq!(culprits, [1]);
    }
    assert_eq!(world.reserve.channel(&good.id()).unwrap().settled, 0);
    assert_eq!(world.reserve.truth().balance(shop().as_str()), 20);
}

#[tokio::test]
async fn a_payer_leaves_alone_after_the_time_of_grace() {
    let world = world(Protocol::V2);
    let channel = world.channel(Protocol::V2, "salt");
    world.reserve.open(&channel, 100);
    world.reserve.request_close(&channel.id());
    assert!(!world.reserve.withdraw(&channel.id()));
    let terms = [(channel.id(), channel.terms(&world.realm))];
    let seen = world.session.look(&terms).await.unwrap()[0].unwrap();
    assert!(matches!(
        seen.state,
        OnChain::Open {
            close_requested_at: Some(_),
            ..
        }
    ));
    let news = world.session.news(Some(seen.block - 1)).await.unwrap();
    assert_eq!(
        news.channels,
        [] as [_; 0],
        "it was made in an earlier block"
    );
    assert_eq!(
        world.session.news(Some(0)).await.unwrap().channels,
        [channel.id()]
    );

    world.clock.advance(FakeReserve::grace());
    assert!(world.reserve.withdraw(&channel.id()));
    let truth = world.reserve.truth();
    assert_eq!(
        (truth.balance(alice().as_str()), truth.locked()),
        (1_000, 0)
    );
}

#[tokio::test]
async fn the_rail_answers_as_it_is_told_and_moves_value_once() {
    let world = world(Protocol::V2);
    let payer = FakeSessionPayer::new(world.reserve.clone(), &alice());
    let channel = world.channel(Protocol::V2, "salt");
    let lock = channel.opening(Amount::new(100), world.soon(25));
    let (id, terms, effect) = (channel.id(), channel.terms(&world.realm), lock.seal());
    let order = FundOrder {
        channel: &id,
        terms: &terms,
        effect: &effect,
    };
    let pending = Answer::Pending(Duration::from_secs(1));
    world
        .reserve
        .script_funding([Answer::Lost, pending, Answer::MovedButLost]);
    assert!(matches!(
        world.session.fund(order).await,
        Outcome::Unknown { .. }
    ));
    assert!(matches!(
        world.session.fund(order).await,
        Outcome::Pending { .. }
    ));
    assert!(world.reserve.channel(&id).is_none(), "it was forgotten");
    assert!(matches!(
        world.session.fund(order).await,
        Outcome::Unknown { .. }
    ));
    assert_eq!(world.reserve.channel(&id).unwrap().deposit, 100);
    assert!(matches!(
        world.session.fund(order).await,
        Outcome::Settled { .. }
    ));
    assert_eq!(world.reserve.truth().balance(alice().as_str()), 900);

    // A block at a time.
    world.reserve.set_blocks_by_hand(true);
    let more = channel
        .top_up(Amount::new(50), "more", world.soon(25))
        .seal();
    let order = FundOrder {
        effect: &more,
        ..order
    };
    assert!(matches!(
        world.session.fund(order).await,
        Outcome::Pending { .. }
    ));
    assert_eq!(world.reserve.channel(&id).unwrap().deposit, 100);
    world.reserve.mine();
    assert!(matches!(
        world.session.fund(order).await,
        Outcome::Settled { .. }
    ));
    assert_eq!(world.reserve.channel(&id).unwrap().deposit, 150);

    // What was forgotten can come while it is good, and not afterwards.
    let late = channel
        .top_up(Amount::new(50), "late", world.soon(25))
        .seal();
    assert!(payer.may_come(&late, world.soon(0)).await.unwrap());
    world.clock.advance(Duration::from_secs(25));
    assert!(
        payer.may_come(&late, world.soon(0)).await.unwrap(),
        "no block says so yet"
    );
    world.reserve.mine();
    assert!(!payer.may_come(&late, world.soon(0)).await.unwrap());
    let order = FundOrder {
        effect: &late,
        ..order
    };
    world.reserve.set_blocks_by_hand(false);
    assert!(matches!(
        world.session.fund(order).await,
        Outcome::Refused(_)
    ));

    world.reserve.set_silent(true);
    let silent = world.session.news(None).await.unwrap_err();
    assert_eq!(silent.fault, Fault::Unavailable);
    assert_eq!(world.reserve.truth().total(), 1_000);
}
