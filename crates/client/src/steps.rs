//! The same steps one by one, for those who bring their own HTTP.
//!
//! ```text
//! offers(target, headers) ─▶ [Choice] ─▶ credential(target, choice) ─▶ Ticket ─▶ settle(ticket, …)
//! ```

use farthing_core::noun::problem::Problem;
use http::{HeaderMap, StatusCode};

use crate::{
    client::Client,
    error::{Error, Said},
    judge,
    offers::Choice,
    pay::Ticket,
    present::{Presented, unresolved},
    response::Outlay,
    target::Target,
};

/// What an answer to a payment means for it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// It was served. The payment is settled and its receipt kept.
    Served(Outlay),
    /// Nothing is decided. Send the same header again, after this long if the server said so.
    Again(Box<Ticket>, Option<std::time::Duration>),
    /// An answer about something else. The payment is doubtful until the rail tells.
    Other(Outlay),
}

impl Client {
    /// The offers of a 402 that can be paid within the policy, the best first.
    ///
    /// # Errors
    /// When there is none.
    pub fn offers(&self, target: &Target, headers: &HeaderMap) -> Result<Vec<Choice>, Error> {
        self.inner.judge().choices(target, headers)
    }

    /// Pays for a request by one of its offers: reserves, asks for approval, signs and keeps; and
    /// where the payer itself hands the payment to its rail, does that. The ticket's header then goes
    /// with the request, within the origin of the target only.
    ///
    /// # Errors
    /// When a budget is used up, approval is refused, or the payer or the store fails. The server
    /// was sent nothing then; [`Error::moved`] says whether money moved.
    pub async fn credential(&self, target: &Target, choice: Choice) -> Result<Ticket, Error> {
        self.inner.pay(target, vec![choice]).await
    }

    /// Tells what was answered to a payment: the status, the headers and, where it was a
    /// problem, the body.
    ///
    /// # Errors
    /// When the server refused the payment: [`Error::Rejected`] where the rail proves it dead,
    /// [`Error::Unresolved`] otherwise.
    pub async fn settle(
        &self,
        ticket: Ticket,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Step, Error> {
        let inner = &self.inner;
        if status.is_success() {
            let Ticket {
                held,
                credential,
                work: _work,
            } = ticket;
            return Ok(Step::Served(inner.served(held, &credential, headers).await));
        }
        let problem = Problem::parse(body, status.as_u16())
            .ok()
            .filter(|_| judge::is_problem(headers));
        let said = Said {
            status: Some(status),
            problem,
        };
        let Ticket {
            held,
            credential,
            work,
        } = ticket;
        match judge::weigh(&said) {
            judge::Weight::Again => {
                let after = judge::wait(headers, &said);
                let ticket = Ticket {
                    held,
                    credential,
                    work,
                };
                Ok(Step::Again(Box::new(ticket), after))
            }
            judge::Weight::Refused => {
                match inner
                    .refused(held, &credential, said, headers.clone())
                    .await?
                {
                    Presented::Rejected(said, _) => Err(Error::Rejected(Box::new(said))),
                    Presented::Answer(_, outlay) | Presented::Served(_, outlay, _) => {
                        Ok(Step::Other(outlay))
                    }
                }
            }
            judge::Weight::Other => {
                let held = inner.doubt(held, &credential, &said).await;
                Ok(Step::Other(Outlay::of(&held.record, None, true)))
            }
        }
    }

    /// Says that no answer came. The payment stays kept and is sent when the request is made
    /// again.
    #[must_use]
    pub fn unanswered(&self, ticket: &Ticket) -> Error {
        unresolved(ticket.payment(), Said::default())
    }
}
