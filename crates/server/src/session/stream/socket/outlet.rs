//! Writing to a socket: one writer, for what is paid for and for what the scheme says.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use farthing_core::noun::{
    Receipt,
    session::Cut,
    socket::{Form, FromSeller},
};
use futures_util::{Sink, SinkExt};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

use super::super::drive::{Outlet, Said};

/// Messages that wait to be written.
const WAITING: usize = 16;

/// What is written.
enum Writing {
    /// A message; who waits for it is told when the transport has it.
    Text(Slip, oneshot::Sender<()>),
    Close(CloseCode, &'static str),
    Ping,
}

/// A message until the writer takes it.
#[derive(Clone, Default)]
struct Slip(Arc<Mutex<Option<String>>>);

impl Slip {
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Pen(mpsc::Sender<Writing>);

/// A pen, and the writer at work. It ends when the socket does, when the other side takes nothing for
/// so long, and when nobody has a pen any more.
pub(super) fn pair<W>(sink: W, patience: Duration) -> (Pen, impl Future<Output = ()>)
where
    W: Sink<Message, Error = Error> + Unpin,
{
    let (pen, waiting) = mpsc::channel(WAITING);
    (Pen(pen), write(sink, waiting, patience))
}

async fn write<W>(mut sink: W, mut waiting: mpsc::Receiver<Writing>, patience: Duration)
where
    W: Sink<Message, Error = Error> + Unpin,
{
    while let Some(writing) = waiting.recv().await {
        let (message, told) = match writing {
            Writing::Text(slip, told) => match slip.take() {
                Some(text) => (Message::text(text), Some(told)),
                // It was taken back.
                None => continue,
            },
            Writing::Ping => (Message::Ping(Bytes::new()), None),
            Writing::Close(code, reason) => {
                let frame = CloseFrame {
                    code,
                    reason: reason.into(),
                };
                (Message::Close(Some(frame)), None)
            }
        };
        // Whoever hears nothing knows that it was not written.
        let sent = tokio::time::timeout(patience, sink.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        if let Some(told) = told {
            let _ = told.send(());
        }
    }
}

impl Pen {
    /// Writes a message; `false` when it cannot be written any more.
    pub(super) async fn say(&self, said: &FromSeller, form: Form) -> bool {
        self.put(Slip(Arc::new(Mutex::new(Some(said.to_text(form))))))
            .await
    }

    async fn put(&self, slip: Slip) -> bool {
        let (told, written) = oneshot::channel();
        self.0.send(Writing::Text(slip, told)).await.is_ok() && written.await.is_ok()
    }

    /// Asks whether the other side is there. What waits to be written asks as well.
    pub(super) fn ping(&self) {
        let _ = self.0.try_send(Writing::Ping);
    }

    /// Says goodbye.
    pub(super) async fn close(&self, code: CloseCode, reason: &'static str) {
        // One that is gone needs no goodbye.
        let _ = self.0.send(Writing::Close(code, reason)).await;
    }
}

/// The pieces of a stream, as messages.
pub(super) struct Messages {
    pub(super) pen: Pen,
    pub(super) form: Form,
    /// Nobody wants more of it.
    pub(super) enough: CancellationToken,
    pub(super) in_hand: Held,
}

/// The message that is being handed over.
#[derive(Default)]
pub(super) struct Held(Slip);

impl Outlet for Messages {
    type Piece = String;

    async fn give(&mut self, said: Said<String>) -> bool {
        let said = match said {
            Said::Piece(text) => FromSeller::Message(text),
            Said::NeedVoucher(need) => FromSeller::NeedVoucher(need),
        };
        let slip = Slip(Arc::new(Mutex::new(Some(said.to_text(self.form)))));
        self.in_hand = Held(slip.clone());
        self.pen.put(slip).await
    }

    fn take_back(&mut self) -> bool {
        self.in_hand.0.take().is_some()
    }

    async fn gone(&mut self) {
        self.enough.cancelled().await;
    }

    async fn last(self, receipt: Receipt, _: Option<Cut>) {
        self.pen
            .say(&FromSeller::CloseReady(receipt), self.form)
            .await;
    }
}
