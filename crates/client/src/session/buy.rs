//! Paying for one request out of a channel.
//!
//! ```text
//!            ┌─ opening ─▶ presented with the request ─┐
//!  door ─────┤                                          ├─▶ served ─▶ the receipt is weighed
//!            └─ open ────▶ counted, signed, sent ───────┤
//!                                 ▲                     └─▶ refused ─▶ mended: another voucher, a
//!                                 └──────────────────────────────────── top-up, a new channel
//! ```

use std::sync::Arc;

use farthing_core::value::{Amount, PaymentId};
use http::{Method, header::CONTENT_TYPE};
use reqwest::{Request, Response};

use super::{
    bill::Bill,
    fault::SessionFault,
    keeper::{Flight, How, Keeper, Refusal},
    mend::{Mended, is_metered},
    offer::SessionChoice,
    opening::{Door, Opening},
    present::{Presented, Shown, keyed},
    purse::{Place, Purse, Stage},
    receipt::{self, By, Word},
    stream::follow,
};
use crate::{
    carry::Carrier,
    client::Inner,
    error::{Error, RequestFault, Said},
    flow::Answered,
    judge::is_free,
    outgoing::Standing,
    policy::UseSessions,
    response::Outlay,
    target::Target,
};

/// Steps after which a request is given up that a seller goes on refusing for another reason each time.
const ROUNDS: usize = 12;

/// A request that is being paid for.
pub(super) struct Trade<'a> {
    pub(super) keeper: Arc<Keeper>,
    pub(super) choice: SessionChoice,
    pub(super) target: &'a Target,
    pub(super) request: Request,
    /// What the voucher says that was sent last.
    pub(super) said: Amount,
    /// How often a voucher was overtaken by a higher one.
    pub(super) overtaken: u32,
    /// Whether a new challenge was taken.
    pub(super) renewed: bool,
    /// Whether the channel is the second one.
    pub(super) reopened: bool,
    /// Whether its voucher was raised only to pass the one before it.
    pub(super) outbid: bool,
    /// Whether what is bought comes after the answer: the answer takes the voucher and no more.
    goes_on: bool,
}

impl Inner {
    /// The session to pay by, where one is offered and is to be used. `else_payable` says whether
    /// the request can be paid for otherwise.
    pub(crate) async fn session_to_use(
        &self,
        choices: Vec<SessionChoice>,
        else_payable: bool,
    ) -> Result<Option<SessionChoice>, Error> {
        let when = self.policy.uses_sessions();
        if when == UseSessions::Never {
            return Ok(None);
        }
        let mut first = None;
        for choice in choices {
            let keeper = self.keepers.of(&choice.scope);
            let known = self.known(&keeper).await?;
            if known.is_some_and(|held| {
                held.record.stage == Stage::Open && held.record.dispute.is_none()
            }) {
                return Ok(Some(choice));
            }
            first.get_or_insert(choice);
        }
        Ok(first.filter(|_| when == UseSessions::Always || !else_payable))
    }

    /// Pays for a request out of a channel, which is opened where there is none.
    pub(crate) async fn buy<C: Carrier>(
        &self,
        carrier: &mut C,
        request: &Request,
        target: &Target,
        choice: SessionChoice,
    ) -> Result<Answered, Error> {
        let mut request = request.try_clone().ok_or(RequestFault::BodyOnce)?;
        keyed(&mut request)?;
        let mut trade = Trade {
            keeper: self.keepers.of(&choice.scope),
            choice,
            target,
            request,
            said: Amount::ZERO,
            overtaken: 0,
            renewed: false,
            reopened: false,
            outbid: false,
            goes_on: carrier.goes_on(),
        };
        let (mut flight, mut cumulative) = (None, None);
        for _ in 0..ROUNDS {
            let keeper = Arc::clone(&trade.keeper);
            let purse = match self.door(&keeper, &trade.choice, target).await? {
                Door::Open(purse) => purse,
                Door::Opening(opening) => {
                    let mine = flight.take();
                    // What seldom happens is kept off the stack of what always does.
                    let offering = self.offer_opening(carrier, &mut trade, mine, opening);
                    match Box::pin(offering).await? {
                        Next::Done(answered) => return Ok(*answered),
                        Next::Round(next, voucher) => (flight, cumulative) = (next, voucher),
                    }
                    continue;
                }
            };
            let (mine, signed) = match (flight.take(), cumulative.take()) {
                (Some(flight), Some(cumulative)) => (flight, cumulative),
                (Some(flight), None) => {
                    // It was counted already: with the opening, or before a top-up.
                    (flight, self.highest(&keeper).await?.0)
                }
                (None, _) => match self.counted(&trade).await? {
                    Some(counted) => counted,
                    None => continue,
                },
            };
            match self
                .offer_voucher(carrier, &mut trade, mine, &purse, signed)
                .await?
            {
                Next::Done(answered) => return Ok(*answered),
                Next::Round(next, voucher) => (flight, cumulative) = (next, voucher),
            }
        }
        let last = Said::default();
        Err(SessionFault::Refused(Box::new(last)).into())
    }

    /// Sends the request with what opens the channel.
    async fn offer_opening<C: Carrier>(
        &self,
        carrier: &mut C,
        trade: &mut Trade<'_>,
        flight: Option<Flight>,
        opening: Opening<'_>,
    ) -> Result<Next, Error> {
        let Opening {
            door,
            purse,
            transaction,
        } = opening;
        let keeper = Arc::clone(&trade.keeper);
        let mut mine = match flight {
            Some(flight) => flight,
            None => self.first(trade).await?,
        };
        trade.said = purse.signed;
        let keeping = purse.keeping().ok_or(SessionFault::NoChannel)?;
        let payer = &trade.choice.payer;
        let payload = payer.present_opening(&keeping, &transaction, purse.signed);
        let payload = payload.map_err(SessionFault::Rail)?;
        let header = Self::session_header(&trade.choice, payload)?;
        let showing = self.show(carrier, &trade.request, &header);
        let Presented { shown, is_doubtful } = self.at_work(&keeper, showing).await?;
        mine.doubt(is_doubtful);
        if let Shown::Served(response) = shown {
            let served = Some((&response, mine.amount));
            self.opened(&keeper, served).await?;
            drop(door);
            let delivered = self.delivered(trade, mine, &purse, response, &header);
            return Ok(Next::Done(Box::new(delivered.await?)));
        }
        let mending = self.mend_opening(trade, &mut mine, shown, &transaction);
        let over = Box::pin(mending).await;
        drop(door);
        Ok(match over {
            Err(error) if is_no_charge(&error) => {
                mine.land(How::Free, None);
                self.settle_down(&keeper).await;
                return Err(error);
            }
            Err(error) => return Err(error),
            Ok(Mended::Again) => Next::Round(Some(mine), None),
            Ok(Mended::Voucher(voucher)) => Next::Round(Some(mine), Some(voucher)),
            Ok(Mended::Anew) => {
                mine.land(How::Free, None);
                Next::Round(None, None)
            }
            Ok(Mended::Answer(response)) => {
                let answered = self.not_served(trade, mine, &purse, response).await;
                Next::Done(Box::new(answered))
            }
        })
    }

    /// Counts the request and signs for it; `None` where the channel does not pay just now.
    async fn counted(&self, trade: &Trade<'_>) -> Result<Option<(Flight, Amount)>, Error> {
        let wish = (trade.choice.amount(), trade.choice.least);
        let host = trade.target.host();
        match self.board(&trade.keeper, host, wish).await {
            Ok((mut flight, signed)) => {
                self.may_cost_more(trade, &mut flight);
                Ok(Some((flight, signed)))
            }
            Err(Refusal::Shut) => {
                self.fresh(&trade.keeper).await?;
                Ok(None)
            }
            Err(Refusal::Deposit(needed)) => {
                let what = (trade.target, &trade.request);
                let topping_up = self.top_up(&trade.keeper, &trade.choice, what, needed);
                Box::pin(topping_up).await?;
                Ok(None)
            }
            Err(Refusal::Error(error)) => Err(error),
        }
    }

    /// Counts the request that opens the channel.
    async fn first(&self, trade: &Trade<'_>) -> Result<Flight, Error> {
        let counting = self.count_first(&trade.keeper, trade.choice.amount());
        let mut flight = counting.await?;
        self.may_cost_more(trade, &mut flight);
        Ok(flight)
    }

    /// Where a unit is no request, one may cost several, up to what one may cost.
    fn may_cost_more(&self, trade: &Trade<'_>, flight: &mut Flight) {
        if is_metered(trade) {
            let (host, choice) = (trade.target.host(), &trade.choice);
            let cap = self.policy.request_cap(host, &choice.quote.currency);
            flight.may_use(cap.unwrap_or(choice.offer.protocol.most()));
        }
    }

    /// Sends the request with a voucher.
    async fn offer_voucher<C: Carrier>(
        &self,
        carrier: &mut C,
        trade: &mut Trade<'_>,
        mut flight: Flight,
        purse: &Purse,
        signed: Amount,
    ) -> Result<Next, Error> {
        let keeping = purse.keeping().ok_or(SessionFault::NoChannel)?;
        let keeper = Arc::clone(&trade.keeper);
        // Overtaken twice, it goes alone: nothing higher is signed until its answer is there.
        let (signed, _alone) = match trade.overtaken {
            0 | 1 => (signed, None),
            _ => {
                let (highest, alone) = self.highest(&keeper).await?;
                (highest.max(signed), Some(alone))
            }
        };
        trade.said = signed;
        let payload = match trade.choice.payer.voucher(&keeping, signed, false) {
            Ok(payload) => payload,
            Err(refusal) => {
                // Nothing was signed, so nothing was sent.
                flight.land(How::Free, None);
                self.settle_down(&keeper).await;
                return Err(SessionFault::Rail(refusal).into());
            }
        };
        let header = Self::session_header(&trade.choice, payload)?;
        let Presented { shown, is_doubtful } = self.show(carrier, &trade.request, &header).await?;
        drop(_alone);
        flight.doubt(is_doubtful);
        match shown {
            Shown::Served(response) => {
                let answered = self
                    .delivered(trade, flight, purse, response, &header)
                    .await?;
                Ok(Next::Done(Box::new(answered)))
            }
            Shown::Other(response, _) => {
                let answered = self.not_served(trade, flight, purse, response).await;
                Ok(Next::Done(Box::new(answered)))
            }
            Shown::Silent(said) => {
                // What is doubtful lands as unsure.
                let fault = match flight.is_doubtful() {
                    true => SessionFault::Unanswered(Box::new(said)),
                    false => SessionFault::NotServed(Box::new(said)),
                };
                flight.land(How::Free, None);
                self.settle_down(&keeper).await;
                Err(fault.into())
            }
            Shown::Refused(said, headers) => {
                // What seldom happens is kept off the stack of what always does.
                let mending = Box::pin(self.mend(trade, &mut flight, purse, said, &headers));
                match mending.await {
                    Ok(Mended::Voucher(voucher)) => Ok(Next::Round(Some(flight), Some(voucher))),
                    Ok(Mended::Again) => Ok(Next::Round(Some(flight), None)),
                    Ok(Mended::Anew) => {
                        flight.land(How::Free, None);
                        Ok(Next::Round(None, None))
                    }
                    Ok(Mended::Answer(response)) => Ok(Next::Done(Box::new(
                        self.not_served(trade, flight, purse, response).await,
                    ))),
                    Err(error) => {
                        // A refusal is no charge: whoever charges all the same is found out by
                        // what it says was spent.
                        flight.land(How::Free, None);
                        self.settle_down(&keeper).await;
                        Err(error)
                    }
                }
            }
        }
    }

    /// The seller served.
    async fn delivered(
        &self,
        trade: &Trade<'_>,
        flight: Flight,
        purse: &Purse,
        response: Response,
        header: &(http::HeaderName, http::HeaderValue),
    ) -> Result<Answered, Error> {
        let channel = purse.channel.clone().ok_or(SessionFault::NoChannel)?;
        let bill = Bill::new(
            purse.id,
            channel.clone(),
            purse.currency(),
            trade.choice.amount(),
        );
        bill.costs(flight.amount);
        let said = receipt::of(response.headers());
        let word = match &said {
            Some((_, session)) => {
                self.weigh(&trade.keeper, &channel, session, (By::Head, flight.amount))
                    .await?
            }
            None => Word::Foreign,
        };
        match word {
            Word::Lie => self.keepers.forget(trade.target),
            // What is asked of the same place over HTTP has a price of its own.
            _ if trade.goes_on => {}
            _ => self.keepers.remember(trade.target, &trade.choice),
        }
        let mut outlay = outlay(trade, purse, flight.amount);
        match (word, said) {
            (Word::Good(..), Some((receipt, session))) => {
                outlay.standing = Standing::Paid;
                outlay.receipt = Some(receipt);
                bill.keep(&session);
                trade.keeper.air().place = Some(Place {
                    url: trade.target.kept_url(),
                    method: trade.target.method().as_str().into(),
                });
            }
            (Word::Lie, _) => {
                outlay.standing = Standing::Doubtful;
                bill.fail(&"the seller's receipt says more than was signed or owed");
            }
            _ => outlay.standing = Standing::Unconfirmed,
        }
        if trade.goes_on && word != Word::Lie {
            let tab = Some(Box::new(self.tab(trade, flight, &bill)));
            let answered = Answered::by_session(response, outlay, bill, None);
            return Ok(Answered { tab, ..answered });
        }
        if is_stream(&response) && word != Word::Lie {
            let response = follow(self.tab(trade, flight, &bill), response)?;
            return Ok(Answered::by_session(response, outlay, bill, None));
        }
        let told = match word {
            Word::Good(told) => Some(told),
            _ => None,
        };
        let how = match *trade.request.method() {
            // It takes the voucher and buys nothing.
            Method::HEAD => How::Used(Amount::ZERO),
            // It is charged while it comes, after its receipt was written.
            _ if is_metered(trade) && says_nothing_used(&bill) => How::Unsure,
            // It was served. That it cost less has to be said by somebody whose receipts are known to
            // speak of the request they come with.
            _ if !told.is_some_and(|told| told.is_prompt) => How::Charged,
            _ => used(trade.choice.amount(), flight.amount, &bill),
        };
        if let How::Used(used) = how {
            outlay.amount = used;
            bill.costs(used);
        }
        flight.land(how, told.filter(|_| how != How::Unsure));
        self.settle_down(&trade.keeper).await;
        let again = trade
            .request
            .try_clone()
            .map(|request| (request, header.clone()));
        Ok(Answered::by_session(response, outlay, bill, again))
    }

    /// An answer that is not what was paid for. Where its seller says beside it that it charged nothing,
    /// it did not; to whoever charges all the same nothing is signed for it. Else the request may have been
    /// charged.
    async fn not_served(
        &self,
        trade: &Trade<'_>,
        flight: Flight,
        purse: &Purse,
        response: Response,
    ) -> Answered {
        if is_free(response.headers()) && !flight.is_doubtful() {
            flight.land(How::Free, None);
            self.settle_down(&trade.keeper).await;
            return Answered::free(response);
        }
        let mut outlay = outlay(trade, purse, flight.amount);
        outlay.standing = Standing::Doubtful;
        let channel = purse.channel.clone();
        let bill = channel.map(|channel| {
            let bill = Bill::new(purse.id, channel, purse.currency(), trade.choice.amount());
            bill.costs(flight.amount);
            bill
        });
        flight.land(How::Unsure, None);
        self.settle_down(&trade.keeper).await;
        Answered {
            bill,
            ..Answered::paid_by(response, outlay)
        }
    }
}

/// Whether a request that opened a channel ended without a charge: the seller refused it, or wants more
/// for it than it gets.
fn is_no_charge(error: &Error) -> bool {
    match error {
        Error::Session(fault) => matches!(
            **fault,
            SessionFault::Refused(_) | SessionFault::Cap { .. } | SessionFault::AsksTooMuch { .. }
        ),
        Error::Refused(_) => true,
        _ => false,
    }
}

/// How much of what was counted was used, where the last receipt says so.
pub(super) fn used(unit_price: Amount, counted: Amount, bill: &Bill) -> How {
    let units = bill.receipt().and_then(|receipt| receipt.units);
    let cost = units.and_then(|units| unit_price.checked_mul(u128::from(units)));
    match cost {
        Some(cost) if cost < counted => How::Used(cost),
        _ => How::Charged,
    }
}

fn says_nothing_used(bill: &Bill) -> bool {
    bill.receipt().is_some_and(|said| said.units == Some(0))
}

enum Next {
    Done(Box<Answered>),
    /// Another round, with what was counted and what to sign.
    Round(Option<Flight>, Option<Amount>),
}

fn is_stream(response: &Response) -> bool {
    let media = response.headers().get(CONTENT_TYPE);
    let media = media
        .and_then(|media| media.to_str().ok())
        .unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default();
    essence
        .trim()
        .eq_ignore_ascii_case(farthing_core::encoding::sse::MEDIA_TYPE)
}

fn outlay(trade: &Trade<'_>, purse: &Purse, amount: Amount) -> Outlay {
    let id: PaymentId = purse.id;
    Outlay {
        payment: id,
        amount,
        currency: purse.currency(),
        payee: Some(trade.choice.offer.request.recipient.clone()),
        standing: Standing::Unconfirmed,
        reference: None,
        receipt: None,
        recorded: true,
    }
}
