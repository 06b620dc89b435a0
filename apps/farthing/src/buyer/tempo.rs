//! Paying on a chain with a wallet that is opened only to sign, and nodes that are asked only then.

use std::sync::Arc;

use farthing::{
    core::{
        port::{
            BoxFuture,
            method::{Fault, Refusal},
            payer::{Balance, Errand, Offer, Payer, Proof, Quote, Resolved},
        },
        value::{MethodId, Timestamp},
    },
    evm::{Address, Node},
    tempo::{Mode, Network, PayerOptions, TempoPayer, method},
};
use tokio::sync::OnceCell;

use super::keyring::Keyring;
use crate::{
    error::Error,
    keystore::Keystore,
    networks::ChainError,
    signer::{self, Signer},
};

/// What sellers find in the memo of our payments, as a hash.
const CLIENT: &str = "farthing";

/// The payer of a run on one network.
pub(super) struct OnTempo {
    keyring: Arc<Keyring>,
    method: MethodId,
    network: Network,
    node: Node,
    options: PayerOptions,
    /// Judges offers and looks after what was signed. Its key is nobody's, and it signs nothing.
    judge: TempoPayer,
    /// Signs, once the wallet is open.
    opened: OnceCell<TempoPayer>,
}

impl OnTempo {
    /// The payer on a network, unless the wallet can pay on another chain only.
    pub(super) fn new(
        keyring: Arc<Keyring>,
        network: Network,
        mode: Mode,
    ) -> Result<Option<Self>, Error> {
        let signer = keyring.signer.as_ref();
        let options = PayerOptions {
            mode,
            client: Some(CLIENT.into()),
            grant: signer.and_then(Signer::grant),
            ..PayerOptions::default()
        };
        let chain = options.grant.as_ref().map(|grant| grant.chain);
        if chain.is_some_and(|chain| chain != network.chain()) {
            return Ok(None);
        }
        let node = reached(&network)?;
        let judge = judge(signer, &network, &node, &options)?;
        Ok(Some(Self {
            keyring,
            method: method(),
            network,
            node,
            options,
            judge,
            opened: OnceCell::new(),
        }))
    }

    /// Opens the wallet, once.
    async fn open(&self) -> Result<&TempoPayer, Refusal> {
        let open = async || {
            let key = self.keyring.open().await?.chain.ok_or_else(no_address)?;
            let (network, node) = (self.network.clone(), self.node.clone());
            TempoPayer::new(key, network, node, self.options.clone())
                .map_err(|error| unsupported("the wallet cannot pay here").caused_by(error))
        };
        self.opened.get_or_try_init(open).await
    }
}

/// Payers that find out what became of what the keystore's wallets signed, and sign nothing.
pub(crate) fn watchers(keystore: &Keystore) -> Result<Vec<TempoPayer>, Error> {
    let wallets = keystore.wallets()?.into_iter();
    let mut accounts: Vec<_> = wallets.filter_map(|wallet| wallet.holder.address).collect();
    // A key in the environment paid, too.
    accounts.extend(
        Signer::of(keystore, None)
            .ok()
            .and_then(|it| it.holder.address),
    );
    accounts.sort_unstable();
    accounts.dedup();
    let mut watchers = Vec::new();
    for network in keystore.all_networks()? {
        let node = reached(&network)?;
        for account in &accounts {
            let key = signer::onlooker(*account)?;
            let options = PayerOptions::default();
            let watcher = TempoPayer::new(key, network.clone(), node.clone(), options);
            watchers.push(watcher.map_err(ChainError::from)?);
        }
    }
    Ok(watchers)
}

/// A network's node, which is asked only once something has to be known.
pub(super) fn reached(network: &Network) -> Result<Node, ChainError> {
    Node::new(network.node()).map_err(|source| ChainError::Rpc {
        network: network.name().to_owned(),
        source,
    })
}

/// Somebody who can be asked about an account without its key: nobody's, where there is no wallet.
fn judge(
    signer: Option<&Signer>,
    network: &Network,
    node: &Node,
    options: &PayerOptions,
) -> Result<TempoPayer, Error> {
    let account = signer.and_then(|signer| signer.holder.address);
    let key = signer::onlooker(account.unwrap_or(Address::ZERO))?;
    let mut options = options.clone();
    if let (Some(grant), Some(key)) = (&mut options.grant, key.access_key()) {
        // What the wallet's key may do is looked at; it signs nothing.
        grant.key = key;
    }
    let judge = TempoPayer::new(key, network.clone(), node.clone(), options);
    Ok(judge.map_err(ChainError::from)?)
}

impl Payer for OnTempo {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal> {
        // Where nothing here pays on any chain, it matters little which chain is asked for.
        let signer = self.keyring.signer.as_ref();
        if signer.is_some_and(|signer| signer.holder.address.is_none()) {
            return Err(no_address());
        }
        let quote = self.judge.quote(offer)?;
        if signer.is_none() && !self.keyring.is_dry {
            return Err(self.keyring.nobody());
        }
        Ok(quote)
    }

    fn is_on_network(&self, offer: &Offer) -> bool {
        self.judge.is_on_network(offer)
    }

    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>> {
        Box::pin(async move { self.open().await?.sign(offer, now).await })
    }

    fn owns(&self, proof: &Proof) -> bool {
        self.judge.owns(proof)
    }

    fn run_errand<'a>(&'a self, proof: &'a Proof, now: Timestamp) -> BoxFuture<'a, Errand> {
        self.judge.run_errand(proof, now)
    }

    fn resolve<'a>(&'a self, proof: &'a Proof, now: Timestamp) -> BoxFuture<'a, Resolved> {
        self.judge.resolve(proof, now)
    }

    fn balances(&self) -> BoxFuture<'_, Result<Vec<Balance>, Refusal>> {
        self.judge.balances()
    }
}

fn no_address() -> Refusal {
    unsupported("the wallet has no account on a chain: its key is of another kind")
}

fn unsupported(why: &'static str) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}
