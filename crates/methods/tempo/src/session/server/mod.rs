//! The seller's side of sessions: `tempo/session`, by both protocols.
//!
//! | action | what is checked, and by whom it is asked | what it costs |
//! |---|---|---|
//! | `voucher`, `close` | the descriptor's hash, the signature | no exchange with anybody |
//! | `open`, `topUp` | the bytes of a transaction: that it locks so much in this channel, and nothing else; then the chain, in one batch | one round trip to check, one to send |
//!
//! # What goes to the chain in the seller's name
//!
//! Settlements and closes, signed by the payee's own key or an operator's, many channels in one transaction.
//! What the journal holds of them is in the store's outbox, under the job's id.
//!
//! | step | in the store | on the chain | what becomes of it |
//! |---|---|---|---|
//! | tried | nothing | nothing | nothing |
//! | written down | the bytes | nothing | sent by whoever asks again, while they are valid; then signed anew |
//! | sent | the bytes | perhaps a transaction | looked for by its hash |
//! | in a block | the bytes | paid out | done, whoever asks and however often |
//!
//! # What is not checked
//!
//! That several nodes agree: the first answer counts. A node that lies about a block or a receipt can have a
//! channel taken for open, or for closed; what it cannot do is move what is locked. A signature of another
//! kind than ECDSA over secp256k1, which the reserve would take, is refused: whoever pays with a passkey names an
//! authorized signer. Keys that the settling account authorized have to be known to the chain already.

mod check;
mod demand;
mod flaw;
mod fund;
mod hashed;
mod look;
mod offer;
mod options;
mod payload;
mod reading;
mod settle;
mod settling;
mod shape;
mod verifier;

use std::{fmt, sync::Arc, time::Duration};

use farthing_core::{
    intent::session::{ChannelId, Seen, SessionRequest, Terms},
    port::{
        BoxFuture,
        clock::Clock,
        method::{Outcome, PrepareError, Refusal},
        session::{
            Action, Bygone, Checked, FundOrder, Funding, News, Session, SettleJob, Settled, Shown,
            Verifier, WantedSession,
        },
    },
    value::{Currency, CurrencyCode, MethodId},
};
use farthing_evm::{Lane, LaneId, Node, Outbox};

pub use self::options::{Settling, TempoSessionError, TempoSessionOptions};
use self::{demand::Demand, flaw::Flaw, hashed::Hashed, payload::Payload, verifier::TempoVerifier};
use super::{Escrow, TempoChannel, Vouchers, state};
use crate::{charge::method, server::TempoError, token::Token, transaction::EXPIRING_NONCE_KEY};

/// Sessions on Tempo: channels kept in an escrow on the chain.
///
/// ```no_run
/// # async fn open(backend: std::sync::Arc<dyn farthing_core::port::backend::Backend>,
/// #     clock: std::sync::Arc<dyn farthing_core::port::clock::Clock>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use farthing_evm::{Node, Outbox, SigningKey};
/// use farthing_tempo::{Network, session::{TempoSession, TempoSessionOptions}};
///
/// let network = Network::moderato();
/// let node = Node::connect(network.node()).await?;
/// let key = SigningKey::from_bytes([7; 32])?;
/// let options = TempoSessionOptions::new(network, key.address(), key.into());
/// let sessions = TempoSession::new(node, Outbox::new(backend), clock, options)?;
/// sessions.check_contracts().await?;
/// # Ok(())
/// # }
/// ```
pub struct TempoSession {
    node: Node,
    outbox: Outbox,
    lane: Lane,
    clock: Arc<dyn Clock>,
    options: TempoSessionOptions,
    method: MethodId,
    currencies: Vec<Currency>,
    /// What is signed, of each contract that is offered.
    vouchers: Vec<(Escrow, Arc<Vouchers>)>,
    hashed: Hashed,
}

impl TempoSession {
    /// Takes sessions as the options say, over a node. Settlements are written down in the outbox; the clock is
    /// what a node's word about the time is held to.
    ///
    /// # Errors
    /// When the node is of another chain, or nothing could be paid by these options.
    pub fn new(
        node: Node,
        outbox: Outbox,
        clock: Arc<dyn Clock>,
        options: TempoSessionOptions,
    ) -> Result<Self, TempoSessionError> {
        options.check()?;
        if node.chain() != options.network.chain() {
            return Err(TempoError::OtherChain.into());
        }
        let id = LaneId {
            chain: node.chain(),
            account: options.key.account(),
            lane: EXPIRING_NONCE_KEY,
        };
        let vouchers = options.escrows.iter();
        let vouchers = vouchers.map(|escrow| (*escrow, Arc::new(Vouchers::of(escrow))));
        Ok(Self {
            lane: outbox.lane(id, 0),
            method: method(),
            currencies: options.tokens.iter().map(Token::currency).collect(),
            vouchers: vouchers.collect(),
            hashed: Hashed::new(),
            node,
            outbox,
            clock,
            options,
        })
    }

    /// Asks the chain whether the contracts are there, and leave as much time to settle as is reckoned with.
    ///
    /// # Errors
    /// When they do not, or the chain does not tell.
    pub async fn check_contracts(&self) -> Result<(), TempoSessionError> {
        for Escrow { contract, .. } in &self.options.escrows {
            let answer = self.node.ask(state::grace_request(*contract)).await;
            let found = match answer {
                Ok(answer) => state::read_grace(&answer),
                Err(farthing_evm::RpcError::Reverted(_)) => None,
                Err(error) => return Err(error.into()),
            };
            let found = found.ok_or(TempoSessionError::NoEscrow(*contract))?;
            let expected = self.options.grace.as_secs();
            if found < expected {
                return Err(TempoSessionError::Grace {
                    contract: *contract,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// What is signed for the channels of a contract. One that is not offered any more still settles.
    fn vouchers(&self, escrow: &Escrow) -> Arc<Vouchers> {
        let known = self.vouchers.iter().find(|(known, _)| known == escrow);
        known.map_or_else(
            || Arc::new(Vouchers::of(escrow)),
            |(_, vouchers)| vouchers.clone(),
        )
    }

    fn verifier_of(&self, channel: TempoChannel) -> Result<TempoVerifier, Flaw> {
        if channel.escrow().chain != self.node.chain() {
            return Err(Flaw::OtherTerms("chain"));
        }
        let vouchers = self.vouchers(channel.escrow());
        Ok(TempoVerifier::new(channel, vouchers))
    }
}

impl Session for TempoSession {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn prepare(&self, wanted: &WantedSession<'_>) -> Result<Vec<SessionRequest>, PrepareError> {
        offer::prepare(wanted, &self.options)
    }

    fn currency(&self, code: &CurrencyCode) -> Option<&Currency> {
        self.currencies.iter().find(|it| it.code == *code)
    }

    fn grace(&self) -> Duration {
        self.options.grace
    }

    fn read(&self, shown: &Shown<'_>) -> Result<Action, Refusal> {
        let demand = Demand::read(shown.request, &self.options)?;
        let payload = Payload::read(shown.payload, demand.escrow.protocol)?;
        reading::is_consistent(&payload, &demand, &self.hashed)?;
        Ok(reading::action(&payload))
    }

    fn verifier(&self, id: &ChannelId, terms: &Terms) -> Result<Arc<dyn Verifier>, Refusal> {
        let channel = look::of(id, terms)?;
        Ok(Arc::new(self.verifier_of(channel)?))
    }

    fn check<'a>(
        &'a self,
        shown: Shown<'a>,
        _: &'a Funding,
        terms: Option<&'a Terms>,
    ) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move { Ok(self.check_funding(shown, terms).await?) })
    }

    fn fund<'a>(&'a self, order: FundOrder<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.fund_order(order))
    }

    fn look<'a>(
        &'a self,
        channels: &'a [(ChannelId, Terms)],
    ) -> BoxFuture<'a, Result<Vec<Option<Seen>>, Refusal>> {
        Box::pin(self.look_at(channels))
    }

    fn news(&self, since: Option<u64>) -> BoxFuture<'_, Result<News, Refusal>> {
        Box::pin(self.news_since(since))
    }

    fn wait_for_news(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.next_block())
    }

    fn settlement_limit(&self) -> usize {
        self.options.settling.channels
    }

    fn settle<'a>(&'a self, job: &'a SettleJob) -> BoxFuture<'a, Settled> {
        Box::pin(self.settle_job(job))
    }

    fn forget<'a>(&'a self, over: Bygone<'a>) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async move {
            match over {
                Bygone::Settlement { id } => self.forget_job(id).await,
                _ => Ok(true),
            }
        })
    }
}

impl fmt::Debug for TempoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempoSession")
            .field("network", &self.options.network.name())
            .field("recipient", &self.options.recipient)
            .finish_non_exhaustive()
    }
}
