//! A WebSocket that is paid for while it is read: each message a line, as the data of a stream's events is.

use std::io;

use farthing::{
    client::{Bill, Client, Outlay, Socket},
    core::value::Timestamp,
};
use serde_json::{Value, json};

use super::{
    answer::Sink,
    interrupted, json as object,
    request::Prepared,
    running::Running,
    session::{Ending, Paid},
};
use crate::{args::Pay, error::Error, exit::Exit, screen};

/// Opens it, says what there is to say, and prints what is said until the end.
pub(super) async fn run(
    client: &Client,
    prepared: Prepared,
    sink: Sink,
    pay: &Pay,
    started: Timestamp,
) -> Result<Exit, Error> {
    let opening = client.socket(&prepared.url).headers(&prepared.headers);
    let opened = tokio::select! {
        // First, so that it is listened for before anything is sent.
        biased;
        _ = tokio::signal::ctrl_c() => return Err(interrupted(client, started).await),
        opened = opening.open() => opened,
    };
    let socket = opened?;
    let paid = Paid::of_socket(&socket, &sink, pay);
    let ending = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ending::Interrupted,
        shown = show(socket, sink, pay, prepared) => Ending::Read(shown),
    };
    paid.conclude(client, ending).await
}

async fn show(
    mut socket: Socket,
    mut sink: Sink,
    pay: &Pay,
    prepared: Prepared,
) -> Result<Exit, Error> {
    let moved = socket.paid().moved();
    let failed = |source: io::Error| Error::Answer { source, moved };
    let bill = socket.bill().clone();
    let is_told = pay.json && sink.path().is_none();
    if is_told {
        screen::data(head(&socket, &prepared.url)).map_err(failed)?;
    }
    sink.empty().map_err(failed)?;
    let mut running =
        (!pay.silent && !pay.json).then(|| Running::new(&bill, sink.path().is_none()));
    for message in prepared.messages {
        socket.send(message).await?;
    }
    while let Some(text) = socket.message().await? {
        if is_told {
            screen::data(message(&text, &bill)).map_err(failed)?;
            continue;
        }
        let line = format!("{text}\n");
        sink.put(line.as_bytes(), running.as_mut())
            .map_err(failed)?;
    }
    drop(running);
    sink.finish_line();
    Ok(Exit::Done)
}

fn head(socket: &Socket, url: &str) -> Value {
    let outlay: &Outlay = socket.paid();
    json!({
        "event": "answer",
        "status": 101,
        "url": url,
        "headers": {},
        "paid": object::paid(outlay),
        "receipt": outlay.receipt,
        "session": object::session(socket.bill()),
    })
}

fn message(text: &str, bill: &Bill) -> Value {
    json!({ "event": "message", "name": null, "data": text, "cost": bill.cost() })
}

/// Of what a socket cannot have, the first that was asked for.
pub(super) fn refused(pay: &Pay) -> Option<&'static str> {
    let asked = [
        (
            pay.request.is_some(),
            "a WebSocket has no method: leave -X out",
        ),
        (
            pay.include,
            "a WebSocket has no head to print: leave -i out",
        ),
        (
            pay.no_session,
            "a WebSocket is paid for out of a channel only: leave --no-session out",
        ),
    ];
    asked
        .into_iter()
        .find_map(|(is_asked, what)| is_asked.then_some(what))
}
