//! What is journaled of settlements: jobs, the agenda, ends and cursors.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        leases::Leases,
        settlements::{End, Item, Job, Open, Outcome, Payout, Settlements, Totals, Wish},
    },
    intent::session::{ChannelId, Protocol, RawSignature, Voucher},
    port::{
        backend::Backend,
        session::{Cost, Handing},
    },
    value::{Amount, CurrencyCode, Did, MethodId, Reference, Timestamp},
};

const NOW: Timestamp = Timestamp::from_secs(1_000);
const GOOD: &str = "a case is well made, and a healthy store answers";

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn method(name: &str) -> MethodId {
    MethodId::new(name).expect(GOOD)
}

fn channel(name: &str) -> ChannelId {
    ChannelId::new(name).expect(GOOD)
}

fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").expect(GOOD)
}

fn voucher(cumulative: u128) -> Voucher {
    let rs = RawSignature {
        r: [3; 32],
        s: [4; 32],
    };
    Voucher::new(Protocol::V2, Amount::new(cumulative), rs).expect(GOOD)
}

fn item(name: &str, how: Handing) -> Item {
    Item {
        channel: channel(name),
        how,
        currency: dollar(),
        before: Amount::new(5),
    }
}

fn job(ask_at: Timestamp) -> Job {
    let close = |capture, voucher| Handing::Close {
        capture: Amount::new(capture),
        voucher,
    };
    Job {
        id: [9; 16],
        method: method("rail"),
        items: vec![
            item("one", Handing::Settle(voucher(u128::MAX >> 33))),
            item("two", close(15, Some(voucher(20)))),
            item("three", close(5, None)),
        ],
        asked: 0,
        made_at: NOW,
        ask_at,
    }
}

/// What was journaled is what is handed in, and what was paid out is added up once.
pub async fn a_job_is_read_as_it_was_written_and_is_written_off_once(store: Arc<dyn Backend>) {
    let (settlements, leases) = (Settlements::new(store.clone()), Leases::new(store));
    let lease = leases.acquire("settle", NOW, Duration::from_secs(9)).await;
    let lease = lease.expect(GOOD).expect(GOOD);
    let begun = settlements
        .begin(&lease, job(NOW))
        .await
        .expect(GOOD)
        .expect(GOOD);
    let read = settlements.jobs(&method("rail"), None).await.expect(GOOD);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].job, job(NOW));
    assert!(
        settlements
            .jobs(&method("other"), None)
            .await
            .expect(GOOD)
            .is_empty()
    );
    let later = settlements
        .ask_later(begun.clone(), at(2_000))
        .await
        .expect(GOOD);
    let later = later.expect(GOOD);
    assert_eq!((later.job.asked, later.job.ask_at), (1, at(2_000)));
    // Whoever read it before is out of date.
    assert!(
        settlements
            .ask_later(begun.clone(), NOW)
            .await
            .expect(GOOD)
            .is_none()
    );
    let done = settled("0x1", at(3_000), Some(cost(7)));
    assert!(!settlements.finish(&begun, &done).await.expect(GOOD));
    assert!(settlements.finish(&later, &done).await.expect(GOOD));
    assert!(!settlements.finish(&later, &done).await.expect(GOOD));
    let totals = settlements
        .totals(&method("rail"), &dollar())
        .await
        .expect(GOOD);
    let settled = Amount::new((u128::MAX >> 33) - 5 + 10);
    let expected = Totals {
        settled,
        settlements: 1,
        ..Totals::default()
    };
    assert_eq!(totals, expected);
    // The rail took its fee in another currency.
    let fees = settlements.totals(&method("rail"), &cost(0).currency).await;
    let expected = Totals {
        fees: Amount::new(7),
        ..Totals::default()
    };
    assert_eq!(fees.expect(GOOD), expected);
    let of = vec![(method("rail"), cost(0).currency)];
    assert_eq!(settlements.fee_currencies().await.expect(GOOD), of);
    let expected = Payout {
        at: at(3_000),
        reference: Reference::new("0x1").expect(GOOD),
        is_close: true,
        amount: Amount::new(10),
        settled: Amount::new(15),
        channels: 3,
        fee: Some(cost(7)),
    };
    let payouts = settlements.payouts(&channel("two")).await.expect(GOOD);
    assert_eq!(payouts, [expected]);
    assert!(!settlements.payouts(&channel("one")).await.expect(GOOD)[0].is_close);
}

fn cost(amount: u128) -> Cost {
    Cost {
        currency: CurrencyCode::new("gas9").expect(GOOD),
        amount: Amount::new(amount),
    }
}

fn settled(reference: &str, at: Timestamp, fee: Option<Cost>) -> Outcome {
    let reference = Reference::new(reference).expect(GOOD);
    Outcome::Settled { reference, at, fee }
}

async fn begin(store: &Arc<dyn Backend>, job: Job) -> Open {
    let (settlements, leases) = (Settlements::new(store.clone()), Leases::new(store.clone()));
    let lease = leases.acquire("settle", NOW, Duration::from_secs(9)).await;
    let lease = lease.expect(GOOD).expect(GOOD);
    let begun = settlements.begin(&lease, job).await.expect(GOOD);
    leases.release(lease).await.expect(GOOD);
    begun.expect(GOOD)
}

/// A job that the rail took: its method, when it was asked about last, and what is added up.
pub(super) async fn ended_job(store: &Arc<dyn Backend>) -> (MethodId, Timestamp, Totals) {
    let settlements = Settlements::new(store.clone());
    let open = begin(store, job(NOW)).await;
    let done = settled("0x1", at(3_000), None);
    assert!(settlements.finish(&open, &done).await.expect(GOOD));
    let totals = settlements.totals(&method("rail"), &dollar()).await;
    (method("rail"), NOW, totals.expect(GOOD))
}

/// Of each channel the last payouts are kept, and what is forgotten of them stays in the sums. What
/// a rail took for a settlement that it refused is added up as well.
pub async fn the_last_payouts_of_a_channel_are_kept(store: Arc<dyn Backend>) {
    let settlements = Settlements::new(store.clone());
    for n in 0..40u8 {
        let job = Job {
            id: [n; 16],
            items: vec![Item {
                before: Amount::new(n.into()),
                ..item("one", Handing::Settle(voucher(u128::from(n) + 1)))
            }],
            ..job(NOW)
        };
        let open = begin(&store, job).await;
        let done = settled(&format!("0x{n}"), at(2_000 + u64::from(n)), Some(cost(2)));
        assert!(settlements.finish(&open, &done).await.expect(GOOD));
    }
    let refused = begin(&store, job(NOW)).await;
    let outcome = Outcome::Refused { fee: Some(cost(5)) };
    assert!(settlements.finish(&refused, &outcome).await.expect(GOOD));
    let payouts = settlements.payouts(&channel("one")).await.expect(GOOD);
    let kept: Vec<_> = payouts.iter().map(|it| it.settled.units()).collect();
    assert_eq!(kept, (9..=40).rev().collect::<Vec<_>>());
    let totals = settlements.totals(&method("rail"), &dollar()).await;
    assert_eq!(totals.expect(GOOD).settled, Amount::new(40));
    let fees = settlements.totals(&method("rail"), &cost(0).currency).await;
    assert_eq!(fees.expect(GOOD).fees, Amount::new(40 * 2 + 5));
    settlements
        .forget_payouts(&channel("one"))
        .await
        .expect(GOOD);
    assert!(
        settlements
            .payouts(&channel("one"))
            .await
            .expect(GOOD)
            .is_empty()
    );
    let totals = settlements.totals(&method("rail"), &dollar()).await;
    assert_eq!(totals.expect(GOOD).settled, Amount::new(40));
}

/// A settler whose time is over hands nothing in.
pub async fn nothing_is_journaled_under_a_lease_that_somebody_else_has(store: Arc<dyn Backend>) {
    let (settlements, leases) = (Settlements::new(store.clone()), Leases::new(store));
    let term = Duration::from_secs(9);
    let first = leases
        .acquire("settle", NOW, term)
        .await
        .expect(GOOD)
        .expect(GOOD);
    let second = leases.acquire("settle", at(1_010), term).await.expect(GOOD);
    assert!(
        settlements
            .begin(&first, job(NOW))
            .await
            .expect(GOOD)
            .is_none()
    );
    let second = second.expect(GOOD);
    assert!(
        settlements
            .begin(&second, job(NOW))
            .await
            .expect(GOOD)
            .is_some()
    );
}

/// Whoever wants more of a channel, or wants it sooner, is heard.
pub async fn a_stronger_wish_stays_and_the_earlier_time_counts(store: Arc<dyn Backend>) {
    let settlements = Settlements::new(store);
    let (rail, one) = (method("rail"), channel("one"));
    let want = async |wish, due| {
        settlements
            .want(&rail, &one, wish, (NOW, at(due)))
            .await
            .expect(GOOD);
    };
    let due = async |now| {
        let page = settlements.due(&rail, at(now), None, 10).await.expect(GOOD);
        let wishes = page.iter().map(|entry| (entry.wish, entry.due));
        wishes.collect::<Vec<_>>()
    };
    want(Wish::Settle, 2_000).await;
    assert_eq!(due(1_999).await, []);
    assert_eq!(due(2_000).await, [(Wish::Settle, at(2_000))]);
    want(Wish::Close, 3_000).await;
    want(Wish::Settle, 1_500).await;
    assert_eq!(due(1_500).await, [(Wish::Close, at(1_500))]);
    // What is wanted if nobody uses it stands beside.
    want(Wish::CloseIfIdle(Amount::new(7)), 1_200).await;
    let idle = (Wish::CloseIfIdle(Amount::new(7)), at(1_200));
    assert_eq!(due(1_500).await, [idle, (Wish::Close, at(1_500))]);
    let page = settlements
        .due(&rail, at(1_500), None, 1)
        .await
        .expect(GOOD);
    let next = settlements.due(&rail, at(1_500), page.last(), 1).await;
    assert_eq!(next.expect(GOOD)[0].wish, Wish::Close);
    // Somebody wants it meanwhile: what was read is not taken off.
    let read = settlements
        .due(&rail, at(1_500), None, 10)
        .await
        .expect(GOOD);
    want(Wish::Close, 1_100).await;
    assert!(
        !settlements
            .put_off(&rail, &read[1], None)
            .await
            .expect(GOOD)
    );
    assert!(
        settlements
            .put_off(&rail, &read[0], None)
            .await
            .expect(GOOD)
    );
    assert_eq!(due(9_000).await, [(Wish::Close, at(1_100))]);
}

/// Several processes hear of an end, and one of them knows what the rail calls it.
pub async fn an_end_is_counted_once_and_learns_its_name_later(store: Arc<dyn Backend>) {
    let settlements = Settlements::new(store);
    let one = channel("one");
    let heard = End {
        method: method("rail"),
        currency: dollar(),
        payer: Did::new("did:key:alice").expect(GOOD),
        at: NOW,
        accepted: Amount::new(9),
        spent: Amount::new(8),
        settled: Amount::new(5),
        lost: Amount::new(3),
        reference: None,
    };
    assert!(settlements.end(&one, &heard).await.expect(GOOD));
    assert!(!settlements.end(&one, &heard).await.expect(GOOD));
    let named = End {
        at: at(2_000),
        reference: Some(Reference::new("0xabc").expect(GOOD)),
        ..heard.clone()
    };
    assert!(!settlements.end(&one, &named).await.expect(GOOD));
    let told = settlements.ended(&one).await.expect(GOOD).expect(GOOD);
    assert_eq!((told.at, &told.reference), (NOW, &named.reference));
    let totals = settlements
        .totals(&method("rail"), &dollar())
        .await
        .expect(GOOD);
    assert_eq!(totals.lost, Amount::new(3));
    assert!(settlements.end(&channel("two"), &named).await.expect(GOOD));
    let ends = settlements.ends(None, 1).await.expect(GOOD);
    assert_eq!(ends[0].channel, channel("two"), "the latest first");
    let rest = settlements.ends(ends.last(), 9).await.expect(GOOD);
    assert_eq!((rest.len(), &rest[0].channel), (1, &one));
}

/// Whoever is behind does again what another did.
pub async fn a_cursor_never_goes_back(store: Arc<dyn Backend>) {
    let settlements = Settlements::new(store);
    assert_eq!(settlements.cursor("blocks").await.expect(GOOD), None);
    for (to, is) in [(5, 5), (4, 5), (5, 5), (9, 9)] {
        settlements.move_cursor("blocks", to).await.expect(GOOD);
        assert_eq!(settlements.cursor("blocks").await.expect(GOOD), Some(is));
    }
    assert_eq!(settlements.cursor("others").await.expect(GOOD), None);
}
