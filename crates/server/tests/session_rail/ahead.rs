//! Payers who sign far ahead of what they are served.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use farthing_core::{
    domain::channels::ChannelError,
    intent::session::{Ahead, Protocol, Refused, Rule, Standing},
};
use farthing_server::{
    What,
    session::{Memory, TillOptions},
};

use crate::kit::{Buyer, DEPOSIT, InMemory, Kit, PRICE, of, options, rail};

const ALLOWANCE: u128 = 64 * PRICE;

fn rule() -> Rule {
    Rule {
        ahead: Some(Ahead {
            price: of(PRICE),
            allowance: of(ALLOWANCE),
        }),
        ..Rule::ANY
    }
}

async fn round(kit: &Kit, time: Duration) {
    kit.clock.advance(time);
    kit.reserve.mine();
    kit.till.look_around(&rail()).await.unwrap();
    kit.till.settle(&rail()).await.unwrap();
}

/// By the first protocol a voucher moves what it says. One for the whole deposit could never be handed
/// in, and its payer would withdraw what it was served for.
#[tokio::test]
async fn a_payer_who_signs_ahead_and_withdraws_takes_no_more_than_the_allowance() {
    let kit = Kit::new(Protocol::V1);
    let alice = kit.buyer("alice").await;
    let refused = kit.pay_by(&alice, DEPOSIT, PRICE, rule()).await;
    let (needed, most) = (of(PRICE), of(PRICE + ALLOWANCE));
    assert!(
        matches!(&refused, Err(ChannelError::Refused(Refused::Ahead { needed: n, most: m })) if (*n, *m) == (needed, most)),
        "{refused:?}"
    );
    assert_eq!(
        kit.balance(&alice).await.accepted,
        of(0),
        "nothing is written"
    );
    // So it signs as far ahead as it may, each time that its balance is out.
    let mut signed = 0;
    let mut served = 0;
    while served + PRICE < DEPOSIT {
        if signed < served + PRICE {
            signed = DEPOSIT.min(served + PRICE + ALLOWANCE);
        }
        let paid = kit.pay_by(&alice, signed, PRICE, rule()).await.unwrap();
        paid.charge.unwrap();
        kit.served(&alice, PRICE).await;
        served += PRICE;
    }
    kit.reserve.request_close(&alice.id());
    for _ in 0..4 {
        round(&kit, Duration::from_secs(301)).await;
    }
    assert!(kit.reserve.withdraw(&alice.id()));
    let lost = served - kit.shops();
    assert!(lost <= PRICE + ALLOWANCE, "{lost} of {served} is lost");
}

/// Others are served while one who signed ahead is closed: what it was served is taken to the unit.
#[tokio::test]
async fn what_only_a_close_can_take_holds_up_the_caps_for_an_idle_time_and_no_longer() {
    let mut options = options();
    options.settle.amount = "$0.10".parse().unwrap();
    let idle = options.settle.idle;
    let kit = Kit::with(Protocol::V2, options, |session| session, None);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, DEPOSIT, DEPOSIT / 2).await;
    round(&kit, idle / 2).await;
    assert_eq!(kit.standing(&alice).await, Standing::Open);
    for _ in 0..4 {
        round(&kit, idle).await;
    }
    assert_eq!((kit.counted().await, kit.shops()), (0, DEPOSIT / 2));
    let told = kit.told();
    let stopped = What::Stopped {
        unsettled: of(DEPOSIT / 2),
    };
    assert!(told.contains(&stopped), "{told:?}");
}

fn busy(options: TillOptions) -> (Kit, Arc<InMemory>) {
    let memory = InMemory::new();
    memory.serves.store(true, Ordering::SeqCst);
    let shown = Arc::clone(&memory) as Arc<dyn Memory>;
    let kit = Kit::with(Protocol::V2, options, |session| session, Some(shown));
    (kit, memory)
}

async fn in_use(kit: &Kit, alice: &Buyer) {
    kit.serve(alice, DEPOSIT, DEPOSIT / 2).await;
    let paid = kit.pay(alice, DEPOSIT, PRICE).await.unwrap();
    paid.charge.unwrap();
}

/// One that is in use is closed once its age is too great, and what is being served is waited for.
#[tokio::test]
async fn a_request_in_flight_is_waited_for_where_only_a_close_can_take_what_was_served() {
    let mut options = options();
    options.settle.amount = "$0.10".parse().unwrap();
    options.settle.close_patience = Duration::from_secs(60 * 60);
    let (idle, age) = (options.settle.idle, options.settle.age);
    let (kit, _memory) = busy(options);
    let alice = kit.buyer("alice").await;
    in_use(&kit, &alice).await;
    for _ in 0..2 {
        round(&kit, idle).await;
    }
    assert_eq!(kit.standing(&alice).await, Standing::Open);
    round(&kit, age).await;
    round(&kit, Duration::from_secs(60)).await;
    assert_eq!(kit.standing(&alice).await, Standing::Closing);
    assert_eq!(kit.shops(), 0, "what is being served is not known yet");
    kit.served(&alice, PRICE).await;
    for _ in 0..3 {
        round(&kit, Duration::from_secs(60)).await;
    }
    assert_eq!(kit.standing(&alice).await, Standing::Closed);
    assert_eq!((kit.counted().await, kit.shops()), (0, DEPOSIT / 2 + PRICE));
}

/// Closing costs the seller a fee, so for little it waits until somebody needs the room.
#[tokio::test]
async fn what_is_little_stays_open_while_nobody_is_refused() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, DEPOSIT, PRICE).await;
    for _ in 0..10 {
        round(&kit, Duration::from_secs(60 * 60)).await;
    }
    assert_eq!(kit.standing(&alice).await, Standing::Open);
    assert_eq!(kit.counted().await, PRICE);
}
