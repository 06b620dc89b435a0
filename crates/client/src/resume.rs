//! Finishing what an earlier process, or an earlier call, left open.

use farthing_core::{bounds, domain::claims::ChangeError, port::payer::Resolved, value::Timestamp};
use http::Method;
use reqwest::Request;

use crate::{
    carry::Direct,
    client::{Client, Inner},
    error::Error,
    outgoing::{Claimed, HeldPayment, KeptCredential, Loss, Outgoing, Settled, Standing},
    pay::{Ticket, store_error},
    present::Presented,
    response::Response,
    work::Taken,
};

/// The wait before a payment without a result is looked at again: a minute, doubled each time, at
/// the most an hour.
const ASK_AGAIN: [u64; 7] = [60, 120, 240, 480, 960, 1920, 3600];

/// What became of a payment that was pending.
#[derive(Debug)]
pub struct Resumed {
    /// The payment, as it is now.
    pub payment: Outgoing,
    /// The answer, where the request could be sent again: it is what was paid for.
    pub response: Option<Response>,
}

impl Client {
    /// Looks at the payments that are pending and that nobody works on, the oldest first, and
    /// finishes those of which the outcome can be known. Meant for the start of a program, and
    /// from time to time.
    ///
    /// What was reserved and never signed is released. What was signed for a GET or a HEAD that
    /// needs nothing but its URL is sent again, once, and the answer is handed out: it is what was
    /// paid for. Of anything else the rail is asked; where it does not know, the payment waits
    /// until its caller makes the same request again. Of what was served without a receipt the rail
    /// is asked as well: it was paid, or its reservation comes free.
    ///
    /// # Errors
    /// When the store fails. What one payment's server or rail does never is an error here.
    pub async fn resume(&self) -> Result<Vec<Resumed>, Error> {
        let inner = &self.inner;
        let mut resumed = Vec::new();
        for held in inner.book.pending(None, inner.options.resume).await? {
            if held.record.asked > 0 && inner.clock.now() < next_look(&held.record) {
                continue;
            }
            let Some(taken) = inner.take(held).await? else {
                continue;
            };
            resumed.push(inner.finish(taken).await?);
        }
        resumed.extend(inner.finish_served().await?);
        inner
            .book
            .forget(inner.clock.now(), inner.options.resume)
            .await
            .map_err(store_error)?;
        Ok(resumed)
    }
}

impl Inner {
    async fn finish(&self, taken: Taken) -> Result<Resumed, Error> {
        let Taken { held, work } = taken;
        if held.record.standing == Standing::Reserved {
            let released = self
                .book
                .void(held, Vec::new(), Loss::Nothing)
                .await
                .map_err(store_error)?;
            return Ok(Resumed {
                payment: released.record,
                response: None,
            });
        }
        let (id, standing) = (held.record.id, held.record.standing);
        let Some(credential) = self.book.credential(id).await? else {
            return Ok(Resumed {
                payment: held.record,
                response: None,
            });
        };
        let request = repeat(&held.record).filter(|_| standing == Standing::Signed);
        if let Some(request) = request {
            let ticket = Ticket {
                held,
                credential,
                work,
            };
            let presented = match self.run_errand(ticket).await {
                Ok(ticket) => {
                    let mut direct = Direct(&self.http);
                    self.present(&mut direct, &request, ticket, 1).await
                }
                Err(error) => Err(error),
            };
            let response = match presented {
                Ok(Presented::Answer(inner, outlay) | Presented::Served(inner, outlay, _)) => {
                    Some(Response::paid_for(inner, outlay))
                }
                Ok(Presented::Rejected(..)) | Err(_) => None,
            };
            return self.looked_at(id, response).await;
        }
        let (held, resolved) = self.leased(held, self.ask_rail(&credential)).await;
        let is_final = match resolved {
            // A payment that was not served yet can still be fetched by its caller.
            Resolved::Moved { reference } if standing == Standing::Doubtful => {
                let how = Settled::Rail(reference);
                Some(self.book.settle(held.clone(), &how, self.clock.now()).await)
            }
            over if held.record.claimed != Some(Claimed::Moved) => match Loss::of(&over) {
                Some(loss) => Some(self.book.void(held.clone(), Vec::new(), loss).await),
                None => None,
            },
            _ => None,
        };
        match is_final {
            Some(Ok(held)) => Ok(Resumed {
                payment: held.record,
                response: None,
            }),
            Some(Err(ChangeError::Store(error))) => Err(error.into()),
            Some(Err(_)) | None => {
                let free = Outgoing {
                    lease_until: Timestamp::EPOCH,
                    ..held.record.clone()
                };
                let _ = self.book.note(held, free).await;
                self.looked_at(id, None).await
            }
        }
    }

    /// Asks the rail about what was served without a receipt, the oldest first.
    async fn finish_served(&self) -> Result<Vec<Resumed>, Error> {
        let (mut asked, mut last) = (Vec::new(), None);
        loop {
            let page = self.book.unconfirmed(last.as_ref(), bounds::PAGE).await?;
            let is_last = page.len() < bounds::PAGE;
            last = page.last().map(|held| held.record.clone());
            for held in page {
                if asked.len() >= self.options.resume {
                    return Ok(asked);
                }
                if held.record.asked > 0 && self.clock.now() < next_look(&held.record) {
                    continue;
                }
                // What an older version served and erased nobody can be asked about.
                let Some(signed) = self.book.credential(held.record.id).await? else {
                    continue;
                };
                let Some(Taken { held, work: _work }) = self.take_to_ask(held).await? else {
                    continue;
                };
                let held = self.end_served(held, &signed).await;
                asked.push(Resumed {
                    payment: held.map_err(store_error)?.record,
                    response: None,
                });
            }
            if is_last {
                return Ok(asked);
            }
        }
    }

    /// Asks the rail what became of a payment that was served without a receipt, and ends it where
    /// the rail knows. Where it does not, the look is counted and the payment stays as it is.
    pub(crate) async fn end_served(
        &self,
        held: HeldPayment,
        signed: &KeptCredential,
    ) -> Result<HeldPayment, ChangeError> {
        let (held, resolved) = self.leased(held, self.ask_rail(signed)).await;
        if let Resolved::Moved { reference } = resolved {
            let how = Settled::Rail(reference);
            return self.book.settle(held, &how, self.clock.now()).await;
        }
        let is_done = held.record.claimed == Some(Claimed::Moved);
        match Loss::of(&resolved).filter(|_| !is_done) {
            Some(loss) => self.book.void(held, Vec::new(), loss).await,
            None => {
                let record = Outgoing {
                    asked: held.record.asked.saturating_add(1),
                    looked_at: self.clock.now(),
                    lease_until: Timestamp::EPOCH,
                    ..held.record.clone()
                };
                self.book.note(held, record).await
            }
        }
    }

    /// Counts a look without a result, so that the next one comes later.
    async fn looked_at(
        &self,
        id: farthing_core::value::PaymentId,
        response: Option<Response>,
    ) -> Result<Resumed, Error> {
        let held = self.book.load(id).await?.ok_or(Error::Forgotten(id))?;
        if !held.record.standing.is_pending() {
            return Ok(Resumed {
                payment: held.record,
                response,
            });
        }
        let asked = held.record.asked.saturating_add(1);
        let record = Outgoing {
            asked,
            looked_at: self.clock.now(),
            ..held.record.clone()
        };
        let payment = match self.book.note(held, record.clone()).await {
            Ok(held) => held.record,
            Err(ChangeError::Store(error)) => return Err(error.into()),
            Err(_) => record,
        };
        Ok(Resumed { payment, response })
    }
}

fn next_look(record: &Outgoing) -> Timestamp {
    let step = usize::try_from(record.asked)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let wait = ASK_AGAIN[step.min(ASK_AGAIN.len() - 1)];
    record
        .looked_at
        .saturating_add(std::time::Duration::from_secs(wait))
}

/// The request of a payment, where it needs nothing but its URL.
fn repeat(record: &Outgoing) -> Option<Request> {
    let method = Method::from_bytes(record.method.as_bytes()).ok()?;
    let url = record.url.parse().ok()?;
    record.repeatable.then(|| Request::new(method, url))
}
