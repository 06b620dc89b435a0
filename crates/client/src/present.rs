//! Sending a kept payment until its outcome is known.
//!
//! The same bytes every time: whatever the server did with the first ones, it answers the later
//! ones from its claim. What is returned is what the *server* decided; that money did not move is
//! taken from the rail alone.

use std::time::Duration;

use farthing_core::{payment::Moved, port::payer::Resolved, value::Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use reqwest::{Request, Response};

use crate::{
    carry::Carrier,
    client::Inner,
    error::{Error, RequestFault, Said, ServerFault, Unresolved},
    judge::{Verdict, judge, receipt},
    outgoing::{Claimed, HeldPayment, KeptCredential, Loss, Outgoing, Settled, Standing},
    pay::Ticket,
    redirect,
    response::Outlay,
};

/// What presenting a payment led to.
pub(crate) enum Presented {
    /// An answer for the caller, and what it cost.
    Answer(Response, Outlay),
    /// The same, and the header that fetches it again should its body break off.
    Served(Response, Outlay, (HeaderName, HeaderValue)),
    /// The server refused it and the rail proves it dead. Perhaps there is a new challenge.
    Rejected(Said, HeaderMap),
}

/// What one sending led to.
pub(crate) enum Sent {
    Judged(Verdict),
    /// The server sends the payment elsewhere, where it must not go.
    Away(Said),
}

impl Inner {
    /// Sends a payment with its request, and again while the server says to, or says nothing, but
    /// not more often than `at_most`.
    pub(crate) async fn present<C: Carrier>(
        &self,
        carrier: &mut C,
        request: &Request,
        ticket: Ticket,
        at_most: u32,
    ) -> Result<Presented, Error> {
        let header = ticket.header()?;
        if !carrier.leaves_redirects() && header.0 != AUTHORIZATION {
            return Err(self.give_up(ticket, Said::default()).await);
        }
        let Ticket {
            mut held,
            credential,
            work,
        } = ticket;
        let (mut waited, mut last) = (Duration::ZERO, None);
        for sends in 0..at_most.max(1) {
            let sending = self.send_once(carrier, request, &header);
            let (alive, sent) = self.leased(held, sending).await;
            held = alive;
            let after = match sent? {
                Sent::Judged(Verdict::Again { after, said, .. }) => {
                    last = Some(said);
                    after
                }
                Sent::Away(said) => {
                    last = Some(said);
                    break;
                }
                Sent::Judged(Verdict::Served(response)) => {
                    let outlay = self.served(held, &credential, response.headers()).await;
                    return Ok(Presented::Served(response, outlay, header));
                }
                Sent::Judged(Verdict::Other(response, said)) => {
                    let held = self.doubt(held, &credential, &said).await;
                    return Ok(Presented::Answer(
                        response,
                        Outlay::of(&held.record, None, true),
                    ));
                }
                Sent::Judged(Verdict::Refused { said, headers }) => {
                    let refused = self.refused(held, &credential, said, headers).await;
                    return refused.map_err(|error| sent_before(error, last));
                }
            };
            let delay = after.unwrap_or_else(|| self.options.backoff_after(sends + 1));
            waited = waited.saturating_add(delay);
            if sends + 1 >= at_most || waited > self.options.wait {
                break;
            }
            held = self.leased(held, tokio::time::sleep(delay)).await.0;
        }
        Err(self
            .give_up(
                Ticket {
                    held,
                    credential,
                    work,
                },
                last.unwrap_or_default(),
            )
            .await)
    }

    /// Sends the request with the payment, within its origin only.
    pub(crate) async fn send_once<C: Carrier>(
        &self,
        carrier: &mut C,
        request: &Request,
        header: &(HeaderName, HeaderValue),
    ) -> Result<Sent, Error> {
        let once = self.send_along(carrier, request, header);
        match tokio::time::timeout(self.options.answer_within, once).await {
            Ok(sent) => sent,
            Err(_) => Ok(Sent::Judged(Verdict::Again {
                after: None,
                said: Said::default(),
                free: None,
            })),
        }
    }

    async fn send_along<C: Carrier>(
        &self,
        carrier: &mut C,
        request: &Request,
        (name, value): &(HeaderName, HeaderValue),
    ) -> Result<Sent, Error> {
        let mut next = request.try_clone().ok_or(RequestFault::BodyOnce)?;
        for _ in 0..=self.options.redirects {
            let mut paid = next.try_clone().ok_or(RequestFault::BodyOnce)?;
            paid.headers_mut().append(name, value.clone());
            let response = match carrier.carry(paid).await {
                Ok(response) => response,
                Err(error) => {
                    tracing::debug!(%error, "a payment got no answer");
                    return Ok(Sent::Judged(Verdict::Again {
                        after: None,
                        said: Said::default(),
                        free: None,
                    }));
                }
            };
            let away = Said {
                status: Some(response.status()),
                problem: None,
            };
            if !redirect::same_origin(response.url(), request.url()) {
                return Ok(Sent::Away(away));
            }
            match redirect::location(next.url(), &response) {
                Ok(None) => return Ok(Sent::Judged(judge(response).await)),
                Ok(Some(to)) if redirect::same_origin(request.url(), &to) => {
                    next = redirect::follow(&next, response.status(), to)
                        .ok_or(RequestFault::BodyOnce)?;
                }
                Ok(Some(_)) | Err(_) => return Ok(Sent::Away(away)),
            }
        }
        tracing::debug!(error = %ServerFault::Redirects, "a payment is kept");
        Ok(Sent::Away(Said::default()))
    }

    /// The server served: the payment is made, whether it left a receipt or not.
    pub(crate) async fn served(
        &self,
        held: HeldPayment,
        credential: &KeptCredential,
        headers: &HeaderMap,
    ) -> Outlay {
        let receipt = receipt(&held.record, headers);
        let written = match receipt.clone().map(Settled::Receipt) {
            Some(how) => self.book.settle(held.clone(), &how, self.clock.now()).await,
            None => self.book.serve(held.clone(), credential).await,
        };
        match written {
            Ok(held) => Outlay::of(&held.record, receipt, true),
            Err(error) => {
                tracing::warn!(%error, payment = %held.record.id, "a payment was made and not recorded");
                Outlay::of(&held.record, receipt, false)
            }
        }
    }

    /// The server refused. Only the rail can say that nothing moves any more.
    pub(crate) async fn refused(
        &self,
        held: HeldPayment,
        credential: &KeptCredential,
        said: Said,
        headers: HeaderMap,
    ) -> Result<Presented, Error> {
        let held = self.doubt(held, credential, &said).await;
        match held.record.standing {
            Standing::Void => Ok(Presented::Rejected(said, headers)),
            _ => Err(unresolved(&held.record, said)),
        }
    }

    /// Writes down that the server did not serve, after asking the rail: void when the proof is
    /// dead, doubtful otherwise.
    pub(crate) async fn doubt(
        &self,
        held: HeldPayment,
        credential: &KeptCredential,
        said: &Said,
    ) -> HeldPayment {
        let (held, resolved) = self.leased(held, self.ask_rail(credential)).await;
        let record = learnt(&held.record, said, &resolved);
        let loss = Loss::of(&resolved).filter(|_| record.claimed != Some(Claimed::Moved));
        if let Some(loss) = loss {
            match self.book.void(held.clone(), Vec::new(), loss).await {
                Ok(void) => return void,
                Err(error) => tracing::warn!(%error, "a reservation is released later"),
            }
        }
        self.write(
            held,
            Outgoing {
                standing: Standing::Doubtful,
                ..record
            },
        )
        .await
    }

    /// Stops sending. The payment stays signed and kept, for whoever makes the request again.
    pub(crate) async fn give_up(&self, ticket: Ticket, said: Said) -> Error {
        let Ticket {
            held,
            credential,
            work,
        } = ticket;
        let (held, resolved) = self.leased(held, self.ask_rail(&credential)).await;
        let record = learnt(&held.record, &said, &resolved);
        let loss = Loss::of(&resolved).filter(|_| record.claimed != Some(Claimed::Moved));
        if let Some(loss) = loss {
            let rejected = Error::Rejected(Box::new(said));
            return self.release_with(held, Vec::new(), loss, rejected).await;
        }
        let held = self.write(held, record).await;
        drop(work);
        unresolved(&held.record, said)
    }

    /// Writes what was learnt and ends the lease. A failing store loses only what can be learnt
    /// again.
    async fn write(&self, held: HeldPayment, record: Outgoing) -> HeldPayment {
        let record = Outgoing {
            lease_until: Timestamp::EPOCH,
            ..record
        };
        match self.book.note(held.clone(), record.clone()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, payment = %record.id, "what was learnt of a payment is lost");
                let mut held = held;
                held.record = record;
                held
            }
        }
    }

    /// Asks the rail what became of a proof. No answer is none.
    pub(crate) async fn ask_rail(&self, credential: &KeptCredential) -> Resolved {
        let (proof, now) = (credential.proof(), self.clock.now());
        let mut all = Resolved::Unknown;
        for payer in self.payers_of(credential) {
            let asked = tokio::time::timeout(self.options.rail_within, payer.resolve(&proof, now));
            match asked.await.unwrap_or(Resolved::Unknown) {
                moved @ Resolved::Moved { .. } => return moved,
                Resolved::Dead if all == Resolved::Unknown => all = Resolved::Dead,
                Resolved::Dead => {}
                Resolved::Failed => all = Resolved::Failed,
                _ => return Resolved::Unknown,
            }
        }
        all
    }
}

/// The record with what a server and the rail said. A rail's word outweighs a server's; a server
/// that once said that money moved is not believed when it later says that it did not.
fn learnt(record: &Outgoing, said: &Said, resolved: &Resolved) -> Outgoing {
    let mut record = record.clone();
    if let Some(problem) = &said.problem {
        record.problem = Some(problem.uri().into());
        record.reference = record.reference.or_else(|| problem.reference.clone());
        record.claimed = match (record.claimed, problem.moved) {
            (Some(Claimed::Moved), _) | (_, Some(Moved::Yes)) => Some(Claimed::Moved),
            (_, Some(Moved::No)) => Some(Claimed::Unmoved),
            (earlier, _) => earlier,
        };
    }
    if let Resolved::Moved { reference } = resolved {
        record.claimed = Some(Claimed::Moved);
        record.reference = Some(reference.clone());
    }
    record
}

pub(crate) fn unresolved(record: &Outgoing, said: Said) -> Error {
    Error::Unresolved(Box::new(Unresolved {
        payment: record.id,
        moved: record.moved(),
        reference: record.reference.clone(),
        said,
        before: None,
    }))
}

/// The error of a payment that was sent before, and with what outcome.
fn sent_before(mut error: Error, before: Option<Said>) -> Error {
    if let Error::Unresolved(unresolved) = &mut error {
        unresolved.before = before;
    }
    error
}
