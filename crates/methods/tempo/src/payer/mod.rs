//! The buyer's side: paying from an account, within what its owner allows.
//!
//! A [`TempoPayer`] understands an offer to the last member or refuses it, asks the chain what it has to
//! know in one round trip, and signs one transaction: the transfers of the offer, in order, and nothing
//! else. The chain it pays on and the tokens it knows are its configuration; nothing in an offer is dialled,
//! and no decimals are a seller's to say.
//!
//! Whoever sends the transaction, it is signed once and kept before anybody sees it. Each is valid for 25
//! seconds, so what became of it is certain soon: it is in a block, or it never will be.
//!
//! What it may cost is bounded before it is signed: gas by what the transfers can take, its price by
//! [`PayerOptions::max_gas_price`], and both together are the fee of the [`Proof`], which counts against
//! the budgets of its owner.

pub(crate) mod bounds;
mod build;
mod funds;
pub(crate) mod gas;
mod options;
pub(crate) mod outcome;
mod payload;
mod plan;
pub(crate) mod scope;
pub(crate) mod search;
pub(crate) mod view;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use farthing_core::{
    port::{
        BoxFuture,
        method::{Fault, Refusal},
        payer::{Balance, Errand, Fee, Funds, Offer, Payer, Proof, Quote, Resolved},
    },
    value::{Did, MethodId, Timestamp},
};
use farthing_evm::{Address, Node};

pub use options::{Nonces, PayerError, PayerOptions};
use plan::{Kind, Plan};
use view::Views;

use crate::{
    charge::{self, Details, Proofs},
    key::AccountKey,
    network::Network,
    tip20,
};

/// Pays from one account on one network.
///
/// ```no_run
/// use farthing_evm::{Node, SigningKey};
/// use farthing_tempo::{AccountKey, Mode, Network, PayerOptions, TempoPayer};
///
/// # async fn payer() -> Result<TempoPayer, Box<dyn std::error::Error>> {
/// let key = AccountKey::from(SigningKey::from_bytes([7; 32])?);
/// let network = Network::moderato();
/// let node = Node::connect(network.node()).await?;
/// // The seller sends the transaction, unless only the buyer may.
/// let options = PayerOptions { mode: Mode::Pull, ..PayerOptions::default() };
/// let payer = TempoPayer::new(key, network, node, options)?;
/// # Ok(payer) }
/// ```
pub struct TempoPayer {
    method: MethodId,
    key: Arc<AccountKey>,
    network: Network,
    options: PayerOptions,
    views: Views,
    proofs: Proofs,
    /// Whether the chain has our access key, and nothing about it runs out.
    free: AtomicBool,
}

impl TempoPayer {
    /// Pays on a network, which is reached at a node.
    ///
    /// # Errors
    /// When the parts do not fit.
    pub fn new(
        key: impl Into<Arc<AccountKey>>,
        network: Network,
        node: Node,
        options: PayerOptions,
    ) -> Result<Self, PayerError> {
        let key = key.into();
        if node.chain() != network.chain() {
            return Err(PayerError::OtherChain(network.name().into()));
        }
        options.check(&network)?;
        let payer = Self {
            method: charge::method(),
            proofs: Proofs::new(network.chain()),
            views: Views::new(node, network.block_time()),
            key,
            network,
            options,
            free: AtomicBool::new(false),
        };
        if payer.grant().is_some_and(|grant| {
            grant.chain != payer.network.chain() || Some(grant.key) != payer.key.access_key()
        }) {
            return Err(PayerError::Grant);
        }
        Ok(payer)
    }

    /// The account it pays from.
    #[must_use]
    pub fn account(&self) -> Address {
        self.key.account()
    }

    /// What signs for the account.
    pub(crate) const fn key(&self) -> &Arc<AccountKey> {
        &self.key
    }

    /// How it pays.
    pub(crate) const fn options(&self) -> &PayerOptions {
        &self.options
    }

    /// What the chain was last seen to be.
    pub(crate) const fn views(&self) -> &Views {
        &self.views
    }

    /// The network it pays on.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    fn funds(&self, plan: &Plan<'_>) -> Funds {
        match self.views.remembered(plan.token.address, self.account()) {
            None => Funds::Unknown,
            Some(has) if has >= plan.amount => Funds::Enough,
            Some(_) => Funds::Short,
        }
    }

    async fn ask_balances(&self) -> Result<Vec<Balance>, Refusal> {
        let tokens = self.network.tokens();
        let addresses: Vec<_> = tokens.iter().map(|token| token.address).collect();
        let asked = tip20::balances(self.views.node(), &addresses, self.account()).await;
        let amounts = asked.map_err(|error| {
            Refusal::new(Fault::Unavailable, "the chain does not tell the balances")
                .caused_by(error)
        })?;
        let balance = |(token, amount): (&crate::token::Token, _)| {
            self.views.remember(token, self.account(), amount);
            Balance {
                currency: token.currency(),
                amount,
            }
        };
        Ok(tokens.iter().zip(amounts).map(balance).collect())
    }
}

impl Payer for TempoPayer {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal> {
        let plan = self.plan(offer)?;
        let mut fee = None;
        if let Kind::Transfers {
            legs, fee_token, ..
        } = &plan.kind
        {
            if let Some(grant) = self.grant() {
                let calls = legs.calls(self.options.client.as_deref());
                scope::check_calls(grant, legs, &calls)?;
                scope::check_limit(grant, plan.token, plan.amount)?;
            }
            fee = fee_token.map(|token| Fee {
                currency: token.currency(),
                most: self.most(legs),
            });
        }
        Ok(Quote {
            network: Some(format!("eip155:{}", self.network.chain()).into()),
            shares: plan.shares(),
            fee,
            funds: self.funds(&plan),
            ..Quote::new(plan.token.currency(), self.did().into())
        })
    }

    fn is_on_network(&self, offer: &Offer) -> bool {
        let details = Details::read(&offer.request.method_details);
        details.is_ok_and(|details| details.chain == self.network.chain())
    }

    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>> {
        Box::pin(self.prove(offer, now))
    }

    /// Of an account on a chain: another payer of this method may be of another account, or on another
    /// network.
    fn owns(&self, proof: &Proof) -> bool {
        proof.source.as_ref() == Some(&Did::from(self.did()))
    }

    fn run_errand<'a>(&'a self, proof: &'a Proof, _now: Timestamp) -> BoxFuture<'a, Errand> {
        Box::pin(self.send(proof))
    }

    fn resolve<'a>(&'a self, proof: &'a Proof, _now: Timestamp) -> BoxFuture<'a, Resolved> {
        Box::pin(self.outcome(proof))
    }

    fn balances(&self) -> BoxFuture<'_, Result<Vec<Balance>, Refusal>> {
        Box::pin(self.ask_balances())
    }
}

impl fmt::Debug for TempoPayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempoPayer")
            .field("account", &self.account())
            .field("network", &self.network.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
