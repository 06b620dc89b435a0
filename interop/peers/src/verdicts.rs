//! What `mppx validate` says of a server.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;

use crate::program;

/// Runs the validator and compares each check with its verdict to the golden file of this name. A line that
/// changes is a change of ours, or of the pinned peer.
///
/// # Panics
/// When a check fails, or the verdicts are others than those that are kept. `FARTHING_GOLDEN=1` keeps what was
/// seen.
pub async fn check(validate: Command, golden: &str) {
    let (passed, said) = program::output(validate).await;
    let seen: Value = serde_json::from_str(&said)
        .unwrap_or_else(|_| unreachable!("the validator prints JSON: {said}"));
    let mut verdicts = Vec::new();
    checks(&seen, &mut verdicts);
    let verdicts = verdicts.join("\n") + "\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(golden)
        .with_extension("txt");
    if env::var_os("FARTHING_GOLDEN").is_some() {
        fs::write(&golden, &verdicts).expect("the golden file can be written");
    }
    assert!(passed && !verdicts.contains("fail: "), "{verdicts}");
    let kept = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(verdicts, kept, "FARTHING_GOLDEN=1 keeps what was seen");
}

/// Every check anywhere in what the validator prints.
fn checks(seen: &Value, found: &mut Vec<String>) {
    match seen {
        Value::Array(all) => all.iter().for_each(|one| checks(one, found)),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            if let (Some(method), Some(path)) = (text("method"), text("path")) {
                found.push(format!("{method} {path}"));
            }
            if let (Some(severity), Some(label)) = (text("severity"), text("label")) {
                let detail = steady(text("detail").unwrap_or_default());
                let colon = if detail.is_empty() { "" } else { ": " };
                found.push(format!("{severity}: {label}{colon}{detail}"));
            }
            fields.values().for_each(|one| checks(one, found));
        }
        _ => {}
    }
}

/// A detail without what differs from run to run: ports, minutes, and what is minted.
fn steady(detail: &str) -> String {
    let one_line = detail.replace('\n', " ");
    let mut out = String::new();
    for part in one_line.split_inclusive([' ', '/']) {
        let (word, end) = part.split_at(part.trim_end_matches([' ', '/']).len());
        let minted = word.len() > 20 && word.contains(|c: char| c.is_ascii_digit());
        if minted {
            out.push('…');
        } else {
            for c in word.chars() {
                match c {
                    c if !c.is_ascii_digit() => out.push(c),
                    // A run of digits is as long as another.
                    _ if out.ends_with('#') => {}
                    _ => out.push('#'),
                }
            }
        }
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::steady;

    #[test]
    fn what_differs_from_run_to_run_is_left_out() {
        let address = steady("http://127.0.0.1:40001/a.txt");
        assert_eq!(address, "http://#.#.#.#:#/a.txt");
        assert_eq!(steady("0x1122334455667788aa..., 15m"), "… #m");
        assert_eq!(
            steady("ephemeral testnet wallet"),
            "ephemeral testnet wallet"
        );
    }
}
