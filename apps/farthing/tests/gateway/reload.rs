//! Told anew: by a signal, by a change of the file, by a link that is swapped, by a secret.

use std::{fs, os::unix::fs::symlink};

use crate::{Gateway, Upstream, ask, world::private, write};

const RULES: &str = "[routes]\n\"GET /paid\" = \"$0.002\"\n\"GET /slow\" = \"free\"\n";

fn asked(gateway: &Gateway) -> String {
    let answer = ask(gateway.address(), "/paid");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    problem["amount"].as_str().unwrap().to_owned()
}

#[test]
fn a_signal_and_a_change_of_the_file_are_both_heard() {
    let upstream = Upstream::open();
    let mut gateway = Gateway::with_file(&upstream, RULES);
    let file = gateway.machine.path("farthing.toml");
    assert_eq!(asked(&gateway), "2000");
    gateway.signal("HUP");
    let line = gateway.line();
    assert_eq!(
        (&line["event"], &line["changes"]),
        (&"reloaded".into(), &"nothing changed".into())
    );

    write(&file, &upstream, &RULES.replace("0.002", "0.003"));
    let line = gateway.line();
    assert_eq!(
        (&line["event"], &line["changes"]),
        (&"reloaded".into(), &"1 rule changed".into())
    );
    assert_eq!(asked(&gateway), "3000");

    write(&file, &upstream, &RULES.replace("$0.002", "two cents"));
    let line = gateway.line();
    assert_eq!(line["event"], "not-reloaded");
    assert!(
        line["message"]
            .as_str()
            .unwrap()
            .contains("farthing.toml:6"),
        "{line}"
    );
    assert_eq!(asked(&gateway), "3000");

    // As orchestrators swap a mounted file: a link, to a file that is older.
    let next = gateway.machine.path("next.toml");
    write(&next, &upstream, &RULES.replace("0.002", "0.004"));
    fs::remove_file(&file).unwrap();
    symlink(&next, &file).unwrap();
    let line = gateway.line();
    assert_eq!(line["event"], "reloaded", "{line}");
    assert_eq!(asked(&gateway), "4000");
    gateway.fund();
    gateway.pay("/paid").ends(0);
    gateway.assert_moved(4_000);
}

#[test]
fn a_secret_that_changes_is_read_again() {
    let upstream = Upstream::open();
    let machine = crate::Machine::new();
    private(&machine.path("token"), "first");
    let rules = format!(
        "[upstream.set_headers]\nx-token = {{ file = \"token\" }}\n{RULES}\"GET /free\" = \"free\"\n"
    );
    write(&machine.path("farthing.toml"), &upstream, &rules);
    let mut gateway = Gateway::start(machine, &[]);
    ask(gateway.address(), "/free");
    private(&gateway.machine.path("token"), "second");
    let line = gateway.line();
    assert_eq!(
        (&line["event"], &line["changes"]),
        (&"reloaded".into(), &"to changed".into())
    );
    ask(gateway.address(), "/free");
    let heads = upstream.heads.lock().unwrap().clone();
    assert!(heads[0].contains("x-token: first\r\n"), "{heads:?}");
    assert!(heads[1].contains("x-token: second\r\n"), "{heads:?}");
}

#[test]
fn without_a_file_there_is_nothing_to_read_again() {
    let upstream = Upstream::open();
    let mut gateway = Gateway::quick(&upstream);
    gateway.signal("HUP");
    assert_eq!(gateway.line()["event"], "note");
    gateway.signal("TERM");
    assert_eq!(gateway.line()["event"], "stopping");
    assert_eq!(gateway.line()["event"], "stopped");
    assert_eq!(gateway.ended().code(), Some(0));
}
