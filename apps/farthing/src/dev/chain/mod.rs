//! A chain of the demo's own: a node on this machine, and what is asked of it.

mod error;
mod escrow;
mod node;

use std::sync::Arc;

use farthing::{
    clock::SystemClock,
    core::{intent::session::Protocol, port::backend::Backend, value::Amount},
    evm::{self, Address, ChainId, Outbox, TxHash, request},
    tempo::{
        AccountKey, Network, Tempo, TempoOptions, Token,
        session::{Escrow, TempoSession, TempoSessionOptions},
        tip20,
    },
};

pub(crate) use error::AnvilError;

use crate::{
    error::Error,
    keystore::{Keystore, NetworkEntry, Networks},
    networks::{self, ChainError},
    wallet,
};
use node::Node;

/// The number of the demo's chain, which every development chain has.
const CHAIN: u64 = 1337;

/// What the network is called in the demo's keystore.
const NAME: &str = "dev";

/// A chain that is up, and ends with this.
pub(super) struct Chain {
    asked: evm::Node,
    /// Where its channels are kept.
    escrow: Escrow,
    network: Network,
    node: Node,
}

impl Chain {
    /// Starts a chain.
    pub(super) async fn start() -> Result<Self, Error> {
        let node = Node::start(CHAIN).await?;
        let chain = ChainId::new(CHAIN).expect("1337 is a chain id");
        let network = Network::dev(chain, node.url().clone());
        let contract = escrow::deploy(node.url()).await?;
        Ok(Self {
            asked: networks::connect(&network).await?,
            escrow: Escrow {
                chain,
                contract,
                protocol: Protocol::V1,
            },
            network,
            node,
        })
    }

    /// Where it answers.
    pub(super) fn url(&self) -> String {
        self.node.url().as_str().trim_end_matches('/').to_owned()
    }

    /// The token that the demo is paid in.
    pub(super) fn token(&self) -> &Token {
        self.network.token()
    }

    pub(super) const fn network(&self) -> &Network {
        &self.network
    }

    /// The payment method of a shop here.
    pub(super) fn method(&self, recipient: Address) -> Result<Tempo, Error> {
        let options = TempoOptions::new(self.network.clone(), recipient);
        Tempo::new(self.asked.clone(), options).map_err(|error| Error::Setup(error.into()))
    }

    /// The channels of a shop here, which settles with the key of its own account.
    pub(super) fn sessions(
        &self,
        key: AccountKey,
        recipient: Address,
        backend: Arc<dyn Backend>,
    ) -> Result<TempoSession, Error> {
        let options = TempoSessionOptions {
            escrows: vec![self.escrow],
            ..TempoSessionOptions::new(self.network.clone(), recipient, key)
        };
        let (node, outbox) = (self.asked.clone(), Outbox::new(backend));
        TempoSession::new(node, outbox, Arc::new(SystemClock), options)
            .map_err(|error| Error::Setup(error.into()))
    }

    /// Tells a keystore of this chain, which is meant where its owner names none.
    pub(super) fn tell(&self, keystore: &Keystore) -> Result<(), Error> {
        let rpc = self.url().parse().map_err(ChainError::from)?;
        let entry = NetworkEntry {
            chain_id: self.network.chain(),
            rpc: vec![rpc],
            block_time_ms: None,
            tokens: Vec::new(),
            escrows: vec![self.escrow.contract],
        };
        let mut networks = Networks {
            default: Some(NAME.to_owned()),
            ..Networks::default()
        };
        networks.networks.insert(NAME.to_owned(), entry);
        Ok(keystore.set_networks(&networks)?)
    }

    /// Gives an account its money. The chain is new each time, so nobody has any yet.
    pub(super) async fn fund(
        &self,
        account: Address,
        amount: Amount,
        keystore: &Keystore,
    ) -> Result<(), Error> {
        let node = self.asked.clone();
        wallet::give(&self.network, node, account, amount, keystore).await?;
        Ok(())
    }

    /// What an account has.
    pub(super) async fn balance(&self, account: Address) -> Result<Amount, Error> {
        let balance = tip20::balance(&self.asked, self.token().address, account).await;
        Ok(networks::read(&self.network, balance)?)
    }

    /// What the fee of a transaction was.
    pub(super) async fn fee(&self, hash: TxHash) -> Result<Amount, Error> {
        let receipt = self.asked.ask(request::receipt(hash)).await;
        let receipt = receipt.map_err(|source| ChainError::Rpc {
            network: self.network.name().to_owned(),
            source,
        })?;
        let receipt = receipt.ok_or(Error::Demo("the chain does not have the payment"))?;
        Ok(tip20::fee_of(&receipt))
    }
}
