//! The buyer's side of sessions: channels that an account opens, spends from and takes back.
//!
//! A [`TempoSessionPayer`] locks tokens only in contracts that its configuration names: the chain's own
//! reserve, the escrow that is known on its network, and those its owner added. Nothing in an offer is dialled
//! or trusted. What it signs is
//! - an opening or a top-up, for the seller to send: valid for 25 seconds, told from others by its hash, and
//!   for the first protocol with an approval of exactly what is locked, in the same batch;
//! - vouchers, with a key that the contract takes vouchers from: the account's own on secp256k1, its access key, or,
//!   where the wallet's key is on P-256, one derived from that key and the channel's salt. The last is the
//!   channel's `authorizedSigner`, and is made again from the wallet whenever it is needed, so that nothing
//!   beside the wallet has to be kept;
//! - a request for a channel's end, and the withdrawal, which it sends itself, each job once.
//!
//! It keeps nothing of a channel beyond what makes signing quick.

mod come;
mod errand;
mod gas;
mod lock;
mod offer;
mod payload;
mod signer;
mod snapshot;

use std::{fmt, sync::Arc, time::Duration};

use farthing_core::{
    intent::session::{Protocol, Seen, TooWide},
    port::{
        BoxFuture,
        clock::Clock,
        method::{Fault, Outcome, Refusal},
        session_payer::{
            Keeping, Locking, Opening, SessionOffer, SessionPayer, SessionQuote, Told,
        },
    },
    value::{Amount, MethodId, Secret, Timestamp},
};
use farthing_evm::{Address, Lane, LaneId, Node, Outbox};
use serde_json::{Value, value::RawValue};

use errand::Errand;
use signer::Signers;

use super::{Escrow, GRACE, TempoChannel, ended};
use crate::{
    key::AccountKey,
    network::Network,
    payer::{PayerError, PayerOptions, TempoPayer},
    transaction::EXPIRING_NONCE_KEY,
};

/// How much longer than a contract says one waits with a withdrawal (draft, "Forced Close").
const MARGIN: Duration = Duration::from_secs(60);

/// In how many blocks the end of a channel is looked for that the chain does not have any more.
const LOOKED_THROUGH: u64 = 10_000;

/// Keeps channels with the tokens of one account on one network.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use farthing_core::{memory::MemoryBackend, port::clock::Clock};
/// use farthing_evm::{Node, Outbox, SigningKey};
/// use farthing_tempo::{
///     AccountKey, Network,
///     session::{SessionPayerOptions, TempoSessionPayer},
/// };
///
/// # async fn payer(clock: Arc<dyn Clock>) -> Result<TempoSessionPayer, Box<dyn std::error::Error>> {
/// let key = AccountKey::from(SigningKey::from_bytes([7; 32])?);
/// let network = Network::moderato();
/// let node = Node::connect(network.node()).await?;
/// // What it sends itself is kept here: the buyer's own store, where it should outlive the process.
/// let outbox = Outbox::new(Arc::new(MemoryBackend::new()));
/// let options = SessionPayerOptions::default();
/// let payer = TempoSessionPayer::new(key, network, node, (outbox, clock), options)?;
/// # Ok(payer) }
/// ```
pub struct TempoSessionPayer {
    wallet: TempoPayer,
    escrows: Vec<Escrow>,
    signer: Option<Address>,
    signers: Signers,
    outbox: Outbox,
    lane: Lane,
    clock: Arc<dyn Clock>,
}

/// How a payer keeps channels. [`SessionPayerOptions::default`] is right for most.
#[derive(Clone, Debug)]
pub struct SessionPayerOptions {
    /// What fees are paid in, how much at the most, and what an access key may do. How charges are sent is
    /// of no matter here: what opens a channel has a nonce that expires, and the seller sends it.
    pub paying: PayerOptions,
    /// Contracts that the owner trusts beside those that are known on the network.
    pub escrows: Vec<Escrow>,
    /// Whose key would sign, where the one that is given does not: the account itself, or its access key. A payer
    /// with such a key says what could be paid and looks after channels while the wallet stays locked.
    pub signer: Option<Address>,
}

impl Default for SessionPayerOptions {
    /// As of charges, with twice the gas: a channel of the first protocol takes as much as a new access key with
    /// all its restrictions, and both can be in one transaction.
    fn default() -> Self {
        let paying = PayerOptions::default();
        Self {
            paying: PayerOptions {
                max_gas: 2 * paying.max_gas,
                ..paying
            },
            escrows: Vec::new(),
            signer: None,
        }
    }
}

impl TempoSessionPayer {
    /// Keeps channels on a network, which is reached at a node. What it sends itself goes through an outbox,
    /// and a node's word about the time is held to a clock.
    ///
    /// # Errors
    /// When the parts do not fit.
    pub fn new(
        key: impl Into<Arc<AccountKey>>,
        network: Network,
        node: Node,
        (outbox, clock): (Outbox, Arc<dyn Clock>),
        options: SessionPayerOptions,
    ) -> Result<Self, PayerError> {
        let wallet = TempoPayer::new(key, network, node, options.paying)?;
        let chain = wallet.network().chain();
        if let Some(other) = options.escrows.iter().find(|it| it.chain != chain) {
            return Err(PayerError::Escrow(other.contract));
        }
        let known = [Protocol::V2, Protocol::V1].into_iter();
        let known = known.filter_map(|protocol| Escrow::known(chain, protocol));
        let lane = outbox.lane(
            LaneId {
                chain,
                account: wallet.account(),
                lane: EXPIRING_NONCE_KEY,
            },
            0,
        );
        Ok(Self {
            escrows: known.chain(options.escrows).collect(),
            signer: options.signer,
            signers: Signers::default(),
            wallet,
            outbox,
            lane,
            clock,
        })
    }

    /// The account whose tokens it locks.
    #[must_use]
    pub fn account(&self) -> Address {
        self.wallet.account()
    }

    /// The network it is on.
    #[must_use]
    pub const fn network(&self) -> &Network {
        self.wallet.network()
    }

    fn node(&self) -> &Node {
        self.wallet.views().node()
    }

    /// A channel that was kept, where it is on this network and of this account.
    fn channel(&self, kept: &Keeping) -> Result<TempoChannel, Refusal> {
        let channel = TempoChannel::read(&kept.details).map_err(|error| {
            internal("what was kept of the channel cannot be read").caused_by(error)
        })?;
        if channel.channel_id() != kept.id || channel.protocol() != kept.protocol {
            return Err(internal("what was kept of the channel is another channel"));
        }
        let is_ours = channel.escrow().chain == self.network().chain()
            && channel.origin().payer() == self.account();
        if !is_ours {
            return Err(Refusal::new(
                Fault::Unsupported,
                "the channel is of another account or on another network",
            ));
        }
        Ok(channel)
    }

    async fn seen(&self, kept: &Keeping) -> Result<Option<Seen>, Refusal> {
        let channel = self.channel(kept)?;
        let asked = [(channel, kept.details.clone())];
        let seen = ended::look(self.node(), &asked, LOOKED_THROUGH).await;
        let seen = seen.map_err(|error| {
            Refusal::new(Fault::Unavailable, "the chain does not tell of the channel")
                .caused_by(error)
        })?;
        Ok(seen.into_iter().next().flatten())
    }
}

impl SessionPayer for TempoSessionPayer {
    fn method(&self) -> &MethodId {
        farthing_core::port::payer::Payer::method(&self.wallet)
    }

    fn keeps(&self, channel: &Keeping) -> bool {
        self.channel(channel).is_ok()
    }

    fn quote(&self, offer: &SessionOffer) -> Result<SessionQuote, Refusal> {
        self.price(offer)
    }

    fn open<'a>(
        &'a self,
        offer: &'a SessionOffer,
        deposit: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Opening, Refusal>> {
        Box::pin(self.make(offer, deposit, now))
    }

    fn top_up<'a>(
        &'a self,
        offer: &'a SessionOffer,
        channel: &'a Keeping,
        additional: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Locking, Refusal>> {
        Box::pin(self.add(offer, channel, additional, now))
    }

    fn present_opening(
        &self,
        channel: &Keeping,
        transaction: &Secret,
        cumulative: Amount,
    ) -> Result<Box<RawValue>, Refusal> {
        self.opening(channel, transaction, cumulative)
    }

    fn voucher(
        &self,
        channel: &Keeping,
        cumulative: Amount,
        closes: bool,
    ) -> Result<Box<RawValue>, Refusal> {
        self.said(channel, cumulative, closes)
    }

    fn look<'a>(&'a self, channel: &'a Keeping) -> BoxFuture<'a, Result<Option<Seen>, Refusal>> {
        Box::pin(self.seen(channel))
    }

    fn may_come<'a>(
        &'a self,
        transaction: &'a Secret,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(self.can_come(transaction))
    }

    fn request_close<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run(Errand::RequestClose, channel, job))
    }

    fn withdraw<'a>(&'a self, channel: &'a Keeping, job: [u8; 16]) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run(Errand::Withdraw, channel, job))
    }

    fn grace(&self) -> Duration {
        GRACE + MARGIN
    }

    fn read_snapshot(
        &self,
        offer: &SessionOffer,
        snapshot: &Value,
    ) -> Result<Option<Told>, Refusal> {
        self.told(offer, snapshot)
    }
}

impl fmt::Debug for TempoSessionPayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempoSessionPayer")
            .field("account", &self.account())
            .field("network", &self.network().name())
            .field("escrows", &self.escrows)
            .finish_non_exhaustive()
    }
}

fn kept(channel: &TempoChannel) -> Keeping {
    Keeping {
        id: channel.channel_id(),
        protocol: channel.protocol(),
        details: channel.details(),
    }
}

fn unsupported(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}

fn too_wide(error: TooWide) -> Refusal {
    unsupported("the protocol has no room for the amount").caused_by(error)
}

fn internal(why: &'static str) -> Refusal {
    Refusal::new(Fault::Internal, why)
}
