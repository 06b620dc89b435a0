//! What a task does for an open socket: it hands on what is paid for, answers what the seller asks for,
//! and ends with the last receipt.

use std::time::Duration;

use farthing_core::{
    noun::{
        Receipt,
        session::{NeedVoucher, SessionReceipt},
        socket::{Form, FromBuyer, FromSeller},
    },
    value::{Amount, Secret},
};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval, timeout},
};

use super::{
    super::{fault::SessionFault, receipt::By, tab::Tab},
    fault::SocketFault,
    line::{self, Heard, Line},
};
use crate::{client::Inner, error::Error};

/// How often the other side is asked whether it is there. One that does not answer twice is not.
const PING_EVERY: Duration = Duration::from_secs(30);

/// How long the last receipt may take, once it was asked for.
const GOODBYE: Duration = Duration::from_secs(5);

/// How often one voucher is refused before nothing more is said.
const REFUSALS: u32 = 4;

/// One socket that is paid for.
pub(super) struct Talk {
    pub(super) tab: Tab,
    pub(super) line: Line,
    /// For whoever reads it.
    pub(super) heard: mpsc::Sender<Result<String, Error>>,
    /// What is to be said to the service.
    pub(super) said: mpsc::Receiver<Value>,
    pub(super) ears: Ears,
}

/// What was heard, beside the text.
#[derive(Default)]
pub(super) struct Ears {
    /// The text that nobody took yet.
    text: Option<String>,
    /// The receipt that came last, where nothing came after it, and whether it answered no voucher. One
    /// form does not say which is the last.
    receipt: Option<(Receipt, bool)>,
    /// Vouchers that no receipt answered yet.
    unreceipted: u32,
    refusals: u32,
    /// Pings since the seller was heard.
    unanswered: u8,
}

/// How it ended.
enum End {
    /// The seller said so, with its last receipt.
    Whole(Receipt),
    /// Nobody reads it any more.
    Left,
}

/// What happens next.
enum Next {
    Heard(Result<Heard, SocketFault>),
    Taken,
    Left,
    Said(Option<Value>),
    Ping,
}

impl Talk {
    pub(super) async fn run(mut self) {
        let is_told = match self.listen().await {
            Ok(End::Whole(receipt)) => self.last(&receipt).await,
            Ok(End::Left) => match self.leave().await {
                Some(receipt) => self.last(&receipt).await,
                None => false,
            },
            Err(error) => {
                self.fail(error).await;
                false
            }
        };
        self.line.close().await;
        self.tab.land(is_told).await;
    }

    async fn last(&mut self, receipt: &Receipt) -> bool {
        match self.tab.take_last(receipt).await {
            Ok(is_told) => is_told,
            Err(error) => {
                self.fail(error).await;
                false
            }
        }
    }

    async fn fail(&mut self, error: Error) {
        self.tab.fail(&error);
        // Nothing is lost of what came before.
        if let Some(text) = self.ears.text.take() {
            let _ = self.heard.send(Ok(text)).await;
        }
        let _ = self.heard.send(Err(error)).await;
    }

    async fn listen(&mut self) -> Result<End, Error> {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.tick().await;
        let mut may_say = true;
        loop {
            let heard = match self.next(&mut pings, may_say).await {
                Next::Left => return Ok(End::Left),
                Next::Taken => continue,
                Next::Said(None) => {
                    may_say = false;
                    continue;
                }
                Next::Said(Some(value)) => {
                    self.line.say(&FromBuyer::Own(value)).await.map_err(fault)?;
                    continue;
                }
                Next::Ping if self.ears.unanswered >= 2 => return Err(fault(SocketFault::Silent)),
                Next::Ping => {
                    self.ears.unanswered += 1;
                    self.line.ping().await.map_err(fault)?;
                    continue;
                }
                Next::Heard(heard) => heard,
            };
            self.ears.unanswered = 0;
            if let Some(receipt) = self.hear(heard).await? {
                return self.hand_over(receipt).await;
            }
        }
    }

    /// The text before the end is read before the end is.
    async fn hand_over(&mut self, receipt: Receipt) -> Result<End, Error> {
        if let Some(text) = self.ears.text.take() {
            let _ = self.heard.send(Ok(text)).await;
        }
        Ok(End::Whole(receipt))
    }

    async fn next(&mut self, pings: &mut Interval, may_say: bool) -> Next {
        let has_text = self.ears.text.is_some();
        // While a text waits for its reader, nothing more is read, and no answer to a ping either.
        tokio::select! {
            place = self.heard.reserve(), if has_text => match (place, self.ears.text.take()) {
                (Ok(place), Some(text)) => {
                    place.send(Ok(text));
                    Next::Taken
                }
                _ => Next::Left,
            },
            heard = self.line.hear(), if !has_text => Next::Heard(heard),
            () = self.heard.closed(), if !has_text => Next::Left,
            said = self.said.recv(), if may_say => Next::Said(said),
            _ = pings.tick(), if !has_text => Next::Ping,
        }
    }

    /// The last receipt, where this was it.
    async fn hear(&mut self, heard: Result<Heard, SocketFault>) -> Result<Option<Receipt>, Error> {
        let said = match heard {
            Ok(Heard::Said(said)) => said,
            // What cannot be read is nobody's question.
            Ok(Heard::Odd(_) | Heard::Alive) => return Ok(None),
            Err(closed @ (SocketFault::Closed(_) | SocketFault::Broken(_))) => {
                let last = self.ears.receipt.take();
                let is_well = matches!(&closed, SocketFault::Closed(goodbye) if goodbye.is_well());
                let last = last.filter(|(_, is_unasked)| {
                    self.line.form == Form::Type && (*is_unasked || is_well)
                });
                return match last {
                    Some((receipt, _)) => Ok(Some(receipt)),
                    None => Err(fault(closed)),
                };
            }
            Err(other) => return Err(fault(other)),
        };
        self.ears.receipt = None;
        match said {
            FromSeller::Message(text) => {
                self.tab.delivered();
                self.ears.text = Some(text);
                self.ears.refusals = 0;
            }
            FromSeller::NeedVoucher(need) => self.answer(&need).await?,
            FromSeller::CloseReady(receipt) => return Ok(Some(receipt)),
            FromSeller::Receipt(receipt) => {
                let is_unasked = self.ears.unreceipted == 0;
                self.ears.unreceipted = self.ears.unreceipted.saturating_sub(1);
                if let Ok(said) = SessionReceipt::read(&receipt)
                    && self.tab.keep(&said, By::Head).await?
                {
                    self.ears.receipt = Some((receipt, is_unasked));
                }
            }
            FromSeller::Challenge { challenge, error } => {
                self.ears.refusals += 1;
                let client = self.tab.client();
                if self.ears.refusals > REFUSALS {
                    return Err(ended(error.as_deref().unwrap_or_default()));
                }
                // A higher one was there first, or the challenge ran out.
                self.tab.renew(&client, &line::asked(&challenge));
                let highest = self.tab.highest(&client).await?;
                self.pay(&client, highest).await?;
            }
            FromSeller::Error { status, message } => {
                return Err(match status {
                    Some(line::UNPAID) => {
                        SessionFault::Refused(Box::new(line::said(&message, line::UNPAID))).into()
                    }
                    _ => ended(&message),
                });
            }
        }
        Ok(None)
    }

    async fn answer(&mut self, need: &NeedVoucher) -> Result<(), Error> {
        let client = self.tab.client();
        match self.tab.raise(&client, need).await? {
            Some(signed) => {
                // Another request may have raised it since, and what is lower is refused.
                let highest = self.tab.highest(&client).await?;
                self.pay(&client, highest.max(signed)).await
            }
            None => Ok(()),
        }
    }

    async fn pay(&mut self, client: &Inner, signed: Amount) -> Result<(), Error> {
        let (_, value) = self.tab.voucher(client, signed).await?;
        let credential = FromBuyer::Credential(Secret::new(value.as_bytes()));
        self.ears.unreceipted += 1;
        self.line.say(&credential).await.map_err(fault)
    }

    /// Asks for the last receipt, where the form has a word for that. What is still on its way is paid for,
    /// and no more is.
    async fn leave(&mut self) -> Option<Receipt> {
        if self.line.form == Form::Type || self.line.say(&FromBuyer::Close).await.is_err() {
            return None;
        }
        let ending = async {
            loop {
                match self.line.hear().await {
                    Ok(Heard::Said(FromSeller::CloseReady(receipt))) => return Some(receipt),
                    Ok(Heard::Said(FromSeller::Error { .. })) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        };
        timeout(GOODBYE, ending).await.ok().flatten()
    }
}

fn fault(fault: SocketFault) -> Error {
    SessionFault::Socket(fault).into()
}

fn ended(message: &str) -> Error {
    fault(line::ended(message))
}
