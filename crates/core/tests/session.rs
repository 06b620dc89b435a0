//! A channel under any order of steps, and what is settled of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use farthing_core::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::{
        Ahead, Channel, OnChain, Protocol, RawSignature, Refused, ReservationId, Rule, Seen,
        Standing, Voucher,
    },
    value::{Amount, Timestamp},
};
use proptest::{collection::vec, prelude::*};

const NONE: Amount = Amount::ZERO;

const fn of(units: u128) -> Amount {
    Amount::new(units)
}

fn voucher(protocol: Protocol, cumulative: u128) -> Voucher {
    let mut r = [0; 32];
    r[16..].copy_from_slice(&cumulative.to_be_bytes());
    Voucher::new(protocol, of(cumulative), RawSignature { r, s: [7; 32] }).unwrap()
}

/// A channel that may hold as much unsettled as it likes.
fn channel(protocol: Protocol, deposit: u128) -> Channel {
    let seen = Seen {
        block: 1,
        state: OnChain::open(of(deposit)),
    };
    let mut channel = Channel::open(protocol, seen).unwrap();
    assert!(channel.grant(1, of(u128::MAX)));
    channel
}

fn seen(block: u64, deposit: u128, settled: u128) -> Seen {
    let state = OnChain::Open {
        deposit: of(deposit),
        settled: of(settled),
        close_requested_at: None,
    };
    Seen { block, state }
}

fn packed(channel: &Channel) -> Vec<u8> {
    let mut out = Packer::new(1, 0);
    channel.pack(&mut out);
    out.finish()
}

fn unpacked(bytes: &[u8]) -> Result<Channel, UnpackError> {
    let mut from = Unpacker::new(bytes, 1)?;
    let channel = Channel::unpack(&mut from)?;
    from.end()?;
    Ok(channel)
}

#[test]
fn an_equal_voucher_changes_nothing_and_buys_nothing() {
    let mut channel = channel(Protocol::V2, 100);
    let one = voucher(Protocol::V2, 1);
    let first = channel.accept_and_charge(Some(&one), NONE, of(1)).unwrap();
    assert_eq!(first.charge.unwrap().available(), NONE);
    let after_first = channel.clone();
    for _ in 0..50 {
        let again = channel.accept_and_charge(Some(&one), of(5), of(1)).unwrap();
        assert_eq!(again.voucher.added, NONE);
        assert!(matches!(
            again.charge,
            Err(Refused::Short(need)) if need.lacks == of(1) && need.required == of(2)
        ));
    }
    assert_eq!(channel, after_first);
    // What an earlier voucher left is charged, with an equal voucher or none.
    channel.accept(&voucher(Protocol::V2, 3), NONE).unwrap();
    for with in [Some(voucher(Protocol::V2, 3)), None] {
        let admitted = channel
            .accept_and_charge(with.as_ref(), NONE, of(1))
            .unwrap();
        assert!(admitted.charge.is_ok());
    }
    assert_eq!(channel.balance().spent, of(3));
}

#[test]
fn a_voucher_that_is_no_good_is_refused_and_charged_nothing() {
    let mut channel = channel(Protocol::V2, 100);
    channel.accept(&voucher(Protocol::V2, 50), NONE).unwrap();
    let before = channel.clone();
    let cases = [
        (49, 0, Refused::Falls { accepted: of(50) }),
        (0, 0, Refused::Falls { accepted: of(50) }),
        (59, 10, Refused::DeltaTooSmall { least: of(10) }),
        (101, 0, Refused::ExceedsDeposit { deposit: of(100) }),
    ];
    for (cumulative, least, refused) in cases {
        let voucher = voucher(Protocol::V2, cumulative);
        let admitted = channel.accept_and_charge(Some(&voucher), of(least), of(1));
        assert_eq!(admitted, Err(refused), "{cumulative}");
        assert_eq!(channel, before);
    }
    channel.accept(&voucher(Protocol::V2, 60), of(10)).unwrap();
    channel.accept(&voucher(Protocol::V2, 100), NONE).unwrap();
}

/// By the second protocol a close takes what was spent, so there is nothing to be bounded.
#[test]
fn by_the_first_protocol_a_voucher_is_near_what_is_owed() {
    let rule = Rule {
        least: NONE,
        ahead: Some(Ahead {
            price: of(10),
            allowance: of(30),
        }),
    };
    for protocol in [Protocol::V1, Protocol::V2] {
        let mut channel = channel(protocol, 1_000);
        channel.accept(&voucher(protocol, 40), rule).unwrap();
        channel.charge(of(25)).unwrap();
        let before = channel.clone();
        // What was spent, the price, and the allowance.
        let far = channel.accept(&voucher(protocol, 66), rule);
        if protocol == Protocol::V2 {
            assert_eq!(far.unwrap().added, of(26));
            continue;
        }
        let (needed, most) = (of(35), of(65));
        assert_eq!(far, Err(Refused::Ahead { needed, most }));
        assert_eq!(channel, before);
        // What is reserved is owed as well, and what a paused stream asked for is owed next.
        channel.reserve(of(15), Timestamp::from_secs(9)).unwrap();
        channel.accept(&voucher(protocol, 80), rule).unwrap();
        let need = channel.pause(of(100)).unwrap().unwrap();
        assert_eq!(need.required, of(140));
        assert!(channel.accept(&voucher(protocol, 171), rule).is_err());
        channel.accept(&voucher(protocol, 170), rule).unwrap();
    }
}

#[test]
fn a_voucher_is_kept_where_the_price_is_not_covered() {
    let mut channel = channel(Protocol::V1, 100);
    let ten = voucher(Protocol::V1, 10);
    let admitted = channel
        .accept_and_charge(Some(&ten), NONE, of(200))
        .unwrap();
    let Err(Refused::Short(need)) = admitted.charge else {
        panic!("{admitted:?}");
    };
    // More than is locked: the deposit has to grow first.
    assert_eq!(
        (need.lacks, need.required, need.deposit),
        (of(190), of(200), of(100))
    );
    assert_eq!(
        (channel.balance().accepted, channel.balance().spent),
        (of(10), NONE)
    );
}

#[test]
fn a_paused_stream_goes_on_with_the_voucher_it_waits_for() {
    let mut channel = channel(Protocol::V2, 100);
    channel.accept(&voucher(Protocol::V2, 5), NONE).unwrap();
    assert_eq!(channel.pause(of(5)), Ok(None));
    let need = channel.pause(of(8)).unwrap().unwrap();
    assert_eq!((need.required, channel.awaited()), (of(8), Some(of(8))));
    assert!(
        !channel
            .accept(&voucher(Protocol::V2, 7), NONE)
            .unwrap()
            .resumes
    );
    assert!(
        channel
            .accept(&voucher(Protocol::V2, 8), NONE)
            .unwrap()
            .resumes
    );
    assert_eq!(channel.awaited(), None);
    channel.charge(of(8)).unwrap();
    channel.pause(of(1)).unwrap();
    channel.resume();
    assert_eq!(channel.awaited(), None);
}

#[test]
fn what_is_reserved_is_charged_once_and_the_rest_comes_free() {
    let mut channel = channel(Protocol::V2, 100);
    channel.accept(&voucher(Protocol::V2, 50), NONE).unwrap();
    let until = Timestamp::from_secs(100);
    let held = channel.reserve(of(40), until).unwrap();
    assert!(matches!(channel.charge(of(11)), Err(Refused::Short(_))));
    channel.draw(held, of(15), until).unwrap();
    // The estimate was 40; it cost 45, and the balance covers the rest.
    let balance = channel.correct(held, of(30)).unwrap();
    assert_eq!((balance.spent, balance.reserved), (of(45), NONE));
    assert_eq!(channel.correct(held, of(1)), Err(Refused::NoReservation));
    assert_eq!(channel.refund(held), Err(Refused::NoReservation));
    let other = channel.reserve(of(5), until).unwrap();
    assert!(matches!(
        channel.correct(other, of(6)),
        Err(Refused::Short(_))
    ));
    assert_eq!(channel.refund(other).unwrap().available(), of(5));
    // One whose owner died comes free when its time is over.
    channel.reserve(of(5), until).unwrap();
    assert_eq!(channel.lapse(Timestamp::from_secs(99)), NONE);
    assert_eq!(channel.lapse(until), of(5));
    assert_eq!(channel.balance().available(), of(5));
    for _ in 0..bounds::RESERVATIONS {
        channel.reserve(NONE, until).unwrap();
    }
    assert_eq!(
        channel.reserve(NONE, until),
        Err(Refused::TooManyReservations)
    );
}

#[test]
fn a_request_to_close_stops_the_service_until_a_top_up_takes_it_back() {
    let mut channel = channel(Protocol::V1, 10);
    channel.accept(&voucher(Protocol::V1, 4), NONE).unwrap();
    let at = Timestamp::from_secs(7);
    let asked = OnChain::Open {
        deposit: of(10),
        settled: NONE,
        close_requested_at: Some(at),
    };
    channel
        .observe(Seen {
            block: 5,
            state: asked,
        })
        .unwrap();
    assert_eq!(channel.standing(), Standing::CloseRequested(at));
    for refused in [
        channel.accept(&voucher(Protocol::V1, 5), NONE).err(),
        channel.charge(of(1)).err(),
        channel.reserve(of(1), at).err(),
    ] {
        assert_eq!(refused, Some(Refused::CloseRequested));
    }
    // An older block does not undo it, a later one with a top-up does.
    channel.observe(seen(4, 10, 0)).unwrap();
    assert_eq!(channel.standing(), Standing::CloseRequested(at));
    channel.observe(seen(6, 20, 0)).unwrap();
    assert_eq!(channel.standing(), Standing::Open);
    channel.accept(&voucher(Protocol::V1, 20), NONE).unwrap();
    assert_eq!(channel.observe(seen(7, 19, 0)), Err(Refused::Contradiction));
    let gone = OnChain::Finalized {
        settled: Some(of(3)),
    };
    channel
        .observe(Seen {
            block: 8,
            state: gone,
        })
        .unwrap();
    assert_eq!(channel.standing(), Standing::Closed);
    assert_eq!(channel.charge(of(1)), Err(Refused::Closed));
    channel.observe(seen(9, 50, 3)).unwrap();
    assert_eq!(channel.standing(), Standing::Closed);
}

#[test]
fn what_is_settled_is_the_highest_voucher_that_says_no_more_than_was_spent() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let mut channel = channel(protocol, 100);
        for cumulative in [10, 20, 30] {
            channel
                .accept(&voucher(protocol, cumulative), NONE)
                .unwrap();
        }
        assert_eq!(channel.to_settle(), None);
        channel.charge(of(25)).unwrap();
        // What may yet be taken back is not paid out.
        assert_eq!(channel.to_settle(), None);
        channel.served(of(19));
        assert_eq!(channel.to_settle(), Some(&voucher(protocol, 10)));
        channel.served(of(6));
        assert_eq!(channel.to_settle(), Some(&voucher(protocol, 20)));
        channel.observe(seen(2, 100, 20)).unwrap();
        assert_eq!(channel.to_settle(), None);
        assert_eq!(channel.exposure(), of(5));
    }
}

#[test]
fn a_close_takes_what_was_spent_or_books_it_as_lost() {
    let spent = |protocol| {
        let mut channel = channel(protocol, 100);
        channel.accept(&voucher(protocol, 20), NONE).unwrap();
        channel.accept(&voucher(protocol, 30), NONE).unwrap();
        channel.charge(of(25)).unwrap();
        channel
    };
    let told = |channel: &Channel| {
        let closing = channel.closing();
        let voucher = closing.voucher.map(|it| it.cumulative().units());
        (closing.capture.units(), voucher, closing.lost.units())
    };
    // The second captures less than its voucher says.
    let mut second = spent(Protocol::V2);
    assert_eq!(told(&second), (25, Some(30), 0));
    second.close(Some(&voucher(Protocol::V2, 28))).unwrap();
    assert_eq!(told(&second), (25, Some(30), 0));
    // The first moves what is signed: exactly, or the highest below and the rest is lost.
    let mut first = spent(Protocol::V1);
    assert_eq!(told(&first), (20, Some(20), 5));
    assert_eq!(
        first.close(Some(&voucher(Protocol::V1, 24))),
        Err(Refused::ClosesBelow { owed: of(25) })
    );
    let beyond = voucher(Protocol::V1, 101);
    assert!(matches!(
        first.close(Some(&beyond)),
        Err(Refused::ExceedsDeposit { .. })
    ));
    first.close(Some(&voucher(Protocol::V1, 29))).unwrap();
    assert_eq!(told(&first), (20, Some(20), 5));
    first.close(Some(&voucher(Protocol::V1, 25))).unwrap();
    assert_eq!(told(&first), (25, Some(25), 0));
    assert_eq!(first.charge(NONE), Err(Refused::Closing));
    // What was paid out before is not taken again. The first protocol closes with a voucher all the
    // same, and the second needs none.
    first.observe(seen(2, 100, 25)).unwrap();
    assert_eq!(told(&first), (25, Some(25), 0));
    second.observe(seen(2, 100, 28)).unwrap();
    assert_eq!(told(&second), (28, None, 0));
    // Nothing spent: nothing is taken.
    let mut idle = channel(Protocol::V2, 100);
    idle.accept(&voucher(Protocol::V2, 60), NONE).unwrap();
    assert_eq!(told(&idle), (0, None, 0));
    let mut idle = channel(Protocol::V1, 100);
    idle.accept(&voucher(Protocol::V1, 60), NONE).unwrap();
    assert_eq!(told(&idle), (0, None, 0), "only its payer can close it");
    idle.close(Some(&voucher(Protocol::V1, 0))).unwrap();
    assert_eq!(told(&idle), (0, Some(0), 0));
}

#[test]
fn a_reservation_is_charged_while_the_channel_closes() {
    let mut channel = channel(Protocol::V2, 100);
    channel.accept(&voucher(Protocol::V2, 30), NONE).unwrap();
    let held = channel.reserve(of(10), Timestamp::from_secs(9)).unwrap();
    channel.close(None).unwrap();
    assert!(!channel.is_idle());
    assert_eq!(channel.correct(held, of(11)), Err(Refused::Closing));
    channel.correct(held, of(9)).unwrap();
    assert!(!channel.is_idle(), "it is served at this moment");
    channel.served(of(9));
    assert!(channel.is_idle());
    assert_eq!(channel.closing().capture, of(9));
}

#[test]
fn what_is_not_served_is_taken_back_while_it_is_unsure() {
    let mut channel = channel(Protocol::V2, 100);
    channel.accept(&voucher(Protocol::V2, 30), NONE).unwrap();
    for price in [10, 8, 5] {
        channel.charge(of(price)).unwrap();
    }
    let told = |channel: &Channel| {
        let is = channel.balance();
        (is.spent.units(), is.unsure.units(), channel.sure().units())
    };
    assert_eq!(told(&channel), (23, 23, 0));
    assert_eq!(channel.unserved(of(8)), of(8));
    assert_eq!(told(&channel), (15, 15, 0));
    assert_eq!(channel.balance().available(), of(15));
    channel.served(of(10));
    assert_eq!(told(&channel), (15, 5, 10));
    // The one that is left died. It counts as served, and one that is late takes nothing back.
    assert_eq!(channel.make_sure(), of(5));
    assert_eq!(channel.unserved(of(5)), NONE);
    assert_eq!(told(&channel), (15, 0, 15));
    channel.served(of(5));
    assert_eq!(channel.make_sure(), NONE);
    assert_eq!(told(&channel), (15, 0, 15));
    // What was drawn on an estimate is taken back like any other.
    let held = channel.reserve(of(10), Timestamp::EPOCH).unwrap();
    channel.draw(held, of(4), Timestamp::EPOCH).unwrap();
    channel.correct(held, of(3)).unwrap();
    assert_eq!(channel.unserved(of(7)), of(7));
    assert_eq!(told(&channel), (15, 0, 15));
}

#[test]
fn who_is_late_makes_nothing_sure_that_is_in_flight() {
    let mut channel = channel(Protocol::V2, 100);
    channel.accept(&voucher(Protocol::V2, 30), NONE).unwrap();
    channel.charge(of(5)).unwrap();
    assert_eq!(channel.make_sure(), of(5));
    channel.charge(of(3)).unwrap();
    // It is served, and the one in flight is not that one.
    channel.served(of(5));
    assert_eq!((channel.unsure(), channel.sure()), (of(3), of(5)));
    assert_eq!(unpacked(&packed(&channel)).unwrap(), channel);
    assert_eq!(channel.unserved(of(3)), of(3));
    assert_eq!(channel.balance().spent, of(5));
    // One who is dead says nothing, and what others say is taken for its word until all is still.
    channel.charge(of(4)).unwrap();
    assert_eq!(channel.make_sure(), of(4));
    channel.charge(of(6)).unwrap();
    channel.served(of(6));
    assert_eq!((channel.unsure(), channel.sure()), (of(4), of(11)));
    assert_eq!(channel.make_sure(), of(4));
    assert_eq!(channel.sure(), of(15));
}

#[test]
fn what_was_paid_out_is_not_taken_back() {
    let mut channel = channel(Protocol::V2, 100);
    channel.accept(&voucher(Protocol::V2, 30), NONE).unwrap();
    channel.charge(of(20)).unwrap();
    // The rail has more than we handed in, and then closes with all that was spent.
    channel.observe(seen(2, 100, 14)).unwrap();
    assert_eq!(channel.unserved(of(5)), of(5));
    assert_eq!(channel.unserved(of(5)), of(1));
    assert_eq!(channel.balance().spent, of(14));
    let settled = Some(of(14));
    let state = OnChain::Finalized { settled };
    channel.observe(Seen { block: 3, state }).unwrap();
    assert_eq!(channel.unserved(of(10)), NONE);
    assert_eq!((channel.lost(), channel.balance().unsure), (NONE, NONE));
}

#[test]
fn what_may_be_unsettled_is_granted_and_given_back() {
    let state = OnChain::open(of(100));
    let mut channel = Channel::open(Protocol::V2, Seen { block: 1, state }).unwrap();
    channel.accept(&voucher(Protocol::V2, 100), NONE).unwrap();
    assert_eq!(
        channel.charge(of(8)),
        Err(Refused::Unbacked { needs: of(8) })
    );
    channel.charge(NONE).unwrap();
    assert!(channel.grant(1, of(10)));
    channel.charge(of(8)).unwrap();
    assert_eq!(
        channel.reserve(of(3), Timestamp::EPOCH),
        Err(Refused::Unbacked { needs: of(11) })
    );
    // Given back down to what is out; what was drawn before that is not taken in again.
    assert_eq!(channel.give_back(1, of(10), of(1)), Some(of(9)));
    assert!(!channel.grant(1, of(10)));
    assert_eq!(channel.give_back(1, of(10), of(1)), Some(of(9)));
    assert!(channel.grant(3, of(20)));
    assert_eq!(channel.give_back(1, of(10), NONE), None);
    channel.observe(seen(2, 100, 8)).unwrap();
    assert_eq!((channel.exposure(), channel.granted()), (NONE, of(20)));
    channel.charge(of(20)).unwrap();
    assert_eq!(channel.exposure(), of(20));
    channel
        .observe(Seen {
            block: 3,
            state: OnChain::Finalized { settled: None },
        })
        .unwrap();
    assert_eq!((channel.exposure(), channel.lost()), (NONE, of(20)));
    assert_eq!(channel.give_back(3, of(20), NONE), Some(NONE));
}

#[test]
fn an_amount_of_the_protocols_width_is_held() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let most = protocol.most();
        let mut channel = channel(protocol, most.units());
        channel
            .accept(&voucher(protocol, most.units()), NONE)
            .unwrap();
        channel.charge(most).unwrap();
        assert!(matches!(channel.charge(most), Err(Refused::Short(_))));
        assert!(matches!(
            channel.reserve(of(u128::MAX), Timestamp::EPOCH),
            Err(Refused::Short(_))
        ));
        assert_eq!(channel.closing().capture, most);
        assert_eq!(unpacked(&packed(&channel)).unwrap(), channel);
    }
    let state = OnChain::open(of(1 << 96));
    let wide = Channel::open(Protocol::V2, Seen { block: 1, state });
    assert_eq!(wide, Err(Refused::Contradiction));
}

#[test]
fn a_channel_has_one_form_and_a_broken_one_is_damage() {
    let mut channel = channel(Protocol::V1, 100);
    channel.accept(&voucher(Protocol::V1, 50), NONE).unwrap();
    channel.reserve(of(10), Timestamp::from_secs(5)).unwrap();
    channel.charge(of(7)).unwrap();
    channel.pause(of(60)).unwrap();
    let bytes = packed(&channel);
    assert_eq!(unpacked(&bytes).unwrap(), channel);
    for cut in 0..bytes.len() {
        assert!(unpacked(&bytes[..cut]).is_err(), "{cut}");
    }
    assert!(unpacked(&[&bytes[..], &[0]].concat()).is_err());
    // Behind the form, the protocol, the stage and the flags stand deposit and accepted.
    let mut more_than_locked = bytes.clone();
    assert_eq!((bytes[4], bytes[5]), (100, 50));
    more_than_locked[4] = 49;
    assert!(matches!(
        unpacked(&more_than_locked),
        Err(UnpackError::Code("balance"))
    ));
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Accept(u128, u128),
    Charge(u128),
    Pay(u128, u128),
    Reserve(u128, u64),
    Draw(usize, u128),
    Correct(usize, u128),
    Refund(usize),
    Lapse(u64),
    Served(u128),
    Unserved(u128),
    MakeSure,
    Pause(u128),
    TopUp(u128),
    Settle,
    Stale,
    RequestClose,
    Close(Option<u128>),
    Finalize,
    Grant(u128),
    GiveBack(u128),
    Store,
}

fn any_op() -> impl Strategy<Value = Op> {
    let small = 0u128..40;
    prop_oneof![
        4 => (0u128..200, 0u128..6).prop_map(|(to, least)| Op::Accept(to, least)),
        3 => small.clone().prop_map(Op::Charge),
        4 => (0u128..200, small.clone()).prop_map(|(to, price)| Op::Pay(to, price)),
        3 => (small.clone(), 0u64..20).prop_map(|(n, until)| Op::Reserve(n, until)),
        2 => (0usize..6, small.clone()).prop_map(|(at, n)| Op::Draw(at, n)),
        2 => (0usize..6, small.clone()).prop_map(|(at, n)| Op::Correct(at, n)),
        1 => (0usize..6).prop_map(Op::Refund),
        1 => (0u64..20).prop_map(Op::Lapse),
        4 => small.clone().prop_map(Op::Served),
        2 => small.clone().prop_map(Op::Unserved),
        1 => Just(Op::MakeSure),
        1 => small.clone().prop_map(Op::Pause),
        1 => small.clone().prop_map(Op::TopUp),
        2 => Just(Op::Settle),
        1 => Just(Op::Stale),
        1 => Just(Op::RequestClose),
        1 => proptest::option::of(0u128..200).prop_map(Op::Close),
        1 => Just(Op::Finalize),
        2 => (0u128..200).prop_map(Op::Grant),
        1 => (0u128..10).prop_map(Op::GiveBack),
        1 => Just(Op::Store),
    ]
}

/// The rail as it would go, and what the seller is to have of it in the end.
struct World {
    protocol: Protocol,
    block: u64,
    deposit: u128,
    settled: u128,
    reservations: Vec<ReservationId>,
    draws: u64,
    charged: u128,
}

impl World {
    /// Does one thing; whether the channel took it.
    fn act(&mut self, channel: &mut Channel, op: Op) -> bool {
        let protocol = self.protocol;
        let id = |at: usize| self.reservations.get(at).copied();
        let far = Timestamp::from_secs(10);
        let mut cost = 0;
        let done = match op {
            Op::Accept(to, least) => channel.accept(&voucher(protocol, to), of(least)).is_ok(),
            Op::Charge(price) => {
                cost = price;
                channel.charge(of(price)).is_ok()
            }
            Op::Pay(to, price) => {
                let voucher = voucher(protocol, to);
                match channel.accept_and_charge(Some(&voucher), NONE, of(price)) {
                    Ok(admitted) => {
                        cost = if admitted.charge.is_ok() { price } else { 0 };
                        true
                    }
                    Err(_) => false,
                }
            }
            Op::Reserve(estimate, until) => {
                let held = channel.reserve(of(estimate), Timestamp::from_secs(until));
                self.reservations.extend(held);
                held.is_ok()
            }
            Op::Draw(at, price) => {
                cost = price;
                id(at).is_some_and(|id| channel.draw(id, of(price), far).is_ok())
            }
            Op::Correct(at, price) => {
                cost = price;
                id(at).is_some_and(|id| channel.correct(id, of(price)).is_ok())
            }
            Op::Refund(at) => id(at).is_some_and(|id| channel.refund(id).is_ok()),
            Op::Lapse(now) => {
                channel.lapse(Timestamp::from_secs(now));
                true
            }
            Op::Served(amount) => {
                channel.served(of(amount));
                true
            }
            Op::Unserved(amount) => {
                self.charged -= channel.unserved(of(amount)).units();
                true
            }
            Op::MakeSure => {
                let unsure = channel.balance().unsure;
                channel.make_sure() == unsure
            }
            Op::Pause(price) => channel.pause(of(price)).is_ok(),
            Op::Grant(amount) => {
                self.draws += 1;
                channel.grant(self.draws, of(amount.max(channel.granted().units())))
            }
            Op::GiveBack(spare) => {
                let granted = channel.granted();
                let stays = channel.give_back(self.draws, granted, of(spare));
                stays.is_some_and(|stays| stays <= granted)
            }
            Op::Close(to) => channel
                .close(to.map(|to| voucher(protocol, to)).as_ref())
                .is_ok(),
            Op::Store => unpacked(&packed(channel)).is_ok_and(|read| read == *channel),
            Op::TopUp(_) | Op::Settle | Op::Stale | Op::RequestClose | Op::Finalize => {
                return self.on_chain(channel, op);
            }
        };
        self.charged += if done { cost } else { 0 };
        done
    }

    fn on_chain(&mut self, channel: &mut Channel, op: Op) -> bool {
        let is_closed = channel.standing() == Standing::Closed;
        let requested = (op == Op::RequestClose).then_some(Timestamp::from_secs(1));
        match op {
            Op::TopUp(more) if !is_closed => self.deposit += more,
            Op::Settle if !is_closed => {
                let voucher = channel.to_settle().map(|it| it.cumulative().units());
                self.settled = voucher.unwrap_or(self.settled);
            }
            Op::Finalize if !is_closed => self.settled = channel.closing().capture.units(),
            _ => {}
        }
        if op != Op::Stale {
            self.block += 1;
        }
        let block = self.block - u64::from(op == Op::Stale);
        let state = match op {
            Op::Finalize => OnChain::Finalized {
                settled: Some(of(self.settled)),
            },
            Op::Stale => OnChain::open(of(1)),
            _ => OnChain::Open {
                deposit: of(self.deposit),
                settled: of(self.settled),
                close_requested_at: requested,
            },
        };
        channel.observe(Seen { block, state }).is_ok()
    }
}

impl PartialEq for Op {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// settled ≤ sure ≤ spent ≤ accepted ≤ deposit, of which only what is spent ever falls, and nothing that was not spent is taken.
    #[test]
    fn whatever_comes_in_whatever_order(
        second in any::<bool>(),
        deposit in 1u128..150,
        ops in vec(any_op(), 1..80),
    ) {
        let protocol = if second { Protocol::V2 } else { Protocol::V1 };
        let state = OnChain::open(of(deposit));
        let mut channel = Channel::open(protocol, Seen { block: 1, state }).unwrap();
        let mut world = World {
            protocol, block: 1, deposit, settled: 0, reservations: Vec::new(), draws: 0, charged: 0,
        };
        for op in ops {
            let before = channel.clone();
            let was = before.balance();
            let done = world.act(&mut channel, op);
            if !done {
                prop_assert_eq!(&channel, &before, "{:?} was refused and changed something", op);
            }
            let is = channel.balance();
            let claimed = is.spent.checked_add(is.reserved).unwrap();
            prop_assert!(claimed <= is.accepted && is.accepted <= is.deposit, "{:?}", is);
            let sure = [&before, &channel].map(Channel::sure);
            prop_assert!(is.unsure <= is.spent && sure[0] <= sure[1], "{:?}", is);
            prop_assert!(was.accepted <= is.accepted);
            prop_assert!(was.spent <= is.spent || matches!(op, Op::Unserved(_)), "{:?}", op);
            prop_assert!(was.deposit <= is.deposit && was.settled <= is.settled);
            prop_assert_eq!(is.spent.units(), world.charged);
            let is_closed = channel.standing() == Standing::Closed;
            let most = if is_closed { is.spent } else { sure[1] };
            prop_assert!(is.settled <= most, "more was settled than was served");
            if claimed > was.spent.checked_add(was.reserved).unwrap() {
                prop_assert!(channel.exposure() <= channel.granted());
            }
            check_settling(&channel)?;
            prop_assert_eq!(&unpacked(&packed(&channel)).unwrap(), &channel);
        }
    }

    /// The vouchers that are kept settle what a seller that kept each could settle, while they are
    /// no more than the bound.
    #[test]
    fn no_voucher_is_forgotten_that_could_be_settled(
        steps in vec((1u128..9, 0u128..9, any::<bool>()), 1..bounds::VOUCHERS),
        protocol in prop_oneof![Just(Protocol::V1), Just(Protocol::V2)],
    ) {
        let mut channel = channel(protocol, 10_000);
        let (mut all, mut to) = (Vec::new(), 0);
        for (add, price, is_served) in steps {
            to += add;
            all.push(to);
            channel.accept(&voucher(protocol, to), NONE).unwrap();
            let is_charged = channel.charge(of(price)).is_ok();
            match (is_charged, is_served) {
                (false, _) => {}
                (true, true) => channel.served(of(price)),
                (true, false) => assert_eq!(channel.unserved(of(price)), of(price)),
            }
            let sure = channel.sure().units();
            let best = all.iter().copied().filter(|it| *it <= sure).max();
            let kept = channel.to_settle().map(|it| it.cumulative().units());
            prop_assert_eq!(kept, best);
        }
    }

    /// Whoever signs thousands ahead fills no row, and what was spent in the end is still had.
    #[test]
    fn many_vouchers_ahead_stay_within_the_bound(count in 20u128..400) {
        let mut channel = channel(Protocol::V2, 10_000);
        for to in 1..=count {
            channel.accept(&voucher(Protocol::V2, to * 3), NONE).unwrap();
        }
        prop_assert!(packed(&channel).len() < bounds::VOUCHERS * 80 + 100);
        channel.charge(of(count * 3)).unwrap();
        channel.served(of(count * 3));
        prop_assert_eq!(channel.to_settle().unwrap().cumulative().units(), count * 3);
    }
}

/// What would be handed in now is allowed by a voucher, within the deposit, and was spent.
fn check_settling(channel: &Channel) -> Result<(), TestCaseError> {
    let is = channel.balance();
    if let Some(voucher) = channel.to_settle() {
        let sure = channel.sure();
        prop_assert!(voucher.cumulative() <= sure && voucher.cumulative() > is.settled);
    }
    let closing = channel.closing();
    prop_assert!(closing.capture <= is.spent && closing.capture >= is.settled);
    let had = closing.capture.checked_add(closing.lost).unwrap();
    prop_assert_eq!(had, is.spent);
    match closing.voucher {
        Some(voucher) => {
            prop_assert!(voucher.cumulative() >= closing.capture);
            prop_assert!(voucher.cumulative() <= is.deposit);
            if channel.protocol() == Protocol::V1 {
                prop_assert_eq!(voucher.cumulative(), closing.capture);
            }
        }
        None => prop_assert_eq!(closing.capture, is.settled),
    }
    if channel.protocol() == Protocol::V2 {
        prop_assert_eq!(closing.capture, is.spent);
    }
    Ok(())
}
