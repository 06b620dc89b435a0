//! What is counted for an answer that is paid for while it comes, whatever it comes over.

use std::sync::Arc;

use farthing_core::{
    intent::session::ChannelId,
    noun::{
        Receipt,
        session::{Cut, NeedVoucher, SessionReceipt},
    },
    value::Amount,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Request;

use super::{
    bill::{Bill, StillOpen},
    buy::{Trade, used},
    fault::SessionFault,
    keeper::{Flight, How, Keeper, Refusal},
    offer::SessionChoice,
    present::bare,
    purse::Stage,
    receipt::{By, Told, Word},
};
use crate::{client::Inner, error::Error, target::Target};

/// How often a seller may ask for a voucher before it delivers something, or says more than it did.
const ASKS: u32 = 8;

/// The count of one answer, until it ends.
pub(crate) struct Tab {
    /// Held until the answer ends: nobody else pays for the rest of it.
    client: Arc<Inner>,
    keeper: Arc<Keeper>,
    pub(super) choice: SessionChoice,
    pub(super) target: Target,
    /// What brings a voucher and buys nothing.
    pub(super) request: Request,
    pub(super) bill: Bill,
    flight: Flight,
    told: Option<Told>,
    asked: u32,
    /// Dropped last, when all is counted.
    _open: StillOpen,
}

impl Inner {
    /// Opens the count of an answer that may cost up to what one request may.
    pub(super) fn tab(&self, trade: &Trade<'_>, flight: Flight, bill: &Bill) -> Tab {
        let mut flight = flight;
        let cap = self
            .policy
            .request_cap(trade.target.host(), bill.currency());
        flight.may_use(cap.unwrap_or(trade.choice.offer.protocol.most()));
        Tab {
            client: self
                .me
                .upgrade()
                .expect("whoever counts an answer holds the client"),
            keeper: Arc::clone(&trade.keeper),
            choice: trade.choice.clone(),
            target: trade.target.clone(),
            request: bare(&trade.request, Method::HEAD),
            _open: bill.keep_open(),
            bill: bill.clone(),
            flight,
            told: None,
            asked: 0,
        }
    }
}

impl Tab {
    /// The client that pays.
    pub(super) fn client(&self) -> Arc<Inner> {
        Arc::clone(&self.client)
    }

    fn channel(&self) -> &ChannelId {
        self.bill.channel()
    }

    /// Something came that is paid for.
    pub(super) const fn delivered(&mut self) {
        self.asked = 0;
    }

    /// The last receipt: whether it is one, and about this channel.
    ///
    /// # Errors
    /// When it says what cannot be.
    pub(super) async fn take_last(&mut self, receipt: &Receipt) -> Result<bool, Error> {
        let Ok(said) = SessionReceipt::read(receipt) else {
            return Ok(false);
        };
        let is_good = self.keep(&said, By::End).await?;
        if let Some(cut) = Cut::of(receipt).filter(|_| is_good) {
            self.bill.cut_off(cut);
        }
        Ok(is_good)
    }

    /// Weighs a receipt, and keeps one that may be.
    ///
    /// # Errors
    /// When it says what cannot be.
    pub(super) async fn keep(&mut self, said: &SessionReceipt, by: By) -> Result<bool, Error> {
        let word = self
            .client
            .weigh(&self.keeper, self.channel(), said, (by, self.flight.amount))
            .await?;
        match word {
            Word::Good(told) => {
                self.told = Some(told);
                self.bill.keep(said);
                Ok(true)
            }
            Word::Foreign => Ok(false),
            Word::Lie => {
                let why = "the seller's receipt says more than was signed or owed";
                Err(SessionFault::Disputed(why.into()).into())
            }
        }
    }

    /// The seller asks for a voucher: what it has to say, by what is counted and signed for it. `None`
    /// where it asks about another channel, which is nobody's question.
    ///
    /// # Errors
    /// When it asks for what it may not have, or too often, or what it may have cannot be signed.
    pub(super) async fn raise(
        &mut self,
        client: &Inner,
        need: &NeedVoucher,
    ) -> Result<Option<Amount>, Error> {
        if need.channel != *self.channel() {
            return Ok(None);
        }
        self.asked += 1;
        if self.asked > ASKS {
            return Err(SessionFault::Nags.into());
        }
        let signed = self.sign(client, need.required).await?;
        self.bill.costs(self.flight.amount);
        Ok(Some(signed))
    }

    async fn sign(&mut self, client: &Inner, required: Amount) -> Result<Amount, Error> {
        let host = self.target.host().to_owned();
        for _ in 0..2 {
            let (keeper, flight) = (&self.keeper, &mut self.flight);
            match client
                .raise(keeper, flight, &host, required, &self.choice)
                .await
            {
                Ok(signed) => return Ok(signed),
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::Shut) => {
                    return Err(SessionFault::Stage(Stage::Closing.as_str()).into());
                }
                Err(Refusal::Deposit(needed)) => {
                    let what = (&self.target, &self.request);
                    client.top_up(keeper, &self.choice, what, needed).await?;
                }
            }
        }
        Err(SessionFault::Contended.into())
    }

    /// The highest that is signed on the channel by now.
    pub(super) async fn highest(&self, client: &Inner) -> Result<Amount, Error> {
        Ok(client.highest(&self.keeper).await?.0)
    }

    /// The header of a voucher. What it says was counted before.
    pub(super) async fn voucher(
        &self,
        client: &Inner,
        signed: Amount,
    ) -> Result<(HeaderName, HeaderValue), Error> {
        let held = client.known(&self.keeper).await?;
        let keeping = held.and_then(|held| held.record.keeping());
        let keeping = keeping.ok_or(SessionFault::NoChannel)?;
        let payload = self.choice.payer.voucher(&keeping, signed, false);
        Inner::session_header(&self.choice, payload.map_err(SessionFault::Rail)?)
    }

    /// Takes the challenge that came with a refusal, where it asks for the same.
    pub(super) fn renew(&mut self, client: &Inner, headers: &HeaderMap) {
        let target = Target::new(Method::HEAD, self.target.url().clone());
        let choices = client
            .sessions_offered(&target, headers)
            .unwrap_or_default();
        let same = choices
            .into_iter()
            .find(|choice| choice.scope == self.choice.scope);
        self.choice = same.unwrap_or_else(|| self.choice.clone());
    }

    /// Why nothing more is paid for it.
    pub(super) fn fail(&self, error: &Error) {
        self.bill.fail(error);
        tracing::warn!(%error, "a stream is not paid for any further");
    }

    /// Writes down how it ended: `is_told` says that a last receipt was believed.
    pub(super) async fn land(self, is_told: bool) {
        let how = match is_told {
            true => used(self.choice.amount(), self.flight.amount, &self.bill),
            false => How::Unsure,
        };
        if let How::Used(cost) = how {
            self.bill.costs(cost);
        }
        self.flight
            .land(how, self.told.filter(|_| how != How::Unsure));
        self.client.settle_down(&self.keeper).await;
    }
}
