//! Keys that come in and go out, and what guards them.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::world::{BINARY, Dev, Machine, Run, owner, private};

/// Seven, 32 times, as an Ed25519 key and as a secp256k1 one.
const DIGITS: &str = "0707070707070707070707070707070707070707070707070707070707070707";
const EDWARDS: &str = "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z";

fn import(machine: &Machine, args: &[&str], key: &str) -> Run {
    machine.run_with(&[&["wallet", "import"], args].concat(), key.as_bytes())
}

#[test]
fn a_key_goes_out_as_it_came_in() {
    let (machine, _) = owner();
    let made = import(&machine, &["one"], DIGITS).ends(0);
    assert_eq!(made.text(), format!("{EDWARDS}\n"));
    let exported = machine.run(&["wallet", "export", "one", "--yes"]).ends(0);
    assert!(exported.text().starts_with('z') && exported.stderr.contains("warning:"));
    assert!(!exported.stderr.contains(exported.text().trim()));

    // Another machine, with what the first one printed.
    let (other, _) = owner();
    let again = import(&other, &["one", "--json"], exported.text())
        .ends(0)
        .json();
    assert_eq!(
        (&again["account"], &again["keyType"]),
        (&EDWARDS.into(), &"ed25519".into())
    );
    let told = other
        .run(&["wallet", "export", "one", "--yes", "--json"])
        .ends(0)
        .json();
    assert_eq!(told["secretKey"], exported.text().trim());
    assert_eq!(told["account"], EDWARDS);

    let curve = import(&machine, &["two", "--key-type", "secp256k1"], DIGITS).ends(0);
    assert!(curve.text().starts_with("did:key:zQ3s"));
    let same = import(&machine, &["three"], &format!("secp256k1:0x{DIGITS}\n")).ends(0);
    assert_eq!(same.text(), curve.text());
    assert!(
        same.stderr.contains("the wallet two has the same account"),
        "{}",
        same.stderr
    );
    let curve = machine.run(&["wallet", "export", "two", "--yes"]).ends(0);
    let back = import(&machine, &["four"], curve.text()).ends(0);
    assert_eq!(back.text(), same.text());
}

#[test]
fn an_imported_key_pays() {
    let dev = Dev::start();
    let told = dev
        .buyer
        .run(&["wallet", "export", "default", "--yes"])
        .ends(0);
    let (machine, _) = owner();
    let file = machine.path("key");
    private(&file, told.text());
    let account = import(&machine, &["moved", "--from", "key"], "").ends(0);
    assert_eq!(account.text().trim(), dev.says("wallet"));
    machine
        .run(&["pay", dev.says("paid_url"), "-s", "-y"])
        .ends(0);
    assert_eq!(dev.balances(), (9_998_000, 2_000));
}

#[test]
fn what_is_no_key_makes_no_wallet() {
    let (machine, _) = owner();
    let long = "0".repeat(5000);
    for bad in ["", "\n", "hello", &DIGITS[1..], &long, EDWARDS, "z6Mk"] {
        let run = import(&machine, &["one"], bad).ends(8);
        assert!(
            run.stderr.contains("this is no secret key"),
            "{}",
            run.stderr
        );
    }
    let run = import(
        &machine,
        &["one", "--key-type", "ed25519"],
        &format!("secp256k1:{DIGITS}"),
    );
    assert!(run.ends(2).stderr.contains("says that it is secp256k1"));
    import(&machine, &["one", "--from", "no/such"], DIGITS).ends(2);
    // A key in the arguments would be read by whoever lists processes.
    import(&machine, &["one", DIGITS], "").ends(2);
    assert_eq!(
        machine.run(&["wallet", "list", "--json"]).json()["wallets"],
        serde_json::json!([])
    );
}

#[test]
fn a_wallet_that_is_there_is_not_replaced() {
    let (machine, _) = owner();
    import(&machine, &["one"], DIGITS).ends(0);
    let path = machine.path(".local/share/farthing/one.wallet.json");
    let before = fs::read(&path).unwrap();
    let other = "08".repeat(32);
    let told = import(&machine, &["one", "--json"], &other).ends(8).json();
    assert_eq!(told["message"], "the wallet one is there already");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_export_needs_a_word_and_the_passphrase() {
    let (machine, file) = owner();
    import(&machine, &["one"], DIGITS).ends(0);
    for args in [&["--json"][..], &[], &["-o", "key"]] {
        let args = [&["wallet", "export", "one"], args].concat();
        let run = machine.run(&args).ends(2);
        assert!(
            run.stderr.contains("--yes") || run.text().contains("--yes"),
            "{run:?}"
        );
        assert!(!run.text().contains('z'), "{run:?}");
    }
    machine.run(&["wallet", "export", "two", "--yes"]).ends(8);
    private(&file, "wrong horse");
    let run = machine
        .run(&["wallet", "export", "one", "--yes", "-o", "key"])
        .ends(8);
    assert!(run.stderr.contains("passphrase is wrong"), "{}", run.stderr);
    assert_eq!(run.text(), "");
    assert!(!machine.path("key").exists());
}

#[test]
fn an_exported_file_is_its_owners_and_nobody_elses_is_written_over() {
    let (machine, _) = owner();
    import(&machine, &["one"], DIGITS).ends(0);
    let args = ["wallet", "export", "one", "--yes", "-o", "key", "--json"];
    let told = machine.run(&args).ends(0).json();
    assert_eq!(
        (&told["file"], &told["secretKey"]),
        (&"key".into(), &serde_json::Value::Null)
    );
    let path = machine.path("key");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let key = fs::read_to_string(&path).unwrap();
    assert!(key.starts_with('z') && key.ends_with('\n'));
    fs::write(&path, "mine").unwrap();
    machine.run(&args).ends(2);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    // Neither a link that leads nowhere.
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(machine.path("elsewhere"), &path).unwrap();
    machine.run(&args).ends(2);
    assert!(!machine.path("elsewhere").exists());
}

/// A run in a terminal, with what somebody types there.
fn typed(machine: &Machine, line: &str, types: &str) -> (i32, String) {
    let mut command = Command::new("/usr/bin/script");
    let mut child = command
        .args(["-qec", &format!("{BINARY} {line}"), "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(
            machine
                .command(&[])
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(machine.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(types.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap_or(-1), shown)
}

#[test]
#[cfg(target_os = "linux")]
fn at_a_terminal_the_name_is_typed() {
    let (machine, _) = owner();
    import(&machine, &["one"], DIGITS).ends(0);
    let key = machine.run(&["wallet", "export", "one", "--yes"]).ends(0);
    let key = key.text().trim();
    let (code, shown) = typed(&machine, "wallet export one", "one\n");
    assert!(code == 0 && shown.contains(key), "{code}: {shown}");
    for wrong in ["\n", "y\n", "yes\n", "two\n"] {
        let (code, shown) = typed(&machine, "wallet export one", wrong);
        assert!(code == 3 && !shown.contains(key), "{code}: {shown}");
        assert!(shown.contains("it was not confirmed"), "{shown}");
    }
    let (code, shown) = typed(&machine, "wallet export one --yes", "");
    assert!(code == 2 && !shown.contains(key), "{code}: {shown}");
    let (code, shown) = typed(&machine, "wallet export one --yes --json", "");
    assert!(code == 0 && shown.contains(key), "{code}: {shown}");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_others_can_change_or_read_is_not_trusted() {
    let dev = Dev::start();
    let (machine, file) = owner();
    machine.run(&["wallet", "create"]).ends(0);
    let keystore = machine.path(".local/share/farthing");
    let paid = dev.says("paid_url");
    for open in [0o770, 0o703] {
        mode(&keystore, open);
        for args in [
            &["pay", paid, "-y"][..],
            &["pay", paid, "--dry-run"],
            &["wallet", "list"],
            &["wallet", "create", "two"],
            &["wallet", "history"],
            &["wallet", "budget"],
            &["receipts", "list"],
        ] {
            let run = machine.run(args).ends(8);
            assert!(run.stderr.contains("chmod go-w"), "{}", run.stderr);
        }
    }
    mode(&keystore, 0o755);
    machine.run(&["wallet", "list"]).ends(0);
    for open in [0o640, 0o604, 0o660] {
        mode(&file, open);
        let run = machine.run(&["pay", paid, "-y"]).ends(8);
        assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
    }
    mode(&file, 0o600);
    // Somebody else could have put it there.
    let home = file.parent().unwrap().to_owned();
    let before = fs::metadata(&home).unwrap().permissions();
    mode(&home, 0o777);
    let run = machine.run(&["pay", paid, "-y"]).ends(8);
    assert!(run.stderr.contains("chmod go-w"), "{}", run.stderr);
    fs::set_permissions(&home, before).unwrap();
    // Only root can give a file away; whose a file may be is a table in `farthing::file`.
    let us = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&file).unwrap());
    for path in [&file, &keystore] {
        if std::os::unix::fs::chown(path, Some(12_345), None).is_ok() {
            let run = machine.run(&["pay", paid, "-y"]).ends(8);
            assert!(
                run.stderr.contains("belongs to another user"),
                "{}",
                run.stderr
            );
            std::os::unix::fs::chown(path, Some(us), None).unwrap();
        }
    }
    mode(&file, 0o400);
    // The account is empty, and that is all that is wrong.
    machine.run(&["pay", paid, "-y"]).ends(6);
    assert_eq!(dev.balances(), (10_000_000, 0));
}

#[test]
fn what_is_free_needs_no_wallet_and_makes_nothing() {
    let dev = Dev::start();
    let machine = Machine::new();
    let (free, paid) = (dev.says("free_url"), dev.says("paid_url"));
    let told = machine.run(&["pay", free, "--json"]).ends(0).json();
    assert_eq!(
        (&told["status"], &told["paid"]),
        (&200.into(), &serde_json::Value::Null)
    );
    let plan = machine
        .run(&["pay", paid, "--dry-run", "--json"])
        .ends(0)
        .json();
    assert_eq!(plan["wouldPay"]["amount"], "2000");
    machine
        .run(&["pay", paid, "--dry-run", "--max", "$0.001"])
        .ends(3);
    let told = machine.run(&["pay", paid, "--json", "-y"]).ends(8).json();
    assert_eq!(
        (&told["blame"], &told["moneyMoved"]),
        (&"wallet".into(), &false.into())
    );
    assert!(
        told["next"]
            .as_str()
            .unwrap()
            .contains("farthing wallet create")
    );
    assert!(!machine.path(".local").exists(), "nothing is made");
    // A wallet that is named and not there is a mistake, also for what is free.
    machine.run(&["pay", free, "--wallet", "travel"]).ends(8);

    let (machine, _) = owner();
    for name in ["one", "two"] {
        machine.run(&["wallet", "create", name]).ends(0);
    }
    machine.run(&["pay", free]).ends(0);
    machine.run(&["pay", paid, "--dry-run"]).ends(0);
    let run = machine.run(&["pay", paid, "-y"]).ends(8);
    assert!(
        run.stderr.contains("say which with --wallet"),
        "{}",
        run.stderr
    );
    assert!(!machine.path(".local/share/farthing/wallet.db").exists());
}
