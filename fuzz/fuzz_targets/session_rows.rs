//! Rows of sessions: what reads is written as what reads the same, and no step takes a channel out
//! of what holds of every channel.
//!
//! The first byte says which row the others are.
#![no_main]

use std::{fmt::Debug, sync::Arc, time::Duration};

use farthing_client::Purse;
use farthing_core::{
    domain::{
        calls::Calls,
        channels::Channels,
        claims::{Held, Record},
        fundings::FundingRecord,
        settlements::Settlements,
    },
    encoding::packed::{Packer, Unpacker},
    intent::session::{Channel, ChannelId, Details, OnChain, Seen, Terms},
    port::{
        backend::{Key, Place, Row},
        session::Session,
    },
    value::{Amount, Fingerprint, MethodId, Timestamp},
};
use farthing_fuzz::rows::{OneRow, at_once, first_put};
use farthing_ledger::{Account, AccountKey, KeyType, Ledger, LedgerSessions};
use libfuzzer_sys::fuzz_target;

/// As the index has it beside the row.
const AT: u64 = 1_800_000_000_000;

fuzz_target!(|data: &[u8]| {
    let Some((which, row)) = data.split_first() else {
        return;
    };
    match which % 8 {
        0 => channel(row),
        1 => call(row),
        2 => record::<FundingRecord>(row),
        3 => record::<Purse>(row),
        4 => job(row),
        5 => agenda(row),
        6 => end(row),
        _ => others(row),
    }
});

fn row(key: impl Into<Key>, value: &[u8]) -> Row {
    Row {
        key: key.into(),
        value: value.to_vec(),
        version: 1,
        fence: 1,
        place: Some(Place {
            group: "group".into(),
            at: AT,
        }),
    }
}

fn id() -> ChannelId {
    "0x6d0f".parse().expect("an id")
}

fn ledger() -> MethodId {
    "ledger".parse().expect("a method")
}

/// A channel's row is two times and the channel; what comes after it are steps.
fn channel(data: &[u8]) {
    let store = Arc::new(OneRow::new(row("state", data)));
    let _ = at_once(Channels::new(store.clone()).load(&id()));
    let _ = at_once(Channels::new(store).terms(&id()));

    let Ok(mut from) = Unpacker::new(data, 1) else {
        return;
    };
    let (Ok(_), Ok(_), Ok(mut channel)) = (from.time(), from.time(), Channel::unpack(&mut from))
    else {
        return;
    };
    is_written_as_it_is(&channel);
    while let (Ok(step), Ok(amount)) = (from.byte(), from.amount()) {
        let (spent, settled) = (channel.balance().spent, channel.balance().settled);
        take(&mut channel, step, amount);
        let is = channel.balance();
        assert!(is.spent <= is.accepted.max(is.settled) && is.settled >= settled);
        assert!(
            is.spent >= spent || step % 9 == 2,
            "only what is not served is given back"
        );
        is_written_as_it_is(&channel);
    }
}

fn take(channel: &mut Channel, step: u8, amount: Amount) {
    let now = Timestamp::from_millis(AT);
    match step % 9 {
        0 => drop(channel.charge(amount)),
        1 => channel.served(amount),
        2 => {
            let spent = channel.balance().spent;
            let taken = channel.unserved(amount);
            assert_eq!(channel.balance().spent.checked_add(taken), Some(spent));
        }
        3 => drop(channel.make_sure()),
        4 => drop(channel.reserve(amount, now)),
        5 => drop(channel.lapse(now.saturating_add(Duration::from_secs(60)))),
        6 => drop(channel.observe(Seen {
            block: u64::MAX,
            state: OnChain::Open {
                deposit: channel.balance().deposit,
                settled: amount,
                close_requested_at: None,
            },
        })),
        7 => drop(channel.close(None)),
        _ => drop(channel.stream(None)),
    }
}

fn is_written_as_it_is(channel: &Channel) {
    let mut out = Packer::new(1, 0);
    channel.pack(&mut out);
    let bytes = out.finish();
    let mut from = Unpacker::new(&bytes, 1).expect("the form is known");
    let again = Channel::unpack(&mut from).expect("what a channel is reads");
    from.end().expect("nothing is left");
    assert_eq!(&again, channel);
}

fn call(data: &[u8]) {
    let (key, now) = (Fingerprint([7; 32]), Timestamp::from_millis(AT));
    let read = |data: &[u8]| {
        let store = Arc::new(OneRow::new(row(&key.0[..], data)));
        at_once(Calls::new(store).find(&id(), &key))
    };
    let Ok(Some(held)) = read(data) else { return };
    let (_, (_, writes)) = held.metered(held.call().metered, now);
    let written = first_put(writes).expect("a call is put");
    assert_eq!(written, data, "there is one way to write it");
    let again = read(&written).expect("what was written reads");
    assert_eq!(again.expect("it is there").call(), held.call());
    let _ = held.call().repeat(&held.call().whole, now, true);
}

fn record<R: Record + PartialEq + Debug>(data: &[u8]) {
    if let Ok(held) = Held::<R>::read(row("key", data)) {
        is_packed_as_it_is(&held.record);
    }
    if let Ok(mut from) = Unpacker::new(data, 2)
        && let Ok(record) = R::unpack(&mut from)
    {
        is_packed_as_it_is(&record);
    }
}

fn is_packed_as_it_is<R: Record + PartialEq + Debug>(record: &R) {
    let mut out = Packer::new(2, 0);
    record.pack(&mut out).expect("a record is JSON");
    let bytes = out.finish();
    let mut from = Unpacker::new(&bytes, 2).expect("the form is known");
    assert_eq!(
        &R::unpack(&mut from).expect("what was packed reads"),
        record
    );
    from.end().expect("nothing is left");
}

fn job(data: &[u8]) {
    let store = Arc::new(OneRow::new(row(&[7; 16][..], data)));
    let settlements = Settlements::new(store.clone());
    let Ok(open) = at_once(settlements.jobs(&ledger(), None)) else {
        return;
    };
    for open in open {
        let job = open.job.clone();
        let later = at_once(settlements.ask_later(open, job.ask_at));
        let later = later.expect("it is written").expect("it is ours").job;
        let written = store.put().expect("a job is put");
        let store = Arc::new(OneRow::new(row(&job.id[..], &written)));
        let again = at_once(Settlements::new(store).jobs(&ledger(), None));
        let again = again.expect("what was written reads").remove(0).job;
        assert_eq!((&again, again.asked), (&later, job.asked.saturating_add(1)));
        assert_eq!(again.items, job.items);
    }
}

fn agenda(data: &[u8]) {
    let store = Arc::new(OneRow::new(row("wish 0x6d0f", data)));
    let settlements = Settlements::new(store.clone());
    let now = Timestamp::from_millis(AT);
    let Ok(due) = at_once(settlements.due(&ledger(), now, None, 1)) else {
        return;
    };
    for entry in due {
        let done = at_once(settlements.put_off(&ledger(), &entry, Some(entry.due)));
        assert!(done.expect("it is written"));
        let written = store.put().expect("an entry is put");
        let store = Arc::new(OneRow::new(row("wish 0x6d0f", &written)));
        let again = at_once(Settlements::new(store).due(&ledger(), now, None, 1));
        let again = again.expect("what was written reads").remove(0);
        assert_eq!(again.channel, entry.channel);
        assert_eq!(
            (again.wish, again.since, again.due),
            (entry.wish, entry.since, entry.due)
        );
    }
}

fn end(data: &[u8]) {
    let store = Arc::new(OneRow::new(row("0x6d0f", data)));
    let settlements = Settlements::new(store.clone());
    let Ok(Some(known)) = at_once(settlements.ended(&id())) else {
        return;
    };
    let _ = at_once(settlements.ends(None, 1));
    let mut named = known.clone();
    named.reference = Some("0x1".parse().expect("a reference"));
    let is_new = at_once(settlements.end(&id(), &named)).expect("it is written");
    assert!(!is_new, "an end is counted once");
    // What has a reference keeps it.
    let Some(written) = store.put() else {
        assert!(known.reference.is_some());
        return;
    };
    let store = Arc::new(OneRow::new(row("0x6d0f", &written)));
    let again = at_once(Settlements::new(store).ended(&id()));
    assert_eq!(again.expect("what was written reads"), Some(named));
}

/// Where blocks were watched to, what was paid out, and the ledger's own rows.
fn others(data: &[u8]) {
    let store = Arc::new(OneRow::new(row("0x6d0f", data)));
    if let Ok(Some(block)) = at_once(Settlements::new(store.clone()).cursor("a rail")) {
        at_once(Settlements::new(store.clone()).move_cursor("a rail", block)).expect("it reads");
        assert_eq!(store.put(), None, "it does not move to where it is");
    }
    let settlements = Settlements::new(store.clone());
    let _ = at_once(settlements.payouts(&id()));
    let _ = at_once(settlements.fee_currencies());
    let key = AccountKey::from_seed(KeyType::Ed25519, [7; 32]).expect("a seed");
    let account: &Account = key.account();
    let terms = Terms {
        method: ledger(),
        realm: "api.example".parse().expect("a realm"),
        currency: "usd6".parse().expect("a currency"),
        payee: account.recipient(),
        payer: account.did().clone(),
        details: Details::default(),
    };
    let clock = Arc::new(farthing_fuzz::rows::Stopped(Timestamp::from_millis(AT)));
    let sessions = LedgerSessions::new(Ledger::new(account.clone()), store, clock);
    let _ = at_once(sessions.look(&[(id(), terms)]));
    let _ = at_once(sessions.news(Some(0)));
}
