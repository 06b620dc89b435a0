//! The checks that need no chain, for those who want no gate.

use farthing_core::port::method::{Presented, Refusal};

use super::{Flaw, TempoOptions, demand::Demand, payload::Payload, pull::Pull};
use crate::{charge::Mode, transaction::Received};

impl TempoOptions {
    /// Looks at a transaction that answers a challenge of ours, as far as its bytes tell: whether it is the
    /// payment and nothing else, within these bounds. It is what [`Tempo`](super::Tempo) does first.
    ///
    /// Nobody is asked, so nothing is known of balances, nonces and access keys, and nothing is claimed:
    /// whoever co-signs or sends what is returned has to see to all of that.
    ///
    /// # Errors
    /// When it is anything else. Nothing was sent.
    pub fn look_over(&self, presented: Presented<'_>) -> Result<Received, Refusal> {
        let payload = Payload::read(presented.payload)?;
        let demand = Demand::read(presented, self)?;
        match payload {
            Payload::Transaction(bytes) => Ok(Pull::read(&demand, &bytes, self)?.received),
            Payload::Hash(_) | Payload::Proof(_) => Err(Flaw::Mode(Mode::Push).into()),
        }
    }
}
