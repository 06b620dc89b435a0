//! Channels: many at once on one, leases, and what may be unsettled.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::channels::{Caps, ChannelError, Channels, Held, Opened, Purchase, Step},
    intent::session::{
        Channel, ChannelId, Details, OnChain, Protocol, RawSignature, Refused, Rule, Seen, Terms,
        Voucher,
    },
    port::backend::{Backend, Guard, Key, Partition, Table, Write},
    value::{Amount, Currency, CurrencyCode, MethodId, Realm, Recipient, Timestamp},
};
use tokio::task::JoinSet;

use super::{NOW, after};

pub(super) const ROWS: Table = Table::new("suite.requests");
const TERM: Duration = Duration::from_secs(30);

pub(super) const fn of(units: u128) -> Amount {
    Amount::new(units)
}

pub(super) fn id(name: &str) -> ChannelId {
    ChannelId::new(name).expect("a case names its channels well")
}

fn terms() -> Terms {
    Terms {
        method: crate::method::method(),
        realm: Realm::new("api.example.com").expect("it is a host"),
        currency: CurrencyCode::new("fake6").expect("it is a currency"),
        payee: Recipient::new("bob").expect("it is a name"),
        payer: crate::method::account("alice"),
        details: Details::default(),
    }
}

pub(super) fn voucher(cumulative: u128) -> Voucher {
    let rs = RawSignature {
        r: [1; 32],
        s: [2; 32],
    };
    Voucher::new(Protocol::V2, of(cumulative), rs).expect("a case stays within the width")
}

pub(super) fn seen(block: u64, deposit: u128, settled: u128) -> Seen {
    let state = OnChain::Open {
        deposit: of(deposit),
        settled: of(settled),
        close_requested_at: None,
    };
    Seen { block, state }
}

/// Caps in base units of a currency of six decimals.
pub(super) fn caps(payer: &str, per_payer: u128, in_total: u128, slice: u128) -> Caps {
    let currency = Currency {
        code: CurrencyCode::new("fake6").expect("it is a currency"),
        decimals: 6,
        rail: MethodId::new("fake").expect("it is a method"),
        symbol: "USD".into(),
    };
    let worth = |units| currency.worth(of(units)).expect("it can be counted");
    Caps {
        payer: crate::method::account(payer),
        per_payer: worth(per_payer),
        in_total: worth(in_total),
        slice: of(slice),
        currency,
    }
}

pub(super) const fn pays(voucher: Option<Voucher>, price: u128) -> Purchase {
    Purchase {
        voucher,
        rule: Rule::ANY,
        price: of(price),
        guards: Vec::new(),
        writes: Vec::new(),
    }
}

pub(super) async fn opened(channels: &Channels, name: &str, deposit: u128) -> Held {
    opened_at(channels, name, deposit, NOW).await
}

pub(super) async fn opened_at(
    channels: &Channels,
    name: &str,
    deposit: u128,
    now: Timestamp,
) -> Held {
    let channel = Channel::open(Protocol::V2, seen(1, deposit, 0)).expect("it is open");
    match channels.open(&id(name), &terms(), channel, now).await {
        Ok(Opened::New(held) | Opened::Known(held)) => held,
        Err(error) => unreachable!("a healthy store opens channels: {error:?}"),
    }
}

pub(super) async fn load(channels: &Channels, name: &str) -> Held {
    let held = channels.load(&id(name)).await;
    held.expect("a healthy store answers")
        .expect("the channel is there")
}

/// Pays; whether it was charged.
pub(super) async fn pay(
    channels: &Channels,
    held: &mut Held,
    purchase: &Purchase,
    caps: &Caps,
) -> Result<bool, ChannelError> {
    let admitted = channels
        .accept_and_charge(held, NOW, purchase, caps)
        .await?;
    Ok(admitted.charge.is_ok())
}

/// Opening is once: who opens what is there finds what became of it.
pub async fn a_channel_is_opened_once(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    let caps = caps("alice", 1000, 1000, 0);
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let channels = channels.clone();
        tasks.spawn(async move {
            let channel = Channel::open(Protocol::V2, seen(1, 100, 0)).expect("it is open");
            let opened = channels.open(&id("one"), &terms(), channel, NOW).await;
            matches!(opened, Ok(Opened::New(_)))
        });
    }
    let new = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|new| *new)
        .count();
    assert_eq!(new, 1);
    let mut held = load(&channels, "one").await;
    let paid = pay(&channels, &mut held, &pays(Some(voucher(9)), 4), &caps).await;
    assert!(paid.expect("it is covered"));
    let again = opened(&channels, "one", 50).await;
    assert_eq!(again.channel(), held.channel());
    assert_eq!(again.channel().balance().deposit, of(100));
    let kept = channels
        .terms(&id("one"))
        .await
        .expect("a healthy store answers");
    assert_eq!(kept, Some(terms()));
    let none = channels
        .load(&id("two"))
        .await
        .expect("a healthy store answers");
    assert!(none.is_none());
}

/// One voucher for one unit, presented by fifty at once from two caches: one is served.
pub async fn one_voucher_pays_for_one_of_many(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    opened(&channels, "one", 100).await;
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let channels = channels.clone();
        tasks.spawn(async move {
            let caps = caps("alice", 1000, 1000, 10);
            let mut held = load(&channels, "one").await;
            let one = pays(Some(voucher(1)), 1);
            pay(&channels, &mut held, &one, &caps)
                .await
                .expect("it is answered")
        });
    }
    let served = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|paid| *paid)
        .count();
    assert_eq!(served, 1);
    let balance = load(&channels, "one").await.channel().balance();
    assert_eq!((balance.spent, balance.accepted), (of(1), of(1)));
}

/// Vouchers and charges from many sides at once: what is charged is what was told to be, and never
/// more than was accepted.
pub async fn many_pay_from_one_channel_to_the_unit(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    opened(&channels, "one", 120).await;
    let mut tasks = JoinSet::new();
    for task in 0..12u128 {
        let channels = channels.clone();
        tasks.spawn(async move {
            let caps = caps("alice", 1000, 1000, 20);
            let mut held = load(&channels, "one").await;
            let mut charged = 0;
            for round in 0..12 {
                // Half bring vouchers, some of which fall behind others' and one passes the deposit.
                let cumulative = round * 12 + task;
                let voucher = (task % 2 == 0).then(|| voucher(cumulative));
                let paid = pay(&channels, &mut held, &pays(voucher, 3), &caps).await;
                match paid {
                    Ok(is_paid) => charged += if is_paid { 3 } else { 0 },
                    Err(ChannelError::Refused(
                        Refused::ExceedsDeposit { .. } | Refused::Falls { .. },
                    )) => {}
                    Err(error) => unreachable!("a voucher falls or is too high: {error:?}"),
                }
                let is = held.channel().balance();
                assert!(is.spent <= is.accepted && is.accepted <= is.deposit);
            }
            charged
        });
    }
    let charged: u128 = tasks.join_all().await.into_iter().sum();
    let balance = load(&channels, "one").await.channel().balance();
    assert_eq!(balance.spent, of(charged));
    assert!(charged > 0 && balance.spent <= balance.accepted && balance.accepted <= of(120));
}

/// A cache that is out of date neither refuses what is covered by now nor serves what is not.
pub async fn a_refusal_counts_only_on_what_is_there(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    let caps = caps("alice", 1000, 1000, 100);
    let mut here = opened(&channels, "one", 100).await;
    let mut there = load(&channels, "one").await;
    let paid = pay(&channels, &mut there, &pays(Some(voucher(20)), 5), &caps).await;
    assert!(paid.expect("it is covered"));
    let paid = pay(&channels, &mut here, &pays(None, 15), &caps).await;
    assert!(
        paid.expect("it is answered"),
        "the other's voucher covers it"
    );
    let paid = pay(&channels, &mut there, &pays(Some(voucher(20)), 1), &caps).await;
    assert!(!paid.expect("it is answered"), "nothing is left");
    let refused = pay(&channels, &mut there, &pays(Some(voucher(19)), 0), &caps).await;
    let falls = Refused::Falls { accepted: of(20) };
    assert!(matches!(refused, Err(ChannelError::Refused(refused)) if refused == falls));
}

/// What is written with a charge is written with it or not at all: a request that is repeated is
/// charged once.
pub async fn a_request_that_is_repeated_is_charged_once(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let caps = caps("alice", 1000, 1000, 0);
    let mut held = opened(&channels, "one", 100).await;
    let key = Key::from("request 1");
    let partition = Partition::Channel(id("one").to_key());
    let mut purchase = Purchase {
        guards: vec![Guard::Absent {
            table: ROWS,
            key: key.clone(),
        }],
        writes: vec![Write::Put {
            table: ROWS,
            key: key.clone(),
            value: b"served".to_vec(),
            fence: 0,
            place: None,
        }],
        ..pays(Some(voucher(4)), 5)
    };
    // The voucher is taken, nothing is charged, and so nothing is written beside.
    let paid = pay(&channels, &mut held, &purchase, &caps).await;
    assert!(!paid.expect("it is answered"));
    let row = store.get(&partition, ROWS, &key).await;
    assert_eq!(row.expect("a healthy store answers"), None);
    purchase.voucher = Some(voucher(20));
    let paid = pay(&channels, &mut held, &purchase, &caps).await;
    assert!(paid.expect("it is covered"));
    for _ in 0..3 {
        let again = pay(&channels, &mut held, &purchase, &caps).await;
        assert!(matches!(again, Err(ChannelError::Guarded(0))), "{again:?}");
    }
    assert_eq!(
        load(&channels, "one").await.channel().balance().spent,
        of(5)
    );
}

/// While one has a channel to itself nobody else writes it, and what it holds is what is there.
pub async fn a_leased_channel_is_written_by_one(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    let caps = caps("alice", 1000, 1000, 100);
    let mut owner = opened(&channels, "one", 100).await;
    let mut other = load(&channels, "one").await;
    assert!(acquire(&channels, &mut owner, NOW).await);
    assert!(!acquire(&channels, &mut other, NOW).await);
    let refused = pay(&channels, &mut other, &pays(Some(voucher(5)), 1), &caps).await;
    assert!(matches!(refused, Err(ChannelError::Leased { until }) if until == after(30)));
    let paid = pay(&channels, &mut owner, &pays(Some(voucher(5)), 1), &caps).await;
    assert!(paid.expect("it is the owner's"));
    assert!(owner.is_leased(NOW) && owner.is_leased(after(29)) && !owner.is_leased(after(30)));
    let released = channels.release(&mut owner).await;
    assert!(released.is_ok(), "{released:?}");
    let paid = pay(&channels, &mut other, &pays(None, 4), &caps).await;
    assert!(paid.expect("it was given back"));
    assert!(!other.is_leased(NOW));
}

/// An owner that slept through its term is overtaken, and what it then tries is taken on what is
/// there: it charges nothing twice.
pub async fn a_stale_owner_of_a_channel_learns_that_it_is_none(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    let caps = caps("alice", 1000, 1000, 100);
    let mut owner = opened(&channels, "one", 100).await;
    assert!(acquire(&channels, &mut owner, NOW).await);
    let fence = owner.fence();
    let paid = pay(&channels, &mut owner, &pays(Some(voucher(10)), 4), &caps).await;
    assert!(paid.expect("it is the owner's"));
    let mut next = load(&channels, "one").await;
    let charged = channels
        .update(&mut next, after(31), |channel| {
            channel.charge(of(6)).map(Step::to)
        })
        .await;
    assert!(charged.is_ok(), "{charged:?}");
    assert!(next.fence() > fence);
    // Its clock still says that the channel is its own, and what it remembers covers the price.
    assert!(owner.is_leased(NOW) && owner.channel().balance().available() == of(6));
    let charged = channels
        .update(&mut owner, NOW, |channel| {
            channel.charge(of(6)).map(Step::to)
        })
        .await;
    let is_short = matches!(charged, Err(ChannelError::Refused(Refused::Short(_))));
    assert!(is_short && !owner.is_leased(NOW), "{charged:?}");
    assert_eq!(
        load(&channels, "one").await.channel().balance().spent,
        of(10)
    );
    assert!(acquire(&channels, &mut next, after(31)).await);
    let mut late = load(&channels, "one").await;
    assert!(!acquire(&channels, &mut late, after(32)).await);
    assert!(acquire(&channels, &mut late, after(61)).await);
    assert!(late.fence() > next.fence());
    let again = channels.release(&mut next).await;
    assert!(again.is_ok(), "{again:?}");
    assert!(load(&channels, "one").await.fence() == late.fence());
}

async fn acquire(channels: &Channels, held: &mut Held, now: Timestamp) -> bool {
    let acquired = channels.acquire(held, now, TERM).await;
    acquired.expect("a healthy store answers")
}
