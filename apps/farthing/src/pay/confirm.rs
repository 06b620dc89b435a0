//! Asking whoever sits at the terminal.

use farthing::{client::Ask, core::port::BoxFuture};

use super::plan;
use crate::screen::{self, Paint, clean};

/// Shows what would be paid and asks. Nothing but a yes is one.
pub(crate) fn ask(ask: Ask) -> BoxFuture<'static, bool> {
    Box::pin(async move {
        let answer = tokio::task::spawn_blocking(move || {
            // What a stream costs may stand on the line.
            if screen::can_draw() {
                screen::erase();
            }
            screen::tell(question(&ask));
            screen::ask(match ask.is_deposit {
                true => "Lock it? What is not spent comes back. [y/N] ",
                false => "Pay? [y/N] ",
            })
        });
        matches!(answer.await, Ok(Ok(line)) if screen::is_yes(&line))
    })
}

fn question(ask: &Ask) -> String {
    let paint = Paint::for_stderr();
    let what = if ask.is_deposit { "deposit" } else { "price" };
    let mut rows = vec![
        (what, paint.asks(ask.currency.display(ask.amount))),
        ("by", ask.method.to_string()),
    ];
    if let Some(network) = &ask.network {
        rows.push(("on", network.to_string()));
        rows.push(("in", ask.currency.code.to_string()));
    }
    rows.push(("asked by", clean(ask.realm.as_str()).into_owned()));
    rows.extend(plan::recipients(
        ask.recipient.as_ref().map(|to| to.as_str()),
        &ask.shares,
        &ask.currency,
    ));
    let fee = ask.fee.as_ref();
    rows.extend(fee.map(|fee| ("fee", plan::at_most(&fee.currency.display(fee.most)))));
    let says = ask.description.as_deref();
    rows.extend(says.map(|says| ("it says", clean(says).into_owned())));
    screen::rows(paint, 2, &rows)
}
