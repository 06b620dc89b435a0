//! Whether what opens a channel or adds to it can still come.
//!
//! Whole, it has a hash, by which it is looked for. Of a half the seller's signature is missing, and with it
//! the hash: it is looked for by what it leaves behind, the event of its channel. Either ends when the
//! chain's time has passed its end and it is in no block, or where it failed in one.

use farthing_core::{
    port::{
        method::{Fault, Refusal},
        payer::Resolved,
    },
    value::{Secret, Timestamp},
};
use farthing_evm::{B256, Fate, Mortality, RpcError, Watched, look};

use super::{TempoSessionPayer, internal};
use crate::{
    payer::search::{self, Trace},
    session::{ChannelEvent, Escrow, Happened, Open, Origin, read_open, read_top_up},
    transaction::{Authored, HalfTransaction, Received, SignedTransaction},
};

impl TempoSessionPayer {
    pub(super) async fn can_come(&self, transaction: &Secret) -> Result<bool, Refusal> {
        let signed = Received::decode(transaction.expose())
            .map_err(|error| internal("what was kept is no transaction").caused_by(error))?;
        let can = match signed {
            Received::Whole(whole) => self.whole_can(&whole).await,
            Received::Half(half) => self.half_can(&half).await,
        };
        can.map_err(|error| {
            Refusal::new(
                Fault::Unavailable,
                "the chain does not tell what became of the transaction",
            )
            .caused_by(error)
        })
    }

    async fn whole_can(&self, whole: &SignedTransaction) -> Result<bool, RpcError> {
        let end = whole.authored().transaction().valid_before;
        let watched = Watched {
            hash: whole.hash(),
            dies: Mortality {
                nonce: None,
                valid_before: end.map(Timestamp::from_secs),
            },
            raw: None,
        };
        let fate = look(self.node(), &watched).await?;
        Ok(!matches!(fate, Fate::Dead(_) | Fate::Reverted(_)))
    }

    async fn half_can(&self, half: &HalfTransaction) -> Result<bool, RpcError> {
        let trace = self.trace(half.authored());
        let block_time = self.network().block_time();
        let found = search::find(self.node(), half.authored(), trace.as_ref(), block_time).await?;
        Ok(found != Resolved::Dead)
    }

    /// What it leaves behind.
    fn trace(&self, authored: &Authored) -> Option<Trace> {
        let call = authored.transaction().calls.last()?;
        let contract = call.to?;
        let escrow = *self.escrows.iter().find(|it| it.contract == contract)?;
        let (channel, what) = if let Some(open) = read_open(escrow.protocol, &call.input) {
            let deposit = open.deposit;
            (
                opened(&escrow, &open, authored),
                Happened::Opened { deposit },
            )
        } else {
            let top_up = read_top_up(&escrow, &call.input)?;
            let what = Happened::ToppedUp {
                additional: top_up.additional,
                // What it was before is not known.
                deposit: top_up.additional,
            };
            (top_up.channel, what)
        };
        Some(Trace {
            contract,
            topics: vec![None, Some(channel)],
            is: Box::new(move |log| {
                ChannelEvent::read(log)
                    .is_some_and(|event| event.channel == channel && is_same(event.what, what))
            }),
        })
    }
}

/// The channel that an opening makes.
fn opened(escrow: &Escrow, open: &Open, authored: &Authored) -> B256 {
    let payer = authored.sender();
    Origin::of(escrow.protocol, payer, open, authored.identity()).id(escrow)
}

fn is_same(one: Happened, other: Happened) -> bool {
    match (one, other) {
        (Happened::Opened { deposit: one }, Happened::Opened { deposit: other }) => one == other,
        (
            Happened::ToppedUp {
                additional: one, ..
            },
            Happened::ToppedUp {
                additional: other, ..
            },
        ) => one == other,
        _ => false,
    }
}
