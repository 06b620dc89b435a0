//! Nothing secret is ever printed, at the loudest trace.

use std::fs;

use crate::{
    shop::{Shop, answer, asks, is_paid},
    world::{Dev, Machine, Run, owner, private},
};

const TOKEN: &str = "planted-token-6b1f0c";

fn check(run: &Run, secrets: &[&str]) {
    assert!(run.stderr.contains("TRACE"), "the trace is on");
    let stdout = run.text();
    for secret in secrets {
        assert!(secret.len() >= 16, "{secret} could stand there by chance");
        assert!(!run.stderr.contains(secret), "{secret} in {}", run.stderr);
        assert!(!stdout.contains(secret), "{secret} in {stdout}");
    }
}

#[test]
fn no_key_no_credential_and_no_header_of_the_callers() {
    let shop = Shop::open(|head, at| {
        if is_paid(head) {
            answer("200 OK", "", "served")
        } else {
            answer(
                "402 Payment Required",
                &asks(&at.to_string(), "ledger", "2000"),
                "",
            )
        }
    });
    let key = "5ec2e70000000000000000000000000000000000000000000000000000005ec2".to_owned();
    let machine = Machine::new()
        .with("FARTHING_KEY", &key)
        .with("RUST_LOG", "trace");
    let (bearer, url) = (format!("Authorization: Bearer {TOKEN}"), shop.url());
    let run = machine
        .run(&["pay", &url, "-y", "-i", "-H", &bearer])
        .ends(0);
    let credential = shop.credentials().pop().unwrap();
    assert!(
        shop.seen
            .lock()
            .unwrap()
            .iter()
            .all(|head| head.contains(TOKEN))
    );
    check(&run, &[&key, &credential, TOKEN]);
    let run = machine
        .run(&["pay", &url, "-y", "--json", "-H", &bearer])
        .ends(0);
    let credential = shop.credentials().pop().unwrap();
    check(&run, &[&key, &credential, TOKEN]);
    for args in [
        &["receipts", "list", "--pending", "--json"][..],
        &["wallet", "list"],
    ] {
        let run = machine.run(args).ends(0);
        assert!(!run.text().contains(&credential) && !run.stderr.contains(&credential));
    }
}

#[test]
fn no_passphrase_when_a_wallet_is_made_and_opened_or_stays_shut() {
    let dev = Dev::start();
    let machine = Machine::new();
    let file = machine.path("passphrase");
    let passphrase = "planted passphrase 91c4";
    private(&file, passphrase);
    let machine = machine
        .with("FARTHING_PASSPHRASE_FILE", file.to_str().unwrap())
        .with("RUST_LOG", "trace");
    let made = machine.run(&["wallet", "create"]).ends(0);
    assert!(!made.stderr.contains(passphrase));
    check(&machine.run(&["pay", dev.says("paid_url")]), &[passphrase]);
    fs::write(&file, "planted other 5d02").unwrap();
    let run = machine.run(&["pay", dev.says("paid_url")]).ends(8);
    check(&run, &[passphrase, "planted other 5d02"]);
}

#[test]
fn no_key_when_one_comes_in_or_goes_to_a_file() {
    let (machine, _) = owner();
    let machine = machine.with("RUST_LOG", "trace");
    let key = "5ec2e70000000000000000000000000000000000000000000000000000005ec2";
    let told = [
        machine
            .run_with(&["wallet", "import", "one"], key.as_bytes())
            .ends(0),
        machine
            .run_with(&["wallet", "import", "one"], key.as_bytes())
            .ends(8),
        machine
            .run_with(
                &["wallet", "import", "two", "--json"],
                format!("p384:{key}").as_bytes(),
            )
            .ends(8),
        machine
            .run(&["wallet", "export", "one", "--yes", "-o", "key"])
            .ends(0),
        machine
            .run(&["wallet", "export", "one", "--yes", "-o", "key", "--json"])
            .ends(2),
    ];
    let exported = fs::read_to_string(machine.path("key")).unwrap();
    for run in told {
        for secret in [key, exported.trim(), "correct horse"] {
            assert!(!run.stderr.contains(secret), "{}", run.stderr);
            assert!(!run.text().contains(secret), "{}", run.text());
        }
    }
}

#[test]
fn no_key_in_the_errors_about_it() {
    let key = "not-a-key-but-close-5ec2e7";
    let machine = Machine::new().with("FARTHING_KEY", key);
    let run = machine.run(&["pay", "https://api.example.com/"]).ends(8);
    assert!(!run.stderr.contains(key), "{}", run.stderr);
    let help = machine.run(&["--help"]).ends(0);
    assert!(!help.text().contains(key));
    let bad = format!("Authorization Bearer {TOKEN}");
    machine
        .run(&["pay", "https://api.example.com/", "-H", &bad])
        .ends(2);
}

/// Both sides of a payment, the demo's trace included.
#[test]
fn no_secret_of_the_demo_in_its_trace() {
    use std::process::Stdio;
    let machine = Machine::new().with("RUST_LOG", "trace");
    let log = machine.path("log");
    let mut child = machine
        .command(&["dev", "--json", "--dir", "demo"])
        .stderr(Stdio::from(fs::File::create(&log).unwrap()))
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let buyer = Machine::new().with("FARTHING_KEYSTORE", ready["keystore"].as_str().unwrap());
    buyer
        .run(&["pay", ready["paid_url"].as_str().unwrap(), "-y"])
        .ends(0);
    crate::world::send(&child, "TERM");
    assert!(child.wait().unwrap().success());
    let trace = fs::read_to_string(&log).unwrap();
    assert!(trace.contains("DEBUG"), "the trace is on");
    for file in ["challenge-secret", "buyer/passphrase", "seller/passphrase"] {
        let secret = fs::read_to_string(machine.path("demo").join(file)).unwrap();
        assert!(!trace.contains(secret.trim()), "{file}");
    }
}
