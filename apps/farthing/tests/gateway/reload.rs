//! Told anew: by a signal, by a change of the file, by a link that is swapped, by a secret.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    os::unix::fs::symlink,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    Gateway, Upstream, ask,
    world::{Machine, private},
    write,
};

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
fn without_a_file_a_hang_up_ends_it() {
    let upstream = Upstream::open();
    let mut gateway = Gateway::quick(&upstream);
    gateway.signal("HUP");
    assert_eq!(gateway.line()["event"], "stopping");
    assert_eq!(gateway.line()["event"], "stopped");
    assert_eq!(gateway.ended().code(), Some(0));
}

/// A gateway that outlived its terminal would go on selling, and nobody would know of it.
#[test]
fn a_terminal_that_is_closed_takes_its_gateway_with_it() {
    let upstream = Upstream::open();
    let machine = Machine::new();
    write(&machine.path("farthing.toml"), &upstream, RULES);
    let program = machine.command(&[]).get_program().to_owned();
    let line = format!("exec {} gateway --json", program.to_str().unwrap());
    let mut terminal = Command::new("script")
        .args(["-qfec", &line, "/dev/null"])
        .current_dir(machine.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(terminal.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let ready: serde_json::Value = serde_json::from_str(&said).unwrap();
    let address: SocketAddr = ready["address"].as_str().unwrap().parse().unwrap();
    assert!(TcpStream::connect(address).is_ok());
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let is_gone = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        TcpStream::connect(address).is_err()
    });
    assert!(is_gone, "it still listens at {address}");
}
