//! What shells and other programs learn of the command line.

use std::process::Command;

use serde_json::Value;

use crate::world::Machine;

/// What bash offers for the last of some words.
fn completed(machine: &Machine, words: &[&str]) -> Vec<String> {
    let script = r#"
        source "$1" || exit 1
        shift
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        complete -p farthing >/dev/null || exit 2
        _farthing farthing "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("/bin/bash")
        .args(["--noprofile", "--norc", "-c", script, "bash", "completions"])
        .args(words)
        .current_dir(machine.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let machine = Machine::new();
    let script = machine.run(&["completions", "bash"]).ends(0);
    assert_eq!(script.stderr, "");
    std::fs::write(machine.path("completions"), script.text()).unwrap();
    let check = |words: &[&str], expect: &[&str]| {
        assert_eq!(completed(&machine, words), expect, "{words:?}");
    };
    check(&["farthing", "wal"], &["wallet"]);
    check(&["farthing", "wallet", "im"], &["import"]);
    check(&["farthing", "wallet", "budget", "se"], &["set"]);
    check(
        &["farthing", "wallet", "budget", "set", "--per"],
        &["--per-request", "--per-day"],
    );
    check(&["farthing", "pay", "--dr"], &["--dry-run"]);
    check(
        &["farthing", "receipts", "export", "--format", ""],
        &["csv", "json"],
    );
}

#[test]
fn other_shells_have_a_script_too() {
    let machine = Machine::new();
    let zsh = machine.run(&["completions", "zsh"]).ends(0);
    assert!(zsh.text().starts_with("#compdef farthing\n"));
    let fish = machine.run(&["completions", "fish"]).ends(0);
    assert!(fish.text().contains("complete -c farthing"));
    machine.run(&["completions", "tcsh"]).ends(2);
    machine.run(&["completions"]).ends(2);
}

/// The commands of a description, as they are typed.
fn commands(described: &Value, found: &mut Vec<String>) {
    found.push(described["command"].as_str().unwrap().to_owned());
    for below in described["commands"].as_array().into_iter().flatten() {
        commands(below, found);
    }
}

#[test]
fn a_program_can_read_what_there_is() {
    let machine = Machine::new();
    let told = machine.run(&["--describe"]).ends(0);
    assert_eq!(told.stderr, "");
    let told: Value = serde_json::from_str(told.text()).unwrap();
    assert_eq!(told["version"], 1);
    assert_eq!(told["exitCodes"][3]["error"], "refused");
    let mut found = Vec::new();
    commands(&told, &mut found);
    // Every command that is told is there: its help comes.
    for command in &found {
        let mut words: Vec<_> = command.split_whitespace().collect();
        words.push("--help");
        machine.run(&words).ends(0);
    }
    for command in [
        "pay",
        "wallet budget set",
        "ledger deposit",
        "payments refund",
    ] {
        assert!(found.iter().any(|it| it == command), "{command}");
    }
    // It stands alone, and is no command of its own.
    machine.run(&["--describe", "wallet", "list"]).ends(2);
    machine.run(&["describe"]).ends(2);
    machine.run(&["--keystore", "x"]).ends(2);
    machine.run(&[]).ends(2);
    // An environment changes nothing.
    let machine = machine.with("FARTHING_KEYSTORE", "x");
    let again = machine.run(&["--describe"]).ends(0);
    assert_eq!(serde_json::from_str::<Value>(again.text()).unwrap(), told);
    machine.run(&[]).ends(2);
}
