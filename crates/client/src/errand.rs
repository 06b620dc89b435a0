//! What the payer itself has to hand to its rail before the server can be shown the payment.
//!
//! Such a payment moves in three steps, each durable before the next:
//!
//! 1. The proof and the errand are kept in one batch (`signed`). Nobody outside has seen either.
//! 2. The errand is done: the payer hands the kept bytes to the rail and waits for what it says.
//!    That it is done is kept, with what the rail calls it, and the bytes are erased.
//! 3. The proof is sent with the request.
//!
//! When the process dies after each:
//!
//! | after | what is there | what becomes of it |
//! |---|---|---|
//! | 1, nothing was handed over | the proof and the errand | the same bytes are handed over when the caller repeats the request, or at once by [`resume`](crate::Client::resume) where the request is one it sends again; where the bytes ran out first, the rail says that they are dead, and the reservation is released |
//! | the bytes were handed over | as above; value moves, and we do not know | the same bytes again: the rail has them and moves nothing a second time |
//! | the rail said so, before that is kept | as above | as above |
//! | 2 | the proof, and what the rail calls the payment | the proof is sent, never the errand again |
//! | 3 | as for every payment | see [`crate::outgoing`] |
//!
//! There is never a second transaction for one challenge: what is signed is kept before it is used,
//! and a challenge that is claimed is not signed for again. An errand that failed for good moved
//! nothing, and its reservation is released with its challenge; what the rail took for it all the
//! same stays counted.
//!
//! For a request that nobody repeats, money is not moved after the fact: of an errand that was not
//! done, [`resume`](crate::Client::resume) only asks the rail.

use farthing_core::{
    domain::claims::ChangeError,
    payment::Moved,
    port::{
        method::{Fault, Refusal},
        payer::{Errand, Payer},
    },
};

use crate::{
    client::Inner,
    error::{Error, PayerFault, Said},
    outgoing::{KeptCredential, Loss},
    pay::{Ticket, store_error},
};

impl Inner {
    /// Does the errand of a payment, where it has one that is not known to be done.
    pub(crate) async fn run_errand(&self, ticket: Ticket) -> Result<Ticket, Error> {
        if !ticket.credential.has_errand() {
            return Ok(ticket);
        }
        let Ticket {
            held,
            credential,
            work,
        } = ticket;
        let (held, errand) = self.leased(held, self.errand_of(&credential)).await;
        match errand {
            Errand::Done { reference } => {
                let credential = credential.without_errand();
                match self.book.ran(held, &credential, reference).await {
                    Ok(held) => Ok(Ticket {
                        held,
                        credential,
                        work,
                    }),
                    Err(error) => Err(moved_unrecorded(error)),
                }
            }
            Errand::Failed(refusal) => {
                let keys = held.keys().to_vec();
                Err(self
                    .release_with(held, keys, Loss::Nothing, failed(refusal))
                    .await)
            }
            Errand::Charged(refusal) => {
                let keys = held.keys().to_vec();
                Err(self
                    .release_with(held, keys, Loss::Fee, failed(refusal))
                    .await)
            }
            _ => {
                let ticket = Ticket {
                    held,
                    credential,
                    work,
                };
                Err(self.give_up(ticket, Said::default()).await)
            }
        }
    }

    async fn errand_of(&self, credential: &KeptCredential) -> Errand {
        let (proof, now) = (credential.proof(), self.clock.now());
        let Some(payer) = self.payers_of(credential).next() else {
            return Errand::Unknown;
        };
        let running = tokio::time::timeout(self.options.rail_within, payer.run_errand(&proof, now));
        running.await.unwrap_or(Errand::Unknown)
    }

    /// The payers a proof can be of.
    pub(crate) fn payers_of<'a>(
        &'a self,
        credential: &'a KeptCredential,
    ) -> impl Iterator<Item = &'a dyn Payer> {
        let proof = credential.proof();
        let payers = self.payers.iter().map(std::convert::AsRef::as_ref);
        payers.filter(move |payer| credential.is_by(payer.method()) && payer.owns(&proof))
    }
}

fn failed(refusal: Refusal) -> Error {
    if refusal.fault == Fault::Unavailable {
        Error::Rail(refusal)
    } else {
        PayerFault::Payer(refusal).into()
    }
}

/// The rail moved it and the store did not take that down: it is asked again next time.
fn moved_unrecorded(error: ChangeError) -> Error {
    Error::Store {
        source: store_error(error),
        moved: Moved::Yes,
    }
}
