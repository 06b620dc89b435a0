//! How the rail is at the moment, for whoever operates it.

use std::collections::BTreeSet;

use farthing_core::value::Amount;
use farthing_evm::{Address, Asked, At, Batch, Block, Bytes, RpcError, request};

use super::{Sponsor, Tempo, counter};
use crate::{
    tip20::{ReadError, balance_request, read_balance},
    token::Token,
};

/// How the rail is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The chain's newest block.
    pub block: Block,
    /// What the sponsor has of each fee token, where there is one.
    pub sponsor: Vec<(Token, Amount)>,
}

impl Tempo {
    /// Asks the chain for its newest block, and for what the sponsor has: one round trip.
    ///
    /// # Errors
    /// When the chain does not answer. Then nothing can be paid on it either.
    pub async fn health(&self) -> Result<Health, ReadError> {
        let mut batch = Batch::new();
        let latest = batch.ask(request::block(At::Latest));
        let balances: Vec<(&Token, Asked<Bytes>)> =
            self.sponsor().map_or_else(Vec::new, |sponsor| {
                let account = sponsor.key.address();
                let tokens = sponsor.fee_tokens.iter();
                tokens
                    .map(|token| (token, batch.ask(balance_request(token.address, account))))
                    .collect()
            });
        let mut answers = self.node.ask_batch(&batch).await?;
        let block = answers.take(&latest)?.ok_or_else(|| RpcError::Nonsense {
            endpoint: self.options.network.name().to_owned(),
            what: "the chain has no last block",
            source: None,
        })?;
        let sponsor = balances
            .into_iter()
            .map(|(token, asked)| {
                let balance = read_balance(token.address, &answers.take(&asked)?)?;
                Ok((token.clone(), balance))
            })
            .collect::<Result<_, ReadError>>()?;
        Ok(Health { block, sponsor })
    }

    /// How many exchanges there were with the chain's endpoints so far. A batch is one.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.node.round_trips()
    }

    /// The units of the tokens that are taken, each once: `USD`.
    #[must_use]
    pub fn units(&self) -> BTreeSet<String> {
        let tokens = self.options.tokens.iter();
        tokens.map(|token| token.unit.to_string()).collect()
    }

    /// The account that pays fees for buyers, where there is one.
    #[must_use]
    pub fn sponsor_account(&self) -> Option<Address> {
        self.sponsor().map(|sponsor| sponsor.key.address())
    }

    /// The counters of the store that hold how many sponsored transactions are in flight, and what their
    /// fees may come to.
    #[must_use]
    pub fn sponsor_counters(&self) -> Option<[String; 2]> {
        let sponsor = self.sponsor()?;
        Some(["in-flight", "fees"].map(|what| counter(self.options.network.chain(), sponsor, what)))
    }

    const fn sponsor(&self) -> Option<&Sponsor> {
        self.options.sponsor.as_ref()
    }
}
