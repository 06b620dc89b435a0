//! Asking whoever sits at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use farthing::{client::Ask, core::port::BoxFuture};

use crate::screen::{self, Paint, clean};

/// Whether there is somebody to ask.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Shows what would be paid and asks. Nothing but a yes is one.
pub(super) fn ask(ask: Ask) -> BoxFuture<'static, bool> {
    Box::pin(async move {
        let answer = tokio::task::spawn_blocking(move || {
            screen::tell(question(&ask));
            let mut terminal = io::stderr().lock();
            let _ = write!(terminal, "Pay? [y/N] ").and_then(|()| terminal.flush());
            drop(terminal);
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|_| line)
        });
        matches!(answer.await, Ok(Ok(line)) if is_yes(&line))
    })
}

fn is_yes(line: &str) -> bool {
    let line = line.trim();
    line.eq_ignore_ascii_case("y") || line.eq_ignore_ascii_case("yes")
}

fn question(ask: &Ask) -> String {
    let paint = Paint::for_stderr();
    let mut rows = vec![
        ("price", paint.asks(ask.currency.display(ask.amount))),
        ("by", ask.method.to_string()),
        ("asked by", clean(ask.realm.as_str()).into_owned()),
    ];
    let to = ask.recipient.as_ref();
    rows.extend(to.map(|to| ("to", clean(to.as_str()).into_owned())));
    let says = ask.description.as_deref();
    rows.extend(says.map(|says| ("it says", clean(says).into_owned())));
    screen::rows(paint, 2, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_yes_is_one() {
        for yes in ["y\n", "Y", " yes\r\n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yess", "yes please", "1"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
