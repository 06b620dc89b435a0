//! The seller's side: `tempo/charge`, with its three payloads.
//!
//! | payload | when | what is checked before anything is claimed | what settles it |
//! |---|---|---|---|
//! | `transaction` | the buyer signs, we send | its bytes, then the chain in one batch | its receipt's logs |
//! | `hash` | the buyer sent it | its receipt's logs, its time, its memo | the same, looked at again |
//! | `proof` | nothing is to be paid | the signature | nothing |
//!
//! A payment costs two round trips to a node: one to check, one to settle.
//!
//! # If the process dies
//!
//! What is in the store and on the chain after each step, and what becomes of it. The gate's own steps are
//! in its `claim.rs` and `permit.rs`; this is what they mean here.
//!
//! | payload, policy | step | in the store | on the chain | what becomes of it |
//! |---|---|---|---|---|
//! | transaction | checked, and signed by our sponsor | nothing | nothing | nothing: nobody has our signature |
//! | transaction, first | claimed | the bytes, sealed; the sponsor's debits | nothing | sent, while it is valid; else refused, and the debits come back |
//! | transaction, first | sent | the same | perhaps a transaction | looked for by its hash; sent again where nobody knows it |
//! | transaction, first | in a block | the same | paid | looked for: settled |
//! | transaction, after | claimed | the claim, and no bytes | nothing | voided: we never sent it, and it ends soon |
//! | transaction, after | the answer is held | the bytes, sealed; the answer | nothing | sent, while it is valid |
//! | hash | before the claim | nothing | paid | the buyer presents it again |
//! | hash | claimed | the hash, its block | paid | looked at again: settled, also where the route settles afterwards |
//! | proof | claimed | the claim | nothing | settled: there is nothing to lose |
//!
//! The same bytes are sent, always: they move value once, because their nonce is used once. What ends a
//! payment is a receipt in a block that the chain has, or the proof that there never will be one: the chain's
//! clock passed `valid_before`, or another transaction used the nonce. Silence ends nothing.
//!
//! # What one payment is
//!
//! A claim is held under the challenge, under the transaction's hash, and under what the sender signed with
//! who signed it ([`identity`](crate::Authored::identity)): one who signs the same again, or has it
//! sponsored twice, has other bytes and another hash, and still the same payment. The memo ties a transaction
//! to its challenge; it has 56 bits of it, so it is never the only key.
//!
//! # What is not checked
//!
//! That a token's issuer does not freeze it, that a payer's money is still there when the block comes, and
//! that several nodes agree: the first answer counts. A route that settles first serves nothing until the
//! chain says that it was paid, so none of these can take anything from a seller but time, and from a sponsor
//! more than its bounds.

mod demand;
pub(crate) mod effect;
pub(crate) mod flaw;
mod health;
mod look;
mod offer;
mod options;
mod payload;
pub(crate) mod preflight;
mod proof;
pub(crate) mod pull;
pub(crate) mod push;
mod settle;
pub(crate) mod tries;

use std::{borrow::Cow, fmt, time::Duration};

use farthing_core::{
    domain::{claims::Debit, losses},
    intent::charge::ChargeRequest,
    port::method::{Charge, PrepareError, Presented, Rail, Refusal, Step, Verified, Wanted},
    value::{Amount, ClaimKey, Currency, CurrencyCode, Did, MethodId, Reference, Timestamp},
};
use farthing_evm::{Address, B256, ChainId, Node, PkhDid, TxHash};
use tokio::sync::Semaphore;

pub use self::health::Health;
pub use self::options::{Bounds, PushOptions, Sponsor, TempoError, TempoOptions};
pub(crate) use self::options::{TOKENS, are_different};
pub(crate) use self::settle::reference;
use self::{
    demand::Demand,
    effect::{Effect, Send, Sender},
    flaw::Flaw,
    payload::Payload,
    preflight::{Cleared, Preflight, Rules},
    proof::{Signed, Unclear},
    pull::Pull,
    tries::Trying,
};
use crate::{
    charge::{Proofs, method},
    token::Token,
    transaction::{Received, SignedTransaction},
};

/// What the names of a sponsor's counters begin with.
const COUNTERS: &str = "tempo/sponsor/";

/// What the sponsor's losses are counted under.
const LOST: &str = "fees";

/// Tempo as a payment method: charges settled on the chain.
///
/// ```no_run
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// use farthing_evm::{Node, SigningKey};
/// use farthing_tempo::{Network, Sponsor, Tempo, TempoOptions, token::known};
///
/// let network = Network::moderato();
/// let node = Node::connect(network.node()).await?;
/// let mut options = TempoOptions::new(network, "0x742d35cc6634c0532925a3b844bc9e7595f8fe00".parse()?);
/// options.tokens = vec![known::PATH_USD, known::ALPHA_USD];
/// // Only if the buyers' fees are to be paid: an account that holds nothing else.
/// options.sponsor = Some(Sponsor::new(SigningKey::from_bytes([7; 32])?, known::PATH_USD));
/// let tempo = Tempo::new(node, options)?;
/// # let _ = tempo;
/// # Ok(())
/// # }
/// ```
pub struct Tempo {
    node: Node,
    options: TempoOptions,
    method: MethodId,
    proofs: Proofs,
    currencies: Vec<Currency>,
    /// Places for those who wait for a hash to be in a block.
    waits: Semaphore,
}

impl Tempo {
    /// Takes payments as the options say, over a node.
    ///
    /// # Errors
    /// When the node is of another chain, or no payment could be made by these options.
    pub fn new(node: Node, options: TempoOptions) -> Result<Self, TempoError> {
        options.check()?;
        if node.chain() != options.network.chain() {
            return Err(TempoError::OtherChain);
        }
        Ok(Self {
            proofs: Proofs::new(node.chain()),
            method: method(),
            waits: Semaphore::new(push::WAITS),
            currencies: options.tokens.iter().map(Token::currency).collect(),
            node,
            options,
        })
    }

    /// What can be done without a node.
    fn begin<'a>(
        &self,
        presented: Presented<'a>,
        payload: Result<Payload, Flaw>,
    ) -> Result<Work<'a>, Flaw> {
        let payload = payload?;
        let demand = Demand::read(presented, &self.options)?;
        Ok(match payload {
            Payload::Transaction(bytes) => {
                let pull = Pull::read(&demand, &bytes, &self.options)?;
                Work::Pull(demand, Box::new(pull))
            }
            Payload::Hash(hash) => {
                let payer = push::payer(&demand)?;
                Work::Push(demand, payer, hash)
            }
            Payload::Proof(signature) => {
                match proof::read(&demand, signature, &self.proofs, &self.options.proofs)? {
                    Signed::ByAccount(account) => Work::Done(self.proven(&demand, account)?),
                    Signed::Perhaps(unclear) => Work::Proof(demand, Box::new(unclear)),
                }
            }
        })
    }

    /// What is left, for which the chain is asked.
    async fn finish(&self, work: Work<'_>) -> Result<Verified, Flaw> {
        match work {
            Work::Done(verified) => Ok(verified),
            Work::Pull(demand, pull) => self.pull(&demand, *pull).await,
            Work::Push(demand, payer, hash) => self.push(&demand, payer, hash).await,
            Work::Proof(demand, unclear) => {
                let account = unclear.confirm(&self.node, demand.presented.now).await?;
                self.proven(&demand, account)
            }
        }
    }

    async fn pull(&self, demand: &Demand<'_>, pull: Pull) -> Result<Verified, Flaw> {
        let sponsor = self.options.sponsor.as_ref();
        let sponsor = sponsor.filter(|_| demand.details.fee_payer);
        let is_marked = demand.details.memo.is_none();
        let preflight = Preflight::new(&pull, sponsor, is_marked, Trying::Each);
        let rules = Rules {
            bounds: &self.options.bounds,
            send_untried: self.options.send_untried,
        };
        let Cleared { fee_token, has } = preflight.run(&self.node, &rules).await?;
        let now = demand.presented.now;
        let debits = sponsor.map_or_else(Vec::new, |sponsor| {
            debits(self.node.chain(), sponsor, &pull, has, now)
        });
        let (payer, valid_before) = (pull.payer, pull.valid_before);
        let identity = pull.authored().identity();
        // Signed only now, and kept from everybody until the claim and its debits are written.
        let whole = whole(pull.received, sponsor, fee_token)?;
        let effect = Effect::Send(Send {
            raw: whole.raw().bytes().clone(),
            from: Sender::of(whole.authored()),
            details: demand.presented.request.method_details.clone(),
        });
        Ok(Verified {
            payer: Some(self.did(payer)),
            keys: vec![self.key("tx", whole.hash())?, self.key("signed", identity)?],
            debits,
            reference: Some(reference(whole.hash())),
            send_before: Some(valid_before.saturating_sub(self.options.bounds.margin)),
            effect: Some(effect.seal().map_err(Flaw::Bug)?),
            ..Verified::new(valid_before)
        })
    }

    async fn push(
        &self,
        demand: &Demand<'_>,
        payer: Address,
        hash: TxHash,
    ) -> Result<Verified, Flaw> {
        let options = &self.options.push;
        let found = push::find(&self.node, hash, options.wait, &self.waits).await?;
        let (seen, at) = found.check(&self.node, demand, payer, options).await?;
        let effect = Effect::Seen(seen).seal().map_err(Flaw::Bug)?;
        let until = at.saturating_add(options.age).max(demand.presented.expires);
        Ok(Verified {
            payer: Some(self.did(payer)),
            keys: vec![self.key("tx", hash)?],
            reference: Some(reference(hash)),
            prepaid: true,
            effect: Some(effect),
            ..Verified::new(until.saturating_add(options.grace))
        })
    }

    /// The challenge is the proof's own key: a signature over it is good for nothing else.
    fn proven(&self, demand: &Demand<'_>, account: Address) -> Result<Verified, Flaw> {
        let id = demand.presented.challenge.as_str();
        Ok(Verified {
            payer: Some(self.did(account)),
            reference: Some(Reference::new(id).map_err(|error| Flaw::Bug(error.into()))?),
            effect: Some(Effect::Nothing.seal().map_err(Flaw::Bug)?),
            ..Verified::new(demand.presented.expires)
        })
    }

    fn did(&self, address: Address) -> Did {
        let chain = self.options.network.chain();
        PkhDid { chain, address }.into()
    }

    fn key(&self, kind: &str, hash: B256) -> Result<ClaimKey, Flaw> {
        let chain = self.options.network.chain();
        ClaimKey::proof(&self.method, &format!("{chain}/{kind}/{hash:#x}"))
            .map_err(|error| Flaw::Bug(error.into()))
    }
}

/// What is left to do for a credential after everything that needs no node.
enum Work<'a> {
    Done(Verified),
    Pull(Demand<'a>, Box<Pull>),
    Push(Demand<'a>, Address, TxHash),
    Proof(Demand<'a>, Box<Unclear>),
}

/// What a sponsored payment reserves until its outcome is known, over all servers on one store.
///
/// The payer's money is counted too: each of several payments under way is good by itself, and whoever has
/// enough for one of them would have us pay the fees of all the others, which fail. Who has enough for all
/// can still take it away before the block; so what the chain took for nothing stays counted, for an hour.
pub(crate) fn debits(
    chain: ChainId,
    sponsor: &Sponsor,
    pull: &Pull,
    has: Amount,
    now: Timestamp,
) -> Vec<Debit> {
    let fee = u128::try_from(pull.transaction().max_fee()).unwrap_or(u128::MAX);
    let fee = Amount::new(fee);
    let debit = |what: &str, amount, limit| Debit {
        counter: counter(chain, sponsor, what).into(),
        amount,
        limit,
        keep: false,
    };
    let one = Amount::new(1);
    let many = Amount::new(sponsor.in_flight.into());
    let spent = format!("payer/{:#x}/{:#x}", pull.payer, pull.token);
    vec![
        debit("in-flight", one, many),
        debit("fees", fee, sponsor.fees_in_flight),
        debit(&spent, pull.amount, has),
        losses::debit(&counter(chain, sponsor, LOST), fee, sponsor.fees_lost, now),
    ]
}

fn counter(chain: ChainId, sponsor: &Sponsor, what: &str) -> String {
    format!("{COUNTERS}{chain}/{:#x}/{what}", sponsor.key.address())
}

/// The transaction that is sent: the buyer's own, or its half with our signature for the fee.
pub(crate) fn whole(
    received: Received,
    sponsor: Option<&Sponsor>,
    fee_token: Option<&Token>,
) -> Result<SignedTransaction, Flaw> {
    match (received, sponsor, fee_token) {
        (Received::Whole(whole), None, _) => Ok(whole),
        (Received::Half(half), Some(sponsor), Some(token)) => {
            Ok(half.cosign(token.address, &sponsor.key))
        }
        (Received::Half(_), ..) => Err(Flaw::Sponsored),
        (Received::Whole(_), ..) => Err(Flaw::NotSponsored),
    }
}

impl Charge for Tempo {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn prepare(&self, wanted: &Wanted<'_>) -> Result<Vec<ChargeRequest>, PrepareError> {
        offer::prepare(wanted, &self.options)
    }

    fn verify<'a>(&'a self, presented: Presented<'a>) -> Step<'a, Result<Verified, Refusal>> {
        let payload = Payload::read(presented.payload);
        let is_prepaid = matches!(payload, Ok(Payload::Hash(_)));
        let refusal = move |flaw: Flaw| match is_prepaid {
            true => Refusal::from(flaw).of_prepaid(),
            false => Refusal::from(flaw),
        };
        match self.begin(presented, payload) {
            Err(flaw) => Step::Now(Err(refusal(flaw))),
            Ok(Work::Done(verified)) => Step::Now(Ok(verified)),
            Ok(work) => Step::Later(Box::pin(
                async move { self.finish(work).await.map_err(refusal) },
            )),
        }
    }

    fn rail(&self) -> Rail<'_> {
        Rail::Outside(self)
    }

    fn currency(&self, code: &CurrencyCode) -> Option<&Currency> {
        self.currencies
            .iter()
            .find(|currency| currency.code == *code)
    }

    fn exceeded(&self, debit: &Debit) -> Option<Cow<'static, str>> {
        let lost = losses::scope(debit);
        let ours = lost.unwrap_or(&debit.counter).strip_prefix(COUNTERS)?;
        let why = if lost.is_some() {
            "the seller paid as many fees for payments that failed as it may in an hour: nothing was sent"
        } else if ours.contains("/payer/") {
            "the payer has not enough for this and its other payments that are under way: nothing was sent"
        } else {
            "the seller pays as many fees as it may at the moment: nothing was sent"
        };
        Some(why.into())
    }

    /// What was sent before the challenge ended may be presented a little later. What is signed when it is
    /// presented has no such grace.
    fn prepaid_grace(&self) -> Duration {
        self.options.push.grace
    }
}

impl fmt::Debug for Tempo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tempo")
            .field("network", &self.options.network.name())
            .field("recipient", &self.options.recipient)
            .finish_non_exhaustive()
    }
}
