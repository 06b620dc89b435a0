//! How a stream looks: as events, or as plain bytes.

use bytes::Bytes;
use farthing_core::{
    encoding::sse::{self, Event, Payment},
    header::{PAYMENT_RECEIPT, payment_receipt},
    noun::{Receipt, session::Cut},
};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;

use super::{
    StreamCut,
    drive::{Outlet, Said},
    hand::Giver,
};

/// Server-sent events.
pub(super) struct Events(pub(super) Giver);

impl Outlet for Events {
    type Piece = Event;

    async fn give(&mut self, said: Said<Event>) -> bool {
        self.0.put(Frame::data(match said {
            Said::Piece(event) => event.to_bytes().into(),
            Said::NeedVoucher(need) => written(Payment::NeedVoucher, &need.to_json()),
        }));
        self.0.taken().await
    }

    fn take_back(&mut self) -> bool {
        self.0.take_back()
    }

    async fn gone(&mut self) {
        self.0.gone().await;
    }

    async fn last(self, receipt: Receipt, _: Option<Cut>) {
        let last = written(Payment::Receipt, &receipt.to_json());
        self.0.put(Frame::data(last));
        self.0.end(Ok(()));
    }
}

fn written(payment: Payment, json: &str) -> Bytes {
    let mut out = Vec::with_capacity(json.len() + 48);
    sse::write_payment(payment, json, &mut out);
    out.into()
}

/// Plain bytes. There is no room in them for a word of the scheme's.
pub(super) struct Plain {
    pub(super) giver: Giver,
    pub(super) takes_trailers: bool,
}

impl Outlet for Plain {
    type Piece = Bytes;

    async fn give(&mut self, said: Said<Bytes>) -> bool {
        match said {
            // An empty chunk would be the last one.
            Said::Piece(bytes) if bytes.is_empty() => true,
            Said::Piece(bytes) => {
                self.giver.put(Frame::data(bytes));
                self.giver.taken().await
            }
            Said::NeedVoucher(_) => true,
        }
    }

    fn take_back(&mut self) -> bool {
        self.giver.take_back()
    }

    async fn gone(&mut self) {
        self.giver.gone().await;
    }

    async fn last(self, receipt: Receipt, cut: Option<Cut>) {
        if let Some(cut) = cut {
            return self.giver.end(Err(StreamCut(cut)));
        }
        let text = payment_receipt::format(&receipt);
        if self.takes_trailers
            && let Ok(value) = HeaderValue::try_from(text)
        {
            let mut trailers = HeaderMap::new();
            trailers.insert(PAYMENT_RECEIPT, value);
            self.giver.put(Frame::trailers(trailers));
        }
        self.giver.end(Ok(()));
    }
}
