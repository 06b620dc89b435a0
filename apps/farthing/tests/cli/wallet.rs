//! Wallets from outside: passphrases, names, and what a folder looks like.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    shop::{Shop, answer, asks},
    world::{Dev, Machine, owner},
};

#[test]
fn a_wallet_is_made_listed_and_used() {
    let (machine, file) = owner();
    let made = machine.run(&["wallet", "create", "--json"]).ends(0).json();
    let account = made["account"].as_str().unwrap();
    assert!(account.starts_with("did:key:zQ3s"));
    assert!(made["address"].as_str().unwrap().starts_with("0x"));
    let keystore = machine.path(".local/share/farthing");
    assert_eq!(made["keystore"], keystore.to_str().unwrap());
    let second = machine.run(&["wallet", "create", "books", "--key-type", "ed25519"]);
    assert!(second.ends(0).text().starts_with("did:key:z6Mk"));
    let listed = machine.run(&["wallet", "list", "--json"]).ends(0).json();
    assert_eq!(listed["wallets"][0]["name"], "books");
    assert!(listed["wallets"][0]["address"].is_null());
    assert_eq!(listed["wallets"][1]["account"], account);
    machine.run(&["wallet", "create"]).ends(8);

    // Both keys sign: the demo refuses them only because their accounts are empty.
    let dev = Dev::start();
    for wallet in ["default", "books"] {
        let args = [
            "pay",
            dev.says("paid_url"),
            "--json",
            "--yes",
            "--wallet",
            wallet,
        ];
        let told = machine.run(&args).json();
        let message = told["message"].as_str().unwrap();
        assert!(message.contains("Payment Insufficient"), "{message}");
    }
    let paid = dev.says("paid_url");
    fs::write(file, "wrong horse").unwrap();
    let told = machine
        .run(&["pay", paid, "--json", "--yes"])
        .ends(8)
        .json();
    assert_eq!(
        (&told["error"], &told["moneyMoved"]),
        (&"storage".into(), &false.into())
    );
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("passphrase is wrong")
    );
    assert_eq!(dev.balances(), (10_000_000, 0));
}

#[test]
fn the_passphrase_is_needed_only_to_pay() {
    let (machine, _) = owner();
    machine.run(&["wallet", "create"]).ends(0);
    let keystore = machine.path(".local/share/farthing");
    let stranger = Machine::new().with("FARTHING_KEYSTORE", keystore.to_str().unwrap());
    let dev = Dev::start();
    stranger.run(&["pay", dev.says("free_url")]).ends(0);
    stranger
        .run(&["pay", dev.says("paid_url"), "--dry-run"])
        .ends(0);
    stranger
        .run(&["pay", dev.says("paid_url"), "--max", "$0.001"])
        .ends(3);
    stranger.run(&["receipts", "list"]).ends(0);
    let run = stranger.run(&["pay", dev.says("paid_url")]).ends(8);
    assert!(
        run.stderr.contains("FARTHING_PASSPHRASE_FILE"),
        "{}",
        run.stderr
    );
    // What was reserved for it is released.
    let pending = stranger
        .run(&["receipts", "list", "--pending", "--json"])
        .json();
    assert_eq!(pending["pending"].as_array().unwrap().len(), 0);
}

#[test]
fn without_a_wallet_the_next_step_is_told() {
    let machine = Machine::new();
    let shop = Shop::open(|_, at| {
        let asked = asks(&at.to_string(), "ledger", "2000");
        answer("402 Payment Required", &asked, "")
    });
    for args in [&["pay", &*shop.url()][..], &["wallet", "balance"]] {
        let run = machine.run(args).ends(8);
        assert!(
            run.stderr.contains("farthing wallet create"),
            "{}",
            run.stderr
        );
    }
    let run = machine.run(&["wallet", "create"]).ends(8);
    assert!(
        run.stderr.contains("FARTHING_PASSPHRASE_FILE"),
        "{}",
        run.stderr
    );
    machine.run(&["wallet", "list"]).ends(0);
    machine.run(&["receipts", "list"]).ends(0);
    assert!(!machine.path(".local").exists(), "looking makes nothing");
}

#[test]
fn a_balance_that_only_the_seller_knows_is_not_made_up() {
    let (machine, _) = owner();
    machine
        .run(&["wallet", "create", "--key-type", "ed25519"])
        .ends(0);
    let told = machine.run(&["wallet", "balance", "--json"]).ends(1).json();
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("the seller keeps")
    );
    let missing = machine.path("none.db");
    let missing = missing.to_str().unwrap();
    machine
        .run(&["wallet", "balance", "--store", missing])
        .ends(8);
    assert!(!Path::new(missing).exists(), "looking makes no store");
}

#[test]
fn a_demo_is_its_owners_only() {
    let dev = Dev::start();
    dev.pay(&[dev.says("paid_url"), "-s", "-y"]).ends(0);
    let folder = dev.folder();
    let mut files = 0;
    for dir in [folder.clone(), folder.join("buyer"), folder.join("seller")] {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700, "{dir:?}");
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files += 1;
                assert_eq!(mode(&path), 0o600, "{path:?}");
            }
        }
    }
    assert!(files >= 8, "{files}");
}

#[test]
fn what_a_shell_leaves_behind_is_understood() {
    // A variable that is set to nothing is as one that is not set.
    let machine = Machine::new().with("FARTHING_KEYSTORE", "");
    let run = machine.run(&["wallet", "list"]).ends(0);
    assert!(run.stderr.contains(".local/share"), "{}", run.stderr);
    // An id is 22 characters of base64url, and one in 64 begins with a hyphen.
    let id = format!("-{}", "A".repeat(21));
    for args in [["--json", &id], [&id, "--json"]] {
        let args = [&["receipts", "show"], &args[..]].concat();
        let told = machine.run(&args).json();
        assert_eq!(told["error"], "other", "{told}");
    }
}

/// Wallets that a program wrote which knew of no chain open as they did, and one of them has an
/// address now.
#[test]
fn a_wallet_of_an_older_program_opens() {
    let (machine, _) = owner();
    let keystore = machine.path(".local/share/farthing");
    fs::create_dir_all(&keystore).unwrap();
    fs::set_permissions(&keystore, fs::Permissions::from_mode(0o700)).unwrap();
    for (kind, file, account, key) in [
        (
            "ed25519",
            include_str!("../wallets/ed25519.wallet.json"),
            "did:key:z6Mkh2Pse7yDm1f19saV9DkacyK5gb2VFYyqoskzfM6Ukszx",
            "z3u2TVJ7aFcFTWREiyMSmg4v5zK2YZNWWNQ6DoCBvA2nq9uE",
        ),
        (
            "secp256k1",
            include_str!("../wallets/secp256k1.wallet.json"),
            "did:key:zQ3shme43XktBpEDqoxcWm1uUhaYNqgHZq5BsNamUXaBQkpHn",
            "z3vLeboRCcW45M8AXz8PCvxjTbwdwmh2HY6pvU6zm1uJY9dm",
        ),
    ] {
        fs::write(keystore.join(format!("{kind}.wallet.json")), file).unwrap();
        let told = machine
            .run(&["wallet", "export", kind, "--yes", "--json"])
            .ends(0)
            .json();
        assert_eq!(
            (&told["account"], &told["secretKey"]),
            (&account.into(), &key.into())
        );
    }
    let listed = machine.run(&["wallet", "list", "--json"]).ends(0).json();
    assert!(listed["wallets"][0]["address"].is_null(), "{listed}");
    assert!(listed["wallets"][1]["address"].is_string(), "{listed}");
}
