//! What was paid: a wallet's history, and receipts for spreadsheets and programs.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use farthing::{
    core::{
        domain::receipts::{Kept, Receipts},
        noun::Receipt,
        port::backend::{Backend, Batch, Commit, Partition},
        value::{
            Amount, CurrencyCode, Entropy, MethodId, PaymentId, Recipient, Reference, Timestamp,
        },
    },
    ledger::Account,
    store::{SqliteBackend, SqliteOptions},
};
use serde_json::Value;

use crate::{
    shop::PAYEE,
    world::{Dev, Machine, owner},
};

/// The first second of 2026.
const START: u64 = 1_767_225_600;

/// Puts receipts of a wallet into a keystore, one a second.
fn plant(keystore: &Path, account: &str, count: u32, text: impl Fn(u32) -> String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let store = SqliteBackend::open(SqliteOptions::new(keystore.join("wallet.db"))).unwrap();
    let store = Arc::new(store);
    let payer = Account::parse(account).unwrap().did().clone();
    let writes = (0..count).map(|n| {
        let at = Timestamp::from_secs(START + u64::from(n));
        let mut entropy = [0; 16];
        entropy[..4].copy_from_slice(&n.to_be_bytes());
        entropy[4..].copy_from_slice(&payer.as_str().as_bytes()[..12]);
        entropy[15] = payer.as_str().as_bytes()[20];
        let method = MethodId::new("ledger").unwrap();
        let reference = Reference::new(text(n)).unwrap();
        let kept = Kept {
            payment: PaymentId::new(Entropy(entropy)),
            amount: Amount::new(u128::from(n) + 1),
            currency: CurrencyCode::new("usd6").unwrap(),
            payee: Some(Recipient::new(PAYEE).unwrap()),
            payer: Some(payer.clone()),
            bought: format!("GET https://api.example.com/{n}").into(),
            at,
            receipt: Receipt::new(method, at, reference),
        };
        Receipts::write(&kept).unwrap()
    });
    let batch = Batch {
        writes: writes.collect(),
        ..Batch::new(Partition::Store)
    };
    let done = runtime.block_on(store.commit(batch)).unwrap();
    assert_eq!(done, Commit::Committed);
    runtime.block_on(store.close());
}

/// A machine with a wallet of each name; their accounts.
fn wallets(names: &[&str]) -> (Machine, Vec<String>) {
    let (machine, _) = owner();
    let accounts = names.iter().map(|name| {
        let made = machine.run(&["wallet", "create", name]).ends(0);
        made.text().trim().to_owned()
    });
    let accounts = accounts.collect();
    (machine, accounts)
}

#[test]
fn a_history_is_one_wallets_and_its_sums_are_of_all() {
    let (machine, accounts) = wallets(&["one", "two"]);
    let keystore = machine.path(".local/share/farthing");
    // More than are read at once.
    plant(&keystore, &accounts[0], 450, |n| format!("ref-{n}"));
    plant(&keystore, &accounts[1], 3, |n| format!("other-{n}"));
    let history = |args: &[&str]| {
        let args = [&["wallet", "history", "--json"], args].concat();
        machine.run(&args).ends(0).json()
    };
    let told = history(&["--wallet", "one"]);
    let payments = told["payments"].as_array().unwrap();
    assert_eq!(
        (payments.len(), &told["account"]),
        (50, &accounts[0].as_str().into())
    );
    assert_eq!(payments[0]["reference"], "ref-449", "the newest first");
    assert_eq!(payments[49]["reference"], "ref-400");
    assert_eq!(payments[0]["price"], "0.00045 USD");
    assert_eq!(told["totals"][0]["payments"], 450);
    assert_eq!(told["totals"][0]["paid"], (450 * 451 / 2).to_string());
    let told = history(&["--wallet", "two", "-n", "10000"]);
    assert_eq!(told["payments"].as_array().unwrap().len(), 3);
    assert_eq!(told["totals"][0]["paid"], "6");
    let told = history(&[
        "--wallet",
        "one",
        "--since",
        "2026-01-01T00:07:28Z",
        "-n",
        "1",
    ]);
    assert_eq!(told["payments"].as_array().unwrap().len(), 1);
    assert_eq!(told["totals"][0]["paid"], (449 + 450).to_string());
    let told = history(&["--wallet", "one", "--since", "1m"]);
    assert_eq!(
        (&told["payments"], &told["totals"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    machine.run(&["wallet", "history"]).ends(8);
    for bad in [["-n", "0"], ["-n", "10001"], ["--since", "yesterday"]] {
        machine
            .run(&[&["wallet", "history"][..], &bad].concat())
            .ends(2);
    }
}

#[test]
fn what_was_paid_stands_in_the_history() {
    let dev = Dev::start();
    let paid = dev
        .pay(&[dev.says("paid_url"), "--json", "-y"])
        .ends(0)
        .json();
    let told = dev
        .buyer
        .run(&["wallet", "history", "--json"])
        .ends(0)
        .json();
    let line = &told["payments"][0];
    assert_eq!(line["payment"], paid["paid"]["payment"]);
    assert_eq!(line["reference"], paid["receipt"]["reference"]);
    assert_eq!(
        (&line["standing"], &line["amount"]),
        (&"paid".into(), &"2000".into())
    );
    assert_eq!(told["totals"][0]["paid"], "2000");
    assert_eq!(told["totals"][0]["decimals"], 6);
}

#[test]
fn an_export_has_every_receipt_once_the_oldest_first() {
    let (machine, accounts) = wallets(&["one"]);
    let keystore = machine.path(".local/share/farthing");
    plant(&keystore, &accounts[0], 1_100, |n| format!("ref-{n}"));
    let export = |args: &[&str]| {
        let args = [&["receipts", "export"], args].concat();
        machine.run(&args).ends(0).text().to_owned()
    };
    let csv = export(&[]);
    let lines: Vec<_> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1_101);
    assert!(lines[0].starts_with("payment,time,amount,unit,base_units,currency,decimals,method,"));
    for (n, line) in lines[1..].iter().enumerate() {
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!(cells.len(), 12, "{line}");
        assert_eq!(
            (cells[4], cells[8]),
            (&*(n + 1).to_string(), &*format!("ref-{n}"))
        );
    }
    assert!(lines[1100].contains(",0.0011,USD,1100,usd6,6,ledger,ref-1099,"));

    let json = export(&["--json"]);
    assert_eq!(json, export(&["--format", "json"]));
    let json: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(json.len(), 1_100);
    assert_eq!(
        (&json[7]["amount"], &json[7]["price"]),
        (&"8".into(), &"0.000008 USD".into())
    );
    assert_eq!(json[7]["receipt"]["reference"], "ref-7");

    // From the first of these moments, and before the second.
    let times = [
        "--since",
        "2026-01-01T00:01:00Z",
        "--until",
        "2026-01-01T00:05:00Z",
    ];
    let some: Vec<Value> =
        serde_json::from_str(&export(&[&["--json"], &times[..]].concat())).unwrap();
    assert_eq!(some.len(), 240);
    assert_eq!(
        (&some[0]["amount"], &some[239]["amount"]),
        (&"61".into(), &"300".into())
    );
    let none = export(&["--json", "--since", "2026-01-02"]);
    assert_eq!(none, "[\n]\n");
    assert_eq!(export(&["--until", "2026-01-01"]).lines().count(), 1);
    machine
        .run(&["receipts", "export", "--json", "--format", "csv"])
        .ends(2);
}

#[test]
fn what_a_server_calls_its_payments_is_no_formula() {
    let (machine, accounts) = wallets(&["one"]);
    let keystore = machine.path(".local/share/farthing");
    let named = ["=1+1", "@SUM(A1)", "a,\"b\"", "+1", "-2"];
    plant(&keystore, &accounts[0], 5, |n| named[n as usize].to_owned());
    let csv = machine.run(&["receipts", "export"]).ends(0);
    for safe in [
        ",'=1+1,",
        ",'@SUM(A1),",
        ",\"a,\"\"b\"\"\",",
        ",'+1,",
        ",'-2,",
    ] {
        assert!(csv.text().contains(safe), "{safe} in {}", csv.text());
    }
    let json = machine.run(&["receipts", "export", "--json"]).ends(0);
    let json: Vec<Value> = serde_json::from_str(json.text()).unwrap();
    for (one, name) in json.iter().zip(named) {
        assert_eq!(one["receipt"]["reference"], name);
    }
}

#[test]
fn an_export_to_a_file_is_there_whole_or_not_at_all() {
    let (machine, accounts) = wallets(&["one"]);
    let keystore = machine.path(".local/share/farthing");
    plant(&keystore, &accounts[0], 3, |n| format!("ref-{n}"));
    let file = machine.path("out.csv");
    fs::write(&file, "what was there before").unwrap();
    let args = ["receipts", "export", "-o", "out.csv", "--json"];
    let told = machine.run(&args).ends(0).json();
    assert_eq!(
        (&told["receipts"], &told["format"]),
        (&3.into(), &"csv".into())
    );
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 4);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // A store that turns out to be none leaves the file as it is, and nothing beside it.
    fs::write(keystore.join("wallet.db"), "this is no store").unwrap();
    machine.run(&args).ends(8);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 4);
    machine
        .run(&["receipts", "export", "-o", "no/such/folder/x"])
        .ends(8);
    let beside = fs::read_dir(machine.path("")).unwrap();
    let names: Vec<_> = beside.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_str().unwrap().contains("out.csv.")),
        "{names:?}"
    );
}

#[test]
fn a_seller_sees_what_was_earned() {
    let dev = Dev::start();
    let paid = dev
        .pay(&[dev.says("paid_url"), "--json", "-y"])
        .ends(0)
        .json();
    let seller = Machine::new();
    let at = ["--store", dev.says("store")];
    let run = |args: &[&str]| seller.run(&[&["receipts"], args, &at].concat()).ends(0);
    let listed = run(&["list", "--json"]).json();
    let earned = &listed["receipts"][0];
    assert_eq!(earned["receipt"], paid["receipt"]);
    assert_eq!(
        (&earned["amount"], &earned["for"]),
        (&"2000".into(), &"GET /paid".into())
    );
    assert_eq!(earned["payer"], dev.says("wallet"));
    let shown = run(&["show", earned["payment"].as_str().unwrap(), "--json"]).json();
    assert_eq!(shown, *earned);
    let csv = run(&["export"]);
    assert!(
        csv.text().contains(",0.002,USD,2000,usd6,6,ledger,"),
        "{}",
        csv.text()
    );
    let none = ["receipts", "list", "--store", "none.db"];
    seller.run(&none).ends(8);
    seller
        .run(&[&["receipts", "list", "--pending"], &at[..]].concat())
        .ends(2);
}
