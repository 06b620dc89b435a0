//! An answer that is paid for out of a channel: what it cost, and what is still locked.

use std::io;

use farthing::{
    client::{Bill, Client, Outlay, Purse, Response, Socket, Standing},
    core::{encoding::sse, noun::session::Cut, payment::Moved},
};
use serde_json::{Value, json};

use super::{answer::Sink, json as object};
use crate::{
    args::Pay,
    error::{Error, as_json, told, with_causes},
    exit::Exit,
    screen::{self, Paint, clean},
    sessions,
};

/// What has to be known of an answer after it is gone.
pub(super) struct Paid {
    bill: Bill,
    outlay: Outlay,
    is_json: bool,
    is_silent: bool,
    /// Whether it is a stream of events.
    is_events: bool,
    /// Whether a program is told of each of them.
    is_told: bool,
}

/// How its reading ended.
pub(super) enum Ending {
    Read(Result<Exit, Error>),
    Interrupted,
}

impl Paid {
    /// Of an answer that is paid for out of a channel.
    pub(super) fn of(response: &Response, sink: &Sink, pay: &Pay) -> Option<Self> {
        Some(Self {
            bill: response.bill()?.clone(),
            outlay: response.paid()?.clone(),
            is_json: pay.json,
            is_silent: pay.silent,
            is_events: is_stream(response),
            is_told: pay.json && is_stream(response) && sink.path().is_none(),
        })
    }

    /// Of a socket, which is paid for so or not at all.
    pub(super) fn of_socket(socket: &Socket, sink: &Sink, pay: &Pay) -> Self {
        Self {
            bill: socket.bill().clone(),
            outlay: socket.paid().clone(),
            is_json: pay.json,
            is_silent: pay.silent,
            is_events: true,
            is_told: pay.json && sink.path().is_none(),
        }
    }

    /// Tells what it cost, once nothing more is counted.
    pub(super) async fn conclude(self, client: &Client, ending: Ending) -> Result<Exit, Error> {
        self.bill.closed().await;
        let purse = client.sessions().show(self.bill.purse()).await?;
        let end = self.end(ending)?;
        if self.is_json {
            if self.is_told {
                screen::data(self.object(&end, purse.as_ref())).map_err(|source| {
                    Error::Answer {
                        source,
                        moved: self.outlay.moved(),
                    }
                })?;
            }
        } else if !self.is_silent || end.exit != Exit::Done {
            self.tell(&end, purse.as_ref());
        }
        Ok(end.exit)
    }

    /// What became of it. An answer that did not come whole was paid for as far as it came.
    fn end(&self, ending: Ending) -> Result<End, Error> {
        let trouble = self.bill.trouble().map(String::from);
        let (exit, why) = match (ending, trouble, self.bill.cut()) {
            (Ending::Interrupted, ..) => (Exit::Interrupted, None),
            // As whoever interrupts it, and nothing is wrong.
            (Ending::Read(Err(error)), None, _) if self.is_events && is_closed_pipe(&error) => {
                (Exit::Done, None)
            }
            (Ending::Read(Err(error)), None, _) if !self.is_events => return Err(error),
            (Ending::Read(Err(error)), None, _) => (Exit::Owed, Some(with_causes(&error))),
            (Ending::Read(_), Some(trouble), _) => (Exit::Owed, Some(trouble)),
            (Ending::Read(Ok(_)), None, Some(cut)) => (Exit::Owed, Some(why(cut).to_owned())),
            (Ending::Read(Ok(exit)), None, None) => (exit, None),
        };
        Ok(End { exit, why })
    }

    fn price(&self) -> String {
        self.bill.currency().display(self.bill.cost())
    }

    fn tell(&self, end: &End, purse: Option<&Purse>) {
        let paint = Paint::for_stderr();
        let (price, by) = (self.price(), &self.outlay.currency.rail);
        let from = format!("{price} by {by}, out of a channel");
        match (&end.exit, &end.why) {
            (Exit::Interrupted, _) => screen::tell(format!(
                "{} at {from}: what was delivered is paid, and no more",
                paint.asks("stopped")
            )),
            (_, Some(why)) => {
                screen::tell(format!(
                    "{} the answer ended before its end: {}",
                    paint.bad("error:"),
                    clean(why)
                ));
                let rows = [
                    ("money", format!("{}: {from}", told(Moved::Yes))),
                    (
                        "next",
                        "what came is paid for; asking again pays again".to_owned(),
                    ),
                ];
                screen::tell(screen::rows(paint, 2, &rows));
            }
            _ => match self.outlay.standing {
                Standing::Paid => screen::tell(format!("{} {from}", paint.good("paid"))),
                Standing::Unconfirmed => screen::tell(format!(
                    "{} {from}; it was served without a receipt",
                    paint.asks("paid?")
                )),
                _ => screen::tell(format!(
                    "{} {from}; the server's answer does not say",
                    paint.asks("paid?")
                )),
            },
        }
        let Some(purse) = purse else { return };
        if !purse.locked().is_zero() {
            screen::tell(format!(
                "{} {} of {}, which come back when it is closed",
                paint.dim("locked"),
                purse.currency().display(purse.locked()),
                purse.currency().display(purse.deposit),
            ));
        }
        screen::hint(format!("farthing sessions close {}", purse.id));
    }

    /// The last line of a stream for a program.
    fn object(&self, end: &End, purse: Option<&Purse>) -> Value {
        let mut paid = object::paid(&self.outlay);
        paid["amount"] = json!(self.bill.cost());
        paid["price"] = json!(self.price());
        let receipt = self.bill.receipt().map(|receipt| receipt.to_receipt());
        let mut told = json!({
            "event": "end",
            "paid": paid,
            "receipt": receipt,
            "incomplete": self.bill.cut().map(Cut::as_str),
            "session": purse.map(sessions::object),
        });
        if end.exit != Exit::Done {
            told["error"] = json!(end.exit.name());
            told["exitCode"] = json!(end.exit.code());
            told["moneyMoved"] = as_json(Moved::Yes);
            told["message"] = json!(end.why);
        }
        told
    }
}

struct End {
    exit: Exit,
    /// Why it is not whole, where that is nobody's wish here.
    why: Option<String>,
}

/// Whether an answer is a stream of events.
pub(super) fn is_stream(response: &Response) -> bool {
    let media = response.headers().get(http::header::CONTENT_TYPE);
    let media = media
        .and_then(|media| media.to_str().ok())
        .unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(sse::MEDIA_TYPE)
}

/// Whoever read our output had enough, as `head` does.
fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Answer { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

const fn why(cut: Cut) -> &'static str {
    match cut {
        Cut::Unpaid => "the balance was out, and no voucher came in time",
        Cut::Replaced => "a newer stream took the channel's place",
        Cut::Closed => "the channel is being closed",
        Cut::Stalled => "it was not read fast enough",
        Cut::Stopped => "the server is shutting down",
        Cut::Failed => "the server could not go on",
    }
}
