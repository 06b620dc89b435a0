//! A buyer's request, and what the model has to say to the answer.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use farthing_core::{
    header::{MONEY_MOVED, PAYMENT_RECEIPT, payment_receipt},
    noun::problem::Problem,
    payment::Moved,
    value::PaymentId,
};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::watch;

use super::{
    action::Reading,
    handler::mark,
    purchase::{Purchase, Sold},
    shop::{Answered, Shop},
    world::Books,
};

/// What did not hold, told by whoever noticed.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaints(Arc<Mutex<Option<String>>>);

impl Complaints {
    pub(super) fn say(&self, what: String) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(what);
    }

    pub(super) fn take(&self) -> Result<(), String> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.take().map_or(Ok(()), Err)
    }
}

/// What every client has.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) books: Books,
    pub(super) complaints: Complaints,
    /// Rises when those who wait with reading go on.
    pub(super) read: watch::Sender<u64>,
}

pub(super) fn request(sold: Sold) -> http::request::Builder {
    Request::builder().method(sold.method).uri(sold.path)
}

impl Clients {
    /// Presents a credential and reads the answer.
    pub(super) fn present(
        &self,
        shop: &Shop,
        purchase: &Arc<Purchase>,
        reading: Reading,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let request = request(purchase.sold)
            .header("authorization", purchase.header.clone())
            .body(Full::default())
            .ok()?;
        let before = self.books.moved(purchase);
        let (on_its_way, clients) = (shop.request(request), self.clone());
        let purchase = Arc::clone(purchase);
        Some(async move {
            let Some(response) = on_its_way.await else {
                return clients.complaints.say("a request had no answer".to_owned());
            };
            let read = clients.read(&purchase, response, reading, before.is_some());
            if let Err(what) = read.await {
                let challenge = &purchase.challenge;
                clients
                    .complaints
                    .say(format!("{what} (challenge {challenge})"));
            }
        })
    }

    async fn read(
        &self,
        purchase: &Purchase,
        response: Answered,
        reading: Reading,
        was_moved: bool,
    ) -> Result<(), String> {
        if response.status().is_success() {
            self.read_served(purchase, response, reading).await
        } else {
            self.read_refused(purchase, response, was_moved).await
        }
    }

    /// Never delivered unpaid, and no reference that the rail did not give.
    async fn read_served(
        &self,
        purchase: &Purchase,
        response: Answered,
        reading: Reading,
    ) -> Result<(), String> {
        let payment = match response.headers().get(PAYMENT_RECEIPT) {
            Some(receipt) => self.is_true(purchase, receipt)?,
            None => self.is_on_credit(purchase, response.headers())?,
        };
        let mut body = response.into_body();
        match reading {
            Reading::Nothing => {
                // An answer without a body is delivered with its head.
                if http_body::Body::is_end_stream(&body) {
                    purchase.read(true);
                }
                return Ok(());
            }
            Reading::OneFrame => {
                let frame = body.frame().await;
                let is_whole = frame.is_none() || http_body::Body::is_end_stream(&body);
                purchase.read(is_whole);
                return Ok(());
            }
            Reading::Later => {
                let mut told = self.read.subscribe();
                // The sender is ours too: it does not go before we do.
                let _ = told.changed().await;
            }
            Reading::Whole => {}
        }
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(never) => match never {},
        };
        purchase.read(true);
        if let Some(payment) = payment
            && !bytes.is_empty()
            && !bytes.starts_with(mark(payment).as_bytes())
        {
            return Err("the answer is another payment's".to_owned());
        }
        Ok(())
    }

    /// The payment of a receipt that says what the rail says.
    fn is_true(
        &self,
        purchase: &Purchase,
        receipt: &HeaderValue,
    ) -> Result<Option<PaymentId>, String> {
        let moved = self.books.moved(purchase);
        let moved = moved.ok_or("an answer goes out, and nothing moved for it")?;
        let receipt = payment_receipt::parse(receipt)
            .map_err(|error| format!("the receipt cannot be read: {error}"))?;
        if receipt.reference().as_str() != moved.reference {
            return Err(format!(
                "the receipt says {:?} and the rail {:?}",
                receipt.reference().as_str(),
                moved.reference
            ));
        }
        Ok(moved.payment)
    }

    /// The payment of an answer without a receipt: it says that nobody knows, and is given where
    /// credit is. How much of it there may be is the audit's.
    fn is_on_credit(
        &self,
        purchase: &Purchase,
        headers: &HeaderMap,
    ) -> Result<Option<PaymentId>, String> {
        let told = headers.get(MONEY_MOVED).map(HeaderValue::as_bytes);
        if !purchase.may_be_on_credit() || told != Some(b"unknown") {
            return Err("what is served has no receipt".to_owned());
        }
        let held = self.books.payment(purchase);
        let held = held.ok_or("an answer goes out on credit, and nothing is claimed")?;
        Ok(Some(held.record.id))
    }

    /// No answer denies what moved, or tells of what did not.
    async fn read_refused(
        &self,
        purchase: &Purchase,
        response: Answered,
        was_moved: bool,
    ) -> Result<(), String> {
        let (parts, body) = response.into_parts();
        if parts.headers.contains_key(PAYMENT_RECEIPT) {
            return Err(format!("a receipt on a {}", parts.status));
        }
        let bytes: Bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(never) => match never {},
        };
        if &*bytes == b"failed" {
            // The handler's own answer, where nothing was charged for it.
            return if was_moved {
                Err("a paid failure was passed on as if it were free".to_owned())
            } else {
                Ok(())
            };
        }
        let problem = Problem::parse(&bytes, parts.status.as_u16())
            .map_err(|error| format!("the problem cannot be read: {error}"))?;
        let now = self.books.moved(purchase);
        let told = problem.uri();
        if problem.moved == Some(Moved::No) && was_moved {
            return Err(format!("{told} denies that money moved"));
        }
        if problem.moved == Some(Moved::Yes) && !self.books.moved_by_proof(purchase) {
            return Err(format!("{told} tells of money that did not move"));
        }
        let awaits = problem.awaits.as_ref().map(|awaits| awaits.as_str());
        let named = purchase.nonce.as_ref().map(|nonce| format!("fake-{nonce}"));
        if awaits.is_some_and(|awaits| Some(awaits) != named.as_deref()) {
            return Err(format!("{told} awaits {awaits:?}, and not {named:?}"));
        }
        match (&problem.reference, now) {
            (Some(reference), Some(now)) if reference.as_str() == now.reference => Ok(()),
            (Some(reference), _) => Err(format!("{told} made up the reference {reference}")),
            (None, _) => Ok(()),
        }
    }
}
