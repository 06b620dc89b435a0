//! A peer's program that runs to its end.

use std::process::Command;

use serde_json::Value;

/// What a program prints, and whether it says that all went well. It runs off the runtime, which may be
/// serving it meanwhile.
///
/// # Panics
/// When it does not start, or prints nothing but what went wrong.
pub async fn output(mut command: Command) -> (bool, String) {
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("starting a program does not panic");
    let output = output.expect("what was found starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !said.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), said)
}

/// What a program prints, as JSON.
///
/// # Panics
/// When it prints something else.
pub async fn said(command: Command) -> Value {
    let (_, said) = output(command).await;
    serde_json::from_str(&said).unwrap_or_else(|_| unreachable!("it prints JSON: {said}"))
}
