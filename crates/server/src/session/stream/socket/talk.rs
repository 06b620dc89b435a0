//! One socket, from its opening to its close.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    intent::session::Standing,
    noun::{
        Receipt,
        problem::ProblemKind,
        session::SessionReceipt,
        socket::{Form, FromBuyer, FromSeller},
    },
    value::Secret,
};
use futures_core::Stream;
use futures_util::StreamExt;
use http::{Response, request::Parts};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Sleep, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{BoxError, Piece, Streaming},
    Heard, Shared,
    desk::{self, Desk},
    outlet::{self, Held, Messages, Pen},
};
use crate::session::{Live, meter::Meter};

/// What a buyer said that its service did not listen to yet.
const UNHEARD: usize = 16;

/// How often the other side is asked whether it is there. One that does not answer twice is not.
const PING_EVERY: Duration = Duration::from_secs(30);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// One socket.
pub(super) struct Talk<'a, H> {
    shared: &'a Shared<H>,
    desk: Desk<'a>,
    refused: usize,
    form: Form,
    stage: Stage,
    /// Pings since it was heard last.
    unanswered: u8,
    next_ping: End,
}

type End = Pin<Box<Sleep>>;

enum Stage {
    /// Nothing was paid.
    Unpaid { end: End, shown: bool },
    /// It is being served.
    Served(Serving),
    /// It was, and its channel may be closed here.
    Over { end: End },
}

/// A stream on a socket.
struct Serving {
    meter: Meter,
    said: mpsc::Sender<Value>,
    work: JoinHandle<()>,
    enough: CancellationToken,
}

impl Drop for Serving {
    /// Nobody reads any more.
    fn drop(&mut self) {
        self.enough.cancel();
    }
}

fn after(wait: Duration) -> End {
    Box::pin(sleep(wait))
}

/// How a socket ends.
type Close = (CloseCode, &'static str);

/// What happens next.
enum Next {
    Said(Result<Message, Error>),
    Gone,
    Silence,
    Ping,
    Served,
    Stopping,
}

impl<'a, H, S, E> Talk<'a, H>
where
    H: Fn(Heard) -> S + Send + Sync + 'static,
    S: Stream<Item = Result<Piece<String>, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    pub(super) fn new(shared: &'a Shared<H>, parts: Parts) -> Self {
        Self {
            desk: Desk {
                gate: &shared.gate,
                route: &shared.route,
                parts,
            },
            refused: 0,
            form: Form::Type,
            unanswered: 0,
            next_ping: after(PING_EVERY),
            stage: Stage::Unpaid {
                end: after(shared.options.challenge_after),
                shown: false,
            },
            shared,
        }
    }

    /// Talks until either side has enough.
    pub(super) async fn run(mut self, connection: hyper::upgrade::Upgraded) {
        let most = farthing_core::bounds::SOCKET_MESSAGE;
        let config = WebSocketConfig::default()
            .max_message_size(Some(most))
            .max_frame_size(Some(most))
            .read_buffer_size(8 * 1024);
        let connection = TokioIo::new(connection);
        let socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config));
        let (sink, mut stream) = socket.await.split();
        let (pen, writer) = outlet::pair(sink, self.shared.options.patience);
        let mut writer = std::pin::pin!(writer);
        let closed = tokio::select! {
            // Nothing can be written any more.
            () = &mut writer => return,
            closed = self.listen(&pen, &mut stream) => closed,
        };
        drop(self);
        let Some((code, reason)) = closed else { return };
        let goodbye = async {
            pen.close(code, reason).await;
            drop(pen);
            // The other side answers a goodbye with its own.
            while let Some(Ok(_)) = stream.next().await {}
        };
        let _ = timeout(GOODBYE, async { tokio::join!(writer, goodbye) }).await;
    }

    /// Listens to a buyer until it is gone, or is told goodbye.
    async fn listen(
        &mut self,
        pen: &Pen,
        stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    ) -> Option<Close> {
        loop {
            let said = match self.next(stream).await {
                Next::Gone | Next::Said(Err(Error::ConnectionClosed | Error::Io(_))) => {
                    return None;
                }
                Next::Said(Err(_)) => return Some((CloseCode::Protocol, "it cannot be read")),
                Next::Stopping => return self.stop().await,
                Next::Ping if self.unanswered >= 2 => return None,
                Next::Ping => {
                    self.unanswered += 1;
                    self.next_ping = after(PING_EVERY);
                    pen.ping();
                    continue;
                }
                Next::Served => {
                    self.end();
                    if self.form == Form::Type {
                        return Some((CloseCode::Normal, "that is all"));
                    }
                    continue;
                }
                Next::Silence => match self.break_silence(pen).await {
                    Ok(()) => continue,
                    Err(close) => return Some(close),
                },
                Next::Said(Ok(said)) => said,
            };
            self.unanswered = 0;
            let text = match said {
                Message::Text(text) => text,
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                Message::Binary(_) => return Some((CloseCode::Unsupported, "only text is taken")),
            };
            if let Err(close) = self.hear(pen, text.as_str()).await {
                return Some(close);
            }
        }
    }

    async fn next(
        &mut self,
        stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    ) -> Next {
        let closing = self.shared.gate.sessions().map(|it| it.closing().clone());
        let stopping = async {
            match closing {
                Some(closing) => closing.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let later = async {
            match &mut self.stage {
                Stage::Unpaid { end, .. } | Stage::Over { end } => {
                    end.await;
                    Next::Silence
                }
                Stage::Served(serving) => {
                    // One that panicked has ended as well.
                    let _ = (&mut serving.work).await;
                    Next::Served
                }
            }
        };
        tokio::select! {
            said = stream.next() => said.map_or(Next::Gone, Next::Said),
            next = later => next,
            () = &mut self.next_ping => Next::Ping,
            () = stopping => Next::Stopping,
        }
    }

    /// The gate is closing: what is being served ends by itself, with its receipt.
    async fn stop(&mut self) -> Option<Close> {
        if let Stage::Served(serving) = &mut self.stage {
            let _ = timeout(GOODBYE, &mut serving.work).await;
        }
        Some((CloseCode::Away, "the server is shutting down"))
    }

    fn end(&mut self) {
        self.stage = Stage::Over {
            end: after(self.shared.options.linger),
        };
    }

    async fn break_silence(&mut self, pen: &Pen) -> Result<(), Close> {
        match &mut self.stage {
            Stage::Unpaid { end, shown } if !*shown => {
                *shown = true;
                *end = after(self.shared.options.unpaid_within);
                let asked = self.desk.admit(None).await;
                self.ask(pen, &asked, None).await;
                Ok(())
            }
            Stage::Unpaid { .. } => Err((CloseCode::Policy, "nothing was paid")),
            Stage::Served(_) => Ok(()),
            Stage::Over { .. } => Err((CloseCode::Normal, "that is all")),
        }
    }

    async fn hear(&mut self, pen: &Pen, text: &str) -> Result<(), Close> {
        let Ok((form, said)) = FromBuyer::read(text) else {
            self.error(
                pen,
                ProblemKind::BadRequest.status(),
                "the message cannot be read",
            )
            .await;
            return Err((CloseCode::Policy, "the message cannot be read"));
        };
        if let (Some(form), Stage::Unpaid { .. }) = (form, &self.stage) {
            self.form = form;
        }
        match said {
            FromBuyer::Credential(credential) => self.take(pen, &credential).await,
            FromBuyer::Close => self.close(pen).await,
            FromBuyer::Own(value) => match &self.stage {
                // What is said before it is paid for, or after, is said to nobody.
                Stage::Unpaid { .. } | Stage::Over { .. } => Ok(()),
                Stage::Served(serving) => match serving.said.try_send(value) {
                    Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        Err((CloseCode::Policy, "more was said than is listened to"))
                    }
                },
            },
        }
    }

    /// A buyer wants no more, and gets its last receipt.
    async fn close(&mut self, pen: &Pen) -> Result<(), Close> {
        let Stage::Served(serving) = &mut self.stage else {
            return Ok(());
        };
        serving.enough.cancel();
        let _ = (&mut serving.work).await;
        let receipt = serving.meter.receipt(None);
        self.end();
        pen.say(&FromSeller::CloseReady(receipt), self.form).await;
        Ok(())
    }

    /// Takes a credential: the first one begins the service, later ones pay for more of it.
    async fn take(&mut self, pen: &Pen, credential: &Secret) -> Result<(), Close> {
        let admitted = self.desk.admit(Some(credential)).await;
        let Some((receipt, known)) = desk::paid(&admitted) else {
            return self.refuse(pen, &admitted).await;
        };
        let Some(live) = self.desk.live(&known).await else {
            let status = ProblemKind::StoreUnavailable.status();
            self.error(pen, status, "the channel cannot be read").await;
            return Err((CloseCode::Error, "the channel cannot be read"));
        };
        self.taken(pen, receipt, &known, live).await
    }

    async fn taken(
        &mut self,
        pen: &Pen,
        receipt: Receipt,
        known: &SessionReceipt,
        live: Arc<Live>,
    ) -> Result<(), Close> {
        let is_open = live.last().standing == Standing::Open;
        if let Stage::Served(serving) = &self.stage
            && serving.meter.channel() == &known.channel
        {
            // A buyer knows the receipts that are to come by the challenge it answered last.
            serving.meter.answer_to(known.challenge.clone());
        }
        pen.say(&FromSeller::Receipt(receipt), self.form).await;
        match &self.stage {
            _ if !is_open => Err((CloseCode::Normal, "the channel is closed")),
            Stage::Unpaid { .. } => self.serve(pen, known, live),
            Stage::Served(_) | Stage::Over { .. } => Ok(()),
        }
    }

    fn serve(&mut self, pen: &Pen, known: &SessionReceipt, live: Arc<Live>) -> Result<(), Close> {
        let meter = self.desk.meter(known, live);
        let meter = meter.map_err(|_| (CloseCode::Error, "the channel cannot be charged here"))?;
        let (said, heard) = mpsc::channel(UNHEARD);
        let enough = CancellationToken::new();
        let messages = Messages {
            pen: pen.clone(),
            form: self.form,
            enough: enough.clone(),
            in_hand: Held::default(),
        };
        let drive = Streaming {
            meter: meter.clone(),
            ahead: self.shared.options.ahead,
            patience: self.shared.options.patience,
        }
        .drive();
        // A task of its own: what waits for the channel here and there must not wait for each other.
        let pieces = (self.shared.handler)(Heard(heard));
        let work = self.shared.gate.work().spawn(drive.run(pieces, messages));
        self.stage = Stage::Served(Serving {
            meter,
            said,
            work,
            enough,
        });
        Ok(())
    }

    /// Tells why a credential was not taken.
    async fn refuse(&mut self, pen: &Pen, admitted: &Response<Bytes>) -> Result<(), Close> {
        let status = admitted.status().as_u16();
        let detail = desk::detail(admitted);
        self.refused += 1;
        let is_last = self.refused >= self.shared.options.refusals;
        match self.form {
            Form::Type if !is_last => self.ask(pen, admitted, Some(detail)).await,
            Form::Type | Form::Mpp => self.error(pen, status, &detail).await,
        }
        match is_last || self.form == Form::Mpp {
            true => Err((CloseCode::Policy, "the payment was not taken")),
            false => Ok(()),
        }
    }

    /// Shows what is asked for, where the answer says it.
    async fn ask(&self, pen: &Pen, response: &Response<Bytes>, error: Option<String>) {
        let said = match (desk::challenge(response), error) {
            (Some(challenge), error) => FromSeller::Challenge {
                challenge: Box::new(challenge),
                error,
            },
            (None, error) => FromSeller::Error {
                status: Some(response.status().as_u16()),
                message: error.unwrap_or_else(|| "Nothing is sold at the moment.".to_owned()),
            },
        };
        pen.say(&said, self.form).await;
    }

    async fn error(&self, pen: &Pen, status: u16, message: &str) {
        let said = FromSeller::Error {
            status: Some(status),
            message: message.to_owned(),
        };
        pen.say(&said, self.form).await;
    }
}
