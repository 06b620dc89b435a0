//! What an operator does with a seller's store, beside the server that keeps it.

use std::{path::Path, sync::Arc, time::Duration};

use farthing::{
    clock::SystemClock,
    core::{
        domain::{
            claims::{Claim, Claimed, Debts},
            payments::Payments,
        },
        intent::charge,
        payment::{Answer, Payment, SettlePolicy, State},
        port::{
            clock::Clock,
            method::{Booking, Books, Charge, Rail},
        },
        value::{
            Amount, ChallengeId, ClaimKey, CurrencyCode, Entropy, Fingerprint, PaymentId, Realm,
            Reference, RouteId, Timestamp,
        },
    },
    ledger::{Account, Ledger, method},
    store::{SqliteBackend, SqliteOptions},
};
use serde_json::Value;

use crate::world::{Dev, Machine, Run, balance};

/// Nobody else's account.
const BUYER: &str = "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z";

struct Operator<'a> {
    dev: &'a Dev,
    machine: Machine,
}

impl<'a> Operator<'a> {
    fn of(dev: &'a Dev) -> Self {
        let machine = Machine::new().with("FARTHING_STORE", dev.says("store"));
        Self { dev, machine }
    }

    fn run(&self, args: &[&str]) -> Run {
        self.machine.run(args)
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).ends(0).json()
    }

    fn has(&self, account: &str) -> u128 {
        balance(Path::new(self.dev.says("store")), account)
    }
}

#[test]
fn a_deposit_is_booked_once_for_an_id() {
    let dev = Dev::start();
    let operator = Operator::of(&dev);
    let told = operator.json(&["ledger", "deposit", BUYER, "$5"]);
    assert_eq!(
        (&told["amount"], &told["booked"]),
        (&"5000000".into(), &"now".into())
    );
    assert_eq!(
        (&told["available"], &told["held"]),
        (&"5000000".into(), &"0".into())
    );
    // What the id was is told, so that it can be repeated.
    let id = told["id"].as_str().unwrap();
    let again = operator.json(&["ledger", "deposit", BUYER, "$5", "--id", id]);
    assert_eq!(
        (&again["booked"], &again["available"]),
        (&"before".into(), &"5000000".into())
    );
    let other = operator
        .run(&["ledger", "deposit", BUYER, "$6", "--id", id])
        .ends(1);
    assert!(other.stderr.contains(id), "{}", other.stderr);
    let fresh = operator.json(&["ledger", "deposit", BUYER, "0.000001 USD"]);
    assert_ne!(fresh["id"], told["id"]);
    assert_eq!(operator.has(BUYER), 5_000_001);
    for bad in [
        &["ledger", "deposit", BUYER, "$0"][..],
        &["ledger", "deposit", BUYER, "$0.0000001"],
        &["ledger", "deposit", BUYER, "5 EUR"],
        &["ledger", "deposit", BUYER, "5"],
        &["ledger", "deposit", "did:key:zNobody", "$5"],
        &["ledger", "deposit", BUYER, "$5", "--id", "a b"],
    ] {
        operator.run(bad).ends(2);
    }
    assert_eq!(operator.has(BUYER), 5_000_001);
}

#[test]
fn what_comes_in_goes_out_and_is_listed() {
    let dev = Dev::start();
    let operator = Operator::of(&dev);
    operator.json(&["ledger", "deposit", BUYER, "$5", "--id", "in-1"]);
    operator.json(&["ledger", "withdraw", BUYER, "$2", "--id", "out-1"]);
    let again = operator.json(&["ledger", "withdraw", BUYER, "$2", "--id", "out-1"]);
    assert_eq!(
        (&again["booked"], &again["available"]),
        (&"before".into(), &"3000000".into())
    );
    let short = operator
        .run(&["ledger", "withdraw", BUYER, "$3.000001"])
        .ends(1);
    assert!(
        short
            .stderr
            .contains("the account has less than 3.000001 USD"),
        "{}",
        short.stderr
    );
    assert_eq!(operator.has(BUYER), 3_000_000);

    let told = operator.json(&["ledger", "balance", BUYER]);
    assert_eq!(told["balances"][0]["available"], "3000000");
    assert_eq!(
        operator.run(&["ledger", "balance", BUYER]).ends(0).text(),
        "3 USD\n"
    );

    dev.pay(&[dev.says("paid_url"), "-s", "-y"]).ends(0);
    let told = operator.json(&["ledger", "accounts"]);
    let listed: Vec<_> = told["accounts"].as_array().unwrap().iter().collect();
    assert_eq!((listed.len(), &told["all"]), (2, &true.into()));
    assert_eq!(
        (&listed[0]["account"], &listed[0]["available"]),
        (&BUYER.into(), &"3000000".into())
    );
    assert_eq!(listed[1]["available"], "9998000");
    let told = operator.json(&["ledger", "accounts", "-n", "1"]);
    assert_eq!(
        (told["accounts"].as_array().unwrap().len(), &told["all"]),
        (1, &false.into())
    );

    let told = operator.json(&["ledger", "history", BUYER]);
    let kinds: Vec<_> = told["entries"].as_array().unwrap().iter().collect();
    assert_eq!(kinds.len(), 2);
    assert_eq!(
        (&kinds[0]["kind"], &kinds[0]["side"]),
        (&"withdrawal".into(), &"out".into())
    );
    assert_eq!(
        (&kinds[1]["transfer"], &kinds[1]["amount"]),
        (&"in-1".into(), &"5000000".into())
    );
    let one = operator.json(&["ledger", "history", BUYER, "-n", "1"]);
    assert_eq!(one["entries"].as_array().unwrap().len(), 1);
    let none = operator.json(&["ledger", "history", BUYER, "--since", "2099-01-01"]);
    assert_eq!(none["entries"].as_array().unwrap().len(), 0);
}

/// More than are read at once, and each of them.
#[test]
fn a_long_history_is_read_in_pages() {
    let dev = Dev::start();
    let operator = Operator::of(&dev);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let store = open(&dev);
    let currencies = farthing::ledger::Currencies::default();
    let accounts = farthing::ledger::Accounts::new(store.clone(), currencies);
    for n in 0..450u32 {
        let funding = farthing::ledger::Funding {
            id: format!("in-{n}").parse().unwrap(),
            account: BUYER.parse().unwrap(),
            currency: CurrencyCode::new("usd6").unwrap(),
            amount: Amount::new(1),
            at: Timestamp::from_secs(1_700_000_000 + u64::from(n)),
        };
        runtime.block_on(accounts.deposit(&funding)).unwrap();
    }
    runtime.block_on(store.close());
    let count = |args: &[&str]| {
        let told = operator.json(&[&["ledger", "history", BUYER], args].concat());
        told["entries"].as_array().unwrap().len()
    };
    assert_eq!(count(&["-n", "1000"]), 450);
    assert_eq!(count(&["-n", "200"]), 200);
    assert_eq!(count(&[]), 50);
    assert_eq!(
        count(&["-n", "1000", "--since", "2023-11-14T22:18:20Z"]),
        150
    );
    let told = operator.json(&["ledger", "accounts"]);
    assert_eq!(
        told["accounts"].as_array().unwrap().len(),
        2,
        "each account once"
    );
}

#[test]
fn a_store_has_to_be_there() {
    let machine = Machine::new();
    for args in [&["ledger", "accounts"][..], &["payments", "list"]] {
        let run = machine.run(args).ends(2);
        assert!(run.stderr.contains("--store"), "{}", run.stderr);
        let missing = [args, &["--store", "none.db"]].concat();
        let run = machine.run(&missing).ends(8);
        assert!(
            run.stderr.contains("there is no store at none.db"),
            "{}",
            run.stderr
        );
    }
    assert!(!machine.path("none.db").exists(), "looking makes no store");
}

/// The gateway's file says where its store is, whatever the environment says.
#[test]
fn a_gateways_file_names_its_store() {
    let dev = Dev::start();
    let machine = Machine::new().with("FARTHING_STORE", "elsewhere.db");
    let store = dev.says("store");
    let text = format!(
        "site = \"api.example.com\"\nto = \"http://127.0.0.1:3000\"\nstore = \"{store}\"\n\
         pay.ledger = {{ account = \"{BUYER}\" }}\n[routes]\n\"GET /\" = \"$0.01\"\n"
    );
    std::fs::write(machine.path("farthing.toml"), text).unwrap();
    let at = ["--config", "farthing.toml"];
    let deposit = [&["ledger", "deposit", BUYER, "$5"][..], &at].concat();
    machine.run(&deposit).ends(0);
    assert_eq!(balance(Path::new(store), BUYER), 5_000_000);
    let list = [&["payments", "list"][..], &at].concat();
    machine.run(&list).ends(0);
    std::fs::write(machine.path("farthing.toml"), "to = 1").unwrap();
    machine.run(&deposit).ends(2);
    let missing = ["ledger", "accounts", "--config", "none.toml"];
    machine.run(&missing).ends(2);
    assert_eq!(balance(Path::new(store), BUYER), 5_000_000);
}

fn open(dev: &Dev) -> Arc<SqliteBackend> {
    let options = SqliteOptions {
        create: false,
        ..SqliteOptions::new(dev.says("store"))
    };
    Arc::new(SqliteBackend::open(options).unwrap())
}

/// Puts a payment into the store that moved its amount to the demo's seller and was not delivered.
fn plant_owed(dev: &Dev, n: u8) -> String {
    plant(dev, n, |_| {})
}

/// The same as something else; only what is owed is booked.
fn plant(dev: &Dev, n: u8, change: impl FnOnce(&mut Payment)) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let store = open(dev);
    let seller = dev.folder().join("seller/default.wallet.json");
    let seller: Value = serde_json::from_slice(&std::fs::read(seller).unwrap()).unwrap();
    let seller = Account::parse(seller["account"].as_str().unwrap()).unwrap();
    let buyer = Account::parse(dev.says("wallet")).unwrap();
    let now = SystemClock.now();
    let mut payment = Payment {
        id: PaymentId::new(Entropy([n; 16])),
        method: method(),
        intent: charge::id(),
        challenge: ChallengeId::new(format!("owed-{n}")).unwrap(),
        realm: Realm::new("127.0.0.1").unwrap(),
        route: RouteId::new("GET /weather").unwrap(),
        fingerprint: Fingerprint([1; 32]),
        proof: Fingerprint([2; 32]),
        amount: Amount::new(7_000),
        currency: CurrencyCode::new("usd6").unwrap(),
        payee: Some(seller.recipient()),
        payer: Some(buyer.did().clone()),
        policy: SettlePolicy::First,
        rerunnable: false,
        proof_until: now,
        redeliver: Duration::from_secs(60),
        claimed_at: now,
        state: State::Owed,
        answer: Answer::Unserved,
        attempts: 1,
        lease_until: Timestamp::EPOCH,
        asked: 0,
        reference: Some(Reference::new("ref").unwrap()),
        settled_at: Some(now),
        confirmed_at: Some(now),
        details: serde_json::Map::new(),
        idempotency: None,
        remember_until: None,
        awaits: None,
        send_before: None,
        returned: None,
    };
    change(&mut payment);
    let id = payment.id.to_string();
    let ledger = Ledger::new(seller);
    let Rail::Books(books) = ledger.rail() else {
        panic!("the ledger is books")
    };
    let claim = Claim {
        id: payment.id.to_key(),
        keys: vec![ClaimKey::challenge(&payment.challenge)],
        effect: match payment.state {
            State::Owed if payment.method == method() => {
                Books::writes(books, Booking::Transfer, &payment)
            }
            _ => Vec::new(),
        },
        record: payment,
        debits: Vec::new(),
        guards: Vec::new(),
        debts: Debts::Keep,
    };
    let payments = Payments::new(store.clone());
    let claimed = runtime.block_on(payments.claims().claim(claim)).unwrap();
    assert!(matches!(claimed, Claimed::New(_)), "{claimed:?}");
    runtime.block_on(store.close());
    id
}

#[test]
fn what_is_owed_is_listed_and_given_back_once() {
    let dev = Dev::start();
    let operator = Operator::of(&dev);
    dev.pay(&[dev.says("paid_url"), "-s", "-y"]).ends(0);
    let ids = [plant_owed(&dev, 1), plant_owed(&dev, 2)];
    assert_eq!(dev.balances(), (10_000_000 - 16_000, 16_000));

    let owed = || operator.json(&["payments", "list", "--owed"])["payments"].clone();
    let listed = owed();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(
        (&listed[0]["state"], &listed[0]["moneyMoved"]),
        (&"owed".into(), &true.into())
    );
    let all = operator.json(&["payments", "list"]);
    let states: Vec<_> = all["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["state"])
        .collect();
    assert_eq!(states, ["owed", "owed", "delivered"]);
    let some = operator.json(&["payments", "list", "-n", "1"]);
    assert_eq!(some["payments"].as_array().unwrap().len(), 1);
    let shown = operator.run(&["payments", "list", "--owed"]).ends(0);
    assert!(
        shown.stderr.contains("payments refund ID"),
        "{}",
        shown.stderr
    );

    // Nobody is there to say that it is meant.
    operator.run(&["payments", "refund", &ids[0]]).ends(2);
    assert_eq!(dev.balances(), (10_000_000 - 16_000, 16_000));
    let told = operator.json(&["payments", "refund", &ids[0], "--yes"]);
    assert_eq!(
        (&told["state"], &told["moneyMoved"]),
        (&"refunded".into(), &false.into())
    );
    assert_eq!(dev.balances(), (10_000_000 - 9_000, 9_000));
    let again = operator
        .run(&["payments", "refund", &ids[0], "--yes"])
        .ends(1);
    assert!(
        again.stderr.contains("is refunded and cannot"),
        "{}",
        again.stderr
    );
    assert_eq!(dev.balances(), (10_000_000 - 9_000, 9_000));
    assert_eq!(owed().as_array().unwrap().len(), 1);
    let shown = operator.json(&["payments", "show", &ids[0]]);
    assert_eq!(
        (&shown["state"], &shown["amount"]),
        (&"refunded".into(), &"7000".into())
    );
    operator
        .run(&["payments", "refund", "AAAAAAAAAAAAAAAAAAAAAA", "--yes"])
        .ends(1);

    // What the seller does not have any more cannot go back.
    let seller = shown["recipient"].as_str().unwrap();
    operator
        .run(&["ledger", "withdraw", seller, "$0.009"])
        .ends(0);
    let short = operator
        .run(&["payments", "refund", &ids[1], "--yes"])
        .ends(1);
    assert!(
        short.stderr.contains("the payee has too little"),
        "{}",
        short.stderr
    );
    assert_eq!(owed().as_array().unwrap().len(), 1);
    assert_eq!(dev.balances(), (10_000_000 - 9_000, 0));
}

/// A delivered payment is refunded too, by as many as try, once.
#[test]
fn many_refunds_at_once_are_one() {
    let dev = Dev::start();
    let operator = Operator::of(&dev);
    let id = plant_owed(&dev, 3);
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let refund = || operator.run(&["payments", "refund", &id, "--yes"]).code;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(refund)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        codes.iter().filter(|code| **code == 0).count(),
        1,
        "{codes:?}"
    );
    assert_eq!(dev.balances(), (10_000_000, 0));
}

#[test]
fn what_was_served_on_credit_and_never_paid_is_listed_and_written_off_once() {
    let dev = Dev::start();
    let operator = Operator::of(&dev);
    let id = plant(&dev, 4, |payment| {
        payment.state = State::Defaulted;
        payment.awaits = payment.reference.take();
        (payment.settled_at, payment.confirmed_at) = (None, None);
    });
    plant_owed(&dev, 5);
    let listed = || operator.json(&["payments", "list", "--defaulted"])["payments"].clone();
    let told = &listed()[0];
    assert_eq!(
        (&told["state"], &told["moneyMoved"], &told["awaits"]),
        (&"defaulted".into(), &false.into(), &"ref".into())
    );
    assert_eq!(told["payment"], *id);
    assert_eq!(listed().as_array().unwrap().len(), 1);
    let all = operator.json(&["payments", "list"]);
    assert_eq!(all["payments"][0]["state"], "owed");
    assert_eq!(all["payments"][1]["state"], "defaulted");
    let shown = operator.run(&["payments", "list", "--defaulted"]).ends(0);
    assert!(shown.stderr.contains("write-off ID"), "{}", shown.stderr);

    // Nobody is there to say that it is meant.
    operator.run(&["payments", "write-off", &id]).ends(2);
    assert_eq!(listed().as_array().unwrap().len(), 1);
    let told = operator.json(&["payments", "write-off", &id, "--yes"]);
    assert_eq!(told["state"], "written-off");
    assert!(listed().as_array().unwrap().is_empty());
    let again = operator
        .run(&["payments", "write-off", &id, "--yes"])
        .ends(1);
    assert!(
        again.stderr.contains("is written-off, and only"),
        "{}",
        again.stderr
    );
}

#[test]
fn what_was_sent_back_on_its_own_rail_is_recorded() {
    let dev = Dev::start();
    let operator = Operator::of(&dev);
    let id = plant(&dev, 6, |payment| {
        payment.method = "tempo".parse().unwrap();
    });
    let refused = operator.run(&["payments", "refund", &id, "--yes"]).ends(1);
    assert!(refused.stderr.contains("--reference"), "{}", refused.stderr);
    let record = ["payments", "refund", &id, "--reference", "0xback", "--yes"];
    let told = operator.json(&record);
    assert_eq!(
        (&told["state"], &told["returned"]),
        (&"refunded".into(), &"0xback".into())
    );
    operator.run(&record).ends(1);
    // What the ledger can send back itself is not taken at anybody's word.
    let booked = plant_owed(&dev, 7);
    let record = ["payments", "refund", &booked, "--reference", "x", "--yes"];
    operator.run(&record).ends(1);
    assert_eq!(dev.balances(), (10_000_000 - 7_000, 7_000));
}
